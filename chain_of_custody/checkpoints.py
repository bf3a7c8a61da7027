"""Checkpoints: the size and Merkle root of a ledger as a C2SP tlog-checkpoint, and people's signatures over it.

```
hozen.invalid/case/f445…        origin
123                             number of entries
q2Fz…=                          base64 of the RFC 6962 root over the first 123 lines
```
`checkpoints/000000123.txt` holds these three lines, `checkpoints/000000123.<id>.sig` an SSHSIG (namespace
custody-checkpoint) by the person with that id (percent-encoded).
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from chain_of_custody import entries, jcs, ledger, merkle, operator_key, signing
from chain_of_custody.errors import LedgerError, UsageError, VerificationError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from chain_of_custody.case import Case
    from chain_of_custody.entries import Entry
    from chain_of_custody.signing import Signer

FOLDER = "checkpoints"
_BODY = re.compile(r"([^\n+ ]+)\n(0|[1-9][0-9]{0,8})\n([A-Za-z0-9+/]{43}=)\n")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a checkpoint says."""

    origin: str
    size: int
    root: bytes

    def to_bytes(self) -> bytes:
        """The three lines."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode('ascii')}\n".encode()

    @property
    def stem(self) -> str:
        """Name of its files without ending."""
        return f"{self.size:09d}"


def parse(data: bytes) -> Checkpoint:
    """The checkpoint in `data`; raises ValueError unless it has exactly its three lines (no extensions)."""
    match = _BODY.fullmatch(data.decode("utf-8"))
    if match is None:
        raise ValueError("not a checkpoint of three lines")
    return Checkpoint(match[1], int(match[2]), entries.decode_base64(match[3]))


def read(path: Path) -> Checkpoint:
    """The checkpoint in a file. Raises UsageError."""
    try:
        return parse(path.read_bytes())
    except OSError as error:
        raise UsageError(f"読めません: {path}: {error.strerror}", f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"チェックポイントではありません: {path}", f"not a checkpoint: {path}") from error


def signature_name(checkpoint: Checkpoint, person_id: str) -> str:
    """File name of a person's signature."""
    return f"{checkpoint.stem}.{quote(person_id, safe='@')}.sig"


def person_of_signature(name: str) -> str:
    """The person whose signature a file `<size>.<id>.sig` holds."""
    return unquote(name.partition(".")[2].removesuffix(".sig"))


def leaves_of(case: Path) -> list[bytes]:
    """Leaf hashes of all whole lines. Raises LedgerError."""
    try:
        with (case / ledger.LEDGER_NAME).open("rb") as file:
            return [merkle.leaf_hash(line[:-1]) for line in ledger.lines_of(file) if line.endswith(b"\n")]
    except OSError as error:
        raise LedgerError(
            f"台帳を読めません: {case}: {error.strerror}", f"cannot read {case}: {error.strerror}"
        ) from error


def origin_of(first: Entry) -> str:
    """The origin that `case.open` fixes."""
    return str(first.body["origin"])


def make(case: Case) -> tuple[Checkpoint, Entry]:
    """Write a checkpoint over all entries so far, sign it as the operator, record both. Raises LedgerError."""
    case.permit("checkpoint")
    person = case.operator()
    leaves = leaves_of(case.path)
    checkpoint = Checkpoint(origin_of(case.first), len(leaves), merkle.root_of(leaves))
    data = checkpoint.to_bytes()
    _write(case.path / FOLDER / f"{checkpoint.stem}.txt", data)
    case.append(
        "checkpoint",
        {
            "size": str(checkpoint.size),
            "root": base64.b64encode(checkpoint.root).decode("ascii"),
            "sha256": hashlib.sha256(data).hexdigest(),
        },
    )
    armored = case.signer.sign(data, signing.CHECKPOINT_NAMESPACE)
    return checkpoint, attach(case, checkpoint, person.id, armored)


def attach(case: Case, checkpoint: Checkpoint, person_id: str, armored: str) -> Entry:
    """Keep a person's signature beside a checkpoint of this case and record it.

    Raises VerificationError when the signature does not fit, UsageError when it is there already.
    """
    person = case.people().persons.get(person_id)
    if person is None:
        raise UsageError(
            f"「{person_id}」はこの事案の人ではありません",
            f"{person_id} is not a person of this case",
            hint_ja="custody keys add で登録してください",
            hint_en="list the person with custody keys add",
        )
    try:
        signing.verify(armored, checkpoint.to_bytes(), signing.CHECKPOINT_NAMESPACE, person.key)
    except signing.SignatureError as error:
        raise VerificationError(
            f"「{person_id}」の署名がチェックポイントと合いません: {error.ja}",
            f"the signature of {person_id} does not fit the checkpoint: {error.en}",
        ) from error
    target = case.path / FOLDER / signature_name(checkpoint, person_id)
    if target.exists():
        raise UsageError(f"署名は登録済みです: {target.name}", f"already signed: {target.name}")
    _write(target, armored.encode("ascii"))
    return case.append(
        "cosigned",
        {
            "size": str(checkpoint.size),
            "who": person_id,
            "role": person.role,
            "sha256": hashlib.sha256(armored.encode("ascii")).hexdigest(),
        },
    )


