r"""The NTFS change journal $UsnJrnl:$J: each change to a file with its time, reasons and name; versions 2, 3 and 4.

Kinds: `usn.created`, `usn.deleted`, `usn.renamed_from`, `usn.renamed_to`, `usn.written`, `usn.changed`, and `usn.range`
for records of version 4, which have no time. `sequence` is the USN, which only grows. `data`: `reasons`, `file` and
`parent` (record-sequence), `dos_flags`, `source` where it is not zero.

Paths: a record names the folder by its file reference. Read from the newest record to the oldest, the journal itself
tells what a folder was called at that time; where it does not, the $MFT beside it tells what it is called now.

Format: [MS-FSCC] and "USN_RECORD_V2 … V4" of the Windows SDK (winioctl.h). The journal begins with a hole.
"""

from __future__ import annotations

import json
import re
import struct
from typing import TYPE_CHECKING, Any

from chain_of_custody.errors import EvidenceError
from preserve.filesystem import ORPHANS
from timeline.event import COLUMNS, Problem, schema
from timeline.times import filetime

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from preserve.mft_table import MftTable
    from timeline.event import Event
    from timeline.sources import Context, SourceFile

NAME = "usnjrnl"
NAMES = re.compile(r".*usnjrnl.*|\$j(?:[._].*)?|.*[_.]\$?j")
NUMERIC = frozenset({"usn"})

_PAGE = 4096
_PIECE = 4 << 20
_HOLE_FROM = 64 << 20  # bytes; a smaller journal is read from its start
_PROBE = 1 << 16
_MOST_RECORDS = 20_000_000
_BATCH = 100_000
_LONGEST_RECORD = 64 + 2 * 255 + 16 + 4096
_DIRECTORY = 0x10

REASONS = {
    0x00000001: "DATA_OVERWRITE",
    0x00000002: "DATA_EXTEND",
    0x00000004: "DATA_TRUNCATION",
    0x00000010: "NAMED_DATA_OVERWRITE",
    0x00000020: "NAMED_DATA_EXTEND",
    0x00000040: "NAMED_DATA_TRUNCATION",
    0x00000100: "FILE_CREATE",
    0x00000200: "FILE_DELETE",
    0x00000400: "EA_CHANGE",
    0x00000800: "SECURITY_CHANGE",
    0x00001000: "RENAME_OLD_NAME",
    0x00002000: "RENAME_NEW_NAME",
    0x00004000: "INDEXABLE_CHANGE",
    0x00008000: "BASIC_INFO_CHANGE",
    0x00010000: "HARD_LINK_CHANGE",
    0x00020000: "COMPRESSION_CHANGE",
    0x00040000: "ENCRYPTION_CHANGE",
    0x00080000: "OBJECT_ID_CHANGE",
    0x00100000: "REPARSE_POINT_CHANGE",
    0x00200000: "STREAM_CHANGE",
    0x00400000: "TRANSACTED_CHANGE",
    0x00800000: "INTEGRITY_CHANGE",
    0x01000000: "DESIRED_STORAGE_CLASS_CHANGE",
    0x80000000: "CLOSE",
}
_KINDS = (
    (0x200, "usn.deleted"),
    (0x1000, "usn.renamed_from"),
    (0x2000, "usn.renamed_to"),
    (0x100, "usn.created"),
    (0x77, "usn.written"),
)

# file, parent, usn, time, reason, source, flags, name, version
_Record = tuple[int, int, int, int, int, int, int, str, int]


def matches(file: SourceFile) -> bool:
    """The name of the stream, or a first record that makes sense."""
    return promises(file) or _parse(file.head, 0, len(file.head)) is not None


def promises(file: SourceFile) -> bool:
    """Whether the name is that of the stream itself."""
    return file.name.lower() in ("$usnjrnl:$j", "$j", "$usnjrnl_$j")


