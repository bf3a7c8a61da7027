from __future__ import annotations

import hashlib

import pytest

from chain_of_custody.errors import TargetError, UsageError
from preserve.clone import clone, identity_to_type
from preserve.devices import device_info
from preserve.wipe import wipe_check
from tests.preserve.media import bad_medium, loop, mixed_data, needs_bad_medium, needs_loop, writable_loop


def test_blank_and_not_blank(tmp_path):
    path = tmp_path / "z.bin"
    with path.open("wb") as file:
        file.truncate((3 << 20) + 100)
    result = wipe_check(path)
    assert result.is_blank
    assert result.words[0] == "全 3,145,828 バイトがゼロ(無データ)"
    with path.open("r+b") as file:
        for offset in (5, 6, 600, (3 << 20) + 99):
            file.seek(offset)
            file.write(b"x")
    result = wipe_check(path)
    assert not result.is_blank
    assert (result.non_zero, result.non_zero_sectors) == ([5, 600, (3 << 20) + 99], 3)


@needs_bad_medium
def test_an_unreadable_medium_is_not_called_blank(tmp_path):
    image = tmp_path / "m.bin"
    image.write_bytes(bytes(2 << 20))
    with bad_medium(tmp_path, image, bad=[9, 10, 4095]) as device:
        result = wipe_check(device)
    assert not result.is_blank
    assert result.non_zero_sectors == 0
    assert result.unreadable == [(9 * 512, 1024), (4095 * 512, 512)]


@needs_loop
def test_clone_onto_a_medium(tmp_path):
    data = mixed_data((5 << 20) + 512, seed=3)
    image, medium = tmp_path / "i.dd", tmp_path / "m.bin"
    image.write_bytes(data)
    medium.write_bytes(b"\xaa" * (8 << 20))
    with writable_loop(medium) as device:
        with pytest.raises(UsageError, match="serial number does not fit"):
            clone(image, device, typed_identity="")
        assert medium.read_bytes() == b"\xaa" * (8 << 20)
        identity = identity_to_type(device_info(device))
        assert identity == str(8 << 20)
        result = clone(image, device, typed_identity=identity)
    assert result.is_equal
    assert result.hashes["md5"] == hashlib.md5(data).hexdigest()
    assert medium.read_bytes() == data + b"\xaa" * ((8 << 20) - len(data))
    assert "left as they were" in result.words[1]


@needs_loop
def test_clone_refuses(tmp_path):
    image, medium = tmp_path / "i.dd", tmp_path / "m.bin"
    image.write_bytes(b"x" * (2 << 20))
    medium.write_bytes(bytes(1 << 20))
    with writable_loop(medium) as device, pytest.raises(UsageError, match="too small"):
        clone(image, device, typed_identity=str(1 << 20))
    with pytest.raises(UsageError, match="not a block device"):
        clone(image, medium, typed_identity="x")
    medium.write_bytes(bytes(2 << 20))
    with loop(medium) as device, pytest.raises(TargetError):  # read-only
        clone(image, device, typed_identity=str(2 << 20))
