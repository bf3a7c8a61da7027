"""Findings and coverage lines: what was found where, and what could not be read; one JSON object a line.

Values are masked before they come here. `hmac` (HMAC-SHA256 with the secret of the case) stands in for a number: equal
numbers have equal HMACs, so persons can be counted; a findings file with HMACs counts as 特定個人情報.
The format is documented in `docs/case-folder.md`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from triage.results import FORMAT_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from triage.extractors.model import PictureDecision

Kind = Literal["my_number", "yara"]
CoverageReason = Literal["encrypted", "damaged", "unsupported", "limit"]


@dataclass(slots=True)
class Finding:
    """One finding.

    What lies in a medium inside the source (an unlocked volume, a snapshot, an image in a file) has the layers of that
    medium in `medium`, its byte there in `medium_offset`, and no `offset`; its `copies` count in that medium too.
    `offset` is the byte offset in the media (None where the bytes have no place of their own there), `file_offset`
    the one in the content of the file (None inside containers), `copies` further media offsets of the same number in
    the same file. `file_id` names the stream inside its file system, so that it can be read again. `stage` is {} or
    {"code", "ground"} (`lifecycle`); `protection` what stood before the content: "volume" (an encrypted volume),
    "password" (the container); `content_sha256` the file's hash, equal for copies; `known` the hash set that holds it;
    `recycled` where a file in the recycle bin came from (`path`, masked) and when it was thrown away (`deleted_ns`).
    """

    kind: Kind
    state: str
    layers: str
    path: str
    masked: str = ""
    hmac: str = ""
    confidence: str = ""
    reasons: tuple[str, ...] = ()
    reason_codes: tuple[str, ...] = ()
    rivals: tuple[str, ...] = ()
    offset: int | None = None
    file_offset: int | None = None
    container: str = ""
    location: str = ""
    encoding: str = ""
    times: Mapping[str, Any] = field(default_factory=dict)
    copies: tuple[int, ...] = ()
    file_id: str = ""
    stage: Mapping[str, str] = field(default_factory=dict)
    protection: tuple[str, ...] = ()
    content_sha256: str = ""
    known: str = ""
    recycled: Mapping[str, Any] = field(default_factory=dict)
    rule: str = ""
    tags: tuple[str, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)
    strings: tuple[Mapping[str, Any], ...] = ()
    strings_total: int = 0
    medium: str = ""
    medium_offset: int | None = None

    def sort_key(self) -> tuple[Any, ...]:
        """Order of the findings file: by place on the media, then by path and place in the file."""
        return (
            self.kind,
            self.offset is None,
            self.offset or 0,
            self.medium,
            self.medium_offset is None,
            self.medium_offset or 0,
            self.layers,
            self.container,
            self.location,
            self.file_offset if self.file_offset is not None else -1,
            self.hmac,
            self.rule,
        )

    def to_json(self, identifier: str) -> dict[str, Any]:
        """The object of one line."""
        line: dict[str, Any] = {"v": FORMAT_VERSION, "id": identifier, "kind": self.kind}
        if self.kind == "my_number":
            line |= {
                "masked": self.masked,
                "hmac": self.hmac,
                "confidence": self.confidence,
                "reasons": list(self.reasons),
                "reason_codes": list(self.reason_codes),
                "rivals": list(self.rivals),
            }
        else:
            line |= {
                "rule": self.rule,
                "tags": list(self.tags),
                "meta": dict(self.meta),
                "strings": [dict(item) for item in self.strings],
                "strings_total": self.strings_total,
            }
        line |= {
            "layers": self.layers,
            "path": self.path,
            "state": self.state,
            "offset": self.offset,
            "file_offset": self.file_offset,
            "container": self.container,
            "location": self.location,
            "encoding": self.encoding,
            "times": dict(self.times),
        }
        if self.copies:
            line["copies"] = list(self.copies)
        if self.file_id:
            line["file_id"] = self.file_id
        if self.medium:
            line |= {"medium": self.medium, "medium_offset": self.medium_offset}
        if self.kind == "my_number":
            line["stage"] = dict(self.stage) or None
            line["protection"] = list(self.protection)
            if self.content_sha256:
                line["content_sha256"] = self.content_sha256
            if self.known:
                line["known"] = self.known
            if self.recycled:
                line["recycled"] = dict(self.recycled)
        return line


@dataclass(frozen=True, slots=True, order=True)
class CoverageLine:
    """Something that was not fully read: what, where, why. `offset` and `size`: bytes in the media, -1 if unknown.

    Lines of kind "picture" are no gaps but the decisions about pictures, read ones included; `reason` is the decision.
    """

    path: str
    reason: CoverageReason | PictureDecision
    detail: str
    layers: str = ""
    container: str = ""
    offset: int = -1
    size: int = -1
    kind: Literal["unreadable", "picture"] = "unreadable"

    def to_json(self) -> dict[str, Any]:
        """The object of one line."""
        return {
            "path": self.path,
            "kind": self.kind,
            "reason": self.reason,
            "detail": self.detail,
            "layers": self.layers,
            "container": self.container,
            "offset": None if self.offset < 0 else self.offset,
            "size": None if self.size < 0 else self.size,
        }


def encode_line(value: Mapping[str, Any]) -> str:
    """One object as one line, ending in a newline: keys in the order given, Japanese as such."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n"


def write_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Write a new JSON-lines file; raises FileExistsError rather than overwrite."""
    with path.open("x", encoding="utf-8", newline="\n", errors="backslashreplace") as file:
        file.writelines(encode_line(line) for line in lines)


def numbered(findings: Sequence[Finding]) -> Iterator[dict[str, Any]]:
    """Lines of a findings file: sorted by place, with ids F000001, F000002, … in that order."""
    for number, finding in enumerate(sorted(findings, key=Finding.sort_key), 1):
        yield finding.to_json(f"F{number:06d}")
