"""Events gathered into Arrow columns, masked, sorted by time, and written as one Parquet file.

A part file holds the rows of one or more sources. Its rows are sorted by time (rows without a time last), so that a
span of time is found by the statistics of its row groups; `row` keeps the order in which the source gave them.
"""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from chain_of_custody.masking import mask_text
from timeline.event import COLUMNS, Event, bounded, data_json, schema
from timeline.masking import TEXTS, mask_column, mask_json
from timeline.scoping import inside

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    import pyarrow as pa

    from chain_of_custody.scope import Scope

ROWS_IN_MEMORY = 500_000
"""Rows gathered before they are sorted and written; a larger source becomes several sorted runs."""
GROUP_ROWS = 131_072
_EVENTS_AT_ONCE = 20_000  # Python objects turned into a batch together
_LARGEST_TEXT = 32_768  # characters of one text column; what is longer is cut with an ellipsis


@lru_cache(maxsize=1)
def stored_schema() -> pa.Schema:
    """Columns of a part file: those of an event, after the number of its source and its place in it."""
    import pyarrow as pa  # noqa: PLC0415 - start-up time

    own = [pa.field("source_id", pa.int32(), nullable=False), pa.field("row", pa.int64(), nullable=False)]
    return pa.schema([*own, *schema()])


@lru_cache(maxsize=1)
def held_schema() -> pa.Schema:
    """The same columns as they are held in memory: texts that repeat are kept once."""
    import pyarrow as pa  # noqa: PLC0415 - start-up time

    fields = []
    for field in stored_schema():
        repeats = pa.types.is_string(field.type) and field.name != "time_text"
        fields.append(field.with_type(pa.dictionary(pa.int32(), pa.string())) if repeats else field)
    return pa.schema(fields)


def parquet_options() -> dict[str, Any]:
    """How part files are written."""
    import pyarrow as pa  # noqa: PLC0415 - start-up time

    return {
        "compression": "zstd",
        "compression_level": 1,
        "use_dictionary": [one.name for one in held_schema() if pa.types.is_dictionary(one.type)],
        "write_statistics": ["source_id", "time_ns", "kind"],
        "store_schema": False,
    }


