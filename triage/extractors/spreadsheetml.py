"""xlsx: every sheet, hidden ones too, row by row in bounded memory; names, comments, drawings and cached pivots.

Sheets are read with expressions over whole rows, several times faster than an XML parser calling Python for each
element; comments and CDATA sections, which no spreadsheet program writes there, are resolved first.
"""

from __future__ import annotations

import html
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from triage.extractors.biff import binary_package
from triage.extractors.model import ExtractionError, OutOfOutputError, OutOfTimeError, Problem
from triage.extractors.pieces import Prose, Table
from triage.extractors.shared_strings import SharedStrings
from triage.extractors.zip_archive import name_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from triage.extractors.model import Context, Source
    from triage.extractors.pieces import CellValue
    from triage.extractors.zip_archive import Archive
    from triage.text import Text

_CHUNK_BYTES = 1 << 18
_ROW_BYTES = 8 << 20
"""A single row longer than this is damaged."""

_CDATA = re.compile(rb"<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
_COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)
_ROW = re.compile(rb"<(?:\w+:)?row\b([^>]*?)(?:/>|>(.*?)</(?:\w+:)?row>)", re.DOTALL)
_ROW_END = re.compile(rb"</(?:\w+:)?row>")
_CELL = re.compile(rb"<(?:\w+:)?c(?:\s([^>]*?))?(?:/>|>(.*?)</(?:\w+:)?c>)", re.DOTALL)
_REFERENCE = re.compile(rb'\br="([A-Za-z]{1,3})\d*"')
_ROW_NUMBER = re.compile(rb'\br="(\d{1,9})"')
_TYPE = re.compile(rb'\bt="(\w+)"')
_VALUE = re.compile(rb"<(?:\w+:)?v(?:\s[^>]*)?>([^<]*)<")
_INLINE = re.compile(rb"<(?:\w+:)?t(?:\s[^>]*)?>([^<]*)<")
_FORMULA = re.compile(rb"<(?:\w+:)?f(?:\s[^>]*)?>([^<]*)<")
_PHONETIC = re.compile(rb"<(?:\w+:)?rPh\b.*?</(?:\w+:)?rPh>", re.DOTALL)
_STRING = re.compile(rb"<(?:\w+:)?si(?:\s[^>]*)?(?:/>|>(.*?)</(?:\w+:)?si>)", re.DOTALL)
_STRING_END = re.compile(rb"</(?:\w+:)?si>|<(?:\w+:)?si(?:\s[^>]*)?/>")
_SHEET = re.compile(rb"<(?:\w+:)?sheet\s([^>]*?)/?>")
_NAME = re.compile(rb"<(?:\w+:)?definedName\s([^>]*?)>([^<]*)<")
_RELATION = re.compile(rb"<(?:\w+:)?Relationship\s([^>]*?)/?>")
_HEADER_FOOTER = re.compile(rb"<(?:\w+:)?(?:odd|even|first)(?:Header|Footer)>([^<]+)<")
_LONG_FORMULA = re.compile(r"[0-9０-９]{4}")


def _attribute(attributes: bytes, name: bytes) -> str:
    match = re.search(rb"(?:^|[\s:])" + name + rb"\s*=\s*(?:\"([^\"]*)\"|'([^']*)')", attributes)
    return html.unescape((match[1] or match[2] or b"").decode("utf-8", "replace")) if match else ""


def _text(raw: bytes) -> str:
    text = raw.decode("utf-8", "replace")
    return html.unescape(text) if "&" in text else text


def _plain(chunk: bytes) -> bytes:
    """A chunk of XML without comments, and with CDATA sections as escaped text."""
    if b"<!" not in chunk:
        return chunk
    chunk = _CDATA.sub(lambda match: html.escape(match[1].decode("utf-8", "replace")).encode(), chunk)
    return _COMMENT.sub(b"", chunk)


