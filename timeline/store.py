# ruff: noqa: S608 - statements are put together from names of this program and quoted paths
"""The store: Parquet files under the case, and DuckDB views over them.

```python
with open_store(Path("2026-014.case")) as store:
    for id_, time_ns, kind, path in store.rows("SELECT id, time_ns, kind, path FROM events ORDER BY time_ns LIMIT 9"):
        ...
```
Views: `events` (every event with what is known of its source), `sources`, `files`, `coverage`, `builds`; and
`events_corrected`, which adds the corrected time of each event where clocks have been estimated. The original columns
are the same in both: a correction is never written into the store.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from chain_of_custody.errors import EvidenceError, UsageError
from chain_of_custody.masking import mask_text
from chain_of_custody.scope import scope_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType

    from chain_of_custody.scope import Scope

BUILDS = "timeline"
"""Folder of a case that holds its builds, each `<number>-<name of the first source>`."""
FORMAT = 1
CORRECTIONS = "corrections.parquet"
"""Of a case, beside its builds: bands of clocks, written by `timeline clock`; see `CORRECTION_COLUMNS`."""
CORRECTED_EVENTS = "corrected_events.parquet"
"""Of a case: single events whose time is known better than their clock's band tells."""
CORRECTION_COLUMNS = {
    "clock": "VARCHAR",  # as in events.clock
    "from_ns": "BIGINT",  # first reading of the clock for which the line holds
    "to_ns": "BIGINT",  # first reading after it
    "low_from_ns": "BIGINT",  # offset of the clock (reading minus true time): least and greatest at from_ns …
    "high_from_ns": "BIGINT",
    "low_to_ns": "BIGINT",  # … and at to_ns; between them a straight line
    "high_to_ns": "BIGINT",
    "status": "VARCHAR",  # estimated | unknown
    "ground": "VARCHAR",  # names of the anchors
}
CORRECTED_EVENT_COLUMNS = {
    "source_id": "INTEGER",
    "row": "BIGINT",
    "earliest_ns": "BIGINT",
    "latest_ns": "BIGINT",
    "status": "VARCHAR",
    "ground": "VARCHAR",
}
MEMORY_LIMIT = "1500MB"
"""For sorting and grouping; what does not fit goes to a folder inside the case and is removed at the end."""

EVENT_COLUMNS = (
    "id",
    "time_ns",
    "time_text",
    "precision_ns",
    "zone",
    "zone_basis",
    "kind",
    "desc",
    "record",
    "sequence",
    "actor",
    "host",
    "path",
    "bytes",
    "data",
    "clock",
    "state",
    "source",
    "parser",
    "layer",
    "source_id",
    "row",
)
"""Columns of the view `events`."""

SOURCE_COLUMNS = (
    "source_id",
    "source",
    "input",
    "parser",
    "layer",
    "path",
    "size",
    "state",
    "sha256",
    "rows",
    "rows_with_time",
    "host",
    "clock",
    "zone",
    "zone_basis",
)
"""Columns of `sources.parquet`."""

_EVENTS = """
CREATE VIEW events AS SELECT
  'S' || e.source_id || ':' || e.row AS id, e.time_ns, e.time_text, e.precision_ns, e.zone, e.zone_basis, e.kind,
  e."desc", e.record, e.sequence, e.actor, e.host, e.path, e.bytes, e.data,
  CASE WHEN e.clock = '' THEN s.clock ELSE e.clock END AS clock,
  CASE WHEN e.state = '' THEN s.state ELSE e.state END AS state,
  s.source, s.parser, s.layer, e.source_id, e.row
FROM event_rows e JOIN sources s ON e.source_id = s.source_id
"""
CELLS_PER_LINE = 10_000
_CELLS = f"""
CREATE TABLE correction_width AS
  SELECT greatest(coalesce(median(to_ns::HUGEINT - from_ns), 1)::BIGINT, 1000000000) AS ns FROM corrections;
CREATE TABLE correction_lines AS
  SELECT *, (high_to_ns - high_from_ns)::DOUBLE / (to_ns::HUGEINT - from_ns)::DOUBLE AS high_rate,
    (low_to_ns - low_from_ns)::DOUBLE / (to_ns::HUGEINT - from_ns)::DOUBLE AS low_rate
  FROM corrections WHERE to_ns > from_ns AND abs(from_ns::HUGEINT) < 1::HUGEINT << 62
    AND abs(to_ns::HUGEINT) < 1::HUGEINT << 62 AND abs(high_from_ns::HUGEINT) < 1::HUGEINT << 61
    AND abs(low_from_ns::HUGEINT) < 1::HUGEINT << 61;
CREATE TABLE correction_cells AS
  SELECT c.*, unnest(range(c.from_ns // w.ns - 1, c.to_ns // w.ns + 2)) AS cell
  FROM correction_lines c, correction_width w WHERE (c.to_ns::HUGEINT - c.from_ns) // w.ns < {CELLS_PER_LINE};
CREATE TABLE correction_spans AS
  SELECT c.* FROM correction_lines c, correction_width w
  WHERE (c.to_ns::HUGEINT - c.from_ns) // w.ns >= {CELLS_PER_LINE};
"""


