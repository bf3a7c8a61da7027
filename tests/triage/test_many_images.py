"""Several images and a folder of images in one run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from chain_of_custody.errors import UsageError
from triage.cli import main
from triage.many_images import images_of

SAMPLE = Path(__file__).resolve().parents[2] / "examples" / "sample.E01"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["triage", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


def test_what_a_folder_holds(tmp_path: Path) -> None:
    for name in ("a.E01", "a.E02", "b.dd", "c.001", "c.002", "d.vmdk", "d-flat.vmdk", "note.txt", "e.EAA"):
        (tmp_path / name).touch()
    images, others = images_of([tmp_path])
    assert [image.name for image in images] == ["a.E01", "b.dd", "c.001", "d.vmdk"]
    assert [other.name for other in others] == ["d-flat.vmdk", "note.txt"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no images"):
        images_of([tmp_path / "empty"])


def test_two_copies_and_a_broken_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOZEN_CONFIG_HOME", str(tmp_path / "config"))
    folder = tmp_path / "images"
    folder.mkdir()
    shutil.copy(SAMPLE, folder / "one.E01")
    shutil.copy(SAMPLE, folder / "two.E01")
    (folder / "zero.dd").touch()
    case = tmp_path / "c"
    code = run(monkeypatch, "scan", str(folder), "--case", str(case), "--ocr", "off", "--json")
    result = json.loads(capsys.readouterr().out)
    assert code == result["exit_code"] == 4
    assert [Path(scan["folder"]).name for scan in result["scans"]] == ["1-one.E01", "2-two.E01"]
    # 101 numbers on each, the same people.
    assert [scan["persons"]["lower"] for scan in result["scans"]] == [result["persons"]["lower"]] * 2
    assert len(result["refused"]) == 1
    assert run(monkeypatch, "scan", str(folder), "--case", str(case), "--out", str(tmp_path / "x")) == 2
