"""A seized medium as it lies in the timeline of the case: its files, for the question whether a copy arrived there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chain_of_custody.errors import UsageError
from timeline.clocks.evidence import MediaFile

if TYPE_CHECKING:
    from timeline.clocks.evidence import ClockCase
    from timeline.store import Store

_FILES = """
SELECT e.layer, e.path, max(e.bytes), bool_or(e.state = 'deleted'),
  max(CASE WHEN e.kind = 'file.modified' THEN e.time_ns END), max(CASE WHEN e.kind = 'file.created' THEN e.time_ns END),
  arg_min(e.id, CASE WHEN e.kind = 'file.created' THEN 0 ELSE 1 END)
FROM events e WHERE e.source = ? AND e.parser IN ('filesystem', 'mft') AND e.kind LIKE 'file.%'
  AND e.kind NOT LIKE 'file.name\\_%' ESCAPE '\\' AND e.bytes IS NOT NULL
GROUP BY e.layer, e.path ORDER BY e.layer, e.path
"""
"""One row for each file; the creation time is that of the copy, the modification time comes from the original."""


def add_seized_medium(case: ClockCase, store: Store, image: str) -> None:
    """Say that `image`, a source of the timeline, is the seized medium of every alert of `case`.

    Raises UsageError where the timeline does not hold that image.
    """
    known = [str(row[0]) for row in store.rows("SELECT DISTINCT source FROM sources ORDER BY source")]
    if image not in known:
        raise UsageError(
            f"時系列にその媒体はありません: {image}",
            f"the timeline does not hold this medium: {image}",
            hint_ja=f"timeline build で加えてください。今あるもの: {', '.join(known[:20]) or 'なし'}",
            hint_en=f"add it with timeline build; there are: {', '.join(known[:20]) or 'none'}",
        )
    found = [
        MediaFile(
            image,
            str(path).lstrip("/"),
            int(size),
            bool(deleted),
            (int(modified or 0) - case.origin_ns) / 1e9,
            (int(created or 0) - case.origin_ns) / 1e9,
            0,
            str(event),
        )
        for _, path, size, deleted, modified, created, event in store.rows(_FILES, [image])
    ]
    case.media = [*case.media, *found]
    # A medium that was read and holds nothing is examined, too.
    case.has_media_listing = True
    case.media_of = {**case.media_of, **{one.id: image for one in case.incidents if one.id not in case.media_of}}
