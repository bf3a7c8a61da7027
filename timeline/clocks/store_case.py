# ruff: noqa: S608 - statements are put together from names of this program; values are parameters
"""A clock case made of the timeline of a case: the records that tie clocks together, and what people said of clocks.

Only what bears on clocks is read from the store: time changes, sleeps, replies in caches, mails, receipts, alerts, and
the columns (row, order, time) of logs written in order.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from timeline.clocks.evidence import (
    Alert,
    CaseProblem,
    Clock,
    ClockCase,
    Incident,
    Link,
    Operation,
    Reading,
    Reply,
    Source,
    Standstill,
    TimeChange,
    TypedAnchor,
    Uptime,
)
from timeline.clocks.record_formats import Zone, http_date, iso_time, local_time, locale_step, uptime_seconds
from timeline.clocks.ties import Tie, ties

if TYPE_CHECKING:
    from timeline.clocks.evidence import Floats
    from timeline.clocks.statements import Statements
    from timeline.store import Store

ORDERED_PARSERS = (
    "evtx", "evt", "syslog", "weblog", "w3c_log", "journal", "journal_export", "package_log", "usnjrnl",
)  # fmt: skip
"""Parsers whose rows stand in order of writing: by line, EventRecordID, or USN."""
MAX_ROWS = 1_000_000
FEW_REPLIES = 5
CHANGES = ("evtx.time_changed", "evtx.time_changed_kernel", "evtx.wake", "evtx.uptime")
BOOTS = ("evtx.boot", "evtx.log_started", "evtx.os_version")
REPLIES = ("web.cache_reply", "web.request")
MAILS = ("mail.date", "mail.received")


@dataclass(slots=True)
class StoreCase:
    """The clock case of a store, and the event of every record."""

    case: ClockCase
    aliases: dict[str, str] = field(default_factory=dict)
    """Names in the store that are another clock of the case: a mail's sender is the host of that name."""
    events: list[list[tuple[int, int]]] = field(default_factory=list)
    """For each source: (source_id, row) of every record."""

    def event(self, source: int, row: int) -> str:
        """The event's name: S<source_id>:<row>."""
        source_id, number = self.events[source][row]
        return f"S{source_id}:{number}"

    _places: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)

    def find(self, name: str) -> tuple[int, int] | None:
        """(source index, row) of an event, if it is among the records."""
        match = re.fullmatch(r"S(\d+):(\d+)", name)
        return None if match is None else self.place((int(match[1]), int(match[2])))

    def place(self, event: tuple[int, int]) -> tuple[int, int] | None:
        """(source index, row) of (source_id, row)."""
        if not self._places:
            for index, rows in enumerate(self.events):
                for at, one in enumerate(rows):
                    self._places.setdefault(one, (index, at))
        return self._places.get(event)


