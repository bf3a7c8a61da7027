"""The files of an NTFS volume from its master file table in bulk, without opening one of them.

The first bytes of each are read straight from the medium: a volume of 50,000 files is looked through in half a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from preserve.filesystem import ORPHANS
from preserve.mft_table import of_volume
from preserve.ntfs import DATA, INDEX_ALLOCATION, safe_name
from timeline.event import Event
from timeline.found_files import FoundFile
from timeline.parsers import mft
from timeline.recognition import Recognised
from timeline.rows import batch_of
from timeline.sources import HEAD_BYTES
from timeline.times import filetime

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa
    from numpy.typing import NDArray

    from preserve.mft_table import MftTable
    from preserve.ntfs import NtfsFileSystem
    from timeline.event import Problem
    from timeline.survey import PlaceSurvey

_MOST_STALE = 1_000_000
_SPARSE, _ENCRYPTED, _COMPRESSED = 0x8000, 0x4000, 0x00FF


@dataclass(frozen=True, slots=True)
class StaleRow:
    """A name left in an index: its record (-1 unknown) and sequence, path, four FILETIME values."""

    record: int
    sequence: int
    path: str
    times: tuple[int, int, int, int]


def fill(survey: PlaceSurvey, filesystem: NtfsFileSystem, problems: list[Problem]) -> None:
    """Put the files of the volume into `survey`, and its table."""
    table = of_volume(filesystem)
    survey.table = table
    survey.stale = _stale_names(filesystem, table)
    problems += mft.problems(table, f"{survey.place.layer}:/$MFT")
    volume, geometry = filesystem.volume, filesystem.geometry
    records, streams = table.records, table.streams
    paths, best = table.paths(), table.best_names()
    owner = table.index_of(streams.owner)
    chosen = np.flatnonzero((streams.kind == DATA) & (owner >= 0) & (streams.size > 0))
    index = volume.index
    clusters = filesystem.size // geometry.cluster_size
    for one in chosen.tolist():
        at = int(owner[one])
        number, name = int(records.number[at]), int(best[at])
        path = paths[name] if name >= 0 else f"{ORPHANS}/OrphanFile-{number}"
        if streams.text[one]:
            path = f"{path}:{streams.text[one]}"
        flags, size = int(streams.flags[one]), int(streams.size[one])
        file = FoundFile(
            path,
            size,
            survey.state_of(deleted=not records.in_use[at]),
            (index, number, int(records.sequence[at]), DATA, int(streams.attribute_id[one])),
            sparse=bool(flags & _SPARSE),
        )
        if number in (0, 1):
            # The table itself is read here; its mirror repeats its first records.
            survey.files.append(file)
            survey.recognised.append(Recognised((mft.NAME,) if number == 0 else ()))
            continue
        survey.add(file, _head(filesystem, table, one, size, clusters), problems)


def _head(filesystem: NtfsFileSystem, table: MftTable, one: int, size: int, clusters: int) -> bytes | None:
    """The first bytes of a stream; None where they are not on the medium as they are."""
    streams = table.streams
    wanted = min(size, HEAD_BYTES)
    place, flags = int(streams.place[one]), int(streams.flags[one])
    if place >= 0:
        return filesystem.read_table(place, wanted)
    cluster, length = int(streams.cluster[one]), int(streams.clusters[one])
    if flags & (_COMPRESSED | _ENCRYPTED) or cluster < 0 or cluster >= clusters:
        return None
    run = length * filesystem.geometry.cluster_size
    if run < wanted and size > run:
        return None  # the first bytes lie in several runs: let the file system put them together
    found = filesystem.volume.read_at(cluster * filesystem.geometry.cluster_size, wanted)
    valid = int(streams.valid_size[one])
    return found if valid >= wanted else found[:valid] + bytes(wanted - valid)


def _stale_names(filesystem: NtfsFileSystem, table: MftTable) -> list[StaleRow]:
    """Names left in the slack of folder indexes that their files do not bear any more."""
    streams, records, names = table.streams, table.records, table.names
    owners = np.unique(streams.owner[(streams.kind == INDEX_ALLOCATION)])
    found = []
    for number in owners.tolist():
        record = filesystem.record(number)
        if record is None or not record.is_directory:
            continue
        index = filesystem.index_of(record)
        if index is not None:
            found += filesystem.stale_names(number, index)
        if len(found) > _MOST_STALE:
            break
    if not found:
        return []
    current = set(zip(names.owner.tolist(), names.parent.tolist(), names.text, strict=True))
    by_place = {(parent, text) for _, parent, text in current}
    paths = table.folder_paths()
    rows: dict[tuple[int, int, str], StaleRow] = {}
    for number, sequence, name in found:
        text = safe_name(name.name)[0]
        at = int(table.index_of(np.array([number]))[0]) if number >= 0 else -1
        same_file = at >= 0 and sequence in (
            int(records.sequence[at]),
            int(records.sequence[at]) - (not records.in_use[at]),
        )
        if (same_file and (number, name.parent, text) in current) or (number < 0 and (name.parent, text) in by_place):
            continue
        path = f"{paths.of_parent(name.parent, name.parent_sequence)}{text}"
        rows.setdefault((number, name.parent, text), StaleRow(number, sequence, path, name.times))
    return list(rows.values())


def stale_batches(rows: list[StaleRow], state: str) -> Iterator[pa.RecordBatch]:
    """Four rows for each stale name."""
    events = []
    for order, row in enumerate(rows):
        known = row.record >= 0
        for which, value in zip(("created", "modified", "changed", "accessed"), row.times, strict=True):
            if not value:
                continue
            events.append(
                Event(
                    time_ns=filetime(value),
                    time_text=str(value),
                    precision_ns=100,
                    zone="UTC",
                    zone_basis="format",
                    kind=f"file.stale_{which}",
                    desc=f"$I30 {which}",
                    record=f"$I30 {row.record}-{row.sequence}" if known else "$I30",
                    sequence=order,
                    path=row.path,
                    state=state or "deleted",
                )
            )
    for start in range(0, len(events), 50_000):
        yield batch_of(events[start : start + 50_000])


def changed_rows(table: MftTable, seen: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which records of a shadow copy differ in sequence, times or names from all that `seen` holds."""
    return ~np.isin(fingerprints(table), seen)


def fingerprints(table: MftTable) -> NDArray[np.int64]:
    """A number for each record over its own number, sequence, times and names."""
    records, names = table.records, table.names
    with np.errstate(over="ignore"):
        value = records.number.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        value ^= records.sequence.astype(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F)
        for column in range(4):
            value = (value ^ records.times[:, column]) * np.uint64(0x100000001B3 + 2 * column)
        owner = table.index_of(names.owner)
        text = np.array([hash(one) & 0x7FFFFFFFFFFFFFFF for one in names.text], dtype=np.uint64)
        mixed = names.parent.astype(np.uint64) * np.uint64(0x165667B19E3779F9) ^ text
        for column in range(4):
            mixed = (mixed ^ names.times[:, column]) * np.uint64(0x100000001B3 + 2 * column)
        kept = owner >= 0
        np.add.at(value, owner[kept], mixed[kept])
    return value.view(np.int64)
