"""Copying files out of an image: safe names, nothing overwritten, everything hashed.

Names on evidence are hostile: `..`, device names of Windows, control and direction characters, 10,000 folders deep.
Each part of a path is made portable by percent-escaping, so the original name can be told from it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chain_of_custody.errors import EvidenceError, TargetError, UsageError
from chain_of_custody.masking import mask_text
from preserve.evidence import layers_of
from preserve.isolated_files import IsolatedFiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from preserve.evidence import Evidence
    from preserve.filesystem import FileEntry

MANIFEST = "extracted.jsonl"
_BUFFER = 4 << 20
_LONGEST_NAME = 120  # bytes of UTF-8 in one part, so that suffixes still fit into 255
_LONGEST_PATH = 1000  # characters below the target folder
_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*%\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]')
_RESERVED = re.compile(r"(?i)^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?$")


def safe_name(name: str) -> str:
    """One part of a path as a name that every system takes and none takes for something else."""
    escaped = _UNSAFE.sub(lambda match: f"%{ord(match.group()):02X}", name)
    if escaped in ("", ".", ".."):
        escaped = escaped.replace(".", "%2E") or "%00"
    if escaped[-1] in ". ":
        escaped = f"{escaped[:-1]}%{ord(escaped[-1]):02X}"
    if _RESERVED.match(escaped):
        escaped = f"%{ord(escaped[0]):02X}{escaped[1:]}"
    raw = escaped.encode()
    if len(raw) > _LONGEST_NAME:
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
        escaped = f"{raw[: _LONGEST_NAME - 13].decode('utf-8', 'ignore')}~{digest}"
    return escaped


def target_name(layer: str, entry: FileEntry) -> str:
    """Where a file goes below the target folder, '/'-separated: the volume, then its path."""
    volume = safe_name(layer.replace(":", "-") or "volume")
    parts = [safe_name(part) for part in entry.path.split("/") if part] or [f"file-{entry.id[1]}"]
    if entry.state == "deleted":
        parts[-1] = f"{parts[-1]}.deleted-{entry.id[1]}-{entry.id[2]}"
    relative = "/".join([volume, *parts])
    if len(relative) > _LONGEST_PATH or len(parts) > 200:
        relative = f"{volume}/long-paths/{entry.id[1]}-{entry.id[2]}-{entry.id[4]}-{parts[-1]}"
    return relative


@dataclass(frozen=True, slots=True)
class Extracted:
    """One file written: `target` below the folder; `problem` says why it is not whole."""

    entry: FileEntry
    layers: str
    target: str
    size: int
    sha256: str
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        """A line of the manifest; names are masked."""
        return {
            "id": "-".join(str(part) for part in self.entry.id),
            "path": mask_text(self.entry.path),
            "layers": mask_text(self.layers),
            "state": self.entry.state,
            "target": mask_text(self.target),
            "size": self.size,
            "sha256": self.sha256,
            "problem": self.problem,
        }


def choose(evidence: Evidence, paths: Sequence[str]) -> list[FileEntry]:
    """The files that `paths` name: whole paths, folders with all below them, or `id:VOLUME-INODE-…` as `list` shows it.

    Raises UsageError where a path names nothing.
    """
    wanted = {path.rstrip("/") or "/" for path in paths if not path.startswith("id:")}
    wanted = {path if path.startswith("/") else f"/{path}" for path in wanted}
    ids = {path.removeprefix("id:") for path in paths if path.startswith("id:")}
    hit: set[str] = set()
    chosen: list[FileEntry] = []
    seen: set[tuple[object, str]] = set()
    for entry in evidence.entries:
        match = ""
        identity = "-".join(str(part) for part in entry.id)
        if identity in ids:
            match = f"id:{identity}"
        elif entry.path in wanted:
            match = entry.path
        elif wanted:
            match = next((path for path in wanted if entry.path.startswith(path.rstrip("/") + "/")), "")
        if not match:
            continue
        hit.add(match)
        if entry.kind in ("directory", "special") or (entry.kind == "metadata" and match != entry.path):
            continue
        if (entry.id, entry.path) not in seen:
            seen.add((entry.id, entry.path))
            chosen.append(entry)
    missing = (wanted | {f"id:{one}" for one in ids}) - hit
    if missing:
        shown = ", ".join(mask_text(one) for one in sorted(missing)[:5])
        raise UsageError(
            f"イメージに次のファイルはありません: {shown}",
            f"the image has no such file: {shown}",
            hint_ja="preserve list で確かめてください。伏せ字を含む名前は id:… で指定します",
            hint_en="see `preserve list`; name files whose names are masked by id:…",
        )
    return chosen


def prepare_folder(folder: Path) -> None:
    """Make the target folder, or take it where it is empty. Raises TargetError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise TargetError(
                f"出力先が空ではありません: {folder}",
                f"the target folder is not empty: {folder}",
                hint_ja="新しいフォルダーを指定してください。既存のものは上書きしません",
                hint_en="name a new folder; what exists is never overwritten",
            )
    except OSError as error:
        raise _target_error(folder, error) from error


