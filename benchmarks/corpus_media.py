"""Places inside other media: images of disks in files, and files of which only the clusters are left.

The images are made byte by byte, so that they depend on the seed alone: a FAT12 floppy with one file, raw, in a VHD or
in a compressed qcow2.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING, Literal

from corpus_places import Planter, RawPiece, Truth, roster

if TYPE_CHECKING:
    from collections.abc import Callable

Form = Literal["raw", "vhd", "qcow2"]
NAME = "ROSTER.CSV"


def floppy(content: bytes) -> bytes:
    """A FAT12 floppy of 1.44 MB with the file ROSTER.CSV."""
    disk = bytearray(2880 * 512)
    disk[:3] = b"\xeb\x3c\x90"
    disk[3:11] = b"MSDOS5.0"
    struct.pack_into("<HBHBHHBHHHII", disk, 11, 512, 1, 1, 2, 224, 2880, 0xF0, 9, 18, 2, 0, 0)
    struct.pack_into("<BBBI11s8s", disk, 36, 0, 0, 0x29, 0x12345678, b"NO NAME    ", b"FAT12   ")
    disk[510:512] = b"\x55\xaa"
    clusters = -(-len(content) // 512)
    table = bytearray(9 * 512)

    def put(cluster: int, value: int) -> None:
        at = cluster * 3 // 2
        both = int.from_bytes(table[at : at + 2], "little")
        both = (both & 0x000F) | value << 4 if cluster & 1 else (both & 0xF000) | value
        table[at : at + 2] = both.to_bytes(2, "little")

    put(0, 0xFF0)
    put(1, 0xFFF)
    for cluster in range(2, 2 + clusters):
        put(cluster, 0xFFF if cluster == 1 + clusters else cluster + 1)
    disk[512 : 512 + len(table)] = table
    disk[10 * 512 : 10 * 512 + len(table)] = table
    entry = struct.pack("<11sBBBHHHHHHHI", b"ROSTER  CSV", 0x20, 0, 0, 0, 0x5821, 0x5821, 0, 0, 0x5821, 2, len(content))
    disk[19 * 512 : 19 * 512 + 32] = entry
    start = (19 + 14) * 512
    disk[start : start + len(content)] = content
    return bytes(disk)


def in_vhd(disk: bytes) -> bytes:
    """A fixed VHD: the disk and a footer."""
    footer = struct.pack(">8sIIQI4sI4sQQI", b"conectix", 2, 0x10000, (1 << 64) - 1, 0, b"hozn", 1, b"Wi2k", len(disk),
                         len(disk), 0x00120250)  # fmt: skip
    footer = (footer + struct.pack(">I", 2)).ljust(68, b"\0") + bytes(range(16))
    footer = footer.ljust(512, b"\0")
    checksum = ~sum(footer) & 0xFFFFFFFF
    return disk + footer[:64] + struct.pack(">I", checksum) + footer[68:]


def in_qcow2(disk: bytes) -> bytes:
    """A qcow2 of version 2 in which every cluster that is not blank is deflated."""
    cluster = 65536
    clusters = [disk[at : at + cluster].ljust(cluster, b"\0") for at in range(0, len(disk), cluster)]
    table, data, at = [], bytearray(), 5 * cluster
    for one in clusters:
        if not any(one):
            table.append(0)
            continue
        packer = zlib.compressobj(9, zlib.DEFLATED, -12)
        packed = packer.compress(one) + packer.flush()
        sectors = (at % 512 + len(packed) - 1) // 512
        table.append(1 << 62 | sectors << 54 | at)
        data += packed
        at += len(packed)
    head = b"QFI\xfb" + struct.pack(">IQIIQIIQQIIQ", 2, 0, 0, 16, len(disk), 0, 1, cluster, 3 * cluster, 1, 0, 0)
    parts = (head, struct.pack(">Q", 1 << 63 | 2 * cluster), struct.pack(f">{len(table)}Q", *table))
    body = b"".join(part.ljust(cluster, b"\0") for part in parts)
    total = -(-(5 * cluster + len(data)) // cluster)
    body += struct.pack(">Q", 4 * cluster).ljust(cluster, b"\0")
    body += struct.pack(f">{total}H", *([1] * total)).ljust(cluster, b"\0")
    return body + bytes(data).ljust(-(-len(data) // 512) * 512, b"\0")


def image_in_file(form: Form) -> Callable[[Planter], None]:
    """An image of a floppy with a roster on it."""

    def make(planter: Planter) -> None:
        content, planted = roster(planter)
        disk = floppy(content)
        data = {"raw": lambda: disk, "vhd": lambda: in_vhd(disk), "qcow2": lambda: in_qcow2(disk)}[form]()
        planter.put("backup", {"raw": "img", "vhd": "vhd", "qcow2": "qcow2"}[form], data)
        for digits in planted:
            planter.note(digits, f"/{NAME}", encoding="cp932")

    return make


def lost_zip(planter: Planter) -> None:
    """The clusters of a zip whose name and record are gone."""
    content, planted = roster(planter, 6)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(zipfile.ZipInfo("roster.csv", (2024, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    for number, digits in enumerate(planted):
        truth = Truth(planter.kind, digits, "", "", "carved", "12 digits", "cp932", "high")
        # The first piece carries the bytes, the others share its place.
        planter.raw.append(RawPiece("unallocated", b"" if number else stream.getvalue(), 0, truth))
