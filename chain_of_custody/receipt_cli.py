"""The commands `custody receipt draft|keep`: 返却 with the owner's signature."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chain_of_custody import console, options
from chain_of_custody.checkpoint_cli import write_result
from chain_of_custody.console import LangOption, text
from chain_of_custody.errors import UsageError
from chain_of_custody.options import CaseOption, command_help

receipt_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    **command_help(
        "返却: 所有者が署名する受領書を作り、署名(鍵または紙)とともに記録します。",
        "Return to the owner: a receipt that the owner signs, with a key or on paper, recorded with the signature.",
        "custody receipt draft --item PC-1 --what 'ノートPC' --to '山田 太郎' --out receipt.txt",
        "ssh-keygen -Y sign -n custody-receipt -f owner_key receipt.txt",
        "custody receipt keep receipt.txt --signature receipt.txt.sig --owner-key owner_key.pub",
    ),
)


@receipt_app.command(
    "draft",
    **command_help(
        "受領書を作ります(印刷して手で署名することもできます)。",
        "Write the receipt (it can be printed and signed by hand, too).",
        "custody receipt draft --item PC-1 --what 'ノートPC' --to '山田 太郎' --out receipt.txt",
    ),
)
def draft(
    item: Annotated[str, typer.Option("--item", metavar="ID", help=text("対象物番号", "number of the item"))],
    what: Annotated[str, typer.Option("--what", help=text("返却するもの", "what is returned"))],
    to: Annotated[str, typer.Option("--to", help=text("受け取る人", "who receives it"))],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help=text("出力先", "where to write"))],
    state: Annotated[str, typer.Option("--state", help=text("状態", "state"))] = "",
    at: Annotated[str | None, typer.Option("--at", help=text("時刻(既定: 今)", "when (default: now)"))] = None,
    case: CaseOption = None,
    lang: LangOption = None,
) -> None:
    """Write a receipt."""
    from chain_of_custody import clock, receipts  # noqa: PLC0415 - `--help` needs no cryptography

    moment = options.time_given(at) if at is not None else clock.now().ts
    with options.open_named_case(case) as opened:
        made = receipts.draft(opened, item=item, what=what, to=to, at=moment, state=state)
    write_result(out, made.to_bytes())
    console.notice(
        f"受領書を書きました: {out}。所有者の鍵で: ssh-keygen -Y sign -n {receipts.NAMESPACE} -f KEY {out.name}"
        "。紙なら印刷して署名をもらい、画像を --scan で登録します",
        f"Receipt written: {out}. With the owner's key: ssh-keygen -Y sign -n {receipts.NAMESPACE} -f KEY {out.name}"
        "; on paper: print it, have it signed, and give a scan with --scan",
    )


@receipt_app.command(
    "keep",
    **command_help(
        "署名された受領書を確かめ、返却として記録します。",
        "Check a signed receipt and record the return.",
        "custody receipt keep receipt.txt --signature receipt.txt.sig --owner-key owner_key.pub",
        "custody receipt keep receipt.txt --scan signed.pdf",
    ),
)
@options.signing
def keep(
    statement: Annotated[Path, typer.Argument(metavar="RECEIPT", help=text("受領書", "the receipt"))],
    signature: Annotated[
        Path | None,
        typer.Option("--signature", metavar="FILE", help=text("所有者の SSH 署名", "the owner's SSH signature")),
    ] = None,
    owner_key: Annotated[
        Path | None,
        typer.Option("--owner-key", metavar="FILE", help=text("所有者の OpenSSH 公開鍵", "the owner's public key")),
    ] = None,
    scan: Annotated[
        Path | None,
        typer.Option("--scan", metavar="FILE", help=text("署名済みの紙の画像", "scan of the signed paper")),
    ] = None,
    *,
    work: options.Work,
) -> None:
    """Record a return."""
    from chain_of_custody import clock, receipts  # noqa: PLC0415

    if (signature is None) != (owner_key is None) or (signature is not None and scan is not None):
        raise UsageError(
            "--signature と --owner-key の両方か、--scan だけを指定してください",
            "give both --signature and --owner-key, or --scan alone",
        )
    with work.open() as opened:
        entry = receipts.keep(
            opened,
            statement,
            signature=signature,
            owner_key=owner_key,
            scan=scan,
            now_ns=clock.now().time_ns,
        )
    how = (
        ("署名を確認済み", "signature checked") if scan is None else ("紙の署名の画像つき", "with a scan of the paper")
    )
    console.say_entry(entry, f"返却を記録しました({how[0]})", f"return recorded ({how[1]})", as_json=work.as_json)
