"""What a stopped scan has done so far, on disk, so that `--resume` goes on from there.

`<results>/state/` holds `plan.json` (which image, which rules: a resumed scan must be the same), `tasks.jsonl` (one
line for each task of pass 2 that ended) and the raw pass's own file. Like findings, it holds masked numbers and HMACs,
never digits. It is removed when the scan is complete.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from chain_of_custody.errors import TargetError, UsageError
from preserve.workers import Failure
from triage.extractors.model import Decision, Problem
from triage.file_pass import FoundNumber, TaskResult

if TYPE_CHECKING:
    from collections.abc import Mapping
    from io import TextIOWrapper
    from pathlib import Path

FOLDER = "state"
SYNC_EVERY = 256
"""Results between two syncs of the state file: so many tasks may have to be done again after a power cut."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What makes two runs the same scan."""

    image: str
    size: int
    layer: str
    rules: str
    tool_version: str
    ocr: str = "off"
    known: str = ""


class ScanState:
    """The state folder of one scan, open for adding."""

    def __init__(self, folder: Path, plan: Plan, *, resume: bool) -> None:
        self.folder = folder / FOLDER
        self.done: dict[int, TaskResult | Failure] = {}
        plan_file = self.folder / "plan.json"
        if resume:
            _check_plan(plan_file, plan)
            self.done = _read_tasks(self.folder / "tasks.jsonl")
            self._rewrite()
        else:
            self.folder.mkdir()
            plan_file.write_text(json.dumps(asdict(plan), ensure_ascii=False), encoding="utf-8")
        self._file: TextIOWrapper = (self.folder / "tasks.jsonl").open("a", encoding="utf-8", newline="\n")
        self._unsynced = 0

    def add(self, number: int, outcome: TaskResult | Failure) -> None:
        """Keep the outcome of task `number`."""
        self.done[number] = outcome
        self._file.write(json.dumps([number, _to_json(outcome)], ensure_ascii=False) + "\n")
        self._unsynced += 1
        if self._unsynced >= SYNC_EVERY:
            self.sync()

    def sync(self) -> None:
        """Bring everything kept so far to the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._unsynced = 0

    def close(self) -> None:
        """Sync and close; the state stays."""
        if not self._file.closed:
            self.sync()
            self._file.close()

    def remove(self) -> None:
        """The scan is complete: the state is of no use any more."""
        self._file.close()
        shutil.rmtree(self.folder)

    def _rewrite(self) -> None:
        """Drop the torn end of a killed run, so that new lines do not continue it."""
        fresh = self.folder / "tasks.new"
        with fresh.open("w", encoding="utf-8", newline="\n") as file:
            for number, outcome in self.done.items():
                file.write(json.dumps([number, _to_json(outcome)], ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.folder / "tasks.jsonl")


def _check_plan(plan_file: Path, plan: Plan) -> None:
    try:
        before = json.loads(plan_file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TargetError(
            f"再開できる走査がありません: {plan_file.parent.parent}",
            f"no scan to resume in {plan_file.parent.parent}",
            hint_ja="--resume なしで新しく走査してください",
            hint_en="scan anew, without --resume",
        ) from error
    if before != asdict(plan):
        differing = sorted(name for name, value in asdict(plan).items() if before.get(name) != value)
        raise UsageError(
            f"中断した走査と条件が違うため再開できません({', '.join(differing)}): {plan_file.parent.parent}",
            f"cannot resume {plan_file.parent.parent}: not the same scan ({', '.join(differing)})",
            hint_ja="同じイメージ・同じ規則で再開するか、--resume なしで新しく走査してください",
            hint_en="resume with the same image and rules, or scan anew without --resume",
        )


def _read_tasks(path: Path) -> dict[int, TaskResult | Failure]:
    """All whole lines; a torn last line belongs to a task that is then done again."""
    done: dict[int, TaskResult | Failure] = {}
    if not path.exists():
        return done
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                number, value = json.loads(line)
                done[number] = _from_json(value)
            except (ValueError, TypeError, KeyError):
                break
    return done


def _to_json(outcome: TaskResult | Failure) -> dict[str, Any]:
    if isinstance(outcome, Failure):
        return {"failure": [outcome.kind, outcome.detail]}
    value: dict[str, Any] = {
        "read_as": outcome.read_as,
        "labelled": [outcome.labelled_wrong, outcome.labelled_rounded],
    }
    if outcome.found:
        value["found"] = [asdict(number) for number in outcome.found]
    if outcome.carved_bytes:
        value["carved_bytes"] = outcome.carved_bytes
    if outcome.image_format:
        value["image_format"] = outcome.image_format
    if outcome.problems:
        value["problems"] = [asdict(problem) for problem in outcome.problems]
    if outcome.rejected:
        value["rejected"] = outcome.rejected
    if outcome.yara:
        value["yara"] = outcome.yara
    if outcome.known:
        value["known"] = outcome.known
    if outcome.opened:
        value["opened"] = outcome.opened
    if outcome.content_sha256:
        value["content_sha256"] = outcome.content_sha256
    if outcome.decisions:
        value["decisions"] = [asdict(decision) for decision in outcome.decisions]
    return value


_TUPLES = {field.name for field in fields(FoundNumber) if str(field.type).startswith("tuple")}


def _number(value: Mapping[str, Any]) -> FoundNumber:
    arguments: dict[str, Any] = {name: tuple(item) if name in _TUPLES else item for name, item in value.items()}
    return FoundNumber(**arguments)


def _from_json(value: Mapping[str, Any]) -> TaskResult | Failure:
    if "failure" in value:
        return Failure(*value["failure"])
    return TaskResult(
        found=tuple(_number(one) for one in value.get("found", ())),
        problems=tuple(Problem(**one) for one in value.get("problems", ())),
        rejected=tuple((reason, count) for reason, count in value.get("rejected", ())),
        labelled_wrong=value["labelled"][0],
        labelled_rounded=value["labelled"][1],
        yara=tuple(value.get("yara", ())),
        read_as=value["read_as"],
        image_format=value.get("image_format", ""),
        carved_bytes=value.get("carved_bytes", 0),
        decisions=tuple(Decision(**one) for one in value.get("decisions", ())),
        opened=tuple(value.get("opened", ())),
        content_sha256=value.get("content_sha256", ""),
        known=value.get("known", ""),
    )
