import base64
import json
import shutil
import subprocess

import pytest

from chain_of_custody import checkpoints, entries, init_case, merkle, open_case, signing
from chain_of_custody.entries import FileHash
from chain_of_custody.errors import UsageError, VerificationError
from chain_of_custody.people import Person
from chain_of_custody.verify import verify_case
from tests.chain_of_custody import attacks
from tests.chain_of_custody.test_cli import custody
from tests.chain_of_custody.test_people import public, write_key
from tests.conftest import needs


@pytest.fixture
def keys(tmp_path):
    return {name: write_key(tmp_path / name) for name in ("operator", "witness", "stranger")}


def new_case(path, keys, **policy):
    with init_case(path, key=keys["operator"], actor="yamada", policy=policy) as case:
        case.add_person(Person("suzuki@law.example", entries.WITNESS, public(keys["witness"])))
        case.append("note", {"text": "x"})
    return path


@pytest.fixture
def case_dir(tmp_path, keys):
    return new_case(tmp_path / "case", keys)


def make(path, keys):
    with open_case(path, key=keys["operator"]) as case:
        made, _entry = checkpoints.make(case)
    return made, path / "checkpoints" / f"{made.stem}.txt"


def codes(path, **arguments):
    return {(finding.severity, finding.code) for finding in verify_case(path, **arguments).findings}


def test_a_checkpoint_is_three_lines_and_an_ssh_signature(case_dir, keys, tmp_path):
    made, path = make(case_dir, keys)
    lines = attacks.lines_of(case_dir)
    root = merkle.root_of([merkle.leaf_hash(line) for line in lines[: made.size]])
    origin = json.loads(lines[0].split(b"\t")[0])["body"]["origin"]
    assert path.read_text() == f"{origin}\n{made.size}\n{base64.b64encode(root).decode()}\n"
    assert path.name == f"{made.size:09d}.txt"
    assert verify_case(case_dir).checkpoints[0].signers == [("yamada", "作業者")]
    assert verify_case(case_dir).verdict == "ok"
    assert attacks.run_script(case_dir)[0] == 0


