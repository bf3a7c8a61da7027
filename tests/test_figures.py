"""Figures that pages quote stand in benchmarks/RESULTS.md: a page cannot promise more than was measured."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
# "3.1 ×", "15 × plaso", "1,564 of 1,564", "69 of 69"
RATIO = re.compile(r"(\d+(?:\.\d+)?) ×")
COUNT = re.compile(r"(\d[\d,]*) of (\d[\d,]*)")


def ratios(digits: int) -> set[str]:
    """What may be quoted: figures in bold, which are ratios, and quotients of neighbouring rows of a table of seconds."""
    made = {f"{float(one):.{digits}f}" for one in re.findall(r"\*\*(\d+(?:\.\d+)?)\*\*", RESULTS)}
    for table in re.findall(r"^\| job \| seconds .*\n(?:\|.*\n)+", RESULTS, re.MULTILINE):
        rows = re.findall(r"^\|[^|]*\| ([\d.]+) \|", table, re.MULTILINE)
        values = [float(one) for one in rows]
        made |= {f"{a / b:.{digits}f}" for a, b in pairwise(values)}
    return made


def test_ratios_of_the_comparison_were_measured():
    page = (ROOT / "docs" / "comparison.md").read_text(encoding="utf-8")
    quoted = RATIO.findall(page)
    assert len(quoted) >= 6
    assert [one for one in quoted if one not in ratios(len(one.partition(".")[2]))] == []


def test_counts_of_the_comparison_were_measured():
    page = (ROOT / "docs" / "comparison.md").read_text(encoding="utf-8")
    counts = COUNT.findall(page)
    assert counts
    for found, whole in counts:
        assert found in RESULTS, found
        assert whole in RESULTS, whole
