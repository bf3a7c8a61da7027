import hashlib
import json
import multiprocessing
import os
import shutil
import stat
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chain_of_custody import FileHash, clock, details, entries, find_case, init_case, jcs, open_case
from chain_of_custody.errors import CaseNotFoundError, KeyAccessError, LedgerError, UsageError
from chain_of_custody.reading import read_entries
from chain_of_custody.verify import verify_case


def types(path):
    return [entry.type for entry in read_entries(path)]


def test_a_new_case_verifies_and_says_what_it_is(tmp_path):
    path = tmp_path / "case"
    with init_case(
        path, name="2026-017", actor="yamada@example.jp", role=entries.SUPERVISOR, policy={"copies": "2"}
    ) as case:
        assert case.fingerprint == hashlib.sha256((path / "ledger.jsonl").read_bytes().splitlines()[0]).hexdigest()
        notice = case.key_notice()
        assert (notice.actor, notice.role, notice.protection) == ("yamada@example.jp", "責任者", "none")
        assert "no passphrase" in notice.en
        assert case.policy == {"copies": "2"}
    first = next(read_entries(path))
    assert first.body["key_protection"] == "none"
    assert first.body["name"] == "2026-017"
    assert types(path) == ["case.open", "session.close"]
    assert verify_case(path).verdict == "ok"
    if os.name == "posix":
        assert stat.S_IMODE((path / "verify.sh").stat().st_mode) & 0o111


def test_nothing_private_lies_in_the_case(tmp_path):
    path = tmp_path / "case"
    with init_case(path) as case:
        value = case.secret()
        private = case.signer.openssh_private_bytes()
    assert len(value) == 32
    for file in path.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            assert value not in data
            assert value.hex().encode() not in data
            assert b"PRIVATE KEY" not in data
            assert private not in data


def test_opening_writes_nothing_until_something_is_appended(case_path):
    before = {file: file.read_bytes() for file in case_path.rglob("*") if file.is_file()}
    with open_case(case_path) as case:
        assert case.name == "2026-017"
        case.number_hmac("123456789018")
    assert before == {file: file.read_bytes() for file in case_path.rglob("*") if file.is_file()}


def test_an_action_is_begun_before_its_block_runs(tmp_path):
    path = tmp_path / "case"
    with init_case(path, actor="a") as case, case.action("scan", {"image": "x"}, item="PC-1") as action:
        assert types(path) == ["case.open", "scan.begin"]
        action.set_result({"findings": "3"}, outputs=[FileHash("cd" * 32, 7)], status="partial")
    begin, end = list(read_entries(path))[1:3]
    assert begin.body["image"] == "x"
    assert set(begin.body["run"]) == {"command", "host", "user", "pid"}
    assert end.body == {"begin": begin.seq, "status": "partial", "findings": "3"}
    assert (end.outputs, end.item) == ((FileHash("cd" * 32, 7),), "PC-1")


@pytest.mark.parametrize(
    ("error", "status"),
    [(ValueError("123456789018"), "failed"), (KeyboardInterrupt(), "interrupted"), (SystemExit(3), "interrupted")],
)
def test_how_an_action_ends_is_recorded_without_the_words_of_the_error(tmp_path, error, status):
    path = tmp_path / "case"
    with init_case(path) as case, pytest.raises(type(error)), case.action("image", {}):
        raise error
    end = list(read_entries(path))[2]
    assert (end.type, end.body["status"], end.body["error"]) == ("image.end", status, type(error).__name__)
    assert b"123456789018" not in (path / "ledger.jsonl").read_bytes()
    assert verify_case(path).verdict == "ok"


def test_what_the_ledger_cannot_hold_is_refused_and_changes_nothing(case_path):
    before = (case_path / "ledger.jsonl").read_bytes()
    with open_case(case_path) as case:
        for type_, body in [
            ("unknown", {}),
            ("note", {"x": 1.5}),
            ("note", {"x": 2**60}),
            ("note", {"x": "\udcff"}),
            ("scan.end", {}),
            ("scan.end", {"begin": 1, "status": "finished"}),
            ("note", {"x": "y" * 9_000_000}),
        ]:
            with pytest.raises(UsageError):
                case.append(type_, body)
    assert (case_path / "ledger.jsonl").read_bytes() == before


