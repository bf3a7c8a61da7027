"""Imaging beside its peers: speed, memory, cost per GiB, bad sectors. Writes Markdown tables.

```
python benchmarks/imaging.py source  WORK/source.bin --gib 3      # 40 % random, 30 % system files, 30 % zeros
python benchmarks/imaging.py speed   WORK/source.bin WORK --ewf-new DIR     # alternating with the peers; needs root
python benchmarks/imaging.py verify  WORK/source.bin WORK --ewf-new DIR
python benchmarks/imaging.py scaling WORK                         # 1 to 32 GiB, sparse; needs root
python benchmarks/imaging.py large   WORK --ewf-new DIR           # past 2 TiB, past .E99, tables past 4 GiB; 8 min
python benchmarks/imaging.py deflate WORK/source.bin              # the same bytes each time? 14 processes, 3 threads
python benchmarks/imaging.py bad     WORK                         # 69 bad of 131,072 sectors; needs root, FUSE, mfusepy
```
`--ewf-new` is a folder with the newest ewfacquire and ewfverify; peers that are not installed are left out and named.
Sources lie in the page cache and under a read-only loop device; every run reads the whole of it and syncs what it
wrote. Rounds alternate, so that a busy machine hits all alike; the median is shown.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MIB = 1 << 20
GIB = 1 << 30
TIB = 1 << 40
_IMAGE = """
import sys
from pathlib import Path
from preserve.acquire import acquire
from preserve.request import Request, Target, format_of
source, target, compression, hashes, verify = sys.argv[1:6]
targets = tuple(Target(Path(one), format_of(Path(one))) for one in target.split(","))
result = acquire(Request(Path(source), targets, compression=compression, algorithms=tuple(hashes.split(",")),
                verify=verify == "verify"))
sys.exit(3 if result.unreadable else 0)
"""
_VERIFY = """
import sys
from preserve.image import open_image
from preserve.verify import hash_image
with open_image(sys.argv[1]) as image:
    assert hash_image(image, sys.argv[2].split(","))["md5"] == image.stored_hashes["md5"]
"""
_DEFLATE = """
import hashlib, mmap, sys, threading
from isal import isal_zlib
from preserve.pipeline import CHUNK_SIZE, Encoder
path, most, threads, seed, encoder = sys.argv[1], *map(int, sys.argv[2:5]), Encoder("fast", 0)
plain = sys.argv[5] == "plain"
with open(path, "rb") as file:
    data = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
places = []
for place in range(0, len(data), CHUNK_SIZE):
    chunk = memoryview(data)[place : place + CHUNK_SIZE]
    if len(places) < most and any(chunk[:64]) and len(isal_zlib.compress(chunk[:4096], 1)) < 4000:
        places.append(place)
found = [bytearray(16 * len(places)) for _ in range(threads)]
def work(thread):
    for turn in range(len(places)):
        number = (turn * 7919 + thread * 104729 + seed) % len(places)
        chunk = memoryview(data)[places[number] : places[number] + CHUNK_SIZE]
        stream = isal_zlib.compress(chunk, 1) if plain else encoder._deflate(chunk)
        found[thread][16 * number : 16 * number + 16] = hashlib.md5(stream).digest()
