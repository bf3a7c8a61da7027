r"""Text from evidence, made safe to look at: what cannot be seen or reorders a line is shown as its code point.

A file name may hold a right-to-left override that makes `gpj.exe` read as `exe.jpg`, a newline that forges a second
row, or characters that no font draws. `visible` keeps everything else as it is.

```python
visible("給与\u202egpj.exe")    # '給与‹U+202E›gpj.exe'
```
"""

from __future__ import annotations

import re

_UNSEEN = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f\xad"  # C0, DEL, C1 (escape sequences of terminals too), soft hyphen
    "\u034f\u0600-\u0605\u061c\u06dd\u070f\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f"  # zero width, line separators, directional marks, overrides, isolates
    "\u3164\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\ud800-\udfff"  # half a surrogate pair: NTFS allows it in names, UTF-8 does not
    "\ue000-\uf8ff\U000e0000-\U000e00ff\U000f0000-\U0010ffff"  # private use (gaiji), tags
    "]",
)
MAX_CHARS = 4096
"""Longer text is cut and says how much is missing."""


def visible(text: str, *, max_chars: int = MAX_CHARS) -> str:
    """`text` on one line with everything unseen as `‹U+XXXX›`; at most `max_chars` of it, then `…(+N)`."""
    rest = len(text) - max_chars
    if rest > 0:
        text = text[:max_chars]
    text = _UNSEEN.sub(lambda match: f"‹U+{ord(match[0]):04X}›", text)
    return f"{text}…(+{rest:,})" if rest > 0 else text
