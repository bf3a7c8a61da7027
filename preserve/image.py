"""An image: the bytes of one medium, whatever file format carries them.

```python
from preserve import open_image, stream

with open_image("disk.E01") as image:
    boot_sector = image.read_at(0, 512)
    for offset_bytes, view in stream(image, 8 << 20):
        ...                                   # the view is valid until the next turn of the loop
    for gap in image.unreadable():
        print(gap.offset, gap.size, gap.reason, gap.detail)
```
Layers compose: a volume and a decrypted volume are images again. What cannot be read is never an exception while
reading: it is zeros in the data and an `UnreadableRange` in `unreadable()`, so that the rest is still found.
"""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from concurrent.futures import Future
    from types import TracebackType
    from typing import Self

UnreadableReason = Literal["missing_segment", "truncated", "checksum", "inflate", "io_error"]
ProblemReason = Literal["encrypted", "damaged", "unsupported", "limit"]


@dataclass(frozen=True, slots=True)
class UnreadableRange:
    """Bytes of the medium that could not be read and are zeros in what was returned.

    `offset` and `size` are bytes in the media; `detail` names the segment file and the offset in it.
    """

    offset: int
    size: int
    reason: UnreadableReason
    detail: str


@dataclass(frozen=True, slots=True)
class Range:
    """A range of bytes of the medium."""

    offset: int
    size: int

    @property
    def end(self) -> int:
        """First byte after the range."""
        return self.offset + self.size


@dataclass(frozen=True, slots=True)
class Problem:
    """Something of the evidence that was not, or not fully, read; one line of the coverage.

    `where` is a chain of layers or a path in it; `offset` and `size` are bytes of the medium where they are known.
    """

    where: str
    reason: ProblemReason
    detail: str
    offset: int | None = None
    size: int | None = None
    kind: Literal["unreadable"] = "unreadable"


@runtime_checkable
class Image(Protocol):
    """The bytes of a medium, or of a part of one. All methods may be called from several threads at once."""

    @property
    def size(self) -> int:
        """Size of the medium in bytes."""

    @property
    def sector_size(self) -> int:
        """Bytes in one sector, as far as the format tells (512 otherwise)."""

    @property
    def layer(self) -> str:
        """Name of this layer in a chain of layers: `e01:disk.E01`, `raw:disk.dd`."""

    @property
    def stored_hashes(self) -> Mapping[str, str]:
        """Hashes of the whole medium that the image carries: `{"md5": hex, "sha1": hex}`."""

    @property
    def segments(self) -> Sequence[Path]:
        """The files that carry the image, in order."""

    def read_at(self, offset: int, size: int, /) -> bytes:
        """Read `size` bytes at `offset`; fewer only at the end of the medium. Unreadable bytes are zeros."""

    def readinto_at(self, offset: int, buffer: memoryview | bytearray, /) -> int:
        """Fill `buffer` from `offset` on and return the number of bytes; as `read_at` otherwise."""

    def unreadable(self) -> Sequence[UnreadableRange]:
        """All unreadable ranges met so far, in order of offset and joined where they touch."""

    def close(self) -> None:
        """Release the files; safe to call twice."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...


class FileImage:
    """Base of the readers of image files: reads end with the medium, and the image is closed when it is left."""

    @property
    def size(self) -> int:
        """Size of the medium in bytes."""
        raise NotImplementedError

    def _fill(self, offset: int, view: memoryview) -> None:
        """Fill `view`, which lies within the medium, from `offset` on; zeros for what cannot be read."""
        raise NotImplementedError

    def read_at(self, offset: int, size: int, /) -> bytes:
        """See `Image.read_at`."""
        buffer = bytearray(max(0, min(size, self.size - offset)))
        self.readinto_at(offset, buffer)
        return bytes(buffer)

    def readinto_at(self, offset: int, buffer: memoryview | bytearray, /) -> int:
        """See `Image.readinto_at`."""
        if offset < 0:
            raise ValueError("negative offset")
        view = memoryview(buffer)[: max(0, min(len(buffer), self.size - offset))]
        if view:
            self._fill(offset, view)
        return len(view)

    def close(self) -> None:
        """Close the files."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def join_ranges(ranges: Sequence[UnreadableRange]) -> list[UnreadableRange]:
    """Sort by offset and join neighbours that have the same reason; each keeps the detail of its first part."""
    joined: list[UnreadableRange] = []
    for one in sorted(ranges, key=lambda one: (one.offset, one.size)):
        last = joined[-1] if joined else None
        if last is not None and last.reason == one.reason and one.offset <= last.offset + last.size:
            end = max(last.offset + last.size, one.offset + one.size)
            joined[-1] = UnreadableRange(last.offset, end - last.offset, last.reason, last.detail)
        else:
            joined.append(one)
    return joined


def open_image(path: Path | str, *, threads: int | None = None) -> Image:
    """Open an image file (or a device) read-only, choosing the format by its content, never by its name.

    `threads` bounds how many threads may decode at once in `stream` (default: one per processor).
    Raises UsageError for a directory or a path that does not exist, EvidenceFormatError for an empty file, a text, an
    archive or a virtual disk, EvidenceError where the file cannot be read.
    """
    from preserve import formats  # noqa: PLC0415 - the readers import this module

    return formats.open_image(Path(path), threads=threads)


def stream(image: Image, buffer_size: int, *, ahead: int = 2, held: int = 0) -> Iterator[tuple[int, memoryview]]:
    """Yield the whole medium in order as `(offset_bytes, view)`, decoded up to `ahead` buffers ahead by threads.

    Every view but the last has `buffer_size` bytes. Buffers are recycled: a view is valid until the next turn, and for
    `held` turns after that.
    """
    if image.size <= 0:
        return
    ahead = max(ahead, 1)
    workers = max(1, min(ahead, getattr(image, "threads", None) or os.cpu_count() or 1))
    buffers = deque(memoryview(bytearray(min(buffer_size, image.size))) for _ in range(ahead + 1 + held))
    in_use: deque[memoryview] = deque()
    waiting: deque[tuple[int, memoryview, Future[int]]] = deque()
    following = 0
    pool = ThreadPoolExecutor(workers, thread_name_prefix="read")
    try:
        while True:
            while following < image.size and buffers:
                buffer = buffers.popleft()
                part = buffer[: min(buffer_size, image.size - following)]
                waiting.append((following, buffer, pool.submit(image.readinto_at, following, part)))
                following += len(part)
            if not waiting:
                return
            offset, buffer, done = waiting.popleft()
            yield offset, buffer[: done.result()]
            in_use.append(buffer)
            if len(in_use) > held:
                buffers.append(in_use.popleft())
    finally:
        # A consumer that stops early must not leave threads reading into buffers nobody wants.
        pool.shutdown(wait=True, cancel_futures=True)
