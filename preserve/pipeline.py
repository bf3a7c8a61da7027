"""One read of the source feeds everything: hashes, deflate, the writers of all targets, piece hashes and the map.

```
reader ──┬── hash lanes (one thread an algorithm, in order)
         ├── encoders (any order): BLAKE3 of the piece, zero chunks, deflate, checksums
         └── writer lanes (one thread a target, in order; each waits for its piece to be encoded)
```
A `Piece` is 1 MiB of the medium in a recycled, page-aligned buffer, which goes back to the reader when all have let it
go. A piece that cannot be read is *deferred*: it passes as zeros, the hash lanes stop there (`Hasher.hashed`), and the
rescue fills it in later. Everything slow here releases the GIL.
"""

from __future__ import annotations

import itertools
import os
import queue
import struct
import threading
import time
import zlib
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from preserve.badmap import FAILED_BLOCK, UNTRIED, BadMap
from preserve.ewf_writer import COMPRESSED, Compression
from preserve.pieces import CHUNK_SIZE, CHUNKS_PER_PIECE, PIECE_SIZE, PieceList, piece_count, zero_map_of
from preserve.source import SourceGoneError, aligned_buffer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from preserve.ewf_writer import EwfWriter
    from preserve.hashing import Hasher
    from preserve.output import Buffer
    from preserve.raw_writer import RawWriter
    from preserve.source import Source

_BUFFERS = 24
_CHECKPOINT_SECONDS = 1.0
_LARGEST_SKIP = 64  # pieces
_SAMPLE = 1024
_HISTORY = 8  # bytes of a chunk that are stored before its deflated rest
_MEMORY = 4  # zlib's memLevel: less memory than by default, same result
_STREAM_START = b"\x78\x01" + struct.pack("<BHH", 0, _HISTORY, _HISTORY ^ 0xFFFF)  # zlib header, stored block
_ZEROS = memoryview(bytes(PIECE_SIZE))
_ALL_ZERO = (1 << CHUNKS_PER_PIECE) - 1
_STOP: Any = None


Chunk: TypeAlias = "tuple[tuple[Buffer, ...], int, bool]"
"""Stored form of a chunk in parts, its length in bytes, whether it is a zlib stream."""


class Piece:
    """A MiB of the medium on its way. `view` is the whole buffer, `size` how much of it counts."""

    __slots__ = ("chunks", "digest", "encoded", "index", "is_deferred", "is_hole", "size", "users", "view", "zero_map")

    def __init__(self, view: memoryview) -> None:
        self.view = view
        self.index = 0
        self.size = 0
        self.is_deferred = False
        self.is_hole = False
        self.digest = b""
        self.zero_map = 0
        self.chunks: list[Chunk] = []
        self.encoded = threading.Lock()
        self.users = itertools.count()

    @property
    def data(self) -> memoryview:
        """The bytes of the medium."""
        return _ZEROS if self.is_hole else self.view[: self.size]


