"""The section of the report on clocks: what `timeline clock solve` wrote into the ledger of each clock.

The entry `clock.end` has, for each clock, `offset_low_s`, `offset_high_s` (decimal seconds, or `unknown`), the sentence
in both languages, and the page about it: its place in the case folder (`timeline/clocks/<number>.html`) and its
SHA-256. The latest estimate counts. This module reads the ledger alone and knows nothing of how it was estimated.
"""

from __future__ import annotations

import html
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chain_of_custody.errors import Language

MOST_CLOCKS = 200


@dataclass(frozen=True, slots=True)
class ClockLine:
    """One clock as the ledger has it."""

    name: str
    sentence_ja: str
    sentence_en: str
    page: str
    sha256: str
    seq: int


def clock_lines(ledger: bytes) -> list[ClockLine]:
    """The clocks of the latest estimate in a ledger; lines that are no entries are passed over."""
    found: list[ClockLine] = []
    decoder = json.JSONDecoder()
    for line in ledger.splitlines():
        if b'"clock.end"' not in line:
            continue
        try:
            entry, _ = decoder.raw_decode(line.decode("utf-8"))  # the signature follows the entry
        except ValueError:
            continue
        body = entry.get("body") if isinstance(entry, dict) else None
        if not isinstance(body, dict) or entry.get("type") != "clock.end":
            continue
        clocks = body.get("clocks")
        if not isinstance(clocks, dict):
            continue
        found = [
            ClockLine(
                str(name),
                str(one.get("sentence_ja", "")),
                str(one.get("sentence_en", "")),
                str(one.get("page", "")),
                str(one.get("sha256", "")),
                int(entry.get("seq", 0)),
            )
            for name, one in list(clocks.items())[:MOST_CLOCKS]
            if isinstance(one, dict) and one.get("sentence_ja")
        ]
    return found


def section(ledger: bytes, language: Language) -> str:
    """The section as HTML; empty where no clock was estimated."""
    lines = clock_lines(ledger)
    if not lines:
        return ""
    ja = language == "ja"
    heads = ("時計", "推定", "ページ(事案フォルダー内)と SHA-256") if ja else (
        "Clock", "Estimate", "Page (in the case folder) and its SHA-256",
    )  # fmt: skip
    rows = "".join(
        f"<tr><td>{html.escape(one.name)}</td><td>{html.escape(one.sentence_ja if ja else one.sentence_en)}</td>"
        f"<td>{html.escape(one.page)}<br><code>{html.escape(one.sha256)}</code></td></tr>"
        for one in lines
    )
    title = "時計のずれ" if ja else "Clocks"
    said = (
        f"台帳の第 {lines[0].seq} 項に記録した推定です。原本の時刻は変更していません。"
        if ja
        else f"The estimate of entry {lines[0].seq}. No recorded time was changed."
    )
    top = "".join(f"<th>{one}</th>" for one in heads)
    return f'<h2 id="s-clocks">{title}</h2>\n<p>{said}</p>\n<table><tr>{top}</tr>{rows}</table>\n'
