"""Units of a scan done by the workers of a Dask cluster (extra `hozen[cluster]`), for `triage scan --scheduler`.

```python
with Cluster(ClusterOptions("tls://10.0.0.1:8786", tls_ca=..., tls_cert=..., tls_key=...)) as cluster:
    scan(image, case, ScanOptions(cluster=cluster))
```
The client reads the medium itself (pass 1), keeps the ledger and the state, and merges; workers do the units of pass 2
on copies of their own (`triage.cluster_work`). A unit is the same as on one machine and so is its result: findings do
not depend on how many workers there are, nor on those that are lost.

The client hands units to workers itself rather than leave that to the scheduler: so it knows which unit was with which
worker when one is lost. Units of a lost worker go to others, one by one; a unit whose worker was lost three times,
the last time with nothing else on it, becomes a coverage line.
"""

from __future__ import annotations

import logging
import queue
import time
import uuid
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from chain_of_custody import console
from chain_of_custody.errors import HozenError, UsageError
from preserve.recipe import Recipe
from preserve.workers import Failure
from triage import cluster_work
from triage.cluster_work import Assignment, Parcel, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from triage.file_pass import AnyTask, PassSettings, TaskResult

MOST_LOSSES = 3
"""Workers that one unit may lose before it is given up."""
UNITS_AT_ONCE = 32
AHEAD = 1
"""Batches handed to a worker beyond one for each of its threads."""
LOOK_EVERY_SECONDS = 1.0
"""How often the client asks which workers there are."""
PATIENCE_SECONDS = 60.0
"""How long a scan waits without any worker that can do its units."""
CONNECT_SECONDS = 15.0


class ClusterError(HozenError):
    """The cluster cannot go on with the scan; what is done is kept."""

    def __init__(self, ja: str, en: str) -> None:
        super().__init__(
            ja,
            en,
            hint_ja="クラスターを確認し、--resume を付けて再実行してください(--scheduler なしでも続けられます)",
            hint_en="check the cluster and run again with --resume (with or without --scheduler)",
        )


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """Where the scheduler listens (`tcp://HOST:PORT`, `tls://HOST:PORT`), and where workers find their copy.

    `worker_image` is a path on the workers, of the image or of the folder that holds it; "" for the client's own path.
    """

    address: str
    worker_image: str = ""
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None


@dataclass(slots=True)
class _Batch:
    """Units handed out together."""

    key: str
    tasks: Sequence[AnyTask]
    future: Any
    alone: bool = False


@dataclass(slots=True)
class _Worker:
    """A worker as the client knows it in one run."""

    address: str
    threads: int
    is_ready: bool = False
    beginning: Any = None
    batches: dict[str, _Batch] = field(default_factory=dict)

    @property
    def room(self) -> int:
        """Batches that it may still be handed."""
        if not self.is_ready or any(batch.alone for batch in self.batches.values()):
            return 0
        return self.threads + AHEAD - len(self.batches)


