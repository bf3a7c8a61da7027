"""Scans of real images made by others: exit codes, file systems, media inside, gaps (`benchmarks/scan_shared.py`)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))

import scan_shared


@pytest.mark.parametrize(
    ("name", "code", "systems", "inside", "files", "gaps"),
    [
        ("apfs.raw", 0, ["apfs"], {}, 9, 0),
        ("image.E01", 0, ["ext2"], {}, 3, 0),
        ("vsstest.qcow2", 0, ["ntfs"], {"vss": 2}, 7, 0),
        ("fat-differential.vhd", 3, [""], {}, 0, 10),
        ("tsk_volume_system.raw", 3, ["", "ext2"], {}, 0, 1),
    ],
)
def test_images_of_other_projects(shared_data, tmp_path, name, code, systems, inside, files, gaps):
    image = next(shared_data.rglob(name))
    row = scan_shared.scan(image, tmp_path)
    assert (row["exit"], row["filesystems"], row["inside"], row["files"]) == (code, systems, inside, files)
    assert sum(row["gaps"].values()) == gaps
    assert row["findings"] == [0, 0, 0]
