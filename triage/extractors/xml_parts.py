"""XML as it stands in office packages: events from a bounded, entity-safe parser, and the text of any other part.

expat reads the encodings that XML must know; document type declarations end the parse, so entities cannot expand.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol
from xml.parsers import expat

from triage.extractors.digits import holds_number
from triage.extractors.model import ExtractionError
from triage.extractors.pieces import Prose

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from triage.extractors.model import Context, Problem, Source
    from triage.text import Text

CHUNK_BYTES = 1 << 16
_TEXT_NODE = re.compile(rb">([^<>]+)<")
_NUMBER_BYTES = re.compile(rb"(?:[0-9][^0-9<>\"']{0,3}){9}")
_NUMBER_LIKE = re.compile(r"(?:[0-9０-９][^0-9０-９]{0,3}){9}")
_DEPTH = 512


class Handler(Protocol):
    """Receives the events of one part; names come without their namespace."""

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""

    def end(self, name: str) -> None:
        """An element ends."""

    def data(self, text: str) -> None:
        """Character data."""


def may_hold_number(xml: bytes, *, attributes: bool = False) -> bool:
    """Whether the text of a part can hold a number: asked before it is parsed. Parts in UTF-16 always may."""
    if xml.startswith((b"\xff\xfe", b"\xfe\xff", b"\x00<", b"<\x00")) or b"<!" in xml:
        return True
    joined = b"".join(_TEXT_NODE.findall(xml))
    if holds_number(joined.decode("utf-8", "replace")) or b"&#" in joined:
        return True
    # Full-width digits begin with EF BC in UTF-8.
    return attributes and (_NUMBER_BYTES.search(xml) is not None or xml.count(b"\xef\xbc") >= 9)


def parse(chunks: Iterable[bytes], handler: Handler, context: Context) -> Iterator[None]:
    """Feed `chunks` to `handler`, pausing after each; raises `ExtractionError` where the XML is damaged."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.buffer_size = CHUNK_BYTES
    depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEPTH:
            raise ExtractionError("limit", "XML の入れ子が深すぎます", "the XML is nested too deeply")
        plain = {key.rpartition(" ")[2]: value for key, value in attributes.items()} if attributes else attributes
        handler.start(name.rpartition(" ")[2], plain)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        handler.end(name.rpartition(" ")[2])

    def refuse(*_: object) -> None:
        raise ExtractionError("unsupported", "XML の実体宣言は展開しません", "XML entity declarations are not expanded")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = handler.data
    parser.EntityDeclHandler = refuse
    try:
        for chunk in chunks:
            parser.Parse(chunk, False)
            context.check_time()
            yield
        parser.Parse(b"", True)
        yield
    except (expat.ExpatError, LookupError, ValueError) as error:
        code = getattr(error, "code", 0)
        raise ExtractionError("damaged", f"XML が壊れています({code})", f"the XML is damaged ({code})") from None


def chunks_of(source: Source) -> Iterator[bytes]:
    """The bytes of a part in chunks for the parser."""
    position = 0
    while data := source.read_at(position, CHUNK_BYTES):
        yield data
        position += len(data)


_INLINE = frozenset(("t", "r", "span", "b", "i", "s", "a"))


class _Anything:
    """Text of any XML: elements on lines of their own, runs of inline text joined, telling attributes kept."""

    def __init__(self, prose: Prose) -> None:
        self.prose = prose
        self.ready: list[Text] = []
        self._open: list[tuple[str, bool]] = []
        """Names of the open elements, and whether they have text so far."""

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        self._open.append((name, False))
        kept = [f"{key}: {value}" for key, value in attributes.items() if _NUMBER_LIKE.search(value)]
        if kept:
            self.ready += self.prose.add("\n" + "\n".join(kept) + "\n")

    def end(self, name: str) -> None:
        _, written = self._open.pop()
        if not written:
            return
        if name not in _INLINE:
            self.ready += self.prose.add("\n")
        elif self._open:
            self._open[-1] = (self._open[-1][0], True)

    def data(self, text: str) -> None:
        name, written = self._open[-1]
        if not written:
            if not text.strip() and name not in _INLINE:
                return
            if name not in _INLINE and name not in ("p", "v", "f", "text"):
                # The element's name is the label: <個人番号>…</個人番号>.
                self.ready += self.prose.add(f"{name}: ")
            self._open[-1] = (name, True)
        self.ready += self.prose.add(text)


def any_text(source: Source, context: Context, location: str, container: str) -> Iterator[Text | Problem]:
    """The text of a part whose vocabulary is not known."""
    if source.size <= 4 << 20 and not may_hold_number(source.read_at(0, source.size), attributes=True):
        return
    prose = Prose(container, location, location=location, encoding="utf-8", kind="markup")
    handler = _Anything(prose)
    try:
        for _ in parse(chunks_of(source), handler, context):
            yield from handler.ready
            handler.ready.clear()
    except ExtractionError as error:
        yield from handler.ready
        yield from prose.finish()
        if error.reason == "limit":
            raise
        yield error.problem(container, location)
        return
    yield from handler.ready
    yield from prose.finish()
