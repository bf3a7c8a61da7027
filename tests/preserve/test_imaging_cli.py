from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from chain_of_custody.errors import UsageError
from preserve.imaging_cli import parse_size
from tests.preserve.media import mixed_data

ROOT = Path(__file__).resolve().parents[2]
_MAIN = "from preserve.cli import app; from chain_of_custody import console; console.run(app)"


def preserve(*arguments, cwd, language="C.UTF-8", check=None):
    done = subprocess.run(
        [sys.executable, "-c", _MAIN, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "LC_ALL": language, "PYTHONPATH": str(ROOT), "HOZEN_CONFIG_HOME": str(cwd / ".config")},
        check=False,
    )
    if check is not None:
        assert done.returncode == check, done.stderr + done.stdout
    return done


def _entries(case, kind):
    lines = (case / "ledger.jsonl").read_text(encoding="utf-8").splitlines()
    found = [json.loads(line.split("\t")[0]) for line in lines]
    return [entry for entry in found if entry["type"] == kind]


def test_a_run_as_a_responder_makes_it(tmp_path):
    data = mixed_data(3 << 20)
    (tmp_path / "USB.bin").write_bytes(data)
    done = preserve(
        "image",
        "USB.bin",
        "disk.E01",
        "--also",
        "copy.dd",
        "--item",
        "A-1",
        "--examiner",
        "山田",
        "--blocker",
        "T35 S/N 9",
        "--case",
        "事案",
        "--json",
        cwd=tmp_path,
        language="ja_JP.UTF-8",
        check=0,
    )
    document = json.loads(done.stdout)
    assert document["is_equal"] is True
    assert document["result"]["ja"].startswith("一致")
    (begin,) = _entries(tmp_path / "事案", "image.begin")
    (end,) = _entries(tmp_path / "事案", "image.end")
    assert begin["item"] == "A-1"
    assert begin["body"]["typed"] == {"item": "A-1", "examiner": "山田", "blocker": "T35 S/N 9"}
    assert begin["body"]["auto"]["size"] == str(len(data))
    assert end["body"]["status"] == "done"
    assert end["body"]["hashes"] == document["hashes"]
    names = ["disk.E01", "copy.dd", "disk.json", "copy.json"]
    sizes = {str((tmp_path / name).stat().st_size) for name in names}
    assert sizes <= {one["size"] for one in end["out"]}


def test_exit_codes(tmp_path):
    (tmp_path / "s.bin").write_bytes(bytes(8192))
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "taken.E01").write_bytes(b"mine")
    cases = {
        ("image", "missing", "a.E01"): 4,
        ("image", "empty", "a.E01"): 4,
        ("image", "s.bin", "taken.E01"): 5,
        ("image", "s.bin", "a.E01", "--hash", "md4"): 2,
        ("image", "s.bin", "a.E01", "--compression", "most"): 2,
        ("image", "s.bin", "a.E01", "--segment-size", "much"): 2,
        ("image", ".", "a.E01"): 2,
        ("image", "s.bin", "a.E01", "--resume"): 5,
    }
    for arguments, code in cases.items():
        assert preserve(*arguments, cwd=tmp_path).returncode == code, arguments
    assert not list(tmp_path.glob("*.case"))[1:]
    assert (tmp_path / "taken.E01").read_bytes() == b"mine"


def test_the_other_commands(tmp_path):
    (tmp_path / "s.bin").write_bytes(mixed_data(1 << 20))
    (tmp_path / "zero.bin").write_bytes(bytes(4096))
    case = ("--case", "c")
    preserve("selftest", *case, cwd=tmp_path, check=0)
    preserve("image", "s.bin", "a.E01", *case, cwd=tmp_path, check=0)
    preserve("export", "a.E01", "b.dd", *case, cwd=tmp_path, check=0)
    preserve("wipe-check", "zero.bin", *case, cwd=tmp_path, check=0)
    preserve("wipe-check", "s.bin", *case, cwd=tmp_path, check=1)
    preserve("clone", "a.E01", "zero.bin", "--serial", "1", *case, cwd=tmp_path, check=2)
    (tmp_path / "d").mkdir()
    (tmp_path / "d/f").write_bytes(b"x")
    preserve("collect", "d", "d.zip", "--reason", "稼働中", *case, cwd=tmp_path, check=0)
    preserve("collect", "d", "e.zip", *case, cwd=tmp_path, check=2)
    kinds = [
        kind for kind in ("selftest", "export", "wipe_check", "collect") if _entries(tmp_path / "c", f"{kind}.end")
    ]
    assert kinds == ["selftest", "export", "wipe_check", "collect"]


def test_sizes():
    assert [parse_size(text) for text in ("2GiB", "650MB", "4k", "1048576")] == [2 << 30, 650 << 20, 4096, 1 << 20]
    for text in ("", "0", "-1", "2 GiBs", "x"):
        with pytest.raises(UsageError):
            parse_size(text)
