"""Numbers in records of fixed width, where the digits of one field touch those of the next.

A run of more than twelve digits holds no My Number by itself: one of nine windows in it passes the check digit by
chance. But where the window at one and the same place passes in line after line, it is a field of its own.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass

from triage.mynumber import LENGTH, Written, ascii_digits, passes

_LONG_RUN = re.compile(r"[0-9０-９]{13,}+")
_FEWEST_LINES = 6
_LONGEST_RUN = 64
_LONGEST_LINE = 1000
_MOST_LINES = 100_000


@dataclass(frozen=True, slots=True)
class Field:
    """A field `offset` digits into a run of `length` digits, with `before` other such runs before it in its line."""

    before: int
    length: int
    offset: int
    members: tuple[Written, ...]
    """What stands in it, line by line, check digit right or wrong."""


def fixed_width_fields(content: str) -> list[Field]:
    """Fields in which at least six different strings pass the check digit, and no more than one in twenty fails."""
    runs: defaultdict[tuple[int, int], list[re.Match[str]]] = defaultdict(list)
    last_line, line_runs = -1, 0
    for number, match in enumerate(_LONG_RUN.finditer(content)):
        if number >= _MOST_LINES:
            break
        start, end = match.span()
        if end - start > _LONGEST_RUN:
            continue
        line = content.rfind("\n", max(0, start - _LONGEST_LINE), start) + 1
        before = line_runs + 1 if line == last_line else 0
        last_line, line_runs = line, before
        runs[(before, end - start)].append(match)
    fields = []
    for (before, length), matches in sorted(runs.items(), key=lambda item: item[0]):
        if len(matches) < _FEWEST_LINES:
            continue
        texts = [ascii_digits(match[0]) for match in matches]
        for offset in range(length - LENGTH + 1):
            windows = {text[offset : offset + LENGTH] for text in texts[:20]}
            # Most places are out of the question after a few lines.
            if sum(map(passes, windows)) < 0.8 * len(windows):
                continue
            windows = {text[offset : offset + LENGTH] for text in texts}
            right = sum(map(passes, windows))
            if right >= _FEWEST_LINES and right >= 0.95 * len(windows):
                members = tuple(
                    Written(
                        match.start() + offset, match.start() + offset + LENGTH, text[offset : offset + LENGTH], "plain"
                    )
                    for match, text in zip(matches, texts, strict=True)
                )
                fields.append(Field(before, length, offset, members))
                break
    return fields
