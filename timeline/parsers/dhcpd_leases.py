"""Leases of the ISC DHCP server (`dhcpd.leases`): who had which address from when to when, in UTC.

Format: dhcpd.leases(5): `lease ADDRESS { starts W YYYY/MM/DD hh:mm:ss; … }`; with `db-time-format local` the times are
`epoch SECONDS;`. The file is a journal: later blocks for the same address replace earlier ones, and all are kept.
Kinds `dhcp.lease` (starts), `dhcp.lease_end` (ends), `dhcp.contact` (cltt, last transaction of the client).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from timeline.event import Event, Problem
from timeline.lines import Lines, head_text
from timeline.written_times import UNREADABLE, reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from timeline.sources import Context, SourceFile

NAME = "dhcpd_leases"
TEXT = True
_LEASE = re.compile(r"\s*lease\s+(\S+)\s*\{\s*")
_TIME = re.compile(
    r"(?:[0-6]\s+(?P<date>\d{4}/\d{1,2}/\d{1,2}\s+\d{1,2}:\d{2}:\d{2})|epoch\s+(?P<epoch>\d+)|never)\b.*"
)
_KINDS = {"starts": "dhcp.lease", "ends": "dhcp.lease_end", "cltt": "dhcp.contact"}
_MOST_LINES = 200


def matches(file: SourceFile) -> bool:
    """A lease block in the head."""
    if b"lease" not in file.head:
        return False
    return re.search(r"^lease\s+[\d.a-fA-F:]+\s*\{", head_text(file.head) or "", re.MULTILINE) is not None


def parse(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    """Up to three events for each block."""
    lines = Lines(file)
    address, start = "", 0
    block: dict[str, str] = {}
    count, sequence = 0, 0
    bad: list[int] = []
    for number, text in lines:
        if found := _LEASE.fullmatch(text):
            if address:
                bad.append(start)
            address, start, block, count = found[1], number, {}, 0
            continue
        if not address:
            continue
        stripped = text.strip()
        count += 1
        if stripped == "}":
            for event in _events(address, block, start, context):
                sequence += 1
                yield event
            address = ""
        elif count > _MOST_LINES:
            bad.append(start)
            address = ""
        else:
            name, _, value = stripped.rstrip(";").partition(" ")
            if name == "hardware":
                value = value.removeprefix("ethernet ")
            elif name == "binding":
                value = value.removeprefix("state ")
            block[name] = value.strip().strip('"')
    if address:
        yield Problem(
            file.layer, "incomplete", f"the last lease (line {start}) has no end: cut, or still being written"
        )
    if bad:
        yield Problem(file.layer, "damaged", f"{len(bad)} leases without end (first: line {bad[0]})")
    yield from lines.problems(file.layer)


def _events(address: str, block: dict[str, str], number: int, context: Context) -> Iterator[Event]:
    data = {
        "ip": address,
        "mac": block.get("hardware", ""),
        "client": block.get("client-hostname", ""),
        "state": block.get("binding", ""),
    }
    shown = {name: value for name, value in data.items() if value}
    for name, kind in _KINDS.items():
        if name not in block:
            continue
        found = _TIME.fullmatch(block[name])
        if found is not None and found["date"] is None and found["epoch"] is None:
            continue  # never
        reading = UNREADABLE
        if found is not None:
            reading = reader("%Y/%m/%d %H:%M:%S")(found["date"]) if found["date"] else reader("epoch_s")(found["epoch"])
        yield Event(
            time_ns=reading.ns, time_text=block[name], precision_ns=reading.precision_ns, zone="UTC",
            zone_basis="format", kind=kind, desc=name, record=str(number), sequence=number, host=context.host,
            path=address, data=shown,
        )  # fmt: skip
