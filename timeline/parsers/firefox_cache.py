"""The HTTP cache of Firefox: `cache2` entries (since 32) and the block files `_CACHE_001_` … (before).

Formats: Mozilla, `netwerk/cache2/CacheFileMetadata.h`; `netwerk/cache/nsDiskCache*.h`. Times are whole seconds.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from timeline import stamps
from timeline.event import Event, Problem
from timeline.http_reply import headers_of, reply_fields
from timeline.stamps import unix

if TYPE_CHECKING:
    from collections.abc import Iterator

    from timeline.sources import Context, SourceFile

NAME = "firefox_cache"
NAMES = re.compile(r"[0-9a-f]{40}|_cache_00[123]_")
BLOCKS = {"_cache_001_": 256, "_cache_002_": 1024, "_cache_003_": 4096}
BITMAP_BYTES = 4096
CHUNK_BYTES = 1 << 18
MOST_BYTES = 1 << 28
MOST_META_BYTES = 1 << 20


def matches(file: SourceFile) -> bool:
    """By name, with a frame that fits: entries have no signature."""
    name = file.name.lower()
    if name in BLOCKS:
        return file.size > BITMAP_BYTES
    return NAMES.fullmatch(name) is not None and file.size > 40 and _meta(file) is not None


def parse(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    """When each entry was last fetched, changed, and its reply's `Date`."""
    if file.name.lower() in BLOCKS:
        yield from _blocks(file, context)
        return
    meta = _meta(file)
    if meta is None:
        yield Problem(file.layer, "damaged", "no entry of a cache")
        return
    yield from _entry2(file, *meta)


def _be32(raw: bytes, at: int) -> int:
    return int.from_bytes(raw[at : at + 4], "big")


def _meta(file: SourceFile) -> tuple[bytes, int] | None:
    """The metadata of a cache2 entry and the size of its body; None where the frame does not fit."""
    start = int.from_bytes(file.read_at(file.size - 4, 4), "big")
    chunks = -(-start // CHUNK_BYTES)
    if start + 4 + 2 * chunks + 32 > file.size or file.size - start > MOST_META_BYTES:
        return None
    raw = file.read_at(start + 4 + 2 * chunks, file.size - start)[:-4]
    return (raw, start) if 1 <= _be32(raw, 0) <= 3 and 0 < _be32(raw, 24) < 1 << 16 else None


def _entry2(file: SourceFile, raw: bytes, body: int) -> Iterator[Event | Problem]:
    version, fetched_count, fetched, modified, _, expires, key_bytes = (_be32(raw, 4 * place) for place in range(7))
    at = 32 if version >= 2 else 28
    key = raw[at : at + key_bytes].decode("utf-8", "replace")
    members = _members(raw[at + key_bytes + 1 :])
    found = re.search(r"(?:^|,):(.*)$", key)
    url = found[1] if found is not None else key
    yield from _times(file, url, file.name, 0, fetched, modified, expires, fetched_count, members, body)


def _members(raw: bytes) -> dict[str, bytes]:
    parts = raw.split(b"\0")
    return {parts[i].decode("latin-1"): parts[i + 1] for i in range(0, min(len(parts) - 1, 64) - 1, 2) if parts[i]}


def _times(
    file: SourceFile, url: str, record: str, sequence: int, fetched: int, modified: int, expires: int, count: int,
    members: dict[str, bytes], body: int,
) -> Iterator[Event]:  # fmt: skip
    status, headers = headers_of(members.get("response-head", b""))
    # Firefox notes no time of the request: what it keeps is when the entry was changed, after the reply came.
    data = reply_fields(status, headers, response=unix(modified)) | {
        "method": members.get("request-method", b"").decode("latin-1"),
        "fetched_count": count,
    }
    actor = stamps.user_of(file.path)
    if modified:
        yield unix(modified).event(
            "web.cache_reply", "Cache Entry Changed", record=record, sequence=sequence, actor=actor, path=url,
            size=body, data=data,
        )  # fmt: skip
    if fetched and fetched != modified:
        yield unix(fetched).event(
            "web.cache_used", "Cache Entry Last Used", record=record, sequence=sequence, actor=actor, path=url,
            size=body,
            data={"status": status, "fetched_count": count},
        )  # fmt: skip
    if 0 < expires < 0xFFFF_FFFF:
        yield unix(expires).event(
            "web.cache_expires", "Cache Entry Expires", record=record, sequence=sequence, actor=actor, path=url,
            data={"status": status},
        )  # fmt: skip


def _blocks(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    """Entries in a block file: each begins a block with its version and the sizes of its parts."""
    block = BLOCKS[file.name.lower()]
    if file.size > MOST_BYTES:
        yield Problem(file.layer, "limit", f"only the first {MOST_BYTES} bytes were read")
    raw = file.read(MOST_BYTES)
    at, number = BITMAP_BYTES, 0
    while at + 36 <= len(raw):
        major, minor = int.from_bytes(raw[at : at + 2], "big"), int.from_bytes(raw[at + 2 : at + 4], "big")
        request, info = _be32(raw, at + 28), _be32(raw, at + 32)
        size = 36 + request + info
        if (
            major != 1
            or not 8 <= minor <= 25
            or not 0 < request <= 4 * block
            or info > 4 * block
            or at + size > len(raw)
        ):
            at += block
            continue
        if number % 4096 == 0 and context.expired():
            yield Problem(file.layer, "limit", "time is up: the rest was not read", at)
            return
        key = raw[at + 36 : at + 36 + request].rstrip(b"\0").decode("utf-8", "replace")
        members = _members(raw[at + 36 + request : at + size])
        count, fetched, modified, expires, body = (_be32(raw, at + place) for place in (8, 12, 16, 20, 24))
        yield from _times(
            file, key.partition(":")[2], f"block {(at - BITMAP_BYTES) // block}", number, fetched, modified, expires,
            count, members, body,
        )  # fmt: skip
        number += 1
        at += -(-size // block) * block
