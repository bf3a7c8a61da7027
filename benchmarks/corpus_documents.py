"""Office documents, PDF, mail, archives and databases, made by writers that share no code with the readers under test.

Every function returns the bytes of one file. The same arguments give the same bytes: times inside containers are
fixed, random boundaries come from a counter.
"""

# mypy: disable-error-code="import-untyped"
from __future__ import annotations

import base64
import gzip
import io
import quopri
import re
import sqlite3
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ZIP_TIME = (2025, 1, 10, 9, 30, 0)
UNIX_TIME = 1736469000
OFFICE_TIME = b"2025-01-10T00:30:00Z"
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


class _Cp932Info(zipfile.ZipInfo):
    """A member whose name is written as Windows' own tools in Japan write it: CP932 without the UTF-8 flag."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802 - the hook of zipfile
        return self.filename.encode("cp932"), self.flag_bits & ~0x800


def zip_file(members: Sequence[tuple[str, bytes]], *, cp932: bool = False, stored: Sequence[str] = ()) -> bytes:
    """A zip with fixed times; `stored` names the members that are not compressed."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members:
            info = _Cp932Info(name, ZIP_TIME) if cp932 else zipfile.ZipInfo(name, ZIP_TIME)
            info.compress_type = zipfile.ZIP_STORED if name in stored else zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return out.getvalue()


def _same_times(data: bytes) -> bytes:
    """An office file with the times of its members and its core properties fixed."""
    members = []
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for info in archive.infolist():
            content = archive.read(info)
            if info.filename in ("docProps/core.xml", "word/comments.xml"):
                content = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?", OFFICE_TIME, content)
            members.append((info.filename, content))
    # OpenDocument wants its member `mimetype` first and stored.
    return zip_file(members, stored=("mimetype",))


def docx(
    paragraphs: Sequence[Sequence[str]] = (),
    *,
    table: Sequence[Sequence[str]] = (),
    comment: str = "",
    deleted: str = "",
    text_box: str = "",
    header: str = "",
) -> bytes:
    """A Word document; each paragraph is a list of runs. The rest is optional."""
    from docx import Document  # noqa: PLC0415 - only the kinds that need it load it
    from docx.oxml import parse_xml  # noqa: PLC0415

    document = Document()
    for runs in paragraphs:
        paragraph = document.add_paragraph()
        for run in runs:
            paragraph.add_run(run)
    if table:
        made = document.add_table(len(table), len(table[0]))
        for y, row in enumerate(table):
            for x, value in enumerate(row):
                made.cell(y, x).text = value
    if comment:
        paragraph = document.add_paragraph("確認事項")
        document.add_comment(paragraph.runs[0], text=comment, author="総務", initials="総")
    if deleted:
        document.element.body.insert(
            0,
            parse_xml(
                f'<w:p xmlns:w="{WORD}"><w:r><w:t>変更前: </w:t></w:r><w:del w:id="9" w:author="総務" w:date='
                f'"2025-01-10T09:30:00Z"><w:r><w:delText xml:space="preserve">{deleted}</w:delText></w:r></w:del>'
                "</w:p>",
            ),
        )
    if text_box:
        document.element.body.insert(
            0,
            parse_xml(
                f'<w:p xmlns:w="{WORD}" xmlns:v="urn:schemas-microsoft-com:vml"><w:r><w:pict><v:shape '
                f'style="width:300pt;height:40pt"><v:textbox><w:txbxContent><w:p><w:r><w:t>{text_box}</w:t></w:r></w:p>'
                "</w:txbxContent></v:textbox></v:shape></w:pict></w:r></w:p>",
            ),
        )
    if header:
        document.sections[0].header.paragraphs[0].text = header
    out = io.BytesIO()
    document.save(out)
    return _same_times(out.getvalue())


