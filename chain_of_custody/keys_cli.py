"""The commands `custody keys`: who takes part in a case, with which key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from chain_of_custody import console, options
from chain_of_custody.console import JsonOption, LangOption, text
from chain_of_custody.errors import CaseNotFoundError, UsageError
from chain_of_custody.options import CaseOption, KeyOption, PassphraseFileOption, command_help

keys_app = typer.Typer(
    rich_markup_mode=None,
    **command_help(
        "鍵と人を管理します: 自分の鍵の場所と指紋、事案に登録された人と鍵。",
        "Keys and people: your own key with path and fingerprint, the people of the case and their keys.",
        "custody keys",
        "custody keys list --case 2026-017 --json",
    ),
)


@keys_app.callback(invoke_without_command=True)
def keys(
    context: typer.Context,
    case: CaseOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Without a command: list."""
    if context.invoked_subcommand is None:
        _list_keys(case, key, as_json=as_json)


@keys_app.command(
    "list",
    **command_help(
        "自分の鍵と、事案に登録された人の鍵を一覧します。",
        "List your own key and those of the people of the case.",
        "custody keys list",
        "custody keys list --case 2026-017 --json",
    ),
)
def keys_list(
    case: CaseOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """List keys."""
    _list_keys(case, key, as_json=as_json)


def _list_keys(case: Path | None, key: Path | None, *, as_json: bool) -> None:
    from chain_of_custody import operator_key, people  # noqa: PLC0415 - `--help` needs no cryptography
    from chain_of_custody.case import find_case  # noqa: PLC0415

    own = operator_key.describe_key(key)
    folder: Path | None
    try:
        folder, _missing = find_case(case, None)
    except CaseNotFoundError:
        # The operator's own key can be shown anywhere.
        folder = None
    known = people.read_people(folder) if folder is not None else people.People()
    persons = [people.to_json(person, known) for person in known.persons.values()]
    if as_json:
        console.print_json(
            {"own": own.to_json(), "case": str(folder) if folder is not None else None, "people": persons},
        )
        return
    out = console.out_console()
    if own.exists:
        protection = {
            "passphrase": text("パスフレーズあり", "with passphrase"),
            "none": text("パスフレーズなし", "without passphrase"),
            "token": text("トークン", "on a token"),
        }.get(own.protection or "", text("保護は不明", "protection unknown"))
        out.print(f"{text('自分の鍵', 'your key')}: {own.path}", markup=False)
        out.print(f"  {own.fingerprint or '?'}  {protection}", markup=False)
    else:
        out.print(
            text(f"自分の鍵はまだありません(初回に作成): {own.path}", f"no key yet (made at first use): {own.path}"),
            markup=False,
        )
    if folder is not None:
        out.print(text(f"事案 {folder} の人と鍵:", f"people and keys of {folder}:"), markup=False)
    for person in persons:
        out.print(f"  {_person_line(person)}", markup=False)


def _person_line(person: dict[str, Any]) -> str:
    who = " ".join(str(person[name]) for name in ("org", "name") if name in person)
    state = "" if person["valid"] else text("失効", "revoked")
    identified = (
        text(f"本人確認: {person['identified_by']}", f"identified by: {person['identified_by']}")
        if "identified_by" in person
        else text("本人確認: 未実施", "not identified")
    )
    parts = (person["id"], person["role"], person["fingerprint"], who, identified, state)
    return "  ".join(str(part) for part in parts if part)


@keys_app.command(
    "roles",
    **command_help(
        "役割ごとに、見られるもの・できることの表。",
        "What each role may see and do, as a table.",
        "custody keys roles",
        "custody keys roles --json",
    ),
)
def keys_roles(as_json: JsonOption = False, lang: LangOption = None) -> None:
    """Show the rights of the roles."""
    from chain_of_custody import entries, roles  # noqa: PLC0415 - `--help` needs no cryptography

    if as_json:
        console.print_json(
            {
                "rights": [
                    {
                        "name": one.name,
                        "roles": [role for role in entries.ROLES if role in one.roles],
                        "needs_key": one.encrypted,
                    }
                    for one in roles.RIGHTS
                ],
                "secret": [role for role in entries.ROLES if role in roles.secret_roles()],
            }
        )
        return
    from rich.table import Table  # noqa: PLC0415 - start-up time

    table = Table(title=text("役割と権限", "roles and rights"), title_justify="left")
    table.add_column(text("できること", "right"))
    for ja, en in entries.ROLES.items():
        table.add_column(text(ja, en), justify="center")
    for one in roles.RIGHTS:
        mark = text("○(鍵)", "yes (key)") if one.encrypted else text("○", "yes")
        table.add_row(text(one.ja, one.en), *(mark if role in one.roles else "" for role in entries.ROLES))
    out = console.out_console()
    out.print(table)
    out.print(
        text(
            "権限のない操作はツールが拒否し、台帳に残します。読むこと自体を防ぐのは暗号化だけです(「鍵」の行)。",
            "What a role may not do the tool refuses and records. Only encryption prevents reading (rows with “key”).",
        ),
        markup=False,
    )


@keys_app.command(
    "add",
    **command_help(
        "人と公開鍵を事案に登録します(作業者か責任者が行います)。",
        "List a person and their public key in the case (done by an operator or supervisor).",
        "custody keys add suzuki@law.example --name '鈴木 一郎' --org '○○法律事務所' --role 立会人 \\",
        "    --public-key suzuki.pub --identified-by '名刺と電話'",
    ),
)
@options.signing
def keys_add(
    person_id: Annotated[str, typer.Argument(metavar="ID", help=text("その人の ID", "id of the person"))],
    role: Annotated[
        str,
        typer.Option("--role", help=text("責任者、作業者、立会人、保管者、受領者、閲覧者", "one of the six roles")),
    ],
    public_key: Annotated[
        Path,
        typer.Option("--public-key", metavar="FILE", help=text("OpenSSH 公開鍵", "OpenSSH public key")),
    ],
    name: Annotated[str, typer.Option("--name", help=text("氏名", "name"))] = "",
    org: Annotated[str, typer.Option("--org", help=text("所属", "organisation"))] = "",
    identified_by: Annotated[
        str,
        typer.Option("--identified-by", help=text("本人確認の方法", "how the person was identified")),
    ] = "",
    age: Annotated[
        str,
        typer.Option("--age", metavar="age1…", help=text("age の受信者(ECDSA 鍵の人)", "age recipient (for ECDSA)")),
    ] = "",
    *,
    work: options.Work,
) -> None:
    """Add a person."""
    from chain_of_custody import people, signing  # noqa: PLC0415

    try:
        line = signing.normal_public_line(public_key.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"公開鍵を読めません: {public_key}", f"cannot read the public key: {public_key}") from error
    except signing.SignatureError as error:
        raise UsageError(f"{public_key}: {error.ja}", f"{public_key}: {error.en}") from error
    person = people.Person(person_id, role_of(role), line, name, org, identified_by, age)
    with work.open() as opened:
        entry = opened.add_person(person)
    shown = signing.fingerprint(line)
    console.say_entry(
        entry,
        f"{person_id}({person.role})を登録しました。鍵の指紋 {shown} を本人と照合してください",
        f"{person_id} is listed; compare the fingerprint {shown} with the person",
        as_json=work.as_json,
    )


@keys_app.command(
    "public",
    **command_help(
        "自分の鍵の公開鍵を OpenSSH の形で表示します(トークンの鍵を事案に登録してもらうときなど)。",
        "Show the public half of your own key as OpenSSH writes it (to have a token's key listed in a case).",
        "custody keys public > yamada.pub",
        "custody keys public --key 'pkcs11:token=hozen;object=yamada' > yamada.pub",
    ),
)
def keys_public(
    key: KeyOption = None,
    passphrase_file: PassphraseFileOption = None,
    lang: LangOption = None,
) -> None:
    """Show the public key."""
    from chain_of_custody import signers  # noqa: PLC0415

    signer = signers.open_signer(key, options.passphrase_source(passphrase_file))
    console.write_text(f"{signer.public_line}\n")


def role_of(value: str) -> str:
    """A role given in Japanese or English. Raises UsageError."""
    from chain_of_custody import entries  # noqa: PLC0415

    role = {english: japanese for japanese, english in entries.ROLES.items()}.get(value, value)
    if role not in entries.ROLES:
        known = "、".join(f"{japanese} ({english})" for japanese, english in entries.ROLES.items())
        raise UsageError(
            f"役割がありません: {value}",
            f"no such role: {value}",
            hint_ja=known,
            hint_en=known,
        )
    return role


@keys_app.command(
    "rotate",
    **command_help(
        "自分の鍵を新しい鍵に交換します(古い鍵と新しい鍵の両方で署名)。",
        "Replace your own key by a new one (signed by both).",
        "custody keys rotate --new-key ~/.ssh/id_new --key ~/.ssh/id_old",
    ),
)
@options.signing
def keys_rotate(
    new_key: Annotated[
        Path,
        typer.Option("--new-key", metavar="FILE", help=text("新しい秘密鍵", "the new private key")),
    ],
    new_passphrase_file: Annotated[
        Path | None,
        typer.Option(
            "--new-passphrase-file",
            metavar="FILE",
            help=text("新しい鍵のパスフレーズのファイル", "file with the passphrase of the new key"),
        ),
    ] = None,
    *,
    work: options.Work,
) -> None:
    """Rotate the own key."""
    from chain_of_custody import signers, signing  # noqa: PLC0415

    new = signers.open_signer(new_key, options.passphrase_source(new_passphrase_file))
    with work.open() as opened:
        entry = opened.rotate_key(new)
    shown = signing.fingerprint(new.public_line)
    console.say_entry(
        entry,
        f"鍵を交換しました。新しい指紋: {shown}(以後は --key {new_key})",
        f"the key is replaced; new fingerprint: {shown} (from now on --key {new_key})",
        as_json=work.as_json,
    )


@keys_app.command(
    "revoke",
    **command_help(
        "ほかの人の鍵を失効させます(紛失・盗難。本人以外が行います)。",
        "Revoke another person's key (lost, stolen); nobody revokes the own key.",
        "custody keys revoke yamada@example.jp --since 2026-11-20T09:00:00+09:00 --reason 'PC 盗難'",
    ),
)
@options.signing
def keys_revoke(
    person_id: Annotated[str, typer.Argument(metavar="ID", help=text("その人の ID", "id of the person"))],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help=text("理由", "why"))],
    since: Annotated[
        str | None,
        typer.Option("--since", help=text("この時刻以後を信用しない(既定: 今)", "not trusted since (default: now)")),
    ] = None,
    *,
    work: options.Work,
) -> None:
    """Revoke a key."""
    from chain_of_custody import clock  # noqa: PLC0415

    moment = options.time_given(since) if since is not None else clock.now().ts
    with work.open() as opened:
        entry = opened.revoke_key(person_id, moment, reason)
    console.say_entry(
        entry,
        f"{person_id} の鍵を {moment} 以後失効としました",
        f"the key of {person_id} is revoked since {moment}",
        as_json=work.as_json,
    )
