"""The commands `timeline clock …`: clocks of a case, their anchors and answers, and clock cases for other experts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chain_of_custody import console
from chain_of_custody.console import JsonOption, LangOption, text
from chain_of_custody.options import command_help

if TYPE_CHECKING:
    from timeline.clocks.solution import Solution

clock_app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help=text("時計のずれの推定と補正。", "How wrong clocks were, and corrected times."),
)


def register(app: typer.Typer) -> None:
    """Add the commands to `timeline`."""
    app.add_typer(clock_app, name="clock")


@clock_app.command(
    **command_help(
        "時計事案(フォルダー)を解き、すべての記録の真の時刻の区間を JSON Lines で書きます。台帳は要りません。",
        "Answer a clock case (a folder): an interval of true time for every record, as JSON lines. Needs no ledger.",
        "timeline clock solve clock-case --out result.jsonl",
    ),
)
def solve(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help=text("時計事案のフォルダー", "folder of the clock case"))],
    out: Annotated[
        Path,
        typer.Option("--out", metavar="FILE", help=text("結果(新規ファイル)", "result (a new file)")),
    ],
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Solve a clock case outside a case."""
    from chain_of_custody.errors import TargetError  # noqa: PLC0415 - `--help` needs none of it
    from chain_of_custody.masking import mask_text  # noqa: PLC0415
    from timeline.clocks.case_folder import read_case  # noqa: PLC0415 - numpy
    from timeline.clocks.result_file import write_result  # noqa: PLC0415
    from timeline.clocks.solution import solve as solve_case  # noqa: PLC0415

    if out.exists():
        raise TargetError(f"既にあります: {out}", f"exists already: {out}")
    case = read_case(folder)
    solution = solve_case(case)
    count = write_result(solution, out)
    for problem in case.problems[:50]:
        where, detail = mask_text(problem.where), mask_text(problem.detail)
        console.notice(f"注意: {where}: {detail}", f"note: {where}: {detail}")
    if len(case.problems) > 50:
        console.notice(f"… ほか {len(case.problems) - 50} 件", f"… and {len(case.problems) - 50} more")
    summary = _summary(solution)
    if as_json:
        console.print_json({"out": str(out), "lines": count, "problems": len(case.problems), **summary})
    else:
        _print_summary(solution, out)
    if case.problems:
        raise typer.Exit(console.EXIT_PARTIAL)


def _summary(solution: Solution) -> dict[str, object]:
    statuses: dict[str, int] = {}
    for record in solution.records():
        statuses[record.status] = statuses.get(record.status, 0) + 1
    return {"records": statuses, "accused": sorted(solution.main.accused)}


def _print_summary(solution: Solution, out: Path) -> None:
    from timeline.clocks.wording import clock_lines  # noqa: PLC0415 - numpy

    for line in clock_lines(solution, console.language()):
        console.print_text(line + "\n")
    console.print_text(text(f"結果: {out}\n", f"result: {out}\n"))