def _corrected(width_ns: int, *, spans: bool) -> str:
    """The view `events_corrected`.

    Lines of a clock are looked up by equal cells of `width_ns`, which a hash join does in one pass (an ASOF join sorts
    all events); the few lines that span very many cells (`spans`) by their clock. Lines hold for readings in UTC: an
    event of unknown zone has a true time only where it has a line of its own.
    """

    def of(column: str) -> str:
        return f"coalesce(c.{column}, s.{column})" if spans else f"c.{column}"

    span_join = "LEFT JOIN correction_spans s ON e.clock = s.clock AND e.time_ns >= s.from_ns AND e.time_ns < s.to_ns"
    return f"""
CREATE VIEW events_corrected AS SELECT e.*,
  CASE WHEN x.status IS NOT NULL THEN x.earliest_ns WHEN e.zone IS NOT NULL AND {of("status")} = 'estimated' THEN
    e.time_ns - ({of("high_from_ns")} + CAST({of("high_rate")} * (e.time_ns - {of("from_ns")}) AS BIGINT))
    END AS earliest_ns,
  CASE WHEN x.status IS NOT NULL THEN x.latest_ns WHEN e.zone IS NOT NULL AND {of("status")} = 'estimated' THEN
    e.time_ns + e.precision_ns
    - ({of("low_from_ns")} + CAST({of("low_rate")} * (e.time_ns - {of("from_ns")}) AS BIGINT))
    END AS latest_ns,
  coalesce(x.status, CASE WHEN e.zone IS NOT NULL THEN {of("status")} END, 'unknown') AS corrected_status,
  coalesce(x.ground, CASE WHEN e.zone IS NOT NULL THEN {of("ground")} END, '') AS corrected_ground
FROM events e
LEFT JOIN correction_cells c ON e.clock = c.clock AND c.cell = e.time_ns // {width_ns}
  AND e.time_ns >= c.from_ns AND e.time_ns < c.to_ns
{span_join if spans else ""}
LEFT JOIN corrected_events x ON e.source_id = x.source_id AND e.row = x.row
"""


@dataclass(frozen=True, slots=True)
class Build:
    """One build of the store: its folder, its manifest, and what of it is damaged."""

    folder: Path
    manifest: Mapping[str, Any]
    parts: tuple[Path, ...]
    damaged: tuple[str, ...] = ()

    @property
    def number(self) -> int:
        """Its number in the case; 0 for a folder outside."""
        number = self.folder.name.partition("-")[0]
        return int(number) if number.isdigit() else 0