def _pieces(source: Source, context: Context, end: re.Pattern[bytes]) -> Iterator[bytes]:
    """The XML of a part in pieces that end where `end` matches (rows, strings); the last piece is what remains."""
    position = 0
    rest = b""
    wide = source.read_at(0, 2) in (b"\xff\xfe", b"\xfe\xff")
    if wide:
        raise ExtractionError("unsupported", "UTF-16 のシートは未対応です", "a sheet in UTF-16 is not supported")
    while data := source.read_at(position, _CHUNK_BYTES):
        context.check_time()
        position += len(data)
        rest += data
        cut = 0
        # The last end of a row in reach; searched from behind would need a reversed expression.
        for match in end.finditer(rest):
            cut = match.end()
        if cut:
            yield _plain(rest[:cut])
            rest = rest[cut:]
        elif len(rest) > _ROW_BYTES:
            raise ExtractionError("damaged", "シートの行が長すぎます", "a row of the sheet is too long")
    if rest:
        yield _plain(rest)


def _string_item(item: bytes) -> bytes:
    """The text of one `si` or `is`: its runs joined, readings (furigana) after it."""
    if b"rPh" in item:
        readings = b"".join(b"".join(_INLINE.findall(part)) for part in _PHONETIC.findall(item))
        return b"".join(_INLINE.findall(_PHONETIC.sub(b"", item))) + (b" " + readings if readings else b"")
    return b"".join(_INLINE.findall(item))


def _shared_strings(source: Source, context: Context) -> SharedStrings:
    strings = SharedStrings()
    for piece in _pieces(source, context, _STRING_END):
        for item in _STRING.findall(piece):
            text = _string_item(item)
            strings.add(html.unescape(text.decode("utf-8", "replace")).encode() if b"&" in text else text)
    return strings


def number_text(raw: str) -> str:
    """A stored number as its digits: `1.23456789018E11` and `123456789018.0` are whole numbers."""
    if raw.isdecimal() or len(raw) > 32:
        return raw
    try:
        value = float(raw)
    except ValueError:
        return raw
    return str(int(value)) if value.is_integer() and abs(value) < 1e16 else raw


