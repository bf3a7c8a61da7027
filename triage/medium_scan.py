"""The scan of one medium: the source itself, or a medium inside it (unlocked volume, snapshot, image in a file).

Pass 1 reads its bytes, pass 2 its files and the windows around raw hits, in children; then both are merged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from chain_of_custody import console
from preserve.extents import DELETED, STATES
from preserve.workers import MEMORY_LIMIT_BYTES, Pool
from triage import carving, ocr
from triage.collected import Collected, decided_files, media_coverage
from triage.file_pass import (
    GRACE_SECONDS,
    MEMORY_WITH_PICTURES,
    CarveTask,
    FileTask,
    NameTask,
    RangeTask,
    TaskResult,
    WindowTask,
    start_pass,
)
from triage.findings import CoverageLine
from triage.media_pass import read_media, search_parts
from triage.raw_hits import select
from triage.window_bounds import within_owner

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from triage.cluster import Cluster, ClusterPool
    from triage.evidence_map import EvidenceMap
    from triage.file_pass import AnyTask, PassSettings
    from triage.findings import Finding
    from triage.media_pass import MediaRead
    from triage.raw_hits import Window
    from triage.scan_state import ScanState

YARA_RANGE_BYTES = 64 << 20
YARA_OVERLAP_BYTES = 4096
WINDOWS_PER_TASK = 256
NAMES_PER_TASK = 512
LARGE_BYTES = 1 << 20
"""Files that are taken apart before all others."""


@dataclass(frozen=True, slots=True)
class MediumResult:
    """What the scan of one medium gave; `holders` are entries (by index) whose files hold images."""

    media: MediaRead
    collected: Collected
    findings: Sequence[Finding]
    coverage: Sequence[CoverageLine]
    holders: Sequence[int]


@dataclass(frozen=True, slots=True)
class Crew:
    """Who does the units of pass 2: `jobs` children of this process, or the workers of a cluster."""

    jobs: int
    cluster: Cluster | None = None

    def pool(self, settings: PassSettings, memory_bytes: int) -> Pool[AnyTask, TaskResult, PassSettings] | ClusterPool:
        """The crew at work on one medium."""
        if self.cluster is not None and self.cluster.can_do(settings):
            return self.cluster.pool(settings, memory_bytes)
        return Pool(start_pass, settings, self.jobs, memory_bytes=memory_bytes)


def _read(evidence: EvidenceMap, state: ScanState, crew: Crew) -> MediaRead:
    """Pass 1 over one medium; workers of a cluster are told what the source holds, piece by piece."""
    image, ranges = evidence.image, evidence.search_ranges
    if ranges is not None:
        return search_parts(image, ranges)
    is_source = crew.cluster is not None and not evidence.evidence.is_inside
    media = read_media(image, state.folder / "raw.npz", pieces=is_source)
    if crew.cluster is not None and is_source:
        crew.cluster.trust(image.size, media.digests)
    return media


def scan_medium(evidence: EvidenceMap, settings: PassSettings, state: ScanState, crew: Crew) -> MediumResult:
    """Scan a medium. Raises EvidenceError, OSError, ClusterError; what is done is in `state`."""
    image = evidence.image
    media = _read(evidence, state, crew)
    located = evidence.extents.locate(media.hits.offsets)
    file_of_hit = evidence.file_numbers(located.entry)
    reads_pictures = settings.ocr != "off" and ocr.is_installed()
    memory = MEMORY_WITH_PICTURES if reads_pictures else MEMORY_LIMIT_BYTES
    with crew.pool(settings, memory) as pool:
        first = list(_file_tasks(evidence, settings))
        carved, beyond = _carve_tasks(evidence, media, first[-1].number + 1 if first else 0, pictures=reads_pictures)
        first += carved
        _run(pool, first, state, console.text("ファイル", "files"))
        # Where pass 2 read a file as text and whole, it has the last word; elsewhere windows are judged.
        decided = np.array(sorted(decided_files(evidence, state.done)), dtype=np.int64)
        wanted = ~(np.isin(file_of_hit, decided) & (located.state <= DELETED))
        wanted &= evidence.is_new(media.hits, file_of_hit, located.state <= DELETED)
        # Content and slack of one file are different company, too.
        owner = file_of_hit * len(STATES) + located.state
        selection = select(media.hits, size=image.size, groups=owner, wanted=wanted)
        cut = within_owner(selection.windows, evidence.extents)
        windows = list(_window_tasks(first[-1].number + 1 if first else 0, cut))
        _run(pool, windows, state, console.text("未割当領域など", "unallocated space"))
    collected = Collected(evidence, [*first, *windows], state.done)
    coverage = sorted({*collected.coverage(), *media_coverage(evidence, media.hits, selection), *beyond})
    holders = [
        task.number
        for task in first
        if isinstance(task, FileTask)
        and isinstance(outcome := state.done.get(task.number), TaskResult)
        and outcome.image_format
    ]
    return MediumResult(media, collected, collected.findings(), coverage, holders)


def _file_tasks(evidence: EvidenceMap, settings: PassSettings) -> Iterator[AnyTask]:
    """Files, then names, then ranges for YARA; a file's task has the number of its entry."""
    for file in evidence.files:
        seconds = settings.seconds_for(file.name, file.size) + GRACE_SECONDS
        yield FileTask(file.number, file.file_id, file.name, file.size, visible=file.visible, seconds=seconds)
    number = len(evidence.entries)
    suspects = list(evidence.names_with_digits())
    for start in range(0, len(suspects), NAMES_PER_TASK):
        yield NameTask(number, tuple(suspects[start : start + NAMES_PER_TASK]))
        number += 1
    if settings.rules is not None:
        for part in evidence.ranges_without_file:
            for offset in range(part.offset, part.offset + part.size, YARA_RANGE_BYTES):
                # Matches that straddle a border are found by the overlap.
                size = min(YARA_RANGE_BYTES + YARA_OVERLAP_BYTES, part.offset + part.size - offset)
                yield RangeTask(number, offset, size, min(size, YARA_RANGE_BYTES), part.state)
                number += 1


