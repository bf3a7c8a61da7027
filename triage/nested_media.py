"""Findings that two media show of the same bytes.

An image in a file is seen twice: as bytes of the file, and as the medium inside it, which knows paths and states. The
finding of the inner medium stays. The same goes for stores of shadow copies and for volumes under LVM.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from triage.evidence_map import STORE_NAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from preserve.inner import Inner
    from triage.evidence_map import EvidenceMap
    from triage.findings import Finding

DEEPEST = 4
"""Images inside images inside …"""
MOST_MEDIA = 500
"""Media scanned beside the source."""


def drop_what_is_inside(
    findings: Sequence[Finding], evidence: EvidenceMap, inner: Inner, inside: Sequence[Finding]
) -> list[Finding]:
    """The findings of a medium without those that are bytes of `inner`, which shows the same numbers with a place."""
    digests = {finding.hmac for finding in inside if finding.hmac}
    if not digests:
        return list(findings)
    holder = "-".join(map(str, evidence.entries[inner.file].id)) if inner.file >= 0 else ""
    area = None
    if inner.kind in ("lvm", "luks", "bitlocker") and inner.volume >= 0:
        volume = evidence.volumes[inner.volume]
        area = (volume.offset, volume.offset + volume.size)

    # A snapshot reads what was not overwritten from the live volume: then both show the very same bytes.
    shared: dict[tuple[int, str], Finding] = {}
    if inner.kind == "vss":
        start = evidence.volumes[inner.volume].offset
        shared = {(start + one.medium_offset, one.hmac): one for one in inside if one.medium_offset is not None}

    def is_inside(finding: Finding) -> bool:
        if finding.hmac not in digests:
            return False
        twin = shared.get((finding.offset, finding.hmac)) if finding.offset is not None and not finding.path else None
        if twin is not None and twin.path:
            if not evidence.evidence.is_inside:
                twin.offset = finding.offset
            return True
        if holder:
            return finding.file_id == holder and not finding.container
        if inner.kind == "vss":
            return STORE_NAME.search(finding.path) is not None
        return area is not None and finding.offset is not None and area[0] <= finding.offset < area[1]

    return [finding for finding in findings if not is_inside(finding)]
