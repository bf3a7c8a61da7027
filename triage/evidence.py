"""Evidence for and against: one bit and one weight each, with the words in which it is reported.

A weight is log10 of how much more often the evidence stands beside a My Number than beside another string of twelve
digits; weights add up to log10 of the odds. They were set by hand from what forms and files look like, and are
checked against made corpora (`tests/triage/make_judging_cases.py`, `benchmarks/recall.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from triage.rivals import is_driving_licence, is_full_timestamp, is_parcel_tracking, is_timestamp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from triage.mynumber import Written

Confidence = Literal["high", "medium", "low"]

HIGH = 2.3
"""log10 of the odds 199 : 1, which is 99.5 %."""
MEDIUM = 0.95
"""log10 of the odds 9 : 1, which is 90 %."""
LOW = -1.15
"""Below it nothing is reported: such a string is counted under the reason that speaks against it."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why: a code for programs, and words."""

    code: str
    ja: str
    en: str


# One bit each, so that a candidate is a few integers.
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
HEX_COMPANY = 1 << 24
RECORD = 1 << 25
"""At least two traces of a person."""
UNDER_HEADING = 1 << 26
FORM_ON_LINE = 1 << 27
JAPANESE = 1 << 28
FIXED_WIDTH = 1 << 29
TEST_CODE = 1 << 30

STRONG = LABEL | HEADER | ROW_LABEL | LABEL_AFTER | UNDER_HEADING
"""A label that belongs to the very number."""

EVIDENCE: tuple[tuple[int, float, str, str, str], ...] = (
    # bit, weight, code, Japanese, English; {word} is the label found
    (LABEL, 3.5, "label", "直前に「{word}」とある", "“{word}” stands directly before it"),
    (HEADER, 3.5, "header", "列の見出しが「{word}」", "the header of its column is “{word}”"),
    (ROW_LABEL, 3.4, "row_label", "行の見出しが「{word}」", "the label of its row is “{word}”"),
    (LABEL_AFTER, 3.2, "label_after", "直後に「{word}」とある", "“{word}” stands directly behind it"),
    (UNDER_HEADING, 3.1, "heading", "「{word}」という見出しの下に並ぶ", "listed under the heading “{word}”"),
    (LABEL_NEAR, 1.9, "label_near", "近くに「{word}」とある", "“{word}” stands near it"),
    (LABEL_IN_TEXT, 0.6, "label_in_text", "同じ文書に個人番号を示す語がある", "the same document speaks of My Numbers"),
    (FORM_NEAR, 0.7, "form", "個人番号を書く様式・文書の中にある", "in a form or text that My Numbers are written in"),
    (FORM_ON_LINE, 1.0, "form_on_line", "同じ行に様式の名がある", "the name of such a form stands on its line"),
    (NAME, 0.5, "person_name", "そばに氏名がある", "a name stands beside it"),
    (BIRTH, 0.5, "person_birth", "そばに生年月日がある", "a birth date stands beside it"),
    (ADDRESS, 0.35, "person_address", "そばに住所がある", "an address stands beside it"),
    (FAMILY, 0.3, "person_family", "そばに続柄がある", "a family relation stands beside it"),
    (RECORD, 0.4, "person_record", "一人の人についての記録の中にある", "it stands in a record about one person"),
    (GROUPED, 0.3, "grouped", "カードと同じ4桁区切り", "written in groups of four, as on the card"),
    (SAMPLE, -2.9, "sample", "見本・記入例の語がそばにある", "words for a sample or an example stand beside it"),
    (TEST_CODE, -2.9, "test_code", "プログラムの試験・検査の中の値", "a value in a test or check of a program"),
    (OTHER_NEAR, -1.4, "other_near", "近くに別の番号を示す語がある", "words for another number stand near it"),
    (OTHER_KEY, -1.4, "other_key", "別の項目名の値である", "it is the value of a key of another name"),
    (TIGHT, -0.8, "tight", "記号をはさんで他の数字が隣り合う", "other digits adjoin it behind a mark"),
    (LOOSE, -0.5, "ungrouped_neighbour", "空白をはさんで他の数字が隣り合う", "other digits adjoin it behind a blank"),
    (ODD, -0.9, "odd_grouping", "4桁区切りでない区切り方", "grouped otherwise than 4-4-4"),
    (LOST_ZERO, -0.3, "lost_zero", "失われた先頭の0を補った", "leading zeros that a numeric cell loses were filled in"),
    (RAW, -0.5, "undecoded", "復号されていない領域の断片", "a fragment of undecoded bytes"),
    (JAPANESE, 0.5, "japanese_text", "読める日本語の文の中にある", "it stands in readable Japanese text"),
    (
        FIXED_WIDTH,
        -0.5,
        "fixed_width",
        "桁位置の決まったレコードの同じ位置",
        "at one and the same place of records of fixed width",
    ),
    (FILE_NAME, -0.6, "in_name", "ファイル名の中", "in a file name"),
    (MARKUP, -0.5, "markup", "マークアップ・プログラムの中", "in markup or program text"),
    (TABLE, -0.5, "table", "見出しから種類の分からない列", "in a column whose header does not tell"),
    (HEX_COMPANY, -2.5, "hex", "16進数の並びの中", "among hexadecimal words"),
)  # fmt: skip
SUPPORT = sum(bit for bit, weight, *_ in EVIDENCE if weight > 0 and bit not in (GROUPED, LABEL_IN_TEXT, JAPANESE))
"""What can raise a string above low."""
BASE = -0.7
"""What a right check digit alone is worth: seldom a My Number."""
SAME_NUMBER = 2.6
"""The same number is labelled elsewhere in the file."""

