"""A lock between processes that also threads respect: `fcntl.flock` or, on Windows, `msvcrt.locking`."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from chain_of_custody.errors import LedgerError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WAIT_SECONDS = 60.0

if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        os.lseek(descriptor, 0, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def open_lock_file(path: Path) -> int:
    """A descriptor for `holding`; the file is made if needed. Raises OSError."""
    return os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0), 0o644)


def acquire(descriptor: int, path: Path, *, wait_seconds: float = WAIT_SECONDS) -> None:
    """Take the lock on `descriptor` (opened by `open_lock_file(path)`); `release` it, or close the descriptor.

    Raises LedgerError if another process keeps it for `wait_seconds`. The system frees it when a holder dies.
    """
    if _try_lock(descriptor):
        return
    deadline = time.monotonic() + wait_seconds
    pause = 0.0002
    while not _try_lock(descriptor):
        if time.monotonic() > deadline:
            raise LedgerError(
                f"台帳が他の処理に使われたままです: {path}",
                f"another process keeps the ledger locked: {path}",
                hint_ja="止まっている hozen の処理がないか確かめてから、やり直してください",
                hint_en="look for a hozen process that hangs, then try again",
            )
        time.sleep(pause)
        pause = min(pause * 1.5, 0.02)


def release(descriptor: int) -> None:
    """Give the lock back."""
    _unlock(descriptor)


@contextmanager
def holding(descriptor: int, path: Path, *, wait_seconds: float = WAIT_SECONDS) -> Iterator[None]:
    """Hold the lock while the block runs; raises like `acquire`."""
    acquire(descriptor, path, wait_seconds=wait_seconds)
    try:
        yield
    finally:
        release(descriptor)
