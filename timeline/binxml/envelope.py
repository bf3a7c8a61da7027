"""The frame of a record: a template of `Event` with its `System` part."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from itertools import accumulate
from operator import itemgetter
from typing import TYPE_CHECKING

from timeline.binxml.templates import Element
from timeline.binxml.values import FILETIME, FIXED, READERS, Strange

if TYPE_CHECKING:
    from collections.abc import Callable

    from timeline.kinds.eventlog import EventKind

_MOST_LAYOUTS = 4096


@dataclass(frozen=True, slots=True)
class Head:
    """What records agree in that have the same provider, number, level, process, user and machine."""

    number: int
    """The same for the same types and kind: which `Shape` of a plan is meant."""
    kind: EventKind
    prefix: str
    """The beginning of `data`, without the closing brace."""
    user: str
    host: str


@dataclass(slots=True)
class Layout:
    """An outer template with the value descriptors of a record, all but the size of the last value."""

    length: int
    """Bytes of the values before the nested one."""
    created: int
    parted: Callable[[bytes], tuple[bytes, ...]]
    """Takes from the values those that make a head."""
    heads: dict[tuple[bytes, ...], Head] = field(default_factory=dict)
    types: bytes = b""


_FIELDS = ("provider", "source", "event_id", "level", "pid", "channel", "computer", "user")


class Envelope:
    """A template of `Event` with its `System` element; its last value is the record's data."""

    def __init__(self, root: Element, number: int) -> None:
        system = root.child("System")
        if root.name != "Event" or system is None or len(root.content) != 2:
            raise Strange
        nested: Element | str | int | None = root.content[1]
        self.has_user_data = False
        if isinstance(nested, Element) and nested.name == "UserData" and not nested.attributes:
            self.has_user_data = True
            nested = nested.one()
        if root.content[0] is not system or not isinstance(nested, int):
            raise Strange
        self.nested = nested
        self.number = number

        def of(name: str, attribute: str = "") -> str | int | None:
            element = system.child(name)
            if element is None:
                return None
            return element.attribute(attribute) if attribute else element.one()

        created = of("TimeCreated", "SystemTime")
        if not isinstance(created, int):
            raise Strange
        self.created = created
        self.places: tuple[str | int | None, ...] = (
            of("Provider", "Name"),
            of("Provider", "EventSourceName"),
            of("EventID"),
            of("Level"),
            of("Execution", "ProcessID"),
            of("Channel"),
            of("Computer"),
            of("Security", "UserID"),
        )
        if not isinstance(self.places[2], int):
            raise Strange
        self.layouts: dict[bytes, Layout] = {}

    def learn(self, key: bytes) -> Layout:
        """The places of the values for these descriptors. Raises Strange."""
        count = self.nested + 1
        if int.from_bytes(key[:4], "little") != count or len(key) != 4 * count:
            raise Strange
        sizes = struct.unpack_from("<" + "Hxx" * self.nested, key, 4)
        types = key[6::4]
        starts = [0, *accumulate(sizes)]
        if types[self.created] != FILETIME or sizes[self.created] != 8:
            raise Strange
        # A value whose size does not fit its type is the general reader's.
        for kind, size in zip(types, sizes, strict=True):
            if kind not in READERS or (kind in FIXED and size != FIXED[kind]):
                raise Strange
        wanted = [place for place in self.places if isinstance(place, int)]
        if any(place >= self.nested for place in wanted) or self.created >= self.nested:
            raise Strange
        # The first value once more at the end: there are always two, so that the result is a tuple.
        spans = [slice(starts[place], starts[place + 1]) for place in [*wanted, wanted[0]]]
        layout = Layout(starts[-1], starts[self.created], itemgetter(*spans), types=types)
        if len(self.layouts) >= _MOST_LAYOUTS:
            self.layouts.clear()
        self.layouts[key] = layout
        return layout

    def values(self, layout: Layout, key: tuple[bytes, ...]) -> dict[str, object]:
        """The fields that make a head, by their names. Raises Strange, UnicodeError."""
        found: dict[str, object] = {}
        left = iter(key)
        for name, place in zip(_FIELDS, self.places, strict=True):
            found[name] = READERS[layout.types[place]](next(left)) if isinstance(place, int) else place
        return found
