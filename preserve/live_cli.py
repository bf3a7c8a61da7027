"""The command `preserve live`: what a running machine loses when it is switched off."""
# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chain_of_custody import console
from chain_of_custody.console import JsonOption, LangOption, text
from chain_of_custody.errors import UsageError
from chain_of_custody.options import AsOption, CaseOption, KeyOption, PassphraseFileOption, command_help

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chain_of_custody.case import Action, Case
    from chain_of_custody.jcs import Json
    from preserve.live import Taken


def _authorised(case: Case) -> int:
    """Number of the entry that gives authority; a refusal becomes an entry. Raises UsageError."""
    from chain_of_custody.reading import read_entries

    found = [one.seq for one in read_entries(case.path) if one.type == "record.authority"]
    if found:
        return found[-1]
    case.append("refused", {"what": "live: recovery keys", "why": "no entry record.authority"})
    raise UsageError(
        "回復キーの取得には、根拠の記録が先に必要です",
        "recovery keys are taken only after authority was recorded",
        hint_ja="custody record authority",
        hint_en="custody record authority",
    )


def _reference(server: str | None, typed: str | None) -> dict[str, Json]:
    if server is None and typed is None:
        return {}
    if typed is not None:
        from chain_of_custody import clock
        from chain_of_custody.options import time_given

        return {"reference": {"machine": clock.now().ts, "reference": time_given(typed), "source": "typed"}}
    from chain_of_custody import sntp
    from chain_of_custody.errors import HozenError
    from chain_of_custody.masking import mask_text

    try:
        answer = sntp.ask(str(server))
    except HozenError as error:
        # A machine cut off from the network is the usual case: said, and the collection goes on.
        return {"reference": {"server": mask_text(str(server)), "failed": mask_text(error.en)}}
    facts = {name: str(getattr(answer, name)) for name in ("local_ns", "offset_ns", "uncertainty_ns", "stratum")}
    return {"reference": {"server": mask_text(str(server)), **facts}}


def _record(action: Action, done: Sequence[Taken], facts: dict[str, Json]) -> None:
    from chain_of_custody import FileHash

    body: dict[str, Json] = {"commands": [one.to_json() for one in done], **facts}
    outputs = [FileHash(one.sha256, one.size_bytes) for one in done if one.file]
    action.set_result(body, outputs=outputs, status="partial" if _partial(done) else "done")


def _partial(done: Sequence[Taken]) -> bool:
    return any(one.outcome in ("timeout", "cut", "failed") for one in done)


