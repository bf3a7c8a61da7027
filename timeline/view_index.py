# ruff: noqa: S608 - statements are put together from names of this program; values are parameters
"""All events of a store in order of time: as numbers in memory for counting, and as one sorted file for reading.

```python
index = build_index(store)
series, done = index.series("")                              # or of a search: index.series("給与")
wanted = index.selected({"kind": {"usb.connect"}})
places = series.chosen_at(wanted, *series.span(first_ns, last_ns), skip=0, limit=100)
rows = index.read([one for one in places])
```
The sorted file lies beside the builds, in `timeline/.view`, and is made once for each state of the store. Its rows
stand in small groups, so that a page of the table is read without touching the rest. It holds what the store holds, no
more; it can be removed at any time.

Every event belongs to a cell: its kind, source, host and state together. Counts of cells are kept for each block of
events in order of time, summed up; so the events of any choice of cells in any span are the difference of two lines of
that table, and only the blocks at the borders are looked into.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tempfile
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from timeline.filters import Filter
from timeline.scoping import inside

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    import numpy.typing as npt

    from timeline.store import Store

FACETS = ("kind", "source", "host", "state")
_TABLE_CELLS = 16_000_000  # numbers in the table of summed counts: 64 MB
_SMALLEST_BLOCK = 512
FOLDER = ".view"
"""Beside the builds: the sorted file."""
_GROUP_ROWS = 4096
_MOST_GROUPS = 8192
_KEPT_GROUPS = 128
_SEARCHED_ROWS = 500_000
_MOST_TIES = 100_000
_WRITTEN_ROWS = 131_072
_REPEATED = ["kind", "desc", "host", "state", "clock", "zone", "zone_basis", "actor", "path"]


class Series:
    """Events in order of time, as cell numbers; all of a store, or those that a search found."""

    def __init__(self, times: npt.NDArray[np.int64], cells: npt.NDArray[Any], cell_count: int) -> None:
        self.times = times
        self.cells = cells
        self.cell_count = cell_count
        count = len(times)
        self.block = max(_SMALLEST_BLOCK, -(-count * max(cell_count, 1) // _TABLE_CELLS))
        blocks = count // self.block + 1
        self._sums = np.zeros((blocks + 1, cell_count), np.uint32)
        for number in range(blocks):
            part = cells[number * self.block : (number + 1) * self.block]
            self._sums[number + 1] = np.bincount(part, minlength=cell_count)
        np.cumsum(self._sums, axis=0, out=self._sums)

    def span(self, first_ns: int | None, last_ns: int | None) -> tuple[int, int]:
        """Positions from the first event at or after `first_ns` to the first at or after `last_ns`."""
        low = 0 if first_ns is None else int(np.searchsorted(self.times, first_ns))
        high = len(self.times) if last_ns is None else int(np.searchsorted(self.times, last_ns))
        return low, max(low, high)

    def counts_before(self, position: int) -> npt.NDArray[np.int64]:
        """How many events of each cell stand before `position`."""
        number = position // self.block
        counts: npt.NDArray[np.int64] = self._sums[number].astype(np.int64)
        rest = self.cells[number * self.block : position]
        if len(rest):
            counts += np.bincount(rest, minlength=self.cell_count)
        return counts

    def chosen_at(self, chosen: npt.NDArray[np.bool_], low: int, high: int, skip: int, limit: int) -> list[int]:
        """Positions of the events of the `chosen` cells between two positions, `limit` of them after `skip`."""
        base = int(self.counts_before(low)[chosen].sum())
        before = self._sums[:, chosen].sum(axis=1, dtype=np.int64)
        number = int(np.searchsorted(before, base + skip, side="right")) - 1
        skip = base + skip - int(before[number])
        found: list[int] = []
        while number * self.block < high and len(found) < limit:
            start = number * self.block
            hits = np.flatnonzero(chosen[self.cells[start : start + self.block]])[skip:]
            skip = 0
            found += [start + int(one) for one in hits[: limit - len(found)] if start + int(one) < high]
            number += 1
        return found

    def binned(
        self, edges: npt.NDArray[np.int64], families: npt.NDArray[np.int64], family_count: int
    ) -> npt.NDArray[np.int64]:
        """Counts for each bin between two edges and each family; cells of family -1 are left out."""
        positions = np.searchsorted(self.times, edges)
        matrix = np.zeros((self.cell_count, family_count), np.int64)
        inside = np.flatnonzero(families >= 0)
        matrix[inside, families[inside]] = 1
        sums = np.zeros((len(edges), family_count), np.int64)
        last_position, last = -1, sums[0]
        for at, position in enumerate(positions):
            if position != last_position:
                last = self.counts_before(int(position)) @ matrix
                last_position = position
            sums[at] = last
        found: npt.NDArray[np.int64] = np.diff(sums, axis=0)
        return found


@dataclass(slots=True)
class Search:
    """A search for words: runs in the background and may be asked for what it has found so far."""

    words: str
    done: float = 0.0
    """Share of the store that was looked through, 0 to 1."""
    positions: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    series: Series | None = None
    stopped: bool = False
    error: str = ""


@dataclass(slots=True)
class ViewIndex:
    """The index of a store."""

    store: Store
    all: Series
    cells: Sequence[tuple[str, int, str, str]]
    """(kind, source_id, host, state) of each cell."""
    without_time: int
    _values: Mapping[str, npt.NDArray[Any]]
    """For each facet the value of each cell."""
    _sources: Mapping[int, tuple[str, str, str, str, str]]
    """(source, parser, layer, state, clock) of each source."""
    _file: Path
    _group: int
    """Rows in a row group of the file."""
    _searches: dict[str, Search] = field(default_factory=dict)
    _groups: OrderedDict[int, Any] = field(default_factory=OrderedDict)
    _parquet: Any = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _reading: threading.Lock = field(default_factory=threading.Lock)

    def __len__(self) -> int:
        return len(self.all.times)

    def values(self, facet: str) -> npt.NDArray[Any]:
        """Value of each cell in a facet."""
        return self._values[facet]

    def selected(self, chosen: Mapping[str, AbstractSet[str]], *, but: str = "") -> npt.NDArray[np.bool_]:
        """Which cells fit: for each facet with choices one of them; the facet `but` asks nothing."""
        fits = np.ones(len(self.cells), np.bool_)
        for facet, values in chosen.items():
            if values and facet != but:
                fits &= np.fromiter((one in values for one in self._values[facet]), np.bool_, len(self.cells))
        return fits

    def series(self, words: str) -> tuple[Series, float]:
        """The events that hold `words` (as far as known), and how much was looked through."""
        if not words:
            return self.all, 1.0
        search = self.search(words)
        return (search.series or Series(self.all.times[:0], self.all.cells[:0], len(self.cells))), search.done

    def place(self, words: str, number: int) -> int:
        """Place among all events of an event by its place in the series of `words`."""
        return int(self.search(words).positions[number]) if words else number

    def read(self, places: Sequence[int]) -> list[dict[str, Any]]:
        """Events by their places among all, with the columns of the view `events`."""
        wanted: dict[int, list[int]] = {}
        for place in places:
            wanted.setdefault(place // self._group, []).append(place)
        found: dict[int, dict[str, Any]] = {}
        for number, near in wanted.items():
            table = self._row_group(number)
            taken = table.take([place - number * self._group for place in near]).to_pylist()
            found |= dict(zip(near, map(self._known, taken), strict=True))
        return [found[place] for place in places]

    def _known(self, row: dict[str, Any]) -> dict[str, Any]:
        """A row with what is known of its source, as the view `events` has it."""
        source, parser, layer, state, clock = self._sources[row["source_id"]]
        row |= {"id": f"S{row['source_id']}:{row['row']}", "source": source, "parser": parser, "layer": layer}
        return row | {"state": row["state"] or state, "clock": row["clock"] or clock}

    def _row_group(self, number: int) -> Any:  # noqa: ANN401 - pyarrow has no types
        import pyarrow.parquet as pq  # noqa: PLC0415 - start-up time

        with self._reading:  # a ParquetFile reads for one thread at a time
            table = self._groups.get(number)
            if table is None:
                if self._parquet is None:
                    self._parquet = pq.ParquetFile(self._file)
                table = self._groups[number] = self._parquet.read_row_group(number, use_threads=False)
                if len(self._groups) > _KEPT_GROUPS:
                    self._groups.popitem(last=False)
            else:
                self._groups.move_to_end(number)
            return table

    def place_of(self, source_id: int, row: int, time_ns: int | None) -> int | None:
        """Place of an event among all; None where it has no time or does not exist."""
        if time_ns is None:
            return None
        low, high = self.all.span(time_ns, time_ns + 1)
        for place in range(low, min(high, low + _MOST_TIES)):
            if self.cells[int(self.all.cells[place])][1] == source_id and self.read([place])[0]["row"] == row:
                return place
        return None

    # ---- search ----

    def search(self, words: str) -> Search:
        """The search for `words`, started where it is new. The last four are kept; older ones stop."""
        with self._lock:
            found = self._searches.get(words)
            if found is not None:
                return found
            found = self._searches[words] = Search(words)
            while len(self._searches) > 4:
                self._searches.pop(next(iter(self._searches))).stopped = True
        threading.Thread(target=self._run, args=(found,), daemon=True).start()
        return found

    def _run(self, search: Search) -> None:
        condition, values = Filter(words=search.words).condition()
        cursor = self.store.connection.cursor()
        hits: list[npt.NDArray[np.int64]] = []
        starts = range(0, len(self), _SEARCHED_ROWS)
        try:
            # The newest first: that is where the questions are.
            for number, start in enumerate(reversed(starts), 1):
                if search.stopped:
                    return
                end = min(start + _SEARCHED_ROWS, len(self))
                # The times of the span let whole groups of rows be skipped; the row numbers are exact.
                sql = (
                    f"SELECT file_row_number FROM read_parquet(?, file_row_number = true) "
                    f"WHERE time_ns BETWEEN ? AND ? AND file_row_number BETWEEN {start} AND {end - 1} AND {condition}"
                )
                span = [int(self.all.times[start]), int(self.all.times[end - 1])]
                got = cursor.execute(sql, [str(self._file), *span, *values]).fetchnumpy()["file_row_number"]
                hits.append(np.asarray(got, np.int64))
                positions = np.sort(np.concatenate(hits))
                series = Series(self.all.times[positions], self.all.cells[positions], len(self.cells))
                search.positions, search.series = positions, series
                search.done = number / len(starts)
        except Exception as error:  # noqa: BLE001 - a thread has no caller; the page shows that the search failed
            search.error = type(error).__name__
        finally:
            cursor.close()
            search.done = 1.0


def _key(store: Store) -> str:
    """Names a state of the store: the parts of all its builds and the sources that count."""
    digest = hashlib.sha256(b"view 2")
    for build in store.builds:
        for part in build.manifest.get("parts", ()):
            digest.update(f"{build.folder.name}/{part['name']} {part['sha256']}\n".encode())
        digest.update(repr(build.damaged).encode())
    if store.scope is not None:
        digest.update(f"scope {store.scope.seq}\n".encode())
    return digest.hexdigest()[:32]


def _sorted_file(store: Store, say: Callable[[str], None]) -> Path:
    """The file of all events that have a time, in order; made where it is not there yet."""
    folder = store.home / FOLDER
    key = _key(store)
    for place in (folder, Path(tempfile.gettempdir()) / f"hozen-view-{key}"):
        path = place / f"{key}.parquet"
        if path.exists():
            return path
        try:
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
            partial = path.with_suffix(".partial")
            partial.touch()
        except OSError:
            continue  # a case on a read-only medium is looked at as well
        say("sort")
        try:
            _write_sorted(store, partial)
        except BaseException:
            with contextlib.suppress(OSError):
                partial.unlink()
            raise
        for old in place.glob("*.parquet"):
            old.unlink(missing_ok=True)
        partial.replace(path)
        return path
    raise OSError("no folder for the sorted file")


def _write_sorted(store: Store, target: Path) -> None:
    """All rows of the store that have a time, in order of time, source and row; columns as in a part file."""
    import pyarrow as pa  # noqa: PLC0415 - start-up time
    import pyarrow.parquet as pq  # noqa: PLC0415 - start-up time

    from timeline.merge import merged  # noqa: PLC0415 - needs pyarrow
    from timeline.rows import stored_schema  # noqa: PLC0415 - needs pyarrow

    count = store.connection.execute("SELECT count(*) FROM event_rows").fetchone()[0]
    group = max(_GROUP_ROWS, -(-count // _MOST_GROUPS))
    kept = None
    if store.has_replaced:
        kept = pa.array([one for (one,) in store.rows("SELECT source_id FROM sources")], pa.int32())
    parts = [part for build in store.builds for part in build.parts]
    held: list[Any] = []
    rows = 0
    schema = stored_schema()
    with pq.ParquetWriter(
        target, schema, compression="lz4", use_dictionary=_REPEATED, write_statistics=["time_ns"]
    ) as writer:

        def flush(*, last: bool) -> None:
            nonlocal held, rows
            table = pa.concat_tables(held).combine_chunks() if held else schema.empty_table()
            # Whole groups alone, so that the place of an event tells its group.
            whole = table.num_rows if last else table.num_rows // group * group
            if whole or last:
                writer.write_table(table.slice(0, whole), row_group_size=group)
            held, rows = [table.slice(whole)], table.num_rows - whole

        for table in merged(parts, store.spill):
            plain = _plain(table if store.scope is None else inside(store.scope, table), kept, schema)
            held.append(plain)
            rows += plain.num_rows
            if rows >= _WRITTEN_ROWS:
                flush(last=False)
        flush(last=True)


def _plain(table: Any, kept: Any, schema: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
    """The rows that have a time and, where `kept` is given, one of its sources."""
    import pyarrow.compute as pc  # noqa: PLC0415 - start-up time

    if table["time_ns"].null_count:
        table = table.filter(pc.is_valid(table["time_ns"]))
    if kept is not None:
        table = table.filter(pc.is_in(table["source_id"], value_set=kept))
    return table.select(schema.names).cast(schema)


def forget(store: Store) -> None:
    """Remove the sorted file of a store."""
    shutil.rmtree(store.home / FOLDER, ignore_errors=True)


def build_index(store: Store, progress: Callable[[str], None] | None = None) -> ViewIndex:
    """Read times and cells of all events: 10 to 12 bytes of memory for each. Raises OSError."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - start-up time

    say = progress or (lambda _: None)
    path = _sorted_file(store, say)
    say("read")
    sources = {
        int(one[0]): (str(one[1]), str(one[2]), str(one[3]), str(one[4]), str(one[5]))
        for one in store.rows("SELECT source_id, source, parser, layer, state, clock FROM sources")
    }
    parquet = pq.ParquetFile(path)
    count = parquet.metadata.num_rows
    moments, cells = np.zeros(count, np.int64), np.zeros(count, np.uint32)
    numbers: dict[tuple[str, int, str, str], int] = {}
    at = 0
    wanted = ["time_ns", "kind", "source_id", "host", "state"]
    dictionaries = pq.ParquetFile(path, read_dictionary=["kind", "host", "state"])
    for batch in dictionaries.iter_batches(batch_size=1 << 18, columns=wanted):
        size = batch.num_rows
        moments[at : at + size] = batch.column("time_ns").to_numpy()
        cells[at : at + size] = _cells(batch, numbers)
        at += size
    identities = [(kind, source, host, state or sources[source][3]) for kind, source, host, state in numbers]
    if len(identities) < 1 << 16:
        cells = cells.astype(np.uint16)
    group = parquet.metadata.row_group(0).num_rows if parquet.metadata.num_row_groups else 1
    columns = (
        ("kind", [one[0] for one in identities]),
        ("source", [sources[one[1]][2] for one in identities]),
        ("host", [one[2] for one in identities]),
        ("state", [one[3] for one in identities]),
    )
    values = {name: np.array([*found, ""], object)[:-1] for name, found in columns}
    without = next(store.rows("SELECT count(*) FROM events WHERE time_ns IS NULL"))[0]
    series = Series(moments, cells, len(identities))
    return ViewIndex(store, series, identities, int(without), values, sources, path, max(group, 1), _parquet=parquet)


def _cells(batch: Any, numbers: dict[tuple[str, int, str, str], int]) -> npt.NDArray[Any]:  # noqa: ANN401
    """Cell of each row; a combination that is new gets the next number in `numbers`."""
    codes = []
    texts = []
    for name in ("kind", "host", "state"):
        column = batch.column(name)
        column = column if hasattr(column, "dictionary") else column.dictionary_encode()
        codes.append(np.asarray(column.indices).astype(np.int64))
        texts.append(column.dictionary.to_pylist())
    sources = batch.column("source_id").to_numpy().astype(np.int64)
    mixed = ((sources * len(texts[0]) + codes[0]) * len(texts[1]) + codes[1]) * len(texts[2]) + codes[2]
    unique, inverse = np.unique(mixed, return_inverse=True)
    found = np.zeros(len(unique), np.int64)
    for at, value in enumerate(unique.tolist()):
        rest, state = divmod(value, len(texts[2]))
        rest, host = divmod(rest, len(texts[1]))
        source, kind = divmod(rest, len(texts[0]))
        found[at] = numbers.setdefault((texts[0][kind], source, texts[1][host], texts[2][state]), len(numbers))
    return found[inverse]
