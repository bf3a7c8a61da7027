"""Signatures by which a file is known to be an image, or known to be something else.

A raw image has no signature of its own, so it is recognised by what is on it; only where nothing is, a text or an
archive is refused. An unformatted disk stays an image.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Literal

from chain_of_custody.errors import EvidenceFormatError

if TYPE_CHECKING:
    from preserve.image import Image

_SAMPLE = 1 << 16  # bytes

# What is at byte 0 of files that are no disk images. Texts about the source: the file formats' own specifications.
_OTHER_FILES: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"PK\x07\x08", "zip"),
    (b"\x1f\x8b\x08", "gzip"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "rar"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"BZh", "bzip2"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"MSCF\x00\x00\x00\x00", "cab"),
    (b"%PDF-", "pdf"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole2 (doc, xls, msg)"),
    (b"SQLite format 3\x00", "sqlite"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF8", "gif"),
    (b"ElfFile\x00", "evtx"),
    (b"regf", "registry hive"),
    (b"\x7fELF", "elf"),
)
_OTHER_IMAGES: tuple[tuple[bytes, str], ...] = (
    (b"AFF10\r\n\x00", "aff"),
    (b"ADCRYPT\x00", "ad1 (encrypted)"),
    (b"ADSEGMENTEDFILE\x00", "ad1"),
)


def container(head: bytes) -> Literal["e01", "libewf", ""]:
    """Which forensic container begins with `head`; empty for none."""
    if head[:8] == b"EVF\x09\x0d\x0a\xff\x00":
        return "e01"
    if head[:8] in (b"LVF\x09\x0d\x0a\xff\x00", b"EVF2\x0d\x0a\x81\x00", b"LEF2\x0d\x0a\x81\x00"):
        return "libewf"
    return ""


def has_boot_parameters(sector: bytes) -> bool:
    """Whether a first sector is the boot sector of a file system (NTFS, FAT, exFAT, BitLocker), not a table."""
    if sector[3:11] in (b"NTFS    ", b"EXFAT   ", b"-FVE-FS-"):
        return True
    bytes_per_sector, per_cluster, reserved, tables = struct.unpack_from("<HBHB", sector, 11)
    return (
        bytes_per_sector in (512, 1024, 2048, 4096)
        and per_cluster > 0
        and not per_cluster & (per_cluster - 1)
        and reserved > 0
        and tables in (1, 2)
        and sector[21] in (0xF0, *range(0xF8, 0x100))
    )


def _is_boot_sector(sector: bytes) -> bool:
    """A sector with the 55AA mark that holds a plausible partition table or boot parameter block."""
    if len(sector) < 512 or sector[510:512] != b"\x55\xaa":
        return False
    if has_boot_parameters(sector):
        return True
    entries = [sector[446 + 16 * one : 462 + 16 * one] for one in range(4)]
    return all(entry[0] in (0x00, 0x80) for entry in entries) and any(entry[4] for entry in entries)


def on_disk(head: bytes) -> str:
    """What the first 68 KiB of a medium say is on it: a word for it, empty for nothing known."""
    checks: tuple[tuple[int, bytes, str], ...] = (
        (512, b"EFI PART", "gpt"),
        (4096, b"EFI PART", "gpt"),
        (0x438, b"\x53\xef", "ext"),
        (0x8001, b"CD001", "iso9660"),
        (1024, b"H+\x00\x04", "hfs+"),
        (1024, b"HX\x00\x05", "hfsx"),
        (1024, b"BD", "hfs"),
        (32, b"NXSB", "apfs"),
        (0, b"LUKS\xba\xbe", "luks"),
        (0, b"XFSB", "xfs"),
        (0x10040, b"_BHRfS_M", "btrfs"),
        (3, b"ReFS\x00", "refs"),
        (512, b"LABELONE", "lvm"),
        (0xFF6, b"SWAPSPACE2", "swap"),
        (4096, b"\xfc\x4e\x2b\xa9", "mdraid"),
    )
    for offset, magic, word in checks:
        if head[offset : offset + len(magic)] == magic:
            return word
    if head[:2] == b"ER" and head[512:514] == b"PM":
        return "apm"
    return "boot sector" if _is_boot_sector(head[:512]) else ""


def _is_text(sample: bytes) -> bool:
    """Whether a sample is mostly text: no NUL and hardly a control character, or UTF-16 with its mark."""
    if len(set(sample)) < 4:  # one byte over and over is a blank medium, not a text
        return False
    if sample[:2] in (b"\xff\xfe", b"\xfe\xff"):
        decoded = sample[: len(sample) & ~1].decode("utf-16", "replace")
        odd = sum((character < " " and character not in "\t\r\n\f") or character == "�" for character in decoded)
        return odd * 50 <= len(decoded)
    if b"\0" in sample:
        return False
    controls = len(sample) - len(sample.translate(None, bytes({*range(32), 127} - {9, 10, 12, 13, 27})))
    high = len(sample) - len(sample.translate(None, bytes(range(128, 256))))
    if controls * 100 > len(sample):
        return False
    if high * 10 <= len(sample):
        return True
    for encoding in ("utf-8", "cp932", "euc_jp"):
        decoded = sample.decode(encoding, "replace")
        odd = sum(character == "�" or "\ue000" <= character <= "\uf8ff" for character in decoded)
        if odd * 50 <= len(decoded):
            return True
    return False


def refuse_what_is_no_image(image: Image, name: str) -> None:
    """Raise EvidenceFormatError where a raw image shows nothing of a medium and is a text, an archive or the like.

    `name` is the file's name as it may be shown.
    """
    head = image.read_at(0, 0x11000)
    for magic, kind in _OTHER_IMAGES:
        if head.startswith(magic):
            raise EvidenceFormatError(
                f"{name} は {kind} 形式です。この形式は直接には読めません",
                f"{name} is a {kind} file, a format that is not read directly",
                hint_ja="raw に変換して読んでください(例: qemu-img convert -O raw)。元のファイルは証拠として残します",
                hint_en="convert it to raw first (qemu-img convert -O raw) and keep the original as the evidence",
            )
    if on_disk(head):
        return
    found = next((kind for magic, kind in _OTHER_FILES if head.startswith(magic)), "")
    if not found and head[257:262] == b"ustar":
        found = "tar"
    if not found:
        places = {0, max(0, image.size // 2 - _SAMPLE), max(0, image.size - _SAMPLE)}
        if all(_is_text(image.read_at(place, _SAMPLE)) for place in places):
            found = "text"
    if not found:
        return
    raise EvidenceFormatError(
        f"{name} はディスクのイメージではありません({found})",
        f"{name} is not a disk image ({found})",
        hint_ja="イメージ(E01、raw)を指定してください",
        hint_en="name an image (E01, raw)",
    )
