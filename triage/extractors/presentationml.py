"""pptx: slides in their order with their tables, then notes, comments and diagrams; hidden slides are slides."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from triage.extractors.wordprocessingml import part_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from triage.extractors.model import Problem
    from triage.extractors.zip_archive import Archive
    from triage.text import Text

_FOLDERS = (
    "slides/slide",
    "notesSlides/notesSlide",
    "comments/",
    "diagrams/data",
    "slideLayouts/slideLayout",
    "slideMasters/slideMaster",
    "handoutMasters/",
    "notesMasters/",
    "charts/chart",
)
_NUMBER = re.compile(r"(\d+)\.xml$")


def _number(name: str) -> int:
    match = _NUMBER.search(name)
    return int(match[1][:9]) if match else 0


def document(archive: Archive, names: list[str], done: set[str]) -> Iterator[Text | Problem]:
    """Slides by number, then everything that belongs to them."""
    from triage.extractors.ooxml import parts  # noqa: PLC0415 - that module lists this one

    chosen: list[str] = []
    for folder in _FOLDERS:
        found = [
            name
            for name in names
            if name.startswith(f"ppt/{folder}") and name.endswith(".xml") and "/_rels/" not in name
        ]
        # Comments keep their text in elements of their own vocabulary: any reader takes those.
        if folder != "comments/":
            chosen += sorted(found, key=lambda name: (_number(name), name))
    chosen = list(dict.fromkeys(chosen))
    done.update(chosen)
    yield from parts(archive, chosen, part_text)
