"""An image in another format: E01 to raw and back, through the same pipeline and read-back as imaging."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

from chain_of_custody.errors import EvidenceError, UsageError, VerificationError
from chain_of_custody.masking import mask_path
from preserve.acquire import acquire
from preserve.image import open_image
from preserve.preflight import Opened
from preserve.source import ImageSource
from preserve.volumes import open_volumes

if TYPE_CHECKING:
    from pathlib import Path

    from chain_of_custody.case import Case
    from preserve.acquire import Result
    from preserve.image import Image
    from preserve.request import Request
    from preserve.watcher import Watcher

_LARGEST_JSON = 64 << 20


class _Exported(ImageSource):
    """An image whose unreadable sectors were recorded when it was made: they stay unreadable in the copy."""

    def __init__(self, image: Image, recorded: list[tuple[int, int]]) -> None:
        super().__init__(image)
        self._recorded = recorded

    def known_unreadable(self) -> list[tuple[int, int]]:
        """What the image cannot give now, and what could not be read when it was made."""
        errors = getattr(self.image, "acquisition_errors", None)  # E01 only
        inside = [(one.offset, one.size) for one in errors or ()]
        return [*super().known_unreadable(), *inside, *self._recorded]


def recorded_unreadable(path: Path, size_bytes: int) -> list[tuple[int, int]]:
    """The `unreadable` of the `disk.json` beside an image; empty where there is none that fits."""
    beside = path.with_name(path.name.removesuffix(path.suffix) + ".json")
    with suppress(OSError, ValueError, KeyError, TypeError):
        if beside.stat().st_size <= _LARGEST_JSON:
            document = json.loads(beside.read_text(encoding="utf-8"))
            if document["format"] == "hozen-image/1" and document["size"] == size_bytes:
                ranges = [(int(one["offset"]), int(one["size"])) for one in document["unreadable"]]
                return [(offset, size) for offset, size in ranges if 0 <= offset < offset + size <= size_bytes]
    return []


def export(request: Request, *, case: Case | None = None, watcher: Watcher | None = None) -> Result:
    """Write the image `request.source` to the targets in their formats and read them back.

    Hashes that the image carries are compared with those of what was written. Raises VerificationError where they
    differ (the copy is complete, but the image is not what it was when it was made), and what `acquire` raises.
    """
    if request.source.is_block_device():
        raise UsageError(
            f"装置は export できません: {mask_path(request.source)}",
            f"a device cannot be exported: {mask_path(request.source)}",
            hint_ja="preserve image を使ってください",
            hint_en="use `preserve image`",
        )
    with open_image(request.source) as image:
        if image.size == 0:
            raise EvidenceError(
                f"イメージが 0 バイトです: {mask_path(request.source)}",
                f"the image has no bytes: {mask_path(request.source)}",
            )
        for target in request.targets:
            if target.path.exists() and any(target.path.samefile(segment) for segment in image.segments):
                raise UsageError(
                    f"書込み先が元のイメージと同じです: {mask_path(target.path)}",
                    f"the target is the image itself: {mask_path(target.path)}",
                )
        source = _Exported(image, recorded_unreadable(request.source, image.size))
        has_table = any(":" in volume.layer for volume in open_volumes(image)[0])
        opened = Opened(
            source,
            None,
            "file",
            read_only_before=None,
            read_only_set=False,
            is_physical=has_table,
            has_partition_table=has_table,
        )
        result = acquire(request, case=case, watcher=watcher, opened=opened, kind="export")
        wrong = [
            name
            for name, value in image.stored_hashes.items()
            if name in result.hashes and result.hashes[name] != value
        ]
        if wrong:
            raise VerificationError(
                f"元のイメージの記録ハッシュと一致しません({', '.join(wrong)}): {mask_path(request.source)}",
                f"the image does not have the hash that it carries ({', '.join(wrong)}): {mask_path(request.source)}",
                hint_ja="書き出しは読めた内容どおりに完了しています。元のイメージを preserve verify で調べてください",
                hint_en="the copy holds what could be read; examine the image with `preserve verify`",
            )
        return result
