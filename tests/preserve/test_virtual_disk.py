"""Virtual disks against QEMU: every format read back byte for byte, parents, and files that lie."""

from __future__ import annotations

import hashlib
import random
import struct

import pytest

from chain_of_custody.errors import EvidenceError
from preserve.image import open_image
from tests.conftest import needs
from tests.preserve.disks import run

SIZE = 9 << 20


def content(seed=5):
    """Sparse: data at the start, in the middle across block borders, at the end."""
    rng = random.Random(seed)
    disk = bytearray(SIZE)
    for at, size in ((0, 70_000), (1 << 20, 300), ((2 << 20) - 5000, 10_000), (5 << 20, 65_536), (SIZE - 4096, 4096)):
        disk[at : at + size] = rng.randbytes(size)
    disk[6 << 20 : (6 << 20) + 200_000] = b"compressible " * 15_384 + bytes(8)
    return bytes(disk)


def whole(path):
    with open_image(path) as image:
        return image.read_at(0, image.size), list(image.unreadable()), image.layer


FORMATS = {
    "qcow2": ("qcow2", ()),
    "qcow2-v2": ("qcow2", ("-o", "compat=0.10")),
    "qcow2-512": ("qcow2", ("-o", "cluster_size=512")),
    "qcow2-zlib": ("qcow2", ("-c",)),
    "qcow2-zstd": ("qcow2", ("-c", "-o", "compression_type=zstd")),
    "qcow2-subclusters": ("qcow2", ("-o", "extended_l2=on,cluster_size=64k")),
    "qcow1": ("qcow", ()),
    "vmdk": ("vmdk", ()),
    "vmdk-flat": ("vmdk", ("-o", "subformat=monolithicFlat")),
    "vmdk-split": ("vmdk", ("-o", "subformat=twoGbMaxExtentSparse")),
    "vmdk-stream": ("vmdk", ("-o", "subformat=streamOptimized")),
    "vhd": ("vpc", ("-o", "force_size=on")),
    "vhd-fixed": ("vpc", ("-o", "subformat=fixed,force_size=on")),
    "vhdx": ("vhdx", ()),
    "vhdx-fixed": ("vhdx", ("-o", "subformat=fixed")),
    "vdi": ("vdi", ()),
    "vdi-static": ("vdi", ("-o", "static=on")),
}


@needs("qemu-img")
@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_bytes_that_qemu_put_in(tmp_path, name):
    kind, options = FORMATS[name]
    raw = tmp_path / "disk.raw"
    raw.write_bytes(content())
    disk = tmp_path / f"disk.{kind}"
    run("qemu-img", "convert", "-f", "raw", "-O", kind, *options, raw, disk)
    data, unreadable, layer = whole(disk)
    assert hashlib.sha256(data).hexdigest() == hashlib.sha256(raw.read_bytes()).hexdigest()
    assert unreadable == []
    assert layer.startswith(f"{'qcow2' if kind == 'qcow' else 'vhd' if kind == 'vpc' else kind}:disk.")


def overlay(tmp_path, kind):
    """A disk with a parent, some sectors written on top; and what it must read as."""
    raw = tmp_path / "base.raw"
    raw.write_bytes(content())
    run("qemu-img", "convert", "-f", "raw", "-O", kind, raw, tmp_path / "base.img")
    run("qemu-img", "create", "-f", kind, "-b", "base.img", "-F", kind, tmp_path / "top.img")
    commands = [tmp_path / "top.img", "-c", "write -P 0x41 1048576 4096", "-c", "write -P 0x42 5242880 512"]
    run("qemu-io", "-f", kind, *commands)
    wanted = bytearray(content())
    wanted[1 << 20 : (1 << 20) + 4096] = b"A" * 4096
    wanted[5 << 20 : (5 << 20) + 512] = b"B" * 512
    return bytes(wanted)


@needs("qemu-img", "qemu-io")
@pytest.mark.parametrize("kind", ["qcow2", "vmdk"])
def test_what_a_disk_does_not_hold_comes_from_its_parent(tmp_path, kind):
    wanted = overlay(tmp_path, kind)
    data, unreadable, _ = whole(tmp_path / "top.img")
    assert data == wanted
    assert unreadable == []


@needs("qemu-img", "qemu-io")
def test_a_missing_parent_is_said_and_the_rest_is_read(tmp_path):
    wanted = overlay(tmp_path, "qcow2")
    (tmp_path / "base.img").unlink()
    data, unreadable, _ = whole(tmp_path / "top.img")
    assert data[1 << 20 : (1 << 20) + 4096] == wanted[1 << 20 : (1 << 20) + 4096]
    assert {one.reason for one in unreadable} == {"missing_segment"}
    assert "base.img" in unreadable[0].detail


