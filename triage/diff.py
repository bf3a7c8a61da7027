"""What changed between two scans: findings that came, went or changed, numbers on one side only, what was read.

```python
diff = compare(Path("x.case/scans/1-disk.E01"), Path("x.case/scans/2-disk.E01"))
diff.added, diff.removed, diff.changed
```
Two findings are the same if the same number (or YARA rule) stands at the same place: layers behind the image, member of
a container, place inside the document, and for text without such a place the offset in the file or in the media. Equal
numbers are known by their HMAC, which two scans share only inside one case; across cases the last four digits stand in,
and persons are not compared.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chain_of_custody.errors import Language, UsageError
from triage.document import Block, Document, Heading, Paragraph, Table, html_page
from triage.report import CONFIDENCE_WORDS, image_name, reason_words, state_words, time_of, write_new
from triage.report_data import masked_of, person_key, shown
from triage.results import int_of, map_of, open_results, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from triage.html_parts import Words
    from triage.results import ScanResults

SHOWN = 500
"""Most findings of each kind listed on the page; the JSON holds all."""
_COMPARED = ("confidence", "state", "offset")
"""What may differ between two findings at the same place."""


@dataclass(frozen=True, slots=True)
class Place:
    """One finding, as it may be shown."""

    id: str
    what: str
    """The masked number, or the name of the YARA rule."""
    confidence: str
    state: str
    path: str
    container: str
    location: str
    offset: int | None

    def to_json(self) -> dict[str, Any]:
        """The place as a JSON object."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Change:
    """The same finding in both scans, with the names of what differs."""

    before: Place
    after: Place
    fields: tuple[str, ...]