class Encoder:
    """Makes E01 chunks of pieces. `media_size` counts padding up to a whole sector, if there is any.

    Deflate is ISA-L's level 1, which by itself does not give the same bytes each time: where there is no history yet,
    its assembly files the third byte of the input under a hash of a register that was never set and holds the address
    of the stream (igzip_icf_body_h1_gr_bt.asm and igzip_body.asm, `.write_first_byte`). About one chunk in 10,000 then
    comes out differently from run to run. So the first bytes of a chunk go into a stored block of their own and are
    given to ISA-L as the history of the rest: that place is never reached, and the same bytes give the same stream.
    Two runs then make the same image, which resuming needs.

    Zero chunks are deflated once for all. A chunk after one that did not shrink is tried on a sample first: on what is
    already compressed (two fifths of a usual disk) that saves most of the work. Each piece starts anew, so that the
    result does not depend on where a run began.
    """

    def __init__(self, compression: Compression, media_size: int, *, makes_chunks: bool = True) -> None:
        from blake3 import blake3  # noqa: PLC0415 - 10 ms, only runs that image need it
        from isal import isal_zlib  # noqa: PLC0415

        self._blake3 = blake3
        self._isal = isal_zlib
        self._compression = compression
        self.media_size = media_size
        self.makes_chunks = makes_chunks
        self._zero_deflated = self._deflate(memoryview(bytes(CHUNK_SIZE)))
        self._zero_digest = blake3(bytes(PIECE_SIZE)).digest()
        zero_chunk = ((self._zero_deflated,), len(self._zero_deflated), True)
        self._zero_chunks: list[Chunk] = [zero_chunk] * CHUNKS_PER_PIECE

    def _deflate(self, chunk: memoryview) -> bytes:
        """A zlib stream of `chunk`, which has at least a sector."""
        if self._compression == "best":
            return zlib.compress(chunk, 9)
        start = chunk[:_HISTORY]
        deflater = self._isal.compressobj(1, zlib.DEFLATED, -15, _MEMORY, zdict=start)
        checksum = self._isal.adler32(chunk).to_bytes(4, "big")
        return b"".join((_STREAM_START, start, deflater.compress(chunk[_HISTORY:]), deflater.flush(), checksum))

    def _may_shrink(self, chunk: memoryview) -> bool:
        """Whether a sample from the middle shrinks at ISA-L's quickest level."""
        sample = chunk[CHUNK_SIZE // 2 : CHUNK_SIZE // 2 + _SAMPLE]
        if len(sample) < _SAMPLE:
            return True
        deflater = self._isal.compressobj(0, zlib.DEFLATED, -15, _MEMORY, zdict=sample[:_HISTORY])
        return len(deflater.compress(sample[_HISTORY:])) + len(deflater.flush()) < _SAMPLE - _HISTORY

    def encode(self, piece: Piece) -> None:
        """Fill in everything that follows from the data of `piece`."""
        if piece.is_deferred:
            piece.digest, piece.zero_map, piece.chunks = bytes(32), 0, []
            return
        piece.zero_map = _ALL_ZERO if piece.is_hole else zero_map_of(piece.data)
        if piece.size == PIECE_SIZE and piece.zero_map == _ALL_ZERO:
            piece.digest = self._zero_digest
            piece.chunks = self._zero_chunks if self.makes_chunks and self._compression != "none" else []
            if piece.chunks or not self.makes_chunks:
                return
        else:
            piece.digest = self._blake3(piece.data).digest()
        if self.makes_chunks:
            piece.chunks = list(self._chunks(piece))

    def _chunks(self, piece: Piece) -> Iterator[Chunk]:
        start = piece.index * PIECE_SIZE
        size = min(PIECE_SIZE, self.media_size - start)  # with the padding, zeros of the buffer
        is_stored = self._compression == "none"
        view = _ZEROS if piece.is_hole else piece.view
        for number, place in enumerate(range(0, size, CHUNK_SIZE)):
            chunk = view[place : min(place + CHUNK_SIZE, size)]
            if self._compression != "none":
                if piece.zero_map >> number & 1 and len(chunk) == CHUNK_SIZE:
                    yield (self._zero_deflated,), len(self._zero_deflated), True
                    continue
                if not is_stored or self._may_shrink(chunk):
                    deflated = self._deflate(chunk)
                    is_stored = len(deflated) >= len(chunk) + 4
                    if not is_stored:
                        yield (deflated,), len(deflated), True
                        continue
            yield (chunk, struct.pack("<I", self._isal.adler32(chunk))), len(chunk) + 4, False


class PieceWriter(Protocol):
    """A target, as the pipeline and the rescue see it."""

    @property
    def paths(self) -> list[Any]:
        """The files written so far."""

    def write(self, piece: Piece) -> None:
        """Append the next piece (zeros where it is deferred)."""

    def sync(self) -> None:
        """Bring all of it onto the medium."""

    def fill(self, offset: int, data: memoryview) -> None:
        """Put bytes into a deferred piece."""

    def seal(self, offset: int, data: memoryview) -> None:
        """The deferred piece at `offset` now holds `data` for good."""

    def read_deferred(self, offset: int, size: int) -> bytes:
        """What the target holds of a deferred piece."""

    def close(self) -> None:
        """Close it as it is."""

    def abandon(self) -> None:
        """Close it after an error, without writing."""


class EwfTarget:
    """An E01 set as a target of the pipeline."""

    kind = "e01"

    def __init__(self, writer: EwfWriter) -> None:
        self.writer = writer
        self._size = writer.settings.size

    @property
    def paths(self) -> list[Any]:
        """The segment files."""
        return list(self.writer.paths)

    def write(self, piece: Piece) -> None:
        """See `PieceWriter.write`."""
        if piece.is_deferred:
            start = piece.index * PIECE_SIZE
            for place in range(start, min(start + PIECE_SIZE, self._size), CHUNK_SIZE):
                self.writer.reserve(min(CHUNK_SIZE, self._size - place))
            return
        self.writer.add_all(piece.chunks)

    def sync(self) -> None:
        """See `PieceWriter.sync`."""
        self.writer.sync()

    def fill(self, offset: int, data: memoryview) -> None:
        """See `PieceWriter.fill`."""
        self.writer.fill(offset, data)

    def seal(self, offset: int, data: memoryview) -> None:
        """See `PieceWriter.seal`; the last chunk's padding counts in its checksum."""
        padding = min(offset + PIECE_SIZE, self._size) - offset - len(data)
        self.writer.seal(offset, memoryview(bytes(data) + bytes(padding)) if padding else data)

    def read_deferred(self, offset: int, size: int) -> bytes:
        """See `PieceWriter.read_deferred`."""
        return self.writer.read_reserved(offset, size)

    def close(self) -> None:
        """See `PieceWriter.close`."""
        self.writer.close()

    def abandon(self) -> None:
        """See `PieceWriter.abandon`."""
        self.writer.abandon()


class RawTarget:
    """A raw image as a target of the pipeline."""

    kind = "raw"

    def __init__(self, writer: RawWriter) -> None:
        self.writer = writer

    @property
    def paths(self) -> list[Any]:
        """The files."""
        return list(self.writer.paths)

    def write(self, piece: Piece) -> None:
        """See `PieceWriter.write`."""
        all_zero = (1 << -(-piece.size // CHUNK_SIZE)) - 1
        self.writer.add(piece.data, is_zero=piece.is_deferred or piece.zero_map == all_zero)

    def sync(self) -> None:
        """See `PieceWriter.sync`."""
        self.writer.sync()

    def fill(self, offset: int, data: memoryview) -> None:
        """See `PieceWriter.fill`."""
        self.writer.fill(offset, data)

    def seal(self, offset: int, data: memoryview) -> None:
        """Nothing to do: a raw image has no checksums."""

    def read_deferred(self, offset: int, size: int) -> bytes:
        """See `PieceWriter.read_deferred`."""
        return self.writer.read_back(offset, size)

    def close(self) -> None:
        """See `PieceWriter.close`."""
        self.writer.close()

    def abandon(self) -> None:
        """See `PieceWriter.abandon`."""
        self.writer.abandon()


@dataclass(slots=True)
class Mark:
    """A checkpoint on its way through the writer lanes, with what the journal needs of the pieces before it."""

    position: int
    unfinished: list[Any]
    skip: int
    waiting: int
    records: bytes = b""
    lengths: bytes = b""
    deferred: list[int] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(slots=True)
class Pass:
    """The state of the first pass, which continues from it and leaves its result in it."""

    source: Source
    targets: Sequence[PieceWriter]
    encoder: Encoder
    hasher: Hasher
    bad: BadMap
    pieces: PieceList
    deferred: list[int]
    position: int = 0
    """Piece to begin with."""
    skip: int = 0
    """Pieces to leave out after the next error: 0 at first, then 1, 2, 4 … until a read succeeds."""
    hole_bytes: int = 0
    """Bytes that were not read because the file system holds no data for them: zeros by definition."""
    on_checkpoint: Callable[[Mark], None] | None = None
    on_progress: Callable[[int], None] | None = None


def first_pass(run: Pass) -> None:
    """Read the source once, forwards, into all targets; what fails is deferred and left behind quickly.

    When this returns every target is synced and the last checkpoint was taken. Raises SourceGoneError, TargetError or
    KeyboardInterrupt with a checkpoint of what was done before (an error of a target: of the last regular one).
    """
    _Run(run).run()


class _Run:
    def __init__(self, run: Pass) -> None:
        self._pass = run
        self._free: queue.SimpleQueue[Piece] = queue.SimpleQueue()
        self._to_encode: queue.SimpleQueue[Piece | None] = queue.SimpleQueue()
        self._to_hash = {name: queue.SimpleQueue[Any]() for name in run.hasher.digests}
        self._to_write = [queue.SimpleQueue[Any]() for _ in run.targets]
        self._consumers = len(self._to_hash) + len(self._to_write)
        self._failure: BaseException | None = None
        self._gone: SourceGoneError | None = None
        self._stopping = threading.Event()
        self._hashed = dict.fromkeys(run.hasher.digests, run.hasher.hashed)
        self._records = bytearray()
        self._lengths = array("I")
        self._new_deferred: list[int] = []
        # Deferred pieces end hashing for good, those of an earlier run too.
        self._first_deferred = run.deferred[0] if run.deferred else None

    def run(self) -> None:
        run = self._pass
        for _ in range(_BUFFERS):
            self._free.put(Piece(aligned_buffer(PIECE_SIZE)))
        encoders = max(1, os.cpu_count() or 1)
        threads = [threading.Thread(target=self._encode, name="encode") for _ in range(encoders)]
        threads += [threading.Thread(target=self._hash, args=(name,), name=f"hash {name}") for name in self._to_hash]
        threads += [
            threading.Thread(target=self._write, args=(place,), name="write") for place in range(len(run.targets))
        ]
        for thread in threads:
            thread.daemon = True
            thread.start()
        # Ctrl-C reaches this thread only, so that the reader always leaves all lanes at the same piece.
        reader = threading.Thread(target=self._read_and_note, name="read", daemon=True)
        reader.start()
        interrupted: KeyboardInterrupt | None = None
        while reader.is_alive():
            try:
                reader.join()
            except KeyboardInterrupt as error:
                interrupted = error
                self._stopping.set()
        try:
            if self._failure is None:
                self._checkpoint()
        finally:
            for _ in range(encoders):
                self._to_encode.put(_STOP)
            for lane in (*self._to_hash.values(), *self._to_write):
                lane.put(_STOP)
            for thread in threads:
                thread.join()
        if self._failure is not None:
            raise self._failure
        run.hasher.hashed = min(self._hashed.values(), default=run.hasher.hashed)
        if self._gone is not None:
            raise self._gone
        if interrupted is not None and run.position < piece_count(run.source.size):
            raise interrupted

    # The reader.

    def _read_and_note(self) -> None:
        try:
            self._read()
        except SourceGoneError as error:
            self._gone = error
        except BaseException as error:  # noqa: BLE001 - raised again by run(), in the caller's thread
            self._fail(error)

    def _read(self) -> None:
        run = self._pass
        total = piece_count(run.source.size)
        checkpointed = time.monotonic()
        leave = hole_end = 0
        while run.position < total and not self._stopping.is_set():
            piece = self._free.get()
            index = run.position
            offset = index * PIECE_SIZE
            piece.index = index
            piece.size = min(PIECE_SIZE, run.source.size - offset)
            piece.is_deferred = piece.is_hole = False
            if hole_end <= offset:
                hole_end = run.source.hole_end(offset)
            if leave:
                leave -= 1
                self._defer(piece, UNTRIED)
            elif offset + PIECE_SIZE <= hole_end:
                piece.is_hole = True
                run.hole_bytes += PIECE_SIZE
            else:
                try:
                    run.source.read_into(offset, piece.view, piece.size)
                    run.skip = 0
                except SourceGoneError:
                    raise
                except OSError:
                    leave = run.skip
                    run.skip = min(max(1, run.skip * 2), _LARGEST_SKIP)
                    self._defer(piece, FAILED_BLOCK)
            if piece.size < PIECE_SIZE:
                piece.view[piece.size :] = bytes(PIECE_SIZE - piece.size)
            self._pass_on(piece)
            run.position += 1
            if run.on_progress is not None:
                run.on_progress(piece.size)
            # Leaving pieces out is one decision: a checkpoint in the middle would have to remember the rest of it.
            if not leave and time.monotonic() - checkpointed > _CHECKPOINT_SECONDS:
                self._checkpoint()
                checkpointed = time.monotonic()

    def _defer(self, piece: Piece, state: Any) -> None:  # noqa: ANN401 - a badmap.State
        piece.is_deferred = True
        self._pass.bad.mark(piece.index * PIECE_SIZE, piece.size, state)
        self._pass.deferred.append(piece.index)
        if self._first_deferred is None:
            self._first_deferred = piece.index

    def _pass_on(self, piece: Piece) -> None:
        piece.users = itertools.count(1)
        piece.encoded.acquire()
        self._to_encode.put(piece)
        for lane in self._to_hash.values():
            lane.put(piece)
        for lane in self._to_write:
            lane.put(piece)

    def _release(self, piece: Piece) -> None:
        # next() of a count is atomic: exactly one of the consumers is the last.
        if next(piece.users) == self._consumers:
            piece.chunks = []
            self._free.put(piece)

    def _checkpoint(self) -> None:
        run = self._pass
        if run.on_checkpoint is None:
            return
        mark = Mark(run.position, run.bad.unfinished(), run.skip, len(self._to_write))
        for lane in self._to_write:
            lane.put(mark)

    # The threads. After a failure they only hand on, so that nobody waits for ever.

    def _fail(self, error: BaseException) -> None:
        if self._failure is None:
            self._failure = error
        self._stopping.set()

    def _encode(self) -> None:
        while (piece := self._to_encode.get()) is not None:
            try:
                if self._failure is None:
                    self._pass.encoder.encode(piece)
            except BaseException as error:  # noqa: BLE001 - raised again by run(), in the caller's thread
                self._fail(error)
            finally:
                piece.encoded.release()

    def _hash(self, name: str) -> None:
        lane = self._to_hash[name]
        digest = self._pass.hasher.digests[name]
        while (piece := lane.get()) is not None:
            # Pieces before `hashed` went in already; after the first deferred one the order is broken.
            if self._first_deferred is None or piece.index < self._first_deferred:
                digest.update(piece.data)
                self._hashed[name] = piece.index + 1
            self._release(piece)

    def _write(self, place: int) -> None:
        lane = self._to_write[place]
        target = self._pass.targets[place]
        while (item := lane.get()) is not None:
            try:
                if isinstance(item, Mark):
                    if self._failure is None:
                        target.sync()
                        self._arrive(item, is_first=place == 0)
                    continue
                with item.encoded:
                    pass
                if self._failure is None:
                    target.write(item)
                    if place == 0:
                        self._collect(item)
            except BaseException as error:  # noqa: BLE001 - raised again by run(), in the caller's thread
                self._fail(error)
            finally:
                if not isinstance(item, Mark):
                    self._release(item)

    def _collect(self, piece: Piece) -> None:
        """Keep what the next checkpoint says of a piece (in the first writer's thread)."""
        self._records += piece.digest + piece.zero_map.to_bytes(4, "little")
        self._pass.pieces.append(piece.digest, piece.zero_map)
        if piece.is_deferred:
            self._new_deferred.append(piece.index)
            media = min(PIECE_SIZE, self._pass.encoder.media_size - piece.index * PIECE_SIZE)
            if self._pass.encoder.makes_chunks:
                self._lengths.extend(min(CHUNK_SIZE, media - start) + 4 for start in range(0, media, CHUNK_SIZE))
            return
        self._lengths.extend(length | (COMPRESSED if compressed else 0) for _, length, compressed in piece.chunks)

    def _arrive(self, mark: Mark, *, is_first: bool) -> None:
        """A target is synced up to `mark`; the last one to come writes it into the journal."""
        if is_first:
            mark.records, self._records = bytes(self._records), bytearray()
            mark.lengths, self._lengths = self._lengths.tobytes(), array("I")
            mark.deferred, self._new_deferred = self._new_deferred, []
        with mark.lock:
            mark.waiting -= 1
            is_last = mark.waiting == 0
        if is_last and self._pass.on_checkpoint is not None:
            self._pass.on_checkpoint(mark)
