"""A copy of a medium that is trusted piece by piece: nothing is read from a piece before its hash was found right.

```python
image = CheckedImage(open_image(path), digests)   # 32 bytes of BLAKE3 for each MiB of the medium
```
Each piece is read and hashed whole when it is first touched, so that all pieces together cost one reading of the medium
at most. What changes on the copy after that is not seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blake3 import blake3

from chain_of_custody.errors import EvidenceError
from preserve.image import FileImage
from preserve.pieces import PIECE_SIZE, piece_count

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from preserve.image import Image, UnreadableRange

DIGEST_BYTES = 32


class WrongCopyError(EvidenceError):
    """A copy holds other bytes than the medium that it should be a copy of."""


def piece_digests(data: memoryview) -> bytes:
    """The digests of the pieces in `data`, which begins with a piece; joined, 32 bytes each."""
    return b"".join(blake3(data[at : at + PIECE_SIZE]).digest() for at in range(0, len(data), PIECE_SIZE))


class CheckedImage(FileImage):
    """`image` as far as its pieces have the `digests`; reading from another piece raises WrongCopyError.

    `wrong` is the number of the first piece found to differ, None so far: readers of file formats may swallow the
    error, so whoever uses what they gave asks here first.
    """

    def __init__(self, image: Image, digests: bytes) -> None:
        if len(digests) != piece_count(image.size) * DIGEST_BYTES:
            raise ValueError("not one digest for each piece")
        self._image = image
        self._digests = digests
        self._right = bytearray(piece_count(image.size))
        self.wrong: int | None = None

    def check(self, pieces: Iterable[int]) -> None:
        """Read and hash those of `pieces` that were not yet; raises WrongCopyError."""
        for piece in pieces:
            if self._right[piece]:
                continue
            data = self._image.read_at(piece * PIECE_SIZE, PIECE_SIZE)
            if blake3(data).digest() != self._digests[piece * DIGEST_BYTES : (piece + 1) * DIGEST_BYTES]:
                self.wrong = piece if self.wrong is None else self.wrong
                at = piece * PIECE_SIZE
                raise WrongCopyError(
                    f"複製が証拠と違います(媒体の {at} バイト目からの 1 MiB)",
                    f"the copy differs from the evidence in the MiB at byte {at} of the medium",
                )
            self._right[piece] = 1

    def _fill(self, offset: int, view: memoryview) -> None:
        self.check(range(offset // PIECE_SIZE, (offset + len(view) - 1) // PIECE_SIZE + 1))
        self._image.readinto_at(offset, view)

    @property
    def size(self) -> int:
        """Size of the medium in bytes."""
        return self._image.size

    @property
    def sector_size(self) -> int:
        """Bytes in one sector of the medium."""
        return self._image.sector_size

    @property
    def layer(self) -> str:
        """That of the image."""
        return self._image.layer

    @property
    def stored_hashes(self) -> Mapping[str, str]:
        """Those of the image."""
        return self._image.stored_hashes

    @property
    def segments(self) -> Sequence[Path]:
        """The files of the image."""
        return self._image.segments

    def unreadable(self) -> Sequence[UnreadableRange]:
        """See `Image.unreadable`."""
        return self._image.unreadable()

    def close(self) -> None:
        """Close the image."""
        self._image.close()
