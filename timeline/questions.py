# ruff: noqa: S608 - statements are put together from names of this program; values are parameters
"""Questions to the store: events by filter, around a moment, counts. Everything is read, nothing is changed."""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from chain_of_custody.errors import UsageError
from timeline import times
from timeline.corrected_times import COLUMNS as CORRECTED_COLUMNS
from timeline.corrected_times import corrected_time
from timeline.event import INT64_MAX, INT64_MIN
from timeline.filters import Filter, event_of, moment
from timeline.kinds import sentence
from timeline.store import EVENT_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from chain_of_custody.errors import Language
    from timeline.corrected_times import CorrectedTime
    from timeline.store import Store

MOST_ON_A_PAGE = 2000
"""Rows up to the end of a page that is found by few columns first."""
_ROUNDING_NS = 1_000_000
"""More than the arithmetic of a band can be off."""
ORDER = "time_ns NULLS LAST, source_id, row"
_COLUMNS = ", ".join(f'"{name}"' for name in EVENT_COLUMNS)


def events(
    store: Store, wanted: Filter, *, limit: int, offset: int = 0, newest_first: bool = False
) -> Iterator[dict[str, Any]]:
    """Events in order of their original time, those without a time last, as columns by name."""
    condition, values = wanted.condition()
    order = "time_ns DESC NULLS LAST, source_id DESC, row DESC" if newest_first else ORDER
    if limit + offset <= MOST_ON_A_PAGE:
        # The page is found by the few columns that decide it; only its rows are read in full.
        page = _page(store, (condition, values), order, (limit, offset))
        yield from _in_full(store, "events", EVENT_COLUMNS, page, order)
        return
    sql = (
        f"WITH page AS (SELECT source_id, row FROM events WHERE {condition} ORDER BY {order} LIMIT ? OFFSET ?) "
        f"SELECT {_COLUMNS} FROM events SEMI JOIN page USING (source_id, row) ORDER BY {order}"
    )
    for row in store.rows(sql, [*values, limit, offset]):
        yield dict(zip(EVENT_COLUMNS, row, strict=True))


def corrected_events(
    store: Store, wanted: Filter, *, limit: int, offset: int = 0, by_corrected: bool = False, newest_first: bool = False
) -> Iterator[dict[str, Any]]:
    """Events with the columns of their corrected time (`corrected_times.COLUMNS`).

    `by_corrected`: in order of the earliest true time, those without one last, and a span of time asks for events whose
    range meets it. Else both are those of the time as recorded.
    """
    condition, values = wanted.condition()
    order = "time_ns DESC NULLS LAST, source_id DESC, row DESC" if newest_first else ORDER
    if by_corrected:
        condition, values = replace(wanted, first_ns=None, last_ns=None).condition()
        if wanted.first_ns is not None:
            condition, values = f"{condition} AND latest_ns >= ?", [*values, wanted.first_ns]
        if wanted.last_ns is not None:
            condition, values = f"{condition} AND earliest_ns < ?", [*values, wanted.last_ns]
        way = "DESC" if newest_first else "ASC"
        order = f"earliest_ns {way} NULLS LAST, latest_ns {way}, source_id {way}, row {way}"
    names = (*EVENT_COLUMNS, *CORRECTED_COLUMNS)
    shown = ", ".join(f'"{name}"' for name in names)
    page = None
    if limit + offset <= MOST_ON_A_PAGE:
        asked, rows = (condition, values), (limit, offset)
        if by_corrected:
            page = _page_by_corrected(store, asked, wanted, order=order, rows=rows, backward=newest_first)
        else:
            page = _page(store, asked, order, rows)
    if page is not None:
        yield from _in_full(store, "events_corrected", names, page, order)
        return
    sql = f"SELECT {shown} FROM events_corrected WHERE {condition} ORDER BY {order} LIMIT ? OFFSET ?"
    for row in store.rows(sql, [*values, limit, offset]):
        yield dict(zip(names, row, strict=True))