@dataclass(slots=True)
class Store:
    """An open store. `connection` is DuckDB's; it has the views and nothing of its own on disk."""

    builds: Sequence[Build]
    connection: Any
    home: Path
    unfinished: Sequence[Path] = ()
    """Builds that were stopped; they are not shown before they are complete."""
    scope: Scope | None = None
    """The scope of the case: events outside are in no view."""
    spill: Path = field(default_factory=Path)
    """Folder for what does not fit into memory; it is made when it is needed and removed at the end."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close, and remove what was swapped out."""
        self.connection.close()
        shutil.rmtree(self.spill, ignore_errors=True)

    @property
    def damaged(self) -> list[str]:
        """Parts that are not whole, with their builds; their events are missing from every answer."""
        return [f"{build.folder.name}/{name}" for build in self.builds for name in build.damaged]

    def outside(self) -> int:
        """Events that are stored (from before the scope was set) and not shown, since they lie outside it."""
        parts = _list([str(part) for build in self.builds for part in build.parts])
        if self.scope is None or parts == "[]":
            return 0
        condition = self.scope.event_condition()
        return int(next(self.rows(f"SELECT count(*) FROM read_parquet({parts}) WHERE NOT {condition}"))[0])

    @property
    def has_replaced(self) -> bool:
        """Whether a source was built again, so that older rows of it are left out."""
        inputs = [str(one["path"]) for build in self.builds for one in build.manifest.get("inputs", ())]
        return len(inputs) != len(set(inputs))

    def rows(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> Iterator[tuple[Any, ...]]:
        """Rows of a statement of this program."""
        cursor = self.connection.cursor().execute(sql, parameters or None)
        while found := cursor.fetchmany(10_000):
            yield from found

    def lock(self) -> None:
        """Leave nothing but reading: no file, no network, no setting can be reached by SQL from here on."""
        self.connection.execute("SET enable_external_access = false")
        self.connection.execute("SET lock_configuration = true")


def open_store(
    case: Path | None, *, folder: Path | None = None, memory_limit: str = MEMORY_LIMIT, threads: int | None = None
) -> Store:
    """The timeline of a case (`None`: the nearest one), or of a single build in `folder`.

    Raises UsageError where there is none, EvidenceError where it was written by a newer version.
    """
    import duckdb  # noqa: PLC0415 - start-up time

    builds, unfinished, home = _find(case, folder)
    connection = duckdb.connect(":memory:")
    spill = home / f".spill-{os.getpid()}-{threading.get_ident()}"
    paths = [str(part) for build in builds for part in build.parts]
    tables = [str(build.folder / name) for build in builds for name in ("sources.parquet", "files.parquet")]
    extra = [str(home / name) for name in (CORRECTIONS, CORRECTED_EVENTS) if (home / name).exists()]
    connection.execute("SET temp_directory = ?", [str(spill)])
    connection.execute("SET memory_limit = ?", [memory_limit])
    connection.execute("SET preserve_insertion_order = false")
    connection.execute("SET TimeZone = 'UTC'")
    if threads is not None:
        connection.execute("SET threads = ?", [threads])
    connection.execute("SET allowed_paths = ?", [paths + tables + extra])
    scope = scope_of(home.parent) if folder is None else None
    _views(connection, builds, paths, home, scope)
    return Store(builds, connection, home, unfinished, scope, spill)


def _find(case: Path | None, folder: Path | None) -> tuple[list[Build], list[Path], Path]:
    from chain_of_custody.case import find_case  # noqa: PLC0415 - start-up time

    if folder is not None:
        if not (folder / "manifest.json").exists():
            shown = mask_text(str(folder))
            raise UsageError(f"時系列ではありません: {shown}", f"{shown} holds no timeline")
        return [_read_build(folder)], [], folder
    path, _ = find_case(case, None)
    home = path / BUILDS
    numbered = sorted(
        (int(number), one)
        for one in (home.iterdir() if home.is_dir() else ())
        if one.is_dir() and (number := one.name.partition("-")[0]).isdigit()
    )
    complete = [one for _, one in numbered if (one / "manifest.json").exists()]
    unfinished = [one for _, one in numbered if not (one / "manifest.json").exists()]
    if not complete:
        raise UsageError(
            f"時系列がありません: {mask_text(str(path))}",
            f"there is no timeline in {mask_text(str(path))}",
            hint_ja="timeline build で作成してください(中断したものは --resume)",
            hint_en="make one with timeline build (--resume for one that was stopped)",
        )
    return [_read_build(one) for one in complete], unfinished, home


def _read_build(folder: Path) -> Build:
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        version, parts = int(manifest["v"]), manifest["parts"]
        sizes = {str(part["name"]): int(part["size"]) for part in parts}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EvidenceError(
            f"時系列の目録を読めません: {folder / 'manifest.json'}",
            f"the manifest of the timeline cannot be read: {folder / 'manifest.json'}",
        ) from error
    if version > FORMAT:
        raise EvidenceError(
            f"新しい版の時系列です(v{version}): {folder}",
            f"the timeline was written by a newer version (v{version}): {folder}",
            hint_ja="hozen を更新してください",
            hint_en="update hozen",
        )
    whole = [name for name, size in sizes.items() if _is_whole(folder / name, size)]
    damaged = tuple(name for name in sizes if name not in whole)
    return Build(folder, manifest, tuple(folder / name for name in whole), damaged)


def _is_whole(path: Path, size: int) -> bool:
    """Whether a Parquet file has its size and its mark at both ends: a cut one is not read."""
    try:
        with path.open("rb") as file:
            first = file.read(4)
            file.seek(-4, os.SEEK_END)
            return first == b"PAR1" and file.read(4) == b"PAR1" and file.tell() == size
    except OSError:
        return False


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _list(paths: Sequence[str]) -> str:
    return "[" + ", ".join(_quoted(path) for path in paths) + "]"


def _views(
    connection: Any,  # noqa: ANN401 - duckdb has no types
    builds: Sequence[Build],
    parts: Sequence[str],
    home: Path,
    scope: Scope | None,
) -> None:
    """Make the views. Of a source built again, the newest build counts; what lies outside `scope` is left out."""
    newest: dict[str, int] = {}
    for index, build in enumerate(builds):
        for one in build.manifest.get("inputs", ()):
            newest[str(one["path"])] = index
    connection.execute("CREATE TABLE builds (number INTEGER, folder VARCHAR, started VARCHAR, events BIGINT)")
    connection.execute("CREATE TABLE coverage (build INTEGER, place VARCHAR, reason VARCHAR, detail VARCHAR)")
    selects = []
    for index, build in enumerate(builds):
        manifest = build.manifest
        connection.execute(
            "INSERT INTO builds VALUES (?, ?, ?, ?)",
            [build.number, build.folder.name, manifest.get("started"), manifest.get("events")],
        )
        lines = list(_coverage(build.folder / "coverage.jsonl"))
        lines += [
            (f"{build.folder.name}/{name}", "damaged", "this part of the store is not whole") for name in build.damaged
        ]
        if lines:
            connection.executemany("INSERT INTO coverage VALUES (?, ?, ?, ?)", [(build.number, *one) for one in lines])
        old = [path for path, last in newest.items() if last != index]
        replaced = f" WHERE NOT list_contains({_list(old)}, input)" if old else ""
        table = f"read_parquet({_quoted(str(build.folder / 'sources.parquet'))})"
        selects.append(f"SELECT {build.number} AS build, * FROM {table}{replaced}")
    # A table, not a view: it is small, and every question about events joins it.
    connection.execute("CREATE TABLE sources AS " + " UNION ALL BY NAME ".join(selects))
    files = _list([str(build.folder / "files.parquet") for build in builds])
    connection.execute(f"CREATE VIEW files AS SELECT * FROM read_parquet({files}, union_by_name = true)")
    if parts:
        condition = "" if scope is None else f" WHERE {scope.event_condition()}"
        connection.execute(f"CREATE VIEW event_rows AS SELECT * FROM read_parquet({_list(parts)}){condition}")
    else:
        connection.execute(f"CREATE TABLE event_rows ({_EMPTY})")
    connection.execute(_EVENTS)
    for name, columns in ((CORRECTIONS, CORRECTION_COLUMNS), (CORRECTED_EVENTS, CORRECTED_EVENT_COLUMNS)):
        table = name.removesuffix(".parquet")
        declared = ", ".join(f'"{column}" {kind}' for column, kind in columns.items())
        connection.execute(f"CREATE TABLE {table} ({declared})")
        if (home / name).exists():
            shown = ", ".join(f'"{column}"' for column in columns)
            connection.execute(f"INSERT INTO {table} SELECT {shown} FROM read_parquet({_quoted(str(home / name))})")
    connection.execute(_CELLS)
    width = connection.execute("SELECT ns FROM correction_width").fetchone()[0]
    spans = connection.execute("SELECT count(*) FROM correction_spans").fetchone()[0] > 0
    connection.execute(_corrected(int(width), spans=spans))


_EMPTY = """source_id INTEGER, "row" BIGINT, time_ns BIGINT, time_text VARCHAR, precision_ns BIGINT, zone VARCHAR,
zone_basis VARCHAR, kind VARCHAR, "desc" VARCHAR, record VARCHAR, sequence BIGINT, actor VARCHAR, host VARCHAR,
path VARCHAR, bytes BIGINT, data VARCHAR, clock VARCHAR, state VARCHAR"""


def _coverage(path: Path) -> Iterator[tuple[str, str, str]]:
    with contextlib.suppress(OSError), path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            with contextlib.suppress(ValueError, KeyError):
                one = json.loads(line)
                yield str(one["where"]), str(one["reason"]), str(one["detail"])
