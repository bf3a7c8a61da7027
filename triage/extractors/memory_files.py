r"""Memory of Windows in files: `hiberfil.sys` with its compressed parts, page files, dumps.

- Windows XP to 7: blocks that begin with `\x81\x81xpress`, packed with plain LZXPRESS.
- Windows 8 to 11: compression sets, one behind the other from the beginning of a page on: four bytes (number of
  descriptors, size of the data, method), descriptors of 8 bytes (4 on 32-bit systems) with page number and count, then
  up to 16 pages packed with LZXPRESS, with or without Huffman coding, or stored.

Both are found by their form, not by the header: Windows clears that when it wakes up, and leaves the rest.

Sources: "Modern windows hibernation file analysis" (Sylve, Marziale, Richard, 2017), libyal "Windows Hibernation File
format", [MS-XCA].
"""

from __future__ import annotations

import importlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from triage.extractors import binary, compressed_pages
from triage.extractors.model import Problem, member_container

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from triage.extractors.model import Child, Context, Source
    from triage.text import Text

PAGE_BYTES = 4096
SIGNATURE = b"\x81\x81xpress"
BYTES_PER_SECOND = 8 << 20
"""So much of such a file is unpacked and searched in a second, at least: it gets its time by its size."""
_SET_PAGES = 16
_BLOCK = 1 << 20
_NAMES = frozenset(("pagefile.sys", "swapfile.sys"))
_ENDINGS = (".vmem", ".mem", ".dmp")
_HEADS = (b"hibr", b"wake", b"rstr", b"horm", bytes(4))


def is_hibernation(head: bytes, name: str) -> bool:
    """Whether a file is the hibernation file of Windows, by its name and its first bytes (zeros after waking up)."""
    return (name.lower() == "hiberfil.sys" and head[:4].lower() in _HEADS) or (
        head[:4] in (b"HIBR", b"hibr") and head[0x18:0x1C] == PAGE_BYTES.to_bytes(4, "little")
    )


def matches(head: bytes, name: str, _size: int) -> bool:
    """A hibernation file, or the name of a page file or a memory dump."""
    lower = name.lower()
    return is_hibernation(head, name) or lower in _NAMES or lower.endswith(_ENDINGS)


class _Set(NamedTuple):
    """A compression set: where its data lie, how many pages it holds, the first page's number, and its end."""

    data: int
    size: int
    pages: int
    first_page: int
    huffman: bool
    end: int