@needs("ssh-keygen")
def test_ssh_keygen_verifies_the_signature(case_dir, keys):
    _made, path = make(case_dir, keys)
    done = subprocess.run(
        [
            "ssh-keygen",
            "-Y",
            "verify",
            "-f",
            case_dir / "allowed_signers",
            "-I",
            "yamada",
            "-n",
            "custody-checkpoint",
            "-s",
            path.with_suffix(".yamada.sig"),
        ],
        input=path.read_bytes(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_witness_in_the_folder(case_dir, keys, monkeypatch, tmp_path):
    made, path = make(case_dir, keys)
    code, _out, err = custody("cosign", path, "--key", keys["witness"])
    assert code == 0, err
    state = verify_case(case_dir).checkpoints[0]
    assert state.signers == [("yamada", "作業者"), ("suzuki@law.example", "立会人")]
    assert checkpoints.remembered(made.origin) == made
    assert custody("cosign", path, "--key", keys["witness"])[0] == 2  # signed already


def test_a_witness_on_another_machine(case_dir, keys, monkeypatch, tmp_path):
    first, path = make(case_dir, keys)
    away = tmp_path / "away"
    away.mkdir()
    shutil.copy(path, away)
    sent = away / path.name
    assert custody("cosign", sent, "--key", keys["witness"])[0] == 2  # where to?
    code, _out, err = custody("cosign", sent, "--key", keys["witness"], "--out", away / "s.sig", "--json")
    assert code == 0, err
    code, _out, err = custody("cosign", path, "--attach", away / "s.sig", "--key", keys["operator"])
    assert code == 0, err
    assert verify_case(case_dir).checkpoints[0].signers[1] == ("suzuki@law.example", "立会人")
    # The next one is only signed with a proof that it continues this one.
    second, path2 = make(case_dir, keys)
    shutil.copy(path2, away)
    code, _out, err = custody("cosign", away / path2.name, "--key", keys["witness"], "--out", away / "t.sig")
    assert code == 2
    assert f"--from {first.size}" in err
    assert custody("prove", "--from", first.size, "--out", away / "proof", "--case", case_dir)[0] == 0
    assert (
        custody(
            "cosign", away / path2.name, "--key", keys["witness"], "--out", away / "t.sig", "--proof", away / "proof"
        )[0]
        == 0
    )
    assert checkpoints.remembered(first.origin) == second
    # Back to the first: a rollback.
    code, _out, err = custody("cosign", sent, "--key", keys["witness"], "--out", away / "u.sig")
    assert code == 1
    assert "rolled back" in err
    assert not (away / "u.sig").exists()


def test_a_rewritten_past_is_not_signed(case_dir, keys, tmp_path):
    _made, path = make(case_dir, keys)
    copy = tmp_path / "copy"
    shutil.copytree(case_dir, copy)
    with open_case(case_dir, key=keys["operator"]) as case:
        case.append("note", {"text": "one"})
    first, path = make(case_dir, keys)
    assert custody("cosign", path, "--key", keys["witness"])[0] == 0
    with open_case(copy, key=keys["operator"]) as case:
        for text in "abcdefghij":
            case.append("note", {"text": text})
    _other, other_path = make(copy, keys)
    code, _out, err = custody("cosign", other_path, "--key", keys["witness"])
    assert code == 1
    assert f"the first {first.size} entries are not those that were signed before" in err
    forged = tmp_path / "forged.txt"
    forged.write_text(checkpoints.consistency_text(checkpoints.leaves_of(copy), first.size, _other.size))
    shutil.copy(other_path, tmp_path / "sent.txt")
    assert (
        custody("cosign", tmp_path / "sent.txt", "--key", keys["witness"], "--out", tmp_path / "x", "--proof", forged)[
            0
        ]
        == 1
    )


def test_signatures_of_strangers_and_of_other_checkpoints_are_not_kept(case_dir, keys, tmp_path):
    _made, path = make(case_dir, keys)
    _second, path2 = make(case_dir, keys)
    for name, target, code in [("stranger", path, 5), ("witness", path2, 1)]:
        armored = signing.load_private_key(keys[name]).sign(path.read_bytes(), signing.CHECKPOINT_NAMESPACE)
        (tmp_path / "s.sig").write_text(armored)
        assert custody("cosign", target, "--attach", tmp_path / "s.sig", "--key", keys["operator"])[0] == code
    (tmp_path / "s.sig").write_text("rubbish")
    assert custody("cosign", path, "--attach", tmp_path / "s.sig", "--key", keys["operator"])[0] == 2
    assert verify_case(case_dir).verdict == "ok"


def test_memory_that_cannot_be_read_signs_nothing(case_dir, keys):
    made, _path = make(case_dir, keys)
    checkpoints.remember(made)
    checkpoints._memory_path(made.origin).write_text("{")
    with pytest.raises(UsageError, match="cannot read what was signed last"):
        checkpoints.remembered(made.origin)


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda path: path.write_bytes(path.read_bytes().replace(b"\n", b" \n", 1)), "checkpoint"),
        (lambda path: path.unlink(), "checkpoint"),
        (lambda path: path.with_suffix(".yamada.sig").unlink(), "cosigned"),
        (
            lambda path: path.with_suffix(".yamada.sig").write_text(path.with_suffix(".yamada.sig").read_text() + "\n"),
            "cosigned",
        ),
    ],
)
def test_what_was_recorded_and_is_altered_or_gone_is_ng(case_dir, keys, damage, code):
    _made, path = make(case_dir, keys)
    assert attacks.run_script(case_dir)[0] == 0
    damage(path)
    assert ("ng", code) in codes(case_dir)
    assert attacks.run_script(case_dir)[0] == 1


def test_a_checkpoint_of_another_root_is_ng(case_dir, keys):
    with open_case(case_dir, key=keys["operator"]) as case:
        wrong = checkpoints.Checkpoint(checkpoints.origin_of(case.first), 2, bytes(32))
        (case_dir / "checkpoints").mkdir()
        (case_dir / "checkpoints" / f"{wrong.stem}.txt").write_bytes(wrong.to_bytes())
        import hashlib

        case.append(
            "checkpoint",
            {
                "size": "2",
                "root": base64.b64encode(wrong.root).decode(),
                "sha256": hashlib.sha256(wrong.to_bytes()).hexdigest(),
            },
        )
        case.append("checkpoint", {"size": "99", "root": "x", "sha256": "x"})
    assert sum(finding.code == "checkpoint" for finding in verify_case(case_dir).findings) == 2
    code, output = attacks.run_script(case_dir)
    assert code == 1
    assert "the first 2 lines are not those of the checkpoint" in output