running = [threading.Thread(target=work, args=(thread,)) for thread in range(threads)]
[one.start() for one in running], [one.join() for one in running]
sys.stdout.buffer.write(b"".join(found))
"""


def make_source(path: Path, gib: float) -> None:
    """40 % random, 30 % files of this system, 30 % zeros, in runs of 8 MiB in a fixed order."""
    run = 8 * MIB
    runs = int(gib * GIB) // run
    kinds = ["random"] * (runs * 4 // 10) + ["files"] * (runs * 3 // 10)
    kinds += ["zeros"] * (runs - len(kinds))
    random.Random(1).shuffle(kinds)
    files = _system_files()
    with path.open("wb") as out:
        for kind in kinds:
            out.write(os.urandom(run) if kind == "random" else bytes(run) if kind == "zeros" else _take(files, run))


def _system_files() -> Iterator[bytes]:
    while True:
        for folder in ("/usr/lib", "/usr/bin", "/usr/share"):
            for root, _, names in os.walk(folder):
                for name in sorted(names):
                    path = Path(root, name)
                    if path.is_file() and not path.is_symlink() and os.access(path, os.R_OK):
                        yield path.read_bytes()


def _take(files: Iterator[bytes], size: int) -> bytes:
    parts, total = [], 0
    while total < size:
        parts.append(next(files))
        total += len(parts[-1])
    return b"".join(parts)[:size]


@contextmanager
def loop(path: Path, *options: str) -> Iterator[Path]:
    made = subprocess.run(
        ["losetup", "--find", "--show", "--read-only", *options, str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    device = Path(made.stdout.strip())
    try:
        yield device
    finally:
        subprocess.run(["losetup", "--detach", str(device)], check=True)


def timed(command: list[str], folder: Path) -> tuple[float, float, int]:
    """Wall seconds (the sync of what was written included), CPU seconds and peak KiB of a command."""
    started = time.perf_counter()
    child = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    errors = child.stderr.read() if child.stderr else b""
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    for path in folder.iterdir():
        fd = os.open(path, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)
    wall = time.perf_counter() - started
    if child.returncode not in (0, 3):
        sys.exit(f"{command[0]} failed ({child.returncode}): {errors.decode(errors='replace')[-500:]}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def _hozen(source: Path, target: str, compression: str = "fast", hashes: str = "md5,sha256") -> list[str]:
    return [sys.executable, "-c", _IMAGE, str(source), target, compression, hashes, "no"]


def peers(source: Path, new: Path | None) -> dict[str, list[str]]:
    ewf = ["-u", "-f", "encase6", "-c", "fast", "-S", "2GiB", "-t", "disk", "-d", "sha256"]
    runs = {
        "hozen E01 fast, md5+sha256": _hozen(source, "disk.E01"),
        "hozen E01 fast, md5": _hozen(source, "disk.E01", hashes="md5"),
        "hozen E01 none, md5+sha256": _hozen(source, "disk.E01", "none"),
        "hozen raw, md5+sha256": _hozen(source, "disk.dd"),
        "hozen E01 to two targets": _hozen(source, "disk.E01,copy.E01"),
    }
    if new is not None:
        runs["ewfacquire (newest) fast -j 2 -x, md5+sha256"] = [
            str(new / "ewfacquire"),
            *ewf,
            "-j",
            "2",
            "-x",
            str(source),
        ]
    if shutil.which("ewfacquire"):
        runs["ewfacquire (Debian) fast, md5+sha256"] = ["ewfacquire", *ewf, str(source)]
    if shutil.which("dc3dd"):
        runs["dc3dd raw, md5+sha256"] = ["dc3dd", f"if={source}", "of=disk.dd", "hash=md5", "hash=sha256", "log=log"]
    if shutil.which("ddrescue"):
        runs["ddrescue raw, no hash"] = ["ddrescue", "-q", str(source), "disk.dd", "disk.map"]
    return runs


def alternate(runs: dict[str, list[str]], size: int, work: Path, rounds: int) -> None:
    found: dict[str, list[tuple[float, float, int]]] = {name: [] for name in runs}
    sizes: dict[str, int] = {}
    for _ in range(rounds):
        for name, command in runs.items():
            folder = work / "run"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            found[name].append(timed(command, folder))
            images = [path for path in folder.iterdir() if re.search(r"\.(E\d\d|dd)$", path.name)]
            sizes[name] = sum(path.stat().st_size for path in images)
            shutil.rmtree(folder)
    first = statistics.median(wall for wall, _, _ in next(iter(found.values())))
    print(
        "| run | MiB/s | spread | CPU s/GiB | peak MiB | out MiB | first row is × faster |\n"
        "|---|---|---|---|---|---|---|"
    )
    for name, results in found.items():
        walls = [wall for wall, _, _ in results]
        wall = statistics.median(walls)
        rate = size / MIB / wall
        spread = f"{size / MIB / max(walls):.0f}-{size / MIB / min(walls):.0f}"
        cpu = statistics.median(cpu for _, cpu, _ in results) / (size / GIB)
        peak = max(peak for _, _, peak in results) / 1024
        print(
            f"| {name} | {rate:.0f} | {spread} | {cpu:.2f} | {peak:.0f} | {sizes[name] / MIB:.0f} "
            f"| {wall / first:.2f} |"
        )


def speed(arguments: argparse.Namespace) -> None:
    source = Path(arguments.source)
    subprocess.run(["cat", str(source)], stdout=subprocess.DEVNULL, check=True)  # into the page cache
    # Nor must the first program pay for what all others find ready: our modules compiled, the device's own cache.
    subprocess.run([sys.executable, "-c", "import preserve.acquire, preserve.imaging_cli"], check=True)
    with loop(source) as device:
        subprocess.run(["cat", str(device)], stdout=subprocess.DEVNULL, check=True)
        alternate(peers(device, arguments.ewf_new), source.stat().st_size, Path(arguments.work), arguments.rounds)


def verify(arguments: argparse.Namespace) -> None:
    work = Path(arguments.work)
    image = work / "verified" / "disk.E01"
    image.parent.mkdir()
    try:
        source = Path(arguments.source)
        timed(_hozen(source.absolute(), str(image.absolute())), image.parent)
        runs = {
            "hozen E01, md5": [sys.executable, "-c", _VERIFY, str(image), "md5"],
            "hozen E01, md5+sha256": [sys.executable, "-c", _VERIFY, str(image), "md5,sha256"],
        }
        if arguments.ewf_new is not None:
            runs["ewfverify (newest) -j 2 -x"] = [
                str(arguments.ewf_new / "ewfverify"),
                "-q",
                "-j",
                "2",
                "-x",
                str(image),
            ]
        if shutil.which("ewfverify"):
            runs["ewfverify (Debian)"] = ["ewfverify", "-q", str(image)]
        alternate(runs, source.stat().st_size, work, arguments.rounds)
    finally:
        shutil.rmtree(image.parent)


def scaling(arguments: argparse.Namespace) -> None:
    work = Path(arguments.work)
    print("| GiB (sparse) | wall s | s/GiB | CPU s/GiB | peak MiB |\n|---|---|---|---|---|")
    for gib in (1, 2, 4, 8, 16, 32):
        if gib > arguments.most:
            break
        source, folder = work / "sparse.bin", work / "run"
        folder.mkdir()
        try:
            with source.open("wb") as file:
                file.truncate(gib * GIB)
            # Through a device every byte is read: of a file, the holes would be left out.
            with loop(source) as device:
                wall, cpu, peak = timed(_hozen(device, "disk.E01"), folder)
        finally:
            source.unlink()
            shutil.rmtree(folder)
        print(f"| {gib} | {wall:.1f} | {wall / gib:.2f} | {cpu / gib:.2f} | {peak / 1024:.0f} |", flush=True)


def large(arguments: argparse.Namespace) -> None:
    """Tables past 2 and 4 GiB of a segment, segments past .E99, a medium past 2 TiB."""
    work = Path(arguments.work) / "large"
    work.mkdir()
    try:
        near = {0: b"first", 2 * GIB + 512: b"past 2 GiB", 4 * GIB + 1024: b"past 4 GiB"}
        _large(arguments, work, 5 * GIB, near, ["--segment-size", "8GiB", "--compression", "none"])
        small = {0: b"first", 512 * MIB: b"middle"}
        _large(arguments, work, GIB, small, ["--segment-size", "4MiB", "--compression", "none"])
        far = {0: b"first", TIB: b"middle", 2 * TIB - 512: b"last of 32 bits", 2 * TIB: b"past 32 bits"}
        _large(arguments, work, 2 * TIB + 3 * GIB + 512, far, ["--segment-size", "512MiB", "--hash", "blake3"])
    finally:
        shutil.rmtree(work)


def _large(arguments: argparse.Namespace, work: Path, size: int, marks: dict[int, bytes], options: list[str]) -> None:
    from preserve.image import open_image  # noqa: PLC0415 - after the path is set

    source, folder = work / "source.bin", work / "run"
    folder.mkdir()
    marks = {**marks, size - 512: b"the last sector"}
    with source.open("wb") as file:
        file.truncate(size)
        for offset, mark in marks.items():
            file.seek(offset)
            file.write(mark)
    command = [sys.executable, "-c", "from preserve.cli import app; app()", "image", str(source.absolute()), "disk.E01"]
    command += ["--no-verify", "--case", str(work.absolute() / "case"), *options]
    wall, cpu, peak = timed(command, folder)
    files = sorted(folder.glob("disk.[EF]*"))
    print(
        f"{size:,} bytes: {wall:.0f} s, {cpu:.0f} CPU s, peak {peak / 1024:.0f} MiB; {len(files)} segments up to "
        f"{files[-1].name}, largest {max(path.stat().st_size for path in files):,} bytes",
        flush=True,
    )
    started = time.perf_counter()
    with open_image(folder / "disk.E01") as image:
        found = {offset: image.read_at(offset, len(mark)) for offset, mark in marks.items()}
        print(f"  ours: size {image.size == size}, marks {found == marks}, {time.perf_counter() - started:.1f} s")
    _large_peers(arguments, folder / "disk.E01", size, marks)
    shutil.rmtree(folder)
    source.unlink()


def _large_peers(arguments: argparse.Namespace, image: Path, size: int, marks: dict[int, bytes]) -> None:
    import pyewf  # noqa: PLC0415 - only this comparison needs it

    handle = pyewf.handle()
    handle.open(pyewf.glob(str(image)))
    same = handle.get_media_size() == size
    for offset, mark in marks.items():
        handle.seek(offset)
        same = same and handle.read(len(mark)) == mark
    print(f"  pyewf: size and marks {same}")
    folders = [(arguments.ewf_new, "newest")] if arguments.ewf_new else []
    for folder, label in [*folders, (Path(shutil.which("ewfinfo") or "/none/x").parent, "Debian")]:
        if (folder / "ewfinfo").exists():
            command = [str(folder / "ewfinfo"), str(image)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            print(f"  ewfinfo ({label}): exit {done.returncode}, size {f'({size} bytes)' in done.stdout}")
        if (folder / "ewfverify").exists() and size < 64 * GIB:
            command = [str(folder / "ewfverify"), "-q", str(image)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            print(f"  ewfverify ({label}): exit {done.returncode}", flush=True)


def deflate(arguments: argparse.Namespace) -> None:
    """Deflate the same chunks again and again, in several threads of several processes; count those that differ."""
    first, made, different = b"", 0, set()
    for process in range(arguments.processes):
        command = [sys.executable, "-c", _DEFLATE, str(arguments.source), str(arguments.chunks)]
        command += [str(arguments.threads), str(process * 7), "plain" if arguments.plain else "ours"]
        output = subprocess.run(
            command, capture_output=True, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
        ).stdout
        size = len(output) // arguments.threads
        first = first or output[:size]
        made += len(output) // 16
        for start in range(0, len(output), 16):
            if output[start : start + 16] != first[start % size : start % size + 16]:
                different.add(start % size // 16)
    print(f"{made:,} streams of {len(first) // 16:,} chunks: {len(different)} chunks did not always come out the same")
    sys.exit(1 if different else 0)


def bad(arguments: argparse.Namespace) -> None:
    from tests.preserve.media import bad_medium, mixed_data  # noqa: PLC0415 - needs the test requirements

    work = Path(arguments.work) / "bad"
    work.mkdir()
    data = mixed_data(16 * MIB) * 4
    rnd = random.Random(5)
    sectors = {
        0,
        1,
        2047,
        2048,
        4095,
        4096,
        4097,
        131_069,
        131_070,
        131_071,
        *range(5000, 5010),
        *range(70_000, 70_040, 2),
    }
    while len(sectors) < 69:
        sectors.add(rnd.randrange(131_072))
    try:
        image = work / "medium.bin"
        image.write_bytes(data)
        print(
            "| 69 bad of 131,072 sectors | sectors wrong | readable ones lost | out bytes | exit | s |\n"
            "|---|---|---|---|---|---|"
        )
        with bad_medium(work, image, bad=sorted(sectors)) as device:
            for name, command, read in _bad_runs(device, arguments.ewf_new):
                folder = work / "run"
                folder.mkdir()
                started = time.perf_counter()
                done = subprocess.run(
                    command,
                    cwd=folder,
                    capture_output=True,
                    check=False,
                    env={**os.environ, "PYTHONPATH": str(ROOT)},
                )
                wall = time.perf_counter() - started
                got = read(folder)
                wrong = {
                    sector
                    for sector in range(131_072)
                    if got[sector * 512 : (sector + 1) * 512] != data[sector * 512 : (sector + 1) * 512]
                }
                # A bad sector whose content was zeros anyway cannot come out wrong.
                lost = len(wrong - sectors)
                print(
                    f"| {name} | {len(wrong | sectors)} | {lost} | {len(got):,} | {done.returncode} | {wall:.1f} |",
                    flush=True,
                )
                shutil.rmtree(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _bad_runs(device: Path, new: Path | None) -> Iterator[tuple[str, list[str], Callable[[Path], bytes]]]:
    def raw(folder: Path) -> bytes:
        return (folder / "disk.dd").read_bytes()

    def e01(folder: Path) -> bytes:
        from preserve.image import open_image  # noqa: PLC0415 - after the path is set

        with open_image(folder / "disk.E01") as image:
            return image.read_at(0, image.size)

    yield "hozen E01", _hozen(device, "disk.E01"), e01
    yield "hozen raw", _hozen(device, "disk.dd"), raw
    options = ["-u", "-f", "encase6", "-c", "fast", "-t", "disk", "-S", "2GiB"]
    for label, program in (
        ("Debian", shutil.which("ewfacquire")),
        ("newest", str(new / "ewfacquire") if new else None),
    ):
        if program:
            yield f"ewfacquire ({label})", [program, *options, str(device)], e01
            yield f"ewfacquire ({label}) -g 1", [program, *options, "-g", "1", str(device)], e01
    if shutil.which("dc3dd"):
        yield "dc3dd", ["dc3dd", f"if={device}", "of=disk.dd", "hash=md5", "log=log"], raw
    if shutil.which("ddrescue"):
        yield "ddrescue -d -b512 -r1", ["ddrescue", "-q", "-d", "-b512", "-r1", str(device), "disk.dd", "disk.map"], raw


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    made = commands.add_parser("source")
    made.add_argument("path", type=Path)
    made.add_argument("--gib", type=float, default=3.0)
    for name in ("speed", "verify"):
        one = commands.add_parser(name)
        one.add_argument("source", type=Path)
        one.add_argument("work", type=Path)
        one.add_argument("--ewf-new", type=Path)
        one.add_argument("--rounds", type=int, default=3)
    one = commands.add_parser("scaling")
    one.add_argument("work", type=Path)
    one.add_argument("--most", type=int, default=32, help="largest source in GiB")
    one = commands.add_parser("large")
    one.add_argument("work", type=Path)
    one.add_argument("--ewf-new", type=Path)
    one = commands.add_parser("deflate")
    one.add_argument("source", type=Path)
    one.add_argument("--processes", type=int, default=14)
    one.add_argument("--threads", type=int, default=3)
    one.add_argument("--chunks", type=int, default=36_000, help="most chunks of the source to use")
    one.add_argument("--plain", action="store_true", help="ISA-L's level 1 as it is, to see that the fault is seen")
    one = commands.add_parser("bad")
    one.add_argument("work", type=Path)
    one.add_argument("--ewf-new", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "source":
        make_source(arguments.path, arguments.gib)
        return
    if getattr(arguments, "ewf_new", None) is None and arguments.command in ("speed", "verify", "bad"):
        print("(the newest ewfacquire is left out: no --ewf-new)\n")
    runs = {"speed": speed, "verify": verify, "scaling": scaling, "large": large, "deflate": deflate, "bad": bad}
    runs[arguments.command](arguments)


if __name__ == "__main__":
    main()
