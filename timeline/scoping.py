"""The scope of the case over tables of events: rows outside are dropped before they are written (C5).

Reading through the store is limited by a condition of its own (`chain_of_custody.scope.Scope.event_condition`); a test
holds both to the same rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chain_of_custody.scope import Scope


def inside(scope: Scope, table: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
    """The rows of a table (columns `path` and `time_ns`) that lie inside."""
    import pyarrow as pa  # noqa: PLC0415 - start-up time
    import pyarrow.compute as pc  # noqa: PLC0415 - start-up time

    if not scope.holds_kind("event"):
        return table.slice(0, 0)
    if scope.paths:
        path = table["path"]
        path = path.combine_chunks() if isinstance(path, pa.ChunkedArray) else path
        column = path if pa.types.is_dictionary(path.type) else path.dictionary_encode()
        column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        # Each different path is asked for once.
        held = pa.array([scope.holds_path(one or "") for one in column.dictionary.to_pylist()], pa.bool_())
        table = table.filter(pc.fill_null(held.take(column.indices), scope.holds_path("")))
    for limit, test in ((scope.since_ns, pc.greater_equal), (scope.until_ns, pc.less_equal)):
        if limit is not None:
            table = table.filter(pc.fill_null(test(table["time_ns"], pa.scalar(limit, pa.int64())), False))
    return table
