"""Every command of docs/timeline.md runs, in the order in which it stands there."""

import re
import shlex
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.timeline.builds import logs, run
from timeline.rows import stored_schema
from timeline.store import SOURCE_COLUMNS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "timeline.md").read_text(encoding="utf-8")


def commands():
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL):
        yield from (line for line in block.splitlines() if line.strip())


def test_every_command_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "tests" / "data" / "preserve" / "ntfs.E01", tmp_path / "disk.E01")
    logs(tmp_path / "logs")
    listed = list(commands())
    assert len(listed) >= 15
    for line in listed:
        program, *arguments = shlex.split(line)
        assert program == "timeline"
        assert run(*arguments).exit_code in (0, 3), line
    assert (tmp_path / "timeline.csv").exists()


@pytest.mark.parametrize("name", stored_schema().names)
def test_every_column_is_described(name):
    assert f"`{name}`" in PAGE


def test_every_column_of_a_source_is_described():
    for name in SOURCE_COLUMNS:
        assert f"`{name}`" in PAGE


def test_the_example_of_version_1_is_read():
    """A store that an earlier version wrote; it is kept so that every later one reads it."""
    folder = ROOT / "tests" / "data" / "timeline-1"
    result = run("stats", "--store", folder, "--json")
    assert result.exit_code == 0
    assert '"events": 14' in result.stdout
    part = next((folder / "events").iterdir())
    assert pq.read_table(part).schema.names == stored_schema().names
