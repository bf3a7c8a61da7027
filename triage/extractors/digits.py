"""Whether a string can hold a twelve-digit number at all, and where: the cheap question before anything costly.

Twelve digits (ASCII, full-width or kanji numerals) within `SPAN` characters: wide enough for every written form with
separators, one digit per cell or per line. Everything stricter is the judge's business.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIGITS = "0123456789０１２３４５６７８９〇零一二三四五六七八九壱弐参"
SPAN = 100
"""Characters from the first to the twelfth digit: eight between two digits and a little more."""

_TABLE = np.zeros(0x10000, dtype=np.bool_)
_TABLE[[ord(character) for character in DIGITS]] = True
_ONE = re.compile(f"[{DIGITS}]")
_SHORT = 400


class _Gate:
    """Whether texts without digits are handed on, too."""

    everything = False


def read_everything() -> None:
    """From now on, in this process, every text counts: for searches for words. There is no way back."""
    _Gate.everything = True


def reads_everything() -> bool:
    """Whether `read_everything` was called in this process."""
    return _Gate.everything


def number_starts(content: str) -> NDArray[np.int64]:
    """Character positions in `content` from which twelve digits lie within `SPAN` characters, ascending."""
    if _Gate.everything:
        return np.arange(min(len(content), 1), dtype=np.int64)
    if content.isascii():
        places = np.flatnonzero(np.frombuffer(content.encode("ascii"), dtype=np.uint8) - np.uint8(48) < 10)
    else:
        codes = np.frombuffer(content.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        # Planes above the first have no digits of ours, but share low halves with it.
        places = np.flatnonzero(_TABLE[codes & np.uint32(0xFFFF)] & (codes < np.uint32(0x10000)))
    if places.size < 12:
        return np.empty(0, dtype=np.int64)
    starts = places[:-11]
    near: NDArray[np.int64] = starts[places[11:] - starts < SPAN]
    return near


def holds_number(content: str) -> bool:
    """Whether twelve digits lie close enough together anywhere in `content`."""
    if _Gate.everything:
        return bool(content)
    if len(content) < 12:
        return False
    if len(content) <= _SHORT:
        places = [match.start() for match in _ONE.finditer(content)]
        return any(last - first < SPAN for first, last in zip(places, places[11:], strict=False))
    return bool(number_starts(content).size)


# No letter within: a number in boxes, cells or spans has none. Possessive, since the classes exclude each other.
_WRITTEN = re.compile(rf"[{DIGITS}](?:[^{DIGITS}A-Za-z]{{0,8}}+[{DIGITS}]){{11}}+")


def holds_written(content: str) -> bool:
    """Whether twelve digits follow each other with at most eight other characters between two, none of them a letter.

    Stricter than `holds_number`: for text whose characters are costly to place, in which white space is one blank.
    """
    if _Gate.everything:
        return bool(content)
    return _WRITTEN.search(content) is not None


_CHAIN = re.compile(r"[0-9０-９](?:[ \-－‐−・.　]{0,2}[0-9０-９]){11}")
_NOT_DIGIT = re.compile("[^0-9０-９]")


# In one field, at most three other characters between two digits; or one digit to a field, to a row or to a line.
_FIELD_CHAIN = re.compile(
    rf"[{DIGITS}](?:[^{DIGITS}\t\n\r,;|A-Za-z]{{0,3}}[{DIGITS}]){{11}}"
    rf"|[{DIGITS}](?:[\s,;|\"']{{1,6}}[{DIGITS}](?![{DIGITS}])){{11}}"
)


def field_starts(content: str) -> NDArray[np.int64]:
    """The same as `number_starts` for a table, where digits of neighbouring fields are not one number."""
    if _Gate.everything or not number_starts(content).size:
        return number_starts(content)[:1]
    return np.asarray([match.start() for match in _FIELD_CHAIN.finditer(content)], dtype=np.int64)


def chains(content: str) -> set[str]:
    """The strings of twelve digits with at most two separators between each two, whatever they mean."""
    return {_NOT_DIGIT.sub("", chain) for chain in _CHAIN.findall(content)}


def holds_chain(content: str) -> bool:
    """Whether there is any such string: the stricter question, for bytes that may be no text at all."""
    if _Gate.everything:
        return bool(content)
    return _CHAIN.search(content) is not None
