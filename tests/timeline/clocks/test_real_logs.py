"""Real Windows logs with clock changes (shared artefacts): every step is found; without anchors nothing is claimed."""

import json

import pytest

from timeline.clocks.case_folder import read_case
from timeline.clocks.solution import solve

evtx = pytest.importorskip("evtx", reason="the `evtx` library writes the JSON lines of a clock case")


def case_of(folder, log):
    folder.mkdir()
    with (folder / "log.jsonl").open("w", encoding="utf-8") as out:
        for record in evtx.PyEvtxParser(str(log)).records_json():
            out.write(json.dumps(json.loads(record["data"])) + "\n")
    described = {
        "period": ["2010-01-01T00:00:00Z", "2026-01-01T00:00:00Z"],
        "clocks": {"pc": {"declared": "unknown"}},
        "http_hosts": {},
        "sources": [{"file": "log.jsonl", "format": "evtx", "clock": "pc", "zone": "UTC", "order": "append"}],
        "pairs": [],
        "incidents": [],
    }
    (folder / "case.json").write_text(json.dumps(described))
    return read_case(folder)


@pytest.mark.parametrize(
    ("name", "records", "changes", "largest_s"),
    [
        ("evtx/samples/system.evtx", 1881, 208, None),
        ("evtx/samples/security.evtx", 2261, 26, None),
        ("evtx/samples/Security_with_size_t.evtx", None, 9, -36_000),
        ("plaso/test_data/evtx/System.evtx", 5009, 6, -32_398),
    ],
)
def test_steps_of_real_logs(shared_data, tmp_path, name, records, changes, largest_s):
    case = case_of(tmp_path / "case", shared_data / name)
    source = case.sources[0]
    assert len(source.changes) == changes
    if records is not None:
        assert source.size == records
    if largest_s is not None:
        assert min(one.new_s - one.old_s for one in source.changes) == pytest.approx(largest_s, abs=5)
    solution = solve(case)
    assert {one.status for one in solution.records()} == {"unknown"}
