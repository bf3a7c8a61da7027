import subprocess
from pathlib import Path

import pytest

import chain_of_custody
from chain_of_custody import tool_identity
from tests.conftest import needs


@needs("sha256sum", "find", "sort")
def test_the_package_hash_can_be_repeated_with_coreutils():
    site = Path(chain_of_custody.__file__).parent.parent
    present = [name for name in tool_identity.PACKAGES if (site / name).is_dir()]
    command = (
        f"find {' '.join(present)} -type f -not -path '*/__pycache__/*' -not -name '*.pyc' -print0"
        " | xargs -0 sha256sum | LC_ALL=C sort | sha256sum"
    )
    tool_identity.package_sha256.cache_clear()
    shown = subprocess.run(["sh", "-c", command], cwd=site, check=True, capture_output=True, text=True).stdout
    assert tool_identity.package_sha256() == shown.split()[0]


@pytest.mark.parametrize(
    ("given", "recorded"),
    [
        (["/usr/bin/triage", "scan", "a.E01"], ["triage", "scan", "a.E01"]),
        (["t", "--passphrase", "abc", "x"], ["t", "--passphrase", "***", "x"]),
        (["t", "--password=abc"], ["t", "--password=***"]),
        (["t", "--recovery-key", "1-2", "--pin=4"], ["t", "--recovery-key", "***", "--pin=***"]),
        (["t", "--passphrase-file", "p.txt"], ["t", "--passphrase-file", "p.txt"]),
        (["t", "https://u:secret@tsa.example/x"], ["t", "https://u:***@tsa.example/x"]),
        (["t", "/給与/123456789018.txt"], ["t", "/給与/********9018.txt"]),
        (["t", "bad\udcff"], ["t", "bad\\xff"]),
        (["custody", "record", "note", "--text", "氏名"], ["custody", "record", "note", "--text", "***"]),
        ([], []),
    ],
)
def test_the_command_line_is_recorded_without_secrets(given, recorded):
    assert tool_identity.masked_command(given) == recorded
