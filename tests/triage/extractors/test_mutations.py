"""Damaged copies of every document: no crash, no hang, nothing clear in what is said about them."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from triage.extractors.model import Limits

DOCUMENTS = Path(__file__).resolve().parents[2] / "data" / "documents"

MUTANTS = 25
"""For each document; the fuzz run under benchmarks makes thousands."""
SECONDS = 10.0


def mutant(data: bytes, dice: random.Random) -> bytes:
    """A damaged copy: bytes changed, removed, repeated, or the end cut off."""
    copy = bytearray(data)
    kind = dice.randrange(5)
    for _ in range(dice.choice((1, 1, 2, 8, 64))):
        at = dice.randrange(len(copy))
        match kind:
            case 0:
                copy[at] = dice.randrange(256)
            case 1:
                copy[at] = dice.choice((0, 0x7F, 0x80, 0xFF))
            case 2:
                del copy[at : at + dice.randrange(1, 64)]
            case 3:
                other = dice.randrange(len(copy))
                copy[at:at] = copy[other : other + dice.randrange(1, 200)]
            case _:
                del copy[max(at, 100) :]
        if not copy:
            return b"x"
    return bytes(copy)


@pytest.mark.parametrize("name", sorted(path.name for path in DOCUMENTS.iterdir()))
def test_mutants_never_crash_or_hang(read, name: str) -> None:
    data = (DOCUMENTS / name).read_bytes()
    dice = random.Random(name)
    for _ in range(MUTANTS):
        started = time.monotonic()
        result = read(mutant(data, dice), name, limits=Limits(seconds=SECONDS))
        assert time.monotonic() - started < 2 * SECONDS
        for problem in result.problems:
            assert "123456789018" not in problem.en + problem.ja
            # An exception of a kind that the extractor does not expect is a gap in it.
            assert "error while reading" not in problem.en, problem.en