def _in_full(
    store: Store, view: str, names: Sequence[str], page: Sequence[tuple[Any, ...]], order: str
) -> Iterator[dict[str, Any]]:
    """All columns of the events of a page, (source_id, row, time_ns …) each: their times say which parts to read."""
    if not page:
        return
    times_ns = [one[2] for one in page if one[2] is not None]
    between = f"time_ns BETWEEN {min(times_ns)} AND {max(times_ns)}" if times_ns else "false"
    without = " OR time_ns IS NULL" if len(times_ns) < len(page) else ""
    listed = ", ".join(f"({source}, {row})" for source, row, *_ in page)
    shown = ", ".join(f'"{name}"' for name in names)
    sql = f"SELECT {shown} FROM {view} WHERE ({between}{without}) AND (source_id, row) IN ({listed}) ORDER BY {order}"
    for row in store.rows(sql):
        yield dict(zip(names, row, strict=True))


def _page(store: Store, condition: tuple[str, list[Any]], order: str, rows: tuple[int, int]) -> list[tuple[Any, ...]]:
    """(source_id, row, time_ns) of the events of a page in order of their recorded times."""
    sql = f"SELECT source_id, row, time_ns FROM events WHERE {condition[0]} ORDER BY {order} LIMIT ? OFFSET ?"
    return list(store.rows(sql, [*condition[1], *rows]))


def _page_by_corrected(
    store: Store,
    condition: tuple[str, list[Any]],
    wanted: Filter,
    *,
    order: str,
    rows: tuple[int, int],
    backward: bool,
) -> list[tuple[Any, ...]] | None:
    """(source_id, row, time_ns, earliest_ns) of the events of a page in order of their earliest true times.

    No clock is further off than its bands say, so beyond some recorded time no event can belong to the page: only those
    before it are corrected, and those with a correction of their own. None where that does not decide the page.
    """
    limit, offset = rows
    (least, most) = next(
        store.rows(
            "SELECT min(least(high_from_ns, high_to_ns)), max(greatest(high_from_ns, high_to_ns)) "
            "FROM correction_lines WHERE status = 'estimated'"
        )
    )
    if least is None:
        return None
    least, most = int(least) - _ROUNDING_NS, int(most) + _ROUNDING_NS
    near, values = replace(wanted, first_ns=None, last_ns=None).condition()
    edge = wanted.last_ns if backward else wanted.first_ns
    if edge is not None:
        near, values = f"{near} AND time_ns {'<' if backward else '>='} ?", [*values, edge]
    reached = next(
        store.rows(
            f"SELECT {'min' if backward else 'max'}(time_ns), count(*) FROM (SELECT time_ns FROM events WHERE {near} "
            "AND clock IN (SELECT clock FROM correction_lines WHERE status = 'estimated') AND time_ns IS NOT NULL "
            f"ORDER BY time_ns {'DESC' if backward else 'ASC'} LIMIT ?)",
            [*values, limit + offset],
        )
    )
    if reached[1] < limit + offset:
        return None
    bound = int(reached[0]) - (most - least) if backward else int(reached[0]) + most - least
    bound = max(INT64_MIN, min(INT64_MAX, bound))
    sql = (
        "SELECT source_id, row, time_ns, earliest_ns FROM events_corrected "
        f"WHERE ({condition[0]}) AND (time_ns {'>=' if backward else '<='} ? "
        "OR (source_id, row) IN (SELECT (source_id, row) FROM corrected_events)) "
        f"ORDER BY {order} LIMIT ?"
    )
    own = next(store.rows("SELECT count(*) FROM corrected_events"))[0]
    if not own:
        sql = sql.replace("OR (source_id, row) IN (SELECT (source_id, row) FROM corrected_events)", "")
    found = list(store.rows(sql, [*condition[1], bound, limit + offset]))
    last = found[-1][3] if len(found) == limit + offset else None
    # An event left out was read beyond the bound: its earliest time lies beyond that of the last of the page.
    if last is None or (last <= bound - least if backward else last >= bound - most):
        return None
    return found[offset:]


