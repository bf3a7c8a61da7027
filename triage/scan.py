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

import json
import os
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from chain_of_custody import FileHash, console
from chain_of_custody.errors import TargetError, UsageError
from triage import evidence_map, inner_scan, report, scope
from triage.file_pass import PassSettings
from triage.findings import numbered, write_lines
from triage.masking import mask_text
from triage.medium_scan import Crew, scan_medium
from triage.numbered_folders import folders_in, next_folder
from triage.results import CONFIDENCES
from triage.scan_state import FOLDER as STATE_FOLDER
from triage.scan_state import Plan, ScanState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from chain_of_custody import Case
    from chain_of_custody.jcs import Json
    from preserve.keys import Keys
    from triage.cluster import Cluster
    from triage.evidence_map import EvidenceMap
    from triage.file_pass import OcrMode
    from triage.findings import CoverageLine, Finding
    from triage.inner_scan import ScannedMedium
    from triage.known_files import KnownFiles
    from triage.media_pass import MediaRead
    from triage.yara_rules import Rules


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """What a scan may be asked for; `out` is a new folder for the results instead of one in the case."""

    out: Path | None = None
    rules: tuple[Path, ...] = ()
    passwords: tuple[str, ...] = field(default=(), repr=False)
    jobs: int = 1
    resume: bool = False
    ocr: OcrMode = "auto"
    keys: Keys = field(default=(), repr=False)
    known: KnownFiles | None = None
    cluster: Cluster | None = None
    """Whose workers do the units of pass 2 instead of children of this process; entered already."""


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
        if not rule.exists() and str(rule) != "builtin":
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
            **({"scheduler": self.options.cluster.options.address} if self.options.cluster else {}),
            "rules_sha256": self.rules_digest,
            "known_sha256": self.options.known.sha256 if self.options.known else "",
            "known_mode": self.options.known.mode if self.options.known else "",
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
        with evidence_map.walk(self.image_path, threads=self.options.jobs, keys=self.options.keys) as evidence:
            plan = Plan(
                image=mask_text(str(self.image_path)),
                size=evidence.image.size,
                layer=evidence.image.layer,
                rules=self.rules_digest,
                tool_version=version("hozen"),
                ocr=self.options.ocr,
                known=f"{self.options.known.mode} {self.options.known.sha256}" if self.options.known else "",
            )
            if not self.options.resume:
                folder.mkdir(parents=True)
            state = ScanState(folder, plan, resume=self.options.resume)
            try:
                settings = PassSettings(
                    self.image_path,
                    self.case.secret(),
                    self.options.passwords,
                    self.rules,
                    self.options.ocr,
                    self.options.known,
                )
                crew = Crew(self.options.jobs, self.options.cluster)
                first = scan_medium(evidence, settings, state, crew)
                media = inner_scan.scan_inside(
                    evidence,
                    first,
                    state,
                    inner_scan.InnerSettings(plan, settings, self.options.keys, crew, self.options.resume),
                )
                summary, places, outputs = self._write(folder, evidence, media)
            except BaseException:
                state.close()
                raise
            state.remove()
        return ScanOutcome(folder, folder / "report.html", summary, places, int(summary["exit_code"])), outputs

    # --- results ------------------------------------------------------------------------------------------------------

    def _write(
        self, folder: Path, evidence: EvidenceMap, media: Sequence[ScannedMedium]
    ) -> tuple[dict[str, Any], list[PlaceCount], list[tuple[str, FileHash]]]:
        findings = [finding for medium in media for finding in medium.findings]
        limits = scope.scope_of(self.case.path)
        findings, outside = scope.split(limits, findings) if limits is not None else (findings, {})
        coverage = sorted({line for medium in media for line in medium.coverage})
        summary = self._summary(evidence, media, findings, coverage)
        if outside:
            summary["scope"] = outside
            summary["notes"] = [*summary["notes"], scope.note(outside)]
        pictures = [line for medium in media for line in medium.pictures]
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
        return summary, places_of(findings), [(name, FileHash.of_file(folder / name)) for name in names]

    def _summary(
        self,
        evidence: EvidenceMap,
        scanned: Sequence[ScannedMedium],
        findings: Sequence[Finding],
        coverage: Sequence[CoverageLine],
    ) -> dict[str, Any]:
        image = evidence.image
        media = scanned[0].result.media
        rejected: Counter[str] = Counter()
        for one in scanned:
            rejected.update(one.result.collected.rejected)
        numbers = [finding for finding in findings if finding.kind == "my_number"]
        by_state: dict[str, dict[str, int]] = {}
        for finding in numbers:
            counts = by_state.setdefault(finding.state, dict.fromkeys(CONFIDENCES, 0))
            counts[finding.confidence] += 1
        unreadable = image.unreadable()
        verdict = hash_verdict(image.stored_hashes, media, unreadable_bytes=sum(part.size for part in unreadable))
        notes = [note for one in scanned for note in one.result.collected.notes()]
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
            "chance_candidates": sum(one.result.media.hits.counts.without_evidence() for one in scanned),
            "rejected": dict(sorted(rejected.items())),
            "labelled_wrong": sum(one.result.collected.labelled_wrong for one in scanned),
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
            "media": [one.to_json() for one in scanned[1:]],
            "known_files": {
                "mode": self.options.known.mode if self.options.known else "",
                "files": sum(one.result.collected.known_files for one in scanned),
            },
            "read": {
                "bytes": image.size,
                "unreadable_bytes": sum(part.size for part in unreadable),
                "files": sum(one.files for one in scanned),
                "files_partial": len({(line.layers, line.path) for line in coverage if line.path}),
            },
            "unreadable": [
                {"offset": part.offset, "size": part.size, "reason": part.reason, "detail": part.detail}
                for part in unreadable
            ],
            "coverage_lines": len(coverage),
            "exit_code": exit_code,
            **({"cluster": self.options.cluster.to_json()} if self.options.cluster else {}),
            "notes": notes,
        }


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
    safe_name = mask_text(image_name)
    if options.resume:
        taken = folders_in(scans)
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
    return next_folder(scans, safe_name)


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
