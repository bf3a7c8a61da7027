"""Two persons (C6): what the policy `approve=…` names happens only with another person's leave.

```
refused          {what, why, act, asked}              the try without leave: what would have been done, and its digest
approval.request {kind, act, refused, why, hours}     by the same person
approval.grant   {request}                            by another person with another key; holds `hours`, for one use
approval.refuse  {request, why}
reveal.begin     {…, "approval": seq of the grant}    exactly what was asked: same digest
```
One grant is one act: `act` is the SHA-256 of the canonical JSON of type, item, files and body (`act_of`); another file,
another number or another reason needs another grant. A redaction of several texts is one act too: `redact.begin` lists
them, and each `redacted` entry names it.

The same rules decide before an action (case.py) and in verification (verify.py). The tool refuses and the ledger shows
it; only encryption keeps somebody with another program from reading what lies on the disk.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chain_of_custody import entries, jcs
from chain_of_custody.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from chain_of_custody.entries import Entry, FileHash
    from chain_of_custody.jcs import Json

POLICY = "approve"
DEFAULT_HOURS = 24
MOST_HOURS = 24 * 30
_HOUR_NS = 3600 * 1_000_000_000
SPECIAL: Mapping[str, str] = {"dispose": "record.dispose", "transfer": "transfer.offer"}
"""Kinds that are one entry, not an action with begin and end."""
NOT_OF_THE_ACT = frozenset({"run", "approval", "at", "late"})
"""Members of a body that say when and where it was run, not what is done."""
ENTRIES = ("approval.request", "approval.grant", "approval.refuse")


def kinds() -> tuple[str, ...]:
    """All kinds that a policy may name."""
    return tuple(dict.fromkeys([*SPECIAL, *entries.ACTIONS]))


def type_of(kind: str) -> str:
    """The type of the entry that needs the leave."""
    return SPECIAL.get(kind, f"{kind}.begin")


def asked_of(
    type_name: str,
    item: str | None,
    inputs: Sequence[FileHash],
    outputs: Sequence[FileHash],
    body: Mapping[str, Json],
) -> dict[str, Json]:
    """What an act is: what it does to what, without when and where it is run."""
    asked: dict[str, Json] = {
        "type": type_name,
        "body": {name: value for name, value in body.items() if name not in NOT_OF_THE_ACT},
    }
    if item is not None:
        asked["item"] = item
    if inputs:
        asked["in"] = [one.to_json() for one in inputs]
    if outputs:
        asked["out"] = [one.to_json() for one in outputs]
    return asked


def act_of(asked: Mapping[str, Json]) -> str:
    """The digest by which a request, its grant and the act are one: SHA-256 (hex) of the canonical JSON."""
    return hashlib.sha256(jcs.dumps(dict(asked))).hexdigest()


def act_of_entry(entry: Entry) -> str:
    """The digest of what an entry does."""
    return act_of(asked_of(entry.type, entry.item, entry.inputs, entry.outputs, entry.body))


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
    """Another person's approval is needed and there is none to use. `refused`: the entry that says so."""

    exit_code = 5

    def __init__(self, kind: str, refused: int | None = None) -> None:
        number = "N" if refused is None else str(refused)
        super().__init__(
            f"「{kind}」には別の人の承認が必要です(この操作への承認がないか、期限切れか、使用済み)",
            f"“{kind}” needs the approval of another person (there is none for this act, or it expired or was used)",
            hint_ja=f"custody approve request {number} --why … のあと、別の人が custody approve grant、"
            "そして同じコマンドをもう一度",
            hint_en=f"custody approve request {number} --why …, then another person: custody approve grant, "
            "then the same command again",
        )
        self.kind = kind
        self.refused = refused


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
    act: str
    why: str
    actor: str
    hours: int
    time_ns: int
    refused: int
    """`seq` of the entry that holds what was asked."""
    asked: Mapping[str, Json]
    answered: str = ""
    """`granted`, `refused` or empty."""
    answered_by: str = ""
    grant: int | None = None
    until_ns: int | None = None
    used_by: int | None = None
    """`seq` of the entry that used the leave."""
    revoked_by: int | None = None
    """`seq` of the entry that revoked a key of the person who gave the leave, before it was used."""

    def state(self, now_ns: int) -> str:
        """`open`, `refused`, `used`, `revoked`, `expired` or `granted`."""
        if self.answered == "refused":
            return "refused"
        if self.used_by is not None:
            return "used"
        if self.revoked_by is not None:
            return "revoked"
        end = self.until_ns if self.until_ns is not None else self.time_ns + MOST_HOURS * _HOUR_NS
        if now_ns > end:
            return "expired"
        return "granted" if self.answered else "open"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A try without leave: who, what, and its digest."""

    actor: str
    type: str
    act: str
    asked: Mapping[str, Json]


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
        self.refusals: dict[int, Refusal] = {}
        self._grants: dict[int, Request] = {}
        self._redactions: dict[int, tuple[str, set[str]]] = {}
        """What each `redact.begin` still allows: its session, and the hashes that were not yet `redacted`."""

    def kind_of(self, type_name: str) -> str | None:
        """The kind that needs leave for entries of this type; None: none needed."""
        if type_name == "redacted":
            return "redact" if "redact" in self.required else None
        return self._types.get(type_name)

    def usable(self, type_name: str, act: str, actor: str, now_ns: int) -> Request | None:
        """The oldest leave with which this person may do this act now."""
        kind = self._types[type_name]
        for request in self.requests.values():
            fits = request.kind == kind and request.act == act and request.actor == actor
            if fits and request.grant is not None and _why_not(request, now_ns) is None:
                return request
        return None

    def may_redact(self, session: str, body: Mapping[str, Json]) -> bool:
        """Whether a `redacted` entry of this session belongs to an act of redaction that lists its text."""
        begin = body.get("begin")
        of, left = self._redactions.get(begin, ("", set())) if isinstance(begin, int) else ("", set())
        return of == session and body.get("sha256") in left

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

    def request_problem(self, refused: int, actor: str) -> Problem | None:
        """Why `actor` may not ask for leave of what the entry `refused` holds."""
        refusal = self.refusals.get(refused)
        if refusal is None:
            return Problem(
                "approval_request",
                "承認がないために拒否された項ではありません",
                "that entry is no refusal for want of approval",
            )
        if refusal.actor != actor:
            return Problem(
                "approval_request",
                "申請できるのは拒否された本人だけです",
                "only the person who was refused asks for it",
            )
        return None

    def apply(self, entry: Entry) -> Problem | None:
        """Take an entry into account; what does not hold about it."""
        if entry.type == "refused":
            return self._refused(entry)
        if entry.type == "approval.request":
            return self._request(entry)
        if entry.type in ("approval.grant", "approval.refuse"):
            return self._answer(entry)
        if entry.type == "key.revoke":
            self._revoked(entry)
        if entry.type == "redacted":
            return self._redacted(entry)
        problem = self._use(entry) if entry.type in self._types else None
        if entry.type == "redact.begin":
            listed = entry.body.get("texts")
            texts = {one for one in listed if isinstance(one, str)} if isinstance(listed, list | tuple) else set()
            self._redactions[entry.seq] = (entry.session, texts)
        return problem

    def _refused(self, entry: Entry) -> Problem | None:
        asked, act = entry.body.get("asked"), entry.body.get("act")
        if asked is None and act is None:
            return None  # a refusal for another reason
        if not isinstance(asked, dict) or act != act_of(asked) or asked.get("type") != entry.body["what"]:
            return Problem(
                "approval_refusal",
                "拒否の記録の内容とハッシュが合いません",
                "what the refusal holds and its digest do not fit",
            )
        self.refusals[entry.seq] = Refusal(entry.actor, str(entry.body["what"]), str(act), asked)
        return None

    def _request(self, entry: Entry) -> Problem | None:
        hours, refused, kind = entry.body["hours"], entry.body["refused"], str(entry.body["kind"])
        refusal = self.refusals.get(refused) if isinstance(refused, int) else None
        fits = (
            isinstance(hours, int)
            and 1 <= hours <= MOST_HOURS
            and kind in kinds()
            and refusal is not None
            and (refusal.actor, refusal.type, refusal.act) == (entry.actor, type_of(kind), entry.body["act"])
        )
        if not fits or refusal is None or not isinstance(hours, int) or not isinstance(refused, int):
            return Problem("approval_request", "承認の申請が不正です", "the request for approval is malformed")
        self.requests[entry.seq] = Request(
            entry.seq,
            kind,
            refusal.act,
            str(entry.body["why"]),
            entry.actor,
            hours,
            entry.time_ns,
            refused,
            refusal.asked,
        )
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

    def _revoked(self, entry: Entry) -> None:
        """Leave that was not used yet ends with the key of the person who gave it, whatever key they get next."""
        for request in self._grants.values():
            if request.answered_by == entry.body["id"] and request.used_by is None and request.revoked_by is None:
                request.revoked_by = entry.seq

    def _redacted(self, entry: Entry) -> Problem | None:
        if "redact" in self.required and not self.may_redact(entry.session, entry.body):
            return _missing("redact")
        begin = entry.body.get("begin")
        if isinstance(begin, int) and begin in self._redactions:
            self._redactions[begin][1].discard(str(entry.body["sha256"]))
        return None

    def _use(self, entry: Entry) -> Problem | None:
        grant = entry.body.get("approval")
        request = self._grants.get(grant) if isinstance(grant, int) else None
        kind = self._types[entry.type]
        if request is None or request.kind != kind or request.actor != entry.actor:
            return _missing(kind)
        problem = _why_not(request, entry.time_ns)
        if problem is None and request.act != act_of_entry(entry):
            problem = Problem(
                "approval_other",
                "承認された操作と内容が違います(対象・理由・出力先など)",
                "not the act that was approved (another object, reason, target …)",
            )
        if request.used_by is None:
            request.used_by = entry.seq
        return problem


def _missing(kind: str) -> Problem:
    return Problem(
        "approval_missing",
        f"「{kind}」に必要な別の人の承認がありません",
        f"“{kind}” without the approval of another person that the policy asks for",
    )


def _why_not(request: Request, now_ns: int) -> Problem | None:
    """Why a leave that was given does not hold at this time."""
    if request.used_by is not None:
        return Problem("approval_reused", "承認は 1 度しか使えません", "an approval is good for one use")
    if request.revoked_by is not None:
        return Problem(
            "approval_revoked",
            f"承認した人の鍵が失効しています(第 {request.revoked_by} 項)",
            f"the key of the person who approved was revoked (entry {request.revoked_by})",
        )
    if request.until_ns is not None and now_ns > request.until_ns:
        return Problem("approval_expired", "承認の期限が切れています", "the approval had expired")
    return None


def read(policy: Mapping[str, str], ledger_entries: Iterable[Entry]) -> Approvals:
    """The approvals of a ledger as it stands; entries that do not hold count for nothing."""
    approvals = Approvals(policy)
    for entry in ledger_entries:
        approvals.apply(entry)
    return approvals
