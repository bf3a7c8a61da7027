"""How fast the viewer answers: a store of N made-up events, then each request of the page, timed.

python -m benchmarks.timeline_view --events 10000000 --folder /tmp/view

Prints one table line per request: median and slowest of seven. The store has the shape of a real one: a few very large
sources, many small ones, kinds of unequal size, times over three years with most of them in the last months, repeated
and unique paths, and data of about 100 bytes. A folder that exists is used as it is.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from timeline.event import schema
from timeline.rows import Rows
from timeline.store import FORMAT, open_store
from timeline.view_index import build_index, forget
from timeline.viewer import Viewer

if TYPE_CHECKING:
    from collections.abc import Sequence

SECOND = 1_000_000_000
END_NS = 1_795_478_400 * SECOND  # 2026-11-24
KINDS = (
    ("file.created", "file.modified", "file.changed", "file.accessed"),
    ("evtx.logon", "evtx.logoff", "evtx.service_installed", "evtx.boot"),
    ("op.file_open", "op.file_copy", "op.file_write", "op.print"),
    ("usb.connect", "usb.disconnect", "auth.logon", "log.message"),
    ("web.request", "mail.date", "shell.command", "package.install"),
)
SOURCES = 60


def _batch(generator: np.random.Generator, count: int, kinds: Sequence[str], number: int) -> pa.RecordBatch:
    age = generator.exponential(90 * 86_400, count).astype(np.int64) % (3 * 365 * 86_400)
    times = END_NS - age * SECOND - generator.integers(0, SECOND, count)
    folder = generator.integers(0, 2000, count)
    file = generator.integers(0, 400_000, count)
    pairs = list(zip(folder.tolist(), file.tolist(), strict=True))
    columns: dict[str, Any] = {
        "time_ns": times,
        "time_text": [str(one) for one in times],
        "precision_ns": np.full(count, 100),
        "zone": ["UTC"] * count,
        "zone_basis": ["format"] * count,
        "kind": np.array(kinds)[generator.integers(0, len(kinds), count)],
        "desc": ["time"] * count,
        "record": [str(one) for one in range(count)],
        "sequence": np.arange(count),
        "actor": [f"user{a % 7}" for a in folder],
        "host": ["PC-01" if number % 3 else "SRV-01"] * count,
        "path": [f"/Users/user{a % 7}/Documents/部署{a}/報告書_{b}.xlsx" for a, b in pairs],
        "bytes": file.astype(np.int64),
        "data": [f'{{"program":"app{b % 50}","message":"record {b} of source {number}"}}' for _, b in pairs],
        "clock": [""] * count,
        "state": ["deleted" if a % 20 == 0 else "" for a in folder],
    }
    return pa.record_batch([pa.array(columns[field.name], field.type) for field in schema()], schema=schema())


def make_store(folder: Path, events: int) -> None:
    """A build of `events` events in `folder`, as `timeline build --out` writes one."""
    (folder / "events").mkdir(parents=True)
    generator = np.random.default_rng(6)
    shares = [0.4, 0.2, 0.15, *([0.25 / (SOURCES - 3)] * (SOURCES - 3))]
    parts, sources = [], []
    for number, share in enumerate(shares, 1):
        rows = Rows(folder / "events" / f"{number:06d}.parquet")
        rows.begin(number)
        total = left = max(1, int(events * share))
        while left:
            count = min(left, 250_000)
            rows.add_batch(_batch(generator, count, KINDS[(number - 1) % len(KINDS)], number))
            left -= count
        closed = rows.close()
        assert closed is not None
        parts.append({"name": f"events/{number:06d}.parquet", "sha256": closed[0], "size": closed[1]})
        source = {"source_id": number, "source": f"log{number}", "input": "made up", "parser": "made"}
        source |= {"layer": f"file:log{number}", "path": f"log{number}", "size": 1, "state": "live", "sha256": ""}
        source |= {
            "rows": total,
            "rows_with_time": total,
            "host": "",
            "clock": "host",
            "zone": None,
            "zone_basis": "none",
        }
        sources.append(source)
    pq.write_table(pa.Table.from_pylist(sources), folder / "sources.parquet")
    empty = {name: pa.array([], pa.string()) for name in ("source", "layer", "path", "state", "parsers")}
    pq.write_table(pa.table({**empty, "size": pa.array([], pa.int64())}), folder / "files.parquet")
    (folder / "coverage.jsonl").write_text("", encoding="utf-8")
    manifest: dict[str, Any] = {"v": FORMAT, "started": "", "events": events, "inputs": [], "parts": parts}
    manifest["last_source_id"] = SOURCES
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def _timed(viewer: Viewer, words: str, name: str, asked: dict[str, str]) -> tuple[str, float, float]:
    spent = []
    for _ in range(7):
        start = time.perf_counter()
        viewer.answer(name, asked)
        spent.append(time.perf_counter() - start)
    return words, statistics.median(spent), max(spent)


def measure(folder: Path) -> list[tuple[str, float, float]]:
    """(what, median seconds, slowest seconds) of each request."""
    found = []
    with open_store(None, folder=folder) as store:
        forget(store)
        for words in ("first start: the sorted file is made", "later starts"):
            start = time.perf_counter()
            index = build_index(store)
            spent = time.perf_counter() - start
            found.append((words, spent, spent))
        with Viewer(store, "benchmark", index=index) as viewer:
            meta = viewer.answer("meta", {})
            first, last = int(meta["first"]), int(meta["last"])
            month = {"from": str(last - 30 * 86_400 * SECOND), "to": str(last)}
            minute = {"from": str(last - 900 * SECOND), "to": str(last - 840 * SECOND)}
            rare = {"kind": '["usb.connect"]', "source": '["file:log9"]'}
            asks: list[tuple[str, str, dict[str, str]]] = [
                ("whole span, 300 bins", "view", {}),
                ("zoom to a month", "view", month),
                ("zoom to a minute", "view", minute),
                ("filter by two kinds", "view", {"kind": '["usb.connect","evtx.logon"]'}),
                ("filter by kind, source and state", "view", {**rare, "state": '["live"]'}),
                ("first 100 rows", "rows", {"n": "100"}),
                ("100 rows in the middle", "rows", {"n": "100", "at": str(len(index) // 2)}),
                ("100 rows of a rare kind", "rows", {**rare, "n": "100", "at": "300"}),
                ("where a moment stands", "place", {"ns": str((first + last) // 2)}),
            ]
            found += [_timed(viewer, words, name, asked) for words, name, asked in asks]
            asked = {"q": "報告書_12345"}
            start = time.perf_counter()
            while not (got := viewer.answer("view", asked))["total"] and got["searched"] < 1:
                time.sleep(0.01)
            shown = time.perf_counter() - start
            while viewer.answer("view", asked)["searched"] < 1:
                time.sleep(0.02)
            whole = time.perf_counter() - start
            found += [("search: first events shown", shown, shown), ("search: the whole store", whole, whole)]
            found.append(_timed(viewer, "zoom within a finished search", "view", {**asked, **month}))
            found.append(_timed(viewer, "100 rows of a finished search", "rows", {**asked, "n": "100"}))
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, required=True)
    arguments = parser.parse_args()
    if not arguments.folder.exists():
        make_store(arguments.folder, arguments.events)
    print("| request | median s | slowest s |\n|---|---|---|")
    for words, median, slowest in measure(arguments.folder):
        print(f"| {words} | {median:.3f} | {slowest:.3f} |")
