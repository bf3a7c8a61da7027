"""`triage export`: the original files behind chosen findings, with hashes, a reason, and an entry in the ledger.

What comes out is the extracted data itself: clear numbers, and everything else in those files. So it is asked for with
a reason, goes into a new folder, and `originals.jsonl` there says for each file where it came from, what it hashes to
and which findings it answers. Findings in no file (unallocated space, slack) are listed as not exported.
"""

from __future__ import annotations

import fnmatch
import hashlib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chain_of_custody import FileHash, console
from chain_of_custody.errors import UsageError
from preserve.extract import extract, prepare_folder
from triage.findings import encode_line
from triage.masking import mask_text
from triage.media_visit import visit_media
from triage.results import CONFIDENCES, open_results
from triage.reveal import case_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chain_of_custody import Case
    from preserve.keys import Keys
    from triage.evidence_map import EvidenceMap

LISTING = "originals.jsonl"
MOST_RECORDED = 1000


@dataclass(frozen=True, slots=True)
class Choice:
    """Which findings: all given conditions must hold; `path` is a pattern such as `/Users/*/給与*`."""

    ids: tuple[str, ...] = ()
    confidence: str = ""
    path: str = ""
    state: str = ""

    def takes(self, line: Mapping[str, Any]) -> bool:
        """Whether a finding is asked for."""
        if self.ids and line["id"] not in self.ids:
            return False
        if self.confidence and (
            line["kind"] != "my_number" or CONFIDENCES.index(line["confidence"]) > CONFIDENCES.index(self.confidence)
        ):
            return False
        if self.state and line["state"] != self.state:
            return False
        return not self.path or fnmatch.fnmatchcase(line["path"], self.path)


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What is asked for, checked: nothing has been read from evidence yet."""

    findings: Path
    lines: tuple[Mapping[str, Any], ...]
    reason: str
    out: Path
    image: Path
    case: Path


def check_request(
    findings: Path, choice: Choice, reason: str, out: Path, image: Path | None, case: Path | None
) -> ExportRequest:
    """Check what can be checked before the ledger is opened; raises UsageError, TargetError."""
    if not reason.strip():
        raise UsageError(
            "理由が空です: 元のファイルは理由なしに取り出せません",
            "the reason is empty: original files are not taken out without one",
            hint_ja='--reason "…" に、誰が何のために使うかを書いてください',
            hint_en='say with --reason "…" who needs them and what for',
        )
    if not findings.is_file():
        raise UsageError(f"ファイルがありません: {findings}", f"no such file: {findings}")
    results = open_results(findings.resolve().parent)
    lines = tuple(line for line in results.findings() if choice.takes(line))
    unknown = sorted(set(choice.ids) - {line["id"] for line in lines})
    if unknown:
        raise UsageError(
            f"{findings} にない(または条件に合わない)検出 ID: {', '.join(unknown)}",
            f"no such findings in {findings}, or not within the other conditions: {', '.join(unknown)}",
        )
    if not lines:
        raise UsageError("条件に合う検出がありません", "no finding fits the conditions")
    image_path = image or Path(results.summary.get("image", {}).get("path", ""))
    if not image_path.exists():
        raise UsageError(
            f"イメージが見つかりません: {image_path}",
            f"the image is not there: {image_path}",
            hint_ja="--image で今の場所を指定してください",
            hint_en="say with --image where it lies now",
        )
    prepare_folder(out)
    return ExportRequest(findings, lines, reason.strip(), out, image_path, case or case_of(findings))


@dataclass(frozen=True, slots=True)
class Exported:
    """Lines of `originals.jsonl`: files written, and findings for which there is none."""

    files: tuple[Mapping[str, Any], ...]
    without_file: tuple[str, ...]

    @property
    def incomplete(self) -> bool:
        """Whether something asked for is not there, or not whole."""
        return bool(self.without_file) or any(line["problem"] for line in self.files)


def export(request: ExportRequest, case: Case, *, keys: Keys = ()) -> Exported:
    """Write the files and the listing, recorded in `case`; raises EvidenceError, TargetError, LedgerError."""
    begin = {
        "reason": request.reason,
        "findings_sha256": hashlib.sha256(request.findings.read_bytes()).hexdigest(),
        "ids": [str(line["id"]) for line in request.lines[:MOST_RECORDED]],
        "ids_total": str(len(request.lines)),
        "image": mask_text(str(request.image)),
        "target": mask_text(str(request.out)),
    }
    with case.action("extract", begin) as action:
        exported = _export(request, keys)
        listing = request.out / LISTING
        with listing.open("xb") as file:
            for line in exported.files:
                file.write(encode_line(line).encode("utf-8", "backslashreplace"))
        action.set_result(
            {
                "files": str(len(exported.files)),
                "bytes": str(sum(line["size"] for line in exported.files)),
                "without_file": list(exported.without_file[:MOST_RECORDED]),
                "listing": LISTING,
            },
            outputs=[
                FileHash.of_file(listing),
                *(FileHash(line["sha256"], line["size"]) for line in exported.files[:MOST_RECORDED]),
            ],
            status="partial" if exported.incomplete else "done",
        )
    return exported


def _export(request: ExportRequest, keys: Keys) -> Exported:
    files: list[Mapping[str, Any]] = []
    answered: set[str] = set()
    for number, (evidence, numbers) in enumerate(visit_media(request.image, request.lines, keys=keys), 1):
        lines = [request.lines[one] for one in numbers]
        for line in _medium(evidence, lines, request.out / f"medium-{number}"):
            files.append(line)
            answered.update(line["findings"])
    return Exported(tuple(files), tuple(str(line["id"]) for line in request.lines if str(line["id"]) not in answered))


def _medium(evidence: EvidenceMap, lines: Sequence[Mapping[str, Any]], folder: Path) -> list[Mapping[str, Any]]:
    by_file: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for line in lines:
        if line.get("file_id"):
            by_file[line["file_id"]].append(line)
    entries = {}
    for entry in evidence.entries:
        identity = "-".join(map(str, entry.id))
        if identity in by_file and identity not in entries:
            entries[identity] = entry
    if not entries:
        return []
    folder.mkdir()
    with console.progress(console.text("取出し", "exporting"), len(entries), unit="items") as progress:
        done = extract(evidence.evidence, list(entries.values()), folder, advance=progress.advance, isolate=True)
    written: list[Mapping[str, Any]] = []
    for identity, one in zip(entries, done, strict=True):
        wanted = by_file[identity]
        stored = next((line["content_sha256"] for line in wanted if line.get("content_sha256")), "")
        problem = one.problem
        if not problem and stored and stored != one.sha256:
            problem = "not the content that was scanned (another hash)"
        written.append(
            one.to_json()
            | {
                "target": f"{folder.name}/{mask_text(one.target)}",
                "problem": problem,
                "findings": [str(line["id"]) for line in wanted],
            }
        )
    return written
