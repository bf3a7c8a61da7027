"""Was it really copied? From an alert, the operation log and the seized media to a verdict with its reasons.

The facts are counted here; which facts give which verdict stands in verdict_rules.toml (data, versioned).
露見 (the alert) → 推定 (the lines that may belong to it) → 原因追究 (bytes, gaps, clock, media) → 確認 (verdict).
"""

from __future__ import annotations

import functools
import tomllib
import unicodedata
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from timeline.clocks.evidence import Alert, ClockCase, Incident, MediaFile, Operation
    from timeline.clocks.solution import Solution

Verdict = Literal["copied", "not_copied", "partial", "undetermined"]
REMOVABLE = "リムーバブル"
FIXED = "固定ディスク"
WRITING = frozenset({"FileCopy", "FileWrite", "FileMake", "FileMove"})
ACTING = WRITING | {"FileRead", "FileOpen"}
NEAR_S = 900.0
"""Lines of the event lie within a quarter of an hour of the alert, beyond what their intervals leave open."""
PAUSE_S = 600.0
MEDIUM_NEAR_S = 3600.0
HOURS_9 = 9 * 3600.0


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an operation log (its first delivery) with its true time."""

    source: int
    operation: Operation
    low_s: float
    high_s: float
    deliveries: tuple[int, ...]
    """Rows of all deliveries of this line."""


@dataclass(frozen=True, slots=True)
class Ground:
    """A reason with the records that it stands on."""

    reason: str
    records: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trace:
    """Something else that speaks for or against a copy (a name in verdict_rules.toml), with its records."""

    name: str
    records: tuple[str, ...]
    total: int


@dataclass(slots=True)
class IncidentAnswer:
    """The verdict about one alert."""

    id: str
    verdict: Verdict
    rule: str
    grounds: list[Ground]
    facts: dict[str, bool]
    alert: str
    size: int | None
    written: int
    read: int
    lines: list[Line] = field(default_factory=list)
    file: str = ""
    """Name of the file of the alert, as `file_name` has it."""
    row: tuple[int, int] | None = None
    traces: list[Trace] = field(default_factory=list)

    @property
    def reasons(self) -> list[str]:
        """Names of the reasons."""
        return [ground.reason for ground in self.grounds]


@functools.cache
def rules() -> Mapping[str, Any]:
    """The rules, their wording and what to do next."""
    text = resources.files("timeline.clocks").joinpath("verdict_rules.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def decide(facts: Mapping[str, bool]) -> tuple[str, Verdict]:
    """(rule id, verdict) of the first rule whose conditions all hold."""
    for rule in rules()["rule"]:
        if all(facts.get(one.lstrip("!"), False) != one.startswith("!") for one in rule["when"]):
            return rule["id"], rule["verdict"]
    raise AssertionError("the last rule has no conditions")


def file_name(path: str) -> str:
    """The name that two records of a file share: last part of the path, width and case folded."""
    return unicodedata.normalize("NFKC", path.replace("/", "\\").rpartition("\\")[2]).casefold().strip()


def moment_of(solution: Solution, answer: IncidentAnswer) -> tuple[int, int] | None:
    """(earliest, latest) of an alert's event in ns: of its lines, else of the alert; None where nothing is known."""
    spans = [(line.low_s, line.high_s) for line in answer.lines if np.isfinite(line.low_s + line.high_s)]
    if not spans and answer.row is not None:
        source, row = answer.row
        spans = [(float(solution.low[source][row]), float(solution.high[source][row]))]
    spans = [one for one in spans if np.isfinite(one[0] + one[1])]
    if not spans:
        return None
    origin = solution.case.origin_ns
    return origin + round(min(one[0] for one in spans) * 1e9), origin + round(max(one[1] for one in spans) * 1e9)


def _names(path: str) -> set[str]:
    """Names in a cell; a rename holds both."""
    for mark in ("->", "→", "=>", "|"):
        if mark in path:
            return {file_name(part) for part in path.split(mark)}
    return {file_name(path)}


def _lines(solution: Solution) -> list[Line]:
    """All lines of operation logs, each once however often it was delivered."""
    lines: list[Line] = []
    for index, source in enumerate(solution.case.sources):
        deliveries: dict[int, list[int]] = {}
        by_row = {one.row: one for one in source.operations}
        for row in by_row:
            deliveries.setdefault(int(source.duplicates[row]), []).append(row)
        for first, rows in deliveries.items():
            operation = by_row[first]
            lines.append(
                Line(
                    index, operation, float(solution.low[index][first]), float(solution.high[index][first]), tuple(rows)
                ),
            )
    return lines


