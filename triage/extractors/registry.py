"""Registry hives: values that hold a number, with their key and name beside them, deleted values included.

Every cell of the hive is looked at, whether its list names it or not: a deleted value stays until its cell is used
again. Layout of `regf`: M. Suhanov, "Windows registry file format specification"; cells are 8-byte aligned from 4096
on, a value (`vk`) gives name, type, size and place of its data, data of more than 16,344 bytes lies in segments (`db`).
Transaction logs hold pages of the hive and are searched like any bytes.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, NamedTuple

from triage.extractors import binary
from triage.extractors.digits import holds_number, reads_everything
from triage.extractors.model import Problem
from triage.text import Offsets, Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from triage.extractors.model import Child, Context, Source

MAX_HIVE_BYTES = 512 << 20
MAX_DATA_BYTES = 1 << 20
"""Of one value."""
MAX_KEY_DEPTH = 64
_BASE = 4096
_NONE = 0xFFFFFFFF
_SEGMENT = 16344
_STRINGS = (1, 2, 6, 7)
"""REG_SZ, REG_EXPAND_SZ, REG_LINK, REG_MULTI_SZ"""
_INLINE = 0x80000000
# Cells start 4 bytes after a multiple of 8.
_VALUE = re.compile(rb"vk", re.DOTALL)
_KEY = re.compile(rb"nk[\x00-\xff]{2}", re.DOTALL)
_DIGITS = re.compile(rb"[0-9]\x00?[0-9]")


class _Value(NamedTuple):
    at: int
    """Byte offset of the cell's content in the hive."""
    name: str
    kind: int
    size: int
    data: int
    """Offset of the data in the hive, or of the value itself where the data is inside it."""


def matches(head: bytes, _name: str, _size: int) -> bool:
    """A hive's header. Logs (`.LOG1`) carry it too, but no cells: they yield nothing here and their bytes elsewhere."""
    return head[:4] == b"regf" and len(head) >= 512


def extract(source: Source, context: Context) -> Iterator[Text | Problem | Child]:
    """Values, then whatever else in the hive reads as text with a number in it."""
    if source.size > MAX_HIVE_BYTES:
        yield Problem(
            "limit",
            f"レジストリハイブが大きすぎるため値ごとには読んでいません({source.size:,} バイト)",
            f"a registry hive of {source.size:,} bytes was not read value by value",
            source.container,
        )
    else:
        data = source.read_at(0, source.size)
        context.spend(len(data))
        yield from _values(data, source, context)
    if not context.seen_raw:
        yield from binary.extract(source, context)


def _values(data: bytes, source: Source, context: Context) -> Iterator[Text]:
    owners: dict[int, int] | None = None
    for number, match in enumerate(_VALUE.finditer(data, _BASE)):
        if match.start() % 8 != 4:
            continue
        if number % 4096 == 0:
            context.check_time()
        value = _value(data, match.start())
        if value is None:
            continue
        raw = _data(data, value)
        if not _DIGITS.search(raw) and not reads_everything():
            continue
        if value.kind in _STRINGS:
            content = raw.decode("utf-16-le", "replace").replace("\0", "\n")
            if not holds_number(content):
                continue
            if owners is None:
                owners = _owners(data)
            where = _path(data, owners.get(value.at, -1))
            label = f"{where}\n{value.name}: "
            # The label has no place of its own: its characters count as the first byte of the value.
            places = Offsets((0, len(label)), (value.at, value.data), (0, 2))
            yield Text(
                label + content,
                "utf-16-le",
                "form",
                source.container,
                where,
                stream=f"value {value.at}",
                offsets=places if len(raw) == value.size <= _SEGMENT else None,
            )
        else:
            yield from binary.text_runs(raw, value.data, source.container, stream=f"value {value.at}")


def _value(data: bytes, at: int) -> _Value | None:
    if at + 20 > len(data):
        return None
    name_size, size, place, kind, flags = struct.unpack_from("<HIIIH", data, at + 2)
    if at + 20 + name_size > len(data) or flags & ~0x3 or kind > 0x10000:
        return None
    name = data[at + 20 : at + 20 + name_size]
    label = name.decode("latin-1" if flags & 1 else "utf-16-le", "replace") or "(default)"
    if size & _INLINE:
        return _Value(at, label, kind, min(size & ~_INLINE, 4), at + 8)
    start = _BASE + place + 4
    if place == _NONE or size > MAX_DATA_BYTES or start + 4 > len(data):
        return None
    return _Value(at, label, kind, size, start)


def _data(data: bytes, value: _Value) -> bytes:
    if value.size <= _SEGMENT or data[value.data : value.data + 2] != b"db":
        return data[value.data : value.data + value.size]
    count, place = struct.unpack_from("<HI", data, value.data + 2)
    parts: list[bytes] = []
    left = value.size
    for number in range(count):
        entry = _BASE + place + 4 + 4 * number
        if left <= 0 or entry + 4 > len(data):
            break
        start = _BASE + int.from_bytes(data[entry : entry + 4], "little") + 4
        parts.append(data[start : start + min(_SEGMENT, left)])
        left -= _SEGMENT
    return b"".join(parts)


def _owners(data: bytes) -> dict[int, int]:
    """For the place of each listed value the place of its key."""
    owners: dict[int, int] = {}
    for match in _KEY.finditer(data, _BASE):
        at = match.start()
        if at % 8 != 4 or at + 76 > len(data):
            continue
        count, place = struct.unpack_from("<II", data, at + 36)
        start = _BASE + place + 4
        if place == _NONE or not count or start + 4 * count > len(data):
            continue
        for (value,) in struct.iter_unpack("<I", data[start : start + 4 * count]):
            owners.setdefault(_BASE + value + 4, at)
    return owners


def _path(data: bytes, at: int) -> str:
    """Names of the keys down to the one at `at`; "" where it cannot be told."""
    names: list[str] = []
    while at >= 0 and data[at : at + 2] == b"nk" and at + 76 <= len(data) and len(names) < MAX_KEY_DEPTH:
        flags = int.from_bytes(data[at + 2 : at + 4], "little")
        size = int.from_bytes(data[at + 72 : at + 74], "little")
        names.append(data[at + 76 : at + 76 + size].decode("latin-1" if flags & 0x20 else "utf-16-le", "replace"))
        if flags & 0x4:  # the root
            break
        parent = int.from_bytes(data[at + 16 : at + 20], "little")
        at = -1 if parent == _NONE else _BASE + parent + 4
    return "\\".join(reversed(names))
