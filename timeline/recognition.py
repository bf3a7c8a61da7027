"""Which parsers read a file: by its content first, by its name where the content cannot tell."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from chain_of_custody.errors import EvidenceError
from timeline import parsers as modules
from timeline.event import Problem

if TYPE_CHECKING:
    from timeline.parsers import Parser
    from timeline.sources import SourceFile


@dataclass(frozen=True, slots=True)
class Recognised:
    """The parsers of one file, and what is to be said of it: a promised format that it has not, a look that failed."""

    parsers: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


NOTHING = Recognised()


@cache
def by_name() -> dict[str, Parser]:
    """All parsers by their names."""
    return {parser.NAME: parser for parser in modules.PARSERS}


class _Asked:
    """Parsers in groups, so that few of them are asked for each file."""

    def __init__(self) -> None:
        self.always: list[Parser] = []
        self.texts: list[Parser] = []
        self.signed: dict[bytes, list[Parser]] = {}
        self.named: list[tuple[re.Pattern[str], Parser]] = []
        for parser in modules.PARSERS:
            signatures: tuple[bytes, ...] = getattr(parser, "SIGNATURES", ())
            names: re.Pattern[str] | None = getattr(parser, "NAMES", None)
            for signature in signatures:
                self.signed.setdefault(signature, []).append(parser)
            if names is not None:
                self.named.append((names, parser))
            if not signatures and names is None:
                (self.texts if getattr(parser, "TEXT", False) else self.always).append(parser)
        self.lengths = sorted({len(signature) for signature in self.signed})
        self.first_bytes = frozenset(signature[0] for signature in self.signed)
        self.any_name = re.compile("|".join(f"(?:{names.pattern})" for names, _ in self.named) or r"(?!)")

    def any_of(self, name: str, head: bytes) -> bool:
        """Whether `of` gives any; most files of a volume end here."""
        if self.always or (head and head[0] in self.first_bytes and self._is_signed(head)):
            return True
        return self.any_name.fullmatch(name) is not None or (bool(self.texts) and looks_like_text(head))

    def _is_signed(self, head: bytes) -> bool:
        return any(head[:length] in self.signed for length in self.lengths)

    def of(self, name: str, head: bytes) -> list[Parser]:
        found = self.always + self.texts if looks_like_text(head) else list(self.always)
        for length in self.lengths:
            found += self.signed.get(head[:length], ())
        if self.any_name.fullmatch(name):
            found += [parser for names, parser in self.named if names.fullmatch(name)]
        return found


_CONTROLS = bytes({*range(1, 32), 127} - {9, 10, 12, 13, 27})
_FIRST_LOOK = 1536  # bytes
_BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")


def looks_like_text(head: bytes) -> bool:
    """Whether the first bytes of a file could be text in some encoding: a cheap look that keeps parsers unasked."""
    if not head or head.startswith(_BYTE_ORDER_MARKS):
        return bool(head)
    zeros = head.count(0)
    if zeros > len(head) // 16:
        # UTF-16 without a mark: every other byte of its ASCII characters is NUL.
        return zeros > len(head) // 4 and min(head[::2].count(0), head[1::2].count(0)) * 20 <= zeros
    # The beginning of random bytes has more control characters than text has in the whole head.
    return all(_controls(part) * 33 <= len(head) for part in (head[:_FIRST_LOOK], head))


def _controls(part: bytes) -> int:
    return len(part) - len(part.translate(None, _CONTROLS))


@cache
def _asked() -> _Asked:
    return _Asked()


LOOK = "?"
"""Stands for the parser of a file whose content a worker process has to look at first."""


def by_name_alone(name: str) -> Recognised:
    """What the name of a file says whose content cannot be looked at here."""
    return Recognised((LOOK,)) if _asked().any_name.fullmatch(name.lower()) else NOTHING


def asks_for(name: str, head: bytes) -> bool:
    """Whether any parser is to be asked for a file of that name and beginning."""
    return _asked().any_of(name.lower(), head)


def recognise(file: SourceFile) -> Recognised:
    """The parsers that read `file`. A parser that fails in looking is a problem of that file, not of the run."""
    try:
        asked = _asked().of(file.name.lower(), file.head)
    except (EvidenceError, OSError) as error:
        return Recognised(problems=(Problem(file.layer, "damaged", f"cannot be read: {_words(error)}"),))
    found: list[str] = []
    problems: list[Problem] = []
    broken: list[str] = []
    for parser in asked:
        if parser.NAME in found:
            continue
        promises = getattr(parser, "promises", None)
        try:
            if not parser.matches(file):
                # The name of a deleted file promises nothing: its content may belong to others by now.
                if promises is not None and file.state == "live" and promises(file):
                    broken.append(parser.NAME)
                continue
        except Exception as error:  # noqa: BLE001 - hostile content in one parser's look; becomes a coverage line
            detail = f"{parser.NAME}: cannot tell whether it reads this file ({type(error).__name__})"
            problems.append(Problem(file.layer, "damaged", detail))
            continue
        found.append(parser.NAME)
    if broken and not found:
        detail = f"named as {', '.join(dict.fromkeys(broken))}, but its content is not of that format"
        problems.append(Problem(file.layer, "damaged", detail))
    return Recognised(tuple(found), tuple(problems)) if found or problems else NOTHING


def _words(error: EvidenceError | OSError) -> str:
    return error.en if isinstance(error, EvidenceError) else error.strerror or type(error).__name__
