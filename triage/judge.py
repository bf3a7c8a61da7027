"""Which strings of 12 digits are My Numbers: confidence with its reasons, from all a document says about them.

A right check digit is no evidence by itself: every tenth string has one. Evidence is a label, the header of a column,
the share of right check digits in a list or column, a record about a person around it; against it speak other labels,
other readings of the same digits, and company of strings with wrong check digits. Each piece of evidence is a weight
in tenths of a bel (log10 of the odds); their sum is the confidence. `docs/judging.md` explains the scale.

```python
judge = Judge()
judge.feed(Text("個人番号：1234 5678 9018", encoding="utf-8"))
[(judged.confidence, [reason.code for reason in judged.reasons]) for judged in judge.finish()]
# [('high', ['label', 'check_digit'])]
```
One `Judge` per file: it keeps the statistics of columns and lists across the pieces of a stream, and of the texts
only the numbers that pass the check digit, packed in arrays.
"""

from __future__ import annotations

import math
import re
from array import array
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from triage import persons
from triage.labels import Hit, Label, find_labels, find_number_labels, label_of_header
from triage.mynumber import (
    BOX_SEPARATOR,
    DIGIT,
    Form,
    Refused,
    Written,
    ascii_digits,
    find_boxes,
    find_numerals,
    find_strings,
    is_scientific,
    passes,
    read_cell,
    regions,
)
from triage.rivals import (
    RIVALS,
    in_hex_company,
    is_driving_licence,
    is_full_timestamp,
    is_parcel_tracking,
    is_timestamp,
    is_trivial,
    rivals_of,
    run_kind,
    shape_at,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from triage.text import Cell, Text

Confidence = Literal["high", "medium", "low"]

HIGH = 2.3
"""log10 of the odds 199 : 1, which is 99.5 %."""
MEDIUM = 0.95
"""log10 of the odds 9 : 1, which is 90 %."""
LOW = -0.8
"""Below it nothing is reported: such a string is counted under the reason that speaks against it."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why: a code for programs, and words."""

    code: str
    ja: str
    en: str


@dataclass(frozen=True, slots=True)
class Judged:
    """A My Number that was found. `start`, `end`: characters in its stream; `byte_offset`, `byte_size`: in the
    content of its file, None where characters have no place of their own in the bytes.

    `digits` are 12 ASCII digits; where `form` is "lost_zero" the leading zeros are not in the text.
    """

    digits: str = field(repr=False)
    start: int
    end: int
    byte_offset: int | None
    byte_size: int | None
    container: str
    location: str
    encoding: str
    form: Form
    confidence: Confidence
    reasons: tuple[Reason, ...]
    rivals: tuple[str, ...]


# Evidence: one bit each, so that a candidate is a few integers.
LABEL = 1 << 0
HEADER = 1 << 1
ROW_LABEL = 1 << 2
LABEL_AFTER = 1 << 3
LABEL_NEAR = 1 << 4
LABEL_IN_TEXT = 1 << 5
FORM_NEAR = 1 << 6
NAME = 1 << 7
BIRTH = 1 << 8
ADDRESS = 1 << 9
FAMILY = 1 << 10
GROUPED = 1 << 11
SAMPLE = 1 << 12
OTHER_NEAR = 1 << 13
OTHER_KEY = 1 << 14
TIGHT = 1 << 15
LOOSE = 1 << 16
ODD = 1 << 17
LOST_ZERO = 1 << 18
RAW = 1 << 19
FILE_NAME = 1 << 20
MARKUP = 1 << 21
TABLE = 1 << 22
EMBEDDED = 1 << 23
HEX_COMPANY = 1 << 24
RECORD = 1 << 25
"""At least two traces of a person."""

UNDER_HEADING = 1 << 26

_STRONG = LABEL | HEADER | ROW_LABEL | LABEL_AFTER | UNDER_HEADING

_EVIDENCE: tuple[tuple[int, float, str, str, str], ...] = (
    # bit, weight, code, Japanese, English; {word} is the label found
    (LABEL, 3.5, "label", "直前に「{word}」とある", "“{word}” stands directly before it"),
    (HEADER, 3.5, "header", "列の見出しが「{word}」", "the header of its column is “{word}”"),
    (ROW_LABEL, 3.4, "row_label", "行の見出しが「{word}」", "the label of its row is “{word}”"),
    (LABEL_AFTER, 3.2, "label_after", "直後に「{word}」とある", "“{word}” stands directly behind it"),
    (UNDER_HEADING, 3.1, "heading", "「{word}」という見出しの下に並ぶ", "it stands in the list under the heading “{word}”"),
    (LABEL_NEAR, 1.9, "label_near", "近くに「{word}」とある", "“{word}” stands near it"),
    (LABEL_IN_TEXT, 0.9, "label_in_text", "同じ文書に個人番号を示す語がある", "the same document speaks of My Numbers"),
    (FORM_NEAR, 0.7, "form", "個人番号を書く様式・文書の中にある", "it stands in a form or text that My Numbers are written in"),
    (NAME, 0.5, "person_name", "そばに氏名がある", "a name stands beside it"),
    (BIRTH, 0.5, "person_birth", "そばに生年月日がある", "a birth date stands beside it"),
    (ADDRESS, 0.35, "person_address", "そばに住所がある", "an address stands beside it"),
    (FAMILY, 0.3, "person_family", "そばに続柄がある", "a family relation stands beside it"),
    (RECORD, 0.4, "person_record", "一人の人についての記録の中にある", "it stands in a record about one person"),
    (GROUPED, 0.3, "grouped", "カードと同じ4桁区切り", "written in groups of four, as on the card"),
    (SAMPLE, -2.9, "sample", "見本・記入例の語がそばにある", "words for a sample or an example stand beside it"),
    (OTHER_NEAR, -1.4, "other_near", "近くに別の番号を示す語がある", "words for another number stand near it"),
    (OTHER_KEY, -1.4, "other_key", "別の項目名の値である", "it is the value of a key of another name"),
    (TIGHT, -0.8, "tight", "記号をはさんで他の数字が隣り合う", "other digits adjoin it behind a mark"),
    (LOOSE, -0.5, "ungrouped_neighbour", "空白をはさんで他の数字が隣り合う", "other digits adjoin it behind a blank"),
    (ODD, -0.9, "odd_grouping", "4桁区切りでない区切り方", "grouped otherwise than 4-4-4"),
    (LOST_ZERO, -0.3, "lost_zero", "先頭の0が失われたものとして補った", "leading zeros were filled in that a numeric cell loses"),
    (RAW, -0.5, "undecoded", "復号されていない領域の断片", "a fragment of undecoded bytes"),
    (FILE_NAME, -0.3, "in_name", "ファイル名の中", "in a file name"),
    (MARKUP, -0.5, "markup", "マークアップ・プログラムの中", "in markup or program text"),
    (TABLE, -0.3, "table", "見出しから種類の分からない列", "in a column whose header does not tell"),
    (HEX_COMPANY, -2.5, "hex", "16進数の並びの中", "among hexadecimal words"),
)  # fmt: skip
_BASE = -0.7
_SAME = 2.6

_REJECTIONS: dict[str, tuple[str, str]] = {
    "other_label": ("別の番号の名称・見出しがついている", "labelled as another number"),
    "other_label_all_pass": (
        "見出しは別の番号だが、列のほぼ全部の検査数字が合う",
        "labelled as another number, but nearly the whole column has right check digits",
    ),
    "column_chance": ("同じ列・並びで検査数字が合うのは偶然の割合(約1割)", "in its column or list check digits are right as often as by chance"),
    "serial": ("一つずつ増える連番の中", "in a series of numbers that count up"),
    "column_driving_licence": ("列全体が運転免許証番号", "the whole column is driving licence numbers"),
    "column_parcel_tracking": ("列全体が荷物の追跡番号", "the whole column is parcel tracking numbers"),
    "column_timestamp": ("列全体が年月日時分", "the whole column is dates and times"),
    "timestamp": ("年月日時分(秒)と読める", "reads as a date and time"),
    "phone": ("電話番号", "a phone number"),
    "trivial": ("同じ数字の並びや 1234… などの置き字", "a placeholder such as repeated or counting digits"),
    "longer_run": ("さらに長い数字列の一部", "part of a longer run of digits"),
    "longer_group": ("4桁区切りがさらに続く(カード番号など)", "part of a longer row of groups (cards and the like)"),
    "corporate_number": ("法人番号(13桁)", "a corporate number (13 digits)"),
    "jan": ("JAN コード(13桁)", "a JAN code (13 digits)"),
    "imei": ("IMEI(15桁)", "an IMEI (15 digits)"),
    "card": ("カード番号", "a payment card number"),
    "grouping": ("区切りが個人番号の書き方でない", "grouped as no My Number is"),
    "date_time": ("日付と時刻", "a date and time"),
    "decimal": ("小数の一部", "part of a decimal fraction"),
    "word": ("英数字の語や識別子の一部", "part of a word or identifier"),
    "uuid": ("UUID の一部", "part of a UUID"),
    "encoded": ("符号化されたデータ(base64 など)の一部", "part of encoded data such as base64"),
    "amount": ("金額・数量・番地など", "an amount or quantity"),
    "negative": ("負の数", "a negative number"),
    "url": ("URL の一部", "part of a URL"),
    "clock": ("時刻の一部", "part of a time of day"),
    "cut": ("断片の端で切れている", "cut off at the edge of the fragment"),
    "no_evidence": ("検査数字のほかに個人番号を示すものがない", "nothing but the check digit speaks for it"),
}  # fmt: skip
REJECTION_CODES: Mapping[str, tuple[str, str]] = _REJECTIONS
"""Why strings that pass the check digit are no findings: code, Japanese, English."""


class _Stratum:
    """Strings of one column or list: how many pass, how they are spread."""

    __slots__ = ("failing", "last", "passing", "rival_counts", "sampled", "seen", "small_steps", "steps", "window")

    MAX_SEEN = 4096

    def __init__(self, *, window: bool = False) -> None:
        self.passing = 0
        self.failing = 0
        self.seen: set[int] = set()
        self.last = -1
        self.steps = 0
        self.small_steps = 0
        self.sampled = 0
        self.rival_counts: Counter[str] = Counter()
        self.window = window

    def add(self, digits: str, *, right: bool) -> None:
        """Count one string; a repeated one counts once (as far as 4,096 distinct ones are remembered)."""
        value = int(digits)
        if value in self.seen:
            return
        if len(self.seen) < self.MAX_SEEN:
            self.seen.add(value)
        if right:
            self.passing += 1
        else:
            self.failing += 1
        if self.last >= 0:
            self.steps += 1
            if 0 < abs(value - self.last) <= 1000:
                self.small_steps += 1
        self.last = value
        if self.sampled < 64:
            self.sampled += 1
            if is_driving_licence(digits):
                self.rival_counts["driving_licence"] += 1
            if is_parcel_tracking(digits):
                self.rival_counts["parcel_tracking"] += 1
            if is_timestamp(digits):
                self.rival_counts["timestamp"] += 1

    def rival(self) -> str:
        """The rival that explains the whole stratum better than My Numbers do; "" if there is none."""
        if self.sampled >= 4:
            for name, count in self.rival_counts.most_common(1):
                if count >= 0.9 * self.sampled and self.passing < 0.6 * (self.passing + self.failing):
                    return name
        return ""

    def is_serial(self) -> bool:
        """Whether most values lie within 1,000 of the one before: numbers handed out in order."""
        return self.steps >= 3 and self.small_steps >= 0.7 * self.steps

    def weight(self) -> float:
        """log10 of the odds that the shares give one passing member, whose own passing is no evidence."""
        # In a window of raw bytes the string in its middle was chosen because it passes.
        chosen = 2 if self.window else 1
        passing, total = self.passing - chosen, self.passing + self.failing - chosen
        if total <= 0 or passing < 0:
            return 0.0
        # Columns of other numbers are more frequent than columns of My Numbers, and mixed ones are rare.
        gain = _gain(passing, total) - 0.3 * min(total, 4) - (1.5 if self.failing >= max(8, self.passing) else 0.0)
        if (passing + 0.5) / (total + 1) <= 0.15:
            # As by chance: the more strings, the surer.
            return min(gain, -min(0.25 * total, 3.0))
        return max(-3.0, min(gain, self.true_odds()))

    def limit_of_label(self) -> float:
        """log10 of the odds that a label cannot exceed: in a column of made-up numbers some pass by chance."""
        total = self.passing + self.failing
        limit = self.true_odds() + 0.7
        if total < 10:
            return max(limit, LOW + 0.1)
        return min(limit, _gain(self.passing, total) - 1.8)

    def true_odds(self) -> float:
        """log10 of the odds that a passing member is a My Number: of N passing and F failing, F/9 pass by chance."""
        by_chance = self.failing / 9
        true = self.passing - by_chance
        if true <= 0.05 * self.passing:
            return -2.0
        return math.log10(true / (by_chance + 0.003))


@dataclass(frozen=True, slots=True)
class _Share:
    """What a stratum as a whole says about each of its passing members."""

    weight: float
    against: str
    """Code of what it is instead, where `weight` speaks against My Numbers."""
    limit: float
    """Where a label stands: no member can be surer than this."""
    listed: bool
    """At least eight pass and hardly any fails: the column or list proves its members."""

    @classmethod
    def of(cls, stratum: _Stratum) -> _Share:
        weight, against = stratum.weight(), "column_chance"
        limit = stratum.limit_of_label() if stratum.failing >= 3 else math.inf
        listed = stratum.passing >= 8 and weight >= HIGH
        rival = stratum.rival()
        if stratum.is_serial():
            weight, against, listed = min(weight, -2.0), "serial", False
        elif rival:
            weight, against = min(weight, -2.0), f"column_{rival}"
        return cls(weight, against, limit, listed)


def _gain(passing: int, total: int) -> float:
    """log10 of how much better a share of its own explains `passing` of `total` than one in ten does."""
    share = min((passing + 0.5) / (total + 1), 0.98)
    return passing * math.log10(share / 0.1) + (total - passing) * math.log10((1 - share) / 0.9)


_FORMS: tuple[Form, ...] = ("plain", "4-4-4", "odd", "boxes", "kanji", "loose", "float", "lost_zero")
_FORM_NUMBER = {form: number for number, form in enumerate(_FORMS)}


class _Kept:
    """Candidates that pass the check digit, as columns of numbers: about 80 bytes each."""

    def __init__(self) -> None:
        self.digits = array("q")
        self.start = array("q")
        self.length = array("H")
        self.byte_offset = array("q")
        self.byte_size = array("H")
        self.place = array("l")
        self.row = array("q")
        self.column = array("l")
        self.stratum = array("l")
        self.evidence = array("L")
        self.word = array("H")
        self.form = array("B")

    def __len__(self) -> int:
        return len(self.digits)


@dataclass(slots=True)
class _Column:
    """What is known about a column of a table so far."""

    label: Label | None = None
    header_start: list[str] = field(default_factory=list)
    recent: list[str] = field(default_factory=list)
    """Text cells since the last number: candidates for a header."""
    stratum: int = -1
    singles: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _HeaderLine:
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


@dataclass(slots=True)
class _Stream:
    """State of one stream of texts."""

    number: int
    end_char: int = 0
    tail: str = ""
    columns: dict[int, _Column] = field(default_factory=dict)
    headers: list[_HeaderLine] = field(default_factory=list)
    header_bits: int = 0
    first_row: int = -1
    form: bool = False
    labelled: bool = False
    sample_title: bool = False
    strata: dict[tuple[object, ...], int] = field(default_factory=dict)
    pending: list[tuple[Text, Written, int, str, int]] = field(default_factory=list)
    bare: int = -2
    """End of the last line that was nothing but a number, and what was found out about it."""
    bare_evidence: tuple[int, str] = (0, "")
    section: tuple[int, str] = (-1, "")
    """Under a heading: where the next line of its block starts, and the heading's label."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What a `Judge` found: iterate over it (or `judged`) for the findings, in the order of the texts.

    `rejected` counts strings that pass the check digit and are no findings, by code of `REJECTION_CODES`.
    `labelled_wrong` counts strings labelled as My Numbers whose check digit is wrong (typing errors, made-up numbers);
    `labelled_rounded` numbers labelled so that a spreadsheet has rounded ("1.23457E+11"), which cannot be recovered.
    """

    judged: Sequence[Judged]
    rejected: Mapping[str, int]
    labelled_wrong: int = 0
    labelled_rounded: int = 0

    def __iter__(self) -> Iterator[Judged]:
        return iter(self.judged)

    def __len__(self) -> int:
        return len(self.judged)


# Between a label and its number.
_CONNECT = re.compile(
    r"(?:<[^<>]{0,160}>|[\s\u3000:：;；=＝>＞→⇒⇨➡▶「」『』()（）\[\]【】〔〕{}<＜\"'“”‘’`|｜│┃¦,，、*＊#＃・･.．…‥\-‐―−ー─━_＿~〜～/／&\\\ufeff\u200b]"
    r"|は|が|の|を|に|番号|カード|ナンバー|(?:12|１２|十二)\s?(?:桁|ケタ|けた|digits?)|桁|[Nn][Oo]\b|№|nbsp;|#?x?[0-9a-f]{2,4};"
    r"|本人|記載|記入|欄|又|または|若しくは|等|例|値|[Vv]alue|[Tt]ext|[Ss]tring|[Ii]s\b|[Ww]as\b|です|：)*+",
)
_TAG_REST = re.compile(r"[^<>\n]{0,120}>")
# Between two numbers of one enumeration.
_LIST_GAP = re.compile(
    r"[ \t\u3000]*(?:[、,，・;；/／と&＆]|及び|および|and|\r?\n)[ \t\u3000]*(?:[(（]?\d{1,2}[)）.．][ \t\u3000]*)?"
)
_AFTER = re.compile(
    r"[\s\u3000\"'”’」』)）]{0,3}(?:[(（「『【\[<＜←:：#※*\-―–—=]|//|--|が|は|を|という|の|/\*)[\s\u3000\"'/（(「『]{0,4}"
)
_KEY = re.compile(
    r"([A-Za-z_][A-Za-z0-9_\-.]{0,40}|[A-Za-z0-9一-鿿々ぁ-んァ-ヶーｦ-ﾟ]{1,16})[\"'”’」』)）\]]{0,2}[ \t\u3000]?(?:[:：=＝]|=>|->|は|：)[ \t\u3000]?[\"'“‘「『(（\[]{0,2}\Z",
)
_TAG_KEY = re.compile(r"<([A-Za-z_:一-鿿々ァ-ヶー][^\s<>/]{0,60})(?:\s[^<>]{0,120})?>\s*\Z")
_WORD_KEY = re.compile(
    r"([一-鿿々ァ-ヶーA-Za-z0-9]{1,12}(?:番号|ナンバー|コード|[Nn]o\.?|NO\.?|№|ID|\b[Ii]d))[ \t\u3000.．]{0,3}\Z"
)
_LOOSE = re.compile(f"[{DIGIT}](?:[{BOX_SEPARATOR}]{{0,5}}+[{DIGIT}]){{11}}(?![{BOX_SEPARATOR}]?[{DIGIT}])")
_DELIMITERS = (",", "\t", ";", "|")
_QUOTED = re.compile(r'"[^"\n]*"')
_BLANKS = re.compile(r"[ \u3000\t]+")
_HAS_DIGITS = re.compile(r"\d{6}")
_DIGIT = re.compile(f"[{DIGIT}]")

_TAIL_CHARS = 240
_BEFORE_CHARS = 220
_AFTER_CHARS = 80


class Judge:
    """Judges the texts of one file. Feed the texts in order, then `finish` once."""

    def __init__(self) -> None:
        self._kept = _Kept()
        self._streams: dict[tuple[str, str], _Stream] = {}
        self._stream_count = 0
        self._strata: list[_Stratum] = []
        self._places: list[tuple[str, str, str, int]] = []
        self._place_numbers: dict[tuple[str, str, str, int], int] = {}
        self._words: list[str] = [""]
        self._word_numbers: dict[str, int] = {"": 0}
        self._rejected: Counter[str] = Counter()
        self._labelled_wrong = 0
        self._labelled_rounded = 0
        self._other_strata: dict[int, int] = {}
        self._raw_seen: set[tuple[int, int]] = set()
        self._last_label: tuple[int, int, int, str] = (-1, -1, 0, "")
        self._finished = False

    # ---------------------------------------------------------------- feeding

    def feed(self, text: Text) -> None:
        """Judge one piece. Pieces of one stream must come in order."""
        stream = self._stream_of(text)
        self._settle(stream, text.first_char)
        place = (text.container, text.location, text.encoding, stream.number)
        number = self._place_numbers.get(place)
        if number is None:
            number = self._place_numbers[place] = len(self._places)
            self._places.append(place)
        if text.cells:
            self._table(text, stream, number)
        else:
            self._running(text, stream, number)
        stream.end_char = max(stream.end_char, text.first_char + len(text.content))
        stream.tail = "" if text.kind in ("raw", "name") else text.content[-_TAIL_CHARS:]

    def _stream_of(self, text: Text) -> _Stream:
        key = (text.container, text.stream)
        stream = self._streams.get(key)
        if stream is None or not text.stream:
            before = stream
            self._stream_count += 1
            stream = self._streams[key] = _Stream(self._stream_count)
            if before is not None:
                self._settle(before, -1)
                # Texts without a stream that come from one container follow each other: a label may stand in the
                # paragraph before.
                if text.kind not in ("raw", "name", "table"):
                    stream.tail = before.tail
        return stream

    def _settle(self, stream: _Stream, first_char: int) -> None:
        """Keep the candidates at the end of the last piece, except those that the next piece shows whole."""
        if not stream.pending:
            return
        pending, stream.pending = stream.pending, []
        for text, written, evidence, word, stratum in pending:
            if first_char >= 0 and text.first_char + written.start >= first_char:
                continue
            self._take(
                text,
                stream,
                written,
                evidence,
                word,
                stratum,
                self._place_numbers[(text.container, text.location, text.encoding, stream.number)],
            )

    # ---------------------------------------------------------------- running text

    def _running(self, text: Text, stream: _Stream, place: int) -> None:
        content = text.content
        places = regions(content)
        found = [item for low, high in places for item in self._strings(content, low, high)]
        numerals = list(find_numerals(content))
        if numerals:
            found = sorted([*found, *numerals], key=lambda item: item.start)
        if not places and not numerals:
            return
        labels = find_number_labels(content)
        self._note_labels(content, labels, stream)
        if not stream.headers and text.first_char == 0:
            self._note_first_line(content, stream)
        found = self._with_loose(content, found, labels)
        numbers = [hit for hit in labels if hit.kind == "number"]
        for written in found:
            if isinstance(written, Refused):
                self._count_refused(content, written)
                continue
            if text.overlap and written.end < text.overlap:
                continue
            if written.start == 0 and text.first_char > 0:
                continue
            self._weigh(text, stream, written, numbers, place)

    @staticmethod
    def _strings(content: str, low: int, high: int) -> list[Written | Refused]:
        """Everything of twelve digits in `content[low:high]`, ascending, without overlaps."""
        found: list[Written | Refused] = list(find_strings(content, start=low, end=high))
        more = list(find_boxes(content, start=low, end=high))
        if more:
            # Where they overlap, the strict form holds. Ascending, so one look at the last taken is enough.
            found += more
            found.sort(key=lambda item: (item.start, isinstance(item, Written) and item.form == "boxes"))
            kept: list[Written | Refused] = []
            for item in found:
                if not kept or item.start >= kept[-1].end:
                    kept.append(item)
            found = kept
        return found

    @staticmethod
    def _with_loose(content: str, found: list[Written | Refused], labels: list[Hit]) -> list[Written | Refused]:
        """Add what only a label makes readable: separators of several characters, numbers over two lines."""
        extra: list[Written | Refused] = []
        starts = [item.start for item in found]
        for hit in labels:
            if hit.kind != "number":
                continue
            between = _CONNECT.match(content, hit.end, hit.end + 60)
            begin = between.end() if between else hit.end
            match = _LOOSE.match(content, begin, begin + 100)
            if match is None:
                continue
            low, high = match.span()
            near = bisect_left(starts, high)
            if near and found[near - 1].end > low:
                continue
            extra.append(Written(low, high, ascii_digits(match[0]), "loose"))
        if extra:
            found = sorted([*found, *extra], key=lambda item: item.start)
        return found

    def _note_labels(self, content: str, labels: list[Hit], stream: _Stream) -> None:
        """Remember what the labels of a piece say about all that follows."""
        for hit in labels:
            if hit.kind == "form":
                stream.form = True
                continue
            stream.labelled = True
            start = content.rfind("\n", max(0, hit.start - 2000), hit.start) + 1
            if stream.headers and stream.headers[-1].start == start:
                continue
            end = content.find("\n", hit.end, hit.end + 2000)
            line = content[start : end if end >= 0 else hit.end + 2000]
            if len(line) > 2000 or _HAS_DIGITS.search(line):
                continue
            header = _header_line(start, line)
            if header is not None:
                stream.headers.append(header)
                del stream.headers[:-64]

    @staticmethod
    def _note_first_line(content: str, stream: _Stream) -> None:
        line = content[: content.find("\n")] if "\n" in content[:2000] else ""
        if line and not _HAS_DIGITS.search(line) and any(delimiter in line for delimiter in _DELIMITERS):
            header = _header_line(0, line)
            if header is not None:
                stream.headers.append(header)

    def _count_refused(self, content: str, refused: Refused) -> None:
        digits = ascii_digits(content[refused.start : refused.end])
        if refused.reason == "longer_run":
            self._rejected[run_kind(digits)] += 1
        elif len(digits) != 12 or passes(digits):
            self._rejected[refused.reason] += 1

    def _weigh(
        self,
        text: Text,
        stream: _Stream,
        written: Written,
        numbers: list[Hit],
        place: int,
    ) -> None:
        content = text.content
        right = passes(written.digits)
        shape = shape_at(content, written.start, written.end)
        if shape and not (
            shape in ("word", "url", "clock", "negative", "amount") and self._touched(content, written, numbers)
        ):
            if right:
                self._rejected[shape] += 1
            return
        if text.kind == "raw" and (written.start == 0 or written.end == len(content)):
            # Whether a digit goes on beyond the edge is not known.
            self._rejected["cut"] += right
            return
        quick = self._quick_context(text, stream, written, right=right)
        evidence, word = quick if quick is not None else self._context(text, stream, written)
        if stream.bare == text.first_char + written.end:
            stream.bare_evidence = (evidence, word)
        if evidence < 0:
            self._reject_other(stream, (word,), written.digits, right=right)
            return
        if written.form in ("kanji", "loose", "boxes", "odd") and not evidence & (_STRONG | LABEL_NEAR):
            self._rejected["grouping"] += right
            return
        stratum = self._list_of(text, stream, written, evidence)
        at_end = written.end >= len(content) - 3 and not content[written.end :].strip() and bool(text.stream)
        if at_end and text.kind not in ("raw", "name"):
            stream.pending.append((text, written, evidence, word, stratum))
            return
        self._take(text, stream, written, evidence, word, stratum, place)

    @staticmethod
    def _touched(content: str, written: Written, numbers: list[Hit]) -> bool:
        """Whether a label for the My Number stands right before the digits, so that what touches them is the label."""
        for hit in numbers:
            if hit.start > written.start:
                break
            if hit.end <= written.start and written.start - hit.end <= 12:
                between = content[hit.end : written.start]
                if _CONNECT.fullmatch(between):
                    return not re.match(r"[A-Za-z0-9]", content[written.end : written.end + 1])
        return False

    def _list_of(self, text: Text, stream: _Stream, written: Written, evidence: int) -> int:
        """The stratum of a string in running text: strings of the same form in the same field of their lines."""
        key = ("label",) if evidence & (LABEL | LABEL_AFTER) else self._list_key(text, stream, written, evidence)
        number = stream.strata.get(key)
        if number is None:
            number = stream.strata[key] = self._new_stratum(window=text.kind == "raw")
        return number

    @staticmethod
    def _list_key(text: Text, stream: _Stream, written: Written, evidence: int = 0) -> tuple[object, ...]:
        kind = "444" if written.form == "4-4-4" else written.form
        if text.kind == "raw":
            return ("raw", stream.number, kind)
        content = text.content
        start = content.rfind("\n", max(0, written.start - 400), written.start) + 1
        if start == written.start:
            return ("list", kind, "", 0, bool(evidence & HEADER))
        prefix = content[start : written.start]
        for delimiter in _DELIMITERS:
            if delimiter in prefix:
                column = (_QUOTED.sub("", prefix) if '"' in prefix else prefix).count(delimiter)
                return ("list", kind, delimiter, column, bool(evidence & HEADER))
        return ("list", kind, "", 0, bool(evidence & HEADER))

    def _new_stratum(self, *, window: bool = False) -> int:
        self._strata.append(_Stratum(window=window))
        return len(self._strata) - 1

    def _quick_context(
        self,
        text: Text,
        stream: _Stream,
        written: Written,
        *,
        right: bool,
    ) -> tuple[int, str] | None:
        """What holds without a look at the words around: for lists, columns, and strings that fail anyway.

        Rosters and dumps hold one number a line by the thousand; only this keeps them fast.
        """
        content, start, end = text.content, written.start, written.end
        left = content[start - 1] if start else "\n"
        if left == "\n" and content[end : end + 1] in ("\n", "\r", ""):
            # A line of nothing but the number: what held for the one right above holds for it.
            before = start - 2 if content[start - 2 : start - 1] == "\r" else start - 1
            follows = stream.bare == text.first_char + before
            stream.bare = text.first_char + end
            return stream.bare_evidence if follows else None
        if stream.headers and left in ',\t;|"':
            header = self._field_header(text, stream, written)
            if header is not None and header.kind == "number":
                return HEADER | _person_bits(stream.headers[-1].traces), header.word
            if header is not None and header.kind == "other":
                return -1, header.word
        if not right:
            # A failing string only counts in its list; the words around matter if it may be a mistyped one.
            number = stream.strata.get(self._list_key(text, stream, written))
            if number is not None and self._strata[number].failing >= 64:
                return 0, ""
        return None

    def _context(self, text: Text, stream: _Stream, written: Written) -> tuple[int, str]:
        """Evidence bits and the word that labels a string in running text; -1 for a number of another name."""
        content, start, end = text.content, written.start, written.end
        low = max(0, start - _BEFORE_CHARS)
        before = content[low:start]
        if low == 0 and stream.tail and not text.overlap and text.kind not in ("raw", "name"):
            before = stream.tail + "\n" + before
        after = content[end : end + _AFTER_CHARS]
        line = before[before.rfind("\n") + 1 :]
        evidence = self._plain_evidence(text, stream, written, before, after)
        hits = find_labels(before)
        if any(hit.kind == "sample" for hit in hits if len(before) - hit.end < 120):
            evidence |= SAMPLE
        behind = find_labels(after)
        if any(hit.kind == "sample" and hit.start < 30 for hit in behind):
            evidence |= SAMPLE
        if stream.form or any(hit.kind == "form" for hit in (*hits, *behind)):
            evidence |= FORM_NEAR
        if stream.labelled or any(hit.kind == "number" for hit in (*hits, *behind)):
            evidence |= LABEL_IN_TEXT
        named = [hit for hit in hits if hit.kind in ("number", "other")]
        nearest = named[-1] if named else None
        direct = nearest is not None and _connected(before, nearest)
        behind_label = _label_behind(after, behind)
        named_behind = behind_label is not None and behind_label.kind == "number"
        if nearest is not None and direct and nearest.kind == "other" and _is_topic(before, nearest, named_behind):
            # 「案件の…は」 speaks of a matter, not of the number's name.
            direct = False
        same_line = nearest is not None and len(before) - nearest.end <= len(line)
        if nearest is not None and direct and same_line:
            return (evidence | LABEL, nearest.word) if nearest.kind == "number" else (-1, nearest.word)
        # A name that ends like the name of a number: 「ナントカ番号 123…」, "fooId": "123…", <foo>123…</foo>
        key = _key_before(line)
        if key:
            label = label_of_header(key)
            if label.kind == "number":
                return evidence | LABEL, label.word
            if label.kind == "other" and not named_behind:
                return -1, label.word
        carried = self._carried(text, stream, start, before)
        if carried:
            return evidence | LABEL, carried
        header = self._field_header(text, stream, written)
        if header is not None:
            if header.kind == "number":
                return evidence | HEADER, header.word
            if header.kind == "other":
                return -1, header.word
        if nearest is not None and direct:
            # In the line above, or further up over blank lines.
            if nearest.kind == "number":
                return evidence | LABEL, nearest.word
            evidence |= OTHER_NEAR
        if behind_label is not None:
            if behind_label.kind == "number":
                return evidence | LABEL_AFTER, behind_label.word
            evidence |= OTHER_NEAR
        heading = self._heading(text, stream, start, end)
        if heading:
            return evidence | UNDER_HEADING, heading
        if key and key.isascii() and key.lower() not in _PLAIN_KEYS:
            evidence |= OTHER_KEY
        if nearest is not None and not direct:
            distance = len(before) - nearest.end
            if nearest.kind == "number":
                if (
                    distance <= 120
                    and "\n\n" not in before[nearest.end :]
                    and not _HAS_DIGITS.search(before[nearest.end :])
                ):
                    return evidence | LABEL_NEAR, nearest.word
            elif distance <= 30 and same_line:
                evidence |= OTHER_NEAR
        return evidence, ""

    @staticmethod
    def _heading(text: Text, stream: _Stream, start: int, end: int) -> str:
        """The label of a heading right above a block of lines that hold one number each; "" without one."""
        content = text.content
        line_start = content.rfind("\n", max(0, start - 200), start) + 1
        line_end = content.find("\n", end, end + 200)
        if line_start == 0:
            return ""
        above_start = content.rfind("\n", max(0, line_start - 200), line_start - 1) + 1
        word = ""
        if stream.section[0] == text.first_char + line_start:
            word = stream.section[1]
        else:
            above = content[above_start : line_start - 1]
            hits = [hit for hit in find_labels(above) if hit.kind in ("number", "other")]
            if hits and hits[-1].kind == "number" and len(above) <= 60 and not _HAS_DIGITS.search(above):
                rest = above[hits[-1].end :]
                if _CONNECT.fullmatch(rest) or re.fullmatch(
                    r"[\s]*(?:一覧|リスト|台帳|名簿|表|の一覧)?[\s:：】」）)]*", rest
                ):
                    word = hits[-1].word
        if word and line_end >= 0:
            stream.section = (text.first_char + line_end + 1, word)
        return word

    def _plain_evidence(self, text: Text, stream: _Stream, written: Written, before: str, after: str) -> int:
        evidence = {"raw": RAW, "name": FILE_NAME, "markup": MARKUP}.get(text.kind, 0)
        if written.form == "4-4-4":
            evidence |= GROUPED
        elif written.form in ("odd", "boxes", "loose"):
            evidence |= ODD
        if written.tight:
            evidence |= TIGHT
        if written.loose:
            evidence |= LOOSE
        breaks = [match.start() for match in re.finditer("\n", before)]
        near = before[breaks[-2] + 1 if len(breaks) > 1 else 0 :][-120:] + " " + "\n".join(after.split("\n")[:2])
        evidence |= _person_bits(persons.traces(near))
        if in_hex_company(text.content, written.start, written.end):
            evidence |= HEX_COMPANY
        return evidence

    def _carried(self, text: Text, stream: _Stream, start: int, before: str) -> str:
        """The label of the number before, where only a comma or the like stands between: one label for several."""
        number, end, _, word = self._last_label
        gap = text.first_char + start - end
        if number == stream.number and 0 < gap <= 16 and word and _LIST_GAP.fullmatch(before[-gap:]):
            return word
        return ""

    def _field_header(self, text: Text, stream: _Stream, written: Written) -> Label | None:
        """What the header line above says about the field of its line in which the string stands."""
        content, start = text.content, written.start
        line_start = content.rfind("\n", max(0, start - 1000), start) + 1
        line_end = content.find("\n", written.end, written.end + 1000)
        line = content[line_start : line_end if line_end >= 0 else min(len(content), written.end + 1000)]
        for header in reversed(stream.headers):
            if header.start >= line_start and text.first_char == 0:
                continue
            label = _field_label(header, line, start - line_start, written.end - line_start)
            if label is not None:
                return label
        return None

    def _take(
        self,
        text: Text,
        stream: _Stream,
        written: Written,
        evidence: int,
        word: str,
        stratum: int,
        place: int,
        cell: Cell | None = None,
    ) -> None:
        """Count a string in its stratum, and keep it if its check digit is right."""
        digits = written.digits
        right = passes(digits)
        if stratum >= 0:
            self._strata[stratum].add(digits, right=right)
        if evidence & _STRONG:
            self._last_label = (stream.number, text.first_char + written.end, evidence & _STRONG, word)
        if not right:
            if evidence & _STRONG:
                self._labelled_wrong += 1
            return
        if is_trivial(digits):
            self._rejected["trivial"] += 1
            return
        offset, size = -1, 0
        if text.offsets is not None:
            offset = text.offsets.byte_of(written.start)
            last = text.offsets.byte_of(written.end - 1)
            size = min(last - offset + _width_at(text, written.end - 1), 0xFFFF)
            if text.kind == "raw":
                # Windows overlap.
                if (offset, int(digits)) in self._raw_seen:
                    return
                self._raw_seen.add((offset, int(digits)))
        kept = self._kept
        kept.digits.append(int(digits))
        kept.start.append(text.first_char + written.start)
        kept.length.append(min(written.end - written.start, 0xFFFF))
        kept.byte_offset.append(offset)
        kept.byte_size.append(size)
        kept.place.append(place)
        kept.row.append(cell.row if cell is not None else -1)
        kept.column.append(cell.column if cell is not None else -1)
        kept.stratum.append(stratum)
        kept.evidence.append(evidence)
        kept.word.append(self._word(word))
        kept.form.append(_FORM_NUMBER[written.form])

    def _word(self, word: str) -> int:
        number = self._word_numbers.get(word)
        if number is None:
            if len(self._words) >= 0xFFFF:
                return 0
            number = self._word_numbers[word] = len(self._words)
            self._words.append(word)
        return number

    def _reject_other(self, stream: _Stream, key: tuple[object, ...], digits: str, *, right: bool) -> None:
        """A number that is labelled as another one: counted, with the share of its column for the statistics."""
        key = ("other", *key)
        number = stream.strata.get(key)
        if number is None:
            number = stream.strata[key] = self._new_stratum()
        self._strata[number].add(digits, right=right)
        if right:
            self._other_strata[number] = self._other_strata.get(number, 0) + 1

    # ---------------------------------------------------------------- tables

    def _table(self, text: Text, stream: _Stream, place: int) -> None:
        content = text.content
        cells = text.cells
        columns = stream.columns
        if stream.first_row < 0:
            stream.first_row = cells[0].row
        boxes: list[int] = []
        for index, cell in enumerate(cells):
            string = content[cell.start : cell.end]
            length = len(string)
            column = columns.get(cell.column)
            if column is None:
                column = columns[cell.column] = _Column()
            if length == 1 and _DIGIT.match(string):
                if boxes and not _beside(cells[boxes[-1]], cell):
                    self._boxes(text, stream, boxes, place)
                    boxes = []
                boxes.append(index)
                continue
            if boxes:
                self._boxes(text, stream, boxes, place)
                boxes = []
            if length == 4 and _fours_end_here(content, cells, index):
                self._fours(text, stream, index, place)
            if length >= 9 and self._number_cell(text, stream, column, index, string, place):
                continue
            if length >= 12 and self._embedded(text, stream, column, index, place):
                continue
            if length <= 80 and not string.isdecimal():
                self._note_text_cell(stream, column, cell, string)
        if boxes:
            self._boxes(text, stream, boxes, place)

    def _note_text_cell(self, stream: _Stream, column: _Column, cell: Cell, string: str) -> None:
        """Remember a cell that may be a header; it is looked at only when a number comes below it."""
        if len(column.header_start) < 4 and column.stratum < 0:
            column.header_start.append(string)
        else:
            column.recent.append(string)
            if len(column.recent) > 6:
                del column.recent[0]
        if cell.row - stream.first_row < 8:
            bits = persons.header_traces(string)
            if bits:
                stream.header_bits |= bits
            hits = find_labels(string)
            for hit in hits:
                if hit.kind == "form":
                    stream.form = True
                elif hit.kind == "number":
                    stream.labelled = True
                elif hit.kind == "sample":
                    stream.sample_title = True

    def _label_of_column(self, column: _Column) -> Label | None:
        """The label that holds for a number now: the last header-like cell above it in its column."""
        if not column.header_start and not column.recent:
            return column.label
        texts = [*column.header_start, *column.recent]
        column.header_start, column.recent = [], []
        found: Label | None = None
        for string in texts:
            label = label_of_header(string)
            if label.kind in ("number", "other") and (label.pure or len(string) <= 24):
                found = label
        if len(texts) > 1 and (found is None or found.kind != "number"):
            joined = "".join(texts[:4])
            label = label_of_header(joined) if len(joined) <= 40 else None
            if (
                label is not None
                and label.kind in ("number", "other")
                and not any(label_of_header(one).kind for one in texts)
            ):
                found = label
        if found is not None:
            column.label = found
            column.stratum = -1
        return column.label

    def _number_cell(
        self,
        text: Text,
        stream: _Stream,
        column: _Column,
        index: int,
        string: str,
        place: int,
    ) -> bool:
        """Judge a cell that holds nothing but one number; False if it does not."""
        cell = text.cells[index]
        label = self._label_of_column(column)
        labelled = label is not None and label.kind == "number"
        read = read_cell(string, numeric=cell.numeric, labelled=labelled)
        row_label: Label | None = None
        if not labelled and (read is not None or _may_be_loose(string)):
            row_label = _row_label(text.content, text.cells, index)
            if row_label is not None and row_label.kind == "number":
                labelled = True
                if read is None:
                    read = read_cell(string, numeric=cell.numeric, labelled=True)
        if read is None:
            if labelled and is_scientific(string):
                self._labelled_rounded += 1
                return True
            return False
        start, end, digits, form = read
        written = Written(cell.start + start, cell.start + end, digits, form)
        evidence = TABLE
        word = ""
        if label is not None and label.kind == "number":
            evidence, word = HEADER, label.word
        elif labelled and row_label is not None:
            evidence, word = ROW_LABEL, row_label.word
        elif label is not None and label.kind == "other":
            if form != "lost_zero":
                self._reject_other(stream, ("column", cell.column), digits, right=passes(digits))
            return True
        elif row_label is not None and row_label.kind == "other":
            if form != "lost_zero":
                self._reject_other(stream, ("row", row_label.word), digits, right=passes(digits))
            return True
        if not evidence & _STRONG and form in ("odd", "loose", "kanji", "boxes"):
            self._rejected["grouping"] += passes(digits)
            return True
        evidence |= self._cell_evidence(text, stream, index, form, strong=bool(evidence & _STRONG))
        if evidence & ROW_LABEL:
            key: tuple[object, ...] = ("rows",)
            stratum = stream.strata.get(key, -1)
            if stratum < 0:
                stratum = stream.strata[key] = self._new_stratum()
        else:
            if column.stratum < 0:
                column.stratum = self._new_stratum()
            stratum = column.stratum
        if form == "lost_zero" and not evidence & _STRONG and not passes(digits):
            # Every shorter number would count as a failing one.
            return True
        self._take(text, stream, written, evidence, word, stratum, place, cell)
        return True

    def _cell_evidence(self, text: Text, stream: _Stream, index: int, form: Form, *, strong: bool) -> int:
        evidence = _person_bits(stream.header_bits)
        if form == "4-4-4":
            evidence |= GROUPED
        elif form == "lost_zero":
            evidence |= LOST_ZERO
        elif form in ("odd", "loose", "boxes"):
            evidence |= ODD
        if stream.form:
            evidence |= FORM_NEAR
        if stream.labelled:
            evidence |= LABEL_IN_TEXT
        if stream.sample_title:
            evidence |= SAMPLE
        if not strong and not stream.header_bits:
            evidence |= _person_bits(persons.traces(_row_around(text.content, text.cells, index)))
        return evidence

    def _embedded(self, text: Text, stream: _Stream, column: _Column, index: int, place: int) -> bool:
        """Judge numbers inside a longer cell; False if there are none."""
        cell = text.cells[index]
        content = text.content
        found = [item for item in find_strings(content, start=cell.start, end=cell.end) if isinstance(item, Written)]
        numbers = find_number_labels(content, cell.start, cell.end)
        if not found and numbers:
            found = [item for item in self._with_loose(content[: cell.end], [], numbers) if isinstance(item, Written)]
        if not found:
            return False
        labels = [hit for hit in numbers if hit.kind == "number"]
        for written in found:
            right = passes(written.digits)
            shape = shape_at(content[: cell.end], written.start, written.end)
            if shape and not self._touched(content, written, labels):
                self._rejected[shape] += right
                continue
            inside = _Inside(content[cell.start : cell.end], written, cell.start)
            evidence, word = self._inside_evidence(inside)
            if evidence < 0:
                self._reject_other(stream, ("inside", word), written.digits, right=right)
                continue
            if not evidence & _STRONG:
                label = self._label_of_column(column)
                row = None if label is not None else _row_label(content, text.cells, index)
                if label is not None and label.kind == "other":
                    self._reject_other(stream, ("column", cell.column), written.digits, right=right)
                    continue
                if label is not None and label.kind == "number":
                    evidence, word = evidence | HEADER, label.word
                elif row is not None and row.kind == "number":
                    evidence, word = evidence | ROW_LABEL, row.word
                elif row is not None and row.kind == "other":
                    self._reject_other(stream, ("row", row.word), written.digits, right=right)
                    continue
            if not evidence & (_STRONG | LABEL_NEAR) and written.form in ("odd", "loose", "kanji", "boxes"):
                self._rejected["grouping"] += right
                continue
            evidence |= EMBEDDED | self._cell_evidence(text, stream, index, written.form, strong=False)
            if written.tight:
                evidence |= TIGHT
            key = ("embedded", cell.column, bool(evidence & _STRONG))
            stratum = stream.strata.get(key, -1)
            if stratum < 0:
                stratum = stream.strata[key] = self._new_stratum()
            self._take(text, stream, written, evidence, word, stratum, place, cell)
        return True

    @staticmethod
    def _inside_evidence(inside: _Inside) -> tuple[int, str]:
        """What the rest of a cell says about a number in it."""
        before, after = inside.before, inside.after
        hits = find_labels(before)
        evidence = 0
        behind = find_labels(after)
        if any(hit.kind == "sample" for hit in (*hits, *behind)):
            evidence |= SAMPLE
        named = [hit for hit in hits if hit.kind in ("number", "other")]
        if named and _connected(before, named[-1]):
            return (evidence | LABEL, named[-1].word) if named[-1].kind == "number" else (-1, named[-1].word)
        key = _key_before(before)
        if key:
            label = label_of_header(key)
            if label.kind == "number":
                return evidence | LABEL, label.word
            if label.kind == "other":
                return -1, label.word
        after_label = _label_behind(after, behind)
        if after_label is not None and after_label.kind == "number":
            return evidence | LABEL_AFTER, after_label.word
        if named and named[-1].kind == "number":
            return evidence | LABEL_NEAR, named[-1].word
        if named:
            evidence |= OTHER_NEAR
        return evidence, ""

    def _boxes(self, text: Text, stream: _Stream, indexes: list[int], place: int) -> None:
        """Twelve neighbouring cells of one digit each, under or beside a label."""
        if len(indexes) != 12:
            return
        content, cells = text.content, text.cells
        digits = ascii_digits("".join(content[cells[index].start : cells[index].end] for index in indexes))
        first = cells[indexes[0]]
        word, evidence = "", 0
        row = _row_label(content, cells, indexes[0])
        if row is not None and row.kind in ("number", "other"):
            word, evidence = row.word, ROW_LABEL if row.kind == "number" else -1
        if not evidence:
            for index in indexes:
                column = stream.columns.get(cells[index].column)
                label = self._label_of_column(column) if column is not None else None
                if label is not None and label.kind in ("number", "other"):
                    word, evidence = label.word, HEADER if label.kind == "number" else -1
                    break
        if not evidence:
            for distance in (1, 2):
                column = stream.columns.get(first.column - distance)
                label = self._label_of_column(column) if column is not None else None
                if label is not None and label.kind == "number":
                    word, evidence = label.word, HEADER
                    break
        right = passes(digits)
        if evidence < 0:
            self._rejected["other_label"] += right
            return
        if not evidence:
            self._rejected["grouping"] += right
            return
        evidence |= self._cell_evidence(text, stream, indexes[0], "plain", strong=True)
        written = Written(first.start, cells[indexes[-1]].end, digits, "boxes")
        self._take(text, stream, written, evidence, word, self._stratum_of(stream, ("boxes",)), place, first)

    def _stratum_of(self, stream: _Stream, key: tuple[object, ...]) -> int:
        number = stream.strata.get(key)
        if number is None:
            number = stream.strata[key] = self._new_stratum()
        return number

    def _fours(self, text: Text, stream: _Stream, index: int, place: int) -> None:
        """Three neighbouring cells of four digits each; only a label makes them one number."""
        content, cells = text.content, text.cells
        first = index - 2
        digits = ascii_digits("".join(content[cell.start : cell.end] for cell in cells[first : index + 1]))
        label = _row_label(content, cells, first)
        evidence = ROW_LABEL
        if label is None or label.kind != "number":
            column = stream.columns.get(cells[first].column)
            label = self._label_of_column(column) if column is not None else None
            evidence = HEADER
        if label is None or label.kind != "number":
            return
        evidence |= self._cell_evidence(text, stream, first, "4-4-4", strong=True)
        written = Written(cells[first].start, cells[index].end, digits, "4-4-4")
        self._take(
            text, stream, written, evidence, label.word, self._stratum_of(stream, ("fours",)), place, cells[first]
        )

    # ---------------------------------------------------------------- the end

    def finish(self) -> Verdicts:
        """The verdicts on everything fed. Call it once."""
        for stream in self._streams.values():
            self._settle(stream, -1)
        rejected = Counter(self._rejected)
        for number, count in self._other_strata.items():
            stratum = self._strata[number]
            all_pass = stratum.passing >= 8 and stratum.failing <= 0.1 * stratum.passing
            rejected["other_label_all_pass" if all_pass else "other_label"] += count
        shares = [_Share.of(stratum) for stratum in self._strata]
        kept = self._kept
        labelled = {
            kept.digits[index]
            for index in range(len(kept))
            if kept.evidence[index] & _STRONG and not kept.evidence[index] & SAMPLE
        }
        chosen = array("L")
        for index in range(len(kept)):
            score, reason = self._score(index, shares, labelled)
            if score >= LOW:
                chosen.append(index)
            else:
                rejected[reason] += 1
        return Verdicts(
            _Findings(self, chosen, shares, labelled),
            {code: rejected[code] for code in sorted(rejected) if rejected[code]},
            self._labelled_wrong,
            self._labelled_rounded,
        )

    def _score(self, index: int, shares: list[_Share], labelled: set[int]) -> tuple[float, str]:
        """log10 of the odds for candidate `index`, and the code of what speaks most against it."""
        kept = self._kept
        evidence = kept.evidence[index]
        share = shares[kept.stratum[index]]
        score, against, worst = _sum_of(evidence & ~TABLE if share.listed else evidence)
        if evidence & _STRONG:
            # A label does not make strings right that pass only as often as by chance.
            if share.limit < score:
                return share.limit, "column_chance"
            return score + max(share.weight, 0.0), against
        if kept.digits[index] in labelled:
            score += _SAME
        if not share.listed:
            # Among numbers that all pass, a rival's check digit is right by chance too.
            for code, weight in _rival_weights(f"{kept.digits[index]:012d}"):
                score += weight
                if weight < worst and code in _REJECTIONS:
                    against, worst = code, weight
        return score + share.weight, share.against if share.weight < worst else against

    def _confidence(self, index: int, score: float, shares: list[_Share], labelled: set[int]) -> Confidence:
        kept = self._kept
        evidence = kept.evidence[index]
        share = shares[kept.stratum[index]]
        proven = bool(evidence & _STRONG) or share.listed or kept.digits[index] in labelled
        some = proven or bool(evidence & ~(GROUPED | LABEL_IN_TEXT)) or share.weight > 1.0
        if score >= HIGH and proven:
            return "high"
        return "medium" if score >= MEDIUM and some else "low"

    def _finding(self, index: int, shares: list[_Share], labelled: set[int]) -> Judged:
        kept = self._kept
        evidence = kept.evidence[index]
        score, _ = self._score(index, shares, labelled)
        digits = f"{kept.digits[index]:012d}"
        container, location, encoding, _ = self._places[kept.place[index]]
        if kept.row[index] >= 0:
            cell = f"{_column_letters(kept.column[index])}{kept.row[index] + 1}"
            location = f"{location}!{cell}" if location else cell
        offset = kept.byte_offset[index]
        return Judged(
            digits=digits,
            start=kept.start[index],
            end=kept.start[index] + kept.length[index],
            byte_offset=offset if offset >= 0 else None,
            byte_size=kept.byte_size[index] if offset >= 0 else None,
            container=container,
            location=location,
            encoding=encoding,
            form=_FORMS[kept.form[index]],
            confidence=self._confidence(index, score, shares, labelled),
            reasons=self._reasons(index, evidence, labelled),
            rivals=rivals_of(digits),
        )

    def _reasons(self, index: int, evidence: int, labelled: set[int]) -> tuple[Reason, ...]:
        kept = self._kept
        word = self._words[kept.word[index]]
        strong = bool(evidence & _STRONG)
        reasons = [
            Reason(code, ja.format(word=word), en.format(word=word))
            for bit, _, code, ja, en in _EVIDENCE
            if evidence & bit and not (strong and bit in _ONLY_WITHOUT_LABEL)
        ]
        stratum = self._strata[kept.stratum[index]] if kept.stratum[index] >= 0 else None
        if stratum is not None and stratum.passing + stratum.failing > 1:
            total = stratum.passing + stratum.failing
            share = f"{stratum.passing:,}/{total:,}"
            reasons.append(
                Reason(
                    "column_share",
                    f"同じ列・並びで検査数字が合うのは {share}",
                    f"right check digits in its column or list: {share}",
                ),
            )
        if not strong and kept.digits[index] in labelled:
            reasons.append(
                Reason(
                    "same_number_labelled",
                    "同じ番号が同じファイルの別の所で個人番号とされている",
                    "the same number is labelled as a My Number elsewhere in the file",
                ),
            )
        if not strong:
            digits = f"{kept.digits[index]:012d}"
            reasons += [Reason(f"rival_{code}", *RIVALS[code]) for code in rivals_of(digits) if code in _SPOKEN_RIVALS]
        reasons.append(Reason("check_digit", "検査数字が合う", "the check digit is right"))
        return tuple(reasons)


_ONLY_WITHOUT_LABEL = frozenset(
    (LABEL_IN_TEXT, LABEL_NEAR, OTHER_NEAR, OTHER_KEY, TABLE, RAW, MARKUP, FILE_NAME, LOOSE, ODD, HEX_COMPANY)
)
_SPOKEN_RIVALS = frozenset(("driving_licence", "parcel_tracking", "timestamp", "phone_e164", "upc"))
_PLAIN_KEYS = frozenset(
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


@lru_cache(maxsize=65536)
def _sum_of(evidence: int) -> tuple[float, str, float]:
    """Sum of the weights of some evidence; the code of what speaks most against it, and its weight."""
    score, against, worst = _BASE, "no_evidence", 0.0
    for bit, weight, code, _, _ in _EVIDENCE:
        if evidence & bit and not (evidence & _STRONG and bit in _ONLY_WITHOUT_LABEL):
            score += weight
            if weight < worst and code in _REJECTIONS:
                against, worst = code, weight
    return score, against, worst


def _rival_weights(digits: str) -> Iterator[tuple[str, float]]:
    """What other readings take from a number without a label."""
    if is_full_timestamp(digits):
        yield "timestamp", -3.0
    elif is_timestamp(digits):
        yield "timestamp", -1.5
    if is_parcel_tracking(digits):
        yield "parcel_tracking", -0.6
    if is_driving_licence(digits):
        yield "driving_licence", -0.5
    if digits[:3] in ("817", "818", "819") and digits[3] == "0":
        yield "phone", -1.5


class _Findings:
    """The findings as a sequence: made one by one from the packed candidates, so that a million take little memory."""

    def __init__(self, judge: Judge, chosen: array[int], shares: list[_Share], labelled: set[int]) -> None:
        self._judge = judge
        self._chosen = chosen
        self._shares = shares
        self._labelled = labelled

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, index: int) -> Judged:
        return self._judge._finding(self._chosen[index], self._shares, self._labelled)

    def __iter__(self) -> Iterator[Judged]:
        for index in self._chosen:
            yield self._judge._finding(index, self._shares, self._labelled)


@dataclass(frozen=True, slots=True)
class _Inside:
    """A cell's text split at a number in it."""

    cell: str
    written: Written
    cell_start: int

    @property
    def before(self) -> str:
        return self.cell[: self.written.start - self.cell_start]

    @property
    def after(self) -> str:
        return self.cell[self.written.end - self.cell_start :]


def _person_bits(traces: int) -> int:
    """Evidence bits for the traces of a person."""
    return traces * NAME | (RECORD if traces.bit_count() > 1 else 0)


def _connected(before: str, hit: Hit) -> bool:
    """Whether only connecting characters stand between a label and the end of `before`."""
    gap = before[hit.end :]
    if len(gap) > 200 or gap.count("\n") > 3:
        return False
    if _CONNECT.fullmatch(gap):
        return True
    # The label is (part of) the name of a tag or its attribute: <kojinBango type="x">
    rest = _TAG_REST.match(gap)
    opened = before.rfind("<", 0, hit.start)
    return (
        rest is not None
        and opened >= 0
        and ">" not in before[opened : hit.start]
        and _CONNECT.fullmatch(gap[rest.end() :]) is not None
    )


def _is_topic(before: str, hit: Hit, named_behind: bool) -> bool:
    """Whether another label is only what a sentence is about: a word without 番号 that a particle follows.

    `named_behind`: a label for the My Number stands right behind the number; then 「案件は 123…（個人番号）」 is enough.
    """
    if re.search(r"番号|コード|ナンバー|[Nn]o|ID|id|№", hit.word) or not hit.word[-1] > "\x7f":
        return False
    if named_behind:
        return True
    gap = before[hit.end :]
    return re.match(r"\s*[のがをに]|\s*は[^\s\d：:]", gap) is not None and "番号" not in gap


def _label_behind(after: str, hits: list[Hit]) -> Hit | None:
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


def _key_before(line: str) -> str:
    """The key of which a number is the value, where `line` ends at the number; "" without one."""
    match = _TAG_KEY.search(line[-200:]) or _KEY.search(line[-64:]) or _WORD_KEY.search(line[-40:])
    return match[1] if match is not None else ""


def _screen_width(string: str) -> int:
    """Columns on a fixed-width screen: ASCII and half-width kana take one, everything else two."""
    if string.isascii():
        return len(string)
    return sum(1 if character < "\u0250" or "\uff61" <= character <= "\uff9f" else 2 for character in string)


def _header_line(start: int, line: str) -> _HeaderLine | None:
    """A line that names at least two fields; None for any other."""
    for delimiter in _DELIMITERS:
        if delimiter in line:
            fields = tuple(part.strip(" \t\r\u3000\"'") for part in line.split(delimiter))
            if max(map(len, fields)) > 60:
                return None
            return _HeaderLine(start, delimiter, fields, (), persons.header_traces(line))
    parts = [match.span() for match in re.finditer(r"[^ \u3000\t\r]+", line)]
    if not 2 <= len(parts) <= 40 or max(high - low for low, high in parts) > 24:
        return None
    spans = tuple((_screen_width(line[:low]), _screen_width(line[:high])) for low, high in parts)
    return _HeaderLine(start, " ", tuple(line[low:high] for low, high in parts), spans, persons.header_traces(line))


def _field_label(header: _HeaderLine, line: str, start: int, end: int) -> Label | None:
    """What `header` says about `line[start:end]`; None where the line has other fields than the header."""
    if header.delimiter != " ":
        if header.delimiter not in line:
            return None
        before = line[:start]
        if '"' in line:
            # A quote that is open before the number is closed behind it.
            before = _QUOTED.sub("", before + '"' if before.count('"') % 2 else before)
            line = _QUOTED.sub("", line)
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


def _beside(first: Cell, second: Cell) -> bool:
    return first.row == second.row and second.column == first.column + 1


def _fours_end_here(content: str, cells: Sequence[Cell], index: int) -> bool:
    """Whether the cell is the third of exactly three neighbours of four digits."""
    if index < 2:
        return False
    trio = cells[index - 2 : index + 1]
    if not (_beside(trio[0], trio[1]) and _beside(trio[1], trio[2])):
        return False
    if not all(cell.end - cell.start == 4 and content[cell.start : cell.end].isdecimal() for cell in trio):
        return False
    for other in (cells[index - 3] if index > 2 else None, cells[index + 1] if index + 1 < len(cells) else None):
        if (
            other is not None
            and other.row == trio[0].row
            and other.end - other.start == 4
            and content[other.start : other.end].isdecimal()
        ):
            return False
    return True


def _may_be_loose(string: str) -> bool:
    """Whether a label could make a number of a cell that is none by itself: over two lines, kanji numerals, rounded."""
    if len(string) > 60:
        return False
    if string.isascii() and string.isdecimal():
        return 9 <= len(string) < 12
    return len(ascii_digits(string)) == 12 or is_scientific(string)


def _row_label(content: str, cells: Sequence[Cell], index: int) -> Label | None:
    """What the cells to the left in the same row say: a label for the My Number at any distance over numbers and two
    other cells, another label only as the next text to the left.
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


def _row_around(content: str, cells: Sequence[Cell], index: int) -> str:
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


def _width_at(text: Text, char: int) -> int:
    """Width in bytes of character number `char` of the text."""
    assert text.offsets is not None
    return text.offsets.byte_of(char + 1) - text.offsets.byte_of(char)


def _column_letters(column: int) -> str:
    """A, B, …, Z, AA, … for 0, 1, …"""
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return letters
