"""From the candidates of the raw pass to the few windows of media that are worth judging, in bulk.

On a real disk hundreds of thousands of twelve-digit strings are found in every GiB and one in ten has a right check
digit by chance. `Collector` takes the medium in pieces, keeps what has evidence, and counts the rest by reason:

```python
collector = Collector()
for offset, view in stream(image, 2 << 20):
    collector.feed(view, offset)
hits = collector.finish()
selection = select(hits)
for window in selection.windows:
    text = window_text(image, window)  # for the judge
```

Evidence, from strong to weak (`CLASSES`):

* `label`: a word that names the number lies near, in whichever encoding;
* `list`: among the different candidates within `NEIGHBOURHOOD_BYTES` so many pass that chance explains it once in a
  million (one in ten passes by chance: eight of ten are evidence, ten of a hundred are none);
* `lone`: no more than a number standing by itself in readable text: not within letters or a longer number, not a time,
  not in a crowd of strings that fail. Weak, but a number that is not shown harms a person;
* `chance`: everything else, with the first reason that applies (`REASONS`); counted, not kept.

Memory is bounded: candidates wait only until their neighbourhood is known, and at most `limit` hits are kept; how many
more there were is said. The result does not depend on the sizes of the pieces. Digits stay in arrays inside
`Collector` and are in none of its results, nor in its state on disk.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from triage.raw_pass import DIGITS, ENCODINGS, Bytes, Flags, Found, Indices, Scanner, check_digits
from triage.text import Offsets, Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

CLASSES: Final = ("label", "list", "lone", "chance")
REASONS: Final = ("mirror", "longer", "letters", "form", "time", "binary", "crowd")
"""Why a passing string is put down to chance. mirror: the same bytes read in the other byte order of UTF-16; longer:
part of a longer number or of a hex dump; letters: touched by letters; form: separators as no one writes a number
(dates, addresses); time: reads as yyyymmddHHMM; binary: no text around it; crowd: among many candidates of which no
more pass than chance lets."""
Class = Literal["label", "list", "lone", "chance"]

CONTEXT_BYTES: Final = 512
"""How far around a candidate is looked at, at most."""
NEIGHBOURHOOD_BYTES: Final = 4096
"""How far to each side other candidates count for the list statistics."""
_TEXT_BYTES = 64
_LABEL_BEFORE, _LABEL_AFTER = 384, 112

_LABEL, _LIST, _LONE, _CHANCE = range(4)
# Traits of a candidate, in the order of REASONS; then the good one.
_LONGER, _LETTERS, _FORM, _TIME, _BINARY = (1 << bit for bit in range(5))
_LABELLED = 1 << 7
_UTF16_LE, _UTF16_BE = (1, 7), (2, 8)


# --- statistics -------------------------------------------------------------------------------------------------------

_CHANCE_OF_LIST = 1e-6
_CHANCE_OF_CROWD = 1e-4
_CROWD_SIDE = 6
_MOST_NEIGHBOURS = 2 * NEIGHBOURHOOD_BYTES // DIGITS + 2
_LEVELS = 11


@cache
def _limits() -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """For n candidates: how many must pass to be a list; up to how many pass in a crowd that is mere chance.

    The check digit of a random body is 0 in two of eleven cases, each other digit in one. So a string that ends in 0
    passes by chance with 2/11, another with 1/11; round numbers (`249047 300000`) pass twice as often as they should.
    Rows are for the share of strings that end in 0, in tenths rounded up; limits come from P(X >= k) of the binomial
    with the mean of these chances.
    """
    lists = np.zeros((_LEVELS, _MOST_NEIGHBOURS + 1), np.int16)
    crowds = np.zeros((_LEVELS, _MOST_NEIGHBOURS + 1), np.int16)
    chances = (1 + np.linspace(0, 1, _LEVELS)[:, None]) / 11
    terms = np.zeros((_LEVELS, _MOST_NEIGHBOURS + 2))
    terms[:, 0] = 1
    for count in range(_MOST_NEIGHBOURS + 1):
        tail = np.cumsum(terms[:, ::-1], axis=1)[:, ::-1]  # tail[k] = P(X >= k)
        lists[:, count] = np.argmax(tail <= _CHANCE_OF_LIST, axis=1)
        crowds[:, count] = np.argmax(tail <= _CHANCE_OF_CROWD, axis=1) - 1
        terms[:, 1:] = terms[:, 1:] * (1 - chances) + terms[:, :-1] * chances
        terms[:, :1] *= 1 - chances
    return lists, crowds


# --- surroundings -----------------------------------------------------------------------------------------------------


def _class_of_bytes(values: bytes) -> Flags:
    table = np.zeros(256, np.bool_)
    table[list(values)] = True
    return table


_CONTROL: Final = _class_of_bytes(bytes(set(range(0x20)) - set(b"\t\n\r\x1b")) + b"\x7f")
_LETTER: Final = _class_of_bytes(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")
_HEX: Final = _class_of_bytes(b"0123456789abcdefABCDEF")
_DIGIT: Final = _class_of_bytes(b"0123456789")
_CP932_LEAD: Final = _class_of_bytes(bytes((*range(0x81, 0xA0), *range(0xE0, 0xFD))))


_READABLE_UNITS: Final = (
    *((0x09, 0x0A), (0x0D, 0x0D), (0x20, 0x7E), (0xA0, 0xFF), (0x391, 0x3C9), (0x2010, 0x2027), (0x2030, 0x203B)),
    *((0x2100, 0x2127), (0x2160, 0x217F), (0x2190, 0x22FF), (0x2460, 0x2473), (0x2500, 0x25FF), (0x3000, 0x30FF)),
    *((0x3200, 0x33FF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0xFEFF, 0xFEFF), (0xFF01, 0xFF9F), (0xFFE0, 0xFFE6)),
)
"""First and last of the ranges of UTF-16 units that occur in Japanese text."""


def _unreadable_units() -> Flags:
    """bool[65536]: the other units."""
    table = np.ones(65536, np.bool_)
    for first, last in _READABLE_UNITS:
        table[first : last + 1] = False
    return table


_UNREADABLE: Final = _unreadable_units()
_SLICE = 4096


def _around(buffer: Bytes, starts: Indices, first: int, count: int) -> Bytes:
    """uint8[n, count]: the bytes from `first` on, relative to each start; zeros beyond the buffer. Starts ascend."""
    if int(starts[0]) + first >= 0 and int(starts[-1]) + first + count <= len(buffer):
        return sliding_window_view(buffer, count)[starts + first]
    places = starts[:, None] + np.arange(first, first + count)
    outside = (places < 0) | (places >= len(buffer))
    result: Bytes = buffer[np.where(outside, 0, places)]
    result[outside] = 0
    return result


def _count_bad(empty: Flags, bad: Flags) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Length of the text in each row up to the zeros at its end, and how many of its characters are unreadable."""
    length = empty.shape[1] - np.argmax(~empty[:, ::-1], axis=1)
    length[empty.all(axis=1)] = 0
    return length, bad.sum(axis=1) - (empty.shape[1] - length)


