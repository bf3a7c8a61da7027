"""Columns and lists as a whole: how many of their strings pass the check digit, and what that says about each.

One string in ten passes by chance. Where nearly all pass, they are My Numbers; where one in ten passes, none is. In
between, of N passing and F failing strings about F/9 pass by chance.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from triage.evidence import HIGH, LOW
from triage.rivals import is_driving_licence, is_parcel_tracking, is_timestamp


class Stratum:
    """Strings of one column or list: how many pass, how they are spread."""

    __slots__ = (
        "failing",
        "last",
        "occurrences",
        "passing",
        "rival_counts",
        "sampled",
        "seen",
        "small_steps",
        "steps",
        "window",
    )

    MAX_SEEN = 4096

    def __init__(self, *, window: bool = False) -> None:
        self.passing = 0
        self.failing = 0
        self.occurrences = 0
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
        self.occurrences += 1
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

    def is_repeated(self) -> bool:
        """Whether hardly more than one value stands there over and over: a constant of a program or a format."""
        return self.occurrences >= 8 and self.occurrences >= 6 * (self.passing + self.failing)

    def weight(self) -> float:
        """log10 of the odds that the shares give one passing member, whose own passing is no evidence."""
        # In a window of raw bytes the string in its middle was chosen because it passes.
        chosen = 2 if self.window else 1
        passing, total = self.passing - chosen, self.passing + self.failing - chosen
        if total <= 0 or passing < 0:
            return 0.0
        # Columns of other numbers are more frequent than columns of My Numbers, and mixed ones are rare.
        gain = gain_of(passing, total) - 0.3 * min(total, 4) - (1.5 if self.failing >= max(8, self.passing) else 0.0)
        if (passing + 0.5) / (total + 1) <= 0.15:
            # As by chance: the more strings, the surer.
            return min(gain, -min(0.25 * total, 3.0))
        return max(-3.0, min(gain, self.true_odds()))

    def limit_of_label(self) -> float:
        """log10 of the odds that a label cannot exceed: in a column of made-up numbers some pass by chance."""
        total = self.passing + self.failing
        limit = self.true_odds() + 0.7
        if total < 10:
            return max(limit, LOW + 0.2)
        return min(limit, gain_of(self.passing, total) - 2.15)

    def true_odds(self) -> float:
        """log10 of the odds that a passing member is a My Number: of N passing and F failing, F/9 pass by chance."""
        by_chance = self.failing / 9
        true = self.passing - by_chance
        if true <= 0.05 * self.passing:
            return -2.0
        return math.log10(true / (by_chance + 0.003))


@dataclass(frozen=True, slots=True)
class Share:
    """What a stratum as a whole says about each of its passing members."""

    weight: float
    against: str
    """Code of what it is instead, where `weight` speaks against My Numbers."""
    limit: float
    """Where a label stands: no member can be surer than this."""
    listed: bool
    """At least eight pass and hardly any fails: the column or list proves its members."""

    @classmethod
    def of(cls, stratum: Stratum) -> Share:
        """The share of a stratum to which nothing is added any more."""
        weight, against = stratum.weight(), "column_chance"
        limit = stratum.limit_of_label() if stratum.failing >= 3 else math.inf
        listed = stratum.passing >= 8 and weight >= HIGH
        rival = stratum.rival()
        if stratum.is_serial():
            weight, against, listed = min(weight, -2.0), "serial", False
        elif stratum.is_repeated():
            weight, against = min(weight, -1.2), "repeated"
        elif rival:
            weight, against = min(weight, -2.0), f"column_{rival}"
        return cls(weight, against, limit, listed)


def gain_of(passing: int, total: int) -> float:
    """log10 of how much better a share of its own explains `passing` of `total` than one in ten does."""
    share = min((passing + 0.5) / (total + 1), 0.98)
    return passing * math.log10(share / 0.1) + (total - passing) * math.log10((1 - share) / 0.9)
