"""Text pieces of bounded length: running text with overlap, and tables whose columns stay known across pieces.

Only pieces that can hold a number are handed on (`digits.holds_number`); the rows that label a table's columns are
kept and handed on before the first such piece, however far below them it lies.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from triage.extractors.digits import field_starts, holds_number
from triage.text import Cell, Text, TextKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

PIECE_CHARS = 1 << 18
OVERLAP_CHARS = 512
"""Longer than any written number with the label before it."""
HEADER_ROWS = 8
"""So many rows at the top of a table are always kept."""
LABEL_ROWS = 64
"""So many further rows that look like labels are kept for the pieces after them."""
_LABEL = re.compile(
    "番号|ナンバー|ﾅﾝﾊﾞｰ|マイナ|ﾏｲﾅ|コード|ｺｰﾄﾞ|number|code|氏名|名前|個番|(?<![a-z])(?:no|id|tel|name|mynumber)(?![a-z])",
    re.IGNORECASE,
)

CellValue = tuple[int, str, bool]
"""Column counted from 0, what the cell says, and whether it is stored as a number."""


class Prose:
    """Running text of one stream, collected string by string and handed out in pieces."""

    def __init__(
        self,
        container: str,
        stream: str,
        *,
        location: str = "",
        encoding: str = "",
        kind: TextKind = "prose",
        piece_chars: int = PIECE_CHARS,
    ) -> None:
        self._container = container
        self._stream = stream
        self._location = location
        self._encoding = encoding
        self._kind: TextKind = kind
        self._piece_chars = piece_chars
        self._parts: list[str] = []
        self._length = 0
        self._overlap = 0
        self._first_char = 0

    def add(self, string: str) -> tuple[Text, ...]:
        """Append `string`; the pieces that are complete now (mostly none)."""
        self._parts.append(string)
        self._length += len(string)
        if self._length < self._piece_chars:
            return ()
        content = "".join(self._parts)
        pieces: list[Text] = []
        # One huge string makes several pieces.
        position = 0
        while len(content) - position >= self._piece_chars:
            end = position + self._piece_chars
            pieces.extend(self._piece(content[position:end]))
            position = max(end - OVERLAP_CHARS, position + 1)
            self._overlap = end - position
        rest = content[position:]
        self._parts = [rest]
        self._length = len(rest)
        return tuple(pieces)

    def finish(self) -> tuple[Text, ...]:
        """The last piece, if it can hold a number. The stream is at its end."""
        content = "".join(self._parts)
        self._parts = []
        self._length = 0
        return tuple(self._piece(content)) if len(content) > self._overlap else ()

    def _piece(self, content: str) -> Iterator[Text]:
        if holds_number(content):
            yield Text(
                content,
                self._encoding,
                self._kind,
                self._container,
                self._location,
                self._stream,
                first_char=self._first_char,
                overlap=self._overlap,
            )
        self._first_char += max(len(content) - OVERLAP_CHARS, 1)


def prose(
    strings: Iterable[str],
    container: str,
    stream: str,
    *,
    location: str = "",
    encoding: str = "",
    kind: TextKind = "prose",
) -> Iterator[Text]:
    """The pieces of the text that `strings` make up one after the other."""
    collected = Prose(container, stream, location=location, encoding=encoding, kind=kind)
    for string in strings:
        yield from collected.add(string)
    yield from collected.finish()


def is_label(string: str) -> bool:
    """Whether a row or line with this text may say what numbers below it are."""
    return len(string) < 2000 and _LABEL.search(string) is not None


class Table:
    """A table of one stream, collected row by row: cells are joined by tabs, rows by newlines.

    Rows that can hold no number and label nothing stay in the text but get no cells.
    """

    def __init__(self, container: str, stream: str, *, location: str = "", encoding: str = "") -> None:
        self._container = container
        self._stream = stream
        self._location = location
        self._encoding = encoding
        self._rows: list[tuple[int, Sequence[CellValue], str]] = []
        self._length = 0
        self._short: set[int] = set()
        self._first_char = 0
        self._kept: list[tuple[int, Sequence[CellValue], str]] = []
        self._handed: set[int] = set()
        self._seen = 0

    def add(self, row: int, cells: Sequence[CellValue]) -> tuple[Text, ...]:
        """Append row number `row` (from 0, ascending); the pieces that are complete now (mostly none)."""
        line = "\t".join([value for _, value, _ in cells])
        numbers = False
        for _, value, numeric in cells:
            # A number stored as such loses leading zeros: up to three of them are thought of.
            if numeric:
                numbers = True
                if 9 <= len(value) <= 11:
                    self._short.add(len(self._rows))
                    break
        self._rows.append((row, cells, line))
        self._length += len(line) + 1
        if self._seen < HEADER_ROWS or (not numbers and len(self._kept) < HEADER_ROWS + LABEL_ROWS and is_label(line)):
            self._kept.append((row, cells, line))
        self._seen += 1
        return self._flush() if self._length >= PIECE_CHARS else ()

    def finish(self) -> tuple[Text, ...]:
        """The last piece. The table is at its end."""
        return self._flush() if self._rows else ()

    def _flush(self) -> tuple[Text, ...]:
        rows, self._rows = self._rows, []
        short, self._short = self._short, set()
        length, self._length = self._length, 0
        content = "\n".join([line for _, _, line in rows])
        starts = list(accumulate([len(line) + 1 for _, _, line in rows], initial=0))
        edges = np.asarray(starts)
        hits = field_starts(content)
        pieces: list[Text] = []
        if hits.size or short:
            wanted = set(np.unique(np.searchsorted(edges, hits, side="right") - 1).tolist()) | short
            # One digit per row: the number goes on in the rows below its first digit.
            below = np.unique(np.searchsorted(edges, hits + 1, side="right")).tolist()
            wanted.update([index for index in below if index < len(rows) and len(rows[index][2]) < 16])
            kept = {row for row, _, _ in self._kept}
            labels = [entry for entry in self._kept if entry[0] < rows[0][0] and entry[0] not in self._handed]
            if labels:
                pieces.append(self._piece(labels, range(len(labels)), "\n".join([line for _, _, line in labels])))
            self._handed |= kept
            wanted.update(index for index, (row, _, _) in enumerate(rows) if row in kept)
            # The row above a run of numbers often names them, whatever it is called.
            wanted.update([index - 1 for index in wanted if index > 0 and len(wanted) < 4096])
            pieces.append(self._piece(rows, sorted(wanted), content))
        self._first_char += length
        return tuple(pieces)

    def _piece(self, rows: Sequence[tuple[int, Sequence[CellValue], str]], wanted: Iterable[int], content: str) -> Text:
        starts = list(accumulate([len(line) + 1 for _, _, line in rows], initial=0))
        cells: list[Cell] = []
        for index in wanted:
            row, values, _ = rows[index]
            position = starts[index]
            for column, value, numeric in values:
                end = position + len(value)
                if value:
                    cells.append(Cell(row, column, position, end, numeric))
                position = end + 1
        return Text(
            content,
            self._encoding,
            "table",
            self._container,
            self._location,
            self._stream,
            tuple(cells),
            first_char=self._first_char,
        )
