"""PST: a real store (java-libpst's `dist-list.pst`, Apache-2.0), and what damage does to it."""

from __future__ import annotations

import lzma
import random
import subprocess
import sys

import pytest

from tests.triage.extractors.conftest import DOCUMENTS
from triage.extractors import extract_all, outlook_store
from triage.extractors.model import BytesSource, Child, Context, Problem
from triage.text import Text


@pytest.fixture(scope="module")
def store() -> bytes:
    return lzma.decompress((DOCUMENTS / "dist-list.pst.xz").read_bytes())


def test_items_properties_and_attachments_are_read(store: bytes) -> None:
    items = list(outlook_store.extract(BytesSource(store, "a.pst"), Context()))
    texts = [item for item in items if isinstance(item, Text)]
    assert [text.location for text in texts] == ["/Top of Personal Folders/Calendar/message 1"]
    assert "Test appointment" in texts[0].content
    assert "This is a complete test" in texts[0].content
    assert [item.source.container for item in items if isinstance(item, Child)] == [
        "a.pst!/Top of Personal Folders/Calendar/message 1/attachment 1/attachment 1",
        "a.pst!/Top of Personal Folders/Calendar/message 1/attachment 2/attachment 2",
    ]
    assert [item for item in items if isinstance(item, Problem)] == []


@pytest.mark.parametrize("size", [4, 600, 50_000])
def test_half_a_store_is_said(store: bytes, size: int) -> None:
    items = list(extract_all(BytesSource(store[:size], "a.pst"), Context()))
    assert [item.reason for item in items if isinstance(item, Problem)][:1] == ["damaged"]


MUTATE = """
import random, sys
from triage.extractors import extract_all
from triage.extractors.model import BytesSource, Context
data = bytearray(sys.stdin.buffer.read())
generator = random.Random(int(sys.argv[1]))
for _ in range(60):
    one = bytearray(data)
    for _ in range(generator.randrange(1, 30)):
        one[generator.randrange(len(one))] = generator.randrange(256)
    list(extract_all(BytesSource(bytes(one), "a.pst"), Context()))
"""


def test_mutated_stores_raise_nothing(store: bytes) -> None:
    # In a child: the library is C, and a scan runs it in a child, too.
    seed = random.Random(7).randrange(1000)
    done = subprocess.run(
        [sys.executable, "-c", MUTATE, str(seed)], input=store, capture_output=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-500:]
