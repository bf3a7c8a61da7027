"""Places that only Windows has: Notepad's tabs, thumbnails, the clipboard's history, sticky notes."""

from __future__ import annotations

import base64
import json
import sqlite3
import struct

from tests.triage.extractors.compound_file import compound_file
from triage.extractors import extract_all, notepad_tabs, thumbnails
from triage.extractors.model import BytesSource, Context, Decision

NUMBER = "123456789018"


def leb(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


def chars(text: str) -> bytes:
    return leb(len(text)) + text.encode("utf-16-le")


def tab(text: str, changes: list[tuple[int, int, str]] = [], path: str = "") -> bytes:  # noqa: B006 - only read
    """A file of a tab; `changes` are (position, characters taken away, text put in)."""
    data = b"NP\0" + (b"\x01" if path else b"\0")
    if path:
        data += chars(path) + leb(500) + b"\x05\x01" + leb(133_000_000_000_000_000) + bytes(32) + b"\0"
    data += b"\x01" + leb(0) + leb(0) + b"\x01\0\0" + leb(1) + b"\0" + chars(text) + b"\x01" + bytes(4)
    for place, gone, added in changes:
        data += leb(place) + leb(gone) + chars(added) + bytes(4)
    return data


def test_a_tab_that_was_never_saved(read):
    got = read(tab(f"買い物\r個人番号 {NUMBER}\r"), "3f2a.bin")
    assert NUMBER in got.content()
    assert not got.problems


def test_what_was_typed_letter_by_letter_is_put_together(read):
    typed = f"マイナンバー {NUMBER}x"
    changes = [(at, 0, letter) for at, letter in enumerate(typed)] + [(len(typed) - 1, 1, "")]
    got = read(tab("", changes), "3f2a.bin")
    assert got.content(location="unsaved") == typed[:-1]
    assert not got.problems


def test_a_tab_of_a_saved_file_keeps_its_path(read):
    got = read(tab("本文", [(2, 0, f" 個人番号:{NUMBER}")], path=r"C:\Users\soumu\名簿.txt"), "3f2a.bin")
    assert NUMBER in got.content(location="unsaved")


def test_a_damaged_tab_is_read_as_far_as_it_goes(read):
    got = read(tab(f"個人番号 {NUMBER}\r", [(9999, 0, "x")]), "3f2a.bin")
    assert NUMBER in got.content()
    assert [one.reason for one in got.problems] == ["damaged"]
    assert not notepad_tabs.matches(b"NP\0\0", "x.exe", 100)
    assert not notepad_tabs.matches(b"NP\0\x0a", "1.bin", 100)  # the state of the window


def jpeg() -> bytes:
    return b"\xff\xd8\xff\xe0" + bytes(300) + b"\xff\xd9"


def pictures_of(data: bytes, name: str) -> list[str]:
    return [item.container for item in extract_all(BytesSource(data, name), Context()) if isinstance(item, Decision)]


def cache(version: int) -> bytes:
    """A cache with a picture, an empty entry, and another picture behind damage."""

    def entry(digest: int, data: bytes) -> bytes:
        name = "abc".encode("utf-16-le")
        if version == 20:
            fields = (
                struct.pack("<Q", digest) + ".jpg".encode("utf-16-le") + struct.pack("<3I", len(name), 2, len(data))
            )
            header = 56
        elif version == 21:
            fields, header = struct.pack("<Q3I", digest, len(name), 2, len(data)), 48
        else:
            fields, header = struct.pack("<Q3I", digest, len(name), 2, len(data)), 56
        head = (b"CMMM" + struct.pack("<I", header + len(name) + 2 + len(data)) + fields).ljust(header, b"\0")
        return head + name + bytes(2) + data

    size = 24
    header = b"CMMM" + struct.pack("<5I", version, 2, size, size, 3)
    broken = b"CMMM" + struct.pack("<I", 1 << 30) + bytes(60)
    return header + entry(0xABC, jpeg()) + entry(0xDEF, b"") + broken + entry(0x123, b"\x89PNG\r\n\x1a\n" + bytes(99))


def test_pictures_of_every_version_of_the_cache(read):
    for version in (20, 21, 30, 32):
        data = cache(version)
        assert thumbnails.matches(data[:64], "thumbcache_256.db", len(data))
        assert pictures_of(data, "thumbcache_256.db") == [
            "thumbcache_256.db!/0000000000000abc.jpg",
            "thumbcache_256.db!/0000000000000123.png",
        ]
        assert [one.en for one in read(data, "t.db").problems] == ["1 entries of the thumbnail cache are damaged"]


def test_thumbs_db_of_windows_xp():
    streams = {"1": struct.pack("<3I", 12, 1, 300) + jpeg(), "Catalog": bytes(64)}
    assert pictures_of(compound_file(streams), "Thumbs.db") == ["Thumbs.db!/1.jpg"]


def database(tmp_path, *statements):
    path = tmp_path / "made.db"
    with sqlite3.connect(path) as connection:
        for statement, values in statements:
            connection.execute(statement, values)
    connection.close()
    return path.read_bytes()


def test_the_clipboard_history(read, tmp_path):
    copied = base64.b64encode(f"個人番号 {NUMBER}".encode()).decode()
    payload = json.dumps([{"content": copied, "formatName": "Text"}])
    for name, value in (("text", payload), ("blob", payload.encode())):
        (tmp_path / name).mkdir()
        data = database(
            tmp_path / name,
            ("CREATE TABLE ActivityOperation (Id GUID, ClipboardPayload BLOB)", ()),
            ("INSERT INTO ActivityOperation VALUES (?, ?)", ("a", value)),
        )
        got = read(data, "ActivitiesCache.db")
        assert NUMBER in got.content(container="ActivitiesCache.db!/ActivityOperation/1/ClipboardPayload/0")


def test_sticky_notes(read, tmp_path):
    data = database(
        tmp_path,
        ("CREATE TABLE Note (Text TEXT, Id TEXT)", ()),
        ("INSERT INTO Note VALUES (?, ?)", (rf"\id=6f1c マイナンバー {NUMBER}", "x")),
    )
    assert NUMBER in read(data, "plum.sqlite").content()
