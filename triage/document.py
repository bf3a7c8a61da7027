"""A short text document of headings, paragraphs, questions and tables, written as .docx or as an HTML page.

```python
document = Document(("下書き", "Draft"), [Heading(1, ("概要", "Outline")), Table(head, rows)])
docx_bytes(document, "ja")
html_page(document, "ja")
```
The .docx (ISO/IEC 29500-1 WordprocessingML) is in one language, as it is going to be edited and sent; the page holds
both. The same document gives the same bytes.
"""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from xml.sax.saxutils import escape

from triage.html_parts import Words, both, csp_hash, fill, template
from triage.html_parts import escape as escape_html

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chain_of_custody.errors import Language

Style = Literal["normal", "note", "warning", "question"]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of level 1 or 2."""

    level: Literal[1, 2]
    words: Words


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One paragraph; a question leaves room for its answer."""

    words: Words
    style: Style = "normal"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells under a head; `widths` are shares of the page. `sourced`: the last column names sources."""

    head: tuple[Words, ...]
    rows: tuple[tuple[Words, ...], ...]
    widths: tuple[int, ...] = ()
    sourced: bool = False


Block = Heading | Paragraph | Table


@dataclass(frozen=True, slots=True)
class Document:
    """Title and blocks, in both languages."""

    title: Words
    blocks: tuple[Block, ...]


_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_MAIN = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_FORMAT = "application/vnd.openxmlformats-officedocument.wordprocessingml"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_PAGE_WIDTH = 9638
"""Width of the text on A4 with margins of 20 mm, in twentieths of a point."""

_STYLE_IDS: dict[Style, str] = {"normal": "Normal", "note": "Note", "warning": "Warning", "question": "Question"}


def docx_bytes(document: Document, language: Language) -> bytes:
    """The document as the bytes of a .docx file in one language."""
    side = 0 if language == "ja" else 1
    body = [_paragraph(document.title[side], "Title"), *(_block(block, side) for block in document.blocks)]
    text = (
        f'{_HEAD}<w:document xmlns:w="{_MAIN}"><w:body>{"".join(body)}<w:sectPr><w:pgSz w:w="11906" w:h="16838"/>'
        '<w:pgMar w:top="1134" w:right="1134" w:bottom="1134" w:left="1134" w:header="567" w:footer="567" '
        'w:gutter="0"/>'
        "</w:sectPr></w:body></w:document>"
    )
    types = (
        f'{_HEAD}<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/word/document.xml" ContentType="{_FORMAT}.document.main+xml"/>'
        f'<Override PartName="/word/styles.xml" ContentType="{_FORMAT}.styles+xml"/></Types>'
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (
            ("[Content_Types].xml", types),
            ("_rels/.rels", _relations("officeDocument", "word/document.xml")),
            ("word/_rels/document.xml.rels", _relations("styles", "styles.xml")),
            ("word/styles.xml", _styles(language)),
            ("word/document.xml", text),
        ):
            entry = zipfile.ZipInfo(name)  # its time is 1980-01-01: no clock in the bytes
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return buffer.getvalue()


def html_page(document: Document, language: Language) -> str:
    """The document as one self-contained page that asks for nothing outside and switches languages."""
    style, script = template("document.css"), template("document.js")
    body = "\n".join(_html(block) for block in document.blocks)
    return fill(
        "document.html",
        {
            "language": language,
            "title": escape_html(" / ".join(dict.fromkeys(document.title))),
            "heading": both(*document.title),
            "style": style,
            "style_hash": csp_hash(style),
            "script": script,
            "script_hash": csp_hash(script),
            "body": body,
        },
    )


def _html(block: Block) -> str:
    if isinstance(block, Heading):
        return f"<h{block.level + 1}>{both(*block.words)}</h{block.level + 1}>"
    if isinstance(block, Paragraph):
        return f'<p class="{block.style}">{both(*block.words)}</p>'
    head = "".join(f"<th>{both(*words)}</th>" for words in block.head)
    rows = "".join(f"<tr>{''.join(f'<td>{both(*cell)}</td>' for cell in row)}</tr>" for row in block.rows)
    columns = "".join(f'<col width="{100 * share // sum(block.widths)}%">' for share in block.widths)
    kind = ' class="sourced"' if block.sourced else ""
    return (
        f'<div class="scroll"><table{kind}><colgroup>{columns}</colgroup><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _block(block: Block, side: int) -> str:
    if isinstance(block, Heading):
        return _paragraph(block.words[side], f"Heading{block.level}")
    if isinstance(block, Paragraph):
        mark = ("【要記入】", "[to be answered] ")[side] if block.style == "question" else ""
        text = _paragraph(mark + block.words[side], _STYLE_IDS[block.style])
        # Room for the answer.
        return text + _paragraph("", "Answer") if block.style == "question" else text
    return _table(block, side)


def _paragraph(text: str, style: str) -> str:
    return f'<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr>{_run(text)}</w:p>'


def _run(text: str) -> str:
    clean = escape(_NOT_IN_XML.sub("\ufffd", text))
    return f'<w:r><w:t xml:space="preserve">{clean}</w:t></w:r>' if clean else ""


def _table(table: Table, side: int) -> str:
    shares = table.widths or (1,) * len(table.head)
    widths = [_PAGE_WIDTH * share // sum(shares) for share in shares]
    grid = "".join(f'<w:gridCol w:w="{width}"/>' for width in widths)

    def line(cells: Sequence[str], style: str, properties: str = "") -> str:
        content = "".join(
            f'<w:tc><w:tcPr><w:tcW w:w="{width}" w:type="dxa"/></w:tcPr>{_paragraph(cell, style)}</w:tc>'
            for cell, width in zip(cells, widths, strict=True)
        )
        return f"<w:tr>{properties}{content}</w:tr>"

    head = line([words[side] for words in table.head], "TableHead", "<w:trPr><w:tblHeader/></w:trPr>")
    rows = "".join(line([cell[side] for cell in row], "TableText") for row in table.rows)
    borders = "".join(
        f'<w:{edge} w:val="single" w:sz="4" w:space="0" w:color="A0A0A0"/>'
        for edge in ("top", "left", "bottom", "right", "insideH", "insideV")
    )
    return (
        f'<w:tbl><w:tblPr><w:tblW w:w="{_PAGE_WIDTH}" w:type="dxa"/><w:tblBorders>{borders}</w:tblBorders>'
        f'<w:tblLayout w:type="fixed"/></w:tblPr><w:tblGrid>{grid}</w:tblGrid>{head}{rows}</w:tbl>'
        + _paragraph("", "Note")
    )


def _relations(kind: str, target: str) -> str:
    return (
        f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{_OFFICE}/{kind}" Target="{target}"/></Relationships>'
    )


def _styles(language: Language) -> str:
    def style(identifier: str, name: str, paragraph: str, run: str = "") -> str:
        default = ' w:default="1"' if identifier == "Normal" else ""
        base = "" if identifier == "Normal" else '<w:basedOn w:val="Normal"/>'
        return (
            f'<w:style w:type="paragraph"{default} w:styleId="{identifier}"><w:name w:val="{name}"/>{base}<w:qFormat/>'
            f"<w:pPr>{paragraph}</w:pPr><w:rPr>{run}</w:rPr></w:style>"
        )

    fonts = '<w:rFonts w:ascii="Yu Gothic" w:hAnsi="Yu Gothic" w:eastAsia="Yu Gothic" w:cs="Yu Gothic"/>'
    locale = "ja-JP" if language == "ja" else "en-US"
    outline = '<w:keepNext/><w:spacing w:before="{before}" w:after="80"/><w:outlineLvl w:val="{level}"/>'
    box = '<w:pBdr><w:left w:val="single" w:sz="18" w:space="8" w:color="{color}"/></w:pBdr><w:spacing w:after="120"/>'
    return (
        f'{_HEAD}<w:styles xmlns:w="{_MAIN}"><w:docDefaults><w:rPrDefault><w:rPr>{fonts}<w:sz w:val="20"/>'
        f'<w:lang w:val="{locale}" w:eastAsia="ja-JP"/></w:rPr></w:rPrDefault></w:docDefaults>'
        + style("Normal", "Normal", '<w:spacing w:after="80" w:line="276" w:lineRule="auto"/>')
        + style("Title", "Title", '<w:spacing w:after="160"/>', '<w:b/><w:sz w:val="34"/>')
        + style("Heading1", "heading 1", outline.format(before=320, level=0), '<w:b/><w:sz w:val="26"/>')
        + style("Heading2", "heading 2", outline.format(before=200, level=1), '<w:b/><w:sz w:val="22"/>')
        + style("Note", "Note", '<w:spacing w:after="80"/>', '<w:color w:val="595959"/><w:sz w:val="17"/>')
        + style("Warning", "Warning", box.format(color="B06A00"), "<w:b/>")
        + style("Question", "Question", box.format(color="1F4A80").replace('after="120"', 'before="120" w:after="0"'))
        + style("Answer", "Answer", '<w:ind w:left="200"/><w:spacing w:after="240"/>')
        + style("TableHead", "Table head", '<w:spacing w:after="20"/>', '<w:b/><w:sz w:val="17"/>')
        + style("TableText", "Table text", '<w:spacing w:after="20"/>', '<w:sz w:val="18"/>')
        + "</w:styles>"
    )
