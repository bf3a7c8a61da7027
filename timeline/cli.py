"""The command `timeline`: build a timeline of images and logs, ask it, export it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chain_of_custody import console
from chain_of_custody.console import JsonOption, LangOption, text
from chain_of_custody.options import AsOption, CaseOption, KeyOption, PassphraseFileOption, case_for, command_help
from preserve.identity_option import IdentityOption
from timeline import clock_cli, export_cli, question_cli, surplus_cli, usb_cli, view_cli

if TYPE_CHECKING:
    from collections.abc import Mapping

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=text(
        "イメージやログから一本の時系列を作り、検索・表示・書き出しをします。",
        "Builds one timeline from images and logs; searches, shows and exports it.",
    ),
    epilog=text(
        "例: timeline build disk.E01 logs/ && timeline view",
        "Example: timeline build disk.E01 logs/ && timeline view",
    ),
)


@app.callback()
def _timeline(lang: LangOption = None) -> None:
    """Options that stand before the command."""


@app.command(
    **command_help(
        "イメージ・フォルダー・ファイルを読み、すべての時刻を事案の時系列に入れます。",
        "Read images, folders and files; every time in them goes into the timeline of the case.",
        "timeline build disk.E01",
        "timeline build disk.E01 logs/ --case 2026-014.case --tz Asia/Tokyo --jobs 4",
        "timeline build disk.E01 --case 2026-014.case --resume",
    ),
)
def build(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="SOURCE…", help=text("イメージ、フォルダー、ファイル(複数可)", "images, folders or files")
        ),
    ],
    case: CaseOption = None,
    zone: Annotated[
        str | None,
        typer.Option(
            "--tz",
            metavar="ZONE",
            help=text(
                "時間帯の書かれていない記録の時間帯(Asia/Tokyo、+09:00 など。既定: レジストリーの設定、なければ不明)",
                "zone of records that have none (Asia/Tokyo, +09:00 …; default: the registry's, else unknown)",
            ),
        ),
    ] = None,
    keys: Annotated[
        Path | None,
        typer.Option(
            "--keys",
            metavar="FILE",
            help=text("暗号化された区画の鍵(1 行に 1 つ)", "keys of encrypted volumes, one a line"),
        ),
    ] = None,
    identity: IdentityOption = None,
    host: Annotated[
        str, typer.Option("--host", metavar="NAME", help=text("資料の機器の名前", "name of the machine"))
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help=text(
                "時系列のフォルダー(新規。既定: 事案の timeline/<番号>-<名前>)",
                "folder for the timeline (new; default: timeline/<n>-<name> in the case)",
            ),
        ),
    ] = None,
    jobs: Annotated[
        int,
        typer.Option("--jobs", min=1, max=256, help=text("並列数(結果は変わらない)", "processes (same result)")),
    ] = os.cpu_count() or 1,
    mappings: Annotated[
        list[Path] | None,
        typer.Option(
            "--mapping",
            metavar="FILE",
            help=text(
                "CSV・JSON Lines のログの対応表(TOML、複数可。同梱の対応表より先に使う)",
                "TOML mapping of a log in CSV or JSON lines (repeatable; tried before those of the program)",
            ),
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help=text("中断した作成を続ける", "go on where it stopped"))
    ] = False,
    key: KeyOption = None,
    as_id: AsOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Build a timeline."""
    from preserve.keys import read_keys  # noqa: PLC0415 - `--help` must not load the readers
    from timeline import arrow  # noqa: PLC0415
    from timeline import build as building  # noqa: PLC0415

    arrow.load_alone()
    settings: dict[str, Any] = {}
    if mappings:
        from timeline.parsers import mapped  # noqa: PLC0415 - only where a mapping is given

        settings["mappings"] = mapped.declare(mappings)
    paths = building.check_request(sources, zone)
    options = building.BuildOptions(
        out=out, zone=zone, host=host, jobs=jobs, resume=resume, settings=settings, keys=read_keys(keys)
    )
    with case_for(case, sources[0], key=key, as_id=as_id, passphrase_file=passphrase_file, tool="timeline") as opened:
        outcome = building.build(paths, opened, options)
    if as_json:
        console.print_json(dict(outcome.summary) | {"folder": str(outcome.folder)})
    else:
        _print_summary(outcome.summary, outcome.folder)
    raise typer.Exit(outcome.exit_code)


def _print_summary(summary: Mapping[str, Any], folder: Path) -> None:
    from rich.table import Table  # noqa: PLC0415 - start-up time

    out = console.out_console()
    table = Table(title=text("読み取った資料", "what was read"), title_justify="left")
    table.add_column(text("種類", "parser"))
    table.add_column(text("資料数", "sources"), justify="right")
    table.add_column(text("事象数", "events"), justify="right")
    for name, counts in summary["by_parser"].items():
        table.add_row(name, f"{counts['sources']:,}", f"{counts['events']:,}")
    if summary["by_parser"]:
        out.print(table)
    out.print(text(f"事象: {summary['events']:,} 件", f"events: {summary['events']:,}"))
    if summary["events_without_time"]:
        count = summary["events_without_time"]
        out.print(text(f"時刻を読めない記録: {count:,} 件", f"records whose time cannot be read: {count:,}"))
    if summary["files_not_understood"]:
        endings = ", ".join(
            f"{ending or text('(なし)', '(none)')} {count:,}"
            for ending, count in list(summary["not_understood_by_ending"].items())[:8]
        )
        count = summary["files_not_understood"]
        out.print(
            text(
                f"読み手のないファイル: {count:,} 件({endings})。一覧は files.parquet",
                f"files that no parser reads: {count:,} ({endings}); listed in files.parquet",
            ),
            markup=False,
        )
    limits = summary.get("scope")
    if limits and limits["outside"]:
        out.print(
            text(
                f"調査の範囲(第 {limits['entry']} 項)の外の事象: {limits['outside']:,} 件(保存していません)",
                f"events outside the scope (entry {limits['entry']}): {limits['outside']:,} (counted, not stored)",
            )
        )
    if summary["coverage_lines"]:
        count = summary["coverage_lines"]
        out.print(
            text(
                f"読めなかった部分: {count:,} 件(timeline sources、coverage.jsonl)",
                f"not fully read: {count:,} (timeline sources, coverage.jsonl)",
            )
        )
    out.print(f"{text('時系列', 'timeline')}: {folder}", markup=False)
    out.print(
        text(
            "次に: timeline show、timeline stats、timeline export",
            "next: timeline show, timeline stats, timeline export",
        )
    )


question_cli.register(app)
export_cli.register(app)
clock_cli.register(app)
usb_cli.register(app)
view_cli.register(app)
surplus_cli.register(app)


def main() -> None:
    """Entry point of the program `timeline`."""
    console.run(app)


if __name__ == "__main__":
    main()
