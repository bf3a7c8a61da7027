"""NTFS: the master file table read as a whole, in bulk, live and deleted records alike.

The Sleuth Kit opens a file at a time and lists a deleted file only where a directory still names it; this reads the
table itself in large pieces and finds the path of each file by its parent reference, as long as the parent's sequence
number fits. Only LZNT1-compressed content goes through The Sleuth Kit.

Format: Linux-NTFS project's NTFS documentation; [MS-FSCC] for attribute types and reparse tags; libfsntfs.
"""

from __future__ import annotations

import struct
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chain_of_custody.errors import EvidenceError
from preserve import wof
from preserve.file_times import NtfsTimes
from preserve.filesystem import ORPHANS, FileEntry, FileId, FileReader, Run, join_path
from preserve.image import Problem, Range

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from preserve.volumes import Volume

STANDARD_INFORMATION, ATTRIBUTE_LIST, FILE_NAME = 0x10, 0x20, 0x30
DATA, INDEX_ROOT, INDEX_ALLOCATION, BITMAP, REPARSE_POINT = 0x80, 0x90, 0xA0, 0xB0, 0xC0
_END = 0xFFFFFFFF
_ROOT, _EXTEND = 5, 11
_RECORD_BITS = (1 << 48) - 1
_BATCH = 4 << 20  # bytes of $MFT read at once
_MOST_RUNS = 1_000_000  # in one stream
_MOST_RUNS_IN_ALL = 4_000_000  # on one volume; a run is an object of some 150 bytes
_MOST_PATH_CHARACTERS = 128 << 20  # of all paths of a volume; beyond, long paths are shortened
_MOST_EXTENSIONS = 20_000  # records in one attribute list
_LARGEST_LIST = 16 << 20  # bytes of one attribute list
_LARGEST_INDEX = 256 << 20  # bytes of one folder's index that are searched for stale names
_MOST_STALE = 1_000_000


@dataclass(frozen=True, slots=True)
class Geometry:
    """Sizes in bytes, clusters counted from the start of the volume."""

    sector_size: int
    cluster_size: int
    size: int
    mft_cluster: int
    mirror_cluster: int
    record_size: int
    index_size: int


def parse_boot_sector(sector: bytes) -> Geometry | None:
    """Geometry from an NTFS boot sector; None where it is none or its sizes are impossible."""
    if len(sector) < 512 or sector[3:11] != b"NTFS    ":
        return None
    sector_size, per_cluster = struct.unpack_from("<HB", sector, 11)
    sectors, mft, mirror, record, index = struct.unpack_from("<QQQb3xb", sector, 40)
    if sector_size not in (256, 512, 1024, 2048, 4096):
        return None
    # Above 128 the byte is a power of two (clusters over 64 KiB).
    sectors_per_cluster = per_cluster if per_cluster <= 128 else 1 << (256 - per_cluster)
    cluster = sectors_per_cluster * sector_size
    if not cluster or cluster & (cluster - 1) or cluster > 2 << 20 or not 0 < sectors < 1 << 55:
        return None
    record_size = record * cluster if record > 0 else 1 << -record
    index_size = index * cluster if index > 0 else 1 << -index
    if not 512 <= record_size <= 65536 or record_size & (record_size - 1):
        return None
    if not 512 <= index_size <= 2 << 20:
        index_size = 4096
    size = (sectors + 1) * sector_size  # the backup boot sector follows the file system
    if mft * cluster >= size or mft == 0:
        return None
    return Geometry(sector_size, cluster, size, mft, mirror, record_size, index_size)


class Attribute(NamedTuple):
    """One attribute, its extents over several records joined.

    `data` is resident content and `position` its offset in the record `record`; otherwise `runs` are
    (first cluster of the stream, first cluster on the volume or -1, clusters).
    """

    kind: int
    name: str
    id: int
    flags: int
    size: int
    valid_size: int
    compression_unit: int
    data: bytes | None
    record: int
    position: int
    runs: list[tuple[int, int, int]]
    first_cluster: int


class Record(NamedTuple):
    """A file record after its fixups."""

    number: int
    sequence: int
    in_use: bool
    is_directory: bool
    base: int
    attributes: list[Attribute]


def decode_runs(data: bytes, first: int) -> list[tuple[int, int, int]]:
    """Runs of a non-resident attribute as (cluster in the stream, cluster on the volume or -1, clusters).

    Stops at the first impossible run.
    """
    runs = []
    at, place, end = 0, 0, len(data)
    while at < end and data[at]:
        length_size, offset_size = data[at] & 15, data[at] >> 4
        following = at + 1 + length_size + offset_size
        if not 0 < length_size <= 8 or offset_size > 8 or following > end:
            break
        length = int.from_bytes(data[at + 1 : at + 1 + length_size], "little")
        if not 0 < length < 1 << 48:
            break
        if offset_size:
            place += int.from_bytes(data[at + 1 + length_size : following], "little", signed=True)
            if not 0 <= place < 1 << 48:
                break
            runs.append((first, place, length))
        else:
            runs.append((first, -1, length))
        first += length
        at = following
    return runs