@dataclass(slots=True)
class Diff:
    """What changed from scan A to scan B."""

    names: tuple[str, str]
    times: tuple[str, str]
    one_case: bool
    added: list[Place] = field(default_factory=list)
    removed: list[Place] = field(default_factory=list)
    changed: list[Change] = field(default_factory=list)
    same: int = 0
    persons: tuple[int, int, int] | None = None
    """Distinct numbers only in A, in both, only in B; None across cases."""
    unread: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Coverage lines by reason, in A and in B."""

    @property
    def equal(self) -> bool:
        """Whether nothing differs, coverage included."""
        return not (self.added or self.removed or self.changed) and all(a == b for a, b in self.unread.values())

    def to_json(self) -> dict[str, Any]:
        """All of it as one JSON object, masked and without HMACs."""
        persons = dict(zip(("only_a", "both", "only_b"), self.persons, strict=True)) if self.persons else None
        return {
            "v": 1,
            "a": {"image": self.names[0], "finished": self.times[0]},
            "b": {"image": self.names[1], "finished": self.times[1]},
            "one_case": self.one_case,
            "equal": self.equal,
            "same": self.same,
            "persons": persons,
            "unread": {reason: {"a": a, "b": b} for reason, (a, b) in self.unread.items()},
            "added": [place.to_json() for place in self.added],
            "removed": [place.to_json() for place in self.removed],
            "changed": [
                {"fields": list(item.fields), "a": item.before.to_json(), "b": item.after.to_json()}
                for item in self.changed
            ],
        }


def compare(scan_a: Path, scan_b: Path) -> Diff:
    """Compare two scans. Raises UsageError, ResultFormatError."""
    a, b = open_results(scan_a), open_results(scan_b)
    fingerprints = [text_of(map_of(scan.summary.get("case")).get("fingerprint")) for scan in (a, b)]
    one_case = bool(fingerprints[0]) and fingerprints[0] == fingerprints[1]
    diff = Diff(
        names=(image_name(a.summary), image_name(b.summary)),
        times=(time_of(a.summary.get("finished")), time_of(b.summary.get("finished"))),
        one_case=one_case,
    )
    waiting: dict[tuple[str, ...], deque[Place]] = defaultdict(deque)
    for key, place in _places(a, one_case=one_case):
        waiting[key].append(place)
    for key, place in _places(b, one_case=one_case):
        queue = waiting.get(key)
        if not queue:
            diff.added.append(place)
            continue
        before = queue.popleft()
        fields = tuple(name for name in _COMPARED if getattr(before, name) != getattr(place, name))
        if fields:
            diff.changed.append(Change(before, place, fields))
        else:
            diff.same += 1
    diff.removed = [place for queue in waiting.values() for place in queue]
    if one_case:
        numbers_a, numbers_b = _numbers(a), _numbers(b)
        diff.persons = (len(numbers_a - numbers_b), len(numbers_a & numbers_b), len(numbers_b - numbers_a))
    unread = [Counter(text_of(line.get("reason")) or "damaged" for line in scan.coverage()) for scan in (a, b)]
    diff.unread = {shown(name): (unread[0][name], unread[1][name]) for name in sorted(unread[0] | unread[1])}
    return diff


def write_diff(diff: Diff, target: Path, *, language: Language = "ja") -> Path:
    """Write the comparison as .html or .json, by the suffix of `target`. Raises UsageError, TargetError."""
    suffix = target.suffix.lower()
    if suffix == ".json":
        write_new(target, (json.dumps(diff.to_json(), ensure_ascii=False, indent=1) + "\n").encode("utf-8", "replace"))
    elif suffix in (".html", ".htm"):
        write_new(target, html_page(page_of(diff), language).encode("utf-8", "replace"))
    else:
        raise UsageError(
            f"{target}: 形式が分かりません",
            f"{target}: unknown format",
            hint_ja="名前の末尾を .html か .json にしてください",
            hint_en="let the name end in .html or .json",
        )
    return target


def _places(scan: ScanResults, *, one_case: bool) -> Iterator[tuple[tuple[str, ...], Place]]:
    """Each finding with what identifies it."""
    for finding in scan.findings():
        is_yara = finding["kind"] == "yara"
        what = shown(finding.get("rule")) if is_yara else masked_of(finding)
        number = what if is_yara or not one_case else (person_key(finding) or b"").hex() or what
        yield (
            (finding["kind"], number, *_where(finding)),
            Place(
                id=shown(finding.get("id")),
                what=what,
                confidence=text_of(finding.get("confidence")),
                state=shown(finding.get("state")),
                path=shown(finding.get("path")),
                container=shown(finding.get("container")),
                location=shown(finding.get("location")),
                offset=int_of(finding.get("offset")),
            ),
        )


def _where(finding: Mapping[str, Any]) -> tuple[str, ...]:
    """The place of a finding without the name of the image, which may differ between two scans of the same disk."""
    layers = text_of(finding.get("layers")).partition("|")[2]
    container, location = text_of(finding.get("container")), text_of(finding.get("location"))
    if container or location:
        return layers, container, location
    if finding.get("path"):
        return layers, "", text_of(finding.get("file_offset"))
    place = finding.get("medium_offset") if finding.get("medium") else finding.get("offset")
    return layers, "", text_of(place)


def _numbers(scan: ScanResults) -> set[bytes]:
    return {key for finding in scan.findings() if (key := person_key(finding)) is not None}


# ---- the page ----


def summary_rows(diff: Diff) -> list[tuple[Words, Words]]:
    """The figures of the comparison in words, for a page or a terminal."""
    rows = [
        (("A", "A"), _pair(f"{diff.names[0]} {diff.times[0]}")),
        (("B", "B"), _pair(f"{diff.names[1]} {diff.times[1]}")),
        (("B だけの所見", "Findings only in B"), _pair(f"{len(diff.added):,}")),
        (("A だけの所見", "Findings only in A"), _pair(f"{len(diff.removed):,}")),
        (("変わった所見", "Findings that changed"), _pair(f"{len(diff.changed):,}")),
        (("同じ所見", "Findings that are the same"), _pair(f"{diff.same:,}")),
    ]
    if diff.persons:
        a, common, b = (f"{number:,}" for number in diff.persons)
        rows.append(
            (
                ("異なる番号", "Distinct numbers"),
                (f"A だけ {a}、両方 {common}、B だけ {b}", f"only A {a}, both {common}, only B {b}"),
            ),
        )
    rows += [
        (
            (f"読めなかったもの: {reason_words(reason)[0]}", f"Not read: {reason_words(reason)[1]}"),
            (f"A {a:,}、B {b:,}", f"A {a:,}, B {b:,}"),
        )
        for reason, (a, b) in diff.unread.items()
    ]
    return rows


def page_of(diff: Diff) -> Document:
    """The comparison as a page."""
    blocks: list[Block] = [Table((("事項", "Item"), ("値", "Value")), tuple(summary_rows(diff)), (1, 2))]
    if not diff.one_case:
        blocks.append(
            Paragraph(
                _words(
                    "二つの走査は同じ事案のものと確かめられない。番号は下4桁で突き合わせ、異なる番号の数は比べていない。",
                    "The two scans are not known to belong to one case: numbers were matched by last four digits, "
                    "and distinct numbers were not compared.",
                ),
                "warning",
            ),
        )
    blocks.append(
        Paragraph(
            _words(
                "所見がなくなったことは、番号が消されたことを示さない。読めなかったもの、ツールの版、規則の違いでも変わる。",
                "That a finding is gone does not show that a number was erased: what could not be read, the version of "
                "the tool and its rules make a difference too.",
            ),
            "note",
        ),
    )
    for title, places in (
        (("B だけの所見", "Only in B"), diff.added),
        (("A だけの所見", "Only in A"), diff.removed),
    ):
        blocks += _listed(title, [_line(place) for place in places], _HEAD)
    changes = [
        (*_line(item.after)[:4], _pair(f"{_change(item, 0)}"), _pair(f"{_change(item, 1)}")) for item in diff.changed
    ]
    blocks += _listed(("変わった所見", "Changed"), changes, (*_HEAD[:4], ("A", "A"), ("B", "B")))
    return Document(("走査の比較", "Comparison of two scans"), tuple(blocks))


_HEAD: tuple[Words, ...] = (
    ("所見ID", "Finding"),
    ("番号・規則", "Number, rule"),
    ("場所", "Path"),
    ("中の位置", "Within"),
    ("確度", "Conf."),
    ("状態", "State"),
)


def _listed(title: Words, rows: Sequence[tuple[Words, ...]], head: tuple[Words, ...]) -> Iterator[Block]:
    yield Heading(1, (f"{title[0]}({len(rows):,})", f"{title[1]} ({len(rows):,})"))
    if rows:
        yield Table(head, tuple(rows[:SHOWN]), (3, 4, 8, 5, 2, 4))
    more = len(rows) - SHOWN
    if more > 0:
        yield Paragraph((f"ほか {more:,} 件", f"{more:,} more"), "note")


def _line(place: Place) -> tuple[Words, ...]:
    inner = " ".join(filter(None, (place.container, place.location)))
    return (
        _pair(place.id),
        _pair(place.what),
        _pair(place.path) if place.path else ("(ファイルの外)", "(not in a file)"),
        _pair(inner or ("—" if place.offset is None else f"{place.offset:,}")),
        CONFIDENCE_WORDS.get(place.confidence, _pair("—")),
        state_words(place.state),
    )


def _change(change: Change, side: int) -> str:
    place = (change.before, change.after)[side]
    return ", ".join(f"{name}: {getattr(place, name)}" for name in change.fields)


def _words(ja: str, en: str) -> Words:
    return ja, en


def _pair(text: str) -> Words:
    return text, text
