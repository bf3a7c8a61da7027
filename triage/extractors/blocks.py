"""A text file in blocks: bounded bytes, cut between lines or characters, each in one encoding.

The encoding is settled on the first block and checked on every other one. Where a block does not fit, it is settled
line by line, and runs of lines in one encoding become blocks of their own: logs and mailboxes mix encodings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from triage.extractors.digits import holds_number
from triage.extractors.encodings import (
    BOMS,
    Encoding,
    content_of,
    cut_of,
    decode,
    encoding_of,
    encoding_of_bytes,
    offsets_of,
)
from triage.text import Offsets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from triage.extractors.encodings import Decoded
    from triage.extractors.model import Context, Source

BLOCK_BYTES = 1 << 18
OVERLAP_BYTES = 1024
_JIS = re.compile(rb"\x1b\$[@AB(]|\x1b\(I")
_WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
_NEWLINES: dict[Encoding, bytes] = {
    "utf-16-le": b"\n\x00",
    "utf-16-be": b"\x00\n",
    "utf-32-le": b"\n\x00\x00\x00",
    "utf-32-be": b"\x00\x00\x00\n",
}


@dataclass(slots=True)
class Block:
    """Some bytes of a text file and what they say."""

    data: bytes = field(repr=False)
    base: int
    """Where `data` lies in the file, in bytes."""
    encoding: Encoding
    content: str = field(repr=False)
    overlap: int = 0
    """How many characters at the start repeat the block before."""
    last: bool = False

    def decoded(self) -> Decoded:
        """The characters with their places in `data`."""
        return decode(self.data, self.encoding)

    def offsets(self) -> Offsets:
        """The places of the characters in the file."""
        if self.encoding == "ascii":
            return Offsets((0,), (self.base,), (1,))
        return offsets_of(self.decoded(), len(self.data), self.base)

    def holds_number(self) -> bool:
        """Whether twelve digits lie close together in it."""
        return holds_number(self.content)


def line_cut(data: bytes, encoding: Encoding) -> int:
    """Where to cut `data`: after its last line if that is not far from the end, else between two characters."""
    newline = _NEWLINES.get(encoding, b"\n")
    width = len(newline)
    end = len(data)
    while (found := data.rfind(newline, len(data) // 2, end)) >= 0:
        if found % width == 0:
            return found + width
        end = found + width - 1
    return len(data) - cut_of(data, encoding)


def _tail(data: bytes, encoding: Encoding) -> bytes:
    """The last line or so of `data`, from a place where a character starts."""
    newline = _NEWLINES.get(encoding, b"\n")
    width = len(newline)
    at = len(data) - OVERLAP_BYTES
    if at <= 0:
        return data
    at -= at % width
    found = data.find(newline, at, len(data) - width)
    while found >= 0 and found % width:
        found = data.find(newline, found + 1, len(data) - width)
    if found >= 0:
        return data[found + width :]
    if encoding in _WIDE or encoding == "ascii":
        return data[at:]
    if encoding == "utf-8":
        while at < len(data) and data[at] & 0xC0 == 0x80:
            at += 1
        return data[at:]
    if encoding == "iso2022_jp":
        # Without its escape the tail would read as noise.
        return b""
    # CP932 and EUC-JP: any ASCII byte that no lead byte stands before starts a character afresh.
    for place in range(at + 1, len(data)):
        if data[place] < 0x40 or (data[place] < 0x80 and data[place - 1] < 0x80):
            return data[place:]
    return b""


def _fits(block: bytes, encoding: Encoding) -> tuple[Encoding, str] | None:
    """`block` read in the file's encoding; None if that does not fit it."""
    if encoding not in _WIDE:
        if block.isascii() and encoding != "iso2022_jp":
            return None if _JIS.search(block) else ("ascii", block.decode("latin-1"))
        if encoding == "ascii" or (encoding != "iso2022_jp" and _JIS.search(block)):
            return None
        if encoding == "iso2022_jp" and not block.isascii():
            return None
    content = content_of(block, encoding)
    if encoding not in _WIDE and "�" in content and (encoding != "utf-8" or b"\xef\xbf\xbd" not in block):
        return None
    return encoding, content


