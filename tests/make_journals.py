"""Makes tests/data/timeline/{compact,regular}.journal.xz with systemd-journal-remote (Debian package of that name, 252).

python tests/make_journals.py
"""

from __future__ import annotations

import lzma
import os
import subprocess
import tempfile
from pathlib import Path

DATA = Path(__file__).parent / "data" / "timeline"
BOOT = "0123456789abcdef0123456789abcdef"


def export() -> bytes:
    """40 entries in the export format, each second one; a third of them logons, one with a text of 3,000 bytes."""
    out = b""
    for number in range(40):
        stamp = 1_700_000_000_000_000 + number * 1_000_000
        message = f"message {number} 日本語"
        if number % 3 == 0:
            message = f"Accepted password for user{number} from 192.0.2.{number} port 50000 ssh2"
        elif number == 10:
            message = "long " + "x" * 3000
        fields = {
            "__CURSOR": f"s=00112233445566778899aabbccddeeff;i={number + 1:x};b={BOOT};m={number:x};t={stamp:x};x=0",
            "__REALTIME_TIMESTAMP": stamp,
            "__MONOTONIC_TIMESTAMP": 5_000_000 + number * 1_000_000,
            "_BOOT_ID": BOOT,
            "_MACHINE_ID": "ffeeddccbbaa99887766554433221100",
            "_HOSTNAME": "srv01",
            "PRIORITY": 6,
            "SYSLOG_IDENTIFIER": "sshd" if number % 3 == 0 else "app",
            "_PID": 100 + number,
        }
        out += "".join(f"{name}={value}\n" for name, value in fields.items()).encode()
        raw = message.encode()
        out += (
            b"MESSAGE\n" + len(raw).to_bytes(8, "little") + raw + b"\n"
            if number % 7 == 1
            else b"MESSAGE=" + raw + b"\n"
        )
        out += b"\n"
    return out


def main() -> None:
    DATA.mkdir(parents=True, exist_ok=True)
    for name, compact in (("compact", "1"), ("regular", "0")):
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder) / "in.export", Path(folder) / f"{name}.journal"
            source.write_bytes(export())
            subprocess.run(
                ["/lib/systemd/systemd-journal-remote", "--compress=1", "-o", str(target), str(source)],
                check=True,
                env={**os.environ, "SYSTEMD_JOURNAL_COMPACT": compact},
            )
            (DATA / f"{name}.journal.xz").write_bytes(lzma.compress(target.read_bytes(), preset=9))


if __name__ == "__main__":
    main()
