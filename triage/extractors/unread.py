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
    (0, b"Rar!\x1a\x07", "RAR"),
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


def is_hibernation(head: bytes, name: str) -> bool:
    """Whether a file is the hibernation file of Windows, by its name and its first bytes (zeros after waking up)."""
    return name.lower() == "hiberfil.sys" and head[:4].lower() in (b"hibr", b"wake", b"rstr", b"horm", bytes(4))


def matches(head: bytes, name: str, _size: int) -> bool:
    """The signature of one of the formats."""
    return format_of(head) is not None or is_hibernation(head, name)


def extract(source: Source, context: Context) -> Iterator[Text | Problem | Child]:
    """The coverage line, then what lies in the file uncompressed."""
    name = format_of(source.read_at(0, 64))
    if name is None:
        ja = "休止状態ファイルの圧縮された部分は展開していません(圧縮されていない部分は走査済み)"
        en = "the compressed parts of the hibernation file are not unpacked (what is not compressed is searched)"
        yield Problem("unsupported", ja, en, source.container)
        if not context.seen_raw:
            yield from binary.extract(source, context)
        return
    if name in ("age", "PGP"):
        yield Problem("encrypted", f"{name} で暗号化されています", f"encrypted with {name}", source.container)
    else:
        yield Problem("unsupported", f"{name} 形式は未対応です", f"{name} is not supported", source.container)
    yield from binary.extract(source, context)
