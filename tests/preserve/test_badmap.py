from __future__ import annotations

import itertools
import random
import subprocess

import pytest

from chain_of_custody.errors import EvidenceFormatError
from preserve.badmap import BAD, FAILED_BLOCK, READ, UNSCRAPED, UNTRIED, BadMap
from tests.conftest import needs


def test_marks_against_a_plain_list_of_states():
    rnd = random.Random(3)
    for _ in range(50):
        size = rnd.randrange(1, 200)
        bad, plain = BadMap(size), [READ] * size
        for _ in range(40):
            offset, length = rnd.randrange(size), rnd.randrange(1, 60)
            state = rnd.choice([UNTRIED, FAILED_BLOCK, UNSCRAPED, BAD, READ])
            bad.mark(offset, length, state)
            for place in range(offset, min(offset + length, size)):
                plain[place] = state
        assert [state for _, length, state in bad for _ in range(length)] == plain
        neighbours = [state for _, _, state in bad]
        assert all(one != other for one, other in itertools.pairwise(neighbours))
        assert bad.total(BAD) == plain.count(BAD)
        again = BadMap.restore(size, [tuple(one) for one in bad.unfinished()])
        assert list(again) == list(bad)


def test_text_is_read_again():
    bad = BadMap(10_000)
    bad.mark(512, 1024, BAD)
    bad.mark(4096, 4096, UNTRIED)
    assert "0x00000200  0x00000400  -\n" in bad.text(comments=["source: x"])
    assert list(BadMap.parse(bad.text())) == list(bad)
    assert bad.ranges(BAD, UNTRIED) == [(512, 1024), (4096, 4096)]
    assert not bad.is_complete


def test_a_line_that_does_not_fit_is_named():
    with pytest.raises(EvidenceFormatError, match="line 3"):
        BadMap.parse("0 + 1\n0x0 0x200 +\n0x300 0x200 -\n")


@needs("ddrescuelog")
def test_ddrescuelog_reads_it(tmp_path):
    bad = BadMap(131_072 * 512)
    for sector in (0, 7, 8, 131_071):
        bad.mark(sector * 512, 512, BAD)
    path = tmp_path / "disk.map"
    path.write_text(bad.text(comments=["源: ディスク 1"]))
    listed = subprocess.run(["ddrescuelog", "-l-", str(path)], capture_output=True, text=True, check=True)
    assert listed.stdout.split() == ["0", "7", "8", "131071"]
