"""Real artefacts of Windows as source files, and what a parser makes of them."""

from __future__ import annotations

import lzma
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from timeline.event import COLUMNS, Event, Problem
from timeline.kinds import sentences
from timeline.sources import Context, memory_file

if TYPE_CHECKING:
    from pathlib import Path

    from timeline.sources import SourceFile

RAW = {"evtx.event", "evt.event"}
"""Kinds without a sentence: events that no table knows are shown as they are."""


def real(shared: Path, name: str) -> SourceFile:
    """A file of the folder of real artefacts (unpacked where it is xz); the test is skipped where it is absent."""
    path = shared / name
    if not path.exists():
        pytest.skip(f"no {name} among the real artefacts")
    if path.suffix == ".xz":
        return memory_file(path.stem, lzma.decompress(path.read_bytes()))
    return memory_file(path.name, path.read_bytes(), siblings=lambda: _folder(path.parent))


def _folder(folder: Path) -> list[SourceFile]:
    return [memory_file(one.name, one.read_bytes()) for one in sorted(folder.iterdir()) if one.is_file()]


def content(file: SourceFile) -> bytes:
    """All bytes of a file."""
    return file.read_at(0, file.size)


def read(parser: Any, file: SourceFile, context: Context | None = None) -> tuple[list[dict[str, Any]], list[Problem]]:
    """Events as mappings of columns, from events and batches alike, and problems; the parser must take the file."""
    assert parser.matches(file)
    events: list[dict[str, Any]] = []
    problems = []
    for one in parser.parse(file, context or Context()):
        if isinstance(one, pa.RecordBatch):
            assert tuple(one.schema.names) == COLUMNS
            events += one.to_pylist()
        elif isinstance(one, Event):
            events.append({name: getattr(one, name) for name in COLUMNS})
        else:
            problems.append(one)
    assert {event["kind"] for event in events} <= set(sentences()) | RAW
    return events, problems


def counts(events: list[dict[str, Any]]) -> dict[str, int]:
    """How many events of each kind."""
    found: dict[str, int] = {}
    for event in events:
        found[event["kind"]] = found.get(event["kind"], 0) + 1
    return found


def of_kind(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """The events of one kind."""
    return [event for event in events if event["kind"] == kind]
