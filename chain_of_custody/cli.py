"""The command `custody`: make a case, read its ledger, verify it, show people and keys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chain_of_custody import (
    backup_cli,
    bundle_cli,
    checkpoint_cli,
    console,
    incident_cli,
    options,
    record_cli,
    report_cli,
    stamp_cli,
)
from chain_of_custody.approve_cli import approve_app
from chain_of_custody.console import JsonOption, LangOption, text
from chain_of_custody.errors import UsageError
from chain_of_custody.keys_cli import keys_app, role_of
from chain_of_custody.options import AsOption, CaseOption, KeyOption, PassphraseFileOption, command_help
from chain_of_custody.receipt_cli import receipt_app
from chain_of_custody.session_cli import session_app
from chain_of_custody.share_cli import share_app
from chain_of_custody.transfer_cli import transfer_app

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chain_of_custody.entries import Entry
    from chain_of_custody.verify import Verification

app = typer.Typer(
    name="custody",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=text(
        "証拠の取扱いを署名付き台帳に残し、誰でも検証できるようにします。",
        "Keeps the signed ledger of everything done to evidence, checkable by anyone.",
    ),
    epilog=text(
        "例: custody init 2026-017 && custody verify 2026-017", "Example: custody init c1 && custody verify c1"
    ),
)


FolderArgument = Annotated[
    Path | None,
    typer.Argument(metavar="DIR", help=text("事案フォルダー(--case と同じ)", "case folder (same as --case)")),
]


def _case_folder(argument: Path | None, option: Path | None) -> Path:
    from chain_of_custody.case import find_case  # noqa: PLC0415 - `--help` needs no cryptography

    if argument is not None and option is not None and argument != option:
        raise UsageError("事案フォルダーが 2 つ指定されています", "two case folders are named")
    path, _missing = find_case(argument or option, None)
    return path


def _nearest_case() -> Path | None:
    from chain_of_custody.errors import CaseNotFoundError  # noqa: PLC0415

    try:
        return _case_folder(None, None)
    except CaseNotFoundError:
        return None


def _policy(values: list[str]) -> dict[str, str]:
    policy = {}
    for value in values:
        name, equals, setting = value.partition("=")
        if not equals or not name or not setting:
            raise UsageError(f"--policy は NAME=VALUE の形です: {value}", f"--policy takes NAME=VALUE: {value}")
        policy[name] = _root_fingerprints(setting) if name == "tsa" else setting
    return policy


def _root_fingerprints(setting: str) -> str:
    """SHA-256 of the certificates in a PEM file; what is a list of such fingerprints already stays as it is."""
    if not Path(setting).is_file():
        return setting.lower().replace(":", "")
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415

    from chain_of_custody import timestamps  # noqa: PLC0415

    return ",".join(one.fingerprint(hashes.SHA256()).hex() for one in timestamps.load_roots([Path(setting)]))


@app.callback()
def _options(lang: LangOption = None) -> None:
    """Options of all commands."""


# --- init -------------------------------------------------------------------------------------------------------------


@app.command(
    **command_help(
        "事案フォルダーを作り、署名付き台帳を始めます。",
        "Make a case folder and begin its signed ledger.",
        "custody init 2026-017",
        "custody init 2026-017 --name 'ノートPC 紛失' --as yamada@example.jp --key ~/.ssh/id_ed25519",
    ),
)
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help=text("新しいフォルダー", "new folder"))],
    name: Annotated[str, typer.Option("--name", help=text("事案の名称", "name of the case"))] = "",
    origin: Annotated[
        str | None,
        typer.Option("--origin", help=text("チェックポイントに書く台帳の名前", "name of this log in checkpoints")),
    ] = None,
    role: Annotated[
        str,
        typer.Option(
            "--role", help=text("自分の役割: 作業者 か 責任者", "own role: 作業者 (operator) or 責任者 (supervisor)")
        ),
    ] = "作業者",
    policy: Annotated[
        list[str] | None,
        typer.Option(
            "--policy",
            metavar="NAME=VALUE",
            help=text(
                "方針(複数可): witness=required、stamp=required、copies=N、approve=reveal,redact,…(2 人承認)、"
                "tsa=FILE(TSA のルート証明書)",
                "policy (repeatable): witness=required, stamp=required, copies=N, "
                "approve=reveal,redact,… (two persons), tsa=FILE (root of the authority)",
            ),
        ),
    ] = None,
    as_id: AsOption = None,
    key: KeyOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Make a case."""
    from chain_of_custody import operator_key  # noqa: PLC0415
    from chain_of_custody.case import init_case  # noqa: PLC0415

    role = role_of(role)
    new_key = key is None and not operator_key.default_key_path().exists()
    with init_case(
        folder,
        key=key,
        passphrase=options.passphrase_source(passphrase_file),
        new_passphrase=options.new_passphrase_source(passphrase_file),
        actor=as_id,
        role=role,
        name=name,
        origin=origin,
        policy=_policy(policy or []),
    ) as case:
        notice = case.key_notice()
        if as_json:
            console.print_json(
                {
                    "case": str(folder),
                    "case_id": case.case_id,
                    "fingerprint": case.fingerprint,
                    "actor": notice.actor,
                    "role": notice.role,
                    "key": notice.fingerprint,
                    "key_protection": notice.protection,
                    "key_created": new_key,
                },
            )
        else:
            out = console.out_console()
            out.print(text(f"事案フォルダーを作りました: {folder}", f"made the case folder: {folder}"), markup=False)
            out.print(text(f"事案の指紋: {case.fingerprint}", f"fingerprint: {case.fingerprint}"), markup=False)
            out.print(
                text("  この 64 桁を紙に控えると、台帳全体の差替えが分かります。", "  Write these 64 digits on paper."),
                markup=False,
            )
            out.print(
                f"{text('作業者', 'operator')}: {notice.actor}({notice.role}) {notice.fingerprint} – "
                f"{text(notice.ja, notice.en)}",
                markup=False,
            )
        if new_key:
            options.say_new_key(case)


