"""Two thousand damaged files over all extractors: no crash of a scan, no hang, nothing clear, each failure said.

`HOZEN_FUZZ=20000` makes so many in all; `HOZEN_FUZZ_SEED` chooses others.
"""

from __future__ import annotations

import os
import re

import pytest

for _module in ("docx", "openpyxl", "pptx", "reportlab", "xlsxwriter", "xlwt"):
    pytest.importorskip(_module, reason="the files to damage are made with it")

from tests.fuzz import file_fuzzer  # noqa: E402 - after what it needs is known to be there

SHARDS = 8
COUNT = int(os.environ.get("HOZEN_FUZZ", "2000"))
SEED = int(os.environ.get("HOZEN_FUZZ_SEED", "1"))
TWELVE = re.compile(r"(?<!\d)\d{12}(?!\d)")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("shard", range(SHARDS))
def test_damaged_files(shard, capfd):
    tally = file_fuzzer.run(range(shard, COUNT, SHARDS), SEED)
    out, err = capfd.readouterr()
    assert tally.read == len(range(shard, COUNT, SHARDS))
    # A child that dies costs its file one line of the coverage; the scan goes on. None of ours may be the cause.
    assert tally.failures == []
    # An exception of a kind that an extractor does not expect is a gap in it.
    assert tally.unexpected == []
    assert tally.slow == []
    assert tally.spoken == []
    assert not TWELVE.search(out + err)
    # The damage was felt, and much was read all the same.
    assert tally.with_problems > tally.read // 20
    assert tally.found > tally.read


def test_the_same_number_is_the_same_mutant():
    assert file_fuzzer.mutant(41, 1) == file_fuzzer.mutant(41, 1)
    assert file_fuzzer.mutant(41, 1) != file_fuzzer.mutant(41, 2)
    assert len(file_fuzzer.seeds()) > 100
