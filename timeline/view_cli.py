"""The commands `timeline view` and `timeline report`: a local page, and chosen events as one HTML file."""

from __future__ import annotations

import contextlib
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chain_of_custody import console
from chain_of_custody.console import JsonOption, LangOption, text
from chain_of_custody.options import (
    AsOption,
    CaseOption,
    KeyOption,
    PassphraseFileOption,
    command_help,
    on_terminal,
    open_named_case,
)
from timeline.question_cli import (
    ActorOption,
    FromOption,
    HostOption,
    KindOption,
    ParserOption,
    PathOption,
    SourceOption,
    StateOption,
    StoreOption,
    ToOption,
    WordsOption,
    ZoneOption,
    filter_of,
    opened,
)

if TYPE_CHECKING:
    from chain_of_custody.case import Case


def register(app: typer.Typer) -> None:
    """Add the commands to `timeline`."""
    app.command(
        **command_help(
            "時系列をこの機器のブラウザーで見ます(127.0.0.1 のみ、外部との通信なし、読み取り専用)。",
            "Look at the timeline in the browser of this machine (127.0.0.1 alone, nothing from outside, read-only).",
            "timeline view",
            "timeline view --case 2026-014.case --no-browser",
        ),
    )(view)
    app.command(
        **command_help(
            "選んだ事象を、図の付いた一つの HTML 報告書にします。",
            "Write chosen events, with charts, as one self-contained HTML report.",
            "timeline report --from 2026-11-20 --to 2026-11-24 --kind 'usb.*' --kind 'op.*' --out report.html",
            "timeline report --marks --out marked.html --lang ja",
        ),
    )(report)


def view(
    case: CaseOption = None,
    store: StoreOption = None,
    zone: ZoneOption = "Asia/Tokyo",
    port: Annotated[
        int,
        typer.Option(
            "--port", min=0, max=65535, help=text("ポート(既定: 空いているもの)", "port (default: a free one)")
        ),
    ] = 0,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help=text("ブラウザーを開く", "open the browser"))
    ] = True,
    notes: Annotated[
        bool,
        typer.Option(
            "--notes/--no-notes",
            help=text("しるしとメモ(台帳に署名付きで記録)", "marks and notes (signed entries of the ledger)"),
        ),
    ] = True,
    key: KeyOption = None,
    as_id: AsOption = None,
    passphrase_file: PassphraseFileOption = None,
    lang: LangOption = None,
) -> None:
    """Serve the timeline on 127.0.0.1 until Ctrl-C."""
    from timeline import arrow  # noqa: PLC0415 - start-up time
    from timeline.filters import checked_zone  # noqa: PLC0415
    from timeline.marks import Notebook  # noqa: PLC0415
    from timeline.view_index import build_index  # noqa: PLC0415
    from timeline.viewer import Viewer  # noqa: PLC0415

    checked_zone(zone)
    arrow.load_alone()
    with contextlib.ExitStack() as stack:
        reading = stack.enter_context(opened(case, store))
        own: Case | None = None
        if notes and store is None:
            own = stack.enter_context(open_named_case(case, key=key, as_id=as_id, passphrase_file=passphrase_file))

        def say(phase: str) -> None:
            if phase == "sort":
                console.notice(
                    "事象を時刻順に並べています(初回のみ。1,000 万件で 1 分ほど)…",
                    "putting the events in order (at the first start alone; about a minute for 10 million) …",
                )

        index = build_index(reading, say)
        title = own.name if own is not None else reading.home.parent.name
        viewer = stack.enter_context(
            Viewer(
                reading,
                title,
                zone=zone,
                language=console.language(),
                notebook=Notebook(own) if own is not None else None,
                port=port,
                index=index,
            )
        )
        console.notice(
            f"{len(index):,} 件の事象。この番地を開いてください(Ctrl-C で終了):",
            f"{len(index):,} events. Open this address (Ctrl-C ends):",
        )
        console.print_text(viewer.url + "\n")
        if browser and on_terminal():
            webbrowser.open(viewer.url)
        viewer.serve()


def report(
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help=text("報告書(新規の HTML)", "report (a new HTML file)"))
    ],
    case: CaseOption = None,
    zone: ZoneOption = "Asia/Tokyo",
    first: FromOption = None,
    last: ToOption = None,
    kinds: KindOption = None,
    host: HostOption = "",
    path: PathOption = "",
    actor: ActorOption = "",
    words: WordsOption = "",
    source: SourceOption = "",
    parser: ParserOption = "",
    state: StateOption = "",
    marks: Annotated[
        bool, typer.Option("--marks", help=text("しるしを付けた事象だけ", "events that were marked, alone"))
    ] = False,
    title: Annotated[str, typer.Option("--title", metavar="TEXT", help=text("表題", "title"))] = "",
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=100_000, help=text("載せる事象の上限", "most events in it"))
    ] = 5000,
    key: KeyOption = None,
    as_id: AsOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Write a report of chosen events; recorded in the ledger."""
    from timeline.event_report import write_report  # noqa: PLC0415 - start-up time

    wanted = filter_of(
        zone=zone, first=first, last=last, kinds=kinds, host=host, path=path, actor=actor, words=words, source=source,
        parser=parser, state=state,
    )  # fmt: skip
    with (
        opened(case, None) as reading,
        open_named_case(case, key=key, as_id=as_id, passphrase_file=passphrase_file) as own,
    ):
        outcome = write_report(
            own,
            reading,
            wanted,
            out,
            zone=zone,
            language=console.language(),
            marked_alone=marks,
            title=title,
            limit=limit,
        )
        damaged = bool(reading.damaged)
    if as_json:
        console.print_json(outcome)
    else:
        console.print_text(
            text(
                f"{outcome['events']:,} 件を {outcome['out']} に書きました(SHA-256 {outcome['sha256']})\n",
                f"{outcome['events']:,} events written to {outcome['out']} (SHA-256 {outcome['sha256']})\n",
            )
        )
        if outcome["left_out"]:
            console.notice(
                f"上限のため {outcome['left_out']:,} 件は載せていません(--limit)。報告書にもそう書かれています。",
                f"{outcome['left_out']:,} more fit but are left out (--limit); the report says so.",
            )
    if damaged or outcome["left_out"]:
        raise typer.Exit(console.EXIT_PARTIAL)
