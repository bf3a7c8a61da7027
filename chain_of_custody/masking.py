"""Masks My Numbers (個人番号) in anything that is shown or logged: paths, notes, messages.

The smallest masker that is safe to use everywhere: it knows nothing of context and so masks every run of 12 digits
whose check digit is right, in ASCII and full-width digits, together or grouped 4-4-4. Whether such a run *is* a
My Number is judged elsewhere; a mask must never wait for a judgement.

```python
mask_text("/給与/123456789018.txt")      # '/給与/********9018.txt'
mask_text("１２３４－５６７８－９０１８")  # '＊＊＊＊－＊＊＊＊－９０１８'
```
"""

from __future__ import annotations

import os
import re
import unicodedata
from operator import mul
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import PurePath

# Weights of the check digit, from the highest of the eleven digits on:
# 平成26年総務省令第85号 第5条 (Q_n = n+1 for 1 <= n <= 6, n-5 for 7 <= n <= 11, n counted from the lowest digit).
_WEIGHTS = (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
# A digit, then any of: nothing, a blank, a hyphen or dash of any width, a point or an underscore.
_SEPARATOR = r"[\s\-‐-―−ー－ｰ_.．・,，]"
# In a look-ahead, so that candidates may overlap: in 2024-1234-5678-9018 the second one is the number.
_NUMBER = re.compile(rf"(?=((?<!\d)\d(?:{_SEPARATOR}?\d){{11}}(?!\d)))")


def check_digit_passes(digits: str) -> bool:
    """Whether 12 ASCII digits carry the right My Number check digit."""
    # The codes of the digits are 48 more than they are worth, and the weights add up to 47.
    rest = (sum(map(mul, _WEIGHTS, digits.encode("ascii"))) - 48 * 47) % 11
    return int(digits[11]) == (0 if rest <= 1 else 11 - rest)


def mask_number(digits: str) -> str:
    """A number as it may be shown: all but its last four characters hidden."""
    return "*" * max(len(digits) - 4, 0) + digits[-4:]


def mask_text(text: str) -> str:
    """`text` with the first eight digits of each possible My Number hidden; its length stays the same."""
    shown: list[str] | None = None
    for match in _NUMBER.finditer(text):
        digits = "".join(filter(str.isdecimal, match[1]))
        if not digits.isascii():
            digits = "".join(str(unicodedata.digit(digit)) for digit in digits)
        # Twelve zeros pass the check and are nobody's number, but part of many identifiers.
        if digits == "0" * 12 or not check_digit_passes(digits):
            continue
        if shown is None:
            shown = list(text)
        places = [place for place in range(*match.span(1)) if text[place].isdecimal()]
        for place in places[:8]:
            shown[place] = "＊" if text[place] > "\x7f" else "*"
    return text if shown is None else "".join(shown)


def mask_path(path: PurePath | str) -> str:
    """A path as it may be shown, logged and recorded: numbers masked, bytes that are no UTF-8 escaped."""
    return mask_text(os.fsencode(path).decode("utf-8", "backslashreplace"))
