"""Runs a parser on bytes, as tests of all log parsers do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from timeline.event import Event, Problem, data_json
from timeline.kinds import sentences
from timeline.sources import Context, memory_file

if TYPE_CHECKING:
    from timeline.sources import SourceFile


def read(
    parser: Any, content: bytes | SourceFile, *, name: str = "file:a.log", context: Context | None = None
) -> tuple[list[Event], list[Problem]]:
    """Events and problems of a file that the parser says it reads; every kind must have its sentences."""
    file = memory_file(name, content) if isinstance(content, bytes) else content
    assert parser.matches(file)
    return parsed(parser, file, context)


def parsed(parser: Any, file: SourceFile, context: Context | None = None) -> tuple[list[Event], list[Problem]]:
    """As `read`, whether or not the parser would have taken the file."""
    found = list(parser.parse(file, context or Context(host="pc1")))
    events = [one for one in found if isinstance(one, Event)]
    assert {event.kind for event in events} <= set(sentences())
    assert [one.sequence for one in events] == sorted(one.sequence for one in events)
    assert all(len(data_json(one.data).encode()) <= 8192 for one in events)
    return events, [one for one in found if isinstance(one, Problem)]
