r"""A time as a binary format keeps it: the raw value, what it means, its resolution, and who says the zone.

```python
stamp = filetime(132_000_000_000_000_000)
stamp.event("usb.last_arrival", "Last Arrival", path=r"USBSTOR\Disk&Ven_X")
```
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from timeline import times
from timeline.event import NO_DATA, Event

if TYPE_CHECKING:
    from collections.abc import Mapping

    from timeline.event import ZoneBasis
    from timeline.sources import Context


@dataclass(frozen=True, slots=True)
class Stamp:
    """The five columns of an event that say when."""

    time_ns: int | None
    time_text: str
    precision_ns: int
    zone: str | None = "UTC"
    zone_basis: ZoneBasis = "format"

    def event(
        self,
        kind: str,
        desc: str,
        *,
        record: str = "",
        sequence: int = 0,
        actor: str = "",
        host: str = "",
        path: str = "",
        size: int | None = None,
        data: Mapping[str, object] = NO_DATA,
        clock: str = "",
        state: str = "",
    ) -> Event:
        """An event at this time; members of `data` that say nothing are left out."""
        return Event(
            time_ns=self.time_ns,
            time_text=self.time_text,
            precision_ns=self.precision_ns,
            zone=self.zone,
            zone_basis=self.zone_basis,
            kind=kind,
            desc=desc,
            record=record,
            sequence=sequence,
            actor=actor,
            host=host,
            path=path,
            bytes=size,
            data={name: value for name, value in data.items() if value not in (None, "", [])},
            clock=clock,
            state=state,
        )


def filetime(value: int) -> Stamp:
    """100 ns since 1601, UTC."""
    return Stamp(times.filetime(value), str(value), 100)


def unix(value: int) -> Stamp:
    """Seconds since 1970, UTC."""
    return Stamp(times.unix(value), str(value), times.NS)


def unix_ms(value: int) -> Stamp:
    """Milliseconds since 1970, UTC."""
    return Stamp(times.unix_ms(value), str(value), times.MS)


def unix_us(value: int) -> Stamp:
    """Microseconds since 1970, UTC (PRTime)."""
    return Stamp(times.unix_us(value), str(value), times.US)


def webkit(value: int) -> Stamp:
    """Microseconds since 1601, UTC (Chromium)."""
    return Stamp(times.webkit(value), str(value), times.US)


def ole(value: float) -> Stamp:
    """Days since 1899-12-30, UTC; the whole second is what writers keep."""
    return Stamp(times.ole(value), repr(value), times.NS)


def dos_utc(date: int, time: int) -> Stamp:
    """DOS date and time that the shell made from a UTC time; two seconds."""
    return Stamp(times.dos(date, time), f"0x{date:04x} 0x{time:04x}", 2 * times.NS)


def local(wall_ns: int | None, text: str, precision_ns: int, context: Context) -> Stamp:
    """A wall time without zone: under the zone of the context, where that is known."""
    if context.zone is None or wall_ns is None:
        return Stamp(wall_ns, text, precision_ns, context.zone, context.zone_basis if context.zone else "none")
    return Stamp(times.localize(wall_ns, context.zone), text, precision_ns, context.zone, context.zone_basis)


def offset(wall_ns: int | None, text: str, precision_ns: int, zone: str) -> Stamp:
    """A wall time whose zone (`+09:00`) stands in the record."""
    return Stamp(None if wall_ns is None else times.localize(wall_ns, zone), text, precision_ns, zone, "format")


def u16(raw: bytes, at: int) -> int:
    """Little-endian number of 2 bytes; 0 behind the end."""
    return int.from_bytes(raw[at : at + 2], "little")


def u32(raw: bytes, at: int) -> int:
    """Little-endian number of 4 bytes; 0 behind the end."""
    return int.from_bytes(raw[at : at + 4], "little")


def u64(raw: bytes, at: int) -> int:
    """Little-endian number of 8 bytes; 0 behind the end."""
    return int.from_bytes(raw[at : at + 8], "little")


def guid(raw: bytes) -> str:
    """16 bytes as `{xxxxxxxx-xxxx-…}` in lower case; empty where there are fewer, or all are zero."""
    if len(raw) < 16 or not any(raw):
        return ""
    tail = raw[8:16].hex()
    return f"{{{u32(raw, 0):08x}-{u16(raw, 4):04x}-{u16(raw, 6):04x}-{tail[:4]}-{tail[4:]}}}"


def utf16(raw: bytes) -> str:
    """UTF-16LE up to the first NUL; what is no text becomes U+FFFD."""
    text = raw[: len(raw) & ~1].decode("utf-16-le", "replace")
    return text.partition("\0")[0]


def ansi(raw: bytes, language: str = "ja") -> str:
    """Bytes of the system's code page up to the first NUL: UTF-8 or, on Japanese machines, CP932; else CP1252."""
    raw = raw.partition(b"\0")[0]
    for encoding in ("utf-8", "cp932" if language == "ja" else "cp1252"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("cp1252", "replace")


def user_of(path: str) -> str:
    """The account in whose profile a file lies: the name behind `Users` or `Documents and Settings`."""
    parts = path.replace("\\", "/").split("/")
    for place, part in enumerate(parts[:-2]):
        if part.lower() in ("users", "documents and settings"):
            return parts[place + 1]
    return ""
