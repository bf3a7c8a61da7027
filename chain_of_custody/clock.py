"""Time of this machine as an entry records it: wall clock with offset, a clock that only runs forward, and the boot."""

from __future__ import annotations

import ctypes
import ctypes.util
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Protocol

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TOLERANCE_NS = 1_000_000_000
SLEW = 0.0005
"""Clocks that are only steered (NTP) drift by at most 500 ppm; beyond 1 s + 500 ppm the clock was set."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of the clocks. `mono_ns` counts from an unknown start that stays the same within one `boot`."""

    ts: str
    time_ns: int
    mono_ns: int
    boot: str | None


class Moment(Protocol):
    """What a reading of the clocks and an entry of the ledger have in common."""

    @property
    def time_ns(self) -> int:
        """Nanoseconds since 1970 UTC by the wall clock."""
        ...

    @property
    def mono_ns(self) -> int:
        """Nanoseconds of the clock that only runs forward."""
        ...

    @property
    def boot(self) -> str | None:
        """The run of the system to which `mono_ns` belongs."""
        ...


def _darwin_boot() -> str | None:
    library = ctypes.CDLL(ctypes.util.find_library("c") or "libc.dylib")
    buffer = ctypes.create_string_buffer(64)
    size = ctypes.c_size_t(len(buffer))
    if library.sysctlbyname(b"kern.bootsessionuuid", buffer, ctypes.byref(size), None, 0) != 0:
        return None
    return buffer.value.decode("ascii", "replace").lower() or None


def _boot() -> str | None:
    """An id of this run of the system; None where it has none (Windows)."""
    if sys.platform == "darwin":
        return _darwin_boot()
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return None
    return text.strip() or None


_boot_now = _boot()
# Unlike CLOCK_MONOTONIC, CLOCK_BOOTTIME goes on while a Linux machine sleeps, so sleep is not seen as a changed clock.
_forward_clock = getattr(time, "CLOCK_BOOTTIME", None)


def wall_ns() -> int:
    """Nanoseconds since 1970 UTC: the wall clock alone."""
    return time.time_ns()


def now() -> Reading:
    """The clocks, read now."""
    time_ns = time.time_ns()
    mono_ns = time.clock_gettime_ns(_forward_clock) if _forward_clock is not None else time.monotonic_ns()
    return Reading(text_of(time_ns), time_ns - time_ns % 1000, mono_ns, _boot_now)


def text_of(time_ns: int) -> str:
    """Nanoseconds since 1970 UTC as the ledger writes times: local, with offset and six decimals."""
    seconds, microseconds = divmod(time_ns // 1000, 1_000_000)
    second, offset = _local(seconds)
    return f"{second}.{microseconds:06d}{offset}"


@lru_cache(maxsize=2)
def _local(seconds: int) -> tuple[str, str]:
    """A whole second in local time and its offset from UTC; many entries are written within one."""
    text = (_EPOCH + timedelta(seconds=seconds)).astimezone().isoformat()
    return text[:19], text[19:]


def shift_ns(before: Moment, after: Moment) -> int:
    """By how much the wall clock was set between two readings: 0 within tolerance, else the step in nanoseconds.

    Within one boot the step is measured against the forward clock. Between two boots (or without boot ids) only time
    that runs back can be seen.
    """
    wall = after.time_ns - before.time_ns
    if before.boot is not None and before.boot == after.boot:
        elapsed = after.mono_ns - before.mono_ns
        step = wall - elapsed
        return step if abs(step) > TOLERANCE_NS + abs(elapsed) * SLEW else 0
    return wall if wall < -TOLERANCE_NS else 0
