"""Media inside media: unlocked, joined, older, nested."""

from __future__ import annotations

import hashlib
import random
import subprocess

import pytest

from chain_of_custody.errors import UsageError
from preserve.evidence import open_evidence, open_inside
from preserve.image import open_image
from preserve.inner import open_inner
from preserve.keys import parse_keys, read_keys
from preserve.recipe import Recipe
from tests.conftest import needs
from tests.preserve import inner_disks as disks
from tests.preserve.disks import fat, gpt, run, write_tree

LINUX = "0fc63daf-8483-4772-8e79-3d69d8477de4"
LVM = "e6d6d379-f507-44c2-a23c-238f2a3df928"


def small_fat(tmp_path, name="給与.txt", data=b"inside\n"):
    return fat(tmp_path / "plain.fat", 12, write_tree(tmp_path / "tree", {f"/{name}": data}), size_kib=8192)


def with_partition(path, content, kind=LINUX):
    sectors = len(content) // 512
    disk = gpt([(kind, 2048, 2048 + sectors - 1, "p")], sectors + 4096)
    disk[2048 * 512 : 2048 * 512 + len(content)] = content
    path.write_bytes(disk)
    return path


# --- LUKS -------------------------------------------------------------------------------------------------------------


@needs("qemu-img", "mkfs.vfat", "mcopy")
def test_a_luks_volume_is_locked_without_a_key_and_read_with_one(tmp_path):
    plain = small_fat(tmp_path)
    disk = with_partition(tmp_path / "disk.dd", disks.luks1(tmp_path / "l", plain).read_bytes())
    with open_inside(disk, ()) as evidence:
        assert evidence.inner == []
        (problem,) = evidence.problems
        assert (problem.reason, "--keys" in problem.detail) == ("encrypted", True)
    keys = parse_keys(["*:password:wrong", f"gpt:1:password:{disks.SECRET}"])
    with open_inside(disk, ["luks"], keys=keys) as evidence:
        assert [entry.path for entry in evidence.entries if entry.kind == "file"] == ["/給与.txt"]
        image = evidence.image
        assert image.layer == "raw:disk.dd|gpt:1|luks"
        assert (
            hashlib.sha256(image.read_at(0, plain.stat().st_size)).digest()
            == hashlib.sha256(plain.read_bytes()).digest()
        )
        # Any offset and length, within a sector too.
        assert image.read_at(700, 900) == plain.read_bytes()[700:1600]


@needs("cryptsetup")
@pytest.mark.parametrize("options", [("--pbkdf", "pbkdf2"), ("--pbkdf", "argon2id", "--pbkdf-memory", "32768"),
                                     ("--pbkdf", "pbkdf2", "--sector-size", "4096")], ids=str)  # fmt: skip
def test_luks2_by_cryptsetup(tmp_path, options):
    plain = tmp_path / "plain"
    plain.write_bytes(random.Random(1).randbytes(1 << 20) + bytes(39 << 20))
    try:
        volume = disks.luks2(tmp_path / "l", plain, *options)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"cryptsetup cannot encrypt here: {error.stderr[-200:]!r}")
    keys = parse_keys([f"keyfile:{tmp_path / 'l.key'}"])
    with open_image(volume) as image:
        (inner,) = open_evidence(image, keys=keys, recipe=Recipe(volume)).inner
        with open_inner(image, inner) as opened:
            assert opened.read_at(0, 24 << 20) == plain.read_bytes()[: 24 << 20]


def test_a_luks_header_with_impossible_costs_ends_as_a_problem(tmp_path):
    head = bytearray(2 << 20)
    head[:8] = b"LUKS\xba\xbe\x00\x01"
    for at, word in ((8, b"aes"), (40, b"xts-plain64"), (72, b"sha256")):
        head[at : at + len(word)] = word
    head[104:112] = (4096).to_bytes(4, "big") + (64).to_bytes(4, "big")
    head[164:168] = b"\xff" * 4
    head[208:216] = bytes.fromhex("00ac71f3") + b"\xff" * 4
    head[248:256] = (8).to_bytes(4, "big") + (4000).to_bytes(4, "big")
    disk = tmp_path / "disk.dd"
    disk.write_bytes(head + bytes(2 << 20))
    with open_inside(disk, (), keys=read_keys(None, ["x"])) as evidence:
        assert ["out of bounds" in one.detail for one in evidence.problems] == [True]


# --- LVM --------------------------------------------------------------------------------------------------------------


def lvm_disk(tmp_path, *, both=True):
    rng = random.Random(4)
    root, fast = rng.randbytes(150 * disks.EXTENT), rng.randbytes(20 * disks.EXTENT)
    first, second = disks.two_volumes(root, fast)
    sectors = len(first) // 512
    disk = gpt(
        [(LVM, 2048, 2048 + sectors - 1, "a"), (LVM, 2048 + sectors, 2047 + 2 * sectors, "b")], 2 * sectors + 4096
    )
    disk[2048 * 512 : 2048 * 512 + len(first)] = first
    if both:
        disk[2048 * 512 + len(first) : 2048 * 512 + 2 * len(first)] = second
    path = tmp_path / "disk.dd"
    path.write_bytes(disk)
    return path, root, fast


