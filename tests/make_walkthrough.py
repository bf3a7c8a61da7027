"""Make the evidence of docs/walkthrough.md: a stick, an endpoint log, alerts, a camera's log, a mail.

    python tests/make_walkthrough.py FOLDER

The laptop is examples/sample.E01. Needs mkfs.fat and mcopy. The story: on 24 November the alarm server says that
roster.csv was copied to a stick; the endpoint log says what was really written. The camera's clock is 37 minutes fast.
Every number, name and address is invented.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NUMBER = "123456789018"
"""A number with a right check digit, nobody's."""
ROSTER = f"社員番号,氏名,個人番号\r\n1001,見本 花子,{NUMBER}\r\n".encode("cp932")
MIB = 1 << 20


def build(folder: Path) -> None:
    """Write the files into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin", "TZ": "Asia/Tokyo"}
    stick, roster = folder / "stick.dd", folder / "roster.csv"
    with stick.open("wb") as file:
        file.truncate(4 * MIB)
    roster.write_bytes(ROSTER)
    os.utime(roster, (1795478590, 1795478590))
    for command in (
        ["mkfs.fat", "-F", "12", "-n", "STICK", "-i", "20261124", str(stick)],
        ["mcopy", "-m", "-i", str(stick), str(roster), "::roster.csv"],
    ):
        subprocess.run(command, check=True, env=environment, capture_output=True)
    roster.unlink()
    size = len(ROSTER)
    log = (
        "端末名,ユーザー名,発生日時,受信日時,種別,ファイル名,読込バイト数,書込バイト数,ドライブ種別\r\n"
        "PC01,soumu,2026/11/24 09:01:02,2026/11/24 09:01:04,DriveAdd,E:,,,リムーバブル\r\n"
        f"PC01,soumu,2026/11/24 09:03:10,2026/11/24 09:03:12,FileCopy,E:\\roster.csv,{size},{size},リムーバブル\r\n"
        "PC01,soumu,2026/11/24 09:05:00,2026/11/24 09:05:03,FileCopy,E:\\plan.xlsx,0,0,リムーバブル\r\n"
        "PC01,soumu,2026/11/24 09:08:00,2026/11/24 09:08:02,DriveDel,E:,,,リムーバブル\r\n"
    )
    (folder / "oplog.csv").write_bytes(log.encode("cp932"))
    alerts = (
        "警報番号,検知日時,端末名,内容,ファイル,サイズ\r\n"
        f"A-1,2026/11/24 09:03:12,PC01,USBへのコピー,E:\\roster.csv,{size}\r\n"
        "A-2,2026/11/24 09:05:03,PC01,USBへのコピー,E:\\plan.xlsx,48213\r\n"
    )
    (folder / "alerts.csv").write_bytes(alerts.encode("cp932"))
    camera = "番号,カメラ,日時,イベント\r\n1,3,2026/11/24 09:36:30,動体検知\r\n2,3,2026/11/24 09:46:10,動体検知\r\n"
    (folder / "camera.csv").write_bytes(camera.encode("cp932"))
    mail = (
        "Received: from pc01.example.jp (pc01.example.jp [192.0.2.5]) by mail1.example.jp with ESMTP;\r\n"
        " Tue, 24 Nov 2026 09:12:03 +0900\r\n"
        "Date: Tue, 24 Nov 2026 09:12:01 +0900\r\nFrom: soumu@example.jp\r\nTo: partner@example.com\r\n"
        "Subject: draft\r\nMessage-ID: <1@example.jp>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
    )
    (folder / "mail.eml").write_bytes(mail.encode("ascii"))
    shutil.copy(Path(__file__).resolve().parents[1] / "examples/sample.E01", folder / "laptop.E01")


if __name__ == "__main__":
    build(Path(sys.argv[1]))
