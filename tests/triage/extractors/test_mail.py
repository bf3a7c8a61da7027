from __future__ import annotations

import base64
import mailbox
from email.mime.text import MIMEText
from typing import TYPE_CHECKING

import pytest

from triage.extractors.mail import decode_header

if TYPE_CHECKING:
    from pathlib import Path

A, B = "123456789018", "621498320257"


def test_header_words_cut_inside_a_character() -> None:
    raw = "個人番号".encode("iso2022_jp")
    first, second = base64.b64encode(raw[:6]).decode(), base64.b64encode(raw[6:]).decode()
    assert decode_header(f"=?iso-2022-jp?B?{first}?=\r\n =?ISO-2022-JP?B?{second}?= x") != ""
    assert decode_header(f"=?iso-2022-jp?B?{first}?= =?iso-2022-jp?B?{second}?= x") == "個人番号 x"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("=?utf-8?Q?=E5=80=8B=E4=BA=BA_1?=", "個人 1"),
        ("=?shift_jis?B?" + base64.b64encode("①番号".encode("cp932")).decode() + "?=", "①番号"),
        ("plain", "plain"),
        ("=?utf-8?B?broken!?= 1", "=?utf-8?B?broken!?= 1"),
        ("\x1b$B8D?M\x1b(B", "個人"),
    ],
)
def test_headers(raw: str, text: str) -> None:
    if "broken" in raw:
        assert decode_header(raw).endswith(" 1")
    else:
        assert decode_header(raw) == text


@pytest.mark.parametrize("charset", ["iso-2022-jp", "shift_jis", "euc-jp", "utf-8"])
@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "8bit"])
def test_bodies_in_every_charset_and_transfer_encoding(read, charset: str, encoding: str) -> None:
    import quopri

    body = f"個人番号は {A} です。１２３４\n".encode(charset)
    if encoding == "base64":
        body = base64.encodebytes(body)
    elif encoding == "quoted-printable":
        body = quopri.encodestring(body)
    head = f"From: a\nTo: b\nContent-Type: text/plain; charset={charset}\nContent-Transfer-Encoding: {encoding}\n\n"
    assert f"個人番号は {A} です。１２３４" in read(head.encode() + body).content("part 1")


def test_undeclared_and_wrongly_declared_charsets(read) -> None:
    for head in (b"", b"Content-Type: text/plain; charset=us-ascii\n", b"Content-Type: text/plain; charset=utf-8\n"):
        data = b"From: a\nTo: b\nSubject: x\n" + head + b"\n" + f"個人番号 {A}".encode("cp932")
        assert f"個人番号 {A}" in read(data).content("part 1")


def test_a_mailbox_of_the_standard_library(read, tmp_path: Path) -> None:
    box = mailbox.mbox(tmp_path / "box")
    for number in (A, B):
        message = MIMEText(f"個人番号 {number}\nFrom here on\n", _charset="utf-8")
        message["From"] = "a@example.jp"
        message["Subject"] = "x"
        box.add(message)
    box.flush()
    box.close()
    result = read((tmp_path / "box").read_bytes(), "box")
    assert A in result.content(container="box!/1")
    assert B in result.content(container="box!/2")
    assert {text.container for text in result.texts} == {"box!/1", "box!/2"}


def test_a_message_inside_a_message(read) -> None:
    inner = f"From: c\nTo: d\nSubject: inner {B}\n\n個人番号 {A}\n"
    data = f"From: a\nTo: b\nSubject: x\nContent-Type: message/rfc822\n\n{inner}".encode()
    content = read(data).content()
    assert f"inner {B}" in content
    assert f"個人番号 {A}" in content


def test_nested_without_end_is_a_limit_and_still_read(read) -> None:
    data = b"From: a\nTo: b\nContent-Type: message/rfc822\n\n" * 5000 + b"My Number " + A.encode()
    result = read(data)
    assert [problem.reason for problem in result.problems] == ["limit"]
    assert A in result.content()
