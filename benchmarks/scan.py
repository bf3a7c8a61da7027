"""The whole `triage scan` against bulk_extractor on the same image, in turn: time, CPU and recall on planted numbers.

    python benchmarks/scan.py FOLDER --bulk-extractor PATH
    python benchmarks/scan.py FOLDER --fill-mib 8192 --documents 10000 --rounds 1 --bulk-extractor PATH
    python benchmarks/scan.py FOLDER --bulk-extractor PATH --defaults --defaults-mib 1024

The image comes from `corpus.py` (made once). bulk_extractor runs its scanners find, zip, gzip and pdf with as many
threads as there are processors; with `--defaults` also all its default scanners (`--defaults-mib`: over the first so
many MiB only, compared by MiB/s). It searches for what our raw pass searches for, as far as its search can say it, one
pattern for each encoding (`--one-pattern` joins them, which is faster): its patterns are UTF-8 and end at a zero byte,
so UTF-16 cannot be asked for, and it gives up a page of 16 MiB in which what it found is no UTF-8, so full-width digits
in CP932 and EUC-JP cannot either. Without a bulk_extractor the comparison is left out, which is said. A number counts
as found if its twelve digits are in what the program reports, wherever.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import unicodedata
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import recall
from corpus_disks import MIB

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SCANNERS = ("find", "zip", "gzip", "pdf")
_SEPARATOR = "[ ./\u00a0\uff0d\u2212\u3000\u30fc\u2500\u2010-\u2015-]"


def _written(digit: str, separator: str) -> str:
    """Twelve digits with at most one separator between two."""
    return f"{digit}(?:{separator}?{digit}){{11}}"


PATTERNS = (
    rf"\b{_written('[0-9]', _SEPARATOR)}\b",
    _written("[０-９]", _SEPARATOR),
    _written("#[0-9]", "![\\]!<>=]"),  # the bytes of ISO-2022-JP
)


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one program over the image."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    reported: int
    """Findings or features."""
    found: frozenset[str]
    """Planted numbers among them."""


def run_triage(folder: Path, name: str) -> Run:
    """`triage scan` into a new case."""
    scanned = recall.scan(folder, name, ())
    hmacs = {line["hmac"] for line in scanned.lines}
    found = frozenset(truth.digits for truth in scanned.truths if scanned.hmac(truth.digits) in hmacs)
    return Run(scanned.wall_s, scanned.cpu_s, scanned.peak_mib, len(scanned.lines), found)


def run_bulk_extractor(
    program: str, image: Path, planted: set[str], scanners: Sequence[str] | None, patterns: Sequence[str]
) -> Run:
    """bulk_extractor with the given scanners, or its default ones and find, into a folder that is removed again."""
    with tempfile.TemporaryDirectory(prefix="bulk_extractor-", dir=image.parent) as work:
        list_file = Path(work) / "patterns.txt"
        list_file.write_text("".join(f"{pattern}\n" for pattern in patterns), encoding="utf-8")
        chosen = ["-e", "find"] if scanners is None else ["-x", "all", *(a for name in scanners for a in ("-e", name))]
        command = [program, *chosen, "-F", str(list_file), "-j", str(os.cpu_count() or 1), "-q", "-0"]
        log = Path(work) / "log.txt"
        with log.open("wb") as output:
            start = time.perf_counter()
            process = subprocess.Popen([*command, "-o", f"{work}/out", str(image)], stdout=output, stderr=output)
            # Its own peak of memory, not that of the biggest child so far.
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            message = f"bulk_extractor ended with {process.returncode}: {log.read_text(errors='replace')[-2000:]}"
            raise RuntimeError(message)
        cpu = usage.ru_utime + usage.ru_stime
        features = list(read_features(Path(work) / "out" / "find.txt"))
    found = {digits for feature in features for digits in digits_of(feature)}
    return Run(wall, cpu, usage.ru_maxrss / 1024, len(features), frozenset(found & planted))


def beginning_of(image: Path, size_mib: int) -> Path:
    """The first MiBs of an image as a file of its own (sparse, made once)."""
    part = image.with_suffix(f".{size_mib}.dd")
    if not part.exists():
        with image.open("rb") as source, part.open("xb") as target:
            for _ in range(size_mib):
                block = source.read(MIB)
                if block.strip(b"\0"):
                    target.write(block)
                else:
                    target.seek(len(block), os.SEEK_CUR)
            target.truncate(min(size_mib * MIB, image.stat().st_size))
    return part


def read_features(path: Path) -> Iterable[bytes]:
    """The second column of a feature file, its escapes undone."""
    with path.open("rb") as lines:
        for line in lines:
            if line.startswith(b"#") or line.count(b"\t") < 1:
                continue
            feature = line.rstrip(b"\n").split(b"\t")[1]
            feature = re.sub(rb"\\x([0-9A-Fa-f]{2})", lambda match: bytes([int(match[1], 16)]), feature)
            yield re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8) & 0xFF]), feature)


def digits_of(feature: bytes) -> Iterable[str]:
    """The digits in a feature, if they are twelve."""
    digits = re.sub(r"\D", "", unicodedata.normalize("NFKC", feature.decode("utf-8", "replace")))
    if len(digits) == 12:
        yield digits


def show(name: str, runs: Sequence[Run], size: int, planted: int) -> dict[str, Any]:
    """Print one line for a program; return its figures."""
    wall, cpu = (statistics.median(getattr(run, field) for run in runs) for field in ("wall_s", "cpu_s"))
    # Of our first run: later ones are measured together with everything that ran before.
    peak, last = runs[0].peak_mib, runs[-1]
    print(
        f"{name:44} {wall:8.1f} s {size / MIB / wall:8.1f} MiB/s {cpu:8.1f} CPU s {peak:6.0f} MiB"
        f"   {len(last.found)} of {planted} numbers in {last.reported} reports",
        flush=True,
    )
    figures = {"wall_s": wall, "cpu_s": cpu, "peak_mib": peak, "found": len(last.found), "reported": last.reported}
    return figures | {"mib_s": size / MIB / wall}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--bulk-extractor", metavar="PATH", default="bulk_extractor", help="the program to compare with"
    )
    parser.add_argument("--defaults", action="store_true", help="also its default scanners")
    parser.add_argument("--defaults-mib", type=int, default=0, metavar="N", help="those over the first N MiB only")
    parser.add_argument("--one-pattern", action="store_true", help="ask it for all encodings in one pattern")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fs", choices=("ntfs", "ext4", "fat32"), default="ntfs")
    parser.add_argument("--documents", type=int, default=0)
    parser.add_argument("--fill-mib", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    name = f"{given.fs}-{given.seed}"
    image = given.folder / f"{name}.dd"
    if not image.exists():
        given.folder.mkdir(parents=True, exist_ok=True)
        # In a process of its own: the peak of a child's memory begins with the size of its parent.
        sizes = ("--documents", str(given.documents), "--fill-mib", str(given.fill_mib))
        maker = Path(__file__).with_name("corpus.py")
        command = [sys.executable, str(maker), str(given.folder), "--seed", str(given.seed), "--fs", given.fs, *sizes]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    truths, decoys = recall.read_truth(given.folder, name)
    documents = len({one.path for one in (*truths, *decoys) if one.path})
    planted = {truth.digits for truth in truths}
    size = image.stat().st_size
    program = shutil.which(given.bulk_extractor)
    others: dict[str, Sequence[str] | None] = {}
    if program:
        others = {f"bulk_extractor, {' + '.join(SCANNERS)}": SCANNERS}
        if given.defaults:
            others["bulk_extractor, default scanners + find"] = None
    else:
        print(f"not compared: no program {given.bulk_extractor} (give its path with --bulk-extractor)")
    print(f"{image.name}: {size / MIB:.0f} MiB, {os.cpu_count()} processors; medians of {given.rounds}", flush=True)
    patterns = ("|".join(PATTERNS),) if given.one_pattern else PATTERNS
    runs: dict[str, list[Run]] = {"triage scan": [], **{other: [] for other in others}}
    sizes = {"triage scan": size}
    for _ in range(given.rounds):
        runs["triage scan"].append(run_triage(given.folder, name))
        for other, scanners in others.items():
            source = beginning_of(image, given.defaults_mib) if scanners is None and given.defaults_mib else image
            sizes[other] = source.stat().st_size
            runs[other].append(run_bulk_extractor(program or "", source, planted, scanners, patterns))
    result: dict[str, Any] = {other: show(other, done, sizes[other], len(planted)) for other, done in runs.items()}
    ours = result["triage scan"]
    print(
        f"{documents} planted documents among the files: {documents / ours['wall_s']:.0f} documents/s, "
        f"{1000 * ours['cpu_s'] / max(documents, 1):.1f} CPU ms a document, all other work included"
    )
    for other in others:
        share = size / sizes[other]
        wall, cpu = (result[other][figure] * share / ours[figure] for figure in ("wall_s", "cpu_s"))
        if share > 1:
            print(f"({other} read {sizes[other] / MIB:.0f} MiB only: compared by MiB/s)")
        print(f"triage scan against {other}: {wall:.1f} times as fast, 1/{cpu:.1f} of the CPU time")
        only = runs[other][-1].found - runs["triage scan"][-1].found
        kinds = Counter(truth.kind for truth in truths if truth.digits in only)
        print(f"  found by it and not by us: {len(only)} {dict(kinds) or ''}")
        result[other] |= {"times_as_fast": wall, "cpu_ratio": cpu, "only_it": dict(kinds)}
    missed = Counter(truth.kind for truth in truths if truth.digits not in runs["triage scan"][-1].found)
    print(f"missed by triage scan, by kind: {dict(missed)}")
    if given.json:
        given.json.write_text(json.dumps(result | {"missed": dict(missed)}, ensure_ascii=False, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
