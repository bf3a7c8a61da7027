"""Order between two records: certain where their intervals are apart, where one log holds both, else open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from timeline.clocks.evidence import ClockCase, Pair
    from timeline.clocks.solution import Solution

Order = Literal["before", "after", "undeterminable"]
Ground = Literal["intervals", "log", "link", "relative", "missing", "overlap"]


RELATIVE_MARGIN_S = 0.5
LOOSE_ORDER = ("evtx", "usnjrnl")
"""Formats whose lines may stand up to 5 s out of order: the time is taken before the place in the log."""


@dataclass(frozen=True, slots=True)
class OrderAnswer:
    """Whether A came before B, and on what ground it is said."""

    order: Order
    ground: Ground


def pair_order(solution: Solution, pair: Pair) -> OrderAnswer:
    """The order of a pair."""
    if pair.a is None or pair.b is None:
        return OrderAnswer("undeterminable", "missing")
    return order_of(solution, pair.a, pair.b)


def order_of(solution: Solution, a: tuple[int, int], b: tuple[int, int]) -> OrderAnswer:
    """The order of two records, each (source index, row)."""
    a, b = _first_delivery(solution.case, a), _first_delivery(solution.case, b)
    if a == b:
        return OrderAnswer("undeterminable", "overlap")
    in_log = _log_order(solution.case, a, b)
    if in_log is not None:
        return OrderAnswer(in_log, "log")
    low_a, high_a = solution.low[a[0]][a[1]], solution.high[a[0]][a[1]]
    low_b, high_b = solution.low[b[0]][b[1]], solution.high[b[0]][b[1]]
    if np.isfinite(high_a) and np.isfinite(low_b) and high_a < low_b:
        return OrderAnswer("before", "intervals")
    if np.isfinite(high_b) and np.isfinite(low_a) and high_b < low_a:
        return OrderAnswer("after", "intervals")
    linked, back = _linked(solution.case, a, b), _linked(solution.case, b, a)
    if linked != back:
        return OrderAnswer("before" if linked else "after", "link")
    if not (np.isfinite(low_a + high_a) or np.isfinite(low_b + high_b)):
        relative = _relative_order(solution, a, b)
        if relative is not None:
            return OrderAnswer(relative, "relative")
    return OrderAnswer("undeterminable", "overlap")


def _relative_order(solution: Solution, a: tuple[int, int], b: tuple[int, int]) -> Order | None:
    """The order of two records whose clocks are tied only to each other, in the time of one of them."""
    names = solution.case.sources[a[0]].clock, solution.case.sources[b[0]].clock
    if a[0] in solution.zone_unknown or b[0] in solution.zone_unknown:
        return None
    for name in dict.fromkeys(names):
        frame = solution.frame(name)
        if frame is None:
            continue
        others = [view.answer for key, view in frame.views.items() if key != name and view.answer is not None]
        tied = [answer for answer in others if answer.anchored]
        # A step of either clock would show as a break between them.
        if not tied or any(answer.cost > 0 or len(answer.pieces) > 1 or answer.steps for answer in tied):
            continue
        bounds = []
        for source, row in (a, b):
            view = frame.views[solution.case.sources[source].clock]
            stamp = view.first[source] + row
            bounds.append((float(view.low[stamp]), float(view.high[stamp])))
        (low_a, high_a), (low_b, high_b) = bounds
        if np.isfinite(high_a) and np.isfinite(low_b) and high_a + RELATIVE_MARGIN_S < low_b:
            return "before"
        if np.isfinite(high_b) and np.isfinite(low_a) and high_b + RELATIVE_MARGIN_S < low_a:
            return "after"
    return None


def _first_delivery(case: ClockCase, at: tuple[int, int]) -> tuple[int, int]:
    """Deliveries of one line are one event."""
    source = case.sources[at[0]]
    return (at[0], int(source.duplicates[at[1]])) if at[1] < len(source.duplicates) else at


def _linked(case: ClockCase, a: tuple[int, int], b: tuple[int, int]) -> bool:
    """Whether links, and the order inside logs between them, lead from `a` to `b`.

    Windows logs are not used on the way: their lines may stand 5 s out of order.
    """
    if not case.links:
        return False
    ordered = [source.order == "append" and source.format not in LOOSE_ORDER for source in case.sources]
    leaving: dict[int, list[tuple[int, tuple[int, int]]]] = {}
    for link in case.links:
        if link.same:
            continue
        leaving.setdefault(link.before[0], []).append((link.before[1], link.after))
    reached: set[tuple[int, int]] = {a}
    earliest: dict[int, int] = {}
    waiting = [a]
    while waiting:
        source, row = waiting.pop()
        if (source, row) == b and (source, row) != a:
            return True
        if ordered[source]:
            if source == b[0] and row < b[1]:
                return True
            if earliest.get(source, row + 1) <= row:
                continue  # everything after this line has been followed
            earliest[source] = row
        for at, after in leaving.get(source, ()):
            follows = at >= row if ordered[source] else at == row
            if follows and after not in reached:
                reached.add(after)
                waiting.append(after)
    return False


def _log_order(case: ClockCase, a: tuple[int, int], b: tuple[int, int]) -> Order | None:
    """The order of two lines of one log that is written in order.

    Windows logs may stand up to 5 s out of order: there the readings must be further apart and agree with the order,
    or, where the reading goes back, the lines more than 3 records apart.
    """
    source = case.sources[a[0]]
    if a[0] != b[0] or source.order != "append":
        return None
    first, second = min(a[1], b[1]), max(a[1], b[1])
    if source.format in LOOSE_ORDER:
        difference = float(source.reading_s[second] - source.reading_s[first])
        if not np.isfinite(difference) or abs(difference) <= 5:
            return None
        if difference < 0 and _records_between(source.names[first], source.names[second], second - first) <= 3:
            return None
    return "before" if a[1] == first else "after"


def _records_between(first: object, second: object, lines: int) -> int:
    """How many RecordIDs lie between two lines (lines, where records are named otherwise)."""
    return second - first if isinstance(first, int) and isinstance(second, int) else lines
