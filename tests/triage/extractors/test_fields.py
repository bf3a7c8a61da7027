"""Integers of seven bits a byte: against an encoder of a few lines, at their limit, and cut off."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.extractors.fields import Fields
from triage.extractors.model import ExtractionError


def damaged():
    return ExtractionError("damaged", "壊れています", "damaged")


def encoded(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


@given(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=5))
def test_what_was_encoded_is_read(values):
    fields = Fields(b"".join(map(encoded, values)) + b"rest", 0, damaged, number_bits=63)
    assert [fields.number() for _ in values] == values
    assert fields.take(4) == b"rest"


@pytest.mark.parametrize(("bits", "longest"), [(63, 9), (70, 10)])
def test_longer_integers_are_damage(bits, longest):
    assert Fields(b"\x80" * (longest - 1) + b"\x01", 0, damaged, number_bits=bits).number() == 1 << 7 * (longest - 1)
    with pytest.raises(ExtractionError):
        Fields(b"\x80" * longest + b"\x01", 0, damaged, number_bits=bits).number()


@pytest.mark.parametrize("size", [-1, 4, 2**62])
def test_nothing_beyond_the_data(size):
    fields = Fields(b"xabc", 1, damaged, number_bits=63)
    with pytest.raises(ExtractionError):
        fields.take(size)
    assert fields.take(3) == b"abc"
    with pytest.raises(ExtractionError):
        fields.number()
