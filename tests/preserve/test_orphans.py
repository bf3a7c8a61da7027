"""Children end within two seconds when their parent dies, also in the middle of a task."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# A pool of two children, each in a task that never ends; their process numbers are printed.
PARENT = """
import os, sys, time
from dataclasses import dataclass
from pathlib import Path
from preserve.workers import Pool

@dataclass(frozen=True)
class Job:
    folder: str
    seconds: float = 3600.0

def start(argument):
    def handle(job):
        (Path(job.folder) / str(os.getpid())).touch()
        {work}
    return handle

if __name__ == "__main__":
    with Pool(start, None, 2) as pool:
        list(pool.run([Job(sys.argv[1])] * 20))
"""


def is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("work", ["time.sleep(3600)", "while True: pass"], ids=["waiting", "computing"])
def test_children_end_when_their_parent_is_killed(tmp_path: Path, work: str) -> None:
    program = tmp_path / "parent.py"
    program.write_text(PARENT.format(work=work), encoding="utf-8")
    folder = tmp_path / "children"
    folder.mkdir()
    parent = subprocess.Popen(
        [sys.executable, str(program), str(folder)], env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=ROOT
    )
    deadline = time.monotonic() + 60
    while len(list(folder.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    children = [int(entry.name) for entry in folder.iterdir()]
    running = [is_running(child) for child in children]
    parent.send_signal(signal.SIGKILL)
    parent.wait(timeout=30)
    assert running == [True, True]
    killed = time.monotonic()
    while any(map(is_running, children)) and time.monotonic() < killed + 10:
        time.sleep(0.02)
    assert not any(map(is_running, children))
    assert time.monotonic() - killed < 2
