"""Caches and session stores of browsers: pages and replies that web mail and web forms left on the disk.

- Chromium's simple cache (one file an entry): header, key, body, end record, headers, end record.
- Chromium's block files (`data_0` … `data_3`): bodies start at block borders; compressed ones are found there.
- Firefox's cache2 (one file an entry): body, then metadata whose place the last four bytes give.
- Firefox's `jsonlz4` (sessions, search, add-ons): `mozLz40`, size, one LZ4 block.
- LevelDB tables (local storage, IndexedDB): blocks, mostly compressed with Snappy.

Bodies are unpacked as their header says (gzip, deflate, Brotli, Zstandard) and looked at like any file. Layouts:
Chromium `net/disk_cache`, Firefox `netwerk/cache2`, LevelDB `doc/table_format.md`.
"""

from __future__ import annotations

import re
import struct
import zlib
from typing import TYPE_CHECKING

from triage.extractors import binary
from triage.extractors.compressed import unzstd
from triage.extractors.model import BytesSource, Child, ExtractionError, Problem, member_container

if TYPE_CHECKING:
    from collections.abc import Iterator

    from triage.extractors.model import Context, Source
    from triage.text import Text

MAX_ENTRY_BYTES = 64 << 20
MAX_BODY_BYTES = 64 << 20

_SIMPLE = bytes.fromhex("305c72a71b6dfbfc")
_SIMPLE_END = bytes.fromhex("d8410d97456ffaf4")
_BLOCK_FILE = bytes.fromhex("c3ca04c1")
_BLOCK_HEADER_BYTES = 8192
_MOZ_LZ4 = b"mozLz40\0"
_TABLE_MAGIC = bytes.fromhex("57fb808b247547db")
_CACHE2_NAME = re.compile(r"[0-9A-F]{40}")
_ENCODING = re.compile(rb"content-encoding:\s*([a-z]+)", re.IGNORECASE)
_GZIP = b"\x1f\x8b\x08"


def matches(head: bytes, name: str, size: int) -> bool:
    """A signature; for Firefox's cache and LevelDB tables, which begin with their data, the name."""
    if head.startswith((_SIMPLE, _BLOCK_FILE, _MOZ_LZ4)):
        return True
    return (_CACHE2_NAME.fullmatch(name) is not None and size > 64) or name.lower().endswith((".ldb", ".sst"))


def extract(source: Source, context: Context) -> Iterator[Text | Problem | Child]:
    """The bodies inside, then the file's own bytes where nobody has searched them."""
    if source.size > MAX_ENTRY_BYTES:
        yield Problem(
            "limit",
            f"キャッシュのファイルが大きすぎます({source.size:,} バイト)",
            f"a cache file of {source.size:,} bytes was not taken apart",
            source.container,
        )
    else:
        data = source.read_at(0, source.size)
        context.spend(len(data))
        if data.startswith(_SIMPLE):
            yield from _simple(data, source, context)
        elif data.startswith(_BLOCK_FILE):
            yield from _block_file(data, source, context)
        elif data.startswith(_MOZ_LZ4):
            yield from _moz_lz4(data, source, context)
        elif data[-8:] == _TABLE_MAGIC:
            yield from _table(data, source, context)
        elif _CACHE2_NAME.fullmatch(source.name):
            yield from _cache2(data, source, context)
    if not context.seen_raw:
        yield from binary.extract(source, context)


def _member(body: bytes, name: str, source: Source, context: Context) -> Iterator[Child]:
    if body:
        context.count_member()
        yield Child(BytesSource(body, name, member_container(source, name)))


def _damaged(source: Source, what: tuple[str, str]) -> Problem:
    return Problem("damaged", f"{what[0]}が壊れています", f"{what[1]} is damaged", source.container)


def decoded(body: bytes, headers: bytes, context: Context) -> bytes:
    """The body as its `Content-Encoding` says; raises `ExtractionError` where it is damaged or grows too large."""
    found = _ENCODING.search(headers)
    method = found[1].lower() if found else b""
    if not method and body.startswith(_GZIP):
        method = b"gzip"
    try:
        if method in (b"gzip", b"x-gzip", b"deflate"):
            return _bounded(_inflate(body, gzip=method != b"deflate"), context)
        if method == b"br":
            return _bounded(_brotli(body), context)
        if method == b"zstd":
            return _bounded(unzstd(iter([body])), context)
    except (zlib.error, ValueError) as error:
        raise ExtractionError("damaged", "圧縮データが壊れています", "compressed data is damaged") from error
    return body


def _bounded(chunks: Iterator[bytes], context: Context) -> bytes:
    out = bytearray()
    for chunk in chunks:
        context.spend(len(chunk))
        out += chunk
        if len(out) > MAX_BODY_BYTES:
            raise ExtractionError("limit", "展開後の大きさが上限を超えました", "a body unpacks to more than the limit")
    return bytes(out)


def _inflate(body: bytes, *, gzip: bool) -> Iterator[bytes]:
    # "deflate" means zlib, but some servers send bare deflate.
    window = 31 if gzip else 15 if body[:1] == b"\x78" else -15
    unpacker = zlib.decompressobj(window)
    pending = body
    while pending and not unpacker.eof:
        yield unpacker.decompress(pending, 1 << 20)
        pending = unpacker.unconsumed_tail


