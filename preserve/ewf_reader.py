"""Expert Witness images (E01), read without libewf: threads, checksums checked, damaged files read as far as they go.

Format: "Expert Witness Compression Format specification" of the libewf project (EWF-E01, EnCase 1 to 7, FTK Imager,
ewfacquire). SMART (S01), Ex01 and the logical formats are read through `preserve.libewf`.

What happens to damage:

* a missing segment: chunks behind a single gap are counted from the end of the image, the gap reads as zeros;
* a bad `table`: its copy `table2` is used;
* both bad, or cut off with the end of the file: the chunks are found again by walking the `sectors` section, where
  each chunk proves itself by its Adler-32, so nothing is guessed;
* a chunk that does not inflate or whose checksum is wrong reads as zeros and is listed; a stored deflate block whose
  length complement is wrong (written by some hardware imagers) is read when the Adler-32 of the result is right.
"""

from __future__ import annotations

import re
import struct
import threading
import zlib
from bisect import bisect_right
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from isal import isal_zlib
from isal.isal_zlib import IsalError

from chain_of_custody.errors import EvidenceError, EvidenceFormatError
from preserve import age_file
from preserve.ewf_notes import parse_header
from preserve.image import FileImage, Range, UnreadableRange, UnreadableReason, join_ranges
from preserve.segments import ReaderFiles, SegmentFiles

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

SIGNATURE = b"EVF\x09\x0d\x0a\xff\x00"
_DESCRIPTOR = struct.Struct("<16sQQ40sI")
_MOST_SECTIONS = 100_000  # per segment
_MOST_SECTIONS_IN_ALL = 1_000_000  # with three a group of 16,375 chunks of 32 KiB, this is 160 TB
_MOST_SEGMENTS = 20_000  # E01 … ZZZ are 14,971 names
_DESCRIPTOR_TYPES = re.compile(rb"(?:sectors|table2?|data|digest|hash|error2|done|next|volume|disk)\x00{8,}")
_LARGEST_CHUNK = 64 << 20  # bytes; EnCase writes 32 KiB, others up to 16 MiB
_LARGEST_MEDIUM = 1 << 52  # bytes; no disk is larger, and a wrong size must not mean reading zeros for ever
_LARGEST_HEADER = 1 << 20  # bytes of compressed header; the notes are at most a few thousand characters
_TABLE_ENTRIES = 1 << 22  # entries in one table; EnCase writes up to 65,534
_CACHED_ENTRIES = 1 << 22  # table entries kept in memory (17 bytes each)
_CACHED_CHUNKS = 256
_LARGEST_RUN = 16 << 20  # bytes of stored chunks that a thread keeps room for
_LARGEST_AT_ONCE = 1 << 16  # bytes of a stream that is inflated without a limit: at most 64 MiB come out
_SMALL = 256  # bytes of a stream that may be met again


def _adler_ok(data: bytes | memoryview, stored: bytes | memoryview) -> bool:
    return bool(isal_zlib.adler32(data) == int.from_bytes(stored, "little"))


@dataclass(frozen=True, slots=True)
class _Section:
    """A section: its kind, and where its data starts and ends in its segment file."""

    kind: str
    segment: int  # index into the files present
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Table:
    """Where the offsets of a group of chunks stand, and where the chunks lie."""

    segment: int
    count: int
    base: int
    entries: int  # position of the first entry
    sectors: tuple[int, int]  # start and end of the bytes that hold the chunks
    copy: _Table | None = None
    recovered: tuple[np.ndarray, np.ndarray, np.ndarray] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class _Chunks:
    """One loaded table: start, end (bytes in the segment file) and whether compressed, per chunk."""

    starts: np.ndarray
    ends: np.ndarray
    compressed: np.ndarray


class _Own(threading.local):
    """What each thread has for itself: a buffer for stored chunks, and the last small stream with what it holds."""

    buffer = bytearray(0)
    stored = b""
    data = b""


@dataclass(slots=True)
class _Segment:
    """What stands in one segment file."""

    index: int  # into the files
    number: int  # from its header
    sections: list[_Section] = field(default_factory=list)
    ending: Literal["next", "done", "cut"] = "cut"
    cut_at: int = 0
    why: str = ""
    broken: list[tuple[int, str]] = field(default_factory=list)  # before which section a descriptor was lost, and why


_EXTENSION = re.compile(r"\.([A-Za-z])(\d\d|[A-Za-z]{2})$")


