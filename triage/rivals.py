"""Other numbers that look like a My Number: their own check digits and shapes.

`rivals_of` says which other reading the same 12 digits allow; `shape_at` looks at what stands directly around them
(hex, UUID, a float, an amount, an address on the web …). Neither decides: `triage.judge` does.

```python
rivals_of("202401011230")      # ('timestamp',): codes of RIVALS
```
Check digits of 法人番号, GS1 and Luhn numbers are tested against python-stdnum; those of driving licences and parcels
follow the rules in `docs/judging.md`.
"""

from __future__ import annotations

import re
from itertools import cycle

RIVALS: dict[str, tuple[str, str]] = {
    "driving_licence": ("運転免許証番号としても正しい", "also valid as a driving licence number"),
    "parcel_tracking": (
        "荷物の追跡番号(7で割った余り)としても正しい",
        "also valid as a parcel tracking number (mod 7)",
    ),
    "upc": ("UPC-A(商品コード)としても正しい", "also valid as a UPC-A product code"),
    "luhn": ("Luhn 方式の番号としても正しい", "also passes the Luhn check"),
    "timestamp": ("年月日時分(秒)とも読める", "also readable as a date and time"),
    "phone_e164": ("国番号81つきの電話番号とも読める", "also readable as a phone number with country code 81"),
}
"""Code of a rival reading: Japanese, English."""

# Public safety commissions (公安委員会コード): the first two digits of a driving licence number.
_PREFECTURES = frozenset(
    f"{code}"
    for code in (
        *range(10, 15), *range(20, 27), 30, *range(40, 50), *range(50, 56),
        *range(60, 66), *range(70, 75), *range(80, 84), *range(90, 98),
    )
)  # fmt: skip


def is_driving_licence(digits: str) -> bool:
    """12 digits: prefecture 2, year 2, serial 6, check digit (mod 11, weights 5 4 3 2 7 6 5 4 3 2), reissues 1."""
    if len(digits) != 12 or digits[:2] not in _PREFECTURES:
        return False
    rest = sum(weight * int(digit) for weight, digit in zip((5, 4, 3, 2, 7, 6, 5, 4, 3, 2), digits, strict=False)) % 11
    return int(digits[10]) == (0 if rest <= 1 else 11 - rest)


def is_corporate_number(digits: str) -> bool:
    """法人番号 (and, after a T, the invoice number): 13 digits, the first is 9 − (Σ weight·digit mod 9)."""
    if len(digits) != 13:
        return False
    total = sum(weight * int(digit) for weight, digit in zip(cycle((1, 2)), reversed(digits[1:]), strict=False))
    return int(digits[0]) == 9 - total % 9


def is_parcel_tracking(digits: str) -> bool:
    """12 digits of 日本郵便, ヤマト運輸, 佐川急便: the last is the body mod 7."""
    return len(digits) == 12 and int(digits[:11]) % 7 == int(digits[11])


def is_gs1(digits: str) -> bool:
    """JAN/EAN-13, EAN-8, UPC-A (12) and ITF-14: weights 3 and 1 from the right, mod 10."""
    if len(digits) not in (8, 12, 13, 14):
        return False
    total = sum(weight * int(digit) for weight, digit in zip(cycle((1, 3)), reversed(digits), strict=False))
    return total % 10 == 0


def is_luhn(digits: str) -> bool:
    """Payment cards (13 to 19 digits) and IMEI (15): ISO/IEC 7812-1 annex B."""
    total = 0
    for place, character in enumerate(reversed(digits)):
        value = int(character)
        if place % 2:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return total % 10 == 0


def is_card(digits: str) -> bool:
    """A payment card number: 13 to 19 digits, an issuer's first digit, Luhn."""
    return 13 <= len(digits) <= 19 and digits[0] in "23456" and is_luhn(digits)


def is_imei(digits: str) -> bool:
    """15 digits with Luhn."""
    return len(digits) == 15 and is_luhn(digits)


_LONG_MONTHS = frozenset((1, 3, 5, 7, 8, 10, 12))


def _is_date(year: int, month: int, day: int) -> bool:
    if not 1 <= month <= 12:
        return False
    if month == 2:
        return 1 <= day <= (29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28)
    return 1 <= day <= (31 if month in _LONG_MONTHS else 30)