class _Builder:
    def __init__(self, store: Store, said: Statements) -> None:
        self.store = store
        self.said = said
        self.origin_ns = self._collected()
        self.sources: list[Source] = []
        self.events: list[list[tuple[int, int]]] = []
        self.problems: list[CaseProblem] = []
        self.hosts: dict[str, str] = {}
        self.aliases: dict[str, str] = {}

    def _collected(self) -> int:
        """When the store was built: nothing in it is later."""
        started = [row[0] for row in self.store.rows("SELECT started FROM builds") if row[0]]
        moments = [iso_time(str(text).replace("+00:00", "Z")) for text in started]
        known = [one[0] for one in moments if one is not None]
        return max(known) if known else int(datetime.now(UTC).timestamp()) * 1_000_000_000

    def build(self) -> StoreCase:
        clocks = {
            str(name): int(count)
            for name, count in self.store.rows("SELECT clock, count(*) FROM events GROUP BY clock ORDER BY clock")
        }
        hosts = {name.partition(":")[2].lower(): name for name in clocks if name.startswith("host:")}
        for name in clocks:
            own = hosts.get(name.removeprefix("mail:").lower()) if name.startswith("mail:") else None
            if own is not None:
                self.aliases[name] = own
        for source_id, parser, clock in self.store.rows(
            "SELECT DISTINCT e.source_id, e.parser, e.clock FROM events e WHERE e.parser IN "
            f"({', '.join(repr(name) for name in ORDERED_PARSERS)}) OR e.kind LIKE 'op.%' OR e.kind LIKE 'alert.%' "
            f"OR e.kind IN ({', '.join(repr(name) for name in (*REPLIES, *MAILS))}) "
            "OR (e.parser = 'mapped' AND e.kind NOT LIKE 'file.%') ORDER BY e.source_id, e.clock",
        ):
            self._source(int(source_id), str(parser), str(clock))
        found_ties = list(ties(self.store))
        self._tied_rows(found_ties)
        declared = {name: self._declared(name) for name in clocks if name not in self.aliases}
        case = ClockCase(
            origin_ns=self.origin_ns,
            collected_s=1.0,
            clocks={name: Clock(name, "synchronised" if right else "unknown") for name, right in declared.items()},
            http_hosts=self.hosts,
            sources=self.sources,
            problems=self.problems,
        )
        for name in set(self.hosts.values()):
            case.clocks.setdefault(name, Clock(name, "synchronised"))
        case.readings = self._readings(list(clocks))
        result = StoreCase(case, self.aliases, self.events)
        case.typed = self._typed(result)
        case.links = self._links(found_ties, result)
        case.incidents = [
            Incident(result.event(index, alert.row), source.file, (index, alert.row))
            for index, source in enumerate(self.sources)
            for alert in source.alerts
        ]
        return result

    def _declared(self, name: str) -> bool:
        """Whether a clock is held to be right: as declared, else servers are and everything else is unknown."""
        found = self.said.declared.get(name)
        if found is not None and found.declared:
            return found.declared == "synchronised"
        return name.startswith("server:")

    def _tied_rows(self, found: list[Tie]) -> None:
        """Records of ties, and those that people gave a time, that are not among the records yet."""
        there = {one for rows in self.events for one in rows}
        wanted = {one for tie in found for one in (tie.first, tie.second)}
        for name in self.said.moments:
            match = re.fullmatch(r"S(\d{1,9}):(\d{1,18})", name)
            if match is not None:
                wanted.add((int(match[1]), int(match[2])))
        by_source: dict[int, list[int]] = {}
        for source_id, row in wanted - there:
            by_source.setdefault(source_id, []).append(row)
        for source_id, numbers in sorted(by_source.items()):
            listed = ", ".join(str(one) for one in sorted(numbers))
            clocks = self.store.rows(
                f"SELECT DISTINCT clock, parser FROM events WHERE source_id = ? AND row IN ({listed}) ORDER BY ALL",
                [source_id],
            )
            for clock, parser in list(clocks):
                self._source(source_id, str(parser), str(clock), only=f"row IN ({listed})")

    def _links(self, found: list[Tie], made: StoreCase) -> list[Link]:
        links: list[Link] = []
        for tie in found:
            first, second = made.place(tie.first), made.place(tie.second)
            if first is not None and second is not None:
                links.append(Link(first, second, tie.basis, tie.slack_s, tie.same))
        return links

    def _source(self, source_id: int, parser: str, clock: str, *, only: str = "true") -> None:
        rows = list(
            self.store.rows(
                'SELECT row, time_ns, precision_ns, kind, "zone" IS NULL, sequence, '
                "CASE WHEN kind LIKE 'op.%' OR kind LIKE 'alert.%' OR kind IN "
                f"({', '.join(repr(name) for name in (*REPLIES, *MAILS, *CHANGES))}) "
                "THEN data ELSE '' END, host, actor, path, bytes, time_text FROM events "
                f"WHERE source_id = ? AND clock = ? AND time_ns IS NOT NULL AND {only} "
                "ORDER BY sequence, row LIMIT ?",
                [source_id, clock, MAX_ROWS],
            ),
        )
        if not rows:
            return
        if len(rows) == MAX_ROWS:
            self.problems.append(
                CaseProblem(f"S{source_id}", f"only the first {MAX_ROWS} records are used for its clock")
            )
        zone_missing = bool(rows[0][4])
        operations = any(str(row[3]).startswith("op.") for row in rows)
        form = {"evtx": "evtx", "mail": "eml", "syslog": "rfc3164"}.get(parser, "op2" if operations else parser)
        ordered = only == "true" and (
            parser in ORDERED_PARSERS or (parser == "mapped" and not operations and rows[0][3] not in REPLIES)
        )
        named = self.aliases.get(clock, clock)
        said = self.said.declared.get(named)
        zone = said.zone if said and said.zone and zone_missing else None
        source = Source(f"S{source_id}", form, named, zone if zone_missing else "UTC", "append" if ordered else "none")
        source.wall = zone_missing
        source.reading_s, source.other_s = self._in_zone(zone, rows)
        source.resolution_s = np.array([int(row[2]) / 1e9 for row in rows])
        source.duplicates = np.arange(len(rows), dtype=np.int64)
        source.names = [f"S{source_id}:{row[0]}" for row in rows]
        source.texts = [str(row[11])[:60] for row in rows]
        source.zone_free = zone_missing and zone is None
        self.sources.append(source)
        self.events.append([(source_id, int(row[0])) for row in rows])
        for position, row in enumerate(rows):
            if row[3] in BOOTS:
                source.boots.append(position)
            elif row[6]:
                self._note(source, position, row)
        if source.operations:
            seen: dict[tuple[object, ...], int] = {}
            for one in source.operations:
                # A line delivered more than once differs in its receipt alone.
                key = (source.texts[one.row], one.kind, one.host, one.user, one.file, one.bytes_read, one.bytes_written)
                source.duplicates[one.row] = seen.setdefault(key, one.row)

    def _in_zone(self, zone: str | None, rows: list[tuple[Any, ...]]) -> tuple[Floats, Floats]:
        """Readings of rows whose wall time is in a declared zone, and the second ones of a repeated hour."""
        read = np.array([(int(row[1]) - self.origin_ns) / 1e9 for row in rows])
        other = np.full(len(rows), np.nan)
        if zone is None:
            return read, other
        try:
            used = Zone(zone)
        except ValueError as error:
            self.problems.append(CaseProblem(zone, str(error)))
            return read, other
        for at, row in enumerate(rows):
            wall_s = int(row[1]) // 1_000_000_000
            try:
                first, second = used.to_utc(wall_s)
            except OverflowError:  # outside the years 1 to 9999
                read[at] = np.nan
                continue
            read[at] += first - wall_s
            if second is not None:
                other[at] = read[at] + second - first
        return read, other

    def _note(self, source: Source, at: int, row: tuple[Any, ...]) -> None:
        kind = str(row[3])
        try:
            data = json.loads(row[6])
        except ValueError:
            return
        if not isinstance(data, dict):
            return
        if kind in CHANGES:
            self._change(source, at, kind, data)
        elif kind in REPLIES:
            self._reply(source, at, row, data)
        elif kind.startswith("op.") and kind != "op.received":
            self._operation(source, at, row, data)
        elif kind.startswith("alert."):
            source.alerts.append(
                Alert(at, str(data.get("alert", "")), str(row[7]), str(data.get("content", "")), str(row[9]), row[10])
            )
        elif kind == "mail.date":
            self._mail(source, at, row)

    def _seconds(self, text: object) -> float | None:
        found = iso_time(text)
        return None if found is None else (found[0] - self.origin_ns) / 1e9

    def _change(self, source: Source, at: int, kind: str, data: dict[str, Any]) -> None:
        if kind == "evtx.uptime":
            seconds = uptime_seconds(data)
            if seconds is not None:
                source.uptimes.append(Uptime(at, seconds))
            return
        names = {"evtx.time_changed": ("PreviousTime", "NewTime"), "evtx.time_changed_kernel": ("OldTime", "NewTime")}
        if kind == "evtx.wake":
            slept, woke = self._seconds(data.get("SleepTime")), self._seconds(data.get("WakeTime"))
            if slept is not None and woke is not None:
                source.standstills.append(Standstill(slept, woke, at))
            return
        old, new = (self._seconds(data.get(name)) for name in names[kind])
        if old is None or new is None:
            step = locale_step(data, float(source.reading_s[at]) + self.origin_ns / 1e9)
            if step is not None:
                new = float(source.reading_s[at])
                old = new - step
        if old is None or new is None:
            self.problems.append(CaseProblem(str(source.names[at]), "time change without readable times"))
            return
        reason = data.get("Reason")
        source.changes.append(
            TimeChange(old, new, at, str(data.get("ProcessName", "")), reason if isinstance(reason, int) else None)
        )

    def _reply(self, source: Source, at: int, row: tuple[Any, ...], data: dict[str, Any]) -> None:
        date_ns = http_date(data.get("date") or data.get("server_date"))
        own = float(source.reading_s[at])
        request, response = self._seconds(data.get("request_time")), self._seconds(data.get("response_time"))
        if date_ns is None:
            return
        # The event stands at the request or the response: the exchange lies between the two either way.
        first = own if request is None else min(request, own)
        last = own if response is None else max(response, own)
        host = re.sub(r"^.*?://(?:[^/@]*@)?", "", str(row[9])).split("/", 1)[0].lower()
        if not host:
            return
        self.hosts.setdefault(host, f"web:{host}")
        age = data.get("age")
        source.replies.append(
            Reply(at, last + (own - first) + 1e-3, (date_ns - self.origin_ns) / 1e9, host, age not in (None, "", 0))
        )

    def _operation(self, source: Source, at: int, row: tuple[Any, ...], data: dict[str, Any]) -> None:
        received_s = np.nan
        received = local_time(str(data.get("received", "")), Zone("+09:00"))
        if received is not None:
            received_s = (received[0][0] - self.origin_ns) / 1e9
            source.receipts.append((at, received_s, "op2"))
        read, written = data.get("bytes_read"), data.get("bytes_written")
        source.operations.append(
            Operation(
                row=at,
                kind=str(data.get("operation", "")),
                host=str(row[7]),
                user=str(row[8]),
                file=str(row[9]),
                bytes_read=read if isinstance(read, int) else None,
                bytes_written=written if isinstance(written, int) else None,
                drive=str(data.get("drive_kind", "")),
                received_s=received_s,
            ),
        )

    def _mail(self, source: Source, at: int, row: tuple[Any, ...]) -> None:
        source_id = int(str(source.names[at])[1:].split(":")[0])
        hops = self.store.rows(
            "SELECT time_ns, host FROM events WHERE source_id = ? AND sequence = ? AND kind = 'mail.received' "
            "AND record LIKE '%Received 1' AND time_ns IS NOT NULL",
            [source_id, row[5]],
        )
        for time_ns, host in hops:
            source.receipts.append((at, (int(time_ns) - self.origin_ns) / 1e9, f"mail:{host}"))

    def _readings(self, clocks: list[str]) -> list[Reading]:
        found: list[Reading] = []
        # A reading without a clock's name is the machine's only where no other device's clock (a camera's) is there.
        own = [name for name in clocks if not name.startswith(("server:", "mail:"))]
        own = own if own and own[0].startswith(("host:", "source:")) else []
        for seen in self.said.readings:
            name = (
                seen.clock if seen.clock in clocks else f"host:{seen.clock}" if f"host:{seen.clock}" in clocks else ""
            )
            if not name and len(own) == 1:
                name = own[0]
            shown, reference = self._seconds(seen.shown), self._seconds(seen.reference)
            if not name or shown is None or reference is None:
                self.problems.append(
                    CaseProblem(f"ledger:{seen.seq}", "reading not tied to a clock: name it with --clock")
                )
                continue
            found.append(Reading(name, shown, reference, seen.resolution_s, seen.resolution_s, seen.seq))
        return found

    def _typed(self, case: StoreCase) -> list[TypedAnchor]:
        found: list[TypedAnchor] = []
        for moment in self.said.moments.values():
            at = case.find(moment.event)
            low, high = self._seconds(moment.earliest), self._seconds(moment.latest)
            if at is None or low is None or high is None or low > high:
                self.problems.append(CaseProblem(f"ledger:{moment.seq}", f"anchor not usable: {moment.event}"))
                continue
            found.append(TypedAnchor(at, low, high, moment.seq))
        return found


def case_of_store(store: Store, said: Statements) -> StoreCase:
    """The clock case of a store."""
    return _Builder(store, said).build()
