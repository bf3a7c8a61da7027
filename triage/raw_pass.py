"""Twelve-digit strings in undecoded bytes: every form a number takes on a medium, found in arrays, fast.

```python
scanner = Scanner()
data = np.frombuffer(b"..." * 100, np.uint8)
for encoding, offsets, digits in scanner.scan(data, 0, len(data), base=0):
    passing = offsets[check_digits(digits)]  # int64, bytes from the start of the medium
```

What counts as a candidate (for each encoding on its own; D is a digit in it, S a separator of it):

* grouped: `DDDD S? DDDD S? DDDD` where no D touches either end (separators may be of the longer kinds, too);
* chained: a longest run of digits with at most one short separator between two, if it holds exactly twelve.

A candidate belongs to the scan in whose `[low, high)` its first byte lies, and what it is depends on at most `MARGIN`
bytes on each side. So the result does not depend on how a medium is cut into buffers.

How it is fast. Three stages, each on what the one before has left over:

1. every byte: the digits and the lead bytes of full-width digits are weighed and summed over 32 bytes; rows of
   64 bytes that reach the weight of a candidate stay, with their neighbours (5-10 % of a disk);
2. on those, in bits: where can a candidate start in ASCII, where are digits dense in the two-byte encodings;
3. on what is left: runs of digits, the separators between them, sums of their lengths, all exact and in arrays.

With `stringzilla` installed the byte classes come from its table look-up; the result is the same without.

No Python object is made for a candidate. Digits are data of the kind this product protects: they leave this module in
arrays only, and nothing here prints or formats them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

try:
    import stringzilla
except ImportError:  # the extra `fast` is not installed: numpy alone does the same, more slowly
    stringzilla = None

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

Bytes: TypeAlias = "NDArray[np.uint8]"
Words: TypeAlias = "NDArray[np.uint64]"
Indices: TypeAlias = "NDArray[np.int64]"
Flags: TypeAlias = "NDArray[np.bool_]"
Candidates: TypeAlias = tuple[int, Indices, Bytes]
"""(index into `ENCODINGS`, offsets int64[n] in bytes of the medium, digits uint8[n, 12] with values 0-9)"""


@dataclass(frozen=True, slots=True)
class Found:
    """The candidates of one encoding in one buffer, offsets ascending."""

    encoding: int
    """Index into `ENCODINGS`."""
    starts: Indices
    """int64[n]: first byte of each in the buffer."""
    digits: Bytes = field(repr=False)
    """uint8[n, 12], values 0-9."""
    places: Indices = field(repr=False)
    """int64[n, 12]: where each digit starts, in bytes from an origin of the candidate's own."""

    def part(self, which: Flags | Indices) -> Found:
        """Only some of them."""
        return Found(self.encoding, self.starts[which], self.digits[which], self.places[which])

    def sizes(self) -> Indices:
        """int64[n]: bytes from the first digit to the end of the last."""
        return self.places[:, DIGITS - 1] - self.places[:, 0] + DIGIT_WIDTHS[self.encoding]

    def breaks(self) -> NDArray[np.uint16]:
        """uint16[n]: bit i set where something stands between digit i and digit i + 1 (0-10)."""
        apart = np.diff(self.places, axis=1) != DIGIT_WIDTHS[self.encoding]
        mask: NDArray[np.uint16] = (apart @ (1 << np.arange(DIGITS - 1))).astype(np.uint16)
        return mask


ENCODINGS: Final = (
    "ascii",
    "utf-16-le",
    "utf-16-be",
    "utf-8 full-width",
    "cp932 full-width",
    "euc-jp full-width",
    "iso-2022-jp full-width",
    "utf-16-le full-width",
    "utf-16-be full-width",
)
"""How the digits of a candidate are written. "ascii" stands for all encodings in which they are single bytes."""

DIGITS: Final = 12
ROW: Final = 64
"""Bytes in the unit that the filters keep or leave out."""
_PAD: Final = 16
_NEUTRAL: Final = 0xAA
"""A byte of no class: stands where the medium has ended or rows were left out."""


# --- the grammar ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Form:
    """One way of writing digits: `width` bytes each, whose byte number `place` holds the value plus `zero` (mod 16)."""

    width: int
    place: int
    zero: int
    short: tuple[bytes, ...]
    """Separators that may stand between any two digits."""
    long: tuple[bytes, ...] = ()
    """Separators that may stand between groups of four only."""


def _each(prefix: bytes, last: Iterable[int]) -> tuple[bytes, ...]:
    return tuple(prefix + bytes([value]) for value in last)


