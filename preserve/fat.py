"""Layout of FAT12/16/32 and exFAT volumes, and the raw times of their directory entries.

The Sleuth Kit converts FAT times with the time zone of the process and drops the zone that exFAT keeps; so the entries
are read here. Formats: Microsoft FAT specification 1.03 (2000), exFAT file system specification (2019).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from preserve.file_times import FileTime, dos_time
from preserve.image import Range

if TYPE_CHECKING:
    from collections.abc import Mapping

    from preserve.image import Image

_FIRST_INODE = 3  # The Sleuth Kit counts 32-byte entries from 3 on; 2 is the root folder
_SECOND, _DAY = 1_000_000_000, 86_400_000_000_000


@dataclass(frozen=True, slots=True)
class FatLayout:
    """Sizes in bytes from the start of the volume. `data` is where directory entries may begin (root folder)."""

    exfat: bool
    sector_size: int
    cluster_size: int
    data: int
    size: int

    def metadata(self, base: int) -> list[Range]:
        """Boot sectors and FATs, as ranges of the medium, for a volume at `base`."""
        return [Range(base, self.data)]

    def times(self, volume: Image, inode: int) -> Mapping[str, FileTime] | None:
        """Times of the directory entry that The Sleuth Kit calls `inode`; None where that is no entry."""
        if inode < _FIRST_INODE:
            return None
        entry = volume.read_at(self.data + (inode - _FIRST_INODE) * 32, 32)
        if len(entry) < 32:
            return None
        return _exfat_times(entry) if self.exfat else _fat_times(entry)


def _fat_times(entry: bytes) -> Mapping[str, FileTime] | None:
    if entry[11] & 0x3F == 0x0F:  # part of a long name
        return None
    tenths, time, date, accessed = struct.unpack_from("<BHHH", entry, 13)
    modified_time, modified_date = struct.unpack_from("<HH", entry, 22)
    times = {
        "modified": dos_time(modified_date, modified_time, 0, 2 * _SECOND),
        "created": dos_time(date, time, min(tenths, 199), 10_000_000),
        "accessed": dos_time(accessed, 0, 0, _DAY),
    }
    return {name: one for name, one in times.items() if one.ns is not None}


def _offset(byte: int) -> int | None:
    """Minutes east of UTC; None where the entry does not say."""
    if not byte & 0x80:
        return None
    quarters = byte & 0x7F
    return (quarters - 128 if quarters & 0x40 else quarters) * 15


def _exfat_times(entry: bytes) -> Mapping[str, FileTime] | None:
    if entry[0] & 0x7F != 0x05:  # 0x85, 0x05 once deleted
        return None
    created, modified, accessed = struct.unpack_from("<III", entry, 8)
    created_10ms, modified_10ms, *zones = struct.unpack_from("<5B", entry, 20)
    times = {
        "created": (created, min(created_10ms, 199), 10_000_000, zones[0]),
        "modified": (modified, min(modified_10ms, 199), 10_000_000, zones[1]),
        "accessed": (accessed, 0, 2 * _SECOND, zones[2]),
    }
    found = {
        name: dos_time(stamp >> 16, stamp & 0xFFFF, hundredths, precision, offset_minutes=_offset(zone))
        for name, (stamp, hundredths, precision, zone) in times.items()
    }
    return {name: one for name, one in found.items() if one.ns is not None}


def parse_layout(boot: bytes) -> FatLayout | None:
    """Layout from a boot sector of FAT or exFAT; None where it is none."""
    if len(boot) < 512:
        return None
    if boot[3:11] == b"EXFAT   ":
        sectors = struct.unpack_from("<Q", boot, 72)[0]
        heap = struct.unpack_from("<I", boot, 88)[0]
        shift, cluster_shift = boot[108], boot[109]
        if not 9 <= shift <= 12 or cluster_shift > 25 - shift:
            return None
        return FatLayout(True, 1 << shift, 1 << (shift + cluster_shift), heap << shift, sectors << shift)
    sector_size, per_cluster, reserved, tables, roots, sectors16 = struct.unpack_from("<HBHBHH", boot, 11)
    if sector_size not in (512, 1024, 2048, 4096) or not per_cluster or not reserved or not tables:
        return None
    per_table = struct.unpack_from("<H", boot, 22)[0] or struct.unpack_from("<I", boot, 36)[0]
    sectors = sectors16 or struct.unpack_from("<I", boot, 32)[0]
    data = (reserved + tables * per_table) * sector_size
    del roots  # the root folder of FAT12/16 begins at `data`; on FAT32 the first cluster does
    return FatLayout(False, sector_size, per_cluster * sector_size, data, sectors * sector_size)


def boot_backups(volume: Image) -> list[tuple[str, dict[int, bytes]]]:
    """Repairs for a destroyed boot sector: what was used, and the bytes to put at the start of the volume."""
    repairs = []
    for sector_size in (512, 4096):
        for sector in (6, 12):  # FAT32, exFAT
            boot = volume.read_at(sector * sector_size, 512)
            layout = parse_layout(boot)
            wanted = boot[3:11] == b"EXFAT   " if sector == 12 else boot[82:87] == b"FAT32"
            if layout is not None and wanted and layout.sector_size == sector_size and boot[510:] == b"\x55\xaa":
                count = 12 if layout.exfat else 1
                backup = volume.read_at(sector * sector_size, count * sector_size)
                repairs.append((f"the boot sector is damaged; its backup in sector {sector} was used", {0: backup}))
    return repairs
