"""The scope of a case (C5): what is shown and kept. Everything is read all the same; what lies outside is counted.

```python
scope = scope_of(case)                       # None: nothing limits this case
scope.holds("my_number", "/Users/a/給与.xlsx", modified_ns)
```
The newest `record.scope` counts: `paths` (patterns with * and ?, one a line or apart by `;`), `since` and `until` (time
of the last change of a file; the time of an event), `kinds`. What cannot be shown to lie inside is outside: space
without a file, or an event without a path, where paths are named; a file or event without time where a period is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from chain_of_custody import entries, ledger
from chain_of_custody.reading import read_entries

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

KINDS = {
    "mynumber": "my_number",
    "my_number": "my_number",
    "yara": "yara",
    "search": "search",
    "event": "event",
}
"""What may be named in `kinds`: findings of both sorts, hits of a search, events of the timeline."""
_DRIVE = re.compile(r"^[A-Za-z]:", re.ASCII)


@dataclass(frozen=True, slots=True)
class Scope:
    """What is inside; empty members limit nothing. `seq` is the entry that says so; times in nanoseconds UTC."""

    seq: int
    paths: tuple[str, ...] = ()
    since_ns: int | None = None
    until_ns: int | None = None
    kinds: frozenset[str] = frozenset()

    def holds(self, kind: str, path: str, time_ns: int | None) -> bool:
        """Whether something of this kind, at this path, last changed (or that happened) then, lies inside."""
        return self.holds_kind(kind) and self.holds_path(path) and self.holds_time(time_ns)

    def holds_kind(self, kind: str) -> bool:
        """Whether this kind is inside."""
        return not self.kinds or kind in self.kinds

    def holds_path(self, path: str) -> bool:
        """Whether this path is inside, with either slash, with or without a drive letter."""
        if not self.paths:
            return True
        plain = path.replace("\\", "/")
        return any(
            pattern.fullmatch(one) for pattern in _patterns(self.paths) for one in (plain, _DRIVE.sub("", plain))
        )

    def holds_time(self, time_ns: int | None) -> bool:
        """Whether this time is inside; None is not, where there is a period."""
        if self.since_ns is None and self.until_ns is None:
            return True
        if time_ns is None:
            return False
        return (self.since_ns is None or time_ns >= self.since_ns) and (
            self.until_ns is None or time_ns <= self.until_ns
        )

    def event_condition(self) -> str:
        """The same for rows of events (`path`, `time_ns`) as a condition of DuckDB's SQL."""
        if not self.holds_kind("event"):
            return "false"
        parts = []
        if self.paths:
            plain = "replace(path, '\\', '/')"
            either = [plain, f"regexp_replace({plain}, '^[A-Za-z]:', '')"]
            tests = [
                f"regexp_full_match({one}, {_sql_text('(?s)' + expression(pattern))})"
                for pattern in self.paths
                for one in either
            ]
            parts.append(f"({' OR '.join(tests)})")
        if self.since_ns is not None:
            parts.append(f"time_ns >= {self.since_ns}")
        if self.until_ns is not None:
            parts.append(f"time_ns <= {self.until_ns}")
        return f"coalesce({' AND '.join(parts)}, false)" if parts else "true"


def _sql_text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def expression(pattern: str) -> str:
    """A pattern as an expression for whole paths: `*` anything, `?` one character; a folder holds its content."""
    folder = pattern.replace("\\", "/").rstrip("/")
    parts = [".*" if one == "*" else "." if one == "?" else _literal(one) for one in folder]
    return f"{''.join(parts)}(/.*)?"


def _literal(character: str) -> str:
    """Escaped for Python and for RE2 alike, which refuses a backslash before a letter that means nothing."""
    return f"\\{character}" if character in r".^$+{}[]()|\-" else character


@lru_cache(maxsize=64)
def _patterns(paths: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(expression(one), re.DOTALL) for one in paths)


def of_entries(listed: Iterable[Any]) -> Scope | None:
    """The scope that counts after these entries; None where none was recorded."""
    found: Scope | None = None
    for entry in listed:
        if entry.type != "record.scope":
            continue
        texts = {name: str(entry.body.get(name, "")) for name in ("paths", "since", "until", "kinds")}
        found = Scope(
            entry.seq,
            tuple(one.strip() for one in re.split(r"[\n;]", texts["paths"]) if one.strip()),
            entries.time_ns_of(texts["since"]) if texts["since"] else None,
            entries.time_ns_of(texts["until"]) if texts["until"] else None,
            frozenset(KINDS.get(one, one) for one in re.split(r"[\s,;、]+", texts["kinds"]) if one),
        )
    return found


def scope_of(case: Path) -> Scope | None:
    """The scope of the case in this folder; None where none was recorded or it is no case. Raises LedgerError."""
    if not (case / ledger.LEDGER_NAME).is_file():
        return None
    return of_entries(read_entries(case))
