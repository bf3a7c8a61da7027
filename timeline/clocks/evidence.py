"""What a clock question is asked of: clocks, sources, their records in columns, readings, links, pairs, incidents.

Times are integer nanoseconds UTC where they are kept, and float64 seconds from `ClockCase.origin_ns` where they are
calculated with (a float64 holds 30 years of seconds to 0.12 µs, far below the resolution of any record).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Order = Literal["append", "receipt", "none"]
Declared = Literal["synchronised", "unknown"]
RecordName = int | str
ANCHOR_KINDS = ("reading", "exchange", "aged_reply", "receipt", "link", "same_event", "typed")


@dataclass(frozen=True, slots=True)
class CaseProblem:
    """Something in a clock case that was not understood; it is told, never guessed over."""

    where: str
    detail: str


@dataclass(frozen=True, slots=True)
class Clock:
    """A clock by name, and what the examiner says of it (`synchronised`: within ±50 ms of UTC, perhaps untrue)."""

    name: str
    declared: Declared


@dataclass(frozen=True, slots=True)
class TimeChange:
    """A step that a log records: from reading `old_s` to reading `new_s` (seconds from origin, this clock's UTC)."""

    old_s: float
    new_s: float
    row: int
    """Row of the record in its source."""
    process: str = ""
    """Program that set the time (4616), where the record names one."""
    reason: int | None = None
    """Kernel-General 1: 1 = an application set it, 2 = aligned with the hardware clock, 3 = adjusted in small steps."""


@dataclass(frozen=True, slots=True)
class Standstill:
    """Evidence that the clock may have stood still: sleep begun at reading `from_s`, wake at reading `to_s`."""

    from_s: float
    to_s: float
    row: int


@dataclass(frozen=True, slots=True)
class Uptime:
    """What a log says of the time since the last start (EventLog 6013), in seconds; cut to whole ones."""

    row: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Operation:
    """One line of an endpoint operation log that may speak about a copy (種別, file, bytes read and written)."""

    row: int
    kind: str
    host: str
    user: str
    file: str
    bytes_read: int | None
    bytes_written: int | None
    drive: str
    received_s: float


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert of a server: what it says, about which computer and file, with the size it names."""

    row: int
    number: str
    host: str
    text: str
    file: str
    size: int | None


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP exchange in a cache: the server's `Date` between the computer's own request and response times."""

    row: int
    response_s: float
    date_s: float
    host: str
    age: bool


@dataclass(slots=True)
class Source:
    """One file of records of one clock, in columns; row i is record `names[i]`."""

    file: str
    format: str
    clock: str
    zone: str | None
    order: Order
    names: list[RecordName] = field(default_factory=list)
    reading_s: Floats = field(default_factory=lambda: np.zeros(0))
    """The clock's own UTC reading (seconds from origin); NaN where the text could not be read."""
    other_s: Floats = field(default_factory=lambda: np.zeros(0))
    """The second reading of a repeated local hour, else NaN."""
    resolution_s: Floats = field(default_factory=lambda: np.zeros(0))
    """A text means [reading, reading + resolution)."""
    texts: list[str] = field(default_factory=list)
    changes: list[TimeChange] = field(default_factory=list)
    standstills: list[Standstill] = field(default_factory=list)
    boots: list[int] = field(default_factory=list)
    """Rows that say that the system started (EventLog 6005, 6009, Kernel-General 12)."""
    uptimes: list[Uptime] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    receipts: list[tuple[int, float, str]] = field(default_factory=list)
    """(row, receipt time in seconds from origin, who received)."""
    duplicates: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """Row of the first delivery of the same event (its own row where there is only one)."""
    wall: bool = False
    """Of a store: its events hold wall times, for which the lines of the clock are not."""
    zone_free: bool = False
    """The records carry no zone of their own and nobody declared one."""

    @property
    def size(self) -> int:
        """Number of records."""
        return len(self.names)

    def label(self, row: int) -> str:
        """The record's name for a reader: file and record, or the event where records are events."""
        name = str(self.names[row])
        return name if name.startswith(f"{self.file}:") else f"{self.file}:{name}"


@dataclass(frozen=True, slots=True)
class Reading:
    """What the examiner saw: the device showed `shown_s` while the reference showed `reference_s`; both are cut."""

    clock: str
    shown_s: float
    reference_s: float
    resolution_s: float
    reference_resolution_s: float
    index: int
    zone_known: bool = True
    """Whether what was shown carries its offset from UTC; else it is read in the zone of the clock's records."""


@dataclass(frozen=True, slots=True)
class TypedAnchor:
    """What a person knows of one record: it happened between `low_s` and `high_s`."""

    at: tuple[int, int]
    low_s: float
    high_s: float
    number: int
    """Number of the ledger entry that says so."""


@dataclass(frozen=True, slots=True)
class Link:
    """The record `before` truly happened before the record `after`; each is (source index, row).

    `same`: both are one event, written down within `slack_s` of each other, in either order.
    """

    before: tuple[int, int]
    after: tuple[int, int]
    basis: str
    slack_s: float = 0.0
    same: bool = False


@dataclass(frozen=True, slots=True)
class Pair:
    """A question: did `a` happen before `b`? None where the record does not exist."""

    id: str
    a: tuple[int, int] | None
    b: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Incident:
    """An alert that says COPY, by its source and row (None where the record does not exist)."""

    id: str
    source: str
    row: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class MediaFile:
    """One line of the listing of the seized sticks."""

    stick: str
    path: str
    size: int
    deleted: bool
    modified_s: float
    created_s: float
    line: int
    record: str = ""
    """Event of the timeline that shows it; empty where it comes from a listing."""
    md5: str = ""
    """Hash of its content in a listing; empty where the listing has none."""

    @property
    def name(self) -> str:
        """What a ground calls it."""
        return self.record or f"usb_listing.body:{self.line}"


@dataclass(slots=True)
class ClockCase:
    """Everything that a clock case folder says."""

    origin_ns: int
    collected_s: float
    """When the evidence was collected (seconds from origin; 0 as read): nothing in it is later."""
    clocks: dict[str, Clock]
    http_hosts: Mapping[str, str]
    sources: list[Source]
    readings: Sequence[Reading] = ()
    links: Sequence[Link] = ()
    typed: Sequence[TypedAnchor] = ()
    pairs: Sequence[Pair] = ()
    incidents: Sequence[Incident] = ()
    media: Sequence[MediaFile] = ()
    media_of: Mapping[str, str | None] = field(default_factory=dict)
    has_media_listing: bool = False
    host_content: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Name of a file on the computer (verdicts.file_name) -> MD5 of the contents of files of that name."""
    problems: list[CaseProblem] = field(default_factory=list)