def segment_candidates(path: Path) -> list[Path]:
    """All files beside `path` whose names make them segments of the same image (E01 … E99, EAA … ZZZ), sorted."""
    match = _EXTENSION.search(age_file.clear_name(path.name))
    if match is None:
        return [path]
    stem = path.name[: match.start()].lower()
    letter = match[1].upper()
    found = []
    for entry in path.parent.iterdir():
        other = _EXTENSION.search(age_file.clear_name(entry.name))
        if other is None or entry.name[: other.start()].lower() != stem:
            continue
        rest = other[2]
        same = other[1].upper() == letter
        if (rest.isdecimal() and same) or (rest.isalpha() and other[1].upper() >= letter):
            found.append(entry)
    found = [entry for entry in found if entry.is_file()]
    return sorted(found, key=lambda entry: entry.name.upper())[:_MOST_SEGMENTS] or [path]


def _segment_number(path: Path) -> int:
    """Segment number of an EWF file, 0 for anything else."""
    try:
        head = age_file.read_head(path, 13)
    except (OSError, EvidenceError):
        return 0
    if len(head) < 13 or head[:8] != SIGNATURE:
        return 0
    return int.from_bytes(head[9:11], "little")


class EwfImage(FileImage):
    """An E01 image; implements `preserve.image.Image`.

    Raises EvidenceFormatError where the volume section, without which nothing has a place, cannot be read.
    """

    def __init__(self, path: Path, *, threads: int | None = None, files: ReaderFiles | None = None) -> None:
        self.threads = threads
        numbers: dict[int, Path] = {}
        self.ignored: list[str] = []
        """Why files beside the image that look like segments were not used."""
        if files is not None:  # segments that lie inside another image: in the order of their own numbers
            self._files: SegmentFiles | ReaderFiles = files
            self._open(path, [int.from_bytes(files.read(index, 9, 2), "little") for index in range(len(files.paths))])
            return
        for candidate in segment_candidates(path):
            number = _segment_number(candidate)
            if number == 0:
                self.ignored.append(f"{candidate.name}: not a segment of an E01 image")
            elif number in numbers and candidate != path:
                self.ignored.append(f"{candidate.name}: a second segment {number}")
            else:
                numbers[number] = candidate
        if path not in numbers.values():
            numbers[_segment_number(path) or 1] = path
        ordered = sorted(numbers)
        self._files = SegmentFiles([numbers[number] for number in ordered])
        try:
            self._open(path, ordered)
        except BaseException:
            self._files.close()
            raise

    def _open(self, path: Path, ordered: list[int]) -> None:
        self._segments = [self._read_segment(index, number) for index, number in enumerate(ordered)]
        self._read_volume(path)
        self._drop_strangers()
        self._layer = f"e01:{self._files.paths[self._segments[0].index].name}"
        self._lock = threading.Lock()
        self._own = _Own()
        self._met: dict[int, UnreadableRange] = {}
        self._tables_cached: OrderedDict[int, _Chunks] = OrderedDict()
        self._cached_entries = 0
        self._chunks_cached: OrderedDict[int, bytes] = OrderedDict()
        self.repaired: set[str] = set()
        """What was damaged and could still be read in full, in words."""
        self._place_tables()
        self._read_notes()

    # --- what stands where -----------------------------------------------------------------------------------------

    def _read_segment(self, index: int, number: int) -> _Segment:
        """Walk the section descriptors of one file; over a damaged one, go on at the next that is sound."""
        segment = _Segment(index, number)
        size = self._files.sizes[index]
        position = 13
        try:
            while len(segment.sections) < _MOST_SECTIONS:
                raw = self._files.read(index, position, _DESCRIPTOR.size)
                segment.cut_at = position
                if len(raw) < _DESCRIPTOR.size:
                    segment.why = segment.why or "the file ends before its last section"
                    return segment
                kind_raw, following, length, _, checksum = _DESCRIPTOR.unpack(raw)
                if zlib.adler32(raw[:72]) != checksum:
                    segment.why = "a section descriptor has a wrong checksum"
                    segment.broken.append((len(segment.sections), f"at byte {position}: {segment.why}"))
                    position = self._next_descriptor(index, position + 1)
                    if position < 0:
                        return segment
                    continue
                kind = kind_raw.split(b"\0", 1)[0].decode("ascii", "replace")
                if kind in ("next", "done"):
                    segment.ending = "next" if kind == "next" else "done"
                    return segment
                # Some writers leave the size 0; then the next descriptor tells.
                end = position + length if length >= _DESCRIPTOR.size else following
                end = max(end, following)
                if end <= position:
                    segment.why = "the sections run in a circle"
                    return segment
                segment.sections.append(_Section(kind, index, position + _DESCRIPTOR.size, min(end, size)))
                if end > size:
                    segment.why = f"the file ends within its {kind} section"
                    segment.cut_at = size
                    return segment
                position = end
        except OSError as error:
            segment.why = f"read error: {error.strerror}"
            return segment
        segment.why = "too many sections"
        return segment

    def _next_descriptor(self, index: int, position: int) -> int:
        """Position of the next sound section descriptor of a file at or after `position`; -1 where there is none."""
        step = 4 << 20
        while True:
            window = self._read_quietly(index, position, step + _DESCRIPTOR.size)
            for match in _DESCRIPTOR_TYPES.finditer(window, 0, step + 16):
                raw = window[match.start() : match.start() + _DESCRIPTOR.size]
                if len(raw) == _DESCRIPTOR.size and zlib.adler32(raw[:72]) == int.from_bytes(raw[72:], "little"):
                    return position + match.start()
            if len(window) < step + _DESCRIPTOR.size:
                return -1
            position += step

    def _sections(self, *kinds: str) -> Iterator[_Section]:
        for segment in self._segments:
            for section in segment.sections:
                if section.kind in kinds:
                    yield section

    def _read_section(self, section: _Section, most: int) -> bytes:
        try:
            return self._files.read(section.segment, section.start, min(section.end - section.start, most))
        except OSError:
            return b""

    def _read_volume(self, path: Path) -> None:
        """Geometry from the volume section, or from a data section of a later segment, which repeats it."""
        problem = "it has no volume section"
        for section in self._sections("volume", "disk", "data"):
            data = self._read_section(section, 1052)
            if len(data) < 1052:
                problem = "its volume section is cut off"
                continue
            if zlib.adler32(data[:1048]) != int.from_bytes(data[1048:1052], "little"):
                problem = "its volume section has a wrong checksum"
                continue
            chunk_count, per_chunk, sector_size = struct.unpack_from("<III", data, 4)
            sector_count = struct.unpack_from("<Q", data, 16)[0]
            self.chunk_size = per_chunk * sector_size
            self._size: int = (sector_count * sector_size) or chunk_count * self.chunk_size
            if not 0 < self.chunk_size <= _LARGEST_CHUNK or not 0 < self._size <= _LARGEST_MEDIUM:
                problem = "its volume section holds impossible sizes"
                continue
            self._sector_size: int = sector_size
            self.sector_count = self._size // sector_size
            self.media_type = {0: "removable", 1: "fixed", 3: "optical", 0x0E: "logical", 0x10: "memory"}.get(
                data[0], f"0x{data[0]:02x}"
            )
            self.is_physical = bool(data[36] & 0x02)
            self.compression_level = {0: "none", 1: "fast", 2: "best"}.get(data[52], str(data[52]))
            self.error_granularity = int.from_bytes(data[56:60], "little")  # sectors
            self.set_identifier = data[64:80]
            return
        name = path.name
        where = next((f"{one.why} (byte {one.cut_at})" for one in self._segments if one.why), "")
        raise EvidenceFormatError(
            f"{name} は E01 ですが読めません: ボリューム情報がないか壊れています({problem}; {where})",
            f"{name} is an E01 image that cannot be read: {problem}{'; ' + where if where else ''}",
            hint_ja="最初のセグメント(.E01)がそろっているか、複製が途中で切れていないか確かめてください",
            hint_en="check that the first segment (.E01) is there and that the copy of it is complete",
        )

    def _drop_strangers(self) -> None:
        """Leave out segments whose set identifier says that they belong to another image."""
        kept = []
        for segment in self._segments:
            section = next((one for one in segment.sections if one.kind in ("volume", "disk", "data")), None)
            data = self._read_section(section, 1052) if section is not None else b""
            sound = len(data) == 1052 and zlib.adler32(data[:1048]) == int.from_bytes(data[1048:1052], "little")
            if sound and data[64:80] != self.set_identifier:
                name = self._files.paths[segment.index].name
                self.ignored.append(f"{name}: belongs to another image (set identifier differs)")
            else:
                kept.append(segment)
        self._segments = kept

    def _tables_of(self, segment: _Segment) -> list[list[_Table]]:
        """Tables of one segment in order, in a new list behind each gap, each table with its copy.

        A sectors section without a readable table is walked for its chunks. What lies behind a lost descriptor, or
        behind a walk that did not reach its end, gets its place by counting later, or not at all.
        """
        parts: list[list[_Table]] = [[]]
        sectors: _Section | None = None
        group: list[_Table] = []
        broken = {place for place, _ in segment.broken}

        def finish() -> None:
            if group or sectors is None:
                parts[-1].extend(group)
                return
            table, is_whole = self._walk_group(sectors)
            if table is not None:
                parts[-1].append(table)
            if not is_whole:
                segment.broken.append((-1, f"at byte {sectors.start}: the table of these chunks is lost"))
                parts.append([])

        for place, section in enumerate([*segment.sections, None]):
            if place in broken and not (sectors is not None and not group and self._belongs(section, sectors)):
                finish()
                sectors, group = None, []
                if parts[-1]:
                    parts.append([])
            if section is None or section.kind == "sectors":
                finish()
                sectors, group = section, []
            elif section.kind in ("table", "table2"):
                table = self._read_table_header(section, sectors, is_sure=not segment.broken)
                if table is None:
                    continue
                if section.kind == "table2" and group:
                    if group[-1].count == table.count and group[-1].copy is None:
                        group[-1] = replace(group[-1], copy=table)
                else:
                    group.append(table)
        return parts

    def _belongs(self, section: _Section | None, sectors: _Section) -> bool:
        """Whether a section is the table of these sectors."""
        if section is None or section.kind not in ("table", "table2"):
            return False
        table = self._read_table_header(section, sectors, is_sure=False)
        return table is not None and table.sectors == (sectors.start, sectors.end)

    def _read_table_header(self, section: _Section, sectors: _Section | None, *, is_sure: bool) -> _Table | None:
        """A table from its header; None where that is damaged. `is_sure`: the sectors before it are its own."""
        header = self._read_section(section, 24)
        if len(header) < 24 or zlib.adler32(header[:20]) != int.from_bytes(header[20:24], "little"):
            return None
        count = int.from_bytes(header[0:4], "little")
        base = int.from_bytes(header[8:16], "little")
        if not 0 < count <= _TABLE_ENTRIES or section.start + 24 + 4 * count > section.end:
            return None
        entry = int.from_bytes(self._read_quietly(section.segment, section.start + 24, 4), "little")
        first = base + (entry & 0x7FFFFFFF)
        if sectors is not None and (is_sure or sectors.start <= first < sectors.end):
            place = (sectors.start, sectors.end)
        else:
            # The descriptor of its sectors section is lost: its chunks end where the table begins.
            place = (first, section.start - _DESCRIPTOR.size)
            if first >= section.start:  # EnCase 1 keeps the chunks in the table section itself, behind the offsets
                place = (section.start + 24 + 4 * count, section.end)
        return _Table(section.segment, count, base, section.start + 24, place)

    def _walk_group(self, sectors: _Section) -> tuple[_Table | None, bool]:
        """The chunks of a sectors section without a table, by walking it; whether the walk reached its end."""
        recovered = self._walk_sectors(sectors.segment, sectors.start, sectors.end)
        if recovered is None:
            return None, False
        place = (sectors.start, sectors.end)
        table = _Table(sectors.segment, len(recovered[0]), 0, 0, place, None, recovered)
        return table, int(recovered[1][-1]) == sectors.end

    def _place_tables(self) -> None:
        """Give each table its first chunk number; behind a gap, count from the end."""
        total = -(-self._size // self.chunk_size)
        self._static: list[UnreadableRange] = []
        self._first: list[int] = []
        self._tables: list[_Table] = []
        runs: list[tuple[list[_Table], str]] = []  # tables without a gap between them, and what follows them
        current: list[_Table] = []
        expected = 1
        whole = True  # every segment is there to its end
        for segment in self._segments:
            name = self._files.paths[segment.index].name
            if segment.number != expected:
                missing = ", ".join(str(one) for one in range(expected, segment.number)[:20])
                runs.append((current, f"segment {missing} is missing (before {name})"))
                current, whole = [], False
            first, *others = self._tables_of(segment)
            current += first
            for tables in others:
                runs.append((current, f"{name} {'; '.join(why for _, why in segment.broken[:3])}"))
                current = tables
            expected = segment.number + 1
            if segment.ending == "cut":
                runs.append((current, f"{name} at byte {segment.cut_at}: {segment.why}"))
                current, whole = [], False
        last = self._segments[-1]
        if last.ending == "next":
            runs.append((current, f"segment {last.number + 1} is missing (after {self._files.paths[last.index].name})"))
            current, whole = [], False
        runs.append((current, ""))
        everything = [table for tables, _ in runs for table in tables]
        if whole and len(runs) > 1 and sum(table.count for table in everything) == total:
            # Descriptors were lost but no table was: every chunk has its place.
            self.repaired.add("; ".join(reason for _, reason in runs if reason) + "; no chunk is lost by that")
            runs = [(everything, "")]
        self.is_complete = whole and len(runs) == 1
        self._put(runs, total, complete=last.ending == "done")

    def _put(self, runs: list[tuple[list[_Table], str]], total: int, *, complete: bool) -> None:
        """Fill `_first` and `_tables` and note the gaps as unreadable."""
        chunk = 0
        for table in runs[0][0]:
            self._first.append(chunk)
            self._tables.append(table)
            chunk += table.count
        tail = runs[-1][0] if len(runs) > 1 and complete else []
        tail_first = total - sum(table.count for table in tail)
        if tail_first < chunk:  # more chunks than the volume section counts: the places cannot be trusted
            tail, tail_first = [], total
        why = "; ".join(reason for _, reason in runs if reason)
        lost = sum(table.count for tables, _ in runs[1:-1] for table in tables)
        if lost:
            why += f"; {lost} chunks between two gaps have no certain place"
        if chunk < tail_first and chunk < total:
            reason: UnreadableReason = "missing_segment" if "is missing" in why else "truncated"
            start = chunk * self.chunk_size
            end = min(tail_first * self.chunk_size, self._size)
            why = why or f"no table covers chunks {chunk} to {total - 1}"
            self._static.append(UnreadableRange(start, end - start, reason, why))
        for table in tail:
            self._first.append(tail_first)
            self._tables.append(table)
            tail_first += table.count

    # --- chunks ----------------------------------------------------------------------------------------------------

    def _walk_sectors(self, segment: int, start: int, end: int) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Find chunks in a sectors section without its table: starts, ends, compressed; None where none proves itself.

        A chunk is a zlib stream of chunk_size bytes, or chunk_size bytes and their Adler-32; the walk stops at the
        first that is neither.
        """
        found: list[tuple[int, int, bool]] = []
        window = bytearray()
        window_at = position = start
        largest = self.chunk_size + self.chunk_size // 8 + 1024
        while position < end:
            if position - window_at > (4 << 20) or window_at + len(window) < min(position + largest, end):
                window = bytearray(self._read_quietly(segment, position, min(largest + (8 << 20), end - position)))
                window_at = position
                if not window:
                    break
            at = position - window_at
            view = memoryview(window)[at : at + largest]
            length, compressed = self._one_chunk(view)
            if not length:
                break
            found.append((position, position + length, compressed))
            position += length
        if not found:
            return None
        table = np.array(found, dtype=np.int64)
        return table[:, 0], table[:, 1], table[:, 2].astype(bool)

    def _read_quietly(self, segment: int, position: int, size: int) -> bytes:
        try:
            return self._files.read(segment, position, size)
        except OSError:
            return b""

    def _read_run(self, segment: int, position: int, size: int) -> memoryview:
        """Bytes of a segment file in this thread's buffer, valid until its next call; short where unreadable."""
        own = self._own
        if len(own.buffer) < size:
            if size > _LARGEST_RUN:
                return memoryview(self._read_quietly(segment, position, size))
            own.buffer = bytearray(size)
        view = memoryview(own.buffer)[:size]
        try:
            return view[: self._files.readinto(segment, position, view)]
        except OSError:
            return view[:0]

    def _one_chunk(self, view: memoryview) -> tuple[int, bool]:
        """Length of the chunk at the start of `view` (0 if it does not prove itself) and whether it is compressed."""
        if len(view) > 2 and view[0] & 0x0F == 8 and (view[0] << 8 | view[1]) % 31 == 0:
            inflater = isal_zlib.decompressobj(15)
            try:
                data = inflater.decompress(view, self.chunk_size + 1)
            except IsalError:  # type: ignore[misc]  # its stub is wrong
                data = b""
            if data and inflater.eof and len(data) <= self.chunk_size:
                return len(view) - len(inflater.unused_data), True
        if len(view) >= self.chunk_size + 4 and _adler_ok(
            view[: self.chunk_size], view[self.chunk_size : self.chunk_size + 4]
        ):
            return self.chunk_size + 4, False
        return 0, False

    def _chunks(self, number: int) -> _Chunks:
        """The chunk places of table `number`, loaded on demand: 64 TB of chunks do not fit in memory at once."""
        with self._lock:
            loaded = self._tables_cached.get(number)
            if loaded is not None:
                self._tables_cached.move_to_end(number)
                return loaded
        loaded = self._load(self._tables[number])
        with self._lock:
            if number not in self._tables_cached:
                self._tables_cached[number] = loaded
                self._cached_entries += len(loaded.starts)
            while self._cached_entries > _CACHED_ENTRIES and len(self._tables_cached) > 1:
                self._cached_entries -= len(self._tables_cached.popitem(last=False)[1].starts)
        return loaded

    def _load(self, table: _Table) -> _Chunks:
        if table.recovered is not None:
            return _Chunks(*table.recovered)
        for candidate in (table, table.copy):
            if candidate is None:
                continue
            raw = self._read_quietly(candidate.segment, candidate.entries, 4 * candidate.count + 4)
            # EnCase 1 tables have no checksum behind the entries; their chunks follow at once and would not match.
            if len(raw) == 4 * candidate.count + 4 and _adler_ok(raw[:-4], raw[-4:]):
                if candidate is not table:
                    name = self._files.paths[table.segment].name
                    self.repaired.add(f"{name} at byte {table.entries}: damaged table, read from its copy (table2)")
                return self._unpack(candidate, np.frombuffer(raw[:-4], dtype="<u4"))
        name = self._files.paths[table.segment].name
        walked = self._walk_sectors(table.segment, *table.sectors)
        if walked is not None and len(walked[0]) == table.count:
            self.repaired.add(f"{name} at byte {table.entries}: damaged tables, chunks found by walking the sectors")
            return _Chunks(*walked)
        # Entries whose checksum fails are no places to trust; what the walk proved is.
        starts = np.full(table.count, -1, dtype=np.int64)
        ends = starts.copy()
        compressed = np.zeros(table.count, dtype=bool)
        if walked is not None and len(walked[0]) < table.count:
            known = len(walked[0])
            starts[:known], ends[:known], compressed[:known] = walked
        return _Chunks(starts, ends, compressed)

    def _unpack(self, table: _Table, entries: np.ndarray) -> _Chunks:
        """Offsets from 32-bit entries: the top bit says compressed, until offsets grow past 31 bits."""
        raw = entries.astype(np.int64)
        low = raw & 0x7FFFFFFF
        compressed = raw >= 0x80000000
        # EnCase 6.7 and later let a sectors section grow over 2 GiB: from the entry where the low 31 bits would step
        # back, offsets use all 32 bits and chunks are stored uncompressed.
        backwards = np.flatnonzero(low[1:] < low[:-1])
        if len(backwards):
            over = int(backwards[0]) + 1
            if raw[over] > low[over - 1] and low[over - 1] + self.chunk_size > 0x7FFFFFFF:
                low[over:] = raw[over:]
                compressed[over:] = False
        starts = low + table.base
        ends = np.empty_like(starts)
        ends[:-1] = starts[1:]
        ends[-1] = table.sectors[1]
        # Sections between the last chunk and the end of the group are not part of a chunk.
        ends[-1] = min(int(ends[-1]), int(starts[-1]) + self.chunk_size + self.chunk_size // 8 + 1024)
        wrong = (ends <= starts) | (starts < 0)
        starts[wrong] = ends[wrong] = -1
        return _Chunks(starts, ends, compressed)

    def _inflate(self, stored: memoryview, target: memoryview) -> bool:
        """The usual case, quickly: a sound stream that fills `target` exactly; False for all else."""
        own = self._own
        if len(stored) <= _SMALL and own.stored == stored and len(own.data) == len(target):
            target[:] = own.data  # a run of zeros, mostly
            return True
        if len(stored) > _LARGEST_AT_ONCE:
            return False
        try:
            # Room for one byte more than a chunk, so that the end of the stream is seen at the first turn.
            data = isal_zlib.decompress(stored, 15, self.chunk_size + 1)
        except IsalError:  # type: ignore[misc]  # its stub is wrong
            return False
        if len(data) != len(target):
            return False
        target[:] = data
        if len(stored) <= _SMALL:
            own.stored, own.data = bytes(stored), data
        return True

    def _decode(
        self, stored: memoryview, target: memoryview, *, compressed: bool
    ) -> tuple[UnreadableReason, str] | None:
        """One chunk into `target`; None when all is well, else why not."""
        wanted = len(target)
        if not compressed:
            if len(stored) < wanted + 4:
                return "truncated", "the chunk is cut off"
            if not _adler_ok(stored[:wanted], stored[wanted : wanted + 4]):
                return "checksum", "wrong checksum"
            target[:] = stored[:wanted]
            return None
        if self._inflate(stored, target):
            return None
        inflater = isal_zlib.decompressobj(15)
        try:
            data = inflater.decompress(stored, self.chunk_size + 1)
        except IsalError as error:  # type: ignore[misc]  # its stub is wrong
            if "checksum" in str(error):
                return "checksum", "wrong checksum"
            lenient = _inflate_leniently(stored, self.chunk_size)
            if lenient is None:
                return "inflate", "does not inflate"
            data = lenient
            self.repaired.add("stored deflate blocks with a wrong length complement; their checksums are right")
        else:
            if not inflater.eof and len(data) <= self.chunk_size:
                return "truncated", "the compressed chunk is cut off"
        if len(data) < wanted or len(data) > self.chunk_size:
            return "inflate", f"inflates to {len(data)} bytes"
        target[:] = data[:wanted] if len(data) > wanted else data
        return None

    def _note(self, chunk: int, size: int, failure: tuple[UnreadableReason, str], segment: int, position: int) -> None:
        reason, what = failure
        name = self._files.paths[segment].name
        where = f"{name} at byte {position}" if position >= 0 else name
        offset = chunk * self.chunk_size
        with self._lock:
            self._met[offset] = UnreadableRange(offset, size, reason, f"{where}: chunk {chunk}: {what}")

    def _decode_run(self, chunk: int, count: int, target: memoryview) -> int:
        """Decode up to `count` whole chunks from `chunk` on into `target`; returns how many were done (at least 1).

        The last chunk of the medium may be short.
        """
        number = bisect_right(self._first, chunk) - 1
        if number < 0 or chunk >= self._first[number] + self._tables[number].count:
            # A gap: zeros up to the next table.
            following = self._first[number + 1] if number + 1 < len(self._first) else chunk + count
            count = min(count, following - chunk)
            span = target[: count * self.chunk_size]
            span[:] = bytes(len(span))
            return count
        table = self._tables[number]
        chunks = self._chunks(number)
        low = chunk - self._first[number]
        count = min(count, table.count - low)
        starts = chunks.starts[low : low + count].tolist()
        ends = chunks.ends[low : low + count].tolist()
        compressed = chunks.compressed[low : low + count].tolist()
        first = min((one for one in starts if one >= 0), default=-1)
        last = max(ends)
        data = memoryview(b"")
        if first >= 0 and last - first <= count * (self.chunk_size + self.chunk_size // 8 + 1024):
            data = self._read_run(table.segment, first, last - first)
        for place in range(count):
            part = target[place * self.chunk_size : (place + 1) * self.chunk_size]
            start, end = starts[place], ends[place]
            stored = data[start - first : end - first] if start >= 0 else data[:0]
            if start >= 0 and len(stored) < end - start:
                stored = memoryview(self._read_quietly(table.segment, start, min(end - start, 2 * _LARGEST_CHUNK)))
            failure: tuple[UnreadableReason, str] | None
            if start < 0:
                failure = "checksum", "its table is damaged"
            elif len(stored) == 0:
                failure = "io_error", "cannot be read"
            else:
                failure = self._decode(stored, part, compressed=compressed[place])
            if failure is not None:
                part[:] = bytes(len(part))
                self._note(chunk + place, len(part), failure, table.segment, start)
        return count

    def _chunk(self, chunk: int) -> bytes:
        """One decoded chunk, through a small cache for scattered reads."""
        with self._lock:
            data = self._chunks_cached.get(chunk)
            if data is not None:
                self._chunks_cached.move_to_end(chunk)
                return data
        size = min(self.chunk_size, self._size - chunk * self.chunk_size)
        buffer = bytearray(size)
        self._decode_run(chunk, 1, memoryview(buffer))
        data = bytes(buffer)
        with self._lock:
            self._chunks_cached[chunk] = data
            while len(self._chunks_cached) * self.chunk_size > _CACHED_CHUNKS << 15 and len(self._chunks_cached) > 2:
                self._chunks_cached.popitem(last=False)
        return data

    # --- Image -----------------------------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """Size of the medium in bytes."""
        return self._size

    @property
    def sector_size(self) -> int:
        """Bytes in one sector of the acquired medium."""
        return self._sector_size

    @property
    def layer(self) -> str:
        """`e01:NAME` of the first segment."""
        return self._layer

    @property
    def stored_hashes(self) -> Mapping[str, str]:
        """MD5 and SHA-1 that the image carries."""
        return self._hashes

    @property
    def notes(self) -> Mapping[str, str]:
        """Acquisition notes: case number, examiner, description, dates …, as they were written."""
        return self._notes

    @property
    def acquisition_errors(self) -> Sequence[Range]:
        """Bytes of the medium that the imaging tool could not read and recorded as such."""
        return self._acquisition_errors

    @property
    def segments(self) -> Sequence[Path]:
        """The segment files in order."""
        return tuple(self._files.paths[segment.index] for segment in self._segments)

    def _fill(self, offset: int, view: memoryview) -> None:
        done = 0
        while done < len(view):
            chunk, within = divmod(offset + done, self.chunk_size)
            whole = (len(view) - done) // self.chunk_size
            if offset + len(view) == self._size and (len(view) - done) % self.chunk_size:
                whole += 1  # the short last chunk
            if within or not whole:
                part = self._chunk(chunk)[within : within + len(view) - done]
                view[done : done + len(part)] = part
                done += len(part)
                continue
            count = self._decode_run(chunk, whole, view[done:])
            done = min(done + count * self.chunk_size, len(view))

    def unreadable(self) -> Sequence[UnreadableRange]:
        """See `Image.unreadable`."""
        with self._lock:
            return join_ranges([*self._static, *self._met.values()])

    def close(self) -> None:
        """Close the files."""
        self._files.close()

    # --- what else the image carries ---------------------------------------------------------------------------------

    def _read_notes(self) -> None:
        self._notes: dict[str, str] = {}
        for kind in ("header", "header2"):  # header2 is Unicode: it wins
            for section in self._sections(kind):
                notes = parse_header(self._read_section(section, _LARGEST_HEADER))
                if notes:
                    self._notes.update(notes)
                    break
        self._hashes: dict[str, str] = {}
        for section in self._sections("hash"):
            data = self._read_section(section, 36)
            if len(data) == 36 and _adler_ok(data[:32], data[32:]) and any(data[:16]):
                self._hashes["md5"] = data[:16].hex()
        for section in self._sections("digest"):
            data = self._read_section(section, 80)
            if len(data) == 80 and _adler_ok(data[:76], data[76:]):
                if any(data[:16]):
                    self._hashes["md5"] = data[:16].hex()
                if any(data[16:36]):
                    self._hashes["sha1"] = data[16:36].hex()
        errors: list[Range] = []
        for section in self._sections("error2"):
            data = self._read_section(section, 16 << 20)
            if len(data) < 520:
                continue
            count = min(int.from_bytes(data[:4], "little"), (len(data) - 520) // 8)
            for first, sectors in struct.iter_unpack("<II", data[520 : 520 + 8 * count]):
                errors.append(Range(first * self._sector_size, sectors * self._sector_size))
        self._acquisition_errors = errors


def _inflate_leniently(stored: memoryview, most: int) -> bytes | None:
    """Inflate a stream of stored blocks whatever their NLEN; only if the Adler-32 at the end is right."""
    data = bytearray()
    position = 2
    while position + 5 <= len(stored):
        head = stored[position]
        if head & 0x06:  # not a stored block
            return None
        length = int.from_bytes(stored[position + 1 : position + 3], "little")
        data += stored[position + 5 : position + 5 + length]
        position += 5 + length
        if len(data) > most or position > len(stored):
            return None
        if head & 0x01:
            checksum = int.from_bytes(stored[position : position + 4], "big")
            return bytes(data) if isal_zlib.adler32(data) == checksum else None
    return None


def has_smart_layout(path: Path) -> bool:
    """Whether the volume section has the 94 bytes of the SMART and EnCase 1 layout, which libewf reads."""
    head = age_file.read_head(path, 1 << 20)
    position = 13
    while position + _DESCRIPTOR.size <= len(head):
        kind, following, size, _, _ = _DESCRIPTOR.unpack_from(head, position)
        if kind.rstrip(b"\0") in (b"volume", b"disk"):
            return bool(size - _DESCRIPTOR.size == 94)
        if following <= position:
            break
        position = following
    return False
