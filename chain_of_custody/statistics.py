"""Tables over many cases: place, kind of threat, difficulty and stage, from the last `record.classify` of each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chain_of_custody import ledger
from chain_of_custody.errors import LedgerError, UsageError
from chain_of_custody.masking import mask_path
from chain_of_custody.reading import read_entries

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

TABLES = (("place", "threat"), ("threat", "difficulty"), ("threat", "stage"))
"""Rows and columns of what is shown."""
_MOST_DEPTH = 4


@dataclass(slots=True)
class Statistics:
    """What the cases say: `cases` by path with their classification; those without, and those that cannot be read."""

    cases: dict[str, dict[str, str]] = field(default_factory=dict)
    unclassified: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def table(self, rows: str, columns: str) -> dict[tuple[str, str], int]:
        """Number of cases by two members."""
        return dict(Counter((one[rows], one[columns]) for one in self.cases.values()))

    def to_json(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {
            "cases": [{"case": name, **values} for name, values in self.cases.items()],
            "unclassified": self.unclassified,
            "unreadable": self.unreadable,
            "tables": [
                {
                    "rows": rows,
                    "columns": columns,
                    "counts": [
                        {rows: one, columns: two, "cases": count}
                        for (one, two), count in sorted(self.table(rows, columns).items())
                    ],
                }
                for rows, columns in TABLES
            ],
        }


def _cases(folder: Path, depth: int = 0) -> Iterator[Path]:
    if (folder / ledger.LEDGER_NAME).is_file():
        yield folder
    elif depth < _MOST_DEPTH and folder.is_dir():
        for child in sorted(folder.iterdir()):
            if child.is_dir() and not child.is_symlink():
                yield from _cases(child, depth + 1)


def count(folders: Sequence[Path]) -> Statistics:
    """Statistics over the cases in these folders. Raises UsageError where there is no case."""
    result = Statistics()
    found = list(dict.fromkeys(case.resolve() for folder in folders for case in _cases(folder)))
    if not found:
        raise UsageError("事案フォルダーがありません", "there is no case in these folders")
    for case in found:
        name, last = mask_path(case), None
        try:
            for entry in read_entries(case):
                if entry.type == "record.classify":
                    last = entry.body
        except LedgerError:
            result.unreadable.append(name)
            continue
        members = ("place", "threat", "difficulty", "stage")
        if last is None or not all(isinstance(last.get(one), str) for one in members):
            result.unclassified.append(name)
        else:
            result.cases[name] = {one: str(last[one]) for one in members}
    return result
