"""The state of an imaging run on disk, so that it can be stopped at any moment and continued.

`disk.resume` lies beside the image while the run goes on and is removed when it is finished. It is a list of records,
each synced before the next begins and each with its own hash: what a power cut tore is noticed and ignored.

Record: 4 bytes kind, u32 length of the JSON, u32 length of the binary part, 32 bytes BLAKE3 of both, then both.
Kinds: `head` the settings; `data` a checkpoint of the first pass (binary: u32 length of each E01 chunk since the last
one, then 36 bytes a piece); `map ` the map of a rescue under way; `seal` pieces that were filled in (binary: u32 index
and 36 bytes each).
"""

from __future__ import annotations

import json
import os
import struct
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from chain_of_custody.errors import TargetError
from chain_of_custody.masking import mask_path
from preserve.output import pread_all, pwrite_all, sync_folder, target_error
from preserve.pieces import PieceList

if TYPE_CHECKING:
    from pathlib import Path

MAGIC = b"hozen imaging journal 1\n"
_HEAD = struct.Struct("<4sII32s")


@dataclass(slots=True)
class Checkpoint:
    """Where the first pass safely was: number of pieces, chunks, the map's unfinished ranges, the state of skipping."""

    pieces: int
    chunks: int
    unfinished: list[Any]
    skip: int


@dataclass(slots=True)
class State:
    """Everything a journal says, read back."""

    head: dict[str, Any] = field(default_factory=dict)
    checkpoints: list[Checkpoint] = field(default_factory=list)
    chunk_lengths: array[int] = field(default_factory=lambda: array("I"))
    pieces: PieceList = field(default_factory=PieceList)
    deferred: list[int] = field(default_factory=list)
    """Pieces that the first pass left to the rescue, ascending."""
    unfinished: list[Any] = field(default_factory=list)
    """Of the newest record that has a map."""
    rescue: dict[str, Any] = field(default_factory=dict)
    """What the newest `map ` record says beside the map; empty before the rescue began."""
    sealed: set[int] = field(default_factory=set)


class Journal:
    """Appends records. Errors are TargetError."""

    def __init__(self, path: Path, *, position: int | None = None) -> None:
        """A new journal, or with `position` an existing one cut to that length."""
        self.path = path
        flags = os.O_RDWR | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        try:
            if position is None:
                self._fd = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
                self._position = 0
                self._lock()
                self._write(MAGIC)
                sync_folder(path.parent)
            else:
                self._fd = os.open(path, flags)
                self._lock()
                os.ftruncate(self._fd, position)
                self._position = position
        except OSError as error:
            raise target_error(path, error) from error

    def _lock(self) -> None:
        """Only one run at a time may go on from a journal."""
        try:
            import fcntl  # noqa: PLC0415 - absent on Windows, where an open file cannot be opened for writing twice
        except ImportError:
            return
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._fd)
            raise TargetError(
                f"同じ書込み先への取得が実行中です: {mask_path(self.path)}",
                f"another run is writing to this target: {mask_path(self.path)}",
                hint_ja="終わるのを待つか、別の名前を指定してください",
                hint_en="wait for it, or give another name",
            ) from error

    def _write(self, data: bytes) -> None:
        pwrite_all(self._fd, data, self._position)
        os.fsync(self._fd)
        self._position += len(data)

    def append(self, kind: str, values: dict[str, Any], blob: bytes = b"") -> None:
        """Write a record; it is on the medium when this returns."""
        text = json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()
        digest = blake3(text + blob).digest()
        try:
            self._write(_HEAD.pack(kind.encode(), len(text), len(blob), digest) + text + blob)
        except OSError as error:
            raise target_error(self.path, error) from error

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def remove(self) -> None:
        """The run is finished: remove the file."""
        self.close()
        self.path.unlink(missing_ok=True)


def read_journal(path: Path) -> tuple[State, int]:
    """What a journal says, and the position after its last whole record.

    Raises TargetError where there is no journal or not even its head is whole.
    """
    state = State()
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise TargetError(
            f"再開できる作業がありません: {mask_path(path)}",
            f"there is no run to resume: {mask_path(path)}",
            hint_ja="--resume なしで新しく取得してください(完了した作業の状態ファイルは消されています)",
            hint_en="start anew without --resume (a finished run leaves no state file)",
        ) from error
    try:
        position = len(MAGIC)
        if pread_all(fd, position, 0) == MAGIC:
            while True:
                head = pread_all(fd, _HEAD.size, position)
                if len(head) < _HEAD.size:
                    break
                kind, text_size, blob_size, digest = _HEAD.unpack(head)
                body = pread_all(fd, text_size + blob_size, position + _HEAD.size)
                if len(body) < text_size + blob_size or blake3(body).digest() != digest:
                    break
                _apply(state, kind.decode("ascii"), json.loads(body[:text_size]), body[text_size:])
                position += _HEAD.size + len(body)
    finally:
        os.close(fd)
    if not state.head:
        raise TargetError(
            f"状態ファイルが壊れていて再開できません: {mask_path(path)}",
            f"the state file is damaged beyond use: {mask_path(path)}",
            hint_ja="作りかけのファイルを別の場所に移し、最初から取得してください",
            hint_en="move the unfinished files elsewhere and start anew",
        )
    return state, position


def _apply(state: State, kind: str, values: dict[str, Any], blob: bytes) -> None:
    if kind == "head":
        state.head = values
    elif kind == "data":
        lengths = array("I")
        lengths.frombytes(blob[: 4 * values["chunks"]])
        state.chunk_lengths.extend(lengths)
        state.pieces.extend(blob[4 * values["chunks"] :])
        state.deferred += values["deferred"]
        state.unfinished = values["map"]
        state.checkpoints.append(
            Checkpoint(len(state.pieces), len(state.chunk_lengths), values["map"], values["skip"]),
        )
    elif kind == "map ":
        state.unfinished = values["map"]
        state.rescue = values
    elif kind == "seal":
        for place in range(0, len(blob), 40):
            index = int.from_bytes(blob[place : place + 4], "little")
            state.pieces.replace(
                index, blob[place + 4 : place + 36], int.from_bytes(blob[place + 36 : place + 40], "little")
            )
            state.sealed.add(index)


def rewind(state: State, pieces: int) -> None:
    """Forget what came after the newest checkpoint at or before `pieces` (a target lost it); piece 0 if none."""
    while state.checkpoints and state.checkpoints[-1].pieces > pieces:
        state.checkpoints.pop()
    last = state.checkpoints[-1] if state.checkpoints else Checkpoint(0, 0, [], 0)
    del state.chunk_lengths[last.chunks :]
    state.pieces.truncate(last.pieces)
    state.deferred = [index for index in state.deferred if index < last.pieces]
    state.unfinished = last.unfinished
    state.rescue = {}
    state.sealed = set()
