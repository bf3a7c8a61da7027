"""Speed of the ledger: append against a bare fdatasync'd write on the same disk, and verification.

python benchmarks/custody.py [--folder DIR] [--entries N] [--appends N]

Append and bare write alternate in blocks, so that a disk that gets slower meanwhile slows both.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
import tracemalloc
from pathlib import Path
from unittest import mock

from chain_of_custody import clock, init_case, ledger, open_case
from chain_of_custody.verify import verify_case

BODY = {
    "path": "/Users/山田/Documents/給与一覧.xlsx",
    "offset": "123456789",
    "size": "1048576",
    "layers": "e01:disk.E01|gpt:2|ntfs",
}


def append_against_bare_write(folder: Path, appends: int) -> tuple[float, float]:
    """Median seconds of one append and of one bare write of the same size with fdatasync."""
    block = 50
    ours: list[float] = []
    bare: list[float] = []
    with init_case(folder / "append") as case:
        line = case.append("note", BODY).line + b"\n"
        descriptor = os.open(folder / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for _ in range(max(1, appends // block)):
            for _ in range(block):
                start = time.perf_counter()
                case.append("note", BODY)
                ours.append(time.perf_counter() - start)
            for _ in range(block):
                start = time.perf_counter()
                os.write(descriptor, line)
                os.fdatasync(descriptor)
                bare.append(time.perf_counter() - start)
        os.close(descriptor)
    return statistics.median(ours), statistics.median(bare)


def _no_wait(_descriptor: int) -> None:
    """Stands for the sync where the disk does not matter."""


def grow(folder: Path, entries: int) -> Path:
    """A case of `entries` entries, made without waiting for the disk."""
    path = folder / "long"
    with mock.patch.object(ledger, "_sync", _no_wait), init_case(path) as case:
        for _ in range(entries - 2):
            case.append("note", BODY)
    return path


def _processor_seconds() -> float:
    """Of this process and of those it started and waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def verification(path: Path, processes: int) -> tuple[float, float]:
    """Wall and processor seconds of one verification."""
    wall, processor = time.perf_counter(), _processor_seconds()
    result = verify_case(path, processes=processes)
    assert result.verdict == "ok", result.findings
    return time.perf_counter() - wall, _processor_seconds() - processor


def append_memory(path: Path) -> int:
    """Peak bytes allocated by opening a long case and appending ten entries."""
    tracemalloc.start()
    with open_case(path) as case:
        for _ in range(10):
            case.append("note", BODY)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where to write (default: a temporary folder)")
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--appends", type=int, default=2_000)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=arguments.folder))
    os.environ["HOZEN_CONFIG_HOME"] = str(folder / "config")
    try:
        ours, bare = append_against_bare_write(folder, arguments.appends)
        print(f"append                {ours * 1e6:8.0f} us   {1 / ours:8.0f} /s   (median of {arguments.appends})")
        print(f"bare fdatasync'd write{bare * 1e6:8.0f} us   ratio {ours / bare:.2f}")
        start = time.perf_counter()
        path = grow(folder, arguments.entries)
        print(f"append without sync   {(time.perf_counter() - start) / arguments.entries * 1e6:8.0f} us")
        print(
            f"ledger                {(path / 'ledger.jsonl').stat().st_size / 1e6:8.1f} MB, {arguments.entries} entries"
        )
        for processes in (1, 2):
            wall, processor = verification(path, processes)
            print(
                f"verify, {processes} process(es)   {wall:8.2f} s    {arguments.entries / wall:8.0f} /s wall, "
                f"{arguments.entries / processor:8.0f} /s of processor time"
            )
        print(f"append to it: peak    {append_memory(path) / 1e6:8.2f} MB of Python objects")
        assert clock.now().time_ns
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
