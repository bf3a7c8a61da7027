"""Second and later passes over what could not be read at once: everything readable around bad sectors is got.

In the order that asks least of a failing medium (the passes are those of GNU ddrescue's manual, "Algorithm"): what was
left out is read backwards in blocks; failed blocks are read in units of 32 KiB; failed units are entered from their
front and from their back up to the first bad sector; what is left between is read sector by sector; bad sectors are
tried again as often as asked, in alternating direction. Each bad sector fails once a pass, no readable one is lost.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from preserve.badmap import BAD, FAILED_BLOCK, READ, UNSCRAPED, UNTRIED, BadMap
from preserve.pieces import PIECE_SIZE
from preserve.source import SourceGoneError, aligned_buffer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from preserve.source import Source

_SAVE_SECONDS = 2.0
_UNIT = 1 << 15


@dataclass(slots=True)
class Rescue:
    """Reads what `bad` says is unfinished and gives it to `fill(offset_bytes, data)`.

    `on_save` is called now and then, when everything filled so far may be recorded. `retries_done` counts finished
    retry passes, so that a continued rescue does not repeat them.
    """

    source: Source
    bad: BadMap
    fill: Callable[[int, memoryview], None]
    retries: int = 1
    retries_done: int = 0
    on_save: Callable[[], None] | None = None
    on_progress: Callable[[int], None] | None = None
    _saved: float = 0.0

    def run(self) -> None:
        """All passes. Raises SourceGoneError, and what `fill` and `on_save` raise."""
        self._saved = time.monotonic()
        buffer = aligned_buffer(PIECE_SIZE)
        for offset, size in _blocks_backwards(self.bad.ranges(UNTRIED)):
            self._read_block(offset, size, buffer)
        for offset, size in _blocks(self.bad.ranges(FAILED_BLOCK)):
            self._split(offset, size, buffer)
        for offset, size in _blocks(self.bad.ranges(FAILED_BLOCK), _UNIT):
            self._trim(offset, size, buffer)
        for offset, size in _blocks(self.bad.ranges(UNSCRAPED)):
            self._sectors(offset, size, buffer)
        while self.retries_done < self.retries and (left := self.bad.ranges(BAD)):
            backwards = self.retries_done % 2 == 0
            blocks = _blocks_backwards(left) if backwards else _blocks(left)
            for offset, size in blocks:
                self._sectors(offset, size, buffer, backwards=backwards)
            self.retries_done += 1
        if self.on_save is not None:
            self.on_save()

    def _save(self) -> None:
        if self.on_save is not None and time.monotonic() - self._saved > _SAVE_SECONDS:
            self.on_save()
            self._saved = time.monotonic()

    def _read(self, offset: int, view: memoryview, size: int) -> bool:
        try:
            self.source.read_into(offset, view, size)
        except SourceGoneError:
            raise
        except OSError:
            return False
        return True

    def _got(self, offset: int, data: memoryview) -> None:
        self.fill(offset, data)
        self.bad.mark(offset, len(data), READ)
        if self.on_progress is not None:
            self.on_progress(len(data))

    def _read_block(self, offset: int, size: int, buffer: memoryview) -> None:
        if self._read(offset, buffer, size):
            self._got(offset, buffer[:size])
        else:
            self.bad.mark(offset, size, FAILED_BLOCK)
        self._save()

    def _split(self, offset: int, size: int, buffer: memoryview) -> None:
        """Read a failed block in smaller units: one more failure for each bad unit, but few reads for the good ones."""
        if size <= _UNIT:
            return
        for start, length in _blocks([(offset, size)], _UNIT):
            if self._read(start, buffer, length):
                self._got(start, buffer[:length])
        self._save()

    def _step(self, offset: int, end: int) -> int:
        """Size of the smallest read at `offset`."""
        return min(self.source.smallest_read, end - offset)

    def _trim(self, offset: int, size: int, buffer: memoryview) -> None:
        """Read a failed block from its front, then from its back, up to the first bad sector each."""
        end = offset + size
        front = offset
        while front < end:
            step = self._step(front, end)
            if not self._read(front, buffer[front - offset :], step):
                self.bad.mark(front, step, BAD)
                break
            front += step
        if front > offset:
            self._got(offset, buffer[: front - offset])
        first_bad_end = min(end, front + self._step(front, end)) if front < end else end
        back = end
        while back > first_bad_end:
            start = max(first_bad_end, (back - 1) // self.source.smallest_read * self.source.smallest_read)
            if not self._read(start, buffer[start - offset :], back - start):
                self.bad.mark(start, back - start, BAD)
                self.bad.mark(first_bad_end, start - first_bad_end, UNSCRAPED)
                break
            back = start
        if back < end:
            self._got(back, buffer[back - offset : size])
        self._save()

    def _sectors(self, offset: int, size: int, buffer: memoryview, *, backwards: bool = False) -> None:
        """Read each sector of a range; what fails is bad."""
        end = offset + size
        starts = range(offset, end, self.source.smallest_read)
        for start in reversed(starts) if backwards else starts:
            step = self._step(start, end)
            if self._read(start, buffer, step):
                self._got(start, buffer[:step])
            else:
                self.bad.mark(start, step, BAD)
        self._save()


def _blocks(ranges: list[tuple[int, int]], block_size: int = PIECE_SIZE) -> Iterator[tuple[int, int]]:
    """Ranges cut at multiples of `block_size` bytes."""
    for offset, size in ranges:
        start, end = offset, offset + size
        while start < end:
            stop = min(end, (start // block_size + 1) * block_size)
            yield start, stop - start
            start = stop


def _blocks_backwards(ranges: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    for offset, size in reversed(ranges):
        yield from reversed(list(_blocks([(offset, size)])))
