"""Events of plaso as JSON lines (`psort -o json_line`) or as one JSON object (`-o json`, one event a line as well).

Format: plaso's shared JSON output: `timestamp` in microseconds since 1970, `date_time` with the raw value and its own
precision, `timestamp_desc`, `data_type`, `message`, `display_name`. The raw value is used where it is finer than
`timestamp`; `is_local_time` there says that no zone is known. Kind: `plaso.event`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from timeline import times
from timeline.event import Event, Problem, bounded
from timeline.lines import Lines, Unread, head_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from timeline.sources import Context, SourceFile

NAME = "plaso_json"
TEXT = True
_KNOWN = frozenset(
    [
        "__container_type__",
        "__type__",
        "date_time",
        "timestamp",
        "timestamp_desc",
        "data_type",
        "display_name",
        "filename",
        "hostname",
        "username",
        "message",
        "parser",
        "inode",
    ]
)


def matches(file: SourceFile) -> bool:
    """The type and the fields of an event in the head."""
    head = file.head
    return (
        head.lstrip()[:1] == b"{"
        and b'"__container_type__"' in head
        and b'"timestamp' in head
        and bool(head_text(head))
    )


def parse(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    """An event for each line."""
    lines, unread = Lines(file), Unread()
    sequence = 0
    for number, text in lines:
        body = text.strip().rstrip(",")
        if body in ("", "{", "}"):
            continue
        sequence += 1
        if sequence % 4096 == 0 and context.expired():
            yield Problem(file.layer, "limit", f"time limit at line {number}")
            break
        found = _object(body)
        if found is None:
            yield unread.event(number, text, sequence)
            continue
        yield _event(found, number, sequence, context)
    yield from lines.problems(file.layer)
    yield from unread.problems(file.layer, lines)


def _object(body: str) -> dict[str, object] | None:
    """The event of a line; `-o json` writes `"event_0": {…}` and braces around all."""
    if body.startswith(('{"event_', '"event_')):
        body = body[body.index(":") + 1 :].strip()
        while body.count("}") > 1 and not _loads(body):
            body = body[:-1].rstrip()
    return _loads(body)


def _loads(body: str) -> dict[str, object] | None:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and ("timestamp" in found or "date_time" in found) else None


def _time(found: Mapping[str, object]) -> tuple[int | None, str, int, str | None]:
    """(ns, text as recorded, precision, zone)."""
    stamp = found.get("timestamp")
    ns = bounded(stamp * 1000) if isinstance(stamp, int) and stamp else None
    raw = found.get("date_time")
    if not isinstance(raw, dict):
        return ns, str(stamp or ""), 1000, "UTC"
    zone = None if raw.get("is_local_time") else "UTC"
    name, value = raw.get("__class_name__"), raw.get("timestamp")
    text = str(value if value is not None else raw.get("string", stamp))
    if isinstance(value, int) and name == "Filetime":
        return times.filetime(value), text, 100, zone
    if isinstance(value, int) and name == "PosixTimeInNanoseconds":
        return bounded(value), text, 1, zone
    precision = {"PosixTime": times.NS, "FATDateTime": 2 * times.NS, "PosixTimeInMilliseconds": times.MS}.get(
        str(name), 1000
    )
    return ns, text, precision, zone


def _event(found: Mapping[str, object], number: int, sequence: int, context: Context) -> Event:
    ns, text, precision, zone = _time(found)
    data: dict[str, object] = {
        "message": str(found.get("message", ""))[:4000],
        "type": str(found.get("data_type", "")),
        "parser": str(found.get("parser", "")),
    }
    data |= {
        name: value
        for name, value in found.items()
        if name not in _KNOWN and isinstance(value, str | int | float | bool) and value not in ("", "-")
    }
    return Event(
        time_ns=ns, time_text=text, precision_ns=precision, zone=zone, zone_basis="none" if zone is None else "format",
        kind="plaso.event", desc=str(found.get("timestamp_desc", "")), record=str(number), sequence=sequence,
        actor=_shown(found.get("username")), host=_shown(found.get("hostname")) or context.host,
        path=_shown(found.get("filename")) or _shown(found.get("display_name")), data=data,
    )  # fmt: skip


def _shown(value: object) -> str:
    return value if isinstance(value, str) and value != "-" else ""
