"""The result files of one scan, read again: `findings.jsonl`, `coverage.jsonl`, `summary.json`.

```python
results = open_results(Path("x.case/scans/1-disk.E01"))
for finding in results.findings():      # one dict a line, in the order of the file
    print(finding["id"], finding["masked"])
```
Lines are read one at a time, so the size of a result does not matter. A line that cannot be read is an error that
names file and line: a report that left it out would claim too little.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chain_of_custody.errors import EvidenceError, UsageError
from triage.scope import hidden_note, holds_line, of_results
from triage.sealed_results import exists, open_result

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from triage.scope import Scope

FORMAT_VERSION = 1
CONFIDENCES = ("high", "medium", "low")
STATES = ("allocated", "deleted", "unallocated", "slack", "metadata", "outside")
COVERAGE_REASONS = ("encrypted", "damaged", "unsupported", "limit")
KINDS = ("my_number", "yara")

PICTURE_WORDS: Mapping[str, tuple[str, str]] = {
    "read": ("画像の文字を読んだ", "the text of the picture was read"),
    "read_in_part": ("画像の文字を途中まで読んだ", "the text of the picture was read in part"),
    "no_text": ("画像に文字は見当たらない", "no text was seen in the picture"),
    "too_small": ("番号を読むには小さい画像のため読んでいない", "not read: too small to hold a legible number"),
    "off": ("画像の文字は読んでいない(--ocr off)", "not read: --ocr off"),
    "not_installed": (
        "画像の文字は読んでいない(文字認識が未導入: hozen[ocr])",
        "not read: the extra hozen[ocr] is not installed",
    ),
    "no_time": ("時間の上限のため画像を読み終えていない", "not read to the end: out of time"),
}
"""What was decided about a picture: Japanese and English."""

_MAX_LINE_BYTES = 16 << 20

Json = Any
"""What `json.loads` gives: the shapes are checked where the values are used."""


class ResultFormatError(EvidenceError):
    """A result file of a scan is damaged, cut off, or from a newer version of the tool."""


@dataclass(frozen=True, slots=True)
class ScanResults:
    """One scan's folder. `summary` is {} where the file is missing; `scope` is that of its case now."""

    folder: Path
    summary: Mapping[str, Json]
    scope: Scope | None = None

    def findings(self) -> Iterator[dict[str, Json]]:
        """Each finding inside the scope, checked for version, kind and confidence.

        Raises ResultFormatError with the line's number.
        """
        yield from (line for line in self.all_findings() if self.scope is None or holds_line(self.scope, line))

    def all_findings(self) -> Iterator[dict[str, Json]]:
        """The same without regard to the scope: for counting and for disposing of what lies outside."""
        for number, line in _lines(self.folder / "findings.jsonl"):
            where = f"findings.jsonl:{number}"
            if line.get("kind") not in KINDS:
                raise _damaged(self.folder, where, "kind")
            if line["kind"] == "my_number" and line.get("confidence") not in CONFIDENCES:
                raise _damaged(self.folder, where, "confidence")
            yield line

    def coverage(self) -> Iterator[dict[str, Json]]:
        """Each line about something that was not (fully) read; nothing where the file is missing."""
        yield from (line for line in self._coverage_lines() if line.get("kind") != "picture")

    def pictures(self) -> Iterator[dict[str, Json]]:
        """Each line about a picture: `reason` says whether its text was read, and if not, why."""
        yield from (line for line in self._coverage_lines() if line.get("kind") == "picture")

    def _coverage_lines(self) -> Iterator[dict[str, Json]]:
        if exists(self.folder / "coverage.jsonl"):
            for _, line in _lines(self.folder / "coverage.jsonl"):
                yield line


def open_results(folder: Path) -> ScanResults:
    """The results in `folder`, made by `triage scan`.

    Raises UsageError where there is no `findings.jsonl`, ResultFormatError where `summary.json` cannot be read.
    """
    if not exists(folder / "findings.jsonl"):
        raise UsageError(
            f"{folder}: 走査結果のフォルダーではありません(findings.jsonl がない)",
            f"{folder}: not a folder of scan results (no findings.jsonl)",
            hint_ja="<事案フォルダー>/scans/<番号>-<イメージ名> を指定してください",
            hint_en="give <case>/scans/<n>-<image>",
        )
    try:
        with open_result(folder / "summary.json") as file:
            summary = json.loads(file.read(_MAX_LINE_BYTES))
    except FileNotFoundError:
        summary = {}
    except (ValueError, RecursionError):
        raise _damaged(folder, "summary.json", "JSON") from None
    if not isinstance(summary, dict):
        raise _damaged(folder, "summary.json", "JSON")
    _check_version(folder, "summary.json", summary.get("v", FORMAT_VERSION))
    scope = of_results(folder)
    if scope is None:
        return ScanResults(folder, summary)
    results = ScanResults(folder, summary, scope)
    outside = sum(not holds_line(scope, line) for line in results.all_findings())
    if outside:
        said = {"entry": scope.seq, "outside": outside}
        summary = summary | {"notes": [*list_of(summary.get("notes")), hidden_note(said)], "hidden": said}
    return ScanResults(folder, summary, scope)


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Json]]]:
    """Number (from 1) and content of each line of a JSON Lines file; empty lines are passed over."""
    with open_result(path) as file:
        number = 0
        while line := file.readline(_MAX_LINE_BYTES):
            number += 1
            if not line.strip():
                continue
            where = f"{path.name}:{number}"
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                # The text of the decoder's message may quote the line, so it is left out.
                raise _damaged(path.parent, where, "JSON") from None
            if not isinstance(value, dict):
                raise _damaged(path.parent, where, "JSON")
            _check_version(path.parent, where, value.get("v", FORMAT_VERSION))
            yield number, value


def _check_version(folder: Path, where: str, version: Json) -> None:
    if version != FORMAT_VERSION:
        raise ResultFormatError(
            f"{folder}: {where}: 形式の版 {str(version)[:20]!r} は読めません(対応: {FORMAT_VERSION})",
            f"{folder}: {where}: format version {str(version)[:20]!r} cannot be read (known: {FORMAT_VERSION})",
            hint_ja="この結果を作った版以降の hozen で開いてください",
            hint_en="open it with the version of hozen that made it, or a newer one",
        )


def _damaged(folder: Path, where: str, what: str) -> ResultFormatError:
    return ResultFormatError(
        f"{folder}: {where}: 読めません({what})",
        f"{folder}: {where}: cannot be read ({what})",
        hint_ja="止まった走査なら triage scan --resume で完了させ、でなければ台帳のハッシュと照合してください",
        hint_en="finish a stopped scan with triage scan --resume; otherwise compare it with its hash in the ledger",
    )


def text_of(value: Json) -> str:
    """`value` as text: "" for None, the string itself, anything else as compact JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def int_of(value: Json) -> int | None:
    """`value` if it is a whole number of 0 or more (bytes, counts), or its decimal string; None otherwise."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value) if len(value) < 25 else None
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    return None


def map_of(value: Json) -> Mapping[str, Json]:
    """`value` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def list_of(value: Json) -> list[Json]:
    """`value` if it is an array, else an empty one."""
    return value if isinstance(value, list) else []