ONLY_WITHOUT_LABEL = frozenset(
    (LABEL_IN_TEXT, LABEL_NEAR, OTHER_NEAR, OTHER_KEY, TABLE, RAW, MARKUP, FILE_NAME, LOOSE, ODD, HEX_COMPANY)
)
SPOKEN_RIVALS = frozenset(("driving_licence", "parcel_tracking", "timestamp", "phone_e164", "upc"))

REJECTIONS: dict[str, tuple[str, str]] = {
    "other_label": ("別の番号の名称・見出しがついている", "labelled as another number"),
    "other_label_all_pass": (
        "見出しは別の番号だが、列のほぼ全部の検査数字が合う",
        "labelled as another number, but nearly the whole column has right check digits",
    ),
    "column_chance": (
        "同じ列・並びで検査数字が合うのは偶然の割合(約1割)",
        "in its column or list check digits are right as often as by chance",
    ),
    "repeated": ("同じ数字列の繰り返し", "the same string over and over"),
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
"""Why strings that pass the check digit are no findings: code, Japanese, English."""


@lru_cache(maxsize=65536)
def sum_of(evidence: int) -> tuple[float, str, float]:
    """Sum of the weights of some evidence; the code of what speaks most against it, and its weight."""
    score, against, worst = BASE, "no_evidence", 0.0
    for bit, weight, code, _, _ in EVIDENCE:
        if evidence & bit and not (evidence & STRONG and bit in ONLY_WITHOUT_LABEL):
            score += weight
            if weight < worst and code in REJECTIONS:
                against, worst = code, weight
    return score, against, worst


def rival_weights(digits: str) -> Iterator[tuple[str, float]]:
    """What other readings take from a number without a label."""
    if is_full_timestamp(digits):
        yield "timestamp", -3.0
    elif is_timestamp(digits):
        yield "timestamp", -1.5
    if is_parcel_tracking(digits):
        yield "parcel_tracking", -0.4
    if is_driving_licence(digits):
        yield "driving_licence", -0.3
    if digits[:3] in ("817", "818", "819") and digits[3] == "0":
        yield "phone", -1.5


def person_bits(traces: int) -> int:
    """Evidence bits for the traces of a person."""
    return traces * NAME | (RECORD if traces.bit_count() > 1 else 0)


def form_bits(written: Written) -> int:
    """Evidence bits for the way a number is written."""
    bits = _FORM_BITS.get(written.form, 0)
    if written.tight:
        bits |= TIGHT
    if written.loose:
        bits |= LOOSE
    return bits


_FORM_BITS = {"4-4-4": GROUPED, "odd": ODD, "boxes": ODD, "loose": ODD, "lost_zero": LOST_ZERO}
