"""Records decoded by their layouts: always what the general reader says, on real logs and on damaged ones."""

from __future__ import annotations

import json
import struct
import zlib
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.timeline.parsers.windows_files import content, real
from timeline.binxml import members, records, values
from timeline.event import Problem
from timeline.parsers import evtx
from timeline.sources import Context, memory_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

SAMPLES = "evtx/samples"
CHUNK = 65_536
FILES = {
    # file: records that the layouts alone decode once they are proven, of all records
    "plaso/test_data/evtx/System.evtx": (5001, 5009),
    f"{SAMPLES}/system.evtx": (1875, 1881),
    f"{SAMPLES}/security.evtx": (2261, 2261),
    f"{SAMPLES}/Security_with_size_t.evtx": (541, 636),
    f"{SAMPLES}/sysmon.evtx": (358, 358),
    f"{SAMPLES}/E_Windows_system32_winevt_logs_Microsoft-Windows-Shell-Core%4Operational.evtx": (1144, 1146),
    # Its data are elements of their own in each record, no templates.
    f"{SAMPLES}/E_Windows_system32_winevt_logs_Microsoft-Windows-CAPI2%4Operational.evtx": (0, 340),
    f"{SAMPLES}/sample_with_a_bad_chunk_magic.evtx": (129, 380),
}


class _General:
    """In place of the decoder: leaves every record to the general reader."""

    def rows(self, raw: bytes, headers: Sequence[Any], host: str) -> list[None]:
        del raw, host
        return [None] * len(headers)


