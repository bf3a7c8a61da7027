"""Members that come out of a decompressor: small ones in memory, large ones as a source that unpacks as it is read.

No clear content is ever written to a file. A large member is unpacked again from the nearest checkpoint when it is
read backwards; every byte that comes out counts against the limits of the context.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from triage.extractors.model import BytesSource, ExtractionError, LimitReachedError, OutOfOutputError, OutOfTimeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from triage.extractors.model import Context, Source

INPUT_BYTES = 1 << 16
CHECKPOINT_BYTES = 16 << 20
WINDOW_BYTES = 1 << 20


def source_chunks(source: Source, offset: int = 0, size: int | None = None) -> Iterator[bytes]:
    """The bytes of `source` from `offset` on, `size` of them or all, in chunks."""
    end = source.size if size is None else min(source.size, offset + size)
    while offset < end:
        data = source.read_at(offset, min(INPUT_BYTES, end - offset))
        if not data:
            return
        yield data
        offset += len(data)


def inflated(chunks: Iterator[bytes], *, wbits: int = -15) -> Iterator[bytes]:
    """What a deflate stream holds, in chunks of at most 1 MiB; what is readable of a damaged one comes first."""
    unpacker = zlib.decompressobj(wbits)
    for chunk in chunks:
        pending = chunk
        while pending and not unpacker.eof:
            try:
                data = unpacker.decompress(pending, WINDOW_BYTES)
            except zlib.error:
                raise ExtractionError("damaged", "圧縮データが壊れています", "compressed data is damaged") from None
            if data:
                yield data
            pending = unpacker.unconsumed_tail
        if unpacker.eof:
            return
    rest = unpacker.flush()
    if rest:
        yield rest
    if not unpacker.eof:
        raise ExtractionError("damaged", "圧縮データが途中で切れています", "compressed data ends early")


@dataclass(slots=True)
class UnpackedSource:
    """A large member: reads forward through a decompressor, starts again to go back."""

    name: str
    container: str
    size: int
    _restart: Callable[[], Iterator[bytes]] = field(repr=False)
    _context: Context = field(repr=False)
    _chunks: Iterator[bytes] | None = field(default=None, repr=False)
    _window: bytes = field(default=b"", repr=False)
    _window_start: int = 0
    problem: ExtractionError | None = None
    """Why the member ended early, if it did."""

    def read_at(self, offset: int, size: int, /) -> bytes:
        """Up to `size` bytes from `offset`; short where the member ends or is damaged."""
        end = min(offset + size, self.size)
        if end <= offset:
            return b""
        if self._chunks is None or offset < self._window_start:
            self._chunks = self._restart()
            self._window, self._window_start = b"", 0
        parts: list[bytes] = []
        while True:
            low = max(offset - self._window_start, 0)
            have = self._window[low : end - self._window_start]
            if have and self._window_start + low == offset:
                parts.append(have)
                offset += len(have)
            if offset >= end:
                break
            chunk = self._next()
            if not chunk:
                break
            # What was just read stays at hand: readers step back a little for overlap.
            keep = self._window[-WINDOW_BYTES:]
            self._window_start += len(self._window) - len(keep)
            self._window = keep + chunk
        return b"".join(parts)

    def _next(self) -> bytes:
        assert self._chunks is not None
        try:
            chunk = next(self._chunks, b"")
        except (OutOfTimeError, OutOfOutputError):
            raise
        except ExtractionError as error:
            self.problem = error
            self._chunks = iter(())
            return b""
        self._context.spend(len(chunk))
        return chunk


class Member:
    """What `unpack` made of a member: its source, and the error that cut it short, if any."""

    __slots__ = ("_first_error", "crc32", "size", "source")

    def __init__(self, source: BytesSource | UnpackedSource, crc32: int, error: ExtractionError | None) -> None:
        self.source = source
        self.size = source.size
        self.crc32 = crc32
        self._first_error = error

    @property
    def error(self) -> ExtractionError | None:
        """Why the member is shorter than it was, if it is."""
        if self._first_error is None and isinstance(self.source, UnpackedSource):
            return self.source.problem
        return self._first_error


def unpack(
    restart: Callable[[], Iterator[bytes]],
    context: Context,
    *,
    name: str,
    container: str,
    packed_bytes: int,
) -> Member:
    """Unpack a member once: into memory if it is small enough, else to learn its size and checksum.

    A damaged member keeps what came before the damage. A member that puts out more than the limits allow for its
    `packed_bytes` is cut there.
    """
    limits = context.limits
    allowed = max(limits.ratio_free_bytes, limits.ratio * packed_bytes)
    memory = context.memory_for_member()
    parts: list[bytes] | None = []
    size = 0
    crc = 0
    error: ExtractionError | None = None
    try:
        for chunk in restart():
            context.spend(len(chunk))
            size += len(chunk)
            crc = zlib.crc32(chunk, crc)
            if parts is not None:
                parts.append(chunk)
                if size > memory:
                    parts = None
            if size > allowed:
                raise LimitReachedError(
                    f"圧縮率が上限({limits.ratio}倍)を超えました",
                    f"unpacks to more than {limits.ratio} times its size",
                )
    except (OutOfTimeError, OutOfOutputError):
        raise
    except ExtractionError as caught:
        error = caught
    if parts is not None:
        return Member(BytesSource(b"".join(parts), name, container), crc, error)
    return Member(UnpackedSource(name, container, size, restart, context), crc, error)
