"""Encryption at rest: one age file for each file, so that an interrupted run goes on where it stopped.

Every finished file is one line of `encrypted.jsonl` in the target folder: name, size and SHA-256 of the clear and of
the encrypted bytes. A line is on disk before the file has its final name, so a file with its name and line is whole.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from chain_of_custody.errors import EvidenceError, TargetError, UsageError
from chain_of_custody.masking import mask_path, mask_text
from preserve import age_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from preserve.age_file import Identity

MANIFEST = "encrypted.jsonl"
SUFFIX = ".age"
_BUFFER = 1 << 20


@dataclass(frozen=True, slots=True)
class Lock:
    """To whom files are encrypted: recipients (`age1…` or SSH public key lines), or a passphrase."""

    recipients: tuple[str, ...] = ()
    passphrase: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Sealed:
    """One file and its encrypted form; sizes in bytes, hashes SHA-256 in hex."""

    name: str
    clear_size: int
    clear_sha256: str
    sealed_size: int
    sealed_sha256: str
    skipped: bool = False
    """Whether an earlier run had finished it; its bytes and the source's were hashed again."""

    def to_json(self) -> dict[str, Any]:
        """The line of the manifest."""
        return {
            "name": self.name,
            "clear": {"size": str(self.clear_size), "sha256": self.clear_sha256},
            "encrypted": {"size": str(self.sealed_size), "sha256": self.sealed_sha256},
        }


@dataclass(frozen=True, slots=True)
class Job:
    """One file to encrypt or decrypt: where from, where to."""

    source: Path
    target: Path
    name: str
    """Path of the target inside its folder, with `/`."""


class _Hashing:
    """A file whose bytes are hashed as they pass."""

    def __init__(self, file: BinaryIO, advance: Callable[[int], None] = lambda _count: None) -> None:
        self._file, self._advance = file, advance
        self.hash = hashlib.sha256()
        self.size = 0

    def _met(self, data: bytes | memoryview) -> None:
        self.hash.update(data)
        self.size += len(data)
        self._advance(len(data))

    def read(self, size: int = -1) -> bytes:
        """See io.RawIOBase."""
        data = self._file.read(size)
        self._met(data)
        return data

    def write(self, data: bytes) -> int:
        """See io.RawIOBase."""
        self._met(data)
        return self._file.write(data)

    def flush(self) -> None:
        """See io.IOBase."""
        self._file.flush()


def hash_file(path: Path, advance: Callable[[int], None] = lambda _count: None) -> tuple[str, int]:
    """SHA-256 (hex) and size of a file. Raises OSError."""
    with path.open("rb") as file:
        passing = _Hashing(file, advance)
        while passing.read(_BUFFER):
            pass
    return passing.hash.hexdigest(), passing.size


def recipients_of(given: Sequence[str], read: Callable[[str], bytes | None]) -> tuple[str, ...]:
    """The recipients that the texts name: `age1…`, an SSH public key line, or a file of such lines.

    `read` gives a file's content, None where there is no such file. Raises UsageError.
    """
    import pyrage  # noqa: PLC0415 - start-up time

    found: list[str] = []
    for one in given:
        content = None if one.startswith(("age1", "ssh-")) else read(one)
        lines = [one] if content is None else content.decode("utf-8", "replace").splitlines()
        for line in (each.strip() for each in lines):
            if not line or line.startswith("#"):
                continue
            try:
                # Anything that is neither is refused by the parser of SSH keys.
                (pyrage.x25519 if line.startswith("age1") else pyrage.ssh).Recipient.from_str(line)
            except (ValueError, pyrage.RecipientError) as error:
                shown = mask_text(one)[:80]
                raise UsageError(
                    f"宛先ではありません: {shown}",
                    f"not a recipient: {shown}",
                    hint_ja="age1…、ssh-ed25519 の公開鍵、そのファイル、または事案の人の ID を指定してください",
                    hint_en="give age1…, an ssh-ed25519 public key, a file of them, or the id of a person of the case",
                ) from error
            found.append(line)
    if not found:
        raise UsageError("宛先がありません", "no recipient")
    return tuple(dict.fromkeys(found))


