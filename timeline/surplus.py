"""Events outside the scope that were stored before it was set: counted, and disposed of with proof (C5).

The part files keep their names, their other rows and the numbers of all events, so that marks and reports still point
to what they pointed to; sizes, hashes and counts in the manifest are brought up to date.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chain_of_custody.entries import FileHash
from chain_of_custody.scope import Scope, scope_of
from chain_of_custody.surplus import Removal, dispose
from timeline.scoping import inside
from timeline.view_index import FOLDER

if TYPE_CHECKING:
    from pathlib import Path

    from chain_of_custody.case import Case
    from chain_of_custody.entries import Entry

_MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Part:
    """A part file (path from the case folder) and how many of its rows lie outside and inside."""

    file: Path
    outside: int
    inside: int


def find(case: Path) -> list[Part]:
    """The part files of complete builds that hold something outside the scope. Raises UsageError without a timeline."""
    from timeline.store import open_store  # noqa: PLC0415 - start-up time

    scope = scope_of(case)
    if scope is None:
        return []
    found = []
    with open_store(case) as store:
        for part in (one for build in store.builds for one in build.parts):
            sql = f"SELECT count(*), count(*) FILTER ({scope.event_condition()}) FROM read_parquet(?)"  # noqa: S608
            whole, kept = next(store.rows(sql, [str(part)]))
            if whole > kept:
                found.append(Part(part.relative_to(case), int(whole - kept), int(kept)))
    return found


def dispose_of(case: Case, found: list[Part], reason: str) -> Entry:
    """Remove it from the part files, recorded as `record.dispose`. Raises LedgerError, UsageError."""
    scope = scope_of(case.path)
    assert scope is not None
    removals: list[Removal] = []
    fresh: list[Path] = []
    try:
        for folder in sorted({one.file.parents[1] for one in found}):
            parts = [one for one in found if one.file.parents[1] == folder]
            removals += _build(case.path, folder, parts, scope, fresh)
        views = (case.path / "timeline" / FOLDER).glob("*.parquet")
        removals += [Removal(one.relative_to(case.path), None, 0) for one in sorted(views)]
        what = f"調査の範囲(第 {scope.seq} 項)の外の事象 / events outside the scope"
        return dispose(case, what, reason, removals)
    finally:
        for kept in fresh:
            kept.unlink(missing_ok=True)


def _build(case: Path, folder: Path, parts: list[Part], scope: Scope, fresh: list[Path]) -> list[Removal]:
    import pyarrow.parquet as pq  # noqa: PLC0415 - start-up time

    from timeline.rows import GROUP_ROWS, held_schema, parquet_options  # noqa: PLC0415 - needs pyarrow

    removals = []
    hashes: dict[str, FileHash] = {}
    for part in parts:
        old = case / part.file
        kept = old.with_name(f".{old.name}.kept")
        fresh.append(kept)
        table = inside(scope, pq.read_table(old, schema=held_schema()))
        pq.write_table(table, kept, row_group_size=GROUP_ROWS, **parquet_options())
        hashes[part.file.relative_to(folder).as_posix()] = FileHash.of_file(kept)
        removals.append(Removal(part.file, kept, part.outside))
    manifest: dict[str, Any] = json.loads((case / folder / _MANIFEST).read_text(encoding="utf-8"))
    for line in manifest["parts"]:
        if line["name"] in hashes:
            line |= {"sha256": hashes[line["name"]].sha256, "size": hashes[line["name"]].size}
    gone = sum(part.outside for part in parts)
    before = manifest.get("scope") or {"outside": 0}
    manifest |= {
        "events": manifest["events"] - gone,
        "scope": {"entry": scope.seq, "outside": before["outside"] + gone},
    }
    new = case / folder / f".{_MANIFEST}.kept"
    fresh.append(new)
    new.write_text(json.dumps(manifest, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return [*removals, Removal(folder / _MANIFEST, new, 0)]
