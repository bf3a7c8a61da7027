from __future__ import annotations

import json

import pytest

from triage.extractors import markup

A, B = "123456789018", "621498320257"


def page(body: str, head: str = "") -> str:
    return f"<!DOCTYPE html><html><head>{head}</head><body>{body}</body></html>"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("個人番号 <b>1234</b><i>5678</i>9018", f"個人番号 {A}"),
        ("個人番号 1234&nbsp;5678&nbsp;9018", "個人番号 1234\u00a05678\u00a09018"),
        ("&#x31;&#50;3456789018", A),
        ("&#65297;２３４５６７８９０１８", "１２３４５６７８９０１８"),
        (f"<!-- 個人番号 {A} -->", f"個人番号 {A}"),
        (f'<input name="mynumber" value="{A}">', f'name="mynumber" value="{A}"'),
        (f"<script>var x = {{'個人番号': '{A}'}};</script>", f"'個人番号': '{A}'"),
        (f"a &unknown; {A} &lt;b&gt;", f"a &unknown; {A} <b>"),
        (f"1 < 2 {A}", f"1 < 2 {A}"),
    ],
)
def test_html_text(read, body: str, text: str) -> None:
    assert text in read(page(body).encode()).content()


def test_html_numbers_have_their_bytes(read) -> None:
    data = page("<p>個人番号 <b>&#x31;234</b>-5678-<i>9018</i></p>").encode("cp932")
    (text,) = read(data).texts
    at = text.content.index("1234-5678-9018")
    assert data[text.offsets.byte_of(at) :].startswith(b"&#x31;234")
    assert data[text.offsets.byte_of(at + 13) :].startswith(b"8</i>")


@pytest.mark.parametrize("codec", ["utf-8", "cp932", "euc_jp", "iso2022_jp", "utf-16"])
def test_html_tables_are_cells_in_every_encoding(read, codec: str) -> None:
    table = (
        "<table><tr><th>氏名<th colspan=2>住所<th>個人番号</tr>"
        f"<tr><td>山田</td><td>東京</td><td>港</td><td>{A}</td></tr><tr><td>鈴木<td>大阪<td>北<td> {B} </table>"
    )
    cells = read(page(table).encode(codec)).cells()
    assert (0, 3, "個人番号") in cells
    assert (1, 3, A) in cells
    assert (2, 3, B) in cells


def test_html_header_reaches_rows_in_later_blocks(read) -> None:
    rows = "".join(f"<tr><td>{number}</td><td>なにか</td></tr>\n" for number in range(12_000))
    data = page(
        f"<table><tr><th>氏名</th><th>個人番号</th></tr>\n{rows}<tr><td>山田</td><td>{A}</td></tr></table>"
    ).encode()
    cells = read(data).cells()
    assert (0, 1, "個人番号") in cells
    assert (12_001, 1, A) in cells


def test_declared_charset_decides_between_two_that_fit(read) -> None:
    data = page("個人番号 " + A, '<meta charset="euc-jp">').encode("euc_jp")
    assert "個人番号 " + A in read(data).content()


def test_xml_labels_boxes_attributes_and_cdata(read) -> None:
    boxes = "".join(f"<d>{digit}</d>" for digit in A)
    data = (
        f'<?xml version="1.0" encoding="UTF-8"?><r xmlns:k="u"><k:個人番号>{B}</k:個人番号>{boxes}'
        f'<p mynumber="{A}"/><c><![CDATA[番号 {B}]]></c></r>'
    )
    content = read(data.encode()).content()
    assert f"個人番号: {B}" in content
    assert " ".join(A) in content
    assert f'mynumber="{A}"' in content
    assert f"番号 {B}" in content


def test_xml_declared_in_shift_jis(read) -> None:
    data = f'<?xml version="1.0" encoding="Shift_JIS"?><r><個人番号>{A}</個人番号></r>'.encode("cp932")
    assert f"個人番号: {A}" in read(data).content()


def test_a_workbook_as_xml_is_a_table(read) -> None:
    def row(*values: str) -> str:
        cells = "".join(f'<Cell><Data ss:Type="String">{value}</Data></Cell>' for value in values)
        return f"<Row>{cells}</Row>\n"

    data = (
        '<?xml version="1.0"?>\n<?mso-application progid="Excel.Sheet"?>\n<Workbook '
        'xmlns="urn:schemas-microsoft-com:office:spreadsheet" xmlns:ss="urn:schemas-microsoft-com:office:spreadsheet">'
        f'<Worksheet ss:Name="x"><Table>{row("氏名", "個人番号")}{row("山田", A)}</Table></Worksheet></Workbook>'
    )
    assert read(data.encode()).cells() == [(0, 0, "氏名"), (0, 1, "個人番号"), (1, 0, "山田"), (1, 1, A)]


def test_json_escapes_and_numbers(read) -> None:
    data = json.dumps([{"氏名": "山田", "個人番号": "１２３４５６７８９０１８", "n": int(B)}]).encode()
    assert b"\\u" in data
    result = read(data)
    assert '"個人番号": "１２３４５６７８９０１８"' in result.content()
    assert B in result.content()
    (text,) = result.texts
    place = text.offsets.byte_of(text.content.index("１"))
    assert data[place : place + 6] == rb"\uff11"


def test_json_lines_over_many_blocks(read) -> None:
    line = json.dumps({"id": 1, "個人番号": A}) + "\n"
    result = read((line * 20_000).encode())
    assert sum(text.content.count(A) for text in result.texts) >= 20_000
    assert all("\\u" not in text.content for text in result.texts)


@pytest.mark.parametrize(
    "data",
    [
        b"<a " * 100_000,
        b'<a "' * 100_000,
        b"<!--" * 100_000,
        b"<table><tr><td>" * 50_000,
        b"&#" * 200_000,
        b"</" * 200_000,
    ],
)
def test_hostile_markup_ends_soon(read, data: bytes) -> None:
    assert read(b"<html></a>" + data).problems == []


@pytest.mark.parametrize(
    "content",
    [
        "<td>1</td>\n      <td>2</td>" * 6,
        "<!-- 1234-5678-9018 -->",
        "<b>1234</b><i>5678</i><span>9018</span>",
        "&#x31;&#50;&#x33;&#52;&#x35;&#54;&#x37;&#56;&#x39;&#48;&#x31;&#56;",
        "".join(f"<input value='{digit}'>" for digit in "123456789018"),
        "１２３４&nbsp;&nbsp;５６７８&nbsp;９０１８",
        "<script>var n = '123456789018'</script>",
        "一二三四五六七八九〇一八",
    ],
)
def test_the_quick_look_sees_every_written_form(content):
    assert markup.may_hold_number(f"<html><body><p>text 1 and 2</p>{content}</body></html>")


def test_the_quick_look_passes_over_pages_without_numbers():
    page = "<html><body>" + "<p>section 1.2, 2024-01-05, page 33</p>" * 200 + "</body></html>"
    assert not markup.may_hold_number(page)
