"""Backups: second copies that are checked, brought up to date, and mend what went bad."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from chain_of_custody import backup as backups
from chain_of_custody.cli import main
from chain_of_custody.errors import EvidenceError, TargetError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1 << 20
ME = {"case_id": "c1", "fingerprint": "f"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    case = tmp_path / "c"
    (case / "images").mkdir(parents=True)
    (case / "ledger.jsonl").write_bytes(b"line 1\nline 2\n")
    (case / "head").write_bytes(b"2")
    (case / "ledger.lock").write_bytes(b"")
    (case / "images" / "disk.E01").write_bytes(os.urandom(3 * MIB + 17))
    (case / "scans" / "1-a" / "state").mkdir(parents=True)
    (case / "scans" / "1-a" / "state" / "tasks.jsonl").write_text("{}")
    return case


def verdicts(result: backups.BackupResult) -> dict[str, str]:
    return {state.path: state.verdict for state in result.states}


def test_first_second_and_third_run(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "b"
    first = backups.backup(folder, target, ME)
    assert verdicts(first) == {"images/disk.E01": "added", "head": "added", "ledger.jsonl": "added"}
    assert first.written_bytes == 3 * MIB + 17 + 14 + 1
    with (folder / "ledger.jsonl").open("ab") as file:
        file.write(b"line 3\n")
    (folder / "head").write_bytes(b"3")
    second = backups.backup(folder, target, ME)
    assert verdicts(second) == {"images/disk.E01": "same", "head": "rewritten", "ledger.jsonl": "extended"}
    assert second.written_bytes == 21 + 1
    assert backups.backup(folder, target, ME).written_bytes == 0
    assert {state.verdict for state in backups.check(target)} == {"same"}


def test_silent_corruption_of_the_case_is_named_not_copied_and_mended(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "b"
    backups.backup(folder, target, ME)
    image = folder / "images" / "disk.E01"
    good = image.read_bytes()
    bad = bytearray(good)
    bad[2 * MIB + 5] ^= 1
    image.write_bytes(bad)
    result = backups.backup(folder, target, ME)
    assert result.suspicious == [backups.FileState("images/disk.E01", "changed", (2,))]
    assert result.suspicious[0].ranges == [(2 * MIB, MIB)]
    assert (target / "files" / "images" / "disk.E01").read_bytes() == good
    found = [state for state in backups.compare(folder, target) if state.verdict != "same"]
    assert found == [backups.FileState("images/disk.E01", "changed", (2,))]
    backups.mend(folder, target, found[0])
    assert image.read_bytes() == good
    assert [path.read_bytes() for path in (folder / "recovered").iterdir()] == [bytes(bad)]


def test_corruption_of_the_backup_is_named_and_not_restored(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "b"
    backups.backup(folder, target, ME)
    copy = target / "files" / "images" / "disk.E01"
    with copy.open("r+b") as file:
        file.seek(MIB)
        file.write(b"\0\0\0\0\0\0\0\0")
    bad = [state for state in backups.check(target) if state.verdict != "same"]
    assert bad == [backups.FileState("images/disk.E01", "damaged", (1,))]
    states = backups.restore(target, tmp_path / "r")
    assert [state for state in states if state.verdict != "same"] == bad
    assert not (tmp_path / "r" / "images" / "disk.E01").exists()
    with pytest.raises(EvidenceError, match="damaged, too"):
        backups.mend(folder, target, bad[0])
    # The next run finds the bad piece by itself and writes it again.
    assert backups.backup(folder, target, ME).written_bytes == MIB
    assert {state.verdict for state in backups.check(target)} == {"same"}


def test_a_cut_ledger_is_told(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "b"
    backups.backup(folder, target, ME)
    (folder / "ledger.jsonl").write_bytes(b"line 1\n")
    result = backups.backup(folder, target, ME)
    assert [(state.path, state.verdict) for state in result.suspicious] == [("ledger.jsonl", "changed")]
    assert (target / "files" / "ledger.jsonl").read_bytes() == b"line 1\nline 2\n"


def test_an_interrupted_run_goes_on(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "b"
    seen = 0

    def stop(size: int) -> None:
        nonlocal seen
        seen += size
        if seen > 3 * MIB + 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backups.backup(folder, target, ME, advance=stop)
    assert not (target / "backup.json").exists()
    result = backups.backup(folder, target, ME)
    assert result.written_bytes == 14  # all but the ledger was there already
    assert {state.verdict for state in backups.check(target)} == {"same"}


def test_what_is_refused(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "b"
    backups.backup(folder, target, ME)
    with pytest.raises(UsageError, match="another case"):
        backups.backup(folder, target, ME | {"case_id": "c2"})
    with pytest.raises(UsageError, match="inside"):
        backups.backup(folder, folder / "b", ME)
    with pytest.raises(TargetError, match="not empty"):
        backups.restore(target, folder)
    with pytest.raises(UsageError, match="no backup"):
        backups.check(tmp_path / "nothing")
    (target / "backup.json").write_text(
        json.dumps({"v": 1, "files": {"../x": {"size": 1, "sha256": "", "pieces": []}}})
    )
    with pytest.raises(EvidenceError, match="damaged"):
        backups.restore(target, tmp_path / "r")


def run(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("sys.argv", ["custody", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


def test_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("HOZEN_CONFIG_HOME", str(tmp_path / "config"))
    case, target, other = tmp_path / "c", tmp_path / "b", tmp_path / "r"
    assert run("init", str(case), monkeypatch=monkeypatch) == 0
    assert run("backup", str(target), "--case", str(case), monkeypatch=monkeypatch) == 0
    assert run("backup", str(target), "--case", str(case), monkeypatch=monkeypatch) == 0
    assert run("backup", str(target), "--check", monkeypatch=monkeypatch) == 0
    assert run("restore", str(target), str(other), monkeypatch=monkeypatch) == 0
    # The copy was taken between begin and end of the second backup: that is said, and nothing else.
    assert run("verify", str(other), monkeypatch=monkeypatch) in (0, 3)
    damaged = bytearray((case / "verify.sh").read_bytes())
    damaged[10] ^= 1
    (case / "verify.sh").write_bytes(damaged)
    assert run("backup", str(target), "--case", str(case), monkeypatch=monkeypatch) == 1
    capsys.readouterr()
    assert run("restore", str(target), "--mend", "--case", str(case), "--json", monkeypatch=monkeypatch) == 0
    rows = json.loads(capsys.readouterr().out)["files"]
    assert [row["path"] for row in rows if row["verdict"] != "same"] == ["verify.sh"]
    assert run("verify", str(case), monkeypatch=monkeypatch) == 0
    ledger = (case / "ledger.jsonl").read_text(encoding="utf-8")
    assert ledger.count('"type":"backup.end"') == 3
    assert ledger.count('"type":"restore.end"') == 1


def test_a_damaged_ledger_is_mended_before_it_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOZEN_CONFIG_HOME", str(tmp_path / "config"))
    case, target = tmp_path / "c", tmp_path / "b"
    assert run("init", str(case), monkeypatch=monkeypatch) == 0
    assert run("backup", str(target), "--case", str(case), monkeypatch=monkeypatch) == 0
    ledger = case / "ledger.jsonl"
    data = bytearray(ledger.read_bytes())
    data[50] ^= 1
    ledger.write_bytes(data)
    assert run("verify", str(case), monkeypatch=monkeypatch) == 1
    assert run("restore", str(target), "--mend", "--case", str(case), monkeypatch=monkeypatch) == 0
    assert ledger.read_bytes()[50] != data[50]
