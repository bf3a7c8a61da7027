import hashlib
import os
import signal
import time
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain_of_custody.errors import TargetError, UsageError
from preserve import isolated_files, open_evidence, open_image
from preserve.extract import choose, extract, prepare_folder, safe_name, target_name
from preserve.recipe import Recipe
from tests.conftest import needs
from tests.preserve.test_ntfs import IMAGE, LISTING
from tests.preserve.test_tsk import make_ext


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("給与 一覧.txt", "給与 一覧.txt"),
        ("..", "%2E%2E"),
        (".", "%2E"),
        ("a:b", "a%3Ab"),
        ("con.txt", "%63on.txt"),
        ("end.", "end%2E"),
        ("100%", "100%25"),
        ("a\\..\\b", "a%5C..%5Cb"),
        ("gpj.\u202exe", "gpj.%202Exe"),
        ("", "%00"),
    ],
)
def test_safe_names(name, safe):
    assert safe_name(name) == safe


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200))
def test_any_name_becomes_one_harmless_part(name):
    safe = safe_name(name)
    assert safe not in ("", ".", "..")
    assert "/" not in safe
    assert "\\" not in safe
    assert ":" not in safe
    assert len(safe.encode()) <= 120
    assert not any(ord(one) < 32 for one in safe)


def test_hostile_paths_stay_below_the_folder():
    entry = SimpleNamespace(path="/../../etc/passwd", state="allocated", id=(0, 7, 1, 128, 0))
    assert target_name("", entry) == "volume/%2E%2E/%2E%2E/etc/passwd"
    entry.path = "/d" * 10_000 + "/deep.txt"
    assert target_name("gpt:2", entry) == "gpt-2/long-paths/7-1-0-deep.txt"
    entry.state = "deleted"
    entry.path = "/a"
    assert target_name("mbr:5", entry) == "mbr-5/a.deleted-7-1"


@pytest.fixture
def evidence():
    with open_image(IMAGE) as image:
        yield open_evidence(image)


def test_extracts_with_hashes_streams_and_deleted_files(evidence, tmp_path):
    chosen = choose(evidence, ["/文書", "/frag/a.bin"])
    done = extract(evidence, chosen, tmp_path)
    by_path = {one.entry.path: one for one in done}
    for path in ("/文書/給与 一覧.txt", "/文書/大きい.txt", "/文書/大きい.txt:Zone.Identifier", "/frag/a.bin"):
        assert by_path[path].sha256 == LISTING[path]
        assert (tmp_path / by_path[path].target).stat().st_size == by_path[path].size
    assert by_path["/文書/消した.bin"].target.startswith("volume/文書/消した.bin.deleted-")
    assert not any(one.problem for one in done)
    assert len((tmp_path / "extracted.jsonl").read_text(encoding="utf-8").splitlines()) == len(done)


def test_by_id(evidence, tmp_path):
    entry = next(one for one in evidence.entries if one.path == "/deleted resident.txt")
    (chosen,) = choose(evidence, ["id:" + "-".join(str(part) for part in entry.id)])
    (done,) = extract(evidence, [chosen], tmp_path)
    assert (tmp_path / done.target).read_bytes() == b"deleted and resident\n"


def test_what_is_not_there_is_said_masked(evidence):
    with pytest.raises(UsageError) as caught:
        choose(evidence, ["/文書/大きい.txt", "/123456789018.txt"])
    assert "********9018" in caught.value.en
    assert "大きい" not in caught.value.en


def test_nothing_is_overwritten(evidence, tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(TargetError, match="not empty"):
        prepare_folder(tmp_path)
    chosen = choose(evidence, ["/frag/a.bin"])
    extract(evidence, chosen, tmp_path)
    with pytest.raises(TargetError):
        extract(evidence, chosen, tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "keep"


def test_names_that_fall_together_get_numbers(evidence, tmp_path):
    chosen = choose(evidence, ["/frag/a.bin"])
    done = extract(evidence, [*chosen, *chosen], tmp_path)
    assert [one.target for one in done] == ["volume/frag/a.bin", "volume/frag/a.bin~2"]


def test_a_folder_without_permission(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(TargetError):
        prepare_folder(tmp_path / "file" / "below")


class _Trap:
    """An image that ends the process, or sleeps, when the byte at `place` is read."""

    def __init__(self, image, place, does):
        self._image, self._place, self._does = image, place, does

    def __getattr__(self, name):
        return getattr(self._image, name)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._image.close()

    def read_at(self, offset, size):
        if offset <= self._place < offset + size:
            if self._does == "crash":
                os.kill(os.getpid(), signal.SIGSEGV)
            time.sleep(60)
        return self._image.read_at(offset, size)


class _Trapped(Recipe):
    def open(self, *, threads=None):
        place, does = os.environ["HOZEN_TEST_TRAP"].split()
        return _Trap(open_image(self.path, threads=threads), int(place), does)


@needs("mkfs.ext4")
@pytest.mark.parametrize("does", ["crash", "hang"])
def test_a_reader_that_crashes_or_hangs_costs_one_file(tmp_path, monkeypatch, does):
    tree = tmp_path / "tree"
    tree.mkdir()
    (tmp_path / "out").mkdir()
    marks = {name: f"{name} marks its middle ".encode() * 40 for name in ("a", "b", "c")}
    for name, mark in marks.items():
        (tree / name).write_bytes(os.urandom(2 << 20) + mark + os.urandom(2 << 20))
    make_ext(tmp_path / "disk.img", tree, "ext4")
    data = (tmp_path / "disk.img").read_bytes()
    if does == "hang":  # long enough for the child to start on a busy machine
        monkeypatch.setattr(isolated_files.IsolatedFiles.__init__, "__kwdefaults__", {"silence_seconds": 12.0})
    # The child gets the place by its environment: it imports this module afresh.
    monkeypatch.setenv("HOZEN_TEST_TRAP", f"{data.index(marks['b'])} {does}")
    with open_image(tmp_path / "disk.img") as image:
        evidence = open_evidence(image)
        evidence.recipe = _Trapped(tmp_path / "disk.img")
        chosen = [one for one in evidence.entries if one.path in ("/a", "/b", "/c")]
        done = {one.entry.path: one for one in extract(evidence, chosen, tmp_path / "out", isolate=True)}
    assert {path: one.problem for path, one in done.items()} == {
        "/a": "",
        "/b": f"the file system reader {'crashed' if does == 'crash' else 'hung and was stopped'}",
        "/c": "",
    }
    for path in ("/a", "/c"):
        assert done[path].sha256 == hashlib.sha256((tree / path[1:]).read_bytes()).hexdigest()
