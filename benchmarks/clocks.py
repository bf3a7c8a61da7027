"""Clocks: coverage and width by class beside two baselines, false orders, verdicts, and speed.

    python benchmarks/clocks.py accuracy --seeds 20 --family judge
    python benchmarks/clocks.py speed

Baselines: the raw clock (its own reading is the truth, ±0.5 s) and a constant median offset (the median difference of
all anchors with both bounds; the interval is the middle 95 % of the differences).
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

# The folder of this file comes last: a benchmark may be named like a package.
sys.path[:] = [one for one in sys.path if Path(one or ".").resolve() != Path(__file__).resolve().parent]
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.append(str(Path(__file__).resolve().parent))

import clock_cases  # noqa: E402 - after the path is set
import numpy as np  # noqa: E402 - after the path is set

from timeline.clocks import read_case, solve  # noqa: E402 - after the path is set
from timeline.clocks.pairs import pair_order  # noqa: E402 - after the path is set
from timeline.clocks.verdicts import judge_all  # noqa: E402 - after the path is set


@dataclass
class Score:
    """What happened over the cases of one class."""

    covered: list[bool] = field(default_factory=list)
    widths: list[float] = field(default_factory=list)
    unknown: int = 0
    records: int = 0
    raw: list[bool] = field(default_factory=list)
    median: list[bool] = field(default_factory=list)
    median_widths: list[float] = field(default_factory=list)
    claims: int = 0
    false: int = 0
    pairs: int = 0
    right: int = 0
    verdicts: int = 0
    seconds: float = 0.0
    worst: float = 1.0


def constant_offset(case) -> tuple[float, float] | None:  # noqa: ANN001
    """The middle 95 % of the differences between computer and servers."""
    found = [
        float(source.reading_s[reply.row]) - reply.date_s - 0.5
        for source in case.sources
        for reply in source.replies
        if not reply.age
    ]
    found += [one.shown_s - one.reference_s for one in case.readings]
    if not found:
        return None
    return float(np.quantile(found, 0.025)) - 0.5, float(np.quantile(found, 0.975)) + 0.5


def run(kind: str, seeds: int, family: str) -> Score:
    score = Score()
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "case"
            truth = clock_cases.write_case(folder, kind, seed, family)
            before = time.perf_counter()
            case = read_case(folder)
            solution = solve(case)
            score.seconds += time.perf_counter() - before
            offset = constant_offset(case)
            hits: list[bool] = []
            for one in solution.records():
                source = case.sources[one.source]
                true = truth.times[source.file, str(one.record)] - case.origin_ns / 1e9
                reading = float(source.reading_s[one.row])
                resolution = float(source.resolution_s[one.row])
                score.records += 1
                right = case.clocks[source.clock].declared == "synchronised"
                score.raw.append(reading - 0.5 <= true <= reading + resolution + 0.5)
                if offset is not None and not right:
                    low, high = reading - offset[1], reading + resolution - offset[0]
                    score.median.append(low <= true <= high)
                    score.median_widths.append(high - low)
                if one.earliest_ns is None or one.latest_ns is None:
                    score.unknown += 1
                    continue
                low, high = ((at - case.origin_ns) / 1e9 for at in (one.earliest_ns, one.latest_ns))
                hits.append(low - 1e-6 <= true <= high + 1e-6)
                score.widths.append(high - low)
            score.covered += hits
            score.worst = min(score.worst, sum(hits) / len(hits) if hits else 1.0)
            for pair in case.pairs:
                order = pair_order(solution, pair).order
                score.pairs += 1
                if order != "undeterminable":
                    score.claims += 1
                    score.false += order != truth.pairs[pair.id]
            for answer in judge_all(solution):
                score.verdicts += 1
                score.right += answer.verdict == truth.verdicts[answer.id]
    return score


def accuracy(seeds: int, family: str, kinds: list[str]) -> None:
    print(
        "| class | covered % (worst case) | median width s | unknown % | raw clock % | constant offset % (width s) "
        "| orders claimed / false | s per case |"
    )
    print("|---|---|---|---|---|---|---|---|")
    false = claims = right = verdicts = 0
    for kind in kinds:
        one = run(kind, seeds, family)
        false, claims = false + one.false, claims + one.claims
        right, verdicts = right + one.right, verdicts + one.verdicts
        covered = f"{100 * np.mean(one.covered):.2f} ({100 * one.worst:.1f})" if one.covered else "- (all unknown)"
        width = f"{statistics.median(one.widths):.2f}" if one.widths else "-"
        median = f"{100 * np.mean(one.median):.0f} ({statistics.median(one.median_widths):.0f})" if one.median else "-"
        print(
            f"| {kind} | {covered} | {width} | {100 * one.unknown / one.records:.1f} | {100 * np.mean(one.raw):.0f} | "
            f"{median} | {one.claims} of {one.pairs} / {one.false} | {one.seconds / seeds:.2f} |",
            flush=True,
        )
    print(
        f"\norders claimed: {claims}, false: {false}; verdicts right: {right} of {verdicts} "
        f"({family}, {seeds} cases a class)"
    )


def speed() -> None:
    """5 clocks with 10,000 anchors together; one clock with 1,000 anchors and a million lines."""
    for label, clocks, exchanges, lines in (
        ("5 clocks, 10,000 anchors", 5, 2000, 2000),
        ("1 clock, 1,000 anchors, 1,000,000 lines", 1, 1000, 1_000_000),
    ):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "case"
            _speed_case(folder, clocks, exchanges, lines)
            start = time.perf_counter()
            case = read_case(folder)
            read = time.perf_counter()
            solve(case)
            print(f"{label}: reading {read - start:.2f} s, solving {time.perf_counter() - read:.2f} s", flush=True)


def _speed_case(folder: Path, clocks: int, exchanges: int, lines: int) -> None:
    folder.mkdir()
    start = clock_cases.START
    end = start + 40 * clock_cases.DAY
    writer = clock_cases.Writer(folder, random.Random(1), start, end, clock_cases.Truth("speed"))
    writer.clocks = {"web": "synchronised"}
    writer.hosts = {"www.example.jp": "web"}
    for number in range(clocks):
        name = f"pc{number}"
        writer.clocks[name] = "unknown"
        model = clock_cases.Model(start, base=40.0 * number, ppm=7.0 * number - 10)
        model.steps = [(start + 15 * clock_cases.DAY, -3600.0, False, "")]
        writer.models[name] = model
        writer.http(f"http{number}.jsonl", name, exchanges, ["www.example.jp"], lies=0.03)
        writer.ccas(f"ccas{number}.csv", name, "+09:00", lines)
    writer.finish()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["accuracy", "speed"])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--family", choices=["tune", "judge"], default="judge")
    parser.add_argument("--kind", action="append")
    arguments = parser.parse_args()
    if arguments.what == "speed":
        speed()
    else:
        accuracy(arguments.seeds, arguments.family, arguments.kind or list(clock_cases.KINDS))


if __name__ == "__main__":
    main()
