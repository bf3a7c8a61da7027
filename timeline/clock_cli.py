"""The commands `timeline clock …`, `timeline order`, `timeline verdict`: how wrong clocks were, and what follows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chain_of_custody import console
from chain_of_custody.console import JsonOption, LangOption, text
from chain_of_custody.options import (
    AsOption,
    CaseOption,
    KeyOption,
    PassphraseFileOption,
    command_help,
    open_named_case,
    time_given,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chain_of_custody.case import Case
    from chain_of_custody.entries import FileHash
    from chain_of_custody.jcs import Json
    from timeline.clocks.evidence import CaseProblem, ClockCase
    from timeline.clocks.manipulation import Sign
    from timeline.clocks.solution import Solution
    from timeline.clocks.store_case import StoreCase
    from timeline.clocks.verdicts import IncidentAnswer

clock_app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help=text("時計のずれの推定と補正。", "How wrong clocks were, and corrected times."),
)

ClockArgument = Annotated[str, typer.Argument(metavar="CLOCK", help=text("時計名(clock list)", "name of a clock"))]


def register(app: typer.Typer) -> None:
    """Add the commands to `timeline`."""
    app.add_typer(clock_app, name="clock")
    app.command(
        **command_help(
            "二つの事象の前後を、補正した時刻と記録内の順序から答えます。",
            "Which of two events came first, by corrected times and order in logs.",
            "timeline order S3:120 S7:4",
        ),
    )(order)
    app.command(
        **command_help(
            "持ち出しの警報ごとに、実際に複製されたかを判定します。",
            "For each alert of a copy: was it really copied?",
            "timeline verdict --all",
            "timeline verdict --all --medium stick.E01",
            "timeline verdict --incident S4:2 --listing usb.body --media usb_media.json",
            "timeline verdict --clock-case clock-case",
        ),
    )(verdict)


# --- what the commands share ------------------------------------------------------------------------------------------


def _case_path(case: Path | None) -> Path:
    from chain_of_custody.case import find_case  # noqa: PLC0415 - `--help` needs no cryptography

    return find_case(case, None)[0]


def _from_store(case: Path | None) -> tuple[StoreCase, Path]:
    """The clock case of the timeline of a case, and the folder of the store."""
    from chain_of_custody.reading import read_entries  # noqa: PLC0415
    from timeline.clocks.statements import statements  # noqa: PLC0415
    from timeline.clocks.store_case import case_of_store  # noqa: PLC0415
    from timeline.question_cli import opened  # noqa: PLC0415

    path = _case_path(case)
    said = statements(read_entries(path))
    with opened(path, None) as store:
        return case_of_store(store, said), store.home


def _say_problems(problems: Sequence[CaseProblem]) -> None:
    from chain_of_custody.masking import mask_text  # noqa: PLC0415

    for problem in problems[:50]:
        where, detail = mask_text(problem.where), mask_text(problem.detail)
        console.notice(f"注意: {where}: {detail}", f"note: {where}: {detail}")
    if len(problems) > 50:
        console.notice(f"… ほか {len(problems) - 50} 件", f"… and {len(problems) - 50} more")


def _hash(path: Path) -> FileHash:
    from chain_of_custody.entries import FileHash  # noqa: PLC0415

    return FileHash.of_file(path)


def _parameters() -> dict[str, Json]:
    """The parameters of the method, for the ledger: an expert can recompute with them."""
    from timeline.clocks import anchors, chain, clock_solver  # noqa: PLC0415

    return {
        "synchronised_s": str(anchors.SYNCHRONISED_S),
        "rate_max": str(chain.RATE_MAX),
        "break_cost": str(chain.BREAK_COST),
        "margin_s": str(clock_solver.MARGIN_S),
        "outside_rate": str(clock_solver.OUTSIDE_RATE),
    }


# --- timeline clock ---------------------------------------------------------------------------------------------------


@clock_app.command(
    name="list",
    **command_help(
        "事案の時計と、分かっていることを一覧します。",
        "List the clocks of the case and what is known of each.",
        "timeline clock list",
        "timeline clock list --json",
    ),
)
def list_clocks(case: CaseOption = None, as_json: JsonOption = False, lang: LangOption = None) -> None:
    """List clocks."""
    from rich.table import Table  # noqa: PLC0415 - start-up time

    made, _home = _from_store(case)
    rows: list[dict[str, Any]] = []
    for name, clock in made.case.clocks.items():
        sources = [source for source in made.case.sources if source.clock == name]
        rows.append(
            {
                "clock": name,
                "declared": clock.declared,
                "records": sum(source.size for source in sources),
                "steps": sum(len(source.changes) for source in sources),
                "readings": sum(one.clock == name for one in made.case.readings),
                "replies": sum(len(source.replies) for source in sources),
                "receipts": sum(len(source.receipts) for source in sources),
                "zone_unknown": sum(source.size for source in sources if source.zone_free),
            },
        )
    if as_json:
        console.print_json(rows)
        return
    table = Table(box=None)
    for ja, en in (
        ("時計", "clock"), ("申告", "declared"), ("記録", "records"), ("変更", "steps"), ("読取り", "readings"),
        ("応答", "replies"), ("受信", "receipts"), ("時間帯不明", "no zone"),
    ):  # fmt: skip
        table.add_column(text(ja, en), overflow="fold")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    console.out_console().print(table)


@clock_app.command(
    **command_help(
        "確認時の時計の読取り(表示と基準)を台帳に記録します。",
        "Record a reading of a clock at seizure (what it showed, what the reference showed) in the ledger.",
        "timeline clock read --clock host:PC01 --shown 2026-11-24T09:11:00+09:00 "
        "--reference 2026-11-24T09:00:00+09:00 --source NTP",
    ),
)
def read(
    clock: Annotated[str, typer.Option("--clock", metavar="CLOCK", help=text("時計名", "name of the clock"))],
    shown: Annotated[str, typer.Option("--shown", metavar="TIME", help=text("表示", "what it showed"))],
    reference: Annotated[str, typer.Option("--reference", metavar="TIME", help=text("基準", "reference"))],
    source: Annotated[
        str, typer.Option("--source", metavar="TEXT", help=text("基準の出所", "source of the reference"))
    ],
    resolution_s: Annotated[
        float, typer.Option("--resolution", metavar="S", min=0.001, help=text("分解能(秒)", "resolution in s"))
    ] = 1.0,
    item: Annotated[str | None, typer.Option("--item", metavar="ID", help=text("対象物番号", "item"))] = None,
    case: CaseOption = None,
    key: KeyOption = None,
    as_id: AsOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Record a reading."""
    from chain_of_custody import clock as own_clock  # noqa: PLC0415
    from chain_of_custody import records  # noqa: PLC0415

    given: dict[str, Json] = {
        "clock": clock,
        "shown": time_given(shown),
        "reference": time_given(reference),
        "source": source,
        "resolution_s": f"{resolution_s:g}",
    }
    with open_named_case(case, key=key, as_id=as_id, passphrase_file=passphrase_file) as opened:
        entry = opened.append(
            "record.clock", records.body_of("clock", given, own_clock.wall_ns()), item=item, src="typed"
        )
    _said_entry(entry.seq, as_json=as_json)


