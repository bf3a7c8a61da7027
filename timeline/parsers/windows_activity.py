"""Windows Timeline (`ActivitiesCache.db`) and notifications (`wpndatabase.db`).

Times of activities are seconds since 1970, of notifications FILETIME, all UTC.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from timeline import stamps, times
from timeline.event import Event, Problem
from timeline.parsers.chromium import number, text
from timeline.sqlite_image import SIGNATURE, Database, DatabaseError, open_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from timeline.sources import Context, SourceFile

NAME = "windows_activity"
SIGNATURES = (SIGNATURE,)
NAMES = re.compile(r"activitiescache\.db|wpndatabase\.db")
TYPES = {
    2: "notification", 3: "mobile backup", 5: "opened", 6: "in use", 10: "clipboard", 11: "system", 12: "system",
    15: "system", 16: "copy and paste",
}  # fmt: skip


def matches(file: SourceFile) -> bool:
    """A SQLite database of that name."""
    return file.head[:16] == SIGNATURE and NAMES.fullmatch(file.name.lower()) is not None


def parse(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    """Start, end and change of each activity; arrival of each notification."""
    del context
    try:
        database = open_database(file)
    except DatabaseError as error:
        yield Problem(file.layer, "damaged", str(error))
        return
    actor = stamps.user_of(file.path)
    with database:
        tables = database.tables()
        if "Activity" in tables:
            yield from _activities(database, tables["Activity"], actor)
        elif "Notification" in tables:
            yield from _notifications(database, actor)
        else:
            database.problems.append(Problem(file.layer, "unsupported", "a database without the tables of its name"))
        yield from database.problems


def _json(value: object) -> dict[str, object]:
    try:
        found = json.loads(text(value))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _program(value: object) -> str:
    """The program of an activity: AppId is a list of names, one for each platform."""
    try:
        names = json.loads(text(value))
    except (ValueError, RecursionError):
        return text(value)
    found = [
        str(one.get("application"))
        for one in (names if isinstance(names, list) else [])
        if isinstance(one, dict) and one.get("application")
    ]
    preferred = [name for name in found if "\\" in name or name.endswith(".exe") or "!" in name]
    return (preferred or found or [""])[0]


def _activities(database: Database, columns: list[str], actor: str) -> Iterator[Event]:
    wanted = (
        "AppId", "AppActivityId", "ActivityType", "StartTime", "EndTime", "LastModifiedTime", "LastModifiedOnClient",
        "ExpirationTime", "CreatedInCloud", "Payload", "PlatformDeviceId", "IsLocalOnly", "ETag",
    )  # fmt: skip
    chosen = ", ".join(f"[{name}]" if name in columns else f"NULL AS {name}" for name in wanted)
    for values in database.rows(f"SELECT {chosen} FROM Activity ORDER BY ETag"):  # noqa: S608 - names of columns
        row = dict(zip(wanted, values, strict=True))
        payload = _json(row["Payload"])
        kind = number(row["ActivityType"])
        program = _program(row["AppId"])
        seconds = payload.get("activeDurationSeconds")
        data = {
            "program": program,
            "application": payload.get("appDisplayName"),
            "title": payload.get("displayText"),
            "description": payload.get("description"),
            "type": TYPES.get(kind, kind),
            "active_seconds": seconds if isinstance(seconds, int) else None,
            "user_zone": payload.get("userTimezone"),
            "device": text(row["PlatformDeviceId"]),
            "activity": text(row["AppActivityId"])[:500],
        }
        path = payload.get("contentUri") or payload.get("description") or program
        for name, event_kind, desc in (
            ("StartTime", "activity.start", "Activity Started"),
            ("EndTime", "activity.end", "Activity Ended"),
            ("LastModifiedOnClient", "activity.changed", "Last Modified on Client"),
            ("LastModifiedTime", "activity.changed", "Last Modified"),
            ("CreatedInCloud", "activity.cloud", "Created in Cloud"),
        ):
            value = number(row[name])
            if value > 0:
                yield stamps.unix(value).event(
                    event_kind, desc, record=f"ETag {number(row['ETag'])}", sequence=number(row["ETag"]), actor=actor,
                    path=str(path), data=data,
                )  # fmt: skip


def _notifications(database: Database, actor: str) -> Iterator[Event]:
    rows = database.rows(
        "SELECT n.Id, n.Type, n.Payload, n.ArrivalTime, n.ExpiryTime, h.PrimaryId FROM Notification n "
        "LEFT JOIN NotificationHandler h ON h.RecordId = n.HandlerId ORDER BY n.[Order]"
    )
    for identifier, kind, payload, arrived, expires, handler in rows:
        words = [
            " ".join(one.split()) for one in re.findall(r"<text[^>]*>([^<]*)</text>", text(payload)) if one.strip()
        ]
        data = {"type": text(kind), "program": text(handler), "text": " | ".join(words)[:1000]}
        common = {"record": f"notification {number(identifier)}", "actor": actor, "path": text(handler), "data": data}
        if number(arrived):
            yield stamps.filetime(number(arrived)).event("notification.arrived", "Arrival Time", **common)  # type: ignore[arg-type]
        if number(expires):
            yield stamps.filetime(number(expires)).event("notification.expires", "Expiry Time", **common)  # type: ignore[arg-type]
    handlers = database.rows("SELECT PrimaryId, HandlerType, CreatedTime, ModifiedTime FROM NotificationHandler")
    for handler, kind, created, modified in handlers:
        for value, desc in ((created, "Handler Created"), (modified, "Handler Modified")):
            found = times.iso(text(value))
            if found is not None and not (desc == "Handler Modified" and value == created):
                # SQLite's datetime('now') is UTC.
                yield stamps.Stamp(found[0], text(value), found[1]).event(
                    "notification.handler", desc, record=text(handler), actor=actor, path=text(handler),
                    data={"type": text(kind)},
                )  # fmt: skip
