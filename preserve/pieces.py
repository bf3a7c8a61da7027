"""Piece hashes: BLAKE3 of each MiB of the medium, and which 32 KiB chunks of it are zeros.

They say *where* two copies differ, they let a stopped run go on without reading the source again, and with them each
piece can be checked by common tools: `dd if=disk.dd bs=1M skip=N count=1 | b3sum`. The file `disk.pieces` has one line
a piece: the 64 hex digits of the hash, a space, and 8 hex digits, whose bit n (from the lowest) is set where chunk n of
the piece holds nothing but zeros. The last piece may be shorter; bits past its end are 0.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from chain_of_custody.errors import EvidenceFormatError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

PIECE_SIZE = 1 << 20
CHUNK_SIZE = 1 << 15
CHUNKS_PER_PIECE = PIECE_SIZE // CHUNK_SIZE

_LINE = re.compile(r"([0-9a-f]{64}) ([0-9a-f]{8})\n?")
_RECORD = 36  # 32 bytes hash, 4 bytes zero map, little-endian


def piece_count(size_bytes: int) -> int:
    """How many pieces a medium of `size_bytes` has."""
    return -(-size_bytes // PIECE_SIZE)


class PieceList:
    """Hashes and zero maps of the pieces 0 .. n-1, 36 bytes each in memory."""

    def __init__(self) -> None:
        self._records = bytearray()

    def __len__(self) -> int:
        return len(self._records) // _RECORD

    def append(self, digest: bytes, zero_map: int) -> None:
        """Add the next piece."""
        self._records += digest + zero_map.to_bytes(4, "little")

    def extend(self, records: bytes) -> None:
        """Add pieces as `records_from` gave them."""
        self._records += records

    def replace(self, index: int, digest: bytes, zero_map: int) -> None:
        """Set a piece again (after its unreadable parts were read)."""
        self._records[index * _RECORD : (index + 1) * _RECORD] = digest + zero_map.to_bytes(4, "little")

    def truncate(self, count: int) -> None:
        """Keep the first `count` pieces."""
        del self._records[count * _RECORD :]

    def records_from(self, index: int) -> bytes:
        """The pieces from `index` on, in their binary form."""
        return bytes(self._records[index * _RECORD :])

    def digest(self, index: int) -> bytes:
        """BLAKE3 of piece `index`, 32 bytes."""
        return bytes(self._records[index * _RECORD : index * _RECORD + 32])

    def zero_map(self, index: int) -> int:
        """Bit n is set where chunk n of piece `index` holds only zeros."""
        return int.from_bytes(self._records[index * _RECORD + 32 : (index + 1) * _RECORD], "little")

    def zero_bytes(self, size_bytes: int) -> int:
        """Bytes of the medium that lie in chunks of nothing but zeros."""
        total = sum(self.zero_map(index).bit_count() for index in range(len(self))) * CHUNK_SIZE
        last = len(self) - 1
        tail = size_bytes % CHUNK_SIZE
        if tail and last >= 0:
            place = (size_bytes - last * PIECE_SIZE) // CHUNK_SIZE
            if self.zero_map(last) >> place & 1:
                total -= CHUNK_SIZE - tail
        return total

    def lines(self) -> Iterator[str]:
        """The lines of `disk.pieces`."""
        for index in range(len(self)):
            yield f"{self.digest(index).hex()} {self.zero_map(index):08x}\n"

    @classmethod
    def read(cls, path: Path) -> PieceList:
        """Read a `disk.pieces` file. Raises EvidenceFormatError with the line, OSError."""
        pieces = cls()
        with path.open("r", encoding="ascii", errors="replace") as lines:
            for number, line in enumerate(lines, 1):
                match = _LINE.fullmatch(line)
                if match is None:
                    raise EvidenceFormatError(
                        f"断片ハッシュの一覧が壊れています: {path} {number} 行目",
                        f"damaged list of piece hashes: {path} line {number}",
                    )
                pieces.append(bytes.fromhex(match[1]), int(match[2], 16))
        return pieces


def zero_map_of(view: memoryview) -> int:
    """Which 32 KiB chunks of `view` (at most one piece) hold nothing but zeros, as bits from the lowest."""
    import numpy as np  # noqa: PLC0415 - only runs that read data need it

    bits = 0
    whole = len(view) // CHUNK_SIZE
    if whole:
        words = np.frombuffer(view, np.uint64, whole * CHUNK_SIZE // 8).reshape(whole, CHUNK_SIZE // 8)
        # Nearly all chunks with data show it in their first word or somewhere in their first page.
        candidates = np.flatnonzero(~words[:, :8].any(axis=1))
        if len(candidates) == whole == CHUNKS_PER_PIECE and not words.any():
            return (1 << whole) - 1
        for chunk in candidates:
            if not words[chunk].any():
                bits |= 1 << int(chunk)
    if len(view) % CHUNK_SIZE and not any(view[whole * CHUNK_SIZE :]):
        bits |= 1 << whole
    return bits


def differing_ranges(indexes: Sequence[int], size_bytes: int) -> list[tuple[int, int]]:
    """Ranges `(offset_bytes, size_bytes)` of the medium that the pieces `indexes` (ascending) cover, joined."""
    ranges: list[tuple[int, int]] = []
    for index in indexes:
        start = index * PIECE_SIZE
        size = min(PIECE_SIZE, size_bytes - start)
        if ranges and sum(ranges[-1]) == start:
            ranges[-1] = (ranges[-1][0], ranges[-1][1] + size)
        else:
            ranges.append((start, size))
    return ranges
