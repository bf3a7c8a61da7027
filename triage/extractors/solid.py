"""Members that were packed together as one stream (7z, CAB): one pass gives the small ones, large ones stream alone."""

from __future__ import annotations

import posixpath
import zlib
from typing import TYPE_CHECKING, NamedTuple

from triage.extractors.model import (
    BytesSource,
    Child,
    ExtractionError,
    LimitReachedError,
    OutOfOutputError,
    OutOfTimeError,
    Problem,
)
from triage.extractors.unpacked import UnpackedSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from triage.extractors.model import Context


class SolidMember(NamedTuple):
    """A range of the stream; `crc32` is None where none is stored."""

    name: str
    container: str
    offset: int
    size: int
    crc32: int | None = None


class _Stream:
    """The stream, read forward; `error` says why it ended early."""

    def __init__(self, chunks: Iterator[bytes], context: Context) -> None:
        self._chunks = chunks
        self._context = context
        self._pending = b""
        self._position = 0
        self.error: ExtractionError | None = None

    def read(self, offset: int, size: int, *, keep: bool) -> bytes | None:
        """`size` bytes at `offset`, not before the last read; None where they are not kept or not there."""
        parts: list[bytes] = []
        end = offset + size
        while self._position < end:
            if not self._pending and not self._advance():
                return b"".join(parts) if parts else None
            low = min(max(offset - self._position, 0), len(self._pending))
            high = min(end - self._position, len(self._pending))
            if keep and high > low:
                parts.append(self._pending[low:high])
            self._position += high
            self._pending = self._pending[high:]
        return b"".join(parts) if keep else None

    def _advance(self) -> bool:
        if self.error is not None:
            return False
        try:
            self._pending = next(self._chunks, b"")
            self._context.spend(len(self._pending))
        except (OutOfTimeError, OutOfOutputError):
            raise
        except ExtractionError as error:
            self.error = error
            self._pending = b""
        if not self._pending and self.error is None:
            self.error = ExtractionError("damaged", "圧縮データが途中で切れています", "compressed data ends early")
        return bool(self._pending)


def part_of(chunks: Iterator[bytes], offset: int, size: int) -> Iterator[bytes]:
    """The bytes `offset` to `offset + size` of a stream."""
    for chunk in chunks:
        part = chunk[offset:]
        offset -= len(chunk) - len(part)
        part = part[:size]
        size -= len(part)
        if part:
            yield part
        if size <= 0:
            return


def divide(
    restart: Callable[[], Iterator[bytes]], members: list[SolidMember], context: Context, *, packed_bytes: int
) -> Iterator[Problem | Child]:
    """The members, which come in the order of their offsets; `restart` begins the stream afresh."""
    limits = context.limits
    allowed = max(limits.ratio_free_bytes, limits.ratio * packed_bytes)
    too_much = LimitReachedError(
        f"圧縮率が上限({limits.ratio}倍)を超えました", f"unpacks to more than {limits.ratio} times its size"
    )
    stream = _Stream(restart(), context)
    for member in members:
        if not member.size:
            continue
        if member.offset + member.size > allowed:
            yield too_much.problem(member.container)
            continue
        last = posixpath.basename(member.name)
        if member.size > context.memory_for_member():
            yield Child(_alone(restart, member, context, last))
            stream.read(member.offset, member.size, keep=False)
            if stream.error is not None:
                yield stream.error.problem(member.container)
            continue
        data = stream.read(member.offset, member.size, keep=True)
        if data:
            yield Child(BytesSource(data, last, member.container))
        if stream.error is not None:
            yield stream.error.problem(member.container)
        elif member.crc32 is not None and zlib.crc32(data or b"") != member.crc32:
            yield Problem("damaged", "チェックサムが一致しません", "the checksum does not match", member.container)


def _alone(restart: Callable[[], Iterator[bytes]], member: SolidMember, context: Context, name: str) -> UnpackedSource:
    return UnpackedSource(
        lambda: part_of(restart(), member.offset, member.size),
        context,
        name=name,
        container=member.container,
        allowed_bytes=member.size,
    )
