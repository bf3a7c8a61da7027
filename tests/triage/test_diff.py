from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from chain_of_custody.errors import TargetError, UsageError
from tests.triage.make_results import make_results
from triage.diff import compare, write_diff

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Line = dict[str, Any]


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    return make_results(tmp_path / "a", findings=50, yara=4, coverage=6, hostile=True)


def edited(scan: Path, edit: Callable[[list[Line]], None], name: str = "findings.jsonl") -> Path:
    other = scan.with_name("b")
    if not other.exists():
        shutil.copytree(scan, other)
    lines = [json.loads(line) for line in (other / name).read_text(encoding="utf-8").splitlines()]
    edit(lines)
    (other / name).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return other


def with_summary(folder: Path, **values: Any) -> None:
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8")) | values
    (folder / "summary.json").write_text(json.dumps(summary), encoding="utf-8")


def test_a_scan_equals_itself_whatever_the_image_is_called(scan: Path) -> None:
    def rename(lines: list[Line]) -> None:
        for number, line in enumerate(lines):
            line["layers"] = line["layers"].replace("e01:disk.E01", "raw:copy.dd")
            line["id"] = f"F{900 - number:06d}"

    diff = compare(scan, edited(scan, rename))
    assert diff.equal
    assert (diff.same, diff.added, diff.removed, diff.changed) == (54, [], [], [])
    assert diff.persons is not None
    assert diff.persons[0] == diff.persons[2] == 0 < diff.persons[1]


def test_added_removed_and_changed(scan: Path) -> None:
    gone: list[Line] = []

    def edit(lines: list[Line]) -> None:
        gone.append(lines.pop(10))
        lines.append(dict(lines[0], path="/new.txt", layers="e01:disk.E01|gpt:2|ntfs:/new.txt", id="F000099"))
        lines[3] |= {"state": "deleted" if lines[3]["state"] != "deleted" else "allocated", "confidence": "low"}

    diff = compare(scan, edited(scan, edit))
    assert [place.path for place in diff.added] == ["/new.txt"]
    assert [place.id for place in diff.removed] == [gone[0]["id"]]
    assert [(item.before.id, item.fields[-1]) for item in diff.changed] == [("F000004", "state")]
    assert diff.same == 52
    assert not diff.equal


def test_the_same_number_twice_at_one_place_counts_twice(scan: Path) -> None:
    def edit(lines: list[Line]) -> None:
        lines.append(dict(lines[5]))

    assert len(compare(scan, edited(scan, edit)).added) == 1


def test_another_number_at_the_same_place_is_another_finding(scan: Path) -> None:
    def edit(lines: list[Line]) -> None:
        lines[5] |= {"hmac": "ab" * 32}

    diff = compare(scan, edited(scan, edit))
    assert (len(diff.added), len(diff.removed)) == (1, 1)
    assert diff.persons is not None
    assert diff.persons[2] == 1


@pytest.mark.parametrize("fingerprint", ["other", ""])
def test_across_cases_hmacs_are_not_compared(scan: Path, fingerprint: str) -> None:
    def edit(lines: list[Line]) -> None:
        for line in lines:
            if "hmac" in line:
                line["hmac"] = line["hmac"][::-1]

    other = edited(scan, edit)
    with_summary(other, case={"fingerprint": fingerprint})
    with_summary(scan, case={"fingerprint": fingerprint[:0] or ("x" if fingerprint else "")})
    diff = compare(scan, other)
    assert not diff.one_case
    assert diff.persons is None
    assert diff.equal


def test_coverage_is_compared_by_reason(scan: Path) -> None:
    def edit(lines: list[Line]) -> None:
        for line in lines:
            line["reason"] = "limit"

    diff = compare(scan, edited(scan, edit, "coverage.jsonl"))
    assert diff.unread["limit"][1] == 6
    assert sum(a for a, _ in diff.unread.values()) == 6
    assert not diff.equal


@pytest.mark.parametrize("suffix", ["html", "json"])
def test_written_comparison_is_masked(scan: Path, tmp_path: Path, suffix: str) -> None:
    def edit(lines: list[Line]) -> None:
        hidden = [line for line in lines if "123456789018" in line["path"]]
        assert hidden
        for line in hidden:
            lines.remove(line)

    lines = [json.loads(line) for line in (scan / "findings.jsonl").read_text(encoding="utf-8").splitlines()]
    lines[0] |= {"path": "/123456789018.txt", "layers": "e01:x|ntfs:/123456789018.txt"}
    (scan / "findings.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    diff = compare(scan, edited(scan, edit))
    text = write_diff(diff, tmp_path / f"x.{suffix}", language="en").read_text(encoding="utf-8")
    assert "123456789018" not in text
    assert "/********9018.txt" in text
    for line in lines:
        assert line.get("hmac", "no hmac")[:16] not in text
    if suffix == "json":
        value = json.loads(text)
        assert len(value["removed"]) == len(diff.removed) >= 1
        assert value["equal"] is False
    else:
        assert "does not show that a number was erased" in text


def test_refusals(scan: Path, tmp_path: Path) -> None:
    diff = compare(scan, scan)
    with pytest.raises(UsageError, match="unknown format"):
        write_diff(diff, tmp_path / "x.txt")
    (tmp_path / "x.json").write_text("kept", encoding="utf-8")
    with pytest.raises(TargetError, match="exists already"):
        write_diff(diff, tmp_path / "x.json")
    with pytest.raises(UsageError, match="not a folder of scan results"):
        compare(scan, tmp_path)
