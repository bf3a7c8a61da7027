"""Mail: eml, mbox and mht; headers with encoded words, bodies in any transfer encoding and charset, attachments.

The MIME structure is the standard library's reading; what a part says is decoded here, because real mail declares
ISO-2022-JP and means Microsoft's extensions of it, or declares nothing at all.
"""

from __future__ import annotations

import base64
import binascii
import email.policy
import quopri
import re
from email.parser import BytesParser
from typing import TYPE_CHECKING, cast

from triage.extractors import plain
from triage.extractors.encodings import BOMS, Encoding, content_of, encoding_of
from triage.extractors.model import BytesSource, Child, LimitReachedError, member_container
from triage.extractors.pieces import prose
from triage.extractors.zip_archive import name_text
from triage.sniff import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message

    from triage.extractors.model import Context, Problem, Source
    from triage.text import Text

MAX_MESSAGE_BYTES = 48 << 20
MAX_PARTS = 10_000
_BLOCK_BYTES = 1 << 20
_HEADER = re.compile(
    r"(?:Return-Path|Delivered-To|Received|From|To|Cc|Subject|Date|Message-ID|MIME-Version|Content-Type|Sender|"
    r"Reply-To|X-[\w\-]+|DKIM-Signature|Authentication-Results|ARC-[\w\-]+|Envelope-To|In-Reply-To|References|"
    r"Content-Transfer-Encoding|Importance|Thread-Topic|Thread-Index|Bcc|List-[\w\-]+|User-Agent)[ \t]*:",
    re.IGNORECASE,
)
_ANY_HEADER = re.compile(r"[!-9;-~]+[ \t]*:|[ \t]")
_FROM_LINE = re.compile(rb"(?:\A|\n)From [^\n]{0,300}\n(?=[!-9;-~]{1,80}:|>From )")
_WORD = re.compile(r"=\?([\w\-]+)(?:\*[\w\-]+)?\?([bBqQ])\?([^?]*)\?=")
_BETWEEN_WORDS = re.compile(r"(\?=)[ \t\r\n]+(?==\?)")
_CHARSETS: dict[str, Encoding] = {
    "iso-2022-jp": "iso2022_jp",
    "iso-2022-jp-1": "iso2022_jp",
    "iso-2022-jp-ms": "iso2022_jp",
    "cp50220": "iso2022_jp",
    "cp50221": "iso2022_jp",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "x-sjis": "cp932",
    "sjis": "cp932",
    "windows-31j": "cp932",
    "cp932": "cp932",
    "euc-jp": "euc_jp",
    "x-euc-jp": "euc_jp",
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "utf-16": "utf-16-be",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
}


def is_message(text: str) -> bool:
    """Whether `text` begins with mail headers, at least two of them known."""
    known = 0
    for line in text.splitlines()[:20]:
        if not line:
            break
        if _HEADER.match(line):
            known += 1
        elif not _ANY_HEADER.match(line):
            return False
    return known >= 2


def matches(head: bytes, _name: str, _size: int) -> bool:
    """Headers of a message, or the "From " line of a mailbox with headers below it."""
    if _FROM_LINE.match(head):
        return True
    if not head[:1].isalpha():
        return False
    text = text_of(head)
    return text is not None and is_message(text)


def decode_body(data: bytes, charset: str) -> tuple[str, Encoding]:
    """What a body says: in the declared charset if it fits, else in the one that it is in."""
    declared = _CHARSETS.get(charset.lower())
    for mark, marked in BOMS:
        if data.startswith(mark):
            return content_of(data[len(mark) :], marked), marked
    if declared:
        content = content_of(data, declared)
        if "�" not in content:
            return content, declared
    found = encoding_of(data)
    if found:
        return content_of(data, found), found
    chosen: Encoding = declared or "cp932"
    return content_of(data, chosen), chosen


def decode_header(raw: str) -> str:
    """A header's text with its encoded words.

    Neighbours in one charset are decoded together, as they may be cut inside a character.
    """
    value = _BETWEEN_WORDS.sub(r"\1", raw)
    pieces: list[str] = []
    position = 0
    pending: tuple[str, bytes] | None = None
    for match in _WORD.finditer(value):
        if match.start() > position and pending:
            pieces.append(decode_body(pending[1], pending[0])[0])
            pending = None
        pieces.append(_header_text(value[position : match.start()]))
        position = match.end()
        charset, how, text = match[1], match[2], match[3]
        if how in "bB":
            try:
                data = base64.b64decode(text + "=" * (-len(text) % 4))
            except (binascii.Error, ValueError):
                data = text.encode("utf-8", "replace")
        else:
            data = quopri.decodestring(text.encode("utf-8", "surrogateescape"), header=True)
        if pending and pending[0] == charset:
            pending = (charset, pending[1] + data)
        else:
            if pending:
                pieces.append(decode_body(pending[1], pending[0])[0])
            pending = (charset, data)
    if pending:
        pieces.append(decode_body(pending[1], pending[0])[0])
    pieces.append(_header_text(value[position:]))
    return "".join(pieces)


