"""One step of a live collection, and what it is for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """A command (`argv`), a read of procfs (`reader`) or the first tool there is of `choices` (name, command)."""

    name: str
    ja: str
    en: str
    argv: tuple[str, ...] = ()
    reader: str = ""
    choices: tuple[tuple[str, tuple[str, ...]], ...] = ()
    needs_authority: bool = False
    """Whether it shows keys: only after an `authority` record in the ledger."""
    fine: tuple[int, ...] = (0,)
    """Exit codes that mean the question was answered."""
