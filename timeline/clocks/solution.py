"""All clocks of a case together: which sources to believe, clocks tied to clocks, every record's interval."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from timeline.clocks.anchors import READING_PRICE, SYNCHRONISED_S, Anchors, Origin, Stamps
from timeline.clocks.clock_solver import ClockAnswer, ClockSolver, ClockTask
from timeline.clocks.evidence import Clock
from timeline.clocks.pairs import LOOSE_ORDER
from timeline.clocks.steps import merge_steps
from timeline.clocks.zone_layer import zone_shifts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from timeline.clocks.evidence import ClockCase, Floats, Ints, RecordName, Source

Status = Literal["corrected", "uncorrected", "unknown"]
PairOrder = Literal["before", "after", "undeterminable"]
ACCUSATION_COST = 4.0
WORTH_ASKING = 4.0
SUSPICIOUS_SHARE = 0.25
RIVAL_COST = 2.0
EVTX_DISORDER_S = 5.0
MAX_ACCUSED = 3
SMOOTH_SHARE = 0.25
"""A wrong clock may lie now and then as well: its own cost per anchor, up to which it still counts as smooth."""


@dataclass(slots=True)
class ClockView:
    """One clock in one hypothesis: its stamps, and their answer (None where it is held to be right)."""

    name: str
    stamps: Stamps
    first: dict[int, int]
    """Source index -> stamp of its row 0."""
    dates: dict[tuple[int, int], int]
    """(source, row) of an HTTP exchange -> stamp of its `Date`, where this clock wrote it."""
    anchors: Anchors
    answer: ClockAnswer | None = None
    low: Floats = field(default_factory=lambda: np.zeros(0))
    high: Floats = field(default_factory=lambda: np.zeros(0))


@dataclass(slots=True)
class Hypothesis:
    """The answers when the `accused` clocks are not believed to be synchronised."""

    accused: frozenset[str]
    views: dict[str, ClockView]
    cost: float


@dataclass(frozen=True, slots=True)
class RecordResult:
    """The answer for one record."""

    source: int
    row: int
    record: RecordName
    earliest_ns: int | None
    latest_ns: int | None
    best_ns: int | None
    status: Status


@dataclass(slots=True)
class Solution:
    """Everything that was found out about a case."""

    case: ClockCase
    main: Hypothesis
    rivals: list[Hypothesis]
    zone_shifts: Mapping[int, float]
    """Source index -> seconds by which its zone was wrong (subtracted from its readings)."""
    zone_unknown: frozenset[int]
    """Sources without zone whose offset nothing tells."""
    low: list[Floats]
    """For each source: earliest true time of every row, seconds from origin; -inf: unknown."""
    high: list[Floats]
    best: list[Floats]
    _frames: dict[str, Hypothesis | None] = field(default_factory=dict)

    def frame(self, name: str) -> Hypothesis | None:
        """All clocks in the time of an unknown clock `name` taken as right; None where it cannot serve as a frame.

        Order between clocks that are tied only to each other is the same in any frame whose clock was never set.
        """
        if name not in self._frames:
            self._frames[name] = _frame(self.case, self.zone_shifts, name, self.main)
        return self._frames[name]

    def status(self, source: int, row: int) -> Status:
        """Whether a record was corrected, held to be right, or is unknown."""
        if not (np.isfinite(self.low[source][row]) and np.isfinite(self.high[source][row])):
            return "unknown"
        view = self.main.views[self.case.sources[source].clock]
        return "uncorrected" if view.answer is None and source not in self.zone_shifts else "corrected"

    def records(self) -> Iterator[RecordResult]:
        """Every record of every source, in their order."""
        for index, source in enumerate(self.case.sources):
            for row, name in enumerate(source.names):
                status = self.status(index, row)
                if status == "unknown":
                    yield RecordResult(index, row, name, None, None, None, status)
                    continue
                best = self.best[index][row]
                yield RecordResult(
                    index,
                    row,
                    name,
                    self._ns(self.low[index][row]),
                    self._ns(self.high[index][row]),
                    self._ns(best) if np.isfinite(best) else None,
                    status,
                )

    def _ns(self, seconds: float) -> int:
        return self.case.origin_ns + round(float(seconds) * 1e9)


def _stamps(case: ClockCase, name: str, shifts: Mapping[int, float]) -> ClockView:
    """All stamps of a clock: its records, and its times inside records of other clocks."""
    readings, others, resolutions, sources, rows, logs = [], [], [], [], [], []
    first: dict[int, int] = {}
    total = 0
    for index, source in enumerate(case.sources):
        if source.clock != name:
            continue
        first[index] = total
        shift = shifts.get(index, 0.0)
        readings.append(source.reading_s - shift)
        others.append(source.other_s - shift)
        resolutions.append(source.resolution_s)
        sources.append(np.full(source.size, index, np.int64))
        rows.append(np.arange(source.size, dtype=np.int64))
        # A later delivery of a line does not stand where it was written.
        written = (source.order == "append") & (source.duplicates == np.arange(source.size))
        logs.append(np.where(written, index, -1).astype(np.int64))
        total += source.size
    dates: dict[tuple[int, int], int] = {}
    extra: list[tuple[float, float]] = []
    for index, source in enumerate(case.sources):
        for reply in source.replies:
            if source.clock != name and case.http_hosts.get(reply.host) == name:
                dates[index, reply.row] = total + len(extra)
                extra.append((reply.date_s, 1.0))
    extra += [(reading.shown_s, reading.resolution_s) for reading in case.readings if reading.clock == name]
    values = np.array([one[0] for one in extra])
    stamps = Stamps(
        np.concatenate([*readings, values]),
        np.concatenate([*others, np.full(len(extra), np.nan)]),
        np.concatenate([*resolutions, np.array([one[1] for one in extra])]),
        np.concatenate([*sources, np.full(len(extra), -1, np.int64)]).astype(np.int64),
        np.concatenate([*rows, np.arange(len(extra))]).astype(np.int64),
        np.concatenate([*logs, np.full(len(extra), -1, np.int64)]).astype(np.int64),
    )
    return ClockView(name, stamps, first, dates, Anchors())


class _Solver:
    """Solves the clocks of a case under one hypothesis about which declarations hold."""

    def __init__(self, case: ClockCase, shifts: Mapping[int, float], accused: frozenset[str]) -> None:
        self.case = case
        self.shifts = shifts
        self.views = {name: _stamps(case, name, shifts) for name in case.clocks}
        self.accused = accused
        self.solved: set[str] = set()
        for name, clock in case.clocks.items():
            if clock.declared == "synchronised" and name not in accused:
                view = self.views[name]
                self._hold_right(view)
                self.solved.add(name)

    def _hold_right(self, view: ClockView) -> None:
        stamps = view.stamps
        view.low = np.fmin(stamps.reading_s, stamps.other_s) - SYNCHRONISED_S
        view.high = np.fmax(stamps.reading_s, stamps.other_s) + stamps.resolution_s + SYNCHRONISED_S
        nothing = np.isnan(view.low)
        view.low[nothing], view.high[nothing] = -np.inf, np.inf
        for log in np.unique(stamps.log[stamps.log >= 0]):
            rows = np.flatnonzero((stamps.log == log) & np.isfinite(view.low))
            view.low[rows] = _settled(view.low[rows], view.high[rows], stamps.other_s[rows], stamps.reading_s[rows])[0]
            view.high[rows] = _settled(view.low[rows], view.high[rows], stamps.other_s[rows], stamps.reading_s[rows])[1]

    def solve(self) -> Hypothesis:
        """All clocks: most readings first, then those with most anchors to clocks already solved."""
        cost = 0.0
        waiting = [name for name in self.case.clocks if name not in self.solved]
        readings = {name: sum(one.clock == name for one in self.case.readings) for name in waiting}
        while waiting:
            for name in waiting:
                self.views[name].anchors = self._anchors(name)
            ranked = sorted(waiting, key=lambda name: self._rank(name, readings[name]))
            chosen = ranked[0]
            cost += self._solve_one(chosen)
            waiting.remove(chosen)
        return Hypothesis(self.accused, self.views, cost + ACCUSATION_COST * len(self.accused))

    def _rank(self, name: str, readings: int) -> tuple[int, int, int]:
        anchors = self.views[name].anchors
        return -readings, -_pin_count(anchors), -anchors.size

    def _solve_one(self, name: str) -> float:
        view, case = self.views[name], self.case
        logs = [
            (index, source.changes, source.standstills)
            for index, source in enumerate(case.sources)
            if source.clock == name and (source.changes or source.standstills)
        ]
        steps = merge_steps(logs)
        disorder = {
            index: EVTX_DISORDER_S if source.format in LOOSE_ORDER else 0.0
            for index, source in enumerate(case.sources)
            if source.clock == name and source.order == "append"
        }
        starts = {
            index: np.array(source.boots, dtype=np.int64)
            for index, source in enumerate(case.sources)
            if source.clock == name and source.boots
        }
        uptimes = {
            index: source.uptimes
            for index, source in enumerate(case.sources)
            if source.clock == name and source.uptimes
        }
        task = ClockTask(name, view.stamps, view.anchors, steps, case.collected_s, disorder, starts, uptimes)
        answer = ClockSolver(task).solve()
        view.answer = answer
        view.low, view.high = answer.low, answer.high
        self.solved.add(name)
        return answer.cost

    def bounds(self, at: tuple[int, int]) -> tuple[float, float] | None:
        """(low, high) of a record of a solved clock."""
        source, row = at
        name = self.case.sources[source].clock
        if name not in self.solved:
            return None
        view = self.views[name]
        stamp = view.first[source] + row
        return float(view.low[stamp]), float(view.high[stamp])

    def _anchors(self, name: str) -> Anchors:
        """All anchors of a clock to true time and to clocks that are solved."""
        case, view = self.case, self.views[name]
        anchors = Anchors()
        number = len(view.stamps.reading_s) - sum(one.clock == name for one in case.readings)
        for reading in case.readings:
            if reading.clock == name:
                low = reading.reference_s - SYNCHRONISED_S
                high = reading.reference_s + reading.reference_resolution_s + SYNCHRONISED_S
                anchors.add(number, low, high, Origin("reading", -1, reading.index, ""), READING_PRICE)
                number += 1
        for index, source in enumerate(case.sources):
            if source.clock == name:
                self._own_anchors(anchors, view, index, source)
            elif source.clock in self.solved:
                self._date_anchors(anchors, view, index, source)
        self._link_anchors(anchors, view)
        for typed in case.typed:
            if case.sources[typed.at[0]].clock == name:
                origin = Origin("typed", typed.at[0], typed.at[1], "")
                anchors.add(view.first[typed.at[0]] + typed.at[1], typed.low_s, typed.high_s, origin, READING_PRICE)
        return anchors

    def _own_anchors(self, anchors: Anchors, view: ClockView, index: int, source: Source) -> None:
        first = view.first[index]
        for reply in source.replies:
            host = self.case.http_hosts.get(reply.host)
            if host is None or host not in self.solved or host == source.clock:
                continue
            server = self.views[host]
            stamp = server.dates.get((index, reply.row))
            if stamp is None:
                continue
            low, high = float(server.low[stamp]), float(server.high[stamp])
            duration = max(reply.response_s - float(source.reading_s[reply.row]), 0.0)
            if not np.isfinite(duration):
                continue
            origin = Origin("aged_reply" if reply.age else "exchange", index, reply.row, host)
            anchors.add(first + reply.row, low - duration - 1e-6, np.inf if reply.age else high, origin)
        self._receipt_anchors(anchors, view, index, source)

    def _receipt_anchors(self, anchors: Anchors, view: ClockView, index: int, source: Source) -> None:
        if not source.receipts:
            return
        first = view.first[index]
        earliest: dict[int, tuple[float, str]] = {}
        for row, received, who in source.receipts:
            kept = int(source.duplicates[row])
            if kept not in earliest or received < earliest[kept][0]:
                earliest[kept] = (received, who)
        for row in range(source.size):
            found = earliest.get(int(source.duplicates[row]))
            if found is None:
                continue
            reference = "" if found[1] == "op2" else found[1]
            high = found[0] + 1 + SYNCHRONISED_S
            anchors.add(first + row, -np.inf, high, Origin("receipt", index, row, reference))

    def _date_anchors(self, anchors: Anchors, view: ClockView, index: int, source: Source) -> None:
        """Bounds on this clock's `Date` stamps from the client's solved times."""
        for reply in source.replies:
            stamp = view.dates.get((index, reply.row))
            if stamp is None:
                continue
            bounds = self.bounds((index, reply.row))
            if bounds is None:
                continue
            duration = max(reply.response_s - float(source.reading_s[reply.row]), 0.0)
            if not np.isfinite(duration):
                continue
            origin = Origin("aged_reply" if reply.age else "exchange", index, reply.row, source.clock)
            anchors.add(stamp, -np.inf if reply.age else bounds[0], bounds[1] + duration + 1e-6, origin)

    def _link_anchors(self, anchors: Anchors, view: ClockView) -> None:
        for link in self.case.links:
            for here, there, is_before in ((link.before, link.after, True), (link.after, link.before, False)):
                if self.case.sources[here[0]].clock != view.name or self.case.sources[there[0]].clock == view.name:
                    continue
                bounds = self.bounds(there)
                if bounds is None:
                    continue
                reference = self.case.sources[there[0]].clock
                origin = Origin("link", here[0], here[1], reference, there)
                stamp = view.first[here[0]] + here[1]
                if link.same:
                    origin = replace(origin, kind="same_event")
                    anchors.add(stamp, bounds[0] - link.slack_s, bounds[1] + link.slack_s, origin)
                elif is_before:
                    anchors.add(stamp, -np.inf, bounds[1], origin)
                else:
                    anchors.add(stamp, bounds[0], np.inf, origin)


def _settled(low: Floats, high: Floats, other: Floats, reading: Floats) -> tuple[Floats, Floats]:
    """Repeated hours of a right clock's log: its order tells most of them."""
    if not np.isfinite(other).any():
        return low, high
    span = np.abs(np.where(np.isfinite(other), other - reading, 0.0))
    earliest = np.maximum.accumulate(low)
    latest = np.minimum.accumulate(high[::-1])[::-1]
    later_half, earlier_half = low + span, high - span
    # The first reading is out if an earlier line is later than it; the second if a later line is earlier.
    low = np.where((earliest > earlier_half) & (span > 0), later_half, low)
    high = np.where((latest < later_half) & (span > 0), earlier_half, high)
    return np.minimum(low, high), np.maximum(low, high)


