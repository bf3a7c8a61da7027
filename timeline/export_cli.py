"""The command `timeline export`: events into a new file, recorded in the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chain_of_custody import console
from chain_of_custody.console import JsonOption, LangOption, text
from chain_of_custody.errors import UsageError
from chain_of_custody.options import AsOption, CaseOption, KeyOption, PassphraseFileOption, case_for, command_help
from timeline.question_cli import (
    ActorOption,
    FromOption,
    HostOption,
    KindOption,
    ParserOption,
    PathOption,
    SourceOption,
    StateOption,
    ToOption,
    WordsOption,
    ZoneOption,
    filter_of,
    opened,
)

if TYPE_CHECKING:
    from chain_of_custody.jcs import Json

FORMATS = ("csv", "jsonl", "timesketch-csv", "timesketch-jsonl", "l2tcsv", "bodyfile", "xlsx", "parquet")


def export(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help=text("書き出し先(新規)", "new file to write"))],
    format_: Annotated[str, typer.Option("--format", metavar="FORMAT", help=", ".join(FORMATS))] = "csv",
    case: CaseOption = None,
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
    zone: ZoneOption = "Asia/Tokyo",
    corrected: Annotated[
        bool,
        typer.Option("--corrected", help=text("補正後の時刻の列も書く", "add the columns of the corrected time")),
    ] = False,
    key: KeyOption = None,
    as_id: AsOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Write events to a file."""
    from chain_of_custody import FileHash  # noqa: PLC0415 - start-up time
    from chain_of_custody.masking import mask_text  # noqa: PLC0415 - start-up time
    from timeline import arrow  # noqa: PLC0415 - start-up time
    from timeline.export import export as write  # noqa: PLC0415 - start-up time

    arrow.load_alone()
    if format_ not in FORMATS:
        raise UsageError(
            f"書式が分かりません: {format_}",
            f"unknown format: {format_}",
            hint_ja=f"次から選んでください: {', '.join(FORMATS)}",
            hint_en=f"one of {', '.join(FORMATS)}",
        )
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
    with opened(case, None) as timeline:
        home = timeline.home.parent
        with case_for(home, None, key=key, as_id=as_id, passphrase_file=passphrase_file, tool="timeline") as of:
            target = mask_text(str(out.absolute()))
            begin: dict[str, Json] = {
                "target": target,
                "format": format_,
                "zone": zone,
                "builds": [build.folder.name for build in timeline.builds],
                "corrected": corrected,
                "filter": mask_text(repr(wanted)),
            }
            with of.action("export", begin, item=mask_text(out.name)) as action:
                done = write(
                    timeline,
                    wanted,
                    format_,  # type: ignore[arg-type]  # one of FORMATS, as checked above
                    out,
                    language=console.language(),
                    zone=zone,
                    corrected=corrected,
                )
                partial = bool(timeline.damaged)
                action.set_result(
                    {"target": target, "rows": str(done.rows), "left_out": str(done.left_out)},
                    outputs=[FileHash(done.sha256, done.size)],
                    status="partial" if partial else "done",
                )
        if as_json:
            console.print_json(
                {
                    "file": str(out),
                    "rows": done.rows,
                    "left_out": done.left_out,
                    "sha256": done.sha256,
                    "size": done.size,
                }
            )
        else:
            said = console.out_console()
            said.print(
                text(f"{done.rows:,} 件を書き出しました: {out}", f"{done.rows:,} events written: {out}"), markup=False
            )
            if done.left_out:
                said.print(
                    text(
                        f"時刻のない {done.left_out:,} 件は、この書式では書けません",
                        f"{done.left_out:,} events have no time and cannot be written in this format",
                    )
                )
            said.print(f"SHA-256: {done.sha256}")
        if partial:
            raise typer.Exit(console.EXIT_PARTIAL)


def register(app: typer.Typer) -> None:
    """Add the command to `timeline`."""
    app.command(
        **command_help(
            "事象を時刻順にファイルへ書き出します(台帳に記録)。",
            "Write events in order of time to a file (recorded in the ledger).",
            "timeline export --format csv --out timeline.csv",
            "timeline export --format timesketch-jsonl --from 2026-11-01 --out november.jsonl",
        ),
    )(export)
