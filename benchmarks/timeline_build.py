"""Timeline against its peers, in one run: an NTFS image to a sorted CSV, EVTX records, a merge of ten million events.

    python benchmarks/timeline_build.py --work DIR [--plaso BIN] [--evtx FILE] [--skip-merge]

Needs root, mkntfs and ntfs-3g for the image (50,000 files, 4,000 of them deleted, each time of its own), and `fls` and
`mactime`; `BIN` is the folder of log2timeline.py and psort.py. Each figure is the median of three runs, of plaso and of
the merge one. Prints a table for RESULTS.md.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
FILES, DELETED_EACH = 50_000, 40
_FILETIME = 116_444_736_000_000_000


def make_image(path: Path) -> None:
    mount = path.with_suffix(".mount")
    mount.mkdir()
    with path.open("wb") as file:
        file.truncate(700 << 20)
    subprocess.run(["mkntfs", "-F", "-Q", str(path)], check=True, capture_output=True)
    subprocess.run(["mount", "-t", "ntfs-3g", "-o", "loop", str(path), str(mount)], check=True)
    rng = random.Random(7)
    try:
        for folder in range(500):
            place = mount / f"フォルダ{folder // 50}" / f"部署{folder:03d}" / "資料"
            place.mkdir(parents=True)
            for number in range(FILES // 500):
                name = f"文書_{folder * 100 + number:05d}.{rng.choice(['txt', 'docx', 'xlsx', 'log', 'bin'])}"
                (place / name).write_bytes(rng.randbytes(rng.choice([50, 300, 900, 3000, 9000])))
                start = _FILETIME + int(rng.uniform(1.5e9, 1.79e9) * 1e7)
                times = b"".join((start + rng.randrange(10**13)).to_bytes(8, "big") for _ in range(4))
                os.setxattr(place / name, "system.ntfs_times_be", times)
            if folder % 5 == 0:
                for one in sorted(place.iterdir())[:DELETED_EACH]:
                    one.unlink()
    finally:
        subprocess.run(["umount", str(mount)], check=True)
        mount.rmdir()


def timed(*commands: list[str], repeat: int = 3, clean: tuple[Path, ...] = (), out: Path | None = None) -> float:
    """Median seconds of the commands one after another."""
    taken = []
    environment = os.environ | {"TZ": "UTC", "PYTHONPATH": str(ROOT)}
    for _ in range(repeat):
        for path in clean:
            shutil.rmtree(path, ignore_errors=True)
            path.unlink(missing_ok=True)
        start = time.perf_counter()
        for command in commands:
            target = out.open("wb") if out is not None else subprocess.DEVNULL
            subprocess.run(command, check=True, stdout=target, stderr=subprocess.DEVNULL, env=environment)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file) - 1


def ours(source: Path, case: Path, csv: Path) -> list[list[str]]:
    program = [sys.executable, "-m", "timeline.cli"]
    return [
        [*program, "build", str(source), "--case", str(case)],
        [*program, "export", "--case", str(case), "--out", str(csv)],
    ]


def image_rows(work: Path, plaso: Path | None) -> list[tuple[str, float, int]]:
    image = work / "ntfs50k.dd"
    if not image.exists():
        make_image(image)
    body, mactime, csv, case = work / "body.txt", work / "mactime.csv", work / "ours.csv", work / "a.case"
    first = timed(["fls", "-r", "-m", "/", str(image)], out=body)
    second = timed(["mactime", "-b", str(body), "-d"], out=mactime)
    rows = [("fls -r -m, then mactime -d", first + second, lines(mactime))]
    seconds = timed(*ours(image, case, csv), clean=(case, csv))
    rows.append(("timeline build, then export csv (with $FN)", seconds, lines(csv)))
    if plaso is not None:
        store, out = work / "plaso.store", work / "plaso.csv"
        commands = [
            [str(plaso / "log2timeline"), "-q", "-u", "--parsers", "mft", "--file-filter", str(_filter(work)),
             "--storage-file", str(store), str(image)],
            [str(plaso / "psort"), "-q", "-u", "-o", "dynamic", "-w", str(out), str(store)],
        ]  # fmt: skip
        rows.append(("plaso: log2timeline mft, then psort", timed(*commands, repeat=1, clean=(store, out)), lines(out)))
    return rows


def _filter(work: Path) -> Path:
    path = work / "filter.yaml"
    path.write_text("description: mft\ntype: include\npath_separator: '/'\npaths:\n- '/[$]MFT'\n", encoding="utf-8")
    return path


def evtx_row(work: Path, file: Path) -> tuple[str, float, int]:
    """A folder of many copies of one log, built with both processors."""
    folder = work / "evtx"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for number in range(40):
        shutil.copy(file, folder / f"{number:02d}.evtx")
    case = work / "evtx.case"
    seconds = timed(ours(folder, case, work / "x")[0], repeat=3, clean=(case,))
    manifest = next(case.glob("timeline/*/manifest.json"))
    return f"EVTX, 40 × {file.name}", seconds, int(json.loads(manifest.read_text(encoding="utf-8"))["events"])


def merge_row(work: Path, rows: int = 10_000_000) -> tuple[str, float, int]:
    import numpy as np  # noqa: PLC0415 - only for this part
    import pyarrow as pa  # noqa: PLC0415

    from timeline.event import schema  # noqa: PLC0415
    from timeline.merge import write_merged  # noqa: PLC0415
    from timeline.rows import Rows  # noqa: PLC0415

    folder = work / "parts"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    rng = np.random.default_rng(5)
    size = 250_000
    for part in range(rows // 1_000_000):
        written = Rows(folder / f"{part:03d}.parquet")
        written.begin(part + 1)
        for piece in range(4):
            moments = rng.integers(1_600_000_000 * 10**9, 1_760_000_000 * 10**9, size)
            columns = {
                "time_ns": pa.array(moments),
                "time_text": pa.array(moments // 100 + _FILETIME).cast(pa.string()),
                "precision_ns": pa.array(np.full(size, 100)),
                "record": pa.array([f"EventRecordID {number}" for number in range(size)]),
                "sequence": pa.array(np.arange(size) + piece * size),
                "path": pa.array(
                    [f"/フォルダ{number % 500}/文書_{number % 50_000:05d}.xlsx" for number in range(size)]
                ),
                "bytes": pa.array(rng.integers(0, 1 << 20, size)),
            }
            fixed = {"zone": "UTC", "zone_basis": "format", "kind": "file.modified", "desc": "made", "data": "{}"}
            for name in schema().names:
                columns.setdefault(name, pa.array([fixed.get(name, "")]).take(pa.array(np.zeros(size, dtype=np.int64))))
            batch = pa.record_batch([columns[name] for name in schema().names], schema=schema())
            written.add_batch(batch.replace_schema_metadata({"masked": ",".join(schema().names)}))
        written.close()
    target = work / "merged.parquet"
    target.unlink(missing_ok=True)
    start = time.perf_counter()
    count = write_merged(sorted(folder.iterdir()), target, work / "spill")
    return "10 M events merged in order into one Parquet file", time.perf_counter() - start, count


def print_table(rows: list[tuple[str, float, int]]) -> None:
    print("| job | seconds | rows | rows/s |\n|---|---|---|---|")
    for name, seconds, count in rows:
        print(f"| {name} | {seconds:.2f} | {count:,} | {count / seconds:,.0f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--plaso", type=Path)
    parser.add_argument("--evtx", type=Path)
    parser.add_argument("--skip-merge", action="store_true")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    os.environ["HOZEN_CONFIG_HOME"] = str(options.work / "config")
    rows = image_rows(options.work, options.plaso)
    print_table(rows)
    if options.evtx is not None:
        rows.append(evtx_row(options.work, options.evtx))
    if not options.skip_merge:
        rows.append(merge_row(options.work))
    print_table(rows)


if __name__ == "__main__":
    main()
