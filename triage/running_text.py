"""Reads running text, forms, markup, names and raw windows: finds strings of twelve digits, weighs what is around."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from triage import persons
from triage.candidates import Weighed
from triage.evidence import (
    FILE_NAME,
    FIXED_WIDTH,
    FORM_NEAR,
    FORM_ON_LINE,
    HEADER,
    HEX_COMPANY,
    JAPANESE,
    LABEL,
    LABEL_AFTER,
    LABEL_IN_TEXT,
    LABEL_NEAR,
    MARKUP,
    OTHER_KEY,
    OTHER_NEAR,
    RAW,
    SAMPLE,
    STRONG,
    TEST_CODE,
    UNDER_HEADING,
    form_bits,
    person_bits,
)
from triage.fixed_width import fixed_width_fields
from triage.labels import Hit, Label, find_labels, find_number_labels, label_of_header
from triage.mynumber import Refused, Written, ascii_digits, find_boxes, find_numerals, find_strings, passes, regions
from triage.rivals import in_hex_company, run_kind, shape_at
from triage.surroundings import (
    CONNECTING,
    DELIMITERS,
    HAS_DIGITS,
    LIST_GAP,
    LOOSELY_WRITTEN,
    PLAIN_KEYS,
    QUOTED,
    connected,
    field_label,
    has_own_name,
    header_line,
    is_topic,
    key_before,
    label_behind,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from triage.candidates import Candidates, Piece, Stream
    from triage.text import Text

_BEFORE_CHARS = 220
_AFTER_CHARS = 80
_COMPOUND_TOPIC = re.compile(
    r"(?:カード)?(?:関係|関連|利用|制度|法|取扱|取り扱い|収集|管理|対応|担当|申請|交付|通知|ポータル|確認|提出|事務|研修|規程)"
)
_HEADING_END = re.compile(r"\s*(?:一覧|リスト|台帳|名簿|表|の一覧)?[\s:：】」）)]*")
_JAPANESE = re.compile("[ぁ-んァ-ヶ一-鿿]")
# Programs that test a check digit hold numbers that were made up for it.
_TEST_CODE = re.compile(
    r"\bimport (?:pytest|unittest)\b|^\s*(?:async )?def test_|@Test\b|\b(?:describe|it|test)\(\s*[\"'`]"
    r"|\bassert(?:Equals?|True|False|That|_eq!?)?\b[^\n]{0,80}\(|\bfunc Test[A-Z]",
    re.MULTILINE,
)
# A number that JSON holds as such has lost its leading zeros.
_JSON_NUMBER = re.compile(r"\"[ \t]{0,3}:[ \t]{0,3}([0-9]{9,11})(?=[ \t]*(?:[,}\]\r\n]|\Z))")
_TEST_WORDS = (
    "assert",
    "import pytest",
    "import unittest",
    "def test_",
    "@Test",
    "describe(",
    "func Test",
    "test(",
    " it(",
)
_CHECKING_CALL = re.compile(
    r"(?:valid|verif|check|assert|expect|should|mock|fixture|dummy)[A-Za-z0-9_.]*\([^()\n]{0,40}[\"'`]?\Z",
    re.IGNORECASE,
)
_COUNTED = re.compile(r"[1-9１-９①-⑨](?![0-9０-９])")
_ONLY_LABELLED = frozenset(("kanji", "loose", "boxes", "odd"))
# What touches the digits may be their label: mynumber123…, ?my_number=123…
_MAY_BE_LABEL = frozenset(("word", "url", "clock", "negative", "amount"))


class RunningText:
    """The reader of everything that is no table."""

    def __init__(self, candidates: Candidates) -> None:
        self._candidates = candidates

    def read(self, piece: Piece, parts: Sequence[tuple[int, int]] | None = None) -> None:
        """Find and weigh everything in a piece, or only in some parts of it (ascending, start and end)."""
        text, stream = piece.text, piece.stream
        content = text.content
        if parts is None:
            places = regions(content)
            numerals = list(find_numerals(content))
        else:
            places = [(low + start, low + end) for low, high in parts for start, end in regions(content[low:high])]
            numerals = [found for low, high in parts for found in find_numerals(content, start=low, end=high)]
        if not places and not numerals and not ('":' in content and _JSON_NUMBER.search(content)):
            return
        found = [item for low, high in places for item in strings_in(content, low, high)]
        if numerals:
            found = sorted([*found, *numerals], key=lambda item: item.start)
        stream.test_code = stream.test_code or (
            text.kind in ("prose", "markup") and not text.cells and _tests_something(content)
        )
        labels = find_number_labels(content)
        _note_labels(text, labels, stream)
        if not stream.headers and text.first_char == 0:
            _note_first_line(content, stream)
        numbers = [hit for hit in labels if hit.kind == "number"]
        found = with_loose(content, found, numbers)
        if parts is not None:
            # Cells are read elsewhere.
            starts = [low for low, _ in parts]
            found = [
                item for item in found if (part := bisect_right(starts, item.start)) and item.end <= parts[part - 1][1]
            ]
        for written in found:
            if isinstance(written, Refused):
                self._count_refused(content, written)
            elif text.overlap and (written.end < text.overlap or written.start == 0):
                # The piece before has shown it whole.
                continue
            elif written.start == 0 and text.first_char > 0 and stream.tail[-1:].isdigit():
                self._candidates.rejected["longer_run"] += passes(written.digits)
            else:
                self._judge(piece, written, numbers)

    def read_fixed_width(self, piece: Piece) -> None:
        """Find numbers whose digits touch those of the fields beside them."""
        stream = piece.stream
        for field in fixed_width_fields(piece.text.content):
            evidence = FIXED_WIDTH | (LABEL_IN_TEXT if stream.labelled else 0) | (FORM_NEAR if stream.form else 0)
            stratum = self._candidates.stratum_of(stream, ("fixed", field.before, field.length, field.offset))
            for written in field.members:
                self._candidates.take(piece, written, Weighed(evidence, ""), stratum)

    def settle(self, stream: Stream, first_char: int) -> None:
        """Keep the candidates at the end of the last piece, except those that the next piece shows whole."""
        if stream.pending:
            pending, stream.pending = stream.pending, []
            for piece, written, weighed, stratum in pending:
                if first_char < 0 or piece.text.first_char + written.start < first_char:
                    self._candidates.take(piece, written, weighed, stratum)

    def _count_refused(self, content: str, refused: Refused) -> None:
        digits = ascii_digits(content[refused.start : refused.end])
        if refused.reason == "longer_run":
            self._candidates.rejected[run_kind(digits)] += 1
        elif len(digits) != 12 or passes(digits):
            self._candidates.rejected[refused.reason] += 1

    def _judge(self, piece: Piece, written: Written, numbers: list[Hit]) -> None:
        """Weigh one string and keep or count it."""
        text, stream = piece.text, piece.stream
        content = text.content
        right = passes(written.digits)
        shape = shape_at(content, written.start, written.end)
        if shape and not (shape in _MAY_BE_LABEL and touched_by_label(content, written, numbers)):
            self._candidates.rejected[shape] += right
            return
        if text.kind == "raw" and (written.start == 0 or written.end == len(content)):
            # Whether a digit goes on beyond the edge is not known.
            self._candidates.rejected["cut"] += right
            return
        weighed = self._at_a_glance(piece, written, right=right) or self._in_context(piece, written)
        if stream.bare == text.first_char + written.end:
            stream.bare_weighed = weighed
        if weighed.evidence < 0:
            self._candidates.reject_other(stream, (weighed.word,), written.digits, right=right)
            return
        if written.form in _ONLY_LABELLED and not weighed.evidence & (STRONG | LABEL_NEAR):
            self._candidates.rejected["grouping"] += right
            return
        key = ("label",) if weighed.evidence & (LABEL | LABEL_AFTER) else _list_key(piece, written, weighed.evidence)
        stratum = self._candidates.stratum_of(stream, key, window=text.kind == "raw")
        at_end = written.end >= len(content) - 3 and not content[written.end :].strip()
        if at_end and text.stream and text.kind not in ("raw", "name"):
            stream.pending.append((piece, written, weighed, stratum))
        else:
            self._candidates.take(piece, written, weighed, stratum)

    def _at_a_glance(self, piece: Piece, written: Written, *, right: bool) -> Weighed | None:
        """What holds without a look at the words around: for lists, columns, and strings that fail anyway.

        Rosters and dumps hold one number a line by the thousand; only this keeps them fast.
        """
        text, stream = piece.text, piece.stream
        content, start, end = text.content, written.start, written.end
        left = content[start - 1] if start else "\n"
        if left == "\n" and content[end : end + 1] in ("\n", "\r", ""):
            # A line of nothing but the number: what held for the one right above holds for it.
            before = start - 2 if content[start - 2 : start - 1] == "\r" else start - 1
            follows = stream.bare == text.first_char + before
            stream.bare = text.first_char + end
            return stream.bare_weighed if follows else None
        if stream.headers and left in ',\t;|"':
            header = _field_header(piece, written)
            if header is not None and header.kind == "number":
                return Weighed(HEADER | person_bits(stream.headers[-1].traces), header.word)
            if header is not None and header.kind == "other":
                return Weighed(-1, header.word)
        if not right:
            # A failing string only counts in its list; the words around matter if it may be a mistyped one.
            number = stream.strata.get(_list_key(piece, written))
            if number is not None and self._candidates.strata[number].failing >= 64:
                return Weighed(0, "")
        return None

    def _in_context(self, piece: Piece, written: Written) -> Weighed:  # noqa: PLR0911 - one way out a relation
        """What the words before and behind say, the nearer the stronger."""
        text, stream = piece.text, piece.stream
        low = max(0, written.start - _BEFORE_CHARS)
        before = text.content[low : written.start]
        if low == 0 and stream.tail and not text.overlap and text.kind not in ("raw", "name"):
            before = stream.tail + "\n" + before
        after = text.content[written.end : written.end + _AFTER_CHARS]
        hits, behind = find_labels(before), find_labels(after)
        evidence = _plain_evidence(piece, written, before, after) | _topics(stream, before, hits, behind)
        if evidence & FORM_ON_LINE:
            # 「通知カード_1234-….jpg」: the name of a file is the form's title, as good as a line of text.
            evidence &= ~FILE_NAME
        named = [hit for hit in hits if hit.kind in ("number", "other")]
        nearest = named[-1] if named else None
        behind_label = label_behind(after, behind)
        named_behind = behind_label is not None and behind_label.kind == "number"
        line_length = len(before) - before.rfind("\n") - 1
        key = key_before(before[len(before) - line_length :])
        key_label = label_of_header(key)
        # 「案件の…は」 speaks of a matter, not of the number's name.
        direct = nearest is not None and connected(before, nearest) and not is_topic(before, nearest, named_behind)
        for label, bit in (
            # In the order of how surely they belong to the number.
            (nearest if direct and nearest and len(before) - nearest.end <= line_length else None, LABEL),
            (None if key_label.kind == "other" and named_behind else key_label, LABEL),
            (self._carried(piece, written, before), LABEL),
            (_field_header(piece, written), HEADER),
        ):
            if label is not None and label.kind == "number":
                return Weighed(evidence | bit, label.word)
            if label is not None and label.kind == "other":
                return Weighed(-1, label.word)
        if direct and nearest and nearest.kind == "number":
            # In the line above, or further up over blank lines.
            return Weighed(evidence | LABEL, nearest.word)
        if behind_label is not None and behind_label.kind == "number":
            return Weighed(evidence | LABEL_AFTER, behind_label.word)
        heading = _heading(piece, written)
        if heading:
            return Weighed(evidence | UNDER_HEADING, heading)
        if key and key.isascii() and key.lower() not in PLAIN_KEYS:
            evidence |= OTHER_KEY
        if behind_label is not None or (direct and nearest):
            evidence |= OTHER_NEAR
        if nearest is None or direct:
            named_so = nearest is None and has_own_name(before[len(before) - line_length :])
            return Weighed(evidence | (OTHER_NEAR if named_so else 0), "")
        gap = before[nearest.end :]
        if nearest.kind == "number" and _COMPOUND_TOPIC.match(gap):
            # 「マイナンバー関係書類」, 「個人番号利用事務」: what the text is about.
            return Weighed(evidence, "")
        if nearest.kind == "other":
            return Weighed(evidence | (OTHER_NEAR if len(gap) <= min(30, line_length) else 0), "")
        if has_own_name(gap.rpartition("\n")[2]):
            return Weighed(evidence | OTHER_NEAR, "")
        if len(gap) <= 120 and "\n\n" not in gap and not HAS_DIGITS.search(gap):
            # In a name of a few words, all of them speak of the same thing.
            return Weighed(evidence & ~FILE_NAME | LABEL_NEAR, nearest.word)
        return Weighed(evidence, "")

    def _carried(self, piece: Piece, written: Written, before: str) -> Label | None:
        """The label of the number before, where only a comma or the like stands between: one label for several."""
        number, end, word = self._candidates.last_label
        gap = piece.text.first_char + written.start - end
        if number == piece.stream.number and 0 < gap <= 16 and word and LIST_GAP.fullmatch(before[-gap:]):
            return Label("number", word)
        return None


def _tests_something(content: str) -> bool:
    """Whether a text is a program that tests something."""
    return any(word in content for word in _TEST_WORDS) and _TEST_CODE.search(content) is not None


def _list_key(piece: Piece, written: Written, evidence: int = 0) -> tuple[object, ...]:
    """What makes a list of strings in running text: the same form in the same field of their lines."""
    kind = "444" if written.form == "4-4-4" else written.form
    if piece.text.kind == "raw":
        return ("raw", kind)
    content = piece.text.content
    start = content.rfind("\n", max(0, written.start - 400), written.start) + 1
    prefix = content[start : written.start]
    for delimiter in DELIMITERS:
        if delimiter in prefix:
            column = (QUOTED.sub("", prefix) if '"' in prefix else prefix).count(delimiter)
            return ("list", kind, delimiter, column, bool(evidence & HEADER))
    return ("list", kind, "", 0, bool(evidence & HEADER))


def _plain_evidence(piece: Piece, written: Written, before: str, after: str) -> int:
    """What kind, form and neighbourhood say without any label."""
    evidence = {"raw": RAW, "name": FILE_NAME, "markup": MARKUP}.get(piece.text.kind, 0) | form_bits(written)
    if piece.stream.test_code or _CHECKING_CALL.search(before[-100:]):
        evidence |= TEST_CODE
    breaks = [match.start() for match in re.finditer("\n", before)]
    near = before[breaks[-2] + 1 if len(breaks) > 1 else 0 :][-120:] + " " + "\n".join(after.split("\n")[:2])
    evidence |= person_bits(persons.traces(near))
    if evidence & RAW and len(_JAPANESE.findall(before[-60:] + after[:60])) >= 8:
        evidence |= JAPANESE
    if in_hex_company(piece.text.content, written.start, written.end):
        evidence |= HEX_COMPANY
    return evidence


def _topics(stream: Stream, before: str, hits: list[Hit], behind: list[Hit]) -> int:
    """Bits for samples, forms, and the My Number being spoken of at all."""
    evidence = 0
    if any(hit.kind == "sample" and len(before) - hit.end < 120 for hit in hits) or any(
        hit.kind == "sample" and hit.start < 30 for hit in behind
    ):
        evidence |= SAMPLE
    if stream.form or any(hit.kind == "form" for hit in (*hits, *behind)):
        evidence |= FORM_NEAR
    line = before.rfind("\n") + 1
    if any(hit.kind == "form" and hit.start >= line for hit in hits):
        evidence |= FORM_ON_LINE
    if stream.labelled or any(hit.kind == "number" for hit in (*hits, *behind)):
        evidence |= LABEL_IN_TEXT
    return evidence


def _field_header(piece: Piece, written: Written) -> Label | None:
    """What the header line above says about the field of its line in which the string stands."""
    if not piece.stream.headers:
        return None
    content, start = piece.text.content, written.start
    line_start = content.rfind("\n", max(0, start - 1000), start) + 1
    line_end = content.find("\n", written.end, written.end + 1000)
    line = content[line_start : line_end if line_end >= 0 else min(len(content), written.end + 1000)]
    for header in reversed(piece.stream.headers):
        if header.start >= piece.text.first_char + line_start:
            continue
        label = field_label(header, line, start - line_start, written.end - line_start)
        if label is not None:
            return label
    return None


def _note_labels(text: Text, labels: list[Hit], stream: Stream) -> None:
    """Remember what the labels of a piece say about all that follows."""
    content = text.content
    for hit in labels:
        if hit.kind == "form":
            stream.form = True
            continue
        stream.labelled = True
        start = content.rfind("\n", max(0, hit.start - 2000), hit.start) + 1
        if stream.headers and stream.headers[-1].start == text.first_char + start:
            continue
        end = content.find("\n", hit.end, hit.end + 2000)
        line = content[start : end if end >= 0 else hit.end + 2000]
        if len(line) > 2000 or HAS_DIGITS.search(line):
            continue
        header = header_line(text.first_char + start, line)
        if header is not None:
            stream.headers.append(header)
            del stream.headers[:-64]


def strings_in(content: str, low: int, high: int) -> list[Written | Refused]:
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


def with_loose(content: str, found: list[Written | Refused], labels: list[Hit]) -> list[Written | Refused]:
    """Add what only a label makes readable: separators of several characters, numbers over two lines."""
    extra: list[Written | Refused] = []
    starts = [item.start for item in found]
    replaced: set[int] = set()
    for hit in labels:
        if short := _JSON_NUMBER.match(content, hit.end):
            extra.append(Written(short.start(1), short.end(1), short[1].zfill(12), "lost_zero"))
            continue
        between = CONNECTING.match(content, hit.end, hit.end + 60)
        begin = between.end() if between else hit.end
        match = LOOSELY_WRITTEN.match(content, begin, begin + 100)
        if match is not None and _goes_on(content, match):
            match = None
        counted = match is None and _COUNTED.match(content, hit.end) is not None
        if counted:
            # 「個人番号１|1|2|…」: the digit that touches the label counts persons.
            between = CONNECTING.match(content, hit.end + 1, hit.end + 60)
            begin = between.end() if between else hit.end + 1
            match = LOOSELY_WRITTEN.match(content, begin, begin + 100)
        if match is None:
            continue
        low, high = match.span()
        near = bisect_left(starts, high)
        if near and found[near - 1].end > low:
            if not counted or not isinstance(found[near - 1], Refused):
                continue
            replaced.add(near - 1)
        extra.append(Written(low, high, ascii_digits(match[0]), "loose"))
    if extra:
        kept = [item for index, item in enumerate(found) if index not in replaced] if replaced else found
        found = sorted([*kept, *extra], key=lambda item: item.start)
    return found


def _goes_on(content: str, match: re.Match[str]) -> bool:
    """Whether a thirteenth digit follows as the twelve do: 「１[2][3]…」 began with a digit of the label."""
    digits = [at for at, character in enumerate(match[0]) if character.isdigit()]
    between = match[0][digits[1] + 1 : digits[2]]
    after = match.end() + len(between)
    return bool(between) and content.startswith(between, match.end()) and content[after : after + 1].isdigit()


def _note_first_line(content: str, stream: Stream) -> None:
    line = content[: content.find("\n")] if "\n" in content[:2000] else ""
    if line and not HAS_DIGITS.search(line) and any(delimiter in line for delimiter in DELIMITERS):
        header = header_line(0, line)
        if header is not None:
            stream.headers.append(header)


def touched_by_label(content: str, written: Written, numbers: list[Hit]) -> bool:
    """Whether a label for the My Number stands right before the digits, so that what touches them is the label."""
    for hit in numbers:
        if hit.start > written.start:
            break
        if hit.end <= written.start and written.start - hit.end <= 12:
            between = content[hit.end : written.start]
            if CONNECTING.fullmatch(between):
                return not re.match(r"[A-Za-z0-9]", content[written.end : written.end + 1])
    return False


def _heading(piece: Piece, written: Written) -> str:
    """The label of a heading right above a block of lines that hold one number each; "" without one."""
    text, stream = piece.text, piece.stream
    content, start = text.content, written.start
    line_start = content.rfind("\n", max(0, start - 200), start) + 1
    line_end = content.find("\n", written.end, written.end + 200)
    if line_start == 0:
        return ""
    word = ""
    if stream.section[0] == text.first_char + line_start:
        word = stream.section[1]
    else:
        above = content[content.rfind("\n", max(0, line_start - 200), line_start - 1) + 1 : line_start - 1]
        hits = [hit for hit in find_labels(above) if hit.kind in ("number", "other")]
        if hits and hits[-1].kind == "number" and len(above) <= 60 and not HAS_DIGITS.search(above):
            rest = above[hits[-1].end :]
            if CONNECTING.fullmatch(rest) or _HEADING_END.fullmatch(rest):
                word = hits[-1].word
    if word and line_end >= 0:
        stream.section = (text.first_char + line_end + 1, word)
    return word
