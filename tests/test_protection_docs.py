"""The commands of docs/protection.md run in their order, with the results that the page tells."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import needs

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "protection.md").read_text(encoding="utf-8")
PROGRAM = "import sys; sys.path.insert(0, {root!r}); from {package}.cli import main; main()"
PACKAGES = {"custody": "chain_of_custody", "preserve": "preserve", "triage": "triage"}
# What a command ends with, where it is not 0: 3 is “a part could not be read” of the sample, 5 a refusal.
CODES = {"preserve info": (0, 3), "triage scan": (3,), "triage search": (0, 3)}


@needs("ssh-keygen")
def test_every_command_of_the_page(tmp_path: Path) -> None:
    shutil.copy(ROOT / "examples" / "sample.E01", tmp_path / "sample.E01")
    (tmp_path / "number.txt").write_text("123456789018\n")
    environment = os.environ | {"HOZEN_CONFIG_HOME": str(tmp_path / "config"), "LC_ALL": "C.UTF-8"}
    lines = re.search(r"```\n(custody init.*?)```", PAGE, re.DOTALL)
    assert lines is not None
    for line in lines[1].splitlines():
        words = shlex.split(line, comments=True)
        start = words
        if words[0] in PACKAGES:
            program = PROGRAM.format(root=str(ROOT), package=PACKAGES[words[0]])
            start = [sys.executable, "-c", program, *words[1:]]
        done = subprocess.run(start, cwd=tmp_path, env=environment, capture_output=True, timeout=120, check=False)
        wanted = (5,) if "# refused" in line else CODES.get(" ".join(words[:2]), (0,))
        assert done.returncode in wanted, (line, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    assert (tmp_path / "clear" / "sample.E01").read_bytes() == (tmp_path / "sample.E01").read_bytes()
    assert not list((tmp_path / "shared").glob("*.age"))


def test_both_languages_have_the_same_measures() -> None:
    japanese = (ROOT / "docs" / "protection.ja.md").read_text(encoding="utf-8")
    rows = [re.findall(r"C\d+", line.split("|")[1]) for line in PAGE.splitlines() if line.startswith("| C")]
    others = [re.findall(r"C\d+", line.split("|")[1]) for line in japanese.splitlines() if line.startswith("| C")]
    assert rows == others
    assert {int(one[1:]) for row in rows for one in row} == set(range(1, 16)) - {4}


def test_the_attacks_of_both_pages_are_the_same_and_their_tests_exist() -> None:
    japanese = (ROOT / "docs" / "protection.ja.md").read_text(encoding="utf-8")
    english = PAGE.partition("## Attacks")[2].partition("## What only")[0]
    names = set(re.findall(r"`(test_\w+\.py)`", english))
    assert len(names) > 6
    known = {one.name for one in (ROOT / "tests").rglob("test_*.py")}
    assert names <= known
    rows = [line for line in english.splitlines() if line.startswith("| ")][1:]
    others = [
        line for line in japanese.partition("## 攻撃")[2].partition("## 暗号化")[0].splitlines() if line[:2] == "| "
    ]
    assert len(rows) == len(others[1:])
