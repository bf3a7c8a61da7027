"""Replies of web servers as caches keep them: status line and headers, with the two clocks that met in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from timeline import times

if TYPE_CHECKING:
    from timeline.stamps import Stamp

KEPT = (
    "content-type",
    "content-length",
    "last-modified",
    "server",
    "location",
    "content-disposition",
    "via",
    "x-cache",
)
MOST_HEADERS = 200


def headers_of(raw: bytes) -> tuple[str, dict[str, str]]:
    """Status line and headers of a reply, lines ended by NUL or CRLF; lower-case names, the first of several."""
    lines = raw.replace(b"\r\n", b"\0").replace(b"\n", b"\0").split(b"\0")
    found: dict[str, str] = {}
    for line in lines[1 : MOST_HEADERS + 1]:
        name, mark, value = line.decode("latin-1").partition(":")
        if mark and name and name.isascii():
            found.setdefault(name.strip().lower(), value.strip()[:1000])
    return lines[0].decode("latin-1").strip()[:200], found


def reply_fields(
    status: str, headers: dict[str, str], *, request: Stamp | None = None, response: Stamp | None = None
) -> dict[str, object]:
    """What an event says of a reply. `date` and `age` are the server's, both times the computer's own clock (UTC)."""
    data: dict[str, object] = {"status": status, "date": headers.get("date", ""), "age": headers.get("age", "")}
    if request is not None and request.time_ns is not None:
        data["request_time"] = times.text(request.time_ns)
    if response is not None and response.time_ns is not None:
        data["response_time"] = times.text(response.time_ns)
    for name in KEPT:
        if headers.get(name):
            data[name.replace("-", "_")] = headers[name]
    return data
