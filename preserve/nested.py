"""Images inside images: a file of a file system that is itself an image of a medium.

Recognised by content, like images on this machine: E01, the virtual disks, and raw images with a partition table, a
file system or an ISO 9660 volume on them. Segments, extents and parents are looked for in the same folder.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

from chain_of_custody.errors import EvidenceFormatError
from preserve import signatures
from preserve.derived import DerivedImage
from preserve.virtual_disk import format_of, open_disk

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from preserve.derived import Reader
    from preserve.image import Image

NestedFormat = Literal["e01", "qcow2", "vmdk", "vhd", "vhdx", "vdi", "raw"]
SMALLEST = 32 << 10
"""Bytes; less holds no file system."""
_HEAD = 0x11000
_SUFFIX = re.compile(
    r"\.(?:e\d\d|e[a-z]{2}|\d{3}|dd|raw|img|ima|bin|iso|qcow2?|vmdk|vhdx?|avhdx?|vdi|luks|hdd)$", re.IGNORECASE
)
_SEGMENT = re.compile(r"\.(?:[e-z]\d\d|[e-z][a-z]{2}|\d{3}|vmdk|a?vhdx?|qcow2?|vdi|img|raw|dd)$", re.IGNORECASE)
_FILE_SYSTEMS = frozenset({"gpt", "ext", "iso9660", "hfs+", "hfsx", "apfs", "luks", "xfs", "btrfs", "lvm", "apm"})


def looks_like_an_image(name: str) -> bool:
    """Whether a file's name is that of an image: worth a look at its content."""
    return _SUFFIX.search(name) is not None


def may_be_beside(name: str) -> bool:
    """Whether a file may be a segment, an extent or a parent of an image in the same folder."""
    return _SEGMENT.search(name) is not None


def nested_format(reader: Reader, head: bytes = b"") -> NestedFormat | None:
    """Which image a file holds, by its content; None where it is none. `head` are its first bytes, where known.

    Costs one more short read for most files. May raise EvidenceError.
    """
    size = reader.size
    if size < 512:
        return None
    head = head or reader.read_at(0, 4096)
    if head[:8] == b"EVF\x09\x0d\x0a\xff\x00":
        return "e01" if int.from_bytes(head[9:11], "little") == 1 else None
    # A footer alone is no proof: it must stand where a fixed disk has it, behind whole sectors.
    kind = format_of(head)
    if kind is not None:
        return kind
    if size < SMALLEST:
        return None
    boot = head[510:512] == b"\x55\xaa"
    blank = not any(head[:512])
    if not (boot or blank or head[:6] == b"LUKS\xba\xbe" or head[32:36] == b"NXSB" or head[:2] == b"ER"):
        return None
    if format_of(b"", reader.read_at(size - 512, 512)) is not None:
        return "vhd"
    word = signatures.on_disk(reader.read_at(0, _HEAD))
    if word in _FILE_SYSTEMS:
        return "raw"
    if word == "boot sector" and (signatures.has_boot_parameters(head[:512]) or _fits(head[:512], size)):
        return "raw"
    return None


def _fits(sector: bytes, size: int) -> bool:
    """Whether a partition of an MBR begins within a file of `size` bytes: a boot loader on its own has none."""
    for at in range(446, 510, 16):
        first, count = (
            int.from_bytes(sector[at + 8 : at + 12], "little"),
            int.from_bytes(sector[at + 12 : at + 16], "little"),
        )
        if sector[at] in (0, 0x80) and sector[at + 4] and first > 0 and count and (first + 64) * 512 < size:
            return True
    return False


class NestedRaw(DerivedImage):
    """A raw image in one file or in several pieces, one after the other."""

    def __init__(self, readers: Sequence[Reader], layer: str) -> None:
        super().__init__(sum(one.size for one in readers), layer)
        self._readers = readers

    def _read(self, offset: int, size: int) -> bytes:
        parts: list[bytes] = []
        start = 0
        for reader in self._readers:
            if start <= offset < start + reader.size and size > 0:
                part = reader.read_at(offset - start, min(size, start + reader.size - offset))
                parts.append(part)
                offset += len(part)
                size -= len(part)
                if offset < start + reader.size and size > 0:
                    break
            start += reader.size
        return b"".join(parts)


class NestedEwf(DerivedImage):
    """An E01 inside another image."""

    threads = 1

    def __init__(self, name: str, readers: Mapping[str, Reader], layer: str) -> None:
        from pathlib import Path  # noqa: PLC0415

        from preserve.ewf_reader import SIGNATURE, EwfImage  # noqa: PLC0415
        from preserve.segments import ReaderFiles  # noqa: PLC0415

        stem = PurePosixPath(name).stem.lower()
        numbers: dict[int, str] = {}
        for other, reader in readers.items():
            if other != name and PurePosixPath(other).stem.lower() != stem:
                continue
            head = reader.read_at(0, 13)
            if len(head) == 13 and head[:8] == SIGNATURE:
                numbers.setdefault(int.from_bytes(head[9:11], "little"), other)
        names = [numbers[number] for number in sorted(numbers)]
        try:
            self._image = EwfImage(
                Path(name), threads=1, files=ReaderFiles([Path(one) for one in names], [readers[one] for one in names])
            )
        except (ValueError, IndexError, OverflowError) as error:
            raise EvidenceFormatError("E01 を開けません", "the E01 cannot be opened") from error
        super().__init__(self._image.size, layer, sector_size=self._image.sector_size)

    @property
    def stored_hashes(self) -> Mapping[str, str]:
        """Hashes that the E01 carries."""
        return self._image.stored_hashes

    def _read(self, offset: int, size: int) -> bytes:
        return self._image.read_at(offset, size)

    def unreadable(self) -> Sequence[Any]:
        """See `Image.unreadable`."""
        from preserve.image import join_ranges  # noqa: PLC0415

        return join_ranges([*super().unreadable(), *self._image.unreadable()])


@dataclass(frozen=True, slots=True)
class _Beside:
    """Files in the same folder, by name without regard to case."""

    readers: Mapping[str, Reader]

    def __call__(self, name: str, /) -> Reader | None:
        wanted = name.lower()
        return next((reader for other, reader in self.readers.items() if other.lower() == wanted), None)


def open_nested(name: str, readers: Mapping[str, Reader], layer: str) -> Image:
    """Open the image in file `name`; `readers` holds it and the files beside it. Raises EvidenceFormatError."""
    reader = readers[name]
    kind = nested_format(reader)
    shown = f"{layer}|{kind}"
    try:
        match kind:
            case None:
                raise EvidenceFormatError("イメージではありません", "not an image")
            case "e01":
                return NestedEwf(name, readers, shown)
            case "raw":
                return NestedRaw(_pieces(name, readers), shown)
            case _:
                return open_disk(reader, shown, siblings=_Beside(readers))
    except (OSError, ValueError, MemoryError) as error:
        raise EvidenceFormatError("イメージを開けません", "the image cannot be opened") from error


def _pieces(name: str, readers: Mapping[str, Reader]) -> list[Reader]:
    """The pieces of a split raw image (.001, .002 …), or the file alone."""
    match = re.search(r"\.(\d{3})$", name)
    found = [readers[name]]
    if match is None or int(match[1]) > 1:
        return found
    number = int(match[1]) + 1
    while (piece := readers.get(f"{name[:-3]}{number:03d}")) is not None:
        found.append(piece)
        number += 1
    return found
