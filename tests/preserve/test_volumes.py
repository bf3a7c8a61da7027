import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from preserve import Range, open_image, open_volumes
from tests.preserve.disks import BASIC, gpt, mbr, put_ebr


def volumes_of(tmp_path, disk, name="disk.dd"):
    path = tmp_path / name
    path.write_bytes(disk)
    problems = []
    with open_image(path) as image:
        volumes, outside = open_volumes(image, problems=problems)
    return [(one.layer, one.offset // 512, one.size // 512) for one in volumes], outside, problems, volumes


def test_mbr_with_logical_partitions(tmp_path):
    disk = mbr([(0x07, 64, 100), (0x0F, 200, 400), (0x83, 700, 50)], 800)
    put_ebr(disk, 200, [(0x0B, 8, 50), (0x05, 100, 100)])
    put_ebr(disk, 300, [(0x83, 8, 60), (0x05, 200, 100)])
    put_ebr(disk, 400, [(0x82, 8, 20)])
    found, outside, problems, volumes = volumes_of(tmp_path, disk)
    assert found == [
        ("mbr:1", 64, 100),
        ("mbr:3", 700, 50),
        ("mbr:5", 208, 50),
        ("mbr:6", 308, 60),
        ("mbr:7", 408, 20),
    ]
    assert [one.description for one in volumes] == ["NTFS / exFAT", "Linux", "FAT32 (CHS)", "Linux", "Linux swap"]
    assert not problems
    assert outside[0] == Range(0, 64 * 512)
    assert sum(one.size for one in outside) + sum(size * 512 for _, _, size in found) == 800 * 512


def test_chain_of_logical_partitions_in_a_circle(tmp_path):
    disk = mbr([(0x05, 100, 400)], 800)
    put_ebr(disk, 100, [(0x83, 8, 50), (0x05, 100, 100)])
    put_ebr(disk, 200, [(0x83, 8, 50), (0x05, 0, 100)])
    found, _, problems, _ = volumes_of(tmp_path, disk)
    assert [layer for layer, _, _ in found] == ["mbr:5", "mbr:6"]
    assert "circle" in problems[0].detail


def test_partition_past_the_end_is_cut_and_said(tmp_path):
    found, _, problems, _ = volumes_of(tmp_path, mbr([(0x07, 64, 1000), (0x83, 5000, 10)], 200))
    assert found == [("mbr:1", 64, 136)]
    assert [one.reason for one in problems] == ["damaged", "damaged"]


@pytest.mark.parametrize("sector", [512, 4096])
def test_gpt(tmp_path, sector):
    disk = gpt([(BASIC, 64, 127, "データ"), None, (BASIC, 128, 200, "two")], 400, sector)
    found, outside, problems, volumes = volumes_of(tmp_path, disk)
    scale = sector // 512
    assert found == [("gpt:1", 64 * scale, 64 * scale), ("gpt:3", 128 * scale, 73 * scale)]
    assert [one.name for one in volumes] == ["データ", "two"]
    assert volumes[0].description == "Microsoft basic data"
    assert not problems
    assert outside == [Range(0, 64 * sector), Range(201 * sector, (400 - 201) * sector)]


@pytest.mark.parametrize("at", [512, 512 + 20, 1024 + 30])
def test_damaged_gpt_is_read_from_its_backup(tmp_path, at):
    disk = gpt([(BASIC, 64, 127, "one")], 400)
    disk[at] ^= 0xFF
    found, _, problems, _ = volumes_of(tmp_path, disk)
    assert found == [("gpt:1", 64, 64)]
    assert "backup" in problems[0].detail


def test_gpt_damaged_twice_says_so_and_shows_the_protective_entry(tmp_path):
    disk = gpt([(BASIC, 64, 127, "one")], 400)
    disk[600] ^= 1
    disk[-200] ^= 1
    disk[-512] ^= 1
    disk[520] ^= 1
    found, _, problems, _ = volumes_of(tmp_path, disk)
    assert problems[0].reason == "damaged"
    assert [layer for layer, _, _ in found] == ["mbr:1"]


def test_stray_backup_of_an_old_gpt_is_not_used(tmp_path):
    disk = gpt([(BASIC, 64, 127, "one")], 400)
    disk[: 512 * 40] = bytes(512 * 40)
    found, _, _, _ = volumes_of(tmp_path, disk)
    assert found == [("", 0, 400)]


def test_apple_partition_map(tmp_path):
    disk = bytearray(400 * 512)
    disk[:4] = b"ER\x02\x00"
    for number, (kind, first, count) in enumerate(
        [(b"Apple_partition_map", 1, 63), (b"Apple_HFS", 64, 200), (b"Apple_Free", 264, 100)], 1
    ):
        entry = b"PM\0\0" + (3).to_bytes(4, "big") + first.to_bytes(4, "big") + count.to_bytes(4, "big")
        disk[number * 512 : number * 512 + 16] = entry
        disk[number * 512 + 16 : number * 512 + 80] = b"disk image".ljust(32, b"\0") + kind.ljust(32, b"\0")
    found, _, _, volumes = volumes_of(tmp_path, disk)
    assert found == [("apm:2", 64, 200)]
    assert volumes[0].description == "Apple_HFS"


def test_boot_sector_of_a_file_system_is_no_table(tmp_path):
    disk = bytearray(1 << 20)
    disk[3:11] = b"NTFS    "
    disk[510:512] = b"\x55\xaa"
    disk[446:462] = b"\x80" + bytes(3) + b"\x07" + bytes(3) + b"\x10\0\0\0\x10\0\0\0"
    found, _, _, _ = volumes_of(tmp_path, disk)
    assert found == [("", 0, 2048)]


def test_a_real_table(shared_data):
    with open_image(shared_data / "plaso/test_data/tsk_volume_system.raw") as image:
        volumes, outside = open_volumes(image)
    # As mmls shows them.
    assert [(one.layer, one.offset // 512, one.size // 512) for one in volumes] == [
        ("mbr:1", 1, 350),
        ("mbr:5", 352, 2528),
    ]
    assert outside == [Range(0, 512), Range(351 * 512, 512)]


def test_a_volume_is_an_image(tmp_path):
    disk = mbr([(0x83, 10, 20)], 64)
    disk[10 * 512 : 10 * 512 + 5] = b"begin"
    disk[30 * 512 - 3 : 30 * 512 + 3] = b"endout"
    path = tmp_path / "disk.dd"
    path.write_bytes(disk)
    with open_image(path) as image:
        volume = open_volumes(image)[0][0]
        assert volume.read_at(0, 5) == b"begin"
        assert volume.read_at(volume.size - 3, 100) == b"end"
        buffer = bytearray(10)
        assert volume.readinto_at(volume.size - 3, buffer) == 3


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    kind=st.sampled_from(["mbr", "gpt"]),
    flips=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3000), st.integers(0, 255)), max_size=20),
)
def test_no_table_makes_it_crash(tmp_path_factory, kind, flips):
    if kind == "mbr":
        disk = mbr([(0x07, 1, 100), (0x05, 2, 400)], 800)
        put_ebr(disk, 2, [(0x83, 1, 50), (0x05, 1, 100)])
        put_ebr(disk, 3, [(0x83, 1, 50), (0x05, 2, 100)])
    else:
        disk = gpt([(BASIC, 64, 127, "one"), (BASIC, 128, 300, "two")], 400)
    for from_end, place, value in flips:
        disk[-1 - place if from_end else place] = value
    path = tmp_path_factory.mktemp("table") / "disk.dd"
    path.write_bytes(disk)
    with open_image(path) as image:
        volumes, outside = open_volumes(image)
        assert all(one.offset >= 0 and one.size > 0 and one.offset + one.size <= image.size for one in volumes)
        covered = sum(one.size for one in outside)
        assert 0 <= covered <= image.size
