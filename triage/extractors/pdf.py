"""PDF through PDFium: text page by page, tables and boxed digits by position, fields, comments, attachments, metadata.

PDFium puts glyphs in reading order as far as the content stream allows. Where a page has enough digits, its characters
are also ordered by where they stand, so that digits drawn into boxes, one by one and in any order, form their line.
"""

from __future__ import annotations

import ctypes
import itertools
import re
import zlib
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from triage import ocr
from triage.extractors import pictures as pictures_of
from triage.extractors.digits import DIGITS, chains, holds_number, holds_written, reads_everything
from triage.extractors.model import (
    BytesSource,
    Child,
    Decision,
    ExtractionError,
    LimitReachedError,
    OutOfOutputError,
    OutOfTimeError,
    Problem,
    member_container,
)
from triage.extractors.pieces import Prose, prose
from triage.extractors.zip_archive import name_text
from triage.text import Cell, Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from triage.extractors.model import Context, Source

MAX_PAGES = 10_000
MAX_PAGE_CHARS = 200_000
MAX_ANNOTATIONS = 5_000
MAX_ATTACHMENTS = 1_000
MAX_PAGE_PICTURES = 10_000
SCANNED_PAGE_CHARS = 2_000
"""A page with more text than this and a picture is a text with an illustration, unless every picture is to be read."""
SCAN_DPI = 200
SCAN_SIDE_PIXELS = 4_000
_IN_MEMORY_BYTES = 16 << 20
_STREAM = re.compile(rb"stream\r?\n")
_STRING = re.compile(rb"\((?:[^()\\]|\\.)*\)|<([0-9A-Fa-f\s]+)>")


def matches(head: bytes, _name: str, _size: int) -> bool:
    """The header in the first kilobyte, where readers look for it."""
    return b"%PDF-" in head[:1024]


