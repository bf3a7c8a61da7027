"""Virtual disks: which format a file has, and what all of them share.

```
QFI fb                          qcow, qcow2      preserve.qcow
KDMV, COWD, "# Disk Descriptor" VMDK             preserve.vmdk
conectix (first or last 512 B)  VHD              preserve.vhd
vhdxfile                        VHDX             preserve.vhdx
7f 10 da be at 64               VDI              preserve.vdi
```
A virtual disk is a map from blocks to places in files. Each format gives the piece at an offset (`_piece`); reading,
parents (backing files, differencing disks) and what is missing are here. All are read in Python: no C code sees a
hostile map, and tables are read in parts, so that memory is bounded.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from chain_of_custody.errors import EvidenceError, EvidenceFormatError
from preserve.derived import DerivedImage
from preserve.image import Range, UnreadableRange, join_ranges

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from preserve.derived import Reader

Format = Literal["qcow2", "vmdk", "vhd", "vhdx", "vdi"]
FORMATS: tuple[Format, ...] = ("qcow2", "vmdk", "vhd", "vhdx", "vdi")
MOST_PARENTS = 64
"""Backing files behind one another."""
_CACHED_TABLES = 256  # tables of each disk kept, of at most 2 MiB each
_LARGEST_TABLE = 2 << 20
_MOST_PIECES = 5_000_000  # of a map walked for its data: 320 GiB of scattered clusters
PARENT, ZERO, DAMAGED = -1, -2, -3


@dataclass(frozen=True, slots=True)
class Piece:
    """`size` bytes of the disk from some offset on: at `position` of file number `file`, or PARENT, ZERO, DAMAGED.

    `data` is set where the bytes had to be unpacked; `detail` says what is damaged.
    """

    size: int
    file: int = ZERO
    position: int = 0
    data: bytes | None = None
    detail: str = ""


class Siblings(Protocol):
    """Files beside a virtual disk: extents and parents."""

    def __call__(self, name: str, /) -> Reader | None:
        """The file that is called `name` (its last component counts), or None."""


def no_siblings(_name: str, /) -> Reader | None:
    """Nothing lies beside it."""
    return None


def format_of(head: bytes, tail: bytes = b"") -> Format | None:
    """The format of a virtual disk by its first bytes (512 or more) and its last 512; None where it is none."""
    if head[:4] == b"QFI\xfb":
        return "qcow2"
    if head[:4] in (b"KDMV", b"COWD") or head[:21].lower() == b"# disk descriptorfile":
        return "vmdk"
    if head[:8] == b"vhdxfile":
        return "vhdx"
    if head[:8] == b"conectix" or tail[-512:-504] == b"conectix" or tail[-511:-503] == b"conectix":
        return "vhd"
    if head[64:68] == b"\x7f\x10\xda\xbe":
        return "vdi"
    return None


class VirtualDisk(DerivedImage):
    """Base of the formats. `files` are the readers of its files, `parent` the disk behind it."""

    format: Format

    def __init__(
        self, size: int, layer: str, files: Sequence[Reader], *, sector_size: int = 512, segments: Sequence[Path] = ()
    ) -> None:
        super().__init__(size, layer, sector_size=sector_size, segments=segments)
        self.files = list(files)
        self.parent: Reader | None = None
        self.parent_name = ""
        self._table_lock = threading.Lock()
        self._tables: dict[tuple[int, int], np.ndarray[tuple[int], np.dtype[np.uint64]]] = {}

    def _piece(self, offset: int) -> Piece:
        """What lies at `offset` of the disk."""
        raise NotImplementedError

    def _table(self, file: int, position: int, count: int, kind: str) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
        """`count` numbers of numpy type `kind` at `position`, as uint64; kept for the next time.

        What lies past the end of the file is zeros. Raises EvidenceError.
        """
        key = (file, position)
        found = self._tables.get(key)
        if found is None or len(found) != count:
            size = count * np.dtype(kind).itemsize
            if not 0 <= size <= _LARGEST_TABLE:
                raise EvidenceError("表が大きすぎます", "a table of the virtual disk is too large")
            raw = self.files[file].read_at(position, size) if position < self.files[file].size else b""
            found = np.frombuffer(raw.ljust(size, b"\0"), dtype=kind).astype(np.uint64)
            with self._table_lock:
                while len(self._tables) >= _CACHED_TABLES:
                    self._tables.pop(next(iter(self._tables)))
                self._tables[key] = found
        return found

    def _read(self, offset: int, size: int) -> bytes:
        buffer = bytearray(size)
        done = 0
        while done < size:
            piece = self._piece(offset + done)
            take = min(max(piece.size, 1), size - done)
            if piece.data is not None:
                buffer[done : done + take] = piece.data[:take].ljust(take, b"\0")
            elif piece.file == PARENT:
                buffer[done : done + take] = self._of_parent(offset + done, take)
            elif piece.file == DAMAGED:
                self.note(offset + done, take, "inflate", piece.detail)
            elif piece.file >= 0:
                data = self.files[piece.file].read_at(piece.position, take)
                if len(data) < take:
                    detail = f"{self.layer}: the file ends before byte {piece.position + take}"
                    self.note(offset + done + len(data), take - len(data), "truncated", detail)
                buffer[done : done + len(data)] = data
            done += take
        return bytes(buffer)

    def unreadable(self) -> Sequence[UnreadableRange]:
        """See `Image.unreadable`; with what its parents could not read, which stands at the same offsets."""
        above = super().unreadable()
        if not isinstance(self.parent, DerivedImage):
            return above
        return join_ranges([*above, *(one for one in self.parent.unreadable() if one.offset < self.size)])

    def data_ranges(self, gap: int = 1 << 20) -> list[Range]:
        """Where the disk or its parents hold bytes, in order; gaps of zeros up to `gap` bytes are not worth a break.

        Where the map is too fine to be walked in reasonable time, the rest counts as data.
        """
        found: list[Range] = []
        offset = 0
        for _ in range(_MOST_PIECES):
            if offset >= self.size:
                return found
            piece = self._piece(offset)
            size = min(max(piece.size, 1), self.size - offset)
            holds = piece.file >= 0 or piece.data is not None or (piece.file == PARENT and bool(self.parent_name))
            if holds or piece.file == DAMAGED:
                if found and offset - found[-1].end <= gap:
                    found[-1] = Range(found[-1].offset, offset + size - found[-1].offset)
                else:
                    found.append(Range(offset, size))
            offset += size
        found.append(Range(offset, self.size - offset))
        return found

    def _of_parent(self, offset: int, size: int) -> bytes:
        if self.parent is None:
            if self.parent_name:
                detail = f"{self.layer}: the parent disk is missing: {self.parent_name}"
                self.note(offset, size, "missing_segment", detail)
            return bytes(size)
        return self.parent.read_at(offset, max(0, min(size, self.parent.size - offset))).ljust(size, b"\0")

    def set_parent(self, name: str, siblings: Siblings, depth: int) -> None:
        """Open the parent called `name` beside this file; where it is not there, that is kept for who reads."""
        self.parent_name = last_part(name) or "(without a name)"
        if depth >= MOST_PARENTS:
            return
        reader = siblings(self.parent_name)
        if reader is None:
            return
        if format_of(reader.read_at(0, 4096), reader.read_at(max(0, reader.size - 512), 512)) is None:
            self.parent = reader  # a raw backing file
            return
        try:
            self.parent = open_disk(reader, self.parent_name, siblings=siblings, depth=depth + 1)
        except EvidenceError as error:
            self.parent_name += f" ({error.en})"


def last_part(name: str) -> str:
    """The last component of a path in either system's notation."""
    return name.replace("\\", "/").rstrip("/").rpartition("/")[2]


