"""The proof of one entry: a folder with its line, the path to a signed checkpoint, and a script that checks both."""

from __future__ import annotations

import base64
from importlib import resources
from typing import TYPE_CHECKING

from chain_of_custody import checkpoints, ledger, merkle
from chain_of_custody.errors import TargetError, UsageError, VerificationError

if TYPE_CHECKING:
    from pathlib import Path

    from chain_of_custody.jcs import Json

SCRIPT = "verify-entry.sh"


def _path_lines(index: int, size: int, proof: list[bytes]) -> str:
    """The audit path as `L <base64>` (sibling on the left) and `R <base64>`, lowest first: all a script needs."""
    lines = []
    node, last = index, size - 1
    for sibling in proof:
        left = bool(node & 1) or node == last
        lines.append(f"{'L' if left else 'R'} {base64.b64encode(sibling).decode('ascii')}\n")
        if left:
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        node >>= 1
        last >>= 1
    return "".join(lines)


def write(case: Path, number: int, checkpoint_file: Path, target: Path) -> dict[str, Json]:
    """Write the proof that line `number` stands under a checkpoint into the new folder `target`.

    Raises UsageError for an entry outside the checkpoint, TargetError when the folder exists or cannot be written.
    """
    checkpoint = checkpoints.read(checkpoint_file)
    if not 1 <= number <= checkpoint.size:
        raise UsageError(
            f"第 {number} 項は最新のチェックポイント(第 {checkpoint.size} 項まで)に含まれません",
            f"entry {number} is not under the newest checkpoint (of {checkpoint.size} entries)",
            hint_ja="custody checkpoint で新しく作ってください",
            hint_en="make a new one with custody checkpoint",
        )
    leaves = checkpoints.leaves_of(case)[: checkpoint.size]
    if merkle.root_of(leaves) != checkpoint.root:
        raise VerificationError(
            "台帳がチェックポイントと一致しません",
            "the ledger does not fit the checkpoint",
        )
    proof = merkle.inclusion_proof(leaves, number - 1)
    with (case / ledger.LEDGER_NAME).open("rb") as file:
        line = next(line for position, line in enumerate(ledger.lines_of(file), start=1) if position == number)
    files = {
        "line": line[:-1],
        "path": _path_lines(number - 1, checkpoint.size, proof).encode("ascii"),
        "checkpoint.txt": checkpoint_file.read_bytes(),
        "allowed_signers": (case / "allowed_signers").read_bytes(),
        SCRIPT: (resources.files("chain_of_custody") / "templates" / SCRIPT).read_bytes(),
    }
    for signature in sorted(checkpoint_file.parent.glob(f"{checkpoint.stem}.*.sig")):
        files[signature.name.partition(".")[2]] = signature.read_bytes()
    try:
        target.mkdir(parents=True)
        for name, data in files.items():
            (target / name).write_bytes(data)
    except FileExistsError as error:
        raise TargetError(f"すでにあります: {target}", f"already there: {target}") from error
    except OSError as error:
        raise TargetError(
            f"書き込めません: {target}: {error.strerror}",
            f"cannot write {target}: {error.strerror}",
        ) from error
    return {"entry": number, "size": checkpoint.size, "root": checkpoint.root.hex(), "nodes": len(proof)}
