"""The recipe of `tests/data/documents`: one document of each format by a writer that is none of ours.

    python tests/triage/extractors/make_documents.py tests/data/documents

Needs python-docx, openpyxl, XlsxWriter, python-pptx, odfpy, reportlab, pyzipper, py7zr, msoffcrypto-tool; the programs
zip and gcab; and LibreOffice (`soffice`) for the formats of Office 97. The numbers are the two published test numbers,
which belong to nobody.
"""

from __future__ import annotations

import gzip
import subprocess
import sys
import tempfile
import zipfile
from email.header import Header
from email.mime.application import MIMEApplication
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from pathlib import Path

A, B = "123456789018", "621498320257"
FULL_WIDTH = "６２１４－９８３２－０２５７"


def word(path: Path) -> None:
    import docx
    from docx.oxml import OxmlElement, parse_xml
    from docx.oxml.ns import nsdecls, qn

    document = docx.Document()
    document.core_properties.comments = f"個人番号 {B}"
    paragraph = document.add_paragraph("個人番号は ")
    for run in ("1234", "5678", "9018"):
        paragraph.add_run(run).bold = True
    hidden = document.add_paragraph().add_run(f"隠し {B}")
    hidden.font.hidden = True
    deleted = parse_xml(
        f'<w:p {nsdecls("w")}><w:del w:id="1" w:author="x"><w:r><w:delText>削除済み {A}</w:delText></w:r></w:del></w:p>'
    )
    document.element.body.insert(0, deleted)
    roster = document.add_table(rows=3, cols=2)
    for row, values in enumerate((("氏名", "個人番号"), ("山田", A), ("鈴木", B))):
        for column, value in enumerate(values):
            roster.cell(row, column).text = value
    boxes = document.add_table(rows=1, cols=12)
    for column, digit in enumerate(B):
        boxes.cell(0, column).text = digit
    document.sections[0].header.paragraphs[0].text = f"ヘッダー {B}"
    document.sections[0].footer.paragraphs[0].text = f"フッター {A}"
    box = OxmlElement("w:r")
    box.append(
        parse_xml(
            f'<mc:AlternateContent xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" {nsdecls("w")}>'
            f'<mc:Choice Requires="wps"><w:txbxContent><w:p><w:r><w:t>テキストボックス {FULL_WIDTH}</w:t></w:r></w:p>'
            "</w:txbxContent></mc:Choice><mc:Fallback><w:txbxContent><w:p><w:r>"
            f"<w:t>テキストボックス {FULL_WIDTH}</w:t></w:r></w:p></w:txbxContent></mc:Fallback></mc:AlternateContent>"
        )
    )
    document.element.body.find(qn("w:p")).append(box)
    document.add_comment(document.paragraphs[1].runs[0], text=f"コメント {B}", author="x")
    document.save(path)


def workbook(path: Path) -> None:
    import openpyxl
    from openpyxl.comments import Comment
    from openpyxl.workbook.defined_name import DefinedName

    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "給与"
    sheet.append(["氏名", "個人番号", "数値"])
    for _ in range(3):
        sheet.append(["山田", A, int(B)])
    sheet.append(["先頭ゼロ", "", 12345678901])
    sheet["A1"].comment = Comment(f"コメント {B}", "x")
    hidden = book.create_sheet("秘")
    hidden.sheet_state = "hidden"
    hidden["C5"] = FULL_WIDTH
    book.defined_names["番号"] = DefinedName("番号", attr_text=f'"{A}"')
    book.save(path)


def one_digit_per_cell(path: Path) -> None:
    import xlsxwriter

    book = xlsxwriter.Workbook(str(path), {"in_memory": True})
    sheet = book.add_worksheet("一桁")
    for column, digit in enumerate(A):
        sheet.write_string(3, column, digit)
        sheet.write_number(4, column, int(B[column]))
    sheet.write_rich_string("A7", "個人番号 ", book.add_format({"bold": True}), "1234", "56789018")
    sheet.insert_textbox("C10", f"テキスト {B}")
    sheet.write_formula("A9", f'="{B}"', None, B)
    book.close()


