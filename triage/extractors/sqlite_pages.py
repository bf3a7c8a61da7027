"""SQLite 3 from its pages: rows of every table with their column names, and the text of what was deleted.

Read from the file format (https://www.sqlite.org/fileformat2.html), without the library: any size in bounded memory,
damaged files as far as they go, nothing written, no SQL of a hostile schema ever run. Numbers stored as integers are
cells marked `numeric`; free pages, free space inside pages and write-ahead logs are kind "raw".
"""

from __future__ import annotations

import base64
import json
import re
import struct
from typing import TYPE_CHECKING, NamedTuple

from triage.extractors import binary
from triage.extractors.model import BytesSource, Child, ExtractionError, LimitReachedError, Problem, member_container
from triage.extractors.pieces import Table
from triage.sniff import SQLITE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from triage.extractors.model import Context, Source
    from triage.extractors.pieces import CellValue
    from triage.text import Text

MAX_TABLES = 10_000
MAX_DEPTH = 64
_WAL = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
_MAX_VALUE_BYTES = 16 << 20
_ENCODINGS = {1: "utf-8", 2: "utf-16-le", 3: "utf-16-be"}
_NAME = re.compile(r"""\s*(?:"((?:[^"]|"")*)"|\[([^\]]*)\]|`([^`]*)`|'([^']*)'|([^\s(,]+))""")
_KEY = re.compile(
    r"""primary\s+key\s*\(\s*(?:"([^"]*)"|\[([^\]]*)\]|`([^`]*)`|(\w+))\s*(?:(?:asc|autoincrement)\s*)*\)""",
    re.IGNORECASE,
)
_CONSTRAINT = re.compile(r"\s*(?:constraint|primary|unique|check|foreign)\b", re.IGNORECASE)
_INTEGER = re.compile(r"\s*integer\b", re.IGNORECASE)
_IS_KEY = re.compile(r"\bprimary\s+key\b", re.IGNORECASE)

Value = int | float | str | bytes | None


class _TableInfo(NamedTuple):
    """A table of the schema."""

    name: str
    root: int
    columns: list[str]
    rowid_column: int


