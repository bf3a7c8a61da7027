from __future__ import annotations

import re

import pytest

from triage.disk_map import BINS, DiskMap, draw_lane, draw_unreadable, draw_volume


@pytest.mark.parametrize(
    ("size", "bin_size", "bins"),
    [
        (0, 512, 0),
        (1, 512, 1),
        (513, 512, 2),
        (131072, 512, 256),
        (131073, 1024, 129),
        (1 << 40, 1 << 32, 256),
        ((1 << 40) + 1, (1 << 32) + 512, 256),
    ],
)
def test_bins_cover_the_medium(size: int, bin_size: int, bins: int) -> None:
    disk_map = DiskMap(size)
    assert (disk_map.bin_size, disk_map.bins) == (bin_size, bins)
    assert disk_map.bins <= BINS
    assert bins * bin_size >= size


def test_findings_fall_into_the_bin_that_names_their_offset() -> None:
    disk_map = DiskMap(256 * 4096)
    for offset, level in ((0, 2), (4095, 0), (4096, 1), (256 * 4096 - 1, 3)):
        disk_map.add(offset, "slack", level)
    assert disk_map.lanes == {"slack": {0: [1, 0, 1, 0], 1: [0, 1, 0, 0], 255: [0, 0, 0, 1]}}
    assert disk_map.unplaced == 0


@pytest.mark.parametrize("offset", [None, -1, 4096, 1 << 60])
def test_findings_without_a_place_are_counted_apart(offset: int | None) -> None:
    disk_map = DiskMap(4096)
    disk_map.add(offset, "slack", 0)
    assert disk_map.lanes == {}
    assert disk_map.unplaced == 1


def test_unreadable_bytes_are_split_over_bins_and_clipped() -> None:
    disk_map = DiskMap(256 * 1024)
    disk_map.add_unreadable(1000, 1100)
    disk_map.add_unreadable(255 * 1024, 1 << 40)
    disk_map.add_unreadable(1 << 50, 4)
    assert disk_map.unreadable == {0: 24, 1: 1024, 2: 52, 255: 1024}


def test_lane_bars_name_the_best_confidence_and_grow() -> None:
    disk_map = DiskMap(256 * 512)
    disk_map.add(0, "deleted", 2)
    for _ in range(100):
        disk_map.add(512, "deleted", 1)
    disk_map.add(513, "deleted", 0)
    bars = re.findall(r'class="bar (l\d)" x="([\d.]+)%" y="([\d.]+)" height="([\d.]+)"', draw_lane(disk_map, "deleted"))
    assert [(bar[0], bar[1]) for bar in bars] == [("l2", "0.000"), ("l0", "0.391")]
    assert float(bars[0][3]) < float(bars[1][3]) == 24.0
    assert draw_lane(disk_map, "slack") == ""


def test_volume_is_drawn_to_scale() -> None:
    disk_map = DiskMap(256 * 512)
    assert 'x="25.000%" width="50.000%"' in draw_volume(disk_map, 64 * 512, 128 * 512, "ntfs")
    assert 'width="75.000%"' in draw_volume(disk_map, 64 * 512, 1 << 40, "longer than the medium")
    assert draw_volume(disk_map, 1 << 40, 512, "behind the end") == ""
    assert draw_volume(DiskMap(0), 0, 512, "nothing") == ""
    disk_map.add_unreadable(0, 1)
    assert draw_unreadable(disk_map).count("<rect") == 1
