"""Make the evidence of docs/walkthrough.md, the same bytes on every run.

    python examples/make_walkthrough.py FOLDER

Beside `laptop.E01` (made once by `make_laptop.py`, copied): the USB stick as a medium, the endpoint log, the alerts,
the camera's log, and from the mail server its log and a mail. Needs nothing but the installed packages.

The story, in true time on 10 January 2025 in Japan; the laptop's clock is 2 min 10 s fast, the camera's 11 min:

    09:31:05  the camera sees Sato at the desk; it writes 09:42:05
    09:40:00  a stick is plugged in
    09:41:40  the camera sees somebody else at the desk; it writes 09:52:40
    09:42:00  a list of 40 My Numbers is copied onto the stick: 1,890 bytes written (alert A-1)
    09:42:30  受注一覧.csv: 0 bytes written (alert A-2)
    09:42:40  the endpoint agent stops; at 09:45:20 it starts again
    09:43:10  社員台帳.csv is copied while nothing logs it (alert A-3)
    09:44:00  the list is deleted on the laptop, and later on the stick
    09:49:03  the mail server takes a mail without attachment

Every person, number and address is invented.
"""

from __future__ import annotations

import os
import shutil
import struct
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from preserve import open_evidence, open_image  # noqa: E402 - runs from a checkout, too

LIST = "個人番号一覧_提出用.csv"
ROSTER = "社員台帳.csv"
COLLECTED = 1736488800
"""2025-01-10 15:00 JST, in seconds since 1970 UTC."""
ON_LAPTOP = {LIST: f"/Users/soumu/Desktop/{LIST}", ROSTER: f"/Users/soumu/Documents/給与/{ROSTER}"}

# --- the stick: FAT12, 2 MiB ------------------------------------------------------------------------------------------

SECTOR, SECTORS, FAT_SECTORS, ROOT_ENTRIES, SECTORS_A_CLUSTER = 512, 4096, 3, 112, 4
CLUSTER = SECTOR * SECTORS_A_CLUSTER
DATA_START = (1 + 2 * FAT_SECTORS) * SECTOR + ROOT_ENTRIES * 32
SERIAL = 0x1A2B3C4D
DELETED = 0xE5


def fat_time(text: str) -> tuple[int, int, int]:
    """`09:44:10` on 10 January 2025: hundredths, time and date as FAT has them."""
    hour, minute, second = map(int, text.split(":"))
    return second % 2 * 100, hour << 11 | minute << 5 | second // 2, (2025 - 1980) << 9 | 1 << 5 | 10


def directory_entries(name: str, short: bytes, first: int, size: int, created: str, *, deleted: bool) -> bytes:
    """The entries of one long and its short name."""
    checksum = 0
    for byte in short:
        checksum = ((checksum & 1) << 7 | checksum >> 1) + byte & 0xFF
    units = name.encode("utf-16-le") + b"\0\0"
    units += b"\xff" * (-len(units) % 26)
    parts = [units[start : start + 26] for start in range(0, len(units), 26)]
    entries = [
        bytes([number | (0x40 if number == len(parts) else 0)]) + part[:10] + bytes([0x0F, 0, checksum])
        + part[10:22] + b"\0\0" + part[22:]
        for number, part in reversed(list(enumerate(parts, 1)))
    ]  # fmt: skip
    hundredths, clock, day = fat_time(created)
    _, written, _ = fat_time("09:30:00")
    entries.append(
        short + struct.pack("<BBBHHHHHHHI", 0x20, 0, hundredths, clock, day, day, 0, written, day, first, size)
    )
    return b"".join(bytes([DELETED]) + each[1:] if deleted else each for each in entries)


def stick(contents: dict[str, bytes]) -> bytes:
    """The medium: the list, deleted, and the roster."""
    image = bytearray(SECTOR * SECTORS)
    image[:62] = b"\xeb\x3c\x90MSDOS5.0" + struct.pack(
        "<HBHBHHBHHHIIBBBI11s8s", SECTOR, SECTORS_A_CLUSTER, 1, 2, ROOT_ENTRIES, SECTORS, 0xF8, FAT_SECTORS, 32, 2,
        0, 0, 0x80, 0, 0x29, SERIAL, b"MIHON      ", b"FAT12   ",
    )  # fmt: skip
    image[510:512] = b"\x55\xaa"
    fat = bytearray(FAT_SECTORS * SECTOR)
    fat[:3] = b"\xf8\xff\xff"
    _, clock, day = fat_time("09:00:00")
    root = b"MIHON      " + struct.pack("<BBBHHHHHHHI", 0x08, 0, 0, 0, 0, 0, 0, clock, day, 0, 0)
    files = (
        (LIST, b"KOJIN_~1CSV", 2, "09:44:10", True),
        (ROSTER, b"SHAIN_~1CSV", 3, "09:45:20", False),
    )
    for name, short, cluster, created, deleted in files:
        data = contents[name]
        root += directory_entries(name, short, cluster, len(data), created, deleted=deleted)
        start = DATA_START + (cluster - 2) * CLUSTER
        image[start : start + len(data)] = data
        if not deleted:  # 12 bits each: cluster 3 is the upper half of its pair
            fat[4:6] = (int.from_bytes(fat[4:6], "little") | 0xFFF << 4).to_bytes(2, "little")
    for copy in range(2):
        start = (1 + copy * FAT_SECTORS) * SECTOR
        image[start : start + len(fat)] = fat
    start = (1 + 2 * FAT_SECTORS) * SECTOR
    image[start : start + len(root)] = root
    return bytes(image)