def _brotli(body: bytes) -> Iterator[bytes]:
    import brotli  # noqa: PLC0415 - only where a body is compressed with it

    unpacker = brotli.Decompressor()
    try:
        yield unpacker.process(body, output_buffer_limit=1 << 20)
        while not unpacker.is_finished():
            chunk = unpacker.process(b"", output_buffer_limit=1 << 20)
            if not chunk:
                return  # cut off: what came out is all there is
            yield chunk
    except brotli.error as error:
        raise ValueError(str(error)) from error


def _decoded_member(
    body: bytes, headers: bytes, name: str, source: Source, context: Context
) -> Iterator[Child | Problem]:
    try:
        body = decoded(body, headers, context)
    except ExtractionError as error:
        yield error.problem(member_container(source, name))
        return
    yield from _member(body, name, source, context)


def _simple(data: bytes, source: Source, context: Context) -> Iterator[Child | Problem]:
    key_size = int.from_bytes(data[12:16], "little")
    start = 24 + key_size
    end = data.find(_SIMPLE_END, start)
    if start > len(data) or end < 0:
        # Written when the browser was stopped, or cut: the body is what is there.
        yield _damaged(source, ("キャッシュの項目", "a cache entry"))
        yield from _member(data[start:], "body", source, context)
        return
    yield from _decoded_member(data[start:end], data[end:], "body", source, context)


def _block_file(data: bytes, source: Source, context: Context) -> Iterator[Child | Problem]:
    block = int.from_bytes(data[12:16], "little")
    if block not in (36, 256, 1024, 4096):
        yield _damaged(source, ("キャッシュのブロックファイル", "a block file of a cache"))
        return
    for at in range(_BLOCK_HEADER_BYTES, len(data), block):
        if data.startswith(_GZIP, at):
            # A body has at most four blocks of its size.
            yield from _decoded_member(data[at : at + 4 * block], b"", f"@{at}", source, context)


def _cache2(data: bytes, source: Source, context: Context) -> Iterator[Child | Problem]:
    size = int.from_bytes(data[-4:], "big")
    if size > len(data) - 4:
        yield _damaged(source, ("キャッシュの項目", "a cache entry"))
        return
    yield from _decoded_member(data[:size], data[size:], "body", source, context)


def _moz_lz4(data: bytes, source: Source, context: Context) -> Iterator[Child | Problem]:
    import cramjam  # noqa: PLC0415 - only where such a file is met

    size = int.from_bytes(data[8:12], "little")
    if size > MAX_BODY_BYTES:
        yield Problem("limit", "展開後の大きさが上限を超えます", "it unpacks to more than the limit", source.container)
        return
    context.spend(size)
    try:
        body = bytes(cramjam.lz4.decompress_block(data[12:], output_len=size))
    except cramjam.DecompressionError:
        yield _damaged(source, ("LZ4 のデータ", "LZ4 data"))
        return
    yield from _member(body, "json", source, context)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("varint")


def _block(data: bytes, offset: int, size: int, context: Context) -> bytes:
    """A block of a table: `size` bytes, then one for the method and four of a checksum."""
    import cramjam  # noqa: PLC0415 - only where such a file is met

    if offset + size + 5 > len(data):
        raise ValueError("block")
    body = data[offset : offset + size]
    if data[offset + size] == 0:
        return body
    if data[offset + size] != 1 or _varint(body, 0)[0] > MAX_BODY_BYTES:
        raise ValueError("method")
    try:
        clear = bytes(cramjam.snappy.decompress_raw(body))
    except cramjam.DecompressionError as error:
        raise ValueError("snappy") from error
    context.spend(len(clear))
    return clear


def _entries(block: bytes) -> Iterator[bytes]:
    """Values of a block; keys share their beginnings and are left out."""
    if len(block) < 4:
        return
    restarts = int.from_bytes(block[-4:], "little")
    end = len(block) - 4 - 4 * restarts
    at = 0
    while 0 <= at < end:
        _, at = _varint(block, at)
        unshared, at = _varint(block, at)
        size, at = _varint(block, at)
        at += unshared
        yield block[at : at + size]
        at += size


def _table(data: bytes, source: Source, context: Context) -> Iterator[Child | Problem]:
    footer = data[-48:]
    try:
        at = _varint(footer, _varint(footer, 0)[1])[1]
        offset, at = _varint(footer, at)
        size, _ = _varint(footer, at)
        handles = list(_entries(_block(data, offset, size, context)))
    except (ValueError, struct.error):
        yield _damaged(source, ("LevelDB の表", "a LevelDB table"))
        return
    for handle in handles:
        try:
            offset, at = _varint(handle, 0)
            size, _ = _varint(handle, at)
            block = _block(data, offset, size, context)
        except ValueError:
            yield _damaged(source, ("LevelDB のブロック", "a block of a LevelDB table"))
            continue
        yield from _member(block, f"@{offset}", source, context)
