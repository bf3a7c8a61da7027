"""An image over other images: a virtual disk in a file, a decrypted volume, a snapshot, a logical volume.

Whoever derives one says how bytes are read (`_read`); clamping, zeros for what cannot be read and the list of it are
here. `Reader` is the least that is needed to derive from: a size and positional reads.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Protocol

from chain_of_custody.errors import EvidenceError
from preserve.image import UnreadableRange, join_ranges

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from io import FileIO
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from preserve.image import Image, Problem

_SMALLEST = 4096  # bytes; a failed read is halved down to here
_MOST_NOTED = 100_000  # unreadable ranges kept apart
LARGEST_MEDIUM = 1 << 52
"""Bytes; no disk is larger, and a wrong size must not mean reading zeros for ever."""


class Reader(Protocol):
    """Bytes to derive an image from: a file on this machine, a file inside an image, an image."""

    @property
    def size(self) -> int:
        """Bytes."""

    def read_at(self, offset: int, size: int, /) -> bytes:
        """Up to `size` bytes from `offset`; short only at the end. May raise EvidenceError or OSError."""


class FileReader:
    """A file of this machine as a `Reader`; opened read-only. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: FileIO = path.open("rb", buffering=0)
        self._lock = threading.Lock()
        self.size = self._file.seek(0, os.SEEK_END)

    def read_at(self, offset: int, size: int, /) -> bytes:
        """See `Reader.read_at`."""
        parts: list[bytes] = []
        size = max(0, min(size, self.size - offset)) if offset >= 0 else 0  # offsets come from hostile tables
        while size > 0:
            if hasattr(os, "pread"):
                part = os.pread(self._file.fileno(), size, offset)
            else:
                with self._lock:
                    self._file.seek(offset)
                    part = self._file.read(size) or b""
            if not part:
                break
            parts.append(part)
            offset += len(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class DerivedImage:
    """Base of images over something else; implements `preserve.image.Image`.

    `layer` is the whole chain of layers down to here, `segments` the files of this machine that carry it. `problems`
    are those of this layer as a whole; `carriers` and the image `below`, where set, are closed with it.
    """

    def __init__(self, size: int, layer: str, *, sector_size: int = 512, segments: Sequence[Path] = ()) -> None:
        self._size = min(max(size, 0), LARGEST_MEDIUM)
        self._layer = layer
        self._sector_size = sector_size
        self._segments = tuple(segments)
        self._noted: list[UnreadableRange] = []
        self._note_lock = threading.Lock()
        self.problems: list[Problem] = []
        self.carriers: list[FileReader] = []
        self.below: Image | None = None

    def carry(self, files: Sequence[FileReader]) -> None:
        """Take over files: they are named as the segments and closed with the image."""
        self.carriers = list(files)
        self._segments = tuple(dict.fromkeys(one.path for one in files))

    @property
    def size(self) -> int:
        """Size of the medium in bytes."""
        return self._size

    @property
    def sector_size(self) -> int:
        """Bytes in one sector."""
        return self._sector_size

    @property
    def layer(self) -> str:
        """The chain of layers down to this image."""
        return self._layer

    @property
    def stored_hashes(self) -> Mapping[str, str]:
        """Empty: none of these formats carries a hash of its medium."""
        return {}

    @property
    def segments(self) -> Sequence[Path]:
        """The files of this machine that carry the image."""
        return self._segments

    def _read(self, offset: int, size: int) -> bytes:
        """Bytes of the image; within its size. Raises EvidenceError or OSError for what cannot be read."""
        raise NotImplementedError

    def note(self, offset: int, size: int, reason: str, detail: str) -> None:
        """Keep a range that reads as zeros because it cannot be read."""
        with self._note_lock:
            if len(self._noted) >= _MOST_NOTED:
                self._noted = join_ranges(self._noted)
            if len(self._noted) < _MOST_NOTED:
                self._noted.append(UnreadableRange(offset, size, reason, detail))  # type: ignore[arg-type]

    def read_at(self, offset: int, size: int, /) -> bytes:
        """See `Image.read_at`."""
        if offset < 0:
            raise ValueError("negative offset")
        size = max(0, min(size, self._size - offset))
        if not size:
            return b""
        try:
            data = self._read(offset, size)
        except (EvidenceError, OSError) as error:
            if size > _SMALLEST:
                half = max((size // 2) // _SMALLEST * _SMALLEST, _SMALLEST)
                return self.read_at(offset, half) + self.read_at(offset + half, size - half)
            detail = error.en if isinstance(error, EvidenceError) else str(error).splitlines()[0][:200]
            self.note(offset, size, "io_error", detail)
            return bytes(size)
        if len(data) < size:
            self.note(offset + len(data), size - len(data), "truncated", f"{self._layer} ends early")
            data += bytes(size - len(data))
        return data

    def readinto_at(self, offset: int, buffer: memoryview | bytearray, /) -> int:
        """See `Image.readinto_at`."""
        view = memoryview(buffer)
        data = self.read_at(offset, len(view))
        view[: len(data)] = data
        return len(data)

    def unreadable(self) -> Sequence[UnreadableRange]:
        """See `Image.unreadable`."""
        with self._note_lock:
            return join_ranges(self._noted)

    def close(self) -> None:
        """Close the files that were opened for this image."""
        for carrier in self.carriers:
            carrier.close()
        if self.below is not None:
            self.below.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class FileObject:
    """A `Reader` as the file-like object that the libraries of libyal take."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._at = 0

    def read(self, size: int | None = None) -> bytes:
        """Up to `size` bytes from the current place."""
        left = max(0, self._reader.size - self._at)
        data = self._reader.read_at(self._at, left if size is None else max(0, min(size, left)))
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move; `whence` as of files."""
        self._at = max(0, (0, self._at, self._reader.size)[whence] + offset)
        return self._at

    def tell(self) -> int:
        """The current place."""
        return self._at

    def get_offset(self) -> int:
        """The current place, under the name that libyal asks for."""
        return self._at

    def get_size(self) -> int:
        """Bytes."""
        return self._reader.size
