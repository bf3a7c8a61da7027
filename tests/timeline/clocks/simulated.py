"""Simulated cases and what came out of them, for the tests."""

import importlib.util
import json
import sys
from pathlib import Path

from timeline.clocks import read_case, solve
from timeline.clocks.pairs import pair_order

# By its path: the folder of the benchmarks holds modules whose names are those of packages.
_PATH = Path(__file__).resolve().parents[3] / "benchmarks" / "clock_cases.py"
_SPEC = importlib.util.spec_from_file_location("clock_cases", _PATH)
clock_cases = importlib.util.module_from_spec(_SPEC)
sys.modules["clock_cases"] = clock_cases
_SPEC.loader.exec_module(clock_cases)


def solved(folder, kind, seed=1, family="tune"):
    """(truth, case, solution, intervals by record, widths of the known ones)."""
    truth = clock_cases.write_case(folder, kind, seed, family)
    case = read_case(folder)
    return truth, case, solve(case)


def judged(truth, case, solution):
    """(share covered, median width, share unknown, orders claimed, false orders)."""
    hits, widths, unknown = [], [], 0
    for one in solution.records():
        if one.earliest_ns is None:
            unknown += 1
            continue
        true = truth.times[case.sources[one.source].file, str(one.record)] * 1e9
        hits.append(one.earliest_ns - 1000 <= true <= one.latest_ns + 1000)
        widths.append((one.latest_ns - one.earliest_ns) / 1e9)
    orders = {pair.id: pair_order(solution, pair).order for pair in case.pairs}
    claimed = {name: order for name, order in orders.items() if order != "undeterminable"}
    false = [name for name, order in claimed.items() if truth.pairs[name] != order]
    widths.sort()
    return (
        sum(hits) / len(hits) if hits else None,
        widths[len(widths) // 2] if widths else None,
        unknown / max(unknown + len(hits), 1),
        len(claimed),
        len(false),
    )


def documents(path):
    """JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
