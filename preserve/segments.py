"""Positional reads from one or many files, from several threads, with a bounded number of open files.

Images come in up to tens of thousands of segment files; each is opened read-only when it is needed.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from preserve import age_file
from preserve.derived import FileReader

if TYPE_CHECKING:
    from collections.abc import Sequence
    from io import FileIO
    from pathlib import Path

    from preserve.age_file import AgeReader
    from preserve.derived import Reader

_OPEN_FILES = 64


class _Handle:
    """One open file; `users` counts reads under way, so that it is not closed under them."""

    __slots__ = ("_sealed", "clear", "file", "lock", "users")

    def __init__(self, path: Path) -> None:
        # Buffering would read ahead what nobody asked for, past a bad sector even.
        self.file: FileIO = path.open("rb", buffering=0)
        self.lock = threading.Lock()
        self.users = 0
        self._sealed: FileReader | None = None
        self.clear: AgeReader | None = None
        """What is inside, where the file is encrypted with age; decrypted in memory chunk by chunk."""
        try:
            head = self.file.read(len(age_file.MAGIC))
        except OSError:
            head = b""  # a medium whose first sector is bad is read all the same, and is no age file
        if head == age_file.MAGIC:
            self._sealed = FileReader(path)
            try:
                self.clear = age_file.AgeReader(self._sealed, age_file.identities_offered(), name=path.name)
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """Close the file."""
        self.file.close()
        if self._sealed is not None:
            self._sealed.close()


class SegmentFiles:
    """The files of one image, read by index and position.

    `sizes` holds bytes per file. Files are opened read-only; OSError passes through.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)
        self._open: OrderedDict[int, _Handle] = OrderedDict()
        self._lock = threading.Lock()
        self._closed = False
        self.sizes = tuple(self._size(index) for index in range(len(self.paths)))

    def _size(self, index: int) -> int:
        handle = self._take(index)
        try:
            if handle.clear is not None:
                return handle.clear.size
            # Seeking tells the size of a block device too, where stat gives 0.
            return handle.file.seek(0, os.SEEK_END)
        finally:
            self._give(handle)

    def _take(self, index: int) -> _Handle:
        with self._lock:
            if self._closed:
                raise ValueError("the image is closed")
            handle = self._open.get(index)
            if handle is None:
                handle = self._open[index] = _Handle(self.paths[index])
            else:
                self._open.move_to_end(index)
            handle.users += 1
            for other in list(self._open):
                if len(self._open) <= _OPEN_FILES:
                    break
                if self._open[other].users == 0:
                    self._open.pop(other).close()
            return handle

    def _give(self, handle: _Handle) -> None:
        with self._lock:
            handle.users -= 1
            if self._closed and handle.users == 0:
                handle.close()

    def read(self, index: int, position: int, size: int) -> bytes:
        """Up to `size` bytes of file `index` at `position`; short at its end. Raises OSError."""
        if hasattr(os, "pread"):
            handle = self._take(index)
            try:
                if handle.clear is not None:
                    return handle.clear.read_at(position, size)
                data = os.pread(handle.file.fileno(), size, position)
            finally:
                self._give(handle)
            if len(data) == size or not data or position + len(data) >= self.sizes[index]:
                return data
        buffer = bytearray(size)
        return bytes(memoryview(buffer)[: self.readinto(index, position, memoryview(buffer))])

    def readinto(self, index: int, position: int, view: memoryview) -> int:
        """Fill `view` from file `index` at `position`; returns the bytes read, short at its end. Raises OSError."""
        handle = self._take(index)
        try:
            if handle.clear is not None:
                data = handle.clear.read_at(position, len(view))
                view[: len(data)] = data
                return len(data)
            done = 0
            while done < len(view):
                if hasattr(os, "preadv"):
                    count = os.preadv(handle.file.fileno(), [view[done:]], position + done)
                else:  # Windows has no positional read here
                    with handle.lock:
                        handle.file.seek(position + done)
                        count = handle.file.readinto(view[done:])
                if not count:
                    break
                done += count
            return done
        finally:
            self._give(handle)

    def close(self) -> None:
        """Close all files; reads under way finish first."""
        with self._lock:
            self._closed = True
            for handle in self._open.values():
                if handle.users == 0:
                    handle.close()
            self._open.clear()


class ReaderFiles:
    """The same over files inside another image: readers instead of paths, of which only the names count."""

    def __init__(self, paths: Sequence[Path], readers: Sequence[Reader]) -> None:
        self.paths = tuple(paths)
        self._readers = tuple(readers)
        self.sizes = tuple(reader.size for reader in readers)

    def read(self, index: int, position: int, size: int) -> bytes:
        """See `SegmentFiles.read`. May raise EvidenceError."""
        size = max(0, min(size, self.sizes[index] - position))
        return self._readers[index].read_at(position, size) if size else b""

    def readinto(self, index: int, position: int, view: memoryview) -> int:
        """See `SegmentFiles.readinto`."""
        data = self.read(index, position, len(view))
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Do nothing: the image around the files is closed by whoever opened it."""
