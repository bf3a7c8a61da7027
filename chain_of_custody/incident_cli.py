"""The commands `custody about|classify|incident|stats`: what was done with one number, what the incident was."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chain_of_custody import console, options
from chain_of_custody.console import JsonOption, LangOption, text
from chain_of_custody.errors import UsageError
from chain_of_custody.options import command_help

if TYPE_CHECKING:
    from chain_of_custody.jcs import Json
    from chain_of_custody.statistics import Statistics


def _number(file: Path | None) -> str:
    from chain_of_custody.about import digits_of  # noqa: PLC0415 - start-up time

    if file is not None:
        try:
            return digits_of(file.read_text(encoding="utf-8")[:200])
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError("番号のファイルを読めません", "the file with the number cannot be read") from error
    if not options.on_terminal():
        raise UsageError(
            "端末がないため番号を尋ねられません。--number-file を使ってください",
            "there is no terminal to ask for the number at; use --number-file",
        )
    return digits_of(console.ask_secret("個人番号(表示しません): ", "My Number (not shown): ").decode())


@options.signing
def about(
    work: options.Work,
    number: Annotated[
        bool, typer.Option("--number", help=text("番号を尋ねる(表示・記録しない)", "ask for the number (not shown)"))
    ] = False,
    number_file: Annotated[
        Path | None, typer.Option("--number-file", metavar="FILE", help=text("番号を書いたファイル", "file with it"))
    ] = None,
) -> None:
    """Tell what was done with one person's number."""
    from chain_of_custody import entries  # noqa: PLC0415
    from chain_of_custody.about import about as ask  # noqa: PLC0415

    if not number and number_file is None:
        raise UsageError("--number か --number-file を指定してください", "give --number or --number-file")
    digits = _number(number_file)
    with work.open() as case:
        hmac = case.number_hmac(digits)
        # Neither number nor HMAC: the ledger leaves the case, and the HMAC stands in for the number.
        with case.action("about", {}) as action:
            answer = ask(case.path, hmac)
            action.set_result(
                {"scans": str(answer.scans), "actions": str(len(answer.touches)), "unknown": str(len(answer.unknown))},
                status="partial" if answer.unknown else "done",
            )
    code = console.EXIT_PARTIAL if answer.unknown else console.EXIT_OK
    if work.as_json:
        actions = [
            {
                "seq": one.seq,
                "ts": one.ts,
                "actor": one.actor,
                "role": one.role,
                "action": one.kind,
                "results": one.results,
                "findings": list(one.findings),
                "status": one.status,
                "reason": one.reason,
            }
            for one in answer.touches
        ]
        unknown = [text(ja, en) for ja, en in answer.unknown]
        console.print_json({"scans": answer.scans, "actions": actions, "unknown": unknown, "exit_code": code})
        raise typer.Exit(code)
    out = console.out_console()
    for one in answer.touches:
        ja, en = entries.ACTIONS[one.kind]
        ids = ", ".join(one.findings[:10]) + (" …" if len(one.findings) > 10 else "")
        out.print(
            f"{one.seq:>5}  {one.ts}  {one.actor}({one.role})  {text(ja, en)}  "
            f"{one.results}: {ids}  {one.reason}".rstrip(),
            markup=False,
        )
    out.print(
        text(
            f"この番号に関わる操作: {len(answer.touches)} 件(走査 {answer.scans} 回を調べました)",
            f"actions on this number: {len(answer.touches)} ({answer.scans} scans looked at)",
        ),
        markup=False,
    )
    for ja, en in answer.unknown:
        console.notice(ja, en)
    raise typer.Exit(code)


