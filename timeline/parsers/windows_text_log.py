"""Text logs of Windows protection: the firewall's `pfirewall.log` and McAfee's `AccessProtectionLog.txt`.

Both are in local time; the firewall says so in its heading (`#Time Format: Local`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from timeline import times
from timeline.event import Event, Problem
from timeline.stamps import Stamp, ansi, local

if TYPE_CHECKING:
    from collections.abc import Iterator

    from timeline.sources import Context, SourceFile

NAME = "windows_text_log"
NAMES = re.compile(
    r".*firewall.*\.log(?:\.old)?|(?:accessprotection|onaccessscan|ondemandscan|bufferoverflowprotection)log.*\.txt"
)
SIGNATURES = (b"#Version: 1.5", b"\xef\xbb\xbf#Version: 1.5")
LONGEST_LINE = 1 << 16
_FIREWALL = {"path": "direction"}
_MCAFEE = re.compile(r"(\d{1,4})[/.-](\d{1,2})[/.-](\d{1,4})\t(\d{1,2}):(\d{2}):(\d{2})(?: ([AP]M|午前|午後))?\t(.*)")


def matches(file: SourceFile) -> bool:
    """The firewall's heading, or McAfee's first line in a file of its name."""
    head = file.head.lstrip(b"\xef\xbb\xbf")
    if b"#Software: Microsoft Windows Firewall" in head[:400]:
        return True
    first = head.partition(b"\n")[0].decode("utf-8", "replace").rstrip("\r")
    return NAMES.fullmatch(file.name.lower()) is not None and _MCAFEE.fullmatch(first) is not None


def parse(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    """Each line that has a time."""
    if file.head.lstrip(b"\xef\xbb\xbf").startswith(b"#"):
        yield from _firewall(file, context)
    else:
        yield from _mcafee(file, context)


def _lines(file: SourceFile, context: Context) -> Iterator[tuple[int, str]]:
    with file.open() as lines:
        number = 0
        while raw := lines.readline(LONGEST_LINE):
            number += 1
            text = ansi(raw.rstrip(b"\r\n"), context.language)
            yield number, text.lstrip("\ufeff")
            if number % 4096 == 0 and context.expired():
                return


def _firewall(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    names: list[str] = []
    universal = False
    bad = 0
    for number, line in _lines(file, context):
        if line.startswith("#"):
            name, _, value = line[1:].partition(":")
            if name == "Fields":
                names = value.split()
            elif name == "Time Format":
                universal = value.strip().upper() in ("UTC", "GMT")
            continue
        parts = line.split(" ")
        if not line.strip():
            continue
        row = dict(zip(names, parts, strict=False))
        text = f"{row.get('date', '')} {row.get('time', '')}"
        wall = times.wall(text)
        if wall is None:
            bad += 1
        stamp = Stamp(wall, text, times.NS) if universal else local(wall, text, times.NS, context)
        data = {
            _FIREWALL.get(name, name.replace("-", "_")): value
            for name, value in row.items()
            if name not in ("date", "time") and value != "-"
        }
        size = data.pop("size", "")
        yield stamp.event(
            "firewall.packet", "Logged", record=f"line {number}", sequence=number,
            path=f"{row.get('dst-ip', '')}:{row.get('dst-port', '')}", data=data,
            size=int(size) if size.isdecimal() and len(size) < 19 else None,
        )  # fmt: skip
    if bad:
        yield Problem(file.layer, "damaged", f"{bad} lines have no time that can be read")


def _mcafee(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    order = _order(file, context)
    bad = 0
    for number, line in _lines(file, context):
        found = _MCAFEE.fullmatch(line)
        if found is None:
            bad += bool(line.strip())
            continue
        wall = _wall(found, order)
        text = line[: found.start(8) - 1].replace("\t", " ")
        fields = found[8].split("\t")
        data = dict(
            zip(
                ("status", "user", "process", "target", "rule", "action"), (one.strip() for one in fields), strict=False
            )
        )
        yield local(wall, text, times.NS, context).event(
            "antivirus.access", "Logged", record=f"line {number}", sequence=number, actor=data.get("user", ""),
            path=data.get("target", ""), data=data,
        )  # fmt: skip
    if not order:
        yield Problem(
            file.layer, "incomplete", "no date in it shows whether day or month comes first: its times were not read"
        )
    if bad:
        yield Problem(file.layer, "damaged", f"{bad} lines are no records")


def _order(file: SourceFile, context: Context) -> str:
    """`ymd`, `mdy` or `dmy`, by dates that allow only one; `mdy` beside AM and PM; empty where nothing decides."""
    for _, line in _lines(file, context):
        found = _MCAFEE.fullmatch(line)
        if found is None:
            continue
        if len(found[1]) == 4:
            return "ymd"
        if found[7] in ("AM", "PM") or int(found[2]) > 12:
            return "mdy"
        if int(found[1]) > 12:
            return "dmy"
    return ""


def _wall(found: re.Match[str], order: str) -> int | None:
    if not order:
        return None
    one, two, three = int(found[1]), int(found[2]), int(found[3])
    year, month, day = {"ymd": (one, two, three), "mdy": (three, one, two), "dmy": (three, two, one)}[order]
    hour = int(found[4])
    if found[7]:
        hour = hour % 12 + (12 if found[7] in ("PM", "午後") else 0)
    return times.civil(year if year > 99 else 2000 + year, month, day, hour, int(found[5]), int(found[6]))
