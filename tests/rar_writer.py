"""RAR 5 and RAR 4 archives with stored members, for tests and the corpus ("RAR 5.0 archive format", RARLAB)."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def _number(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


def _block(body: bytes, data: bytes = b"") -> bytes:
    checked = _number(len(body)) + body
    return struct.pack("<I", zlib.crc32(checked)) + checked + data


def rar5(members: Sequence[tuple[str, bytes]], *, encrypted: bool = False, split: bool = False) -> bytes:
    """`members` (name, content), stored; `encrypted` marks each as locked, `split` as continued in the next part."""
    out = b"Rar!\x1a\x07\x01\x00" + _block(_number(1) + _number(0) + _number(0))
    for name, content in members:
        record = _number(1) + _number(0) + bytes(30)
        extra = _number(len(record)) + record if encrypted else b""
        raw = name.encode()
        body = _number(2) + _number((1 if extra else 0) | 2 | (16 if split else 0))
        body += (_number(len(extra)) if extra else b"") + _number(len(content)) + _number(4) + _number(len(content))
        body += _number(0) + struct.pack("<I", zlib.crc32(content)) + _number(0) + _number(1) + _number(len(raw)) + raw
        out += _block(body + extra, content)
    return out + _block(_number(5) + _number(0) + _number(0))


def rar4(members: Sequence[tuple[str, bytes]]) -> bytes:
    """`members` (name, content), stored, names in CP932."""

    def block(kind: int, flags: int, rest: bytes, data: bytes = b"") -> bytes:
        head = struct.pack("<BHH", kind, flags, 7 + len(rest)) + rest
        return struct.pack("<H", zlib.crc32(head) & 0xFFFF) + head + data

    out = b"Rar!\x1a\x07\x00" + block(0x73, 0, bytes(6))
    for name, content in members:
        raw = name.encode("cp932")
        fields = struct.pack(
            "<IIBIIBBHI", len(content), len(content), 2, zlib.crc32(content), 0, 29, 0x30, len(raw), 32
        )
        out += block(0x74, 0x8000, fields + raw, content)
    return out + block(0x7B, 0x4000, b"")
