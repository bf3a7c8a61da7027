"""Contents of files read by The Sleuth Kit in a child process: a crash or a hang costs one file, not the run."""

from __future__ import annotations

import multiprocessing
from typing import TYPE_CHECKING

from chain_of_custody.errors import EvidenceError
from preserve.filesystem import open_filesystem
from preserve.volumes import Volume

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess
    from types import TracebackType
    from typing import Self

    from preserve.filesystem import FileId
    from preserve.recipe import Recipe

SILENCE_SECONDS = 60.0
"""How long the child may work on one block before it counts as hanging."""
_BLOCK = 1 << 20  # bytes sent at once


def _serve(pipe: Connection, recipe: Recipe, place: tuple[int, str, int, int]) -> None:
    """Run in the child: send the content of each file that is asked for, block by block, then an empty block."""
    index, layer, offset, size = place
    with recipe.open(threads=1) as image:
        filesystem = open_filesystem(Volume(index, layer, offset, size, "", image), [])
        while filesystem is not None:  # without one this ends like a crash
            wanted = pipe.recv()
            try:
                reader = filesystem.open(wanted)
                pipe.send(("size", reader.size))
                at = 0
                while at < reader.size and (data := reader.read_at(at, min(_BLOCK, reader.size - at))):
                    pipe.send(("data", data))
                    at += len(data)
                pipe.send(("data", b""))
            except EvidenceError as error:
                pipe.send(("error", (error.ja, error.en)))


class IsolatedFiles:
    """Reads files of one volume in a child process, which is started when it is needed and again after a crash."""

    def __init__(self, recipe: Recipe, volume: Volume, *, silence_seconds: float = SILENCE_SECONDS) -> None:
        self._recipe = recipe
        self._place = (volume.index, volume.layer, volume.offset, volume.size)
        self._silence_seconds = silence_seconds
        self._child: SpawnProcess | None = None
        self._pipe: Connection | None = None

    def _ask(self, file: FileId) -> Connection:
        if self._pipe is None:
            context = multiprocessing.get_context("spawn")
            self._pipe, other = context.Pipe()
            self._child = context.Process(target=_serve, args=(other, self._recipe, self._place), daemon=True)
            self._child.start()
            other.close()
        self._pipe.send(file)
        return self._pipe

    def read(self, file: FileId) -> Iterator[tuple[int, bytes]]:
        """Size of a file and its next bytes, again and again; bytes are empty where the file ends early.

        Raises EvidenceError where it cannot be read, or where the child crashes or hangs.
        """
        try:
            pipe = self._ask(file)
            size, is_done = 0, False
            while not is_done:
                if not pipe.poll(self._silence_seconds):
                    self.close()
                    raise EvidenceError("読取り部品が応答しません", "the file system reader hung and was stopped")
                kind, value = pipe.recv()
                if kind == "error":
                    raise EvidenceError(*value)
                if kind == "size":
                    size = value
                    continue
                is_done = not value
                yield size, value
        except (EOFError, BrokenPipeError, ConnectionResetError):
            self.close()
            raise EvidenceError("読取り部品が異常終了しました", "the file system reader crashed") from None
        except GeneratorExit:
            self.close()  # the rest of the file would come before the answer to the next question
            raise

    def close(self) -> None:
        """End the child."""
        pipe, child, self._pipe, self._child = self._pipe, self._child, None, None
        if pipe is not None:
            pipe.close()
        if child is not None:
            child.kill()  # it only reads
            child.join()
            child.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
