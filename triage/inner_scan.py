"""Media inside the source, scanned one after the other, each like the source itself.

Unlocked and logical volumes, shadow copies (only what differs), images in files, and what is inside those. What could
not be opened, or was too much, is a coverage line.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from chain_of_custody import console
from chain_of_custody.errors import EvidenceError
from preserve.inner import in_files
from triage.evidence_map import walk_inner
from triage.findings import CoverageLine
from triage.masking import mask_text
from triage.medium_scan import Crew, MediumResult, scan_medium
from triage.nested_media import DEEPEST, MOST_MEDIA, drop_what_is_inside
from triage.scan_state import FOLDER, ScanState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from preserve.inner import Inner
    from preserve.keys import Keys
    from triage.evidence_map import EvidenceMap
    from triage.file_pass import PassSettings
    from triage.findings import Finding
    from triage.scan_state import Plan

MOST_BYTES = 8 << 40
"""Bytes searched of all media inside the source, together."""


@dataclass(frozen=True, slots=True)
class InnerSettings:
    """How media inside are scanned: as the source is (`plan`, `settings`), with the keys for encrypted volumes."""

    plan: Plan
    settings: PassSettings
    keys: Keys = field(repr=False)
    crew: Crew
    resume: bool


@dataclass(slots=True)
class ScannedMedium:
    """One medium and what its scan gave; `number` is 0 for the source. Findings are as they are written."""

    number: int
    layer: str
    kind: str
    description: str
    size: int
    result: MediumResult
    files: int
    volumes: list[dict[str, Any]]
    findings: Sequence[Finding] = ()
    coverage: Sequence[CoverageLine] = ()
    pictures: Sequence[CoverageLine] = ()
    created_ns: int | None = None
    repeated: int = 0
    """Findings that a newer snapshot of the same volume shows too, and that are listed there."""

    def to_json(self) -> dict[str, Any]:
        """The object in `media` of the summary."""
        return {
            "number": self.number,
            "layer": self.layer,
            "kind": self.kind,
            "description": self.description,
            "size": self.size,
            "created_ns": self.created_ns,
            "files": self.files,
            "findings": len(self.findings),
            "repeated": self.repeated,
            "volumes": self.volumes,
        }


def scan_inside(
    source: EvidenceMap, first: MediumResult, state: ScanState, settings: InnerSettings
) -> list[ScannedMedium]:
    """Scan every medium inside `source`, whose own scan gave `first`; the source's result comes first.

    Raises OSError and what `scan_medium` raises for the work itself; what the evidence spoils is coverage.
    """
    return _InnerScan(state, settings).run(source, first)


class _InnerScan:
    """The walk down through all media."""

    def __init__(self, state: ScanState, settings: InnerSettings) -> None:
        self._state = state
        self._settings = settings
        self._media: list[ScannedMedium] = []
        self._bytes = 0
        self._refused: list[CoverageLine] = []

    def run(self, source: EvidenceMap, first: MediumResult) -> list[ScannedMedium]:
        """Everything, depth first."""
        medium = _scanned(0, source, "source", "", first)
        self._media.append(medium)
        medium.findings = self._inside(source, first, 0)
        medium.coverage = [*first.coverage, *self._refused]
        medium.pictures = list(first.collected.pictures())
        return self._media

    def _inside(self, outer: EvidenceMap, result: MediumResult, depth: int) -> list[Finding]:
        """Scan what is inside `outer`; returns its findings without those that belong inside."""
        found = list(result.findings)
        # Newest first: what an older snapshot shows again is listed with the newest that has it.
        inner = sorted(outer.inner, key=lambda one: -(one.created_ns or 0))
        seen: dict[int, set[tuple[object, ...]]] = {}
        for one in [*inner, *in_files(outer.evidence, result.holders)]:
            inside = self._one(outer, one, depth, seen)
            if inside:
                found = drop_what_is_inside(found, outer, one, inside)
        return found

    def _refuse(self, inner: Inner, reason: str, detail: str) -> None:
        line = CoverageLine(
            path="",
            reason=reason,  # type: ignore[arg-type]  # one of the reasons
            detail=mask_text(detail),
            layers=mask_text(inner.layer),
        )
        self._refused.append(line)

    def _one(
        self, outer: EvidenceMap, inner: Inner, depth: int, seen: dict[int, set[tuple[object, ...]]]
    ) -> list[Finding]:
        """Scan one medium and what is inside it; returns all their findings."""
        if depth >= DEEPEST:
            detail = f"媒体の入れ子が深すぎる / media nested more than {DEEPEST} deep are not opened"
            self._refuse(inner, "limit", detail)
            return []
        if len(self._media) > MOST_MEDIA or self._bytes > MOST_BYTES:
            detail = f"媒体が多すぎる / not opened: more than {MOST_MEDIA} media, or {MOST_BYTES >> 40} TiB of them"
            self._refuse(inner, "limit", detail)
            return []
        before = len(self._media)
        try:
            with walk_inner(outer, inner, keys=self._settings.keys) as evidence:
                self._scan(evidence, inner, depth, seen)
        except EvidenceError as error:
            self._refuse(inner, "damaged", f"{error.ja} / {error.en}")
        return [finding for medium in self._media[before:] for finding in medium.findings]

    def _scan(self, evidence: EvidenceMap, inner: Inner, depth: int, seen: dict[int, set[tuple[object, ...]]]) -> None:
        number = len(self._media)
        settings = self._settings
        layer = mask_text(evidence.image.layer)
        console.notice(f"媒体の中の媒体: {layer}", f"a medium inside: {layer}")
        ranges = evidence.search_ranges
        self._bytes += evidence.image.size if ranges is None else sum(part.size for part in ranges)
        folder = self._state.folder / f"medium-{number}"
        resume = settings.resume and (folder / FOLDER / "plan.json").is_file()
        folder.mkdir(exist_ok=True)
        plan = replace(settings.plan, size=evidence.image.size, layer=layer)
        state = ScanState(folder, plan, resume=resume)
        recipe = evidence.evidence.recipe
        try:
            result = scan_medium(
                evidence, replace(settings.settings, image=recipe or settings.settings.image), state, settings.crew
            )
        finally:
            state.close()
        medium = _scanned(number, evidence, inner.kind, inner.description, result)
        medium.created_ns = inner.created_ns
        self._media.append(medium)
        left = self._inside(evidence, result, depth + 1)
        known = seen.setdefault(inner.volume, set()) if inner.is_snapshot else set()
        kept = []
        for finding in left:
            finding.medium, finding.medium_offset, finding.offset = layer, finding.offset, None
            if inner.is_snapshot:
                finding.state = "snapshot"
                identity = (finding.file_id, finding.path, finding.container, finding.location, finding.hmac,
                            finding.rule, finding.medium_offset)  # fmt: skip
                if identity in known:
                    medium.repeated += 1
                    continue
                known.add(identity)
            kept.append(finding)
        medium.findings = kept
        medium.coverage = [_without_place(line) for line in result.coverage]
        medium.pictures = [_without_place(line) for line in result.collected.pictures()]


def _without_place(line: CoverageLine) -> CoverageLine:
    """A coverage line whose offset counts in a medium inside: said in words, as it has none in the source."""
    if line.offset < 0:
        return replace(line, size=-1)
    return replace(line, offset=-1, size=-1, detail=f"{line.detail} (@{line.offset}+{max(line.size, 0)})")


def _scanned(number: int, evidence: EvidenceMap, kind: str, description: str, result: MediumResult) -> ScannedMedium:
    volumes = [
        {
            "layer": volume.layer,
            "offset": volume.offset,
            "size": volume.size,
            "filesystem": evidence.kinds.get(volume.index, ""),
        }
        for volume in evidence.volumes
    ]
    return ScannedMedium(
        number,
        mask_text(evidence.image.layer),
        kind,
        mask_text(description),
        evidence.image.size,
        result,
        len(evidence.files),
        volumes,
    )
