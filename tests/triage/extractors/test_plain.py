from __future__ import annotations

import csv
import io

import pytest

from triage.extractors import blocks
from triage.extractors.encodings import content_of

A, B = "123456789018", "621498320257"


def encoded(text: str, codec: str) -> bytes:
    return text.replace("－", "−").encode(codec) if codec in ("euc_jp", "iso2022_jp") else text.encode(codec)


@pytest.mark.parametrize(
    "codec", ["utf-8", "utf-8-sig", "cp932", "euc_jp", "iso2022_jp", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
@pytest.mark.parametrize("before", [0, 9000])
def test_finds_the_number_and_its_bytes(read, codec: str, before: int) -> None:
    text = (
        "これは普通の文章です。\n" * before
        + f"個人番号は{A}、配偶者は６２１４－９８３２－０２５７。\n"
        + "終わり\n" * 3
    )
    data = encoded(text, codec)
    result = read(data)
    assert not result.problems
    (piece,) = [text for text in result.texts if A in text.content]
    place = piece.offsets.byte_of(piece.content.index(A))
    width = {"utf-16": 2, "utf-16-le": 2, "utf-16-be": 2, "utf-32": 4}.get(codec, 1)
    assert content_of(data[place : place + 12 * width], piece.encoding) == A
    assert piece.kind == "prose"
    assert "６２１４" in piece.content


def test_a_number_on_the_border_of_two_blocks_is_whole_in_one(read) -> None:
    for shift in range(-14, 3):
        filler = b"x" * (blocks.BLOCK_BYTES + shift)
        result = read(filler + A.encode() + b"y" * 1000)
        assert any(A in text.content for text in result.texts)


def test_a_number_over_two_lines_at_the_border_is_whole_in_one(read) -> None:
    line = "ふつうの行です。\n".encode()
    count = blocks.BLOCK_BYTES // len(line)
    for extra in range(6):
        data = line * (count - 3 + extra) + b"1234\n5678\n9018\n" + line * 100
        assert any("1234\n5678\n9018" in text.content for text in read(data).texts)


def test_pieces_say_what_they_repeat(read) -> None:
    data = "".join(f"{number:012d} これは行です\n" for number in range(40_000)).encode()
    texts = read(data).texts
    assert len(texts) > 2
    assert texts[0].overlap == 0
    rebuilt = "".join(text.content[text.overlap :] for text in texts)
    assert rebuilt == data.decode()
    assert texts[1].first_char + texts[1].overlap == len(texts[0].content)


def test_mixed_encodings_line_by_line(read) -> None:
    lines = [
        f"utf8 個人番号 {A}\n".encode(),
        f"sjis 個人番号 {B}\n".encode("cp932"),
        f"jis 個人番号 {A}\n".encode("iso2022_jp"),
        b"plain 621498320257\n",
    ]
    data = b"".join(lines) * 50
    result = read(data)
    content = result.content()
    for word in ("utf8 個人番号", "sjis 個人番号", "\njis 個人番号"):
        assert content.count(word) == 50
    for text in result.texts:
        at = text.content.find(A)
        if at >= 0:
            place = text.offsets.byte_of(at)
            assert data[place : place + 12] == A.encode()


def test_encoding_that_begins_late(read) -> None:
    data = b"ascii only line\n" * 30_000 + f"個人番号 {A}\n".encode("cp932")
    assert f"個人番号 {A}" in read(data).content()


def test_utf_16_appended_to_a_log(read) -> None:
    data = b"log line\n" * 40 + f"My Number {A}\r\n".encode("utf-16-le")
    assert any(A in text.content and text.encoding == "utf-16-le" for text in read(data).texts)


def test_comma_separated_with_quotes_and_line_ends_in_fields(read) -> None:
    rows = [["氏名", "住所", "個人番号"], ["山田", "東京都\n千代田区, 1", A], ["鈴木", '「"引用"」', B]]
    target = io.StringIO()
    csv.writer(target).writerows(rows)
    result = read(target.getvalue().encode("cp932"))
    cells = {(row, column): value for row, column, value in result.cells()}
    assert cells[0, 2] == "個人番号"
    assert cells[1, 2] == A
    assert cells[1, 1] == "東京都\n千代田区, 1"
    assert cells[2, 2] == B


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_delimiters(read, delimiter: str) -> None:
    text = "\n".join(delimiter.join(row) for row in [("番号", "氏名", "個人番号"), ("1", "山田", A), ("2", "鈴木", B)])
    assert (1, 2, A) in read(text.encode()).cells()


def test_columns_aligned_by_spaces(read) -> None:
    text = f"社員番号  氏名      個人番号\n0001      山田　太郎  {A}\n0002      鈴木　花子  {B}\n"
    cells = read(text.replace("　", " ").encode("cp932")).cells()
    assert (0, 2, "個人番号") in cells
    assert (1, 2, A) in cells
    assert (2, 2, B) in cells


def test_the_header_reaches_the_last_row_over_any_distance(read) -> None:
    rows = [f"{number},なにか,{'' if number < 40_000 else A}" for number in range(40_005)]
    data = ("連番,備考,個人番号\n" + "\n".join(rows)).encode("cp932")
    result = read(data)
    cells = result.cells()
    assert (0, 2, "個人番号") in cells
    assert (40_001, 2, A) in cells
    assert result.texts[0].cells[0].row == 0
    last = [text for text in result.texts if A in text.content][-1]
    place = last.offsets.byte_of(last.content.index(A))
    assert data[place : place + 12] == A.encode()


def test_a_number_that_lost_its_zero_is_marked(read) -> None:
    data = "氏名,個人番号\n" + "山田,23456789017\n" * 3
    assert read(data.encode()).numeric() == ["23456789017"] * 3


def test_single_digits_in_cells(read) -> None:
    data = "氏名," + ",".join(["個人番号"] * 12) + "\n山田," + ",".join(A) + "\n"
    cells = read(data.encode("cp932")).cells()
    assert [value for row, column, value in cells if row == 1 and column > 0] == list(A)


def test_source_text_with_unicode_escapes(read) -> None:
    data = rb'var s = "\u500b\u4eba\u756a\u53f7 \u0031\u0032\u0033\u0034 5678 9018";'
    result = read(b"// file\n" + data)
    (text,) = result.texts
    assert "個人番号 1234 5678 9018" in text.content
    place = text.offsets.byte_of(text.content.index("1234"))
    assert result.data[place : place + 6] == rb"\u0031"


def test_text_without_enough_digits_yields_nothing(read) -> None:
    assert read("数字のない文章です。\n".encode() * 1000).texts == []
