"""What a worker process does: opens files of a source, lets their parsers read them, writes the rows.

Each task is a few small files or one large one. Its rows go into a part file that appears when it is whole; counts,
hashes and problems go back to the parent.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from chain_of_custody.errors import EvidenceError
from chain_of_custody.masking import mask_text
from timeline import arrow
from timeline.event import Event, Problem
from timeline.found_files import FoundFile, Images, Place, source_file
from timeline.recognition import LOOK, by_name, recognise
from timeline.rows import Rows
from timeline.sources import Context, MemoryReader

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from timeline.parsers import Parser
    from timeline.sources import SourceFile

SECONDS_PER_FILE = 600.0
"""Soft limit for one file: what was read until then is kept."""
GRACE_SECONDS = 120.0
_IN_MEMORY = 64 << 20  # bytes of a file that is read once, for its hash and its parser
_LARGEST_SPARSE = 4 << 30  # bytes of a file with holes that are hashed
_MOST_PROBLEMS = 1000  # of one file
_PIECE = 4 << 20


@dataclass(frozen=True, slots=True)
class Job:
    """One file for one parser: a source of the timeline."""

    source_id: int
    file: FoundFile
    parser: str
    known: frozenset[str] = frozenset()
    """SHA-256 of contents of this file that were read elsewhere: a shadow copy repeats most of them."""


@dataclass(frozen=True, slots=True)
class ReadTask:
    """Files of one place; `part` is where their rows go."""

    number: int
    place: Place
    jobs: tuple[Job, ...]
    part: str
    context: Context
    listing: Mapping[str, tuple[FoundFile, ...]] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Until the process is killed; a single file may stop by itself before that."""
        return SECONDS_PER_FILE * len(self.jobs) + GRACE_SECONDS


@dataclass(frozen=True, slots=True)
class JobResult:
    """What came of a job: rows, how many of them have a time, the hash of what was read ("" where it was not hashed).

    `changed` says that the file was written to while it was read.
    """

    source_id: int
    rows: int
    with_time: int
    sha256: str
    problems: tuple[Problem, ...] = ()
    changed: bool = False
    parser: str = ""
    unchanged: bool = False
    outside: int = 0
    """Rows outside the scope of the case: counted, not stored."""


@dataclass(frozen=True, slots=True)
class ReadResult:
    """Outcome of a task; `part` is (SHA-256, bytes) of its file, None where there was no row."""

    jobs: tuple[JobResult, ...]
    part: tuple[str, int] | None


@dataclass(frozen=True, slots=True)
class MachineTask:
    """A SYSTEM hive to be asked for the machine's name and zone."""

    number: int
    place: Place
    file: FoundFile
    listing: Mapping[str, tuple[FoundFile, ...]] = field(default_factory=dict)
    seconds: float = 300.0


@dataclass(frozen=True, slots=True)
class Machine:
    """What a SYSTEM hive says; `zone` is None and `host` empty where it does not."""

    host: str = ""
    zone: str | None = None


AnyTask = ReadTask | MachineTask


