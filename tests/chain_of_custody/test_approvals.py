"""Two persons: nothing that the policy names happens on one person's word, and verification sees it where it did."""

from __future__ import annotations

import json

import pytest

from chain_of_custody import approvals, clock, entries, init_case, open_case
from chain_of_custody.approvals import NotApprovedError
from chain_of_custody.errors import UsageError
from chain_of_custody.people import Person
from chain_of_custody.reading import read_entries
from chain_of_custody.verify import verify_case
from tests.chain_of_custody.test_cli import custody
from tests.chain_of_custody.test_people import public, write_key

HOUR_NS = 3600 * 1_000_000_000


@pytest.fixture
def keys(tmp_path):
    return {name: write_key(tmp_path / name) for name in ("yamada", "sato", "mori")}


@pytest.fixture
def case_dir(tmp_path, keys):
    policy = {"approve": "reveal,redact,dispose"}
    with init_case(tmp_path / "case", actor="yamada", key=keys["yamada"], policy=policy) as case:
        case.add_person(Person("sato", entries.SUPERVISOR, public(keys["sato"])))
        case.add_person(Person("mori", entries.READER, public(keys["mori"])))
    return tmp_path / "case"


def ask(case_dir, key, kind="reveal", hours=1):
    with open_case(case_dir, key=key) as case:
        return case.append("approval.request", {"kind": kind, "why": "w", "hours": hours}, src="typed").seq


def answer(case_dir, key, request, type_name="approval.grant"):
    with open_case(case_dir, key=key) as case:
        body = {"request": request} | ({"why": "no"} if type_name == "approval.refuse" else {})
        return case.append(type_name, body, src="typed").seq


def reveal(case_dir, key):
    with open_case(case_dir, key=key) as case, case.action("reveal", {"reason": "r"}) as action:
        return action.begin


def refused(case_dir):
    return [entry.body for entry in read_entries(case_dir) if entry.type == "refused"]


def codes(case_dir):
    result = verify_case(case_dir)
    return result.verdict, [one.code for one in result.findings if one.severity == "ng"]


def test_asked_granted_used_once(case_dir, keys):
    with pytest.raises(NotApprovedError) as stopped:
        reveal(case_dir, keys["yamada"])
    assert stopped.value.exit_code == 5
    assert refused(case_dir) == [{"what": "reveal.begin", "why": "no approval"}]
    grant = answer(case_dir, keys["sato"], ask(case_dir, keys["yamada"]))
    assert reveal(case_dir, keys["yamada"]).body["approval"] == grant
    with pytest.raises(NotApprovedError):
        reveal(case_dir, keys["yamada"])
    assert codes(case_dir) == ("ok", [])


def test_what_the_policy_does_not_name_needs_nothing(case_dir, keys):
    with open_case(case_dir, key=keys["yamada"]) as case, case.action("extract", {}) as action:
        assert "approval" not in action.begin.body


@pytest.mark.parametrize("grantor", ["yamada", "mori"])
def test_neither_oneself_nor_a_reader_grants(case_dir, keys, grantor):
    request = ask(case_dir, keys["yamada"])
    if grantor == "mori":
        with pytest.raises(UsageError, match="may not record"):
            answer(case_dir, keys["mori"], request)
    else:
        # A program that does not ask writes it all the same: it counts for nothing, and verification says so.
        answer(case_dir, keys["yamada"], request)
        assert codes(case_dir) == ("ng", ["approval_own"])
    with pytest.raises(NotApprovedError):
        reveal(case_dir, keys["yamada"])


def test_a_refusal_another_kind_and_another_person(case_dir, keys):
    answer(case_dir, keys["sato"], ask(case_dir, keys["yamada"]), "approval.refuse")
    answer(case_dir, keys["sato"], ask(case_dir, keys["yamada"], "dispose"))
    answer(case_dir, keys["yamada"], ask(case_dir, keys["sato"]))
    with pytest.raises(NotApprovedError):
        reveal(case_dir, keys["yamada"])
    assert reveal(case_dir, keys["sato"])
    assert codes(case_dir) == ("ok", [])


