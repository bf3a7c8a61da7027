"""Bytes of a case of 200 entries, flipped one at a time: verification must notice each.

All files that verification claims to cover are tried: ledger, head, checkpoints, signatures, keys, details, files,
recovered bytes, verify.sh. By default a sample spread over every file; HOZEN_MUTATE_ALL=1 tries every single byte.
"""

import os

import pytest

from chain_of_custody import checkpoints, clock, entries, init_case, open_case
from chain_of_custody.people import Person
from chain_of_custody.verify import verify_case
from tests.chain_of_custody.test_people import public, write_key

SAMPLE = 12
COVERED = (
    "ledger.jsonl",
    "head",
    "allowed_signers",
    "revoked_keys",
    "verify.sh",
    "checkpoints",
    "details",
    "attachments",
    "recovered",
)


@pytest.fixture
def case_dir(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: None)
    keys = {name: write_key(tmp_path / name) for name in ("witness", "sato")}
    path = tmp_path / "case"
    with init_case(path, actor="yamada") as case:
        case.add_person(Person("suzuki", entries.WITNESS, public(keys["witness"]), "鈴木"))
        case.add_person(Person("sato", entries.OPERATOR, public(keys["sato"])))
    with (path / "ledger.jsonl").open("ab") as file:
        file.write(b'{"torn')
    with open_case(path) as case:
        case.append("note", {}, details="電話".encode())
        from chain_of_custody import records

        (tmp_path / "photo").write_bytes(b"picture" * 10)
        hashes, names = records.attach(path, [tmp_path / "photo"])
        case.append("record.photo", {"what": "x", "files": names}, outputs=hashes, src="typed")
        made, _entry = checkpoints.make(case)
    with open_case(path, key=keys["witness"]) as case:
        checkpoints.attach(case, made, "suzuki", checkpoints.cosign(made, case.signer, None))
    with open_case(path) as case:
        case.revoke_key("sato", clock.now().ts, "lost")
        while case.append("note", {"text": "項"}).seq < 198:
            pass
    result = verify_case(path)
    assert (result.verdict, result.entry_count) == ("ok", 199)
    return path


def files_of(case_dir):
    for name in COVERED:
        path = case_dir / name
        yield from sorted(path.iterdir()) if path.is_dir() else [path]


def test_every_flipped_byte_is_noticed(case_dir):
    every = os.environ.get("HOZEN_MUTATE_ALL") == "1"
    undetected = []
    tried = 0
    for path in files_of(case_dir):
        good = path.read_bytes()
        step = 1 if every else max(1, len(good) // SAMPLE)
        # The last byte of a file is tried always: it ends the part that hashes and signatures cover.
        for position in sorted({*range(0, len(good), step), len(good) - 1}) if good else []:
            bit = 1 << (position % 8)
            path.write_bytes(good[:position] + bytes([good[position] ^ bit]) + good[position + 1 :])
            tried += 1
            if verify_case(case_dir, processes=1).verdict == "ok":
                undetected.append((path.name, position))
        path.write_bytes(good)
    assert undetected == []
    assert tried > 100
    assert verify_case(case_dir).verdict == "ok"
