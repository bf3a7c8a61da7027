"""Logins and boots of Unix: `wtmp`, `btmp`, `utmp`, `lastlog` of Linux, `utmpx` of macOS; times in UTC.

Formats: struct utmp of glibc, 384 bytes on machines where time is kept in 32 bits for compatibility (x86, most others)
and 400 bytes on those of 64 bits (aarch64, s390x, the latter big-endian): the size and byte order under which the
records make sense are taken. struct lastlog: 292 bytes (or 296), one for each UID. utmpx of macOS: 628 bytes behind a
signature record. Kinds: `login.session`, `login.logout`, `login.failed` (btmp), `login.boot`, `login.runlevel`,
`login.clock_old`, `login.clock_new` (the clock was set: reading before and after), `login.last` (lastlog).
"""

from __future__ import annotations

import ipaddress
import re
import struct
from typing import TYPE_CHECKING, NamedTuple

from timeline.event import Event, Problem, bounded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from timeline.sources import Context, SourceFile

NAME = "login_records"
SIGNATURES = (b"utmpx-1.00\0",)
NAMES = re.compile(r"[ubw]tmp(?:[._-].*)?|lastlog(?:\.\d+)?")
_LINUX_NAME = re.compile(r"^(?:[ubw]tmp)(?:[.\-_]?\d[\w.\-]*|\.old)?$")
_LASTLOG_NAME = re.compile(r"^lastlog(?:\.\d+)?$")
_MAC_SIGNATURE = b"utmpx-1.00\0"
_TYPES = {
    1: "login.runlevel",
    2: "login.boot",
    3: "login.clock_new",
    4: "login.clock_old",
    5: "login.process",
    6: "login.waiting",
    7: "login.session",
    8: "login.logout",
    9: "login.accounting",
}
_MAC_TYPES = {1: 1, 2: 2, 3: 4, 4: 3, 5: 5, 6: 6, 7: 7, 8: 8, 11: 10}  # utmpx.h of macOS swaps OLD_TIME and NEW_TIME


class _Layout(NamedTuple):
    """Size of a record and byte order; `wide` where seconds take 64 bits."""

    size: int
    order: str
    wide: bool


_LAYOUTS = tuple(_Layout(size, order, wide) for size, wide in ((384, False), (400, True)) for order in ("<", ">"))


class _Record(NamedTuple):
    type: int
    pid: int
    line: str
    user: str
    host: str
    session: int
    seconds: int
    microseconds: int
    address: bytes


