"""Which program writes an entry: name, version and a hash over the installed package's own files; and its command line.

`package_sha256` can be repeated with coreutils, in the folder that holds the packages:
`sha256sum FILES… | LC_ALL=C sort | sha256sum` over the lines `<sha256>  <path>` (see docs/ledger-format.md).
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from chain_of_custody.entries import Tool
from chain_of_custody.masking import mask_text

if TYPE_CHECKING:
    from collections.abc import Sequence

PACKAGES = ("chain_of_custody", "preserve", "timeline", "triage")


@cache
def version() -> str:
    """Version of the distribution."""
    try:
        return importlib.metadata.version("hozen")
    except importlib.metadata.PackageNotFoundError:
        return "0+unknown"


@cache
def package_sha256() -> str:
    """SHA-256 (hex) of the sorted lines `<sha256>  <path>` of all files of the installed packages."""
    site = Path(__file__).resolve().parent.parent
    lines = []
    for package in PACKAGES:
        for path in (site / package).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc":
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                lines.append(f"{digest}  {path.relative_to(site).as_posix()}\n".encode())
    return hashlib.sha256(b"".join(sorted(lines))).hexdigest()


def tool(name: str) -> Tool:
    """The member `tool` of entries written by the command-line tool `name`."""
    return Tool(name, version(), package_sha256())


# The text of a note may be meant for details/, from where it can be removed; a command line never can.
_SECRET_OPTION = re.compile(
    r"(?i)^(--?[\w-]*(pass|secret|token|pin|recovery-key)[\w-]*|--text|--word|--regex|--number)$"
)
_REFERENCE = re.compile(r"(?i)(file|fd|policy)$")
_URL_PASSWORD = re.compile(r"(?<=://)([^/@:\s]*):[^/@\s]*@")


def masked_command(arguments: Sequence[str] | None = None) -> list[str]:
    """The command line (default: of this process) as it may stand in the ledger.

    Values of options that carry secrets become `***`, passwords in addresses too, and My Numbers keep four digits.
    """
    given = list(sys.argv if arguments is None else arguments)
    if given:
        given[0] = Path(given[0]).name
    result: list[str] = []
    hide_next = False
    for argument in given:
        name, equals, _value = argument.partition("=")
        is_secret = _SECRET_OPTION.match(name) is not None and _REFERENCE.search(name) is None
        if hide_next:
            result.append("***")
        elif is_secret and equals:
            result.append(f"{name}=***")
        else:
            shown = _URL_PASSWORD.sub(r"\1:***@", argument)
            # Arguments that are no UTF-8 arrive with surrogates, which no JSON may hold.
            result.append(mask_text(shown.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")))
        hide_next = is_secret and not equals and not hide_next
    return result
