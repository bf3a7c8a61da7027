"""Shadow copies of a real volume: what differs in them is in the timeline, said to be from a copy, and only that."""

import pytest

from tests.timeline.builds import asked, built, own_configuration


@pytest.fixture(scope="module")
def case(tmp_path_factory, shared_data):
    base = tmp_path_factory.mktemp("shadow")
    with own_configuration(base / "config"):
        built(base / "a.case", shared_data / "plaso" / "test_data" / "vsstest.qcow2", jobs=1)
    return base / "a.case"


def table(case, sql):
    return [tuple(row.values()) for row in asked("query", sql, "--limit", "100000", "--case", case)["rows"]]


def test_layer_and_state_name_the_copy(case):
    found = dict(
        table(case, "SELECT layer, string_agg(DISTINCT state) FROM events WHERE parser = 'mft' GROUP BY layer")
    )
    assert found == {
        "qcow2:vsstest.qcow2|ntfs:/$MFT": "live",
        "qcow2:vsstest.qcow2|vss:1|ntfs:/$MFT": "snapshot",
        "qcow2:vsstest.qcow2|vss:2|ntfs:/$MFT": "snapshot",
    }
    assert table(case, "SELECT count(*) FROM events WHERE (layer LIKE '%|vss:%') <> (state = 'snapshot')") == [(0,)]


def test_a_file_that_only_the_copy_has_is_read_there(case):
    """/syslog was packed to /syslog.gz after the first copy was made (The plaso project's description of its image)."""
    assert table(case, "SELECT DISTINCT state FROM events WHERE path = '/syslog'") == [("snapshot",)]
    assert table(case, "SELECT DISTINCT state FROM events WHERE path = '/syslog.gz'") == [("live",)]
    lines = table(case, "SELECT layer, count(*) FROM events WHERE parser = 'syslog' GROUP BY layer")
    assert lines == [("qcow2:vsstest.qcow2|vss:1|ntfs:/syslog", 12)]


def test_what_has_not_changed_is_there_once(case):
    """A record of a copy is listed only where its times, names or sequence are not those of the volume as it is."""
    live = set(table(case, "SELECT record, kind, time_ns, path FROM events WHERE parser = 'mft' AND state = 'live'"))
    copied = table(
        case, "SELECT layer, record, kind, time_ns, path FROM events WHERE parser = 'mft' AND state = 'snapshot'"
    )
    records = {}
    for layer, record, *rest in copied:
        records.setdefault((layer, record.rpartition(" ")[0]), set()).add((record, *rest))
    assert len(live) > 200
    assert len(records) >= 5
    assert not [name for name, rows in records.items() if rows <= live]