class FilePass:
    """The work of one process."""

    def __init__(self) -> None:
        self._images = Images()

    def __call__(self, task: AnyTask) -> ReadResult | Machine:
        """Do one task."""
        if isinstance(task, MachineTask):
            return self._machine(task)
        rows = Rows(Path(task.part))
        try:
            results = [self._job(task, job, rows) for job in task.jobs]
            return ReadResult(tuple(results), rows.close())
        except BaseException:
            rows.discard()
            raise

    def _machine(self, task: MachineTask) -> Machine:
        from timeline.hive import open_hive  # noqa: PLC0415 - only where there is a hive
        from timeline.hives.system import computer_name, registry_zone  # noqa: PLC0415

        hive = open_hive(source_file(self._images, task.place, task.file, task.listing))
        return Machine(mask_text(computer_name(hive)), registry_zone(hive))

    def _job(self, task: ReadTask, job: Job, rows: Rows) -> JobResult:
        rows.begin(job.source_id, host=task.context.host)
        problems: list[Problem] = []
        digest, changed, name = "", False, job.parser
        try:
            file = source_file(self._images, task.place, job.file, task.listing)
            if name == LOOK:
                name = self._look(file, problems)
                if not name:
                    return JobResult(job.source_id, 0, 0, "", masked(problems))
            parser = by_name()[name]
            rows.begin(
                job.source_id,
                host=task.context.host,
                numeric=getattr(parser, "NUMERIC", ()),
                scope=task.context.scope,
            )
            before = _stamp(job.file)
            digest = _prepare(file, sparse=job.file.sparse)
            if digest in job.known:
                return JobResult(job.source_id, 0, 0, digest, parser=name, unchanged=True)
            context = task.context
            context.deadline = time.monotonic() + SECONDS_PER_FILE
            read_events(parser, file, context, rows, problems)
            changed = before != _stamp(job.file)
        except (EvidenceError, OSError) as error:
            words = error.en if isinstance(error, EvidenceError) else error.strerror or type(error).__name__
            problems.append(Problem(f"{task.place.layer}:{job.file.path}", "damaged", f"cannot be read: {words}"))
        if changed:
            detail = "the file changed while it was read: what was written later is not in the timeline"
            problems.append(Problem(f"{task.place.layer}:{job.file.path}", "incomplete", detail))
        found, with_time = rows.rows_of_source, rows.rows_with_time()
        outside = rows.rows_outside()
        return JobResult(job.source_id, found, with_time, digest, masked(problems), changed, name, outside=outside)

    @staticmethod
    def _look(file: SourceFile, problems: list[Problem]) -> str:
        """The first parser of a file that could not be looked at before; empty for none."""
        recognised = recognise(file)
        problems += recognised.problems
        return recognised.parsers[0] if recognised.parsers else ""


def read_events(parser: Parser, file: SourceFile, context: Context, rows: Rows, problems: list[Problem]) -> None:
    """Let `parser` read `file`: rows and problems are added. An error that it raises ends the file as a problem."""
    left = _MOST_PROBLEMS
    try:
        for item in parser.parse(file, context):
            if isinstance(item, Event):
                rows.add(item)
            elif isinstance(item, Problem):
                left -= 1
                if left > 0:
                    problems.append(item)
            else:
                rows.add_batch(item)
    except EvidenceError as error:
        problems.append(Problem(file.layer, "damaged", f"{parser.NAME}: {error.en}"))
    except MemoryError:
        problems.append(Problem(file.layer, "limit", f"{parser.NAME}: out of memory after {rows.rows_of_source} rows"))
    except Exception as error:  # noqa: BLE001 - hostile content in a parser: becomes a coverage line, rows are kept
        detail = f"{parser.NAME}: stopped after {rows.rows_of_source} rows ({_fault(error)})"
        problems.append(Problem(file.layer, "damaged", detail))
    if left <= 0:
        problems.append(
            Problem(file.layer, "limit", f"{parser.NAME}: {_MOST_PROBLEMS - left + 1} problems in one file")
        )


def _fault(error: Exception) -> str:
    """Class and place of an error, without its words, which may hold content."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    place = f" at {Path(at.tb_frame.f_code.co_filename).stem}:{at.tb_lineno}" if at is not None else ""
    return f"{type(error).__name__}{place}"


def _stamp(file: FoundFile) -> tuple[int, int] | None:
    """Size and time of change of a local file."""
    if not file.local:
        return None
    found = Path(file.local).stat()
    return found.st_size, found.st_mtime_ns


def _prepare(file: SourceFile, *, sparse: bool) -> str:
    """SHA-256 of the content; a file of moderate size is then read from memory."""
    if file.size <= _IN_MEMORY:
        data = file.read_at(0, file.size)
        file.replace_reader(MemoryReader(data))
        return hashlib.sha256(data).hexdigest()
    if sparse and file.size > _LARGEST_SPARSE:
        return ""
    digest = hashlib.sha256()
    at = 0
    while at < file.size:
        piece = file.read_at(at, _PIECE)
        if not piece:
            break
        digest.update(piece)
        at += len(piece)
    return digest.hexdigest()


def masked(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """Problems as they may be written down."""
    return tuple(
        Problem(mask_text(one.where), one.reason, mask_text(one.detail), one.offset, one.size) for one in problems
    )


def start_pass(_: None) -> FilePass:
    """What a worker process calls once (`preserve.workers.Pool`)."""
    arrow.load_alone()
    by_name()
    return FilePass()
