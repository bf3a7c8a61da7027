"""The scope of a case: hits outside are counted and not stored."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from chain_of_custody import entries, init_case, open_case
from chain_of_custody.people import Person
from chain_of_custody.reading import read_entries
from chain_of_custody.verify import verify_case
from tests.chain_of_custody.test_cli import custody
from tests.chain_of_custody.test_people import public, write_key
from tests.triage.test_protection import SAMPLE, run
from triage.findings import Finding
from triage.results import open_results
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


def test_what_was_found_before_is_hidden_and_disposed_of_with_proof(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case = tmp_path / "case"
    init_case(case, actor="op", policy={"approve": "dispose"}).close()
    assert run(monkeypatch, "scan", SAMPLE, "--case", case, "--ocr", "off", "--json") == 3
    folder = Path(json.loads(capsys.readouterr().out)["folder"])
    search = ("search", SAMPLE, "--word", "給与", "--case", case, "--json")
    assert run(monkeypatch, *search) in (0, 3)
    everywhere = json.loads(capsys.readouterr().out)
    whole = (folder / "findings.jsonl").read_bytes()
    with open_case(case) as opened:
        opened.append("record.scope", {"basis": "同意書", "paths": "/Users/*/Documents"}, src="typed")
    inside = [line for line in map(json.loads, whole.splitlines()) if "/Documents/" in line["path"]]
    outside = len(whole.splitlines()) - len(inside)
    assert outside > 0
    # report and export: the rest is counted.
    assert run(monkeypatch, "report", folder, "--out", tmp_path / "f.csv") in (0, 3)
    capsys.readouterr()
    results = open_results(folder)
    assert [line["id"] for line in results.findings()] == [line["id"] for line in inside]
    assert results.summary["hidden"]["outside"] == outside
    rows = (tmp_path / "f.csv").read_text(encoding="utf-8-sig").splitlines()
    assert len(rows) == 1 + len(inside)
    other = next(line["id"] for line in map(json.loads, whole.splitlines()) if line not in inside)
    reveal = ("reveal", "--findings", folder / "findings.jsonl", "--reason", "r", "--id", other, "--case", case)
    assert run(monkeypatch, *reveal) == 2
    # a search made now keeps what is inside
    capsys.readouterr()
    assert run(monkeypatch, *search) in (0, 3)
    now = json.loads(capsys.readouterr().out)
    assert now["hits"] + now["scope"]["outside"] == everywhere["hits"]
    assert now["scope"]["outside"] > 0
    # surplus: another person has to agree, then the bytes go, and the entry says what went
    dispose = ("surplus", "--dispose", "--reason", "第三者", "--case", case)
    assert run(monkeypatch, *dispose) == 5
    assert (folder / "findings.jsonl").read_bytes() == whole
    write_key(tmp_path / "sato")
    with open_case(case) as opened:
        opened.add_person(Person("sato", entries.SUPERVISOR, public(tmp_path / "sato")))
    assert custody("approve", "request", "--why", "w", "--case", str(case))[0] == 0
    assert custody("approve", "grant", "--case", str(case), "--as", "sato", "--key", str(tmp_path / "sato"))[0] == 0
    assert run(monkeypatch, *dispose) == 0
    left = (folder / "findings.jsonl").read_bytes()
    assert [json.loads(line)["id"] for line in left.splitlines()] == [line["id"] for line in inside]
    assert not (folder / "report.html").exists()
    entry = [one for one in read_entries(case) if one.type == "record.dispose"][-1]
    first = entry.body["files"][0]
    assert first["before"] == hashlib.sha256(whole).hexdigest()
    assert first["after"] == hashlib.sha256(left).hexdigest()
    assert first["removed"] == str(outside)
    capsys.readouterr()
    assert run(monkeypatch, "surplus", "--case", case, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"surplus": [], "disposed": None}
    (tmp_path / "n").write_text("123456789018")
    assert custody("about", "--number-file", str(tmp_path / "n"), "--case", str(case))[0] == 0
    assert verify_case(case).verdict == "ok"
