"""Case folder, signed ledger, keys and verification: the layer that all hozen tools write their actions to.

```python
import chain_of_custody
from pathlib import Path

with chain_of_custody.open_case(Path("case")) as case:
    case.append("note", {"text": "封印番号 A-102 を確認"}, src="typed")
```
"""

from chain_of_custody.case import Action, Case, KeyNotice, find_case, init_case, open_case
from chain_of_custody.entries import Entry, FileHash
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
    "VerificationError",
    "find_case",
    "init_case",
    "open_case",
]
