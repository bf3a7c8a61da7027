"""The number and its written forms; python-stdnum is the oracle for check digits."""

from __future__ import annotations

import random
import time

import pytest
from stdnum.jp import in_

from triage.mynumber import (
    Refused,
    Written,
    check_digit,
    find_boxes,
    find_numbers,
    find_numerals,
    find_strings,
    is_scientific,
    passes,
    read_cell,
    regions,
)

VALID = "123456789018"
OTHER = "621498320257"


def test_check_digit_is_that_of_the_ordinance() -> None:
    rng = random.Random(1)
    for _ in range(3000):
        body = f"{rng.randrange(10**11):011d}"
        right = in_.calc_check_digit(body)
        assert check_digit(body) == int(right)
        for last in "0123456789":
            assert passes(body + last) is (last == right)


def test_remainders_zero_and_one_give_zero() -> None:
    # Code that forgets this case refuses two of eleven real numbers.
    rests = {
        sum(w * int(d) for w, d in zip((6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2), body, strict=True)) % 11: check_digit(body)
        for body in (f"{n:011d}" for n in range(200))
    }
    assert rests[0] == 0
    assert rests[1] == 0
    assert rests[2] == 9


@pytest.mark.parametrize("body", ["", "1234567890", "123456789012", "1234567890a", "１２３４５６７８９０１"])
def test_a_body_has_eleven_ascii_digits(body: str) -> None:
    with pytest.raises(ValueError, match="11 ASCII digits"):
        check_digit(body)


SEPARATORS = " \u00a0\u3000-‐‑‒–—―−－ー─.．・･/／_＿\t\u2002"


@pytest.mark.parametrize("separator", [*SEPARATORS, "  ", " - ", "\u200b", "\u00ad"])
@pytest.mark.parametrize("wide", [False, True])
def test_groups_of_four_with_any_separator(separator: str, wide: bool) -> None:
    written = separator.join(["1234", "5678", "9018"])
    if wide:
        written = written.translate(str.maketrans("0123456789", "０１２３４５６７８９"))
    found = list(find_numbers(f"番号は{written}です"))
    assert [(item.digits, item.start, item.end) for item in found] == [(VALID, 3, 3 + len(written))]


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (VALID, "plain"),
        ("１２３４５６７８９０１８", "plain"),
        ("1２3４5６7８9０1８", "plain"),
        ("𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗𝟎𝟏𝟖", "plain"),
        ("1234-5678 9018", "loose"),
        ("123456-789018", "odd"),
        ("123 456 789 018", "odd"),
        ("12 34 56 78 90 18", "odd"),
        ("1 2 3 4 5 6 7 8 9 0 1 8", "boxes"),
        ("(1234-5678-9018)", "4-4-4"),
        (f"2024-01-01 {VALID} 10:00", "plain"),
        ("2024/01/01\t1234-5678-9018\t03-1234-5678", "4-4-4"),
        ("1980/01/01 1234 5678 9018", "4-4-4"),
        (f"001 {VALID} 34 5", "plain"),
    ],
)
def test_written_forms(text: str, form: str) -> None:
    found = list(find_numbers(text))
    assert [(item.digits, item.form) for item in found] == [(VALID, form)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1234567890189", "longer_run"),
        ("４1234567890１８", "longer_run"),
        ("1234 5678 9018 1111", "longer_group"),
        ("1111-1234-5678-9018", "longer_group"),
        ("1234-5678-9018-1", "longer_group"),
        ("2024-01-01-1234", "date_time"),
    ],
)
def test_refused(text: str, reason: str) -> None:
    assert [item.reason for item in find_strings(text) if isinstance(item, Refused)] == [reason]
    assert not list(find_numbers(text))


@pytest.mark.parametrize(
    "text",
    ["12345678901", "1234,5678,9018", "12:34:56:78:90:18", "a1b2c3d4e5f6", "1234  \n  5678", "1234----5678----9018"],
)
def test_no_number_of_the_strict_grammar(text: str) -> None:
    assert not list(find_strings(text))


