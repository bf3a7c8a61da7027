"""Disk images with file systems, made without root where the tools allow it: NTFS, FAT32 and ext4 in MBR or GPT.

A disk is described by `Plan` (files in, deletions, what the tables look like) and built by the tools of each file
system: mkntfs and ntfs-3g (through FUSE), mkfs.fat and mtools, mke2fs and debugfs. What no tool can write (slack, free
clusters, gaps between partitions, `$LogFile`) is written afterwards into the finished image, which is ours.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import tempfile
import time
import uuid
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SECTOR = 512
MIB = 1 << 20
WHEN = 1736469000
"""2025-01-10 09:30 JST: the time of every file, in seconds since 1970 UTC."""
TOOLS = {
    "ntfs": ("mkntfs", "ntfs-3g", "fusermount3"),
    "fat32": ("mkfs.fat", "mcopy", "mmd", "mdel"),
    "ext4": ("mke2fs", "debugfs", "dumpe2fs"),
}
Kind = Literal["ntfs", "fat32", "ext4"]
How = Literal["plain", "compressed", "sparse", "fragmented", "deleted", "deleted_folder", "overwritten"]
"""plain; compressed: by NTFS (LZNT1); sparse: with a hole before the content; fragmented: one cluster at a time between
those of another file; deleted: through the file system; deleted_folder: together with its folder; overwritten: deleted
and its MFT record used again, so that only unallocated clusters hold it (NTFS)."""


def program(name: str) -> str | None:
    """Path of a program, also in the folders that Debian keeps off the path of users."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def missing_tools(kind: Kind) -> list[str]:
    """The programs that are needed for `kind` and not installed."""
    return [name for name in TOOLS[kind] if program(name) is None]


def run(*command: str, check: bool = True, data: bytes | None = None) -> str:
    """Run a program of the system; its output, or `RuntimeError` with what it said."""
    environment = dict(
        os.environ, LC_ALL="C.UTF-8", PATH=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin", TZ="Asia/Tokyo"
    )
    done = subprocess.run(command, input=data, capture_output=True, check=False, env=environment)
    if check and done.returncode != 0:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise RuntimeError(f"{command[0]} failed ({done.returncode}): {said}")
    return done.stdout.decode(errors="replace")


@dataclass(slots=True)
class DiskFile:
    """One file to put into a file system. `path` starts with `/`; on NTFS `name:stream` is an alternate data stream."""

    path: str
    data: bytes = field(repr=False)
    how: How = "plain"
    raw_name: bytes | None = None
    """Name in bytes where it is not UTF-8 (ext4 only); replaces the last part of `path`."""


@dataclass(frozen=True, slots=True)
class Partition:
    """A finished file system: the file that holds it, and where it goes on the disk, in bytes."""

    kind: Kind
    image: Path
    offset: int
    size: int


# --- NTFS -------------------------------------------------------------------------------------------------------------


@contextmanager
def _ntfs_mounted(image: Path) -> Iterator[Path]:
    """The file system in `image`, mounted through FUSE; no loop device and no root."""
    folder = Path(tempfile.mkdtemp(prefix="corpus-"))
    run(
        "ntfs-3g",
        str(image),
        str(folder),
        "-o",
        "streams_interface=windows,compression,noatime,silent,big_writes",
    )
    try:
        yield folder
    finally:
        for _ in range(50):
            if subprocess.run(["fusermount3", "-u", str(folder)], capture_output=True, check=False).returncode == 0:
                break
            time.sleep(0.1)
        # ntfs-3g goes on for a moment after the unmount; the image is complete only when it has let go of it.
        for _ in range(100):
            if not _is_open(image):
                break
            time.sleep(0.05)
        folder.rmdir()


def _is_open(image: Path) -> bool:
    """Whether a process of ours still has `image` open (Linux: /proc)."""
    wanted = str(image.resolve())
    for entry in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(entry.readlink()) == wanted:
                return True
        except OSError:
            continue
    return False


def _set_ntfs_times(path: Path, seconds: int) -> None:
    """Creation, modification, access and change time of one file, all the same."""
    value = (seconds + 11_644_473_600) * 10_000_000
    os.setxattr(path, "system.ntfs_times_be", struct.pack(">4Q", value, value, value, value))


