r"""RTF: text in the code pages of its fonts, `\u` and `\'xx` characters, tables as cells, embedded objects.

Written from the RTF 1.9.1 specification. Hidden and deleted text is text; pictures, font and style tables are not.
"""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

from triage.extractors.encodings import Encoding, content_of
from triage.extractors.model import BytesSource, Child, ExtractionError, Problem, member_container
from triage.extractors.pieces import Prose, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from triage.extractors.model import Context, Source
    from triage.extractors.pieces import CellValue
    from triage.text import Text

MAX_BYTES = 256 << 20
_BLOCK_BYTES = 1 << 18
_MAX_DEPTH = 4096
_MAX_OBJECT_BYTES = 16 << 20
_TOKEN = re.compile(
    rb"\\'([0-9a-fA-F]{2})|\\([a-zA-Z]{1,32})(-?[0-9]{1,10})? ?|\\([^a-zA-Z])|([{}])|[\r\n]+|([^\\{}\r\n]+)|(.)",
    re.DOTALL,
)
_SKIPPED = frozenset(
    (
        "fonttbl",
        "colortbl",
        "stylesheet",
        "pict",
        "themedata",
        "colorschememapping",
        "datastore",
        "latentstyles",
        "listtable",
        "listoverridetable",
        "rsidtbl",
        "pgdsctbl",
        "revtbl",
        "atnid",
        "atntime",
        "atndate",
        "atnref",
        "atnparent",
        "atrfstart",
        "atrfend",
        "generator",
        "filetbl",
        "xmlnstbl",
        "blipuid",
        "panose",
        "falt",
        "mmathPr",
        "pnseclvl",
        "bkmkstart",
        "bkmkend",
        "fldtype",
    )
)
_OWN_LINES = frozenset(
    (
        "title",
        "subject",
        "author",
        "manager",
        "company",
        "operator",
        "category",
        "keywords",
        "comment",
        "doccomm",
        "propname",
        "staticval",
        "header",
        "headerl",
        "headerr",
        "headerf",
        "footer",
        "footerl",
        "footerr",
        "footerf",
        "footnote",
        "annotation",
        "shptxt",
        "atnauthor",
    )
)
_LINES = frozenset(["par", "line", "sect", "page", "row", "nestrow", "column", "softline", "softpage"])
_MARKS = {
    "tab": "\t",
    "emdash": "—",
    "endash": "–",
    "bullet": "•",
    "lquote": "‘",
    "rquote": "’",
    "ldblquote": "“",
    "rdblquote": "”",
    "emspace": " ",
    "enspace": " ",
}
_CODE_PAGES: dict[int, str] = {932: "cp932", 65001: "utf-8", 1252: "cp1252", 10001: "cp932", 0: "cp932"}
_CHARSETS: dict[int, str] = {128: "cp932", 78: "cp932", 0: "cp1252", 129: "cp949", 134: "gbk", 136: "cp950"}


def matches(head: bytes, _name: str, _size: int) -> bool:
    """The opening of an RTF document."""
    return head.lstrip()[:5] == b"{\\rtf"


class _Group:
    """What holds inside a pair of braces."""

    __slots__ = ("code_page", "object_data", "own_line", "skip", "unicode_skip")

    def __init__(self, code_page: str, unicode_skip: int, *, skip: bool, object_data: bool) -> None:
        self.code_page = code_page
        self.unicode_skip = unicode_skip
        self.skip = skip
        self.object_data = object_data
        self.own_line = False


