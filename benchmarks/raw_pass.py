"""The raw pass alone: its cost beside reading and hashing, on an image of realistic content that this script makes.

    python benchmarks/raw_pass.py FOLDER                     make FOLDER/raw_pass.dd (once), measure
    python benchmarks/raw_pass.py FOLDER --prototype DIR     also against DIR/best.py, alternating, same candidates

The image holds files of this machine's /usr, zipped and random bytes, empty space, Japanese text in six encodings,
logs dense in digits, and planted numbers. The same machine and seed give the same image.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import io
import itertools
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from numpy.typing import NDArray

    from triage.raw_hits import RawHits

MIB = 1 << 20
CHUNK_BYTES = 2 * MIB
MARGIN_BYTES = 128
WORDS = (
    *(
        "氏名",
        "住所",
        "生年月日",
        "東京都",
        "千代田区",
        "霞が関",
        "山田",
        "太郎",
        "鈴木",
        "花子",
        "株式会社",
        "給与",
        "支払",
    ),
    *(
        "報告書",
        "源泉徴収票",
        "令和",
        "申告書",
        "扶養",
        "控除",
        "社員番号",
        "部署",
        "総務部",
        "人事課",
        "電話",
        "連絡先",
    ),
    *("備考", "担当", "確認", "提出", "期限", "保管", "カード", "データ", "ファイル", "について", "お願いします"),
    *("以下のとおり", "です。", "ます。", "した。", "ください。", "ありがとうございます。"),
)
TEXT_ENCODINGS = ("utf-8", "cp932", "euc-jp", "iso-2022-jp", "utf-16-le", "utf-16-be")
WEIGHTS = (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
LABELS = ("個人番号", "マイナンバー", "My Number", "")
FORMS = ("{0}{1}{2}", "{0}-{1}-{2}", "{0} {1} {2}", "{0}－{1}－{2}", "{0}　{1}　{2}")
FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")


def check_digit(body: str) -> str:
    """The twelfth digit of a My Number whose first eleven are `body`."""
    remainder = sum(int(digit) * weight for digit, weight in zip(body, WEIGHTS, strict=True)) % 11
    return "0" if remainder <= 1 else str(11 - remainder)


def planted_number(source: random.Random) -> str:
    """One valid number, made up."""
    body = "".join(source.choice("0123456789") for _ in range(11))
    return body + check_digit(body)


def japanese_text(source: random.Random, size: int) -> str:
    """About `size` characters of words, with lines and a few short numbers."""
    parts: list[str] = []
    length = 0
    while length < size:
        word = source.choice(WORDS)
        if source.random() < 0.04:
            word += f"{source.randrange(10_000)}"
        if source.random() < 0.08:
            word += "\n"
        parts.append(word)
        length += len(word)
    return "".join(parts)


def digit_dense(source: random.Random, size: int) -> bytes:
    """Logs, time stamps, floats, hex and item codes: twelve-digit strings that are nobody's number."""
    kind = source.randrange(5)
    lines: list[str] = []
    length = 0
    while length < size:
        month, day, hour, minute = (source.randrange(low, high) for low, high in ((1, 13), (1, 29), (0, 24), (0, 60)))
        if kind == 0:
            stamp = f"2026-{month:02}-{day:02}T{hour:02}:{minute:02}:00"
            line = f"{stamp} host app[{source.randrange(40_000)}]: GET /item/{source.randrange(10**6)} {size}"
        elif kind == 1:
            stamp = f"2026{month:02}{day:02}{hour:02}{minute:02}"
            line = f"{stamp},{source.randrange(10**12):012},{source.random()}"
        elif kind == 2:
            line = " ".join(f"{source.random() * 100:.9f}" for _ in range(6))
        elif kind == 3:
            line = source.randbytes(32).hex()
        else:
            line = f"JAN{source.randrange(10**13):013},{source.randrange(10**6)},{source.randrange(10**12):012}"
        lines.append(line)
        length += len(line) + 1
    return ("\n".join(lines) + "\n").encode()


