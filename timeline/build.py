"""The main job: read sources, write every event with its original time into a store under the case.

```python
from pathlib import Path
import chain_of_custody
from timeline.build import BuildOptions, build, check_request

with chain_of_custody.open_case(Path("2026-014.case")) as case:
    sources = check_request([Path("disk.E01"), Path("logs")], "Asia/Tokyo")
    outcome = build(sources, case, BuildOptions(zone="Asia/Tokyo"))
    print(outcome.exit_code, outcome.folder)
```
The path of the data: survey of each source (volumes, files, which parser reads what; file-system times are written
here) → files to worker processes, each task writing one part file → sources, files, coverage, manifest.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from chain_of_custody import FileHash, console
from chain_of_custody.console import text
from chain_of_custody.errors import EvidenceError, TargetError, UsageError
from chain_of_custody.masking import mask_text
from chain_of_custody.scope import scope_of
from preserve.workers import Failure, Pool
from timeline import filesystem_times, times
from timeline.build_state import FOLDER as STATE_FOLDER
from timeline.build_state import BuildState
from timeline.event import Problem
from timeline.reading import (
    AnyTask,
    Job,
    JobResult,
    Machine,
    MachineTask,
    ReadResult,
    ReadTask,
    masked,
    start_pass,
)
from timeline.recognition import LOOK
from timeline.rows import Rows
from timeline.sources import Context
from timeline.store import BUILDS, FORMAT, SOURCE_COLUMNS
from timeline.survey import PlaceSurvey, SourceSurvey, survey

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from chain_of_custody import Case
    from chain_of_custody.jcs import Json
    from preserve.keys import Keys
    from timeline.event import ZoneBasis
    from timeline.found_files import FoundFile

    AnyPool = Pool[AnyTask, ReadResult | Machine, None]

EVENTS = "events"
_INDEX_SLACK = "index_slack"
_JOBS_PER_TASK = 64
_BYTES_PER_TASK = 8 << 20
_SMALL_FOLDER = 20_000  # files of one folder that travel with a task, so that parsers find what belongs together
MEMORY_BYTES = 2 << 30
"""Address space of one worker process."""


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """What a build may be asked for; `out` is a new folder for the store instead of one in the case."""

    out: Path | None = None
    zone: str | None = None
    """Zone of records that have none (`--tz`)."""
    host: str = ""
    jobs: int = 1
    resume: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    """For parsers, as `Context.options`."""
    keys: Keys = ()
    """Keys of encrypted volumes."""


@dataclass(frozen=True, slots=True)
class BuildOutcome:
    """Where the store lies, what it holds in short, and the exit code (0, or 3: something was not read)."""

    folder: Path
    summary: Mapping[str, Any]
    exit_code: int


def check_request(sources: Sequence[Path], zone: str | None) -> list[Path]:
    """The sources, each once, in the order given; says which were given twice. Raises UsageError.

    A command calls it before a case is made for the sources.
    """
    if zone is not None and not times.is_zone(zone):
        raise UsageError(
            f"時間帯が分かりません: {zone}",
            f"unknown time zone: {zone}",
            hint_ja="Asia/Tokyo、UTC、+09:00 のように指定してください",
            hint_en="write it like Asia/Tokyo, UTC or +09:00",
        )
    kept: list[Path] = []
    for source in sources:
        if not source.exists():
            raise UsageError(
                f"{mask_text(str(source))} がありません",
                f"{mask_text(str(source))} does not exist",
                hint_ja="パスの綴りを確かめてください",
                hint_en="check the spelling of the path",
            )
        real = source.resolve()
        if any(real == one.resolve() for one in kept):
            console.notice(
                f"同じ資料が二度指定されています。一度だけ読みます: {mask_text(str(source))}",
                f"the same source was given twice and is read once: {mask_text(str(source))}",
            )
            continue
        kept.append(source)
    for source in list(kept):
        inside = next((one for one in kept if one != source and one.is_dir() and _is_below(source, one)), None)
        if inside is not None:
            kept.remove(source)
            console.notice(
                f"{mask_text(str(source))} は {mask_text(str(inside))} の中にあり、一度だけ読みます",
                f"{mask_text(str(source))} lies in {mask_text(str(inside))} and is read once",
            )
    return kept


def _is_below(path: Path, folder: Path) -> bool:
    return folder.resolve() in path.resolve().parents


def build(sources: Sequence[Path], case: Case, options: BuildOptions) -> BuildOutcome:
    """Build a timeline of `sources`, as `check_request` gave them, and record it in `case`.

    Raises EvidenceError, TargetError, LedgerError, UsageError; KeyboardInterrupt leaves a state that `resume` takes up.
    """
    return _Build(sources, case, options).run()


@dataclass(slots=True)
class _Source:
    """One row of the list of sources."""

    source_id: int
    survey: SourceSurvey
    place: PlaceSurvey
    job: Job | None
    """None: the rows are those of the file system itself."""
    context: Context
    key: str = ""
    own: str = ""
    """The parser of rows that this process writes from the survey; empty for those of worker processes."""

    @property
    def parser(self) -> str:
        """The name of its parser."""
        return self.own or (self.job.parser if self.job is not None else "")


class _Build:
    """One build from begin to end."""

    def __init__(self, paths: Sequence[Path], case: Case, options: BuildOptions) -> None:
        self.paths = paths
        self.case = case
        self.options = options
        self.started = datetime.now(UTC)
        self.problems: list[Problem] = []
        self.sources: list[_Source] = []
        self.results: dict[int, JobResult] = {}
        self.scope = scope_of(case.path)
        self.machines: dict[int, Machine] = {}
        self.parts: dict[str, tuple[str, int]] = {}
        self._stopped = False
        self.folder = _build_folder(case.path, mask_text(paths[0].name or "root"), options)
        self.first_id = (
            _first_id_of(self.folder / STATE_FOLDER / "plan.json")
            if options.resume
            else _next_source_id(case.path / BUILDS)
        )

    def run(self) -> BuildOutcome:
        """Record the beginning, do the work, record the end."""
        begin: dict[str, Json] = {
            "sources": [mask_text(str(path.resolve())) for path in self.paths],
            "results": os.path.relpath(self.folder, self.case.path),
            "zone": self.options.zone or "",
            "jobs": self.options.jobs,
            "resumed": self.options.resume,
        }
        with self.case.action("timeline", begin, item=mask_text(self.paths[0].name)) as action:
            try:
                outcome, inputs, outputs = self._work()
            except OSError as error:
                raise TargetError(
                    f"時系列を書き込めません: {self.folder}: {error.strerror}",
                    f"cannot write the timeline in {self.folder}: {error.strerror}",
                    hint_ja="空き容量と権限を確認し、--resume を付けて再実行してください",
                    hint_en="check free space and permissions, then run again with --resume",
                ) from error
            except KeyboardInterrupt:
                console.notice(
                    f"中断しました。--resume で続けられます: {self.folder}",
                    f"Interrupted; --resume goes on: {self.folder}",
                )
                raise
            action.set_result(
                {
                    "results": os.path.relpath(self.folder, self.case.path),
                    "exit_code": outcome.exit_code,
                    "events": str(outcome.summary["events"]),
                    "sources": str(len(self.sources)),
                    "coverage_lines": str(outcome.summary["coverage_lines"]),
                    "files": [name for name, _ in outputs],
                },
                inputs=inputs,
                outputs=[digest for _, digest in outputs],
                status="done" if outcome.exit_code == 0 else "partial",
            )
        return outcome

    # --- the work -----------------------------------------------------------------------------------------------------

    def _work(self) -> tuple[BuildOutcome, list[FileHash], list[tuple[str, FileHash]]]:
        plan = {
            "sources": [mask_text(str(path.resolve())) for path in self.paths],
            "zone": self.options.zone,
            "host": self.options.host,
            "settings": hashlib.sha256(repr(sorted(self.options.settings.items())).encode()).hexdigest(),
            "first_id": self.first_id,
            "scope": self.scope.seq if self.scope is not None else None,
            "tool_version": version("hozen"),
        }
        if not self.options.resume:
            self.folder.mkdir(parents=True)
        state = BuildState(self.folder, plan, resume=self.options.resume)
        (self.folder / EVENTS).mkdir(exist_ok=True)
        try:
            with Pool(start_pass, None, self.options.jobs, memory_bytes=MEMORY_BYTES) as pool:
                pool.prepare()
                surveys = self._surveys()
                self._ask_machines(surveys, pool)
                self._list_sources(surveys)
                tasks = list(self._tasks())
                self._drop_strays({*state.done})
                with self._beside(state) as own_rows:
                    self._read(tasks, state, pool)
                    unread = self._write_files(surveys)
                    own_rows.result()
            self._collect(tasks, state)
            outputs, summary = self._write(surveys, unread)
        except BaseException:
            state.close()
            raise
        state.remove()
        outcome = BuildOutcome(self.folder, summary, int(summary["exit_code"]))
        return outcome, self._inputs(surveys), outputs

    def _surveys(self) -> list[SourceSurvey]:
        found: list[SourceSurvey] = []
        with _all_kept():
            for path in self.paths:
                try:
                    found += list(survey(path, self.options.keys))
                except EvidenceError as error:
                    if len(self.paths) == 1:
                        raise
                    self.problems.append(Problem(path.name, "damaged", error.en))
        return found

    def _ask_machines(self, surveys: Sequence[SourceSurvey], pool: AnyPool) -> None:
        """Name and zone of the machine of each source, by its SYSTEM hive; several that differ say nothing."""
        tasks: list[MachineTask] = []
        owner: list[SourceSurvey] = []
        for one in surveys:
            for place in one.places:
                for file, recognised in zip(place.files, place.recognised, strict=True):
                    if place.state == "live" and file.state == "live" and _is_system_hive(file, recognised.parsers):
                        near = place.listing().get(file.folder, ()) if place.place.recipe is not None else ()
                        tasks.append(MachineTask(len(tasks), place.place, file, {file.folder: near}))
                        owner.append(one)
        found: dict[int, set[Machine]] = {}
        for task, outcome in pool.run(tasks):
            if isinstance(outcome, Machine):
                found.setdefault(id(owner[task.number]), set()).add(outcome)
        for one in surveys:
            hosts = {machine.host for machine in found.get(id(one), ()) if machine.host}
            zones = {machine.zone for machine in found.get(id(one), ()) if machine.zone}
            self.machines[id(one)] = Machine(
                hosts.pop() if len(hosts) == 1 else "", zones.pop() if len(zones) == 1 else None
            )

    def _list_sources(self, surveys: Sequence[SourceSurvey]) -> None:
        number = self.first_id
        for one in surveys:
            self.problems += one.problems
            for place in one.places:
                context = self._context(one)
                if place.kind and place.table is None:
                    self.sources.append(
                        _Source(number, one, place, None, context, f"{number:06d}", filesystem_times.NAME)
                    )
                    number += 1
                if place.stale:
                    self.sources.append(_Source(number, one, place, None, context, f"{number:06d}", _INDEX_SLACK))
                    number += 1
                for file, recognised in zip(place.files, place.recognised, strict=True):
                    for parser in recognised.parsers:
                        job = Job(number, file, parser)
                        own = parser if place.table is not None and file.id is not None and file.id[1] == 0 else ""
                        key = f"{number:06d}" if own else ""
                        self.sources.append(_Source(number, one, place, job, context, key, own))
                        number += 1

    def _context(self, one: SourceSurvey) -> Context:
        machine = self.machines.get(id(one), Machine())
        zone, basis = self.options.zone, "declared"
        if zone is None:
            zone, basis = machine.zone, "registry"
        return Context(
            host=self.options.host or machine.host,
            zone=zone,
            zone_basis=cast("ZoneBasis", basis if zone is not None else "none"),
            language=console.language(),
            source=mask_text(one.name),
            collected_ns=int(self.started.timestamp()) * times.NS,
            scope=self.scope,
            options=self.options.settings,
        )

    def _tasks(self) -> Iterator[ReadTask]:
        """Jobs in groups: small files of one place together, a large one alone; the order of tasks is that of ids."""
        group: list[_Source] = []
        size = 0
        for source in self.sources:
            if source.own or source.job is None:
                continue
            full = len(group) >= _JOBS_PER_TASK or size + source.job.file.size > _BYTES_PER_TASK
            if group and (full or group[0].place is not source.place):
                yield self._task(group)
                group, size = [], 0
            group.append(source)
            size += source.job.file.size
        if group:
            yield self._task(group)

    def _task(self, group: Sequence[_Source]) -> ReadTask:
        number = group[0].source_id
        place = group[0].place
        for source in group:
            source.key = f"{number:06d}"
        jobs = tuple(source.job for source in group if source.job is not None)
        return ReadTask(number, place.place, jobs, self._part(f"{number:06d}"), group[0].context, _near(place, jobs))

    def _part(self, key: str) -> str:
        return str(self.folder / EVENTS / f"{key}.parquet")

    def _drop_strays(self, done: Iterable[str]) -> None:
        """Part files of tasks that a killed run had not noted as done."""
        known = {f"{key}.parquet" for key in done}
        for path in (self.folder / EVENTS).iterdir():
            if path.name not in known:
                path.unlink()

    @contextmanager
    def _beside(self, state: BuildState) -> Iterator[Future[None]]:
        """The rows of file systems are written by a thread meanwhile: pyarrow sorts and packs them without Python."""
        with ThreadPoolExecutor(1, thread_name_prefix="rows") as threads:
            try:
                yield threads.submit(self._filesystem_rows, state)
            except BaseException:
                self._stopped = True
                raise

    def _filesystem_rows(self, state: BuildState) -> None:
        """Rows that the survey itself found: times of file systems. Of a shadow copy only what differs."""
        seen: dict[str, Any] = {}
        for source in self.sources:
            if not source.own:
                continue
            batches = self._own_batches(source, seen)
            if source.key in state.done:
                continue
            rows = Rows(self.folder / EVENTS / f"{source.key}.parquet")
            rows.begin(source.source_id, host=source.context.host, scope=self.scope)
            for batch in batches:
                if self._stopped:
                    rows.discard()
                    return
                rows.add_batch(batch)
            count, with_time = rows.rows_of_source, rows.rows_with_time()
            result = JobResult(source.source_id, count, with_time, "", outside=rows.rows_outside())
            state.add(source.key, ReadResult((result,), rows.close()))

    @staticmethod
    def _own_batches(source: _Source, seen: dict[str, Any]) -> Iterator[Any]:
        from timeline import ntfs_survey  # noqa: PLC0415 - numpy, where there is NTFS
        from timeline.parsers import mft  # noqa: PLC0415

        place, context = source.place, source.context
        if source.own == _INDEX_SLACK:
            return ntfs_survey.stale_batches(place.stale, "" if place.state == "live" else place.state)
        if place.table is None:
            zone, basis = context.zone, context.zone_basis
            return filesystem_times.batches(place.entries, place.kind, zone=zone, zone_basis=basis)
        volume = place.place.layer.partition("|vss:")[0].removesuffix("|ntfs")
        only = None
        if volume in seen:
            only = ntfs_survey.changed_rows(place.table, seen[volume])
        if volume in seen or place.has_copies:
            prints = ntfs_survey.fingerprints(place.table)
            seen[volume] = np.union1d(seen[volume], prints) if volume in seen else prints
        return mft.batches(place.table, only=only, state_of_all=place.state if place.state != "live" else "")

    def _read(self, tasks: Sequence[ReadTask], state: BuildState, pool: AnyPool) -> None:
        """Run the tasks; a task of several files that fails is done again file by file, so that one costs only itself.

        Each single file of it then has a part of its own.
        """
        waiting = [task for task in tasks if f"{task.number:06d}" not in state.done]
        again: list[ReadTask] = []
        if waiting or any(isinstance(outcome, Failure) for outcome in list(state.done.values())):
            with console.progress(text("読み取り", "reading"), len(waiting), unit="items") as progress:
                for phase in _phases(waiting):
                    for task, outcome in pool.run(self._with_known(phase, state)):
                        assert not isinstance(outcome, Machine)
                        state.add(f"{task.number:06d}", outcome)
                        progress.advance(1)
                for task in tasks:
                    if isinstance(state.done.get(f"{task.number:06d}"), Failure) and len(task.jobs) > 1:
                        again += self._singles(task)
                again = [task for task in again if _single_key(task) not in state.done]
                for task, outcome in pool.run(again):
                    assert isinstance(task, ReadTask)
                    assert not isinstance(outcome, Machine)
                    state.add(_single_key(task), outcome)

    def _with_known(self, tasks: Sequence[ReadTask], state: BuildState) -> Iterator[ReadTask]:
        """Tasks of a shadow copy are told which contents of each file were read already."""
        if not tasks or "snapshot" not in {job.file.state for job in tasks[0].jobs}:
            yield from tasks
            return
        by_id = {source.source_id: source for source in self.sources}
        known: dict[tuple[str, str], set[str]] = {}
        for outcome in list(state.done.values()):  # another thread adds to them
            for result in outcome.jobs if isinstance(outcome, ReadResult) else ():
                job = by_id[result.source_id].job
                if job is not None and result.sha256:
                    known.setdefault((job.file.path, job.parser), set()).add(result.sha256)
        for task in tasks:
            jobs = tuple(replace(job, known=frozenset(known.get((job.file.path, job.parser), ()))) for job in task.jobs)
            yield replace(task, jobs=jobs)

    def _singles(self, task: ReadTask) -> Iterator[ReadTask]:
        for job in task.jobs:
            single = replace(task, number=job.source_id, jobs=(job,), part=self._part(f"{job.source_id:06d}-alone"))
            yield single

    def _collect(self, tasks: Sequence[ReadTask], state: BuildState) -> None:
        alone = {one.source_id: f"{one.source_id:06d}-alone" for one in self.sources if one.job is not None}
        by_id = {source.source_id: source for source in self.sources}
        for key, outcome in state.done.items():
            if isinstance(outcome, ReadResult):
                for result in outcome.jobs:
                    self.results[result.source_id] = result
                    self.problems += result.problems
                if outcome.part is not None:
                    self.parts[f"{key}.parquet"] = outcome.part
        for task in tasks:
            for job in task.jobs:
                if job.source_id in self.results:
                    continue
                failure = state.done.get(alone[job.source_id]) or state.done.get(f"{task.number:06d}")
                assert isinstance(failure, Failure)
                where = f"{by_id[job.source_id].place.place.layer}:{job.file.path}"
                self.problems += masked([Problem(where, *_words(failure, job.parser))])
                self.results[job.source_id] = JobResult(job.source_id, 0, 0, "")

    # --- results ------------------------------------------------------------------------------------------------------

    def _write(
        self, surveys: Sequence[SourceSurvey], unread: Counter[str]
    ) -> tuple[list[tuple[str, FileHash]], dict[str, Any]]:
        import pyarrow as pa  # noqa: PLC0415 - start-up time
        import pyarrow.parquet as pq  # noqa: PLC0415 - start-up time

        problems = sorted(
            set(masked(self.problems)), key=lambda one: (one.where, one.reason, one.detail, one.offset or 0)
        )
        for name in ("sources.parquet", "coverage.jsonl", "manifest.json"):
            # A resumed run may find what it was writing when it was stopped; it was never recorded as a result.
            (self.folder / name).unlink(missing_ok=True)
        pq.write_table(
            pa.Table.from_pylist([*self._source_rows()], schema=_sources_schema(pa)), self.folder / "sources.parquet"
        )
        with (self.folder / "coverage.jsonl").open("x", encoding="utf-8", newline="\n") as file:
            for problem in problems:
                line = {"where": problem.where, "reason": problem.reason, "detail": problem.detail}
                line |= {key: value for key in ("offset", "size") if (value := getattr(problem, key)) is not None}
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
        summary = self._summary(surveys, problems, unread)
        with (self.folder / "manifest.json").open("x", encoding="utf-8", newline="\n") as file:
            json.dump(summary, file, ensure_ascii=False, indent=1)
            file.write("\n")
        names = ("manifest.json", "sources.parquet", "files.parquet", "coverage.jsonl")
        outputs = [(name, FileHash.of_file(self.folder / name)) for name in names]
        outputs += [(f"{EVENTS}/{name}", FileHash(digest, size)) for name, (digest, size) in sorted(self.parts.items())]
        return outputs, summary

    def _source_rows(self) -> Iterator[dict[str, Any]]:
        for source in self.sources:
            result = self.results[source.source_id]
            job = source.job
            if result.unchanged or (job is not None and job.parser == LOOK and not result.parser):
                continue
            path = mask_text(job.file.path) if job is not None else ""
            context = source.context
            yield {
                "source_id": source.source_id,
                "source": mask_text(source.survey.name),
                "input": mask_text(str(source.survey.path.resolve())),
                "parser": result.parser or source.parser,
                "layer": mask_text(source.place.place.layer) + (f":{path}" if path else ""),
                "path": path,
                "size": job.file.size if job is not None else None,
                "state": job.file.state if job is not None else "live",
                "sha256": result.sha256,
                "rows": result.rows,
                "rows_with_time": result.with_time,
                "host": context.host,
                "clock": f"host:{context.host}" if context.host else f"source:{mask_text(source.survey.name)}",
                "zone": context.zone,
                "zone_basis": context.zone_basis,
            }

    def _write_files(self, surveys: Sequence[SourceSurvey]) -> Counter[str]:
        """Every file of every source with the parsers that read it; counts those that none reads, by name ending."""
        import pyarrow as pa  # noqa: PLC0415 - start-up time
        import pyarrow.parquet as pq  # noqa: PLC0415 - start-up time

        from timeline.masking import mask_column  # noqa: PLC0415 - needs pyarrow

        (self.folder / "files.parquet").unlink(missing_ok=True)  # of a run that was stopped
        unread: Counter[str] = Counter()
        columns: dict[str, list[Any]] = {name: [] for name in ("source", "layer", "path", "size", "state", "parsers")}
        for one in surveys:
            for place in one.places:
                count = len(place.files)
                columns["source"] += [one.name] * count
                columns["layer"] += [place.place.layer] * count
                columns["path"] += [file.path.encode("utf-8", "backslashreplace").decode() for file in place.files]
                columns["size"] += [file.size for file in place.files]
                columns["state"] += [file.state for file in place.files]
                read = [[name for name in recognised.parsers if name != LOOK] for recognised in place.recognised]
                columns["parsers"] += [",".join(names) for names in read]
                unread.update(_ending(file.path) for file, names in zip(place.files, read, strict=True) if not names)
        table = {
            name: pa.array(values, pa.int64() if name == "size" else pa.string()) for name, values in columns.items()
        }
        for name in ("source", "layer", "path"):
            table[name] = mask_column(table[name], mask_text)
        pq.write_table(pa.table(table), self.folder / "files.parquet", compression="zstd")
        return unread

    def _summary(
        self, surveys: Sequence[SourceSurvey], problems: Sequence[Problem], unread: Counter[str]
    ) -> dict[str, Any]:
        by_parser: Counter[str] = Counter()
        files_by_parser: Counter[str] = Counter()
        for source in self.sources:
            result = self.results[source.source_id]
            parser = result.parser or source.parser
            if parser == LOOK or result.unchanged:
                continue
            by_parser[parser] += result.rows
            files_by_parser[parser] += 1
        total = sum(by_parser.values())
        return {
            "v": FORMAT,
            "tool": {"name": "hozen", "version": version("hozen")},
            "case": {"id": self.case.case_id, "fingerprint": self.case.fingerprint},
            "started": self.started.isoformat(),
            "finished": datetime.now(UTC).isoformat(),
            "zone": self.options.zone,
            "inputs": [
                {
                    "name": mask_text(one.name),
                    "path": mask_text(str(one.path.resolve())),
                    "kind": one.kind,
                    "size": one.size,
                    "stored_hashes": dict(one.stored_hashes),
                    "files": sum(len(place.files) for place in one.places),
                }
                for one in surveys
            ],
            "first_source_id": self.first_id,
            "last_source_id": max((one.source_id for one in self.sources), default=self.first_id - 1),
            "events": total,
            "events_without_time": total - sum(one.with_time for one in self.results.values()),
            "by_parser": {
                name: {"sources": files_by_parser[name], "events": by_parser[name]} for name in sorted(by_parser)
            },
            "files": sum(len(place.files) for one in surveys for place in one.places),
            "files_not_understood": sum(unread.values()),
            "not_understood_by_ending": dict(unread.most_common(50)),
            "coverage_lines": len(problems),
            "scope": {
                "entry": self.scope.seq,
                "outside": sum(one.outside for one in self.results.values()),
            }
            if self.scope is not None
            else None,
            "parts": [
                {"name": f"{EVENTS}/{name}", "sha256": digest, "size": size}
                for name, (digest, size) in sorted(self.parts.items())
            ],
            "exit_code": 3 if problems else 0,
        }

    def _inputs(self, surveys: Sequence[SourceSurvey]) -> list[FileHash]:
        """Hashes of the files that were given by name; those inside images and folders stand in the list of sources."""
        found: dict[str, FileHash] = {}
        single = {id(one) for one in surveys if one.kind == "file"}
        for source in self.sources:
            digest = self.results[source.source_id].sha256
            if source.job is not None and id(source.survey) in single and digest:
                found.setdefault(digest, FileHash(digest, source.job.file.size))
        return list(found.values())


@contextmanager
def _all_kept() -> Iterator[None]:
    """For work whose objects all stay, and are many: looking through them for garbage costs a tenth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _is_system_hive(file: FoundFile, parsers: Sequence[str]) -> bool:
    """Whether a file is the SYSTEM hive of an installed Windows, or one that was copied out of it."""
    if "registry" not in parsers or file.path.rpartition("/")[2].upper() != "SYSTEM":
        return False
    folder = file.folder.upper()
    return file.local != "" or folder.endswith("/SYSTEM32/CONFIG")


