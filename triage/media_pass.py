"""Pass 1: one read of the whole medium, in order, that feeds the hashes and the search for numbers.

```python
with open_image("disk.E01") as image:
    read = read_media(image)
    print(read.sha256, len(read.hits.offsets))
```
Reading, decoding, SHA-256, MD5 and the search each have threads of their own over a ring of buffers that are recycled;
all of them release the interpreter for most of their work.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from chain_of_custody import console
from preserve.checked import piece_digests
from preserve.image import Range
from triage.carving import heads
from triage.raw_hits import Collector

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from preserve.image import Image
    from triage.raw_hits import RawHits

BUFFER_BYTES = 4 << 20
BUFFERS = 8
AROUND_BYTES = 4096
"""How much around a part is searched with it, so that labels and neighbours are seen."""
MOST_HEADS = 4_000_000
"""Sectors kept that begin like a file: those of live files are among them."""
SAVE_EVERY_BYTES = 4 << 30
"""How much of the search is done again, at most, after a stop that nothing announced."""


@dataclass(frozen=True, slots=True)
class MediaRead:
    """What pass 1 gave: hashes of the medium in hex, hits worth judging."""

    sha256: str
    md5: str
    hits: RawHits
    heads: Sequence[tuple[int, int]] = ()
    """Sectors that begin like a file: (byte of the medium, index into `carving.KINDS`), in order."""
    digests: bytes = field(default=b"", repr=False)
    """BLAKE3 of each MiB of the medium, 32 bytes each; empty where they were not asked for."""


def read_media(
    image: Image, state_file: Path | None = None, *, description: str = "", pieces: bool = False, md5: bool = True
) -> MediaRead:
    """Read `image` once, from the first byte to the last.

    `pieces` asks for the digests of the pieces, too; without `md5` there is none (""). With a `state_file` the search
    goes on where that file says it was stopped; the hashes need every byte again. The file holds offsets and classes of
    hits, never digits. Raises OSError where it cannot be written.
    """
    sha256, legacy, collector = hashlib.sha256(), hashlib.md5(usedforsecurity=False), Collector()
    search_from = _restore(collector, state_file)
    saved = search_from
    begins: list[tuple[int, int]] = []

    def search(view: memoryview, offset: int) -> None:
        nonlocal saved
        if len(begins) < MOST_HEADS:
            begins.extend(heads(np.frombuffer(view, np.uint8), offset))
        skip = max(0, search_from - offset)
        if skip < len(view):
            collector.feed(view[skip:], offset + skip)
        if state_file is not None and collector.settled - saved >= SAVE_EVERY_BYTES:
            _save(collector, state_file)
            saved = collector.settled

    def keep_digests(view: memoryview) -> None:
        digests.append(piece_digests(view))

    size = image.size
    ring = deque(memoryview(bytearray(min(BUFFER_BYTES, max(size, 1)))) for _ in range(BUFFERS))
    filling: deque[tuple[int, memoryview, Future[int]]] = deque()
    working: deque[tuple[memoryview, tuple[Future[None], ...]]] = deque()
    digests: list[bytes] = []
    readers = ThreadPoolExecutor(max(1, min(4, os.cpu_count() or 1)), thread_name_prefix="read")
    names = ("sha256", "md5", "search", *(("pieces",) if pieces else ()))
    hashers = [ThreadPoolExecutor(1, thread_name_prefix=name) for name in names]
    following = 0
    try:
        with console.progress(description or console.text("媒体", "media"), size) as progress:
            while True:
                while ring and following < size:
                    buffer = ring.popleft()
                    part = buffer[: min(len(buffer), size - following)]
                    filling.append((following, buffer, readers.submit(image.readinto_at, following, part)))
                    following += len(part)
                if filling and (filling[0][2].done() or not working):
                    offset, buffer, read = filling.popleft()
                    part = buffer[: read.result()]
                    started = [
                        hashers[0].submit(sha256.update, part),
                        hashers[2].submit(search, part, offset),
                    ]
                    if md5:
                        started.append(hashers[1].submit(legacy.update, part))
                    if pieces:
                        started.append(hashers[3].submit(keep_digests, part))
                    working.append((buffer, tuple(started)))
                    continue
                if not working:
                    break
                buffer, jobs = working.popleft()
                for job in jobs:
                    job.result()
                ring.append(buffer)
                progress.advance(len(buffer))
        weak = legacy.hexdigest() if md5 else ""
        return MediaRead(sha256.hexdigest(), weak, collector.finish(), begins, b"".join(digests))
    except KeyboardInterrupt:
        hashers[2].shutdown(wait=True, cancel_futures=True)
        if state_file is not None:
            _save(collector, state_file)
        raise
    finally:
        for pool in (readers, *hashers):
            pool.shutdown(wait=True, cancel_futures=True)


def search_parts(image: Image, parts: Sequence[Range], *, description: str = "") -> MediaRead:
    """Search only `parts` of a medium (in order, not overlapping) and what lies around them; no hashes."""
    collector = Collector()
    begins: list[tuple[int, int]] = []
    total = sum(part.size for part in parts)
    around: list[Range] = []
    for part in parts:
        start = max(0, part.offset - AROUND_BYTES) & ~511
        end = min(image.size, part.offset + part.size + AROUND_BYTES)
        if around and start <= around[-1].end:
            start = around[-1].offset
            around.pop()
        around.append(Range(start, max(0, end - start)))
    with console.progress(description or console.text("媒体", "media"), total) as progress:
        for part in around:
            for offset in range(part.offset, part.end, BUFFER_BYTES):
                data = image.read_at(offset, min(BUFFER_BYTES, part.end - offset))
                if len(begins) < MOST_HEADS:
                    begins.extend(heads(np.frombuffer(data, np.uint8), offset))
                collector.feed(memoryview(data), offset)
                progress.advance(len(data))
    return MediaRead("", "", collector.finish(), begins)


def _save(collector: Collector, state_file: Path) -> None:
    """Replace the state file in one step, so that a stop leaves the old one or the new one."""
    fresh = state_file.with_suffix(".new.npz")
    with fresh.open("wb") as file:
        np.savez(file, **collector.state())  # type: ignore[arg-type]  # numpy types the keywords as its own options
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(state_file)


def _restore(collector: Collector, state_file: Path | None) -> int:
    """Take over what `state_file` holds; returns the offset from which the search goes on."""
    if state_file is None or not state_file.exists():
        return 0
    try:
        with np.load(state_file, allow_pickle=False) as arrays:
            collector.restore(dict(arrays))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return 0  # a damaged state is no state: everything is searched again
    return collector.resume_offset