@np.errstate(invalid="ignore")  # lines without a time are compared as NaN, which is near nothing
def judge_all(solution: Solution) -> list[IncidentAnswer]:
    """The verdicts of all incidents of a case."""
    lines = _lines(solution)
    return [judge(solution, incident, lines) for incident in solution.case.incidents]


def _alert_of(case: ClockCase, incident: Incident) -> Alert | None:
    if incident.row is None:
        return None
    source = case.sources[incident.row[0]]
    for alert in source.alerts:
        if alert.row == incident.row[1]:
            return alert
    return None


def judge(solution: Solution, incident: Incident, lines: Sequence[Line]) -> IncidentAnswer:
    """The verdict of one incident."""
    case = solution.case
    alert = _alert_of(case, incident)
    own_line = (
        None
        if incident.row is None
        else next(
            (line for line in lines if line.source == incident.row[0] and incident.row[1] in line.deliveries), None
        )
    )
    if alert is None and own_line is None:
        facts = {"lines": False}
        rule, verdict = decide(facts)
        return IncidentAnswer(incident.id, verdict, rule, [], facts, "", None, 0, 0)
    if incident.row is None:
        raise AssertionError("an alert has a row")
    name = alert.file if alert else own_line.operation.file if own_line else ""
    host = alert.host if alert else own_line.operation.host if own_line else ""
    size = alert.size if alert else None
    low, high = (
        float(solution.low[incident.row[0]][incident.row[1]]),
        float(solution.high[incident.row[0]][incident.row[1]]),
    )
    same_host = [line for line in lines if not host or line.operation.host == host] or list(lines)
    same_file = [line for line in same_host if file_name(name) in _names(line.operation.file)]
    mine = _of_event(solution, incident, same_file, (low, high))
    return _judge_lines(solution, incident, (name, size, (low, high)), mine, same_host)


def _of_event(solution: Solution, incident: Incident, lines: Sequence[Line], moment: tuple[float, float]) -> list[Line]:
    """The lines of the alert's event: near it in true time, in one run, and not nearer to another alert of the file."""
    acting = [line for line in lines if line.operation.kind in ACTING]
    rivals = _other_alerts(solution, incident)
    timed: list[tuple[float, Line]] = []
    for line in acting:
        distance, middle = _distance(line, moment)
        if distance > NEAR_S:
            continue
        # Another alert about the same file takes the lines that are nearer to it.
        if any(_distance(line, other)[0] < distance for other in rivals):
            continue
        timed.append((middle, line))
    timed.sort(key=lambda one: one[0])
    return _run_at([line for _m, line in timed], [m for m, _line in timed], moment)


def _run_at(lines: list[Line], middles: list[float], moment: tuple[float, float]) -> list[Line]:
    """The run of lines, without long pauses, that is nearest to the moment."""
    if not lines:
        return []
    runs: list[list[int]] = [[0]]
    for index in range(1, len(lines)):
        if middles[index] - middles[index - 1] > PAUSE_S:
            runs.append([])
        runs[-1].append(index)
    target = (moment[0] + moment[1]) / 2
    best = min(runs, key=lambda run: max(middles[run[0]] - target, target - middles[run[-1]], 0.0))
    return [lines[index] for index in best]


def _distance(line: Line, moment: tuple[float, float]) -> tuple[float, float]:
    """(seconds between a line and a moment beyond their intervals, the line's middle time)."""
    low, high = line.low_s, line.high_s
    if not (np.isfinite(low) and np.isfinite(high)):
        # Without a corrected time only the receipt tells; lines usually come within minutes.
        low, high = line.operation.received_s - NEAR_S, line.operation.received_s
        if not np.isfinite(high):
            return np.inf, np.inf
    return max(low - moment[1], moment[0] - high, 0.0), (low + high) / 2


def _other_alerts(solution: Solution, incident: Incident) -> list[tuple[float, float]]:
    """Moments of the other alerts about the same file and computer."""
    case = solution.case
    mine = _alert_of(case, incident)
    if mine is None:
        return []
    found: list[tuple[float, float]] = []
    for index, source in enumerate(case.sources):
        for alert in source.alerts:
            if (index, alert.row) == incident.row or alert.host != mine.host:
                continue
            if file_name(alert.file) == file_name(mine.file):
                found.append((float(solution.low[index][alert.row]), float(solution.high[index][alert.row])))
    return found


def _records(solution: Solution, lines: Iterable[Line]) -> tuple[str, ...]:
    names: list[str] = []
    for line in lines:
        source = solution.case.sources[line.source]
        names += [source.label(row) for row in line.deliveries]
    return tuple(names)