class _Reader:
    """The document as it is read, token by token."""

    def __init__(self, source: Source, context: Context) -> None:
        self.source = source
        self.context = context
        self.prose = Prose(source.container, "body", encoding="rtf")
        self.notes = Prose(source.container, "notes", location="notes", encoding="rtf")
        self.ready: list[Text | Problem | Child] = []
        self.group = _Group("cp932", 1, skip=False, object_data=False)
        self.stack: list[_Group] = []
        self.default = "cp932"
        self.fonts: dict[int, str] = {}
        self.font = 0
        self.in_fonts = 0
        self.pending = bytearray()
        self.to_skip = 0
        self.cell: list[str] = []
        self.cells: list[CellValue] = []
        self.in_table = False
        self.row = 0
        self.tables = 0
        self.table: Table | None = None
        self.objects = 0
        self.hexed = bytearray()

    def put(self, text: str) -> None:
        if self.group.own_line:
            # Comments, notes, headers and properties stand in the middle of the text they belong to.
            self.ready += self.notes.add(text)
        elif self.in_table:
            self.cell.append(text)
        else:
            self.ready += self.prose.add(text)

    def flush(self) -> None:
        """Decode the bytes collected in the current code page."""
        if not self.pending:
            return
        data = bytes(self.pending)
        self.pending.clear()
        page = self.group.code_page
        if page in ("cp932", "utf-8"):
            chosen: Encoding = "cp932" if page == "cp932" else "utf-8"
            self.put(content_of(data, chosen))
        else:
            self.put(data.decode(page, "replace"))

    def open_group(self) -> None:
        self.flush()
        if len(self.stack) >= _MAX_DEPTH:
            raise ExtractionError("limit", "RTF の入れ子が深すぎます", "the RTF is nested too deeply")
        group = self.group
        self.stack.append(group)
        self.group = _Group(group.code_page, group.unicode_skip, skip=group.skip, object_data=group.object_data)
        self.group.own_line = group.own_line

    def close_group(self) -> None:
        self.flush()
        if self.in_fonts and len(self.stack) <= self.in_fonts:
            self.in_fonts = 0
        ended = self.group
        if self.stack:
            self.group = self.stack.pop()
        if ended.own_line and not self.group.own_line and not ended.skip:
            self.ready += self.notes.add("\n")
        if ended.object_data and not self.group.object_data:
            self.embedded()

    def embedded(self) -> None:
        """An OLE object in hexadecimal: its native data is a member."""
        data = bytes.fromhex(self.hexed[: len(self.hexed) // 2 * 2].decode("ascii"))
        self.hexed.clear()
        if len(data) < 32:
            return
        self.objects += 1
        self.context.count_member()
        self.context.spend(len(data))
        name = f"object {self.objects}"
        # OLE 1.0 header: version, format, then three counted strings, then the size of the native data.
        at = 8
        for _ in range(3):
            at += 4 + int.from_bytes(data[at : at + 4], "little")
        body = data[at + 4 :] if at + 4 < len(data) else data
        self.ready.append(Child(BytesSource(body, name, member_container(self.source, name))))

    def word(self, name: str, number: int | None) -> None:  # noqa: C901, PLR0912 - one branch for each control word
        if name == "u" and number is not None:
            if not self.group.skip:
                self.flush()
                code = number & 0xFFFF
                if not 0xD800 <= code < 0xE000:
                    self.put(chr(code))
            self.to_skip = self.group.unicode_skip
            return
        self.to_skip = 0
        if name == "uc" and number is not None:
            self.group.unicode_skip = min(max(number, 0), 16)
        elif name == "ansicpg" and number is not None:
            self.default = self.group.code_page = _CODE_PAGES.get(number, f"cp{number}" if number > 0 else "cp932")
            try:
                codecs.lookup(self.default)  # decoding nothing would look nothing up
            except LookupError:
                self.default = self.group.code_page = "cp932"
        elif name == "fonttbl":
            self.in_fonts = len(self.stack)
            self.group.skip = True
        elif name == "f" and number is not None:
            if self.in_fonts:
                self.font = number
            else:
                self.flush()
                self.group.code_page = self.fonts.get(number, self.default)
        elif name == "fcharset" and number is not None and self.in_fonts:
            # Charset 0 says little: Japanese writers leave it on fonts that hold Japanese.
            if len(self.fonts) < 10_000 and number in _CHARSETS:
                self.fonts[self.font] = self.default if number == 0 else _CHARSETS[number]
        elif name in _OWN_LINES:
            self.group.own_line = True
        elif name == "objdata":
            self.group.object_data = True
        elif name in _SKIPPED:
            self.group.skip = True
        elif self.group.skip:
            return
        elif name == "trowd":
            self.flush()
            self.in_table = True
            if self.table is None:
                self.tables += 1
                self.table = Table(self.source.container, f"table {self.tables}", encoding="rtf")
                self.row = 0
        elif name in ("cell", "nestcell"):
            self.flush()
            self.cells.append((len(self.cells), "".join(self.cell).strip(), False))
            self.cell.clear()
        elif name in ("row", "nestrow"):
            self.end_row()
        elif name == "pard":
            self.flush()
            if self.in_table and not self.cells and not self.cell:
                self.in_table = False
        elif name == "intbl":
            self.flush()
            self.in_table = True
        elif name in _LINES:
            self.flush()
            if not self.in_table:
                self.end_table()
            self.put("\n")
        elif name in _MARKS:
            self.flush()
            self.put(_MARKS[name])

    def end_row(self) -> None:
        self.flush()
        if self.cell and "".join(self.cell).strip():
            self.cells.append((len(self.cells), "".join(self.cell).strip(), False))
        self.cell.clear()
        if self.cells and self.table is None:
            self.tables += 1
            self.table = Table(self.source.container, f"table {self.tables}", encoding="rtf")
            self.row = 0
        if self.cells and self.table is not None:
            self.ready += self.table.add(self.row, self.cells)
            self.row += 1
        self.cells = []
        self.in_table = False

    def end_table(self) -> None:
        if self.table is not None:
            self.ready += self.table.finish()
            self.table = None

    def symbol(self, mark: bytes) -> None:
        if mark in (b"\\", b"{", b"}"):
            # May be the second byte of a character whose first is in hexadecimal.
            self.characters(mark)
            return
        self.flush()
        if mark == b"~":
            self.put("\u00a0")
        elif mark in (b"_", b"-"):
            # A hyphen that does not break is seen; an optional one is not.
            self.put("-" if mark == b"_" else "")
        elif mark in (b"\r", b"\n"):
            self.put("\n")

    def characters(self, data: bytes) -> None:
        if self.to_skip:
            skipped = min(self.to_skip, len(data))
            self.to_skip -= skipped
            data = data[skipped:]
        if self.group.object_data:
            if len(self.hexed) < 2 * _MAX_OBJECT_BYTES:
                self.hexed += re.sub(rb"[^0-9a-fA-F]", b"", data)
        elif not self.group.skip:
            self.pending += data

    def finish(self) -> None:
        if self.cell or self.cells:
            self.end_row()
        self.flush()
        self.end_table()
        self.ready += self.prose.finish()
        self.ready += self.notes.finish()


def extract(source: Source, context: Context) -> Iterator[Text | Problem | Child]:
    """The running text, tables, and embedded objects."""
    reader = _Reader(source, context)
    position = 0
    rest = b""
    try:
        while data := source.read_at(position, _BLOCK_BYTES):
            context.check_time()
            position += len(data)
            rest += data
            # A control word must not be cut: keep what may be the beginning of one.
            end = len(rest) - 64 if position < source.size else len(rest)
            at = 0
            while at < end and (match := _TOKEN.match(rest, at)):
                at = match.end()
                byte, word, number, symbol, brace, text, _ = match.groups()
                if text is not None:
                    reader.characters(text)
                elif byte is not None:
                    reader.characters(bytes((int(byte, 16),)))
                elif word == b"bin" and number and number.isdigit():
                    # Raw bytes inside the text: over them.
                    over = int(number) - (len(rest) - at)
                    at += int(number)
                    if over > 0:
                        position += over
                elif word is not None:
                    reader.word(word.decode("ascii"), int(number) if number else None)
                elif brace == b"{":
                    reader.open_group()
                elif brace == b"}":
                    reader.close_group()
                elif symbol is not None:
                    reader.symbol(symbol)
            rest = rest[at:]
            yield from reader.ready
            reader.ready.clear()
    except ExtractionError as error:
        reader.finish()
        yield from reader.ready
        yield error.problem(source.container)
        return
    reader.finish()
    yield from reader.ready
