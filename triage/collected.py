"""What all tasks of a scan gave, put together: findings, coverage lines, and what was rejected and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from chain_of_custody.masking import mask_text
from preserve.extents import STATES
from preserve.workers import Failure
from triage import carving
from triage.file_pass import CarveTask, FileTask, NameTask, RangeTask, TaskResult, WindowTask
from triage.findings import CoverageLine, Finding
from triage.merge import FilePlace, RawNumber, finding_of, merge
from triage.results import PICTURE_WORDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from preserve.image import UnreadableRange
    from triage.evidence_map import EvidenceMap
    from triage.extractors.model import Problem
    from triage.file_pass import AnyTask, FoundNumber
    from triage.findings import CoverageReason
    from triage.raw_hits import RawHits, Selection

FAILURE_WORDS: Mapping[str, tuple[CoverageReason, str, str]] = {
    "time": ("limit", "時間の上限に達したため読取りを打ち切った", "reading was stopped at the time limit"),
    "memory": ("limit", "メモリの上限に達したため読取りを打ち切った", "reading was stopped at the memory limit"),
    "crash": ("damaged", "読取り部品が異常終了した", "the parser crashed"),
    "error": ("damaged", "読取り中に誤りが起きた", "an error occurred while reading"),
}


def decided_files(evidence: EvidenceMap, outcomes: Mapping[int, TaskResult | Failure]) -> Iterator[int]:
    """Files that pass 2 read as plain text, whole and without a problem: raw hits in them say nothing more."""
    for file in evidence.files:
        outcome = outcomes.get(file.number)
        if isinstance(outcome, TaskResult) and outcome.read_as in ("text", "known") and not outcome.problems:
            yield file.number


def media_coverage(evidence: EvidenceMap, hits: RawHits, selection: Selection) -> Iterator[CoverageLine]:
    """Coverage lines of the medium as a whole: unreadable ranges and the files in them, volumes, limits."""
    for problem in evidence.problems:
        yield CoverageLine(
            path="",
            reason=problem.reason,
            detail=mask_text(problem.detail),
            layers=mask_text(problem.where),
            offset=-1 if problem.offset is None else problem.offset,
            size=-1 if problem.size is None else problem.size,
        )
    unreadable = evidence.image.unreadable()
    for part in unreadable:
        yield CoverageLine(
            path="",
            reason="damaged",
            detail=f"媒体のこの範囲を読めない / this range of the medium is unreadable ({part.reason}: {part.detail})",
            layers=evidence.layers_at(part.offset),
            offset=part.offset,
            size=part.size,
        )
    yield from _files_in(evidence, unreadable)
    if hits.counts.dropped or selection.beyond:
        count = hits.counts.dropped + selection.beyond
        yield CoverageLine(
            path="",
            reason="limit",
            detail=(
                f"生データの候補が多すぎるため {count} 件を判定していない / "
                f"too many candidates in raw data: {count} were not judged"
            ),
            layers=evidence.image.layer,
            offset=-1 if hits.first_dropped is None else hits.first_dropped,
        )


def _files_in(evidence: EvidenceMap, unreadable: Sequence[UnreadableRange]) -> Iterator[CoverageLine]:
    """A line for each file of which some content lies in an unreadable range."""
    if not unreadable:
        return
    starts = np.array([part.offset for part in unreadable], dtype=np.int64)
    ends = starts + np.array([part.size for part in unreadable], dtype=np.int64)
    for index, entry in enumerate(evidence.entries):
        for run in entry.runs:
            if run.offset is None:
                continue
            first = int(np.searchsorted(ends, run.offset, side="right"))
            if first < len(starts) and starts[first] < run.offset + run.size:
                place = evidence.place(index)
                yield CoverageLine(
                    path=place.path,
                    reason="damaged",
                    detail="内容の一部が媒体の読めない範囲にある / part of its content lies in an unreadable range",
                    layers=place.layers,
                    offset=int(starts[first]),
                    size=int(ends[first] - starts[first]),
                )
                break


class Collected:
    """The outcomes of all tasks of a scan."""

    def __init__(
        self,
        evidence: EvidenceMap,
        tasks: Sequence[AnyTask],
        outcomes: Mapping[int, TaskResult | Failure],
    ) -> None:
        self._evidence = evidence
        self._tasks = tasks
        self._outcomes = outcomes
        self._places: dict[int, FilePlace] = {}
        self.rejected: Counter[str] = Counter()
        self.labelled_wrong = 0
        self.labelled_rounded = 0
        for task in tasks:
            outcome = outcomes.get(task.number)
            if isinstance(outcome, TaskResult):
                self.rejected.update(dict(outcome.rejected))
                self.labelled_wrong += outcome.labelled_wrong
                self.labelled_rounded += outcome.labelled_rounded

    def _place(self, index: int) -> FilePlace:
        if index not in self._places:
            self._places[index] = self._evidence.place(index)
        return self._places[index]

    # --- findings -----------------------------------------------------------------------------------------------------

    def findings(self) -> list[Finding]:
        """All findings, each place once."""
        files: dict[int, TaskResult] = {}
        names: list[tuple[int, FoundNumber]] = []
        raw: list[FoundNumber] = []
        for task in self._tasks:
            outcome = self._outcomes.get(task.number)
            if not isinstance(outcome, TaskResult):
                continue
            match task:
                case FileTask():
                    if outcome.found:
                        files[task.number] = outcome
                case NameTask():
                    names += [(number.owner, number) for number in outcome.found]
                case WindowTask():
                    raw += outcome.found
        decided = set(decided_files(self._evidence, self._outcomes))
        raw_numbers = self._located(raw)
        places = {
            index: self._place(index)
            for index in {*files, *(owner for owner, _ in names), *(hit.file for hit in raw_numbers if hit.file >= 0)}
        }
        findings = merge(places, files, names, raw_numbers, self._owners(files), decided)
        return self._with_carved(findings) + list(self._yara())

    def _with_carved(self, findings: list[Finding]) -> list[Finding]:
        """The findings with those of carved files, and without what these explain: raw hits in the same bytes."""
        explained: dict[str, list[tuple[int, int]]] = {}
        added: list[Finding] = []
        for task in self._tasks:
            outcome = self._outcomes.get(task.number)
            if not isinstance(task, CarveTask) or not isinstance(outcome, TaskResult) or not outcome.found:
                continue
            name = carving.name_of(task.offset, task.kind)
            place = FilePlace(self._evidence.layers_at(task.offset), "", "carved")
            end = task.offset + outcome.carved_bytes
            for number in outcome.found:
                # A file within a carved file, stored as it is, was carved on its own too.
                if any(start < task.offset and end <= last for start, last in explained.get(number.hmac, ())):
                    continue
                own = number.byte_offset if not number.container else None
                finding = finding_of(
                    replace(number, container=number.container or name),
                    place,
                    None if own is None else task.offset + own,
                    result=outcome,
                )
                added.append(finding)
            for number in outcome.found:
                explained.setdefault(number.hmac, []).append((task.offset, end))
        if not added:
            return findings
        kept = [
            finding
            for finding in findings
            if finding.path
            or finding.offset is None
            or not any(start <= finding.offset < end for start, end in explained.get(finding.hmac, ()))
        ]
        return kept + added

    def _located(self, raw: Sequence[FoundNumber]) -> list[RawNumber]:
        """Raw numbers with the file and the state of the bytes in which they lie."""
        offsets = np.array([number.byte_offset for number in raw], dtype=np.int64)
        located = self._evidence.extents.locate(offsets)
        files = self._evidence.file_numbers(located.entry)
        return [
            RawNumber(
                offset=int(offsets[at]),
                file=int(files[at]),
                file_offset=int(located.file_offset[at]),
                state=STATES[located.state[at]],
                layers=self._evidence.layers_at(int(offsets[at])),
                number=number,
            )
            for at, number in enumerate(raw)
        ]

    def _owners(self, files: Mapping[int, TaskResult]) -> dict[int, int]:
        """For each place on the media at which a file was found to hold a number, the file that owns the bytes now."""
        offsets = sorted(
            {
                offset
                for file, result in files.items()
                for number in result.found
                if not number.container and number.byte_offset is not None
                if (offset := self._place(file).media_offset(number.byte_offset)) is not None
            },
        )
        located = self._evidence.extents.locate(np.array(offsets, dtype=np.int64))
        owners = self._evidence.file_numbers(located.entry)
        # Resident content lies in the record of the file, which belongs to $MFT: nobody else's.
        return {
            offset: int(owner)
            for offset, owner, state in zip(offsets, owners, located.state, strict=True)
            if STATES[state] in ("allocated", "deleted")
        }

    def _yara(self) -> Iterator[Finding]:
        for task in self._tasks:
            outcome = self._outcomes.get(task.number)
            if not isinstance(outcome, TaskResult):
                continue
            for match in outcome.yara:
                place = self._place(task.number) if isinstance(task, FileTask) else None
                base = task.offset if isinstance(task, RangeTask) else 0
                strings = tuple(dict(item, offset=item["offset"] + base) for item in match["strings"])
                first = strings[0]["offset"] if strings else base
                offset = place.media_offset(first) if place else first
                yield Finding(
                    kind="yara",
                    state=place.state if place else task.state if isinstance(task, RangeTask) else "",
                    layers=place.layers if place else self._evidence.layers_at(base),
                    path=place.path if place else "",
                    offset=offset,
                    file_offset=first if place else None,
                    times=place.times if place else {},
                    file_id=place.file_id if place else "",
                    rule=match["rule"],
                    tags=tuple(match["tags"]),
                    meta=match["meta"],
                    strings=strings,
                    strings_total=match["strings_total"],
                )

    @property
    def known_files(self) -> int:
        """Files that a hash set holds: skipped or marked."""
        return sum(1 for outcome in self._outcomes.values() if isinstance(outcome, TaskResult) and outcome.known)

    # --- coverage -----------------------------------------------------------------------------------------------------

    def coverage(self) -> Iterator[CoverageLine]:
        """A line for everything that a task could not read."""
        for index in self._evidence.unreadable_files:
            entry = self._evidence.entries[index]
            place = self._place(index)
            yield CoverageLine(
                path=place.path,
                reason="encrypted" if entry.encrypted else "unsupported",
                detail="暗号化されたファイル(EFS など) / encrypted file (EFS or the like)"
                if entry.encrypted
                else mask_text(entry.unsupported),
                layers=place.layers,
            )
        for task in self._tasks:
            outcome = self._outcomes.get(task.number)
            if outcome is None:
                outcome = Failure("crash", "")
            if isinstance(outcome, Failure):
                reason, ja, en = FAILURE_WORDS[outcome.kind]
                detail = f" ({outcome.detail})" if outcome.detail else ""
                yield self._line(task, reason, f"{ja} / {en}{detail}", "")
                continue
            for problem in outcome.problems:
                yield self._problem_line(task, problem)

    def pictures(self) -> Iterator[CoverageLine]:
        """A line for every picture: whether its text was read, and if not, why."""
        for task in self._tasks:
            outcome = self._outcomes.get(task.number)
            if isinstance(outcome, TaskResult):
                for decision in outcome.decisions:
                    ja, en = PICTURE_WORDS[decision.decision]
                    where = f" [{decision.location}]" if decision.location else ""
                    line = self._line(task, "limit", f"{ja} / {en}{where}", decision.container)
                    yield replace(line, reason=decision.decision, kind="picture")

    def _problem_line(self, task: AnyTask, problem: Problem) -> CoverageLine:
        where = f" [{problem.location}]" if problem.location else ""
        return self._line(task, problem.reason, f"{problem.ja} / {problem.en}{where}", problem.container)

    def _line(self, task: AnyTask, reason: CoverageReason, detail: str, container: str) -> CoverageLine:
        place = self._place(task.number) if isinstance(task, FileTask) else None
        offset, size = -1, -1
        if isinstance(task, RangeTask | CarveTask):
            offset, size = task.offset, task.size
        elif isinstance(task, WindowTask):
            offset = task.windows[0].offset
            size = task.windows[-1].offset + task.windows[-1].size - offset
        return CoverageLine(
            path=place.path if place else "",
            reason=reason,
            detail=mask_text(detail),
            layers=place.layers if place else self._evidence.layers_at(offset),
            container=mask_text(container),
            offset=offset,
            size=size,
        )

    def notes(self) -> Iterator[dict[str, Any]]:
        """Sentences for the summary about what the counts do not show."""
        if self.labelled_wrong:
            yield {
                "ja": f"個人番号と表示されているが検査用数字が合わない 12 桁: {self.labelled_wrong} 件(所見に含まない)",
                "en": f"labelled as My Number, wrong check digit: {self.labelled_wrong} (not among the findings)",
            }
        if self.labelled_rounded:
            yield {
                "ja": f"表計算で丸められて復元できない番号: {self.labelled_rounded} 件",
                "en": f"numbers that a spreadsheet rounded and that cannot be recovered: {self.labelled_rounded}",
            }
