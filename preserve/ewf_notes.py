"""The acquisition notes of EWF images: `header` (code page text) and `header2` (UTF-16), both zlib streams.

Format: libewf's "Expert Witness Compression Format", sections header and header2. Line 3 names the fields by one- or
two-letter keys, line 4 holds the values, both split by tabs.
"""

from __future__ import annotations

import datetime as dt
import re
import zlib

_FIELDS = {
    "c": "case_number",
    "n": "evidence_number",
    "a": "description",
    "e": "examiner",
    "t": "notes",
    "av": "software_version",
    "ov": "operating_system",
    "m": "acquired",
    "u": "system_date",
    "p": "password_hash",
    "r": "compression",
    "md": "model",
    "sn": "serial_number",
    "l": "device_label",
    "pid": "process_identifier",
    "dc": "unknown_dc",
    "ext": "extents",
}
_MOST_TEXT = 1 << 20  # bytes of inflated text
_DATE = re.compile(r"^(\d{4}) (\d{1,2}) (\d{1,2}) (\d{1,2}) (\d{1,2}) (\d{1,2})$")


def _decode(raw: bytes) -> str:
    """Text of a header: UTF-16 by its byte order mark, else UTF-8, else CP932 (Japanese Windows), else Latin-1."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16", "replace")
    for encoding in ("utf-8", "cp932"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")


def _date(value: str) -> str:
    """A date as ISO 8601: header2 writes seconds since 1970 (UTC), header local time without a zone."""
    if value.isdecimal() and len(value) <= 11:
        moment = dt.datetime.fromtimestamp(int(value), dt.UTC)
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    match = _DATE.match(value)
    if match is None:
        return value
    year, month, day, hour, minute, second = (int(part) for part in match.groups())
    return f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}"


def parse_header(data: bytes) -> dict[str, str]:
    """Fields of a header or header2 section by name; empty where it is damaged or empty."""
    try:
        text = _decode(zlib.decompressobj().decompress(data, _MOST_TEXT))
    except zlib.error:
        return {}
    lines = [line.rstrip("\r") for line in text.split("\n")]
    if len(lines) < 4 or lines[1].strip() != "main":
        return {}
    notes: dict[str, str] = {}
    for key, value in zip(lines[2].split("\t"), lines[3].split("\t"), strict=False):
        name = _FIELDS.get(key.strip())
        if name is None or name.startswith("unknown") or not value.strip():
            continue
        if name == "password_hash" and value.strip("0 ") == "":
            continue
        notes[name] = _date(value.strip()) if name in ("acquired", "system_date") else value.strip()
    return notes
