"""Linux LVM2: logical volumes, linear and striped, over the physical volumes of one medium.

Format: LVM2's `lib/format_text/layout.h` and the "Logical Volume Manager (LVM) format" of libvslvm. The metadata is
text; only its size bounds what it can cost.
"""

from __future__ import annotations

import re
import struct
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from preserve.derived import DerivedImage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from preserve.image import Image

_SECTOR = 512
_LARGEST_TEXT = 16 << 20
_MOST_SEGMENTS = 100_000
_MOST_VOLUMES = 1024
_DEEPEST = 8
_TOKEN = re.compile(r'#[^\n]*|"((?:[^"\\]|\\.)*)"|([A-Za-z0-9_.+-]+)|([={}\[\],])')


@dataclass(frozen=True, slots=True)
class PhysicalVolume:
    """A physical volume: its identifier (without hyphens) and the text of its newest metadata."""

    identifier: str
    text: str


@dataclass(frozen=True, slots=True)
class LogicalVolume:
    """A logical volume. `name` is `group/volume`; `size` in bytes; `unsupported` says why it cannot be read."""

    name: str
    size: int
    segments: tuple[_Segment, ...] = ()
    unsupported: str = ""
    missing: tuple[str, ...] = ()
    """Physical volumes that are not on this medium."""


@dataclass(frozen=True, slots=True)
class _Segment:
    """`stripes` are (identifier of the physical volume, byte in it); `stripe` is bytes of one turn."""

    start: int
    size: int
    stripes: tuple[tuple[str, int], ...]
    stripe: int


@dataclass(slots=True)
class _Group:
    name: str
    sequence: int
    tree: Mapping[str, Any]
    physical: dict[str, tuple[str, int]] = field(default_factory=dict)  # name -> identifier, first byte of extents


def read_physical_volume(volume: Image) -> PhysicalVolume | None:
    """The label and metadata of a physical volume; None where a volume is none."""
    head = volume.read_at(0, 4 * _SECTOR)
    for at in range(0, len(head) - 511, _SECTOR):
        label = head[at : at + _SECTOR]
        if label[:8] == b"LABELONE" and label[24:32] == b"LVM2 001":
            break
    else:
        return None
    start = int.from_bytes(label[20:24], "little")
    if not 32 <= start <= 400:
        return None
    identifier = label[start : start + 32].decode("ascii", "replace")
    place = start + 40
    areas: list[tuple[int, int]] = []
    lists = 0
    while lists < 2 and place + 16 <= len(label):
        offset, size = struct.unpack_from("<QQ", label, place)
        place += 16
        if not offset and not size:
            lists += 1
        elif lists == 1:
            areas.append((offset, size))
    for offset, size in areas:
        text = _metadata(volume, offset, size)
        if text:
            return PhysicalVolume(identifier, text)
    return PhysicalVolume(identifier, "")


def _metadata(volume: Image, offset: int, size: int) -> str:
    header = volume.read_at(offset, _SECTOR)
    if header[4:20] != b" LVM2 x[5A%r0N*>":
        return ""
    at, length = struct.unpack_from("<QQ", header, 40)
    if not _SECTOR <= at < size or not 0 < length <= min(size, _LARGEST_TEXT):
        return ""
    raw = volume.read_at(offset + at, min(length, size - at))
    if len(raw) < length:  # the area is a ring behind its header
        raw += volume.read_at(offset + _SECTOR, length - len(raw))
    return raw.split(b"\0", 1)[0].decode("utf-8", "replace")


def parse_metadata(text: str) -> dict[str, Any]:
    """Metadata text as nested dicts: sections, strings, integers, lists. What cannot be parsed ends it early."""
    root: dict[str, Any] = {}
    stack = [root]
    tokens = _tokens(text)
    name = ""
    for kind, value in tokens:
        if kind == "word":
            name = value
        elif value == "{":
            section: dict[str, Any] = {}
            if len(stack) > _DEEPEST:
                return root
            stack[-1][name] = section
            stack.append(section)
        elif value == "}":
            if len(stack) == 1:
                return root
            stack.pop()
        elif value == "=":
            stack[-1][name] = _value(tokens)
    return root


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    for match in _TOKEN.finditer(text):
        if match[1] is not None:
            yield "string", re.sub(r"\\(.)", r"\1", match[1])
        elif match[2]:
            yield "word", match[2]
        elif match[3]:
            yield "mark", match[3]


def _value(tokens: Iterator[tuple[str, str]]) -> Any:  # noqa: ANN401 - a string, a number or a list
    kind, value = next(tokens, ("mark", ""))
    if kind == "mark" and value == "[":
        items: list[Any] = []
        for one_kind, one in tokens:
            if one_kind == "mark" and one == "]":
                break
            if one_kind != "mark":
                items.append(_scalar(one_kind, one))
        return items
    return _scalar(kind, value)


def _scalar(kind: str, value: str) -> Any:  # noqa: ANN401
    if kind == "word" and re.fullmatch(r"-?\d{1,18}", value):
        return int(value)
    return value


