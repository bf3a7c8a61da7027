"""Layout of ext2/3/4: where the superblocks, group descriptors, bitmaps and inode tables lie.

Format: Linux kernel documentation, filesystems/ext4 ("Data Structures and Algorithms").
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from preserve.image import Range

if TYPE_CHECKING:
    from preserve.image import Image

_MOST_GROUPS = 1 << 20  # 128 TiB in groups of 128 MiB
_MAGIC = b"\x53\xef"


def _has_superblock(group: int, *, sparse: bool) -> bool:
    """Whether a block group starts with a copy of the superblock."""
    if group <= 1 or not sparse:
        return True
    for base in (3, 5, 7):
        power = base
        while power < group:
            power *= base
        if power == group:
            return True
    return False


@dataclass(frozen=True, slots=True)
class ExtLayout:
    """Layout read from a superblock and its group descriptors; positions are block numbers of the volume."""

    block_size: int
    first_block: int
    blocks: int
    blocks_per_group: int
    inodes_per_group: int
    inode_size: int
    descriptor_blocks: int
    reserved_descriptors: int
    sparse: bool
    meta_groups: bool
    label: str
    groups: tuple[tuple[int, int, int], ...]
    """Block bitmap, inode bitmap, inode table of each group."""

    def metadata(self, base: int) -> list[Range]:
        """The structures of all groups, as ranges of the medium, for a volume at byte `base`."""
        size = self.block_size
        table = -(-self.inodes_per_group * self.inode_size // size)
        found = [Range(base, max(2048, size))]
        for group, (block_bitmap, inode_bitmap, inodes) in enumerate(self.groups):
            start = self.first_block + group * self.blocks_per_group
            if _has_superblock(group, sparse=self.sparse):
                count = 1 + (1 if self.meta_groups else self.descriptor_blocks + self.reserved_descriptors)
                found.append(Range(base + start * size, count * size))
            for block, count in ((block_bitmap, 1), (inode_bitmap, 1), (inodes, table)):
                if 0 < block < self.blocks:
                    found.append(Range(base + block * size, min(count, self.blocks - block) * size))
        return found

    def inode_offset(self, inode: int) -> int | None:
        """Byte in the volume where an inode lies; None where there is none of that number."""
        group, index = divmod(inode - 1, self.inodes_per_group)
        if inode < 1 or group >= len(self.groups):
            return None
        return self.groups[group][2] * self.block_size + index * self.inode_size


def parse_layout(volume: Image, overlay: dict[int, bytes] | None = None) -> ExtLayout | None:
    """Layout of a volume; `overlay` holds a superblock (at byte 1024) and descriptors to use instead."""
    overlay = overlay or {}
    raw = overlay.get(1024) or volume.read_at(1024, 1024)
    if len(raw) < 1024 or raw[56:58] != _MAGIC:
        return None
    inodes, blocks = struct.unpack_from("<II", raw, 0)
    first_block, log_size = struct.unpack_from("<II", raw, 20)
    blocks_per_group, _, inodes_per_group = struct.unpack_from("<III", raw, 32)
    revision = struct.unpack_from("<I", raw, 76)[0]
    inode_size = struct.unpack_from("<H", raw, 88)[0] if revision else 128
    incompatible, read_only = struct.unpack_from("<II", raw, 96)
    reserved = struct.unpack_from("<H", raw, 206)[0]
    is_64 = bool(incompatible & 0x80)
    if is_64:
        blocks |= struct.unpack_from("<I", raw, 0x150)[0] << 32
    descriptor_size = struct.unpack_from("<H", raw, 254)[0] if is_64 else 32
    if log_size > 6 or not blocks_per_group or not inodes_per_group or not inodes or descriptor_size < 32:
        return None
    block_size = 1024 << log_size
    count = min(-(-(blocks - first_block) // blocks_per_group), _MOST_GROUPS)
    position = (first_block + 1) * block_size
    table = overlay.get(position) or volume.read_at(position, count * descriptor_size)
    groups = []
    for group in range(min(count, len(table) // descriptor_size)):
        at = group * descriptor_size
        block_bitmap, inode_bitmap, inode_table = struct.unpack_from("<III", table, at)
        if descriptor_size >= 64:
            high = struct.unpack_from("<III", table, at + 32)
            block_bitmap |= high[0] << 32
            inode_bitmap |= high[1] << 32
            inode_table |= high[2] << 32
        groups.append((block_bitmap, inode_bitmap, inode_table))
    return ExtLayout(
        block_size,
        first_block,
        blocks,
        blocks_per_group,
        inodes_per_group,
        inode_size,
        -(-count * descriptor_size // block_size),
        reserved,
        bool(read_only & 1),
        bool(incompatible & 0x10),
        raw[120:136].split(b"\0", 1)[0].decode("utf-8", "replace"),
        tuple(groups),
    )


def superblock_backups(volume: Image) -> list[tuple[str, dict[int, bytes]]]:
    """Repairs for a destroyed superblock: what was used, and the bytes to put at their places in the volume."""
    repairs = []
    for log_size in (2, 0, 1, 3, 4, 5, 6):
        size = 1024 << log_size
        first = 1 if size == 1024 else 0
        for group in (1, 3, 5, 7):
            block = first + group * size * 8
            raw = volume.read_at(block * size, 1024)
            if len(raw) < 1024 or raw[56:58] != _MAGIC or struct.unpack_from("<I", raw, 24)[0] != log_size:
                continue
            if struct.unpack_from("<H", raw, 90)[0] != group:
                continue
            detail = f"the superblock is damaged; its backup in block {block} was used"
            overlay = {1024: raw}
            layout = parse_layout(volume, overlay)
            if layout is not None:
                descriptors = volume.read_at((block + 1) * size, layout.descriptor_blocks * size)
                overlay[(first + 1) * size] = descriptors
            repairs.append((detail, overlay))
            break
    return repairs
