"""One clock: from its stamps, steps and anchors to an interval of true time for every stamp.

The steps of the method (docs/clocks.md): segments of logged steps, pins and the chain that keeps, rejects or breaks,
bands for each piece, candidates of every stamp (segment x piece x reading of a repeated hour), order in the logs,
and the hull of what is left. Where two explanations cost nearly the same, the hull of both.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from timeline.clocks.band import Band, Rate, make_band, mean_rate
from timeline.clocks.chain import BREAK_COST, RATE_MAX, Chain, Pin, best_chain, grouped
from timeline.clocks.log_order import LogOrder, order_log
from timeline.clocks.steps import Step, monotone_segments, segment_windows, unwrap_offsets
from timeline.clocks.wander import rate_stray

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from timeline.clocks.anchors import Anchors, Stamps
    from timeline.clocks.evidence import Bools, Floats, Ints, Uptime

MARGIN_S = 0.1
OUTSIDE_RATE = 15e-6
WINDOW_TOLERANCE_S = 0.05
STALE_S = 600.0
STALE_SLEEP_S = 5.0
NODES = 600
STRETCHES = 150
JUMP_BREAK_COST = 0.3
BOOT_BREAK_COST = 1.0
"""A break where the system was started in between: the hardware clock may have been wrong, or set."""
UPTIME_SLACK_S = 5.0
READING_BREAK_COST = 3.0
"""A break between the last record and the examiner's reading: nothing else speaks for it."""
STEP_BREAK_COST = 0.1
UNFIT_COST = 0.7
LATE_S = 3600.0
SOON_S = 600.0
MANY_RECEIPTS = 10
LATE_COST = 3.0
MAX_JUMPS = 200
MAX_SUBSET = 10


@dataclass(slots=True)
class ClockTask:
    """What is known of one clock."""

    name: str
    stamps: Stamps
    anchors: Anchors
    steps: list[Step]
    collected_s: float
    disorder_s: Mapping[int, float]
    """For each ordered log (source index): by how much readings may stand out of order without meaning anything."""
    boots: Mapping[int, Ints] = field(default_factory=dict)
    """Rows of starts of the system, by source index."""
    uptimes: Mapping[int, Sequence[Uptime]] = field(default_factory=dict)
    """What logs say of the time since the last start, by source index."""


@dataclass(slots=True)
class Piece:
    """A stretch between two inferred breaks, with the anchors that hold it."""

    pins: list[int]
    """Indices of its two-sided anchors."""
    first_segment: int
    last_segment: int
    starts_after: float
    ends_before: float
    bands: list[tuple[int, int, Band]] = field(default_factory=list)
    """(first segment, last segment, band)."""


@dataclass(slots=True)
class ClockAnswer:
    """Intervals of true time (seconds from origin) for every stamp; infinite where nothing bounds it."""

    low: Floats
    high: Floats
    best: Floats
    freed: Bools
    """Stamps whose interval comes from the order in a log alone."""
    segment: Ints
    """Index of the piece (of the main explanation); -1 where more than one is possible or none."""
    pieces: list[Piece]
    steps: list[Step]
    rate: Rate
    kept: Bools
    """Anchors that the answer uses."""
    contradicted: Bools
    """Anchors that it rejects: they fit neither the clock nor the other anchors."""
    cost: float
    chain_cost: float
    anchored: bool
    explanations: int
    jumps: list[tuple[int, int]]
    """(source, row) after which the readings of a log go back with no logged step."""
    uptime_breaks: list[tuple[int, int, float]] = field(default_factory=list)
    """(source, row, seconds): the clock gained so much on the uptime that the log tells, with no logged step."""


@dataclass(slots=True)
class _Candidates:
    stamp: Ints
    segment: Ints
    reading: Floats
    unwrapped: Floats
    resolution: Floats
    start: Ints


@dataclass(slots=True)
class _Pins:
    """Two-sided anchors in order of true time, with the candidate each stands on."""

    anchor: Ints
    u: Floats
    low: Floats
    high: Floats
    segment: Ints
    reading: Floats
    price: Floats
    t_low: Floats
    t_high: Floats


