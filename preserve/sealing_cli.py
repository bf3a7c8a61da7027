"""The commands `preserve encrypt|decrypt`: images, findings and bundles at rest, encrypted with age."""
# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chain_of_custody import console, options
from chain_of_custody.console import JsonOption, LangOption, text
from chain_of_custody.errors import KeyAccessError, UsageError
from chain_of_custody.options import AsOption, CaseOption, KeyOption, PassphraseFileOption, command_help

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chain_of_custody.case import Action, Case
    from chain_of_custody.jcs import Json
    from preserve.age_file import Identity
    from preserve.sealing import Lock, Sealed

OutOption = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help=text("出力先(既定: 元の隣)", "target folder (default: beside)")),
]
SecretOption = Annotated[
    bool,
    typer.Option("--with-passphrase", help=text("パスフレーズを尋ねる(表示・記録しない)", "ask for a passphrase")),
]
SecretFileOption = Annotated[
    Path | None,
    typer.Option(
        "--with-passphrase-file",
        metavar="FILE",
        help=text("パスフレーズを 1 行目に書いたファイル", "file whose first line is the passphrase"),
    ),
]


def _secret(ask: bool, file: Path | None, *, again: bool) -> bytes:
    """The passphrase of the options; empty where none is asked for."""
    if file is not None:
        source = options.passphrase_source(file)
        return source() if source is not None else b""
    if not ask:
        return b""
    if not options.on_terminal():
        raise UsageError(
            "端末がないため尋ねられません。--with-passphrase-file を使ってください",
            "there is no terminal to ask at; use --with-passphrase-file",
        )
    first = console.ask_secret("パスフレーズ: ", "passphrase: ")
    if not first or (again and first != console.ask_secret("もう一度: ", "again: ")):
        raise KeyAccessError("パスフレーズが空か、一致しません", "the passphrase is empty, or they differ")
    return first


def _file(name: str) -> bytes | None:
    path = Path(name)
    return path.read_bytes()[: 1 << 20] if path.is_file() else None


def _lock(case: Case, to: Sequence[str], secret: bytes) -> Lock:
    from preserve.sealing import Lock, recipients_of

    if bool(to) == bool(secret):
        raise UsageError(
            "--to か --with-passphrase のどちらか一方を指定してください", "give --to or --with-passphrase, one of them"
        )
    if secret:
        return Lock(passphrase=secret)
    people = case.people()
    known = {name: person.age or person.key for name, person in people.persons.items() if people.current(name)}
    return Lock(recipients_of([known.get(one, one) for one in to], _file))


def _record(action: Action, done: Sequence[Sealed], total: int, *, opening: bool) -> None:
    """What is done so far, so that an interrupted run's end says it too."""
    from chain_of_custody import FileHash

    clear = [FileHash(one.clear_sha256, one.clear_size) for one in done]
    sealed = [FileHash(one.sealed_sha256, one.sealed_size) for one in done]
    from chain_of_custody.masking import mask_text

    body: dict[str, Json] = {
        "files": [{**one.to_json(), "name": mask_text(one.name), "skipped": one.skipped} for one in done[:2000]],
        "count": str(len(done)),
        "of": str(total),
    }
    before, after = (sealed, clear) if opening else (clear, sealed)
    action.set_result(body, inputs=before[:2000], outputs=after[:2000])


def _show(done: Sequence[Sealed], *, as_json: bool, opening: bool) -> None:
    from chain_of_custody.masking import mask_text

    if as_json:
        console.print_json(
            {"files": [{**one.to_json(), "name": mask_text(one.name), "skipped": one.skipped} for one in done]}
        )
        return
    out = console.out_console()
    for one in done:
        mark = text("済み・確認", "done before, checked") if one.skipped else ""
        digest = one.clear_sha256 if opening else one.sealed_sha256
        out.print(f"{digest}  {mask_text(one.name)}  {mark}".rstrip(), markup=False)


