import hashlib
import random

import pytest

import chain_of_custody
from preserve import open_image
from preserve.verify import recorded_hashes, verify_image
from tests.preserve.ewf_make import CHUNK, make

DATA = random.Random(8).randbytes(9 * CHUNK)


def check(path, recorded=()):
    with open_image(path) as image:
        return verify_image(image, recorded)


def test_match_with_what_the_image_stores(tmp_path):
    result = check(make(DATA).write(tmp_path)[0])
    assert result.verdict == "match"
    assert result.exit_code == 0
    assert result.hashes == {name: hashlib.new(name, DATA).hexdigest() for name in ("md5", "sha1", "sha256")}
    assert [(one.source, one.algorithm, one.is_equal) for one in result.comparisons] == [
        ("image", "md5", True),
        ("image", "sha1", True),
    ]


def test_a_changed_chunk_is_ng(tmp_path):
    made = make(DATA, raw_chunks=(3,))
    made.break_at("chunk:3", 5)
    result = check(made.write(tmp_path)[0])
    assert (result.verdict, result.exit_code) == ("mismatch", 1)


def test_a_chunk_exchanged_with_its_checksum_is_ng(tmp_path):
    other = bytearray(DATA)
    other[10] ^= 1
    made, wrong = make(DATA), make(bytes(other))
    for name in ("hash", "digest"):
        segment, at, size = made.places[name]
        target, to, _ = wrong.places[name]
        wrong.segments[target][to : to + size] = made.segments[segment][at : at + size]
    result = check(wrong.write(tmp_path)[0])
    assert (result.verdict, result.exit_code) == ("mismatch", 1)
    assert not result.unreadable


def test_missing_parts_are_never_a_match(tmp_path):
    paths = make(DATA, tables_per_segment=1).write(tmp_path)
    paths[1].unlink()
    result = check(paths[0])
    assert (result.verdict, result.exit_code) == ("unreadable", 3)


def test_nothing_to_compare_with(tmp_path):
    path = tmp_path / "disk.dd"
    path.write_bytes(DATA)
    result = check(path)
    assert (result.verdict, result.exit_code) == ("nothing", 3)


@pytest.fixture
def case(tmp_path):
    with chain_of_custody.init_case(tmp_path / "case") as opened:
        yield opened


@pytest.mark.parametrize("body", ["verify", "image", "scan"])
def test_the_ledger_remembers(tmp_path, case, body):
    path = tmp_path / "disk.dd"
    path.write_bytes(DATA)
    hashes = {"md5": hashlib.md5(DATA).hexdigest(), "sha256": hashlib.sha256(DATA).hexdigest()}
    size = str(len(DATA))
    bodies = {
        "verify": {"image": "disk.dd", "size": size, "hashes": hashes, "verdict": "nothing"},
        "image": {"files": ["disk.dd", "disk.dd.json"], "size": size, "hashes": hashes},
        "scan": {"media_md5": hashes["md5"], "media_sha256": hashes["sha256"], "media_bytes": size, "files": ["x"]},
    }
    with case.action(body, {}, item="disk.dd" if body == "scan" else None) as action:
        action.set_result(bodies[body])
    with open_image(path) as image:
        recorded = recorded_hashes(case.path, image)
        assert [one.hashes for one in recorded] == [hashes]
        assert verify_image(image, recorded).exit_code == 0
    path.write_bytes(DATA[:-1] + b"!")
    with open_image(path) as image:
        result = verify_image(image, recorded_hashes(case.path, image))
        assert (result.verdict, result.exit_code) == ("mismatch", 1)


def test_other_images_of_the_case_do_not_count(tmp_path, case):
    with case.action("verify", {}) as action:
        action.set_result(
            {"image": "other.dd", "size": str(len(DATA)), "hashes": {"md5": "0" * 32}, "verdict": "nothing"}
        )
    with case.action("verify", {}) as action:
        action.set_result({"image": "disk.dd", "size": "1", "hashes": {"md5": "0" * 32}, "verdict": "nothing"})
    with case.action("verify", {}) as action:
        action.set_result(
            {"image": "disk.dd", "size": str(len(DATA)), "hashes": {"md5": "0" * 32}, "verdict": "mismatch"}
        )
    path = tmp_path / "disk.dd"
    path.write_bytes(DATA)
    with open_image(path) as image:
        assert recorded_hashes(case.path, image) == []
