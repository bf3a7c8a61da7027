"""Records of a chunk decoded into rows, as far as their layouts are understood."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from itertools import count
from operator import getitem
from typing import TYPE_CHECKING

from chain_of_custody.masking import mask_text
from timeline.binxml.envelope import Envelope, Head, Layout
from timeline.binxml.members import Members, Plan, Shape
from timeline.binxml.templates import FRAGMENT, Definition
from timeline.binxml.values import BINARY_XML, FIRST_TIME, LAST_TIME, MOST_KEPT, Kept, Strange, created_text
from timeline.kinds.eventlog import BY_EVENT, EventKind
from timeline.masking import mask_value

if TYPE_CHECKING:
    from collections.abc import Sequence

UNKNOWN = EventKind("evtx.event")
MOST_MEMBERS = 1792
"""Characters of the data of a record, of ASCII four times as many: more may have to be cut, which is not done here."""
_MOST_TEMPLATES = 4096
_MOST_NAMES = 4096  # of one chunk
_INSTANCE = struct.Struct("<6sII")
_NESTED = struct.Struct("<2sII")
_DEFINITION = struct.Struct("<I16sI")
_NAME = struct.Struct("<IHH")
_TABLE = struct.Struct("<64I")
_U16 = struct.Struct("<H").unpack_from
_U32 = struct.Struct("<I").unpack_from
_U64 = struct.Struct("<Q").unpack_from

Row = tuple[int, str, str, int, str, str, str, int | None, str]
"""FILETIME of the header, time in the event where it differs, kind, record id, actor, host, path, bytes, data (JSON).