def slides(path: Path) -> None:
    from pptx import Presentation
    from pptx.util import Inches

    presentation = Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[5])
    slide.shapes.title.text = f"個人番号 {A}"
    table = slide.shapes.add_table(2, 2, Inches(1), Inches(1), Inches(4), Inches(1)).table
    for row, values in enumerate((("氏名", "個人番号"), ("山田", B))):
        for column, value in enumerate(values):
            table.cell(row, column).text = value
    slide.notes_slide.notes_text_frame.text = f"ノート {B}"
    presentation.save(path)


def open_text(path: Path) -> None:
    from odf.opendocument import OpenDocumentText
    from odf.text import P, Span

    document = OpenDocumentText()
    paragraph = P(text="個人番号 ")
    for run in ("1234", "5678", "9018"):
        paragraph.addElement(Span(text=run))
    document.text.addElement(paragraph)
    document.save(str(path))


def open_sheet(path: Path) -> None:
    from odf.office import Annotation
    from odf.opendocument import OpenDocumentSpreadsheet
    from odf.table import Table, TableCell, TableRow
    from odf.text import P

    document = OpenDocumentSpreadsheet()
    table = Table(name="名簿")
    for values in (("氏名", "個人番号"), ("山田", A)):
        row = TableRow()
        for value in values:
            cell = TableCell(valuetype="string")
            cell.addElement(P(text=value))
            row.addElement(cell)
        table.addElement(row)
    row = TableRow()
    row.addElement(TableCell(numbercolumnsrepeated=1))
    cell = TableCell(valuetype="float", value=B)
    note = Annotation()
    note.addElement(P(text=f"コメント {A}"))
    cell.addElement(note)
    cell.addElement(P(text=B))
    row.addElement(cell)
    table.addElement(row)
    document.spreadsheet.addElement(table)
    document.save(str(path))


def pdf(path: Path) -> None:
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.pdfgen import canvas

    pdfmetrics.registerFont(UnicodeCIDFont("HeiseiMin-W3"))
    page = canvas.Canvas(str(path), invariant=1)
    page.setTitle(f"題名 {B}")
    page.setFont("HeiseiMin-W3", 12)
    page.drawString(72, 720, "個人番号 1234-5678-9018")
    for column, digit in enumerate(B):
        page.rect(72 + column * 24, 640, 22, 22)
        page.drawString(78 + column * 24, 645, digit)
    for row, values in enumerate((("氏名", "個人番号"), ("山田", A), ("鈴木", B))):
        page.drawString(72, 600 - 20 * row, values[0])
        page.drawString(200, 600 - 20 * row, values[1])
    page.showPage()
    page.setFont("HeiseiMin-W3", 12)
    # Glyph by glyph, every second one first.
    text = "1234 5678 9018"
    for column in (*range(0, len(text), 2), *range(1, len(text), 2)):
        page.drawString(72 + column * 7, 500, text[column])
    page.acroForm.textfield(name="kojinbango", value=B, x=72, y=400, width=200, height=20)
    page.save()


def locked_pdf(path: Path) -> None:
    from reportlab.lib.pdfencrypt import StandardEncryption
    from reportlab.pdfgen import canvas

    page = canvas.Canvas(str(path), encrypt=StandardEncryption("hozen", strength=128), invariant=1)
    page.drawString(72, 720, f"My Number {A}")
    page.save()


def mail(folder: Path) -> None:
    message = MIMEMultipart(boundary="=part=")
    message["From"] = "a@example.jp"
    message["To"] = "b@example.jp"
    message["Subject"] = Header(f"個人番号 {A} の送付について、長い件名がここにあります", "iso-2022-jp")
    message.attach(MIMEText("個人番号は１２３４５６７８９０１８です。\n", _charset="iso-2022-jp"))
    message.attach(MIMEText("<p>個人番号 <b>6214</b>98320257</p>", "html", "utf-8"))
    attached = MIMEApplication((folder / "openpyxl.xlsx").read_bytes())
    attached.add_header("Content-Disposition", "attachment", filename=("utf-8", "", "名簿.xlsx"))
    message.attach(attached)
    (folder / "message.eml").write_bytes(message.as_bytes())


