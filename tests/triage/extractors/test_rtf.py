from __future__ import annotations

import pytest

A, B = "123456789018", "621498320257"


def hexed(text: str, codec: str = "cp932") -> str:
    return "".join(f"\\'{byte:02x}" for byte in text.encode(codec))


def document(body: str) -> bytes:
    fonts = r"{\fonttbl{\f0\fnil\fcharset128 MS Mincho;}{\f1\fswiss\fcharset0 Arial;}}"
    return f"{{\\rtf1\\ansi\\ansicpg932\\deff0{fonts}\n{body}}}".encode("ascii")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (r"\f0 " + hexed("個人番号 ") + r"\f1 " + A, f"個人番号 {A}"),
        # Lead byte in hexadecimal, trail byte as itself: 表 is 0x95 0x5C, an escaped backslash.
        (r"\f0 \'95\\ " + A, f"表 {A}"),
        (r"\u20491?\u20154?\u30058?\u21495? " + A, f"個人番号 {A}"),
        (r"\uc2\u-240??\u-239??\uc1 345678901234", "０１345678901234".replace("０１", "\uff10\uff11")),
        (r"{\uc0\u49\u50} 34567890 1234", "12 34567890 1234"),
        (r"{\b 1234}{\i 5678}{\v 9018}", A),
        (r"1234\~5678\_9018", "1234\u00a05678-9018"),
        (r"{\*\unknown 12}" + A, A),
        ("{\\pict\\bin5 {{{{{ 00}" + A, A),
    ],
)
def test_characters(read, body: str, text: str) -> None:
    assert text in read(document(body)).content()


def test_tables_are_cells(read) -> None:
    def row(*values: str) -> str:
        cells = "".join(f"\\intbl {value}\\cell" for value in values)
        return f"\\trowd\\cellx1000\\cellx2000 {cells}\\row\n"

    body = row(hexed("氏名"), hexed("個人番号")) + row(hexed("山田"), A) + "\\pard " + hexed("終わり") + B
    result = read(document(body))
    assert result.cells() == [(0, 0, "氏名"), (0, 1, "個人番号"), (1, 0, "山田"), (1, 1, A)]
    assert f"終わり{B}" in result.content()


def test_a_comment_does_not_cut_the_number_it_stands_in(read) -> None:
    body = "1234{\\*\\annotation memo 99}56789018"
    assert A in read(document(body)).content()


def test_an_embedded_object_is_a_member(read) -> None:
    native = f"My Number {A}".encode()
    counted = b"".join(len(text).to_bytes(4, "little") + text for text in (b"Package\0", b"", b""))
    data = b"\x01\x05\0\0\x02\0\0\0" + counted + len(native).to_bytes(4, "little") + native
    result = read(document("{\\object\\objemb{\\*\\objdata " + data.hex() + "}}"), "a.rtf")
    assert A in result.content(container="a.rtf!/object 1")


def test_too_deep_is_said(read) -> None:
    result = read(document(A + "{" * 10_000))
    assert [problem.reason for problem in result.problems] == ["limit"]
    assert A in result.content()


def test_a_code_page_that_is_none_is_read_as_that_of_japan(read):
    got = read(rb"{\rtf1\ansi\ansicpg983 \'8c\'c2\'90\'6c\'94\'d4\'8d\'86 123456789018\par}", "x.rtf")
    assert "個人番号 123456789018" in got.content()
    assert not got.problems
