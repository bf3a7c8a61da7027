from __future__ import annotations

import pytest

from chain_of_custody.errors import TargetError
from preserve.journal import Journal, read_journal, rewind


def _write(path, count=3):
    journal = Journal(path)
    journal.append("head", {"size": 10})
    for index in range(count):
        lengths = (100 + index).to_bytes(4, "little")
        journal.append("data", {"chunks": 1, "deferred": [], "map": [], "skip": 0}, lengths + bytes([index]) * 36)
    journal.close()


def test_a_torn_record_is_ignored_at_every_length(tmp_path):
    path = tmp_path / "disk.resume"
    _write(path)
    whole = path.read_bytes()
    state, position = read_journal(path)
    assert (len(state.pieces), list(state.chunk_lengths), position) == (3, [100, 101, 102], len(whole))
    seen = set()
    for length in range(len(whole) - 1, 0, -7):
        path.write_bytes(whole[:length])
        try:
            state, position = read_journal(path)
        except TargetError:
            continue  # not even the head is whole
        assert position <= length
        assert len(state.chunk_lengths) == len(state.pieces)
        seen.add(len(state.pieces))
    assert seen == {0, 1, 2}


def test_a_changed_byte_ends_the_list(tmp_path):
    path = tmp_path / "disk.resume"
    _write(path)
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    assert len(read_journal(path)[0].pieces) == 2


def test_rewind_goes_to_a_checkpoint(tmp_path):
    path = tmp_path / "disk.resume"
    _write(path)
    state, _ = read_journal(path)
    rewind(state, 2)
    assert (len(state.pieces), list(state.chunk_lengths)) == (2, [100, 101])
    rewind(state, 0)
    assert (len(state.pieces), list(state.chunk_lengths)) == (0, [])


def test_only_one_run_at_a_time(tmp_path):
    path = tmp_path / "disk.resume"
    first = Journal(path)
    with pytest.raises(TargetError):
        Journal(path)
    with pytest.raises(TargetError, match="another run"):
        Journal(path, position=0)
    first.close()
