"""Pictures: photographed cards, scanned forms, faxes. Their text is read (OCR), or it is said why not.

Reading costs seconds, so `Context.ocr` says how far to go: "auto" looks for text first, in a small copy, and reads only
pictures that show some; "all" reads every one; "off" none. Whatever was decided about a picture is said as `Decision`,
so that nobody takes an unread picture for a clean one. Formats: JPEG, PNG, TIFF (all pages), GIF, BMP, WebP, HEIC.
"""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

from triage import ocr
from triage.extractors import binary
from triage.extractors.model import Decision, LimitReachedError, OutOfTimeError, Problem
from triage.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from triage.extractors.model import Child, Context, Source
    from triage.ocr import Pixels

MAX_FILE_BYTES = 128 << 20
MAX_PIXELS = 120_000_000
"""A page of A0 at 300 dpi has 140 million; larger ones are said to be too large."""
MAX_FRAMES = 500
LEAST_SIDE = 40
LEAST_PIXELS = 20_000
"""Smaller pictures cannot hold twelve readable digits with a label: 120 by 170 pixels is a small icon."""

_SIGNATURES: tuple[tuple[int, bytes], ...] = (
    (0, b"\xff\xd8\xff"),
    (0, b"\x89PNG\r\n\x1a\n"),
    (0, b"GIF87a"),
    (0, b"GIF89a"),
    (0, b"II*\x00"),
    (0, b"MM\x00*"),
    (4, b"ftypheic"),
    (4, b"ftypheix"),
    (4, b"ftypmif1"),
    (4, b"ftypmsf1"),
    (4, b"ftypavif"),
)


def matches(head: bytes, _name: str, size: int) -> bool:
    """A signature; for BMP and WebP, whose signatures are short, their sizes too."""
    if any(head.startswith(magic, offset) for offset, magic in _SIGNATURES):
        return True
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return True
    return head[:2] == b"BM" and len(head) >= 26 and 26 <= int.from_bytes(head[10:14], "little") < size


def extract(source: Source, context: Context) -> Iterator[Text | Problem | Decision | Child]:
    """What is written beside the pixels, then on them."""
    if not context.seen_raw:
        yield from binary.extract(source, context)
    if context.ocr == "off":
        yield Decision("off", source.container)
    elif not ocr.is_installed():
        yield Decision("not_installed", source.container)
    elif source.size > MAX_FILE_BYTES:
        yield _too_large(source.container, f"{source.size:,} bytes")
    else:
        yield from _frames(source, context)


def read_pixels(pixels: Pixels, container: str, location: str, context: Context) -> Iterator[Text | Decision]:
    """The text of one picture or page, RGB, and what was decided about it."""
    reader = ocr.open_reader()
    if reader is None:
        yield Decision("not_installed", container, location)
        return
    height, width = pixels.shape[:2]
    if context.ocr == "auto":
        if min(height, width) < LEAST_SIDE or height * width < LEAST_PIXELS:
            yield Decision("too_small", container, location)
            return
        if not ocr.find_lines(reader, pixels, ocr.FIRST_LOOK_PIXELS):
            yield Decision("no_text", container, location)
            return
        context.check_time()
    page = ocr.read_picture(reader, pixels, check=context.check_time)
    if page.text:
        yield Text(page.text, "ocr", "prose", container, location, stream=f"picture {location}")
    yield Decision("read_in_part" if page.cut else "read" if page.lines_found else "no_text", container, location)


def _too_large(container: str, size: str) -> Problem:
    return Problem(
        "limit", f"画像が大きすぎるため読んでいません({size})", f"picture too large to be read ({size})", container
    )


def _frames(source: Source, context: Context) -> Iterator[Text | Problem | Decision]:
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415 - part of the extra

    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    _register_heic()
    data = source.read_at(0, source.size)
    context.spend(len(data))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # damaged metadata, large pictures: checked here
        try:
            picture = Image.open(io.BytesIO(data))
        except Image.DecompressionBombError:
            yield _too_large(source.container, f"> {2 * MAX_PIXELS:,} pixels")
            return
        except (OSError, ValueError, SyntaxError, UnidentifiedImageError) as error:
            yield _damaged(source.container, "", error)
            return
        with picture:
            yield from _notes(picture, source.container)
            count = min(int(getattr(picture, "n_frames", 1)), MAX_FRAMES)
            # Frames of an animation repeat each other; pages of a TIFF do not.
            if picture.format in ("GIF", "WEBP", "PNG"):
                count = 1
            for number in range(count):
                location = f"p.{number + 1}" if count > 1 else ""
                try:
                    picture.seek(number)
                    width, height = picture.size
                    if width * height > MAX_PIXELS:
                        yield _too_large(source.container, f"{width:,}×{height:,}")
                        continue
                    context.spend(width * height * 3)
                    pixels = _rgb(picture)
                except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
                    yield _damaged(source.container, location, error)
                    continue
                try:
                    yield from read_pixels(pixels, source.container, location, context)
                except OutOfTimeError:
                    yield Decision("no_time", source.container, location)
                    raise
            if count < int(getattr(picture, "n_frames", 1)) and count == MAX_FRAMES:
                yield LimitReachedError(
                    f"画像の枚数の上限({MAX_FRAMES})に達しました", f"limit of {MAX_FRAMES} pages of a picture reached"
                ).problem(source.container)


def _damaged(container: str, location: str, error: Exception) -> Problem:
    name = type(error).__name__
    return Problem("damaged", f"画像を読めません({name})", f"the picture cannot be read ({name})", container, location)


def _rgb(picture: Any) -> Pixels:  # noqa: ANN401 - a picture of Pillow, which is loaded lazily
    """The pixels as seen, uint8[height, width, 3], transparent parts white."""
    import numpy as np  # noqa: PLC0415 - start-up
    from PIL import Image  # noqa: PLC0415 - part of the extra

    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        layered = picture.convert("RGBA")
        ground = Image.new("RGBA", layered.size, (255, 255, 255, 255))
        picture = Image.alpha_composite(ground, layered)
    elif picture.mode.startswith("I;16"):
        picture = picture.point(lambda value: value / 256).convert("L")
    pixels: Pixels = np.asarray(picture.convert("RGB"))
    return pixels


def _notes(picture: Any, container: str) -> Iterator[Text]:  # noqa: ANN401 - a picture of Pillow
    """Texts that the file carries beside the pixels (PNG texts, comments), where they hold digits."""
    for name, value in picture.info.items():
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        if isinstance(text, str) and 12 <= len(text) <= 1 << 20:
            yield Text(text, "", "prose", container, str(name), stream=f"note {name}")


def _register_heic() -> None:
    try:
        from pillow_heif import register_heif_opener  # noqa: PLC0415 - part of the extra

        register_heif_opener()
    except ImportError:
        return
