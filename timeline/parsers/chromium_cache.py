"""The HTTP cache of Chrome and Edge, both forms: block files (`index`, `data_0` …) and one file an entry (`…_0`).

A reply carries three times: when the computer asked, when it got the answer, and the server's `Date`. They tie the
computer's clock to the server's. Formats: Chromium, `net/disk_cache/blockfile/disk_format*.h`,
`net/disk_cache/simple/simple_entry_format.h`, `net/http/http_response_info.cc`.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

from timeline import stamps
from timeline.event import Event, Problem
from timeline.http_reply import headers_of, reply_fields
from timeline.stamps import Stamp, u32, u64, webkit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from timeline.sources import Context, SourceFile

NAME = "chromium_cache"
INDEX = bytes.fromhex("c3ca03c1")
SIMPLE = bytes.fromhex("305c72a71b6dfbfc")
SIMPLE_END = bytes.fromhex("d841 0d97 456f faf4".replace(" ", ""))
SIGNATURES = (INDEX, SIMPLE)
TABLE_OFFSET = 368
BLOCKS_OFFSET = 8192
BLOCK_BYTES = {1: 36, 2: 256, 3: 1024, 4: 4096}
MOST_ENTRIES = 2_000_000
MOST_FILE_BYTES = 1 << 30
MOST_HEADER_BYTES = 1 << 18
_KEY = re.compile(rb"(?:[0-9]+/[0-9]+/|_dk_|https?://|chrome|ftp://)[\x20-\x7e]*")


def matches(file: SourceFile) -> bool:
    """The magic number of an index or of an entry; entries of simple caches end in `_0`."""
    if file.head[:8] == SIMPLE:
        return re.fullmatch(r"[0-9a-f]{16}_0", file.name.lower()) is not None
    return file.head[:4] == INDEX and file.name.lower() == "index"


def parse(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    """Of each entry when it was made, last used, and its reply."""
    if file.head[:8] == SIMPLE:
        yield from _simple(file)
        return
    yield from _BlockFiles(file, context).events()


def url_of(key: str) -> str:
    """The address in a key of the cache: `1/0/_dk_https://a.example https://b.example https://c.example/x`."""
    return key.rpartition(" ")[2] if "_dk_" in key else re.sub(r"^\d+/\d+/", "", key)


class _BlockFiles:
    """A cache of block files, opened by its index."""

    def __init__(self, index: SourceFile, context: Context) -> None:
        self._index = index
        self._context = context
        self._files: dict[int, SourceFile | None] = {}
        self._missing: set[str] = set()
        self._problems: list[Problem] = []

    def events(self) -> Iterator[Event | Problem]:
        head = self._index.read_at(0, TABLE_OFFSET)
        entries, length = u32(head, 8), u32(head, 28) or 0x10000
        if length > 1 << 22 or len(head) < TABLE_OFFSET:
            yield Problem(self._index.layer, "damaged", f"its table claims {length} places")
            return
        table = self._index.read_at(TABLE_OFFSET, 4 * length)
        if len(table) < 4 * length:
            yield Problem(self._index.layer, "damaged", "its table is cut off", TABLE_OFFSET + len(table))
        visited: set[int] = set()
        found = 0
        for (first,) in struct.iter_unpack("<I", table[: len(table) & ~3]):
            address = first
            while address & 0x8000_0000 and address not in visited and len(visited) < MOST_ENTRIES:
                visited.add(address)
                raw = self._block(address, "an entry")
                if len(raw) < 256:
                    break
                found += 1
                yield from self._entry(raw, found, deleted=False)
                address = u32(raw, 4)
            if self._context.expired():
                yield Problem(self._index.layer, "limit", "time is up: the rest was not read")
                return
        if found < entries:
            self._problems.append(
                Problem(self._index.layer, "damaged", f"the index counts {entries} entries, {found} were found")
            )
        yield from self._unlisted(visited, found)
        yield from self._problems

    def _unlisted(self, visited: set[int], count: int) -> Iterator[Event]:
        """Entries that stand in the block files though the index does not name them: removed ones."""
        for file in self._index.siblings():
            number = re.fullmatch(r"data_(\d{1,3})", file.name.lower())
            head = file.read_at(0, 64)
            if (
                number is None
                or head[:4] != bytes.fromhex("c3ca04c1")
                or u32(head, 12) != 256
                or file.size > MOST_FILE_BYTES
            ):
                continue
            raw = file.read(MOST_FILE_BYTES)
            for block in range((len(raw) - BLOCKS_OFFSET) // 256):
                address = 2 << 28 | int(number[1]) << 16 | block
                if any(address | 0x8000_0000 | size << 24 in visited for size in range(4)):
                    continue
                one = raw[BLOCKS_OFFSET + 256 * block : BLOCKS_OFFSET + 256 * block + 1024]
                created, length = u64(one, 24), u32(one, 32)
                if 12_900_000_000_000_000 < created < 15_000_000_000_000_000 and 0 < length < 1 << 16:
                    key = one[96 : 96 + min(length, 160)]
                    if _KEY.fullmatch(key.rstrip(b"\0")) is not None:
                        count += 1
                        yield from self._entry(one, count, deleted=True)

    def _block(self, address: int, what: str) -> bytes:
        """The bytes at a cache address; empty, with a note, where they are not there."""
        kind = address >> 28 & 7
        if not address & 0x8000_0000:
            return b""
        if kind == 0:
            name, offset, size = f"f_{address & 0x0FFFFFFF:06x}", 0, MOST_HEADER_BYTES
        elif kind in BLOCK_BYTES:
            name = f"data_{address >> 16 & 0xFF}"
            offset = BLOCKS_OFFSET + (address & 0xFFFF) * BLOCK_BYTES[kind]
            size = BLOCK_BYTES[kind] * ((address >> 24 & 3) + 1)
        else:
            return b""
        number = address >> 16 & 0xFF if kind else 0x100 + (address & 0x0FFFFFFF)
        if number not in self._files:
            self._files[number] = self._index.sibling(name)
        file = self._files[number]
        if file is None:
            if name not in self._missing and len(self._missing) < 32:
                self._missing.add(name)
                self._problems.append(
                    Problem(self._index.layer, "incomplete", f"{name}, which holds {what}, is not there")
                )
            return b""
        return file.read_at(offset, size)

    def _entry(self, raw: bytes, number: int, *, deleted: bool) -> Iterator[Event]:
        length = int.from_bytes(raw[32:36], "little", signed=True)
        long_key = u32(raw, 36)
        if length > 0 and not long_key:
            key_raw = raw[96 : 96 + length]
        else:
            key_raw = self._block(long_key, "a long key")[: max(0, min(length, 1 << 16))]
        key = key_raw.decode("utf-8", "replace")
        url = url_of(key)
        sizes = struct.unpack_from("<4i", raw, 40)
        addresses = struct.unpack_from("<4I", raw, 56)
        data: dict[str, object] = {"body_bytes": sizes[1] if sizes[1] > 0 else None}
        if key != url:
            data["key"] = key
        state = "deleted" if deleted else ""
        record = f"entry {u32(raw, 0):08x}"
        body = sizes[1] if sizes[1] > 0 else None
        yield webkit(u64(raw, 24)).event(
            "web.cache_entry", "Cache Entry Created", record=record, sequence=number, path=url, size=body, data=data,
            state=state,
        )  # fmt: skip
        if not deleted:
            node = self._block(u32(raw, 8), "times of use")
            if len(node) >= 16:
                used, modified = u64(node, 0), u64(node, 8)
                if used:
                    yield webkit(used).event(
                        "web.cache_used", "Cache Entry Last Used", record=record, sequence=number, path=url, data=data
                    )
                if modified and modified != used:
                    yield webkit(modified).event(
                        "web.cache_changed", "Cache Entry Changed", record=record, sequence=number, path=url, data=data
                    )
        if 0 < sizes[0] <= MOST_HEADER_BYTES:
            info = self._block(addresses[0], "headers of replies")[: sizes[0]]
            event = reply_event(info, url, record=record, sequence=number, size=body, state=state)
            if event is not None:
                yield event


def reply_event(
    info: bytes, url: str, *, record: str, sequence: int = 0, size: int | None = None, state: str = ""
) -> Event | None:
    """The reply in a pickled HttpResponseInfo: flags, request time, response time, headers; None where it is none."""
    at = info.find(b"HTTP/")
    if at < 24 or at > 64:
        return None
    # Since 2024 the highest bit of the flags announces a second word of flags before the times.
    place = 12 if u32(info, 4) & 0x80000000 else 8
    request, response = webkit(u64(info, place)), webkit(u64(info, place + 8))
    if not all(0 < u64(info, at_time) < 1 << 56 for at_time in (place, place + 8)):
        request, response = Stamp(None, str(u64(info, place)), 1000), Stamp(None, str(u64(info, place + 8)), 1000)
    end = info.find(b"\0\0", at)
    length = u32(info, at - 4)
    raw = info[at : at + length] if 0 < length <= len(info) - at else info[at : end if end > 0 else len(info)]
    status, headers = headers_of(raw)
    data = reply_fields(status, headers, request=request, response=response)
    return response.event(
        "web.cache_reply",
        "Response Received",
        record=record,
        sequence=sequence,
        path=url,
        size=size,
        data=data,
        state=state,
    )


def _simple(file: SourceFile) -> Iterator[Event | Problem]:
    """An entry of a simple cache: header, key, body, end mark, headers of the reply, perhaps a hash, end mark."""
    key_bytes = u32(file.head, 12)
    if key_bytes > 1 << 20 or file.size < 24 + key_bytes + 48:
        yield Problem(file.layer, "damaged", "cut off within its key")
        return
    key = file.read_at(24, key_bytes).decode("utf-8", "replace")
    url = url_of(key)
    last = file.read_at(file.size - 24, 24)
    if last[:8] != SIMPLE_END:
        yield Problem(file.layer, "damaged", "no end mark: cut off, or in use when it was copied")
        return
    flags, size = u32(last, 8), u32(last, 16)
    end = file.size - 24 - (32 if flags & 2 else 0)
    if size > min(MOST_HEADER_BYTES, end):
        yield Problem(file.layer, "damaged", f"its headers claim {size} bytes")
        return
    body = max(0, end - size - 24 - 24 - key_bytes)
    event = reply_event(file.read_at(end - size, size), url, record=file.name, size=body)
    if event is None:
        yield Problem(file.layer, "unsupported", "an entry without a reply")
        return
    yield _with_actor(event, file)


def _with_actor(event: Event, file: SourceFile) -> Event:
    from dataclasses import replace  # noqa: PLC0415 - one import for one place

    return replace(event, actor=stamps.user_of(file.path))
