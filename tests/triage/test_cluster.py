"""`triage scan --scheduler`: a real Dask scheduler and real workers give what one machine gives."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from preserve.workers import Failure
from tests.conftest import needs
from triage import cluster_work
from triage.cluster import Cluster, ClusterOptions, ClusterPool
from triage.cluster_work import Assignment, Parcel, Refusal
from triage.file_pass import NameTask, PassSettings, TaskResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "examples" / "sample.E01"
needs_distributed = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="hozen[cluster] is not installed"
)


# --- who is to blame for a lost worker, without a network -------------------------------------------------------------


class Future:
    """What Dask gives for a call."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.status = "pending"
        self.value: Any = None
        self._callbacks: list[Any] = []

    def add_done_callback(self, function: Any) -> None:
        self._callbacks.append(function)
        if self.status != "pending":
            function(self)

    def end(self, value: Any) -> None:
        self.status, self.value = "finished", value
        for function in self._callbacks:
            function(self)

    def result(self, timeout: float) -> Any:
        assert timeout > 0
        return self.value

    def done(self) -> bool:
        return self.status != "pending"

    def cancel(self) -> None:
        self.status = "cancelled"


@dataclass
class PretendedCluster(Cluster):
    """Workers that end at once when they meet one of the `deadly` units; a new one comes for each."""

    deadly: frozenset[int] = frozenset()
    alive: list[str] = field(default_factory=lambda: ["a", "b", "c"])
    deaths: int = 0
    wrong: str = ""

    def __post_init__(self) -> None:
        super().__init__(ClusterOptions("tcp://127.0.0.1:1"))
        self._versions = cluster_work.versions()

    def threads(self) -> dict[str, int]:
        return dict.fromkeys(self.alive, 1)

    def submit(self, address: str, function: Any, *arguments: object) -> Any:
        future = Future(str(time.monotonic_ns()))
        if function is cluster_work.versions:
            future.end(cluster_work.versions())
        elif function is not cluster_work.work:
            future.end(None)
        elif address == self.wrong:
            future.end(Parcel.of(Refusal("別物", "another medium")))
        elif address in self.alive:
            parcel = arguments[1]
            assert isinstance(parcel, Parcel)
            tasks = parcel.open()
            if self.deadly & {task.number for task in tasks}:
                self.alive.remove(address)
                self.deaths += 1
                self.alive.append(f"new{self.deaths}")
            else:
                future.end(Parcel.of([(task.number, TaskResult(labelled_wrong=task.number)) for task in tasks]))
        return future


def outcomes(cluster: Cluster, count: int, monkeypatch: pytest.MonkeyPatch) -> Mapping[int, TaskResult | Failure]:
    monkeypatch.setattr("triage.cluster.LOOK_EVERY_SECONDS", 0.02)
    settings = PassSettings(Path("x.dd"), b"")
    with ClusterPool(cluster, Assignment("t", "x.dd", 0, b"", settings, 1 << 30)) as pool:
        return {task.number: outcome for task, outcome in pool.run([NameTask(number, ()) for number in range(count)])}


def test_a_unit_that_loses_three_workers_is_given_up_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = PretendedCluster(deadly=frozenset({40, 70}))
    got = outcomes(cluster, 100, monkeypatch)
    assert {number for number, outcome in got.items() if isinstance(outcome, Failure)} == {40, 70}
    assert all(got[number] == TaskResult(labelled_wrong=number) for number in range(100) if number not in (40, 70))
    assert cluster.given_up_units == 2
    assert cluster.deaths == cluster.lost_workers <= 6


def test_a_worker_whose_copy_differs_is_named_and_its_units_go_to_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = PretendedCluster(wrong="b")
    got = outcomes(cluster, 100, monkeypatch)
    assert got == {number: TaskResult(labelled_wrong=number) for number in range(100)}
    assert cluster.refused == {"b": ("別物", "another medium")}
    assert "b" in capsys.readouterr().err
    assert cluster.lost_workers == 0


def test_a_worker_with_another_version_is_refused() -> None:
    cluster = PretendedCluster()
    cluster.compare("a", {**cluster_work.versions(), "hozen": "0.0.1"})
    assert "0.0.1" in cluster.refused["a"][1]
    cluster.compare("b", cluster_work.versions())
    assert "b" not in cluster.refused


def test_nothing_of_a_parcel_shows() -> None:
    assert "secret" not in repr(Parcel.of("secret"))
    assignment = Assignment("t", "x.dd", 0, b"", PassSettings(Path("x.dd"), b"secret"), 1)
    assert "secret" not in repr(assignment)


