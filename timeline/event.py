"""One event: a time as a source recorded it, what it says, and where it stands.

What a source recorded is never overwritten. `time_ns` is the reading of the clock that wrote the record, under the
zone that is named beside it; corrections of that clock join when the timeline is looked at.

```python
Event(time_ns=1_700_000_000_000_000_000, time_text="133444736000000000", precision_ns=100, zone="UTC",
      zone_basis="format", kind="file.created", desc="$SI created", path="/Users/a/b.txt")
```
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pyarrow as pa

State = Literal["live", "deleted", "carved", "snapshot"]
STATES: tuple[State, ...] = ("live", "deleted", "carved", "snapshot")
"""Of the file or record: in use, deleted, found in free space, or kept by a shadow copy."""

ZoneBasis = Literal["format", "declared", "registry", "none"]
"""Who says the zone: the format itself, a person (`--tz`, a mapping), the machine's registry, nobody."""

Reason = Literal["damaged", "unsupported", "limit", "encrypted", "incomplete"]

NO_DATA: Mapping[str, object] = {}
MOST_DATA_BYTES = 8192
"""Of `data` as JSON; longer strings in it are cut, and `data["cut"]` says so."""

INT64_MIN, INT64_MAX = -(1 << 63), (1 << 63) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One time of one record. A record that carries one time is one event; only file systems give several."""

    time_ns: int | None
    """The clock's own reading as nanoseconds since 1970 UTC under `zone`; where `zone` is None the wall time taken as
    if it were UTC. None: the text could not be read as a time, or lies outside int64 (1677 to 2262)."""
    time_text: str
    """As recorded: the text, or the decimal (hexadecimal after `0x`) of the raw binary field."""
    precision_ns: int
    """Resolution of the record: 100, 1_000_000_000, 2_000_000_000, 86_400_000_000_000 …"""
    zone: str | None
    """`UTC`, `+09:00` or an IANA name; None where nobody knows."""
    zone_basis: ZoneBasis
    kind: str
    """Dotted stable id such as `file.created` or `usb.first_install`; `timeline.kinds` has the sentences."""
    desc: str
    """Which time of the record, in short English: `$SI created`, `Creation Time`, `Last Visited`."""
    record: str = ""
    """The record's own name: EventRecordID, line number, `MFT 39-4 $SI`, key path."""
    sequence: int = 0
    """Order inside the source (append order); clock work rests on it."""
    actor: str = ""
    host: str = ""
    path: str = ""
    """The object the event is about: a file, a key, a URL."""
    bytes: int | None = None
    data: Mapping[str, object] = field(default_factory=dict)
    """The remaining fields: JSON scalars and lists of them, small (MOST_DATA_BYTES as JSON)."""
    clock: str = ""
    """Empty: the clock of the source's host. Else a named one: `server:mail1`, `camera:3`."""
    state: str = ""
    """One of STATES; empty: that of the file the record was read from."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that was not, or not fully, read: one line of the coverage.

    `where` is a chain of layers ending in a path, or a place in it; `offset` and `size` are bytes where they are known.
    """

    where: str
    reason: Reason
    detail: str
    offset: int | None = None
    size: int | None = None


COLUMNS = (
    "time_ns",
    "time_text",
    "precision_ns",
    "zone",
    "zone_basis",
    "kind",
    "desc",
    "record",
    "sequence",
    "actor",
    "host",
    "path",
    "bytes",
    "data",
    "clock",
    "state",
)
"""Columns of a batch of events, in order; `data` is JSON text (`{}` for none)."""


@lru_cache(maxsize=1)
def schema() -> pa.Schema:
    """Arrow schema of a batch of events as parsers may yield them (strings may come dictionary-encoded)."""
    import pyarrow as pa  # noqa: PLC0415 - start-up time

    kinds = {"time_ns": pa.int64(), "precision_ns": pa.int64(), "sequence": pa.int64(), "bytes": pa.int64()}
    nullable = {"time_ns", "zone", "bytes"}
    return pa.schema([pa.field(name, kinds.get(name, pa.string()), nullable=name in nullable) for name in COLUMNS])


def __getattr__(name: str) -> object:
    """`SCHEMA`, made when it is asked for: pyarrow takes a quarter of a second to load."""
    if name == "SCHEMA":
        return schema()
    raise AttributeError(name)


def bounded(time_ns: int | None) -> int | None:
    """`time_ns`, or None where it does not fit 64 bits."""
    return time_ns if time_ns is not None and INT64_MIN <= time_ns <= INT64_MAX else None


def data_json(data: Mapping[str, object]) -> str:
    """`data` as JSON text of at most MOST_DATA_BYTES: where it is longer, its longest values are cut and named."""
    if not data:
        return "{}"
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=str)
    if len(text) * 3 <= MOST_DATA_BYTES or len(text.encode("utf-8", "surrogatepass")) <= MOST_DATA_BYTES:
        return text
    kept: dict[str, object] = dict(data)
    for limit in (1024, 256, 64, 16):
        cut = [key for key, value in kept.items() if _length(value) > limit]
        kept |= {key: _cut(kept[key], limit) for key in cut}
        named = sorted({*cut, *_named(kept)})
        shown = kept | {"cut": named}
        text = json.dumps(shown, ensure_ascii=False, separators=(",", ":"), default=str)
        if len(text.encode("utf-8", "surrogatepass")) <= MOST_DATA_BYTES:
            return text
        kept["cut"] = named
    return json.dumps({"cut": sorted(map(str, data))[:64]}, ensure_ascii=False)[:MOST_DATA_BYTES]


def _named(kept: Mapping[str, object]) -> list[str]:
    names = kept.get("cut")
    return [str(name) for name in names] if isinstance(names, list) else []


def _length(value: object) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Sequence | Mapping):
        return len(json.dumps(value, ensure_ascii=False, default=str))
    return 0


def _cut(value: object, limit: int) -> object:
    if isinstance(value, str):
        return value[:limit] + "…"
    return json.dumps(value, ensure_ascii=False, default=str)[:limit] + "…"
