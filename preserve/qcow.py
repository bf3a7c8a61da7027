"""QCOW images of QEMU, versions 1 to 3: backing files, compressed clusters, subclusters, internal snapshots.

Format: "qcow2 image file format" (docs/interop/qcow2.txt of QEMU); libqcow's "QEMU Copy-On-Write file format" for
version 1. All numbers are big-endian.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from preserve.image import Problem
from preserve.virtual_disk import DAMAGED, PARENT, ZERO, Piece, VirtualDisk, damaged, no_siblings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from preserve.derived import Reader
    from preserve.virtual_disk import Siblings

_OFFSET = 0x00FFFFFFFFFFFE00
_COMPRESSED = 1 << 62
_MOST_SNAPSHOTS = 1000
_MOST_L1 = 32 << 20 >> 3  # entries, as in QEMU


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An internal snapshot: an own table of clusters. `name` is from the evidence; `seconds` since 1970 UTC."""

    name: str
    seconds: int
    table: int
    count: int
    size: int


class QcowImage(VirtualDisk):
    """A QCOW disk. `snapshots` lists the internal ones; `snapshot` opens one of them instead of the active state."""

    format = "qcow2"
    _l1_count: int
    _l1_at: int

    def __init__(
        self,
        reader: Reader,
        layer: str,
        *,
        siblings: Siblings = no_siblings,
        segments: Sequence[Path] = (),
        depth: int = 0,
        snapshot: int | None = None,
    ) -> None:
        self._opening = (reader, siblings, depth)
        head = reader.read_at(0, 112)
        if len(head) < 48 or head[:4] != b"QFI\xfb":
            raise damaged("qcow2 の見出しがありません", "no qcow header")
        self.version = int.from_bytes(head[4:8], "big")
        if self.version == 1:
            size = self._version_1(head)
        elif self.version in (2, 3) and len(head) >= 72:
            size = self._version_2(head)
        else:
            raise damaged(f"qcow の版 {self.version}", f"qcow version {self.version}")
        super().__init__(size, layer, [reader], segments=segments)
        if not 9 <= self._cluster_bits <= 21 or self._l1_count > _MOST_L1:
            raise damaged("不可能な大きさ", "impossible sizes in its header")
        if self._crypt:
            kind = "LUKS" if self._crypt == 2 else "AES"
            raise damaged(
                f"暗号化されています({kind})。復号してから読んでください", f"encrypted ({kind}); decrypt it first"
            )
        self.snapshots = self._list_snapshots(head) if self.version > 1 else ()
        if snapshot is not None:
            chosen = self.snapshots[snapshot]
            # The list is that of the disk as it is now: the state it had then is not asked for its own.
            self.snapshots = ()
            self._l1_at, self._l1_count, self._size = chosen.table, chosen.count, chosen.size or size
        where, length = struct.unpack_from(">QI", head, 8)
        if where and 0 < length <= 1023:
            name = reader.read_at(where, length).decode("utf-8", "replace")
            self.set_parent(name.removeprefix("file:"), siblings, depth)

    def at_snapshot(self, number: int) -> QcowImage:
        """The disk as it was at internal snapshot `number` (from 0). Raises EvidenceFormatError."""
        if not 0 <= number < len(self.snapshots):
            raise damaged("スナップショットがありません", f"there is no internal snapshot {number + 1}")
        reader, siblings, depth = self._opening
        layer = f"{self.layer}|snapshot:{number + 1}"
        return QcowImage(reader, layer, siblings=siblings, segments=self.segments, depth=depth, snapshot=number)

    def _version_1(self, head: bytes) -> int:
        size, self._cluster_bits, self._l2_bits = struct.unpack_from(">QBB", head, 24)
        self._crypt, self._l1_at = struct.unpack_from(">IQ", head, 36)
        self._subclusters = self._zstd = False
        if not 0 < self._l2_bits <= 18:
            raise damaged("不可能な大きさ", "impossible sizes in its header")
        self._l1_count = -(-size // (1 << (self._cluster_bits + self._l2_bits)))
        return int(size)

    def _version_2(self, head: bytes) -> int:
        self._cluster_bits, size, self._crypt, self._l1_count, self._l1_at = struct.unpack_from(">IQIIQ", head, 20)
        features = int.from_bytes(head[72:80], "big") if self.version == 3 else 0
        header = int.from_bytes(head[100:104], "big") if self.version == 3 else 72
        if features & ~0x1F:
            raise damaged(f"未知の機能 {features:#x}", f"unknown features {features:#x}")
        if features & 4:
            raise damaged("外部データファイルを使っています", "its data lies in an external file")
        self._subclusters = bool(features & 0x10)
        method = head[104] if header > 104 and features & 8 else 0
        if method > 1:
            raise damaged("未知の圧縮方式", "unknown compression")
        self._zstd = method == 1
        self._l2_bits = max(0, self._cluster_bits - (4 if self._subclusters else 3))
        return int(size)

    def _list_snapshots(self, head: bytes) -> tuple[Snapshot, ...]:
        count, at = struct.unpack_from(">IQ", head, 60)
        found: list[Snapshot] = []
        for _ in range(min(count, _MOST_SNAPSHOTS)):
            raw = self.files[0].read_at(at, 40)
            if len(raw) < 40:
                break
            table, entries, id_size, name_size, seconds = struct.unpack_from(">QIHHI", raw)
            extra = int.from_bytes(raw[36:40], "big")
            if extra > 1 << 16 or entries > _MOST_L1:
                break
            rest = self.files[0].read_at(at + 40, extra + id_size + name_size)
            size = int.from_bytes(rest[8:16], "big") if extra >= 16 else 0
            name = rest[extra + id_size :].decode("utf-8", "replace")
            found.append(Snapshot(name, seconds, table, entries, size))
            at += (40 + extra + id_size + name_size + 7) // 8 * 8
        if len(found) < count:
            detail = f"the list of internal snapshots is damaged: {len(found)} of {count} can be read"
            self.problems.append(Problem(self.layer, "damaged", detail))
        return tuple(found)

    def _piece(self, offset: int) -> Piece:
        bits = self._cluster_bits
        inside = offset & ((1 << bits) - 1)
        left = (1 << bits) - inside
        index = offset >> (bits + self._l2_bits)
        if index >= self._l1_count:
            return Piece(left, PARENT)
        # The first table may be large: it is read in parts.
        part = index // 8192 * 8192
        first = self._table(0, self._l1_at + part * 8, min(8192, self._l1_count - part), ">u8")
        l2_at = int(first[index - part]) & (_OFFSET if self.version > 1 else (1 << 63) - 1)
        if not l2_at:
            span = 1 << (bits + self._l2_bits)
            return Piece(span - offset % span, PARENT)
        words = 2 if self._subclusters else 1
        table = self._table(0, l2_at, (1 << self._l2_bits) * words, ">u8")
        number = (offset >> bits & ((1 << self._l2_bits) - 1)) * words
        entry = int(table[number])
        if self.version == 1:
            return self._piece_1(entry, inside, left)
        if entry & _COMPRESSED:
            return self._unpacked(entry, inside, left)
        place = entry & _OFFSET
        if self._subclusters:
            return self._subcluster(place, int(table[number + 1]), inside)
        if entry & 1:
            return Piece(left, ZERO)
        if not place:
            return Piece(left, PARENT)
        # Clusters that follow one another in the file as they do on the disk are read at once.
        run = 1
        while (
            run < 256 and number + run < len(table) and int(table[number + run]) & ~(1 << 63) == place + (run << bits)
        ):
            run += 1
        return Piece(left + ((run - 1) << bits), 0, place + inside)

    def _piece_1(self, entry: int, inside: int, left: int) -> Piece:
        if not entry:
            return Piece(left, PARENT)
        if entry >> 63:
            shift = 63 - self._cluster_bits
            size = entry >> shift & ((1 << self._cluster_bits) - 1)
            return self._inflate(entry & ((1 << shift) - 1), size, inside, left)
        return Piece(left, 0, entry + inside)

    def _subcluster(self, place: int, bitmap: int, inside: int) -> Piece:
        """Extended entries: 32 parts of a cluster, each allocated, zero or of the parent."""
        size = (1 << self._cluster_bits) // 32
        number = inside // size
        left = size - inside % size
        if bitmap >> (32 + number) & 1:
            return Piece(left, ZERO)
        if bitmap >> number & 1 and place:
            return Piece(left, 0, place + inside)
        return Piece(left, PARENT)

    def _unpacked(self, entry: int, inside: int, left: int) -> Piece:
        shift = 62 - (self._cluster_bits - 8)
        place = entry & ((1 << shift) - 1)
        sectors = (entry >> shift & ((1 << (self._cluster_bits - 8)) - 1)) + 1
        return self._inflate(place, sectors * 512 - (place & 511), inside, left)

    def _inflate(self, place: int, size: int, inside: int, left: int) -> Piece:
        cluster = 1 << self._cluster_bits
        packed = self.files[0].read_at(place, size)
        data = b""
        try:
            if self._zstd:
                import zstandard  # noqa: PLC0415 - rare

                with zstandard.ZstdDecompressor().stream_reader(packed) as stream:
                    data = stream.read(cluster)
            else:
                data = zlib.decompressobj(-12).decompress(packed, cluster)
        except (zlib.error, ValueError, RuntimeError, MemoryError) as error:
            return Piece(
                left, DAMAGED, detail=f"{self.layer}: a compressed cluster is damaged ({type(error).__name__})"
            )
        except Exception as error:
            if type(error).__name__ != "ZstdError":
                raise
            return Piece(left, DAMAGED, detail=f"{self.layer}: a compressed cluster is damaged")
        if len(data) < cluster:
            return Piece(left, DAMAGED, detail=f"{self.layer}: a compressed cluster is cut off")
        return Piece(left, data=data[inside:])
