"""Writing E01 images as EnCase 6-7 does, so that every tool opens them.

The layout follows libewf's description of the format ("Expert Witness Compression Format (EWF)"): segment header,
header2 twice, header, volume, {sectors, table, table2}*, data, error2, hash, digest, done; later segments begin with a
data section. Where each chunk lies follows from the chunk lengths alone, so a stopped run is continued by replaying
them (`EwfWriter.replay`), and two runs over the same data give the same bytes.

A chunk whose source could not be read at first is stored in full length; it is filled in later (`fill`, `seal`).
"""

from __future__ import annotations

import contextlib
import os
import re
import struct
import time
import zlib
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from chain_of_custody.errors import UsageError
from chain_of_custody.masking import mask_text
from preserve.output import Buffer, OutputFile, data_sync, forget_cached, pread_all, pwrite_all, target_error
from preserve.pieces import CHUNK_SIZE, CHUNKS_PER_PIECE, PIECE_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

Compression = Literal["none", "fast", "best"]

SIGNATURE = b"EVF\x09\x0d\x0a\xff\x00"
COMPRESSED = 1 << 31
"""Flag of a chunk's length (in the state file) and of its table entry: the chunk is a zlib stream."""
DEFAULT_SEGMENT_SIZE = 2 << 30
SMALLEST_SEGMENT_SIZE = 1 << 20

_ENTRIES_PER_TABLE = 16375  # what EnCase up to 5 reads; later versions and all other tools take more
_LARGEST_SECTION = (1 << 31) - 1  # table entries hold 31 bits
_DESCRIPTOR = struct.Struct("<16sQQ40xI")
_VOLUME = struct.Struct("<B3xIIIQ12xB3x12xB3xI4x16s968x")  # 1048 bytes, then the checksum
_DIGEST_SECTIONS = 1128 + 112 + 156 + 76
_MOST_BEHIND_CHUNKS = 2 * (76 + 24 + 4 * (_ENTRIES_PER_TABLE + 1) + 4) + _DIGEST_SECTIONS
_LAST_EXTENSION = "ZZZ"


@dataclass(frozen=True, slots=True)
class EwfHeader:
    """What a person typed or the machine read, for the header sections; times are seconds since 1970 UTC."""

    case_number: str = ""
    evidence_number: str = ""
    description: str = ""
    examiner: str = ""
    notes: str = ""
    model: str = ""
    serial: str = ""
    version: str = ""
    platform: str = "Linux"
    acquired: int = 0
    system: int = 0


@dataclass(frozen=True, slots=True)
class EwfSettings:
    """Everything about an image but its data. `guid` has the 16 bytes of a GUID as Microsoft orders them."""

    sector_size: int
    sector_count: int
    segment_size: int = DEFAULT_SEGMENT_SIZE
    compression: Compression = "fast"
    guid: bytes = bytes(16)
    header: EwfHeader = field(default_factory=EwfHeader)
    is_physical: bool = True
    is_removable: bool = False
    write_blocker: Literal["", "fastbloc", "tableau"] = ""

    @property
    def size(self) -> int:
        """Bytes of the medium."""
        return self.sector_size * self.sector_count


