"""xls and xlsb: every sheet of a binary workbook, hidden ones too, with comments, text boxes, headers and names.

BIFF5 and BIFF8 by MS-XLS, BIFF12 by MS-XLSB. Records are read one by one: what is damaged costs that record.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

from triage.extractors.encodings import content_of, encoding_of
from triage.extractors.model import ExtractionError, OutOfOutputError, OutOfTimeError
from triage.extractors.pieces import Prose, Table
from triage.extractors.shared_strings import SharedStrings
from triage.extractors.zip_archive import name_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from triage.extractors.model import Context, Problem, Source
    from triage.extractors.pieces import CellValue
    from triage.extractors.zip_archive import Archive
    from triage.text import Text

_BOF, _EOF, _CONTINUE, _FILEPASS = 0x0809, 0x000A, 0x003C, 0x002F
_BOUND_SHEET, _STRINGS = 0x0085, 0x00FC
_LABEL, _RICH_LABEL, _SHARED_LABEL = 0x0204, 0x00D6, 0x00FD
_NUMBER, _RK, _MANY_RK, _FORMULA, _STRING = 0x0203, 0x027E, 0x00BD, 0x0006, 0x0207
_TEXT_OBJECT, _HEADER, _FOOTER = 0x01B6, 0x0014, 0x0015
_MAX_COLUMN = 16384


def number(value: float) -> str:
    """A stored number as its digits."""
    if math.isfinite(value) and abs(value) < 1e16 and value.is_integer():
        return str(int(value))
    return repr(value)


def rk_number(raw: int) -> str:
    """A number in the 30-bit form: integer or the upper part of a double, perhaps times 100."""
    if raw & 2:
        integer = raw >> 2
        value = float(integer - (1 << 30) if integer & (1 << 29) else integer)
    else:
        value = struct.unpack("<d", struct.pack("<Q", (raw & 0xFFFFFFFC) << 32))[0]
    return number(value / 100 if raw & 1 else value)


def _characters(data: bytes, at: int, count: int, flags: int) -> tuple[str, int]:
    """`count` characters of a BIFF8 string and the position behind them."""
    size = count * 2 if flags & 1 else count
    raw = data[at : at + size]
    return raw.decode("utf-16-le" if flags & 1 else "latin-1", "replace"), at + size


def _narrow(raw: bytes) -> str:
    """A string of BIFF5, in the code page of the machine that wrote it."""
    return content_of(raw, encoding_of(raw) or "cp932")


class _Row:
    """The cells of the row that is being read."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self.number = -1
        self._cells: list[CellValue] = []

    def put(self, row: int, column: int, value: str, *, numeric: bool) -> Iterator[Text]:
        """A cell; when a new row begins, the one before goes to the table."""
        if row != self.number:
            yield from self.flush()
            self.number = row
        if value and column < _MAX_COLUMN and len(self._cells) < _MAX_COLUMN:
            self._cells.append((column, value, numeric))

    def flush(self) -> tuple[Text, ...]:
        """The row as it is."""
        cells, self._cells = self._cells, []
        return self._table.add(self.number, cells) if cells else ()