def damaged(what_ja: str, what_en: str) -> EvidenceFormatError:
    """The error for a virtual disk that cannot be opened."""
    return EvidenceFormatError(
        f"仮想ディスクを開けません: {what_ja}",
        f"the virtual disk cannot be opened: {what_en}",
        hint_ja="ファイルが途中で切れていないか、正しい形式かを確かめてください(例: qemu-img check)",
        hint_en="check that the file is complete and what it claims to be (for example: qemu-img check)",
    )


def open_disk(
    reader: Reader,
    layer: str,
    *,
    siblings: Siblings = no_siblings,
    segments: Sequence[Path] = (),
    depth: int = 0,
) -> VirtualDisk:
    """Open a virtual disk by its content. Raises EvidenceFormatError where it is none, or one that is not read."""
    from preserve import qcow, vdi, vhd, vhdx, vmdk  # noqa: PLC0415 - each imports this module

    head = reader.read_at(0, 4096)
    kind = format_of(head, reader.read_at(max(0, reader.size - 512), 512))
    opened: VirtualDisk
    match kind:
        case "qcow2":
            opened = qcow.QcowImage(reader, layer, siblings=siblings, segments=segments, depth=depth)
        case "vmdk":
            opened = vmdk.VmdkImage(reader, layer, siblings=siblings, segments=segments, depth=depth)
        case "vhd":
            opened = vhd.VhdImage(reader, layer, siblings=siblings, segments=segments, depth=depth)
        case "vhdx":
            opened = vhdx.VhdxImage(reader, layer, siblings=siblings, segments=segments, depth=depth)
        case "vdi":
            opened = vdi.VdiImage(reader, layer, siblings=siblings, segments=segments, depth=depth)
        case None:
            raise damaged("既知の形式ではありません", "not a known format")
    return opened
