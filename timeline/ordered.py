# ruff: noqa: S608 - statements are put together from names of this program
"""All events of a store in order of time as a view that DuckDB reads without sorting.

```python
with in_order(store) as view:
    store.connection.execute(f"COPY (SELECT id, path FROM {view}) TO 'a.csv'")
```
The sorted runs of the part files are merged on the way, a piece of each in memory, and what is known of each source is
set beside its events; so no join and no sort can change the order, which DuckDB keeps for a SELECT of one table while
`preserve_insertion_order` is set.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from timeline.merge import ahead, merged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from timeline.store import Store

IN_ORDER = "events_in_order"
"""The view."""
_ROWS = "rows_in_order"
_OF_SOURCE = ("source", "parser", "layer", "clock", "state")
_COLUMNS = """
  'S' || source_id || ':' || row AS id, time_ns, time_text, precision_ns, zone, zone_basis, kind, "desc", record,
  sequence, actor, host, path, bytes, data, CASE WHEN clock = '' THEN source_clock ELSE clock END AS clock,
  CASE WHEN state = '' THEN source_state ELSE state END AS state, source_source AS source, source_parser AS parser,
  source_layer AS layer, source_id, row
"""


@contextmanager
def in_order(store: Store) -> Iterator[str]:
    """The name of a view with the columns of `events`; it can be read once."""
    import pyarrow as pa  # noqa: PLC0415 - start-up time

    if store.scope is not None:
        # The parts hold what lies outside the scope, too; the view does not.
        yield "events"
        return
    known = list(store.rows(f"SELECT source_id, {', '.join(_OF_SOURCE)} FROM sources ORDER BY source_id"))
    ids = pa.array([row[0] for row in known], pa.int32())
    texts = [pa.array([row[1 + place] for row in known], pa.string()) for place in range(len(_OF_SOURCE))]
    parts = [part for build in store.builds for part in build.parts]
    tables = ahead(_beside_sources(merged(parts, store.spill), ids, texts))
    first = next(tables, None)
    if first is None:
        yield "events"
        return
    reader = pa.RecordBatchReader.from_batches(first.schema, _batches(first, tables))
    connection = store.connection
    connection.execute("SET preserve_insertion_order = true")
    connection.register(_ROWS, reader)
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {IN_ORDER} AS SELECT {_COLUMNS} FROM {_ROWS}")
    try:
        yield IN_ORDER
    finally:
        connection.execute(f"DROP VIEW {IN_ORDER}")
        connection.unregister(_ROWS)
        tables.close()


def _batches(first: Any, rest: Iterator[Any]) -> Iterator[Any]:  # noqa: ANN401 - pyarrow has no types
    yield from first.to_batches()
    for table in rest:
        yield from table.cast(first.schema).to_batches()


def _beside_sources(tables: Iterator[Any], ids: Any, texts: list[Any]) -> Iterator[Any]:  # noqa: ANN401
    """The rows of sources that count, with what is known of each source as further columns."""
    import pyarrow as pa  # noqa: PLC0415 - start-up time
    import pyarrow.compute as pc  # noqa: PLC0415 - start-up time

    for table in tables:
        places = pc.index_in(table["source_id"], value_set=ids).combine_chunks()
        if places.null_count:
            table = table.filter(pc.is_valid(places))  # noqa: PLW2901 - the same rows, fewer of them
            places = places.drop_null()
        for name, text in zip(_OF_SOURCE, texts, strict=True):
            column = pa.DictionaryArray.from_arrays(places, text)
            table = table.append_column(f"source_{name}", column)  # noqa: PLW2901
        if table.num_rows:
            yield table
