"""The scope of a case over findings and hits: those outside are counted, not stored and not shown (C5)."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from chain_of_custody.scope import Scope, scope_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from triage.findings import Finding

__all__ = ["Scope", "hidden_note", "holds", "holds_line", "modified", "note", "of_results", "scope_of", "split"]


def modified(times: Mapping[str, Any]) -> int | None:
    """Time of the last change of a file (ns UTC) from its times; None where it is not known."""
    modified = times.get("modified")
    ns = modified.get("ns") if isinstance(modified, dict) else getattr(modified, "ns", None)
    return ns if isinstance(ns, int) and not isinstance(ns, bool) else None


def holds(scope: Scope, finding: Finding) -> bool:
    """Whether the finding lies inside."""
    return scope.holds(finding.kind, finding.path, modified(finding.times))


def holds_line(scope: Scope, line: Mapping[str, Any]) -> bool:
    """Whether the finding of this line of `findings.jsonl` lies inside."""
    times, path = line.get("times"), line.get("path")
    return scope.holds(
        str(line.get("kind")), path if isinstance(path, str) else "", modified(times if isinstance(times, dict) else {})
    )


def split(scope: Scope, findings: Sequence[Finding]) -> tuple[list[Finding], dict[str, Any]]:
    """The findings inside, and what is said of the others: their number by kind and by confidence."""
    inside = [one for one in findings if holds(scope, one)]
    outside = [one for one in findings if not holds(scope, one)]
    said = {
        "entry": scope.seq,
        "outside": len(outside),
        "by_kind": dict(sorted(Counter(one.kind for one in outside).items())),
        "by_confidence": dict(sorted(Counter(one.confidence for one in outside if one.confidence).items())),
    }
    return inside, said


def note(said: Mapping[str, Any]) -> dict[str, str]:
    """The sentence of the report about what a scan left out."""
    return {
        "ja": f"調査の範囲(第 {said['entry']} 項)の外の検出 {said['outside']} 件は数えただけで、保存していません",
        "en": f"{said['outside']} findings outside the scope (entry {said['entry']}) were counted, not stored",
    }


def hidden_note(said: Mapping[str, Any]) -> dict[str, str]:
    """The sentence about findings that were stored before the scope was set, or made narrower."""
    return {
        "ja": f"調査の範囲(第 {said['entry']} 項)の外の検出 {said['outside']} 件は示していません"
        "(範囲を定める前の走査に残っています。triage surplus で廃棄できます)",
        "en": f"{said['outside']} findings outside the scope (entry {said['entry']}) are not shown "
        "(they are left in a scan made before it was set; triage surplus disposes of them)",
    }


def of_results(folder: Path) -> Scope | None:
    """The scope of the case in which results lie; None where they lie in none."""
    for parent in folder.absolute().parents:
        if (parent / "ledger.jsonl").is_file():
            return scope_of(parent)
    return None