@lru_cache(maxsize=16384)
def column_number(letters: bytes) -> int:
    """Column counted from 0: A is 0, AA is 26."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number - 1


_QUICK = re.compile(rb'<c r="([A-Z]{1,3})\d+"(?: s="\d+")?(?: t="([ns])")?(?:/>|><v>([^<]*)</v></c>)')


def _row_cells(body: bytes, strings: SharedStrings) -> list[CellValue]:
    """The cells of a row: at once where all are written as usual, else one by one."""
    found = _QUICK.findall(body)
    if len(found) != body.count(b"<c ") or body.count(b"<") != body.count(b"<c ") + 3 * body.count(b"</c>"):
        return _any_row_cells(body, strings)
    cells: list[CellValue] = []
    for letters, kind, raw in found:
        if not raw:
            continue
        if kind == b"s":
            value = strings[int(raw)] if raw.isdigit() and len(raw) < 10 else ""
            if value:
                cells.append((column_number(letters), value, False))
        else:
            cells.append((column_number(letters), number_text(raw.decode("utf-8", "replace").strip()), True))
    return cells


def _any_row_cells(body: bytes, strings: SharedStrings) -> list[CellValue]:
    cells: list[CellValue] = []
    following = 0
    for attributes, inner in _CELL.findall(body):
        reference = _REFERENCE.search(attributes)
        column = column_number(reference[1]) if reference else following
        following = column + 1
        if not inner:
            continue
        kind = _TYPE.search(attributes)
        what = kind[1] if kind else b"n"
        numeric = False
        if what == b"inlineStr":
            value = _text(_string_item(inner))
        else:
            stored = _VALUE.search(inner)
            value = stored[1].decode("utf-8", "replace") if stored else ""
            if what == b"s":
                value = strings[int(value)] if value.isdecimal() and len(value) < 10 else ""
            elif what == b"n":
                value = number_text(value.strip())
                numeric = True
            elif "&" in value:
                value = html.unescape(value)
        if b"<f" in inner or b":f" in inner:
            formula = _FORMULA.search(inner)
            if formula and _LONG_FORMULA.search(text := _text(formula[1])) and (not value or value not in text):
                # A number may stand in the formula alone: ="123456789018", TEXT(12345678901,"0").
                value = f"{value} ={text}" if not numeric else value
        if value:
            cells.append((column, value, numeric))
    return cells


def _sheet(archive: Archive, source: Source, title: str, strings: SharedStrings) -> Iterator[Text | Problem]:
    container = archive.source.container
    table = Table(container, f"xl:{title}", location=title, encoding="utf-8")
    row = -1
    for piece in _pieces(source, archive.context, _ROW_END):
        for attributes, body in _ROW.findall(piece):
            number = _ROW_NUMBER.search(attributes)
            row = max(int(number[1]) - 1, row + 1) if number else row + 1
            cells = _row_cells(body, strings) if body else []
            if cells:
                yield from table.add(row, cells)
        for marginal in _HEADER_FOOTER.findall(piece):
            yield from table.add(row := row + 1, ((0, _text(marginal), False),))
    yield from table.finish()


def _titles(archive: Archive) -> dict[str, str]:
    """Part name of each sheet -> its title, in the order of the workbook."""
    workbook = archive.read("xl/workbook.xml")
    relations = {}
    if "xl/_rels/workbook.xml.rels" in archive.names:
        for attributes in _RELATION.findall(_plain(archive.read("xl/_rels/workbook.xml.rels"))):
            target = _attribute(attributes, b"Target")
            part = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
            relations[_attribute(attributes, b"Id")] = part
    titles: dict[str, str] = {}
    for attributes in _SHEET.findall(_plain(workbook)):
        part = relations.get(_attribute(attributes, b"id"), "")
        if part in archive.names:
            titles[part] = _attribute(attributes, b"name")
    return titles


def _names(archive: Archive) -> Iterator[Text]:
    """Sheet names and defined names, which may hold a number themselves or stand for one."""
    container = archive.source.container
    prose = Prose(container, "xl/workbook.xml", location="xl/workbook.xml", encoding="utf-8", kind="form")
    workbook = _plain(archive.read("xl/workbook.xml"))
    for attributes, body in _NAME.findall(workbook):
        yield from prose.add(f"{_attribute(attributes, b'name')}: {_text(body)}\n")
    yield from prose.finish()
    for attributes in _SHEET.findall(workbook):
        yield from name_text(container, _attribute(attributes, b"name"))


def document(archive: Archive, names: list[str], done: set[str]) -> Iterator[Text | Problem]:
    """Sheets in the order of the workbook, then sheets it no longer lists, then its names."""
    container = archive.source.container
    if "xl/workbook.bin" in archive.names:
        done.update(name for name in names if name.startswith("xl/") and name.endswith(".bin"))
        numbered = [name for name in names if name.startswith("xl/worksheets/sheet") and name.endswith(".bin")]
        yield from binary_package(archive, sorted(numbered, key=lambda name: (len(name), name)))
        return
    titles: dict[str, str] = {}
    strings = SharedStrings()
    try:
        titles = _titles(archive)
        yield from _names(archive)
    except (OutOfTimeError, OutOfOutputError):
        raise
    except ExtractionError as error:
        yield error.problem(container, "xl/workbook.xml")
    shared = next((name for name in names if name.lower().endswith("sharedstrings.xml")), None)
    try:
        if shared:
            member = archive.member(shared)
            strings = _shared_strings(member.source, archive.context)
            if member.error:
                yield member.error.problem(container, shared)
        if strings.lost:
            yield Problem("limit", "共有文字列が多すぎます", "too many shared strings", container, shared or "")
    except (OutOfTimeError, OutOfOutputError):
        raise
    except ExtractionError as error:
        yield error.problem(container, shared or "")
    sheets = [*titles, *sorted(name for name in names if name.startswith("xl/worksheets/") and name.endswith(".xml"))]
    done.update(sheets, [shared or "", "xl/workbook.xml", "xl/calcChain.xml", "xl/metadata.xml"])
    for name in dict.fromkeys(sheets):
        if "/_rels/" in name:
            continue
        title = titles.get(name, name)
        try:
            member = archive.member(name)
            yield from _sheet(archive, member.source, title, strings)
            if member.error:
                raise member.error
        except (OutOfTimeError, OutOfOutputError):
            raise
        except ExtractionError as error:
            yield error.problem(container, title)
