"""The files of an NTFS volume from its master file table in bulk, without opening one of them.

The first bytes of each are read straight from the medium: a volume of 50,000 files is looked through in half a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from preserve.filesystem import ORPHANS
from preserve.mft_table import decoded_names, of_volume
from preserve.ntfs import DATA, INDEX_ALLOCATION, slack_hits, undo_fixups
from timeline.event import Event
from timeline.found_files import FoundFile
from timeline.parsers import mft
from timeline.recognition import NOTHING, Recognised
from timeline.rows import batch_of
from timeline.sources import HEAD_BYTES
from timeline.times import filetime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pyarrow as pa
    from numpy.typing import NDArray

    from preserve.mft_table import MftTable
    from preserve.ntfs import Attribute, NtfsFileSystem
    from preserve.volumes import Volume
    from timeline.event import Problem
    from timeline.survey import PlaceSurvey

_MOST_STALE = 1_000_000
_GAP = 32 << 10  # bytes
_WINDOW = 4 << 20
_NUMBER_BITS = (1 << 48) - 1
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
    places: dict[int, int] = {}  # of each stream that is to be looked at: place among the files
    for one, at, flags, size, attribute in rows:
        number, name = numbers[at], best[at]
        path = paths[name] if name >= 0 else f"{ORPHANS}/OrphanFile-{number}"
        if streams.text[one]:
            path = f"{path}:{streams.text[one]}"
        state = survey.state_of(deleted=not used[at])
        file_id = (index, number, sequences[at], DATA, attribute)
        # The table itself is read here; its mirror repeats its first records.
        if number not in (0, 1):
            places[one] = len(survey.files)
        survey.recognised.append(Recognised((mft.NAME,)) if number == 0 else NOTHING)
        survey.files.append(FoundFile(path, size, state, file_id, sparse=bool(flags & _SPARSE)))
    # In the order in which they lie on the medium, one after the other: together they would fill the memory.
    for one, head in _heads(filesystem, table, chosen):
        if one in places:
            place = places.pop(one)
            survey.recognised[place] = survey.look(survey.files[place], head, problems)
    for place in places.values():
        survey.recognised[place] = survey.look(survey.files[place], None, problems)


def _heads(filesystem: NtfsFileSystem, table: MftTable, chosen: NDArray[np.int64]) -> Iterator[tuple[int, bytes]]:
    """The first bytes of streams, by place in the table; those that are not on the medium as they are have none.

    What lies close together is read together: a volume has many small files side by side.
    """
    streams, geometry = table.streams, filesystem.geometry
    wanted = np.minimum(streams.size, HEAD_BYTES)
    run = streams.clusters * geometry.cluster_size
    plain = (streams.flags & (_COMPRESSED | _ENCRYPTED)) == 0
    inside = (streams.cluster >= 0) & (streams.cluster < filesystem.size // geometry.cluster_size)
    # Where the first bytes lie in several runs, the file system puts them together.
    there = (streams.place < 0) & plain & inside & ((run >= wanted) | (run >= streams.size))
    disk = chosen[there[chosen]]
    disk = disk[np.argsort(streams.cluster[disk], kind="stable")]
    offsets = streams.cluster[disk] * geometry.cluster_size
    for one, data in _windows(_reused(filesystem.volume), disk, offsets, wanted[disk]):
        valid = int(streams.valid_size[one])
        yield one, data if valid >= len(data) else data[:valid] + bytes(len(data) - valid)
    resident = chosen[streams.place[chosen] >= 0]
    resident = resident[np.argsort(streams.place[resident], kind="stable")]
    yield from _windows(_fixed(filesystem, table), resident, streams.place[resident], wanted[resident])


def _reused(volume: Volume) -> Callable[[int, int], memoryview]:
    """Reads of a volume into one piece of memory: each read is overwritten by the next."""
    memory = memoryview(bytearray(_WINDOW + HEAD_BYTES))

    def read_at(offset: int, length: int) -> memoryview:
        return memory[: volume.readinto_at(offset, memory[:length])]

    return read_at


def _windows(
    read_at: Callable[[int, int], bytes | memoryview],
    which: NDArray[np.int64],
    offsets: NDArray[np.int64],
    sizes: NDArray[np.int64],
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
            yield one, bytes(data[offset - first : offset - first + size])
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


@dataclass(frozen=True, slots=True)
class _LeftNames:
    """Names in the slack of folder indexes; one element each. `record` is -1 where the entry's head is overwritten."""

    record: list[int]
    sequence: list[int]
    parent: list[int]
    parent_sequence: list[int]
    times: list[list[int]]
    text: list[str]


