"""The map of a rescue: which bytes of the source were read, in the terms and the file format of ddrescue.

```python
bad = BadMap(size_bytes=1 << 30)
bad.mark(4096, 512, BAD)
bad.ranges(BAD)                   # [(4096, 512)]
bad.write(Path("disk.map"))       # ddrescue and ddrescuelog read it
```
States are those of GNU ddrescue's map file (its manual, chapter "Mapfile structure"): `?` not tried, `*` a block that
failed as a whole, `/` not yet read sector by sector, `-` bad sectors, `+` read.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING, Literal

from chain_of_custody.errors import EvidenceFormatError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

State = Literal["?", "*", "/", "-", "+"]
UNTRIED: State = "?"
FAILED_BLOCK: State = "*"
UNSCRAPED: State = "/"
BAD: State = "-"
READ: State = "+"
_STATES: tuple[State, ...] = ("?", "*", "/", "-", "+")
_LINE = re.compile(r"^(0[xX][0-9a-fA-F]+|\d+)\s+(0[xX][0-9a-fA-F]+|\d+)\s+([?*/+-])\s*$")


class BadMap:
    """A state for each byte of `0 .. size_bytes`, kept as the list of places where it changes."""

    def __init__(self, size_bytes: int, state: State = READ) -> None:
        self.size = size_bytes
        self._starts: list[int] = [0]
        self._states: list[State] = [state]

    def mark(self, offset: int, size: int, state: State) -> None:
        """Give `size` bytes at `offset` a state."""
        end = min(offset + size, self.size)
        if end <= offset:
            return
        first = bisect_right(self._starts, offset) - 1
        last = bisect_right(self._starts, end - 1) - 1
        starts: list[int] = []
        states: list[State] = []
        last_end = self._starts[last + 1] if last + 1 < len(self._starts) else self.size
        for start, value in (
            (self._starts[first], self._states[first] if self._starts[first] < offset else None),
            (offset, state),
            (end, self._states[last] if end < last_end else None),
        ):
            if value is not None:
                starts.append(start)
                states.append(value)
        self._starts[first : last + 1] = starts
        self._states[first : last + 1] = states
        self._join(max(first - 1, 0), min(first + len(starts) + 1, len(self._starts)))

    def _join(self, first: int, end: int) -> None:
        """Join equal neighbours among the entries first .. end-1."""
        for place in range(end - 1, first, -1):
            if self._states[place] == self._states[place - 1]:
                del self._starts[place], self._states[place]

    def __iter__(self) -> Iterator[tuple[int, int, State]]:
        """All ranges in order: offset, size, state; they cover the medium without gap."""
        for place, (start, state) in enumerate(zip(self._starts, self._states, strict=True)):
            end = self._starts[place + 1] if place + 1 < len(self._starts) else self.size
            if end > start:
                yield start, end - start, state

    def ranges(self, *states: State) -> list[tuple[int, int]]:
        """Ranges `(offset, size)` that are in one of `states`, neighbours joined."""
        found: list[tuple[int, int]] = []
        for start, size, state in self:
            if state in states:
                if found and found[-1][0] + found[-1][1] == start:
                    found[-1] = (found[-1][0], found[-1][1] + size)
                else:
                    found.append((start, size))
        return found

    def total(self, *states: State) -> int:
        """Bytes in one of `states`."""
        return sum(size for _, size in self.ranges(*states))

    @property
    def is_complete(self) -> bool:
        """Whether every byte was read."""
        return len(self._states) == 1 and self._states[0] == READ

    def unfinished(self) -> list[list[int | str]]:
        """Everything but `+`, for a state file; `restore` takes it."""
        return [[start, size, state] for start, size, state in self if state != READ]

    @classmethod
    def restore(cls, size_bytes: int, unfinished: Iterable[tuple[int, int, State]]) -> BadMap:
        """A map from what `unfinished` gave."""
        found = cls(size_bytes)
        starts, states, position = [], [], 0
        for start, size, state in unfinished:
            if start > position:
                starts.append(position)
                states.append(READ)
            starts.append(start)
            states.append(state)
            position = start + size
        if position < size_bytes or not starts:
            starts.append(position)
            states.append(READ)
        found._starts, found._states = starts, states
        return found

    def text(self, *, comments: Iterable[str] = ()) -> str:
        """The map as a ddrescue map file."""
        pending = self.ranges(UNTRIED, FAILED_BLOCK, UNSCRAPED)
        position = pending[0][0] if pending else 0
        lines = ["# Mapfile. Created by hozen (preserve image)"]
        lines += [f"# {comment}" for comment in comments]
        lines.append("# current_pos  current_status  current_pass")
        lines.append(f"0x{position:08X}     {'?' if pending else '+'}               1")
        lines.append("#      pos        size  status")
        lines += [f"0x{start:08X}  0x{size:08X}  {state}" for start, size, state in self]
        return "\n".join(lines) + "\n"

    @classmethod
    def parse(cls, text: str, *, name: str = "map") -> BadMap:
        """Read a ddrescue map file. Raises EvidenceFormatError with the line that does not fit."""
        rows: list[tuple[int, int, State]] = []
        seen_status = False
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            if not seen_status:
                seen_status = True
                continue
            match = _LINE.match(line)
            expected = rows[-1][0] + rows[-1][1] if rows else 0
            if match is None or int(match[1], 0) != expected:
                raise EvidenceFormatError(
                    f"マップファイルとして読めません: {name} {number} 行目",
                    f"not a map file of ddrescue: {name} line {number}",
                )
            state = next(one for one in _STATES if one == match[3])
            rows.append((int(match[1], 0), int(match[2], 0), state))
        size = rows[-1][0] + rows[-1][1] if rows else 0
        found = cls(size)
        for start, length, state in rows:
            found.mark(start, length, state)
        return found

    @classmethod
    def read(cls, path: Path) -> BadMap:
        """Read a map file. Raises EvidenceFormatError, OSError."""
        return cls.parse(path.read_text(encoding="utf-8", errors="replace"), name=str(path))
