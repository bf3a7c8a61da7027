"""docx: body, headers, footers, notes and comments; runs joined, tables as cells, deleted and hidden text included."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from triage.extractors.digits import holds_number
from triage.extractors.model import ExtractionError, Problem, Source
from triage.extractors.pieces import CellValue, Prose, Table, is_label
from triage.extractors.xml_parts import chunks_of, may_hold_number, parse
from triage.extractors.zip_archive import Archive
from triage.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping

PartReader = Callable[[Archive, Source, str], Iterator[Text | Problem]]
_CHECKED_BYTES = 8 << 20
_TABLES = 32
"""Tables inside tables."""


class _OpenTable:
    """A table that is being read: where its rows go, and the row and cell that are open."""

    __slots__ = ("cell", "cells", "column", "number", "row", "span", "table")

    def __init__(self, table: Table) -> None:
        self.table = table
        self.row = 0
        self.column = 0
        self.span = 1
        self.cells: list[CellValue] = []
        self.cell: list[str] = []


class Paragraphs:
    """Handler for WordprocessingML and DrawingML text: paragraphs, runs, tables of both vocabularies."""

    def __init__(self, container: str, location: str) -> None:
        self._container = container
        self._location = location
        self.prose = Prose(container, location, location=location, encoding="utf-8")
        self.ready: list[Text] = []
        self._tables: list[_OpenTable] = []
        self._table_count = 0
        self._taking = False
        self._fallback = 0
        self._paragraph: list[str] = []
        self._caption = ""

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """Open text, tables, rows and cells; breaks become characters."""
        if name == "Fallback":
            # The same text box a second time, for old readers.
            self._fallback += 1
        elif self._fallback:
            return
        elif name in ("t", "delText", "instrText", "delInstrText"):
            self._taking = True
        elif name == "tab":
            self._put("\t")
        elif name in ("br", "cr", "txbxContent"):
            self._put("\n")
        elif name == "noBreakHyphen":
            self._put("-")
        elif name == "tbl" and len(self._tables) < _TABLES:
            self._flush_paragraph()
            self._table_count += 1
            stream = f"{self._location}#table{self._table_count}"
            table = Table(self._container, stream, location=self._location, encoding="utf-8")
            self._tables.append(_OpenTable(table))
            if self._caption and is_label(self._caption) and not holds_number(self._caption):
                self.ready += table.add(0, ((0, self._caption, False),))
                self._tables[-1].row = 1
        elif name == "gridSpan" and self._tables:
            self._tables[-1].span = _span(attributes.get("val", "1"))
        elif name == "tc" and self._tables:
            self._tables[-1].span = _span(attributes.get("gridSpan", "1"))
            self._tables[-1].cell = []

    def end(self, name: str) -> None:
        """Close them; a paragraph outside tables is a line of the running text."""
        if name == "Fallback":
            self._fallback -= 1
            return
        if self._fallback:
            return
        if name in ("t", "delText", "instrText", "delInstrText"):
            self._taking = False
        elif name == "p":
            self._put("\n")
            self._flush_paragraph()
        elif name == "tc" and self._tables:
            self._flush_paragraph()
            inner = self._tables[-1]
            inner.cells.append((inner.column, "".join(inner.cell).strip("\n"), False))
            inner.column += inner.span
            inner.span = 1
            inner.cell = []
        elif name == "tr" and self._tables:
            inner = self._tables[-1]
            self.ready += inner.table.add(inner.row, inner.cells)
            inner.row += 1
            inner.column = 0
            inner.cells = []
        elif name == "tbl" and self._tables:
            self.ready += self._tables.pop().table.finish()

    def data(self, text: str) -> None:
        """Characters, where they are text of the document."""
        if self._taking and not self._fallback:
            self._put(text)

    def _put(self, text: str) -> None:
        self._paragraph.append(text)

    def _flush_paragraph(self) -> None:
        if not self._paragraph:
            return
        text = "".join(self._paragraph)
        self._paragraph = []
        if self._tables:
            self._tables[-1].cell.append(text)
        else:
            if text.strip():
                self._caption = text.strip()
            self.ready += self.prose.add(text)

    def finish(self) -> list[Text]:
        """Close whatever is still open, as at the end of a damaged part."""
        self._flush_paragraph()
        while self._tables:
            inner = self._tables.pop()
            if inner.cell:
                inner.cells.append((inner.column, "".join(inner.cell), False))
            if inner.cells:
                self.ready += inner.table.add(inner.row, inner.cells)
            self.ready += inner.table.finish()
        self.ready += self.prose.finish()
        return self.ready


def _span(value: str) -> int:
    return min(int(value), 1000) if value.isdecimal() and len(value) < 5 else 1


def part_text(archive: Archive, source: Source, name: str) -> Iterator[Text | Problem]:
    """The text of one part in WordprocessingML or DrawingML."""
    if source.size <= _CHECKED_BYTES and not may_hold_number(source.read_at(0, source.size)):
        return
    handler = Paragraphs(archive.source.container, name)
    try:
        for _ in parse(chunks_of(source), handler, archive.context):
            yield from handler.ready
            handler.ready.clear()
    except ExtractionError as error:
        yield from handler.finish()
        if error.reason == "limit":
            raise
        yield error.problem(archive.source.container, name)
        return
    yield from handler.finish()


_STORIES = ("document", "header", "footer", "footnotes", "endnotes", "comments", "glossary/document")


def document(archive: Archive, names: list[str], done: set[str]) -> Iterator[Text | Problem]:
    """The body first, then headers, footers, notes and comments, then glossary and diagrams."""
    from triage.extractors.ooxml import parts  # noqa: PLC0415 - that module lists this one

    chosen = [
        name
        for story in _STORIES
        for name in names
        if name.startswith(f"word/{story}") and name.endswith(".xml") and "/_rels/" not in name and name not in done
    ]
    chosen += [
        name for name in names if name.startswith(("word/diagrams/data", "word/charts/")) and name.endswith(".xml")
    ]
    chosen = list(dict.fromkeys(chosen))
    done.update(chosen)
    yield from parts(archive, chosen, part_text)
