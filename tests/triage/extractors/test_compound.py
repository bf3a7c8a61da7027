from __future__ import annotations

import struct

import olefile
import pytest

from tests.triage.extractors.compound_file import compound_file
from triage.extractors.outlook_message import uncompressed_rtf

A, B = "123456789018", "621498320257"


def test_the_writer_of_these_tests_is_read_by_olefile() -> None:
    streams = {"a": b"x" * 10, "folder/b": b"y" * 5000, "folder/c": b"z", "d": b""}
    data = compound_file(streams)
    with olefile.OleFileIO(data) as file:
        assert {"/".join(path): file.openstream(path).read() for path in file.listdir()} == streams


def test_a_locked_office_document_is_said(read) -> None:
    data = compound_file({"EncryptionInfo": bytes(200), "EncryptedPackage": bytes(5000)})
    result = read(data)
    assert [problem.reason for problem in result.problems] == ["encrypted"]
    assert result.texts == []


@pytest.mark.parametrize(
    ("stream", "data"),
    [
        ("WordDocument", struct.pack("<HH", 0xA5EC, 0xC1) + bytes(6) + struct.pack("<H", 0x0100) + bytes(1000)),
        ("Workbook", struct.pack("<HHHH", 0x0809, 4, 0x0600, 5) + struct.pack("<HH", 0x2F, 4) + bytes(4)),
    ],
)
def test_locked_documents_of_office_97_are_said(read, stream: str, data: bytes) -> None:
    assert "encrypted" in [problem.reason for problem in read(compound_file({stream: data})).problems]


def test_locked_powerpoint_97_is_said(read) -> None:
    user = struct.pack("<HHIII", 0, 0x0FF6, 20, 20, 0xF3D1C4DF) + bytes(20)
    data = compound_file({"Current User": user, "PowerPoint Document": bytes(100)})
    assert [problem.reason for problem in read(data).problems] == ["encrypted"]


def message(extra: dict[str, bytes]) -> bytes:
    return compound_file({"__properties_version1.0": bytes(32), **extra})


def test_outlook_message(read) -> None:
    attachment = "__attach_version1.0_#00000000"
    data = message(
        {
            "__substg1.0_0037001F": f"件名 {B}".encode("utf-16-le"),
            "__substg1.0_1000001F": f"個人番号は {A} です".encode("utf-16-le"),
            "__substg1.0_0C1A001E": "山田".encode("cp932"),
            "__substg1.0_10130102": "<html><p>個人番号 <b>1234</b>56789018</p></html>".encode(),
            f"{attachment}/__substg1.0_3707001F": "名簿.txt".encode("utf-16-le"),
            f"{attachment}/__substg1.0_37010102": f"個人番号 {B}".encode("cp932"),
        }
    )
    result = read(data, "a.msg")
    assert result.problems == []
    assert f"件名 {B}" in result.content()
    assert any(text.content == f"個人番号は {A} です" for text in result.texts)
    assert f"個人番号 {A}" in result.content(container="a.msg!/body.html")
    assert f"個人番号 {B}" in result.content(container="a.msg!/attachment #00000000/名簿.txt")


def test_compressed_rtf() -> None:
    # The two examples of MS-OXRTFCP, sections 3.2.1 and 3.2.2.
    first = bytes.fromhex(
        "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0"
    )
    assert uncompressed_rtf(first) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    second = bytes.fromhex("1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0")
    assert uncompressed_rtf(second) == b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}"


def test_message_in_compressed_rtf(read) -> None:
    rtf = f"{{\\rtf1\\ansi My Number {A}}}".encode()
    data = message({"__substg1.0_10090102": struct.pack("<II4sI", len(rtf) + 12, len(rtf), b"MELA", 0) + rtf})
    assert f"My Number {A}" in read(data, "a.msg").content()


def test_embedded_file_and_unknown_streams(read) -> None:
    native = f"個人番号 {A}".encode("cp932")
    ole = struct.pack("<IH", 0, 2) + b"a.txt\0C:\\a.txt\0" + struct.pack("<IIII", 3, 6, 0, 0)[:4]
    ole += struct.pack("<I", 6) + b"a.txt\0" + struct.pack("<I", len(native)) + native
    data = compound_file({"\x01Ole10Native": ole, "Something": bytes(30) + f"番号 {B}".encode("utf-16-le") + bytes(30)})
    result = read(data, "a.bin")
    assert f"個人番号 {A}" in result.content(container="a.bin!/Ole10Native")
    assert f"番号 {B}" in result.content(container="")


def record(kind: int, data: bytes) -> bytes:
    return struct.pack("<HH", kind, len(data)) + data


def test_strings_cut_between_records_change_their_width(read) -> None:
    # A shared string of 14 characters: 6 in UTF-16, the rest in the next record in one byte each.
    head = struct.pack("<II", 1, 1) + struct.pack("<HB", 17, 1) + "個人番号 1".encode("utf-16-le")
    book = record(0x0809, struct.pack("<HHI", 0x0600, 5, 0))
    book += record(0x0085, struct.pack("<IBB", 0, 0, 0) + b"\x02\x01" + "給与".encode("utf-16-le"))
    book += record(0xFC, head) + record(0x3C, b"\x00" + b"23456789018")
    book += record(0x0A, b"")
    sheet = record(0x0809, struct.pack("<HHI", 0x0600, 0x10, 0))
    sheet += record(0xFD, struct.pack("<HHHI", 4, 2, 0, 0))
    sheet += record(0x0203, struct.pack("<HHHd", 5, 2, 0, float(B)))
    sheet += record(0x027E, struct.pack("<HHHI", 6, 2, 0, 123456789 << 2 | 2))
    sheet += record(0x0204, struct.pack("<HHHHB", 7, 2, 0, 12, 0) + A.encode())
    sheet += record(0x0006, struct.pack("<HHHBBIH", 8, 2, 0, 0, 0, 0, 0xFFFF) + bytes(8))
    sheet += record(0x0207, struct.pack("<HB", 12, 0) + B.encode())
    sheet += record(0x01B6, bytes(10) + struct.pack("<HI", 12, 0)) + record(0x3C, b"\x00" + A.encode())
    result = read(compound_file({"Workbook": book + sheet + record(0x0A, b"")}))
    assert result.cells("給与") == [
        (4, 2, f"個人番号 {A}"),
        (5, 2, B),
        (6, 2, "123456789"),
        (7, 2, A),
        (8, 2, B),
    ]
    assert result.numeric() == [B, "123456789"]
    assert A in result.content("objects")