def test_the_witness_policy(tmp_path, keys):
    path = new_case(tmp_path / "strict", keys, witness="required")
    assert verify_case(path).verdict == "ok"
    _first, file = make(path, keys)
    result = verify_case(path)
    assert (result.verdict, result.findings[0].code) == ("unknown", "waiting")
    make(path, keys)
    assert ("ng", "witness") in codes(path)
    assert custody("cosign", file, "--key", keys["witness"])[0] == 0
    assert {code for severity, code in codes(path) if severity == "ng"} == set()


# --- against ----------------------------------------------------------------------------------------------------------


def test_against_what_was_kept(case_dir, keys, tmp_path):
    made, path = make(case_dir, keys)
    kept = tmp_path / "kept"
    shutil.copytree(path.parent, kept)
    fingerprint = verify_case(case_dir).fingerprint
    assert codes(case_dir, against=fingerprint) == set()
    assert codes(case_dir, against=kept / path.name) == set()
    assert ("ng", "against") in codes(case_dir, against="0" * 64)
    with open_case(case_dir, key=keys["operator"]) as case:
        case.append("note", {})
    assert codes(case_dir, against=kept / path.name) == set()
    code, out, _err = custody("verify", case_dir, "--against", kept / path.name)
    assert code == 0
    assert f"checkpoint: {made.size} entries" in out
    with pytest.raises(UsageError):
        verify_case(case_dir, against=tmp_path / "none.txt")
    (kept / path.with_suffix(".yamada.sig").name).unlink()
    assert ("note", "unsigned") in codes(case_dir, against=kept / path.name)


def test_a_folder_rolled_back_whole_is_seen_from_outside_only(case_dir, keys, tmp_path):
    old = tmp_path / "old"
    shutil.copytree(case_dir, old)
    with open_case(case_dir, key=keys["operator"]) as case:
        case.append("note", {"text": "inconvenient"})
    _made, path = make(case_dir, keys)
    assert verify_case(old).verdict == "ok"
    assert ("ng", "rollback") in codes(old, against=path)


def test_rewriting_after_a_shared_checkpoint_is_seen(case_dir, keys, tmp_path):
    fork = tmp_path / "fork"
    shutil.copytree(case_dir, fork)
    with open_case(case_dir, key=keys["operator"]) as case:
        case.append("note", {"text": "inconvenient"})
    _made, path = make(case_dir, keys)
    with open_case(fork, key=keys["operator"]) as case:
        for text in "abcdef":
            case.append("note", {"text": text})
    assert verify_case(fork).verdict == "ok"
    assert ("ng", "rewritten") in codes(fork, against=path)
    other = new_case(tmp_path / "other", keys)
    assert ("ng", "against") in codes(other, against=path)


def test_a_kept_checkpoint_with_a_forged_signature(case_dir, keys, tmp_path):
    _made, path = make(case_dir, keys)
    kept = tmp_path / "kept"
    shutil.copytree(path.parent, kept)
    (kept / path.name).with_suffix(".yamada.sig").write_text(
        signing.load_private_key(keys["stranger"]).sign(path.read_bytes(), signing.CHECKPOINT_NAMESPACE)
    )
    assert ("ng", "against") in codes(case_dir, against=kept / path.name)


# --- images -----------------------------------------------------------------------------------------------------------


def test_images_are_hashed_again(case_dir, keys, tmp_path):
    import hashlib

    store = tmp_path / "store"
    store.mkdir()
    image = store / "disk.E01"
    image.write_bytes(b"image content")
    with open_case(case_dir, key=keys["operator"]) as case, case.action("image", {"path": str(image)}) as action:
        action.set_result(
            {"segments": ["disk.E01"]}, outputs=[FileHash(hashlib.sha256(b"image content").hexdigest(), 13)]
        )
    assert codes(case_dir, images=[store]) == set()
    assert verify_case(case_dir, images=[store]).hashed_files == 1
    assert "1 files" in custody("verify", case_dir, "--images", store)[1]
    image.write_bytes(b"image c0ntent")
    assert ("ng", "image") in codes(case_dir, images=[store])
    image.write_bytes(b"another length")
    assert ("ng", "image") in codes(case_dir, images=[store])
    image.unlink()
    result = verify_case(case_dir, images=[store])
    assert (result.verdict, {finding.code for finding in result.findings}) == ("unknown", {"image_missing"})
    assert custody("verify", case_dir, "--images", tmp_path / "none")[0] == 2


