"""Mails: `.eml`, mbox and Apple's `.emlx`: the Date that the sender's machine wrote, and each hop that received it.

Format: RFC 5322 headers. `Date:` is the sender's own clock (`mail.date`; clock `mail:<host that hop 1 names>`, and the
host's own where no hop is recorded, as in a folder of sent mails). Each `Received:` line is an event `mail.received`
with the clock of the host that wrote it, `server:<by>`. `data["hop"]` counts from the sender on (the lowest line is
hop 1), so that the order of the chain shows whatever the clocks say. The zone `-0000` is an unknown zone. Bodies are
not read.
"""

from __future__ import annotations

import email.policy
import re
from email.parser import BytesHeaderParser
from typing import TYPE_CHECKING

from timeline.event import Event, Problem
from timeline.written_times import rfc2822

if TYPE_CHECKING:
    from collections.abc import Iterator

    from timeline.sources import Context, SourceFile

NAME = "mail"
TEXT = True
_HEADER = re.compile(
    rb"(?:Received|Return-Path|Delivered-To|From|To|Date|Subject|Message-ID|MIME-Version|X-[A-Za-z-]+|DKIM-Signature|"
    rb"ARC-[A-Za-z-]+|Authentication-Results|Reply-To|Content-Type):[ \t]",
    re.IGNORECASE,
)
_MBOX = re.compile(rb"From \S+ +[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d")
_EMLX = re.compile(rb"\d{1,12}\s*\r?\n")
_BY = re.compile(r"\bby\s+([\w.\-\[\]:]+)", re.IGNORECASE)
_FROM = re.compile(r"^\s*from\s+([\w.\-\[\]:]+)", re.IGNORECASE)
_WITH = re.compile(r"\bwith\s+([\w\-]+)", re.IGNORECASE)
_COMMENT = re.compile(r"\([^()]*\)")
_MOST_HEADER = 1 << 20
_MOST_HOPS = 100
_BLANK = re.compile(rb"\r?\n\r?\n")


def _is_headers(head: bytes) -> bool:
    """Header lines from the start on, among them Date or Received."""
    lines = head.split(b"\n")[:40]
    first = [line for line in lines[:12] if line[:1] not in (b" ", b"\t")]
    named = sum(1 for line in first if _HEADER.match(line))
    start = re.search(rb"(?m)^(?:Date|Received):[ \t]", head)
    return start is not None and named >= 2 and bool(_HEADER.match(lines[0]))


def matches(file: SourceFile) -> bool:
    """Mail headers from the first line on, behind an mbox or emlx line or not."""
    head = file.head.lstrip(b"\xef\xbb\xbf")
    if b":" not in head[:256]:
        return False
    if _MBOX.match(head):
        return True
    if (found := _EMLX.match(head)) is not None:
        head = head[found.end() :]
    return _is_headers(head)