class Cluster:
    """A connection to a scheduler, and what is known of its workers. Raises UsageError, ClusterError on entering."""

    def __init__(self, options: ClusterOptions) -> None:
        self.options = options
        self.lost_workers = 0
        self.retried_units = 0
        self.given_up_units = 0
        self.workers: set[str] = set()
        """Addresses of those that did units."""
        self.refused: dict[str, tuple[str, str]] = {}
        """Addresses of those that must not, and why (Japanese, English)."""
        self._client: Any = None
        self._size = 0
        self._digests = b""
        self._versions: Mapping[str, str] = {}

    def __enter__(self) -> Self:
        try:
            import distributed  # noqa: PLC0415 - an extra, and half a second to load
        except ImportError as error:
            raise UsageError(
                "--scheduler には追加部品 hozen[cluster] が必要です",
                "--scheduler needs the extra hozen[cluster]",
                hint_ja="pip install 'hozen[cluster]'",
                hint_en="pip install 'hozen[cluster]'",
            ) from error
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is said by us, in two languages
        one = self.options
        security = None
        if one.address.startswith("tls://") and one.tls_ca is not None:
            security = distributed.Security(  # type: ignore[no-untyped-call]
                tls_ca_file=str(one.tls_ca),
                tls_client_cert=str(one.tls_cert) if one.tls_cert else None,
                tls_client_key=str(one.tls_key) if one.tls_key else None,
                require_encryption=True,
            )
        elif not one.address.startswith("tls://") and not _is_here(one.address):
            console.notice(
                "暗号化なしで接続します。ファイル名・検出・事案の秘密鍵が平文でネットワークを流れます(tls:// を推奨)",
                "not encrypted: names of files, findings and the secret of the case cross the network in the clear "
                "(tls:// is advised)",
            )
        try:
            self._client = distributed.Client(  # type: ignore[no-untyped-call]
                one.address, security=security, timeout=CONNECT_SECONDS, set_as_default=False, name="hozen"
            )
        except (OSError, TimeoutError, ValueError, TypeError) as error:
            raise ClusterError(
                f"スケジューラーに接続できません: {one.address}",
                f"cannot connect to the scheduler {one.address} ({type(error).__name__})",
            ) from error
        self._versions = cluster_work.versions()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._client.close(timeout=5)

    def trust(self, size: int, digests: bytes) -> None:
        """From now on workers must have this medium: `size` bytes whose MiBs have these digests."""
        self._size, self._digests = size, digests

    @staticmethod
    def can_do(settings: PassSettings) -> bool:
        """Whether workers can check what they read of this medium: snapshots inside qcow2 lie beside its bytes."""
        recipe = settings.image
        return not isinstance(recipe, Recipe) or all(step.kind != "qcow2" for step in recipe.steps)

    def pool(self, settings: PassSettings, memory_bytes: int) -> ClusterPool:
        """Whoever does the units of one medium; used like `preserve.workers.Pool`."""
        recipe = settings.image if isinstance(settings.image, Recipe) else Recipe(settings.image)
        image = self.options.worker_image or str(recipe.path)
        token = uuid.uuid4().hex
        return ClusterPool(self, Assignment(token, image, self._size, self._digests, settings, memory_bytes))

    # --- what pools ask of the connection -----------------------------------------------------------------------------

    def threads(self) -> dict[str, int]:
        """Threads of each worker that there is now, by address. Raises ClusterError."""
        try:
            return dict(self._client.nthreads())
        except (OSError, TimeoutError, RuntimeError) as error:
            raise ClusterError(
                f"スケジューラーとの接続が切れました: {self.options.address}",
                f"the connection to the scheduler {self.options.address} was lost",
            ) from error

    def submit(self, address: str, function: Any, *arguments: object) -> Any:  # noqa: ANN401 - a function, a future
        """Let the worker call `function`."""
        try:
            return self._client.submit(
                function,
                *arguments,
                workers=[address],
                allow_other_workers=False,
                pure=False,
                key=f"hozen-{uuid.uuid4().hex}",
            )
        except (OSError, RuntimeError) as error:
            raise ClusterError("クラスターに渡せません", "the cluster takes no more units") from error

    def refuse(self, address: str, ja: str, en: str) -> None:
        """Say and remember that a worker must not do units."""
        if address not in self.refused:
            self.refused[address] = (ja, en)
            console.notice(f"ワーカー {address} を使いません: {ja}", f"worker {address} is refused: {en}")

    def compare(self, address: str, theirs: Mapping[str, str]) -> None:
        """Refuse a worker with another hozen or Python; name other packages that differ."""
        ours = self._versions
        differing = [name for name in ours if theirs.get(name, "") != ours[name]]
        said = ", ".join(f"{name} {theirs.get(name) or '-'} ({ours[name] or '-'})" for name in differing)
        if "hozen" in differing or "python" in differing:
            self.refuse(address, f"版が違います: {said}", f"its versions differ from ours (in brackets): {said}")
        elif differing:
            console.notice(
                f"ワーカー {address} の部品の版が違います: {said}",
                f"worker {address} has other versions than we have (in brackets): {said}",
            )

    def to_json(self) -> dict[str, Any]:
        """The member `cluster` of the summary."""
        return {
            "scheduler": self.options.address,
            "encrypted": self.options.address.startswith("tls://"),
            "workers": sorted(self.workers),
            "refused": [{"worker": one, "ja": ja, "en": en} for one, (ja, en) in sorted(self.refused.items())],
            "lost_workers": self.lost_workers,
            "retried_units": self.retried_units,
            "given_up_units": self.given_up_units,
        }


def _is_here(address: str) -> bool:
    host = address.partition("://")[2].rpartition(":")[0]
    return host in ("127.0.0.1", "localhost", "[::1]")


