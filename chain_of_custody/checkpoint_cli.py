"""The commands `custody checkpoint`, `cosign` and `prove`: what others sign and keep, and proofs from it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chain_of_custody import console, options
from chain_of_custody.console import JsonOption, LangOption, text
from chain_of_custody.errors import TargetError, UsageError, VerificationError
from chain_of_custody.options import CaseOption, command_help

if TYPE_CHECKING:
    from chain_of_custody.checkpoints import Checkpoint


def write_result(path: Path, data: bytes) -> None:
    """Write a result file; an existing one is never overwritten. Raises TargetError."""
    try:
        with path.open("xb") as file:
            file.write(data)
    except FileExistsError as error:
        raise TargetError(f"すでにあります: {path}", f"already there: {path}") from error
    except OSError as error:
        raise TargetError(
            f"書き込めません: {path}: {error.strerror}", f"cannot write {path}: {error.strerror}"
        ) from error


@options.signing
def checkpoint(
    *,
    work: options.Work,
) -> None:
    """Make a checkpoint."""
    from chain_of_custody import checkpoints  # noqa: PLC0415 - `--help` needs no cryptography

    with work.open() as opened:
        made, entry = checkpoints.make(opened)
        path = opened.path / checkpoints.FOLDER / f"{made.stem}.txt"
        needs_witness = opened.policy.get("witness") == "required"
    if work.as_json:
        console.print_json(
            {"checkpoint": str(path), "size": made.size, "root": made.root.hex(), "entry": entry.seq},
        )
        return
    out = console.out_console()
    out.print(
        text(f"チェックポイント: {console.mask_path(path)}", f"checkpoint: {console.mask_path(path)}"), markup=False
    )
    out.print(text(f"  第 {made.size} 項まで", f"  {made.size} entries"), markup=False)
    out.print(f"  root {made.root.hex()}", markup=False)
    if needs_witness:
        out.print(
            text(f"立会人の署名待ちです: custody cosign {path}", f"waits for a witness: custody cosign {path}"),
            markup=False,
        )


@options.signing
def cosign(
    file: Annotated[
        Path,
        typer.Argument(metavar="CHECKPOINT", help=text("チェックポイント(.txt)", "checkpoint (.txt)")),
    ],
    attach: Annotated[
        Path | None,
        typer.Option("--attach", metavar="SIG", help=text("受け取った署名を登録", "keep a signature received")),
    ] = None,
    who: Annotated[str | None, typer.Option("--who", help=text("その署名の人の ID", "whose signature it is"))] = None,
    proof: Annotated[
        Path | None,
        typer.Option("--proof", metavar="FILE", help=text("前回からの一貫性証明", "consistency proof")),
    ] = None,
    out_file: Annotated[
        Path | None,
        typer.Option("--out", metavar="SIG", help=text("署名の出力先", "where to write the signature")),
    ] = None,
    *,
    work: options.Work,
) -> None:
    """Sign a checkpoint as a witness, or keep a witness's signature."""
    from chain_of_custody import checkpoints  # noqa: PLC0415

    given = checkpoints.read(file)
    if attach is not None:
        _attach(file, given, attach, who, work)
        return
    folder = _case_of(file, work.case)
    if folder is None and out_file is None:
        raise UsageError(
            "署名の出力先(--out)が必要です",
            "--out is needed outside the case",
            hint_ja="事案フォルダーの外のチェックポイントに署名するときは --out を指定してください",
            hint_en="to sign a checkpoint outside its case folder, say where the signature goes",
        )
    nodes = _proof_for(given, folder, proof)
    if folder is None or out_file is not None:
        from chain_of_custody import signers  # noqa: PLC0415

        signer = signers.open_signer(
            work.key,
            options.passphrase_source(work.passphrase_file),
            options.new_passphrase_source(work.passphrase_file),
        )
        armored = checkpoints.cosign(given, signer, nodes)
        assert out_file is not None
        write_result(out_file, armored.encode("ascii"))
        _done(given, str(out_file), as_json=work.as_json)
        return
    with dataclasses.replace(work, case=folder).open() as opened:
        person = opened.operator()
        armored = checkpoints.cosign(given, opened.signer, nodes)
        entry = checkpoints.attach(opened, given, person.id, armored)
    _done(given, text(f"第 {entry.seq} 項", f"entry {entry.seq}"), as_json=work.as_json)


def _done(given: Checkpoint, where: str, *, as_json: bool) -> None:
    if as_json:
        console.print_json({"size": given.size, "root": given.root.hex(), "signature": where})
    else:
        console.out_console().print(
            text(f"第 {given.size} 項までに署名しました: {where}", f"signed {given.size} entries: {where}"),
            markup=False,
        )


def _case_of(file: Path, case: Path | None) -> Path | None:
    """The case whose checkpoint this is: the one that is named, or the one the file lies in."""
    from chain_of_custody import ledger  # noqa: PLC0415

    folder = case if case is not None else file.resolve().parent.parent
    return folder if (folder / ledger.LEDGER_NAME).is_file() else None


