from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from chain_of_custody.errors import EvidenceError, TargetError, UsageError
from preserve import acquire as acquire_module
from preserve import pipeline
from preserve.acquire import acquire
from preserve.badmap import BAD, BadMap
from preserve.devices import file_system_of
from preserve.image import open_image
from preserve.journal import Journal, read_journal
from preserve.pieces import PIECE_SIZE, PieceList
from preserve.preflight import Opened
from preserve.request import Request, Target, Typed, format_of
from preserve.source import FileSource, SourceGoneError
from tests.conftest import needs
from tests.preserve.media import bad_medium, loop, mixed_data, needs_bad_medium, needs_loop

ROOT = Path(__file__).resolve().parents[2]


def _e01(folder, name="disk.E01"):
    return Target(folder / name, "e01")


def _raw(folder, name="disk2.dd"):
    return Target(folder / name, "raw")


class Medium:
    """A source in memory; `fail(offset, size)` may raise."""

    smallest_read = 512
    is_direct = False
    is_device = False
    name = "medium"

    def __init__(self, data, fail=None, sector_size=512):
        self.data = data
        self.size = len(data)
        self.sector_size = sector_size
        self.fail = fail or (lambda offset, size: None)
        self.reads = []

    def read_into(self, offset, view, size):
        self.reads.append((offset, size))
        self.fail(offset, size)
        view[:size] = self.data[offset : offset + size]

    def hole_end(self, offset):
        return offset

    def known_unreadable(self):
        return []

    def close(self):
        pass

    def opened(self):
        return Opened(self, None, "file", None, False, False, False)


