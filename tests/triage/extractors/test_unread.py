"""Files that are recognised and said, not read."""

from __future__ import annotations

import pytest

from triage.extractors import extract_all
from triage.extractors.model import BytesSource, Context, Problem


@pytest.mark.parametrize(
    ("head", "reason", "word"),
    [
        (b"\x60\xea\x2c\x00\x22\x08", "unsupported", "ARJ"),
        (b"xar!\x00\x1c\x00\x01", "unsupported", "XAR"),
        (b"age-encryption.org/v1\n", "encrypted", "age"),
        (b"-----BEGIN PGP MESSAGE-----\n", "encrypted", "PGP"),
    ],
)
def test_it_is_said_and_what_stands_in_clear_is_read(head, reason, word):
    items = list(extract_all(BytesSource(head + bytes(800) + b" 123456789018 " + bytes(100), "x"), Context()))
    problems = [one for one in items if isinstance(one, Problem)]
    assert [(one.reason, word in one.en) for one in problems] == [(reason, True)]
    assert len(items) > 1
