"""Text in pictures: cards and forms drawn here, in the states in which they are photographed and scanned."""

from __future__ import annotations

import importlib.util
import io
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest

from triage import ocr
from triage.extractors import extract_all
from triage.extractors.model import BytesSource, Context, Decision, Limits, Problem
from triage.judge import Judge
from triage.text import Text

needs_ocr = pytest.mark.skipif(not ocr.is_installed(), reason="the extra hozen[ocr] is not installed")
NUMBER = "123456789018"
WRITTEN = "1234 5678 9018"


def font(size: int):
    from PIL import ImageFont

    spec = importlib.util.find_spec("pylopdf_fonts_jp")
    return ImageFont.truetype(str(Path(spec.origin).parent / "NotoSansJP-Regular.otf"), size)


def card(written: str = WRITTEN):
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (1011, 638), (228, 240, 234))
    draw = ImageDraw.Draw(picture)
    for at, size, words in (
        ((40, 30), 40, "個人番号カード"),
        ((40, 110), 32, "個人番号"),
        ((220, 100), 48, written),
        ((40, 200), 36, "氏名 山田 太郎"),
        ((40, 260), 32, "平成元年3月31日生"),
    ):
        draw.text(at, words, font=font(size), fill=(20, 20, 20))
    return picture


def saved(picture, form: str = "PNG", **options) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def read(data: bytes, name: str = "a.png", mode: str = "auto", limits: Limits | None = None):
    items = list(extract_all(BytesSource(data, name), Context(limits or Limits(), ocr=mode)))
    judge = Judge()
    for item in items:
        if isinstance(item, Text):
            judge.feed(item)
    found = [(judged.digits, judged.confidence) for judged in judge.finish().judged]
    decisions = [(item.decision, item.container, item.location) for item in items if isinstance(item, Decision)]
    return found, decisions, [item for item in items if isinstance(item, Problem)]


@needs_ocr
@pytest.mark.parametrize("turn", [0, 90, 180, 270, 7])
def test_a_card_is_read_whichever_way_it_lies(turn: int) -> None:
    picture = card().rotate(turn, expand=True, fillcolor=(90, 70, 50))
    found, decisions, problems = read(saved(picture, "JPEG", quality=75), "photo.jpg")
    assert (found, decisions, problems) == ([(NUMBER, "high")], [("read", "", "")], [])


@needs_ocr
def test_every_page_of_a_fax_is_read() -> None:
    from PIL import Image

    pages = [card("6214 9832 0257").convert("1"), Image.new("1", (1000, 600), 1), card().convert("1")]
    data = saved(pages[0], "TIFF", save_all=True, append_images=pages[1:], compression="group4")
    found, decisions, _ = read(data, "fax.tif")
    assert sorted(digits for digits, _ in found) == [NUMBER, "621498320257"]
    assert decisions == [("read", "", "p.1"), ("no_text", "", "p.2"), ("read", "", "p.3")]


@needs_ocr
def test_a_scanned_page_of_a_pdf_and_a_picture_in_an_archive() -> None:
    found, decisions, _ = read(saved(card(), "PDF", resolution=150), "scan.pdf")
    assert (found, decisions) == ([(NUMBER, "high")], [("read", "", "p.1")])
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("card.png", saved(card()))
    found, decisions, _ = read(archive.getvalue(), "a.zip")
    assert (found, decisions) == ([(NUMBER, "high")], [("read", "a.zip!/card.png", "")])


@needs_ocr
def test_heic_as_phones_write_it() -> None:
    pillow_heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
    pillow_heif.register_heif_opener()
    assert read(saved(card(), "HEIF"), "IMG_0001.HEIC")[0] == [(NUMBER, "high")]


@needs_ocr
def test_pictures_without_text_and_icons_are_told_apart() -> None:
    from PIL import Image

    noise = Image.fromarray(np.random.default_rng(1).integers(0, 255, (480, 640, 3), dtype=np.uint8))
    assert read(saved(noise)) == ([], [("no_text", "", "")], [])
    assert read(saved(Image.new("RGB", (32, 32)))) == ([], [("too_small", "", "")], [])
    # Asked to read all, nothing is too small to be looked at.
    assert read(saved(Image.new("RGB", (32, 32))), mode="all")[1] == [("no_text", "", "")]


def test_off_is_said_for_each_picture() -> None:
    data = bytes.fromhex("89504e470d0a1a0a") + bytes(60)
    assert read(data, mode="off") == ([], [("off", "", "")], [])


def test_without_the_extra_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "is_installed", lambda: False)
    assert read(bytes.fromhex("ffd8ffe0") + bytes(60), "a.jpg") == ([], [("not_installed", "", "")], [])


@needs_ocr
def test_damaged_pictures_are_coverage_lines() -> None:
    whole = saved(card(), "JPEG")
    generator = random.Random(5)
    for size in (20, 300, len(whole) // 2):
        _, decisions, problems = read(whole[:size], "cut.jpg")
        assert len(decisions) + len(problems) == 1
    for _ in range(20):
        mutated = bytearray(saved(card().resize((253, 160))))
        for _ in range(10):
            mutated[generator.randrange(8, len(mutated))] = generator.randrange(256)
        _, decisions, problems = read(bytes(mutated))
        assert decisions or problems


@needs_ocr
def test_a_bomb_is_not_unpacked() -> None:
    from PIL import Image

    data = saved(Image.new("1", (30_000, 30_000)), "TIFF", compression="group4")
    found, decisions, problems = read(data, "bomb.tif")
    assert (found, decisions) == ([], [])
    assert [problem.reason for problem in problems] == ["limit"]


def line(text: str, x: float, y: float, width: float, height: float) -> ocr.Line:
    corners = [[x, y], [x + width, y], [x + width, y + height], [x, y + height]]
    return ocr.Line(text, 1.0, np.array(corners, dtype=np.float32))


def test_rows_are_joined_by_place_and_digit_groups_close_up() -> None:
    lines = [
        line("9018", 300, 12, 60, 20),
        line("氏名", 0, 60, 50, 20),
        line("5678", 220, 10, 60, 20),
        line("個人番号", 0, 10, 80, 20),
        line("1234", 140, 11, 60, 20),
    ]
    assert ocr.in_reading_order(lines) == "個人番号  1234 5678 9018\n氏名"


def test_letters_read_for_digits_count_only_inside_a_number() -> None:
    assert ocr.in_reading_order([line("1234 S678 9O18 BOSS", 0, 0, 200, 20)]) == "1234 5678 9018 BOSS"
    assert ocr.in_reading_order([line("SOIL ZOOS BOSS", 0, 0, 200, 20)]) == "SOIL ZOOS BOSS"
