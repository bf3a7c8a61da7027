"""Disks with media inside: LUKS by QEMU and cryptsetup, LVM metadata written by hand, images in files."""

from __future__ import annotations

import struct
import subprocess
import zlib

from tests.preserve.disks import run

SECRET = "hozen test passphrase"


def luks1(path, plain):
    """A LUKS1 volume with the bytes of `plain`, made by qemu-img."""
    for milliseconds in (10, 20, 50, 200, 1000):
        # It measures how fast the machine is, and gives up where that is not to be told because others use it.
        try:
            run("qemu-img", "convert", "-f", "raw", "-O", "luks", "--object", f"secret,id=s,data={SECRET}",
                "-o", f"key-secret=s,iter-time={milliseconds}", plain, path)  # fmt: skip
        except subprocess.CalledProcessError:
            if milliseconds == 1000:
                raise
        else:
            break
    return path


def luks2(path, plain, *options):
    """A LUKS2 volume, made by cryptsetup out of `plain`, whose last 16 MiB are lost to the header."""
    key = path.with_suffix(".key")
    key.write_text(SECRET)
    path.write_bytes(plain.read_bytes())
    run("cryptsetup", "reencrypt", "--encrypt", "--type", "luks2", "--reduce-device-size", "16M", "-q",
        "--key-file", key, "--pbkdf-force-iterations", "4" if "argon2id" in options else "1000", *options, path)  # fmt: skip
    return path


def _crc(data):
    return zlib.crc32(data, 0xF597A6CF ^ 0xFFFFFFFF) ^ 0xFFFFFFFF


PV0, PV1 = "A" * 32, "B" * 32


def _hyphens(identifier):
    """LVM writes 6-4-4-4-4-4-6."""
    parts, at = [], 0
    for size in (6, 4, 4, 4, 4, 4, 6):
        parts.append(identifier[at : at + size])
        at += size
    return "-".join(parts)


VOLUME_GROUP = f"""vg0 {{
id = "g00000-0000-0000-0000-0000-0000-000000"
seqno = 3
format = "lvm2"			# informational
status = ["RESIZEABLE", "READ", "WRITE"]
extent_size = 128
max_lv = 0

physical_volumes {{
pv0 {{ id = "{_hyphens(PV0)}"
device = "/dev/sda1"
status = ["ALLOCATABLE"]
pe_start = 2048
pe_count = 200
}}
pv1 {{ id = "{_hyphens(PV1)}"
pe_start = 2048
pe_count = 200
}}
}}

logical_volumes {{
root {{ id = "l00000-0000-0000-0000-0000-0000-000000"
status = ["READ", "WRITE", "VISIBLE"]
segment_count = 2
segment1 {{ start_extent = 0
extent_count = 100
type = "striped"
stripe_count = 1	# linear
stripes = [ "pv0", 10 ]
}}
segment2 {{ start_extent = 100
extent_count = 50
type = "striped"
stripe_count = 1
stripes = [ "pv1", 0 ]
}}
}}
fast {{ id = "l00000-0000-0000-0000-0000-0000-000001"
status = ["READ", "WRITE", "VISIBLE"]
segment_count = 1
segment1 {{ start_extent = 0
extent_count = 20
type = "striped"
stripe_count = 2
stripe_size = 128
stripes = [ "pv0", 150, "pv1", 150 ]
}}
}}
thin {{ id = "l00000-0000-0000-0000-0000-0000-000002"
status = ["READ", "VISIBLE"]
segment_count = 1
segment1 {{ start_extent = 0
extent_count = 1
type = "thin"
}}
}}
hidden {{ id = "l00000-0000-0000-0000-0000-0000-000003"
status = ["READ"]
segment_count = 0
}}
}}
}}
"""
EXTENT = 128 * 512
PE_START = 2048 * 512


def physical_volume(identifier, size, text=VOLUME_GROUP):
    """A physical volume with its metadata, as pvcreate lays it out."""
    disk = bytearray(size)
    header = identifier.encode() + struct.pack("<Q", size) + struct.pack("<QQQQ", PE_START, 0, 0, 0)
    header += struct.pack("<QQQQ", 4096, PE_START - 4096, 0, 0)
    label = bytearray(512)
    label[:32] = b"LABELONE" + struct.pack("<QII", 1, 0, 32) + b"LVM2 001"
    label[32 : 32 + len(header)] = header
    label[16:20] = struct.pack("<I", _crc(bytes(label[20:])))
    disk[512:1024] = label
    raw = text.encode()
    area = struct.pack("<16sIQQ", b" LVM2 x[5A%r0N*>", 1, 4096, PE_START - 4096)
    area += struct.pack("<QQII", 512, len(raw), _crc(raw), 0)
    disk[4096 : 4100 + len(area)] = struct.pack("<I", _crc(area.ljust(508, b"\0"))) + area
    disk[4608 : 4608 + len(raw)] = raw
    return disk


def two_volumes(root, fast):
    """(bytes of physical volume 0, of 1) that hold the logical volumes `root` (150 extents) and `fast` (20)."""
    first, second = (physical_volume(one, PE_START + 200 * EXTENT) for one in (PV0, PV1))

    def put(disk, extent, data):
        disk[PE_START + extent * EXTENT : PE_START + extent * EXTENT + len(data)] = data

    put(first, 10, root[: 100 * EXTENT])
    put(second, 0, root[100 * EXTENT :])
    for turn in range(20):
        put((first, second)[turn % 2], 150 + turn // 2, fast[turn * EXTENT : (turn + 1) * EXTENT])
    return bytes(first), bytes(second)
