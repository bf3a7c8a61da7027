"""The course of an incident: its moments in order, the times between them, and what the reports and commands show."""

from __future__ import annotations

import json

import pytest

from chain_of_custody import incident, init_case, open_case
from chain_of_custody.reading import read_entries
from chain_of_custody.verify import verify_case
from tests.chain_of_custody.test_cli import custody

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS
WHO = {"how": "LAN ケーブルを抜いた", "who": "佐藤"}


@pytest.fixture
def case_dir(tmp_path):
    """As in the column on the pension service: one machine first, a part of the network, and at last all of it."""
    path = tmp_path / "case"
    with init_case(path, actor="yamada") as case:
        for kind, body in (
            ("isolate", {"at": "2015-05-29T09:00:00.000000+09:00", "what": "全回線", "extent": "whole", **WHO}),
            ("first_sign", {"at": "2015-05-08T10:28:00.000000+09:00", "what": "不審な通信の警告", "who": "監視担当"}),
            ("network", {"at": "2015-05-08T15:25:00.000000+09:00", **WHO}),
            ("first_report", {"at": "2015-05-08T02:30:00.000000+00:00", "who": "監視担当", "to": "責任者"}),
            ("isolate", {"at": "2015-05-22T15:25:30.000000+09:00", "what": "一部署", "extent": "partial", **WHO}),
        ):
            case.append(f"record.{kind}", body, src="typed")
    return path


def spans(path):
    found = incident.course(read_entries(path))
    return [
        (one.entry.type.removeprefix("record."), one.since_sign_ns, one.since_report_ns, one.since_step_ns)
        for one in found.moments
    ]


def test_moments_stand_in_the_order_of_their_times_with_the_spans_between(case_dir):
    fortnight = 14 * 24 * HOUR_NS + 30 * SECOND_NS
    last = 20 * 24 * HOUR_NS + 22 * HOUR_NS + 32 * MINUTE_NS
    assert spans(case_dir) == [
        ("first_sign", None, None, None),
        ("first_report", HOUR_NS + 2 * MINUTE_NS, None, None),
        ("network", 4 * HOUR_NS + 57 * MINUTE_NS, 3 * HOUR_NS + 55 * MINUTE_NS, None),
        ("isolate", fortnight + 4 * HOUR_NS + 57 * MINUTE_NS, fortnight + 3 * HOUR_NS + 55 * MINUTE_NS, fortnight),
        ("isolate", last, last - HOUR_NS - 2 * MINUTE_NS, last - fortnight - 4 * HOUR_NS - 57 * MINUTE_NS),
    ]


def test_the_newest_first_sign_counts_and_the_older_one_stays(case_dir):
    with open_case(case_dir) as case:
        earlier = {"at": "2015-05-08T09:00:00.000000+09:00", "what": "利用者の申告"}
        case.append("record.first_sign", earlier, src="typed")
    found = incident.course(read_entries(case_dir))
    assert [one.superseded for one in found.moments[:3]] == [False, True, False]
    assert found.moments[2].since_sign_ns == 2 * HOUR_NS + 30 * MINUTE_NS
    assert "replaced by a later record" in str(incident.rows(found, "en")[1][2])


def test_what_lies_before_the_first_sign_is_shown_as_such_and_nothing_is_measured_from_nothing(tmp_path):
    with init_case(tmp_path / "c", actor="yamada") as case:
        case.append("record.isolate", {"at": "2026-01-01T00:00:00.000000+00:00", "what": "x"}, src="typed")
    assert spans(tmp_path / "c") == [("isolate", None, None, None)]
    with open_case(tmp_path / "c") as case:
        case.append("record.first_sign", {"at": "2026-01-01T00:00:01.500000+00:00", "what": "x"}, src="typed")
    assert spans(tmp_path / "c")[0] == ("isolate", -1_500_000_000, None, None)
    assert incident.course(read_entries(tmp_path / "c")).moments[0].to_json()["since_sign_s"] == "-1.500000"


@pytest.mark.parametrize(
    ("ns", "ja", "en"),
    [
        (0, "0 秒", "0 s"),
        (59 * SECOND_NS + 999_999_999, "59 秒", "59 s"),
        (61 * SECOND_NS, "1 分 1 秒", "1 min 1 s"),
        (-25 * HOUR_NS, "−1 日 1 時間 0 分 0 秒", "−1 d 1 h 0 min 0 s"),
        (-999, "0 秒", "0 s"),
    ],
)
def test_spans_in_words(ns, ja, en):
    assert (incident.span(ns, "ja"), incident.span(ns, "en")) == (ja, en)


def test_the_command_shows_it(case_dir):
    code, out, _ = custody("incident", "--case", str(case_dir), "--json")
    shown = json.loads(out)
    assert code == 0
    assert [one["since_sign_s"] for one in shown["moments"]][:3] == [None, "3720.000000", "17820.000000"]
    assert shown["classification"] is None
    code, out, _ = custody("incident", "--case", str(case_dir))
    assert code == 0
    assert "isolation" in out
    assert verify_case(case_dir).verdict == "ok"


def test_the_time_is_needed(case_dir):
    for kind, fields in (("first_sign", ("what=x",)), ("isolate", ("what=x", "extent=whole", "how=x", "who=y"))):
        given = [word for one in fields for word in ("--field", one)]
        code, _, error = custody("record", kind, *given, "--case", str(case_dir))
        assert code == 2
        assert "needs at" in error
