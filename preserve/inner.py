"""Media inside a medium: unlocked volumes, logical volumes, shadow copies, snapshots inside virtual disks.

`find_inner` looks at the volumes of a medium and says what can be opened further, with the steps to it, and what
cannot, with the reason and the way out. Libraries in C, and key derivations whose cost the evidence names, run in a
child process with a time limit.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from chain_of_custody.errors import EvidenceError, UsageError
from chain_of_custody.masking import mask_text
from preserve import isolated
from preserve.image import Problem, Range
from preserve.nested import looks_like_an_image, may_be_beside
from preserve.recipe import Recipe, Step, follow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from preserve.bitlocker import Attempt
    from preserve.encryption import Encryption
    from preserve.evidence import Evidence
    from preserve.filesystem import FileEntry, FileId, FileSystem
    from preserve.image import Image
    from preserve.keys import Keys
    from preserve.luks import Unlocked
    from preserve.shadows import Store
    from preserve.volumes import Volume

InnerKind = Literal["bitlocker", "luks", "lvm", "vss", "qcow2", "file"]
UNLOCK_SECONDS = 900.0
"""How long trying all keys on one volume may take."""
_LIST_SECONDS = 300.0
_MOST_BESIDE = 20_000
_EXTENT = re.compile(r"-(?:flat|delta|sesparse|[fs]\d{3})\.vmdk$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Inner:
    """A medium inside another. `steps` lead to it from there.

    `volume` is the index of the volume that carries it (-1 for the whole medium), `description` says what it is in
    words; `changed` is set for snapshots: the ranges of the volume in which they may differ from it, None for unknown.
    """

    kind: InnerKind
    layer: str
    steps: tuple[Step, ...]
    volume: int
    description: str
    created_ns: int | None = None
    changed: tuple[Range, ...] | None = None
    file: int = -1
    """Index of the entry that carries it, for `file`."""

    @property
    def is_snapshot(self) -> bool:
        """Whether it shows an earlier state of what is scanned anyway."""
        return self.kind in ("vss", "qcow2")


# --- what runs in the child -------------------------------------------------------------------------------------------


def _try_bitlocker(recipe: Recipe, keys: Keys, layer: str) -> Attempt:
    from preserve.bitlocker import attempt  # noqa: PLC0415

    with recipe.open(threads=1) as image:
        return attempt(image, keys, layer)


def _try_luks(recipe: Recipe, keys: Keys, layer: str) -> Unlocked | None:
    from preserve.luks import unlock  # noqa: PLC0415

    with recipe.open(threads=1) as image:
        return unlock(image, keys, layer)


def _list_stores(recipe: Recipe) -> list[Store]:
    from preserve.shadows import list_stores  # noqa: PLC0415

    with recipe.open(threads=1) as image:
        return list_stores(image)


# --- what is found ----------------------------------------------------------------------------------------------------


def unlock(recipe: Recipe, volume: Volume, seen: Encryption, keys: Keys) -> Inner | Problem:
    """Try the keys on an encrypted volume: the medium inside, or what is to be said."""
    where = seen.where
    step = Step("volume", volume.index)
    inside = Recipe(recipe.path, (*recipe.steps, step))

    def problem(detail: str) -> Problem:
        return Problem(where, "encrypted", detail, volume.offset, volume.size)

    try:
        if seen.kind.startswith("BitLocker"):
            tried = isolated.call(_try_bitlocker, inside, keys, where, seconds=UNLOCK_SECONDS)
            protectors = ", ".join(tried.protectors) or "none known"
            if tried.key is None:
                detail = (
                    f"{seen.kind} ({tried.method}; protectors: {protectors}): locked. Unlock it with --keys FILE, "
                    "a line *:recovery:111111-… or *:password:…"
                )
                return problem(detail)
            key = None if tried.key < 0 else keys[tried.key]
            how = "clear key" if key is None else f"{key.kind} key" if key.kind != "password" else "password"
            steps = (step, Step("bitlocker", key=key))
            return Inner(
                "bitlocker",
                f"{where}|bitlocker",
                steps,
                volume.index,
                f"{seen.kind}, {tried.method}, unlocked by {how}",
            )
        if seen.kind.startswith("LUKS"):
            opened = isolated.call(_try_luks, inside, keys, where, seconds=UNLOCK_SECONDS)
            if opened is None:
                return problem(f"{seen.kind}: locked. Unlock it with --keys FILE, a line *:password:… or *:keyfile:…")
            steps = (step, Step("luks", master_key=opened.master_key))
            return Inner("luks", f"{where}|luks", steps, volume.index, opened.description)
    except EvidenceError as error:
        return problem(f"{seen.kind}: {error.en}")
    return problem(f"{seen.kind}: cannot be unlocked here; decrypt it with its own software and image the result")


def logical(image: Image, partitions: Sequence[Volume]) -> tuple[list[Inner], set[int], list[Problem]]:
    """Logical volumes on the physical volumes among `partitions`, the indices of those, and what is missing."""
    from preserve.lvm import logical_volumes, read_physical_volume  # noqa: PLC0415 - only where there is LVM

    physical = {part.index: one for part in partitions if (one := read_physical_volume(part)) is not None}
    if not physical:
        return [], set(), []
    found: list[Inner] = []
    problems: list[Problem] = []
    for volume in logical_volumes(list(physical.values())):
        layer = f"{image.layer}|lvm:{volume.name}"
        if volume.unsupported or not volume.size:
            problems.append(Problem(layer, "unsupported", f"LVM: {volume.unsupported or 'an empty volume'}"))
            continue
        if volume.missing:
            detail = f"LVM: physical volumes are not on this medium: {', '.join(volume.missing)}"
            problems.append(Problem(layer, "damaged", detail))
        steps = (Step("lvm", name=volume.name),)
        carrier = next(iter(physical)) if len(physical) == 1 else -1
        found.append(Inner("lvm", layer, steps, carrier, f"LVM logical volume {volume.name}"))
    if not found and not problems:
        problems.append(Problem(f"{image.layer}|lvm", "damaged", "LVM: no metadata of a volume group can be read"))
    return found, set(physical), problems


def shadows(recipe: Recipe, volume: Volume, where: str) -> tuple[list[Inner], list[Problem]]:
    """The shadow copies of an NTFS volume, oldest first."""
    from preserve.shadows import has_shadows  # noqa: PLC0415 - numpy

    if not has_shadows(volume):
        return [], []
    step = Step("volume", volume.index)
    try:
        stores = isolated.call(_list_stores, Recipe(recipe.path, (*recipe.steps, step)), seconds=_LIST_SECONDS)
    except EvidenceError as error:
        return [], [Problem(f"{where}|vss", "damaged", f"shadow copies: {error.en}", volume.offset, volume.size)]
    found: list[Inner] = []
    problems: list[Problem] = []
    for store in stores:
        layer = f"{where}|vss:{store.number}"
        if not store.is_complete:
            problems.append(Problem(layer, "unsupported", "the data of the shadow copy lies on another volume"))
            continue
        steps = (step, Step("vss", store.number))
        description = f"shadow copy {store.number} ({store.identifier}), {store.block_count} blocks"
        found.append(Inner("vss", layer, steps, volume.index, description, store.created_ns, store.changed))
    return found, problems


def snapshots(image: Image) -> list[Inner]:
    """Internal snapshots of a qcow2 disk."""
    found = []
    for number, one in enumerate(getattr(image, "snapshots", ())):
        layer = f"{image.layer}|snapshot:{number + 1}"
        description = f"internal snapshot {number + 1}: {one.name}"
        found.append(Inner("qcow2", layer, (Step("qcow2", number),), -1, description, one.seconds * 10**9))
    return found


def in_files(evidence: Evidence, holders: Iterable[int]) -> Iterator[Inner]:
    """The media in files that hold images (by the index of their entries), with what lies beside each."""
    chosen = sorted(set(holders))
    if not chosen:
        return
    folders: dict[tuple[int, str], list[FileEntry]] = {}
    wanted = {(evidence.entries[index].volume, posixpath.dirname(evidence.entries[index].path)) for index in chosen}
    for entry in evidence.entries:
        if entry.kind != "file" or entry.name_only or entry.unsupported or not may_be_beside(entry.path):
            continue
        key = (entry.volume, posixpath.dirname(entry.path))
        if key in wanted and len(folders.setdefault(key, [])) < _MOST_BESIDE:
            folders[key].append(entry)
    for index in chosen:
        entry = evidence.entries[index]
        beside = folders.get((entry.volume, posixpath.dirname(entry.path)), [])
        name = posixpath.basename(entry.path)
        names = {posixpath.basename(one.path).lower() for one in beside}
        if (match := _EXTENT.search(name)) and f"{name[: match.start()]}.vmdk".lower() in names:
            continue  # an extent, read through its descriptor
        files: dict[str, FileId] = {name: entry.id}
        if looks_like_an_image(name):
            for one in beside:
                files.setdefault(posixpath.basename(one.path), one.id)
        layer = _chain(evidence.image, evidence.volumes[entry.volume], evidence.filesystems[entry.volume])
        step = Step("file", name=name, path=entry.path, files=tuple(files.items()))
        steps = (Step("volume", entry.volume), step)
        yield Inner("file", f"{layer}:{entry.path}", steps, entry.volume, "image in a file", file=index)


def _chain(image: Image, volume: Volume, filesystem: FileSystem) -> str:
    """The chain of layers down to a file system."""
    chain = f"{image.layer}|{volume.layer}" if volume.layer else image.layer
    return f"{chain}|{filesystem.layer}"


def choose(evidence: Evidence, name: str) -> Inner:
    """The medium inside that `name` means: the end of its chain of layers, its kind, or the path of a file.

    Raises UsageError where there is none, or more than one.
    """
    if name.startswith("/"):
        holders = [
            index
            for index, entry in enumerate(evidence.entries)
            if entry.path == name and entry.kind in ("file", "stream") and not entry.name_only
        ]
        found = list(in_files(evidence, holders[:1]))
    else:
        found = [one for one in evidence.inner if one.kind == name or one.layer.endswith(f"|{name}")]
    if len(found) == 1:
        return found[0]
    known = ", ".join(mask_text(one.layer.removeprefix(f"{evidence.image.layer}|")) for one in evidence.inner[:20])
    raise UsageError(
        f"媒体の中の {mask_text(name)}: {len(found)} 個あります(ある物: {known or 'なし'})",
        f"{'more than one' if found else 'no'} {mask_text(name)} inside (there is: {known or 'nothing'})",
        hint_ja="preserve info に表示される名前か、イメージファイルのパスを指定してください",
        hint_en="use a name that preserve info shows, or the path of an image file",
    )


def open_inner(image: Image, inner: Inner) -> Image:
    """Open a medium that was found inside `image`, over it. Raises EvidenceError."""
    return follow(image, inner.steps)