def _header_text(raw: str) -> str:
    """Header text outside encoded words: bytes above ASCII came through as surrogates."""
    if raw.isascii():
        return raw if "\x1b" not in raw else decode_body(raw.encode(), "iso-2022-jp")[0]
    return decode_body(raw.encode("utf-8", "surrogateescape"), "")[0]


def _file_name(part: Message) -> str:
    try:
        name = part.get_filename()
    except (LookupError, ValueError, TypeError):
        name = None
    return decode_header(name).replace("\r", "").replace("\n", "").strip() if name else ""


def _part(part: Message, number: int, source: Source, context: Context) -> Iterator[Text | Problem | Child]:
    kind = part.get_content_type()
    try:
        data = cast("bytes", part.get_payload(decode=True) or b"")
    except (ValueError, LookupError, AssertionError):
        data = str(part.get_payload()).encode("utf-8", "surrogateescape")
    context.spend(len(data))
    if not data:
        return
    name = _file_name(part)
    charset = str(part.get_param("charset") or "")
    if kind.startswith("text/") and kind not in ("text/html", "text/xml", "text/rtf", "text/csv") and not name:
        content, encoding = decode_body(data, charset)
        yield from prose([content], source.container, f"part {number}", location=f"part {number}", encoding=encoding)
        return
    context.count_member()
    member = name or f"{number}.{kind.partition('/')[2] or 'bin'}"
    container = member_container(source, member)
    yield from name_text(container, member)
    if kind == "text/html" and _CHARSETS.get(charset.lower()) == "iso2022_jp":
        # Declared outside the page only: hand it on in an encoding that tells itself.
        data = decode_body(data, charset)[0].encode("utf-8", "replace")
    yield Child(BytesSource(data, member, container))


def message(data: bytes, source: Source, context: Context) -> Iterator[Text | Problem | Child]:
    """One message: headers, bodies, attachments; messages inside it become members."""
    try:
        parsed = BytesParser(policy=email.policy.compat32).parsebytes(data)
    except RecursionError:
        # The standard library descends by recursion; what is nested deeper is read as it stands.
        yield LimitReachedError("メールの入れ子が深すぎます", "the message is nested too deeply").problem(
            source.container
        )
        yield from plain.extract(BytesSource(data, source.name, source.container), context)
        return
    pending: list[Message] = [parsed]
    number = 0
    while pending and number < MAX_PARTS:
        context.check_time()
        part = pending.pop()
        lines = [f"{key}: {decode_header(str(value))}\n" for key, value in part.raw_items()]
        where = "headers" if part is parsed else f"headers {number}"
        yield from prose(lines, source.container, where, location=where, kind="form")
        if part.is_multipart():
            children = cast("list[Message]", part.get_payload())
            pending.extend(reversed(children))
            for outside in (part.preamble, part.epilogue):
                if outside and outside.strip():
                    raw = outside.encode("utf-8", "surrogateescape")
                    yield from prose([decode_body(raw, "")[0]], source.container, f"outside {number}")
            continue
        number += 1
        yield from _part(part, number, source, context)
    if pending:
        raise LimitReachedError("メールの部分が多すぎます", "too many parts in the message")


def _mailbox(source: Source, context: Context) -> Iterator[Text | Problem | Child]:
    """The messages of a mailbox, one by one, each a member with its number."""
    number = 0
    start = 0
    position = 0
    carried = b""
    size = source.size
    while start < size:
        context.check_time()
        data = carried + source.read_at(position, _BLOCK_BYTES)
        base = position - len(carried)
        position = min(position + _BLOCK_BYTES, size)
        lines = [base + match.end() - len(match[0].lstrip(b"\n")) for match in _FROM_LINE.finditer(data)]
        found = [line for line in lines if line > start]
        if position >= size:
            found.append(size)
        for end in found:
            number += 1
            context.count_member()
            yield Child(BytesSource(_unquoted(source, start, end), "", member_container(source, str(number))))
            start = end
        if position >= size:
            return
        carried = data[-1024:]


def _unquoted(source: Source, start: int, end: int) -> bytes:
    """A message of a mailbox without its "From " line, at most `MAX_MESSAGE_BYTES` of it."""
    data = source.read_at(start, min(end - start, MAX_MESSAGE_BYTES))
    return data.partition(b"\n")[2] if data.startswith(b"From ") else data


def extract(source: Source, context: Context) -> Iterator[Text | Problem | Child]:
    """A message, or every message of a mailbox."""
    if _FROM_LINE.match(source.read_at(0, 4096)):
        yield from _mailbox(source, context)
        return
    yield from message(source.read_at(0, min(source.size, MAX_MESSAGE_BYTES)), source, context)
    if source.size > MAX_MESSAGE_BYTES:
        yield LimitReachedError("メールが大きすぎます", "the message is too large").problem(source.container)
