"""Installation and removal of packages: `dpkg.log` and apt's `history.log`; local time without zone.

Formats: `2016-08-06 17:35:39 install base-passwd:amd64 <none> 3.5.33` (dpkg(1), --log); apt's blocks from `Start-Date:`
to `End-Date:`. Kinds `package.install`, `package.upgrade`, `package.remove`, `package.status` (dpkg);
`package.run` (apt, the start: command line, who asked, what changed) and `package.run_end`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from timeline.event import Event, Problem
from timeline.lines import Lines, Unread, head_text
from timeline.written_times import reader, settle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from timeline.sources import Context, SourceFile

NAME = "package_log"
TEXT = True
_DPKG = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (?P<action>startup|install|upgrade|remove|purge|configure|trigproc|"
    r"disappear|status|conffile)\s+(?P<rest>.*)"
)
_KINDS = {
    "install": "package.install", "upgrade": "package.upgrade", "remove": "package.remove", "purge": "package.remove",
    "configure": "package.configure", "status": "package.status", "startup": "package.startup",
}  # fmt: skip
_APT = re.compile(
    r"(Start-Date|End-Date|Commandline|Requested-By|Install|Upgrade|Remove|Purge|Reinstall|Downgrade|Error): (.*)"
)


def matches(file: SourceFile) -> bool:
    """First lines of dpkg's log, or a block of apt's history."""
    head = file.head
    if not head[:1].isdigit() and b"Start-Date: " not in head[:1024]:
        return False
    lines = [line for line in (head_text(head) or "").split("\n")[:10] if line.strip()]
    return bool(lines) and (_DPKG.match(lines[0]) is not None or lines[0].startswith("Start-Date: "))


def parse(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    """An event for each line (dpkg), or two for each block (apt)."""
    lines, unread = Lines(file), Unread()
    apt = b"Start-Date: " in file.head[:1024]
    yield from (_apt if apt else _dpkg)(lines, unread, context)
    yield from lines.problems(file.layer)
    yield from unread.problems(file.layer, lines)


def _dpkg(lines: Lines, unread: Unread, context: Context) -> Iterator[Event]:
    read = reader("%Y-%m-%d %H:%M:%S")
    for sequence, (number, text) in enumerate(lines, 1):
        if not text.strip():
            continue
        found = _DPKG.match(text)
        if found is None:
            yield unread.event(number, text, sequence)
            continue
        reading = read(found["time"])
        ns, zone, basis = settle(reading, context)
        words = found["rest"].split()
        action = found["action"]
        data: dict[str, object] = {"action": action}
        if action == "status" and len(words) >= 2:
            data |= {"status": words[0], "version": words[2] if len(words) > 2 else ""}
            package = words[1]
        elif action in ("startup", "conffile"):
            package = found["rest"]
        else:
            package = words[0] if words else ""
            if len(words) >= 3:
                data |= {"old_version": words[1], "version": words[2]}
        yield Event(
            time_ns=ns, time_text=found["time"], precision_ns=reading.precision_ns, zone=zone, zone_basis=basis,
            kind=_KINDS.get(action, "package.other"), desc="logged", record=str(number), sequence=sequence,
            host=context.host, path=package, data=data,
        )  # fmt: skip


def _apt(lines: Lines, unread: Unread, context: Context) -> Iterator[Event]:
    block: dict[str, str] = {}
    start = sequence = 0
    for number, text in lines:
        if not text.strip():
            continue
        found = _APT.match(text)
        if found is None:
            sequence += 1
            yield unread.event(number, text, sequence)
            continue
        name, value = found[1], found[2].strip()
        if name == "Start-Date":
            for event in _run(block, start, context):
                sequence += 1
                yield event
            block, start = {}, number
        block[name] = value
    yield from _run(block, start, context)


def _run(block: dict[str, str], number: int, context: Context) -> Iterator[Event]:
    read = reader("%Y-%m-%d %H:%M:%S")
    data: dict[str, object] = {
        name.lower().replace("-", "_"): value[:3000]
        for name, value in block.items()
        if name not in ("Start-Date", "End-Date")
    }
    for name, kind in (("Start-Date", "package.run"), ("End-Date", "package.run_end")):
        if name not in block:
            continue
        reading = read(block[name])
        ns, zone, basis = settle(reading, context)
        yield Event(
            time_ns=ns, time_text=block[name], precision_ns=reading.precision_ns, zone=zone, zone_basis=basis,
            kind=kind, desc=name, record=str(number), sequence=number,
            actor=block.get("Requested-By", "").partition(" (")[0], host=context.host,
            path=block.get("Commandline", ""), data=data,
        )  # fmt: skip