def xlsx(
    sheets: Sequence[tuple[str, Sequence[Sequence[str | int | float]]]],
    *,
    hidden: Sequence[str] = (),
    comment: str = "",
    formats: str = "General",
) -> bytes:
    """A workbook by openpyxl (shared strings); `formats` is the number format of numeric cells."""
    from openpyxl import Workbook  # noqa: PLC0415
    from openpyxl.comments import Comment  # noqa: PLC0415

    book = Workbook()
    book.remove(book.active)
    for name, rows in sheets:
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
            for cell in sheet[sheet.max_row]:
                if isinstance(cell.value, int):
                    cell.number_format = formats
        if name in hidden:
            sheet.sheet_state = "hidden"
        if comment:
            sheet["A1"].comment = Comment(comment, "総務")
    out = io.BytesIO()
    book.save(out)
    return _same_times(out.getvalue())


def xlsx_inline(name: str, rows: Sequence[Sequence[str]]) -> bytes:
    """A workbook whose strings stand in the sheet (inlineStr), as report generators write it; made by hand."""
    cells = "".join(
        f'<row r="{y}">'
        + "".join(
            f'<c r="{chr(64 + x)}{y}" t="inlineStr"><is><t>{value}</t></is></c>' for x, value in enumerate(row, 1)
        )
        + "</row>"
        for y, row in enumerate(rows, 1)
    )
    head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    types = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    content_types = (
        f'{head}<Types xmlns="{package}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{types}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{types}.worksheet+xml"/></Types>'
    )
    start = f'{head}<Relationships xmlns="{package}/relationships"><Relationship Id="rId1" Type="{relations}'
    book = (
        f'{head}<workbook xmlns="{main}" xmlns:r="{relations}"><sheets><sheet name="{name}" sheetId="1" r:id="rId1"/>'
        "</sheets></workbook>"
    )
    members = (
        ("[Content_Types].xml", content_types),
        ("_rels/.rels", f'{start}/officeDocument" Target="xl/workbook.xml"/></Relationships>'),
        ("xl/workbook.xml", book),
        ("xl/_rels/workbook.xml.rels", f'{start}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>'),
        ("xl/worksheets/sheet1.xml", f'{head}<worksheet xmlns="{main}"><sheetData>{cells}</sheetData></worksheet>'),
    )
    return zip_file([(path, text.encode()) for path, text in members])


def xlsx_xlsxwriter(name: str, rows: Sequence[Sequence[str | int | float]], *, text_box: str = "") -> bytes:
    """A workbook by xlsxwriter, another writer of the same format; numbers get the format 0."""
    import datetime as dt  # noqa: PLC0415

    import xlsxwriter  # noqa: PLC0415

    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        book.set_properties({"created": dt.datetime(2025, 1, 10, tzinfo=dt.UTC).replace(tzinfo=None)})
        sheet = book.add_worksheet(name)
        plain = book.add_format({"num_format": "0"})
        for y, row in enumerate(rows):
            for x, value in enumerate(row):
                if isinstance(value, str):
                    sheet.write_string(y, x, value)
                else:
                    sheet.write_number(y, x, value, plain)
        if text_box:
            sheet.insert_textbox(0, 6, text_box)
    return _same_times(out.getvalue())


def xls(sheets: Sequence[tuple[str, Sequence[Sequence[str | int | float]]]]) -> bytes:
    """An Excel 97 workbook; integers are stored as IEEE doubles."""
    import xlwt  # noqa: PLC0415

    book = xlwt.Workbook(encoding="utf-8")
    for name, rows in sheets:
        sheet = book.add_sheet(name)
        for y, row in enumerate(rows):
            for x, value in enumerate(row):
                sheet.write(y, x, value)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def pptx(paragraphs: Sequence[str], *, table: Sequence[Sequence[str]] = (), notes: str = "") -> bytes:
    """A slide with a text box, a table and speaker notes."""
    from pptx import Presentation  # noqa: PLC0415
    from pptx.util import Cm  # noqa: PLC0415

    deck = Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[6])
    frame = slide.shapes.add_textbox(Cm(2), Cm(2), Cm(20), Cm(5)).text_frame
    for paragraph in paragraphs:
        frame.add_paragraph().text = paragraph
    if table:
        grid = slide.shapes.add_table(len(table), len(table[0]), Cm(2), Cm(8), Cm(20), Cm(5)).table
        for y, row in enumerate(table):
            for x, value in enumerate(row):
                grid.cell(y, x).text = value
    if notes:
        slide.notes_slide.notes_text_frame.text = notes
    out = io.BytesIO()
    deck.save(out)
    return _same_times(out.getvalue())


