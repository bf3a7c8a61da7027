"""Restoring an image to a medium, verified by reading the medium back.

The medium is overwritten, so it must be named twice: by its path and by its serial number (for a device that tells
none, by its exact size in bytes). A device that is in use or too small is refused.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from chain_of_custody.errors import EvidenceError, TargetError, UsageError
from chain_of_custody.masking import mask_path
from preserve import devices
from preserve.acquire import for_ledger
from preserve.hashing import Hasher, Hashing
from preserve.image import open_image, stream
from preserve.output import ALIGNMENT, pwrite_all, target_error
from preserve.pieces import PIECE_SIZE, PieceList, differing_ranges, piece_count
from preserve.source import FileSource, aligned_buffer

if TYPE_CHECKING:
    from pathlib import Path

    from chain_of_custody.case import Case
    from chain_of_custody.jcs import Json
    from preserve.devices import Device
    from preserve.watcher import Watcher

_BUFFER = 4 * PIECE_SIZE


@dataclass(slots=True)
class CloneResult:
    """What was restored; sizes and offsets are bytes."""

    device: Device
    size: int
    device_size: int
    hashes: dict[str, str] = field(default_factory=dict)
    """Of what was written."""
    read_back: dict[str, str] = field(default_factory=dict)
    """Of the same bytes, read back from the medium."""
    differing: list[tuple[int, int]] = field(default_factory=list)
    unreadable: list[tuple[int, int]] = field(default_factory=list)
    """Ranges of the image that could not be read (written as zeros)."""
    seconds: float = 0.0

    @property
    def is_equal(self) -> bool:
        """Whether the medium holds what was written."""
        return not self.differing and self.hashes == self.read_back

    @property
    def words(self) -> tuple[str, str]:
        """The verdict in Japanese and English."""
        rest = self.device_size - self.size
        if not self.is_equal:
            return "不一致(媒体の読戻しが書き込んだ内容と異なる)", "NOT identical (the medium reads back differently)"
        ja, en = "一致(媒体の読戻しと比較)", "identical (the medium was read back)"
        if self.unreadable:
            count = sum(size for _, size in self.unreadable)
            ja += f"。イメージの読取不能 {count:,} バイトはゼロ"
            en += f"; {count:,} unreadable bytes of the image are zeros"
        if rest:
            ja += f"。媒体の残り {rest:,} バイトは書き換えていない"
            en += f"; the last {rest:,} bytes of the medium were left as they were"
        return ja, en


def identity_to_type(device: Device) -> str:
    """What a person must type to confirm that this device may be overwritten."""
    return device.serial or str(device.size_bytes)


def clone(
    image_path: Path,
    device_path: Path,
    *,
    typed_identity: str,
    algorithms: tuple[str, ...] = ("md5", "sha256"),
    case: Case | None = None,
    watcher: Watcher | None = None,
) -> CloneResult:
    """Write the image onto the device and read it back.

    `typed_identity` is compared with `identity_to_type`. Raises UsageError (not a device, wrong serial, in use, too
    small, read-only), EvidenceError, TargetError.
    """
    if not device_path.is_block_device():
        raise UsageError(
            f"ブロックデバイスではありません: {mask_path(device_path)}", f"not a block device: {mask_path(device_path)}"
        )
    device = devices.device_info(device_path)
    if typed_identity != identity_to_type(device):
        raise UsageError(
            f"S/N が一致しません: {mask_path(device_path)}(何も書いていません)",
            f"the serial number does not fit: {mask_path(device_path)} (nothing was written)",
            hint_ja="preserve devices で表示される S/N(無い装置は容量のバイト数)を入力してください",
            hint_en="type the serial number that `preserve devices` shows (the size in bytes where there is none)",
        )
    if device.in_use or devices.is_in_use_exclusively(device_path):
        raise UsageError(
            f"装置が使用中です: {mask_path(device_path)}({'、'.join(device.in_use)})",
            f"the device is in use: {mask_path(device_path)} ({', '.join(device.in_use)})",
            hint_ja="マウントを解除してください",
            hint_en="unmount it first",
        )
    with open_image(image_path) as image:
        if image.size > device.size_bytes:
            raise UsageError(
                f"媒体が小さすぎます: イメージ {image.size:,} バイト、媒体 {device.size_bytes:,} バイト",
                f"the medium is too small: image {image.size:,} bytes, medium {device.size_bytes:,} bytes",
            )
        if any(devices.lies_on(segment.parent, device_path) for segment in image.segments):
            raise UsageError(
                f"イメージがその媒体の上にあります: {mask_path(image_path)}",
                f"the image lies on that medium: {mask_path(image_path)}",
            )
        result = CloneResult(device, image.size, device.size_bytes)
        if case is None:
            _clone(image, device_path, result, algorithms, watcher)
            return result
        begin: dict[str, Any] = {
            "image": mask_path(image_path.absolute()),
            "auto": {"size": str(image.size), "device": for_ledger(device.to_json())},
            "typed": {"identity": typed_identity},
        }
        with case.action("clone", begin) as action:
            _clone(image, device_path, result, algorithms, watcher)
            action.set_result(_body(result), status="done" if result.is_equal and not result.unreadable else "partial")
        return result


def _clone(image: Any, path: Path, result: CloneResult, algorithms: tuple[str, ...], watcher: Watcher | None) -> None:  # noqa: ANN401 - an Image with its reader's extras
    started = time.monotonic()
    hasher = Hasher.of(algorithms)
    hashing = Hashing(hasher)
    pieces = PieceList()
    if watcher is not None:
        watcher.phase("write", image.size)
    # O_EXCL on a device: the kernel refuses it when anything else uses the device.
    flags = os.O_RDWR | getattr(os, "O_EXCL", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        fd = os.open(path, flags | getattr(os, "O_DIRECT", 0))
    except OSError as error:
        raise target_error(path, error) from error
    buffer = aligned_buffer(_BUFFER)
    try:
        for offset, view in stream(image, _BUFFER, ahead=3):
            for start in range(0, len(view), PIECE_SIZE):
                pieces.append(blake3(view[start : start + PIECE_SIZE]).digest(), 0)
            hashing.feed(view)
            buffer[: len(view)] = view
            _write(fd, path, buffer, len(view), offset)
            if watcher is not None:
                watcher.advance(len(view))
        os.fsync(fd)
    except OSError as error:
        raise target_error(path, error) from error
    finally:
        hashing.close()
        os.close(fd)
    result.hashes = hasher.hex()
    result.unreadable = [(one.offset, one.size) for one in image.unreadable()]
    _read_back(path, result, pieces, algorithms, watcher)
    result.seconds = time.monotonic() - started


def _write(fd: int, path: Path, buffer: memoryview, size: int, offset: int) -> None:
    """Write the front of `buffer`; a tail that is no whole sector is written through the cache."""
    whole = size // ALIGNMENT * ALIGNMENT
    if whole:
        pwrite_all(fd, buffer[:whole], offset)
    if whole < size:
        plain = os.open(path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
        try:
            pwrite_all(plain, buffer[whole:size], offset + whole)
            os.fsync(plain)
        finally:
            os.close(plain)


def _read_back(
    path: Path,
    result: CloneResult,
    pieces: PieceList,
    algorithms: tuple[str, ...],
    watcher: Watcher | None,
) -> None:
    if watcher is not None:
        watcher.phase("verify", result.size)
    hasher = Hasher.of(algorithms)
    hashing = Hashing(hasher)
    wrong = []
    source = FileSource(path)
    buffer = aligned_buffer(PIECE_SIZE)
    try:
        for index in range(piece_count(result.size)):
            size = min(PIECE_SIZE, result.size - index * PIECE_SIZE)
            try:
                source.read_into(index * PIECE_SIZE, buffer, size)
            except EvidenceError as error:
                raise TargetError(error.ja, error.en) from error
            except OSError:
                buffer[:size] = bytes(size)
                wrong.append(index)
            view = buffer[:size]
            if blake3(view).digest() != pieces.digest(index):
                wrong.append(index)
            hashing.feed(view)
            if watcher is not None:
                watcher.advance(size)
    finally:
        hashing.close()
        with contextlib.suppress(OSError):
            source.close()
    result.differing = differing_ranges(sorted(set(wrong)), result.size)
    result.read_back = hasher.hex()


def _body(result: CloneResult) -> dict[str, Json]:
    words = result.words
    return {
        "size": str(result.size),
        "hashes": dict(result.hashes),
        "read_back": dict(result.read_back),
        "is_equal": result.is_equal,
        "result": {"ja": words[0], "en": words[1]},
        "differing": [{"offset": str(offset), "size": str(size)} for offset, size in result.differing[:100]],
        "unreadable": [{"offset": str(offset), "size": str(size)} for offset, size in result.unreadable[:100]],
        "seconds": f"{result.seconds:.1f}",
    }
