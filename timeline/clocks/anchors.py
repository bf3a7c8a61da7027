"""Anchors: what bounds the true time of one record, each kept with the record it comes from.

An anchor says t_low <= t <= t_high (seconds from origin, either may be infinite) for the moment of a stamp. A stamp is
a record of the clock, or a time of this clock that stands inside a record of another one (a server's `Date`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from timeline.clocks.evidence import Floats, Ints

SYNCHRONISED_S = 0.05
"""Tolerance of a clock that is said to be synchronised."""
READING_PRICE = 20.0


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an anchor comes from, for the person who checks it."""

    kind: str
    """One of evidence.ANCHOR_KINDS."""
    source: int
    """Index of the source of the record it stands in; -1: readings.json."""
    row: int
    reference: str
    """The clock it was compared with; empty: the examiner's reference or a server's receipt (true time)."""
    other: tuple[int, int] | None = None
    """The record at the other end of a link."""


@dataclass(slots=True)
class Stamps:
    """Times of one clock, in columns."""

    reading_s: Floats
    other_s: Floats
    resolution_s: Floats
    source: Ints
    """Index of the source; -1 for times that stand inside records of other clocks."""
    row: Ints
    log: Ints
    """Index of the source where its lines stand in order of writing, else -1."""

    @property
    def size(self) -> int:
        """Number of stamps."""
        return len(self.reading_s)


@dataclass(slots=True)
class Anchors:
    """Anchors of one clock, as they are collected."""

    stamp: list[int] = field(default_factory=list)
    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)
    price: list[float] = field(default_factory=list)
    origin: list[Origin] = field(default_factory=list)

    def add(self, stamp: int, low: float, high: float, origin: Origin, price: float = 1.0) -> None:
        """Note one; an anchor that bounds nothing is left out."""
        if low == -np.inf and high == np.inf:
            return
        if not (low <= high):
            return
        self.stamp.append(stamp)
        self.low.append(low)
        self.high.append(high)
        self.price.append(price)
        self.origin.append(origin)

    @property
    def size(self) -> int:
        """Number of anchors."""
        return len(self.stamp)
