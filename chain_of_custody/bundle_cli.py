"""The commands `custody pack`, `redact` and `merge`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chain_of_custody import console, options
from chain_of_custody.console import text
from chain_of_custody.options import command_help

if TYPE_CHECKING:
    from chain_of_custody.case import Case


@options.signing
def pack(
    out: Annotated[Path, typer.Option("--out", metavar="FILE.zip", help=text("出力先", "where to write"))],
    no_details: Annotated[
        bool,
        typer.Option("--no-details", help=text("details を入れない", "leave details out")),
    ] = False,
    no_files: Annotated[bool, typer.Option("--no-files", help=text("添付を入れない", "leave files out"))] = False,
    reports: Annotated[
        list[Path] | None,
        typer.Option("--report", metavar="FILE", help=text("同封する報告書(複数可)", "report to enclose (repeatable)")),
    ] = None,
    pdf: Annotated[
        bool,
        typer.Option(
            "--pdf", help=text("署名付き PDF の報告書を作って同封", "make a signed PDF report and enclose it")
        ),
    ] = False,
    *,
    work: options.Work,
) -> None:
    """Make a bundle."""
    from chain_of_custody import bundles  # noqa: PLC0415 - `--help` needs no cryptography

    with (
        work.open() as opened,
        tempfile.TemporaryDirectory() as folder,
    ):
        fresh = [_pdf(opened, Path(folder) / "report.pdf")] if pdf else []
        made = bundles.pack(
            opened,
            out,
            with_details=not no_details,
            with_attachments=not no_files,
            reports=list(reports or ()),
            fresh=fresh,
        )
        fingerprint = opened.fingerprint
    if work.as_json:
        console.print_json(
            {
                "bundle": str(out),
                "sha256": made.file.sha256,
                "size": made.file.size,
                "fingerprint": fingerprint,
                "members": list(made.names),
            },
        )
        return
    shown = console.out_console()
    shown.print(text(f"一式を作りました: {console.mask_path(out)}", f"bundle: {console.mask_path(out)}"), markup=False)
    shown.print(f"  SHA-256 {made.file.sha256}", markup=False)
    shown.print(
        text(
            f"相手方への案内: 展開して sh verify.sh {fingerprint}",
            f"for the other side: unpack, then sh verify.sh {fingerprint}",
        ),
        markup=False,
    )


def _pdf(case: Case, target: Path) -> Path:
    from chain_of_custody import report_pdf, report_signature  # noqa: PLC0415 - typst and pyHanko

    report_pdf.write(case, target, console.language(), signers=[report_signature.for_operator(case)])
    return target


@options.signing
def redact(
    seqs: Annotated[list[int], typer.Argument(metavar="ENTRY…", help=text("項番号", "numbers of entries"))],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help=text("写しの出力先", "folder of the copy"))],
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help=text("理由", "why"))],
    *,
    work: options.Work,
) -> None:
    """Make a redacted copy."""
    from chain_of_custody import bundles  # noqa: PLC0415

    with work.open() as opened:
        recorded = bundles.redact(opened, seqs, out, why)
    if work.as_json:
        console.print_json({"copy": str(out), "entries": [entry.seq for entry in recorded]})
    else:
        console.out_console().print(
            text(
                f"墨消しした写しを作りました: {out}({len(recorded)} 件。元の事案はそのまま)",
                f"redacted copy: {out} ({len(recorded)} removed; the case itself is whole)",
            ),
            markup=False,
        )


@options.signing
def merge(
    other: Annotated[Path, typer.Argument(metavar="DIR", help=text("分岐した写し", "the diverged copy"))],
    *,
    work: options.Work,
) -> None:
    """Take in a diverged copy."""
    from chain_of_custody import bundles  # noqa: PLC0415

    with work.open() as opened:
        found, entry = bundles.merge(opened, other)
    if work.as_json:
        console.print_json(
            {
                "common": found.common,
                "ours": found.ours,
                "theirs": found.theirs,
                "diverged": found.diverged,
                "entry": entry.seq if entry is not None else None,
            },
        )
        return
    out = console.out_console()
    out.print(text(f"共通するのは第 {found.common} 項まで", f"{found.common} entries in common"), markup=False)
    out.print(text(f"  こちらの末尾 {found.ours}", f"  our head   {found.ours}"), markup=False)
    out.print(text(f"  相手の末尾   {found.theirs}", f"  their head {found.theirs}"), markup=False)
    if entry is None:
        out.print(text("相手の写しに新しい項はありません。", "The copy holds nothing new."), markup=False)
    else:
        out.print(
            text(f"第 {entry.seq} 項として取り込みました。", f"taken in and recorded as entry {entry.seq}"),
            markup=False,
        )


def add_to(app: typer.Typer) -> None:
    """Put the commands into the program."""
    app.command(
        "pack",
        **command_help(
            "相手方が検証できる一式(台帳、チェックポイント、鍵、verify.sh)の ZIP。秘密値や走査結果は入りません。",
            "One ZIP that the other side can verify: ledger, checkpoints, keys, verify.sh; no secret, no scan results.",
            "custody pack --out 2026-017.zip",
            "custody pack --out 2026-017.zip --no-details --report report.html",
            "custody pack --out 2026-017.zip --pdf",
        ),
    )(pack)
    app.command(
        "redact",
        **command_help(
            "詳細や添付を除いた写しを作ります。残りはそのまま検証でき、除いた所は墨消しと表示されます。",
            "A copy without some details or files; the rest still verifies and each removal shows.",
            "custody redact 12 15 --out copy --why '第三者の個人情報'",
        ),
    )(redact)
    app.command(
        "merge",
        **command_help(
            "分岐した写しを branches/ に丸ごと保管し、両方の末尾を記録します(何も書き換えません)。",
            "Keep a diverged copy whole under branches/ and record both heads; nothing is rewritten.",
            "custody merge /mnt/usb/2026-017",
        ),
    )(merge)
