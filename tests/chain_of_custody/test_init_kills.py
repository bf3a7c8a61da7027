"""A program killed at any step of making a case: the folder can be used, or made again with the same command."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chain_of_custody import init_case, open_case
from chain_of_custody.errors import UsageError
from chain_of_custody.verify import verify_case

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="SIGKILL as POSIX has it")

# Kills its own process before the n-th step that changes a file; prints the number of steps when none is left.
MAKER = """
import os, signal, sys
from pathlib import Path
from chain_of_custody import init_case
target, last = sys.argv[1], int(sys.argv[2])
steps = 0
def step():
    global steps
    steps += 1
    if steps == last:
        os.kill(os.getpid(), signal.SIGKILL)
def audit(event, arguments):
    if event == "open" and not (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR):
        return
    if event in ("open", "os.rename", "os.remove", "os.mkdir", "os.chmod", "os.link"):
        if str(arguments[0]).startswith(target):
            step()
plain = os.fsync
def fsync(descriptor):
    step()
os.fsync = fsync
sys.addaudithook(audit)
case = init_case(Path(target) / "case", name="x", actor="a")
made = steps
case.close()
print(made)
"""


def run(folder, last):
    return subprocess.run(
        [sys.executable, "-c", MAKER, str(folder), str(last)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "HOZEN_CONFIG_HOME": str(folder / "config")},
    )


def test_killed_at_each_step(tmp_path, monkeypatch):
    whole = tmp_path / "whole"
    whole.mkdir()
    steps = int(run(whole, 0).stdout)
    assert steps > 30
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    became = set()
    for last in range(1, steps + 1):
        folder = tmp_path / f"at{last}"
        folder.mkdir()
        done = run(folder, last)
        assert done.returncode == -signal.SIGKILL, done.stderr
        monkeypatch.setenv("HOZEN_CONFIG_HOME", str(folder / "config"))
        path = folder / "case"
        if (path / "ledger.jsonl").exists():
            became.add("a case")
            assert verify_case(path).verdict == "ok", last
            with pytest.raises(UsageError, match="already a case"):
                init_case(path, name="x", actor="a")
        else:
            became.add("made again")
            init_case(path, name="x", actor="a").close()
        with open_case(path) as case:
            case.append("note", {})
        assert verify_case(path).verdict == "ok", last
        assert {child.name for child in path.iterdir()} == {child.name for child in (whole / "case").iterdir()}
    assert became == {"a case", "made again"}


def test_a_folder_with_anything_else_is_refused(tmp_path):
    (tmp_path / ".verify.sh.new").write_bytes(b"")
    (tmp_path / ".photo.new").write_bytes(b"")
    with pytest.raises(UsageError, match="not empty"):
        init_case(tmp_path, actor="a")
    (tmp_path / ".photo.new").unlink()
    init_case(tmp_path, actor="a").close()
    assert verify_case(tmp_path).verdict == "ok"