def encrypt(
    sources: Annotated[list[Path], typer.Argument(metavar="FILE|DIR…", help=text("暗号化するもの", "what to encrypt"))],
    to: Annotated[
        list[str] | None,
        typer.Option(
            "--to",
            metavar="RECIPIENT",
            help=text(
                "宛先(複数可): age1…、ssh-ed25519 公開鍵、そのファイル、事案の人の ID",
                "to whom (repeatable): age1…, an ssh-ed25519 public key, a file of them, id of a person of the case",
            ),
        ),
    ] = None,
    secret: SecretOption = False,
    secret_file: SecretFileOption = None,
    out: OutOption = None,
    case: CaseOption = None,
    as_id: AsOption = None,
    key: KeyOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Encrypt files, one age file each."""
    from chain_of_custody.masking import mask_path
    from preserve import sealing

    jobs = sealing.jobs_for_encryption(sources, out)
    manifest = sealing.manifest_of(jobs, out)
    with options.open_named_case(case, key=key, as_id=as_id, passphrase_file=passphrase_file) as opened:
        lock = _lock(opened, to or (), _secret(secret, secret_file, again=True))
        body: dict[str, Json] = {
            "sources": [mask_path(one) for one in sources[:200]],
            "files": str(len(jobs)),
            "form": "age-encryption.org/v1",
            "recipients": list(lock.recipients) or ["passphrase (scrypt)"],
            "manifest": mask_path(manifest.absolute()),
        }
        done: list[Sealed] = []
        total = sum(one.source.stat().st_size for one in jobs)
        with (
            opened.action("encrypt", body) as action,
            console.progress(text("暗号化", "encrypting"), total) as bar,
        ):
            for job in jobs:
                done.append(sealing.encrypt(job, lock, manifest, advance=bar.advance))
                _record(action, done, len(jobs), opening=False)
    _show(done, as_json=as_json, opening=False)
    if not as_json:
        console.out_console().print(
            text(
                "元のファイルは残っています。確かめてから custody record dispose で廃棄を記録してください。",
                "The clear files are still there: check, dispose of them, and record it (custody record dispose).",
            ),
            markup=False,
        )


def _identities(files: Sequence[Path], secret: bytes, passphrase_file: Path | None) -> list[Identity]:
    from preserve import age_file

    unlock = options.passphrase_source(passphrase_file)
    found: list[Identity] = [one for file in files for one in age_file.read_identities(file, unlock)]
    if secret:
        found.append(age_file.Passphrase(secret))
    return found or age_file.identities_offered()


def decrypt(
    sources: Annotated[
        list[Path], typer.Argument(metavar="FILE.age|DIR…", help=text("復号するもの", "what to decrypt"))
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help=text("出力先", "target folder"))],
    identity: Annotated[
        list[Path] | None,
        typer.Option(
            "--identity",
            metavar="FILE",
            help=text("復号する鍵: age または OpenSSH(複数可)", "key that decrypts: age or OpenSSH (repeatable)"),
        ),
    ] = None,
    secret: SecretOption = False,
    secret_file: SecretFileOption = None,
    case: CaseOption = None,
    as_id: AsOption = None,
    key: KeyOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Decrypt age files; compared with what the ledger says of them."""
    from chain_of_custody.masking import mask_path
    from preserve import sealing

    identities = _identities(identity or (), _secret(secret, secret_file, again=False), passphrase_file)
    jobs = sealing.jobs_for_decryption(sources, out)
    with options.open_named_case(case, key=key, as_id=as_id, passphrase_file=passphrase_file) as opened:
        recorded = recorded_clear(opened.path)
        body: dict[str, Json] = {
            "sources": [mask_path(one) for one in sources[:200]],
            "files": str(len(jobs)),
            "out": mask_path(out.absolute()),
        }
        done: list[Sealed] = []
        total = sum(one.source.stat().st_size for one in jobs)
        with (
            opened.action("decrypt", body) as action,
            console.progress(text("復号", "decrypting"), total) as bar,
        ):
            for job in jobs:
                done.append(sealing.decrypt(job, identities, advance=bar.advance))
                _record(action, done, len(jobs), opening=True)
    differing = [
        one for one in done if one.sealed_sha256 in recorded and recorded[one.sealed_sha256] != one.clear_sha256
    ]
    unknown = [one for one in done if one.sealed_sha256 not in recorded]
    _show(done, as_json=as_json, opening=True)
    for one in differing:
        console.notice(f"台帳の記録と違います: {one.name}", f"not what the ledger says: {one.name}")
    for one in unknown:
        console.notice(f"台帳に記録がありません: {one.name}", f"the ledger does not know it: {one.name}")
    raise typer.Exit(1 if differing else console.EXIT_PARTIAL if unknown else console.EXIT_OK)


def recorded_clear(case: Path) -> dict[str, str]:
    """SHA-256 of the clear bytes for each encrypted file that the ledger names, by SHA-256 of the encrypted one."""
    from chain_of_custody.reading import read_entries

    known: dict[str, str] = {}
    for entry in read_entries(case):
        files = entry.body.get("files") if entry.type == "encrypt.end" else None
        for one in files if isinstance(files, list) else ():
            if isinstance(one, dict):
                clear, sealed = one.get("clear"), one.get("encrypted")
                if isinstance(clear, dict) and isinstance(sealed, dict):
                    known[str(sealed.get("sha256"))] = str(clear.get("sha256"))
    return known


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command(
        "encrypt",
        **command_help(
            "ファイルやフォルダーを age で暗号化します(1 ファイル = 1 age ファイル。中断しても続きから。台帳に記録)。",
            "Encrypt files or folders with age, one age file each; an interrupted run goes on (recorded).",
            "preserve encrypt disk.E01 disk.E02 --to lab@example.jp --to backup.pub",
            "preserve encrypt findings --with-passphrase --out sealed",
        ),
    )(encrypt)
    app.command(
        "decrypt",
        **command_help(
            "age ファイルを復号し、台帳の記録と照らします。終了コード: 0 一致、1 不一致、3 記録なし。",
            "Decrypt age files and compare with the ledger. Exit codes: 0 as recorded, 1 differs, 3 not recorded.",
            "preserve decrypt disk.E01.age disk.E02.age --identity key.txt --out clear",
        ),
    )(decrypt)
