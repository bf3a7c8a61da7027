"""NTFS $LogFile: file records that its pages hold, with the times that files had when they were made or changed.

The log itself keeps no times. Its records that set up a file record (InitializeFileRecordSegment) carry a whole one,
often of a file that is gone since; those are found by their signature in each page. Other log records, which change
single bytes of a record, are not interpreted. Kinds and data as `mft`; `record` names the place in the log, `sequence`
is the LSN of the page. What the $MFT says too is said again here: it is another record of it.

Format: libfsntfs documentation, "NTFS log"; pages of 4096 bytes, `RSTR` restart pages, `RCRD` record pages.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

import numpy as np

from preserve.filesystem import ORPHANS
from preserve.ntfs import FILE_NAME, STANDARD_INFORMATION, parse_record, safe_name, undo_fixups
from timeline.event import Event, Problem
from timeline.times import filetime

if TYPE_CHECKING:
    from collections.abc import Iterator

    from timeline.sources import Context, SourceFile

NAME = "logfile"
SIGNATURES = (b"RSTR",)
NAMES = re.compile(r"\$logfile(?:[._].*)?")
NUMERIC = frozenset({"lsn"})

_PAGE = 4096
_LARGEST = 4 << 30
_TIMES = ("created", "modified", "changed", "accessed")
_MOST_RECORD = 1024


def matches(file: SourceFile) -> bool:
    """A restart page at the start, with the page size that this reads."""
    return file.head[:4] == b"RSTR" and int.from_bytes(file.head[16:20], "little") == _PAGE


def promises(file: SourceFile) -> bool:
    """A file of that name that holds anything at all: a freshly formatted volume fills its log with 0xFF."""
    return bool(file.head.strip(b"\xff\0"))


def parse(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    """Times in file records of the log's pages."""
    torn: list[int] = []
    seen: set[tuple[object, ...]] = set()
    for at in range(0, min(file.size, _LARGEST), _PAGE):
        page = file.read_at(at, _PAGE)
        if page[:4] != b"RCRD" or len(page) < _PAGE:
            continue
        block = np.frombuffer(page, dtype=np.uint8).copy().reshape(1, -1)
        if not undo_fixups(block, 512)[0]:
            torn.append(at)
            continue
        data = block.tobytes()
        lsn = int.from_bytes(data[8:16], "little")
        yield from _page(data, at, lsn, seen)
        if context.expired():
            yield Problem(file.layer, "limit", f"the log was read up to byte {at}", offset=at)
            break
    if torn:
        shown = ", ".join(str(one) for one in torn[:10])
        yield Problem(file.layer, "damaged", f"{len(torn)} torn pages: bytes {shown}", offset=torn[0])


def _page(data: bytes, at: int, lsn: int, seen: set[tuple[object, ...]]) -> Iterator[Event]:
    place = data.find(b"FILE", 64)
    while 0 <= place < _PAGE - 48:
        if place % 8 == 0:
            yield from _record(data[place : place + _MOST_RECORD], at + place, lsn, seen)
        place = data.find(b"FILE", place + 4)


def _record(raw: bytes, place: int, lsn: int, seen: set[tuple[object, ...]]) -> Iterator[Event]:
    record = parse_record(raw, int.from_bytes(raw[44:48], "little"))
    if record is None or record.base or not record.attributes:
        return
    name = ""
    for one in record.attributes:
        if one.kind == FILE_NAME and one.data is not None and len(one.data) >= 68:
            units = one.data[64]
            text = one.data[66 : 66 + 2 * units].decode("utf-16-le", "surrogatepass")
            name = name or safe_name(text)[0]
    path = f"{ORPHANS}/{name or f'OrphanFile-{record.number}'}"
    for one in record.attributes:
        standard = one.kind == STANDARD_INFORMATION
        if one.data is None or not (standard or one.kind == FILE_NAME) or len(one.data) < (36 if standard else 68):
            continue
        values = struct.unpack_from("<4Q", one.data, 0 if standard else 8)
        key = (record.number, record.sequence, one.kind, values, name)
        if key in seen:
            continue
        seen.add(key)
        parent = "" if standard else _reference(int.from_bytes(one.data[:8], "little"))
        for which, value in zip(_TIMES, values, strict=True):
            if not value:
                continue
            data: dict[str, object] = {"lsn": lsn, "name": name}
            if parent:
                data["parent"] = parent
            yield Event(
                time_ns=filetime(value),
                time_text=str(value),
                precision_ns=100,
                zone="UTC",
                zone_basis="format",
                kind=f"file.{which}" if standard else f"file.name_{which}",
                desc=f"{'$SI' if standard else '$FN'} {which} (in $LogFile)",
                record=f"LogFile {place} MFT {record.number}-{record.sequence}",
                sequence=lsn,
                path=path,
                data=data,
            )


def _reference(value: int) -> str:
    return f"{value & ((1 << 48) - 1)}-{value >> 48}"
