"""setupapi.dev.log and its kin: when Windows installed which device. Times are local.

Format: Microsoft, "Format of a text log body", "SetupAPI text logs"; up to XP: `setupapi.log`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from timeline import times
from timeline.event import Event, Problem
from timeline.hives.system import device_fields
from timeline.stamps import Stamp, ansi, local

if TYPE_CHECKING:
    from collections.abc import Iterator

    from timeline.sources import Context, SourceFile

NAME = "setupapi"
NAMES = re.compile(r"setupapi(?:\..*)?\.log(?:\.old)?")
SIGNATURES = (b"[Device Install Log]", b"\xef\xbb\xbf[Device Install Log]")
LONGEST_LINE = 1 << 16
_TIME = r"(\d{4}/\d{2}/\d{2} \d{2}:\d{2}:\d{2}(?:\.\d{1,3})?)"
_TITLE = re.compile(r">>>  \[(.*)\]\s*")
_START = re.compile(rf">>>  Section start {_TIME}\s*")
_END = re.compile(rf"<<<  Section end {_TIME}\s*")
_STATUS = re.compile(r"<<<  \[Exit status: (.*)\]\s*")
_BOOT = re.compile(rf"\[Boot Session: {_TIME}\]\s*")
_OLD = re.compile(rf"\[{_TIME} (\d+\.\d+)(?: (.*))?\]\s*")
_DEVICE = re.compile(r"(?:^| - )((?:[A-Za-z0-9_]+)\\[^\\\s][^\\]*(?:\\[^\\]+)?)$")
_DETAILS = {
    "description": re.compile(r"\s*dvi:\s+(?:DevDesc|Device description)\s+- (.*)"),
    "inf": re.compile(r"\s*(?:dvi|ndv):\s+(?:InfName|Inf name|Selected driver|Driver INF)\s*(?:-|:) (.*)"),
    "class": re.compile(r"\s*dvi:\s+(?:Class name|ClassName)\s+- (.*)"),
}
_OLD_HARDWARE = re.compile(r"#-019 .*?: ([^\s,]+)")


@dataclass(slots=True)
class _Section:
    title: str
    line: int
    start: str = ""
    details: dict[str, object] = field(default_factory=dict)
    failed: bool = False


def matches(file: SourceFile) -> bool:
    """The headings of these logs; XP's by name and first lines."""
    head = file.head.lstrip(b"\xef\xbb\xbf")
    return head.startswith(b"[Device Install Log]") or (
        NAMES.fullmatch(file.name.lower()) is not None
        and (b"[Boot Session:" in head or b"[BeginLog]" in head or b"OS Version" in head)
    )


def parse(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    """Start and end of each section, and each start of Windows."""
    section: _Section | None = None
    ended = ""
    with file.open() as lines:
        number = 0
        while raw := lines.readline(LONGEST_LINE):
            number += 1
            if number % 4096 == 0 and context.expired():
                yield Problem(file.layer, "limit", f"time is up at line {number}")
                return
            text = ansi(
                raw.rstrip(b"\r\n").lstrip(b"\xef\xbb\xbf") if number == 1 else raw.rstrip(b"\r\n"), context.language
            )
            if text[:3] not in (">>>", "<<<", "[Bo") and not text.startswith("["):
                if section is not None:
                    _detail(section, text)
                continue
            if found := _TITLE.fullmatch(text):
                if section is not None and section.start and not ended:
                    yield Problem(file.layer, "damaged", f"the section of line {section.line} has no end")
                section, ended = _Section(found[1], number), ""
            elif (found := _START.fullmatch(text)) and section is not None:
                section.start = found[1]
                yield _event(section, found[1], "Section Start", context, number)
            elif (found := _END.fullmatch(text)) and section is not None:
                ended = found[1]
            elif (found := _STATUS.fullmatch(text)) and section is not None and ended:
                section.details["exit_status"] = found[1]
                yield _event(section, ended, "Section End", context, number)
                section = None
            elif found := _BOOT.fullmatch(text):
                yield _stamp(found[1], context).event(
                    "system.boot_session", "Boot Session", record=f"line {number}", sequence=number
                )
            elif found := _OLD.fullmatch(text):
                if section is not None and section.start:
                    yield _event(section, section.start, "Section Start", context, section.line)
                section = _Section(found[3] or "", number, found[1], {"old_format": True})
    if section is not None and section.details.get("old_format"):
        yield _event(section, section.start, "Section Start", context, section.line)
    elif section is not None:
        yield Problem(
            file.layer, "incomplete", f"the last section, of line {section.line}, has no end: log in use or cut off"
        )


def _detail(section: _Section, text: str) -> None:
    """Of what a section tells, what the device is, and whether something failed."""
    if text.startswith("!!!"):
        section.failed = True
    if section.details.get("old_format") and "hardware_id" not in section.details:
        found = _OLD_HARDWARE.match(text)
        if found is not None:
            section.details["hardware_id"] = found[1]
    for name, pattern in _DETAILS.items():
        if name not in section.details and (found := pattern.match(text)):
            section.details[name] = found[1].strip()


def _stamp(text: str, context: Context) -> Stamp:
    found = times.iso(text)
    ns, precision = (found[0], found[1]) if found is not None else (None, times.MS)
    return local(ns, text, precision, context)


def _event(section: _Section, text: str, desc: str, context: Context, number: int) -> Event:
    device = _DEVICE.search(section.title)
    path = device[1] if device is not None else str(section.details.get("hardware_id", ""))
    parts = path.split("\\")
    fields = device_fields(*parts) if len(parts) == 3 else {}
    data = {"title": section.title, **fields, **section.details}
    if section.failed:
        data["errors"] = True
    is_device = bool(path) and (
        section.title.startswith(("Device Install", "Delete Device")) or "old_format" in section.details
    )
    kind = "device.setup" if is_device else "setupapi.section"
    if section.title.startswith(("Delete Device", "Device and Driver Disk Cleanup")):
        kind = "device.deleted"
    return _stamp(text, context).event(
        kind, desc, record=f"line {number}", sequence=number, path=path or section.title, data=data
    )