def _judge_lines(
    solution: Solution,
    incident: Incident,
    alert: tuple[str, int | None, tuple[float, float]],
    mine: list[Line],
    same_host: Sequence[Line],
) -> IncidentAnswer:
    """Count bytes, look for gaps and media, and let the rules decide."""
    name, size, moment = alert
    removable = [line for line in mine if line.operation.drive != FIXED]
    writes = [line for line in removable if line.operation.kind in WRITING]
    reads = [line for line in removable if (line.operation.bytes_read or 0) > 0 and line.operation.drive == REMOVABLE]
    written = _written(writes)
    missing = [line for line in writes if line.operation.bytes_written is None and line.operation.kind != "FileMake"]
    if not any(line.operation.bytes_written is not None for line in writes):
        missing = [line for line in writes if line.operation.bytes_written is None]
    gap = _gap(same_host, moment, mine)
    stick = solution.case.media_of.get(incident.id)
    seized = incident.id in solution.case.media_of and stick is not None and solution.case.has_media_listing
    found = _on_medium(solution, name, stick, moment, mine) if seized else []
    biggest = max((one.size for one in found), default=0)
    contents = [_same_content(solution.case, one) for one in found]
    # A file of that name and size with other content is another file.
    other = bool(contents) and all(one is False for one in contents)
    facts = {
        "lines": bool(mine),
        "written_all": written > 0 and (size is None or written >= size),
        "written_some": written > 0 and size is not None and written < size,
        "written_nothing": written == 0,
        "counts_missing": bool(missing),
        "gap": gap is not None,
        "medium_seized": seized,
        "medium_full": bool(found) and not other and (size is None or biggest >= size),
        "medium_part": bool(found) and size is not None and 0 < biggest < size,
        "medium_absent": seized and not found,
        "only_reads": bool(reads) and written == 0 and not missing,
    }
    rule, verdict = decide(facts)
    grounds = _grounds(solution, facts, mine, (writes, reads, missing), gap, found, moment)
    where = "" if incident.row is None else solution.case.sources[incident.row[0]].label(incident.row[1])
    read = sum(line.operation.bytes_read or 0 for line in reads)
    answer = IncidentAnswer(incident.id, verdict, rule, grounds, facts, where, size, written, read, mine)
    answer.file, answer.row = file_name(name), incident.row
    for trace, wanted in (("content_same", True), ("content_differs", False)):
        records = tuple(one.name for one, same in zip(found, contents, strict=True) if same is wanted)
        if records:
            answer.traces.append(Trace(trace, records, len(records)))
    return answer


def _same_content(case: ClockCase, one: MediaFile) -> bool | None:
    """Whether a file on a medium has the content of the file of that name on the computer; None where not known."""
    hashes = case.host_content.get(file_name(one.path))
    return one.md5 in hashes if hashes and one.md5 else None


def _written(writes: Sequence[Line]) -> int:
    """Bytes written: chunks add up; the same total told twice (a copy and its writes) counts once."""
    totals: dict[str, int] = {}
    for line in writes:
        totals[line.operation.kind] = totals.get(line.operation.kind, 0) + (line.operation.bytes_written or 0)
    copy, chunks = totals.pop("FileCopy", 0), totals.pop("FileWrite", 0)
    return (copy if copy == chunks else copy + chunks) + sum(totals.values())


def _gap(lines: Sequence[Line], moment: tuple[float, float], mine: Sequence[Line]) -> tuple[Line, Line | None] | None:
    """A stop of the agent whose pause covers the event: (stop, start)."""
    agent = sorted(
        (line for line in lines if line.operation.kind in ("AgentStop", "AgentStart") and np.isfinite(line.low_s)),
        key=lambda line: (line.low_s + line.high_s, line.operation.row),
    )
    starts = [line.low_s for line in mine if np.isfinite(line.low_s)]
    event_low = min([moment[0], *starts])
    event_high = max([moment[1], *(line.high_s for line in mine if np.isfinite(line.high_s))])
    for index, stop in enumerate(agent):
        if stop.operation.kind != "AgentStop":
            continue
        start = next((line for line in agent[index + 1 :] if line.operation.kind == "AgentStart"), None)
        end = np.inf if start is None else start.high_s
        if stop.low_s <= event_high and end >= event_low:
            return stop, start
    return None


