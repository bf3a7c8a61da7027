from __future__ import annotations

import io
import struct
import zipfile

import pytest

A, B = "123456789018", "621498320257"


def record(kind: int, data: bytes) -> bytes:
    head = bytes((kind,)) if kind < 128 else bytes((kind & 0x7F | 0x80, kind >> 7))
    size = len(data)
    sizes = b""
    while True:
        byte, size = size & 0x7F, size >> 7
        sizes += bytes((byte | (0x80 if size else 0),))
        if not size:
            return head + sizes + data


def wide(text: str) -> bytes:
    return struct.pack("<I", len(text)) + text.encode("utf-16-le")


def xlsb() -> bytes:
    """A workbook in BIFF12 with each kind of cell (MS-XLSB 2.2.1)."""
    workbook = record(131, b"") + record(143, b"")
    workbook += (
        record(156, struct.pack("<II", 0, 1) + wide("rId1") + wide("給与")) + record(144, b"") + record(132, b"")
    )
    strings = record(159, struct.pack("<II", 2, 2)) + record(19, b"\0" + wide("個人番号")) + record(19, b"\0" + wide(A))
    strings += record(160, b"")

    def cell(kind: int, column: int, data: bytes) -> bytes:
        return record(kind, struct.pack("<II", column, 0) + data)

    def row(number: int) -> bytes:
        return record(0, struct.pack("<IIHHBI", number, 0, 300, 0, 0, 0))

    sheet = record(129, b"") + record(148, struct.pack("<4I", 0, 4, 0, 2)) + record(145, b"")
    sheet += row(0) + cell(7, 1, struct.pack("<I", 0))
    sheet += row(1) + cell(7, 1, struct.pack("<I", 1)) + cell(5, 2, struct.pack("<d", float(B)))
    sheet += row(2) + cell(6, 1, wide(B)) + cell(2, 2, struct.pack("<I", 123456789 << 2 | 2))
    sheet += row(3) + cell(1, 0, b"") + cell(8, 1, wide(A) + struct.pack("<HI", 0, 0) + bytes(4))
    sheet += record(146, b"") + record(130, b"")
    relations = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" '
        'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" '
        'Target="worksheets/sheet1.bin"/></Relationships>'
    )
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.bin", workbook)
        archive.writestr("xl/_rels/workbook.bin.rels", relations)
        archive.writestr("xl/sharedStrings.bin", strings)
        archive.writestr("xl/worksheets/sheet1.bin", sheet)
    return target.getvalue()


def test_every_kind_of_cell(read) -> None:
    result = read(xlsb())
    assert result.problems == []
    assert result.cells("給与") == [
        (0, 1, "個人番号"),
        (1, 1, A),
        (1, 2, B),
        (2, 1, B),
        (2, 2, "123456789"),
        (3, 1, A),
    ]
    assert result.numeric() == [B, "123456789"]


def test_an_independent_reader_reads_this_test_file_the_same() -> None:
    calamine = pytest.importorskip("python_calamine")
    sheet = calamine.load_workbook(io.BytesIO(xlsb())).get_sheet_by_index(0)
    values = [value for row in sheet.to_python() for value in row if value != ""]
    assert values == ["個人番号", A, float(B), B, 123456789.0, A]
