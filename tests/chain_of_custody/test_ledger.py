"""What happens to a ledger when the power fails, the disk fills, or a writer is killed."""

import gc
import hashlib
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from chain_of_custody import ledger, open_case
from chain_of_custody.errors import LedgerError
from chain_of_custody.reading import read_entries
from chain_of_custody.verify import verify_case
from tests.conftest import needs

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="kill, limits and mounts as POSIX has them")


def codes(path):
    return {(finding.severity, finding.code) for finding in verify_case(path).findings}


def test_a_tail_torn_at_every_offset_is_recovered(case_path, tmp_path, monkeypatch):
    # Nothing here depends on the disk; without waiting for it, all offsets take seconds.
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: None)
    data = (case_path / "ledger.jsonl").read_bytes()
    previous_end = data.rindex(b"\n", 0, -1) + 1
    heads = ledger.read_heads(case_path)
    # As if the last line had been torn while it was written: head still knows the line before it.
    older = min(heads, key=lambda head: head.size)
    assert older.size == previous_end
    torn = tmp_path / "torn"
    shutil.copytree(case_path, torn)
    for cut in range(previous_end, len(data) + 1):
        (torn / "ledger.jsonl").write_bytes(data[:cut])
        (torn / "head").write_bytes(older.to_bytes() * 2)
        if cut % 7 == 0 or cut in (previous_end, len(data)):
            result = verify_case(torn, processes=1)
            assert result.verdict == ("ok" if cut == previous_end else "unknown"), cut
        with open_case(torn) as case:
            case.append("note", {"n": str(cut)})
        recovered = [entry for entry in read_entries(torn) if entry.type == "ledger.recovered"]
        if cut == previous_end:
            assert not recovered
        elif cut == len(data):
            assert [entry.body["kept_lines"] for entry in recovered] == ["1"]
            assert not (torn / "recovered").exists()
        else:
            moved = data[previous_end:cut]
            name = hashlib.sha256(moved).hexdigest()
            assert (torn / "recovered" / name).read_bytes() == moved
            assert recovered[0].body["moved_to"] == f"recovered/{name}"
            assert recovered[0].outputs[0].sha256 == name
        assert verify_case(torn, processes=1).verdict == "ok", cut
        shutil.rmtree(torn / "recovered", ignore_errors=True)


def test_recovered_bytes_that_are_altered_or_gone_are_ng(case_path):
    with (case_path / "ledger.jsonl").open("ab") as file:
        file.write(b'{"torn')
    with open_case(case_path) as case:
        case.append("note", {})
    (moved,) = (case_path / "recovered").iterdir()
    moved.write_bytes(b"other")
    assert ("ng", "recovered") in codes(case_path)
    moved.unlink()
    assert ("ng", "recovered") in codes(case_path)


def test_a_whole_line_without_valid_signature_is_not_kept(case_path):
    last = (case_path / "ledger.jsonl").read_bytes().splitlines()[-1]
    with (case_path / "ledger.jsonl").open("ab") as file:
        file.write(last + b"\n")
    assert verify_case(case_path).verdict == "ng"
    with open_case(case_path) as case:
        case.append("note", {})
    assert verify_case(case_path).verdict == "ok"
    assert (case_path / "recovered" / hashlib.sha256(last + b"\n").hexdigest()).exists()


def test_one_damaged_line_of_head_is_mended(case_path):
    data = (case_path / "head").read_bytes()
    for start in (0, ledger.SLOT_BYTES):
        damaged = bytearray(data)
        damaged[start + 20] ^= 0x80
        (case_path / "head").write_bytes(bytes(damaged))
        result = verify_case(case_path)
        assert result.verdict == "unknown"
        assert ("unknown", "head_damaged") in codes(case_path)
    with open_case(case_path) as case:
        case.append("note", {})
    assert [entry.body.get("head") for entry in read_entries(case_path) if entry.type == "ledger.recovered"] == [
        "damaged"
    ]
    assert verify_case(case_path).verdict == "ok"


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: (path / "ledger.jsonl").write_bytes(
            b"".join((path / "ledger.jsonl").read_bytes().splitlines(keepends=True)[:-1])
        ),
        lambda path: (path / "ledger.jsonl").write_bytes((path / "ledger.jsonl").read_bytes()[:-1]),
        lambda path: (path / "ledger.jsonl").write_bytes((path / "ledger.jsonl").read_bytes()[:-2] + b"A\n"),
        lambda path: (path / "head").write_bytes(b""),
        lambda path: (path / "head").write_bytes(b"x" * 446),
        lambda path: (path / "head").unlink(),
    ],
    ids=["line cut", "byte cut", "last line edited", "head empty", "head rubbish", "head gone"],
)
def test_nothing_is_appended_to_a_ledger_that_its_head_does_not_describe(case_path, damage):
    damage(case_path)
    before = (case_path / "ledger.jsonl").read_bytes()
    with open_case(case_path) as case, pytest.raises(LedgerError):
        case.append("note", {})
    assert (case_path / "ledger.jsonl").read_bytes() == before
    assert verify_case(case_path).verdict == "ng"


