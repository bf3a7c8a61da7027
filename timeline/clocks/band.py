"""The band: which offsets θ of a clock are possible at a reading, from anchors and a bounded rate.

θ = L - t is the offset (seconds) at the unwrapped reading U (seconds). An anchor says lo <= θ <= hi at its U. In one
piece the rate of θ lies in [b0, b1], so an anchor at U_i bounds θ everywhere:

    lo(U) = max_i lo_i + b0·(U-U_i) for U >= U_i,  lo_i + b1·(U-U_i) for U < U_i        (hi likewise, min, b1 and b0)

Four running maxima over anchors sorted by U give it exactly in O(n log n).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from timeline.clocks.evidence import Floats


@dataclass(frozen=True, slots=True)
class Rate:
    """Bounds on the rate of the offset, in seconds per second (1e-6 = 1 ppm)."""

    low: float
    high: float


@dataclass(slots=True)
class Band:
    """A band over U. `support` is the span of U in which anchors hold θ from both sides."""

    lower_u: Floats
    lower_lo: Floats
    upper_u: Floats
    upper_hi: Floats
    rate: Rate
    margin_s: float
    outside_rate: float
    """Additional rate beyond the span of two-sided anchors."""
    support: tuple[float, float]

    @property
    def is_bounded(self) -> bool:
        """Whether θ has a lower and an upper bound at all."""
        return len(self.lower_u) > 0 and len(self.upper_u) > 0

    def at(self, u: Floats) -> tuple[Floats, Floats]:
        """(lowest, highest) θ in seconds at each reading of `u`; infinite where nothing bounds it."""
        low = _lower_envelope(self.lower_u, self.lower_lo, u, self.rate.low, self.rate.high)
        high = -_lower_envelope(self.upper_u, -self.upper_hi, u, -self.rate.high, -self.rate.low)
        outside = np.maximum(self.support[0] - u, 0) + np.maximum(u - self.support[1], 0)
        slack = self.margin_s + self.outside_rate * np.where(np.isfinite(outside), outside, 0)
        return low - slack, high + slack


def _lower_envelope(at: Floats, value: Floats, u: Floats, rate_after: float, rate_before: float) -> Floats:
    """Max over anchors of value + rate_after·d (d >= 0) and value + rate_before·d (d < 0); -inf without anchors."""
    result = np.full(len(u), -np.inf)
    if len(at) == 0:
        return result
    after = np.maximum.accumulate(value - rate_after * at)
    before = np.maximum.accumulate((value - rate_before * at)[::-1])[::-1]
    index = np.searchsorted(at, u, side="right")
    has_earlier = index > 0
    result[has_earlier] = after[index[has_earlier] - 1] + rate_after * u[has_earlier]
    has_later = index < len(at)
    later = before[index[has_later]] + rate_before * u[has_later]
    result[has_later] = np.maximum(result[has_later], later)
    return result


def make_band(
    u: Floats,
    low: Floats,
    high: Floats,
    rate: Rate,
    *,
    margin_s: float,
    outside_rate: float,
) -> Band:
    """The band of anchors at `u` with bounds `low` <= θ <= `high` (infinite where one-sided)."""
    order = np.argsort(u, kind="stable")
    u, low, high = u[order], low[order], high[order]
    has_low, has_high = np.isfinite(low), np.isfinite(high)
    both = has_low & has_high
    support = (-np.inf, np.inf)
    if both.sum() >= 2:
        support = (float(u[both][0]), float(u[both][-1]))
    elif has_low.any() and has_high.any():
        support = (
            float(max(u[has_low][0], u[has_high][0])),
            float(min(u[has_low][-1], u[has_high][-1])),
        )
        if support[0] > support[1]:
            support = (support[1], support[0])
    return Band(u[has_low], low[has_low], u[has_high], high[has_high], rate, margin_s, outside_rate, support)


def mean_rate(u: Floats, low: Floats, high: Floats, *, limit: float = 100e-6) -> Rate:
    """Bounds on the mean rate of θ between any two moments of the span that the anchors cover.

    Anchors are gathered into spans of U (their bounds moved to the middle of the span with the rate known so far), then
    every pair of spans bounds the rate: (lo_j - hi_i)/d <= β <= (hi_j - lo_i)/d. Three rounds, each with the last one's
    bounds. Without contradiction only; where spans contradict each other, the limits that contradict come back swapped.
    """
    bounds = Rate(-limit, limit)
    if len(u) < 2 or np.ptp(u) < 60:
        return bounds
    edges = np.linspace(float(u.min()), float(u.max()), 61)
    centres = (edges[:-1] + edges[1:]) / 2
    span = np.clip(np.searchsorted(edges, u, side="right") - 1, 0, 59)
    for _round in range(3):
        middle, half = (bounds.low + bounds.high) / 2, max((bounds.high - bounds.low) / 2, 0.0)
        distance = centres[span] - u
        lows, highs = np.full(60, -np.inf), np.full(60, np.inf)
        np.maximum.at(lows, span, low + middle * distance - half * np.abs(distance))
        np.minimum.at(highs, span, high + middle * distance + half * np.abs(distance))
        gap = centres[None, :] - centres[:, None]
        use = gap > 0
        with np.errstate(invalid="ignore", divide="ignore"):
            at_most = np.where(
                use & np.isfinite(highs)[None, :] & np.isfinite(lows)[:, None],
                (highs[None, :] - lows[:, None]) / gap,
                np.inf,
            )
            at_least = np.where(
                use & np.isfinite(lows)[None, :] & np.isfinite(highs)[:, None],
                (lows[None, :] - highs[:, None]) / gap,
                -np.inf,
            )
        bounds = Rate(max(-limit, float(at_least.max())), min(limit, float(at_most.min())))
        if bounds.low > bounds.high:
            return bounds
    return bounds