def parse_record(raw: bytes, number: int) -> Record | None:
    """A file record whose fixups are undone; None where its header makes no sense."""
    if raw[:4] != b"FILE":
        return None
    sequence, _, first, flags, used = struct.unpack_from("<HHHHI", raw, 16)
    base = int.from_bytes(raw[32:38], "little")
    end = min(used, len(raw))
    if not 24 <= first < len(raw):
        return None
    attributes: list[Attribute] = []
    at = first
    while at + 16 <= end:
        kind, length, nonresident, name_length, name_at, attr_flags, attr_id = struct.unpack_from("<IIBBHHH", raw, at)
        if kind == _END or length < 24 or at + length > end:
            break
        name = ""
        if name_length and name_at + 2 * name_length <= length:
            name = raw[at + name_at : at + name_at + 2 * name_length].decode("utf-16-le", "surrogatepass")
        if not nonresident:
            size, content_at = struct.unpack_from("<IH", raw, at + 16)
            if content_at + size <= length:
                data = raw[at + content_at : at + content_at + size]
                attributes.append(
                    Attribute(kind, name, attr_id, attr_flags, size, size, 0, data, number, at + content_at, [], 0)
                )
        elif length >= 64:
            first_cluster, _, runs_at, unit = struct.unpack_from("<QQHH", raw, at + 16)
            size, valid = struct.unpack_from("<QQ", raw, at + 48)
            runs = decode_runs(raw[at + runs_at : at + length], first_cluster) if runs_at < length else []
            attributes.append(
                Attribute(kind, name, attr_id, attr_flags, size, valid, unit, None, number, 0, runs, first_cluster)
            )
        at += length
    return Record(number, sequence, bool(flags & 1), bool(flags & 2), base, attributes)


def undo_fixups(block: NDArray[np.uint8], sector_size: int) -> NDArray[np.bool_]:
    """Put back the last two bytes of each sector of each row, in place; returns per row whether all of them fitted.

    `block` has one record a row. A row that does not fit was torn: its last write did not reach the disk whole.
    """
    size = block.shape[1]
    stride = min(sector_size, 512)
    sectors = size // stride
    at = block[:, 4:6].view("<u2")[:, 0].astype(np.int64)
    count = block[:, 6:8].view("<u2")[:, 0]
    good: NDArray[np.bool_] = (count == sectors + 1) & (at + 2 * (sectors + 1) <= stride - 2) & (at >= 8)
    fitting = np.flatnonzero(good)
    if not len(fitting):
        return good
    index = at[fitting]
    low, high = block[fitting, index], block[fitting, index + 1]
    for sector in range(sectors):
        tail = stride * (sector + 1) - 2
        right = (block[fitting, tail] == low) & (block[fitting, tail + 1] == high)
        good[fitting[~right]] = False
        source = index + 2 + 2 * sector
        block[fitting, tail] = np.where(right, block[fitting, source], block[fitting, tail])
        block[fitting, tail + 1] = np.where(right, block[fitting, source + 1], block[fitting, tail + 1])
    return good


def slack_hits(block: NDArray[np.uint8], owners: NDArray[np.uint64], sector_size: int) -> NDArray[np.bool_]:
    """Which 8-byte words of index blocks (one a row) could begin a $FILE_NAME behind the entries in use.

    Such a word names the folder itself, whose record number `owners` has for each row, as the parent. The fixups of
    `block` are undone in place; blocks that are none give nothing.
    """
    signed = (block[:, :4] == np.frombuffer(b"INDX", dtype=np.uint8)).all(axis=1)
    signed &= undo_fixups(block, sector_size)
    words = block.view("<u8")
    used = block[:, 28:32].view("<u4")[:, 0].astype(np.int64) + 24
    hits: NDArray[np.bool_] = (words & np.uint64(_RECORD_BITS)) == owners[:, None]
    hits &= signed[:, None]
    # The last entry in use is an end mark of 16 bytes; what is cut from the list begins there.
    hits &= (np.arange(words.shape[1]) * 8 - 16)[None, :] >= used[:, None] - 16
    return hits


