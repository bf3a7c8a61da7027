"""Files out of unallocated space, by their signatures: where one begins, and how long it is.

Candidates are sectors that begin like a file of a known kind; pass 1 looks at the first bytes of each. A candidate
becomes a file only where its own structure says how long it is and that much of it is there in one piece: a zip whose
end names the place of its directory, a PDF whose last cross-reference is where it says, a database with its number of
pages. Fragmented files are not put together.
"""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

SECTOR = 512
MOST_HEADS = 100_000
"""Candidates kept of one medium; how many more there were is said."""
_LARGEST = 256 << 20  # bytes of one carved file
_PART = 1 << 20
_NAMES = re.compile(rb"(?im)^(?:received|return-path|delivered-to|message-id|mime-version|from|to|date|subject):")

MAGICS: tuple[tuple[str, bytes], ...] = (
    ("zip", b"PK\x03\x04"),
    ("pdf", b"%PDF-"),
    ("sqlite", b"SQLite format 3\x00"),
    ("ole", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    ("gz", b"\x1f\x8b\x08"),
    ("jpg", b"\xff\xd8\xff"),
    ("png", b"\x89PNG\r\n\x1a\n"),
    ("eml", b"Received:"),
    ("eml", b"Return-Path:"),
    ("eml", b"Delivered-To:"),
    ("eml", b"Message-ID:"),
    ("eml", b"MIME-Version:"),
    ("eml", b"From: "),
)
KINDS: tuple[str, ...] = tuple(dict.fromkeys(kind for kind, _ in MAGICS))
# Three bytes are the shortest signature: what begins with others is no candidate.
_PREFIXES = tuple(sorted({int.from_bytes(magic[:3], "little") for _, magic in MAGICS}))


class Reader(Protocol):
    """The bytes from a candidate on to the end of the space it may take."""

    @property
    def size(self) -> int:
        """Bytes."""

    def read_at(self, offset: int, size: int, /) -> bytes:
        """Up to `size` bytes from `offset`."""


def heads(data: NDArray[np.uint8], offset: int) -> Iterator[tuple[int, int]]:
    """(byte of the medium, index into KINDS) of sectors in `data` that begin like a file; `data` lies at `offset`."""
    skip = -offset % SECTOR
    count = max(0, len(data) - skip) // SECTOR
    if not count:
        return
    sectors = data[skip : skip + count * SECTOR].reshape(count, SECTOR)
    words = np.ascontiguousarray(sectors[:, :4]).view("<u4")[:, 0] & np.uint32(0xFFFFFF)
    hit = np.zeros(count, np.bool_)
    for prefix in _PREFIXES:
        hit |= words == np.uint32(prefix)
    for at in np.flatnonzero(hit).tolist():
        begin = sectors[at, :16].tobytes()
        for kind, magic in MAGICS:
            if begin.startswith(magic):
                yield offset + skip + at * SECTOR, KINDS.index(kind)
                break


def length(reader: Reader, kind: str) -> int:
    """Bytes of the file of `kind` that begins at the start of `reader`; 0 where its structure does not hold."""
    try:
        size = _LENGTHS[kind](reader)
    except (ValueError, IndexError, OverflowError, zlib.error):
        return 0
    return size if 0 < size <= min(reader.size, _LARGEST) else 0


def _chunks(reader: Reader, overlap: int) -> Iterator[tuple[int, bytes]]:
    """Parts in order, each with the last `overlap` bytes of the one before."""
    at = 0
    while at < min(reader.size, _LARGEST):
        start = max(0, at - overlap)
        data = reader.read_at(start, _PART + at - start)
        if not data:
            return
        yield start, data
        at = start + len(data)
        if len(data) < _PART + overlap and at >= reader.size:
            return


def _zip(reader: Reader) -> int:
    """The end record whose directory lies directly before it, at the place that it names."""
    for start, data in _chunks(reader, 22):
        at = data.find(b"PK\x05\x06")
        while at >= 0:
            record = data[at : at + 22]
            if len(record) == 22:
                size, place, comment = (
                    int.from_bytes(record[12:16], "little"),
                    int.from_bytes(record[16:20], "little"),
                    int.from_bytes(record[20:22], "little"),
                )
                end = start + at
                if place + size == end and size and reader.read_at(place, 4) == b"PK\x01\x02":
                    return end + 22 + comment
            at = data.find(b"PK\x05\x06", at + 4)
    return 0


_XREF = re.compile(rb"startxref\s{1,8}(\d{1,10})\s{1,8}%%EOF\r?\n?")


def _pdf(reader: Reader) -> int:
    """The last end mark whose cross-reference is where it says, before another file begins."""
    best = 0
    for start, data in _chunks(reader, 64):
        for match in _XREF.finditer(data):
            place = int(match[1])
            begin = reader.read_at(place, 32) if place < start + match.start() else b""
            # Of a linearised file the first mark says 0: the table is at the front.
            if place == 0 or begin.startswith(b"xref") or re.match(rb"\s*\d+\s+\d+\s+obj", begin):
                best = start + match.end()
        following = next((at for at in range(-start % SECTOR, len(data), SECTOR)
                          if start + at and data.startswith(b"%PDF-", at)), -1)  # fmt: skip
        if following >= 0 and best:
            return min(best, start + following)
    return best


def _sqlite(reader: Reader) -> int:
    head = reader.read_at(0, 112)
    page = int.from_bytes(head[16:18], "big")
    page = 65536 if page == 1 else page
    pages = int.from_bytes(head[28:32], "big")
    if page < 512 or page & (page - 1) or head[21:24] != b"\x40\x20\x20" or head[100] not in (5, 13):
        return 0
    return pages * page if head[24:28] == head[92:96] else 0


def _ole(reader: Reader) -> int:
    """Up to the last sector that the allocation table has in use."""
    head = reader.read_at(0, 512)
    shift = int.from_bytes(head[30:32], "little")
    count = int.from_bytes(head[44:48], "little")
    if shift not in (9, 12) or not 0 < count <= 4096:
        return 0
    table = [int.from_bytes(head[at : at + 4], "little") for at in range(76, 512, 4)]
    following = int.from_bytes(head[68:72], "little")
    size = 1 << shift
    while count > len(table) and following < 0xFFFFFFFA and len(table) < 8192:
        sector = reader.read_at((following + 1) << shift, size)
        if len(sector) < size:
            return 0
        table += np.frombuffer(sector[:-4], "<u4").tolist()
        following = int.from_bytes(sector[-4:], "little")
    last = 0
    for number, place in enumerate(table[:count]):
        sector = reader.read_at((place + 1) << shift, size) if place < 0xFFFFFFFA else b""
        if len(sector) < size:
            return 0
        used = np.flatnonzero(np.frombuffer(sector, "<u4") != 0xFFFFFFFF)
        if len(used):
            last = number * (size // 4) + int(used[-1]) + 1
    return (last + 1) << shift


def _gz(reader: Reader) -> int:
    """Up to where the stream ends and its checksum holds."""
    stream = zlib.decompressobj(31)
    made = at = 0
    while at < min(reader.size, _LARGEST) and made < _LARGEST:
        data = stream.unconsumed_tail or reader.read_at(at, 1 << 16)
        if not data:
            return 0
        if not stream.unconsumed_tail:
            at += len(data)
        made += len(stream.decompress(data, 1 << 20))
        if stream.eof:
            return at - len(stream.unused_data)
    return 0


def _jpg(reader: Reader) -> int:
    at = 2
    for _ in range(1000):
        head = reader.read_at(at, 4)
        if len(head) < 4 or head[0] != 0xFF or head[1] in (0x00, 0xFF, 0xD8, 0xD9):
            return 0
        size = int.from_bytes(head[2:4], "big")
        at += 2 + size
        if size < 2:
            return 0
        if head[1] == 0xDA:
            break
    for start, data in _chunks(reader, 1):
        end = data.find(b"\xff\xd9", max(0, at - start))
        if end >= 0 and start + end >= at:
            return start + end + 2
    return 0


def _png(reader: Reader) -> int:
    at = 8
    for _ in range(100_000):
        head = reader.read_at(at, 8)
        if len(head) < 8 or not head[4:8].isalpha():
            return 0
        at += 12 + int.from_bytes(head[:4], "big")
        if head[4:8] == b"IEND":
            return at
    return 0


def _eml(reader: Reader) -> int:
    """Text with the headers of a message, up to the first NUL."""
    head = reader.read_at(0, 16384)
    blank = re.search(rb"\r?\n\r?\n", head)
    if blank is None or len({name.lower() for name in _NAMES.findall(head[: blank.start()])}) < 3:
        return 0
    for start, data in _chunks(reader, 0):
        end = data.find(b"\0")
        if end >= 0:
            return start + end
    return min(reader.size, _LARGEST)


_LENGTHS: dict[str, Callable[[Reader], int]] = {
    "zip": _zip,
    "pdf": _pdf,
    "sqlite": _sqlite,
    "ole": _ole,
    "gz": _gz,
    "jpg": _jpg,
    "png": _png,
    "eml": _eml,
}

PREFIX = "carved-0x"


def name_of(offset: int, kind: str) -> str:
    """What a file carved at byte `offset` of a medium is called: `carved-0x1f400.zip`."""
    return f"{PREFIX}{offset:x}.{kind}"


def place_of(name: str) -> tuple[int, str] | None:
    """(offset, kind) of a carved file by its name; None for all other names."""
    match = re.match(rf"{PREFIX}([0-9a-f]{{1,16}})\.(\w+)", name)
    return (int(match[1], 16), match[2]) if match and match[2] in KINDS else None