def _write(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(exist_ok=True)
        if path.exists():
            if path.read_bytes() == data:
                # A run that was killed after writing the file and before recording it.
                return
            raise UsageError(f"すでにあります: {path}", f"already there: {path}")
        ledger.write_new_file(path, data)
    except OSError as error:
        raise LedgerError(
            f"書き込めません: {path}: {error.strerror}", f"cannot write {path}: {error.strerror}"
        ) from error


def newest(case: Path) -> Path | None:
    """The file of the largest checkpoint in the case; None if there is none."""
    files = sorted((case / FOLDER).glob("[0-9]*.txt")) if (case / FOLDER).is_dir() else []
    return files[-1] if files else None


# --- what a witness remembers -----------------------------------------------------------------------------------------


def _memory_path(origin: str) -> Path:
    return operator_key.config_folder() / "witness" / f"{hashlib.sha256(origin.encode()).hexdigest()}.json"


def remembered(origin: str) -> Checkpoint | None:
    """The newest checkpoint of this log that was signed on this machine. Raises UsageError if it cannot be read."""
    path = _memory_path(origin)
    if not path.exists():
        return None
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        return Checkpoint(origin, int(known["size"]), entries.decode_base64(known["root"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"前回署名した内容を読めません: {path}",
            f"cannot read what was signed last: {path}",
            hint_ja="このままでは巻戻しを見分けられないため、署名しません",
            hint_en="without it a rollback cannot be told, so nothing is signed",
        ) from error


def remember(checkpoint: Checkpoint) -> None:
    """Keep size and root of what was just signed."""
    path = _memory_path(checkpoint.origin)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_suffix(".new")
    text = jcs.dumps(
        {
            "origin": checkpoint.origin,
            "size": str(checkpoint.size),
            "root": base64.b64encode(checkpoint.root).decode("ascii"),
        },
    )
    part.write_bytes(text)
    part.replace(path)


def check_consistent(old: Checkpoint, new: Checkpoint, proof: Sequence[bytes] | None) -> None:
    """Raise VerificationError unless `new` is shown to continue `old`."""
    if new.size < old.size:
        raise VerificationError(
            f"台帳が巻き戻されています: 前回は第 {old.size} 項まで署名、今回は第 {new.size} 項まで",
            f"the log was rolled back: {old.size} entries were signed before, now there are {new.size}",
        )
    if proof is None:
        raise UsageError(
            f"第 {old.size} 項からの一貫性証明がありません",
            f"no consistency proof from entry {old.size}",
            hint_ja=f"相手に custody prove --from {old.size} --out FILE を頼み、--proof で指定してください",
            hint_en=f"ask for custody prove --from {old.size} --out FILE and give it with --proof",
        )
    if not merkle.check_consistency(old.size, old.root, new.size, new.root, proof):
        raise VerificationError(
            f"前回署名した第 {old.size} 項までの内容が書き換えられています",
            f"the first {old.size} entries are not those that were signed before",
        )


def cosign(checkpoint: Checkpoint, signer: Signer, proof: Sequence[bytes] | None) -> str:
    """A witness's armored signature, after comparing with what this witness signed last.

    Raises VerificationError at a rollback or rewrite, UsageError without the proof that is needed.
    """
    old = remembered(checkpoint.origin)
    if old is not None:
        check_consistent(old, checkpoint, proof)
    armored = signer.sign(checkpoint.to_bytes(), signing.CHECKPOINT_NAMESPACE)
    remember(checkpoint)
    return armored


# --- proofs in files --------------------------------------------------------------------------------------------------


def consistency_text(leaves: Sequence[bytes], old_size: int, size: int) -> str:
    """A consistency proof as text: `custody-consistency/1 <old> <new>`, then one base64 hash a line."""
    proof = merkle.consistency_proof(leaves[:size], old_size)
    lines = [base64.b64encode(node).decode("ascii") for node in proof]
    return "\n".join([f"custody-consistency/1 {old_size} {size}", *lines]) + "\n"


def parse_consistency(text: str, old_size: int, size: int) -> list[bytes]:
    """The hashes of a proof between exactly these sizes. Raises UsageError."""
    head, *lines = text.splitlines()[:100] or [""]
    try:
        proof = [entries.decode_base64(line) for line in lines]
    except ValueError:
        proof = [b""]
    if head != f"custody-consistency/1 {old_size} {size}" or any(len(node) != 32 for node in proof):
        raise UsageError(
            f"第 {old_size} 項から第 {size} 項への一貫性証明ではありません",
            f"not a consistency proof from {old_size} to {size}",
        )
    return proof
