"""The commands and tables of docs/imaging.md are those of the tool."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from tests.preserve.media import mixed_data
from tests.preserve.test_imaging_cli import ROOT, preserve

PAGE = (ROOT / "docs/imaging.md").read_text(encoding="utf-8")
# Devices of the page as files; what such a command then ends with, where it is not 0.
EXIT_CODES = {"devices": 0, "clone": 2, "--resume": 5}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Every command of the page, run in its order: name, exit code, standard error."""
    folder = tmp_path_factory.mktemp("docs")
    for name in ("d", "e", "共有"):
        (folder / name).mkdir()
    (folder / "usb.bin").write_bytes(mixed_data(2 << 20))
    (folder / "blank.bin").write_bytes(bytes(1 << 20))
    block = re.search(r"```\n(preserve devices.*?)```", PAGE, re.DOTALL)[1]
    results = []
    for line in block.splitlines():
        words = shlex.split(line.replace("/dev/sdb", "usb.bin").replace("/dev/sdc", "blank.bin"), comments=True)
        words = [word.removeprefix("/srv/") for word in words]
        ran = preserve(*words[1:], *(["--case", "c"] if words[1] != "devices" else []), cwd=folder)
        results.append((words, ran.returncode, ran.stderr))
    return folder, results


def test_every_command_of_the_page_runs(done):
    _, results = done
    assert len(results) == 8
    for words, code, errors in results:
        expected = next((value for name, value in EXIT_CODES.items() if name in words), 0)
        assert code == expected, (words, errors)


def test_the_members_of_disk_json_are_those_of_the_page(done):
    folder, _ = done
    document = json.loads((folder / "d/disk.json").read_text(encoding="utf-8"))
    table = PAGE[PAGE.index("| member |") :]
    named = set(
        re.findall(r"`([a-z_]+)`", "".join(line.split("|")[1] for line in table[: table.index("\n\n")].splitlines()))
    )
    assert named == set(document) - {"format", "tool"}
    for member in ("bytes", "image", "source"):
        row = next(line for line in table.splitlines() if line.startswith(f"| `{member}`"))
        assert set(document[member]) <= set(re.findall(r"`([a-z_0-9]+)`", row)), member