def segment_name(first: str, number: int) -> str:
    """Name of segment `number` (from 1): disk.E01 … disk.E99, disk.EAA … disk.EZZ, disk.FAA … disk.ZZZ.

    Raises UsageError past ZZZ.
    """
    match = re.search(r"\.([A-Za-z])01$", first)
    if match is None:
        raise UsageError(f"E01 の名前ではありません: {mask_text(first)}", f"not the name of an E01: {mask_text(first)}")
    stem, letter = first[: match.start(1)], match[1]
    if number <= 99:
        return f"{stem}{letter}{number:02d}"
    rest = number - 100
    first_letter = ord(letter.upper()) + rest // 676
    if first_letter > ord("Z"):
        raise UsageError(
            f"分割数が多すぎます(.{_LAST_EXTENSION} を超える): {mask_text(first)}",
            f"too many segments (past .{_LAST_EXTENSION}): {mask_text(first)}",
            hint_ja="--segment-size を大きくしてください",
            hint_en="give a larger --segment-size",
        )
    extension = chr(first_letter) + chr(ord("A") + rest // 26 % 26) + chr(ord("A") + rest % 26)
    return stem + (extension if letter.isupper() else extension.lower())


def most_segments(first: str) -> int:
    """How many segment names there are for an image that begins with `first`."""
    return 99 + (ord("Z") - ord(first[-3].upper()) + 1) * 676


def _clean(value: str, limit: int) -> str:
    """A header value: no tab or line end (they separate values), no longer than EnCase reads."""
    return "".join(" " if ord(character) < 32 else character for character in value)[:limit]


def header2_text(header: EwfHeader) -> bytes:
    """The header2 section's content before deflate: UTF-16 with byte order mark, line feeds, dates since 1970.

    The values are those of EnCase 6.0: old libewf calls an image with those that came later "unknown".
    """
    values = {
        "a": _clean(header.description, 2999),
        "c": _clean(header.case_number, 2999),
        "n": _clean(header.evidence_number, 2999),
        "e": _clean(header.examiner, 2999),
        "t": _clean(header.notes, 2999),
        "md": _clean(header.model, 2999),
        "sn": _clean(header.serial, 2999),
        "av": _clean(header.version, 11),
        "ov": _clean(header.platform, 23),
        "m": str(header.acquired),
        "u": str(header.system),
        "p": "0",
        "dc": "",
    }
    lines = ["3", "main", "\t".join(values), "\t".join(values.values()), ""]
    lines += ["srce", "0\t1", "p\tn\tid\tev\ttb\tlo\tpo\tah\tgu\taq", "0\t0"]
    lines += ["\t\t\t\t\t-1\t-1\t\t\t", ""]
    lines += ["sub", "0\t1", "p\tn\tid\tnu\tco\tgu", "0\t0", "\t\t\t\t1\t", "", ""]
    return b"\xff\xfe" + "\n".join(lines).encode("utf-16-le", errors="replace")


def header_text(header: EwfHeader) -> bytes:
    """The header section's content before deflate: ASCII (header2 holds the Japanese), CRLF, broken-down dates."""

    def date(seconds: int) -> str:
        moment = time.gmtime(seconds)
        return f"{moment.tm_year} {moment.tm_mon} {moment.tm_mday} {moment.tm_hour} {moment.tm_min} {moment.tm_sec}"

    values = {
        "c": _clean(header.case_number, 2999),
        "n": _clean(header.evidence_number, 2999),
        "a": _clean(header.description, 2999),
        "e": _clean(header.examiner, 2999),
        "t": _clean(header.notes, 2999),
        "av": _clean(header.version, 11),
        "ov": _clean(header.platform, 23),
        "m": date(header.acquired),
        "u": date(header.system),
        "p": "0",
    }
    lines = ["1", "main", "\t".join(values), "\t".join(values.values()), "", ""]
    return "\r\n".join(lines).encode("ascii", errors="replace")


def _with_checksum(data: bytes) -> bytes:
    return data + struct.pack("<I", zlib.adler32(data))


def _descriptor(kind: bytes, position: int, size: int, *, last: bool = False) -> bytes:
    """A section descriptor; `size` counts itself (0 for the last of a file, which points to itself)."""
    following = position if last else position + size
    data = _DESCRIPTOR.pack(kind, following, 0 if last else size, 0)
    return _with_checksum(data[:72])


def volume_data(settings: EwfSettings) -> bytes:
    """The 1,052 bytes that the volume and the data sections hold."""
    sectors_per_chunk = CHUNK_SIZE // settings.sector_size
    flags = 0x01 | (0x02 if settings.is_physical else 0)
    flags |= {"": 0, "fastbloc": 0x04, "tableau": 0x08}[settings.write_blocker]
    return _with_checksum(
        _VOLUME.pack(
            0x00 if settings.is_removable else 0x01,
            -(-settings.sector_count // sectors_per_chunk),
            sectors_per_chunk,
            settings.sector_size,
            settings.sector_count,
            flags,
            {"none": 0, "fast": 1, "best": 2}[settings.compression],
            sectors_per_chunk,
            settings.guid,
        ),
    )


def error2_data(ranges: Sequence[tuple[int, int]]) -> bytes:
    """The error2 section's data for ranges `(first sector, sectors)`; what lies past 32 bits has no place in it."""
    entries = b""
    count = 0
    for start, sectors in ranges:
        if start + sectors <= 1 << 32:
            entries += struct.pack("<II", start, sectors)
            count += 1
    head = struct.pack("<I512x", count)
    return _with_checksum(head) + _with_checksum(entries)


def digest_data(md5: bytes, sha1: bytes) -> bytes:
    """The digest section's data; a hash that was not computed is zeros."""
    return _with_checksum(md5.ljust(16, b"\0") + sha1.ljust(20, b"\0") + bytes(40))


@dataclass(frozen=True, slots=True)
class Place:
    """Where the data of a chunk lies: segment number (from 1) and offset in its file, bytes."""

    segment: int
    offset: int


class _Nowhere:
    """Counts instead of writing, to replay a layout."""

    def __init__(self, position: int = 0) -> None:
        self.position = position

    def write(self, data: Buffer) -> None:
        self.position += len(data)

    def patch(self, offset: int, data: Buffer) -> None:
        pass

    def sync(self) -> None:
        pass

    def close(self) -> None:
        pass

    def abandon(self) -> None:
        pass


class EwfWriter:
    """Writes one E01 set, chunk by chunk, in order.

    ```python
    writer = EwfWriter(Path("disk.E01"), settings)
    writer.add((deflated,), len(deflated), compressed=True)     # 32 KiB of the medium each, the last may be shorter
    writer.end_data()
    writer.finish(md5=digest, sha1=b"", unreadable_sectors=[])
    ```
    Errors of the files are TargetError.
    """

    def __init__(self, first: Path, settings: EwfSettings, *, replay: bool = False) -> None:
        if settings.segment_size < SMALLEST_SEGMENT_SIZE:
            raise UsageError("分割サイズは 1 MiB 以上にしてください", "a segment must have at least 1 MiB")
        self.first = first
        self.settings = settings
        self.segment = 0
        self._replaying = replay
        self._out: OutputFile | _Nowhere = _Nowhere()
        self._section = -1  # offset of the open sectors section's descriptor
        self._entries = array("I")
        self._reserved: dict[int, Place] = {}
        self._files: dict[int, int] = {}
        self.chunk_count = 0
        self._ended = False
        self._open_segment()

    @property
    def paths(self) -> list[Path]:
        """The segment files written so far."""
        return [self.path(number) for number in range(1, self.segment + 1)]

    @property
    def position(self) -> int:
        """Bytes in the current segment."""
        return self._out.position

    def path(self, segment: int) -> Path:
        """File of a segment (from 1)."""
        return self.first.with_name(segment_name(self.first.name, segment))

    def _section_out(self, kind: bytes, data: bytes) -> None:
        self._out.write(_descriptor(kind, self._out.position, 76 + len(data)))
        self._out.write(data)

    def _open_segment(self) -> None:
        self.segment += 1
        path = self.path(self.segment)
        self._out = _Nowhere() if self._replaying else OutputFile(path)
        self._out.write(SIGNATURE + struct.pack("<BHH", 1, self.segment, 0))
        if self.segment > 1:
            self._section_out(b"data", volume_data(self.settings))
            return
        # One implementation of deflate and one level: a resumed run on the same machine writes the same bytes.
        header2 = zlib.compress(header2_text(self.settings.header), 6)
        self._section_out(b"header2", header2)
        self._section_out(b"header2", header2)
        self._section_out(b"header", zlib.compress(header_text(self.settings.header), 6))
        self._section_out(b"volume", volume_data(self.settings))

    def _close_section(self) -> None:
        if self._section < 0:
            return
        start, end = self._section, self._out.position
        self._out.patch(start, _descriptor(b"sectors", start, end - start))
        head = _with_checksum(struct.pack("<IIQI", len(self._entries), 0, start, 0))
        entries = self._entries.tobytes() if _LITTLE else _swapped(self._entries)
        data = head + _with_checksum(entries)
        self._section_out(b"table", data)
        self._section_out(b"table2", data)
        self._entries = array("I")
        self._section = -1

    def _make_room(self, length: int) -> None:
        """Begin the section or segment that the next chunk of `length` bytes goes into."""
        if self._section >= 0:
            count = len(self._entries)
            end = self._out.position + length
            tables = 2 * (76 + 24 + 4 * (count + 1) + 4)
            if end + tables + _DIGEST_SECTIONS > self.settings.segment_size:
                self._close_section()
                self._out.write(_descriptor(b"next", self._out.position, 76, last=True))
                self._out.close()
                self._open_segment()
            elif count == _ENTRIES_PER_TABLE or end - self._section > _LARGEST_SECTION:
                self._close_section()
        if self._section < 0:
            self._section = self._out.position
            # The size is known when the section is closed.
            self._out.write(bytes(76))

    def add(self, parts: Sequence[Buffer], length: int, *, compressed: bool) -> Place:
        """Append the next chunk, whose stored form is the `length` bytes of `parts` together."""
        self._make_room(length)
        place = Place(self.segment, self._out.position)
        self._entries.append(place.offset - self._section | (COMPRESSED if compressed else 0))
        for part in parts:
            self._out.write(part)
        self.chunk_count += 1
        return place

    def add_all(self, chunks: Iterable[tuple[Sequence[Buffer], int, bool]]) -> None:
        """Append several chunks: parts, length and whether it is a zlib stream, as `add` takes them."""
        count = 0
        out, entries, section, room = self._out, self._entries, -1, -1
        for parts, length, compressed in chunks:
            # Near the end of a section or segment `_make_room` says exactly whether the chunk still fits.
            if out.position + length > room or len(entries) == _ENTRIES_PER_TABLE:
                self._make_room(length)
                out, entries, section = self._out, self._entries, self._section
                room = min(self.settings.segment_size - _MOST_BEHIND_CHUNKS, section + _LARGEST_SECTION)
            entries.append(out.position - section | (COMPRESSED if compressed else 0))
            for part in parts:
                out.write(part)
            count += 1
        self.chunk_count += count

    def reserve(self, size: int) -> Place:
        """Append a chunk of `size` bytes of the medium, stored in full and zero for now, to be filled in later."""
        place = self.add((bytes(size), _ZERO_CHECKSUM(size)), size + 4, compressed=False)
        self._reserved[self.chunk_count - 1] = place
        return place

    def replay(self, length_and_flag: int, *, reserved: bool = False) -> Place:
        """Go past a chunk that was written before (a writer made with `replay=True`)."""
        length = length_and_flag & ~COMPRESSED
        self._make_room(length)
        place = Place(self.segment, self._out.position)
        self._entries.append(place.offset - self._section | (length_and_flag & COMPRESSED))
        self._out.position += length
        if reserved:
            self._reserved[self.chunk_count] = place
        self.chunk_count += 1
        return place

    def go_on(self) -> None:
        """End of the replay: cut the files to where it came to and write on from there."""
        position = self._out.position
        self._replaying = False
        number = self.segment + 1
        while True:
            try:
                later = self.path(number)
            except UsageError:
                break
            if not later.exists():
                break
            # Only this run can have written it: its names were free when the run began.
            later.unlink()
            number += 1
        self._out = OutputFile(self.path(self.segment), resume_at=position)

    def sync(self) -> None:
        """Bring everything written so far onto the medium."""
        self._out.sync()
        try:
            for fd in self._files.values():
                data_sync(fd)
        except OSError as error:
            raise target_error(self.first, error) from error

    def end_data(self) -> None:
        """All chunks are there (some perhaps still to be filled in): write the last tables."""
        self._close_section()
        self._ended = True

    # Filling in what was read later.

    def _file(self, segment: int) -> int:
        fd = self._files.get(segment)
        if fd is None:
            if len(self._files) > 32:
                os.close(self._files.pop(next(iter(self._files))))
            path = self.path(segment)
            try:
                fd = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
            except OSError as error:
                raise target_error(path, error) from error
            self._files[segment] = fd
        return fd

    def _poke(self, place: Place, offset: int, data: Buffer) -> None:
        if place.segment == self.segment:
            self._out.patch(place.offset + offset, data)
            return
        try:
            pwrite_all(self._file(place.segment), data, place.offset + offset)
        except OSError as error:
            raise target_error(self.path(place.segment), error) from error

    def fill(self, offset: int, data: memoryview) -> None:
        """Put bytes of the medium into chunks that were reserved."""
        while len(data):
            chunk, inside = divmod(offset, CHUNK_SIZE)
            part = min(len(data), CHUNK_SIZE - inside)
            self._poke(self._reserved[chunk], inside, data[:part])
            data = data[part:]
            offset += part

    def seal(self, offset: int, data: memoryview) -> None:
        """Write the checksums of the reserved chunks that hold `data`, which begins at `offset` of the medium."""
        for start in range(0, len(data), CHUNK_SIZE):
            chunk = data[start : start + CHUNK_SIZE]
            place = self._reserved[(offset + start) // CHUNK_SIZE]
            self._poke(place, len(chunk), struct.pack("<I", zlib.adler32(chunk)))

    def read_reserved(self, offset: int, size: int) -> bytes:
        """What chunks reserved for the medium's bytes `offset … offset + size` (whole chunks) hold on the target."""
        self.sync()
        parts = []
        places = [self._reserved[start // CHUNK_SIZE] for start in range(offset, offset + size, CHUNK_SIZE)]
        try:
            for segment in {place.segment for place in places}:
                forget_cached(self._file(segment))
            for start, place in zip(range(offset, offset + size, CHUNK_SIZE), places, strict=True):
                fd = self._file(place.segment)
                parts.append(pread_all(fd, min(CHUNK_SIZE, offset + size - start), place.offset))
        except OSError as error:
            raise target_error(self.first, error) from error
        return b"".join(parts)

    # The end.

    def finish(self, *, md5: bytes, sha1: bytes, unreadable_sectors: Sequence[tuple[int, int]]) -> None:
        """Write errors and hashes and close. `unreadable_sectors` are `(first sector, sectors)`, ascending."""
        if not self._ended:
            self.end_data()
        if self.segment == 1:
            self._section_out(b"data", volume_data(self.settings))
        if unreadable_sectors:
            self._section_out(b"error2", error2_data(unreadable_sectors))
        if md5:
            self._section_out(b"hash", _with_checksum(md5 + bytes(16)))
        if md5 or sha1:
            self._section_out(b"digest", digest_data(md5, sha1))
        self._out.write(_descriptor(b"done", self._out.position, 76, last=True))
        self.close()

    def close(self) -> None:
        """Close the files as they are; a set that was not finished can be continued."""
        self._out.close()
        self._close_files()

    def abandon(self) -> None:
        """Close after an error of the target, without writing."""
        self._out.abandon()
        self._close_files()

    def _close_files(self) -> None:
        for fd in self._files.values():
            with contextlib.suppress(OSError):
                os.close(fd)
        self._files.clear()


_LITTLE = struct.pack("=I", 1) == struct.pack("<I", 1)


def _swapped(entries: array[int]) -> bytes:
    copy = array("I", entries)
    copy.byteswap()
    return copy.tobytes()


def _ZERO_CHECKSUM(size: int) -> bytes:  # noqa: N802 - a table of constants in the shape of a function
    """adler32 of `size` zero bytes: the low half stays 1, the high half counts them."""
    return struct.pack("<I", (size % 65521) << 16 | 1)


def chunk_sizes(piece_size: int) -> Iterator[int]:
    """Sizes of the chunks of a piece of `piece_size` bytes."""
    for start in range(0, min(piece_size, PIECE_SIZE), CHUNK_SIZE):
        yield min(CHUNK_SIZE, piece_size - start)


assert _VOLUME.size == 1048
assert CHUNKS_PER_PIECE * CHUNK_SIZE == PIECE_SIZE
