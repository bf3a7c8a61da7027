"""Case folder, signed ledger, keys and verification: the layer that all hozen tools write their actions to.

```python
import chain_of_custody
from pathlib import Path

with chain_of_custody.open_case(Path("case")) as case:
    case.append("note", {"text": "封印番号 A-102 を確認"}, src="typed")
```
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from chain_of_custody.errors import (
    CaseNotFoundError,
    EvidenceError,
    EvidenceFormatError,
    HozenError,
    InterruptedRunError,
    KeyAccessError,
    LedgerError,
    TargetError,
    UsageError,
    VerificationError,
)

if TYPE_CHECKING:
    from chain_of_custody.case import Action, Case, KeyNotice, find_case, init_case, open_case
    from chain_of_custody.entries import Entry, FileHash
    from chain_of_custody.verify import Verification, verify_case

__all__ = [
    "Action",
    "Case",
    "CaseNotFoundError",
    "Entry",
    "EvidenceError",
    "EvidenceFormatError",
    "FileHash",
    "HozenError",
    "InterruptedRunError",
    "KeyAccessError",
    "KeyNotice",
    "LedgerError",
    "TargetError",
    "UsageError",
    "Verification",
    "VerificationError",
    "find_case",
    "init_case",
    "open_case",
    "verify_case",
]

# What needs cryptography is loaded at first use: every tool's `--help` imports this package.
_HOMES = {
    "Action": "case",
    "Case": "case",
    "KeyNotice": "case",
    "find_case": "case",
    "init_case": "case",
    "open_case": "case",
    "Entry": "entries",
    "FileHash": "entries",
    "Verification": "verify",
    "verify_case": "verify",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
