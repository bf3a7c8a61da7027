"""Ties between clocks that a timeline holds: the same event in two logs, and what must have been before what.

- revocation data: the authority signed it (`thisUpdate`, `producedAt`) before the machine fetched it;
- the same logon by its `LogonGuid` in the logs of client, server and domain controller;
- the same print job in the endpoint log and in the log of the print service, by computer-given name of the document;
- the same page by its address in a browser's history or cache and in the log of a proxy, where each has it once;
- the same mail by its Message-ID: the log of a mail server has it after the sender's `Date`.

A name that one clock shows twice ties nothing: which of the two was meant is not known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from timeline.store import Store

MOST_TIES = 20_000
SHORTEST_ADDRESS = 20
"""Characters of an address that can be taken for unique; `http://example.jp/` is not."""


@dataclass(frozen=True, slots=True)
class Tie:
    """Two events, each (source_id, row). `same`: one event, written down within `slack_s`; else `first` was before."""

    basis: str
    first: tuple[int, int]
    second: tuple[int, int]
    slack_s: float
    same: bool


_CERTIFICATES = """
SELECT c.source_id, c.row, f.source_id, f.row FROM events c JOIN events f
ON c.data ->> '$.cache_name' = f.data ->> '$.cache_name' AND c.source = f.source
WHERE c.kind IN ('web.crl', 'web.ocsp') AND f.kind = 'web.certificate_fetch'
AND c.time_ns IS NOT NULL AND f.time_ns IS NOT NULL ORDER BY ALL LIMIT ?
"""

_SAME = """
WITH named AS (
  SELECT {name} AS name, clock, min(source_id) AS source_id, min(row) AS row, count(*) AS n, any_value(kind) AS kind
  FROM events WHERE kind IN ({kinds}) AND time_ns IS NOT NULL AND {condition} GROUP BY ALL
)
SELECT a.source_id, a.row, b.source_id, b.row FROM named a JOIN named b ON a.name = b.name AND a.clock < b.clock
WHERE a.n = 1 AND b.n = 1 ORDER BY ALL LIMIT ?
"""

_MAILS = """
WITH sent AS (
  SELECT data ->> '$.message_id' AS name, min(source_id) AS source_id, min(row) AS row, count(*) AS n,
  any_value(clock) AS clock
  FROM events WHERE kind = 'mail.date' AND time_ns IS NOT NULL GROUP BY 1
), handled AS (
  SELECT regexp_extract(data, 'message-id=<([^>"]+)>', 1) AS name, arg_min(source_id, time_ns) AS source_id,
  arg_min(row, time_ns) AS row, clock
  FROM events WHERE parser IN ('syslog', 'journal', 'journal_export') AND contains(data, 'message-id=<')
  AND time_ns IS NOT NULL GROUP BY name, clock
)
SELECT s.source_id, s.row, h.source_id, h.row FROM sent s JOIN handled h
ON trim(s.name, '<>') = trim(h.name, '<>') AND s.clock <> h.clock WHERE s.n = 1 AND s.name <> '' ORDER BY ALL LIMIT ?
"""

_GUID = "lower(trim(data ->> '$.LogonGuid', '{}'))"
_NO_GUID = "00000000-0000-0000-0000-000000000000"
_SAME_NAMES = (
    # basis, expression of the name, kinds, condition, slack in seconds
    (
        "logon",
        _GUID,
        ("evtx.logon", "evtx.logon_explicit", "evtx.kerberos_service", "evtx.kerberos_ticket"),
        f"{_GUID} <> '' AND {_GUID} <> '{_NO_GUID}'",
        10.0,
    ),
    ("print", "lower(regexp_extract(path, '[^\\\\/]+$'))", ("evtx.printed", "op.print"), "length(path) >= 8", 60.0),
    (
        "page",
        "path",
        ("web.visit", "web.cache_reply", "web.request", "op.web"),
        f"length(path) >= {SHORTEST_ADDRESS} AND contains(path, '://')",
        60.0,
    ),
)


def ties(store: Store) -> Iterator[Tie]:
    """All ties of a store, at most MOST_TIES of each kind."""
    for source, row, later_source, later_row in store.rows(_CERTIFICATES, [MOST_TIES]):
        yield Tie("certificate", (int(source), int(row)), (int(later_source), int(later_row)), 0.0, same=False)
    for basis, name, kinds, condition, slack_s in _SAME_NAMES:
        listed = ", ".join(f"'{kind}'" for kind in kinds)
        sql = _SAME.format(name=name, kinds=listed, condition=condition)
        for source, row, other_source, other_row in store.rows(sql, [MOST_TIES]):
            yield Tie(basis, (int(source), int(row)), (int(other_source), int(other_row)), slack_s, same=True)
    for source, row, later_source, later_row in store.rows(_MAILS, [MOST_TIES]):
        yield Tie("mail", (int(source), int(row)), (int(later_source), int(later_row)), 0.0, same=False)
