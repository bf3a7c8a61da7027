"""Whose bytes are these: from offsets in the medium to files, slack, metadata, unallocated space.

```python
located = evidence.extents.locate(np.array([4096, 1 << 20]))
STATES[located.state[0]], located.entry[0], located.file_offset[0]
```
Precedence where several claim a byte: allocated content, slack and metadata, then deleted files, then unallocated
space of a volume, then outside of all volumes. All look-ups are binary searches over numpy arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from preserve.image import Range

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from preserve.filesystem import FileEntry

STATES = ("allocated", "deleted", "unallocated", "slack", "metadata", "outside")
ALLOCATED, DELETED, UNALLOCATED, SLACK, METADATA, OUTSIDE = range(6)


class Located(NamedTuple):
    """For each offset: index of the entry (-1 none), offset in its content (-1 none), index into STATES."""

    entry: NDArray[np.int32]
    file_offset: NDArray[np.int64]
    state: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class _Layer:
    """Intervals that do not overlap, sorted by start."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    entries: NDArray[np.int32]
    file_offsets: NDArray[np.int64]
    states: NDArray[np.uint8]


_Interval = tuple[int, int, int, int, int]  # start, end, entry, file offset, state


def _layer(intervals: list[_Interval]) -> _Layer:
    """Sort intervals and cut overlaps: what starts first wins."""
    table = np.array(intervals, dtype=np.int64).reshape(-1, 5)
    table = table[np.lexsort((-table[:, 1], table[:, 0]))]
    starts, ends = table[:, 0].copy(), table[:, 1]
    if len(starts) > 1:
        before = np.maximum.accumulate(ends[:-1])
        starts[1:] = np.maximum(starts[1:], before)
    kept = starts < ends
    moved = starts - table[:, 0]
    offsets = np.where(table[:, 3] >= 0, table[:, 3] + moved, -1)
    return _Layer(
        starts[kept],
        ends[kept].copy(),
        table[kept, 2].astype(np.int32),
        offsets[kept],
        table[kept, 4].astype(np.uint8),
    )


class ExtentMap:
    """The map of a medium. `entries` are indexed by their position in the sequence given.

    `metadata` are ranges of file system structures, `volumes` the ranges of all volumes, `slack` what lies in a volume
    behind its file system (it counts as unallocated space too).
    """

    def __init__(
        self,
        entries: Sequence[FileEntry],
        metadata: Iterable[Range],
        volumes: Iterable[Range],
        slack: Iterable[Range] = (),
    ) -> None:
        live: list[_Interval] = []
        gone: list[_Interval] = []
        seen: set[tuple[int, int, int, int, int]] = set()
        for index, entry in enumerate(entries):
            if entry.resident_offset is not None and entry.size:
                target = live if entry.state == "allocated" else gone
                state = ALLOCATED if entry.state == "allocated" else DELETED
                target.append((entry.resident_offset, entry.resident_offset + entry.size, index, 0, state))
            if not entry.runs or entry.id in seen:
                continue
            seen.add(entry.id)  # hard links: the first name stands for all
            if entry.state == "allocated":
                _add_runs(live, entry, index)
            else:
                _add_runs(gone, entry, index)
        resident = [one for one in live if entries[one[2]].resident_offset is not None]
        whole = [one for one in live if entries[one[2]].resident_offset is None]
        whole += [(one.offset, one.end, -1, -1, METADATA) for one in metadata if one.size > 0]
        gone_resident = [one for one in gone if entries[one[2]].resident_offset is not None]
        gone = [one for one in gone if entries[one[2]].resident_offset is None]
        # Resident content lies inside $MFT, so it is asked first.
        live_layer = _layer(whole)
        areas = _layer([(one.offset, one.end, -1, -1, UNALLOCATED) for one in volumes if one.size > 0])
        behind = _layer([(one.offset, one.end, -1, -1, SLACK) for one in slack if one.size > 0])
        self._layers = [_layer(resident), _layer(gone_resident), live_layer, _layer(gone), behind, areas]
        self.unallocated = _without(areas, live_layer)
        """Space of the volumes that no allocated run covers; content of deleted files lies in it."""

        self.reallocated = _overlap(gone, live_layer)
        """For deleted entries, by index: how many bytes of their runs belong to live files or structures now."""

    def locate(self, offsets: NDArray[np.int64]) -> Located:
        """Locate byte offsets of the medium (any shape and order)."""
        offsets = np.asarray(offsets, dtype=np.int64)
        entry = np.full(offsets.shape, -1, dtype=np.int32)
        file_offset = np.full(offsets.shape, -1, dtype=np.int64)
        state = np.full(offsets.shape, OUTSIDE, dtype=np.uint8)
        open_ = np.ones(offsets.shape, dtype=bool)
        for layer in self._layers:
            if not len(layer.starts):
                continue
            place = np.searchsorted(layer.starts, offsets, side="right") - 1
            inside = open_ & (place >= 0)
            inside &= offsets < layer.ends[place]
            if not inside.any():
                continue
            hit = place[inside]
            entry[inside] = layer.entries[hit]
            within = layer.file_offsets[hit]
            file_offset[inside] = np.where(within >= 0, within + offsets[inside] - layer.starts[hit], -1)
            state[inside] = layer.states[hit]
            open_ &= ~inside
        return Located(entry, file_offset, state)


