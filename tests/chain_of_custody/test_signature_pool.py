"""Signatures verified in other processes: the same answers as here, whatever happens to the processes."""

import io
import os
import struct

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chain_of_custody import init_case, ledger, signature_pool, signature_worker
from chain_of_custody.signature_pool import Job, SignaturePool, failing
from chain_of_custody.verify import verify_case
from tests.chain_of_custody import attacks


def jobs(count, wrong=()):
    key = Ed25519PrivateKey.generate()
    raw = key.public_key().public_bytes_raw()
    return [
        Job(number, raw, key.sign(b"other" if number in wrong else b"%d" % number), b"%d" % number)
        for number in range(count)
    ]


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(signature_pool, "_INLINE", 0)


def test_wrong_signatures_are_found_in_processes(at_once):
    batches = [jobs(30, wrong={3, 29}), jobs(1), jobs(5, wrong={0}), []]
    with SignaturePool(2) as pool:
        futures = [pool.submit(batch) for batch in batches]
        assert [future.result() for future in futures] == [[3, 29], [], [0], []]
        assert len(pool._processes) in (1, 2)
    assert all(process.returncode is not None for process in pool._processes)


def test_few_signatures_start_no_process():
    with SignaturePool(2) as pool:
        assert pool.submit(jobs(5, wrong={1})).result() == [1]
        assert pool._processes == []


def test_a_killed_process_changes_no_verdict(at_once):
    with SignaturePool(2) as pool:
        assert pool.submit(jobs(3)).result() == []
        for process in pool._processes:
            process.kill()
            process.wait()
        for _ in range(4):
            assert pool.submit(jobs(20, wrong={7})).result() == [7]


def test_without_an_interpreter_to_start_all_is_verified_here(at_once, monkeypatch):
    monkeypatch.setattr(signature_pool.sys, "executable", "/nowhere/python")
    with SignaturePool(2) as pool:
        assert pool.submit(jobs(4, wrong={2})).result() == [2]


def test_a_process_that_says_no_is_asked_again_here(at_once, tmp_path, monkeypatch):
    liar = tmp_path / "liar.py"
    liar.write_text("import sys\nsys.stdin.buffer.read(104)\nsys.stdout.buffer.write(b'\\0')\nsys.stdout.flush()\n")
    monkeypatch.setattr(signature_worker, "__file__", str(liar))
    with SignaturePool(2) as pool:
        assert pool.submit([Job(1, *jobs(1)[0][1:])]).result() == []


def test_the_worker_answers_each_batch_until_its_input_ends():
    good, bad = jobs(2, wrong={1})
    data = b"".join(
        struct.pack(">I32s64sI", 1, job.key, job.signature, len(job.payload)) + job.payload for job in (good, bad)
    )
    answer = io.BytesIO()
    signature_worker.serve(io.BytesIO(data + data[:50]), answer)
    assert answer.getvalue() == b"\1\0"
    assert failing([good, bad]) == [1]


def test_an_edited_entry_of_a_long_ledger_is_named(tmp_path, at_once, monkeypatch):
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: None)
    with init_case(tmp_path / "case") as case:
        for number in range(30):
            case.append("note", {"n": str(number)})
    path = tmp_path / "case" / ledger.LEDGER_NAME
    assert verify_case(tmp_path / "case", processes=2).verdict == "ok"
    path.write_bytes(path.read_bytes().replace(b'{"n":"7"}', b'{"n":"8"}'))
    result = verify_case(tmp_path / "case", processes=2)
    assert [(one.code, one.seq) for one in result.findings] == [("signature", 9), ("chain", 10)]


@pytest.mark.parametrize(
    "attack", [None, *attacks.every().values()], ids=lambda attack: getattr(attack, "__name__", "-")
)
def test_one_process_and_two_find_the_same(case_path, at_once, attack):
    if attack is not None:
        attack(case_path)
    one, two = verify_case(case_path, processes=1).to_json(), verify_case(case_path, processes=2).to_json()
    assert one == two
    assert (one["verdict"] == "ok") == (attack is None)
