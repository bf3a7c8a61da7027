"""The course of an incident, from records of the ledger: its class, its moments and the times between them.

```python
course = incident.course(read_entries(case))
course.moments[1].since_sign_ns      # from the first sign to the first report
```
First sign, first report, each step of isolation: only what people recorded (`custody record first_sign`,
`first_report`, `isolate`, `network`), at the time they named. Of several records of the first sign, or of the first
report, the newest counts; the others stay in the list and are marked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from chain_of_custody import entries, statements

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chain_of_custody.entries import Entry
    from chain_of_custody.errors import Language
    from chain_of_custody.jcs import Json

SIGN, REPORT = "record.first_sign", "record.first_report"
STEPS = ("record.isolate", "record.network")
"""Types that are a step of isolation; a device cut from the network by the responder is one."""
TYPES = (SIGN, REPORT, *STEPS)


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment. Times in nanoseconds UTC; the spans are None where there is nothing to measure from."""

    entry: Entry
    time_ns: int
    superseded: bool = False
    """A newer record of the same kind counts instead."""
    since_sign_ns: int | None = None
    since_report_ns: int | None = None
    since_step_ns: int | None = None
    """Since the step of isolation before it."""

    @property
    def time_text(self) -> str:
        """The time as it was recorded, RFC 3339 with offset."""
        return str(self.entry.body["at"])

    def said(self, language: Language) -> str:
        """What the record states beside its time, in one line."""
        body = {name: value for name, value in self.entry.body.items() if name != "at"}
        stated = statements.of_body(self.entry.type, body, language)
        return "; ".join(f"{label}: {value}" for label, value in stated)

    def to_json(self) -> dict[str, Any]:
        """What `--json` prints; spans in seconds with six decimals, as text."""
        return {
            "entry": self.entry.seq,
            "type": self.entry.type,
            "at": self.time_text,
            "item": self.entry.item,
            "superseded": self.superseded,
            "since_sign_s": _seconds(self.since_sign_ns),
            "since_report_s": _seconds(self.since_report_ns),
            "since_step_s": _seconds(self.since_step_ns),
            "said": {"ja": self.said("ja"), "en": self.said("en")},
        }


@dataclass(frozen=True, slots=True)
class Course:
    """All moments in the order of their times, and the classification that counts (the newest)."""

    moments: tuple[Moment, ...]
    classified: Entry | None


def _seconds(span_ns: int | None) -> str | None:
    if span_ns is None:
        return None
    sign = "-" if span_ns < 0 else ""
    whole, rest = divmod(abs(span_ns), 1_000_000_000)
    return f"{sign}{whole}.{rest // 1000:06d}"


def span(span_ns: int, language: Language) -> str:
    """A span in days, hours, minutes and whole seconds (cut off, not rounded); `−` in front where it runs back."""
    seconds = abs(span_ns) // 1_000_000_000
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    day, hour = divmod(hours, 24)
    units = ("日", "時間", "分", "秒") if language == "ja" else ("d", "h", "min", "s")
    parts = list(zip((day, hour, minute, second), units, strict=True))
    while len(parts) > 1 and not parts[0][0]:
        parts.pop(0)
    sign = "−" if span_ns < 0 and seconds else ""
    return sign + " ".join(f"{number} {unit}" for number, unit in parts)


def course(listed: Iterable[Entry]) -> Course:
    """The course of the incident that the entries tell."""
    classified: Entry | None = None
    found: list[Entry] = []
    newest: dict[str, int] = {}
    for entry in listed:
        if entry.type == "record.classify":
            classified = entry
        if entry.type not in TYPES or not _has_time(entry):
            continue
        found.append(entry)
        if entry.type in (SIGN, REPORT):
            newest[entry.type] = entry.seq
    moments = sorted(
        (
            Moment(entry, entries.time_ns_of(str(entry.body["at"])), newest.get(entry.type, entry.seq) != entry.seq)
            for entry in found
        ),
        key=lambda one: (one.time_ns, one.entry.seq),
    )
    since = {one.entry.type: one.time_ns for one in moments if one.entry.type in newest and not one.superseded}
    sign, report = since.get(SIGN), since.get(REPORT)
    step: int | None = None
    shown = []
    for one in moments:
        is_step = one.entry.type in STEPS
        shown.append(
            replace(
                one,
                since_sign_ns=one.time_ns - sign if sign is not None and one.entry.type != SIGN else None,
                since_report_ns=one.time_ns - report if report is not None and is_step else None,
                since_step_ns=one.time_ns - step if step is not None and is_step else None,
            )
        )
        step = one.time_ns if is_step else step
    return Course(tuple(shown), classified)


def _has_time(entry: Entry) -> bool:
    try:
        entries.time_ns_of(str(entry.body.get("at", "")))
    except ValueError:
        return False
    return True


HEADS = (
    ("項", "entry"),
    ("時刻", "time"),
    ("出来事", "moment"),
    ("内容", "record"),
    ("最初の兆候から", "since the first sign"),
    ("最初の報告から", "since the first report"),
    ("前の措置から", "since the step before"),
)
SUPERSEDED = ("後の記録に置換", "replaced by a later record")


def rows(found: Course, language: Language) -> list[list[Json]]:
    """One row a moment, under `HEADS`."""
    pick = 0 if language == "ja" else 1

    def shown(value: int | None) -> str:
        return "" if value is None else span(value, language)

    return [
        [
            str(one.entry.seq),
            statements.moment(one.time_text),
            statements.type_name(one.entry.type, language) + (f" ({SUPERSEDED[pick]})" if one.superseded else ""),
            one.said(language),
            shown(one.since_sign_ns),
            shown(one.since_report_ns),
            shown(one.since_step_ns),
        ]
        for one in found.moments
    ]


def classified_rows(found: Course, language: Language) -> list[list[Json]]:
    """Label and value of the classification that counts; empty where nobody classified the incident."""
    if found.classified is None:
        return []
    stated: list[list[Json]] = [[label, value] for label, value in statements.of(found.classified, language)]
    number = f"第 {found.classified.seq} 項" if language == "ja" else f"entry {found.classified.seq}"
    return [*stated, ["記録した項" if language == "ja" else "recorded in", number]]
