"""Volume shadow copies of NTFS (VSS), through libvshadow: earlier states of a volume, and what differs in them.

A store keeps the old content of 16 KiB blocks that were overwritten since; all else is read from the newer stores and
the live volume. So the blocks of a store and of all newer ones are the only places in which it can differ from today.
libvshadow is C code: stores are listed in a child process (`preserve.isolated.call`) before one is opened here.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from chain_of_custody.errors import EvidenceError, EvidenceFormatError
from preserve.derived import DerivedImage, FileObject
from preserve.image import Range

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from preserve.derived import Reader
    from preserve.image import Image

SIGNATURE = bytes.fromhex("6b870838 76c1484e b7ae0404 6e6cc752")
HEADER_OFFSET = 0x1E00
BLOCK = 0x4000
MOST_STORES = 512
_MOST_BLOCKS = 4_000_000  # of one store: 64 GiB of changes
_FILETIME_EPOCH = 116_444_736_000_000_000  # 1970 in units of 100 ns since 1601


@dataclass(frozen=True, slots=True)
class Store:
    """One shadow copy. `number` counts from 1, the oldest; `created_ns` is UTC.

    `changed` are the ranges of the volume in which it may differ from the live volume, in order and joined; None where
    they are too many to list, so that everything has to be compared.
    """

    number: int
    identifier: str
    created_ns: int
    size: int
    block_count: int
    changed: tuple[Range, ...] | None
    is_complete: bool
    """Whether its data lies in this volume."""


def has_shadows(volume: Reader) -> bool:
    """Whether a volume has the header of shadow copies with a catalogue."""
    head = volume.read_at(HEADER_OFFSET, 128)
    return head[:16] == SIGNATURE and int.from_bytes(head[48:56], "little") != 0


def _open(volume: Reader) -> Any:  # noqa: ANN401 - the binding has no types
    import pyvshadow  # noqa: PLC0415 - loaded only where shadow copies are

    handle = pyvshadow.volume()
    try:
        handle.open_file_object(FileObject(volume))
    except (OSError, ValueError, MemoryError) as error:
        raise EvidenceFormatError(
            "シャドウコピーの目録を読めません", "the catalogue of the shadow copies cannot be read"
        ) from error
    return handle


def list_stores(volume: Reader) -> list[Store]:
    """The shadow copies of a volume, oldest first. Raises EvidenceFormatError. To be run in a child process."""
    handle = _open(volume)
    count = min(int(handle.number_of_stores), MOST_STORES)
    found: list[Store] = []
    newer: NDArray[np.int64] | None = np.zeros(0, np.int64)
    for index in reversed(range(count)):
        store = handle.get_store(index)
        blocks: NDArray[np.int64] | None = None
        number_of_blocks = 0
        try:
            number_of_blocks = int(store.number_of_blocks)
            if number_of_blocks <= _MOST_BLOCKS:
                offsets = (store.get_block(one).original_offset for one in range(number_of_blocks))
                blocks = np.fromiter(offsets, np.int64, number_of_blocks)
        except (OSError, OverflowError):
            blocks = None  # a damaged list: everything has to be compared
        newer = None if newer is None or blocks is None else np.union1d(newer, blocks // BLOCK)
        if newer is not None and len(newer) > _MOST_BLOCKS:
            newer = None
        found.append(
            Store(
                index + 1,
                str(store.get_identifier()),
                (int(store.get_creation_time_as_integer()) - _FILETIME_EPOCH) * 100,
                int(store.volume_size),
                number_of_blocks,
                None if newer is None else _ranges(newer),
                bool(store.has_in_volume_data()),
            )
        )
    return found[::-1]


def _ranges(blocks: NDArray[np.int64]) -> tuple[Range, ...]:
    """Blocks, ascending, as ranges in bytes."""
    if not len(blocks):
        return ()
    breaks = np.flatnonzero(np.diff(blocks) != 1)
    firsts = blocks[np.concatenate(([0], breaks + 1))]
    lasts = blocks[np.concatenate((breaks, [len(blocks) - 1]))]
    return tuple(
        Range(int(first) * BLOCK, int(last - first + 1) * BLOCK) for first, last in zip(firsts, lasts, strict=True)
    )


class ShadowImage(DerivedImage):
    """A volume as it was when shadow copy `number` (from 1) was made. libvshadow is called by one thread at a time."""

    threads = 1

    def __init__(self, volume: Image, number: int, layer: str) -> None:
        self._volume = _open(volume)
        if not 1 <= number <= int(self._volume.number_of_stores):
            raise EvidenceError(f"シャドウコピー {number} はありません", f"there is no shadow copy {number}")
        self._store = self._volume.get_store(number - 1)
        super().__init__(
            min(int(self._store.volume_size), volume.size),
            layer,
            sector_size=volume.sector_size,
            segments=volume.segments,
        )
        self._lock = threading.Lock()

    def _read(self, offset: int, size: int) -> bytes:
        with self._lock:
            return bytes(self._store.read_buffer_at_offset(size, offset))


def within(offsets: NDArray[np.int64], ranges: Sequence[Range]) -> NDArray[np.bool_]:
    """Which offsets lie in `ranges`, which are in order and do not overlap."""
    if not ranges:
        return np.zeros(len(offsets), np.bool_)
    starts = np.array([one.offset for one in ranges], np.int64)
    ends = np.array([one.end for one in ranges], np.int64)
    place = np.searchsorted(starts, offsets, side="right") - 1
    inside: NDArray[np.bool_] = (place >= 0) & (offsets < ends[np.maximum(place, 0)])
    return inside
