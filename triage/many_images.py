"""Several images in one run: what a folder holds, and the numbers over all of them.

The HMACs of one case can be compared, so a person whose number lies on two images is counted once.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from chain_of_custody.errors import UsageError
from triage.results import CONFIDENCES, open_results

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

FIRST_SEGMENT = re.compile(
    r"(?i)\.(e01|ex01|l01|lx01|s01|001|000|dd|raw|img|iso|qcow2?|vmdk|vhd|vhdx|vdi|dmg|bin)$",
)
"""Names of images, of split ones the first segment."""
_LATER_SEGMENT = re.compile(r"(?i)-(s|f|flat|delta)\d*\.vmdk$|-flat\.vmdk$")


def images_of(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """The images that `paths` name, folders opened up (not below), and the files in folders that are none by name.

    Raises UsageError for a folder without images.
    """
    images: list[Path] = []
    others: list[Path] = []
    for path in paths:
        if not path.is_dir():
            images.append(path)
            continue
        files = sorted(entry for entry in path.iterdir() if entry.is_file())
        found = [file for file in files if FIRST_SEGMENT.search(file.name) and not _LATER_SEGMENT.search(file.name)]
        if not found:
            raise UsageError(
                f"フォルダーにイメージがありません: {path}",
                f"no images in the folder: {path}",
                hint_ja="イメージのファイルか、.E01・.dd などのイメージを含むフォルダーを指定してください",
                hint_en="name an image, or a folder that holds images (.E01, .dd, …)",
            )
        images += found
        segment = re.compile(r"(?i)\.[elsx]x?[0-9a-z]{2}$|\.\d{3}$")
        others += [file for file in files if file not in found and not segment.search(file.name)]
    return list(dict.fromkeys(images)), others


def persons_over(folders: Sequence[Path]) -> Mapping[str, int]:
    """Distinct numbers over several scans of one case, as an interval: see `scan.persons_of`."""
    best: dict[str, int] = {}
    for folder in folders:
        for line in open_results(folder).findings():
            if line["kind"] == "my_number":
                rank = CONFIDENCES.index(line["confidence"])
                best[line["hmac"]] = min(rank, best.get(line["hmac"], rank))
    ranks = [sum(rank == level for rank in best.values()) for level in range(3)]
    return {"lower": ranks[0], "estimate": ranks[0] + ranks[1], "upper": sum(ranks)}
