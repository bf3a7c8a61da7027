"""Journals of systemd as text: `journalctl -o json` (a JSON object a line) and `-o export` (fields).

Formats: systemd's "Journal Export Formats". Fields, kinds and `data` as in `timeline.parsers.journal`. A binary field
of the export format is read by its length; in JSON it is a list of numbers.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from timeline.event import Event, Problem
from timeline.lines import Lines, Unread
from timeline.parsers.journal import _KEPT, _MESSAGE_IDS
from timeline.times import unix_us
from timeline.unix_messages import OTHER, classify

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import BinaryIO

    from timeline.sources import Context, SourceFile

NAME = "journal_export"
SIGNATURES = (b"__", b"{", b"\n")
_MOST_FIELD = 64 << 10
_MOST_FIELDS = 512


def matches(file: SourceFile) -> bool:
    """`__REALTIME_TIMESTAMP` in the first object or block."""
    head = file.head
    if b"__REALTIME_TIMESTAMP" not in head:
        return False
    return head.lstrip()[:1] == b"{" or re.search(rb"(?m)^__REALTIME_TIMESTAMP=\d+$", head) is not None


def parse(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    """An event for each entry."""
    if file.head.lstrip()[:1] == b"{":
        yield from _parse_json(file, context)
    else:
        yield from _parse_export(file, context)


def _parse_json(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    lines, unread = Lines(file), Unread()
    sequence = 0
    for number, text in lines:
        if not text.strip():
            continue
        sequence += 1
        if sequence % 4096 == 0 and context.expired():
            yield Problem(file.layer, "limit", f"time limit at line {number}")
            break
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict) or "__REALTIME_TIMESTAMP" not in found:
            yield unread.event(number, text, sequence)
            continue
        yield _event({name: _json_text(value) for name, value in found.items()}, str(number), sequence, context)
    yield from lines.problems(file.layer)
    yield from unread.problems(file.layer, lines)


def _json_text(value: object) -> str:
    if isinstance(value, list) and value and all(isinstance(one, int) and 0 <= one < 256 for one in value):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, list):  # a field that came more than once
        return _json_text(value[0]) if value else ""
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


def _parse_export(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    sequence, offset = 0, 0
    with file.open() as stream:
        while True:
            fields, whole = _block(stream)
            if not fields and whole:
                break
            if not whole:
                yield Problem(file.layer, "incomplete", "the last entry is cut", offset, file.size - offset)
                break
            sequence += 1
            if "__REALTIME_TIMESTAMP" in fields:
                yield _event(fields, str(sequence), sequence, context)
            else:
                yield Problem(file.layer, "damaged", "an entry without time", offset, stream.tell() - offset)
            offset = stream.tell()
            if sequence % 4096 == 0 and context.expired():
                yield Problem(file.layer, "limit", f"time limit at entry {sequence}", offset)
                break


def _block(stream: BinaryIO) -> tuple[dict[str, str], bool]:
    """Fields of the next entry, and whether it came to its end; no fields at the end of the file."""
    fields: dict[str, str] = {}
    while True:
        line = stream.readline(_MOST_FIELD)
        if not line:
            return fields, True
        if line == b"\n":
            if fields:
                return fields, True
            continue
        if not line.endswith(b"\n"):
            rest = line
            while rest and not rest.endswith(b"\n"):
                rest = stream.readline(_MOST_FIELD)
            if not rest:
                return fields, False
        name, separator, value = line.rstrip(b"\n").partition(b"=")
        if not separator:
            raw = stream.read(8)
            size = int.from_bytes(raw, "little")
            if len(raw) < 8 or size > 1 << 32:
                return fields, False
            value = stream.read(min(size, _MOST_FIELD))
            stream.seek(size - len(value), 1)
            if stream.read(1) != b"\n":
                return fields, False
        if len(fields) < _MOST_FIELDS:
            fields.setdefault(name.decode("ascii", "replace"), value.decode("utf-8", "backslashreplace"))


def _event(fields: Mapping[str, str], record: str, sequence: int, context: Context) -> Event:
    stamp = fields["__REALTIME_TIMESTAMP"]
    data: dict[str, object] = {_KEPT[name]: value[:4000] for name, value in fields.items() if name in _KEPT}
    program, message = fields.get("SYSLOG_IDENTIFIER") or fields.get("_COMM", ""), fields.get("MESSAGE", "")
    kind, more = classify(program, message)
    kind = _MESSAGE_IDS.get(fields.get("MESSAGE_ID", ""), kind) if kind == OTHER else kind
    data |= more
    for name, column in (("boot", "_BOOT_ID"), ("monotonic_us", "__MONOTONIC_TIMESTAMP")):
        if fields.get(column):
            data[name] = fields[column]
    for name in ("pid", "priority", "source_us", "monotonic_us"):
        value = data.get(name)
        if isinstance(value, str) and value.isdecimal() and len(value) < 19:
            data[name] = int(value)
    return Event(
        time_ns=unix_us(int(stamp)) if stamp.isdecimal() and len(stamp) < 20 else None, time_text=stamp,
        precision_ns=1000, zone="UTC", zone_basis="format", kind=kind, desc="realtime",
        record=fields.get("__SEQNUM") or record, sequence=sequence,
        actor=str(more.get("user") or fields.get("USER_ID", "")), host=fields.get("_HOSTNAME") or context.host,
        path=str(more.get("command", "")), data=data,
    )  # fmt: skip