def _left_names(filesystem: NtfsFileSystem, folders: Iterable[tuple[int, Attribute]]) -> Iterator[_LeftNames]:
    """What `NtfsFileSystem.stale_names` finds, for the indexes of many folders at once."""
    size = filesystem.geometry.index_size
    blocks: list[bytes] = []
    owners: list[int] = []
    for number, index in folders:
        for raw in filesystem.index_bytes(index):
            blocks.append(raw)
            owners += [number] * (len(raw) // size)
            if len(owners) * size >= _WINDOW:
                yield _names_behind(b"".join(blocks), np.array(owners, dtype=np.uint64), filesystem)
                blocks, owners = [], []
    if owners:
        yield _names_behind(b"".join(blocks), np.array(owners, dtype=np.uint64), filesystem)


def _names_behind(raw: bytes, owners: NDArray[np.uint64], filesystem: NtfsFileSystem) -> _LeftNames:
    """Names behind the used part of index blocks; `owners` are the records of their folders."""
    size = filesystem.geometry.index_size
    block = np.frombuffer(raw, dtype=np.uint8).reshape(-1, size).copy()
    row, word = np.nonzero(slack_hits(block, owners, filesystem.geometry.sector_size))
    flat, words = block.reshape(-1), block.reshape(-1).view("<u8")
    left = size - word * 8  # bytes from the $FILE_NAME on
    row, word = row[left >= 66], word[left >= 66]
    at = row * (size // 8) + word
    units = flat[at * 8 + 64].astype(np.int64)
    space = flat[at * 8 + 65]
    whole = (units > 0) & (66 + 2 * units <= size - word * 8) & (space != 2) & (space <= 3)
    at, units = at[whole], units[whole]
    reference, lengths = words[at - 2], words[at - 1]
    headless = (reference == 0) & ((lengths & 0xFFFF) == 16)
    listed = (reference != 0) & ((lengths >> 16 & 0xFFFF).astype(np.int64) == 66 + 2 * units)
    kept = headless | listed
    at, units, reference, headless = at[kept], units[kept], reference[kept], headless[kept]
    return _LeftNames(
        np.where(headless, -1, (reference & _NUMBER_BITS).astype(np.int64)).tolist(),
        np.where(headless, 0, (reference >> 48).astype(np.int64)).tolist(),
        (words[at] & _NUMBER_BITS).astype(np.int64).tolist(),
        (words[at] >> 48).astype(np.int64).tolist(),
        np.stack([words[at + 1 + column] for column in range(4)], axis=1).tolist(),
        decoded_names(block, at * 4 + 33, units),
    )


def _stale_names(filesystem: NtfsFileSystem, table: MftTable) -> list[StaleRow]:
    """Names left in the slack of folder indexes that their files do not bear any more."""
    streams, records, names = table.streams, table.records, table.names

    def folders() -> Iterator[tuple[int, Attribute]]:
        for number in np.unique(streams.owner[streams.kind == INDEX_ALLOCATION]).tolist():
            record = filesystem.record(number)
            index = filesystem.index_of(record) if record is not None and record.is_directory else None
            if index is not None:
                yield number, index

    current = set(zip(names.owner.tolist(), names.parent.tolist(), names.text, strict=True))
    by_place = {(parent, text) for _, parent, text in current}
    paths = table.folder_paths()
    sequences, used = records.sequence.tolist(), records.in_use.tolist()
    rows: dict[tuple[int, int, str], StaleRow] = {}
    looked = 0
    for found in _left_names(filesystem, folders()):
        places = table.index_of(np.array(found.record, dtype=np.int64)).tolist()
        columns = zip(
            found.record, found.sequence, found.parent, found.parent_sequence, found.times, found.text, places,
            strict=True,
        )  # fmt: skip
        for number, sequence, parent, parent_sequence, times, text, at in columns:
            key = (number, parent, text)
            if key in rows or (number < 0 and (parent, text) in by_place):
                continue
            # Deleting a file has raised the number of its record by one.
            if at >= 0 and key in current and sequence in (sequences[at], sequences[at] - (not used[at])):
                continue
            path = f"{paths.of_parent(parent, parent_sequence)}{text}"
            first, second, third, fourth = times
            rows[key] = StaleRow(number, sequence, path, (first, second, third, fourth))
        looked += len(found.text)
        if looked > _MOST_STALE:
            break
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