def parse(file: SourceFile, context: Context) -> Iterator[Event | Problem | pa.RecordBatch]:
    """One row for each record, in order of the USN."""
    records: list[_Record] = []
    bad: list[int] = []
    for item in _records(file):
        if isinstance(item, int):
            bad.append(item)
        else:
            records.append(item)
            if len(records) >= _MOST_RECORDS or (len(records) % 65_536 == 0 and context.expired()):
                yield Problem(file.layer, "limit", f"the journal was read up to USN {item[2]}", offset=item[2])
                break
    if bad:
        shown = ", ".join(str(one) for one in bad[:10]) + (" …" if len(bad) > 10 else "")
        yield Problem(file.layer, "damaged", f"{len(bad)} places that are no records: bytes {shown}", offset=bad[0])
    if not records and not bad and file.size:
        yield Problem(
            file.layer, "incomplete", "the journal holds no records: it was emptied, or only its hole is left"
        )
    table, note = _table_beside(file)
    if note:
        yield Problem(file.layer, "incomplete", note)
    paths = _paths(records, table)
    for start in range(0, len(records), _BATCH):
        yield _batch(records[start : start + _BATCH], paths[start : start + _BATCH])


def _start(file: SourceFile) -> int:
    """Where the data begins behind the hole: found by halving, since the hole lies at the front and nowhere else."""
    if file.size < _HOLE_FROM or any(file.read_at(0, _PIECE)):
        return 0
    low, high = 0, (file.size + _PROBE - 1) // _PROBE  # block `high` and on: data, or the end
    while high - low > 1:
        middle = (low + high) // 2
        if any(file.read_at(middle * _PROBE, _PROBE)):
            high = middle
        else:
            low = middle
    return low * _PROBE


