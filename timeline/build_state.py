"""What a stopped build has done so far, so that `--resume` goes on from there after a crash or kill.

`<build>/state/` holds `plan.json` (sources and settings: a resumed build must be the same) and `tasks.jsonl`, one line
for each task that ended; its rows are a part file by then. The folder is removed when the build is complete.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from chain_of_custody.errors import TargetError, UsageError
from preserve.workers import Failure
from timeline.event import Problem
from timeline.reading import JobResult, ReadResult

if TYPE_CHECKING:
    from collections.abc import Mapping
    from io import TextIOWrapper
    from pathlib import Path

FOLDER = "state"


class BuildState:
    """The state folder of one build, open for adding."""

    def __init__(self, folder: Path, plan: Mapping[str, Any], *, resume: bool) -> None:
        self.folder = folder / FOLDER
        self.done: dict[str, ReadResult | Failure] = {}
        self._lock = threading.Lock()
        plan_file = self.folder / "plan.json"
        if resume:
            _check_plan(plan_file, plan)
            self.done = _read_tasks(self.folder / "tasks.jsonl")
        else:
            self.folder.mkdir(parents=True)
            plan_file.write_text(json.dumps(plan, ensure_ascii=False), encoding="utf-8")
        fresh = self.folder / "tasks.new"
        # Written anew, so that a torn last line of a killed run is not continued.
        self._file: TextIOWrapper = fresh.open("w", encoding="utf-8", newline="\n")
        for key, outcome in self.done.items():
            self._line(key, outcome)
        self._sync()
        fresh.replace(self.folder / "tasks.jsonl")

    def add(self, key: str, outcome: ReadResult | Failure) -> None:
        """Keep the outcome of a task; its part file is on the disk already. Any thread may call it."""
        with self._lock:
            self.done[key] = outcome
            self._line(key, outcome)
            self._sync()

    def _line(self, key: str, outcome: ReadResult | Failure) -> None:
        self._file.write(json.dumps([key, _to_json(outcome)], ensure_ascii=False) + "\n")

    def _sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """The state stays."""
        self._file.close()

    def remove(self) -> None:
        """The build is complete."""
        self._file.close()
        shutil.rmtree(self.folder)


def _check_plan(plan_file: Path, plan: Mapping[str, Any]) -> None:
    try:
        before = json.loads(plan_file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TargetError(
            f"再開できる時系列の作成がありません: {plan_file.parent.parent}",
            f"no build to resume in {plan_file.parent.parent}",
            hint_ja="--resume なしで新しく作成してください",
            hint_en="build anew, without --resume",
        ) from error
    now = json.loads(json.dumps(plan))
    if before != now:
        differing = ", ".join(sorted(name for name in now if before.get(name) != now[name]))
        raise UsageError(
            f"中断した作成と条件が違うため再開できません({differing})",
            f"cannot resume: not the same build ({differing})",
            hint_ja="同じ資料・同じ指定で再開するか、--resume なしで新しく作成してください",
            hint_en="resume with the same sources and options, or build anew without --resume",
        )


def _read_tasks(path: Path) -> dict[str, ReadResult | Failure]:
    """All whole lines; a task with a torn line is done again."""
    done: dict[str, ReadResult | Failure] = {}
    if not path.exists():
        return done
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                key, value = json.loads(line)
                done[key] = _from_json(value)
            except (ValueError, TypeError, KeyError):
                break
    return done


def _to_json(outcome: ReadResult | Failure) -> dict[str, Any]:
    return {"failure": [outcome.kind, outcome.detail]} if isinstance(outcome, Failure) else asdict(outcome)


def _from_json(value: Mapping[str, Any]) -> ReadResult | Failure:
    if "failure" in value:
        return Failure(*value["failure"])
    jobs = tuple(
        JobResult(**one | {"problems": tuple(Problem(**problem) for problem in one["problems"])})
        for one in value["jobs"]
    )
    return ReadResult(jobs, tuple(value["part"]) if value["part"] is not None else None)
