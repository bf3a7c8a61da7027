"""Reading whole documents in tests: what every extractor test asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from triage.extractors import extract_all
from triage.extractors.model import BytesSource, Context, Limits, Problem
from triage.text import Text

DOCUMENTS = Path(__file__).resolve().parents[2] / "data" / "documents"


class Read:
    """What came out of a file."""

    def __init__(self, data: bytes, name: str, limits: Limits, passwords: tuple[str, ...]) -> None:
        self.data = data
        items = list(extract_all(BytesSource(data, name), Context(limits, passwords)))
        self.texts = [item for item in items if isinstance(item, Text)]
        self.problems = [item for item in items if isinstance(item, Problem)]

    def content(self, location: str | None = None, container: str | None = None) -> str:
        return "\n".join(
            text.content
            for text in self.texts
            if (location is None or text.location == location) and (container is None or text.container == container)
        )

    def cells(self, location: str | None = None) -> list[tuple[int, int, str]]:
        return [
            (cell.row, cell.column, text.content[cell.start : cell.end])
            for text in self.texts
            if location is None or text.location == location
            for cell in text.cells
        ]

    def numeric(self) -> list[str]:
        return [text.content[cell.start : cell.end] for text in self.texts for cell in text.cells if cell.numeric]


ReadFunction = Callable[..., Read]


@pytest.fixture
def read() -> ReadFunction:
    """Read bytes (or a document under tests/data/documents, by name) as the scan would."""

    def run(
        data: bytes | str, name: str = "file", *, limits: Limits | None = None, passwords: tuple[str, ...] = ()
    ) -> Read:
        if isinstance(data, str):
            name = data
            data = (DOCUMENTS / data).read_bytes()
        return Read(data, name, limits or Limits(), passwords)

    return run