def test_an_end_without_free_space_breaks_no_chain(case_path):
    """A limit on the size of files stands for the full disk: writes end short and then fail."""
    size = (case_path / "ledger.jsonl").stat().st_size
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        for room in [0, 1, 100, 1000, 1800, 2500]:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size + room, old[1]))
            before = (case_path / "ledger.jsonl").read_bytes()
            with pytest.raises(LedgerError, match="cannot write"), open_case(case_path) as case:  # noqa: PT012 - until it fails
                while True:
                    case.append("note", {"x": "y" * 300})
                    before = (case_path / "ledger.jsonl").read_bytes()
            assert (case_path / "ledger.jsonl").read_bytes() == before
            resource.setrlimit(resource.RLIMIT_FSIZE, old)
            assert verify_case(case_path).verdict == "ok"
            size = len(before)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


@needs("mount", "umount")
@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="mounting needs root")
def test_a_really_full_disk(case_path, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", small], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this environment does not allow mounting")
    try:
        path = small / "case"
        shutil.copytree(case_path, path)
        done = 0
        with pytest.raises(LedgerError, match="cannot write"), open_case(path) as case:  # noqa: PT012 - until it fails
            while True:
                case.append("note", {"x": "y" * 2000})
                done += 1
        assert done > 10
        assert verify_case(path).verdict == "ok"
        assert sum(entry.type == "note" for entry in read_entries(path)) == done + 2
        with pytest.raises(LedgerError), open_case(path) as case, case.action("image", {"x": "y" * 5000}):
            pytest.fail("an action was started without an entry")
        with pytest.raises(LedgerError):
            open_case(path).append("note", {}, details=b"z" * 100_000)
        (path / "verify.sh").write_bytes(b"")
        (path / "README-検証.txt").unlink()
        with open_case(path) as case:
            case.append("note", {"x": "again"})
    finally:
        subprocess.run(["umount", small], check=True)


@needs("mount", "umount")
@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="mounting needs root")
def test_a_read_only_folder_is_verified_and_never_written(case_path, tmp_path):
    target = tmp_path / "ro"
    target.mkdir()
    mounted = subprocess.run(["mount", "--bind", "-o", "ro", case_path, target], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("this environment does not allow mounting")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", target], check=True)
        assert verify_case(target).verdict == "ok"
        with open_case(target) as case, pytest.raises(LedgerError, match="cannot write the ledger"):
            case.append("note", {})
        with open_case(target) as case, pytest.raises(LedgerError), case.action("scan", {}):
            pytest.fail("an action was started without an entry")
    finally:
        subprocess.run(["umount", target], check=True)


def test_a_hanging_writer_is_named_not_waited_for_forever(case_path):
    from chain_of_custody import lock

    path = case_path / "ledger.lock"
    descriptor = lock.open_lock_file(path)
    other = lock.open_lock_file(path)
    try:
        with (
            lock.holding(descriptor, path),
            pytest.raises(LedgerError, match="another process"),
            lock.holding(other, path, wait_seconds=0.1),
        ):
            pytest.fail("two holders at once")
    finally:
        os.close(descriptor)
        os.close(other)


WRITER = """
import sys
from pathlib import Path
from chain_of_custody import open_case
with open_case(Path(sys.argv[1])) as case:
    n = 0
    while True:
        entry = case.append("note", {"writer": sys.argv[2], "n": str(n)})
        print(f"{sys.argv[2]} {n} {entry.sha256}", flush=True)
        n += 1
"""


def test_25_kills_under_four_writers(case_path, tmp_path):
    """Each writer reports an entry only when `append` has returned; every reported entry must be there at the end."""
    random.seed(4)
    output = tmp_path / "reported"
    script = tmp_path / "writer.py"
    script.write_text(WRITER)
    writers = []
    with output.open("ab") as reported:

        def start(name):
            return subprocess.Popen(
                [sys.executable, script, case_path, name],
                stdout=reported,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )

        writers = [start(f"w{number}") for number in range(4)]
        end = time.monotonic() + 120
        while any(f"w{number} ".encode() not in output.read_bytes() for number in range(4)):
            # On a busy machine it takes a while until all four are at work.
            assert time.monotonic() < end
            time.sleep(0.05)
        for kill in range(25):
            time.sleep(random.uniform(0.02, 0.12))
            victim = kill % 4
            writers[victim].send_signal(signal.SIGKILL)
            writers[victim].wait()
            writers[victim] = start(f"w{victim}-{kill}")
        for writer in writers:
            writer.kill()
            writer.wait()
    with open_case(case_path) as case:
        case.append("note", {"last": "yes"})
    result = verify_case(case_path)
    assert result.verdict == "ok", result.findings
    present = {entry.sha256 for entry in read_entries(case_path)}
    promised = [line.split()[2] for line in output.read_text().splitlines() if len(line.split()) == 3]
    assert len(promised) >= 4
    assert [sha256 for sha256 in promised if len(sha256) == 64 and sha256 not in present] == []


def test_append_memory_and_start_do_not_grow_with_the_ledger(case_path):
    """The tail is read from the end: opening a long ledger reads its first line and its last block only."""
    with open_case(case_path) as case:
        for number in range(300):
            case.append("note", {"n": str(number)})
    reads = []
    real = os.read

    def counting(descriptor, size):
        data = real(descriptor, size)
        reads.append(len(data))
        return data

    with open_case(case_path) as case, pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger.os, "read", counting)
        case.append("note", {})
    assert sum(reads) < 40_000 < (case_path / "ledger.jsonl").stat().st_size