def test_it_expires(case_dir, keys, monkeypatch):
    answer(case_dir, keys["sato"], ask(case_dir, keys["yamada"], hours=2))
    real = clock.wall_ns
    with monkeypatch.context() as later, open_case(case_dir, key=keys["yamada"]) as case:
        case.append("note", {"text": "a session runs"})
        later.setattr(clock, "wall_ns", lambda: real() + 2 * HOUR_NS + 1_000_000_000)
        with pytest.raises(NotApprovedError), case.action("reveal", {}):
            pass
    assert reveal(case_dir, keys["yamada"])


def test_a_grantor_whose_key_was_revoked_counts_no_more(case_dir, keys):
    answer(case_dir, keys["sato"], ask(case_dir, keys["yamada"]))
    with open_case(case_dir, key=keys["yamada"]) as case:
        case.revoke_key("sato", clock.now().ts, "stolen")
    with pytest.raises(NotApprovedError):
        reveal(case_dir, keys["yamada"])


def test_records_and_redactions(case_dir, keys):
    for kind in ("dispose", "redact"):
        answer(case_dir, keys["sato"], ask(case_dir, keys["yamada"], kind))
    with open_case(case_dir, key=keys["yamada"]) as case:
        case.append("record.dispose", {"method": "x"}, src="typed")
        with pytest.raises(NotApprovedError):
            case.append("record.dispose", {"method": "x"}, src="typed")
        # One redacted copy leaves out several things under one approval, in one session.
        for number in range(2):
            case.append("redacted", {"sha256": f"{number}" * 64, "why": "w"}, src="typed")
    with open_case(case_dir, key=keys["yamada"]) as case, pytest.raises(NotApprovedError):
        case.append("redacted", {"sha256": "3" * 64, "why": "w"}, src="typed")


@pytest.mark.parametrize(
    ("attack", "code"),
    [("missing", "approval_missing"), ("reused", "approval_reused"), ("expired", "approval_expired")],
)
def test_verification_sees_what_another_program_wrote(case_dir, keys, monkeypatch, attack, code):
    grant = answer(case_dir, keys["sato"], ask(case_dir, keys["yamada"]))
    if attack == "reused":
        reveal(case_dir, keys["yamada"])
    body = {} if attack == "missing" else {"approval": grant}
    if attack == "expired":
        real = approvals._HOUR_NS
        monkeypatch.setattr(approvals, "_HOUR_NS", 1)
        assert real == HOUR_NS
    with open_case(case_dir, key=keys["yamada"]) as case, monkeypatch.context() as patched:
        patched.setattr(type(case), "_with_approval", lambda _self, _session, draft: draft)
        with case.action("reveal", body):
            pass
    assert codes(case_dir) == ("ng", [code])


def test_a_policy_that_cannot_be_read_requires_everything():
    assert approvals.Approvals({"approve": "reveal,typo"}).required == frozenset(approvals.kinds())
    assert not approvals.Approvals({}).required
    assert not approvals.is_policy("reveal,")


def test_commands(case_dir, keys):
    mine, other = (("--case", str(case_dir), "--key", str(keys[name])) for name in ("yamada", "sato"))
    code, out, _ = custody("approve", "request", "reveal", "--why", "本人へ 123456789018", *mine, "--json")
    assert code == 0
    number = json.loads(out)["request"]
    assert custody("approve", "grant", str(number), *mine)[0] == 2
    assert custody("approve", "grant", str(number), *other)[0] == 0
    assert custody("approve", "grant", str(number), *other)[0] == 2
    assert custody("approve", "refuse", "1", "--why", "x", *other)[0] == 2
    assert custody("approve", "request", "nothing", "--why", "x", *mine)[0] == 2
    listed = json.loads(custody("approve", "list", "--case", str(case_dir), "--json")[1])
    assert listed["policy"] == ["dispose", "redact", "reveal"]
    assert [(one["state"], one["answered_by"]) for one in listed["requests"]] == [("granted", "sato")]
    assert "123456789018" not in (case_dir / "ledger.jsonl").read_text()
    assert [body["why"] for body in refused(case_dir)] == ["approval_own", "approval_answered", "approval_unknown"]
    assert "granted, unused" in custody("approve", "list", "--case", str(case_dir))[1]
    assert custody("init", str(case_dir.parent / "c2"), "--policy", "approve=reveal,typo")[0] == 2
    assert custody("init", str(case_dir.parent / "c3"), "--policy", "approve=reveal,clone")[0] == 0
