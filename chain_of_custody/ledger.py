"""The file `ledger.jsonl` and its `head`: append under a lock, synced before the call returns, recovered after a crash.

`head` has two lines of equal length, each `custody-head/1 <size> <sha256> <session> <base64 signature>`: the size of
the ledger in bytes (20 digits), the hash of its last line, the session that wrote it and that session's signature over
everything before the last blank. Writers overwrite the older of the two lines in place, in one write of less than one
disk sector. So one of them is whole at any moment, whatever is killed, and a full disk cannot stop it.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import re
import sys
import threading
import weakref
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING

from chain_of_custody import entries, lock, signature_worker
from chain_of_custody.entries import Entry, EntryError, FileHash
from chain_of_custody.errors import LedgerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    _End = tuple[bytes, "Tail"]

LEDGER_NAME = "ledger.jsonl"
HEAD_NAME = "head"
LOCK_NAME = "ledger.lock"
RECOVERED_NAME = "recovered"

SLOT_BYTES = 223
_SLOT = re.compile(rb"custody-head/1 ([0-9]{20}) ([0-9a-f]{64}) ([0-9a-f]{32}) ([A-Za-z0-9+/]{86}==)\n")
_BINARY = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


@dataclass(frozen=True, slots=True)
class Head:
    """One line of `head`: how long the ledger was, and the hash of its last line."""

    size: int
    sha256: str
    session: str
    signature: bytes

    @property
    def signed(self) -> bytes:
        """What the session's key signs."""
        return _head_text(self.size, self.sha256, self.session)

    def to_bytes(self) -> bytes:
        """The line with its newline, SLOT_BYTES long."""
        return self.signed + b" " + base64.b64encode(self.signature) + b"\n"


def _head_text(size: int, sha256: str, session: str) -> bytes:
    return f"custody-head/1 {size:020d} {sha256} {session}".encode("ascii")


def parse_head(slot: bytes) -> Head | None:
    """The line in `slot`, or None where it is damaged."""
    match = _SLOT.fullmatch(slot)
    if match is None:
        return None
    try:
        signature = entries.decode_base64(match[4])
    except ValueError:
        return None
    return Head(int(match[1]), match[2].decode(), match[3].decode(), signature)


def read_heads(folder: Path) -> tuple[Head | None, Head | None]:
    """Both lines of `head`; raises OSError when there is no such file. A file of another length gives two None."""
    data = (folder / HEAD_NAME).read_bytes()
    if len(data) != 2 * SLOT_BYTES:
        return None, None
    return parse_head(data[:SLOT_BYTES]), parse_head(data[SLOT_BYTES:])


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    """Lines of an open ledger with their newline; the last may lack it. A longer line than allowed comes in parts."""
    while line := file.readline(entries.MAX_LINE_BYTES + 1):
        yield line


