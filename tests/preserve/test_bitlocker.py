"""BitLocker volumes, written by the tests and judged by libbde."""

from __future__ import annotations

import pytest

from preserve.evidence import open_evidence, open_inside
from preserve.inner import open_inner
from preserve.keys import parse_keys
from tests.conftest import needs
from tests.preserve import make_bitlocker as make
from tests.preserve.disks import run
from tests.preserve.test_inner import with_partition

BASIC = "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7"
CONTENT = "氏名 山田太郎\r\n".encode("cp932") * 400


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ntfs")
    path = folder / "plain"
    path.write_bytes(bytes(12 << 20))
    run("mkntfs", "-Q", "-F", "-s", "512", "-c", "4096", "-p", "0", "-H", "16", "-S", "63", path)
    (folder / "file").write_bytes(CONTENT)
    run("ntfscp", "-f", path, folder / "file", "給与.txt")
    return path.read_bytes()


@needs("mkntfs", "ntfscp")
@pytest.mark.parametrize(
    ("protectors", "line", "how"),
    [
        (["password", "recovery"], f"gpt:1:password:{make.PASSWORD}", "password"),
        (["password", "recovery"], make.RECOVERY, "recovery key"),
        (["clear"], "", "clear key"),
    ],
)
def test_a_volume_is_unlocked_by_each_kind_of_key(tmp_path, plain, protectors, line, how):
    disk = with_partition(tmp_path / "disk.dd", make.volume(plain, protectors), BASIC)
    keys = parse_keys([line])
    with open_inside(disk, (), keys=keys, walk=False) as outer:
        (inner,) = outer.inner
        assert (inner.layer, inner.description) == (
            "raw:disk.dd|gpt:1|bitlocker",
            f"BitLocker, AES-XTS 128, unlocked by {how}",
        )
        with open_inner(outer.image, inner) as image:
            evidence = open_evidence(image)
            entry = next(one for one in evidence.entries if one.path == "/給与.txt")
            assert evidence.filesystems[0].open(entry.id).read_at(0, entry.size) == CONTENT


@needs("mkntfs", "ntfscp")
def test_a_locked_volume_says_what_would_open_it(tmp_path, plain):
    disk = with_partition(tmp_path / "disk.dd", make.volume(plain, ["recovery"]), BASIC)
    with open_inside(disk, (), keys=parse_keys(["gpt:9:recovery:" + make.RECOVERY])) as evidence:
        assert evidence.inner == []
        (problem,) = evidence.problems
        assert problem.reason == "encrypted"
        assert "protectors: recovery key" in problem.detail
        assert "--keys" in problem.detail


def test_damaged_metadata_is_a_problem_and_no_key_is_quoted(tmp_path):
    disk = tmp_path / "disk.dd"
    head = bytearray(4 << 20)
    head[:11] = b"\xeb\x58\x90-FVE-FS-"
    head[160:176] = make.GUID
    disk.write_bytes(head)
    with open_inside(disk, (), keys=parse_keys(["password:very secret"])) as evidence:
        (problem,) = evidence.problems
    assert problem.reason == "encrypted"
    assert "very secret" not in str(problem)
