r"""Decoded text on its way from the extractors to the judge: what it says, and where each character lay in the file.

An extractor yields `Text` pieces of bounded length. A table is a text too: its cells are spans of the same string, so
one grammar reads everything and columns stay known.

```python
text = Text("氏名,個人番号\n山田,123456789018\n", encoding="utf-8", cells=(Cell(0, 0, 0, 2), Cell(0, 1, 3, 7)))
```
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Literal

TextKind = Literal["prose", "table", "form", "markup", "name", "raw"]
"""prose: running text; table: `cells` given; form: label and value fields; markup: JSON, XML, source;
name: the name of a file or member; raw: a window of undecoded media around a raw hit."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table: `content[start:end]` of its text.

    `row` and `column` count from 0 over the whole table, across pieces. `numeric`: stored as a number, so a leading
    zero may be lost.
    """

    row: int
    column: int
    start: int
    end: int
    numeric: bool = False


@dataclass(frozen=True, slots=True)
class Offsets:
    """Byte offset in the file's content for each character: piecewise linear.

    `chars[i]` is the first character of piece i, which lies at byte `bytes_[i]`; characters in it are `widths[i]`
    bytes wide each.
    """

    chars: tuple[int, ...]
    bytes_: tuple[int, ...]
    widths: tuple[int, ...]

    def byte_of(self, char: int) -> int:
        """Offset in bytes, in the content of the file, of character number `char`."""
        piece = bisect_right(self.chars, char) - 1
        return self.bytes_[piece] + (char - self.chars[piece]) * self.widths[piece]


@dataclass(frozen=True, slots=True)
class Text:
    """One piece of decoded text.

    `container` is the path inside containers ("" for the file itself, "a.zip!/b.docx" below it); `location` the place
    inside the document in words that need no translation ("給与!C5", "p.3", "word/comments.xml"). `stream` names the
    document part that consecutive pieces share, so that a column is judged as a whole; pieces of one stream come in
    order. `offsets` is None where the characters have no place of their own in the bytes (compressed, computed).
    """

    content: str = field(repr=False)
    encoding: str
    kind: TextKind = "prose"
    container: str = ""
    location: str = ""
    stream: str = ""
    cells: tuple[Cell, ...] = field(default=(), repr=False)
    offsets: Offsets | None = field(default=None, repr=False)
    first_char: int = 0
    """Number of the first character of `content` in the stream, counted from 0."""
    overlap: int = 0
    """How many characters at the start of `content` repeat the end of the piece before (for numbers cut in two)."""
