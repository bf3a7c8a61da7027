"""The table in bulk against the walk of `preserve.ntfs`, record by record."""

import json
from pathlib import Path

import numpy as np
import pytest

from preserve import open_image
from preserve.mft_table import of_volume, read_table
from preserve.ntfs import DATA, open_ntfs
from preserve.volumes import open_volumes

DATA_FOLDER = Path(__file__).resolve().parents[1] / "data" / "preserve"


@pytest.fixture(scope="module")
def volume():
    with open_image(DATA_FOLDER / "ntfs.E01") as image:
        volumes, _ = open_volumes(image)
        filesystem = next(one for one in (open_ntfs(volume, []) for volume in volumes) if one is not None)
        yield filesystem, of_volume(filesystem), list(filesystem.walk())


def test_names_and_paths_are_those_of_the_walk(volume):
    _, table, entries = volume
    mine = {
        (int(owner), path)
        for owner, path, space in zip(table.names.owner, table.paths(), table.names.space, strict=True)
        if space != 2
    }
    walked = {
        (entry.id[1], entry.path.partition(":")[0])
        for entry in entries
        if entry.id[3] and not entry.path.startswith("/$OrphanFiles/OrphanFile-")
    }
    assert walked <= mine
    listed = json.loads((DATA_FOLDER / "ntfs.json").read_text(encoding="utf-8"))
    assert {path.partition(":")[0] for path in listed} <= {path for _, path in mine}


def test_times_and_streams_are_those_of_the_walk(volume):
    filesystem, table, entries = volume
    times = dict(zip(table.records.number.tolist(), table.records.times.tolist(), strict=True))
    streams = {
        (owner, attribute): (size, place, cluster)
        for owner, kind, attribute, size, place, cluster in zip(
            table.streams.owner.tolist(),
            table.streams.kind.tolist(),
            table.streams.attribute_id.tolist(),
            table.streams.size.tolist(),
            table.streams.place.tolist(),
            table.streams.cluster.tolist(),
            strict=True,
        )
        if kind == DATA
    }
    compared = 0
    for entry in entries:
        if entry.id[3] != DATA:
            continue
        assert [int(one.raw) for one in list(dict(entry.times).values())[:4]] == times[entry.id[1]]
        size, place, cluster = streams[entry.id[1], entry.id[4]]
        assert size == entry.size
        assert (place >= 0) == entry.resident
        if entry.runs and entry.runs[0].offset is not None:
            assert cluster == (entry.runs[0].offset - filesystem.offset) // filesystem.geometry.cluster_size
        compared += 1
    assert compared > 20


def test_a_bare_table_is_the_same(volume):
    filesystem, table, _ = volume
    raw = filesystem.read_table(0, filesystem.record_count * 1024)
    bare = read_table(lambda offset, size: raw[offset : offset + size], len(raw))
    assert bare.paths() == table.paths()
    assert np.array_equal(bare.records.times, table.records.times)
    assert not bare.missing


def test_damage_is_said_and_not_guessed(volume):
    filesystem, table, _ = volume
    raw = bytearray(filesystem.read_table(0, filesystem.record_count * 1024))
    third = int(table.records.number[3])
    raw[third * 1024 + 510] ^= 0xFF  # its fixup does not fit any more
    fifth = int(table.records.number[-1])
    first = int.from_bytes(raw[fifth * 1024 + 20 : fifth * 1024 + 22], "little")
    raw[fifth * 1024 + first + 4] |= 4  # the next attribute is off the grid
    found = read_table(lambda offset, size: bytes(raw[offset : offset + size]), len(raw))
    assert found.torn == [third]
    assert found.odd == [fifth]
    cut = read_table(lambda offset, size: bytes(raw[:70_000][offset : offset + size]), len(raw))
    assert cut.missing == cut.slots - 70_000 // 1024


@pytest.mark.parametrize("seed", range(20))
def test_mutations_never_raise(volume, seed):
    filesystem, _, _ = volume
    raw = bytearray(filesystem.read_table(0, min(filesystem.record_count, 128) * 1024))
    random = np.random.default_rng(seed)
    for place in random.integers(0, len(raw), 4000):
        if place % 512 < 506:
            raw[place] = random.integers(0, 256)
    table = read_table(lambda offset, size: bytes(raw[offset : offset + size]), len(raw))
    assert len(table.paths()) == len(table.names.text)
    assert len(table.best_names()) == len(table.records.number)


def test_nothing():
    table = read_table(lambda _offset, _size: b"", 4096)
    assert (table.slots, table.missing, table.paths()) == (4, 4, [])
