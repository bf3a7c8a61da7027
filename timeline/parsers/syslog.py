"""System logs as text: RFC 3164 (`Nov 24 09:00:00`, no year, no zone), RFC 5424, and the ISO times of rsyslog.

Lines without a year are dated by the file: its newest line is not later than the time at which the file was
changed (on an image) or collected, and the months going on from December to January count the years back.
`data["year_inferred"]` and `data["year_basis"]` say so in each event; without any such time `time_ns` is None.
`data`: program, pid, message, priority (`<34>`); kinds and fields of known wordings: `timeline.unix_messages`.
Lines that start with no time belong to the message before them.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from timeline import times
from timeline.event import Event, Problem
from timeline.lines import Lines, Unread, head_text
from timeline.unix_messages import classify
from timeline.written_times import Reading, reader, settle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from timeline.sources import Context, SourceFile

NAME = "syslog"
TEXT = True
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_OLD = re.compile(
    rf"(?:<(?P<pri>\d{{1,3}})>)?(?P<time>(?P<month>{'|'.join(_MONTHS)}) (?P<day>[ \d]?\d) "
    r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(?P<fraction>\.\d{1,9})?)(?:\s+|: )(?P<rest>.*)"
)
_NEW = re.compile(
    r"<(?P<pri>\d{1,3})>1 (?P<time>-|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)) (?P<host>\S+) "
    r"(?P<program>\S+) (?P<pid>\S+) (?P<id>\S+) (?P<data>-|(?:\[(?:[^\]\\]|\\.)*\])+)(?: (?P<message>.*))?$"
)
_ISO = re.compile(
    r"(?:<(?P<pri>\d{1,3})>)?(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)) (?P<rest>.*)"
)
_TAG = re.compile(r"(?P<program>[^\s\[:]+)(?:\[(?P<pid>[^\]]*)\])?(?: <[A-Za-z]+>)?:\s?(?P<message>.*)")
_LEVELS = frozenset(["EMERG", "ALERT", "CRIT", "ERR", "ERROR", "WARNING", "WARN", "NOTICE", "INFO", "DEBUG"])
_MOST_CONTINUED = 4000
_HALF_YEAR = 183


class _Line(NamedTuple):
    """A message with its first line's number."""

    number: int
    text: str
    reading: Reading
    written: str
    pri: str
    host: str
    program: str
    pid: str
    message: str
    more: dict[str, object]


def matches(file: SourceFile) -> bool:
    """Two of the first lines that are not empty, or the only one, start as one of the formats does."""
    head = file.head
    if b":" not in head[:128]:
        return False
    lines = [line.rstrip("\r") for line in (head_text(head) or "").split("\n")[:20] if line.strip()][:8]
    good = sum(1 for line in lines if _is_start(line))
    return good >= 2 or (good == 1 and len(lines) == 1)


def _is_start(line: str) -> bool:
    if _NEW.match(line) is not None:
        return True
    found = _OLD.match(line) or _ISO.match(line)
    if found is None:
        return False
    rest = found["rest"]
    return found.re is _OLD or _TAG.search(rest[:200]) is not None


