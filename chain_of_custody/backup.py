"""Verified second copies of a case: incremental, resumable, and able to say and mend what went bad.

```
<backup>/
├── backup.json         {"v":1,"case_id":…,"fingerprint":…,"files":{"<path>":{"size":…,"sha256":…,"pieces":[…]}}}
└── files/<path>        the files of the case as they are
```
`pieces` are SHA-256 of each MiB, so damage has a place and only what differs is written. A case only grows: the ledger
is extended and files are added. A file that has *changed* since the last backup is therefore not copied over the good
copy but named; `mend` puts the good pieces back into the case and keeps the damaged file under `recovered/`.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

from chain_of_custody.entries import FileHash
from chain_of_custody.errors import EvidenceError, TargetError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PIECE_BYTES = 1 << 20
MANIFEST = "backup.json"
FILES = "files"
_LEFT_OUT = frozenset({"ledger.lock"})
_TRANSIENT = frozenset({"state", "tmp"})
_GROWING = frozenset({"ledger.jsonl"})
_REWRITTEN = frozenset({"head", "allowed_signers", "revoked_keys"})
"""Derived from the ledger, or rewritten with it: their change means nothing."""
_MANIFEST_BYTES = 1 << 30

Verdict = Literal["same", "added", "extended", "rewritten", "changed", "missing", "damaged"]


@dataclass(frozen=True, slots=True)
class Pieces:
    """A file as the manifest holds it: size in bytes, SHA-256 (hex) of the whole and of each MiB."""

    size: int
    sha256: str
    pieces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FileState:
    """What was found of one file; `bad` are the numbers of pieces that differ, from 0."""

    path: str
    verdict: Verdict
    bad: tuple[int, ...] = ()

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """The differing pieces as byte ranges (offset, size in whole pieces), joined."""
        joined: list[tuple[int, int]] = []
        for piece in self.bad:
            start = piece * PIECE_BYTES
            if joined and sum(joined[-1]) == start:
                joined[-1] = (joined[-1][0], joined[-1][1] + PIECE_BYTES)
            else:
                joined.append((start, PIECE_BYTES))
        return joined


@dataclass(slots=True)
class BackupResult:
    """Outcome: every file's state, bytes written, and the manifest's hash."""

    states: list[FileState] = field(default_factory=list)
    written_bytes: int = 0
    manifest: FileHash | None = None

    @property
    def suspicious(self) -> list[FileState]:
        """Files that are not as they must be."""
        return [state for state in self.states if state.verdict in ("changed", "missing", "damaged")]


def case_files(case: Path) -> Iterator[str]:
    """Paths of the files of a case, relative with `/`, in a fixed order: the ledger and its head last."""
    found = []
    for folder, names, files in os.walk(case):
        names[:] = sorted(name for name in names if name not in _TRANSIENT)
        relative = Path(folder).relative_to(case)
        found += [(relative / name).as_posix() for name in files if name not in _LEFT_OUT]
    last = [name for name in ("head", "ledger.jsonl") if name in found]
    yield from sorted(set(found) - set(last))
    # The head speaks of the ledger: copied first, it can only be older than the ledger, never ahead of it.
    yield from last


def read_manifest(backup: Path) -> dict[str, Any]:
    """The manifest of a backup; raises EvidenceError where it is damaged, UsageError where there is none."""
    path = backup / MANIFEST
    try:
        with path.open("rb") as file:
            value = json.loads(file.read(_MANIFEST_BYTES))
    except FileNotFoundError:
        raise UsageError(f"予備ではありません: {backup}", f"no backup in {backup} (no {MANIFEST})") from None
    except OSError as error:
        raise EvidenceError(f"読めません: {path}: {error.strerror}", f"cannot read {path}: {error.strerror}") from None
    except ValueError:
        value = None
    if not isinstance(value, dict) or value.get("v") != 1 or not isinstance(value.get("files"), dict):
        raise EvidenceError(f"予備の目録が壊れています: {path}", f"the list of the backup is damaged: {path}")
    for name, entry in value["files"].items():
        pure = PurePosixPath(name)
        sound = (
            not pure.is_absolute()
            and ".." not in pure.parts
            and isinstance(entry, dict)
            and isinstance(entry.get("size"), int)
            and isinstance(entry.get("sha256"), str)
            and isinstance(entry.get("pieces"), list)
        )
        if not sound:
            raise EvidenceError(f"予備の目録が壊れています: {path}", f"the list of the backup is damaged: {path}")
    return value


def _pieces_of(value: Mapping[str, Any] | None) -> Pieces | None:
    return None if value is None else Pieces(value["size"], value["sha256"], tuple(value["pieces"]))


def hash_pieces(path: Path, *, limit: int | None = None, advance: Callable[[int], None] = lambda _: None) -> Pieces:
    """Hash a file, or its first `limit` bytes; raises OSError."""
    whole = hashlib.sha256()
    pieces = []
    size = 0
    with path.open("rb") as file:
        while limit is None or size < limit:
            data = file.read(PIECE_BYTES if limit is None else min(PIECE_BYTES, limit - size))
            if not data:
                break
            whole.update(data)
            pieces.append(hashlib.sha256(data).hexdigest())
            size += len(data)
            advance(len(data))
    return Pieces(size, whole.hexdigest(), tuple(pieces))


def _differing(old: Pieces, new: Pieces) -> tuple[int, ...]:
    count = max(len(old.pieces), len(new.pieces))
    return tuple(
        number
        for number in range(count)
        if number >= len(old.pieces) or number >= len(new.pieces) or old.pieces[number] != new.pieces[number]
    )


def backup(
    case: Path,
    target: Path,
    identity: Mapping[str, str],
    *,
    advance: Callable[[int], None] = lambda _: None,
) -> BackupResult:
    """Bring `target` up to date with `case`, and read back what was written.

    `identity` is {"case_id", "fingerprint"}: a backup of another case is refused. A run that was stopped is simply
    repeated: pieces that are there already are not written again. Raises UsageError, TargetError, EvidenceError.
    """
    known: dict[str, Any] = {}
    if (target / MANIFEST).exists():
        manifest = read_manifest(target)
        if manifest.get("case_id") != identity["case_id"]:
            raise UsageError(f"別の事案の予備です: {target}", f"{target} holds the backup of another case")
        known = manifest["files"]
    elif target.exists() and any(entry.name != FILES for entry in target.iterdir()):
        raise TargetError(
            f"空のフォルダーではありません: {target}",
            f"the folder is not empty: {target}",
            hint_ja="新しいフォルダーか、この事案の予備を指定してください",
            hint_en="name a new folder, or a backup of this case",
        )
    _refuse_inside(case, target)
    result = BackupResult()
    listed: dict[str, Any] = {}
    try:
        (target / FILES).mkdir(parents=True, exist_ok=True)
        present = list(case_files(case))
        for name in present:
            listed[name] = _bring(case, target, name, _pieces_of(known.get(name)), result, advance)
        for name in sorted(set(known) - set(present)):
            # Gone from the case: the copy stays, and it is said.
            listed[name] = known[name]
            result.states.append(FileState(name, "missing"))
        data = json.dumps({"v": 1, **identity, "files": listed}, ensure_ascii=False, indent=0).encode()
        _replace(target / MANIFEST, data)
    except OSError as error:
        raise TargetError(
            f"予備を書けません: {target}: {error.strerror}",
            f"cannot write the backup {target}: {error.strerror}",
            hint_ja="同じコマンドで続きから再開できます",
            hint_en="the same command goes on from there",
        ) from error
    result.manifest = FileHash(hashlib.sha256(data).hexdigest(), len(data))
    return result


def _refuse_inside(case: Path, target: Path) -> None:
    inner, outer = target.resolve(), case.resolve()
    if inner == outer or outer in inner.parents or inner in outer.parents:
        raise UsageError(
            f"予備を事案フォルダーの中(または上)には作れません: {target}",
            f"a backup cannot lie inside the case, nor the case inside it: {target}",
        )


def _bring(
    case: Path, target: Path, name: str, old: Pieces | None, result: BackupResult, advance: Callable[[int], None]
) -> dict[str, Any]:
    source, copy = case / name, target / FILES / name
    new = hash_pieces(source, advance=advance)
    if old is not None and old.sha256 != new.sha256 and name not in _REWRITTEN:
        # A growing file must begin as it did; any other must be as it was.
        begins = hash_pieces(source, limit=old.size) if name in _GROWING and new.size >= old.size else None
        if begins is None or begins.sha256 != old.sha256:
            result.states.append(FileState(name, "changed", _differing(old, begins or new)))
            return _as_json(old)
    there = hash_pieces(copy) if copy.exists() else Pieces(0, "", ())
    if there.sha256 != new.sha256:
        copy.parent.mkdir(parents=True, exist_ok=True)
        result.written_bytes += _write_pieces(source, copy, new, there)
        back = hash_pieces(copy)
        if back.sha256 != new.sha256:
            result.states.append(FileState(name, "damaged", _differing(new, back)))
            return _as_json(new)
    verdict: Verdict = "same"
    if old is None:
        verdict = "added"
    elif old.sha256 != new.sha256:
        verdict = "extended" if name in _GROWING else "rewritten"
    result.states.append(FileState(name, verdict))
    return _as_json(new)


def _as_json(pieces: Pieces) -> dict[str, Any]:
    return {"size": pieces.size, "sha256": pieces.sha256, "pieces": list(pieces.pieces)}


def _write_pieces(source: Path, copy: Path, new: Pieces, there: Pieces) -> int:
    """Write the pieces of `copy` that differ; returns the bytes written."""
    written = 0
    with source.open("rb") as file, copy.open("r+b" if copy.exists() else "xb") as out:
        for number in range(len(new.pieces)):
            if number < len(there.pieces) and there.pieces[number] == new.pieces[number]:
                continue
            file.seek(number * PIECE_BYTES)
            data = file.read(min(PIECE_BYTES, new.size - number * PIECE_BYTES))
            out.seek(number * PIECE_BYTES)
            out.write(data)
            written += len(data)
        out.truncate(new.size)
        out.flush()
        os.fsync(out.fileno())
    return written


def _replace(path: Path, data: bytes) -> None:
    part = path.with_name(path.name + ".new")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def check(backup_folder: Path, *, advance: Callable[[int], None] = lambda _: None) -> list[FileState]:
    """Read the whole backup again and compare it with its list."""
    states = []
    for name, value in sorted(read_manifest(backup_folder)["files"].items()):
        listed = Pieces(value["size"], value["sha256"], tuple(value["pieces"]))
        path = backup_folder / FILES / name
        if not path.is_file():
            states.append(FileState(name, "missing"))
            continue
        found = hash_pieces(path, advance=advance)
        same = found.sha256 == listed.sha256
        states.append(FileState(name, "same") if same else FileState(name, "damaged", _differing(listed, found)))
    return states


def restore(backup_folder: Path, target: Path, *, advance: Callable[[int], None] = lambda _: None) -> list[FileState]:
    """Write all files of a backup into the new folder `target`, each compared with the list before and after.

    A damaged file is not restored but named. An interrupted run is repeated with the same target.
    Raises UsageError, EvidenceError, TargetError.
    """
    manifest = read_manifest(backup_folder)
    marker = target / ".restoring"
    if target.exists() and any(target.iterdir()) and not marker.exists():
        raise TargetError(
            f"空のフォルダーではありません: {target}",
            f"the folder is not empty: {target}",
            hint_ja="新しいフォルダーを指定してください",
            hint_en="name a new folder",
        )
    states = []
    try:
        target.mkdir(parents=True, exist_ok=True)
        marker.touch()
        for name, value in sorted(manifest["files"].items()):
            listed = Pieces(value["size"], value["sha256"], tuple(value["pieces"]))
            source, copy = backup_folder / FILES / name, target / name
            found = hash_pieces(source, advance=advance) if source.is_file() else None
            if found is None or found.sha256 != listed.sha256:
                states.append(
                    FileState(name, "missing")
                    if found is None
                    else FileState(name, "damaged", _differing(listed, found))
                )
                continue
            there = hash_pieces(copy) if copy.exists() else Pieces(0, "", ())
            if there.sha256 != listed.sha256:
                copy.parent.mkdir(parents=True, exist_ok=True)
                _write_pieces(source, copy, listed, there)
            back = hash_pieces(copy)
            same = back.sha256 == listed.sha256
            states.append(FileState(name, "same") if same else FileState(name, "damaged", _differing(listed, back)))
        marker.unlink()
    except OSError as error:
        raise TargetError(
            f"復旧先に書けません: {target}: {error.strerror}", f"cannot write {target}: {error.strerror}"
        ) from error
    return states


def compare(case: Path, backup_folder: Path, *, advance: Callable[[int], None] = lambda _: None) -> list[FileState]:
    """The files of the case against the list of its backup: what changed, what is missing, in which pieces."""
    states = []
    for name, value in sorted(read_manifest(backup_folder)["files"].items()):
        listed = Pieces(value["size"], value["sha256"], tuple(value["pieces"]))
        path = case / name
        if name in _REWRITTEN:
            continue
        if not path.is_file():
            states.append(FileState(name, "missing", tuple(range(len(listed.pieces)))))
            continue
        found = hash_pieces(path, limit=listed.size if name in _GROWING else None, advance=advance)
        same = found.sha256 == listed.sha256
        states.append(FileState(name, "same") if same else FileState(name, "changed", _differing(listed, found)))
    return states


def mend(case: Path, backup_folder: Path, wanted: FileState) -> FileHash:
    """Put the good copy of one file back into the case; what was there goes to `recovered/<sha256>`.

    Raises EvidenceError where the copy is not good either, TargetError. Returns the hash of the mended file.
    """
    value = read_manifest(backup_folder)["files"][wanted.path]
    listed = Pieces(value["size"], value["sha256"], tuple(value["pieces"]))
    good, bad = backup_folder / FILES / wanted.path, case / wanted.path
    found = hash_pieces(good) if good.is_file() else None
    if found is None or found.sha256 != listed.sha256:
        raise EvidenceError(
            f"予備の側も壊れています: {wanted.path}", f"the copy in the backup is damaged, too: {wanted.path}"
        )
    tail = b""
    try:
        if wanted.path in _GROWING and bad.exists():
            # What was added since the backup is the case's own and stays.
            with bad.open("rb") as file:
                file.seek(listed.size)
                tail = file.read()
        if bad.exists():
            kept = case / "recovered" / hash_pieces(bad).sha256
            kept.parent.mkdir(exist_ok=True)
            if kept.exists():
                bad.unlink()
            else:
                bad.rename(kept)
        bad.parent.mkdir(parents=True, exist_ok=True)
        _write_pieces(good, bad, listed, Pieces(0, "", ()))
        back = hash_pieces(bad)
        if tail:
            with bad.open("ab") as file:
                file.write(tail)
                file.flush()
                os.fsync(file.fileno())
    except OSError as error:
        raise TargetError(f"書けません: {bad}: {error.strerror}", f"cannot write {bad}: {error.strerror}") from error
    if back.sha256 != listed.sha256:
        raise EvidenceError(f"書いた内容が一致しません: {bad}", f"what was written differs: {bad}")
    return FileHash(back.sha256, back.size)
