"""Timeline against its peers, in one run: an NTFS image to a sorted CSV, EVTX records, a merge of ten million events.

    python benchmarks/timeline_build.py --work DIR [--plaso BIN] [--evtx FILE] [--evtx-records N] [--skip-image]
        [--skip-merge]

Needs root, mkntfs and ntfs-3g for the image (50,000 files, 4,000 of them deleted, each time of its own), and `fls` and
`mactime`. `FILE` is a real log, such as security.evtx of the samples of the crate `evtx`: N records of its layouts are
made, no two of them the same. `BIN` is the folder of log2timeline and psort. Each figure is the median of three runs,
of plaso and of the merge one. Prints a table for RESULTS.md.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import struct
import subprocess
import sys
import time
import zlib
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


def processor_seconds() -> float:
    """What all processes of this machine have used (Linux): worker processes that are ended tell nobody of theirs."""
    fields = [int(field) for field in Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:]]
    return (fields[0] + fields[1] + fields[2]) / os.sysconf("SC_CLK_TCK")


def timed(
    *commands: list[str],
    repeat: int = 3,
    clean: tuple[Path, ...] = (),
    out: Path | None = None,
    used: list[float] | None = None,
) -> float:
    """Median seconds of the commands one after another; `used` takes the processor seconds of each run."""
    taken = []
    environment = os.environ | {"TZ": "UTC", "PYTHONPATH": str(ROOT)}
    for _ in range(repeat):
        for path in clean:
            shutil.rmtree(path, ignore_errors=True)
            path.unlink(missing_ok=True)
        start = time.perf_counter()
        before = processor_seconds()
        for command in commands:
            target = out.open("wb") if out is not None else subprocess.DEVNULL
            subprocess.run(command, check=True, stdout=target, stderr=subprocess.DEVNULL, env=environment)
        taken.append(time.perf_counter() - start)
        if used is not None:
            used.append(processor_seconds() - before)
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


def _instance(raw: bytearray, place: int) -> list[tuple[int, int, int]]:
    """Values of a template instance whose id stands at `place`, as (type, offset, bytes)."""
    (offset,) = struct.unpack_from("<I", raw, place + 4)
    place += 8
    if offset == place:
        place += 24 + struct.unpack_from("<I", raw, place + 20)[0]
    (count,) = struct.unpack_from("<I", raw, place)
    found = []
    at = place + 4 + 4 * count
    for number in range(count):
        size, kind = struct.unpack_from("<HB", raw, place + 4 + 4 * number)
        found.append((kind, at, size))
        at += size
    return found


def _renew(raw: bytearray, first: int, later: int, rng: random.Random) -> int:
    """Give the records of a chunk new numbers, times, logon ids and names; how many they are."""
    at, number = 512, first
    (free,) = struct.unpack_from("<I", raw, 48)
    while at + 28 <= free:
        (size,) = struct.unpack_from("<I", raw, at + 4)
        (written,) = struct.unpack_from("<Q", raw, at + 16)
        struct.pack_into("<QQ", raw, at + 8, number, written + later)
        values = _instance(raw, at + 30)
        struct.pack_into("<Q", raw, values[6][1], struct.unpack_from("<Q", raw, values[6][1])[0] + later)
        struct.pack_into("<Q", raw, values[10][1], number)
        kind, nested, length = values[-1]
        if kind == 0x21 and length:
            for kind, place, length in _instance(raw, nested + (6 if raw[nested] == 0x0F else 2)):
                if kind == 0x15:
                    raw[place + 1 : place + 4] = rng.randbytes(3)
                elif kind == 1 and length >= 24:
                    raw[place + length - 4] = 0x61 + rng.randrange(26)
                    raw[place + length - 2] = 0x61 + rng.randrange(26)
        at += size
        number += 1
    struct.pack_into("<QQQQ", raw, 8, first, number - 1, first, number - 1)
    struct.pack_into("<I", raw, 52, zlib.crc32(raw[512:free]))
    struct.pack_into("<I", raw, 124, zlib.crc32(raw[128:512], zlib.crc32(raw[:120])))
    return number - first


def make_logs(sample: Path, folder: Path, records: int, per_file: int) -> int:
    """Logs of the sample's layouts in which no two records are the same; how many records they hold."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    rng = random.Random(11)
    whole = sample.read_bytes()
    chunks = [
        whole[at : at + 65_536]
        for at in range(4096, len(whole), 65_536)
        if whole[at : at + 8] == b"ElfChnk\0" and whole[at + 65_535 : at + 65_536]
    ]
    total = files = 0
    while total < records:
        parts, count = [], 0
        while count < min(per_file, records - total):
            raw = bytearray(chunks[len(parts) % len(chunks)])
            count += _renew(raw, total + count + 1, (total + count) * 10_000_000, rng)
            parts.append(bytes(raw))
        header = bytearray(whole[:4096])
        struct.pack_into("<QQQ", header, 8, 0, len(parts) - 1, total + count + 1)
        struct.pack_into("<H", header, 42, len(parts) & 0xFFFF)
        struct.pack_into("<I", header, 120, 0)
        struct.pack_into("<I", header, 124, zlib.crc32(header[:120]))
        (folder / f"{files:03d}.evtx").write_bytes(b"".join([bytes(header), *parts]))
        total, files = total + count, files + 1
    return total


