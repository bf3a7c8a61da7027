"""verify.sh judges keys, revocations, policies and dates like `custody verify`, and names what it does not judge."""

import shutil

import pytest

from chain_of_custody import clock, entries, open_case
from chain_of_custody.people import Person
from chain_of_custody.verify import verify_case
from tests.chain_of_custody import attacks
from tests.chain_of_custody.test_people import public, write_key
from tests.chain_of_custody.test_threat_model import Scene, authorities, back_dated, no_witness, revoked_writes
from tests.chain_of_custody.test_verify_script import bare
from tests.conftest import needs

__all__ = ["authorities", "bare"]
pytestmark = needs("sh", "openssl", "sha256sum", "ssh-keygen")


@pytest.fixture
def scene(tmp_path, authorities, monkeypatch):
    from chain_of_custody import ledger

    monkeypatch.setattr(ledger, "_sync", lambda descriptor: None)
    return Scene(tmp_path, authorities)


def script(scene, bare, **more):
    return attacks.run_script(scene.path, environment={**bare, **more})


def test_the_scene_is_ok_and_what_is_not_judged_is_said(scene, bare):
    code, out = script(scene, bare)
    assert code == 0, out
    assert "not judged here: the authorities behind time stamps" in out
    assert "not judged here: the one canonical form of the JSON, rights of roles" in out
    assert "policy copies" not in out
    assert "OK, but for the 4 points above that are not judged here" in out
    code, out = script(scene, bare, TSA_ROOT=str(scene.tsa.root))
    assert code == 0, out
    assert "OK, but for the 3 points" in out


def test_a_time_stamp_by_another_authority(scene, bare):
    code, out = script(scene, bare, TSA_ROOT=str(scene.other_tsa.root))
    assert (code, "the time stamp does not verify" in out) == (1, True), out


def forget_revocation(scene):
    """Who holds a revoked key moves the end of its time in the list of keys."""
    with scene.open() as case:
        case.revoke_key("sato", clock.now().ts, "lost")
    file = scene.path / "allowed_signers"
    text = file.read_text(encoding="utf-8")
    start = text.index(',valid-before="') + len(',valid-before="')
    file.write_text(text[:start] + "2099" + text[start + 4 :], encoding="utf-8")


def another_revoked_key(scene):
    with scene.open() as case:
        case.revoke_key("sato", clock.now().ts, "lost")
    (scene.path / "revoked_keys").write_text(public(scene.keys["witness"]) + "\n", encoding="utf-8")


def altered_attachment(scene):
    with scene.open() as case:
        case.append("note", {}, details=b"phone")
    (file,) = (scene.path / "details").iterdir()
    file.write_bytes(file.read_bytes() + b" ")


@pytest.mark.parametrize(
    ("attack", "words"),
    [
        (no_witness, "lacks what the policy witness=required asks"),
        (revoked_writes, "written after its session expired"),
        (back_dated, "an entry after this time stamp claims an earlier time"),
        (forget_revocation, "allowed_signers is not what the ledger says"),
        (another_revoked_key, "revoked_keys is not what the ledger says"),
        (altered_attachment, "was altered"),
    ],
)
def test_ng_like_custody_verify(scene, bare, attack, words):
    attack(scene)
    assert verify_case(scene.path, tsa_roots=[scene.tsa.root]).verdict == "ng"
    code, out = script(scene, bare)
    assert (code, words in out) == (1, True), out


def waits_for_a_witness(scene):
    with scene.open() as case:
        scene.checkpoint(case, witness=False)


def not_yet_covered(scene):
    with scene.open() as case, case.action("image", {"image": "two.E01"}):
        pass


def work_in_doubt(scene):
    since = clock.now().ts
    with scene.open("sato") as stolen:
        stolen.append("note", {"text": "before"})
    with scene.open() as case:
        case.revoke_key("sato", since, "lost")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (waits_for_a_witness, "waiting for what the policy witness=required asks"),
        (not_yet_covered, "no checkpoint covers it yet (policy witness=required)"),
        (work_in_doubt, "to be checked, by a key that entry"),
    ],
)
def test_cannot_tell_like_custody_verify(scene, bare, change, words):
    change(scene)
    assert verify_case(scene.path, tsa_roots=[scene.tsa.root]).verdict == "unknown"
    code, out = script(scene, bare)
    assert (code, words in out) == (3, True), out


def test_people_who_come_change_keys_and_go(scene, bare, tmp_path):
    """Added, rotated and revoked keys: the script writes the same lists as hozen, at every step."""
    from chain_of_custody.signing import load_private_key

    tanaka, new = write_key(tmp_path / "tanaka"), write_key(tmp_path / "new")
    with scene.open() as case:
        case.add_person(Person("tanaka", entries.CUSTODIAN, public(tanaka), '"id":"x" }{', "A, Inc."))
    assert script(scene, bare)[0] == 0
    before = {name: (scene.path / name).read_bytes() for name in ("allowed_signers", "revoked_keys")}
    with open_case(scene.path, key=tanaka) as case:
        case.append("record.storage", {"where": "x"})
        case.rotate_key(load_private_key(new))
        case.append("record.storage", {"where": "y"})
    code, out = script(scene, bare)
    assert code == 0, out
    after = (scene.path / "allowed_signers").read_bytes()
    (scene.path / "allowed_signers").write_bytes(before["allowed_signers"])
    code, out = script(scene, bare)
    assert (code, "older than the newest key entry" in out) == (3, True), out
    (scene.path / "allowed_signers").write_bytes(after)
    with scene.open() as case:
        case.revoke_key("tanaka", clock.now().ts, "left")
        case.add_person(Person("tanaka", entries.CUSTODIAN, public(write_key(tmp_path / "third"))))
    assert verify_case(scene.path, tsa_roots=[scene.tsa.root]).verdict == "ok"
    code, out = script(scene, bare)
    assert code == 0, out


def test_policies_that_are_not_judged_are_named(tmp_path, bare):
    from chain_of_custody import init_case

    with init_case(tmp_path / "case", actor="a", policy={"copies": "2", "approve": "dispose"}):
        pass
    code, out = attacks.run_script(tmp_path / "case", environment=bare)
    assert code == 0, out
    for words in ("not judged here: policy copies", "not judged here: approvals by another person"):
        assert words in out
    assert "OK, but for the 4 points above that are not judged here" in out
    assert shutil.which("sh")
