import pickle

from preserve import layers_of, open_evidence, open_image
from tests.conftest import needs
from tests.preserve.disks import BASIC, fat, files, gpt, write_tree
from tests.preserve.test_ntfs import IMAGE


def test_layers_of_a_file():
    with open_image(IMAGE) as image:
        evidence = open_evidence(image)
    entry = next(one for one in evidence.entries if one.path == "/文書/大きい.txt:Zone.Identifier")
    assert layers_of(evidence, entry) == "e01:ntfs.E01|ntfs:/文書/大きい.txt:Zone.Identifier"


@needs("mkfs.vfat", "mcopy")
def test_several_volumes_and_ids_that_open_after_a_pickle(tmp_path):
    part = fat(tmp_path / "fat.dd", 16, write_tree(tmp_path / "tree", files())).read_bytes()
    with open_image(IMAGE) as image:
        ntfs = image.read_at(0, image.size)
    first, second = len(ntfs) // 512, len(part) // 512
    disk = gpt(
        [(BASIC, 64, 63 + first, "Windows"), (BASIC, 64 + first, 63 + first + second, "data")], first + second + 200
    )
    disk[64 * 512 : 64 * 512 + len(ntfs)] = ntfs
    disk[(64 + first) * 512 : (64 + first) * 512 + len(part)] = part
    path = tmp_path / "disk.dd"
    path.write_bytes(disk)
    with open_image(path) as image:
        evidence = open_evidence(image)
        assert {index: fs.kind for index, fs in evidence.filesystems.items()} == {0: "ntfs", 1: "fat16"}
        entries = pickle.loads(pickle.dumps(evidence.entries))
        assert [dict(one.times) for one in entries] == [dict(one.times) for one in evidence.entries]
        live = next(one for one in entries if one.path == "/live.txt")
        assert layers_of(evidence, live) == "raw:disk.dd|gpt:2|fat16:/live.txt"
        again = open_evidence(image, walk=False)
        assert not again.entries
        assert again.filesystems[1].open(live.id).read_at(0, 100) == b"live file\n"
        resident = next(one for one in entries if one.path == "/deleted resident.txt")
        assert image.read_at(resident.resident_offset, 7) == b"deleted"


def test_a_real_disk(shared_data):
    with open_image(shared_data / "plaso/test_data/image.E01") as image:
        evidence = open_evidence(image)
    live = {one.path for one in evidence.entries if one.state == "allocated" and one.kind == "file"}
    assert live == {"/passwords.txt", "/a_directory/a_file", "/a_directory/another_file"}
    gone = {one.path for one in evidence.entries if one.state == "deleted"}
    assert {"/passwords.txt~", "/a_directory/another_file~"} <= gone


def test_a_file_system_that_is_not_read_is_named(tmp_path):
    path = tmp_path / "disk.dd"
    path.write_bytes(b"XFSB".ljust(1 << 20, b"\0"))
    with open_image(path) as image:
        evidence = open_evidence(image)
    assert [(one.reason, one.detail) for one in evidence.problems] == [("unsupported", "XFS is not read")]
    assert evidence.unallocated[0].size == image.size
