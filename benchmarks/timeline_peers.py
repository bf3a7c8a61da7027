"""The same files read by the timeline and by plaso: events, times that both have, and every difference named.

    python benchmarks/timeline_peers.py --data DIR --work DIR --plaso BIN

`DIR` of `--data` holds real artefacts (`*.xz` is unpacked first); `BIN` is the folder of log2timeline and psort. Times
are compared to the microsecond, one more or less: plaso rounds the 100 ns of a FILETIME, this program keeps them.
Prints the table of docs/timeline-peers.md; exit code 1 where a time of plaso's is missing and no reason is named.
"""

from __future__ import annotations

import argparse
import json
import lzma
import os
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# plaso's parser (its beginning), its kind of data, its time -> why a time of it is not here. The first row counts.
REASONS: tuple[tuple[str, str, str, str], ...] = (
    ("winreg/explorer_programscache", "", "", "ProgramsCache is not read here"),
    ("winreg/msie_zone", "", "", "zone settings of Internet Explorer are not read here"),
    (
        "winreg",
        "windows:registry:key_value",
        "",
        "last-written time of a key that means nothing by itself: no event here",
    ),
    (
        "winreg/windows_services",
        "",
        "",
        "last-written time of a service's key that is none of the services listed here",
    ),
    ("olecf/olecf_default", "", "", "times of the compound file's own storages are no events here"),
    ("sqlite/chrome_66_cookies", "chrome:cookie:entry", "Expiration Time", "after 2262: kept as text, without a time"),
    ("winevt", "windows:evt:record", "Content Modification Time", "time of writing: not an event of its own here"),
)


@dataclass(slots=True)
class Reading:
    """What one program made of a file."""

    events: Counter[str] = field(default_factory=Counter)
    times: dict[int, set[tuple[str, str, str]]] = field(default_factory=lambda: defaultdict(set))
    """Microseconds since 1970 -> which parser, kind of data and time gave it."""


def unpack(data: Path, target: Path) -> None:
    """A copy of the artefacts, with what is compressed by xz unpacked."""
    for path in sorted(data.rglob("*")):
        if not path.is_file() or path.name == "INDEX.tsv":
            continue
        copy = target / path.relative_to(data)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".xz":
            copy.with_suffix("").write_bytes(lzma.decompress(path.read_bytes()))
        else:
            shutil.copyfile(path, copy)


def own(work: Path) -> dict[str, Reading]:
    """The events of this program, by the paths of files; those inside images by their layers."""
    import duckdb  # noqa: PLC0415 - only for this part

    case = work / "peers.case"
    shutil.rmtree(case, ignore_errors=True)
    command = [sys.executable, "-m", "timeline.cli", "build", str(work / "data"), "--case", str(case), "--tz", "UTC"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HOZEN_CONFIG_HOME": str(work / "config")}
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    build = next(case.glob("timeline/*/manifest.json")).parent
    statement = f"""SELECT s.path, s.layer, s.parser, e.time_ns, e.kind, e."desc"
        FROM read_parquet('{build}/events/*.parquet') e
        JOIN read_parquet('{build}/sources.parquet') s USING (source_id)"""
    found: dict[str, Reading] = defaultdict(Reading)
    for path, layer, parser, time_ns, kind, words in duckdb.connect().execute(statement).fetchall():
        reading = found[path.lstrip("/") if layer.startswith("folder:") else layer]
        reading.events[parser] += 1
        if time_ns is not None:
            reading.times[time_ns // 1000].add((parser, kind, words))
    return found


def plaso(work: Path, programs: Path) -> dict[str, Reading]:
    """The events of plaso; those without a time count as events only."""
    store, out = work / "peers.plaso", work / "peers.jsonl"
    if not out.exists():
        store.unlink(missing_ok=True)
        first = [str(programs / "log2timeline"), "-q", "-u", "--status_view", "none", "--timezone", "UTC"]
        first += ["--parsers", "!filestat", "--single_process", "--storage-file", str(store), str(work / "data")]
        second = [str(programs / "psort"), "-q", "-u", "-o", "json_line", "-w", str(out), str(store)]
        for command in (first, second):
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    found: dict[str, Reading] = defaultdict(Reading)
    with out.open(encoding="utf-8") as file:
        for line in file:
            event = json.loads(line)
            reading = found[str(event.get("display_name", "")).partition("/data/")[2]]
            parser = str(event.get("parser"))
            reading.events[parser.partition("/")[0]] += 1
            if event["timestamp"]:
                reading.times[event["timestamp"]].add((parser, event["data_type"], event["timestamp_desc"]))
    return found


def reason(parser: str, kind: str, words: str) -> str:
    """Why a time of plaso's is not here; empty where nobody knows."""
    for beginning, data, which, why in REASONS:
        if parser.startswith(beginning) and data in ("", kind) and which in ("", words):
            return why
    return ""


def compare(mine: Reading, other: Reading) -> tuple[int, int, Counter[str], Counter[tuple[str, str, str]]]:
    """Times that both have, those that only this program has, those that only plaso has by reason, and the rest."""
    near = {moment + step for moment in mine.times for step in (-1, 0, 1)}
    theirs = {moment + step for moment in other.times for step in (-1, 0, 1)}
    reasons: Counter[str] = Counter()
    unknown: Counter[tuple[str, str, str]] = Counter()
    both = 0
    for moment, sources in other.times.items():
        if moment in near:
            both += 1
            continue
        words = sorted({reason(*source) for source in sources} - {""})
        if words:
            reasons[words[0]] += 1
        else:
            unknown[min(sources)] += 1
    return both, sum(moment not in theirs for moment in mine.times), reasons, unknown


def _counts(reading: Reading) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in reading.events.most_common(3)) or "–"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--plaso", type=Path, required=True)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    if not (options.work / "data").exists():
        unpack(options.data, options.work / "data")
    mine, other = own(options.work), plaso(options.work, options.plaso)
    missing = 0
    print("| file | events here | events of plaso | times both have | only here | only plaso | why |")
    print("|---|---|---|---|---|---|---|")
    for name in sorted(mine.keys() | other.keys()):
        here, there = mine.get(name, Reading()), other.get(name, Reading())
        both, more, reasons, unknown = compare(here, there)
        missing += sum(unknown.values())
        why = [f"{count} × {words}" for words, count in reasons.most_common()]
        why += [f"{count} × not looked into: {' '.join(source)}" for source, count in unknown.most_common()]
        shown = name.rpartition("/")[2] if not name.startswith(("e01:", "qcow2:", "raw:", "vhd:")) else name
        left = sum(reasons.values()) + sum(unknown.values())
        cells = (shown, _counts(here), _counts(there), f"{both:,}", f"{more:,}", f"{left:,}", "; ".join(why))
        print("| " + " | ".join(cell.replace("|", " › ") for cell in cells) + " |")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
