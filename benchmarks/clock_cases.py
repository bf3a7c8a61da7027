"""Clock cases with known truth: a simulator that writes them in the exact formats of a clock case.

Every class is a way in which clocks are wrong, or in which the evidence about them is. `write_case(folder, kind, seed,
family)` writes a case folder and returns the truth: the true moment of every record, the true order of every pair, the
true verdict of every incident. Two families differ in seeds and in the ranges of their parameters: one to tune with,
one to judge with.
"""

from __future__ import annotations

import csv
import itertools
import json
import math
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from pathlib import Path

DAY = 86400.0
START = datetime(2026, 3, 2, tzinfo=UTC).timestamp()
KINDS = (
    "constant",
    "drift",
    "wander_slow",
    "wander_fast",
    "set_back_logged",
    "set_back_unlogged",
    "set_forward_unlogged",
    "set_there_and_back",
    "sleep",
    "vm_pause",
    "mixed_steps",
    "lying_stamps",
    "wrong_server",
    "two_wrong_servers",
    "server_nine_hours",
    "zone_wrong",
    "zone_null",
    "no_anchor",
    "late_anchors",
    "sparse",
    "one_reading",
    "two_readings",
    "receipts_only",
    "mixture",
    "mixture_sparse",
    "offline_set_back",
    "unlogged_pause",
    "incidents",
    "chain",
    "tied_only",
    "new_year",
    "dst_fold",
    "late_delivery",
    "camera",
    "aged_replies",
)
WIDE = 3.0
"""How much wider the judging family's ranges are where width matters."""


@dataclass
class Model:
    """A wrong clock: offset(t) = base + drift + wander + steps; it stands still in `pauses`."""

    start: float
    base: float = 0.0
    ppm: float = 0.0
    wander: list[tuple[float, float, float]] = field(default_factory=list)
    """(amplitude s, period s, phase)."""
    steps: list[tuple[float, float, bool, str]] = field(default_factory=list)
    """(true time, size s, logged, program)."""
    pauses: list[tuple[float, float, float, str]] = field(default_factory=list)
    """(true start, length s, stale s before it is put right, sleep or vm)."""

    def smooth(self, t: float) -> float:
        """The offset without steps and pauses, in seconds."""
        value = self.base + self.ppm * 1e-6 * (t - self.start)
        return value + sum(a * math.sin(2 * math.pi * (t - self.start) / p + f) for a, p, f in self.wander)

    def offset(self, t: float) -> float:
        """The offset at true time `t`."""
        value = self.smooth(t) + sum(size for at, size, _l, _p in self.steps if t >= at)
        for at, length, stale, _kind in self.pauses:
            if at <= t < at + length:
                value -= t - at
            elif at + length <= t < at + length + stale:
                value -= length
        return value

    def reading(self, t: float) -> float:
        """What the clock shows at true time `t`."""
        return t + self.offset(t)

    def asleep(self, t: float) -> bool:
        """Whether the clock stands still at `t`."""
        return any(at - 1 <= t < at + length + 0.5 for at, length, _s, _k in self.pauses)


@dataclass
class Truth:
    """What really happened."""

    kind: str
    times: dict[tuple[str, str], float] = field(default_factory=dict)
    pairs: dict[str, str] = field(default_factory=dict)
    verdicts: dict[str, str] = field(default_factory=dict)
    ways: dict[str, str] = field(default_factory=dict)