def session_public_key(entry: Entry) -> bytes | None:
    """The 32 bytes of the session key that a `case.open` or `session.open` announces; None for others."""
    auth = entry.body.get("auth") if entry.type in ("case.open", "session.open") else None
    key = auth.get("key") if isinstance(auth, dict) else None
    try:
        raw = entries.decode_base64(key) if isinstance(key, str) else b""
    except ValueError:
        return None
    return raw if len(raw) == 32 else None


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a crash left behind the last line that `head` knew, and what was done with it."""

    kept_lines: int
    """Whole, valid lines that were written and that `head` did not know yet."""
    moved: FileHash | None
    """Torn bytes, moved to recovered/<sha256>."""
    head_damaged: bool


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of the ledger under the lock: its size in bytes, its last entry, and a recovery still to be recorded."""

    size: int
    last: Entry
    sha256: str
    """Hash of the last line."""
    recovery: Recovery | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries to append in one write, and the session that signs the head."""

    entries: tuple[Entry, ...]
    session: str
    sign: Callable[[bytes], bytes]


def _end_of(size: int, last_line: bytes, batch: Batch) -> tuple[bytes, Tail]:
    """The line of `head` for a ledger of `size` bytes that ends with this batch, and its tail."""
    sha256 = hashlib.sha256(last_line).hexdigest()
    text = _head_text(size, sha256, batch.session)
    slot = text + b" " + base64.b64encode(batch.sign(text)) + b"\n"
    return slot, Tail(size, batch.entries[-1], sha256, None)


def _sync(descriptor: int) -> None:
    if sys.platform == "darwin":
        import fcntl  # noqa: PLC0415 - only there

        # fsync on macOS leaves the data in the drive's cache.
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    elif hasattr(os, "fdatasync"):
        # fdatasync writes the new size too, which is needed to read the data back.
        os.fdatasync(descriptor)
    else:
        os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """Make names in `folder` durable, where the system can (POSIX)."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_new_file(path: Path, data: bytes) -> None:
    """Create `path` with `data`, on disk when this returns. Raises FileExistsError and other OSError."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        written = os.write(descriptor, view)
        view = view[written:]


def _write_at(descriptor: int, data: bytes, offset: int) -> None:
    if hasattr(os, "pwrite") and os.pwrite(descriptor, data, offset) == len(data):
        return
    os.lseek(descriptor, offset, os.SEEK_SET)
    _write_all(descriptor, data)


def create(folder: Path, first: Entry, session: str, sign: Callable[[bytes], bytes]) -> None:
    """Write a ledger of one line into `folder`. Until its last step, the folder is no case. Raises OSError."""
    line = first.line + b"\n"
    text = _head_text(len(line), first.sha256, session)
    slot = text + b" " + base64.b64encode(sign(text)) + b"\n"
    head = folder / HEAD_NAME
    head.unlink(missing_ok=True)
    write_new_file(head, slot * 2)
    os.close(lock.open_lock_file(folder / LOCK_NAME))
    part = folder / (LEDGER_NAME + ".new")
    part.unlink(missing_ok=True)
    write_new_file(part, line)
    part.rename(folder / LEDGER_NAME)
    sync_folder(folder)


class Ledger:
    """Appends to the ledger in `folder`; safe between threads and processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / LEDGER_NAME
        self._thread_lock = threading.RLock()
        self._files: tuple[int, int, int] | None = None
        self._identity: tuple[int, int] | None = None
        self._pid = 0
        self._tail: Tail | None = None
        self._newest_slot = 0
        self._helper: _Helper | None = None
        self._lock_path = folder / LOCK_NAME
        self._name = str(self.path)

    def close(self) -> None:
        """Close the files; `head` is made durable too."""
        with self._thread_lock:
            if self._files is not None and self._pid == os.getpid():
                # The ledger itself is synced; an older head is what a crash would leave, and is recovered.
                with contextlib.suppress(OSError):
                    os.fsync(self._files[1])
                for descriptor in self._files:
                    os.close(descriptor)
                self._end_helper()
            self._helper = None
            self._files = None
            self._tail = None

    def append(self, make: Callable[[Tail], Batch]) -> None:
        """Under the lock, append what `make` returns for the current tail; on disk when this returns.

        Raises LedgerError when the ledger cannot be written or is not the one that its head describes; then nothing
        was appended.
        """
        with self._thread_lock:
            try:
                ledger, head, locked = self._open()
                lock.acquire(locked, self._lock_path)
                try:
                    size = self._size()
                    if size is None:
                        # `locked` is closed, and with it unlocked; the one that holds is of the file opened now.
                        self.close()
                        ledger, head, locked = self._open()
                        lock.acquire(locked, self._lock_path)
                        size = os.fstat(ledger).st_size
                    tail = self._current_tail(ledger, head, size)
                    batch = make(tail)
                    self._write(ledger, head, tail.size, batch)
                finally:
                    if self._files is not None:
                        lock.release(locked)
            except OSError as error:
                raise LedgerError(
                    f"台帳に書き込めません: {self.path}: {error.strerror or error}",
                    f"cannot write the ledger: {self.path}: {error.strerror or error}",
                    hint_ja="空き容量と書込み権限を確かめてください。処理は始めていません",
                    hint_en="check free space and permission; nothing was started",
                ) from error

    def _open(self) -> tuple[int, int, int]:
        if self._files is not None and self._pid != os.getpid():
            # A forked child shares the parent's lock unless it opens the files itself.
            for descriptor in self._files:
                os.close(descriptor)
            self._files = None
            self._tail = None
            # The thread stayed with the parent.
            self._helper = None
        if self._files is None:
            opened: list[int] = []
            try:
                opened.append(os.open(self.path, os.O_RDWR | os.O_APPEND | _BINARY))
                opened.append(os.open(self.folder / HEAD_NAME, os.O_RDWR | _BINARY))
                opened.append(lock.open_lock_file(self.folder / LOCK_NAME))
            except OSError:
                for descriptor in opened:
                    os.close(descriptor)
                raise
            self._files = (opened[0], opened[1], opened[2])
            status = os.fstat(self._files[0])
            self._identity = (status.st_dev, status.st_ino)
            self._pid = os.getpid()
            self._tail = None
        return self._files

    def _size(self) -> int | None:
        """Size in bytes; None where the name now leads to another file (restored from a backup, moved away)."""
        status = os.stat(self._name)  # noqa: PTH116 - at every entry; Path.stat takes twice as long
        return status.st_size if (status.st_dev, status.st_ino) == self._identity else None

    def _current_tail(self, ledger: int, head: int, size: int) -> Tail:
        if self._tail is None or self._tail.size != size:
            # A recovery is kept with the tail until an entry records it.
            self._tail = self._read_tail(ledger, head, size)
        return self._tail

    def _read_tail(self, ledger: int, head: int, size: int) -> Tail:
        os.lseek(head, 0, os.SEEK_SET)
        data = os.read(head, 2 * SLOT_BYTES + 1)
        slots = [parse_head(data[:SLOT_BYTES]), parse_head(data[SLOT_BYTES:])] if len(data) == 2 * SLOT_BYTES else []
        known = [(slot.size, number) for number, slot in enumerate(slots) if slot is not None]
        if not known:
            raise self._mismatch("head が壊れています", "head is damaged")
        self._newest_slot = max(known)[1]
        newest = slots[self._newest_slot]
        assert newest is not None
        if size < newest.size:
            raise self._mismatch("台帳の末尾が切り取られています", "the end of the ledger is cut off")
        last = self._line_before(ledger, newest.size)
        if last is None or last.sha256 != newest.sha256:
            raise self._mismatch("台帳が head と一致しません", "the ledger differs from its head")
        recovery = None
        if size > newest.size or len(known) < 2:
            last, recovery, size = self._recover(ledger, last, newest.size, size, head_damaged=len(known) < 2)
        return Tail(size, last, last.sha256, recovery)

    def _mismatch(self, ja: str, en: str) -> LedgerError:
        return LedgerError(
            f"{ja}: {self.path}",
            f"{en}: {self.path}",
            hint_ja="custody verify で確かめてください。この台帳には追記しません",
            hint_en="run custody verify; nothing is appended to this ledger",
        )

    def _line_before(self, ledger: int, end: int) -> Entry | None:
        """The entry whose newline is the byte before `end`; None if there is none or it is invalid."""
        step = 16 * 1024
        start = max(0, end - step)
        while True:
            os.lseek(ledger, start, os.SEEK_SET)
            data = _read_exactly(ledger, end - start)
            newline = data.rfind(b"\n", 0, len(data) - 1)
            if newline >= 0 or start == 0:
                break
            if end - start > entries.MAX_LINE_BYTES:
                return None
            step *= 4
            start = max(0, end - step)
        if not data.endswith(b"\n"):
            return None
        try:
            return entries.parse_line(data[newline + 1 : -1])
        except EntryError:
            return None

    def _recover(
        self,
        ledger: int,
        last: Entry,
        known_size: int,
        size: int,
        *,
        head_damaged: bool,
    ) -> tuple[Entry, Recovery, int]:
        """Keep the whole valid lines after `known_size`, move the rest to recovered/."""
        keys: dict[str, bytes] = {}
        kept = 0
        position = 0
        with self.path.open("rb") as file:
            for line in lines_of(file):
                if position < known_size:
                    if b'"type":"session.open"' in line or b'"type":"case.open"' in line:
                        _note_session(keys, line)
                    position += len(line)
                    continue
                entry = _valid_follower(line, last, keys)
                if entry is None:
                    break
                _note_session(keys, line)
                last = entry
                kept += 1
                position += len(line)
        moved = None
        if position < size:
            os.lseek(ledger, position, os.SEEK_SET)
            torn = _read_exactly(ledger, size - position)
            moved = FileHash(hashlib.sha256(torn).hexdigest(), len(torn))
            folder = self.folder / RECOVERED_NAME
            folder.mkdir(exist_ok=True)
            if not (folder / moved.sha256).exists():
                part = folder / f".{moved.sha256}.new"
                part.unlink(missing_ok=True)
                write_new_file(part, torn)
                part.rename(folder / moved.sha256)
                sync_folder(folder)
            os.ftruncate(ledger, position)
            os.fsync(ledger)
        return last, Recovery(kept, moved, head_damaged), position

    def _write(self, ledger: int, head: int, size: int, batch: Batch) -> None:
        lines = [entry.line for entry in batch.entries]
        data = b"\n".join((*lines, b""))
        try:
            _write_all(ledger, data)
            # What follows from the line is made while the disk works, above all the signature of the head.
            end = self._beside_the_disk(lambda: _end_of(size + len(data), lines[-1], batch))
            _sync(ledger)
            slot, tail = end()
        except BaseException:
            # A full disk or Ctrl-C in the middle: take the torn bytes back, so that the next writer finds a whole
            # ledger. If even that fails, they are recovered like after a crash.
            self._tail = None
            self._end_helper()
            os.ftruncate(ledger, size)
            raise
        older = 1 - self._newest_slot
        _write_at(head, slot, older * SLOT_BYTES)
        self._newest_slot = older
        self._tail = tail

    def _beside_the_disk(self, make: Callable[[], _End]) -> Callable[[], _End]:
        """Begin with `make()` in another thread; what is returned waits for its result, and raises what it raised."""
        if self._helper is None:
            self._helper = _Helper()
            weakref.finalize(self, self._helper.end)
        self._helper.ask(make)
        return self._helper.answer

    def _end_helper(self) -> None:
        """What it is computing is never taken for the answer to a later question."""
        if self._helper is not None:
            self._helper.end()
            self._helper = None


