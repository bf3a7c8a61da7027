"""The answer of a clock case as JSON lines (records, pairs, incidents)."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from chain_of_custody.errors import TargetError
from timeline.clocks.pairs import pair_order
from timeline.clocks.verdicts import judge_all

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from timeline.clocks.solution import Solution

FIRST_NS, LAST_NS = -62_135_596_800 * 10**9, 253_402_300_799 * 10**9
"""The years 1 to 9999, which ISO 8601 texts can say."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def iso_ns(time_ns: int) -> str:
    """ISO 8601 in UTC with nine decimals; `< 0001` and `> 9999` for times that have no such form."""
    if not FIRST_NS <= time_ns <= LAST_NS:
        return "< 0001" if time_ns < 0 else "> 9999"
    moment = _EPOCH + timedelta(seconds=time_ns // 1_000_000_000)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ns % 1_000_000_000:09d}Z"


def result_lines(solution: Solution) -> Iterator[dict[str, Any]]:
    """Every line of the result: records, then pairs, then incidents."""
    for one in solution.records():
        bounds = one.earliest_ns, one.latest_ns, one.best_ns
        if not all(value is None or FIRST_NS <= value <= LAST_NS for value in bounds):
            bounds = None, None, None
        earliest, latest, best = (None if value is None else iso_ns(value) for value in bounds)
        yield {
            "source": solution.case.sources[one.source].file,
            "record": one.record,
            "earliest": earliest,
            "latest": latest,
            "best": best,
            "status": one.status if earliest is not None else "unknown",
        }
    for pair in solution.case.pairs:
        yield {"pair": pair.id, "order": pair_order(solution, pair).order}
    for answer in judge_all(solution):
        yield {
            "incident": answer.id,
            "verdict": answer.verdict,
            "reasons": answer.reasons,
            "rule": answer.rule,
            "records": {ground.reason: list(ground.records) for ground in answer.grounds},
        }


def write_result(solution: Solution, path: Path) -> int:
    """Write the result; an existing file is never overwritten. Returns the number of lines. Raises TargetError."""
    count = 0
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            for line in result_lines(solution):
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
                count += 1
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError as error:
        raise TargetError(f"既にあります: {path}", f"exists already: {path}") from error
    except OSError as error:
        raise TargetError(f"書けません: {path}: {error.strerror}", f"cannot write {path}: {error.strerror}") from error
    return count
