"""Child processes that do untrusted work: each task ends with a result or with the reason why it has none.

Evidence is hostile: a parser may crash, hang or eat all memory. So tasks run in children with a memory limit and a
deadline; a child that dies or overruns is replaced, and its task becomes a `Failure`. Results come in any order; the
caller sorts them by task, so that the outcome does not depend on the number of children.

```python
with Pool(start=make_handler, argument=settings, count=2) as pool:
    for task, outcome in pool.run(tasks):
        ...
```
"""

from __future__ import annotations

import contextlib
import functools
import gc
import itertools
import multiprocessing
import os
import signal
import sys
import time
from collections import deque
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar

from preserve.orphans import end_with_parent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkServerContext, SpawnContext
    from multiprocessing.process import BaseProcess
    from types import TracebackType

MEMORY_LIMIT_BYTES = 1 << 30
"""Address space that one child may use beyond what it has when it is ready to work."""

_GARBAGE_OBJECTS = 20_000
"""New objects in a child after which it looks for garbage."""

AHEAD = 4
"""Tasks handed to a child beyond the one it works on, so that it never waits for the parent."""


class Task(Protocol):
    """What a pool needs to know of a task."""

    @property
    def seconds(self) -> float:
        """How long the task may take before its child is killed."""


TaskT = TypeVar("TaskT", bound=Task)
ResultT = TypeVar("ResultT")
ArgumentT = TypeVar("ArgumentT")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a task has no result: the child died, ran out of time or memory, or raised `detail` (a class name)."""

    kind: Literal["crash", "time", "memory", "error"]
    detail: str


@dataclass(slots=True)
class _Child(Generic[TaskT]):
    process: BaseProcess
    connection: Connection
    waiting: deque[TaskT]
    deadline: float | None = None
    ready: bool = False


class _Queue(Generic[TaskT]):
    """Tasks that no child has: those given back by children that ended go first."""

    def __init__(self, source: Iterator[TaskT]) -> None:
        self._source = source
        self._next: deque[TaskT] = deque()
        self._look()

    def _look(self) -> None:
        if not self._next:
            self._next.extend(itertools.islice(self._source, 1))

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left."""
        return not self._next

    def take(self) -> TaskT:
        """The next task."""
        task = self._next.popleft()
        self._look()
        return task

    def give_back(self, tasks: Iterable[TaskT]) -> None:
        """Tasks that were handed out and not begun."""
        self._next.extend(tasks)


@functools.cache
def _has_fork_server() -> bool:
    """Whether children can be copied from a server; not where its socket cannot be made (a long name of TMPDIR)."""
    if sys.platform == "darwin" or "forkserver" not in multiprocessing.get_all_start_methods():
        return False
    from multiprocessing.forkserver import ensure_running  # noqa: PLC0415 - not on Windows

    try:
        ensure_running()
    except OSError:
        return False
    return True


def child_context() -> SpawnContext | ForkServerContext:
    """How children are started: never as a copy of a process that has threads.

    On Linux by a server of one thread, which is copied for each; elsewhere, and where that server cannot be, anew.
    """
    if _has_fork_server():
        return multiprocessing.get_context("forkserver")
    return multiprocessing.get_context("spawn")


def warm_up(*modules: str) -> None:
    """Start what children are copied from, with `modules` loaded, while the caller has other things to do.

    Nothing but time depends on it. Without effect where children are not copied, and once the first has been started.
    """
    if sys.platform == "linux":
        multiprocessing.set_forkserver_preload(["__main__", *modules])
        _has_fork_server()


def _limit_memory(extra_bytes: int) -> None:
    """Let the process take `extra_bytes` of address space more than now; where the system has no such limit, none.

    On Windows a job object would do it; there the deadline alone holds.
    """
    try:
        import resource  # noqa: PLC0415 - POSIX only

        pages = int(open("/proc/self/statm", encoding="ascii").read().split()[0])  # noqa: SIM115, PTH123
        limit = pages * resource.getpagesize() + extra_bytes
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold clear numbers
    except (ImportError, OSError, ValueError):
        return