def _said_entry(seq: int, *, as_json: bool) -> None:
    if as_json:
        console.print_json({"seq": seq})
    else:
        console.print_text(text(f"第 {seq} 項: 時計について記録しました\n", f"entry {seq}: recorded about the clock\n"))


def _state(case: Case, body: dict[str, Json]) -> int:
    with case.action("clock", body) as action:
        action.set_result({})
        return action.begin.seq


@clock_app.command(
    name="set-zone",
    **command_help(
        "時計の時間帯や、同期しているとの申告を、申告者とともに記録します。",
        "Declare the zone of a clock, or that it is synchronised, and who says so.",
        "timeline clock set-zone host:PC01 --zone Asia/Tokyo --by 情報システム部",
        "timeline clock set-zone server:mail1 --declared synchronised --by 管理者",
    ),
)
def set_zone(
    clock: ClockArgument,
    by: Annotated[str, typer.Option("--by", metavar="NAME", help=text("申告者", "who says so"))],
    zone: Annotated[str, typer.Option("--zone", metavar="ZONE", help=text("時間帯", "zone"))] = "",
    declared: Annotated[
        str, typer.Option("--declared", metavar="synchronised|unknown", help=text("申告", "what is declared"))
    ] = "",
    case: CaseOption = None,
    key: KeyOption = None,
    as_id: AsOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Declare a zone."""
    from chain_of_custody.errors import UsageError  # noqa: PLC0415
    from chain_of_custody.masking import mask_text  # noqa: PLC0415
    from timeline.clocks.record_formats import Zone  # noqa: PLC0415

    if declared not in ("", "synchronised", "unknown") or not (zone or declared):
        raise UsageError(
            "--zone か --declared synchronised|unknown を指定してください",
            "give --zone, or --declared synchronised|unknown",
        )
    try:
        Zone(zone or None)
    except ValueError as error:
        raise UsageError(f"時間帯が不明です: {zone}", f"unknown zone: {zone}") from error
    body: dict[str, Json] = {
        "operation": "set-zone", "clock": mask_text(clock), "zone": zone, "declared": declared, "by": mask_text(by),
    }  # fmt: skip
    with open_named_case(case, key=key, as_id=as_id, passphrase_file=passphrase_file) as opened:
        seq = _state(opened, body)
    _said_entry(seq, as_json=as_json)


@clock_app.command(
    **command_help(
        "ある事象の真の時刻の範囲を、根拠とともに手で与えます。",
        "State between which times an event truly happened, and why.",
        "timeline clock anchor S3:120 --earliest 2026-11-24T09:00:00+09:00 --latest 2026-11-24T09:00:30+09:00 "
        "--why 入退室記録",
    ),
)
def anchor(
    event: Annotated[str, typer.Argument(metavar="EVENT", help=text("事象(S12:345)", "event, as S12:345"))],
    earliest: Annotated[str, typer.Option("--earliest", metavar="TIME", help=text("最早", "not before"))],
    latest: Annotated[str, typer.Option("--latest", metavar="TIME", help=text("最遅", "not after"))],
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help=text("根拠", "ground"))],
    case: CaseOption = None,
    key: KeyOption = None,
    as_id: AsOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Add an anchor by hand."""
    from chain_of_custody.errors import UsageError  # noqa: PLC0415
    from chain_of_custody.masking import mask_text  # noqa: PLC0415
    from timeline import questions  # noqa: PLC0415
    from timeline.question_cli import opened as open_store  # noqa: PLC0415

    first, last = time_given(earliest), time_given(latest)
    if first > last:
        raise UsageError("最早が最遅より後です", "earliest is after latest")
    with open_store(_case_path(case), None) as store:
        questions.event(store, event)
    body: dict[str, Json] = {
        "operation": "anchor", "event": event, "earliest": first, "latest": last, "why": mask_text(why),
    }  # fmt: skip
    with open_named_case(case, key=key, as_id=as_id, passphrase_file=passphrase_file) as opened:
        seq = _state(opened, body)
    _said_entry(seq, as_json=as_json)


@clock_app.command(
    **command_help(
        "一つの時計について、何が分かり、どの記録を根拠にしたかを示します(--html でページを書き出し)。",
        "What is known of one clock, and from which records (--html writes a page with its chart).",
        "timeline clock explain host:PC01",
        "timeline clock explain host:PC01 --html clock.html",
    ),
)
def explain(
    clock: ClockArgument,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help=text("ページ(新規ファイル)", "page (a new file)"))
    ] = None,
    clock_case: Annotated[
        Path | None, typer.Option("--clock-case", metavar="DIR", help=text("時計事案のフォルダー", "a clock case"))
    ] = None,
    case: CaseOption = None,
    key: KeyOption = None,
    as_id: AsOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Explain a clock."""
    from chain_of_custody.errors import TargetError, UsageError  # noqa: PLC0415
    from chain_of_custody.masking import mask_text  # noqa: PLC0415
    from timeline.clocks.case_folder import read_case  # noqa: PLC0415
    from timeline.clocks.clock_page import anchor_lines, page  # noqa: PLC0415
    from timeline.clocks.solution import solve as solve_case  # noqa: PLC0415
    from timeline.clocks.wording import court_sentence, offset_range  # noqa: PLC0415

    if html is not None and html.exists():
        raise TargetError(f"既にあります: {html}", f"exists already: {html}")
    solution = solve_case(read_case(clock_case) if clock_case else _from_store(case)[0].case)
    view = solution.main.views.get(clock)
    if view is None:
        known = ", ".join(solution.main.views)
        raise UsageError(
            f"その時計はありません: {clock}",
            f"no such clock: {clock}",
            hint_ja=f"時計: {known}",
            hint_en=f"clocks: {known}",
        )
    lines = anchor_lines(solution, view)
    if html is not None:
        content = page(solution, clock, console.language())
        if clock_case is None:
            with open_named_case(case, key=key, as_id=as_id, passphrase_file=passphrase_file) as opened:
                body: dict[str, Json] = {
                    "operation": "explain",
                    "clock": mask_text(clock),
                    "file": mask_text(str(html)),
                }
                with opened.action("clock", body) as action:
                    html.write_text(content, encoding="utf-8")
                    action.set_result({}, outputs=[_hash(html)])
        else:
            html.write_text(content, encoding="utf-8")
    found = offset_range(solution, view)
    if as_json:
        console.print_json(
            {
                "clock": clock,
                "sentence": {one: court_sentence(solution, clock, one) for one in ("ja", "en")},
                "offset_s": None if found is None else list(found),
                "anchors": [
                    {
                        "record": one.record, "text": mask_text(one.text), "kind": one.kind, "reference": one.reference,
                        "used": one.used,
                        "low_s": one.low if one.low > float("-inf") else None,
                        "high_s": one.high if one.high < float("inf") else None,
                    }
                    for one in lines
                ],
            },
        )  # fmt: skip
        return
    console.print_text(court_sentence(solution, clock, console.language()) + "\n")
    rejected = [one for one in lines if not one.used]
    for one in rejected[:20]:
        shown = mask_text(f"{one.record} {one.text} {one.kind} {one.reference}")
        console.print_text(text(f"  不採用: {shown}\n", f"  rejected: {shown}\n"))
    if html is not None:
        console.print_text(text(f"ページ: {html}\n", f"page: {html}\n"))


@clock_app.command(
    **command_help(
        "別の専門家が再計算できるよう、時計事案(フォルダー)を書き出します。",
        "Write a clock case (a folder) with which another expert can recompute.",
        "timeline clock export clock-case",
    ),
)
def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help=text("書き出し先(新規)", "new folder"))],
    case: CaseOption = None,
    key: KeyOption = None,
    as_id: AsOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Export a clock case."""
    from chain_of_custody.masking import mask_text  # noqa: PLC0415
    from timeline.clocks.case_writer import write_case  # noqa: PLC0415

    made, _home = _from_store(case)
    with open_named_case(case, key=key, as_id=as_id, passphrase_file=passphrase_file) as opened:
        body: dict[str, Json] = {"operation": "export", "folder": mask_text(str(folder))}
        with opened.action("clock", body) as action:
            files = write_case(made.case, folder)
            action.set_result({}, outputs=[_hash(path) for path in files])
    if as_json:
        console.print_json({"folder": str(folder), "files": [path.name for path in files]})
    else:
        console.print_text(text(f"時計事案: {folder}\n", f"clock case: {folder}\n"))