def _looks_like_text(before: Bytes, after: Bytes, order: str) -> Flags:
    """Whether what surrounds each candidate reads as text, up to zeros on either side.

    `order` is the type of UTF-16 units, or empty for encodings in which control characters are single bytes.
    """
    if order:
        units_before, units_after = before.view(order), after.view(order)
        bad_before, bad_after = _UNREADABLE[units_before], _UNREADABLE[units_after]
        zero_before, zero_after = units_before == 0, units_after == 0
    else:
        bad_before, bad_after = _CONTROL[before], _CONTROL[after]
        zero_before, zero_after = before == 0, after == 0
    length_before, wrong_before = _count_bad(zero_before[:, ::-1], bad_before[:, ::-1])
    length_after, wrong_after = _count_bad(zero_after, bad_after)
    readable: Flags = wrong_before + wrong_after <= 1 + (length_before + length_after) // 43
    return readable


def _traits(buffer: Bytes, found: Found) -> NDArray[np.uint8]:
    """What is to be known of each candidate's form and surroundings: flags."""
    traits = np.zeros(len(found.starts), np.uint8)
    for at in range(0, len(traits), _SLICE):
        part = found.part(np.arange(at, min(at + _SLICE, len(traits))))
        traits[at : at + _SLICE] = _traits_of_slice(buffer, part)
    return traits


_ODD_BREAKS: Final = np.ones(1 << (DIGITS - 1), np.bool_)
"""Every set of breaks but those with which people write a number: none; after four and eight; after each digit."""
_ODD_BREAKS[[0, 1 << 3 | 1 << 7, (1 << 11) - 1]] = False
_BESIDE = 8


def _traits_of_slice(buffer: Bytes, found: Found) -> NDArray[np.uint8]:
    encoding = found.encoding
    starts, ends = found.starts, found.starts + found.sizes()
    breaks = found.breaks()
    traits = np.zeros(len(starts), np.uint8)
    traits[_ODD_BREAKS[breaks]] |= _FORM
    traits[_reads_as_time(found.digits)] |= _TIME
    traits[_labelled(buffer, starts, ends)] |= _LABELLED
    order = "<u2" if encoding in _UTF16_LE else ">u2" if encoding in _UTF16_BE else ""
    wide = 2 if order else 1
    if encoding <= 2:
        before = _around(buffer, starts, -_BESIDE * wide, _BESIDE * wide)
        after = _around(buffer, ends, 0, _BESIDE * wide)
        if order:  # one byte for each character; what is not Latin becomes a byte of no class
            before, after = (
                np.where(units < 0x80, units, 0xFF).astype(np.uint8)
                for units in (before.view(order), after.view(order))
            )
        traits[_touched_by_letters(before, after)] |= _LETTERS
        separator = buffer[np.minimum(starts + 4 * wide + (1 if encoding == 2 else 0), len(buffer) - 1)]
        traits[_part_of_longer(before, after, np.where(breaks & 8, separator, 0).astype(np.uint8))] |= _LONGER
    # The costly look is for those alone that nothing speaks for or against yet.
    open_ = (traits == 0).nonzero()[0]
    if len(open_):
        before = _around(buffer, starts[open_], -_TEXT_BYTES * wide, _TEXT_BYTES * wide)
        after = _around(buffer, ends[open_], 0, _TEXT_BYTES * wide)
        traits[open_[~_looks_like_text(before, after, order)]] |= _BINARY
    return traits


def _touched_by_letters(before: Bytes, after: Bytes) -> Flags:
    """A letter directly before or behind; but no second byte of a CP932 character, no end of an escape sequence."""
    last, second, third = before[:, -1], before[:, -2], before[:, -3]
    escape = (second == 0x28) & (third == 0x1B)
    touched: Flags = _LETTER[last] & ~_CP932_LEAD[second] & ~escape | _LETTER[after[:, 0]]
    return touched


