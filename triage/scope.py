"""The scope of a case (C5): what a scan keeps. Every sector is read all the same; hits outside are counted, not stored.

The newest `record.scope` of the case counts: `paths` (patterns with * and ?, one a line or apart by `;`), `since` and
`until` (time of the last change of the file), `kinds`. What cannot be shown to lie inside is outside: space without a
file where paths are named, a file without time where a period is.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from chain_of_custody import entries
from chain_of_custody.reading import read_entries

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from triage.findings import Finding

_KINDS = {"mynumber": "my_number", "my_number": "my_number", "yara": "yara"}


@dataclass(frozen=True, slots=True)
class Scope:
    """What is inside; empty members limit nothing. `seq` is the entry that says so; times in nanoseconds UTC."""

    seq: int
    paths: tuple[str, ...] = ()
    since_ns: int | None = None
    until_ns: int | None = None
    kinds: frozenset[str] = frozenset()

    def holds(self, finding: Finding) -> bool:
        """Whether the finding lies inside."""
        if self.kinds and finding.kind not in self.kinds:
            return False
        if self.paths and not any(_fits(finding.path, pattern) for pattern in self.paths):
            return False
        if self.since_ns is None and self.until_ns is None:
            return True
        modified = finding.times.get("modified")
        ns = modified.get("ns") if isinstance(modified, dict) else getattr(modified, "ns", None)
        if not isinstance(ns, int):
            return False
        return (self.since_ns is None or ns >= self.since_ns) and (self.until_ns is None or ns <= self.until_ns)

    def split(self, findings: Sequence[Finding]) -> tuple[list[Finding], dict[str, Any]]:
        """The findings inside, and what is said of the others: their number by kind and by confidence."""
        inside = [one for one in findings if self.holds(one)]
        outside = [one for one in findings if not self.holds(one)]
        said = {
            "entry": self.seq,
            "outside": len(outside),
            "by_kind": dict(sorted(Counter(one.kind for one in outside).items())),
            "by_confidence": dict(sorted(Counter(one.confidence for one in outside if one.confidence).items())),
        }
        return inside, said


def _fits(path: str, pattern: str) -> bool:
    folder = pattern.rstrip("/")
    return fnmatchcase(path, pattern) or fnmatchcase(path, f"{folder}/*")


def note(said: dict[str, Any]) -> dict[str, str]:
    """The sentence of the report."""
    return {
        "ja": f"調査の範囲(第 {said['entry']} 項)の外の検出 {said['outside']} 件は数えただけで、保存していません",
        "en": f"{said['outside']} findings outside the scope (entry {said['entry']}) were counted, not stored",
    }


def scope_of(case: Path) -> Scope | None:
    """The scope that counts now; None where none was recorded. Raises LedgerError."""
    found: Scope | None = None
    for entry in read_entries(case):
        if entry.type != "record.scope":
            continue
        texts = {name: str(entry.body.get(name, "")) for name in ("paths", "since", "until", "kinds")}
        found = Scope(
            entry.seq,
            tuple(one.strip() for one in re.split(r"[\n;]", texts["paths"]) if one.strip()),
            entries.time_ns_of(texts["since"]) if texts["since"] else None,
            entries.time_ns_of(texts["until"]) if texts["until"] else None,
            frozenset(_KINDS.get(one, one) for one in re.split(r"[\s,;、]+", texts["kinds"]) if one),
        )
    return found
