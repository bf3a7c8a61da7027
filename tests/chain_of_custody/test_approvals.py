"""Two persons: nothing that the policy names happens on one person's word, and verification sees it where it did."""

from __future__ import annotations

import json

import pytest

from chain_of_custody import FileHash, approvals, clock, entries, init_case, open_case
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


def do(case, kind, body):
    if kind in approvals.SPECIAL:
        case.append(approvals.SPECIAL[kind], body, src="typed")
        return
    with case.action(kind, body):
        pass


def tried(case_dir, key, kind="reveal", body=None):
    """Try what needs leave; number of the refusal."""
    given = {"reason": "r"} if body is None else body
    with open_case(case_dir, key=key) as case, pytest.raises(NotApprovedError) as stopped:
        do(case, kind, given)
    return stopped.value.refused


def ask(case_dir, key, kind="reveal", hours=1, body=None):
    refused = tried(case_dir, key, kind, body)
    with open_case(case_dir, key=key) as case:
        act = approvals.read({}, read_entries(case_dir)).refusals[refused].act
        request = {"kind": kind, "act": act, "refused": refused, "why": "w", "hours": hours}
        return case.append("approval.request", request, src="typed").seq


def answer(case_dir, key, request, type_name="approval.grant"):
    with open_case(case_dir, key=key) as case:
        body = {"request": request} | ({"why": "no"} if type_name == "approval.refuse" else {})
        return case.append(type_name, body, src="typed").seq


def reveal(case_dir, key, **body):
    with open_case(case_dir, key=key) as case, case.action("reveal", {"reason": "r", **body}) as action:
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
    asked = {"type": "reveal.begin", "body": {"reason": "r"}}
    assert refused(case_dir) == [
        {"what": "reveal.begin", "why": "no approval", "asked": asked, "act": approvals.act_of(asked)}
    ]
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


@pytest.mark.parametrize(
    "other",
    [{"reason": "another"}, {"ids": ["F000001"]}, {"target": "elsewhere.jsonl"}],
    ids=["reason", "more", "target"],
)
def test_leave_for_one_act_is_none_for_another(case_dir, keys, other):
    answer(case_dir, keys["sato"], ask(case_dir, keys["yamada"]))
    with pytest.raises(NotApprovedError):
        reveal(case_dir, keys["yamada"], **other)
    # The leave itself is still there, for what it was given.
    assert reveal(case_dir, keys["yamada"])
    assert codes(case_dir) == ("ok", [])


def test_an_act_is_the_same_at_another_time_and_from_another_machine():
    one = approvals.asked_of("record.dispose", "USB-1", (), (), {"what": "x", "at": "1", "late": "yes", "run": {}})
    two = approvals.asked_of("record.dispose", "USB-1", (), (), {"what": "x", "at": "2", "approval": 4})
    assert approvals.act_of(one) == approvals.act_of(two)
    # printf %s of the canonical text piped into sha256sum
    assert approvals.act_of(one) == "892c5fab0b55e2cae4bee8c04888dc8ec653c6b3981d47458f599b54bd0b56c6"
    for changed in (
        approvals.asked_of("record.dispose", "USB-2", (), (), {"what": "x"}),
        approvals.asked_of("record.dispose", "USB-1", (FileHash("ab" * 32, 1),), (), {"what": "x"}),
        approvals.asked_of("record.dispose", "USB-1", (), (FileHash("ab" * 32, 1),), {"what": "x"}),
        approvals.asked_of("record.return", "USB-1", (), (), {"what": "x"}),
    ):
        assert approvals.act_of(changed) != approvals.act_of(one)


def test_it_expires(case_dir, keys, monkeypatch):
    answer(case_dir, keys["sato"], ask(case_dir, keys["yamada"], hours=2))
    real = clock.wall_ns
    with monkeypatch.context() as later, open_case(case_dir, key=keys["yamada"]) as case:
        case.append("note", {"text": "a session runs"})
        later.setattr(clock, "wall_ns", lambda: real() + 2 * HOUR_NS + 1_000_000_000)
        with pytest.raises(NotApprovedError), case.action("reveal", {"reason": "r"}):
            pass
    assert reveal(case_dir, keys["yamada"])


