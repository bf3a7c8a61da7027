from __future__ import annotations

import struct

import pytest

from triage.extractors import lzh

A, B = "123456789018", "621498320257"
ROSTER = f"個人番号 {A}\n".encode("cp932")


def packed(data: bytes) -> bytes:
    """`data` in the static Huffman coding of -lh5-: literals in nine bits, one match of three bytes at distance 5 to 8.

    Checked once against lhasa, which reads what comes out.
    """
    bits = ""

    def put(value: int, size: int) -> None:
        nonlocal bits
        bits += f"{value:0{size}b}"

    symbols: list[tuple[int, int]] = []
    at = 0
    while at < len(data):
        distance = next(
            (far for far in range(5, 9) if at >= far and data[at : at + 3] == data[at - far : at - far + 3]), 0
        )
        if distance and at + 3 <= len(data):
            symbols.append((256, distance - 1))
            at += 3
        else:
            symbols.append((data[at], 0))
            at += 1
    put(len(symbols), 16)
    # Code lengths 1 and 9 (symbols 3 and 11), one bit each.
    put(12, 5)
    for index in range(12):
        put(1 if index in (3, 11) else 0, 3)
        if index == 2:
            put(0, 2)
    # 256 literals of nine bits, then the match of one bit.
    put(257, 9)
    bits += "1" * 256 + "0"
    # Every position has two bits behind an empty code.
    put(0, 4)
    put(3, 4)
    for symbol, place in symbols:
        if symbol == 256:
            bits += "0"
            put(place - 4, 2)
        else:
            put(0x100 | symbol, 9)
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def member(name: bytes, data: bytes, *, level: int = 0, method: bytes = b"-lh5-") -> bytes:
    body = packed(data) if method == b"-lh5-" else data
    crc = lzh.crc16(data)
    if level == 2:
        extended = struct.pack("<HB", len(name) + 3, 1) + name + struct.pack("<H", 0)
        head = struct.pack("<5sIIIBBHB", method, len(body), len(data), 0, 0x20, 2, crc, 0x55)
        return struct.pack("<H", 2 + len(head) + len(extended)) + head + extended + body
    if level == 1:
        extended = struct.pack("<HB", len(b"d\xff") + 3, 2) + b"d\xff" + struct.pack("<H", 0)
        rest = struct.pack("<B", len(name)) + name + struct.pack("<HB", crc, 0x55) + extended[:2]
        head = struct.pack("<5sIIIBB", method, len(body) + len(extended) - 2, len(data), 0, 0x20, 1) + rest
        return bytes((len(head), sum(head) & 0xFF)) + head + extended[2:] + body
    head = struct.pack("<5sIIIBB", method, len(body), len(data), 0, 0x20, 0)
    head += struct.pack("<B", len(name)) + name + struct.pack("<H", crc)
    return bytes((len(head), sum(head) & 0xFF)) + head + body


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("method", [b"-lh0-", b"-lh5-"])
def test_levels_and_methods(read, level: int, method: bytes) -> None:
    data = member("名簿.txt".encode("cp932"), ROSTER * 30, level=level, method=method)
    data += member(b"b.txt", B.encode(), level=level, method=method) + b"\0"
    result = read(data, "a.lzh")
    folder = "d/" if level == 1 else ""
    assert result.problems == []
    assert result.content(container=f"a.lzh!/{folder}名簿.txt") == (ROSTER * 30).decode("cp932")
    assert result.content(container=f"a.lzh!/{folder}b.txt") == B


def test_matches_are_copied(read) -> None:
    data = b"12345" * 40 + b"6789018 123456789018 abcabcab abcabcab"
    assert len(packed(data)) < len(data)
    assert read(member(b"a", data), "a.lzh").content() == data.decode()


def test_old_methods_are_said(read) -> None:
    result = read(member(b"a.txt", ROSTER, method=b"-lh1-") + member(b"b.txt", B.encode()), "a.lzh")
    assert [(problem.reason, problem.container) for problem in result.problems] == [("unsupported", "a.lzh!/a.txt")]
    assert result.content() == B


def test_damage_is_said(read) -> None:
    data = bytearray(member(b"a.txt", ROSTER * 30) + member(b"b.txt", B.encode()))
    data[200] ^= 0xFF
    result = read(bytes(data), "a.lzh")
    assert [problem.reason for problem in result.problems] == ["damaged"]
    assert B in result.content(container="a.lzh!/b.txt")


def test_crc16() -> None:
    # The check value of CRC-16/ARC.
    assert lzh.crc16(b"123456789") == 0xBB3D
