"""HTML, XML and JSON: tags away, entities and escapes resolved, tables as cells, element names as labels.

No document type declaration is obeyed and no entity expanded but the predefined ones, so there is nothing to blow up.
Damaged markup is text all the same.
"""

from __future__ import annotations

import html
import re
from collections import deque
from typing import TYPE_CHECKING

from triage.extractors.blocks import Block, blocks, line_cut
from triage.extractors.digits import holds_written
from triage.extractors.pieces import HEADER_ROWS, LABEL_ROWS, is_label
from triage.extractors.rewritten import Rewriter
from triage.sniff import text_of
from triage.text import Cell, Text, TextKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from triage.extractors.encodings import Encoding
    from triage.extractors.model import Child, Context, Problem, Source

_TOKEN = re.compile(
    r"<!--|-->|<!\[CDATA\[|\]\]>|<[!?][^<>]{0,4000}>"
    r"|<(?P<close>/?)(?P<name>[^\W\d][\w:.\-]{0,80})(?P<rest>[^<>]{0,4000})>"
    r"|&(?P<entity>#[xX]?[0-9a-fA-F]{1,7}|[A-Za-z][A-Za-z0-9]{1,30});?"
)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_UNICODE_ESCAPE = re.compile(r"\\u[0-9a-fA-F]{4}")
_TELLING = re.compile(r"[0-9０-９](?:[ \-‐－.]?[0-9０-９]){9}|value=|content=", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*+>")
_SPACE = re.compile(r"\s+")
_VALUE = re.compile(r"(?:value|content)\s*+=\s*+(\"[^\"]*+\"|'[^']*+'|[^\s>]*+)", re.IGNORECASE)
_TEN_DIGITS = re.compile(r"[0-9０-９](?:[ \-‐－.]?[0-9０-９]){9}")
_PENDING_BLOCKS = 16
"""Blocks without numbers that are kept until one with numbers shows that their headings are wanted (4 MiB)."""
_COLSPAN = re.compile(r"colspan\s*=\s*[\"']?(\d{1,3})", re.IGNORECASE)
_HTML = re.compile(r"<(?:!doctype html|html|head|body|table|div|p|tr|td|span|form|meta)\b", re.IGNORECASE)
_XML = re.compile(r"\s*<(?:\?xml|[^\W\d][\w:.\-]*[\s/>])")
_JSON = re.compile(r'\s*(?:\{\s*(?:"(?:[^"\\]|\\.)*"\s*:|\})|\[\s*(?:[\[{"\d\-\]]|true|false|null))')
_CHARSET = re.compile(r"(?:charset|encoding)\s*=\s*[\"']?\s*([\w\-]{3,20})", re.IGNORECASE)
_CHARSETS: dict[str, Encoding] = {
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "sjis": "cp932",
    "x-sjis": "cp932",
    "windows-31j": "cp932",
    "cp932": "cp932",
    "ms932": "cp932",
    "euc-jp": "euc_jp",
    "x-euc-jp": "euc_jp",
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "iso-2022-jp": "iso2022_jp",
}
_INLINE = frozenset(
    (
        "a",
        "abbr",
        "b",
        "bdi",
        "bdo",
        "big",
        "cite",
        "code",
        "data",
        "dfn",
        "em",
        "font",
        "i",
        "ins",
        "kbd",
        "mark",
        "nobr",
        "o:p",
        "q",
        "rb",
        "rp",
        "rt",
        "ruby",
        "s",
        "samp",
        "small",
        "span",
        "strike",
        "strong",
        "sub",
        "sup",
        "time",
        "tt",
        "u",
        "var",
        "wbr",
        "w:t",
        "w:r",
        "a:t",
        "a:r",
        "text:span",
    )
)
_CELLS = frozenset(("td", "th"))
_SHEET_NAMES = {"Table": "table", "Row": "tr", "Cell": "td", "Data": "data"}
_SHEET_SPACE = "urn:schemas-microsoft-com:office:spreadsheet"
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": " ", "f": " "}


def matches(head: bytes, _name: str, _size: int) -> bool:
    """Text that begins like one of the three."""
    text = text_of(head)
    return text is not None and bool(_XML.match(text) or _JSON.match(text) or (_HTML.search(text) and "</" in text))


def _tag_cut(data: bytes, encoding: Encoding) -> int:
    """Where to cut a block: after a tag's end."""
    if encoding.startswith("utf"):
        return (
            line_cut(data, encoding)
            if encoding != "utf-8"
            else (data.rfind(b">", len(data) // 2) + 1 or line_cut(data, encoding))
        )
    # In CP932 and ISO-2022-JP a trail byte may be 0x3E; before a tag or a line end it is none.
    at = max(data.rfind(b">\n"), data.rfind(b">\r"), data.rfind(b"><"))
    return at + 1 if at > len(data) // 2 else line_cut(data, encoding)


def _value_cut(data: bytes, encoding: Encoding) -> int:
    """Where to cut JSON: after a line, else after a comma."""
    at = line_cut(data, encoding)
    if encoding.startswith(("utf-16", "utf-32")) or data[at - 1 : at] == b"\n":
        return at
    comma = data.rfind(b",", len(data) // 2)
    return comma + 1 if comma > 0 else at


def unescape(block: Block) -> Rewriter:
    """JSON and JavaScript escapes resolved."""
    out = Rewriter(block)
    content = block.content
    position = 0
    for match in _ESCAPE.finditer(content):
        out.copy(position, match.start())
        position = match.end()
        code = match[1] or match[2]
        if code:
            character = chr(int(code, 16))
            out.put(character if not 0xD800 <= ord(character) < 0xE000 else "�", match.start())
        else:
            out.put(_ESCAPES.get(match[3], match[3]), match.start())
    out.copy(position, len(content))
    return out


def has_escapes(content: str) -> bool:
    """Whether characters are written as JSON escapes of four digits."""
    return "\\u" in content and _UNICODE_ESCAPE.search(content) is not None


def _json(source: Source, context: Context) -> Iterator[Text]:
    characters = 0
    for block in blocks(source, context, cut=_value_cut):
        if "\\" in block.content:
            text = unescape(block).text("markup", source.container, stream="text", first_char=characters)
            if text:
                yield text
        elif block.holds_number():
            yield Text(
                block.content,
                block.encoding,
                "markup",
                source.container,
                stream="text",
                offsets=block.offsets(),
                first_char=characters - block.overlap,
                overlap=block.overlap,
            )
        characters += len(block.content) - block.overlap


class _Tags:
    """State of the reading of markup from block to block."""

    def __init__(self, container: str, *, xml: bool, sheet: bool = False) -> None:
        self._container = container
        self._xml = xml
        self._sheet = sheet
        """A workbook as XML, as Excel 2002 and 2003 write it: its rows and cells make a table."""
        self._characters = 0
        self._row = -1
        self._column = 0
        self._cell: int | None = None
        self._span = 1
        self._tables: list[int] = []
        self._cells: list[tuple[int, int, int, int]] = []
        self._kept: list[tuple[int, int, str]] = []
        self._kept_rows = 0
        self._handed = 0

    def block(self, block: Block) -> Iterator[Text]:
        out = Rewriter(block)
        content = block.content
        position = 0
        self._cells = []
        if self._cell is not None:
            self._cell = 0
        for match in _TOKEN.finditer(content):
            start, end = match.span()
            out.copy(position, start)
            position = end
            name = match["name"]
            if name:
                if self._sheet:
                    name = _SHEET_NAMES.get(name.rpartition(":")[2], name)
                self._tag(out, content, match, name if self._xml else name.lower())
            elif entity := match["entity"]:
                out.put(_entity(match[0], entity), start)
            else:
                # Comments and CDATA are read like text; only their marks go.
                out.put("" if match[0] in ("<![CDATA[", "]]>") else "\n", start)
        out.copy(position, len(content))
        if self._cell is not None:
            self._end_cell(out)
            self._cell = 0
        yield from self._hand_out(out)

    def _tag(self, out: Rewriter, content: str, match: re.Match[str], name: str) -> None:
        start, end = match.span()
        closing = bool(match["close"])
        rest = match["rest"]
        if name in _CELLS and not self._xml:
            self._end_cell(out)
            out.put("\t", start)
            if not closing:
                self._cell = out.length
                span = _COLSPAN.search(rest) if rest else None
                self._span = max(int(span[1]), 1) if span else 1
        elif name == "tr" and not self._xml:
            self._end_cell(out)
            out.put("\n", start)
            if not closing:
                self._row += 1
                self._column = 0
        elif name == "table" and not self._xml:
            if closing:
                self._end_cell(out)
            # A cell that holds a table is layout: its inner cells count.
            self._cell = None
            out.put("\n", start)
            if not closing:
                self._tables.append(self._column)
            elif self._tables:
                self._column = self._tables.pop()
        elif name not in _INLINE:
            self._element(out, content, match, name, closing=closing)
        if rest and not closing and _TELLING.search(rest):
            out.put("\n", start)
            low, high = match.span("rest")
            out.copy(low, high)
            out.put("\n", end - 1)

    def _element(self, out: Rewriter, content: str, match: re.Match[str], name: str, *, closing: bool) -> None:
        start, end = match.span()
        if not self._xml:
            out.put("\n", start)
            return
        following = content[end : end + 3]
        if closing:
            # One character to an element: a number in boxes.
            single = start >= 2 and content[start - 2] == ">"
            out.put(" " if single else "\n", start)
        elif following[1:3] == "</":
            return
        elif following[:1] in ("<", "\r", "\n", "") or match["rest"].endswith("/"):
            out.put("\n", start)
        else:
            out.put(f"\n{name.rpartition(':')[2]}: ", start)

    def _end_cell(self, out: Rewriter) -> None:
        if self._cell is not None and self._row >= 0:
            if out.length > self._cell:
                self._cells.append((self._row, self._column, self._cell, out.length))
            self._column += self._span
        self._cell = None
        self._span = 1

    def _hand_out(self, out: Rewriter) -> Iterator[Text]:
        cells = self._cells
        text = out.text("markup", self._container, first_char=self._characters, cells=())
        self._characters += out.length
        whole = text.content if text else out.content() if cells and self._kept_rows < HEADER_ROWS + LABEL_ROWS else ""
        if cells and whole:
            self._keep(whole)
        if text is None:
            return
        if cells:
            first_row = cells[0][0]
            labels = [entry for entry in self._kept[self._handed :] if entry[0] < first_row]
            if labels:
                yield _label_piece(labels, self._container)
            self._handed = len(self._kept)
        spans = []
        for row, column, low, high in cells:
            value = text.content[low:high]
            stripped = value.strip()
            if stripped:
                start = low + value.index(stripped)
                spans.append(Cell(row, column, start, start + len(stripped)))
        kind: TextKind = "table" if spans else "markup" if self._xml else "prose"
        yield Text(
            text.content,
            text.encoding,
            kind,
            self._container,
            stream="text",
            cells=tuple(spans),
            offsets=text.offsets,
            first_char=text.first_char,
        )

    def _keep(self, content: str) -> None:
        """Remember rows that may name columns, for the blocks after this one."""
        row = -1
        keep = False
        for cell in self._cells:
            value = content[cell[2] : cell[3]].strip()
            if cell[0] != row:
                row = cell[0]
                keep = self._kept_rows < HEADER_ROWS
                self._kept_rows += keep
            if not keep and self._kept_rows < HEADER_ROWS + LABEL_ROWS and is_label(value):
                keep = True
                self._kept_rows += 1
            if keep:
                self._kept.append((row, cell[1], value))


def _label_piece(labels: list[tuple[int, int, str]], container: str) -> Text:
    content = ""
    cells = []
    row = labels[0][0]
    for at, column, value in labels:
        content += "\n" if at != row else "\t" if content else ""
        row = at
        cells.append(Cell(at, column, len(content), len(content) + len(value)))
        content += value
    return Text(content, "", "table", container, stream="text", cells=tuple(cells))


def _entity(written: str, entity: str) -> str:
    """What an entity stands for; one that is not known stays as it is written."""
    if entity[0] == "#":
        try:
            code = int(f"0{entity[1:]}" if entity[1] in "xX" else entity[1:], 16 if entity[1] in "xX" else 10)
        except ValueError:
            return written
        return chr(code) if 0 < code < 0xD800 or 0xE000 <= code < 0x110000 else "�"
    return html.unescape(f"&{entity};" if written.endswith(";") else written)


def may_hold_number(content: str) -> bool:
    """Whether markup can hold a number at all, its tags away: much cheaper than to read it."""
    if _TEN_DIGITS.search(content):  # in text, attribute, comment or script
        return True
    text = _TAG.sub("", content)
    if "&" in text:
        text = html.unescape(text)
    return holds_written(_SPACE.sub(" ", text)) or holds_written(" ".join(_VALUE.findall(content)))


def extract(source: Source, context: Context) -> Iterator[Text | Problem | Child]:
    """The text in pieces with the place of each character."""
    head = text_of(source.read_at(0, 4096)) or ""
    if _JSON.match(head):
        yield from _json(source, context)
        return
    is_html = "<html" in head.lower() if head.lstrip().startswith("<?xml") else _HTML.search(head) is not None
    declared = _CHARSET.search(head)
    preferred = _CHARSETS.get(declared[1].lower()) if declared else None
    sheet = not is_html and _SHEET_SPACE in head
    tags = _Tags(source.container, xml=not is_html and not sheet, sheet=sheet)
    pending: deque[Block] = deque()
    for block in blocks(source, context, overlap=False, cut=_tag_cut, preferred=preferred):
        pending.append(block)
        keep = 0 if may_hold_number(block.content) else _PENDING_BLOCKS
        while len(pending) > keep:
            yield from tags.block(pending.popleft())
