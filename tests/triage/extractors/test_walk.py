"""The walk through nested containers: limits, bombs, and errors that stay where they happened."""

from __future__ import annotations

import gzip
import io
import time
import zipfile
import zlib
from typing import TYPE_CHECKING

from triage import extractors
from triage.extractors import extract_all
from triage.extractors.model import BytesSource, Child, Context, Limits, Problem, Text

if TYPE_CHECKING:
    import pytest

A = "123456789018"


def zipped(members: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return target.getvalue()


def zeros(size: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = bytes(1 << 20)
    return b"".join(packer.compress(block) for _ in range(size >> 20)) + packer.flush()


def test_nesting_ends_at_the_limit(read) -> None:
    data = zipped({"a.txt": A.encode()})
    for _ in range(30):
        data = zipped({"n.zip": data})
    result = read(data, "a.zip", limits=Limits(depth=5))
    assert [problem.reason for problem in result.problems] == ["limit"]
    assert result.problems[0].container.count("!/") == 6
    assert result.texts == []
    assert A in read(data, "a.zip", limits=Limits(depth=31)).content()


def test_a_bomb_is_cut_and_its_siblings_are_read(read) -> None:
    data = zipped({"bomb.gz": zeros(96 << 20), "b.txt": f"個人番号 {A}".encode()})
    result = read(data, "a.zip", limits=Limits(ratio=100, ratio_free_bytes=4 << 20))
    assert [problem.reason for problem in result.problems] == ["limit"]
    assert A in result.content(container="a.zip!/b.txt")


def test_output_over_all_members_is_bounded(read) -> None:
    bomb = zeros(64 << 20)
    data = zipped({f"{number}.gz": bomb for number in range(50)})
    result = read(data, "a.zip", limits=Limits(output_bytes=100 << 20))
    assert [problem.reason for problem in result.problems] == ["limit"]


def test_what_a_file_may_unpack_to_follows_its_size() -> None:
    context = Context(Limits(output_bytes=10_000, total_ratio=10, total_free_bytes=100))
    context.start(5)
    assert context.allowed_bytes == 100
    context.start(50)
    assert context.allowed_bytes == 500
    context.start(1 << 40)
    assert context.allowed_bytes == 10_000


def test_members_are_bounded(read) -> None:
    result = read(zipped({str(number): b"" for number in range(200)}), "a.zip", limits=Limits(members=50))
    assert [problem.reason for problem in result.problems] == ["limit"]


def test_time_is_bounded(read) -> None:
    started = time.monotonic()
    result = read(b"123456789018 " * 4_000_000, limits=Limits(seconds=0.05))
    assert [problem.reason for problem in result.problems] == ["limit"]
    assert time.monotonic() - started < 5


class Exploding:
    """An extractor that fails in the middle."""

    @staticmethod
    def matches(head: bytes, name: str, size: int) -> bool:
        return head.startswith(b"EXPLODE")

    @staticmethod
    def extract(source, context):
        yield Text("before", "ascii")
        raise KeyError(A)


def test_an_exception_becomes_a_problem_without_the_value(read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extractors, "EXTRACTORS", (Exploding, *extractors.EXTRACTORS))
    result = read(zipped({"a": b"EXPLODE", "b.txt": A.encode()}), "a.zip")
    (problem,) = result.problems
    assert (problem.reason, problem.container) == ("damaged", "a.zip!/a")
    assert "KeyError" in problem.en
    assert A not in repr(problem)
    assert "before" in result.content()
    assert A in result.content(container="a.zip!/b.txt")


class Failing:
    """A source whose reads fail."""

    size = 100
    name = "x"
    container = ""

    def read_at(self, offset: int, size: int, /) -> bytes:
        raise OSError("no")


def test_a_source_that_cannot_be_read_is_a_problem() -> None:
    items = list(extract_all(Failing(), Context()))
    assert [(item.reason, "OSError" in item.en) for item in items if isinstance(item, Problem)] == [("damaged", True)]


def test_digits_do_not_show_in_reprs() -> None:
    assert A not in repr(Text(A, "ascii"))
    assert A not in repr(Child(BytesSource(A.encode(), "a.txt")))


def test_empty_and_tiny_files(read) -> None:
    for data in (b"", b"a", b"PK\x03\x04", b"%PDF-", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"\x1f\x8b\x08", b"{\\rtf"):
        assert read(data).texts == []


def test_results_are_the_same_every_time(read) -> None:
    for name in ("nested.zip", "message.eml", "reportlab.pdf"):
        first, second = read(name), read(name)
        assert [(text.content, text.container, text.location) for text in first.texts] == [
            (text.content, text.container, text.location) for text in second.texts
        ]


def test_gzip_of_gzip(read) -> None:
    data = gzip.compress(gzip.compress(A.encode(), mtime=0), mtime=0)
    assert A in read(data, "a.gz.gz").content()
