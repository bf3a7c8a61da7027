"""Times as logs write them: a format with strptime's directives, or a number since an epoch, read without floats.

```python
read = reader("%y/%m/%d %H:%M:%S")
read("26/11/24 9:05:00")        # Reading(ns=..., precision_ns=1_000_000_000, zone=None)
reader("iso")("2026-11-24T09:05:00.123+09:00")
reader("epoch_ms")("1700000000123")
```
Without a zone in the text, `ns` is the wall time taken as if it were UTC.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from timeline import times
from timeline.event import bounded

if TYPE_CHECKING:
    from collections.abc import Callable

    from timeline.event import ZoneBasis
    from timeline.sources import Context


class Reading(NamedTuple):
    """A time as read: nanoseconds (None: no such time), resolution of the text, zone where the text says one."""

    ns: int | None
    precision_ns: int
    zone: str | None


UNREADABLE = Reading(None, times.NS, None)

_MONTHS = {
    name: n
    for n, name in enumerate(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1)
}
_DIRECTIVES = {
    "Y": r"(?P<Y>\d{4})",
    "y": r"(?P<y>\d{2})",
    "m": r"(?P<m>\d{1,2})",
    "d": r"(?P<d>\d{1,2})",
    "e": r"(?P<d>\d{1,2})",
    "H": r"(?P<H>\d{1,2})",
    "I": r"(?P<I>\d{1,2})",
    "M": r"(?P<M>\d{1,2})",
    "S": r"(?P<S>\d{1,2})",
    "f": r"(?P<f>\d{1,9})",
    "b": r"(?P<b>[A-Za-z]{3})[A-Za-z]*",
    "a": r"[^\s\d,/]+?",
    "p": r"(?P<p>[AaPp]\.?[Mm]\.?|午前|午後)",
    "z": r"(?P<z>Z|UTC|GMT|[+-]\d{2}:?\d{2})",
    "%": "%",
}
_EPOCHS = {"epoch_s": times.NS, "epoch_ms": times.MS, "epoch_us": times.US, "epoch_ns": 1}


class FormatError(ValueError):
    """A format of a mapping that cannot be one."""


@lru_cache(maxsize=256)
def reader(form: str) -> Callable[[str], Reading]:
    """What reads times of the format `form`. Raises FormatError.

    `iso` (also with `/`); `epoch_s`, `epoch_ms`, `epoch_us`, `epoch_ns` (a decimal fraction may follow); `filetime`;
    `rfc2822`; else strptime directives %Y %y %m %d %e %H %I %M %S %f %b %a %p %z %%, where one digit does for two, a
    blank stands for any number of blanks and %f takes one to nine digits. Two-digit years: 69-99 are 1969-1999 (POSIX).
    """
    if form == "iso":
        return _iso
    if form in _EPOCHS:
        return _epoch(_EPOCHS[form])
    if form == "filetime":
        return _filetime
    if form == "rfc2822":
        return rfc2822
    return _Pattern(form)


def _iso(text: str) -> Reading:
    found = times.iso(text)
    return Reading(*found) if found is not None else UNREADABLE


def _epoch(unit_ns: int) -> Callable[[str], Reading]:
    def read(text: str) -> Reading:
        found = re.fullmatch(r"\s*(-?)(\d{1,20})(?:\.(\d{1,18}))?\s*", text)
        if found is None:
            return UNREADABLE
        fraction = found[3] or ""
        scaled = int(found[2]) * unit_ns
        precision = unit_ns
        if fraction:
            scaled += int(fraction) * unit_ns // 10 ** len(fraction)
            precision = max(1, unit_ns // 10 ** len(fraction))
        ns = bounded(-scaled if found[1] else scaled)
        return Reading(ns, precision, "UTC")

    return read


def _filetime(text: str) -> Reading:
    stripped = text.strip()
    ns = times.filetime(int(stripped)) if stripped.isdecimal() and len(stripped) < 20 else None
    return Reading(ns, 100, "UTC")


# RFC 5322, 3.3 and its obsolete zones, 4.3.
_RFC2822 = re.compile(
    r"\s*(?:[A-Za-z]{3}\s*,\s*)?(\d{1,2})\s+([A-Za-z]{3})[a-z]*\s+(\d{2,4})\s+(\d{1,2}):(\d{2})(?::(\d{2}))?"
    r"\s*([+-]\d{4}|UTC?|GMT|Z|[ECMP][SD]T|JST)?\s*(?:\(.*\))?\s*",
    re.DOTALL,
)
_OBSOLETE_ZONES = {
    "UT": "+0000", "UTC": "+0000", "GMT": "+0000", "Z": "+0000", "EST": "-0500", "EDT": "-0400", "CST": "-0600",
    "CDT": "-0500", "MST": "-0700", "MDT": "-0600", "PST": "-0800", "PDT": "-0700", "JST": "+0900",
}  # fmt: skip


def rfc2822(text: str) -> Reading:
    """`Tue, 24 Nov 2026 09:00:00 +0900 (JST)`. The zone -0000 says that the zone is not known."""
    found = _RFC2822.fullmatch(text)
    if found is None:
        return UNREADABLE
    day, month, year, hour, minute, second, zone = found.groups()
    number = _MONTHS.get(month.lower())
    full_year = int(year)
    if len(year) == 2:  # RFC 5322, 4.3
        full_year += 2000 if full_year < 50 else 1900
    elif len(year) == 3:
        full_year += 1900
    ns = times.civil(full_year, number, int(day), int(hour), int(minute), int(second or 0)) if number else None
    precision = times.NS if second else 60 * times.NS
    if ns is None or zone is None or zone == "-0000":
        return Reading(ns, precision, None)
    return _zoned(ns, precision, _OBSOLETE_ZONES.get(zone, zone))


def _zoned(ns: int, precision: int, zone: str) -> Reading:
    if zone in ("Z", "UTC", "GMT"):
        return Reading(ns, precision, "UTC")
    minutes = times.offset_minutes(zone)
    return Reading(bounded(ns - minutes * 60 * times.NS), precision, times.offset_name(minutes))


def settle(
    reading: Reading, context: Context, *, zone: str | None = None, basis: ZoneBasis = "declared", clock: str = ""
) -> tuple[int | None, str | None, ZoneBasis]:
    """(ns, zone, who says it) of a reading: the text's own zone, else `zone`, else the context's, else unknown.

    The zone that the machine's registry says is that of its own clock: it is not lent to a named `clock`.
    """
    if reading.zone is not None:
        return reading.ns, reading.zone, "format"
    if zone is None:
        zone, basis = context.zone, context.zone_basis
        if zone is not None and clock and basis == "registry":
            zone = None
    if zone is None:
        return reading.ns, None, "none"
    return (None if reading.ns is None else times.localize(reading.ns, zone)), zone, basis


class _Pattern:
    """A compiled format."""

    def __init__(self, form: str) -> None:
        parts: list[str] = []
        seen: set[str] = set()
        at = 0
        while at < len(form):
            char = form[at]
            if char == "%" and at + 1 < len(form):
                directive = form[at + 1]
                if directive not in _DIRECTIVES:
                    raise FormatError(f"%{directive} in {form!r}")
                name = "d" if directive == "e" else directive
                if name in seen:
                    raise FormatError(f"%{directive} twice in {form!r}")
                seen.add(name)
                parts.append(_DIRECTIVES[directive])
                at += 2
            elif char.isspace():
                parts.append(r"\s+")
                at += 1
            else:
                parts.append(re.escape(char))
                at += 1
        if not ({"Y", "y"} & seen and {"m", "b"} & seen and "d" in seen):
            raise FormatError(f"no whole date in {form!r}")
        self._pattern = re.compile(r"\s*" + "".join(parts) + r"\s*")
        self._precision = times.NS if "S" in seen else 60 * times.NS if "M" in seen else times.DAY
        self._read = lru_cache(maxsize=1024)(self._parsed)

    def __call__(self, text: str) -> Reading:
        return self._read(text)

    def _parsed(self, text: str) -> Reading:
        found = self._pattern.fullmatch(text)
        if found is None:
            return UNREADABLE
        got = found.groupdict()
        year = int(got["Y"]) if got.get("Y") else int(got["y"])
        if not got.get("Y"):
            year += 2000 if year < 69 else 1900
        month = int(got["m"]) if got.get("m") else _MONTHS.get((got.get("b") or "").lower(), 0)
        hour = int(got.get("H") or got.get("I") or 0)
        if got.get("p"):
            if not 0 <= hour <= 12:
                return UNREADABLE
            hour = hour % 12 + (12 if got["p"][0] in "Pp" or got["p"] == "午後" else 0)
        digits = got.get("f") or ""
        ns = times.civil(
            year, month, int(got["d"]), hour, int(got.get("M") or 0), int(got.get("S") or 0), int(digits.ljust(9, "0"))
        )
        precision = 10 ** (9 - len(digits)) if digits else self._precision
        zone = got.get("z")
        return Reading(ns, precision, None) if ns is None or zone is None else _zoned(ns, precision, zone)
