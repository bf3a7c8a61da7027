"""Kinds of events, each with a sentence in Japanese and English.

Each part has its own table `SENTENCES` in a module of this folder: kind -> (Japanese, English), with `{name}` for
`path`, `actor`, `host`, `bytes`, `record` and the members of `data`. A missing member is shown as nothing.

```python
describe("file.created", {"path": "/a.txt"}, "ja")     # 'ファイルの作成: /a.txt'
```
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from timeline.kinds import filesystem

if TYPE_CHECKING:
    from chain_of_custody.errors import Language

Sentences = Mapping[str, tuple[str, str]]

TABLES: tuple[Sentences, ...] = (filesystem.SENTENCES,)


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
    if isinstance(value, list | tuple):
        return ", ".join(_shown(one) for one in value)
    return str(value)


_FORMATTER = _Fields()


def describe(kind: str, fields: Mapping[str, object], language: Language) -> str:
    """The sentence of an event: its columns `path`, `actor`, … and the members of its `data` together in `fields`.

    An unknown kind, such as one of a newer version, is told by its fields as they are.
    """
    pair = sentences().get(kind)
    if pair is None:
        shown = "; ".join(f"{name}={_shown(value)}" for name, value in fields.items() if value not in (None, "", {}))
        return f"{kind}: {shown}" if shown else kind
    return _FORMATTER.vformat(pair[language != "ja"], (), fields).strip()
