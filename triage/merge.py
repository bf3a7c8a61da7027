"""Joins what the two passes found into one list, in which the same bytes are one finding.

Pass 2 (files, decoded) knows more of a number than pass 1 (raw media): its column, its label, its container. So where
both saw the same bytes, the finding of pass 2 stays and takes over the place on the media; where pass 2 read a file as
plain text it also has the last word on what is no finding there.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from triage.findings import Finding
from triage.lifecycle import stage_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from triage.file_pass import FoundNumber, TaskResult


ENCRYPTED_LAYERS = frozenset({"bitlocker", "luks", "filevault"})


@dataclass(frozen=True, slots=True)
class Piece:
    """`size` bytes of a file's content from `file_offset` on lie at `offset` on the media."""

    file_offset: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class FilePlace:
    """Where a file lies and what it is called, as findings show it (masked); `pieces` in order of `file_offset`.

    `pieces` is empty where the bytes on the media are not the content (compressed, encrypted).
    """

    layers: str
    path: str
    state: str
    times: Mapping[str, Any] = field(default_factory=dict)
    file_id: str = ""
    pieces: tuple[Piece, ...] = ()
    overwritten_bytes: int = 0
    """Of a deleted file: bytes that belong to live files now."""
    recycled: Mapping[str, Any] = field(default_factory=dict)
    """Of a file in the recycle bin: `path` before it was thrown away (masked), `deleted_ns` when."""

    def media_offset(self, file_offset: int) -> int | None:
        """Byte offset on the media of the content's byte `file_offset`; None where it has no place there."""
        number = bisect_right(self.pieces, file_offset, key=lambda piece: piece.file_offset) - 1
        if number < 0:
            return None
        piece = self.pieces[number]
        inside = file_offset - piece.file_offset
        return piece.offset + inside if inside < piece.size else None


@dataclass(frozen=True, slots=True)
class RawNumber:
    """A judged raw hit: its place on the media, and the file (number of its task) whose bytes they are, -1 for none."""

    offset: int
    file: int
    file_offset: int
    state: str
    layers: str
    number: FoundNumber


def merge(
    places: Mapping[int, FilePlace],
    results: Mapping[int, TaskResult],
    names: Iterable[tuple[int, FoundNumber]],
    raw: Sequence[RawNumber],
    owner_at: Mapping[int, int],
    decided: AbstractSet[int],
) -> list[Finding]:
    """One finding for each number at each place.

    `places` and `results` are keyed by the number of the file's task; `owner_at` gives for media offsets of pass-2
    findings the file that owns those bytes now (-1 none): a deleted file whose clusters were given to another file does
    not contain what is read there today. `decided` are files that pass 2 read as plain text and whole.
    """
    findings: list[Finding] = []
    by_offset: dict[int, Finding] = {}
    loose: dict[tuple[int, str], list[Finding]] = defaultdict(list)
    for file, result in sorted(results.items()):
        place = places[file]
        for number in result.found:
            offset = None
            if not number.container and number.byte_offset is not None:
                offset = place.media_offset(number.byte_offset)
            if offset is not None and (offset in by_offset or owner_at.get(offset, file) != file):
                continue
            file_offset = number.byte_offset if not number.container else None
            finding = finding_of(number, place, offset, file_offset=file_offset, result=result)
            findings.append(finding)
            if offset is None:
                loose[file, number.hmac].append(finding)
            else:
                by_offset[offset] = finding
    named: dict[str, Finding] = {}
    for file, number in names:
        finding = finding_of(replace(number, location="name", byte_offset=None), places[file], None)
        findings.append(finding)
        named.setdefault(number.hmac, finding)
    last: dict[str, int] = {}
    for hit in sorted(raw, key=lambda hit: (hit.offset, hit.number.encoding)):
        digest = hit.number.hmac
        # A number in UTF-16BE is also seen as UTF-16LE one byte on, and the other way round.
        beside = (by_offset.get(hit.offset - 1), by_offset.get(hit.offset + 1))
        twin = hit.offset - last.get(digest, -2) <= 1 or any(one and one.hmac == digest for one in beside)
        last[digest] = hit.offset
        if twin or hit.offset in by_offset:
            continue
        if hit.file in decided and hit.state in ("allocated", "deleted"):
            continue
        same = loose.get((hit.file, digest), []) if hit.state in ("allocated", "deleted") else []
        if not same and hit.state == "metadata" and digest in named:
            same = [named[digest]]
        if same:
            _add_place(same, hit.offset)
            continue
        owner = places.get(hit.file)
        finding = finding_of(
            replace(hit.number, container="", location=""),
            owner,
            hit.offset,
            state=hit.state,
            layers=hit.layers,
            file_offset=hit.file_offset if owner and hit.file_offset >= 0 else None,
            result=results.get(hit.file) if hit.state in ("allocated", "deleted") else None,
        )
        findings.append(finding)
        by_offset[hit.offset] = finding
    return findings


def _add_place(same: Sequence[Finding], offset: int) -> None:
    """The raw hit at `offset` is one of the findings `same`: give it to the first that has no place yet."""
    for finding in same:
        if finding.offset is None:
            finding.offset = offset
            return
    same[0].copies = (*same[0].copies, offset)


OVERWRITTEN = (
    "partly_overwritten",
    (
        "削除ファイルの一部は現存ファイルに上書きされており、内容が混ざっている可能性がある / "
        "part of the deleted file belongs to live files now: its content may be mixed with theirs"
    ),
)


def finding_of(
    number: FoundNumber,
    place: FilePlace | None,
    offset: int | None,
    *,
    state: str = "",
    layers: str = "",
    file_offset: int | None = None,
    result: TaskResult | None = None,
) -> Finding:
    """The finding of `number`: in the file at `place`, or in `state` and `layers` where no file is known."""
    if place is None:
        place = FilePlace(layers, "", state)
    if place.overwritten_bytes and offset is None:
        # Taken apart as a whole, so it cannot be told which bytes were still the deleted file's own.
        number = replace(
            number,
            confidence="low",
            reasons=(*number.reasons, OVERWRITTEN[1]),
            reason_codes=(*number.reason_codes, OVERWRITTEN[0]),
        )
    state = state or place.state
    stage = stage_of(place.path, number.container, state)
    return Finding(
        kind="my_number",
        state=state,
        layers=place.layers,
        path=place.path,
        masked=number.masked,
        hmac=number.hmac,
        confidence=number.confidence,
        reasons=number.reasons,
        reason_codes=number.reason_codes,
        rivals=number.rivals,
        offset=offset,
        file_offset=file_offset,
        container=number.container,
        location=number.location,
        encoding=number.encoding,
        times=place.times,
        file_id=place.file_id,
        stage={"code": stage.code, "ground": stage.ground} if stage else {},
        protection=protection_of(place.layers, number.container, result.opened if result else ()),
        content_sha256=result.content_sha256 if result else "",
        known=result.known if result else "",
        recycled=place.recycled,
    )


def protection_of(layers: str, container: str, opened: Sequence[str]) -> tuple[str, ...]:
    """What a reader without keys and passwords would have met: "volume", "password", both or nothing."""
    found = []
    if any(layer.partition(":")[0] in ENCRYPTED_LAYERS for layer in layers.split("|")):
        found.append("volume")
    if any(not one or container == one or container.startswith(f"{one}!/") for one in opened):
        found.append("password")
    return tuple(found)
