"""Tables over many cases: place, kind of threat, difficulty and stage, from the last `record.classify` of each.

Over time a case stands in the month of its first sign (`record.first_sign`), where none is recorded in that of its
opening; as the ledger writes it, in the zone of that entry.
"""

from __future__ import annotations

import csv
import io
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

TABLES = (("place", "threat"), ("place", "difficulty"), ("threat", "difficulty"), ("threat", "stage"))
"""Rows and columns of what is shown."""
PERIODS = {"year": 4, "month": 7}
"""What time can be counted by, and how much of a date names it."""
COLUMNS = ("case", "month", "month_basis", "place", "threat", "difficulty", "stage")
"""Of the CSV table, one row a case."""
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

    def over_time(self, period: str, column: str) -> dict[tuple[str, str], int]:
        """Number of cases by year or month and one member."""
        digits = PERIODS[period]
        return dict(Counter((one["month"][:digits], one[column]) for one in self.cases.values()))

    def csv(self) -> str:
        """One row a case, under `COLUMNS`; cases without classification have empty cells."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow(COLUMNS)
        for name in sorted([*self.cases, *self.unclassified, *self.unreadable]):
            row = self.cases.get(name, {})
            # A name that a spreadsheet could calculate gets an apostrophe in front.
            safe = f"'{name}" if name[:1] in "=+-@" else name
            writer.writerow([safe, *(row.get(one, "") for one in COLUMNS[1:])])
        return text.getvalue()

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
            "over_time": [
                {"period": period, "threat": threat, "cases": count}
                for (period, threat), count in sorted(self.over_time("month", "threat").items())
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
        month, basis = "", "opened"
        try:
            for entry in read_entries(case):
                if entry.type == "record.classify":
                    last = entry.body
                elif entry.type == "record.first_sign":
                    month, basis = str(entry.body.get("at", ""))[:7], "first_sign"
                elif not month:
                    month = entry.ts[:7]
        except LedgerError:
            result.unreadable.append(name)
            continue
        members = ("place", "threat", "difficulty", "stage")
        if last is None or not all(isinstance(last.get(one), str) for one in members):
            result.unclassified.append(name)
        else:
            result.cases[name] = {"month": month, "month_basis": basis} | {one: str(last[one]) for one in members}
    return result
