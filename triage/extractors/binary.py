"""Any other file: runs of text in ASCII, CP932 or UTF-16 that can hold a number, as `strings` would show them.

A file that is compressed or fragmented by the file system is not seen by the pass over the raw media; here its bytes
come in order. Only runs with twelve digits close together are handed on, as kind "raw".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from triage.extractors.digits import holds_number
from triage.extractors.encodings import Encoding, content_of, decode, encoding_of_bytes, offsets_of
from triage.extractors.model import Problem
from triage.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from triage.extractors.model import Child, Context, Source

BLOCK_BYTES = 1 << 20
OVERLAP_BYTES = 4096
"""A run with a label and a number is shorter; it is never cut in two unread."""
MAX_RUNS = 20_000
"""Runs handed on from one file."""
RUN_BYTES = 1 << 16

# Text in eight bits: printable ASCII, tabs and line ends, and the bytes of CP932, EUC-JP and UTF-8.
_NARROW = re.compile(rb"[\t\n\r\x1b\x20-\x7e\x80-\xfc]{12,%d}" % RUN_BYTES)
# A UTF-16 digit, twelve of them with at most eight other characters in between each two.
_LITTLE = rb"[\x30-\x39]\x00|[\x10-\x19]\xff"
_BIG = rb"\x00[\x30-\x39]|\xff[\x10-\x19]"
_WIDE_LITTLE = re.compile(
    rb"(?:%b)(?:[^\x00][\x00\x20\x30\xff]){0,8}?(?:(?:%b)(?:[\x01-\xff][\x00\x20\x30\xff]){0,4}?){10}(?:%b)"
    % (_LITTLE, _LITTLE, _LITTLE),
    re.DOTALL,
)
_WIDE_BIG = re.compile(
    rb"(?:%b)(?:[\x00\x20\x30\xff][\x01-\xff]){0,4}?(?:(?:%b)(?:[\x00\x20\x30\xff][\x01-\xff]){0,4}?){10}(?:%b)"
    % (_BIG, _BIG, _BIG),
    re.DOTALL,
)
_CONTEXT_BYTES = 400
_WIDE_HIGH = frozenset((0x00, 0x20, 0x21, 0x22, 0x30, 0xFF, *range(0x4E, 0xA0)))


def matches(head: bytes, name: str, size: int) -> bool:  # noqa: ARG001 - the protocol of all extractors
    """Everything: the last in the list."""
    return True


def _wide_bounds(data: bytes, low: int, high: int, encoding: Encoding) -> tuple[int, int]:
    """The run of UTF-16 characters around `data[low:high]`, at most `_CONTEXT_BYTES` to each side."""
    at = 1 if encoding == "utf-16-le" else 0

    def is_character(place: int) -> bool:
        other = data[place + 1 - at]
        return data[place + at] in _WIDE_HIGH and (data[place + at] != 0 or other in b"\t\n\r" or 0x20 <= other < 0x7F)

    start = low
    while start - 2 >= max(0, low - _CONTEXT_BYTES) and is_character(start - 2):
        start -= 2
    end = high
    while end + 2 <= min(len(data), high + _CONTEXT_BYTES) and is_character(end):
        end += 2
    return start, end


def wide_runs(data: bytes, base: int, container: str, *, stream: str = "", limit: int | None = None) -> Iterator[Text]:
    """Runs of UTF-16 in `data` (which lies at byte `base`) that can hold a number; only those that start before `limit`."""
    pairs: tuple[tuple[Encoding, re.Pattern[bytes]], ...] = (("utf-16-le", _WIDE_LITTLE), ("utf-16-be", _WIDE_BIG))
    for encoding, pattern in pairs:
        position = 0
        while match := pattern.search(data, position):
            start, end = _wide_bounds(data, match.start(), match.end(), encoding)
            start = max(start, position - (position - start) % 2 if position > start else start)
            position = max(end, match.end())
            if limit is not None and match.start() >= limit:
                break
            part = data[start:end]
            decoded = decode(part, encoding)
            if holds_number(decoded.content):
                offsets = offsets_of(decoded, len(part), base + start)
                yield Text(decoded.content, encoding, "raw", container, stream=stream, offsets=offsets)


def narrow_runs(
    data: bytes, base: int, container: str, *, stream: str = "", limit: int | None = None
) -> Iterator[Text]:
    """Runs of eight-bit text in `data` that can hold a number; only those that start before `limit`."""
    position = 0
    while (match := _NARROW.search(data, position)) and (limit is None or match.start() < limit):
        run = match[0]
        # A run longer than a piece goes on with overlap.
        position = match.end() - (1024 if len(run) == RUN_BYTES else 0)
        if not holds_number(run.decode("latin-1")) and not (not run.isascii() and _holds_wide_digits(run)):
            continue
        encoding: Encoding = "ascii" if run.isascii() else encoding_of_bytes(run) or "cp932"
        decoded = decode(run, encoding)
        if holds_number(decoded.content):
            offsets = offsets_of(decoded, len(run), base + match.start())
            yield Text(decoded.content, encoding, "raw", container, stream=stream, offsets=offsets)


_FULL_WIDTH = re.compile(rb"(?:(?:\x82[\x4f-\x58]|\xa3[\xb0-\xb9]|\xef\xbc[\x90-\x99])[^0-9]{0,16}?){12}")


def _holds_wide_digits(run: bytes) -> bool:
    return _FULL_WIDTH.search(run) is not None


def extract(source: Source, context: Context) -> Iterator[Text | Problem | Child]:
    """Text runs of the whole file, block by block; runs over a block's end are read once, in the block they start in."""
    position = 0
    runs = 0
    while position < source.size and runs < MAX_RUNS:
        context.check_time()
        data = source.read_at(position, BLOCK_BYTES + OVERLAP_BYTES)
        if not data:
            return
        limit = BLOCK_BYTES if position + BLOCK_BYTES < source.size else None
        for finder in (narrow_runs, wide_runs):
            for text in finder(data, position, source.container, limit=limit):
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
