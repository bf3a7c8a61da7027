"""The command `timeline surplus`: events outside the scope that were stored before it was set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from chain_of_custody import console, options
from chain_of_custody.console import text
from chain_of_custody.errors import UsageError
from chain_of_custody.options import command_help

if TYPE_CHECKING:
    from timeline.surplus import Part


@options.signing
def surplus(
    work: options.Work,
    dispose: Annotated[
        bool, typer.Option("--dispose", help=text("廃棄する(台帳に記録)", "dispose of it (recorded)"))
    ] = False,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help=text("廃棄の理由", "why"))] = "",
) -> None:
    """Count events outside the scope, or dispose of them."""
    from timeline.surplus import dispose_of, find  # noqa: PLC0415 - start-up time

    if dispose and not reason.strip():
        raise UsageError("--reason が必要です", "--reason is needed")
    with work.open() as case:
        found: list[Part] = find(case.path)
        entry = dispose_of(case, found, reason.strip()) if dispose and found else None
    outside = sum(one.outside for one in found)
    if work.as_json:
        listed = [{"file": one.file.as_posix(), "outside": one.outside, "inside": one.inside} for one in found]
        console.print_json({"surplus": listed, "outside": outside, "disposed": entry.seq if entry else None})
        return
    words = text(f"範囲外の事象: {outside:,} 件", f"events outside the scope: {outside:,}")
    console.out_console().print(words, markup=False)
    if entry is not None:
        console.say_entry(entry, "廃棄しました", "disposed of", as_json=False)


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(
        "surplus",
        **command_help(
            "調査の範囲を定める前に保存された範囲外の事象を数え、廃棄します(C5。前後のハッシュを台帳に記録)。",
            "Count, or dispose of, events outside the scope that were stored before it was set (C5; recorded).",
            "timeline surplus --case c.case",
            "timeline surplus --dispose --reason '第三者の情報' --case c.case",
        ),
    )(surplus)