# Space, hyphen, full stop and slash; then the dashes and spaces of Japanese text: U+FF0D U+2212 U+3000 U+30FC U+2500,
# U+2010-U+2015, and the no-break space.
_PLAIN = _each(b"", b" -./")
_UTF8 = (
    b"\xef\xbc\x8d",
    b"\xe2\x88\x92",
    b"\xe3\x80\x80",
    b"\xe3\x83\xbc",
    b"\xe2\x94\x80",
    *_each(b"\xe2\x80", range(0x90, 0x96)),
)
_UTF8_NO_BREAK = (b"\xc2\xa0",)
_CP932 = _each(b"\x81", b"\x7c\x40\x5b\x5c\x5d")
_EUC = _each(b"\xa1", b"\xdd\xa1\xbc\xbe\xbd")
_JIS = _each(b"!", b"]!<>=")
_LE = (
    *(plain + b"\0" for plain in (*_PLAIN, b"\xa0")),
    *(b"\x0d\xff", b"\x12\x22", b"\x00\x30", b"\xfc\x30", b"\x00\x25"),
    *(bytes([low]) + b"\x20" for low in range(0x10, 0x16)),
)
_BE = tuple(unit[::-1] for unit in _LE)
_TO_KANJI = (b"\x1b$B", b"\x1b$@")
_TO_ASCII = (b"\x1b(B", b"\x1b(J")

# A separator of another character set stands between escape sequences.
_JIS_ESCAPED = tuple(map(b"".join, product(_TO_KANJI, _JIS, _TO_ASCII)))
_PLAIN_ESCAPED = (
    *map(b"".join, product(_TO_ASCII, _PLAIN, (*_TO_KANJI, b""))),
    *map(b"".join, product(_PLAIN, _TO_KANJI)),
)
_ENTITY = b"&nbsp;"

_FORMS: Final = (
    _Form(1, 0, 0, (*_PLAIN, *_UTF8, *_CP932, *_EUC, *_UTF8_NO_BREAK), (_ENTITY, *_JIS_ESCAPED)),
    _Form(2, 0, 0, _LE),
    _Form(2, 1, 0, _BE),
    _Form(3, 2, 0, (*_PLAIN, *_UTF8, *_UTF8_NO_BREAK), (_ENTITY,)),
    _Form(2, 1, 0x4F, (*_PLAIN, *_CP932)),
    _Form(2, 1, 0, (*_PLAIN, *_EUC)),
    _Form(2, 1, 0, (*_JIS, *_PLAIN), _PLAIN_ESCAPED),
    _Form(2, 0, 0, _LE),
    _Form(2, 1, 0, _BE),
)
DIGIT_WIDTHS: Final = tuple(form.width for form in _FORMS)
"""Bytes of one digit in each of `ENCODINGS`."""
_LONGEST_SEPARATOR: Final = max(len(separator) for form in _FORMS for separator in form.short + form.long)

# --- classes of bytes -------------------------------------------------------------------------------------------------

_DIGIT, _ALONE, _PART, _ZERO, _HASH, _LEAD, _TRAIL = (1 << bit for bit in range(7))


def _class_table() -> bytes:
    """For each byte value, which of the classes above it is in."""
    table = [0] * 256

    def mark(values: Iterable[int], flag: int) -> None:
        for value in values:
            table[value] |= flag

    mark(range(0x30, 0x3A), _DIGIT | _PART)
    mark(b" -./", _ALONE)
    mark((byte for separator in _FORMS[0].short + _FORMS[0].long if len(separator) > 1 for byte in separator), _PART)
    mark((0x00,), _ZERO)
    mark((0x23,), _HASH)
    mark((0x82, 0xA3, 0xBC, 0xFF), _LEAD)
    mark((*range(0x10, 0x1A), *range(0x4F, 0x59), *range(0x90, 0x9A), *range(0xB0, 0xBA)), _TRAIL)
    return bytes(table)


_CLASSES: Final = _class_table()

# Stage 1 counts set bits: two for a digit, three for a lead byte. The sparsest candidates have a digit in four bytes
# (ASCII, three bytes of separator) or a lead byte in six (UTF-8): 32 bytes hold eight digits (16) or five leads (15).
# In shorter candidates the digits lie closer: 25 bytes of one hold as many.
_DIGIT_WEIGHT, _LEAD_WEIGHT, _ENOUGH = 2, 3, 15
_WEIGHTS: Final = bytes((0b00011 if flags & _DIGIT else 0) | (0b11100 if flags & _LEAD else 0) for flags in _CLASSES)
_DIGITS_IN_WINDOW, _PAIRS_IN_WINDOW = 8, 5

