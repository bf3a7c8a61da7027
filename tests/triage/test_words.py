"""Words in text and bytes: every form and encoding in which they are written."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain_of_custody.errors import UsageError
from triage.words import RawSearch, TextSearch, Words, check_words, normalised


def text_hits(word: str, content: str) -> int:
    return len(list(TextSearch(Words((word,))).hits(normalised(content))))


@pytest.mark.parametrize(
    ("word", "content"),
    [
        ("山田太郎", "氏名 山田 太郎"),
        ("山田太郎", "氏名 山田\n太郎"),
        ("山田 太郎", "山田太郎"),
        ("ヤマダ", "ﾔﾏﾀﾞ様"),
        ("ABC商事", "ａｂｃ商事"),
        ("株式会社", "㍿"),
        ("secret", "Top SECRET"),
    ],
)
def test_forms_in_text(word: str, content: str) -> None:
    assert text_hits(word, content) == 1


def test_what_is_not_the_word() -> None:
    assert text_hits("山田太郎", "山田花子") == 0
    assert text_hits("ab", "a b") == 0


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "cp932", "euc_jp", "iso2022_jp"])
@pytest.mark.parametrize(
    ("word", "written"), [("山田太郎", "山田太郎"), ("ABC商事", "ａｂｃ商事"), ("カタログ", "カタログ")]
)
def test_encodings_in_bytes(encoding: str, word: str, written: str) -> None:
    data = b"\0" * 37 + "前文".encode(encoding) + written.encode(encoding) + b"\0" * 9
    found = RawSearch(Words((word,))).hits(data)
    assert [(hit.word, name) for hit, name in found] == [(0, encoding)]


def test_half_width_kana_in_cp932() -> None:
    data = b"xx" + "ﾔﾏﾀﾞ".encode("cp932")
    assert [(hit.start, hit.end) for hit, _ in RawSearch(Words(("ヤマダ",))).hits(data)] == [(2, 6)]


def test_seven_bit_codes_count_only_in_two_byte_mode() -> None:
    code = "山田太郎".encode("iso2022_jp")[3:-3]
    search = RawSearch(Words(("山田太郎",)))
    assert search.hits(b"abc " + code) == []
    assert len(search.hits(b"\x1b$B" + code)) == 1
    assert search.hits(b"\x1b$B" + b"00\x1b(B" + code) == []


@settings(max_examples=60, deadline=None)
@given(
    st.text(alphabet="山田太郎ヤマダabcXYZ0123ー・（）", min_size=2, max_size=12),
    st.sampled_from(["utf-8", "cp932", "utf-16-le"]),
)
def test_any_word_is_found_where_it_stands(word: str, encoding: str) -> None:
    data = b"\1" * 8 + word.encode(encoding) + b"\1" * 8
    assert 8 in [hit.start for hit, _ in RawSearch(check_words([word], [])).hits(data)]


def test_what_is_refused() -> None:
    for literal, expressions in (([], []), (["a"], []), (["x" * 201], []), ([], ["("]), ([], ["a*"])):
        with pytest.raises(UsageError):
            check_words(literal, expressions)
