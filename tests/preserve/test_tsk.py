import datetime as dt
import os
import struct

import pytest

from preserve import open_evidence, open_image
from tests.conftest import needs
from tests.preserve import disks
from tests.preserve.disks import fat, files, run, write_tree

FILES = files()


@pytest.fixture
def tree(tmp_path):
    return write_tree(tmp_path / "tree", FILES)


def walk(path, **options):
    with open_image(path) as image:
        evidence = open_evidence(image, **options)
        found = {}
        for entry in evidence.entries:
            if entry.kind in ("file", "stream", "symlink"):
                data = b""
                if not entry.name_only:
                    reader = evidence.filesystems[entry.volume].open(entry.id)
                    data = reader.read_at(0, reader.size)
                found[entry.path, entry.state] = (entry, data)
    return evidence, found


def live(found):
    return {path: data for (path, state), (_, data) in found.items() if state == "allocated"}


@needs("mkfs.vfat", "mcopy", "mdel")
@pytest.mark.parametrize("bits", [12, 16, 32])
def test_fat(tmp_path, tree, bits):
    path = fat(tmp_path / "disk.dd", bits, tree)
    run("mdel", "-i", path, "::/gone.bin")
    evidence, found = walk(path)
    assert {fs.kind for fs in evidence.filesystems.values()} == {f"fat{bits}"}
    assert evidence.filesystems[0].label == "HOZEN"
    assert live(found) == {name: data for name, data in FILES.items() if name != "/gone.bin"}
    entry, data = found["/_one.bin", "deleted"]
    assert data == FILES["/gone.bin"]
    assert entry.on_disk
    assert not evidence.problems


@needs("mkfs.vfat", "mcopy", "mdir")
def test_fat_times_are_wall_times_of_an_unknown_zone(tmp_path, tree, monkeypatch):
    when = dt.datetime(2024, 2, 3, 14, 5, 6, tzinfo=dt.UTC).timestamp()
    os.utime(tree / "live.txt", (when, when))
    path = tmp_path / "disk.dd"
    run("mkfs.vfat", "-C", "-F", 16, path, 20480)
    run("mcopy", "-m", "-i", path, tree / "live.txt", "::/")
    results = []
    for zone in ("UTC", "Asia/Tokyo", "America/New_York"):
        monkeypatch.setenv("TZ", zone)
        _, found = walk(path)
        time = found["/live.txt", "allocated"][0].times["modified"]
        results.append((time.ns, time.raw, time.precision_ns, time.zone_known))
    assert set(results) == {(int(when) * 10**9, "2024-02-03 14:05:06", 2 * 10**9, False)}


@needs("mkfs.vfat", "mcopy")
def test_destroyed_fat32_boot_sector_is_taken_from_its_backup(tmp_path, tree):
    path = fat(tmp_path / "disk.dd", 32, tree)
    with path.open("r+b") as file:
        file.write(bytes(512))
    evidence, found = walk(path)
    assert live(found) == FILES
    assert "sector 6" in evidence.problems[0].detail


@needs("mkfs.exfat")
def test_exfat(tmp_path):
    listing = {
        "/live.txt": b"live\n",
        "/長い名前の文書ファイル.bin": bytes(range(256)) * 40,
        "/gone.bin": b"gone" * 3000,
    }
    path = disks.exfat(tmp_path / "disk.dd", listing, deleted=("/gone.bin",))
    evidence, found = walk(path)
    assert evidence.filesystems[0].kind == "exfat"
    assert live(found) == {name: data for name, data in listing.items() if name != "/gone.bin"}
    assert found["/gone.bin", "deleted"][1] == listing["/gone.bin"]
    time = found["/live.txt", "allocated"][0].times["created"]
    # 2024-05-06 07:08:10.25 +09:00
    moment = dt.datetime(2024, 5, 5, 22, 8, 10, 250_000, tzinfo=dt.UTC)
    assert time.ns == int(moment.timestamp() * 1000) * 10**6
    assert time.zone_known
    assert time.precision_ns == 10_000_000


