"""RAR: stored members by a writer of our own; compressed and locked ones made by RAR itself."""

from __future__ import annotations

import importlib.util

import pytest

from tests.rar_writer import rar4, rar5
from triage.extractors import rar

ROSTER = "氏名,個人番号\r\n山田,123456789018\r\n佐藤,621498320257\r\n".encode("cp932")
NEEDS_ARCHI = pytest.mark.skipif(importlib.util.find_spec("archi") is None, reason="archi unpacks RAR")

# Made by RAR 5 and RAR 3; from the tests of rarfile (Marko Kreen, ISC licence).
SOLID_5 = bytes.fromhex(
    "526172211a07010009efc86f0b0105070406010180808000def570721c0202ba00048010b68302a2e6b7c5801b010a7374657374312e74"
    "7874c1ac37444423fa23f697fd625351be4c918141028cc103795cbf47a3aa2da03693dda05800400200d4500476f6c47f32ea9f32a5c4"
    "ccd783df0010e82d891c02028d00048010b68302a2e6b7c5c01b010a7374657374322e74787445150a6001000803dfb7fbf6fc1d775651"
    "03050400"
)
SOLID_3 = bytes.fromhex(
    "526172211a07003bd07308000d000000000000002b347480902c005c0000000008000003a2e6b7c5b066cc3e1d330a00a4810000737465"
    "7374312e74787400c0110cccfe8c9eb0fe3181abacb1bb4077a80a64d64b3783c107bc01e08592eefbb61d000820000888e9780cd20c07"
    "613a41784bb36e9f520adaca2740bae70b648a6271fbb800919e502fd855fffac658ebebc4d7887e5496871f4decd9167490902c000e00"
    "00000008000003a2e6b7c5b066cc3e1d330a00a48100007374657374322e74787400c0b120008807ebf20a69fafc94ded0c43d7b004007"
    "00"
)


@pytest.mark.parametrize("write", [rar5, rar4])
def test_stored_members_are_read_in_place(read, write):
    got = read(write([("名簿/2024.csv", ROSTER), ("a.txt", b"x")]), "送付.rar")
    assert "123456789018" in got.content(container="送付.rar!/名簿/2024.csv")
    assert not got.problems


@NEEDS_ARCHI
def test_what_rar_5_compressed_is_unpacked(read):
    got = read(SOLID_5, "solid.rar")
    assert not got.problems
    sizes = [entry.size for entry in rar._entries5(_source(SOLID_5), _context())]
    assert sizes == [2048, 2048]


@NEEDS_ARCHI
def test_what_libarchive_cannot_unpack_is_said_by_member(read):
    got = read(SOLID_3, "old.rar")
    assert [(one.reason, one.container) for one in got.problems] == [("unsupported", "old.rar!/stest2.txt")]


def test_without_the_library_each_compressed_member_is_said(read, monkeypatch):
    monkeypatch.setattr(rar, "is_unpacked_here", lambda: False)
    got = read(SOLID_5, "solid.rar")
    assert [one.container for one in got.problems] == ["solid.rar!/stest1.txt", "solid.rar!/stest2.txt"]
    assert all("hozen[rar]" in one.en for one in got.problems)


def test_locked_and_split_members_are_said(read):
    locked = read(rar5([("秘.csv", ROSTER)], encrypted=True), "x.rar")
    assert [(one.reason, one.container) for one in locked.problems] == [("encrypted", "x.rar!/秘.csv")]
    split = read(rar5([("大.csv", ROSTER)], split=True), "x.part1.rar")
    assert [one.reason for one in split.problems] == ["unsupported"]


def test_a_number_in_the_name_of_a_member(read):
    got = read(rar5([("個人番号_123456789018.txt", b"-")]), "x.rar")
    assert any("123456789018" in text.content for text in got.texts)


def test_damage_ends_the_walk_and_is_said(read):
    data = bytearray(rar5([("a.csv", ROSTER), ("b.csv", ROSTER)]))
    data[data.index(b"b.csv")] ^= 1
    got = read(bytes(data), "x.rar")
    assert "123456789018" in got.content(container="x.rar!/a.csv")
    assert [one.reason for one in got.problems] == ["damaged"]


def _source(data):
    from triage.extractors.model import BytesSource

    return BytesSource(data, "x.rar")


def _context():
    from triage.extractors.model import Context

    return Context()
