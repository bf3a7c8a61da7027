"""Access logs of web servers and proxies: Apache and nginx (common, combined, with virtual host), squid native.

Formats: Apache mod_log_config's "combined" (also nginx's), whose time carries its zone; squid's native format, seconds
since 1970 with milliseconds, written when the request was complete.
Kind `web.access`; `data`: method, status, bytes of the response, client, user agent, referrer; squid: result code,
elapsed milliseconds and peer, and `web.request` as kind, for there the client is the one who asked.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from timeline.event import Event, Problem
from timeline.lines import Lines, Unread, head_text
from timeline.written_times import reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from timeline.sources import Context, SourceFile

NAME = "weblog"
TEXT = True
_COMBINED = re.compile(
    r"(?:(?P<vhost>[\w.\-]+(?::\d+)?) )?(?P<client>[\w.:%\-]+) (?P<ident>\S+) (?P<user>\S+|\"[^\"]*\") "
    r"\[(?P<time>\d{1,2}/[A-Za-z]{3}/\d{4}:\d{2}:\d{2}:\d{2} [+-]\d{4})\] "
    r'"(?P<request>(?:[^"\\]|\\.)*)" (?P<status>\d{3}|-) (?P<size>\d+|-)'
    r'(?: "(?P<referrer>(?:[^"\\]|\\.)*)" "(?P<agent>(?:[^"\\]|\\.)*)")?(?P<more>.*)'
)
_SQUID = re.compile(
    r"(?P<time>\d{9,11}\.\d{3})\s+(?P<elapsed>-?\d+) (?P<client>\S+) (?P<result>[A-Z_]+/\d{3}) (?P<size>\d+) "
    r"(?P<method>\S+) (?P<url>\S+) (?P<user>\S+) (?P<peer>[A-Z_]+/\S+) (?P<type>\S+)(?P<more>.*)"
)


def _first_lines(file: SourceFile) -> list[str]:
    text = head_text(file.head)
    return [line for line in text.split("\n")[:20] if line.strip()][:5] if text else []


def matches(file: SourceFile) -> bool:
    """One of the first five lines that are not empty is of one of the formats."""
    head = file.head
    if b'] "' not in head and b"/" not in head[:512]:
        return False
    return any(_COMBINED.fullmatch(line.rstrip("\r")) or _SQUID.fullmatch(line.strip()) for line in _first_lines(file))


def parse(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    """An event for each request."""
    lines, unread = Lines(file), Unread()
    combined_time, squid_time = reader("%d/%b/%Y:%H:%M:%S %z"), reader("epoch_s")
    sequence = 0
    for number, text in lines:
        if not text.strip():
            continue
        sequence += 1
        if sequence % 4096 == 0 and context.expired():
            yield Problem(file.layer, "limit", f"time limit at line {number}")
            break
        if found := _COMBINED.fullmatch(text):
            reading = combined_time(found["time"])
            method, _, rest = found["request"].partition(" ")
            url, _, protocol = rest.rpartition(" ") if " " in rest else (rest, "", "")
            data: dict[str, object] = {"method": method, "client": found["client"], "protocol": protocol}
            if not url:  # a line that is no HTTP request, such as the first bytes of a TLS greeting
                data, url = {"request": found["request"], "client": found["client"]}, ""
            if found["status"] != "-":
                data["status"] = int(found["status"])
            data |= {name: value for name in ("referrer", "agent", "vhost") if (value := found[name] or "-") != "-"}
            if more := found["more"].strip():
                data["more"] = more[:500]
            yield Event(
                time_ns=reading.ns, time_text=found["time"], precision_ns=reading.precision_ns, zone=reading.zone,
                zone_basis="format", kind="web.access", desc="request", record=str(number), sequence=sequence,
                actor="" if found["user"] == "-" else found["user"].strip('"'), host=context.host, path=url,
                bytes=_size(found["size"]), data=data,
            )  # fmt: skip
        elif found := _SQUID.fullmatch(text.strip()):
            reading = squid_time(found["time"])
            code, _, status = found["result"].partition("/")
            yield Event(
                time_ns=reading.ns, time_text=found["time"], precision_ns=reading.precision_ns, zone="UTC",
                zone_basis="format", kind="web.request", desc="request complete", record=str(number),
                sequence=sequence, actor="" if found["user"] == "-" else found["user"], host=context.host,
                path=found["url"], bytes=_size(found["size"]),
                data={
                    "method": found["method"], "client": found["client"], "result": code, "status": int(status),
                    "elapsed_ms": int(found["elapsed"]), "peer": found["peer"], "type": found["type"],
                },
            )  # fmt: skip
        else:
            yield unread.event(number, text, sequence)
    yield from lines.problems(file.layer)
    yield from unread.problems(file.layer, lines)


def _size(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 19 else None
