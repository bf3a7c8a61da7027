"""Signatures of full-volume encryption, so that an unreadable volume is called what it is.

Sources: BitLocker Drive Encryption format (libbde), LUKS on-disk format 1.2.3 and LUKS2, Core Storage (libfvde),
APFS reference (Apple), VeraCrypt has none by design.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import log2
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from preserve.image import Image


@dataclass(frozen=True, slots=True)
class Encryption:
    """Encryption seen: `kind` names it, `where` is the chain of layers, `offset` and `size` are bytes of the medium."""

    kind: str
    where: str
    offset: int
    size: int
    detail: str = ""


def _entropy(sample: bytes) -> float:
    """Shannon entropy in bits per byte."""
    total = len(sample)
    return -sum(count / total * log2(count / total) for count in Counter(sample).values())


def find_encryption(volume: Image, where: str, offset: int) -> Encryption | None:
    """Encryption by the signature at the start of a volume at byte `offset` of the medium; None where none is seen."""
    head = volume.read_at(0, 4096)
    if len(head) < 512:
        return None
    kind = detail = ""
    if head[3:11] == b"-FVE-FS-":
        kind = "BitLocker"
        if head[0x1A0:0x1B0] == bytes.fromhex("3bd66749292ed84a8399f6a339e3d001"):
            detail = "used disk space or whole volume"
    elif head[3:11] == b"MSWIN4.1" and head[0x1A8:0x1B8] == bytes.fromhex("3bd66749292ed84a8399f6a339e3d001"):
        kind = "BitLocker To Go"
    elif head[:6] == b"LUKS\xba\xbe":
        kind = f"LUKS{int.from_bytes(head[6:8], 'big')}"
        if head[7] == 1:
            detail = "-".join(head[at : at + 32].split(b"\0", 1)[0].decode("ascii", "replace") for at in (8, 40, 72))
    elif head[88:90] == b"CS" and head[0x30:0x34] != bytes(4):
        kind = "FileVault (Core Storage)"
    elif head[32:36] == b"NXSB" and int.from_bytes(head[0x108:0x110], "little") & 0x04:
        kind = "APFS (software encryption key)"
    elif head[:8] == b"SafeBoot" or head[3:11] == b"SafeBoot":
        kind = "McAfee Drive Encryption"
    elif head[3:11] == b"PGPGUARD":
        kind = "PGP Whole Disk Encryption"
    elif head[:8] == b"ENCRCDSA" or head[:8] == b"cdsaencr":
        kind = "FileVault 1 (encrypted disk image)"
    if not kind:
        return None
    return Encryption(kind, where, offset, volume.size, detail)


def looks_encrypted(volume: Image) -> bool:
    """Whether a volume without any file system is random throughout, as VeraCrypt and wiped volumes are."""
    if volume.size < 1 << 20:
        return False
    places = [volume.size * part // 9 for part in range(9)]
    samples = [volume.read_at(place, 4096) for place in places]
    return all(len(sample) == 4096 and _entropy(sample) > 7.9 for sample in samples)
