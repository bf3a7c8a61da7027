"""Hash sets of known files: read in their forms, skipped or marked by a scan."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from chain_of_custody.errors import UsageError
from triage.cli import main
from triage.extractors.model import BytesSource
from triage.known_files import check_sets

SAMPLE = Path(__file__).resolve().parents[2] / "examples" / "sample.E01"
CONTENT = b"known content"


@pytest.mark.parametrize(
    "text",
    [
        hashlib.md5(CONTENT).hexdigest() + "  name.txt\n",
        "# comment\n" + hashlib.sha256(CONTENT).hexdigest().upper() + "\n",
        '"SHA-1","MD5","FileName"\n"' + "0" * 40 + '","' + hashlib.md5(CONTENT).hexdigest() + '","a"\n',
        "x,SHA-256\n1," + hashlib.sha256(CONTENT).hexdigest() + "\n",
    ],
)
def test_forms_of_sets(tmp_path: Path, text: str) -> None:
    file = tmp_path / "set.txt"
    file.write_text(text)
    known = check_sets((file,), "skip")
    assert known.match(BytesSource(CONTENT, "a")) == "set.txt"
    assert known.match(BytesSource(CONTENT + b"!", "a")) == ""


def test_what_is_no_set(tmp_path: Path) -> None:
    file = tmp_path / "set.txt"
    file.write_text("nothing here\n")
    with pytest.raises(UsageError, match="no hashes"):
        check_sets((file,), "skip")
    with pytest.raises(UsageError, match="cannot read"):
        check_sets((tmp_path / "none",), "skip")
    assert check_sets((), "skip") is None


def test_a_scan_skips_or_marks_known_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOZEN_CONFIG_HOME", str(tmp_path / "config"))

    def scan(number: int, *more: str) -> list[dict]:
        monkeypatch.setattr(
            "sys.argv", ["triage", "scan", str(SAMPLE), "--case", str(tmp_path / "c"), "--ocr", "off", *more]
        )
        with pytest.raises(SystemExit):
            main()
        folder = tmp_path / "c" / "scans" / f"{number}-sample.E01"
        return [json.loads(line) for line in (folder / "findings.jsonl").read_text(encoding="utf-8").splitlines()]

    before = scan(1)
    chosen = next(line for line in before if line.get("content_sha256") and line["state"] == "allocated")
    in_it = [line for line in before if line.get("content_sha256") == chosen["content_sha256"]]
    listed = tmp_path / "known.txt"
    listed.write_text(chosen["content_sha256"] + "\n")
    skipped = scan(2, "--known", str(listed))
    assert len(skipped) == len(before) - len(in_it)
    assert chosen["path"] not in {line["path"] for line in skipped if line["state"] == "allocated"}
    marked = scan(3, "--known", str(listed), "--known-mode", "mark")
    assert len(marked) == len(before)
    assert {line["id"] for line in marked if line.get("known") == "known.txt"} == {line["id"] for line in in_it}
    summary = json.loads((tmp_path / "c/scans/2-sample.E01/summary.json").read_text(encoding="utf-8"))
    assert summary["known_files"] == {"mode": "skip", "files": 1}
