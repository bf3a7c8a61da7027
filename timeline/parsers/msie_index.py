"""Cache files of Internet Explorer up to 9: `index.dat` of history, cache and cookies.

Format: libyal "MSIE Cache File (index.dat) format". Both times of a record are UTC, but in daily and weekly history the
first one is local time.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from timeline import times
from timeline.event import Event, Problem
from timeline.http_reply import headers_of, reply_fields
from timeline.stamps import Stamp, ansi, filetime, local, u32, u64, user_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from timeline.sources import Context, SourceFile

NAME = "msie_index"
SIGNATURES = (b"Client UrlCache MMF Ver ",)
FIRST_BLOCK = 0x4000
BLOCK_BYTES = 128
BITMAP_OFFSET = 0x250
MOST_BYTES = 1 << 28
_PERIOD = re.compile(r":(\d{8})(\d{8}): ?(.*)", re.DOTALL)
_VISITED = re.compile(r"(Visited|Cookie|DOMStore|PrivacIE|iecompat|ietld|feedplat|userdata): ?(.*)", re.DOTALL)


def matches(file: SourceFile) -> bool:
    """The signature."""
    return file.head.startswith(SIGNATURES)


def parse(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    """Every record, those in blocks that are marked free as deleted."""
    if file.size > MOST_BYTES:
        yield Problem(file.layer, "limit", f"only the first {MOST_BYTES} bytes were read")
    raw = file.read(MOST_BYTES)
    version = raw[24:27].decode("ascii", "replace")
    if version not in ("5.2", "4.7"):
        yield Problem(file.layer, "unsupported", f"version {version} of the format")
        return
    if u32(raw, 0x1C) > len(raw):
        yield Problem(file.layer, "damaged", f"{len(raw)} of {u32(raw, 0x1C)} bytes are there", len(raw))
    at = FIRST_BLOCK
    number = 0
    while at + BLOCK_BYTES <= len(raw):
        kind = raw[at : at + 4]
        blocks = u32(raw, at + 4)
        if kind not in (b"URL ", b"LEAK", b"REDR") or not 0 < blocks <= 1 << 12:
            at += BLOCK_BYTES
            continue
        block = (at - FIRST_BLOCK) // BLOCK_BYTES
        used = raw[BITMAP_OFFSET + block // 8] >> block % 8 & 1 if BITMAP_OFFSET + block // 8 < FIRST_BLOCK else 1
        record = raw[at : at + blocks * BLOCK_BYTES]
        number += 1
        state = "" if used else "deleted"
        if kind == b"REDR":
            yield Stamp(None, "0", 100).event(
                "web.redirect", "No Time", record=f"REDR {at:#x}", sequence=number, actor=user_of(file.path),
                path=ansi(record[16:], context.language), state=state,
            )  # fmt: skip
        else:
            yield from _url(file, record, kind.decode().strip(), at, number, state, version, context)
        # A free block may be the rest of a longer record: go on by one block there.
        at += BLOCK_BYTES * (blocks if used else 1)


def _url(
    file: SourceFile, record: bytes, kind: str, at: int, number: int, state: str, version: str, context: Context
) -> Iterator[Event]:  # fmt: skip
    old = version == "4.7"
    location_at = u32(record, 0x38 if old else 0x34)
    file_at = u32(record, 0x40 if old else 0x3C)
    data_at, data_bytes = (u32(record, 0x48), u32(record, 0x4C)) if old else (u32(record, 0x44), u32(record, 0x48))
    hits = u32(record, 0x58 if old else 0x54)
    location = ansi(record[location_at:], context.language) if 0 < location_at < len(record) else ""
    first, second = u64(record, 8), u64(record, 16)
    record_name = f"{kind} {at:#x}"
    visited, period = _VISITED.fullmatch(location), _PERIOD.fullmatch(location)
    path = visited[2] if visited is not None else period[3] if period is not None else location
    actor, _, address = path.partition("@") if visited is not None or period is not None else ("", "", path)
    if not address or not re.match(r"[a-z][a-z0-9+.-]*:|Host:|[^/]+/", address, re.IGNORECASE):
        actor, address = "", path
    actor = actor or user_of(file.path)
    status, headers = "", dict[str, str]()
    if 0 < data_bytes <= len(record) - data_at and record[data_at : data_at + 5] == b"HTTP/":
        status, headers = headers_of(record[data_at : data_at + data_bytes])
    data: dict[str, object] = {
        "hits": hits,
        "cache_file": ansi(record[file_at:], context.language) if 0 < file_at < len(record) else "",
        "location": location if location != address else "",
        **(reply_fields(status, headers) if status else {}),
    }
    size = u32(record, 0x20) or None

    def made(stamp: Stamp, kind: str, desc: str, more: dict[str, object], bytes_kept: int | None = None) -> Event:
        return stamp.event(
            kind, desc, record=record_name, sequence=number, actor=actor, path=address, size=bytes_kept, data=more,
            state=state,
        )  # fmt: skip

    if period is not None:
        more = data | {"period": f"{period[1]}-{period[2]}"}
        yield made(local(times.filetime(first), str(first), 100, context), "web.visit", "Last Visited (local)", more)
        if second:
            yield made(filetime(second), "web.visit", "Last Visited", more)
    elif visited is not None and visited[1] == "Visited":
        if second:
            yield made(filetime(second), "web.visit", "Last Visited", data)
        if first and first != second:
            yield made(filetime(first), "web.visit_changed", "Last Changed", data)
    else:
        name = "cookie" if visited is not None else "cache"
        if second:
            yield made(filetime(second), f"web.{name}_used", "Last Accessed", data, size)
        if first:
            yield made(filetime(first), f"web.{name}_modified", "Last Modified", data, size)
    if not old:
        for value, what, desc in (
            (u32(record, 0x50), "web.cache_checked", "Last Checked"),
            (u32(record, 24), "web.cache_expires", "Cache Entry Expires"),
        ):
            if value & 0xFFFF and value != 0xFFFF_FFFF:
                yield made(_dos(value), what, desc, {"location": location})


def _dos(value: int) -> Stamp:
    """DOS date (low word) and time (high word), which the browser made from UTC."""
    return Stamp(times.dos(value & 0xFFFF, value >> 16), f"0x{value:08x}", 2 * times.NS)
