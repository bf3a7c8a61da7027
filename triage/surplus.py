"""Findings and hits that lie outside the scope and were stored before it was set: counted, and disposed of (C5)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chain_of_custody.scope import scope_of
from chain_of_custody.surplus import Removal, dispose
from triage.scope import holds_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from chain_of_custody import Case
    from chain_of_custody.entries import Entry
    from chain_of_custody.scope import Scope

_MOST_LINE = 64 << 20  # bytes
_DERIVED = ("report.html",)
"""Made from the findings with all that they hold: removed with them, made anew by `triage report`."""


@dataclass(frozen=True, slots=True)
class Surplus:
    """What lies outside in one result file (path from the case folder)."""

    file: Path
    outside: int
    inside: int


def _holds(scope: Scope, line: dict[str, Any], *, is_hit: bool) -> bool:
    # A hit has no times of its file: where there is a period, it cannot be shown to lie inside.
    return scope.holds("search", str(line.get("path", "")), None) if is_hit else holds_line(scope, line)


def _lines(file: Path) -> Iterator[tuple[bytes, dict[str, Any]]]:
    with file.open("rb") as opened:
        while line := opened.readline(_MOST_LINE):
            if line.strip():
                yield line, json.loads(line)


def find(case: Path) -> list[Surplus]:
    """The result files that hold something outside the scope of this case. Raises ValueError for a damaged file."""
    scope = scope_of(case)
    if scope is None:
        return []
    found = []
    for pattern in ("scans/*/findings.jsonl", "searches/*/hits.jsonl"):
        for file in sorted(case.glob(pattern)):
            is_hit = file.name == "hits.jsonl"
            inside = [_holds(scope, line, is_hit=is_hit) for _, line in _lines(file)]
            if not all(inside):
                found.append(Surplus(file.relative_to(case), inside.count(False), inside.count(True)))
    return found


def dispose_of(case: Case, found: list[Surplus], reason: str) -> Entry:
    """Remove it from the result files, recorded as `record.dispose`. Raises LedgerError, UsageError."""
    scope = scope_of(case.path)
    assert scope is not None
    removals = []
    fresh: list[Path] = []
    try:
        for one in found:
            old = case.path / one.file
            kept = old.with_name(f".{old.name}.kept")
            fresh.append(kept)
            with kept.open("wb") as file:
                for line, value in _lines(old):
                    if _holds(scope, value, is_hit=old.name == "hits.jsonl"):
                        file.write(line)
            removals.append(Removal(one.file, kept, one.outside))
            made = [name for name in _DERIVED if (old.parent / name).is_file()]
            removals += [Removal(one.file.with_name(name), None, one.outside) for name in made]
        what = f"調査の範囲(第 {scope.seq} 項)の外の検出 / findings outside the scope"
        return dispose(case, what, reason, removals)
    finally:
        for kept in fresh:
            kept.unlink(missing_ok=True)
