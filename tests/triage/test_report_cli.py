from __future__ import annotations

import base64
import hashlib
import itertools
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import typer
from typer.testing import CliRunner

from chain_of_custody import console, init_case
from chain_of_custody.errors import HozenError, TargetError, UsageError
from tests.triage.make_results import make_results
from triage import report_cli

if TYPE_CHECKING:
    from pathlib import Path

app = typer.Typer()
report_cli.register(app)


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    with init_case(tmp_path / "x.case"):
        pass
    return make_results(tmp_path / "x.case" / "scans" / "1-disk.E01", findings=40, coverage=3, hostile=True)


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=True)
    if isinstance(result.exception, HozenError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def entries(case: Path) -> list[dict[str, Any]]:
    lines = (case / "ledger.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line.partition("\t")[0]) for line in lines]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("suffix", ["html", "csv", "xlsx", "json"])
def test_report_is_recorded_with_what_it_was_made_from(scan: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"x.{suffix}"
    run("report", scan, "--out", out)
    begin, end = [entry for entry in entries(tmp_path / "x.case") if entry["type"].startswith("report.")]
    assert begin["body"]["form"] == "findings"
    names = ["findings.jsonl", "coverage.jsonl", "summary.json"]
    assert begin["body"]["made_from"] == [f"1-disk.E01/{name}" for name in names]
    assert [item["sha256"] for item in begin["in"]] == [sha256(scan / name) for name in names]
    assert [item["sha256"] for item in end["out"]] == [sha256(out)]
    assert end["body"]["status"] == "done"


def test_breach_report(scan: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.html"
    run("breach-report", scan, "--out", out, "--discovered", "2026-11-20", "--not-improper")
    assert "2026-12-19 (要確認)" in out.read_text(encoding="utf-8")
    assert entries(tmp_path / "x.case")[-2]["body"]["target"] == str(out)


def test_diff_prints_and_records_only_what_it_writes(scan: Path, tmp_path: Path) -> None:
    before = len(entries(tmp_path / "x.case"))
    assert "40" in run("diff", scan, scan)
    assert json.loads(run("diff", scan, scan, "--json"))["equal"] is True
    assert len(entries(tmp_path / "x.case")) == before
    run("diff", scan, scan, "--out", tmp_path / "x.json")
    assert json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))["same"] == 40
    assert [entry["body"].get("form") for entry in entries(tmp_path / "x.case")][-3:-1] == ["diff", None]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("report", "{scan}", "--out", "{tmp}/x.pdf"), UsageError, "unknown format"),
        (("report", "{tmp}", "--out", "{tmp}/x.csv"), UsageError, "not a folder of scan results"),
        (("report", "{scan}", "--out", "{tmp}/kept.csv"), TargetError, "exists already"),
        (("breach-report", "{scan}", "--out", "{tmp}/x.html", "--discovered", "tomorrow"), UsageError, "not a date"),
        (("breach-report", "{scan}", "--out", "{tmp}/x.html", "--rule", "{tmp}/no"), UsageError, "cannot be read"),
        (("diff", "{scan}", "{tmp}"), UsageError, "not a folder of scan results"),
    ],
)
def test_refused_before_anything_is_recorded(
    scan: Path, tmp_path: Path, arguments: tuple[str, ...], error: type[HozenError], words: str
) -> None:
    (tmp_path / "kept.csv").write_text("kept", encoding="utf-8")
    before = entries(tmp_path / "x.case")
    with pytest.raises(error, match=words):
        run(*(argument.format(scan=scan, tmp=tmp_path) for argument in arguments))
    assert entries(tmp_path / "x.case") == before
    assert (tmp_path / "kept.csv").read_text(encoding="utf-8") == "kept"


def test_results_outside_a_case_need_one_named(scan: Path, tmp_path: Path) -> None:
    lone = make_results(tmp_path / "lone", findings=2)
    with pytest.raises(UsageError, match="lies in no case folder"):
        run("report", lone, "--out", tmp_path / "x.csv")
    run("report", lone, "--out", tmp_path / "x.csv", "--case", tmp_path / "x.case")
    assert entries(tmp_path / "x.case")[-2]["out"][0]["sha256"] == sha256(tmp_path / "x.csv")


def test_failed_write_is_recorded_as_failed(scan: Path, tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="cannot be written"):
        run("report", scan, "--out", tmp_path / "no" / "x.csv")
    ends = [entry["body"] for entry in entries(tmp_path / "x.case") if entry["type"] == "report.end"]
    assert [end["status"] for end in ends] == ["failed"]


def test_language_of_the_document_is_that_of_the_run(
    scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "_language", "ja")
    run("report", scan, "--out", tmp_path / "x.html")
    assert '<html lang="ja">' in (tmp_path / "x.html").read_text(encoding="utf-8")


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys, typer; from triage import report_cli; app = typer.Typer(); report_cli.register(app);"
        "heavy = {'numpy', 'yara', 'pytsk3', 'triage.judge', 'triage.report'} & set(sys.modules);"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_ledger_verifies_after_a_report(scan: Path, tmp_path: Path) -> None:
    run("report", scan, "--out", tmp_path / "x.csv")
    lines = (tmp_path / "x.case" / "ledger.jsonl").read_bytes().splitlines()
    for before, line in itertools.pairwise(lines):
        body, _, signature = line.partition(b"\t")
        assert json.loads(body)["prev"] == hashlib.sha256(before).hexdigest()
        assert len(base64.b64decode(signature)) == 64
