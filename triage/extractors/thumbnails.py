"""Thumbnails of Windows: `thumbcache_*.db` (Vista to 11), whose pictures are handed on to be read like any other.

A small picture of a card survives the card's own file. Old `Thumbs.db` files are compound files (`compound`).

Format: libyal "Windows Explorer Thumbnail Cache database file format" (libwtcdb).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from triage.extractors.model import Child, Problem, member_container
from triage.extractors.tar import RangeSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from triage.extractors.model import Context, Source
    from triage.text import Text

SIGNATURE = b"CMMM"
_VERSIONS = frozenset((20, 21, 30, 31, 32))
"""Vista, 7, 8, 8.1, 10 and 11."""
_LEAST_ENTRY = 24
_SEARCHED = 1 << 20


def matches(head: bytes, _name: str, size: int) -> bool:
    """The signature with a known version."""
    return head.startswith(SIGNATURE) and size >= 24 and int.from_bytes(head[4:8], "little") in _VERSIONS


def picture_kind(data: bytes) -> str:
    """Ending of the kind of picture that `data` begin; "" for none."""
    for magic, ending in ((b"\xff\xd8\xff", "jpg"), (b"\x89PNG", "png"), (b"BM", "bmp")):
        if data.startswith(magic):
            return ending
    return ""


def _entry(source: Source, at: int, version: int) -> tuple[int, int, int, int] | None:
    """(size of the entry, offset and size of its picture, hash) of the entry at `at`; None where none is."""
    head = source.read_at(at, 56)
    if len(head) < 48 or head[:4] != SIGNATURE:
        return None
    size = int.from_bytes(head[4:8], "little")
    digest = int.from_bytes(head[8:16], "little")
    # Vista keeps the extension behind the hash; from 8 on width and height stand behind the sizes.
    fields, header = {20: (24, 56), 21: (16, 48)}.get(version, (16, 56))
    name, padding, data = struct.unpack_from("<3I", head, fields)
    if size < _LEAST_ENTRY or at + size > source.size or header + name + padding + data > size:
        return None
    return size, at + header + name + padding, data, digest


def extract(source: Source, context: Context) -> Iterator[Text | Problem | Child]:
    """Each picture; after damage the next entry is looked for."""
    version, _, first = struct.unpack("<3I", source.read_at(4, 12).ljust(12, b"\0"))
    # The offset of the first entry stands third or fourth, by version; entries follow the header in all.
    at = first if 24 <= first <= 64 and source.read_at(first, 4) == SIGNATURE else 24
    damaged = 0
    while at + _LEAST_ENTRY <= source.size:
        context.check_time()
        found = _entry(source, at, version)
        if found is None:
            place = source.read_at(at + 1, _SEARCHED).find(SIGNATURE)
            damaged += source.read_at(at, 4) == SIGNATURE
            at += 1 + place if place >= 0 else _SEARCHED - 3
            continue
        size, offset, length, digest = found
        if length:
            ending = picture_kind(source.read_at(offset, 8))
            if ending:
                context.count_member()
                name = f"{digest:016x}.{ending}"
                yield Child(RangeSource(source, offset, length, name, member_container(source, name)))
        at += size
    if damaged:
        yield Problem(
            "damaged",
            f"サムネイルの項目 {damaged} 個が壊れています",
            f"{damaged} entries of the thumbnail cache are damaged",
            source.container,
        )