def _open_document(kind: str, body: str) -> bytes:
    """An OpenDocument file (ODF 1.3, parts 2 and 3) with the given content of `office:body`."""
    oasis = "urn:oasis:names:tc:opendocument:xmlns"
    mime = f"application/vnd.oasis.opendocument.{kind}"
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    content = (
        f'{head}<office:document-content xmlns:office="{oasis}:office:1.0" xmlns:text="{oasis}:text:1.0" '
        f'xmlns:table="{oasis}:table:1.0" office:version="1.3"><office:body>{body}</office:body>'
        "</office:document-content>"
    )
    manifest = (
        f'{head}<manifest:manifest xmlns:manifest="{oasis}:manifest:1.0" manifest:version="1.3">'
        f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{mime}"/><manifest:file-entry '
        'manifest:full-path="content.xml" manifest:media-type="text/xml"/></manifest:manifest>'
    )
    return zip_file(
        [("mimetype", mime.encode()), ("content.xml", content.encode()), ("META-INF/manifest.xml", manifest.encode())],
        stored=("mimetype",),
    )


def odt(paragraphs: Sequence[Sequence[str]]) -> bytes:
    """An OpenDocument text; the pieces of a paragraph become spans."""
    lines = "".join(
        f"<text:p>{''.join(f'<text:span>{piece}</text:span>' for piece in pieces)}</text:p>" for pieces in paragraphs
    )
    return _open_document("text", f"<office:text>{lines}</office:text>")


def ods(name: str, rows: Sequence[Sequence[str | int | float]]) -> bytes:
    """An OpenDocument spreadsheet; numbers are stored as floats."""
    lines = ""
    for row in rows:
        lines += "<table:table-row>"
        for value in row:
            kind = 'office:value-type="string"'
            if not isinstance(value, str):
                kind = f'office:value-type="float" office:value="{value}"'
            lines += f"<table:table-cell {kind}><text:p>{value}</text:p></table:table-cell>"
        lines += "</table:table-row>"
    return _open_document(
        "spreadsheet",
        f'<office:spreadsheet><table:table table:name="{name}">{lines}</table:table></office:spreadsheet>',
    )


def pdf(lines: Sequence[str], *, boxed: Sequence[tuple[str, str]] = (), glyph_by_glyph: bool = False) -> bytes:
    """An A4 page in a CID font (HeiseiMin-W3, not embedded), compressed content.

    `boxed`: label and digits, each digit in a box of its own as on the printed forms. `glyph_by_glyph`: each character
    of `lines` is placed on its own.
    """
    from reportlab.pdfbase import pdfmetrics  # noqa: PLC0415
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont  # noqa: PLC0415
    from reportlab.pdfgen import canvas  # noqa: PLC0415

    pdfmetrics.registerFont(UnicodeCIDFont("HeiseiMin-W3"))
    out = io.BytesIO()
    page = canvas.Canvas(out, pagesize=(595, 842), invariant=1, pageCompression=1)
    page.setFont("HeiseiMin-W3", 11)
    y = 790
    for line in lines:
        if glyph_by_glyph:
            x = 60.0
            for character in line:
                page.drawString(x, y, character)
                x += pdfmetrics.stringWidth(character, "HeiseiMin-W3", 11)
        else:
            page.drawString(60, y, line)
        y -= 18
        if y < 60:
            page.showPage()
            page.setFont("HeiseiMin-W3", 11)
            y = 790
    for label, digits in boxed:
        page.drawString(60, y, label)
        for position, digit in enumerate(digits):
            # A wider gap after each group of four, as on the form of the tax office.
            x = 180 + position * 18 + position // 4 * 6
            page.rect(x, y - 4, 16, 18)
            page.drawString(x + 5, y, digit)
        y -= 36
    page.save()
    return out.getvalue()


