"""Which events are asked for: filters of the command line as a condition of SQL, with their values apart from it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from chain_of_custody.errors import UsageError
from timeline import times

DEFAULT_ZONE = "Asia/Tokyo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What an event must be; empty members ask nothing. Texts are parts of what they are looked for in, any case.

    `kinds` may hold `*`: `evtx.*`. `first_ns` is included, `last_ns` is not.
    """

    first_ns: int | None = None
    last_ns: int | None = None
    kinds: tuple[str, ...] = ()
    host: str = ""
    path: str = ""
    actor: str = ""
    words: str = ""
    source: str = ""
    parser: str = ""
    state: str = ""
    clock: str = ""

    def condition(self) -> tuple[str, list[Any]]:
        """A condition on the view `events` and its parameters; `true` where nothing is asked."""
        parts: list[str] = []
        values: list[Any] = []
        if self.first_ns is not None:
            parts.append("time_ns >= ?")
            values.append(self.first_ns)
        if self.last_ns is not None:
            parts.append("time_ns < ?")
            values.append(self.last_ns)
        if self.kinds:
            parts.append("(" + " OR ".join("kind GLOB ?" for _ in self.kinds) + ")")
            values += self.kinds
        for column, wanted in (("host", self.host), ("path", self.path), ("actor", self.actor)):
            if wanted:
                test, value = _holds(wanted)
                parts.append(test.format(column))
                values.append(value)
        if self.source:
            test, value = _holds(self.source)
            parts.append(f"({test.format('source')} OR {test.format('layer')})")
            values += [value] * 2
        if self.words:
            columns = ("path", "actor", "record", "data", "kind", "desc", "host")
            test, value = _holds(self.words)
            parts.append("(" + " OR ".join(test.format(f'"{column}"') for column in columns) + ")")
            values += [value] * len(columns)
        for column, wanted in (("parser", self.parser), ("state", self.state), ("clock", self.clock)):
            if wanted:
                parts.append(f"{column} = ?")
                values.append(wanted)
        return " AND ".join(parts) or "true", values


def _holds(wanted: str) -> tuple[str, str]:
    """A test whether a column `{}` holds a text in any case, and its parameter.

    Japanese and digits have no case: what is looked for as it stands is found in half the time.
    """
    if all(one == one.lower() == one.upper() == one.title() for one in wanted):
        return "contains({}, ?)", wanted
    return "{} ILIKE ? ESCAPE '\\'", _part(wanted)


def _part(wanted: str) -> str:
    return "%" + re.sub(r"([\\%_])", r"\\\1", wanted) + "%"


def moment(text: str, zone: str, *, upper: bool = False) -> int:
    """A time that a person typed, as ns UTC: with its own zone, or meant in `zone`.

    A date or minute without its rest means its beginning, with `upper` its end. Raises UsageError.
    """
    found = times.iso(text)
    if found is None:
        raise UsageError(
            f"時刻を読めません: {text}",
            f"not a time: {text}",
            hint_ja="2026-11-24、2026-11-24T09:00 または 2026-11-24T09:00:00+09:00 の形で指定してください",
            hint_en="write it like 2026-11-24, 2026-11-24T09:00 or 2026-11-24T09:00:00+09:00",
        )
    ns, precision_ns, own = found
    value = ns if own is not None else times.localize(ns, zone)
    if value is None:
        raise UsageError(f"時刻が範囲外です: {text}", f"the time is out of range: {text}")
    return value + precision_ns if upper and precision_ns >= times.NS else value


_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_UNITS = {"ms": times.MS, "s": times.NS, "m": 60 * times.NS, "h": 3600 * times.NS, "d": times.DAY}


def span(text: str) -> int:
    """A length of time such as `90s`, `10m`, `2h`, `1d` in ns. Raises UsageError."""
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise UsageError(
            f"時間の長さを読めません: {text}",
            f"not a length of time: {text}",
            hint_ja="90s、10m、2h、1d のように指定してください",
            hint_en="write it like 90s, 10m, 2h or 1d",
        )
    whole, _, fraction = found[1].partition(".")
    unit = _UNITS[found[2]]
    return int(whole) * unit + (int(fraction) * unit // 10 ** len(fraction) if fraction else 0)


_EVENT = re.compile(r"S(\d{1,9}):(\d{1,18})")


def event_of(text: str) -> tuple[int, int] | None:
    """Source and row of an event's name `S12:345`; None where the text is no such name."""
    found = _EVENT.fullmatch(text)
    return (int(found[1]), int(found[2])) if found is not None else None


def checked_zone(name: str) -> str:
    """The zone itself. Raises UsageError where it is none."""
    if not times.is_zone(name):
        raise UsageError(
            f"時間帯が分かりません: {name}",
            f"unknown time zone: {name}",
            hint_ja="Asia/Tokyo、UTC、+09:00 のように指定してください",
            hint_en="write it like Asia/Tokyo, UTC or +09:00",
        )
    return name
