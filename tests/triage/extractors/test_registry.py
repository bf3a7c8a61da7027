"""Registry hives: a real NTUSER.DAT into which numbers are written, and a small hive made here."""

from __future__ import annotations

import random
import struct
from typing import TYPE_CHECKING

from triage.extractors import extract_all
from triage.extractors.model import BytesSource, Context, Problem
from triage.judge import Judge
from triage.text import Text

if TYPE_CHECKING:
    from pathlib import Path

NUMBER = "123456789018"


def cell(content: bytes, *, free: bool = False) -> bytes:
    size = (len(content) + 4 + 7) & ~7
    return struct.pack("<i", size if free else -size) + content.ljust(size - 4, b"\0")


def small_hive(value: str, name: str = "個人番号", *, deleted: bool = False) -> tuple[bytes, int]:
    """A hive with one key `Software` below its root and one value; the place of the value's data."""
    data = value.encode("utf-16-le")
    at = 32  # offsets count from 4096; the first cell follows the bin's header

    def place(content: bytes, *, free: bool = False) -> int:
        nonlocal at
        cells.append(cell(content, free=free))
        start = at
        at += len(cells[-1])
        return start

    def key(name: str, parent: int, values: int, listed: int, flags: int) -> bytes:
        return (
            b"nk"
            + struct.pack("<HQIIIIIIIII", flags, 0, 0, parent, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF, values, listed, 0xFFFFFFFF)
            + bytes(24)
            + struct.pack("<HH", len(name), 0)
            + name.encode()
        )

    cells: list[bytes] = []
    root = place(key("ROOT", 0xFFFFFFFF, 0, 0xFFFFFFFF, 0x24))
    data_at = place(data)
    encoded = name.encode("utf-16-le")
    value_cell = b"vk" + struct.pack("<HIIIHH", len(encoded), len(data), data_at, 1, 0, 0) + encoded
    value_at = place(value_cell, free=deleted)
    listed = place(struct.pack("<I", value_at))
    place(key("Software", root, 0 if deleted else 1, listed, 0x20))
    body = b"hbin" + bytes(28) + b"".join(cells)
    return b"regf".ljust(4096, b"\0") + body.ljust(4096, b"\0"), 4096 + data_at + 4


def found(data: bytes, *, seen: bool = False):
    items = list(extract_all(BytesSource(data, "NTUSER.DAT"), Context(file_seen_raw=seen)))
    judge = Judge()
    for item in items:
        if isinstance(item, Text):
            judge.feed(item)
    return [(one.digits, one.confidence, one.byte_offset, one.location) for one in judge.finish().judged], items


def test_a_value_keeps_its_key_its_name_and_its_place() -> None:
    data, at = small_hive(NUMBER)
    judged, _ = found(data, seen=True)
    assert judged == [(NUMBER, "high", at, "ROOT\\Software")]


def test_a_deleted_value_is_found_too() -> None:
    data, at = small_hive(NUMBER, deleted=True)
    assert found(data, seen=True)[0] == [(NUMBER, "high", at, "")]


def test_values_of_a_real_hive(shared_data: Path) -> None:
    hive = (shared_data / "plaso/test_data/NTUSER.DAT").read_bytes()
    clear = "Critical Battery Alarm".encode("utf-16-le")
    changed = hive.replace(clear, f"個人番号 {NUMBER}".ljust(22).encode("utf-16-le"))
    key = "$$$PROTO.HIV\\AppEvents\\EventLabels\\CriticalBatteryAlarm"
    assert found(changed, seen=True)[0] == [(NUMBER, "high", 5956 + 10, key)]


def test_mutated_hives_raise_nothing() -> None:
    data, _ = small_hive(NUMBER)
    generator = random.Random(3)
    for _ in range(400):
        one = bytearray(data)
        for _ in range(generator.randrange(1, 12)):
            one[generator.randrange(4096, 4500)] = generator.randrange(256)
        assert not [item for item in found(bytes(one))[1] if isinstance(item, Problem)]
