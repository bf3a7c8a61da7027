"""Databases of Chrome, Edge and their kin: history, downloads, cookies.

Times are microseconds since 1601 (before Chrome 26 the downloads' seconds since 1970). Schema: Chromium,
`components/history/core/browser/*_database.cc`, `net/extras/sqlite/sqlite_persistent_cookie_store.cc`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from timeline import stamps
from timeline.event import Event, Problem
from timeline.sqlite_image import SIGNATURE, Database, DatabaseError, open_database

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from timeline.sources import Context, SourceFile

NAME = "chromium"
SIGNATURES = (SIGNATURE,)
NAMES = re.compile(r"(?:archived )?history.*|cookies.*")
TRANSITIONS = (
    "link", "typed", "bookmark", "subframe", "manual subframe", "generated", "start page", "form", "reload", "keyword",
    "keyword generated",
)  # fmt: skip
DOWNLOAD_STATES = {0: "in progress", 1: "complete", 2: "cancelled", 3: "interrupted", 4: "interrupted"}


def matches(file: SourceFile) -> bool:
    """A SQLite database of that name; its tables are asked for when it is read."""
    if file.head[:16] != SIGNATURE:
        return False
    return NAMES.fullmatch(file.name.lower()) is not None or b"CREATE TABLE urls(" in file.head


def promises(file: SourceFile) -> bool:
    """A name alone is no promise: other programs have a database called History, too."""
    return file.name in ("History", "Cookies") and file.head[:16] == SIGNATURE


def parse(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    """Visits, downloads, searches; cookies."""
    del context
    try:
        database = open_database(file)
    except DatabaseError as error:
        yield Problem(file.layer, "damaged", str(error))
        return
    with database:
        tables = database.tables()
        actor = stamps.user_of(file.path)
        browser = "Edge" if "/edge/" in file.path.lower() else "Chrome" if "/chrome/" in file.path.lower() else ""
        if "urls" in tables and "visits" in tables:
            yield from _visits(database, tables, actor, browser)
            yield from _downloads(database, tables, actor, browser)
        elif "cookies" in tables:
            yield from _cookies(database, tables["cookies"], actor, browser)
        else:
            database.problems.append(Problem(file.layer, "unsupported", "a database without tables of Chromium"))
        yield from database.problems


def number(value: object) -> int:
    """A cell as a number; 0 where it is none."""
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, float | str) and re.fullmatch(r"-?\d{1,18}(?:\.0*)?", str(value)) else 0


def text(value: object) -> str:
    """A cell as text."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if value is None else str(value)


def _visits(database: Database, tables: dict[str, list[str]], actor: str, browser: str) -> Iterator[Event]:
    terms = {}
    if "keyword_search_terms" in tables:
        terms = {number(row[0]): text(row[1]) for row in database.rows("SELECT url_id, term FROM keyword_search_terms")}
    duration = "v.visit_duration" if "visit_duration" in tables["visits"] else "0"
    seen: dict[int, int] = {}
    rows = database.rows(
        f"SELECT v.id, v.url, v.visit_time, v.from_visit, v.transition, {duration}, u.url, u.title, u.visit_count, "  # noqa: S608 - names of columns
        "u.typed_count, u.hidden FROM visits v LEFT JOIN urls u ON u.id = v.url ORDER BY v.id"
    )
    for row in rows:
        identifier, url_id, when, before, transition, lasted, url, title, count, typed, hidden = row
        core = number(transition) & 0xFF
        seen[number(url_id)] = max(seen.get(number(url_id), 0), number(when))
        data = {
            "title": text(title),
            "transition": TRANSITIONS[core] if core < len(TRANSITIONS) else core,
            "visits": number(count),
            "typed": number(typed),
            "duration_us": number(lasted) or None,
            "from_visit": number(before) or None,
            "hidden": True if number(hidden) else None,
            "search": terms.get(number(url_id), ""),
            "browser": browser,
        }
        yield stamps.webkit(number(when)).event(
            "web.visit", "Visited", record=f"visit {number(identifier)}", sequence=number(identifier), actor=actor,
            path=text(url), data=data,
        )  # fmt: skip
    for row in database.rows("SELECT id, url, title, visit_count, last_visit_time FROM urls"):
        identifier, url, title, count, when = row
        if number(when) > seen.get(number(identifier), 0):
            # The visit itself is gone (expired or deleted), the address remembers it.
            data = {"title": text(title), "visits": number(count), "visit_gone": True, "browser": browser}
            yield stamps.webkit(number(when)).event(
                "web.last_visit",
                "Last Visited",
                record=f"url {number(identifier)}",
                actor=actor,
                path=text(url),
                data=data,
            )


