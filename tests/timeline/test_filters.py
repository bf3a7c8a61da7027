"""Texts without case are looked for as they stand: with the same result as in any case."""

import random

import duckdb

from timeline.filters import Filter, _holds, _part

_LETTERS = "aAbBzZßſKkÅåİıiIσςΣ給与。1２ーｱァ%_\\' "


def test_as_in_any_case():
    rng = random.Random(5)
    texts = ["".join(rng.choice(_LETTERS) for _ in range(rng.randrange(12))) for _ in range(2000)]
    connection = duckdb.connect()
    connection.execute("CREATE TABLE t AS SELECT unnest(?) AS path", [texts])
    plain = 0
    for length in (1, 1, 2, 3):
        for _ in range(60):
            wanted = "".join(rng.choice(_LETTERS) for _ in range(length))
            test, value = _holds(wanted)
            plain += test.startswith("contains")
            found = connection.execute(f"SELECT path FROM t WHERE {test.format('path')}", [value]).fetchall()
            like = "SELECT path FROM t WHERE path ILIKE ? ESCAPE '\\'"
            assert found == connection.execute(like, [_part(wanted)]).fetchall(), wanted
    assert 40 < plain < 200


def test_a_filter_uses_it():
    assert Filter(words="給与_1", path="x").condition()[0].count("contains(") == 7
    assert Filter(words="Report").condition()[0].count("ILIKE") == 7
