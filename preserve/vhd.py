"""VHD of Virtual PC and Hyper-V: fixed, dynamic and differencing disks.

Format: Microsoft, "Virtual Hard Disk Image Format Specification" 1.0. All numbers are big-endian.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from preserve.image import Problem
from preserve.virtual_disk import PARENT, ZERO, Piece, VirtualDisk, damaged, no_siblings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from preserve.derived import Reader
    from preserve.virtual_disk import Siblings

_FIXED, _DYNAMIC, _DIFFERENCING = 2, 3, 4
_UNUSED = 0xFFFFFFFF
_PART = 8192  # entries of the table read at once


def _footer(reader: Reader) -> tuple[bytes, str]:
    """The footer, from the end of the file or its copy at the start; and what is wrong."""
    tail = reader.read_at(max(0, reader.size - 512), 512)
    for footer in (tail, tail[1:] + b"\0"):  # the first versions wrote 511 bytes
        if footer[:8] == b"conectix":
            return footer, ""
    head = reader.read_at(0, 512)
    if head[:8] == b"conectix":
        return head, "the footer at the end of the VHD is missing; its copy at the start was used"
    raise damaged("VHD の管理情報がありません", "no VHD footer")


class VhdImage(VirtualDisk):
    """A VHD. A sector that a differencing disk does not hold is read from its parent."""

    format = "vhd"

    def __init__(
        self,
        reader: Reader,
        layer: str,
        *,
        siblings: Siblings = no_siblings,
        segments: Sequence[Path] = (),
        depth: int = 0,
    ) -> None:
        footer, note = _footer(reader)
        header_at, size, kind = (
            int.from_bytes(footer[16:24], "big"),
            int.from_bytes(footer[48:56], "big"),
            int.from_bytes(footer[60:64], "big"),
        )
        super().__init__(size, layer, [reader], segments=segments)
        if note:
            self.problems.append(Problem(layer, "damaged", note))
        self._kind = kind
        if kind == _FIXED:
            return
        if kind not in (_DYNAMIC, _DIFFERENCING):
            raise damaged(f"VHD の種類 {kind}", f"VHD type {kind}")
        header = reader.read_at(header_at, 1024)
        if len(header) < 1024 or header[:8] != b"cxsparse":
            raise damaged("VHD の動的ディスクの見出しがありません", "no header of a dynamic VHD")
        self._table_at, _, self._count, self._block = struct.unpack_from(">QIII", header, 16)
        if not 512 <= self._block <= 256 << 20 or self._block % 512:
            raise damaged("不可能なブロックの大きさ", "impossible block size")
        self._bitmap = (self._block // 512 + 7) // 8
        self._data = (self._bitmap + 511) // 512 * 512  # bytes from the start of a block to its data
        if kind == _DIFFERENCING:
            name = header[64:576].decode("utf-16-be", "replace").split("\0", 1)[0]
            self.set_parent(name, siblings, depth)

    def _piece(self, offset: int) -> Piece:
        if self._kind == _FIXED:
            return Piece(self.size - offset, 0, offset)
        number, inside = divmod(offset, self._block)
        left = self._block - inside
        missing = PARENT if self._kind == _DIFFERENCING else ZERO
        if number >= self._count:
            return Piece(left, missing)
        part = number // _PART * _PART
        entries = self._table(0, self._table_at + part * 4, min(_PART, self._count - part), ">u4")
        entry = int(entries[number - part])
        if entry in (_UNUSED, 0):
            return Piece(left, missing)
        place = entry * 512
        if self._kind == _DYNAMIC:
            return Piece(left, 0, place + self._data + inside)
        bitmap = self._table(0, place, self._bitmap, "u1")
        sector = inside // 512
        own = self._is_own(bitmap, sector)
        end = sector + 1
        while end * 512 < self._block and end - sector < 4096 and self._is_own(bitmap, end) == own:
            end += 1
        left = end * 512 - inside
        return Piece(left, 0, place + self._data + inside) if own else Piece(left, PARENT)

    @staticmethod
    def _is_own(bitmap: NDArray[np.uint64], sector: int) -> bool:
        return bool(int(bitmap[sector >> 3]) >> (7 - (sector & 7)) & 1)