def _pin_count(anchors: Anchors) -> int:
    """Number of two-sided anchors."""
    low, high = np.array(anchors.low), np.array(anchors.high)
    return int((np.isfinite(low) & np.isfinite(high)).sum()) if anchors.size else 0


def _deviates(view: ClockView) -> bool:
    """Whether a clock, solved free of its declaration, is a smooth clock that is off for a tenth of its stamps."""
    answer = view.answer
    if answer is None or answer.chain_cost >= max(2.0, SMOOTH_SHARE * view.anchors.size):
        return False
    stamps = view.stamps
    finite = np.isfinite(answer.low) & np.isfinite(answer.high)
    if not finite.any():
        return False
    off = finite & (
        (answer.low > stamps.reading_s + stamps.resolution_s + SYNCHRONISED_S)
        | (answer.high < stamps.reading_s - SYNCHRONISED_S)
    )
    return int(off.sum()) >= 3 and off.sum() >= 0.1 * finite.sum()


def _suspicious(hypothesis: Hypothesis) -> bool:
    """Whether a wrong source could explain what was rejected: breaks, or a quarter of one source's anchors.

    A source that is wrong throughout is contradicted throughout, or contradicts the others throughout.
    """
    for view in hypothesis.views.values():
        answer = view.answer
        if answer is None:
            continue
        if len(answer.pieces) > 1:
            return True
        total: dict[str, int] = {}
        against: dict[str, int] = {}
        for index, origin in enumerate(view.anchors.origin):
            total[origin.reference] = total.get(origin.reference, 0) + 1
            if answer.contradicted[index]:
                against[origin.reference] = against.get(origin.reference, 0) + 1
        if any(number >= SUSPICIOUS_SHARE * total[name] for name, number in against.items()):
            return True
    return False


