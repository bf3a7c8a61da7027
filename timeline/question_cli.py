"""The commands `timeline show`, `around`, `query`, `stats`, `sources`: they read the store and leave no trace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chain_of_custody import console
from chain_of_custody.console import JsonOption, LangOption, text
from chain_of_custody.errors import UsageError
from chain_of_custody.options import CaseOption, command_help

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from timeline.filters import Filter
    from timeline.store import Store

StoreOption = Annotated[
    Path | None,
    typer.Option(
        "--store",
        metavar="DIR",
        help=text("事案の外の時系列(build --out のフォルダー)", "a timeline outside a case (folder of build --out)"),
    ),
]
ZoneOption = Annotated[
    str,
    typer.Option(
        "--tz", metavar="ZONE", help=text("時刻を示し、読む時間帯", "zone in which times are shown and typed")
    ),
]
FromOption = Annotated[
    str | None, typer.Option("--from", metavar="TIME", help=text("この時刻から", "from this time on"))
]
ToOption = Annotated[str | None, typer.Option("--to", metavar="TIME", help=text("この時刻まで", "up to this time"))]
KindOption = Annotated[
    list[str] | None,
    typer.Option("--kind", metavar="KIND", help=text("種別(* 可、複数可: 'file.*')", "kind (may hold *, repeatable)")),
]
HostOption = Annotated[str, typer.Option("--host", metavar="TEXT", help=text("機器名の一部", "part of the host"))]
PathOption = Annotated[str, typer.Option("--path", metavar="TEXT", help=text("パスの一部", "part of the path"))]
ActorOption = Annotated[str, typer.Option("--actor", metavar="TEXT", help=text("行為者の一部", "part of the actor"))]
WordsOption = Annotated[
    str, typer.Option("--text", metavar="TEXT", help=text("記録のどこかにある語", "text anywhere in the record"))
]
SourceOption = Annotated[
    str, typer.Option("--source", metavar="TEXT", help=text("資料名・層の一部", "part of the source or its layers"))
]
ParserOption = Annotated[str, typer.Option("--parser", metavar="NAME", help=text("読み手の名", "name of a parser"))]
StateOption = Annotated[
    str, typer.Option("--state", metavar="STATE", help=text("live、deleted、carved、snapshot", "live, deleted, …"))
]


def filter_of(
    *,
    zone: str,
    first: str | None,
    last: str | None,
    kinds: list[str] | None,
    **texts: str,
) -> Filter:
    """The filter that options describe. Raises UsageError."""
    from timeline.filters import Filter, checked_zone, moment  # noqa: PLC0415 - start-up time

    checked_zone(zone)
    return Filter(
        first_ns=moment(first, zone) if first is not None else None,
        last_ns=moment(last, zone, upper=True) if last is not None else None,
        kinds=tuple(kinds or ()),
        **texts,
    )


def opened(case: Path | None, folder: Path | None) -> Store:
    """The store, with what is missing from it said on standard error. Raises UsageError, EvidenceError."""
    from timeline.store import open_store  # noqa: PLC0415 - start-up time

    store = open_store(case, folder=folder)
    for name in store.damaged:
        console.notice(
            f"時系列の一部が壊れているため含まれません: {name}",
            f"a part of the timeline is damaged and left out: {name}",
        )
    for unfinished in store.unfinished:
        console.notice(
            f"作成が途中の時系列は含まれません(--resume で続行): {unfinished.name}",
            f"a build that was stopped is left out (--resume goes on): {unfinished.name}",
        )
    outside = store.outside()
    if outside and store.scope is not None:
        console.notice(
            f"調査の範囲(第 {store.scope.seq} 項)の外の事象 {outside:,} 件は、示していません",
            f"{outside:,} events outside the scope (entry {store.scope.seq}) are not shown",
        )
    return store


def _finish(store: Store) -> None:
    """Exit 3 where a part of the store could not be read."""
    if store.damaged:
        raise typer.Exit(console.EXIT_PARTIAL)


def _print_events(rows: Iterable[Mapping[str, Any]], zone: str, *, mark: str = "", at: int | None = None) -> int:
    from rich.table import Table  # noqa: PLC0415 - start-up time
    from rich.text import Text  # noqa: PLC0415 - start-up time

    from timeline import times  # noqa: PLC0415 - start-up time
    from timeline.kinds import sentence  # noqa: PLC0415 - start-up time

    table = Table(box=None, pad_edge=False, show_edge=False)
    table.add_column(text("時刻", "time"), no_wrap=True)
    table.add_column(text("内容", "what"), overflow="fold", ratio=1)
    table.add_column(text("種別", "kind"), no_wrap=True)
    table.add_column(text("番号", "event"), no_wrap=True)
    count = 0
    crossed = at is None
    for row in rows:
        if not crossed and row["time_ns"] is not None and at is not None and row["time_ns"] >= at:
            crossed = True
            table.add_section()
        said = sentence(row["kind"], row, row["data"], console.language())
        moment = times.shown(row["time_ns"], zone, known=row["zone"] is not None, digits=_digits(row["precision_ns"]))
        state = "" if row["state"] == "live" else f" [{_state(row['state'])}]"
        shown = moment.replace("T", " ") or row["time_text"] or text("(時刻なし)", "(no time)")
        style = "bold" if mark and row["id"] == mark else ""
        # Texts, not strings: brackets in names must not be taken for markup.
        table.add_row(Text(shown), Text(_visible(said) + state), Text(row["kind"]), Text(row["id"]), style=style)
        count += 1
    if count:
        console.out_console().print(table)
    return count


def _print_corrected(rows: Iterable[Mapping[str, Any]], zone: str) -> int:
    """Each event in a block: what was recorded, and beside it what is known of the true time."""
    from rich.table import Table  # noqa: PLC0415 - start-up time
    from rich.text import Text  # noqa: PLC0415 - start-up time

    from timeline.corrected_times import HEADINGS, corrected_time  # noqa: PLC0415 - start-up time
    from timeline.kinds import sentence  # noqa: PLC0415 - start-up time

    heads = {name: text(*words) for name, words in HEADINGS.items()}
    table = Table(box=None, pad_edge=False, show_edge=False)
    table.add_column(f"{heads['recorded']} / {heads['clock']}", overflow="fold")
    table.add_column(heads["utc"], no_wrap=True)
    table.add_column(f"{heads['corrected']} ({zone})", no_wrap=True)
    table.add_column(f"{heads['amount']} / {heads['certainty']}", no_wrap=True)
    table.add_column(f"{heads['ground']} / {text('内容', 'what')}", overflow="fold", ratio=1)
    table.add_column(text("番号", "event"), no_wrap=True)
    count = 0
    for row in rows:
        one = corrected_time(row, zone, console.language())
        said = sentence(row["kind"], row, row["data"], console.language())
        between = f"{one.earliest}\n{one.latest}".replace("T", " ").strip() or text("不明", "unknown")
        table.add_row(
            Text(f"{_visible(one.recorded)}\n{_visible(one.clock)}"),
            Text(one.utc.replace("T", " ")),
            Text(between),
            Text(f"{one.amount}\n{one.certainty}".strip()),
            Text(f"{_visible(one.ground)}\n{_visible(said)}".strip()),
            Text(row["id"]),
        )
        count += 1
    if count:
        console.out_console().print(table)
    return count


def _digits(precision_ns: int) -> int:
    return 0 if precision_ns >= 1_000_000_000 else 3 if precision_ns >= 1_000_000 else 6 if precision_ns >= 1000 else 7


def _visible(value: str) -> str:
    """One line without control characters, which could move a terminal's cursor."""
    shown = "".join(one if one.isprintable() else "␣" if one in "\t\r\n" else "�" for one in value)
    return shown if len(shown) <= 600 else shown[:600] + "…"


