from __future__ import annotations

import random

import numpy as np
import pytest

from triage.extractors import encodings
from triage.extractors.encodings import content_of, cut_of, decode, encoding_of, jis_to_cp932, offsets_of

ROSTER = "氏名,個人番号,備考\r\n山田太郎,123456789018,営業部の人です\r\n鈴木花子,６２１４－９８３２－０２５７,経理\r\n"
CODECS = {
    "utf-8": "utf-8",
    "cp932": "cp932",
    "euc_jp": "euc_jp",
    "iso2022_jp": "iso2022_jp",
    "utf-16-le": "utf-16-le",
    "utf-16-be": "utf-16-be",
}


def written(text: str, codec: str) -> bytes:
    """`text` in `codec`; the wave and minus of JIS have other code points in Microsoft's tables."""
    return text.encode(codec) if codec not in ("euc_jp", "iso2022_jp") else text.replace("－", "−").encode(codec)


@pytest.mark.parametrize(("encoding", "codec"), CODECS.items())
@pytest.mark.parametrize("copies", [1, 400])
def test_recognises_each_encoding(encoding: str, codec: str, copies: int) -> None:
    assert encoding_of(written(ROSTER, codec) * copies) == encoding


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (b"\xef\xbb\xbfabc", "utf-8"),
        (b"\xff\xfea\x00", "utf-16-le"),
        (b"\xfe\xff\x00a", "utf-16-be"),
        (b"\xff\xfe\x00\x00a\x00\x00\x00", "utf-32-le"),
        (b"plain ASCII 123456789018\n", "ascii"),
        (b"terminal \x1b[31mred\x1b[0m\n", "ascii"),
        # Half-width kana alone: valid EUC-JP pairs too, but rare kanji there.
        ("ﾔﾏﾀﾞ ﾀﾛｳ,ﾏｲﾅﾝﾊﾞｰ\n".encode("cp932"), "cp932"),
        ("ｺｼﾞﾝﾊﾞﾝｺﾞｳ".encode("cp932"), "cp932"),
        ("① ㈱日本".encode("cp932"), "cp932"),
        ("個人番号".encode("cp932"), "cp932"),
        ("個人番号".encode("euc_jp"), "euc_jp"),
        ("マイナンバー".encode("euc_jp"), "euc_jp"),
        ("１２３４５６７８９０１８".encode("euc_jp"), "euc_jp"),
        ("１２３４５６７８９０１８".encode("cp932"), "cp932"),
        ("個人番号１２３４".encode("utf-16-be"), "utf-16-be"),
        ("１２３４５６７８９０１８".encode("utf-16-le"), "utf-16-le"),
    ],
)
def test_recognises_short_and_special_text(data: bytes, encoding: str) -> None:
    assert encoding_of(data) == encoding


@pytest.mark.parametrize(
    "data", [bytes(range(256)) * 8, random.Random(1).randbytes(4096), b"\x7fELF\x02\x01\x01" + bytes(64)]
)
def test_binary_is_no_text(data: bytes) -> None:
    assert encoding_of(data) is None


@pytest.mark.parametrize("encoding", ["cp932", "euc_jp", "utf-8"])
def test_place_of_every_character_for_every_two_bytes(encoding: encodings.Encoding) -> None:
    for first in range(0x80, 0x100, 3):
        for second in range(0x20, 0x100):
            data = bytes((0x61, first, second, 0x7A))
            decoded = decode(data, encoding)
            assert decoded.content == content_of(data, encoding)
            ends = [*decoded.starts.tolist(), len(data)]
            for index, character in enumerate(decoded.content):
                if character != "�":
                    assert content_of(data[ends[index] : ends[index + 1]], encoding) == character


def test_jis_to_cp932_is_the_standard_conversion() -> None:
    # Oracle: the codecs themselves, over every character of JIS X 0208.
    for row in range(0x21, 0x7F):
        for cell in range(0x21, 0x7F):
            euc = bytes((row | 0x80, cell | 0x80))
            try:
                character = euc.decode("euc_jp")
                expected = character.encode("shift_jis")
            except UnicodeError:
                continue
            assert jis_to_cp932(bytes((row, cell))) == expected


def test_microsoft_extensions_in_euc_and_jis() -> None:
    assert content_of(b"\xad\xa1", "euc_jp") == "①"
    assert content_of(b"\x1b$B\x2d\x21\x1b(B", "iso2022_jp") == "①"
    assert content_of(b"\x1b(I\x31\x32\x1b(B1", "iso2022_jp") == "ｱｲ1"
    assert content_of("髙﨑".encode("cp932"), "cp932") == "髙﨑"


def test_trap_of_the_full_width_minus() -> None:
    assert content_of(b"\x81\x7c", "cp932") == "\uff0d"
    assert content_of(b"\xa1\xdd", "euc_jp") == "\u2212"


def test_a_lost_escape_costs_one_line_only() -> None:
    data = b"\x1b$B" + b"8D?MHV9f\n" + b"123456789018\n"
    assert content_of(data, "iso2022_jp") == "個人番号\n123456789018\n"


def test_offsets_lead_to_the_bytes() -> None:
    for encoding, codec in CODECS.items():
        data = written(ROSTER, codec)
        decoded = decode(data, encoding)
        offsets = offsets_of(decoded, len(data), 1000)
        at = decoded.content.index("123456789018")
        place = offsets.byte_of(at) - 1000
        width = 2 if encoding.startswith("utf-16") else 1
        assert data[place : place + 12 * width] == "123456789018".encode(codec if width == 2 else "ascii")
        full = decoded.content.index("６２１４")
        place = offsets.byte_of(full) - 1000
        assert decode(data[place : place + 2], encoding).content.startswith("６") or encoding in ("utf-8", "iso2022_jp")


@pytest.mark.parametrize("encoding", ["utf-8", "cp932", "euc_jp", "utf-16-le", "utf-16-be"])
def test_cut_never_splits_a_character(encoding: encodings.Encoding) -> None:
    data = written(ROSTER * 3, CODECS[encoding])
    whole = content_of(data, encoding)
    for end in range(1, len(data)):
        part = data[: end - cut_of(data[:end], encoding)]
        assert whole.startswith(content_of(part, encoding))
        assert end - len(part) < 4


def test_starts_are_int64_and_ascending() -> None:
    for encoding, codec in CODECS.items():
        starts = decode(written(ROSTER, codec), encoding).starts
        assert starts.dtype == np.int64
        assert (np.diff(starts) > 0).all()


def test_every_encoding_survives_noise() -> None:
    noise = random.Random(2).randbytes(5000)
    for encoding in encodings.Encoding.__args__:
        decoded = decode(noise, encoding)
        assert len(decoded.content) == len(decoded.starts)
