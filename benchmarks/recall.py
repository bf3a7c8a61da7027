"""Recall and precision of `triage scan` on generated images: by kind of place, by state, by confidence.

    python benchmarks/recall.py FOLDER --seeds 1,2,3 --fs ntfs,ext4,fat32

Makes the images with `corpus.py` where they are not there yet, scans each into a new case in FOLDER, and matches
findings to the truth by the HMAC of the numbers, so that clear values of findings are not needed; `triage reveal` is
then asked for all of them, and every revealed value must have the HMAC of its line. Writes `recall.json` (everything
by kind), `recall.md` (tables) and `misses.md` (each miss and each false alarm with its place) to FOLDER.

A finding is right if its number was planted, wherever it lies: the same bytes in a journal are no false alarm.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import mmap
import os
import resource
import shutil
import subprocess
import sys
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import corpus
from corpus_numbers import FULLWIDTH, grouped, mask
from corpus_places import Decoy, Truth

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from corpus_disks import Kind

ROOT = Path(__file__).resolve().parents[1]
PR_SET_CHILD_SUBREAPER = 36
CONFIDENCES = ("high", "medium", "low")
Line = dict[str, Any]


@dataclass(slots=True)
class Scanned:
    """One scanned image: what it held, what was found, what it cost."""

    name: str
    image: Path
    truths: list[Truth]
    decoys: list[Decoy]
    lines: list[Line]
    coverage: list[Line]
    hmac: Callable[[str], str]
    wall_s: float
    cpu_s: float
    peak_mib: float
    exit_code: int
    revealed: int = 0
    reveal_wrong: int = 0


def read_truth(folder: Path, name: str) -> tuple[list[Truth], list[Decoy]]:
    """Truth and decoys of the image `name`."""

    def lines(ending: str) -> list[Line]:
        text = (folder / f"{name}.{ending}.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    return [Truth(**line) for line in lines("truth")], [Decoy(**line) for line in lines("decoys")]


def read_lines(path: Path) -> list[Line]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def _adopt_orphans() -> None:
    """Become the parent of what our children leave behind: the time of the server of workers must be counted too."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _wait_for_orphans() -> None:
    with contextlib.suppress(ChildProcessError):
        while sys.platform == "linux":
            os.waitpid(-1, 0)


def run_triage(arguments: Sequence[str], config: Path) -> tuple[int, float, float, float]:
    """Run `triage`; exit code, wall seconds, CPU seconds, peak of the biggest process in MiB so far."""
    _adopt_orphans()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", "from triage.cli import main; main()", *arguments],
        cwd=ROOT,
        env=dict(os.environ, HOZEN_CONFIG_HOME=str(config), LC_ALL="C.UTF-8"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    wall = time.perf_counter() - start
    _wait_for_orphans()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 3):
        print(done.stdout[-2000:], done.stderr[-4000:], sep="\n", file=sys.stderr)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return done.returncode, wall, cpu, after.ru_maxrss / 1024


def scan(folder: Path, name: str, extra: Sequence[str]) -> Scanned:
    """Scan the image `name` into a new case and read what was found."""
    sys.path.insert(0, str(ROOT))
    from chain_of_custody import open_case  # noqa: PLC0415 - only when scanning

    image, case, config = folder / f"{name}.dd", folder / f"{name}.case", folder / "config"
    if case.exists():
        shutil.rmtree(case)
    # Pictures are measured apart: reading one takes as long as searching a gibibyte.
    command = ["scan", str(image), "--case", str(case), "--ocr", "off", *extra]
    exit_code, wall, cpu, peak = run_triage(command, config)
    found = sorted(case.glob("scans/*/findings.jsonl"))
    if not found:
        raise RuntimeError(f"{name}: the scan wrote no findings (exit code {exit_code})")
    truths, decoys = read_truth(folder, name)
    lines = [line for line in read_lines(found[-1]) if line["kind"] == "my_number"]
    os.environ["HOZEN_CONFIG_HOME"] = str(config)
    with open_case(case) as opened:
        secret = opened.number_hmac
        secret("0" * 12)
        hmacs = {digits: secret(digits) for digits in _all_values(truths, decoys)}
    scanned = Scanned(
        name, image, truths, decoys, lines, read_lines(found[-1].with_name("coverage.jsonl")), hmacs.__getitem__,
        wall, cpu, peak, exit_code,
    )  # fmt: skip
    _check_reveal(scanned, found[-1], folder / f"{name}.revealed.jsonl", config)
    return scanned