def zipped(source: random.Random, size: int) -> bytes:
    """A zip of workbook-like XML, about `size` bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        member = 0
        while buffer.tell() < size:
            rows = "".join(
                f'<row r="{row}"><c><v>{source.random()}</v></c><c t="s"><v>{source.randrange(10**6)}</v></c></row>'
                for row in range(4000)
            )
            archive.writestr(f"xl/worksheets/sheet{member}.xml", f"<sheetData>{rows}</sheetData>")
            member += 1
    return buffer.getvalue()


def system_files(source: random.Random) -> Iterator[bytes]:
    """Contents of regular files below /usr in an order fixed by the seed; again from the start when used up."""
    paths = sorted(str(path) for path in Path("/usr").rglob("*") if path.is_file() and not path.is_symlink())
    source.shuffle(paths)
    for path in itertools.cycle(paths):
        with open(path, "rb") as file:  # noqa: PTH123 - plain reading in a loop over many files
            content = file.read(8 * MIB)
        if content:
            yield content


def filling(source: random.Random, files: Iterator[bytes]) -> bytes:
    """One block of content that holds no planted number."""
    draw = source.random()
    if draw < 0.90:
        return next(files)
    if draw < 0.92:
        return zipped(source, source.choice((100_000, 2_000_000)))
    if draw < 0.93:
        return source.randbytes(source.choice((50_000, 3_000_000)))
    if draw < 0.94:
        return bytes(source.choice((100_000, 8_000_000)))
    if draw < 0.97:
        text = japanese_text(source, source.choice((2_000, 100_000)))
        return text.encode(source.choice(TEXT_ENCODINGS), "replace")
    return digit_dense(source, source.choice((4_000, 300_000)))


def plant(source: random.Random) -> bytes:
    """Text in one of the encodings around one number."""
    encoding = source.choice(TEXT_ENCODINGS)
    number = planted_number(source)
    written = source.choice(FORMS).format(number[:4], number[4:8], number[8:])
    if source.random() < 0.4:
        written = written.translate(FULL_WIDTH)
    if encoding in {"euc-jp", "iso-2022-jp"}:  # their full-width hyphen is the minus sign
        written = written.replace("－", "−")
    head = japanese_text(source, source.randrange(20, 2000)) + source.choice(LABELS) + "："
    return f"{head}{written}\n{japanese_text(source, source.randrange(20, 2000))}".encode(encoding)


def make_image(target: Path, size: int, seed: int, plants: int = 600) -> None:
    """Write the image; `<name>.planted.json` beside it lists offset and size of the blocks that hold one number."""
    source = random.Random(seed)
    files = system_files(random.Random(seed + 1))
    blocks: list[tuple[int, int]] = []
    position = 0
    with target.open("xb") as image:
        position += image.write(bytes(MIB))  # as on a disk without a partition table
        while position < size:
            if position >= (len(blocks) + 0.5) * size / plants:
                block = plant(source)
                blocks.append((position, len(block)))
            else:
                block = filling(source, files)
            position += image.write(block)
            position += image.write(bytes(-len(block) % 4096))
    Path(f"{target}.planted.json").write_text(json.dumps(blocks))


# --- measuring --------------------------------------------------------------------------------------------------------


def buffers(path: Path, margin: int) -> Iterator[tuple[NDArray[Any], int, int, int]]:
    """The image in pieces with `margin` bytes on each side: (buffer, low, high, offset of low); one buffer, reused."""
    import numpy as np  # noqa: PLC0415 - making an image needs none

    size = path.stat().st_size
    ring = np.empty(CHUNK_BYTES + 2 * margin, np.uint8)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        for start in range(0, size, CHUNK_BYTES):
            first, stop = max(0, start - margin), min(size, start + CHUNK_BYTES)
            last = min(size, stop + margin)
            os.preadv(descriptor, [ring[: last - first].data], first)
            yield ring[: last - first], start - first, stop - first, start
    finally:
        os.close(descriptor)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock and of CPU."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def read_only(path: Path) -> None:
    for _ in buffers(path, 0):
        pass


def hash_with(path: Path, *names: str) -> Callable[[], None]:
    def work() -> None:
        digests = [hashlib.new(name) for name in names]
        for buffer, *_ in buffers(path, 0):
            threads = [threading.Thread(target=digest.update, args=(buffer,)) for digest in digests]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    return work


def evidence_file(path: Path) -> Path | None:
    """The image as E01, made once by ewfacquire; None where that is not installed."""
    target = path.with_suffix("")
    made = target.with_suffix(".E01")
    if not made.exists():
        if shutil.which("ewfacquire") is None:
            print("E01: not measured, no ewfacquire")
            return None
        command = ["ewfacquire", "-u", "-q", "-c", "deflate:fast", "-S", "1TiB", "-t", str(target), str(path)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return made


def hash_image(path: Path, *names: str) -> Callable[[], None]:
    """Hashing alone, over the same reader, buffers and threads that pass 1 has."""

    def work() -> None:
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

        from preserve.image import open_image  # noqa: PLC0415
        from triage.media_pass import BUFFER_BYTES  # noqa: PLC0415

        digests = [hashlib.new(name) for name in names]
        with open_image(path) as image, ThreadPoolExecutor(len(digests)) as pool, ThreadPoolExecutor(1) as reader:
            ahead = [memoryview(bytearray(BUFFER_BYTES)) for _ in range(2)]
            filling = reader.submit(image.readinto_at, 0, ahead[0])
            for turn, offset in enumerate(range(0, image.size, BUFFER_BYTES)):
                part = ahead[turn % 2][: filling.result()]
                if offset + BUFFER_BYTES < image.size:
                    filling = reader.submit(image.readinto_at, offset + BUFFER_BYTES, ahead[(turn + 1) % 2])
                list(pool.map(lambda digest, part=part: digest.update(part), digests))

    return work


def search_with(path: Path, scan: Callable[..., Any]) -> Callable[[], None]:
    def work() -> None:
        for buffer, low, high, base in buffers(path, MARGIN_BYTES):
            scan(buffer, low, high, base)

    return work


def collect(path: Path) -> RawHits:
    from triage.raw_hits import Collector  # noqa: PLC0415

    collector = Collector()
    for buffer, _, _, base in buffers(path, 0):
        collector.feed(buffer, base)
    return collector.finish()


def pass_one(path: Path, *, md5: bool = True) -> dict[str, float]:
    """Pass 1 of a scan in a process of its own: MiB/s and peak memory."""
    code = (
        "import sys, time; from pathlib import Path\n"
        "from preserve.image import open_image; from triage.media_pass import read_media\n"
        "start = time.perf_counter()\n"
        "with open_image(Path(sys.argv[1])) as image: read_media(image, md5=sys.argv[2] == 'True')\n"
        "print(time.perf_counter() - start)\n"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-c", code, str(path), str(md5)]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": float(run.stdout.split()[-1]), "cpu": cpu, "peak_mib": after.ru_maxrss / 1024}


def candidates(path: Path, scan: Callable[..., Any]) -> NDArray[Any]:
    """All candidates as sorted rows: encoding, offset, value."""
    import numpy as np  # noqa: PLC0415

    rows = []
    for buffer, low, high, base in buffers(path, MARGIN_BYTES):
        for encoding, offsets, digits in scan(buffer, low, high, base):
            values = digits.astype(np.int64) @ 10 ** np.arange(11, -1, -1)
            rows.append(np.stack((np.full(len(offsets), encoding), offsets, values), axis=1))
    table = np.concatenate(rows)
    return table[np.lexsort(table.T[::-1])]


def load_prototype(folder: Path) -> ModuleType:
    """`best.py` of the prototype, as a module."""
    spec = importlib.util.spec_from_file_location("raw_pass_prototype", folder / "best.py")
    if spec is None or spec.loader is None:
        message = f"no best.py in {folder}"
        raise SystemExit(message)
    module = importlib.util.module_from_spec(spec)
    sys.dont_write_bytecode = True
    spec.loader.exec_module(module)
    return module


def show(name: str, figures: list[tuple[float, float]], size: int) -> dict[str, float]:
    wall = statistics.median(wall for wall, _ in figures)
    cpu = statistics.median(cpu for _, cpu in figures)
    print(f"{name:44} {size / MIB / wall:8.0f} MiB/s  {cpu:6.2f} CPU s")
    return {"mib_s": size / MIB / wall, "cpu_s": cpu}


def compare(path: Path, prototype: Path, rounds: int, size: int) -> dict[str, Any]:
    """The prototype and ours in turn, with and without stringzilla."""
    import numpy as np  # noqa: PLC0415

    from triage.raw_pass import Scanner  # noqa: PLC0415

    best = load_prototype(prototype)
    result: dict[str, Any] = {}
    for lookup in (True, False) if importlib.util.find_spec("stringzilla") else (False,):
        scans = {"prototype": best.Scanner(use_sz=lookup).scan, "ours": Scanner(table_lookup=lookup).scan}
        figures: dict[str, list[tuple[float, float]]] = {name: [] for name in scans}
        for _, (name, scan) in itertools.product(range(rounds), scans.items()):
            figures[name].append(timed(search_with(path, scan)))
        ways = {name: show(f"{name}, stringzilla {lookup}", runs, size) for name, runs in figures.items()}
        ratios = [ours[1] / theirs[1] for ours, theirs in zip(figures["ours"], figures["prototype"], strict=True)]
        print(f"  CPU of ours / prototype: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
        ours, theirs = (candidates(path, scans[name]) for name in ("ours", "prototype"))
        equal = bool(np.array_equal(ours, theirs))
        print(f"  candidates: {len(ours)}, equal to the prototype's: {equal}")
        result[f"stringzilla={lookup}"] = {**ways, "ratio": statistics.median(ratios), "equal": equal}
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=1024, metavar="MIB")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--prototype", type=Path, metavar="DIR")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    path = options.folder / "raw_pass.dd"
    if not path.exists():
        options.folder.mkdir(parents=True, exist_ok=True)
        make_image(path, options.size * MIB, options.seed)
    size = path.stat().st_size
    print(f"{path.name}: {size / MIB:.0f} MiB, {os.cpu_count()} processors; medians of {options.rounds}")
    read_only(path)
    from triage.raw_pass import Scanner  # noqa: PLC0415

    works: dict[str, Callable[[], object]] = {
        "reading": lambda: read_only(path),
        "reading, SHA-256": hash_with(path, "sha256"),
        "reading, MD5": hash_with(path, "md5"),
        "reading, SHA-256 and MD5 beside each other": hash_with(path, "sha256", "md5"),
        "reading, search": search_with(path, Scanner().scan),
        "reading, search and choice of hits": lambda: collect(path),
    }
    if shutil.which("dd"):
        dd = ["dd", f"if={path}", "of=/dev/null", "bs=2M", "status=none"]
        works = {"dd": lambda: subprocess.run(dd, check=True), **works}
    passes = [("pass 1", path, True), ("pass 1 without MD5", path, False)]
    ewf = evidence_file(path)
    if ewf is not None:
        works |= {
            "E01: reading, SHA-256 and MD5": hash_image(ewf, "sha256", "md5"),
            "E01: reading, SHA-256": hash_image(ewf, "sha256"),
        }
        passes += [("E01: pass 1", ewf, True), ("E01: pass 1 without MD5", ewf, False)]
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in (*works, *(name for name, *_ in passes))}
    peak = 0.0
    for _ in range(options.rounds):
        for name, work in works.items():
            figures[name].append(timed(work))
        for name, source, md5 in passes:
            run = pass_one(source, md5=md5)
            figures[name].append((run["wall"], run["cpu"]))
            peak = max(peak, run["peak_mib"])
    result: dict[str, Any] = {name: show(name, runs, size) for name, runs in figures.items()}
    result["pass 1"]["peak_mib"] = peak
    both, single = "reading, SHA-256 and MD5 beside each other", "reading, SHA-256"
    pairs = [("pass 1", both, 0.8), ("pass 1 without MD5", single, 0.7)]
    if ewf is not None:
        pairs += [
            ("E01: pass 1", "E01: reading, SHA-256 and MD5", 0.8),
            ("E01: pass 1 without MD5", "E01: reading, SHA-256", 0.7),
        ]
    for name, alone, least in pairs:
        share = result[name]["mib_s"] / result[alone]["mib_s"]
        print(f"{name}: {share:.0%} of {alone} (goal {least:.0%})")
    goal = min(500.0, 0.8 * result["dd" if "dd" in result else "reading"]["mib_s"])
    print(f"pass 1 (read, SHA-256, MD5, search): goal {goal:.0f} MiB/s; peak memory {peak:.0f} MiB")
    hits = collect(path)
    blocks = json.loads(Path(f"{path}.planted.json").read_text())
    found = sum(bool(((hits.offsets >= at) & (hits.offsets < at + length)).any()) for at, length in blocks)
    print(f"planted numbers among the hits: {found} of {len(blocks)}")
    print(f"passing strings: {hits.counts.passing}; kept {len(hits.offsets)} (label {hits.counts.label}, ", end="")
    print(f"list {hits.counts.list}, lone {hits.counts.lone}); without evidence {hits.counts.without_evidence()}")
    result |= {"planted": len(blocks), "found": found, "kept": len(hits.offsets), "passing": hits.counts.passing}
    if options.prototype:
        result["prototype"] = compare(path, options.prototype, options.rounds, size)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