class ClusterPool:
    """The workers of a cluster as a pool: `run` yields each task with its outcome, in the order in which they end."""

    def __init__(self, cluster: Cluster, assignment: Assignment) -> None:
        self._cluster = cluster
        self._assignment = assignment
        self._parcel = Parcel.of(assignment)
        self._workers: dict[str, _Worker] = {}
        self._events: queue.SimpleQueue[tuple[str, str, Any]] = queue.SimpleQueue()
        """(address, key of the batch or "", future) of what has ended."""
        self._waiting: deque[AnyTask] = deque()
        self._suspects: deque[AnyTask] = deque()
        """Units that were with a worker when it was lost: handed out one by one."""
        self._losses: Counter[int] = Counter()
        self._given_up: deque[AnyTask] = deque()
        self._looked = 0.0
        self._last_useful = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        endings = []
        try:
            for worker in self._workers.values():
                for batch in worker.batches.values():
                    batch.future.cancel()
                if worker.is_ready:
                    endings.append(self._cluster.submit(worker.address, cluster_work.end, self._assignment.token))
            deadline = time.monotonic() + 5
            while any(not one.done() for one in endings) and time.monotonic() < deadline:
                time.sleep(0.01)
        except (ClusterError, OSError, RuntimeError):
            return  # the cluster is gone: workers forget by ending

    def run(self, tasks: Iterable[AnyTask]) -> Iterator[tuple[AnyTask, TaskResult | Failure]]:
        """Do all `tasks`. Raises ClusterError where the scheduler is lost or no worker is left."""
        self._waiting.extend(tasks)
        self._last_useful = time.monotonic()
        while self._waiting or self._suspects or any(worker.batches for worker in self._workers.values()):
            self._look()
            self._hand_out()
            while self._given_up:
                task = self._given_up.popleft()
                yield task, Failure("crash", f"{MOST_LOSSES} workers of the cluster were lost with it")
            try:
                address, key, future = self._events.get(timeout=LOOK_EVERY_SECONDS / 2)
            except queue.Empty:
                continue
            worker = self._workers.get(address)
            if worker is None:
                continue
            if not key:
                self._begun(worker, future)
            elif key in worker.batches:
                yield from self._ended(worker, worker.batches[key])

    # --- workers ------------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Take notice of workers that came and went, once in a while."""
        now = time.monotonic()
        if now - self._looked < LOOK_EVERY_SECONDS:
            return
        self._looked = now
        there = self._cluster.threads()
        for address in [address for address in self._workers if address not in there]:
            self._lost(self._workers.pop(address))
        for address, threads in there.items():
            if address not in self._workers and address not in self._cluster.refused:
                self._begin(_Worker(address, max(1, threads)))
        if any(worker.is_ready or worker.beginning is not None for worker in self._workers.values()):
            self._last_useful = now
            return
        # Others may still come, but none where all that there are were refused.
        patience = 0 if there and set(there) <= set(self._cluster.refused) else PATIENCE_SECONDS
        if now - self._last_useful > patience:
            raise ClusterError("使えるワーカーがありません", "the cluster has no worker that can do the units")

    def _begin(self, worker: _Worker) -> None:
        self._workers[worker.address] = worker
        worker.is_ready = False
        # Versions first, by a call that older and newer ones understand.
        worker.beginning = self._cluster.submit(worker.address, cluster_work.versions)
        self._listen(worker, "", worker.beginning)

    def _listen(self, worker: _Worker, key: str, future: Any) -> None:  # noqa: ANN401 - a future
        address, events = worker.address, self._events
        future.add_done_callback(lambda done: events.put((address, key, done)))

    def _begun(self, worker: _Worker, future: Any) -> None:  # noqa: ANN401 - a future
        """A worker has told its versions, or has taken its assignment."""
        if future is not worker.beginning:
            return
        worker.beginning = None
        if future.status == "error":
            kind = type(future.exception()).__name__
            if kind == "KilledWorker":
                return  # it will be missed at the next look, or begins again
            self._drop(worker, f"hozen を実行できません({kind})", f"it cannot run hozen ({kind})")
            return
        answer = self._fetch(worker, future)
        if isinstance(answer, dict):
            self._cluster.compare(worker.address, answer)
            if worker.address in self._cluster.refused:
                self._workers.pop(worker.address, None)
                return
            worker.beginning = self._cluster.submit(worker.address, cluster_work.begin, self._parcel)
            self._listen(worker, "", worker.beginning)
        elif isinstance(answer, Refusal):
            self._drop(worker, answer.ja, answer.en)
        elif answer is None:
            worker.is_ready = True
        else:
            self._lost(self._workers.pop(worker.address, worker))

    def _drop(self, worker: _Worker, ja: str, en: str) -> None:
        """Refuse a worker; what it had goes to others without blame."""
        self._cluster.refuse(worker.address, ja, en)
        self._workers.pop(worker.address, None)
        for batch in worker.batches.values():
            batch.future.cancel()
            self._waiting.extendleft(reversed(batch.tasks))
        worker.batches.clear()

    def _lost(self, worker: _Worker) -> None:
        """A worker is gone: its units are done elsewhere, one by one, since one of them may be the reason."""
        self._cluster.lost_workers += 1
        console.notice(
            f"ワーカー {worker.address} が失われました。残りで続けます",
            f"worker {worker.address} was lost; the others go on",
        )
        for batch in worker.batches.values():
            batch.future.cancel()
            for task in batch.tasks:
                self._losses[task.number] += 1
                if self._losses[task.number] >= MOST_LOSSES:
                    self._cluster.given_up_units += 1
                    self._given_up.append(task)
                else:
                    self._cluster.retried_units += 1
                    self._suspects.append(task)
        worker.batches.clear()

    # --- units --------------------------------------------------------------------------------------------------------

    def _hand_out(self) -> None:
        """Give batches to workers that have room."""
        slots = sum(worker.threads for worker in self._workers.values()) or 1
        while True:
            free = [worker for worker in self._workers.values() if worker.room > 0]
            if not free:
                return
            worker = min(free, key=lambda one: len(one.batches) / one.threads)
            alone = False
            if self._suspects:
                alone = self._losses[self._suspects[0].number] >= MOST_LOSSES - 1
                if alone and worker.batches:
                    return  # the next loss must have one reason only: wait until it has nothing else
                tasks: list[AnyTask] = [self._suspects.popleft()]
            elif self._waiting:
                count = max(1, min(UNITS_AT_ONCE, len(self._waiting) // (4 * slots)))
                tasks = [self._waiting.popleft() for _ in range(count)]
            else:
                return
            future = self._cluster.submit(worker.address, cluster_work.work, self._assignment.token, Parcel.of(tasks))
            batch = _Batch(future.key, tasks, future, alone)
            worker.batches[batch.key] = batch
            self._listen(worker, batch.key, future)

    def _ended(self, worker: _Worker, batch: _Batch) -> Iterator[tuple[AnyTask, TaskResult | Failure]]:
        """A batch has come to an end, by results or otherwise."""
        if batch.future.status == "error":
            kind = type(batch.future.exception()).__name__
            if kind == "KilledWorker":
                self._lost(self._workers.pop(worker.address))
            else:
                self._drop(worker, f"ユニットを実行できません({kind})", f"it cannot do units ({kind})")
            return
        parcel = self._fetch(worker, batch.future)
        if not isinstance(parcel, Parcel):
            if worker.address in self._workers:
                self._lost(self._workers.pop(worker.address))
            return
        answer = parcel.open()
        if isinstance(answer, Refusal):
            if not answer.forgotten:
                self._drop(worker, answer.ja, answer.en)
            else:
                # A new process under the old address: the one before was lost with all it had.
                self._lost(worker)
                self._begin(worker)
            return
        del worker.batches[batch.key]
        self._cluster.workers.add(worker.address)
        self._last_useful = time.monotonic()
        outcomes = dict(answer)
        for task in batch.tasks:
            outcome = outcomes.get(task.number)
            if outcome is None:
                self._suspects.append(task)
            else:
                yield task, outcome

    def _fetch(self, worker: _Worker, future: Any) -> Any:  # noqa: ANN401 - whatever the call gave
        """The result of an ended call; `LOST` where it went with its worker."""
        while True:
            if future.status in ("cancelled", "lost"):
                return LOST
            try:
                return future.result(timeout=2)
            except TimeoutError:
                if worker.address not in self._cluster.threads():
                    return LOST
            except Exception:  # noqa: BLE001 - cancelled or unreadable: the worker that gave it is not trusted with more
                return LOST


LOST = object()
"""Instead of a result that went with its worker."""