def _part_of_longer(before: Bytes, after: Bytes, separator: Bytes) -> Flags:
    """Digits go on behind a full stop or hyphen, or the separator of the groups joins four more hex digits."""
    joins = np.zeros(256, np.bool_)
    joins[list(b".-")] = True
    longer: Flags = joins[before[:, -1]] & _DIGIT[before[:, -2]] | joins[after[:, 0]] & _DIGIT[after[:, 1]]
    grouped = separator != 0
    longer |= grouped & (before[:, -1] == separator) & _HEX[before[:, -5:-1]].all(axis=1)
    # 1234 5678 9018 1990/01/01: a date may follow.
    date = np.isin(after[:, 5], np.frombuffer(b"/-.", np.uint8)) | (after[:, 5] >= 0x80)
    longer |= grouped & (after[:, 0] == separator) & _HEX[after[:, 1:5]].all(axis=1) & ~date
    return longer


def _reads_as_time(digits: Bytes) -> Flags:
    """Time stamps yyyymmddHHMM of the years 1970 to 2099."""
    values = digits.astype(np.int16)
    year = values[:, 0] * 1000 + values[:, 1] * 100 + values[:, 2] * 10 + values[:, 3]
    month, day, hour, minute = (values[:, at] * 10 + values[:, at + 1] for at in (4, 6, 8, 10))
    time: Flags = (
        (year >= 1970) & (year <= 2099) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
        & (hour <= 23) & (minute <= 59)
    )  # fmt: skip
    return time


# --- label words ------------------------------------------------------------------------------------------------------

_LABEL_WORDS = ("個人番号", "マイナンバ", "特定個人情報", "通知カード", "個人ナンバー", "ﾏｲﾅﾝﾊﾞ")
_LATIN_LABELS = ("my number", "mynumber", "my_number", "my-number", "myno", "my_no", "individual number", "kojin")
_LOWER: Final = bytes(byte + 0x20 if 0x41 <= byte <= 0x5A else byte for byte in range(256))
_BUCKETS = 8
_FINGERPRINT = 4


def _label_patterns() -> tuple[bytes, ...]:
    """Label words in all encodings, with Latin letters in lower case."""
    patterns: set[bytes] = set()
    for word in _LABEL_WORDS:
        for codec in ("utf-8", "cp932", "euc_jp", "iso2022_jp", "utf-16-le", "utf-16-be"):
            try:
                encoded = word.encode(codec)
            except UnicodeEncodeError:  # half-width kana in ISO-2022-JP
                continue
            patterns.add(re.sub(rb"\x1b[$(].", b"", encoded).translate(_LOWER))
    for word in _LATIN_LABELS:
        patterns.update(word.encode(codec) for codec in ("ascii", "utf-16-le", "utf-16-be"))
    return tuple(sorted(patterns))


_LABELS: Final = _label_patterns()
_LONGEST_LABEL: Final = max(len(pattern) for pattern in _LABELS)


