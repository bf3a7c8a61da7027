"""What lies where on the medium, as a scan needs it: files to read, and the place of each as findings show it."""

from __future__ import annotations

import posixpath
import re
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from chain_of_custody.errors import EvidenceFormatError
from chain_of_custody.masking import mask_text
from preserve.evidence import layer_of_volume, open_evidence
from preserve.image import Range, open_image
from preserve.inner import open_inner
from preserve.recipe import Recipe
from triage.merge import FilePlace, Piece
from triage.recycled import RecycleBin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from preserve.evidence import Evidence
    from preserve.file_times import FileTime
    from preserve.filesystem import FileEntry
    from preserve.image import Image
    from preserve.inner import Inner
    from preserve.keys import Keys
    from triage.raw_hits import RawHits
    from triage.snapshots import Snapshot

STORE_NAME = re.compile(r"\{3808876b-c176-4e48-b7ae-04046e6cc752\}$", re.IGNORECASE)
"""How files end that hold shadow copies."""
TWELVE_DIGITS = re.compile(r"\d(?:[^\d/]?\d){11}")
"""A cheap look whether a name is worth judging."""


@dataclass(frozen=True, slots=True)
class MappedFile:
    """One stream to be read by pass 2. `number` is the index of its entry; `visible`: see `FileTask`."""

    number: int
    file_id: tuple[int, int, int, int, int]
    name: str
    size: int
    visible: bool


@dataclass(frozen=True, slots=True)
class StatedRange:
    """A range of the medium in no live file, with its state ("unallocated" or "outside")."""

    offset: int
    size: int
    state: str


