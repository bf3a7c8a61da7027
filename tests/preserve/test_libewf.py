import pytest

from chain_of_custody.errors import EvidenceFormatError
from preserve import open_image
from preserve.libewf import LibewfImage
from tests.preserve.ewf_make import make
from tests.preserve.test_ewf_reader import DATA


@pytest.mark.parametrize("magic", [b"EVF2\r\n\x81\x00", b"LVF\x09\r\n\xff\x00", b"LEF2\r\n\x81\x00"])
def test_damaged_files_of_libewf_s_formats_are_named(tmp_path, magic):
    path = tmp_path / "disk.Ex01"
    path.write_bytes(magic + bytes(3000))
    with pytest.raises(EvidenceFormatError) as caught:
        open_image(path)
    assert "disk.Ex01" in caught.value.en
    assert caught.value.exit_code == 4


def test_reads_an_image_and_its_hashes(tmp_path):
    path = make(DATA, tables_per_segment=2).write(tmp_path)[0]
    with LibewfImage(path) as image:
        assert image.size == len(DATA)
        assert image.read_at(0, image.size) == DATA
        assert image.read_at(40_000, 50_000) == DATA[40_000:90_000]
        assert image.read_at(len(DATA) - 5, 100) == DATA[-5:]
        assert set(image.stored_hashes) == {"md5", "sha1"}
        assert image.layer == "ewf:disk.E01"
        assert len(image.segments) == 3
        assert not image.unreadable()
    image.close()
