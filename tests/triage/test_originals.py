"""`triage export` on the sample image: the files behind findings, byte for byte as icat gives them."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from tests.conftest import needs
from triage.cli import main

SAMPLE = Path(__file__).resolve().parents[2] / "examples" / "sample.E01"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["triage", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scanned")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOZEN_CONFIG_HOME", str(folder / "config"))
        assert run(patch, "scan", str(SAMPLE), "--case", str(folder / "c"), "--ocr", "off") in (0, 3)
    return folder


@needs("icat")
def test_files_of_high_findings(scanned: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOZEN_CONFIG_HOME", str(scanned / "config"))
    findings = scanned / "c/scans/1-sample.E01/findings.jsonl"
    out = tmp_path / "out"
    code = run(
        monkeypatch,
        "export",
        "--findings",
        str(findings),
        "--reason",
        "証拠の開示",
        "--out",
        str(out),
        "--confidence",
        "high",
    )
    lines = [json.loads(line) for line in (out / "originals.jsonl").read_text(encoding="utf-8").splitlines()]
    high = list(map(json.loads, findings.read_text(encoding="utf-8").splitlines()))
    high = [line for line in high if line.get("confidence") == "high"]
    outside = {line["id"] for line in high if not line.get("file_id")}
    assert {one for line in lines for one in line["findings"]} == {line["id"] for line in high} - outside
    assert code == (3 if outside else 0)
    raw = tmp_path / "sample.dd"
    subprocess.run(
        ["ewfexport", "-q", "-u", "-f", "raw", "-t", str(raw.with_suffix("")), str(SAMPLE)],
        check=True,
        capture_output=True,
    )
    image = raw.with_suffix(".raw")
    volumes = json.loads((findings.parent / "summary.json").read_text(encoding="utf-8"))["volumes"]
    live = [line for line in lines if line["state"] == "allocated"]
    assert live
    for line in live:
        volume, inode, _, kind, number = map(int, line["id"].split("-"))
        address = f"{inode}-{kind}-{number}" if kind == 128 else str(inode)
        offset = str(volumes[volume]["offset"] // 512)
        theirs = subprocess.run(["icat", "-o", offset, str(image), address], check=True, capture_output=True).stdout
        assert hashlib.sha256(theirs).hexdigest() == line["sha256"]
        assert (out / line["target"]).read_bytes() == theirs
    ledger = (scanned / "c/ledger.jsonl").read_text(encoding="utf-8")
    assert '"type":"extract.begin"' in ledger
    assert lines[0]["sha256"] in ledger


def test_what_is_refused(scanned: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOZEN_CONFIG_HOME", str(scanned / "config"))
    findings = str(scanned / "c/scans/1-sample.E01/findings.jsonl")
    new = str(tmp_path / "new")
    assert run(monkeypatch, "export", "--findings", findings, "--reason", " ", "--out", new) == 2
    assert run(monkeypatch, "export", "--findings", findings, "--reason", "x", "--out", new, "--id", "F999999") == 2
    assert run(monkeypatch, "export", "--findings", findings, "--reason", "x", "--out", new, "--path", "/none*") == 2
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    assert run(monkeypatch, "export", "--findings", findings, "--reason", "x", "--out", str(tmp_path / "full")) == 5
