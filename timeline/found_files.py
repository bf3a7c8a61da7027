"""Files that a source holds, as they travel to worker processes, and as parsers see them there."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from chain_of_custody.errors import EvidenceFormatError
from timeline.sources import SourceFile, local_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from preserve.file_times import FileTime
    from preserve.filesystem import FileId, FileSystem
    from preserve.image import Image
    from preserve.recipe import Recipe
    from preserve.volumes import Volume
    from timeline.event import State
    from timeline.sources import Reader


@dataclass(frozen=True, slots=True)
class FoundFile:
    """One file of a source. `id` names it on an image, `local` on this machine; one of them is given."""

    path: str
    size: int
    state: State = "live"
    id: FileId | None = None
    local: str = ""
    sparse: bool = False
    times: Mapping[str, FileTime] = field(default_factory=dict, compare=False)

    @property
    def folder(self) -> str:
        """Path of its folder; a stream lies in the folder of its file."""
        return self.path.rpartition("/")[0]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the files of a volume or folder lie: what a worker needs to open them again.

    `recipe` opens the medium (None for local files) and `volume` is the index of the volume on it; `layer` is the chain
    of layers without the path.
    """

    recipe: Recipe | None
    volume: int
    layer: str
    mount: str
    root: str = ""


class Opener(Protocol):
    """Opens the content of a file of a place."""

    def open(self, place: Place, file: FoundFile, /) -> Reader:
        """Raises EvidenceError."""
        ...


class Images:
    """Images that a process has open, with their volumes and file systems, each opened when it is first needed."""

    def __init__(self) -> None:
        self._images: dict[Recipe, tuple[Image, list[Volume]]] = {}
        self._filesystems: dict[tuple[Recipe, int], FileSystem] = {}

    def volume(self, place: Place) -> Volume:
        """The volume of a place. Raises EvidenceError, UsageError."""
        from preserve.volumes import open_volumes  # noqa: PLC0415 - only where there is an image

        assert place.recipe is not None
        if place.recipe not in self._images:
            image = place.recipe.open(threads=1)
            self._images[place.recipe] = (image, open_volumes(image)[0])
        return self._images[place.recipe][1][place.volume]

    def filesystem(self, place: Place) -> FileSystem:
        """The file system of a place. Raises EvidenceError."""
        from preserve.filesystem import open_filesystem  # noqa: PLC0415

        assert place.recipe is not None
        key = (place.recipe, place.volume)
        if key not in self._filesystems:
            found = open_filesystem(self.volume(place), [])
            if found is None:
                raise EvidenceFormatError("ファイルシステムを開けません", "the file system cannot be opened")
            self._filesystems[key] = found
        return self._filesystems[key]

    def open(self, place: Place, file: FoundFile) -> Reader:
        """The content of a file on an image. Raises EvidenceError."""
        assert file.id is not None
        return self.filesystem(place).open(file.id)


def source_file(
    images: Opener, place: Place, file: FoundFile, listing: Mapping[str, Sequence[FoundFile]]
) -> SourceFile:
    """`file` as parsers see it; `listing` holds the files of folders that the build knows, by folder path."""
    if file.local:
        return local_file(Path(file.local), root=Path(place.root).absolute() if place.root else None)

    def siblings() -> list[SourceFile]:
        return [source_file(images, place, one, listing) for one in listing.get(file.folder, ())]

    def at(path: str) -> SourceFile | None:
        found = (one for one in listing.get(path.rpartition("/")[0], ()) if one.path.casefold() == path.casefold())
        one = next(found, None)
        return source_file(images, place, one, listing) if one is not None else None

    return SourceFile(
        file.path,
        file.size,
        lambda: images.open(place, file),
        layer=f"{place.layer}:{file.path}",
        state=file.state,
        mount=place.mount,
        times=file.times,
        siblings=siblings,
        at=at,
    )
