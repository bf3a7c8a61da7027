"""ppt of PowerPoint 97 to 2003: every text atom of the stream, old versions of slides included (MS-PPT 2.9, 2.3)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from triage.extractors.model import ExtractionError
from triage.extractors.pieces import Prose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from triage.extractors.compound import Compound
    from triage.extractors.model import Problem
    from triage.text import Text

_ENCRYPTED = 0xF3D1C4DF
_CHARS, _BYTES, _STRING = 0x0FA0, 0x0FA8, 0x0FBA


def document(compound: Compound) -> Iterator[Text | Problem]:
    """The text atoms in the order of the stream."""
    user = compound.read("Current User") if "Current User" in compound.names else b""
    if len(user) >= 16 and struct.unpack_from("<I", user, 12)[0] == _ENCRYPTED:
        raise ExtractionError("encrypted", "PowerPoint 文書が暗号化されています", "the presentation is encrypted")
    name = "PowerPoint Document"
    stream = compound.read(name)
    prose = Prose(compound.source.container, name, location=name, encoding="utf-16-le")
    at = 0
    while at + 8 <= len(stream):
        version, kind, size = struct.unpack_from("<HHI", stream, at)
        at += 8
        if version & 0x000F == 0x000F:
            # A container: its records follow.
            continue
        body = stream[at : at + size]
        at += size
        if kind in (_CHARS, _STRING):
            yield from prose.add(body.decode("utf-16-le", "replace").replace("\r", "\n") + "\n")
        elif kind == _BYTES:
            yield from prose.add(body.decode("latin-1").replace("\r", "\n") + "\n")
    yield from prose.finish()
