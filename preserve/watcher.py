"""What a long run tells its caller while it goes on."""

from __future__ import annotations

from typing import Literal

Phase = Literal["recheck", "read", "rescue", "hash", "verify", "reread", "write", "check"]


class Watcher:
    """Hears of phases and progress; override what is needed. Calls come from one thread at a time."""

    def phase(self, name: Phase, total_bytes: int) -> None:
        """A phase over `total_bytes` begins."""

    def advance(self, size_bytes: int) -> None:
        """So many bytes more of it are done."""

    def notice(self, ja: str, en: str) -> None:
        """Something the user should know."""