class ClockSolver:
    """Solves one `ClockTask`; `solve()` is the only entry."""

    def __init__(self, task: ClockTask) -> None:
        self.task = task
        self.stamps = task.stamps
        self.steps = [replace(step) for step in task.steps]
        anchors = task.anchors
        self.a_stamp = np.array(anchors.stamp, dtype=np.int64)
        self.a_low = np.array(anchors.low, dtype=np.float64)
        self.a_high = np.array(anchors.high, dtype=np.float64)
        self.a_price = np.array(anchors.price, dtype=np.float64)
        self.jumps: list[tuple[float, float, int, int]] = []
        first = {int(log): int(np.flatnonzero(self.stamps.source == log)[0]) for log in (*task.boots, *task.uptimes)}
        readings = [self.stamps.reading_s[first[log] + rows] for log, rows in task.boots.items()]
        self.boots = np.sort(np.concatenate(readings)) if readings else np.zeros(0)
        self.uptime_breaks = [one for log in task.uptimes for one in self._uptime_breaks(log, first[log])]
        self.segment_low = np.zeros(self.stamps.size, np.int64)
        self.segment_high = np.zeros(self.stamps.size, np.int64)
        self._logs = {
            int(log): np.flatnonzero(self.stamps.log == log) for log in np.unique(self.stamps.log) if log >= 0
        }

    def _uptime_breaks(self, log: int, first: int) -> list[tuple[float, float, float, int, int]]:
        """(reading, next reading, seconds the clock gained on the uptime, log, row): changes that no step explains."""
        starts = self.task.boots.get(log, np.zeros(0, np.int64))
        found = []
        for one, two in itertools.pairwise(sorted(self.task.uptimes[log], key=lambda each: each.row)):
            a, b = (float(self.stamps.reading_s[first + each.row]) for each in (one, two))
            if two.seconds < one.seconds or np.searchsorted(starts, one.row) < np.searchsorted(starts, two.row):
                continue  # the system was started in between
            logged = sum(step.size_s for step in self.steps if one.row < step.rows.get(log, -1) <= two.row)
            gained = (b - a) - (two.seconds - one.seconds) - logged
            if abs(gained) > UPTIME_SLACK_S + RATE_MAX * abs(two.seconds - one.seconds):
                found.append((min(a, b), max(a, b), gained, log, two.row))
        return found

    # --- segments ---------------------------------------------------------------------------------------------------

    def _assign_segments(self) -> None:
        """The range of segments of every stamp of an ordered log; all segments for the others."""
        count = len(self.steps) + 1
        stamps = self.stamps
        self.segment_low[:] = 0
        self.segment_high[:] = count - 1
        self._find_jumps()
        if count == 1:
            return
        window_low, window_high = segment_windows(self.steps)
        for log, rows in self._logs.items():
            forced = {
                int(np.searchsorted(stamps.row[rows], step.rows[log])): index + 1
                for index, step in enumerate(self.steps)
                if log in step.rows
            }

            def outside(k: int, rows: Ints = rows, forced: Mapping[int, int] = forced) -> Floats:
                cost = np.where(self._admitted(rows, window_low[k], window_high[k]), 0.0, 1.0)
                for position, segment in forced.items():
                    cost[position] = 0.0 if segment == k else 5.0
                return cost

            self.segment_low[rows], self.segment_high[rows] = monotone_segments(outside, len(rows), count)

    def _admitted(self, rows: Ints, low: float, high: float) -> Bools:
        stamps = self.stamps
        fits = np.isnan(stamps.reading_s[rows])
        for reading in (stamps.reading_s[rows], stamps.other_s[rows]):
            fits |= (reading + stamps.resolution_s[rows] >= low - WINDOW_TOLERANCE_S) & (
                reading <= high + WINDOW_TOLERANCE_S
            )
        return fits

    def _find_jumps(self) -> None:
        """Readings that go back in an ordered log."""
        self.jumps = []
        for log, rows in self._logs.items():
            reading = self.stamps.reading_s[rows]
            highest = np.fmax(reading, self.stamps.other_s[rows])
            if not len(reading):
                continue
            slack = self.task.disorder_s.get(log, 0.0) + 1.0
            back = np.flatnonzero(np.diff(highest) < -slack)
            self.jumps += [
                (float(reading[i]), float(reading[i + 1]), log, int(self.stamps.row[rows[i]])) for i in back[:MAX_JUMPS]
            ]

    def _candidates(self) -> _Candidates:
        """Every (stamp, segment, reading) that is possible, sorted by stamp."""
        stamps, count = self.stamps, len(self.steps) + 1
        offsets = unwrap_offsets(self.steps)
        window_low, window_high = segment_windows(self.steps)
        parts: list[tuple[Ints, Ints, Floats, Floats]] = []
        everything = np.arange(stamps.size, dtype=np.int64)
        covered = np.zeros(stamps.size, dtype=np.bool_)
        for strict in (True, False):
            for k in range(count):
                for reading in (stamps.reading_s, stamps.other_s):
                    mask = (self.segment_low <= k) & (k <= self.segment_high) & np.isfinite(reading)
                    if strict and count > 1:
                        mask &= (reading + stamps.resolution_s >= window_low[k] - WINDOW_TOLERANCE_S) & (
                            reading <= window_high[k] + WINDOW_TOLERANCE_S
                        )
                    elif not strict:
                        mask &= ~covered
                    at = everything[mask]
                    if len(at):
                        parts.append((at, np.full(len(at), k, np.int64), reading[at], reading[at] - offsets[k]))
            for at, _k, _l, _u in parts:
                covered[at] = True
        parts += self._stale(parts)
        stamp = np.concatenate([part[0] for part in parts]) if parts else np.zeros(0, np.int64)
        order = np.argsort(stamp, kind="stable")
        columns = [np.concatenate([part[i] for part in parts])[order] if parts else np.zeros(0) for i in range(1, 4)]
        stamp = stamp[order]
        return _Candidates(
            stamp=stamp,
            segment=columns[0].astype(np.int64),
            reading=columns[1],
            unwrapped=columns[2],
            resolution=stamps.resolution_s[stamp],
            start=np.searchsorted(stamp, np.arange(stamps.size + 1)),
        )

    def _stale(self, parts: Sequence[tuple[Ints, Ints, Floats, Floats]]) -> list[tuple[Ints, Ints, Floats, Floats]]:
        """Readings just before a standstill's step may have been taken after it, before the clock was put right."""
        extra: list[tuple[Ints, Ints, Floats, Floats]] = []
        for index, step in enumerate(self.steps):
            if not step.stood_still or step.size_s < 2:
                continue
            reach = STALE_SLEEP_S if step.evidence == "sleep and wake" else STALE_S
            for at, segment, reading, unwrapped in parts:
                mask = (segment == index) & (reading >= step.old_s - reach) & (reading <= step.old_s + 1)
                if mask.any():
                    extra.append((at[mask], segment[mask], reading[mask], unwrapped[mask] + step.size_s))
        return extra

    # --- pins -------------------------------------------------------------------------------------------------------

    def _pins(self, found: _Candidates, *, one_sided: bool) -> _Pins:
        """The anchors that make the chain: two-sided ones by true time, or all of them by reading."""
        both = np.isfinite(self.a_low) & np.isfinite(self.a_high)
        number = found.start[self.a_stamp + 1] - found.start[self.a_stamp]
        if one_sided:
            anchor = np.flatnonzero(number == 1)
        else:
            binding = self._binding(np.flatnonzero(~both & (number == 1)), found)
            anchor = np.concatenate([np.flatnonzero(both & (number > 0)), binding])
            anchor = anchor[np.argsort(self._moment(anchor), kind="stable")]
        chosen = self._choose(anchor, found)
        u = found.unwrapped[chosen]
        if one_sided:
            order = np.argsort(u, kind="stable")
            anchor, chosen, u = anchor[order], chosen[order], u[order]
        return _Pins(
            anchor=anchor,
            u=u,
            low=u - self.a_high[anchor],
            high=u + found.resolution[chosen] - self.a_low[anchor],
            segment=found.segment[chosen],
            reading=found.reading[chosen],
            price=self.a_price[anchor],
            t_low=self.a_low[anchor],
            t_high=self.a_high[anchor],
        )

    def _moment(self, anchor: Ints) -> Floats:
        """About when the stamps of anchors were written: bounds from one side are taken at their bound."""
        low, high = self.a_low[anchor], self.a_high[anchor]
        return np.where(
            np.isfinite(low) & np.isfinite(high), (low + high) / 2, np.where(np.isfinite(low), low, high - 1)
        )

    def _binding(self, anchor: Ints, found: _Candidates) -> Ints:
        """Of the bounds from one side those that bind most: in each stretch of time the best of either side."""
        if not len(anchor):
            return anchor
        when = self._moment(anchor)
        u = found.unwrapped[found.start[self.a_stamp[anchor]]]
        edges = np.linspace(float(when.min()), float(when.max()), STRETCHES + 1)
        stretch = np.searchsorted(edges, when)
        chosen: set[int] = set()
        for bound in (u - self.a_high[anchor], self.a_low[anchor] - u):
            use = np.flatnonzero(np.isfinite(bound))
            order = use[np.lexsort((-bound[use], stretch[use]))]
            chosen.update(order[np.unique(stretch[order], return_index=True)[1]].tolist())
        return anchor[np.array(sorted(chosen), dtype=np.int64)]

    def _choose(self, anchor: Ints, found: _Candidates) -> Ints:
        """For each anchor the candidate that it stands on: segments never go back in true time."""
        stamp = self.a_stamp[anchor]
        first = found.start[stamp]
        number = found.start[stamp + 1] - first
        chosen = first.copy()
        several = np.flatnonzero(number > 1)
        if not len(several):
            return chosen
        count = len(self.steps) + 1
        has = np.zeros((count, len(anchor)), dtype=np.bool_)
        for offset in range(int(number.max())):
            mask = number > offset
            has[found.segment[first[mask] + offset], np.flatnonzero(mask)] = True
        low, high = monotone_segments(lambda k: np.where(has[k], 0.0, 1.0), len(anchor), count)
        middle = self._moment(anchor)
        alone = (number == 1) & np.isfinite(self.a_low[anchor]) & np.isfinite(self.a_high[anchor])
        near = np.full(len(anchor), np.nan)
        if alone.any():
            theta = found.unwrapped[chosen[alone]] - middle[alone]
            at = np.searchsorted(middle[alone], middle).clip(0, alone.sum() - 1)
            near = theta[at]
        previous = np.nan
        for index in several:
            options = [
                first[index] + offset
                for offset in range(number[index])
                if low[index] <= found.segment[first[index] + offset] <= high[index]
            ] or [first[index] + offset for offset in range(number[index])]
            wanted = near[index] if np.isfinite(near[index]) else previous
            if np.isfinite(wanted):
                options.sort(key=lambda one: abs(found.unwrapped[one] - middle[index] - wanted))
            chosen[index] = options[0]
            previous = float(found.unwrapped[options[0]] - middle[index])
        return chosen

    def _chain(self, pins: _Pins) -> tuple[Chain, list[list[int]]]:
        """The cheapest chain over groups of pins, and the groups."""
        groups = grouped(pins.u, pins.low, pins.high, pins.segment.astype(np.float64), pins.price, NODES)
        nodes: list[Pin] = []
        for position, group in enumerate(groups):
            index = np.array(group)
            centre = float(np.median(pins.u[index]))
            slack = RATE_MAX * np.abs(pins.u[index] - centre)
            falling, breaking = READING_BREAK_COST, READING_BREAK_COST
            first = int(pins.anchor[group[0]])
            if position:
                falling, breaking = self._break_costs(pins, groups[position - 1][-1], group[0])
            nodes.append(
                Pin(
                    centre,
                    float((pins.low[index] - slack).max()),
                    float((pins.high[index] + slack).min()),
                    float(pins.price[index].sum()),
                    falling_break_cost=falling,
                    break_cost=READING_BREAK_COST if self.task.anchors.origin[first].kind == "reading" else BREAK_COST,
                    rising_break_cost=breaking,
                ),
            )
        return best_chain(nodes), groups

    def _break_costs(self, pins: _Pins, before: int, after: int) -> tuple[float, float]:
        """(falling, rising) price of a break between two pins."""
        low, high = int(pins.segment[before]), int(pins.segment[after])
        if high > low and any(step.stood_still is None for step in self.steps[low:high]):
            return STEP_BREAK_COST, READING_BREAK_COST
        a, b = pins.reading[before], pins.reading[after]
        if low == high and any(a <= jump[0] + 2 and b >= jump[1] - 2 and b <= jump[0] + 1e7 for jump in self.jumps):
            return JUMP_BREAK_COST, READING_BREAK_COST
        if low == high and any(a <= end and b >= start for start, end, _by, _log, _row in self.uptime_breaks):
            return JUMP_BREAK_COST, JUMP_BREAK_COST
        if low == high and len(self.boots) and np.searchsorted(self.boots, a) < np.searchsorted(self.boots, b):
            return BOOT_BREAK_COST, BOOT_BREAK_COST
        return READING_BREAK_COST, READING_BREAK_COST

    def _settle_steps(self, pins: _Pins, pieces: Ints) -> bool:
        """Whether pins on both sides tell that a clock was set or stood still at a step; True if it was learnt."""
        learnt = False
        kept = np.flatnonzero((pieces >= 0) & np.isfinite(pins.t_low) & np.isfinite(pins.t_high))
        for before, after in itertools.pairwise(kept):
            low, high = int(pins.segment[before]), int(pins.segment[after])
            open_steps = [step for step in self.steps[low:high] if step.stood_still is None]
            if not open_steps:
                continue
            slack = 1.0 + RATE_MAX * abs(pins.u[after] - pins.u[before])
            fall_low = pins.low[before] - pins.high[after] - slack
            fall_high = pins.high[before] - pins.low[after] + slack
            matches = [
                subset
                for number in range(min(len(open_steps), MAX_SUBSET) + 1)
                for subset in itertools.combinations(range(min(len(open_steps), MAX_SUBSET)), number)
                if fall_low <= sum(open_steps[i].size_s * (1 + 1e-4) for i in subset) <= fall_high
            ]
            if len(matches) == 1 and len(open_steps) <= MAX_SUBSET:
                for index, step in enumerate(open_steps):
                    step.stood_still = index in matches[0]
                    step.evidence = "anchors on both sides"
                    learnt = learnt or step.stood_still
        return learnt

    # --- pieces and bands -------------------------------------------------------------------------------------------

    def _pieces(self, pins: _Pins, decided: Ints) -> list[Piece]:
        count = int(decided.max()) + 1 if len(decided) else 0
        last_segment = len(self.steps)
        pieces: list[Piece] = []
        for number in range(count):
            members = np.flatnonzero(decided == number)
            pieces.append(
                Piece(members.tolist(), 0, last_segment, -np.inf, np.inf),
            )
        for one, two in itertools.pairwise(pieces):
            before, after = one.pins[-1], two.pins[0]
            low, high = int(pins.segment[before]), int(pins.segment[after])
            two.starts_after = float(pins.t_low[one.pins].max())
            one.ends_before = float(pins.t_high[two.pins].min())
            if high == low + 1:
                one.last_segment, two.first_segment = low, high
            elif high > low + 1:
                one.last_segment, two.first_segment = high - 1, low + 1
        return pieces or [Piece([], 0, last_segment, -np.inf, np.inf)]

    def _make_bands(self, piece: Piece, u: Floats, low: Floats, high: Floats, segment: Ints, rate: Rate) -> None:
        """Bands of a piece: one for each run of segments that no unexplained step divides."""
        barriers = [
            index
            for index, step in enumerate(self.steps)
            if step.stood_still is None and piece.first_segment <= index < piece.last_segment
        ]
        piece.bands = []
        start = piece.first_segment
        for end in [*barriers, piece.last_segment]:
            # Across an unexplained step upper bounds hold forward only, lower bounds backward only.
            lows = np.where(segment >= start, low, -np.inf)
            highs = np.where(segment <= end, high, np.inf)
            stretch = RATE_MAX * sum(max(step.size_s, 0.0) for step in self.steps[piece.first_segment : end])
            far = (segment < start) | (segment > end)
            piece.bands.append(
                (
                    start,
                    end,
                    make_band(
                        u,
                        np.where(far, lows - stretch, lows),
                        np.where(far, highs + stretch, highs),
                        rate,
                        margin_s=MARGIN_S,
                        outside_rate=OUTSIDE_RATE,
                    ),
                ),
            )
            start = end + 1

    def _final_rate(self, chain: Chain, pieces: list[Piece], anchors: Sequence[tuple[Floats, Floats, Floats]]) -> Rate:
        """Bounds of the rate: the mean rates that spans of anchors allow, widened by the wander that the pins show.

        `anchors`: (u, low, high) of the anchors of each piece.
        """
        span_low, span_high = -RATE_MAX, RATE_MAX
        stray = 0.0
        for _piece, (u, low, high) in zip(pieces, anchors, strict=True):
            both = np.flatnonzero(np.isfinite(low) & np.isfinite(high))
            if len(both) >= 2:
                order = both[np.argsort(u[both], kind="stable")]
                stray = max(stray, rate_stray(u[order], low[order], high[order]))
            mean = mean_rate(u, low, high)
            span_low, span_high = max(span_low, mean.low), min(span_high, mean.high)
        if span_low > span_high:  # the mean rates of parts differ: both are possible
            span_low, span_high = max(span_high, -RATE_MAX), min(span_low, RATE_MAX)
        half = min(max(chain.half_width, stray * 1.3), RATE_MAX)
        return Rate(max(span_low - half, -RATE_MAX), min(span_high + half, RATE_MAX))

    # --- everything -------------------------------------------------------------------------------------------------

    def solve(self) -> ClockAnswer:
        """The answer of this clock."""
        one_sided = False
        while True:
            for _round in range(4):
                self._assign_segments()
                found = self._candidates()
                pins = self._pins(found, one_sided=one_sided)
                if not one_sided and int((np.isfinite(pins.t_low) & np.isfinite(pins.t_high)).sum()) < 2:
                    one_sided = True
                    pins = self._pins(found, one_sided=True)
                chain, groups = self._chain(pins)
                decided = _spread(chain.pieces, groups, len(pins.anchor))
                if not self._settle_steps(pins, decided):
                    break
            break
        explanations = [decided]
        if chain.runner_up:
            explanations.append(_spread(chain.runner_up, groups, len(pins.anchor)))
        explanations += self._weak_breaks(pins, decided)
        answers = [self._explain(found, pins, chain, one) for one in explanations[:3]]
        answer = answers[0]
        for other in answers[1:]:
            answer.low = np.minimum(answer.low, other.low)
            answer.high = np.maximum(answer.high, other.high)
        answer.explanations = len(answers)
        return answer

    def _weak_breaks(self, pins: _Pins, decided: Ints) -> list[Ints]:
        """Explanations without an inferred piece that only a few stamps within a day speak for."""
        count = int(decided.max()) + 1 if len(decided) else 0
        others: list[Ints] = []
        for number in range(1, count - 1):
            members = np.flatnonzero(decided == number)
            if len(members) <= 6 and np.ptp(pins.u[members]) < 86400:
                origins = {self.task.anchors.origin[int(pins.anchor[i])].reference for i in members}
                if len(origins) == 1 and not self.jumps:
                    without = np.where(decided == number, -1, decided)
                    others.append(_joined(without, number))
        return others

    def _explain(self, found: _Candidates, pins: _Pins, chain: Chain, decided: Ints) -> ClockAnswer:
        """Intervals of every stamp under one explanation."""
        stamps = self.stamps
        pieces = self._pieces(pins, decided)
        kept = np.zeros(len(self.a_stamp), dtype=np.bool_)
        rejected = np.zeros(len(self.a_stamp), dtype=np.bool_)
        kept[pins.anchor[decided >= 0]] = True
        rejected[pins.anchor[decided < 0]] = True
        extra: list[list[tuple[float, float, float, int]]] = [[] for _ in pieces]
        one_sided = np.flatnonzero(~kept & ~rejected)
        for final in (False, True):
            held = [
                self._held(pins, piece, np.array(more).reshape(-1, 4))
                for piece, more in zip(pieces, extra, strict=True)
            ]
            rate = self._final_rate(chain, pieces, [one[:3] for one in held])
            for piece, (u, low, high, segment) in zip(pieces, held, strict=True):
                self._make_bands(piece, u, low, high, segment, rate)
            intervals = self._intervals(found, pieces)
            if final or not len(one_sided):
                break
            self._add_one_sided(found, intervals, one_sided, extra, kept, rejected)
        own_low, own_high = self._own_bounds(kept)
        orders = {
            log: order_log(rows, intervals, stamps, own_low, own_high, self.task.disorder_s.get(log, 0.0))
            for log, rows in self._logs.items()
        }
        return self._finish(intervals, orders, (own_low, own_high), (kept, rejected), pieces, rate, chain)

    @staticmethod
    def _held(pins: _Pins, piece: Piece, more: Floats) -> tuple[Floats, Floats, Floats, Ints]:
        """(u, low, high, segment) of everything that holds a piece: its pins, and bounds from one side."""
        members = np.array(piece.pins, dtype=np.int64)
        return (
            np.concatenate([pins.u[members], more[:, 0]]),
            np.concatenate([pins.low[members], more[:, 1]]),
            np.concatenate([pins.high[members], more[:, 2]]),
            np.concatenate([pins.segment[members], more[:, 3].astype(np.int64)]),
        )

    def _own_bounds(self, kept: Bools) -> tuple[Floats, Floats]:
        """(low, high) that the accepted anchors of each stamp itself give, and the collection."""
        low = np.full(self.stamps.size, -np.inf)
        high = np.full(self.stamps.size, self.task.collected_s)
        np.maximum.at(low, self.a_stamp[kept], self.a_low[kept])
        np.minimum.at(high, self.a_stamp[kept], self.a_high[kept])
        bad = low > high
        low[bad], high[bad] = -np.inf, self.task.collected_s
        return low, high

    def _intervals(self, found: _Candidates, pieces: list[Piece]) -> Intervals:
        """Every (stamp, candidate, piece) with its interval of true time, sorted by stamp."""
        parts: list[tuple[Ints, Floats, Floats, Ints]] = []
        for number, piece in enumerate(pieces):
            for first, last, band in piece.bands:
                mask = (found.segment >= first) & (found.segment <= last)
                at = np.flatnonzero(mask)
                if not len(at):
                    continue
                theta_low, theta_high = band.at(found.unwrapped[at])
                low = found.unwrapped[at] - theta_high
                high = found.unwrapped[at] + found.resolution[at] - theta_low
                fits = (high >= piece.starts_after) & (low <= piece.ends_before) & (low <= self.task.collected_s)
                fits &= ~(low > high)
                low, high = np.maximum(low, piece.starts_after), np.minimum(high, piece.ends_before)
                parts.append((found.stamp[at][fits], low[fits], high[fits], np.full(int(fits.sum()), number, np.int64)))
        if not parts:
            empty = np.zeros(0, np.int64)
            return Intervals(empty, np.zeros(0), np.zeros(0), empty)
        stamp = np.concatenate([part[0] for part in parts])
        order = np.argsort(stamp, kind="stable")
        return Intervals(
            stamp[order],
            np.concatenate([part[1] for part in parts])[order],
            np.concatenate([part[2] for part in parts])[order],
            np.concatenate([part[3] for part in parts])[order],
        )

    def _add_one_sided(
        self,
        found: _Candidates,
        intervals: Intervals,
        anchors: Ints,
        extra: list[list[tuple[float, float, float, int]]],
        kept: Bools,
        rejected: Bools,
    ) -> None:
        """Bounds from one side join the band of their piece where the stamp has only one candidate there."""
        start = np.searchsorted(intervals.stamp, np.arange(self.stamps.size + 1))
        for anchor in anchors:
            stamp = int(self.a_stamp[anchor])
            span = slice(int(start[stamp]), int(start[stamp + 1]))
            fits = np.flatnonzero(
                (intervals.low[span] <= self.a_high[anchor]) & (intervals.high[span] >= self.a_low[anchor]),
            )
            if not len(fits):
                rejected[anchor] = span.stop > span.start
                continue
            kept[anchor] = True
            options = range(int(found.start[stamp]), int(found.start[stamp + 1]))
            if len(fits) != 1 or len(options) != 1:
                continue
            one = options[0]
            u = float(found.unwrapped[one])
            extra[int(intervals.piece[span][fits[0]])].append(
                (
                    u,
                    u - float(self.a_high[anchor]),
                    u + float(found.resolution[one]) - float(self.a_low[anchor]),
                    int(found.segment[one]),
                ),
            )

    def _late_cost(self, high: Floats) -> float:
        """What an explanation costs in which not one of many receipts came within ten minutes of its event."""
        receipts = np.array([one.kind == "receipt" for one in self.task.anchors.origin], dtype=np.bool_)
        if receipts.sum() < MANY_RECEIPTS:
            return 0.0
        delay = self.a_high[receipts] - high[self.a_stamp[receipts]]
        return LATE_COST if float(delay.min()) > SOON_S else 0.0

    def _drop_late(self, intervals: Intervals, alive: Bools) -> None:
        """Of several intervals of a stamp with a receipt, those go that would mean an extraordinary delay."""
        receipts = np.array([one.kind == "receipt" for one in self.task.anchors.origin], dtype=np.bool_)
        if not receipts.any():
            return
        received = np.full(self.stamps.size, np.inf)
        np.minimum.at(received, self.a_stamp[receipts], self.a_high[receipts])
        number = np.bincount(intervals.stamp[alive], minlength=self.stamps.size)
        delay = received[intervals.stamp] - intervals.high
        with_receipt = alive & np.isfinite(delay) & (self.stamps.log[intervals.stamp] < 0)
        single = with_receipt & (number[intervals.stamp] == 1)
        usual = float(np.quantile(delay[single], 0.98)) if single.sum() >= 3 else 0.0
        late = with_receipt & (delay > max(3 * usual, LATE_S))
        punctual = np.bincount(intervals.stamp[with_receipt & ~late], minlength=self.stamps.size)
        alive &= ~(late & (punctual[intervals.stamp] > 0))

    def _finish(
        self,
        intervals: Intervals,
        orders: Mapping[int, LogOrder],
        own: tuple[Floats, Floats],
        accepted: tuple[Bools, Bools],
        pieces: list[Piece],
        rate: Rate,
        chain: Chain,
    ) -> ClockAnswer:
        stamps = self.stamps
        own_low, own_high = own
        kept, rejected = accepted
        alive = np.ones(len(intervals.stamp), dtype=np.bool_)
        freed = np.zeros(stamps.size, dtype=np.bool_)
        for order in orders.values():
            alive[order.dropped] = False
            freed[order.freed] = True
        alive &= (intervals.high >= own_low[intervals.stamp]) & (intervals.low <= own_high[intervals.stamp])
        self._drop_late(intervals, alive)
        low = np.full(stamps.size, np.inf)
        high = np.full(stamps.size, -np.inf)
        np.minimum.at(low, intervals.stamp[alive], intervals.low[alive])
        np.maximum.at(high, intervals.stamp[alive], intervals.high[alive])
        low, high = np.maximum(low, own_low), np.minimum(high, own_high)
        empty = ~(low <= high)
        unfit = int((empty & ~freed).sum())
        low[empty], high[empty] = own_low[empty], own_high[empty]
        for order in orders.values():
            low[order.freed], high[order.freed] = order.freed_low, order.freed_high
            low[order.doubtful] = np.minimum(low[order.doubtful], order.doubtful_low)
            high[order.doubtful] = np.maximum(high[order.doubtful], order.doubtful_high)
        low[freed] = np.maximum(low[freed], own_low[freed])
        high[freed] = np.minimum(high[freed], own_high[freed])
        # A record whose own pin was rejected may still be what the pin says.
        for anchor in np.flatnonzero(rejected & np.isfinite(self.a_low) & np.isfinite(self.a_high)):
            stamp = self.a_stamp[anchor]
            low[stamp] = min(low[stamp], self.a_low[anchor])
            high[stamp] = max(high[stamp], self.a_high[anchor])
        for log, rows in self._logs.items():
            _tighten(rows, low, high, freed, self.task.disorder_s.get(log, 0.0), stamps)
        piece = np.full(stamps.size, -1, np.int64)
        single = np.bincount(intervals.stamp[alive], minlength=stamps.size) == 1
        piece[intervals.stamp[alive]] = intervals.piece[alive]
        piece[~single] = -1
        piece[self.a_stamp[rejected & np.isfinite(self.a_low) & np.isfinite(self.a_high)]] = -1
        nothing = np.isnan(stamps.reading_s)
        low[nothing], high[nothing] = own_low[nothing], own_high[nothing]
        anchored = any(band.is_bounded for one in pieces for _first, _last, band in one.bands)
        violated = int(rejected[~(np.isfinite(self.a_low) & np.isfinite(self.a_high))].sum())
        return ClockAnswer(
            low=low,
            high=high,
            best=np.where(np.isfinite(low) & np.isfinite(high), (low + high) / 2, np.nan),
            freed=freed,
            segment=piece,
            pieces=pieces,
            steps=self.steps,
            rate=rate,
            kept=kept,
            contradicted=rejected,
            cost=chain.cost + UNFIT_COST * (unfit + violated) + self._late_cost(high),
            chain_cost=chain.cost,
            anchored=anchored,
            explanations=1,
            jumps=[(log, row) for _a, _b, log, row in self.jumps],
            uptime_breaks=[(log, row, gained) for _a, _b, gained, log, row in self.uptime_breaks],
        )


