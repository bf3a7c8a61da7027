"""Verification of an image: hash the whole medium again, compare with what the image and the ledger hold.

Verdicts and exit codes: `match` 0; `mismatch` 1 (a hash differs, or chunks fail their own checksums); `unreadable` 3
(parts are missing, so nothing can be said); `nothing` 3 (no hash to compare with).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from chain_of_custody.masking import mask_text
from preserve.hashing import Hasher, Hashing
from preserve.image import Image, UnreadableRange, stream

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

ALGORITHMS = ("md5", "sha1", "sha256")
EXIT_CODES: Mapping[str, int] = {"match": 0, "mismatch": 1, "unreadable": 3, "nothing": 3}
_BUFFER = 4 << 20
_ALTERED = ("checksum", "inflate")  # the bytes are there and are not what was written

Verdict = Literal["match", "mismatch", "unreadable", "nothing"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One recorded hash against the computed one; `source` says where it was recorded (`image`, `ledger #12 …`)."""

    source: str
    algorithm: str
    expected: str
    computed: str

    @property
    def is_equal(self) -> bool:
        """Whether they agree."""
        return self.expected == self.computed


@dataclass(frozen=True, slots=True)
class Verification:
    """Result of a verification; `size` in bytes, `hashes` in hex over the whole medium."""

    size: int
    hashes: Mapping[str, str]
    comparisons: tuple[Comparison, ...]
    unreadable: tuple[UnreadableRange, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of what was seen."""
        if any(one.reason in _ALTERED for one in self.unreadable):
            return "mismatch"
        if self.unreadable:
            return "unreadable"
        if not self.comparisons:
            return "nothing"
        return "match" if all(one.is_equal for one in self.comparisons) else "mismatch"

    @property
    def exit_code(self) -> int:
        """Exit code that goes with the verdict."""
        return EXIT_CODES[self.verdict]


@dataclass(frozen=True, slots=True)
class RecordedHashes:
    """Hashes of a medium that the ledger holds: the entry they stand in, and its type."""

    sequence: int
    type: str
    hashes: Mapping[str, str]


def recorded_hashes(case: Path, image: Image) -> list[RecordedHashes]:
    """What the ledger of a case recorded for this image, known by the name of its first file and the medium's size."""
    from chain_of_custody.reading import read_entries  # noqa: PLC0415 - needs cryptography, which `--help` must not load

    name = mask_text(image.segments[0].name)
    found = []
    for entry in read_entries(case):
        if not entry.type.endswith(".end"):
            continue
        body = entry.body
        files = body.get("files")
        names = {entry.item, body.get("image")} | set(
            files if isinstance(files, list) and entry.type != "scan.end" else ()
        )
        size = body.get("size", body.get("media_bytes"))
        if name not in names or size != str(image.size):
            continue
        hashes = body.get("hashes")
        values = dict(hashes) if isinstance(hashes, dict) else {}
        values |= {
            algorithm: body.get(f"media_{algorithm}") for algorithm in ALGORITHMS if f"media_{algorithm}" in body
        }
        known = {one: str(values[one]).lower() for one in ALGORITHMS if values.get(one)}
        # A verification that ended otherwise recorded what it computed, not what the image should be.
        if known and body.get("verdict", "match") in ("match", "nothing"):
            found.append(RecordedHashes(entry.seq, entry.type, known))
    return found


def hash_image(
    image: Image,
    algorithms: Collection[str] = ALGORITHMS,
    *,
    advance: Callable[[int], None] | None = None,
) -> dict[str, str]:
    """Hashes (hex) of the whole medium in one read; `advance(bytes)` is called as it goes on."""
    hasher = Hasher.of(algorithms)
    with Hashing(hasher) as hashing:
        for _, view in stream(image, _BUFFER, ahead=3, held=1):
            hashing.begin(view)
            if advance is not None:
                advance(len(view))
    return hasher.hex()


def verify_image(
    image: Image,
    recorded: Sequence[RecordedHashes] = (),
    *,
    advance: Callable[[int], None] | None = None,
) -> Verification:
    """Hash the medium and compare with the hashes stored in the image and those `recorded` in a ledger.

    Computed are the hashes that there is something to compare with, and always SHA-256.
    """
    known = {"sha256", *image.stored_hashes, *(name for one in recorded for name in one.hashes)}
    computed = hash_image(image, [name for name in ALGORITHMS if name in known], advance=advance)
    comparisons = [
        Comparison("image", algorithm, expected, computed[algorithm])
        for algorithm, expected in sorted(image.stored_hashes.items())
        if algorithm in computed
    ]
    comparisons += [
        Comparison(f"ledger #{one.sequence} {one.type}", algorithm, expected, computed[algorithm])
        for one in recorded
        for algorithm, expected in sorted(one.hashes.items())
        if algorithm in computed
    ]
    return Verification(image.size, computed, tuple(comparisons), tuple(image.unreadable()))
