"""Folders of results in a case, `scans/1-disk.E01`, `searches/2-disk.E01` …: numbered as they were begun."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def folders_in(parent: Path) -> dict[int, tuple[Path, str]]:
    """Those that there are: number -> (folder, the name behind the number)."""
    found: dict[int, tuple[Path, str]] = {}
    if parent.is_dir():
        for entry in parent.iterdir():
            number, _, name = entry.name.partition("-")
            if number.isdigit():
                found[int(number)] = (entry, name)
    return found


def next_folder(parent: Path, name: str) -> Path:
    """The path of the next one (not made): `name` must be masked."""
    return parent / f"{max(folders_in(parent), default=0) + 1}-{name}"
