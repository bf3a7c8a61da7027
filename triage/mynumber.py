"""The number itself (個人番号): check digit, and every written form of it in decoded text.

This module finds strings that *could* be a My Number and says how they are written; whether one is a My Number is
judged in `triage.judge`, because every tenth string of 12 digits has the right check digit by chance.

```python
[found.digits for found in find_numbers("番号は1234-5678-9018です")]   # ['123456789018']
passes("123456789018")                                                # True
```

Grammar: 12 digits (ASCII, full-width or mathematical, mixed within one number) that stand alone: no digit of any
script touches either side, and no longer group of digits with the same separator goes on around them. They may be
written without separators, 4-4-4 with up to three separator characters (blanks, hyphens and dashes of any width,
dots, slashes, underscores), or in other groups where the groups make exactly 12 digits (`odd`).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

LENGTH = 12
WEIGHTS = (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
"""For the body from left to right. 平成26年総務省令第85号 第5条: Q_n = n+1 for 1 <= n <= 6, n-5 for 7 <= n <= 11,
n counted from the lowest digit of the body."""

Form = Literal["plain", "4-4-4", "odd", "boxes", "kanji", "loose", "float", "lost_zero"]
"""plain: 12 digits together; 4-4-4: as on the card; odd: other groups; boxes: one digit per cell or box; kanji: kanji
numerals or circled digits; loose: separators of several characters, or over two lines; float: "123456789018.0";
lost_zero: stored as a number, so leading zeros are gone."""


def check_digit(body: str) -> int:
    """Check digit of the 11 ASCII digits `body`; raises ValueError for anything else."""
    if len(body) != LENGTH - 1 or not (body.isascii() and body.isdecimal()):
        raise ValueError("a body has 11 ASCII digits")
    rest = sum(weight * int(digit) for weight, digit in zip(WEIGHTS, body, strict=True)) % 11
    return 0 if rest <= 1 else 11 - rest


# ASCII digits are 48 + value; the sum of the weights times 48, so that the hot path needs no subtraction each.
_OFFSET = 48 * sum(WEIGHTS)
# Expected last character for each remainder.
_EXPECTED = tuple(48 + (0 if rest <= 1 else 11 - rest) for rest in range(11))


def passes(digits: str) -> bool:
    """Whether 12 ASCII digits carry the right check digit. The caller makes sure that they are 12 ASCII digits."""
    a, b, c, d, e, f, g, h, i, j, k, last = digits.encode("ascii")
    total = 6 * a + 5 * b + 4 * c + 3 * d + 2 * e + 7 * f + 6 * g + 5 * h + 4 * i + 3 * j + 2 * k - _OFFSET
    return last == _EXPECTED[total % 11]


# Characters. Digits that are written for numbers: ASCII, full-width, and the mathematical ones that PDF and web text
# use for effect (bold, double-struck, sans, monospace).
DIGIT = "0-9０-９\U0001d7ce-\U0001d7ff"
SPACES = " \t\u00a0\u2000-\u200a\u202f\u205f\u3000"
INVISIBLE = "\u00ad\u200b-\u200f\u2060\ufeff"
HYPHENS = "\\-\u2010-\u2015\u2212\u2043\u2500\u2501\u30fc\ufe58\ufe63\uff0d\uff70"
DOTS = ".\u00b7\u2022\u2027\u22c5\u30fb\uff0e\uff65"
SLASHES = "/\uff0f"
UNDERSCORES = "_\uff3f"
SEPARATOR = SPACES + INVISIBLE + HYPHENS + DOTS + SLASHES + UNDERSCORES
# Between boxes: table bars, brackets, commas, line ends.
BOX_SEPARATOR = SEPARATOR + "\r\n,，、|｜¦│┃║\\[\\]［］【】□■:：;；「」『』"

_CHAIN = re.compile(f"[{DIGIT}](?:[{SEPARATOR}]{{0,3}}+[{DIGIT}]){{11,}}+")
_ASCII_CHAIN = re.compile(r"[0-9](?:[ \t\-./_]{0,3}+[0-9]){11,}+")
# Whatever could be read at all, with any separators: what does not match holds no number, labelled or not.
_LENIENT = re.compile(f"[{DIGIT}](?:[{BOX_SEPARATOR}]{{0,5}}+[{DIGIT}]){{11,}}+")
_RUN = re.compile(f"[{DIGIT}]+")
# As many as there are in a row, so that twelve of a longer row are not taken for a number.
_BOXES = re.compile(f"(?<![{DIGIT}])[{DIGIT}](?:[{BOX_SEPARATOR}]{{1,5}}+[{DIGIT}](?![{DIGIT}])){{11,}}+(?![{DIGIT}])")
# Numerals that stand for digits only where a label says so: 一二三 and ①②③ are also words and list marks.
_NUMERALS = "〇零○一二三四五六七八九壱弐参⓪①-⑨"
_EXOTIC = re.compile(f"[{_NUMERALS}](?:[{SEPARATOR}]{{0,2}}+[{_NUMERALS}]){{11,}}+(?![十百千万])")
_CELL = re.compile(f"[{DIGIT}](?:[{BOX_SEPARATOR}]{{0,4}}+[{DIGIT}])*+")

_KANJI_VALUES = {
    **dict(zip("〇零○⓪", "0000", strict=True)),
    **dict(zip("一二三四五六七八九", "123456789", strict=True)),
    **dict(zip("①②③④⑤⑥⑦⑧⑨", "123456789", strict=True)),
    **dict(zip("壱弐参", "123", strict=True)),
}
_VALUES = {
    **{ord("０") + value: str(value) for value in range(10)},
    **{code: str(unicodedata.digit(chr(code))) for code in range(0x1D7CE, 0x1D800)},
    **{ord(character): value for character, value in _KANJI_VALUES.items()},
}
_NOT_ASCII_DIGIT = re.compile(r"[^0-9]+")


def ascii_digits(written: str) -> str:
    """The digits in `written` as ASCII, without whatever separates them."""
    return _NOT_ASCII_DIGIT.sub("", written if written.isascii() else written.translate(_VALUES))


@dataclass(frozen=True, slots=True)
class Written:
    """A string of 12 digits as it stands in a text: `content[start:end]`.

    `loose` says that a neighbouring group with an equally strong separator may belong to it; `tight` that a digit
    stands next to it behind a hyphen, dot, slash or the like.
    """

    start: int
    end: int
    digits: str = field(repr=False)
    form: Form
    loose: bool = False
    tight: bool = False

    @property
    def passes(self) -> bool:
        """Whether the check digit is right."""
        return passes(self.digits)


@dataclass(frozen=True, slots=True)
class Refused:
    """Digits that the grammar refuses although twelve of them stand together: `reason` says why."""

    start: int
    end: int
    reason: Literal["longer_run", "longer_group", "grouping", "date_time"]


_SPAN = 100
_MARGIN = 64
_IS_DIGIT = np.zeros(0x10000, dtype=np.bool_)
_IS_DIGIT[48:58] = True
_IS_DIGIT[0xFF10:0xFF1A] = True


def regions(content: str) -> list[tuple[int, int]]:
    """Parts of `content` with twelve digits and nothing but separators between them: (start, end), ascending.

    Everything else need not be looked at (kanji numerals apart: `find_numerals`). Looks for crowds of digits in
    arrays first, so that text without numbers costs little.
    """
    if len(content) < LENGTH:
        return []
    if len(content) <= 2 * _SPAN:
        return [match.span() for match in _LENIENT.finditer(content)]
    if content.isascii():
        digit_places = np.flatnonzero(np.frombuffer(content.encode("ascii"), dtype=np.uint8) - np.uint8(48) < 10)
    else:
        codes = np.frombuffer(content.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        # Mathematical digits lie above the table: they are all that does and counts.
        digit_places = np.flatnonzero(_IS_DIGIT[np.minimum(codes, 0xFFFF)] | (codes - 0x1D7CE < 50))
    if digit_places.size < LENGTH:
        return []
    starts = digit_places[: -(LENGTH - 1)]
    starts = starts[digit_places[LENGTH - 1 :] - starts < _SPAN]
    if not starts.size:
        return []
    breaks = np.flatnonzero(np.diff(starts) > _SPAN + 2 * _MARGIN)
    firsts = starts[np.concatenate(([0], breaks + 1))] - _MARGIN
    lasts = starts[np.concatenate((breaks, [starts.size - 1]))] + _SPAN + _MARGIN
    return [
        match.span()
        for low, high in zip(firsts.tolist(), lasts.tolist(), strict=True)
        for match in _LENIENT.finditer(content, max(0, low), high)
    ]


def find_numbers(content: str, *, start: int = 0, end: int | None = None) -> Iterator[Written]:
    """Every number of the grammar in `content[start:end]`, ascending, check digit not looked at."""
    for found in find_strings(content, start=start, end=end):
        if isinstance(found, Written):
            yield found


def find_strings(content: str, *, start: int = 0, end: int | None = None) -> Iterator[Written | Refused]:
    """Numbers of the grammar and refused digit strings in `content[start:end]`, ascending; time is linear."""
    stop = len(content) if end is None else end
    chain = _ASCII_CHAIN if content.isascii() else _CHAIN
    for match in chain.finditer(content, start, stop):
        first, last = match.span()
        if last - first == LENGTH:
            # Nearly all there is in rosters: no separators, and the chain is maximal by construction.
            text = match[0]
            yield Written(first, last, text if text.isascii() else ascii_digits(text), "plain")
        else:
            yield from _chain(content, first, last)


# How strongly a gap binds the digits on its two sides.
_NOTHING, _MARK, _BLANK, _WIDE = 4, 3, 2, 1


def _gap(separator: str) -> tuple[int, str]:
    """Strength of a separator and its family: "-", ".", "/", "_", " " or a mix."""
    visible = separator.strip("\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff")
    if not visible:
        return _NOTHING, ""
    cached = _GAPS.get(visible)
    if cached is None:
        families = "".join(dict.fromkeys(_family(character) for character in visible))
        marks = families.replace(" ", "")
        if not marks:
            strength = _BLANK if len(visible) == 1 and visible != "\t" else _WIDE
            cached = (strength, " ")
        elif " " in families:
            cached = (_BLANK, marks)
        else:
            cached = (_MARK, marks)
        if len(_GAPS) < 4096:
            _GAPS[visible] = cached
    return cached


_GAPS: dict[str, tuple[int, str]] = {}
_FAMILIES = tuple(
    (re.compile(f"[{members}]"), name)
    for members, name in (
        (HYPHENS, "-"),
        (DOTS, "."),
        (SLASHES, "/"),
        (UNDERSCORES, "_"),
        (INVISIBLE, ""),
    )
)


def _family(character: str) -> str:
    return next((name for pattern, name in _FAMILIES if pattern.match(character)), " ")


def _chain(content: str, first: int, last: int) -> Iterator[Written | Refused]:
    """Numbers in one maximal chain of digit runs with separators between them."""
    runs: list[tuple[int, int, int]] = []  # start, end, digits in it
    gaps: list[tuple[int, str]] = []  # gaps[i] stands before runs[i]; the outermost bind nothing
    position = first
    for match in _RUN.finditer(content, first, last):
        gap = _gap(content[position : match.start()]) if runs else (0, "")
        if gap[0] == _NOTHING:
            begin, _, count = runs.pop()
            runs.append((begin, match.end(), count + match.end() - match.start()))
        else:
            runs.append((match.start(), match.end(), match.end() - match.start()))
            gaps.append(gap)
        position = match.end()
    gaps.append((0, ""))
    index = 0
    count = len(runs)
    group_end = 0  # runs before it are known to be in a group of another length: time stays linear
    while index < count:
        start, end, length = runs[index]
        before, after = gaps[index], gaps[index + 1]
        if length == LENGTH:
            tight = (before[0] == _MARK and before[1] != "_") or (after[0] == _MARK and after[1] != "_")
            yield Written(start, end, ascii_digits(content[start:end]), "plain", tight=tight)
            index += 1
        elif length > LENGTH:
            yield Refused(start, end, "longer_run")
            index += 1
        elif length == 4 and index + 2 < count and runs[index + 1][2] == runs[index + 2][2] == 4:
            found = _groups_of_four(content, runs, gaps, index)
            yield found
            index += 3
            # The rest of a longer row of groups of four belongs to what was refused.
            while isinstance(found, Refused) and index < count and gaps[index] == gaps[index - 1]:
                index += 1
        elif index < group_end:
            index += 1
        else:
            found_odd, group_end = _odd(content, runs, gaps, index)
            if found_odd is None:
                index += 1
            else:
                yield found_odd
                index = group_end


def _groups_of_four(
    content: str,
    runs: list[tuple[int, int, int]],
    gaps: list[tuple[int, str]],
    index: int,
) -> Written | Refused:
    start, end = runs[index][0], runs[index + 2][1]
    inner = (gaps[index + 1], gaps[index + 2])
    outer = (gaps[index], gaps[index + 3])
    weakest = min(inner[0][0], inner[1][0])
    if any(gap[0] > weakest or (gap[0] == weakest and gap[0] == _MARK) for gap in outer):
        # 4-4-4-4 and the like: a card, a serial number, an address.
        return Refused(start, end, "longer_group")
    mixed = inner[0][1] != inner[1][1]
    loose = False
    for neighbour, gap in ((index - 1, outer[0]), (index + 3, outer[1])):
        if gap[0] == weakest:
            if gap[1] == inner[0][1] and runs[neighbour][2] >= 3 and weakest == _BLANK:
                return Refused(start, end, "longer_group")
            loose = True
    return Written(start, end, ascii_digits(content[start:end]), "loose" if mixed else "4-4-4", loose=loose)


_DATE_SHAPES = {(4, 2, 2, 4), (4, 2, 2, 2, 2), (2, 2, 2, 2, 2, 2), (2, 2, 4, 4), (2, 2, 2, 6)}


def _odd(
    content: str,
    runs: list[tuple[int, int, int]],
    gaps: list[tuple[int, str]],
    index: int,
) -> tuple[Written | Refused | None, int]:
    """The group with one kind of separator that starts at `index`, if it makes exactly 12 digits; and its end."""
    kind = gaps[index + 1]
    last, total = index, runs[index][2]
    while last + 1 < len(runs) and gaps[last + 1] == kind:
        last += 1
        total += runs[last][2]
    if last == index:
        return None, index + 1
    start, end = runs[index][0], runs[last][1]
    weaker = gaps[index][0] < kind[0] and gaps[last + 1][0] < kind[0]
    if total != LENGTH or not weaker:
        return None, last + 1
    shape = tuple(run[2] for run in runs[index : last + 1])
    if all(length == 1 for length in shape):
        return Written(start, end, ascii_digits(content[start:end]), "boxes"), last + 1
    if kind[1] != " " and shape in _DATE_SHAPES:
        return Refused(start, end, "date_time"), last + 1
    return Written(start, end, ascii_digits(content[start:end]), "odd"), last + 1


def find_boxes(content: str, *, start: int = 0, end: int | None = None) -> Iterator[Written]:
    """Twelve single digits with up to five separators (bars, brackets, commas, line ends) between each two."""
    for match in _BOXES.finditer(content, start, len(content) if end is None else end):
        digits = ascii_digits(match[0])
        if len(digits) == LENGTH:
            yield Written(match.start(), match.end(), digits, "boxes")


def find_numerals(content: str, *, start: int = 0, end: int | None = None) -> Iterator[Written]:
    """Twelve kanji numerals or circled digits in a row; they mean digits only after a label."""
    if content.isascii():
        return
    for match in _EXOTIC.finditer(content, start, len(content) if end is None else end):
        digits = ascii_digits(match[0])
        if len(digits) == LENGTH:
            yield Written(match.start(), match.end(), digits, "kanji")


_FLOAT = re.compile(r"([0-9]{5,12})\.0{1,6}")
_MIXED_NUMERALS = re.compile(f"[{DIGIT}{_NUMERALS}](?:[{BOX_SEPARATOR}]{{0,4}}+[{DIGIT}{_NUMERALS}]){{11}}")
_SCIENTIFIC = re.compile(r"[0-9](?:\.[0-9]{1,9})?[Ee]\+?(?:09|10|11|1[01])")


_POSSIBLE = re.compile(f"[{DIGIT}{_NUMERALS}{BOX_SEPARATOR}\"'’‘“”`()（）*＊=+Ee]{{5,60}}")


def could_be_number(cell: str) -> bool:
    """Whether a cell holds nothing that no written number holds, and at least five digits; cheap."""
    return _POSSIBLE.fullmatch(cell) is not None and len(ascii_digits(cell)) >= 5


def read_cell(  # noqa: PLR0911 - one way out for each form
    cell: str,
    *,
    numeric: bool,
    labelled: bool,
) -> tuple[int, int, str, Form] | None:
    """A cell that holds nothing but one number: (start in the cell, end, 12 ASCII digits, form), else None.

    `numeric`: stored as a number; `labelled`: the column or row says 個人番号. Lost leading zeros are filled
    in where the cell is numeric or labelled (more than three only where it is both). Over two lines and in kanji
    numerals it is read only where it is labelled.
    """
    if len(cell) == LENGTH and cell.isascii() and cell.isdecimal():
        return 0, LENGTH, cell, "plain"
    stripped = cell.strip(" \t\r\n\u3000\u00a0\"'’‘“”`()（）「」*＊:：\ufeff\u200b\u200e=")
    shortest = 5 if numeric and labelled else 9
    if not shortest <= len(stripped) <= 60:
        return None
    start = cell.index(stripped)
    end = start + len(stripped)
    if match := _FLOAT.fullmatch(stripped):
        body = match[1]
        if len(body) == LENGTH:
            return start, start + LENGTH, body, "float"
        return (start, start + len(body), body.zfill(LENGTH), "lost_zero") if numeric or labelled else None
    found = _CELL.fullmatch(stripped)
    if found is None:
        if labelled and not stripped.isascii() and _MIXED_NUMERALS.fullmatch(stripped):
            return start, end, ascii_digits(stripped), "kanji"
        return None
    digits = ascii_digits(stripped)
    if len(digits) != LENGTH:
        if shortest <= len(digits) < LENGTH and len(digits) == len(stripped) and (numeric or labelled):
            return start, end, digits.zfill(LENGTH), "lost_zero"
        return None
    if len(stripped) == LENGTH:
        return start, end, digits, "plain"
    strict = list(find_strings(stripped))
    if len(strict) == 1 and isinstance(strict[0], Written) and strict[0].end - strict[0].start == len(stripped):
        return start, end, digits, strict[0].form
    return (start, end, digits, "loose") if labelled else None


def is_scientific(cell: str) -> bool:
    """Whether a cell shows a number of 10 to 12 digits rounded ("1.23457E+11"): its digits cannot be recovered."""
    return _SCIENTIFIC.fullmatch(cell.strip()) is not None