def bad_sectors(*sectors):
    found = set(sectors)

    def fail(offset, size):
        if not found.isdisjoint(range(offset // 512, -(-(offset + size) // 512))):
            raise OSError(errno.EIO, "bad")

    return fail


def zeroed(data, sectors):
    copy = bytearray(data)
    for sector in sectors:
        copy[sector * 512 : (sector + 1) * 512] = bytes(512)
    return bytes(copy)


def sectors_of(result):
    return [sector for offset, size in result.unreadable for sector in range(offset // 512, (offset + size) // 512)]


# Files.


def test_e01_and_raw_at_once(tmp_path):
    data = mixed_data(7 << 20)
    source = tmp_path / "押収 USB.bin"
    source.write_bytes(data)
    result = acquire(Request(source, (_e01(tmp_path), _raw(tmp_path)), algorithms=("md5", "sha1", "sha256", "blake3")))
    assert result.is_equal
    assert result.hashes["sha256"] == hashlib.sha256(data).hexdigest()
    assert result.words[0] == "一致(書込み先の読戻しと読取り時のハッシュを比較)"
    assert (tmp_path / "disk2.dd").read_bytes() == data
    with open_image(tmp_path / "disk.E01") as image:
        assert image.read_at(0, image.size) == data
        assert image.stored_hashes == {"md5": result.hashes["md5"], "sha1": result.hashes["sha1"]}
    document = json.loads((tmp_path / "disk.json").read_text())
    assert document["hashes"] == result.hashes
    assert document["unreadable"] == []
    assert document["image"]["files"] == [
        {
            "name": "disk.E01",
            "size": (tmp_path / "disk.E01").stat().st_size,
            "sha256": hashlib.sha256((tmp_path / "disk.E01").read_bytes()).hexdigest(),
        },
    ]
    assert BadMap.read(tmp_path / "disk.map").is_complete
    assert len(PieceList.read(tmp_path / "disk.pieces")) == 7
    assert document["bytes"]["zero"] == result.zero_bytes > 0
    assert not list(tmp_path.glob("*.resume"))


@needs("ewfverify", "ewfexport", "img_stat")
def test_peers_read_what_was_written(tmp_path):
    data = mixed_data(5 << 20, seed=2)
    (tmp_path / "s.bin").write_bytes(data)
    acquire(Request(tmp_path / "s.bin", (_e01(tmp_path),), segment_size=1 << 20))
    first = str(tmp_path / "disk.E01")
    assert "SUCCESS" in subprocess.run(["ewfverify", "-q", first], capture_output=True, text=True, check=True).stdout
    exported = ["ewfexport", "-q", "-u", "-f", "raw", "-t", str(tmp_path / "x"), first]
    subprocess.run(exported, capture_output=True, check=True)
    assert (tmp_path / "x.raw").read_bytes() == data
    assert "5242880" in subprocess.run(["img_stat", first], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("size", [512, 511, 512 * 3 + 511, PIECE_SIZE, PIECE_SIZE + 512, PIECE_SIZE * 2 - 1])
def test_odd_sizes(tmp_path, size):
    data = random.Random(size).randbytes(size)
    (tmp_path / "s.bin").write_bytes(data)
    result = acquire(Request(tmp_path / "s.bin", (_e01(tmp_path), _raw(tmp_path))))
    assert (tmp_path / "disk2.dd").read_bytes() == data
    assert result.hashes["md5"] == hashlib.md5(data).hexdigest()
    assert result.padding == -size % 512
    with open_image(tmp_path / "disk.E01") as image:
        padded = image.read_at(0, image.size)
        assert padded == data + bytes(-size % 512)
        assert image.stored_hashes["md5"] == hashlib.md5(padded).hexdigest()
    if size % 512:
        assert "ゼロ詰めを除き一致" in result.words[0]


@pytest.mark.parametrize(("size", "holes"), [(8 << 20, 6 << 20), ((8 << 20) + 700, 6 << 20)])
def test_holes_of_a_sparse_file_are_not_read(tmp_path, monkeypatch, size, holes):
    source = tmp_path / "sparse.bin"
    data = bytearray(size)
    data[:3] = b"abc"
    data[4 << 20 : (4 << 20) + 3] = b"def"
    with source.open("wb") as file:
        file.truncate(size)
        for place in (0, 4 << 20):
            file.seek(place)
            file.write(data[place : place + 3])
    if file_system_of(tmp_path)[1] not in ("ext4", "xfs", "btrfs", "tmpfs"):
        pytest.skip("holes of this file system are not trusted")
    reads = []
    real_read = FileSource.read_into

    def noting(self, offset, view, size):
        reads.append(offset >> 20)
        real_read(self, offset, view, size)

    monkeypatch.setattr(FileSource, "read_into", noting)
    result = acquire(Request(source, (_e01(tmp_path), _raw(tmp_path)), reread_source=True))
    assert set(reads) == {0, 4} | ({8} if size % (1 << 20) else set())
    assert result.hole_bytes == holes
    assert result.is_equal
    assert result.reread == []
    assert result.hashes["sha256"] == hashlib.sha256(data).hexdigest()
    assert (tmp_path / "disk2.dd").read_bytes() == data
    assert json.loads((tmp_path / "disk.json").read_text())["bytes"]["holes"] == holes


def test_a_file_that_lost_its_end_has_no_hole_there(tmp_path):
    source = tmp_path / "s.bin"
    source.write_bytes(bytes(2 << 20))
    opened = FileSource(source)
    os.truncate(source, 1 << 20)
    assert opened.hole_end(1 << 20) == 1 << 20
    opened.close()


def test_an_empty_source_is_refused(tmp_path):
    (tmp_path / "s.bin").write_bytes(b"")
    with pytest.raises(EvidenceError, match="no bytes"):
        acquire(Request(tmp_path / "s.bin", (_e01(tmp_path),)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.bin"]


def test_beyond_two_tib(tmp_path):
    size = (2 << 40) + (3 << 20) + 512
    if shutil.disk_usage(tmp_path).free < 1 << 30:
        pytest.skip("no room")
        # Reading 2 TiB takes too long for a test: the layout alone is replayed, with the lengths of zero chunks.
    from preserve.ewf_writer import CHUNK_SIZE, COMPRESSED, EwfSettings, EwfWriter

    settings = EwfSettings(512, size // 512, 1 << 20, guid=bytes(16))
    writer = EwfWriter(tmp_path / "d.E01", settings, replay=True)
    for _ in range(200_000):
        writer.replay(53 | COMPRESSED)
    assert writer.segment > 10
    assert -(-size // CHUNK_SIZE) == 67_108_961
    from preserve.ewf_writer import volume_data

    assert int.from_bytes(volume_data(settings)[16:24], "little") == size // 512 > 1 << 32


def test_compression_none_and_best(tmp_path):
    data = mixed_data(2 << 20, seed=8)
    (tmp_path / "s.bin").write_bytes(data)
    sizes = {}
    for compression in ("none", "fast", "best"):
        target = _e01(tmp_path, f"{compression}.E01")
        acquire(Request(tmp_path / "s.bin", (target,), compression=compression))
        sizes[compression] = target.path.stat().st_size
    assert sizes["none"] > len(data) > sizes["fast"]
    assert sizes["best"] < sizes["fast"] * 1.01


# Refusals.


def test_existing_files_are_never_overwritten(tmp_path):
    (tmp_path / "s.bin").write_bytes(bytes(4096))
    for name in ("disk.E01", "disk.E02", "disk.json", "disk.map", "disk.pieces", "disk.resume"):
        (tmp_path / name).write_bytes(b"mine")
        with pytest.raises(TargetError):
            acquire(Request(tmp_path / "s.bin", (_e01(tmp_path),)))
        assert (tmp_path / name).read_bytes() == b"mine"
        (tmp_path / name).unlink()
    (tmp_path / "dangling.dd").symlink_to(tmp_path / "nowhere")
    with pytest.raises(TargetError):
        acquire(Request(tmp_path / "s.bin", (_raw(tmp_path, "dangling.dd"),)))


def test_requests_that_make_no_sense(tmp_path):
    source = tmp_path / "s.bin"
    source.write_bytes(bytes(1 << 20))
    with pytest.raises(UsageError, match="same name"):
        acquire(Request(source, (_e01(tmp_path), _raw(tmp_path, "disk.dd"))))
    with pytest.raises(UsageError, match=r"end in \.E01"):
        acquire(Request(source, (_e01(tmp_path, "disk.img"),)))
    with pytest.raises(UsageError, match="folder cannot be imaged"):
        acquire(Request(tmp_path, (_e01(tmp_path),)))
    with pytest.raises(UsageError, match="no such hash"):
        acquire(Request(source, (_e01(tmp_path),), algorithms=("crc32",)))
    with pytest.raises(TargetError, match="does not exist"):
        acquire(Request(source, (_e01(tmp_path / "missing"),)))
    with pytest.raises(EvidenceError):
        acquire(Request(tmp_path / "missing.bin", (_e01(tmp_path),)))
    with pytest.raises(UsageError, match="ZZZ"):
        acquire(Request(_sparse(tmp_path, 64 << 30), (_e01(tmp_path),), segment_size=1 << 20))
    assert not list(tmp_path.glob("disk*"))


def _sparse(folder, size):
    path = folder / "sparse.bin"
    with path.open("wb") as file:
        file.truncate(size)
    return path


def test_room_is_checked_before_anything(tmp_path):
    source = _sparse(tmp_path, shutil.disk_usage(tmp_path).free + (1 << 30))
    with pytest.raises(TargetError, match="not enough room"):
        acquire(Request(source, (_raw(tmp_path),)))
    assert not list(tmp_path.glob("disk*"))


def test_the_limit_of_fat(tmp_path, monkeypatch):
    monkeypatch.setattr("preserve.devices.file_system_of", lambda folder: ("/mnt", "vfat"))
    with (tmp_path / "s.bin").open("wb") as file:
        file.truncate(5 << 30)
    for target, segment_size in ((_raw(tmp_path), None), (_e01(tmp_path), 4 << 30)):
        with pytest.raises(UsageError, match="FAT") as caught:
            acquire(Request(tmp_path / "s.bin", (target,), segment_size=segment_size))
        assert "--segment-size 2GiB" in caught.value.hint_en
    assert list(tmp_path.iterdir()) == [tmp_path / "s.bin"]


def test_format_by_name():
    names = {"a.E01": "e01", "a.e01": "e01", "a.dd": "raw", "a.img": "raw", "a.001": "raw", "a": "e01"}
    assert {name: format_of(Path(name)) for name in names} == names


# Bad sectors.


@pytest.mark.parametrize("sectors", [(2047, 2048), (0, 1000, 5119), tuple(range(3000, 3300, 2))])
def test_exactly_the_bad_sectors_are_lost(tmp_path, sectors):
    data = mixed_data(5120 * 512, seed=5)
    medium = Medium(data, bad_sectors(*sectors))
    request = Request(Path("medium"), (_e01(tmp_path), _raw(tmp_path)))
    result = acquire(request, opened=medium.opened())
    assert sectors_of(result) == list(sectors)
    assert result.is_equal
    assert (tmp_path / "disk2.dd").read_bytes() == zeroed(data, sectors)
    assert result.hashes["md5"] == hashlib.md5(zeroed(data, sectors)).hexdigest()
    with open_image(tmp_path / "disk.E01") as image:
        assert image.read_at(0, image.size) == zeroed(data, sectors)
        assert not image.unreadable()
    assert BadMap.read(tmp_path / "disk.map").ranges(BAD) == result.unreadable
    assert f"読取不能 {len(sectors)} セクタ(ゼロ埋め)を除き一致" in result.words[0]


def test_an_error_that_heals_on_retry(tmp_path):
    data = mixed_data(3 << 20, seed=6)
    left = {700: 4}

    def fail(offset, size):
        if offset <= 700 * 512 < offset + size and left[700]:
            left[700] -= 1
            raise OSError(errno.EIO, "bad")

    medium = Medium(data, fail)
    result = acquire(Request(Path("medium"), (_raw(tmp_path),), retries=3), opened=medium.opened())
    assert result.unreadable == []
    assert result.hashes["md5"] == hashlib.md5(data).hexdigest()
    left[700] = 10
    result = acquire(Request(Path("medium"), (_raw(tmp_path, "again.dd"),), retries=0), opened=medium.opened())
    assert sectors_of(result) == [700]


def test_each_bad_sector_is_asked_rarely(tmp_path):
    data = mixed_data(8 << 20, seed=7)
    failures = []

    def fail(offset, size):
        if any(offset < (sector + 1) * 512 and offset + size > sector * 512 for sector in (5000, 9001)):
            failures.append((offset, size))
            raise OSError(errno.EIO, "bad")

    medium = Medium(data, fail)
    acquire(Request(Path("medium"), (_raw(tmp_path),), retries=0, verify=False), opened=medium.opened())
    # Per bad sector: the block, its unit of 32 KiB, the sector from the front, the sector from the back at most.
    assert len(failures) <= 8
    assert len(medium.reads) < 8 + 2 * (32 + 64) + 20


def test_after_an_error_the_rest_comes_first(tmp_path):
    data = mixed_data(30 << 20, seed=7)
    medium = Medium(data, bad_sectors(*range(2048 * 3, 2048 * 12)))
    acquire(Request(Path("medium"), (_raw(tmp_path),), retries=0, verify=False), opened=medium.opened())
    offsets = [offset for offset, _ in medium.reads]
    last_piece = offsets.index(29 << 20)
    assert offsets[:last_piece].count(4 << 20) <= 1
    # 9 bad pieces in a row cost few reads before the good end was safe.
    assert sum(3 << 20 <= offset < 12 << 20 for offset in offsets[:last_piece]) < 7


def test_a_source_that_becomes_shorter(tmp_path, monkeypatch):
    data = mixed_data(4 << 20, seed=3)
    source = tmp_path / "s.bin"
    source.write_bytes(data)
    opened = acquire_module.open_source(Request(source, (_raw(tmp_path),)))
    os.truncate(source, (2 << 20) + 512 * 3)
    result = acquire(Request(source, (_raw(tmp_path),)), opened=opened)
    opened.source.close()
    kept = (2 << 20) + 512 * 3
    assert result.unreadable == [(kept, len(data) - kept)]
    assert (tmp_path / "disk2.dd").read_bytes() == data[:kept] + bytes(len(data) - kept)


@needs_bad_medium
def test_69_bad_sectors_of_a_real_device(tmp_path):
    data = mixed_data(16 << 20, seed=1) * 4
    image = tmp_path / "m.bin"
    image.write_bytes(data)
    rnd = random.Random(5)
    sectors = {
        0,
        1,
        2047,
        2048,
        4095,
        4096,
        4097,
        131_069,
        131_070,
        131_071,
        *range(5000, 5010),
        *range(70_000, 70_040, 2),
    }
    while len(sectors) < 69:
        sectors.add(rnd.randrange(131_072))
    bad = sorted(sectors)
    (tmp_path / "out").mkdir()
    with bad_medium(tmp_path, image, bad=bad) as device:
        request = Request(device, (_e01(tmp_path / "out"), _raw(tmp_path / "out")), reread_source=True)
        result = acquire(request)
    assert sectors_of(result) == bad
    assert result.is_equal
    assert result.reread == []
    assert result.read_only == "software"
    assert (tmp_path / "out/disk2.dd").read_bytes() == zeroed(data, bad)
    if shutil.which("ddrescuelog"):
        listed = subprocess.run(
            ["ddrescuelog", "-l-", str(tmp_path / "out/disk.map")],
            capture_output=True,
            text=True,
            check=True,
        )
        assert [int(sector) for sector in listed.stdout.split()] == bad
    if shutil.which("ewfverify"):
        verified = subprocess.run(
            ["ewfverify", "-q", str(tmp_path / "out/disk.E01")],
            capture_output=True,
            text=True,
            check=True,
        )
        assert "SUCCESS" in verified.stdout


@needs_loop
def test_a_loop_device(tmp_path):
    data = mixed_data(3 << 20, seed=11)
    image = tmp_path / "m.bin"
    image.write_bytes(data)
    with loop(image) as device:
        result = acquire(Request(device, (_e01(tmp_path),), typed=Typed(blocker="T35 S/N 1")))
    document = json.loads((tmp_path / "disk.json").read_text())
    assert result.hashes["md5"] == hashlib.md5(data).hexdigest()
    assert document["source"]["device"]["kind"] == "loop"
    assert document["source"]["read_only_before"] is True
    assert document["source"]["protection"] == "hardware"
    assert document["typed"] == {"blocker": "T35 S/N 1"}


@needs_loop
def test_4096_byte_sectors_of_a_loop_device(tmp_path):
    data = mixed_data(4096 * 300, seed=12)
    image = tmp_path / "m.bin"
    image.write_bytes(data)
    with loop(image, "--sector-size", "4096") as device:
        result = acquire(Request(device, (_e01(tmp_path),)))
    assert result.sector_size == 4096
    with open_image(tmp_path / "disk.E01") as copy:
        assert copy.sector_size == 4096
        assert copy.read_at(0, copy.size) == data


# Targets that fail.


@pytest.mark.parametrize("kind", ["e01", "raw"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_target_that_fails_is_resumed(tmp_path, monkeypatch, kind, code):
    from preserve import output

    data = random.Random(1).randbytes(14 << 20)
    (tmp_path / "s.bin").write_bytes(data)
    target = _e01(tmp_path) if kind == "e01" else _raw(tmp_path)
    written = []
    real = output.pwrite_all

    def failing(fd, view, offset):
        if len(view) == output.BLOCK_SIZE:
            written.append(offset)
            if len(written) > 9:
                raise OSError(code, os.strerror(code))
        real(fd, view, offset)

    monkeypatch.setattr(pipeline, "_CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(output, "pwrite_all", failing)
    with pytest.raises(TargetError) as caught:
        acquire(Request(tmp_path / "s.bin", (target,)))
    assert "--resume" in caught.value.hint_en
    monkeypatch.setattr(output, "pwrite_all", real)
    reads = []
    real_read = FileSource.read_into

    def counting(self, offset, view, size):
        reads.append(offset)
        real_read(self, offset, view, size)

    monkeypatch.setattr(FileSource, "read_into", counting)
    result = acquire(Request(tmp_path / "s.bin", (target,), resume=True))
    assert result.is_equal
    assert result.hashes["sha256"] == hashlib.sha256(data).hexdigest()
    # What was safely written was not read again.
    assert min(reads) >= 4 * PIECE_SIZE
    assert result.recomputed_from_target == min(reads)


def test_two_runs_onto_one_target(tmp_path):
    data = mixed_data(3 << 20)
    started, go_on = threading.Event(), threading.Event()

    def wait(offset, size):
        started.set()
        go_on.wait(20)

    medium = Medium(data, wait)
    errors = []

    def first():
        try:
            acquire(Request(Path("medium"), (_e01(tmp_path),)), opened=medium.opened())
        except Exception as error:  # noqa: BLE001 - shown by the assertion below
            errors.append(error)

    thread = threading.Thread(target=first)
    thread.start()
    assert started.wait(20)
    try:
        for resume in (False, True):
            with pytest.raises(TargetError):
                acquire(Request(Path("medium"), (_e01(tmp_path),), resume=resume), opened=Medium(data).opened())
    finally:
        go_on.set()
        thread.join()
    assert errors == []
    with open_image(tmp_path / "disk.E01") as image:
        assert image.read_at(0, image.size) == data


# Stopped and continued.


def _straight(folder, head, request_targets, data, monkeypatch, **options):
    """The same image made in one go, with the GUID and the dates of a run that was stopped."""
    folder.mkdir()
    journal = Journal(folder / "disk.resume")
    journal.append("head", head)
    journal.close()
    targets = tuple(Target(folder / target.path.name, target.format) for target in request_targets)
    medium = Medium(data, options.pop("fail", None))
    acquire(Request(Path("medium"), targets, resume=True, **options), opened=medium.opened())
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix not in (".json", ".map")}


@pytest.mark.parametrize(
    ("stop_at", "bad"),
    [(1, ()), (17, (5000, 5001, 30_000)), (18, (2048 * 19 + 5,)), (9, (2048 * 19 + 5, 2048 * 20 - 1)), (19, ())],
)
def test_a_source_that_was_pulled_out(tmp_path, monkeypatch, stop_at, bad):
    data = mixed_data(20 << 20, seed=21)
    monkeypatch.setattr(pipeline, "_CHECKPOINT_SECONDS", 0.0)
    fails = bad_sectors(*bad)

    def pulled(offset, size):
        fails(offset, size)
        if offset >= stop_at << 20:
            raise SourceGoneError("なくなった", "gone")

    targets = (_e01(tmp_path), _raw(tmp_path))
    options = {"segment_size": 4 << 20}
    with pytest.raises(SourceGoneError):
        acquire(Request(Path("medium"), targets, **options), opened=Medium(data, pulled).opened())
    state, _ = read_journal(tmp_path / "disk.resume")
    assert len(state.pieces) == stop_at
    medium = Medium(data, fails)
    result = acquire(Request(Path("medium"), targets, resume=True, **options), opened=medium.opened())
    assert sectors_of(result) == list(bad)
    assert result.is_equal
    assert result.hashes["md5"] == hashlib.md5(zeroed(data, bad)).hexdigest()
    assert not [offset for offset, size in medium.reads if size == PIECE_SIZE and offset < stop_at << 20]
    names = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.suffix not in (".json", ".map")}
    straight = _straight(tmp_path / "straight", state.head, targets, data, monkeypatch, fail=fails, **options)
    names.pop("straight", None)
    assert names == straight


def test_a_stop_in_the_rescue(tmp_path, monkeypatch):
    from preserve import rescue

    data = mixed_data(12 << 20, seed=22)
    bad = (3000, 3002, 9000, 20_000)
    monkeypatch.setattr(rescue, "_SAVE_SECONDS", 0.0)
    fails = bad_sectors(*bad)
    small = []

    def stops(offset, size):
        if size < PIECE_SIZE:
            small.append(offset)
            if len(small) == 100:
                raise SourceGoneError("なくなった", "gone")
        fails(offset, size)

    targets = (_e01(tmp_path), _raw(tmp_path))
    with pytest.raises(SourceGoneError):
        acquire(Request(Path("medium"), targets), opened=Medium(data, stops).opened())
    state, _ = read_journal(tmp_path / "disk.resume")
    assert state.unfinished
    medium = Medium(data, fails)
    result = acquire(Request(Path("medium"), targets, resume=True), opened=medium.opened())
    assert not [size for _, size in medium.reads if size == PIECE_SIZE]
    assert sectors_of(result) == list(bad)
    assert result.is_equal
    names = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.suffix not in (".json", ".map")}
    assert names == _straight(tmp_path / "straight", state.head, targets, data, monkeypatch, fail=fails)


@pytest.mark.parametrize("damage", ["torn", "zeros", "missing segment"])
def test_what_a_power_cut_took_is_read_again(tmp_path, monkeypatch, damage):
    data = mixed_data(24 << 20, seed=23)
    monkeypatch.setattr(pipeline, "_CHECKPOINT_SECONDS", 0.0)

    def pulled(offset, size):
        if offset >= 20 << 20:
            raise SourceGoneError("なくなった", "gone")

    targets = (_e01(tmp_path), _raw(tmp_path))
    options = {"segment_size": 3 << 20}
    with pytest.raises(SourceGoneError):
        acquire(Request(Path("medium"), targets, **options), opened=Medium(data, pulled).opened())
    head = read_journal(tmp_path / "disk.resume")[0].head
    last = max(tmp_path.glob("disk.E*"))
    if damage == "torn":
        os.truncate(last, last.stat().st_size // 2)
    elif damage == "zeros":
        with (tmp_path / "disk2.dd.004").open("r+b") as file:
            file.seek(1 << 20)
            file.write(bytes(1 << 20))
    else:
        last.unlink()
    medium = Medium(data)
    result = acquire(Request(Path("medium"), targets, resume=True, **options), opened=medium.opened())
    assert result.is_equal
    assert 0 < min(offset for offset, _ in medium.reads) < 20 << 20
    names = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.suffix not in (".json", ".map")}
    assert names == _straight(tmp_path / "straight", head, targets, data, monkeypatch, **options)


def test_another_source_is_not_taken_for_the_same(tmp_path):
    def pulled(offset, size):
        raise SourceGoneError("なくなった", "gone")

    with pytest.raises(SourceGoneError):
        acquire(Request(Path("m"), (_e01(tmp_path),)), opened=Medium(bytes(1 << 20), pulled).opened())
    with pytest.raises(UsageError, match="SOURCE"):
        acquire(Request(Path("m"), (_e01(tmp_path),), resume=True), opened=Medium(bytes(2 << 20)).opened())
    with pytest.raises(UsageError, match="--hash"):
        acquire(
            Request(Path("m"), (_e01(tmp_path),), resume=True, algorithms=("sha1",)),
            opened=Medium(bytes(1 << 20)).opened(),
        )
    with pytest.raises(TargetError, match="no run to resume"):
        acquire(Request(Path("m"), (_e01(tmp_path, "other.E01"),), resume=True), opened=Medium(bytes(512)).opened())


_CHILD = """
import sys, time
from pathlib import Path
from preserve import pipeline
from preserve.acquire import acquire
from preserve.request import Request, Target
from preserve.source import FileSource
pipeline._CHECKPOINT_SECONDS = 0.02
real = FileSource.read_into
def slow(self, offset, view, size):
    time.sleep(0.004)
    real(self, offset, view, size)
FileSource.read_into = slow
folder = Path(sys.argv[1])
acquire(Request(folder / "s.bin", (Target(folder / "disk.E01", "e01"), Target(folder / "copy.dd", "raw")),
                segment_size=2 << 20, resume="--resume" in sys.argv))
"""


@pytest.mark.parametrize("seed", [1, 2])
def test_kill_9_at_a_random_moment(tmp_path, seed):
    data = mixed_data(40 << 20, seed=31)
    (tmp_path / "s.bin").write_bytes(data)
    rnd = random.Random(seed)
    resume: list[str] = []
    for _ in range(2):
        child = subprocess.Popen([sys.executable, "-c", _CHILD, str(tmp_path), *resume], cwd=ROOT)
        until = time.monotonic() + 20
        while not (tmp_path / "disk.resume").exists() and child.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(rnd.uniform(0.05, 0.4))
        child.send_signal(signal.SIGKILL)
        child.wait()
        if (tmp_path / "disk.resume").exists():
            resume = ["--resume"]
    if resume:
        subprocess.run([sys.executable, "-c", _CHILD, str(tmp_path), *resume], cwd=ROOT, check=True)
    assert (
        hashlib.sha256(b"".join(path.read_bytes() for path in sorted(tmp_path.glob("copy.dd.*")))).digest()
        == hashlib.sha256(data).digest()
    )
    with open_image(tmp_path / "disk.E01") as image:
        assert image.read_at(0, image.size) == data
        assert image.stored_hashes["md5"] == hashlib.md5(data).hexdigest()
    assert not (tmp_path / "disk.resume").exists()


# Verification.


def test_a_target_that_holds_something_else_is_ng(tmp_path, monkeypatch):
    data = mixed_data(6 << 20, seed=41)
    (tmp_path / "s.bin").write_bytes(data)
    real = acquire_module.verify_target

    def tampered(first, *arguments, **options):
        with (tmp_path / "disk2.dd").open("r+b") as file:
            file.seek((3 << 20) + 77)
            byte = file.read(1)
            file.seek((3 << 20) + 77)
            file.write(bytes([byte[0] ^ 1]))
        return real(first, *arguments, **options)

    monkeypatch.setattr(acquire_module, "verify_target", tampered)
    result = acquire(Request(tmp_path / "s.bin", (_raw(tmp_path),)))
    assert not result.is_equal
    assert result.checks[0].differing == ((3 << 20, 1 << 20),)
    assert result.words[1].startswith("NOT identical")
    document = json.loads((tmp_path / "disk2.json").read_text())
    assert document["verification"]["differing"] == [{"offset": 3 << 20, "size": 1 << 20}]


def test_a_source_that_drifts(tmp_path):
    data = bytearray(mixed_data(6 << 20, seed=42))
    medium = Medium(data)

    def change(offset, size):
        if len(medium.reads) == 7:
            data[4 << 20] ^= 1

    medium.fail = change
    result = acquire(Request(Path("m"), (_raw(tmp_path),), reread_source=True), opened=medium.opened())
    assert result.reread == [(4 << 20, 1 << 20)]
    assert not result.is_equal
    assert all(check.is_equal for check in result.checks)


def test_no_verify_says_so(tmp_path):
    (tmp_path / "s.bin").write_bytes(bytes(4096))
    result = acquire(Request(tmp_path / "s.bin", (_e01(tmp_path),), verify=False))
    assert result.words[0].startswith("検証なし")
    assert result.checks == []