def parse(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    """An event for each message."""
    years = _years(file, context)
    lines, unread = Lines(file), Unread()
    current: _Line | None = None
    continued: list[str] = []
    sequence = 0
    year = years.first
    last_day: tuple[int, int] | None = None
    for number, text in lines:
        if not text.strip():
            continue
        found = _OLD.match(text)
        if found is not None and years.first is not None:
            day = (_MONTHS.index(found["month"]) + 1, int(found["day"]))
            year = _next_year(year, last_day, day)
            last_day = day
        line = _read(number, text, found, year)
        if line is None and current is not None:
            continued.append(text)
            continue
        if current is not None:
            sequence += 1
            yield _event(current, continued, sequence, years, context)
            continued = []
            if sequence % 4096 == 0 and context.expired():
                yield Problem(file.layer, "limit", f"time limit at line {number}")
                current = None
                break
        if line is None:
            sequence += 1
            yield unread.event(number, text, sequence)
        current = line
    if current is not None:
        yield _event(current, continued, sequence + 1, years, context)
    if years.needed and years.first is None:
        yield Problem(file.layer, "incomplete", "the lines have no year, and nothing says when the log was taken")
    yield from lines.problems(file.layer)
    yield from unread.problems(file.layer, lines)


class _Years(NamedTuple):
    """Year of the first line that has none; what it was inferred from."""

    first: int | None
    basis: str
    needed: bool


def _days(day: tuple[int, int]) -> int:
    return (day[0] - 1) * 31 + day[1]


def _next_year(year: int | None, last: tuple[int, int] | None, day: tuple[int, int]) -> int | None:
    """The year goes up where the date falls back by more than half a year, and down where it leaps ahead as far."""
    if year is None or last is None:
        return year
    step = _days(day) - _days(last)
    return year + 1 if step < -_HALF_YEAR else year - 1 if step > _HALF_YEAR else year


def _reference(file: SourceFile, context: Context) -> tuple[int | None, str]:
    """(ns, what it is) of a time that no line is later than."""
    modified = file.times.get("modified")
    if modified is not None and modified.ns is not None:
        return modified.ns, "modification time of the file"
    if context.collected_ns is not None:
        return context.collected_ns, "time of collection"
    return None, ""


def _years(file: SourceFile, context: Context) -> _Years:
    """Read once for the changes of year."""
    count, last = 0, None
    latest: tuple[int, tuple[int, int]] | None = None
    for _, text in Lines(file):
        found = _OLD.match(text)
        if found is None:
            continue
        day = (_MONTHS.index(found["month"]) + 1, int(found["day"]))
        count += _next_year(0, last, day) or 0
        last = day
        latest = max(latest or (count, day), (count, day))
    if latest is None:
        return _Years(None, "", needed=False)
    reference, basis = _reference(file, context)
    if reference is None:
        return _Years(None, "", needed=True)
    # A day more: the log's clock and zone are its own.
    newest = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=reference // times.NS, days=1)
    final = newest.year if latest[1] <= (newest.month, newest.day) else newest.year - 1
    return _Years(final - latest[0], f"{basis} {times.text(reference, digits=0)}", needed=True)


def _read(number: int, text: str, old: re.Match[str] | None, year: int | None) -> _Line | None:
    if found := _NEW.match(text):
        reading = Reading(None, times.NS, None) if found["time"] == "-" else reader("iso")(found["time"])
        more: dict[str, object] = {}
        if found["data"] != "-":
            more["structured"] = found["data"][:1000]
        if found["id"] != "-":
            more["message_id"] = found["id"]
        host, program, pid = (("" if found[name] == "-" else found[name]) for name in ("host", "program", "pid"))
        message = (found["message"] or "").removeprefix("\ufeff")
        return _Line(number, text, reading, found["time"], found["pri"], host, program, pid, message, more)
    if old is not None:
        fraction = (old["fraction"] or "")[1:]
        ns = None
        if year is not None:
            ns = times.civil(
                year,
                _MONTHS.index(old["month"]) + 1,
                int(old["day"]),
                int(old["hour"]),
                int(old["minute"]),
                int(old["second"]),
                int(fraction.ljust(9, "0")),
            )
        reading = Reading(ns, 10 ** (9 - len(fraction)), None)
        return _Line(number, text, reading, old["time"], old["pri"] or "", *_tagged(old["rest"]), {})
    if found := _ISO.match(text):
        return _Line(
            number, text, reader("iso")(found["time"]), found["time"], found["pri"] or "", *_tagged(found["rest"]), {}
        )
    return None


def _tagged(rest: str) -> tuple[str, str, str, str]:
    """(host, program, pid, message) of what follows the time. A message without `program:` has no program."""
    host, _, tail = rest.partition(" ")
    tail = tail.lstrip()
    if host.endswith(":") and not host[:-1].endswith(":"):  # `last message repeated`: no host
        host, tail = "", rest
    if found := _TAG.match(tail):
        if host in _LEVELS:
            return "", found["program"], found["pid"] or "", found["message"]
        return host, found["program"], found["pid"] or "", found["message"]
    return host, "", "", tail


def _event(line: _Line, continued: list[str], sequence: int, years: _Years, context: Context) -> Event:
    message = line.message
    if continued:
        message = "\n".join([message, *continued])[:_MOST_CONTINUED]
    kind, fields = classify(line.program, message.lstrip())
    ns, zone, basis = settle(line.reading, context)
    data: dict[str, object] = {"program": line.program, "pid": line.pid, "message": message, **line.more}
    if line.pri:
        data["priority"] = int(line.pri)
    if line.written[:1].isalpha() and years.first is not None:
        wall = line.reading.ns
        if wall is not None:
            data["year_inferred"] = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=wall // times.NS)).year
        data["year_basis"] = years.basis
    data |= fields
    return Event(
        time_ns=ns, time_text=line.written, precision_ns=line.reading.precision_ns, zone=zone, zone_basis=basis,
        kind=kind, desc="logged", record=str(line.number), sequence=sequence, actor=str(fields.get("user", "")),
        host=line.host or context.host, path=str(fields.get("command", "")),
        data={name: value for name, value in data.items() if value != ""},
    )  # fmt: skip
