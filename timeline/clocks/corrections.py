"""Bands of clocks as the store joins them at view time: offset bounds on straight lines between readings.

`corrections.parquet` has a line for every stretch of readings of a clock, `corrected_events.parquet` single events that
are known better than their reading tells (their place in a log says which side of a step they are on). Neither changes
an event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from chain_of_custody.errors import TargetError
from timeline.clocks.anchors import SYNCHRONISED_S
from timeline.clocks.steps import segment_windows, unwrap_offsets

if TYPE_CHECKING:
    from pathlib import Path

    from timeline.clocks.evidence import Floats
    from timeline.clocks.solution import ClockView, Solution
    from timeline.clocks.store_case import StoreCase

GRID = 400
FAR_S = 50 * 366 * 86400.0
MAX_EVENTS = 500_000
DIFFERS_S = 1.0
NARROWER_S = 1e-3


def offsets_at(view: ClockView, reading: Floats) -> tuple[Floats, Floats]:
    """(lowest, highest) offset at readings over every segment and piece that admits them; nan where unbounded."""
    answer = view.answer
    low, high = np.full(len(reading), np.inf), np.full(len(reading), -np.inf)
    if answer is None:
        return np.full(len(reading), -SYNCHRONISED_S), np.full(len(reading), SYNCHRONISED_S)
    offsets = unwrap_offsets(answer.steps)
    window_low, window_high = segment_windows(answer.steps)
    for piece in answer.pieces:
        for first, last, band in piece.bands:
            for k in range(first, last + 1):
                inside = (reading >= window_low[k] - 1) & (reading <= window_high[k] + 1)
                if not inside.any():
                    continue
                theta_low, theta_high = band.at(reading[inside] - offsets[k])
                # Where the piece itself is confined to a stretch of true time, readings outside it are not its own.
                t_low = reading[inside] - offsets[k] - theta_high
                t_high = reading[inside] - offsets[k] - theta_low
                fits = (t_high >= piece.starts_after) & (t_low <= piece.ends_before)
                at = np.flatnonzero(inside)[fits]
                low[at] = np.minimum(low[at], theta_low[fits] + offsets[k])
                high[at] = np.maximum(high[at], theta_high[fits] + offsets[k])
    nothing = ~(np.isfinite(low) & np.isfinite(high) & (low <= high))
    low[nothing] = high[nothing] = np.nan
    return low, high


def band_lines(solution: Solution, name: str) -> list[dict[str, Any]]:
    """Lines of one clock for the store."""
    view = solution.main.views[name]
    origin = solution.case.origin_ns
    answer = view.answer
    ground = "declared synchronised" if answer is None else f"{int(answer.kept.sum())} anchors"
    readings = view.stamps.reading_s[np.isfinite(view.stamps.reading_s)]
    if answer is None:
        edges = np.array([-FAR_S, FAR_S])
    else:
        if not len(readings):
            return []
        window_low, window_high = segment_windows(answer.steps)
        special = np.concatenate([window_low[1:], window_high[:-1]])
        span = np.linspace(float(readings.min()) - 86400, float(readings.max()) + 86400, GRID)
        pins = view.stamps.reading_s[np.array(view.anchors.stamp, dtype=np.int64)] if view.anchors.size else np.zeros(0)
        pins = np.sort(pins[np.isfinite(pins)])
        if len(pins) > GRID:
            pins = pins[np.linspace(0, len(pins) - 1, GRID).astype(np.int64)]
        edges = np.unique(np.concatenate([span, special, special + 1, special - 1, pins]))
        edges = edges[np.concatenate([[True], np.diff(edges) > 1e-3])]
    middle_low, middle_high = offsets_at(view, (edges[:-1] + edges[1:]) / 2)
    near = np.minimum(np.diff(edges) * 1e-6, 1e-3)
    at_low, at_high = offsets_at(view, edges[:-1] + near)
    to_low, to_high = offsets_at(view, edges[1:] - near)
    lines: list[dict[str, Any]] = []
    for i in range(len(edges) - 1):
        values = np.array([at_low[i], to_low[i], at_high[i], to_high[i], middle_low[i], middle_high[i]])
        known = bool(np.isfinite(values).all())
        # Between the ends the band may bulge: the line is moved out until the middle is inside.
        down = max(0.0, (at_low[i] + to_low[i]) / 2 - middle_low[i]) if known else 0.0
        up = max(0.0, middle_high[i] - (at_high[i] + to_high[i]) / 2) if known else 0.0

        def ns(value: float, shift: float, known: bool = known) -> int:
            return round((value + shift) * 1e9) if known else 0

        lines.append(
            {
                "clock": name,
                "from_ns": origin + round(float(edges[i]) * 1e9),
                "to_ns": origin + round(float(edges[i + 1]) * 1e9),
                "low_from_ns": ns(at_low[i], -down),
                "high_from_ns": ns(at_high[i], up),
                "low_to_ns": ns(to_low[i], -down),
                "high_to_ns": ns(to_high[i], up),
                "status": "estimated" if known else "unknown",
                "ground": ground,
            },
        )
    return lines


def _on_lines(lines: list[dict[str, Any]], origin: int, reading: Floats) -> tuple[Floats, Floats]:
    """(lowest, highest) offset at readings as the lines of a clock give them; nan where none does."""
    low, high = np.full(len(reading), np.nan), np.full(len(reading), np.nan)
    if not lines:
        return low, high

    def column(name: str) -> Floats:
        return np.array([one[name] for one in lines], dtype=np.float64)

    start, end = (np.array([(one[name] - origin) / 1e9 for one in lines]) for name in ("from_ns", "to_ns"))
    known = np.array([one["status"] == "estimated" for one in lines])
    at = np.searchsorted(start, reading, side="right") - 1
    use = np.flatnonzero((at >= 0) & np.isfinite(reading))
    use = use[(reading[use] < end[at[use]]) & known[at[use]]]
    share = (reading[use] - start[at[use]]) / np.maximum(end[at[use]] - start[at[use]], 1e-9)
    for target, side in ((low, "low"), (high, "high")):
        first, last = column(f"{side}_from_ns")[at[use]], column(f"{side}_to_ns")[at[use]]
        target[use] = (first + (last - first) * share) / 1e9
    return low, high


def event_lines(solution: Solution, made: StoreCase) -> list[dict[str, Any]]:
    """Events whose own interval is narrower than, or outside, what the lines of their clock say."""
    found: list[dict[str, Any]] = []
    lines: dict[str, list[dict[str, Any]]] = {}
    origin = solution.case.origin_ns
    for index, source in enumerate(solution.case.sources):
        view = solution.main.views[source.clock]
        if (view.answer is None and index not in solution.zone_shifts and not source.wall) or not source.size:
            continue
        if source.clock not in lines:
            lines[source.clock] = band_lines(solution, source.clock)
        theta_low, theta_high = _on_lines(
            lines[source.clock], origin, source.reading_s - solution.zone_shifts.get(index, 0.0)
        )
        low, high = solution.low[index], solution.high[index]
        shift = solution.zone_shifts.get(index, 0.0)
        line_low = source.reading_s - shift - theta_high
        line_high = source.reading_s - shift + source.resolution_s - theta_low
        with np.errstate(invalid="ignore"):
            other = ~((np.abs(line_low - low) < DIFFERS_S) & (np.abs(line_high - high) < DIFFERS_S))
            # Never narrower than what was found out: between the ends of a line the band may bulge.
            other |= (line_low > low + NARROWER_S) | (line_high < high - NARROWER_S)
        # Wall times of a declared zone, or of a wrong one: the lines of the clock are for readings in UTC.
        other |= shift != 0 or source.wall
        for row in np.flatnonzero(other)[: MAX_EVENTS - len(found)]:
            known = bool(np.isfinite(low[row]) and np.isfinite(high[row]))
            source_id, number = made.events[index][row]
            found.append(
                {
                    "source_id": source_id,
                    "row": number,
                    "earliest_ns": origin + round(float(low[row]) * 1e9) if known else None,
                    "latest_ns": origin + round(float(high[row]) * 1e9) if known else None,
                    "status": "estimated" if known else "unknown",
                    "ground": "own anchors and order in its log" if known else "no anchor",
                },
            )
    return found


def write_corrections(solution: Solution, made: StoreCase, home: Path) -> dict[str, int]:
    """Write both files beside the builds (replacing earlier corrections, which are derived). Returns their line counts.

    Raises TargetError.
    """
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    bands: list[dict[str, Any]] = []
    for name in solution.main.views:
        lines = band_lines(solution, name)
        bands += lines
        for alias, own in made.aliases.items():
            if own == name:
                bands += [{**line, "clock": alias} for line in lines]
    events = event_lines(solution, made)
    integers = ("from_ns", "to_ns", "low_from_ns", "high_from_ns", "low_to_ns", "high_to_ns")
    band_schema = pa.schema(
        [
            pa.field("clock", pa.string()),
            *(pa.field(one, pa.int64()) for one in integers),
            pa.field("status", pa.string()),
            pa.field("ground", pa.string()),
        ],
    )
    event_schema = pa.schema(
        [
            pa.field("source_id", pa.int32()),
            pa.field("row", pa.int64()),
            pa.field("earliest_ns", pa.int64()),
            pa.field("latest_ns", pa.int64()),
            pa.field("status", pa.string()),
            pa.field("ground", pa.string()),
        ],
    )
    try:
        for name, rows, schema in (
            ("corrections.parquet", bands, band_schema),
            ("corrected_events.parquet", events, event_schema),
        ):
            temporary = home / f".{name}.new"
            pq.write_table(pa.Table.from_pylist(rows, schema=schema), temporary)
            temporary.replace(home / name)
    except OSError as error:
        raise TargetError(
            f"書けません: {home}: {error.strerror}", f"cannot write to {home}: {error.strerror}"
        ) from error
    return {"bands": len(bands), "events": len(events)}