@clock_app.command(
    **command_help(
        "時計を解きます。フォルダーを指定すると時計事案の答えを JSON Lines で書き(台帳は不要)、"
        "指定しなければ事案の時計を推定し、補正を時系列に結び付けます。",
        "Estimate clocks. With a folder: answer that clock case as JSON lines (no ledger). Without: estimate clocks "
        "of the case and join the corrections to its timeline.",
        "timeline clock solve clock-case --out result.jsonl",
        "timeline clock solve",
    ),
)
def solve(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help=text("時計事案のフォルダー", "folder of a clock case"))
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help=text("結果(新規ファイル)", "result (a new file)"))
    ] = None,
    case: CaseOption = None,
    key: KeyOption = None,
    as_id: AsOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Solve a clock case, or the clocks of the case."""
    from chain_of_custody.errors import TargetError, UsageError  # noqa: PLC0415 - `--help` needs none of it
    from timeline.clocks.case_folder import read_case  # noqa: PLC0415 - numpy
    from timeline.clocks.result_file import write_result  # noqa: PLC0415
    from timeline.clocks.solution import solve as solve_case  # noqa: PLC0415

    if out is not None and out.exists():
        raise TargetError(f"既にあります: {out}", f"exists already: {out}")
    if folder is not None:
        if out is None:
            raise UsageError("--out を指定してください", "give --out FILE")
        clock_case = read_case(folder)
        solution = solve_case(clock_case)
        count = write_result(solution, out)
        _say_problems(clock_case.problems)
        _print_solution(solution, [], as_json=as_json, more={"out": str(out), "lines": count})
        if clock_case.problems:
            raise typer.Exit(console.EXIT_PARTIAL)
        return
    _solve_in_case(case, out, key, as_id, passphrase_file, as_json=as_json)


def _solve_in_case(
    case: Path | None,
    out: Path | None,
    key: Path | None,
    as_id: str | None,
    passphrase_file: Path | None,
    *,
    as_json: bool,
) -> None:
    from timeline.clocks.corrections import write_corrections  # noqa: PLC0415
    from timeline.clocks.manipulation import signs, store_signs  # noqa: PLC0415
    from timeline.clocks.result_file import write_result  # noqa: PLC0415
    from timeline.clocks.solution import solve as solve_case  # noqa: PLC0415
    from timeline.clocks.wording import offset_range  # noqa: PLC0415
    from timeline.question_cli import opened as open_store  # noqa: PLC0415

    made, home = _from_store(case)
    with open_named_case(case, key=key, as_id=as_id, passphrase_file=passphrase_file) as opened:
        body: dict[str, Json] = {"operation": "solve", "parameters": _parameters()}
        with opened.action("clock", body) as action:
            solution = solve_case(made.case)
            counts = write_corrections(solution, made, home)
            outputs = [_hash(home / name) for name in ("corrections.parquet", "corrected_events.parquet")]
            if out is not None:
                write_result(solution, out)
                outputs.append(_hash(out))
            pages = _write_pages(solution, home / "clocks", outputs)
            clocks: dict[str, Json] = {}
            for name, view in solution.main.views.items():
                found = offset_range(solution, view)
                clocks[name] = {
                    **pages.get(name, {}),
                    "offset_low_s": "unknown" if found is None else f"{found[0]:.3f}",
                    "offset_high_s": "unknown" if found is None else f"{found[1]:.3f}",
                    "held_right": view.answer is None,
                    "anchors": "0" if view.answer is None else str(int(view.answer.kept.sum())),
                }
            action.set_result({"clocks": clocks, "lines": {k: str(v) for k, v in counts.items()}}, outputs=outputs)
    with open_store(_case_path(case), None) as store:
        found_signs = [*signs(solution), *store_signs(store)]
    _say_problems(made.case.problems)
    _print_solution(solution, found_signs, as_json=as_json, more={"corrections": str(home), **counts})


MOST_PAGES = 50


def _write_pages(solution: Solution, folder: Path, outputs: list[FileHash]) -> dict[str, dict[str, Json]]:
    """A page for each clock that was estimated, in the case folder (earlier ones, which are derived, are replaced).

    Returns what the ledger says of each: the sentence in both languages, the page's place and SHA-256.
    """
    from chain_of_custody.errors import TargetError  # noqa: PLC0415
    from chain_of_custody.masking import mask_text  # noqa: PLC0415
    from timeline.clocks.clock_page import page  # noqa: PLC0415
    from timeline.clocks.wording import court_sentence  # noqa: PLC0415

    names = [name for name, view in solution.main.views.items() if view.answer is not None]
    if len(names) > MOST_PAGES:
        console.notice(
            f"時計が {len(names)} あるため、ページは最初の {MOST_PAGES} に限ります(ほかは clock explain --html)",
            f"{len(names)} clocks: pages of the first {MOST_PAGES} alone (clock explain --html writes the others)",
        )
    found: dict[str, dict[str, Json]] = {}
    try:
        folder.mkdir(exist_ok=True)
        for number, name in enumerate(names[:MOST_PAGES], 1):
            path = folder / f"{number:03d}.html"
            temporary = folder / f".{number:03d}.new"
            temporary.write_text(page(solution, name, console.language()), encoding="utf-8")
            temporary.replace(path)
            outputs.append(_hash(path))
            found[name] = {
                "sentence_ja": mask_text(court_sentence(solution, name, "ja")),
                "sentence_en": mask_text(court_sentence(solution, name, "en")),
                "page": f"timeline/clocks/{path.name}",
                "sha256": outputs[-1].sha256,
            }
    except OSError as error:
        raise TargetError(
            f"書けません: {folder}: {error.strerror}", f"cannot write to {folder}: {error.strerror}"
        ) from error
    return found


def _print_solution(solution: Solution, found: Sequence[Sign], *, as_json: bool, more: dict[str, Any]) -> None:
    from chain_of_custody.masking import mask_text  # noqa: PLC0415
    from timeline.clocks.wording import clock_lines  # noqa: PLC0415 - numpy

    statuses: dict[str, int] = {}
    for record in solution.records():
        statuses[record.status] = statuses.get(record.status, 0) + 1
    if as_json:
        listed = [
            {
                "sign": one.name, "clock": one.clock, "records": list(one.records), "total": one.total,
                "what": one.words(console.language())[0], "innocent": one.words(console.language())[1],
            }
            for one in found
        ]  # fmt: skip
        console.print_json(
            {
                "records": statuses, "accused": sorted(solution.main.accused), "problems": len(solution.case.problems),
                "clocks": dict(zip(solution.main.views, clock_lines(solution, console.language()), strict=True)),
                "signs": listed, **more,
            },
        )  # fmt: skip
        return
    for line in clock_lines(solution, console.language()):
        console.print_text(line + "\n")
    for one in found:
        what, innocent = one.words(console.language())
        shown = ", ".join(one.records[:5]) + (" …" if one.total > 5 else "")
        console.print_text(
            text(
                f"要確認: {what}({one.clock}): {shown}。ただし: {innocent}。\n",
                f"look at: {what} ({one.clock}): {shown}. But: {innocent}.\n",
            ),
        )
    names = {
        "corrections": text("保存先", "written"),
        "bands": text("補正した区間", "stretches corrected"),
        "events": text("個別に補正した事象", "events corrected one by one"),
    }
    for name, value in more.items():
        shown = f"{value:,}" if isinstance(value, int) else mask_text(str(value))
        console.print_text(f"{names.get(name, name)}: {shown}\n")


# --- order and verdict ------------------------------------------------------------------------------------------------


def order(
    a: Annotated[str, typer.Argument(metavar="A", help=text("事象(S12:345)", "event, as S12:345"))],
    b: Annotated[str, typer.Argument(metavar="B", help=text("事象", "event"))],
    case: CaseOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """The order of two events."""
    from chain_of_custody.masking import mask_text  # noqa: PLC0415
    from timeline.clocks.event_order import order_in_store  # noqa: PLC0415 - numpy
    from timeline.clocks.wording import order_sentence  # noqa: PLC0415
    from timeline.question_cli import opened  # noqa: PLC0415

    with opened(_case_path(case), None) as store:
        answer, sides = order_in_store(store, a, b)
    sentence = order_sentence(a, b, answer, console.language())
    if as_json:
        console.print_json(
            {"a": sides[0], "b": sides[1], "order": answer.order, "ground": answer.ground, "sentence": sentence}
        )
        return
    console.print_text(sentence + "\n")
    for side in sides:
        console.print_text(
            f"  {side['event']}: {mask_text(side['text'])} ({side['clock']})"
            + text(" → 補正後 ", " → corrected ")
            + f"{_moment(side['earliest_ns'])} – {_moment(side['latest_ns'])} ({_ground(side['ground'])})\n",
        )


def _moment(time_ns: int | None) -> str:
    """A time for a person: Japan, to the millisecond."""
    from timeline import times  # noqa: PLC0415

    return times.shown(time_ns, "Asia/Tokyo", digits=3).replace("T", " ") or text("不明", "unknown")


def _ground(ground: str) -> str:
    """The ground of a correction in the language of this run; the store holds it in English."""
    number, _, rest = ground.partition(" ")
    if rest == "anchors" and number.isdigit():
        return text(f"根拠 {number} 件", f"{number} anchor{'' if number == '1' else 's'}")
    return {
        "declared synchronised": text("同期しているとの申告", "declared synchronised"),
        "own anchors and order in its log": text("自身の根拠とログ内の順序", "own anchors and order in its log"),
        "no anchor": text("根拠なし", "no anchor"),
        "unknown": text("不明", "unknown"),
    }.get(ground, ground)


def verdict(
    incident: Annotated[
        list[str] | None,
        typer.Option("--incident", metavar="EVENT", help=text("警報の事象(複数可)", "event of an alert (repeatable)")),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help=text("すべての警報", "all alerts"))] = False,
    clock_case: Annotated[
        Path | None, typer.Option("--clock-case", metavar="DIR", help=text("時計事案のフォルダー", "a clock case"))
    ] = None,
    listing: Annotated[
        Path | None,
        typer.Option("--listing", metavar="FILE", help=text("媒体の一覧(bodyfile)", "listing of media (bodyfile)")),
    ] = None,
    media: Annotated[
        Path | None,
        typer.Option(
            "--media", metavar="FILE", help=text("警報→媒体の JSON", "JSON: event of the alert → stick or null")
        ),
    ] = None,
    medium: Annotated[
        str | None,
        typer.Option(
            "--medium",
            metavar="IMAGE",
            help=text(
                "警報の対象の押収媒体。時系列に含まれるイメージの名前",
                "seized medium of these alerts: name of an image in the timeline",
            ),
        ),
    ] = None,
    host_listing: Annotated[
        Path | None,
        typer.Option(
            "--host-listing",
            metavar="FILE",
            help=text("端末のファイルの MD5(bodyfile)", "MD5 of the computer's files (bodyfile), to compare contents"),
        ),
    ] = None,
    case: CaseOption = None,
    key: KeyOption = None,
    as_id: AsOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Verdicts on copies."""
    from chain_of_custody.errors import UsageError  # noqa: PLC0415
    from timeline.clocks.case_folder import add_host_listing, add_media, read_case  # noqa: PLC0415
    from timeline.clocks.seized_media import add_seized_medium  # noqa: PLC0415
    from timeline.clocks.solution import solve as solve_case  # noqa: PLC0415
    from timeline.clocks.traces import add_traces  # noqa: PLC0415
    from timeline.clocks.verdicts import judge_all, rules  # noqa: PLC0415
    from timeline.question_cli import opened as open_store  # noqa: PLC0415

    if not (incident or every or clock_case):
        raise UsageError("--incident か --all を指定してください", "give --incident EVENT or --all")
    given = read_case(clock_case) if clock_case else _from_store(case)[0].case
    add_media(given, listing, media)
    if host_listing is not None:
        add_host_listing(given, host_listing)
    if medium:
        if clock_case:
            raise UsageError("--medium は --clock-case と併用できません", "--medium does not go with --clock-case")
        with open_store(_case_path(case), None) as store:
            add_seized_medium(given, store, medium)
    if incident:
        known = {one.id for one in given.incidents}
        missing = [one for one in incident if one not in known]
        if missing:
            raise UsageError(
                f"警報ではありません: {', '.join(missing)}",
                f"not an alert: {', '.join(missing)}",
                hint_ja=f"警報: {', '.join(sorted(known)[:20]) or 'なし'}",
                hint_en=f"alerts: {', '.join(sorted(known)[:20]) or 'none'}",
            )
        given.incidents = [one for one in given.incidents if one.id in incident]
    _say_problems(given.problems)
    if clock_case is not None:
        answers = judge_all(solve_case(given))
    else:
        about: dict[str, Json] = {"rules": str(rules()["version"]), "parameters": _parameters()}
        with (
            open_named_case(case, key=key, as_id=as_id, passphrase_file=passphrase_file) as opened,
            opened.action("verdict", about) as action,
        ):
            solution = solve_case(given)
            answers = judge_all(solution)
            with open_store(_case_path(case), None) as store:
                unknown = add_traces(store, solution, answers)
            action.set_result({"verdicts": {one.id: _ledger_verdict(one) for one in answers}})
        if unknown:
            console.notice(
                f"時計のずれが不明のため照合できない記録: {unknown:,} 件",
                f"{unknown:,} records were not matched: the offset of their clock is unknown",
            )
    _print_verdicts(answers, given, as_json=as_json)


def _ledger_verdict(answer: IncidentAnswer) -> Json:
    return {
        "verdict": answer.verdict,
        "rule": answer.rule,
        "reasons": {one.reason: list(one.records) for one in answer.grounds},
        "traces": {one.name: list(one.records) for one in answer.traces},
    }


def _print_verdicts(answers: Sequence[IncidentAnswer], case: ClockCase, *, as_json: bool) -> None:
    from chain_of_custody.masking import mask_text  # noqa: PLC0415
    from timeline.clocks.verdict_words import verdict_json, verdict_text  # noqa: PLC0415

    if as_json:
        console.print_json([verdict_json(one, console.language()) for one in answers])
        return
    for answer in answers:
        console.print_text(mask_text(verdict_text(answer, case, console.language())) + "\n")
    if not answers:
        console.print_text(text("警報はありません。\n", "there are no alerts\n"))
