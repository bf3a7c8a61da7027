import pytest

from chain_of_custody.masking import check_digit_passes, mask_number, mask_text


@pytest.mark.parametrize(
    ("clear", "masked"),
    [
        ("/給与/123456789018.txt", "/給与/********9018.txt"),
        ("１２３４－５６７８－９０１８", "＊＊＊＊－＊＊＊＊－９０１８"),
        ("6214 9832 0257", "**** **** 0257"),
        ("2024-1234-5678-9018", "2024-****-****-9018"),
        ("123456789018、621498320257", "********9018、********0257"),
    ],
)
def test_hides_all_but_the_last_four_digits(clear, masked):
    assert mask_text(clear) == masked


@pytest.mark.parametrize("text", ["123456789019", "1123456789018", "12345678901", "", "給与 2024"])
def test_leaves_what_is_no_my_number(text):
    assert mask_text(text) == text


def test_masks_one_number():
    assert mask_number("123456789018") == "********9018"
    assert check_digit_passes("621498320257")