def test_head_is_written_after_the_sync_and_before_the_lock_is_released(case_path, monkeypatch):
    done = []
    for owner, name in ((ledger, "_write_all"), (ledger, "_sync"), (ledger, "_write_at"), (ledger.lock, "_unlock")):
        plain = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda *a, _plain=plain, _name=name: done.append(_name) or _plain(*a))
    with open_case(case_path) as case:
        case.append("note", {})
        assert done == ["_write_all", "_sync", "_write_at", "_unlock"]


@pytest.mark.parametrize(
    "error", [LedgerError("x", "x"), OSError(5, "x"), KeyboardInterrupt()], ids=["own", "os", "^C"]
)
@pytest.mark.parametrize("where", ["sign", "sync"])
def test_an_entry_that_could_not_be_finished_leaves_nothing(case_path, monkeypatch, where, error):
    """Whether the head cannot be signed or the disk fails: the bytes are taken back, and the next entry is written."""
    with open_case(case_path) as case:
        case.append("note", {})
        before = (case_path / "ledger.jsonl").read_bytes()
        key, plain, calls = case._session.key, ledger._sync, []

        class Broken:
            def sign(self, data):
                if data.startswith(b"custody-head"):
                    raise error
                return key.sign(data)

        def broken(descriptor):
            calls.append(plain(descriptor))
            raise error

        with monkeypatch.context() as patch:
            if where == "sign":
                case._session.key = Broken()
            else:
                patch.setattr(ledger, "_sync", broken)
            with pytest.raises(KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else LedgerError):
                case.append("note", {"text": "lost"})
        case._session.key = key
        assert (case_path / "ledger.jsonl").read_bytes() == before
        case.append("note", {"text": "there"})
    assert [entry.body.get("text") for entry in read_entries(case_path) if entry.type == "note"][-2:] == [None, "there"]
    assert verify_case(case_path).verdict == "ok"


def test_no_thread_is_left_when_a_case_is_closed_or_forgotten(case_path):
    others = set(threading.enumerate())

    def helpers():
        return [thread for thread in set(threading.enumerate()) - others if thread.name == "ledger head"]

    with open_case(case_path) as case:
        case.append("note", {})
        (helper,) = helpers()
    helper.join(10)
    assert not helper.is_alive()
    forgotten = open_case(case_path)
    forgotten.append("note", {})
    (helper,) = helpers()
    del forgotten
    gc.collect()
    helper.join(10)
    assert not helper.is_alive()


def test_a_case_that_was_moved_and_replaced_is_written_where_its_name_leads(case_path, tmp_path):
    """A folder restored from a backup while a program has the case open: the lock held is that of the new files."""
    with open_case(case_path) as case:
        case.append("note", {})
        case_path.rename(tmp_path / "moved")
        shutil.copytree(tmp_path / "moved", case_path)
        before = (tmp_path / "moved" / "ledger.jsonl").read_bytes()
        locked = []
        with pytest.MonkeyPatch.context() as patch:
            plain = ledger.lock.acquire
            patch.setattr(ledger.lock, "acquire", lambda *a: locked.append(os.fstat(a[0]).st_ino) or plain(*a))
            case.append("note", {})
        assert locked[-1] == (case_path / "ledger.lock").stat().st_ino
        assert (tmp_path / "moved" / "ledger.jsonl").read_bytes() == before
    assert verify_case(case_path).verdict == "ok"
