"""Pages in corrected order: found by few columns of few events, with the result of correcting all of them."""

import itertools
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.timeline.builds import built, own_configuration
from timeline import questions
from timeline.filters import Filter
from timeline.questions import corrected_events
from timeline.store import CORRECTED_EVENTS, CORRECTIONS, open_store

START = 1_700_000_000
NS = 10**9


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    base = tmp_path_factory.mktemp("pages")
    rng = random.Random(3)
    for name in ("one", "two", "three"):
        (base / name).mkdir()
        lines = [
            f"0|/{name}/{line}|{line}|r/rrw-r--r--|0|0|5|"
            + "|".join(str(rng.choice((0, START + rng.randrange(100_000)))) for _ in range(4))
            for line in range(150)
        ]
        (base / name / "body.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with own_configuration(base / "config"):
        for name in ("one", "two", "three"):
            built(base / "a.case", base / name, jobs=1, host=name if name != "three" else "")
    return base / "a.case"


def corrections(case, rng):
    """Random bands for two of three clocks, with gaps, jumps and stretches that are not known; a few single events."""
    bands = []
    for clock in ("host:one", "host:two"):
        at = (START - rng.randrange(5000)) * NS
        while at < (START + 90_000) * NS:
            to = at + rng.randrange(1, 40_000) * NS + rng.randrange(NS)
            low = [rng.randrange(-3000, 3000) * NS + rng.randrange(NS) for _ in range(2)]
            wide = [rng.randrange(60) * NS for _ in range(2)]
            status = "estimated" if rng.random() < 0.8 else "unknown"
            bands.append((clock, at, to, low[0], low[0] + wide[0], low[1], low[1] + wide[1], status, "made"))
            at = to + rng.choice((0, 0, rng.randrange(9000) * NS))
    names = ("clock", "from_ns", "to_ns", "low_from_ns", "high_from_ns", "low_to_ns", "high_to_ns", "status", "ground")
    rows = [dict(zip(names, one, strict=True)) for one in bands]
    pq.write_table(pa.Table.from_pylist(rows), case / "timeline" / CORRECTIONS)
    single = [
        {
            "source_id": rng.randrange(1, 4), "row": row, "earliest_ns": moment, "latest_ns": moment + NS,
            "status": "estimated", "ground": "own",
        }
        for row in range(rng.choice((0, 20)))
        for moment in [(START + rng.randrange(-500_000, 500_000)) * NS]
    ]  # fmt: skip
    kinds = [("source_id", pa.int32()), ("row", pa.int64()), ("earliest_ns", pa.int64()), ("latest_ns", pa.int64())]
    kinds += [("status", pa.string()), ("ground", pa.string())]
    unique = list({(one["source_id"], one["row"]): one for one in single}.values())
    pq.write_table(pa.Table.from_pylist(unique, schema=pa.schema(kinds)), case / "timeline" / CORRECTED_EVENTS)


@pytest.mark.parametrize("seed", range(3))
def test_a_page_is_that_of_all_events(case, monkeypatch, seed):
    rng = random.Random(seed)
    corrections(case, rng)
    found = []
    by_bound = questions._page_by_corrected
    monkeypatch.setattr(
        questions, "_page_by_corrected", lambda *one, **two: found.append(by_bound(*one, **two)) or found[-1]
    )
    filters = (
        Filter(),
        Filter(path="/two/"),
        Filter(first_ns=(START + 30_000) * NS, last_ns=(START + 60_000) * NS),
        Filter(kinds=("file.created",), first_ns=(START + 80_000) * NS),
    )
    with open_store(case) as store:
        for wanted, by, newest in itertools.product(filters, (True, False), (True, False)):
            for limit, offset in ((20, 0), (7, 35), (3, 400)):
                answers = []
                for most in (questions.MOST_ON_A_PAGE, -1):
                    with monkeypatch.context() as patch:
                        patch.setattr(questions, "MOST_ON_A_PAGE", most)
                        answers.append(
                            list(
                                corrected_events(
                                    store, wanted, limit=limit, offset=offset, by_corrected=by, newest_first=newest
                                )
                            )
                        )
                assert answers[0] == answers[1], (wanted, by, newest, limit, offset)
    assert any(found)
