"""Text in pictures: what is written on a photographed card or a scanned form, as lines in reading order.

```python
reader = open_reader()                      # None where the extra `hozen[ocr]` is not installed
page = read_picture(reader, pixels)         # pixels: uint8[height, width, 3], RGB
print(page.text)
```
Detection, direction and recognition are models that come inside the package `rapidocr` (PP-OCR, Apache-2.0); nothing
is fetched. Lines are cut out of the picture at its full size, whatever size detection works at; a picture may stand on
any of its four sides, or at a slant. What a model reads is a reading, not a fact: its text goes through the same judge
as all text, and the check digit must pass.
"""

from __future__ import annotations

import importlib.util
import logging
import math
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
    Points = NDArray[np.float32]

FIRST_LOOK_PIXELS = 960
"""Longer side of the picture in which the first look searches for text."""
DETECTION_PIXELS = 2000
"""Longer side of the picture in which lines are searched once there is text."""
MAX_LINES = 600
"""Most lines read on one picture."""
LEAST_SCORE = 0.5
"""What the recognition must be sure of, 0 to 1, for a line to count."""
VOTES = 7
"""Lines that are asked which side is up."""

_DIGIT_GROUP = re.compile(r"[0-9０-９]{1,4}")
# Letters that a model reads for digits, only inside what is otherwise a number written in groups.
_LOOKALIKE = str.maketrans("OoQDIl|ZSB", "0000111258")
_ONE = r"[0-9OoQDIl|ZSB]{4}"
_NEARLY_NUMBER = re.compile(rf"(?<![A-Za-z0-9]){_ONE}(?:[ \-－]?{_ONE}){{2}}(?![A-Za-z0-9])")


@dataclass(frozen=True, slots=True)
class Line:
    """One piece of text. `box`: its four corners in the picture, float32[4, 2], clockwise from its own top left."""

    text: str = field(repr=False)
    score: float
    box: Points = field(repr=False)


@dataclass(frozen=True, slots=True)
class Page:
    """What one picture says: `text` in reading order, a row a line; `lines_found` counts boxes before recognition."""

    text: str = field(repr=False)
    lines_found: int
    turned: int
    """Degrees by which the picture has to be turned clockwise to be read: 0, 90, 180, 270."""
    cut: bool = False
    """More lines than MAX_LINES: the rest was not read."""


def is_installed() -> bool:
    """Whether the extra that reads pictures is there; loads nothing."""
    return all(importlib.util.find_spec(name) is not None for name in ("rapidocr", "onnxruntime", "PIL"))


@lru_cache(maxsize=1)
def open_reader() -> Any | None:  # noqa: ANN401 - rapidocr has no types
    """The models, loaded once in each process; None where they are not installed."""
    if not is_installed():
        return None
    from rapidocr import RapidOCR  # noqa: PLC0415 - 80 MB of models, only where pictures are read

    logging.getLogger("RapidOCR").setLevel(logging.CRITICAL)
    one_thread = {f"EngineConfig.onnxruntime.{name}_op_num_threads": 1 for name in ("intra", "inter")}
    return RapidOCR(params={"Global.log_level": "critical", "Global.max_side_len": DETECTION_PIXELS, **one_thread})


def find_lines(reader: Any, pixels: Pixels, longest: int) -> list[Points]:  # noqa: ANN401 - rapidocr has no types
    """Boxes of text in `pixels`, searched in a picture of at most `longest` pixels a side; float32[4, 2] each."""
    import cv2  # noqa: PLC0415 - comes with rapidocr

    height, width = pixels.shape[:2]
    scale = min(1.0, longest / max(height, width))
    small = pixels
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    found = reader(np.ascontiguousarray(small[:, :, ::-1]), use_det=True, use_cls=False, use_rec=False)
    boxes = getattr(found, "boxes", None)
    if boxes is None:
        return []
    return [np.asarray(box, dtype=np.float32).reshape(4, 2) / np.float32(scale) for box in boxes]


def read_picture(
    reader: Any,  # noqa: ANN401 - rapidocr has no types
    pixels: Pixels,
    *,
    check: Callable[[], None] = lambda: None,
) -> Page:
    """All text of one picture. `check` is called between lines and may raise to end the work."""
    boxes = find_lines(reader, pixels, DETECTION_PIXELS)
    check()
    if not boxes:
        return Page("", 0, 0)
    upright = _stands(boxes)
    crops = [(box if upright else _turned(box)) for box in boxes]
    order = sorted(range(len(crops)), key=lambda at: -_width(crops[at]))
    votes = 0
    asked = order[:VOTES]
    for at in asked:
        votes += 1 if _is_upside_down(reader, _cut(pixels, crops[at])) else -1
        check()
    upside_down = votes > 0
    if upside_down:
        crops = [np.roll(box, 2, axis=0) for box in crops]
    lines = []
    for at in order[:MAX_LINES]:
        check()
        text, score = _recognise(reader, _cut(pixels, crops[at]))
        if text and score >= LEAST_SCORE:
            lines.append(Line(text, score, crops[at]))
    turned = (0 if upright else 270) + (180 if upside_down else 0)
    return Page(in_reading_order(lines), len(boxes), turned % 360, cut=len(boxes) > MAX_LINES)


