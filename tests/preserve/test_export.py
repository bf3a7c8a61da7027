from __future__ import annotations

import hashlib

import pytest

from chain_of_custody.errors import UsageError, VerificationError
from preserve.acquire import acquire
from preserve.export import export
from preserve.image import open_image
from preserve.request import Request, Target
from preserve.selftest import selftest
from tests.preserve.media import mixed_data


def test_there_and_back(tmp_path):
    data = mixed_data(5 << 20, seed=13)
    (tmp_path / "s.bin").write_bytes(data)
    acquire(Request(tmp_path / "s.bin", (Target(tmp_path / "a.E01", "e01"),), segment_size=1 << 20))
    result = export(Request(tmp_path / "a.E01", (Target(tmp_path / "b.dd", "raw"),)))
    assert result.is_equal
    assert (tmp_path / "b.dd").read_bytes() == data
    export(Request(tmp_path / "b.dd", (Target(tmp_path / "c.E01", "e01"),), algorithms=("sha1",)))
    with open_image(tmp_path / "c.E01") as image:
        assert image.stored_hashes == {"sha1": hashlib.sha1(data).hexdigest()}
        assert image.read_at(0, image.size) == data


def test_unreadable_sectors_stay_unreadable(tmp_path):
    from tests.preserve.test_acquire import Medium, bad_sectors, sectors_of

    medium = Medium(mixed_data(3 << 20, seed=14), bad_sectors(7, 5000))
    acquire(Request(tmp_path, (Target(tmp_path / "a.E01", "e01"),)), opened=medium.opened())
    (tmp_path / "a.json").unlink()  # the E01 itself knows
    result = export(Request(tmp_path / "a.E01", (Target(tmp_path / "b.dd", "raw"),)))
    assert sectors_of(result) == [7, 5000]
    # Raw has no place for it: there disk.json says so.
    again = export(Request(tmp_path / "b.dd", (Target(tmp_path / "c.E01", "e01"),)))
    assert sectors_of(again) == [7, 5000]


def test_an_image_that_is_not_what_it_was(tmp_path):
    data = mixed_data(2 << 20, seed=15)
    (tmp_path / "s.bin").write_bytes(data)
    acquire(Request(tmp_path / "s.bin", (Target(tmp_path / "a.E01", "e01"),), compression="none"))
    changed = bytearray((tmp_path / "a.E01").read_bytes())
    place = changed.index(data[40_000:40_100])
    changed[place] ^= 1
    (tmp_path / "a.E01").write_bytes(changed)
    with pytest.raises(VerificationError, match="does not have the hash"):
        export(Request(tmp_path / "a.E01", (Target(tmp_path / "b.dd", "raw"),)))
    with pytest.raises(UsageError, match="no such hash"):
        export(Request(tmp_path / "a.E01", (Target(tmp_path / "x.dd", "raw"),), algorithms=("md4",)))


def test_the_selftest_passes_and_notices(tmp_path, monkeypatch):
    result = selftest(folder=tmp_path)
    assert [(check.en, check.detail) for check in result.checks if not check.is_ok] == []
    assert len(result.checks) == 3
    assert list(tmp_path.iterdir()) == []
    from preserve import selftest as module

    monkeypatch.setattr(module, "REFERENCE_SHA256", "00" * 32)
    assert not selftest(folder=tmp_path).is_ok