def _state(state: str) -> str:
    return {
        "deleted": text("削除済み", "deleted"),
        "carved": text("未割当から", "carved"),
        "snapshot": text("シャドウコピー", "shadow copy"),
    }.get(state, state)


def show(
    case: CaseOption = None,
    store: StoreOption = None,
    first: FromOption = None,
    last: ToOption = None,
    kind: KindOption = None,
    host: HostOption = "",
    path: PathOption = "",
    actor: ActorOption = "",
    words: WordsOption = "",
    source: SourceOption = "",
    parser: ParserOption = "",
    state: StateOption = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help=text("最大件数", "at most so many"))] = 200,
    offset: Annotated[int, typer.Option("--offset", min=0, help=text("飛ばす件数", "so many are passed over"))] = 0,
    newest: Annotated[bool, typer.Option("--newest", help=text("新しい順", "newest first"))] = False,
    corrected: Annotated[
        bool,
        typer.Option(
            "--corrected",
            help=text("原本表記と補正後の時刻を並べる(clock solve の後)", "times as recorded beside corrected ones"),
        ),
    ] = False,
    by: Annotated[
        str,
        typer.Option(
            "--by",
            metavar="recorded|corrected",
            help=text(
                "並べ方・期間の基準: 記録の時刻か補正後の最早", "sort and choose by the recorded or the true time"
            ),
        ),
    ] = "recorded",
    zone: ZoneOption = "Asia/Tokyo",
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Events by filter."""
    from timeline import questions  # noqa: PLC0415 - start-up time

    if by not in ("recorded", "corrected"):
        raise UsageError("--by は recorded か corrected です", "--by is recorded or corrected")
    corrected = corrected or by == "corrected"

    wanted = filter_of(
        zone=zone,
        first=first,
        last=last,
        kinds=kind,
        host=host,
        path=path,
        actor=actor,
        words=words,
        source=source,
        parser=parser,
        state=state,
    )
    with opened(case, store) as timeline:
        rows = (
            questions.corrected_events(
                timeline, wanted, limit=limit, offset=offset, by_corrected=by == "corrected", newest_first=newest
            )
            if corrected
            else questions.events(timeline, wanted, limit=limit, offset=offset, newest_first=newest)
        )
        if as_json:
            shown = [questions.with_words(row, console.language(), zone) for row in rows]
            console.print_json({"total": questions.count(timeline, wanted), "events": shown})
        else:
            count = _print_corrected(rows, zone) if corrected else _print_events(rows, zone)
            total = questions.count(timeline, wanted)
            rest = total - offset - count
            console.notice(
                f"{count:,} / {total:,} 件" + (f"(続きは --offset {offset + count})" if rest > 0 else ""),
                f"{count:,} of {total:,}" + (f" (--offset {offset + count} for more)" if rest > 0 else ""),
            )
        _finish(timeline)


def around(
    center: Annotated[
        str, typer.Argument(metavar="TIME|EVENT", help=text("時刻、または事象の番号(S12:345)", "a time or an event"))
    ],
    span: Annotated[
        str, typer.Option("--span", metavar="SPAN", help=text("前後の幅(90s、10m、2h)", "how far (90s, 10m, 2h)"))
    ] = "10m",
    case: CaseOption = None,
    store: StoreOption = None,
    kind: KindOption = None,
    host: HostOption = "",
    path: PathOption = "",
    actor: ActorOption = "",
    words: WordsOption = "",
    source: SourceOption = "",
    parser: ParserOption = "",
    limit: Annotated[
        int, typer.Option("--limit", min=1, help=text("近いものから最大件数", "the nearest so many"))
    ] = 200,
    zone: ZoneOption = "Asia/Tokyo",
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Events around a moment."""
    from timeline import questions  # noqa: PLC0415 - start-up time
    from timeline.filters import span as span_of  # noqa: PLC0415 - start-up time

    wanted = filter_of(
        zone=zone,
        first=None,
        last=None,
        kinds=kind,
        host=host,
        path=path,
        actor=actor,
        words=words,
        source=source,
        parser=parser,
    )
    with opened(case, store) as timeline:
        at, rows = questions.around(timeline, center, span_of(span), wanted, zone=zone, limit=limit)
        if as_json:
            shown = [questions.with_words(row, console.language(), zone) for row in rows]
            console.print_json({"time_ns": at, "events": shown})
        else:
            count = _print_events(rows, zone, mark=center, at=at)
            console.notice(f"{count:,} 件", f"{count:,} events")
        _finish(timeline)


