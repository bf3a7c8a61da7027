"""Files found in unallocated space: how long they are, and that a scan reads them."""

from __future__ import annotations

import gzip
import io
import random
import sqlite3
import zipfile

import numpy as np
import olefile
import pytest

from tests.conftest import needs
from tests.preserve.disks import fat, write_tree
from tests.triage.test_scan import lines
from tests.triage.test_scan import run as run_tool
from tests.triage.test_scan_inside import check, scan
from triage import carving


class Bytes:
    def __init__(self, data):
        self.data = data
        self.size = len(data)

    def read_at(self, offset, size):
        return self.data[offset : offset + size]


NUMBER = check("77777777123")
LINE = f"氏名 山田太郎 個人番号 {NUMBER}\r\n"
NOISE = random.Random(3).randbytes(100_000)


def a_zip(method=zipfile.ZIP_DEFLATED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as file:
        file.writestr("a.txt", LINE * 3)
        file.writestr("b.bin", NOISE[:3000])
    return stream.getvalue()


def a_pdf(text="x"):
    from reportlab.pdfgen.canvas import Canvas

    stream = io.BytesIO()
    canvas = Canvas(stream, invariant=True)
    canvas.drawString(72, 700, f"My Number {text}")
    canvas.showPage()
    canvas.save()
    return stream.getvalue()


def a_database(tmp_path):
    with sqlite3.connect(tmp_path / "a.db") as base:
        base.execute("create table 従業員 (氏名 text, 個人番号 text)")
        base.executemany("insert into 従業員 values (?, ?)", [("山田太郎", NUMBER)] * 3)
    base.close()
    return (tmp_path / "a.db").read_bytes()


def an_ole():
    import xlwt

    book = xlwt.Workbook()
    sheet = book.add_sheet("s")
    for row in range(300):
        sheet.write(row, 0, f"row {row}")
    stream = io.BytesIO()
    book.save(stream)
    assert olefile.isOleFile(stream.getvalue())
    return stream.getvalue()


def a_jpg():
    body = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffda000c03010002110311003f00")
    return body + bytes(500) + b"\xff\x00" + bytes(99) + b"\xff\xd9"


def a_png():
    import struct
    import zlib

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return head + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")


EML = (
    b"Received: from a by b\r\nFrom: x@example.jp\r\nDate: Mon, 1 Jan 2024 00:00:00 +0900\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
)


def mail():
    import base64

    return EML + base64.encodebytes(LINE.encode())


@pytest.mark.parametrize("tail", ["zeros", "noise", "another"])
def test_the_structure_of_a_file_says_how_long_it_is(tmp_path, tail):
    behind = {"zeros": bytes(70_000), "noise": NOISE, "another": b"%PDF-1.4 no end" + bytes(800)}[tail]
    samples = {
        "zip": a_zip(), "pdf": a_pdf(), "sqlite": a_database(tmp_path), "gz": gzip.compress(NOISE[:50_000]),
        "jpg": a_jpg(), "png": a_png(), "ole": an_ole(),
    }  # fmt: skip
    for kind, data in samples.items():
        padded = data + bytes(-len(data) % 512) + behind
        assert carving.length(Bytes(padded), kind) == len(data), kind
    assert carving.length(Bytes(mail() + bytes(600) + behind), "eml") == len(mail())


def test_what_is_cut_off_or_only_looks_like_a_file_is_none():
    assert carving.length(Bytes(a_zip()[:-30] + bytes(5000)), "zip") == 0
    assert carving.length(Bytes(gzip.compress(NOISE)[:5000] + bytes(5000)), "gz") == 0
    assert carving.length(Bytes(a_pdf()[:500] + bytes(5000)), "pdf") == 0
    assert carving.length(Bytes(b"Received: x\r\n\r\nbody"), "eml") == 0
    for kind, magic in carving.MAGICS:
        assert carving.length(Bytes(magic + NOISE), kind) == 0, kind


def test_every_kind_ends_in_time_on_hostile_bytes(tmp_path):
    rng = random.Random(11)
    samples = {"zip": a_zip(), "pdf": a_pdf(), "sqlite": a_database(tmp_path), "gz": gzip.compress(LINE.encode() * 99),
               "jpg": a_jpg(), "png": a_png(), "ole": an_ole(), "eml": mail()}  # fmt: skip
    for kind, data in samples.items():
        for _ in range(60):
            bad = bytearray(data)
            for _ in range(rng.choice((1, 5, 40))):
                bad[rng.randrange(len(bad))] = rng.choice((0, 0xFF, rng.randrange(256)))
            assert 0 <= carving.length(Bytes(bytes(bad)), kind) <= len(bad)


def test_heads_are_seen_at_sectors_only_whatever_the_pieces():
    data = bytearray(NOISE[:20_480])
    for at, magic in ((0, b"PK\x03\x04"), (1024, b"%PDF-"), (5000, b"PK\x03\x04"), (19_968, b"\x1f\x8b\x08")):
        data[at : at + len(magic)] = magic
    array = np.frombuffer(bytes(data), np.uint8)
    wanted = [(0, "zip"), (1024, "pdf"), (19_968, "gz")]
    assert [(at, carving.KINDS[kind]) for at, kind in carving.heads(array, 0)] == wanted
    assert [(at, carving.KINDS[kind]) for at, kind in carving.heads(array[300:], 300)] == wanted[1:]


@needs("mkfs.vfat", "mcopy")
def test_a_scan_reads_what_it_carves_and_names_it_once(tmp_path):
    number = {kind: check(f"{at}2345678901") for at, kind in enumerate(("zip", "pdf", "stored", "eml"), 1)}
    disk = fat(tmp_path / "disk.dd", 16, write_tree(tmp_path / "t", {"/live.txt": b"nothing\n"}))
    image = bytearray(disk.read_bytes())
    at = 8 << 20
    places = {}
    for kind, value in number.items():
        text = f"氏名 山田太郎 個人番号 {value}\r\n"
        stream = io.BytesIO()
        if kind == "pdf":
            data = a_pdf(value)
        elif kind == "eml":
            import base64

            data = EML + base64.encodebytes(text.encode())
        else:
            with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED if kind == "zip" else zipfile.ZIP_STORED) as file:
                file.writestr("給与.txt", text * 2)
            data = stream.getvalue()
        image[at : at + len(data)] = data
        places[kind] = at
        at += len(data) + 65536 & ~511
    disk.write_bytes(image)
    _, results, _ = scan(disk, tmp_path)
    found = {(one["masked"][-4:], one["state"], one["container"]) for one in lines(results / "findings.jsonl")}
    assert found == {
        (number["zip"][-4:], "carved", f"carved-0x{places['zip']:x}.zip!/給与.txt"),
        (number["stored"][-4:], "carved", f"carved-0x{places['stored']:x}.zip!/給与.txt"),
        (number["pdf"][-4:], "carved", f"carved-0x{places['pdf']:x}.pdf"),
        (number["eml"][-4:], "carved", f"carved-0x{places['eml']:x}.eml"),
    }
    shown = run_tool("triage", "reveal", "--findings", results / "findings.jsonl", "--reason", "t",
                     "--out", tmp_path / "out")  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    assert {one["value"] for one in lines(tmp_path / "out")} == set(number.values())
