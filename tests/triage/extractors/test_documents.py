"""Documents by independent writers, with literal expectations; `make_documents.py` is their recipe."""

from __future__ import annotations

import io
import zipfile

import pytest

from triage.extractors.spreadsheetml import column_number, number_text

A, B = "123456789018", "621498320257"
FULL_WIDTH = "６２１４－９８３２－０２５７"
BOXES = list(B)


def test_docx(read) -> None:
    result = read("python-docx.docx")
    assert result.problems == []
    body = result.content("word/document.xml")
    assert f"個人番号は {A}\n" in body
    assert f"隠し {B}\n" in body
    assert f"削除済み {A}\n" in body
    assert body.count(f"テキストボックス {FULL_WIDTH}") == 1
    cells = result.cells("word/document.xml")
    assert (0, 1, "個人番号") in cells
    assert (1, 1, A) in cells
    assert [value for row, _, value in cells if len(value) == 1] == BOXES
    assert f"ヘッダー {B}" in result.content("word/header1.xml")
    assert f"フッター {A}" in result.content("word/footer1.xml")
    assert f"コメント {B}" in result.content("word/comments.xml")
    assert f"個人番号 {B}" in result.content("docProps/core.xml")


def test_xlsx(read) -> None:
    result = read("openpyxl.xlsx")
    assert result.problems == []
    cells = result.cells("給与")
    assert cells[:3] == [(0, 0, "氏名"), (0, 1, "個人番号"), (0, 2, "数値")]
    assert (1, 1, A) in cells
    assert result.numeric() == [B, B, B, "12345678901"]
    assert result.cells("秘") == [(4, 2, FULL_WIDTH)]
    assert f"コメント {B}" in result.content("xl/comments/comment1.xml")
    assert A in result.content("xl/workbook.xml")


def test_xlsx_one_digit_per_cell(read) -> None:
    result = read("xlsxwriter.xlsx")
    cells = result.cells("一桁")
    assert [value for row, _, value in cells if row == 3] == list(A)
    assert [value for row, _, value in cells if row == 4] == BOXES
    assert (6, 0, f"個人番号 {A}") in cells
    assert f"テキスト {B}" in result.content("xl/drawings/drawing1.xml")
    assert B in result.content("一桁")


def test_pptx(read) -> None:
    result = read("python-pptx.pptx")
    assert result.problems == []
    assert f"個人番号 {A}" in result.content("ppt/slides/slide1.xml")
    assert (1, 1, B) in result.cells("ppt/slides/slide1.xml")
    assert f"ノート {B}" in result.content("ppt/notesSlides/notesSlide1.xml")


def test_odt(read) -> None:
    assert f"個人番号 {A}" in read("odfpy.odt").content("content.xml")


def test_ods(read) -> None:
    result = read("odfpy.ods")
    assert result.cells("content.xml!名簿") == [
        (0, 0, "氏名"),
        (0, 1, "個人番号"),
        (1, 0, "山田"),
        (1, 1, A),
        (2, 1, B),
    ]
    assert result.numeric() == [B]
    assert f"コメント {A}" in result.content("content.xml")


def test_pdf(read) -> None:
    result = read("reportlab.pdf")
    assert result.problems == []
    assert f"題名 {B}" in result.content("metadata")
    first = result.content("p.1")
    assert "個人番号 1234-5678-9018" in first
    assert "6 2 1 4 9 8 3 2 0 2 5 7" in first
    cells = result.cells("p.1")
    header = next((row, column) for row, column, value in cells if value == "個人番号")
    assert (header[0] + 1, header[1], A) in cells
    assert (header[0] + 2, header[1], B) in cells
    assert result.content("p.2") == "1234 5678 9018"
    assert f"kojinbango: {B}" in result.content("fields")


def test_locked_pdf_is_said_and_opened_with_its_password(read) -> None:
    (problem,) = read("locked.pdf").problems
    assert problem.reason == "encrypted"
    result = read("locked.pdf", passwords=("wrong", "hozen"))
    assert A in result.content("p.1")
    assert result.problems == []


