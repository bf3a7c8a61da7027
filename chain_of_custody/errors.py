"""The errors of all four tools: each says what, where and what to do next, in Japanese and English.

```
HozenError                      exit code
├── UsageError                  2    the request makes no sense as given (also a directory where a file is needed)
├── VerificationError           1    a verification was made and says NG
├── EvidenceError               4    the evidence cannot be read at all
│   └── EvidenceFormatError     4    … because it is not an image, or its headers are damaged
├── TargetError                 5    a result cannot be written (exists, no space, no permission)
├── LedgerError                 5    the ledger cannot be written, so nothing was started
│   ├── KeyAccessError          5    the operator's key cannot be read or does not fit
│   └── CaseNotFoundError       2    no case where one was named
└── InterruptedRunError         130  stopped by the user; can be resumed
```
Exit code 3 (done, but some part could not be read or judged) is a result, not an error: `console.EXIT_PARTIAL`.
"""

from __future__ import annotations

from typing import Literal

Language = Literal["ja", "en"]


class HozenError(Exception):
    """Base of all errors that a user may see.

    `ja` and `en` say what happened and where (file, offset); `hint_ja` and `hint_en` what the user can do next.
    No message may hold a clear My Number.
    """

    exit_code = 5

    def __init__(self, ja: str, en: str, *, hint_ja: str = "", hint_en: str = "") -> None:
        super().__init__(en)
        self.ja = ja
        self.en = en
        self.hint_ja = hint_ja
        self.hint_en = hint_en

    def message(self, language: Language) -> str:
        """What happened, in `language`."""
        return self.ja if language == "ja" else self.en

    def hint(self, language: Language) -> str:
        """What the user can do next, in `language`; empty where there is nothing to say."""
        return self.hint_ja if language == "ja" else self.hint_en


class UsageError(HozenError):
    """The request makes no sense as given."""

    exit_code = 2


class VerificationError(HozenError):
    """A verification was made and says NG."""

    exit_code = 1


class EvidenceError(HozenError):
    """The evidence cannot be read at all."""

    exit_code = 4


class EvidenceFormatError(EvidenceError):
    """The evidence is not an image, or its headers are damaged."""


class TargetError(HozenError):
    """A result cannot be written: it exists already, or there is no space or permission."""

    exit_code = 5


class LedgerError(HozenError):
    """The ledger cannot be written, so nothing was started."""

    exit_code = 5


class KeyAccessError(LedgerError):
    """The operator's key cannot be read, unlocked or used here."""


class CaseNotFoundError(LedgerError):
    """There is no case where one was named."""

    exit_code = 2


class InterruptedRunError(HozenError):
    """Stopped by the user; what was done so far is kept and can be resumed."""

    exit_code = 130