# --- the logs ---------------------------------------------------------------------------------------------------------


def endpoint_log(sizes: dict[str, int]) -> bytes:
    """端末操作ログ: the laptop's time of each operation, the log server's time of receipt, bytes read and written."""
    whole = sizes[LIST]
    rows = [
        ("09:42:10", "09:40:02", "DriveAdd", "E:", "", "", "リムーバブル"),
        ("09:44:10", "09:42:02", "FileCopy", f"E:\\{LIST}", whole, whole, "リムーバブル"),
        ("09:44:40", "09:42:32", "FileCopy", "E:\\受注一覧.csv", 0, 0, "リムーバブル"),
        ("09:44:50", "09:42:42", "AgentStop", "", "", "", ""),
        ("09:47:30", "09:45:23", "AgentStart", "", "", "", ""),
        ("09:48:00", "09:45:52", "DriveDel", "E:", "", "", "リムーバブル"),
    ]
    lines = ["端末名,ユーザー名,発生日時,受信日時,種別,ファイル名,読込バイト数,書込バイト数,ドライブ種別"]
    lines += [
        f"PC01,soumu,2025/01/10 {pc},2025/01/10 {server},{','.join(map(str, rest))}" for pc, server, *rest in rows
    ]
    return "".join(f"{line}\r\n" for line in lines).encode("cp932")


def alerts(sizes: dict[str, int]) -> bytes:
    """What the leak detection server reported, in its own time."""
    rows = [("09:42:03", LIST, sizes[LIST]), ("09:42:33", "受注一覧.csv", 4290), ("09:43:12", ROSTER, sizes[ROSTER])]
    lines = ["警報番号,検知日時,端末名,内容,ファイル,サイズ"]
    lines += [
        f"A-{number},2025/01/10 {when},PC01,USBへのコピー,E:\\{name},{size}"
        for number, (when, name, size) in enumerate(rows, 1)
    ]
    return "".join(f"{line}\r\n" for line in lines).encode("cp932")


CAMERA = "番号,カメラ,日時,イベント\r\n" + "".join(
    f"{number},3,2025/01/10 {when},{what}\r\n"
    for number, when, what in ((1, "09:42:05", "席に1名(佐藤)"), (2, "09:52:40", "席に1名(不明)"))
)
MAIL = (
    "Received: from PC01 (pc01.mihon.example [192.0.2.5]) by mail1.mihon.example with ESMTP id 4YVq1k;\r\n"
    " Fri, 10 Jan 2025 09:49:03 +0900\r\n"
    "Date: Fri, 10 Jan 2025 09:51:12 +0900\r\nFrom: soumu@mihon.example\r\nTo: partner@example.com\r\n"
    "Subject: meeting\r\nMessage-ID: <20250110-1@mihon.example>\r\nMIME-Version: 1.0\r\n"
    "Content-Type: text/plain\r\n\r\nSee you on Monday.\r\n"
)
MAIL_LOG = "".join(
    f"Jan 10 {when} mail1 postfix/{what}\n"
    for when, what in (
        ("09:49:03", "smtpd[2101]: 4YVq1k: client=pc01.mihon.example[192.0.2.5]"),
        ("09:49:03", "cleanup[2103]: 4YVq1k: message-id=<20250110-1@mihon.example>"),
        ("09:49:03", f"qmgr[900]: 4YVq1k: from=<soumu@mihon.example>, size={len(MAIL)}, nrcpt=1 (queue active)"),
        ("09:49:05", "smtp[2105]: 4YVq1k: to=<partner@example.com>, relay=mx.example.com, delay=1.8, status=sent"),
        ("09:49:05", "qmgr[900]: 4YVq1k: removed"),
    )
)  # fmt: skip


def build(folder: Path) -> None:
    """Write everything into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(HERE / "laptop.E01", folder / "laptop.E01")
    contents = {}
    with open_image(folder / "laptop.E01") as image:
        medium = open_evidence(image)
        for entry in medium.entries:
            for name, path in ON_LAPTOP.items():
                if entry.path == path:
                    contents[name] = medium.filesystems[entry.volume].open(entry.id).read_at(0, entry.size)
    sizes = {name: len(data) for name, data in contents.items()}
    (folder / "stick.dd").write_bytes(stick(contents))
    (folder / "oplog.csv").write_bytes(endpoint_log(sizes))
    (folder / "alerts.csv").write_bytes(alerts(sizes))
    (folder / "camera.csv").write_bytes(CAMERA.encode("cp932"))
    (folder / "mail.eml").write_bytes(MAIL.encode("ascii"))
    (folder / "maillog").write_text(MAIL_LOG, encoding="ascii", newline="\n")
    # Its lines hold no year: it is inferred from when the file was last written.
    os.utime(folder / "maillog", (COLLECTED, COLLECTED))


if __name__ == "__main__":
    build(Path(sys.argv[1]))