def matches(head: bytes, _name: str, _size: int) -> bool:
    """The header of a database, or of a write-ahead log."""
    return head.startswith(SQLITE) or (head.startswith(_WAL) and len(head) >= 32)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A variable-length integer and the position after it."""
    value = 0
    for index in range(9):
        byte = data[at + index]
        if index == 8:
            return (value << 8) | byte, at + 9
        value = (value << 7) | (byte & 0x7F)
        if byte < 0x80:
            return value, at + index + 1
    raise IndexError


def columns_of(sql: str) -> tuple[list[str], int]:
    """Column names of a CREATE TABLE statement, and which of them is the row number (-1: none)."""
    opening = sql.find("(")
    if opening < 0:
        return [], -1
    parts: list[str] = []
    depth = 0
    start = opening + 1
    quote = ""
    for at in range(opening, min(len(sql), 100_000)):
        character = sql[at]
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'`[":
            quote = "]" if character == "[" else character
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
            if depth == 0:
                parts.append(sql[start:at])
                break
        elif character == "," and depth == 1:
            parts.append(sql[start:at])
            start = at + 1
    columns: list[str] = []
    rowid = -1
    key = ""
    integers: list[int] = []
    for part in parts:
        if _CONSTRAINT.match(part):
            named = _KEY.search(part)
            key = next((group for group in named.groups() if group), "") if named else key
            continue
        match = _NAME.match(part)
        if match:
            if _INTEGER.match(part, match.end()):
                integers.append(len(columns))
                if _IS_KEY.search(part, match.end()):
                    rowid = len(columns)
            columns.append(next((group for group in match.groups() if group), ""))
    # A key of one integer column is the row number too where it is declared apart.
    rowid = next((column for column in integers if key and columns[column].lower() == key.lower()), rowid)
    return columns, rowid


class _Database:
    """Pages of a database file."""

    def __init__(self, source: Source, context: Context) -> None:
        header = source.read_at(0, 100)
        size = struct.unpack_from(">H", header, 16)[0] if len(header) == 100 else 0
        self.page_size = 65536 if size == 1 else size
        if self.page_size < 512 or self.page_size & (self.page_size - 1):
            raise ExtractionError("damaged", "SQLite のヘッダーが壊れています", "the SQLite header is damaged")
        self.usable = self.page_size - header[20]
        self.encoding = _ENCODINGS.get(struct.unpack_from(">I", header, 56)[0], "utf-8")
        self.pages = -(-source.size // self.page_size)
        self.source = source
        self.context = context
        self.visited = bytearray(self.pages + 1)
        self.damaged = 0

    def page(self, number: int) -> bytes:
        """Page `number`, counted from 1."""
        return self.source.read_at((number - 1) * self.page_size, self.page_size)

    def _payload(self, page: bytes, at: int, size: int, *, index: bool) -> bytes:
        """A record with its overflow pages."""
        usable = self.usable
        most = ((usable - 12) * 64 // 255 - 23) if index else usable - 35
        if size <= most:
            return page[at : at + size]
        least = (usable - 12) * 32 // 255 - 23
        local = least + (size - least) % (usable - 4)
        local = local if local <= most else least
        parts = [page[at : at + local]]
        have = local
        following = struct.unpack_from(">I", page, at + local)[0]
        size = min(size, _MAX_VALUE_BYTES)
        steps = 0
        while following and have < size and following <= self.pages and steps <= self.pages:
            overflow = self.page(following)
            if len(overflow) < 4:
                break
            self.visited[following] = 1
            parts.append(overflow[4:usable][: size - have])
            have += len(parts[-1])
            following = struct.unpack_from(">I", overflow)[0]
            steps += 1
        return b"".join(parts)

    def record(self, payload: bytes) -> list[Value]:
        """The values of a record; what is cut off is left out."""
        header_size, at = _varint(payload, 0)
        values: list[Value] = []
        body = header_size
        while at < header_size and at < len(payload):
            kind, at = _varint(payload, at)
            if kind >= 12:
                size = (kind - 12) // 2
                raw = payload[body : body + size]
                body += size
                values.append(raw if kind % 2 == 0 else raw.decode(self.encoding, "replace"))
            elif kind == 0 or kind in (10, 11):
                values.append(None)
            elif kind in (8, 9):
                values.append(kind - 8)
            elif kind == 7:
                values.append(struct.unpack(">d", payload[body : body + 8])[0])
                body += 8
            else:
                size = (0, 1, 2, 3, 4, 6, 8)[kind]
                values.append(int.from_bytes(payload[body : body + size], "big", signed=True))
                body += size
        return values

    def leaf_cells(self, page: bytes, number: int) -> Iterator[tuple[int, list[Value]]]:
        """Row number and values of each cell of a leaf page."""
        at = 100 if number == 1 else 0
        kind = page[at]
        count = struct.unpack_from(">H", page, at + 3)[0]
        for index in range(count):
            try:
                pointer = struct.unpack_from(">H", page, at + 8 + 2 * index)[0]
                size, place = _varint(page, pointer)
                rowid = 0
                if kind == 0x0D:
                    rowid, place = _varint(page, place)
                payload = self._payload(page, place, size, index=kind != 0x0D)
                yield rowid, self.record(payload)
            except (IndexError, struct.error):
                self.damaged += 1

    def rows(self, root: int) -> Iterator[tuple[int, list[Value]]]:
        """All rows of the tree at page `root`, in the order of their keys."""
        stack = [(root, 0)]
        while stack:
            number, depth = stack.pop()
            if not 0 < number <= self.pages or self.visited[number] or depth > MAX_DEPTH:
                if number and depth:
                    self.damaged += 1
                continue
            self.visited[number] = 1
            self.context.check_time()
            page = self.page(number)
            at = 100 if number == 1 else 0
            if len(page) < at + 8:
                self.damaged += 1
                continue
            kind = page[at]
            if kind in (0x0D, 0x0A):
                yield from self.leaf_cells(page, number)
            elif kind in (0x05, 0x02):
                count, _, _, right = struct.unpack_from(">HHBI", page, at + 3)
                children: list[int] = []
                for index in range(count):
                    try:
                        pointer = struct.unpack_from(">H", page, at + 12 + 2 * index)[0]
                        children.append(struct.unpack_from(">I", page, pointer)[0])
                        if kind == 0x02:
                            # Index trees keep rows in their inner pages too (WITHOUT ROWID).
                            size, place = _varint(page, pointer + 4)
                            yield 0, self.record(self._payload(page, place, size, index=True))
                    except (IndexError, struct.error):
                        self.damaged += 1
                stack.extend((child, depth + 1) for child in reversed([*children, right]))
            else:
                self.damaged += 1

    def schema(self) -> Iterator[_TableInfo]:
        """Tables that have rows of their own."""
        for _, values in self.rows(1):
            if len(values) < 5:
                continue
            kind, name, _, root, sql = values[:5]
            if kind == "table" and isinstance(root, int) and root > 0:
                columns, rowid = columns_of(sql if isinstance(sql, str) else "")
                yield _TableInfo(str(name), root, columns, rowid)


def _cells(rowid: int, values: list[Value], rowid_column: int) -> list[CellValue]:
    cells: list[CellValue] = []
    for column, value in enumerate(values):
        if value is None:
            if column == rowid_column:
                cells.append((column, str(rowid), True))
        elif isinstance(value, str):
            cells.append((column, value.replace("\0", ""), False))
        elif isinstance(value, int):
            cells.append((column, str(value), True))
        elif isinstance(value, float):
            whole = value.is_integer() and abs(value) < 1e16
            cells.append((column, str(int(value)) if whole else repr(value), True))
        elif (text := _blob_text(value)) is not None:
            cells.append((column, text, False))
    return cells


def _blob_text(value: bytes) -> str | None:
    """A blob that is short text, as programs that bind strings as blobs leave it."""
    if len(value) > 4096 or not value:
        return None
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() else None


def _table_rows(database: _Database, info: _TableInfo) -> Iterator[Text | Problem | Child]:
    source = database.source
    table = Table(source.container, f"table:{info.name}", location=info.name, encoding=database.encoding)
    if info.columns:
        yield from table.add(0, [(column, name, False) for column, name in enumerate(info.columns)])
    for row, (rowid, values) in enumerate(database.rows(info.root), 1):
        yield from table.add(row, _cells(rowid, values, info.rowid_column))
        for column, value in enumerate(values):
            if isinstance(value, bytes) and len(value) >= 12 and _blob_text(value) is None:
                database.context.count_member()
                name = info.columns[column] if column < len(info.columns) else str(column)
                place = f"{info.name}/{rowid}/{name}"
                yield Child(BytesSource(value, name, member_container(source, place)))
            for number, copied in enumerate(_clipboard(value)):
                place = f"{info.name}/{rowid}/{info.columns[column] if column < len(info.columns) else column}/{number}"
                yield Child(BytesSource(copied, "clipboard", member_container(source, place)))
    yield from table.finish()


def _clipboard(value: Value) -> Iterator[bytes]:
    """What was copied, from a payload of the clipboard history (ActivitiesCache.db): base64 in JSON."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    if not isinstance(text, str) or '"formatName"' not in text:
        return
    try:
        formats = json.loads(text.rstrip("\0"))
        for one in formats if isinstance(formats, list) else ():
            yield base64.b64decode(one["content"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return


def extract(source: Source, context: Context) -> Iterator[Text | Problem | Child]:
    """Live rows table by table, then the text of pages and space that no table uses any more."""
    if source.read_at(0, 4).startswith(_WAL):
        yield from _log(source, context)
        return
    database = _Database(source, context)
    try:
        tables = list(database.schema())
    except (IndexError, struct.error):
        tables = []
        database.damaged += 1
    for count, info in enumerate(tables):
        if count >= MAX_TABLES:
            yield LimitReachedError("表が多すぎます", "too many tables").problem(source.container)
            break
        yield from _table_rows(database, info)
    if database.damaged:
        yield Problem(
            "damaged", "SQLite の一部のページが壊れています", "some SQLite pages are damaged", source.container
        )
    yield from _free(database)


def _free(database: _Database) -> Iterator[Text]:
    """Text in unused pages, and in the unused middle of used ones."""
    source = database.source
    size = database.page_size
    for number in range(1, database.pages + 1):
        if number % 256 == 0:
            database.context.check_time()
        page = database.page(number)
        base = (number - 1) * size
        if not database.visited[number]:
            # An index repeats what its table says; its pages are live, but nothing is lost by reading them as raw.
            if page[:1] not in (b"\x0a", b"\x02"):
                yield from binary.text_runs(page, base, source.container, stream="free pages")
                yield from _leaf_text(database, page, number)
            continue
        at = 100 if number == 1 else 0
        if len(page) < size or page[at] not in (0x0D, 0x0A):
            continue
        count, content = struct.unpack_from(">HH", page, at + 3)
        low, high = at + 8 + 2 * count, content or 65536
        free: list[tuple[int, int]] = [(low, min(high, size))]
        block = struct.unpack_from(">H", page, at + 1)[0]
        for _ in range(1024):
            if not block or block + 4 > size:
                break
            following, length = struct.unpack_from(">HH", page, block)
            free.append((block, min(block + length, size)))
            block = following if following > block else 0
        for start, end in free:
            if end - start >= 12:
                yield from binary.text_runs(page[start:end], base + start, source.container, stream="free space")


def _leaf_text(database: _Database, page: bytes, number: int) -> Iterator[Text]:
    """Rows of a table page that no table owns any more: numbers stored as integers show only here."""
    if page[:1] != b"\x0d" or len(page) < database.page_size:
        return
    table = Table(database.source.container, f"free page {number}", location=f"page {number}")
    for row, (rowid, values) in enumerate(database.leaf_cells(page, number)):
        yield from table.add(row, _cells(rowid, values, -1))
    yield from table.finish()


def _log(source: Source, context: Context) -> Iterator[Text | Problem | Child]:
    """Rows in the frames of a write-ahead log, newest last, without column names."""
    header = source.read_at(0, 32)
    size = struct.unpack_from(">I", header, 8)[0]
    if size < 512 or size > 65536 or size & (size - 1):
        raise ExtractionError("damaged", "WAL のヘッダーが壊れています", "the header of the log is damaged")
    database = _Database.__new__(_Database)
    database.page_size = database.usable = size
    database.encoding = "utf-8"
    database.source = source
    database.context = context
    database.pages = 0
    database.visited = bytearray(1)
    database.damaged = 0
    frame = 0
    position = 32
    while position + 24 + size <= source.size:
        context.check_time()
        page = source.read_at(position + 24, size)
        number = struct.unpack(">I", source.read_at(position, 4))[0]
        frame += 1
        if page[100:101] == b"\x0d" and number == 1:
            database.encoding = _ENCODINGS.get(struct.unpack_from(">I", page, 56)[0], "utf-8")
        yield from binary.text_runs(page, position + 24, source.container, stream="wal")
        if page[:1] == b"\x0d":
            table = Table(source.container, f"frame {frame}", location=f"frame {frame}")
            for row, (rowid, values) in enumerate(database.leaf_cells(page, 2)):
                yield from table.add(row, _cells(rowid, values, -1))
            yield from table.finish()
        position += 24 + size
