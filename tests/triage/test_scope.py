"""The scope of a case: hits outside are counted and not stored."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chain_of_custody import init_case, open_case
from tests.chain_of_custody.test_cli import custody
from tests.triage.test_protection import SAMPLE, run
from triage.findings import Finding
from triage.scope import Scope, holds, scope_of

DAY_NS = 86_400 * 1_000_000_000


def finding(path: str, ns: int | None = None, kind: str = "my_number") -> Finding:
    times = {} if ns is None else {"modified": {"ns": ns}}
    return Finding(kind, "allocated", f"raw:d|{path}", path, confidence="high", times=times)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("scope", "one", "inside"),
    [
        (Scope(1), finding(""), True),
        (Scope(1, ("/Users/a",)), finding("/Users/a/b/c.txt"), True),
        (Scope(1, ("/Users/a",)), finding("/Users/ab/c.txt"), False),
        (Scope(1, ("/Users/*/Documents/*",)), finding("/Users/x/Documents/c.txt"), True),
        (Scope(1, ("/Users/a",)), finding(""), False),
        (Scope(1, since_ns=DAY_NS), finding("/a", DAY_NS), True),
        (Scope(1, until_ns=DAY_NS), finding("/a", DAY_NS + 1), False),
        (Scope(1, since_ns=DAY_NS), finding("/a"), False),
        (Scope(1, kinds=frozenset({"yara"})), finding("/a"), False),
    ],
)
def test_what_is_inside(scope: Scope, one: Finding, inside: bool) -> None:
    assert holds(scope, one) is inside


def test_a_scan_keeps_what_is_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case = tmp_path / "case"
    init_case(case, actor="op").close()
    assert run(monkeypatch, "scan", SAMPLE, "--case", case, "--ocr", "off", "--json") == 3
    whole = sum(json.loads(capsys.readouterr().out)["counts"]["by_confidence"].values())
    assert scope_of(case) is None
    with open_case(case) as opened:
        opened.append("record.scope", {"basis": "同意書", "paths": "/Users/*/Documents"}, src="typed")
    assert run(monkeypatch, "scan", SAMPLE, "--case", case, "--ocr", "off", "--json") == 3
    summary = json.loads(capsys.readouterr().out)
    lines = [json.loads(one) for one in (Path(summary["folder"]) / "findings.jsonl").read_text().splitlines()]
    assert lines
    assert all("/Documents/" in line["path"] for line in lines)
    assert summary["scope"]["outside"] == whole - len(lines) > 0
    assert any("outside the scope" in note["en"] for note in summary["notes"])
    assert custody("record", "scope", "--set", "x", "--case", str(case))[0] == 2
