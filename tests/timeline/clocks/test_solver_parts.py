"""Bands, chains, segments and order in logs: small cases that can be reckoned by hand."""

import numpy as np
import pytest

from timeline.clocks.band import Rate, make_band, mean_rate
from timeline.clocks.chain import Pin, best_chain
from timeline.clocks.evidence import Standstill, TimeChange
from timeline.clocks.steps import merge_steps, monotone_segments, unwrap_offsets
from timeline.clocks.wander import rate_stray

DAY = 86400.0


def pins(thetas, *, every=3600.0, half=0.5, **more):
    return [Pin(i * every, value - half, value + half, 1.0, **more) for i, value in enumerate(thetas)]


def test_band_between_and_beyond_anchors():
    band = make_band(
        np.array([0.0, 1000.0]), np.array([1.0, 1.0]), np.array([2.0, 2.0]), Rate(-1e-3, 1e-3), margin_s=0.0,
        outside_rate=1e-3,
    )  # fmt: skip
    low, high = band.at(np.array([0.0, 500.0, 2000.0]))
    assert low.tolist() == pytest.approx([1.0, 0.5, -1.0])
    assert high.tolist() == pytest.approx([2.0, 2.5, 4.0])


def test_a_band_without_upper_bound_is_open():
    band = make_band(np.array([0.0]), np.array([1.0]), np.array([np.inf]), Rate(0, 0), margin_s=0, outside_rate=0)
    assert not band.is_bounded
    assert band.at(np.array([5.0]))[1].tolist() == [np.inf]


def test_mean_rate_of_ten_days():
    u = np.linspace(0, 10 * DAY, 50)
    theta = 20e-6 * u
    rate = mean_rate(u, theta - 0.5, theta + 0.5)
    assert rate.low < 20e-6 < rate.high
    assert rate.high - rate.low < 4e-6


def test_a_liar_is_rejected_and_a_group_is_a_piece():
    one_liar = best_chain(pins([0.0] * 5 + [300.0] + [0.0] * 5))
    assert one_liar.pieces.count(-1) == 1
    assert one_liar.pieces[5] == -1
    group = best_chain(pins([0.0] * 5 + [300.0] * 4 + [0.0] * 5))
    assert group.pieces == (0,) * 5 + (1,) * 4 + (2,) * 5


def test_the_reading_at_seizure_is_not_rejected():
    chain = best_chain([*pins([0.0] * 5), Pin(DAY, 99.0, 101.0, 20.0, break_cost=3.0, falling_break_cost=3.0)])
    assert chain.pieces == (0,) * 5 + (1,)


def test_a_steady_drift_is_one_piece():
    chain = best_chain(pins([60e-6 * i * 3600 for i in range(200)]))
    assert set(chain.pieces) == {0}
    assert chain.rate.low < 60e-6 < chain.rate.high


def test_the_same_step_in_two_logs_is_one_and_sleep_explains_it():
    security = (0, [TimeChange(100.0, 50.0, 4)], [])
    system = (1, [TimeChange(100.004, 50.003, 9), TimeChange(300.0, 900.0, 20)], [Standstill(299.0, 901.0, 22)])
    steps = merge_steps([security, system])
    assert [(step.old_s, step.stood_still) for step in steps] == [(100.004, False), (300.0, True)]
    assert steps[0].rows == {1: 9, 0: 4}
    assert unwrap_offsets(steps).tolist() == pytest.approx([0.0, -50.001, -50.001])


def test_segments_never_go_back():
    readings = np.array([10.0, 20.0, 15.0, 30.0])
    windows = [(-np.inf, 20.0), (14.0, np.inf)]

    def outside(k):
        return ((readings < windows[k][0]) | (readings > windows[k][1])).astype(float)

    low, high = monotone_segments(outside, 4, 2)
    assert low.tolist() == [0, 0, 0, 1]
    assert high.tolist() == [0, 1, 1, 1]


def test_wander_of_48_ppm_is_seen_and_a_quiet_clock_is_quiet():
    u = np.sort(np.random.default_rng(5).uniform(0, 30 * DAY, 300))
    noise = np.random.default_rng(6).uniform(-0.5, 0.5, 300)
    quiet = 5e-6 * u + noise
    restless = quiet + 2 * np.sin(2 * np.pi * u / (3 * DAY))
    assert rate_stray(u, quiet - 0.5, quiet + 0.5) == 0.0
    assert rate_stray(u, restless - 0.5, restless + 0.5) > 35e-6
