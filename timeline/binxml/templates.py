"""Templates of binary XML: elements with constant texts and numbers of values.

A chunk holds its own copies of the templates that its records use; see `Definition.is_at`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from timeline.binxml.values import STRING, Strange

if TYPE_CHECKING:
    from collections.abc import Sequence

FRAGMENT = b"\x0f\x01\x01\0"
_NAME = struct.Struct("<IHH")
_DEPTH = 16
_U16 = struct.Struct("<H").unpack_from
_U32 = struct.Struct("<I").unpack_from


@dataclass(slots=True)
class Element:
    """An element of a template: attributes and content as constant texts and numbers of values."""

    name: str
    attributes: list[tuple[str, list[str | int]]] = field(default_factory=list)
    content: list[Element | str | int] = field(default_factory=list)

    def child(self, name: str) -> Element | None:
        """The one child element of that name."""
        found = [one for one in self.content if isinstance(one, Element) and one.name == name]
        return found[0] if len(found) == 1 else None

    def one(self) -> str | int | None:
        """The content, where it is one text or one value; None for none. Raises Strange."""
        return _one(self.content)

    def attribute(self, name: str) -> str | int | None:
        """The same of an attribute."""
        for own, parts in self.attributes:
            if own == name:
                return _one(parts)
        return None


def _one(parts: Sequence[Element | str | int]) -> str | int | None:
    if not parts:
        return None
    part = parts[0]
    if len(parts) > 1 or isinstance(part, Element):
        raise Strange
    return part


class _TemplateReader:
    """Reads the tokens of one definition, and notes where names stand that a copy in another chunk has elsewhere."""

    def __init__(self, raw: bytes, start: int, end: int) -> None:
        self._raw, self._start, self._at, self._end = raw, start, start, end
        self.places: list[tuple[int, str, bool]] = []
        """Of each name: where its offset stands, the name, whether the name follows right there."""

    def _take(self, size: int) -> int:
        at = self._at
        self._at += size
        if self._at > self._end:
            raise Strange
        return at

    def _name(self) -> str:
        place = self._take(4)
        (offset,) = _U32(self._raw, place)
        inline = offset == self._at
        name, size = read_name(self._raw, offset)
        if inline:
            self._take(size)
        self.places.append((place - self._start, name, inline))
        return name

    def read(self) -> Element:
        """The root element."""
        raw = self._raw
        if raw[self._take(4) : self._at] != FRAGMENT:
            raise Strange
        root = self._element(raw[self._take(1)], _DEPTH)
        if raw[self._take(1)] != 0 or self._at != self._end:
            raise Strange
        return root

    def _element(self, token: int, depth: int) -> Element:
        if token not in (0x01, 0x41) or not depth:
            raise Strange
        self._take(6)
        element = Element(self._name())
        raw = self._raw
        if token == 0x41:
            self._take(4)
            more = 0x46
            while more == 0x46:
                more = raw[self._take(1)]
                if more not in (0x06, 0x46):
                    raise Strange
                name = self._name()
                parts: list[str | int] = []
                while raw[self._at] in (0x05, 0x0D, 0x0E):
                    parts.append(self._value(raw[self._take(1)]))
                element.attributes.append((name, parts))
        closing = raw[self._take(1)]
        if closing == 0x03:
            return element
        if closing != 0x02:
            raise Strange
        while (token := raw[self._take(1)]) != 0x04:
            if token in (0x05, 0x0D, 0x0E):
                element.content.append(self._value(token))
            else:
                element.content.append(self._element(token, depth - 1))
        return element

    def _value(self, token: int) -> str | int:
        raw = self._raw
        if token == 0x05:
            if raw[self._take(1)] != STRING:
                raise Strange
            (size,) = _U16(raw, self._take(2))
            at = self._take(2 * size)
            text = raw[at : self._at].decode("utf-16-le")
            if "\0" in text:
                raise Strange
            return text
        place = self._take(3)
        return int.from_bytes(raw[place : place + 2], "little")


def read_name(raw: bytes, offset: int) -> tuple[str, int]:
    """A name in a chunk and its size in bytes with all that surrounds it. Raises Strange, UnicodeError."""
    if offset + 10 > len(raw):
        raise Strange
    _, _, count = _NAME.unpack_from(raw, offset)
    end = offset + 8 + 2 * count
    if end + 2 > len(raw) or not count:
        raise Strange
    name = raw[offset + 8 : end].decode("utf-16-le")
    if "\0" in name:
        raise Strange
    return name, 10 + 2 * count


class Definition:
    """A template and the bytes by which a copy of it in another chunk is known to be the same.

    Copies differ in the offsets of names and of lists of names alone.
    """

    def __init__(self, raw: bytes, start: int, end: int) -> None:
        reader = _TemplateReader(raw, start, end)
        self.root = reader.read()
        layout, at = "<", 0
        self._names: list[bytes] = []
        self._own: list[tuple[int, int]] = []
        self._others: list[int] = []
        for index, (place, name, inline) in enumerate(reader.places):
            layout += f"{place - at}sI"
            at = place + 4
            letters = name.encode("utf-16-le")
            self._names.append((len(letters) // 2).to_bytes(2, "little") + letters)
            if inline:
                # A list of names of the chunk runs through it: four bytes, the offset of the next one.
                layout += "4x"
                at += 4
                self._own.append((index, place + 4))
            else:
                self._others.append(index)
        layout += f"{end - start - at}s"
        self._layout = struct.Struct(layout)
        self._constant = self._layout.unpack_from(raw, start)[::2]

    def is_at(self, raw: bytes, start: int) -> bool:
        """Whether the definition at `start` of this chunk is the same."""
        found = self._layout.unpack_from(raw, start)
        if found[::2] != self._constant:
            return False
        offsets = found[1::2]
        for index, place in self._own:
            if offsets[index] != start + place:
                return False
        names = self._names
        for name, offset in {(names[index], offsets[index]) for index in self._others}:
            if raw[offset + 6 : offset + 6 + len(name)] != name or offset + 8 + len(name) > len(raw):
                return False
        return True
