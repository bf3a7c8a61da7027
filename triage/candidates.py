"""What is kept of the texts of one file: candidates as packed numbers, strata, counts, and the state of each stream.

Nothing of the texts themselves is held, so memory grows by about 80 bytes for each string that passes the check digit.
"""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from triage.evidence import LOST_ZERO, STRONG
from triage.mynumber import passes
from triage.rivals import is_trivial
from triage.strata import Stratum

if TYPE_CHECKING:
    from triage.labels import Label
    from triage.mynumber import Form, Written
    from triage.surroundings import HeaderLine
    from triage.text import Cell, Text

FORMS: tuple[Form, ...] = ("plain", "4-4-4", "odd", "boxes", "kanji", "loose", "float", "lost_zero")
FORM_NUMBER = {form: number for number, form in enumerate(FORMS)}


class Kept:
    """Candidates that pass the check digit, as columns of numbers: about 80 bytes each."""

    def __init__(self) -> None:
        self.digits = array("q")
        self.start = array("q")
        self.length = array("H")
        self.byte_offset = array("q")
        self.byte_size = array("H")
        self.place = array("l")
        self.row = array("q")
        self.column = array("l")
        self.stratum = array("l")
        self.evidence = array("L")
        self.word = array("H")
        self.form = array("B")

    def __len__(self) -> int:
        return len(self.digits)


class Weighed(NamedTuple):
    """Evidence bits and the word that labels a number; evidence -1: the word names another number."""

    evidence: int
    word: str


_NOTHING = Weighed(0, "")


@dataclass(slots=True)
class Column:
    """What is known about a column of a table so far."""

    label: Label | None = None
    plain: Weighed | None = None
    """What holds for a cell of twelve plain digits under the present label, once that is known."""
    label_row: int = -1
    """Row of the cell that gave the label."""
    header_start: list[tuple[int, str]] = field(default_factory=list, repr=False)
    recent: list[tuple[int, str]] = field(default_factory=list, repr=False)
    """Text cells since the last number, with their rows: candidates for a header."""
    title: str = field(default="", repr=False)
    """The first text cell above the first number."""
    stratum: int = -1
    singles: list[tuple[int, int, str]] = field(default_factory=list, repr=False)
    """Cells of one digit right below each other: row, start, digit."""


@dataclass(slots=True)
class Stream:
    """State of one stream of texts."""

    number: int
    tail: str = field(default="", repr=False)
    """The end of the text before."""
    strata: dict[tuple[object, ...], int] = field(default_factory=dict)
    test_code: bool = False
    """It is a program that tests something."""
    form: bool = False
    """A form or topic in which My Numbers stand was named."""
    labelled: bool = False
    """A word for the My Number was met."""
    # Running text
    headers: list[HeaderLine] = field(default_factory=list)
    pending: list[tuple[Piece, Written, Weighed, int]] = field(default_factory=list)
    """Candidates at the end of the last piece, with their stratum: more digits may follow."""
    bare: int = -2
    """End of the last line that was nothing but a number, and what was found out about it."""
    bare_weighed: Weighed = _NOTHING
    section: tuple[int, str] = (-1, "")
    """Under a heading: where the next line of its block starts, and the heading's label."""
    # Tables
    columns: dict[int, Column] = field(default_factory=dict)
    header_rows: dict[int, list[int]] = field(default_factory=dict)
    """Columns with text in each of the first rows: a header spans those to its right that are empty."""
    header_bits: int = 0
    """What the headers tell about persons: bits of `persons.traces`."""
    first_row: int = -1
    sample_title: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """A text with its stream and the number of its place. `samples`: words for samples may stand in it."""

    text: Text
    stream: Stream
    place: int
    samples: bool = True


