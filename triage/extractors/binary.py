"""Any other file: runs of text in ASCII, CP932, EUC-JP, UTF-8 or UTF-16 that can hold a number, as `strings` would.

A file that is compressed or fragmented by the file system is not seen by the pass over the raw media; here its bytes
come in order. Only runs with twelve digits close together are handed on, as kind "raw".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from triage.extractors.blocks import by_lines
from triage.extractors.digits import holds_chain
from triage.extractors.encodings import Decoded, Encoding, decode, offsets_of
from triage.extractors.model import Problem
from triage.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from triage.extractors.model import Child, Context, Source

BLOCK_BYTES = 1 << 20
OVERLAP_BYTES = 4096
"""A region that starts before a block's end is read with so many bytes of the next block."""
MAX_RUNS = 20_000
"""Runs handed on from one file."""
NARROW_SPAN_BYTES = 60
WIDE_SPAN_BYTES = 220
"""Bytes from the first to the twelfth digit, for one and for several bytes a digit."""
CONTEXT_BYTES = 400
"""Text kept on each side of the digits, for the label."""

_IS_TEXT = np.zeros(256, dtype=np.bool_)
_IS_TEXT[[9, 10, 13, 27, *range(0x20, 0x7F), *range(0x80, 0xFD)]] = True
_WIDE_DIGITS = re.compile(rb"(?:[0-9]\x00){2}|(?:\x00[0-9]){2}|[\x10-\x19]\xff|\xff[\x10-\x19]")
_LITTLE = re.compile(
    rb"(?:[\t\n\r\x20-\x7e]\x00|[\x00-\xff][\x30-\x33\x4e-\x9f]|[\x01-\xef]\xff|[\x10-\x70]\x20){3,}", re.DOTALL
)
_BIG = re.compile(
    rb"(?:\x00[\t\n\r\x20-\x7e]|[\x30-\x33\x4e-\x9f][\x00-\xff]|\xff[\x01-\xef]|\x20[\x10-\x70]){3,}", re.DOTALL
)


def matches(_head: bytes, _name: str, _size: int) -> bool:
    """Everything: the last in the list."""
    return True