def jobs_for_encryption(sources: Sequence[Path], out: Path | None) -> list[Job]:
    """What to encrypt: files, and all files of folders; beside the source, or under `out`. Raises UsageError."""
    jobs: list[Job] = []
    for source in sources:
        if source.is_dir():
            folder = (out / source.name) if out is not None else source.with_name(f"{source.name}-age")
            found = sorted(one for one in source.rglob("*") if one.is_file() and not one.is_symlink())
            pairs = [(one, folder / one.relative_to(source)) for one in found]
        elif source.is_file():
            pairs = [(source, (out if out is not None else source.parent) / source.name)]
        else:
            shown = mask_path(source)
            raise UsageError(f"ファイルがありません: {shown}", f"no such file: {shown}")
        jobs += [Job(one, place.with_name(place.name + SUFFIX), "") for one, place in pairs]
    base = _base(jobs, out)
    jobs = [Job(one.source, one.target, one.target.relative_to(base).as_posix()) for one in jobs]
    if len({one.target for one in jobs}) < len(jobs):
        raise UsageError("同じ名前の出力が重なります", "two sources would have the same target")
    return jobs


def _base(jobs: Sequence[Job], out: Path | None) -> Path:
    if not jobs:
        raise UsageError("暗号化するファイルがありません", "there is no file to encrypt")
    if out is not None:
        return out
    return type(out or jobs[0].target)(os.path.commonpath([one.target.parent for one in jobs]))


def manifest_of(jobs: Sequence[Job], out: Path | None) -> Path:
    """Where the manifest of these jobs lies."""
    return _base(jobs, out) / MANIFEST


def read_manifest(path: Path) -> dict[str, Sealed]:
    """The finished files by name; the last line of a name counts, a line torn by a crash does not."""
    known: dict[str, Sealed] = {}
    if not path.is_file():
        return known
    for line in path.read_bytes().splitlines():
        try:
            value = json.loads(line)
            clear, sealed = value["clear"], value["encrypted"]
            known[value["name"]] = Sealed(
                value["name"], int(clear["size"]), clear["sha256"], int(sealed["size"]), sealed["sha256"], skipped=True
            )
        except (ValueError, KeyError, TypeError):
            continue
    return known


