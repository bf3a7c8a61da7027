"""Making an image: the main path of `preserve image` and `preserve export`.

```python
from preserve.acquire import acquire
from preserve.request import Request, Target

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
import time
import uuid
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from chain_of_custody import FileHash, tool_identity
from chain_of_custody.errors import TargetError, UsageError
from chain_of_custody.masking import mask_path
from preserve.badmap import BAD, BadMap
from preserve.ewf_writer import Compression, EwfHeader, EwfSettings, EwfWriter
from preserve.hashing import Hasher
from preserve.journal import Journal, State, read_journal, rewind
from preserve.output import sync_folder, target_error
from preserve.pieces import CHUNK_SIZE, PIECE_SIZE, PieceList, piece_count, zero_map_of
from preserve.pipeline import Encoder, EwfTarget, Mark, Pass, PieceWriter, RawTarget, first_pass
from preserve.preflight import Opened, check_empty, check_space, check_targets, files_of, open_source, segment_size_for
from preserve.raw_writer import RawWriter
from preserve.readback import TargetCheck, Written, recheck, reread_source, verify_target
from preserve.request import SIDECARS, Format, Request, Target
from preserve.rescue import Rescue
from preserve.watcher import Watcher

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from chain_of_custody.case import Action, Case
    from chain_of_custody.jcs import Json

_SECTOR_CHOICES = (512, 1024, 2048, 4096)


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
    hole_bytes: int
    """Bytes of a sparse source file that this run did not read: holes of its file system, zeros by definition."""
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
        self._hole_bytes = 0
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
            version=f"hozen {tool_identity.version()}",
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
                (mask_path(target.path.name), target.format, segment_size_for(target, request, source.size))
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
        asked = [(mask_path(target.path.name), target.format) for target in request.targets]
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
            "targets": [mask_path(target.path.absolute()) for target in request.targets],
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
            for ending in SIDECARS:
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
        try:
            first_pass(run)
        finally:
            self._hole_bytes = run.hole_bytes
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
            hole_bytes=self._hole_bytes,
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
        map_text = self._bad.text(comments=[f"source: {self.source.name}", f"image: {mask_path(target.path.name)}"])
        outputs = [
            _write_new(target.sidecar(".map"), [map_text]),
            _write_new(target.sidecar(".pieces"), self._pieces.lines()),
        ]
        index = self.request.targets.index(target)
        check = result.checks[index] if result.checks else None
        document = self._document(target, written, result, stored, check)
        document["map"] = {"file": mask_path(target.sidecar(".map").name), "sha256": outputs[0].sha256}
        document["pieces"] = {
            "file": mask_path(target.sidecar(".pieces").name),
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
            files.append({"name": mask_path(path.name), "size": size, "sha256": sha256})
        words = result.words
        return {
            "format": "hozen-image/1",
            "tool": f"hozen {tool_identity.version()}",
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
                "holes": result.hole_bytes,
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
            "hole_bytes": str(result.hole_bytes),
            "files": [mask_path(path.name) for path in (*result.files[:200], *result.sidecars)],
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


def _write_new(path: Path, lines: Iterable[str]) -> FileHash:
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
