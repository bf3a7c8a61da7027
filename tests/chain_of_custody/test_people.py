import subprocess
import time

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from chain_of_custody import clock, entries, init_case, open_case, signing
from chain_of_custody.errors import KeyAccessError, UsageError
from chain_of_custody.people import Person, read_people
from chain_of_custody.reading import read_entries
from chain_of_custody.verify import verify_case
from tests.chain_of_custody import attacks
from tests.conftest import needs


def write_key(path, private=None):
    private = private or ed25519.Ed25519PrivateKey.generate()
    path.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )
    )
    return path


def public(path):
    return signing.load_private_key(path).public_line


@pytest.fixture
def keys(tmp_path):
    return {name: write_key(tmp_path / name) for name in ("operator", "witness", "second", "new")}


@pytest.fixture
def case_of_two(tmp_path, keys):
    path = tmp_path / "case"
    with init_case(path, key=keys["operator"], actor="yamada") as case:
        case.add_person(Person("suzuki", entries.WITNESS, public(keys["witness"]), "鈴木", "法律事務所", "名刺"))
        case.add_person(Person("sato", entries.OPERATOR, public(keys["second"])))
    return path


def script_code(path):
    return attacks.run_script(path)[0]


def codes(path):
    return {(finding.severity, finding.code) for finding in verify_case(path).findings}


def test_people_write_with_their_own_keys_and_rights(case_of_two, keys):
    with open_case(case_of_two, key=keys["second"]) as case:
        case.append("note", {"text": "x"})
    with open_case(case_of_two, key=keys["witness"]) as case:
        assert case.operator().name == "鈴木"
        case.append("note", {"text": "y"})
        with pytest.raises(UsageError, match="may not record"):
            case.append("scan.begin", {})
        with pytest.raises(KeyAccessError):
            case.secret()
    last = list(read_entries(case_of_two))
    assert [(entry.actor, entry.type) for entry in last[-3:]] == [
        ("suzuki", "note"),
        ("suzuki", "refused"),
        ("suzuki", "session.close"),
    ]
    assert last[-2].body == {"what": "scan.begin", "why": "role witness"}
    assert verify_case(case_of_two).verdict == "ok"
    assert script_code(case_of_two) == 0


def test_a_second_operator_reads_the_secret(case_of_two, keys):
    with open_case(case_of_two, key=keys["operator"]) as one, open_case(case_of_two, key=keys["second"]) as two:
        assert one.secret() == two.secret()


def test_ids_and_keys_are_unique(case_of_two, keys, tmp_path):
    with open_case(case_of_two, key=keys["operator"]) as case:
        for person in [
            Person("suzuki", entries.READER, public(keys["new"])),
            Person("other", entries.READER, public(keys["witness"])),
            Person("a b", entries.READER, public(keys["new"])),
        ]:
            with pytest.raises(UsageError):
                case.add_person(person)
    assert verify_case(case_of_two).verdict == "ok"


def test_the_id_must_be_that_of_the_key(case_of_two, keys):
    with (
        open_case(case_of_two, key=keys["operator"], actor="sato") as case,
        pytest.raises(KeyAccessError, match="not known"),
    ):
        case.append("note", {})


def test_rotation_is_signed_by_both_and_goes_on(case_of_two, keys):
    with open_case(case_of_two, key=keys["operator"]) as case:
        before = case.secret()
        case.rotate_key(signing.load_private_key(keys["new"]))
        case.append("note", {"text": "same session"})
    with open_case(case_of_two, key=keys["new"]) as case:
        case.append("note", {"text": "new key"})
        assert case.secret() == before
    with open_case(case_of_two, key=keys["operator"]) as case, pytest.raises(KeyAccessError, match="no longer valid"):
        case.append("note", {})
    assert verify_case(case_of_two).verdict == "ok"
    assert script_code(case_of_two) == 0
    assert 'valid-before="' in (case_of_two / "allowed_signers").read_text()


def test_rotation_to_a_key_that_age_cannot_use(case_of_two, keys, tmp_path):
    write_key(tmp_path / "ec", ec.generate_private_key(ec.SECP384R1()))
    with open_case(case_of_two, key=keys["operator"]) as case:
        before = case.secret()
        case.rotate_key(signing.load_private_key(tmp_path / "ec"))
    with open_case(case_of_two, key=tmp_path / "ec") as case:
        assert case.secret() == before
        case.append("note", {})
    assert verify_case(case_of_two).verdict == "ok"


def test_revocation_by_another_person(case_of_two, keys):
    with open_case(case_of_two, key=keys["second"]) as case:
        case.append("note", {"text": "before"})
    with open_case(case_of_two, key=keys["operator"]) as case:
        with pytest.raises(UsageError, match="nobody revokes"):
            case.revoke_key("yamada", clock.now().ts, "x")
        with pytest.raises(UsageError, match="no valid key"):
            case.revoke_key("nobody", clock.now().ts, "x")
        case.revoke_key("sato", clock.now().ts, "PC 盗難")
    assert verify_case(case_of_two).verdict == "ok"
    assert (case_of_two / "revoked_keys").read_text() == public(keys["second"]) + "\n"
    with open_case(case_of_two, key=keys["second"]) as case, pytest.raises(KeyAccessError, match="no longer valid"):
        case.append("note", {})
    with open_case(case_of_two, key=keys["second"]) as case, pytest.raises(KeyAccessError):
        case.secret()
    # Reissue: the same person, another key.
    with open_case(case_of_two, key=keys["operator"]) as case:
        case.add_person(Person("sato", entries.OPERATOR, public(keys["new"])))
    with open_case(case_of_two, key=keys["new"]) as case:
        case.append("note", {})
    assert verify_case(case_of_two).verdict == "ok"
    assert script_code(case_of_two) == 0


