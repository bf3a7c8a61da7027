"""LZH (LHA): members stored or in -lh4- to -lh7-, header levels 0, 1 and 2; older methods are said as unsupported.

The archive format of Japan's 1990s and 2000s. From Haruyasu Yoshizaki's and Haruhiko Okumura's published descriptions
of the headers and of the static Huffman coding.
"""

from __future__ import annotations

import posixpath
import struct
from typing import TYPE_CHECKING, NamedTuple

from triage.extractors.model import Child, ExtractionError, OutOfOutputError, OutOfTimeError, Problem, member_container
from triage.extractors.unpacked import source_chunks, unpack
from triage.extractors.zip_archive import name_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from triage.extractors.model import Context, Source
    from triage.text import Text

_DICTIONARY_BITS = {b"-lh4-": 12, b"-lh5-": 13, b"-lh6-": 15, b"-lh7-": 17}
_STORED = (b"-lh0-", b"-lz4-")
_FOLDER = b"-lhd-"
_CODES = 510
_LENGTH_CODES = 19
_OUT_BYTES = 1 << 16


def matches(head: bytes, _name: str, _size: int) -> bool:
    """A method name where the first header has it, and a header level that exists."""
    return len(head) > 21 and head[2:4] == b"-l" and head[4:5] in b"hz" and head[6:7] == b"-" and head[20] <= 2


class _Entry(NamedTuple):
    """One member."""

    name: str
    method: bytes
    offset: int
    packed_size: int
    size: int
    crc16: int


def _damaged() -> ExtractionError:
    return ExtractionError("damaged", "LZH が壊れています", "the LZH archive is damaged")


def _decoded_name(raw: bytes) -> str:
    for encoding in ("cp932", "utf-8"):
        try:
            return raw.decode(encoding).replace("\\", "/")
        except UnicodeDecodeError:
            continue
    return raw.decode("cp932", "replace")


def _extended(source: Source, at: int, size: int) -> tuple[bytes, bytes, int]:
    """File name, folder and the position behind a chain of extended headers whose first is `size` bytes long."""
    name = folder = b""
    for _ in range(256):
        if size < 3:
            return name, folder, at
        data = source.read_at(at, size)
        if len(data) < size:
            raise _damaged()
        if data[0] == 1:
            name = data[1:-2]
        elif data[0] == 2:
            folder = data[1:-2].replace(b"\xff", b"/")
        at += size
        size = struct.unpack("<H", data[-2:])[0]
    raise _damaged()


def _entry(source: Source, at: int) -> tuple[_Entry, int] | None:
    """The member whose header stands at `at`, and where the next one does; None at the end of the archive."""
    head = source.read_at(at, 22)
    if not head or head[0] == 0:
        return None
    if len(head) < 22 or head[2:4] != b"-l":
        raise _damaged()
    method = head[2:7]
    packed, size = struct.unpack_from("<II", head, 7)
    level = head[20]
    if level == 2:
        total = struct.unpack_from("<H", head)[0]
        fixed = source.read_at(at + 21, 5).ljust(5, b"\0")
        crc, system, following = struct.unpack("<HBH", fixed)
        name, folder, _ = _extended(source, at + 26, following)
        # The version for OS-9/68k does not count the first two bytes of the header.
        body = at + total + (2 if system == 0x4B else 0)
    elif level in (0, 1):
        length = head[21]
        raw = source.read_at(at + 22, length + 5).ljust(length + 5, b"\0")
        name, folder = raw[:length], b""
        crc = struct.unpack_from("<H", raw, length)[0]
        body = at + 2 + head[0]
        if level == 1:
            following = struct.unpack("<H", source.read_at(body - 2, 2).ljust(2, b"\0"))[0]
            long_name, folder, end = _extended(source, body, following)
            name = long_name or name
            packed -= end - body
            body = end
    else:
        raise _damaged()
    if packed < 0 or body <= at:
        raise _damaged()
    whole = _decoded_name(folder + (b"/" if folder and not folder.endswith(b"/") else b"") + name)
    return _Entry(whole, method, body, packed, size, crc), body + packed


