"""What an extractor is: a module that recognises a format and yields its text, its members and its problems.

```python
def matches(head: bytes, name: str, size: int) -> bool: ...
def extract(source: Source, context: Context) -> Iterator[Text | Problem | Decision | Child]: ...
```
`matches` decides by content (`head` is the first `HEAD_SIZE` bytes); the name only breaks ties. `extract` reads
through `source`, asks `context` before it spends time or memory, and hands members up as `Child`: nobody recurses.
What it cannot decode it says as `Problem`; an exception ends only this source and becomes a `Problem` too.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from triage.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD_SIZE = 4096
"""Bytes that `matches` gets to see."""

Reason = Literal["encrypted", "damaged", "unsupported", "limit"]


class Source(Protocol):
    """Bytes to extract from: a file in an image, a member of an archive, a blob; read-only, random access."""

    @property
    def size(self) -> int:
        """Length in bytes."""

    @property
    def name(self) -> str:
        """Last part of the name ("給与.xlsx"); may be empty."""

    @property
    def container(self) -> str:
        """Path inside containers: "" for a file of the file system, "a.zip!/b.docx" below it."""

    def read_at(self, offset: int, size: int, /) -> bytes:
        """Up to `size` bytes from `offset`; short only at the end."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that was not read, in the words of the coverage list; `ja` and `en` hold no personal data."""

    reason: Reason
    ja: str
    en: str
    container: str = ""
    location: str = ""


PictureDecision = Literal["read", "read_in_part", "no_text", "too_small", "off", "not_installed", "no_time"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about one picture or scanned page: whether its text was read, and if not, why."""

    decision: PictureDecision
    container: str = ""
    location: str = ""


@dataclass(frozen=True, slots=True)
class Child:
    """A member to be extracted next: the walk descends, the extractor goes on afterwards."""

    source: Source


class ExtractionError(Exception):
    """A source, or a part of it, cannot be read on; carries the coverage line."""

    def __init__(self, reason: Reason, ja: str, en: str) -> None:
        super().__init__(en)
        self.reason: Reason = reason
        self.ja = ja
        self.en = en

    def problem(self, container: str, location: str = "") -> Problem:
        """The coverage line of this error."""
        return Problem(self.reason, self.ja, self.en, container, location)


class LimitReachedError(ExtractionError):
    """A limit on time, output, depth or members was reached."""

    def __init__(self, ja: str, en: str) -> None:
        super().__init__("limit", ja, en)


class OutOfTimeError(LimitReachedError):
    """The time for the whole file is used up: nothing of it is read on."""


class OutOfOutputError(LimitReachedError):
    """The file unpacks to more than it may: nothing of it is unpacked any more."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds for one file of the file system with everything inside it."""

    seconds: float = 120.0
    """Wall time."""
    output_bytes: int = 16 << 30
    """Bytes that come out of decompressors and decoders, in all."""
    total_ratio: int = 1000
    """The same per byte of the file, once they are more than `total_free_bytes`."""
    total_free_bytes: int = 512 << 20
    ratio: int = 400
    """Output per input byte of one member, once it has put out more than `ratio_free_bytes`."""
    ratio_free_bytes: int = 64 << 20
    depth: int = 16
    """Containers inside containers."""
    members: int = 200_000
    """Members of all containers, in all."""
    memory_bytes: int = 16 << 20
    """The largest member that is held in memory whole; larger ones are streamed."""


@dataclass(slots=True)
class Context:
    """Limits, passwords and what was used up so far: one for each file of the file system."""

    limits: Limits = field(default_factory=Limits)
    passwords: tuple[str, ...] = field(default=(), repr=False)
    """Tried on everything encrypted."""
    ocr: Literal["auto", "all", "off"] = "off"
    """Which pictures are read: see `pictures`."""
    file_seen_raw: bool = False
    """The pass over the raw media has seen the bytes of the file itself (not of its members) in one piece."""
    opened: set[str] = field(default_factory=set, repr=False)
    """Containers that a password opened: "" for the file itself."""
    output_bytes: int = 0
    members: int = 0
    depth: int = 0
    """Containers around the source that is being extracted now."""
    allowed_bytes: int = 0
    """Bytes that the file at hand may unpack to; set by `start`."""
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.start(self.limits.output_bytes)

    @property
    def seen_raw(self) -> bool:
        """Whether the bytes of the source at hand were searched by the pass over the raw media."""
        return self.file_seen_raw and self.depth == 0

    def start(self, size_bytes: int) -> None:
        """Begin a file of `size_bytes`: what it may unpack to depends on that."""
        limits = self.limits
        self.allowed_bytes = min(limits.output_bytes, max(limits.total_free_bytes, limits.total_ratio * size_bytes))

    def check_time(self) -> None:
        """Raise `OutOfTimeError` once the time is used up; cheap enough for every few kilobytes of work."""
        if time.monotonic() - self.started > self.limits.seconds:
            raise OutOfTimeError(
                f"時間の上限({self.limits.seconds:g}秒)に達しました",
                f"time limit of {self.limits.seconds:g} s reached",
            )

    def spend(self, output_bytes: int) -> None:
        """Count decoded bytes and check both clocks; raises `OutOfOutputError` or `OutOfTimeError`."""
        self.output_bytes += output_bytes
        if self.output_bytes > self.allowed_bytes:
            raise OutOfOutputError(
                f"展開後の合計が上限({self.allowed_bytes:,}バイト)に達しました",
                f"unpacked size limit of {self.allowed_bytes:,} bytes reached",
            )
        self.check_time()

    def count_member(self) -> None:
        """Count one member of a container; raises `LimitReachedError`."""
        self.members += 1
        if self.members > self.limits.members:
            raise LimitReachedError(
                f"メンバー数の上限({self.limits.members:,})に達しました",
                f"limit of {self.limits.members:,} members reached",
            )

    def memory_for_member(self) -> int:
        """The largest member that may be held in memory at this depth, in bytes: halves with each level."""
        return max(self.limits.memory_bytes >> self.depth, 1 << 20)


class Extractor(Protocol):
    """The two functions of an extractor module."""

    def matches(self, head: bytes, name: str, size: int, /) -> bool:
        """Whether this extractor reads a file that starts with `head`."""

    def extract(self, source: Source, context: Context, /) -> Iterator[Text | Problem | Decision | Child]:
        """Everything readable in `source`, in a fixed order."""


def member_container(parent: Source, member: str) -> str:
    """Path of a member below `parent`: "a.zip!/b", then "a.zip!/b.zip!/c"."""
    return f"{parent.container or parent.name}!/{member}"


@dataclass(frozen=True, slots=True)
class BytesSource:
    """A source over bytes in memory."""

    data: bytes | memoryview = field(repr=False)
    name: str
    container: str = ""

    @property
    def size(self) -> int:
        """Length in bytes."""
        return len(self.data)

    def read_at(self, offset: int, size: int, /) -> bytes:
        """Up to `size` bytes from `offset`."""
        return bytes(self.data[offset : offset + size])


__all__ = [
    "HEAD_SIZE",
    "BytesSource",
    "Child",
    "Context",
    "Decision",
    "ExtractionError",
    "Extractor",
    "LimitReachedError",
    "Limits",
    "OutOfOutputError",
    "OutOfTimeError",
    "PictureDecision",
    "Problem",
    "Reason",
    "Source",
    "Text",
    "member_container",
]