def extract(
    evidence: Evidence,
    entries: Sequence[FileEntry],
    folder: Path,
    *,
    advance: Callable[[int], None] | None = None,
    isolate: bool = False,
) -> list[Extracted]:
    """Write `entries` below `folder` and a manifest; unreadable files are noted there. Raises TargetError.

    `isolate=True` lets The Sleuth Kit read in a child process (see `preserve.evidence.open_evidence`).
    """
    done: list[Extracted] = []
    with _create(folder / MANIFEST) as manifest, ExitStack() as stack:
        isolated: dict[int, IsolatedFiles] = {}
        if isolate and evidence.recipe is not None:
            for index, filesystem in evidence.filesystems.items():
                if filesystem.kind != "ntfs":  # parsed here, in Python
                    reader = IsolatedFiles(evidence.recipe, evidence.volumes[index])
                    isolated[index] = stack.enter_context(reader)
        for entry in entries:
            one = _extract_one(evidence, entry, folder, isolated.get(entry.volume))
            done.append(one)
            try:
                manifest.write(
                    (json.dumps(one.to_json(), ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")
                )
            except OSError as error:
                raise _target_error(folder / MANIFEST, error) from error
            if advance is not None:
                advance(1)
        manifest.flush()
        os.fsync(manifest.fileno())
    return done


def _create(path: Path) -> Any:  # noqa: ANN401 - a binary file
    try:
        return path.open("xb")
    except OSError as error:
        raise _target_error(path, error) from error


def _target_error(path: Path, error: OSError) -> TargetError:
    name, why = mask_text(str(path)), error.strerror or str(error)
    return TargetError(
        f"書き込めません: {name}: {why}",
        f"cannot write: {name}: {why}",
        hint_ja="空き容量と権限を確かめてください",
        hint_en="check free space and permissions",
    )


def _extract_one(evidence: Evidence, entry: FileEntry, folder: Path, isolated: IsolatedFiles | None) -> Extracted:
    """Write one file; a second file of the same target name gets a number."""
    layer = evidence.volumes[entry.volume].layer
    relative = target_name(layer, entry)
    before = len(evidence.image.unreadable())
    digest = hashlib.sha256()
    size, problem = 0, ""
    file, relative = _new_file(folder, relative)
    try:
        with file:
            if entry.name_only and entry.size == 0 and entry.state == "deleted":
                problem = "only the name is left"
            else:
                try:
                    size, problem = _copy(_contents(evidence, entry, isolated), entry, file, digest)
                except EvidenceError as error:
                    problem = error.en
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise _target_error(folder / relative, error) from error
    if len(evidence.image.unreadable()) > before and not problem:
        problem = "parts could not be read from the image and are zeros"
    return Extracted(entry, layers_of(evidence, entry), relative, size, digest.hexdigest(), problem)


def _new_file(folder: Path, relative: str) -> tuple[Any, str]:
    for number in range(1, 10_000):
        name = relative if number == 1 else f"{relative}~{number}"
        target = folder / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            return target.open("xb"), name
        except FileExistsError:
            continue  # a name that differs on the evidence only in what had to be escaped, or in case
        except NotADirectoryError:
            relative = f"{relative.partition('/')[0]}/moved/{relative.rpartition('/')[2]}"
        except OSError as error:
            raise _target_error(target, error) from error
    raise TargetError(f"名前が重なりすぎます: {mask_text(relative)}", f"too many equal names: {mask_text(relative)}")


def _contents(evidence: Evidence, entry: FileEntry, isolated: IsolatedFiles | None) -> Iterator[tuple[int, bytes]]:
    """Size of a file and its next bytes, again and again; bytes are empty where the file ends early."""
    if entry.name_only:
        return
    if isolated is not None:
        yield from isolated.read(entry.id)
        return
    reader = evidence.filesystems[entry.volume].open(entry.id)
    at = 0
    while at < reader.size:
        data = reader.read_at(at, min(_BUFFER, reader.size - at))
        yield reader.size, data
        if not data:
            return
        at += len(data)


def _copy(contents: Iterator[tuple[int, bytes]], entry: FileEntry, file: Any, digest: Any) -> tuple[int, str]:  # noqa: ANN401
    """Copy the content; returns its size and what is wrong with it."""
    at = size = 0
    for size, data in contents:  # noqa: B007 - the last one counts
        digest.update(data)
        file.write(data)
        at += len(data)
    if at < size:
        return at, f"only {at} of {size} bytes can be read"
    if entry.name_only:
        return 0, ""
    if entry.reallocated_bytes:
        return at, f"{entry.reallocated_bytes} bytes of its clusters belong to other files now"
    return at, entry.unsupported