def _shown_wrong(case: ClockCase) -> frozenset[str]:
    """Clocks said to be synchronised that the examiner saw to be off."""
    return frozenset(
        reading.clock
        for reading in case.readings
        if case.clocks[reading.clock].declared == "synchronised"
        and (
            reading.shown_s - SYNCHRONISED_S * 2 > reading.reference_s + reading.reference_resolution_s
            or reading.shown_s + reading.resolution_s + SYNCHRONISED_S * 2 < reading.reference_s
        )
    )


@np.errstate(invalid="ignore")  # bounds that are infinite on both sides give NaN, which fits nothing
def solve(case: ClockCase) -> Solution:
    """Answer a clock case."""
    seen_wrong = _shown_wrong(case)
    shifts, unknown = zone_shifts(case, seen_wrong)
    main = _Solver(case, shifts, seen_wrong).solve()
    tried = [main]
    referenced = _referenced(case)
    path = main
    while _suspicious(main) and main.cost > WORTH_ASKING and len(path.accused) < len(seen_wrong) + MAX_ACCUSED:
        level: list[Hypothesis] = []
        for name, clock in case.clocks.items():
            if clock.declared == "synchronised" and name not in path.accused and name in referenced:
                level.append(_Solver(case, shifts, path.accused | {name}).solve())
        if not level:
            break
        level.sort(key=lambda one: one.cost)
        sound = [one for one in level if all(_deviates(one.views[name]) for name in one.accused - seen_wrong)]
        tried += sound
        better = [one for one in sound if one.cost < main.cost]
        # Where several clocks are wrong none of them looks smooth until the others are accused too.
        path = better[0] if better else level[0]
        if better:
            main = better[0]
        elif level[0].cost >= main.cost + ACCUSATION_COST:
            break
    rivals = [one for one in tried if one is not main and one.cost <= main.cost + RIVAL_COST]
    return _solution(case, main, rivals, shifts, unknown)


