"""Reading back: what a stopped run left on its targets, what a finished run wrote, and the source once more.

Verification reads from the medium (the cache is dropped first), through the same reader that any later user has, and
compares each MiB with the hash taken when it was read from the source: a difference has a place.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from blake3 import blake3

from chain_of_custody.masking import mask_path
from preserve.ewf_writer import COMPRESSED, EwfWriter, Place
from preserve.hashing import Hasher, Hashing
from preserve.image import open_image, stream
from preserve.output import forget_cached, pread_all
from preserve.pieces import CHUNK_SIZE, CHUNKS_PER_PIECE, PIECE_SIZE, PieceList, differing_ranges, piece_count
from preserve.raw_writer import raw_segment_path
from preserve.source import SourceGoneError, aligned_buffer

if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Collection, Iterable, Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from preserve.ewf_writer import EwfSettings
    from preserve.source import Source

_VERIFY_BUFFER = 4 * PIECE_SIZE
_AHEAD = 8


class WrittenFiles:
    """Positional reads of the files of an unfinished target; a missing or short file reads as short."""

    def __init__(self) -> None:
        self._fds: dict[Path, int] = {}

    def read(self, path: Path, offset: int, size: int) -> bytes:
        """Up to `size` bytes."""
        fd = self._fds.get(path)
        if fd is None:
            try:
                fd = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
            except FileNotFoundError:
                return b""
            forget_cached(fd)
            self._fds[path] = fd
        return pread_all(fd, size, offset)

    def close(self) -> None:
        """Close them."""
        for fd in self._fds.values():
            os.close(fd)
        self._fds.clear()


def _ewf_loaders(
    writer: EwfWriter,
    *,
    lengths: array[int],
    deferred: Collection[int],
    size: int,
    count: int,
    files: WrittenFiles,
) -> Iterator[Callable[[], bytes]]:
    """For each of the first `count` pieces of an unfinished E01 a function that reads and inflates it."""
    chunk = 0
    total_chunks = len(lengths)
    for index in range(count):
        places: list[tuple[Place, int]] = []
        for _ in range(min(CHUNKS_PER_PIECE, total_chunks - chunk)):
            places.append((writer.replay(lengths[chunk], reserved=index in deferred), lengths[chunk]))
            chunk += 1
        piece_size = min(PIECE_SIZE, size - index * PIECE_SIZE)

        def load(places: list[tuple[Place, int]] = places, piece_size: int = piece_size) -> bytes:
            from isal import isal_zlib  # noqa: PLC0415 - only resumed runs of E01 need it

            torn = cast("type[Exception]", isal_zlib.error)

            parts = []
            for place, length in places:
                stored = files.read(writer.path(place.segment), place.offset, length & ~COMPRESSED)
                if length & COMPRESSED:
                    try:
                        parts.append(isal_zlib.decompress(stored, bufsize=CHUNK_SIZE))
                    except torn:
                        return b""  # torn: its hash will not fit
                else:
                    parts.append(stored[:-4])
            return b"".join(parts)[:piece_size]

        yield load


def _raw_loaders(
    first: Path,
    segment_size: int,
    size: int,
    count: int,
    files: WrittenFiles,
) -> Iterator[Callable[[], bytes]]:
    for index in range(count):
        offset = index * PIECE_SIZE
        segment, inside = divmod(offset, segment_size or max(size, 1))
        path = raw_segment_path(first, segment + 1, is_split=segment_size > 0)
        piece_size = min(PIECE_SIZE, size - offset)

        def load(path: Path = path, inside: int = inside, piece_size: int = piece_size) -> bytes:
            return files.read(path, inside, piece_size)

        yield load


@dataclass(frozen=True, slots=True)
class Written:
    """Where an unfinished target is and how to read it back."""

    first: Path
    is_ewf: bool
    size: int
    segment_size: int
    settings: EwfSettings | None = None


def recheck(
    written: Written,
    lengths: array[int],
    pieces: PieceList,
    deferred: Collection[int],
    sealed: Collection[int],
    *,
    hasher: Hasher | None = None,
    start_hashing: int = 0,
    on_progress: Callable[[int], None] | None = None,
) -> tuple[int, EwfWriter | None]:
    """Compare what a target holds with the piece hashes; feed `hasher` (from piece `start_hashing`) on the way.

    Returns the first piece that differs (or their number, when none does) and, for an E01, the writer that has been
    replayed up to there. Hashing stops at the first deferred piece that is not sealed.
    """
    count = len(pieces)
    files = WrittenFiles()
    writer: EwfWriter | None = None
    if written.is_ewf:
        assert written.settings is not None
        writer = EwfWriter(written.first, written.settings, replay=True)
        loaders = _ewf_loaders(writer, lengths=lengths, deferred=deferred, size=written.size, count=count, files=files)
    else:
        loaders = _raw_loaders(written.first, written.segment_size, written.size, count, files)
    hashing = Hashing(hasher) if hasher is not None else None
    is_unbroken = True
    try:
        for index, (data, digest) in enumerate(_in_order(loaders)):
            is_open = index in deferred and index not in sealed
            if not is_open and digest != pieces.digest(index):
                return index, writer
            is_unbroken = is_unbroken and not is_open
            if hasher is not None and hashing is not None and is_unbroken and index >= start_hashing:
                hashing.feed(data)
                hasher.hashed = index + 1
            if on_progress is not None:
                on_progress(len(data))
    finally:
        files.close()
        if hashing is not None:
            hashing.close()
    return count, writer


def _in_order(loaders: Iterable[Callable[[], bytes]]) -> Iterator[tuple[bytes, bytes]]:
    """Data and BLAKE3 of each piece, made by threads ahead of the caller."""

    def work(load: Callable[[], bytes]) -> tuple[bytes, bytes]:
        data = load()
        return data, blake3(data).digest()

    with ThreadPoolExecutor(max(os.cpu_count() or 1, 1), thread_name_prefix="read") as pool:
        waiting: deque[Future[tuple[bytes, bytes]]] = deque()
        for load in loaders:
            waiting.append(pool.submit(work, load))
            if len(waiting) >= _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@dataclass(frozen=True, slots=True)
class TargetCheck:
    """Result of reading one target back."""

    path: str
    hashes: dict[str, str]
    """Of the medium's bytes, hex."""
    differing: tuple[tuple[int, int], ...]
    """Ranges of the medium (offset, size in bytes) that are not what was read from the source."""
    unreadable: tuple[tuple[int, int, str], ...]
    """Ranges of the target that cannot be read, with the reason."""
    files: tuple[tuple[str, int, str], ...]
    """Name, size in bytes, SHA-256 (hex) of each file of the image."""
    stored_hashes_agree: bool

    @property
    def is_equal(self) -> bool:
        """Whether the target holds exactly what was read."""
        return not self.differing and not self.unreadable and self.stored_hashes_agree