def _all_values(truths: Sequence[Truth], decoys: Sequence[Decoy]) -> set[str]:
    values = {truth.digits for truth in truths}
    for decoy in decoys:
        values.update(_windows(decoy.digits))
    return values


def _windows(digits: str) -> list[str]:
    """Any twelve in a row; of eleven, with the zero that a reader might put in front."""
    return [digits[start : start + 12] for start in range(len(digits) - 11)] or [digits.rjust(12, "0")]


def _check_reveal(scanned: Scanned, findings: Path, out: Path, config: Path) -> None:
    """Ask for every value; count those that come and those that are not the number of their line."""
    out.unlink(missing_ok=True)
    run_triage(["reveal", "--findings", str(findings), "--reason", "benchmark", "--out", str(out)], config)
    by_hmac = {scanned.hmac(value): value for value in _all_values(scanned.truths, scanned.decoys)}
    for line in read_lines(out):
        if line.get("value"):
            scanned.revealed += 1
            expected = by_hmac.get(line["hmac"])
            scanned.reveal_wrong += expected is not None and expected != line["value"]


@dataclass(slots=True)
class Cell:
    """Counts for one kind, state or written form."""

    planted: int = 0
    found: int = 0
    sure: int = 0
    """Found with at least the confidence that is expected."""
    state_right: int = 0
    path_right: int = 0

    def add(self, *, found: bool, sure: bool, state: bool, path: bool) -> None:
        """Count one planted number."""
        self.planted += 1
        self.found += found
        self.sure += sure
        self.state_right += state
        self.path_right += path


@dataclass(slots=True)
class Outcome:
    """Everything counted, over all images."""

    kinds: dict[str, Cell] = field(default_factory=lambda: defaultdict(Cell))
    states: dict[str, Cell] = field(default_factory=lambda: defaultdict(Cell))
    written: dict[str, Cell] = field(default_factory=lambda: defaultdict(Cell))
    total: Cell = field(default_factory=Cell)
    right: Counter[str] = field(default_factory=Counter)
    false: Counter[str] = field(default_factory=Counter)
    false_kinds: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    decoys: Counter[str] = field(default_factory=Counter)
    offsets_checked: int = 0
    offsets_wrong: int = 0
    notes: list[str] = field(default_factory=list)


def judge(scanned: Scanned, outcome: Outcome) -> None:
    """Match one scan's findings to the truth."""
    by_hmac: dict[str, list[Line]] = defaultdict(list)
    for line in scanned.lines:
        by_hmac[line["hmac"]].append(line)
    planted = {scanned.hmac(truth.digits) for truth in scanned.truths}
    for truth in scanned.truths:
        lines = by_hmac.get(scanned.hmac(truth.digits), [])
        enough = CONFIDENCES[: CONFIDENCES.index(truth.minimum) + 1]
        states = truth.state.split("|")
        best = min((CONFIDENCES.index(line["confidence"]) for line in lines), default=9)
        marks = {
            "found": bool(lines),
            "sure": any(line["confidence"] in enough for line in lines),
            "state": any(line["state"] in states for line in lines),
            "path": any(_same_place(truth, line) for line in lines),
        }
        for cell in (
            outcome.kinds[truth.kind],
            outcome.states[truth.state],
            outcome.written[truth.written],
            outcome.total,
        ):
            cell.add(**marks)
        if not all(marks.values()):
            got = ", ".join(
                f"{line['confidence']} {line['state']} {line['path']} {line['container']}".strip() for line in lines[:3]
            )
            outcome.notes.append(
                f"- {scanned.name} · **{truth.kind}** · {mask(truth.digits)} · {truth.written} · {truth.encoding} · "
                f"`{_masked_path(truth)}` {truth.container} · {truth.state} · wants {truth.minimum}, "
                + (f"best {CONFIDENCES[best]}: {got}" if lines else "NOT FOUND"),
            )
    for decoy in scanned.decoys:
        outcome.decoys[decoy.kind] += 1
    decoy_of = {scanned.hmac(value): decoy for decoy in scanned.decoys for value in _windows(decoy.digits)}
    with scanned.image.open("rb") as stream:
        media = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    truth_of = {scanned.hmac(truth.digits): truth for truth in scanned.truths}
    for line in scanned.lines:
        if line["hmac"] in planted:
            outcome.right[line["confidence"]] += 1
            truth = truth_of[line["hmac"]]
            if line["offset"] is not None and not truth.written.startswith(ESCAPED):
                outcome.offsets_checked += 1
                if not lies_at(media, line["offset"], truth.digits):
                    outcome.offsets_wrong += 1
                    outcome.notes.append(
                        f"- {scanned.name} · OFFSET {line['offset']} does not hold {line['masked']} "
                        f"({line['encoding']}, {line['state']}, `{line['path']}` {line['container']})",
                    )
            continue
        bait = decoy_of.get(line["hmac"])
        kind = bait.kind if bait else f"other content: {Path(line['path']).suffix or line['state']}"
        outcome.false[line["confidence"]] += 1
        outcome.false_kinds[line["confidence"]][kind] += 1
        if line["confidence"] != "low":
            outcome.notes.append(
                f"- {scanned.name} · FALSE {line['confidence']} · **{kind}** · {line['masked']} · {line['state']} · "
                f"`{line['path']}` {line['container']} {line['location']} · {'; '.join(line['reasons'])}",
            )