def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help=text("SELECT 文", "a SELECT"))],
    case: CaseOption = None,
    store: StoreOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help=text("最大行数", "at most so many rows"))] = 1000,
    seconds: Annotated[float, typer.Option("--seconds", min=0.1, help=text("制限時間", "time limit"))] = 300.0,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """A question in SQL."""
    from timeline import questions  # noqa: PLC0415 - start-up time
    from timeline.masking import mask_value  # noqa: PLC0415 - start-up time

    with opened(case, store) as timeline:
        answer = questions.query(timeline, sql, limit=limit, seconds=seconds)
        # SQL can put together what was apart: what it gives is masked once more.
        if as_json:
            rows = [
                {
                    name: mask_value(_plain(value), _NUMERIC, name)
                    for name, value in zip(answer.columns, row, strict=True)
                }
                for row in answer.rows
            ]
            console.print_json({"columns": list(answer.columns), "rows": rows, "more": answer.more})
        else:
            _print_answer(answer)
        _finish(timeline)


_NUMERIC = frozenset({"time_ns", "sequence", "row", "bytes", "precision_ns", "earliest_ns", "latest_ns", "size"})


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever DuckDB gives
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    return str(value)


def _print_answer(answer: Any) -> None:  # noqa: ANN401 - questions.Answer, not imported at start-up
    from rich.table import Table  # noqa: PLC0415 - start-up time
    from rich.text import Text  # noqa: PLC0415 - start-up time

    from chain_of_custody.masking import mask_text  # noqa: PLC0415 - start-up time
    from timeline.masking import mask_value  # noqa: PLC0415 - start-up time

    table = Table(box=None, pad_edge=False)
    for name in answer.columns:
        table.add_column(Text(mask_text(_visible(name))), overflow="fold")
    for row in answer.rows:
        cells = []
        for name, value in zip(answer.columns, row, strict=True):
            shown = mask_value(_plain(value), _NUMERIC, name)
            cells.append(Text("" if shown is None else _visible(str(shown))))
        table.add_row(*cells)
    console.out_console().print(table)
    count = len(answer.rows)
    console.notice(
        f"{count:,} 行" + ("(続きあり: --limit)" if answer.more else ""),
        f"{count:,} rows" + (" (more: --limit)" if answer.more else ""),
    )