class Candidates:
    """Collects what the readers of running text and of tables find."""

    def __init__(self) -> None:
        self.kept = Kept()
        self.strata: list[Stratum] = []
        self.places: list[tuple[str, str, str, int]] = []
        """Container, location, encoding, number of the stream."""
        self.words: list[str] = [""]
        self.rejected: Counter[str] = Counter()
        self.labelled_wrong = 0
        self.labelled_rounded = 0
        self.other_strata: dict[int, int] = {}
        """Strata of numbers that are labelled as others: how many of their strings pass."""
        self.last_label: tuple[int, int, str] = (-1, -1, "")
        """Stream, end and label of the last labelled number."""
        self.place_numbers: dict[tuple[str, str, str, int], int] = {}
        self.word_numbers: dict[str, int] = {"": 0}
        self.raw_seen: set[tuple[int, int]] = set()

    def place_of(self, text: Text, stream: Stream) -> int:
        """Number of the place in which the text lies."""
        place = (text.container, text.location, text.encoding, stream.number)
        number = self.place_numbers.get(place)
        if number is None:
            number = self.place_numbers[place] = len(self.places)
            self.places.append(place)
        return number

    def take(
        self,
        piece: Piece,
        written: Written,
        weighed: Weighed,
        stratum: int,
        *,
        cell: Cell | None = None,
    ) -> None:
        """Count a string in its stratum, and keep it if its check digit is right."""
        digits, text = written.digits, piece.text
        right = passes(digits)
        evidence, word = weighed
        if evidence & STRONG or not evidence & LOST_ZERO:
            # 住民票コード have 11 digits and the same rule: a column of them must not prove itself.
            self.strata[stratum].add(digits, right=right)
        if evidence & STRONG:
            self.last_label = (piece.stream.number, text.first_char + written.end, word)
        if not right:
            if evidence & STRONG:
                self.labelled_wrong += 1
            return
        if is_trivial(digits):
            self.rejected["trivial"] += 1
            return
        offset, size = -1, 0
        if text.offsets is not None:
            offset = text.offsets.byte_of(written.start)
            last = text.offsets.byte_of(written.end - 1)
            size = min(last - offset + _width_at(text, written.end - 1), 0xFFFF)
            if text.kind == "raw":
                # Windows overlap.
                if (offset, int(digits)) in self.raw_seen:
                    return
                self.raw_seen.add((offset, int(digits)))
        kept = self.kept
        kept.digits.append(int(digits))
        kept.start.append(text.first_char + written.start)
        kept.length.append(min(written.end - written.start, 0xFFFF))
        kept.byte_offset.append(offset)
        kept.byte_size.append(size)
        kept.place.append(piece.place)
        kept.row.append(cell.row if cell is not None else -1)
        kept.column.append(cell.column if cell is not None else -1)
        kept.stratum.append(stratum)
        kept.evidence.append(evidence)
        kept.word.append(self._word(word))
        kept.form.append(FORM_NUMBER[written.form])

    def _word(self, word: str) -> int:
        number = self.word_numbers.get(word)
        if number is None:
            if len(self.words) >= 0xFFFF:
                return 0
            number = self.word_numbers[word] = len(self.words)
            self.words.append(word)
        return number

    def reject_other(self, stream: Stream, key: tuple[object, ...], digits: str, *, right: bool) -> None:
        """A number that is labelled as another one: counted, with the share of its column for the statistics."""
        key = ("other", *key)
        number = self.stratum_of(stream, key)
        self.strata[number].add(digits, right=right)
        if right:
            self.other_strata[number] = self.other_strata.get(number, 0) + 1

    def new_stratum(self, *, window: bool = False) -> int:
        """Number of a new stratum; `window`: of a window of raw bytes around a string that passes."""
        self.strata.append(Stratum(window=window))
        return len(self.strata) - 1

    def stratum_of(self, stream: Stream, key: tuple[object, ...], *, window: bool = False) -> int:
        """Number of the stratum of a stream that goes by `key`."""
        number = stream.strata.get(key)
        if number is None:
            number = stream.strata[key] = self.new_stratum(window=window)
        return number


def _width_at(text: Text, char: int) -> int:
    """Width in bytes of character number `char` of the text."""
    assert text.offsets is not None
    return text.offsets.byte_of(char + 1) - text.offsets.byte_of(char)