def _masked_path(truth: Truth) -> str:
    written = grouped(truth.digits, "-")
    return truth.path.replace(truth.digits, mask(truth.digits)).replace(written, f"****-****-{truth.digits[-4:]}")


def _same_place(truth: Truth, line: Line) -> bool:
    """Whether a finding names the right file and, inside it, the right member."""
    if not truth.path:
        return True
    path = line["path"] if line["path"].startswith("/") else f"/{line['path']}"
    return path == _masked_path(truth) and (truth.container in line["container"] or not truth.container)


ESCAPED = ("JSON", "XML", "HTML", "RTF", "kanji", "one digit per", "mail", "mbox", "csv cell")
"""Written forms whose bytes are not simply the digits with separators: their offsets are not checked."""


def lies_at(media: bytes | mmap.mmap, offset: int, digits: str) -> bool:
    """Whether the bytes at `offset` read as `digits` in some encoding, separators left out.

    At the end of a sector a part is enough: the number may go on in another fragment, and in an MFT record the last
    two bytes of a sector hold a sequence number.
    """
    left = 510 - offset % 512
    # A digit takes up to three bytes, with a separator behind each fourth one.
    if _reads(media[offset : offset + 160], digits[: max(1, left // 4)] if 0 < left < 40 else digits):
        return True
    rest = media[offset + 2 + left : offset + 162 + left]
    return left <= 0 and any(_reads(rest, digits[lost:]) for lost in (1, 2))


def _reads(piece: bytes, digits: str) -> bool:
    """Whether `piece` starts with `digits` in some encoding; leading zeros may be lost."""
    back = {"0123456789".translate(FULLWIDTH)[value]: str(value) for value in range(10)}
    for encoding in ("utf-8", "utf-16-le", "utf-16-be", "cp932", "euc_jp", "latin-1", "iso2022_jp"):
        start = b"\x1b$B" if encoding == "iso2022_jp" else b""
        text = (start + piece).decode(encoding, errors="replace")
        read = "".join(back.get(each, each) for each in text if each in back or (each.isascii() and each.isdigit()))
        if read.startswith((digits, digits.lstrip("0") or "0")):
            return True
    return False


def report(outcome: Outcome, scans: Sequence[Scanned]) -> tuple[dict[str, Any], str]:
    """The whole as JSON and as Markdown."""

    def ratio(part: int, whole: int) -> str:
        return f"{100 * part / whole:.1f} %" if whole else "–"

    def table(title: str, cells: dict[str, Cell]) -> str:
        rows = [
            f"| {title} | planted | found | with enough confidence | state right | place right |",
            "|---|--:|--:|--:|--:|--:|",
        ]
        for name, cell in cells.items():
            mark = "" if cell.found == cell.planted else " **miss**"
            shares = (cell.found, cell.sure, cell.state_right, cell.path_right)
            rows.append(
                f"| {name}{mark} | {cell.planted} | {' | '.join(ratio(each, cell.planted) for each in shares)} |"
            )
        return "\n".join(rows) + "\n"

    precision = ["| confidence | findings | of planted numbers | false | precision |", "|---|--:|--:|--:|--:|"]
    for confidence in CONFIDENCES:
        right, false = outcome.right[confidence], outcome.false[confidence]
        precision.append(f"| {confidence} | {right + false} | {right} | {false} | {ratio(right, right + false)} |")
    alarms = ["| confidence | kind of decoy | false alarms | planted decoys |", "|---|---|--:|--:|"]
    for confidence in CONFIDENCES:
        for kind, count in outcome.false_kinds[confidence].most_common():
            alarms.append(f"| {confidence} | {kind} | {count} | {outcome.decoys[kind] or '–'} |")
    runs = [
        "| image | bytes | numbers | decoys | exit | wall s | CPU s | revealed | wrong |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    runs += [
        f"| {each.name} | {each.image.stat().st_size:,} | {len(each.truths)} | {len(each.decoys)} | {each.exit_code} "
        f"| {each.wall_s:.1f} | {each.cpu_s:.1f} | {each.revealed} of {len(each.lines)} | {each.reveal_wrong} |"
        for each in scans
    ]
    text = "\n\n".join(
        (
            "# Recall and precision of `triage scan`",
            "\n".join(runs),
            f"Offsets checked: {outcome.offsets_checked}, wrong: {outcome.offsets_wrong}.",
            "## Precision",
            "\n".join(precision),
            "## False alarms by kind",
            "\n".join(alarms),
            "## Recall by state",
            table("state", {**dict(sorted(outcome.states.items())), "all": outcome.total}),
            "## Recall by kind",
            table("kind", outcome.kinds),
            "## Recall by written form",
            table("written", dict(sorted(outcome.written.items()))),
        ),
    )

    def plain(cells: dict[str, Cell]) -> dict[str, Any]:
        return {name: {slot: getattr(cell, slot) for slot in Cell.__slots__} for name, cell in cells.items()}

    data = {
        "images": [
            {
                "name": each.name, "bytes": each.image.stat().st_size, "numbers": len(each.truths),
                "decoys": len(each.decoys), "exit_code": each.exit_code, "wall_s": each.wall_s, "cpu_s": each.cpu_s,
                "peak_mib": each.peak_mib, "findings": len(each.lines), "coverage_lines": len(each.coverage),
                "revealed": each.revealed, "reveal_wrong": each.reveal_wrong,
            }
            for each in scans
        ],
        "right": dict(outcome.right),
        "false": dict(outcome.false),
        "false_by_kind": {confidence: dict(kinds) for confidence, kinds in outcome.false_kinds.items()},
        "offsets_checked": outcome.offsets_checked,
        "offsets_wrong": outcome.offsets_wrong,
        "total": plain({"all": outcome.total})["all"],
        "kinds": plain(outcome.kinds),
        "states": plain(outcome.states),
        "written": plain(outcome.written),
    }  # fmt: skip
    return data, text


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--fs", default="ntfs,ext4,fat32")
    parser.add_argument("--documents", type=int, default=0)
    parser.add_argument("--decoys", type=int, default=8000)
    parser.add_argument("--fill-mib", type=int, default=0)
    parser.add_argument("--scan-option", action="append", default=[], help="passed on to triage scan (repeatable)")
    given = parser.parse_args()
    folder = given.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    outcome, scans = Outcome(), []
    for seed in map(int, given.seeds.split(",")):
        for filesystem in given.fs.split(","):
            name = f"{filesystem}-{seed}"
            try:
                if not (folder / f"{name}.decoys.jsonl").exists():
                    corpus.build(
                        folder, seed, cast("Kind", filesystem), documents=given.documents, decoys=given.decoys,
                        fill_mib=given.fill_mib,
                    )  # fmt: skip
                scanned = scan(folder, name, given.scan_option)
            except RuntimeError as error:
                print(error, file=sys.stderr)
                return 1
            judge(scanned, outcome)
            scans.append(scanned)
            print(f"{name}: {len(scanned.lines)} findings in {scanned.wall_s:.1f} s", file=sys.stderr, flush=True)
    data, text = report(outcome, scans)
    (folder / "recall.json").write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    (folder / "recall.md").write_text(text, encoding="utf-8")
    (folder / "misses.md").write_text("\n".join(outcome.notes) + "\n", encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
