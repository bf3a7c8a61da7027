"""Hashes of a whole medium: several at once, a thread for each.

```python
hasher = Hasher.of(["md5", "sha256"])
with Hashing(hasher) as hashing:
    for offset_bytes, view in stream(image, 4 << 20, held=1):
        hashing.begin(view)                     # the view must stay as it is until the next turn
hasher.digests["sha256"].digest()
```
MD5 is the slowest of them and cannot be split: a run is as fast as its thread is never idle.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Future
    from types import TracebackType
    from typing import Self

    from preserve.output import Buffer

ALGORITHMS = ("md5", "sha1", "sha256", "sha512", "blake3")


class Digest(Protocol):
    """What hashlib and blake3 objects have in common."""

    def update(self, data: Buffer, /) -> Any:  # noqa: ANN401 - blake3 returns itself, hashlib nothing
        """Add `data`."""

    def digest(self) -> bytes:
        """The hash of all data so far."""

    def copy(self) -> Any:  # noqa: ANN401 - the same kind of object
        """A copy that goes on by itself."""


def new_digest(algorithm: str) -> Digest:
    """A fresh hash of one of ALGORITHMS."""
    if algorithm == "blake3":
        from blake3 import blake3  # noqa: PLC0415 - lazily: most runs need it only for the pieces

        return blake3()
    return hashlib.new(algorithm, usedforsecurity=False)


@dataclass(slots=True)
class Hasher:
    """The hashes of the whole medium and how far they are: they stop at the first deferred piece."""

    digests: dict[str, Digest]
    hashed: int = 0
    """Pieces that went into all of them."""

    @classmethod
    def of(cls, algorithms: Iterable[str]) -> Hasher:
        """Fresh hashes."""
        return cls({algorithm: new_digest(algorithm) for algorithm in algorithms})

    def hex(self) -> dict[str, str]:
        """All hashes of the data so far."""
        return {name: digest.digest().hex() for name, digest in self.digests.items()}


class Hashing:
    """Updates the hashes of a Hasher with the same data at the same time."""

    def __init__(self, hasher: Hasher) -> None:
        self._lanes = [
            (digest, ThreadPoolExecutor(1, thread_name_prefix=f"hash {name}"))
            for name, digest in hasher.digests.items()
        ]
        self._running: list[Future[Any]] = []

    def begin(self, data: Buffer) -> None:
        """Give `data` to all hashes; returns when they are done with what was given before.

        `data` must stay as they are until the next call of any method.
        """
        before, self._running = self._running, [lane.submit(digest.update, data) for digest, lane in self._lanes]
        for one in before:
            one.result()

    def feed(self, data: Buffer) -> None:
        """Update all hashes; returns when all are done with `data`."""
        self.begin(data)
        self.settle()

    def settle(self) -> None:
        """Wait until all that was given is hashed."""
        for one in self._running:
            one.result()
        self._running = []

    def close(self) -> None:
        """End the threads when they are done."""
        for _, lane in self._lanes:
            lane.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
        if error is None:
            self.settle()