def _on_medium(
    solution: Solution, name: str, stick: str | None, moment: tuple[float, float], mine: Sequence[Line]
) -> list[MediaFile]:
    """The file on the incident's stick, unless its own times say that it came by another event.

    FAT times are local wall time of the writing computer's clock: ±9 h and the clock's offset are allowed for.
    """
    wanted = file_name(name)
    found: list[MediaFile] = []
    middle = (moment[0] + moment[1]) / 2
    offsets = _pc_offsets(solution, mine, middle)
    for one in solution.case.media:
        if one.stick != stick or file_name(one.path) != wanted:
            continue
        times = [time for time in (one.created_s, one.modified_s) if time + solution.case.origin_ns / 1e9 > 86400]
        created = one.created_s + solution.case.origin_ns / 1e9 > 86400
        near = any(
            abs(one.created_s - middle - shift - theta) <= MEDIUM_NEAR_S
            for shift in (0.0, HOURS_9, -HOURS_9)
            for theta in offsets
        )
        if not times or not created or near:
            found.append(one)
    return found


def _pc_offsets(solution: Solution, mine: Sequence[Line], when: float) -> list[float]:
    """Offsets of the computer's clock next to the event (seconds): of the lines before and after it, and none."""
    offsets = [0.0]
    indices = {line.source for line in mine} or {
        index for index, source in enumerate(solution.case.sources) if source.operations
    }
    for index in indices:
        source = solution.case.sources[index]
        middle = (solution.low[index] + solution.high[index]) / 2
        shift = solution.zone_shifts.get(index, 0.0)
        for side in (np.flatnonzero(middle <= when), np.flatnonzero(middle > when)):
            if len(side):
                nearest = side[int(np.argmin(np.abs(middle[side] - when)))]
                offsets.append(float(source.reading_s[nearest] - shift - middle[nearest]))
    return offsets


def _step_between(solution: Solution, moment: tuple[float, float], mine: Sequence[Line], clocks: set[str]) -> list[str]:
    """Steps of the computer's clock near the event."""
    low = min([moment[0], *(line.low_s for line in mine if np.isfinite(line.low_s))]) - 3600
    high = max([moment[1], *(line.high_s for line in mine if np.isfinite(line.high_s))]) + 3600
    found: list[str] = []
    for name in clocks:
        view = solution.main.views[name]
        if view.answer is None:
            continue
        for step in view.answer.steps:
            for source, row in step.rows.items():
                stamp = view.first[source] + row
                if view.low[stamp] <= high and view.high[stamp] >= low:
                    names = solution.case.sources[source]
                    found.append(names.label(row))
        found += [
            f"{name}: {piece.starts_after:.0f}"
            for piece in view.answer.pieces[1:]
            if np.isfinite(piece.starts_after) and low <= piece.starts_after <= high
        ]
    return found


def _grounds(
    solution: Solution,
    facts: Mapping[str, bool],
    mine: Sequence[Line],
    kinds: tuple[Sequence[Line], Sequence[Line], Sequence[Line]],
    gap: tuple[Line, Line | None] | None,
    found: Sequence[MediaFile],
    moment: tuple[float, float],
) -> list[Ground]:
    """The reasons, each with its records."""
    writes, reads, missing = kinds
    grounds: list[Ground] = []

    def add(reason: str, records: tuple[str, ...]) -> None:
        grounds.append(Ground(reason, records))

    counted = [line for line in writes if line.operation.bytes_written is not None]
    if (facts["written_all"] and not facts["counts_missing"]) or facts["written_all"]:
        add("bytes_match_size", _records(solution, counted))
    if facts["written_some"]:
        add("written_less_than_size", _records(solution, counted))
    if mine and facts["written_nothing"] and not missing:
        if facts["only_reads"]:
            add("read_from_media", _records(solution, reads))
        if counted:
            add("zero_bytes_written", _records(solution, counted))
    if missing:
        add("bytes_not_recorded", _records(solution, missing))
    if gap is not None and not facts["written_all"] and not facts["written_some"]:
        add("log_gap", _records(solution, [line for line in gap if line is not None]))
    elif not mine:
        add("log_gap", ())
    open_question = bool(missing) or gap is not None or not mine
    listed = tuple(one.name for one in found)
    if found and all(one.deleted for one in found):
        add("deleted_on_media", listed)
    elif found:
        add("present_on_media", listed)
    elif facts["medium_seized"] and open_question:
        add("absent_on_media", ())
    elif not facts["medium_seized"] and open_question:
        add("media_missing", ())
    twice = [line for line in mine if len(line.deliveries) > 1]
    if twice:
        add("duplicate_delivery", _records(solution, twice))
    clocks = {solution.case.sources[line.source].clock for line in mine} or {
        source.clock for source in solution.case.sources if source.operations
    }
    steps = _step_between(solution, moment, mine, clocks)
    if steps:
        add("clock_step_between", tuple(steps))
    return grounds