def in_reading_order(lines: Sequence[Line]) -> str:
    """Lines joined into rows, from top to bottom along the slant of the text; groups of digits in a row join up."""
    if not lines:
        return ""
    angles = [math.atan2(*reversed((line.box[1] - line.box[0]).tolist())) for line in lines]
    weights = [_width(line.box) for line in lines]
    # The mean of directions, not of angles: text that is read to the left has angles on both sides of ±180°.
    slant = math.atan2(
        sum(math.sin(angle) * weight for angle, weight in zip(angles, weights, strict=True)),
        sum(math.cos(angle) * weight for angle, weight in zip(angles, weights, strict=True)),
    )
    cosine, sine = math.cos(-slant), math.sin(-slant)
    placed = []
    for line in lines:
        x, y = line.box.mean(axis=0).tolist()
        placed.append((x * sine + y * cosine, x * cosine - y * sine, _width(line.box), _height(line.box), line.text))
    placed.sort()
    rows: list[list[tuple[float, float, float, float, str]]] = []
    for item in placed:
        if rows and abs(item[0] - rows[-1][0][0]) < 0.6 * min(item[3], rows[-1][0][3]):
            rows[-1].append(item)
        else:
            rows.append([item])
    return "\n".join(_row(sorted(row, key=lambda item: item[1])) for row in rows)


def _row(items: Sequence[tuple[float, float, float, float, str]]) -> str:
    parts: list[str] = []
    edge = 0.0
    for _, middle, width, height, text in items:
        if parts:
            near = middle - width / 2 - edge < 4 * height
            both = _DIGIT_GROUP.fullmatch(text) and _DIGIT_GROUP.fullmatch(parts[-1].rpartition(" ")[2])
            parts.append(f"{parts.pop()} {text}" if near and both else text)
        else:
            parts.append(text)
        edge = middle + width / 2
    return _NEARLY_NUMBER.sub(_corrected, "  ".join(parts))


def _corrected(match: re.Match[str]) -> str:
    text = match[0]
    letters = sum(character.isalpha() or character == "|" for character in text)
    return text.translate(_LOOKALIKE) if 0 < letters <= 3 else text


def _width(box: Points) -> float:
    return float(np.linalg.norm(box[1] - box[0]) + np.linalg.norm(box[2] - box[3])) / 2


def _height(box: Points) -> float:
    return float(np.linalg.norm(box[3] - box[0]) + np.linalg.norm(box[2] - box[1])) / 2


def _stands(boxes: Sequence[Points]) -> bool:
    """Whether most text, by length, runs across the picture and not up or down."""
    across = sum(_width(box) for box in boxes if _width(box) >= _height(box))
    upward = sum(_height(box) for box in boxes if _height(box) > 1.5 * _width(box))
    return across >= upward


def _turned(box: Points) -> Points:
    """The corners of a box as seen from its left side: text that runs downward or upward lies flat then."""
    return box if _width(box) >= _height(box) else np.roll(box, 1, axis=0)


def _cut(pixels: Pixels, box: Points) -> Pixels:
    """The box as a flat picture, RGB."""
    import cv2  # noqa: PLC0415 - comes with rapidocr

    width, height = max(8, round(_width(box))), max(8, round(_height(box)))
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    matrix = cv2.getPerspectiveTransform(np.ascontiguousarray(box, dtype=np.float32), target)
    flat = cv2.warpPerspective(pixels, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(flat, dtype=np.uint8)


def _is_upside_down(reader: Any, crop: Pixels) -> bool:  # noqa: ANN401 - rapidocr has no types
    found = reader(np.ascontiguousarray(crop[:, :, ::-1]), use_det=False, use_cls=True, use_rec=False)
    results = getattr(found, "cls_res", None) or [("0", 0.0)]
    return str(results[0][0]) == "180"


def _recognise(reader: Any, crop: Pixels) -> tuple[str, float]:  # noqa: ANN401 - rapidocr has no types
    found = reader(np.ascontiguousarray(crop[:, :, ::-1]), use_det=False, use_cls=False, use_rec=True)
    texts, scores = getattr(found, "txts", None), getattr(found, "scores", None)
    if not texts or not scores:
        return "", 0.0
    return str(texts[0]), float(scores[0])
