"""Words that say what a number is, in all the ways they are written."""

from __future__ import annotations

import random

import pytest

from triage.labels import (
    FORM_WORDS,
    NUMBER_WORDS,
    OTHER_WORDS,
    SAMPLE_WORDS,
    find_labels,
    find_number_labels,
    label_of_header,
)


@pytest.mark.parametrize(
    "written",
    ["個人番号", "個 人 番 号", "個　人　番　号", "個\n人\n番\n号", "個⼈番号", "マイナンバー", "ﾏｲﾅﾝﾊﾞｰ", "まいなんばー", "マイナンバ−", "マイ ナンバー", "My Number", "MyNumber",
     "MYNUMBER", "my_number", "my-number", "ＭｙＮｕｍｂｅｒ", "kojinBango", "kojin_bango", "KOJIN_BANGO", "userMyNumber", "Individual Number", "個人No"],
)  # fmt: skip
def test_words_for_the_my_number(written: str) -> None:
    assert [hit.kind for hit in find_labels(f"「{written}」")] == ["number"]
    assert [hit.kind for hit in find_number_labels(f"{written}: ")] == ["number"]


@pytest.mark.parametrize(
    "written", ["個人の番組", "マイナス", "economy number", "hotel", "item", "notable", "panel", "会議"]
)
def test_words_inside_words_are_no_labels(written: str) -> None:
    assert [hit.kind for hit in find_labels(written)] in ([], ["other"] if written == "item" else [])


def test_every_word_is_found_as_what_it_is() -> None:
    for kind, words in (
        ("number", NUMBER_WORDS),
        ("form", FORM_WORDS),
        ("other", OTHER_WORDS),
        ("sample", SAMPLE_WORDS),
    ):
        for word in words:
            hits = find_labels(f" {word} ")
            assert hits, word
            assert hits[0].kind == kind, word
            assert hits[0].end - hits[0].start == len(word), word


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        ("個人番号", "number"),
        ("従業員 個人番号（12桁）", "number"),
        ("個人番号又は法人番号", "number"),
        ("法人番号又は個人番号", "number"),
        ("支払を受ける者の個人番号", "number"),
        ("My Number (12 digits)", "number"),
        ("法人番号", "other"),
        ("個人番号カード受付番号", "other"),
        ("個人番号カード", "number"),
        ("会員番号", "other"),
        ("社員CD", "other"),
        ("ホゲホゲ番号", "other"),
        ("user_id", "other"),
        ("orderId", "other"),
        ("JANコード", "other"),
        ("見本", "sample"),
        ("源泉徴収票", "form"),
        ("番号", None),
        ("No.", None),
        ("氏名", None),
        ("備考", None),
        ("山田太郎", None),
        ("", None),
    ],
)
def test_headers(cell: str, kind: str | None) -> None:
    assert label_of_header(cell).kind == kind


def test_titles_are_no_pure_headers() -> None:
    assert label_of_header("個人番号").pure
    assert not label_of_header("マイナンバー管理台帳").pure


def test_find_labels_agrees_with_itself_at_any_place() -> None:
    rng = random.Random(3)
    words = [*NUMBER_WORDS, *FORM_WORDS, *OTHER_WORDS, *SAMPLE_WORDS]
    for _ in range(50):
        text = "。".join(rng.choice(words) for _ in range(20))
        for hit in find_labels(text):
            again = find_labels(text, hit.start)
            assert again
            assert again[0].start == hit.start


@pytest.mark.parametrize(
    ("text", "sample"),
    [("見本", True), ("（見本）", True), ("申告書見本", True), ("記入例", True), ("サンプルデータ", True), ("sample data", True), ("見本です", True), ("例：", True),
     ("架空県見本市南町", False), ("サンプル商事", False), ("keiri@mihon.example", False), ("sampling", False), ("ダミー人形", False)],
)  # fmt: skip
def test_words_for_samples_stand_alone(text: str, sample: bool) -> None:
    assert any(hit.kind == "sample" for hit in find_labels(f"x {text} 個人番号")) is sample
