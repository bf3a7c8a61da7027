"""Media for the tests of imaging: loop devices over files, and one with bad sectors; skipped where they cannot be."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_HERE = Path(__file__).parent


def has_loop() -> bool:
    return (
        sys.platform == "linux"
        and os.geteuid() == 0
        and Path("/dev/loop-control").exists()
        and shutil.which("losetup") is not None
    )


needs_loop = pytest.mark.skipif(not has_loop(), reason="needs root and loop devices")
needs_bad_medium = pytest.mark.skipif(
    not (has_loop() and Path("/dev/fuse").exists() and importlib.util.find_spec("mfusepy")),
    reason="needs root, loop devices, FUSE and mfusepy",
)


@contextmanager
def loop(path: Path, *options: str, direct: bool = True) -> Iterator[Path]:
    """A read-only loop device over `path` (options: more of losetup's), detached afterwards."""
    flags = ["--read-only", *(["--direct-io=on"] if direct else []), *options]
    made = subprocess.run(
        ["losetup", "--find", "--show", *flags, str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    device = Path(made.stdout.strip())
    try:
        yield device
    finally:
        subprocess.run(["losetup", "--detach", str(device)], check=True)


@contextmanager
def writable_loop(path: Path, *options: str) -> Iterator[Path]:
    """A writable loop device, detached afterwards."""
    made = subprocess.run(
        ["losetup", "--find", "--show", *options, str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    device = Path(made.stdout.strip())
    try:
        yield device
    finally:
        subprocess.run(["losetup", "--detach", str(device)], check=True)


@contextmanager
def bad_medium(
    folder: Path,
    image: Path,
    *,
    bad: list[int] | None = None,
    heals: dict[int, int] | None = None,
) -> Iterator[Path]:
    """A loop device over `image` on which the 512-byte sectors `bad` cannot be read; `heals` fail so many times."""
    spec = folder / "bad.json"
    spec.write_text(json.dumps({"bad": bad or [], "heals": heals or {}}))
    mountpoint = folder / "fuse"
    mountpoint.mkdir()
    server = subprocess.Popen(
        [sys.executable, str(_HERE / "bad_medium.py"), str(image), str(mountpoint), str(spec)],
    )
    try:
        for _ in range(200):
            if (mountpoint / "disk").exists():
                break
            time.sleep(0.05)
        else:
            pytest.fail("the FUSE medium did not come up")
        with loop(mountpoint / "disk") as device:
            yield device
    finally:
        subprocess.run(["fusermount3", "-u", str(mountpoint)], check=False)
        server.wait(10)


def mixed_data(size: int, seed: int = 1) -> bytes:
    """Bytes of a usual disk: what is compressed already, text, zeros, in runs; the same for the same seed."""
    source = random.Random(seed)
    words = [source.randbytes(6).hex().encode() for _ in range(400)]
    parts: list[bytes] = []
    total = 0
    while total < size:
        length = source.choice((4096, 40000, 131072, 700000))
        kind = source.random()
        if kind < 0.4:
            part = source.randbytes(length)
        elif kind < 0.7:
            part = b" ".join(source.choices(words, k=length // 13 + 1))[:length]
        else:
            part = bytes(length)
        parts.append(part)
        total += len(part)
    return b"".join(parts)[:size]
