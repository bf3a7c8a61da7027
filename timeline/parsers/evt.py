"""Event logs of Windows NT to XP (EVT): records found one by one, wherever they lie in the ring.

Format: Microsoft, "Event Log File Format" and EVENTLOGRECORD (winnt.h). Times are seconds since 1970, UTC.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from timeline import times
from timeline.event import Event, Problem
from timeline.kinds.eventlog import BY_EVENT, SECURITY, EventKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from timeline.sources import Context, SourceFile

NAME = "evt"
SIGNATURES = (b"\x30\0\0\0LfLe",)
SIGNATURE = b"LfLe"
_HEADER = struct.Struct("<12I")
_RECORD = struct.Struct("<I4sIIIIHHHHIIIIII")
LONGEST_RECORD = 0x10000 * 4
MOST_BYTES = 1 << 30
MOST_STRINGS = 256

UNKNOWN = EventKind("evt.event")
XP_SECURITY: dict[int, tuple[str, tuple[int, ...]]] = {
    512: ("evtx.boot_audit", ()),
    517: ("evtx.log_cleared", (5, 4)),
    528: ("evtx.logon", (2, 1)),
    529: ("evtx.logon_failed", (2, 1)),
    538: ("evtx.logoff", (2, 1)),
    540: ("evtx.logon", (2, 1)),
    551: ("evtx.logoff", (2, 1)),
    592: ("evtx.process_created", (5, 4)),
    593: ("evtx.process_ended", (4, 3)),
    624: ("evtx.account_created", (5, 4)),
    630: ("evtx.account_deleted", (5, 4)),
}
"""Security events of Windows XP and 2003: number -> kind, and the strings (from 1) that name domain and user."""
_SAME_SOURCES = {"Security": SECURITY, "eventlog": "EventLog"}


def matches(file: SourceFile) -> bool:
    """Signature behind the size of the header."""
    return file.head[:8] in SIGNATURES


def parse(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    """Every record with a plausible frame, in the order of the file: also those behind the last one that counts."""
    if file.size > MOST_BYTES:
        yield Problem(file.layer, "limit", f"only the first {MOST_BYTES} bytes were read")
    raw = file.read(MOST_BYTES)
    if len(raw) < 48:
        yield Problem(file.layer, "damaged", "the header is cut off", 0, len(raw))
        return
    header = _HEADER.unpack_from(raw)
    start, end, next_number, oldest, flags = header[4], header[5], header[6], header[7], header[9]
    seen: set[int] = set()
    at, holes = 48, 0
    hole_start = -1
    sequence = 0
    ring = raw + raw[48 : 48 + LONGEST_RECORD]  # a record that meets the end of the file goes on behind the header
    while (found := raw.find(SIGNATURE, at + 4 if at == 48 else at)) >= 0:
        place = found - 4
        record = _record(ring, place, len(raw))
        if record is None:
            at = found + 4
            if hole_start < 0 and raw[place : place + 4] != b"\x30\0\0\0":
                hole_start = place
                holes += 1
            continue
        event, size = record
        seen.add(event.sequence)
        yield _with_host(event, context)
        sequence += 1
        at = place + size
        hole_start = -1
    if holes:
        yield Problem(file.layer, "damaged", f"{holes} places look like records and are none")
    if not flags & 1 and 0 < oldest <= next_number:
        missing = (next_number - oldest) - sum(oldest <= one < next_number for one in seen)
        if missing > 0:
            yield Problem(
                file.layer,
                "damaged",
                f"the header counts records {oldest} to {next_number - 1}; {missing} of them were not found",
            )
    elif flags & 1:
        yield Problem(
            file.layer,
            "incomplete",
            f"the log was open when it was copied (header: {start} to {end}); all records found are listed",
        )


def _with_host(event: Event, context: Context) -> Event:
    return event if event.host or not context.host else _replace_host(event, context.host)


def _replace_host(event: Event, host: str) -> Event:
    from dataclasses import replace  # noqa: PLC0415 - seldom needed

    return replace(event, host=host)


def _text(raw: bytes, at: int, end: int) -> tuple[str, int]:
    """A UTF-16 text that ends with NUL, and where it ends."""
    stop = at
    while stop + 2 <= end and raw[stop : stop + 2] != b"\0\0":
        stop += 2
    return raw[at:stop].decode("utf-16-le", "replace"), stop + 2


def _record(raw: bytes, at: int, file_size: int) -> tuple[Event, int] | None:
    if not 48 <= at < file_size or at + 56 > len(raw):
        return None
    fields = _RECORD.unpack_from(raw, at)
    size, _, number, generated, written, event_id, kind_number, strings = fields[:8]
    category, strings_offset = fields[8], fields[11]
    sid_size, sid_offset, data_size, data_offset = fields[12:16]
    if not 56 <= size <= LONGEST_RECORD or size % 4 or at + size > len(raw):
        return None
    if raw[at + size - 4 : at + size] != raw[at : at + 4]:
        return None
    end = at + size - 4
    source, after = _text(raw, at + 56, end)
    host, _ = _text(raw, after, end)
    values: list[str] = []
    place = at + strings_offset
    for _ in range(min(strings, MOST_STRINGS)):
        if not at < place < end:
            break
        text, place = _text(raw, place, end)
        values.append(text)
    sid = _sid(raw[at + sid_offset : at + sid_offset + sid_size]) if sid_size and sid_offset + sid_size < size else ""
    short_id = event_id & 0xFFFF
    kind, actor = _kind(source, short_id, values)
    data: dict[str, object] = {"event_id": short_id, "provider": source, "type": kind_number}
    if category:
        data["category"] = category
    data |= {f"param{index}": value for index, value in enumerate(values, 1)}
    if sid:
        data["user_sid"] = sid
    if written != generated:
        data["written"] = written
    if data_size and data_offset + data_size < size:
        data["binary"] = raw[at + data_offset : at + data_offset + min(data_size, 64)].hex()
    event = Event(
        time_ns=times.unix(generated),
        time_text=str(generated),
        precision_ns=times.NS,
        zone="UTC",
        zone_basis="format",
        kind=kind.kind,
        desc="Event Logged",
        record=f"RecordNumber {number}",
        sequence=number,
        actor=actor or sid,
        host=host,
        path=_first(values, kind),
        data=data,
    )
    return event, size


def _kind(source: str, event_id: int, values: list[str]) -> tuple[EventKind, str]:
    """Kind and actor: those of today's events where the number kept its meaning, else XP's own."""
    if source == "Security" and event_id in XP_SECURITY:
        name, places = XP_SECURITY[event_id]
        parts = [values[place - 1] for place in places if place <= len(values) and values[place - 1] not in ("", "-")]
        return EventKind(name), "\\".join(parts)
    name = _SAME_SOURCES.get(source, source)
    found = BY_EVENT.get((name, event_id)) if name in ("EventLog", "Service Control Manager", "USER32") else None
    return found or UNKNOWN, ""


def _first(values: list[str], kind: EventKind) -> str:
    for name in kind.path:
        if name.startswith("param") and name[5:].isdigit() and int(name[5:]) <= len(values):
            return values[int(name[5:]) - 1]
    return ""


def _sid(raw: bytes) -> str:
    """A security identifier in its usual text ([MS-DTYP] 2.4.2); empty where it is none."""
    if len(raw) < 8 or raw[1] > 15 or len(raw) < 8 + 4 * raw[1]:
        return ""
    authority = int.from_bytes(raw[2:8], "big")
    parts = [str(int.from_bytes(raw[8 + 4 * i : 12 + 4 * i], "little")) for i in range(raw[1])]
    return "-".join(["S", str(raw[0]), str(authority), *parts])
