"""Kinds of events, each with a sentence in Japanese and English.

Each part has its own table `SENTENCES` in a module of this folder: kind -> (Japanese, English), with `{name}` for
`path`, `actor`, `host`, `bytes`, `record` and the members of `data`. A missing member is shown as nothing.

```python
describe("file.created", {"path": "/a.txt"}, "ja")     # 'ファイルの作成: /a.txt'
```
"""

from __future__ import annotations

import json
import string
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from timeline.kinds import eventlog, filesystem, logs, windows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chain_of_custody.errors import Language

Sentences = Mapping[str, tuple[str, str]]

TABLES: tuple[Sentences, ...] = (filesystem.SENTENCES, logs.SENTENCES, eventlog.SENTENCES, windows.SENTENCES)


@cache
def sentences() -> Sentences:
    """All kinds of all tables."""
    return {kind: pair for table in TABLES for kind, pair in table.items()}


class _Fields(string.Formatter):
    """Fills in fields by plain name alone: a template never reaches into an object."""

    def get_field(self, field_name: str, args: object, kwargs: Mapping[str, object]) -> tuple[object, str]:
        del args
        return _shown(kwargs.get(field_name)), field_name


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ", ".join(_shown(one) for one in value)
    return str(value)


_FORMATTER = _Fields()


COLUMN_FIELDS = ("path", "actor", "host", "bytes", "record")
"""Columns of an event that a sentence may use; every other field is a member of its `data`."""


def describe(kind: str, fields: Mapping[str, object], language: Language) -> str:
    """The sentence of an event: its columns `path`, `actor`, … and the members of its `data` together in `fields`.

    An unknown kind, such as one of a newer version, is told by its path and actor.
    """
    template = sentences().get(kind, (_UNKNOWN, _UNKNOWN))[language != "ja"]
    return _FORMATTER.vformat(template, (), {"kind": kind, **fields}).strip()


_UNKNOWN = "{kind}: {path} {actor}"


def sentence(kind: str, columns: Mapping[str, object], data: str, language: Language) -> str:
    """The sentence of a row of the store: `columns` by name, `data` as its JSON text."""
    try:
        members = json.loads(data)
    except ValueError:
        members = {}
    fields = members if isinstance(members, dict) else {}
    return describe(kind, {**fields, **{name: columns.get(name) for name in COLUMN_FIELDS}}, language)


def sentence_sql(kinds: Sequence[str], language: Language) -> str:
    """A DuckDB expression for the sentence of a row of the view `events` whose kind is one of `kinds`."""
    branches = []
    for kind in kinds:
        template = sentences().get(kind, (_UNKNOWN, _UNKNOWN))[language != "ja"]
        branches.append(f"WHEN kind = {_quoted(kind)} THEN {_template_sql(template)}")
    otherwise = _template_sql(_UNKNOWN)
    return f"trim(CASE {' '.join(branches)} ELSE {otherwise} END)" if branches else f"trim({otherwise})"


def _template_sql(template: str) -> str:
    parts = []
    for literal, name, _, _ in _FORMATTER.parse(template):
        if literal:
            parts.append(_quoted(literal))
        if name == "kind":
            parts.append("kind")
        elif name in COLUMN_FIELDS:
            parts.append(f"coalesce(CAST({name} AS VARCHAR), '')")
        elif name:
            member = _quoted(f'$."{name}"')
            shown = f"data ->> {member}"
            joined = f"array_to_string(CAST(json_extract(data, {member}) AS VARCHAR[]), ', ')"
            parts.append(f"coalesce(CASE json_type(data, {member}) WHEN 'ARRAY' THEN {joined} ELSE {shown} END, '')")
    return "concat(" + ", ".join(parts or ["''"]) + ")"


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
