"""Pseudonymised copies from which nothing can be read, copies linked over images, and a scan of an encrypted image."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pyrage
import pytest

from chain_of_custody import init_case
from chain_of_custody.reading import read_entries
from preserve import sealing
from triage import anonymise
from triage.cli import main

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "examples" / "sample.E01"
NUMBER = "123456789018"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr("sys.argv", ["triage", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


def scan_folder(case: Path, name: str, lines: list[dict[str, object]]) -> Path:
    folder = case / "scans" / name
    folder.mkdir(parents=True)
    text = "".join(json.dumps({"v": 1, "kind": "my_number"} | line, ensure_ascii=False) + "\n" for line in lines)
    (folder / "findings.jsonl").write_text(text, encoding="utf-8")
    return folder / "findings.jsonl"


FINDING = {
    "id": "F000001",
    "masked": "********9018",
    "hmac": "ab" * 32,
    "confidence": "high",
    "reasons": ["そばに氏名がある / a name stands beside it"],
    "reason_codes": ["header"],
    "layers": "e01:山田PC.E01|gpt:1|ntfs:/Users/yamada/社員台帳.xlsx",
    "path": "/Users/yamada/社員台帳.xlsx",
    "state": "allocated",
    "offset": 10,
    "location": "給与!D2",
    "times": {"created": {"ns": 1736469000000000000, "raw": "133809426000000000", "zone_known": True}},
    "content_sha256": "cd" * 32,
}
EVENT = {
    "time_ns": 1736469000000000000,
    "time_text": "2025-01-10 09:30:00",
    "kind": "evtx.logon",
    "actor": "CORP\\yamada",
    "host": "PC-YAMADA",
    "path": "C:\\Users\\yamada\\社員台帳.xlsx",
    "desc": "logon of 山田 太郎",
    "data": {"address": "192.0.2.7", "numbers": [123456789018, 5], "山田": {"name": "山田 太郎"}, "ok": True},
    "番号": NUMBER,
}
SECRETS = ("山田", "yamada", "YAMADA", "Users", "台帳", "給与", "9018", "abab", "cdcd", "CORP", "192.0.2.7", "太郎")


def copy(case: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *more: object) -> tuple[int, str]:
    findings = case / "scans" / "1-a.E01" / "findings.jsonl"
    out = tmp_path / f"out{len(list(tmp_path.glob('out*')))}"
    code = run(monkeypatch, "anonymise", "--findings", findings, "--out", out, *more)
    return code, "".join(one.read_text() for one in sorted(out.glob("*.jsonl")))


def test_nothing_survives_and_equal_texts_stay_equal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = tmp_path / "case"
    init_case(case, actor="op").close()
    scan_folder(case, "1-a.E01", [FINDING, FINDING | {"id": "F000002", "path": "/Users/yamada/other.txt"}])
    (tmp_path / "t.jsonl").write_text(json.dumps(EVENT, ensure_ascii=False) + "\n", encoding="utf-8")
    (tmp_path / "names").write_text("山田\n太郎\n", encoding="utf-8")
    arguments = ("--timeline", tmp_path / "t.jsonl", "--names", tmp_path / "names")
    code, text = copy(case, monkeypatch, tmp_path, *arguments)
    assert code == 0
    assert [one for one in SECRETS if one in text] == []
    assert NUMBER not in text
    first, second, event = map(json.loads, text.splitlines())
    assert first["number"] == second["number"] != ""
    assert first["path"].rpartition("/")[0] == second["path"].rpartition("/")[0]
    assert first["path"].endswith(".xlsx")
    assert event["time_text"] == "2025-01-10 09:30:00"
    assert event["kind"] == "evtx.logon"
    assert (tmp_path / "out0" / "pseudonyms.key.age").exists()
    # Another run has another key; a destroyed one is nowhere.
    _, other = copy(case, monkeypatch, tmp_path, *arguments, "--destroy-key")
    assert other != text
    assert not list((tmp_path / "out1").glob("*.age"))
    ends = [entry for entry in read_entries(case) if entry.type == "anonymise.end"]
    written = hashlib.sha256((tmp_path / "out1" / "findings.jsonl").read_bytes()).hexdigest()
    assert written in {one.sha256 for one in ends[-1].outputs}
    assert not any(one in (case / "ledger.jsonl").read_text() for one in ("yamada/", "台帳"))


def test_a_name_in_a_code_stops_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = tmp_path / "case"
    init_case(case, actor="op").close()
    scan_folder(case, "1-a.E01", [FINDING | {"state": "yamada"}])
    (tmp_path / "names").write_text("yamada\n", encoding="utf-8")
    code, text = copy(case, monkeypatch, tmp_path, "--names", tmp_path / "names")
    assert (code, text) == (5, "")


def test_a_key_says_what_a_text_is() -> None:
    one, two = anonymise.Pseudonyms(b"1" * 32), anonymise.Pseudonyms(b"2" * 32)
    assert one.of("t", "x") == one.of("t", "x") != two.of("t", "x")
    assert "x" not in repr(one)


def test_copies_over_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case = tmp_path / "case"
    init_case(case, actor="op").close()
    scan_folder(case, "1-server.E01", [FINDING, FINDING | {"id": "F000002", "hmac": "ef" * 32}])
    scan_folder(
        case, "2-stick.E01", [FINDING | {"protection": ["password"], "path": "/写し.zip", "container": "a.xlsx"}]
    )
    scan_folder(case, "3-other.E01", [FINDING | {"content_sha256": "00" * 32}])
    assert run(monkeypatch, "copies", "--case", case, "--json") == 0
    (content,) = json.loads(capsys.readouterr().out)["contents"]
    assert (content["persons"], content["images"], content["unprotected"]) == (2, 2, 1)
    assert [(one["scan"], one["path"], one["protection"]) for one in content["places"]] == [
        ("1-server.E01", "/Users/yamada/社員台帳.xlsx", []),
        ("2-stick.E01", "/写し.zip!a.xlsx", ["password"]),
    ]
    assert run(monkeypatch, "copies", "--case", case, "--all") == 0
    assert "2 contents" in capsys.readouterr().out


def test_a_scan_of_an_encrypted_image_leaves_nothing_clear(tmp_path: Path) -> None:
    """The same findings as of the clear image; no file of the case or of TMPDIR holds bytes of the image's clear text."""
    key = pyrage.x25519.Identity.generate()
    (tmp_path / "key.txt").write_text(f"{key}\n")
    sealed = tmp_path / "sample.E01.age"
    job = sealing.Job(SAMPLE, sealed, sealed.name)
    sealing.encrypt(job, sealing.Lock((str(key.to_public()),)), tmp_path / "m")
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    case = tmp_path / "case"
    program = "import os, sys; sys.path.insert(0, sys.argv.pop(1)); from triage.cli import main; main()"
    environment = {
        "TMPDIR": str(temporary),
        "HOZEN_CONFIG_HOME": str(tmp_path / "config"),
        "PATH": "/usr/bin:/bin",
        "LC_ALL": "C.UTF-8",
    }
    command = [sys.executable, "-c", program, str(ROOT), "scan", str(sealed), "--case", str(case), "--ocr", "off"]
    refused = subprocess.run(command, env=environment, capture_output=True, timeout=120, check=False)
    assert refused.returncode == 4, refused.stderr
    command += ["--identity", str(tmp_path / "key.txt"), "--jobs", "2", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=300, check=False)
    assert done.returncode in (0, 3), done.stderr
    summary = json.loads(done.stdout)
    assert summary["persons"]["lower"] > 0
    assert summary["hashes"]["verdict"] == "match"
    findings = next(case.glob("scans/*/findings.jsonl"))
    command = [*command[:4], "reveal", "--findings", str(findings), "--reason", "test", "--identity"]
    shown = subprocess.run(
        [*command, str(tmp_path / "key.txt")], env=environment, capture_output=True, timeout=300, check=False
    )
    assert shown.returncode == 0, shown.stderr
    values = {json.loads(line)["value"] for line in shown.stdout.splitlines()}
    assert len(values) > 50
    head = SAMPLE.read_bytes()[:64]
    for file in (one for place in (case, temporary) for one in place.rglob("*") if one.is_file()):
        data = file.read_bytes()
        assert head not in data
        assert not [value for value in values if value.encode() in data]
    assert not [value for value in values if value.encode() in done.stdout + done.stderr]