class _Bits:
    """Bits of the packed stream, highest first; zeros behind its end."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._data = b""
        self._at = 0
        self.buffer = 0
        self.count = 0
        self.over = 0

    def fill(self) -> None:
        """Have at least 32 bits at hand."""
        if self._at >= len(self._data):
            self._data = next(self._chunks, b"")
            self._at = 0
            if not self._data:
                self.over += 1
                if self.over > 16:
                    raise ExtractionError("damaged", "圧縮データが途中で切れています", "compressed data ends early")
                self._data = bytes(4)
        part = self._data[self._at : self._at + 8]
        self._at += 8
        self.buffer = (self.buffer << 8 * len(part)) | int.from_bytes(part, "big")
        self.count += 8 * len(part)

    def peek(self, size: int) -> int:
        """The next bits without taking them."""
        while self.count < size:
            self.fill()
        return self.buffer >> (self.count - size)

    def skip(self, size: int) -> None:
        """Take bits that were peeked at."""
        self.count -= size
        self.buffer &= (1 << self.count) - 1

    def take(self, size: int) -> int:
        """The next bits."""
        value = self.peek(size)
        self.skip(size)
        return value


_Table = list[tuple[int, int]]
"""For each 16 bits: the symbol they begin with and its length in bits."""


def _table(lengths: list[int]) -> _Table:
    """The codes of a canonical Huffman coding; raises `ExtractionError` if the lengths make none."""
    table: _Table = []
    for length in range(1, 17):
        span = 1 << (16 - length)
        for symbol, own in enumerate(lengths):
            if own == length:
                table += [(symbol, length)] * span
                if len(table) > 65536:
                    raise _damaged()
    if len(table) != 65536:
        raise _damaged()
    return table


def _small_table(bits: _Bits, count: int, count_bits: int, special: int) -> _Table:
    """The table of code lengths or of positions."""
    number = bits.take(count_bits)
    if number == 0:
        return [(bits.take(count_bits), 0)] * 65536
    lengths: list[int] = []
    while len(lengths) < min(number, count):
        length = bits.peek(3)
        if length == 7:
            bits.skip(3)
            while bits.take(1):
                length += 1
                if length > 16:
                    raise _damaged()
        else:
            bits.skip(3)
        lengths.append(length)
        if len(lengths) == special:
            lengths += [0] * bits.take(2)
    return _table(lengths[:count])


def _code_table(bits: _Bits, lengths_table: _Table) -> _Table:
    """The table of characters and match lengths."""
    number = bits.take(9)
    if number == 0:
        return [(bits.take(9), 0)] * 65536
    lengths: list[int] = []
    while len(lengths) < min(number, _CODES):
        symbol, size = lengths_table[bits.peek(16)]
        bits.skip(size)
        if symbol == 0:
            lengths.append(0)
        elif symbol == 1:
            lengths += [0] * (bits.take(4) + 3)
        elif symbol == 2:
            lengths += [0] * (bits.take(9) + 20)
        else:
            lengths.append(symbol - 2)
    return _table(lengths[:_CODES])


def unlzh(chunks: Iterator[bytes], dictionary_bits: int, size: int) -> Iterator[bytes]:
    """What a stream of static Huffman codes holds, `size` bytes in all."""
    bits = _Bits(chunks)
    positions = 14 if dictionary_bits <= 13 else dictionary_bits + 1
    position_bits = 4 if dictionary_bits <= 13 else 5
    window = 1 << dictionary_bits
    # Matches may reach before the beginning, where the window is full of spaces.
    out = bytearray(b" " * window)
    done = 0
    left = 0
    codes: _Table = []
    places: _Table = []
    while done < size:
        if left == 0:
            left = bits.take(16)
            lengths = _small_table(bits, _LENGTH_CODES, 5, 3)
            codes = _code_table(bits, lengths)
            places = _small_table(bits, positions, position_bits, -1)
            if left == 0:
                raise _damaged()
        left -= 1
        symbol, taken = codes[bits.peek(16)]
        bits.skip(taken)
        if symbol < 256:
            out.append(symbol)
            done += 1
        else:
            length = symbol - 253
            place, taken = places[bits.peek(16)]
            bits.skip(taken)
            if place > 1:
                place = (1 << (place - 1)) + bits.take(place - 1)
            start = len(out) - place - 1
            if start < 0:
                raise _damaged()
            if place + 1 >= length:
                out += out[start : start + length]
            else:
                pattern = bytes(out[start:])
                out += (pattern * (length // len(pattern) + 1))[:length]
            done += length
        if len(out) >= window + _OUT_BYTES:
            yield bytes(out[window : window + _OUT_BYTES])
            del out[:_OUT_BYTES]
    rest = bytes(out[window:])
    over = done - size
    yield rest[: len(rest) - over] if over else rest


def _crc16_table() -> list[int]:
    table: list[int] = []
    for number in range(256):
        value = number
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
        table.append(value)
    return table


_CRC16 = _crc16_table()


def crc16(data: bytes) -> int:
    """CRC-16/ARC, as LHA has it."""
    value = 0
    for byte in data:
        value = value >> 8 ^ _CRC16[(value ^ byte) & 0xFF]
    return value


def extract(source: Source, context: Context) -> Iterator[Text | Problem | Child]:
    """Members in their order."""
    at = 0
    while at < source.size:
        found = _entry(source, at)
        if found is None:
            return
        entry, at = found
        context.count_member()
        container = member_container(source, entry.name)
        yield from name_text(container, entry.name)
        if entry.method == _FOLDER or not entry.size:
            continue
        restart = _opener(source, entry)
        if restart is None:
            method = entry.method.decode("ascii", "replace")
            yield Problem(
                "unsupported",
                f"LZH の圧縮方式 {method} は未対応です",
                f"LZH method {method} is not supported",
                container,
            )
            continue
        try:
            member = unpack(
                restart,
                context,
                name=posixpath.basename(entry.name),
                container=container,
                packed_bytes=entry.packed_size,
            )
        except (OutOfTimeError, OutOfOutputError):
            raise
        except ExtractionError as error:
            yield error.problem(container)
            continue
        yield Child(member.source)
        if member.error is not None:
            yield member.error.problem(container)
        elif member.source.size <= 1 << 20 and crc16(member.source.read_at(0, 1 << 20)) != entry.crc16:
            yield Problem("damaged", "チェックサムが一致しません", "the checksum does not match", container)


def _opener(source: Source, entry: _Entry) -> Callable[[], Iterator[bytes]] | None:
    if entry.method in _STORED:
        return lambda: source_chunks(source, entry.offset, min(entry.packed_size, entry.size))
    bits = _DICTIONARY_BITS.get(entry.method)
    if bits is None:
        return None
    return lambda: unlzh(source_chunks(source, entry.offset, entry.packed_size), bits, entry.size)
