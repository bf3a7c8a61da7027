"""Signs that times may have been changed: each on a small example, with its opposite, and innocent words for all."""

import duckdb
import pytest

from tests.timeline.clocks import small_case
from timeline.clocks import read_case, solve
from timeline.clocks.evidence import TimeChange, Uptime
from timeline.clocks.manipulation import SIGNS, signs, store_signs

HOUR = 3600 * 10**9


class Events:
    """The view `events` with a few rows: (source, sequence, time in hours, kind, data)."""

    def __init__(self, *rows):
        self.connection = duckdb.connect()
        self.connection.execute(
            "CREATE TABLE events (source_id INTEGER, row BIGINT, id VARCHAR, sequence BIGINT, time_ns BIGINT, kind VARCHAR, "
            "data VARCHAR, clock VARCHAR, parser VARCHAR, state VARCHAR)"
        )
        for number, (source, sequence, hours, kind, *data) in enumerate(rows):
            parser = "evtx" if kind.startswith("evtx.") else "registry"
            self.connection.execute(
                "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, 'host:PC', ?, 'live')",
                [
                    source,
                    number,
                    f"S{source}:{number}",
                    sequence,
                    round(hours * HOUR),
                    kind,
                    data[0] if data else "{}",
                    parser,
                ],
            )

    def rows(self, sql):
        return self.connection.execute(sql).fetchall()


@pytest.mark.parametrize(
    ("name", "rows", "records"),
    [
        ("log_cleared", [(1, 1, 1, "evtx.log_cleared"), (1, 2, 1.1, "evtx.logon")], ("S1:0",)),
        ("gap_after_clear", [(1, 1, 1, "evtx.log_cleared"), (1, 2, 9, "evtx.logon")], ("S1:0",)),
        ("records_missing", [(1, 7, 1, "evtx.logon"), (1, 8, 2, "evtx.logon"), (1, 12, 3, "evtx.logon")], ("S1:2",)),
        ("before_installation", [(2, 0, 100, "system.installed"), (1, 1, 3, "evtx.logon")], ("S1:1",)),
        ("si_before_fn", [(3, 0, 5, "file.created", '{"si_before_fn":true}')], ("S3:0",)),
    ],
)
def test_signs_of_events(name, rows, records):
    found = {one.name: one for one in store_signs(Events(*rows))}
    assert found[name].records == records
    assert found[name].clock == "host:PC"


def test_ordinary_events_are_no_sign():
    rows = [
        (2, 0, 1, "system.installed"),
        *((1, n, 2 + n / 10, "evtx.logon") for n in range(1, 20)),
        (3, 0, 5, "file.created"),
    ]
    assert list(store_signs(Events(*rows))) == []


def changed(tmp_path, change):
    small_case.write(tmp_path / "c")
    case = read_case(tmp_path / "c")
    change(next(source for source in case.sources if source.format == "evtx"))
    return {one.name: one for one in signs(solve(case)) if one.clock == "pc"}


def test_a_step_by_a_persons_program_and_back(tmp_path):
    def change(source):
        at = float(source.reading_s[20])
        source.changes.append(TimeChange(at + 4000, at, 20, process="C:\\Windows\\System32\\rundll32.exe"))

    found = changed(tmp_path, change)
    assert found["set_by_person"].records == ("evtx.jsonl:120",)
    assert found["set_back"].records == ("evtx.jsonl:120",)


def test_a_step_by_the_time_service_is_not_a_persons(tmp_path):
    def change(source):
        at = float(source.reading_s[20])
        source.changes.append(TimeChange(at - 3, at, 20, process="C:\\Windows\\System32\\svchost.exe"))

    assert not {"set_by_person", "set_back"} & set(changed(tmp_path, change))


def test_times_that_go_back_in_a_log(tmp_path):
    def change(source):
        source.reading_s[21:] -= 7200

    assert changed(tmp_path, change)["backward_in_log"].records == ("evtx.jsonl:120",)


@pytest.mark.parametrize(("seconds", "seen"), [(36_000, False), (36_000 + 600, True)])
def test_an_uptime_that_the_clock_contradicts(tmp_path, seconds, seen):
    def change(source):  # records 10 and 30 are ten hours apart
        source.uptimes += [Uptime(10, 1000.0), Uptime(30, 1000.0 + seconds)]

    found = changed(tmp_path, change)
    assert ("uptime_contradicts" in found) == seen
    if seen:
        assert found["uptime_contradicts"].records == ("evtx.jsonl:130 (-600 s)",)


def test_a_start_of_the_system_begins_a_new_uptime(tmp_path):
    def change(source):
        source.uptimes += [Uptime(10, 1000.0), Uptime(30, 90_000.0)]
        source.boots.append(20)

    assert "uptime_contradicts" not in changed(tmp_path, change)


def test_every_sign_has_innocent_explanations_in_both_languages():
    for name, words in SIGNS.items():
        assert len(words) == 4, name
        assert all(words), name
