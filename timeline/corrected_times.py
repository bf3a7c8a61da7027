"""A recorded time and what is known of the true one, side by side: the columns that every view and export shares.

原本表記 | 時計名 | 解釈UTC | 補正後 最早–最遅 | 補正量 ± 幅 | 根拠 | 確度

The amount is what has to be added to the clock's own reading to come to the middle of the range; its width is half the
range. A time is never `certain`: a range comes from anchors under premises (docs/clocks.md), so it is `estimated`, or
it is `unknown`. Certain is a word for the order of two events.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from timeline import times

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chain_of_custody.errors import Language

COLUMNS = ("earliest_ns", "latest_ns", "corrected_status", "corrected_ground")
"""What the view `events_corrected` has beside the columns of `events`."""
HEADINGS: Mapping[str, tuple[str, str]] = {
    "recorded": ("原本表記", "as recorded"),
    "clock": ("時計名", "clock"),
    "utc": ("解釈UTC", "read as UTC"),
    "corrected": ("補正後 最早–最遅", "corrected, earliest–latest"),
    "amount": ("補正量 ± 幅", "correction ± width"),
    "ground": ("根拠", "ground"),
    "certainty": ("確度", "certainty"),
}
_GROUNDS = {
    "declared synchronised": "同期しているとの申告",
    "own anchors and order in its log": "自身の根拠とログ内の順序",
    "no anchor": "根拠なし",
}


@dataclass(frozen=True, slots=True)
class CorrectedTime:
    """The columns of one event as texts; empty where nothing is known."""

    recorded: str
    clock: str
    utc: str
    earliest: str
    latest: str
    amount: str
    ground: str
    certainty: str


def seconds(ns: int) -> str:
    """A signed number of seconds with three decimals, `+660.250 s`."""
    sign = "-" if ns < 0 else "+"
    whole, rest = divmod(abs(ns), times.NS)
    return f"{sign}{whole}.{rest // 1_000_000:03d} s"


def amount_ns(time_ns: int, precision_ns: int, earliest_ns: int, latest_ns: int) -> tuple[int, int]:
    """(what is added to the reading to come to the middle of the range, half the range), both rounded outwards."""
    half = -(-(latest_ns - earliest_ns) // 2)
    return (earliest_ns + latest_ns - 2 * time_ns - precision_ns) // 2, half


def corrected_time(row: Mapping[str, Any], zone: str, language: Language) -> CorrectedTime:
    """The columns of a row of `events_corrected`."""
    ja = language == "ja"
    known = row["earliest_ns"] is not None and row["latest_ns"] is not None
    unread = row["time_ns"] is None
    ground = str(row["corrected_ground"] or "")
    number, _, rest = ground.partition(" ")
    if rest == "anchors" and number.isdigit():
        ground = f"根拠 {number} 件" if ja else f"{number} anchor{'' if number == '1' else 's'}"
    elif ja:
        ground = _GROUNDS.get(ground, ground)
    amount = ""
    if known and not unread:
        middle, half = amount_ns(row["time_ns"], row["precision_ns"], row["earliest_ns"], row["latest_ns"])
        amount = f"{seconds(middle)} ± {seconds(half)[1:]}"
    return CorrectedTime(
        recorded=str(row["time_text"]),
        clock=str(row["clock"]),
        utc="" if unread else times.shown(row["time_ns"], "UTC", known=row["zone"] is not None, digits=3),
        earliest=times.shown(row["earliest_ns"], zone, digits=3) if known else "",
        latest=times.shown(row["latest_ns"], zone, digits=3) if known else "",
        amount=amount,
        ground=ground,
        certainty=("推定" if ja else "estimated") if known else ("不能" if ja else "unknown"),
    )