def _serve(
    connection: Connection,
    start: Callable[[Any], Callable[[Any], Any]],
    argument: Any,  # noqa: ANN401 - whatever the caller's start takes
    memory_bytes: int,
) -> None:
    """The life of a child: get ready, then one answer for each task until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    end_with_parent()
    # Native libraries write to these what they please, clear content included.
    quiet = os.open(os.devnull, os.O_RDWR)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    try:
        handle = start(argument)
        # What is loaded now stays: looking through it again and again takes a twentieth of the time of small tasks.
        gc.freeze()
        gc.set_threshold(_GARBAGE_OBJECTS)
        _limit_memory(memory_bytes)
        connection.send(("ready", None))
        while True:
            task = connection.recv()
            try:
                answer = ("done", handle(task))
            except MemoryError:
                answer = ("failed", Failure("memory", ""))
            except Exception as error:  # noqa: BLE001 - becomes a coverage line; only the class, never the message
                answer = ("failed", Failure("error", type(error).__name__))
            connection.send(answer)
    except (EOFError, OSError):
        return


class Pool(Generic[TaskT, ResultT, ArgumentT]):
    """`count` children, each made ready by `start(argument)`, which returns the function that does one task."""

    def __init__(
        self,
        start: Callable[[ArgumentT], Callable[[TaskT], ResultT]],
        argument: ArgumentT,
        count: int,
        *,
        memory_bytes: int = MEMORY_LIMIT_BYTES,
        start_seconds: float = 300.0,
    ) -> None:
        self._start = start
        self._argument = argument
        self._count = max(1, count)
        self._memory_bytes = memory_bytes
        self._start_seconds = start_seconds
        self._context = child_context()
        self._children: list[_Child[TaskT]] = []

    def __enter__(self) -> Pool[TaskT, ResultT, ArgumentT]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for child in self._children:
            self._end(child)
        self._children.clear()

    def _end(self, child: _Child[TaskT]) -> None:
        child.connection.close()
        child.process.kill()
        child.process.join()
        child.process.close()

    def _new_child(self) -> _Child[TaskT]:
        here, there = self._context.Pipe()
        process = self._context.Process(
            target=_serve,
            args=(there, self._start, self._argument, self._memory_bytes),
            daemon=True,
        )
        process.start()
        there.close()
        return _Child(process, here, deque(), deadline=time.monotonic() + self._start_seconds)

    def prepare(self) -> None:
        """Start the children now: they get ready while the caller still finds out what there is to do."""
        while len(self._children) < self._count:
            self._children.append(self._new_child())

    def run(self, tasks: Iterable[TaskT]) -> Iterator[tuple[TaskT, ResultT | Failure]]:
        """Do all `tasks`; yield each with its result or `Failure`, in the order in which they end."""
        queue = _Queue(iter(tasks))
        stillborn = 0
        for child in self._children:  # left over from an earlier run, idle
            if child.ready:
                self._fill(child, queue)
        while True:
            self._staff(queue)
            if queue.is_empty and not any(child.waiting for child in self._children):
                return
            for child in self._wait():
                try:
                    word, value = child.connection.recv()
                except (EOFError, OSError):
                    child.process.join()
                    stillborn += not child.ready
                    if stillborn > self._count * 3:
                        raise RuntimeError("worker processes cannot start") from None
                    yield from self._replace(child, Failure("crash", f"exit {child.process.exitcode}"), queue)
                    continue
                if word == "ready":
                    child.ready = True
                    child.deadline = None
                    self._fill(child, queue)
                else:
                    task = child.waiting.popleft()
                    # What it was handed before, it begins at once.
                    child.deadline = time.monotonic() + child.waiting[0].seconds if child.waiting else None
                    self._fill(child, queue)
                    yield task, value
            now = time.monotonic()
            for child in [child for child in self._children if child.deadline is not None and child.deadline < now]:
                yield from self._replace(child, Failure("time", ""), queue)

    def _staff(self, queue: _Queue[TaskT]) -> None:
        """Start children while there is work for them."""
        while len(self._children) < self._count and not queue.is_empty:
            self._children.append(self._new_child())

    def _wait(self) -> list[_Child[TaskT]]:
        """Children that have something to say, or none when the nearest deadline has come."""
        deadlines = [child.deadline for child in self._children if child.deadline is not None]
        patience = max(0.0, min(deadlines) - time.monotonic()) if deadlines else None
        speaking = wait([child.connection for child in self._children], timeout=patience)
        return [child for child in self._children if child.connection in speaking]

    @staticmethod
    def _fill(child: _Child[TaskT], queue: _Queue[TaskT]) -> None:
        """Hand tasks to `child` until enough lie before it."""
        while len(child.waiting) <= AHEAD and not queue.is_empty:
            task = queue.take()
            if not child.waiting:
                child.deadline = time.monotonic() + task.seconds
            child.waiting.append(task)
            with contextlib.suppress(OSError):  # a dead child is found by its closed pipe
                child.connection.send(task)

    def _replace(
        self,
        child: _Child[TaskT],
        failure: Failure,
        queue: _Queue[TaskT],
    ) -> Iterator[tuple[TaskT, Failure]]:
        """End `child`: the task it worked on has failed, those it had not begun go to others."""
        self._children.remove(child)
        working = child.deadline is not None and child.ready
        failed = child.waiting.popleft() if working and child.waiting else None
        queue.give_back(child.waiting)
        self._end(child)
        if failed is not None:
            yield failed, failure
