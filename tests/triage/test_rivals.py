"""Other numbers that look like a My Number; python-stdnum is the oracle where it knows them."""

from __future__ import annotations

import random

import pytest
from stdnum import ean, imei, luhn
from stdnum.jp import cn, in_

from triage import rivals

VALID = "123456789018"


def some(count: int, length: int, seed: int = 5) -> list[str]:
    rng = random.Random(seed)
    return ["".join(rng.choice("0123456789") for _ in range(length)) for _ in range(count)]


def test_corporate_numbers_as_stdnum() -> None:
    for digits in [*some(3000, 13), *(cn.calc_check_digit(body) + body for body in some(300, 12))]:
        assert rivals.is_corporate_number(digits) is cn.is_valid(digits)
    assert not rivals.is_corporate_number(VALID)


@pytest.mark.parametrize("length", [8, 12, 13, 14])
def test_gs1_as_stdnum(length: int) -> None:
    for digits in some(3000, length):
        assert rivals.is_gs1(digits) is ean.is_valid(digits)
    assert not rivals.is_gs1("12345")


def test_luhn_cards_and_imei_as_stdnum() -> None:
    for digits in some(3000, 16):
        assert rivals.is_luhn(digits) is luhn.is_valid(digits)
    for digits in some(3000, 15):
        # stdnum also wants a known first part; the check digit is the same.
        assert rivals.is_imei(digits) is luhn.is_valid(digits)
    assert imei.is_valid("356938035643809")
    assert rivals.is_imei("356938035643809")
    assert rivals.is_card("4111111111111111")
    assert not rivals.is_card("4111111111111112")


def test_driving_licences() -> None:
    # 5 4 3 2 7 6 5 4 3 2 over the first ten digits, mod 11, as in the prefecture's number 30 of 東京.
    body = "3098123456"
    rest = sum(weight * int(digit) for weight, digit in zip((5, 4, 3, 2, 7, 6, 5, 4, 3, 2), body, strict=True)) % 11
    digit = 0 if rest <= 1 else 11 - rest
    assert rivals.is_driving_licence(f"{body}{digit}0")
    assert not rivals.is_driving_licence(f"{body}{(digit + 1) % 10}0")
    assert not rivals.is_driving_licence(f"00{body[2:]}{digit}0")


def test_one_my_number_in_twenty_is_also_a_licence() -> None:
    numbers = [body + in_.calc_check_digit(body) for body in some(20_000, 11)]
    share = sum(map(rivals.is_driving_licence, numbers)) / len(numbers)
    assert 0.044 < share < 0.060


def test_parcels() -> None:
    body = "40212345678"
    assert rivals.is_parcel_tracking(body + str(int(body) % 7))
    assert not rivals.is_parcel_tracking(body + "9")


@pytest.mark.parametrize(
    ("digits", "expected"),
    [
        ("202402291230", True),
        ("202302291230", False),
        ("202413011230", False),
        ("202401012460", False),
        ("20240101123059", True),
        ("240131235959", True),
        ("991231000000", True),
        ("240132000000", False),
        (VALID, False),
    ],
)
def test_timestamps(digits: str, expected: bool) -> None:
    assert rivals.is_timestamp(digits) is expected


def test_epochs() -> None:
    assert rivals.is_epoch_milliseconds("1700000000000")
    assert rivals.is_epoch_microseconds("1700000000000000")
    assert not rivals.is_epoch_milliseconds("170000000000")


def test_rivals_of_a_number() -> None:
    assert rivals.rivals_of("202402291230")[-1] == "timestamp"
    assert "phone_e164" in rivals.rivals_of("819012345678")
    assert set(rivals.rivals_of(VALID)) <= set(rivals.RIVALS)


@pytest.mark.parametrize(
    "digits", ["000000000000", "111111111111", "123123123123", "123456789012", "098765432109", "121212121212"]
)
def test_placeholders(digits: str) -> None:
    assert rivals.is_trivial(digits) is (digits != "123123123123")


def test_numbers_used_as_examples_are_no_placeholders() -> None:
    assert not rivals.is_trivial(VALID)


@pytest.mark.parametrize(
    ("digits", "kind"),
    [
        ("7000012050002", "corporate_number"),
        ("4901234567894", "jan"),
        ("20240101123059", "timestamp"),
        ("1700000000000", "timestamp"),
        ("356938035643809", "imei"),
        ("4111111111111111", "card"),
        ("98765432109876543", "longer_run"),
    ],
)
def test_longer_runs_are_named(digits: str, kind: str) -> None:
    assert rivals.run_kind(digits) == kind


@pytest.mark.parametrize(
    ("before", "after", "shape"),
    [
        ("", "", ""),
        ("番号は", "です", ""),
        ("(", ")", ""),
        ("x ", ".", ""),
        ("No.", "", ""),
        ("個人番号：", "。", ""),
        ("１", "", "longer_run"),
        ("", "٣", "longer_run"),
        ("0.", "", "decimal"),
        ("", ".5", "decimal"),
        ("", ".0", ""),
        ("a", "", "word"),
        ("", "f", "word"),
        ("Ｔ", "", "word"),
        ("550e8400-e29b-41d4-a716-", "", "uuid"),
        ("deadbeef-", "", "word"),
        ("+", "", "phone"),
        ("¥", "", "amount"),
        ("", "円", "amount"),
        ("", "円満", ""),
        ("", " bytes", "amount"),
        ("x = -", ";", "negative"),
        ("https://example.jp/a/", "/b", "url"),
        ("12:", "", "clock"),
        ("QmFzZTY0IGRhdGEgaXMgbm90/", "/QmFzZTY0IGRhdGEgaXMgbm90", "encoded"),
        ("/home/yamada/documents/", ".txt", ""),
    ],
)
def test_shapes(before: str, after: str, shape: str) -> None:
    text = f"{before}{VALID}{after}"
    assert rivals.shape_at(text, len(before), len(before) + 12) == shape


def test_company_of_hexadecimal_words() -> None:
    assert rivals.in_hex_company(f"3fa2b1c4d5e6 {VALID} 99aabbccdd00", 13, 25)
    assert not rivals.in_hex_company(f"yamada {VALID} tokyo", 7, 19)