def _proof_for(given: Checkpoint, folder: Path | None, proof: Path | None) -> list[bytes] | None:
    """The consistency proof from what this witness signed last: from a file, or computed from the case."""
    from chain_of_custody import checkpoints, merkle  # noqa: PLC0415

    old = checkpoints.remembered(given.origin)
    if folder is not None:
        leaves = checkpoints.leaves_of(folder)
        if given.size > len(leaves) or merkle.root_of(leaves[: given.size]) != given.root:
            raise VerificationError(
                "チェックポイントがこの台帳と一致しません",
                "the checkpoint does not fit this ledger",
            )
        if old is not None and 0 < old.size <= given.size:
            return merkle.consistency_proof(leaves[: given.size], old.size)
    if old is None or proof is None:
        return None
    try:
        content = proof.read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise UsageError(f"読めません: {proof}: {error.strerror}", f"cannot read {proof}: {error.strerror}") from error
    return checkpoints.parse_consistency(content, old.size, given.size)


def _attach(file: Path, given: Checkpoint, signature: Path, who: str | None, work: options.Work) -> None:
    from chain_of_custody import checkpoints, people  # noqa: PLC0415

    folder = _case_of(file, work.case)
    if folder is None:
        raise UsageError("事案フォルダーを --case で指定してください", "name the case with --case")
    try:
        armored = signature.read_text(encoding="ascii", errors="replace")
        line = people.sshsig_key(armored)
    except OSError as error:
        raise UsageError(f"読めません: {signature}", f"cannot read {signature}") from error
    except ValueError as error:
        raise UsageError(f"SSH 署名ではありません: {signature}", f"not an SSH signature: {signature}") from error
    with dataclasses.replace(work, case=folder).open() as opened:
        if who is None:
            who = opened.people().holder(line).id
        if not (opened.path / checkpoints.FOLDER / f"{given.stem}.txt").exists():
            raise UsageError("この事案のチェックポイントではありません", "not a checkpoint of this case")
        entry = checkpoints.attach(opened, given, who, armored)
    _done(given, text(f"{who}、第 {entry.seq} 項", f"{who}, entry {entry.seq}"), as_json=work.as_json)


def prove(
    number: Annotated[
        int | None,
        typer.Argument(metavar="[ENTRY]", help=text("証明する項の番号", "number of the entry")),
    ] = None,
    old_size: Annotated[
        int | None,
        typer.Option("--from", help=text("この項数からの一貫性証明", "consistency proof from this size")),
    ] = None,
    out_file: Annotated[
        Path | None,
        typer.Option("--out", metavar="PATH", help=text("出力先(項の証明はフォルダー)", "where to write")),
    ] = None,
    case: CaseOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Prove one entry, or that a newer checkpoint continues an older one."""
    from chain_of_custody import checkpoints, proofs  # noqa: PLC0415
    from chain_of_custody.case import find_case  # noqa: PLC0415

    if (number is None) == (old_size is None):
        raise UsageError("ENTRY か --from のどちらかを指定してください", "give either ENTRY or --from")
    path, _missing = find_case(case, None)
    newest = checkpoints.newest(path)
    if newest is None:
        raise UsageError(
            "チェックポイントがありません",
            "there is no checkpoint",
            hint_ja="先に custody checkpoint を実行してください",
            hint_en="run custody checkpoint first",
        )
    given = checkpoints.read(newest)
    if old_size is not None:
        leaves = checkpoints.leaves_of(path)
        if not 0 < old_size <= given.size:
            raise UsageError(f"1 から {given.size} までです", f"between 1 and {given.size}")
        content = checkpoints.consistency_text(leaves, old_size, given.size)
        if out_file is None:
            console.print_text(content)
        else:
            write_result(out_file, content.encode("ascii"))
        return
    assert number is not None
    target = out_file if out_file is not None else Path(f"proof-{number}")
    made = proofs.write(path, number, newest, target)
    if as_json:
        console.print_json({"proof": str(target), **json.loads(json.dumps(made))})
    else:
        console.out_console().print(
            text(f"証明を作りました: {target}(sh {target}/verify-entry.sh で確認)", f"proof: {target}"),
            markup=False,
        )


def add_to(app: typer.Typer) -> None:
    """Put the commands into the program."""
    app.command(
        "checkpoint",
        **command_help(
            "台帳のここまでを固定するチェックポイントを作り、署名します。イメージの完成、受渡し、報告のたびに作ります。",
            "Fix the ledger so far in a signed checkpoint: after each image, transfer and report.",
            "custody checkpoint",
            "custody checkpoint --case 2026-017 --json",
        ),
    )(checkpoint)
    app.command(
        "cosign",
        **command_help(
            "立会人・受領者としてチェックポイントに署名します(前回署名した内容の続きであることを確かめます)。",
            "Sign a checkpoint as a witness or recipient, who refuses what does not continue what they signed last.",
            "custody cosign 2026-017/checkpoints/000000123.txt --as suzuki --key suzuki_key",
            "custody cosign 000000123.txt --key suzuki_key --proof proof.txt --out suzuki.sig   # other machine",
            "custody cosign 2026-017/checkpoints/000000123.txt --attach suzuki.sig",
        ),
    )(cosign)
    app.command(
        "prove",
        **command_help(
            "1 つの項だけを、ほかの項を見せずに証明します。または 2 つのチェックポイントの一貫性を証明します。",
            "Prove one entry without showing the others, or that one checkpoint continues another.",
            "custody prove 17 --out proof-17 && sh proof-17/verify-entry.sh",
            "custody prove --from 100 --out proof.txt",
        ),
    )(prove)
