"""VMDK of VMware: flat, sparse and stream-optimised extents, in one file or many; ESX sparse (COWD); parents.

Format: VMware, "Virtual Disk Format 5.0"; libvmdk's documentation for COWD. Numbers are little-endian.
"""

from __future__ import annotations

import re
import struct
import zlib
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from preserve.image import Problem
from preserve.virtual_disk import DAMAGED, PARENT, ZERO, Piece, VirtualDisk, damaged, last_part, no_siblings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from preserve.derived import Reader
    from preserve.virtual_disk import Siblings

_SECTOR = 512
_AT_END = (1 << 64) - 1
_LARGEST_DESCRIPTOR = 1 << 20
_MOST_EXTENTS = 4096
_EXTENT = re.compile(
    r'^\s*(RW|RDONLY|NOACCESS)\s+(\d{1,15})\s+([A-Z]+)(?:\s+"([^"]*)"(?:\s+(\d{1,15}))?)?', re.MULTILINE
)
_VALUE = re.compile(r'^\s*(\w+)\s*=\s*"?([^"\r\n]*)"?\s*$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Extent:
    """`start` and `size` are bytes of the disk; `file` is a number of a file, or a mark of `Piece`."""

    start: int
    size: int
    file: int
    offset: int = 0
    sparse: _Sparse | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class _Sparse:
    """The map of a sparse extent; sizes in bytes, `directory` its place in the file."""

    capacity: int
    grain: int
    directory: int
    per_table: int
    compressed: bool
    has_zero_grains: bool


class VmdkImage(VirtualDisk):
    """A VMDK: extents one after the other."""

    format = "vmdk"

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
        head = reader.read_at(0, 4096)
        sparse = self._sparse(0) if head[:4] in (b"KDMV", b"COWD") else None
        descriptor = self._descriptor(head)
        values = {key.lower(): value for key, value in _VALUE.findall(descriptor)}
        lines = _EXTENT.findall(descriptor)[:_MOST_EXTENTS]
        self._extents: list[_Extent] = []
        if sparse is not None and len(lines) <= 1:
            self._extents.append(_Extent(0, sparse.capacity, 0, sparse=sparse))
        else:
            self._add_extents(lines, sparse, siblings)
        if not self._extents:
            raise damaged("VMDK の記述子にエクステントがありません", "its descriptor names no extents")
        self._starts = [one.start for one in self._extents]
        self._size = min(self._extents[-1].start + self._extents[-1].size, 1 << 52)
        if values.get("parentcid", "ffffffff").lower() not in ("ffffffff", ""):
            self.set_parent(values.get("parentfilenamehint", ""), siblings, depth)

    def _descriptor(self, head: bytes) -> str:
        if head[:4] == b"KDMV":
            place, size = struct.unpack_from("<QQ", head, 28)
            if not place:
                return ""
            raw = self.files[0].read_at(place * _SECTOR, min(size * _SECTOR, _LARGEST_DESCRIPTOR))
        elif head[:4] == b"COWD":
            return ""
        else:
            raw = self.files[0].read_at(0, min(self.files[0].size, _LARGEST_DESCRIPTOR))
        text = raw.split(b"\0", 1)[0]
        encoding = re.search(rb'encoding\s*=\s*"?([\w-]+)', text)
        name = encoding[1].decode("ascii").lower() if encoding else "utf-8"
        codecs = {"windows-932": "cp932", "shift_jis": "cp932", "windows-1252": "cp1252", "euc-jp": "euc_jp"}
        return text.decode(codecs.get(name, "utf-8"), "replace")

    def _sparse(self, file: int) -> _Sparse:
        """The map of sparse extent number `file`. Raises EvidenceFormatError."""
        reader = self.files[file]
        head = reader.read_at(0, 512)
        if head[:4] == b"COWD":
            capacity, grain, directory = struct.unpack_from("<III", head, 12)
            if not 0 < grain <= 1 << 16:
                raise damaged("不可能な大きさ", "impossible sizes in its header")
            return _Sparse(capacity * _SECTOR, grain * _SECTOR, directory * _SECTOR, 4096, False, False)
        flags, capacity, grain = struct.unpack_from("<IQQ", head, 8)
        (per_table,) = struct.unpack_from("<I", head, 44)
        (directory,) = struct.unpack_from("<Q", head, 56)
        if directory == _AT_END:  # a stream: the map is known only at its end
            for place in (reader.size - 1024, reader.size - 1536):
                footer = reader.read_at(max(place, 0), 512)
                if footer[:4] == b"KDMV":
                    (directory,) = struct.unpack_from("<Q", footer, 56)
                    break
        if not 0 < grain <= 1 << 16 or not 0 < per_table <= 1 << 16 or directory == _AT_END:
            raise damaged("VMDK の表が見つかりません", "its grain directory cannot be found")
        return _Sparse(
            capacity * _SECTOR, grain * _SECTOR, directory * _SECTOR, per_table, bool(flags & 0x10000), bool(flags & 4)
        )

    def _add_extents(
        self, lines: Sequence[tuple[str, str, str, str, str]], own: _Sparse | None, siblings: Siblings
    ) -> None:
        start = 0
        for number, (_, count, kind, name, offset) in enumerate(lines):
            size = int(count) * _SECTOR
            if start + size > 1 << 52:
                raise damaged("不可能な大きさ", "impossible sizes in its descriptor")
            if kind == "ZERO":
                self._extents.append(_Extent(start, size, ZERO))
                start += size
                continue
            shown = last_part(name)
            reader = self.files[0] if own is not None and number == 0 else siblings(shown)
            detail = ""
            if reader is None:
                detail = f"{self.layer}: the extent {shown} is missing"
            elif kind not in ("FLAT", "VMFS", "SPARSE", "VMFSSPARSE"):
                detail = f"{self.layer}: extents of type {kind} are not read"
            if detail or reader is None:
                self.problems.append(Problem(self.layer, "damaged" if reader is None else "unsupported", detail))
                self._extents.append(_Extent(start, size, DAMAGED, detail=detail))
                start += size
                continue
            self.files.append(reader)
            file = len(self.files) - 1
            sparse = self._sparse(file) if kind in ("SPARSE", "VMFSSPARSE") else None
            self._extents.append(_Extent(start, size, file, int(offset or 0) * _SECTOR, sparse))
            start += size

    def _piece(self, offset: int) -> Piece:
        extent = self._extents[bisect_right(self._starts, offset) - 1]
        inside = offset - extent.start
        left = extent.size - inside
        if extent.file < 0:
            return Piece(left, extent.file, detail=extent.detail)
        sparse = extent.sparse
        if sparse is None:
            return Piece(left, extent.file, extent.offset + inside)
        number, within = divmod(inside, sparse.grain)
        left = min(left, sparse.grain - within)
        table_number, index = divmod(number, sparse.per_table)
        part = table_number // 4096 * 4096
        directory = self._table(extent.file, sparse.directory + part * 4, 4096, "<u4")
        table_at = int(directory[table_number - part]) * _SECTOR
        if not table_at:
            return Piece(left, PARENT)
        table = self._table(extent.file, table_at, sparse.per_table, "<u4")
        entry = int(table[index])
        if not entry:
            return Piece(left, PARENT)
        if entry == 1 and sparse.has_zero_grains:
            return Piece(left, ZERO)
        place = entry * _SECTOR
        if sparse.compressed:
            return self._inflate(extent.file, place, sparse.grain, within, left)
        return Piece(left, extent.file, place + within)

    def _inflate(self, file: int, place: int, grain: int, within: int, left: int) -> Piece:
        marker = self.files[file].read_at(place, 12)
        size = int.from_bytes(marker[8:12], "little")
        data = b""
        if 0 < size <= 2 * grain + 1024:
            try:
                data = zlib.decompressobj().decompress(self.files[file].read_at(place + 12, size), grain)
            except zlib.error:
                data = b""
        if len(data) < min(grain, within + left):
            return Piece(left, DAMAGED, detail=f"{self.layer}: the compressed grain at byte {place} is damaged")
        return Piece(left, data=data[within:])