@needs("qemu-img")
def test_an_internal_snapshot_is_listed_and_opened(tmp_path):
    from preserve.derived import FileReader
    from preserve.qcow import QcowImage

    raw = tmp_path / "disk.raw"
    raw.write_bytes(content())
    disk = tmp_path / "disk.qcow2"
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, disk)
    run("qemu-img", "snapshot", "-c", "before", disk)
    run("qemu-io", "-f", "qcow2", disk, "-c", "write -P 0x41 0 65536")
    with open_image(disk) as image:
        assert [one.name for one in image.snapshots] == ["before"]
        assert image.read_at(0, 4) == b"AAAA"
    old = QcowImage(FileReader(disk), "x", snapshot=0)
    assert old.read_at(0, SIZE) == content()
    old.files[0].close()


def test_real_disks(shared_data):
    found = {}
    for place in ("plaso/test_data/vsstest.qcow2", "plaso/test_data/image.vhd", "dfvfs/test_data/ext2.qcow2",
                  "dfvfs/test_data/windows_volume.qcow2"):  # fmt: skip
        with open_image(shared_data / place) as image:
            assert not image.unreadable()
            first = image.read_at(0, min(image.size, 64 << 20))
            found[place.rpartition("/")[2]] = (image.size, hashlib.md5(first).hexdigest())
    # Sizes and hashes: qemu-img convert -O raw, head -c 64M, md5sum.
    assert found == REAL


REAL = {
    "ext2.qcow2": (4194304, "196066add11fb71c4c49cf1bb50d6d24"),
    "image.vhd": (104448, "221a58695f266d7ce045f2e54926e6e2"),
    "vsstest.qcow2": (1073741824, "5584d3967133a5836f0e91e88f688018"),
    "windows_volume.qcow2": (35913728, "e472c93726a55ee3c5f9a860f3a39cae"),
}


def test_a_differencing_vhd_names_its_missing_parent(shared_data):
    with open_image(shared_data / "dfvfs/test_data/fat-differential.vhd") as image:
        assert image.parent_name == "fat-parent.vhd"
        image.read_at(0, image.size)
        assert image.unreadable()[0].detail.endswith("the parent disk is missing: fat-parent.vhd")


@needs("qemu-img")
@pytest.mark.parametrize("name", ["qcow2", "qcow2-zlib", "vmdk", "vmdk-stream", "vhd", "vhdx", "vdi", "qcow1"])
def test_files_that_lie_end_in_an_error_or_in_zeros(tmp_path, name):
    kind, options = FORMATS[name]
    raw = tmp_path / "disk.raw"
    raw.write_bytes(content()[: 3 << 20])
    disk = tmp_path / "disk.img"
    run("qemu-img", "convert", "-f", "raw", "-O", kind, *options, raw, disk)
    good = disk.read_bytes()
    rng = random.Random(7)
    for number in range(60):
        bad = bytearray(good)
        if number % 4 == 0:
            bad = bad[: rng.randrange(512, len(bad))]
        for _ in range(rng.choice((1, 3, 30))):
            # Half of the hits in the head and tables, where lies are dangerous.
            at = rng.randrange(min(len(bad), rng.choice((600, 4096, 1 << 20, len(bad)))))
            bad[at] = rng.choice((0, 0xFF, rng.randrange(256)))
        disk.write_bytes(bad)
        try:
            with open_image(disk) as image:
                for at in (0, 1 << 20, max(0, image.size - 4096)):
                    assert len(image.read_at(at, 1 << 16)) == max(0, min(1 << 16, image.size - at))
                image.unreadable()
        except EvidenceError:
            pass


def test_impossible_sizes_are_refused(tmp_path):
    disk = tmp_path / "disk.img"
    for head in (
        b"QFI\xfb" + struct.pack(">IQIIQIIQ", 2, 0, 0, 40, 1 << 40, 0, 8, 512),
        b"QFI\xfb" + struct.pack(">IQIIQIIQ", 2, 0, 0, 16, 1 << 40, 0, 0xFFFFFFFF, 512),
        b"QFI\xfb" + struct.pack(">IQIIQIIQ", 2, 0, 0, 16, 1 << 20, 1, 8, 512),
        b"KDMV" + struct.pack("<IIQQ", 1, 3, 1 << 50, 0),
        b"vhdxfile",
    ):
        disk.write_bytes(head.ljust(70_000, b"\0"))
        with pytest.raises(EvidenceError):
            open_image(disk)


@needs("qemu-img")
def test_a_disk_that_is_its_own_parent_ends(tmp_path):
    disk = tmp_path / "loop.qcow2"
    run("qemu-img", "create", "-f", "qcow2", disk, "1M")
    data = bytearray(disk.read_bytes())
    data[8:20] = (512).to_bytes(8, "big") + len("loop.qcow2").to_bytes(4, "big")
    data[512:522] = b"loop.qcow2"
    disk.write_bytes(data)
    with open_image(disk) as image:
        assert image.read_at(0, 4096) == bytes(4096)
        assert image.unreadable()


@needs("qemu-img")
def test_reading_from_many_threads_gives_the_same_bytes(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    raw = tmp_path / "disk.raw"
    raw.write_bytes(content())
    disk = tmp_path / "disk.qcow2"
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-o", "cluster_size=512", raw, disk)
    with open_image(disk) as image, ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(lambda at: image.read_at(at, 4096), range(0, SIZE, 4096)))
    assert b"".join(parts) == raw.read_bytes()
