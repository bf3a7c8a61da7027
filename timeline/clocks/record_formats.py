"""The formats of a clock case, each a reader of one file into the columns of a `Source`.

Formats: ccas, op2, dvr, alerts (CP932 CSV), combined (Apache), squid (native), rfc3164 (syslog without year and zone),
http (JSON lines of a browser cache), evtx (JSON lines of the `evtx` library), eml (one mail).
All input is hostile: lines are bounded, a record that cannot be read keeps its place with an unknown reading.
"""

from __future__ import annotations

import csv
import json
import math
import re
from array import array
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from timeline.clocks.evidence import (
    Alert,
    CaseProblem,
    Operation,
    RecordName,
    Reply,
    Source,
    Standstill,
    TimeChange,
    Uptime,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

MAX_LINE_BYTES = 4 * 1024 * 1024
MAX_RECORDS = 5_000_000
MAX_PROBLEMS = 200
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_NAN = math.nan
_RANGE_NS = (-(2**62), 2**62)


@dataclass(slots=True)
class Columns:
    """Rows as they are read; `finish` puts them into the source."""

    source: Source
    origin_ns: int
    problems: list[CaseProblem]
    readings: array[float] = field(default_factory=lambda: array("d"))
    others: array[float] = field(default_factory=lambda: array("d"))
    resolutions: array[float] = field(default_factory=lambda: array("d"))

    def seconds(self, time_ns: int) -> float:
        """Seconds from the case's origin."""
        return (time_ns - self.origin_ns) / 1e9

    def tell(self, record: RecordName, detail: str) -> None:
        """Note a problem; a bounded number of them."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(CaseProblem(f"{self.source.file}:{record}", detail))
        elif len(self.problems) == MAX_PROBLEMS:
            self.problems.append(CaseProblem(self.source.file, "further problems are not listed"))

    def add(self, name: RecordName, text: str, time: tuple[int, int | None] | None, resolution_s: float) -> int:
        """Append a record; `time` is its reading in ns and the second reading of a repeated hour. Returns its row."""
        source = self.source
        row = len(source.names)
        source.names.append(name)
        source.texts.append(text)
        if time is None:
            self.tell(name, "time not readable")
            self.readings.append(_NAN)
            self.others.append(_NAN)
        else:
            self.readings.append(self.seconds(time[0]))
            self.others.append(_NAN if time[1] is None else self.seconds(time[1]))
        self.resolutions.append(resolution_s)
        return row

    def finish(self) -> None:
        """Hand the columns to the source."""
        self.source.reading_s = np.array(self.readings, dtype=np.float64)
        self.source.other_s = np.array(self.others, dtype=np.float64)
        self.source.resolution_s = np.array(self.resolutions, dtype=np.float64)
        if len(self.source.duplicates) != len(self.readings):
            self.source.duplicates = np.arange(len(self.readings), dtype=np.int64)


# --- zone layer -------------------------------------------------------------------------------------------------------

_OFFSET = re.compile(r"^(?:UTC|GMT)?([+-])(\d{1,2}):?(\d{2})?$")
_NAMES = {"Z": "+00:00", "UTC": "+00:00", "GMT": "+00:00", "JST": "+09:00"}


class Zone:
    """From wall time to the clock's own UTC reading, with both readings of a repeated hour.

    `name` is an offset ("+09:00"), an IANA name, or None (read as UTC). Raises ValueError for a name nobody knows.
    """

    def __init__(self, name: str | None) -> None:
        self._fixed_s: int | None = 0
        self._zone: ZoneInfo | None = None
        self._cache: dict[int, tuple[int, int | None]] = {}
        if name is None:
            return
        text = _NAMES.get(name.strip().upper(), name.strip())
        match = _OFFSET.match(text)
        if match:
            if int(match[2]) > 15 or int(match[3] or 0) > 59:
                raise ValueError(f"unknown zone: {name[:60]}")
            self._fixed_s = (int(match[2]) * 3600 + int(match[3] or 0) * 60) * (-1 if match[1] == "-" else 1)
            return
        try:
            self._zone = ZoneInfo(text)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"unknown zone: {name[:60]}") from error
        self._fixed_s = None

    def to_utc(self, wall_s: int) -> tuple[int, int | None]:
        """UTC seconds of the wall time `wall_s` (seconds since 1970 as if it were UTC), and the other reading."""
        if self._fixed_s is not None:
            return wall_s - self._fixed_s, None
        key = wall_s // 900  # zones change at quarter hours
        offsets = self._cache.get(key)
        if offsets is None:
            offsets = self._cache[key] = self._offsets(wall_s)
        return wall_s - offsets[0], None if offsets[1] is None else wall_s - offsets[1]

    def _offsets(self, wall_s: int) -> tuple[int, int | None]:
        if self._zone is None:
            raise AssertionError("a zone is a fixed offset or has a table")
        wall = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=wall_s)
        first = wall.replace(tzinfo=self._zone, fold=0).utcoffset() or timedelta()
        second = wall.replace(tzinfo=self._zone, fold=1).utcoffset() or timedelta()
        one, two = int(first.total_seconds()), int(second.total_seconds())
        return one, None if one == two else two


_DATES: dict[str, int | None] = {}
_DATE = re.compile(r"^\s*(\d{2}|\d{4})[/.\-年](\d{1,2})[/.\-月](\d{1,2})日?\s*$")
_TIME = re.compile(r"^\s*(\d{1,2})[::](\d{2})(?:[::](\d{2})(?:[.,](\d{1,9}))?)?\s*$")


def _day_s(text: str) -> int | None:
    """Seconds since 1970 of a date (two-digit years: 70-99 are 19xx)."""
    if text in _DATES:
        return _DATES[text]
    if len(_DATES) > 100_000:
        _DATES.clear()
    match = _DATE.match(text)
    value: int | None = None
    if match:
        year = int(match[1])
        if len(match[1]) == 2:
            year += 1900 if year >= 70 else 2000
        try:
            value = (date(year, int(match[2]), int(match[3])).toordinal() - _EPOCH_ORDINAL) * 86400
        except ValueError:
            value = None
    _DATES[text] = value
    return value


def wall_time(day: str, clock: str) -> tuple[int, int, float] | None:
    """(seconds since 1970 as if UTC, nanoseconds, resolution in s) of a date and a time; None if either is none."""
    day_s = _day_s(day)
    match = _TIME.match(clock)
    if day_s is None or match is None:
        return None
    hour, minute, second = int(match[1]), int(match[2]), int(match[3] or 0)
    if hour > 23 or minute > 59 or second > 60:
        return None
    digits = match[4] or ""
    resolution = 60.0 if match[3] is None else 10.0 ** -len(digits)
    return day_s + hour * 3600 + minute * 60 + second, int(digits.ljust(9, "0")) if digits else 0, resolution


def local_time(text: str, zone: Zone) -> tuple[tuple[int, int | None], float] | None:
    """((reading ns, other reading ns or None), resolution in s) of "date time" in `zone`."""
    day, _, clock = text.strip().replace("T", " ").partition(" ")
    wall = wall_time(day, clock)
    if wall is None:
        return None
    return _in_zone(wall, zone)


def _in_zone(wall: tuple[int, int, float], zone: Zone) -> tuple[tuple[int, int | None], float]:
    first, second = zone.to_utc(wall[0])
    ns = wall[1]
    return (first * 1_000_000_000 + ns, None if second is None else second * 1_000_000_000 + ns), wall[2]


_ISO = re.compile(
    r"^\s*(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?)\d*\s*(Z|UTC|[+-]\d{2}:?\d{2})?\s*$"
)


def iso_time(text: object, zone: Zone | None = None) -> tuple[int, float] | None:
    """(ns UTC, resolution in s) of an ISO 8601 text; without offset it is in `zone` (UTC where that is None)."""
    match = _ISO.match(text) if isinstance(text, str) and len(text) < 64 else None
    if match is None:
        return None
    wall = wall_time(match[1], match[2])
    if wall is None:
        return None
    used = Zone(match[3]) if match[3] else zone or Zone(None)
    (time_ns, _), resolution = _in_zone(wall, used)
    return time_ns, resolution


# --- lines ------------------------------------------------------------------------------------------------------------


def _lines(path: Path, encoding: str, columns: Columns) -> Iterator[tuple[int, str]]:
    """(line number from 1, text) with bounded lines; bytes outside the encoding are replaced and told."""
    number = 0
    with path.open("rb") as file:
        while number < MAX_RECORDS:
            raw = file.readline(MAX_LINE_BYTES)
            if not raw:
                return
            number += 1
            if len(raw) >= MAX_LINE_BYTES and not raw.endswith(b"\n"):
                columns.tell(number, "line longer than 4 MiB: cut")
                while raw and not raw.endswith(b"\n"):
                    raw = file.readline(MAX_LINE_BYTES)
                yield number, ""
                continue
            try:
                text = raw.decode(encoding)
            except UnicodeDecodeError:
                columns.tell(number, f"bytes that are not {encoding}")
                text = raw.decode(encoding, "replace")
            yield number, text.rstrip("\r\n")
    columns.tell(number, "too many records: the rest was not read")


def _csv_rows(path: Path, columns: Columns) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of a CP932 CSV (UTF-8 where a byte order mark says so)."""
    with path.open("rb") as file:
        encoding = "utf-8-sig" if file.read(3) == b"\xef\xbb\xbf" else "cp932"
    for number, text in _lines(path, encoding, columns):
        if '"' not in text:
            yield number, text.split(",")
            continue
        try:
            cells = next(csv.reader([text]), [])
        except csv.Error:
            columns.tell(number, "not a CSV line")
            cells = []
        yield number, cells


def _table(path: Path, columns: Columns, needed: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """(line, cells by header); the header is line 1 and must name the `needed` columns. Raises ValueError."""
    header: list[str] | None = None
    for number, cells in _csv_rows(path, columns):
        if header is None:
            header = [cell.strip().lstrip("\ufeff") for cell in cells]
            missing = [name for name in needed if name not in header]
            if missing:
                raise ValueError(f"columns missing: {', '.join(missing)}")
            continue
        if not cells or cells == [""]:
            continue
        if len(cells) < len(header):
            columns.tell(number, "fewer cells than the header")
        yield number, dict(zip(header, cells + [""] * (len(header) - len(cells)), strict=False))


def _number(text: str) -> int | None:
    text = text.strip().replace(",", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _count(columns: Columns, number: RecordName, text: str) -> int | None:
    """A number of bytes; None where the cell is empty, or holds something else, which is told."""
    value = _number(text)
    if value is None and text.strip():
        columns.tell(number, "not a number of bytes: taken as not recorded")
    return value


def _add_text(columns: Columns, number: RecordName, text: str, zone: Zone) -> int:
    parsed = local_time(text, zone)
    return columns.add(number, text, *(parsed or (None, 1.0)))


# --- the formats ------------------------------------------------------------------------------------------------------


def read_ccas(path: Path, columns: Columns, zone: Zone) -> None:
    """コンピュータ名,ユーザー名,表示名,記録時刻,記録年月日,種別,内容."""
    for number, row in _table(path, columns, ("記録時刻", "記録年月日")):
        _add_text(columns, number, f"{row['記録年月日'].strip()} {row['記録時刻'].strip()}", zone)


def read_op2(path: Path, columns: Columns, zone: Zone) -> None:
    """端末名,ユーザー名,発生日時,受信日時,種別,ファイル名,読込バイト数,書込バイト数,ドライブ種別."""
    tokyo = Zone("+09:00")
    seen: dict[tuple[str, ...], int] = {}
    duplicates: list[int] = []
    source = columns.source
    for number, row in _table(path, columns, ("発生日時", "受信日時", "種別")):
        at = _add_text(columns, number, row["発生日時"].strip(), zone)
        received = local_time(row["受信日時"], tokyo)
        received_s = _NAN
        if received is None and row["受信日時"].strip():
            columns.tell(number, "receipt not readable")
        if received is not None:
            received_s = columns.seconds(received[0][0])
            source.receipts.append((at, received_s, "op2"))
        key = tuple(value for name, value in row.items() if name != "受信日時")
        duplicates.append(seen.setdefault(key, at))
        source.operations.append(
            Operation(
                row=at,
                kind=row["種別"].strip(),
                host=row.get("端末名", "").strip(),
                user=row.get("ユーザー名", "").strip(),
                file=row.get("ファイル名", "").strip(),
                bytes_read=_count(columns, number, row.get("読込バイト数", "")),
                bytes_written=_count(columns, number, row.get("書込バイト数", "")),
                drive=row.get("ドライブ種別", "").strip(),
                received_s=received_s,
            ),
        )
    source.duplicates = np.array(duplicates, dtype=np.int64)


def read_dvr(path: Path, columns: Columns, zone: Zone) -> None:
    """番号,カメラ,日時,イベント."""
    for number, row in _table(path, columns, ("日時",)):
        _add_text(columns, number, row["日時"], zone)


def read_alerts(path: Path, columns: Columns, zone: Zone) -> None:
    """警報番号,検知日時,端末名,内容,ファイル,サイズ."""
    for number, row in _table(path, columns, ("検知日時",)):
        at = _add_text(columns, number, row["検知日時"], zone)
        columns.source.alerts.append(
            Alert(
                row=at,
                number=row.get("警報番号", "").strip(),
                host=row.get("端末名", "").strip(),
                text=row.get("内容", "").strip(),
                file=row.get("ファイル", "").strip(),
                size=_count(columns, number, row.get("サイズ", "")),
            ),
        )


_MONTHS = {
    name: index + 1
    for index, name in enumerate(("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"))
}
_COMBINED = re.compile(r"\[(\d{1,2})/([A-Za-z]{3})/(\d{4}):(\d{2}:\d{2}:\d{2})(?:\s*([+-]\d{4}))?\]")


def read_combined(path: Path, columns: Columns, zone: Zone) -> None:
    """Apache combined: [day/Mon/year:time zone]; the zone stands in the line."""
    zones: dict[str, Zone] = {}
    for number, text in _lines(path, "utf-8", columns):
        if not text.strip():
            continue
        match = _COMBINED.search(text)
        month = _MONTHS.get(match[2].title()) if match else None
        if match is None or month is None:
            columns.add(number, text[:80], None, 1.0)
            continue
        wall = wall_time(f"{match[3]}-{month:02d}-{match[1]}", match[4])
        used = zones.setdefault(match[5], Zone(match[5])) if match[5] else zone
        columns.add(number, match[0], *(_in_zone(wall, used) if wall else (None, 1.0)))


def read_squid(path: Path, columns: Columns, _zone: Zone) -> None:
    """Squid native: seconds.milliseconds since 1970 at completion."""
    for number, text in _lines(path, "utf-8", columns):
        if not text.strip():
            continue
        stamp = text.split(None, 1)[0]
        whole, _, fraction = stamp.partition(".")
        if not (whole.isascii() and whole.isdigit() and len(whole) < 12 and (not fraction or fraction.isdigit())):
            columns.add(number, stamp[:40], None, 0.001)
            continue
        digits = fraction[:9]
        time_ns = int(whole) * 1_000_000_000 + (int(digits.ljust(9, "0")) if digits else 0)
        columns.add(number, stamp, (time_ns, None), 10.0 ** -len(digits))


_SYSLOG = re.compile(r"^(?:<\d{1,3}>)?([A-Z][a-z]{2})\s+(\d{1,2})\s+(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?")


def read_rfc3164(path: Path, columns: Columns, zone: Zone) -> None:
    """Syslog without year: years are inferred from the last line backwards.

    The last line gets the latest year whose reading is not past the collection by more than a day; each earlier line
    the latest year that is not more than 183 days after the next line (29 February: leap years only).
    """
    rows: list[tuple[int, str, tuple[int, int, int, int] | None, float]] = []
    for number, text in _lines(path, "utf-8", columns):
        if not text.strip():
            continue
        match = _SYSLOG.match(text)
        month = _MONTHS.get(match[1]) if match else None
        if match is None or month is None:
            rows.append((number, text[:40], None, 1.0))
            continue
        digits = match[6] or ""
        second = int(match[3]) * 3600 + int(match[4]) * 60 + int(match[5])
        fraction = int(digits.ljust(9, "0")) if digits else 0
        rows.append((number, match[0], (month, int(match[2]), second, fraction), 10.0 ** -len(digits)))
    limit_s = columns.origin_ns // 1_000_000_000 + 86400
    times: list[tuple[int, int | None] | None] = []
    for _name, _text, parts, _resolution in reversed(rows):
        found: tuple[int, int | None] | None = None
        if parts is not None:
            found = _latest_year(parts, limit_s, zone)
            if found is not None:
                limit_s = found[0] // 1_000_000_000 + 183 * 86400
        times.append(found)
    for (number, text, _parts, resolution), time in zip(rows, reversed(times), strict=True):
        columns.add(number, text, time, resolution)


def _latest_year(parts: tuple[int, int, int, int], limit_s: int, zone: Zone) -> tuple[int, int | None] | None:
    month, day, second, ns = parts
    try:
        year = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=limit_s + 86400)).year
    except OverflowError:
        return None
    for candidate in range(year, max(1970, year - 9), -1):
        try:
            day_s = (date(candidate, month, day).toordinal() - _EPOCH_ORDINAL) * 86400
        except ValueError:
            continue
        first, second_reading = zone.to_utc(day_s + second)
        if first <= limit_s:
            other = None if second_reading is None else second_reading * 1_000_000_000 + ns
            return first * 1_000_000_000 + ns, other
    return None


def _json_lines(path: Path, columns: Columns) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, text in _lines(path, "utf-8", columns):
        if not text.strip():
            continue
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            columns.tell(number, "not a JSON object")
            value = {}
        yield number, value


def http_date(value: object) -> int | None:
    """Ns UTC of an HTTP or mail date; None if it is none."""
    if not isinstance(value, str) or len(value) > 200:
        return None
    try:
        parsed = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=UTC)
    try:
        return round((parsed - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * 1_000_000_000
    except OverflowError:
        return None


def read_http(path: Path, columns: Columns, _zone: Zone) -> None:
    """JSON lines: url, request_time, response_time (the computer's clock), headers.date (the server's), headers.age."""
    for number, value in _json_lines(path, columns):
        request = iso_time(value.get("request_time"))
        text = str(value.get("request_time"))[:40]
        row = columns.add(number, text, (request[0], None) if request else None, request[1] if request else 1.0)
        headers = value.get("headers")
        headers = {str(k).lower(): v for k, v in headers.items()} if isinstance(headers, dict) else {}
        response = iso_time(value.get("response_time")) or request
        date_ns = http_date(headers.get("date"))
        url = str(value.get("url", ""))
        host = re.sub(r"^[a-z][a-z0-9+.-]*://(?:[^/@]*@)?", "", url, flags=re.IGNORECASE).split("/", 1)[0].lower()
        if date_ns is None and headers.get("date") is not None:
            columns.tell(number, "`Date` not readable")
        if date_ns is None or request is None or response is None:
            continue
        if response[0] + round(response[1] * 1e9) < request[0]:
            continue  # the clock was set in between, or a text is wrong: how long it took is not known
        columns.source.replies.append(
            Reply(
                row=row,
                response_s=columns.seconds(response[0]) + response[1],
                date_s=columns.seconds(date_ns),
                host=host,
                age=headers.get("age") is not None,
            ),
        )


def _event_field(data: object, name: str) -> object:
    return data.get(name) if isinstance(data, dict) else None


def read_evtx(path: Path, columns: Columns, _zone: Zone) -> None:
    """JSON lines as the `evtx` library writes them; the record is EventRecordID, its time TimeCreated."""
    rows: list[tuple[int, str, int | None, float, dict[str, Any]]] = []
    for number, value in _json_lines(path, columns):
        event = value.get("Event")
        system = event.get("System") if isinstance(event, dict) else None
        if not isinstance(event, dict) or not isinstance(system, dict):
            columns.tell(number, "no Event/System")
            continue
        name = system.get("EventRecordID")
        record = name if isinstance(name, int) else _number(str(name))
        if record is None:
            columns.tell(number, "no EventRecordID")
            continue
        created = _event_field(_event_field(system.get("TimeCreated"), "#attributes"), "SystemTime")
        parsed = iso_time(created)
        resolution = parsed[1] if parsed else 1.0
        rows.append((record, str(created)[:40], parsed[0] if parsed else None, resolution, event))
    rows.sort(key=lambda one: one[0])  # a log that wrapped has its newer chunks first
    for record, text, time_ns, resolution, event in rows:
        row = columns.add(record, text, None if time_ns is None else (time_ns, None), resolution)
        _note_clock_event(event, row, columns)


def event_identity(event: dict[str, Any]) -> tuple[str, int]:
    """(provider, event id) of an event as JSON."""
    system = event.get("System")
    provider = _event_field(_event_field(_event_field(system, "Provider"), "#attributes"), "Name")
    number = _event_field(system, "EventID")
    if isinstance(number, dict):
        number = number.get("#text")
    return str(provider or ""), number if isinstance(number, int) else (_number(str(number)) or -1)


_LOCALE_TIME = re.compile(r"^\s*(\d{1,2}):(\d{2}):(\d{2})\s*([AaPp]\.?[Mm]\.?)?\s*$")
_LOCALE_DATE = re.compile(r"^\s*(\d{1,4})[/.\-](\d{1,2})[/.\-](\d{1,4})\s*$")


def _locale_moment(day: object, clock: object, order: str) -> int | None:
    """Seconds of a date and time in the words of a locale, the parts of the date in `order` (such as mdy)."""
    date_match = _LOCALE_DATE.match(day.replace("\u200e", "")) if isinstance(day, str) else None
    time_match = _LOCALE_TIME.match(clock.replace("\u200e", "")) if isinstance(clock, str) else None
    if date_match is None or time_match is None:
        return None
    parts = dict(zip(order, (int(date_match[1]), int(date_match[2]), int(date_match[3])), strict=True))
    hour = int(time_match[1])
    if time_match[4]:
        hour = hour % 12 + (12 if time_match[4][0] in "Pp" else 0)
    try:
        days = date(parts["y"], parts["m"], parts["d"]).toordinal() - _EPOCH_ORDINAL
    except ValueError:
        return None
    return days * 86400 + hour * 3600 + int(time_match[2]) * 60 + int(time_match[3])


def locale_step(data: Mapping[str, object], created_s: float) -> float | None:
    """The step in seconds of a 4616 record of version 0, whose times are texts of a locale and zone nobody names.

    Both texts are of one zone, so their difference needs none. The order of the date's parts is the one with which the
    new time lies within a day of the record's own (`created_s`, seconds since 1970). Whole seconds.
    """
    for order in ("mdy", "dmy", "ymd"):
        new = _locale_moment(data.get("NewDate"), data.get("NewTime"), order)
        old = _locale_moment(data.get("PreviousDate"), data.get("PreviousTime"), order)
        if new is not None and old is not None and abs(new - created_s) < 26 * 3600:
            return float(new - old)
    return None


def uptime_seconds(data: object) -> float | None:
    """The time since the last start of an event 6013: the fifth text of its data."""
    texts = _event_field(data, "Data")
    texts = _event_field(texts, "#text") or texts
    value = texts[4] if isinstance(texts, list) and len(texts) > 4 else _event_field(data, "param5")
    number = _number(str(value)) if value is not None else None
    return None if number is None else float(number)


def _note_clock_event(event: dict[str, Any], row: int, columns: Columns) -> None:
    """Time changes (Security 4616, Kernel-General 1) and sleeps (Power-Troubleshooter 1) found in an event."""
    provider, number = event_identity(event)
    data = event.get("EventData")
    if (provider.endswith("EventLog") and number in (6005, 6009)) or (
        provider.endswith("Kernel-General") and number == 12
    ):
        columns.source.boots.append(row)
        return
    if provider.endswith("EventLog") and number == 6013:
        seconds = uptime_seconds(data)
        if seconds is not None:
            columns.source.uptimes.append(Uptime(row, seconds))
        return
    if number == 4616 and provider.endswith("Security-Auditing"):
        old, new = iso_time(_event_field(data, "PreviousTime")), iso_time(_event_field(data, "NewTime"))
        process, reason = str(_event_field(data, "ProcessName") or ""), None
    elif number == 1 and provider.endswith("Kernel-General"):
        old, new = iso_time(_event_field(data, "OldTime")), iso_time(_event_field(data, "NewTime"))
        given = _event_field(data, "Reason")
        process, reason = "", given if isinstance(given, int) else None
    elif number == 1 and provider.endswith("Power-Troubleshooter"):
        slept, woke = iso_time(_event_field(data, "SleepTime")), iso_time(_event_field(data, "WakeTime"))
        if slept and woke:
            columns.source.standstills.append(
                Standstill(columns.seconds(slept[0]), columns.seconds(woke[0]), row),
            )
        return
    else:
        return
    if old is None or new is None:
        created = columns.readings[row]
        step = locale_step(data, created + columns.origin_ns / 1e9) if isinstance(data, dict) else None
        if step is None:
            columns.tell(columns.source.names[row], "time change without readable times")
            return
        columns.source.changes.append(TimeChange(created - step, created, row, process=process))
        return
    columns.source.changes.append(
        TimeChange(columns.seconds(old[0]), columns.seconds(new[0]), row, process=process, reason=reason),
    )


def read_eml(path: Path, columns: Columns, _zone: Zone) -> None:
    """One mail: Date by the computer, Received by servers (the lowest header is the first hop)."""
    headers: list[tuple[str, str]] = []
    for number, text in _lines(path, "latin-1", columns):
        if not text.strip() or number > 2000:
            break
        if text[:1] in " \t" and headers:
            name, value = headers[-1]
            headers[-1] = (name, f"{value} {text.strip()}"[:4000])
            continue
        name, _, value = text.partition(":")
        headers.append((name.strip().lower(), value.strip()))
    dates = [value for name, value in headers if name == "date"]
    time_ns = http_date(dates[0]) if dates else None
    row = columns.add("Date", dates[0] if dates else "", None if time_ns is None else (time_ns, None), 1.0)
    for name, value in reversed(headers):
        if name != "received":
            continue
        received = http_date(value.rpartition(";")[2].strip())
        match = re.search(r"\bby\s+([A-Za-z0-9._-]+)", value)
        if received is not None:
            columns.source.receipts.append(
                (row, columns.seconds(received), f"mail:{match[1].lower() if match else ''}")
            )


READERS: dict[str, Callable[[Path, Columns, Zone], None]] = {
    "ccas": read_ccas,
    "op2": read_op2,
    "dvr": read_dvr,
    "alerts": read_alerts,
    "combined": read_combined,
    "squid": read_squid,
    "rfc3164": read_rfc3164,
    "http": read_http,
    "evtx": read_evtx,
    "eml": read_eml,
}
"""Format name of a clock case -> its reader."""

LOCAL_FORMATS = frozenset({"ccas", "op2", "dvr", "alerts", "rfc3164"})
"""Formats whose texts carry no zone: the declared one counts."""


def read_source(path: Path, source: Source, origin_ns: int, problems: list[CaseProblem]) -> None:
    """Fill `source` from its file. What cannot be read is told in `problems`.

    Raises OSError.
    """
    columns = Columns(source, origin_ns, problems)
    reader = READERS.get(source.format)
    if reader is None:
        problems.append(CaseProblem(source.file, f"unknown format: {source.format[:40]}"))
        columns.finish()
        return
    try:
        zone = Zone(source.zone)
    except ValueError as error:
        problems.append(CaseProblem(source.file, f"{error}: read as UTC, offset unknown"))
        zone = Zone(None)
        source.zone = None
    source.zone_free = source.zone is None and source.format in LOCAL_FORMATS
    try:
        reader(path, columns, zone)
    except ValueError as error:
        problems.append(CaseProblem(source.file, str(error)))
    columns.finish()


def fixed_offset(seconds: int) -> timezone:
    """A zone of a fixed offset from UTC in seconds."""
    return timezone(timedelta(seconds=seconds))