class _Counted(records.RecordDecoder):
    """Counts the records that it decodes."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def rows(self, raw: bytes, headers: Sequence[Any], host: str) -> list[Any]:
        found = super().rows(raw, headers, host)
        self.counts.update(type(one).__name__ for one in found)
        return found


def _read(decoder: Any, raw: bytes, host: str = "") -> tuple[list[dict[str, Any]], list[Problem]]:
    """All columns of all events, `data` as its members in order of name, and the problems."""
    rows: list[dict[str, Any]] = []
    problems: list[Problem] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evtx, "decoder", lambda: decoder)
        for one in evtx.parse(memory_file("a.evtx", raw), Context(host=host)):
            if isinstance(one, Problem):
                problems.append(one)
            else:
                rows += one.to_pylist()  # type: ignore[union-attr]
    for row in rows:
        pairs = json.loads(row["data"], object_pairs_hook=lambda pairs: pairs)
        row["data"] = sorted(pairs, key=lambda pair: pair[0])
    return rows, problems


@pytest.mark.parametrize("name", FILES)
def test_same_events_as_the_general_reader(shared_data: Path, name: str) -> None:
    raw = content(real(shared_data, name))
    decoder = _Counted()
    expected = _read(_General(), raw, "PC7")
    assert _read(decoder, raw, "PC7") == expected
    decoder.counts.clear()
    # Once more, when the layouts are proven: now the rows are its own.
    assert _read(decoder, raw, "PC7") == expected
    assert (decoder.counts["tuple"] + decoder.counts["Trial"], len(expected[0])) == FILES[name]


def _small(shared_data: Path, name: str, first: int, chunks: int = 2) -> bytearray:
    """A log of few chunks of another one."""
    whole = content(real(shared_data, name))
    raw = bytearray(whole[:4096] + whole[4096 + first * CHUNK : 4096 + (first + chunks) * CHUNK])
    struct.pack_into("<H", raw, 42, chunks)
    struct.pack_into("<I", raw, 124, zlib.crc32(raw[:120]))
    return raw


def _seal(raw: bytearray) -> bytes:
    """Make the checksums of all chunks right: what a forger would do."""
    for at in range(4096, len(raw), CHUNK):
        free = min(max(int.from_bytes(raw[at + 48 : at + 52], "little"), 512), CHUNK)
        struct.pack_into("<I", raw, at + 52, zlib.crc32(raw[at + 512 : at + free]))
        struct.pack_into("<I", raw, at + 124, zlib.crc32(raw[at + 128 : at + 512], zlib.crc32(raw[at : at + 120])))
    return bytes(raw)


@pytest.fixture(scope="module")
def proven() -> dict[str, tuple[_Counted, bytearray]]:
    """Decoders that know a log, by its name, with a small part of it."""
    return {}


def _known(shared_data: Path, proven: dict[str, tuple[_Counted, bytearray]], name: str) -> tuple[_Counted, bytearray]:
    if name not in proven:
        decoder = _Counted()
        small = _small(shared_data, name, 1, 1)
        _read(decoder, content(real(shared_data, name)))
        _read(decoder, bytes(small))
        proven[name] = decoder, small
    return proven[name]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes_change_nothing_in_what_both_say(
    shared_data: Path, proven: dict[str, tuple[_Counted, bytearray]], data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from([f"{SAMPLES}/security.evtx", f"{SAMPLES}/system.evtx"]))
    decoder, small = _known(shared_data, proven, name)
    raw = bytearray(small)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(4096 + 128, 4096 + 20_000))
        raw[place] = data.draw(st.integers(0, 255))
    sealed = data.draw(st.booleans())
    damaged = _seal(raw) if sealed else bytes(raw)
    assert _read(decoder, damaged) == _read(_General(), damaged)


def test_what_follows_an_instance_is_not_passed_over(shared_data: Path) -> None:
    decoder = _Counted()
    _read(decoder, content(real(shared_data, f"{SAMPLES}/security.evtx")))
    raw = _small(shared_data, f"{SAMPLES}/security.evtx", 1, 1)
    (size,) = struct.unpack_from("<I", raw, 4096 + 512 + 4)
    start = bytes(raw).index(b"\0", 4096 + 512 + size - 8)
    raw[start] = 0x41
    damaged = _seal(raw)
    general = _read(_General(), damaged)
    assert "evtx.undecoded" in {row["kind"] for row in general[0]}
    assert _read(decoder, damaged) == general


def test_a_layout_that_comes_out_wrong_is_never_used(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = content(real(shared_data, f"{SAMPLES}/security.evtx"))

    def wrong(of: Callable[..., Callable[[bytes], Any]], *which: int) -> values.Kept:
        made = of(*which)
        return values.Kept(made if which != (21,) else lambda _: '"0x1"')

    monkeypatch.setattr(members, "maker", wrong)
    decoder = _Counted()
    expected = _read(_General(), raw)
    assert _read(decoder, raw) == expected
    decoder.counts.clear()
    assert _read(decoder, raw) == expected
    # 21: the logon identifiers, which nearly all records have.
    assert 0 < decoder.counts["tuple"] < 200


def test_numbers_in_values_are_hidden(shared_data: Path) -> None:
    raw = content(real(shared_data, f"{SAMPLES}/security.evtx"))
    decoder = _Counted()
    _read(decoder, raw)
    # Stands in values alone: the layouts stay those that are proven.
    name = "NT AUTHORITY".encode("utf-16-le")
    digits = "123456789018".encode("utf-16-le")
    assert raw.count(name) > 500
    marked = _seal(bytearray(raw.replace(name, digits)))
    rows, _ = _read(decoder, marked)
    shown = json.dumps(rows, ensure_ascii=False, default=str)
    assert shown.count("********9018") > 500
    assert "123456789018" not in shown
    assert rows == _read(_General(), marked)[0]


def test_ring_of_names_is_told_and_the_records_are_read(shared_data: Path) -> None:
    raw = _small(shared_data, f"{SAMPLES}/security.evtx", 0, 1)
    # A name whose list goes on: its next one is made to lead back to it. The crate alone never comes to an end.
    heads = [head for head in struct.unpack_from("<64I", raw, 4096 + 128) if head]
    first = next(head for head in heads if int.from_bytes(raw[4096 + head : 4096 + head + 4], "little"))
    following = int.from_bytes(raw[4096 + first : 4096 + first + 4], "little")
    struct.pack_into("<I", raw, 4096 + following, first)
    rows, problems = _read(_Counted(), _seal(raw))
    assert len(rows) == 91
    assert not [row for row in rows if row["kind"] == "evtx.undecoded"]
    assert [one.detail for one in problems] == ["the lists of names of a chunk lead nowhere; it is read without them"]


def test_text_that_is_no_json_costs_nothing(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As the crate writes a control character of a damaged template.
    def broken(_: object, key: object) -> None:
        del key
        json.loads('"\x01"')

    raw = bytes(_small(shared_data, f"{SAMPLES}/security.evtx", 0, 1))
    expected = _read(_General(), raw)
    monkeypatch.setattr(evtx._Reader, "_learn", broken)
    assert _read(_General(), raw) == expected
    assert len(expected[0]) == 91


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        (1, "あ\0x".encode("utf-16-le"), "あ"),
        (3, b"\xff", -1),
        (10, b"\xff" * 8, (1 << 64) - 1),
        (13, b"\1\0\0\0", True),
        (14, b"\x0a\xff", "0AFF"),
        (15, bytes(range(16)), "03020100-0504-0706-0809-0A0B0C0D0E0F"),
        (16, b"\xe7\3\0\0", "0x3e7"),
        (17, (131_124_751_716_816_408).to_bytes(8, "little"), "2016-07-08T18:12:51.681640Z"),
        (18, struct.pack("<8H", 2016, 7, 5, 8, 18, 12, 51, 68), "2016-07-08T18:12:51.068000Z"),
        (19, b"\1\2\0\0\0\0\0\5\x20\0\0\0\x20\2\0\0", "S-1-5-32-544"),
        (21, bytes(8), "0x0"),
        (0x81, "a\0\0b\0".encode("utf-16-le"), ["a", "", "b"]),
    ],
)
def test_values(kind: int, raw: bytes, value: object) -> None:
    assert values.READERS[kind](raw) == value


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        (1, b"a"),
        (4, b""),
        (13, b"\2\0\0\0"),
        (14, b""),
        (15, b"1"),
        (16, b"12"),
        (17, bytes(8)),
        (19, bytes(7)),
        (0x81, b"a\0"),
    ],
)
def test_values_of_another_size_are_left_to_the_general_reader(kind: int, raw: bytes) -> None:
    with pytest.raises(values.Strange):
        values.READERS[kind](raw)
