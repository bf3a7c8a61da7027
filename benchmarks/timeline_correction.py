"""What correction costs when it is asked for: the same question over N events with and without corrected times.

python -m benchmarks.timeline_correction --events 10000000 --folder /tmp/view

The store is the one of `timeline_view.py` (a folder that exists is used as it is), with bands of 400 stretches for its
clock. Prints one table line per question: median seconds of five as recorded and corrected, in turn, and the ratio.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.timeline_view import END_NS, SECOND, make_store
from timeline.filters import Filter
from timeline.questions import corrected_events, events
from timeline.store import CORRECTIONS, open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

STRETCHES = 400
YEARS_NS = 4 * 365 * 86_400 * SECOND


def write_bands(folder: Path) -> None:
    """Bands of a clock that drifts up to eleven minutes off and is known to a second or so."""
    generator = np.random.default_rng(7)
    edges = np.linspace(END_NS - YEARS_NS, END_NS + SECOND, STRETCHES + 1).astype(np.int64)
    offsets = np.cumsum(generator.normal(0, 20 * SECOND, STRETCHES + 1)).astype(np.int64)
    half = generator.integers(SECOND // 2, 2 * SECOND, STRETCHES + 1)
    columns: Mapping[str, Sequence[object] | np.ndarray] = {
        "clock": ["host"] * STRETCHES,
        "from_ns": edges[:-1],
        "to_ns": edges[1:],
        "low_from_ns": (offsets - half)[:-1],
        "high_from_ns": (offsets + half)[:-1],
        "low_to_ns": (offsets - half)[1:],
        "high_to_ns": (offsets + half)[1:],
        "status": ["estimated"] * STRETCHES,
        "ground": ["12 anchors"] * STRETCHES,
    }
    pq.write_table(pa.table({name: pa.array(one) for name, one in columns.items()}), folder / CORRECTIONS)


@dataclass(frozen=True, slots=True)
class Question:
    """The same question twice; each answers with the number of rows it read."""

    words: str
    recorded: Callable[[], int]
    corrected: Callable[[], int]


def questions_of(folder: Path) -> list[tuple[str, float, float]]:
    """(question, median seconds as recorded, median seconds corrected)."""
    with open_store(None, folder=folder) as store:

        def sql(text: str) -> int:
            return len(list(store.rows(text)))

        def plain(wanted: Filter, limit: int) -> Callable[[], int]:
            return lambda: len(list(events(store, wanted, limit=limit)))

        def corrected(wanted: Filter, limit: int, *, by: bool) -> Callable[[], int]:
            return lambda: len(list(corrected_events(store, wanted, limit=limit, by_corrected=by)))

        everything, some = Filter(), Filter(words="報告書_12345")
        month = Filter(first_ns=END_NS - 60 * 86_400 * SECOND, last_ns=END_NS - 30 * 86_400 * SECOND)
        day = "SELECT {time} // 86400000000000 AS day, count(*) FROM {view} GROUP BY day ORDER BY day"
        asked = [
            Question("first 100 events", plain(everything, 100), corrected(everything, 100, by=False)),
            Question(
                "first 100 events, in corrected order", plain(everything, 100), corrected(everything, 100, by=True)
            ),
            Question("100 events of a month, in corrected order", plain(month, 100), corrected(month, 100, by=True)),
            Question("100 events with a word, in corrected order", plain(some, 100), corrected(some, 100, by=True)),
            Question(
                "SQL: events of each day, all events",
                lambda: sql(day.format(time="time_ns", view="events")),
                lambda: sql(day.format(time="earliest_ns", view="events_corrected")),
            ),
        ]
        return [(one.words, *_medians(one)) for one in asked]


def _medians(question: Question) -> tuple[float, float]:
    spent: tuple[list[float], list[float]] = ([], [])
    for _ in range(5):
        for job, found in zip((question.recorded, question.corrected), spent, strict=True):
            start = time.perf_counter()
            assert job() > 0
            found.append(time.perf_counter() - start)
    return statistics.median(spent[0]), statistics.median(spent[1])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, required=True)
    arguments = parser.parse_args()
    if not arguments.folder.exists():
        make_store(arguments.folder, arguments.events)
    write_bands(arguments.folder)
    print("| question | as recorded s | corrected s | ratio |\n|---|--:|--:|--:|")
    for words, recorded, with_correction in questions_of(arguments.folder):
        print(f"| {words} | {recorded:.2f} | {with_correction:.2f} | {with_correction / recorded:.2f} |")