def verify_target(
    first: Path,
    files: list[Path],
    size: int,
    pieces: PieceList,
    algorithms: Collection[str],
    *,
    on_progress: Callable[[int], None] | None = None,
) -> TargetCheck:
    """Read a finished image back from its medium and compare every piece. Raises EvidenceError where it cannot."""
    for path in files:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            forget_cached(fd)
        finally:
            os.close(fd)
    hasher = Hasher.of(algorithms)
    wrong: list[int] = []
    with ThreadPoolExecutor(2, thread_name_prefix="verify") as pool, open_image(first) as image:
        file_hashes = pool.submit(lambda: tuple((path.name, path.stat().st_size, _file_sha256(path)) for path in files))
        seen = 0
        before: Future[list[int]] | None = None
        with Hashing(hasher) as hashing:
            for offset, view in stream(image, _VERIFY_BUFFER, ahead=3, held=1):
                data = view[: max(0, size - offset)]
                if any(view[len(data) :]):
                    wrong.append(piece_count(size) - 1)  # the padding up to a whole sector is zeros
                compared = pool.submit(_compare, offset // PIECE_SIZE, data, pieces)
                hashing.begin(data)
                wrong += before.result() if before is not None else []
                before = compared
                seen += len(data)
                if on_progress is not None:
                    on_progress(len(data))
            wrong += before.result() if before is not None else []
        if seen < size:
            wrong += range(seen // PIECE_SIZE, piece_count(size))
        unreadable = tuple((one.offset, one.size, one.reason) for one in image.unreadable())
        stored = dict(image.stored_hashes)
        hashes = hasher.hex()
        padding = max(image.size - size, 0)
        return TargetCheck(
            path=mask_path(first),
            hashes=hashes,
            differing=tuple(differing_ranges(sorted(set(wrong)), size)),
            unreadable=unreadable,
            files=file_hashes.result(),
            stored_hashes_agree=all(
                _padded(hasher, name, padding) == value for name, value in stored.items() if name in hashes
            ),
        )


def _padded(hasher: Hasher, name: str, padding: int) -> str:
    copy = hasher.digests[name].copy()
    copy.update(bytes(padding))
    return str(copy.digest().hex())


def _compare(first: int, data: memoryview, pieces: PieceList) -> list[int]:
    return [
        first + place
        for place, start in enumerate(range(0, len(data), PIECE_SIZE))
        if first + place >= len(pieces)
        or blake3(data[start : start + PIECE_SIZE]).digest() != pieces.digest(first + place)
    ]


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def reread_source(
    source: Source,
    pieces: PieceList,
    unreadable: Iterable[tuple[int, int]],
    *,
    on_progress: Callable[[int], None] | None = None,
) -> list[tuple[int, int]]:
    """Read the source a second time; returns the ranges of pieces that are now different.

    Sectors that were unreadable the first time count as zeros, as they do in the image. Raises SourceGoneError.
    """
    bad = list(unreadable)
    wrong = []
    buffer = aligned_buffer(PIECE_SIZE)
    zero_digest = blake3(bytes(PIECE_SIZE)).digest()
    for index in range(piece_count(source.size)):
        offset = index * PIECE_SIZE
        size = min(PIECE_SIZE, source.size - offset)
        if source.hole_end(offset) >= offset + PIECE_SIZE:
            if pieces.digest(index) != zero_digest:
                wrong.append(index)
            if on_progress is not None:
                on_progress(size)
            continue
        gaps = [(start, length) for start, length in bad if start < offset + size and start + length > offset]
        if gaps:
            is_whole = _read_around(source, offset, buffer, size, gaps)
        else:
            try:
                source.read_into(offset, buffer, size)
                is_whole = True
            except SourceGoneError:
                raise
            except OSError:
                is_whole = False
        if not is_whole or blake3(buffer[:size]).digest() != pieces.digest(index):
            wrong.append(index)
        if on_progress is not None:
            on_progress(size)
    return differing_ranges(wrong, source.size)


def _read_around(source: Source, offset: int, buffer: memoryview, size: int, gaps: list[tuple[int, int]]) -> bool:
    """Read a piece between its gaps, which become zeros; False where more fails."""
    buffer[:size] = bytes(size)
    start = offset
    for gap, length in [*sorted(gaps), (offset + size, 0)]:
        if gap > start:
            try:
                source.read_into(start, buffer[start - offset :], gap - start)
            except SourceGoneError:
                raise
            except OSError:
                return False
            # A direct read may fill whole pages: what lies past the run is read or zeroed again below.
        end = min(gap + length, offset + size)
        buffer[max(gap, offset) - offset : end - offset] = bytes(max(0, end - max(gap, offset)))
        start = max(start, end)
    return True
