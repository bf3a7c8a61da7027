"""Logs of cloud clients: OneDrive (SkyDrive) text logs, Google Drive and Backup and Sync.

OneDrive's rows are in UTC, as its heading shows beside the local time; its first version names no zone. Google Drive
writes the offset with each line. OneDrive's binary logs (`.odl`) are not read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from timeline import times
from timeline.event import Event, Problem
from timeline.stamps import Stamp, local, offset, user_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from timeline.sources import Context, SourceFile

NAME = "cloud_log"
NAMES = re.compile(
    r"(?:skydrive|onedrive|syncdiagnostics|sync_log).*\.(?:log|odl|odlgz|odlsent|aodl)|.*\.(?:odl|odlgz|odlsent|aodl)"
)
SIGNATURES = (b"EBFGONED", b"######Logging started.")
LONGEST_LINE = 1 << 16
_HEADING = re.compile(
    r"######Logging started\. Version=(\S*) StartSystemTime:(\d{4})-(\d\d)-(\d\d)-(\d\d)(\d\d)(\d\d)\.(\d{3}) "
    r"StartLocalTime:(\d{4})-(\d\d)-(\d\d)-(\d\d)(\d\d)(\d\d)\.(\d{3})"
)
_ROW = re.compile(r"(\d\d)-(\d\d)-(\d\d),(\d\d):(\d\d):(\d\d)\.(\d{3}),(.*)", re.DOTALL)
_FIRST = re.compile(r"(\d\d)-(\d\d)-(\d{4}) (\d\d):(\d\d):(\d\d)\.(\d{3}) (\S+) \((\w+)\): (.*)", re.DOTALL)
_GOOGLE = re.compile(
    r"(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d),(\d{3}) ([+-]\d{4}) (\w+) +pid=(\d+) (\S+) +(\S+) (.*)", re.DOTALL
)


def matches(file: SourceFile) -> bool:
    """The first line, or the signature of a binary log."""
    head = file.head.lstrip(b"\xef\xbb\xbf")
    if head.startswith(SIGNATURES):
        return True
    first = head.partition(b"\n")[0].decode("utf-8", "replace")
    return _GOOGLE.match(first) is not None or _FIRST.match(first) is not None


def parse(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    """Each entry, which may run over several lines."""
    if file.head.startswith(b"EBFGONED"):
        yield Problem(file.layer, "unsupported", "a binary log of OneDrive (ODL): not read")
        return
    entry: list[str] = []
    start = 0
    total = 0
    unread = 0
    with file.open() as lines:
        number = 0
        while raw := lines.readline(LONGEST_LINE):
            number += 1
            line = raw.decode("utf-8", "replace").lstrip("\ufeff").rstrip("\r\n")
            if _begins(line):
                found = _entry("\n".join(entry), start, file, context) if entry else None
                if found is not None:
                    yield found
                entry, start, total = [line], number, len(line)
            elif entry:
                if total < LONGEST_LINE:
                    entry.append(line)
                    total += len(line)
            elif line.strip():
                unread += 1
            if number % 4096 == 0 and context.expired():
                yield Problem(file.layer, "limit", f"time is up at line {number}")
                return
    found = _entry("\n".join(entry), start, file, context) if entry else None
    if found is not None:
        yield found
    if unread:
        yield Problem(file.layer, "damaged", f"{unread} lines before the first entry that can be read")


def _civil(numbers: list[int]) -> int | None:
    """Year to millisecond as a wall time."""
    year, month, day, hour, minute, second, ms = numbers[:7]
    return times.civil(year, month, day, hour, minute, second, ms * times.MS)


def _begins(line: str) -> bool:
    return any(pattern.match(line) is not None for pattern in (_ROW, _GOOGLE, _FIRST, _HEADING))


def _entry(text: str, line: int, file: SourceFile, context: Context) -> Event | None:
    record, actor = f"line {line}", user_of(file.path)
    if found := _GOOGLE.fullmatch(text):
        numbers = [int(part) for part in found.groups()[:7]]
        zone = f"{found[8][:3]}:{found[8][3:]}"
        wall = _civil(numbers)
        stamp = offset(wall, f"{text[:23]} {found[8]}", times.MS, zone)
        data = {
            "level": found[9],
            "pid": int(found[10]),
            "thread": found[11],
            "code": found[12],
            "message": found[13][:2000],
        }
        return stamp.event(
            "cloud.google_drive", "Logged", record=record, sequence=line, actor=actor, path=file.path, data=data
        )
    if found := _ROW.fullmatch(text):
        month, day, year, hour, minute, second, ms = (int(part) for part in found.groups()[:7])
        wall = times.civil(2000 + year, month, day, hour, minute, second, ms * times.MS)
        fields = found[8].split(",")
        data = {
            "level": fields[6] if len(fields) > 6 else "",
            "module": fields[3] if len(fields) > 3 else "",
            "code": fields[4] if len(fields) > 4 else "",
            "message": ",".join(fields[7:]).strip(",")[:2000],
        }
        stamp = Stamp(wall, text[:21], times.MS)
        return stamp.event(
            "cloud.onedrive", "Logged", record=record, sequence=line, actor=actor, path=file.path, data=data
        )
    if found := _HEADING.match(text):
        numbers = [int(part) for part in found.groups()[1:15]]
        wall, here = _civil(numbers), _civil(numbers[7:])
        minutes = (here - wall) // (60 * times.NS) if wall is not None and here is not None else None
        data = {
            "version": found[1],
            "local_zone": times.offset_name(minutes) if minutes is not None else "",
            "message": "logging started",
        }
        stamp = Stamp(wall, found[0].partition("StartSystemTime:")[2].partition(" ")[0], times.MS)
        return stamp.event(
            "cloud.onedrive", "Logging Started", record=record, sequence=line, actor=actor, path=file.path, data=data
        )
    if found := _FIRST.fullmatch(text):
        month, day, year, hour, minute, second, ms = (int(part) for part in found.groups()[:7])
        wall = times.civil(year, month, day, hour, minute, second, ms * times.MS)
        data = {"level": found[9], "code": found[8], "message": found[10][:2000]}
        stamp = local(wall, text[:23], times.MS, context)
        return stamp.event(
            "cloud.onedrive", "Logged", record=record, sequence=line, actor=actor, path=file.path, data=data
        )
    return None
