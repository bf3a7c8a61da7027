"""Nothing that could be a My Number is shown whole."""

from __future__ import annotations

import random
import re

import pytest

from triage.masking import mask_number, mask_text
from triage.mynumber import check_digit

VALID = "123456789018"


def test_a_number_keeps_four_digits() -> None:
    assert mask_number(VALID) == "********9018"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"/給与/{VALID}.txt", "/給与/********9018.txt"),
        ("1234-5678-9018", "****-****-9018"),
        ("1234 5678 9018", "**** **** 9018"),
        ("１２３４－５６７８－９０１８", "＊＊＊＊－＊＊＊＊－９０１８"),
        ("1|2|3|4|5|6|7|8|9|0|1|8", "*|*|*|*|*|*|*|*|9|0|1|8"),
        ("1234 - 5678 - 9018", "**** - **** - 9018"),
        ("一二三四五六七八九〇一八", "＊＊＊＊＊＊＊＊九〇一八"),
        (f"a_{VALID}_621498320257_b", "a_********9018_********0257_b"),
        ("123456789019", "123456789019"),
        ("03-1234-5678 2024/01/01", "03-1234-5678 2024/01/01"),
        ("", ""),
    ],
)
def test_texts(text: str, shown: str) -> None:
    assert mask_text(text) == shown


def test_no_valid_number_survives_in_any_form() -> None:
    rng = random.Random(4)
    for _ in range(300):
        body = f"{rng.randrange(10**11):011d}"
        digits = body + str(check_digit(body))
        groups = [digits[:4], digits[4:8], digits[8:]]
        for written in (
            digits,
            "-".join(groups),
            " ".join(groups),
            "  ".join(groups),
            "|".join(digits),
            "・".join(groups),
        ):
            masked = mask_text(f"x/{written} y")
            assert len(masked) == len(written) + 4
            assert re.sub(r"\D", "", masked) == digits[8:]