@needs("mkfs.exfat")
def test_destroyed_exfat_boot_sector(tmp_path):
    path = disks.exfat(tmp_path / "disk.dd", {"/live.txt": b"live\n"})
    with path.open("r+b") as file:
        file.write(bytes(512))
    evidence, found = walk(path)
    assert live(found) == {"/live.txt": b"live\n"}
    assert "sector 12" in evidence.problems[0].detail


def make_ext(path, tree, kind, *options, size="24M"):
    run(f"mkfs.{kind}", "-q", *options, "-d", tree, path, size)
    return path


@needs("mkfs.ext4", "debugfs")
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("ext2", ("-b", 1024)),
        ("ext3", ("-b", 1024)),
        ("ext4", ("-b", 4096)),
        ("ext4", ("-b", 1024, "-O", "inline_data", "-I", 256)),
    ],
)
def test_ext(tmp_path, tree, kind, options):
    (tree / "link").symlink_to("live.txt")
    path = make_ext(tmp_path / "disk.dd", tree, kind, *options, "-L", "ラベル")
    run("debugfs", "-w", "-R", "rm /gone.bin", path)
    evidence, found = walk(path)
    fs = evidence.filesystems[0]
    assert (fs.kind, fs.label) == (kind, "ラベル")
    expected = {name: data for name, data in FILES.items() if name != "/gone.bin"}
    assert live(found) == {**expected, "/link": b"live.txt"}
    entry, data = found["/gone.bin", "deleted"]
    assert data == FILES["/gone.bin"]
    assert entry.times["deleted"].ns is not None
    with path.open("rb") as file:
        for (_, state), (entry, data) in found.items():
            if state == "allocated" and entry.on_disk and entry.runs and entry.runs[0].offset is not None:
                file.seek(entry.runs[0].offset)
                assert file.read(min(64, entry.size)) == data[:64]
            elif entry.resident_offset is not None and entry.size:
                file.seek(entry.resident_offset)
                assert file.read(entry.size) == data


@needs("mkfs.ext4", "debugfs", "fls", "icat")
def test_ext_as_the_sleuth_kit_lists_it(tmp_path, tree):
    path = make_ext(tmp_path / "disk.dd", tree, "ext4", "-b", 4096)
    _, found = walk(path)
    listed = {}
    for line in run("fls", "-r", "-p", "-F", path).decode().splitlines():
        kind, _, name = line.partition(":\t")
        listed["/" + name] = kind.split()[-1]
    assert set(listed) == set(live(found))
    for name, inode in listed.items():
        assert run("icat", path, inode) == found[name, "allocated"][1]


@needs("mkfs.ext4")
@pytest.mark.parametrize("block", [1024, 4096])
def test_destroyed_superblock_is_taken_from_a_backup(tmp_path, tree, block):
    size = "24M" if block == 1024 else "160M"
    path = make_ext(tmp_path / "disk.dd", tree, "ext4", "-b", block, size=size)
    with path.open("r+b") as file:
        file.write(bytes(4096))
    evidence, found = walk(path)
    assert live(found) == FILES
    assert "superblock is damaged" in evidence.problems[0].detail


