"""Logical preservation of files and folders, where a physical copy cannot be made: an archive and a manifest.

The archive (zip or tar, by its ending) holds the contents; `NAME.manifest.jsonl` beside it holds, for each entry, path,
kind, size, SHA-256, all time stamps of the source, mode, owner, extended attributes and links. The first line of the
manifest is a header with the reason and the roots, its last line the totals. Files are opened read-only and, where the
system allows it, without changing their access time. What could not be read is an entry too, with the reason.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import stat
import tarfile
import time
import zipfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any

from chain_of_custody import FileHash
from chain_of_custody.errors import TargetError, UsageError
from chain_of_custody.masking import mask_path, mask_text
from preserve.output import sync_folder, target_error

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from chain_of_custody.case import Case
    from chain_of_custody.jcs import Json
    from preserve.watcher import Watcher

_BUFFER = 1 << 20
_LARGEST_ATTRIBUTE = 1 << 20
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that is not, or not fully, in the archive."""

    path: str
    reason: str


@dataclass(slots=True)
class CollectResult:
    """What was collected; sizes are bytes."""

    archive: Path
    manifest: Path
    files: int = 0
    folders: int = 0
    links: int = 0
    bytes: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    """Files that changed while they were read."""
    outputs: list[FileHash] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def is_complete(self) -> bool:
        """Whether everything was read and nothing changed meanwhile."""
        return not self.skipped and not self.changed

    @property
    def words(self) -> tuple[str, str]:
        """The result in Japanese and English."""
        ja = f"{self.files:,} ファイル、{self.bytes:,} バイトを収集し、書庫を読み戻して全件一致"
        en = f"{self.files:,} files, {self.bytes:,} bytes collected; the archive was read back, all identical"
        if self.skipped:
            ja += f"。読めなかったもの {len(self.skipped):,} 件"
            en += f"; {len(self.skipped):,} could not be read"
        if self.changed:
            ja += f"。読取り中に変化したファイル {len(self.changed):,} 件"
            en += f"; {len(self.changed):,} files changed while they were read"
        return ja, en


def collect(
    sources: Sequence[Path],
    target: Path,
    *,
    reason: str,
    case: Case | None = None,
    watcher: Watcher | None = None,
    item: str = "",
) -> CollectResult:
    """Collect files and folders into `target` (.zip or .tar) and verify the archive by reading it back.

    Raises UsageError (no reason, no source, target inside a source), TargetError.
    """
    if not reason.strip():
        raise UsageError(
            "理由がありません: 物理コピーではなくファイル単位で収集する理由を --reason で指定してください",
            "no reason: say with --reason why files are collected instead of a physical copy",
        )
    if target.suffix.lower() not in (".zip", ".tar"):
        raise UsageError(
            f"書込み先は .zip か .tar にしてください: {mask_path(target.name)}",
            f"the target must end in .zip or .tar: {mask_path(target.name)}",
        )
    manifest = target.with_name(target.name + ".manifest.jsonl")
    for path in (target, manifest):
        if os.path.lexists(path):
            raise target_error(path, FileExistsError())
    if not target.parent.is_dir():
        raise TargetError(
            f"フォルダーがありません: {mask_path(target.parent)}", f"no such folder: {mask_path(target.parent)}"
        )
    reason, item = mask_text(reason), mask_text(item)
    roots = [source.absolute() for source in sources]
    for root in roots:
        if not os.path.lexists(root):
            raise UsageError(f"収集元がありません: {mask_path(root)}", f"no such source: {mask_path(root)}")
        if target.absolute().is_relative_to(root):
            raise UsageError(
                f"書込み先が収集元の中にあります: {mask_path(target)}",
                f"the target lies inside the source: {mask_path(target)}",
            )
    result = CollectResult(target, manifest)
    if case is None:
        _collect(roots, result, reason, watcher)
        return result
    begin: dict[str, Any] = {
        "sources": [mask_path(root) for root in roots],
        "target": mask_path(target.absolute()),
        "typed": {"reason": reason, **({"item": item} if item else {})},
        "auto": {"scope": "logical", "format": target.suffix.lower().removeprefix(".")},
    }
    with case.action("collect", begin, item=item or None) as action:
        _collect(roots, result, reason, watcher)
        action.set_result(
            _body(result),
            outputs=result.outputs,
            status="done" if result.is_complete else "partial",
        )
    return result


