"""Verifies the signatures of many entries on all processors, in processes of their own.

```python
with SignaturePool(processes=2) as pool:
    future = pool.submit([Job(seq, key, signature, payload), …])
    future.result()                  # the `seq` of those whose signature does not fit
```
Walking the ledger keeps the interpreter busy, so threads alone would use one processor. Short ledgers are verified
here, and so is every batch whose process fails. A process never decides alone that a signature is wrong.
"""

from __future__ import annotations

import contextlib
import struct
import subprocess
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from chain_of_custody import signature_worker

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

_INLINE = 2_000
"""So many signatures take about as long as starting processes does."""


class Job(NamedTuple):
    """One signature to verify: `key` is the 32 bytes of an Ed25519 public key, `signature` 64 bytes."""

    seq: int
    key: bytes
    signature: bytes
    payload: bytes


def failing(batch: Sequence[Job]) -> list[int]:
    """The `seq` of each job whose signature does not fit."""
    fits = signature_worker.fits
    return [job.seq for job in batch if not fits(job.key, job.signature, job.payload)]


class SignaturePool:
    """Batches go to processes once there are enough of them; leaving `with` ends the processes."""

    def __init__(self, processes: int) -> None:
        self._wanted = processes if processes > 1 and sys.executable and not getattr(sys, "frozen", False) else 0
        self._submitted = 0
        self._threads: ThreadPoolExecutor | None = None
        self._processes: list[subprocess.Popen[bytes]] = []
        self._local = threading.local()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
        for process in self._processes:
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()
            process.kill()
            process.wait()

    def submit(self, batch: Sequence[Job]) -> Future[list[int]]:
        """The failing ones of a batch, later (or at once, while there are few)."""
        self._submitted += len(batch)
        if not self._wanted or self._submitted <= _INLINE:
            done: Future[list[int]] = Future()
            done.set_result(failing(batch))
            return done
        if self._threads is None:
            # Each thread waits for a process of its own.
            self._threads = ThreadPoolExecutor(self._wanted)
        return self._threads.submit(self._elsewhere, batch)

    def _elsewhere(self, batch: Sequence[Job]) -> list[int]:
        parts = [struct.pack(">I", len(batch))]
        for job in batch:
            parts += (struct.pack(">32s64sI", job.key, job.signature, len(job.payload)), job.payload)
        answer = b""
        try:
            process = self._process()
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(b"".join(parts))
            process.stdin.flush()
            answer = process.stdout.read(len(batch))
        except OSError:
            # No process could be started, or it was killed: the batch is verified here instead.
            answer = b""
        doubtful = (
            batch if len(answer) != len(batch) else [job for job, fits in zip(batch, answer, strict=True) if fits != 1]
        )
        return failing(doubtful)

    def _process(self) -> subprocess.Popen[bytes]:
        process: subprocess.Popen[bytes] | None = getattr(self._local, "process", None)
        if process is None:
            process = subprocess.Popen(
                [sys.executable, "-P", str(Path(signature_worker.__file__))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            self._local.process = process
            with self._lock:
                self._processes.append(process)
        return process