@pytest.mark.parametrize("again", [False, True], ids=["gone", "with a new key"])
def test_a_grantor_whose_key_was_revoked_counts_no_more(case_dir, keys, tmp_path, again):
    grant = answer(case_dir, keys["sato"], ask(case_dir, keys["yamada"]))
    with open_case(case_dir, key=keys["yamada"]) as case:
        case.revoke_key("sato", clock.now().ts, "stolen")
        if again:
            case.add_person(Person("sato", entries.SUPERVISOR, public(write_key(tmp_path / "fresh"))))
    with pytest.raises(NotApprovedError):
        reveal(case_dir, keys["yamada"])
    unasked(case_dir, keys["yamada"], "reveal.begin", {"reason": "r", "approval": grant, "run": {}})
    assert "approval_revoked" in codes(case_dir)[1]


def unasked(case_dir, key, type_name, body):
    """Write an entry as a program would that does not ask for leave."""
    with open_case(case_dir, key=key) as case, pytest.MonkeyPatch.context() as patched:
        patched.setattr(type(case), "_with_approval", lambda _self, _session, draft: draft)
        return case.append(type_name, body).seq


def test_records_of_disposal(case_dir, keys):
    answer(case_dir, keys["sato"], ask(case_dir, keys["yamada"], "dispose", body={"method": "x"}))
    with open_case(case_dir, key=keys["yamada"]) as case:
        case.append("record.dispose", {"method": "x"}, src="typed")
        with pytest.raises(NotApprovedError):
            case.append("record.dispose", {"method": "x"}, src="typed")


def test_one_grant_is_one_redaction_of_what_it_lists(case_dir, keys):
    listed = {"why": "w", "copy": "c", "texts": ["0" * 64, "1" * 64]}
    answer(case_dir, keys["sato"], ask(case_dir, keys["yamada"], "redact", body=listed))
    with open_case(case_dir, key=keys["yamada"]) as case:
        with case.action("redact", listed) as action:
            begin = {"begin": action.begin.seq, "why": "w"}
            for number in range(2):
                case.append("redacted", {**begin, "sha256": f"{number}" * 64}, src="typed")
            for number in (1, 2):  # one of them again, and one that was not asked for
                with pytest.raises(NotApprovedError):
                    case.append("redacted", {**begin, "sha256": f"{number}" * 64}, src="typed")
        with pytest.raises(NotApprovedError), case.action("redact", listed):
            pass
    with open_case(case_dir, key=keys["yamada"]) as case, pytest.raises(NotApprovedError):
        case.append("redacted", {"sha256": "1" * 64, "why": "w"}, src="typed")
    assert codes(case_dir) == ("ok", [])
    unasked(case_dir, keys["yamada"], "redacted", {**begin, "sha256": "2" * 64})
    assert codes(case_dir) == ("ng", ["approval_missing"])


@pytest.mark.parametrize("forged", ["act", "kind", "refused", "actor", "asked"])
def test_a_request_for_something_else_than_what_was_refused_counts_for_nothing(case_dir, keys, forged):
    """Sato would see the harmless act that was refused and grant the other one that the request names."""
    refused = tried(case_dir, keys["yamada"])
    act = approvals.read({}, read_entries(case_dir)).refusals[refused].act
    request = {"kind": "reveal", "act": act, "refused": refused, "why": "w", "hours": 1}
    request |= {"act": {"act": "00" * 32}, "kind": {"kind": "dispose"}, "refused": {"refused": 1}}.get(forged, {})
    writer = keys["sato"] if forged == "actor" else keys["yamada"]
    if forged == "asked":
        harmless = {
            "what": "reveal.begin",
            "why": "no approval",
            "act": act,
            "asked": {"type": "reveal.begin", "body": {}},
        }
        request["refused"] = unasked(case_dir, keys["yamada"], "refused", harmless)
    with open_case(case_dir, key=writer) as case:
        seq = case.append("approval.request", request, src="typed").seq
    code, found = codes(case_dir)
    assert (code, "approval_request" in found) == ("ng", True)
    assert ("approval_refusal" in found) == (forged == "asked")
    assert approvals.read({}, read_entries(case_dir)).answer_problem(seq, "mori").code == "approval_unknown"


@pytest.mark.parametrize(
    ("attack", "code"),
    [
        ("missing", "approval_missing"),
        ("reused", "approval_reused"),
        ("expired", "approval_expired"),
        ("other", "approval_other"),
    ],
)
def test_verification_sees_what_another_program_wrote(case_dir, keys, monkeypatch, attack, code):
    grant = answer(case_dir, keys["sato"], ask(case_dir, keys["yamada"]))
    if attack == "reused":
        reveal(case_dir, keys["yamada"])
    body = {"reason": "r"} | ({} if attack == "missing" else {"approval": grant})
    body |= {"ids": ["F000002"]} if attack == "other" else {}
    if attack == "expired":
        real = approvals._HOUR_NS
        monkeypatch.setattr(approvals, "_HOUR_NS", 1)
        assert real == HOUR_NS
    unasked(case_dir, keys["yamada"], "reveal.begin", body)
    assert codes(case_dir) == ("ng", [code])


