"""Which pins to believe: one search over keep, reject and break, for each hypothesis of the clock's rate.

Pins are anchors with both bounds, in order of true time. A state is the interval of θ that is still possible after the
last kept pin; for a bounded rate this interval is exact. At each pin a state may keep it (cost 0, if the grown interval
meets the pin), reject it (`reject_cost`), or break: a new piece begins here (`break_cost`). The cheapest path wins.
Prices are per pin but a group of three or more agreeing pins is cheaper as a piece of its own than rejected.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from timeline.clocks.band import Rate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from timeline.clocks.evidence import Floats

RATE_MAX = 100e-6
SMALL_MISFIT_S = 10.0
SMALL_MISFIT_COST = 2.0
BREAK_COST = 1.25
BEAM = 10
BEAM_COST = 7.0
HALF_WIDTHS = ((15e-6, 0.0), (30e-6, 3.0), (60e-6, 6.0), (100e-6, 9.0))
"""(half width of the rate, price): the narrowest rate that explains the pins, unless a wider one saves its price."""


@dataclass(frozen=True, slots=True)
class Pin:
    """A node of the chain: bounds on θ at reading `u`, and what it costs to reject it or to break before it."""

    u: float
    low: float
    high: float
    reject_cost: float
    break_cost: float = BREAK_COST
    falling_break_cost: float = BREAK_COST
    """Price where θ falls at the break: small where a logged step lies between, which a standstill would explain."""
    rising_break_cost: float = BREAK_COST


@dataclass(frozen=True, slots=True)
class Chain:
    """The cheapest path: which pins are kept, and the piece of each (-1: rejected)."""

    cost: float
    pieces: tuple[int, ...]
    rate: Rate
    half_width: float
    runner_up: tuple[int, ...] = ()
    """Another path with other pieces at nearly the same cost; empty where there is none."""


@dataclass(frozen=True, slots=True)
class Trail:
    """Linked list of decisions: 0 keep, 1 reject, 2 break."""

    before: Trail | None
    decision: int


@dataclass(slots=True)
class _State:
    cost: float
    low: float
    high: float
    u: float
    trail: Trail | None
    broken: bool = False


def _follow(pins: Sequence[Pin], low_rate: float, high_rate: float, limit: float) -> tuple[float, list[_State]]:
    """The states after the last pin, cheapest first; stops early when every state costs more than `limit`."""
    first = pins[0]
    states = [
        _State(0.0, first.low, first.high, first.u, Trail(None, 2)),
        _State(first.reject_cost, -np.inf, np.inf, first.u, Trail(None, 1)),
    ]
    for pin in pins[1:]:
        following: list[_State] = []
        cheapest = states[0].cost
        for state in states:
            distance = pin.u - state.u
            if distance >= 0:
                low, high = state.low + low_rate * distance, state.high + high_rate * distance
            else:  # readings of pins that are nearly at the same time may be out of order
                low, high = state.low + high_rate * distance, state.high + low_rate * distance
            kept_low, kept_high = max(low, pin.low), min(high, pin.high)
            if kept_low <= kept_high:
                following.append(_State(state.cost, kept_low, kept_high, pin.u, Trail(state.trail, 0), state.broken))
                gap = 0.0
            else:
                gap = kept_low - kept_high
            if state.low == -np.inf and state.high == np.inf:
                # Nothing was kept yet, so there is no piece to break from: keeping it starts the first piece.
                following.append(
                    _State(state.cost + pin.reject_cost, state.low, state.high, pin.u, Trail(state.trail, 1))
                )
                continue
            misfit = SMALL_MISFIT_COST if 0.0 < gap < SMALL_MISFIT_S else 0.0
            if state.cost + pin.reject_cost <= cheapest + BEAM_COST + pin.reject_cost:
                following.append(
                    _State(
                        state.cost + pin.reject_cost + misfit,
                        state.low,
                        state.high,
                        state.u,
                        Trail(state.trail, 1),
                        state.broken,
                    ),
                )
            if gap > 0.0:
                price = min(pin.break_cost, pin.falling_break_cost if pin.high < low else pin.rising_break_cost)
                following.append(
                    _State(state.cost + price, pin.low, pin.high, pin.u, Trail(state.trail, 2), broken=True)
                )
        following.sort(key=lambda one: one.cost)
        states = _pruned(following)
        if states[0].cost > limit:
            break
    return states[0].cost, states


def _pruned(states: list[_State]) -> list[_State]:
    """The beam: cheap states, without those whose interval a cheaper one at the same reading contains."""
    kept: list[_State] = []
    limit = states[0].cost + BEAM_COST
    for state in states:
        if state.cost > limit and kept:
            break
        if any(one.u == state.u and one.low <= state.low and one.high >= state.high for one in kept):
            continue
        kept.append(state)
        if len(kept) >= BEAM:
            break
    return kept


def _pieces(state: _State) -> tuple[int, ...]:
    decisions: list[int] = []
    trail = state.trail
    while trail is not None:
        decisions.append(trail.decision)
        trail = trail.before
    pieces: list[int] = []
    piece = -1
    for decision in reversed(decisions):
        if decision == 1:
            pieces.append(-1)
            continue
        if decision == 2 or piece < 0:
            piece += 1
        pieces.append(piece)
    return tuple(pieces)


def best_chain(pins: Sequence[Pin], *, known_rate: Rate | None = None) -> Chain:
    """The cheapest explanation of `pins` (in order of true time) over all rates within ±100 ppm.

    Of the rate hypotheses with the same cost the middle one is taken.
    """
    if not pins:
        return Chain(0.0, (), Rate(-RATE_MAX, RATE_MAX), RATE_MAX)
    if known_rate is not None:
        cost, states = _follow(pins, known_rate.low, known_rate.high, np.inf)
        return _chain(cost, states, known_rate, (known_rate.high - known_rate.low) / 2)
    best_cost, best_states, best_rates, best_half = np.inf, [], [0.0], RATE_MAX
    for half, price in HALF_WIDTHS:
        if price >= best_cost:
            break
        step = 5e-6 if half < 20e-6 else half / 2
        reach = RATE_MAX - half if half < RATE_MAX else 0.0
        middles = np.arange(-reach, reach + step / 2, step) if reach > 0 else np.array([0.0])
        # From the middle outwards: ordinary clocks drift little, and a good cost found early ends the others early.
        for middle in sorted(middles, key=abs):
            cost, states = _follow(pins, middle - half, middle + half, best_cost - price + 1e-9)
            cost += price
            if cost < best_cost - 1e-9:
                best_cost, best_states, best_rates, best_half = cost, states, [middle], half
            elif cost <= best_cost + 1e-9 and half == best_half:
                best_rates.append(middle)
                if abs(middle - _middle(best_rates)) <= abs(best_rates[0] - _middle(best_rates)):
                    best_states = states
    middle = _middle(best_rates)
    rate = Rate(middle - best_half, middle + best_half)
    cost, states = _follow(pins, rate.low, rate.high, np.inf)
    if cost > best_cost + 1e-9:
        states = best_states
    return _chain(best_cost, states, rate, best_half)


def _chain(cost: float, states: list[_State], rate: Rate, half: float) -> Chain:
    chosen = _pieces(states[0])
    runner_up: tuple[int, ...] = ()
    for state in states[1:]:
        if state.cost > states[0].cost + 0.5:
            break
        other = _pieces(state)
        if other != chosen:
            runner_up = other
            break
    return Chain(cost, chosen, rate, half, runner_up)


def _middle(rates: Sequence[float]) -> float:
    """The tied rate nearest to the middle of all tied ones."""
    centre = (min(rates) + max(rates)) / 2
    return min(rates, key=lambda one: abs(one - centre))


def grouped(u: Floats, low: Floats, high: Floats, segment: Floats, reject: Floats, count: int) -> list[list[int]]:
    """Neighbouring pins of one logged segment that agree, as groups: at most about `count` nodes for the search."""
    if len(u) <= count:
        return [[index] for index in range(len(u))]
    reach = (float(u.max()) - float(u.min())) / count
    groups: list[list[int]] = []
    group_low = group_high = start = 0.0
    for index in range(len(u)):
        distance = abs(u[index] - start)
        slack = RATE_MAX * distance
        if groups and distance <= reach and segment[groups[-1][0]] == segment[index] and reject[index] < 10:
            joined_low, joined_high = max(group_low, low[index] - slack), min(group_high, high[index] + slack)
            if joined_low <= joined_high and reject[groups[-1][0]] < 10:
                groups[-1].append(index)
                group_low, group_high = joined_low, joined_high
                continue
        groups.append([index])
        start, group_low, group_high = u[index], low[index], high[index]
    return groups