def corrected_of(store: Store, names: Sequence[str]) -> dict[str, tuple[int, int]]:
    """(earliest, latest) true time in ns of those of the named events that have one."""
    found: dict[str, tuple[int, int]] = {}
    places = [place for name in dict.fromkeys(names) if (place := event_of(name)) is not None]
    for at in range(0, len(places), 500):
        listed = ", ".join(f"({source}, {row})" for source, row in places[at : at + 500])
        sql = (
            f"SELECT id, earliest_ns, latest_ns FROM events_corrected WHERE (source_id, row) IN ({listed}) "
            "AND earliest_ns IS NOT NULL AND latest_ns IS NOT NULL"
        )
        found |= {str(one[0]): (int(one[1]), int(one[2])) for one in store.rows(sql)}
    return found


def correction_of(store: Store, event: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of the corrected time (`corrected_times.COLUMNS`) of one event, as the store has them."""
    sql = f"SELECT {', '.join(CORRECTED_COLUMNS)} FROM events_corrected WHERE source_id = ? AND row = ?"
    found = next(store.rows(sql, [event["source_id"], event["row"]]))
    return dict(zip(CORRECTED_COLUMNS, found, strict=True))


def has_corrections(store: Store) -> bool:
    """Whether clocks were estimated for this timeline."""
    asked = (f"SELECT 1 FROM {table} LIMIT 1" for table in ("corrections", "corrected_events"))
    return any(next(store.rows(sql), None) is not None for sql in asked)


def corrected_times(
    store: Store, rows: Sequence[Mapping[str, Any]], zone: str, language: Language
) -> dict[str, CorrectedTime]:
    """The columns of the corrected time of these events, by their ids; empty where no clock was estimated."""
    found: dict[str, CorrectedTime] = {}
    if not has_corrections(store):
        return found
    names = ("id", "time_ns", "time_text", "precision_ns", "zone", "clock", *CORRECTED_COLUMNS)
    for at in range(0, len(rows), 500):
        page = [(one["source_id"], one["row"], one["time_ns"]) for one in rows[at : at + 500]]
        for row in _in_full(store, "events_corrected", names, page, "source_id, row"):
            found[row["id"]] = corrected_time(row, zone, language)
    return found


def count(store: Store, wanted: Filter) -> int:
    """How many events fit."""
    condition, values = wanted.condition()
    return int(next(store.rows(f"SELECT count(*) FROM events WHERE {condition}", values))[0])


def event(store: Store, name: str) -> dict[str, Any]:
    """The event of that name (`S12:345`). Raises UsageError where there is none."""
    found = event_of(name)
    row = None
    if found is not None:
        row = next(store.rows(f"SELECT {_COLUMNS} FROM events WHERE source_id = ? AND row = ?", found), None)
    if row is None:
        raise UsageError(
            f"その事象はありません: {name}",
            f"no such event: {name}",
            hint_ja="timeline show の右端の番号(S12:345)を指定してください",
            hint_en="name one by its number in timeline show, such as S12:345",
        )
    return dict(zip(EVENT_COLUMNS, row, strict=True))


def around(
    store: Store, center: str, span_ns: int, wanted: Filter, *, zone: str, limit: int
) -> tuple[int, list[dict[str, Any]]]:
    """Events from `span_ns` before to `span_ns` after a moment or an event: (moment in ns, events nearest to it).

    Raises UsageError.
    """
    at = event(store, center)["time_ns"] if event_of(center) is not None else moment(center, zone)
    if at is None:
        raise UsageError(f"{center} には時刻がありません", f"{center} has no time")
    first, last = max(at - span_ns, INT64_MIN), min(at + span_ns, INT64_MAX)
    condition, values = wanted.condition()
    sql = (
        f"WITH near AS (SELECT source_id, row FROM events WHERE {condition} AND time_ns BETWEEN ? AND ? "
        f"ORDER BY abs(time_ns::HUGEINT - ?), source_id, row LIMIT ?) "
        f"SELECT {_COLUMNS} FROM events SEMI JOIN near USING (source_id, row) "
        f"WHERE time_ns BETWEEN ? AND ? ORDER BY {ORDER}"
    )
    rows = store.rows(sql, [*values, first, last, at, limit, first, last])
    return at, [dict(zip(EVENT_COLUMNS, row, strict=True)) for row in rows]


def with_words(row: Mapping[str, Any], language: Language, zone: str) -> dict[str, Any]:
    """An event with its sentence, its time as text, and its data taken apart: what `--json` gives."""
    shown = dict(row)
    shown["datetime"] = times.shown(row["time_ns"], zone, known=row["zone"] is not None)
    shown["message"] = sentence(row["kind"], row, row["data"], language)
    try:
        shown["data"] = json.loads(row["data"])
    except ValueError:
        shown["data"] = {"text": row["data"]}
    if "corrected_status" in row:
        shown["corrected"] = asdict(corrected_time(row, zone, language))
    return shown


@dataclass(frozen=True, slots=True)
class Answer:
    """What a question in SQL gave: names of columns, rows, and whether there were more."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]
    more: bool


def query(store: Store, sql: str, *, limit: int, seconds: float) -> Answer:
    """One SELECT (or EXPLAIN) of a user, read-only: no file, network or setting can be reached.

    Raises UsageError for anything else, for an error in it, and where it takes longer than `seconds`.
    """
    import duckdb  # noqa: PLC0415 - start-up time

    try:
        statements = store.connection.extract_statements(sql)
    except duckdb.Error as error:
        raise _refused(error) from error
    allowed = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}
    if len(statements) != 1 or statements[0].type not in allowed:
        raise UsageError(
            "SELECT を 1 つだけ指定してください(時系列は読み取り専用です)",
            "give exactly one SELECT: the timeline is read-only",
            hint_ja='例: timeline query "SELECT kind, count(*) FROM events GROUP BY kind"',
            hint_en='such as: timeline query "SELECT kind, count(*) FROM events GROUP BY kind"',
        )
    store.lock()
    timer = threading.Timer(seconds, store.connection.interrupt)
    timer.start()
    try:
        cursor = store.connection.execute(statements[0])
        rows = cursor.fetchmany(limit + 1)
        columns = tuple(str(one[0]) for one in cursor.description or ())
    except duckdb.InterruptException as error:
        raise UsageError(
            f"{seconds:g} 秒以内に終わらなかったため止めました",
            f"stopped: it took longer than {seconds:g} s",
            hint_ja="条件を絞るか --seconds を増やしてください",
            hint_en="narrow the question, or raise --seconds",
        ) from error
    except duckdb.Error as error:
        raise _refused(error) from error
    finally:
        timer.cancel()
    return Answer(columns, rows[:limit], len(rows) > limit)


