"""Order in one log: lines in order of writing have true times in that order.

Of the possible intervals of every line those are dropped that no order allows. Where lines contradict each other, the
heaviest set that can be in order is kept (a weighted longest non-decreasing subsequence); the others are freed: their
reading tells nothing, their place in the log does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from timeline.clocks.anchors import Stamps
    from timeline.clocks.clock_solver import Intervals
    from timeline.clocks.evidence import Bools, Floats, Ints

OWN_ANCHOR_WEIGHT = 2.0
MAX_INVOLVED = 200_000


@dataclass(slots=True)
class LogOrder:
    """What the order of one log says."""

    dropped: Ints
    """Indices of intervals that the order excludes."""
    freed: Ints
    """Stamps whose reading contradicts the order."""
    freed_low: Floats
    freed_high: Floats
    doubtful: Ints
    """Stamps that fit, but whose group is not much heavier than the freed ones it contradicts."""
    doubtful_low: Floats
    doubtful_high: Floats


def _nothing(dropped: Ints) -> LogOrder:
    none, empty = np.zeros(0, np.int64), np.zeros(0)
    return LogOrder(dropped, none, empty, empty, none, empty, empty)


def order_log(
    rows: Ints, intervals: Intervals, stamps: Stamps, own_low: Floats, own_high: Floats, disorder: float
) -> LogOrder:
    """Apply the order of one log to the intervals of its stamps (`rows`, in order of writing)."""
    place = np.full(stamps.size, -1, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    at = np.flatnonzero(place[intervals.stamp] >= 0)
    at = at[(intervals.high[at] >= own_low[intervals.stamp[at]]) & (intervals.low[at] <= own_high[intervals.stamp[at]])]
    position = place[intervals.stamp[at]]
    low = np.maximum(intervals.low[at], own_low[intervals.stamp[at]])
    high = np.minimum(intervals.high[at], own_high[intervals.stamp[at]])
    alive = np.isfinite(low) | np.isfinite(high)
    alive = _pruned(position, low, high, alive, len(rows), disorder)
    involved = _involved(position, low, high, alive, len(rows), disorder)
    if involved is None:
        return _nothing(at[~alive])
    pinned = np.isfinite(own_low[rows]) & np.isfinite(own_high[rows]) & (own_high[rows] - own_low[rows] < 60)
    keep, chosen_mid = _heaviest(position, low, high, alive, involved, pinned, disorder)
    freed_places = np.flatnonzero(involved & ~keep)
    used = keep | ~involved
    inside = alive & used[position]
    inside = _pruned(position, low, high, inside, len(rows), disorder) if inside.any() else inside
    first, last = _hull(position, low, high, inside, len(rows))
    before = np.maximum.accumulate(np.where(np.isfinite(first) & used, first, -np.inf))
    after = np.minimum.accumulate(np.where(np.isfinite(last) & used, last, np.inf)[::-1])[::-1]
    freed_low, freed_high = before[freed_places] - disorder, after[freed_places] + disorder
    doubtful, doubtful_low, doubtful_high = _doubtful(
        freed_places, keep, chosen_mid, pinned, before, after, position, low, high, alive
    )
    return LogOrder(
        dropped=at[~(inside | ~used[position])],
        freed=rows[freed_places],
        freed_low=np.minimum(freed_low, freed_high),
        freed_high=np.maximum(freed_low, freed_high),
        doubtful=rows[doubtful],
        doubtful_low=doubtful_low,
        doubtful_high=doubtful_high,
    )


def _hull(position: Ints, low: Floats, high: Floats, alive: Bools, count: int) -> tuple[Floats, Floats]:
    first, last = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(first, position[alive], low[alive])
    np.maximum.at(last, position[alive], high[alive])
    return first, last


def _pruned(position: Ints, low: Floats, high: Floats, alive: Bools, count: int, disorder: float) -> Bools:
    """Drop intervals that end before an earlier line can begin, or begin after a later line must have ended.

    A line never loses its last interval here: contradictions are settled elsewhere.
    """
    for _round in range(6):
        first, last = _hull(position, low, high, alive, count)
        has = first <= last
        earliest = np.maximum.accumulate(np.where(has, first, -np.inf))
        latest = np.minimum.accumulate(np.where(has, last, np.inf)[::-1])[::-1]
        earliest = np.concatenate([[-np.inf], earliest[:-1]])
        latest = np.concatenate([latest[1:], [np.inf]])
        excluded = alive & ((high < earliest[position] - disorder - 0.01) | (low > latest[position] + disorder + 0.01))
        if not excluded.any():
            return alive
        left = np.bincount(position[alive & ~excluded], minlength=count)
        excluded &= left[position] > 0
        if not excluded.any():
            return alive
        alive = alive & ~excluded
    return alive


def _involved(position: Ints, low: Floats, high: Floats, alive: Bools, count: int, disorder: float) -> Bools | None:
    """Lines that contradict another line, whichever of their intervals is true; None where there are none."""
    first, last = _hull(position, low, high, alive, count)
    has = first <= last
    earliest = np.maximum.accumulate(np.where(has, first, -np.inf))
    latest = np.minimum.accumulate(np.where(has, last, np.inf)[::-1])[::-1]
    slack = disorder + 0.01
    bad = has & (
        (last < np.concatenate([[-np.inf], earliest[:-1]]) - slack)
        | (first > np.concatenate([latest[1:], [np.inf]]) + slack)
    )
    return bad if bad.any() else None


def _heaviest(
    position: Ints, low: Floats, high: Floats, alive: Bools, involved: Bools, pinned: Bools, disorder: float
) -> tuple[Bools, Floats]:
    """(lines of the heaviest set in order, the middle of the interval each takes) among the involved lines."""
    use = np.flatnonzero(alive & involved[position] & np.isfinite(low) & np.isfinite(high))[:MAX_INVOLVED]
    middle = (low[use] + high[use]) / 2
    order = np.lexsort((-middle, position[use]))  # of one line at most one interval: the later ones first
    use, middle = use[order], middle[order]
    ranks = np.unique(middle)
    size = len(ranks)
    best_weight = [0.0] * (size + 1)
    best_item = [-1] * (size + 1)
    rank_up_to = np.searchsorted(ranks, middle + disorder, side="right")
    rank_own = np.searchsorted(ranks, middle) + 1
    back = np.full(len(use), -1, dtype=np.int64)
    weights = np.zeros(len(use))
    own_weight = 1.0 + OWN_ANCHOR_WEIGHT * pinned[position[use]]
    pending: list[tuple[int, float, int]] = []
    current = -1
    for item in range(len(use)):
        if position[use[item]] != current:
            for rank, weight, which in pending:
                _raise(best_weight, best_item, rank, weight, which)
            pending, current = [], int(position[use[item]])
        index, weight, which = int(rank_up_to[item]), 0.0, -1
        while index > 0:
            if best_weight[index] > weight:
                weight, which = best_weight[index], best_item[index]
            index -= index & -index
        weights[item] = weight + own_weight[item]
        back[item] = which
        pending.append((int(rank_own[item]), float(weights[item]), item))
    keep = np.zeros(len(involved), dtype=np.bool_)
    chosen = np.full(len(involved), np.nan)
    at = int(np.argmax(weights)) if len(use) else -1
    while at >= 0:
        keep[position[use[at]]] = True
        chosen[position[use[at]]] = middle[at]
        at = int(back[at])
    return keep, chosen


def _raise(best_weight: list[float], best_item: list[int], rank: int, weight: float, which: int) -> None:
    while rank < len(best_weight):
        if weight > best_weight[rank]:
            best_weight[rank], best_item[rank] = weight, which
        rank += rank & -rank


def _doubtful(
    freed: Ints,
    keep: Bools,
    chosen: Floats,
    pinned: Bools,
    before: Floats,
    after: Floats,
    position: Ints,
    low: Floats,
    high: Floats,
    alive: Bools,
) -> tuple[Ints, Floats, Floats]:
    """Kept lines without own anchors that contradict a run of freed lines nearly as heavy as they are."""
    none = np.zeros(0, np.int64), np.zeros(0), np.zeros(0)
    if not len(freed):
        return none
    kept = np.flatnonzero(keep)
    middle = np.full(len(keep), np.nan)
    first, last = _hull(position, low, high, alive, len(keep))
    finite = np.isfinite(first) & np.isfinite(last)
    middle[finite] = (first[finite] + last[finite]) / 2
    places: list[int] = []
    lows: list[float] = []
    highs: list[float] = []
    for run in np.split(freed, np.flatnonzero(np.diff(freed) > 1) + 1):
        lowest, highest = np.nanmin(middle[run], initial=np.inf), np.nanmax(middle[run], initial=-np.inf)
        against = kept[((kept < run[0]) & (chosen[kept] > lowest)) | ((kept > run[-1]) & (chosen[kept] < highest))]
        weight = len(against) + OWN_ANCHOR_WEIGHT * pinned[against].sum()
        if pinned[against].any() or weight >= 3 * (len(run) + OWN_ANCHOR_WEIGHT * pinned[run].sum()):
            continue
        for place in against:
            places.append(int(place))
            lows.append(float(before[place - 1]) if place and place > run[-1] else float(before[max(place - 1, 0)]))
            highs.append(float(after[min(place + 1, len(after) - 1)]))
            if place < run[0]:
                lows[-1] = min(lows[-1], float(lowest) - 1)
            else:
                highs[-1] = max(highs[-1], float(highest) + 1)
    return np.array(places, np.int64), np.array(lows), np.array(highs)
