"""A small clock case written by hand: every format once, each with a truth that is easy to work out.

The computer's clock is 660 s (11 minutes) fast, the camera's 300 s slow; servers are right. Readings are cut to seconds.
"""

import csv
import json
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

JST = timezone(timedelta(hours=9))
END = datetime(2026, 3, 20, tzinfo=UTC)
PC_FAST_S, CAMERA_SLOW_S = 660, 300
HEAD_OP2 = "端末名,ユーザー名,発生日時,受信日時,種別,ファイル名,読込バイト数,書込バイト数,ドライブ種別"
HEAD_ALERTS = "警報番号,検知日時,端末名,内容,ファイル,サイズ"
FILE = "顧客名簿.xlsx"


def true(minutes):
    """A true moment, so many minutes after 2026-03-10T00:00:00Z."""
    return datetime(2026, 3, 10, tzinfo=UTC) + timedelta(minutes=minutes)


def wall(moment, shift_s=0, pattern="%Y/%m/%d %H:%M:%S"):
    return (moment + timedelta(seconds=shift_s)).astimezone(JST).strftime(pattern)


def iso(moment, shift_s=0):
    return (moment + timedelta(seconds=shift_s)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def event(record, moment, provider="Service Control Manager", number=7036, data=None):
    system = {
        "Provider": {"#attributes": {"Name": provider}}, "EventID": number, "EventRecordID": record,
        "TimeCreated": {"#attributes": {"SystemTime": iso(moment, PC_FAST_S)}},
    }  # fmt: skip
    return {"Event": {"System": system, "EventData": data or {}}}


def write(folder, *, pairs=(), incidents=(), operations=(), alerts=(), media=(), media_of=None, links=()):
    """Write the case; (source, record) -> true moment."""
    folder.mkdir(parents=True)
    truth = {}

    def text(name, lines, encoding="cp932", end="\r\n"):
        (folder / name).write_bytes("".join(line + end for line in lines).encode(encoding))

    rows = [f"PC01,tanaka,田中,{wall(true(60 * n), PC_FAST_S, '%H:%M:%S,%y/%m/%d')},LOGON,x" for n in range(20)]
    text("ccas.csv", ["コンピュータ名,ユーザー名,表示名,記録時刻,記録年月日,種別,内容", *rows])
    truth |= {("ccas.csv", n + 2): true(60 * n) for n in range(20)}
    lines = [HEAD_OP2]
    for number, (minute, late_s, cells) in enumerate([(600, 5, "FileOpen,C:\\x.txt,1,0,固定ディスク"), *operations]):
        lines.append(f"PC01,tanaka,{wall(true(minute), PC_FAST_S)},{wall(true(minute), late_s)},{cells}")
        truth["op2.csv", number + 2] = true(minute)
    text("op2.csv", lines)
    text(
        "dvr.csv",
        ["番号,カメラ,日時,イベント", *(f"{n},C1,{wall(true(90 * n), -CAMERA_SLOW_S)},動体検知" for n in range(9))],
    )
    truth |= {("dvr.csv", n + 2): true(90 * n) for n in range(9)}
    text("alerts.csv", [HEAD_ALERTS, *(f"{n},{wall(true(one[0]))},{one[1]}" for n, one in enumerate(alerts, 1))])
    truth |= {("alerts.csv", n + 2): true(one[0]) for n, one in enumerate(alerts)}
    web = [
        f'10.0.0.5 - - [{wall(true(70 * n), 0, "%d/%b/%Y:%H:%M:%S +0900")}] "GET / HTTP/1.1" 200 5' for n in range(5)
    ]
    text("access.log", web, "utf-8", "\n")
    truth |= {("access.log", n + 1): true(70 * n) for n in range(5)}
    text(
        "squid.log",
        [f"{true(80 * n).timestamp():.3f} 87 10.0.0.5 TCP_MISS/200 5 GET http://x/" for n in range(5)],
        "utf-8",
    )
    truth |= {("squid.log", n + 1): true(80 * n) for n in range(5)}
    text(
        "messages", [f"{wall(true(50 * n), PC_FAST_S, '%b %d %H:%M:%S')} pc01 app: x" for n in range(6)], "utf-8", "\n"
    )
    truth |= {("messages", n + 1): true(50 * n) for n in range(6)}
    exchanges = [
        {"url": f"https://www.example.jp/{n}", "request_time": iso(true(100 * n), PC_FAST_S),
         "response_time": iso(true(100 * n), PC_FAST_S + 0.2), "status": 200,
         "headers": {"date": format_datetime(true(100 * n), usegmt=True)}}
        for n in range(12)
    ]  # fmt: skip
    text("http.jsonl", [json.dumps(one) for one in exchanges], "utf-8", "\n")
    truth |= {("http.jsonl", n + 1): true(100 * n) for n in range(12)}
    text("evtx.jsonl", [json.dumps(event(100 + n, true(30 * n))) for n in range(40)], "utf-8", "\n")
    truth |= {("evtx.jsonl", 100 + n): true(30 * n) for n in range(40)}
    sent, got = true(333), true(333) + timedelta(seconds=4)
    text("mail.eml", [
        f"Received: from pc01 by mx.example.jp; {format_datetime(got)}",
        f"Date: {format_datetime(sent + timedelta(seconds=PC_FAST_S))}", "Subject: x", "", "body",
    ], "utf-8")  # fmt: skip
    truth["mail.eml", "Date"] = sent

    def source(file, form, clock, zone, order):
        return {"file": file, "format": form, "clock": clock, "zone": zone, "order": order}

    described = {
        "period": ["2026-03-01T00:00:00Z", "2026-03-20T00:00:00Z"],
        "clocks": {"pc": {"declared": "unknown"}, "camera": {"declared": "unknown"},
                   "web": {"declared": "synchronised"}, "log": {"declared": "synchronised"}},
        "http_hosts": {"www.example.jp": "web"},
        "sources": [
            source("ccas.csv", "ccas", "pc", "Asia/Tokyo", "append"), source("op2.csv", "op2", "pc", "+09:00", "receipt"),
            source("dvr.csv", "dvr", "camera", "+09:00", "append"), source("alerts.csv", "alerts", "log", "+09:00", "append"),
            source("access.log", "combined", "web", "+09:00", "append"), source("squid.log", "squid", "log", "UTC", "append"),
            source("messages", "rfc3164", "pc", "+09:00", "append"), source("http.jsonl", "http", "pc", "UTC", "none"),
            source("evtx.jsonl", "evtx", "pc", "UTC", "append"), source("mail.eml", "eml", "pc", None, "none"),
        ],
        "pairs": list(pairs), "incidents": list(incidents),
    }  # fmt: skip
    (folder / "case.json").write_text(json.dumps(described, ensure_ascii=False), encoding="utf-8")
    seen = true(10 * 1440 - 60)
    reading = {
        "clock": "camera", "shown": iso(seen, -CAMERA_SLOW_S), "reference": iso(seen), "resolution_s": 1,
        "reference_resolution_s": 1,
    }  # fmt: skip
    (folder / "readings.json").write_text(json.dumps([reading]))
    with (folder / "links.csv").open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows(
            [["before_source", "before_record", "after_source", "after_record", "basis"], *map(list, links)]
        )
    if media or media_of:
        (folder / "usb_listing.body").write_text("".join(line + "\n" for line in media), encoding="utf-8")
        (folder / "usb_media.json").write_text(json.dumps(media_of or {}))
    return truth
