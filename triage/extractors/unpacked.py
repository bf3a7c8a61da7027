"""Members that come out of a decompressor: small ones in memory, large ones as a source that unpacks as it is read.

No clear content is ever written to a file. A large member is unpacked again from its start when it is read
backwards by more than a window; every byte that comes out counts against the limits of the context.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from triage.extractors.model import BytesSource, ExtractionError, LimitReachedError, OutOfOutputError, OutOfTimeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from triage.extractors.model import Context, Source

INPUT_BYTES = 1 << 16
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


class UnpackedSource:
    """A large member: reads forward through a decompressor, starts again to go back.

    Its size is not known before it was unpacked once: asking for it does that. Readers that go forward until nothing
    comes any more need not ask.
    """

    def __init__(
        self,
        restart: Callable[[], Iterator[bytes]],
        context: Context,
        *,
        name: str,
        container: str,
        allowed_bytes: int,
    ) -> None:
        self.name = name
        self.container = container
        self.error: ExtractionError | None = None
        """Why the member ends early, if it does; known once its end was met."""
        self.crc32: int | None = None
        """CRC-32 of the whole member, once it was met."""
        self._restart = restart
        self._context = context
        self._allowed = allowed_bytes
        self._chunks: Iterator[bytes] | None = None
        self._window = b""
        self._window_start = 0
        self._size: int | None = None
        self._crc = 0

    @property
    def size(self) -> int:
        """Length in bytes."""
        while self._size is None:
            self._advance()
        return self._size

    def preload(self, chunks: Iterator[bytes], first: bytes) -> None:
        """Go on with `chunks`, of which `first` was read already."""
        self._chunks = chunks
        self._window = first
        self._crc = zlib.crc32(first)

    def read_at(self, offset: int, size: int, /) -> bytes:
        """Up to `size` bytes from `offset`; short where the member ends or is damaged."""
        end = offset + size if self._size is None else min(offset + size, self._size)
        if end <= offset:
            return b""
        if offset < self._window_start:
            self._chunks = None
        parts: list[bytes] = []
        while True:
            low = max(offset - self._window_start, 0)
            have = self._window[low : end - self._window_start] if self._chunks is not None else b""
            if have:
                parts.append(have)
                offset += len(have)
            if offset >= end or not self._advance():
                return b"".join(parts)

    def _advance(self) -> bool:
        """Unpack the next chunk into the window; False at the end."""
        if self._chunks is None:
            self._chunks = self._restart()
            self._window, self._window_start, self._crc = b"", 0, 0
        try:
            chunk = next(self._chunks, b"")
            self._context.spend(len(chunk))
            if chunk and self._window_start + len(self._window) + len(chunk) > self._allowed:
                raise _too_much(self._context)
        except (OutOfTimeError, OutOfOutputError):
            raise
        except ExtractionError as error:
            self.error = error
            self._chunks = iter(())
            chunk = b""
        if not chunk:
            if self._size is None:
                self._size = self._window_start + len(self._window)
                self.crc32 = self._crc
            return False
        self._crc = zlib.crc32(chunk, self._crc)
        # What was just read stays at hand: readers step back a little for overlap.
        keep = self._window[-WINDOW_BYTES:]
        self._window_start += len(self._window) - len(keep)
        self._window = keep + chunk
        return True


def _too_much(context: Context) -> LimitReachedError:
    ratio = context.limits.ratio
    return LimitReachedError(f"圧縮率が上限({ratio}倍)を超えました", f"unpacks to more than {ratio} times its size")


class Member:
    """What `unpack` made of a member: its source, and the error that cut it short, if any."""

    __slots__ = ("_crc32", "_error", "source")

    def __init__(
        self, source: BytesSource | UnpackedSource, crc32: int | None = None, error: ExtractionError | None = None
    ) -> None:
        self.source = source
        self._crc32 = crc32
        self._error = error

    @property
    def error(self) -> ExtractionError | None:
        """Why the member is shorter than it was; of a large one, known after it was read."""
        return self.source.error if isinstance(self.source, UnpackedSource) else self._error

    @property
    def crc32(self) -> int | None:
        """CRC-32 of the whole content; of a large member, None until its end was met."""
        return self.source.crc32 if isinstance(self.source, UnpackedSource) else self._crc32


def unpack(
    restart: Callable[[], Iterator[bytes]],
    context: Context,
    *,
    name: str,
    container: str,
    packed_bytes: int,
) -> Member:
    """Unpack a member: into memory if it is small enough, else as a source that unpacks while it is read.

    A damaged member keeps what came before the damage. A member that puts out more than the limits allow for its
    `packed_bytes` is cut there.
    """
    limits = context.limits
    allowed = max(limits.ratio_free_bytes, limits.ratio * packed_bytes)
    memory = context.memory_for_member()
    parts: list[bytes] = []
    size = 0
    error: ExtractionError | None = None
    chunks = restart()
    try:
        for chunk in chunks:
            context.spend(len(chunk))
            size += len(chunk)
            parts.append(chunk)
            if size > memory:
                source = UnpackedSource(restart, context, name=name, container=container, allowed_bytes=allowed)
                source.preload(chunks, b"".join(parts))
                return Member(source)
    except (OutOfTimeError, OutOfOutputError):
        raise
    except ExtractionError as caught:
        error = caught
    data = b"".join(parts)
    return Member(BytesSource(data, name, container), zlib.crc32(data), error)
