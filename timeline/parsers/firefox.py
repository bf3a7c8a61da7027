"""Databases of Firefox: visits, bookmarks, downloads, cookies.

Times are microseconds since 1970 (PRTime); expiry is in seconds, since Firefox 141 in milliseconds. Schema: Mozilla,
`toolkit/components/places`, `netwerk/cookie`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from timeline import stamps
from timeline.event import Event, Problem
from timeline.parsers.chromium import number, text
from timeline.sqlite_image import SIGNATURE, Database, DatabaseError, open_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from timeline.sources import Context, SourceFile

NAME = "firefox"
SIGNATURES = (SIGNATURE,)
NAMES = re.compile(r".*(?:places|cookies|downloads|formhistory).*\.sqlite")
VISITS = (
    "",
    "link",
    "typed",
    "bookmark",
    "embed",
    "permanent redirect",
    "temporary redirect",
    "download",
    "frame",
    "reload",
)


def matches(file: SourceFile) -> bool:
    """A SQLite database with a name of Firefox or a table of it on its first page."""
    return file.head[:16] == SIGNATURE and (
        NAMES.fullmatch(file.name.lower()) is not None or b"CREATE TABLE moz_" in file.head
    )


def promises(file: SourceFile) -> bool:
    """Exactly the names that Firefox gives."""
    return file.name.lower() in ("places.sqlite", "cookies.sqlite", "downloads.sqlite", "formhistory.sqlite")


def parse(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    """What the tables of Firefox in it say."""
    del context
    try:
        database = open_database(file)
    except DatabaseError as error:
        yield Problem(file.layer, "damaged", str(error))
        return
    actor = stamps.user_of(file.path)
    with database:
        tables = database.tables()
        if "moz_historyvisits" in tables and "moz_places" in tables:
            yield from _visits(database, actor)
            if "moz_bookmarks" in tables:
                yield from _bookmarks(database, actor)
            if "moz_annos" in tables:
                yield from _annotated(database, actor)
        if "moz_cookies" in tables:
            yield from _cookies(database, tables["moz_cookies"], actor)
        if "moz_downloads" in tables:
            yield from _downloads(database, actor)
        if "moz_formhistory" in tables:
            yield from _forms(database, actor)
        yield from database.problems


def _visits(database: Database, actor: str) -> Iterator[Event]:
    rows = database.rows(
        "SELECT v.id, v.visit_date, v.visit_type, v.from_visit, p.url, p.title, p.visit_count, p.typed, "
        "p.hidden, b.url "
        "FROM moz_historyvisits v LEFT JOIN moz_places p ON p.id = v.place_id "
        "LEFT JOIN moz_historyvisits f ON f.id = v.from_visit LEFT JOIN moz_places b ON b.id = f.place_id ORDER BY v.id"
    )
    for identifier, when, kind, _, url, title, count, typed, hidden, before in rows:
        place = number(kind)
        data = {
            "title": text(title),
            "transition": VISITS[place] if 0 < place < len(VISITS) else place,
            "visits": number(count),
            "typed": number(typed),
            "hidden": True if number(hidden) else None,
            "from_url": text(before),
            "browser": "Firefox",
        }
        yield stamps.unix_us(number(when)).event(
            "web.visit", "Visited", record=f"visit {number(identifier)}", sequence=number(identifier), actor=actor,
            path=text(url), data=data,
        )  # fmt: skip


def _bookmarks(database: Database, actor: str) -> Iterator[Event]:
    rows = database.rows(
        "SELECT b.id, b.title, b.dateAdded, b.lastModified, p.url FROM moz_bookmarks b "
        "LEFT JOIN moz_places p ON p.id = b.fk"
    )
    for identifier, title, added, modified, url in rows:
        for value, kind, desc in (
            (added, "web.bookmark_added", "Bookmark Added"),
            (modified, "web.bookmark_changed", "Bookmark Changed"),
        ):
            if number(value):
                yield stamps.unix_us(number(value)).event(
                    kind, desc, record=f"bookmark {number(identifier)}", actor=actor, path=text(url) or text(title),
                    data={"title": text(title), "browser": "Firefox"},
                )  # fmt: skip


def _annotated(database: Database, actor: str) -> Iterator[Event]:
    """Annotations of addresses; those of downloads name the file."""
    rows = database.rows(
        "SELECT a.id, n.name, a.content, a.dateAdded, a.lastModified, p.url FROM moz_annos a "
        "LEFT JOIN moz_anno_attributes n ON n.id = a.anno_attribute_id LEFT JOIN moz_places p ON p.id = a.place_id"
    )
    for identifier, name, content, added, modified, url in rows:
        download = text(name) == "downloads/destinationFileURI"
        for value, desc in ((added, "Annotation Added"), (modified, "Annotation Changed")):
            if number(value) and not (desc.endswith("Changed") and number(value) == number(added)):
                yield stamps.unix_us(number(value)).event(
                    "web.download" if download else "web.annotation", desc, record=f"annotation {number(identifier)}",
                    actor=actor, path=text(content) if download else text(url),
                    data={"url": text(url), "name": text(name), "content": text(content)[:500], "browser": "Firefox"},
                )  # fmt: skip


def _cookies(database: Database, columns: list[str], actor: str) -> Iterator[Event]:
    wanted = ("id", "host", "path", "name", "creationTime", "lastAccessed", "expiry")
    if "id" not in columns:
        return
    chosen = ", ".join(name if name in columns else f"NULL AS {name}" for name in wanted)
    for values in database.rows(f"SELECT {chosen} FROM moz_cookies"):  # noqa: S608 - names of columns, from the list above
        row = dict(zip(wanted, values, strict=True))
        # Old versions have no creationTime: their id is that time.
        created = number(row["creationTime"]) or (number(row["id"]) if number(row["id"]) > 1 << 48 else 0)
        used, expiry = number(row["lastAccessed"]), number(row["expiry"])
        found = (
            (stamps.unix_us(created), "web.cookie_created", "Cookie Created", created),
            (stamps.unix_us(used), "web.cookie_used", "Cookie Last Used", used),
            (
                stamps.unix_ms(expiry) if expiry > 1 << 36 else stamps.unix(expiry),
                "web.cookie_expires", "Cookie Expires", expiry,
            ),
        )  # fmt: skip
        for stamp, kind, desc, value in found:
            if value:
                yield stamp.event(
                    kind, desc, record=text(row["name"]), actor=actor, path=text(row["host"]) + text(row["path"]),
                    data={"name": text(row["name"]), "browser": "Firefox"},
                )  # fmt: skip


def _downloads(database: Database, actor: str) -> Iterator[Event]:
    rows = database.rows(
        "SELECT id, name, source, target, startTime, endTime, currBytes, maxBytes, referrer, mimeType "
        "FROM moz_downloads"
    )
    for identifier, name, source, target, started, ended, received, total, referrer, mime in rows:
        data = {
            "name": text(name),
            "url": text(source),
            "referrer": text(referrer),
            "total_bytes": number(total),
            "mime_type": text(mime),
            "browser": "Firefox",
        }
        for value, kind, desc in (
            (started, "web.download", "Download Started"),
            (ended, "web.download_end", "Download Ended"),
        ):
            if number(value):
                yield stamps.unix_us(number(value)).event(
                    kind, desc, record=f"download {number(identifier)}", actor=actor, path=text(target),
                    size=number(received), data=data,
                )  # fmt: skip


def _forms(database: Database, actor: str) -> Iterator[Event]:
    for name, value, count, first, last in database.rows(
        "SELECT fieldname, value, timesUsed, firstUsed, lastUsed FROM moz_formhistory"
    ):
        for when, desc in ((first, "First Used"), (last, "Last Used")):
            if number(when) and not (desc == "First Used" and number(when) == number(last)):
                yield stamps.unix_us(number(when)).event(
                    "web.form", desc, record=text(name), actor=actor, path=text(value),
                    data={"field": text(name), "uses": number(count), "browser": "Firefox"},
                )  # fmt: skip