def _downloads(database: Database, tables: dict[str, list[str]], actor: str, browser: str) -> Iterator[Event]:
    columns = tables.get("downloads", [])
    chains: dict[int, list[str]] = {}
    if "downloads_url_chains" in tables:
        for link in database.rows("SELECT id, url FROM downloads_url_chains ORDER BY id, chain_index"):
            chains.setdefault(number(link[0]), []).append(text(link[1]))
    if not columns:
        return
    wanted = (
        "id", "target_path", "full_path", "start_time", "end_time", "received_bytes", "total_bytes", "state",
        "danger_type", "opened", "referrer", "tab_url", "url", "mime_type", "last_access_time",
    )  # fmt: skip
    chosen = ", ".join(f'"{name}"' if name in columns else f"NULL AS {name}" for name in wanted)
    for values in database.rows(f"SELECT {chosen} FROM downloads"):  # noqa: S608 - names of columns, from the list above
        row = dict(zip(wanted, values, strict=True))
        identifier = number(row["id"])
        urls = chains.get(identifier, [])
        data = {
            "url": urls[-1] if urls else text(row["url"]),
            "first_url": urls[0] if len(urls) > 1 else "",
            "referrer": text(row["referrer"]),
            "tab_url": text(row["tab_url"]),
            "total_bytes": number(row["total_bytes"]),
            "state": DOWNLOAD_STATES.get(number(row["state"]), number(row["state"])),
            "danger": number(row["danger_type"]) or None,
            "opened": bool(number(row["opened"])),
            "mime_type": text(row["mime_type"]),
            "browser": browser,
        }
        path = text(row["target_path"]) or text(row["full_path"])
        for name, kind, desc in (
            ("start_time", "web.download", "Download Started"),
            ("end_time", "web.download_end", "Download Ended"),
            ("last_access_time", "web.download_opened", "Download Last Opened"),
        ):
            value = number(row[name])
            if value:
                stamp = stamps.webkit(value) if value > 1 << 40 else stamps.unix(value)
                yield stamp.event(
                    kind, desc, record=f"download {identifier}", sequence=identifier, actor=actor, path=path,
                    size=number(row["received_bytes"]), data=data,
                )  # fmt: skip


def _cookies(database: Database, columns: Sequence[str], actor: str, browser: str) -> Iterator[Event]:
    wanted = ("host_key", "name", "path", "creation_utc", "last_access_utc", "last_update_utc", "expires_utc")
    if "host_key" not in columns:
        return
    chosen = ", ".join(name if name in columns else f"NULL AS {name}" for name in wanted)
    for values in database.rows(f"SELECT {chosen} FROM cookies"):  # noqa: S608 - names of columns, from the list above
        row = dict(zip(wanted, values, strict=True))
        host, name = text(row["host_key"]), text(row["name"])
        for column, kind, desc in (
            ("creation_utc", "web.cookie_created", "Cookie Created"),
            ("last_access_utc", "web.cookie_used", "Cookie Last Used"),
            ("last_update_utc", "web.cookie_changed", "Cookie Changed"),
            ("expires_utc", "web.cookie_expires", "Cookie Expires"),
        ):
            if number(row[column]):
                yield stamps.webkit(number(row[column])).event(
                    kind, desc, record=name, actor=actor, path=host + text(row["path"]),
                    data={"name": name, "browser": browser},
                )  # fmt: skip