def test_a_role_without_the_right_is_refused(case_path):
    with open_case(case_path) as case:
        with pytest.raises(UsageError, match="cannot"):
            init_case(case_path.parent / "other", role=entries.WITNESS)
        case._session = None
    with pytest.raises(UsageError, match="not usable as an id"):
        init_case(case_path.parent / "other", actor="a b")


def test_a_key_that_the_case_does_not_know_writes_nothing(case_path, monkeypatch, tmp_path):
    monkeypatch.setenv("HOZEN_CONFIG_HOME", str(tmp_path / "stranger"))
    before = (case_path / "ledger.jsonl").read_bytes()
    with open_case(case_path) as case, pytest.raises(KeyAccessError, match="not known in this case"):
        case.append("note", {})
    with open_case(case_path) as case, pytest.raises(KeyAccessError, match="cannot open the case's secret"):
        case.secret()
    assert (case_path / "ledger.jsonl").read_bytes() == before


def test_the_secret_is_the_same_for_every_session_and_bound_to_the_case(case_path, tmp_path):
    with open_case(case_path) as one, open_case(case_path) as two:
        assert one.number_hmac("123456789018") == two.number_hmac("123456789018") != one.number_hmac("621498320257")
    with init_case(tmp_path / "other") as other:
        assert other.number_hmac("123456789018") != one.number_hmac("123456789018")
    shutil.copy(tmp_path / "other" / "secret.age", case_path / "secret.age")
    with open_case(case_path) as case, pytest.raises(KeyAccessError, match="does not fit the first entry"):
        case.secret()
    (case_path / "secret.age").unlink()
    with open_case(case_path) as case, pytest.raises(KeyAccessError, match="cannot read"):
        case.secret()


def test_details_lie_outside_the_ledger_and_may_be_removed(case_path):
    entry = next(entry for entry in read_entries(case_path) if entry.details)
    assert details.read(case_path, entry.details) == "電話 03-0000-0000".encode()
    assert "03-0000" not in (case_path / "ledger.jsonl").read_text(encoding="utf-8")
    (case_path / "details" / f"{entry.details}.json").unlink()
    assert details.read(case_path, entry.details) is None
    result = verify_case(case_path)
    assert result.verdict == "ok"
    assert [finding.code for finding in result.findings] == ["redacted"]


def test_details_of_bytes_and_salt(tmp_path):
    one, two = details.write(tmp_path, b"\xff\x00"), details.write(tmp_path, b"\xff\x00")
    assert one != two
    assert details.read(tmp_path, one) == b"\xff\x00"
    (tmp_path / "details" / f"{one}.json").write_bytes(b"{}")
    with pytest.raises(ValueError, match="altered"):
        details.read(tmp_path, one)


def test_a_session_that_expires_is_renewed(case_path, monkeypatch):
    real = clock.now
    with open_case(case_path) as case:
        case.append("note", {})
        hours = 25

        def later():
            reading = real()
            step = hours * 3600 * 10**9
            ts = (entries.moment_of(reading.ts) + __import__("datetime").timedelta(hours=hours)).isoformat(
                timespec="microseconds"
            )
            return clock.Reading(ts, reading.time_ns + step, reading.mono_ns + step, reading.boot)

        monkeypatch.setattr(clock, "now", later)
        monkeypatch.setattr(clock, "wall_ns", lambda: later().time_ns)
        case.append("note", {})
    sessions = {entry.session for entry in read_entries(case_path) if entry.type == "note"}
    assert len(sessions) == 4
    assert verify_case(case_path).verdict == "ok"


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_a_clock_that_is_set_in_the_middle_is_recorded(case_path, monkeypatch, seconds):
    real = clock.now
    with open_case(case_path) as case:
        case.append("note", {"n": "1"})

        def shifted():
            reading = real()
            ts = (entries.moment_of(reading.ts) + __import__("datetime").timedelta(seconds=seconds)).isoformat(
                timespec="microseconds"
            )
            return clock.Reading(ts, reading.time_ns + seconds * 10**9, reading.mono_ns, reading.boot)

        monkeypatch.setattr(clock, "now", shifted)
        case.append("note", {"n": "2"})
        case.append("note", {"n": "3"})
    changed = [entry for entry in read_entries(case_path) if entry.type == "clock.changed"]
    assert len(changed) == 1
    assert changed[0].body["reason"] == "set"
    assert abs(int(changed[0].body["shift_ns"]) / 1e9 - seconds) < 0.5
    assert verify_case(case_path).verdict == "ok"


