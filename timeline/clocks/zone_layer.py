"""The zone layer: whether the texts of a source are in the zone somebody declared.

A source whose texts carry no zone is compared with what the same clock says in UTC. A difference of a multiple of
15 minutes, the same for most of its anchors, is an error of the zone, not of the clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from timeline.clocks.record_formats import LOCAL_FORMATS

if TYPE_CHECKING:
    from timeline.clocks.evidence import ClockCase, Floats

QUARTER_S = 900.0
MAX_SHIFT_S = 15 * 3600.0
NEAR_S = 120.0


def zone_shifts(case: ClockCase, wrong: frozenset[str]) -> tuple[dict[int, float], frozenset[int]]:
    """(seconds to subtract from the readings of a source, by source index; sources whose zone stays unknown)."""
    shifts: dict[int, float] = {}
    unknown: set[int] = set()
    groups: dict[tuple[str, str | None], list[int]] = {}
    for index, source in enumerate(case.sources):
        if source.format in LOCAL_FORMATS:
            groups.setdefault((source.clock, source.zone), []).append(index)
    for (clock, zone), members in groups.items():
        certain_at, certain = _certain_offsets(case, clock, wrong)
        found = _group_shift(case, members, certain_at, certain, wrong)
        if found:
            shifts.update(dict.fromkeys(members, found))
        elif found is None and zone is None:
            declared = case.clocks[clock].declared == "synchronised" and clock not in wrong
            if len(certain) or declared:
                unknown.update(members)
    return shifts, frozenset(unknown)


def _certain_offsets(case: ClockCase, clock: str, wrong: frozenset[str]) -> tuple[Floats, Floats]:
    """(true times, offsets) of a clock from records whose zone stands in them."""
    if case.clocks[clock].declared == "synchronised" and clock not in wrong:
        return np.zeros(1), np.zeros(1)
    pairs = [
        (one.reference_s, one.shown_s - one.reference_s)
        for one in case.readings
        if one.clock == clock and one.zone_known
    ]
    for source in case.sources:
        if source.clock != clock or source.format in LOCAL_FORMATS:
            continue
        for reply in source.replies:
            host = case.http_hosts.get(reply.host)
            if host and not reply.age and case.clocks[host].declared == "synchronised" and host not in wrong:
                pairs.append((reply.date_s, float(source.reading_s[reply.row]) - reply.date_s - 0.5))
        pairs += [(received, float(source.reading_s[row]) - received) for row, received, _who in source.receipts]
    pairs = [pair for pair in pairs if np.isfinite(pair[1])]
    pairs.sort()
    values = np.array(pairs).reshape(-1, 2)
    return values[:, 0], values[:, 1]


def _group_shift(
    case: ClockCase, members: list[int], certain_at: Floats, certain: Floats, wrong: frozenset[str]
) -> float | None:
    """The shift that the anchors of a group tell; 0 if its zone is right, None if nothing tells."""
    if not len(certain):
        return None
    excess: list[float] = []
    for index in members:
        source = case.sources[index]
        for row, received, _who in source.receipts:
            excess.append(float(source.reading_s[row]) - received - _near(certain_at, certain, received))
    two_sided = _linked(case, members, certain_at, certain, wrong)
    if len(two_sided) >= 3:
        middle = float(np.median(two_sided))
        shift = round(middle / QUARTER_S) * QUARTER_S
        agree = np.mean(np.abs(np.array(two_sided) - shift) < NEAR_S)
        if agree > 0.6 and abs(shift) <= MAX_SHIFT_S:
            return float(shift)
    values = np.array([value for value in excess if np.isfinite(value)])
    if len(values) >= 5:
        # Delivery is never before the event: the least delayed ones lie just below the shift.
        top = float(np.quantile(values, 0.9))
        shift = float(np.ceil((top - 5.0) / QUARTER_S) * QUARTER_S)
        close = float(np.mean(np.abs(values - shift) < NEAR_S * 2))
        if abs(shift) <= MAX_SHIFT_S and close > 0.5:
            return shift
    return None


def _near(at: Floats, value: Floats, when: float) -> float:
    """The median of the offsets next to a moment."""
    index = int(np.searchsorted(at, when))
    return float(np.median(value[max(0, index - 3) : index + 3]))


def _linked(
    case: ClockCase, members: list[int], certain_at: Floats, certain: Floats, wrong: frozenset[str]
) -> list[float]:
    """Differences of linked records to a right clock, less the clock's own offset."""
    found: list[float] = []
    for link in case.links:
        for here, there in ((link.before, link.after), (link.after, link.before)):
            other = case.clocks[case.sources[there[0]].clock]
            if here[0] not in members or other.declared != "synchronised" or other.name in wrong:
                continue
            moment = float(case.sources[there[0]].reading_s[there[1]])
            mine = float(case.sources[here[0]].reading_s[here[1]])
            if np.isfinite(moment) and np.isfinite(mine):
                found.append(mine - moment - _near(certain_at, certain, moment))
    return found
