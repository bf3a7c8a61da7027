import json

import pytest

from chain_of_custody import entries, init_case, open_case
from chain_of_custody.people import Person
from chain_of_custody.reading import read_entries
from chain_of_custody.verify import verify_case
from tests.chain_of_custody.test_cli import custody
from tests.chain_of_custody.test_people import public, write_key


@pytest.fixture
def keys(tmp_path):
    return {name: write_key(tmp_path / name) for name in ("yamada", "sato", "suzuki")}


@pytest.fixture
def case_dir(tmp_path, keys):
    path = tmp_path / "case"
    with init_case(path, key=keys["yamada"], actor="yamada") as case:
        case.add_person(Person("sato", entries.RECIPIENT, public(keys["sato"])))
        case.add_person(Person("suzuki", entries.WITNESS, public(keys["suzuki"])))
    return path


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "disk 123456789018.E01"
    path.write_bytes(b"content" * 1000)
    return path


def offer(case_dir, keys, image):
    code, out, err = custody(
        "transfer",
        "offer",
        "--to",
        "sato",
        "--reason",
        "鑑定",
        "--file",
        image,
        "--item",
        "PC-1",
        "--key",
        keys["yamada"],
        "--case",
        case_dir,
        "--json",
    )
    assert code == 0, err
    return json.loads(out)["entry"]


def codes(path):
    return {(finding.severity, finding.code) for finding in verify_case(path).findings}


def test_both_sign_and_the_recipient_keeps_a_copy(case_dir, keys, image, tmp_path):
    number = offer(case_dir, keys, image)
    assert codes(case_dir) == {("note", "no_answer")}
    arrived = tmp_path / "usb"
    arrived.mkdir()
    (arrived / "renamed.E01").write_bytes(image.read_bytes())
    (arrived / "other").write_bytes(b"x" * 7000)
    kept = tmp_path / "kept"
    code, out, err = custody(
        "transfer", "accept", number, "--dir", arrived, "--keep", kept, "--key", keys["sato"], "--case", case_dir
    )
    assert code == 0, err
    assert "1 hashes equal" in out
    (checkpoint,) = kept.glob("*.txt")
    assert custody("cosign", case_dir / "checkpoints" / checkpoint.name, "--key", keys["yamada"])[0] == 0
    result = verify_case(case_dir, against=checkpoint)
    assert (result.verdict, result.findings) == ("ok", [])
    assert {who for who, _ in result.checkpoints[-1].signers} == {"sato", "yamada"}
    accepted = next(entry for entry in read_entries(case_dir) if entry.type == "transfer.accept")
    offered = next(entry for entry in read_entries(case_dir) if entry.type == "transfer.offer")
    assert accepted.inputs == offered.outputs
    assert offered.body["files"][0]["name"] == "disk ********9018.E01"
    assert custody("transfer", "accept", number, "--dir", arrived, "--key", keys["sato"], "--case", case_dir)[0] == 2


def test_what_differs_is_not_accepted_and_can_be_refused(case_dir, keys, image, tmp_path):
    number = offer(case_dir, keys, image)
    before = (case_dir / "ledger.jsonl").read_bytes()
    image.write_bytes(b"c0ntent" * 1000)
    code, _out, err = custody("transfer", "accept", number, "--file", image, "--key", keys["sato"], "--case", case_dir)
    assert code == 1
    assert "not found as offered" in err
    assert (case_dir / "ledger.jsonl").read_bytes() == before
    assert (
        custody("transfer", "refuse", number, "--why", "ハッシュ不一致", "--key", keys["sato"], "--case", case_dir)[0]
        == 0
    )
    assert codes(case_dir) == set()


def test_only_the_one_to_whom_it_is_offered_answers(case_dir, keys, image):
    number = offer(case_dir, keys, image)
    for command in ("accept", "refuse"):
        more = ["--why", "x"] if command == "refuse" else []
        code, _out, err = custody("transfer", command, number, *more, "--key", keys["yamada"], "--case", case_dir)
        assert code == 2
        assert "made to sato" in err
    assert custody("transfer", "accept", 1, "--key", keys["sato"], "--case", case_dir)[0] == 2


def test_offers_that_make_no_sense(case_dir, keys, image):
    for arguments in [("--to", "nobody"), ("--to", "yamada")]:
        assert (
            custody(
                "transfer",
                "offer",
                *arguments,
                "--reason",
                "x",
                "--file",
                image,
                "--key",
                keys["yamada"],
                "--case",
                case_dir,
            )[0]
            == 2
        )
    assert (
        custody("transfer", "offer", "--to", "sato", "--reason", "x", "--key", keys["yamada"], "--case", case_dir)[0]
        == 2
    )
    assert (
        custody(
            "transfer",
            "offer",
            "--to",
            "sato",
            "--reason",
            "x",
            "--file",
            "none",
            "--key",
            keys["yamada"],
            "--case",
            case_dir,
        )[0]
        == 2
    )
    assert (
        custody(
            "transfer",
            "offer",
            "--to",
            "sato",
            "--reason",
            "x",
            "--file",
            image,
            "--key",
            keys["suzuki"],
            "--case",
            case_dir,
        )[0]
        == 2
    )


@pytest.mark.parametrize("forged", ["other files", "other person", "no offer"])
def test_forged_answers_are_ng(case_dir, keys, image, forged):
    number = offer(case_dir, keys, image)
    who = "yamada" if forged == "other person" else "sato"
    offered = next(entry for entry in read_entries(case_dir) if entry.type == "transfer.offer")
    inputs = [entries.FileHash("00" * 32, 1)] if forged == "other files" else offered.outputs
    with open_case(case_dir, key=keys[who]) as case:
        case.append("transfer.accept", {"offer": 1 if forged == "no offer" else number}, inputs=inputs)
    assert ("ng", "transfer") in codes(case_dir)


def test_gaps_of_custody_and_their_explanation(case_dir, keys, monkeypatch):
    from datetime import timedelta

    from chain_of_custody import clock

    real = clock.now

    def later(days):
        def now():
            reading = real()
            step = timedelta(days=days)
            ns = days * 86400 * 10**9
            ts = (entries.moment_of(reading.ts) + step).isoformat(timespec="microseconds")
            return clock.Reading(ts, reading.time_ns + ns, reading.mono_ns + ns, reading.boot)

        return now

    with open_case(case_dir, key=keys["yamada"]) as case:
        case.append("record.storage", {"direction": "out", "place": "A", "who": "x"}, item="PC-1", src="typed")
    monkeypatch.setattr(clock, "now", later(3))
    with open_case(case_dir, key=keys["yamada"]) as case:
        case.append("record.storage", {"direction": "in", "place": "A", "who": "x"}, item="PC-1", src="typed")
    assert ("note", "gap") in codes(case_dir)
    with open_case(case_dir, key=keys["yamada"]) as case:
        case.append(
            "record.custody",
            {
                "since": "2020-01-01T00:00:00.000000+09:00",
                "until": "2099-01-01T00:00:00.000000+09:00",
                "explanation": "出張中",
            },
            src="typed",
        )
    assert ("note", "gap") not in codes(case_dir)
