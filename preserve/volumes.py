"""Volumes of a medium: MBR with logical partitions, GPT, Apple partition map, or none.

Formats: UEFI specification 2.10 chapter 5 (GPT, protective MBR); "Apple Partition Map" of Inside Macintosh: Devices;
the MBR and its chain of extended boot records as every operating system reads them.
"""

from __future__ import annotations

import struct
import uuid
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from preserve.image import Problem, Range, UnreadableRange
from preserve.signatures import has_boot_parameters

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from preserve.image import Image

_MOST_LOGICAL = 256
_MOST_GPT_ENTRIES = 4096

MBR_TYPES: Mapping[int, str] = {
    0x01: "FAT12",
    0x04: "FAT16 (< 32 MB)",
    0x06: "FAT16",
    0x07: "NTFS / exFAT",
    0x0B: "FAT32 (CHS)",
    0x0C: "FAT32 (LBA)",
    0x0E: "FAT16 (LBA)",
    0x11: "hidden FAT12",
    0x14: "hidden FAT16",
    0x16: "hidden FAT16",
    0x17: "hidden NTFS",
    0x1B: "hidden FAT32",
    0x1C: "hidden FAT32 (LBA)",
    0x27: "Windows recovery",
    0x42: "Windows dynamic disk",
    0x82: "Linux swap",
    0x83: "Linux",
    0x8E: "Linux LVM",
    0xA5: "FreeBSD",
    0xAB: "Apple boot",
    0xAF: "HFS / HFS+",
    0xDE: "Dell utility",
    0xEE: "GPT protective",
    0xEF: "EFI system",
    0xFD: "Linux RAID",
}
_EXTENDED = (0x05, 0x0F, 0x85)
GPT_TYPES: Mapping[str, str] = {
    "c12a7328-f81f-11d2-ba4b-00a0c93ec93b": "EFI system",
    "e3c9e316-0b5c-4db8-817d-f92df00215ae": "Microsoft reserved",
    "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7": "Microsoft basic data",
    "de94bba4-06d1-4d40-a16a-bfd50179d6ac": "Windows recovery",
    "5808c8aa-7e8f-42e0-85d2-e1e90434cfb3": "Windows LDM metadata",
    "af9b60a0-1431-4f62-bc68-3311714a69ad": "Windows LDM data",
    "e75caf8f-f680-4cee-afa3-b001e56efc2d": "Windows storage spaces",
    "0fc63daf-8483-4772-8e79-3d69d8477de4": "Linux",
    "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f": "Linux swap",
    "e6d6d379-f507-44c2-a23c-238f2a3df928": "Linux LVM",
    "a19d880f-05fc-4d3b-a006-743f0f84911e": "Linux RAID",
    "48465300-0000-11aa-aa11-00306543ecac": "HFS+",
    "7c3457ef-0000-11aa-aa11-00306543ecac": "APFS",
    "53746f72-6167-11aa-aa11-00306543ecac": "FileVault (Core Storage)",
}


