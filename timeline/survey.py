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
from timeline import ntfs_survey
from timeline.event import Problem
from timeline.found_files import FoundFile, Place
from timeline.recognition import NOTHING, Recognised, asks_for, by_name_alone, recognise
from timeline.sources import HEAD_BYTES, MemoryReader, SourceFile, local_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from preserve.filesystem import FileEntry
    from preserve.image import Image
    from preserve.keys import Keys
    from preserve.mft_table import MftTable
    from preserve.recipe import Recipe
    from timeline.event import State
    from timeline.ntfs_survey import StaleRow

_MOST_LOCAL_FILES = 5_000_000
_SYMLINKS_NAMED = 10
_DEEPEST = 4  # media inside media
_VIRTUAL_DISKS = (b"QFI\xfb", b"KDMV", b"# Disk DescriptorFile", b"vhdxfile", b"conectix")


@dataclass(slots=True)
class PlaceSurvey:
    """One volume or folder: its files, what reads each (in the same order), entries of its file system."""

    place: Place
    files: list[FoundFile] = field(default_factory=list)
    recognised: list[Recognised] = field(default_factory=list)
    entries: Sequence[FileEntry] = ()
    table: MftTable | None = None
    """The master file table of NTFS, which takes the place of entries."""
    stale: list[StaleRow] = field(default_factory=list)
    """Names left in the slack of NTFS folder indexes."""
    kind: str = ""
    """Kind of file system (`ntfs`, `ext4` …); empty for local files."""
    state: State = "live"
    """`snapshot` for a volume of a shadow copy."""
    has_copies: bool = False
    """Whether shadow copies of it are surveyed as well."""
    _listing: dict[str, tuple[FoundFile, ...]] = field(default_factory=dict)

    def state_of(self, *, deleted: bool) -> State:
        """State of a file of this place."""
        return self.state if self.state != "live" else "deleted" if deleted else "live"

    def add(self, file: FoundFile, head: bytes | None, problems: list[Problem]) -> None:
        """One file with its first bytes; None where they have to be read through the file system.

        Such a file (compressed, say) is looked at by a worker process, if its name is one that a parser asks for.
        """
        self.files.append(file)
        self.recognised.append(self.look(file, head, problems))

    def look(self, file: FoundFile, head: bytes | None, problems: list[Problem]) -> Recognised:
        """Which parsers read a file, by its first bytes as `add` takes them."""
        name = file.path.rpartition("/")[2]
        if head is None:
            return by_name_alone(name)
        if not asks_for(name, head):
            return NOTHING
        looked = SourceFile(
            file.path,
            file.size,
            lambda: MemoryReader(head),
            layer=f"{self.place.layer}:{file.path}",
            state=file.state,
        )
        recognised = recognise(looked)
        problems += recognised.problems
        return recognised

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


def survey(path: Path, keys: Keys = ()) -> Iterator[SourceSurvey]:
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
        yield from _folder(path, keys)
    else:
        yield _single(path, keys)


def _single(path: Path, keys: Keys) -> SourceSurvey:
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
    return _image(path, keys)


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


def _folder(root: Path, keys: Keys) -> Iterator[SourceSurvey]:
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
            yield _image(path, keys)
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
    place = Place(None, 0, layer.removesuffix("|"), str(root or path.parent), str(root) if root is not None else "")
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


def _image(path: Path, keys: Keys) -> SourceSurvey:
    from preserve.recipe import Recipe  # noqa: PLC0415 - only for images

    recipe = Recipe(path.resolve())
    with recipe.open() as image:
        found = SourceSurvey(path.name, path, "image", size=image.size, stored_hashes=dict(image.stored_hashes))
        _medium(image, recipe, keys, found, state="live", depth=0)
    return found


def _medium(image: Image, recipe: Recipe, keys: Keys, found: SourceSurvey, *, state: State, depth: int) -> None:
    """The volumes of a medium, then the media inside it: unlocked and logical volumes, shadow copies."""
    from preserve import isolated  # noqa: PLC0415 - only for images
    from preserve.evidence import layer_of_volume, open_evidence  # noqa: PLC0415
    from preserve.inner import open_inner  # noqa: PLC0415
    from preserve.ntfs import NtfsFileSystem  # noqa: PLC0415
    from preserve.recipe import Recipe  # noqa: PLC0415

    evidence = open_evidence(image, walk=False, isolate=True, keys=keys, recipe=recipe)
    found.problems += [Problem(one.where, one.reason, one.detail, one.offset, one.size) for one in evidence.problems]
    for volume in evidence.volumes:
        filesystem = evidence.filesystems.get(volume.index)
        if filesystem is None:
            continue
        layer = f"{layer_of_volume(image, volume)}|{filesystem.layer}"
        place = Place(recipe, volume.index, layer, f"{recipe.path}#{layer}")
        one = PlaceSurvey(place, kind=filesystem.kind, state=state)
        one.has_copies = any(inner.is_snapshot and inner.volume in (volume.index, -1) for inner in evidence.inner)
        if isinstance(filesystem, NtfsFileSystem):
            ntfs_survey.fill(one, filesystem, found.problems)
        else:
            walked = isolated.walk(image, volume, recipe=recipe)
            found.problems += [Problem(p.where, p.reason, p.detail, p.offset, p.size) for p in walked.problems]
            one.entries = walked.entries
            _recognise_entries(image, one, found.problems)
        found.places.append(one)
    for inner in evidence.inner:
        if depth >= _DEEPEST or inner.kind == "file":
            continue
        inside = Recipe(recipe.path, (*recipe.steps, *inner.steps))
        try:
            medium = open_inner(image, inner)
            deeper: State = "snapshot" if inner.is_snapshot else state
            _medium(medium, inside, keys, found, state=deeper, depth=depth + 1)
        except EvidenceError as error:
            found.problems.append(Problem(inner.layer, "damaged", f"{inner.description}: {error.en}"))


def _recognise_entries(image: Image, survey: PlaceSurvey, problems: list[Problem]) -> None:
    """Ask the parsers for each file of a volume by its first bytes, read straight from the medium."""
    seen: set[tuple[int, int, int, int, int]] = set()
    for entry in survey.entries:
        if entry.kind not in ("file", "stream", "metadata") or not entry.size or entry.name_only or entry.id in seen:
            continue
        seen.add(entry.id)
        state = survey.state_of(deleted=entry.state == "deleted")
        file = FoundFile(entry.path, entry.size, state, entry.id, sparse=entry.sparse, times=entry.times)
        survey.add(file, _head(image, entry), problems)


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
