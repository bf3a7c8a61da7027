"""Containers that are recognised but not opened: said as unsupported, with their clear text searched like any bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from triage.extractors import binary
from triage.extractors.model import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from triage.extractors.model import Child, Context, Source
    from triage.text import Text

_FORMATS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x60\xea", "ARJ"),
    (7, b"**ACE**", "ACE"),
    (0, b"ITSF\x03", "CHM"),
    (0, b"MSWIM\x00\x00\x00", "WIM"),
    (0, b"xar!", "XAR"),
    (0, b"age-encryption.org/", "age"),
    (0, b"-----BEGIN PGP MESSAGE-----", "PGP"),
)


def format_of(head: bytes) -> str | None:
    """Name of the format that `head` begins; None for all others."""
    for offset, magic, name in _FORMATS:
        if head.startswith(magic, offset):
            return name
    return None


def matches(head: bytes, _name: str, _size: int) -> bool:
    """The signature of one of the formats."""
    return format_of(head) is not None


def extract(source: Source, context: Context) -> Iterator[Text | Problem | Child]:
    """The coverage line, then what lies in the file uncompressed."""
    name = format_of(source.read_at(0, 64))
    if name in ("age", "PGP"):
        yield Problem("encrypted", f"{name} で暗号化されています", f"encrypted with {name}", source.container)
    else:
        yield Problem("unsupported", f"{name} 形式は未対応です", f"{name} is not supported", source.container)
    yield from binary.extract(source, context)