def live(
    case: CaseOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help=text("出力先(既定: 事案の live/N)", "new folder (default: live/N)")),
    ] = None,
    item: Annotated[str | None, typer.Option("--item", metavar="ID", help=text("対象物番号", "item"))] = None,
    suspect: Annotated[
        list[str] | None,
        typer.Option("--suspect", metavar="DEVICE", help=text("書いてはならないディスク", "disk never to write to")),
    ] = None,
    accept: Annotated[
        str,
        typer.Option(
            "--accept-footprint",
            metavar="REASON",
            help=text("対象機自身のディスクに書くことを認める理由", "why writing to its own disk is accepted"),
        ),
    ] = "",
    recovery_keys: Annotated[
        bool,
        typer.Option(
            "--recovery-keys",
            help=text("暗号化の鍵も取る(根拠の記録が必要)", "take encryption keys too (needs recorded authority)"),
        ),
    ] = False,
    no_memory: Annotated[bool, typer.Option("--no-memory", help=text("メモリは取らない", "leave memory out"))] = False,
    tools: Annotated[
        Path | None,
        typer.Option("--tools", metavar="DIR", help=text("持参したプログラムだけを使う", "use programs of DIR alone")),
    ] = None,
    reference: Annotated[
        str | None, typer.Option("--reference", metavar="TIME", help=text("基準時刻(手入力)", "reference time (typed)"))
    ] = None,
    ntp: Annotated[
        str | None, typer.Option("--ntp", metavar="SERVER", help=text("基準とする時刻サーバー", "time server to ask"))
    ] = None,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.1, help=text("1 コマンドの上限(秒)", "limit of one command"))
    ] = 20.0,
    key: KeyOption = None,
    as_id: AsOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Collect from the running machine."""
    from chain_of_custody import options
    from chain_of_custody.case import find_case
    from chain_of_custody.masking import mask_path, mask_text
    from preserve import live as live_

    where, _missing = find_case(case, None)
    target = out or _next_folder(where)
    limits = live_.Limits(seconds=seconds)
    under = live_.check_target(target, suspect or (), accept)
    live_.check_target(where, suspect or (), accept)
    opened = options.case_for(case, None, key=key, as_id=as_id, passphrase_file=passphrase_file, tool="preserve")
    with opened as kept:
        begin: dict[str, Json] = {"out": mask_path(target.absolute()), "target": mask_text(under)}
        begin |= {"accepted_footprint": mask_text(accept)} if accept else {}
        begin |= {"authority": str(_authorised(kept))} if recovery_keys else {}
        begin |= _reference(ntp, reference)
        steps = live_.plan(sys.platform, keys=recovery_keys, memory=not no_memory)
        with kept.action("live", begin, item=item) as action:
            done = live_.collect(
                target, steps, limits, tools=tools, after=lambda so_far: _record(action, so_far, {"complete": "no"})
            )
            mark = live_.footprint(target, done, under)
            _record(action, done, {"complete": "yes", "footprint": mark.to_json()})
    _show(done, mark.to_json(), target, as_json=as_json)
    raise typer.Exit(console.EXIT_PARTIAL if _partial(done) else console.EXIT_OK)


def _next_folder(case: Path) -> Path:
    number = 1
    while (case / "live" / str(number)).exists():
        number += 1
    return case / "live" / str(number)


def _show(done: Sequence[Taken], mark: dict[str, Json], target: Path, *, as_json: bool) -> None:
    from chain_of_custody.masking import mask_path

    if as_json:
        console.print_json(
            {"out": mask_path(target), "commands": [one.to_json() for one in done], "footprint": mark},
        )
        return
    words = {
        "done": ("済", "done"),
        "failed": ("失敗", "failed"),
        "absent": ("なし", "absent"),
        "timeout": ("時間切れ", "time limit"),
        "cut": ("上限で打切り", "cut at limit"),
    }
    out = console.out_console()
    for one in done:
        said = one.to_json().get("detail", "") if one.outcome != "done" else one.sha256
        out.print(f"{text(*words[one.outcome])}\t{text(one.step.ja, one.step.en)}\t{said}", markup=False)
    if sys.platform == "win32":
        from preserve.live_windows import UNTESTED_EN, UNTESTED_JA

        out.print(text(UNTESTED_JA, UNTESTED_EN), markup=False)
    out.print(
        text(
            f"{mask_path(target)}: {mark['files_written']} ファイル {mark['written_bytes']} バイトを書き、"
            f"{mark['processes_started']} プロセスを起動しました(本機への影響)",
            f"{mask_path(target)}: footprint {mark['files_written']} files, {mark['written_bytes']} bytes written, "
            f"{mark['processes_started']} processes started",
        ),
        markup=False,
    )


def register(app: typer.Typer) -> None:
    """Put the command into the program."""
    app.command(
        "live",
        **command_help(
            "稼働中の機器から、電源を切ると失われる情報を揮発性の順(RFC 3227)に集めます。",
            "Collect from a running machine what is lost with power, in the order of volatility (RFC 3227).",
            "preserve live --case /media/usb/2026-017",
            "preserve live --case /media/usb/2026-017 --item PC-1 --suspect /dev/nvme0n1",
            "preserve live --case 2026-017 --accept-footprint 'no other medium at hand'",
        ),
    )(live)
