"""The words around a number: which label, key or header belongs to it.

Functions over plain strings: `before` ends where the number starts, `after` starts where it ends.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from triage import persons
from triage.labels import Hit, Label, label_of_header
from triage.mynumber import BOX_SEPARATOR, DIGIT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from triage.text import Cell

# Between a label and its number.
CONNECTING = re.compile(
    r"(?:<[^<>]{0,160}>|[\s\u3000:：;；=＝>＞→⇒⇨➡▶「」『』()（）\[\]【】〔〕{}<＜\"'“”‘’`|｜│┃¦,，、*＊#＃・･.．…‥\-‐―−ー─━_＿~〜～/／&\\\ufeff\u200b]"
    r"|は|が|の|を|に|番号|カード|ナンバー|(?:12|１２|十二)\s?(?:桁|ケタ|けた|digits?)|桁|[Nn][Oo]\b|№|nbsp;|#?x?[0-9a-f]{2,4};"
    r"|本人|記載|記入|欄|又|または|若しくは|等|例|値|[Vv]alue|[Tt]ext|[Ss]tring|[Ii]s\b|[Ww]as\b|です|：)*+",
)
# 「注文受付 123…」: the word is part of a longer name.
_COMPOUND = re.compile(r"[一-鿿々ァ-ヶーｦ-ﾟ]{1,6}[ \u3000]?[:：=＝]?[ \u3000]?")
_PERCENT = re.compile(r"((?:%[0-9A-Fa-f]{2}|[A-Za-z0-9_.\-]){3,120})=\Z")
_TAG_REST = re.compile(r"[^<>\n]{0,120}>")
# Between two numbers of one enumeration.
LIST_GAP = re.compile(
    r"[ \t\u3000]*(?:[、,，・;；/／と&＆]|及び|および|and|\r?\n)[ \t\u3000]*(?:[(（]?\d{1,2}[)）.．][ \t\u3000]*)?"
)
_AFTER = re.compile(
    r"[\s\u3000\"'”’」』)）]{0,3}(?:[(（「『【\[<＜←:：#※*\-―–—=]|//|--|が|は|を|という|の|/\*)"
    r"[\s\u3000\"'/（(「『]{0,4}"
)
_KEY = re.compile(
    r"([A-Za-z_][A-Za-z0-9_\-.]{0,40}|[A-Za-z0-9一-鿿々ぁ-んァ-ヶーｦ-ﾟ]{1,16})"
    r"[\"'”’」』)）\]]{0,2}[ \t\u3000]?(?:[:：=＝]|=>|->|は|：)[ \t\u3000]?[\"'“‘「『(（\[]{0,2}\Z",
)
_TAG_KEY = re.compile(r"<([A-Za-z_:一-鿿々ァ-ヶー][^\s<>/]{0,60})(?:\s[^<>]{0,120})?>\s*\Z")
_WORD_KEY = re.compile(
    r"([一-鿿々ァ-ヶーA-Za-z0-9]{1,12}(?:番号|ナンバー|コード|[Nn]o\.?|NO\.?|№|ID|\b[Ii]d))[ \t\u3000.．]{0,3}\Z"
)
# A name of the number's own that no list holds: 「お預り番号 」, "Case # ", "Meeting ID: ", "Ref. ".
_OWN_NAME = re.compile(
    r"(?:[A-Za-z]{2,20}[ ._-]?(?:#|[Nn]o\b\.?|NO\b\.?|I[Dd]\b|[Rr]ef\b\.?|[Nn]umber\b|[Cc]ode\b|[Kk]ey\b)|\bRef\.?"
    r"|[ぁ-んァ-ヶー一-鿿々A-Za-z]{0,9}[ァ-ヶー一-鿿々A-Za-zぁ-ん](?<![のこそ記該桁])"
    r"(?:番号|コード|ナンバー|[Nn][Oo]\b\.?|I[Dd]\b|№|[#＃]))"
    r"[ \t\u3000]{0,2}[:：=＝]?[ \t\u3000]{0,3}\Z"
)
LOOSELY_WRITTEN = re.compile(f"[{DIGIT}](?:[{BOX_SEPARATOR}]{{0,5}}+[{DIGIT}]){{11}}(?![{BOX_SEPARATOR}]?[{DIGIT}])")
DELIMITERS = (",", "\t", ";", "|")
QUOTED = re.compile(r'"[^"\n]*"')
HAS_DIGITS = re.compile(r"\d{6}")
PLAIN_KEYS = frozenset(
    (
        "no",
        "number",
        "num",
        "value",
        "text",
        "name",
        "data",
        "note",
        "memo",
        "content",
        "v",
        "val",
        "p",
        "td",
        "t",
        "w:t",
        "a:t",
        "span",
        "div",
        "si",
        "c",
        "string",
    )
)


@dataclass(frozen=True, slots=True)
class HeaderLine:
    """A line of running text that names fields: by delimiter, or by blanks and place."""

    start: int
    delimiter: str
    fields: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    """Of each field, in columns of a fixed-width screen."""
    traces: int = 0
    """What the fields tell about persons: bits of `persons.traces`."""
    labels: dict[int, Label] = field(default_factory=dict)

    def label(self, index: int) -> Label:
        """What field number `index` names."""
        found = self.labels.get(index)
        if found is None:
            found = self.labels[index] = label_of_header(self.fields[index])
        return found


def connected(before: str, hit: Hit) -> bool:
    """Whether only connecting characters stand between a label and the end of `before`."""
    gap = before[hit.end :]
    if hit.kind == "other" and _COMPOUND.fullmatch(gap):
        return True
    if len(gap) > 200 or gap.count("\n") > 3:
        return False
    if CONNECTING.fullmatch(gap):
        return True
    # The label is (part of) the name of a tag or its attribute: <kojinBango type="x">
    rest = _TAG_REST.match(gap)
    opened = before.rfind("<", 0, hit.start)
    return (
        rest is not None
        and opened >= 0
        and ">" not in before[opened : hit.start]
        and CONNECTING.fullmatch(gap[rest.end() :]) is not None
    )


def is_topic(before: str, hit: Hit, named_behind: bool) -> bool:
    """Whether another label is only what a sentence is about: a word without 番号 that a particle follows.

    `named_behind`: a label for the My Number stands right behind the number, as in 「案件は 123…（個人番号）」.
    """
    if re.search(r"番号|コード|ナンバー|[Nn]o|ID|id|№", hit.word) or not hit.word[-1] > "\x7f":
        return False
    if named_behind:
        return True
    gap = before[hit.end :]
    return re.match(r"\s*[のがをに]|\s*は[^\s\d：:]", gap) is not None and "番号" not in gap


def label_behind(after: str, hits: list[Hit]) -> Hit | None:
    """A label right behind a number: in brackets, after an arrow, as a comment or in the closing tag."""
    for hit in hits:
        if hit.kind in ("number", "other"):
            if _AFTER.fullmatch(after[: hit.start]) is None:
                return None
            # 「… 個人番号: 987…」 labels what follows.
            rest = after[hit.end : hit.end + 12]
            if re.match(rf"[\s)）」]*[:：=＝]?[\s]*[{DIGIT}]{{4}}", rest):
                return None
            return hit
    return None


def key_before(line: str) -> str:
    """The key of which a number is the value, where `line` ends at the number; "" without one."""
    if "%" in line[-130:] and (percent := _PERCENT.search(line[-130:])):
        # A form as browsers send it: %E5%80%8B…=123….
        raw = unquote_to_bytes(percent[1])
        for encoding in ("utf-8", "cp932", "euc_jp"):
            try:
                return raw.decode(encoding)
            except UnicodeDecodeError:
                continue
    match = _TAG_KEY.search(line[-200:]) or _KEY.search(line[-64:]) or _WORD_KEY.search(line[-40:])
    return match[1] if match is not None else ""


def has_own_name(line: str) -> bool:
    """Whether `line`, which ends at a number, ends with words that name that number."""
    return _OWN_NAME.search(line[-40:]) is not None


def _screen_width(string: str) -> int:
    """Columns on a fixed-width screen: ASCII and half-width kana take one, everything else two."""
    if string.isascii():
        return len(string)
    return sum(1 if character < "\u0250" or "\uff61" <= character <= "\uff9f" else 2 for character in string)


def header_line(start: int, line: str) -> HeaderLine | None:
    """A line that names at least two fields; None for any other."""
    for delimiter in DELIMITERS:
        if delimiter in line:
            fields = tuple(part.strip(" \t\r\u3000\"'") for part in line.split(delimiter))
            if max(map(len, fields)) > 60:
                return None
            return HeaderLine(start, delimiter, fields, (), persons.header_traces(line))
    parts = [match.span() for match in re.finditer(r"[^ \u3000\t\r]+", line)]
    if not 2 <= len(parts) <= 40 or max(high - low for low, high in parts) > 24:
        return None
    spans = tuple((_screen_width(line[:low]), _screen_width(line[:high])) for low, high in parts)
    return HeaderLine(start, " ", tuple(line[low:high] for low, high in parts), spans, persons.header_traces(line))


def field_label(header: HeaderLine, line: str, start: int, end: int) -> Label | None:
    """What `header` says about `line[start:end]`; None where the line has other fields than the header."""
    if header.delimiter != " ":
        if header.delimiter not in line:
            return None
        before = line[:start]
        if '"' in line:
            # A quote that is open before the number is closed behind it.
            before = QUOTED.sub("", before + '"' if before.count('"') % 2 else before)
            line = QUOTED.sub("", line)
        column = before.count(header.delimiter)
        total = line.count(header.delimiter) + 1
        if column >= len(header.fields) or abs(total - len(header.fields)) > 2:
            return None
        return header.label(column)
    # As many fields as the header has: counted. Otherwise by what stands above on a fixed-width screen.
    position = len(line[:start].split())
    if len(line.split()) == len(header.fields) and position < len(header.fields):
        return header.label(position)
    low, high = _screen_width(line[:start]), _screen_width(line[:end])
    best, index = max((min(high, right) - max(low, left), index) for index, (left, right) in enumerate(header.spans))
    return header.label(index) if best > 0 else None


def row_label(content: str, cells: Sequence[Cell], index: int) -> Label | None:
    """What the cells to the left in the same row say.

    A label for the My Number counts over numbers and two other cells, another label only as the next text.
    """
    row = cells[index].row
    texts = 0
    for position in range(index - 1, max(index - 25, -1), -1):
        cell = cells[position]
        if cell.row != row:
            break
        string = content[cell.start : cell.end]
        if len(string) > 60:
            break
        if not string.strip() or string.strip(" -‐−ー()（）:：").isdecimal():
            continue
        label = label_of_header(string)
        if label.kind == "number" and label.pure:
            return label
        if label.kind == "other" and texts == 0:
            return label
        texts += 1
        if texts > 2:
            break
    return None


def row_around(content: str, cells: Sequence[Cell], index: int) -> str:
    """The other cells of a row, as one string of at most a few hundred characters."""
    row = cells[index].row
    low = index
    while low > 0 and index - low < 12 and cells[low - 1].row == row:
        low -= 1
    high = index
    while high + 1 < len(cells) and high - index < 12 and cells[high + 1].row == row:
        high += 1
    return "\n".join(
        content[cell.start : min(cell.end, cell.start + 60)]
        for cell in cells[low : high + 1]
        if cell is not cells[index]
    )
