"""The master file table of NTFS as columns: every record, name and stream of a volume, decoded in bulk with numpy.

```python
table = read_table(lambda offset, size: data[offset : offset + size], len(data))
table.records.number, table.names.times, table.paths()[0]
```
Works on a volume (`of_volume`) and on a bare $MFT file. What a bulk decoder cannot hold to be sound (records whose
fixups do not fit, attributes off their 8-byte grid) is listed in `torn` and `odd`, never guessed.

Format: Linux-NTFS project's NTFS documentation; [MS-FSCC] 2.4 for attribute flags; libfsntfs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from preserve.filesystem import LONGEST_PATH, ORPHANS
from preserve.ntfs import (
    DATA,
    FILE_NAME,
    INDEX_ALLOCATION,
    STANDARD_INFORMATION,
    Name,
    NtfsFileSystem,
    Paths,
    safe_name,
    undo_fixups,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_BATCH = 4 << 20  # bytes read at once
_END = 0xFFFFFFFF
_ROOT = 5
_NUMBER_BITS = (1 << 48) - 1
_UNSAFE = re.compile("[/\ud800-\udfff]")
_MOST_PATH_CHARACTERS = 512 << 20  # of all paths of a table; beyond, long paths are shortened
MOST_RECORDS = 50_000_000
"""Of one table; beyond it the rest is listed as not read."""


@dataclass(slots=True)
class Records:
    """Records with a valid header, in order of their numbers; one element each."""

    number: NDArray[np.int64]
    sequence: NDArray[np.int64]
    in_use: NDArray[np.bool_]
    is_directory: NDArray[np.bool_]
    base: NDArray[np.int64]
    """Number of the record that this one extends; 0 for one that stands alone."""
    lsn: NDArray[np.uint64]
    links: NDArray[np.int64]
    has_times: NDArray[np.bool_]
    """Whether a $STANDARD_INFORMATION is there."""
    times: NDArray[np.uint64]
    """FILETIME values (n, 4): created, modified, changed, accessed."""
    flags: NDArray[np.int64]
    """DOS attributes of $STANDARD_INFORMATION."""
    usn: NDArray[np.uint64]


@dataclass(slots=True)
class Names:
    """$FILE_NAME attributes in order of record; one element each. `owner` is the number of the file's base record."""

    owner: NDArray[np.int64]
    record: NDArray[np.int64]
    attribute_id: NDArray[np.int64]
    parent: NDArray[np.int64]
    parent_sequence: NDArray[np.int64]
    space: NDArray[np.int64]
    """0 POSIX, 1 Win32, 2 DOS, 3 Win32 and DOS."""
    times: NDArray[np.uint64]
    size: NDArray[np.int64]
    text: list[str]


@dataclass(slots=True)
class Streams:
    """$DATA attributes and folder indexes (first extents); one element each.

    `place` is the byte of the table at which resident content lies, `cluster` the first cluster on the volume of other
    content; -1 where it is not so. `clusters` is the length of the first run.
    """

    owner: NDArray[np.int64]
    kind: NDArray[np.int64]
    attribute_id: NDArray[np.int64]
    flags: NDArray[np.int64]
    size: NDArray[np.int64]
    valid_size: NDArray[np.int64]
    place: NDArray[np.int64]
    cluster: NDArray[np.int64]
    clusters: NDArray[np.int64]
    text: list[str]


