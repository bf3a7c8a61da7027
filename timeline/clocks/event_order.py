"""The order of two events of the store: by place in one log, else by corrected intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from timeline import questions
from timeline.clocks.pairs import OrderAnswer
from timeline.clocks.result_file import iso_ns
from timeline.clocks.store_case import ORDERED_PARSERS

if TYPE_CHECKING:
    from timeline.store import Store

EVTX_DISORDER_NS = 5_000_000_000


def _side(store: Store, name: str) -> dict[str, Any]:
    event = questions.event(store, name)
    found = questions.correction_of(store, event)
    earliest, latest = found["earliest_ns"], found["latest_ns"]
    known = earliest is not None and latest is not None
    return {
        "event": name,
        "text": event["time_text"],
        "clock": event["clock"],
        "time_ns": event["time_ns"],
        "source_id": event["source_id"],
        "sequence": event["sequence"],
        "parser": event["parser"],
        "earliest_ns": earliest,
        "latest_ns": latest,
        "earliest": iso_ns(int(earliest)) if known else None,
        "latest": iso_ns(int(latest)) if known else None,
        "ground": found["corrected_ground"] or found["corrected_status"],
    }


def order_in_store(store: Store, a: str, b: str) -> tuple[OrderAnswer, list[dict[str, Any]]]:
    """The order of two events, and what is known of each. Raises UsageError where one does not exist."""
    one, two = _side(store, a), _side(store, b)
    return _order(one, two), [one, two]


def _order(one: dict[str, Any], two: dict[str, Any]) -> OrderAnswer:
    if one["event"] == two["event"]:
        return OrderAnswer("undeterminable", "overlap")
    if one["source_id"] == two["source_id"] and one["parser"] in ORDERED_PARSERS and one["sequence"] != two["sequence"]:
        first, second = (one, two) if one["sequence"] < two["sequence"] else (two, one)
        apart = True
        if one["parser"] in ("evtx", "evt"):
            # Records of Windows logs may stand up to 5 s out of order.
            known = first["time_ns"] is not None and second["time_ns"] is not None
            difference = second["time_ns"] - first["time_ns"] if known else 0
            apart = abs(difference) > EVTX_DISORDER_NS and (
                difference > 0 or second["sequence"] - first["sequence"] > 3
            )
        if apart:
            return OrderAnswer("before" if first is one else "after", "log")
    if None in (one["earliest_ns"], one["latest_ns"], two["earliest_ns"], two["latest_ns"]):
        return OrderAnswer("undeterminable", "overlap")
    if one["latest_ns"] < two["earliest_ns"]:
        return OrderAnswer("before", "intervals")
    if two["latest_ns"] < one["earliest_ns"]:
        return OrderAnswer("after", "intervals")
    return OrderAnswer("undeterminable", "overlap")
