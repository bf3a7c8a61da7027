"""Reading a ledger entry by entry, for those who show or summarise it. Nothing is verified here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chain_of_custody import entries, ledger
from chain_of_custody.entries import Entry, EntryError
from chain_of_custody.errors import CaseNotFoundError, LedgerError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def read_entries(case: Path) -> Iterator[Entry]:
    """All entries in order; a torn last line (a crash, or a writer at work) is left out.

    Raises CaseNotFoundError when there is no ledger, LedgerError at a line that is no entry.
    """
    path = case / ledger.LEDGER_NAME
    try:
        with path.open("rb") as file:
            for number, line in enumerate(ledger.lines_of(file), start=1):
                if not line.endswith(b"\n"):
                    return
                yield _entry(line[:-1], number, path)
    except FileNotFoundError as error:
        raise CaseNotFoundError(
            f"事案フォルダーではありません(ledger.jsonl なし): {case}",
            f"not a case (no ledger.jsonl): {case}",
            hint_ja="--case で事案フォルダーを指定するか、custody init DIR で作ってください",
            hint_en="name the folder of a case with --case, or make one with custody init DIR",
        ) from error
    except OSError as error:
        raise LedgerError(
            f"台帳を読めません: {path}: {error.strerror}",
            f"cannot read the ledger: {path}: {error.strerror}",
        ) from error


def _entry(line: bytes, number: int, path: Path) -> Entry:
    try:
        return entries.parse_line(line)
    except EntryError as error:
        raise LedgerError(
            f"台帳の {number} 行目が不正です: {path}: {error.ja}",
            f"line {number} of the ledger is invalid: {path}: {error.en}",
            hint_ja="custody verify で確かめてください",
            hint_en="run custody verify",
        ) from error
