"""What people said about clocks, as the ledger keeps it: readings at seizure, declared zones, anchors typed by hand.

Readings are entries `record.clock` (F6). Zones and anchors are actions `clock` whose body has `operation`:
`set-zone` {clock, zone, declared, by, why} and `anchor` {event, earliest, latest, why}. The latest word counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from chain_of_custody.entries import Entry


@dataclass(frozen=True, slots=True)
class SeenClock:
    """A reading: what the device showed and what the reference showed, as texts."""

    seq: int
    clock: str
    item: str
    shown: str
    reference: str
    resolution_s: float
    zone: str
    basis: str


@dataclass(frozen=True, slots=True)
class DeclaredClock:
    """What an examiner declared of a clock."""

    seq: int
    zone: str | None
    declared: str
    by: str


@dataclass(frozen=True, slots=True)
class KnownMoment:
    """An anchor typed by hand: the event happened between two times (ISO texts)."""

    seq: int
    event: str
    earliest: str
    latest: str
    why: str


@dataclass(slots=True)
class Statements:
    """Everything the ledger says about clocks."""

    readings: list[SeenClock] = field(default_factory=list)
    declared: dict[str, DeclaredClock] = field(default_factory=dict)
    moments: dict[str, KnownMoment] = field(default_factory=dict)


def _number(value: object, default: float) -> float:
    try:
        number = float(str(value))
    except ValueError:
        return default
    return number if number > 0 else default


def _text(body: Mapping[str, object], name: str) -> str:
    value = body.get(name)
    return value if isinstance(value, str) else ""


def statements(entries: Iterable[Entry]) -> Statements:
    """Read the statements of a ledger."""
    found = Statements()
    for entry in entries:
        body = entry.body
        if entry.type == "record.clock":
            found.readings.append(
                SeenClock(
                    entry.seq,
                    _text(body, "clock"),
                    entry.item or "",
                    _text(body, "shown"),
                    _text(body, "reference"),
                    _number(body.get("resolution_s"), 1.0),
                    _text(body, "zone"),
                    _text(body, "source"),
                ),
            )
        elif entry.type == "clock.begin" and _text(body, "operation") == "set-zone":
            declared = _text(body, "declared")
            found.declared[_text(body, "clock")] = DeclaredClock(
                entry.seq, _text(body, "zone") or None, declared, _text(body, "by")
            )
        elif entry.type == "clock.begin" and _text(body, "operation") == "anchor":
            event = _text(body, "event")
            found.moments[event] = KnownMoment(
                entry.seq, event, _text(body, "earliest"), _text(body, "latest"), _text(body, "why")
            )
    return found
