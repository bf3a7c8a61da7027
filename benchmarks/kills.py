"""Kill -9 at random moments, resume, compare byte for byte with a run made in one go.

```
python benchmarks/kills.py SOURCE WORK --tries 25
```
Each try images SOURCE (a few hundred MiB, see `imaging.py source`) to an E01 in small segments and to a raw image at
once, as a process of its own; it is killed up to three times, each time at a random moment, and resumed. Its GUID and
dates are then taken from its state file, a second run makes the same image in one go, and all files are compared.
"""

from __future__ import annotations

import argparse
import filecmp
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from chain_of_custody.errors import TargetError  # noqa: E402 - after the path is set
from preserve.journal import Journal, read_journal  # noqa: E402

_MAIN = "from preserve.cli import app; from chain_of_custody import console; console.run(app)"
_KILLED = -signal.SIGKILL


def run(source: Path, folder: Path, *, resume: bool, seconds: float | None) -> tuple[int, str]:
    """Image `source` in a process, killed after `seconds` if it still runs; exit code and its JSON."""
    command = [sys.executable, "-c", _MAIN, "image", str(source), str(folder / "disk.E01")]
    command += [
        "--also",
        str(folder / "copy.dd"),
        "--segment-size",
        "64MiB",
        "--case",
        str(folder.parent / "case"),
        "--json",
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOZEN_CONFIG_HOME": str(folder.parent / "config")}
    child = subprocess.Popen(
        command + ["--resume"] * resume,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
    )
    try:
        output, errors = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        return _KILLED, ""
    if child.returncode:
        sys.exit(f"exit code {child.returncode}: {errors[-1000:]}")
    return child.returncode, output


def head_of(folder: Path) -> tuple[dict[str, Any] | None, int]:
    """The settings in the state file, and how many MiB it knows; None where there is no state file yet."""
    try:
        state, _ = read_journal(folder / "disk.resume")
    except TargetError:
        return None, 0
    return state.head, len(state.pieces)


def one_try(source: Path, folder: Path, chance: random.Random, longest: float) -> tuple[int, list[int], bool]:
    """Kills, MiB known at each, and whether everything is equal."""
    folder.mkdir()
    head, known, kills, output = None, [], 0, ""
    code = _KILLED
    while code == _KILLED:
        resume = (folder / "disk.resume").exists()
        # Half of the kills fall into the first half, in which the source is read.
        latest = longest * chance.choice((0.5, 1))
        code, output = run(source, folder, resume=resume, seconds=chance.uniform(0.3, latest) if kills < 3 else None)
        if code == _KILLED:
            kills += 1
            found, pieces = head_of(folder)
            if found is None:  # killed before anything was written down: what is there is not worth keeping
                for path in folder.glob("*.*"):
                    path.unlink()
                continue
            head = found
            known.append(pieces)
    if head is None:
        return 0, known, True
    straight = folder.with_name("straight")
    straight.mkdir()
    journal = Journal(straight / "disk.resume")
    journal.append("head", head)
    journal.close()
    _, expected = run(source, straight, resume=True, seconds=None)
    names = sorted(path.name for path in folder.glob("*.*") if path.suffix != ".json")
    is_same = names == sorted(path.name for path in straight.glob("*.*") if path.suffix != ".json")
    is_same = is_same and not any(filecmp.cmpfiles(folder, straight, names, shallow=False)[1:])
    is_same = is_same and json.loads(output)["hashes"] == json.loads(expected)["hashes"]
    shutil.rmtree(straight)
    return kills, known, is_same


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--tries", type=int, default=25, help="images that were killed and resumed")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    work = arguments.work / "kills"
    work.mkdir()
    chance = random.Random(arguments.seed)
    try:
        started = time.monotonic()
        (work / "warm").mkdir()
        run(arguments.source, work / "warm", resume=False, seconds=None)
        longest = time.monotonic() - started
        done = same = kills = 0
        print("| try | kills | MiB known at each kill | equal to a run in one go |\n|--:|--:|---|---|")
        while done < arguments.tries:
            folder = work / f"try{done}"
            count, known, is_same = one_try(arguments.source, folder, chance, longest)
            shutil.rmtree(folder)
            if not known:
                continue
            done, same, kills = done + 1, same + is_same, kills + count
            print(f"| {done} | {count} | {', '.join(map(str, known))} | {'yes' if is_same else 'NO'} |", flush=True)
        print(f"\n{done} images, {kills} kills, {same} equal")
    finally:
        shutil.rmtree(work)
    sys.exit(0 if same == done else 1)


if __name__ == "__main__":
    main()
