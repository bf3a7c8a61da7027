"""Caches of browsers: entries laid out by hand, and those that a real Chromium writes."""

from __future__ import annotations

import gzip
import http.server
import json
import random
import shutil
import struct
import subprocess
import threading
from typing import TYPE_CHECKING

import brotli
import cramjam
import pytest

from tests.conftest import needs
from triage.extractors import extract_all
from triage.extractors.model import BytesSource, Context, Problem
from triage.judge import Judge
from triage.text import Text

if TYPE_CHECKING:
    from pathlib import Path

NUMBER = "123456789018"
PAGE = f"<html><body><p>個人番号: {NUMBER}</p></body></html>".encode()


def found(data: bytes, name: str = "x"):
    items = list(extract_all(BytesSource(data, name), Context(file_seen_raw=True)))
    judge = Judge()
    for item in items:
        if isinstance(item, Text):
            judge.feed(item)
    problems = [item.reason for item in items if isinstance(item, Problem)]
    return [(one.digits, one.container) for one in judge.finish().judged], problems


def simple(body: bytes, encoding: str) -> bytes:
    key = b"https://mail.example/"
    head = bytes.fromhex("305c72a71b6dfbfc") + struct.pack("<IIII", 5, len(key), 0, 0) + key
    end = bytes.fromhex("d8410d97456ffaf4") + bytes(16)
    return head + body + end + f"HTTP/1.1 200\0content-encoding:{encoding}\0".encode() + end


ENCODED = {"gzip": gzip.compress(PAGE), "br": brotli.compress(PAGE), "identity": PAGE}
ENCODED["zstd"] = bytes(cramjam.zstd.compress(PAGE))


@pytest.mark.parametrize("encoding", ENCODED)
def test_chromium_simple_cache(encoding: str) -> None:
    assert found(simple(ENCODED[encoding], encoding), "0a_0") == ([(NUMBER, "0a_0!/body")], [])


@pytest.mark.parametrize("encoding", ENCODED)
def test_firefox_cache2(encoding: str) -> None:
    body = ENCODED[encoding]
    metadata = bytes(8) + f"response-head\0HTTP/1.1 200\r\nContent-Encoding: {encoding}\r\n".encode() + bytes(40)
    name = "0123456789ABCDEF0123456789ABCDEF01234567"
    data = body + metadata + struct.pack(">I", len(body))
    assert found(data, name) == ([(NUMBER, f"{name}!/body")], [])


def test_chromium_block_file() -> None:
    data = bytes.fromhex("c3ca04c1") + struct.pack("<IHHI", 0x30000, 2, 0, 1024)
    data = data.ljust(8192 + 2048, b"\0") + ENCODED["gzip"].ljust(1024, b"\0")
    assert found(data, "data_2") == ([(NUMBER, "data_2!/@10240")], [])


def test_firefox_sessions() -> None:
    text = json.dumps({"formdata": {"個人番号": NUMBER}}, ensure_ascii=False).encode()
    data = b"mozLz40\0" + struct.pack("<I", len(text)) + bytes(cramjam.lz4.compress_block(text, store_size=False))
    assert found(data, "recovery.jsonlz4") == ([(NUMBER, "recovery.jsonlz4!/json")], [])
    assert found(b"mozLz40\0" + b"\xff" * 4 + data[12:], "a.jsonlz4") == ([], ["limit"])
    assert found(data[:-9], "a.jsonlz4") == ([], ["damaged"])


def table(values: list[bytes]) -> bytes:
    """A LevelDB table of one block, with Snappy, as `doc/table_format.md` lays it out."""

    def varint(value: int) -> bytes:
        out = b""
        while value >= 0x80:
            out += bytes([value & 0x7F | 0x80])
            value >>= 7
        return out + bytes([value])

    def block(entries: list[tuple[bytes, bytes]]) -> bytes:
        body = b"".join(b"\0" + varint(len(key)) + varint(len(value)) + key + value for key, value in entries)
        return body + struct.pack("<II", 0, 1)

    data = bytes(cramjam.snappy.compress_raw(block([(b"k%d" % n, value) for n, value in enumerate(values)])))
    first = data + b"\1" + bytes(4)
    index = block([(b"z", varint(0) + varint(len(data)))])
    handles = varint(0) + varint(0) + varint(len(first)) + varint(len(index))
    return first + index + b"\0" + bytes(4) + handles.ljust(40, b"\0") + bytes.fromhex("57fb808b247547db")


def test_leveldb_table() -> None:
    data = table([b"\1" + "個人番号,".encode() + NUMBER.encode(), bytes(3000)])
    assert found(data, "000005.ldb") == ([(NUMBER, "000005.ldb!/@0")], [])
    broken = bytearray(data)
    broken[0] ^= 0xFF
    assert found(bytes(broken), "000005.ldb") == ([], ["damaged"])


def test_a_bomb_is_a_limit() -> None:
    bomb = gzip.compress(bytes(200 << 20), 9)
    assert found(simple(bomb, "gzip"), "0a_0") == ([], ["limit"])


def test_mutated_entries_raise_nothing() -> None:
    generator = random.Random(4)
    whole = [
        (simple(ENCODED["br"], "br"), "a_0"),
        (table([PAGE]), "a.ldb"),
        (b"mozLz40\0" + struct.pack("<I", len(PAGE)) + bytes(cramjam.lz4.compress_block(PAGE, store_size=False)), "j"),
    ]
    for data, name in whole:
        for _ in range(150):
            one = bytearray(data)
            for _ in range(generator.randrange(1, 6)):
                one[generator.randrange(8, len(one))] = generator.randrange(256)
            found(bytes(one), name)


class Mail(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Encoding", "br")
        self.send_header("Cache-Control", "max-age=3600")
        self.end_headers()
        self.wfile.write(ENCODED["br"])

    def log_message(self, *args: object) -> None: ...


@needs("chromium")
def test_what_chromium_keeps_of_a_web_mail(tmp_path: Path) -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mail)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        subprocess.run(
            [
                shutil.which("chromium"),
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                f"--user-data-dir={tmp_path}",
                "--virtual-time-budget=2000",
                "--dump-dom",
                f"http://127.0.0.1:{server.server_port}/inbox",
            ],
            capture_output=True,
            timeout=60,
            check=False,
        )
    finally:
        server.shutdown()
        server.server_close()
    entries = [path for path in tmp_path.rglob("*") if path.is_file() and "Cache_Data" in path.parts]
    assert entries
    hits = [found(path.read_bytes(), path.name)[0] for path in entries]
    assert {one for hit in hits for one, _ in hit} == {NUMBER}
