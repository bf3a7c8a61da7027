"""What a source holds: its volumes or folders, all their files, which parsers read which, and file-system times.

A source is an image in any format that `preserve` opens, a folder, or a single file. What a file is, its content says.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from chain_of_custody.errors import EvidenceError, HozenError, UsageError
from chain_of_custody.masking import mask_text
from preserve import signatures
from timeline.event import Problem
from timeline.found_files import FoundFile, Place
from timeline.recognition import NOTHING, Recognised, recognise
from timeline.sources import HEAD_BYTES, MemoryReader, SourceFile, local_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from preserve.filesystem import FileEntry
    from preserve.image import Image
    from timeline.event import State

_MOST_LOCAL_FILES = 5_000_000
_SYMLINKS_NAMED = 10
_VIRTUAL_DISKS = (b"QFI\xfb", b"KDMV", b"# Disk DescriptorFile", b"vhdxfile", b"conectix")


@dataclass(slots=True)
class PlaceSurvey:
    """One volume or folder: its files, what reads each (in the same order), entries of its file system."""

    place: Place
    files: list[FoundFile] = field(default_factory=list)
    recognised: list[Recognised] = field(default_factory=list)
    entries: Sequence[FileEntry] = ()
    kind: str = ""
    """Kind of file system (`ntfs`, `ext4` …); empty for local files."""
    _listing: dict[str, tuple[FoundFile, ...]] = field(default_factory=dict)

    def listing(self) -> Mapping[str, tuple[FoundFile, ...]]:
        """Files by folder."""
        if not self._listing:
            folders: dict[str, list[FoundFile]] = {}
            for one in self.files:
                folders.setdefault(one.folder, []).append(one)
            self._listing = {folder: tuple(members) for folder, members in folders.items()}
        return self._listing


@dataclass(slots=True)
class SourceSurvey:
    """One source as it was given."""

    name: str
    path: Path
    kind: Literal["image", "folder", "file"]
    places: list[PlaceSurvey] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    size: int = 0
    stored_hashes: Mapping[str, str] = field(default_factory=dict)


def survey(path: Path) -> Iterator[SourceSurvey]:
    """The source at `path`; a folder also gives the images that lie in it, each as a source of its own.

    Raises UsageError where there is nothing, EvidenceError where it cannot be read at all.
    """
    try:
        mode_is_folder = path.is_dir()
        if not mode_is_folder and not path.exists():
            raise UsageError(f"{mask_text(str(path))} がありません", f"{mask_text(str(path))} does not exist")
    except OSError as error:
        raise EvidenceError(f"読めません: {error.strerror}", f"cannot be read: {error.strerror}") from error
    if mode_is_folder:
        yield from _folder(path)
    else:
        yield _single(path)


def _single(path: Path) -> SourceSurvey:
    """A single file: a container or a virtual disk is an image; then parsers are asked; then what looks like a disk."""
    file = local_file(path)
    if not file.size:
        found = SourceSurvey(path.name, path, "file")
        found.problems.append(Problem(file.layer, "incomplete", "the file is empty"))
        found.places.append(_local_place(path, [path], found.problems, root=None))
        return found
    if not _is_image(file.head):
        found = SourceSurvey(path.name, path, "file", size=file.size)
        found.places.append(_local_place(path, [path], found.problems, root=None))
        if found.places[0].recognised[0].parsers or not _may_be_raw(path):
            return found
    return _image(path)


def _is_image(head: bytes) -> bool:
    """Whether a file is an image by its first bytes: a forensic container or a virtual disk."""
    if signatures.container(head) or head.startswith(_VIRTUAL_DISKS):
        return True
    return head[64:68] == b"\x7f\x10\xda\xbe"  # VDI, behind its words


def _may_be_raw(path: Path) -> bool:
    """Whether a file that no parser knows is a raw image: volumes or a file system are on it."""
    from preserve.image import open_image  # noqa: PLC0415 - only where it comes to that

    try:
        with open_image(path, threads=1) as image:
            return bool(signatures.on_disk(image.read_at(0, 0x11000)))
    except HozenError:
        return False


def _folder(root: Path) -> Iterator[SourceSurvey]:
    found = SourceSurvey(root.name or str(root), root, "folder")
    paths: list[Path] = []
    images: list[Path] = []
    links = 0
    for path in _walk(root, found.problems):
        if path.is_symlink():
            links += 1
            if links <= _SYMLINKS_NAMED:
                shown = f"folder:{root.name}|/{path.relative_to(root).as_posix()}"
                found.problems.append(Problem(shown, "unsupported", "a symbolic link: not followed"))
            continue
        try:
            with path.open("rb") as file:
                head = file.read(HEAD_BYTES)
        except OSError:
            head = b""
        if head and _is_image(head):
            if _is_first_segment(path):
                images.append(path)
            continue
        paths.append(path)
        if len(paths) >= _MOST_LOCAL_FILES:
            found.problems.append(Problem(f"folder:{root.name}", "limit", f"more than {_MOST_LOCAL_FILES} files"))
            break
    place = _local_place(root, paths, found.problems, root=root)
    found.places.append(place)
    found.size = sum(one.size for one in place.files)
    raw = [
        index
        for index, (one, recognised) in enumerate(zip(place.files, place.recognised, strict=True))
        if not recognised.parsers and one.size >= 1 << 16 and _may_be_raw(Path(one.local))
    ]
    images += [Path(place.files[index].local) for index in raw]
    for index in reversed(raw):
        del place.files[index], place.recognised[index]
    yield found
    for path in images:
        try:
            yield _image(path)
        except EvidenceError as error:
            found.problems.append(Problem(f"folder:{root.name}|/{path.relative_to(root)}", "damaged", error.en))


def _is_first_segment(path: Path) -> bool:
    """Whether an image file is not a later segment of another (`.E02` and on)."""
    suffix = path.suffix.lower()
    return not (
        suffix[:2] in (".e", ".l", ".s") and suffix[2:].isalnum() and len(suffix) >= 4 and suffix[2:] != "01"
    ) or (suffix in (".ex01", ".lx01"))


def _walk(root: Path, problems: list[Problem]) -> Iterator[Path]:
    """All files below `root` in order of their names; what cannot be listed is a problem."""

    def failed(error: OSError) -> None:
        shown = os.path.relpath(error.filename or root, root)
        problems.append(Problem(f"folder:{root.name}|/{shown}", "damaged", f"cannot be listed: {error.strerror}"))

    for folder, folders, names in os.walk(root, onerror=failed):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            if path.is_symlink() or path.is_file():
                yield path


def _local_place(path: Path, paths: Sequence[Path], problems: list[Problem], *, root: Path | None) -> PlaceSurvey:
    layer = f"folder:{root.name}|" if root is not None else f"file:{path.name}|"
    place = Place("", 0, layer.removesuffix("|"), str(root or path.parent), str(root) if root is not None else "")
    survey = PlaceSurvey(place)
    for one in paths:
        try:
            file = local_file(one, root=root)
            recognised = recognise(file)
        except OSError as error:
            problems.append(Problem(f"{layer}{one.name}", "damaged", f"cannot be read: {error.strerror}"))
            continue
        survey.files.append(FoundFile(file.path, file.size, local=str(one.resolve())))
        survey.recognised.append(recognised)
        problems += recognised.problems
    return survey


# --- images -----------------------------------------------------------------------------------------------------------


def _image(path: Path) -> SourceSurvey:
    from preserve.evidence import layer_of_volume, open_evidence  # noqa: PLC0415 - only for images
    from preserve.image import open_image  # noqa: PLC0415

    found = SourceSurvey(path.name, path, "image")
    with open_image(path) as image:
        found.size, found.stored_hashes = image.size, dict(image.stored_hashes)
        evidence = open_evidence(image, isolate=True)
        found.problems += [
            Problem(one.where, one.reason, one.detail, one.offset, one.size) for one in evidence.problems
        ]
        by_volume: dict[int, list[FileEntry]] = {}
        for entry in evidence.entries:
            by_volume.setdefault(entry.volume, []).append(entry)
        for volume in evidence.volumes:
            filesystem = evidence.filesystems.get(volume.index)
            if filesystem is None:
                continue
            layer = f"{layer_of_volume(image, volume)}|{filesystem.layer}"
            place = Place(str(path.resolve()), volume.index, layer, f"{path.resolve()}#{volume.index}")
            one = PlaceSurvey(place, entries=by_volume.get(volume.index, []), kind=filesystem.kind)
            _recognise_entries(image, one, found.problems)
            found.places.append(one)
    return found


STATE: Mapping[str, State] = {"allocated": "live", "deleted": "deleted"}


def _recognise_entries(image: Image, survey: PlaceSurvey, problems: list[Problem]) -> None:
    """Ask the parsers for each file of a volume by its first bytes, read straight from the medium."""
    seen: set[tuple[int, int, int, int, int]] = set()
    for entry in survey.entries:
        if entry.kind not in ("file", "stream", "metadata") or not entry.size or entry.name_only or entry.id in seen:
            continue
        seen.add(entry.id)
        state = STATE[entry.state]
        file = FoundFile(entry.path, entry.size, state, entry.id, sparse=entry.sparse, times=entry.times)
        survey.files.append(file)
        head = _head(image, entry)
        if head is None:
            survey.recognised.append(NOTHING)
            continue
        looked = SourceFile(
            entry.path,
            entry.size,
            lambda head=head: MemoryReader(head),  # type: ignore[misc]
            layer=f"{survey.place.layer}:{entry.path}",
            state=state,
        )
        recognised = recognise(looked)
        survey.recognised.append(recognised)
        problems += recognised.problems


def _head(image: Image, entry: FileEntry) -> bytes | None:
    """The first bytes of a file; None where they do not lie on the medium as they are (compressed, encrypted)."""
    size = min(entry.size, HEAD_BYTES)
    if entry.resident_offset is not None:
        return image.read_at(entry.resident_offset, size)
    if not entry.on_disk or not entry.runs:
        return None
    parts = []
    left = size
    for run in entry.runs:
        take = min(run.size, left)
        parts.append(bytes(take) if run.offset is None else image.read_at(run.offset, take))
        left -= take
        if left <= 0:
            break
    return b"".join(parts)
