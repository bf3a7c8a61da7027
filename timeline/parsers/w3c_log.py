"""W3C extended logs, above all those of IIS: `#Fields:` says the columns; times are UTC.

Format: W3C working draft WD-logfile-960323; IIS writes date and time in UTC. A log with `time` alone takes its date
from the last `#Date:` line, which `data["date_basis"]` says. The header may come again, with other fields, after a
restart. Kind `web.access`. pfirewall.log, which has the same shape but local time, is not read here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from timeline.event import Event, Problem
from timeline.lines import Lines, Unread, head_text
from timeline.written_times import Reading, reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from timeline.sources import Context, SourceFile

NAME = "w3c_log"
TEXT = True
_NAMES = {
    "cs-method": "method", "c-ip": "client", "s-ip": "server", "s-port": "port", "sc-status": "status",
    "cs(user-agent)": "agent", "cs(referer)": "referrer", "time-taken": "elapsed_ms", "sc-substatus": "substatus",
    "sc-win32-status": "win32_status", "cs-host": "vhost", "sc-bytes": "bytes_sent", "cs-bytes": "bytes_received",
}  # fmt: skip
_NUMBERS = frozenset({"port", "status", "elapsed_ms", "substatus", "win32_status", "bytes_sent", "bytes_received"})


def matches(file: SourceFile) -> bool:
    """A `#Fields:` line with a time and a field of a request, client or server."""
    if not file.head.startswith((b"#", b"\xef\xbb\xbf#")):
        return False
    text = head_text(file.head) or ""
    found = re.search(r"^#Fields:(.*)$", text, re.MULTILINE | re.IGNORECASE)
    if found is None or "Firewall" in text[:400]:
        return False
    names = found[1].lower().split()
    return "time" in names and any(name.startswith(("cs", "sc-", "c-", "s-")) for name in names)


def parse(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    """An event for each request."""
    lines, unread = Lines(file), Unread()
    read = reader("%Y-%m-%d %H:%M:%S")
    read_fraction = reader("%Y-%m-%d %H:%M:%S.%f")
    fields: list[str] = []
    date = ""
    sequence = 0
    for number, text in lines:
        if text.startswith("#"):
            name, _, value = text[1:].partition(":")
            if name.lower() == "fields":
                fields = value.lower().split()
            elif name.lower() == "date":
                date = value.strip().partition(" ")[0]
            continue
        if not text.strip():
            continue
        sequence += 1
        if sequence % 4096 == 0 and context.expired():
            yield Problem(file.layer, "limit", f"time limit at line {number}")
            break
        values = text.split("\t") if "\t" in text else text.split(" ")
        if not fields or len(values) < len(fields):
            yield unread.event(number, text, sequence)
            continue
        row = dict(zip(fields, values, strict=False))
        has_date = "date" in row
        written = f"{row['date'] if has_date else date} {row.get('time', '')}".strip()
        reading: Reading = read_fraction(written) if "." in written else read(written)
        if len(values) > len(fields):
            row["shifted"] = "more values than #Fields"  # a blank inside a value: names may not fit their values
        yield _event(row, number, sequence, reading, written, context, has_date=has_date)
    yield from lines.problems(file.layer)
    yield from unread.problems(file.layer, lines)


def _event(
    row: dict[str, str], number: int, sequence: int, reading: Reading, written: str, context: Context, *, has_date: bool
) -> Event:
    data: dict[str, object] = {} if has_date else {"date_basis": "#Date line"}
    for name, value in row.items():
        if value in ("", "-") or name in ("date", "time", "cs-username", "cs-uri-stem", "cs-uri-query", "cs-uri"):
            continue
        shown = _NAMES.get(name, name)
        text = value.replace("+", " ") if shown in ("agent", "referrer") else value
        data[shown] = int(value) if shown in _NUMBERS and value.isdecimal() and len(value) < 19 else text
    query = row.get("cs-uri-query", "-")
    path = row.get("cs-uri") or row.get("cs-uri-stem", "") + (f"?{query}" if query not in ("-", "") else "")
    user = row.get("cs-username", "-")
    size = data.get("bytes_sent")
    return Event(
        time_ns=reading.ns, time_text=written, precision_ns=reading.precision_ns, zone="UTC", zone_basis="format",
        kind="web.access", desc="request", record=str(number), sequence=sequence, actor="" if user == "-" else user,
        host=row.get("s-computername") or context.host, path=path, bytes=size if isinstance(size, int) else None,
        data=data,
    )  # fmt: skip
