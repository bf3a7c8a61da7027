# ruff: noqa: S608 - statements are put together from names of this program and quoted values
"""Events written to a file in order of time: CSV, JSON Lines, Timesketch, l2tcsv, bodyfile, xlsx.

```python
with open_store(case) as store:
    export(store, Filter(), "csv", Path("timeline.csv"), language="ja", zone="Asia/Tokyo")
```
Formats: Timesketch's importer (`message`, `datetime`, `timestamp_desc`, `timestamp` in µs); log2timeline's l2tcsv of
17 columns; The Sleuth Kit's bodyfile 3.x. CSV and xlsx cells that a spreadsheet would take for a formula get a `'` in
front.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from chain_of_custody.errors import TargetError, UsageError
from chain_of_custody.masking import mask_text
from timeline import times
from timeline.kinds import sentence_sql
from timeline.ordered import IN_ORDER, in_order
from timeline.questions import ORDER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from chain_of_custody.errors import Language
    from timeline.filters import Filter
    from timeline.store import Store

Format = Literal["csv", "jsonl", "timesketch-csv", "timesketch-jsonl", "l2tcsv", "bodyfile", "xlsx", "parquet"]
FORMATS: tuple[Format, ...] = get_args(Format)
_SHEET_ROWS = 1_000_000
_CELL = 32_000
_ISO = "%Y-%m-%dT%H:%M:%S.%n"


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: rows, the file's SHA-256 (hex) and size, rows left out because they have no time."""

    rows: int
    sha256: str
    size: int
    left_out: int