def stats(
    case: CaseOption = None,
    store: StoreOption = None,
    zone: ZoneOption = "Asia/Tokyo",
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Counts."""
    from dataclasses import asdict  # noqa: PLC0415 - start-up time

    from timeline import questions, times  # noqa: PLC0415 - start-up time
    from timeline.filters import checked_zone  # noqa: PLC0415 - start-up time

    checked_zone(zone)
    with opened(case, store) as timeline:
        found = questions.statistics(timeline)
        if as_json:
            console.print_json(asdict(found))
        else:
            out = console.out_console()
            first, last = (times.shown(one, zone, digits=0) for one in (found.first_ns, found.last_ns))
            out.print(
                text(f"事象 {found.events:,} 件: {first} 〜 {last}", f"{found.events:,} events: {first} to {last}"),
                markup=False,
            )
            out.print(
                text(
                    f"時刻なし {found.without_time:,}、時間帯不明 {found.zone_unknown:,}",
                    f"without time {found.without_time:,}, zone unknown {found.zone_unknown:,}",
                )
            )
            _print_counts(text("種別", "kind"), [(kind, n) for kind, n in found.by_kind])
            _print_counts(text("資料", "source"), [(f"{name} {parser}", n) for name, parser, n in found.by_source[:50]])
            _print_counts(text("状態", "state"), [(_state(state), n) for state, n in found.by_state])
            _print_counts(text("年(UTC)", "year (UTC)"), [(str(year), n) for year, n in found.by_year])
        _finish(timeline)


def _print_counts(title: str, counts: list[tuple[str, int]]) -> None:
    from rich.table import Table  # noqa: PLC0415 - start-up time
    from rich.text import Text  # noqa: PLC0415 - start-up time

    if not counts:
        return
    table = Table(box=None, pad_edge=False)
    table.add_column(title, overflow="fold")
    table.add_column(text("件数", "events"), justify="right")
    for name, number in counts:
        table.add_row(Text(_visible(name)), f"{number:,}")
    console.out_console().print(table)


def sources(
    case: CaseOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Sources and coverage."""
    from timeline.store import SOURCE_COLUMNS  # noqa: PLC0415 - start-up time

    columns = [name for name in SOURCE_COLUMNS if name not in ("input", "path")]
    with opened(case, store) as timeline:
        found = [
            dict(zip(columns, row, strict=True))
            for row in timeline.rows(f"SELECT {', '.join(columns)} FROM sources ORDER BY source_id")  # noqa: S608 - own names
        ]
        missed = [
            dict(zip(("build", "where", "reason", "detail"), row, strict=True))
            for row in timeline.rows("SELECT build, place, reason, detail FROM coverage ORDER BY build, place, detail")
        ]
        if as_json:
            console.print_json({"sources": found, "coverage": missed})
        else:
            _print_sources(found, missed)
        _finish(timeline)


def _print_sources(found: list[dict[str, Any]], missed: list[dict[str, Any]]) -> None:
    from rich.table import Table  # noqa: PLC0415 - start-up time
    from rich.text import Text  # noqa: PLC0415 - start-up time

    table = Table(box=None, pad_edge=False)
    table.add_column("S")
    table.add_column(text("読み手", "parser"))
    table.add_column(text("場所", "where"), overflow="fold", ratio=1)
    table.add_column(text("件数", "events"), justify="right")
    table.add_column(text("時間帯", "zone"))
    for one in found[:_MOST_LISTED]:
        zone = one["zone"] or text("不明", "unknown")
        table.add_row(f"S{one['source_id']}", one["parser"], Text(_visible(one["layer"])), f"{one['rows']:,}", zone)
    out = console.out_console()
    out.print(table)
    if len(found) > _MOST_LISTED:
        rest = len(found) - _MOST_LISTED
        out.print(text(f"ほか {rest:,} 件(--json で全件)", f"and {rest:,} more (--json has all)"))
    if missed:
        out.print(text(f"読めなかった部分: {len(missed):,} 件", f"not fully read: {len(missed):,}"))
        for one in missed[:_MOST_LISTED]:
            out.print(f"- {_visible(one['where'])}: {one['reason']}: {_visible(one['detail'])}", markup=False)


_MOST_LISTED = 500


def register(app: typer.Typer) -> None:
    """Add the commands to `timeline`."""
    app.command(
        **command_help(
            "事象を時刻順に示します(時間・種別・機器・パス・語で絞れます)。",
            "Show events in order of time, by time, kind, host, path or text.",
            "timeline show --from 2026-11-24T09:00 --to 2026-11-24T10:00",
            "timeline show --kind 'usb.*' --kind 'evtx.logon' --path 顧客名簿",
            "timeline show --text 給与 --json",
            "timeline show --by corrected --from 2026-11-24T09:00",
        ),
    )(show)
    app.command(
        **command_help(
            "ある時刻または事象の前後を示します。",
            "Show what happened around a moment or an event.",
            "timeline around 2026-11-24T09:15:00",
            "timeline around S12:345 --span 90s",
        ),
    )(around)
    app.command(
        **command_help(
            "SQL で問い合わせます(読み取り専用)。",
            "Ask in SQL (read-only).",
            'timeline query "SELECT kind, count(*) AS n FROM events GROUP BY kind ORDER BY n DESC"',
            'timeline query "DESCRIBE events"',
        ),
    )(query)
    app.command(
        **command_help("件数と期間を示します。", "Counts and spans.", "timeline stats", "timeline stats --json"),
    )(stats)
    app.command(
        **command_help(
            "読んだ資料と、読めなかった部分を示します。",
            "What was read, and what was not.",
            "timeline sources",
            "timeline sources --json",
        ),
    )(sources)