def _carve_tasks(
    evidence: EvidenceMap, media: MediaRead, number: int, *, pictures: bool
) -> tuple[list[CarveTask], list[CoverageLine]]:
    """Candidates in no file that begin like one; and a line where there were too many.

    A deleted file whose name is known is read as that file: where its first byte lies, nothing is carved.
    """
    if not media.heads:
        return [], []
    table = np.array(media.heads, dtype=np.int64)
    ranges = evidence.ranges_without_file
    starts = np.array([part.offset for part in ranges], dtype=np.int64)
    ends = starts + np.array([part.size for part in ranges], dtype=np.int64)
    if not len(starts):
        return [], []
    place = np.searchsorted(starts, table[:, 0], side="right") - 1
    free = (place >= 0) & (table[:, 0] < ends[np.maximum(place, 0)])
    located = evidence.extents.locate(table[:, 0])
    read = np.array(sorted(file.number for file in evidence.files), dtype=np.int64)
    named = np.isin(evidence.file_numbers(located.entry), read) & (located.file_offset == 0)
    free &= ~(named & (located.state == DELETED))
    if not pictures:
        free &= ~np.isin(table[:, 1], [carving.KINDS.index(kind) for kind in ("jpg", "png")])
    chosen = np.flatnonzero(free)
    lines = []
    if len(chosen) > carving.MOST_HEADS:
        count = len(chosen) - carving.MOST_HEADS
        ja, en = f"未割当領域のファイル断片が多すぎる({count} 件を未処理)", f"{count} candidates were not carved"
        lines.append(CoverageLine(path="", reason="limit", detail=f"{ja} / {en}", layers=evidence.layers_at(-1)))
        chosen = chosen[: carving.MOST_HEADS]
    tasks = []
    for at, index in enumerate(chosen.tolist()):
        offset, kind = table[index].tolist()
        tasks.append(CarveTask(number + at, offset, int(ends[place[index]]) - offset, carving.KINDS[kind]))
    return tasks, lines


def _window_tasks(number: int, windows: Sequence[Window]) -> Iterator[WindowTask]:
    for start in range(0, len(windows), WINDOWS_PER_TASK):
        yield WindowTask(number + start // WINDOWS_PER_TASK, tuple(windows[start : start + WINDOWS_PER_TASK]))


def _run(
    pool: Pool[AnyTask, TaskResult, PassSettings] | ClusterPool,
    tasks: Sequence[AnyTask],
    state: ScanState,
    words: str,
) -> None:
    """Do the tasks that have no outcome yet, and keep each outcome."""
    waiting = [task for task in tasks if task.number not in state.done]
    # The largest first, so that no child is left with one when all others are done; the rest as it lies on the medium.
    waiting.sort(key=lambda task: -task.size if isinstance(task, FileTask) and task.size >= LARGE_BYTES else 0)
    with console.progress(words, len(waiting), unit="items") as progress:
        for task, outcome in pool.run(waiting):
            state.add(task.number, outcome)
            progress.advance(1)
    state.sync()