def pdf_embedded(lines: Sequence[str], font_file: Path) -> bytes:
    """A page in an embedded TrueType subset: glyph numbers on the page, a ToUnicode map beside them."""
    from reportlab.pdfbase import pdfmetrics  # noqa: PLC0415
    from reportlab.pdfbase.ttfonts import TTFont  # noqa: PLC0415
    from reportlab.pdfgen import canvas  # noqa: PLC0415

    pdfmetrics.registerFont(TTFont("Embedded", font_file))
    out = io.BytesIO()
    page = canvas.Canvas(out, pagesize=(595, 842), invariant=1, pageCompression=1)
    page.setFont("Embedded", 11)
    for number, line in enumerate(lines):
        page.drawString(60, 790 - 18 * number, line)
    page.save()
    return out.getvalue()


def pdf_form(fields: Sequence[tuple[str, str]]) -> bytes:
    """A page with filled-in form fields (label, value); the values stand in the fields, not in the page content."""
    from reportlab.pdfgen import canvas  # noqa: PLC0415

    out = io.BytesIO()
    page = canvas.Canvas(out, pagesize=(595, 842), invariant=1)
    for number, (label, value) in enumerate(fields):
        page.drawString(60, 780 - 40 * number, label)
        page.acroForm.textfield(
            name=f"field{number}", tooltip=label, x=200, y=770 - 40 * number, width=250, value=value
        )
    page.save()
    return out.getvalue()


def rtf(paragraphs: Sequence[str], *, style: str = "unicode") -> bytes:
    r"""Rich text; characters beyond ASCII as `\uN?` (unicode) or as CP932 bytes `\'xx` (hex)."""
    lines = []
    for paragraph in paragraphs:
        out = []
        for character in paragraph:
            if character.isascii():
                out.append("\\" + character if character in "\\{}" else character)
            elif style == "unicode":
                code = ord(character)
                out.append(f"\\u{code - 65536 if code > 32767 else code}?")
            else:
                out.append("".join(f"\\'{byte:02x}" for byte in character.encode("cp932")))
        lines.append("".join(out) + "\\par\n")
    head = "{\\rtf1\\ansi\\ansicpg932\\deff0{\\fonttbl{\\f0\\fnil\\fcharset128 MS Mincho;}}\\f0\\fs21\n"
    return (head + "".join(lines) + "}").encode("ascii")


def encoded_word(value: str, charset: str) -> str:
    """A header value as RFC 2047 encoded word."""
    return f"=?{charset}?B?{base64.b64encode(value.encode(charset)).decode('ascii')}?="


def mail(
    subject: str,
    body: str,
    *,
    charset: str = "utf-8",
    transfer: str = "base64",
    html: str = "",
    attachments: Sequence[tuple[str, bytes]] = (),
) -> bytes:
    """A message (RFC 5322, MIME) with fixed date, identifiers and boundaries."""

    def part(content: str, kind: str) -> bytes:
        raw = content.encode(charset)
        if transfer == "base64":
            coded = base64.encodebytes(raw)
        elif transfer == "quoted-printable":
            coded = quopri.encodestring(raw)
        else:
            coded = raw
        head = f'Content-Type: text/{kind}; charset="{charset}"\nContent-Transfer-Encoding: {transfer}\n\n'
        return head.encode("ascii") + coded

    parts = [part(body, "plain")]
    if html:
        parts.append(part(html, "html"))
    for name, data in attachments:
        head = (
            f'Content-Type: application/octet-stream; name="{encoded_word(name, "utf-8")}"\n'
            "Content-Transfer-Encoding: base64\n"
            f'Content-Disposition: attachment; filename="{encoded_word(name, "utf-8")}"\n\n'
        )
        parts.append(head.encode("ascii") + base64.encodebytes(data))
    head = (
        "Date: Fri, 10 Jan 2025 09:30:00 +0900\n"
        "From: soumu@mihon-shoji.example\nTo: keiri@mihon-shoji.example\n"
        f"Subject: {encoded_word(subject, charset)}\n"
        f"Message-ID: <{zlib.crc32(body.encode()):08x}@mihon-shoji.example>\nMIME-Version: 1.0\n"
    )
    if len(parts) == 1:
        return (head.encode("ascii") + parts[0]).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    boundary = f"----=_{zlib.crc32(subject.encode()):08X}"
    message = f'{head}Content-Type: multipart/mixed; boundary="{boundary}"\n\n'.encode("ascii")
    for each in parts:
        message += f"--{boundary}\n".encode("ascii") + each + b"\n"
    message += f"--{boundary}--\n".encode("ascii")
    return message.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def mbox(messages: Sequence[bytes]) -> bytes:
    """Messages one after the other in mboxrd form."""
    out = b""
    for message in messages:
        body = re.sub(rb"(?m)^(>*From )", rb">\1", message.replace(b"\r\n", b"\n"))
        out += b"From soumu@mihon-shoji.example Fri Jan 10 09:30:00 2025\n" + body + b"\n"
    return out


