"""Logged steps of a clock: merged over logs, turned into segments, and the segment of every record of a log.

Segment k lies between step k and step k+1 and admits readings from New_k to Old_{k+1}. The unwrapped reading
U = L - sum of the steps that really set the clock: θ_U stays across a set and falls by g where the clock stood still.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from timeline.clocks.evidence import Floats, Ints, Standstill, TimeChange

SMALLEST_STEP_S = 0.2
"""Smaller steps are part of the wander: a clock that is steered is stepped by milliseconds all day."""
SAME_STEP_S = 0.02
RESUMERS = ("vmtoolsd.exe", "vboxservice.exe", "qemu-ga.exe", "vmwareservice.exe", "vmsrvc.exe")
"""Programs of virtual machines that set the clock after a pause."""


@dataclass(slots=True)
class Step:
    """One logged step. `row` by source index; `stood_still` True, False, or None where nothing tells."""

    old_s: float
    new_s: float
    rows: dict[int, int]
    process: str = ""
    reason: int | None = None
    stood_still: bool | None = None
    evidence: str = ""

    @property
    def size_s(self) -> float:
        """New minus Old in seconds."""
        return self.new_s - self.old_s


def merge_steps(
    logs: Sequence[tuple[int, Sequence[TimeChange], Sequence[Standstill]]],
) -> list[Step]:
    """The steps of one clock over all its logs, in order of happening; the same step in two logs is one."""
    merged: list[Step] = []
    for source, changes, _sleeps in sorted(logs, key=lambda one: -len(one[1])):
        position = 0
        for change in sorted(changes, key=lambda one: one.row):
            if abs(change.new_s - change.old_s) < SMALLEST_STEP_S:
                continue
            match = next(
                (
                    index
                    for index in range(len(merged))
                    if source not in merged[index].rows
                    and abs(merged[index].old_s - change.old_s) <= SAME_STEP_S
                    and abs(merged[index].new_s - change.new_s) <= SAME_STEP_S
                ),
                None,
            )
            if match is not None:
                step = merged[match]
                step.rows[source] = change.row
                step.process = step.process or change.process
                step.reason = step.reason if step.reason is not None else change.reason
                position = match + 1
                continue
            while (
                position < len(merged)
                and source not in merged[position].rows
                and (merged[position].new_s <= change.old_s and merged[position].old_s <= change.old_s)
            ):
                position += 1
            merged.insert(
                position, Step(change.old_s, change.new_s, {source: change.row}, change.process, change.reason)
            )
            position += 1
    sleeps = [sleep for _source, _changes, found in logs for sleep in found]
    for step in merged:
        _explain(step, sleeps)
    return merged


def _explain(step: Step, sleeps: Sequence[Standstill]) -> None:
    """Whether the clock stood still, where sleep and wake bracket the step."""
    if step.size_s <= 0:
        # A clock that stands still falls behind; nothing moves it back but somebody who sets it.
        step.stood_still = False
        step.evidence = "set back"
        return
    for sleep in sleeps:
        if abs(sleep.from_s - step.old_s) <= 10 and abs(sleep.to_s - step.new_s) <= 10:
            step.stood_still = True
            step.evidence = "sleep and wake"
            return


def unwrap_offsets(steps: Sequence[Step]) -> Floats:
    """For segments 0..K: the sum of the steps before it, save those at which the clock stood still."""
    sizes = [0.0 if step.stood_still else step.size_s for step in steps]
    return np.concatenate([[0.0], np.cumsum(sizes)])


def segment_windows(steps: Sequence[Step]) -> tuple[Floats, Floats]:
    """(lowest, highest) reading of each segment 0..K."""
    low = np.array([-np.inf, *(step.new_s for step in steps)])
    high = np.array([*(step.old_s for step in steps), np.inf])
    return low, high


def monotone_segments(outside: Callable[[int], Floats], rows: int, count: int) -> tuple[Ints, Ints]:
    """The range of segments of each row such that segments never go back, at the lowest total cost.

    `outside(k)` is the cost (0 where it fits) of each row in segment k. Returns (lowest, highest) segment of each row
    over all cheapest paths.
    """
    if count == 1 or rows == 0:
        return np.zeros(rows, np.int64), np.zeros(rows, np.int64)
    totals = [np.concatenate([[0.0], np.cumsum(outside(k))]) for k in range(count)]
    ahead = [totals[0]]
    for total in totals[1:]:
        ahead.append(np.minimum.accumulate(ahead[-1] - total) + total)
    left = totals[-1][-1] - totals[-1]
    behind = [left]
    for total in reversed(totals[:-1]):
        left = total[-1] - total
        behind.append(np.minimum.accumulate((behind[-1] - left)[::-1])[::-1] + left)
    behind.reverse()
    best = float(ahead[-1][-1])
    low = np.full(rows, count, dtype=np.int64)
    high = np.full(rows, -1, dtype=np.int64)
    for k in range(count):
        # Row i is in segment k on a cheapest path if the path may stand in k both before and after that row.
        step = np.diff(totals[k])
        on_path = ahead[k][:-1] + step + behind[k][1:] <= best + 1e-6
        low = np.where(on_path & (low == count), k, low)
        high = np.where(on_path, k, high)
    missing = high < 0
    low[missing], high[missing] = 0, count - 1
    return low, high
