"""Prefetch files: when a program was started, how often, from which volume.

Format: libyal "Windows Prefetch File (PF) format", versions 17 (XP), 23 (7), 26 (8.1), 30 and 31 (10 and 11, compressed
as `MAM`).
"""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING

from timeline.event import Event, Problem
from timeline.stamps import filetime, u32, u64, utf16
from timeline.xpress import DecompressionError, decompress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from timeline.sources import Context, SourceFile

NAME = "prefetch"
SIGNATURES = (b"MAM\x04", b"MAM\x84", *(version.to_bytes(4, "little") + b"SCCA" for version in (17, 23, 26, 30, 31)))
NAMES = re.compile(r".*\.pf")
_NAMED = re.compile(r".+-[0-9a-f]{8}\.pf")
MOST_BYTES = 1 << 24
MOST_VOLUMES = 64
MOST_FILES = 20_000
LAYOUTS = {
    17: (120, 1, 144, 40),
    23: (128, 1, 152, 104),
    26: (128, 8, 208, 104),
    30: (128, 8, 208, 96),
    31: (128, 8, 208, 96),
}
"""Version -> where the run times stand, how many, where the number of runs stands, bytes of a volume's entry."""


def matches(file: SourceFile) -> bool:
    """`SCCA` behind a known version, or `MAM`; other files of Windows are compressed as `MAM`, too: by name then."""
    head = file.head
    if head[4:8] == b"SCCA":
        return u32(head, 0) in LAYOUTS
    return head[:4] in (b"MAM\x04", b"MAM\x84") and NAMES.fullmatch(file.name.lower()) is not None


def promises(file: SourceFile) -> bool:
    """The signature, or a name as Windows gives it: the program, a hash, `.pf`."""
    named = _NAMED.fullmatch(file.name.lower()) is not None and file.size > 0
    return named or file.head[4:8] == b"SCCA"


def parse(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    """One event for each start that is kept, and one for each volume."""
    del context
    if file.size > MOST_BYTES:
        yield Problem(file.layer, "limit", f"larger than {MOST_BYTES} bytes: not read")
        return
    raw = file.read(MOST_BYTES)
    if raw[:3] == b"MAM":
        try:
            raw, complaint = _unpacked(raw)
        except DecompressionError as error:
            yield Problem(file.layer, "damaged", f"cannot be decompressed: {error}")
            return
        if complaint:
            yield Problem(file.layer, "damaged", complaint)
    version = u32(raw, 0)
    if raw[4:8] != b"SCCA" or version not in LAYOUTS or len(raw) < 240:
        yield Problem(file.layer, "damaged", "no prefetch file inside, or cut off in its header")
        return
    if u32(raw, 12) > len(raw):
        yield Problem(file.layer, "damaged", f"{len(raw)} of {u32(raw, 12)} bytes are there", len(raw))
    times_at, times_count, runs_at, volume_bytes = LAYOUTS[version]
    if version >= 30 and u32(raw, 84) == 296:
        runs_at = 200
    name = utf16(raw[16:76])
    names = _names(raw)
    # The header keeps 29 characters of the name.
    ending = "\\" + name.upper()
    paths = (one for one in names if ending in one.upper() and one.upper().rpartition("\\")[2].startswith(name.upper()))
    path = next((one for one in paths if len(name) == 29 or one.upper().endswith(ending)), name)
    volumes = list(_volumes(raw, volume_bytes))
    data = {
        "program": name,
        "runs": u32(raw, runs_at),
        "hash": f"{u32(raw, 76):08X}",
        "volumes": [f"{device} {serial}" for device, serial, _ in volumes],
        "version": version,
        "files": len(names),
    }
    for index in range(times_count):
        when = u64(raw, times_at + 8 * index)
        if when:
            desc = "Last Executed" if index == 0 else "Previously Executed"
            yield filetime(when).event(
                "execution.prefetch", desc, record=file.name, sequence=index, path=path, data=data
            )
    for device, serial, created in volumes:
        yield filetime(created).event(
            "prefetch.volume_created", "Volume Created", record=file.name, path=device,
            data={"program": name, "volume_serial": serial},
        )  # fmt: skip


def _unpacked(raw: bytes) -> tuple[bytes, str]:
    """Decompressed content and what is wrong with it. Raises DecompressionError."""
    size, start, complaint = u32(raw, 4), 8, ""
    if raw[3] & 0x80:
        start = 12
        checked = zlib.crc32(raw[12:], zlib.crc32(bytes(4), zlib.crc32(raw[:8])))
        complaint = "" if checked == u32(raw, 8) else "checksum is wrong"
    if size > MOST_BYTES:
        raise DecompressionError(f"claims {size} bytes")
    return decompress(raw[start:], size), complaint


def _names(raw: bytes) -> list[str]:
    """The files that the program touched in its first seconds."""
    part = raw[u32(raw, 100) : u32(raw, 100) + u32(raw, 104)]
    return [name for name in part.decode("utf-16-le", "replace").split("\0") if name][:MOST_FILES]


def _volumes(raw: bytes, entry_bytes: int) -> Iterator[tuple[str, str, int]]:
    """Device, serial and FILETIME of creation of each volume."""
    start, count = u32(raw, 108), u32(raw, 112)
    for index in range(min(count, MOST_VOLUMES)):
        at = start + index * entry_bytes
        if at + 20 > len(raw):
            return
        place = start + u32(raw, at)
        device = utf16(raw[place : place + 2 * u32(raw, at + 4)])
        serial = u32(raw, at + 16)
        yield device, f"{serial >> 16:04X}-{serial & 0xFFFF:04X}", u64(raw, at + 8)
