"""Transaction logs of registry hives, applied to a copy of the hive in memory.

Two formats. Since Windows 8.1 a log is a row of entries (`HvLE`), each with the pages that one flush changed, a
sequence number and two Marvin32 hashes. Before, a log held one set of dirty sectors (`DIRT`) of 512 bytes with a
bitmap. Format: M. Suhanov, "Windows registry file format specification".
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from timeline.stamps import u32, u64

if TYPE_CHECKING:
    from collections.abc import Sequence

BASE_BYTES = 4096
MOST_ENTRY_BYTES = 1 << 26
_SEED = 0x82EF4D887A4E55C5
_MASK = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Replay:
    """The hive after its logs, and what happened: `needed` by its header; `complete` if nothing is missing."""

    data: bytes
    needed: bool
    complete: bool
    applied: int
    reason: str


@dataclass(frozen=True, slots=True)
class _Entry:
    sequence: int
    bins_bytes: int
    pages: tuple[tuple[int, bytes], ...]


def header_checksum(data: bytes) -> int:
    """XOR of the first 127 words of a header, with the two values that the format avoids."""
    total = 0
    for word in struct.unpack_from("<127I", data.ljust(512, b"\0")):
        total ^= word
    return {0: 1, _MASK: _MASK - 1}.get(total, total)


def apply(data: bytes, logs: Sequence[bytes]) -> Replay:
    """Apply the logs to a hive whose header says that it is not whole."""
    sound = header_checksum(data) == u32(data, 508)
    first, second = u32(data, 4), u32(data, 8)
    needed = not sound or first != second
    if not needed:
        return Replay(data, needed=False, complete=True, applied=0, reason="")
    if not logs:
        cause = "the header's checksum is wrong" if not sound else f"sequence numbers {first} and {second} differ"
        return Replay(data, needed=True, complete=False, applied=0, reason=f"{cause}, and there is no log beside it")
    entries = {entry.sequence: entry for log in logs if log[512:516] == b"HvLE" for entry in _entries(log)}
    if entries:
        return _apply_entries(data, entries, start=second if sound else min(entries))
    for log in logs:
        if log[512:516] == b"DIRT":
            result = _apply_dirty(data, log)
            if result is not None:
                return result
    return Replay(data, needed=True, complete=False, applied=0, reason="its logs hold no entry that is whole")


def _apply_entries(data: bytes, entries: dict[int, _Entry], *, start: int) -> Replay:
    hive = bytearray(data)
    sequence, applied = start, 0
    if sequence not in entries:
        later = sorted(one for one in entries if one > start)
        if later:
            reason = f"the logs begin with entry {later[0]}, the hive needs {start}"
            return Replay(data, needed=True, complete=False, applied=0, reason=reason)
        reason = f"the logs end before entry {start}, which the hive needs"
        return Replay(data, needed=True, complete=False, applied=0, reason=reason)
    while sequence in entries:
        entry = entries[sequence]
        end = BASE_BYTES + entry.bins_bytes
        if len(hive) < end:
            hive += bytes(end - len(hive))
        for offset, page in entry.pages:
            hive[BASE_BYTES + offset : BASE_BYTES + offset + len(page)] = page
        struct.pack_into("<I", hive, 40, entry.bins_bytes)
        applied += 1
        sequence += 1
    struct.pack_into("<II", hive, 4, sequence, sequence)
    struct.pack_into("<I", hive, 508, header_checksum(bytes(hive[:512])))
    left = sum(one > sequence for one in entries)
    reason = f"entry {sequence} is missing in the logs, {left} later ones were not applied" if left else ""
    return Replay(bytes(hive), needed=True, complete=not left, applied=applied, reason=reason)


def _entries(log: bytes) -> list[_Entry]:
    """The entries of a log up to the first that is not whole: what follows is left from earlier rounds."""
    found: list[_Entry] = []
    at = 512
    while log[at : at + 4] == b"HvLE":
        size, count = u32(log, at + 4), u32(log, at + 20)
        if not 40 <= size <= min(len(log) - at, MOST_ENTRY_BYTES) or size % 512 or 40 + 8 * count > size:
            break
        raw = log[at : at + size]
        if _marvin32(raw[:32]) != u64(raw, 32) or _marvin32(raw[40:]) != u64(raw, 24):
            break
        bins_bytes = u32(raw, 16)
        pages = []
        place = 40 + 8 * count
        for index in range(count):
            offset, length = struct.unpack_from("<II", raw, 40 + 8 * index)
            if place + length > size or offset + length > bins_bytes:
                return found
            pages.append((offset, raw[place : place + length]))
            place += length
        if bins_bytes > 1 << 30 or (found and found[-1].sequence + 1 != u32(raw, 12)):
            break
        found.append(_Entry(u32(raw, 12), bins_bytes, tuple(pages)))
        at += size
    return found


def _apply_dirty(data: bytes, log: bytes) -> Replay | None:
    """A log of the old format: a header of its own, a bitmap of dirty sectors, and these sectors."""
    if log[:4] != b"regf" or header_checksum(log) != u32(log, 508) or u32(log, 4) != u32(log, 8):
        return None
    bins_bytes = u32(log, 40)
    if bins_bytes % 4096 or bins_bytes > 1 << 30:
        return None
    if header_checksum(data) == u32(data, 508) and u32(log, 4) < u32(data, 8):
        return None
    bitmap = log[516 : 516 + bins_bytes // 4096]
    place = -(-(516 + bins_bytes // 4096) // 512) * 512
    hive = bytearray(data)
    if len(hive) < BASE_BYTES + bins_bytes:
        hive += bytes(BASE_BYTES + bins_bytes - len(hive))
    applied, missing = 0, 0
    for sector in range(bins_bytes // 512):
        if bitmap[sector >> 3 : (sector >> 3) + 1] and bitmap[sector >> 3] & 1 << (sector & 7):
            page = log[place : place + 512]
            place += 512
            if len(page) < 512:
                missing += 1
                continue
            hive[BASE_BYTES + 512 * sector : BASE_BYTES + 512 * (sector + 1)] = page
            applied += 1
    hive[:512] = log[:512]
    reason = f"{missing} dirty sectors are cut off in its log" if missing else ""
    return Replay(bytes(hive), needed=True, complete=not missing, applied=applied, reason=reason)


def _marvin32(data: bytes) -> int:
    """Marvin32 with the seed that the registry uses; 64 bits, low word first."""
    low, high = _SEED & _MASK, _SEED >> 32
    whole = len(data) & ~3
    tail = data[whole:] + b"\x80"
    words = struct.unpack(f"<{whole // 4}I", data[:whole])
    for word in (*words, int.from_bytes(tail, "little"), 0):
        low = (low + word) & _MASK
        high ^= low
        low = (((low << 20) | (low >> 12)) + high) & _MASK
        high = ((high << 9) | (high >> 23)) & _MASK
        high ^= low
        low = (((low << 27) | (low >> 5)) + high) & _MASK
        high = ((high << 19) | (high >> 13)) & _MASK
    return (high << 32) | low
