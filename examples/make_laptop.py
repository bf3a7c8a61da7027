"""Make `laptop.E01`: the laptop of docs/walkthrough.md.

    python examples/make_laptop.py [FOLDER]

The files of `make_sample.py` and the traces of the story: a USB stick was plugged in, one file on it was opened, web
mail was visited, the list of numbers was deleted from the desktop. The laptop's clock is 2 min 10 s fast, so all these
times are. Needs what `make_sample.py` needs and libfaketime, so that the file system's own times fit the story.
Everything is invented; see README.md.
"""

from __future__ import annotations

import os
import sqlite3
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import make_sample as sample
from make_sample import HOME, disks

HERE = Path(__file__).resolve().parent
MORNING = 1736468970
"""2025-01-10 09:29:30 JST on the laptop's clock, in seconds since 1970 UTC."""
PLUGGED = 1736469730
"""09:42:10."""
OPENED = 1736469900
"""09:45:00."""
DELETED = "2025-01-10 09:46:10"
STICK_SERIAL = 0x1A2B3C4D
"""Serial number of the stick's file system, as make_walkthrough.py writes it."""
DEVICE = r"USBSTOR\Disk&Ven_Mihon&Prod_Stick&Rev_1.00\MIHON00012A&0"
LIST_ON_STICK = "個人番号一覧_提出用.csv"


def setupapi() -> bytes:
    """The log in which Windows writes what it installed when; local time."""
    lines = [
        "[Device Install Log]",
        "     OS Version = 10.0.19045",
        "[BeginLog]",
        "[Boot Session: 2025/01/10 08:58:31.500]",
        f">>>  [Device Install (Hardware initiated) - {DEVICE}]",
        ">>>  Section start 2025/01/10 09:42:10.214",
        r"     dvi: Class name - DiskDrive",
        r"     dvi: DevDesc - ディスク ドライブ",
        "<<<  Section end 2025/01/10 09:42:11.002",
        "<<<  [Exit status: SUCCESS]",
        "",
    ]
    return "\r\n".join(lines).encode()


def history(folder: Path) -> bytes:
    """A Chromium history: the portal in the morning, web mail after the copy."""
    path = folder / "History"
    with sqlite3.connect(path) as base:
        base.executescript(
            "CREATE TABLE meta(key LONGVARCHAR NOT NULL UNIQUE PRIMARY KEY, value LONGVARCHAR);"
            "INSERT INTO meta VALUES('version','66');"
            "CREATE TABLE urls(id INTEGER PRIMARY KEY AUTOINCREMENT,url LONGVARCHAR,title LONGVARCHAR,"
            "visit_count INTEGER DEFAULT 0 NOT NULL,typed_count INTEGER DEFAULT 0 NOT NULL,"
            "last_visit_time INTEGER NOT NULL,hidden INTEGER DEFAULT 0 NOT NULL);"
            "CREATE TABLE visits(id INTEGER PRIMARY KEY AUTOINCREMENT,url INTEGER NOT NULL,visit_time INTEGER NOT NULL,"
            "from_visit INTEGER,transition INTEGER DEFAULT 0 NOT NULL,segment_id INTEGER,"
            "visit_duration INTEGER DEFAULT 0 NOT NULL);"
        )
        pages = (
            (1, "https://portal.mihon.example/", "社内ポータル", MORNING),
            (2, "https://mail.google.com/mail/u/0/", "受信トレイ", OPENED + 35),
        )
        for number, url, title, seconds in pages:
            when = (seconds + 11_644_473_600) * 1_000_000
            base.execute("INSERT INTO urls VALUES(?,?,?,1,1,?,0)", (number, url, title, when))
            base.execute("INSERT INTO visits VALUES(?,?,?,0,805306369,0,0)", (number, number, when))
    base.close()
    return path.read_bytes()


def shortcut(size: int) -> bytes:
    """A shortcut to the list on the stick: [MS-SHLLINK] with volume serial number, label and path."""
    filetimes = [(when + 11_644_473_600) * 10_000_000 for when in (PLUGGED + 120, OPENED, disks.WHEN)]
    header = bytes.fromhex("4c0000000114020000000000c000000000000046") + struct.pack("<II", 0x82, 0x20)
    header += struct.pack("<3QIIIHHII", *filetimes, size, 0, 1, 0, 0, 0, 0)
    label = b"MIHON\0"
    volume = struct.pack("<IIII", 16 + len(label), 2, STICK_SERIAL, 16) + label
    path = f"E:\\{LIST_ON_STICK}".encode("cp932") + b"\0"
    wide = f"E:\\{LIST_ON_STICK}\0".encode("utf-16-le")
    start = 0x24
    suffix = start + len(volume) + len(path)
    offsets = (start, start + len(volume), 0, suffix, suffix + 1, suffix + 1 + len(wide))
    info = volume + path + b"\0" + wide + b"\0\0"
    info = struct.pack("<9I", start + len(info), start, 1, *offsets) + info
    return header + info + bytes(4)


def tool_clock(stage: str) -> None:
    """Give mkntfs and ntfs-3g the time of the story."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    moment = {"format": "2025-01-09 17:00:00", "fill": "2025-01-10 09:29:40", "delete": DELETED}[stage]
    os.environ |= {"LD_PRELOAD": str(library), "FAKETIME": f"@{moment}", "TZ": "Asia/Tokyo", "FAKETIME_DONT_RESET": "1"}


def build(folder: Path) -> None:
    """Make laptop.E01 in `folder`."""
    laptop = sample.Sample()
    sample.payroll(laptop)
    sample.mail_and_archives(laptop)
    sample.hidden_places(laptop)
    sample.decoys(laptop)
    size = next(len(file.content()) for file in laptop.files if file.path.endswith(LIST_ON_STICK))
    times = {}

    def put(path: str, data: bytes, seconds: int) -> None:
        laptop.put(path, data)
        times[path] = seconds

    with tempfile.TemporaryDirectory(prefix="laptop-") as name:
        work = Path(name)
        put("/Windows/INF/setupapi.dev.log", setupapi(), PLUGGED + 1)
        profile = f"{HOME}/AppData/Local/Google/Chrome/User Data/Default"
        put(f"{profile}/History", history(work), OPENED + 36)
        recent = f"{HOME}/AppData/Roaming/Microsoft/Windows/Recent"
        put(f"{recent}/{LIST_ON_STICK}.lnk", shortcut(size), OPENED)
        partition, disk = work / "windows.ntfs", work / "laptop.dd"
        disks.make_ntfs(
            partition, sample.PARTITION_SIZE, laptop.files, serial=0x20250110_5A3C7E92, label="Windows",
            start_sector=2048, times=times, stage=tool_clock,
        )  # fmt: skip
        for variable in ("LD_PRELOAD", "FAKETIME"):
            del os.environ[variable]
        parts = [disks.Partition("ntfs", partition, sample.PARTITION_OFFSET, sample.PARTITION_SIZE)]
        disks.assemble(disk, sample.DISK_SIZE, parts, scheme="gpt", serial=0x20250111)
        (folder / "laptop.E01").unlink(missing_ok=True)
        subprocess.run(
            [
                "ewfacquire", "-u", "-q", "-c", "best", "-f", "encase6", "-S", "1500000", "-t", str(folder / "laptop"),
                "-C", "2025-001", "-E", "PC-1", "-D", "laptop of the walk, invented", "-e", "hozen",
                "-N", "examples/make_laptop.py", "-m", "fixed", "-M", "physical", "-d", "sha1", str(disk),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip


if __name__ == "__main__":
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
