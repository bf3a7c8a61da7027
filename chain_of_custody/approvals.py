"""Two persons (C6): what the policy `approve=…` names happens only with another person's leave.

```
approval.request {kind, why, hours}      by the one who will do it
approval.grant   {request}               by another person with another key; holds `hours` from then, for one use
approval.refuse  {request, why}
reveal.begin     {…, "approval": seq of the grant}
```
The same rules decide before an action (case.py) and in verification (verify.py). The tool refuses and the ledger shows
it; only encryption keeps somebody with another program from reading what lies on the disk.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chain_of_custody import entries
from chain_of_custody.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from chain_of_custody.entries import Entry

POLICY = "approve"
DEFAULT_HOURS = 24
MOST_HOURS = 24 * 30
_HOUR_NS = 3600 * 1_000_000_000
SPECIAL: Mapping[str, str] = {"dispose": "record.dispose", "redact": "redacted"}
"""Kinds that are one entry, not an action with begin and end."""
ENTRIES = ("approval.request", "approval.grant", "approval.refuse")


def kinds() -> tuple[str, ...]:
    """All kinds that a policy may name."""
    return tuple(dict.fromkeys([*SPECIAL, *entries.ACTIONS]))


def type_of(kind: str) -> str:
    """The type of the entry that needs the leave."""
    return SPECIAL.get(kind, f"{kind}.begin")


def kinds_of_policy(value: str) -> frozenset[str]:
    """The kinds in a policy's comma list; raises ValueError for one that is none."""
    listed = frozenset(one.strip() for one in value.split(","))
    if not listed or listed - set(kinds()):
        raise ValueError(value)
    return listed


def is_policy(value: str) -> bool:
    """Whether a policy's value is a comma list of kinds."""
    try:
        return bool(kinds_of_policy(value))
    except ValueError:
        return False


class NotApprovedError(UsageError):
    """Another person's approval is needed and there is none to use."""

    exit_code = 5

    def __init__(self, kind: str) -> None:
        super().__init__(
            f"「{kind}」には別の人の承認が必要です(承認がないか、期限切れか、使用済み)",
            f"“{kind}” needs the approval of another person (there is none, or it expired or was used)",
            hint_ja=f"custody approve request {kind} --why … のあと、別の人が custody approve grant N",
            hint_en=f"custody approve request {kind} --why …, then another person: custody approve grant N",
        )


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an entry does not hold."""

    code: str
    ja: str
    en: str


@dataclass(slots=True)
class Request:
    """One request and what became of it. Times in nanoseconds UTC."""

    seq: int
    kind: str
    why: str
    actor: str
    hours: int
    time_ns: int
    answered: str = ""
    """`granted`, `refused` or empty."""
    answered_by: str = ""
    grant: int | None = None
    until_ns: int | None = None
    used_by: int | None = None
    """`seq` of the entry that used the leave."""
    used_in: str = field(default="", repr=False)

    def state(self, now_ns: int) -> str:
        """`open`, `refused`, `used`, `expired` or `granted`."""
        if self.answered == "refused":
            return "refused"
        if self.used_by is not None:
            return "used"
        end = self.until_ns if self.until_ns is not None else self.time_ns + MOST_HOURS * _HOUR_NS
        if now_ns > end:
            return "expired"
        return "granted" if self.answered else "open"


class Approvals:
    """The requests and grants of a ledger, up to the entry that was applied last."""

    def __init__(self, policy: Mapping[str, str]) -> None:
        try:
            self.required = kinds_of_policy(policy[POLICY]) if POLICY in policy else frozenset()
        except ValueError:
            # A policy that cannot be read must not mean that nothing is required.
            self.required = frozenset(kinds())
        self._types = {type_of(kind): kind for kind in self.required}
        self.requests: dict[int, Request] = {}
        self._grants: dict[int, Request] = {}

    def kind_of(self, type_name: str) -> str | None:
        """The kind that needs leave for entries of this type; None: none needed."""
        return self._types.get(type_name)

    def usable(self, type_name: str, actor: str, session: str, now_ns: int) -> Request | None:
        """The oldest leave with which this person may write this type now."""
        kind = self._types[type_name]
        for request in self.requests.values():
            fits = request.kind == kind and request.actor == actor and request.grant is not None
            if fits and self._why_not(request, type_name, session, now_ns) is None:
                return request
        return None

    def _why_not(self, request: Request, type_name: str, session: str, now_ns: int) -> Problem | None:
        if request.until_ns is not None and now_ns > request.until_ns:
            return Problem("approval_expired", "承認の期限が切れています", "the approval had expired")
        again = type_name == "redacted" and request.used_in == session
        if request.used_by is not None and not again:
            return Problem("approval_reused", "承認は 1 度しか使えません", "an approval is good for one use")
        return None

    def answer_problem(self, seq: int, actor: str) -> Problem | None:
        """Why `actor` may not answer the request `seq`; None where nothing stands against it."""
        request = self.requests.get(seq)
        if request is None:
            return Problem("approval_unknown", "その申請がありません", "there is no such request")
        if request.answered:
            return Problem("approval_answered", "すでに回答済みです", "it was answered already")
        if request.actor == actor:
            return Problem("approval_own", "自分の申請は自分では承認できません", "nobody answers the own request")
        return None

    def apply(self, entry: Entry) -> Problem | None:
        """Take an entry into account; what does not hold about it."""
        if entry.type == "approval.request":
            return self._request(entry)
        if entry.type in ("approval.grant", "approval.refuse"):
            return self._answer(entry)
        return self._use(entry) if entry.type in self._types else None

    def _request(self, entry: Entry) -> Problem | None:
        hours = entry.body["hours"]
        if not isinstance(hours, int) or not 1 <= hours <= MOST_HOURS or entry.body["kind"] not in kinds():
            return Problem("approval_request", "承認の申請が不正です", "the request for approval is malformed")
        kind, why = str(entry.body["kind"]), str(entry.body["why"])
        self.requests[entry.seq] = Request(entry.seq, kind, why, entry.actor, hours, entry.time_ns)
        return None

    def _answer(self, entry: Entry) -> Problem | None:
        seq = int(str(entry.body["request"]))
        problem = self.answer_problem(seq, entry.actor)
        if problem is not None:
            return problem
        request = self.requests[seq]
        request.answered_by = entry.actor
        request.answered = "refused" if entry.type == "approval.refuse" else "granted"
        if request.answered == "granted":
            request.grant, request.until_ns = entry.seq, entry.time_ns + request.hours * _HOUR_NS
            self._grants[entry.seq] = request
        return None

    def _use(self, entry: Entry) -> Problem | None:
        grant = entry.body.get("approval")
        request = self._grants.get(grant) if isinstance(grant, int) else None
        kind = self._types[entry.type]
        if request is None or request.kind != kind or request.actor != entry.actor:
            return Problem(
                "approval_missing",
                f"「{kind}」に必要な別の人の承認がありません",
                f"“{kind}” without the approval of another person that the policy asks for",
            )
        problem = self._why_not(request, entry.type, entry.session, entry.time_ns)
        if request.used_by is None:
            request.used_by, request.used_in = entry.seq, entry.session
        return problem


def read(policy: Mapping[str, str], ledger_entries: Iterable[Entry]) -> Approvals:
    """The approvals of a ledger as it stands; entries that do not hold count for nothing."""
    approvals = Approvals(policy)
    for entry in ledger_entries:
        approvals.apply(entry)
    return approvals
