"""Making an image: the main path of `preserve image` and `preserve export`.

```python
from preserve.acquire import Request, Target, acquire

result = acquire(Request(Path("/dev/sdb"), (Target(Path("disk.E01"), "e01"),)))
result.hashes["sha256"], result.unreadable, result.words_ja
```
Order of work: refuse what must not be imaged → state file → first pass (preserve.pipeline) → rescue of what could
not be read (preserve.rescue) → hashes of the rest from the target → end of the images → read-back → `disk.json`,
`disk.map`, `disk.pieces` → state file removed. A run that stops anywhere before its end is continued by `resume=True`;
what it then makes is byte for byte what one run makes, because GUID and dates come from the state file and the layout
follows from the data.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
import shutil
import time
import uuid
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from chain_of_custody import FileHash
from chain_of_custody.errors import (
    EvidenceError,
    HozenError,
    TargetError,
    UsageError,
)
from preserve import devices
from preserve.badmap import BAD, BadMap
from preserve.ewf_writer import (
    DEFAULT_SEGMENT_SIZE,
    Compression,
    EwfHeader,
    EwfSettings,
    EwfWriter,
    most_segments,
    segment_name,
)
from preserve.journal import Journal, State, read_journal, rewind
from preserve.output import sync_folder, target_error
from preserve.pieces import CHUNK_SIZE, PIECE_SIZE, PieceList, piece_count, zero_map_of
from preserve.pipeline import ALGORITHMS, Encoder, EwfTarget, Hasher, Mark, Pass, PieceWriter, RawTarget, first_pass
from preserve.raw_writer import RawWriter
from preserve.readback import TargetCheck, Written, recheck, reread_source, verify_target
from preserve.rescue import Rescue
from preserve.source import FileSource, Source
from preserve.watcher import Watcher

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from chain_of_custody.case import Action, Case
    from chain_of_custody.jcs import Json
    from preserve.devices import Device

Format = Literal["e01", "raw"]
TOOL = "hozen 0.1.0"
FAT_LIMIT = (4 << 30) - 1
_SIDECARS = (".json", ".map", ".pieces")
_SECTOR_CHOICES = (512, 1024, 2048, 4096)


@dataclass(frozen=True, slots=True)
class Target:
    """One place to write to: the first (or only) file and its format."""

    path: Path
    format: Format

    @property
    def stem(self) -> Path:
        """Path without the ending that the format owns: `d/disk` for d/disk.E01, d/disk.dd and d/disk.001."""
        return self.path.with_name(self.path.name.removesuffix(self.path.suffix) or self.path.name)

    def sidecar(self, ending: str) -> Path:
        """`disk.json`, `disk.map`, `disk.pieces` or `disk.resume` beside it."""
        return self.stem.with_name(self.stem.name + ending)


@dataclass(frozen=True, slots=True)
class Typed:
    """What a person said; recorded as typed (手入力), never as read by the machine."""

    item: str = ""
    description: str = ""
    examiner: str = ""
    witness: str = ""
    blocker: str = ""
    case_number: str = ""
    notes: str = ""
    live_reason: str = ""

    def to_json(self) -> dict[str, str]:
        """The fields that were given."""
        return {name: value for name, value in asdict(self).items() if value}


@dataclass(frozen=True, slots=True)
class Request:
    """What to image, where to and how. Sizes are bytes; `segment_size` None takes the default of the format."""

    source: Path
    targets: tuple[Target, ...]
    compression: Compression = "fast"
    algorithms: tuple[str, ...] = ("md5", "sha256")
    segment_size: int | None = None
    typed: Typed = field(default_factory=Typed)
    resume: bool = False
    retries: int = 1
    reread_source: bool = False
    verify: bool = True
    must_be_empty: bool = False
    direct: bool = True


@dataclass(slots=True)
class Result:
    """What a finished run did. Sizes and offsets are bytes."""

    size: int
    sector_size: int
    hashes: dict[str, str]
    unreadable: list[tuple[int, int]]
    files: list[Path]
    sidecars: list[Path]
    zero_bytes: int
    checks: list[TargetCheck]
    reread: list[tuple[int, int]] | None
    """Ranges that a second read of the source gave differently; None when it was not read again."""
    is_resumed: bool
    recomputed_from_target: int
    """Bytes whose hashes were computed from the target instead of the source."""
    padding: int
    seconds: float
    read_only: str = ""
    outputs: list[FileHash] = field(default_factory=list)

    @property
    def unreadable_sectors(self) -> int:
        """Sectors (of the source's logical size) that nobody could read."""
        return sum(-(-size // self.sector_size) for _, size in self.unreadable)

    @property
    def is_equal(self) -> bool:
        """Whether no comparison that was made found a difference."""
        return all(check.is_equal for check in self.checks) and not self.reread

    @property
    def words(self) -> tuple[str, str]:
        """The verdict in Japanese and English: what was compared with what, and what is excepted."""
        exceptions_ja, exceptions_en = [], []
        if self.unreadable:
            exceptions_ja.append(f"読取不能 {self.unreadable_sectors:,} セクタ(ゼロ埋め)")
            exceptions_en.append(f"{self.unreadable_sectors:,} unreadable sectors (filled with zeros)")
        if self.padding:
            exceptions_ja.append(f"末尾の端数 {self.padding} バイトのゼロ詰め")
            exceptions_en.append(f"{self.padding} bytes of zero padding at the end")
        except_ja = f"{'と'.join(exceptions_ja)}を除き" if exceptions_ja else ""
        except_en = f" except for {' and '.join(exceptions_en)}" if exceptions_en else ""
        parts_ja, parts_en = [], []
        if self.checks and all(check.is_equal for check in self.checks):
            parts_ja.append(f"{except_ja}一致(書込み先の読戻しと読取り時のハッシュを比較)")
            parts_en.append(f"identical{except_en} (target read back, compared with the hashes of what was read)")
        elif self.checks:
            parts_ja.append("不一致(書込み先の読戻しが読取り時のハッシュと異なる)")
            parts_en.append("NOT identical (the target reads back differently from what was read)")
        else:
            parts_ja.append(f"検証なし(--no-verify){'、' + except_ja.removesuffix('を除き') if except_ja else ''}")
            parts_en.append(f"not verified (--no-verify){except_en.replace(' except for', ';')}")
        if self.reread is not None:
            count = sum(size for _, size in self.reread)
            parts_ja.append(
                f"読取り元の再読取り: {'一致' if not self.reread else f'不一致({count:,} バイトを含む断片が変化)'}",
            )
            parts_en.append(
                "source read again: "
                + ("same" if not self.reread else f"CHANGED (in pieces of {count:,} bytes altogether)"),
            )
        return "。".join(parts_ja), "; ".join(parts_en)


# Refusals and preparation.


def format_of(path: Path, default: Format = "e01") -> Format:
    """The format that a file name asks for by its ending; `default` where it asks for none."""
    ending = path.suffix.lower()
    if ending == ".e01":
        return "e01"
    return "raw" if ending in (".dd", ".raw", ".img", ".bin", ".001") else default


def check_targets(request: Request, size: int) -> None:
    """Refuse target names that cannot work, before anything is opened. Raises UsageError, TargetError."""
    if not request.targets:
        raise UsageError("書込み先がありません", "no target")
    unknown = [name for name in request.algorithms if name not in ALGORITHMS]
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
                f"書込み先のフォルダがありません: {folder}",
                f"the target's folder does not exist: {folder}",
                hint_ja="フォルダを作ってからもう一度実行してください",
                hint_en="make the folder first",
            )
        if target.format == "e01" and not target.path.name.lower().endswith(".e01"):
            raise UsageError(
                f"E01 の書込み先は .E01 で終わる名前にしてください: {target.path.name}",
                f"the name of an E01 must end in .E01: {target.path.name}",
            )
        stem = target.stem.absolute()
        if stem in seen:
            raise UsageError(
                f"二つの書込み先が同じ名前です(拡張子を除く): {target.path}",
                f"two targets have the same name (but for the ending): {target.path}",
                hint_ja="disk.json などが重なります。別のフォルダか別の名前にしてください",
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
            f"書込み先が FAT のため 4 GiB 以上のファイルを作れません: {target.path}",
            f"the target's file system is FAT: no file of 4 GiB or more: {target.path}",
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
                f"書込み先の空きが足りません: 必要 {total:,} バイト、空き {free:,} バイト({path.parent})",
                f"not enough room: {total:,} bytes needed, {free:,} free ({path.parent})",
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
    candidates = [target.path, *files_of(target, segment_size), *(target.sidecar(ending) for ending in _SIDECARS)]
    for path in candidates:
        if os.path.lexists(path):
            raise target_error(path, FileExistsError())
    if target.sidecar(".resume").exists():
        raise TargetError(
            f"中断した取得の状態ファイルがあります: {target.sidecar('.resume')}",
            f"there is the state file of a run that was stopped: {target.sidecar('.resume')}",
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
            f"書込み先の媒体が空ではありません: {root}({len(found)} 件、例: {found[0]})",
            f"the target's medium is not empty: {root} ({len(found)} entries, e.g. {found[0]})",
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
                f"書込み先が読取り元と同じです: {target.path}",
                f"the target is the source: {target.path}",
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
            f"読取り元が使用中です: {request.source}({'、'.join(uses)})",
            f"the source is in use: {request.source} ({', '.join(uses)})",
            hint_ja='マウントを解除してください。稼働中のまま取得するなら --live "理由" を付けてください',
            hint_en='unmount it; to image it while in use give --live "REASON"',
        )
    for target in request.targets:
        if devices.lies_on(target.path.parent, request.source):
            raise UsageError(
                f"書込み先が読取り元の媒体の上にあります: {target.path}",
                f"the target lies on the source: {target.path}",
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


# The run.


@dataclass(slots=True)
class _Settings:
    """What must be the same when a run is continued; written to the state file."""

    size: int
    media_size: int
    sector_size: int
    compression: Compression
    algorithms: tuple[str, ...]
    targets: list[tuple[str, Format, int]]
    """Name, format, segment size."""
    guid: str
    started: int
    """Seconds since 1970 UTC."""
    header: dict[str, Any]
    is_physical: bool
    is_removable: bool
    source: str
    identity: str
    """Model and serial of the device, or the path of the file."""

    def ewf(self, segment_size: int) -> EwfSettings:
        return EwfSettings(
            sector_size=self.sector_size,
            sector_count=self.media_size // self.sector_size,
            segment_size=segment_size,
            compression=self.compression,
            guid=bytes.fromhex(self.guid),
            header=EwfHeader(**self.header),
            is_physical=self.is_physical,
            is_removable=self.is_removable,
        )


def acquire(
    request: Request,
    *,
    case: Case | None = None,
    watcher: Watcher | None = None,
    opened: Opened | None = None,
    kind: Literal["image", "export"] = "image",
) -> Result:
    """Make the image(s) that `request` asks for and verify them; with a case, record it (begin and end).

    `opened` gives a source other than a file or device (an image, for `export`). A result whose `is_equal` is False was
    written and recorded as NG: the caller reports it. Raises UsageError, EvidenceError, TargetError, LedgerError,
    KeyboardInterrupt; after each of the last four the run can be continued with `resume` (unless nothing had begun).
    """
    watcher = watcher or Watcher()
    own = opened is None
    if opened is None:
        opened = open_source(request)
    try:
        check_targets(request, opened.source.size)
        run = _Run(request, opened, watcher)
        try:
            run.prepare()
            with _recorded(case, kind, run) as action:
                result = run.run()
                if action is not None:
                    action.set_result(
                        run.end_body(result),
                        outputs=result.outputs,
                        status="partial" if result.unreadable or not result.is_equal else "done",
                    )
        finally:
            run.close()
        return result
    finally:
        if own:
            opened.source.close()


@contextlib.contextmanager
def _nothing() -> Iterator[None]:
    yield None


def _recorded(case: Case | None, kind: str, run: _Run) -> AbstractContextManager[Action | None]:
    if case is None:
        return _nothing()
    return case.action(kind, run.begin_body(), item=run.request.typed.item or None)


class _Run:
    """One run, from the state file to the sidecars."""

    def __init__(self, request: Request, opened: Opened, watcher: Watcher) -> None:
        self.request = request
        self.opened = opened
        self.source = opened.source
        self.watcher = watcher
        self.settings: _Settings
        self._state = State()
        self._journal: Journal | None = None
        self._targets: list[PieceWriter] = []
        self._bad = BadMap(self.source.size)
        self._hasher = Hasher.of(request.algorithms)
        self._pieces = PieceList()
        self._deferred: list[int] = []
        self._sealed: set[int] = set()
        self._position = 0
        self._skip = 0
        self._recomputed = 0
        self._begun = time.monotonic()

    # Before anything is written.

    def prepare(self) -> None:
        """Everything that can refuse the run; afterwards the state file is there and locked."""
        journal_path = self.request.targets[0].sidecar(".resume")
        if self.request.resume:
            self._state, position = read_journal(journal_path)
            self._journal = Journal(journal_path, position=position)
            self.settings = self._saved_settings(self._state.head)
            return
        for target in self.request.targets:
            if self.request.must_be_empty:
                check_empty(target)
        check_space(self.request, self.source.size, self.watcher)
        self.settings = self._new_settings()
        self._journal = Journal(journal_path)
        self._journal.append("head", asdict(self.settings))

    def _new_settings(self) -> _Settings:
        request, source, device = self.request, self.source, self.opened.device
        sector = source.sector_size
        if sector not in _SECTOR_CHOICES:
            sector = 512
        has_ewf = any(target.format == "e01" for target in request.targets)
        media_size = -(-source.size // sector) * sector if has_ewf else source.size
        started = int(time.time())
        typed = request.typed
        header = EwfHeader(
            case_number=typed.case_number,
            evidence_number=typed.item,
            description=typed.description,
            examiner=typed.examiner,
            notes=typed.notes,
            model=(device.model or "") if device else "",
            serial=(device.serial or "") if device else "",
            version=TOOL,
            platform=platform.system(),
            acquired=started,
            system=started,
        )
        return _Settings(
            size=source.size,
            media_size=media_size,
            sector_size=sector,
            compression=request.compression,
            algorithms=request.algorithms,
            targets=[
                (target.path.name, target.format, segment_size_for(target, request, source.size))
                for target in request.targets
            ],
            guid=uuid.uuid4().bytes_le.hex(),
            started=started,
            header=asdict(header),
            is_physical=self.opened.is_physical,
            is_removable=bool(device and device.is_removable),
            source=source.name,
            identity=self._identity(),
        )

    def _identity(self) -> str:
        device = self.opened.device
        if device is None or not (device.serial or device.wwn):
            return f"{self.source.size} bytes"
        return f"{device.vendor or ''}/{device.model or ''}/{device.serial or ''}/{device.wwn or ''}"

    def _saved_settings(self, head: Mapping[str, Any]) -> _Settings:
        saved = _Settings(
            **{**head, "algorithms": tuple(head["algorithms"]), "targets": [tuple(one) for one in head["targets"]]},
        )
        request = self.request
        asked = [(target.path.name, target.format) for target in request.targets]
        differences = [
            name
            for name, is_same in (
                ("SOURCE", saved.size == self.source.size and saved.identity == self._identity()),
                ("TARGET", asked == [(name, kind) for name, kind, _ in saved.targets]),
                ("--compression", request.compression == saved.compression),
                ("--hash", sorted(request.algorithms) == sorted(saved.algorithms)),
                (
                    "--segment-size",
                    request.segment_size is None or all(request.segment_size == size for _, _, size in saved.targets),
                ),
            )
            if not is_same
        ]
        if differences:
            raise UsageError(
                f"中断した取得と条件が違うため再開できません: {'、'.join(differences)}",
                f"cannot resume, this is not the run that was stopped: {', '.join(differences)}",
                hint_ja="最初と同じ読取り元・書込み先・設定を指定してください",
                hint_en="give the same source, targets and settings as at first",
            )
        return saved

    def begin_body(self) -> dict[str, Json]:
        """The begin entry: what is asked, what was read from the machine, what was typed."""
        request, opened = self.request, self.opened
        auto: dict[str, Json] = {
            "size": str(self.source.size),
            "sector_size": str(self.settings.sector_size),
            "protection": opened.protection
            if opened.protection != "hardware"
            else "software"
            if (opened.read_only_before or opened.read_only_set)
            else "none",
            "direct_reads": self.source.is_direct,
            "read_only_before": opened.read_only_before,
            "read_only_set": opened.read_only_set,
            "has_partition_table": opened.has_partition_table,
        }
        if opened.device is not None:
            auto["device"] = for_ledger(opened.device.to_json())
        if request.resume:
            auto["resumed_at"] = str(min(len(self._state.pieces) * PIECE_SIZE, self.source.size))
        return {
            "source": self.source.name,
            "targets": [str(target.path.absolute()) for target in request.targets],
            "settings": {
                "formats": [target.format for target in request.targets],
                "compression": request.compression,
                "hashes": list(request.algorithms),
                "segment_sizes": [str(size) for _, _, size in self.settings.targets],
                "retries": str(request.retries),
                "verify": request.verify,
                "reread_source": request.reread_source,
                "resume": request.resume,
            },
            "auto": auto,
            "typed": dict(request.typed.to_json()),
        }

    # The work.

    def run(self) -> Result:
        """All phases. The state file is removed when everything is written and compared."""
        if self.request.resume:
            self._recover()
        else:
            self._create()
        self._read()
        if self._deferred:
            self._rescue()
        self._hash_the_rest()
        return self._finish()

    def _create(self) -> None:
        for target, (_, kind, segment) in zip(self.request.targets, self.settings.targets, strict=True):
            if kind == "e01":
                self._targets.append(EwfTarget(EwfWriter(target.path, self.settings.ewf(segment))))
            else:
                self._targets.append(RawTarget(RawWriter(target.path, self.source.size, segment_size=segment)))

    def _recover(self) -> None:
        """Check what the stopped run left, cut the files there and take up its state."""
        state = self._state
        for target in self.request.targets:
            for ending in _SIDECARS:
                # Written by the stopped run at its very end; its state file says that it was not finished.
                target.sidecar(ending).unlink(missing_ok=True)
        while True:
            self._hasher = Hasher.of(self.request.algorithms)
            self.watcher.phase("recheck", len(state.pieces) * PIECE_SIZE * len(self.request.targets))
            writers: list[EwfWriter | None] = []
            safe = len(state.pieces)
            for place, (target, (_, kind, segment)) in enumerate(
                zip(self.request.targets, self.settings.targets, strict=True),
            ):
                first_bad, writer = recheck(
                    Written(
                        target.path,
                        kind == "e01",
                        self.source.size,
                        segment,
                        self.settings.ewf(segment) if kind == "e01" else None,
                    ),
                    state.chunk_lengths,
                    state.pieces,
                    set(state.deferred),
                    state.sealed,
                    hasher=self._hasher if place == 0 else None,
                    on_progress=self.watcher.advance,
                )
                safe = min(safe, first_bad)
                writers.append(writer)
                if safe < len(state.pieces):
                    break
            if safe == len(state.pieces):
                break
            self.watcher.notice(
                f"書込み先の一部が失われています。{safe * PIECE_SIZE:,} バイト以前の確認済みの位置に戻ります",
                f"a part of the target was lost: going back to a safe place before byte {safe * PIECE_SIZE:,}",
            )
            rewind(state, safe)
        self._reopen(writers)
        self._recomputed = min(self._hasher.hashed * PIECE_SIZE, self.source.size)
        self._pieces = state.pieces
        self._deferred = state.deferred
        self._sealed = state.sealed
        self._position = len(state.pieces)
        self._bad = BadMap.restore(self.source.size, [tuple(one) for one in state.unfinished])
        self._skip = state.checkpoints[-1].skip if state.checkpoints else 0

    def _reopen(self, writers: Sequence[EwfWriter | None]) -> None:
        position = min(len(self._state.pieces) * PIECE_SIZE, self.source.size)
        if not position:
            # Stopped before the first checkpoint: what is there was made by that run, whose names were free.
            for target, (_, _, segment) in zip(self.request.targets, self.settings.targets, strict=True):
                for path in files_of(target, segment):
                    path.unlink()
            self._create()
            return
        for target, (_, _, segment), writer in zip(self.request.targets, self.settings.targets, writers, strict=True):
            if writer is not None:
                writer.go_on()
                self._targets.append(EwfTarget(writer))
            else:
                raw = RawWriter(target.path, self.source.size, segment_size=segment, resume_at=position)
                self._targets.append(RawTarget(raw))

    def _read(self) -> None:
        total = piece_count(self.source.size)
        if self._position >= total:
            return
        self.watcher.phase("read", self.source.size)
        self.watcher.advance(self._position * PIECE_SIZE)
        has_ewf = any(kind == "e01" for _, kind, _ in self.settings.targets)
        run = Pass(
            source=self.source,
            targets=self._targets,
            encoder=Encoder(self.settings.compression, self.settings.media_size, makes_chunks=has_ewf),
            hasher=self._hasher,
            bad=self._bad,
            pieces=self._pieces,
            deferred=self._deferred,
            position=self._position,
            skip=self._skip,
            on_checkpoint=self._checkpoint,
            on_progress=self.watcher.advance,
        )
        first_pass(run)
        for offset, size in self.source.known_unreadable():
            self._bad.mark(offset, size, BAD)

    def _checkpoint(self, mark: Mark) -> None:
        assert self._journal is not None
        self._journal.append(
            "data",
            {
                "chunks": len(mark.lengths) // 4,
                "deferred": mark.deferred,
                "map": mark.unfinished,
                "skip": mark.skip,
            },
            mark.lengths + mark.records,
        )

    def _rescue(self) -> None:
        """Fill in the deferred pieces, then give them their hashes."""
        assert self._journal is not None
        journal = self._journal
        self.watcher.phase("rescue", self._bad.total("?", "*", "/", "-"))

        def fill(offset: int, data: memoryview) -> None:
            for target in self._targets:
                target.fill(offset, data)

        def save() -> None:
            for target in self._targets:
                target.sync()
            journal.append("map ", {"map": self._bad.unfinished(), "retries_done": rescue.retries_done})

        rescue = Rescue(
            self.source,
            self._bad,
            fill,
            retries=self.request.retries,
            retries_done=int(self._state.rescue.get("retries_done", 0)),
            on_save=save,
            on_progress=self.watcher.advance,
        )
        try:
            rescue.run()
        except BaseException:
            # Stopped (Ctrl-C, source gone): what was got so far is worth keeping; a target that fails says so itself.
            with contextlib.suppress(TargetError):
                save()
            raise
        self._seal()

    def _seal(self) -> None:
        assert self._journal is not None
        blob = bytearray()
        for index in self._deferred:
            if index in self._sealed:
                continue
            offset = index * PIECE_SIZE
            size = min(PIECE_SIZE, self.source.size - offset)
            data = self._targets[0].read_deferred(offset, size)
            if len(data) != size:
                raise target_error(self.request.targets[0].path, OSError(5, "short read"))
            digest = _blake3(data)
            zero_map = zero_map_of(memoryview(data))
            for target in self._targets:
                target.seal(offset, memoryview(data))
            self._pieces.replace(index, digest, zero_map)
            self._sealed.add(index)
            blob += index.to_bytes(4, "little") + digest + zero_map.to_bytes(4, "little")
        for target in self._targets:
            target.sync()
        if blob:
            self._journal.append("seal", {}, bytes(blob))

    def _hash_the_rest(self) -> None:
        """Hashes that stopped at the first deferred piece go on from the first target."""
        done = self._hasher.hashed
        if done >= piece_count(self.source.size):
            return
        for target in self._targets:
            target.sync()
        state, _ = read_journal(self.request.targets[0].sidecar(".resume"))
        start = min(done * PIECE_SIZE, self.source.size)
        self.watcher.phase("hash", self.source.size)
        _, kind, segment = self.settings.targets[0]
        first_bad, _ = recheck(
            Written(
                self.request.targets[0].path,
                kind == "e01",
                self.source.size,
                segment,
                self.settings.ewf(segment) if kind == "e01" else None,
            ),
            state.chunk_lengths,
            self._pieces,
            set(self._deferred),
            self._sealed,
            hasher=self._hasher,
            start_hashing=done,
            on_progress=self.watcher.advance,
        )
        if first_bad < piece_count(self.source.size):
            raise TargetError(
                f"書込み先から読み戻した内容が違います: {first_bad * PIECE_SIZE:,} バイト目から",
                f"the target reads back differently from byte {first_bad * PIECE_SIZE:,} on",
                hint_ja="書込み先の媒体を確かめ、--resume で再開してください",
                hint_en="check the target's medium and resume with --resume",
            )
        self._recomputed += self.source.size - start

    def _finish(self) -> Result:
        digests = {name: digest.digest() for name, digest in self._hasher.digests.items()}
        padding = self.settings.media_size - self.settings.size
        stored = digests
        if padding:
            stored = {}
            for name, digest in self._hasher.digests.items():
                copy = digest.copy()
                copy.update(bytes(padding))
                stored[name] = copy.digest()
        unreadable = self._bad.ranges(BAD)
        sector = self.settings.sector_size
        bad_sectors = _sectors(unreadable, sector)
        for written in self._targets:
            if isinstance(written, EwfTarget):
                written.writer.finish(
                    md5=stored.get("md5", b""),
                    sha1=stored.get("sha1", b""),
                    unreadable_sectors=bad_sectors,
                )
            elif isinstance(written, RawTarget):
                written.writer.finish()
        checks = []
        if self.request.verify:
            for written in self._targets:
                self.watcher.phase("verify", self.source.size)
                checks.append(
                    verify_target(
                        written.paths[0],
                        written.paths,
                        self.source.size,
                        self._pieces,
                        self.request.algorithms,
                        on_progress=self.watcher.advance,
                    ),
                )
        reread = None
        if self.request.reread_source:
            self.watcher.phase("reread", self.source.size)
            reread = reread_source(self.source, self._pieces, unreadable, on_progress=self.watcher.advance)
        hashes = {name: digest.hex() for name, digest in digests.items()}
        checks = [check if check.hashes == hashes else replace(check, stored_hashes_agree=False) for check in checks]
        result = Result(
            size=self.source.size,
            sector_size=sector,
            hashes=hashes,
            unreadable=unreadable,
            files=[path for written in self._targets for path in written.paths],
            sidecars=[],
            zero_bytes=self._pieces.zero_bytes(self.source.size),
            checks=checks,
            reread=reread,
            is_resumed=self.request.resume,
            recomputed_from_target=self._recomputed,
            padding=padding,
            seconds=time.monotonic() - self._begun,
            read_only=self.opened.protection,
        )
        for target, written in zip(self.request.targets, self._targets, strict=True):
            self._write_sidecars(target, written, result, {name: value.hex() for name, value in stored.items()})
        if self._journal is not None:
            self._journal.remove()
            self._journal = None
        return result

    def _write_sidecars(
        self,
        target: Target,
        written: PieceWriter,
        result: Result,
        stored: Mapping[str, str],
    ) -> None:
        map_text = self._bad.text(comments=[f"source: {self.source.name}", f"image: {target.path.name}"])
        outputs = [
            _write_new(target.sidecar(".map"), [map_text]),
            _write_new(target.sidecar(".pieces"), self._pieces.lines()),
        ]
        index = self.request.targets.index(target)
        check = result.checks[index] if result.checks else None
        document = self._document(target, written, result, stored, check)
        document["map"] = {"file": target.sidecar(".map").name, "sha256": outputs[0].sha256}
        document["pieces"] = {
            "file": target.sidecar(".pieces").name,
            "sha256": outputs[1].sha256,
            "algorithm": "blake3",
            "piece_size": PIECE_SIZE,
            "zero_chunk_size": CHUNK_SIZE,
        }
        text = json.dumps(document, ensure_ascii=False, indent=1) + "\n"
        outputs.append(_write_new(target.sidecar(".json"), [text]))
        sync_folder(target.path.parent)
        result.sidecars += [target.sidecar(ending) for ending in (".map", ".pieces", ".json")]
        if check is not None:
            result.outputs += [FileHash(sha256, size) for _, size, sha256 in check.files]
        result.outputs += outputs

    def _document(
        self,
        target: Target,
        written: PieceWriter,
        result: Result,
        stored: Mapping[str, str],
        check: TargetCheck | None,
    ) -> dict[str, Any]:
        opened = self.opened
        file_hashes = {name: (size, sha256) for name, size, sha256 in check.files} if check else {}
        files = []
        for path in written.paths:
            size, sha256 = file_hashes.get(path.name, (path.stat().st_size, None))
            files.append({"name": path.name, "size": size, "sha256": sha256})
        words = result.words
        return {
            "format": "hozen-image/1",
            "tool": TOOL,
            "size": result.size,
            "sector_size": result.sector_size,
            "hashes": result.hashes,
            "padding": result.padding,
            # With padding, an E01's own hashes cover it too.
            "stored_hashes": dict(stored),
            "unreadable": [{"offset": offset, "size": size} for offset, size in result.unreadable],
            "bytes": {
                "zero": result.zero_bytes,
                "unreadable": sum(size for _, size in result.unreadable),
                "data": result.size - result.zero_bytes,
            },
            "image": {
                "format": target.format,
                "files": files,
                "compression": self.settings.compression if target.format == "e01" else None,
                "guid": str(uuid.UUID(bytes_le=bytes.fromhex(self.settings.guid))) if target.format == "e01" else None,
            },
            "source": {
                "name": self.source.name,
                "device": opened.device.to_json() if opened.device else None,
                "protection": opened.protection,
                "read_only_before": opened.read_only_before,
                "read_only_set": opened.read_only_set,
                "direct_reads": self.source.is_direct,
            },
            "typed": self.request.typed.to_json(),
            "started": datetime.fromtimestamp(self.settings.started, UTC).isoformat(),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "is_resumed": result.is_resumed,
            "recomputed_from_target": result.recomputed_from_target,
            "verification": {
                "ja": words[0],
                "en": words[1],
                "is_equal": (check.is_equal if check else None),
                "hashes": check.hashes if check else None,
                "differing": [{"offset": offset, "size": size} for offset, size in check.differing] if check else [],
                "source_changed": (
                    None
                    if result.reread is None
                    else [{"offset": offset, "size": size} for offset, size in result.reread]
                ),
            },
        }

    def end_body(self, result: Result) -> dict[str, Json]:
        """The end entry."""
        words = result.words
        return {
            "hashes": dict(result.hashes),
            "size": str(result.size),
            "unreadable": {
                "sectors": str(result.unreadable_sectors),
                "bytes": str(sum(size for _, size in result.unreadable)),
                # The whole list stands in disk.json and disk.map, whose hashes are among the outputs.
                "first": [{"offset": str(offset), "size": str(size)} for offset, size in result.unreadable[:100]],
            },
            "zero_bytes": str(result.zero_bytes),
            "files": [path.name for path in (*result.files[:200], *result.sidecars)],
            "file_count": str(len(result.files)),
            "result": {"ja": words[0], "en": words[1]},
            "is_equal": result.is_equal,
            "padding": str(result.padding),
            "recomputed_from_target": str(result.recomputed_from_target),
            "differing": [
                {"target": check.path, "offset": str(offset), "size": str(size)}
                for check in result.checks
                for offset, size in check.differing[:100]
            ],
            "source_changed": (
                None
                if result.reread is None
                else [{"offset": str(offset), "size": str(size)} for offset, size in result.reread[:100]]
            ),
            "seconds": f"{result.seconds:.1f}",
        }

    def close(self) -> None:
        """Close what is still open; targets keep what was synced."""
        for target in self._targets:
            target.abandon()
        if self._journal is not None:
            self._journal.close()


def _blake3(data: bytes) -> bytes:
    from blake3 import blake3  # noqa: PLC0415 - a compiled module

    return blake3(data).digest()


def _sectors(ranges: Sequence[tuple[int, int]], sector_size: int) -> list[tuple[int, int]]:
    """Byte ranges as `(first sector, sectors)`, whole sectors."""
    found = []
    for offset, size in ranges:
        first = offset // sector_size
        found.append((first, -(-(offset + size) // sector_size) - first))
    return found


def _write_new(path: Path, lines: Any) -> FileHash:  # noqa: ANN401 - any iterable of strings
    """Write a new text file, synced; its hash and size."""
    digest = hashlib.sha256()
    size = 0
    try:
        with path.open("xb") as file:
            for line in lines:
                data = line.encode()
                file.write(data)
                digest.update(data)
                size += len(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise target_error(path, error) from error
    return FileHash(digest.hexdigest(), size)


def for_ledger(value: Any) -> Json:  # noqa: ANN401 - whatever JSON holds
    """The same with all integers as decimal strings (the ledger's rule for sizes and offsets)."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, dict):
        return {str(name): for_ledger(one) for name, one in value.items()}
    return [for_ledger(one) for one in value]
