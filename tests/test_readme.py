"""The commands in both READMEs run as written, and the two tell the same."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
READMES = ("README.md", "README.ja.md")
PACKAGES = {"triage": "triage", "preserve": "preserve", "custody": "chain_of_custody", "timeline": "timeline"}
READS_ALL = ("triage scan", "triage search", "triage export")


def commands(name: str) -> list[str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return [
        line
        for block in re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        for line in block.splitlines()
        if line
    ]


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with the programs, so that the commands run as they stand."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for program, package in PACKAGES.items():
        script = folder / program
        script.write_text(
            f"#!/bin/sh\nexec {shlex.quote(sys.executable)} -c 'from {package}.cli import main; main()' \"$@\"\n"
        )
        script.chmod(0o755)
    return folder


@pytest.mark.skipif(os.name == "nt", reason="runs the commands through a POSIX shell")
@pytest.mark.parametrize("name", READMES)
def test_the_commands_run(name, programs, tmp_path):
    (tmp_path / "examples").mkdir()
    shutil.copy(ROOT / "examples" / "sample.E01", tmp_path / "examples")
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    for command in commands(name):
        done = subprocess.run(
            ["sh", "-c", command], cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=120,
        )  # fmt: skip
        # 3: the sample holds a locked zip on purpose.
        assert done.returncode in ((0, 3) if command.startswith(READS_ALL) else (0,)), (command, done.stderr)
    assert (tmp_path / "sample.E01.case" / "scans" / "1-sample.E01" / "report.html").is_file()


def test_the_two_readmes_are_equal_in_all_that_is_not_words():
    one, two = ((ROOT / name).read_text(encoding="utf-8") for name in READMES)

    def shape(text: str) -> tuple[int, int, int, list[str]]:
        links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if not link.startswith("README")]
        return text.count("\n## "), text.count("\n| "), text.count("```"), links

    assert shape(one) == shape(two)
    normal = [[re.sub(r'--reason "[^"]*"', "", line) for line in commands(name)] for name in READMES]
    assert normal[0] == normal[1]


@pytest.mark.parametrize("name", READMES)
def test_links_lead_somewhere(name):
    for link in re.findall(r"\]\(([^)#]+)\)", (ROOT / name).read_text(encoding="utf-8")):
        assert (ROOT / link).exists(), link


def test_each_package_that_is_used_is_pinned():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8").lower()
    wanted = re.findall(r'^  "([A-Za-z0-9-]+)>=', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert [name for name in wanted if f"\n{name.lower()}==" not in f"\n{lock}"] == []
