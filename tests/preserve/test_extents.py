import random

import numpy as np
import pytest

from preserve import Range, open_evidence, open_image
from preserve.extents import STATES, ExtentMap
from preserve.filesystem import FileEntry, Run
from tests.conftest import needs
from tests.preserve.disks import fat, files, mbr, run, write_tree
from tests.preserve.test_ntfs import IMAGE


def entry(number, state, runs, size, *, kind="file", valid=None, resident=None):
    return FileEntry(
        (0, number, 1, 128, 0),
        0,
        f"/{number}",
        kind,
        state,
        size,
        runs=tuple(Run(*one) for one in runs),
        on_disk=True,
        valid_size=size if valid is None else valid,
        resident_offset=resident,
    )


def states(extents, *offsets):
    located = extents.locate(np.array(offsets, dtype=np.int64))
    return [(STATES[state], int(one), int(at)) for one, at, state in zip(*located, strict=True)]


def test_precedence():
    entries = [
        entry(1, "deleted", [(0, 1000, 1000)], 1000),
        entry(2, "allocated", [(0, 1500, 1024)], 1000),
        entry(3, "allocated", [(0, 4000, 100)], 100, kind="metadata"),
        entry(4, "allocated", [], 20, resident=4050),
    ]
    extents = ExtentMap(entries, [Range(6000, 10)], [Range(500, 9000)], [Range(9400, 100)])
    assert states(extents, 400, 600, 1000, 1499, 1500, 2499, 2500, 2523, 2524) == [
        ("outside", -1, -1),
        ("unallocated", -1, -1),
        ("deleted", 0, 0),
        ("deleted", 0, 499),
        ("allocated", 1, 0),
        ("allocated", 1, 999),
        ("slack", 1, 1000),
        ("slack", 1, 1023),
        ("unallocated", -1, -1),
    ]
    assert states(extents, 4000, 4049, 4050, 4069, 4070) == [
        ("metadata", 2, 0),
        ("metadata", 2, 49),
        ("allocated", 3, 0),
        ("allocated", 3, 19),
        ("metadata", 2, 70),
    ]
    assert states(extents, 6005, 9399, 9400, 9499, 9500) == [
        ("metadata", -1, -1),
        ("unallocated", -1, -1),
        ("slack", -1, -1),
        ("slack", -1, -1),
        ("outside", -1, -1),
    ]
    assert extents.unallocated == [Range(500, 1000), Range(2524, 1476), Range(4100, 1900), Range(6010, 3490)]


def test_what_was_never_written_of_a_file_is_slack():
    extents = ExtentMap([entry(1, "allocated", [(0, 0, 4096)], 4000, valid=100)], [], [Range(0, 8192)])
    assert states(extents, 99, 100, 4050) == [("allocated", 0, 99), ("slack", 0, 100), ("slack", 0, 4050)]


def test_fragments_holes_and_hard_links():
    entries = [entry(1, "allocated", [(0, 100, 10), (10, None, 10), (20, 50, 10)], 30)]
    entries.append(FileEntry(entries[0].id, 0, "/link", "file", "allocated", 30, runs=entries[0].runs, valid_size=30))
    extents = ExtentMap(entries, [], [Range(0, 200)])
    assert states(extents, 105, 55, 75) == [("allocated", 0, 5), ("allocated", 0, 25), ("unallocated", -1, -1)]


def test_overlapping_claims_do_not_lose_bytes():
    rng = random.Random(5)
    entries = []
    for number in range(200):
        start, size = rng.randrange(5000), rng.randrange(1, 300)
        entries.append(entry(number, "allocated", [(0, start, size)], size))
    extents = ExtentMap(entries, [], [Range(0, 6000)])
    covered = np.zeros(6000, dtype=bool)
    for one in entries:
        covered[one.runs[0].offset : one.runs[0].offset + one.size] = True
    located = extents.locate(np.arange(6000))
    assert ((located.state == STATES.index("allocated")) == covered).all()
    for offset in range(0, 5000, 7):
        if covered[offset]:
            owner = entries[located.entry[offset]]
            assert owner.runs[0].offset + located.file_offset[offset] == offset
    assert sum(one.size for one in extents.unallocated) == int((~covered).sum())