def is_timestamp(digits: str) -> bool:
    """YyyymmddHHMM (12), yyyymmddHHMMSS (14) between 1950 and 2099, or yymmddHHMMSS (12) between 1980 and 2049."""
    if len(digits) in (12, 14):
        year, month, day = int(digits[:4]), int(digits[4:6]), int(digits[6:8])
        seconds = digits[12:] or "0"
        if 1950 <= year <= 2099 and _is_date(year, month, day):
            return digits[8:10] < "24" and digits[10:12] < "60" and int(seconds) < 60
    if len(digits) == 12:
        short = int(digits[:2])
        year = 2000 + short if short < 50 else 1900 + short
        if year >= 1980 and _is_date(year, int(digits[2:4]), int(digits[4:6])):
            return digits[6:8] < "24" and digits[8:10] < "60" and digits[10:12] < "60"
    return False


def is_full_timestamp(digits: str) -> bool:
    """YyyymmddHHMM between 1950 and 2099: of random 12 digits only 0.01 % look so."""
    return len(digits) == 12 and "1950" <= digits[:4] <= "2099" and is_timestamp(digits + "00")


def is_epoch_milliseconds(digits: str) -> bool:
    """13 digits: milliseconds since 1970 between 2001 and 2065."""
    return len(digits) == 13 and "1000000000000" <= digits <= "2999999999999"


def is_epoch_microseconds(digits: str) -> bool:
    """16 digits: microseconds since 1970 between 2001 and 2065."""
    return len(digits) == 16 and "1000000000000000" <= digits <= "2999999999999999"


def rivals_of(digits: str) -> tuple[str, ...]:
    """Codes of RIVALS under which the 12 ASCII digits are valid too, in the order of that table."""
    found = []
    if is_driving_licence(digits):
        found.append("driving_licence")
    if is_parcel_tracking(digits):
        found.append("parcel_tracking")
    if is_gs1(digits):
        found.append("upc")
    if is_luhn(digits):
        found.append("luhn")
    if is_timestamp(digits):
        found.append("timestamp")
    if digits[:3] in ("817", "818", "819") and digits[3] == "0":
        found.append("phone_e164")
    return tuple(found)


def is_trivial(digits: str) -> bool:
    """All one digit, one short pattern repeated, or simply counting up or down: placeholders, not issued numbers."""
    return digits in _TRIVIAL


_TRIVIAL = frozenset(
    [digit * 12 for digit in "0123456789"]
    + [f"{pair:02d}" * 6 for pair in range(100)]
    + [("0123456789" * 3)[start : start + 12] for start in range(10)]
    + [("9876543210" * 3)[start : start + 12] for start in range(10)],
)


def run_kind(digits: str) -> str:
    """What a run of more than 12 digits most likely is: a reason code for the statistics of what was refused."""
    length = len(digits)
    if length == 13 and is_corporate_number(digits):
        return "corporate_number"
    if length == 13 and is_gs1(digits) and digits[:2] in ("45", "49"):
        return "jan"
    if length == 14 and is_timestamp(digits):
        return "timestamp"
    if is_epoch_milliseconds(digits) or is_epoch_microseconds(digits):
        return "timestamp"
    if is_imei(digits):
        return "imei"
    if is_card(digits):
        return "card"
    return "longer_run"


_UUID = re.compile(r"[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}")
_TOKEN = re.compile(r"[A-Za-z0-9+/=]+")
_URL = re.compile(r"(?:https?|ftp|file|wss?)(?:://|%3[Aa]%2[Ff])[^\s\"'<>　「」]*\Z", re.IGNORECASE)
_UNIT = re.compile(
    r"[ \t　]?(?:(?:円|圓|ドル|ユーロ|バイト|千円|百万円|億|万|件|個|名|株|枚|秒|ミリ秒|パーセント|号|年|月|日|時|分)"
    r"(?![一-鿿ァ-ヶぁ-ん])"
    r"|(?:[KMGTkmgt]i?B|[Bb]ytes?|octets?|ms|msec|sec|seconds?|JPY|USD)(?![A-Za-z])|[%％])",
)
_CURRENCY = re.compile(r"(?:[¥￥$＄€£￡]|JPY|USD|金)[ 　]?\Z")
_LATIN = re.compile(r"[A-Za-zＡ-Ｚａ-ｚ\u00c0-\u024f]")
_ANY_DIGIT = re.compile(r"\d")


