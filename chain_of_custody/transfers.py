"""受渡し: one person offers, the other hashes what arrived and accepts or refuses; both sign a checkpoint."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chain_of_custody import checkpoints
from chain_of_custody.entries import FileHash
from chain_of_custody.errors import LedgerError, TargetError, UsageError, VerificationError
from chain_of_custody.masking import mask_text
from chain_of_custody.reading import read_entries

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from chain_of_custody.case import Case
    from chain_of_custody.checkpoints import Checkpoint
    from chain_of_custody.entries import Entry
    from chain_of_custody.jcs import Json


@dataclass(frozen=True, slots=True)
class Handed:
    """One file of an offer."""

    name: str
    file: FileHash


def hash_file(path: Path, progress: Callable[[int], None] | None = None) -> FileHash:
    """SHA-256 and size of a file, read in pieces. Raises UsageError when it cannot be read."""
    digest = hashlib.sha256()
    size = 0
    try:
        with path.open("rb") as file:
            while piece := file.read(4 * 2**20):
                digest.update(piece)
                size += len(piece)
                if progress is not None:
                    progress(len(piece))
    except OSError as error:
        raise UsageError(f"読めません: {path}: {error.strerror}", f"cannot read {path}: {error.strerror}") from error
    return FileHash(digest.hexdigest(), size)


def open_offers(case: Path) -> dict[int, Entry]:
    """Offers that nobody answered yet, by number."""
    offers: dict[int, Entry] = {}
    for entry in read_entries(case):
        if entry.type == "transfer.offer":
            offers[entry.seq] = entry
        elif entry.type in ("transfer.accept", "transfer.refuse"):
            offers.pop(int(str(entry.body["offer"])), None)
    return offers


def handed_in(offer: Entry) -> list[Handed]:
    """Names and hashes of what an offer hands over."""
    listed = offer.body.get("files")
    names = [str(one.get("name", "")) for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    names += [""] * (len(offer.outputs) - len(names))
    return [Handed(name, file) for name, file in zip(names, offer.outputs, strict=False)]


def offer(
    case: Case,
    to: str,
    files: Sequence[tuple[Path, FileHash]],
    facts: dict[str, Json],
    *,
    item: str | None,
) -> tuple[Entry, Checkpoint]:
    """Record an offer to a person of the case and make a checkpoint over it. Raises UsageError, LedgerError."""
    if to not in case.people().persons:
        raise UsageError(
            f"「{to}」はこの事案の人ではありません",
            f"{to} is not a person of this case",
            hint_ja="custody keys add で登録してください",
            hint_en="list the person with custody keys add",
        )
    if to == case.operator().id:
        raise UsageError("自分には渡せません", "nobody hands over to themselves")
    names: list[Json] = [{"name": mask_text(path.name), "sha256": file.sha256} for path, file in files]
    body: dict[str, Json] = {"to": to, **facts}
    if names:
        body["files"] = names
    entry = case.append("transfer.offer", body, item=item, outputs=[file for _, file in files], src="typed")
    made, _signed = checkpoints.make(case)
    return entry, made


def _answered(case: Case, number: int) -> Entry:
    offers = open_offers(case.path)
    if number not in offers:
        raise UsageError(
            f"第 {number} 項は未応答の申出ではありません",
            f"entry {number} is no open offer",
            hint_ja=f"未応答の申出: {sorted(offers) or 'なし'}",
            hint_en=f"open offers: {sorted(offers) or 'none'}",
        )
    given = offers[number]
    if case.operator().id != given.body["to"]:
        raise UsageError(
            f"この申出は {given.body['to']} あてです",
            f"this offer is made to {given.body['to']}",
            hint_ja="受け取る本人の --as と --key で実行してください",
            hint_en="it is answered with the id and key of the person who receives",
        )
    return given


def compare(given: Entry, found: Sequence[FileHash]) -> list[Handed]:
    """What of an offer is not among the files found."""
    present = set(found)
    return [one for one in handed_in(given) if one.file not in present]


def accept(case: Case, number: int, found: Sequence[FileHash], facts: dict[str, Json]) -> tuple[Entry, Checkpoint]:
    """Accept an offer whose files were all found with their hashes, and sign a checkpoint over it.

    Raises VerificationError when a file is missing or differs: then nothing is recorded.
    """
    given = _answered(case, number)
    missing = compare(given, found)
    if missing:
        names = ", ".join(f"{one.name} ({one.file.sha256[:16]}…)" for one in missing)
        raise VerificationError(
            f"申出と一致するファイルがありません: {names}",
            f"not found as offered: {names}",
            hint_ja=f"受け取らない場合は custody transfer refuse {number} --why … を記録してください",
            hint_en=f"to refuse, record custody transfer refuse {number} --why …",
        )
    entry = case.append(
        "transfer.accept",
        {"offer": number, **facts},
        item=given.item,
        inputs=given.outputs,
        src="typed",
    )
    made, _signed = checkpoints.make(case)
    return entry, made


def refuse(case: Case, number: int, why: str) -> Entry:
    """Refuse an offer, with the reason."""
    given = _answered(case, number)
    return case.append("transfer.refuse", {"offer": number, "why": mask_text(why)}, item=given.item, src="typed")


def keep_copy(case: Path, checkpoint: Checkpoint, target: Path) -> list[Path]:
    """Copy a checkpoint, its signatures and `allowed_signers` to where a person keeps them.

    Raises TargetError when a file is there already or cannot be written.
    """
    folder = case / checkpoints.FOLDER
    sources = [folder / f"{checkpoint.stem}.txt", *sorted(folder.glob(f"{checkpoint.stem}.*.sig"))]
    written = []
    try:
        target.mkdir(parents=True, exist_ok=True)
        for source in sources:
            copy = target / source.name
            if copy.exists():
                raise TargetError(f"すでにあります: {copy}", f"already there: {copy}")
            shutil.copyfile(source, copy)
            written.append(copy)
    except OSError as error:
        raise TargetError(
            f"書き込めません: {target}: {error.strerror}",
            f"cannot write {target}: {error.strerror}",
        ) from error
    if not written:
        raise LedgerError("チェックポイントがありません", "the checkpoint is not there")
    return written