def test_what_a_stolen_key_did_since_the_theft_is_to_be_checked(case_of_two, keys):
    before = clock.now().ts
    with open_case(case_of_two, key=keys["second"]) as case:
        case.append("note", {"text": "in doubt"})
    with open_case(case_of_two, key=keys["operator"]) as case:
        case.revoke_key("sato", before, "stolen")
    result = verify_case(case_of_two)
    assert result.verdict == "unknown"
    assert ("unknown", "doubtful") in codes(case_of_two)


def test_a_revoked_key_that_goes_on_writing_is_ng(case_of_two, keys):
    with open_case(case_of_two, key=keys["second"]) as case:
        case.append("note", {"text": "open session"})
        with open_case(case_of_two, key=keys["operator"]) as other:
            other.revoke_key("sato", clock.now().ts, "stolen")
        case.append("note", {"text": "after"})
    assert ("ng", "expired") in codes(case_of_two)


def test_a_session_opened_with_a_revoked_key_is_ng(case_of_two, keys, monkeypatch):
    with open_case(case_of_two, key=keys["operator"]) as case:
        case.revoke_key("sato", clock.now().ts, "stolen")
    old = read_people(case_of_two).persons["sato"]
    monkeypatch.setattr("chain_of_custody.case.Case.operator", lambda self: old)
    time.sleep(0.01)
    with open_case(case_of_two, key=keys["second"]) as case:
        case.append("note", {"text": "after"})
    assert ("ng", "unknown_person") in codes(case_of_two)


def test_a_session_opened_with_a_key_that_was_replaced_is_ng(case_of_two, keys, monkeypatch):
    before = read_people(case_of_two).persons["yamada"]
    with open_case(case_of_two, key=keys["operator"]) as case:
        case.rotate_key(signing.load_private_key(keys["new"]))
    monkeypatch.setattr("chain_of_custody.case.Case.operator", lambda self: before)
    time.sleep(2)  # OpenSSH knows whole seconds: the script may be a second late
    with open_case(case_of_two, key=keys["operator"]) as case:
        case.append("note", {"text": "with the old key"})
    findings = [finding for finding in verify_case(case_of_two).findings if finding.severity == "ng"]
    assert findings
    assert script_code(case_of_two) == 1


def test_a_key_signs_neither_before_nor_after_its_window(case_of_two, keys):
    with open_case(case_of_two, key=keys["operator"]) as case:
        case.rotate_key(signing.load_private_key(keys["new"]))
    people = read_people(case_of_two)
    old, new = (period for period in people.periods if period.id == "yamada")
    second = 1_000_000_000
    change = new.after_ns
    assert old.before_ns == change
    assert people.period_at("yamada", entries.OPERATOR, change - 2 * second).key == public(keys["operator"])
    assert people.period_at("yamada", entries.OPERATOR, change + 2 * second).key == public(keys["new"])
    assert people.period_at("yamada", entries.WITNESS, change + 2 * second) is None
    sato = next(period for period in people.periods if period.id == "sato")
    assert people.period_at("sato", entries.OPERATOR, sato.after_ns - 2 * second) is None


def test_derived_files_left_by_a_crash_are_mended_and_foreign_ones_are_not(case_of_two, keys):
    signers = case_of_two / "allowed_signers"
    whole = signers.read_bytes()
    signers.write_bytes(b"".join(whole.splitlines(keepends=True)[:-1]))
    assert ("unknown", "derived_stale") in codes(case_of_two)
    with open_case(case_of_two, key=keys["operator"]) as case:
        case.append("note", {})
    assert signers.read_bytes() == whole
    assert verify_case(case_of_two).verdict == "ok"
    signers.write_bytes(whole + b"x")
    with open_case(case_of_two, key=keys["operator"]) as case:
        case.append("note", {})
    assert ("ng", "derived") in codes(case_of_two)


@needs("ssh-keygen")
def test_ssh_keygen_reads_the_derived_files(case_of_two, keys, tmp_path):
    with open_case(case_of_two, key=keys["operator"]) as case:
        case.revoke_key("sato", clock.now().ts, "x")
    signature = tmp_path / "sig"
    for name, revoked in [("witness", False), ("second", True)]:
        key = signing.load_private_key(keys[name])
        signature.write_text(key.sign(b"m", signing.CHECKPOINT_NAMESPACE))
        who = {"witness": "suzuki", "second": "sato"}[name]
        done = subprocess.run(
            [
                "ssh-keygen",
                "-Y",
                "verify",
                "-f",
                case_of_two / "allowed_signers",
                "-r",
                case_of_two / "revoked_keys",
                "-I",
                who,
                "-n",
                signing.CHECKPOINT_NAMESPACE,
                "-s",
                signature,
            ],
            input=b"m",
            capture_output=True,
            check=False,
        )
        assert (done.returncode != 0) == revoked, done.stderr


def test_policy_is_a_closed_list(tmp_path):
    for policy in [{"x": "y"}, {"copies": "0"}, {"witness": "maybe"}]:
        with pytest.raises(UsageError, match="unknown policy"):
            init_case(tmp_path / "c", policy=policy)
    with init_case(tmp_path / "c", policy={"witness": "required", "copies": "2"}) as case:
        assert case.policy["copies"] == "2"
