"""The raw pass against a slow oracle, against the standard's rule for the check digit, and against how it is fed."""

from __future__ import annotations

import random
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum.jp import in_

from tests.triage.raw_oracle import FORMS, NAMES, candidates
from triage.raw_pass import ENCODINGS, Scanner, check_digits

LOOKUPS = [False] + [True] * (find_spec("stringzilla") is not None)


def scanned(data: bytes, chunk: int = 1 << 20, **options) -> set[tuple[str, int, str]]:
    """What the scanner finds in `data`, fed in pieces of `chunk` bytes with its margin."""
    buffer = np.frombuffer(data, np.uint8)
    scanner = Scanner(**options)
    found = set()
    for start in range(0, len(data), chunk):
        stop = min(start + chunk, len(data))
        first, last = max(0, start - Scanner.MARGIN), min(len(data), stop + Scanner.MARGIN)
        for encoding, offsets, digits in scanner.scan(buffer[first:last], start - first, stop - first, start):
            assert offsets.dtype == np.int64
            assert digits.dtype == np.uint8
            assert (np.diff(offsets) >= 0).all()
            for offset, row in zip(offsets.tolist(), digits.tolist(), strict=True):
                entry = (ENCODINGS[encoding], offset, "".join(map(str, row)))
                assert entry not in found
                found.add(entry)
    return found


def written(name: str, digits: str, separators: dict[int, bytes] | None = None) -> bytes:
    """`digits` in an encoding, with a separator in front of some of them."""
    form = FORMS[name]
    return b"".join((separators or {}).get(at, b"") + form.digits[int(digit)] for at, digit in enumerate(digits))


def test_encodings_are_those_of_the_oracle():
    assert ENCODINGS == NAMES


@pytest.mark.parametrize("lookup", LOOKUPS)
@pytest.mark.parametrize("name", NAMES)
def test_every_separator_layout_and_alignment(name, lookup):
    # Each written number stands alone between fillers, so what must be found is known by construction.
    form = FORMS[name]
    layouts = {"groups": (4, 8), "each": tuple(range(1, 12)), "pairs": (2, 4, 6, 8, 10)}
    cases = [{}]
    for separator in form.short:
        cases += [dict.fromkeys(places, separator) for places in layouts.values()]
    cases += [dict.fromkeys(places, separator) for separator in form.long for places in ((4, 8), (4,), (8,))]
    source = random.Random(name)
    parts, expected, length = [], set(), 0
    for case in cases:
        for alignment in range(0, 64, 1 if len(case) < 3 else 3):
            gap = 200 + (alignment - (length + 200)) % 64
            digits = "".join(source.choice("0123456789") for _ in range(12))
            piece = written(name, digits, case)
            expected.add((name, length + gap, digits))
            parts += [b"\xaa" * gap, piece]
            length += gap + len(piece)
    data = b"".join(parts) + b"\xaa" * 200
    assert {entry for entry in scanned(data, table_lookup=lookup) if entry[0] == name} == expected


def hostile(source: random.Random) -> bytes:
    """Numbers of right and wrong length in all encodings, glued with separators, fillers and noise."""
    every = sorted({separator for form in FORMS.values() for separator in form.short + form.long})
    parts: list[bytes] = []
    for _ in range(source.choice([1, 5, 25])):
        name = source.choice(NAMES)
        form = FORMS[name]
        count = source.choice([12] * 6 + [11, 13, 16, 24, 4, 8])
        digits = "".join(source.choice("0123456789") for _ in range(count))
        pool = source.choice([form.short, form.short + form.long, every])
        chance = source.choice([0.0, 0.1, 0.4, 1.0])
        only = source.choice(pool)
        mixed = source.random() < 0.5
        step = source.choice([1, 1, 2, 4, 4, 4])
        places = {
            at: source.choice(pool) if mixed else only
            for at in range(1, count)
            if at % step == 0 and source.random() < (chance or 1)
        }
        parts.append(written(name, digits, places if source.random() < 0.8 else {}))
        match source.randrange(5):
            case 0:
                parts.append(source.randbytes(source.choice([0, 1, 2, 3, 7, 40, 200])))
            case 1:
                filler = source.choice([b"\0", b"\xff", b"0", b" ", b"\x82", b"a", b"#", b"\0\xff"])
                parts.append(filler * source.choice([1, 2, 3, 9, 100]))
            case 2:
                parts.append(source.choice(every))
            case 3:
                parts.append(
                    bytes(source.choice(b"0123456789\0\0\0 -\xff\x10\x12\x82\x50\xa3\xb1#") for _ in range(60))
                )
    return b"".join(parts)


@pytest.mark.parametrize("seed", range(60))
def test_equals_oracle_on_hostile_mixtures(seed):
    data = hostile(random.Random(seed))
    expected = candidates(data)
    for lookup in LOOKUPS:
        assert scanned(data, table_lookup=lookup) == expected
        assert scanned(data, 333, block_bytes=64, table_lookup=lookup) == expected
        assert scanned(data, 1024, block_bytes=512, table_lookup=lookup) == expected


