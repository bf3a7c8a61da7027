"""Bodyfiles of The Sleuth Kit 3 and later, the input of mactime: eleven fields, times in seconds since 1970.

Format: MD5|name|inode|mode|UID|GID|size|atime|mtime|ctime|crtime (wiki.sleuthkit.org, Body file). Zero is unset. A name
may hold `|`: the last nine fields are counted from the end. Fractions of seconds, as other tools write them, are kept.
Four times of one line are up to four events: file.accessed, file.modified, file.changed, file.created.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from timeline.event import Event, Problem
from timeline.lines import Lines, Unread, head_text
from timeline.written_times import reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from timeline.sources import Context, SourceFile

NAME = "bodyfile"
TEXT = True
_LINE = re.compile(
    r"(?P<md5>[^|]*)\|(?P<name>.*)\|(?P<inode>[^|]*)\|(?P<mode>[^|]*)\|(?P<uid>[^|]*)\|(?P<gid>[^|]*)\|(?P<size>-?\d*)"
    r"\|(?P<atime>-?\d*(?:\.\d+)?)\|(?P<mtime>-?\d*(?:\.\d+)?)\|(?P<ctime>-?\d*(?:\.\d+)?)\|(?P<crtime>-?\d*(?:\.\d+)?)"
)
_TIMES = (
    ("atime", "file.accessed"),
    ("mtime", "file.modified"),
    ("ctime", "file.changed"),
    ("crtime", "file.created"),
)


def matches(file: SourceFile) -> bool:
    """The first line that is neither empty nor a comment has the eleven fields."""
    if file.head.count(b"|") < 10:
        return False
    lines = (head_text(file.head) or "").split("\n")[:20]
    first = next((line.rstrip("\r") for line in lines if line.strip() and not line.startswith("#")), "")
    found = _LINE.fullmatch(first)
    return found is not None and (found["md5"] == "0" or re.fullmatch(r"[0-9A-Fa-f]{32,64}|", found["md5"]) is not None)


def parse(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    """Up to four events for each line."""
    lines, unread = Lines(file), Unread()
    read = reader("epoch_s")
    sequence = 0
    for number, text in lines:
        if not text.strip() or text.startswith("#"):
            continue
        sequence += 1
        if sequence % 4096 == 0 and context.expired():
            yield Problem(file.layer, "limit", f"time limit at line {number}")
            break
        found = _LINE.fullmatch(text)
        if found is None:
            yield unread.event(number, text, sequence)
            continue
        name, deleted = found["name"], False
        for mark in (" (deleted)", " (deleted-realloc)"):
            if name.endswith(mark):
                name, deleted = name.removesuffix(mark), True
        is_name = name.endswith(" ($FILE_NAME)")
        name = name.removesuffix(" ($FILE_NAME)")
        data = {"inode": found["inode"], "mode": found["mode"], "uid": found["uid"], "gid": found["gid"]}
        if found["md5"] not in ("0", ""):
            data["md5"] = found["md5"].lower()
        size = found["size"]
        for field, kind in _TIMES:
            if found[field] in ("", "0", "-1") or not found[field].strip("0.-"):
                continue
            reading = read(found[field])
            yield Event(
                time_ns=reading.ns, time_text=found[field], precision_ns=reading.precision_ns, zone="UTC",
                zone_basis="format", kind=kind.replace("file.", "file.name_") if is_name else kind, desc=field,
                record=str(number), sequence=sequence, host=context.host, path=name,
                bytes=int(size) if size.isdecimal() and len(size) < 19 else None, data=data,
                state="deleted" if deleted else "",
            )  # fmt: skip
    yield from lines.problems(file.layer)
    yield from unread.problems(file.layer, lines)
