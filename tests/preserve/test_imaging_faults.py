"""Imaging on media and file systems that fail for real: loop devices, mounted images, FUSE."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from preserve.acquire import acquire
from preserve.badmap import BAD, BadMap
from preserve.image import open_image
from preserve.request import Request, Target
from tests.conftest import needs
from tests.preserve.media import bad_medium, loop, mixed_data, needs_bad_medium, needs_loop, writable_loop
from tests.preserve.test_imaging_cli import ROOT, _entries, preserve

NOISE = random.Random(9).randbytes(24 << 20)


@contextmanager
def mounted(folder, kind, megabytes, *options):
    """A small file system of its own in a file, mounted."""
    image, place = folder / f"{kind}.img", folder / kind
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    subprocess.run([f"mkfs.{kind}", *options, str(image)], check=True, capture_output=True)
    place.mkdir()
    if subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=False, capture_output=True).returncode:
        pytest.skip(f"this kernel does not mount {kind}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def run(*arguments, cwd, check, language="C.UTF-8"):
    return preserve(*arguments, "--case", cwd / "case", cwd=cwd, check=check, language=language)


@needs_loop
@needs("mkfs.ext4")
@pytest.mark.parametrize("name", ["disk.E01", "disk.dd"])
def test_a_target_that_fills_up(tmp_path, name):
    (tmp_path / "s.bin").write_bytes(NOISE)
    with mounted(tmp_path, "ext4", 64) as place:
        (place / "ballast").write_bytes(bytes(34 << 20))
        if name == "disk.dd":
            # Raw images are refused beforehand where they cannot fit; room that goes away later is another matter.
            assert "not enough room" in run("image", "s.bin", place / name, cwd=tmp_path, check=5).stderr
            assert sorted(path.name for path in place.iterdir()) == ["ballast", "lost+found"]
            return
        full = run("image", "s.bin", place / name, cwd=tmp_path, check=5)
        assert "the target is full" in full.stderr
        assert "--resume" in full.stderr
        assert run("image", "s.bin", place / name, "--resume", cwd=tmp_path, check=5).stderr.count("is full") == 1
        (place / "ballast").unlink()
        done = run("image", "s.bin", place / name, "--resume", "--json", cwd=tmp_path, check=0)
        document = json.loads(done.stdout)
        assert document["is_equal"]
        assert document["hashes"]["sha256"] == hashlib.sha256(NOISE).hexdigest()
        with open_image(place / name) as image:
            assert image.read_at(0, image.size) == NOISE
    ends = [entry["body"]["status"] for entry in _entries(tmp_path / "case", "image.end")]
    assert ends[-1] == "done"
    assert "done" not in ends[:-1]


@needs_loop
@needs("mkfs.vfat")
def test_the_limit_of_fat(tmp_path):
    with (tmp_path / "s.bin").open("wb") as file:
        file.truncate(5 << 30)
    with mounted(tmp_path, "vfat", 40) as place:
        for name, options in (("d.dd", []), ("d.E01", ["--segment-size", "4GiB"])):
            refused = run("image", "s.bin", place / name, *options, cwd=tmp_path, check=2)
            assert "FAT" in refused.stderr
            assert "--segment-size 2GiB" in refused.stderr
        assert list(place.iterdir()) == []
        # Zeros deflate to little: this one fits, and its segment stays below the limit.
        run("image", "s.bin", place / "d.E01", "--hash", "blake3", "--no-verify", cwd=tmp_path, check=0)


@needs_loop
@needs("mkfs.ext4")
def test_a_target_medium_that_should_be_empty(tmp_path):
    (tmp_path / "s.bin").write_bytes(bytes(8192))
    with mounted(tmp_path, "ext4", 16) as place:
        (place / "old.txt").write_text("old")
        refused = run("image", "s.bin", place / "a.E01", "--empty-target", cwd=tmp_path, check=5)
        assert "old.txt" in refused.stderr
        (place / "old.txt").unlink()
        run("image", "s.bin", place / "a.E01", "--empty-target", cwd=tmp_path, check=0)


@contextmanager
def failing_folder(tmp_path, limit):
    """A mounted folder that takes `limit` bytes and then raises EIO on write; and the folder behind it."""
    real, place = tmp_path / "real", tmp_path / "place"
    real.mkdir()
    place.mkdir()
    (real / "broken").touch()
    server = subprocess.Popen([sys.executable, str(Path(__file__).with_name("bad_target.py")), real, place, str(limit)])
    try:
        for _ in range(200):
            if (place / "broken").exists():
                break
            time.sleep(0.05)
        else:
            pytest.fail("the FUSE folder did not come up")
        yield place, real
    finally:
        subprocess.run(["fusermount3", "-u", str(place)], check=False)
        server.wait(10)


@needs_bad_medium
@pytest.mark.parametrize("name", ["disk.E01", "disk.dd"])
def test_a_target_that_raises_eio_on_write(tmp_path, name):
    (tmp_path / "s.bin").write_bytes(NOISE)
    with failing_folder(tmp_path, 9 << 20) as (place, real):
        failed = run("image", "s.bin", place / name, cwd=tmp_path, check=5)
        assert "cannot write the target" in failed.stderr
        assert "--resume" in failed.stderr
        (real / "broken").unlink()
        done = run("image", "s.bin", place / name, "--resume", "--json", cwd=tmp_path, check=0)
    assert json.loads(done.stdout)["is_equal"]
    with open_image(real / name) as image:
        assert image.read_at(0, image.size) == NOISE


@needs_bad_medium
def test_sectors_that_heal_on_retry(tmp_path):
    data = mixed_data(4 << 20, seed=8)
    (tmp_path / "m.bin").write_bytes(data)
    with bad_medium(tmp_path, tmp_path / "m.bin", bad=[5000], heals={0: 3, 3001: 6, 8191: 4}) as device:
        result = acquire(Request(device, (Target(tmp_path / "a.E01", "e01"),), retries=4))
    assert result.unreadable == [(5000 * 512, 512)]
    assert result.is_equal


@needs_bad_medium
def test_every_second_sector_and_the_words_a_responder_reads(tmp_path):
    data = mixed_data(4 << 20, seed=9)
    (tmp_path / "m.bin").write_bytes(data)
    bad = list(range(2000, 2400, 2))
    with bad_medium(tmp_path, tmp_path / "m.bin", bad=bad) as device:
        done = run("image", device, "写し その1.E01", cwd=tmp_path, check=3, language="ja_JP.UTF-8")
    assert "読取不能 200 セクタ(ゼロ埋め)を除き一致" in done.stdout
    assert BadMap.read(tmp_path / "写し その1.map").ranges(BAD) == [(sector * 512, 512) for sector in bad]
    document = json.loads((tmp_path / "写し その1.json").read_text(encoding="utf-8"))
    assert document["unreadable"] == [{"offset": sector * 512, "size": 512} for sector in bad]
    (end,) = _entries(tmp_path / "case", "image.end")
    assert end["body"]["status"] == "partial"
    assert end["body"]["unreadable"]["sectors"] == "200"


def test_two_processes_onto_one_target(tmp_path):
    (tmp_path / "s.bin").write_bytes(NOISE * 8)
    main = "from preserve.cli import app; from chain_of_custody import console; console.run(app)"
    first = subprocess.Popen(
        [sys.executable, "-c", main, "image", "s.bin", "d.E01", "--case", str(tmp_path / "case")],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "HOZEN_CONFIG_HOME": str(tmp_path / ".config"), "PATH": "/usr/bin:/bin"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not (tmp_path / "d.resume").exists():
        assert first.poll() is None
        time.sleep(0.01)
    for options in ([], ["--resume"]):
        done = preserve("image", "s.bin", "d.E01", *options, "--case", tmp_path / "other", cwd=tmp_path)
        if first.poll() is None:
            assert done.returncode == 5, done.stderr
    assert first.wait() == 0
    with open_image(tmp_path / "d.E01") as image:
        assert image.read_at(0, image.size) == NOISE * 8


@needs_loop
@needs("mkfs.ext4", "fls", "img_stat", "ewfverify", "ewfexport")
@pytest.mark.parametrize("seed", [1, 2])
def test_peers_on_an_image_of_a_file_system(tmp_path, seed):
    """fls, img_stat, ewfverify and ewfexport on an image of a loop device with an ext4."""
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(20):
        (tree / f"ファイル {number}.bin").write_bytes(random.Random(seed * 100 + number).randbytes(number * 3000))
    medium = tmp_path / "m.img"
    subprocess.run(["mkfs.ext4", "-q", "-d", str(tree), str(medium), "16M"], check=True)
    with loop(medium) as device:
        run(
            "image", device, "m.E01", "--segment-size", "1MiB", "--hash", "md5", "--hash", "sha1", cwd=tmp_path, check=0
        )

    def said(*command):
        done = subprocess.run(command, capture_output=True, cwd=tmp_path, check=True)
        return done.stdout.decode()

    segments = [path.name for path in sorted(tmp_path.glob("m.E*"))]
    assert said("fls", "-r", "-p", "-i", "ewf", *segments) == said("fls", "-r", "-p", "m.img")
    assert "ファイル 19.bin" in said("fls", "-r", "-p", "-i", "ewf", *segments)
    assert str(16 << 20) in said("img_stat", "-i", "ewf", *segments)
    assert "SUCCESS" in said("ewfverify", "-q", "-d", "sha1", "m.E01")
    said("ewfexport", "-u", "-q", "-f", "raw", "-t", "back", "m.E01")
    assert (tmp_path / "back.raw").read_bytes() == medium.read_bytes()


@needs_bad_medium
def test_clone_onto_a_medium_that_raises_eio_on_write(tmp_path):
    (tmp_path / "i.dd").write_bytes(NOISE[: 6 << 20])
    with failing_folder(tmp_path, 3 << 20) as (place, real):
        with (real / "disk").open("wb") as file:
            file.truncate(8 << 20)
        with writable_loop(place / "disk", "--direct-io=on") as device:
            failed = run("clone", "i.dd", device, "--serial", str(8 << 20), cwd=tmp_path, check=5)
            assert "cannot write the target" in failed.stderr
            (real / "broken").unlink()
            run("clone", "i.dd", device, "--serial", str(8 << 20), cwd=tmp_path, check=0)
        assert (real / "disk").read_bytes() == NOISE[: 6 << 20] + bytes(2 << 20)
    statuses = [entry["body"]["status"] for entry in _entries(tmp_path / "case", "clone.end")]
    assert statuses == ["failed", "done"]
