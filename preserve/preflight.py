"""Before a run: refuse what must not be imaged or written, open the source and protect it against writing."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from chain_of_custody.errors import EvidenceError, HozenError, TargetError, UsageError
from chain_of_custody.masking import mask_path, mask_text
from preserve import devices
from preserve.ewf_writer import DEFAULT_SEGMENT_SIZE, most_segments, segment_name
from preserve.hashing import ALGORITHMS
from preserve.output import target_error
from preserve.pieces import PIECE_SIZE
from preserve.request import SIDECARS
from preserve.source import FileSource

if TYPE_CHECKING:
    from preserve.devices import Device
    from preserve.request import Request, Target
    from preserve.source import Source
    from preserve.watcher import Watcher

FAT_LIMIT = (4 << 30) - 1


def check_targets(request: Request, size: int) -> None:
    """Refuse target names that cannot work, before anything is opened. Raises UsageError, TargetError."""
    if not request.targets:
        raise UsageError("書込み先がありません", "no target")
    unknown = [mask_text(name) for name in request.algorithms if name not in ALGORITHMS]
    if unknown or not request.algorithms:
        raise UsageError(
            f"使えないハッシュです: {', '.join(unknown) or '(なし)'}",
            f"no such hash: {', '.join(unknown) or '(none)'}",
            hint_ja=f"使えるもの: {', '.join(ALGORITHMS)}",
            hint_en=f"there are: {', '.join(ALGORITHMS)}",
        )
    seen: set[Path] = set()
    for target in request.targets:
        folder = target.path.parent
        if not folder.is_dir():
            raise TargetError(
                f"書込み先のフォルダーがありません: {mask_path(folder)}",
                f"the target's folder does not exist: {mask_path(folder)}",
                hint_ja="フォルダーを作ってからもう一度実行してください",
                hint_en="make the folder first",
            )
        if target.format == "e01" and not target.path.name.lower().endswith(".e01"):
            raise UsageError(
                f"E01 の書込み先は .E01 で終わる名前にしてください: {mask_path(target.path.name)}",
                f"the name of an E01 must end in .E01: {mask_path(target.path.name)}",
            )
        stem = target.stem.absolute()
        if stem in seen:
            raise UsageError(
                f"二つの書込み先が同じ名前です(拡張子を除く): {mask_path(target.path)}",
                f"two targets have the same name (but for the ending): {mask_path(target.path)}",
                hint_ja="disk.json などが重なります。別のフォルダーか別の名前にしてください",
                hint_en="their disk.json would be one file: use another folder or another name",
            )
        seen.add(stem)
        _check_limits(target, request, size)
        if not request.resume:
            check_new(target, segment_size_for(target, request, size))


def segment_size_for(target: Target, request: Request, size: int) -> int:
    """Bytes of a segment: as asked, else 2 GiB for E01 (more, where the names would not reach) and one file for raw."""
    if request.segment_size is not None:
        return request.segment_size
    if target.format == "raw":
        return PIECE_SIZE * max(1, (2 << 30) // PIECE_SIZE) if target.path.suffix == ".001" else 0
    segment = DEFAULT_SEGMENT_SIZE
    # Deflated or not, a segment holds at least this much less than its size in overhead.
    while size * 1.01 / segment > most_segments(target.path.name):
        segment *= 2
    return segment


def _check_limits(target: Target, request: Request, size: int) -> None:
    segment = segment_size_for(target, request, size)
    if target.format == "e01" and request.segment_size is not None:
        worst = -(-size // max(segment - (1 << 16), 1)) * 1.001
        if worst > most_segments(target.path.name):
            raise UsageError(
                f"分割数が .ZZZ を超えます(--segment-size {segment:,} バイト)",
                f"the segments would go past .ZZZ (--segment-size {segment:,} bytes)",
                hint_ja="--segment-size を大きくしてください",
                hint_en="give a larger --segment-size",
            )
    if devices.file_system_of(target.path.parent)[1] in ("vfat", "msdos") and (segment or size) > FAT_LIMIT:
        raise UsageError(
            f"書込み先が FAT のため 4 GiB 以上のファイルを作れません: {mask_path(target.path)}",
            f"the target's file system is FAT: no file of 4 GiB or more: {mask_path(target.path)}",
            hint_ja="--segment-size 2GiB を付けてください",
            hint_en="add --segment-size 2GiB",
        )


def check_space(request: Request, size: int, watcher: Watcher) -> None:
    """Refuse raw targets that cannot fit; say it where an E01 may not. Raises TargetError."""
    needed: dict[int, tuple[int, bool, Path]] = {}
    for target in request.targets:
        place = target.path.parent.stat().st_dev
        is_sure = target.format == "raw" or request.compression == "none"
        before = needed.get(place, (0, False, target.path))
        needed[place] = (before[0] + size + size // 1000, before[1] or is_sure, target.path)
    for total, is_sure, path in needed.values():
        free = shutil.disk_usage(path.parent).free
        if free >= total:
            continue
        if is_sure:
            raise TargetError(
                f"書込み先の空きが足りません: 必要 {total:,} バイト、空き {free:,} バイト({mask_path(path.parent)})",
                f"not enough room: {total:,} bytes needed, {free:,} free ({mask_path(path.parent)})",
                hint_ja="空きを作るか、--format e01(圧縮)にしてください",
                hint_en="make room, or use --format e01 (compressed)",
            )
        watcher.notice(
            f"注意: 圧縮がきかないと空きが足りません(最大 {total:,} バイト、空き {free:,} バイト)",
            f"note: without compression there is not enough room (at most {total:,} bytes, {free:,} free)",
        )


def files_of(target: Target, segment_size: int) -> list[Path]:
    """Files that exist and have the name of the target or of one of its segments."""
    name = target.path.name
    if target.format == "e01":
        pattern = re.escape(name[:-3]) + "([A-Za-z][0-9]{2}|[A-Za-z]{3})"
        series = {segment_name(name, number) for number in range(1, min(most_segments(name), 20_000) + 1)}
    elif segment_size:
        pattern, series = re.escape(name.removesuffix(".001")) + "[.][0-9]{3,}", None
    else:
        pattern, series = re.escape(name), None
    return sorted(
        path
        for path in target.path.parent.iterdir()
        if re.fullmatch(pattern, path.name) and (series is None or path.name in series)
    )


def check_new(target: Target, segment_size: int) -> None:
    """Refuse a target any of whose files exist. Raises TargetError."""
    candidates = [target.path, *files_of(target, segment_size), *(target.sidecar(ending) for ending in SIDECARS)]
    for path in candidates:
        if os.path.lexists(path):
            raise target_error(path, FileExistsError())
    if target.sidecar(".resume").exists():
        raise TargetError(
            f"中断した取得の状態ファイルがあります: {mask_path(target.sidecar('.resume'))}",
            f"there is the state file of a run that was stopped: {mask_path(target.sidecar('.resume'))}",
            hint_ja="続きから再開するなら同じコマンドに --resume を付けてください",
            hint_en="to go on from there give the same command with --resume",
        )


def check_empty(target: Target) -> None:
    """Refuse a target whose medium holds any file (asked for by the user). Raises TargetError."""
    root = Path(devices.file_system_of(target.path.parent)[0] or target.path.parent)
    ignored = {"lost+found", "System Volume Information", ".Trashes", "$RECYCLE.BIN"}
    found = sorted(entry.name for entry in root.iterdir() if entry.name not in ignored)
    if found:
        raise TargetError(
            f"書込み先の媒体が空ではありません: {mask_path(root)}({len(found)} 件、例: {mask_path(found[0])})",
            f"the target's medium is not empty: {mask_path(root)} ({len(found)} entries, e.g. {mask_path(found[0])})",
        )


@dataclass(slots=True)
class Opened:
    """A source ready to be read: what it is, how it is protected."""

    source: Source
    device: Device | None
    protection: Literal["hardware", "software", "none", "file"]
    read_only_before: bool | None
    read_only_set: bool
    is_physical: bool
    has_partition_table: bool | None


def open_source(request: Request) -> Opened:
    """Open the source and protect it; refuse what must not be imaged.

    Raises UsageError (a folder; in use without a reason; the target on the source), EvidenceError (cannot be opened,
    nothing in it).
    """
    path = request.source
    device = None
    with contextlib.suppress(OSError):
        if path.is_block_device():
            device = devices.device_info(path)
    source = FileSource(path, direct=request.direct)
    try:
        if device is not None:
            source.sector_size = devices.sector_sizes(source.fd)[0]
            if source.is_direct:
                source.smallest_read = max(source.sector_size, 512)
        elif source.is_device:
            source.sector_size = devices.sector_sizes(source.fd)[0]
        _refuse_empty(source)
        return _protect(request, source, device)
    except BaseException:
        source.close()
        raise


def _refuse_empty(source: Source) -> None:
    if source.size == 0:
        raise EvidenceError(
            f"読取り元が 0 バイトです: {source.name}",
            f"the source has no bytes: {source.name}",
            hint_ja="媒体が入っているか、接続されているかを確かめてください",
            hint_en="check that there is a medium in it and that it is connected",
        )


def _protect(request: Request, source: FileSource, device: Device | None) -> Opened:
    for target in request.targets:
        if target.path.exists() and target.path.samefile(request.source):
            raise UsageError(
                f"書込み先が読取り元と同じです: {mask_path(target.path)}",
                f"the target is the source: {mask_path(target.path)}",
            )
    if device is None:
        table = _table_of(request.source)
        return Opened(
            source, None, "file", None, read_only_set=False, is_physical=bool(table), has_partition_table=table
        )
    uses = list(device.in_use)
    if not uses and devices.is_in_use_exclusively(request.source):
        uses = ["in use by the system"]
    if uses and not request.typed.live_reason:
        raise UsageError(
            f"読取り元が使用中です: {mask_path(request.source)}({'、'.join(uses)})",
            f"the source is in use: {mask_path(request.source)} ({', '.join(uses)})",
            hint_ja='マウントを解除してください。稼働中のまま取得するなら --live "理由" を付けてください',
            hint_en='unmount it; to image it while in use give --live "REASON"',
        )
    for target in request.targets:
        if devices.lies_on(target.path.parent, request.source):
            raise UsageError(
                f"書込み先が読取り元の媒体の上にあります: {mask_path(target.path)}",
                f"the target lies on the source: {mask_path(target.path)}",
                hint_ja="別の媒体に書き込んでください",
                hint_en="write to another medium",
            )
    before = devices.read_only_flag(source.fd)
    was_set = False
    if before is False and not request.typed.live_reason:
        was_set = devices.set_read_only(source.fd, value=True)
    now = devices.read_only_flag(source.fd)
    protection: Literal["hardware", "software", "none"] = "software" if now else "none"
    if request.typed.blocker:
        protection = "hardware"
    table = None if device.partition_table is None else device.partition_table != "none"
    return Opened(source, device, protection, before, was_set, bool(table), table)


def _table_of(path: Path) -> bool | None:
    """Whether a file begins with a partition table; None where that cannot be told."""
    from preserve.raw import RawImage  # noqa: PLC0415 - only when a run begins
    from preserve.volumes import open_volumes  # noqa: PLC0415

    try:
        with RawImage(path) as image:
            return any(":" in volume.layer for volume in open_volumes(image)[0])
    except (OSError, HozenError):
        return None
