"""Hibernation files of all generations, and pages that Windows keeps compressed in page files."""

from __future__ import annotations

import random
import struct

import pytest

from tests.xpress_encoder import huffman, plain
from triage.extractors import compressed_pages, extract_all, memory_files
from triage.extractors.model import BytesSource, Context, Limits, Problem
from triage.judge import Judge
from triage.text import Text

pytest.importorskip("pyfwnt", reason="libfwnt-python decompresses")

NUMBERS = ("123456789018", "621498320257")
PAGE = memory_files.PAGE_BYTES


def page_with(number: str) -> bytes:
    text = f"社員 個人番号:{number}\0".encode("utf-16-le")
    return (bytes(1000) + text).ljust(PAGE, b"\0")


def found(data: bytes, name: str = "hiberfil.sys") -> tuple[dict[str, str], list[Problem]]:
    judge, problems = Judge(), []
    for item in extract_all(BytesSource(data, name), Context(Limits(seconds=60))):
        if isinstance(item, Text):
            judge.feed(item)
        elif isinstance(item, Problem):
            problems.append(item)
    return {one.digits: f"{one.container} {one.location}" for one in judge.finish()}, problems


def compression_set(content: bytes, pages: list[tuple[int, int]], method: int, width: int = 8) -> bytes:
    """A set; `pages` are (first page, count), `method` 0 plain, 2 Huffman, 3 stored."""
    packed = content if method == 3 else plain(content) if method == 0 else huffman(content)
    descriptors = b"".join((first << 4 | count - 1).to_bytes(width, "little") for first, count in pages)
    word = len(pages) | len(packed) << 8 | (0 if method == 3 else method) << 30
    return struct.pack("<I", word) + descriptors + packed


def modern(first: bytes, *, method: int, width: int = 8, tail: bytes = b"") -> bytes:
    header = b"HIBR".ljust(0x18, b"\0") + struct.pack("<I", PAGE)
    blank = compression_set(bytes(PAGE), [(7, 1)], 0, width)
    sets = blank + compression_set(first + bytes(PAGE), [(0x1234, 1), (0x2000, 1)], method, width) + blank
    return header.ljust(PAGE, b"\0") + bytes(PAGE) + sets + tail


@pytest.mark.parametrize("width", [8, 4])
@pytest.mark.parametrize("method", [0, 2, 3])
def test_windows_8_to_11(method, width):
    data = modern(page_with(NUMBERS[0]), method=method, width=width)
    assert NUMBERS[0].encode("utf-16-le") not in data or method != 2
    values, problems = found(data)
    assert values == {NUMBERS[0]: "hiberfil.sys!/memory page 0x1234"}
    assert not problems


def test_a_header_cleared_on_waking_up_hides_nothing():
    data = bytes(PAGE) + modern(page_with(NUMBERS[0]), method=2)[PAGE:]
    assert list(found(data)[0]) == [NUMBERS[0]]


def test_windows_xp_to_7():
    content = page_with(NUMBERS[1]) + bytes(3 * PAGE)
    packed = plain(content)
    block = memory_files.SIGNATURE + struct.pack("<I", (len(packed) - 1) << 10 | 3) + bytes(20) + packed
    data = b"hibr".ljust(PAGE, b"\0") + bytes(2 * PAGE) + block
    assert list(found(data)[0]) == [NUMBERS[1]]


def test_a_set_that_does_not_unpack_is_damage_and_the_others_are_read():
    good = compression_set(page_with(NUMBERS[1]), [(9, 1)], 2)
    bad = bytearray(compression_set(page_with(NUMBERS[0]), [(8, 1)], 2))
    bad[12:268] = bytes(256)
    values, problems = found(modern(bytes(PAGE), method=2, tail=bytes(bad) + good))
    assert list(values) == [NUMBERS[1]]
    assert [(one.reason, one.en[:4]) for one in problems] == [("damaged", "1 of")]


def test_what_is_no_set_is_said():
    values, problems = found(b"hibr" + random.Random(1).randbytes(50_000))
    assert not values
    assert [one.reason for one in problems] == ["unsupported"]
    assert not found(bytes(50_000))[1]  # nothing was ever written


def test_another_file_of_that_beginning_is_none():
    assert not memory_files.matches(b"hibr" + bytes(99), "other.sys", 103)
    assert memory_files.matches(bytes(99), "PAGEFILE.SYS", 99)
    assert memory_files.matches(bytes(99), "memory.dmp", 99)


def test_compressed_pages_in_a_page_file():
    noise = random.Random(5).randbytes(300_000)
    data = bytearray(noise)
    packed = plain(page_with(NUMBERS[0]))
    late = plain(bytes(range(1, 60)) + page_with(NUMBERS[1])[: PAGE - 59])  # the first match comes after 32 literals
    data[160_000 : 160_000 + len(packed)] = packed
    data[200_016 : 200_016 + len(late)] = late
    values, problems = found(bytes(data), "pagefile.sys")
    assert values == {
        NUMBERS[0]: "pagefile.sys!/compressed 0x27100",
        NUMBERS[1]: "pagefile.sys!/compressed 0x30d50",
    }
    assert not problems


def test_compressed_pages_in_the_memory_of_a_hibernation_file():
    store = bytes(64) + plain(page_with(NUMBERS[0]))
    values, _ = found(modern(store.ljust(PAGE, b"\0"), method=2))
    assert list(values) == [NUMBERS[0]]


def test_random_bytes_give_hardly_a_candidate():
    data = random.Random(6).randbytes(1 << 20)
    assert len(compressed_pages.candidates(data)) < 200
    assert not list(compressed_pages.pages(data))
    assert compressed_pages.candidates(bytes(1 << 16)).size == 0


def test_published_example():
    # [MS-XCA] 3.1: "abc" a hundred times.
    assert plain(b"abc")[:7] == bytes.fromhex("ffffff1f616263")