def gz(data: bytes, name: str = "") -> bytes:
    """A gzip stream with the original name in its header."""
    out = io.BytesIO()
    with gzip.GzipFile(name, "wb", fileobj=out, mtime=UNIX_TIME) as stream:
        stream.write(data)
    return out.getvalue()


def tar(members: Sequence[tuple[str, bytes]], *, compression: str = "") -> bytes:
    """A tar archive, in GNU format; `compression` is "", "gz", "bz2" or "xz"."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            info.mtime = UNIX_TIME
            archive.addfile(info, io.BytesIO(data))
    data = out.getvalue()
    if compression == "gz":
        return gz(data)
    if compression == "bz2":
        import bz2  # noqa: PLC0415

        return bz2.compress(data)
    if compression == "xz":
        import lzma  # noqa: PLC0415

        return lzma.compress(data)
    return data


def sqlite(
    statements: Sequence[str], rows: Sequence[tuple[str, Sequence[Sequence[str | int]]]], *, after: Sequence[str] = ()
) -> bytes:
    """A database: `statements` make the tables, `rows` are (insert statement, values), `after` runs last.

    Deleted rows stay in the file: `secure_delete` is off, as it is by default in SQLite itself (distributions differ).
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made.sqlite"
        with sqlite3.connect(path) as database:
            database.execute("PRAGMA secure_delete=0")
            for statement in statements:
                database.execute(statement)
            for insert, values in rows:
                database.executemany(insert, values)
            database.commit()
            for statement in after:
                database.execute(statement)
            database.commit()
        database.close()
        return path.read_bytes()


def zip_encrypted(name: str, data: bytes, password: str) -> bytes:
    """A zip with one member under ZipCrypto (PKWARE APPNOTE 6.1), which nobody without the password can read."""
    keys = [0x12345678, 0x23456789, 0x34567890]

    def crc_step(old: int, byte: int) -> int:
        value = (old ^ byte) & 0xFF
        for _ in range(8):
            value = (value >> 1) ^ (0xEDB88320 if value & 1 else 0)
        return (old >> 8) ^ value

    def update(byte: int) -> None:
        keys[0] = crc_step(keys[0], byte)
        keys[1] = ((keys[1] + (keys[0] & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
        keys[2] = crc_step(keys[2], keys[1] >> 24)

    for byte in password.encode():
        update(byte)
    check = zlib.crc32(data)
    secret = bytearray()
    # A real header starts with eleven random bytes; fixed ones keep the file reproducible.
    for byte in bytes(range(11)) + bytes([check >> 24]) + data:
        key = (keys[2] | 2) & 0xFFFF
        secret.append(byte ^ ((key * (key ^ 1)) >> 8 & 0xFF))
        update(byte)
    plain = bytearray(zip_file([(name, bytes(secret))], cp932=True, stored=(name,)))
    # The same layout, but with flag bit 0 set, and CRC and size of the clear data.
    central = plain.rindex(b"PK\x01\x02")
    for flags, crc_at, size_at in ((6, 14, 22), (central + 8, central + 16, central + 24)):
        plain[flags] |= 1
        plain[crc_at : crc_at + 4] = check.to_bytes(4, "little")
        plain[size_at : size_at + 4] = len(data).to_bytes(4, "little")
    return bytes(plain)
