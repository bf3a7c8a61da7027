"""Where on the medium findings and unreadable ranges lie: counts per bin, and the lanes of the map drawn from them.

The medium is cut into at most `BINS` bins of equal size, whole sectors each. A bin covers
`[i * bin_size, (i + 1) * bin_size)`, so that whoever clicks on it can be shown exactly the findings counted there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

BINS = 256
_SECTOR = 512
LANE_HEIGHT = 26
"""Height of a lane of the drawing in CSS pixels; widths are per cent of whatever room there is."""


@dataclass(slots=True)
class DiskMap:
    """Counts per bin of one medium of `size` bytes.

    `lanes[state][i]` is (high, medium, low, yara) of bin i; bins without findings are absent. `unreadable[i]` is the
    number of bytes of bin i that could not be read. `unplaced` counts findings without an offset in the media.
    """

    size: int
    lanes: dict[str, dict[int, list[int]]] = field(default_factory=dict)
    unreadable: dict[int, int] = field(default_factory=dict)
    unplaced: int = 0

    @property
    def bin_size(self) -> int:
        """Bytes per bin: whole sectors, at least one."""
        sectors = -(-self.size // _SECTOR)
        return max(1, -(-sectors // BINS)) * _SECTOR

    @property
    def bins(self) -> int:
        """Number of bins in use; 0 for an empty medium."""
        return -(-self.size // self.bin_size)

    def add(self, offset: int | None, state: str, level: int) -> None:
        """Count one finding at byte `offset` of the media.

        `level`: 0 high, 1 medium, 2 low, 3 YARA. A finding without a place in the media, or one said to lie behind
        its end, is counted as unplaced.
        """
        if offset is None or not 0 <= offset < self.size:
            self.unplaced += 1
            return
        counts = self.lanes.setdefault(state, {}).setdefault(offset // self.bin_size, [0, 0, 0, 0])
        counts[level] += 1

    def add_unreadable(self, offset: int, size: int) -> None:
        """Count `size` bytes from `offset` of the media as not read; what lies behind the end is left out."""
        position, end = max(0, offset), min(self.size, offset + size)
        while position < end:
            index = position // self.bin_size
            step = min(end, (index + 1) * self.bin_size) - position
            self.unreadable[index] = self.unreadable.get(index, 0) + step
            position += step


def draw_lane(disk_map: DiskMap, state: str) -> str:
    """SVG children of one lane: a bar for each bin with findings.

    Its height grows with the logarithm of their number, its colour class names the best confidence in it.
    """
    lane = disk_map.lanes.get(state, {})
    most = max((sum(counts) for bins in disk_map.lanes.values() for counts in bins.values()), default=1)
    bars = []
    for index in sorted(lane):
        counts = lane[index]
        level = next(number for number, count in enumerate(counts) if count)
        height = 8 + (LANE_HEIGHT - 10) * math.log1p(sum(counts)) / math.log1p(most)
        bars.append(
            f'<rect class="bar l{level}" x="{_percent(index, disk_map)}" y="{LANE_HEIGHT - height:.1f}"'
            f' height="{height:.1f}"/>',
        )
    return "".join(bars)


def draw_unreadable(disk_map: DiskMap) -> str:
    """SVG children of the lane of unread bytes: a full bar where any byte of the bin was not read."""
    return "".join(
        f'<rect class="bar unread" x="{_percent(index, disk_map)}" y="2" height="{LANE_HEIGHT - 2}"/>'
        for index in sorted(disk_map.unreadable)
    )


def draw_volume(disk_map: DiskMap, offset: int, size: int, label: str) -> str:
    """SVG children for one volume of the strip above the lanes; `label` is already escaped for HTML."""
    if disk_map.size <= 0 or size <= 0 or offset >= disk_map.size:
        return ""
    span = disk_map.bins * disk_map.bin_size
    width = min(size, disk_map.size - offset)
    return (
        f'<svg x="{100 * offset / span:.3f}%" width="{100 * width / span:.3f}%" height="{LANE_HEIGHT}">'
        f'<rect class="volume" x="0" y="0" width="100%" height="{LANE_HEIGHT}"/>'
        f'<text x="7" y="{LANE_HEIGHT - 9}">{label}</text></svg>'
    )


def _percent(index: int, disk_map: DiskMap) -> str:
    return f"{100 * index / disk_map.bins:.3f}%"
