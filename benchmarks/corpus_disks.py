"""Disk images with file systems, made without root where the tools allow it: NTFS, FAT32 and ext4 in MBR or GPT.

A disk is described by `Plan` (files in, deletions, what the tables look like) and built by the tools of each file
system: mkntfs and ntfs-3g (through FUSE), mkfs.fat and mtools, mke2fs and debugfs. What no tool can write (slack, free
clusters, gaps between partitions, `$LogFile`) is written afterwards into the finished image, which is ours.
"""

from __future__ import annotations

import mmap
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
    from collections.abc import Callable, Iterator, Mapping, Sequence

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
How = Literal["plain", "fixup", "compressed", "sparse", "fragmented", "deleted", "deleted_folder", "overwritten", "wof"]
"""plain; compressed: by NTFS (LZNT1); wof: by CompactOS, behind a reparse point (XPRESS4K);
sparse: with a hole before the content; fragmented: no cluster beside the next;
deleted: through the file system; deleted_folder: together with its folder; overwritten: deleted and its MFT record used
again, so that only unallocated clusters hold it (NTFS); fixup: resident, with its end around bytes 510-511 of its MFT
record, where NTFS keeps a sequence number instead of the content."""


def program(name: str) -> str | None:
    """Path of a program, also in the folders that Debian keeps off the path of users."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def missing_tools(kind: Kind) -> list[str]:
    """The programs that are needed for `kind` and not installed."""
    return [name for name in TOOLS[kind] if program(name) is None]


def run(*command: str, check: bool = True, data: bytes | None = None, extra: dict[str, str] | None = None) -> str:
    """Run a program of the system; its output, or `RuntimeError` with what it said."""
    environment = dict(
        os.environ, LC_ALL="C.UTF-8", PATH=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin", TZ="Asia/Tokyo"
    )
    environment.update({"E2FSPROGS_FAKE_TIME": str(WHEN)} | (extra or {}))
    done = subprocess.run(command, input=data or b"", capture_output=True, check=False, env=environment, timeout=3600)
    if check and done.returncode != 0:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise RuntimeError(f"{command[0]} failed ({done.returncode}): {said}")
    return done.stdout.decode(errors="replace")


@dataclass(slots=True)
class DiskFile:
    """One file to put into a file system. `path` starts with `/`; on NTFS `name:stream` is an alternate data stream."""

    path: str
    data: bytes | Callable[[], bytes] = field(repr=False)
    """The content, or what makes it: filler is read when it is written."""
    how: How = "plain"
    raw_name: bytes | None = None
    """Name in bytes where it is not UTF-8 (ext4 only); replaces the last part of `path`."""

    def content(self) -> bytes:
        """The content."""
        return self.data if isinstance(self.data, bytes) else self.data()


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
    options = "streams_interface=windows,compression,noatime,silent,big_writes,no_detach"
    command = [program("ntfs-3g") or "ntfs-3g", str(image), str(folder), "-o", options]
    # In the foreground: the image is complete only when ntfs-3g has ended, a moment after the unmount.
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        while not folder.is_mount():
            if server.poll() is not None:
                said = server.stderr.read().decode(errors="replace") if server.stderr else ""
                raise RuntimeError(f"ntfs-3g failed ({server.returncode}): {said.strip()}")
            time.sleep(0.01)
        yield folder
    finally:
        unmount = [program("fusermount3") or "fusermount3", "-u", str(folder)]
        # Busy for a moment where an indexer looks into new mounts.
        for _ in range(100):
            if server.poll() is not None or subprocess.run(unmount, capture_output=True, check=False).returncode == 0:
                break
            time.sleep(0.05)
        server.communicate(timeout=600)
        folder.rmdir()


def _write_fragmented(target: Path, data: bytes) -> None:
    """Write the last cluster first and so on: each is allocated behind the one that follows it in the file."""
    with target.open("wb", buffering=0) as stream:
        # Nothing but a hole at first: clusters come one by one, where they are written.
        stream.truncate(len(data))
        for start in reversed(range(0, len(data), 4096)):
            stream.seek(start)
            stream.write(data[start : start + 4096])
            os.fsync(stream.fileno())


FIXUP_SIZE = 480
"""Size in bytes of a resident file that reaches over bytes 510-511 of its MFT record."""


def _fixup_marker(file: DiskFile) -> bytes:
    return f"{zlib.crc32(file.path.encode()):08X}".encode() * (FIXUP_SIZE // 8)


def _write_fixups(image: Path, files: Sequence[DiskFile]) -> None:
    """Write the resident files whose end, the digits, lies around byte 510 of their MFT record."""
    starts = {}
    with image.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        for file in files:
            # The marker may also lie in a directory or a journal: in a record it starts behind a resident attribute.
            start = starts[file.path] = whole.find(_fixup_marker(file)[:64])
            if start < 0 or whole[start & ~1023 : (start & ~1023) + 4] != b"FILE":
                raise RuntimeError(f"no MFT record holds {file.path}")
    with _ntfs_mounted(image) as root:
        for file in files:
            start = starts[file.path]
            text = file.content()
            end = 510 - start % 1024 + 6
            if end < len(text):
                raise RuntimeError(f"content of {file.path} starts too late in its MFT record")
            data = b" " * (end - len(text)) + text + b" " * (FIXUP_SIZE - end)
            with (root / file.path.lstrip("/")).open("r+b") as stream:
                stream.write(data)


def _set_ntfs_times(path: Path, seconds: int) -> None:
    """Creation, modification, access and change time of one file, all the same."""
    value = (seconds + 11_644_473_600) * 10_000_000
    os.setxattr(path, "system.ntfs_times_be", struct.pack(">4Q", value, value, value, value))


def _write_wof(target: Path, data: bytes) -> None:
    """A file as CompactOS keeps it: a hole, the chunks in a stream, and the reparse point that joins them."""
    from tests.xpress_encoder import huffman  # noqa: PLC0415 - the tests' own writer

    chunks = [data[at : at + 4096] for at in range(0, len(data), 4096)]
    packed = [min(huffman(chunk), chunk, key=len) for chunk in chunks]
    ends, total = [], 0
    for chunk in packed:
        total += len(chunk)
        ends.append(total)
    target.touch()
    os.truncate(target, len(data))
    stream = target.with_name(f"{target.name}:WofCompressedData")
    stream.write_bytes(struct.pack(f"<{len(ends) - 1}I", *ends[:-1]) + b"".join(packed))
    os.setxattr(target, "system.ntfs_reparse_data", struct.pack("<IHH4I", 0x80000017, 16, 0, 1, 2, 1, 0))


def _write_ntfs(root: Path, file: DiskFile) -> None:
    target = root / file.path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    data = file.content()
    if file.how == "fixup":
        # The place within the record is known only once the file is there: a marker of the same length first.
        data = _fixup_marker(file)
    if file.how == "compressed":
        # New files inherit the attribute of their folder: 0x800 = FILE_ATTRIBUTE_COMPRESSED.
        os.setxattr(target.parent, "system.ntfs_attrib_be", struct.pack(">I", 0x810))
    if file.how == "sparse":
        with target.open("wb") as stream:
            stream.truncate(256 * 1024)
            stream.seek(192 * 1024)
            stream.write(data)
        return
    if file.how == "fragmented":
        _write_fragmented(target, data)
        return
    if file.how == "wof":
        _write_wof(target, data)
        return
    with target.open("wb") as stream:
        stream.write(data)


def make_ntfs(
    image: Path,
    size: int,
    files: Sequence[DiskFile],
    *,
    serial: int,
    label: str,
    start_sector: int,
    times: Mapping[str, int] | None = None,
    stage: Callable[[str], None] = lambda _name: None,
) -> None:
    """Make an NTFS of `size` bytes in the file `image` and put `files` into it.

    `times`: seconds since 1970 by path, for all four times of a file (default `WHEN`). `stage` is called before the
    stages "format", "fill" and "delete": whoever wants metadata of a certain time sets the clock of the tools there.
    """
    times = times or {}
    stage("format")
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
    stage("fill")
    overwritten = [file for file in files if file.how == "overwritten"]
    with _ntfs_mounted(image) as root:
        # The files to be overwritten come last: nothing that is written after them may take their clusters.
        for file in sorted(files, key=lambda each: each.how == "overwritten"):
            _write_ntfs(root, file)
    if overwritten:
        with _ntfs_mounted(image) as root:
            for file in overwritten:
                (root / file.path.lstrip("/")).unlink()
    compact = {file.path for file in files if file.how == "wof"}
    fixups = [file for file in files if file.how == "fixup"]
    if fixups:
        _write_fixups(image, fixups)
    with _ntfs_mounted(image) as root:
        for number, file in enumerate(overwritten):
            # Small enough to stay in its record, which is the one the deleted file had: the lowest free one.
            target = root / Path(file.path.lstrip("/")).with_name(f"memo{number}.txt")
            target.write_bytes(b"ok\r\n")
        for folder, _, names in os.walk(root):
            for path in (*(Path(folder) / name for name in names), Path(folder)):
                if f"/{path.relative_to(root)}" in compact:
                    continue  # ntfs-3g does not follow such a reparse point
                _set_ntfs_times(path, times.get(f"/{path.relative_to(root)}", WHEN))
    stage("delete")
    with _ntfs_mounted(image) as root:
        for file in files:
            target = root / file.path.lstrip("/")
            if file.how in ("deleted", "deleted_folder"):
                target.unlink()
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
        # Not default_codepage=932: mtools 4.0.32 then never ends where two short names in CP932 collide.
        settings.write_text("mtools_skip_check=1\n", encoding="ascii")
        extra = {"MTOOLSRC": str(settings)}
        tree = Path(work) / "tree"
        for file in files:
            target = tree / file.path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.content())
        for folder, _, names in os.walk(tree):
            for name in names:
                os.utime(Path(folder) / name, (WHEN, WHEN))
            os.utime(folder, (WHEN, WHEN))
        top = sorted(str(entry) for entry in tree.iterdir())
        run("mcopy", "-s", "-m", "-Q", "-i", str(image), *top, "::/", extra=extra)
        for file in files:
            if file.how in ("deleted", "deleted_folder"):
                run("mdel", "-i", str(image), "::" + file.path, extra=extra)
        for folder in sorted({file.path.rpartition("/")[0] for file in files if file.how == "deleted_folder"}):
            run("mrd", "-i", str(image), "::" + folder, extra=extra)


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
                stream.write(file.content())
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


# --- What is free in a finished file system ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Extent:
    """A piece of a partition: offset and size in bytes, counted from its start."""

    offset: int
    size: int


def free_extents(kind: Kind, image: Path) -> list[Extent]:
    """The free clusters of the file system in `image`, joined to extents."""
    if kind == "ext4":
        return _ext4_free(image)
    if kind == "fat32":
        return _fat32_free(image)
    import pytsk3  # noqa: PLC0415 - only NTFS needs it

    bitmap = pytsk3.FS_Info(pytsk3.Img_Info(str(image))).open_meta(6)
    bits = bitmap.read_random(0, bitmap.info.meta.size)
    clusters = image.stat().st_size // 4096
    return _joined([number for number in range(clusters) if not bits[number >> 3] >> (number & 7) & 1], 4096)


def _joined(free: Sequence[int], cluster_size: int, first: int = 0) -> list[Extent]:
    """Neighbouring clusters joined; cluster 0 lies at byte `first`."""
    extents: list[Extent] = []
    start = previous = -2
    for number in [*free, -9]:
        if number != previous + 1:
            if start >= 0:
                extents.append(Extent(first + start * cluster_size, (previous - start + 1) * cluster_size))
            start = number
        previous = number
    return extents


def _ext4_free(image: Path) -> list[Extent]:
    text = run("dumpe2fs", str(image))
    extents = []
    for line in text.splitlines():
        if line.startswith("  Free blocks: "):
            for part in line[15:].replace(" ", "").split(","):
                first, _, last = part.partition("-")
                if first:
                    extents.append(Extent(int(first) * 4096, (int(last or first) - int(first) + 1) * 4096))
    return extents


def _fat32_free(image: Path) -> list[Extent]:
    with image.open("rb") as stream:
        boot = stream.read(SECTOR)
        cluster_size = boot[13] * SECTOR
        reserved, fats = struct.unpack_from("<HB", boot, 14)
        sectors, fat_sectors = struct.unpack_from("<II", boot, 32)
        data = (reserved + fats * fat_sectors) * SECTOR
        count = (sectors * SECTOR - data) // cluster_size
        stream.seek(reserved * SECTOR)
        table = struct.unpack(f"<{count + 2}I", stream.read(4 * (count + 2)))
    free = [number for number in range(count) if table[number + 2] & 0x0FFFFFFF == 0]
    return _joined(free, cluster_size, data)


def slack_of(image: Path, path: str) -> Extent | None:
    """The bytes between the end of the file `path` and the end of its last cluster, where it has any."""
    import pytsk3  # noqa: PLC0415 - the independent reader that knows all three

    filesystem = pytsk3.FS_Info(pytsk3.Img_Info(str(image)))
    opened = filesystem.open(path)
    size, block = opened.info.meta.size, filesystem.info.block_size
    if size == 0 or size % block == 0:
        return None
    for attribute in opened:
        if attribute.info.flags & pytsk3.TSK_FS_ATTR_RES:
            continue
        for part in attribute:
            if part.offset <= size // block < part.offset + part.len and part.addr:
                end = (part.addr + size // block - part.offset) * block + size % block
                return Extent(end, block - size % block)
    return None


def log_file_extent(image: Path) -> Extent:
    """The second half of the content of NTFS' `$LogFile`."""
    import pytsk3  # noqa: PLC0415

    filesystem = pytsk3.FS_Info(pytsk3.Img_Info(str(image)))
    part = next(iter(next(a for a in filesystem.open_meta(2) if a.info.type == pytsk3.TSK_FS_ATTR_TYPE_NTFS_DATA)))
    return Extent((part.addr + part.len // 2) * 4096, part.len // 2 * 4096)


def mft_slack(image: Path) -> list[Extent]:
    """Unused ends of MFT records in use, each within one sector and clear of its last two bytes."""
    import pytsk3  # noqa: PLC0415

    filesystem = pytsk3.FS_Info(pytsk3.Img_Info(str(image)))
    extents = []
    with image.open("rb") as stream:
        for attribute in filesystem.open_meta(0):
            if attribute.info.type != pytsk3.TSK_FS_ATTR_TYPE_NTFS_DATA:
                continue
            for part in attribute:
                stream.seek(part.addr * 4096)
                records = stream.read(part.len * 4096)
                for start in range(0, len(records), 1024):
                    used = struct.unpack_from("<I", records, start + 0x18)[0]
                    if records[start : start + 4] == b"FILE" and records[start + 0x16] & 1 and used <= 560:
                        extents.append(Extent(part.addr * 4096 + start + 600, 400))
    # The first records belong to the file system itself.
    return extents[40:]
