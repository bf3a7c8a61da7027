"""Figures that pages quote stand in benchmarks/RESULTS.md: a page cannot promise more than was measured."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8").replace("**", "")
# "3.1 ×", "15 × plaso", "1,564 of 1,564", "69 of 69"
RATIO = re.compile(r"(\d+(?:\.\d+)?) ×")
COUNT = re.compile(r"(\d[\d,]*) of (\d[\d,]*)")


def rounded(quoted: str) -> bool:
    """Whether some figure of the results, rounded as the page rounds it, is `quoted`."""
    digits = len(quoted.partition(".")[2])
    found = (float(one.replace(",", "")) for one in re.findall(r"(?<![\d.])\d[\d,]*(?:\.\d+)?", RESULTS))
    # 4.58 s beside 6.74 s is quoted as 0.7 ×.
    return any(f"{value:.{digits}f}" == quoted for value in found) or quoted in ratios(digits)


def ratios(digits: int) -> set[str]:
    """Quotients of the times of neighbouring rows of one table."""
    made = set()
    for table in re.findall(r"(?:^\|.*\n)+", RESULTS, re.MULTILINE):
        values = [float(row.replace(",", "")) for row in re.findall(r"^\|[^|]*\| ([\d,.]+) \|", table, re.MULTILINE)]
        made |= {f"{a / b:.{digits}f}" for a in values for b in values if b}
    return made


def test_ratios_of_the_comparison_were_measured():
    page = (ROOT / "docs" / "comparison.md").read_text(encoding="utf-8")
    quoted = RATIO.findall(page)
    assert len(quoted) >= 6
    assert [one for one in quoted if not rounded(one)] == []


def test_counts_of_the_comparison_were_measured():
    page = (ROOT / "docs" / "comparison.md").read_text(encoding="utf-8")
    counts = COUNT.findall(page)
    assert counts
    for found, whole in counts:
        assert found in RESULTS, found
        assert whole in RESULTS, whole
