import base64
import hashlib
import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chain_of_custody import clock, entries, init_case, jcs, merkle, open_case
from chain_of_custody.errors import CaseNotFoundError
from chain_of_custody.reading import read_entries
from chain_of_custody.verify import verify_case
from tests.chain_of_custody import attacks

WHERE = {
    # attack: (entry, code) of a finding that names it
    "edited_line": (2, "signature"),
    "edited_and_rechained": (2, "signature"),
    "removed_line": (5, "sequence"),
    "swapped_pair": (3, "sequence"),
    "inserted_line": (4, "sequence"),
    "cut_tail": (None, "cut_tail"),
    "cut_tail_and_head": (None, "head_missing"),
    "cut_tail_and_own_head": (None, "head"),
    "stripped_signature": (5, "line"),
    "empty_signature": (5, "line"),
    "zero_signature": (5, "signature"),
    "foreign_session_key": (8, "signature"),
    "foreign_person": (4, "session_signature"),
    "foreign_session_in_old_authorisation": (4, "session_signature"),
    "session_of_another_case": (9, "auth"),
    "duplicate_key": (2, "line"),
    "non_canonical_line": (2, "line"),
    "extra_member": (2, "line"),
    "crlf": (1, "line"),
    "zero_byte": (2, "line"),
    "blank_line": (4, "line"),
    "rewritten_signers": (None, "derived"),
    "removed_signers": (None, "derived"),
    "emptied_ledger": (None, "cut_tail"),
}


def found(path):
    result = verify_case(path)
    return result, {(finding.seq, finding.code) for finding in result.findings if finding.severity == "ng"}


@pytest.mark.parametrize("name", sorted(attacks.every()))
def test_each_attack_is_ng_and_named(case_path, name):
    assert verify_case(case_path).verdict == "ok"
    attacks.every()[name](case_path)
    result, ng = found(case_path)
    assert result.verdict == "ng"
    assert result.exit_code == 1
    assert WHERE[name] in ng, ng


def test_the_untouched_case(case_path):
    result = verify_case(case_path)
    assert (result.verdict, result.exit_code, result.findings) == ("ok", 0, [])
    lines = attacks.lines_of(case_path)
    assert result.entry_count == len(lines) == 8
    assert result.fingerprint == hashlib.sha256(lines[0]).hexdigest()
    assert result.root == merkle.root_of([merkle.leaf_hash(line) for line in lines]).hex()
    assert result.session_count == 2
    assert json.loads(json.dumps(result.to_json()))["verdict"] == "ok"


def test_verification_writes_nothing(case_path):
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in case_path.rglob("*") if path.is_file()}
    verify_case(case_path)
    assert before == {
        path: (path.stat().st_mtime_ns, path.read_bytes()) for path in case_path.rglob("*") if path.is_file()
    }


def test_a_folder_that_is_no_case(tmp_path):
    with pytest.raises(CaseNotFoundError):
        verify_case(tmp_path)


def sign_again(path, change, *, key, start):
    """Lines from `start` on with `change(members, number)` applied, chained and signed by the session's true key."""
    lines = attacks.lines_of(path)
    for number in range(start, len(lines) + 1):
        members = json.loads(lines[number - 1].partition(b"\t")[0])
        change(members, number)
        members["prev"] = hashlib.sha256(lines[number - 2]).hexdigest()
        payload = jcs.dumps(members)
        lines[number - 1] = payload + b"\t" + base64.b64encode(key.sign(payload))
    attacks.put_lines(path, lines)
    attacks.rehead(path, key)


@pytest.fixture
def owned(tmp_path):
    """A case of one session and that session's key: what the operator in person could do."""
    path = tmp_path / "owned"
    case = init_case(path, actor="a")
    key = attacks.stolen_key(case)
    with case:
        with case.action("scan", {}):
            pass
        case.append("note", {"text": "x"})
        case.append("note", {"text": "y"})
    return path, key


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda members: members.update(type="nonsense"), "line"),
        (lambda members: members.update(v=2), "line"),
        (lambda members: members.update(v=True), "line"),
        (lambda members: members.update(seq=7), "sequence"),
        (lambda members: members.update(actor="b"), "actor"),
        (lambda members: members.update(role="責任者"), "actor"),
        (lambda members: members.update(role="boss"), "line"),
        (lambda members: members.update(session="0" * 32), "no_session"),
        (lambda members: members.update(boot=None), "line"),
        (lambda members: members.update(item=5), "line"),
        (lambda members: members.update({"in": []}), "line"),
        (lambda members: members.update({"in": [{"sha256": "x", "size": "1"}]}), "line"),
        (lambda members: members.update({"in": [{"sha256": "a" * 64, "size": 1}]}), "line"),
        (lambda members: members.update(ts="2026-11-24T10:00:00Z"), "line"),
        (lambda members: members.update(ts="2026-13-24T10:00:00.000000+09:00"), "line"),
        (lambda members: members.update(mono_ns=5), "line"),
        (lambda members: members.update(src="guessed"), "line"),
        (lambda members: members["tool"].update(extra="1"), "line"),
        (lambda members: members.update(body=[]), "line"),
        (lambda members: members.update(details="x"), "line"),
        (lambda members: members.update(type="scan.end", body={"begin": 2, "status": "done"}), "end"),
        (lambda members: members.update(type="case.open"), "line"),
    ],
)
def test_what_even_the_holder_of_the_session_key_cannot_write(owned, change, code):
    path, key = owned
    sign_again(path, lambda members, number: change(members) if number == 4 else None, key=key, start=4)
    result, ng = found(path)
    assert result.verdict == "ng"
    assert (4 if code != "sequence" else 7, code) in ng, ng


