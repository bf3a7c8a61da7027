"""A copy of a medium is trusted piece by piece."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from blake3 import blake3

from preserve.checked import CheckedImage, WrongCopyError, piece_digests
from preserve.image import open_image

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1 << 20
CONTENT = random.Random(1).randbytes(2 * MIB + 512)
# Of the words of the format, not of the module: b3sum of each MiB.
DIGESTS = b"".join(blake3(CONTENT[at : at + MIB]).digest() for at in range(0, len(CONTENT), MIB))


def copy(folder: Path, content: bytes) -> CheckedImage:
    path = folder / "copy.dd"
    path.write_bytes(content)
    return CheckedImage(open_image(path), DIGESTS)


def test_digests_are_those_of_each_mib() -> None:
    assert piece_digests(memoryview(CONTENT)) == DIGESTS


def test_a_right_copy_reads_like_the_medium(tmp_path: Path) -> None:
    with copy(tmp_path, CONTENT) as image:
        assert image.read_at(MIB - 10, 20) == CONTENT[MIB - 10 : MIB + 10]
        assert image.read_at(2 * MIB, 4096) == CONTENT[2 * MIB :]
        assert image.wrong is None


def test_nothing_is_read_from_a_piece_that_differs(tmp_path: Path) -> None:
    altered = bytearray(CONTENT)
    altered[MIB + 77] ^= 1
    with copy(tmp_path, bytes(altered)) as image:
        assert image.read_at(0, MIB) == CONTENT[:MIB]
        with pytest.raises(WrongCopyError, match="at byte 1048576 "):
            image.read_at(2 * MIB - 1, 1)  # far from the byte that differs, in the same piece
        assert image.wrong == 1


def test_a_copy_of_another_size_is_none(tmp_path: Path) -> None:
    path = tmp_path / "longer.dd"
    path.write_bytes(CONTENT + bytes(MIB))
    with open_image(path) as image, pytest.raises(ValueError, match="one digest for each piece"):
        CheckedImage(image, DIGESTS)
