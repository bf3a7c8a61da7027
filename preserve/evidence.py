"""A whole medium, opened and walked once: volumes, file systems, every file, whose bytes are whose."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from preserve import encryption, inner, isolated, ntfs, signatures
from preserve.extents import ExtentMap
from preserve.filesystem import FileEntry, FileSystem, open_filesystem
from preserve.image import Image, Problem, Range, open_image
from preserve.recipe import Recipe, Step
from preserve.volumes import Volume, open_volumes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from preserve.inner import Inner
    from preserve.keys import Keys

_MOST_ERRORS = 10_000  # ranges that the imaging tool recorded as unreadable


@dataclass(slots=True)
class Evidence:
    """What is on a medium.

    `filesystems` holds for each volume, by its index, its file system. `outside` are ranges in no volume,
    `problems` everything that could not be read in full.
    """

    image: Image
    volumes: list[Volume]
    filesystems: dict[int, FileSystem]
    entries: list[FileEntry]
    extents: ExtentMap
    outside: list[Range]
    encryption: list[encryption.Encryption]
    problems: list[Problem] = field(default_factory=list)
    inner: list[Inner] = field(default_factory=list)
    """Media inside this one that can be opened: unlocked volumes, logical volumes, shadow copies."""
    recipe: Recipe | None = None
    """How the medium is opened again; None where it is not known."""
    is_inside: bool = False
    """Whether it lies inside another medium that is read too."""

    @property
    def unallocated(self) -> Sequence[Range]:
        """Space of the volumes that no allocated run covers."""
        return self.extents.unallocated


def layer_of_volume(image: Image, volume: Volume) -> str:
    """`e01:disk.E01|gpt:2`, or `e01:disk.E01` where there is no table."""
    return f"{image.layer}|{volume.layer}" if volume.layer else image.layer


def open_evidence(
    image: Image, *, walk: bool = True, isolate: bool = False, keys: Keys = (), recipe: Recipe | None = None
) -> Evidence:
    """Open volumes and file systems of a medium and list every file (`walk=False`: no files, no map of them).

    `keys` are tried on encrypted volumes; what opens is in `inner`, like logical volumes and shadow copies, and is
    opened by `preserve.inner.open_inner`. `recipe` says how another process opens `image`; without it, from its file.

    `isolate=True` lets The Sleuth Kit walk in a child process first, so that a hostile file system that crashes it or
    makes it hang ends as a Problem; NTFS is parsed without it and needs no child. Callers must then be importable by
    a spawned process (`if __name__ == "__main__":`).
    """
    problems: list[Problem] = [
        Problem(image.layer, "damaged", "could not be read when the image was made", one.offset, one.size)
        for one in getattr(image, "acquisition_errors", ())[:_MOST_ERRORS]
    ]
    problems += getattr(image, "problems", ())
    if recipe is None and image.segments:
        recipe = Recipe(image.segments[0])
    volumes, outside = open_volumes(image, problems=problems)
    within: list[Inner] = inner.snapshots(image)
    logical, physical, missing = inner.logical(image, volumes)
    within += logical
    problems += missing
    filesystems: dict[int, FileSystem] = {}
    seen: list[encryption.Encryption] = []
    entries: list[FileEntry] = []
    metadata: list[Range] = []
    for volume in volumes:
        where = layer_of_volume(image, volume)
        encrypted = encryption.find_encryption(volume, where, volume.offset)
        if encrypted is not None:
            seen.append(encrypted)
            opened = None if recipe is None else inner.unlock(recipe, volume, encrypted, keys)
            if opened is None:
                problems.append(Problem(where, "encrypted", encrypted.kind, volume.offset, volume.size))
            elif isinstance(opened, Problem):
                problems.append(opened)
            else:
                within.append(opened)
            continue
        if volume.index in physical:
            continue
        filesystem: FileSystem | None = ntfs.open_ntfs(volume, problems)
        if filesystem is None and isolate:
            result = isolated.walk(image, volume, files=walk, recipe=recipe)
            entries += result.entries
            metadata += result.metadata
            problems += result.problems
            if result.has_filesystem:
                # What the child opened safely is opened here for the content of what it listed.
                filesystem = open_filesystem(volume, [])
            elif not result.is_sound:
                continue
        elif filesystem is None:
            filesystem = open_filesystem(volume, problems)
            if filesystem is not None and walk:
                entries += filesystem.walk()
                metadata += filesystem.metadata()
        elif walk:
            entries += filesystem.walk()
            metadata += filesystem.metadata()
        if filesystem is None:
            problems.append(_no_filesystem(volume, where))
            continue
        filesystems[volume.index] = filesystem
        if filesystem.kind == "ntfs" and recipe is not None and not any(step.kind == "vss" for step in recipe.steps):
            copies, said = inner.shadows(recipe, volume, where)
            within += copies
            problems += said
    slack = [
        Range(fs.offset + fs.size, volumes[index].size - fs.size)
        for index, fs in filesystems.items()
        if fs.size < volumes[index].size
    ]
    areas = [Range(volume.offset, volume.size) for volume in volumes]
    extents = ExtentMap(entries, metadata, areas, slack)
    for index, size in extents.reallocated.items():
        entries[index].reallocated_bytes = size
    return Evidence(image, volumes, filesystems, entries, extents, outside, seen, problems, within, recipe)


@contextmanager
def open_inside(path: Path, names: Sequence[str], *, keys: Keys = (), walk: bool = True) -> Iterator[Evidence]:
    """Open the image at `path`, then the media inside it that `names` lead to, one in another; see `inner.choose`.

    Raises UsageError, EvidenceError. Libraries in C run in child processes, as with `isolate=True`.
    """
    with open_image(path) as image:
        steps: tuple[Step, ...] = ()
        evidence = open_evidence(image, walk=walk or bool(names), isolate=True, keys=keys, recipe=Recipe(path))
        for name in names:
            chosen = inner.choose(evidence, name)
            steps += chosen.steps
            medium = inner.open_inner(evidence.image, chosen)
            evidence = open_evidence(medium, isolate=True, keys=keys, recipe=Recipe(path, steps))
        yield evidence


_UNSUPPORTED = {
    "xfs": "XFS",
    "btrfs": "Btrfs",
    "refs": "ReFS",
    "hfs": "HFS (not HFS+)",
    "lvm": "Linux LVM",
    "swap": "Linux swap",
    "mdraid": "Linux software RAID",
}


def _no_filesystem(volume: Volume, where: str) -> Problem:
    """Why a volume has no files: a file system that is not read, a damaged one, or none."""
    known = signatures.on_disk(volume.read_at(0, 0x11000))
    if known in _UNSUPPORTED:
        return Problem(where, "unsupported", f"{_UNSUPPORTED[known]} is not read", volume.offset, volume.size)
    if known:
        return Problem(where, "damaged", f"{known}: the file system cannot be read", volume.offset, volume.size)
    if encryption.looks_encrypted(volume):
        detail = "no file system; its bytes are random throughout: wiped, or encrypted without a signature (VeraCrypt)"
        return Problem(where, "encrypted", detail, volume.offset, volume.size)
    return Problem(where, "damaged", "no file system found", volume.offset, volume.size)


def layers_of(evidence: Evidence, entry: FileEntry) -> str:
    """The chain of layers down to a file: `e01:disk.E01|gpt:2|ntfs:/Users/user/給与.xlsx`."""
    volume = evidence.volumes[entry.volume]
    filesystem = evidence.filesystems[entry.volume]
    return f"{layer_of_volume(evidence.image, volume)}|{filesystem.layer}:{entry.path}"
