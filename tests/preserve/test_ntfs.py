import contextlib
import hashlib
import json
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chain_of_custody.errors import EvidenceError
from preserve import open_evidence, open_image, stream
from preserve.ntfs import decode_runs, parse_boot_sector, parse_record, undo_fixups
from tests.conftest import needs
from tests.preserve.disks import run

HERE = Path(__file__).resolve().parents[1] / "data" / "preserve"
IMAGE = HERE / "ntfs.E01"
LISTING = json.loads((HERE / "ntfs.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def evidence():
    with open_image(IMAGE) as image:
        yield open_evidence(image)


@pytest.fixture(scope="module")
def raw():
    with open_image(IMAGE) as image:
        return _Bytes(b"".join(bytes(view) for _, view in stream(image, 1 << 20)))


def content(evidence, entry):
    if entry.name_only:
        return b""
    reader = evidence.filesystems[entry.volume].open(entry.id)
    return reader.read_at(0, reader.size)


def by_path(evidence, path, state="allocated"):
    (found,) = [one for one in evidence.entries if one.path == path and one.state == state]
    return found


def test_every_live_stream_byte_for_byte(evidence):
    got = {
        one.path: hashlib.sha256(content(evidence, one)).hexdigest()
        for one in evidence.entries
        if one.state == "allocated" and one.kind in ("file", "stream")
    }
    assert {path: got.get(path) for path in LISTING} == LISTING
    # A hard link shows the streams of its file too.
    assert set(got) - set(LISTING) == {"/hard link.txt:Zone.Identifier", "/hard link.txt:大きな流れ"}
    assert not evidence.problems


def test_label_and_version(evidence):
    fs = evidence.filesystems[0]
    assert (fs.kind, fs.label, fs.version, fs.block_size) == ("ntfs", "保全テスト", "3.1", 4096)


def test_deleted_files_with_their_paths_and_content(evidence):
    gone = {
        one.path: content(evidence, one) for one in evidence.entries if one.state == "deleted" and one.kind == "file"
    }
    assert gone["/deleted resident.txt"] == b"deleted and resident\n"
    assert len(gone["/文書/消した.bin"]) == 20_000
    assert gone["/文書/消した.bin"].startswith("消した中身 ".encode())
    assert gone["/old folder/inner/deep.txt"].startswith("深い所 ".encode())
    assert gone["/old folder/top.txt"] == b"in a deleted folder\n"
    assert gone["/many/file number 100 of many.txt"] == b"number 100\n"
    assert by_path(evidence, "/old folder/inner", "deleted").kind == "directory"


def test_a_name_that_is_only_left_in_an_index(evidence):
    entry = by_path(evidence, "/many/zz gone name.txt", "deleted")
    assert entry.name_only
    assert entry.times["filename_modified"].ns is not None
    assert by_path(evidence, "/many/aa.txt").size == 21


def test_flags(evidence):
    compressed = by_path(evidence, "/compressed/c.txt")
    assert compressed.compressed
    assert not compressed.on_disk
    sparse = by_path(evidence, "/sparse.bin")
    assert sparse.sparse
    assert sparse.on_disk
    assert any(run.offset is None for run in sparse.runs)
    fragmented = by_path(evidence, "/frag/a.bin")
    assert len(fragmented.runs) > 1
    small = by_path(evidence, "/文書/給与 一覧.txt")
    assert small.resident
    assert not small.on_disk
    assert by_path(evidence, "/文書:folder stream").kind == "stream"


def test_hard_links_share_an_id(evidence):
    assert by_path(evidence, "/hard link.txt").id == by_path(evidence, "/文書/大きい.txt").id


def test_runs_and_resident_offsets_are_bytes_of_the_medium(evidence, raw):
    for path in ("/文書/大きい.txt", "/frag/a.bin", "/frag/b.bin"):
        entry = by_path(evidence, path)
        data = bytearray(entry.size)
        for one in entry.runs:
            data[one.file_offset : one.file_offset + one.size] = raw[one.offset : one.offset + one.size][
                : entry.size - one.file_offset
            ]
        assert hashlib.sha256(data).hexdigest() == LISTING[path]
    small = by_path(evidence, "/deleted resident.txt", "deleted")
    assert raw[small.resident_offset : small.resident_offset + small.size] == b"deleted and resident\n"


def test_times_are_filetimes(evidence):
    entry = by_path(evidence, "/文書/大きい.txt")
    time = entry.times["modified"]
    assert time.precision_ns == 100
    assert time.zone_known
    assert time.ns == (int(time.raw) - 116_444_736_000_000_000) * 100
    assert list(entry.times)[:4] == ["created", "modified", "changed", "accessed"]
    assert len(entry.times) == 8
    with pytest.raises(KeyError):
        entry.times["nothing"]


@needs("fls", "icat")
def test_the_sleuth_kit_agrees(evidence, raw, tmp_path):
    path = tmp_path / "ntfs.raw"
    path.write_bytes(raw)
    listed = {}
    for line in run("fls", "-r", "-p", path).decode().splitlines():
        kind, _, name = line.partition(":\t")
        if kind.startswith("r/r") and "*" not in kind and not name.startswith("$"):
            listed["/" + name] = kind.split()[-1]
    ours = {one.path: one for one in evidence.entries if one.state == "allocated" and one.kind in ("file", "stream")}
    # Index blocks that are out of use keep names that fls takes for live; their records say deleted.
    gone = {one.path for one in evidence.entries if one.state == "deleted"}
    assert set(listed) - set(ours) <= gone
    assert len(set(listed) & set(ours)) > 70
    for name, address in listed.items():
        if name in gone:
            continue
        assert run("icat", path, address) == content(evidence, ours[name]), name


@needs("istat")
def test_times_agree_with_the_sleuth_kit(evidence, raw, tmp_path):
    import datetime as dt

    path = tmp_path / "ntfs.raw"
    path.write_bytes(raw)
    entry = by_path(evidence, "/frag/a.bin")
    text = run("istat", "-z", "UTC", path, entry.id[1]).decode()
    shown = next(line for line in text.splitlines() if line.startswith("File Modified:"))
    moment = dt.datetime.fromtimestamp(entry.times["modified"].ns // 10**9, dt.UTC)
    assert f"{moment:%Y-%m-%d %H:%M:%S}.{entry.times['modified'].ns % 10**9:09d} (UTC)" in shown


def reopened(tmp_path, data, name="disk.dd"):
    path = tmp_path / name
    path.write_bytes(data)
    with open_image(path) as image:
        return open_evidence(image)


def files_of(evidence):
    return {one.path for one in evidence.entries if one.kind == "file"}


def test_destroyed_boot_sector_is_taken_from_the_end(evidence, raw, tmp_path):
    broken = reopened(tmp_path, bytes(8192) + raw[8192:])
    assert files_of(broken) == files_of(evidence)
    assert [(one.reason, "backup" in one.detail) for one in broken.problems] == [("damaged", True)]
    with open_image(tmp_path / "disk.dd") as image:
        again = open_evidence(image)
        compressed = by_path(again, "/compressed/c.txt")
        assert hashlib.sha256(content(again, compressed)).hexdigest() == LISTING["/compressed/c.txt"]


def test_both_boot_sectors_destroyed(raw, tmp_path):
    broken = reopened(tmp_path, bytes(8192) + raw[8192:-512] + bytes(512))
    assert not broken.entries
    assert [one.reason for one in broken.problems] == ["damaged"]
    assert [(one.offset, one.size) for one in broken.unallocated] == [(0, len(raw))]


def test_first_record_destroyed_is_read_from_the_mirror(evidence, raw, tmp_path):
    data = bytearray(raw)
    geometry = parse_boot_sector(raw[:512])
    at = geometry.mft_cluster * geometry.cluster_size
    data[at : at + 1024] = bytes(1024)
    broken = reopened(tmp_path, data)
    assert files_of(broken) == files_of(evidence)
    assert "$MFTMirr" in broken.problems[0].detail


def test_a_torn_record_is_said(evidence, raw, tmp_path):
    data = bytearray(raw)
    entry = by_path(evidence, "/frag/a.bin")
    geometry = parse_boot_sector(raw[:512])
    at = geometry.mft_cluster * geometry.cluster_size + entry.id[1] * 1024
    data[at + 1022] ^= 0x55
    broken = reopened(tmp_path, data)
    assert files_of(evidence) - files_of(broken) == {"/frag/a.bin"}
    assert f"1 damaged file records: {entry.id[1]}" in broken.problems[0].detail


def test_folders_in_a_circle_end_under_orphans(evidence, raw, tmp_path):
    # /old folder/inner becomes the parent of /old folder.
    data = bytearray(raw)
    geometry = parse_boot_sector(raw[:512])
    base = geometry.mft_cluster * geometry.cluster_size
    outer, inner = by_path(evidence, "/old folder", "deleted"), by_path(evidence, "/old folder/inner", "deleted")
    at = base + outer.id[1] * 1024
    record = data[at : at + 1024]
    place = record.index(struct.pack("<Q", 5 | 5 << 48))
    data[at + place : at + place + 8] = struct.pack("<Q", inner.id[1] | (inner.id[2] - 1) << 48)
    broken = reopened(tmp_path, data)
    paths = files_of(broken)
    assert any(path.startswith("/$OrphanFiles/") and path.endswith("/deep.txt") for path in paths)


def test_a_folder_whose_record_was_reused_is_not_the_parent(evidence, raw, tmp_path):
    data = bytearray(raw)
    geometry = parse_boot_sector(raw[:512])
    folder = by_path(evidence, "/old folder", "deleted")
    at = geometry.mft_cluster * geometry.cluster_size + folder.id[1] * 1024 + 16
    struct.pack_into("<H", data, at, folder.id[2] + 3)
    broken = reopened(tmp_path, data)
    assert "/$OrphanFiles/top.txt" in files_of(broken)
    assert "/$OrphanFiles/inner/deep.txt" in files_of(broken)


def test_no_such_file(evidence):
    with pytest.raises(EvidenceError):
        evidence.filesystems[0].open((0, 999_999, 1, 128, 1))


def test_runs():
    # Example of the NTFS documentation of the Linux-NTFS project: 0x30 at 0x60, 0x10 at 0x160, a hole, and so on.
    data = bytes.fromhex("21 30 60 00 21 10 00 01 01 20 00".replace(" ", ""))
    assert decode_runs(data, 0) == [(0, 0x60, 0x30), (0x30, 0x160, 0x10), (0x40, -1, 0x20)]
    assert decode_runs(bytes.fromhex("21305fff"), 0) == []  # a place before the volume
    assert decode_runs(b"\xff" * 20, 0) == []


@given(st.binary(max_size=64))
def test_no_runs_make_it_crash(data):
    for first, place, count in decode_runs(data, 7):
        assert first >= 7
        assert place >= -1
        assert count > 0


@given(st.binary(min_size=1024, max_size=1024))
def test_no_record_makes_it_crash(data):
    block = np.frombuffer(b"FILE" + data[4:], dtype=np.uint8).copy().reshape(1, -1)
    undo_fixups(block, 512)
    parse_record(block.tobytes(), 5)


class _Bytes(bytes):
    """Bytes that hypothesis does not print."""

    def __repr__(self):
        return f"<{len(self)} bytes>"


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(flips=st.lists(st.tuples(st.integers(0, 250_000), st.integers(0, 255)), min_size=1, max_size=300))
def test_no_damage_makes_the_walk_crash(raw, tmp_path_factory, flips):
    data = bytearray(raw[: 3 << 20])
    for place, value in flips:
        data[place] = value
    folder = tmp_path_factory.mktemp("ntfs")
    (folder / "disk.dd").write_bytes(data)
    with open_image(folder / "disk.dd") as image:
        evidence = open_evidence(image)
        for entry in evidence.entries[:400]:
            if not entry.name_only and entry.kind in ("file", "stream") and not entry.compressed:
                with contextlib.suppress(EvidenceError):
                    evidence.filesystems[0].open(entry.id).read_at(0, 100)
    shutil.rmtree(folder)


def test_ten_thousand_nested_folders(raw, tmp_path):
    """A table made of folders, each in the one before, and a file at the bottom."""
    geometry = parse_boot_sector(raw[:512])
    at = geometry.mft_cluster * geometry.cluster_size
    block = np.frombuffer(raw[at : at + 1024], dtype=np.uint8).copy().reshape(1, -1)
    undo_fixups(block, 512)
    count = 10_100
    size = count * 1024
    start = len(raw) // 4096 + 16

    def record(number, parent, name, *, folder, data=b""):
        encoded = name.encode("utf-16-le")
        value = struct.pack("<QQQQQQQII", parent, 0, 0, 0, 0, 0, 0, 0, 0) + bytes([len(name), 1]) + encoded
        body = bytearray()
        for kind, content in ((0x30, value), *(((0x80, data),) if not folder else ())):
            length = -(-(24 + len(content)) // 8) * 8
            body += struct.pack("<IIBBHHHIHH", kind, length, 0, 0, 0, 0, 1, len(content), 24, 0)
            body += content.ljust(length - 24, b"\0")
        body += b"\xff\xff\xff\xff\0\0\0\0"
        head = b"FILE" + struct.pack("<HHQHHHHII", 48, 3, 0, 1, 1, 56, 1 | (2 if folder else 0), 56 + len(body), 1024)
        out = bytearray((head + bytes(8)).ljust(56, b"\0") + body).ljust(1024, b"\0")
        out[48:50] = b"\1\0"
        out[50:52], out[52:54] = out[510:512], out[1022:1024]
        out[510:512] = out[1022:1024] = b"\1\0"
        return bytes(out)

    table = bytearray(size)
    first = bytearray(raw[at : at + 1024])
    fixed = bytearray(block.tobytes())
    place = fixed.index(struct.pack("<I", 0x80))
    struct.pack_into("<Q", fixed, place + 24, -(-size // 4096) - 1)
    struct.pack_into("<QQQ", fixed, place + 40, -(-size // 4096) * 4096, size, size)
    clusters = -(-size // 4096)
    runs = bytes([0x33]) + clusters.to_bytes(3, "little") + start.to_bytes(3, "little") + b"\0"
    runs_at = struct.unpack_from("<H", fixed, place + 32)[0]
    fixed[place + runs_at : place + runs_at + len(runs)] = runs
    first[:] = fixed
    usa = struct.unpack_from("<H", first, 4)[0]
    first[usa + 2 : usa + 4], first[usa + 4 : usa + 6] = first[510:512], first[1022:1024]
    first[510:512] = first[1022:1024] = first[usa : usa + 2]
    table[:1024] = first
    table[5 * 1024 : 6 * 1024] = record(5, 5 | 1 << 48, ".", folder=True)
    parent = 5
    for number in range(64, 64 + 10_000):
        table[number * 1024 : (number + 1) * 1024] = record(number, parent | 1 << 48, "d", folder=True)
        parent = number
    number = 64 + 10_000
    table[number * 1024 : (number + 1) * 1024] = record(
        number, parent | 1 << 48, "deep.txt", folder=False, data=b"deep"
    )
    disk = bytearray((start + clusters + 8) * 4096)
    disk[: len(raw)] = raw
    struct.pack_into("<Q", disk, 40, len(disk) // 512 - 1)
    disk[at : at + 1024] = first
    disk[start * 4096 : start * 4096 + size] = table
    evidence = reopened(tmp_path, disk)
    deepest = max(evidence.entries, key=lambda one: one.path.count("/"))
    assert deepest.path == "/d" * 10_000 + "/deep.txt"
    assert content_of_deep(tmp_path, deepest) == b"deep"


def content_of_deep(tmp_path, entry):
    with open_image(tmp_path / "disk.dd") as image:
        return open_evidence(image, walk=False).filesystems[0].open(entry.id).read_at(0, 10)
