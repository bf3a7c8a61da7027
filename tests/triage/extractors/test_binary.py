from __future__ import annotations

import random

import pytest

from triage.extractors import binary
from triage.extractors.encodings import content_of

A = "123456789018"
NOISE = random.Random(7).randbytes(3000)


@pytest.mark.parametrize("codec", ["ascii", "utf-8", "cp932", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("shift", [0, 1])
def test_numbers_between_noise(read, codec: str, shift: int) -> None:
    label = "My Number" if codec == "ascii" else "個人番号"
    written = f"{label} {A}".encode(codec)
    data = b"\x00\x01" + NOISE[: 1000 + shift] + bytes(8) + written + bytes(8) + NOISE
    texts = [text for text in read(data).texts if A in text.content and label in text.content]
    assert texts
    text = texts[0]
    assert text.kind == "raw"
    place = text.offsets.byte_of(text.content.index(A))
    width = 2 if codec.startswith("utf-16") else 1
    assert content_of(data[place : place + 12 * width], text.encoding) == A


def test_full_width_digits(read) -> None:
    wide = "１２３４５６７８９０１８"
    for codec in ("cp932", "utf-8", "utf-16-le"):
        data = b"\x00\x02" + bytes(50) + f"番号は {wide} です".encode(codec) + bytes(50)
        assert any(wide in text.content for text in read(data).texts), codec


def test_a_label_in_the_field_before_is_kept_with_the_number(read) -> None:
    data = b"\x00\x01\x02\x03" + "個人番号".encode("cp932") + bytes(20) + A.encode() + bytes(20)
    (text,) = read(data).texts
    assert "個人番号" in text.content
    assert A in text.content


def test_numbers_around_the_border_of_blocks(read) -> None:
    for shift in (-12, -6, -1, 0):
        data = b"\x00\x01" + bytes(binary.BLOCK_BYTES + shift - 2) + A.encode() + bytes(100)
        assert any(A in text.content for text in read(data).texts)


def test_noise_gives_next_to_nothing(read) -> None:
    data = b"\x00\x01" + random.Random(3).randbytes(3_000_000)
    assert len(read(data).texts) < 20


def test_runs_are_bounded(read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binary, "MAX_RUNS", 5)
    data = (b"\x00" * 2000 + A.encode()) * 3000
    result = read(data)
    assert [problem.reason for problem in result.problems] == ["limit"]