def test_threads_of_one_case_share_its_session(case_path):
    with open_case(case_path) as case:
        threads = [
            threading.Thread(target=lambda: [case.append("note", {"i": str(i)}) for i in range(20)]) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert types(case_path).count("session.open") == 2
    assert types(case_path).count("note") == 82
    assert verify_case(case_path).verdict == "ok"


def _write_some(path, count):
    with open_case(path) as case:
        for number in range(count):
            case.append("note", {"pid": str(os.getpid()), "n": str(number)})


def test_many_processes_write_one_chain(case_path):
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_some, args=(case_path, 40)) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * 4
    written = [(entry.body["pid"], entry.body["n"]) for entry in read_entries(case_path) if "n" in entry.body]
    assert len(written) == len(set(written)) == 160
    assert verify_case(case_path).verdict == "ok"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_may_go_on_writing(case_path):
    context = multiprocessing.get_context("fork")
    with open_case(case_path) as case:
        case.append("note", {"n": "parent"})
        child = context.Process(target=lambda: [case.append("note", {"n": f"child{i}"}) for i in range(20)])
        child.start()
        for number in range(20):
            case.append("note", {"n": f"parent{number}"})
        child.join()
    assert child.exitcode == 0
    assert verify_case(case_path).verdict == "ok"
    assert types(case_path).count("note") == 43


def test_a_folder_restored_under_a_writer_is_noticed(case_path):
    with open_case(case_path) as case:
        case.append("note", {"n": "1"})
        copy = (case_path / "ledger.jsonl").read_bytes()
        (case_path / "ledger.new").write_bytes(copy)
        (case_path / "ledger.new").replace(case_path / "ledger.jsonl")
        case.append("note", {"n": "2"})
    assert types(case_path)[-3:] == ["note", "note", "session.close"]
    assert verify_case(case_path).verdict == "ok"


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
        st.text(st.characters(exclude_categories=["Cs"])) | st.integers(-(2**53) + 1, 2**53 - 1),
        max_size=5,
    )
)
def test_any_body_comes_back_as_it_went_in(case_path, body):
    with open_case(case_path) as case:
        entry = case.append("note", body)
    assert entries.parse_line(entry.line).body == json.loads(json.dumps(body))


# --- finding the case -------------------------------------------------------------------------------------------------


def test_where_the_case_is(case_path, tmp_path):
    image = tmp_path / "evidence" / "disk.E01"
    image.parent.mkdir()
    image.write_bytes(b"")
    work = tmp_path / "work"
    work.mkdir()
    inside = case_path / "scans" / "1"
    inside.mkdir(parents=True)
    assert find_case(None, image, cwd=work) == (work / "disk.E01.case", True)
    assert find_case(None, image, cwd=inside) == (case_path, False)
    assert find_case(case_path, image, cwd=work) == (case_path, False)
    assert find_case(tmp_path / "new", image, cwd=inside) == (tmp_path / "new", True)
    assert find_case(None, None, cwd=inside) == (case_path, False)
    with pytest.raises(CaseNotFoundError):
        find_case(None, None, cwd=work)


