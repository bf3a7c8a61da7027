"""Reads tables: headers of columns and rows over any distance, one digit per cell, numbers inside longer cells."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from triage import persons
from triage.candidates import Column, Weighed
from triage.evidence import (
    FORM_NEAR,
    HEADER,
    LABEL,
    LABEL_AFTER,
    LABEL_IN_TEXT,
    LABEL_NEAR,
    OTHER_NEAR,
    ROW_LABEL,
    SAMPLE,
    STRONG,
    TABLE,
    form_bits,
    person_bits,
)
from triage.labels import Label, find_labels, find_number_labels, label_of_header
from triage.mynumber import (
    DIGIT,
    LENGTH,
    Written,
    ascii_digits,
    could_be_number,
    find_strings,
    is_scientific,
    passes,
    read_cell,
)
from triage.rivals import shape_at
from triage.running_text import touched_by_label, with_loose
from triage.surroundings import connected, key_before, label_behind, row_around, row_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from triage.candidates import Candidates, Piece, Stream
    from triage.text import Cell, Text

_DIGIT = re.compile(f"[{DIGIT}]")
_HEADER_ROWS = 8
_ONLY_LABELLED = frozenset(("kanji", "loose", "boxes", "odd"))


class Tables:
    """The reader of texts with cells."""

    def __init__(self, candidates: Candidates) -> None:
        self._candidates = candidates

    def read(self, piece: Piece) -> None:
        """Find and weigh everything in the cells of a piece."""
        content, cells, stream = piece.text.content, piece.text.cells, piece.stream
        columns = stream.columns
        if stream.first_row < 0:
            stream.first_row = cells[0].row
        boxes: list[int] = []
        for index, cell in enumerate(cells):
            string = content[cell.start : cell.end]
            length = len(string)
            column = columns.get(cell.column)
            if column is None:
                column = columns[cell.column] = Column()
            if length == 1 and _DIGIT.match(string):
                if boxes and not _beside(cells[boxes[-1]], cell):
                    self._boxes(piece, boxes)
                    boxes = []
                boxes.append(index)
                continue
            if boxes:
                self._boxes(piece, boxes)
                boxes = []
            if length == 4 and _fours_end_here(content, cells, index):
                self._fours(piece, index)
            # A number stored as such may have lost any count of zeros.
            if (length >= (5 if cell.numeric else 9) and self._number_cell(piece, column, index, string)) or (
                length >= LENGTH and self._embedded(piece, column, index)
            ):
                continue
            if length <= 80 and not string.isdecimal():
                _note_text_cell(stream, column, cell, string)
        if boxes:
            self._boxes(piece, boxes)

    def _number_cell(self, piece: Piece, column: Column, index: int, string: str) -> bool:
        """Judge a cell that holds nothing but one number; False if it does not."""
        if string.isdecimal():
            if column.plain is not None and len(string) == LENGTH and not column.recent and string.isascii():
                # One more below a header for the My Number: by far the most frequent case in rosters.
                cell = piece.text.cells[index]
                self._candidates.take(
                    piece, Written(cell.start, cell.end, string, "plain"), column.plain, column.stratum, cell=cell
                )
                return True
        elif not could_be_number(string):
            return False
        text, stream = piece.text, piece.stream
        cell = text.cells[index]
        header = _label_of_column(column) or _spanning_label(stream, cell.column)
        labelled = header is not None and header.kind == "number"
        read = read_cell(string, numeric=cell.numeric, labelled=labelled)
        beside: Label | None = None
        if not labelled and (read is not None or (header is None and _may_be_loose(string))):
            beside = row_label(text.content, text.cells, index)
            if beside is not None and beside.kind == "number":
                labelled = True
                read = read or read_cell(string, numeric=cell.numeric, labelled=True)
        if read is None:
            if labelled and is_scientific(string):
                self._candidates.labelled_rounded += 1
                return True
            return False
        start, end, digits, form = read
        weighed, key = _by_labels(header, beside, cell.column)
        if weighed.evidence < 0:
            if form != "lost_zero":
                self._candidates.reject_other(stream, key, digits, right=passes(digits))
            return True
        strong = bool(weighed.evidence & STRONG)
        right = passes(digits)
        if not strong and form in _ONLY_LABELLED:
            self._candidates.rejected["grouping"] += right
            return True
        if form == "lost_zero" and not strong and not right:
            # Every shorter number would count as a failing one.
            return True
        if weighed.evidence & ROW_LABEL:
            stratum = self._candidates.stratum_of(stream, ("rows",))
        else:
            if column.stratum < 0:
                column.stratum = self._candidates.new_stratum()
            stratum = column.stratum
        written = Written(cell.start + start, cell.start + end, digits, form)
        evidence = weighed.evidence | _cell_evidence(piece, index, written, strong=strong)
        weighed = Weighed(evidence, weighed.word)
        self._candidates.take(piece, written, weighed, stratum, cell=cell)
        if form == "plain" and evidence & HEADER and not piece.samples:
            column.plain = weighed
        return True

    def _embedded(self, piece: Piece, column: Column, index: int) -> bool:
        """Judge numbers inside a longer cell; False if there are none."""
        text, stream = piece.text, piece.stream
        cell = text.cells[index]
        content = text.content[cell.start : cell.end]
        labels = [hit for hit in find_number_labels(content) if hit.kind == "number"]
        found = [item for item in with_loose(content, list(find_strings(content)), labels) if isinstance(item, Written)]
        for inside in found:
            right = passes(inside.digits)
            shape = shape_at(content, inside.start, inside.end)
            if shape and not touched_by_label(content, inside, labels):
                self._candidates.rejected[shape] += right
                continue
            weighed = _inside_evidence(content[: inside.start], content[inside.end :])
            key: tuple[object, ...] = ("inside", weighed.word)
            if weighed.evidence >= 0 and not weighed.evidence & STRONG:
                header = _label_of_column(column)
                beside = None if header is not None else row_label(text.content, text.cells, index)
                outer, key = _by_labels(header, beside, cell.column)
                if outer.evidence < 0 or outer.evidence & STRONG:
                    weighed = Weighed(
                        outer.evidence if outer.evidence < 0 else weighed.evidence | outer.evidence, outer.word
                    )
            if weighed.evidence < 0:
                self._candidates.reject_other(stream, key, inside.digits, right=right)
                continue
            if inside.form in _ONLY_LABELLED and not weighed.evidence & (STRONG | LABEL_NEAR):
                self._candidates.rejected["grouping"] += right
                continue
            evidence = weighed.evidence | _cell_evidence(piece, index, inside, strong=False)
            if not evidence & STRONG:
                evidence |= TABLE
            stratum = self._candidates.stratum_of(stream, ("embedded", cell.column, bool(evidence & STRONG)))
            written = Written(inside.start + cell.start, inside.end + cell.start, inside.digits, inside.form)
            self._candidates.take(piece, written, Weighed(evidence, weighed.word), stratum, cell=cell)
        return bool(found)

    def _boxes(self, piece: Piece, indexes: list[int]) -> None:
        """Twelve neighbouring cells of one digit each, in a row or below each other, under or beside a label."""
        content, cells, stream = piece.text.content, piece.text.cells, piece.stream
        first = cells[indexes[0]]
        if len(indexes) == 1:
            self._one_below_another(piece, indexes[0])
            return
        if len(indexes) != LENGTH:
            return
        digits = ascii_digits("".join(content[cells[index].start : cells[index].end] for index in indexes))
        beside = row_label(content, cells, indexes[0])
        columns = [*(cells[index].column for index in indexes), first.column - 1, first.column - 2]
        headers = [_label_of_column(stream.columns[column]) for column in columns if column in stream.columns]
        header = next((label for label in headers if label is not None), None)
        if beside is not None and beside.kind in ("number", "other"):
            header = None
        weighed, _ = _by_labels(header, beside, first.column)
        right = passes(digits)
        if not weighed.evidence & STRONG or weighed.evidence < 0:
            self._candidates.rejected["other_label" if weighed.evidence < 0 else "grouping"] += right
            return
        written = Written(first.start, cells[indexes[-1]].end, digits, "boxes")
        evidence = weighed.evidence | _cell_evidence(piece, indexes[0], written, strong=True)
        stratum = self._candidates.stratum_of(stream, ("boxes",))
        self._candidates.take(piece, written, Weighed(evidence, weighed.word), stratum, cell=first)

    def _one_below_another(self, piece: Piece, index: int) -> None:
        """One more single digit in a column: the twelfth below a label makes a number."""
        cell, stream = piece.text.cells[index], piece.stream
        column = stream.columns[cell.column]
        header = _label_of_column(column)
        if column.singles and column.singles[-1][0] != cell.row - 1:
            column.singles = []
        column.singles.append((cell.row, cell.start, ascii_digits(piece.text.content[cell.start : cell.end])))
        if len(column.singles) != LENGTH or header is None or header.kind != "number":
            return
        digits = "".join(digit for _, _, digit in column.singles)
        written = Written(column.singles[0][1], cell.end, digits, "boxes")
        if written.start >= cell.start:
            # It began in the piece before: the place of its first digit is not known any more.
            written = Written(cell.start, cell.end, digits, "boxes")
        evidence = HEADER | _cell_evidence(piece, index, written, strong=True)
        stratum = self._candidates.stratum_of(stream, ("boxes",))
        self._candidates.take(piece, written, Weighed(evidence, header.word), stratum, cell=cell)

    def _fours(self, piece: Piece, index: int) -> None:
        """Three neighbouring cells of four digits each; only a label makes them one number."""
        content, cells, stream = piece.text.content, piece.text.cells, piece.stream
        first = cells[index - 2]
        beside = row_label(content, cells, index - 2)
        header = _label_of_column(stream.columns[first.column])
        if beside is not None and beside.kind == "number":
            header = None
        weighed, _ = _by_labels(header, beside, first.column)
        if weighed.evidence < 0 or not weighed.evidence & STRONG:
            return
        digits = ascii_digits("".join(content[cell.start : cell.end] for cell in cells[index - 2 : index + 1]))
        written = Written(first.start, cells[index].end, digits, "4-4-4")
        evidence = weighed.evidence | _cell_evidence(piece, index - 2, written, strong=True)
        stratum = self._candidates.stratum_of(stream, ("fours",))
        self._candidates.take(piece, written, Weighed(evidence, weighed.word), stratum, cell=first)


def _note_text_cell(stream: Stream, column: Column, cell: Cell, string: str) -> None:
    """Remember a cell that may be a header; it is looked at only when a number comes below it."""
    column.singles = []
    if len(column.header_start) < 4 and column.stratum < 0:
        column.header_start.append((cell.row, string))
    else:
        column.recent.append((cell.row, string))
        if len(column.recent) > 6:
            del column.recent[0]
    if len(stream.header_rows) < 2 * _HEADER_ROWS or cell.row in stream.header_rows:
        stream.header_rows.setdefault(cell.row, []).append(cell.column)
    if cell.row - stream.first_row < _HEADER_ROWS:
        stream.header_bits |= persons.header_traces(string)
        for hit in find_labels(string):
            if hit.kind == "form":
                stream.form = True
            elif hit.kind == "number":
                stream.labelled = True
            elif hit.kind == "sample" and not stream.strata and all(one.stratum < 0 for one in stream.columns.values()):
                # Above all numbers: it speaks of the whole table.
                stream.sample_title = True


def _label_of_column(column: Column) -> Label | None:
    """The label that holds for a number now: the last header-like cell above it in its column."""
    if not column.header_start and not column.recent:
        return column.label
    texts = [*column.header_start, *column.recent]
    column.header_start, column.recent = [], []
    labels = [(label_of_header(string), row, string) for row, string in texts]
    column.title = column.title or texts[0][1]
    found = [
        (label, row)
        for label, row, string in labels
        if label.kind in ("number", "other") and (label.pure or len(string) <= 24)
    ]
    if not found and len(texts) > 1 and not any(label.kind for label, _, _ in labels):
        # A header over several rows: 個人 / 番号.
        joined = "".join([string for _, string in texts[:4]])
        label = label_of_header(joined) if len(joined) <= 40 else None
        if label is not None and label.kind in ("number", "other"):
            found = [(label, texts[0][0])]
    if found:
        column.label, column.label_row = found[-1]
        column.plain = None
        column.stratum = -1
    return column.label


def _spanning_label(stream: Stream, column: int) -> Label | None:
    """The label of a merged cell to the left above, where the column itself only says whose number it is."""
    own = stream.columns[column].title
    if own and not persons.traces(own) & persons.FAMILY:
        return None
    for left in range(column - 1, max(column - 13, -1), -1):
        other = stream.columns.get(left)
        if other is None or other.label is None:
            continue
        between = stream.header_rows.get(other.label_row)
        if other.label.kind != "number" or between is None or any(left < place <= column for place in between):
            return None
        # Kept: data such as 未提出 may come between the numbers.
        stream.columns[column].label, stream.columns[column].label_row = other.label, other.label_row
        return other.label
    return None


def _by_labels(header: Label | None, beside: Label | None, column: int) -> tuple[Weighed, tuple[object, ...]]:
    """What the header of the column and the label of the row say together; and the key of other numbers like it."""
    if header is not None and header.kind == "number":
        return Weighed(HEADER, header.word), ()
    if beside is not None and beside.kind == "number":
        return Weighed(ROW_LABEL, beside.word), ()
    if header is not None and header.kind == "other":
        return Weighed(-1, header.word), ("column", column)
    if beside is not None and beside.kind == "other":
        return Weighed(-1, beside.word), ("row", beside.word)
    return Weighed(TABLE, ""), ()


def _cell_evidence(piece: Piece, index: int, written: Written, *, strong: bool) -> int:
    """What the rest of the table says about a cell."""
    stream = piece.stream
    evidence = person_bits(stream.header_bits) | form_bits(written)
    if stream.form:
        evidence |= FORM_NEAR
    if stream.labelled:
        evidence |= LABEL_IN_TEXT
    if stream.sample_title or (piece.samples and _row_has_sample(piece, index)):
        evidence |= SAMPLE
    if not strong and not stream.header_bits:
        evidence |= person_bits(persons.traces(row_around(piece.text.content, piece.text.cells, index)))
    return evidence


def _row_has_sample(piece: Piece, index: int) -> bool:
    around = row_around(piece.text.content, piece.text.cells, index)
    return any(hit.kind == "sample" for hit in find_labels(around))


def _inside_evidence(before: str, after: str) -> Weighed:
    """What the rest of a cell says about a number in it."""
    hits, behind = find_labels(before), find_labels(after)
    evidence = SAMPLE if any(hit.kind == "sample" for hit in (*hits, *behind)) else 0
    named = [hit for hit in hits if hit.kind in ("number", "other")]
    key = key_before(before)
    after_label = label_behind(after, behind)
    for label, bit in (
        (named[-1] if named and connected(before, named[-1]) else None, LABEL),
        (label_of_header(key) if key else None, LABEL),
        (after_label if after_label is not None and after_label.kind == "number" else None, LABEL_AFTER),
    ):
        if label is not None and label.kind == "number":
            return Weighed(evidence | bit, label.word)
        if label is not None and label.kind == "other":
            return Weighed(-1, label.word)
    if named:
        return Weighed(evidence | (LABEL_NEAR if named[-1].kind == "number" else OTHER_NEAR), named[-1].word)
    return Weighed(evidence, "")


def outside_cells(text: Text) -> list[tuple[int, int]]:
    """Parts of a text with cells that are in no cell and could hold a number: a page is more than its tables."""
    cells = text.cells
    if len(text.content) - sum([cell.end - cell.start for cell in cells]) - len(cells) < LENGTH:
        return []
    parts = []
    position = 0
    for cell in cells:
        if cell.start - position >= LENGTH:
            parts.append((position, cell.start))
        position = max(position, cell.end)
    if len(text.content) - position >= LENGTH:
        parts.append((position, len(text.content)))
    return parts


def _beside(first: Cell, second: Cell) -> bool:
    return first.row == second.row and second.column == first.column + 1


def _fours_end_here(content: str, cells: Sequence[Cell], index: int) -> bool:
    """Whether the cell is the third of exactly three neighbours of four digits."""
    if index < 2:
        return False
    trio = cells[index - 2 : index + 1]
    if not (_beside(trio[0], trio[1]) and _beside(trio[1], trio[2])):
        return False
    if not all(cell.end - cell.start == 4 and content[cell.start : cell.end].isdecimal() for cell in trio):
        return False
    for other in (cells[index - 3] if index > 2 else None, cells[index + 1] if index + 1 < len(cells) else None):
        if (
            other is not None
            and other.row == trio[0].row
            and other.end - other.start == 4
            and content[other.start : other.end].isdecimal()
        ):
            return False
    return True


def _may_be_loose(string: str) -> bool:
    """Whether a label could make a number of a cell that is none by itself: over two lines, kanji numerals, rounded."""
    if len(string) > 60:
        return False
    if string.isascii() and string.isdecimal():
        return 9 <= len(string) < 12
    return len(ascii_digits(string)) == 12 or is_scientific(string)
