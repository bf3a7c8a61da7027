"""Times of files as file systems keep them: integer nanoseconds UTC beside the raw value, never a naive datetime."""

from __future__ import annotations

import calendar
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_FILETIME_EPOCH = 116_444_736_000_000_000  # 100 ns from 1601 to 1970
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class FileTime:
    """One time: `ns` since 1970 UTC (None: not set or impossible), the raw value, its precision, its zone.

    With `zone_known` false (FAT), `ns` is the local wall time of the machine that wrote it, taken as if it were UTC.
    """

    ns: int | None
    raw: str
    precision_ns: int
    zone_known: bool


class NtfsTimes(Mapping[str, FileTime]):
    """Times of an NTFS file from FILETIME values: `created modified changed accessed`, then those of its $FILE_NAME.

    A compact mapping: FileTime objects are made when they are asked for, since a disk has millions.
    """

    __slots__ = ("_values",)
    NAMES = (
        "created",
        "modified",
        "changed",
        "accessed",
        "filename_created",
        "filename_modified",
        "filename_changed",
        "filename_accessed",
    )

    def __init__(self, values: tuple[int, ...]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> FileTime:
        try:
            value = self._values[self.NAMES.index(name)]
        except (ValueError, IndexError):
            raise KeyError(name) from None
        # FILETIME is signed for Windows; values before 1601 do not exist.
        ns = (value - _FILETIME_EPOCH) * 100 if 0 < value < 1 << 63 else None
        return FileTime(ns, str(value), 100, zone_known=True)

    def __iter__(self) -> Iterator[str]:
        return iter(self.NAMES[: len(self._values)])

    def __len__(self) -> int:
        return len(self._values)

    def __reduce__(self) -> tuple[type[NtfsTimes], tuple[tuple[int, ...]]]:
        return NtfsTimes, (self._values,)


def unix_time(seconds: int, nanoseconds: int, precision_ns: int) -> FileTime:
    """A time in seconds since 1970 UTC and a fraction; zero means not set."""
    fraction = nanoseconds if 0 <= nanoseconds < _NS else 0
    raw = f"{seconds}.{fraction:09d}" if precision_ns < _NS else str(seconds)
    ns = seconds * _NS + fraction if seconds or fraction else None
    return FileTime(ns, raw, precision_ns, zone_known=True)


def dos_time(
    date: int, time: int, hundredths: int, precision_ns: int, *, offset_minutes: int | None = None
) -> FileTime:
    """A DOS date and time (Microsoft FAT specification 1.03, exFAT specification 7.4.8).

    `hundredths` (0-199) refines the two-second steps; `offset_minutes` east of UTC is known on exFAT only.
    """
    day, month, year = date & 31, date >> 5 & 15, 1980 + (date >> 9)
    second, minute, hour = (time & 31) * 2 + hundredths // 100, time >> 5 & 63, time >> 11
    raw = f"{year:04d}-{month:02d}-{day:02d} {hour:02d}:{minute:02d}:{second:02d}"
    if precision_ns < _NS:
        raw += f".{hundredths % 100:02d}"
    if precision_ns >= 86_400 * _NS:
        raw = raw[:10]
    known = offset_minutes is not None
    if not (1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1] and hour < 24 and minute < 60):
        return FileTime(None, raw if date or time else "", precision_ns, zone_known=known)
    wall = calendar.timegm((year, month, day, hour, minute, 0, 0, 0, 0)) + second - (offset_minutes or 0) * 60
    return FileTime(wall * _NS + hundredths % 100 * 10_000_000, raw, precision_ns, zone_known=known)