def test_writing_after_the_session_was_closed(owned):
    path, key = owned
    lines = attacks.lines_of(path)
    members = json.loads(lines[3].partition(b"\t")[0])
    members.update(seq=len(lines) + 1, prev=hashlib.sha256(lines[-1]).hexdigest())
    payload = jcs.dumps(members)
    attacks.put_lines(path, [*lines, payload + b"\t" + base64.b64encode(key.sign(payload))])
    attacks.rehead(path, key)
    assert (len(lines) + 1, "after_close") in found(path)[1]


def test_writing_after_the_session_expired(owned):
    path, key = owned

    def later(members, number):
        members["ts"] = members["ts"].replace("2026-", "2036-").replace("2027-", "2037-")
        members["boot"] = "another boot"

    sign_again(path, later, key=key, start=4)
    assert (4, "expired") in found(path)[1]


@pytest.mark.parametrize("seconds", [-5, 5])
def test_a_clock_that_jumps_without_record_cannot_be_told(owned, seconds):
    path, key = owned
    sign_again(
        path,
        lambda members, number: members.update(mono_ns=str(int(members["mono_ns"]) - seconds * 10**9)),
        key=key,
        start=4,
    )
    result = verify_case(path)
    assert result.verdict == "unknown"
    assert result.exit_code == 3
    assert [(finding.seq, finding.code) for finding in result.findings] == [(4, "clock")]


def test_open_ends_are_notes_not_ng(case_path):
    case = open_case(case_path)
    case.append("image.begin", {})
    case._ledger.close()
    result = verify_case(case_path)
    assert result.verdict == "ok"
    assert {finding.code for finding in result.findings} == {"no_end", "session_open"}


def test_details_that_were_altered_and_files_that_no_entry_names(case_path):
    (file,) = (case_path / "details").iterdir()
    file.write_bytes(file.read_bytes() + b" ")
    (case_path / "details" / "stray.json").write_bytes(b"{}")
    result, ng = found(case_path)
    assert (7, "details") in ng
    assert "unnamed_file" in {finding.code for finding in result.findings}


def test_an_altered_verify_script(case_path):
    (case_path / "verify.sh").write_text("#!/bin/sh\necho verdict: OK\n")
    assert (None, "script") in found(case_path)[1]


def test_many_problems_do_not_fill_the_memory(case_path):
    with (case_path / "ledger.jsonl").open("ab") as file:
        file.write(b"x\n" * 5000)
    result = verify_case(case_path)
    assert result.verdict == "ng"
    assert len(result.findings) == 1000
    assert result.counts["ng"] >= 5000


def test_a_line_without_end_is_read_in_bounded_pieces(case_path):
    with (case_path / "ledger.jsonl").open("ab") as file:
        file.write(b"{" * (entries.MAX_LINE_BYTES + 100) + b"\n")
    result = verify_case(case_path)
    assert result.verdict == "ng"


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_any_change_of_any_byte_is_noticed(case_path, data):
    name = data.draw(st.sampled_from(["ledger.jsonl", "head", "allowed_signers", "revoked_keys", "verify.sh"]))
    path = case_path / name
    good = path.read_bytes()
    position = data.draw(st.integers(0, len(good)))
    how = data.draw(st.sampled_from(["change", "insert", "delete"]))
    byte = bytes([data.draw(st.integers(0, 255))])
    changed = good[:position] + (b"" if how == "delete" else byte) + good[position + (how != "insert") :]
    if changed == good:
        return
    path.write_bytes(changed)
    try:
        assert verify_case(case_path, processes=1).verdict != "ok"
    finally:
        path.write_bytes(good)


def test_a_released_ledger_stays_readable(tmp_path):
    """tests/data/ledger-0.1 was written by version 0.1.0 (tests/make_ledger.py); every later version must accept it."""
    source = Path(__file__).parents[1] / "data" / "ledger-0.1"
    path = tmp_path / "case"
    shutil.copytree(source, path)
    result = verify_case(path)
    assert result.verdict == "ok", result.findings
    assert result.fingerprint == "f492f8490822d1fd664488078db5ea3d4d533ce9fc231e6b27c3fbb6e364b860"
    assert result.root == "89ca4dcaafb9717e2ce44bed46784beae90ecddf98f2f945e8e55d18c295ebc9"
    assert [entry.type for entry in read_entries(path)] == [
        "case.open",
        "note",
        "verify.begin",
        "verify.end",
        "session.close",
        "session.open",
        "ledger.recovered",
        "clock.changed",
        "note",
        "session.close",
    ]


def test_clock_readings_of_entries_are_exact(case_path):
    for entry in read_entries(case_path):
        assert entries.time_ns_of(entry.ts) == entry.time_ns
        assert clock.now().time_ns > entry.time_ns