def test_logical_volumes_are_joined_from_their_segments(tmp_path):
    path, root, fast = lvm_disk(tmp_path)
    with open_inside(path, ()) as evidence:
        assert [one.layer for one in evidence.inner] == ["raw:disk.dd|lvm:vg0/fast", "raw:disk.dd|lvm:vg0/root"]
        assert [(one.where, one.detail) for one in evidence.problems] == [
            ("raw:disk.dd|lvm:vg0/thin", "LVM: segments of type thin are not read")
        ]
        for inner, wanted in zip(evidence.inner, (fast, root), strict=True):
            with open_inner(evidence.image, inner) as image:
                assert image.size == len(wanted)
                assert image.read_at(0, image.size) == wanted
                assert image.read_at(3 * disks.EXTENT - 7, 20) == wanted[3 * disks.EXTENT - 7 : 3 * disks.EXTENT + 13]


def test_a_missing_physical_volume_is_said_and_the_rest_is_read(tmp_path):
    path, root, _ = lvm_disk(tmp_path, both=False)
    with open_inside(path, ()) as evidence:
        assert any("physical volumes are not on this medium" in one.detail for one in evidence.problems)
        with open_inner(evidence.image, evidence.inner[1]) as image:
            assert image.read_at(0, 100 * disks.EXTENT) == root[: 100 * disks.EXTENT]
            assert image.read_at(100 * disks.EXTENT, 512) == bytes(512)
            assert [one.reason for one in image.unreadable()] == ["missing_segment"]


@needs("lvm")
def test_lvm_itself_reads_the_metadata_that_the_tests_write(tmp_path):
    path = tmp_path / "pv"
    path.write_bytes(disks.physical_volume(disks.PV0, disks.PE_START + 200 * disks.EXTENT))
    shown = run("pvck", "--dump", "metadata", path).decode()
    assert 'stripes = [ "pv0", 150, "pv1", 150 ]' in shown


# --- shadow copies ----------------------------------------------------------------------------------------------------


def _files(evidence):
    """Live files that a user made, with their sizes."""
    return {
        entry.path: entry.size
        for entry in evidence.entries
        if entry.state == "allocated" and entry.kind == "file" and "$" not in entry.path and "{" not in entry.path
    }


def test_shadow_copies_of_a_real_volume(shared_data):
    path = shared_data / "plaso/test_data/vsstest.qcow2"
    with open_inside(path, ()) as evidence:
        # Creation times as vshadowinfo prints them: Dec 03, 2013 06:35:09.736378700 and 06:37:48.919058300 UTC.
        assert [(one.layer.rpartition("|")[2], one.created_ns) for one in evidence.inner] == [
            ("vss:1", 1386052509736378700), ("vss:2", 1386052668919058300)]  # fmt: skip
        live = _files(evidence)
    with open_inside(path, ["vss:1"]) as evidence:
        assert evidence.image.layer == "qcow2:vsstest.qcow2|vss:1"
        assert _files(evidence) == {"/syslog": 1247}
    with open_inside(path, ["vss:2"]) as evidence:
        assert _files(evidence) == {"/syslog.gz": 540, "/another_file": 22}
    assert live == {"/syslog.gz": 540, "/another_file": 22, "/password.txt": 116}
    with pytest.raises(UsageError), open_inside(path, ["vss"]):
        pass


# --- images in files --------------------------------------------------------------------------------------------------


@needs("qemu-img", "mkfs.vfat", "mcopy", "ewfacquire")
@pytest.mark.parametrize("kind", ["raw", "qcow2", "vmdk", "vpc", "vhdx", "e01", "split"])
def test_an_image_in_a_file_is_opened_like_any_other(tmp_path, kind):
    plain = small_fat(tmp_path)
    files = {}
    if kind == "raw":
        files["/b/disk.img"] = plain.read_bytes()
    elif kind == "split":
        data = plain.read_bytes()
        files = {f"/b/disk.{number:03d}": data[(number - 1) << 21 : number << 21] for number in range(1, 5)}
    elif kind == "e01":
        run("ewfacquire", "-u", "-q", "-t", tmp_path / "disk", "-S", "1048576", "-c", "none", plain)
        files = {f"/b/{one.name}": one.read_bytes() for one in sorted(tmp_path.glob("disk.E*"))}
        assert len(files) > 1
    else:
        run("qemu-img", "convert", "-f", "raw", "-O", kind, plain, tmp_path / "disk.x")
        files["/b/disk.x"] = (tmp_path / "disk.x").read_bytes()
    outer = fat(tmp_path / "outer.dd", 32, write_tree(tmp_path / "outer", files), size_kib=40960)
    with open_inside(outer, [min(files)]) as evidence:
        assert [entry.path for entry in evidence.entries if entry.kind == "file"] == ["/給与.txt"]
        size = plain.stat().st_size
        assert evidence.image.read_at(0, size) == plain.read_bytes()


# --- keys -------------------------------------------------------------------------------------------------------------


def test_key_lines():
    keys = parse_keys(
        ["# comment", "", "*:recovery:1-2", "gpt:3:password:a:b # c", "password: with spaces ",
         "111111-222222-333333-444444-555555-666666-777777-888888"]
    )  # fmt: skip
    assert [(one.kind, one.volume, one.value) for one in keys] == [
        ("recovery", "*", "1-2"),
        ("password", "gpt:3", "a:b # c"),
        ("password", "*", " with spaces "),
        ("recovery", "*", "111111-222222-333333-444444-555555-666666-777777-888888"),
    ]
    assert keys[1].fits("raw:disk.dd|gpt:3")
    assert not keys[1].fits("raw:disk.dd|gpt:33")
    assert "a:b" not in repr(keys)


def test_a_bad_key_line_is_named_by_number_and_not_quoted():
    with pytest.raises(UsageError) as caught:
        parse_keys(["password:x", "secret-word"], name="keys.txt")
    assert "line 2" in caught.value.en
    assert "secret-word" not in caught.value.en + caught.value.ja
