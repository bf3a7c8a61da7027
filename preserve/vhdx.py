"""VHDX of Hyper-V: fixed, dynamic and differencing disks, with the log replayed in memory.

Format: [MS-VHDX]. All numbers are little-endian.
"""

from __future__ import annotations

import struct
import uuid
from bisect import bisect_right
from typing import TYPE_CHECKING

from preserve.image import Problem
from preserve.virtual_disk import PARENT, ZERO, Piece, VirtualDisk, damaged, no_siblings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from preserve.derived import Reader
    from preserve.virtual_disk import Siblings

_BAT = uuid.UUID("2dc27766-f623-4200-9d64-115e9bfd4a08").bytes_le
_METADATA = uuid.UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e").bytes_le
_PARAMETERS = uuid.UUID("caa16737-fa36-4d43-b3b6-33f0aa44e76b").bytes_le
_DISK_SIZE = uuid.UUID("2fa54224-cd1b-4876-b211-5dbed83bf4b8").bytes_le
_SECTOR_SIZE = uuid.UUID("8141bf1d-a96f-4709-ba47-f233a8faab5f").bytes_le
_PARENT_LOCATOR = uuid.UUID("a8d35f2d-b30b-454d-abf7-d3d84834ab0c").bytes_le
_KIB, _MIB = 1 << 10, 1 << 20
_FULL, _PARTIAL, _UNMAPPED = 6, 7, 3
_PART = 8192  # entries of the table read at once
_LARGEST_LOG = 64 << 20


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli), as VHDX uses it; only small structures are checked."""
    value = 0xFFFFFFFF
    for byte in data:
        value = _CRC[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ 0xFFFFFFFF


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return tuple(table)


_CRC = _crc_table()


class _Replayed:
    """A file with the writes of its log on top of it."""

    def __init__(self, reader: Reader, writes: Mapping[int, bytes]) -> None:
        self._reader = reader
        self._writes = writes
        self._places = sorted(writes)
        self.size = max([reader.size, *(place + len(data) for place, data in writes.items())])

    def read_at(self, offset: int, size: int, /) -> bytes:
        """See `Reader.read_at`."""
        size = max(0, min(size, self.size - offset))
        data = bytearray(self._reader.read_at(offset, size).ljust(size, b"\0"))
        at = max(0, bisect_right(self._places, offset) - 1)
        while at < len(self._places) and self._places[at] < offset + size:
            place = self._places[at]
            written = self._writes[place]
            start, end = max(place, offset), min(place + len(written), offset + size)
            if start < end:
                data[start - offset : end - offset] = written[start - place : end - place]
            at += 1
        return bytes(data)


def _log_writes(log: bytes, guid: bytes) -> dict[int, bytes] | None:
    """The writes of the last complete sequence in a log; None where there is none that holds."""
    entries: dict[int, tuple[int, int, int, list[tuple[int, bytes]]]] = {}  # position -> sequence, size, tail, writes
    for at in range(0, len(log), 4096):
        if log[at : at + 4] != b"loge":
            continue
        _, checksum, length, tail, sequence, count = struct.unpack_from("<4sIIIQI", log, at)
        if log[at + 32 : at + 48] != guid or not 4096 <= length <= len(log) or length % 4096 or count > 1 << 16:
            continue
        raw = (log + log)[at : at + length]
        if crc32c(raw[:4] + bytes(4) + raw[8:]) != checksum:
            continue
        writes: list[tuple[int, bytes]] = []
        sector = (64 + 32 * count + 4095) // 4096 * 4096
        for number in range(count):
            kind, trailing, leading, place, _ = struct.unpack_from("<4sIQQQ", raw, 64 + 32 * number)
            if kind == b"zero":
                if leading <= _LARGEST_LOG:
                    # In parts of the size of the others, so that what lies under a byte is found by one search.
                    writes += [(place + part, bytes(4096)) for part in range(0, leading, 4096)]
            elif kind == b"desc" and sector + 4096 <= length:
                middle = raw[sector + 8 : sector + 4092]
                writes.append((place, leading.to_bytes(8, "little") + middle + trailing.to_bytes(4, "little")))
                sector += 4096
        entries[at] = (sequence, length, tail, writes)
    best: list[tuple[int, bytes]] | None = None
    best_sequence = -1
    for at, (sequence, _, tail, _) in entries.items():
        # The head of a sequence names its tail; everything between must be there, one number after the other.
        chain: list[tuple[int, bytes]] = []
        position, expected = tail, None
        for _ in range(len(entries)):
            entry = entries.get(position)
            if entry is None or (expected is not None and entry[0] != expected):
                break
            chain += entry[3]
            if position == at:
                if sequence > best_sequence:
                    best, best_sequence = chain, sequence
                break
            expected = entry[0] + 1
            position = (position + entry[1]) % len(log)
    if best is None:
        return None
    return dict(best)


class VhdxImage(VirtualDisk):
    """A VHDX. A block or sector that a differencing disk does not hold is read from its parent."""

    format = "vhdx"

    def __init__(
        self,
        reader: Reader,
        layer: str,
        *,
        siblings: Siblings = no_siblings,
        segments: Sequence[Path] = (),
        depth: int = 0,
    ) -> None:
        super().__init__(0, layer, [reader], segments=segments)
        self._replay()
        regions = self._regions()
        if _BAT not in regions or _METADATA not in regions:
            raise damaged("VHDX の領域表が読めません", "the region tables of the VHDX cannot be read")
        self._bat_at, bat_size = regions[_BAT]
        items = self._metadata(*regions[_METADATA])
        try:
            self._block, flags = struct.unpack_from("<II", items[_PARAMETERS])
            size = int.from_bytes(items[_DISK_SIZE][:8], "little")
            sector = int.from_bytes(items[_SECTOR_SIZE][:4], "little")
        except (KeyError, struct.error) as error:
            raise damaged("VHDX の管理情報が足りません", "metadata items of the VHDX are missing") from error
        if sector not in (512, 4096) or not _MIB <= self._block <= 256 * _MIB or self._block & (self._block - 1):
            raise damaged("不可能な大きさ", "impossible sizes in its metadata")
        self._size = min(size, 64 << 40)
        self._sector_size = sector
        self._ratio = (1 << 23) * sector // self._block
        self._count = bat_size // 8
        self._has_parent = bool(flags & 2)
        if self._has_parent:
            names = _parent_names(items.get(_PARENT_LOCATOR, b""))
            self.set_parent(
                names.get("relative_path") or names.get("absolute_win32_path") or names.get("volume_path") or "",
                siblings,
                depth,
            )

    def _replay(self) -> None:
        """Put the log's writes on top of the file, as a host would do before it uses the disk."""
        reader = self.files[0]
        headers = []
        for at in (64 * _KIB, 128 * _KIB):
            raw = reader.read_at(at, 4096)
            if raw[:4] == b"head" and crc32c(raw[:4] + bytes(4) + raw[8:]) == int.from_bytes(raw[4:8], "little"):
                headers.append((int.from_bytes(raw[8:16], "little"), raw))
        if not headers:
            self.problems.append(Problem(self.layer, "damaged", "both headers of the VHDX are damaged"))
            return
        header = max(headers)[1]
        guid = header[48:64]
        if guid == bytes(16):
            return
        size, place = struct.unpack_from("<IQ", header, 68)
        log = reader.read_at(place, size) if 0 < size <= _LARGEST_LOG else b""
        writes = _log_writes(log, guid) if len(log) == size and size else None
        if writes is None:
            self.problems.append(Problem(self.layer, "damaged", "the log of the VHDX cannot be replayed"))
        else:
            self.files[0] = _Replayed(reader, writes)

    def _regions(self) -> dict[bytes, tuple[int, int]]:
        for at in (192 * _KIB, 256 * _KIB):
            raw = self.files[0].read_at(at, 64 * _KIB)
            if raw[:4] != b"regi":
                continue
            count = int.from_bytes(raw[8:12], "little")
            found = {}
            for number in range(min(count, 2047)):
                entry = raw[16 + 32 * number : 48 + 32 * number]
                if len(entry) == 32:
                    found[entry[:16]] = struct.unpack_from("<QI", entry, 16)
            if _BAT in found and _METADATA in found:
                return found
        return {}

    def _metadata(self, at: int, size: int) -> dict[bytes, bytes]:
        raw = self.files[0].read_at(at, min(size, 64 * _KIB))
        if raw[:8] != b"metadata":
            return {}
        items = {}
        for number in range(min(int.from_bytes(raw[10:12], "little"), 2047)):
            entry = raw[32 + 32 * number : 64 + 32 * number]
            if len(entry) < 32:
                break
            place, length = struct.unpack_from("<II", entry, 16)
            if length <= _MIB:
                items[entry[:16]] = self.files[0].read_at(at + place, length)
        return items

    def _entry(self, index: int) -> tuple[int, int]:
        """(state, byte in the file) of entry `index` of the block table."""
        if index >= self._count:
            return 0, 0
        part = index // _PART * _PART
        value = int(self._table(0, self._bat_at + part * 8, min(_PART, self._count - part), "<u8")[index - part])
        return value & 7, value >> 20 << 20

    def _piece(self, offset: int) -> Piece:
        number, inside = divmod(offset, self._block)
        left = self._block - inside
        state, place = self._entry(number + number // self._ratio)
        if state == _FULL:
            return Piece(left, 0, place + inside)
        if not self._has_parent or state in (2, _UNMAPPED, 1):
            return Piece(left, ZERO)
        if state != _PARTIAL:
            return Piece(left, PARENT)
        chunk, within = divmod(number, self._ratio)
        bitmap_state, bitmap_at = self._entry((chunk + 1) * (self._ratio + 1) - 1)
        if bitmap_state != _FULL:
            return Piece(left, PARENT)
        bitmap = self._table(0, bitmap_at, _MIB, "u1")
        sector = (within * self._block + inside) // self._sector_size
        last = (within + 1) * self._block // self._sector_size
        own = int(bitmap[sector >> 3]) >> (sector & 7) & 1
        end = sector + 1
        while end < last and end - sector < 4096 and int(bitmap[end >> 3]) >> (end & 7) & 1 == own:
            end += 1
        left = (end - sector) * self._sector_size - inside % self._sector_size
        return Piece(left, 0, place + inside) if own else Piece(left, PARENT)


def _parent_names(raw: bytes) -> dict[str, str]:
    """The entries of a parent locator: keys and values in UTF-16."""
    names: dict[str, str] = {}
    for number in range(min(int.from_bytes(raw[18:20], "little"), 64)):
        entry = raw[20 + 12 * number : 32 + 12 * number]
        if len(entry) < 12:
            break
        key_at, value_at, key_size, value_size = struct.unpack("<IIHH", entry)
        key = raw[key_at : key_at + key_size].decode("utf-16-le", "replace")
        names[key] = raw[value_at : value_at + value_size].decode("utf-16-le", "replace")
    return names