Texts are masked."""


@dataclass(slots=True)
class Trial:
    """A row of a shape that is not proven yet."""

    shape: Shape
    row: Row

    def settle(self, right: Row | None) -> None:
        """Compare with the row of the general reader: from now on the shape is used, or refused.

        Nothing follows from a record whose two times differ, for which there is no such row (None).
        """
        if right is None or self.row[1] or self.shape.refused:
            return
        if same_row(self.row, right):
            self.shape.proven = True
        else:
            self.shape.proven, self.shape.refused = False, True


def same_row(own: Row, right: Row) -> bool:
    """Whether two rows say the same; the order of members of `data` does not count."""
    if own[0] != right[0] or right[1] != created_text(own[0]) or own[2:8] != right[2:8]:
        return False
    return _loaded(own[8]) == _loaded(right[8])


def _loaded(text: str) -> object:
    # Repeated names would hide each other.
    return sorted(json.loads(text, object_pairs_hook=lambda pairs: pairs), key=lambda pair: str(pair[0]))


class RecordDecoder:
    """Templates and shapes that a process has met; they hold for all logs."""

    def __init__(self) -> None:
        self._definitions: dict[bytes, list[tuple[Definition, Envelope | Members | None]]] = {}
        self._numbers: dict[tuple[int, bytes, EventKind], int] = {}
        self._count = count()

    def rows(self, raw: bytes, records: Sequence[tuple[int, int, int, int]], host: str) -> list[Row | Trial | None]:
        """The records of a chunk, each as (record id, FILETIME, offset, size): None is left to the general reader.

        `host` is the machine of records that name none. The chunk has been found whole: its checksums are right and
        its lists of names hold.
        """
        found: list[Row | Trial | None] = []
        known: dict[int, Envelope | Members | None] = {}
        for record in records:
            try:
                found.append(self._row(raw, record, known, host))
            except (Strange, UnicodeError, struct.error, IndexError, RecursionError):
                found.append(None)
        return found

    def _row(
        self, raw: bytes, record: tuple[int, int, int, int], known: dict[int, Envelope | Members | None], host: str
    ) -> Row | Trial:
        identifier, written, at, size = record
        beginning, _, offset = _INSTANCE.unpack_from(raw, at + 24)
        if beginning != b"\x0f\x01\x01\0\x0c\x01" or not FIRST_TIME < written < LAST_TIME:
            raise Strange
        place = at + 38
        if offset == place:
            place += 24 + _U32(raw, place + 20)[0]
        envelope = known[offset] if offset in known else self._definition(raw, offset, known)
        if not isinstance(envelope, Envelope):
            raise Strange
        nested = place + 4 + 4 * envelope.nested
        key = raw[place:nested]
        layout = envelope.layouts.get(key) or envelope.learn(key)
        start = nested + 4
        wanted = layout.parted(raw[start : start + layout.length])
        head = layout.heads.get(wanted) or self._head(envelope, layout, wanted)
        (created,) = _U64(raw, start + layout.created)
        start += layout.length
        end = start + _U16(raw, nested)[0]
        # Behind the instance stands the end of the fragment, if anything.
        if end > at + size - 4 or (raw[end] and end < at + size - 4):
            raise Strange
        time_text = "" if created // 10 == written // 10 else created_text(created)
        if raw[nested + 2] != BINARY_XML or end == start:
            raise Strange
        plan, values = self._members(raw, start, end, envelope, known)
        data = plan.format % tuple(
            map(getitem, plan.makers, values if plan.order is None else [values[index] for index in plan.order])
        )
        if len(data) > MOST_MEMBERS and (len(data) > 4 * MOST_MEMBERS or not data.isascii()):
            raise Strange
        shape = plan.shapes.get(head.number) or plan.shape(head.number, head.kind)
        if shape.refused:
            raise Strange
        actor, path, amount = shape.tells(values)
        row = (
            written,
            time_text,
            head.kind.kind,
            identifier,
            actor or head.user,
            head.host or host,
            path,
            amount,
            f"{head.prefix}{data}}}",
        )
        return row if shape.proven else Trial(shape, row)

    def _members(
        self, raw: bytes, start: int, end: int, envelope: Envelope, known: dict[int, Envelope | Members | None]
    ) -> tuple[Plan, tuple[bytes, ...]]:
        """The values of the nested instance that stands from `start` to `end`, and what is made of them."""
        if raw[start] == 0x0F:
            if raw[start : start + 4] != FRAGMENT:
                raise Strange
            start += 4
        beginning, _, offset = _NESTED.unpack_from(raw, start)
        if beginning != b"\x0c\x01":
            raise Strange
        place = start + 10
        if offset == place:
            place += 24 + _U32(raw, place + 20)[0]
        members = known[offset] if offset in known else self._definition(raw, offset, known)
        if not isinstance(members, Members) or members.in_event_data is envelope.has_user_data:
            raise Strange
        start = place + 4 + 4 * _U32(raw, place)[0]
        if start > end:
            raise Strange
        descriptors = raw[place + 4 : start]
        types = descriptors[2::4]
        plan = members.plans.get(types) or members.learn(types)
        length, parted = plan.cuts.get(descriptors) or plan.cut(descriptors)
        stop = start + length
        if stop > end or (raw[stop] and stop < end):
            raise Strange
        return plan, parted(raw[start:stop])

    def _definition(
        self, raw: bytes, offset: int, known: dict[int, Envelope | Members | None]
    ) -> Envelope | Members | None:
        """What the template at `offset` is; None where it is not understood."""
        known[offset] = None
        _, guid, size = _DEFINITION.unpack_from(raw, offset)
        start = offset + 24
        if start + size > len(raw) or offset < 512:
            raise Strange
        variants = self._definitions.setdefault(guid + size.to_bytes(4, "little"), [])
        for definition, meaning in variants:
            if definition.is_at(raw, start):
                known[offset] = meaning
                return meaning
        definition = Definition(raw, start, start + size)
        try:
            root = definition.root
            meaning = Envelope(root, next(self._count)) if root.name == "Event" else Members(root)
        except Strange:
            meaning = None
        if len(self._definitions) >= _MOST_TEMPLATES:
            self._definitions.clear()
        elif len(variants) < 16:
            variants.append((definition, meaning))
        known[offset] = meaning
        return meaning

    def _number(self, alike: tuple[int, bytes, EventKind]) -> int:
        number = self._numbers.get(alike)
        if number is None:
            if len(self._numbers) >= MOST_KEPT:
                self._numbers.clear()
            number = self._numbers[alike] = next(self._count)
        return number

    def _head(self, envelope: Envelope, layout: Layout, wanted: tuple[bytes, ...]) -> Head:
        said = envelope.values(layout, wanted)
        number = said["event_id"]
        if not isinstance(number, int):
            raise Strange
        provider = str(said["provider"] or said["source"] or "")
        channel, computer, user = said["channel"], said["computer"], said["user"]
        data: dict[str, object] = {
            "event_id": number,
            "provider": provider,
            "channel": channel if isinstance(channel, str) else "",
        }
        level, process = said["level"], said["pid"]
        if isinstance(level, int) and 0 < level < 4:
            data["level"] = level
        if process:
            data["pid"] = process
        if user:
            data["user_sid"] = user
        kind = BY_EVENT.get((provider, number), UNKNOWN)
        alike = (envelope.number, layout.types, kind)
        head = Head(
            self._number(alike),
            kind,
            json.dumps(mask_value(data), ensure_ascii=False, separators=(",", ":"))[:-1],
            mask_text(user) if isinstance(user, str) else "",
            mask_text(computer) if isinstance(computer, str) else "",
        )
        if len(layout.heads) >= MOST_KEPT:
            layout.heads.clear()
        layout.heads[wanted] = head
        return head


_names = Kept(lambda raw: raw.decode("utf-16-le"))


def names_hold(raw: bytes) -> bool:
    """Whether the lists of names of a chunk can be walked to their ends: one that runs in a ring has none."""
    left = _MOST_NAMES
    try:
        for offset in _TABLE.unpack_from(raw, 128):
            place = offset
            while place:
                following, _, count = _NAME.unpack_from(raw, place)
                end = place + 8 + 2 * count
                left -= 1
                if end + 2 > len(raw) or left < 0:
                    return False
                _names[raw[place + 8 : end]]
                if following == place:
                    break
                place = following
    except (struct.error, UnicodeError):
        return False
    return True
