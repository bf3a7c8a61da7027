"""What was done with one person's number (C9), told from HMACs alone: no evidence is read, no number is stored.

A scan touched the number when its findings hold the number's HMAC; an action touched it when it names the findings
file of such a scan, and, where it names findings, one of that number. Of findings files only `id` and `hmac` are read
(their format: docs/case-folder.md).
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chain_of_custody import entries
from chain_of_custody.errors import UsageError
from chain_of_custody.reading import read_entries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from chain_of_custody.entries import Entry

FINDINGS = "findings.jsonl"
_MOST_LINE = 64 << 20  # bytes


@dataclass(frozen=True, slots=True)
class Touch:
    """One action on the number. `findings` are ids in the scan `results` (a path inside the case)."""

    seq: int
    ts: str
    actor: str
    role: str
    kind: str
    results: str
    findings: tuple[str, ...]
    status: str = ""
    reason: str = ""


@dataclass(slots=True)
class About:
    """All actions found, and what could not be judged (`unknown`: Japanese, English)."""

    touches: list[Touch] = field(default_factory=list)
    unknown: list[tuple[str, str]] = field(default_factory=list)
    scans: int = 0


def digits_of(typed: str) -> str:
    """The 12 digits in what a person typed, blanks and hyphens apart. Raises UsageError, which does not repeat them."""
    kept = "".join(one for one in unicodedata.normalize("NFKC", typed) if one not in " -‐−ー\t\r\n")
    if len(kept) != 12 or not (kept.isascii() and kept.isdigit()):
        raise UsageError("12 桁の番号ではありません", "not a number of 12 digits")
    return kept


@dataclass(frozen=True, slots=True)
class _Scan:
    results: str
    hits: tuple[str, ...]


def about(case: Path, hmac: str) -> About:
    """All actions of the case on the number with this HMAC. Raises LedgerError for a ledger that cannot be read."""
    answer = About()
    scans: dict[str, _Scan] = {}
    disposed = _after_disposal(case)
    ends: dict[int, Entry] = {}
    begun: list[Entry] = []
    for entry in read_entries(case):
        kind, _, half = entry.type.rpartition(".")
        if kind not in entries.ACTIONS:
            continue
        if half == "begin":
            begun.append(entry)
        else:
            ends[int(str(entry.body["begin"]))] = entry
            if kind == "scan" and "results" in entry.body:
                answer.scans += 1
                _read_scan(case, entry, hmac, scans, answer, disposed)
    for entry in begun:
        kind = entry.type.removesuffix(".begin")
        end = ends.get(entry.seq)
        for scan, ids in _touched(entry, end, kind, scans):
            answer.touches.append(
                Touch(
                    entry.seq,
                    entry.ts,
                    entry.actor,
                    entry.role,
                    kind,
                    scan.results,
                    ids,
                    str(end.body["status"]) if end is not None else "",
                    str(entry.body.get("reason", "")),
                )
            )
    return answer


def _after_disposal(case: Path) -> dict[tuple[str, str], str]:
    """What became of result files from which surplus was disposed of: (name, SHA-256 before) to the one after."""
    found: dict[tuple[str, str], str] = {}
    for entry in read_entries(case):
        files = entry.body.get("files") if entry.type == "record.dispose" else None
        for one in files if isinstance(files, list) else ():
            if isinstance(one, dict) and "after" in one:
                found[str(one.get("name")), str(one.get("before"))] = str(one["after"])
    return found


def _read_scan(
    case: Path,
    entry: Entry,
    hmac: str,
    scans: dict[str, _Scan],
    answer: About,
    disposed: dict[tuple[str, str], str],
) -> None:
    results = str(entry.body["results"])
    names = entry.body.get("files")
    listed = [str(name) for name in names] if isinstance(names, list) else []
    recorded = dict(zip(listed, (file.sha256 for file in entry.outputs), strict=False))
    path = case / results / FINDINGS
    digest, hits = hashlib.sha256(), []
    try:
        with path.open("rb") as file:
            while line := file.readline(_MOST_LINE):
                digest.update(line)
                if hmac.encode() in line:
                    value = json.loads(line)
                    if value.get("hmac") == hmac:
                        hits.append(str(value.get("id", "")))
    except (OSError, ValueError, AttributeError):
        answer.unknown.append(
            (
                f"第 {entry.seq} 項の走査の検出を読めません: {results}",
                f"findings of the scan in entry {entry.seq} cannot be read: {results}",
            )
        )
        return
    expected = recorded.get(FINDINGS, "")
    while (f"{results}/{FINDINGS}", expected) in disposed:
        expected = disposed[f"{results}/{FINDINGS}", expected]
    if expected != digest.hexdigest():
        answer.unknown.append(
            (
                f"検出が台帳の記録と一致しません: {results}(第 {entry.seq} 項)",
                f"the findings are not those that the ledger recorded: {results} (entry {entry.seq})",
            )
        )
    scans[digest.hexdigest()] = _Scan(results, tuple(hits))
    if recorded.get(FINDINGS):
        scans[recorded[FINDINGS]] = scans[digest.hexdigest()]


def _touched(
    entry: Entry, end: Entry | None, kind: str, scans: dict[str, _Scan]
) -> Iterator[tuple[_Scan, tuple[str, ...]]]:
    """The scans with the number that this action used, with the ids in question."""
    if kind == "scan":
        results = str(end.body.get("results", "")) if end is not None else ""
        found = {scan.results: scan for scan in scans.values() if scan.hits and scan.results == results}
        yield from ((scan, scan.hits) for scan in found.values())
        return
    named = {file.sha256 for file in (*entry.inputs, *(end.inputs if end is not None else ()))}
    named |= set(_texts(entry.body))
    used = {scan.results: scan for sha256, scan in scans.items() if sha256 in named and scan.hits}
    ids = entry.body.get("ids")
    for scan in used.values():
        chosen = scan.hits if not isinstance(ids, list) or not ids else tuple(one for one in scan.hits if one in ids)
        if chosen:
            yield scan, chosen


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)
