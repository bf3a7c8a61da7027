"""Copies of the same content over several images of a case (S8), linked by the SHA-256 that findings carry."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from triage.results import list_of, open_results, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """One place of a content: the scan's folder name, the path, what protected it (empty: nothing), its state."""

    scan: str
    path: str
    protection: tuple[str, ...]
    state: str


@dataclass(slots=True)
class Content:
    """One content in all its places; `numbers` are the HMACs found in it (never shown, only counted)."""

    sha256: str
    by_layers: dict[tuple[str, str], Place] = field(default_factory=dict)
    """By the scan and the chain of layers down to the file."""
    numbers: set[str] = field(default_factory=set, repr=False)

    @property
    def places(self) -> list[Place]:
        """All places, in order."""
        return sorted(self.by_layers.values())

    def to_json(self) -> dict[str, Any]:
        """What `--json` prints."""
        places = self.places
        return {
            "content_sha256": self.sha256,
            "persons": len(self.numbers),
            "images": len({place.scan for place in places}),
            "unprotected": sum(not place.protection for place in places),
            "places": [
                {"scan": one.scan, "path": one.path, "state": one.state, "protection": list(one.protection)}
                for one in places
            ],
        }


def scans_of(case: Path) -> list[Path]:
    """Folders of the finished scans of a case."""
    return sorted({one.parent for one in (case / "scans").glob("*/findings.jsonl*")})


def copies(folders: Sequence[Path], *, fewest: int = 2) -> list[Content]:
    """Contents that lie in at least `fewest` places, those with the most persons first. Raises ResultFormatError."""
    found: dict[str, Content] = {}
    for folder in folders:
        for line in open_results(folder).findings():
            sha256 = text_of(line.get("content_sha256"))
            if not sha256:
                continue
            content = found.setdefault(sha256, Content(sha256))
            protection = tuple(text_of(one) for one in list_of(line.get("protection")))
            # The hash is that of the whole file: its members, and the numbers in it, are one place.
            key = (folder.name, text_of(line.get("layers")))
            place = Place(folder.name, text_of(line.get("path")), protection, text_of(line.get("state")))
            known = content.by_layers.setdefault(key, place)
            if known.protection != protection:
                # A file is as well protected as the least protected number in it.
                both = tuple(one for one in known.protection if one in protection)
                content.by_layers[key] = replace(known, protection=both)
            content.numbers.add(text_of(line.get("hmac")))
    chosen = [one for one in found.values() if len(one.places) >= fewest]
    return sorted(chosen, key=lambda one: (-len(one.numbers), -len(one.places), one.sha256))
