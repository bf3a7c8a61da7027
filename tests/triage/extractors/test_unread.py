"""Files that are recognised and said, not read."""

from __future__ import annotations

from triage.extractors import extract_all
from triage.extractors.model import BytesSource, Context, Problem


def test_a_hibernation_file_is_said_to_hold_what_was_not_unpacked():
    for head in (b"hibr", b"HIBR", b"wake", b"RSTR", bytes(4)):
        source = BytesSource(head + bytes(8000) + b" 123456789018 " + bytes(100), "hiberfil.sys")
        items = list(extract_all(source, Context()))
        problems = [one for one in items if isinstance(one, Problem)]
        assert [(one.reason, "hibernation" in one.en) for one in problems] == [("unsupported", True)]
        assert len(items) > 1  # what is not compressed is read all the same
    assert not [
        one for one in extract_all(BytesSource(b"hibr" + bytes(99), "other.sys"), Context()) if isinstance(one, Problem)
    ]
