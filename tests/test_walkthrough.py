"""The commands of the walkthrough run in their order and give what the page tells; both languages hold the same ones.

The four tools run inside this process, which saves starting Python fifty times; everything else goes through a shell.
"""

from __future__ import annotations

import importlib
import io
import os
import re
import shlex
import subprocess
import sys
import time
import zipfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from chain_of_custody import console
from tests.conftest import needs

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "examples"))

import make_walkthrough  # noqa: E402 - the folder of the examples is no package
import run_walkthrough  # noqa: E402

NUMBERS = re.compile(rb"(?<![0-9])[0-9]{12}(?![0-9])")
DOCS = ROOT / "docs"


class Outcome:
    """Exit code and everything that was printed."""

    def __init__(self, code: int, shown: str) -> None:
        self.code = code
        self.shown = shown


def in_process(package: str, words: list[str]) -> Outcome:
    """Run a tool as its program does."""
    shown = io.StringIO()
    main = importlib.import_module(f"{package}.cli").main
    kept, sys.argv = sys.argv, [package, *words]
    code: object = 0
    try:
        with redirect_stdout(shown), redirect_stderr(shown):
            main()
    except SystemExit as end:
        code = end.code
    finally:
        sys.argv = kept
    return Outcome(code if isinstance(code, int) else int(code is not None), shown.getvalue())


def expanded(words: list[str]) -> list[str]:
    """What a shell makes of `*`."""
    return [
        name
        for word in words
        for name in (sorted(str(one) for one in Path().glob(word)) if "*" in word and "=" not in word else [word])
    ]


def run(command: str, monkeypatch: pytest.MonkeyPatch) -> Outcome:
    words = shlex.split(command, comments=True)
    with monkeypatch.context() as patch:
        while "=" in words[0] and words[0].split("=")[0].isupper():
            name, _, value = words.pop(0).partition("=")
            patch.setenv(name, value)
        if words[0] in run_walkthrough.PACKAGES:
            return in_process(run_walkthrough.PACKAGES[words[0]], expanded(words[1:]))
        done = subprocess.run(
            ["sh", "-c", command], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120
        )
        return Outcome(done.returncode, done.stdout + done.stderr)


@pytest.fixture
def clear_numbers() -> Callable[[Path], set[bytes]]:
    """The numbers of the list on the stick, as they lie there."""

    def read(folder: Path) -> set[bytes]:
        return set(NUMBERS.findall((folder / "stick.dd").read_bytes()))

    return read


def test_both_languages_have_the_same_commands():
    assert run_walkthrough.commands(DOCS / "walkthrough.md") == run_walkthrough.commands(DOCS / "walkthrough.ja.md")


def test_the_evidence_is_the_same_on_every_run(tmp_path):
    for name in ("one", "two"):
        make_walkthrough.build(tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


@needs("fls", "icat", "fsck.fat")
def test_the_stick_is_what_other_programs_read(tmp_path):
    make_walkthrough.build(tmp_path)
    stick = tmp_path / "stick.dd"
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}

    def output(*command: str | Path) -> bytes:
        return subprocess.run(command, capture_output=True, check=True, env=environment).stdout

    listed = output("fls", "-r", "-p", stick).decode()
    assert "r/r * 6:\t個人番号一覧_提出用.csv" in listed
    assert "r/r 8:\t社員台帳.csv" in listed
    assert len(output("icat", stick, "8")) == 425
    assert b"1 files" in output("fsck.fat", "-n", stick) or b"2 files" in output("fsck.fat", "-n", stick)


@pytest.mark.skipif(os.name == "nt", reason="runs some commands through a POSIX shell")
@needs("openssl", "ssh-keygen")
def test_the_walk(tmp_path, monkeypatch, clear_numbers):
    started = time.monotonic()
    make_walkthrough.build(tmp_path / "evidence")
    secret = clear_numbers(tmp_path / "evidence")
    assert len(secret) >= 40
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    shown: dict[str, str] = {}
    for command in run_walkthrough.commands():
        done = run(command, monkeypatch)
        assert done.code == run_walkthrough.expected(command), (command, done.shown)
        assert "Traceback" not in done.shown, command
        assert not secret & set(NUMBERS.findall(done.shown.encode())), command
        shown[command] = done.shown
    console.set_language("en")

    def said(start: str) -> str:
        return next(text for command, text in shown.items() if command.startswith(start))

    solved = said("timeline clock solve")
    assert "“camera:3” was 10 min 55 s to 11 min 4 s fast" in solved
    assert "“host:PC01” was 2 min 6 s to 2 min 14 s fast" in solved
    # The false accusation: read as written, the camera saw Sato two seconds after the alert.
    assert "2025-01-10 09:42:05" in said("timeline show --case office.case --text 席に1名")
    order = said("timeline order S9:0")
    assert "S9:0 was before S7:2" in order
    assert "09:31:0" in order
    assert "09:41:4" in said("timeline order S9:1") or "09:41:3" in said("timeline order S9:1")
    verdicts = said("timeline verdict")
    assert re.findall(r"^# \S+ (.*?)(?: \(|: according)", verdicts, re.MULTILINE) == [
        "copied",
        "no record of writing",
        "copied",
    ]
    assert "the file is on the seized medium [S6:4]" in verdicts
    assert "MIHON00012A" in said("timeline usb")
    assert re.search(r"4897e72ba3c53526.*\n.*stick\.E01", said("triage copies"))
    assert "removable devices connected or written to: 1" in said("triage routes")
    assert "size=349" in said("timeline show --case office.case --text postfix")
    assert "verdict: OK" in said("sh other-side/bundle/verify.sh")
    assert "verdict: OK" in said("custody verify office.case")
    assert "verdict: OK" in said("custody verify --case office.case --report report.pdf")
    assert "suzuki" in said("custody verify office.case")
    assert "37 min 57 s" in said("custody incident")
    # Nothing that goes to other people holds a number in clear; what was revealed does, and it is one.
    outside = [
        *(tmp_path / name for name in ("report.html", "timeline.html", "camera.html", "breach-draft.html")),
        *sorted((tmp_path / "other-side").rglob("*")),
        *sorted((tmp_path / "office.case").rglob("*")),
    ]
    for path in outside:
        if path.is_file() and path.suffix != ".parquet":
            assert not secret & set(NUMBERS.findall(path.read_bytes())), path
    assert len(secret & set(NUMBERS.findall((tmp_path / "revealed.jsonl").read_bytes()))) == 1
    with zipfile.ZipFile(tmp_path / "bundle.zip") as bundle:
        names = {Path(name).name for name in bundle.namelist()}
    assert {"ledger.jsonl", "verify.sh", "report.pdf"} <= names
    assert "findings.jsonl" not in names
    print(f"the walk took {time.monotonic() - started:.0f} s")


@pytest.mark.parametrize("page", ["walkthrough.md", "walkthrough.ja.md"])
def test_the_samples_of_the_page_are_there(page):
    links = re.findall(r"\]\((samples/[^)]+)\)", (DOCS / page).read_text(encoding="utf-8"))
    assert len(links) >= 10
    for link in links:
        assert (DOCS / link).is_file(), link


def test_no_sample_holds_a_number_in_clear(tmp_path, clear_numbers):
    make_walkthrough.build(tmp_path)
    secret = clear_numbers(tmp_path)
    for path in sorted((DOCS / "samples").iterdir()):
        assert not secret & set(NUMBERS.findall(path.read_bytes())), path.name
        assert path.stat().st_size < 700_000, path.name