def _undo_fixups_of_one(record: bytearray, sector_size: int) -> bool:
    """What `undo_fixups` does, for a single record: arrays do not pay for one."""
    stride = min(sector_size, 512)
    sectors = len(record) // stride
    at = int.from_bytes(record[4:6], "little")
    if int.from_bytes(record[6:8], "little") != sectors + 1 or not 8 <= at <= stride - 2 - 2 * (sectors + 1):
        return False
    mark = record[at : at + 2]
    for sector in range(sectors):
        tail = stride * (sector + 1) - 2
        if record[tail : tail + 2] != mark:
            return False
        source = at + 2 + 2 * sector
        record[tail : tail + 2] = record[source : source + 2]
    return True


class Name(NamedTuple):
    """A $FILE_NAME: the folder it stands in, the name, its namespace (2: DOS), four FILETIME values."""

    parent: int
    parent_sequence: int
    name: str
    space: int
    times: tuple[int, int, int, int]


class StaleName(NamedTuple):
    """A name left in the slack of a folder's index; `record` is -1 where it is not known whose it was."""

    record: int
    sequence: int
    name: Name


def _parse_file_name(data: bytes) -> Name | None:
    """A $FILE_NAME value; None where it is cut off."""
    if len(data) < 66:
        return None
    parent, created, modified, changed, accessed = struct.unpack_from("<QQQQQ", data)
    length, space = data[64], data[65]
    raw = data[66 : 66 + 2 * length]
    if len(raw) < 2 * length or not length:
        return None
    name = raw.decode("utf-16-le", "surrogatepass")
    return Name(parent & _RECORD_BITS, parent >> 48, name, space, (created, modified, changed, accessed))


def safe_name(name: str) -> tuple[str, bool]:
    """A name from UTF-16 as a part of a path; lone surrogates, '/' and NUL are escaped as %XXXX (UTF-16 units)."""
    if "/" not in name and "\0" not in name and not any("\ud800" <= one <= "\udfff" for one in name):
        return name, False
    parts = [
        f"%u{ord(one):04X}" if one in "/\0" or "\ud800" <= one <= "\udfff" else "%u0025" if one == "%" else one
        for one in name
    ]
    return "".join(parts), True