def test_doc(read) -> None:
    result = read("python-docx.doc")
    assert result.problems == []
    content = result.content("WordDocument")
    for text in (f"個人番号は {A}", f"隠し {B}", f"山田\t{A}\n", f"ヘッダー {B}", "\t".join(B), f"コメント {B}"):
        assert text in content
    assert f"個人番号 {B}" in result.content("properties")


def test_xls(read) -> None:
    result = read("openpyxl.xls")
    assert (0, 1, "個人番号") in result.cells("給与")
    assert (1, 1, A) in result.cells("給与")
    assert result.cells("秘") == [(4, 2, FULL_WIDTH)]
    assert "12345678901" in result.numeric()


def test_ppt(read) -> None:
    assert f"個人番号 {A}" in read("odfpy.ppt.gz").content("PowerPoint Document")


def test_rtf_of_libreoffice(read) -> None:
    result = read("python-docx.rtf")
    content = result.content()
    assert f"個人番号は {A}" in content
    assert f"隠し {B}" in content
    assert (1, 1, A) in result.cells()
    assert [value for _, _, value in result.cells() if len(value) == 1] == BOXES


def test_mail(read) -> None:
    result = read("message.eml")
    assert result.problems == []
    assert f"個人番号 {A} の送付について、長い件名がここにあります" in result.content("headers")
    assert "個人番号は１２３４５６７８９０１８です。" in result.content("part 1")
    assert f"個人番号 {B}" in result.content(container="message.eml!/2.html")
    assert A in result.content("給与", "message.eml!/名簿.xlsx")


def test_nested_zip(read) -> None:
    result = read("nested.zip")
    assert f"個人番号は {A}" in result.content("word/document.xml", "nested.zip!/書類/内.docx")
    (roster,) = [text for text in result.texts if text.container == "nested.zip!/roster.txt.gz!/roster.txt"]
    assert roster.content == f"個人番号 {A}"
    assert roster.encoding == "cp932"
    (name,) = [text for text in result.texts if text.kind == "name"]
    assert name.content == f"{B}.txt"


@pytest.mark.parametrize(("name", "password"), [("aes.zip", "保全hozen"), ("crypto.zip", "hozen")])
def test_locked_zip_is_said_and_opened_with_its_password(read, name: str, password: str) -> None:
    (problem,) = read(name).problems
    assert problem.reason == "encrypted"
    assert problem.container == f"{name}!/secret.txt"
    result = read(name, passwords=("falsch", password))
    assert result.content() == f"個人番号 {A}"
    assert result.problems == []


def test_7z(read) -> None:
    result = read("lzma2.7z")
    assert result.problems == []
    assert result.content(container="lzma2.7z!/名簿/a.txt") == f"個人番号 {A}"
    assert result.content(container="lzma2.7z!/b.txt") == f"個人番号 {B}"


def test_locked_7z_is_said_and_opened_with_its_password(read) -> None:
    (problem,) = read("aes.7z").problems
    assert problem.reason == "encrypted"
    assert [problem.reason for problem in read("aes.7z", passwords=("wrong",)).problems] == ["encrypted"]
    result = read("aes.7z", passwords=("wrong", "hozen"))
    assert result.problems == []
    assert A in result.content()


def test_locked_office_document_is_said_and_opened_with_its_password(read) -> None:
    assert [problem.reason for problem in read("locked.xlsx").problems] == ["encrypted"]
    assert [problem.reason for problem in read("locked.xlsx", passwords=("wrong",)).problems] == ["encrypted"]
    result = read("locked.xlsx", passwords=("wrong", "保全hozen"))
    assert result.problems == []
    assert (1, 1, A) in result.cells("給与")


def test_cabinet(read) -> None:
    result = read("gcab.cab")
    assert result.problems == []
    assert result.content(container="gcab.cab!/a.txt") == f"個人番号 {A}"
    # More than one block of 32 KiB: the second refers to the first.
    assert result.content(container="gcab.cab!/b.txt").count(B) == 4000


