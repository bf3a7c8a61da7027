"""Windows around raw hits end where the owner of the bytes changes.

Behind the end of a file lies what was there before, often in another encoding and about other things; in front of a
cluster lies the cluster of another file. Neither says anything about a number, and both would mislead who reads it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from preserve.extents import ExtentMap
    from triage.raw_hits import Window

STEP_BYTES = 64
_BATCH = 4096


def within_owner(windows: Sequence[Window], extents: ExtentMap) -> tuple[Window, ...]:
    """The same windows, cut on both sides to the bytes that belong to what their hits belong to."""
    cut: list[Window] = []
    for start in range(0, len(windows), _BATCH):
        batch = windows[start : start + _BATCH]
        first = np.array([window.hits[0] for window in batch], dtype=np.int64)
        last = np.array([window.hits[-1] for window in batch], dtype=np.int64)
        low = np.array([window.offset for window in batch], dtype=np.int64)
        high = low + np.array([window.size for window in batch], dtype=np.int64)
        begin = _edge(extents, first, low, -1)
        # Text in units of two bytes is read from the parity of its hit.
        begin += (first - begin) & np.array(["utf-16" in window.encoding for window in batch])
        end = _edge(extents, last, high - 1, 1) + 1
        cut += [
            replace(window, offset=int(one), size=int(other - one))
            for window, one, other in zip(batch, begin, end, strict=True)
        ]
    return tuple(cut)


def _edge(
    extents: ExtentMap,
    hits: NDArray[np.int64],
    limits: NDArray[np.int64],
    direction: int,
) -> NDArray[np.int64]:
    """The farthest byte from each hit towards its limit up to which everything has the hit's owner.

    Looks at every `STEP_BYTES`-th byte first, then at each byte of the step in which the owner changes: an owner of
    fewer bytes than that, between two stretches of another, may be passed over.
    """
    owner, state = _owner(extents, hits)
    reached = hits.copy()
    going = reached != limits
    while going.any():
        which = np.flatnonzero(going)
        distance = np.abs(limits[which] - reached[which])
        following = reached[which] + direction * np.minimum(distance, STEP_BYTES)
        its_owner, its_state = _owner(extents, following)
        same = (its_owner == owner[which]) & (its_state == state[which])
        reached[which[same]] = following[same]
        for at in which[~same]:
            reached[at] = _exact(extents, int(reached[at]), int(owner[at]), int(state[at]), direction)
        going[which[~same]] = False
        going &= reached != limits
    return reached


def _exact(extents: ExtentMap, reached: int, owner: int, state: int, direction: int) -> int:
    """The last byte with the owner within one step from `reached`."""
    places = reached + direction * np.arange(1, STEP_BYTES + 1, dtype=np.int64)
    its_owner, its_state = _owner(extents, places)
    differs = np.flatnonzero((its_owner != owner) | (its_state != state))
    return reached + direction * (int(differs[0]) if len(differs) else STEP_BYTES)


def _owner(extents: ExtentMap, offsets: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    located = extents.locate(offsets)
    return located.entry, located.state