@options.signing
def classify(
    place: Annotated[str, typer.Option("--place", help=text("自治体、大学、企業、…", "municipality, company, …"))],
    threat: Annotated[
        str,
        typer.Option(
            "--threat",
            help=text("ハッキング、盗難、ID詐称、対策不備、内部犯", "hacking, theft, id_fraud, lax, insider"),
        ),
    ],
    difficulty: Annotated[str, typer.Option("--difficulty", help=text("高、中、低", "high, medium, low"))],
    stage: Annotated[
        str, typer.Option("--stage", help=text("収集、保管、利用、廃棄、不明", "collection, storage, use, disposal"))
    ],
    grounds: Annotated[
        str,
        typer.Option("--grounds", help=text("根拠(検出・事象・項の番号)", "grounds: ids of findings, events, entries")),
    ],
    work: options.Work,
    note: Annotated[str, typer.Option("--note", help=text("備考", "remarks"))] = "",
) -> None:
    """Say what the incident was."""
    from chain_of_custody import clock, records  # noqa: PLC0415

    given: dict[str, Json] = {
        "place": place,
        "threat": threat,
        "difficulty": difficulty,
        "stage": stage,
        "grounds": grounds,
        "note": note,
    }
    body = records.body_of("classify", given, clock.wall_ns())
    with work.open() as case:
        entry = case.append("record.classify", body, src="typed")
    if work.as_json:
        console.print_json({"entry": entry.seq, **body})
    else:
        console.out_console().print(text(f"第 {entry.seq} 項に記録しました", f"recorded in entry {entry.seq}"))


