# ruff: noqa: S608 - statements are put together from names of this program; values are parameters
"""What else a timeline shows about an alert of a copy: traces for it and against it, each with its records.

Which kinds of events are traces, of what, and which way they speak stands in verdict_rules.toml. A trace never decides
a verdict by itself: a shortcut to a file on a stick shows that it was opened there, not that this alert copied it.
Traces are matched in true time: one whose clock is unknown is left out and counted.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from timeline.clocks.corrections import offsets_at
from timeline.clocks.verdicts import Trace, file_name, moment_of, rules

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from timeline.clocks.solution import Solution
    from timeline.clocks.verdicts import IncidentAnswer
    from timeline.store import Store

MOST_RECORDS = 20
MOST_ROWS = 200_000
CONNECTED = ("evtx.device_connected", "evtx.device_recognized", "evtx.device_configured", "evtx.device_started")
REMOVED = ("evtx.device_removed",)


@dataclass(frozen=True, slots=True)
class _Row:
    id: str
    kind: str
    path: str
    data: Mapping[str, Any]
    low_ns: int
    high_ns: int


def _rows(store: Store, solution: Solution, kinds: Sequence[str]) -> tuple[list[_Row], int]:
    """Events of the kinds with their true time, and how many have none."""
    condition = " OR ".join("kind GLOB ?" for _ in kinds)
    sql = (
        f"SELECT id, kind, path, data, clock, time_ns, precision_ns FROM events WHERE ({condition}) "
        "AND time_ns IS NOT NULL ORDER BY time_ns, id LIMIT ?"
    )
    by_clock: dict[str, list[tuple[Any, ...]]] = {}
    for row in store.rows(sql, [*kinds, MOST_ROWS]):
        by_clock.setdefault(str(row[4]), []).append(row)
    found: list[_Row] = []
    unknown = 0
    origin = solution.case.origin_ns
    for clock, rows in by_clock.items():
        view = solution.main.views.get(clock)
        reading = np.array([(int(row[5]) - origin) / 1e9 for row in rows])
        low, high = offsets_at(view, reading) if view else (np.full(len(rows), np.nan), np.full(len(rows), np.nan))
        for row, least, most in zip(rows, low, high, strict=True):
            if not (np.isfinite(least) and np.isfinite(most)):
                unknown += 1
                continue
            first = int(row[5]) - round(float(most) * 1e9)
            last = int(row[5]) + int(row[6]) - round(float(least) * 1e9)
            found.append(_Row(str(row[0]), str(row[1]), str(row[2]), _members(row[3]), first, last))
    return sorted(found, key=lambda one: (one.low_ns, one.id)), unknown


def _members(text: object) -> Mapping[str, Any]:
    try:
        value = json.loads(str(text))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _is_about(row: _Row, about: str, name: str) -> bool:
    removable = row.data.get("drive_type") in ("removable", "リムーバブル")
    same = bool(name) and name in (file_name(row.path), file_name(str(row.data.get("name", ""))))
    return {"file": same, "file on a medium": same and removable, "medium": removable}.get(about, True)


def add_traces(store: Store, solution: Solution, answers: Sequence[IncidentAnswer]) -> int:
    """Give each answer its traces. Returns how many events were left out because their clock is unknown."""
    table = rules()["trace"]
    rows, unknown = _rows(store, solution, [kind for one in table.values() for kind in one.get("kinds", ())])
    devices, _ = _rows(store, solution, [*CONNECTED, *REMOVED])
    for answer in answers:
        moment = moment_of(solution, answer)
        if moment is None:
            continue
        for name, one in table.items():
            near = round(float(one.get("near_s", 900)) * 1e9)
            kinds = tuple(one.get("kinds", ()))
            found = [
                row.id
                for row in rows
                if row.high_ns >= moment[0] - near
                and row.low_ns <= moment[1] + near
                and any(_fits(row.kind, kind) for kind in kinds)
                and _is_about(row, str(one.get("about", "any")), answer.file)
            ]
            if found:
                answer.traces.append(Trace(name, tuple(found[:MOST_RECORDS]), len(found)))
        without = _no_device(devices, moment)
        if without:
            answer.traces.append(Trace("device_removed_before", without, len(without)))
    return unknown


def _fits(kind: str, wanted: str) -> bool:
    return kind.startswith(wanted[:-1]) if wanted.endswith("*") else kind == wanted


def _no_device(devices: Sequence[_Row], moment: tuple[int, int]) -> tuple[str, ...]:
    """The removal before and the arrival after a moment, where the log shows nothing connected in between."""
    before = [row for row in devices if row.high_ns < moment[0]]
    after = [row for row in devices if row.low_ns > moment[1]]
    if len(before) + len(after) < len(devices) or not before or not after:
        return ()
    if before[-1].kind in REMOVED and after[0].kind in CONNECTED:
        return before[-1].id, after[0].id
    return ()