def test_a_policy_that_cannot_be_read_requires_everything():
    assert approvals.Approvals({"approve": "reveal,typo"}).required == frozenset(approvals.kinds())
    assert not approvals.Approvals({}).required
    assert not approvals.is_policy("reveal,")


def test_commands(case_dir, keys, tmp_path):
    mine, other = (("--case", str(case_dir), "--key", str(keys[name])) for name in ("yamada", "sato"))
    (tmp_path / "photo.jpg").write_bytes(b"x")
    code, _, _ = custody("record", "photo", "--field", "what=x", "--file", str(tmp_path / "photo.jpg"), *mine)
    assert code == 0
    photo = next(entry for entry in read_entries(case_dir) if entry.type == "record.photo")
    redact = ("redact", str(photo.seq), "--out", str(tmp_path / "copy"), "--why", "第三者 123456789018", *mine)
    code, _, error = custody(*redact)
    assert code == 5
    assert not (tmp_path / "copy").exists()
    number = next(entry.seq for entry in read_entries(case_dir) if entry.type == "refused")
    assert f"custody approve request {number}" in error
    code, out, _ = custody("approve", "request", "--why", "本人へ 123456789018", *mine, "--json")
    assert code == 0
    request = str(json.loads(out)["request"])
    assert custody("approve", "grant", request, *mine)[0] == 2
    code, out, _ = custody("approve", "grant", request, *other)
    assert code == 0
    assert photo.outputs[0].sha256[:8] in out  # the second person sees what it is
    assert custody("approve", "grant", request, *other)[0] == 2
    assert custody("approve", "refuse", "1", "--why", "x", *other)[0] == 2
    assert custody("approve", "request", "1", "--why", "x", *mine)[0] == 2
    assert custody("approve", "request", str(number), "--why", "x", *other)[0] == 2
    listed = json.loads(custody("approve", "list", "--case", str(case_dir), "--json")[1])
    assert listed["policy"] == ["dispose", "redact", "reveal"]
    assert [(one["state"], one["answered_by"]) for one in listed["requests"]] == [("granted", "sato")]
    assert "granted, unused" in custody("approve", "list", "--case", str(case_dir))[1]
    assert custody(*redact)[0] == 0
    assert (tmp_path / "copy").is_dir()
    assert (
        json.loads(custody("approve", "list", "--case", str(case_dir), "--json")[1])["requests"][0]["state"] == "used"
    )
    assert "123456789018" not in (case_dir / "ledger.jsonl").read_text()
    why = [body["why"] for body in refused(case_dir)]
    assert why == ["no approval", "approval_own", "approval_answered", "approval_unknown"]
    assert custody("init", str(case_dir.parent / "c2"), "--policy", "approve=reveal,typo")[0] == 2
    assert custody("init", str(case_dir.parent / "c3"), "--policy", "approve=reveal,clone,transfer,pack")[0] == 0
    assert codes(case_dir)[0] == "ok"


def test_disclosure_needs_leave_where_the_policy_says_so(tmp_path, keys):
    """A bundle with other contents, and a hand-over to somebody else, are other acts."""
    path = tmp_path / "d"
    with init_case(path, actor="yamada", key=keys["yamada"], policy={"approve": "pack,transfer"}) as case:
        case.add_person(Person("sato", entries.SUPERVISOR, public(keys["sato"])))
    mine, other = (("--case", str(path), "--key", str(keys[name])) for name in ("yamada", "sato"))
    pack = ("pack", "--out", str(tmp_path / "b.zip"), *mine)
    offer = ("transfer", "offer", "--to", "sato", "--reason", "鑑定", "--item", "PC-1", *mine)
    for command in (pack, offer):
        code, _, error = custody(*command)
        assert code == 5, error
        number = [entry.seq for entry in read_entries(path) if entry.type == "refused"][-1]
        request = json.loads(custody("approve", "request", str(number), "--why", "w", *mine, "--json")[1])["request"]
        assert custody("approve", "grant", str(request), *other)[0] == 0
        changed = (*command, "--no-details") if command is pack else (*command[:5], "別件", "--item", "PC-1", *mine)
        assert custody(*changed)[0] == 5, changed
        assert custody(*command)[0] == 0
        assert custody(*command)[0] == 5
    assert verify_case(path).verdict == "ok"
