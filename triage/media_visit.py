"""Going back to where findings lie: the image they came from and the media inside it that they name.

```python
for evidence, numbers in visit_media(Path("disk.E01"), lines, keys=()):
    ...  # lines[number] for number in numbers lie on this medium
```
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from chain_of_custody.errors import EvidenceError
from preserve.inner import in_files
from triage import evidence_map
from triage.masking import mask_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from preserve.keys import Keys
    from triage.evidence_map import EvidenceMap


def visit_media(
    image: Path, lines: Sequence[Mapping[str, Any]], *, keys: Keys
) -> Iterator[tuple[EvidenceMap, Sequence[int]]]:
    """Each medium that some line (of findings) lies on, with the numbers of those lines; the image itself first.

    A medium inside that cannot be opened is passed over: its lines are in no result, which the caller sees. Raises
    EvidenceError where the image itself cannot be opened.
    """
    media: dict[str, list[int]] = defaultdict(list)
    for number, line in enumerate(lines):
        media[str(line.get("medium") or "")].append(number)
    with evidence_map.walk(image, threads=1, keys=keys) as evidence:
        outermost = media.pop("", [])
        if outermost:
            yield evidence, outermost
        yield from _inside(evidence, media, keys)


def _inside(
    outer: EvidenceMap, media: Mapping[str, Sequence[int]], keys: Keys
) -> Iterator[tuple[EvidenceMap, Sequence[int]]]:
    """Go down to the media inside `outer` that `media` (numbers of lines by chain of layers) ask for."""
    if not media:
        return
    asked = "\n".join(media)
    holders = [
        index
        for index, entry in enumerate(outer.entries)
        if entry.kind in ("file", "stream") and not entry.name_only and f"{mask_text(entry.path)}|" in asked
    ]
    for inner in [*outer.inner, *in_files(outer.evidence, holders)]:
        layer = mask_text(inner.layer)
        wanted = {one: numbers for one, numbers in media.items() if one == layer or one.startswith(f"{layer}|")}
        if not wanted:
            continue
        try:
            with evidence_map.walk_inner(outer, inner, keys=keys) as evidence:
                here = wanted.pop(mask_text(evidence.image.layer), [])
                if here:
                    yield evidence, here
                yield from _inside(evidence, wanted, keys)
        except EvidenceError:
            continue