def _is_utf_8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


_TELLING = re.compile(rb"[\x1b\x80-\xff]")
_LINE_END = re.compile(rb"\r\n|[\r\n]")


def _telling_lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The lines with a byte above ASCII or an escape, and where they start: only those tell an encoding."""
    found = _TELLING.search(data)
    if found is None:
        return
    if data.count(b"\n") >= 1_000_000:
        yield 0, data
        return
    after = 0
    while found is not None:
        at = found.start()
        start = max(data.rfind(b"\n", after, at), data.rfind(b"\r", after, at), after - 1) + 1
        ending = _LINE_END.search(data, at)
        after = ending.end() if ending is not None else len(data)
        yield start, data[start:after]
        found = _TELLING.search(data, after)


def by_lines(data: bytes, base: int, usual: Encoding) -> Iterator[Block]:
    """Runs of lines in one encoding; lines in ASCII go with their neighbours."""
    # UTF-8 proves itself line by line; which of the others it is, all other lines together tell.
    other: list[bytes] = []
    marks: list[tuple[int, Encoding | None]] = []
    for start, line in _telling_lines(data):
        mark: Encoding | None
        if line.isascii():
            if not _JIS.search(line):
                continue
            mark = "iso2022_jp"
        else:
            mark = "utf-8" if _is_utf_8(line) else None
            if mark is None:
                other.append(line)
        marks.append((start, mark))
    rest: Encoding = "cp932"
    if other:
        joined = b"".join(other)
        rest = encoding_of_bytes(joined) or (usual if usual in ("cp932", "euc_jp", "utf-8") else "cp932")
    run_start = 0
    run: Encoding = "ascii"
    for position, mark in marks:
        encoding = mark or rest
        if encoding not in (run, "ascii"):
            if run != "ascii" and position > run_start:
                part = data[run_start:position]
                yield Block(part, base + run_start, run, content_of(part, run))
                run_start = position
            run = encoding
    part = data[run_start:]
    if part:
        yield Block(part, base + run_start, run, content_of(part, run))


def blocks(
    source: Source,
    context: Context,
    *,
    overlap: bool = True,
    cut: Callable[[bytes, Encoding], int] = line_cut,
    preferred: Encoding | None = None,
) -> Iterator[Block]:
    """All of a text file in order. `cut` says how much of a full block to use; the rest comes with the next one.

    `preferred` is the encoding that the file itself declares: it is taken where the first block is valid in it.
    """
    head = source.read_at(0, BLOCK_BYTES)
    encoding: Encoding = encoding_of(head) or "cp932"
    if preferred and encoding in ("cp932", "euc_jp", "ascii") and _fits(head[:4096].rpartition(b"\n")[0], preferred):
        encoding = preferred
    position = 0
    for mark, marked in BOMS:
        if marked == encoding and head.startswith(mark):
            position = len(mark)
            break
    carried = b""
    tail = b""
    while True:
        context.check_time()
        fresh = source.read_at(position, BLOCK_BYTES)
        data = carried + fresh
        base = position - len(carried)
        position += len(fresh)
        last = len(fresh) < BLOCK_BYTES
        if not data:
            return
        if last:
            carried = b""
        else:
            at = cut(data, encoding)
            # A cut that leaves nothing, or more than can be carried, is no cut.
            if at <= 0 or len(data) - at > 4 * BLOCK_BYTES:
                at = len(data) - cut_of(data, encoding)
            data, carried = data[:at], data[at:]
        fitting = _fits(data, encoding)
        if fitting is None and encoding in ("ascii", "utf-8", "cp932", "euc_jp", "iso2022_jp"):
            settled = encoding_of(data) if encoding == "ascii" else None
            if settled:
                encoding = settled
                fitting = _fits(data, settled)
        if fitting is None:
            tail = b""
            yield from by_lines(data, base, encoding)
        else:
            used, content = fitting
            repeated = 0
            if tail:
                before = content_of(tail, used)
                repeated = len(before)
                content = before + content
            yield Block(tail + data, base - len(tail), used, content, repeated, last)
            tail = _tail(data, used) if overlap else b""
        if last:
            return