def _near(digits: NDArray[np.bool_], span_bytes: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where twelve of the marked places lie within `span_bytes`: their first and last places."""
    places = np.flatnonzero(digits)
    if places.size < 12:
        return places[:0], places[:0]
    starts, ends = places[:-11], places[11:]
    near = ends - starts < span_bytes
    return starts[near], ends[near]


def digit_regions(data: bytes) -> list[tuple[int, int]]:
    """Where twelve digits of one encoding lie close together: byte ranges of `data` with context, merged, ascending."""
    if len(data) < 12:
        return []
    codes = np.frombuffer(data, dtype=np.uint8)
    first, second = codes[:-1], codes[1:]
    narrow = codes - np.uint8(0x30) < 10
    beside_zero = np.zeros(codes.size, dtype=np.bool_)
    zero = codes == 0
    beside_zero[:-1] = zero[1:]
    beside_zero[1:] |= zero[:-1]
    beside_zero &= narrow
    full = np.zeros(codes.size, dtype=np.bool_)
    full[:-1] |= (first == 0x82) & (second - np.uint8(0x4F) < 10)
    full[:-1] |= (first == 0xA3) & (second - np.uint8(0xB0) < 10)
    full[:-2] |= (first[:-1] == 0xEF) & (second[:-1] == 0xBC) & (codes[2:] - np.uint8(0x90) < 10)
    full[:-1] |= (first - np.uint8(0x10) < 10) & (second == 0xFF)
    full[:-1] |= (first == 0xFF) & (second - np.uint8(0x10) < 10)
    # Digits of random bytes lie 26 apart: a tight span for single bytes, a wide one where each digit has two witnesses.
    found = [_near(narrow, NARROW_SPAN_BYTES), _near(beside_zero, WIDE_SPAN_BYTES), _near(full, WIDE_SPAN_BYTES)]
    lows = np.concatenate([starts for starts, _ in found])
    if not lows.size:
        return []
    highs = np.concatenate([ends for _, ends in found])
    order = np.argsort(lows, kind="stable")
    lows, highs = lows[order], np.maximum.accumulate(highs[order])
    breaks = np.flatnonzero(lows[1:] - highs[:-1] > 2 * CONTEXT_BYTES)
    firsts = lows[np.concatenate((np.zeros(1, dtype=np.int64), breaks + 1))]
    lasts = highs[np.concatenate((breaks, np.array([highs.size - 1])))]
    return [
        (max(0, low - CONTEXT_BYTES), min(len(data), high + CONTEXT_BYTES))
        for low, high in zip(firsts.tolist(), lasts.tolist(), strict=True)
    ]


def _joined(
    runs: list[tuple[int, Decoded, int]], base: int, encoding: Encoding, container: str, stream: str, *, size: int
) -> Iterator[Text]:
    """Runs of one region of `size` bytes, (offset, characters, bytes), as one text: the label may stand in another.

    A line break says that a run ends there, also at the last one: what ends at the region's edge may go on.
    """
    content = "\n".join([decoded.content for _, decoded, _ in runs])
    if not holds_chain(content):
        return
    starts: list[NDArray[np.int64]] = []
    for at, decoded, length in runs:
        starts.append(decoded.starts + at)
        starts.append(np.array([at + length], dtype=np.int64))
    end = runs[-1][0] + runs[-1][2]
    if end < size:
        content += "\n"
        end += 1
    else:
        starts.pop()
    if runs[0][0] > 0:
        content = "\n" + content
        starts.insert(0, np.array([runs[0][0] - 1], dtype=np.int64))
    places = Decoded(content, np.concatenate(starts))
    yield Text(content, encoding, "raw", container, stream=stream, offsets=offsets_of(places, end, base))


def wide_runs(data: bytes, base: int, container: str, *, stream: str = "") -> Iterator[Text]:
    """Runs of UTF-16 in `data`, which lies at byte `base`, that can hold a number."""
    pairs: tuple[tuple[Encoding, re.Pattern[bytes]], ...] = (("utf-16-le", _LITTLE), ("utf-16-be", _BIG))
    for encoding, pattern in pairs:
        found = [(match.start(), match[0]) for match in pattern.finditer(data)]
        if holds_chain("\n".join([run.decode(encoding, "replace") for _, run in found])):
            runs = [(at, decode(run, encoding), len(run)) for at, run in found]
            yield from _joined(runs, base, encoding, container, stream, size=len(data))


def narrow_runs(data: bytes, base: int, container: str, *, stream: str = "") -> Iterator[Text]:
    """The eight-bit text in `data`, which lies at byte `base`, if it can hold a number; other bytes are newlines."""
    codes = np.frombuffer(data, dtype=np.uint8)
    text = _IS_TEXT[codes]
    # A byte alone between others is no text: half of a UTF-16 character, mostly.
    text[1:-1] &= text[:-2] | text[2:]
    shown = np.where(text, codes, np.uint8(0x0A)).tobytes()
    # The bytes around may be anything: each run of text is in an encoding of its own.
    for block in by_lines(shown, base, "cp932"):
        if holds_chain(block.content):
            yield Text(block.content, block.encoding, "raw", container, stream=stream, offsets=block.offsets())


def text_runs(data: bytes, base: int, container: str, *, stream: str = "", limit: int | None = None) -> Iterator[Text]:
    """The text around every place in `data` that can hold a number; only places before byte `limit` of it."""
    for low, high in digit_regions(data):
        if limit is not None and low >= limit:
            return
        region = data[low:high]
        yield from narrow_runs(region, base + low, container, stream=stream)
        if _WIDE_DIGITS.search(region):
            yield from wide_runs(region, base + low, container, stream=stream)


def extract(source: Source, context: Context) -> Iterator[Text | Problem | Child]:
    """Text runs of the whole file, block by block."""
    position = 0
    runs = 0
    # The size is not asked for: a member that is unpacked as it is read would be unpacked once more for it.
    while runs < MAX_RUNS:
        context.check_time()
        data = source.read_at(position, BLOCK_BYTES + OVERLAP_BYTES)
        if not data:
            return
        limit = BLOCK_BYTES if len(data) > BLOCK_BYTES else None
        for text in text_runs(data, position, source.container, limit=limit):
            yield text
            runs += 1
        position += BLOCK_BYTES
    if runs >= MAX_RUNS:
        yield Problem(
            "limit",
            f"文字列の上限({MAX_RUNS:,}件)に達しました",
            f"limit of {MAX_RUNS:,} text runs reached",
            source.container,
        )