def parse(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    """Events of each mail of the file."""
    head = file.head.lstrip(b"\xef\xbb\xbf")
    if not _MBOX.match(head):
        start = found.end() if (found := _EMLX.match(head)) is not None else 0
        start += len(file.head) - len(head)
        raw = file.read_at(start, _MOST_HEADER)
        blank = _BLANK.search(raw)
        if blank is None and start + len(raw) < file.size:
            yield Problem(file.layer, "limit", f"headers longer than {_MOST_HEADER >> 20} MiB")
        yield from _events(raw[: blank.start() if blank else len(raw)], "", 1, file, context)
        return
    for count, (offset, header) in enumerate(_mbox(file), 1):
        if context.expired():
            yield Problem(file.layer, "limit", f"time limit at mail {count}")
            return
        yield from _events(header, f"mail {count} (byte {offset}) ", count, file, context)


def _mbox(file: SourceFile) -> Iterator[tuple[int, bytes]]:
    """(offset, header bytes) of each mail of an mbox file."""
    header: list[bytes] = []
    size = offset = start = 0
    blank, inside = True, False
    with file.open() as stream:
        while line := stream.readline(1 << 16):
            if blank and line.startswith(b"From ") and _MBOX.match(line):
                if inside and header:
                    yield start, b"".join(header)
                header, size, inside, start = [], 0, True, offset
            elif inside and line.strip() == b"":
                yield start, b"".join(header)
                inside, header = False, []
            elif inside and size < _MOST_HEADER:
                header.append(line)
                size += len(line)
            blank = line.strip() == b""
            offset += len(line)
    if inside and header:
        yield start, b"".join(header)


def _events(raw: bytes, prefix: str, sequence: int, file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    # compat32 keeps each header as it is written and raises nothing for malformed ones.
    message = BytesHeaderParser(policy=email.policy.compat32).parsebytes(raw)
    received = [_text(value) for value in message.get_all("Received", [])]
    sender, subject = _decoded(message.get("From")), _decoded(message.get("Subject"))
    data: dict[str, object] = {
        name: value
        for name, value in (
            ("from", sender),
            ("to", _decoded(message.get("To"))[:1000]),
            ("cc", _decoded(message.get("Cc"))[:1000]),
            ("subject", subject),
            ("message_id", _text(message.get("Message-ID"))),
            ("mailer", _text(message.get("X-Mailer") or message.get("User-Agent"))),
        )
        if value
    }
    date = message.get("Date")
    if date is not None:
        written = _text(date)
        reading = rfc2822(written)
        yield Event(
            time_ns=reading.ns, time_text=written, precision_ns=reading.precision_ns, zone=reading.zone,
            zone_basis="none" if reading.zone is None else "format", kind="mail.date", desc="Date",
            record=f"{prefix}Date", sequence=sequence, actor=sender, host=context.host, path=subject, data=data,
            clock=_sender_clock(received),
        )  # fmt: skip
    elif not received:
        yield Problem(file.layer, "damaged", f"{prefix}no Date and no Received header")
    if len(received) > _MOST_HOPS:
        yield Problem(file.layer, "limit", f"{prefix}{len(received)} Received headers, read {_MOST_HOPS}")
    for hop, line in enumerate(reversed(received[:_MOST_HOPS]), 1):
        yield _hop(line, hop, prefix, sequence, sender, subject, data)


def _sender_clock(received: list[str]) -> str:
    """The clock that wrote Date: a mail without hops was written here, any other by the machine that hop 1 names."""
    if not received:
        return ""
    origin = _FROM.search(_COMMENT.sub(" ", received[-1]))
    return f"mail:{origin[1] if origin else '?'}"


def _hop(line: str, hop: int, prefix: str, sequence: int, sender: str, subject: str, data: dict[str, object]) -> Event:
    words, _, written = line.rpartition(";")
    reading = rfc2822(" ".join(written.split()))
    plain = _COMMENT.sub(" ", words)
    by, origin, protocol = _BY.search(plain), _FROM.search(plain), _WITH.search(plain)
    own: dict[str, object] = {name: data[name] for name in ("from", "to", "subject", "message_id") if name in data}
    own |= {
        "hop": hop,
        "by": by[1] if by else "",
        "received_from": origin[1] if origin else "",
        "with": protocol[1] if protocol else "",
        "received": line[:1000],
    }
    return Event(
        time_ns=reading.ns, time_text=written.strip(), precision_ns=reading.precision_ns, zone=reading.zone,
        zone_basis="none" if reading.zone is None else "format", kind="mail.received", desc="Received",
        record=f"{prefix}Received {hop}", sequence=sequence, actor=sender, host=by[1] if by else "", path=subject,
        data=own, clock=f"server:{by[1]}" if by else "server:?",
    )  # fmt: skip


def _text(value: object) -> str:
    return " ".join(str(value).split()) if value is not None else ""


def _decoded(value: object) -> str:
    """A header with its encoded words (RFC 2047) read; as written where they are malformed."""
    if value is None:
        return ""
    from email.header import decode_header, make_header  # noqa: PLC0415 - only where there is a mail

    plain = _text(value)
    try:
        return str(make_header(decode_header(plain)))
    except (ValueError, LookupError, UnicodeError):
        return plain