def logical_volumes(physical: Sequence[PhysicalVolume]) -> list[LogicalVolume]:
    """The visible logical volumes of all groups whose physical volumes are given, by name."""
    groups: dict[str, _Group] = {}
    for one in physical:
        for name, tree in parse_metadata(one.text).items():
            if not isinstance(tree, dict) or ("logical_volumes" not in tree and "physical_volumes" not in tree):
                continue
            group = _Group(name, int(tree.get("seqno", 0) or 0), tree)
            key = str(tree.get("id", name))
            if key not in groups or groups[key].sequence < group.sequence:
                groups[key] = group
    here = {one.identifier for one in physical}
    found: list[LogicalVolume] = []
    for group in groups.values():
        try:
            found += _volumes_of(group, here)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            found.append(
                LogicalVolume(group.name, 0, unsupported=f"its metadata make no sense ({type(error).__name__})")
            )
    return sorted(found, key=lambda one: one.name)[:_MOST_VOLUMES]


def _volumes_of(group: _Group, here: set[str]) -> Iterator[LogicalVolume]:
    extent = int(group.tree["extent_size"]) * _SECTOR
    for name, one in group.tree.get("physical_volumes", {}).items():
        group.physical[name] = (str(one["id"]).replace("-", ""), int(one["pe_start"]) * _SECTOR)
    volumes = group.tree.get("logical_volumes", {})
    for name, volume in volumes.items():
        if "VISIBLE" not in volume.get("status", []):
            continue
        shown = f"{group.name}/{name}"
        segments: list[_Segment] = []
        unsupported = ""
        for number in range(1, min(int(volume["segment_count"]), _MOST_SEGMENTS) + 1):
            segment = volume[f"segment{number}"]
            try:
                segments += _segments(group, volumes, segment, extent, int(segment["start_extent"]) * extent, 0)
            except LookupError as error:
                unsupported = str(error.args[0]) if error.args else "its metadata make no sense"
        size = max((one.start + one.size for one in segments), default=0)
        used = {identifier for one in segments for identifier, _ in one.stripes}
        segments.sort(key=lambda one: one.start)
        yield LogicalVolume(shown, size, tuple(segments), unsupported, tuple(sorted(used - here)))


def _segments(
    group: _Group, volumes: Mapping[str, Any], segment: Mapping[str, Any], extent: int, start: int, depth: int
) -> Iterator[_Segment]:
    """The segments on physical volumes of one segment; a mirror is read from its first copy.

    Raises LookupError with the reason for what is not read.
    """
    kind = str(segment["type"])
    size = int(segment["extent_count"]) * extent
    if size <= 0 or start < 0 or depth > _DEEPEST:
        raise LookupError("its metadata make no sense")
    if kind in ("raid1", "mirror"):
        legs = segment["raids"][1::2] if kind == "raid1" else segment["mirrors"][::2]
        leg = volumes[legs[0]]
        for number in range(1, min(int(leg["segment_count"]), _MOST_SEGMENTS) + 1):
            part = leg[f"segment{number}"]
            yield from _segments(group, volumes, part, extent, start + int(part["start_extent"]) * extent, depth + 1)
        return
    if kind not in ("striped", "linear"):
        raise LookupError(f"segments of type {kind} are not read")
    names, firsts = segment["stripes"][::2], segment["stripes"][1::2]
    stripes = []
    for name, first in zip(names, firsts, strict=True):
        identifier, base = group.physical[name]
        stripes.append((identifier, base + int(first) * extent))
    yield _Segment(start, size, tuple(stripes), int(segment.get("stripe_size", 0)) * _SECTOR or size)


class LogicalImage(DerivedImage):
    """A logical volume; what lies on a physical volume that is not there reads as zeros and is said."""

    def __init__(self, volume: LogicalVolume, physical: Mapping[str, Image], layer: str, medium: Image) -> None:
        super().__init__(volume.size, layer, sector_size=medium.sector_size, segments=medium.segments)
        self._physical = physical
        self._parts = volume.segments
        self._starts = [one.start for one in self._parts]

    def place(self, offset: int) -> tuple[str, int, int]:
        """(identifier of the physical volume, byte in it, bytes that follow there); empty where nothing is mapped."""
        index = bisect_right(self._starts, offset) - 1
        part = self._parts[index] if index >= 0 else None
        if part is None or offset >= part.start + part.size:
            after = self._starts[index + 1] if index + 1 < len(self._starts) else self.size
            return "", 0, max(1, after - offset)
        turn, inside = divmod(offset - part.start, part.stripe)
        row, column = divmod(turn, len(part.stripes))
        identifier, base = part.stripes[column]
        left = min(part.stripe - inside, part.start + part.size - offset)
        return identifier, base + row * part.stripe + inside, left

    def _read(self, offset: int, size: int) -> bytes:
        parts: list[bytes] = []
        done = 0
        while done < size:
            identifier, place, left = self.place(offset + done)
            take = min(left, size - done)
            image = self._physical.get(identifier)
            data = image.read_at(place, take) if image is not None else b""
            if len(data) < take and identifier:
                what = "is missing" if image is None else "ends early"
                detail = f"the physical volume {identifier} {what}"
                self.note(offset + done + len(data), take - len(data), "missing_segment", detail)
            parts.append(data + bytes(take - len(data)))
            done += take
        return b"".join(parts)
