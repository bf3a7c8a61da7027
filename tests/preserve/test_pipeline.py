from __future__ import annotations

import hashlib
import random
import subprocess
import sys
import zlib

import pytest
from isal import isal_zlib

from preserve.hashing import Hasher, Hashing
from preserve.image import stream
from preserve.pieces import CHUNK_SIZE, PIECE_SIZE, zero_map_of
from preserve.pipeline import Encoder, Piece
from tests.preserve.media import mixed_data
from tests.preserve.test_imaging_cli import ROOT

TEXT = b" ".join(f"line {number} of a file".encode() for number in range(60_000))[:PIECE_SIZE]


def encoded(data, compression="fast"):
    """Chunks of the piece `data` as (stored bytes, is a zlib stream), and the piece."""
    piece = Piece(memoryview(bytearray(data) + bytes(PIECE_SIZE - len(data))))
    piece.size = len(data)
    Encoder(compression, len(data)).encode(piece)
    return [(b"".join(bytes(part) for part in parts), is_stream) for parts, _, is_stream in piece.chunks], piece


@pytest.mark.parametrize("compression", ["fast", "best", "none"])
def test_chunks_hold_the_data(compression):
    for seed in range(3):
        data = mixed_data(PIECE_SIZE, seed=seed)
        chunks, piece = encoded(data, compression)
        assert len(chunks) == 32
        assert [length for _, length, _ in piece.chunks] == [len(stored) for stored, _ in chunks]
        for number, (stored, is_stream) in enumerate(chunks):
            chunk = data[number * CHUNK_SIZE :][:CHUNK_SIZE]
            if is_stream:
                assert zlib.decompress(stored) == isal_zlib.decompress(stored) == chunk
                assert len(stored) < CHUNK_SIZE + 4
            else:
                assert stored == chunk + zlib.adler32(chunk).to_bytes(4, "little")


def test_a_stream_begins_with_a_stored_block_that_is_the_history_of_the_rest():
    chunks, _ = encoded(TEXT)
    for number, (stored, is_stream) in enumerate(chunks):
        assert is_stream
        # RFC 1950: 32 KiB window, fastest; RFC 1951: a stored block of 8 bytes that is not the last.
        assert stored[:7] == bytes.fromhex("7801000800f7ff")
        assert stored[7:15] == TEXT[number * CHUNK_SIZE :][:8]
    assert sum(len(stored) for stored, _ in chunks) < len(TEXT) / 4


_OTHER_PROCESS = """
import hashlib, sys
from tests.preserve.test_pipeline import TEXT, encoded
sys.stdout.write(hashlib.sha256(b"".join(stored for stored, _ in encoded(TEXT)[0])).hexdigest())
"""


def test_another_process_makes_the_same_bytes():
    """The fault this guards against shows once in 10,000 chunks: `benchmarks/imaging.py deflate` looks for it."""
    own = hashlib.sha256(b"".join(stored for stored, _ in encoded(TEXT)[0])).hexdigest()
    for _ in range(2):
        command = [sys.executable, "-c", _OTHER_PROCESS]
        other = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        assert other == own


def test_zeros_and_what_does_not_shrink():
    zeros, piece = encoded(bytes(PIECE_SIZE))
    assert {stored for stored, _ in zeros} == {zeros[0][0]}
    assert zlib.decompress(zeros[0][0]) == bytes(CHUNK_SIZE)
    assert piece.zero_map == (1 << 32) - 1
    some, piece = encoded(bytes(PIECE_SIZE - CHUNK_SIZE) + TEXT[:CHUNK_SIZE])
    assert some[0] == zeros[0]
    assert piece.zero_map == (1 << 31) - 1
    noise = random.Random(1).randbytes(PIECE_SIZE // 2)
    chunks, _ = encoded(noise + TEXT[: PIECE_SIZE // 2])
    assert [is_stream for _, is_stream in chunks] == [False] * 16 + [True] * 16


def test_zero_maps():
    assert zero_map_of(memoryview(bytes(PIECE_SIZE))) == (1 << 32) - 1
    assert zero_map_of(memoryview(bytes(PIECE_SIZE - 1) + b"x")) == (1 << 31) - 1
    assert zero_map_of(memoryview(bytes(CHUNK_SIZE + 5))) == 3
    assert zero_map_of(memoryview(bytes(CHUNK_SIZE) + b"\0x")) == 1


class _Numbers:
    """An image whose bytes say where they are."""

    size = 1_000_001
    threads = 3

    def readinto_at(self, offset, buffer):
        for place in range(len(buffer)):
            buffer[place] = (offset + place) * 7 % 251
        return len(buffer)


def test_views_that_are_held_stay_as_they_are():
    whole = bytearray(_Numbers.size)
    _Numbers().readinto_at(0, whole)
    for held in (0, 1, 3):
        kept, seen = [], bytearray()
        for offset, view in stream(_Numbers(), 40_000, ahead=2, held=held):
            kept = [*kept, (offset, view)][-1 - held :]
            for at, older in kept:
                assert older == whole[at : at + len(older)]
            seen += view
        assert seen == whole


def test_hashes_of_a_stream():
    whole = bytearray(_Numbers.size)
    _Numbers().readinto_at(0, whole)
    hasher = Hasher.of(["md5", "sha1", "sha256", "sha512", "blake3"])
    with Hashing(hasher) as hashing:
        for number, (_, view) in enumerate(stream(_Numbers(), 40_000, held=1)):
            (hashing.feed if number % 3 else hashing.begin)(view)
    for name in ("md5", "sha1", "sha256", "sha512"):
        assert hasher.hex()[name] == hashlib.new(name, whole).hexdigest()