def _records(file: SourceFile) -> Iterator[_Record | int]:
    """Records in order; an integer is the place of bytes that are none. No record crosses a page of 4096 bytes."""
    at = _start(file)
    while at < file.size:
        data = file.read_at(at, _PIECE)
        if not data:
            return
        size = len(data)
        position = 0
        while position + 8 <= size:
            length = int.from_bytes(data[position : position + 4], "little")
            if not length:
                position = (position // _PAGE + 1) * _PAGE
                continue
            record = _parse(data, position, size)
            if record is None:
                yield at + position
                position = (position // _PAGE + 1) * _PAGE
                continue
            yield record
            position += length + 7 & ~7
        at += max(position, _PAGE) if position < size else size


def _parse(data: bytes, at: int, end: int) -> _Record | None:
    """The record at `at`; None where it makes no sense."""
    if at + 60 > end:
        return None
    length, major = struct.unpack_from("<IH", data, at)
    if not 56 <= length <= _LONGEST_RECORD or length & 7 or at + length > end:
        return None
    if major == 2:
        file, parent, usn, time, reason, source, _, flags, size, offset = struct.unpack_from(
            "<QQqqIIIIHH", data, at + 8
        )
    elif major == 3:
        if length < 76:
            return None
        file, _, parent, _, usn, time, reason, source, _, flags, size, offset = struct.unpack_from(
            "<QQQQqqIIIIHH", data, at + 8
        )
    elif major == 4:
        file, _, parent, _, usn, reason, source = struct.unpack_from("<QQQQqII", data, at + 8)
        return (file, parent, usn, 0, reason, source, 0, "", 4)
    else:
        return None
    if size & 1 or offset < 56 or offset + size > length or usn < 0:
        return None
    name = data[at + offset : at + offset + size].decode("utf-16-le", "surrogatepass")
    return (file, parent, usn, time, reason, source, flags, name, major)


def _table_beside(file: SourceFile) -> tuple[MftTable | None, str]:
    """The $MFT of the same volume, or of the same folder; a note where it is there and cannot be read."""
    beside = file.at("/$MFT") or file.sibling("$MFT")
    if beside is None:
        return None, ""
    from preserve.mft_table import read_table  # noqa: PLC0415 - numpy code that few files need
    from timeline.parsers.mft import record_size  # noqa: PLC0415

    try:
        size = record_size(beside.head)
        if not size:
            return None, "the $MFT beside the journal cannot be read: some paths are not known"
        return read_table(beside.read_at, beside.size, record_size=size), ""
    except EvidenceError as error:
        return None, f"the $MFT beside the journal cannot be read: {error.en}"


def _paths(records: list[_Record], table: MftTable | None) -> list[str]:
    """The path of each record's file as it was at that time."""
    folders: dict[int, tuple[int, str]] = {}
    if table is not None:
        best = table.best_names().tolist()
        numbers, sequences = table.records.number.tolist(), table.records.sequence.tolist()
        used, directory = table.records.in_use.tolist(), table.records.is_directory.tolist()
        for at, name in enumerate(best):
            if directory[at] and name >= 0:
                # Deleting a folder has raised its number by one.
                reference = numbers[at] | (sequences[at] - (not used[at]) & 0xFFFF) << 48
                parent = int(table.names.parent[name]) | int(table.names.parent_sequence[name]) << 48
                folders[reference] = (parent, table.names.text[name])
    # A folder that the $MFT does not know any more keeps the last name that the journal tells.
    told = {one[0]: (one[1], one[7]) for one in records if one[6] & _DIRECTORY}
    folders = told | folders
    known: dict[int, str] = {}
    shown: list[str] = [""] * len(records)
    for place in range(len(records) - 1, -1, -1):
        file, parent, _, _, _, _, flags, name, version = records[place]
        if version == 4:
            shown[place] = _folder(file, folders, known)
            continue
        if flags & _DIRECTORY and folders.get(file) != (parent, name):
            folders[file] = (parent, name)
            known.clear()
        if file & _NUMBER == _ROOT:
            shown[place] = "/"
            continue
        folder = _folder(parent, folders, known)
        shown[place] = f"/{name}" if folder == "/" else f"{folder}/{name}"
    return shown


_ROOT = 5
_NUMBER = (1 << 48) - 1
_DEEPEST = 1024


def _folder(reference: int, folders: dict[int, tuple[int, str]], known: dict[int, str]) -> str:
    """Path of a folder by its reference; under $OrphanFiles where the chain breaks."""
    chain: list[tuple[int, str]] = []
    at = reference
    while at not in known and at & _NUMBER != _ROOT:
        found = folders.get(at)
        if found is None or len(chain) >= _DEEPEST:
            known[at] = f"{ORPHANS}/Folder-{at & _NUMBER}-{at >> 48}"
            break
        chain.append((at, found[1]))
        at = found[0]
    path = "" if at & _NUMBER == _ROOT else known[at]
    for one, name in reversed(chain):
        path = f"{path}/{name}"
        known[one] = path
    return path or "/"


def _words(reason: int) -> list[str]:
    named = [word for bit, word in REASONS.items() if reason & bit]
    rest = reason & ~sum(REASONS)
    return [*named, f"0x{rest:08x}"] if rest else named


def _kind(reason: int, version: int) -> str:
    if version == 4:
        return "usn.range"
    return next((kind for bits, kind in _KINDS if reason & bits), "usn.changed")


def _batch(records: list[_Record], paths: list[str]) -> pa.RecordBatch:
    import pyarrow as pa  # noqa: PLC0415 - start-up time

    reasons: dict[int, str] = {}
    data: list[str] = []
    for file, parent, _, _, reason, source, flags, _, version in records:
        words = reasons.get(reason)
        if words is None:
            words = reasons[reason] = json.dumps(_words(reason))
        more = f',"source":{source}' if source else ""
        more += f',"version":{version}' if version != 2 else ""
        data.append(
            f'{{"reasons":{words},"file":"{file & _NUMBER}-{file >> 48}",'
            f'"parent":"{parent & _NUMBER}-{parent >> 48}","dos_flags":{flags}{more}}}'
        )
    count = len(records)
    columns: dict[str, Any] = {
        "time_ns": [filetime(one[3]) for one in records],
        "time_text": [str(one[3]) if one[8] != 4 else "" for one in records],
        "precision_ns": [100] * count,
        "zone": ["UTC"] * count,
        "zone_basis": ["format"] * count,
        "kind": [_kind(one[4], one[8]) for one in records],
        "desc": ["USN change"] * count,
        "record": [f"USN {one[2]}" for one in records],
        "sequence": [one[2] for one in records],
        "actor": [""] * count,
        "host": [""] * count,
        "path": [path.encode("utf-8", "backslashreplace").decode() for path in paths],
        "bytes": [None] * count,
        "data": data,
        "clock": [""] * count,
        "state": [""] * count,
    }
    # All but the paths is made of numbers of the format.
    done = ",".join(name for name in COLUMNS if name != "path")
    return pa.record_batch([columns[name] for name in COLUMNS], schema=schema().with_metadata({"masked": done}))