def _write_ntfs(root: Path, file: DiskFile) -> None:
    target = root / file.path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    if file.how == "compressed":
        # New files inherit the attribute of their folder: 0x800 = FILE_ATTRIBUTE_COMPRESSED.
        os.setxattr(target.parent, "system.ntfs_attrib_be", struct.pack(">I", 0x810))
    if file.how == "sparse":
        with target.open("wb") as stream:
            stream.truncate(256 * 1024)
            stream.seek(192 * 1024)
            stream.write(file.data)
        return
    if file.how == "fragmented":
        other = target.with_name("~" + target.name + ".tmp")
        with target.open("wb", buffering=0) as one, other.open("wb", buffering=0) as two:
            for start in range(0, len(file.data), 4096):
                one.write(file.data[start : start + 4096])
                os.fsync(one.fileno())
                two.write(b"\0" * 4096)
                os.fsync(two.fileno())
        return
    with target.open("wb") as stream:
        stream.write(file.data)


def make_ntfs(image: Path, size: int, files: Sequence[DiskFile], *, serial: int, label: str, start_sector: int) -> None:
    """Make an NTFS of `size` bytes in the file `image` and put `files` into it."""
    with image.open("wb") as stream:
        stream.truncate(size)
    run(
        "mkntfs",
        "-F",
        "-Q",
        "-q",
        "-c",
        "4096",
        "-s",
        "512",
        "-p",
        str(start_sector),
        "-H",
        "255",
        "-S",
        "63",
        "-L",
        label,
        str(image),
    )
    patch_ntfs_serial(image, serial)
    overwritten = [file for file in files if file.how == "overwritten"]
    with _ntfs_mounted(image) as root:
        # The files to be overwritten come last: nothing that is written after them may take their clusters.
        for file in sorted(files, key=lambda each: each.how == "overwritten"):
            _write_ntfs(root, file)
    if overwritten:
        with _ntfs_mounted(image) as root:
            for file in overwritten:
                (root / file.path.lstrip("/")).unlink()
    with _ntfs_mounted(image) as root:
        for number, file in enumerate(overwritten):
            # Small enough to stay in its record, which is the one the deleted file had: the lowest free one.
            target = root / Path(file.path.lstrip("/")).with_name(f"memo{number}.txt")
            target.write_bytes(b"ok\r\n")
        for folder, _, names in os.walk(root):
            for name in names:
                _set_ntfs_times(Path(folder) / name, WHEN)
            _set_ntfs_times(Path(folder), WHEN)
    with _ntfs_mounted(image) as root:
        for file in files:
            target = root / file.path.lstrip("/")
            if file.how in ("deleted", "deleted_folder"):
                target.unlink()
            if file.how == "fragmented":
                target.with_name("~" + target.name + ".tmp").unlink()
        for folder in sorted({file.path.rpartition("/")[0] for file in files if file.how == "deleted_folder"}):
            (root / folder.lstrip("/")).rmdir()


def patch_ntfs_serial(image: Path, serial: int) -> None:
    """Set the volume serial number in the boot sector and in its copy in the last sector."""
    size = image.stat().st_size
    with image.open("r+b") as stream:
        for sector in (0, size - SECTOR):
            stream.seek(sector)
            if stream.read(11)[3:7] == b"NTFS":
                stream.seek(sector + 0x48)
                stream.write(struct.pack("<Q", serial))


# --- FAT32 ------------------------------------------------------------------------------------------------------------


def make_fat32(image: Path, size: int, files: Sequence[DiskFile], *, serial: int, label: str) -> None:
    """Make a FAT32 of `size` bytes (at least 34 MiB with 512-byte clusters) and put `files` into it."""
    with image.open("wb") as stream:
        stream.truncate(size)
    clusters = "1" if size < 260 * MIB else "8"
    run(
        "mkfs.fat",
        "-F",
        "32",
        "-s",
        clusters,
        "-i",
        f"{serial & 0xFFFFFFFF:08x}",
        "--invariant",
        "-n",
        label,
        str(image),
    )
    with tempfile.TemporaryDirectory(prefix="corpus-") as work:
        settings = Path(work) / "mtoolsrc"
        settings.write_text("mtools_skip_check=1\ndefault_codepage=932\n", encoding="ascii")
        os.environ["MTOOLSRC"] = str(settings)
        tree = Path(work) / "tree"
        for file in files:
            target = tree / file.path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.data)
        for folder, _, names in os.walk(tree):
            for name in names:
                os.utime(Path(folder) / name, (WHEN, WHEN))
            os.utime(folder, (WHEN, WHEN))
        top = sorted(str(entry) for entry in tree.iterdir())
        run("mcopy", "-s", "-m", "-Q", "-i", str(image), *top, "::/")
        for file in files:
            if file.how in ("deleted", "deleted_folder"):
                run("mdel", "-i", str(image), "::" + file.path)
        for folder in sorted({file.path.rpartition("/")[0] for file in files if file.how == "deleted_folder"}):
            run("mrd", "-i", str(image), "::" + folder)


# --- ext4 -------------------------------------------------------------------------------------------------------------


