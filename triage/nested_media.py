"""Images inside files of a medium, as the file pass met them, and findings that two media show of the same bytes.

An image in a file is seen twice: as bytes of the file, and as the medium inside it, which knows paths and states. The
finding of the inner medium stays. The same goes for stores of shadow copies and for volumes under LVM.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from preserve.inner import Inner
from preserve.nested import looks_like_an_image, may_be_beside
from preserve.recipe import Step

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from preserve.filesystem import FileEntry, FileId
    from triage.evidence_map import EvidenceMap
    from triage.findings import Finding

DEEPEST = 4
"""Images inside images inside …"""
MOST_MEDIA = 500
"""Media scanned beside the source."""
_MOST_BESIDE = 20_000
_EXTENT = re.compile(r"-(?:flat|delta|sesparse|[fs]\d{3})\.vmdk$", re.IGNORECASE)
_STORE = re.compile(r"\{3808876b-c176-4e48-b7ae-04046e6cc752\}$", re.IGNORECASE)


def in_files(evidence: EvidenceMap, holders: Iterable[int]) -> Iterator[Inner]:
    """The media in the files that hold images (by the index of their entries), with what lies beside each."""
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
        place = evidence.place(index)
        step = Step("file", name=name, path=entry.path, files=tuple(files.items()))
        yield Inner(
            "file",
            place.layers,
            (Step("volume", entry.volume), step),
            entry.volume,
            "image in a file",
            file=index,
        )


def drop_what_is_inside(
    findings: Sequence[Finding], evidence: EvidenceMap, inner: Inner, inside: Sequence[Finding]
) -> list[Finding]:
    """The findings of a medium without those that are bytes of `inner`, which shows the same numbers with a place."""
    digests = {finding.hmac for finding in inside if finding.hmac}
    if not digests:
        return list(findings)
    holder = "-".join(map(str, evidence.entries[inner.file].id)) if inner.file >= 0 else ""
    area = None
    if inner.kind in ("lvm", "luks", "bitlocker") and inner.volume >= 0:
        volume = evidence.volumes[inner.volume]
        area = (volume.offset, volume.offset + volume.size)

    def is_inside(finding: Finding) -> bool:
        if finding.hmac not in digests:
            return False
        if holder:
            return finding.file_id == holder and not finding.container
        if inner.kind == "vss":
            return _STORE.search(finding.path) is not None
        return area is not None and finding.offset is not None and area[0] <= finding.offset < area[1]

    return [finding for finding in findings if not is_inside(finding)]