def test_evidence_inside_a_case_goes_to_that_case_only(case_path, tmp_path):
    image = case_path / "images" / "disk.dd"
    image.parent.mkdir()
    image.write_bytes(b"")
    assert find_case(case_path, image, cwd=tmp_path) == (case_path, False)
    assert find_case(None, image, cwd=case_path) == (case_path, False)
    for option, cwd in [(None, tmp_path), (tmp_path / "other", tmp_path)]:
        with pytest.raises(UsageError, match="inside another case") as caught:
            find_case(option, image, cwd=cwd)
        assert str(case_path) in caught.value.en
    with init_case(tmp_path / "second"):
        pass
    with pytest.raises(UsageError, match="inside another case"):
        find_case(None, image, cwd=tmp_path / "second")


def test_folders_that_can_be_no_case(case_path, tmp_path):
    full = tmp_path / "full"
    full.mkdir()
    (full / "photo.jpg").write_bytes(b"x")
    (tmp_path / "file").write_bytes(b"x")
    for path, message in [(case_path, "already a case"), (full, "not empty"), (tmp_path / "file", "not a folder")]:
        with pytest.raises(UsageError, match=message):
            init_case(path)
    with pytest.raises(CaseNotFoundError, match="not a case"):
        open_case(full)
    (full / "ledger.jsonl").write_bytes(b"rubbish\n")
    with pytest.raises(LedgerError, match="first line"):
        open_case(full)


def test_a_case_whose_making_was_killed_can_be_made_again(tmp_path):
    path = tmp_path / "case"
    init_case(path).close()
    (path / "ledger.jsonl").rename(path / "ledger.jsonl.new")
    init_case(path).close()
    assert verify_case(path).verdict == "ok"
    assert not (path / "ledger.jsonl.new").exists()


def test_the_text_written_is_the_canonical_form_of_what_is_read_back(case_path):
    """Entries are put together from kept pieces; a reader must get the same entry from the line alone."""
    bodies = [
        {},
        {"text": '𠮷野家 \u2028 \x7f \x1f" \\ /'},
        {"𠮷": 1, "\ufb33": 2, "z": [True, None, {"b": [], "a": {}}]},
        {"deep": [[[[[[]]]]]], "n": -(2**53 - 1)},
        {"many": [{}] * 80},
    ]
    files = (FileHash("ab" * 32, 0), FileHash("cd" * 32, 2**63))
    with open_case(case_path) as case:
        for body in bodies:
            plain = case.append("note", body)
            full = case.append("note", body, item='PC-"1"', inputs=files, outputs=files[:1], src="typed", details=b"x")
            for entry in (plain, full):
                assert jcs.loads(entry.payload)
                assert entries.parse_line(entry.line) == entry
    assert {finding.code for finding in verify_case(case_path).findings if finding.severity == "ng"} == {"attachment"}


@pytest.mark.parametrize(
    ("body", "files"),
    [
        ({"x": 1.5}, ()),
        ({"x": 2**53}, ()),
        ({"x": "\ud800"}, ()),
        ({"x": b"bytes"}, ()),
        ({"x": json.loads("[" * 63 + "]" * 63)}, ()),
        ({}, (FileHash("AB" * 32, 1),)),
        ({}, (FileHash("ab" * 32, -1),)),
    ],
    ids=["float", "large", "surrogate", "bytes", "deep", "hash", "size"],
)
def test_what_no_line_may_hold_is_refused_before_anything_is_written(case_path, body, files):
    before = (case_path / "ledger.jsonl").read_bytes()
    with pytest.raises(UsageError), open_case(case_path) as case:
        case.append("note", body, outputs=files)
    assert (case_path / "ledger.jsonl").read_bytes() == before
    assert verify_case(case_path).verdict == "ok"


def test_a_number_in_the_name_of_a_case_is_masked(tmp_path, monkeypatch):
    monkeypatch.setenv("HOZEN_CONFIG_HOME", str(tmp_path / "config-of-name"))
    init_case(tmp_path / "named", name="件 123456789018").close()
    written = (tmp_path / "named" / "ledger.jsonl").read_text(encoding="utf-8")
    assert "123456789018" not in written
    assert "件 ********9018" in written
