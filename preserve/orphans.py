"""A child process must not outlive the one that started it: it would work on evidence that nobody waits for.

On Linux the kernel kills it (`prctl`); everywhere a thread waits for the end of the parent and ends the process. Both,
because the kernel knows nothing of the thread's sentinel, and the thread cannot run while a library in C holds the
interpreter.
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from multiprocessing.connection import wait

_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Make this process, which `multiprocessing` started, end as soon as its parent is gone."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    threading.Thread(target=_watch, args=(parent.sentinel,), name="parent", daemon=True).start()
    # Under a fork server the parent of the system is the server, which ends with ours by itself.
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == 1 and parent.pid != 1:
            os._exit(1)


def _watch(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
