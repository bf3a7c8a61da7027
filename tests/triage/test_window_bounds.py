"""Windows stop where other bytes begin; checked byte by byte against the map."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from preserve.extents import ALLOCATED, SLACK, ExtentMap
from preserve.filesystem import FileEntry, Run
from preserve.image import Range
from triage.raw_hits import Window
from triage.window_bounds import within_owner


def entry(number: int, offset: int, size: int) -> FileEntry:
    return FileEntry(
        id=(0, number, 1, 128, 0), volume=0, path=f"/{number}", kind="file", state="allocated", size=size,
        runs=(Run(0, offset, -(-size // 512) * 512),), on_disk=True, valid_size=size,
    )  # fmt: skip


def one(windows):
    assert len(windows) == 1
    return windows[0].offset, windows[0].offset + windows[0].size


def test_a_hit_in_slack_does_not_see_the_file_before_it():
    extents = ExtentMap([entry(1, 1024, 700)], [], [Range(0, 8192)])
    located = extents.locate(np.array([1024, 1723, 1724, 2047]))
    assert located.state.tolist() == [ALLOCATED, ALLOCATED, SLACK, SLACK]
    window = Window(offset=900, size=1600, encoding="ascii", hits=(1800,))
    assert one(within_owner([window], extents)) == (1724, 2048)
    assert one(within_owner([Window(900, 1600, "ascii", (1100,))], extents)) == (1024, 1724)


def test_utf_16_keeps_the_parity_of_its_hit():
    extents = ExtentMap([entry(1, 1024, 701)], [], [Range(0, 8192)])
    assert one(within_owner([Window(900, 1600, "utf-16-le", (1800,))], extents)) == (1726, 2048)
    assert one(within_owner([Window(900, 1600, "utf-16-le", (1801,))], extents)) == (1725, 2048)


def test_a_window_with_one_owner_stays_as_it_is():
    extents = ExtentMap([], [], [Range(0, 8192)])
    window = Window(offset=100, size=1500, encoding="ascii", hits=(700, 900))
    assert within_owner([window], extents) == (window,)


@given(st.lists(st.integers(1, 12), min_size=1, max_size=5), st.integers(0, 4000), st.integers(1, 2000))
def test_every_byte_of_a_cut_window_has_the_owner_of_its_hit(sizes, hit, reach):
    entries, at = [], 512
    for number, blocks in enumerate(sizes):
        entries.append(entry(number, at, blocks * 100))
        at += -(-blocks * 100 // 512) * 512
    extents = ExtentMap(entries, [], [Range(0, 8192)])
    low, high = max(0, hit - reach), min(8192, hit + reach)
    begin, end = one(within_owner([Window(low, high - low, "ascii", (hit,))], extents))
    assert low <= begin <= hit < end <= high
    located = extents.locate(np.arange(begin, end))
    mine = extents.locate(np.array([hit]))
    assert set(located.entry.tolist()) == {int(mine.entry[0])}
    assert set(located.state.tolist()) == {int(mine.state[0])}
    if begin > low:
        before = extents.locate(np.array([begin - 1]))
        assert (before.entry[0], before.state[0]) != (mine.entry[0], mine.state[0])