class _File:
    """A source as the file object that PDFium reads from."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._position = 0

    def seek(self, offset: int, whence: int = 0) -> int:
        start = (0, self._position, self._source.size)[whence]
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, size: int = -1) -> bytes:
        data = self._source.read_at(self._position, self._source.size if size < 0 else size)
        self._position += len(data)
        return data

    def readinto(self, buffer: bytearray | memoryview) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _open(source: Source, context: Context) -> Any:  # noqa: ANN401 - pypdfium2 has no types
    import pypdfium2  # noqa: PLC0415 - a shared library of several megabytes

    data: Any = source.read_at(0, source.size) if source.size <= _IN_MEMORY_BYTES else _File(source)
    for password in (None, *context.passwords):
        try:
            document = pypdfium2.PdfDocument(data, password=password)
        except pypdfium2.PdfiumError as error:
            code = getattr(error, "err_code", None)
            if code == 4 or "assword" in str(error):
                continue
            raise ExtractionError("damaged", "PDF を開けません", "the PDF cannot be opened") from None
        if password is not None:
            context.opened.add(source.container)
        return document
    raise ExtractionError("encrypted", "PDF が暗号化されています", "the PDF is encrypted")


class _Glyph(NamedTuple):
    """A character and its box, in points, y upwards."""

    character: str
    left: float
    right: float
    bottom: float
    top: float


def _glyphs(text_page: Any, count: int) -> list[_Glyph]:  # noqa: ANN401 - pypdfium2 has no types
    import pypdfium2.raw as pdfium  # noqa: PLC0415 - loaded by now

    # Loose boxes are as wide as the font says, not as the ink: "1" takes as much room as "8".
    box = pdfium.FS_RECTF()
    glyphs = []
    for index in range(count):
        code = pdfium.FPDFText_GetUnicode(text_page, index)
        if code <= 32 or 0xD800 <= code < 0xE000 or code > 0x10FFFF or code in (0x3000, 0xFFFE, 0xFFFF):
            continue
        if pdfium.FPDFText_GetLooseCharBox(text_page, index, box):
            glyphs.append(_Glyph(chr(code), box.left, box.right, box.bottom, box.top))
    return glyphs


def _digits_in_line(text_page: Any, count: int) -> bool:  # noqa: ANN401 - pypdfium2 has no types
    """Whether any twelve digits stand in one line, in whatever order the page draws them."""
    import pypdfium2.raw as pdfium  # noqa: PLC0415 - loaded by now

    box = pdfium.FS_RECTF()
    digits = frozenset(map(ord, DIGITS))
    places = [
        ((box.bottom + box.top) / 2, box.top - box.bottom)
        for index in range(count)
        if pdfium.FPDFText_GetUnicode(text_page, index) in digits
        and pdfium.FPDFText_GetLooseCharBox(text_page, index, box)
    ]
    places.sort()
    return any(last[0] - first[0] <= max(first[1], last[1]) for first, last in zip(places, places[11:], strict=False))


def _lines(glyphs: list[_Glyph]) -> list[list[_Glyph]]:
    """Glyphs in lines from top to bottom, each from left to right: same line if their boxes overlap by half."""
    lines: list[list[_Glyph]] = []
    middle = height = 0.0
    for glyph in sorted(glyphs, key=lambda glyph: -(glyph.bottom + glyph.top)):
        center = (glyph.bottom + glyph.top) / 2
        if lines and abs(middle - center) <= max(height, glyph.top - glyph.bottom) / 2:
            lines[-1].append(glyph)
        else:
            lines.append([glyph])
            middle, height = center, max(glyph.top - glyph.bottom, 1.0)
    for line in lines:
        line.sort(key=lambda glyph: glyph.left)
    return lines


def _fields(line: list[_Glyph]) -> list[tuple[float, str]]:
    """The words of a line that stand apart, with their left edges: boxed digits at even distances stay one field."""
    fields: list[tuple[float, str]] = []
    size = sorted(glyph.top - glyph.bottom for glyph in line)[len(line) // 2] or 1.0
    words: list[list[_Glyph]] = []
    for glyph in line:
        if words and glyph.left - words[-1][-1].right < 0.6 * size:
            # The same glyph printed twice for boldness is one.
            last = words[-1][-1]
            if glyph.character == last.character and abs(glyph.left - last.left) < 0.15 * size:
                continue
            words[-1].append(glyph)
        else:
            words.append([glyph])
    previous: list[_Glyph] | None = None
    for word in words:
        text = word[0].character + "".join(
            f" {glyph.character}" if glyph.left - before.right > 0.15 * size else glyph.character
            for before, glyph in pairwise(word)
        )
        joins = (
            previous is not None
            and all(glyph.character in DIGITS for glyph in word)
            and all(glyph.character in DIGITS for glyph in previous)
            and max(len(word), len(previous)) <= 4
            and word[0].left - previous[-1].right < 4 * size
        )
        if joins:
            fields[-1] = (fields[-1][0], f"{fields[-1][1]} {text}")
        else:
            fields.append((word[0].left, text))
        previous = word
    return fields


class _Columns:
    """Numbers of columns by their left edges, the same over all pages, so that a roster stays one table."""

    def __init__(self) -> None:
        self._edges: list[float] = []
        self.rows = 0

    def number(self, edge: float) -> int:
        """The column that starts within 12 points of `edge`; a new one if there is none."""
        for number, known in enumerate(self._edges):
            if abs(known - edge) <= 12:
                return number
        self._edges.append(edge)
        return len(self._edges) - 1


def _by_position(glyphs: list[_Glyph], container: str, location: str, columns: _Columns) -> Text | None:
    """The page as rows of fields; None if it holds no number."""
    rows = [_fields(line) for line in _lines(glyphs)]
    first_row = columns.rows
    columns.rows += len(rows)
    content: list[str] = []
    cells: list[Cell] = []
    position = 0
    for number, row in enumerate(rows):
        line = "\t".join(text for _, text in row)
        at = position
        for edge, text in row:
            cells.append(Cell(first_row + number, columns.number(edge), at, at + len(text)))
            at += len(text) + 1
        content.append(line)
        position += len(line) + 1
    text = "\n".join(content)
    if not holds_number(text):
        return None
    return Text(text, "", "table", container, location, "pages", tuple(cells))


def _page(page: Any, container: str, location: str, columns: _Columns) -> Iterator[Text]:  # noqa: ANN401 - pypdfium2 has no types
    text_page = page.get_textpage()
    try:
        count = min(text_page.count_chars(), MAX_PAGE_CHARS)
        content: str = text_page.get_text_range(0, count, errors="replace") if count > 0 else ""
        if sum(map(content.count, DIGITS)) < 12 and not reads_everything():
            return
        if not holds_written(" ".join(content.split())) and not _digits_in_line(text_page.raw, count):
            return
        placed = _by_position(_glyphs(text_page.raw, count), container, location, columns)
        # One reading is enough where both say the same; by position is better, as it knows columns.
        if placed is not None:
            yield placed
        missing = chains(content) - (chains(placed.content) if placed else set())
        if missing or (placed is None and holds_number(content)):
            yield from prose([content], container, f"text {location}", location=location)
    finally:
        text_page.close()


def _string(call: Any, *arguments: Any) -> str:  # noqa: ANN401 - foreign functions
    """The UTF-16 string that a PDFium function of the form f(…, buffer, size) -> bytes needed gives."""
    size = min(call(*arguments, None, 0), 1 << 20)
    if size <= 2:
        return ""
    buffer = (ctypes.c_ushort * (size // 2 + 1))()
    call(*arguments, buffer, size)
    return bytes(buffer)[: size - 2].decode("utf-16-le", "replace")


def _annotations(page: Any, forms: Any) -> Iterator[str]:  # noqa: ANN401 - pypdfium2 has no types
    import pypdfium2.raw as pdfium  # noqa: PLC0415 - loaded by now

    for index in range(min(pdfium.FPDFPage_GetAnnotCount(page.raw), MAX_ANNOTATIONS)):
        annotation = pdfium.FPDFPage_GetAnnot(page.raw, index)
        if not annotation:
            continue
        try:
            if forms is not None and pdfium.FPDFAnnot_GetSubtype(annotation) == pdfium.FPDF_ANNOT_WIDGET:
                name = _string(pdfium.FPDFAnnot_GetFormFieldName, forms.raw, annotation)
                shown = _string(pdfium.FPDFAnnot_GetFormFieldAlternateName, forms.raw, annotation)
                value = _string(pdfium.FPDFAnnot_GetFormFieldValue, forms.raw, annotation)
                if value:
                    yield f"{shown or name}: {value}\n" if shown in ("", name) else f"{name} {shown}: {value}\n"
            else:
                note = _string(pdfium.FPDFAnnot_GetStringValue, annotation, b"Contents")
                if note:
                    yield f"{note}\n"
        finally:
            pdfium.FPDFPage_CloseAnnot(annotation)


def _attachments(document: Any, source: Source, context: Context) -> Iterator[Text | Problem | Child]:  # noqa: ANN401
    for index in range(min(document.count_attachments(), MAX_ATTACHMENTS)):
        context.count_member()
        attachment = document.get_attachment(index)
        name = attachment.get_name() or str(index + 1)
        container = member_container(source, name)
        yield from name_text(container, name)
        data = bytes(attachment.get_data())
        context.spend(len(data))
        yield Child(BytesSource(data, name, container))


def _scanned(page: Any, container: str, location: str, context: Context) -> Iterator[Text | Problem | Decision]:  # noqa: ANN401
    """The text in the pictures of a page, read from the page as printed: forms are often scanned in strips."""
    import pypdfium2.raw as pdfium  # noqa: PLC0415 - loaded by now

    kinds = (pdfium.FPDF_PAGEOBJ_IMAGE,)
    pictures = sum(1 for _ in itertools.islice(page.get_objects(kinds, max_depth=3), MAX_PAGE_PICTURES))
    text_page = page.get_textpage()
    try:
        written = text_page.count_chars()
    finally:
        text_page.close()
    if not pictures or (context.ocr == "auto" and written > SCANNED_PAGE_CHARS):
        return
    if not ocr.is_installed():
        yield Decision("not_installed", container, location)
        return
    width, height = page.get_size()
    scale = min(SCAN_DPI / 72, SCAN_SIDE_PIXELS / max(width, height, 1))
    context.spend(round(width * scale) * round(height * scale) * 3)
    bitmap = page.render(scale=scale, draw_annots=False)
    try:
        pixels = bitmap.to_numpy()[:, :, 2::-1].copy()
    finally:
        bitmap.close()
    yield from pictures_of.read_pixels(pixels, container, location, context)


def _metadata(document: Any) -> Iterator[str]:  # noqa: ANN401 - PDFium's document
    """Title, author and the like, a line each."""
    for key in document.METADATA_KEYS:
        try:
            value = document.get_metadata_value(key)
        except UnicodeDecodeError:
            continue  # a title of bytes that are no text
        if value:
            yield f"{key}: {value}\n"


def extract(source: Source, context: Context) -> Iterator[Text | Problem | Decision | Child]:
    """Metadata, then pages with their fields and comments, then attachments."""
    import pypdfium2  # noqa: PLC0415 - a shared library of several megabytes

    try:
        document = _open(source, context)
    except (OutOfTimeError, OutOfOutputError):
        raise
    except ExtractionError as error:
        yield error.problem(source.container)
        if error.reason == "damaged":
            yield from _salvaged(source, context)
        return
    try:
        lines = list(_metadata(document))
        yield from prose(lines, source.container, "metadata", location="metadata", kind="form")
        if document.get_formtype():
            document.init_forms()
        forms = document.formenv
        pages = len(document)
        columns = _Columns()
        fields = Prose(source.container, "fields", location="fields", kind="form")
        for number in range(min(pages, MAX_PAGES)):
            context.check_time()
            location = f"p.{number + 1}"
            try:
                page = document[number]
            except pypdfium2.PdfiumError:
                yield Problem("damaged", "ページを読めません", "a page cannot be read", source.container, location)
                continue
            try:
                yield from _page(page, source.container, location, columns)
                if context.ocr != "off":
                    yield from _scanned(page, source.container, location, context)
                for line in _annotations(page, forms):
                    yield from fields.add(line)
            except pypdfium2.PdfiumError:
                yield Problem("damaged", "ページを読めません", "a page cannot be read", source.container, location)
            finally:
                page.close()
        yield from fields.finish()
        if pages > MAX_PAGES:
            yield LimitReachedError(
                f"ページ数の上限({MAX_PAGES:,})に達しました", f"limit of {MAX_PAGES:,} pages reached"
            ).problem(source.container)
        yield from _attachments(document, source, context)
    finally:
        document.close()


def _salvaged(source: Source, context: Context) -> Iterator[Text]:
    """Strings in the streams of a PDF that cannot be opened, stream by stream."""
    position = 0
    while position < source.size:
        context.check_time()
        data = source.read_at(position, 4 << 20)
        if not data:
            return
        for match in _STREAM.finditer(data):
            if match.start() >= 3 << 20:
                break
            try:
                body = zlib.decompressobj().decompress(data[match.end() :], 8 << 20)
            except zlib.error:
                continue
            context.spend(len(body))
            words = []
            for found in _STRING.finditer(body):
                hexed = found[1]
                if hexed is None:
                    words.append(found[0][1:-1].decode("latin-1"))
                else:
                    digits = re.sub(rb"\s", b"", hexed)
                    words.append(bytes.fromhex((digits + b"0" * (len(digits) % 2)).decode()).decode("latin-1"))
            joined = "".join(words)
            if holds_number(joined):
                yield Text(joined[: 1 << 18], "", "raw", source.container, f"@{position + match.start()}")
        position += 3 << 20
