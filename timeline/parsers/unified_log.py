"""The unified log of macOS as `log show` writes it: `--style ndjson`, `--style json`, `--style syslog` and the default.

Format: log(1) of macOS. Times carry their offset: `2026-11-24 09:00:00.123456+0900`. Kind `maclog.message`, or
`maclog.activity` and the like by `eventType`; wordings of sudo, sshd and others as in `timeline.unix_messages`.
`data`: message, process, pid, subsystem, category, level.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from timeline.event import Event, Problem
from timeline.lines import Lines, Unread, head_text
from timeline.unix_messages import OTHER, classify
from timeline.written_times import reader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from timeline.sources import Context, SourceFile

NAME = "unified_log"
TEXT = True
_TIME = r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{1,9}[+-]\d{4})"
_SYSLOG = re.compile(
    _TIME + r"\s+(?P<host>\S+) (?P<process>[^\[\n]+)\[(?P<pid>\d+)\]: ?(?:\((?P<library>[^)]*)\) )?"
    r"(?:\[(?P<subsystem>[^:\]]+):(?P<category>[^\]]*)\] )?(?P<message>.*)"
)
_DEFAULT = re.compile(
    _TIME
    + r"\s+(?P<thread>0x[0-9a-f]+)\s+(?P<level>[A-Z][a-z]+)\s+(?P<activity>0x[0-9a-f]+)\s+(?P<pid>\d+)\s+(?:\d+\s+)?"
    r"(?P<process>[^:\n]+?): (?:\((?P<library>[^)]*)\) )?(?:\[(?P<subsystem>[^:\]]+):(?P<category>[^\]]*)\] )?"
    r"(?P<message>.*)"
)
_HEADINGS = ("Timestamp", "Filtering the log data", "Skipping info", "-----", "Log      ", "=====")
_MOST_CONTINUED = 4000


def matches(file: SourceFile) -> bool:
    """Lines or objects as `log show` writes them."""
    head = file.head
    if b"machTimestamp" in head and b'"eventMessage"' in head:
        return True
    if not re.search(rb"\d\d:\d\d:\d\d\.\d{6}[+-]\d{4}", head[:1024]):
        return False
    lines = (head_text(head) or "").split("\n")[:12]
    return any(_SYSLOG.match(line) or _DEFAULT.match(line) for line in lines)


def parse(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    """An event for each message."""
    lines, unread = Lines(file), Unread()
    if b'"eventMessage"' in file.head:
        yield from _objects(lines, unread, file, context)
    else:
        yield from _texts(lines, unread, file, context)
    yield from lines.problems(file.layer)
    yield from unread.problems(file.layer, lines)


def _objects(lines: Lines, unread: Unread, file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    """Objects: one a line (ndjson), or one array whose objects begin and end with lines of their own (json)."""
    sequence, waiting, start = 0, "", 0
    for number, text in lines:
        stripped = text.strip()
        if stripped in ("[", "]", ""):
            continue
        if not waiting:
            start = number
        waiting = f"{waiting}\n{stripped}" if waiting else stripped.removeprefix("[").removeprefix("},").lstrip()
        found = _loads(waiting.removesuffix(","))
        if found is None and stripped.startswith("},{"):
            found = _loads(waiting[: waiting.rfind("},{") + 1])
            following = "{"
        else:
            following = ""
        if found is None and len(waiting) < 1 << 20 and not (stripped.endswith("}") and stripped.startswith("{")):
            continue
        sequence += 1
        if found is None:
            yield unread.event(start, waiting, sequence)
        elif "timestamp" in found:
            yield _event(found, start, sequence, context)
        waiting, start = following, number
        if sequence % 4096 == 0 and context.expired():
            yield Problem(file.layer, "limit", f"time limit at line {number}")
            return
    if waiting.strip("{} \n,"):
        yield unread.event(start, waiting, sequence + 1)


def _loads(text: str) -> dict[str, object] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _event(found: Mapping[str, object], number: int, sequence: int, context: Context) -> Event:
    image = str(found.get("processImagePath") or "")
    message = str(found.get("eventMessage") or "")
    written = str(found["timestamp"])
    data = {
        "message": message[:_MOST_CONTINUED], "process": image, "pid": found.get("processID"),
        "subsystem": found.get("subsystem"), "category": found.get("category"), "level": found.get("messageType"),
        "event_type": found.get("eventType"), "boot": found.get("bootUUID"), "mach_time": found.get("machTimestamp"),
    }  # fmt: skip
    return _made(written, image.rpartition("/")[2], message, data, number, sequence, context.host)


def _made(
    written: str, program: str, message: str, data: Mapping[str, object], number: int, sequence: int, host: str
) -> Event:
    reading = reader("%Y-%m-%d %H:%M:%S.%f%z")(written)
    kind, fields = classify(program, message)
    if kind == OTHER:
        kind = "maclog.message"
    return Event(
        time_ns=reading.ns, time_text=written, precision_ns=reading.precision_ns, zone=reading.zone,
        zone_basis="format" if reading.zone else "none", kind=kind, desc="logged", record=str(number),
        sequence=sequence, actor=str(fields.get("user", "")), host=host, path=str(fields.get("command", "")),
        data={**{name: value for name, value in data.items() if value not in (None, "")}, "program": program, **fields},
    )  # fmt: skip


def _texts(lines: Lines, unread: Unread, file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    current: tuple[int, re.Match[str]] | None = None
    continued: list[str] = []
    sequence = 0
    for number, text in lines:
        found = _SYSLOG.match(text) or _DEFAULT.match(text)
        if found is None:
            if current is not None:
                continued.append(text)
            elif text.strip() and not text.startswith(_HEADINGS):
                sequence += 1
                yield unread.event(number, text, sequence)
            continue
        if current is not None:
            sequence += 1
            yield _text_event(*current, continued, sequence, context)
        current, continued = (number, found), []
        if sequence % 4096 == 4095 and context.expired():
            yield Problem(file.layer, "limit", f"time limit at line {number}")
            break
    if current is not None:
        yield _text_event(*current, continued, sequence + 1, context)


def _text_event(number: int, found: re.Match[str], continued: list[str], sequence: int, context: Context) -> Event:
    got = found.groupdict()
    message = "\n".join([got["message"], *continued]).rstrip()[:_MOST_CONTINUED]
    data = {
        "message": message, "process": got["process"], "pid": int(got["pid"]) if len(got["pid"]) < 19 else got["pid"],
        "subsystem": got.get("subsystem"), "category": got.get("category"), "level": got.get("level"),
    }  # fmt: skip
    return _made(got["time"], got["process"].strip(), message, data, number, sequence, got.get("host") or context.host)