@dataclass(slots=True)
class Intervals:
    """Possible intervals of true time, sorted by stamp (several for one stamp where more than one piece fits)."""

    stamp: Ints
    low: Floats
    high: Floats
    piece: Ints


def _spread(pieces: Sequence[int], groups: Sequence[Sequence[int]], count: int) -> Ints:
    decided = np.full(count, -1, dtype=np.int64)
    for piece, group in zip(pieces, groups, strict=True):
        decided[list(group)] = piece
    return _compact(decided)


def _compact(decided: Ints) -> Ints:
    used = np.unique(decided[decided >= 0])
    numbers = np.full(int(used.max()) + 1 if len(used) else 1, -1, dtype=np.int64)
    numbers[used] = np.arange(len(used))
    return np.where(decided >= 0, numbers[np.maximum(decided, 0)], -1)


def _joined(decided: Ints, number: int) -> Ints:
    """The pieces before and after a dropped one as one piece."""
    return _compact(np.where(decided > number, decided - 2, decided))


def _tighten(rows: Ints, low: Floats, high: Floats, freed: Bools, disorder: float, stamps: Stamps) -> None:
    """Later lines were not written before earlier ones (evtx: up to its disorder)."""
    use = rows[~freed[rows] & np.isfinite(stamps.reading_s[rows])]
    if len(use) < 2:
        return
    earliest = np.maximum.accumulate(low[use]) - disorder
    latest = np.minimum.accumulate(high[use][::-1])[::-1] + disorder
    tight_low, tight_high = np.maximum(low[use], earliest), np.minimum(high[use], latest)
    fits = tight_low <= tight_high
    low[use[fits]], high[use[fits]] = tight_low[fits], tight_high[fits]