class _Memory:
    """The sets of a hibernation file, in the order of the file."""

    def __init__(self, source: Source, context: Context) -> None:
        self._source = source
        self._context = context
        self._library: Any = importlib.import_module("pyfwnt")
        self.damaged = 0
        self.sets = 0

    def blocks(self) -> Iterator[tuple[int, bytes]]:
        """(number of the first page, content) of everything compressed or stored in a set."""
        size = self._source.size
        position = 0
        while position < size:
            self._context.check_time()
            data = self._source.read_at(position, _BLOCK + len(SIGNATURE))
            if not data:
                return
            end = position + min(len(data), _BLOCK)
            place = self._next(data, position)
            if place is None:
                position = end
            else:
                position = yield from self._chain(*place)

    def _next(self, data: bytes, position: int) -> tuple[int, int] | None:
        """Where in a block (at `position`) sets begin, and how wide their descriptors are (0: blocks of old)."""
        old = data.find(SIGNATURE)
        while old >= 0 and (position + old) % 8:
            old = data.find(SIGNATURE, old + 1)
        starts = np.arange(-position % PAGE_BYTES, max(len(data) - 4, 0), PAGE_BYTES)
        if starts.size:
            words = np.frombuffer(b"".join(data[at : at + 4] for at in starts.tolist()), dtype="<u4")
            count, packed = words & 0xFF, words >> 8 & 0x3FFFFF
            likely = (count > 0) & (count <= _SET_PAGES) & (packed > 0) & (packed <= _SET_PAGES * PAGE_BYTES)
            for at in starts[likely].tolist():
                if 0 <= old < at:
                    break
                for width in (8, 4):
                    first = self._set(position + at, width)
                    # Two sets in a row that make sense, the first of which unpacks, are no chance.
                    if first is not None and self._set(first.end, width) and self._unpacked(first) is not None:
                        return position + at, width
        return (position + old, 0) if old >= 0 else None

    def _set(self, at: int, width: int) -> _Set | None:
        """The set at byte `at`; None where none can be."""
        head = self._source.read_at(at, 4 + _SET_PAGES * 8)
        if len(head) < 4 + width:
            return None
        word = int.from_bytes(head[:4], "little")
        count, packed, method = word & 0xFF, word >> 8 & 0x3FFFFF, word >> 30
        if not 0 < count <= _SET_PAGES or len(head) < 4 + count * width:
            return None
        pages, first = 0, -1
        for number in range(count):
            descriptor = int.from_bytes(head[4 + number * width : 4 + (number + 1) * width], "little")
            if descriptor >> 4 >= 1 << 32:
                return None
            first = descriptor >> 4 if first < 0 else first
            pages += (descriptor & 15) + 1
        end = at + 4 + count * width + packed
        if not 0 < pages <= _SET_PAGES or not 0 < packed <= pages * PAGE_BYTES or end > self._source.size:
            return None
        return _Set(at + 4 + count * width, packed, pages, first, method >= 2, end)

    def _unpacked(self, one: _Set) -> bytes | None:
        """The pages of a set; None where they do not come out."""
        data = self._source.read_at(one.data, one.size)
        size = one.pages * PAGE_BYTES
        if one.size == size:
            return data
        unpack = self._library.lzxpress_huffman_decompress if one.huffman else self._library.lzxpress_decompress
        try:
            content = bytes(unpack(data, size))
        except (OSError, ValueError):
            return None
        return content if len(content) == size else None

    def _chain(self, at: int, width: int) -> Generator[tuple[int, bytes], None, int]:
        """Everything from `at` on, as long as set follows set; returns where to look for the next ones."""
        if not width:
            return (yield from self._old_block(at))
        start = at
        while (one := self._set(at, width)) is not None:
            self._context.check_time()
            content = self._unpacked(one)
            self.sets += 1
            if content is None:
                self.damaged += 1
            else:
                self._context.spend(len(content))
                yield one.first_page, content
            at = one.end
        # The rest of the page belongs to no set.
        return max(-(-at // PAGE_BYTES) * PAGE_BYTES, start + PAGE_BYTES)

    def _old_block(self, at: int) -> Generator[tuple[int, bytes], None, int]:
        """One block of Windows XP to 7; returns where it ends."""
        head = self._source.read_at(at, 32)
        if len(head) < 32:
            return at + 8
        word = int.from_bytes(head[8:12], "little")
        pages, packed = (word & 0x3FF) + 1, (word >> 10) + 1
        if pages > _SET_PAGES or packed > pages * PAGE_BYTES:
            return at + 8
        one = _Set(at + 32, packed, pages, -1, huffman=False, end=at + 32 + packed)
        content = self._unpacked(one)
        self.sets += 1
        if content is None:
            self.damaged += 1
            return at + 8
        self._context.spend(len(content))
        yield -1, content
        return at + 32 + -(-packed // 8) * 8


def _runs(data: bytes, container: str, location: str) -> Iterator[Text]:
    for text in binary.text_runs(data, 0, container, stream=location):
        yield replace(text, location=location, offsets=None)


def _hibernation(source: Source, context: Context) -> Iterator[Text | Problem]:
    memory = _Memory(source, context)
    container = member_container(source, "memory")
    for page, content in memory.blocks():
        location = f"page 0x{page:x}" if page >= 0 else f"block {memory.sets}"
        yield from _runs(content, container, location)
        for _, inner in compressed_pages.pages(content):
            yield from _runs(inner, container, f"{location}, compressed")
    if memory.damaged:
        yield Problem(
            "damaged",
            f"休止状態ファイルの圧縮ブロック {memory.damaged}/{memory.sets} 個を展開できません",
            f"{memory.damaged} of {memory.sets} compressed blocks of the hibernation file cannot be unpacked",
            source.container,
        )
    elif not memory.sets and source.read_at(0, 4) != bytes(4):
        yield Problem(
            "unsupported",
            "休止状態ファイルの圧縮形式を認識できません",
            "the compression of the hibernation file is not recognised",
            source.container,
        )


def extract(source: Source, context: Context) -> Iterator[Text | Problem | Child]:
    """What lies there in clear, unless pass 1 saw it, then what is compressed."""
    if not context.seen_raw:
        yield from binary.extract(source, context)
    if not compressed_pages.is_readable():
        yield Problem(
            "unsupported",
            "圧縮されたメモリーの展開には libfwnt-python が必要です",
            "unpacking compressed memory needs libfwnt-python",
            source.container,
        )
        return
    if is_hibernation(source.read_at(0, 64), source.name):
        yield from _hibernation(source, context)
        return
    container = member_container(source, "compressed")
    for position in range(0, source.size, _BLOCK):
        context.check_time()
        data = source.read_at(position, _BLOCK + compressed_pages.LONGEST_BYTES)
        # Pages that begin in the overlap come again with the next block.
        for at, page in compressed_pages.pages(data):
            if at < _BLOCK:
                yield from _runs(page, container, f"0x{position + at:x}")
