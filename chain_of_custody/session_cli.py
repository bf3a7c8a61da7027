"""The commands `custody session start|status|end`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from chain_of_custody import console, options
from chain_of_custody.console import JsonOption, LangOption, text
from chain_of_custody.errors import UsageError
from chain_of_custody.options import CaseOption, KeyOption, command_help

if TYPE_CHECKING:
    from chain_of_custody.sessions import Shared

session_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    **command_help(
        "複数のコマンドにわたる作業: パスフレーズやトークンの操作は最初の 1 回だけ(鍵は ssh-agent が期限付きで保持)。",
        "Work over several commands: passphrase or token once; ssh-agent holds the session key for a limited time.",
        "custody session start --hours 8",
        "custody session status",
        "custody session end",
    ),
)


@session_app.command(
    "start",
    **command_help(
        "作業を始めます。以後のコマンドはこの作業の鍵で署名します。",
        "Start: the commands that follow sign with this session's key.",
        "custody session start --hours 8 --case 2026-017",
    ),
)
@options.signing
def start(
    hours: Annotated[float, typer.Option("--hours", min=0.1, max=24, help=text("期限(時間)", "hours"))] = 8.0,
    *,
    work: options.Work,
) -> None:
    """Start."""
    with work.open() as opened:
        shared = opened.start_session(hours)
    _show(shared, as_json=work.as_json, state="active")


@session_app.command(
    "status",
    **command_help("作業の状態を表示します。", "Show the session.", "custody session status"),
)
def status(case: CaseOption = None, as_json: JsonOption = False, lang: LangOption = None) -> None:
    """Show."""
    from chain_of_custody import sessions  # noqa: PLC0415 - `--help` needs no cryptography

    with options.open_named_case(case) as opened:
        shared = sessions.find(opened.fingerprint)
        usable = sessions.usable(opened.fingerprint)
    if shared is None:
        _show(None, as_json=as_json, state="none")
    else:
        _show(shared, as_json=as_json, state="active" if usable else "expired" if shared.expired else "key_gone")


@session_app.command(
    "end",
    **command_help(
        "作業を終え、鍵を ssh-agent から除きます。", "End it; the key leaves ssh-agent.", "custody session end"
    ),
)
def end(
    case: CaseOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """End."""
    with options.open_named_case(case, key=key) as opened:
        shared = opened.end_session()
    if shared is None:
        raise UsageError("始めた作業はありません", "no session was started here")
    _show(shared, as_json=as_json, state="ended")


_STATES = {
    "none": ("作業は始めていません", "no session"),
    "active": ("作業中", "active"),
    "expired": ("期限切れ", "expired"),
    "key_gone": ("鍵が ssh-agent にありません", "its key is not in ssh-agent"),
    "ended": ("終了しました", "ended"),
}


def _show(shared: Shared | None, *, as_json: bool, state: str) -> None:
    if as_json:
        console.print_json(
            {
                "state": state,
                "session": shared.session if shared else None,
                "actor": shared.actor if shared else None,
                "not_after": shared.not_after if shared else None,
            },
        )
        return
    out = console.out_console()
    out.print(text(*_STATES[state]), markup=False)
    if shared is not None:
        out.print(f"  {shared.actor} ({shared.role})  {text('期限', 'until')} {shared.not_after}", markup=False)
