"""The command `custody report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chain_of_custody import console, options
from chain_of_custody.console import JsonOption, LangOption, text
from chain_of_custody.errors import UsageError
from chain_of_custody.options import AsOption, CaseOption, KeyOption, PassphraseFileOption, command_help


def report(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help=text("出力先", "where to write"))],
    form: Annotated[str, typer.Option("--format", metavar="html", help=text("形式", "format"))] = "html",
    case: CaseOption = None,
    as_id: AsOption = None,
    key: KeyOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Write the report."""
    from chain_of_custody import report as reports  # noqa: PLC0415 - `--help` needs no cryptography

    if form != "html":
        raise UsageError(f"形式は html です: {form}", f"the format is html: {form}")
    with options.open_named_case(case, key=key, as_id=as_id, passphrase_file=passphrase_file) as opened:
        written = reports.write_html(opened, out, console.language())
    if as_json:
        console.print_json({"report": str(out), "sha256": written.sha256, "size": written.size})
        return
    shown = console.out_console()
    shown.print(text(f"報告書: {out}", f"report: {out}"), markup=False)
    shown.print(f"  SHA-256 {written.sha256}", markup=False)
    shown.print(
        text("次に: custody checkpoint(報告の時点を固定します)", "next: custody checkpoint (fixes the state reported)"),
        markup=False,
    )


def add_to(app: typer.Typer) -> None:
    """Put the command into the program."""
    app.command(
        "report",
        **command_help(
            "証拠取扱報告書を作ります: 台帳を含み、開いたブラウザーの中で自分を検証する 1 つの HTML。",
            "The chain of custody report: one HTML file with the ledger, which verifies itself in the browser.",
            "custody report --out report.html",
            "custody report --out report.html --lang ja --case 2026-017",
        ),
    )(report)