def _add_runs(target: list[_Interval], entry: FileEntry, index: int) -> None:
    """Intervals of one entry: content, then slack after its end in its last clusters."""
    deleted = entry.state == "deleted"
    content = DELETED if deleted else ALLOCATED
    if entry.kind in ("metadata", "directory") and not deleted:
        content = METADATA
    whole = entry.kind == "directory" or entry.compressed  # their clusters hold no end of content
    written = entry.valid_size
    for run in entry.runs:
        if run.offset is None:
            continue
        end = run.offset + run.size
        if whole:
            target.append((run.offset, end, index, -1, content))
            continue
        split = min(end, run.offset + max(0, written - run.file_offset))
        if split > run.offset:
            target.append((run.offset, split, index, run.file_offset, content))
        if split < end:
            target.append((split, end, index, run.file_offset + split - run.offset, DELETED if deleted else SLACK))


def _overlap(gone: list[_Interval], live: _Layer) -> dict[int, int]:
    """Bytes of each entry's intervals that `live` covers, for entries where there are any."""
    if not gone or not len(live.starts):
        return {}
    table = np.array(gone, dtype=np.int64).reshape(-1, 5)
    before = np.concatenate(([0], np.cumsum(live.ends - live.starts)))

    def covered(positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Live bytes before each position."""
        place = np.searchsorted(live.starts, positions, side="right")
        last = np.maximum(place - 1, 0)
        excess = np.where(place > 0, np.maximum(live.ends[last] - positions, 0), 0)
        return before[place] - excess

    shared = covered(table[:, 1]) - covered(table[:, 0])
    result: dict[int, int] = {}
    for place in np.flatnonzero(shared > 0).tolist():
        index = int(table[place, 2])
        result[index] = result.get(index, 0) + int(shared[place])
    return result


def _without(areas: _Layer, live: _Layer) -> list[Range]:
    """The parts of `areas` that no interval of `live` covers."""
    free: list[Range] = []
    for start, end in zip(areas.starts.tolist(), areas.ends.tolist(), strict=True):
        low = max(0, int(np.searchsorted(live.starts, start, side="right")) - 1)
        high = int(np.searchsorted(live.starts, end, side="left"))
        starts = np.concatenate((live.starts[low:high], [end]))
        ends = np.concatenate(([start], np.maximum(live.ends[low:high], start)))
        gaps = np.flatnonzero(starts > ends)
        free += [Range(int(ends[gap]), int(starts[gap] - ends[gap])) for gap in gaps]
    return free
