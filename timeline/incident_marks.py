"""Moments of the incident as marks on the timeline: first sign, first report, steps of isolation.

They are records of the ledger (`chain_of_custody.incident`), read each time they are shown: an entry made after a
build stands on the timeline without building it again. They are statements of people, not events of a source.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chain_of_custody import incident, ledger
from chain_of_custody.reading import read_entries

if TYPE_CHECKING:
    from pathlib import Path

    from chain_of_custody.errors import Language


@dataclass(frozen=True, slots=True)
class IncidentMark:
    """One mark: its time as UTC nanoseconds, its words in both languages, the spans since the others as words."""

    seq: int
    type: str
    ns: int
    superseded: bool
    name: tuple[str, str]
    said: tuple[str, str]
    spans: tuple[tuple[str, str, str], tuple[str, str, str]]
    """Since the first sign, the first report and the step before; in Japanese and in English, empty where none."""

    def in_words(self, language: Language) -> tuple[str, str, tuple[str, str, str]]:
        """Name, what was said, and the spans."""
        at = 0 if language == "ja" else 1
        return self.name[at], self.said[at], self.spans[at]

    def to_json(self) -> dict[str, Any]:
        """As the page of the viewer takes it."""
        return {
            "seq": self.seq,
            "type": self.type,
            "time": str(self.ns),
            "superseded": self.superseded,
            **{
                language: dict(zip(("name", "said", "spans"), self.in_words(language), strict=True))
                for language in ("ja", "en")
            },
        }


def heads(language: Language) -> tuple[str, ...]:
    """What stands over name, said and the three spans."""
    return tuple(pair[language != "ja"] for pair in incident.HEADS[2:])


def of_case(folder: Path) -> list[IncidentMark]:
    """The marks of the case in this folder, in the order of their times; none where it is no case."""
    if not (folder / ledger.LEDGER_NAME).is_file():
        return []
    found = incident.course(read_entries(folder))
    texts = {language: incident.rows(found, language) for language in ("ja", "en")}
    marks = []
    for at, one in enumerate(found.moments):
        ja, en = ([str(cell) for cell in texts[language][at]] for language in ("ja", "en"))
        marks.append(
            IncidentMark(
                one.entry.seq,
                one.entry.type,
                one.time_ns,
                one.superseded,
                (ja[2], en[2]),
                (ja[3], en[3]),
                ((ja[4], ja[5], ja[6]), (en[4], en[5], en[6])),
            )
        )
    return marks
