from chain_of_custody import clock, entries
from chain_of_custody.clock import Reading, shift_ns

SECOND = 1_000_000_000


def reading(wall_s, mono_s, boot="b1"):
    return Reading("", int(wall_s * SECOND), int(mono_s * SECOND), boot)


def test_now_is_one_moment_in_two_forms():
    now = clock.now()
    assert entries.time_ns_of(now.ts) == now.time_ns
    assert now.mono_ns > 0


def test_steps_are_seen_within_one_boot():
    start = reading(1000, 10)
    assert shift_ns(start, reading(1005, 15)) == 0
    assert shift_ns(start, reading(1005.9, 15)) == 0
    assert shift_ns(start, reading(1065, 15)) == 60 * SECOND
    assert shift_ns(start, reading(945, 15)) == -60 * SECOND


def test_slow_steering_is_no_step():
    # 24 hours at 500 ppm are 43 s.
    assert shift_ns(reading(0, 0), reading(86400 + 40, 86400)) == 0
    assert shift_ns(reading(0, 0), reading(86400 + 60, 86400)) == 60 * SECOND


def test_between_boots_only_time_that_runs_back_is_seen():
    assert shift_ns(reading(1000, 10), reading(99_999, 5, "b2")) == 0
    assert shift_ns(reading(1000, 10), reading(900, 5, "b2")) == -100 * SECOND
    assert shift_ns(reading(1000, 10, None), reading(900, 11, None)) == -100 * SECOND
