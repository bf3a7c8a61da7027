"""The commands of the walkthrough run in their order, in both languages the same, with the results the page tells."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import needs
from tests.make_walkthrough import NUMBER, build

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {"triage": "triage", "preserve": "preserve", "custody": "chain_of_custody", "timeline": "timeline"}
PARTIAL = "triage scan evidence/laptop.E01"


def commands(name: str) -> list[str]:
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines()]


def test_both_languages_have_the_same_commands():
    assert commands("walkthrough.md") == commands("walkthrough.ja.md")


@pytest.mark.skipif(os.name == "nt", reason="runs the commands through a POSIX shell")
@needs("mkfs.fat", "mcopy", "openssl", "ssh-keygen")
def test_the_walk(tmp_path):
    build(tmp_path / "evidence")
    programs = tmp_path / "bin"
    programs.mkdir()
    for program, package in PACKAGES.items():
        script = programs / program
        code = f"from {package}.cli import main; main()"
        script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c {shlex.quote(code)} "$@"\n')
        script.chmod(0o755)
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    shown: dict[str, str] = {}
    for command in commands("walkthrough.md"):
        done = subprocess.run(
            ["sh", "-c", command], cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == (3 if command.startswith(PARTIAL) else 0), (command, done.stderr)
        assert NUMBER not in done.stdout + done.stderr, command
        shown[" ".join(command.split()[:3])] = done.stdout
    assert "36 min 57 s to 37 min 2 s fast" in shown["timeline clock solve"]
    verdicts = shown["timeline verdict --case"]
    assert re.findall(r"^# \S+ (.*?)(?: \(|: according)", verdicts, re.MULTILINE) == ["copied", "no record of writing"]
    assert "verdict: OK" in shown["sh office.case/verify.sh"]
    assert "verdict: OK" in shown["custody verify --case"]
    assert NUMBER not in (tmp_path / "office.case/ledger.jsonl").read_text(encoding="utf-8")
    assert NUMBER not in (tmp_path / "timeline.html").read_text(encoding="utf-8")
    with zipfile.ZipFile(tmp_path / "bundle.zip") as bundle:
        names = {Path(name).name for name in bundle.namelist()}
    assert {"ledger.jsonl", "verify.sh", "report.pdf"} <= names