@dataclass(slots=True)
class MftTable:
    """A whole table. `slots` counts all records, used or not; `torn` and `odd` are numbers of records not decoded."""

    records: Records
    names: Names
    streams: Streams
    record_size: int
    slots: int
    torn: list[int]
    odd: list[int]
    missing: int
    """Records that the table should have and that could not be read."""
    _folders: FolderPaths | None = field(default=None, repr=False)
    _paths: list[str] | None = field(default=None, repr=False)

    def index_of(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Place in `records` of each record number; -1 where it is not there."""
        own = self.records.number
        if not len(own):
            return np.full(len(numbers), -1, dtype=np.int64)
        at = np.searchsorted(own, numbers).clip(0, len(own) - 1)
        return np.where(own[at] == numbers, at, -1)

    def best_names(self) -> NDArray[np.int64]:
        """For each record the index of the name it is known by (a long one before its DOS form); -1 for none."""
        best = np.full(len(self.records.number), -1, dtype=np.int64)
        owner = self.index_of(self.names.owner)
        order = np.arange(len(owner))
        for wanted in (self.names.space == 2, self.names.space != 2):
            chosen = order[wanted & (owner >= 0)][::-1]  # backwards: the first name of each stays
            best[owner[chosen]] = chosen
        return best

    def folder_paths(self) -> FolderPaths:
        """The paths of folders by their references."""
        if self._folders is None:
            records, names = self.records, self.names
            best = self.best_names()
            folders: dict[int, Any] = {}
            for at in np.flatnonzero(records.is_directory & (records.base == 0)).tolist():
                found = int(best[at])
                name = None
                if found >= 0:
                    parent, sequence = int(names.parent[found]), int(names.parent_sequence[found])
                    name = Name(parent, sequence, names.text[found], 1, (0, 0, 0, 0))
                folders[int(records.number[at])] = (int(records.sequence[at]), bool(records.in_use[at]), name)
            self._folders = FolderPaths(Paths(folders))
        return self._folders

    def paths(self) -> list[str]:
        """The path of each name, as `preserve.ntfs` gives it: under $OrphanFiles where its folder is not known."""
        if self._paths is not None:
            return self._paths
        names, folders = self.names, self.folder_paths()
        shown: list[str] = []
        characters = 0
        for owner, parent, sequence, text in zip(
            names.owner.tolist(), names.parent.tolist(), names.parent_sequence.tolist(), names.text, strict=True
        ):
            if owner == _ROOT:
                shown.append("/")
                continue
            path = folders.of_parent(parent, sequence) + text
            characters += len(path)
            if len(path) > LONGEST_PATH or (characters > _MOST_PATH_CHARACTERS and len(path) > 1024):
                path = f"{path[:512]}/…/{text}"
            shown.append(path)
        self._paths = shown
        return shown


class FolderPaths:
    """Paths of folders, each with the slash behind it, worked out once."""

    def __init__(self, known: Paths) -> None:
        self._known = known
        self._prefixes: dict[tuple[int, int], str] = {}

    def of_parent(self, number: int, sequence: int) -> str:
        """What stands before a name in that folder: `/a/b/`, or `/$OrphanFiles/` where the folder is gone."""
        prefix = self._prefixes.get((number, sequence))
        if prefix is None:
            folder = self._known.folder(number, sequence)
            prefix = f"{ORPHANS}/" if folder is None else "/" if folder == "/" else f"{folder}/"
            self._prefixes[number, sequence] = prefix
        return prefix


class _Gathered:
    """Columns that grow batch by batch."""

    def __init__(self) -> None:
        self.records: list[tuple[NDArray[Any], ...]] = []
        self.names: list[tuple[NDArray[Any], ...]] = []
        self.name_texts: list[str] = []
        self.streams: list[tuple[NDArray[Any], ...]] = []
        self.stream_texts: list[str] = []
        self.torn: list[int] = []
        self.odd: list[int] = []


def read_table(
    read_at: Callable[[int, int], bytes], size: int, *, record_size: int = 1024, sector_size: int = 512
) -> MftTable:
    """Decode a table of `size` bytes that `read_at(offset, size)` gives."""
    found = _Gathered()
    slots = size // record_size
    counted = min(slots, MOST_RECORDS)
    per_batch = max(1, _BATCH // record_size)
    read = 0
    for start in range(0, counted, per_batch):
        count = min(per_batch, counted - start)
        raw = read_at(start * record_size, count * record_size)
        whole = len(raw) // record_size
        if whole:
            block = np.frombuffer(raw, dtype=np.uint8, count=whole * record_size).reshape(whole, record_size).copy()
            _decode(block, start, sector_size, found)
        read += whole
        if whole < count:
            break
    return _table(found, record_size, slots, slots - read)


def of_volume(filesystem: NtfsFileSystem) -> MftTable:
    """The table of an open volume."""
    geometry = filesystem.geometry
    size = filesystem.record_count * geometry.record_size
    return read_table(filesystem.read_table, size, record_size=geometry.record_size, sector_size=geometry.sector_size)


def _decode(block: NDArray[np.uint8], first: int, sector_size: int, found: _Gathered) -> None:  # noqa: PLR0915 - one pass over the attributes of a batch
    size = block.shape[1]
    signed = block[:, :4].copy().view("<u4")[:, 0]
    is_file = signed == int.from_bytes(b"FILE", "little")
    is_bad = signed == int.from_bytes(b"BAAD", "little")
    good = undo_fixups(block, sector_size) & is_file
    found.torn += (first + np.flatnonzero((is_file & ~good) | is_bad)).tolist()
    words = block.reshape(-1).view("<u8")
    per_record = size // 8
    rows = np.flatnonzero(good)
    if not len(rows):
        return
    at = rows * per_record
    second, third, fourth = words[at + 2], words[at + 3], words[at + 4]
    lsn = words[at + 1]
    sequence = (second & 0xFFFF).astype(np.int64)
    links = (second >> 16 & 0xFFFF).astype(np.int64)
    start = (second >> 32 & 0xFFFF).astype(np.int64)
    flags = second >> 48
    used = np.minimum((third & 0xFFFFFFFF).astype(np.int64), size)
    base = (fourth & _NUMBER_BITS).astype(np.int64)
    odd = np.zeros(len(rows), dtype=bool)
    times = np.zeros((len(rows), 4), dtype=np.uint64)
    has_times = np.zeros(len(rows), dtype=bool)
    dos = np.zeros(len(rows), dtype=np.int64)
    usn = np.zeros(len(rows), dtype=np.uint64)
    owner = np.where(base > 0, base, first + rows)
    names: list[tuple[NDArray[Any], ...]] = []
    streams: list[tuple[NDArray[Any], ...]] = []

    active = np.flatnonzero((start >= 24) & (start + 16 <= used))
    place = start[active]
    while len(active):
        off_grid = (place & 7) != 0
        odd[active[off_grid]] = True
        active, place = active[~off_grid], place[~off_grid]
        if not len(active):
            break
        origin = rows[active] * per_record + (place >> 3)
        head, more = words[origin], words[origin + 1]
        kind = (head & 0xFFFFFFFF).astype(np.int64)
        length = (head >> 32).astype(np.int64)
        sound = (kind != _END) & (length >= 24) & (place + length <= used[active])
        active, place, origin, kind, length, more = (
            active[sound],
            place[sound],
            origin[sound],
            kind[sound],
            length[sound],
            more[sound],
        )
        if not len(active):
            break
        resident = (more & 0xFF) == 0
        third_word = words[origin + 2]
        content = place + (third_word >> 32 & 0xFFFF).astype(np.int64)
        content_size = np.where(resident, third_word & 0xFFFFFFFF, 0).astype(np.int64)
        fits = resident & (content + content_size <= place + length)
        grid = (content & 7) == 0

        chosen = fits & (kind == STANDARD_INFORMATION) & (content_size >= 36)
        odd[active[chosen & ~grid]] = True
        chosen &= grid & ~has_times[active]
        if chosen.any():
            who, source = active[chosen], rows[active[chosen]] * per_record + (content[chosen] >> 3)
            for column in range(4):
                times[who, column] = words[source + column]
            has_times[who] = True
            dos[who] = (words[source + 4] & 0xFFFFFFFF).astype(np.int64)
            long = content_size[chosen] >= 72
            usn[who[long]] = words[source[long] + 8]

        chosen = fits & (kind == FILE_NAME) & (content_size >= 68)
        odd[active[chosen & ~grid]] = True
        chosen &= grid
        if chosen.any():
            names.append(_name_columns(words, rows, active, content, content_size, more, chosen, per_record))

        chosen = (kind == DATA) | (kind == INDEX_ALLOCATION)
        if chosen.any():
            streams.append(
                _stream_columns(block, rows, active, place, length, content, content_size, more, kind, resident, chosen)
            )
        place = place + length
        still = place + 16 <= used[active]
        active, place = active[still], place[still]
    found.odd += (first + rows[odd]).tolist()
    found.records.append(
        (
            first + rows,
            sequence,
            (flags & 1).astype(bool),
            (flags & 2).astype(bool),
            base,
            lsn,
            links,
            has_times,
            times,
            dos,
            usn,
        )
    )
    _add_names(block, first + rows, owner, names, found)
    _add_streams(block, first + rows, owner, streams, found)


def _name_columns(
    words: NDArray[np.uint64],
    rows: NDArray[np.int64],
    active: NDArray[np.int64],
    content: NDArray[np.int64],
    content_size: NDArray[np.int64],
    more: NDArray[np.uint64],
    chosen: NDArray[np.bool_],
    per_record: int,
) -> tuple[NDArray[Any], ...]:
    """(row index, attribute id, parent, parent sequence, space, times, size, first unit of the name, units)."""
    who, at, room = active[chosen], content[chosen], content_size[chosen]
    source = rows[who] * per_record + (at >> 3)
    tail = words[source + 8]
    units = (tail & 0xFF).astype(np.int64)
    whole = (units > 0) & (66 + 2 * units <= room)
    who, at, source, tail, units = who[whole], at[whole], source[whole], tail[whole], units[whole]
    parent = words[source]
    times = np.stack([words[source + 1 + column] for column in range(4)], axis=1)
    return (
        who,
        (more[chosen][whole] >> 48).astype(np.int64),
        (parent & _NUMBER_BITS).astype(np.int64),
        (parent >> 48).astype(np.int64),
        (tail >> 8 & 0xFF).astype(np.int64),
        times,
        (words[source + 6] & 0x7FFFFFFFFFFFFFFF).astype(np.int64),
        rows[who] * per_record * 4 + (at + 66) // 2,
        units,
    )


def _stream_columns(
    block: NDArray[np.uint8],
    rows: NDArray[np.int64],
    active: NDArray[np.int64],
    place: NDArray[np.int64],
    length: NDArray[np.int64],
    content: NDArray[np.int64],
    content_size: NDArray[np.int64],
    more: NDArray[np.uint64],
    kind: NDArray[np.int64],
    resident: NDArray[np.bool_],
    chosen: NDArray[np.bool_],
) -> tuple[NDArray[Any], ...]:
    """(row index, kind, id, flags, size, valid size, place in the row, cluster, clusters, first unit, units)."""
    size = block.shape[1]
    per_record = size // 8
    words = block.reshape(-1).view("<u8")
    who, at, extent, head = active[chosen], place[chosen], length[chosen], more[chosen]
    origin = rows[who] * per_record + (at >> 3)
    here = resident[chosen]
    long = ~here & (extent >= 64)
    keep = here | (long & (words[origin + 2] == 0))  # of others only the first extent names the stream
    who, at, extent, head, origin, here = who[keep], at[keep], extent[keep], head[keep], origin[keep], here[keep]
    inside = content[chosen][keep]
    own_size = content_size[chosen][keep]
    last = len(words) - 1
    stated = (words[np.minimum(origin + 6, last)] & 0x7FFFFFFFFFFFFFFF).astype(np.int64)
    valid = (words[np.minimum(origin + 7, last)] & 0x7FFFFFFFFFFFFFFF).astype(np.int64)
    runs_at = np.where(here, 0, words[np.minimum(origin + 4, last)] & 0xFFFF).astype(np.int64)
    cluster, clusters = _first_run(block, rows[who] * size + at + runs_at, here | (runs_at < 64) | (runs_at >= extent))
    name_at = (head >> 16 & 0xFFFF).astype(np.int64)
    units = (head >> 8 & 0xFF).astype(np.int64)
    units = np.where(name_at + 2 * units <= extent, units, 0)
    return (
        who,
        kind[chosen][keep],
        (head >> 48).astype(np.int64),
        (head >> 32 & 0xFFFF).astype(np.int64),
        np.where(here, own_size, stated),
        np.where(here, own_size, valid),
        np.where(here & (inside + own_size <= size), inside, -1),
        cluster,
        clusters,
        rows[who] * per_record * 4 + (at + name_at) // 2,
        np.where(((at + name_at) & 1) == 0, units, 0),
    )


def _first_run(
    block: NDArray[np.uint8], at: NDArray[np.int64], none: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First cluster (-1: a hole, or none) and length in clusters of the run list at byte `at` of the batch."""
    flat = block.reshape(-1)
    last = len(flat) - 1
    header = flat[np.minimum(at, last)]
    length_size, offset_size = (header & 15).astype(np.int64), (header >> 4).astype(np.int64)
    bad = none | (length_size == 0) | (length_size > 8) | (offset_size > 8)
    length = np.zeros(len(at), dtype=np.int64)
    offset = np.zeros(len(at), dtype=np.int64)
    for byte in range(7):
        value = flat[np.minimum(at + 1 + byte, last)].astype(np.int64)
        length += np.where(byte < length_size, value << (8 * byte), 0)
        value = flat[np.minimum(at + 1 + length_size + byte, last)].astype(np.int64)
        offset += np.where(byte < offset_size, value << (8 * byte), 0)
    bad |= (offset_size == 0) | (offset < 0) | (offset >= 1 << 47)
    return np.where(bad, -1, offset), np.where(bad, 0, length)


def decoded_names(block: NDArray[np.uint8], first_unit: NDArray[np.int64], units: NDArray[np.int64]) -> list[str]:
    """UTF-16 names out of the batch, decoded together; '/' and lone surrogates are escaped as `preserve.ntfs` does."""
    flat = block.reshape(-1).view("<u2")
    total = int(units.sum())
    before = np.cumsum(units) - units
    within = np.arange(total) - np.repeat(before, units)
    taken = flat[np.repeat(first_unit, units) + within]
    if not taken.all():
        # A NUL inside a name: decode one by one, so that the separator below stays unambiguous.
        ends = np.cumsum(units)
        return [
            safe_name(taken[start:end].tobytes().decode("utf-16-le", "surrogatepass"))[0]
            for start, end in zip((ends - units).tolist(), ends.tolist(), strict=True)
        ]
    joined = np.zeros(total + len(units), dtype="<u2")
    joined[np.arange(total) + np.repeat(np.arange(len(units)), units)] = taken
    text = joined.tobytes().decode("utf-16-le", "surrogatepass")
    names = text.split("\0")[:-1]
    return [safe_name(name)[0] for name in names] if _UNSAFE.search(text) else names


def _joined(parts: list[tuple[NDArray[Any], ...]]) -> tuple[NDArray[Any], ...]:
    return tuple(np.concatenate(columns) for columns in zip(*parts, strict=True))


def _add_names(
    block: NDArray[np.uint8],
    numbers: NDArray[np.int64],
    owner: NDArray[np.int64],
    parts: list[tuple[NDArray[Any], ...]],
    found: _Gathered,
) -> None:
    if not parts:
        return
    who, attribute, parent, sequence, space, times, size, unit, units = _joined(parts)
    order = np.argsort(who, kind="stable")
    who = who[order]
    found.name_texts += decoded_names(block, unit[order], units[order])
    found.names.append(
        (
            owner[who],
            numbers[who],
            attribute[order],
            parent[order],
            sequence[order],
            space[order],
            times[order],
            size[order],
        )
    )


def _add_streams(
    block: NDArray[np.uint8],
    numbers: NDArray[np.int64],
    owner: NDArray[np.int64],
    parts: list[tuple[NDArray[Any], ...]],
    found: _Gathered,
) -> None:
    if not parts:
        return
    who, kind, attribute, flags, size, valid, inside, cluster, clusters, unit, units = _joined(parts)
    order = np.argsort(who, kind="stable")
    who = who[order]
    inside = inside[order]
    found.stream_texts += decoded_names(block, unit[order], units[order])
    place = np.where(inside >= 0, numbers[who] * block.shape[1] + inside, -1)
    columns = (kind, attribute, flags, size, valid)
    found.streams.append((owner[who], *(column[order] for column in columns), place, cluster[order], clusters[order]))


def _table(found: _Gathered, record_size: int, slots: int, missing: int) -> MftTable:
    none = np.zeros(0, dtype=np.int64)
    nothing = np.zeros((0, 4), dtype=np.uint64)
    empty = np.zeros(0, dtype=bool)
    unsigned = np.zeros(0, dtype=np.uint64)
    records = (
        Records(*_joined(found.records))
        if found.records
        else Records(none, none, empty, empty, none, unsigned, none, empty, nothing, none, unsigned)
    )
    names: Names = (
        cast("Any", Names)(*_joined(found.names), found.name_texts)
        if found.names
        else Names(none, none, none, none, none, none, nothing, none, [])
    )
    streams: Streams = (
        cast("Any", Streams)(*_joined(found.streams), found.stream_texts)
        if found.streams
        else Streams(none, none, none, none, none, none, none, none, none, [])
    )
    return MftTable(records, names, streams, record_size, slots, found.torn, found.odd, missing)
