"""In which stage of its life a found number is: 収集 (collection), 保管 (storage), 利用 (use), 廃棄 (disposal).

Told from the folders, the names and the state of the file, by the words of `lifecycle.toml`; where nothing says it,
nothing is said. The stage is a hint for whoever sorts the findings, with its ground beside it, and no judgement.
"""

from __future__ import annotations

import posixpath
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

STAGES = ("collection", "storage", "use", "disposal")
STAGE_WORDS: Mapping[str, tuple[str, str]] = {
    "collection": ("収集", "collection"),
    "storage": ("保管", "storage"),
    "use": ("利用", "use"),
    "disposal": ("廃棄", "disposal"),
}


class Stage(NamedTuple):
    """A stage and what told it: `ground` is the word met, or "deleted"."""

    code: str
    ground: str


@dataclass(frozen=True, slots=True)
class _Words:
    code: str
    folders: tuple[str, ...]
    names: tuple[str, ...]


@cache
def _table() -> tuple[_Words, ...]:
    with (resources.files("triage") / "lifecycle.toml").open("rb") as file:
        stages = tomllib.load(file)["stage"]
    return tuple(
        _Words(one["code"], tuple(map(str.casefold, one["folders"])), tuple(map(str.casefold, one["names"])))
        for one in stages
    )


def stage_of(path: str, container: str, state: str) -> Stage | None:
    """The stage of what lies at `path` (and `container` inside it), found in `state`; None where nothing tells it."""
    folders = [part.casefold() for part in posixpath.dirname(path).split("/") if part]
    names = [part.casefold() for part in (posixpath.basename(path), *container.replace("!/", "/").split("/")) if part]
    for words in _table():
        for word in words.folders:
            # ASCII words are short and stand for whole names; Japanese ones may be part of a longer name.
            if any(
                word == part or (not word.isascii() and word in part) or part.startswith(word + "-") for part in folders
            ):
                return Stage(words.code, word)
        if words.code == "disposal" and state == "deleted":
            return Stage("disposal", "deleted")
        for word in words.names:
            if any(word in name for name in names):
                return Stage(words.code, word)
    return None
