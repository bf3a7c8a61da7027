from __future__ import annotations

import pytest
from blake3 import blake3

from chain_of_custody.errors import EvidenceFormatError
from preserve.pieces import CHUNK_SIZE, PIECE_SIZE, PieceList, differing_ranges, zero_map_of


def test_zero_map_and_zero_bytes():
    data = bytearray(PIECE_SIZE + CHUNK_SIZE + 100)
    data[CHUNK_SIZE * 2 + CHUNK_SIZE - 1] = 1  # the last byte of chunk 2
    data[CHUNK_SIZE * 5] = 1
    view = memoryview(data)
    first, second = zero_map_of(view[:PIECE_SIZE]), zero_map_of(view[PIECE_SIZE:])
    assert first == 0xFFFFFFFF & ~(1 << 2 | 1 << 5)
    assert second == 0b11
    pieces = PieceList()
    pieces.append(bytes(32), first)
    pieces.append(bytes(32), second)
    assert pieces.zero_bytes(len(data)) == 30 * CHUNK_SIZE + CHUNK_SIZE + 100


def test_lines_are_read_again(tmp_path):
    pieces = PieceList()
    pieces.append(blake3(b"one").digest(), 1)
    pieces.append(blake3(b"two").digest(), 0xFFFFFFFF)
    path = tmp_path / "disk.pieces"
    path.write_text("".join(pieces.lines()))
    again = PieceList.read(path)
    assert (again.digest(1), again.zero_map(1), len(again)) == (blake3(b"two").digest(), 0xFFFFFFFF, 2)
    path.write_text("".join(pieces.lines()) + "not a line\n")
    with pytest.raises(EvidenceFormatError, match="line 3"):
        PieceList.read(path)


def test_differing_pieces_are_joined():
    assert differing_ranges([0, 1, 3], 3 * PIECE_SIZE + 5) == [(0, 2 * PIECE_SIZE), (3 * PIECE_SIZE, 5)]