_CHECK_WEIGHTS: Final = np.array([6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2], np.float32)


def check_digits(digits: Bytes) -> Flags:
    """Which of the strings have the right twelfth digit (総務省令第85号 (平成26年) 第5条).

    `digits` is uint8[n, 12] with values 0-9; the result bool[n]. One random string in ten passes.
    """
    if not len(digits):
        return np.zeros(0, np.bool_)
    # In float32 the product runs in BLAS; all sums are below 2^24, so it is exact.
    sums = (digits[:, :11].astype(np.float32) @ _CHECK_WEIGHTS).astype(np.int16)
    remainder = sums % 11
    passing: Flags = np.where(remainder <= 1, 0, 11 - remainder) == digits[:, 11]
    return passing


# --- stages 1 and 2: filters ------------------------------------------------------------------------------------------


def _later(bits: Words, count: int) -> Words:
    """Bit i of the result is bit i + `count` of `bits`: what lies `count` bytes further on."""
    result = bits >> np.uint64(count)
    result[:-1] |= bits[1:] << np.uint64(64 - count)
    return result


def _earlier(bits: Words, count: int) -> Words:
    """Bit i of the result is bit i - `count` of `bits`: what lies `count` bytes before."""
    result = bits << np.uint64(count)
    result[1:] |= bits[:-1] >> np.uint64(64 - count)
    return result


def _mark_dense(counts: Bytes, threshold: int, marked: Flags) -> None:
    """Mark the rows in which a window of 32 bytes starts whose sum reaches `threshold`, and those beside them.

    `counts` holds one sum for 8 bytes; `marked[i + 1]` stands for row i of the same bytes, with one more in front and
    two behind. Every window that lies within a candidate reaches it. So some window starts less than 40 bytes from
    each end of the candidate, and all that may decide about it, 8 bytes beside it included, is within these rows.
    """
    pairs = counts[:-1] + counts[1:]
    dense = np.zeros(len(counts), np.bool_)
    np.greater_equal(pairs[:-2] + pairs[2:], threshold, out=dense[: len(counts) - 3])
    rows = dense.view("<u8").nonzero()[0]
    marked[rows] = marked[rows + 1] = marked[rows + 2] = True


