"""Encoders for tests: LZXPRESS with Huffman coding, and plain, both with literals only ([MS-XCA] 2.1, 2.3)."""

from __future__ import annotations

import struct


def huffman(data: bytes) -> bytes:
    """`data` (up to 64 KiB) as one block: every byte that occurs has a code of the same length."""
    symbols = sorted(set(data))
    length = max(1, (len(symbols) - 1).bit_length())
    symbols += [symbol for symbol in range(511, -1, -1) if symbol not in symbols][: (1 << length) - len(symbols)]
    symbols.sort()
    lengths = [length if symbol in symbols else 0 for symbol in range(512)]
    table = bytes(lengths[at] | lengths[at + 1] << 4 for at in range(0, 512, 2))
    bits = "".join(f"{symbols.index(byte):0{length}b}" for byte in data)
    bits += "0" * (-len(bits) % 16)
    words = [int(bits[at : at + 16], 2) for at in range(0, len(bits), 16)]
    return table + struct.pack(f"<{len(words)}H", *words) + bytes(4)


def plain(data: bytes) -> bytes:
    """`data` as flags and bytes; a run of one byte becomes one match."""
    items: list[bytes | tuple[int, int]] = []
    at = 0
    while at < len(data):
        run = 1
        while at + run < len(data) and data[at + run] == data[at] and run < 9:
            run += 1
        if at and data[at - 1] == data[at] and run >= 3:
            items.append((1, min(run, 9)))
            at += min(run, 9)
        else:
            items.append(data[at : at + 1])
            at += 1
    out = b""
    for start in range(0, len(items), 32):
        flags, body = 0, b""
        group = items[start : start + 32]
        for number, item in enumerate(group):
            if isinstance(item, tuple):
                flags |= 1 << (31 - number)
                body += struct.pack("<H", (item[0] - 1) << 3 | (item[1] - 3))
            else:
                body += item
        if len(group) < 32:
            # What follows the end is marked as matches.
            flags |= (1 << (32 - len(group))) - 1
        out += struct.pack("<I", flags) + body
    return out
