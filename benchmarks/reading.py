"""How fast evidence is read: E01 against libewf (pyewf), the walk over a file system against The Sleuth Kit's `fls`.

```
python benchmarks/reading.py --size 1024 --files 20000
```
Needs root, mkntfs, ntfs-3g (FUSE), ewfacquire and sleuthkit; makes its image in a temporary folder.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import subprocess
import tempfile
import time
from pathlib import Path

import pyewf

from preserve import open_evidence, open_image, stream

MIB = 1 << 20


def make_image(folder: Path, size_mib: int, files: int) -> Path:
    """An NTFS volume with `files` files: a third random, a third text, a third zeros by size; as E01 (fast)."""
    raw, mount = folder / "disk.raw", folder / "mount"
    mount.mkdir()
    with raw.open("wb") as file:
        file.truncate(size_mib * MIB)
    subprocess.run(["mkntfs", "-F", "-Q", "-s", "512", str(raw)], check=True, capture_output=True)
    subprocess.run(["ntfs-3g", str(raw), str(mount)], check=True, capture_output=True)
    rng = random.Random(1)
    words = [
        word.encode() for word in ("給与", "明細", "氏名", "番号", "total", "amount", "date", "御中", "請求", "合計")
    ]
    try:
        share = size_mib * MIB // 2 // max(files, 1)
        for number in range(files):
            target = mount / f"folder {number % 200:03d}"
            target.mkdir(exist_ok=True)
            size = rng.randrange(share * 2)
            kind = number % 3
            text = b" ".join(rng.choices(words, k=64)) + b"\n"
            data = (
                rng.randbytes(size)
                if kind == 0
                else (text * (size // len(text) + 1))[:size]
                if kind == 1
                else bytes(size)
            )
            (target / f"document {number:05d}.dat").write_bytes(data)
    finally:
        subprocess.run(["fusermount3", "-u", str(mount)], check=True)
    subprocess.run(
        ["ewfacquire", "-u", "-f", "encase6", "-c", "fast", "-S", "700MiB", "-t", str(folder / "disk"), str(raw)],
        check=True,
        capture_output=True,
    )
    return folder / "disk.E01"


def read_ours(path: Path) -> tuple[float, float, str]:
    """Seconds and CPU seconds to read the whole medium, and (apart from them) its MD5."""
    with open_image(path) as image:
        began, cpu = time.perf_counter(), time.process_time()
        for _ in stream(image, 4 * MIB):
            pass
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        digest = hashlib.md5()
        for _, view in stream(image, 4 * MIB):
            digest.update(view)
    return seconds, cpu, digest.hexdigest()


def read_libewf(path: Path) -> tuple[float, float, str]:
    """The same through libewf."""
    handle = pyewf.handle()
    handle.open(pyewf.glob(str(path)))
    began, cpu = time.perf_counter(), time.process_time()
    while handle.read_buffer(4 * MIB):
        pass
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    digest = hashlib.md5()
    handle.seek(0)
    while data := handle.read_buffer(4 * MIB):
        digest.update(data)
    handle.close()
    return seconds, cpu, digest.hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=1024, help="MiB")
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--keep", type=Path, help="make the image in this folder, or use the one that is there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        path = folder / "disk.E01"
        if not path.exists():
            path = make_image(folder, options.size, options.files)
        raw = path.with_suffix(".raw")
        read_ours(path)  # fills the page cache for all
        ours = [read_ours(path) for _ in range(3)]
        theirs = [read_libewf(path) for _ in range(3)]
        size = options.size
        for what, place in (("wall clock", 0), ("CPU seconds", 1)):
            best, peer = min(run[place] for run in ours), min(run[place] for run in theirs)
            ratio = peer / best
            print(f"E01, {size} MiB, by {what}: {size / best:,.0f} MiB/s; libewf {size / peer:,.0f}; ratio {ratio:.1f}")
        print(f"MD5 equal: {len({md5 for *_, md5 in ours + theirs}) == 1}")
        for name in (path, raw):
            began, cpu = time.perf_counter(), time.process_time()
            with open_image(name) as image:
                evidence = open_evidence(image)
            seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
            began = time.perf_counter()
            fls = subprocess.run(["fls", "-r", "-l", str(name)], check=True, capture_output=True)
            listed = fls.stdout.count(b"\n")
            print(
                f"walk of {name.suffix}: {len(evidence.entries)} entries with runs, times and map "
                f"in {seconds:.2f} s (CPU {cpu:.2f}); "
                f"fls: {listed} in {time.perf_counter() - began:.2f} s",
            )


if __name__ == "__main__":
    main()
