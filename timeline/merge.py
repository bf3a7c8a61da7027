"""All events of a store in order of time, as a stream of tables: memory stays bounded however many there are.

Part files hold sorted runs. A few runs are merged at once, a piece of each in memory; where there are more, groups of
them are merged into files of a folder for swapping first.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from timeline import arrow
from timeline.event import INT64_MAX
from timeline.rows import GROUP_ROWS, parquet_options, stored_schema

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from pathlib import Path

AT_ONCE = 24
"""Runs that are merged together."""
_FEW_VALUES = ("zone", "zone_basis", "kind", "desc", "actor", "host", "clock", "state")
"""Columns held with each value once. Of the others every piece has its own values: joining them costs more."""
_KEYS = [("time_ns", "ascending"), ("source_id", "ascending"), ("row", "ascending")]


@dataclass(slots=True)
class _Run:
    """Row groups of a file whose rows follow each other in order; `table` is what is left of those that were read."""

    file: Any
    groups: list[int]
    table: Any = None
    _last: int = field(default=0)

    def fill(self) -> bool:
        """Read the next row group where nothing is left; False at the end."""
        while self.table is None or not self.table.num_rows:
            if not self.groups:
                return False
            self.table = self.file.read_row_group(self.groups.pop(0), use_threads=True)
            self._last = _time_at(self.table, self.table.num_rows - 1) if self.table.num_rows else 0
        return True

    @property
    def last(self) -> int:
        """Time of the last row in memory; rows without a time come last of all."""
        return self._last


def _time_at(table: Any, place: int) -> int:  # noqa: ANN401 - pyarrow has no types
    value = table["time_ns"][place].as_py()
    return INT64_MAX if value is None else int(value)


def merged(parts: Sequence[Path], spill: Path) -> Iterator[Any]:
    """Tables with the columns of a part file, which one after another are in order of time, source and row."""
    runs = [run for part in parts for run in _runs(part)]
    level = 0
    while len(runs) > AT_ONCE:
        spill.mkdir(parents=True, exist_ok=True)
        fewer: list[_Run] = []
        for number in range(0, len(runs), AT_ONCE):
            path = spill / f"merge-{level}-{number}.parquet"
            _write(_merge(runs[number : number + AT_ONCE]), path)
            fewer += _runs(path)
        runs = fewer
        level += 1
    yield from _merge(runs)


def _runs(part: Path) -> list[_Run]:
    """The sorted runs of a file, by the statistics of its row groups."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - start-up time

    texts = list(_FEW_VALUES)
    file = pq.ParquetFile(part, read_dictionary=texts)
    place = stored_schema().names.index("time_ns")
    runs: list[list[int]] = []
    last: int | None = None
    for group in range(file.metadata.num_row_groups):
        column = file.metadata.row_group(group).column(place).statistics
        first = column.min if column is not None and column.has_min_max else INT64_MAX
        ends_run = column is None or column.null_count > 0
        if last is None or first < last:
            runs.append([])
        runs[-1].append(group)
        last = INT64_MAX if ends_run else column.max
    # Each run has a reader of its own: they stand at different places.
    return [_Run(pq.ParquetFile(part, read_dictionary=texts), groups) for groups in runs]


def _merge(runs: Sequence[_Run]) -> Iterator[Any]:
    import pyarrow as pa  # noqa: PLC0415 - start-up time
    import pyarrow.compute as pc  # noqa: PLC0415 - start-up time

    live = [run for run in runs if run.fill()]
    while live:
        # What is not later than the earliest end of what is in memory cannot be preceded by anything unread.
        until = min(run.last for run in live)
        pieces = []
        for run in live:
            times = run.table["time_ns"].fill_null(INT64_MAX)
            count = int(pc.sum(pc.less_equal(times, until)).as_py() or 0)
            if count:
                pieces.append(run.table.slice(0, count))
                run.table = run.table.slice(count)
        table = pa.concat_tables(pieces).unify_dictionaries()
        yield table.take(pc.sort_indices(table, _KEYS)) if len(pieces) > 1 else table
        live = [run for run in live if run.fill()]


def write_merged(parts: Sequence[Path], target: Path, spill: Path) -> int:
    """Write all rows of `parts` into the new file `target` in order; the number of rows."""
    arrow.load_alone()
    return _write(ahead(merged(parts, spill)), target)


def ahead(tables: Iterator[Any]) -> Generator[Any]:
    """The same tables, made by a thread while the one before is used."""
    with ThreadPoolExecutor(1, thread_name_prefix="merge") as pool:
        waiting = pool.submit(next, tables, None)
        while (table := waiting.result()) is not None:
            waiting = pool.submit(next, tables, None)
            yield table


def _write(tables: Iterator[Any], path: Path) -> int:
    import pyarrow.parquet as pq  # noqa: PLC0415 - start-up time

    writer = None
    count = 0
    for table in tables:
        count += table.num_rows
        if writer is None:
            options = parquet_options() | {"use_dictionary": [*_FEW_VALUES, "path", "data"]}
            writer = pq.ParquetWriter(path, table.schema, **options)
        writer.write_table(table, row_group_size=GROUP_ROWS)
    if writer is not None:
        writer.close()
    return count
