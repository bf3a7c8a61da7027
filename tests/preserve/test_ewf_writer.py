from __future__ import annotations

import hashlib
import struct
import subprocess
import zlib

import pyewf
import pytest

from chain_of_custody.errors import UsageError
from preserve.ewf_writer import (
    CHUNK_SIZE,
    EwfHeader,
    EwfSettings,
    EwfWriter,
    most_segments,
    segment_name,
)
from tests.conftest import needs
from tests.preserve.media import mixed_data

_GUID = bytes(range(16))


def _write(first, data, *, sector_size=512, segment_size=2 << 30, errors=(), **more):
    settings = EwfSettings(sector_size, len(data) // sector_size, segment_size, guid=_GUID, **more)
    writer = EwfWriter(first, settings)
    for start in range(0, len(data), CHUNK_SIZE):
        chunk = data[start : start + CHUNK_SIZE]
        deflated = zlib.compress(chunk, 1)
        if len(deflated) < len(chunk) + 4:
            writer.add((deflated,), len(deflated), compressed=True)
        else:
            checksum = struct.pack("<I", zlib.adler32(chunk))
            writer.add((chunk, checksum), len(chunk) + 4, compressed=False)
    writer.finish(md5=hashlib.md5(data).digest(), sha1=hashlib.sha1(data).digest(), unreadable_sectors=errors)
    return writer


def _read_with_pyewf(first):
    handle = pyewf.handle()
    handle.open(pyewf.glob(str(first)))
    try:
        return handle.read(handle.get_media_size()), handle.get_hash_values()
    finally:
        handle.close()


@pytest.mark.parametrize("sectors", [1, 63, 64, 65, 4097])
def test_pyewf_reads_the_same_bytes(tmp_path, sectors):
    data = mixed_data(sectors * 512, seed=sectors)
    _write(tmp_path / "disk.E01", data)
    found, hashes = _read_with_pyewf(tmp_path / "disk.E01")
    assert found == data
    assert hashes["MD5"] == hashlib.md5(data).hexdigest()


def test_segments_keep_their_size_and_join(tmp_path):
    data = mixed_data(6 << 20)
    writer = _write(tmp_path / "disk.E01", data, segment_size=1 << 20)
    assert [path.name for path in writer.paths][:2] == ["disk.E01", "disk.E02"]
    assert len(writer.paths) > 3
    assert all(path.stat().st_size <= 1 << 20 for path in writer.paths)
    assert _read_with_pyewf(tmp_path / "disk.E01")[0] == data


def test_4096_byte_sectors(tmp_path):
    data = mixed_data(4096 * 37)
    _write(tmp_path / "disk.E01", data, sector_size=4096)
    assert _read_with_pyewf(tmp_path / "disk.E01")[0] == data


@needs("ewfinfo", "ewfverify")
def test_ewfinfo_and_ewfverify_accept_it(tmp_path):
    header = EwfHeader(
        case_number="令和8年第1号",
        evidence_number="A-1",
        description="押収\tノート",
        examiner="山田 太郎",
        notes="備考",
        serial="S/N 12",
        version="hozen 0.1.0",
        acquired=1_795_532_790,
        system=1_795_532_790,
    )
    data = mixed_data(3 << 20)
    _write(
        tmp_path / "disk.E01",
        data,
        segment_size=1 << 20,
        header=header,
        errors=[(3, 2), (100, 1)],
        is_physical=False,
    )
    verified = subprocess.run(
        ["ewfverify", "-q", str(tmp_path / "disk.E01")], capture_output=True, text=True, check=True
    )
    assert "ewfverify: SUCCESS" in verified.stdout
    shown = subprocess.run(["ewfinfo", str(tmp_path / "disk.E01")], capture_output=True, text=True, check=True).stdout
    for words in (
        "令和8年第1号",
        "押収 ノート",  # a tab would end the value
        "山田 太郎",
        "File format:\t\tEnCase 6",
        "Is physical:\t\tno",
        "at sector(s): 3 - 4 number: 2",
        "03020100-0504-0706-0809-0a0b0c0d0e0f",
        hashlib.sha1(data).hexdigest(),
    ):
        assert words in shown, words


def test_names_past_e99():
    assert segment_name("disk.E01", 99) == "disk.E99"
    assert segment_name("disk.E01", 100) == "disk.EAA"
    assert segment_name("disk.E01", 100 + 26) == "disk.EBA"
    assert segment_name("disk.E01", 100 + 676) == "disk.FAA"
    assert segment_name("disk.e01", 100) == "disk.eaa"
    last = most_segments("disk.E01")
    assert segment_name("disk.E01", last) == "disk.ZZZ"
    with pytest.raises(UsageError):
        segment_name("disk.E01", last + 1)


@needs("ewfverify")
def test_more_than_99_segments(tmp_path):
    data = hashlib.shake_128(b"x").digest(1 << 20) * 104
    writer = _write(tmp_path / "d.E01", data, segment_size=1 << 20)
    assert len(writer.paths) > 105
    assert writer.paths[99].name == "d.EAA"
    verified = subprocess.run(["ewfverify", "-q", str(tmp_path / "d.E01")], capture_output=True, text=True, check=True)
    assert "ewfverify: SUCCESS" in verified.stdout


def test_reserved_chunks_are_filled_in_later(tmp_path):
    data = mixed_data(3 << 20, seed=9)
    settings = EwfSettings(512, len(data) // 512, 1 << 20, guid=_GUID)
    writer = EwfWriter(tmp_path / "disk.E01", settings)
    reserved = {3, 4, 60, 95}
    for number, start in enumerate(range(0, len(data), CHUNK_SIZE)):
        chunk = data[start : start + CHUNK_SIZE]
        if number in reserved:
            writer.reserve(len(chunk))
        else:
            deflated = zlib.compress(chunk, 1)
            writer.add((deflated,), len(deflated), compressed=True)
    writer.end_data()
    view = memoryview(data)
    writer.fill(3 * CHUNK_SIZE + 10, view[3 * CHUNK_SIZE + 10 : 5 * CHUNK_SIZE])  # over the border of two chunks
    writer.fill(3 * CHUNK_SIZE, view[3 * CHUNK_SIZE : 3 * CHUNK_SIZE + 10])
    for number in (60, 95):
        writer.fill(number * CHUNK_SIZE, view[number * CHUNK_SIZE : (number + 1) * CHUNK_SIZE])
    for number in reserved:
        held = writer.read_reserved(number * CHUNK_SIZE, CHUNK_SIZE)
        assert held == data[number * CHUNK_SIZE : (number + 1) * CHUNK_SIZE]
        writer.seal(number * CHUNK_SIZE, memoryview(held))
    writer.finish(md5=hashlib.md5(data).digest(), sha1=b"", unreadable_sectors=[])
    assert _read_with_pyewf(tmp_path / "disk.E01")[0] == data


def test_replay_comes_to_the_same_place(tmp_path):
    data = mixed_data(5 << 20, seed=4)
    settings = EwfSettings(512, len(data) // 512, 1 << 20, guid=_GUID)
    writer = EwfWriter(tmp_path / "disk.E01", settings)
    lengths, places = [], []
    for start in range(0, len(data), CHUNK_SIZE):
        deflated = zlib.compress(data[start : start + CHUNK_SIZE], 1)
        places.append(writer.add((deflated,), len(deflated), compressed=True))
        lengths.append(len(deflated) | 1 << 31)
    writer.sync()
    again = EwfWriter(tmp_path / "disk.E01", settings, replay=True)
    assert [again.replay(length) for length in lengths] == places
    assert (again.segment, again.position) == (writer.segment, writer.position)
    writer.abandon()
    again.go_on()
    again.finish(md5=hashlib.md5(data).digest(), sha1=b"", unreadable_sectors=[])
    assert _read_with_pyewf(tmp_path / "disk.E01")[0] == data
