"""The commands about reports in docs/ run as they stand there."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from chain_of_custody import report_check
from tests.chain_of_custody.test_cli import custody
from tests.conftest import needs

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def environment(tmp_path):
    """An environment in which `custody` is this checkout's program."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "custody"
    code = "from chain_of_custody.cli import main; main()"
    script.write_text(f"#!/bin/sh\nexec {shlex.quote(sys.executable)} -c '{code}' \"$@\"\n")
    script.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}


def blocks(name):
    return re.findall(
        r"^```sh\n(.*?)^```", (ROOT / "docs" / name).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


def run(command, folder, environment):
    done = subprocess.run(
        ["sh", "-ec", command], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(os.name == "nt", reason="runs the commands through a POSIX shell")
def test_the_commands_of_the_page_on_reports(tmp_path, environment):
    (block,) = [block for block in blocks("reports.md") if "custody init" in block]
    shown = run(block, tmp_path, environment)
    assert "verdict: OK" in shown
    for name in ("report.html", "report.pdf", "PC-1.pdf", "case.jsonld", "exhibits.pdf", "bundle.zip"):
        assert (tmp_path / name).stat().st_size > 500, name


@needs("pdfsig", "pdfdetach", "openssl", "sh", "ssh-keygen")
def test_the_guide_for_lawyers_on_the_pdf(tmp_path, environment):
    case = tmp_path / "case"
    for arguments in [("init", case), ("checkpoint", "--case", case)]:
        assert custody(*arguments)[0] == 0
    assert custody("report", "--out", tmp_path / "report.pdf", "--case", case)[0] == 0
    first, second = [block for block in blocks("verifying.ja.md") if "report.pdf" in block]
    shown = run(first, tmp_path, environment)
    for words in ("Signature is Valid.", "Total document signed", "Certificate issuer is unknown."):
        assert words in shown
        assert words in (ROOT / "docs" / "verifying.ja.md").read_text(encoding="utf-8")
    shown = run(second, tmp_path, environment)
    assert "検証結果: OK" in shown
    (signature,) = report_check.check(tmp_path / "report.pdf").signatures
    assert signature.certificate_sha256 in shown.lower().replace(":", "")
    assert custody("verify", "--report", "report.pdf", "--case", "case", cwd=tmp_path)[0] == 0


def test_no_page_claims_conformity():
    for name in ("reports.md", "verifying.ja.md"):
        assert "準拠" not in (ROOT / "docs" / name).read_text(encoding="utf-8")
