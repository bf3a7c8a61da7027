"""msg of Outlook: properties, bodies in plain text, HTML and compressed RTF, attachments (MS-OXMSG, MS-OXRTFCP)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from triage.extractors.encodings import content_of, encoding_of
from triage.extractors.model import BytesSource, Child, ExtractionError, member_container
from triage.extractors.pieces import prose
from triage.extractors.zip_archive import name_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from triage.extractors.compound import Compound
    from triage.extractors.model import Problem
    from triage.text import Text

_PREFIX = "__substg1.0_"
_BODY, _HTML, _RTF, _DATA, _LONG_NAME, _SHORT_NAME = "1000", "1013", "1009", "3701", "3707", "3704"
_DICTIONARY = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor "
    b"MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20"
    b"\\b\\i\\u\\tab\\tx"
)
_MAX_RTF_BYTES = 64 << 20


def uncompressed_rtf(data: bytes) -> bytes:
    """The RTF in a PidTagRtfCompressed property; raises `ExtractionError` where it is damaged."""
    if len(data) < 16:
        raise ExtractionError("damaged", "圧縮 RTF が壊れています", "compressed RTF is damaged")
    _, raw_size, kind, _ = struct.unpack_from("<II4sI", data)
    if kind == b"MELA":
        return data[16 : 16 + raw_size]
    if kind != b"LZFu":
        raise ExtractionError("damaged", "圧縮 RTF が壊れています", "compressed RTF is damaged")
    window = bytearray(4096)
    window[: len(_DICTIONARY)] = _DICTIONARY
    write = len(_DICTIONARY)
    out = bytearray()
    at = 16
    limit = min(raw_size, _MAX_RTF_BYTES)
    while at < len(data) and len(out) < limit:
        control = data[at]
        at += 1
        for bit in range(8):
            if at >= len(data):
                break
            if control >> bit & 1:
                if at + 1 >= len(data):
                    return bytes(out)
                token = data[at] << 8 | data[at + 1]
                at += 2
                offset, length = token >> 4, (token & 15) + 2
                if offset == write & 4095:
                    return bytes(out[:limit])
                for step in range(length):
                    byte = window[(offset + step) & 4095]
                    out.append(byte)
                    window[write & 4095] = byte
                    write += 1
            else:
                out.append(data[at])
                window[write & 4095] = data[at]
                write += 1
                at += 1
    return bytes(out[:limit])


def _string(data: bytes, kind: str) -> str:
    if kind == "001F":
        return data.decode("utf-16-le", "replace").rstrip("\0")
    return content_of(data, encoding_of(data) or "cp932").rstrip("\0")


def message(compound: Compound) -> Iterator[Text | Problem | Child]:
    """Properties of the message and of every message and attachment inside it."""
    source, context = compound.source, compound.context
    folders: dict[str, dict[str, str]] = {}
    for name in compound.names:
        folder, _, leaf = name.rpartition("/")
        if leaf.startswith(_PREFIX) and len(leaf) >= len(_PREFIX) + 8:
            folders.setdefault(folder, {})[leaf[len(_PREFIX) :][:8].upper()] = name
    for folder, streams in folders.items():
        context.check_time()
        where = folder.replace("__attach_version1.0_", "attachment ").replace("__recip_version1.0_", "recipient ")
        lines: list[str] = []
        bodies: list[str] = []
        for tag, name in streams.items():
            number, kind = tag[:4], tag[4:]
            if kind not in ("001E", "001F"):
                continue
            text = _string(compound.read(name), kind)
            if number == _BODY:
                bodies.append(text)
            else:
                lines.append(f"{text}\n")
        yield from prose(lines, source.container, f"{where} properties", location=where, kind="form")
        yield from prose(bodies, source.container, f"{where} body", location=where)
        yield from _binary(compound, streams, where)


def _binary(compound: Compound, streams: dict[str, str], where: str) -> Iterator[Text | Problem | Child]:
    source, context = compound.source, compound.context

    def member(data: bytes, name: str) -> Iterator[Text | Child]:
        context.count_member()
        container = member_container(source, f"{where}/{name}" if where else name)
        yield from name_text(container, name)
        yield Child(BytesSource(data, name, container))

    if f"{_HTML}0102" in streams:
        yield from member(compound.read(streams[f"{_HTML}0102"]), "body.html")
    elif f"{_RTF}0102" in streams:
        try:
            yield from member(uncompressed_rtf(compound.read(streams[f"{_RTF}0102"])), "body.rtf")
        except ExtractionError as error:
            yield error.problem(source.container, where)
    if f"{_DATA}0102" in streams:
        name = ""
        for tag in (_LONG_NAME, _SHORT_NAME):
            for kind in ("001F", "001E"):
                if not name and tag + kind in streams:
                    name = _string(compound.read(streams[tag + kind]), kind)
        yield from member(compound.read(streams[f"{_DATA}0102"]), name or "attachment")
