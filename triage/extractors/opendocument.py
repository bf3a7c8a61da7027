"""OpenDocument (odt, ods, odp): content, styles with headers and footers, metadata, comments, tracked deletions.

Element names are those of OASIS ODF 1.3; repeated empty cells and rows are counted, not expanded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from triage.extractors import zip_archive
from triage.extractors.digits import holds_number
from triage.extractors.model import Child, ExtractionError, OutOfOutputError, OutOfTimeError, Problem
from triage.extractors.pieces import Prose, Table, is_label
from triage.extractors.spreadsheetml import number_text
from triage.extractors.xml_parts import chunks_of, may_hold_number, parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from triage.extractors.model import Source
    from triage.extractors.pieces import CellValue
    from triage.extractors.zip_archive import Archive
    from triage.text import Text

_PARTS = ("content.xml", "styles.xml", "meta.xml")
_REPEATED = 1000
"""So many copies of a cell or row that holds something are handed on."""


def is_document(archive: Archive) -> bool:
    """Whether a package says that it is an OpenDocument."""
    if "content.xml" not in archive.names or "META-INF/manifest.xml" not in archive.names:
        return False
    return "mimetype" in archive.names or "styles.xml" in archive.names


class _Content:
    """Handler for text, tables and table cells."""

    def __init__(self, container: str, location: str) -> None:
        self._container = container
        self._location = location
        self.prose = Prose(container, location, location=location, encoding="utf-8")
        self.ready: list[Text] = []
        self._tables: list[Table] = []
        self._rows: list[int] = []
        self._cells: list[list[CellValue]] = []
        self._column = 0
        self._cell: list[list[str]] = []
        self._value = ""
        self._repeat = 1
        self._row_repeat = 1
        self._count = 0
        self._caption = ""
        self._line: list[str] = []
        self._notes: list[list[str]] = []

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "annotation":
            # A comment stands inside its cell or paragraph, but is no part of it.
            self._notes.append(self._line)
            self._line = []
        elif name == "table" and len(self._tables) < 32:
            self._flush()
            self._count += 1
            title = attributes.get("name", "")
            location = f"{self._location}!{title}" if title else self._location
            self._tables.append(
                Table(self._container, f"{self._location}#table{self._count}", location=location, encoding="utf-8")
            )
            self._rows.append(0)
            self._cells.append([])
            if self._caption and is_label(self._caption) and not holds_number(self._caption):
                self.ready += self._tables[-1].add(0, ((0, self._caption, False),))
                self._rows[-1] = 1
        elif name == "table-row" and self._tables:
            self._row_repeat = _count(attributes.get("number-rows-repeated"))
            self._column = 0
            self._cells[-1] = []
        elif name in ("table-cell", "covered-table-cell") and self._tables:
            self._repeat = _count(attributes.get("number-columns-repeated"))
            numeric = attributes.get("value-type") in ("float", "currency", "percentage")
            self._value = attributes.get("value", "") if numeric else attributes.get("string-value", "")
            self._cell.append([])
        elif name == "tab":
            self._line.append("\t")
        elif name == "line-break":
            self._line.append("\n")
        elif name == "s":
            self._line.append(" " * min(_count(attributes.get("c")), 200))
        elif name == "user-defined":
            self._line.append(f"{attributes.get('name', '')}: ")
        elif "value" in attributes and name in ("text", "textarea", "formatted-text", "password", "property"):
            self._line.append(f"\n{attributes.get('name', '')}: {attributes['value']}\n")

    def end(self, name: str) -> None:
        if name == "annotation" and self._notes:
            self.ready += self.prose.add("".join([*self._line, "\n"]))
            self._line = self._notes.pop()
        elif self._notes:
            self._line.append("\n" if name in ("p", "h", "date", "creator") else "")
        elif name in (
            "p",
            "h",
            "user-defined",
            "title",
            "subject",
            "description",
            "keyword",
            "creator",
            "initial-creator",
            "generator",
            "date",
            "creation-date",
            "editing-duration",
        ):
            self._line.append("\n")
            self._flush()
        elif name in ("table-cell", "covered-table-cell") and self._cell:
            self._flush()
            text = "".join(self._cell.pop()).strip("\n")
            stored = number_text(self._value) if self._value else ""
            numeric = bool(stored) and stored.isdecimal()
            # What is shown keeps leading zeros that the stored number has lost; both are said where they differ.
            value = text if text and (not numeric or len(text) >= len(stored)) else stored
            if value and numeric and text == stored:
                value = stored
            for copy in range(min(self._repeat, _REPEATED) if value else 0):
                self._cells[-1].append((self._column + copy, value, numeric and value == stored))
            self._column += self._repeat
        elif name == "table-row" and self._tables:
            if self._cells[-1]:
                for copy in range(min(self._row_repeat, _REPEATED)):
                    self.ready += self._tables[-1].add(self._rows[-1] + copy, self._cells[-1])
            self._rows[-1] += self._row_repeat
        elif name == "table" and self._tables:
            self.ready += self._tables.pop().finish()
            self._rows.pop()
            self._cells.pop()

    def data(self, text: str) -> None:
        self._line.append(text)

    def _flush(self) -> None:
        if not self._line:
            return
        text = "".join(self._line)
        self._line = []
        if self._cell:
            self._cell[-1].append(text)
        else:
            if text.strip():
                self._caption = text.strip()
            self.ready += self.prose.add(text)

    def finish(self) -> list[Text]:
        self._flush()
        while self._tables:
            self.ready += self._tables.pop().finish()
        self.ready += self.prose.finish()
        return self.ready


def _count(value: str | None) -> int:
    return int(value) if value and value.isdecimal() and len(value) < 8 else 1


def _part(archive: Archive, source: Source, name: str) -> Iterator[Text | Problem]:
    if source.size <= 8 << 20 and not may_hold_number(source.read_at(0, source.size), attributes=True):
        return
    handler = _Content(archive.source.container, name)
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


def _is_encrypted(archive: Archive) -> bool:
    try:
        return b"encryption-data" in archive.read("META-INF/manifest.xml")
    except (OutOfTimeError, OutOfOutputError):
        raise
    except ExtractionError:
        return False


def document(archive: Archive) -> Iterator[Text | Problem | Child]:
    """Content first, then styles and metadata, then embedded objects."""
    container = archive.source.container
    if _is_encrypted(archive):
        yield Problem("encrypted", "文書が暗号化されています", "the document is encrypted", container)
        return
    names = [entry.name for entry in archive.entries if not entry.is_folder]
    wanted = [name for part in _PARTS for name in names if name == part or name.endswith(f"/{part}")]
    for name in wanted:
        try:
            member = archive.member(name)
            yield from _part(archive, member.source, name)
            if member.error:
                raise member.error
        except (OutOfTimeError, OutOfOutputError):
            raise
        except ExtractionError as error:
            yield error.problem(container, name)
    quiet = (
        "mimetype",
        "settings.xml",
        "META-INF/",
        "Thumbnails/",
        "Pictures/",
        "Configurations2/",
        "ObjectReplacements/",
        "manifest.rdf",
        "layout-cache",
    )
    rest = [archive.names[name] for name in names if name not in wanted and not name.startswith(quiet)]
    yield from zip_archive.members(archive, rest)
