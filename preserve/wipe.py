"""Proving that a target medium is blank (無データ化の確認): every byte of it is read and must be zero."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chain_of_custody.masking import mask_path
from preserve import devices
from preserve.pieces import PIECE_SIZE, piece_count
from preserve.source import FileSource, SourceGoneError, aligned_buffer

if TYPE_CHECKING:
    from pathlib import Path

    from chain_of_custody.case import Case
    from chain_of_custody.jcs import Json
    from preserve.devices import Device
    from preserve.watcher import Watcher

_FIRST = 20


@dataclass(slots=True)
class WipeResult:
    """What a check found; offsets and sizes are bytes."""

    path: str
    size: int
    device: Device | None
    non_zero: list[int] = field(default_factory=list)
    """Offsets of the first bytes that are not zero, at most one for each sector and twenty in all."""
    non_zero_sectors: int = 0
    sector_size: int = 512
    unreadable: list[tuple[int, int]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def is_blank(self) -> bool:
        """Whether every byte was read and is zero."""
        return not self.non_zero_sectors and not self.unreadable

    @property
    def words(self) -> tuple[str, str]:
        """The verdict in Japanese and English."""
        if self.is_blank:
            return (
                f"全 {self.size:,} バイトがゼロ(無データ)",
                f"all {self.size:,} bytes are zero (blank)",
            )
        parts_ja, parts_en = [], []
        if self.non_zero_sectors:
            parts_ja.append(f"ゼロでないセクタ {self.non_zero_sectors:,} 個(最初は {self.non_zero[0]:,} バイト目)")
            parts_en.append(f"{self.non_zero_sectors:,} sectors are not zero (first at byte {self.non_zero[0]:,})")
        if self.unreadable:
            total = sum(size for _, size in self.unreadable)
            parts_ja.append(f"読取不能 {total:,} バイト")
            parts_en.append(f"{total:,} bytes cannot be read")
        return "無データではない: " + "、".join(parts_ja), "NOT blank: " + ", ".join(parts_en)


def wipe_check(path: Path, *, case: Case | None = None, watcher: Watcher | None = None) -> WipeResult:
    """Read all of a device or file and say whether it is zero throughout; nothing is written to it.

    Raises EvidenceError where it cannot be opened or disappears.
    """
    device = devices.device_info(path) if path.is_block_device() else None
    source = FileSource(path)
    try:
        if device is not None:
            source.sector_size = source.smallest_read = devices.sector_sizes(source.fd)[0]
        result = WipeResult(mask_path(path), source.size, device, sector_size=source.sector_size)
        if case is None:
            _check(source, result, watcher)
            return result
        begin: dict[str, Any] = {
            "path": mask_path(path),
            "auto": {"size": str(source.size)} | ({"device": _texts(device.to_json())} if device else {}),
            "method": "read of every byte, compared with zero",
        }
        with case.action("wipe_check", begin) as action:
            _check(source, result, watcher)
            action.set_result(_body(result), status="done" if result.is_blank else "partial")
        return result
    finally:
        source.close()


def _check(source: FileSource, result: WipeResult, watcher: Watcher | None) -> None:
    import numpy as np  # noqa: PLC0415 - only this command of its module's importers needs it

    started = time.monotonic()
    if watcher is not None:
        watcher.phase("check", source.size)
    buffer = aligned_buffer(PIECE_SIZE)
    bytes_ = np.frombuffer(buffer, np.uint8)
    words = np.frombuffer(buffer, np.uint64)
    for index in range(piece_count(source.size)):
        offset = index * PIECE_SIZE
        size = min(PIECE_SIZE, source.size - offset)
        try:
            source.read_into(offset, buffer, size)
            gaps: list[tuple[int, int]] = []
        except SourceGoneError:
            raise
        except OSError:
            gaps = _by_sectors(source, offset, size, buffer)
            result.unreadable += gaps
        bytes_[size:] = 0
        if words.any():
            places = np.flatnonzero(bytes_)
            sectors, firsts = np.unique((places + offset) // source.sector_size, return_index=True)
            result.non_zero_sectors += len(sectors)
            room = _FIRST - len(result.non_zero)
            result.non_zero += [int(places[first]) + offset for first in firsts[: max(room, 0)]]
        if watcher is not None:
            watcher.advance(size)
    result.unreadable = _joined(result.unreadable)
    result.seconds = time.monotonic() - started


def _by_sectors(source: FileSource, offset: int, size: int, buffer: memoryview) -> list[tuple[int, int]]:
    """Read a piece sector by sector; what fails becomes zeros and is returned."""
    gaps = []
    step = source.smallest_read
    for start in range(0, size, step):
        length = min(step, size - start)
        try:
            source.read_into(offset + start, buffer[start:], length)
        except SourceGoneError:
            raise
        except OSError:
            buffer[start : start + length] = bytes(length)
            gaps.append((offset + start, length))
    return gaps


def _joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for offset, size in ranges:
        if joined and sum(joined[-1]) == offset:
            joined[-1] = (joined[-1][0], joined[-1][1] + size)
        else:
            joined.append((offset, size))
    return joined


def _texts(value: Any) -> Json:  # noqa: ANN401 - whatever JSON holds
    from preserve.acquire import for_ledger  # noqa: PLC0415 - only when there is a ledger

    return for_ledger(value)


def _body(result: WipeResult) -> dict[str, Json]:
    words = result.words
    return {
        "size": str(result.size),
        "is_blank": result.is_blank,
        "result": {"ja": words[0], "en": words[1]},
        "non_zero_sectors": str(result.non_zero_sectors),
        "first_non_zero": [str(offset) for offset in result.non_zero],
        "unreadable": [{"offset": str(offset), "size": str(size)} for offset, size in result.unreadable[:100]],
        "seconds": f"{result.seconds:.1f}",
    }
