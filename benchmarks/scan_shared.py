"""Scan every image below a folder (of real ones, made by others) and print what came of each, as a table.

    python benchmarks/scan_shared.py ../shared/data WORK

Images are told by content, not by name: what `triage scan` itself opens, files smaller than 1 GiB. Whoever has the same
files gets the same table.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ENDINGS = frozenset((".e01", ".raw", ".dd", ".img", ".qcow2", ".vhd", ".vhdx", ".vmdk", ".bin", ".001"))
LARGEST = 1 << 30
PROGRAM = (sys.executable, "-c", "from triage.cli import main; main()")


def images_below(folder: Path) -> list[Path]:
    """Files with the ending of an image, and more than a sector in them."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix.lower() in ENDINGS)
    return sorted(path for path in found if 512 < path.stat().st_size < LARGEST)


def scan(image: Path, work: Path) -> dict[str, Any]:
    """The row of one image: exit code, file systems, media inside, findings and gaps."""
    case = work / f"{image.parent.name}-{image.name}.case"
    start = time.perf_counter()
    done = subprocess.run(
        [*PROGRAM, "scan", str(image), "--case", str(case), "--ocr", "off"],
        cwd=ROOT, env=dict(os.environ, HOZEN_CONFIG_HOME=str(work / "config"), LC_ALL="C.UTF-8"),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    row: dict[str, Any] = {"image": image.name, "bytes": image.stat().st_size, "exit": done.returncode}
    row["seconds"] = round(time.perf_counter() - start, 1)
    summaries = sorted(case.glob("scans/*/summary.json"))
    if not summaries:
        return row | {"error": done.stderr.strip().splitlines()[-1][:120] if done.stderr.strip() else ""}
    summary = json.loads(summaries[-1].read_text(encoding="utf-8"))
    coverage = [json.loads(line) for line in summaries[-1].with_name("coverage.jsonl").read_text("utf-8").splitlines()]
    unread = [line for line in coverage if line["kind"] == "unreadable"]
    gaps = Counter(f"{line['reason']}: {line['detail'].rpartition(' / ')[2]}" for line in unread)
    return row | {
        "filesystems": [volume["filesystem"] for volume in summary["volumes"]],
        "inside": dict(Counter(medium["kind"] for medium in summary["media"])),
        "files": summary["read"]["files"],
        "findings": list(summary["counts"]["by_confidence"].values()),
        "gaps": dict(gaps),
    }


def main() -> int:
    """Scan and print; 1 where a scan ended in a way that it should never end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("work", type=Path)
    given = parser.parse_args()
    given.work.mkdir(parents=True)
    rows = [scan(image, given.work) for image in images_below(given.folder)]
    print("| image | bytes | exit | file systems | media inside | files | high/medium/low | not read |")
    print("|---|--:|--:|---|---|--:|--:|---|")
    for row in rows:
        if "files" not in row:
            print(f"| {row['image']} | {row['bytes']:,} | {row['exit']} | | | | | {row['error']} |")
            continue
        gaps = "; ".join(f"{count}× {words}" for words, count in row["gaps"].items())
        inside = ", ".join(f"{count} {kind}" for kind, count in row["inside"].items())
        found = "/".join(map(str, row["findings"]))
        systems = ", ".join(one or "?" for one in row["filesystems"])
        print(f"| {row['image']} | {row['bytes']:,} | {row['exit']} | {systems} | {inside} | {row['files']} ", end="")
        print(f"| {found} | {gaps} |")
    (given.work / "table.json").write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return 0 if all(row["exit"] in (0, 3, 4) for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
