"""Children that crash, hang or eat memory cost one task each, and nothing else."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass

import pytest

from preserve.workers import Failure, Pool


@dataclass(frozen=True)
class Job:
    number: int
    what: str = "square"
    seconds: float = 20.0


def start(offset: int):
    def handle(job: Job) -> int:
        if job.what == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        if job.what == "hang":
            time.sleep(3600)
        if job.what == "memory":
            return len(bytearray(4 << 30))
        if job.what == "raise":
            raise ValueError("a number 123456789018 in a message")
        return job.number**2 + offset

    return handle


def outcomes(jobs, count):
    with Pool(start, 1, count, memory_bytes=1 << 28) as pool:
        return {job.number: outcome for job, outcome in pool.run(jobs)}


@pytest.mark.parametrize("count", [1, 3])
def test_all_results_arrive_whatever_the_number_of_children(count):
    assert outcomes([Job(n) for n in range(50)], count) == {n: n * n + 1 for n in range(50)}


def test_no_tasks_no_results():
    assert outcomes([], 2) == {}


def test_bad_tasks_cost_themselves_alone():
    jobs = [Job(n) for n in range(12)]
    jobs[1] = Job(1, "crash")
    jobs[3] = Job(3, "hang", seconds=0.5)
    jobs[5] = Job(5, "raise")
    jobs[7] = Job(7, "memory")
    got = outcomes(jobs, 2)
    assert got.pop(1) == Failure("crash", "exit -11")
    assert got.pop(3) == Failure("time", "")
    assert got.pop(5) == Failure("error", "ValueError")
    assert got.pop(7) == Failure("memory", "")
    assert got == {n: n * n + 1 for n in range(12) if n not in (1, 3, 5, 7)}


def test_many_crashes_in_a_row_do_not_stop_the_rest():
    jobs = [Job(n, "crash" if n < 8 else "square") for n in range(12)]
    got = outcomes(jobs, 2)
    assert sum(isinstance(outcome, Failure) for outcome in got.values()) == 8
    assert got[11] == 122


def test_a_pool_runs_again_with_the_children_it_has():
    with Pool(start, 1, 2) as pool:
        assert {job.number: outcome for job, outcome in pool.run([Job(1), Job(2)])} == {1: 2, 2: 5}
        assert {job.number: outcome for job, outcome in pool.run([Job(3)])} == {3: 10}
