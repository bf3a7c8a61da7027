"""Known truth: every class of wrong clock is covered, narrowly where anchors allow it, with no false order."""

import pytest

from tests.timeline.clocks.simulated import clock_cases, judged, solved

WIDEST = {
    "constant": 3, "drift": 3, "wander_slow": 3, "wander_fast": 5, "set_back_logged": 3, "set_back_unlogged": 3,
    "set_forward_unlogged": 3, "set_there_and_back": 3, "sleep": 4, "vm_pause": 3, "mixed_steps": 4, "lying_stamps": 4,
    "wrong_server": 4, "two_wrong_servers": 4, "server_nine_hours": 5, "zone_wrong": 4, "zone_null": 4, "new_year": 4,
    "dst_fold": 4, "late_delivery": 4, "aged_replies": 8, "sparse": 30, "late_anchors": 150, "incidents": 4,
    "unlogged_pause": 4, "mixture": 6,
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(set(clock_cases.KINDS) - {"no_anchor", "tied_only", "offline_set_back"}))
def test_the_truth_lies_inside_and_no_order_is_false(tmp_path, kind):
    covered, width, _unknown, claimed, false = judged(*solved(tmp_path / "case", kind))
    assert covered >= 0.95
    assert false == 0
    assert claimed > 0
    assert width <= WIDEST.get(kind, 1000)


def test_without_anchors_nothing_is_claimed_but_order_in_logs(tmp_path):
    covered, _width, unknown, _claimed, false = judged(*solved(tmp_path / "case", "no_anchor"))
    assert covered is None
    assert unknown == 1
    assert false == 0


def test_two_clocks_tied_to_each_other_have_an_order_and_no_time(tmp_path):
    covered, _width, unknown, claimed, false = judged(*solved(tmp_path / "case", "tied_only"))
    assert (covered, unknown, false) == (None, 1, 0)
    assert claimed >= 50


def test_a_server_nine_hours_off_is_named(tmp_path):
    _truth, _case, solution = solved(tmp_path / "case", "server_nine_hours")
    assert solution.main.accused == {"web"}


def test_a_wrong_zone_is_an_error_of_the_zone_not_of_the_clock(tmp_path):
    _truth, case, solution = solved(tmp_path / "case", "zone_wrong")
    shifted = {case.sources[index].file: shift / 3600 for index, shift in solution.zone_shifts.items()}
    assert set(shifted) == {"ccas.csv", "op2.csv"}
    assert len(set(shifted.values())) == 1
    assert abs(next(iter(shifted.values()))) >= 9


def test_a_clock_that_slept_was_not_set(tmp_path):
    _truth, _case, solution = solved(tmp_path / "case", "sleep")
    steps = solution.main.views["pc"].answer.steps
    assert steps
    assert all(step.stood_still for step in steps)


def test_rejected_stamps_are_named(tmp_path):
    _truth, _case, solution = solved(tmp_path / "case", "lying_stamps")
    view = solution.main.views["pc"]
    assert view.answer.contradicted.sum() >= 1
    assert {view.anchors.origin[i].kind for i in view.answer.contradicted.nonzero()[0]} == {"exchange"}


def test_verdicts_with_the_clock_stepped_between(tmp_path):
    from timeline.clocks.verdicts import judge_all

    truth, _case, solution = solved(tmp_path / "case", "incidents")
    assert {one.id: one.verdict for one in judge_all(solution)} == truth.verdicts


def test_the_simulator_is_the_same_for_the_same_seed(tmp_path):
    for name in ("a", "b"):
        clock_cases.write_case(tmp_path / name, "mixture", 3)
    one, two = (sorted(path.read_bytes() for path in (tmp_path / name).iterdir()) for name in ("a", "b"))
    assert one == two
