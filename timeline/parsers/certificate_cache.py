r"""Revocation lists (CRL) and OCSP answers, and the Windows cache that says when the machine fetched them.

An authority signs the moment at which it made a list or an answer; the machine cannot have fetched it before that. So
each pair bounds the machine's clock from one side. Kinds: `web.certificate_fetch` (when this machine fetched; its own
clock), `web.crl` (`thisUpdate`) and `web.ocsp` (`producedAt`), both by the clock `server:<issuer>`.
`data["cache_name"]` is the name that a fetch and its content share.

Format: X.509 CRL (RFC 5280), OCSP (RFC 6960); `CryptnetUrlCache\MetaData\<name>`: bytes of the URL at 12, time of
the fetch (FILETIME) at 16, the server's Last-Modified at 88, bytes of the ETag at 100, of the content at 112, from 116
on the URL in UTF-16. The content lies in `CryptnetUrlCache\Content\<name>`.
"""

from __future__ import annotations

import re
from datetime import UTC
from typing import TYPE_CHECKING

from timeline import times
from timeline.event import Event, Problem
from timeline.stamps import filetime, u32, u64, user_of, utf16

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from timeline.sources import Context, SourceFile

NAME = "certificate_cache"
NAMES = re.compile(r"[0-9a-f]{32}(?:_[0-9a-f]{32})?|.*\.(?:crl|ocsp)")
MOST_BYTES = 32 << 20
_FOLDER = re.compile(r"cryptneturlcache/(metadata|content)/[^/]*$", re.IGNORECASE)
_HEADER_BYTES = 116
_PEM = b"-----BEGIN X509 CRL-----"


def _place(file: SourceFile) -> str:
    found = _FOLDER.search(file.path)
    return found[1].lower() if found else ""


def matches(file: SourceFile) -> bool:
    """A member of the cache, or a list or answer by its first bytes."""
    if _place(file) == "metadata":
        return file.size >= _HEADER_BYTES and 2 <= u32(file.head, 12) <= 1 << 16
    if file.head.startswith(_PEM):
        return True
    return file.head[:1] == b"\x30" and (_place(file) == "content" or file.name.lower().endswith((".crl", ".ocsp")))


def promises(file: SourceFile) -> bool:
    """The cache also holds certificates and trust lists, which this does not read."""
    return not _place(file)


def parse(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    """The one event of the file."""
    del context
    if _place(file) == "metadata":
        yield _fetch(file)
        return
    if file.size > MOST_BYTES:
        yield Problem(file.layer, "limit", f"larger than {MOST_BYTES >> 20} MiB")
        return
    raw = file.read(MOST_BYTES)
    found = _list(file, raw) or _answer(file, raw)
    if found is not None:
        yield found
    elif promises(file):
        yield Problem(file.layer, "damaged", "neither a revocation list nor an OCSP answer")


def _fetch(file: SourceFile) -> Event:
    raw = file.read(1 << 18)
    bytes_of_url = u32(raw, 12)
    modified = u64(raw, 88)
    return filetime(u64(raw, 16)).event(
        "web.certificate_fetch", "Last Download Time", record=file.name, actor=user_of(file.path),
        path=utf16(raw[_HEADER_BYTES : _HEADER_BYTES + bytes_of_url]), size=u32(raw, 112),
        data={
            "cache_name": file.name.lower(),
            "server_last_modified": times.text(times.filetime(modified), digits=0) if modified else "",
        },
    )  # fmt: skip


def _list(file: SourceFile, raw: bytes) -> Event | None:
    from cryptography import x509  # noqa: PLC0415 - only where there is one

    load = x509.load_pem_x509_crl if raw.startswith(_PEM) else x509.load_der_x509_crl
    try:
        listed = load(raw)
        issuer, made, until = listed.issuer.rfc4514_string(), listed.last_update_utc, listed.next_update_utc
    except ValueError:
        return None
    return _event(file, "web.crl", "thisUpdate", made, issuer, {"next_update": _text(until)})


def _answer(file: SourceFile, raw: bytes) -> Event | None:
    from cryptography.x509 import ocsp  # noqa: PLC0415 - only where there is one

    try:
        answer = ocsp.load_der_ocsp_response(raw)
        if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            return None
        made = answer.produced_at_utc
        name, key = answer.responder_name, answer.responder_key_hash
        about = next(iter(answer.responses)).this_update_utc
    except (ValueError, StopIteration):
        return None
    issuer = name.rfc4514_string() if name is not None else (key or b"").hex()
    return _event(file, "web.ocsp", "producedAt", made, issuer, {"this_update": _text(about)})


def _text(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _event(
    file: SourceFile, kind: str, desc: str, made: datetime, issuer: str, more: dict[str, object]
) -> Event | None:
    at = made.astimezone(UTC)
    day = times.civil(at.year, at.month, at.day, at.hour, at.minute, at.second)
    return Event(
        time_ns=day, time_text=_text(made), precision_ns=times.NS, zone="UTC", zone_basis="format", kind=kind,
        desc=desc, record=file.name, path=issuer[:300], host=issuer[:100],
        data={"cache_name": file.name.lower(), "issuer": issuer[:300], **more}, clock=f"server:{issuer[:100]}",
    )  # fmt: skip
