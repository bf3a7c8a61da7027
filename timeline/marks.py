"""Marks and notes on events: each is a signed entry of the ledger, and the latest one for an event counts.

Entry `note` with the body `{"text": …, "timeline": {"event": "S12:345", "marked": true, "time_text": …, "said": …}}`.
`said` is the event's sentence at that time, masked, so that the entry speaks for itself without the store.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chain_of_custody.masking import mask_text
from chain_of_custody.reading import read_entries

if TYPE_CHECKING:
    from chain_of_custody.case import Case

_MOST_SAID = 500


@dataclass(frozen=True, slots=True)
class Mark:
    """The latest word on an event."""

    event: str
    text: str
    seq: int
    """Number of the entry in the ledger."""
    actor: str
    at: str


@dataclass(slots=True)
class Notebook:
    """Reads and writes marks in the ledger of an open case."""

    case: Case
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def marks(self) -> dict[str, Mark]:
        """Marked events by their name (`S12:345`)."""
        found: dict[str, Mark] = {}
        for entry in read_entries(self.case.path):
            if entry.type != "note":
                continue
            about = entry.body.get("timeline")
            if not isinstance(about, dict) or not isinstance(about.get("event"), str):
                continue
            name = str(about["event"])
            found.pop(name, None)
            if about.get("marked") is not False:
                text = entry.body.get("text")
                found[name] = Mark(name, text if isinstance(text, str) else "", entry.seq, entry.actor, entry.ts)
        return found

    def write(self, event: str, text: str, *, marked: bool, time_text: str, said: str) -> int:
        """Write a mark, or (`marked` false) take it back; number of the entry. Raises UsageError, LedgerError."""
        with self._lock:
            entry = self.case.append(
                "note",
                {
                    "text": mask_text(text),
                    "timeline": {
                        "event": event,
                        "marked": marked,
                        "time_text": mask_text(time_text),
                        "said": mask_text(said)[:_MOST_SAID],
                    },
                },
                src="typed",
            )
        return entry.seq
