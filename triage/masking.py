"""Masks My Numbers in what the search shows: every written form that the search knows.

Builds on `chain_of_custody.masking`, which masks the plain and grouped forms everywhere in the toolkit, and adds what
only decoded text holds: mathematical digits, separators of several characters, one digit per box, kanji numerals.

```python
mask_number("123456789018")             # '********9018'
mask_text("個人番号 1|2|3|4|5|6|7|8|9|0|1|8")   # '個人番号 *|*|*|*|*|*|*|*|9|0|1|8'
```
"""

from __future__ import annotations

from chain_of_custody.masking import mask_number
from chain_of_custody.masking import mask_text as mask_plain_text
from triage.mynumber import ascii_digits, find_boxes, find_numbers, find_numerals, passes

__all__ = ["mask_number", "mask_text"]


def mask_text(text: str) -> str:
    """`text` with all but the last four digits of each possible My Number hidden; its length stays the same.

    Whatever passes the check digit is masked, also where no finding was made of it: a mask needs no evidence.
    """
    shown: list[str] | None = None
    for find in (find_numbers, find_boxes, find_numerals):
        for written in find(text):
            if not passes(written.digits):
                continue
            if shown is None:
                shown = list(text)
            places = [place for place in range(written.start, written.end) if ascii_digits(text[place])]
            for place in places[:-4]:
                shown[place] = "＊" if text[place] > "\x7f" else "*"
    # The plain mask looks at overlapping groups too, which a judge would refuse.
    return mask_plain_text(text if shown is None else "".join(shown))