_pieces = st.lists(
    st.one_of(
        st.sampled_from(NAMES).flatmap(
            lambda name: st.lists(
                st.sampled_from(FORMS[name].digits * 3 + FORMS[name].short + FORMS[name].long), min_size=1, max_size=30
            ).map(b"".join)
        ),
        st.binary(max_size=20),
        st.builds(lambda byte, count: byte * count, st.binary(min_size=1, max_size=2), st.integers(1, 90)),
    ),
    max_size=12,
).map(b"".join)


@settings(max_examples=250, deadline=None)
@given(_pieces, st.integers(1, 700))
def test_equals_oracle_on_generated_bytes(data, chunk):
    assert scanned(data, chunk, block_bytes=128) == candidates(data)


@pytest.mark.parametrize("name", NAMES)
def test_found_wherever_a_buffer_is_cut(name):
    data = b"\x01" * 100 + written(name, "621498320257", dict.fromkeys((4, 8), FORMS[name].short[0])) + b"\x01" * 100
    expected = candidates(data)
    assert {entry for entry in expected if entry[0] == name} == {(name, 100, "621498320257")}
    for chunk in range(1, 120):
        assert scanned(data, chunk) == expected


@pytest.mark.parametrize("name", NAMES)
def test_at_the_edges_of_the_medium(name):
    data = written(name, "123456789018")
    assert (name, 0, "123456789018") in scanned(data)
    assert (name, 5, "123456789018") in scanned(b"abcde" + data)
    for length in range(len(data)):
        assert name not in {entry[0] for entry in scanned(data[:length])}


def test_rows_that_are_left_out_join_nothing():
    # The third row holds nothing that could begin a number: what is before and behind it must not meet.
    data = b"123456789018" + b"x" * 110 + b"123456" + b"x" * 64 + b"789018" + b"x" * 20 + b"621498320257" + b"x" * 300
    assert data.rindex(b"789018x") == 192
    assert scanned(data) == candidates(data) == {("ascii", 0, "123456789018"), ("ascii", 218, "621498320257")}


@pytest.mark.parametrize("name", NAMES)
def test_found_across_the_borders_of_blocks(name):
    number = written(name, "621498320257")
    for place in range(512 - len(number) - 1, 513):
        data = b"\x01" * place + number + b"\x01" * (1100 - place)
        for block in (64, 512):
            assert (name, place, "621498320257") in scanned(data, block_bytes=block)


def test_parts_of_longer_numbers_are_none():
    for text in (b"1234567890123", b"12345678901234567890", b"1 1234567890123 1", b"1-2-3-4-5-6-7-8-9-0-1-2-3"):
        assert scanned(b"x" * 50 + text + b"x" * 50) == set()


def test_nothing_in_nothing():
    assert scanned(b"") == set()
    assert scanned(bytes(100_000)) == set()
    assert scanned(b"\xff" * 100_000) == set()


def test_dense_lists_are_found_whole():
    numbers = [f"{number:012}" for number in range(1, 5000)]
    found = scanned("\n".join(numbers).encode(), 4096)
    assert found == {("ascii", 13 * at, number) for at, number in enumerate(numbers)}


def test_offsets_beyond_four_gib():
    data = np.frombuffer(b"x" * 200 + b"123456789018" + b"x" * 200, np.uint8)
    [(_, offsets, _)] = Scanner().scan(data, 128, 400, (1 << 42) + 128)
    assert offsets.tolist() == [(1 << 42) + 200]


def test_read_only_and_odd_sized_buffers():
    data = np.frombuffer(bytes(77) + b"123456789018" + bytes(3), np.uint8)
    assert not data.flags.writeable
    assert [offsets.tolist() for _, offsets, _ in Scanner().scan(data, 0, len(data), 0)] == [[77]]


def test_block_size_is_checked():
    with pytest.raises(ValueError, match="multiple"):
        Scanner(block_bytes=100)


def test_written_form_is_told():
    data = np.frombuffer(b"a 1234-5678-9018 b 123456789018 c 1\xe2\x80\x902345678901\xe2\x80\x908 d", np.uint8)
    [found] = Scanner().find(data, 0, len(data))
    assert found.starts.tolist() == [2, 19, 34]
    assert found.sizes().tolist() == [14, 12, 18]
    assert found.breaks().tolist() == [1 << 3 | 1 << 7, 0, 1 | 1 << 10]


def test_check_digit_agrees_with_stdnum():
    source = random.Random(1)
    numbers = ["".join(source.choice("0123456789") for _ in range(12)) for _ in range(5000)]
    numbers += ["123456789018", "621498320257", "000000000000", "111111111111"]
    digits = np.array([[int(digit) for digit in number] for number in numbers], np.uint8)
    assert check_digits(digits).tolist() == [in_.is_valid(number) for number in numbers]
    assert check_digits(digits[:0]).tolist() == []


def test_digits_stay_out_of_representations():
    data = np.frombuffer(b" 123456789018 ", np.uint8)
    [found] = Scanner().find(data, 0, len(data))
    shown = repr(found)
    assert "1, 2, 3, 4, 5, 6" not in shown
    assert "digits" not in shown
