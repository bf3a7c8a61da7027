"""Small disks for tests, made with the file system tools of the system or byte by byte."""

from __future__ import annotations

import os
import random
import struct
import subprocess
import uuid
import zlib
from pathlib import Path

ENVIRONMENT = {
    "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin",
    "LC_ALL": "C.UTF-8",
    "MTOOLS_SKIP_CHECK": "1",
    "TZ": "UTC",
}


def run(*command):
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, env=ENVIRONMENT).stdout


def files(seed=3):
    """What goes on each disk: path -> bytes; those under /gone are deleted afterwards."""
    rng = random.Random(seed)
    return {
        "/live.txt": b"live file\n",
        "/empty": b"",
        "/folder/長い名前のファイル.bin": rng.randbytes(70_000),
        "/folder/deep/x.bin": rng.randbytes(3_000),
        "/gone.bin": rng.randbytes(30_000),
    }


def write_tree(folder, listing):
    for path, data in listing.items():
        target = folder / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return folder


def fat(path, bits, tree, *, size_kib=None, label="HOZEN"):
    size = size_kib or {12: 4096, 16: 20480, 32: 40960}[bits]
    run("mkfs.vfat", "-C", "-F", bits, "-n", label, path, size)
    run("mcopy", "-s", "-i", path, *sorted(tree.iterdir()), "::/")
    return path


def mbr(entries, size_sectors):
    """A medium with a partition table: entries of (type, first sector, sectors)."""
    disk = bytearray(size_sectors * 512)
    for number, (kind, first, count) in enumerate(entries):
        struct.pack_into("<BBBBBBBBII", disk, 446 + 16 * number, 0, 0, 0, 0, kind, 0, 0, 0, first, count)
    disk[510:512] = b"\x55\xaa"
    return disk


def put_ebr(disk, sector, entries):
    """An extended boot record at `sector`; entries as in `mbr`, relative as written."""
    for number, (kind, first, count) in enumerate(entries):
        at = sector * 512 + 446 + 16 * number
        struct.pack_into("<BBBBBBBBII", disk, at, 0, 0, 0, 0, kind, 0, 0, 0, first, count)
    disk[sector * 512 + 510 : sector * 512 + 512] = b"\x55\xaa"


BASIC = "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7"


def gpt(parts, sectors, sector=512):
    """A medium with a GPT and its backup: parts of (type GUID, first, last, name)."""
    disk = bytearray(sectors * sector)
    struct.pack_into("<BBBBBBBBII", disk, 446, 0, 0, 2, 0, 0xEE, 0xFF, 0xFF, 0xFF, 1, sectors - 1)
    disk[510:512] = b"\x55\xaa"
    table = bytearray(128 * 128)
    for number, part in enumerate(parts):
        if part is None:
            continue
        kind, first, last, name = part
        entry = uuid.UUID(kind).bytes_le + uuid.uuid5(uuid.NAMESPACE_DNS, name).bytes_le
        entry += struct.pack("<QQQ", first, last, 0) + name.encode("utf-16-le").ljust(72, b"\0")
        table[number * 128 : number * 128 + 128] = entry
    table_sectors = len(table) // sector
    for here, other, at in ((1, sectors - 1, 2), (sectors - 1, 1, sectors - 1 - table_sectors)):
        head = b"EFI PART" + struct.pack("<IIII", 0x10000, 92, 0, 0)
        head += struct.pack("<QQQQ", here, other, 2 + table_sectors, sectors - 2 - table_sectors)
        head += bytes(16) + struct.pack("<QIII", at, 128, 128, zlib.crc32(table))
        head = head[:16] + struct.pack("<I", zlib.crc32(head)) + head[20:]
        disk[here * sector : here * sector + len(head)] = head
        disk[at * sector : at * sector + len(table)] = table
    return disk


def exfat(path, listing, deleted=(), size_mib=8):
    """An exFAT volume with files in its root folder, written entry by entry; times 2024-05-06 07:08:10.25 +09:00."""
    with path.open("wb") as file:
        file.truncate(size_mib << 20)
    run("mkfs.exfat", "-c", "4096", "-L", "EXLABEL", path)
    disk = bytearray(path.read_bytes())
    heap = struct.unpack_from("<I", disk, 88)[0] * 512
    fat_at = struct.unpack_from("<I", disk, 80)[0] * 512
    root = struct.unpack_from("<I", disk, 96)[0]

    def cluster(number):
        return heap + (number - 2) * 4096

    bitmap = next(
        struct.unpack_from("<I", disk, cluster(root) + at + 20)[0]
        for at in range(0, 4096, 32)
        if disk[cluster(root) + at] == 0x81
    )
    at = cluster(root) + next(at for at in range(0, 4096, 32) if disk[cluster(root) + at] == 0)
    following = root + 10
    for name, data in listing.items():
        clusters = -(-len(data) // 4096)
        stamp = (44 << 25 | 5 << 21 | 6 << 16) | (7 << 11 | 8 << 5 | 5)
        encoded = name.lstrip("/").encode("utf-16-le")
        parts = [encoded[one : one + 30] for one in range(0, len(encoded), 30)]
        zone = 0x80 | 36
        entry = bytearray(32)
        entry[0], entry[1] = 0x85, 1 + len(parts)
        struct.pack_into("<H", entry, 4, 0x20)
        struct.pack_into("<III", entry, 8, stamp, stamp, stamp)
        entry[20:25] = bytes([25, 25, zone, zone, zone])
        stream = bytearray(32)
        stream[0], stream[1], stream[3] = 0xC0, 3, len(encoded) // 2
        struct.pack_into("<Q", stream, 8, len(data))
        struct.pack_into("<IQ", stream, 20, following if data else 0, len(data))
        entries = bytes(entry) + bytes(stream)
        entries += b"".join(b"\xc1\0" + part.ljust(30, b"\0") for part in parts)
        checksum = 0
        for index, byte in enumerate(entries):
            if index not in (2, 3):
                checksum = ((checksum << 15 | checksum >> 1) + byte) & 0xFFFF
        entries = bytearray(entries)
        struct.pack_into("<H", entries, 2, checksum)
        if name in deleted:
            for one in range(0, len(entries), 32):
                entries[one] &= 0x7F
        disk[at : at + len(entries)] = entries
        at += len(entries)
        disk[cluster(following) : cluster(following) + len(data)] = data
        for one in range(following, following + clusters):
            if name not in deleted:
                disk[cluster(bitmap) + (one - 2) // 8] |= 1 << (one - 2) % 8
        following += clusters
    del fat_at
    path.write_bytes(disk)
    return path


HFS_PLUS = Path(__file__).resolve().parents[1] / "data" / "preserve" / "hfsplus.E01"
"""From dfvfs (Apache-2.0), test_data/hfsplus.raw, as E01: see tests/data/preserve/README.md."""
