import os
import zipfile

import pytest

from chain_of_custody.errors import EvidenceError, EvidenceFormatError, UsageError
from preserve import Image, open_image, stream
from tests.preserve.ewf_make import make


def test_a_directory_is_a_wrong_request(tmp_path):
    with pytest.raises(UsageError) as caught:
        open_image(tmp_path)
    assert caught.value.exit_code == 2
    assert "フォルダー" in caught.value.ja


def test_a_path_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        open_image(tmp_path / "nothing.E01")


def test_numbers_in_the_name_are_masked(tmp_path):
    with pytest.raises(UsageError) as caught:
        open_image(tmp_path / "123456789018.E01")
    assert "123456789018" not in caught.value.en + caught.value.ja
    assert "********9018" in caught.value.en


def zipped(path):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.txt", os.urandom(2000))


OTHERS = {
    "empty": b"",
    "text": b"just a text\n" * 100,
    "japanese": "これは文章です。\n".encode("cp932") * 50,
    "utf16": "text in UTF-16\r\n".encode("utf-16") * 5,
    "gzip": b"\x1f\x8b\x08" + bytes(range(256)) * 4,
    "7z": b"7z\xbc\xaf\x27\x1c" + bytes(range(256)),
    "pdf": b"%PDF-1.7\n" + bytes(range(256)) * 8,
    "tar": bytes(257) + b"ustar" + bytes(2000),
    "qcow2": b"QFI\xfb" + bytes(1000),
    "png": b"\x89PNG\r\n\x1a\n" + bytes(1000),
    "sqlite": b"SQLite format 3\0" + bytes(1000),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_no_image_is_refused_by_its_content(tmp_path, kind):
    path = tmp_path / "evidence.E01"
    path.write_bytes(OTHERS[kind])
    with pytest.raises(EvidenceFormatError) as caught:
        open_image(path)
    assert caught.value.exit_code == 4
    assert "evidence.E01" in caught.value.en
    assert caught.value.hint_ja


def test_a_zip_is_refused(tmp_path):
    zipped(tmp_path / "disk.dd")
    with pytest.raises(EvidenceFormatError, match="zip"):
        open_image(tmp_path / "disk.dd")


@pytest.mark.parametrize("data", [bytes(1 << 20), os.urandom(1 << 20), b"\xff" * 4096, b"\0" + b"text\n" * 1000])
def test_an_unformatted_disk_is_an_image(tmp_path, data):
    path = tmp_path / "disk.dd"
    path.write_bytes(data)
    with open_image(path) as image:
        assert image.layer == "raw:disk.dd"
        assert b"".join(bytes(view) for _, view in stream(image, 3000)) == data


def test_a_disk_whose_first_sector_holds_text_but_a_file_system_follows(tmp_path):
    data = bytearray(b"a boot loader says hello\n" * 4000)
    data[0x438:0x43A] = b"\x53\xef"
    path = tmp_path / "disk.dd"
    path.write_bytes(data)
    with open_image(path) as image:
        assert image.size == len(data)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path):
    path = tmp_path / "disk.dd"
    path.write_bytes(bytes(1000))
    path.chmod(0)
    with pytest.raises(EvidenceError, match=r"disk\.dd"):
        open_image(path)


@pytest.mark.parametrize("form", ["raw", "e01"])
def test_images_keep_the_protocol(tmp_path, form):
    data = os.urandom(70_000 // 512 * 512)
    if form == "raw":
        path = tmp_path / "disk.dd"
        path.write_bytes(data)
    else:
        path = make(data).write(tmp_path)[0]
    with open_image(path) as image:
        assert isinstance(image, Image)
        buffer = bytearray(1000)
        assert image.readinto_at(len(data) - 300, buffer) == 300
        assert buffer[:300] == data[-300:]
        assert image.read_at(len(data), 10) == b""
        with pytest.raises(ValueError, match="negative"):
            image.read_at(-1, 10)
    image.close()
    with pytest.raises(ValueError, match="closed"):
        image.read_at(0, 70_000)


def test_stream_recycles_its_buffers_and_stops_early(tmp_path):
    data = os.urandom(1 << 20)
    path = tmp_path / "disk.dd"
    path.write_bytes(data)
    with open_image(path) as image:
        kept = []
        for offset, view in stream(image, 100_000, ahead=3):
            assert bytes(view) == data[offset : offset + len(view)]
            kept.append(view.obj)
            if offset > 700_000:
                break
        assert len({id(one) for one in kept}) <= 4