def _phases(tasks: Sequence[ReadTask]) -> Iterator[Sequence[ReadTask]]:
    """Tasks of what is live first, then those of each shadow copy, which skip what was read before."""
    yield [task for task in tasks if task.jobs[0].file.state != "snapshot"]
    copies: dict[str, list[ReadTask]] = {}
    for task in tasks:
        if task.jobs[0].file.state == "snapshot":
            copies.setdefault(task.place.layer, []).append(task)
    yield from copies.values()


def _single_key(task: ReadTask) -> str:
    return f"{task.number:06d}-alone"


def _near(place: PlaceSurvey, jobs: Sequence[Job]) -> dict[str, tuple[Any, ...]]:
    """Files that lie beside those of a task, and those in the root of the volume."""
    if place.place.recipe is None:
        return {}
    listing = place.listing()
    wanted = {"", "/$Extend", *(job.file.folder for job in jobs)}
    return {folder: listing[folder][:_SMALL_FOLDER] for folder in wanted if folder in listing}


def _words(failure: Failure, parser: str) -> tuple[Any, str]:
    if failure.kind == "time":
        return "limit", f"{parser}: stopped, it took too long"
    if failure.kind == "memory":
        return "limit", f"{parser}: stopped, it needed too much memory"
    return "damaged", f"{parser}: the reader failed ({failure.kind}{': ' + failure.detail if failure.detail else ''})"


