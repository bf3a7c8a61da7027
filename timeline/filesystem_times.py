"""Times that a file system keeps of its files, as rows of a timeline, from the entries of a walk.

ext2/3/4, FAT, exFAT, ISO 9660, HFS+: four times of each file (five on ext with `deleted`). FAT keeps the wall time of
the machine that wrote it: its zone is unknown, its access time is a day, and neither is invented here.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from timeline.event import bounded, schema
from timeline.times import localize

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pyarrow as pa

    from preserve.file_times import FileTime
    from preserve.filesystem import FileEntry
    from timeline.event import ZoneBasis

NAME = "filesystem"
_BATCH = 50_000

KINDS = {
    "created": ("file.created", "Creation Time"),
    "modified": ("file.modified", "Content Modification Time"),
    "changed": ("file.changed", "Metadata Change Time"),
    "accessed": ("file.accessed", "Access Time"),
    "deleted": ("file.deleted", "Deletion Time"),
    "filename_created": ("file.name_created", "$FN created"),
    "filename_modified": ("file.name_modified", "$FN modified"),
    "filename_changed": ("file.name_changed", "$FN changed"),
    "filename_accessed": ("file.name_accessed", "$FN accessed"),
}
"""By the name of the time in `FileEntry.times`: kind, description."""


def batches(
    entries: Iterable[FileEntry], kind: str, *, zone: str | None, zone_basis: ZoneBasis
) -> Iterator[pa.RecordBatch]:
    """Rows for the files of one volume; `zone` is that of times which have none of their own (FAT)."""
    columns: list[list[object]] = [[] for _ in schema()]
    for order, entry in enumerate(entries):
        if entry.kind == "stream":
            continue  # a stream has the times of its file, which is listed too
        record = f"{kind} {entry.id[1]}" + (f"-{entry.id[2]}" if entry.id[2] else "")
        data = json.dumps(_data(entry), separators=(",", ":"))
        state = "deleted" if entry.state == "deleted" else "live"
        for name, time in dict(entry.times).items():
            row = _row(name, time, zone, zone_basis)
            if row is None:
                continue
            cells = (*row, record, order, "", "", entry.path, entry.size, data, "", state)
            for column, cell in zip(columns, cells, strict=True):
                column.append(cell)
        if len(columns[0]) >= _BATCH:
            yield _batch(columns)
            columns = [[] for _ in schema()]
    if columns[0]:
        yield _batch(columns)


def _batch(columns: list[list[object]]) -> pa.RecordBatch:
    import pyarrow as pa  # noqa: PLC0415 - start-up time

    return pa.record_batch(columns, schema=schema())


def _row(name: str, time: FileTime, zone: str | None, zone_basis: ZoneBasis) -> tuple[object, ...] | None:
    """time_ns, time_text, precision, zone, zone basis, kind, description; None for a time that is not set."""
    if time.ns is None and not time.raw.strip("0.-: "):
        return None
    kind, description = KINDS[name]
    ns = bounded(time.ns)
    if time.zone_known:
        return ns, time.raw, time.precision_ns, "UTC", "format", kind, description
    if zone is not None and ns is not None and time.precision_ns < 86_400_000_000_000:
        return localize(ns, zone), time.raw, time.precision_ns, zone, zone_basis, kind, description
    # A date alone is never shifted: it would become another day.
    return ns, time.raw, time.precision_ns, None, "none", kind, description


def _data(entry: FileEntry) -> dict[str, object]:
    """What the walk knows of a file beside its times."""
    data: dict[str, object] = {"inode": entry.id[1], "type": entry.kind}
    if entry.name_only:
        data["name_only"] = True
    if entry.reallocated_bytes:
        data["reallocated_bytes"] = entry.reallocated_bytes
    if entry.resident:
        data["resident"] = True
    return data
