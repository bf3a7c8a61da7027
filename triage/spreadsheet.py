"""Writes plain workbooks (.xlsx, ISO/IEC 29500-1 SpreadsheetML) row by row, however many rows there are.

```python
with path.open("xb") as file, Workbook(file) as book:
    book.add_sheet("所見", ("ID", "場所"), rows)
```
Text goes in as text: a cell that begins with `=` is shown, never calculated. The same content gives the same bytes.
"""

from __future__ import annotations

import re
import zipfile
from typing import IO, TYPE_CHECKING, Self
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType

Cell = str | int | None

MAX_ROWS = 1_048_576
"""Rows a sheet may have, the head among them; what is beyond goes into further sheets."""
MAX_CELL_CHARS = 32_767
_MAX_NUMBER = 999_999_999_999_999
"""The largest whole number that a spreadsheet, which calculates in doubles and shows 15 digits, leaves as it is."""

# Spreadsheets read _x0041_ in text as the character U+0041.
_ESCAPE_LOOKALIKE = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_SHEET_NAME = re.compile(r"[\[\]:*?/\\]")

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
_FORMAT = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'

# Two cell formats: 0 plain, 1 bold for the head.
_STYLES = (
    f'{_HEAD}<styleSheet xmlns="{_MAIN}"><fonts count="2"><font><sz val="10"/><name val="Yu Gothic"/></font>'
    '<font><b/><sz val="10"/><name val="Yu Gothic"/></font></fonts><fills count="1"><fill><patternFill/></fill></fills>'
    '<borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="2"><xf/>'
    '<xf fontId="1" applyFont="1"/></cellXfs></styleSheet>'
)


class Workbook:
    """A workbook being written to a binary file; `close` (or leaving the `with` block) completes it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED)
        self._names: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self._zip.close()

    def add_sheet(
        self,
        name: str,
        head: Sequence[str],
        rows: Iterable[Sequence[Cell]],
        *,
        widths: Sequence[int] = (),
    ) -> int:
        """Add a sheet and return the number of its rows without the head.

        `widths` in characters. Rows beyond MAX_ROWS go into sheets called `name (2)` and so on. Sheet names are cut to
        the 31 characters that a workbook allows.
        """
        iterator = iter(rows)
        written = 0
        part = 1
        waiting: Sequence[Cell] | None = None
        while True:
            title = name if part == 1 else f"{name} ({part})"
            count, waiting = self._sheet(title, head, iterator, widths, waiting)
            written += count
            if waiting is None:
                return written
            part += 1

    def close(self) -> None:
        """Write what lists the sheets."""
        sheets = "".join(
            f'<sheet name="{_attribute(name)}" sheetId="{n}" r:id="rId{n}"/>' for n, name in enumerate(self._names, 1)
        )
        self._put(
            "xl/workbook.xml", f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{sheets}</sheets></workbook>'
        )
        links = "".join(
            f'<Relationship Id="rId{n}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{n}.xml"/>'
            for n in range(1, len(self._names) + 1)
        )
        links += f'<Relationship Id="rIdStyles" Type="{_OFFICE}/styles" Target="styles.xml"/>'
        self._put("xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{_RELATIONS}">{links}</Relationships>')
        root = f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/>'
        self._put("_rels/.rels", f'<Relationships xmlns="{_RELATIONS}">{root}</Relationships>')
        parts = "".join(
            f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{_FORMAT}.worksheet+xml"/>'
            for n in range(1, len(self._names) + 1)
        )
        self._put(
            "[Content_Types].xml",
            f'<Types xmlns="{_TYPES}"><Default Extension="rels" '
            'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{_FORMAT}.sheet.main+xml"/>'
            f'<Override PartName="/xl/styles.xml" ContentType="{_FORMAT}.styles+xml"/>{parts}</Types>',
        )
        self._zip.writestr(_entry("xl/styles.xml"), _STYLES)
        self._zip.close()

    def _put(self, name: str, content: str) -> None:
        self._zip.writestr(_entry(name), _HEAD + content)

    def _sheet(
        self,
        name: str,
        head: Sequence[str],
        rows: Iterable[Sequence[Cell]],
        widths: Sequence[int],
        first: Sequence[Cell] | None,
    ) -> tuple[int, Sequence[Cell] | None]:
        """Write one sheet; returns its rows and the row that did not fit, if there was one."""
        self._names.append(_SHEET_NAME.sub("_", name)[:31])
        columns = "".join(f'<col min="{n}" max="{n}" width="{w}" customWidth="1"/>' for n, w in enumerate(widths, 1))
        start = (
            f'{_HEAD}<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0">'
            '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews>'
            f"{f'<cols>{columns}</cols>' if columns else ''}<sheetData>{_row(head, 1)}"
        )
        count = 0
        waiting: Sequence[Cell] | None = None
        with self._zip.open(_entry(f"xl/worksheets/sheet{len(self._names)}.xml"), "w", force_zip64=True) as sheet:
            sheet.write(start.encode("utf-8"))
            if first is not None:
                sheet.write(_row(first, 0).encode("utf-8"))
                count = 1
            for row in rows:
                if count + 1 >= MAX_ROWS:
                    waiting = row
                    break
                sheet.write(_row(row, 0).encode("utf-8"))
                count += 1
            last = _column(len(head) - 1)
            sheet.write(f'</sheetData><autoFilter ref="A1:{last}{count + 1}"/></worksheet>'.encode())
        return count, waiting


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)  # its time is 1980-01-01: no clock in the bytes
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _row(cells: Sequence[Cell], style: int) -> str:
    return f"<row>{''.join(_cell(cell, style) for cell in cells)}</row>"


def _cell(value: Cell, style: int) -> str:
    look = f' s="{style}"' if style else ""
    if value is None or value == "":
        return f"<c{look}/>"
    if isinstance(value, int) and abs(value) <= _MAX_NUMBER:
        return f"<c{look}><v>{value}</v></c>"
    text = _ESCAPE_LOOKALIKE.sub("_x005F_", _NOT_IN_XML.sub("\ufffd", str(value)[:MAX_CELL_CHARS]))
    return f'<c{look} t="inlineStr"><is><t xml:space="preserve">{escape(text)}</t></is></c>'


def _attribute(text: str) -> str:
    return escape(_NOT_IN_XML.sub("\ufffd", text), {'"': "&quot;"})


def _column(number: int) -> str:
    """Letters of column `number`, counted from 0."""
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(65 + rest) + letters
    return letters
