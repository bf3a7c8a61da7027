import re

import pytest

from chain_of_custody.errors import EvidenceError
from timeline import parsers, recognition
from timeline.parsers import PARSERS, Parser
from timeline.recognition import asks_for, by_name, looks_like_text, recognise
from timeline.sources import SourceFile, local_file, memory_file


def test_every_parser_has_a_name_of_its_own():
    assert all(isinstance(parser, Parser) for parser in PARSERS)
    assert len(by_name()) == len(PARSERS)


@pytest.mark.parametrize(
    ("head", "text"),
    [
        (b"Nov 14 22:13:20 host sshd[1]: x\n", True),
        ("日時,利用者\n2023/11/14,山田\n".encode("cp932"), True),
        ("日時".encode("utf-16"), True),
        ("2023-11-14 22:13:20 logon\r\n".encode("utf-16-le"), True),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)), False),
        (bytes(range(256)) * 4, False),
        (bytes(4096), False),
        (b"\x01" * 100 + b"2023-11-14 a line of text\n" * 160, True),
        (b"\x01" * 150 + b"2023-11-14 a line of text\n" * 160, False),
        (b"2023-11-14 a line of text\n" * 160 + b"\x01" * 150, False),
        (b"2023-11-14 a line of text\n" * 160 + b"\x01" * 100, True),
        (b"", False),
    ],
)
def test_text_is_told_from_binary(head, text):
    assert looks_like_text(head) is text


def test_content_counts_before_the_name():
    body = b"0|/a|1|-|0|0|1|1|1|1|1\n"
    assert recognise(memory_file("/picture.png", body)).parsers == ("bodyfile",)
    assert recognise(memory_file("/body.txt", bytes(range(256)) * 20)).parsers == ()
    assert not asks_for("a.bin", bytes(range(256)) * 16)
    assert asks_for("a.bin", b"regf" + bytes(range(256)) * 15)
    assert asks_for("Security.EVTX", bytes(range(256)) * 16)
    assert asks_for("a.bin", b"a line\n")
    assert not asks_for("a.bin", b"")


class Named:
    NAME = "named"
    NAMES = re.compile(r".*\.xyz")

    def matches(self, file):
        return file.head[:4] == b"XYZ!"

    def promises(self, file):
        return file.name.endswith(".xyz")

    def parse(self, _file, _context):
        yield from ()


@pytest.fixture
def only(monkeypatch):
    """Let one parser be all there are."""

    def use(parser):
        monkeypatch.setattr(parsers, "PARSERS", (parser,))
        recognition._asked.cache_clear()

    yield use
    recognition._asked.cache_clear()


def test_a_name_promises_a_live_file_only(only):
    only(Named())
    assert recognise(memory_file("/a.xyz", b"XYZ!")).parsers == ("named",)
    live = recognise(memory_file("/a.xyz", bytes(70)))
    assert live.parsers == ()
    assert [one.reason for one in live.problems] == ["damaged"]
    gone = memory_file("/a.xyz", bytes(70))
    gone.state = "deleted"
    assert recognise(gone).problems == ()
    assert recognise(memory_file("/a.txt", b"XYZ!")).parsers == ()


def test_a_parser_that_fails_in_looking_is_a_problem_of_the_file(only):
    class Broken:
        NAME = "broken"

        def matches(self, _file):
            raise ValueError("123456789018")

        def parse(self, _file, _context):
            yield from ()

    only(Broken())
    found = recognise(memory_file("/a", b"x"))
    assert "ValueError" in found.problems[0].detail
    assert "123456789018" not in found.problems[0].detail


def test_a_file_that_cannot_be_read_is_said():
    def broken():
        raise EvidenceError("読めません", "bad cluster")

    assert "bad cluster" in recognise(SourceFile("/a", 5, broken)).problems[0].detail


def test_files_beside_a_file(tmp_path):
    (tmp_path / "SYSTEM").write_bytes(b"x" * 10)
    (tmp_path / "SYSTEM.LOG1").write_bytes(b"log")
    file = local_file(tmp_path / "SYSTEM", root=tmp_path)
    assert file.path == "/SYSTEM"
    assert file.sibling("system.log1").head == b"log"
    assert file.sibling("none") is None
    assert file.at("/SYSTEM.LOG1").read(2) == b"lo"
    assert file.at("/../etc/passwd") is None
    with file.open() as stream:
        assert stream.seek(-4, 2) == 6
        assert stream.read() == b"xxxx"


@pytest.mark.parametrize(
    ("path", "parser"),
    [
        ("/Windows/Prefetch/CMD.EXE-087B4001.pf", "prefetch"),
        ("/Users/a/Desktop/b.lnk", "lnk"),
        ("/Users/a/NTUSER.DAT", "registry"),
        ("/Windows/System32/config/SYSTEM", "registry"),
        ("/Windows/appcompat/Programs/Amcache.hve", "registry"),
        ("/Windows/System32/sru/SRUDB.dat", "ese"),
        ("/Users/a/AppData/Local/Microsoft/Windows/WebCache/WebCacheV01.dat", "ese"),
    ],
)
def test_a_name_of_windows_promises_its_format(path, parser):
    found = recognise(memory_file(path, b"\x81\x02\xfe\x99" * 2000))
    assert (found.parsers, [one.reason for one in found.problems]) == ((), ["damaged"])
    assert found.problems[0].detail == f"named as {parser}, but its content is not of that format"


@pytest.mark.parametrize("path", ["/etc/pam.d/system", "/fonts/times.pf", "/var/security", "/Users/a/empty.lnk"])
def test_such_a_name_elsewhere_promises_nothing(path):
    content = b"" if path.endswith(".lnk") else b"\x81\x02\xfe\x99" * 2000
    assert recognise(memory_file(path, content)).problems == ()