@dataclass(slots=True)
class Volume:
    """A part of a medium; an `Image` over that part.

    `index` counts volumes from 0; `layer` is `gpt:2`, `mbr:5`, `apm:3` (the number that the table gives it) or empty
    where there is no table; `offset` and `size` are bytes of the medium; `description` is the type in words.
    """

    index: int
    layer: str
    offset: int
    size: int
    description: str
    image: Image
    name: str = ""

    @property
    def sector_size(self) -> int:
        """Bytes in one sector of the medium."""
        return self.image.sector_size

    @property
    def stored_hashes(self) -> Mapping[str, str]:
        """Empty: hashes are of whole media."""
        return {}

    @property
    def segments(self) -> Sequence[Path]:
        """The files of the medium."""
        return self.image.segments

    def read_at(self, offset: int, size: int, /) -> bytes:
        """See `Image.read_at`; offsets count from the start of the volume."""
        return self.image.read_at(self.offset + offset, max(0, min(size, self.size - offset)))

    def readinto_at(self, offset: int, buffer: memoryview | bytearray, /) -> int:
        """See `Image.readinto_at`; offsets count from the start of the volume."""
        view = memoryview(buffer)[: max(0, min(len(buffer), self.size - offset))]
        return self.image.readinto_at(self.offset + offset, view)

    def unreadable(self) -> Sequence[UnreadableRange]:
        """Unreadable ranges within the volume, counted from its start."""
        found = []
        for one in self.image.unreadable():
            start, end = max(one.offset, self.offset), min(one.offset + one.size, self.offset + self.size)
            if start < end:
                found.append(UnreadableRange(start - self.offset, end - start, one.reason, one.detail))
        return found

    def close(self) -> None:
        """Do nothing: the medium is closed by whoever opened it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class _Part:
    layer: str
    offset: int
    size: int
    description: str
    name: str = ""


def complement(ranges: Iterable[Range], start: int, end: int) -> list[Range]:
    """The parts of start … end that no range covers, in order."""
    free: list[Range] = []
    at = start
    for one in sorted(ranges, key=lambda one: one.offset):
        if one.offset > at:
            free.append(Range(at, min(one.offset, end) - at))
        at = max(at, one.end)
        if at >= end:
            break
    if at < end:
        free.append(Range(at, end - at))
    return free


def open_volumes(image: Image, *, problems: list[Problem] | None = None) -> tuple[list[Volume], list[Range]]:
    """The volumes of a medium and the ranges outside any of them (with the table itself).

    Without a table the whole medium is one volume with an empty layer. What is wrong with the table is appended to
    `problems`; a partition that reaches past the end of the medium is cut there.
    """
    problems = problems if problems is not None else []
    parts = _read_table(image, problems)
    if parts is None:
        return [Volume(0, "", 0, image.size, "no partition table", image)], []
    volumes: list[Volume] = []
    for part in parts:
        size = part.size
        where = f"{image.layer}|{part.layer}"
        if part.offset >= image.size or size <= 0:
            detail = f"partition at byte {part.offset} lies past the end of the medium ({image.size} bytes)"
            problems.append(Problem(where, "damaged", detail))
            continue
        if part.offset + size > image.size:
            missing = part.offset + size - image.size
            detail = f"the last {missing} bytes of the partition lie past the end of the medium"
            problems.append(Problem(where, "damaged", detail, image.size, missing))
            size = image.size - part.offset
        volumes.append(Volume(len(volumes), part.layer, part.offset, size, part.description, image, part.name))
    outside = complement((Range(volume.offset, volume.size) for volume in volumes), 0, image.size)
    return volumes, outside


def _read_table(image: Image, problems: list[Problem]) -> list[_Part] | None:
    """Parts by the first table that is there; None without one."""
    for sector_size in dict.fromkeys((image.sector_size, 512, 4096)):
        parts = _read_gpt(image, sector_size, problems)
        if parts is not None:
            return parts
    parts = _read_apm(image)
    if parts:
        return parts
    return _read_mbr(image, problems)


def _read_gpt(image: Image, sector_size: int, problems: list[Problem]) -> list[_Part] | None:
    """Parts of a GPT, from its backup where the first is damaged; None without one."""
    last = image.size // sector_size - 1
    primary = _gpt_header(image, sector_size, 1)
    if isinstance(primary, list):
        return primary
    sector = image.read_at(0, 512)
    protective = len(sector) == 512 and sector[510:] == b"\x55\xaa" and 0xEE in sector[450:512:16]
    if not primary and not protective:
        return None  # a stray backup of an earlier table must not win over what the first sector says
    backup = _gpt_header(image, sector_size, last) if last > 1 else ""
    if isinstance(backup, list):
        detail = f"the GPT is damaged ({primary or 'no header'}); its backup at the end of the medium was used"
        problems.append(Problem(f"{image.layer}|gpt", "damaged", detail, sector_size, sector_size))
        return backup
    if primary:
        detail = f"the GPT is damaged ({primary}), and there is no sound backup at the end of the medium"
        problems.append(Problem(f"{image.layer}|gpt", "damaged", detail, sector_size, sector_size))
    return None


def _gpt_header(image: Image, sector_size: int, sector: int) -> list[_Part] | str:
    """Parts, or what is wrong (empty: there is no GPT header)."""
    raw = image.read_at(sector * sector_size, sector_size)
    if len(raw) < 92 or raw[:8] != b"EFI PART":
        return ""
    header_size, checksum = struct.unpack_from("<II", raw, 12)
    if not 92 <= header_size <= sector_size:
        return "impossible header size"
    if zlib.crc32(raw[:16] + bytes(4) + raw[20:header_size]) != checksum:
        return "wrong checksum of its header"
    entries_at, count, entry_size, entries_checksum = struct.unpack_from("<QIII", raw, 72)
    if not 128 <= entry_size <= 4096 or entry_size % 8 or not 0 < count <= _MOST_GPT_ENTRIES:
        return "impossible sizes in its header"
    table = image.read_at(entries_at * sector_size, count * entry_size)
    if zlib.crc32(table) != entries_checksum:
        return "wrong checksum of its entries"
    parts = []
    for number in range(count):
        entry = table[number * entry_size : (number + 1) * entry_size]
        if not any(entry[:16]):
            continue
        kind = str(uuid.UUID(bytes_le=bytes(entry[:16])))
        first, final = struct.unpack_from("<QQ", entry, 32)
        name = entry[56:128].decode("utf-16-le", "replace").split("\0", 1)[0]
        if final < first:
            continue
        size = (final - first + 1) * sector_size
        parts.append(_Part(f"gpt:{number + 1}", first * sector_size, size, GPT_TYPES.get(kind, kind), name))
    return parts


def _read_apm(image: Image) -> list[_Part]:
    """Parts of an Apple partition map."""
    head = image.read_at(0, 4)
    if head[:2] != b"ER":
        return []
    for block in dict.fromkeys((int.from_bytes(head[2:4], "big"), 512)):
        if block not in (512, 1024, 2048, 4096):
            continue
        parts: list[_Part] = []
        count = 1
        number = 1
        while number <= min(count, 256):
            entry = image.read_at(number * block, 512)
            if entry[:2] != b"PM":
                break
            count, first, blocks = struct.unpack_from(">III", entry, 4)
            name = entry[16:48].split(b"\0", 1)[0].decode("latin-1")
            kind = entry[48:80].split(b"\0", 1)[0].decode("latin-1")
            if kind not in ("Apple_Free", "Apple_partition_map"):
                parts.append(_Part(f"apm:{number}", first * block, blocks * block, kind, name))
            number += 1
        if parts:
            return parts
    return []


def _read_mbr(image: Image, problems: list[Problem]) -> list[_Part] | None:
    """Parts of an MBR with its logical partitions; None without one."""
    sector = image.read_at(0, 512)
    if len(sector) < 512 or sector[510:512] != b"\x55\xaa" or has_boot_parameters(sector):
        return None
    size = image.sector_size
    entries = _mbr_entries(sector)
    used = [entry for entry in entries if entry[1] and entry[3]]
    if not used or any(entry[0] not in (0x00, 0x80) for entry in entries):
        return None
    parts: list[_Part] = []
    logical: list[_Part] = []
    for number, (_, kind, first, count) in enumerate(entries, 1):
        if not kind or not count:
            continue
        if kind in _EXTENDED:
            logical += _read_logical(image, first, count, 5 + len(logical), problems)
            continue
        description = MBR_TYPES.get(kind, f"type 0x{kind:02x}")
        parts.append(_Part(f"mbr:{number}", first * size, count * size, description))
    return parts + logical


def _mbr_entries(sector: bytes) -> list[tuple[int, int, int, int]]:
    """(status, type, first sector, sector count) of the four entries."""
    found = []
    for at in range(446, 510, 16):
        first, count = struct.unpack_from("<II", sector, at + 8)
        found.append((sector[at], sector[at + 4], first, count))
    return found


def _read_logical(image: Image, base: int, count: int, number: int, problems: list[Problem]) -> list[_Part]:
    """Logical partitions: a chain of boot records, each relative to the extended partition or to itself."""
    size = image.sector_size
    where = f"{image.layer}|mbr"
    parts: list[_Part] = []
    seen: set[int] = set()
    at = base
    while len(parts) < _MOST_LOGICAL:
        if at in seen:
            problems.append(
                Problem(where, "damaged", "the chain of logical partitions runs in a circle", at * size, 512)
            )
            return parts
        seen.add(at)
        sector = image.read_at(at * size, 512)
        if len(sector) < 512 or sector[510:512] != b"\x55\xaa":
            detail = "the chain of logical partitions breaks off"
            problems.append(Problem(where, "damaged", detail, at * size, 512))
            return parts
        following = 0
        for _, kind, first, sectors in _mbr_entries(sector)[:2]:
            if kind in _EXTENDED and sectors:
                following = base + first
            elif kind and sectors:
                description = MBR_TYPES.get(kind, f"type 0x{kind:02x}")
                parts.append(_Part(f"mbr:{number + len(parts)}", (at + first) * size, sectors * size, description))
        if not following:
            return parts
        if following >= base + count:
            detail = "a logical partition lies outside its extended partition"
            problems.append(Problem(where, "damaged", detail, following * size, 512))
        at = following
    problems.append(Problem(where, "limit", f"more than {_MOST_LOGICAL} logical partitions"))
    return parts