class NtfsFileSystem:
    """NTFS on a volume; implements `preserve.filesystem.FileSystem`."""

    kind = "ntfs"
    layer = "ntfs"

    def __init__(self, volume: Volume, geometry: Geometry, where: str, boot: bytes, problems: list[Problem]) -> None:
        self.volume = volume
        self.geometry = geometry
        self.where = where
        self.boot = boot
        self.problems = problems
        self.block_size = geometry.cluster_size
        self.offset = volume.offset
        self.size = min(geometry.size, volume.size)
        self.label = ""
        self.version = ""
        self._lock = threading.Lock()
        self._cache: OrderedDict[int, bytes] = OrderedDict()
        self._metadata: list[Range] = []
        self._incomplete: list[int] = []  # files in use that lack extension records
        self._extensions_left = 100_000
        self._runs_left = _MOST_RUNS_IN_ALL
        self._tsk: object | None = None
        self._clusters = self.size // geometry.cluster_size
        self._open_table()

    # --- the master file table ---------------------------------------------------------------------------------------

    def _open_table(self) -> None:
        """Find the runs of $MFT from its own record, or from its mirror. Raises EvidenceError where both are lost."""
        geometry = self.geometry
        for cluster in (geometry.mft_cluster, geometry.mirror_cluster):
            raw = self.volume.read_at(cluster * geometry.cluster_size, geometry.record_size)
            record = self._parse_raw(raw, 0)
            data = (
                next((one for one in record.attributes if one.kind == DATA and not one.name), None) if record else None
            )
            if record is not None and data is not None and data.runs and record.base == 0:
                if cluster != geometry.mft_cluster:
                    detail = "record 0 of $MFT is damaged; it was read from $MFTMirr"
                    self.problems.append(
                        Problem(self.where, "damaged", detail, self._media(geometry.mft_cluster), geometry.record_size)
                    )
                break
        else:
            raise EvidenceError("$MFT とその写しが読めません", "$MFT and its mirror cannot be read")
        self._set_table(data.runs, data.size)
        joined = self._join(record)
        whole = next((one for one in joined if one.kind == DATA and not one.name), data)
        self._set_table(whole.runs, data.size)
        for one in self._attributes_of(3):
            if one.kind == 0x60 and one.data is not None:
                self.label = one.data.decode("utf-16-le", "replace")
            elif one.kind == 0x70 and one.data is not None and len(one.data) >= 12:
                self.version = f"{one.data[8]}.{one.data[9]}"

    def _set_table(self, runs: list[tuple[int, int, int]], size: int) -> None:
        cluster = self.geometry.cluster_size
        self._table = [
            (first * cluster, place * cluster, count * cluster) for first, place, count in runs if place >= 0
        ]
        mapped = max((first + count for first, _, count in self._table), default=0)
        # A wrong size must not mean reading past what is mapped.
        self.record_count = min(size, mapped) // self.geometry.record_size

    def _media(self, cluster: int) -> int:
        return self.offset + cluster * self.geometry.cluster_size

    def _locate(self, position: int) -> tuple[int, int]:
        """Offset in the volume of byte `position` of $MFT and how many bytes follow there; (-1, 0) where unmapped."""
        for first, place, size in self._table:
            if first <= position < first + size:
                return place + position - first, first + size - position
        return -1, 0

    def read_table(self, position: int, size: int, /) -> bytes:
        """Bytes of $MFT itself, fewer where it ends or is not mapped."""
        parts = []
        while size > 0:
            place, left = self._locate(position)
            if place < 0:
                break
            part = self.volume.read_at(place, min(size, left))
            if not part:
                break
            parts.append(part)
            position += len(part)
            size -= len(part)
        return b"".join(parts)

    def _parse_raw(self, raw: bytes, number: int) -> Record | None:
        if len(raw) < self.geometry.record_size or raw[:4] != b"FILE":
            return None
        block = bytearray(raw)
        if not _undo_fixups_of_one(block, self.geometry.sector_size):
            return None
        return parse_record(bytes(block), number)

    def record(self, number: int) -> Record | None:
        """File record `number`, or None where it is not there or damaged."""
        if not 0 <= number < self.record_count:
            return None
        size = self.geometry.record_size
        with self._lock:
            raw = self._cache.get(number)
        if raw is None:
            raw = self.read_table(number * size, size)
            with self._lock:
                self._cache[number] = raw
                while len(self._cache) > 4096:
                    self._cache.popitem(last=False)
        return self._parse_raw(raw, number)

    def _attributes_of(self, number: int) -> list[Attribute]:
        record = self.record(number)
        return self._join(record) if record is not None else []

    def _join(self, record: Record) -> list[Attribute]:
        """Attributes of a base record, with those in extension records, and the extents of each stream joined."""
        attributes = record.attributes
        listing = next((one for one in attributes if one.kind == ATTRIBUTE_LIST), None)
        if listing is None:
            return attributes
        data = (
            listing.data if listing.data is not None else self._read_runs(listing, 0, min(listing.size, _LARGEST_LIST))
        )
        numbers: dict[int, int] = {}
        at = 0
        while at + 26 <= len(data) and len(numbers) < _MOST_EXTENSIONS:
            length = int.from_bytes(data[at + 4 : at + 6], "little")
            if length < 26:
                break
            reference = int.from_bytes(data[at + 16 : at + 24], "little")
            if reference & _RECORD_BITS != record.number:
                numbers.setdefault(reference & _RECORD_BITS, reference >> 48)
            at += length
        parts = list(attributes)
        lost = 0
        for number in numbers:
            # Each extension record belongs to one file; lists that all name the same ones must not cost for ever.
            self._extensions_left -= 1
            extension = self.record(number) if self._extensions_left > 0 else None
            # An extension record must point back; one that was reused belongs to another file now.
            if extension is None or extension.base != record.number:
                lost += 1
                continue
            parts += extension.attributes
        if lost and record.in_use:
            self._incomplete.append(record.number)
        return _join_extents(parts)

    # --- content -----------------------------------------------------------------------------------------------------

    def _read_runs(self, attribute: Attribute, offset: int, size: int) -> bytes:
        """Bytes of a non-resident, uncompressed attribute; holes and what was never written are zeros."""
        cluster = self.geometry.cluster_size
        size = max(0, min(size, attribute.size - offset))
        buffer: bytearray | None = None
        end = min(offset + size, attribute.valid_size)
        for first, place, count in attribute.runs:
            start = max(offset, first * cluster)
            stop = min(end, (first + count) * cluster)
            if start >= stop or place < 0:
                continue
            data = self.volume.read_at(place * cluster + start - first * cluster, stop - start)
            if len(data) == size:
                return data  # all of it in one run
            if buffer is None:
                buffer = bytearray(size)
            buffer[start - offset : start - offset + len(data)] = data
        if buffer is None:
            return bytes(size)
        return bytes(buffer)

    def open(self, file_id: FileId) -> FileReader:
        """See `FileSystem.open`."""
        _, number, _, kind, attribute_id = file_id
        record = self.record(number)
        attributes = self._join(record) if record is not None else []
        found = next((one for one in attributes if one.kind == kind and one.id == attribute_id), None)
        if found is None:
            raise EvidenceError(
                f"ファイルレコード {number} に内容がありません",
                f"file record {number} holds no such content",
            )
        reader = _NtfsReader(self, found, file_id)
        return self._behind_reparse(attributes, reader) if found.kind == DATA and not found.name else reader

    def _behind_reparse(self, attributes: Sequence[Attribute], reader: _NtfsReader) -> FileReader:
        """The content that a reparse point of the Windows overlay filter stands for; `reader` for all other files."""
        reparse = next((one.data for one in attributes if one.kind == REPARSE_POINT and one.data), b"")
        algorithm = wof.algorithm_of(reparse)
        stored = next((one for one in attributes if one.kind == DATA and one.name == wof.STREAM), None)
        if algorithm is None or stored is None or not wof.is_readable():
            return reader
        return wof.WofReader(_NtfsReader(self, stored, reader.file_id), reader.size, algorithm)

    def _tsk_file(self, number: int) -> object:
        """The file in The Sleuth Kit, for LZNT1."""
        from preserve import tsk  # noqa: PLC0415

        with self._lock:
            if self._tsk is None:
                self._tsk = tsk.open_handle(self.volume, overlay=self.boot)
            return tsk.open_meta(self._tsk, number)

    # --- every file --------------------------------------------------------------------------------------------------

    def records(self) -> Iterator[Record]:
        """All records of the table in order that hold a file, in use or not."""
        size = self.geometry.record_size
        per_batch = max(1, _BATCH // size)
        torn: list[int] = []
        lost = 0
        for start in range(0, self.record_count, per_batch):
            count = min(per_batch, self.record_count - start)
            raw = self.read_table(start * size, count * size)
            if len(raw) < count * size:
                lost += count - len(raw) // size
                count = len(raw) // size
            block = np.frombuffer(raw[: count * size], dtype=np.uint8).reshape(count, size).copy()
            signed = (block[:, :4] == np.frombuffer(b"FILE", dtype=np.uint8)).all(axis=1)
            bad = (block[:, :4] == np.frombuffer(b"BAAD", dtype=np.uint8)).all(axis=1)
            good = undo_fixups(block, self.geometry.sector_size) & signed
            torn += [start + int(row) for row in np.flatnonzero((signed & ~good) | bad)]
            data = block.tobytes()
            for row in np.flatnonzero(good).tolist():
                record = parse_record(data[row * size : (row + 1) * size], start + row)
                if record is not None:
                    yield record
        if torn:
            shown = ", ".join(str(one) for one in torn[:10])
            detail = f"{len(torn)} damaged file records: {shown}{' …' if len(torn) > 10 else ''}"
            self.problems.append(Problem(f"{self.where}|ntfs", "damaged", detail))
        if lost:
            self.problems.append(Problem(f"{self.where}|ntfs", "damaged", f"{lost} file records of $MFT are missing"))

    def walk(self) -> Iterator[FileEntry]:
        """See `FileSystem.walk`."""
        self._metadata.clear()
        self._incomplete.clear()
        self._extensions_left = 100_000 + 2 * self.record_count
        self._runs_left = _MOST_RUNS_IN_ALL
        folders: dict[int, tuple[int, bool, Name | None]] = {}  # record -> sequence, in use, its name
        stale: list[StaleName] = []
        pending: list[tuple[Name | None, str, list[FileEntry]]] = []
        for record in self.records():
            if record.base:
                continue
            attributes = self._join(record)
            names = [
                name
                for one in attributes
                if one.kind == FILE_NAME and one.data is not None and (name := _parse_file_name(one.data)) is not None
            ]
            names = [name for name in names if name.space != 2] or names[:1]
            if not names and not any(one.kind == DATA for one in attributes if record.number > 23):
                continue  # never used, or reserved
            if record.is_directory:
                folders[record.number] = (record.sequence, record.in_use, names[0] if names else None)
                index = next((one for one in attributes if one.kind == INDEX_ALLOCATION and one.name == "$I30"), None)
                if index is not None and len(stale) < _MOST_STALE:
                    stale += self.stale_names(record.number, index)
            streams = self._streams(record, attributes)
            for name in names or (None,):
                entries = [self._entry(record, one, name, attributes) for one in streams]
                pending.append((name, f"OrphanFile-{record.number}", entries))
        self._say_limits()
        paths = Paths(folders)
        characters = 0
        for name, fallback, entries in pending:
            path, whole = paths.of(name, fallback)
            characters += len(path) * len(entries)
            if characters > _MOST_PATH_CHARACTERS and len(path) > 1024:
                path = f"{path[:512]}/…/{path[-256:].partition('/')[2] or path[-255:]}"
            for entry in entries:
                stream = entry.path
                entry.path = path + stream
                if entry.id[1] == _ROOT:
                    entry.path = "/" + stream
                if entry.kind != "metadata" and path.startswith("/$Extend/") and whole and entry.state == "allocated":
                    entry.kind = "directory" if entry.kind == "directory" else "metadata"
                yield entry

        unknown = {name.parent for number, _, name in stale if number < 0}
        current = {(name.parent, name.name) for name, _, _ in pending if name is not None and name.parent in unknown}
        yield from self._name_only(
            [one for one in stale if one.record >= 0 or (one.name.parent, one.name.name) not in current], paths
        )

    def _say_limits(self) -> None:
        """Problems that are counted while records are read."""
        where = f"{self.where}|ntfs"
        if self._incomplete:
            shown = ", ".join(str(one) for one in self._incomplete[:10])
            detail = f"extension records are lost of {len(self._incomplete)} files: records {shown}"
            self.problems.append(Problem(where, "damaged", detail))
        if self._runs_left <= 0:
            detail = f"more than {_MOST_RUNS_IN_ALL} runs: the places of later files are not known"
            self.problems.append(Problem(where, "limit", detail))

    def index_of(self, record: Record) -> Attribute | None:
        """The index blocks of a folder; None where it is small enough to lie in its record."""
        joined = self._join(record)
        return next((one for one in joined if one.kind == INDEX_ALLOCATION and one.name == "$I30"), None)

    def index_bytes(self, index: Attribute) -> Iterator[bytes]:
        """The index blocks of a folder, as they are on the medium, some MiB of whole blocks at a time."""
        size = self.geometry.index_size
        for at in range(0, min(index.size, _LARGEST_INDEX), _BATCH // size * size):
            raw = self._read_runs(index, at, _BATCH // size * size)
            count = len(raw) // size
            if not count:
                break
            yield raw[: count * size]

    def stale_names(self, number: int, index: Attribute) -> list[StaleName]:
        """Names in the slack of a folder's index blocks: what was deleted or renamed, and not overwritten since.

        An index entry is: reference, entry length, content length, flags, then a $FILE_NAME whose first 8 bytes name
        this folder as the parent.
        """
        found: list[StaleName] = []
        for raw in self.index_bytes(index):
            block = np.frombuffer(raw, dtype=np.uint8).reshape(-1, self.geometry.index_size).copy()
            owners = np.full(len(block), number, dtype=np.uint64)
            hits = slack_hits(block, owners, self.geometry.sector_size)
            for row, word in np.argwhere(hits).tolist():
                entry = block[row, word * 8 - 16 :].tobytes() if word >= 2 else b""
                name = _parse_file_name(entry[16:])
                if name is None or name.space == 2 or name.space > 3:
                    continue
                content = int.from_bytes(entry[10:12], "little")
                reference = int.from_bytes(entry[:8], "little")
                if int.from_bytes(entry[:10], "little") == 16 << 64:
                    # The list's end mark has overwritten the head of the entry, and with it which file it was.
                    found.append(StaleName(-1, 0, name))
                    continue
                if content == 66 + 2 * (entry[16 + 64]) and reference:
                    found.append(StaleName(reference & _RECORD_BITS, reference >> 48, name))
        return found

    def _name_only(self, stale: list[StaleName], paths: Paths) -> Iterator[FileEntry]:
        """Stale names whose file has another name, or whose record serves another file now."""
        seen: set[tuple[int, int, str]] = set()
        for number, sequence, name in stale:
            key = (number, name.parent, name.name)
            if key in seen:
                continue
            seen.add(key)
            record = self.record(number)  # None for an unknown number
            if record is not None and record.sequence in (sequence, sequence + (not record.in_use)):
                current = [
                    _parse_file_name(one.data)
                    for one in self._join(record)
                    if one.kind == FILE_NAME and one.data is not None
                ]
                if any(one is not None and (one.parent, one.name) == (name.parent, name.name) for one in current):
                    continue
            path, _ = paths.of(name, f"OrphanFile-{number}")
            index = self.volume.index
            entry = FileEntry((index, max(number, 0), sequence, 0, 0), index, path, "file", "deleted", 0)
            entry.times = NtfsTimes((0, 0, 0, 0, *name.times))
            entry.name_only = True
            yield entry

    def _streams(self, record: Record, attributes: list[Attribute]) -> list[Attribute | None]:
        """What of a record is listed: its data streams, or its index; its other clusters are metadata."""
        streams: list[Attribute | None] = []
        for one in attributes:
            if one.kind == DATA:
                streams.append(one)
            elif one.data is None and record.in_use and not (one.kind == INDEX_ALLOCATION and record.is_directory):
                self._metadata += [
                    Range(run.offset, run.size) for run in self._media_runs(one) if run.offset is not None
                ]
        if record.is_directory:
            index = next((one for one in attributes if one.kind == INDEX_ALLOCATION and one.name == "$I30"), None)
            streams.insert(0, index)
        elif not any(one is not None and not one.name for one in streams):
            streams.insert(0, None)  # a file without content of its own, so that its name is seen
        return streams

    def _media_runs(self, attribute: Attribute) -> tuple[Run, ...]:
        """Runs in bytes of the medium, without those outside the volume."""
        cluster = self.geometry.cluster_size
        runs = []
        for first, place, count in attribute.runs[: max(0, min(_MOST_RUNS, self._runs_left))]:
            self._runs_left -= 1
            if place < 0:
                runs.append(Run(first * cluster, None, count * cluster))
            elif place < self._clusters:
                kept = min(count, self._clusters - place)
                runs.append(Run(first * cluster, self.offset + place * cluster, kept * cluster))
        return tuple(runs)

    def _entry(
        self, record: Record, one: Attribute | None, name: Name | None, attributes: list[Attribute]
    ) -> FileEntry:
        """An entry whose `path` holds only what follows the file's own path (`:stream`)."""
        state: str = "allocated" if record.in_use else "deleted"
        times = next((a.data for a in attributes if a.kind == STANDARD_INFORMATION and a.data), b"")
        values = struct.unpack_from("<QQQQ", times) if len(times) >= 32 else ()
        if name is not None:
            values = (values or (0, 0, 0, 0)) + name.times
        index, number = self.volume.index, record.number
        is_folder = record.is_directory and (one is None or one.kind != DATA)
        kind = "directory" if is_folder else "metadata" if number < 16 and record.in_use and number != _ROOT else "file"
        if one is None:
            entry = FileEntry((index, number, record.sequence, 0, 0), index, "", kind, state, 0)  # type: ignore[arg-type]
            entry.times = NtfsTimes(values)
            entry.name_only = not is_folder
            return entry
        suffix = ""
        if one.name and one.kind == DATA:
            suffix = ":" + safe_name(one.name)[0]
            kind = "stream" if kind in ("file", "directory") else kind
        entry = FileEntry(
            (index, number, record.sequence, one.kind, one.id),
            index,
            suffix,
            kind,  # type: ignore[arg-type]
            state,  # type: ignore[arg-type]
            0 if is_folder else one.size,
            times=NtfsTimes(values),
            valid_size=min(one.valid_size, one.size),
        )
        entry.compressed = bool(one.flags & 0x00FF) and one.data is None
        entry.encrypted = bool(one.flags & 0x4000)
        entry.sparse = bool(one.flags & 0x8000)
        if one.data is not None:
            entry.resident = True
            place, _ = self._locate(one.record * self.geometry.record_size + one.position)
            entry.resident_offset = self.offset + place if place >= 0 else None
        else:
            entry.runs = self._media_runs(one)
            entry.on_disk = not (entry.compressed or entry.encrypted or is_folder)
        reparse = next((a.data for a in attributes if a.kind == REPARSE_POINT and a.data), b"")
        if len(reparse) >= 4 and not one.name and one.kind == DATA:
            tag = int.from_bytes(reparse[:4], "little")
            if tag == wof.TAG:
                entry.compressed, entry.on_disk, entry.valid_size = True, False, one.size
                if wof.algorithm_of(reparse) is None or not wof.is_readable():
                    entry.unsupported = "compressed by CompactOS (WOF)"
            elif tag in (0xA000000C, 0xA0000003) and kind == "file":
                entry.kind = "symlink"
        if entry.encrypted:
            entry.unsupported = "encrypted by EFS"
        return entry

    def metadata(self) -> Sequence[Range]:
        """See `FileSystem.metadata`: clusters of attributes that are not listed, and the backup boot sector."""
        tail = self.offset + self.geometry.size - self.geometry.sector_size
        found = list(self._metadata)
        if self.geometry.size <= self.volume.size:
            found.append(Range(tail, self.geometry.sector_size))
        return found


def _join_extents(parts: list[Attribute]) -> list[Attribute]:
    """Join the extents of streams that are spread over several records: same type and name, in order of cluster."""
    order: list[Attribute] = []
    extents: dict[tuple[int, str], list[Attribute]] = {}
    for one in parts:
        if one.data is not None:
            order.append(one)
        else:
            extents.setdefault((one.kind, one.name), []).append(one)
    for group in extents.values():
        group.sort(key=lambda one: one.first_cluster)
        first = group[0]
        runs = [run for one in group for run in one.runs]
        order.append(first._replace(runs=runs[:_MOST_RUNS]))
    order.sort(key=lambda one: one.kind)
    return order


class Paths:
    """Paths of folders by their parent references; loops and folders that were reused end under $OrphanFiles."""

    def __init__(self, folders: dict[int, tuple[int, bool, Name | None]]) -> None:
        self._folders = folders
        self._known: dict[int, str] = {_ROOT: "/"}

    def of(self, name: Name | None, fallback: str) -> tuple[str, bool]:
        """Path of a file by its name, and whether its whole chain of folders is known."""
        if name is None:
            return f"{ORPHANS}/{fallback}", False
        folder = self.folder(name.parent, name.parent_sequence)
        shown, _ = safe_name(name.name)
        if folder is None:
            return f"{ORPHANS}/{shown}", False
        return join_path(folder, shown), not folder.startswith(ORPHANS)

    def _fits(self, number: int, sequence: int) -> bool:
        """Whether record `number` is still the folder that was meant; deleting it has raised its number by one."""
        found = self._folders.get(number)
        if found is None:
            return False
        current, in_use, _ = found
        return current == sequence or (not in_use and current == (sequence + 1) & 0xFFFF)

    def folder(self, number: int, sequence: int) -> str | None:
        """Path of a folder; None where it is not that folder any more."""
        if not self._fits(number, sequence):
            return None
        chain: list[tuple[int, str]] = []
        seen: set[int] = set()
        at = number
        while at not in self._known:
            name = self._folders[at][2]
            if name is None or at in seen:
                self._known[at] = f"{ORPHANS}/OrphanFile-{at}"
                break
            seen.add(at)
            chain.append((at, safe_name(name.name)[0]))
            if not self._fits(name.parent, name.parent_sequence) and name.parent not in self._known:
                self._known[at] = f"{ORPHANS}/{chain.pop()[1]}"
                break
            if name.parent == _ROOT and not self._fits(_ROOT, name.parent_sequence):
                self._known[at] = f"{ORPHANS}/{chain.pop()[1]}"
                break
            at = name.parent
        for one, shown in reversed(chain):
            if one not in self._known:
                parent = self._folders[one][2]
                self._known[one] = join_path(self._known[parent.parent], shown) if parent is not None else ORPHANS
        return self._known[number]


class _NtfsReader:
    """Content of one attribute."""

    def __init__(self, fs: NtfsFileSystem, attribute: Attribute, file_id: FileId) -> None:
        self._fs = fs
        self._attribute = attribute
        self.file_id = file_id
        self.size = attribute.size
        self._file: object | None = None

    def read_at(self, offset: int, size: int, /) -> bytes:
        """See `FileReader.read_at`."""
        one = self._attribute
        size = max(0, min(size, one.size - offset))
        if one.data is not None:
            return one.data[offset : offset + size]
        if one.flags & 0x4000:
            raise EvidenceError("EFS で暗号化されています", "the file is encrypted by EFS")
        if not one.flags & 0x00FF:
            return self._fs._read_runs(one, offset, size)  # noqa: SLF001 - the reader is a part of the file system
        from preserve import tsk  # noqa: PLC0415

        if self._file is None:
            self._file = self._fs._tsk_file(self.file_id[1])  # noqa: SLF001
        return tsk.read_file(self._file, offset, size, one.kind, one.id)


def open_ntfs(volume: Volume, problems: list[Problem]) -> NtfsFileSystem | None:
    """NTFS on a volume, from its boot sector or from the backup at its end; None where there is none."""
    where = f"{volume.image.layer}|{volume.layer}" if volume.layer else volume.image.layer
    sector = volume.read_at(0, 512)
    note = "the boot sector is damaged; its backup was used"
    places = [volume.size - size for size in dict.fromkeys((512, volume.sector_size, 4096)) if size <= volume.size]
    candidates = [(sector, ""), *((volume.read_at(place, 512), note) for place in places)]
    for boot, note in candidates:
        geometry = parse_boot_sector(boot)
        if geometry is None:
            continue
        if note and volume.read_at(geometry.mft_cluster * geometry.cluster_size, 4) not in (b"FILE", b"BAAD"):
            continue  # a backup left behind by an earlier, larger file system
        try:
            fs = NtfsFileSystem(volume, geometry, where, boot, problems)
        except EvidenceError as error:
            problems.append(Problem(f"{where}|ntfs", "damaged", error.en, volume.offset, 512))
            continue
        if note:
            problems.append(Problem(f"{where}|ntfs", "damaged", note, volume.offset, 512))
        return fs
    return None
