"""The main job: scan an image for My Numbers (個人番号) and YARA matches; write what was found and what was not read.

```python
from pathlib import Path
import chain_of_custody
from triage.scan import ScanOptions, scan

with chain_of_custody.open_case(Path("2026-014.case")) as case:
    outcome = scan(Path("disk.E01"), case, ScanOptions())
    print(outcome.exit_code, outcome.report)
```
The path of the data: walk the file systems (in a child) → pass 1, one read of the media for hashes and number search →
pass 2, files and windows around raw hits, in children → merge → findings, coverage, summary, report.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from chain_of_custody import FileHash, console
from chain_of_custody.console import text
from chain_of_custody.errors import TargetError, UsageError
from preserve.extents import DELETED, STATES
from preserve.workers import MEMORY_LIMIT_BYTES, Pool
from triage import evidence_map, ocr, report
from triage.collected import Collected, decided_files, media_coverage
from triage.file_pass import (
    GRACE_SECONDS,
    MEMORY_WITH_PICTURES,
    SECONDS_PER_FILE,
    SECONDS_PER_FILE_WITH_PICTURES,
    FileTask,
    NameTask,
    PassSettings,
    RangeTask,
    WindowTask,
    start_pass,
)
from triage.findings import numbered, write_lines
from triage.masking import mask_text
from triage.media_pass import read_media
from triage.raw_hits import select
from triage.results import CONFIDENCES
from triage.scan_state import FOLDER as STATE_FOLDER
from triage.scan_state import Plan, ScanState
from triage.window_bounds import within_owner

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from chain_of_custody import Case
    from chain_of_custody.jcs import Json
    from triage.evidence_map import EvidenceMap
    from triage.file_pass import AnyTask, OcrMode, TaskResult
    from triage.findings import CoverageLine, Finding
    from triage.media_pass import MediaRead
    from triage.raw_hits import Selection, Window
    from triage.yara_rules import Rules

YARA_RANGE_BYTES = 64 << 20
YARA_OVERLAP_BYTES = 4096
WINDOWS_PER_TASK = 256
NAMES_PER_TASK = 512


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """What a scan may be asked for; `out` is a new folder for the results instead of one in the case."""

    out: Path | None = None
    rules: tuple[Path, ...] = ()
    passwords: tuple[str, ...] = field(default=(), repr=False)
    jobs: int = 1
    resume: bool = False
    ocr: OcrMode = "auto"


@dataclass(frozen=True, slots=True)
class PlaceCount:
    """How many numbers lie in one file, or in no file, by confidence; `example` is masked."""

    state: str
    path: str
    example: str
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ScanOutcome:
    """Where the results lie, what they say in short, and the exit code (0, 1 hash differs, 3 something not read)."""

    folder: Path
    report: Path
    summary: Mapping[str, Any]
    places: Sequence[PlaceCount]
    """Places with findings, those with most of high confidence first."""
    exit_code: int


def check_request(image: Path, rules: Sequence[Path]) -> None:
    """Refuse what cannot work before a case is made for it; raises UsageError or EvidenceError."""
    from preserve import open_image  # noqa: PLC0415 - the CLI calls this before anything heavy is needed

    for rule in rules:
        if not rule.exists():
            raise UsageError(f"YARA 規則がありません: {rule}", f"no such YARA rules: {rule}")
    open_image(image).close()


def read_passwords(file: Path | None) -> tuple[str, ...]:
    """One password a line, without the line end; raises UsageError where the file cannot be read."""
    if file is None:
        return ()
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"パスワードのファイルを読めません(UTF-8、1 行に 1 つ): {file}",
            f"cannot read the file of passwords (UTF-8, one a line): {file}",
        ) from error
    return tuple(dict.fromkeys(line for line in lines if line))


def scan(image_path: Path, case: Case, options: ScanOptions) -> ScanOutcome:
    """Scan `image_path` and record it in `case`.

    Raises EvidenceError, TargetError, LedgerError, UsageError; KeyboardInterrupt leaves a state that `resume` takes up.
    """
    return _Scan(image_path, case, options).run()


class _Scan:
    """One scan from begin to end."""

    def __init__(self, image_path: Path, case: Case, options: ScanOptions) -> None:
        self.image_path = image_path.resolve()
        self.case = case
        self.options = options
        self.started = datetime.now(UTC)
        self.rules: Rules | None = None
        self.rules_digest = ""
        if options.rules:
            from triage.yara_rules import compile_rules  # noqa: PLC0415 - only where rules are given

            self.rules = compile_rules(options.rules)
            self.rules_digest = self.rules.sha256

    def run(self) -> ScanOutcome:
        """Record the beginning, do the work, record the end."""
        folder = _results_folder(self.case.path, self.image_path.name, self.options)
        begin: dict[str, Json] = {
            "image": mask_text(str(self.image_path)),
            "image_bytes": str(self.image_path.stat().st_size),
            "results": os.path.relpath(folder, self.case.path),
            "resumed": self.options.resume,
            "jobs": self.options.jobs,
            "rules_sha256": self.rules_digest,
        }
        with self.case.action("scan", begin, item=mask_text(self.image_path.name)) as action:
            try:
                outcome, outputs = self._work(folder)
            except OSError as error:
                raise TargetError(
                    f"結果を書き込めません: {folder}: {error.strerror}",
                    f"cannot write results in {folder}: {error.strerror}",
                    hint_ja="空き容量と権限を確認し、--resume を付けて再実行してください",
                    hint_en="check free space and permissions, then run again with --resume",
                ) from error
            except KeyboardInterrupt:
                console.notice(
                    f"中断しました。--resume で続けられます: {folder}",
                    f"Interrupted; --resume goes on: {folder}",
                )
                raise
            action.set_result(
                {
                    "results": os.path.relpath(folder, self.case.path),
                    "exit_code": outcome.exit_code,
                    "media_sha256": outcome.summary["hashes"]["sha256"],
                    "media_md5": outcome.summary["hashes"]["md5"],
                    "media_bytes": str(outcome.summary["image"]["size"]),
                    "hash_verdict": outcome.summary["hashes"]["verdict"],
                    "findings": {
                        name: str(count) for name, count in outcome.summary["counts"]["by_confidence"].items()
                    },
                    "files": [name for name, _ in outputs],
                },
                outputs=[digest for _, digest in outputs],
                status="done" if outcome.exit_code == 0 else "partial",
            )
        return outcome

    # --- the work -----------------------------------------------------------------------------------------------------

    def _work(self, folder: Path) -> tuple[ScanOutcome, list[tuple[str, FileHash]]]:
        with evidence_map.walk(self.image_path, threads=self.options.jobs) as evidence:
            plan = Plan(
                image=mask_text(str(self.image_path)),
                size=evidence.image.size,
                layer=evidence.image.layer,
                rules=self.rules_digest,
                tool_version=version("hozen"),
                ocr=self.options.ocr,
            )
            if not self.options.resume:
                folder.mkdir(parents=True)
            state = ScanState(folder, plan, resume=self.options.resume)
            try:
                media = read_media(evidence.image, state.folder / "raw.npz")
                located = evidence.extents.locate(media.hits.offsets)
                file_of_hit = evidence.file_numbers(located.entry)
                settings = PassSettings(
                    self.image_path, self.case.secret(), self.options.passwords, self.rules, self.options.ocr
                )
                reads_pictures = self.options.ocr != "off" and ocr.is_installed()
                memory = MEMORY_WITH_PICTURES if reads_pictures else MEMORY_LIMIT_BYTES
                with Pool(start_pass, settings, self.options.jobs, memory_bytes=memory) as pool:
                    first = list(self._file_tasks(evidence))
                    self._run(pool, first, state, text("ファイル", "files"))
                    # Where pass 2 read a file as text and whole, it has the last word; elsewhere windows are judged.
                    decided = np.array(sorted(decided_files(evidence, state.done)), dtype=np.int64)
                    wanted = ~(np.isin(file_of_hit, decided) & (located.state <= DELETED))
                    # Content and slack of one file are different company, too.
                    owner = file_of_hit * len(STATES) + located.state
                    selection = select(media.hits, size=evidence.image.size, groups=owner, wanted=wanted)
                    cut = within_owner(selection.windows, evidence.extents)
                    windows = list(_window_tasks(first[-1].number + 1 if first else 0, cut))
                    self._run(pool, windows, state, text("未割当領域など", "unallocated space"))
                summary, places, outputs = self._write(folder, evidence, media, selection, [*first, *windows], state)
            except BaseException:
                state.close()
                raise
            state.remove()
        return ScanOutcome(folder, folder / "report.html", summary, places, int(summary["exit_code"])), outputs

    def _file_tasks(self, evidence: EvidenceMap) -> Iterator[AnyTask]:
        """Files, then names, then ranges for YARA; a file's task has the number of its entry."""
        seconds = SECONDS_PER_FILE if self.options.ocr == "off" else SECONDS_PER_FILE_WITH_PICTURES
        for file in evidence.files:
            yield FileTask(
                file.number, file.file_id, file.name, file.size, visible=file.visible, seconds=seconds + GRACE_SECONDS
            )
        number = len(evidence.entries)
        suspects = list(evidence.names_with_digits())
        for start in range(0, len(suspects), NAMES_PER_TASK):
            yield NameTask(number, tuple(suspects[start : start + NAMES_PER_TASK]))
            number += 1
        if self.rules is not None:
            for part in evidence.ranges_without_file:
                for offset in range(part.offset, part.offset + part.size, YARA_RANGE_BYTES):
                    # Matches that straddle a border are found by the overlap.
                    size = min(YARA_RANGE_BYTES + YARA_OVERLAP_BYTES, part.offset + part.size - offset)
                    yield RangeTask(number, offset, size, min(size, YARA_RANGE_BYTES), part.state)
                    number += 1

    def _run(
        self,
        pool: Pool[AnyTask, TaskResult, PassSettings],
        tasks: Sequence[AnyTask],
        state: ScanState,
        words: str,
    ) -> None:
        """Do the tasks that have no outcome yet, and keep each outcome."""
        waiting = [task for task in tasks if task.number not in state.done]
        with console.progress(words, len(waiting), unit="items") as progress:
            for task, outcome in pool.run(waiting):
                state.add(task.number, outcome)
                progress.advance(1)
        state.sync()

    # --- results ------------------------------------------------------------------------------------------------------

    def _write(
        self,
        folder: Path,
        evidence: EvidenceMap,
        media: MediaRead,
        selection: Selection,
        tasks: Sequence[AnyTask],
        state: ScanState,
    ) -> tuple[dict[str, Any], list[PlaceCount], list[tuple[str, FileHash]]]:
        collected = Collected(evidence, tasks, state.done)
        findings = collected.findings()
        coverage = sorted(set(collected.coverage()) | set(media_coverage(evidence, media.hits, selection)))
        summary = self._summary(evidence, media, collected, findings, coverage)
        pictures = list(collected.pictures())
        summary["pictures"] = dict(sorted(Counter(line.reason for line in pictures).items()))
        for name in ("findings.jsonl", "coverage.jsonl", "summary.json", "report.html"):
            # A resumed run may find what it was writing when it was stopped; it was never recorded as a result.
            if self.options.resume:
                (folder / name).unlink(missing_ok=True)
        write_lines(folder / "findings.jsonl", numbered(findings))
        write_lines(folder / "coverage.jsonl", (line.to_json() for line in (*coverage, *sorted(pictures))))
        with (folder / "summary.json").open("x", encoding="utf-8", newline="\n") as file:
            json.dump(summary, file, ensure_ascii=False, indent=1)
            file.write("\n")
        report.write_report(folder, language=console.language())
        names = ("findings.jsonl", "coverage.jsonl", "summary.json", "report.html")
        return summary, places_of(findings), [(name, _hash_of(folder / name)) for name in names]

    def _summary(
        self,
        evidence: EvidenceMap,
        media: MediaRead,
        collected: Collected,
        findings: Sequence[Finding],
        coverage: Sequence[CoverageLine],
    ) -> dict[str, Any]:
        image = evidence.image
        numbers = [finding for finding in findings if finding.kind == "my_number"]
        by_state: dict[str, dict[str, int]] = {}
        for finding in numbers:
            counts = by_state.setdefault(finding.state, dict.fromkeys(CONFIDENCES, 0))
            counts[finding.confidence] += 1
        unreadable = image.unreadable()
        verdict = hash_verdict(image.stored_hashes, media, unreadable_bytes=sum(part.size for part in unreadable))
        notes = list(collected.notes())
        if not evidence.kinds:
            notes.append(
                {
                    "ja": "ファイルシステムを認識できないため、媒体全体を生データとして走査した",
                    "en": "no file system was recognised: the whole medium was searched as raw data",
                },
            )
        key = self.case.key_notice()
        notes.append({"ja": f"署名鍵: {key.ja}", "en": f"signing key: {key.en}"})
        partial = bool(coverage) or not evidence.kinds
        exit_code = 1 if verdict == "mismatch" else 3 if partial else 0
        return {
            "v": 1,
            "image": {
                "path": mask_text(str(self.image_path)),
                "name": mask_text(self.image_path.name),
                "size": image.size,
                "sector_size": image.sector_size,
                "format": image.layer.partition(":")[0],
                "segments": [mask_text(segment.name) for segment in image.segments],
            },
            "hashes": {
                "sha256": media.sha256,
                "md5": media.md5,
                "stored": dict(image.stored_hashes),
                "verdict": verdict,
            },
            "case": {"id": self.case.case_id, "fingerprint": self.case.fingerprint},
            "operator": self.case.operator().id,
            "tool": {"name": "hozen", "version": version("hozen")},
            "started": self.started.isoformat(),
            "finished": datetime.now(UTC).isoformat(),
            "counts": {
                "by_confidence": {
                    confidence: sum(finding.confidence == confidence for finding in numbers)
                    for confidence in CONFIDENCES
                },
                "by_state": dict(sorted(by_state.items())),
                "by_kind": {"my_number": len(numbers), "yara": len(findings) - len(numbers)},
            },
            "persons": persons_of(numbers),
            "chance_candidates": media.hits.counts.without_evidence(),
            "rejected": dict(sorted(collected.rejected.items())),
            "labelled_wrong": collected.labelled_wrong,
            "volumes": [
                {
                    "layer": volume.layer or image.layer,
                    "offset": volume.offset,
                    "size": volume.size,
                    "description": volume.description,
                    "filesystem": evidence.kinds.get(volume.index, ""),
                }
                for volume in evidence.volumes
            ],
            "read": {
                "bytes": image.size,
                "unreadable_bytes": sum(part.size for part in unreadable),
                "files": len(evidence.files),
                "files_partial": len({(line.layers, line.path) for line in coverage if line.path}),
            },
            "unreadable": [
                {"offset": part.offset, "size": part.size, "reason": part.reason, "detail": part.detail}
                for part in unreadable
            ],
            "coverage_lines": len(coverage),
            "exit_code": exit_code,
            "notes": notes,
        }