@needs("mkfs.ext4")
def test_names_that_are_not_utf8_are_escaped(tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    name = "給与.txt".encode("cp932") + b"%41"
    (tree / os.fsdecode(name)).write_bytes(b"cp932 name")
    path = make_ext(tmp_path / "disk.dd", tree, "ext4")
    _, found = walk(path)
    ((entry, data),) = found.values()
    assert entry.path == "/%8B%8B%97^.txt%2541"
    assert entry.path_bytes == b"/" + name
    assert data == b"cp932 name"


@needs("genisoimage")
def test_iso9660(tmp_path, tree):
    path = tmp_path / "disc.iso"
    run("genisoimage", "-quiet", "-J", "-R", "-o", path, tree)
    evidence, found = walk(path)
    assert evidence.filesystems[0].kind == "iso9660"
    assert live(found) == FILES


@needs("mkfs.vfat", "mcopy", "mdel", "mkfs.ext4")
def test_in_a_child_process_it_is_the_same(tmp_path, tree):
    path = fat(tmp_path / "disk.dd", 16, tree)
    run("mdel", "-i", path, "::/gone.bin")
    first, _ = walk(path)
    second, _ = walk(path, isolate=True)
    shape = [(one.id, one.path, one.state, one.runs, dict(one.times)) for one in first.entries]
    assert [(one.id, one.path, one.state, one.runs, dict(one.times)) for one in second.entries] == shape
    assert second.unallocated == first.unallocated
    assert not second.problems


def test_a_reader_that_crashes_is_a_problem(tmp_path, monkeypatch):
    from preserve import isolated
    from preserve.volumes import Volume

    path = tmp_path / "disk.dd"
    path.write_bytes(bytes(1 << 20))
    monkeypatch.setattr(isolated, "_child", _crash)
    with open_image(path) as image:
        result = isolated.walk(image, Volume(0, "", 0, image.size, "", image))
    assert not result.is_sound
    assert "crashed" in result.problems[0].detail


def test_a_reader_that_hangs_is_stopped(tmp_path, monkeypatch):
    from preserve import isolated
    from preserve.volumes import Volume

    path = tmp_path / "disk.dd"
    path.write_bytes(bytes(1 << 20))
    monkeypatch.setattr(isolated, "_child", _hang)
    with open_image(path) as image:
        result = isolated.walk(image, Volume(0, "", 0, image.size, "", image), silence_seconds=1)
    assert "hung and was stopped" in result.problems[0].detail


def _crash(*_arguments, **_options):
    os.abort()


def _hang(*_arguments, **_options):
    import time

    time.sleep(60)


@needs("mkfs.ext4")
def test_a_folder_that_holds_itself(tmp_path):
    tree = write_tree(tmp_path / "tree", {"/one/two/file.txt": b"x"})
    path = make_ext(tmp_path / "disk.dd", tree, "ext2", "-b", 1024)
    inodes = {
        name: int(run("debugfs", "-R", f"stat {name}", path).split(b"Inode: ")[1].split()[0])
        for name in ("/one", "/one/two")
    }
    run("debugfs", "-w", "-R", f"link <{inodes['/one']}> /one/two/loop", path)
    _, found = walk(path)
    assert found["/one/two/file.txt", "allocated"][1] == b"x"


@needs("mkfs.ext4")
def test_a_damaged_tree_is_said_and_the_rest_is_read(tmp_path, tree):
    path = make_ext(tmp_path / "disk.dd", tree, "ext2", "-b", 1024)
    with path.open("r+b") as file:
        data = file.read()
        at = data.index("長い名前".encode()) - 8
        block = at // 1024 * 1024
        file.seek(block)
        file.write(struct.pack("<IHBB", 0xFFFFFF, 5, 200, 9) * 20)
    evidence, found = walk(path)
    assert found["/live.txt", "allocated"][1] == FILES["/live.txt"]
    assert FILES["/folder/長い名前のファイル.bin"] in [data for _, data in found.values()]
    assert evidence.entries


def test_a_real_hfs_plus_volume(tmp_path):
    from tests.preserve.disks import HFS_PLUS

    if not HFS_PLUS.exists():
        pytest.skip("no HFS+ artefact")
    evidence, found = walk(HFS_PLUS)
    assert evidence.filesystems[0].kind == "hfs+"
    assert live(found)["/a_directory/another_file"] == b"This is another file.\n"
    assert live(found)["/a_directory/a_resourcefork:rsrc"] == b"My resource fork\n"
    assert found["/a_directory/a_resourcefork:rsrc", "allocated"][0].kind == "stream"