def _records(stream: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(stream):
        kind, size = struct.unpack_from("<HH", stream, at)
        yield kind, stream[at + 4 : at + 4 + size]
        at += 4 + size


def _read_strings(parts: list[bytes], strings: SharedStrings) -> None:
    """The shared string table: strings may be cut between records, where their width may change."""
    part = 0
    data = parts[0]
    at = 8

    def more() -> bool:
        nonlocal part, data, at
        if part + 1 >= len(parts):
            return False
        part += 1
        data = parts[part]
        at = 0
        return True

    while True:
        if at >= len(data) and not more():
            return
        if at + 3 > len(data):
            return
        count, flags = struct.unpack_from("<HB", data, at)
        at += 3
        skipped = 0
        if flags & 8 and at + 2 <= len(data):
            skipped += 4 * struct.unpack_from("<H", data, at)[0]
            at += 2
        if flags & 4 and at + 4 <= len(data):
            skipped += struct.unpack_from("<I", data, at)[0]
            at += 4
        pieces: list[str] = []
        while count > 0:
            if at >= len(data):
                if not more() or not data:
                    break
                flags = (flags & ~1) | (data[0] & 1)
                at = 1
            width = 2 if flags & 1 else 1
            here = min(count, (len(data) - at) // width)
            if here <= 0:
                break
            text, at = _characters(data, at, here, flags)
            pieces.append(text)
            count -= here
        strings.add("".join(pieces).encode("utf-8", "replace"))
        while skipped > 0:
            here = min(skipped, len(data) - at)
            at += here
            skipped -= here
            if skipped and not more():
                return


class _Workbook:
    """State of the reading of one stream."""

    def __init__(self, container: str) -> None:
        self.container = container
        self.strings = SharedStrings()
        self.titles: list[str] = []
        self.wide = True
        self.sheet = -1
        self.table: Table | None = None
        self.row: _Row | None = None
        self.pending: tuple[int, int] | None = None
        self.objects = Prose(container, "objects", location="objects", encoding="utf-16-le")
        self.text_left = 0

    def begin_sheet(self) -> Iterator[Text]:
        yield from self.end_sheet()
        self.sheet += 1
        title = self.titles[self.sheet] if self.sheet < len(self.titles) else f"#{self.sheet + 1}"
        self.table = Table(self.container, f"sheet:{title}", location=title)
        self.row = _Row(self.table)

    def end_sheet(self) -> Iterator[Text]:
        if self.table is not None and self.row is not None:
            yield from self.row.flush()
            yield from self.table.finish()
        self.table = self.row = None

    def title(self, data: bytes) -> str:
        count = data[6]
        if self.wide:
            return _characters(data, 8, count, data[7])[0]
        return _narrow(data[7 : 7 + count])

    def counted(self, data: bytes, at: int) -> str:
        """A string with a two-byte count at `at`."""
        count = struct.unpack_from("<H", data, at)[0]
        if self.wide:
            return _characters(data, at + 3, count, data[at + 2])[0]
        return _narrow(data[at + 2 : at + 2 + count])

    def record(self, kind: int, data: bytes) -> Iterator[Text]:
        """One record; raises `struct.error` or `IndexError` where it is too short."""
        if kind == _BOF:
            self.wide = struct.unpack_from("<H", data)[0] >= 0x0600
            if len(data) >= 4 and struct.unpack_from("<H", data, 2)[0] in (0x0010, 0x0020, 0x0040):
                yield from self.begin_sheet()
        elif kind == _BOUND_SHEET:
            self.titles.append(self.title(data))
            yield from name_text(self.container, self.titles[-1])
        elif kind == _TEXT_OBJECT:
            self.text_left = struct.unpack_from("<H", data, 10)[0]
        elif kind == _CONTINUE and self.text_left > 0:
            text, _ = _characters(data, 1, self.text_left, data[0])
            self.text_left -= len(text)
            yield from self.objects.add(text + ("\n" if self.text_left <= 0 else ""))
        elif kind in (_HEADER, _FOOTER) and len(data) > 3:
            text = self.counted(data, 0) if self.wide else _narrow(data[1 : 1 + data[0]])
            yield from self.objects.add(text + "\n")
        elif self.row is None:
            return
        elif kind == _STRING and self.pending is not None:
            row, column = self.pending
            self.pending = None
            yield from self.row.put(row, column, self.counted(data, 0), numeric=False)
        elif kind in (_LABEL, _RICH_LABEL, _SHARED_LABEL, _NUMBER, _RK, _MANY_RK, _FORMULA):
            row, column = struct.unpack_from("<HH", data)
            if kind == _SHARED_LABEL:
                text = self.strings[struct.unpack_from("<I", data, 6)[0]]
                yield from self.row.put(row, column, text, numeric=False)
            elif kind in (_LABEL, _RICH_LABEL):
                yield from self.row.put(row, column, self.counted(data, 6), numeric=False)
            elif kind == _NUMBER:
                yield from self.row.put(row, column, number(struct.unpack_from("<d", data, 6)[0]), numeric=True)
            elif kind == _RK:
                yield from self.row.put(row, column, rk_number(struct.unpack_from("<I", data, 6)[0]), numeric=True)
            elif kind == _MANY_RK:
                for index in range((len(data) - 6) // 6):
                    raw = struct.unpack_from("<I", data, 6 + 6 * index)[0]
                    yield from self.row.put(row, column + index, rk_number(raw), numeric=True)
            elif data[12:14] == b"\xff\xff":
                self.pending = (row, column) if data[6] == 0 else None
            else:
                yield from self.row.put(row, column, number(struct.unpack_from("<d", data, 6)[0]), numeric=True)


def workbook(stream: bytes, source: Source, context: Context) -> Iterator[Text | Problem]:
    """The sheets of a `Workbook` or `Book` stream; raises `ExtractionError` where it is locked."""
    book = _Workbook(source.container)
    strings: list[bytes] | None = None
    damaged = 0
    for count, (kind, data) in enumerate(_records(stream)):
        if count % 4096 == 0:
            context.check_time()
        if strings is not None:
            if kind == _CONTINUE:
                strings.append(data)
                continue
            _read_strings(strings, book.strings)
            strings = None
        if kind == _FILEPASS:
            raise ExtractionError("encrypted", "ブックが暗号化されています", "the workbook is encrypted")
        if kind == _STRINGS:
            strings = [data]
            continue
        try:
            yield from book.record(kind, data)
        except (struct.error, IndexError, OverflowError, ValueError):
            damaged += 1
    yield from book.end_sheet()
    yield from book.objects.finish()
    if damaged:
        yield ExtractionError(
            "damaged", "ブックの一部が壊れています", "some records of the workbook are damaged"
        ).problem(source.container)


def _records12(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Records of BIFF12: type and size in seven bits a byte."""
    at = 0
    while at < len(data):
        kind = data[at]
        at += 1
        if kind & 0x80 and at < len(data):
            kind = (kind & 0x7F) | (data[at] & 0x7F) << 7
            at += 1
        size = 0
        for shift in range(0, 28, 7):
            if at >= len(data):
                return
            byte = data[at]
            at += 1
            size |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
        yield kind, data[at : at + size]
        at += size


def _wide_string(data: bytes, at: int) -> tuple[str, int]:
    count = struct.unpack_from("<I", data, at)[0]
    end = at + 4 + 2 * count
    return data[at + 4 : end].decode("utf-16-le", "replace"), end


def _cell12(kind: int, data: bytes, strings: SharedStrings) -> tuple[str, bool] | None:
    """What a cell of BIFF12 says, and whether as a number; None if it says nothing."""
    if kind == 2:
        return rk_number(struct.unpack_from("<I", data, 8)[0]), True
    if kind in (5, 9):
        return number(struct.unpack_from("<d", data, 8)[0]), True
    if kind in (6, 8):
        return _wide_string(data, 8)[0], False
    if kind == 7:
        return strings[struct.unpack_from("<I", data, 8)[0]], False
    return None


def binary_package(archive: Archive, sheets: list[str]) -> Iterator[Text | Problem]:
    """The sheets of an xlsb package."""
    container = archive.source.container
    strings = SharedStrings()
    titles: list[str] = []
    for kind, data in _records12(archive.read("xl/workbook.bin")):
        if kind == 156:
            try:
                _, after = _wide_string(data, 8)
                titles.append(_wide_string(data, after)[0])
            except struct.error:
                titles.append("")
            yield from name_text(container, titles[-1])
    if "xl/sharedStrings.bin" in archive.names:
        for kind, data in _records12(archive.read("xl/sharedStrings.bin")):
            if kind == 19:
                try:
                    strings.add(_wide_string(data, 1)[0].encode("utf-8", "replace"))
                except struct.error:
                    strings.add(b"")
    for position, name in enumerate(sheets):
        title = titles[position] if position < len(titles) and titles[position] else name
        try:
            stream = archive.read(name)
        except (OutOfTimeError, OutOfOutputError):
            raise
        except ExtractionError as error:
            yield error.problem(container, title)
            continue
        yield from _sheet12(stream, title, container, strings, archive.context)


def _sheet12(stream: bytes, title: str, container: str, strings: SharedStrings, context: Context) -> Iterator[Text]:
    table = Table(container, f"sheet:{title}", location=title)
    row = _Row(table)
    number_of_row = 0
    for count, (kind, data) in enumerate(_records12(stream)):
        if count % 4096 == 0:
            context.check_time()
        try:
            if kind == 0:
                number_of_row = struct.unpack_from("<I", data)[0]
            elif 1 < kind < 10 and (cell := _cell12(kind, data, strings)) is not None:
                column = struct.unpack_from("<I", data)[0]
                yield from row.put(number_of_row, column, cell[0], numeric=cell[1])
        except (struct.error, OverflowError, ValueError):
            continue
    yield from row.flush()
    yield from table.finish()
