from __future__ import annotations

import hashlib
import json
import os
import sys
import tarfile
import zipfile

import pytest

from chain_of_custody.errors import TargetError, UsageError
from preserve import collect as module
from preserve.collect import collect

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX file kinds")


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "共有"
    (root / "人事 部").mkdir(parents=True)
    (root / "人事 部/名簿.csv").write_bytes("氏名,番号\r\n".encode("cp932") * 1000)
    (root / "空").write_bytes(b"")
    os.utime(root / "空", ns=(1_500_000_000_123_456_789, 1_600_000_000_987_654_321))
    return root


def _manifest(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@posix
@pytest.mark.parametrize("ending", [".zip", ".tar"])
def test_contents_times_and_links(tmp_path, tree, ending):
    (tree / "link").symlink_to("../どこか")
    os.mkfifo(tree / "pipe")
    if sys.platform == "linux":
        os.setxattr(tree / "空", "user.Zone.Identifier", b"[ZoneTransfer]")
    target = tmp_path / f"c{ending}"
    result = collect([tree], target, reason="稼働中のサーバ")
    assert (result.files, result.folders, result.links) == (2, 2, 1)
    assert not result.is_complete
    assert [one.reason for one in result.skipped] == ["special file (socket, pipe or device)"]
    head, *lines, totals = _manifest(result.manifest)
    assert head["reason"] == "稼働中のサーバ"
    assert totals["files"] == 2
    by_path = {line["path"]: line for line in lines if "path" in line}
    csv = (tree / "人事 部/名簿.csv").read_bytes()
    assert by_path["共有/人事 部/名簿.csv"]["sha256"] == hashlib.sha256(csv).hexdigest()
    assert by_path["共有/空"]["modified_ns"] == "1600000000987654321"
    assert by_path["共有/空"]["accessed_ns"] == "1500000000123456789"
    assert by_path["共有/link"]["target"] == "../どこか"
    if sys.platform == "linux":
        assert by_path["共有/空"]["xattr"] == {"user.Zone.Identifier": "W1pvbmVUcmFuc2Zlcl0="}
        assert (tree / "空").stat().st_atime_ns == 1_500_000_000_123_456_789  # reading left it alone
    if ending == ".zip":
        with zipfile.ZipFile(target) as archive:
            assert archive.testzip() is None
            assert archive.read("共有/人事 部/名簿.csv") == csv
    else:
        with tarfile.open(target) as archive:
            assert archive.extractfile("共有/人事 部/名簿.csv").read() == csv
            assert archive.getmember("共有/link").linkname == "../どこか"
    assert result.outputs[0].sha256 == hashlib.sha256(target.read_bytes()).hexdigest()


@posix
def test_names_that_are_no_utf8(tmp_path):
    root = tmp_path / "r"
    root.mkdir()
    try:
        (root / os.fsdecode(b"\x83t\x83@")).write_bytes(b"sjis")
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    result = collect([root], tmp_path / "c.zip", reason="x")
    assert result.is_complete
    entry = next(line for line in _manifest(result.manifest) if line.get("kind") == "file")
    assert entry["path"] == "r/%83t%83@"
    assert entry["path_base64"] == "ci+DdINA"


def test_a_file_that_changes_while_it_is_read(tmp_path, tree, monkeypatch):
    real = module._open_quietly

    def growing(path):
        file = real(path)
        if path.name == "名簿.csv":
            with path.open("ab") as other:
                other.write(b"more")
        return file

    monkeypatch.setattr(module, "_open_quietly", growing)
    result = collect([tree], tmp_path / "c.tar", reason="x")
    assert result.changed == ["共有/人事 部/名簿.csv"]
    assert not result.is_complete


def test_refusals(tmp_path, tree):
    with pytest.raises(UsageError, match="no reason"):
        collect([tree], tmp_path / "c.zip", reason=" ")
    with pytest.raises(UsageError, match=r"\.zip or \.tar"):
        collect([tree], tmp_path / "c.7z", reason="x")
    with pytest.raises(UsageError, match="inside the source"):
        collect([tree], tree / "c.zip", reason="x")
    with pytest.raises(UsageError, match="no such source"):
        collect([tmp_path / "missing"], tmp_path / "c.zip", reason="x")
    (tmp_path / "c.zip").write_bytes(b"mine")
    with pytest.raises(TargetError):
        collect([tree], tmp_path / "c.zip", reason="x")
    assert (tmp_path / "c.zip").read_bytes() == b"mine"