def test_neighbours_behind_marks_and_blanks_are_noted() -> None:
    assert next(find_numbers(f"1.{VALID}")).tight
    assert not next(find_numbers(f"1_{VALID}_2")).tight
    assert next(find_numbers("1 1234 5678 9018")).loose
    assert not next(find_numbers("1  1234 5678 9018")).loose


@pytest.mark.parametrize("joint", ["|", ",", "][", "\n", "\r\n", " | ", "、", "│", "\t", " "])
def test_one_digit_per_box(joint: str) -> None:
    written = joint.join(VALID)
    assert [(item.digits, item.form) for item in find_boxes(f"[{written}]")] == [(VALID, "boxes")]
    assert not list(find_boxes(f"9{joint}{written}"))
    assert not list(find_boxes(f"{written}{joint}9"))


@pytest.mark.parametrize(
    "text", ["一二三四五六七八九〇一八", "一二三四 五六七八 九零一八", "①②③④⑤⑥⑦⑧⑨⓪①⑧", "壱弐参四五六七八九〇一八"]
)
def test_kanji_numerals_and_circled_digits(text: str) -> None:
    assert [(item.digits, item.form) for item in find_numerals(f"番号 {text}。")] == [(VALID, "kanji")]
    assert not list(find_numerals(f"二{text}"))


def test_the_digits_are_in_no_repr() -> None:
    assert VALID not in repr(Written(0, 12, VALID, "plain"))


@pytest.mark.parametrize(
    ("cell", "numeric", "labelled", "expected"),
    [
        (VALID, False, False, (0, 12, VALID, "plain")),
        (f" '{VALID} ", False, False, (2, 14, VALID, "plain")),
        ("1234-5678-9018", False, False, (0, 14, VALID, "4-4-4")),
        (f"{VALID}.0", True, False, (0, 12, VALID, "float")),
        ("23456789013", True, False, (0, 11, "023456789013", "lost_zero")),
        ("23456789013", False, True, (0, 11, "023456789013", "lost_zero")),
        ("23456789013", False, False, None),
        ("345678901.0", True, False, (0, 9, "000345678901", "lost_zero")),
        ("1234\n5678\n9018", False, True, (0, 14, VALID, "loose")),
        ("1234\n5678\n9018", False, False, None),
        ("一二三四五六七八九〇一八", False, True, (0, 12, VALID, "kanji")),
        ("一二三四五六七八九〇一八", False, False, None),
        ("1234567890189", False, True, None),
        ("山田太郎", False, True, None),
        (f"{VALID}.5", True, True, None),
    ],
)
def test_cells(cell: str, numeric: bool, labelled: bool, expected: object) -> None:
    assert read_cell(cell, numeric=numeric, labelled=labelled) == expected


def test_rounded_numbers_are_recognised() -> None:
    assert is_scientific("1.23457E+11")
    assert is_scientific("1E+11")
    assert not is_scientific("1.23457E+15")
    assert not is_scientific(VALID)


def test_regions_hold_every_number() -> None:
    rng = random.Random(2)
    for _ in range(200):
        filler = "".join(rng.choice(["abc def ", "あいう。", "12:30 ", "\n"]) for _ in range(rng.randrange(200)))
        text = (
            filler + rng.choice([VALID, "1234 5678 9018", "１２３４５６７８９０１８", "\n".join(VALID)]) + "x" + filler
        )
        assert any(low <= len(filler) and high >= len(filler) + 12 for low, high in regions(text))
    assert regions("no digits here " * 100) == []
    assert regions("") == []


@pytest.mark.parametrize(
    "text",
    [
        " ".join("12345678901" * 30_000),
        "1234 " * 60_000,
        "1-" * 150_000,
        "1" * 300_000,
        "1" + "- " * 150_000,
        "一二三四五六七八九" * 30_000,
        "1234-5678-" * 30_000,
        "12 34\t" * 50_000,
    ],
)
def test_time_is_linear_on_hostile_text(text: str) -> None:
    started = time.process_time()
    list(find_strings(text))
    list(find_boxes(text))
    list(find_numerals(text))
    regions(text)
    assert time.process_time() - started < 5