def _ending(path: str) -> str:
    """The ending of a name in lower case, empty where it has none that could be one."""
    name = path.rpartition("/")[2].partition(":")[0]
    _, dot, ending = name.rpartition(".")
    return _shown_ending(ending.lower()) if dot and 0 < len(ending) <= 12 else ""


@lru_cache(maxsize=4096)
def _shown_ending(ending: str) -> str:
    return mask_text(ending)


def _sources_schema(pa: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
    integers = {"source_id": pa.int32(), "size": pa.int64(), "rows": pa.int64(), "rows_with_time": pa.int64()}
    return pa.schema([(name, integers.get(name, pa.string())) for name in SOURCE_COLUMNS])


def _numbered(builds: Path) -> dict[int, Path]:
    found: dict[int, Path] = {}
    if builds.is_dir():
        for entry in builds.iterdir():
            number = entry.name.partition("-")[0]
            if number.isdigit() and entry.is_dir():
                found[int(number)] = entry
    return found


def _build_folder(case: Path, name: str, options: BuildOptions) -> Path:
    """The folder for the store: new, or for a resumed build the newest one that still has its state."""
    if options.out is not None:
        folder = options.out.resolve()
        if not options.resume and folder.exists():
            raise TargetError(
                f"時系列のフォルダーが既にあります: {folder}",
                f"the folder for the timeline exists already: {folder}",
                hint_ja="別の名前を指定してください(上書きはしません)",
                hint_en="give another name (nothing is overwritten)",
            )
        return folder
    taken = _numbered(case / BUILDS)
    if options.resume:
        for number in sorted(taken, reverse=True):
            folder = taken[number]
            if folder.name.partition("-")[2] == name and (folder / STATE_FOLDER).is_dir():
                return folder
        raise UsageError(
            f"再開できる時系列の作成がありません: {case / BUILDS}",
            f"there is no interrupted build of {name} in {case / BUILDS}",
            hint_ja="--resume なしで新しく作成してください",
            hint_en="build anew, without --resume",
        )
    return case / BUILDS / f"{max(taken, default=0) + 1}-{name}"


_ROOM = 1_000_000


def _next_source_id(builds: Path) -> int:
    """Numbers of sources go on from build to build of a case, so that an event's name is unique in it."""
    last = 0
    for folder in _numbered(builds).values():
        try:
            manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
            last = max(last, int(manifest["last_source_id"]))
        except (OSError, ValueError, KeyError, TypeError):
            # An unfinished build may be resumed: leave it room.
            last = max(last, _first_id_of(folder / STATE_FOLDER / "plan.json") + _ROOM)
    return last + 1


def _first_id_of(plan: Path) -> int:
    """The first number of a build that was stopped; 1 where its plan cannot be read."""
    try:
        return int(json.loads(plan.read_text(encoding="utf-8"))["first_id"])
    except (OSError, ValueError, KeyError, TypeError):
        return 1
