"""Pages that Windows 10 and 11 keep compressed in memory: found by their form in page files and memory.

The store manager packs a page of 4 KiB with plain LZXPRESS and puts it at a multiple of 16 bytes; which page lies
where is known only to structures of the running system. So every such place is tried: flags of 32 bits, literals up to
the first match, and a match that must not reach before the start leave one place in some thousands of random bytes,
and the rest of those fail before the page is whole.

Format: [MS-XCA] 2.3 and 2.4 (plain LZ77); the store: "Finding Evil in Windows 10 Compressed Memory" (2019).
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

PAGE_BYTES = 4096
ALIGNMENT_BYTES = 16
LONGEST_BYTES = PAGE_BYTES + 512 + 64
"""Nothing longer is stored: a page that does not shrink is kept as it is."""


def is_readable() -> bool:
    """Whether the library that decompresses is there."""
    return importlib.util.find_spec("pyfwnt") is not None


def _literals(flags: NDArray[np.uint32]) -> NDArray[np.int64]:
    """How many literals come before the first match: zero bits at the top; 32 where all are."""
    count = np.full(flags.size, 32, dtype=np.int64)
    rest = flags.copy()
    found = np.zeros(flags.size, dtype=np.int64)
    for step in (16, 8, 4, 2, 1):
        empty = rest >> np.uint32(32 - step) == 0
        found[empty] += step
        rest[empty] <<= np.uint32(step)
    count[flags != 0] = found[flags != 0]
    return count


def candidates(data: bytes) -> NDArray[np.int64]:
    """Offsets in `data`, multiples of 16, where a compressed page may begin."""
    if len(data) < ALIGNMENT_BYTES + 80:
        return np.zeros(0, dtype=np.int64)
    codes = np.frombuffer(data, dtype=np.uint8)
    last = len(data) - 80
    places = np.arange(0, last, ALIGNMENT_BYTES, dtype=np.int64)
    words = np.frombuffer(data, dtype="<u4", count=len(data) // 4)
    first = _literals(words[places // 4])
    # A page whose first 32 bytes hold no match has its first one under the next flags.
    late = first == 32
    second = np.where(late, _literals(words[places // 4 + 9]), 0)
    kept = (first > 0) & (second < 32)
    places, first, second = places[kept], first[kept], second[kept]
    literals = first + second
    at = places + 4 + literals + np.where(first == 32, 4, 0)
    token = codes[at].astype(np.int64) | codes[at + 1].astype(np.int64) << 8
    found: NDArray[np.int64] = places[(token >> 3) + 1 <= literals]
    return found


def pages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The compressed pages that begin in `data`: (offset, 4096 bytes of content)."""
    library: Any = importlib.import_module("pyfwnt")
    for place in candidates(data).tolist():
        try:
            page = bytes(library.lzxpress_decompress(data[place : place + LONGEST_BYTES], PAGE_BYTES))
        except (OSError, ValueError):
            continue
        if len(page) == PAGE_BYTES:
            yield place, page