def _refused(error: Exception) -> UsageError:
    from chain_of_custody.masking import mask_text  # noqa: PLC0415 - only where it comes to that

    words = mask_text(str(error).partition("\n\n")[0])
    return UsageError(
        f"SQL の誤り: {words}",
        f"error in the SQL: {words}",
        hint_ja='列の一覧: timeline query "DESCRIBE events"',
        hint_en='columns: timeline query "DESCRIBE events"',
    )


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts of a store; times in ns, None for an empty one."""

    events: int
    without_time: int
    zone_unknown: int
    first_ns: int | None
    last_ns: int | None
    by_kind: Sequence[tuple[str, int]]
    by_source: Sequence[tuple[str, str, int]]
    by_state: Sequence[tuple[str, int]]
    by_year: Sequence[tuple[int, int]]


def statistics(store: Store) -> Statistics:
    """Counts over all events."""
    (total, without, unknown, first, last) = next(
        store.rows(
            "SELECT count(*), count(*) FILTER (time_ns IS NULL), count(*) FILTER (zone IS NULL), "
            "min(time_ns), max(time_ns) FROM events"
        )
    )
    return Statistics(
        total,
        without,
        unknown,
        first,
        last,
        list(store.rows("SELECT kind, count(*) AS n FROM events GROUP BY kind ORDER BY n DESC, kind")),
        list(
            store.rows("SELECT source, parser, count(*) AS n FROM events GROUP BY ALL ORDER BY n DESC, source, parser")
        ),
        list(store.rows("SELECT state, count(*) AS n FROM events GROUP BY state ORDER BY n DESC, state")),
        list(
            store.rows(
                "SELECT year(make_timestamp_ns(time_ns)) AS y, count(*) FROM events WHERE time_ns IS NOT NULL "
                "GROUP BY y ORDER BY y"
            )
        ),
    )
