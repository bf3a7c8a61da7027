"""Bytes of a case of 200 entries, flipped one at a time: verification must notice each.

All files that verification claims to cover are tried: ledger, head, checkpoints, signatures, time stamps with what is kept
beside them, keys, details, files, recovered bytes, the ledger of a branch, verify.sh. By default a sample spread over every
file; HOZEN_MUTATE_ALL=1 tries every single byte, in processes, and prints the count for each file (`pytest -s -n 0`). Where
HOZEN_MUTATE_STATE names a folder, a run that was broken off goes on where it stopped, as long as the program is the same.

Each flip goes through `verify_case` on the changed folder. Two things make that affordable, and neither can hide a flip:
functions that depend on nothing but the bytes they are given are remembered, and a verification ends at its first finding
that is no remark, after which its verdict cannot become OK any more (`test_no_later_finding_makes_a_verdict_ok`).
"""

import collections
import contextlib
import functools
import json
import multiprocessing
import os
import shutil
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from unittest import mock

import pytest

from chain_of_custody import (
    bundles,
    checkpoints,
    clock,
    entries,
    init_case,
    open_case,
    receipts,
    records,
    signature_pool,
    signing,
    timestamps,
    tool_identity,
    verify,
)
from chain_of_custody.people import Person
from chain_of_custody.verify import verify_case
from tests.chain_of_custody.test_people import public, write_key
from tests.chain_of_custody.test_timestamps import Authority
from tests.conftest import needs

pytestmark = needs("openssl")

SAMPLE = 12
ENTRIES = 200
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
    "branches",
)
MERGED_ALONGSIDE = "branches"
"""Of a branch, verification covers its ledger."""


def build(folder):
    """A case with everything that verification covers, and the certificate of the authority that stamped it."""
    keys = {name: write_key(folder / name) for name in ("witness", "sato", "owner")}
    authority = Authority(folder / "authority")
    path = folder / "case"
    with init_case(path, actor="yamada") as case:
        case.add_person(Person("suzuki", entries.WITNESS, public(keys["witness"]), "鈴木"))
        case.add_person(Person("sato", entries.OPERATOR, public(keys["sato"])))
    other = folder / "other"
    shutil.copytree(path, other)
    with open_case(other) as case:
        case.append("note", {"text": "other branch"})
    with (path / "ledger.jsonl").open("ab") as file:
        file.write(b'{"torn')
    with open_case(path) as case:
        case.append("note", {}, details="電話".encode())
        (folder / "photo").write_bytes(b"picture" * 10)
        hashes, names = records.attach(path, [folder / "photo"])
        case.append("record.photo", {"what": "x", "files": names}, outputs=hashes, src="typed")
        bundles.merge(case, other)
        receipt = receipts.draft(case, item="PC-1", what="PC", to="山田", at=clock.now().ts)
        (folder / "receipt").write_bytes(receipt.to_bytes())
        owner = signing.load_private_key(keys["owner"])
        (folder / "sig").write_text(owner.sign(receipt.to_bytes(), receipts.NAMESPACE))
        (folder / "owner.pub").write_text(public(keys["owner"]))
        receipts.keep(
            case,
            folder / "receipt",
            signature=folder / "sig",
            owner_key=folder / "owner.pub",
            now_ns=clock.now().time_ns,
        )
        made, _entry = checkpoints.make(case)
        response = authority.reply(timestamps.query(made.to_bytes()))
        timestamps.attach(case, path / "checkpoints" / f"{made.stem}.txt", response, [authority.root], {})
    with open_case(path, key=keys["witness"]) as case:
        checkpoints.attach(case, made, "suzuki", checkpoints.cosign(made, case.signer, None))
    with open_case(path) as case:
        case.revoke_key("sato", clock.now().ts, "lost")
        while case.append("note", {"text": "項"}).seq < ENTRIES - 1:
            pass
    result = verify_case(path, tsa_roots=[authority.root])
    assert (result.verdict, result.entry_count) == ("ok", ENTRIES), result.findings
    return path, authority.root


@pytest.fixture
def case_and_root(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: None)
    return build(tmp_path)


def files_of(case_dir):
    for name in COVERED:
        path = case_dir / name
        if name == MERGED_ALONGSIDE:
            yield from sorted(path.glob("*/ledger.jsonl"))
        else:
            yield from sorted(path.iterdir()) if path.is_dir() else [path]


@contextlib.contextmanager
def remembering():
    """Results of pure functions are kept: what one flip does not change need not be computed again."""
    plain_token, plain_failing = timestamps.verify_token, signature_pool.failing
    token = functools.cache(lambda response, message, roots: plain_token(response, message, list(roots)))
    fits = functools.cache(lambda *job: not plain_failing([signature_pool.Job(0, *job)]))

    def failing(batch):
        return [job.seq for job in batch if not fits(job.key, job.signature, job.payload)]

    with (
        mock.patch.object(entries, "parse_line", functools.lru_cache(4096)(entries.parse_line)),
        mock.patch.object(signing, "verify", functools.lru_cache(4096)(signing.verify)),
        mock.patch.object(signature_pool, "failing", failing),
        mock.patch.object(verify, "failing", failing),
        mock.patch.object(
            timestamps, "verify_token", lambda response, message, roots: token(response, message, tuple(roots))
        ),
    ):
        yield


class _NoticedError(Exception):
    """The verdict can no longer be OK."""


