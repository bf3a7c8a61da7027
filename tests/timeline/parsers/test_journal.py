"""Journals made by systemd itself, a hand-made one with each compression, and damaged ones."""

from __future__ import annotations

import lzma
import struct
from pathlib import Path

import pytest
import zstandard

from tests.timeline.parsers.reading import parsed, read
from timeline.parsers import journal
from timeline.sources import memory_file

DATA = Path(__file__).parents[2] / "data" / "timeline"


def _real(name: str) -> bytes:
    return lzma.decompress((DATA / f"{name}.journal.xz").read_bytes())


@pytest.mark.parametrize("name", ["regular", "compact"])
def test_a_journal_of_systemd(name: str) -> None:
    events, problems = read(journal, _real(name))
    assert problems == []
    assert [one.time_ns for one in events] == [(1_700_000_000 + n) * 10**9 for n in range(40)]
    assert [one.record for one in events] == [str(n + 1) for n in range(40)]
    first, long = events[0], events[10]
    assert (first.kind, first.actor, first.host) == ("auth.logon", "user0", "srv01")
    assert first.data["address"] == "192.0.2.0"
    assert (first.data["monotonic_us"], first.data["boot"]) == (5_000_000, "0123456789abcdef" * 2)
    assert long.data["message"] == "long " + "x" * 3000  # kept compressed by zstd
    assert events[1].data["message"] == "message 1 日本語"


def test_damage_in_the_middle_leaves_what_the_arrays_list() -> None:
    raw = bytearray(_real("regular"))
    start = raw.find(b"MESSAGE=message 20") & ~7
    raw[start - 64 : start + 64] = b"\xff" * 128
    events, problems = read(journal, bytes(raw))
    assert len(events) > 35
    assert "damaged" in {one.reason for one in problems}


def test_a_cut_journal_says_how_many_entries_are_missing() -> None:
    raw = _real("regular")
    offset = raw.rfind(b"MESSAGE=message 38")
    events, problems = read(journal, raw[:offset])
    assert 30 <= len(events) < 40
    assert "incomplete" in {one.reason for one in problems}


def test_a_newer_format_is_said() -> None:
    raw = bytearray(_real("regular"))
    raw[12] |= 0x80
    events, problems = read(journal, bytes(raw))
    assert events == []
    assert [one.reason for one in problems] == ["unsupported"]


def _made(payload: bytes, flags: int) -> bytes:
    """A journal of one entry with one data object."""

    def aligned(raw: bytes) -> bytes:
        return raw + b"\0" * (-len(raw) % 8)

    data = aligned(struct.pack("<BB6xQ", 1, flags, 64 + len(payload)) + b"\0" * 48 + payload)
    entry = (
        struct.pack("<B7xQQQQ", 3, 80, 7, 1_700_000_000_123_456, 99)
        + b"\x11" * 16
        + b"\0" * 8
        + struct.pack("<QQ", 272, 0)
    )
    array = struct.pack("<B7xQQQ", 6, 32, 0, 272 + len(data))
    arena = data + entry + array
    header = (
        struct.pack("<8sIIB7x", b"LPKSHHRH", 0, 0, 0) + b"\0" * 64 + struct.pack("<QQ", 272, len(arena)) + b"\0" * 168
    )
    header = header[:272]
    header = (
        header[:152] + struct.pack("<Q", 1) + header[160:176] + struct.pack("<Q", 272 + len(data) + 80) + header[184:]
    )
    return header + arena


def _lz4(raw: bytes) -> bytes:
    """A block of literals alone."""
    rest = len(raw) - 15
    return len(raw).to_bytes(8, "little") + bytes([0xF0]) + b"\xff" * (rest // 255) + bytes([rest % 255]) + raw


@pytest.mark.parametrize("kind", ["plain", "xz", "lz4", "zstd"])
def test_each_compression(kind: str) -> None:
    text = b"MESSAGE=" + b"hello " * 100
    payload, flags = {
        "plain": (text, 0),
        "xz": (lzma.compress(text), 1),
        "lz4": (_lz4(text), 2),
        "zstd": (zstandard.ZstdCompressor().compress(text), 4),
    }[kind]
    events, problems = read(journal, _made(payload, flags))
    assert problems == []
    (one,) = events
    assert (one.data["message"], one.time_ns) == ("hello " * 100, 1_700_000_000_123_456_000)


@pytest.mark.parametrize("flags", [1, 2, 4])
def test_a_damaged_compression_costs_the_field_alone(flags: int) -> None:
    events, problems = read(journal, _made(b"\xfe" * 40, flags))
    assert len(events) == 1
    assert [one.reason for one in problems] == ["damaged"]


def test_lz4_with_references() -> None:
    # "abc", then 12 bytes from three back, then five literals (lz4_Block_format.md).
    block = bytes([0x38]) + b"abc" + b"\x03\x00" + bytes([0x50]) + b"vwxyz"
    assert journal.lz4_block(block, 1 << 16) == b"abc" * 5 + b"vwxyz"
    assert journal.lz4_block(block, 7) == b"abcabca"
    with pytest.raises(ValueError, match="reference"):
        journal.lz4_block(bytes([0x10]) + b"a" + b"\x09\x00", 100)


def test_loops_of_entry_arrays_end() -> None:
    raw = bytearray(_made(b"MESSAGE=x", 0))
    at = raw.rfind(struct.pack("<B7xQ", 6, 32))
    raw[at + 16 : at + 24] = struct.pack("<Q", at)
    assert len(read(journal, bytes(raw))[0]) == 1


def test_every_cut_ends_without_an_error() -> None:
    raw = _made(b"MESSAGE=x", 0)
    for size in range(8, len(raw)):
        parsed(journal, memory_file("file:a.journal", raw[:size]))
