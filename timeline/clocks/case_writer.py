"""Writing a clock case from a case, so that another expert can recompute (`timeline clock export DIR`)."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from chain_of_custody.errors import TargetError
from timeline.clocks.result_file import iso_ns

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from timeline.clocks.evidence import ClockCase, Source

_TOKYO = timezone(timedelta(hours=9))


def _moment(case: ClockCase, seconds: float, zone: timezone = UTC) -> datetime:
    time_ns = case.origin_ns + round(float(seconds) * 1e9)
    return (
        datetime(1970, 1, 1, tzinfo=zone)
        + timedelta(seconds=time_ns // 1_000_000_000)
        + (zone.utcoffset(None) - timedelta())
    )


def _iso(case: ClockCase, seconds: float) -> str:
    return iso_ns(case.origin_ns + round(float(seconds) * 1e9))


def _evtx(case: ClockCase, source: Source, path: Path) -> None:
    changes = {one.row: one for one in source.changes}
    boots, uptimes = set(source.boots), {one.row: one.seconds for one in source.uptimes}
    sleeps = {one.row: one for one in source.standstills}
    with path.open("x", encoding="utf-8", newline="\n") as out:
        for row, reading in enumerate(source.reading_s):
            data: dict[str, Any] = {}
            provider, number = "-", 0
            if row in changes:
                one = changes[row]
                data = {"OldTime": _iso(case, one.old_s), "NewTime": _iso(case, one.new_s)}
                provider, number = "Microsoft-Windows-Kernel-General", 1
                if one.process:
                    provider, number = "Microsoft-Windows-Security-Auditing", 4616
                    data = {"PreviousTime": data["OldTime"], "NewTime": data["NewTime"], "ProcessName": one.process}
                elif one.reason is not None:
                    data["Reason"] = one.reason
            elif row in sleeps:
                provider, number = "Microsoft-Windows-Power-Troubleshooter", 1
                data = {"SleepTime": _iso(case, sleeps[row].from_s), "WakeTime": _iso(case, sleeps[row].to_s)}
            elif row in boots:
                provider, number = "EventLog", 6005
            elif row in uptimes:
                provider, number = "EventLog", 6013
                data = {"Data": {"#text": ["", "", "", "", str(int(uptimes[row]))]}}
            system = {
                "Provider": {"#attributes": {"Name": provider}},
                "EventID": number,
                "TimeCreated": {"#attributes": {"SystemTime": _iso(case, reading)}},
                "EventRecordID": row + 1,
            }
            out.write(json.dumps({"Event": {"System": system, "EventData": data}}) + "\n")


def _http(case: ClockCase, source: Source, path: Path) -> None:
    replies = {one.row: one for one in source.replies}
    with path.open("x", encoding="utf-8", newline="\n") as out:
        for row, reading in enumerate(source.reading_s):
            value: dict[str, Any] = {
                "url": "",
                "request_time": _iso(case, reading),
                "response_time": _iso(case, reading),
            }
            one = replies.get(row)
            if one is not None:
                value["url"] = f"https://{one.host}/"
                value["response_time"] = _iso(case, one.response_s)
                value["headers"] = {"date": format_datetime(_moment(case, one.date_s), usegmt=True)}
                if one.age:
                    value["headers"]["age"] = "1"
            out.write(json.dumps(value) + "\n")


def _op2(case: ClockCase, source: Source, path: Path) -> None:
    operations = {one.row: one for one in source.operations}
    with path.open("x", encoding="cp932", errors="replace", newline="") as out:
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
        for row, reading in enumerate(source.reading_s):
            one = operations.get(row)
            received = ""
            if one is not None and np.isfinite(one.received_s):
                received = f"{_moment(case, one.received_s, _TOKYO):%Y/%m/%d %H:%M:%S}"
            cells: list[Any] = ["", "", f"{_moment(case, reading):%Y/%m/%d %H:%M:%S}", received, "", "", "", "", ""]
            if one is not None:
                cells = [
                    one.host,
                    one.user,
                    cells[2],
                    received,
                    one.kind,
                    one.file,
                    "" if one.bytes_read is None else one.bytes_read,
                    "" if one.bytes_written is None else one.bytes_written,
                    one.drive,
                ]
            writer.writerow(cells)


def _alerts(case: ClockCase, source: Source, path: Path) -> None:
    alerts = {one.row: one for one in source.alerts}
    with path.open("x", encoding="cp932", errors="replace", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["警報番号", "検知日時", "端末名", "内容", "ファイル", "サイズ"])
        for row, reading in enumerate(source.reading_s):
            when, one = f"{_moment(case, reading):%Y/%m/%d %H:%M:%S}", alerts.get(row)
            size = "" if one is None or one.size is None else one.size
            writer.writerow(
                [one.number, when, one.host, one.text, one.file, size] if one else ["", when, "", "", "", ""]
            )


def _plain(case: ClockCase, source: Source, path: Path) -> None:
    """Any other log: its readings as `ccas`, in UTC."""
    with path.open("x", encoding="cp932", errors="replace", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["コンピュータ名", "ユーザー名", "表示名", "記録時刻", "記録年月日", "種別", "内容"])
        for reading, name in zip(source.reading_s, source.names, strict=True):
            moment = _moment(case, reading)
            writer.writerow(["", "", "", f"{moment:%H:%M:%S}", f"{moment:%y/%m/%d}", "", str(name)])


STATED = "stated"
"""Clock of the moments that people gave, taken as right."""


class _Moments:
    """Sources of times that are no records: an allowance after an event on its own clock, a moment that was stated.

    A clock case has links between records alone. "The same event within s seconds" becomes: a before (b + s), and b
    before (a + s), where b + s is a line of a source of the clock of b.
    """

    def __init__(self, case: ClockCase) -> None:
        self.case = case
        self.lines: dict[str, list[str]] = {}

    def add(self, clock: str, seconds: float) -> tuple[str, int]:
        """(file, record) of a time on a clock."""
        lines = self.lines.setdefault(clock, [])
        text = _iso(self.case, seconds)
        lines.append(json.dumps({"url": "", "request_time": text, "response_time": text}))
        return self.file(clock), len(lines)

    def file(self, clock: str) -> str:
        return f"moments-{list(self.lines).index(clock) + 1:03d}.jsonl"

    def write(self, folder: Path) -> tuple[list[Path], list[dict[str, Any]]]:
        """The files, and their descriptions."""
        described = []
        for clock, lines in self.lines.items():
            (folder / self.file(clock)).write_text("".join(line + "\n" for line in lines), encoding="utf-8")
            described.append(
                {"file": self.file(clock), "format": "http", "clock": clock, "zone": "UTC", "order": "none"}
            )
        return [folder / one["file"] for one in described], described


def _link_rows(case: ClockCase, moments: _Moments, record: Callable[[tuple[int, int]], tuple[str, int]]) -> list[Any]:
    """Rows of links.csv."""
    rows: list[Any] = []

    def after(at: tuple[int, int], slack_s: float) -> tuple[str, int]:
        source = case.sources[at[0]]
        return moments.add(source.clock, float(source.reading_s[at[1]]) + slack_s)

    for link in case.links:
        before, later = record(link.before), record(link.after)
        if not link.same:
            rows.append((*before, *later, link.basis))
            continue
        rows.append((*before, *after(link.after, link.slack_s), f"{link.basis} (within {link.slack_s:g} s)"))
        rows.append((*later, *after(link.before, link.slack_s), f"{link.basis} (within {link.slack_s:g} s)"))
    for typed in case.typed:
        basis = f"ledger {typed.number}"
        rows.append((*moments.add(STATED, typed.low_s), *record(typed.at), basis))
        rows.append((*record(typed.at), *moments.add(STATED, typed.high_s), basis))
    return rows


def write_case(case: ClockCase, folder: Path) -> list[Path]:
    """Write a clock case into a new folder; the files written. Records are numbered as the format wants them.

    `records.csv` maps them to the names of the events. Raises TargetError.
    """
    try:
        folder.mkdir(parents=True)
        return _write(case, folder)
    except FileExistsError as error:
        raise TargetError(f"既にあります: {folder}", f"exists already: {folder}") from error
    except OSError as error:
        raise TargetError(
            f"書けません: {folder}: {error.strerror}", f"cannot write {folder}: {error.strerror}"
        ) from error


def _write(case: ClockCase, folder: Path) -> list[Path]:
    written: list[Path] = []
    described: list[dict[str, Any]] = []
    names: list[tuple[str, int, str]] = []
    records: list[tuple[str, int]] = []
    for index, source in enumerate(case.sources):
        form, zone = "ccas", "UTC"
        writer, first = _plain, 2
        if source.format == "evtx":
            form, writer, first = "evtx", _evtx, 1
        elif source.replies:
            form, writer, first = "http", _http, 1
        elif source.operations:
            form, writer = "op2", _op2
        elif source.alerts:
            form, writer = "alerts", _alerts
        name = f"{index + 1:03d}.{'jsonl' if form in ('evtx', 'http') else 'csv'}"
        writer(case, source, folder / name)
        written.append(folder / name)
        given = None if source.zone_free else zone
        described.append({"file": name, "format": form, "clock": source.clock, "zone": given, "order": source.order})
        names += [(name, row + first, str(event)) for row, event in enumerate(source.names)]
        records.append((name, first))
    moments = _Moments(case)
    links = _link_rows(case, moments, lambda at: (records[at[0]][0], records[at[0]][1] + at[1]))
    more, more_described = moments.write(folder)
    written += more
    described += more_described
    clocks = {name: {"declared": one.declared} for name, one in case.clocks.items()}
    if STATED in moments.lines:
        clocks[STATED] = {"declared": "synchronised"}
    first_s = min((float(np.nanmin(one.reading_s)) for one in case.sources if one.size), default=0.0)
    document = {
        "period": [_iso(case, first_s), _iso(case, 0.0)],
        "clocks": clocks,
        "http_hosts": dict(case.http_hosts),
        "sources": described,
        "pairs": [],
        "incidents": [
            {"id": one.id, "source": described[one.row[0]]["file"], "record": one.row[1] + 2}
            for one in case.incidents
            if one.row is not None
        ],
    }
    readings = [
        {
            "clock": one.clock,
            "shown": _iso(case, one.shown_s),
            "reference": _iso(case, one.reference_s),
            "resolution_s": one.resolution_s,
            "reference_resolution_s": one.reference_resolution_s,
        }
        for one in case.readings
    ]
    for name, value in (("case.json", document), ("readings.json", readings)):
        (folder / name).write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")
        written.append(folder / name)
    for name, header, rows in (
        ("records.csv", ("source", "record", "event"), names),
        ("links.csv", ("before_source", "before_record", "after_source", "after_record", "basis"), links),
    ):
        with (folder / name).open("x", encoding="utf-8", newline="") as out:
            csv_out = csv.writer(out)
            csv_out.writerow(header)
            csv_out.writerows(rows)
        written.append(folder / name)
    return written
