"""The files of an NTFS volume from its master file table in bulk, without opening one of them.

The first bytes of each are read straight from the medium: a volume of 50,000 files is looked through in half a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from preserve.filesystem import ORPHANS
from preserve.mft_table import of_volume
from preserve.ntfs import DATA, INDEX_ALLOCATION, safe_name, undo_fixups
from timeline.event import Event
from timeline.found_files import FoundFile
from timeline.parsers import mft
from timeline.recognition import Recognised
from timeline.rows import batch_of
from timeline.sources import HEAD_BYTES
from timeline.times import filetime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa
    from numpy.typing import NDArray

    from preserve.mft_table import MftTable
    from preserve.ntfs import NtfsFileSystem
    from timeline.event import Problem
    from timeline.survey import PlaceSurvey

_MOST_STALE = 1_000_000
_GAP = 32 << 10  # bytes
_WINDOW = 4 << 20
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
    records, streams = table.records, table.streams
    paths, best = table.paths(), table.best_names().tolist()
    owner = table.index_of(streams.owner)
    chosen = np.flatnonzero((streams.kind == DATA) & (owner >= 0) & (streams.size > 0))
    heads = _heads(filesystem, table, chosen)
    index = filesystem.volume.index
    numbers, sequences, used = records.number.tolist(), records.sequence.tolist(), records.in_use.tolist()
    rows = zip(
        chosen.tolist(),
        owner[chosen].tolist(),
        streams.flags[chosen].tolist(),
        streams.size[chosen].tolist(),
        streams.attribute_id[chosen].tolist(),
        strict=True,
    )
    for one, at, flags, size, attribute in rows:
        number, name = numbers[at], best[at]
        path = paths[name] if name >= 0 else f"{ORPHANS}/OrphanFile-{number}"
        if streams.text[one]:
            path = f"{path}:{streams.text[one]}"
        state = survey.state_of(deleted=not used[at])
        file_id = (index, number, sequences[at], DATA, attribute)
        file = FoundFile(path, size, state, file_id, sparse=bool(flags & _SPARSE))
        if number in (0, 1):
            # The table itself is read here; its mirror repeats its first records.
            survey.files.append(file)
            survey.recognised.append(Recognised((mft.NAME,) if number == 0 else ()))
            continue
        survey.add(file, heads.get(one), problems)


def _heads(filesystem: NtfsFileSystem, table: MftTable, chosen: NDArray[np.int64]) -> dict[int, bytes]:
    """The first bytes of streams, by place in the table; those that are not on the medium as they are have none.

    What lies close together is read together: a volume has many small files side by side.
    """
    streams, geometry = table.streams, filesystem.geometry
    heads: dict[int, bytes] = {}
    wanted = np.minimum(streams.size, HEAD_BYTES)
    run = streams.clusters * geometry.cluster_size
    plain = (streams.flags & (_COMPRESSED | _ENCRYPTED)) == 0
    inside = (streams.cluster >= 0) & (streams.cluster < filesystem.size // geometry.cluster_size)
    # Where the first bytes lie in several runs, the file system puts them together.
    there = (streams.place < 0) & plain & inside & ((run >= wanted) | (run >= streams.size))
    disk = chosen[there[chosen]]
    disk = disk[np.argsort(streams.cluster[disk], kind="stable")]
    offsets = streams.cluster[disk] * geometry.cluster_size
    for one, data in _windows(filesystem.volume.read_at, disk, offsets, wanted[disk]):
        valid = int(streams.valid_size[one])
        heads[one] = data if valid >= len(data) else data[:valid] + bytes(len(data) - valid)
    resident = chosen[streams.place[chosen] >= 0]
    resident = resident[np.argsort(streams.place[resident], kind="stable")]
    heads.update(_windows(_fixed(filesystem, table), resident, streams.place[resident], wanted[resident]))
    return heads


def _windows(
    read_at: Callable[[int, int], bytes], which: NDArray[np.int64], offsets: NDArray[np.int64], sizes: NDArray[np.int64]
) -> Iterator[tuple[int, bytes]]:
    """Pieces at ascending offsets, read in windows; gaps of up to _GAP bytes are read over."""
    start, members = 0, list(zip(which.tolist(), offsets.tolist(), sizes.tolist(), strict=True))
    while start < len(members):
        first = members[start][1]
        end, stop = first + members[start][2], start + 1
        while stop < len(members) and members[stop][1] <= end + _GAP and members[stop][1] - first < _WINDOW:
            end = max(end, members[stop][1] + members[stop][2])
            stop += 1
        data = read_at(first, end - first)
        for one, offset, size in members[start:stop]:
            yield one, data[offset - first : offset - first + size]
        start = stop


def _fixed(filesystem: NtfsFileSystem, table: MftTable) -> Callable[[int, int], bytes]:
    """Reads of the table with the last bytes of each sector put back."""
    size = table.record_size

    def read_at(offset: int, length: int) -> bytes:
        first = offset // size * size
        count = (offset + length - first + size - 1) // size
        raw = filesystem.read_table(first, count * size)
        block = np.frombuffer(raw[: len(raw) // size * size], dtype=np.uint8).reshape(-1, size).copy()
        undo_fixups(block, filesystem.geometry.sector_size)
        return block.tobytes()[offset - first : offset - first + length]

    return read_at


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
    places = table.index_of(np.array([number for number, _, _ in found], dtype=np.int64)).tolist()
    sequences, used = records.sequence.tolist(), records.in_use.tolist()
    rows: dict[tuple[int, int, str], StaleRow] = {}
    for (number, sequence, name), at in zip(found, places, strict=True):
        text = safe_name(name.name)[0]
        key = (number, name.parent, text)
        if key in rows or (number < 0 and (name.parent, text) in by_place):
            continue
        # Deleting a file has raised the number of its record by one.
        if at >= 0 and key in current and sequence in (sequences[at], sequences[at] - (not used[at])):
            continue
        path = f"{paths.of_parent(name.parent, name.parent_sequence)}{text}"
        rows[key] = StaleRow(number, sequence, path, name.times)
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
