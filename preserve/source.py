"""What an image is made of: a device, a file, or another image, only ever opened for reading.

Reads go past the page cache where the system allows it: a cached read of a medium with bad sectors loses the whole page
around each of them (IMAGING: 336 sectors lost instead of 69), a direct one only the sector itself.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import stat
import sys
from typing import TYPE_CHECKING, Protocol

from chain_of_custody.errors import EvidenceError, UsageError
from chain_of_custody.masking import mask_path

if TYPE_CHECKING:
    from pathlib import Path

    from preserve.image import Image

DIRECT_ALIGNMENT = 4096
_SPARSE = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "tmpfs"})
_GONE = frozenset({errno.ENODEV, errno.ENXIO, getattr(errno, "ENOMEDIUM", 123)})


class SourceGoneError(EvidenceError):
    """The source disappeared while it was read (pulled out, switched off)."""


def source_gone(name: str, offset: int) -> SourceGoneError:
    """The error for a source that disappeared at `offset` bytes."""
    return SourceGoneError(
        f"読取り元がなくなりました: {name}({offset:,} バイト目付近)",
        f"the source disappeared: {name} (near byte {offset:,})",
        hint_ja="接続を確かめ、同じコマンドに --resume を付ければ続きから再開します",
        hint_en="check the connection and give the same command with --resume to go on from there",
    )


class Source(Protocol):
    """Bytes to be imaged."""

    name: str
    size: int
    """Bytes."""
    sector_size: int
    """Logical sector size in bytes."""
    smallest_read: int
    """Size and alignment in bytes of the smallest read that is possible."""
    is_direct: bool
    """Whether reads go past the page cache."""

    def read_into(self, offset: int, view: memoryview, size: int) -> None:
        """Read `size` bytes at `offset` into the front of `view`, which may be written up to the next 4 KiB.

        Raises OSError where any of them cannot be read (the view then holds anything), SourceGoneError where the
        source is no longer there.
        """

    def hole_end(self, offset: int) -> int:
        """End of the hole of a sparse file that `offset` lies in; `offset` itself where there may be data."""

    def known_unreadable(self) -> list[tuple[int, int]]:
        """Ranges `(offset, size)` that were delivered as zeros although nobody could read them (images only)."""

    def close(self) -> None:
        """Close it."""


def aligned_buffer(size: int) -> memoryview:
    """A page-aligned buffer of `size` bytes, as direct reads and writes need it."""
    return memoryview(mmap.mmap(-1, max(size, DIRECT_ALIGNMENT)))[:size]


def _stores_holes(path: Path) -> bool:
    """Whether the file system is one whose holes are zeros for certain (not a network's, not FUSE)."""
    from preserve import devices  # noqa: PLC0415 - it asks the encryption finders, which read images

    with contextlib.suppress(OSError):
        return devices.file_system_of(path.resolve().parent)[1] in _SPARSE
    return False


class FileSource:
    """A block device or a file, opened read-only. Raises EvidenceError where it cannot be opened."""

    def __init__(self, path: Path, *, sector_size: int = 512, direct: bool = True) -> None:
        self.name = mask_path(path)
        self._path = path
        self.sector_size = sector_size
        self.is_direct = False
        flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        try:
            mode = path.stat().st_mode
            if stat.S_ISDIR(mode):
                raise UsageError(
                    f"フォルダーはイメージにできません: {mask_path(path)}",
                    f"a folder cannot be imaged: {mask_path(path)}",
                    hint_ja="フォルダーとファイルの保全には preserve collect を使ってください",
                    hint_en="use `preserve collect` for folders and files",
                )
            self.is_device = stat.S_ISBLK(mode)
            if not self.is_device and not stat.S_ISREG(mode):
                raise UsageError(
                    f"ファイルでも装置でもありません: {mask_path(path)}",
                    f"neither a file nor a device: {mask_path(path)}",
                )
            self._fd = -1
            if direct and hasattr(os, "O_DIRECT"):
                with contextlib.suppress(OSError):
                    self._fd = os.open(path, flags | os.O_DIRECT)
                    self.is_direct = True
            if self._fd < 0:
                self._fd = os.open(path, flags)
            self._device = os.fstat(self._fd).st_rdev if self.is_device else 0
            self.size = os.lseek(self._fd, 0, os.SEEK_END)
        except OSError as error:
            raise EvidenceError(
                f"読取り元を開けません: {mask_path(path)}({error.strerror})",
                f"cannot open the source: {mask_path(path)} ({error.strerror})",
                hint_ja="名前と権限を確かめてください(装置を読むには管理者権限が要ります)",
                hint_en="check the name and your rights (reading a device takes administrator rights)",
            ) from error
        self.smallest_read = sector_size if self.is_direct and self._takes(sector_size) else DIRECT_ALIGNMENT
        if not self.is_direct:
            self.smallest_read = sector_size
        self._has_holes = not self.is_device and hasattr(os, "SEEK_DATA") and _stores_holes(path)

    def _takes(self, alignment: int) -> bool:
        """Whether a direct read may start at any multiple of `alignment` (an unreadable place is no answer)."""
        if self.size < 2 * alignment:
            return True
        try:
            os.preadv(self._fd, [aligned_buffer(alignment)], alignment)
        except OSError as error:
            return error.errno != errno.EINVAL
        return True

    def read_into(self, offset: int, view: memoryview, size: int) -> None:
        """See `Source.read_into`."""
        want = min(len(view), -(-size // DIRECT_ALIGNMENT) * DIRECT_ALIGNMENT) if self.is_direct else size
        if self.is_direct and size % DIRECT_ALIGNMENT and offset + size < self.size:
            want = size  # inside the source nothing but the asked sectors is touched
        try:
            if hasattr(os, "preadv"):
                count = os.preadv(self._fd, [view[:want]], offset)
            else:  # Windows and older macOS
                os.lseek(self._fd, offset, os.SEEK_SET)
                data = os.read(self._fd, want)
                count = len(data)
                view[:count] = data
        except OSError as error:
            if error.errno in _GONE or not self._is_there():
                raise source_gone(self.name, offset) from error
            raise
        if count < size:
            if not self._is_there():
                raise source_gone(self.name, offset)
            raise OSError(errno.EIO, f"{count} of {size} bytes at {offset}")

    def hole_end(self, offset: int) -> int:
        """See `Source.hole_end`: only of regular files, on file systems of this machine that store holes as such."""
        if not self._has_holes or offset >= self.size:
            return offset
        try:
            end = os.lseek(self._fd, offset, os.SEEK_DATA)
        except OSError as error:
            # ENXIO: no data up to the end of the file, which must still be where it was.
            end = self.size if error.errno == errno.ENXIO and os.fstat(self._fd).st_size >= self.size else offset
        return min(end, self.size)

    def _is_there(self) -> bool:
        """Whether the device is still connected; a file that became shorter is still there."""
        if not self.is_device:
            return True
        try:
            if self._path.stat().st_rdev != self._device:
                return False
            return os.lseek(self._fd, 0, os.SEEK_END) > 0
        except OSError:
            return False

    def known_unreadable(self) -> list[tuple[int, int]]:
        """Nothing: errors of a device are raised."""
        return []

    @property
    def fd(self) -> int:
        """The open descriptor, for questions to the device."""
        return self._fd

    def close(self) -> None:
        """Close it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class ImageSource:
    """An image as the source of another image."""

    smallest_read = 512
    is_direct = False
    is_device = False

    def __init__(self, image: Image) -> None:
        self.image = image
        self.name = mask_path(image.layer)
        self.size = image.size
        self.sector_size = image.sector_size

    def read_into(self, offset: int, view: memoryview, size: int) -> None:
        """See `Source.read_into`; what the image cannot give is zeros and stands in `known_unreadable`."""
        self.image.readinto_at(offset, view[:size])

    def hole_end(self, offset: int) -> int:
        """See `Source.hole_end`: every byte of an image is read."""
        return offset

    def known_unreadable(self) -> list[tuple[int, int]]:
        """Ranges `(offset, size)` that the image could not give."""
        return [(one.offset, one.size) for one in self.image.unreadable()]

    def close(self) -> None:
        """Close the image."""
        self.image.close()


IS_LINUX = sys.platform == "linux"