def _synced(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def encrypt(job: Job, lock: Lock, manifest: Path, *, advance: Callable[[int], None] = lambda _count: None) -> Sealed:
    """Encrypt one file, or find that it is done: then both files are hashed again and compared with the manifest.

    Raises TargetError where the target exists and is not what the manifest says, or cannot be written.
    """
    part = job.target.with_name(f"{job.target.name}.part")
    try:
        if job.target.exists():
            return _finished(job, read_manifest(manifest).get(job.name), advance)
        job.target.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        with job.source.open("rb") as source, part.open("xb") as target:
            clear, sealed = _Hashing(source, advance), _Hashing(target)
            _encrypt_stream(clear, sealed, lock)
            _synced(target)
        done = Sealed(job.name, clear.size, clear.hash.hexdigest(), sealed.size, sealed.hash.hexdigest())
        with manifest.open("ab") as lines:
            if lines.tell() and manifest.read_bytes()[-1:] != b"\n":
                lines.write(b"\n")
            lines.write(json.dumps(done.to_json(), ensure_ascii=False).encode() + b"\n")
            _synced(lines)
        part.rename(job.target)
    except OSError as error:
        shown = mask_path(job.target)
        raise TargetError(
            f"暗号化できません: {shown}: {error.strerror}", f"cannot encrypt to {shown}: {error.strerror}"
        ) from error
    return done


def _encrypt_stream(clear: _Hashing, sealed: _Hashing, lock: Lock) -> None:
    if lock.passphrase:
        age_file.passphrase_encrypt(cast("BinaryIO", clear), cast("BinaryIO", sealed), lock.passphrase)
        return
    import pyrage  # noqa: PLC0415 - start-up time

    recipients = [
        pyrage.x25519.Recipient.from_str(one) if one.startswith("age1") else pyrage.ssh.Recipient.from_str(one)
        for one in lock.recipients
    ]
    pyrage.encrypt_io(clear, sealed, recipients)


def _finished(job: Job, known: Sealed | None, advance: Callable[[int], None]) -> Sealed:
    if known is not None:
        sealed, clear = hash_file(job.target), hash_file(job.source, advance)
        if sealed == (known.sealed_sha256, known.sealed_size) and clear == (known.clear_sha256, known.clear_size):
            return known
    shown = mask_path(job.target)
    raise TargetError(
        f"既にあり、記録と一致しません: {shown}",
        f"exists already, and is not what was recorded: {shown}",
        hint_ja="別の出力先を指定してください(上書きはしません)",
        hint_en="give another place with --out (nothing is overwritten)",
    )


def decrypt(
    job: Job, identities: Sequence[Identity], *, advance: Callable[[int], None] = lambda _count: None
) -> Sealed:
    """Decrypt one file; the whole is authenticated before it gets its name.

    Raises EvidenceError for a damaged file or without a fitting key, TargetError where it cannot be written.
    """
    from preserve.derived import FileReader  # noqa: PLC0415 - start-up time

    shown = mask_path(job.target)
    if job.target.exists():
        raise TargetError(
            f"既にあります: {shown}",
            f"exists already: {shown}",
            hint_ja="別の出力先を指定してください(上書きはしません)",
            hint_en="give another place with --out (nothing is overwritten)",
        )
    part = job.target.with_name(f"{job.target.name}.part")
    try:
        with closing(FileReader(job.source)) as sealed:
            clear = age_file.AgeReader(sealed, identities, name=job.source.name)
            job.target.parent.mkdir(parents=True, exist_ok=True)
            part.unlink(missing_ok=True)
            digest = hashlib.sha256()
            with part.open("xb") as target:
                for offset in range(0, clear.size, _BUFFER):
                    data = clear.read_at(offset, _BUFFER)
                    digest.update(data)
                    target.write(data)
                    advance(len(data))
                _synced(target)
        sealed_sha256, sealed_size = hash_file(job.source)
        part.rename(job.target)
    except age_file.AgeDamagedError as error:
        part.unlink(missing_ok=True)
        raise EvidenceError(f"壊れています: {error.strerror}", f"damaged: {error.strerror}") from error
    except OSError as error:
        raise TargetError(
            f"書けません: {shown}: {error.strerror}", f"cannot write {shown}: {error.strerror}"
        ) from error
    return Sealed(job.name, clear.size, digest.hexdigest(), sealed_size, sealed_sha256)


def jobs_for_decryption(sources: Sequence[Path], out: Path) -> list[Job]:
    """What to decrypt: files, and the `.age` files of folders, to `out`. Raises UsageError."""
    jobs: list[Job] = []
    for source in sources:
        if source.is_dir():
            found = sorted(one for one in source.rglob(f"*{SUFFIX}") if one.is_file() and not one.is_symlink())
            pairs = [(one, one.relative_to(source)) for one in found]
        elif source.is_file():
            pairs = [(source, type(source)(source.name))]
        else:
            shown = mask_path(source)
            raise UsageError(f"ファイルがありません: {shown}", f"no such file: {shown}")
        for one, place in pairs:
            clear = place.with_name(age_file.clear_name(place.name))
            clear = clear if clear != place else place.with_name(f"{place.name}.clear")
            jobs.append(Job(one, out / clear, clear.as_posix()))
    if not jobs or len({one.target for one in jobs}) < len(jobs):
        raise UsageError(
            "復号するファイルがないか、出力が重なります", "nothing to decrypt, or two have the same target"
        )
    return jobs