class EvidenceMap:
    """The medium with everything found on it; open while the scan runs."""

    def __init__(self, evidence: Evidence, snapshot: Snapshot | None = None) -> None:
        self.evidence = evidence
        self.inner = evidence.inner
        """Media inside this one, as far as its volumes show them."""
        self._snapshot = snapshot
        self._bin = RecycleBin(evidence)
        self.image: Image = evidence.image
        self.volumes = evidence.volumes
        self.problems = evidence.problems
        self.outside = evidence.outside
        self.entries = evidence.entries
        self.extents = evidence.extents
        self.kinds = {index: filesystem.kind for index, filesystem in evidence.filesystems.items()}
        """Kind of file system ("ntfs", "fat32" …) of each volume, by its index, where one was recognised."""
        self._chains = {
            volume.index: mask_text(
                f"{layer_of_volume(evidence.image, volume)}|{evidence.filesystems[volume.index].layer}"
                if volume.index in evidence.filesystems
                else layer_of_volume(evidence.image, volume)
            )
            for volume in evidence.volumes
        }
        first: dict[tuple[int, int, int, int, int], int] = {}
        self._file_of_entry: NDArray[np.int64] = np.full(len(self.entries) + 1, -1, dtype=np.int64)
        self.files: list[MappedFile] = []
        self.unreadable_files: list[int] = []
        for index, entry in enumerate(self.entries):
            owner = first.setdefault(entry.id, index)
            self._file_of_entry[index] = owner
            if owner != index or entry.kind not in ("file", "stream") or not entry.size or entry.name_only:
                continue
            if snapshot is not None and (index in snapshot.unchanged or STORE_NAME.search(entry.path)):
                continue
            if entry.reallocated_bytes >= entry.size:
                continue  # a deleted name only: all of its content belongs to live files, which are read as such
            if entry.encrypted or entry.unsupported:
                self.unreadable_files.append(index)
            else:
                self.files.append(_mapped(index, entry))

    @property
    def ranges_without_file(self) -> list[StatedRange]:
        """Space that no live file takes: for searches that read on their own."""
        unallocated, outside = list(self.extents.unallocated), self.outside
        if self._snapshot is not None:
            unallocated, outside = self._snapshot.parts(unallocated), self._snapshot.parts(outside)
        return sorted(
            [StatedRange(part.offset, part.size, "unallocated") for part in unallocated]
            + [StatedRange(part.offset, part.size, "outside") for part in outside],
            key=lambda part: part.offset,
        )

    @property
    def is_snapshot(self) -> bool:
        """Whether it is an earlier state of a medium that is scanned too."""
        return self._snapshot is not None

    @property
    def search_ranges(self) -> list[Range] | None:
        """What pass 1 has to read; None for everything (a source is always read whole, for its hashes)."""
        if self._snapshot is not None:
            return self._snapshot.changed
        data = getattr(self.image, "data_ranges", None)
        return data() if data is not None and self.evidence.is_inside else None

    def is_new(self, hits: RawHits, files: NDArray[np.int64], in_file: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """For each raw hit, in file number `files` where `in_file`, whether it has to be judged here."""
        if self._snapshot is None:
            return np.ones(len(hits.offsets), np.bool_)
        same = np.array(sorted(self._snapshot.unchanged), dtype=np.int64)
        return self._snapshot.is_new(hits) & ~(np.isin(files, same) & in_file)

    def names_with_digits(self) -> Iterator[tuple[int, str]]:
        """Entries (by index) whose own name may hold a number; each path once."""
        seen: set[str] = set()
        for index, entry in enumerate(self.entries):
            if self._snapshot is not None and index in self._snapshot.unchanged:
                continue
            name = posixpath.basename(entry.path)
            if TWELVE_DIGITS.search(name) and entry.path not in seen:
                seen.add(entry.path)
                yield index, name

    def file_numbers(self, entries: NDArray[np.int32]) -> NDArray[np.int64]:
        """For indices of entries (-1 none) the number of the file they name: hard links are one file."""
        return self._file_of_entry[entries]  # index -1 is the last element, which is -1

    def place(self, index: int) -> FilePlace:
        """Where entry number `index` lies, as findings show it."""
        entry = self.entries[index]
        path = mask_text(entry.path)
        origin = self._bin.origin(entry.path)
        return FilePlace(
            layers=f"{self._chains[entry.volume]}:{path}",
            path=path,
            state=entry.state,
            overwritten_bytes=entry.reallocated_bytes,
            times={name: time_to_json(time) for name, time in dict(entry.times).items()},
            file_id="-".join(map(str, entry.id)),
            pieces=_pieces(entry),
            recycled={"path": mask_text(origin.path), "deleted_ns": origin.deleted_ns} if origin else {},
        )

    def layers_at(self, offset: int) -> str:
        """The chain of layers down to the volume in which byte `offset` of the medium lies."""
        for volume in self.volumes:
            if volume.offset <= offset < volume.offset + volume.size:
                return self._chains[volume.index]
        return mask_text(self.image.layer)


def time_to_json(time: FileTime) -> dict[str, Any]:
    """A file time as findings hold it."""
    return {"ns": time.ns, "raw": time.raw, "precision_ns": time.precision_ns, "zone_known": time.zone_known}


def _mapped(index: int, entry: FileEntry) -> MappedFile:
    runs = entry.runs
    joined = all(
        before.offset is not None and after.offset is not None and before.offset + before.size == after.offset
        for before, after in pairwise(runs)
    )
    visible = entry.on_disk and not entry.resident and bool(runs) and runs[0].offset is not None and joined
    return MappedFile(index, entry.id, posixpath.basename(entry.path), entry.size, visible)


def _pieces(entry: FileEntry) -> tuple[Piece, ...]:
    if entry.resident and entry.resident_offset is not None:
        return (Piece(0, entry.resident_offset, entry.size),)
    if not entry.on_disk:
        return ()
    return tuple(Piece(run.file_offset, run.offset, run.size) for run in entry.runs if run.offset is not None)


@contextmanager
def walk(image_path: Path, *, threads: int, keys: Keys = ()) -> Iterator[EvidenceMap]:
    """Open the image and walk all its volumes; raises EvidenceError where the image cannot be opened.

    The parser in C runs in a child, so that a file system that crashes it costs its names and not the scan. `keys` are
    tried on encrypted volumes.
    """
    with open_image(image_path, threads=threads) as image:
        yield EvidenceMap(open_evidence(image, isolate=True, keys=keys, recipe=Recipe(image_path)))


@contextmanager
def walk_inner(outer: EvidenceMap, inner: Inner, *, keys: Keys = ()) -> Iterator[EvidenceMap]:
    """Open a medium inside another that is open, and walk it. Raises EvidenceError."""
    from triage.snapshots import Snapshot  # noqa: PLC0415 - rare

    around = outer.evidence.recipe
    if around is None:
        raise EvidenceFormatError("外側の媒体を開き直せません", "the medium around it cannot be opened again")
    recipe = Recipe(around.path, (*around.steps, *inner.steps))
    image = open_inner(outer.image, inner)
    evidence = open_evidence(image, isolate=True, keys=keys, recipe=recipe)
    evidence.is_inside = True
    snapshot = None
    if inner.is_snapshot:
        volume = inner.volume if inner.volume >= 0 else None
        snapshot = Snapshot(evidence, outer.evidence, volume, inner.changed)
    # Nothing is closed here: the bytes are those of the medium around it.
    yield EvidenceMap(evidence, snapshot)