def shape_at(content: str, start: int, end: int) -> str:
    """What the token around `content[start:end]` (12 digits) shows it to be instead; "" where it stands alone.

    Codes: longer_run, decimal, word (a letter touches it: hex, identifiers), uuid, encoded (base64), phone, amount,
    negative, url, clock.
    """
    left = content[start - 1] if start else ""
    right = content[end : end + 1]
    # Most numbers stand between blanks, tabs, commas, quotes or line ends.
    if left in _PLAIN_LEFT and right in _PLAIN_RIGHT:
        return ""
    return _left_shape(content, start, end, left) or _right_shape(content, start, end, right)


_PLAIN_LEFT = frozenset(["", "\n", "\t", ",", '"', "\r", ">", "|", ";", "'"])
_PLAIN_RIGHT = frozenset(["", "\n", "\t", ",", '"', "\r", "<", "|", ";", "'"])


def _left_shape(content: str, start: int, end: int, left: str) -> str:  # noqa: PLR0911 - one line a case
    if not left:
        return ""
    if _ANY_DIGIT.match(left):
        return "longer_run"
    if _LATIN.match(left):
        return "word"
    before = content[start - 2] if start > 1 else ""
    if left in ".．":
        if not before or not (before.isalpha() or before in ")）.．…") or _ANY_DIGIT.match(before):
            return "decimal"
    elif left in "+＋":
        return "encoded" if _encoded(content, start, end) else "phone"
    elif left in "-−－":
        if _UUID.fullmatch(content, max(start - 24, 0), end):
            return "uuid"
        if re.match(r"[0-9A-Fa-f]", before) and re.search(
            r"[A-Fa-f0-9]*[A-Fa-f][A-Fa-f0-9]*-\Z", content[max(start - 40, 0) : start]
        ):
            return "word"
        if left != "－" and (not before or before in " \t([{,=\n"):
            return "negative"
    elif left in ":：" and _ANY_DIGIT.match(before or " "):
        return "clock"
    elif left == "/" and _encoded(content, start, end):
        return "encoded"
    window = content[max(start - 300, 0) : start]
    if _CURRENCY.search(window[-5:]):
        return "amount"
    if "://" in window or "%3A%2F" in window or "%3a%2f" in window:
        return "url" if _URL.search(window) else ""
    return ""


def _right_shape(content: str, start: int, end: int, right: str) -> str:
    if not right:
        return ""
    if _ANY_DIGIT.match(right):
        return "longer_run"
    if _LATIN.match(right):
        return "word"
    after = content[end + 1 : end + 2]
    if right in ".．" and _ANY_DIGIT.match(after or " "):
        return "" if re.match(r"0{1,6}(?![0-9A-Za-z.])", content[end + 1 : end + 8]) else "decimal"
    if right in "-−" and re.match(r"[A-Za-z0-9]", after or " "):
        return "word" if after.isascii() else ""
    if right in "+/=" and _encoded(content, start, end):
        return "encoded"
    if right == ":" and _ANY_DIGIT.match(after or " "):
        return "clock"
    if _UNIT.match(content, end):
        return "amount"
    return ""


def _encoded(content: str, start: int, end: int) -> bool:
    """Whether the digits lie inside a long token of base64 characters that is no path."""
    low = max(start - 80, 0)
    for match in _TOKEN.finditer(content, low, end + 80):
        if match.start() <= start and end <= match.end():
            token = match[0]
            letters = sum(character.isalpha() for character in token)
            return len(token) >= 32 and letters >= 10 and token.lower() != token and token.upper() != token
    return False


def in_hex_company(content: str, start: int, end: int) -> bool:
    """Whether words of hexadecimal digits, with letters in them, stand on both sides or beside it on its line."""
    left = re.search(r"(?<![0-9A-Za-z])([0-9A-Fa-f]{8,40})[ \t:,\-]{1,3}\Z", content[max(start - 60, 0) : start])
    right = re.match(r"[ \t:,\-]{1,3}([0-9A-Fa-f]{8,40})(?![0-9A-Za-z])", content[end : end + 60])
    return any(match is not None and not match[1].isdecimal() for match in (left, right))
