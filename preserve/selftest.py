"""Checking the tool on this machine (動作確認): a reference image with known hashes is read, imaged and verified.

The shipped `reference/reference.E01` was made by another program (ewfacquire 20140813, `-f encase6 -c best`) from a
floppy (1.44 MB, FAT12) with three files and a deleted one, so that reading it checks this tool against that one. Then
the same bytes are imaged by this tool as E01 and raw at once, read back, and once more with invented bad sectors.
"""

from __future__ import annotations

import errno
import hashlib
import platform
import tempfile
import time
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from chain_of_custody import tool_identity
from chain_of_custody.errors import HozenError
from chain_of_custody.masking import mask_path
from preserve.acquire import acquire
from preserve.image import open_image
from preserve.preflight import Opened
from preserve.request import Request, Target
from preserve.source import ImageSource

if TYPE_CHECKING:
    from chain_of_custody.case import Case
    from chain_of_custody.jcs import Json
    from preserve.image import Image

REFERENCE_SIZE = 1_474_560
REFERENCE_MD5 = "7729e5a85ff008d817be711ba8c35598"
REFERENCE_SHA1 = "6e5b9f2116df856581632b63f0fa743f17111e58"
REFERENCE_SHA256 = "785d70b8f67ac8e6a01f013e9877c9b44e235ef882bb15ca0bff75abed8b1ae1"
_BAD_SECTORS = (0, 1000, 1001, 2879)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was tried: name and result in Japanese and English."""

    ja: str
    en: str
    is_ok: bool
    detail: str = ""


@dataclass(slots=True)
class SelftestResult:
    """All checks."""

    checks: list[Check] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def is_ok(self) -> bool:
        """Whether every check passed."""
        return bool(self.checks) and all(check.is_ok for check in self.checks)


class _Damaged(ImageSource):
    """The reference image with sectors that cannot be read."""

    def read_into(self, offset: int, view: memoryview, size: int) -> None:
        if any(offset < (sector + 1) * 512 and offset + size > sector * 512 for sector in _BAD_SECTORS):
            raise OSError(errno.EIO, "invented bad sector")
        super().read_into(offset, view, size)


def selftest(*, folder: Path | None = None, case: Case | None = None) -> SelftestResult:
    """Run all checks in a temporary folder (inside `folder`, if given: the medium that is going to be used).

    A check that raises counts as failed; its words say why. With a case the result is recorded.
    """
    result = SelftestResult()
    if case is None:
        _run(result, folder)
        return result
    begin: dict[str, Json] = {
        "auto": {
            "tool": f"hozen {tool_identity.version()}",
            "python": platform.python_version(),
            "system": platform.platform(),
        },
        "reference": {"size": str(REFERENCE_SIZE), "sha256": REFERENCE_SHA256},
    }
    with case.action("selftest", begin) as action:
        _run(result, folder)
        action.set_result(
            {
                "is_ok": result.is_ok,
                "checks": [
                    {"ja": one.ja, "en": one.en, "is_ok": one.is_ok, "detail": one.detail} for one in result.checks
                ],
                "seconds": f"{result.seconds:.1f}",
            },
            status="done" if result.is_ok else "partial",
        )
    return result


def _run(result: SelftestResult, folder: Path | None) -> None:
    started = time.monotonic()
    reference = resources.files("preserve") / "reference" / "reference.E01"
    with (
        resources.as_file(reference) as path,
        tempfile.TemporaryDirectory(dir=folder, prefix="hozen-selftest-") as name,
    ):
        work = Path(name)
        for ja, en, check in (
            ("参照イメージの読取りとハッシュ", "reading the reference image, hashes", _check_reading),
            ("E01 と raw の同時作成と読戻し", "imaging to E01 and raw at once, reading back", _check_imaging),
            ("読取不能セクタの正確な記録", "exact record of bad sectors", _check_bad_sectors),
        ):
            try:
                with open_image(path) as image:
                    problem = check(image, work)
            except (HozenError, OSError, ValueError) as error:
                problem = mask_path(f"{type(error).__name__}: {error}")
            result.checks.append(Check(ja, en, not problem, problem))
    result.seconds = time.monotonic() - started


def _differences(hashes: dict[str, str]) -> str:
    expected = {"md5": REFERENCE_MD5, "sha1": REFERENCE_SHA1, "sha256": REFERENCE_SHA256}
    return ", ".join(f"{name} {value}" for name, value in hashes.items() if expected[name] != value)


def _check_reading(image: Image, _work: Path) -> str:
    data = image.read_at(0, image.size)
    if len(data) != REFERENCE_SIZE:
        return f"{len(data)} bytes"
    found = {name: hashlib.new(name, data, usedforsecurity=False).hexdigest() for name in ("md5", "sha1", "sha256")}
    return _differences(found) or _differences(dict(image.stored_hashes))


def _opened(source: ImageSource) -> Opened:
    return Opened(
        source,
        None,
        "file",
        read_only_before=None,
        read_only_set=False,
        is_physical=False,
        has_partition_table=False,
    )


def _check_imaging(image: Image, work: Path) -> str:
    targets = (Target(work / "copy.E01", "e01"), Target(work / "plain.dd", "raw"))
    request = Request(Path(image.layer), targets, algorithms=("md5", "sha1", "sha256"), segment_size=1 << 20)
    result = acquire(request, opened=_opened(ImageSource(image)))
    if not result.is_equal or len(result.checks) != 2:
        return result.words[1]
    return _differences(result.hashes)


def _check_bad_sectors(image: Image, work: Path) -> str:
    expected = bytearray(image.read_at(0, image.size))
    for sector in _BAD_SECTORS:
        expected[sector * 512 : (sector + 1) * 512] = bytes(512)
    request = Request(Path(image.layer), (Target(work / "damaged.E01", "e01"),))
    result = acquire(request, opened=_opened(_Damaged(image)))
    if result.unreadable != [(0, 512), (512_000, 1024), (REFERENCE_SIZE - 512, 512)]:
        return f"unreadable: {result.unreadable}"
    if not result.is_equal or result.hashes["sha256"] != hashlib.sha256(expected).hexdigest():
        return "the image differs outside the bad sectors"
    return ""
