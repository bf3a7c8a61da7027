"""Damaged copies of real files, read as a scan reads them: in children with limits, judged, nothing clear in what is said.

    python -m tests.fuzz.file_fuzzer 20000 --seed 7

The files are those of the corpus (`benchmarks/corpus.py`: written by LibreOffice's formats' writers, SQLite, qemu-img and
the like), the documents under tests/data, and the formats that only tests write. Each mutant depends on its number and the
seed alone.
"""

from __future__ import annotations

import argparse
import lzma
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [path for path in (str(ROOT), str(ROOT / "benchmarks")) if path not in sys.path]

from preserve.workers import Failure, Pool  # noqa: E402 - after the path

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SECONDS = 20.0
"""Soft limit for one file; the child is killed some time later."""
LARGEST = 300_000
"""Bytes of a file that is worth the time."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A damaged file for a child."""

    number: int
    name: str
    data: bytes = field(repr=False)
    seconds: float = SECONDS * 2


@dataclass(frozen=True, slots=True)
class Outcome:
    """What reading it gave."""

    found: int
    problems: tuple[tuple[str, str], ...]
    seconds: float


@cache
def seeds() -> tuple[tuple[str, bytes], ...]:
    """Names and contents of the sound files, one of each kind and ending."""
    import corpus

    chosen: dict[str, tuple[str, bytes]] = {}
    for file in corpus.plan(77, "ntfs", documents=0, decoys=300).files:
        name = file.path.rpartition("/")[2].partition(":")[0]
        data = file.content()
        if 0 < len(data) <= LARGEST:
            chosen.setdefault(f"{name.partition('_')[0]}.{name.rpartition('.')[2]}", (name, data))
    for path in sorted((ROOT / "tests" / "data" / "documents").iterdir()):
        data = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
        if len(data) <= LARGEST:
            chosen[path.name] = (path.name.removesuffix(".xz"), data)
    return tuple(chosen.values())


def damaged(data: bytes, dice: random.Random) -> bytes:
    """A copy with bytes changed, set to extremes, removed, repeated, moved, or its end cut off."""
    copy = bytearray(data)
    kind = dice.randrange(6)
    for _ in range(dice.choice((1, 1, 2, 4, 16, 64))):
        at = dice.randrange(max(1, len(copy)))
        # Headers decide more than what follows.
        at = at if dice.random() < 0.6 else dice.randrange(max(1, min(len(copy), 600)))
        match kind:
            case 0:
                copy[at : at + 1] = bytes((dice.randrange(256),))
            case 1:
                copy[at : at + 4] = dice.choice((bytes(4), b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80"))
            case 2:
                del copy[at : at + dice.randrange(1, 64)]
            case 3:
                other = dice.randrange(max(1, len(copy)))
                copy[at:at] = copy[other : other + dice.randrange(1, 300)]
            case 4:
                other = dice.randrange(max(1, len(copy)))
                size = dice.randrange(1, 64)
                copy[at : at + size] = copy[other : other + size]
            case _:
                del copy[max(at, 16) :]
    return bytes(copy) or b"x"


def mutant(number: int, seed: int) -> Mutant:
    """Mutant `number` of run `seed`."""
    dice = random.Random(f"{seed} {number}")
    files = seeds()
    name, data = files[number % len(files)]
    return Mutant(number, name, damaged(data, dice))


def start_reader(seconds: float) -> Callable[[Mutant], Outcome]:
    """What a child calls once."""
    from triage.extractors import extract_all
    from triage.extractors.model import BytesSource, Context, Limits, Problem
    from triage.judge import Judge
    from triage.text import Text

    def read(task: Mutant) -> Outcome:
        started = time.monotonic()
        judge = Judge()
        problems: list[tuple[str, str]] = []
        for item in extract_all(BytesSource(task.data, task.name), Context(Limits(seconds=seconds), ("password",))):
            if isinstance(item, Text):
                judge.feed(item)
            elif isinstance(item, Problem):
                problems.append((item.reason, item.en))
        found = sum(1 for _ in judge.finish())
        return Outcome(found, tuple(problems), time.monotonic() - started)

    return read


@dataclass(slots=True)
class Tally:
    """Counts of a run; `unexpected` are exceptions that an extractor does not know, `slow` those beyond the limit."""

    read: int = 0
    with_problems: int = 0
    found: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    slow: list[str] = field(default_factory=list)
    spoken: list[str] = field(default_factory=list)
    """Lines of the coverage that hold twelve digits in a row."""
    slowest: float = 0.0


def run(numbers: Sequence[int], seed: int, *, jobs: int = 1) -> Tally:
    """Read all mutants `numbers` in children."""
    tally = Tally()
    with Pool(start_reader, SECONDS, jobs) as pool:
        for task, outcome in pool.run(mutant(number, seed) for number in numbers):
            tally.read += 1
            if isinstance(outcome, Failure):
                tally.failures.append(f"{task.number} {task.name}: {outcome.kind} {outcome.detail}")
                continue
            tally.found += outcome.found
            tally.with_problems += bool(outcome.problems)
            tally.slowest = max(tally.slowest, outcome.seconds)
            if outcome.seconds > SECONDS + 5:
                tally.slow.append(f"{task.number} {task.name}: {outcome.seconds:.1f} s")
            for reason, words in outcome.problems:
                tally.reasons[reason] += 1
                if "error while reading" in words:
                    tally.unexpected.append(f"{task.number} {task.name}: {words}")
                run_of = max(
                    (len(part) for part in "".join(c if c.isdigit() else " " for c in words).split()), default=0
                )
                if run_of >= 12:
                    tally.spoken.append(f"{task.number} {task.name}")
    return tally


def main() -> int:
    """Fuzz on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    tally = run(range(given.count), given.seed, jobs=given.jobs)
    print(f"{tally.read} read of {len(seeds())} files, {tally.with_problems} with problems {dict(tally.reasons)},")
    print(f"{tally.found} numbers found, slowest {tally.slowest:.1f} s")
    for title in ("failures", "unexpected", "slow", "spoken"):
        lines = getattr(tally, title)
        print(f"{title}: {len(lines)}", *lines[:50], sep="\n  ")
    return 1 if tally.unexpected or tally.slow or tally.spoken else 0


if __name__ == "__main__":
    sys.exit(main())
