"""Traces of a way out around findings: what the timeline of the case shows of devices, uploads, mail, print, archives.

Read from the timeline's own files (`<case>/timeline/<n>-…/`, format in docs/timeline.md) by DuckDB; nothing of the
timeline's program is imported. Each trace is one event with its source, and says no more than that event says: that a
stick was connected is no copy, and a visit to a web-mail page is no mail. Which events count is data: `routes.toml`.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from importlib import resources
from typing import TYPE_CHECKING, Any

from chain_of_custody.errors import EvidenceError, UsageError
from triage.masking import mask_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

MOST_TRACES = 500
"""Of each route; all are counted."""
JST = timezone(timedelta(hours=9))
_VISITS = ("web.visit", "web.typed_url", "web.access", "web.download", "op.web", "web.request", "web.redirect")
_PROGRAMS = ("execution.%", "srum.application", "sysmon.process", "evtx.process_created", "op.app_start", "prefetch%")


@dataclass(frozen=True, slots=True)
class Route:
    """One kind of way out, as `routes.toml` has it."""

    code: str
    ja: str
    en: str
    certainty: str
    kinds: tuple[str, ...]
    hosts: tuple[str, ...]
    programs: tuple[str, ...]
    archives: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trace:
    """One event: `time_ns` is the reading of the clock that wrote it; `zone_known` False: a local time as if UTC."""

    event: str
    time_ns: int | None
    time_text: str
    zone_known: bool
    kind: str
    path: str
    actor: str
    host: str
    source: str

    def to_json(self) -> dict[str, Any]:
        """The trace as it stands in the result."""
        return {
            "event": self.event,
            "time": shown_time(self.time_ns, zone_known=self.zone_known) or self.time_text,
            "time_ns": self.time_ns,
            "time_text": self.time_text,
            "zone_known": self.zone_known,
            "kind": self.kind,
            "path": self.path,
            "actor": self.actor,
            "host": self.host,
            "source": self.source,
        }


@dataclass(frozen=True, slots=True)
class RouteTraces:
    """What the timeline shows of one route; `total` counts those beyond MOST_TRACES, too."""

    route: Route
    total: int
    traces: tuple[Trace, ...]


def shown_time(time_ns: int | None, *, zone_known: bool) -> str:
    """A time in JST with its offset; without an offset where the zone is not known."""
    if time_ns is None:
        return ""
    try:
        moment = datetime.fromtimestamp(time_ns // 1_000_000_000, UTC)
    except (OverflowError, OSError, ValueError):
        return ""
    return moment.astimezone(JST).isoformat() if zone_known else moment.replace(tzinfo=None).isoformat()


def load_routes() -> tuple[Route, ...]:
    """The routes that come along."""
    with (resources.files("triage") / "routes.toml").open("rb") as file:
        value = tomllib.load(file)
    return tuple(
        Route(
            one["code"],
            one["ja"],
            one["en"],
            one["certainty"],
            *(tuple(one.get(name, ())) for name in ("kinds", "hosts", "programs", "archives")),
        )
        for one in value["route"]
    )


def has_timeline(case: Path) -> bool:
    """Whether a timeline was built in the case."""
    return any((case / "timeline").glob("*/manifest.json"))


def find_routes(case: Path, *, from_ns: int | None = None, to_ns: int | None = None) -> list[RouteTraces]:
    """What the timeline of `case` shows, within the period (of the clocks' own readings) where one is given.

    Raises UsageError where no timeline was built, EvidenceError where its files cannot be read.
    """
    builds = sorted((case / "timeline").glob("*/manifest.json"))
    if not builds:
        raise UsageError(
            f"この事案には時系列がありません: {case}",
            f"no timeline was built in {case}",
            hint_ja=f"先に: timeline build 画像またはログ --case {case}",
            hint_en=f"first: timeline build IMAGE-OR-LOGS --case {case}",
        )
    import duckdb  # noqa: PLC0415 - heavy, and only here

    parts = [str(part) for manifest in builds for part in sorted((manifest.parent / "events").glob("*.parquet"))]
    sources = [str(manifest.parent / "sources.parquet") for manifest in builds]
    if not parts:
        return [RouteTraces(route, 0, ()) for route in load_routes()]
    connection = duckdb.connect(config={"memory_limit": "1GB", "threads": 2})
    try:
        for name, listed in (("sources", sources), ("events", parts)):
            files = ", ".join("'" + one.replace("'", "''") + "'" for one in listed)
            connection.execute(
                f"CREATE VIEW {name} AS SELECT * FROM read_parquet([{files}], union_by_name = true)"  # noqa: S608
            )
        return [_route(connection, route, from_ns, to_ns) for route in load_routes()]
    except duckdb.Error as error:
        raise EvidenceError(
            f"時系列を読めません: {case / 'timeline'}({type(error).__name__})",
            f"the timeline cannot be read: {case / 'timeline'} ({type(error).__name__})",
        ) from error
    finally:
        connection.close()


def _condition(route: Route) -> tuple[str, list[Any]]:
    conditions: list[str] = []
    values: list[Any] = []
    if route.kinds:
        conditions.append("e.kind IN (" + ", ".join("?" * len(route.kinds)) + ")")
        values += route.kinds
    if route.hosts:
        # The host as a whole or below it, in the address of a page that was visited.
        names = "|".join(host.replace(".", r"\.") for host in route.hosts)
        visits = ", ".join("?" * len(_VISITS))
        conditions.append(f"(e.kind IN ({visits}) AND regexp_matches(lower(e.path), ?))")
        values += [*_VISITS, rf"^[a-z]+://([^/@]*@)?([a-z0-9-]+\.)*({names})([:/?#]|$)"]
    if route.programs:
        names = "|".join(program.replace(".", r"\.") for program in route.programs)
        kinds = " OR ".join(["e.kind LIKE ?"] * len(_PROGRAMS))
        conditions.append(f"(({kinds}) AND regexp_matches(lower(e.path), ?))")
        values += [*_PROGRAMS, rf"(^|[\\/])({names})($|[^a-z0-9.])"]
    if route.archives:
        endings = " OR ".join(["lower(e.path) LIKE ?"] * len(route.archives))
        conditions.append(f"(e.kind IN ('file.created', 'op.file_create') AND ({endings}))")
        values += [f"%{ending}" for ending in route.archives]
    return "(" + " OR ".join(conditions) + ")", values


def _route(connection: Any, route: Route, from_ns: int | None, to_ns: int | None) -> RouteTraces:  # noqa: ANN401
    where, values = _condition(route)
    for sign, bound in ((">=", from_ns), ("<", to_ns)):
        if bound is not None:
            where += f" AND e.time_ns {sign} ?"
            values.append(bound)
    total = connection.execute(f"SELECT count(*) FROM events e WHERE {where}", values).fetchone()[0]  # noqa: S608 - fixed names, values apart
    rows = connection.execute(
        "SELECT 'S' || e.source_id || ':' || e.row, e.time_ns, e.time_text, e.zone, e.kind, e.path, e.actor, e.host,"  # noqa: S608
        " coalesce(s.layer, s.source) FROM events e LEFT JOIN sources s ON s.source_id = e.source_id"
        f" WHERE {where} ORDER BY e.time_ns NULLS LAST, e.source_id, e.row LIMIT {MOST_TRACES}",
        values,
    ).fetchall()
    return RouteTraces(
        route,
        int(total),
        tuple(
            Trace(
                str(row[0]),
                row[1],
                mask_text(row[2] or ""),
                row[3] is not None,
                str(row[4]),
                *(mask_text(value or "") for value in row[5:9]),
            )
            for row in rows
        ),
    )


def to_json(found: Sequence[RouteTraces]) -> dict[str, Any]:
    """The result as one object."""
    return {
        "v": 1,
        "routes": [
            {
                "code": one.route.code,
                "ja": one.route.ja,
                "en": one.route.en,
                "certainty": one.route.certainty,
                "total": one.total,
                "traces": [trace.to_json() for trace in one.traces],
            }
            for one in found
        ],
    }


def sentences(found: Sequence[RouteTraces]) -> Iterator[tuple[str, str]]:
    """One sentence for each route, Japanese and English: how many traces and in which period, and what that is not."""
    for one in found:
        route = one.route
        if not one.total:
            yield (
                f"{route.ja}: 読んだ記録の範囲では痕跡は認められない",
                f"{route.en}: no trace within the records that were read",
            )
            continue
        times = [trace.time_ns for trace in one.traces if trace.time_ns is not None]
        known = all(trace.zone_known for trace in one.traces)
        first = shown_time(min(times), zone_known=known) if times else "?"
        last = shown_time(max(times), zone_known=known) if times else "?"
        what_ja, what_en = CERTAINTY_WORDS[route.certainty]
        yield (
            f"{route.ja}: {one.total} 件({first} 〜 {last})。{what_ja}",
            f"{route.en}: {one.total} ({first} to {last}). {what_en}",
        )


CERTAINTY_WORDS: Mapping[str, tuple[str, str]] = {
    "record": (
        "記録があることを示すもので、個人番号が出たことを示すものではない",
        "Shows that it is recorded, not that a My Number went out",
    ),
    "trace": (
        "利用の痕跡であり、送信や複製の記録ではない",
        "A trace of use, no record of anything sent or copied",
    ),
}


def encoded(found: Sequence[RouteTraces]) -> bytes:
    """The result as JSON, as it is written to a file."""
    return (json.dumps(to_json(found), ensure_ascii=False, indent=1) + "\n").encode("utf-8", "backslashreplace")
