"""Kill -9 of `triage scan` at random moments, resume, compare byte for byte with a scan made in one go.

    python benchmarks/scan_kills.py WORK IMAGE... --tries 25

Each try scans one of the images (in turn; take some with media inside) and kills the scan up to three times, each time
at a random moment; then it is resumed to its end. Findings and coverage must equal those of the scan in one go. WORK
is a new folder.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAMES = ("findings.jsonl", "coverage.jsonl")


def scan(image: Path, work: Path, out: Path, *, resume: bool, seconds: float | None) -> bool:
    """Scan into `out`, killed after `seconds` if it still runs; whether it came to its end."""
    command = [sys.executable, "-c", "from triage.cli import main; main()", "scan", str(image)]
    command += ["--case", str(work / "c.case"), "--out", str(out), "--ocr", "off", *(["--resume"] if resume else [])]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOZEN_CONFIG_HOME": str(work / "config")}
    quiet = subprocess.DEVNULL
    child = subprocess.Popen(
        command, env=environment, cwd=ROOT, stdin=quiet, stdout=quiet, stderr=subprocess.PIPE, text=True
    )
    try:
        _, errors = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        return False
    if child.returncode not in (0, 1, 3):
        sys.exit(f"exit code {child.returncode}: {errors[-1000:]}")
    return True


def finished_units(out: Path) -> int:
    """Units whose results are on the disk, of the source and of the media inside it."""
    return sum(path.read_bytes().count(b"\n") for path in out.rglob("tasks.jsonl"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("images", type=Path, nargs="+")
    parser.add_argument("--tries", type=int, default=25)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    work: Path = given.work.resolve()
    work.mkdir(parents=True)
    chance = random.Random(given.seed)
    longest = []
    for number, image in enumerate(given.images):
        started = time.monotonic()
        scan(image, work, work / f"straight{number}", resume=False, seconds=None)
        longest.append(time.monotonic() - started)
    print("| try | image | finished units at each kill | equal to a scan in one go |\n|--:|---|---|---|")
    equal = kills = 0
    for turn in range(given.tries):
        which = turn % len(given.images)
        image, out = given.images[which], work / f"try{turn}"
        known: list[int] = []
        while True:
            resume = (out / "state" / "plan.json").is_file()
            if not resume:
                # Killed before there was a state (or while it was taken away again: then the results are complete).
                shutil.rmtree(out, ignore_errors=True)
            seconds = chance.uniform(0.2, longest[which]) if len(known) < 3 else None
            if scan(image, work, out, resume=resume, seconds=seconds):
                break
            known.append(finished_units(out))
        same = (
            all((out / name).read_bytes() == (work / f"straight{which}" / name).read_bytes() for name in NAMES)
            and not (out / "state").exists()
        )
        equal, kills = equal + same, kills + len(known)
        print(f"| {turn + 1} | {image.name} | {', '.join(map(str, known))} | {'yes' if same else 'NO'} |", flush=True)
        shutil.rmtree(out)
    print(f"\n{given.tries} scans, {kills} kills, {equal} equal")
    return 0 if equal == given.tries else 1


if __name__ == "__main__":
    sys.exit(main())