def _window_tasks(number: int, windows: Sequence[Window]) -> Iterator[WindowTask]:
    for start in range(0, len(windows), WINDOWS_PER_TASK):
        yield WindowTask(number + start // WINDOWS_PER_TASK, tuple(windows[start : start + WINDOWS_PER_TASK]))


def _hash_of(path: Path) -> FileHash:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    return FileHash(digest.hexdigest(), path.stat().st_size)


def _results_folder(case: Path, image_name: str, options: ScanOptions) -> Path:
    """The folder for the results: new, or for a resumed scan the newest one that still has its state."""
    if options.out is not None:
        folder = options.out.resolve()
        if options.resume:
            return folder
        if folder.exists():
            raise TargetError(
                f"結果のフォルダーが既にあります: {folder}",
                f"the folder for the results exists already: {folder}",
                hint_ja="別の名前を指定してください(上書きはしません)",
                hint_en="give another name (nothing is overwritten)",
            )
        return folder
    scans = case / "scans"
    taken: dict[int, tuple[Path, str]] = {}
    if scans.is_dir():
        for entry in scans.iterdir():
            number, _, name = entry.name.partition("-")
            if number.isdigit():
                taken[int(number)] = (entry, name)
    safe_name = mask_text(image_name)
    if options.resume:
        for latest in sorted(taken, reverse=True):
            folder, name = taken[latest]
            if name == safe_name and (folder / STATE_FOLDER).is_dir():
                return folder
        raise UsageError(
            f"再開できる走査がありません: {scans}",
            f"there is no interrupted scan of {safe_name} in {scans}",
            hint_ja="--resume なしで新しく走査してください",
            hint_en="scan anew, without --resume",
        )
    return scans / f"{max(taken, default=0) + 1}-{safe_name}"


def hash_verdict(stored: Mapping[str, str], media: MediaRead, *, unreadable_bytes: int) -> str:
    """Whether the media as read has the hashes that the image carries: match, mismatch, partial, nothing_to_compare."""
    if unreadable_bytes:
        return "partial"
    computed = {"md5": media.md5, "sha256": media.sha256}
    compared = [stored[name].lower() == computed[name] for name in computed if stored.get(name)]
    if not compared:
        return "nothing_to_compare"
    return "match" if all(compared) else "mismatch"


def persons_of(numbers: Sequence[Finding]) -> dict[str, int]:
    """Distinct numbers as an interval: those found with high confidence, with medium, with any."""
    best: dict[str, int] = {}
    for finding in numbers:
        rank = CONFIDENCES.index(finding.confidence)
        best[finding.hmac] = min(rank, best.get(finding.hmac, rank))
    ranks = Counter(best.values())
    return {"lower": ranks[0], "estimate": ranks[0] + ranks[1], "upper": sum(ranks.values())}


def places_of(findings: Sequence[Finding]) -> list[PlaceCount]:
    """My Number findings by file and state, those with most of high confidence first."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    examples: dict[tuple[str, str], str] = {}
    for finding in findings:
        if finding.kind != "my_number":
            continue
        place = (finding.state, finding.path)
        counts.setdefault(place, Counter())[finding.confidence] += 1
        examples.setdefault(place, finding.masked)
    ordered = sorted(counts, key=lambda place: ([-counts[place][one] for one in CONFIDENCES], place))
    return [PlaceCount(state, path, examples[state, path], counts[state, path]) for state, path in ordered]