def _add_until_noticed(result, severity, *rest):
    PLAIN_ADD(result, severity, *rest)
    if severity != "note":
        raise _NoticedError


PLAIN_ADD = verify.Verification.add


def is_noticed(case_dir, root):
    """Whether verification says anything but OK, asked until it first does."""
    try:
        with mock.patch.object(verify.Verification, "add", _add_until_noticed):
            return verify_case(case_dir, processes=1, tsa_roots=[root]).verdict != "ok"
    except _NoticedError:
        return True


def flip(case_dir, root, chosen):
    """The chosen (file, position) whose flip verification does not notice."""
    undetected = []
    with remembering():
        assert not is_noticed(case_dir, root)
        for name, position in chosen:
            with (case_dir / name).open("r+b", buffering=0) as file:
                file.seek(position)
                good = file.read(1)
                file.seek(position)
                file.write(bytes([good[0] ^ 1 << position % 8]))
                if not is_noticed(case_dir, root):
                    undetected.append((name, position))
                file.seek(position)
                file.write(good)
        assert verify_case(case_dir, processes=1, tsa_roots=[root]).verdict == "ok"
    return undetected


def positions_of(case_dir, *, every):
    """(file, position) of the bytes to flip, file by file."""
    for path in files_of(case_dir):
        size = path.stat().st_size
        step = 1 if every else max(1, size // SAMPLE)
        # The last byte of a file is tried always: it ends the part that hashes and signatures cover.
        positions = sorted({*range(0, size, step), size - 1}) if size else []
        for position in positions:
            yield path.relative_to(case_dir).as_posix(), position


def test_every_flipped_byte_is_noticed(case_and_root):
    case_dir, root = case_and_root
    chosen = list(positions_of(case_dir, every=False))
    assert {name.partition("/")[0] for name, _ in chosen} == set(COVERED)
    assert len(chosen) > 150
    assert flip(case_dir, root, chosen) == []


def test_a_flip_is_judged_by_the_whole_verification(case_and_root):
    """What is skipped after the first finding, and what is remembered, changes no judgement."""
    case_dir, root = case_and_root
    for name, position in list(positions_of(case_dir, every=False))[::7]:
        data = (case_dir / name).read_bytes()
        (case_dir / name).write_bytes(
            data[:position] + bytes([data[position] ^ 1 << position % 8]) + data[position + 1 :]
        )
        with remembering():
            noticed = is_noticed(case_dir, root)
        assert noticed == (verify_case(case_dir, processes=1, tsa_roots=[root]).verdict != "ok")
        (case_dir / name).write_bytes(data)


@pytest.mark.parametrize("severity", ["ng", "unknown"])
def test_no_later_finding_makes_a_verdict_ok(severity):
    result = verify.Verification(Path("case"), entry_count=1)
    assert result.verdict == "ok"
    result.add(severity, "x", None, "x", "x")
    for later in ("note", "unknown", "ng"):
        assert result.verdict != "ok"
        result.add(later, "x", None, "x", "x")
    assert result.verdict == "ng"


# --- every byte -------------------------------------------------------------------------------------------------------

SHARD = 500


def flip_shards(case_dir, root, state, start, step):
    """Every `step`-th shard from `start`; each leaves a file in `state` that says what was flipped and not noticed."""
    chosen = list(positions_of(case_dir, every=True))
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "case"
        shutil.copytree(case_dir, copy)
        for number in range(start, -(-len(chosen) // SHARD), step):
            done = state / f"{number:05d}.json"
            if done.exists():
                continue
            shard = chosen[number * SHARD : (number + 1) * SHARD]
            counts = collections.Counter(name for name, _ in shard)
            part = done.with_suffix(".part")
            part.write_text(json.dumps({"flipped": counts, "undetected": flip(copy, root, shard)}), encoding="utf-8")
            part.replace(done)


@pytest.mark.skipif(os.environ.get("HOZEN_MUTATE_ALL") != "1", reason="minutes; HOZEN_MUTATE_ALL=1 runs it")
def test_every_single_byte(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: None)
    state = Path(os.environ.get("HOZEN_MUTATE_STATE") or tmp_path / "state") / tool_identity.package_sha256()[:16]
    built = state / "built"
    if not (built / "root").exists():
        shutil.rmtree(state, ignore_errors=True)
        built.mkdir(parents=True)
        _case_dir, certificate = build(built)
        (built / "root").write_text(str(certificate), encoding="utf-8")
    case_dir, root = built / "case", Path((built / "root").read_text(encoding="utf-8"))
    count = os.cpu_count() or 1
    with ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn")) as pool:
        for share in [pool.submit(flip_shards, case_dir, root, state, start, count) for start in range(count)]:
            share.result()
    flipped, undetected = collections.Counter(), []
    for done in sorted(state.glob("*.json")):
        report = json.loads(done.read_text(encoding="utf-8"))
        flipped.update(report["flipped"])
        undetected += report["undetected"]
    print()
    for name, number in flipped.items():
        missed = sum(one == name for one, _ in undetected)
        print(f"{number:8d} bytes flipped, {missed} undetected: {name}")
    print(f"{flipped.total():8d} bytes flipped, {len(undetected)} undetected, in {len(flipped)} files")
    sizes = {path.relative_to(case_dir).as_posix(): path.stat().st_size for path in files_of(case_dir)}
    assert flipped == {name: size for name, size in sizes.items() if size}
    assert undetected == []
