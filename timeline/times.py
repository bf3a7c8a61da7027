"""Raw times of formats as nanoseconds since 1970 UTC; None where they are unset, impossible or outside int64.

Each function takes the raw value and returns integer nanoseconds. No float is ever used for a time.

```python
filetime(133_444_736_000_000_000)       # 1_700_000_000_000_000_000
wall("2026-11-24 09:00:00")             # the wall time taken as if it were UTC
localize(wall_ns, "Asia/Tokyo")         # the same wall time under a zone
```
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from preserve.file_times import dos_time
from timeline.event import bounded

NS = 1_000_000_000
US = 1_000
MS = 1_000_000
DAY = 86_400 * NS

FILETIME_EPOCH = 116_444_736_000_000_000
"""100 ns from 1601-01-01 to 1970-01-01 ([MS-DTYP] 2.3.3)."""
WEBKIT_EPOCH_US = 11_644_473_600_000_000
COCOA_EPOCH_S = 978_307_200
"""Seconds from 1970 to 2001-01-01 (Core Foundation absolute time)."""
HFS_EPOCH_S = 2_082_844_800
"""Seconds from 1904-01-01 to 1970 (Apple TN1150)."""
OLE_EPOCH_DAYS = 25_569
"""Days from 1899-12-30 to 1970-01-01 (OLE automation date)."""


def filetime(value: int) -> int | None:
    """FILETIME: 100 ns since 1601. Zero and negative values, which Windows does not define, are None."""
    return bounded((value - FILETIME_EPOCH) * 100) if 0 < value < 1 << 63 else None


def unix(seconds: int, nanoseconds: int = 0) -> int | None:
    """Seconds since 1970 and a fraction in nanoseconds; both zero is unset."""
    return bounded(seconds * NS + nanoseconds) if seconds or nanoseconds else None


def unix_ms(value: int) -> int | None:
    """Milliseconds since 1970 (Java, JavaScript); zero is unset."""
    return bounded(value * MS) if value else None


def unix_us(value: int) -> int | None:
    """Microseconds since 1970 (Firefox PRTime, journald); zero is unset."""
    return bounded(value * US) if value else None


def webkit(value: int) -> int | None:
    """Microseconds since 1601 (Chromium); zero is unset."""
    return bounded((value - WEBKIT_EPOCH_US) * US) if value else None


def cocoa(seconds: int, nanoseconds: int = 0) -> int | None:
    """Seconds since 2001 (Core Foundation), whole and fraction apart."""
    return bounded((seconds + COCOA_EPOCH_S) * NS + nanoseconds)


def decimal_seconds(text: str) -> tuple[int, int, int] | None:
    """A decimal number of seconds as (whole seconds, nanoseconds, precision in ns), exactly; None where it is none."""
    found = re.fullmatch(r"\s*(-?)(\d{1,19})(?:\.(\d+))?\s*", text)
    if found is None:
        return None
    fraction = (found[3] or "")[:9]
    seconds, nanoseconds = int(found[2]), int(fraction.ljust(9, "0"))
    if found[1]:
        total = -(seconds * NS + nanoseconds)
        seconds, nanoseconds = divmod(total, NS)
    return seconds, nanoseconds, 10 ** (9 - len(fraction))


def hfs(value: int) -> int | None:
    """Seconds since 1904 (HFS+: UTC; HFS: local); zero is unset."""
    return bounded((value - HFS_EPOCH_S) * NS) if value else None


def ole(value: float) -> int | None:
    """OLE automation date: days since 1899-12-30, the fraction counted away from zero; to the millisecond."""
    if not -657_435 < value < 2_958_466:
        return None
    days = int(value)
    fraction_ms = round(abs(value - days) * 86_400_000)
    return bounded((days - OLE_EPOCH_DAYS) * DAY + fraction_ms * MS)


def systemtime(raw: bytes) -> int | None:
    """SYSTEMTIME, 16 bytes ([MS-DTYP] 2.3.13): year, month, weekday, day, hour, minute, second, millisecond."""
    if len(raw) < 16:
        return None
    year, month, _, day, hour, minute, second, ms = (int.from_bytes(raw[i : i + 2], "little") for i in range(0, 16, 2))
    return civil(year, month, day, hour, minute, second, ms * MS)


def dos(date: int, time: int, hundredths: int = 0) -> int | None:
    """DOS date and time: wall time, taken as if it were UTC."""
    return dos_time(date, time, hundredths, 2 * NS).ns


def civil(
    year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0, nanoseconds: int = 0
) -> int | None:
    """A wall time taken as if it were UTC; None where the date does not exist. Second 60 is the next minute."""
    if not (0 <= second <= 60 and 0 <= nanoseconds < NS):
        return None
    try:
        moment = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
    except ValueError:
        return None
    whole = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1) + (second == 60)
    return bounded(whole * NS + nanoseconds)


_ISO = re.compile(
    r"\s*(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[T ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d+))?)?)?"
    r"\s*(Z|UTC|GMT|[+-]\d{2}:?\d{2})?\s*"
)


def iso(text: str) -> tuple[int, int, str | None] | None:
    """`YYYY-MM-DD[ T]hh:mm[:ss[.fraction]][Z|±hh:mm]` (also `/`) as (ns, precision in ns, zone or None).

    With a zone the time is UTC, without it the wall time taken as if it were UTC. None where the text is no such time.
    """
    found = _ISO.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    digits = (fraction or "")[:9]
    ns = civil(
        int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), int(digits.ljust(9, "0"))
    )
    if ns is None:
        return None
    precision = DAY if hour is None else 60 * NS if second is None else 10 ** (9 - len(digits))
    if zone is None:
        return ns, precision, None
    if zone in ("Z", "UTC", "GMT"):
        return ns, precision, "UTC"
    minutes = offset_minutes(zone)
    shifted = bounded(ns - minutes * 60 * NS)
    return None if shifted is None else (shifted, precision, offset_name(minutes))


def wall(text: str) -> int | None:
    """The wall time that a text in ISO order shows, taken as if it were UTC; a zone in the text is an error: None."""
    found = iso(text)
    return found[0] if found is not None and found[2] is None else None


def offset_minutes(text: str) -> int:
    """`+09:00` or `+0900` as minutes east of UTC. Raises ValueError."""
    found = re.fullmatch(r"([+-])(\d{2}):?(\d{2})", text)
    if found is None:
        raise ValueError(text)
    minutes = int(found[2]) * 60 + int(found[3])
    return -minutes if found[1] == "-" else minutes


def offset_name(minutes: int) -> str:
    """Minutes east of UTC as `+09:00`."""
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


@lru_cache(maxsize=64)
def _zone(name: str) -> object:
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - start-up time

    return ZoneInfo(name)


def is_zone(name: str) -> bool:
    """Whether `name` is `UTC`, an offset such as `+09:00`, or a zone of the IANA database."""
    if name == "UTC" or re.fullmatch(r"[+-]\d{2}:?\d{2}", name):
        return True
    try:
        _zone(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def localize(wall_ns: int, zone: str, *, fold: int = 0) -> int | None:
    """A wall time (ns, as if UTC) under `zone` as UTC ns; `fold=1` takes the second of two equal wall times.

    A wall time that a change to summer time skips is read with the offset before the change. Raises ValueError for an
    unknown zone.
    """
    if zone == "UTC":
        return wall_ns
    if zone[:1] in "+-":
        return bounded(wall_ns - offset_minutes(zone) * 60 * NS)
    offset = _wall_offset_seconds(wall_ns // NS, zone, fold)
    return None if offset is None else bounded(wall_ns - offset * NS)


@lru_cache(maxsize=4096)
def _wall_offset_seconds(wall_s: int, zone: str, fold: int) -> int | None:
    from datetime import tzinfo  # noqa: PLC0415 - start-up time

    try:
        found = _zone(zone)
    except (KeyError, OSError) as error:
        raise ValueError(zone) from error
    assert isinstance(found, tzinfo)
    try:
        moment = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=wall_s)).replace(tzinfo=found, fold=fold)
    except OverflowError:
        return None
    offset = moment.utcoffset()
    return None if offset is None else offset // timedelta(seconds=1)


def text(time_ns: int | None, offset: int = 0, *, digits: int = 9) -> str:
    """`2026-11-24T09:00:00.000000000+09:00` for `offset` minutes east of UTC; empty for None."""
    if time_ns is None:
        return ""
    whole, fraction = divmod(time_ns + offset * 60 * NS, NS)
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=whole)
    except OverflowError:
        return ""
    shown = f".{fraction:09d}"[: digits + 1] if digits else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + shown + offset_name(offset)


def utc_offset_minutes(time_ns: int, zone: str) -> int:
    """Minutes east of UTC of `zone` at a moment. Raises ValueError for an unknown zone."""
    if zone == "UTC":
        return 0
    if zone[:1] in "+-":
        return offset_minutes(zone)
    if zone == "Asia/Tokyo":
        return 540  # also for the summers of 1948 to 1951: JST is what is meant
    from datetime import tzinfo  # noqa: PLC0415 - start-up time

    try:
        found = _zone(zone)
    except (KeyError, OSError) as error:
        raise ValueError(zone) from error
    assert isinstance(found, tzinfo)
    try:
        offset = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=time_ns // NS)).astimezone(found).utcoffset()
    except OverflowError:
        return 0
    return offset // timedelta(minutes=1) if offset is not None else 0


def shown(time_ns: int | None, zone: str, *, known: bool = True, digits: int = 9) -> str:
    """A time as people read it, in `zone`: `2026-11-24T09:00:00.000000000+09:00`.

    A wall time of unknown zone (`known` false) is shown as it is, with `-00:00`, which says that no zone is known
    (RFC 5322 3.3). Empty for None.
    """
    if time_ns is None:
        return ""
    if known:
        return text(time_ns, utc_offset_minutes(time_ns, zone), digits=digits)
    return text(time_ns, 0, digits=digits)[:-6] + UNKNOWN_OFFSET


UNKNOWN_OFFSET = "-00:00"
