"""Journals of systemd in their binary form: regular and compact, data compressed by xz, lz4 or zstd, damaged ones too.

Format: systemd's "Journal File Format" (https://systemd.io/JOURNAL_FILE_FORMAT/). All objects are walked in the order
in which they were written, so that entries which no array lists any more are found as well; where the walk meets damage
the entry arrays lead on. Kinds as `timeline.unix_messages` says, or by MESSAGE_ID; `data`: program, pid, unit, message,
priority, boot, `monotonic_us` (since that boot), `source_us` (the sender's own reading, where it is kept).
`record`: the entry's sequence number.
"""

from __future__ import annotations

import lzma
import struct
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from timeline.event import Event, Problem
from timeline.times import unix_us
from timeline.unix_messages import OTHER, classify

if TYPE_CHECKING:
    from collections.abc import Iterator

    from timeline.sources import Context, SourceFile

NAME = "journal"
SIGNATURES = (b"LPKSHHRH",)
_SIGNATURE = b"LPKSHHRH"
_DATA, _FIELD, _ENTRY, _DATA_TABLE, _FIELD_TABLE, _ARRAY, _TAG = range(1, 8)
_XZ, _LZ4, _ZSTD = 1, 2, 4
_KEYED_XZ, _KEYED_LZ4, _KEYED_HASH, _KEYED_ZSTD, _COMPACT = 1, 2, 4, 8, 16
_KNOWN_INCOMPATIBLE = 31
_MOST_PAYLOAD = 64 << 10  # of a field; a coredump can be hundreds of megabytes
_MOST_FIELDS = 512
_MOST_ARRAY = 1 << 20
_PAGE = 1 << 20
_PAGES = 48
_CACHED_FIELDS = 1 << 15

_MESSAGE_IDS = {
    "c7a787079b354eaaa9e77b371893cd27": "clock.changed",
    "6bbd95ee977941e497c48be27c254128": "power.sleep",
    "8811e6df2a8e40f58a94cea26f8ebf14": "power.wake",
    "b07a249cd024414a82dd00cd181378ff": "power.boot_done",
    "98268866d1d54a499c4e98921d93bc40": "power.shutdown",
    "8d45620c1a4348dbb17410da57c60c66": "auth.session_opened",
    "3354939424b4456d9802ca8333ed424a": "auth.session_closed",
    "fc2e22bc6ee647b6b90729ab34a250b1": "process.crashed",
    "7c8a41f37b764941a0e1780b1be2f037": "clock.synchronised",
}
"""Message catalogue of systemd (sd-messages.h)."""
_KEPT = {
    "MESSAGE": "message", "SYSLOG_IDENTIFIER": "program", "_COMM": "command_name", "_PID": "pid", "_UID": "uid",
    "_SYSTEMD_UNIT": "unit", "PRIORITY": "priority", "_TRANSPORT": "transport", "_EXE": "exe", "_CMDLINE": "cmdline",
    "_SOURCE_REALTIME_TIMESTAMP": "source_us", "MESSAGE_ID": "message_id", "USER_ID": "user", "SESSION_ID": "session",
    "UNIT": "about_unit", "_AUDIT_LOGINUID": "login_uid", "SYSLOG_TIMESTAMP": "syslog_time",
}  # fmt: skip
_HOSTNAME = b"_HOSTNAME="


class _Header(NamedTuple):
    incompatible: int
    state: int
    machine: str
    size: int
    """Of the header: where objects begin."""
    end: int
    """First byte behind the arena."""
    entries: int
    array: int
    """Offset of the first entry array."""


class _Pages:
    """Bounded, cached reads: objects are small and lie near each other."""

    def __init__(self, file: SourceFile) -> None:
        self._file = file
        self._pages: OrderedDict[int, bytes] = OrderedDict()

    def at(self, offset: int, size: int) -> bytes:
        page, start = divmod(offset, _PAGE)
        data = self._page(page)
        if start + size <= len(data):
            return data[start : start + size]
        return self._file.read_at(offset, size)

    def _page(self, page: int) -> bytes:
        found = self._pages.get(page)
        if found is None:
            found = self._file.read_at(page * _PAGE, _PAGE)
            self._pages[page] = found
            if len(self._pages) > _PAGES:
                self._pages.popitem(last=False)
        return found


def matches(file: SourceFile) -> bool:
    """By signature."""
    return file.head.startswith(_SIGNATURE)