def _held(column: Any, wanted: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
    import pyarrow as pa  # noqa: PLC0415 - start-up time

    if column.type == wanted:
        return column
    if pa.types.is_dictionary(wanted):
        return (column if pa.types.is_dictionary(column.type) else column.dictionary_encode()).cast(wanted)
    return _plain(column).cast(wanted)


def _plain(column: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
    import pyarrow as pa  # noqa: PLC0415 - start-up time

    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def batch_of(events: list[Event]) -> pa.RecordBatch:
    """Events as a batch with the columns of `event.SCHEMA`."""
    import pyarrow as pa  # noqa: PLC0415 - start-up time

    columns: list[list[Any]] = [
        [bounded(one.time_ns) for one in events],
        [_text(one.time_text) for one in events],
        [one.precision_ns for one in events],
        [one.zone for one in events],
        [one.zone_basis for one in events],
        [one.kind for one in events],
        [one.desc for one in events],
        [_text(one.record) for one in events],
        [bounded(one.sequence) or 0 for one in events],
        [_text(one.actor) for one in events],
        [_text(one.host) for one in events],
        [_text(one.path) for one in events],
        [bounded(one.bytes) for one in events],
        [data_json(one.data) for one in events],
        [one.clock for one in events],
        [one.state for one in events],
    ]
    try:
        return pa.record_batch(columns, schema=schema())
    except (UnicodeEncodeError, pa.ArrowException):
        # Lone surrogates (names from UTF-16) have no UTF-8 form.
        clean = [[_escaped(value) for value in column] for column in columns]
        return pa.record_batch(clean, schema=schema())


def _text(value: str) -> str:
    return value if len(value) <= _LARGEST_TEXT else value[:_LARGEST_TEXT] + "…"


def _escaped(value: Any) -> Any:  # noqa: ANN401 - any column
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


class Rows:
    """Gathers the rows of sources and writes them into `path`, which appears when `close` has made it whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._partial = path.with_suffix(".partial")
        self._writer: Any = None
        self._tables: list[Any] = []
        self._held = 0
        self._events: list[Event] = []
        self._source_id = 0
        self._row = 0
        self._numeric: Collection[str] = ()
        self._host = ""
        self._with_time = 0
        self._scope: Scope | None = None
        self._outside = 0

    def begin(
        self, source_id: int, *, host: str = "", numeric: Collection[str] = (), scope: Scope | None = None
    ) -> None:
        """What follows are rows of this source; `host` is that of rows that name none. Of them, `scope` keeps some."""
        self._flush_events()
        self._scope, self._outside = scope, 0
        self._source_id, self._row, self._host, self._numeric = source_id, 0, host, numeric
        self._with_time = 0

    @property
    def rows_of_source(self) -> int:
        """Rows that the present source has given and that are kept."""
        if self._scope is not None:
            self._flush_events()
        return self._row - self._outside + len(self._events)

    def rows_outside(self) -> int:
        """Rows of the present source that lie outside the scope: they are counted alone."""
        self._flush_events()
        return self._outside

    def rows_with_time(self) -> int:
        """Rows of the present source whose time was read."""
        self._flush_events()
        return self._with_time

    def add(self, event: Event) -> None:
        """One event."""
        self._events.append(event)
        if len(self._events) >= _EVENTS_AT_ONCE:
            self._flush_events()

    def add_batch(self, batch: Any) -> None:  # noqa: ANN401 - pyarrow has no types
        """A batch with the columns of `event.SCHEMA`; metadata `masked` names columns that are masked already."""
        self._flush_events()
        self._take(batch)

    def _flush_events(self) -> None:
        if self._events:
            events, self._events = self._events, []
            self._take(batch_of(events))

    def _take(self, batch: Any) -> None:  # noqa: ANN401
        import pyarrow as pa  # noqa: PLC0415 - start-up time
        import pyarrow.compute as pc  # noqa: PLC0415 - start-up time

        count = batch.num_rows
        if not count:
            return
        done = (batch.schema.metadata or {}).get(b"masked", b"").decode().split(",")
        columns: dict[str, Any] = {name: batch.column(name) for name in COLUMNS}
        for name in TEXTS:
            if name in done:
                continue
            if name == "time_text":
                if columns["time_ns"].null_count:
                    column = _plain(columns[name])
                    hidden = mask_column(column, mask_text)
                    columns[name] = pc.if_else(columns["time_ns"].is_null(), hidden, column)
                continue
            columns[name] = mask_column(columns[name], mask_text)
        if "data" not in done:
            columns["data"] = mask_column(columns["data"], lambda text: mask_json(text, self._numeric))
        if self._host:
            host = _plain(columns["host"])
            columns["host"] = pc.if_else(pc.equal(host, ""), self._host, host)
        columns["source_id"] = pa.repeat(pa.scalar(self._source_id, pa.int32()), count)
        columns["row"] = pa.array(np.arange(self._row, self._row + count, dtype=np.int64))
        arrays = [_held(columns[field.name], field.type) for field in held_schema()]
        table = pa.Table.from_arrays(arrays, schema=held_schema())
        self._row += count
        if self._scope is not None:
            table = inside(self._scope, table)
            self._outside += count - table.num_rows
            count = table.num_rows
        self._with_time += count - table["time_ns"].null_count
        self._tables.append(table)
        self._held += count
        self.count += count
        if self._held >= ROWS_IN_MEMORY:
            self._write()

    def _write(self) -> None:
        import pyarrow as pa  # noqa: PLC0415 - start-up time
        import pyarrow.compute as pc  # noqa: PLC0415 - start-up time
        import pyarrow.parquet as pq  # noqa: PLC0415 - start-up time

        if not self._tables:
            return
        table = pa.concat_tables(self._tables).unify_dictionaries()
        self._tables, self._held = [], 0
        keys = [("time_ns", "ascending"), ("source_id", "ascending"), ("row", "ascending")]
        table = table.take(pc.sort_indices(table, keys))
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._partial, held_schema(), **parquet_options())
        self._writer.write_table(table, row_group_size=GROUP_ROWS)

    def close(self) -> tuple[str, int] | None:
        """Finish the file; its SHA-256 (hex) and size in bytes, or None where no row was gathered."""
        self._flush_events()
        self._write()
        if self._writer is None:
            return None
        self._writer.close()
        with self._partial.open("rb+") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()
            os.fsync(file.fileno())
        self._partial.replace(self.path)
        return digest, size

    def discard(self) -> None:
        """Leave nothing behind."""
        if self._writer is not None:
            self._writer.close()
        self._partial.unlink(missing_ok=True)