class _Helper:
    """A thread that makes one thing at a time while its owner waits for the disk.

    Signing takes about a sixth of the time of a sync; one after the other they would not fit into 1.5 times it.
    """

    def __init__(self) -> None:
        self._asked: SimpleQueue[Callable[[], _End] | None] = SimpleQueue()
        self._answers: SimpleQueue[_End | BaseException] = SimpleQueue()
        queues = (self._asked, self._answers)
        threading.Thread(target=_answer_questions, args=queues, name="ledger head", daemon=True).start()

    def ask(self, make: Callable[[], _End]) -> None:
        self._asked.put(make)

    def answer(self) -> _End:
        value = self._answers.get()
        if isinstance(value, BaseException):
            raise value
        return value

    def end(self) -> None:
        self._asked.put(None)


def _answer_questions(
    asked: SimpleQueue[Callable[[], _End] | None], answers: SimpleQueue[_End | BaseException]
) -> None:
    while (make := asked.get()) is not None:
        try:
            answers.put(make())
        except BaseException as error:  # noqa: BLE001 - it is raised where the answer is awaited
            answers.put(error)
        del make


def _read_exactly(descriptor: int, size: int) -> bytes:
    parts = []
    while size > 0 and (part := os.read(descriptor, size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _note_session(keys: dict[str, bytes], line: bytes) -> None:
    try:
        entry = entries.parse_line(line.rstrip(b"\n"))
    except EntryError:
        return
    key = session_public_key(entry)
    if key is not None:
        keys[entry.session] = key


def _valid_follower(line: bytes, last: Entry, keys: dict[str, bytes]) -> Entry | None:
    """The entry in `line` if it continues the chain after `last` with a valid signature of a session."""
    if not line.endswith(b"\n"):
        return None
    try:
        entry = entries.parse_line(line[:-1])
    except EntryError:
        return None
    key = keys.get(entry.session) or session_public_key(entry)
    if entry.seq != last.seq + 1 or entry.prev != last.sha256 or key is None:
        return None
    return entry if signature_worker.fits(key, entry.signature, entry.payload) else None
