"""What leaves a case or comes back to it: a bundle for the other side, a redacted copy, a diverged copy taken in."""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chain_of_custody import checkpoints, details, ledger
from chain_of_custody.entries import FileHash
from chain_of_custody.errors import LedgerError, TargetError, UsageError, VerificationError
from chain_of_custody.masking import mask_text
from chain_of_custody.reading import read_entries
from chain_of_custody.records import ATTACHMENTS
from chain_of_custody.verify import verify_case

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chain_of_custody.case import Case
    from chain_of_custody.entries import Entry
    from chain_of_custody.jcs import Json

BRANCHES = "branches"
ALWAYS = ("ledger.jsonl", "head", "allowed_signers", "revoked_keys", "verify.sh", "README-検証.txt")
"""Files of a case that every bundle holds. Never: secret.age, results of scans (they hold HMACs of numbers)."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A bundle that was written."""

    path: Path
    file: FileHash
    names: tuple[str, ...]


def _members(case: Path, *, with_details: bool, with_attachments: bool) -> list[str]:
    names = [name for name in ALWAYS if (case / name).is_file()]
    folders = [checkpoints.FOLDER, ledger.RECOVERED_NAME]
    folders += [details.FOLDER] if with_details else []
    folders += [ATTACHMENTS] if with_attachments else []
    for folder in folders:
        root = case / folder
        if root.is_dir():
            names += sorted(
                path.relative_to(case).as_posix()
                for path in root.iterdir()
                if path.is_file() and not path.name.startswith(".")
            )
    return names


def pack(
    case: Case,
    target: Path,
    *,
    with_details: bool = True,
    with_attachments: bool = True,
    reports: Sequence[Path] = (),
    fresh: Sequence[Path] = (),
) -> Packed:
    """Write a ZIP that the other side can verify, recorded as an action; an existing file is never overwritten.

    The bundle holds the ledger up to the `pack.begin` entry. `fresh` are reports made for it just now: the begin says
    that there are some, without the hash (no second run would give the same bytes, so nobody could approve it).
    Raises TargetError, UsageError, LedgerError.
    """
    if target.exists():
        raise TargetError(f"すでにあります: {target}", f"already there: {target}")
    enclosed = [*reports, *fresh]
    for report in enclosed:
        if not report.is_file():
            raise UsageError(f"ありません: {report}", f"not there: {report}")
    begin: dict[str, Json] = {
        "target": mask_text(target.name),
        "details": "yes" if with_details else "no",
        "attachments": "yes" if with_attachments else "no",
        "fresh_reports": str(len(fresh)),
    }
    with case.action("pack", begin, inputs=[FileHash.of_file(report) for report in reports]) as action:
        names = _members(case.path, with_details=with_details, with_attachments=with_attachments)
        part = target.with_name(f".{target.name}.part")
        try:
            _write_zip(case.path, part, target.stem, names, enclosed)
            # A link fails where the name exists: what was written meanwhile by another is kept.
            os.link(part, target)
        except FileExistsError as error:
            raise TargetError(f"すでにあります: {target}", f"already there: {target}") from error
        except OSError as error:
            raise TargetError(
                f"書き込めません: {target}: {error.strerror}",
                f"cannot write {target}: {error.strerror}",
            ) from error
        finally:
            part.unlink(missing_ok=True)
        with target.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        packed = FileHash(digest, target.stat().st_size)
        action.set_result(
            {"members": str(len(names) + len(enclosed)), "details": "yes" if with_details else "no"},
            outputs=[packed],
        )
    return Packed(target, packed, tuple(names))