def _shown(path: Path) -> str:
    """A path as text: bytes that are no UTF-8 as %XX."""
    return os.fsencode(path).decode("utf-8", "surrogateescape").encode("utf-8", "backslashreplace").decode()


def _names(roots: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """Each root with its name in the archive; equal names get a number in front."""
    seen: set[str] = set()
    for number, root in enumerate(roots):
        name = root.name or "root"
        if name in seen:
            name = f"{number + 1}_{name}"
        seen.add(name)
        yield root, name


def _walk(path: Path, name: str, skipped: list[Skipped]) -> Iterator[tuple[Path, str]]:
    """The entry and everything below it, in a fixed order; links are not followed."""
    waiting = [(path, name)]
    while waiting:
        current, its_name = waiting.pop()
        yield current, its_name
        try:
            if current.is_symlink() or not current.is_dir():
                continue
            children = sorted((child.name for child in current.iterdir()), reverse=True)
        except OSError as error:
            skipped.append(Skipped(_shown(current), error.strerror or "cannot be listed"))
            continue
        waiting += [(current / child, f"{its_name}/{child}") for child in children]


class _Archive:
    """A zip or tar to which streams are added."""

    def __init__(self, path: Path) -> None:
        self._zip: zipfile.ZipFile | None = None
        self._tar: tarfile.TarFile | None = None
        if path.suffix.lower() == ".zip":
            # Fast deflate: what matters here is that any tool opens it.
            self._zip = zipfile.ZipFile(path, "x", zipfile.ZIP_DEFLATED, compresslevel=1, strict_timestamps=False)
        else:
            self._tar = tarfile.open(path, "x", format=tarfile.PAX_FORMAT, errors="surrogateescape")  # noqa: SIM115

    def add(self, name: str, status: os.stat_result, content: IO[bytes] | bytes) -> None:
        """Add one entry; `content` is the bytes of a file, a link's target, or empty for a folder."""
        if self._zip is not None:
            self._add_zip(name, status, content)
        elif self._tar is not None:
            self._add_tar(name, status, content)

    def _add_zip(self, name: str, status: os.stat_result, content: IO[bytes] | bytes) -> None:
        assert self._zip is not None
        moment = datetime.fromtimestamp(max(status.st_mtime, 0), UTC).timetuple()[:6]
        info = zipfile.ZipInfo(_utf8(name), max(moment, _ZIP_EPOCH))
        info.external_attr = (status.st_mode & 0xFFFF) << 16
        info.compress_type = zipfile.ZIP_DEFLATED
        if stat.S_ISDIR(status.st_mode):
            info.filename += "/"
            info.external_attr |= 0x10
            info.compress_type = zipfile.ZIP_STORED
        with self._zip.open(info, "w", force_zip64=status.st_size >= 1 << 31) as out:
            if isinstance(content, bytes):
                out.write(content)
            else:
                while block := content.read(_BUFFER):
                    out.write(block)

    def _add_tar(self, name: str, status: os.stat_result, content: IO[bytes] | bytes) -> None:
        assert self._tar is not None
        info = tarfile.TarInfo(name)
        info.mtime = int(status.st_mtime)
        info.mode = stat.S_IMODE(status.st_mode)
        info.uid, info.gid = status.st_uid, status.st_gid
        if stat.S_ISDIR(status.st_mode):
            info.type = tarfile.DIRTYPE
        elif stat.S_ISLNK(status.st_mode):
            info.type = tarfile.SYMTYPE
            info.linkname = os.fsdecode(content) if isinstance(content, bytes) else ""
        else:
            info.size = status.st_size
        self._tar.addfile(info, None if isinstance(content, bytes) else _Exactly(content, status.st_size))

    def close(self) -> None:
        """Write the end of the archive."""
        for archive in (self._zip, self._tar):
            if archive is not None:
                archive.close()


def _utf8(name: str) -> str:
    """A name for the zip: bytes that are no UTF-8 as %XX (the manifest has the true ones)."""
    return "".join(
        f"%{ord(character) - 0xDC00:02X}" if 0xDC80 <= ord(character) <= 0xDCFF else character for character in name
    )


class _Exactly:
    """Gives exactly `size` bytes of a stream: zeros where it ends early, nothing of what it has more."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self._stream = stream
        self._left = size

    def read(self, size: int = -1) -> bytes:
        size = self._left if size < 0 else min(size, self._left)
        data = self._stream.read(size)
        data += bytes(size - len(data))
        self._left -= size
        return data


class _Hashing:
    """A stream that hashes and counts what passes."""

    def __init__(self, stream: IO[bytes], watcher: Watcher | None) -> None:
        self._stream = stream
        self._watcher = watcher
        self.digest = hashlib.sha256()
        self.size = 0
        self.error = ""

    def read(self, size: int = -1) -> bytes:
        try:
            data = self._stream.read(size)
        except OSError as error:
            self.error = error.strerror or "read error"
            return b""
        self.digest.update(data)
        self.size += len(data)
        if self._watcher is not None:
            self._watcher.advance(len(data))
        return data


def _open_quietly(path: Path) -> IO[bytes]:
    """Open for reading, without following a link and, where allowed, without touching the access time."""
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    flags |= getattr(os, "O_NONBLOCK", 0)
    if hasattr(os, "O_NOATIME"):
        with contextlib.suppress(PermissionError):
            return os.fdopen(os.open(path, flags | os.O_NOATIME), "rb", buffering=0)
    return os.fdopen(os.open(path, flags), "rb", buffering=0)


def _attributes(path: Path) -> dict[str, str]:
    """Extended attributes, base64 (Linux); empty where there are none."""
    found = {}
    if hasattr(os, "listxattr"):
        with contextlib.suppress(OSError):
            for name in sorted(os.listxattr(path, follow_symlinks=False)):
                with contextlib.suppress(OSError):
                    value = os.getxattr(path, name, follow_symlinks=False)
                    found[name] = base64.b64encode(value[:_LARGEST_ATTRIBUTE]).decode()
    return found


def _facts(path: Path, name: str, status: os.stat_result) -> dict[str, Any]:
    kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink"}
    facts: dict[str, Any] = {
        "path": _utf8(name),
        "source": _shown(path),
        "kind": kinds.get(stat.S_IFMT(status.st_mode), "special"),
        "size": status.st_size,
        "modified_ns": str(status.st_mtime_ns),
        "accessed_ns": str(status.st_atime_ns),
        ("created_ns" if os.name == "nt" else "changed_ns"): str(status.st_ctime_ns),
        "mode": f"{stat.S_IMODE(status.st_mode):04o}",
        "uid": status.st_uid,
        "gid": status.st_gid,
        "inode": str(status.st_ino),
        "links": status.st_nlink,
    }
    birth = getattr(status, "st_birthtime_ns", None)
    if birth is not None:
        facts["created_ns"] = str(birth)
    if _utf8(name) != name:
        facts["path_base64"] = base64.b64encode(os.fsencode(name)).decode()
    attributes = _attributes(path)
    if attributes:
        facts["xattr"] = attributes
    return facts


def _collect(roots: Sequence[Path], result: CollectResult, reason: str, watcher: Watcher | None) -> None:
    started = time.monotonic()
    if watcher is not None:
        watcher.phase("read", 0)
    hashes: dict[str, tuple[str, int]] = {}
    try:
        archive = _Archive(result.archive)
        with result.manifest.open("x", encoding="utf-8", newline="\n") as manifest:

            def line(value: dict[str, Any]) -> None:
                manifest.write(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")

            line(
                {
                    "format": "hozen-collection/1",
                    "reason": reason,
                    "roots": [_shown(root) for root in roots],
                    "archive": result.archive.name,
                    # ntfs-3g shows the alternate streams of NTFS as extended attributes when mounted so.
                    "alternate_streams": "not collected" if os.name == "nt" else "as extended attributes",
                    "started": datetime.now(UTC).isoformat(timespec="seconds"),
                },
            )
            for root, root_name in _names(roots):
                for path, name in _walk(root, root_name, result.skipped):
                    for entry in _entries(path, name, archive, result, hashes, watcher):
                        line(entry)
            for one in result.skipped:
                line({"skipped": one.path, "reason": one.reason})
            line(
                {
                    "files": result.files,
                    "folders": result.folders,
                    "links": result.links,
                    "bytes": result.bytes,
                    "skipped": len(result.skipped),
                    "changed": result.changed,
                },
            )
            archive.close()
            manifest.flush()
            os.fsync(manifest.fileno())
        with result.archive.open("rb") as file:
            os.fsync(file.fileno())
    except OSError as error:
        raise target_error(result.archive, error) from error
    sync_folder(result.archive.parent)
    _verify(result.archive, hashes, watcher)
    for path in (result.archive, result.manifest):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        result.outputs.append(FileHash(digest, path.stat().st_size))
    result.seconds = time.monotonic() - started


def _entries(
    path: Path,
    name: str,
    archive: _Archive,
    result: CollectResult,
    hashes: dict[str, tuple[str, int]],
    watcher: Watcher | None,
) -> Iterator[dict[str, Any]]:
    """Put one path into the archive and give its line of the manifest."""
    try:
        status = path.lstat()
        facts = _facts(path, name, status)
        if stat.S_ISLNK(status.st_mode):
            target = os.fsencode(path.readlink())
            archive.add(name, status, target)
            result.links += 1
            yield {**facts, "target": _utf8(os.fsdecode(target))}
        elif stat.S_ISDIR(status.st_mode):
            archive.add(name, status, b"")
            result.folders += 1
            yield facts
        elif stat.S_ISREG(status.st_mode):
            yield {**facts, **_add_file(path, name, status, archive, result, hashes, watcher)}
        else:
            result.skipped.append(Skipped(_shown(path), "special file (socket, pipe or device)"))
    except (PermissionError, FileNotFoundError) as error:
        # Of the source: gone meanwhile, or not allowed. Errors of the target are other classes and end the run.
        result.skipped.append(Skipped(_shown(path), error.strerror or type(error).__name__))


def _add_file(
    path: Path,
    name: str,
    status: os.stat_result,
    archive: _Archive,
    result: CollectResult,
    hashes: dict[str, tuple[str, int]],
    watcher: Watcher | None,
) -> dict[str, Any]:
    with _open_quietly(path) as file:
        content = _Hashing(file, watcher)
        archive.add(name, status, content)  # type: ignore[arg-type]
        after = os.fstat(file.fileno())
    digest = content.digest.hexdigest()
    result.files += 1
    result.bytes += content.size
    facts: dict[str, Any] = {"sha256": digest, "size": content.size}
    if content.error:
        result.skipped.append(Skipped(_shown(path), f"{content.error} after {content.size} bytes"))
        facts["error"] = content.error
    if (after.st_mtime_ns, after.st_size) != (status.st_mtime_ns, status.st_size) or content.size != status.st_size:
        result.changed.append(_utf8(name))
        facts["changed_while_read"] = True
    else:
        hashes[_utf8(name)] = (digest, content.size)
    return facts


def _verify(archive: Path, hashes: dict[str, tuple[str, int]], watcher: Watcher | None) -> None:
    """Read the archive back and compare each file; raises TargetError where one differs."""
    if watcher is not None:
        watcher.phase("verify", sum(size for _, size in hashes.values()))
    left = dict(hashes)

    def check(name: str, file: IO[bytes]) -> None:
        expected = left.pop(name, None)
        if expected is None:
            return  # it changed while it was read: the manifest says so
        digest = hashlib.sha256()
        while block := file.read(_BUFFER):
            digest.update(block)
            if watcher is not None:
                watcher.advance(len(block))
        if digest.hexdigest() != expected[0]:
            raise TargetError(
                f"書庫から読み戻した内容が違います: {mask_path(name)}",
                f"an entry reads back differently: {mask_path(name)}",
                hint_ja="書込み先の媒体を確かめ、収集し直してください",
                hint_en="check the target's medium and collect again",
            )

    if archive.suffix.lower() == ".zip":
        with zipfile.ZipFile(archive) as opened:
            for info in opened.infolist():
                with opened.open(info) as file:
                    check(info.filename, file)
    else:
        with tarfile.open(archive, errors="surrogateescape") as tar:
            for member in tar:
                stream = tar.extractfile(member) if member.isreg() else None
                if stream is not None:
                    check(_utf8(member.name), stream)
    if left:
        missing = next(iter(left))
        raise TargetError(
            f"書庫に入っていません: {mask_path(missing)}", f"missing from the archive: {mask_path(missing)}"
        )


def _body(result: CollectResult) -> dict[str, Json]:
    words = result.words
    return {
        "files": str(result.files),
        "folders": str(result.folders),
        "links": str(result.links),
        "bytes": str(result.bytes),
        "archive": mask_path(result.archive.name),
        "manifest": mask_path(result.manifest.name),
        "skipped": [{"path": mask_path(one.path), "reason": one.reason} for one in result.skipped[:100]],
        "skipped_count": str(len(result.skipped)),
        "changed": [mask_path(one) for one in result.changed[:100]],
        "result": {"ja": words[0], "en": words[1]},
        "seconds": f"{result.seconds:.1f}",
    }
