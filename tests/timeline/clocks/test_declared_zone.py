"""What people say of clocks, through the command line on a real case: a zone with its clock change, a reading of an item."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tests.timeline.builds import asked, built, own_configuration, run

NEW_YORK_END = datetime(2026, 11, 1, 6, tzinfo=UTC)  # 02:00 EDT becomes 01:00 EST
FAST_S = 120


def wall(moment):
    """What the machine in New York shows, two minutes fast."""
    shown = moment + timedelta(seconds=FAST_S)
    return shown - timedelta(hours=4 if shown < NEW_YORK_END else 5)


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """A machine in New York over the end of summer time: a log of wall times, and exchanges in UTC."""
    folder = tmp_path_factory.mktemp("zone")
    evidence = folder / "evidence"
    evidence.mkdir()
    moments = [NEW_YORK_END + timedelta(minutes=40 * n) for n in range(-60, 60)]
    (evidence / "syslog").write_text(
        "".join(f"{wall(one):%b %e %H:%M:%S} pc app[{n}]: line\n" for n, one in enumerate(moments))
    )
    (evidence / "setupapi.dev.log").write_text(
        "[Device Install Log]\r\n     OS Version = 10.0.19045\r\n\r\n[BeginLog]\r\n\r\n"
        ">>>  [Device Install (Hardware initiated) - USBSTOR\\Disk&Ven_X\\1]\r\n"
        ">>>  Section start 2026/10/31 10:00:00.000\r\n<<<  Section end 2026/10/31 10:00:01.000\r\n"
        "<<<  [Exit status: SUCCESS]\r\n"
    )
    exchanges = [
        {"url": f"https://www.example.jp/{n}", "request_time": f"{one + timedelta(seconds=FAST_S):%Y-%m-%dT%H:%M:%S.%fZ}",
         "response_time": f"{one + timedelta(seconds=FAST_S + 0.2):%Y-%m-%dT%H:%M:%S.%fZ}", "status": 200,
         "headers": {"date": format_datetime(one, usegmt=True)}}
        for n, one in enumerate(moments[::6])
    ]  # fmt: skip
    (evidence / "http.jsonl").write_text("".join(json.dumps(one) + "\n" for one in exchanges))
    with own_configuration(folder):
        built(folder / "c.case", evidence, host="PC02")
        yield folder / "c.case", moments


def corrected(case):
    sql = "SELECT record, earliest_ns, latest_ns, corrected_status FROM events_corrected WHERE parser = 'syslog'"
    rows = asked("query", sql, "--case", case)["rows"]
    return sorted((int(one["record"]), one["earliest_ns"], one["latest_ns"], one["corrected_status"]) for one in rows)


def test_a_declared_zone_holds_on_both_sides_of_its_clock_change(case, monkeypatch):
    path, moments = case
    monkeypatch.setenv("HOZEN_CONFIG_HOME", str(path.parent))
    assert run("clock", "solve", "--case", path).exit_code == 0
    sql = "SELECT corrected_status AS s, earliest_ns AS e FROM events_corrected WHERE parser = 'setupapi'"
    setup = asked("query", sql, "--case", path)["rows"]
    assert setup
    assert {(one["s"], one["e"]) for one in setup} == {("unknown", None)}
    assert {one[3] for one in corrected(path)} == {"unknown"}  # wall times: lines of the clock are not for them
    declared = ("clock", "set-zone", "host:PC02", "--zone", "America/New_York", "--by", "IT", "--case", path)
    assert run(*declared).exit_code == 0
    assert run("clock", "solve", "--case", path).exit_code == 0
    rows = corrected(path)
    assert len(rows) == len(moments)
    for (_line, earliest, latest, status), moment in zip(rows, moments, strict=True):
        true = int(moment.timestamp()) * 10**9
        assert status == "estimated"
        assert earliest <= true <= latest, moment
        assert latest - earliest < 10 * 10**9, moment


def test_a_reading_of_the_item_is_that_of_its_clock(case, monkeypatch):
    path, _ = case
    monkeypatch.setenv("HOZEN_CONFIG_HOME", str(path.parent))
    seen = datetime(2026, 11, 20, 3, 0, 0, tzinfo=UTC)
    given = ("--shown", f"{seen + timedelta(seconds=FAST_S):%Y-%m-%dT%H:%M:%SZ}", "--reference",
             f"{seen:%Y-%m-%dT%H:%M:%SZ}", "--source", "NTP", "--case", path)  # fmt: skip
    assert run("clock", "read", "--clock", "PC02", "--item", "E1", *given).exit_code == 0
    listed = {one["clock"]: one["readings"] for one in asked("clock", "list", "--case", path)}
    assert listed["host:PC02"] == 1
    anchors = asked("clock", "explain", "host:PC02", "--case", path)["anchors"]
    assert [one["used"] for one in anchors if one["kind"] == "reading"] == [True]