def _write_zip(case: Path, part: Path, top: str, names: Sequence[str], reports: Sequence[Path]) -> None:
    with zipfile.ZipFile(part, "x", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            data = (case / name).read_bytes()
            info = zipfile.ZipInfo(f"{top}/{name}")
            info.external_attr = (0o755 if name.endswith(".sh") else 0o644) << 16
            archive.writestr(info, data, zipfile.ZIP_DEFLATED)
        for report in reports:
            archive.write(report, f"{top}/reports/{report.name}")


# --- redaction --------------------------------------------------------------------------------------------------------


def redact(case: Case, seqs: Sequence[int], target: Path, why: str) -> list[Entry]:
    """A copy of the case in the new folder `target` without the details and files of these entries.

    The case itself stays whole; which texts are left out of which copy is recorded in it before the copy is made, so
    the copy's ledger says so too. The copy verifies, and shows each removal as 墨消し. Raises UsageError, TargetError.
    """
    case.permit("redacted")
    if target.exists():
        raise TargetError(f"すでにあります: {target}", f"already there: {target}")
    wanted = {entry.seq: entry for entry in read_entries(case.path) if entry.seq in seqs}
    removed: dict[str, str] = {}
    for seq in seqs:
        entry = wanted.get(seq)
        hashes = _removable(entry) if entry is not None else {}
        if not hashes:
            raise UsageError(
                f"第 {seq} 項に墨消しできる詳細や添付がありません",
                f"entry {seq} has no details or files that could be removed",
                hint_ja="本文(body)に書かれたものは消せません。details と添付だけが対象です",
                hint_en="what stands in a body stays; only details and attached files can go",
            )
        removed.update(hashes)
    recorded = []
    said: dict[str, Json] = {"why": mask_text(why), "copy": mask_text(target.name)}
    # One act, whatever it leaves out: who approves a redaction sees all of it.
    with case.action("redact", {**said, "texts": list(removed)}) as action:
        for sha256, kind in removed.items():
            body: dict[str, Json] = {"begin": action.begin.seq, "sha256": sha256, "kind": kind, **said}
            recorded.append(case.append("redacted", body, src="typed"))
    case.close()
    names = _members(case.path, with_details=True, with_attachments=True)
    try:
        for name in names:
            if Path(name).name.removesuffix(".json") in removed:
                continue
            copy = target / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(case.path / name, copy)
    except OSError as error:
        raise TargetError(
            f"書き込めません: {target}: {error.strerror}",
            f"cannot write {target}: {error.strerror}",
        ) from error
    return recorded


def _removable(entry: Entry) -> dict[str, str]:
    found = {entry.details: "details"} if entry.details is not None else {}
    if entry.type.startswith("record.") or entry.type == "note":
        found.update({file.sha256: "attachment" for file in entry.outputs})
    return {sha256: kind for sha256, kind in found.items() if sha256 is not None}


# --- two copies that went apart ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Divergence:
    """How two copies of one case relate."""

    common: int
    """Number of entries that both have."""
    ours: str
    theirs: str
    """SHA-256 of the last line of each."""
    ours_size: int
    theirs_size: int

    @property
    def diverged(self) -> bool:
        """Whether each has entries that the other lacks."""
        return self.common < min(self.ours_size, self.theirs_size)


def compare(ours: Path, theirs: Path) -> Divergence:
    """How two copies relate. Raises UsageError when they are different cases, LedgerError when one cannot be read."""
    common = sizes = 0
    mine = yours = b""
    counts = [0, 0]
    try:
        with (ours / ledger.LEDGER_NAME).open("rb") as one, (theirs / ledger.LEDGER_NAME).open("rb") as two:
            same = True
            while True:
                left, right = one.readline(), two.readline()
                left, right = (line if line.endswith(b"\n") else b"" for line in (left, right))
                if not left and not right:
                    break
                same = same and left == right
                common += same
                sizes += 1
                if left:
                    mine, counts[0] = left, sizes
                if right:
                    yours, counts[1] = right, sizes
    except OSError as error:
        raise LedgerError(f"台帳を読めません: {error.filename}", f"cannot read the ledger: {error.filename}") from error
    if common == 0:
        raise UsageError("別の事案です(1 行目が違います)", "these are different cases (their first lines differ)")
    heads = [hashlib.sha256(line[:-1]).hexdigest() for line in (mine, yours)]
    return Divergence(common, heads[0], heads[1], counts[0], counts[1])


def merge(case: Case, theirs: Path) -> tuple[Divergence, Entry | None]:
    """Keep a diverged copy whole under `branches/<head>/` and record both heads.

    Nothing is rewritten: the case goes on from its own head. Raises VerificationError when the copy is not valid.
    Returns no entry where the copy holds nothing that is new.
    """
    case.permit("merged")
    result = verify_case(theirs)
    if result.verdict == "ng":
        raise VerificationError(
            f"取り込む台帳が検証で NG です: {theirs}",
            f"the copy does not verify: {theirs}",
            hint_ja=f"custody verify {theirs} で理由を確かめてください",
            hint_en=f"see custody verify {theirs}",
        )
    found = compare(case.path, theirs)
    if found.theirs_size == found.common:
        return found, None
    branch = case.path / BRANCHES / found.theirs
    if branch.exists():
        raise UsageError(f"取込み済みです: {branch}", f"taken in already: {branch}")
    part = case.path / BRANCHES / f".{found.theirs}.part"
    names = _members(theirs, with_details=True, with_attachments=True)
    try:
        shutil.rmtree(part, ignore_errors=True)
        for name in names:
            copy = part / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(theirs / name, copy)
        part.rename(branch)
    except OSError as error:
        raise LedgerError(f"書き込めません: {branch}", f"cannot write {branch}: {error.strerror}") from error
    data = (branch / ledger.LEDGER_NAME).read_bytes()
    entry = case.append(
        "merged",
        {
            "ours": found.ours,
            "theirs": found.theirs,
            "common": str(found.common),
            "branch": f"{BRANCHES}/{found.theirs}",
        },
        inputs=[FileHash(hashlib.sha256(data).hexdigest(), len(data))],
    )
    return found, entry