# --- a real scheduler and real workers --------------------------------------------------------------------------------


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "HOZEN_CONFIG_HOME": str(folder / "config"), "PYTHONWARNINGS": ""}


@contextmanager
def running(command: list[str], folder: Path, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """A server with its own folder, ended at the end."""
    (folder / name).mkdir(exist_ok=True)
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder / name, env=environment(folder)
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=10)


def scheduler(stack: ExitStack, folder: Path, host: str, *more: str) -> str:
    """Start one; its address."""
    found = folder / "scheduler.json"
    dask = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    stack.enter_context(
        running(
            [*dask, "--host", host, "--port", "0", "--no-dashboard", "--scheduler-file", str(found), *more],
            folder,
            "scheduler",
        )
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            return str(json.loads(found.read_text(encoding="utf-8"))["address"])
        except (OSError, ValueError, KeyError):
            time.sleep(0.1)
    raise AssertionError((folder / "scheduler.log").read_text(encoding="utf-8"))


def worker(stack: ExitStack, folder: Path, address: str, name: str, *more: str, before: tuple[str, ...] = ()) -> Any:
    """Start one in a folder of its own with its own copy of the image."""
    (folder / name).mkdir()
    (folder / name / "copy.E01").write_bytes(SAMPLE.read_bytes())
    dask = [*before, sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--name", name]
    return stack.enter_context(running([*dask, "--no-dashboard", "--local-directory", "tmp", *more], folder, name))


SCAN = "from triage.cli import main; main()"

# The scan, ending the process in argv[1] with its second batch of units on the way to the worker of that name.
SCAN_AND_KILL = """
import os, signal, sys
victim, name = int(sys.argv.pop(1)), sys.argv.pop(1)
from triage import cluster, cluster_work
from triage.cli import main
submit, seen = cluster.Cluster.submit, {}
def spy(self, address, function, *arguments):
    future = submit(self, address, function, *arguments)
    if function is cluster_work.work:
        workers = self._client.scheduler_info(n_workers=-1)["workers"]
        if workers.get(address, {}).get("name") == name:
            seen[address] = seen.get(address, 0) + 1
            if seen[address] == 2:
                os.kill(victim, signal.SIGKILL)
    return future
cluster.Cluster.submit = spy
main()
"""


def scan(folder: Path, out: str, *arguments: str, code: str = SCAN, first: tuple[str, ...] = ()) -> str:
    """Scan the sample into `folder`/`out`; what was said on standard error."""
    done = subprocess.run(
        [
            *(sys.executable, "-c", code, *first, "scan", str(SAMPLE), "--case", str(folder / "c.case")),
            *("--out", str(folder / out), "--ocr", "off", "--lang", "en", *arguments),
        ],
        env=environment(folder), cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=150,
        check=False,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    return done.stderr


def assert_same(folder: Path, one: str, other: str) -> dict[str, Any]:
    for name in ("findings.jsonl", "coverage.jsonl"):
        assert (folder / one / name).read_bytes() == (folder / other / name).read_bytes()
    summary = json.loads((folder / one / "summary.json").read_text(encoding="utf-8"))
    cluster: dict[str, Any] = summary["cluster"]
    return cluster


@needs_distributed
def test_a_scan_on_two_workers_gives_what_the_local_one_gives(tmp_path: Path) -> None:
    """One of them under a nanny; a third has an altered copy and is refused."""
    with ExitStack() as stack:
        address = scheduler(stack, tmp_path, "127.0.0.1")
        worker(stack, tmp_path, address, "w1")
        worker(stack, tmp_path, address, "w2", "--no-nanny")
        altered = tmp_path / "other" / "copy.E01"
        worker(stack, tmp_path, address, "other", "--no-nanny")
        altered.write_bytes((ROOT / "examples" / "laptop.E01").read_bytes())
        scan(tmp_path, "local")
        said = scan(tmp_path, "cluster", "--scheduler", address, "--worker-image", "copy.E01")
    cluster = assert_same(tmp_path, "cluster", "local")
    assert 1 <= len(cluster["workers"]) <= 2
    assert len(cluster["refused"]) == 1
    assert "copy" in cluster["refused"][0]["en"]
    assert "is refused" in said
    assert cluster["lost_workers"] == 0


def ip(*arguments: str) -> bool:
    return subprocess.run(["ip", *arguments], capture_output=True, check=False).returncode == 0


@contextmanager
def networks(count: int) -> Iterator[tuple[str, list[str]]]:
    """Network namespaces joined by a bridge to this one: (address of this side, names)."""
    mark = os.getpid() % 100_000
    bridge, subnet = f"hzb{mark}", f"10.{200 + mark % 50}.{mark // 50 % 250}"
    names = [f"hz{mark}w{number}" for number in range(count)]
    try:
        if not (ip("link", "add", bridge, "type", "bridge") and ip("addr", "add", f"{subnet}.1/24", "dev", bridge)):
            pytest.skip("no right to make a network bridge")
        ip("link", "set", bridge, "up")
        for number, name in enumerate(names):
            steps = (
                ("netns", "add", name),
                ("link", "add", f"{name}v", "type", "veth", "peer", "name", "eth0", "netns", name),
                ("link", "set", f"{name}v", "master", bridge, "up"),
                ("-n", name, "addr", "add", f"{subnet}.{number + 2}/24", "dev", "eth0"),
                ("-n", name, "link", "set", "eth0", "up"),
                ("-n", name, "link", "set", "lo", "up"),
            )
            if not all(ip(*step) for step in steps):
                pytest.skip("no right to make network namespaces")
        yield f"{subnet}.1", names
    finally:
        for name in names:
            ip("link", "del", f"{name}v")
            ip("netns", "del", name)
        ip("link", "del", bridge)


@needs_distributed
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root for network namespaces")
def test_three_workers_in_networks_of_their_own_and_one_is_killed(tmp_path: Path) -> None:
    if not ip("link"):
        pytest.skip("ip is not installed")
    with networks(3) as (host, names), ExitStack() as stack:
        address = scheduler(stack, tmp_path, host)
        started = [
            worker(stack, tmp_path, address, name, "--no-nanny", before=("ip", "netns", "exec", name)) for name in names
        ]
        scan(tmp_path, "local")
        victim = (str(started[0].pid), names[0])
        said = scan(
            tmp_path,
            "cluster",
            *("--scheduler", address, "--worker-image", "copy.E01"),
            code=SCAN_AND_KILL,
            first=victim,
        )
        assert started[0].wait(timeout=10) == -9
    cluster = assert_same(tmp_path, "cluster", "local")
    assert cluster["lost_workers"] == 1
    assert cluster["retried_units"] >= 1
    assert cluster["given_up_units"] == 0
    assert not cluster["encrypted"]
    assert "cross the network in the clear" in said


@needs_distributed
def test_a_scan_without_its_scheduler_goes_on_locally(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-c", SCAN, "scan", str(SAMPLE), "--case", str(tmp_path / "c.case")),
            *("--scheduler", "tcp://127.0.0.1:9", "--lang", "en"),
        ],
        env=environment(tmp_path), cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100,
        check=False,
    )  # fmt: skip
    assert done.returncode == 5, done.stderr
    assert "--resume" in done.stderr


def certificates(folder: Path) -> tuple[str, str, str]:
    """An authority and one certificate of it: (authority, certificate, key)."""
    authority, request, made, key = (str(folder / name) for name in ("ca.pem", "node.csr", "node.pem", "node.key"))
    for command in (
        ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=authority", "-keyout", str(folder / "ca.key"), "-out", authority),
        ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=node",
         "-keyout", key, "-out", request),
        ("x509", "-req", "-in", request, "-CA", authority, "-CAkey", str(folder / "ca.key"), "-CAcreateserial",
         "-days", "2", "-out", made),
    ):  # fmt: skip
        subprocess.run(["openssl", *command], check=True, capture_output=True)
    return authority, made, key


@needs_distributed
@needs("openssl")
def test_a_scan_over_tls(tmp_path: Path) -> None:
    authority, made, key = certificates(tmp_path)
    dask = ("--tls-ca-file", authority, "--tls-cert", made, "--tls-key", key)
    with ExitStack() as stack:
        address = scheduler(stack, tmp_path, "tls://127.0.0.1", *dask)
        assert address.startswith("tls://")
        worker(stack, tmp_path, address, "w1", "--no-nanny", *dask)
        scan(tmp_path, "local")
        tls = ("--tls-ca", authority, "--tls-cert", made, "--tls-key", key)
        said = scan(tmp_path, "cluster", "--scheduler", address, "--worker-image", "copy.E01", *tls)
    cluster = assert_same(tmp_path, "cluster", "local")
    assert cluster["encrypted"]
    assert "in the clear" not in said