@np.errstate(invalid="ignore")
def _frame(case: ClockCase, shifts: Mapping[int, float], name: str, main: Hypothesis) -> Hypothesis | None:
    answer = main.views[name].answer
    if answer is None or answer.anchored or answer.steps or answer.jumps:
        return None
    clocks = {key: Clock(key, "synchronised" if key == name else "unknown") for key in case.clocks}
    framed = replace(case, clocks=clocks, collected_s=np.inf, readings=())
    return _Solver(framed, shifts, frozenset()).solve()


def _referenced(case: ClockCase) -> set[str]:
    """Clocks that other clocks are compared with."""
    names = set(case.http_hosts.values())
    for link in case.links:
        names |= {case.sources[link.before[0]].clock, case.sources[link.after[0]].clock}
    return names


def _solution(
    case: ClockCase,
    main: Hypothesis,
    rivals: list[Hypothesis],
    shifts: Mapping[int, float],
    unknown: frozenset[int],
) -> Solution:
    lows, highs, bests = [], [], []
    for index, source in enumerate(case.sources):
        low, high, best = _rows(main, index, source)
        for rival in rivals:
            other_low, other_high, _best = _rows(rival, index, source)
            low, high = np.minimum(low, other_low), np.maximum(high, other_high)
        if index in unknown:
            low, high = np.full(source.size, -np.inf), np.full(source.size, np.inf)
        high = np.minimum(high, np.where(low <= case.collected_s, case.collected_s, np.inf))
        lows.append(low)
        highs.append(high)
        bests.append(np.clip(best, low, high))
    return Solution(case, main, rivals, shifts, unknown, lows, highs, bests)


def _rows(hypothesis: Hypothesis, index: int, source: Source) -> tuple[Floats, Floats, Floats]:
    view = hypothesis.views[source.clock]
    span = slice(view.first[index], view.first[index] + source.size)
    low, high = view.low[span].copy(), view.high[span].copy()
    # Deliveries of the same event are one moment.
    first: Ints = source.duplicates
    if len(first) and (first != np.arange(len(first))).any():
        np.maximum.at(low, first, low.copy())
        np.minimum.at(high, first, high.copy())
        bad = low > high
        low[bad], high[bad] = view.low[span][bad], view.high[span][bad]
        low, high = low[first], high[first]
    middle = np.where(np.isfinite(low) & np.isfinite(high), (low + high) / 2, np.nan)
    return low, high, middle