def incident(
    case: options.CaseOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Show the course of the incident."""
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from chain_of_custody import incident as courses  # noqa: PLC0415
    from chain_of_custody.case import find_case  # noqa: PLC0415
    from chain_of_custody.reading import read_entries  # noqa: PLC0415

    path, _missing = find_case(case, None)
    found = courses.course(read_entries(path))
    if as_json:
        classified = None if found.classified is None else {"entry": found.classified.seq, **found.classified.body}
        console.print_json({"classification": classified, "moments": [one.to_json() for one in found.moments]})
        return
    out, language = console.out_console(), console.language()
    for label, value in courses.classified_rows(found, language):
        out.print(f"{label}: {value}", markup=False)
    if found.classified is None:
        out.print(text("分類は未記録です(custody classify)", "not classified (custody classify)"), markup=False)
    table = Table(title=text("兆候・報告・隔離", "signs, reports, isolation"), title_justify="left")
    for ja, en in courses.HEADS:
        table.add_column(text(ja, en), overflow="fold")
    for row in courses.rows(found, language):
        table.add_row(*(Text(str(cell)) for cell in row))
    out.print(table)
    if not found.moments:
        console.notice(
            "記録がありません: custody record first_sign、first_report、isolate",
            "nothing is recorded: custody record first_sign, first_report, isolate",
        )


def _write_csv(target: Path, content: str) -> None:
    from chain_of_custody import ledger  # noqa: PLC0415
    from chain_of_custody.errors import TargetError  # noqa: PLC0415
    from chain_of_custody.masking import mask_path  # noqa: PLC0415

    try:
        # With a byte order mark, as spreadsheets expect UTF-8.
        ledger.write_new_file(target, content.encode("utf-8-sig"))
    except FileExistsError as error:
        raise TargetError(f"すでにあります: {mask_path(target)}", f"already there: {mask_path(target)}") from error
    except OSError as error:
        raise TargetError(f"書き込めません: {mask_path(target)}", f"cannot write {mask_path(target)}") from error


def _print_over_time(result: Statistics, by: str, choices: tuple[tuple[str, str, str], ...]) -> None:
    from rich.table import Table  # noqa: PLC0415

    counts = result.over_time(by, "threat")
    if not counts:
        return
    table = Table(
        title=text(
            f"{'年' if by == 'year' else '月'}ごとの推移(最初の兆候、なければ事案の開始)",
            f"by {by} (first sign, else opening of the case)",
        ),
        title_justify="left",
    )
    table.add_column("")
    for _, ja, en in choices:
        table.add_column(text(ja, en), justify="right")
    table.add_column(text("計", "all"), justify="right")
    for period in sorted({one for one, _ in counts}):
        cells = [counts.get((period, value), 0) for value, _, _ in choices]
        table.add_row(period, *(str(one or "") for one in cells), str(sum(cells)))
    console.out_console().print(table)


def stats(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR…", help=text("事案、またはその親", "cases, or folders"))
    ],
    by: Annotated[
        str, typer.Option("--by", metavar="year|month", help=text("推移の単位(年か月)", "time is counted by"))
    ] = "year",
    csv_file: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help=text("1 事案 1 行の CSV(新規)", "new CSV file, one row a case")),
    ] = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Count cases by their classification."""
    from chain_of_custody import record_fields, statistics  # noqa: PLC0415

    if by not in statistics.PERIODS:
        raise UsageError("--by は year か month です", "--by is year or month")
    result = statistics.count(folders)
    if csv_file is not None:
        _write_csv(csv_file, result.csv())
    code = console.EXIT_PARTIAL if result.unclassified or result.unreadable else console.EXIT_OK
    if as_json:
        console.print_json(result.to_json() | {"exit_code": code})
        raise typer.Exit(code)
    from rich.table import Table  # noqa: PLC0415

    out = console.out_console()
    fields = {one.name: one for one in record_fields.FIELDS["classify"]}

    def named(name: str, value: str) -> str:
        return next((text(ja, en) for known, ja, en in fields[name].choices if known == value), value)

    for rows, columns in statistics.TABLES:
        table = Table(
            title=text(f"{fields[rows].ja} × {fields[columns].ja}", f"{fields[rows].en} by {fields[columns].en}"),
            title_justify="left",
        )
        table.add_column("")
        heads = [value for value, _, _ in fields[columns].choices]
        for head in heads:
            table.add_column(named(columns, head), justify="right")
        table.add_column(text("計", "all"), justify="right")
        counts: dict[tuple[str, str], int] = result.table(rows, columns)
        for value, _, _ in fields[rows].choices:
            cells = [counts.get((value, head), 0) for head in heads]
            table.add_row(named(rows, value), *(str(one or "") for one in cells), str(sum(cells)))
        out.print(table)
    _print_over_time(result, by, fields["threat"].choices)
    out.print(
        text(
            f"事案 {len(result.cases)} 件、分類なし {len(result.unclassified)} 件、"
            f"読めない {len(result.unreadable)} 件",
            f"cases: {len(result.cases)}, not classified: {len(result.unclassified)}, "
            f"unreadable: {len(result.unreadable)}",
        ),
        markup=False,
    )
    raise typer.Exit(code)


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    listed: list[tuple[Any, str, str, str, tuple[str, ...]]] = [
        (
            about,
            "about",
            "ある人の番号に対して行われた操作を、HMAC だけから一覧します(C9)。終了コード: 0、3 判定できない走査あり。",
            "Every action on one person's number, from HMACs alone (C9). Exit codes: 0, 3 a scan could not be judged.",
            ("custody about --number", "custody about --number-file number.txt --json"),
        ),
        (
            classify,
            "classify",
            "事案を分類します(場所、脅威、難易度、段階。根拠が必要)。",
            "Classify the incident (place, threat, difficulty, stage), with grounds.",
            ("custody classify --place 企業 --threat 内部犯 --difficulty 低 --stage 利用 --grounds 'F000001'",),
        ),
        (
            incident,
            "incident",
            "最初の兆候・報告・隔離の各段階と、その間の時間、事案の分類を表示します(検証はしません)。",
            "First sign, report, isolation, the times between them, and the class (nothing is verified).",
            (
                "custody record first_sign --field at=2026-11-24T09:00:00+09:00 --field what=不審な通信の警告",
                "custody record first_report --field at=2026-11-24T10:00:00+09:00 --field who=佐藤 --field to=責任者",
                "custody record isolate",
                "custody incident",
            ),
        ),
        (
            stats,
            "stats",
            "多数の事案の分類を表にします(各事案の最後の分類。検証はしません)。",
            "Tables of the classification of many cases (the last of each; nothing is verified).",
            ("custody stats cases/", "custody stats cases/ --by month --csv cases.csv", "custody stats c1 c2 --json"),
        ),
    ]
    for function, name, ja, en, examples in listed:
        app.command(name, **command_help(ja, en, *examples))(function)
