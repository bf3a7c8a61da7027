"""Make the NTFS test image `tests/data/preserve/ntfs.E01` and the list of what is on it, `ntfs.json`.

Needs root, mkntfs, ntfs-3g (FUSE) and ewfacquire; run it from the repository: `python tests/preserve/make_ntfs.py`.
The image is made once and kept, because CI may not mount.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

TARGET = Path(__file__).resolve().parents[1] / "data" / "preserve"
SIZE = 12 << 20


def text(words: str, size: int, seed: int) -> bytes:
    """Compressible text of exactly `size` bytes."""
    rng = random.Random(seed)
    lines = "".join(f"{words} {rng.randrange(10**6):06d}\n" for _ in range(size // (len(words.encode()) + 8) + 2))
    return lines.encode()[:size]


def fill(root: Path) -> dict[str, str]:
    """Write everything; returns the SHA-256 of each live stream by path."""
    live: dict[str, bytes] = {}

    def put(path: str, data: bytes) -> None:
        target = root / path.partition(":")[0].lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if ":" in path:
            os.setxattr(target, "user." + path.partition(":")[2], data)
        else:
            target.write_bytes(data)
        live[path] = data

    def gone(path: str) -> None:
        (root / path.lstrip("/")).unlink()
        live.pop(path)

    put("/文書/給与 一覧.txt", text("給与明細", 300, 1))  # resident
    put("/文書/大きい.txt", text("台帳の行", 70_001, 2))  # its own clusters, slack at the end
    put("/文書/大きい.txt:Zone.Identifier", b"[ZoneTransfer]\r\nZoneId=3\r\n")
    put("/文書/大きい.txt:大きな流れ", text("別の流れ", 9_000, 3))
    put("/文書:folder stream", b"a stream of a folder")
    put("/empty.bin", b"")
    # Fragmented: two files written in turns.
    (root / "frag").mkdir()
    one, two = bytearray(), bytearray()
    with (root / "frag/a.bin").open("wb", buffering=0) as a, (root / "frag/b.bin").open("wb", buffering=0) as b:
        for turn in range(12):
            for file, kept in ((a, one), (b, two)):
                part = text("断片", 8192, turn)
                file.write(part)
                kept.extend(part)
                os.fsync(file.fileno())
    live["/frag/a.bin"], live["/frag/b.bin"] = bytes(one), bytes(two)
    with (root / "sparse.bin").open("wb") as file:
        file.write(b"head" * 1024)
        file.seek(1 << 20)
        file.write(b"tail" * 1024)
    live["/sparse.bin"] = (root / "sparse.bin").read_bytes()
    (root / "compressed").mkdir()
    os.setxattr(root / "compressed", "system.ntfs_attrib_be", (0x800).to_bytes(4, "big"))
    put("/compressed/c.txt", text("圧縮された行", 200_000, 4))
    os.link(root / "文書/大きい.txt", root / "hard link.txt")
    live["/hard link.txt"] = live["/文書/大きい.txt"]
    for number in range(120):
        put(f"/many/file number {number:03d} of many.txt", f"number {number}\n".encode())
    # Deleted: resident, with clusters, a whole folder, names only.
    put("/deleted resident.txt", b"deleted and resident\n")
    put("/文書/消した.bin", text("消した中身", 20_000, 5))
    put("/old folder/inner/deep.txt", text("深い所", 5_000, 6))
    put("/old folder/top.txt", b"in a deleted folder\n")
    os.sync()
    for path in ("/deleted resident.txt", "/文書/消した.bin", "/old folder/inner/deep.txt", "/old folder/top.txt"):
        gone(path)
    (root / "old folder/inner").rmdir()
    (root / "old folder").rmdir()
    for number in range(60, 120):
        gone(f"/many/file number {number:03d} of many.txt")
    put("/many/renamed from.txt", b"renamed\n")
    (root / "many/renamed from.txt").rename(root / "many/to.txt")
    live["/many/to.txt"] = live.pop("/many/renamed from.txt")
    # The last entry of an index block leaves a whole copy behind it: a name that is only there.
    put("/many/zz a.txt", b"a\n")
    put("/many/zz gone name.txt", b"has another name now\n")
    gone("/many/zz a.txt")
    (root / "many/zz gone name.txt").rename(root / "many/aa.txt")
    live["/many/aa.txt"] = live.pop("/many/zz gone name.txt")
    return {path: hashlib.sha256(data).hexdigest() for path, data in live.items()}


def main() -> None:
    """Make the image."""
    TARGET.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        raw, mount = Path(scratch) / "ntfs.raw", Path(scratch) / "mount"
        mount.mkdir()
        with raw.open("wb") as file:
            file.truncate(SIZE)
        run = lambda *command: subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: E731
        run("mkntfs", "-F", "-q", "-s", "512", "-c", "4096", "-L", "保全テスト", str(raw))
        run("ntfs-3g", "-o", "compression,streams_interface=xattr", str(raw), str(mount))
        try:
            listing = fill(mount)
        finally:
            run("fusermount3", "-u", str(mount))
        (TARGET / "ntfs.json").write_text(json.dumps(listing, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        for old in TARGET.glob("ntfs.E01"):
            old.unlink()
        options = (
            "-u",
            "-f",
            "encase6",
            "-c",
            "best",
            "-C",
            "case-1",
            "-D",
            "NTFS test volume",
            "-E",
            "1",
            "-e",
            "tester",
        )
        run("ewfacquire", *options, "-t", str(TARGET / "ntfs"), str(raw))
        if len(sys.argv) > 1:
            Path(sys.argv[1]).write_bytes(raw.read_bytes())


if __name__ == "__main__":
    main()
