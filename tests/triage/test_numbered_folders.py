"""Folders of results are numbered; what is no such folder does not count."""

from __future__ import annotations

from typing import TYPE_CHECKING

from triage.numbered_folders import folders_in, next_folder

if TYPE_CHECKING:
    from pathlib import Path


def test_the_next_number_is_one_more_than_the_highest(tmp_path: Path) -> None:
    parent = tmp_path / "scans"
    assert next_folder(parent, "a.E01") == parent / "1-a.E01"
    for name in ("2-a.E01", "10-b-c.dd", "notes", "x-1"):
        (parent / name).mkdir(parents=True)
    assert next_folder(parent, "a.E01") == parent / "11-a.E01"
    assert folders_in(parent) == {2: (parent / "2-a.E01", "a.E01"), 10: (parent / "10-b-c.dd", "b-c.dd")}