@dataclass
class Writer:
    """A case folder as it is written."""

    folder: Path
    rng: random.Random
    start: float
    end: float
    truth: Truth
    clocks: dict[str, str] = field(default_factory=dict)
    hosts: dict[str, str] = field(default_factory=dict)
    sources: list[dict] = field(default_factory=list)
    readings: list[dict] = field(default_factory=list)
    links: list[tuple[str, str, str, str, str]] = field(default_factory=list)
    models: dict[str, Model] = field(default_factory=dict)
    incidents: list[dict] = field(default_factory=list)
    again: set[int] = field(default_factory=set)
    """Positions of extra lines that are delivered twice for certain."""
    media: list[str] = field(default_factory=list)
    media_of: dict[str, str | None] = field(default_factory=dict)
    later: float = 0.0
    late: float = 0.0
    """Probability that a receipt comes hours or days late."""

    def source(self, file: str, form: str, clock: str, zone: str | None, order: str) -> Path:
        """Declare a source; its path."""
        self.sources.append({"file": file, "format": form, "clock": clock, "zone": zone, "order": order})
        return self.folder / file

    def know(self, file: str, record: object, t: float) -> None:
        """Keep the true moment of a record."""
        self.truth.times[file, str(record)] = t

    def moments(self, count: int, clock: str, *, since: float | None = None, until: float | None = None) -> list[float]:
        """True moments at which a clock writes something: working hours and any time."""
        model, rng = self.models.get(clock), self.rng
        since, until = self.start if since is None else since, self.end - 30 if until is None else until
        found: list[float] = []
        while len(found) < count:
            day = rng.uniform(since, until)
            t = day if rng.random() < 0.4 else since + math.floor((day - since) / DAY) * DAY + rng.gauss(4.5, 3) * 3600
            if since <= t <= until and not (model and model.asleep(t)):
                found.append(t)
        return sorted(found)

    def read(self, clock: str, t: float) -> float:
        """What a clock shows at true time `t`."""
        model = self.models.get(clock)
        return model.reading(t) if model else t + self.rng.uniform(-0.04, 0.04)

    # --- formats ----------------------------------------------------------------------------------------------------

    def evtx(self, file: str, clock: str, count: int, *, changes: str) -> None:
        """A Windows log with its time changes: `changes` is security, system or none."""
        model, rng = self.models[clock], self.rng
        path = self.source(file, "evtx", clock, "UTC", "append")
        rows: list[tuple[float, float, dict]] = []
        rows += [(t, t, _event("Service Control Manager", 7036, {"param1": "svc"})) for t in self.moments(count, clock)]
        for at, size, logged, program in model.steps:
            if logged and changes != "none":
                old, new = model.reading(at) - size, model.reading(at)
                rows.append((at + 0.002, at + 0.002, _change(changes, old, new, program)))
        for at, length, stale, kind in model.pauses:
            fixed = at + length + stale
            old = model.reading(fixed - 1e-6)
            new = model.reading(fixed)
            if changes != "none":
                program = "C:\\Program Files\\VMware\\VMware Tools\\vmtoolsd.exe" if kind == "vm" else "System"
                rows.append((fixed + 0.002, fixed + 0.002, _change(changes, old, new, program)))
            if kind == "sleep" and changes == "system":
                asleep, awake = _iso(model.reading(at)), _iso(model.reading(fixed + 0.5))
                data = {"SleepTime": asleep, "WakeTime": awake}
                rows.append((fixed + 2, fixed + 2, _event("Microsoft-Windows-Power-Troubleshooter", 1, data)))
        rows.sort(key=lambda one: one[0] + rng.uniform(0, 0.5) * (rng.random() < 0.05))
        with path.open("w", encoding="utf-8") as out:
            for number, (t, _at, event) in enumerate(rows, start=rng.randrange(1, 5000)):
                event["Event"]["System"]["EventRecordID"] = number
                event["Event"]["System"]["TimeCreated"] = {"#attributes": {"SystemTime": _iso(self.read(clock, t))}}
                out.write(json.dumps(event) + "\n")
                self.know(file, number, t)

    def ccas(
        self, file: str, clock: str, zone: str | None, count: int, *, real: str = "+09:00", since: float | None = None
    ) -> None:
        """An endpoint log in CCAS's columns."""
        path = self.source(file, "ccas", clock, zone, "append")
        with path.open("w", encoding="cp932", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(["コンピュータ名", "ユーザー名", "表示名", "記録時刻", "記録年月日", "種別", "内容"])
            for line, t in enumerate(self.moments(count, clock, since=since), start=2):
                wall = _wall(self.read(clock, t), real)
                kind = self.rng.choice(["LOGON", "ファイルアクセス", "印刷", "URL"])
                writer.writerow(
                    ["PC01", "tanaka", "田中", wall.strftime("%H:%M:%S"), wall.strftime("%y/%m/%d"), kind, "x"]
                )
                self.know(file, line, t)

    def op2(
        self,
        file: str,
        clock: str,
        zone: str | None,
        count: int,
        *,
        real: str = "+09:00",
        order: str = "receipt",
        extra: list[tuple[float, list[str]]] | None = None,
        gaps: list[tuple[float, float]] | None = None,
    ) -> None:
        """An endpoint log with byte counts and receipts, some lines delivered twice."""
        path = self.source(file, "op2", clock, zone, order)
        rows: list[tuple[float, float, list[str]]] = []
        events = [
            (t, ["PC01", "tanaka", "FileOpen", "C:\\x.txt", "100", "0", "固定ディスク"])
            for t in self.moments(count, clock)
        ]
        for t, cells in sorted(events + (extra or []), key=lambda one: one[0]):
            if any(first <= t <= last for first, last in gaps or ()) and not cells[2].startswith("Agent"):
                continue
            late = self.rng.random() < self.late
            delay = self.rng.uniform(3600, 3 * DAY) if late else self.rng.expovariate(1 / 8)
            received = min(t + delay, self.end - 1)
            rows.append((received, t, cells))
            twice = any(cells is (extra or [])[index][1] for index in self.again)
            if twice or self.rng.random() < 0.05:
                rows.append((min(received + self.rng.uniform(5, 4000), self.end - 0.5), t, cells))
        if order == "receipt":
            rows.sort(key=lambda one: one[0])
        with path.open("w", encoding="cp932", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(
                [
                    "端末名",
                    "ユーザー名",
                    "発生日時",
                    "受信日時",
                    "種別",
                    "ファイル名",
                    "読込バイト数",
                    "書込バイト数",
                    "ドライブ種別",
                ]
            )
            stamps: dict[tuple[float, int], str] = {}
            for line, (received, t, cells) in enumerate(rows, start=2):
                # A line delivered twice is the same line: its own time was written once.
                wall = stamps.setdefault((t, id(cells)), _wall(self.read(clock, t), real).strftime("%Y/%m/%d %H:%M:%S"))
                host, user, kind, name, read, written, drive = cells
                got = _wall(received, "+09:00").strftime("%Y/%m/%d %H:%M:%S")
                writer.writerow([host, user, wall, got, kind, name, read, written, drive])
                self.know(file, line, t)

    def http(
        self,
        file: str,
        clock: str,
        count: int,
        hosts: list[str],
        *,
        lies: float = 0.0,
        aged: float = 0.0,
        since: float | None = None,
        until: float | None = None,
    ) -> None:
        """A browser's exchanges with servers."""
        path, rng = self.source(file, "http", clock, "UTC", "none"), self.rng
        moments = self.moments(count, clock, since=since, until=until)
        rng.shuffle(moments)
        with path.open("w", encoding="utf-8") as out:
            for line, t in enumerate(moments, start=1):
                host = rng.choice(hosts)
                duration = rng.lognormvariate(-2, 0.8)
                date = self.read(self.hosts[host], t + duration * rng.uniform(0.2, 0.8))
                headers = {"content-type": "text/html"}
                if rng.random() < lies:
                    date += rng.choice([-1, 1]) * rng.choice([60, 3600, 86400, 17, 300])
                elif rng.random() < aged:
                    age = rng.randrange(1, 5000)
                    date -= age
                    headers["age"] = str(age)
                headers["date"] = format_datetime(datetime.fromtimestamp(math.floor(date), UTC), usegmt=True)
                value = {
                    "url": f"https://{host}/page{line}",
                    "request_time": _iso(self.read(clock, t)),
                    "response_time": _iso(self.read(clock, t + duration)),
                    "status": 200,
                    "headers": headers,
                }
                out.write(json.dumps(value) + "\n")
                self.know(file, line, t)

    def combined(self, file: str, clock: str, count: int) -> list[tuple[int, float]]:
        """A web server's log."""
        path = self.source(file, "combined", clock, "+09:00", "append")
        made = []
        with path.open("w", encoding="utf-8") as out:
            for line, t in enumerate(self.moments(count, clock), start=1):
                wall = _wall(self.read(clock, t), "+09:00").strftime("%d/%b/%Y:%H:%M:%S +0900")
                out.write(f'10.0.0.5 - - [{wall}] "GET /page{line} HTTP/1.1" 200 512 "-" "Mozilla/5.0"\n')
                self.know(file, line, t)
                made.append((line, t))
        return made

    def squid(self, file: str, clock: str, count: int) -> list[tuple[int, float]]:
        """A proxy's log."""
        path = self.source(file, "squid", clock, "UTC", "append")
        made = []
        with path.open("w", encoding="utf-8") as out:
            for line, t in enumerate(self.moments(count, clock), start=1):
                out.write(
                    f"{self.read(clock, t):.3f}     87 10.0.0.5 TCP_MISS/200 512 GET http://x/ - DIRECT/1.2.3.4 -\n"
                )
                self.know(file, line, t)
                made.append((line, t))
        return made

    def syslog(self, file: str, clock: str, count: int, zone: str | None, *, real: str = "+09:00") -> None:
        """A log without year and zone."""
        path = self.source(file, "rfc3164", clock, zone, "append")
        with path.open("w", encoding="utf-8") as out:
            for line, t in enumerate(self.moments(count, clock), start=1):
                wall = _wall(self.read(clock, t), real)
                out.write(f"{wall.strftime('%b')} {wall.day:2d} {wall.strftime('%H:%M:%S')} host app[12]: line\n")
                self.know(file, line, t)

    def dvr(self, file: str, clock: str, count: int, zone: str | None = "+09:00") -> list[tuple[int, float]]:
        """A camera's log."""
        path = self.source(file, "dvr", clock, zone, "append")
        made = []
        with path.open("w", encoding="cp932", newline="") as out:
            out.write("番号,カメラ,日時,イベント\r\n")
            for line, t in enumerate(self.moments(count, clock), start=2):
                wall = _wall(self.read(clock, t), "+09:00").strftime("%Y/%m/%d %H:%M:%S")
                out.write(f"{line - 1},CAM{line % 4},{wall},動体検知\r\n")
                self.know(file, line, t)
                made.append((line, t))
        return made

    def mails(self, clock: str, count: int) -> None:
        """Mails with one hop."""
        for number, t in enumerate(self.moments(count, clock), start=1):
            file = f"mail{number}.eml"
            path = self.source(file, "eml", clock, "UTC", "none")
            tokyo = timezone(timedelta(hours=9))
            sent = datetime.fromtimestamp(math.floor(self.read(clock, t)), tokyo)
            got = datetime.fromtimestamp(math.floor(t + self.rng.expovariate(1 / 3)), tokyo)
            path.write_text(
                f"Received: from pc01 by mail.example.jp with ESMTP; {format_datetime(got)}\r\n"
                f"From: a@example.jp\r\nDate: {format_datetime(sent)}\r\nSubject: x\r\n\r\nbody\r\n",
                encoding="utf-8",
            )
            self.know(file, "Date", t)

    def reading(self, clock: str, t: float, resolution: float = 1.0) -> None:
        """A reading at seizure."""
        cut = math.floor(self.read(clock, t) / resolution) * resolution
        self.readings.append(
            {
                "clock": clock,
                "shown": _iso(cut, digits=0),
                "reference": _iso(math.floor(t), digits=0),
                "resolution_s": resolution,
                "reference_resolution_s": 1,
            },
        )

    def pairs(self, count: int) -> list[dict]:
        """Questions about the order of two records."""
        known = sorted(self.truth.times.items(), key=lambda one: one[1])
        made = []
        for number in range(count):
            a = self.rng.randrange(len(known))
            b = (a + self.rng.choice([1, 1, 2, 3, 5, 20, 200])) % len(known)
            first, second = known[a], known[b]
            if first[1] == second[1]:
                continue
            if self.rng.random() < 0.5:
                first, second = second, first
            name = f"p{number}"
            self.truth.pairs[name] = "before" if first[1] < second[1] else "after"
            made.append(
                {
                    "id": name,
                    "a": {"source": first[0][0], "record": _record(first[0][1])},
                    "b": {"source": second[0][0], "record": _record(second[0][1])},
                },
            )
        return made

    def finish(self) -> Truth:
        """Write the description of the case; its truth."""
        described = {
            "period": [_iso(self.start, digits=0), _iso(self.end, digits=0)],
            "clocks": {name: {"declared": declared} for name, declared in self.clocks.items()},
            "http_hosts": self.hosts,
            "sources": self.sources,
            "pairs": self.pairs(60),
            "incidents": self.incidents,
        }
        (self.folder / "case.json").write_text(json.dumps(described, ensure_ascii=False, indent=1), encoding="utf-8")
        (self.folder / "readings.json").write_text(json.dumps(self.readings), encoding="utf-8")
        with (self.folder / "links.csv").open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(["before_source", "before_record", "after_source", "after_record", "basis"])
            writer.writerows(self.links)
        if self.incidents:
            (self.folder / "usb_listing.body").write_text("\n".join(self.media) + "\n", encoding="utf-8")
            (self.folder / "usb_media.json").write_text(json.dumps(self.media_of), encoding="utf-8")
        return self.truth


def _record(name: str) -> int | str:
    return int(name) if name.isdigit() else name


def _iso(seconds: float, digits: int = 6) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S" + (".%f" if digits else "")) + "Z"


def _wall(seconds: float, zone: str) -> datetime:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=math.floor(seconds))
    if zone[0] in "+-":
        hours = int(zone[1:3]) + int(zone[4:6]) / 60
        return moment.astimezone(timezone(timedelta(hours=hours if zone[0] == "+" else -hours)))
    return moment.astimezone(ZoneInfo(zone))


def _event(provider: str, number: int, data: dict) -> dict:
    system = {
        "Provider": {"#attributes": {"Name": provider}},
        "EventID": number,
        "Channel": "System",
        "Computer": "PC01",
    }
    return {"Event": {"System": system, "EventData": data}}


def _change(log: str, old: float, new: float, program: str) -> dict:
    if log == "security":
        data = {"PreviousTime": _iso(old), "NewTime": _iso(new), "ProcessName": program, "SubjectUserName": "tanaka"}
        return _event("Microsoft-Windows-Security-Auditing", 4616, data)
    reason = 2 if program == "System" else 1
    return _event("Microsoft-Windows-Kernel-General", 1, {"NewTime": _iso(new), "OldTime": _iso(old), "Reason": reason})


PERSON = "C:\\Windows\\System32\\rundll32.exe"


def write_case(folder: Path, kind: str, seed: int, family: str = "tune") -> Truth:
    """Write a case of one class; the truth of its records, pairs and incidents."""
    rng = random.Random(f"{family}:{kind}:{seed}")
    folder.mkdir(parents=True)
    judge = family == "judge"
    days = rng.uniform(8, 70) if judge else rng.uniform(14, 40)
    start = START + rng.uniform(0, 250) * DAY
    if kind == "new_year":
        start = datetime(2026, 12, 15, tzinfo=UTC).timestamp() + rng.uniform(0, 4) * DAY
        days = min(days, 40)
    if kind == "dst_fold":
        start = datetime(2026, 10, 12, tzinfo=UTC).timestamp() + rng.uniform(0, 5) * DAY
        days = max(days, 25)
    end = math.floor(start + days * DAY)
    span = end - start
    w = Writer(folder, rng, start, end, Truth(kind))
    model = Model(start, base=rng.choice([0, rng.uniform(-5, 5), rng.uniform(-400, 400), rng.uniform(-9000, 9000)]))
    model.ppm = rng.uniform(-60, 60) if judge else rng.uniform(-40, 40)
    model.wander = [(rng.uniform(0, 0.2), rng.uniform(0.7, 1.3) * DAY, rng.uniform(0, 6))]
    w.models["pc"] = model
    w.clocks = {"pc": "unknown", "web": "synchronised", "cdn": "synchronised"}
    w.hosts = {"www.example.jp": "web", "cdn.example.net": "cdn"}
    hosts = ["www.example.jp", "cdn.example.net"]
    at = start + span * rng.uniform(0.3, 0.7)
    many = rng.randrange(60, 400) if judge else rng.randrange(100, 300)
    lies = aged = 0.0
    exchanges: tuple[float | None, float | None] = (None, None)
    readings = 1
    op2_zone: str | None = "+09:00"
    real_zone = "+09:00"
    if kind == "constant":
        model.ppm, model.wander = 0.0, []
    elif kind == "wander_slow":
        model.wander = [(rng.uniform(1, 2.5), rng.uniform(20, 40) * DAY, rng.uniform(0, 6))]
    elif kind == "wander_fast":
        model.wander = [(rng.uniform(0.5, 2), rng.uniform(2.5, 6) * DAY, rng.uniform(0, 6))]
    elif kind == "set_back_logged":
        model.steps = [(at, -rng.choice([3600, 86400, rng.uniform(30, 90000)]), True, PERSON)]
    elif kind == "set_back_unlogged":
        model.steps = [(at, -rng.choice([20, 3600, 86400, rng.uniform(30, 90000)]), False, "")]
    elif kind == "set_forward_unlogged":
        model.steps = [(at, rng.choice([20, 3600, 86400, rng.uniform(12, 90000)]), False, "")]
    elif kind == "set_there_and_back":
        size = rng.choice([7200, 86400, 30 * DAY, rng.uniform(600, 9000)])
        model.steps = [(at, -size, True, PERSON), (at + rng.uniform(900, 14400), size, True, PERSON)]
    elif kind == "sleep":
        for _ in range(rng.randrange(2, 7)):
            model.pauses.append((start + span * rng.uniform(0.05, 0.95), rng.uniform(600, 50000), 0.0, "sleep"))
    elif kind == "vm_pause":
        for _ in range(rng.randrange(1, 5)):
            model.pauses.append(
                (start + span * rng.uniform(0.05, 0.95), rng.uniform(60, 200000), rng.uniform(1, 200), "vm")
            )
    elif kind == "mixed_steps":
        model.steps = [(at, -rng.uniform(600, 90000), True, PERSON)]
        model.pauses = [
            (start + span * 0.15, rng.uniform(600, 50000), 0.0, "sleep"),
            (start + span * 0.85, rng.uniform(600, 50000), rng.uniform(1, 100), "vm"),
        ]
    elif kind == "lying_stamps":
        lies = rng.uniform(0.02, 0.12)
    elif kind in ("wrong_server", "two_wrong_servers"):
        w.models["web"] = Model(start, base=rng.choice([-1, 1]) * rng.uniform(3, 700), ppm=rng.uniform(-10, 10))
        w.clocks["ntp"] = "synchronised"
        w.hosts["time.example.org"] = "ntp"
        hosts.append("time.example.org")
        if kind == "two_wrong_servers":
            w.clocks["ad"] = "synchronised"
            w.hosts["ad.example.com"] = "ad"
            hosts.append("ad.example.com")
            w.models["cdn"] = Model(start, base=rng.choice([-1, 1]) * rng.uniform(20, 7000), ppm=rng.uniform(-10, 10))
    elif kind == "server_nine_hours":
        w.models["web"] = Model(start, base=rng.choice([-1, 1]) * 9 * 3600.0)
    elif kind == "zone_wrong":
        op2_zone, real_zone = rng.choice([("UTC", "+09:00"), ("+09:00", "+00:00"), ("+09:00", "-05:00")])
    elif kind == "zone_null":
        op2_zone = None
    elif kind == "late_anchors":
        exchanges = (start + span * 5 / 6, None)
    elif kind == "sparse":
        many = rng.randrange(4, 12)
    elif kind == "dst_fold":
        op2_zone = real_zone = "America/New_York"
    elif kind == "late_delivery":
        w.late = 0.3
    elif kind == "aged_replies":
        aged = 0.8
    elif kind == "offline_set_back":
        # Set back without a record while nothing tied the clock to anything, and put right again.
        size = rng.choice([7200, 3600 * 5, rng.uniform(600, 90000)])
        away = rng.uniform(3600, 40000)
        model.steps = [(at, -size, False, ""), (at + away, size, False, "")]
        exchanges = (None, at - rng.uniform(60, 40000))
        w.later = at + away + rng.uniform(60, 40000)
    elif kind == "unlogged_pause":
        model.pauses = [(at, rng.uniform(60, 90000), 0.0, "unlogged")]
    elif kind in ("mixture", "mixture_sparse"):
        lies = rng.choice([0, 0, 0.05, 0.15])
        aged = rng.choice([0, 0.3])
        w.late = rng.choice([0, 0.2])
        model.wander.append((rng.uniform(0, 1.5), rng.uniform(5, 40) * DAY, rng.uniform(0, 6)))
        if rng.random() < 0.4:
            model.pauses.append(
                (
                    start + span * rng.uniform(0.1, 0.9),
                    rng.uniform(60, 90000),
                    rng.uniform(0, 100),
                    rng.choice(["sleep", "vm"]),
                )
            )
            if model.pauses[0][3] == "sleep":
                model.pauses = [(*model.pauses[0][:2], 0.0, "sleep")]
        for _ in range(rng.choice([0, 1, 1, 2])):
            model.steps.append(
                (
                    start + span * rng.uniform(0.1, 0.9),
                    rng.choice([-1, 1]) * rng.choice([15, 3600, 86400, rng.uniform(12, 9000)]),
                    rng.random() < 0.5,
                    PERSON,
                )
            )
        model.steps.sort()
        model.steps = [one for one in model.steps if not model.asleep(one[0])]
        if rng.random() < 0.3:
            w.models["web"] = Model(start, base=rng.choice([-1, 1]) * rng.uniform(3, 700))
            w.clocks["ntp"] = "synchronised"
            w.hosts["time.example.org"] = "ntp"
            hosts.append("time.example.org")
        if kind == "mixture_sparse":
            many = rng.randrange(12, 40)
    model.pauses.sort()
    model.pauses = [
        one
        for number, one in enumerate(model.pauses)
        if (number == 0 or one[0] > sum(model.pauses[number - 1][:3]) + 600) and sum(one[:3]) < end - 7200
    ]
    if kind == "camera":
        w.clocks = {"cam": "unknown", "gate": "synchronised"}
        w.models = {"cam": model}
        made = w.dvr("camera.csv", "cam", rng.randrange(200, 600))
        gate = w.squid("gate.log", "gate", 300)
        w.reading("cam", end - rng.uniform(60, 1800))
        if rng.random() < 0.5:
            w.reading("cam", end - rng.uniform(1800, 7200))
        _links(w, rng, "camera.csv", made, "gate.log", gate, rng.randrange(0, 20))
        return w.finish()
    if kind == "incidents":
        return _incidents(w, rng, model, at)
    if kind == "tied_only":
        return _tied_only(w, rng, model)
    if kind in ("no_anchor", "one_reading", "two_readings", "receipts_only"):
        hosts = []
    w.evtx("security.jsonl", "pc", rng.randrange(150, 500), changes="security")
    w.evtx("system.jsonl", "pc", rng.randrange(150, 500), changes="system")
    w.ccas("ccas.csv", "pc", op2_zone, rng.randrange(100, 300), real=real_zone)
    if hosts and kind != "chain":
        w.http("http.jsonl", "pc", many, hosts, lies=lies, aged=aged, since=exchanges[0], until=exchanges[1])
        if w.later:
            w.http("http2.jsonl", "pc", many, hosts, since=w.later)
    if (
        kind == "receipts_only"
        or (hosts and kind not in ("late_anchors", "sparse") and rng.random() < 0.7)
        or "zone" in kind
        or kind == "late_delivery"
    ):
        w.op2("op2.csv", "pc", op2_zone, rng.randrange(100, 400), real=real_zone)
    if kind in ("new_year", "constant", "drift", "dst_fold"):
        w.syslog("messages", "pc", rng.randrange(80, 200), op2_zone, real=real_zone)
    if kind in ("drift", "constant", "late_delivery", "sparse"):
        w.mails("pc", 6)
    if kind == "chain":
        _chain(w, rng, start, many)
    if kind in ("constant", "drift", "wrong_server"):
        w.combined("access.log", "web", 150)
    if kind != "no_anchor":
        if kind in ("one_reading", "two_readings") or rng.random() < 0.6:
            w.reading("pc", end - rng.uniform(60, 1500))
        if kind == "two_readings":
            w.reading("pc", end - rng.uniform(1500, 6000))
    del readings
    return w.finish()


def _links(
    w: Writer,
    rng: random.Random,
    file_a: str,
    a: list[tuple[int, float]],
    file_b: str,
    b: list[tuple[int, float]],
    count: int,
) -> None:
    """Links between neighbours of two logs, in the direction that is true."""
    everything = sorted([(t, file_a, line) for line, t in a] + [(t, file_b, line) for line, t in b])
    near = [(one, two) for one, two in itertools.pairwise(everything) if one[1] != two[1] and two[0] > one[0]]
    for one, two in rng.sample(near, min(count, len(near))):
        w.links.append((one[1], str(one[2]), two[1], str(two[2]), "visit"))


def _chain(w: Writer, rng: random.Random, start: float, many: int) -> None:
    """The computer knows only a server with an unknown clock, which a third, right clock knows."""
    w.clocks = {"pc": "unknown", "app": "unknown", "gate": "synchronised"}
    w.models["app"] = Model(start, base=rng.uniform(-3000, 3000), ppm=rng.uniform(-20, 20))
    w.hosts = {"app.example.jp": "app"}
    w.http("http.jsonl", "pc", many, ["app.example.jp"])
    app = w.combined("app.log", "app", 600)
    gate = w.squid("gate.log", "gate", 900)
    _links(w, rng, "app.log", app, "gate.log", gate, 250)


VERDICTS = {
    "zero": "not_copied",
    "full": "copied",
    "chunks": "copied",
    "part": "partial",
    "read": "not_copied",
    "missing_present": "copied",
    "missing_unseized": "undetermined",
    "gap_unseized": "undetermined",
    "gap_present": "copied",
    "full_deleted": "copied",
    "twice_half": "partial",
    "zero_present": "not_copied",
    "missing_absent": "not_copied",
    "full_other_day_zero": "not_copied",
}
"""Ways in which an alert may be true or false, and what a careful person would say."""


def _incidents(w: Writer, rng: random.Random, model: Model, at: float) -> Truth:
    """Alerts that say COPY; the computer's clock is stepped between them."""
    w.clocks["log"] = "synchronised"
    model.steps = [(at, rng.choice([-1, 1]) * rng.uniform(600, 90000), True, PERSON)]
    extra: list[tuple[float, list[str]]] = []
    alerts: list[tuple[float, str, str, int]] = []
    way_of: list[str] = []
    ways = list(VERDICTS)
    rng.shuffle(ways)
    moments = sorted(rng.uniform(w.start + DAY, w.end - DAY) for _ in ways)
    stops: list[tuple[float, float]] = []
    for number, (way, t) in enumerate(zip(ways, moments, strict=True)):
        name, size = f"資料{number}.xlsx", rng.randrange(10_000, 9_000_000)
        stick = f"stick{number % 3 + 1}"

        def line(
            after: float, kind: str, read: object, written: object, drive: str, name: str = name, t: float = t
        ) -> None:
            extra.append(
                (
                    t + after,
                    [
                        "PC01",
                        "tanaka",
                        kind,
                        f"E:\\{name}" if drive == "リムーバブル" else f"C:\\work\\{name}",
                        str(read),
                        str(written),
                        drive,
                    ],
                )
            )

        if way.startswith("gap"):
            # Logging stops for this alert alone: a gap over another one would swallow the lines that decide that one.
            before, after = (moments[at] if 0 <= at < len(moments) else t for at in (number - 1, number + 1))
            stops.append(
                (
                    max(t - rng.uniform(100, 4000), (before + t) / 2 if before < t else w.start),
                    min(t + rng.uniform(100, 4000), (after + t) / 2 if after > t else w.end),
                )
            )
        elif way in ("full", "full_deleted"):
            line(0.5, "FileCopy", size, size, "リムーバブル")
        elif way == "chunks":
            line(0.1, "FileMake", 0, 0, "リムーバブル")
            for part in range(4):
                line(0.5 + 4 * part, "FileWrite", 0, size // 4 + (size % 4 if part == 3 else 0), "リムーバブル")
        elif way == "part":
            line(0.5, "FileWrite", 0, size // 3, "リムーバブル")
        elif way == "twice_half":
            line(0.5, "FileWrite", 0, size // 2, "リムーバブル")
            w.again.add(len(extra) - 1)
        elif way == "read":
            line(0.5, "FileRead", size, 0, "リムーバブル")
        elif way.startswith("missing"):
            line(0.5, "FileCopy", "", "", "リムーバブル")
        else:
            line(0.5, "FileCopy", 0, 0, "リムーバブル")
        if way == "full_other_day_zero":
            line(2 * DAY if t + 2 * DAY < w.end - 60 else -2 * DAY, "FileCopy", size, size, "リムーバブル")
        if "unseized" in way:
            w.media_of[f"i{number}"] = None
        else:
            w.media_of[f"i{number}"] = stick
        if way in ("missing_present", "gap_present", "full", "chunks", "zero_present", "full_deleted"):
            made = int(model.reading(t + 1)) if way != "zero_present" else int(model.reading(t - 3 * DAY))
            mark = " (deleted)" if way == "full_deleted" else ""
            w.media.append(f"0|/{stick}/{name}{mark}|{number + 5}|r/rrwxrwxrwx|0|0|{size}|{made}|{made}|0|{made}")
        alerts.append((t + rng.uniform(1, 20), "PC01", name, size))
        way_of.append(way)
    for stop, start in stops:
        extra.append((stop, ["PC01", "tanaka", "AgentStop", "", "", "", ""]))
        extra.append((start, ["PC01", "tanaka", "AgentStart", "", "", "", ""]))
    w.evtx("security.jsonl", "pc", 250, changes="security")
    w.http("http.jsonl", "pc", 150, ["www.example.jp", "cdn.example.net"])
    w.op2("op2.csv", "pc", "+09:00", 300, extra=extra, gaps=stops)
    path = w.source("alerts.csv", "alerts", "log", "+09:00", "append")
    with path.open("w", encoding="cp932", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["警報番号", "検知日時", "端末名", "内容", "ファイル", "サイズ"])
        for number, (t, host, name, size) in enumerate(alerts):
            writer.writerow([number + 1, _wall(t, "+09:00").strftime("%Y/%m/%d %H:%M:%S"), host, "COPY", name, size])
            w.know("alerts.csv", number + 2, t)
            w.incidents.append({"id": f"i{number}", "source": "alerts.csv", "record": number + 2})
            w.truth.verdicts[f"i{number}"] = VERDICTS[way_of[number]]
            w.truth.ways[f"i{number}"] = way_of[number]
    w.reading("pc", w.end - 600)
    return w.finish()


def _tied_only(w: Writer, rng: random.Random, model: Model) -> Truth:
    """Two clocks that know each other and nothing else."""
    w.clocks = {"pc": "unknown", "app": "unknown"}
    w.models = {"pc": model, "app": Model(model.start, base=rng.uniform(-3000, 3000), ppm=rng.uniform(-20, 20))}
    w.hosts = {"app.example.jp": "app"}
    w.evtx("system.jsonl", "pc", 300, changes="system")
    w.http("http.jsonl", "pc", 150, ["app.example.jp"])
    w.combined("app.log", "app", 300)
    return w.finish()