def parse(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    """An event for each entry, in the order of writing."""
    header = _read_header(file)
    if header is None:
        yield Problem(file.layer, "damaged", "the header is cut", 0, file.size)
        return
    if header.incompatible & ~_KNOWN_INCOMPATIBLE:
        yield Problem(file.layer, "unsupported", f"incompatible flags {header.incompatible:#x} of a newer format")
        return
    journal = _Journal(file, header)
    offsets, problems = journal.entry_offsets()
    yield from problems
    bad: list[int] = []
    for count, offset in enumerate(offsets, 1):
        event = journal.event(offset, count, context)
        if event is None:
            bad.append(offset)
        else:
            yield event
        if count % 2048 == 0 and context.expired():
            yield Problem(file.layer, "limit", f"time limit at entry {count} of {len(offsets)}", offset)
            return
    if bad:
        yield Problem(file.layer, "damaged", f"{len(bad)} entries that cannot be read", bad[0])
    if journal.unreadable_fields:
        detail = f"{journal.unreadable_fields} fields of entries that cannot be read; the entries are kept without them"
        yield Problem(file.layer, "damaged", detail)
    if len(offsets) - len(bad) < header.entries:
        missing = header.entries - len(offsets) + len(bad)
        yield Problem(file.layer, "incomplete", f"{missing} entries less than the header counts ({header.entries})")


def _read_header(file: SourceFile) -> _Header | None:
    raw = file.read_at(0, 272)
    if len(raw) < 208:
        return None
    incompatible, state = struct.unpack_from("<IB", raw, 12)
    size, arena = struct.unpack_from("<QQ", raw, 88)
    entries = struct.unpack_from("<Q", raw, 152)[0]
    array = struct.unpack_from("<Q", raw, 176)[0]
    if not 208 <= size <= 4096:
        return None
    return _Header(incompatible, state, raw[40:56].hex(), size, min(size + arena, file.size), entries, array)


class _Journal:
    """A journal that is open for reading."""

    def __init__(self, file: SourceFile, header: _Header) -> None:
        self._file, self._header = file, header
        self._pages = _Pages(file)
        self._compact = bool(header.incompatible & _COMPACT)
        self._payload_at = 72 if self._compact else 64
        self._fields: OrderedDict[int, tuple[str, str] | None] = OrderedDict()
        self.unreadable_fields = 0

    def entry_offsets(self) -> tuple[list[int], list[Problem]]:
        """Offsets of all entries, ascending: from a walk over all objects, and from the entry arrays where it ends."""
        found: set[int] = set()
        problems: list[Problem] = []
        at = self._header.size
        while at + 16 <= self._header.end:
            kind, size = struct.unpack("<B7xQ", self._pages.at(at, 16))
            if kind == 0 and size == 0 and self._rest_is_zero(at):
                break
            if not (1 <= kind <= _TAG and size >= 16 and at + size <= self._header.end):
                problems.append(
                    Problem(
                        self._file.layer,
                        "damaged",
                        "no object of the journal; the entry arrays are followed instead",
                        at,
                        self._header.end - at,
                    )
                )
                break
            if kind == _ENTRY:
                found.add(at)
            at += (size + 7) & ~7
        found |= self._listed()
        return sorted(found), problems

    def _rest_is_zero(self, at: int) -> bool:
        return not any(self._pages.at(at, min(4096, self._header.end - at)))

    def _listed(self) -> set[int]:
        """Offsets that the chain of entry arrays holds; a chain that loops or leaves the file ends there."""
        found: set[int] = set()
        seen: set[int] = set()
        at, width = self._header.array, 4 if self._compact else 8
        while at and at not in seen and at + 24 <= self._file.size:
            seen.add(at)
            kind, size, following = struct.unpack("<B7xQQ", self._pages.at(at, 24))
            if kind != _ARRAY or size < 24:
                break
            count = min((size - 24) // width, _MOST_ARRAY)
            raw = self._file.read_at(at + 24, count * width)
            items = struct.unpack(
                f"<{len(raw) // width}{'I' if self._compact else 'Q'}", raw[: len(raw) // width * width]
            )
            found |= {item for item in items if item and item + 64 <= self._file.size}
            at = following
        return found

    def event(self, offset: int, count: int, context: Context) -> Event | None:
        """The entry at `offset`; None where there is none."""
        raw = self._pages.at(offset, 64)
        if len(raw) < 64:
            return None
        kind, size, sequence, realtime, monotonic = struct.unpack_from("<B7xQQQQ", raw)
        width = 4 if self._compact else 16
        if kind != _ENTRY or size < 64 or offset + size > self._file.size:
            return None
        fields: dict[str, str] = {}
        items = self._pages.at(offset + 64, min((size - 64) // width, _MOST_FIELDS) * width)
        for at in range(0, len(items) - width + 1, width):
            target = int.from_bytes(items[at : at + (4 if self._compact else 8)], "little")
            pair = self._field(target)
            if pair is not None:
                fields.setdefault(*pair)
        return self._event(fields, sequence, realtime, monotonic, raw[40:56].hex(), count, context)

    def _field(self, offset: int) -> tuple[str, str] | None:
        """Name and text of a data object; None where it is not kept or cannot be read."""
        if offset in self._fields:
            self._fields.move_to_end(offset)
            return self._fields[offset]
        pair = None
        payload = self._payload(offset)
        if payload is None:
            self.unreadable_fields += 1
        else:
            name, _, value = payload.partition(b"=")
            key = name.decode("ascii", "replace")
            if key in _KEPT or key == "_HOSTNAME":
                pair = key, value.decode("utf-8", "backslashreplace")
        self._fields[offset] = pair
        if len(self._fields) > _CACHED_FIELDS:
            self._fields.popitem(last=False)
        return pair

    def _payload(self, offset: int) -> bytes | None:
        raw = self._pages.at(offset, self._payload_at)
        if len(raw) < self._payload_at or raw[0] != _DATA:
            return None
        flags, size = raw[1], int.from_bytes(raw[8:16], "little")
        if size < self._payload_at or offset + size > self._file.size:
            return None
        # What is compressed is read whole, within bounds; of plain text only as much as is kept.
        length = min(size - self._payload_at, _MOST_PAYLOAD * (16 if flags else 1))
        payload = self._pages.at(offset + self._payload_at, length)
        try:
            return _inflate(payload, flags)
        except (ValueError, lzma.LZMAError, EOFError):
            return None

    def _event(
        self,
        fields: dict[str, str],
        sequence: int,
        realtime: int,
        monotonic: int,
        boot: str,
        count: int,
        context: Context,
    ) -> Event:
        data: dict[str, object] = {_KEPT[name]: value[:4000] for name, value in fields.items() if name in _KEPT}
        program, message = fields.get("SYSLOG_IDENTIFIER") or fields.get("_COMM", ""), fields.get("MESSAGE", "")
        kind, more = classify(program, message)
        kind = _MESSAGE_IDS.get(fields.get("MESSAGE_ID", ""), kind) if kind == OTHER else kind
        data |= {**more, "boot": boot, "monotonic_us": monotonic}
        for name in ("pid", "priority", "source_us"):
            value = data.get(name)
            if isinstance(value, str) and value.isdecimal() and len(value) < 19:
                data[name] = int(value)
        return Event(
            time_ns=unix_us(realtime), time_text=str(realtime), precision_ns=1000, zone="UTC", zone_basis="format",
            kind=kind, desc="realtime", record=str(sequence), sequence=count,
            actor=str(more.get("user") or fields.get("USER_ID", "")), host=fields.get("_HOSTNAME") or context.host,
            path=str(more.get("command", "")), data=data,
        )  # fmt: skip


def _inflate(payload: bytes, flags: int) -> bytes:
    """The payload, at most _MOST_PAYLOAD bytes of it. Raises ValueError, LZMAError, EOFError."""
    if not flags & 7:
        return payload
    if flags & _XZ:
        return lzma.LZMADecompressor(memlimit=64 << 20).decompress(payload, max_length=_MOST_PAYLOAD)
    if flags & _LZ4:
        return lz4_block(payload[8:], _MOST_PAYLOAD)
    import zstandard  # noqa: PLC0415 - start-up time

    try:
        return zstandard.ZstdDecompressor(max_window_size=64 << 20).decompressobj().decompress(payload)[:_MOST_PAYLOAD]
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error


def lz4_block(data: bytes, limit_bytes: int) -> bytes:
    """The first `limit_bytes` of an LZ4 block (lz4_Block_format.md), decompressed. Raises ValueError."""
    out = bytearray()
    at, end = 0, len(data)

    def length(start: int, at: int) -> tuple[int, int]:
        if start < 15:
            return start, at
        while True:
            if at >= end:
                raise ValueError("the block is cut")
            byte = data[at]
            at, start = at + 1, start + byte
            if byte != 255:
                return start, at

    while at < end and len(out) < limit_bytes:
        token = data[at]
        literals, at = length(token >> 4, at + 1)
        if at + literals > end:
            raise ValueError("the block is cut")
        out += data[at : at + literals]
        at += literals
        if at == end:
            break
        if at + 2 > end:
            raise ValueError("the block is cut")
        back = data[at] | data[at + 1] << 8
        count, at = length(token & 15, at + 2)
        count += 4
        if not 0 < back <= len(out):
            raise ValueError("a reference before the beginning")
        if back >= count:
            out += out[len(out) - back : len(out) - back + count]
        else:
            run = bytes(out[-back:])
            out += (run * (count // back + 1))[: min(count, limit_bytes)]
    return bytes(out[:limit_bytes])
