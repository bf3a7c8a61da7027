"""LZXPRESS with Huffman coding, as Windows compresses prefetch files (`MAM`).

Format: [MS-XCA] 2.1 and 2.2. Each block of 64 KiB begins with the code lengths of 512 symbols, 4 bits each: 256
literals, then 16 × 16 pairs of length and distance.
"""

from __future__ import annotations

BLOCK_BYTES = 65_536
TABLE_BYTES = 256


class DecompressionError(ValueError):
    """The data are not what the format says, or would not stop."""


def decompress(data: bytes, size: int) -> bytes:
    """The `size` bytes that `data` hold. Raises DecompressionError."""
    out = bytearray()
    at = 0
    while len(out) < size:
        if at + TABLE_BYTES > len(data):
            raise DecompressionError("the data end before the next table of codes")
        table = _table(data[at : at + TABLE_BYTES])
        at = _block(data, at + TABLE_BYTES, out, min(size, len(out) + BLOCK_BYTES), table)
    return bytes(out[:size])


def _table(raw: bytes) -> list[int]:
    """For each 15 bits the symbol and its length, as `symbol << 4 | length`. Raises DecompressionError."""
    lengths = [nibble for byte in raw for nibble in (byte & 15, byte >> 4)]
    table: list[int] = []
    for length in range(1, 16):
        repeat = 1 << (15 - length)
        for symbol, own in enumerate(lengths):
            if own == length:
                table.extend([symbol << 4 | length] * repeat)
    if len(table) > 1 << 15:
        raise DecompressionError("a table of codes has too many of them")
    # A table of one code alone is incomplete and allowed; bits that mean nothing are an error when met.
    table.extend([0] * ((1 << 15) - len(table)))
    return table


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "little")


def _block(data: bytes, at: int, out: bytearray, end: int, table: list[int]) -> int:
    """Decode one block onto `out` up to `end` bytes; where its data stop."""
    if at + 4 > len(data):
        raise DecompressionError("the data end within a block")
    bits = _word(data, at) << 16 | _word(data, at + 2)
    at += 4
    spare = 16
    limit = len(data) + 8
    while len(out) < end:
        code = table[bits >> 17]
        length = code & 15
        if not length:
            raise DecompressionError("bits that are no code")
        symbol = code >> 4
        bits = bits << length & 0xFFFF_FFFF
        spare -= length
        if spare < 0:
            bits |= _word(data, at) << -spare
            at += 2
            spare += 16
        if symbol < 256:
            out.append(symbol)
            continue
        symbol -= 256
        count, distance_bits = symbol & 15, symbol >> 4
        if count == 15:
            if at >= len(data):
                raise DecompressionError("the data end within a length")
            count = data[at]
            at += 1
            if count == 255:
                count = _word(data, at)
                at += 2
                if count == 0:
                    count = int.from_bytes(data[at : at + 4], "little")
                    at += 4
                if count < 15:
                    raise DecompressionError("a length that its short form should hold")
                count -= 15
            count += 15
        count += 3
        distance = (bits >> (32 - distance_bits) if distance_bits else 0) + (1 << distance_bits)
        bits = bits << distance_bits & 0xFFFF_FFFF
        spare -= distance_bits
        if spare < 0:
            bits |= _word(data, at) << -spare
            at += 2
            spare += 16
        if distance > len(out) or at > limit:
            raise DecompressionError("a distance that reaches before the start")
        # Matches may run over the end of the block, never over the end that the caller named.
        count = min(count, end + BLOCK_BYTES - len(out))
        start = len(out) - distance
        if distance >= count:
            out += out[start : start + count]
        else:
            pattern = bytes(out[start:])
            out += (pattern * (count // distance + 1))[:count]
    return at
