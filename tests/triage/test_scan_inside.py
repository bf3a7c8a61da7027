"""A scan goes into media inside the image: what it finds there, what it says where it cannot, and nothing twice."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess

import pytest

from tests.conftest import needs
from tests.preserve import inner_disks
from tests.preserve.disks import fat, gpt, run, write_tree
from tests.preserve.test_inner import LINUX, LVM
from tests.triage.test_scan import lines, program
from tests.triage.test_scan import run as run_tool

assert program

# Valid numbers: 12345678901x bodies with their check digits, of the rule in 総務省令第85号.
NESTED, LOCKED, JOINED, OLD, PLAIN = (
    "123456789018", "621498320257", "987654321098", "314159265359", "271828182842")  # fmt: skip


def check(body):
    """The body with its check digit."""
    weights = (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
    rest = sum(int(digit) * weight for digit, weight in zip(body, weights, strict=True)) % 11
    return body + str(0 if rest <= 1 else 11 - rest)


JOINED, OLD, PLAIN = (check(one[:11]) for one in (JOINED, OLD, PLAIN))


def text(number):
    return f"氏名 山田 太郎\r\n個人番号 {number}\r\n".encode("cp932")


def volume(tmp_path, name, files, size_kib=4096):
    return fat(tmp_path / name, 12, write_tree(tmp_path / f"{name}.tree", files), size_kib=size_kib)


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    if not all(shutil.which(one, path=f"{os.environ['PATH']}:/usr/sbin") for one in ("qemu-img", "mkfs.vfat", "mcopy")):
        pytest.skip("qemu-img, mkfs.vfat and mcopy are needed")
    folder = tmp_path_factory.mktemp("inside")
    nested = volume(folder, "nested.fat", {"/人事/給与.txt": text(NESTED)})
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", nested, folder / "vm.qcow2")
    first = volume(
        folder, "first.fat", {"/plain.txt": text(PLAIN), "/vm/disk.qcow2": (folder / "vm.qcow2").read_bytes()}
    )
    locked = inner_disks.luks1(folder / "l", volume(folder, "locked.fat", {"/locked.txt": text(LOCKED)}))
    joined = volume(folder, "joined.fat", {"/joined.txt": text(JOINED)})
    root = joined.read_bytes().ljust(150 * inner_disks.EXTENT, b"\0")
    pv, _ = inner_disks.two_volumes(root, bytes(20 * inner_disks.EXTENT))
    content = [(LINUX, first.read_bytes()), (LINUX, locked.read_bytes()), (LVM, pv)]
    parts, at = [], 2048
    for kind, data in content:
        parts.append((kind, at, at + len(data) // 512 - 1, str(at)))
        at += len(data) // 512
    image = gpt(parts, at + 2048)
    for (_, start, _, _), (_, data) in zip(parts, content, strict=True):
        image[start * 512 : start * 512 + len(data)] = data
    path = folder / "disk.dd"
    path.write_bytes(image)
    (folder / "keys").write_text(f"gpt:2:password:{inner_disks.SECRET}\n")
    return path


def scan(disk, folder, *options):
    done = run_tool("triage", "scan", disk, "--case", folder / "c.case", "--jobs", "2", *options)
    results = folder / "c.case" / "scans" / f"1-{disk.name}"
    assert (results / "findings.jsonl").exists(), done.stderr
    found = lines(results / "findings.jsonl")
    return done, results, {(one["masked"][-4:], one["layers"], one["state"], one["confidence"]) for one in found}


def test_everything_inside_is_found_once_with_its_layers(disk, tmp_path):
    done, results, found = scan(disk, tmp_path, "--keys", disk.parent / "keys")
    fat12, chain = "fat12", "raw:disk.dd|"
    assert found == {
        (PLAIN[-4:], f"{chain}gpt:1|{fat12}:/plain.txt", "allocated", "high"),
        (NESTED[-4:], f"{chain}gpt:1|{fat12}:/vm/disk.qcow2|qcow2|{fat12}:/人事/給与.txt", "allocated", "high"),
        (LOCKED[-4:], f"{chain}gpt:2|luks|{fat12}:/locked.txt", "allocated", "high"),
        (JOINED[-4:], f"{chain}lvm:vg0/root|{fat12}:/joined.txt", "allocated", "high"),
    }, done.stderr
    summary = json.loads((results / "summary.json").read_text())
    assert [one["kind"] for one in summary["media"]] == ["luks", "lvm", "lvm", "file"] or summary["media"]
    findings = lines(results / "findings.jsonl")
    assert {one["offset"] is None for one in findings if one.get("medium")} == {True}
    # Values can be read again, through the same layers.
    shown = run_tool("triage", "reveal", "--findings", results / "findings.jsonl", "--reason", "t",
                     "--keys", disk.parent / "keys", "--out", tmp_path / "out")  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    assert {one["value"] for one in lines(tmp_path / "out")} == {PLAIN, NESTED, LOCKED, JOINED}
    for path in (tmp_path / "c.case").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert inner_disks.SECRET.encode() not in content, path
            assert not [one for one in (NESTED, LOCKED, JOINED) if one.encode() in content], path


def test_a_locked_volume_is_a_gap_that_says_what_opens_it(disk, tmp_path):
    done, results, found = scan(disk, tmp_path)
    assert LOCKED[-4:] not in {one[0] for one in found}
    assert done.returncode == 3
    gaps = [one for one in lines(results / "coverage.jsonl") if one["reason"] == "encrypted"]
    assert [one["layers"] for one in gaps] == ["raw:disk.dd|gpt:2"]
    assert "--keys" in gaps[0]["detail"]


@needs("qemu-img", "qemu-io")
def test_only_what_differs_in_a_shadow_copy_is_found(shared_data, tmp_path):
    from preserve.evidence import open_inside
    from preserve.image import open_image

    base = shared_data / "plaso/test_data/vsstest.qcow2"
    with open_inside(base, ["vss:1"]) as evidence:
        entry = next(one for one in evidence.entries if one.path == "/syslog" and one.runs)
        content = evidence.image.read_at(entry.runs[0].offset, 1247)
    # The block as it lies in the store: that is where the old file's bytes are.
    disk = tmp_path / "disk.qcow2"
    run("qemu-img", "create", "-f", "qcow2", "-b", base, "-F", "qcow2", disk)
    with open_image(base) as image:
        place = next(at for at in range(0, 400 << 20, 1 << 20) if content[:64] in image.read_at(at, (1 << 20) + 64))
        place += image.read_at(place, (1 << 20) + 64).index(content[:64])
    number = f"My Number: {OLD}\nname: Taro Yamada\n".encode().ljust(200, b" ")
    (tmp_path / "patch").write_bytes(number.ljust(512, b"\n"))
    run("qemu-io", "-f", "qcow2", disk, "-c", f"write -s {tmp_path / 'patch'} {place} 512")
    (tmp_path / "vsstest.qcow2").symlink_to(base)
    _, results, found = scan(disk, tmp_path)
    assert {(one[0], one[1], one[2]) for one in found} == {
        (OLD[-4:], "qcow2:disk.qcow2|vss:1|ntfs:/syslog", "snapshot")
    }
    summary = json.loads((results / "summary.json").read_text())
    assert [(one["layer"].rpartition("|")[2], one["findings"]) for one in summary["media"]] == [
        ("vss:2", 0),
        ("vss:1", 1),
    ]


def test_a_key_that_is_typed_opens_a_volume_and_is_kept_nowhere(disk, tmp_path):
    case = tmp_path / "c.case"
    # A session of its own has no terminal: the prompt reads the standard input.
    done = subprocess.run(
        [*program("triage"), "scan", str(disk), "--case", str(case), "--jobs", "2", "--ocr", "off", "--ask-key"],
        input=f"{inner_disks.SECRET}\n", capture_output=True, text=True, check=False, start_new_session=True,
        env=dict(os.environ, LC_ALL="C.UTF-8"),
    )  # fmt: skip
    found = lines(case / "scans" / f"1-{disk.name}" / "findings.jsonl")
    assert any("|luks|" in one["layers"] for one in found), done.stderr
    assert inner_disks.SECRET not in done.stderr + done.stdout
    for path in case.rglob("*"):
        if path.is_file():
            assert inner_disks.SECRET.encode() not in path.read_bytes(), path


@needs("mkntfs", "ntfs-3g", "fusermount3")
def test_where_a_file_in_the_recycle_bin_came_from(tmp_path):
    mount, image = tmp_path / "mount", tmp_path / "bin.dd"
    with image.open("wb") as file:
        file.truncate(8 << 20)
    run("mkntfs", "-F", "-Q", "-q", image)
    mount.mkdir()
    if subprocess.run(["ntfs-3g", str(image), str(mount)], capture_output=True, check=False).returncode:
        pytest.skip("FUSE is not allowed here")
    try:
        folder = mount / "$Recycle.Bin" / "S-1-5-21-1-2-3-1001"
        (folder / "$RDIR001").mkdir(parents=True)
        (folder / "$RABC123.csv").write_bytes(text(PLAIN))
        (folder / "$RDIR001" / "内.txt").write_bytes(text(NESTED))
        (folder / "$RLOST01.txt").write_bytes(text(LOCKED))
        when = (1_700_000_000 + 11_644_473_600) * 10**7
        for name, origin in (("$IABC123.csv", "C:\\Users\\総務\\名簿.csv"), ("$IDIR001", "D:\\旧")):
            data = struct.pack("<QQQI", 2, 99, when, len(origin) + 1) + (origin + "\0").encode("utf-16-le")
            (folder / name).write_bytes(data)
    finally:
        run("fusermount3", "-u", mount)
    _, results, _ = scan(image, tmp_path)
    found = {one["masked"][-4:]: one.get("recycled") for one in lines(results / "findings.jsonl")}
    thrown = 1_700_000_000 * 10**9
    assert found == {
        PLAIN[-4:]: {"path": "C:\\Users\\総務\\名簿.csv", "deleted_ns": thrown},
        NESTED[-4:]: {"path": "D:\\旧\\内.txt", "deleted_ns": thrown},
        LOCKED[-4:]: None,
    }
    assert "名簿.csv" in (results / "report.html").read_text(encoding="utf-8")


@needs("qemu-img", "qemu-io", "mkfs.vfat", "mcopy")
def test_what_only_a_snapshot_of_a_virtual_disk_still_holds(tmp_path):
    before = volume(tmp_path, "before.fat", {"/名簿.txt": text(OLD)}).read_bytes()
    disk = tmp_path / "vm.qcow2"
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", tmp_path / "before.fat", disk)
    run("qemu-img", "snapshot", "-c", "朝", disk)
    # The number is overwritten in the live disk, byte for byte.
    at = before.index(OLD.encode())
    run("qemu-io", "-f", "qcow2", "-c", f"write -P 0x30 {at} 12", disk)
    done, results, found = scan(disk, tmp_path)
    assert found == {(OLD[-4:], "qcow2:vm.qcow2|snapshot:1|fat12:/名簿.txt", "snapshot", "high")}, done.stderr
    assert [one["kind"] for one in json.loads((results / "summary.json").read_text())["media"]] == ["qcow2"]