class _Rows:
    """Rows of a buffer set one behind the other, and where each came from."""

    __slots__ = ("data", "length", "padded", "starts")

    def __init__(self, source: Bytes, source_starts: Indices, rows: Indices) -> None:
        self.length = len(rows) * ROW
        self.padded = np.empty(self.length + 2 * _PAD, np.uint8)
        self.padded[:_PAD] = self.padded[_PAD + self.length :] = _NEUTRAL
        self.data = self.padded[_PAD : _PAD + self.length]
        np.take(source.reshape(-1, ROW), rows, axis=0, out=self.data.reshape(-1, ROW))
        self.starts = source_starts[rows]

    def origin(self, positions: Indices) -> Indices:
        """Where bytes at these positions of `data` lie in the buffer they came from."""
        return self.starts[positions // ROW] + positions % ROW


class Scanner:
    """Finds candidates in buffers of one medium; not to be shared by threads.

    `block_bytes` is the piece that goes through the first filter at a time; it should fit the second-level cache.
    `table_lookup` False leaves `stringzilla` unused even where it is installed.
    """

    MARGIN: Final = 128
    """Bytes of context that a buffer should carry on each side of `[low, high)`, where the medium has them."""

    def __init__(self, *, block_bytes: int = 1 << 19, table_lookup: bool = True) -> None:
        if block_bytes % ROW or block_bytes <= 0:
            message = f"block_bytes must be a multiple of {ROW}"
            raise ValueError(message)
        self._block = block_bytes
        self._lookup: Any = stringzilla if table_lookup else None
        scratch = block_bytes + ROW
        self._bytes = np.empty(scratch, np.uint8)
        self._flags = np.empty(scratch, np.bool_)
        self._more_flags = np.empty(scratch, np.bool_)

    def scan(self, buffer: Bytes, low: int, high: int, base: int) -> list[Candidates]:
        """All candidates whose first byte is in `buffer[low:high]`.

        `buffer` is contiguous uint8; `base` the offset in the medium, in bytes, of `buffer[low]`. Each encoding occurs
        at most once in the result; offsets within it ascend.
        """
        return [(found.encoding, found.starts + (base - low), found.digits) for found in self.find(buffer, low, high)]

    def find(self, buffer: Bytes, low: int, high: int) -> list[Found]:
        """Like `scan`, with places in the buffer and what is needed to tell how each was written."""
        if len(buffer) % ROW:
            short = -len(buffer) % ROW
            buffer = np.concatenate((buffer, np.full(short, _NEUTRAL, np.uint8)))
        marked = np.zeros(len(buffer) // ROW + 3, np.bool_)
        for at in range(0, len(buffer), self._block):
            self._weigh(buffer, at, marked[at // ROW :])
        rows = marked[1:-2].nonzero()[0]
        if not len(rows):
            return []
        kept = _Rows(buffer, np.arange(0, len(buffer), ROW), rows)
        work = [(_Rows(kept.data, kept.starts, rows), encodings) for rows, encodings in self._narrow(kept.data)]
        result = []
        for part, encodings in work:
            for encoding in encodings:
                found = _candidates(part, encoding)
                if found is None:
                    continue
                inside = (found.starts >= low) & (found.starts < high)
                if inside.all():
                    result.append(found)
                elif inside.any():
                    result.append(found.part(inside))
        return result

    def _weigh(self, buffer: Bytes, at: int, marked: Flags) -> None:
        """Stage 1: mark the rows of the block at `at` that are dense in digits or full-width lead bytes."""
        # One row more than the block, so that a window across its end is seen.
        block = buffer[at : at + self._block + ROW]
        if not block.view(np.bool_).any():
            return
        size = len(block)
        if self._lookup:
            weighed = self._bytes[:size]
            self._lookup.translate(block.data, _WEIGHTS, out=weighed.data)
            counts = np.bitwise_count(weighed.view(np.uint64))
        else:
            flags, more = self._flags[:size], self._more_flags[:size]
            shifted = self._bytes[:size]
            np.subtract(block, 0x30, out=shifted)
            np.less(shifted, 10, out=flags)
            counts = np.bitwise_count(np.packbits(flags, bitorder="little")) * np.uint8(_DIGIT_WEIGHT)
            np.equal(block, 0x82, out=flags)
            for lead in (0xA3, 0xBC, 0xFF):
                np.equal(block, lead, out=more)
                np.bitwise_or(flags, more, out=flags)
            counts += np.bitwise_count(np.packbits(flags, bitorder="little")) * np.uint8(_LEAD_WEIGHT)
        _mark_dense(counts, _ENOUGH, marked)

    def _classes(self, data: Bytes) -> Bytes:
        """The class flags of each byte."""
        if self._lookup:
            flags = self._bytes[: len(data)]
            self._lookup.translate(data.data, _CLASSES, out=flags.data)
            return flags
        return np.frombuffer(data.tobytes().translate(_CLASSES), np.uint8)

    def _narrow(self, data: Bytes) -> list[tuple[Indices, tuple[int, ...]]]:
        """Stage 2: the rows that may hold candidates of some encodings, and these encodings."""
        row_count = len(data) // ROW
        single, double, wide = np.zeros((3, row_count + 3), np.bool_)
        for at in range(0, len(data), self._block):
            flags = self._classes(data[at : at + self._block + ROW])
            first_row = at // ROW

            def bits(of: int, flags: Bytes = flags) -> Words:
                return np.packbits(flags & np.uint8(of), bitorder="little").view("<u8")

            digit = bits(_DIGIT)
            # ASCII: a digit with none before it, and eleven more bytes of which each may belong to a candidate.
            alone = bits(_ALONE)
            usable = bits(_PART) | alone & ~(_earlier(alone, 1) | _later(alone, 1))
            usable &= _later(usable, 1)
            usable &= _later(usable, 2)
            start = digit & ~_earlier(digit, 1) & usable & _later(usable, 4) & _later(usable, 8)
            rows = start.nonzero()[0]
            if len(rows):
                # A candidate takes up to 45 bytes; 8 on each side may decide about it.
                single[rows + (first_row + 1)] = single[rows + (first_row + 2)] = True
                single[rows[start[rows] & np.uint64(0xFF) != 0] + first_row] = True
            zero = bits(_ZERO)
            counts = np.bitwise_count((digit & (_later(zero, 1) | _earlier(zero | bits(_HASH), 1))).view(np.uint8))
            _mark_dense(counts, _DIGITS_IN_WINDOW, double[first_row:])
            lead = bits(_LEAD)
            if lead.any():
                trail = bits(_TRAIL)
                counts = np.bitwise_count((lead & _later(trail, 1) | trail & _later(lead, 1)).view(np.uint8))
                _mark_dense(counts, _PAIRS_IN_WINDOW, wide[first_row:])
        marked = ((single, (0,)), (double, (1, 2, 6)), (wide, (3, 4, 5, 7, 8)))
        return [(rows, encodings) for flags, encodings in marked if len(rows := flags[1:-2].nonzero()[0])]


# --- stage 3: the exact grammar ---------------------------------------------------------------------------------------


def _is_digit(encoding: int, at: Bytes, second: Bytes, third: Bytes) -> Flags:
    """Where a digit of this encoding starts, given each byte and the two behind it."""

    def ten_from(values: Bytes, first: int) -> Flags:
        flags: Flags = values - np.uint8(first) < np.uint8(10)
        return flags

    flags: Flags
    match encoding:
        case 0:
            flags = ten_from(at, 0x30)
        case 1:
            flags = ten_from(at, 0x30) & (second == 0)
        case 2:
            flags = ten_from(second, 0x30) & (at == 0)
        case 3:
            flags = ten_from(third, 0x90) & (at == 0xEF) & (second == 0xBC)
        case 4:
            flags = ten_from(second, 0x4F) & (at == 0x82)
        case 5:
            flags = ten_from(second, 0xB0) & (at == 0xA3)
        case 6:
            flags = ten_from(second, 0x30) & (at == 0x23)
        case 7:
            flags = ten_from(at, 0x10) & (second == 0xFF)
        case _:
            flags = ten_from(second, 0x10) & (at == 0xFF)
    return flags


@dataclass(frozen=True, slots=True)
class _SeparatorTable:
    """Separators by their length in bytes."""

    single: Flags
    """bool[256]: separators of one byte."""
    first: Flags
    """bool[256]: first bytes of longer ones."""
    by_length: tuple[tuple[int, Words], ...]
    """(length, the separators of that length as sorted big-endian numbers), from length 2."""


def _separator_table(separators: Sequence[bytes]) -> _SeparatorTable:
    single, first = np.zeros(256, np.bool_), np.zeros(256, np.bool_)
    longer: dict[int, list[int]] = {}
    for separator in separators:
        if len(separator) == 1:
            single[separator[0]] = True
        else:
            first[separator[0]] = True
            longer.setdefault(len(separator), []).append(int.from_bytes(separator, "big"))
    by_length = tuple((length, np.array(sorted(values), np.uint64)) for length, values in sorted(longer.items()))
    return _SeparatorTable(single, first, by_length)


_SHORT: Final = tuple(_separator_table(form.short) for form in _FORMS)
_LONG: Final = tuple(_separator_table(form.long) if form.long else None for form in _FORMS)


def _mark_separated(table: _SeparatorTable, data: Bytes, at: Indices, lengths: Indices, out: Flags) -> None:
    """Set `out[i]` where the `lengths[i]` bytes of `data` from `at[i]` are a separator of the table."""
    first = data[at]
    out |= (lengths == 1) & table.single[first]
    if not table.by_length:
        return
    several = np.flatnonzero((lengths > 1) & table.first[first])
    if not len(several):
        return
    for length, values in table.by_length:
        these = several[lengths[several] == length]
        if not len(these):
            continue
        place = at[these]
        value = data[place].astype(np.uint64)
        for step in range(1, length):
            value = (value << np.uint64(8)) | data[place + step]
        out[these] |= values[np.minimum(np.searchsorted(values, value), len(values) - 1)] == value


@dataclass(frozen=True, slots=True)
class _Runs:
    """Longest runs of digits without anything between, in order."""

    starts: Indices
    """First byte of the first digit."""
    ends: Indices
    """First byte of the last digit."""
    sizes: Indices
    """Number of digits."""


def _candidates(rows: _Rows, encoding: int) -> Found | None:
    """All candidates of one encoding, offsets ascending."""
    form = _FORMS[encoding]
    width = form.width
    length = rows.length
    at = rows.data
    second = rows.padded[_PAD + 1 : _PAD + 1 + length]
    third = rows.padded[_PAD + 2 : _PAD + 2 + length]
    digit = _is_digit(encoding, at, second, third)
    if not digit.any():
        return None
    # Runs of digits: first byte of the first and of the last digit of each.
    if width == 1:
        edges = np.flatnonzero(np.concatenate((digit[:1], digit[1:] != digit[:-1], digit[-1:])))
        starts, ends = edges[0::2], edges[1::2] - 1
    else:
        edge = digit.copy()
        edge[width:] &= ~digit[:-width]
        starts = edge.nonzero()[0]
        digit[:-width] &= ~digit[width:]
        ends = digit.nonzero()[0]
    runs = _Runs(starts, ends, (ends - starts) // width + 1 if width > 1 else ends - starts + 1)
    spans = _twelve(encoding, rows.padded[_PAD:], runs)
    if spans is None:
        return None
    places = _digit_places(width, runs, *spans)
    begin, end = places[:, 0], places[:, DIGITS - 1]
    offsets = rows.origin(begin)
    whole = rows.origin(end) - offsets == end - begin  # else it bridges rows that were left out
    if not whole.all():
        offsets, places = offsets[whole], places[whole]
        if not len(offsets):
            return None
    values = rows.padded[_PAD + form.place :][places]
    digits = values - np.uint8(form.zero) if form.zero else values & np.uint8(15)
    return Found(encoding, offsets, digits, places)


def _twelve(encoding: int, data: Bytes, runs: _Runs) -> tuple[Indices, Indices] | None:
    """First and last run of every candidate: the grammar of the module's head, on runs of digits."""
    starts, ends, sizes = runs.starts, runs.ends, runs.sizes
    width = DIGIT_WIDTHS[encoding]
    small = np.minimum(sizes, DIGITS + 1).astype(np.uint8)
    alone = np.flatnonzero(small == DIGITS)
    firsts, counts = [alone], [np.ones(len(alone), np.int64)]
    if len(starts) > 1:
        gaps = starts[1:] - ends[:-1] - width
        near = np.flatnonzero(gaps <= _LONGEST_SEPARATOR)
        behind = ends[near] + width
        near_gaps = gaps[near]
        joined = np.zeros(len(near), np.bool_)
        _mark_separated(_SHORT[encoding], data, behind, near_gaps, joined)
        short = np.zeros(len(gaps) + 2, np.bool_)  # with a False at each end: short[i + 1] joins runs i and i + 1
        short[near[joined] + 1] = True
        # Chained: first and last link of each chain, and the digits from the first run to the last.
        link_first = np.flatnonzero(short[1:-1] & ~short[:-2])
        link_last = np.flatnonzero(short[1:-1] & ~short[2:])
        total = np.cumsum(sizes)
        held = total[link_last + 1] - total[link_first] + sizes[link_first]
        exact = np.flatnonzero(held == DIGITS)
        firsts.append(link_first[exact])
        counts.append(link_last[exact] - link_first[exact] + 2)
        # Grouped: 4-8, 8-4 and 4-4-4.
        grouped = short[1:-1]
        table = _LONG[encoding]
        if table is not None:
            _mark_separated(table, data, behind, near_gaps, joined)
            grouped = np.zeros(len(gaps), np.bool_)
            grouped[near[joined]] = True
        four, eight = small == 4, small == 8
        two = np.flatnonzero((four[:-1] & eight[1:] | eight[:-1] & four[1:]) & grouped)
        firsts.append(two)
        counts.append(np.full(len(two), 2))
        if len(starts) > 2:
            three = np.flatnonzero(four[:-2] & four[1:-1] & four[2:] & grouped[:-1] & grouped[1:])
            firsts.append(three)
            counts.append(np.full(len(three), 3))
    # A candidate has at most twelve runs; both rules may name the same one.
    key = np.concatenate(firsts) << 4 | np.concatenate(counts)
    if not len(key):
        return None
    key.sort()
    key = key[np.concatenate(([True], key[1:] != key[:-1]))]
    first = key >> 4
    return first, first + (key & 15) - 1


def _digit_places(width: int, runs: _Runs, first: Indices, last: Indices) -> Indices:
    """int64[n, 12]: where the digits of each candidate start, given its first and last run."""
    places = np.empty((len(first), DIGITS), np.int64)
    single = first == last
    places[single] = runs.starts[first[single]][:, None] + width * np.arange(DIGITS)
    several = ~single
    if several.any():
        # Number the runs of all candidates one after the other, then the digits of all these runs.
        begin, count = first[several], last[several] - first[several] + 1
        end = np.cumsum(count)
        run = np.repeat(begin - (end - count), count) + np.arange(end[-1])
        size = runs.sizes[run]
        end = np.cumsum(size)
        each = np.repeat(runs.starts[run] - width * (end - size), size) + width * np.arange(end[-1])
        places[several] = each.reshape(-1, DIGITS)
    return places