# --- log --------------------------------------------------------------------------------------------------------------


def _wanted(types: list[str], item: str | None, actor: str | None, since: str | None, until: str | None) -> Any:  # noqa: ANN401
    """A predicate over entries for the filters of `log`."""
    from chain_of_custody import entries  # noqa: PLC0415

    def moment(value: str | None) -> int | None:
        return None if value is None else entries.time_ns_of(options.time_given(value))

    start, end = moment(since), moment(until)

    def wanted(entry: Entry) -> bool:
        kind = entry.type.rpartition(".")[0]
        return (
            (not types or entry.type in types or kind in types)
            and item in (None, entry.item)
            and actor in (None, entry.actor)
            and (start is None or entry.time_ns >= start)
            and (end is None or entry.time_ns <= end)
        )

    return wanted


def _short_body(body: Mapping[str, Any]) -> str:
    """The telling members of a body in one line."""
    parts = []
    for name, value in body.items():
        if name in ("run", "auth", "sig", "people", "policy", "secret_check", "verify_sh", "origin"):
            continue
        shown = value if isinstance(value, str) else console_json(value)
        parts.append(f"{name}={shown}")
    return " ".join(parts)


def console_json(value: Any) -> str:  # noqa: ANN401
    """One value in compact JSON."""
    import json  # noqa: PLC0415

    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@app.command(
    **command_help(
        "台帳を表示します(検証はしません)。",
        "Show the ledger (without verifying it).",
        "custody log",
        "custody log --type scan --since 2026-11-01 --json",
    ),
)
def log(
    folder: FolderArgument = None,
    case: CaseOption = None,
    types: Annotated[
        list[str] | None,
        typer.Option("--type", help=text("この種別だけ(scan または scan.end。複数可)", "only this type (repeatable)")),
    ] = None,
    item: Annotated[
        str | None, typer.Option("--item", metavar="ID", help=text("この対象物だけ", "only this item"))
    ] = None,
    actor: Annotated[str | None, typer.Option("--actor", help=text("この人だけ", "only this person"))] = None,
    since: Annotated[str | None, typer.Option("--since", help=text("この時刻以後", "not before this time"))] = None,
    until: Annotated[str | None, typer.Option("--until", help=text("この時刻以前", "not after this time"))] = None,
    last: Annotated[int | None, typer.Option("--last", min=1, help=text("最後の N 項だけ", "the last N only"))] = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Show the ledger."""
    from collections import deque  # noqa: PLC0415

    from chain_of_custody.masking import mask_text  # noqa: PLC0415 - `--help` needs none of it
    from chain_of_custody.reading import read_entries  # noqa: PLC0415

    # As it stands in the ledger.
    item = mask_text(item) if item is not None else None
    wanted = _wanted(types or [], item, actor, since, until)
    chosen = (entry for entry in read_entries(_case_folder(folder, case)) if wanted(entry))
    shown = deque(chosen, last) if last is not None else chosen
    if as_json:
        for entry in shown:
            console.print_json_line({**_object(entry), "sha256": entry.sha256})
        return
    out = console.out_console()
    for entry in shown:
        for line in entry_lines(entry):
            out.print(line, markup=False)


def _object(entry: Entry) -> dict[str, Any]:
    value = entry.to_json()
    assert isinstance(value, dict)
    return value


def entry_lines(entry: Entry) -> list[str]:
    """An entry as a person reads it: one line, and one for each file."""
    from chain_of_custody import entries  # noqa: PLC0415

    entry_type = entries.TYPES[entry.type]
    typed = text(" [手入力]", " [typed]") if entry.src == "typed" else ""
    item = f" ({entry.item})" if entry.item else ""
    lines = [
        f"{entry.seq:>5}  {entry.ts}  {entry.actor}({entry.role})  {text(entry_type.ja, entry_type.en)}{item}{typed}  "
        f"{_short_body(entry.body)}".rstrip(),
    ]
    for label, files in ((text("入力", "in"), entry.inputs), (text("出力", "out"), entry.outputs)):
        lines += [f"       {label} SHA-256 {file.sha256}  {file.size:,} B" for file in files]
    return lines


# --- verify -----------------------------------------------------------------------------------------------------------

_VERDICTS = {
    "ok": ("検証結果: OK", "verdict: OK"),
    "ng": ("検証結果: NG(改変または不整合があります)", "verdict: NG (altered or inconsistent)"),
    "unknown": ("検証結果: 判定できません", "verdict: cannot tell"),
}
_SEVERITIES = {"ng": ("NG", "NG"), "unknown": ("判定不能", "cannot tell"), "note": ("注記", "note")}


def _print_verification(result: Verification) -> None:
    out = console.out_console()

    def say(ja: str, en: str) -> None:
        out.print(text(ja, en), markup=False)

    say(f"事案: {result.case} {result.name}".rstrip(), f"case: {result.case} {result.name}".rstrip())
    say(f"事案の指紋: {result.fingerprint}", f"fingerprint: {result.fingerprint}")
    say(
        f"台帳: {result.entry_count} 項、作業 {result.session_count} 回、{result.first_ts} 〜 {result.last_ts}",
        f"ledger: {result.entry_count} entries, {result.session_count} sessions, {result.first_ts} to {result.last_ts}",
    )
    for state in result.checkpoints:
        who = "、".join(f"{name}({role})" for name, role in state.signers) or text("署名なし", "unsigned")
        say(
            f"チェックポイント: 第 {state.size} 項まで、署名 {who}",
            f"checkpoint: {state.size} entries, signed by {who}",
        )
    if result.hashed_files:
        say(
            f"ハッシュを再計算して一致: {result.hashed_files} 件",
            f"hashed again and equal: {result.hashed_files} files",
        )
    for finding in result.findings:
        where = (
            text(f"第 {finding.seq} 項", f"entry {finding.seq}") if finding.seq is not None else text("全体", "case")
        )
        label = text(*_SEVERITIES[finding.severity])
        out.print(f"  [{label}] {where}: {text(finding.ja, finding.en)}", markup=False)
    more = sum(result.counts.values()) - len(result.findings)
    if more:
        say(f"  ほかに {more} 件", f"  and {more} more")
    say(
        "この検証で分からないこと: 鍵を持つ全員による全面的な書換え(紙に控えた指紋と比べてください)。",
        "What this cannot show: a full rewrite by all who hold keys (compare the fingerprint with paper).",
    )
    out.print(text(*_VERDICTS[result.verdict]), markup=False)


@app.command(
    **command_help(
        "台帳を検証します。終了コード: 0 OK、1 NG、3 判定不能。",
        "Verify the ledger. Exit codes: 0 OK, 1 NG, 3 cannot tell.",
        "custody verify",
        "custody verify 2026-017 --json",
        "custody verify 2026-017 --against kept/000000123.txt --images /mnt/evidence",
        "custody verify --report report.pdf",
    ),
)
def verify(
    folder: FolderArgument = None,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            metavar="CHECKPOINT|FINGERPRINT",
            help=text(
                "手元に控えたもの: チェックポイントのファイルか、指紋 64 桁",
                "what you kept yourself: a checkpoint file, or the fingerprint",
            ),
        ),
    ] = None,
    images: Annotated[
        list[Path] | None,
        typer.Option(
            "--images",
            metavar="DIR",
            help=text(
                "このフォルダーのイメージなどを読み直してハッシュを比べる(複数可)", "hash files here again (repeatable)"
            ),
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="PDF",
            help=text(
                "この報告書(PDF)を確かめる: 署名、添付の台帳、ページ、事案との一致",
                "check this report: signatures, the enclosed ledger, the pages, and that they fit the case",
            ),
        ),
    ] = None,
    roots: stamp_cli.RootOption = None,
    case: CaseOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Verify a case."""
    if report is not None:
        known = _case_folder(folder, case) if folder or case else _nearest_case()
        raise typer.Exit(report_cli.verify_report(report, known, roots, as_json=as_json))
    from chain_of_custody import ledger  # noqa: PLC0415
    from chain_of_custody.verify import verify_case  # noqa: PLC0415

    path = _case_folder(folder, case)
    file = path / ledger.LEDGER_NAME
    total = file.stat().st_size if file.is_file() else None
    with console.progress(text("検証中", "verifying"), total) as bar:
        move: Callable[[int], None] = lambda position: bar.update(completed=position)  # noqa: E731
        result = verify_case(path, against=against, images=images or (), tsa_roots=roots, progress=move)
    if as_json:
        console.print_json(result.to_json())
    else:
        _print_verification(result)
    raise typer.Exit(result.exit_code)


app.add_typer(keys_app, name="keys")
record_cli.add_to(app)
checkpoint_cli.add_to(app)
stamp_cli.add_to(app)
bundle_cli.add_to(app)
report_cli.add_to(app)
app.add_typer(receipt_app, name="receipt")
app.add_typer(session_app, name="session")
app.add_typer(share_app, name="share")
app.add_typer(approve_app, name="approve")
incident_cli.add_to(app)
backup_cli.add_to(app)
app.add_typer(transfer_app, name="transfer")


def main() -> None:
    """Entry point of the program `custody`."""
    console.run(app)