def export(
    store: Store,
    wanted: Filter,
    format_: Format,
    target: Path,
    *,
    language: Language,
    zone: str,
    corrected: bool = False,
) -> Exported:
    """Write the events that fit into the new file `target`, sorted by their original time.

    `corrected` adds the corrected time of each event (csv, jsonl, xlsx). Raises TargetError, UsageError.
    """
    if target.exists() or target.is_symlink():
        raise TargetError(
            f"書き出し先が既にあります: {mask_text(str(target))}",
            f"the target exists already: {mask_text(str(target))}",
            hint_ja="別の名前を指定してください(上書きはしません)",
            hint_en="give another name (nothing is overwritten)",
        )
    condition, values = wanted.condition()
    kinds = [str(row[0]) for row in store.rows("SELECT kind FROM events GROUP BY kind ORDER BY count(*) DESC")]
    partial = target.with_name(f"{target.name}.partial-{os.getpid()}")
    try:
        with contextlib.ExitStack() as stack:
            view = "events_corrected" if corrected else "events"
            if condition == "true" and view == "events" and format_ in _MERGED:
                view = stack.enter_context(in_order(store))
            plan = _Plan(sentence_sql(kinds, language), zone, view, corrected)
            rows = WRITERS[format_](store, plan, condition, values, partial)
        with partial.open("rb+") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()
            os.fsync(file.fileno())
        _publish(partial, target)
    except OSError as error:
        raise TargetError(
            f"書き込めません: {mask_text(str(target))}: {error.strerror}",
            f"cannot write {mask_text(str(target))}: {error.strerror}",
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    left_out = 0
    if format_ in _WITH_TIME_ONLY:
        untimed = f"SELECT count(*) FROM events WHERE ({condition}) AND time_ns IS NULL"
        left_out = int(next(store.rows(untimed, values))[0])
    return Exported(rows, digest, size, left_out)


_MERGED = ("csv", "jsonl", "timesketch-csv", "timesketch-jsonl", "l2tcsv")
"""Formats for which all events need not be sorted: they are merged from the sorted parts."""
_WITH_TIME_ONLY = ("timesketch-csv", "timesketch-jsonl", "l2tcsv", "bodyfile")


def _publish(partial: Path, target: Path) -> None:
    """Give the file its name, unless something has got it meanwhile."""
    try:
        os.link(partial, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if target.exists():
            raise FileExistsError(17, "exists", str(target)) from None
        partial.rename(target)


@dataclass(frozen=True, slots=True)
class _Plan:
    """Expressions that the formats share."""

    message: str
    zone: str
    view: str
    corrected: bool

    @property
    def datetime(self) -> str:
        """RFC 3339 with nine decimals; `-00:00` where the zone is not known; empty without a time."""
        shifted, offset = _shifted("time_ns", self.zone)
        known = f"{_text(shifted)} || {offset}"
        unknown = f"{_text('time_ns')} || '{times.UNKNOWN_OFFSET}'"
        return f"coalesce(CASE WHEN time_ns IS NULL THEN '' WHEN zone IS NULL THEN {unknown} ELSE {known} END, '')"

    def bound(self, column: str) -> str:
        """A corrected bound as text."""
        shifted, offset = _shifted(column, self.zone)
        return f"coalesce({_text(shifted)} || {offset}, '')"


def _text(ns: str, format_: str = _ISO) -> str:
    return f"TRY(strftime(make_timestamp_ns({ns}), '{format_}'))"


def _shifted(ns: str, zone: str) -> tuple[str, str]:
    """A time in `zone` as ns of its wall clock, and its offset as text, as expressions."""
    if zone in ("UTC", "Asia/Tokyo") or zone[:1] in "+-":
        minutes = times.utc_offset_minutes(0, zone)
        return f"{ns} + {minutes * 60 * times.NS}", f"'{times.offset_name(minutes)}'"
    moment = f"make_timestamp({ns} // 1000)"
    wall = f"timezone({_quoted(zone)}, timezone('UTC', {moment}))"
    east = f"((epoch_us({wall}) - epoch_us({moment})) // 60000000)"
    sign = f"CASE WHEN {east} < 0 THEN '-' ELSE '+' END"
    name = f"format('{{}}{{:02d}}:{{:02d}}', {sign}, abs({east}) // 60, abs({east}) % 60)"
    return f"{ns} + {east} * 60000000000", name


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _safe(column: str) -> str:
    """A text as a cell of CSV: what a spreadsheet would run begins with a quote mark instead."""
    # Comparisons, not IN: DuckDB makes a join of a list, which costs more than the whole export.
    first = f"ascii({column})"
    dangerous = " OR ".join(f"{first} = {code}" for code in _FORMULA)
    return f"CASE WHEN {dangerous} THEN '''' || {column} ELSE {column} END"


_CORRECTION = "round((earliest_ns::HUGEINT + latest_ns - 2 * time_ns::HUGEINT - precision_ns) / 2e9, 6)"
"""Seconds to add to the reading to come to the middle of the range; NULL where nothing is known."""
_WIDTH = "round((latest_ns::HUGEINT - earliest_ns) / 2e9, 6)"
"""Half the range in seconds."""
_FORMULA = tuple(b"=+-@\t\r")


_PLAIN = (
    ("timestamp_desc", '"desc"'),
    ("kind", "kind"),
    ("source", "source"),
    ("path", "path"),
    ("actor", "actor"),
    ("host", "host"),
    ("bytes", "bytes"),
    ("time_text", "time_text"),
    ("precision_ns", "precision_ns"),
    ("zone", "zone"),
    ("zone_basis", "zone_basis"),
    ("clock", "clock"),
    ("record", "record"),
    ("sequence", "sequence"),
    ("state", "state"),
    ("parser", "parser"),
    ("layer", "layer"),
    ("id", "id"),
    ("data", "data"),
)
_NUMBERS = frozenset({"bytes", "precision_ns", "sequence"})
_OWN_WORDS = frozenset({"kind", "zone", "zone_basis", "state", "parser", "layer", "id", "data"})
"""Columns whose texts begin as this program writes them."""


def _columns(plan: _Plan, *, guard: bool) -> list[tuple[str, str]]:
    """Name and expression of each column of csv, jsonl and xlsx."""

    def cell(name: str, expression: str) -> str:
        return _safe(expression) if guard and name not in _NUMBERS | _OWN_WORDS else expression

    columns = [("datetime", plan.datetime), ("message", cell("message", plan.message))]
    columns += [(name, cell(name, expression)) for name, expression in _PLAIN]
    if plan.corrected:
        columns[2:2] = [
            ("corrected_earliest", plan.bound("earliest_ns")),
            ("corrected_latest", plan.bound("latest_ns")),
            ("corrected_status", "corrected_status"),
            ("corrected_ground", cell("corrected_ground", "corrected_ground")),
            ("read_as_utc", f"coalesce({_text('time_ns')} || CASE WHEN zone IS NULL THEN '-00:00' ELSE 'Z' END, '')"),
            ("correction_s", _CORRECTION),
            ("correction_width_s", _WIDTH),
        ]
    return columns


def _select(columns: Sequence[tuple[str, str]], plan: _Plan, condition: str, *, timed: bool = False) -> str:
    shown = ", ".join(f'{expression} AS "{name}"' for name, expression in columns)
    where = f"({condition}) AND time_ns IS NOT NULL" if timed else condition
    # The outermost ORDER BY: of one inside a subquery DuckDB may lose the order when it writes with several threads.
    order = f"ORDER BY {ORDER}" if plan.view != IN_ORDER else ""
    return f"SELECT {shown} FROM {plan.view} WHERE {where} {order}"


def _copy(store: Store, select: str, values: Sequence[Any], target: Path, options: str) -> int:
    """COPY a statement into a file; the number of rows."""
    statement = f"COPY ({select}) TO {_quoted(str(target))} ({options})"
    store.connection.execute("SET preserve_insertion_order = true")
    result = store.connection.execute(statement, list(values) or None).fetchone()
    return int(result[0])


def _csv(store: Store, plan: _Plan, condition: str, values: Sequence[Any], target: Path) -> int:
    select = _select(_columns(plan, guard=True), plan, condition)
    return _copy(store, select, values, target, "FORMAT csv, HEADER")


def _jsonl(store: Store, plan: _Plan, condition: str, values: Sequence[Any], target: Path) -> int:
    columns = [(name, "CAST(data AS JSON)" if name == "data" else one) for name, one in _columns(plan, guard=False)]
    return _copy(store, _select(columns, plan, condition), values, target, "FORMAT json, ARRAY false")


def _sketch_columns(plan: _Plan, *, guard: bool) -> list[tuple[str, str]]:
    cell = _safe if guard else str
    columns = [
        ("message", f"CASE WHEN {plan.message} = '' THEN kind ELSE {cell(plan.message)} END"),
        ("timestamp", "time_ns // 1000"),
        ("datetime", f"{_text('time_ns', '%Y-%m-%dT%H:%M:%S.%f')} || '+00:00'"),
        ("timestamp_desc", cell('"desc"')),
    ]
    kept = ("kind", "source", "path", "actor", "host", "bytes", "time_text", "zone", "record", "state", "layer", "id")
    own = _NUMBERS | _OWN_WORDS
    if plan.corrected:
        columns += [
            ("corrected_earliest", plan.bound("earliest_ns")),
            ("corrected_latest", plan.bound("latest_ns")),
            ("corrected_status", "corrected_status"),
            ("corrected_ground", cell("corrected_ground")),
            ("correction_s", _CORRECTION),
            ("correction_width_s", _WIDTH),
            ("clock", cell("clock")),
        ]
    return columns + [(name, one if name in own else cell(one)) for name, one in _PLAIN if name in kept]


def _sketch_csv(store: Store, plan: _Plan, condition: str, values: Sequence[Any], target: Path) -> int:
    select = _select(_sketch_columns(plan, guard=True), plan, condition, timed=True)
    return _copy(store, select, values, target, "FORMAT csv, HEADER")


def _sketch_jsonl(store: Store, plan: _Plan, condition: str, values: Sequence[Any], target: Path) -> int:
    select = _select(_sketch_columns(plan, guard=False), plan, condition, timed=True)
    return _copy(store, select, values, target, "FORMAT json, ARRAY false")


def _macb(letter: str, *kinds: str) -> str:
    return f"CASE WHEN kind IN ({', '.join(_quoted(kind) for kind in kinds)}) THEN '{letter}' ELSE '.' END"


def _l2tcsv(store: Store, plan: _Plan, condition: str, values: Sequence[Any], target: Path) -> int:
    macb = " || ".join(
        (
            _macb("M", "file.modified", "file.name_modified"),
            _macb("A", "file.accessed", "file.name_accessed"),
            _macb("C", "file.changed", "file.name_changed"),
            _macb("B", "file.created", "file.name_created"),
        )
    )
    short = f"left({plan.message}, 80)"
    columns = [
        ("date", _text("time_ns", "%m/%d/%Y")),
        ("time", _text("time_ns", "%H:%M:%S")),
        ("timezone", "CASE WHEN zone IS NULL THEN '-' ELSE 'UTC' END"),
        ("MACB", macb),
        ("source", "upper(split_part(kind, '.', 1))"),
        ("sourcetype", "parser"),
        ("type", _safe('"desc"')),
        ("user", _dashed("actor")),
        ("host", _dashed("host")),
        ("short", _safe(short)),
        ("desc", _safe(plan.message)),
        ("version", "2"),
        ("filename", _safe("layer")),
        ("inode", "'-'"),
        ("notes", _dashed("path")),
        ("format", "parser"),
        ("extra", "'id: ' || id || '; kind: ' || kind || '; record: ' || record || '; state: ' || state"),
    ]
    return _copy(store, _select(columns, plan, condition, timed=True), values, target, "FORMAT csv, HEADER")


def _dashed(column: str) -> str:
    """A text, or "-" for none, as l2tcsv writes it; that one dash begins no formula."""
    return f"CASE WHEN {column} = '' THEN '-' ELSE {_safe(column)} END"


def _bodyfile(store: Store, plan: _Plan, condition: str, values: Sequence[Any], target: Path) -> int:
    def moment(*kinds: str, otherwise: str = "0") -> str:
        names = ", ".join(_quoted(kind) for kind in kinds)
        return f"CASE WHEN kind IN ({names}) THEN seconds ELSE {otherwise} END"

    named = (
        "CASE WHEN kind LIKE 'file.%' THEN path || CASE WHEN kind LIKE 'file.name!_%' ESCAPE '!' THEN ' ($FILE_NAME)' "
        "ELSE '' END || CASE state WHEN 'deleted' THEN ' (deleted)' ELSE '' END "
        f"ELSE '[' || kind || '] ' || {plan.message} END"
    )
    others = "CASE WHEN kind LIKE 'file.%' THEN 0 ELSE seconds END"
    cells = [
        "'0'",
        f"regexp_replace(replace({named}, '|', '%7C'), '[\\x00-\\x1f]', ' ', 'g')",
        "coalesce(nullif(regexp_extract(record, '([0-9]+(-[0-9]+)?)', 1), ''), '0')",
        "'-'",
        "'0'",
        "'0'",
        "coalesce(bytes, 0)",
        moment("file.accessed", "file.name_accessed"),
        moment("file.modified", "file.name_modified", otherwise=others),
        moment("file.changed", "file.name_changed", "file.deleted"),
        moment("file.created", "file.name_created"),
    ]
    line = " || '|' || ".join(f"CAST({cell} AS VARCHAR)" for cell in cells)
    seconds = "CAST(floor(time_ns / 1000000000.0) AS BIGINT)"
    select = (
        f"SELECT {line} AS line FROM (SELECT *, {seconds} AS seconds FROM {plan.view}) "
        f"WHERE ({condition}) AND time_ns IS NOT NULL ORDER BY {ORDER}"
    )
    return _copy(store, select, values, target, "FORMAT csv, HEADER false, DELIMITER '\x01', QUOTE '', ESCAPE ''")


def _xlsx(store: Store, plan: _Plan, condition: str, values: Sequence[Any], target: Path) -> int:
    try:
        import xlsxwriter  # type: ignore[import-untyped]  # noqa: PLC0415 - an optional library without types
    except ImportError as error:
        raise UsageError(
            "xlsx の書き出しには xlsxwriter が必要です",
            "writing xlsx needs xlsxwriter",
            hint_ja="pip install xlsxwriter",
            hint_en="pip install xlsxwriter",
        ) from error
    columns = _columns(plan, guard=True)
    count = 0
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    with xlsxwriter.Workbook(str(target), options) as book:
        bold = book.add_format({"bold": True})
        sheet: Any = None
        for row in store.rows(_select(columns, plan, condition), values):
            line = count % _SHEET_ROWS + 1
            if line == 1:
                sheet = _new_sheet(book, count // _SHEET_ROWS + 1, columns, bold)
            for place, value in enumerate(row):
                if isinstance(value, int) and abs(value) < 1 << 53:
                    sheet.write_number(line, place, value)
                elif value not in (None, ""):
                    sheet.write_string(line, place, _cell(str(value)))
            count += 1
        if sheet is None:
            _new_sheet(book, 1, columns, bold)
    return count


def _cell(value: str) -> str:
    shown = "".join(one if one >= " " or one in "\t\n" else "�" for one in value)
    return shown if len(shown) <= _CELL else shown[:_CELL] + "…"


def _new_sheet(book: Any, number: int, columns: Sequence[tuple[str, str]], bold: Any) -> Any:  # noqa: ANN401 - no types
    sheet = book.add_worksheet(f"timeline{number}")
    sheet.freeze_panes(1, 0)
    for place, (name, _) in enumerate(columns):
        sheet.write_string(0, place, name, bold)
    sheet.set_column(0, 0, 36)
    sheet.set_column(1, 1, 60)
    return sheet


def _parquet(store: Store, plan: _Plan, condition: str, values: Sequence[Any], target: Path) -> int:
    """The rows as the store has them, sorted. All of them are merged from their sorted parts; a choice is sorted."""
    if condition == "true" and not store.has_replaced and not plan.corrected:
        from timeline.merge import write_merged  # noqa: PLC0415 - start-up time

        return write_merged([part for build in store.builds for part in build.parts], target, store.spill)
    select = f"SELECT * FROM {plan.view} WHERE {condition} ORDER BY {ORDER}"
    return _copy(store, select, values, target, "FORMAT parquet, COMPRESSION zstd")


WRITERS: dict[str, Callable[[Store, _Plan, str, Sequence[Any], Path], int]] = {
    "csv": _csv,
    "jsonl": _jsonl,
    "timesketch-csv": _sketch_csv,
    "timesketch-jsonl": _sketch_jsonl,
    "l2tcsv": _l2tcsv,
    "bodyfile": _bodyfile,
    "xlsx": _xlsx,
    "parquet": _parquet,
}