def make_ext4(image: Path, size: int, files: Sequence[DiskFile], *, serial: int, label: str) -> None:
    """Make an ext4 of `size` bytes and put `files` into it; names may be any bytes."""
    identity = str(uuid.UUID(int=serial << 64 | serial))
    with tempfile.TemporaryDirectory(prefix="corpus-") as work:
        tree = os.path.join(work, "tree").encode()  # noqa: PTH118 - names are bytes here
        for file in files:
            path = file.path.encode()
            if file.raw_name is not None:
                path = path.rpartition(b"/")[0] + b"/" + file.raw_name
            target = tree + path
            os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120
            with open(target, "wb") as stream:  # noqa: PTH123
                if file.how == "sparse":
                    stream.truncate(256 * 1024)
                    stream.seek(192 * 1024)
                stream.write(file.data)
        for folder, _, names in os.walk(tree):
            for name in names:
                os.utime(os.path.join(folder, name), (WHEN, WHEN))  # noqa: PTH118
            os.utime(folder, (WHEN, WHEN))
        run(
            "mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-L", label, "-U", identity, "-O", "^has_journal",
            "-E", f"hash_seed={identity},lazy_itable_init=0,root_owner=0:0", "-d", os.fsdecode(tree), str(image),
            f"{size // 1024}k",
        )  # fmt: skip
    commands = [f'rm "{file.path}"' for file in files if file.how in ("deleted", "deleted_folder")]
    commands += [
        f'rmdir "{folder}"'
        for folder in sorted({file.path.rpartition("/")[0] for file in files if file.how == "deleted_folder"})
    ]
    if commands:
        run("debugfs", "-w", "-f", "-", str(image), data="\n".join(commands).encode() + b"\n")


# --- Partition tables -------------------------------------------------------------------------------------------------

_MBR_TYPES = {"ntfs": 0x07, "fat32": 0x0C, "ext4": 0x83}
_GPT_TYPES = {
    "ntfs": "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7",
    "fat32": "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7",
    "ext4": "0fc63daf-8483-4772-8e79-3d69d8477de4",
}


def assemble(
    disk: Path, size: int, partitions: Sequence[Partition], *, scheme: Literal["mbr", "gpt"], serial: int
) -> None:
    """Write the disk image: the table and each partition at its offset. Holes stay holes."""
    with disk.open("wb") as out:
        out.truncate(size)
        for partition in partitions:
            _copy_sparse(partition.image, out, partition.offset)
        if scheme == "mbr":
            table = b"".join(
                struct.pack(
                    "<B3sB3sII",
                    0,
                    b"\xfe\xff\xff",
                    _MBR_TYPES[p.kind],
                    b"\xfe\xff\xff",
                    p.offset // SECTOR,
                    p.size // SECTOR,
                )
                for p in partitions
            )
            out.seek(440)
            out.write(struct.pack("<IH", serial & 0xFFFFFFFF, 0) + table.ljust(64, b"\0") + b"\x55\xaa")
            return
        sectors = size // SECTOR
        entries = b"".join(
            uuid.UUID(_GPT_TYPES[p.kind]).bytes_le
            + uuid.UUID(int=serial << 64 | number).bytes_le
            + struct.pack("<QQQ", p.offset // SECTOR, (p.offset + p.size) // SECTOR - 1, 0)
            + "Basic data partition".encode("utf-16-le").ljust(72, b"\0")
            for number, p in enumerate(partitions, 1)
        ).ljust(128 * 128, b"\0")

        def header(own: int, other: int, table: int) -> bytes:
            fields = struct.pack(
                "<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, own, other, 34, sectors - 34,
                uuid.UUID(int=serial << 64).bytes_le, table, 128, 128, zlib.crc32(entries),
            )  # fmt: skip
            return fields[:16] + struct.pack("<I", zlib.crc32(fields)) + fields[20:]

        out.seek(446)
        protective = struct.pack("<B3sB3sII", 0, b"\0\x02\0", 0xEE, b"\xff\xff\xff", 1, min(sectors - 1, 0xFFFFFFFF))
        out.write(protective.ljust(64, b"\0") + b"\x55\xaa")
        out.seek(SECTOR)
        out.write(header(1, sectors - 1, 2).ljust(SECTOR, b"\0") + entries)
        out.seek((sectors - 33) * SECTOR)
        out.write(entries + header(sectors - 1, 1, sectors - 33).ljust(SECTOR, b"\0"))


def _copy_sparse(source: Path, out: BinaryIO, offset: int) -> None:
    """Copy the file `source` to `offset` of the open file `out`, leaving out blocks of zeros."""
    with source.open("rb") as stream:
        position = 0
        while block := stream.read(MIB):
            if block.count(0) != len(block):
                out.seek(offset + position)
                out.write(block)
            position += len(block)
