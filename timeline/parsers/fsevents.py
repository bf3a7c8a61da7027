"""File system events of macOS (`/.fseventsd/…`): which paths changed, in order, without a time of their own.

Format: gzip pages with the signature 1SLD (path, event id, flags), 2SLD (and a node id), 3SLD (and four bytes more), as
described by D. Kobak and N. Mistry, "macOS File System Events Disk Log Stream Format" (libyal). Records have no
time: the event id orders them. An event takes as `time_ns` None; `data["before"]` is the modification time of the log
file, the latest moment at which its records were made. Kind `fsevents.change`, `data["flags"]` in words.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

from timeline import times
from timeline.event import Event, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from timeline.sources import Context, SourceFile

NAME = "fsevents"
SIGNATURES = (b"1SLD", b"2SLD", b"3SLD", b"\x1f\x8b\x08")
_VERSIONS = {b"1SLD": 12, b"2SLD": 20, b"3SLD": 24}
"""Signature -> bytes behind the path: event id 8, flags 4, node id 8, 4 unknown."""
_MOST_PATH = 64 << 10
_MOST_INFLATED = 512 << 20
_FLAGS = (
    (0x00000001, "created"), (0x00000002, "removed"), (0x00000004, "inode metadata changed"), (0x00000008, "renamed"),
    (0x00000010, "modified"), (0x00000020, "exchanged"), (0x00000040, "finder information changed"),
    (0x00000080, "folder created"), (0x00000100, "permissions changed"), (0x00000200, "extended attribute changed"),
    (0x00000400, "extended attribute removed"), (0x00001000, "document revision"), (0x00004000, "cloned"),
    (0x00080000, "last hard link removed"), (0x00100000, "is hard link"), (0x00400000, "is symbolic link"),
    (0x00800000, "is file"), (0x01000000, "is folder"), (0x02000000, "mount"), (0x04000000, "unmount"),
    (0x20000000, "end of transaction"),
)  # fmt: skip


def matches(file: SourceFile) -> bool:
    """A page signature behind gzip, or bare."""
    head = file.head
    if head[:4] in _VERSIONS:
        return True
    if head[:3] != b"\x1f\x8b\x08":
        return False
    try:
        return zlib.decompressobj(31).decompress(head, 4) in _VERSIONS
    except zlib.error:
        return False


def _inflated(file: SourceFile) -> Iterator[bytes]:
    """Content in pieces; gzip members follow each other. Raises zlib.error, EOFError where it is cut."""
    if file.head[:4] in _VERSIONS:
        for at in range(0, file.size, 1 << 20):
            yield file.read_at(at, 1 << 20)
        return
    inflate = zlib.decompressobj(31)
    with file.open() as stream:
        pending = b""
        while data := pending or stream.read(1 << 16):
            yield inflate.decompress(data, 1 << 20)
            pending = inflate.unconsumed_tail
            if inflate.eof:
                pending = inflate.unused_data
                inflate = zlib.decompressobj(31)
                if not pending.startswith(b"\x1f\x8b"):
                    rest = pending or stream.read(2)
                    if not rest.startswith(b"\x1f\x8b"):
                        return
                    pending = rest
    if not inflate.eof:
        raise EOFError


def parse(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    """An event for each record."""
    buffer = b""
    page_left, tail, sequence, total = 0, 12, 0, 0
    problem: Problem | None = None
    modified = file.times.get("modified")
    before = times.text(modified.ns, digits=0) if modified is not None and modified.ns is not None else ""
    pieces = _inflated(file)
    ended = False
    while True:
        if not ended and len(buffer) < 2 * _MOST_PATH:
            try:
                piece = next(pieces, None)
            except (zlib.error, EOFError):
                problem = Problem(file.layer, "damaged", f"the gzip stream breaks off after {total} bytes")
                piece = None
            if piece is None:
                ended = True
            else:
                buffer += piece
                total += len(piece)
                if total > _MOST_INFLATED:
                    problem = Problem(file.layer, "limit", f"more than {_MOST_INFLATED >> 20} MiB inflated")
                    ended = True
                continue
        if page_left <= 0:
            if len(buffer) < 12:
                break
            signature, size = buffer[:4], struct.unpack_from("<I", buffer, 8)[0]
            if signature not in _VERSIONS or size < 12:
                problem = problem or Problem(file.layer, "damaged", "no page signature", total - len(buffer))
                break
            tail, page_left, buffer = _VERSIONS[signature], size - 12, buffer[12:]
            continue
        end = buffer.find(b"\0", 0, min(_MOST_PATH, page_left))
        if end < 0 or end + 1 + tail > len(buffer):
            problem = problem or Problem(file.layer, "damaged", "a record without end", total - len(buffer))
            break
        sequence += 1
        event_id, flags = struct.unpack_from("<QI", buffer, end + 1)
        node = struct.unpack_from("<Q", buffer, end + 13)[0] if tail >= 20 else 0
        yield _event(buffer[:end], event_id, flags, node, sequence, before, context)
        buffer, page_left = buffer[end + 1 + tail :], page_left - end - 1 - tail
        if sequence % 4096 == 0 and context.expired():
            yield Problem(file.layer, "limit", f"time limit at record {sequence}")
            return
    if problem is not None:
        yield problem


def _event(path: bytes, event_id: int, flags: int, node: int, sequence: int, before: str, context: Context) -> Event:
    data: dict[str, object] = {"event_id": str(event_id), "flags": _words(flags), "raw_flags": f"{flags:#010x}"}
    if node:
        data["node"] = str(node)
    if before:
        data["before"] = before
    return Event(
        time_ns=None, time_text="", precision_ns=times.DAY, zone="UTC", zone_basis="format", kind="fsevents.change",
        desc="order of changes, no time", record=str(event_id), sequence=sequence, host=context.host,
        path="/" + path.decode("utf-8", "backslashreplace"), data=data,
    )  # fmt: skip


def _words(flags: int) -> list[str]:
    return [word for bit, word in _FLAGS if flags & bit]