def test_clusters_of_deleted_files_that_serve_live_ones():
    entries = [
        entry(1, "deleted", [(0, 1000, 1000), (1000, 5000, 500)], 1500),
        entry(2, "allocated", [(0, 1500, 1000)], 1000),
        entry(3, "deleted", [(0, 1600, 100)], 100),
        entry(4, "deleted", [(0, 8000, 100)], 100),
        entry(5, "allocated", [(0, 5100, 10)], 10),
    ]
    assert ExtentMap(entries, [], [Range(0, 9000)]).reallocated == {0: 510, 2: 100}


def test_no_files_at_all():
    extents = ExtentMap([], [], [Range(0, 100)])
    assert states(extents, 0, 99, 100) == [("unallocated", -1, -1), ("unallocated", -1, -1), ("outside", -1, -1)]
    assert extents.locate(np.zeros((2, 3), dtype=np.int64)).state.shape == (2, 3)
    assert extents.unallocated == [Range(0, 100)]


def test_every_byte_of_ntfs_has_a_state_and_located_bytes_are_the_content():
    with open_image(IMAGE) as image:
        evidence = open_evidence(image)
        located = evidence.extents.locate(np.arange(0, image.size, 256))
        names = {STATES[state] for state in np.unique(located.state)}
        assert {"allocated", "deleted", "unallocated", "slack", "metadata"} <= names
        assert "outside" not in names
        # Content of files, compared byte by byte at located offsets.
        rng = random.Random(1)
        offsets = np.array([rng.randrange(image.size) for _ in range(20_000)])
        located = evidence.extents.locate(offsets)
        checked = 0
        readers = {}
        for offset, number, at, state in zip(offsets.tolist(), *located, strict=True):
            if STATES[state] != "allocated" or number < 0 or at < 0:
                continue
            one = evidence.entries[number]
            if one.compressed:
                continue
            reader = readers.setdefault(one.id, evidence.filesystems[0].open(one.id))
            assert reader.read_at(int(at), 1) == image.read_at(offset, 1)
            checked += 1
        assert checked > 300
        places = np.concatenate([np.arange(one.offset, one.end, 512) for one in evidence.unallocated])
        assert {STATES[state] for state in evidence.extents.locate(places).state} == {"unallocated", "deleted"}


@needs("mkfs.vfat", "mcopy", "mdel", "blkstat")
@pytest.mark.parametrize("bits", [12, 16, 32])
def test_allocation_on_fat_as_the_sleuth_kit_sees_it(tmp_path, bits):
    path = fat(tmp_path / "disk.dd", bits, write_tree(tmp_path / "tree", files()))
    run("mdel", "-i", path, "::/gone.bin")
    free = set()
    for line in run("blkls", "-l", path).decode().splitlines():
        parts = line.split("|")
        if len(parts) >= 2 and parts[1] == "f":
            free.add(int(parts[0]))
    with open_image(path) as image:
        evidence = open_evidence(image)
        sectors = np.arange(image.size // 512)
        inside = np.zeros(len(sectors), dtype=bool)
        for one in evidence.unallocated:
            inside[one.offset // 512 : one.end // 512] = True
    wrong = [int(sector) for sector in sectors if bool(inside[sector]) != (int(sector) in free)]
    # Clusters that do not fill up to the end of the volume are neither for TSK.
    assert len(wrong) <= 64, wrong[:10]


@needs("mkfs.vfat", "mcopy")
def test_space_behind_a_file_system_is_slack_of_the_volume(tmp_path):
    path = fat(tmp_path / "fat.dd", 16, write_tree(tmp_path / "tree", files()))
    part = path.read_bytes()
    extra = 100
    disk = mbr([(0x06, 64, len(part) // 512 + extra)], 64 + len(part) // 512 + extra + 50)
    disk[64 * 512 : 64 * 512 + len(part)] = part
    whole = tmp_path / "disk.dd"
    whole.write_bytes(disk)
    with open_image(whole) as image:
        evidence = open_evidence(image)
        end = 64 * 512 + len(part)
        assert states(evidence.extents, end - 1, end, end + extra * 512 - 1, end + extra * 512, 0)[1:] == [
            ("slack", -1, -1),
            ("slack", -1, -1),
            ("outside", -1, -1),
            ("outside", -1, -1),
        ]
        live = next(one for one in evidence.entries if one.path == "/live.txt")
        assert image.read_at(live.runs[0].offset, 9) == b"live file"