def evtx_rows(work: Path, sample: Path, records: int, plaso: Path | None) -> list[tuple[str, float, int]]:
    """The same records in files of the usual 20 MiB and in one large file, both with both processors."""
    rows = []
    for name, per_file in (("EVTX, files of 20,000 records", 20_000), ("EVTX, one file", records)):
        folder = work / "evtx"
        count = make_logs(sample, folder, records, per_file)
        case = work / "evtx.case"
        used: list[float] = []
        seconds = timed(*ours(folder, case, work / "x")[:1], clean=(case,), used=used)
        manifest = json.loads(next(case.glob("timeline/*/manifest.json")).read_text(encoding="utf-8"))
        assert (manifest["events"], manifest["coverage_lines"]) == (count, 0)
        spent = statistics.median(used) / count * 1e6
        rows.append((f"{name}: timeline build ({spent:.1f} µs of processor time a record)", seconds, count))
    start = time.perf_counter()
    read = 0
    for file in sorted(folder.iterdir()):
        from evtx import PyEvtxParser  # noqa: PLC0415 - only for this part

        read += sum(1 for _ in PyEvtxParser(str(file)).records_json())
    rows.append(("EVTX, the Rust reader alone, all threads, JSON texts thrown away", time.perf_counter() - start, read))
    if plaso is not None:
        # Its rate does not depend on the number of records; a tenth of them is enough.
        count = make_logs(sample, folder, records // 10, 20_000)
        store = work / "evtx.plaso"
        command = [str(plaso / "log2timeline"), "-q", "-u", "--parsers", "winevtx", "--storage-file", str(store)]
        seconds = timed([*command, str(folder)], repeat=1, clean=(store,))
        rows.append(("EVTX, plaso: log2timeline winevtx", seconds, count))
    return rows


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
    parser.add_argument("--evtx-records", type=int, default=450_000)
    parser.add_argument("--skip-image", action="store_true")
    parser.add_argument("--skip-merge", action="store_true")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    os.environ["HOZEN_CONFIG_HOME"] = str(options.work / "config")
    rows = [] if options.skip_image else image_rows(options.work, options.plaso)
    print_table(rows)
    if options.evtx is not None:
        rows += evtx_rows(options.work, options.evtx, options.evtx_records, options.plaso)
    if not options.skip_merge:
        rows.append(merge_row(options.work))
    print_table(rows)


if __name__ == "__main__":
    main()
