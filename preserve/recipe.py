"""How a medium is opened again, in any process: a file of this machine and the steps down to a layer inside it.

```python
recipe = Recipe(Path("disk.E01"), (Step("volume", 1), Step("bitlocker", key=key), Step("volume", 0), Step("vss", 3)))
with recipe.open() as image:
    ...
```
A step is picklable and small; keys in it are hidden from `repr`. Steps are found by `preserve.inner`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from chain_of_custody.errors import EvidenceFormatError
from preserve.derived import DerivedImage
from preserve.image import open_image
from preserve.volumes import Volume, open_volumes

if TYPE_CHECKING:
    from pathlib import Path

    from preserve.filesystem import FileId
    from preserve.image import Image
    from preserve.keys import VolumeKey

StepKind = Literal["volume", "bitlocker", "luks", "lvm", "vss", "file", "qcow2"]


@dataclass(frozen=True, slots=True)
class Step:
    """One layer down.

    `number` is the index of a volume, or the number of a store or snapshot; `name` names a logical volume or the file
    at `path`; `files` are the file and those beside it, (name, id).
    """

    kind: StepKind
    number: int = 0
    name: str = ""
    path: str = ""
    files: tuple[tuple[str, FileId], ...] = ()
    key: VolumeKey | None = field(default=None, repr=False)
    master_key: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Recipe:
    """The file and the steps."""

    path: Path
    steps: tuple[Step, ...] = ()

    def open(self, *, threads: int | None = None) -> Image:
        """Open the medium. Raises EvidenceError and what `open_image` raises."""
        source = open_image(self.path, threads=threads)
        try:
            image = follow(source, self.steps)
        except BaseException:
            source.close()
            raise
        if isinstance(image, DerivedImage) and image is not source:
            image.below = source
        return image


def follow(image: Image, steps: tuple[Step, ...]) -> Image:
    """The image that the steps lead to from `image`, which stays open under it. Raises EvidenceError."""
    for step in steps:
        image = _into(image, step)
    return image


def _layer(image: Image) -> str:
    if not isinstance(image, Volume):
        return image.layer
    return f"{image.image.layer}|{image.layer}" if image.layer else image.image.layer


def _into(image: Image, step: Step) -> Image:
    # Each layer is loaded only where it occurs.
    match step.kind:
        case "volume":
            volumes, _ = open_volumes(image)
            if step.number >= len(volumes):
                raise EvidenceFormatError("ボリュームがありません", f"there is no volume {step.number}")
            return volumes[step.number]
        case "bitlocker":
            from preserve.bitlocker import BitLockerImage  # noqa: PLC0415

            return BitLockerImage(image, step.key, f"{_layer(image)}|bitlocker")
        case "luks":
            from preserve.luks import LuksImage  # noqa: PLC0415

            return LuksImage(image, step.master_key, f"{_layer(image)}|luks")
        case "vss":
            from preserve.shadows import ShadowImage  # noqa: PLC0415

            return ShadowImage(image, step.number, f"{_layer(image)}|vss:{step.number}")
        case "lvm":
            return _logical(image, step.name)
        case "qcow2":
            from preserve.qcow import QcowImage  # noqa: PLC0415

            if not isinstance(image, QcowImage):
                raise EvidenceFormatError("qcow2 ではありません", "not a qcow2 disk")
            return image.at_snapshot(step.number)
        case "file":
            return _file(image, step)


def _logical(medium: Image, name: str) -> Image:
    from preserve.lvm import LogicalImage, logical_volumes, read_physical_volume  # noqa: PLC0415

    images: dict[str, Image] = {}
    found = []
    for volume in open_volumes(medium)[0]:
        physical = read_physical_volume(volume)
        if physical is not None:
            images.setdefault(physical.identifier, volume)
            found.append(physical)
    for one in logical_volumes(found):
        if one.name == name:
            return LogicalImage(one, images, f"{medium.layer}|lvm:{name}", medium)
    raise EvidenceFormatError("論理ボリュームがありません", f"there is no logical volume {name}")


def _file(volume: Image, step: Step) -> Image:
    from preserve.filesystem import open_filesystem  # noqa: PLC0415
    from preserve.nested import open_nested  # noqa: PLC0415

    if not isinstance(volume, Volume):
        raise EvidenceFormatError("ボリュームではありません", "not a volume")
    filesystem = open_filesystem(volume, [])
    if filesystem is None:
        raise EvidenceFormatError("ファイルシステムを開けません", "the file system cannot be opened")
    readers = {name: filesystem.open(file_id) for name, file_id in step.files}
    return open_nested(step.name, readers, f"{_layer(volume)}|{filesystem.layer}:{step.path}")