def package(**parts: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        for name, content in parts.items():
            archive.writestr(name.replace("__", "/") + ".xml", content)
    return target.getvalue()


def sheet(rows: str) -> bytes:
    return package(
        xl__workbook="<workbook/>", xl__worksheets__sheet1=f"<worksheet><sheetData>{rows}</sheetData></worksheet>"
    )


def test_xlsx_variants_of_writing_a_cell(read) -> None:
    rows = (
        '<row r="1"><c r="A1" t="inlineStr"><is><r><t>個人</t></r><r><t>番号</t></r></is></c></row>'
        f'<row r="2"><c r="A2"><v>{float(B):.14E}</v></c><c r="B2" t="str"><f>A2</f><v>{A}</v></c></row>'
        f'<row r="3"><c><v>{A}.0</v></c><c t="inlineStr"><is><t><![CDATA[{B}]]></t></is></c></row>'
        f'<!-- <row r="4"> --><row r="5"><c r="AA5" t="inlineStr"><is><t>&#x31;2345678&#57;018</t></is></c></row>'
    )
    result = read(sheet(rows))
    assert result.cells() == [
        (0, 0, "個人番号"),
        (1, 0, B),
        (1, 1, A),
        (2, 0, A),
        (2, 1, B),
        (4, 26, A),
    ]
    assert result.numeric() == [B, A]


def test_xlsx_header_reaches_a_row_far_below(read) -> None:
    rows = '<row r="1"><c r="A1" t="inlineStr"><is><t>個人番号</t></is></c></row>'
    rows += "".join(f'<row r="{row}"><c r="A{row}"><v>{row}</v></c></row>' for row in range(2, 40_000))
    rows += f'<row r="40000"><c r="A40000"><v>{A}</v></c></row>'
    cells = read(sheet(rows)).cells()
    assert cells[0] == (0, 0, "個人番号")
    assert (39_999, 0, A) in cells


def test_xlsx_with_prefixed_names(read) -> None:
    rows = f'<x:row r="1"><x:c r="A1"><x:v>{A}</x:v></x:c></x:row>'
    assert read(sheet(rows)).cells() == [(0, 0, A)]


def test_cached_pivot_records_are_read(read) -> None:
    data = package(xl__workbook="<workbook/>", xl__pivotCache__pivotCacheRecords1=f'<r><s v="山田"/><n v="{A}"/></r>')
    assert f"v: {A}" in read(data).content()


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("123456789018", A),
        ("1.23456789018E11", A),
        ("123456789018.0", A),
        ("0.5", "0.5"),
        ("1E400", "1E400"),
        ("x", "x"),
    ],
)
def test_number_text(raw: str, text: str) -> None:
    assert number_text(raw) == text


def test_column_number() -> None:
    assert [column_number(letters) for letters in (b"A", b"Z", b"AA", b"XFD")] == [0, 25, 26, 16383]


def test_custom_xml_and_word_in_other_parts(read) -> None:
    data = package(word__document="<w:document xmlns:w='w'/>", customXml__item1=f"<r><個人番号>{A}</個人番号></r>")
    assert f"個人番号: {A}" in read(data).content("customXml/item1.xml")


def test_entities_are_not_expanded(read) -> None:
    bomb = '<?xml version="1.0"?><!DOCTYPE d [<!ENTITY a "1234567890"><!ENTITY b "&a;&a;">]><d><p>&b;</p></d>'
    result = read(package(word__document=bomb))
    assert [problem.reason for problem in result.problems] == ["unsupported"]
    assert result.content() == ""


def test_damaged_part_keeps_what_came_before_and_the_other_parts(read) -> None:
    data = package(
        word__document=f"<d><p><t>個人番号 {A}</t></p><p><t>{B}</p></d>", word__header1=f"<d><p><t>{B}</t></p></d>"
    )
    result = read(data)
    assert A in result.content("word/document.xml")
    assert B in result.content("word/header1.xml")
    assert [(problem.reason, problem.location) for problem in result.problems] == [("damaged", "word/document.xml")]
