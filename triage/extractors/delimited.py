"""Tables in plain text: comma, tab, semicolon or bar between fields, or columns aligned by spaces.

The text stays as it is in the file; `Cell` spans lie over it, with a quoted field's quotes outside. A number column
saved by a spreadsheet has lost its leading zeros: bare fields of eleven digits are marked `numeric`.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from triage.extractors.blocks import blocks, line_cut
from triage.extractors.digits import field_starts
from triage.extractors.encodings import BOMS, content_of, cut_of, encoding_of
from triage.extractors.pieces import HEADER_ROWS, LABEL_ROWS, is_label
from triage.text import Cell, Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from triage.extractors.blocks import Block
    from triage.extractors.encodings import Encoding
    from triage.extractors.model import Context, Source

_DELIMITERS = (",", "\t", ";", "|")
_ALIGNED = re.compile(r"[ 　]{2,}|[\t　]+")
_SAMPLE_ROWS = 60
_MAX_COLUMNS = 16384
_RECORD_LINES = 64
"""A quote that is not closed within so many lines is no quote."""
_LOST_ZERO = re.compile(r"(?:^|[,\t;|])[1-9][0-9]{10}(?=[,\t;|\r\n]|$)", re.MULTILINE)
_ELEVEN = re.compile(r"[1-9][0-9]{10}")


class Layout(NamedTuple):
    """How fields are told apart: by `delimiter`, or by runs of spaces if it is empty."""

    delimiter: str


def _steady(counts: list[int], *, least_rows: int, share: float) -> bool:
    """Whether most rows have the same number of fields, more than one."""
    if len(counts) < least_rows:
        return False
    fields, rows = Counter(counts).most_common(1)[0]
    return fields > 1 and rows >= share * len(counts)


def layout_of(head: bytes) -> Layout | None:
    """The layout of the table that `head` begins; None for running text."""
    encoding = encoding_of(head)
    if encoding is None:
        return None
    sample = head[:32768]
    for mark, marked in BOMS:
        if marked == encoding and sample.startswith(mark):
            sample = sample[len(mark) :]
            break
    content = content_of(sample[: len(sample) - cut_of(sample, encoding)], encoding)
    lines = content.splitlines()
    if len(head) > 32768 and lines:
        lines.pop()
    lines = [line for line in lines if line.strip()][:_SAMPLE_ROWS]
    if not lines:
        return None
    for delimiter in _DELIMITERS:
        if sum(delimiter in line for line in lines) * 2 < len(lines):
            continue
        try:
            counts = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
        except csv.Error:
            continue
        if _steady(counts, least_rows=2, share=0.7):
            return Layout(delimiter)
    counts = [len(_ALIGNED.split(line.strip())) for line in lines]
    if _steady(counts, least_rows=3, share=0.8):
        return Layout("")
    return None


def _record_cut(data: bytes, encoding: Encoding) -> int:
    """Where the last whole record of `data` ends: a line end outside quotes."""
    at = line_cut(data, encoding)
    if data.count(b'"', 0, at) % 2 == 0:
        return at
    width = 4 if encoding.startswith("utf-32") else 2 if encoding.startswith("utf-16") else 1
    if width > 1:
        return at
    codes = np.frombuffer(data, dtype=np.uint8)
    open_quotes = np.cumsum(codes == 0x22) & 1
    ends = np.flatnonzero((codes == 0x0A) & (open_quotes == 0))
    # Quotes that never close would carry the whole file along: then lines are records.
    return int(ends[-1]) + 1 if ends.size and ends[-1] > len(data) // 2 else at


def _records(content: str, delimiter: str) -> list[str]:
    """The records of a block, each with its line end; a quoted field may hold line ends."""
    lines = content.splitlines(keepends=True) if "\r" in content.replace("\r\n", "") else _split_lines(content)
    if not delimiter or '"' not in content:
        return lines
    records: list[str] = []
    pending: list[str] = []
    for line in lines:
        odd = line.count('"') % 2 == 1
        if pending:
            pending.append(line)
            if odd:
                records.append("".join(pending))
                pending = []
            elif len(pending) > _RECORD_LINES:
                records.extend(pending)
                pending = []
        elif odd:
            pending.append(line)
        else:
            records.append(line)
    records.extend(pending)
    return records


def _split_lines(content: str) -> list[str]:
    """Lines by newline alone: `str.splitlines` also cuts at separators that belong to a field."""
    lines = content.split("\n")
    ending = [f"{line}\n" for line in lines[:-1]]
    return [*ending, lines[-1]] if lines[-1] else ending


def _field_pattern(delimiter: str) -> re.Pattern[str]:
    if not delimiter:
        return re.compile(r"[^ \t\r\n　]+(?: [^ \t\r\n　]+)*")
    mark = re.escape(delimiter)
    return re.compile(rf'="[^"]*"|"(?:[^"]|"")*"(?=[ ]*(?:{mark}|[\r\n]|$))|[^{mark}\r\n]+|{mark}')


class _Rows:
    """The records of one table, block after block."""

    def __init__(self, container: str, layout: Layout) -> None:
        self._container = container
        self._delimiter = layout.delimiter
        self._pattern = _field_pattern(layout.delimiter)
        self._row = 0
        self._characters = 0
        self._kept: list[tuple[int, str]] = []
        self._handed = 0

    def _cells(self, row: int, record: str, start: int) -> list[Cell]:
        cells: list[Cell] = []
        if self._delimiter and '"' not in record:
            position = start
            for column, field in enumerate(record.rstrip("\r\n").split(self._delimiter, _MAX_COLUMNS)):
                stripped = field.strip()
                if stripped:
                    low = position if field is stripped else position + field.index(stripped)
                    numeric = len(stripped) == 11 and _ELEVEN.fullmatch(stripped) is not None
                    cells.append(Cell(row, column, low, low + len(stripped), numeric))
                position += len(field) + 1
            return cells
        column = 0
        for match in self._pattern.finditer(record):
            field = match[0]
            if field == self._delimiter:
                column += 1
                if column > _MAX_COLUMNS:
                    break
                continue
            low, high = match.span()
            stripped = field.strip(" \t=\"'")
            if stripped:
                low += field.index(stripped)
                high = low + len(stripped)
                numeric = field[0] not in '="' and len(stripped) == 11 and _ELEVEN.fullmatch(stripped) is not None
                cells.append(Cell(row, column, start + low, start + high, numeric))
            if not self._delimiter:
                column += 1
        return cells

    def block(self, block: Block) -> Iterator[Text]:
        """The text of one block, if it can hold a number; its labels are kept in any case."""
        content = block.content
        hits = field_starts(content)
        short = [match.end() - 1 for match in _LOST_ZERO.finditer(content)] if self._delimiter else []
        first_row = self._row
        if not hits.size and not short and len(self._kept) >= HEADER_ROWS and not is_label_block(content):
            self._row += len(_records(content, self._delimiter))
            self._characters += len(content)
            return
        records = _records(content, self._delimiter)
        starts = list(accumulate(map(len, records), initial=0))
        edges = np.asarray(starts[1:] or [0])
        wanted = set(np.searchsorted(edges, hits, side="right").tolist())
        wanted.update(np.searchsorted(edges, np.asarray(short, dtype=np.int64), side="right").tolist())
        for index, record in enumerate(records):
            row = first_row + index
            if index in wanted and row >= HEADER_ROWS:
                continue
            if row < HEADER_ROWS or (len(self._kept) < HEADER_ROWS + LABEL_ROWS and is_label(record)):
                self._kept.append((row, record))
            elif len(self._kept) >= HEADER_ROWS + LABEL_ROWS:
                break
        if hits.size or short:
            if self._kept and self._kept[0][0] < first_row and self._handed < len(self._kept):
                yield from self._labels(first_row)
            wanted.update([index - 1 for index in wanted if index > 0])
            wanted.update(row - first_row for row, _ in self._kept if row >= first_row)
            self._handed = len(self._kept)
            cells: list[Cell] = []
            for index in sorted(wanted):
                if index < len(records):
                    cells.extend(self._cells(first_row + index, records[index], starts[index]))
            yield Text(
                content,
                block.encoding,
                "table",
                self._container,
                stream="text",
                cells=tuple(cells),
                offsets=block.offsets(),
                first_char=self._characters,
            )
        self._row += len(records)
        self._characters += len(content)

    def _labels(self, first_row: int) -> Iterator[Text]:
        content = ""
        cells: list[Cell] = []
        for row, record in self._kept[self._handed :]:
            if row >= first_row:
                break
            cells.extend(self._cells(row, record, len(content)))
            content += record
        if content:
            yield Text(content, "", "table", self._container, stream="text", cells=tuple(cells))


def is_label_block(content: str) -> bool:
    """Whether any line of a block may be a label; only asked of blocks without numbers."""
    return any(word in content for word in ("番号", "ナンバー", "ﾅﾝﾊﾞｰ", "umber", "NUMBER", "ID"))


def rows(source: Source, context: Context, layout: Layout) -> Iterator[Text]:
    """The table in pieces: rows that can hold numbers, and the rows that say what their columns are, have cells."""
    table = _Rows(source.container, layout)
    for block in blocks(source, context, overlap=False, cut=_record_cut):
        yield from table.block(block)