# --- proofs of one entry ----------------------------------------------------------------------------------------------


@needs("sh", "openssl", "ssh-keygen")
def test_one_entry_is_proven_without_the_others(case_dir, keys, tmp_path):
    assert custody("prove", "3", "--case", case_dir)[0] == 2  # no checkpoint yet
    with open_case(case_dir, key=keys["operator"]) as case:
        for number in range(9):
            case.append("note", {"n": str(number)})
    made, path = make(case_dir, keys)
    custody("cosign", path, "--key", keys["witness"])
    for number in range(1, made.size + 1):
        target = tmp_path / f"p{number}"
        code, _out, err = custody("prove", number, "--out", target, "--case", case_dir)
        assert code == 0, err
        done = subprocess.run(["sh", target / "verify-entry.sh"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "suzuki@law.example" in done.stdout
        assert (target / "line").read_bytes() == attacks.lines_of(case_dir)[number - 1]
    for name, damage in [
        ("line", b"x"),
        ("checkpoint.txt", b"x"),
        ("yamada.sig", (b"AAAA", b"AAAB", 1)),
        ("path", b"L AAAA\n"),
    ]:
        broken = tmp_path / f"broken-{name}"
        shutil.copytree(tmp_path / "p5", broken)
        content = (broken / name).read_bytes()
        (broken / name).write_bytes(content.replace(*damage) if isinstance(damage, tuple) else content + damage)
        done = subprocess.run(["sh", broken / "verify-entry.sh"], capture_output=True, check=False)
        assert done.returncode == 1, name
    for signature in (tmp_path / "p5").glob("*.sig"):
        signature.unlink()
    assert subprocess.run(["sh", tmp_path / "p5" / "verify-entry.sh"], capture_output=True, check=False).returncode == 3
    assert custody("prove", made.size + 1, "--case", case_dir, "--out", tmp_path / "q")[0] == 2
    assert custody("prove", "1", "--case", case_dir, "--out", tmp_path / "p1")[0] == 5
    assert custody("prove", "--case", case_dir)[0] == 2


def test_consistency_files_have_one_form(case_dir, keys):
    leaves = [merkle.leaf_hash(str(n).encode()) for n in range(9)]
    text = checkpoints.consistency_text(leaves, 3, 9)
    assert checkpoints.parse_consistency(text, 3, 9) == merkle.consistency_proof(leaves, 3)
    for bad in ["", text.replace("3 9", "4 9"), text + "!!\n", text + "AAAA\n"]:
        with pytest.raises(UsageError):
            checkpoints.parse_consistency(bad, 3, 9)
    with pytest.raises(VerificationError):
        checkpoints.check_consistent(checkpoints.Checkpoint("o", 5, b"x"), checkpoints.Checkpoint("o", 4, b"y"), [])


def test_checkpoints_of_other_forms_are_refused():
    good = checkpoints.Checkpoint("o/x", 12, bytes(32)).to_bytes()
    assert checkpoints.parse(good).size == 12
    for bad in [
        good + b"extension\n",
        good[:-1],
        good.replace(b"12", b"012"),
        good.replace(b"o/x", b""),
        good.replace(b"=", b""),
        b"\xff" + good,
    ]:
        with pytest.raises(ValueError):  # noqa: PT011 - any kind of it
            checkpoints.parse(bad)


@needs("sh", "openssl", "ssh-keygen")
def test_the_script_computes_every_root(case_dir, keys):
    for _ in range(5):
        with open_case(case_dir, key=keys["operator"]) as case:
            case.append("note", {"text": "項"})
        _made, path = make(case_dir, keys)
        assert custody("cosign", path, "--key", keys["witness"])[0] == 0
    code, output = attacks.run_script(case_dir)
    assert code == 0, output
    # A signature by a stranger, recorded as that of the witness.
    armored = signing.load_private_key(keys["stranger"]).sign(path.read_bytes(), signing.CHECKPOINT_NAMESPACE)
    import hashlib

    target = case_dir / "checkpoints" / path.name.replace(".txt", ".x.sig")
    target.write_text(armored)
    with open_case(case_dir, key=keys["operator"]) as case:
        size = str(int(path.stem))
        case.append(
            "cosigned",
            {"size": size, "who": "suzuki@law.example", "sha256": hashlib.sha256(armored.encode()).hexdigest()},
        )
    assert ("ng", "cosigned") in codes(case_dir)
    assert attacks.run_script(case_dir)[0] == 1