def _string(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("utf-8", "backslashreplace")


def _linux(raw: bytes, layout: _Layout) -> _Record:
    kind, pid = struct.unpack_from(layout.order + "h2xi", raw)
    if layout.wide:
        session, seconds, micro = struct.unpack_from(layout.order + "qqq", raw, 336)
        address = raw[360:376]
    else:
        session, seconds, micro = struct.unpack_from(layout.order + "iIi", raw, 336)
        address = raw[348:364]
    return _Record(
        kind, pid, _string(raw[8:40]), _string(raw[44:76]), _string(raw[76:332]), session, seconds, micro, address
    )


def _plausible(raw: bytes, layout: _Layout) -> bool:
    """A record of a known type with printable strings and microseconds below a million; or all zeros."""
    if not any(raw):
        return True
    record = _linux(raw, layout)
    strings = record.line + record.user + record.host
    return (
        0 <= record.type <= 9
        and 0 <= record.microseconds < 1_000_000
        and 0 <= record.seconds < 1 << 33
        and strings.isprintable()
        and (record.type == 0 or record.seconds > 0)
    )


def _layout(head: bytes) -> _Layout | None:
    best, best_count = None, 0
    for layout in _LAYOUTS:
        count = 0
        for at in range(0, len(head) - layout.size + 1, layout.size):
            if not _plausible(head[at : at + layout.size], layout):
                break
            count += any(head[at : at + layout.size])
        else:
            if count > best_count:
                best, best_count = layout, count
    if best is None and len(head) >= 384:
        # Damaged further on: the layout of the first record.
        best = next((one for one in _LAYOUTS if any(head[: one.size]) and _plausible(head[: one.size], one)), None)
    return best


def _is_linux_name(name: str) -> bool:
    return _LINUX_NAME.match(name) is not None


def matches(file: SourceFile) -> bool:
    """By signature (macOS); Linux: by name and a first record that makes sense."""
    if file.head.startswith(_MAC_SIGNATURE):
        return True
    name = file.name.lower()
    if _is_linux_name(name) or name.startswith(("utmp_", "wtmp", "btmp")):
        return file.size > 0 and (_layout(file.head) is not None or _is_linux_name(name))
    return _LASTLOG_NAME.match(name) is not None and file.size >= 292


def promises(file: SourceFile) -> bool:
    """The name is that of the format."""
    return matches(file)


def parse(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    """An event for each record."""
    if file.head.startswith(_MAC_SIGNATURE):
        yield from _parse_mac(file, context)
    elif file.name.lower().startswith("lastlog"):
        yield from _parse_lastlog(file, context)
    else:
        yield from _parse_linux(file, context)


def _parse_linux(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    layout = _layout(file.head)
    if layout is None:
        yield Problem(file.layer, "damaged", "no record of struct utmp makes sense", 0, file.size)
        return
    failed = file.name.lower().startswith("btmp")
    sequence = 0
    bad: list[int] = []
    with file.open() as stream:
        while len(raw := stream.read(layout.size)) == layout.size:
            sequence += 1
            if sequence % 4096 == 0 and context.expired():
                yield Problem(file.layer, "limit", f"time limit at record {sequence}")
                return
            if not _plausible(raw, layout):
                bad.append((sequence - 1) * layout.size)
                continue
            record = _linux(raw, layout)
            if any(raw) and (record.seconds or record.type):
                kind = "login.failed" if failed and record.type in (6, 7) else _TYPES.get(record.type, "login.other")
                yield _event(record, kind, sequence, context)
    if bad:
        yield Problem(file.layer, "damaged", f"{len(bad)} records that make no sense", bad[0], layout.size)
    if raw:
        offset = sequence * layout.size
        yield Problem(file.layer, "incomplete", "the last record is cut", offset, len(raw))


def _address(raw: bytes) -> str:
    if not any(raw):
        return ""
    return str(ipaddress.IPv4Address(raw[:4]) if not any(raw[4:]) else ipaddress.IPv6Address(raw[:16]))


def _event(record: _Record, kind: str, sequence: int, context: Context) -> Event:
    data: dict[str, object] = {
        "line": record.line, "pid": record.pid, "from": record.host, "address": _address(record.address),
        "type": record.type,
    }  # fmt: skip
    return Event(
        time_ns=bounded(record.seconds * 10**9 + record.microseconds * 1000),
        time_text=f"{record.seconds}.{record.microseconds:06d}", precision_ns=1000, zone="UTC", zone_basis="format",
        kind=kind, desc="ut_tv", record=str(sequence), sequence=sequence, actor=record.user, host=context.host,
        data={name: value for name, value in data.items() if value not in ("", 0) or name == "type"},
    )  # fmt: skip


def _parse_lastlog(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    size = 296 if file.size % 292 and file.size % 296 == 0 else 292
    seconds_bytes = size - 288
    at = 0
    # The file is sparse: as long as the highest UID asks for, with holes of zeros.
    while at + size <= file.size:
        block = file.read_at(at, size * 3000)
        block = block[: len(block) // size * size]
        if not block:
            break
        if any(block):
            for start in range(0, len(block), size):
                raw = block[start : start + size]
                seconds = int.from_bytes(raw[:seconds_bytes], "little")
                if not seconds:
                    continue
                uid = (at + start) // size
                data = {"uid": uid, "line": _string(raw[-288:-256]), "from": _string(raw[-256:])}
                yield Event(
                    time_ns=bounded(seconds * 10**9), time_text=str(seconds), precision_ns=10**9, zone="UTC",
                    zone_basis="format", kind="login.last", desc="last login", record=f"UID {uid}", sequence=uid,
                    actor=f"UID {uid}", host=context.host, data={k: v for k, v in data.items() if v != ""},
                )  # fmt: skip
        at += len(block)
        if context.expired():
            yield Problem(file.layer, "limit", f"time limit at byte {at}", at)
            return
    if file.size % size:
        yield Problem(file.layer, "incomplete", "the last record is cut", file.size // size * size, file.size % size)


def _parse_mac(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    # struct utmpx32: user[256], id[4], line[32], pid, type (16 bits, 2 unused), seconds, microseconds, host[256], pad.
    size, sequence = 628, 0
    with file.open() as stream:
        stream.seek(size)  # the first record is the signature
        while len(raw := stream.read(size)) == size:
            sequence += 1
            pid, kind, seconds, micro = struct.unpack_from("<ih2xIi", raw, 292)
            linux_type = _MAC_TYPES.get(kind & 0x7FFF, 0)
            if not 0 <= micro < 1_000_000:
                yield Problem(file.layer, "damaged", "a record that makes no sense", sequence * size, size)
                continue
            record = _Record(
                kind, pid, _string(raw[260:292]), _string(raw[:256]), _string(raw[308:564]), 0, seconds, micro, b""
            )
            name = "login.shutdown" if linux_type == 10 else _TYPES.get(linux_type, "login.other")
            yield _event(record, name, sequence, context)
    if raw:
        yield Problem(file.layer, "incomplete", "the last record is cut", (sequence + 1) * size, len(raw))
