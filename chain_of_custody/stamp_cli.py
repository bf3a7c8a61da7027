"""The command `custody stamp`: a time stamp of a third party on a checkpoint, online or carried by hand."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chain_of_custody import console, options
from chain_of_custody.checkpoint_cli import write_result
from chain_of_custody.console import text
from chain_of_custody.errors import UsageError
from chain_of_custody.options import command_help

if TYPE_CHECKING:
    from chain_of_custody.entries import Entry
    from chain_of_custody.revocation import Material

RootOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--tsa-root",
        metavar="FILE",
        help=text(
            "信頼する TSA のルート証明書(既定: 設定フォルダーの tsa-roots/)", "certificate of a trusted authority"
        ),
    ),
]


@options.signing
def stamp(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="CHECKPOINT", help=text("既定: 最新のチェックポイント", "default: the newest one")),
    ] = None,
    url: Annotated[str | None, typer.Option("--tsa", metavar="URL", help=text("TSA の URL", "URL of the TSA"))] = None,
    query_file: Annotated[
        Path | None,
        typer.Option("--query", metavar="FILE", help=text("要求をファイルに出す(オフライン)", "write the request")),
    ] = None,
    response_file: Annotated[
        Path | None,
        typer.Option("--response", metavar="FILE", help=text("持ち帰った応答を登録", "keep a response brought back")),
    ] = None,
    accredited: Annotated[
        str,
        typer.Option("--accredited", help=text("認定の有無と根拠(手入力)", "accreditation, as you know it")),
    ] = "",
    roots: RootOption = None,
    revocation_files: Annotated[
        list[Path] | None,
        typer.Option(
            "--revocation",
            metavar="FILE",
            help=text("持ち帰った CRL・OCSP 応答(複数可)", "CRL or OCSP response brought back (repeatable)"),
        ),
    ] = None,
    no_fetch: Annotated[
        bool,
        typer.Option("--no-fetch", help=text("失効情報を取りに行かない", "do not fetch revocation data")),
    ] = False,
    *,
    work: options.Work,
) -> None:
    """Stamp a checkpoint."""
    from chain_of_custody import checkpoints, timestamps  # noqa: PLC0415 - `--help` needs no cryptography
    from chain_of_custody.case import find_case  # noqa: PLC0415

    folder, _missing = find_case(work.case, None)
    response = _read(response_file) if response_file is not None else None
    chosen = file
    if chosen is None and response is not None:
        # Further checkpoints may have been made while the request was under way.
        chosen = timestamps.fitting_checkpoint(folder, response)
    if chosen is None:
        chosen = checkpoints.newest(folder)
    if chosen is None:
        raise UsageError(
            "チェックポイントがありません",
            "there is no checkpoint",
            hint_ja="先に custody checkpoint を実行してください",
            hint_en="run custody checkpoint first",
        )
    message = checkpoints.read(chosen).to_bytes()
    if query_file is not None:
        write_result(query_file, timestamps.query(message))
        console.notice(
            f"要求を書きました。インターネットにつながる機器で: curl -H 'Content-Type: application/timestamp-query' "
            f"--data-binary @{query_file.name} URL > response.tsr",
            f"Request written. On a machine with network: curl -H 'Content-Type: application/timestamp-query' "
            f"--data-binary @{query_file.name} URL > response.tsr",
        )
        return
    known = timestamps.settings()
    facts: dict[str, Any] = {}
    if response is None:
        chosen_url = url if url is not None else str(known.get("url", ""))
        if not chosen_url:
            raise UsageError(
                "TSA の URL がありません(--tsa)",
                "no URL of an authority (--tsa)",
                hint_ja=f'設定フォルダーの {timestamps.SETTINGS_NAME} に {{"url": …}} と書いておくこともできます',
                hint_en=f'it can stand in {timestamps.SETTINGS_NAME} of the configuration folder as {{"url": …}}',
            )
        response = timestamps.ask(chosen_url, timestamps.query(message))
        facts["url"] = chosen_url
    stated = accredited or " ".join(str(known[name]) for name in ("accredited", "source", "date") if name in known)
    if stated:
        facts["accredited_typed"] = stated
    with dataclasses.replace(work, case=folder).open() as opened:
        entry = timestamps.attach(
            opened,
            chosen,
            response,
            timestamps.trusted_roots(roots),
            facts,
            given=_carried(revocation_files or []),
            fetch=not no_fetch,
        )
    _say_material(entry)
    if work.as_json:
        console.print_json({"entry": entry.seq, "body": dict(entry.body)})
        return
    verified = entry.body["verified"] == "yes"
    console.out_console().print(
        text(
            f"第 {entry.seq} 項: {entry.body['gen_time']} のタイムスタンプ"
            + ("(検証済み)" if verified else "(TSA のルートが未設定のため未検証)"),
            f"entry {entry.seq}: time stamp of {entry.body['gen_time']}"
            + (" (verified)" if verified else " (not verified: no trusted authority is configured)"),
        ),
        markup=False,
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"読めません: {path}: {error.strerror}", f"cannot read {path}: {error.strerror}") from error


def _carried(files: list[Path]) -> list[Material]:
    from chain_of_custody import revocation  # noqa: PLC0415

    found = []
    for path in files:
        try:
            found.append(revocation.material_of(_read(path)))
        except revocation.MaterialError as error:
            raise UsageError(f"{path}: {error.ja}", f"{path}: {error.en}") from error
    return found


def _say_material(entry: Entry) -> None:
    """What of revocation was kept, and what could not be had."""
    kept = entry.body.get("material")
    kinds = [str(one["kind"]).upper() for one in kept if isinstance(one, dict)] if isinstance(kept, list) else []
    if kinds:
        console.notice(f"一緒に保管: {'、'.join(kinds)}", f"kept with it: {', '.join(kinds)}")
    failed = entry.body.get("revocation_failed")
    for one in failed if isinstance(failed, list) else []:
        console.notice(f"失効情報を取得できません: {one}", f"no revocation data from {one}")


def add_to(app: typer.Typer) -> None:
    """Put the command into the program."""
    app.command(
        "stamp",
        **command_help(
            "チェックポイントに第三者のタイムスタンプ(RFC 3161)を付けます。オフラインなら要求を持ち出せます。",
            "Put a third party's time stamp (RFC 3161) on a checkpoint; offline the request can be carried out.",
            "custody stamp --tsa https://tsa.example/tsr --tsa-root tsa-root.pem",
            "custody stamp --query request.tsq          # オフライン / offline",
            "custody stamp --response response.tsr --revocation tsa.crl",
        ),
    )(stamp)
