"""gzip, bzip2, xz, lzma and zstd: a single member, which may be a tar archive and is looked at like any file."""

from __future__ import annotations

import bz2
import lzma
import zlib
from typing import TYPE_CHECKING

from triage.extractors.model import Child, ExtractionError, member_container
from triage.extractors.unpacked import WINDOW_BYTES, source_chunks, unpack
from triage.extractors.zip_archive import name_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from triage.extractors.model import Context, Problem, Source
    from triage.text import Text

_GZIP = b"\x1f\x8b\x08"
_BZIP2 = b"BZh"
_XZ = b"\xfd7zXZ\x00"
_LZMA = b"\x5d\x00\x00"
_ZSTD = b"\x28\xb5\x2f\xfd"
_SUFFIXES = {".tgz": ".tar", ".tbz": ".tar", ".tbz2": ".tar", ".txz": ".tar", ".tzst": ".tar"}
_ENDINGS = (".gz", ".bz2", ".xz", ".lzma", ".zst", ".z")


def _method(head: bytes) -> Callable[[Iterator[bytes]], Iterator[bytes]] | None:
    if head.startswith(_GZIP):
        return _gunzipped
    if head.startswith(_BZIP2) and head[4:10] in (b"1AY&SY", b"\x17\x72\x45\x38\x50\x90"):
        return lambda chunks: _streams(bz2.BZ2Decompressor, chunks, _BZIP2)
    if head.startswith(_XZ):
        return lambda chunks: _streams(lambda: lzma.LZMADecompressor(memlimit=128 << 20), chunks, _XZ)
    if head.startswith(_LZMA) and head[5:13] in (b"\xff" * 8, head[5:10] + b"\0\0\0") and len(head) > 13:
        return lambda chunks: _streams(lambda: lzma.LZMADecompressor(memlimit=128 << 20), chunks, b"")
    if head.startswith(_ZSTD):
        return unzstd
    return None


def matches(head: bytes, _name: str, _size: int) -> bool:
    """The magic of one of the formats."""
    return _method(head) is not None


def _damaged() -> ExtractionError:
    return ExtractionError("damaged", "圧縮データが壊れています", "compressed data is damaged")


def _early() -> ExtractionError:
    return ExtractionError("damaged", "圧縮データが途中で切れています", "compressed data ends early")


def _gunzipped(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """All members of a gzip file; zeros and anything else after the last one are ignored."""
    unpacker = zlib.decompressobj(31)
    started = 0
    for chunk in chunks:
        pending = chunk
        while pending:
            if unpacker.eof:
                pending = pending.lstrip(b"\0") if pending[:1] == b"\0" else pending
                if not pending.startswith(_GZIP[: len(pending)]):
                    return
                unpacker = zlib.decompressobj(31)
            try:
                data = unpacker.decompress(pending, WINDOW_BYTES)
            except zlib.error:
                raise _damaged() from None
            started += len(data)
            if data:
                yield data
            pending = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
    rest = unpacker.flush()
    if rest:
        yield rest
    if not unpacker.eof:
        raise _early()


def _streams(
    make: Callable[[], bz2.BZ2Decompressor | lzma.LZMADecompressor], chunks: Iterator[bytes], magic: bytes
) -> Iterator[bytes]:
    """All streams of a bzip2 or xz file behind one another."""
    unpacker = make()
    for chunk in chunks:
        data = chunk
        while True:
            if unpacker.eof:
                data = (unpacker.unused_data or data).lstrip(b"\0")
                if not data:
                    break
                if not magic or not data.startswith(magic[: len(data)]):
                    return
                unpacker = make()
            try:
                out = unpacker.decompress(data, WINDOW_BYTES)
            except (OSError, lzma.LZMAError, EOFError, ValueError):
                raise _damaged() from None
            data = b""
            if out:
                yield out
            if not unpacker.eof and unpacker.needs_input:
                break
    if not unpacker.eof:
        raise _early()


def unzstd(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """All frames of a zstd file; says "unsupported" where the library is not installed."""
    try:
        import zstandard  # noqa: PLC0415 - optional
    except ImportError:
        raise ExtractionError("unsupported", "zstd は未対応です", "zstd is not supported here") from None
    unpacker = zstandard.ZstdDecompressor(max_window_size=128 << 20).decompressobj(read_across_frames=False)
    for chunk in chunks:
        data = chunk
        while data:
            try:
                # A frame inflates a small piece of input at a time, so that one call cannot put out gigabytes.
                out = unpacker.decompress(data[:1024])
            except zstandard.ZstdError:
                raise _damaged() from None
            consumed = data[:1024]
            data = data[1024:]
            if out:
                yield out
            if unpacker.eof:
                data = unpacker.unused_data + data
                if not data.startswith((_ZSTD, b"\x50\x2a\x4d\x18")):
                    return
                unpacker = zstandard.ZstdDecompressor(max_window_size=128 << 20).decompressobj(read_across_frames=False)
            elif not consumed:
                break
    if not unpacker.eof:
        raise _early()


def _inner_name(name: str, head: bytes) -> str:
    """Name of the content: what gzip stores, else the name without its ending."""
    if head.startswith(_GZIP) and len(head) > 10 and head[3] & 8:
        at = 10
        if head[3] & 4 and len(head) > 12:
            at += 2 + int.from_bytes(head[10:12], "little")
        raw = head[at : head.find(b"\0", at)]
        for encoding in ("utf-8", "cp932", "latin-1"):
            try:
                stored = raw.decode(encoding)
            except UnicodeDecodeError:
                continue
            if stored:
                return stored.replace("\\", "/").rpartition("/")[2] or "content"
            break
    lower = name.lower()
    for suffix, instead in _SUFFIXES.items():
        if lower.endswith(suffix):
            return name[: -len(suffix)] + instead
    for ending in _ENDINGS:
        if lower.endswith(ending) and len(name) > len(ending):
            return name[: -len(ending)]
    return name or "content"


def extract(source: Source, context: Context) -> Iterator[Text | Problem | Child]:
    """The content as a member."""
    head = source.read_at(0, 4096)
    method = _method(head)
    if method is None:
        raise _damaged()
    inner = _inner_name(source.name, head)
    container = member_container(source, inner)
    context.count_member()
    yield from name_text(container, inner)
    member = unpack(
        lambda: method(source_chunks(source)),
        context,
        name=inner,
        container=container,
        packed_bytes=source.size,
    )
    yield Child(member.source)
    if member.error is not None:
        yield member.error.problem(container)