def archives(folder: Path) -> None:
    import pyzipper

    with zipfile.ZipFile(folder / "nested.zip", "w", zipfile.ZIP_DEFLATED) as outer:
        outer.write(folder / "python-docx.docx", "書類/内.docx")
        outer.writestr("roster.txt.gz", gzip.compress(f"個人番号 {A}".encode("cp932"), mtime=0))
        outer.writestr(f"{B}.txt", "x")
    with pyzipper.AESZipFile(
        folder / "aes.zip", "w", compression=pyzipper.ZIP_DEFLATED, encryption=pyzipper.WZ_AES
    ) as locked:
        locked.setpassword("保全hozen".encode())
        locked.writestr("secret.txt", f"個人番号 {A}".encode())
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "secret.txt").write_bytes(f"個人番号 {A}".encode())
        subprocess.run(["zip", "-q", "-P", "hozen", str(folder / "crypto.zip"), "secret.txt"], cwd=scratch, check=True)


def seven_zip(folder: Path) -> None:
    import py7zr

    for name, options in (("lzma2", {}), ("aes", {"password": "hozen", "header_encryption": True})):
        with py7zr.SevenZipFile(folder / f"{name}.7z", "w", **options) as archive:
            archive.writestr(f"個人番号 {A}".encode("cp932"), "名簿/a.txt")
            archive.writestr(f"個人番号 {B}", "b.txt")


def locked_office(folder: Path) -> None:
    from msoffcrypto.format.ooxml import OOXMLFile

    with (folder / "openpyxl.xlsx").open("rb") as clear, (folder / "locked.xlsx").open("wb") as locked:
        OOXMLFile(clear).encrypt("保全hozen", locked)


def cabinet(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "a.txt").write_bytes(f"個人番号 {A}".encode("cp932"))
        (Path(scratch) / "b.txt").write_bytes(f"個人番号 {B}\n".encode() * 4000)
        subprocess.run(["gcab", "-c", "-z", str(folder / "gcab.cab"), "a.txt", "b.txt"], cwd=scratch, check=True)


def office97(folder: Path) -> None:
    for source, kind in (("python-docx.docx", "doc"), ("openpyxl.xlsx", "xls"), ("python-docx.docx", "rtf")):
        subprocess.run(
            ["soffice", "--headless", "--convert-to", kind, "--outdir", str(folder), str(folder / source)],
            check=True,
            capture_output=True,
            timeout=300,
        )
    with tempfile.TemporaryDirectory() as scratch:
        from odf.draw import Frame, Page, TextBox
        from odf.opendocument import OpenDocumentPresentation
        from odf.style import MasterPage, PageLayout
        from odf.text import P

        document = OpenDocumentPresentation()
        layout = PageLayout(name="layout")
        document.automaticstyles.addElement(layout)
        document.masterstyles.addElement(MasterPage(name="master", pagelayoutname=layout))
        page = Page(masterpagename="master")
        frame = Frame(width="20cm", height="5cm", x="1cm", y="1cm")
        box = TextBox()
        box.addElement(P(text=f"個人番号 {A}"))
        frame.addElement(box)
        page.addElement(frame)
        document.presentation.addElement(page)
        document.save(f"{scratch}/odfpy.odp")
        subprocess.run(
            ["soffice", "--headless", "--convert-to", "ppt", "--outdir", scratch, f"{scratch}/odfpy.odp"],
            check=True,
            capture_output=True,
            timeout=300,
        )
        # Mostly the writer's default pictures: compressed, it is a tenth.
        (folder / "odfpy.ppt.gz").write_bytes(gzip.compress(Path(f"{scratch}/odfpy.ppt").read_bytes(), mtime=0))


def main(folder: Path) -> None:
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    word(folder / "python-docx.docx")
    workbook(folder / "openpyxl.xlsx")
    one_digit_per_cell(folder / "xlsxwriter.xlsx")
    slides(folder / "python-pptx.pptx")
    open_text(folder / "odfpy.odt")
    open_sheet(folder / "odfpy.ods")
    pdf(folder / "reportlab.pdf")
    locked_pdf(folder / "locked.pdf")
    mail(folder)
    archives(folder)
    seven_zip(folder)
    cabinet(folder)
    locked_office(folder)
    office97(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
