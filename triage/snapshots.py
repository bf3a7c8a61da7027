"""What of a snapshot differs from today's volume: only that is scanned again.

A snapshot's blocks that were overwritten since are known (`changed`); every other byte is the live volume's own. A file
is left out where the live volume has the same stream at the same place with the same bytes, and a raw hit where the
same bytes stand at the same place today.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

import numpy as np

from preserve.image import Range
from preserve.shadows import within

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from preserve.evidence import Evidence
    from preserve.filesystem import FileEntry
    from preserve.image import Image
    from triage.raw_hits import RawHits

_COMPARED_AT_ONCE = 1 << 20
_LARGEST_COMPARISON = 64 << 30
"""Bytes compared of one snapshot to find out what changed, where no list of blocks says it."""


def changed_ranges(old: Image, live: Image, delta: int, known: Sequence[Range] | None) -> list[Range]:
    """Where `old` differs from `live` (whose byte `delta` is the first of `old`), joined; compared where not known."""
    if known is not None:
        return [Range(one.offset, min(one.size, old.size - one.offset)) for one in known if one.offset < old.size]
    found: list[Range] = []
    for offset in range(0, min(old.size, _LARGEST_COMPARISON), _COMPARED_AT_ONCE):
        size = min(_COMPARED_AT_ONCE, old.size - offset)
        if old.read_at(offset, size) == live.read_at(delta + offset, size):
            continue
        if found and found[-1].end == offset:
            found[-1] = Range(found[-1].offset, found[-1].size + size)
        else:
            found.append(Range(offset, size))
    if old.size > _LARGEST_COMPARISON:
        found.append(Range(_LARGEST_COMPARISON, old.size - _LARGEST_COMPARISON))
    return found


class Snapshot:
    """A snapshot `old` beside the medium `live` that it is an earlier state of.

    `volume` is the index of the live volume that it shows, None where it shows the whole medium.
    """

    def __init__(self, old: Evidence, live: Evidence, volume: int | None, known: Sequence[Range] | None) -> None:
        self._old = old.image
        self._live = live.image
        self._delta = 0 if volume is None else live.volumes[volume].offset
        self.changed = changed_ranges(old.image, live.image, self._delta, known)
        self._starts = [one.offset for one in self.changed]
        self.unchanged = self._compare(old, live, volume)
        """Indices of entries whose content the live volume holds just so."""

    def _compare(self, old: Evidence, live: Evidence, volume: int | None) -> frozenset[int]:
        today: dict[tuple[int, ...], FileEntry] = {}
        for entry in live.entries:
            if volume is None:
                today.setdefault(entry.id, entry)
            elif entry.volume == volume:
                today.setdefault((0, *entry.id[1:]), entry)
        same = set()
        for index, entry in enumerate(old.entries):
            other = today.get(entry.id)
            if other is not None and self._is_same(entry, other):
                same.add(index)
        return frozenset(same)

    def _is_same(self, entry: FileEntry, other: FileEntry) -> bool:
        if (entry.size, entry.valid_size, entry.resident, entry.state) != (
            other.size,
            other.valid_size,
            other.resident,
            other.state,
        ) or len(entry.runs) != len(other.runs):
            return False
        if entry.resident and entry.size:
            if entry.resident_offset is None or other.resident_offset is None:
                return False
            # Resident content never leaves its record: a few hundred bytes.
            before = self._old.read_at(entry.resident_offset, min(entry.size, 65536))
            return before == self._live.read_at(other.resident_offset, min(entry.size, 65536))
        for run, now in zip(entry.runs, other.runs, strict=True):
            if (run.file_offset, run.size) != (now.file_offset, now.size):
                return False
            if run.offset is None or now.offset is None:
                if run.offset != now.offset:
                    return False
            elif run.offset + self._delta != now.offset or not self._are_same(run.offset, run.size):
                return False
        return True

    def _are_same(self, offset: int, size: int) -> bool:
        """Whether both hold the same bytes from `offset` on; only what lies in changed blocks is read."""
        for part in self._overlapping(offset, size):
            for at in range(part.offset, part.end, _COMPARED_AT_ONCE):
                count = min(_COMPARED_AT_ONCE, part.end - at)
                if self._old.read_at(at, count) != self._live.read_at(self._delta + at, count):
                    return False
        return True

    def _overlapping(self, offset: int, size: int) -> Iterator[Range]:
        at = max(0, bisect_right(self._starts, offset) - 1)
        while at < len(self.changed) and self.changed[at].offset < offset + size:
            start, end = max(offset, self.changed[at].offset), min(offset + size, self.changed[at].end)
            if start < end:
                yield Range(start, end - start)
            at += 1

    def is_new(self, hits: RawHits) -> NDArray[np.bool_]:
        """For each raw hit, whether other bytes stand at its place today."""
        new = within(hits.offsets, self.changed)
        for at in np.flatnonzero(new).tolist():
            offset = max(0, int(hits.offsets[at]) - 8)
            size = int(hits.sizes[at]) + 16
            new[at] = self._old.read_at(offset, size) != self._live.read_at(self._delta + offset, size)
        return new

    def parts(self, ranges: Sequence[Range]) -> list[Range]:
        """The parts of `ranges` that lie in changed blocks."""
        return [part for one in ranges for part in self._overlapping(one.offset, one.size)]
