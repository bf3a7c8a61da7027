"""All events merged from their parts: the same as sorted by DuckDB, byte for byte, in every format."""

import random

import pytest

from tests.timeline.builds import built, own_configuration
from timeline import export as exporting
from timeline import rows
from timeline.export import _MERGED, export
from timeline.filters import Filter
from timeline.ordered import IN_ORDER, in_order
from timeline.store import open_store


def body(seed, count):
    rng = random.Random(seed)
    names = ("報告書,写し.docx", '"a".txt', "=cmd", "b", "c\td")
    return "".join(
        f"0|/home/{rng.choice(names)}{rng.randrange(90)}|{line}|r/rrw-r--r--|0|0|5|"
        + "|".join(str(rng.choice((0, 1_700_000_000 + rng.randrange(400)))) for _ in range(4))
        + "\n"
        for line in range(count)
    )


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    base = tmp_path_factory.mktemp("ordered")
    with own_configuration(base / "config"), pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "ROWS_IN_MEMORY", 700)
        patch.setattr(rows, "GROUP_ROWS", 150)
        patch.setattr(rows, "_EVENTS_AT_ONCE", 300)
        # A bodyfile is read here, not in a process, so that the small runs above hold.
        for name, seed in (("one", 1), ("two", 2), ("one", 3)):
            (base / name).mkdir(exist_ok=True)
            (base / name / "body.txt").write_text(body(seed, 600), encoding="utf-8")
            built(base / "a.case", base / name, jobs=1)
    return base / "a.case"


@pytest.mark.parametrize("format_", _MERGED)
def test_merged_as_sorted(case, tmp_path, monkeypatch, format_):
    digests = []
    with open_store(case) as store:
        assert store.has_replaced
        for merged in (_MERGED, ()):
            monkeypatch.setattr(exporting, "_MERGED", merged)
            target = tmp_path / f"{len(digests)}.{format_}"
            done = export(store, Filter(), format_, target, language="ja", zone="Asia/Tokyo")
            digests.append((done.rows, done.sha256))
    assert digests[0] == digests[1]
    assert digests[0][0] > 2000


def test_columns_are_those_of_the_view(case):
    with open_store(case) as store:
        with in_order(store) as view:
            assert view == IN_ORDER
            here = store.connection.execute(f"SELECT * FROM {view}").fetchall()
        columns = [one[0] for one in store.connection.execute("DESCRIBE events").fetchall()]
        there = store.connection.execute("SELECT * FROM events ORDER BY time_ns NULLS LAST, source_id, row").fetchall()
        assert here == there
        assert len(columns) == len(here[0])
        assert "events_in_order" not in str(store.connection.execute("SHOW TABLES").fetchall())
