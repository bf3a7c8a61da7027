"""VDI of VirtualBox: dynamic and fixed disks. Differencing disks name their parent by an identifier only.

Format: VirtualBox's header as published with its sources (`VDICore.h`), QEMU's `block/vdi.c`. Numbers little-endian.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from preserve.virtual_disk import PARENT, ZERO, Piece, VirtualDisk, damaged, no_siblings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from preserve.derived import Reader
    from preserve.virtual_disk import Siblings

_FREE, _ZERO = 0xFFFFFFFF, 0xFFFFFFFE
_PART = 8192


class VdiImage(VirtualDisk):
    """A VDI."""

    format = "vdi"

    def __init__(
        self,
        reader: Reader,
        layer: str,
        *,
        siblings: Siblings = no_siblings,  # noqa: ARG002 - as for the other formats
        segments: Sequence[Path] = (),
        depth: int = 0,  # noqa: ARG002 - as for the other formats
    ) -> None:
        head = reader.read_at(0, 512)
        if len(head) < 512 or head[64:68] != b"\x7f\x10\xda\xbe" or head[70:72] != b"\x01\x00":
            raise damaged("VDI の見出しがありません", "no VDI header of version 1")
        (kind,) = struct.unpack_from("<I", head, 76)
        self._map_at, self._data_at = struct.unpack_from("<II", head, 340)
        size, self._block, self._extra, self._count = struct.unpack_from("<QIII", head, 368)
        if not 512 <= self._block <= 256 << 20 or self._block % 512 or self._extra > self._block:
            raise damaged("不可能なブロックの大きさ", "impossible block size")
        super().__init__(size, layer, [reader], segments=segments)
        if kind in (3, 4):
            self.parent_name = f"UUID {head[440:456].hex()}"

    def _piece(self, offset: int) -> Piece:
        number, inside = divmod(offset, self._block)
        left = self._block - inside
        if number >= self._count:
            return Piece(left, PARENT)
        part = number // _PART * _PART
        entries = self._table(0, self._map_at + part * 4, min(_PART, self._count - part), "<u4")
        entry = int(entries[number - part])
        if entry == _FREE:
            return Piece(left, PARENT)
        if entry == _ZERO:
            return Piece(left, ZERO)
        return Piece(left, 0, self._data_at + entry * (self._block + self._extra) + self._extra + inside)
