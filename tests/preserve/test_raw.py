import errno
import os
import random

import pytest

from preserve import open_image, stream
from preserve.raw import RawImage, pieces_of

DATA = random.Random(4).randbytes(100_000)


def split(folder, names, size=16_384):
    for number, name in enumerate(names):
        (folder / name).write_bytes(DATA[number * size : (number + 1) * size])
    return folder / names[0]


@pytest.mark.parametrize(
    "names",
    [
        [f"disk.{number:03d}" for number in range(1, 8)],
        [f"disk.{number:03d}" for number in range(7)],
        [f"disk.dd.a{letter}" for letter in "abcdefg"],
        [f"xa{letter}" for letter in "abcdefg"],
        ["disk.raw.01", "disk.raw.02", "disk.raw.03", "disk.raw.04", "disk.raw.05", "disk.raw.06", "disk.raw.07"],
    ],
)
def test_split_images(tmp_path, names):
    with open_image(split(tmp_path, names)) as image:
        assert b"".join(bytes(view) for _, view in stream(image, 10_000)) == DATA
        assert [path.name for path in image.segments] == names
        assert image.read_at(16_380, 10) == DATA[16_380:16_390]


def test_letters_go_on_after_z():
    from preserve.raw import _next_letters

    assert [_next_letters(one) for one in ("aa", "az", "zz", "AZ")] == ["ab", "ba", "", "BA"]


def test_a_missing_piece_is_a_gap(tmp_path):
    first = split(tmp_path, [f"disk.{number:03d}" for number in range(1, 8)])
    (tmp_path / "disk.003").unlink()
    with open_image(first) as image:
        assert image.size == len(DATA)
        got = image.read_at(0, image.size)
        assert got == DATA[: 2 * 16_384] + bytes(16_384) + DATA[3 * 16_384 :]
        (gap,) = image.unreadable()
        assert (gap.offset, gap.size, gap.reason) == (2 * 16_384, 16_384, "missing_segment")
        assert "piece 3 of 7" in gap.detail


def test_names_that_only_look_like_pieces(tmp_path):
    for name in ("notes.txt", "disk.img", "disk.E02", "disk.002", "data"):
        (tmp_path / name).write_bytes(bytes(100))
        assert pieces_of(tmp_path / name) == [tmp_path / name]


def test_a_bad_sector_costs_only_itself(tmp_path, monkeypatch):
    path = tmp_path / "disk.dd"
    path.write_bytes(DATA)
    bad = range(40 * 512, 42 * 512)
    preadv = os.preadv

    def failing(fd, buffers, offset):
        if offset < bad.stop and offset + len(buffers[0]) > bad.start:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return preadv(fd, buffers, offset)

    with RawImage(path) as image:
        monkeypatch.setattr(os, "preadv", failing)
        got = image.read_at(0, image.size)
        assert got == DATA[: bad.start] + bytes(1024) + DATA[bad.stop :]
        assert [(one.offset, one.size, one.reason) for one in image.unreadable()] == [(bad.start, 1024, "io_error")]


def test_a_file_that_shrinks_is_said(tmp_path):
    path = tmp_path / "disk.dd"
    path.write_bytes(DATA)
    with RawImage(path) as image:
        os.truncate(path, 50_000)
        assert image.read_at(0, image.size) == DATA[:50_000] + bytes(50_000)
        assert [(one.offset, one.size, one.reason) for one in image.unreadable()] == [(50_000, 50_000, "truncated")]


def test_many_pieces_do_not_exhaust_open_files(tmp_path):
    names = [f"disk.{number:04d}" for number in range(1, 301)]
    for number, name in enumerate(names):
        (tmp_path / name).write_bytes(bytes([number % 251]) * 512)
    with open_image(tmp_path / names[0]) as image:
        assert image.size == 300 * 512
        assert [image.read_at(number * 512, 1)[0] for number in range(300)] == [number % 251 for number in range(300)]
        assert len(image._files._open) <= 64
