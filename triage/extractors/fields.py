"""Fields of a record one after the other, with lengths as integers of seven bits a byte, lowest first (LEB128)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from triage.extractors.model import ExtractionError


@dataclass(slots=True)
class Fields:
    """Reads `data` from `at` on; raises what `damaged` makes where a field ends beyond the data.

    `number_bits`: integers of more bits than this are damage, too.
    """

    data: bytes
    at: int
    damaged: Callable[[], ExtractionError]
    number_bits: int

    def number(self) -> int:
        """The next integer."""
        value = 0
        for shift in range(0, self.number_bits, 7):
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if not byte & 0x80:
                return value
        raise self.damaged()

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        if not 0 <= size <= len(self.data) - self.at:
            raise self.damaged()
        self.at += size
        return self.data[self.at - size : self.at]
