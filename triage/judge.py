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

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, overload

from triage.candidates import FORMS, Candidates, Piece, Stream
from triage.evidence import (
    EVIDENCE,
    HIGH,
    LOST_ZERO,
    LOW,
    MEDIUM,
    ONLY_WITHOUT_LABEL,
    REJECTIONS,
    SAME_NUMBER,
    SAMPLE,
    SPOKEN_RIVALS,
    STRONG,
    SUPPORT,
    TABLE,
    TEST_CODE,
    Confidence,
    Reason,
    rival_weights,
    sum_of,
)
from triage.labels import may_hold_samples
from triage.rivals import RIVALS, rivals_of
from triage.running_text import RunningText
from triage.strata import Share
from triage.tables import Tables, outside_cells
from triage.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from triage.mynumber import Form

__all__ = ["REJECTIONS", "Confidence", "Judge", "Judged", "Reason", "Verdicts", "judge_name"]

_TAIL_CHARS = 240


@dataclass(frozen=True, slots=True)
class Judged:
    """A My Number that was found.

    `start`, `end`: characters in its stream. `byte_offset`, `byte_size`: in the content of its file, None where
    characters have no place of their own in the bytes. `location` names the cell in a table ("給与!C5"). `digits`
    are 12 ASCII digits; where `form` is "lost_zero" the leading zeros are not in the text.
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


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What a `Judge` found: iterate over it (or `judged`) for the findings, in the order of the texts.

    `rejected` counts strings that pass the check digit and are no findings, by code of `REJECTIONS`.
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


class Judge:
    """Judges the texts of one file. Feed the texts in order, then `finish` once."""

    def __init__(self) -> None:
        self._candidates = Candidates()
        self._running = RunningText(self._candidates)
        self._tables = Tables(self._candidates)
        self._streams: dict[tuple[str, str], Stream] = {}
        self._stream_count = 0

    def feed(self, text: Text) -> None:
        """Judge one piece. Pieces of one stream must come in order."""
        stream = self._stream_of(text)
        self._running.settle(stream, text.first_char)
        piece = Piece(
            text, stream, self._candidates.place_of(text, stream), bool(text.cells) and may_hold_samples(text.content)
        )
        if text.cells:
            self._tables.read(piece)
            outside = outside_cells(text)
            if outside:
                self._running.read(piece, outside)
        else:
            self._running.read(piece)
        if text.kind not in ("raw", "name"):
            self._running.read_fixed_width(piece)
        stream.tail = "" if text.kind in ("raw", "name") else text.content[-_TAIL_CHARS:]

    def _stream_of(self, text: Text) -> Stream:
        key = (text.container, text.stream)
        stream = self._streams.get(key)
        if stream is None or not text.stream:
            before = stream
            self._stream_count += 1
            stream = self._streams[key] = Stream(self._stream_count)
            if before is not None:
                self._running.settle(before, -1)
                # Texts without a stream that come from one container follow each other: a label may stand in the
                # paragraph before.
                if text.kind not in ("raw", "name", "table"):
                    stream.tail = before.tail
        return stream

    def finish(self) -> Verdicts:
        """The verdicts on everything fed. Call it once."""
        for stream in self._streams.values():
            self._running.settle(stream, -1)
        rejected = Counter(self._candidates.rejected)
        for number, count in self._candidates.other_strata.items():
            stratum = self._candidates.strata[number]
            all_pass = stratum.passing >= 8 and stratum.failing <= 0.1 * stratum.passing
            rejected["other_label_all_pass" if all_pass else "other_label"] += count
        findings = _Findings(self._candidates)
        rejected.update(findings.rejected)
        return Verdicts(
            findings,
            {code: rejected[code] for code in sorted(rejected) if rejected[code]},
            self._candidates.labelled_wrong,
            self._candidates.labelled_rounded,
        )


class _Findings(Sequence[Judged]):
    """Scores the candidates; the findings are made one by one when asked for, so that a million take little memory."""

    def __init__(self, candidates: Candidates) -> None:
        self._candidates = candidates
        self._shares = [Share.of(stratum) for stratum in candidates.strata]
        kept = candidates.kept
        self._labelled = {
            digits
            for digits, evidence in zip(kept.digits, kept.evidence, strict=True)
            if evidence & STRONG and not evidence & (SAMPLE | TEST_CODE)
        }
        self._chosen = array("L")
        self.rejected: Counter[str] = Counter()
        for index in range(len(kept)):
            score, reason = self._score(index)
            if score >= LOW:
                self._chosen.append(index)
            else:
                self.rejected[reason] += 1

    def __len__(self) -> int:
        return len(self._chosen)

    @overload
    def __getitem__(self, index: int) -> Judged: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Judged]: ...

    def __getitem__(self, index: int | slice) -> Judged | Sequence[Judged]:
        if isinstance(index, slice):
            return [self._finding(chosen) for chosen in self._chosen[index]]
        return self._finding(self._chosen[index])

    def __iter__(self) -> Iterator[Judged]:
        return map(self._finding, self._chosen)

    def _score(self, index: int) -> tuple[float, str]:
        """log10 of the odds for candidate `index`, and the code of what speaks most against it."""
        kept = self._candidates.kept
        evidence = kept.evidence[index]
        share = self._shares[kept.stratum[index]]
        score, against, worst = sum_of(evidence & ~TABLE if share.listed else evidence)
        if evidence & (SAMPLE | TEST_CODE):
            # Samples pass because they were made to; a long list of them is still looked at.
            return min(score, MEDIUM if share.listed and not evidence & TEST_CODE else LOW + 0.5), against
        if evidence & STRONG:
            # A label does not make strings right that pass only as often as by chance.
            if share.limit < score:
                return share.limit, "column_chance"
            return score + max(share.weight, 0.0), against
        if evidence & LOST_ZERO and not share.listed:
            return LOW - 1.0, "no_evidence"
        if kept.digits[index] in self._labelled:
            score += SAME_NUMBER
        if not share.listed:
            # Among numbers that all pass, a rival's check digit is right by chance too.
            for code, weight in rival_weights(f"{kept.digits[index]:012d}"):
                score += weight
                if weight < worst and code in REJECTIONS:
                    against, worst = code, weight
        return score + share.weight, share.against if share.weight < worst else against

    def _confidence(self, index: int, score: float) -> Confidence:
        kept = self._candidates.kept
        evidence = kept.evidence[index]
        share = self._shares[kept.stratum[index]]
        proven = bool(evidence & STRONG) or share.listed or kept.digits[index] in self._labelled
        some = proven or bool(evidence & SUPPORT) or share.weight > 1.0
        if score >= HIGH and proven:
            return "high"
        return "medium" if score >= MEDIUM and some else "low"

    def _finding(self, index: int) -> Judged:
        kept = self._candidates.kept
        evidence = kept.evidence[index]
        score, _ = self._score(index)
        digits = f"{kept.digits[index]:012d}"
        container, location, encoding, _ = self._candidates.places[kept.place[index]]
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
            form=FORMS[kept.form[index]],
            confidence=self._confidence(index, score),
            reasons=self._reasons(index, evidence),
            rivals=rivals_of(digits),
        )

    def _reasons(self, index: int, evidence: int) -> tuple[Reason, ...]:
        kept = self._candidates.kept
        word = self._candidates.words[kept.word[index]]
        strong = bool(evidence & STRONG)
        reasons = [
            Reason(code, ja.format(word=word), en.format(word=word))
            for bit, _, code, ja, en in EVIDENCE
            if evidence & bit and not (strong and bit in ONLY_WITHOUT_LABEL)
        ]
        stratum = self._candidates.strata[kept.stratum[index]] if kept.stratum[index] >= 0 else None
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
        if not strong and kept.digits[index] in self._labelled:
            reasons.append(
                Reason(
                    "same_number_labelled",
                    "同じ番号が同じファイルの別の所で個人番号とされている",
                    "the same number is labelled as a My Number elsewhere in the file",
                ),
            )
        if not strong:
            digits = f"{kept.digits[index]:012d}"
            reasons += [Reason(f"rival_{code}", *RIVALS[code]) for code in rivals_of(digits) if code in SPOKEN_RIVALS]
        reasons.append(Reason("check_digit", "検査数字が合う", "the check digit is right"))
        return tuple(reasons)


def judge_name(name: str) -> Verdicts:
    """The verdicts on a file's name; where it shows nothing, underscores divide fields: 「通知カード_1234-…_1.jpg」."""
    for one in (name, name.replace("_", "、")):
        judge = Judge()
        judge.feed(Text(one, encoding="utf-8", kind="name"))
        verdicts = judge.finish()
        if verdicts.judged:
            break
    return verdicts


def _column_letters(column: int) -> str:
    """The letters of a column counted from 0: A, B, …, Z, AA, …."""
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return letters
