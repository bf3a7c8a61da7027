"""Names left in folder indexes: those that many folders at once give are those that each folder gives alone."""

import random
import struct
from types import SimpleNamespace

from preserve.ntfs import NtfsFileSystem, safe_name
from timeline import ntfs_survey
from timeline.ntfs_survey import _left_names

_NAMES = ("報告書.docx", "a", "x" * 200, "sla/sh", "lone\ud800", "nul\0in", "")


def entry(rng, folder):
    name = rng.choice(_NAMES).encode("utf-16-le", "surrogatepass")
    parent = folder if rng.random() < 0.8 else folder + 1
    times = [rng.getrandbits(64) for _ in range(4)]
    space = rng.choice((0, 1, 2, 3, 3, 7))
    body = struct.pack("<QQQQQQQQ", parent | 5 << 48, *times, 0, 0, 0) + bytes([len(name) // 2, space]) + name
    length = 16 + len(body) + 7 & ~7
    head = struct.pack("<QHHI", rng.choice((0, 1, 1)) * (rng.randrange(9, 99) | 3 << 48), length, len(body), 0)
    if rng.random() < 0.3:
        head = struct.pack("<QHHI", 0, 16, rng.choice((0, len(body))), 2)
    return (head + body).ljust(length, b"\0")


def block(rng, folder, size=4096):
    """An index block, its entries in use ending anywhere, with fixups."""
    rest = b"".join(entry(rng, folder) for _ in range(40))
    raw = bytearray((b"\0" * 64 + rest)[:size].ljust(size, b"\0"))
    raw[:8] = b"INDX" + struct.pack("<HH", 40, size // 512 + 1)
    raw[28:32] = struct.pack("<I", rng.choice((0, 40, 500, 2000, 4000, 0xFFFFFFFF)))
    raw[40:42] = b"\x07\x07"
    for sector in range(size // 512):
        tail = 512 * (sector + 1) - 2
        raw[42 + 2 * sector : 44 + 2 * sector] = raw[tail : tail + 2]
        raw[tail : tail + 2] = b"\x07\x07"
    if rng.random() < 0.2:
        raw[rng.choice((0, 510))] ^= 0xFF
    return bytes(raw)


def test_in_bulk_as_one_by_one(monkeypatch):
    rng = random.Random(11)
    folders = [(number, [block(rng, number) for _ in range(rng.randrange(4))]) for number in range(30, 90)]
    filesystem = SimpleNamespace(geometry=SimpleNamespace(index_size=4096, sector_size=512), index_bytes=iter)
    alone = [one for number, blocks in folders for one in NtfsFileSystem.stale_names(filesystem, number, blocks)]
    assert len(alone) > 200
    assert {one.record < 0 for one in alone} == {True, False}
    for window in (4096, 5 * 4096, 4 << 20):
        monkeypatch.setattr(ntfs_survey, "_WINDOW", window)
        found = [
            row
            for one in _left_names(filesystem, folders)
            for row in zip(
                one.record, one.sequence, one.parent, one.parent_sequence, one.text, map(tuple, one.times), strict=True
            )
        ]
        assert found == [
            (
                one.record, one.sequence, one.name.parent, one.name.parent_sequence, safe_name(one.name.name)[0],
                one.name.times,
            )
            for one in alone
        ]  # fmt: skip
