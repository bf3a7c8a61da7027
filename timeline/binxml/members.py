"""The data of a record: a template of `EventData` or `UserData` with the types of its values."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from itertools import accumulate, pairwise
from operator import itemgetter
from typing import TYPE_CHECKING

from timeline.binxml.templates import Element
from timeline.binxml.values import (
    NULL,
    READERS,
    STRINGS,
    Kept,
    Strange,
    actor_maker,
    content_of,
    maker,
    number_of,
    params_of,
    said_of,
    text_of,
)
from timeline.masking import mask_value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from timeline.kinds.eventlog import EventKind

_MOST_PLANS = 4096
_MOST_CUTS = 2048  # of one plan


Member = tuple[str, int, bool]
"""Name, number of the value, whether it is a `Data`."""


class Members:
    """A template of what stands in `EventData` or `UserData`: names of members and the values they hold.

    Data without a name stand together under an empty one.
    """

    def __init__(self, root: Element) -> None:
        self.in_event_data = root.name == "EventData"
        self.members: list[Member] = []
        for one in root.content:
            if not isinstance(one, Element) or len(one.content) != 1 or not isinstance(one.content[0], int):
                raise Strange
            name = one.name
            if one.attributes:
                given = one.attribute("Name")
                if name != "Data" or len(one.attributes) != 1 or not isinstance(given, str) or not given:
                    raise Strange
                name = given
            elif name == "Data":
                name = ""
            self.members.append((name, one.content[0], one.name == "Data"))
        names = [name for name, _, _ in self.members]
        if len({*names, *OWN_MEMBERS}) != len(names) + len(OWN_MEMBERS):
            raise Strange
        if "" in names and any(name.startswith("param") for name in names):
            raise Strange
        if any(mask_value(name) != name for name in names):
            raise Strange
        self.plans: dict[bytes, Plan] = {}

    def learn(self, types: bytes) -> Plan:
        """How values of these types are made members. Raises Strange."""
        if len(self.plans) >= _MOST_PLANS:
            self.plans.clear()
        self.plans[types] = plan = Plan(self.members, types)
        return plan


OWN_MEMBERS = ("event_id", "provider", "channel", "level", "pid", "user_sid", "written", "repaired", "cut")
"""Members of `data` that are no member of the record's own data."""


@dataclass(slots=True)
class Shape:
    """Records whose two templates, types of values and kind are the same; `proven` once one came out as it should."""

    actor: tuple[tuple[Kept, int, int], ...]
    """Makes of (domain, user) what is shown, with the places of both."""
    path: tuple[tuple[Kept, int], ...]
    size: tuple[Kept, int] | None
    proven: bool = False
    refused: bool = False

    def tells(self, values: tuple[bytes, ...]) -> tuple[str, str, int | None]:
        """Actor, path and bytes; the first of the places that says something counts."""
        actor = path = ""
        for made, domain, user in self.actor:
            actor = made[(values[domain] if domain >= 0 else b"", values[user])]
            if actor:
                break
        for made, index in self.path:
            path = made[values[index]]
            if path:
                break
        return actor, path, None if self.size is None else self.size[0][values[self.size[1]]]


def _alone(raw: bytes) -> tuple[bytes, ...]:
    return (raw,)


def _none(raw: bytes) -> tuple[bytes, ...]:
    del raw
    return ()


class Plan:
    """Values of one template with their types."""

    def __init__(self, members: Sequence[Member], types: bytes) -> None:
        if any(kind not in READERS for kind in types) or any(index >= len(types) for _, index, _ in members):
            raise Strange
        self._types = types
        self._members = members
        self.sizes = struct.Struct("<" + "Hxx" * len(types)).unpack_from
        self.makers: list[Kept] = []
        self.format = ""
        for name, index, is_data in members:
            kind = types[index]
            if not name:
                self.makers.append(maker(params_of, kind))
                self.format += ",%s"
            elif kind == STRINGS:
                raise Strange
            else:
                self.makers.append(maker(text_of if is_data else content_of, kind))
                self.format += "," + json.dumps(name, ensure_ascii=False).replace("%", "%%") + ":%s"
        order = tuple(index for _, index, _ in members)
        self.order = None if order == tuple(range(len(types))) else order
        """Numbers of the values that the members have; None where all have theirs in order."""
        self.cuts: dict[bytes, tuple[int, Callable[[bytes], tuple[bytes, ...]]]] = {}
        self.shapes: dict[int, Shape] = {}

    def cut(self, descriptors: bytes) -> tuple[int, Callable[[bytes], tuple[bytes, ...]]]:
        """Bytes of the values with these descriptors, and what parts them."""
        ends = [*accumulate(self.sizes(descriptors), initial=0)]
        spans = [slice(first, last) for first, last in pairwise(ends)]
        if len(spans) > 1:
            parted: Callable[[bytes], tuple[bytes, ...]] = itemgetter(*spans)
        elif spans:
            parted = _alone
        else:
            parted = _none
        if len(self.cuts) >= _MOST_CUTS:
            self.cuts.clear()
        self.cuts[descriptors] = found = (ends[-1], parted)
        return found

    def shape(self, number: int, kind: EventKind) -> Shape:
        """How records of this kind tell who, what, and how many bytes; kept under `number`."""
        places = {name: (self._types[index], 0, index) for name, index, _ in self._members if name}
        listed = [index for name, index, _ in self._members if not name and self._types[index] == STRINGS]
        if listed:
            places |= {f"param{number}": (STRINGS, number, listed[0]) for number in range(1, 33)}
        actor = []
        for one in kind.actor:
            domain, _, user = one.rpartition("|")
            if user in places:
                of, who = places.get(domain, _NOTHING), places[user]
                actor.append((actor_maker(of[:2], who[:2]), of[2], who[2]))
        path = tuple((maker(said_of, *places[one][:2]), places[one][2]) for one in kind.path if one in places)
        size = places.get(kind.bytes)
        found = Shape(tuple(actor), path, None if size is None else (maker(number_of, *size[:2]), size[2]))
        if len(self.shapes) >= _MOST_PLANS:
            self.shapes.clear()
        self.shapes[number] = found
        return found


_NOTHING = (NULL, 0, -1)