def _label_buckets() -> tuple[tuple[tuple[bytes, ...], ...], tuple[bytes, ...]]:
    """The patterns in eight buckets, and for each of the first bytes of a pattern a table: which buckets it may be of.

    A place at which the tables of four bytes in a row have a bucket in common is worth a comparison.
    """
    size = -(-len(_LABELS) // _BUCKETS)
    buckets = tuple(_LABELS[at : at + size] for at in range(0, len(_LABELS), size))
    tables = []
    for place in range(_FINGERPRINT):
        table = bytearray(256)
        for number, bucket in enumerate(buckets):
            for pattern in bucket:
                for byte in {pattern[place], *pattern[place : place + 1].upper()}:
                    table[byte] |= 1 << number
        tables.append(bytes(table))
    return buckets, tuple(tables)


_LABEL_BUCKETS, _LABEL_TABLES = _label_buckets()
_LABEL_ARRAYS: Final = tuple(np.frombuffer(table, np.uint8) for table in _LABEL_TABLES)


def find_labels(buffer: Bytes) -> Indices:
    """Where label words start, in any encoding, ascending."""
    if len(buffer) < _FINGERPRINT:
        return np.zeros(0, np.int64)
    data = buffer.tobytes()
    count = len(data) - _FINGERPRINT + 1
    first, second = (np.frombuffer(data.translate(table), np.uint8) for table in _LABEL_TABLES[:2])
    possible = first[:count] & second[1 : count + 1]
    places = possible.nonzero()[0]
    possible = possible[places]
    for at in range(2, _FINGERPRINT):
        possible &= _LABEL_ARRAYS[at][buffer[places + at]]
    left = possible.nonzero()[0]
    found = [
        place
        for place, buckets in zip(places[left].tolist(), possible[left].tolist(), strict=True)
        if _label_at(data, place, buckets)
    ]
    return np.array(found, np.int64)


def _label_at(data: bytes, place: int, buckets: int) -> bool:
    here = data[place : place + _LONGEST_LABEL].translate(_LOWER)
    return any(buckets >> number & 1 and here.startswith(bucket) for number, bucket in enumerate(_LABEL_BUCKETS))


def _labelled(buffer: Bytes, starts: Indices, ends: Indices) -> Flags:
    """Which candidates have a label word near; starts ascend."""
    first = np.maximum(starts - _LABEL_BEFORE, 0)
    last = np.minimum(ends + _LABEL_AFTER + _LONGEST_LABEL, len(buffer))
    # Ranges that touch are searched as one.
    reach = np.maximum.accumulate(last)
    begins = np.concatenate(([True], first[1:] > reach[:-1]))
    range_first = first[begins]
    range_last = reach[np.append(np.flatnonzero(begins)[1:] - 1, len(reach) - 1)]
    sizes = range_last - range_first
    behind = np.cumsum(sizes + _LONGEST_LABEL)
    joined = np.full(behind[-1], 0xAA, np.uint8)
    for at, low, high in zip(
        (behind - sizes - _LONGEST_LABEL).tolist(), range_first.tolist(), range_last.tolist(), strict=True
    ):
        joined[at : at + high - low] = buffer[low:high]
    labels = find_labels(joined)
    if not len(labels):
        return np.zeros(len(starts), np.bool_)
    where = np.searchsorted(behind, labels, side="right")
    labels = labels - (behind - sizes - _LONGEST_LABEL)[where] + range_first[where]
    near: Flags = np.searchsorted(labels, first) < np.searchsorted(labels, ends + _LABEL_AFTER)
    return near


# --- collecting -------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Pending:
    """Candidates of one encoding that wait for their neighbourhood, offsets ascending."""

    offsets: Indices
    values: Indices = field(repr=False)
    sizes: Bytes
    passing: Flags
    traits: NDArray[np.uint8]

    @classmethod
    def none(cls) -> _Pending:
        empty = np.zeros(0, np.int64)
        return cls(empty, empty, empty.astype(np.uint8), empty.astype(np.bool_), empty.astype(np.uint8))

    @classmethod
    def joined(cls, parts: list[_Pending]) -> _Pending:
        if len(parts) == 1:
            return parts[0]
        return cls(
            np.concatenate([part.offsets for part in parts]),
            np.concatenate([part.values for part in parts]),
            np.concatenate([part.sizes for part in parts]),
            np.concatenate([part.passing for part in parts]),
            np.concatenate([part.traits for part in parts]),
        )

    def after(self, offset: int) -> _Pending:
        """Those from `offset` on, as copies: the others' memory is free then."""
        at = int(np.searchsorted(self.offsets, offset))
        return _Pending(
            self.offsets[at:].copy(),
            self.values[at:].copy(),
            self.sizes[at:].copy(),
            self.passing[at:].copy(),
            self.traits[at:].copy(),
        )


@dataclass(frozen=True, slots=True)
class Counts:
    """How many strings were seen and what became of them. `chance` is by reason, in the order of `REASONS`."""

    candidates: int = 0
    """All twelve-digit strings but zeros."""
    zeros: int = 0
    passing: int = 0
    """Those with a right check digit; each is in exactly one of the following."""
    label: int = 0
    list: int = 0
    lone: int = 0
    chance: tuple[int, ...] = (0,) * len(REASONS)
    dropped: int = 0
    """Of label, list and lone: those beyond the limit, which were not kept."""

    def without_evidence(self) -> int:
        """Strings that pass the check digit and have no evidence at all."""
        return sum(self.chance)


@dataclass(frozen=True, slots=True)
class RawHits:
    """The candidates worth judging, sorted by offset; arrays of one length."""

    offsets: Indices
    """int64: first byte of the first digit, in bytes of the medium."""
    sizes: Bytes
    """uint8: bytes from there to the end of the last digit."""
    encodings: Bytes
    """uint8: index into `raw_pass.ENCODINGS`."""
    classes: Bytes
    """uint8: index into `CLASSES`; never `chance`."""
    near: NDArray[np.uint16]
    """uint16[n, 2]: different candidates in the neighbourhood, and how many of them pass."""
    counts: Counts
    first_dropped: int | None = None
    """Offset of the first hit that was not kept because the limit was reached."""


_Kept: TypeAlias = "dict[str, NDArray[Any]]"
_ARRAYS = ("offsets", "sizes", "encodings", "classes", "near")
"""The arrays of `RawHits`."""
_PLACE_BITS = 23
_MOST_AT_ONCE = 8 << 20
"""Bytes searched at a time: their candidates can be numbered in `_PLACE_BITS`, beside a value below 2^40."""


class Collector:
    """Takes a medium piece by piece, in order, and keeps the hits with evidence.

    `limit` bounds the hits kept (about 16 bytes each).
    """

    def __init__(self, scanner: Scanner | None = None, *, limit: int = 2_000_000) -> None:
        self._scanner = scanner or Scanner()
        self._limit = limit
        self._end = 0
        self._tail: Bytes = np.zeros(0, np.uint8)
        self._fresh = True
        self._pending: dict[int, _Pending] = {}
        self._settled = 0
        self._kept: dict[str, list[NDArray[Any]]] = {name: [] for name in _ARRAYS}
        self._kept_count = 0
        self._first_dropped: int | None = None
        self._totals = np.zeros(6 + len(REASONS) + 1, np.int64)

    @property
    def settled(self) -> int:
        """Everything that starts before this offset is decided; what `state` holds covers exactly this."""
        return self._settled

    @property
    def resume_offset(self) -> int:
        """Where feeding must start after `restore`: some bytes before `settled`, to know the neighbourhood there."""
        return max(0, self._settled - 2 * NEIGHBOURHOOD_BYTES - CONTEXT_BYTES) & ~4095

    def feed(self, view: memoryview | Bytes, offset: int) -> None:
        """Take the next piece, which lies at `offset` bytes of the medium.

        Pieces come in order. Where one does not follow directly on the last, what is between counts as unread. The
        memory of `view` is free for reuse after the call.
        """
        data = np.frombuffer(view, np.uint8) if isinstance(view, memoryview) else view
        if offset < self._end and not self._fresh:
            message = "pieces must come in order"
            raise ValueError(message)
        if offset != self._end or self._fresh:
            self._close_range()
            self._end = offset
            self._fresh = False
            self._tail = np.zeros(0, np.uint8)
        for at in range(0, len(data), _MOST_AT_ONCE):
            self._feed(data[at : at + _MOST_AT_ONCE])

    def _feed(self, data: Bytes) -> None:
        """Search what follows on the last piece, except for `CONTEXT_BYTES` at its end, which wait for the next."""
        margin = CONTEXT_BYTES
        tail = self._tail
        if len(tail) == 2 * margin and len(data) > 2 * margin:
            # The seam: the last piece's end and this one's start; then this one without its ends.
            seam = np.concatenate((tail, data[: 2 * margin]))
            self._scan(seam, margin, 3 * margin, self._end - 2 * margin)
            self._scan(data, margin, len(data) - margin, self._end)
            self._tail = data[-2 * margin :].copy()
        else:
            joined = np.concatenate((tail, data))
            low, high = max(len(tail) - margin, 0), len(joined) - margin
            if high > low:
                self._scan(joined, low, high, self._end - len(tail))
                joined = joined[-2 * margin :].copy()
            self._tail = joined
        self._end += len(data)
        self._settle(self._end - margin)

    def finish(self) -> RawHits:
        """Decide what still waits, and return everything."""
        self._close_range()
        none: _Kept = {name: np.zeros(0, np.uint8) for name in _ARRAYS}
        none |= {"offsets": np.zeros(0, np.int64), "near": np.zeros((0, 2), np.uint16)}
        arrays = {name: np.concatenate([none[name], *parts]) for name, parts in self._kept.items()}
        order = np.argsort(arrays["offsets"], kind="stable")
        offsets, sizes, encodings, classes, near = (arrays[name][order] for name in _ARRAYS)
        return RawHits(offsets, sizes, encodings, classes, near, self._counts(), self._first_dropped)

    def state(self) -> dict[str, NDArray[Any]]:
        """What `restore` needs to go on from `settled`: arrays for `numpy.savez`. Offsets and classes, never digits."""
        dropped = -1 if self._first_dropped is None else self._first_dropped
        arrays: dict[str, NDArray[Any]] = {
            "settled": np.array([self._settled, dropped], np.int64),
            "totals": self._totals.copy(),
        }
        arrays.update((name, np.concatenate(parts)) for name, parts in self._kept.items() if parts)
        return arrays

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over a state; the next `feed` must start at or before `resume_offset`."""
        settled, dropped = (int(value) for value in state["settled"])
        self._settled = settled
        self._first_dropped = None if dropped < 0 else dropped
        self._totals = state["totals"].copy()
        self._kept = {name: [state[name]] if name in state else [] for name in _ARRAYS}
        self._kept_count = len(state["offsets"]) if "offsets" in state else 0

    def _counts(self) -> Counts:
        candidates, zeros, passing, label, list_, lone, *chance, dropped = (int(value) for value in self._totals)
        return Counts(candidates, zeros, passing, label, list_, lone, tuple(chance), dropped)

    def _close_range(self) -> None:
        """The medium ends here, or a gap begins."""
        if self._fresh:
            return
        if len(self._tail):
            low = len(self._tail) - CONTEXT_BYTES if len(self._tail) > CONTEXT_BYTES else 0
            self._scan(self._tail, low, len(self._tail), self._end - len(self._tail))
            self._tail = np.zeros(0, np.uint8)
        self._settle(self._end + NEIGHBOURHOOD_BYTES + 1)
        self._pending.clear()
        self._settled = self._end

    def _scan(self, buffer: Bytes, low: int, high: int, base: int) -> None:
        """Add the candidates that start in `buffer[low:high]`; `base` is the offset of the buffer's first byte."""
        for found in self._scanner.find(buffer, low, high):
            passing = check_digits(found.digits)
            # Exact in float64: below 10^12.
            values = (found.digits.astype(np.float64) @ 10.0 ** np.arange(DIGITS - 1, -1, -1)).astype(np.int64)
            passing &= values != 0
            traits = np.zeros(len(passing), np.uint8)
            sizes = np.zeros(len(passing), np.uint8)
            which = np.flatnonzero(passing)
            if len(which):
                part = found.part(which)
                sizes[which] = part.sizes()
                traits[which] = _traits(buffer, part)
            new = _Pending(found.starts + base, values, sizes, passing, traits)
            before = self._pending.get(found.encoding)
            self._pending[found.encoding] = _Pending.joined([before, new]) if before else new

    def _settle(self, known: int) -> None:
        """Decide the candidates whose neighbourhood is known: all starts before `known` have been seen."""
        until = known - NEIGHBOURHOOD_BYTES
        if until <= self._settled:
            return
        mirrored = self._mirrored()
        decided: list[_Kept] = []
        for encoding, pending in self._pending.items():
            first, last = np.searchsorted(pending.offsets, (self._settled, until))
            if last > first:
                part = slice(int(first), int(last))
                kept = self._decide(encoding, pending, part, mirrored.get(encoding))
                if kept is not None:
                    decided.append(kept)
            self._pending[encoding] = pending.after(until - 2 * NEIGHBOURHOOD_BYTES)
        self._pending = {encoding: pending for encoding, pending in self._pending.items() if len(pending.offsets)}
        self._settled = until
        if decided:
            self._keep(decided)

    def _mirrored(self) -> dict[int, Indices]:
        """Offsets of passing UTF-16 candidates whose bytes read better in the other byte order."""
        result: dict[int, Indices] = {}
        for little, big in zip(_UTF16_LE, _UTF16_BE, strict=True):
            if little not in self._pending or big not in self._pending:
                continue
            one, two = self._pending[little], self._pending[big]
            _, at_one, at_two = np.intersect1d(one.offsets - 1, two.offsets, assume_unique=True, return_indices=True)
            bad_one = one.traits[at_one] & _BINARY != 0
            bad_two = two.traits[at_two] & _BINARY != 0
            # Where both read or neither does, the text is taken to be aligned.
            drop_one = np.where(bad_one == bad_two, one.offsets[at_one] & 1 == 1, bad_one)
            result[little] = one.offsets[at_one[drop_one]]
            result[big] = two.offsets[at_two[~drop_one]]
        return result

    def _decide(self, encoding: int, pending: _Pending, part: slice, mirrored: Indices | None) -> _Kept | None:
        """Classify the candidates `part` of `pending`; returns the arrays of those to keep."""
        offsets, values = pending.offsets, pending.values
        zeros = int((values[part] == 0).sum())
        self._totals[0] += part.stop - part.start - zeros
        self._totals[1] += zeros
        which = pending.passing[part].nonzero()[0] + part.start
        if not len(which):
            return None
        # Each value counts once in a neighbourhood: repeats say nothing about a list.
        key = values << _PLACE_BITS | np.arange(len(values))
        key.sort()
        order = key & ((1 << _PLACE_BITS) - 1)
        again = np.zeros(len(order), np.bool_)
        again[order[1:]] = (np.diff(key >> _PLACE_BITS) == 0) & (np.diff(offsets[order]) <= NEIGHBOURHOOD_BYTES)
        counted = ~again & (values != 0)
        passing_before, round_before, all_before = (
            np.concatenate(([0], np.cumsum(counted & those))) for those in (pending.passing, values % 10 == 0, np.True_)
        )
        place, traits = offsets[which], pending.traits[which]
        low = np.searchsorted(offsets, place - NEIGHBOURHOOD_BYTES)
        high = np.searchsorted(offsets, place + NEIGHBOURHOOD_BYTES, side="right")
        near = all_before[high] - all_before[low]
        near_passing = passing_before[high] - passing_before[low]
        round_share = -(-10 * (round_before[high] - round_before[low]) // np.maximum(near, 1))
        labelled = traits & _LABELLED != 0
        lists, crowds = _limits()
        listed = near_passing >= lists[round_share, np.minimum(near, _MOST_NEIGHBOURS)]
        # Within a crowd, not beside one: a log may end where a letter begins.
        side = np.minimum(all_before[which] - all_before[low], all_before[high] - all_before[which + 1])
        crowd = (near_passing <= crowds[round_share, np.minimum(near, _MOST_NEIGHBOURS)]) & (side >= _CROWD_SIDE)
        mirror = np.isin(place, mirrored) if mirrored is not None else np.zeros(len(place), np.bool_)
        against = traits & np.uint8(_LABELLED - 1)
        classes = np.where(labelled, _LABEL, np.where(listed, _LIST, np.where((against != 0) | crowd, _CHANCE, _LONE)))
        classes[mirror] = _CHANCE
        self._totals[2] += len(which)
        self._totals[3:6] += np.bincount(classes, minlength=4)[:3]
        chance = classes == _CHANCE
        reasons = np.stack([mirror, *(against & (1 << bit) != 0 for bit in range(5)), crowd])
        self._totals[6:-1] += np.bincount(np.argmax(reasons[:, chance], axis=0), minlength=len(REASONS))
        kept = ~chance
        return {
            "offsets": place[kept],
            "sizes": pending.sizes[which][kept],
            "encodings": np.full(int(kept.sum()), encoding, np.uint8),
            "classes": classes[kept].astype(np.uint8),
            "near": np.stack((near, near_passing), axis=1)[kept].astype(np.uint16),
        }

    def _keep(self, decided: list[_Kept]) -> None:
        arrays = {name: np.concatenate([part[name] for part in decided]) for name in _ARRAYS}
        order = np.argsort(arrays["offsets"], kind="stable")
        room = self._limit - self._kept_count
        if len(order) > room:
            if self._first_dropped is None:
                self._first_dropped = int(arrays["offsets"][order[room]])
            self._totals[-1] += len(order) - room
            order = order[:room]
        if not len(order):
            return
        self._kept_count += len(order)
        for name, values in arrays.items():
            self._kept[name].append(values[order])


# --- windows ----------------------------------------------------------------------------------------------------------

_WINDOW_BEFORE, _WINDOW_AFTER = 1024, 512
_WINDOW_SPAN = 24 << 10


@dataclass(frozen=True, slots=True)
class Window:
    """A piece of media to decode and judge."""

    offset: int
    """First byte, in bytes of the medium."""
    size: int
    encoding: str
    """How its hits are written: one of `raw_pass.ENCODINGS`."""
    hits: tuple[int, ...]
    """Offsets of the hits in bytes of the medium, ascending."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What to judge, and how much was left aside."""

    windows: tuple[Window, ...]
    hit_count: int
    """Hits in the windows."""
    beyond: int
    """Hits left out because there would be too many windows: of the weakest class, the farthest in the medium."""
    counts: Counts


def select(
    hits: RawHits, *, size: int, groups: Indices | None = None, wanted: Flags | None = None, most_windows: int = 200_000
) -> Selection:
    """Windows around the hits: near ones of the same encoding and group share one.

    `size` is the medium's size in bytes. `groups` (int[n], one for each hit) keeps apart what belongs to different
    files; `wanted` (bool[n]) leaves hits out, such as those in files that are read as files. If there are more than
    `most_windows`, those without label or list go first, from the end.
    """
    which = np.arange(len(hits.offsets)) if wanted is None else np.flatnonzero(wanted)
    owner = np.zeros(len(hits.offsets), np.int64) if groups is None else groups
    which = which[np.lexsort((hits.offsets[which], owner[which], hits.encodings[which]))]
    offsets, encodings, owner = hits.offsets[which], hits.encodings[which], owner[which]
    ends = offsets + hits.sizes[which]
    windows: list[tuple[bool, Window]] = []
    if len(which):
        new = np.concatenate(
            ([True], (np.diff(encodings) != 0) | (np.diff(owner) != 0) | (offsets[1:] - ends[:-1] > _WINDOW_BEFORE))
        )
        bounds = np.append(np.flatnonzero(new), len(which)).tolist()
        strong = hits.classes[which] != _LONE
        for first, last in pairwise(bounds):
            at = first
            while at < last:
                # A long list is cut into windows of bounded size.
                stop = int(np.searchsorted(offsets[at:last], offsets[at] + _WINDOW_SPAN)) + at
                begin = int(offsets[at])
                begin -= min(_WINDOW_BEFORE, begin & ~1)
                end = min(int(ends[stop - 1]) + _WINDOW_AFTER, size)
                window = Window(begin, end - begin, ENCODINGS[int(encodings[at])], tuple(offsets[at:stop].tolist()))
                windows.append((bool(strong[at:stop].any()), window))
                at = stop
    beyond = 0
    if len(windows) > most_windows:
        windows.sort(key=lambda pair: (not pair[0], pair[1].offset))
        beyond = sum(len(window.hits) for _, window in windows[most_windows:])
        windows = windows[:most_windows]
    chosen = tuple(sorted((window for _, window in windows), key=lambda window: (window.offset, window.encoding)))
    return Selection(chosen, sum(len(window.hits) for window in chosen), beyond, hits.counts)


class Reader(Protocol):
    """What windows are read from: `preserve.Image`, or anything like it."""

    def read_at(self, offset: int, size: int, /) -> bytes:
        """Up to `size` bytes from `offset`."""


def window_text(image: Reader, window: Window) -> Text:
    """The window's text, with the place of each character in bytes of the medium.

    Bytes that do not decode become U+FFFD. The encoding of text around ASCII digits is the one in which it reads best.
    """
    data = image.read_at(window.offset, window.size)
    codec = _CODECS[window.encoding] or _best_codec(data, [hit - window.offset for hit in window.hits])
    if codec == "iso-2022-jp":
        pieces = _jis_pieces(data, [hit - window.offset for hit in window.hits], window.encoding != "ascii")
    else:
        pieces = _plain_pieces(data, codec, _first_whole(data, codec))
    content, offsets = _assemble(pieces, window.offset)
    return Text(content, codec, kind="raw", location=f"0x{window.offset:x}", offsets=offsets)


_CODECS: Final[dict[str, str]] = dict(
    zip(
        ENCODINGS,
        ("", "utf-16-le", "utf-16-be", "utf-8", "cp932", "euc-jp", "iso-2022-jp", "utf-16-le", "utf-16-be"),
        strict=True,
    )
)
_Piece = tuple[str, int, int]
"""(text, offset of its first byte in the window, bytes for each of its characters)"""


def _first_whole(data: bytes, codec: str) -> int:
    """Where the first whole character may start in a window that was cut anywhere."""
    match codec:
        case "utf-8":
            return next((at for at, byte in enumerate(data[:3]) if byte & 0xC0 != 0x80), 0)
        case "cp932" | "euc-jp":
            # These bytes are never the second one of a character.
            last = 0x40 if codec == "cp932" else 0x80
            return next((at for at, byte in enumerate(data[:64]) if byte < last), 0)
        case _:
            high = data[1:2] if codec == "utf-16-le" else data[:1]
            return 2 if b"\xdc" <= high <= b"\xdf" else 0


_DECODED_AT_ONCE = 1024


def _plain_pieces(data: bytes, codec: str, at: int) -> Iterator[_Piece]:
    """Decode from `at` on; each run of characters of the same width is a piece."""
    while at < len(data):
        # In bounded parts: each undecodable byte costs a copy of what is behind it.
        part = data[at : at + _DECODED_AT_ONCE]
        wrong = 0
        try:
            text = part.decode(codec)
            stop = len(part)
        except UnicodeDecodeError as error:
            stop = error.start
            text = part[:stop].decode(codec)
            if at + len(part) == len(data) or stop < len(part) - 4:  # else a character was cut, not wrong
                wrong = max(error.end - stop, 1)
        yield from _by_width(text, codec, at)
        if wrong:
            yield "\ufffd", at + stop, wrong
        at += stop + wrong


def _by_width(text: str, codec: str, at: int) -> Iterator[_Piece]:
    """Cut decoded text where the width of its characters changes."""
    if not text:
        return
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    if codec == "utf-8":
        widths = 1 + (points >= 0x80).astype(np.int64) + (points >= 0x800) + (points >= 0x10000)
    elif codec.startswith("utf-16"):
        widths = np.where(points >= 0x10000, 4, 2)
    elif codec == "cp932":
        widths = np.where(
            (points < 0x81) | (points >= 0xFF61) & (points <= 0xFF9F) | (points >= 0xF8F0) & (points <= 0xF8F3), 1, 2
        )
    else:  # EUC-JP: half-width kana have a prefix; characters of JIS X 0212 take three bytes
        widths = np.array(
            [len(character.encode(codec)) if ord(character) >= 0x80 else 1 for character in text], np.int64
        )
    edges = [0, *(np.flatnonzero(np.diff(widths)) + 1).tolist(), len(text)]
    for first, last in pairwise(edges):
        width = int(widths[first])
        yield text[first:last], at, width
        at += width * (last - first)


_ESCAPE = re.compile(rb"\x1b(?:\$[@B]|\$\([D-O]|\([BJIH])")


def _jis_pieces(data: bytes, hits: list[int], wide_hits: bool) -> Iterator[_Piece]:
    """Decode ISO-2022-JP from an unknown state: the first escape sequence tells what was before it."""
    escapes = list(_ESCAPE.finditer(data))
    first = escapes[0] if escapes else None
    kanji = wide_hits if first is None else first.group()[:2] != b"\x1b$"
    at = 0
    if kanji:
        # Pairs are aligned on the escape that ends them, or on a hit within them.
        end = first.start() if first else len(data)
        inside = [hit for hit in hits if hit < end] if wide_hits else []
        # Line ends reset the state: text in front of the last one is not in it.
        at = max(data.rfind(b"\n", 0, end), data.rfind(b"\0", 0, end)) + 1
        yield from _plain_pieces(data[:at], "ascii", 0)
        at += ((inside[0] if inside else end) - at) & 1
    state = b"$B" if kanji else b"(B"
    for escape in [*escapes, None]:
        end = escape.start() if escape else len(data)
        yield from _jis_segment(data, at, end, state)
        if escape:
            at, state = escape.end(), escape.group()[1:]


def _jis_segment(data: bytes, at: int, end: int, state: bytes) -> Iterator[_Piece]:
    part = data[at:end]
    if state[:1] == b"$" and len(state) == 2:
        # Two bytes of JIS X 0208 are EUC-JP without the high bits. A control byte ends the state.
        stop = next((place for place, byte in enumerate(part) if byte < 0x21 or byte > 0x7E), len(part)) & ~1
        yield from _plain_shifted(part[:stop], "euc-jp", 2, at)
        yield from ((text, place + at + stop, width) for text, place, width in _plain_pieces(part[stop:], "ascii", 0))
    elif state == b"(I":
        yield from _plain_shifted(part, "cp932", 1, at)
    else:
        yield from ((text, place + at, width) for text, place, width in _plain_pieces(part, "ascii", 0))


def _plain_shifted(part: bytes, codec: str, width: int, at: int) -> Iterator[_Piece]:
    shifted = bytes(byte | 0x80 for byte in part)
    try:
        text = shifted.decode(codec)
    except UnicodeDecodeError:
        text = ""
    if len(text) * width == len(part):
        if text:
            yield text, at, width
        return
    for place in range(0, len(part), width):
        yield shifted[place : place + width].decode(codec, "replace")[:1], at + place, width


def _assemble(pieces: Iterator[_Piece], base: int) -> tuple[str, Offsets]:
    texts: list[str] = []
    chars: list[int] = []
    places: list[int] = []
    widths: list[int] = []
    count = 0
    for text, place, width in pieces:
        texts.append(text)
        if not (places and widths[-1] == width and places[-1] + (count - chars[-1]) * width == base + place):
            chars.append(count)
            places.append(base + place)
            widths.append(width)
        count += len(text)
    if not chars:
        chars, places, widths = [0], [base], [1]
    return "".join(texts), Offsets(tuple(chars), tuple(places), tuple(widths))


_GUESS_BYTES = 192


def _best_codec(data: bytes, hits: list[int]) -> str:
    """The encoding in which the surroundings of the hits read best as Japanese text."""
    sample = b"\n".join(data[max(0, hit - _GUESS_BYTES) : hit + _GUESS_BYTES] for hit in hits[:16])
    if _ESCAPE.search(sample):
        return "iso-2022-jp"
    if not any(byte >= 0x80 for byte in sample):
        return "utf-8"
    # UTF-8 is listed first: its structure is the hardest to meet by chance.
    return max(("utf-8", "cp932", "euc-jp"), key=lambda codec: _readability(sample, codec))


def _readability(sample: bytes, codec: str) -> float:
    """Share of the bytes beyond ASCII that decode to everyday Japanese characters, less those that do not decode."""
    good = bad = 0
    for text, _, width in _plain_pieces(sample, codec, 0):
        if text == "\ufffd":
            bad += width
        elif width > 1:
            good += width * sum(
                "\u3000" <= character <= "\u30ff"
                or "\u4e00" <= character <= "\u9fff"
                or "\uff01" <= character <= "\uff5e"
                for character in text
            )
    return (good - 2 * bad) / max(sum(byte >= 0x80 for byte in sample), 1)
