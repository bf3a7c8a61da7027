from __future__ import annotations

import io
import zlib
from pathlib import Path

import pypdfium2
import pytest

A, B = "123456789018", "621498320257"


def pdf(content: str, *, extra: str = "", objects: tuple[str, ...] = ()) -> bytes:
    """A PDF of one page in Helvetica; `extra` goes into the page, `objects` follow as numbers 6 and up."""
    stream = zlib.compress(content.encode("latin-1"))
    bodies = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R {extra}"
        "/Resources << /Font << /F1 5 0 R >> >> >>".encode(),
        f"<< /Length {len(stream)} /Filter /FlateDecode >>\nstream\n".encode() + stream + b"\nendstream",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        *(body.encode("utf-8") for body in objects),
    ]
    data = b"%PDF-1.4\n"
    offsets = []
    for number, body in enumerate(bodies, 1):
        offsets.append(len(data))
        data += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    start = len(data)
    data += f"xref\n0 {len(bodies) + 1}\n0000000000 65535 f \n".encode()
    data += b"".join(f"{offset:010d} 00000 n \n".encode() for offset in offsets)
    return data + f"trailer << /Size {len(bodies) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()


def shown(*texts: tuple[float, float, str]) -> str:
    return "BT /F1 12 Tf " + " ".join(f"1 0 0 1 {x} {y} Tm ({text}) Tj" for x, y, text in texts) + " ET"


def test_digits_in_boxes_in_any_order(read) -> None:
    order = [7, 2, 11, 0, 5, 9, 1, 4, 10, 3, 8, 6]
    content = shown(*((72 + 24 * place, 500, A[place]) for place in order), (72, 540, "My Number"))
    result = read(pdf(content))
    assert "My Number\n1 2 3 4 5 6 7 8 9 0 1 8" in result.content("p.1")


def test_columns_over_two_texts_drawn_column_by_column(read) -> None:
    rows = [("Name", "My Number"), ("Yamada", A), ("Suzuki", B)]
    content = shown(
        *((72, 700 - 20 * row, values[0]) for row, values in enumerate(rows)),
        *((300, 700 - 20 * row, values[1]) for row, values in enumerate(rows)),
    )
    assert read(pdf(content)).cells("p.1") == [
        (0, 0, "Name"),
        (0, 1, "My Number"),
        (1, 0, "Yamada"),
        (1, 1, A),
        (2, 0, "Suzuki"),
        (2, 1, B),
    ]


def test_letters_printed_twice_for_boldness(read) -> None:
    content = shown((72, 700, A), (72.3, 700, A))
    assert read(pdf(content)).content("p.1").startswith(A)


def test_rotated_text_is_not_lost(read) -> None:
    content = f"BT /F1 12 Tf 0 1 -1 0 300 300 Tm ({A}) Tj ET"
    assert A in read(pdf(content)).content().replace("\n", "")


def test_comments_are_read(read) -> None:
    note = f"<< /Type /Annot /Subtype /Text /Rect [0 0 9 9] /Contents (My Number {B}) >>"
    data = pdf(shown((72, 700, "x")), extra="/Annots [6 0 R] ", objects=(note,))
    assert f"My Number {B}" in read(data).content("fields")


def test_attachments_are_members(read) -> None:
    document = pypdfium2.PdfDocument(pdf(shown((72, 700, "x"))))
    document.new_attachment("名簿.txt").set_data(f"個人番号 {A}".encode("cp932"))
    target = io.BytesIO()
    document.save(target)
    document.close()
    assert f"個人番号 {A}" in read(target.getvalue(), "a.pdf").content(container="a.pdf!/名簿.txt")


@pytest.mark.parametrize("cut", [0.5, 0.9])
def test_a_cut_file_is_said_or_repaired_and_read(read, cut: float) -> None:
    content = shown((72, 700, f"My Number {A}")) + " " * 2000
    data = pdf(content)
    result = read(data[: data.index(b"endstream") + 9] if cut < 0.6 else data[: int(len(data) * cut)])
    assert A in result.content()


def test_page_count_that_lies(read) -> None:
    data = pdf(shown((72, 700, A))).replace(b"/Count 1 ", b"/Count 9 ")
    result = read(data)
    assert A in result.content("p.1")
    assert {problem.reason for problem in result.problems} <= {"damaged"}


def test_a_title_that_is_no_text_hides_nothing(read):
    data = (Path(__file__).resolve().parents[2] / "data" / "documents" / "reportlab.pdf").read_bytes()
    at = data.index(b"/Title (") + 8
    broken = data[:at] + b"\xfe\xff\xd8\x00a" + data[at + 5 :]
    got = read(broken, "x.pdf")
    assert not [one for one in got.problems if "error while reading" in one.en]
    assert got.texts
