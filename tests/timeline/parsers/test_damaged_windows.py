"""Damaged files: every parser of Windows artefacts comes to an end, raises nothing, and stays within its bounds."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from tests.timeline.parsers.windows_files import content, real
from timeline.event import INT64_MAX, INT64_MIN, Event, Problem
from timeline.parsers import (
    chromium,
    chromium_cache,
    cloud_log,
    evt,
    evtx,
    firefox_cache,
    jump_list,
    lnk,
    msie_index,
    prefetch,
    recycle_bin,
    registry,
    setupapi,
    windows_activity,
    windows_text_log,
)
from timeline.sources import Context, SourceFile, memory_file

if TYPE_CHECKING:
    from pathlib import Path

DATA = "plaso/test_data"
FILES: list[tuple[Any, str, str]] = [
    (evtx, "evtx/samples/sample_with_a_bad_chunk_magic.evtx", "a.evtx"),
    (evt, f"{DATA}/SysEvent.Evt", "SysEvent.Evt"),
    (registry, f"{DATA}/winreg/win10-Amcache.hve", "Amcache.hve"),
    (registry, f"{DATA}/NTUSER.DAT", "NTUSER.DAT"),
    (registry, f"{DATA}/regf/SAM", "SAM"),
    (lnk, f"{DATA}/NeroInfoTool.lnk", "a.lnk"),
    (
        jump_list,
        f"{DATA}/automaticDestinations-ms/1b4dd67f29cb1962.automaticDestinations-ms",
        "1b4dd67f29cb1962.automaticDestinations-ms",
    ),
    (
        jump_list,
        f"{DATA}/customDestinations-ms/5afe4de1b92fc382.customDestinations-ms",
        "5afe4de1b92fc382.customDestinations-ms",
    ),
    (prefetch, f"{DATA}/winprefetch/NOTEPAD.EXE-D8414F97.pf", "NOTEPAD.EXE-D8414F97.pf"),
    (prefetch, f"{DATA}/winprefetch/CMD.EXE-087B4001.pf", "CMD.EXE-087B4001.pf"),
    (recycle_bin, f"{DATA}/recycler/INFO2", "INFO2"),
    (recycle_bin, f"{DATA}/recycler/$I103S5F.jpg", "$I103S5F.jpg"),
    (setupapi, f"{DATA}/setupapi.setup.log", "setupapi.setup.log"),
    (chromium, f"{DATA}/chrome/History", "History"),
    (chromium_cache, f"{DATA}/chrome_cache/index", "index"),
    (firefox_cache, f"{DATA}/firefox_cache/firefox3/_CACHE_001_", "_CACHE_001_"),
    (msie_index, f"{DATA}/msiecf/History.IE5/index.dat", "index.dat"),
    (windows_activity, f"{DATA}/windows/ActivitiesCache.db", "ActivitiesCache.db"),
    (cloud_log, f"{DATA}/skydriveerr.log", "skydriveerr.log"),
    (windows_text_log, f"{DATA}/windows_firewall.log", "windows_firewall.log"),
]
ROUNDS = 12


def damaged(raw: bytes, chance: random.Random) -> bytes:
    """`raw` cut off, zeroed in part, flipped, or with numbers that are too large."""
    data = bytearray(raw)
    way = chance.randrange(5)
    if way == 0:
        return bytes(data[: chance.randrange(len(data))])
    at = chance.randrange(len(data))
    if way == 1:
        size = min(len(data) - at, chance.choice([16, 512, 4096]))
        data[at : at + size] = bytes(size)
    elif way == 2:
        for _ in range(chance.choice([1, 20, 200])):
            data[chance.randrange(len(data))] = chance.randrange(256)
    elif way == 3:
        for _ in range(chance.choice([1, 10, 40])):
            at = chance.randrange(len(data)) & ~3
            data[at : at + 4] = chance.choice([b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\0", b"\1\0\0\0"])
    else:
        for _ in range(32):
            data[chance.randrange(min(len(data), 4096))] ^= 1 << chance.randrange(8)
    return bytes(data)


@pytest.mark.parametrize(("parser", "name", "called"), FILES, ids=[f"{one[0].NAME}-{one[2]}" for one in FILES])
def test_damage_is_survived(shared_data: Path, parser: Any, name: str, called: str) -> None:
    file = real(shared_data, name)
    raw = content(file)
    others = {one.name: content(one) for one in file.siblings()} if parser is chromium_cache else {}
    for number in range(ROUNDS):
        chance = random.Random(f"{called} {number}")
        siblings = [memory_file(other, damaged(data, chance)) for other, data in others.items() if other != called]
        broken = raw if siblings and number % 2 else damaged(raw, chance)
        began = time.process_time()
        check(parser, memory_file(called, broken, siblings=lambda found=siblings: found))
        assert time.process_time() - began < 10


def check(parser: Any, file: SourceFile) -> None:
    """Everything that comes out is an event, a batch or a problem, and fits the store's columns."""
    parser.matches(file)
    for one in parser.parse(file, Context()):
        if isinstance(one, Event):
            assert one.time_ns is None or INT64_MIN <= one.time_ns <= INT64_MAX
            assert one.bytes is None or 0 <= one.bytes <= INT64_MAX
            assert 0 <= one.sequence <= INT64_MAX
        else:
            assert isinstance(one, Problem | pa.RecordBatch)


@pytest.mark.parametrize(
    "parser", sorted({one[0] for one in FILES}, key=lambda one: one.NAME), ids=lambda one: one.NAME
)
def test_empty_and_tiny_files(parser: Any) -> None:
    for raw in (b"", b"\0", bytes(64), b"\xff" * 100):
        for called in {one[2] for one in FILES if one[0] is parser}:
            check(parser, memory_file(called, raw))
