"""Work on hostile volumes in a child process: libraries in C may crash or hang, and must not end the whole run."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from chain_of_custody.errors import EvidenceError
from preserve.filesystem import FileEntry, open_filesystem
from preserve.image import Problem, Range
from preserve.orphans import end_with_parent
from preserve.recipe import Recipe
from preserve.volumes import Volume
from preserve.workers import child_context

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from preserve.image import Image

_ONE_BY_ONE = 2000  # so many entries are sent singly: a crash then loses none of a small volume
_BATCH = 64  # entries sent at once after those
_BEAT_SECONDS = 2.0  # how often the child says that it still reads
SILENCE_SECONDS = 60.0
"""How long the child may work without reading or finding anything before it counts as hanging."""
LONGEST_SECONDS = 6 * 3600.0
"""How long a walk may take at all: a loop that reads for ever is no life either."""


_MEMORY_BYTES = 6 << 30  # address space of a child that does one call
Result = TypeVar("Result")


def _answer(pipe: Connection, function: Callable[..., object], arguments: tuple[object, ...]) -> None:
    """Run in the child: do one call and send its result, or the error in words."""
    end_with_parent()
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 - not on Windows

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    try:
        pipe.send(("result", function(*arguments)))
    except EvidenceError as error:
        pipe.send(("error", (error.ja, error.en)))
    except (OSError, ValueError, ArithmeticError, LookupError, TypeError, MemoryError) as error:
        # Words of a library may quote the evidence or a key: only the kind of error is passed on.
        name = type(error).__name__
        pipe.send(("error", (f"読み取り中の誤り({name})", f"error while reading ({name})")))


def call(function: Callable[..., Result], /, *arguments: object, seconds: float) -> Result:
    """Call `function` (importable, picklable arguments) in a child process and return what it returns.

    Raises EvidenceError for what the evidence makes it raise, where the child crashes, and after `seconds`.
    """
    context = child_context()
    receiving, sending = context.Pipe(duplex=False)
    child = context.Process(target=_answer, args=(sending, function, arguments), daemon=True)
    child.start()
    sending.close()
    try:
        if not receiving.poll(seconds):
            raise EvidenceError("時間内に終わりませんでした", f"not finished within {seconds:g} s")
        kind, value = receiving.recv()
    except EOFError:
        child.join(10)
        raise EvidenceError(
            "読取り部品が異常終了しました", f"the reader crashed (exit status {child.exitcode})"
        ) from None
    finally:
        receiving.close()
        if child.is_alive():
            child.join(1)
        if child.is_alive():
            child.kill()
        child.join()
        child.close()
    if kind == "error":
        raise EvidenceError(*value)
    return value  # type: ignore[no-any-return]  # what the function returned, through the pipe


@dataclass(slots=True)
class IsolatedWalk:
    """What a walk in a child process found.

    `has_filesystem` says that a file system was opened, `is_sound` that the child came to its end by itself.
    """

    entries: list[FileEntry] = field(default_factory=list)
    metadata: list[Range] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    has_filesystem: bool = False
    is_sound: bool = False


class _Beating(Volume):
    """A volume that tells the parent every few seconds that it is being read."""

    pipe: Connection
    beat: float = 0.0

    def read_at(self, offset: int, size: int, /) -> bytes:
        """See `Image.read_at`."""
        now = time.monotonic()
        if now - self.beat > _BEAT_SECONDS:
            self.beat = now
            self.pipe.send(("alive", None))
        # Not super(): a dataclass with slots is made anew, and its zero-argument super() would miss.
        return Volume.read_at(self, offset, size)


def _child(pipe: Connection, recipe: Recipe, place: tuple[int, str, int, int], *, files: bool) -> None:
    """Run in the child: open the image again, walk one volume, send what is found."""
    end_with_parent()
    index, layer, offset, size = place
    problems: list[Problem] = []
    with recipe.open(threads=1) as image:
        volume = _Beating(index, layer, offset, size, "", image)
        volume.pipe = pipe
        filesystem = open_filesystem(volume, problems)
        pipe.send(("opened", filesystem is not None))
        batch: list[FileEntry] = []
        metadata: list[Range] = []
        if filesystem is not None and files:
            for count, entry in enumerate(filesystem.walk()):
                batch.append(entry)
                if count < _ONE_BY_ONE or len(batch) >= _BATCH:
                    pipe.send(("entries", batch))
                    batch = []
            metadata = list(filesystem.metadata())
        pipe.send(("entries", batch))
        pipe.send(("end", (metadata, problems)))


def walk(
    image: Image,
    volume: Volume,
    *,
    files: bool = True,
    silence_seconds: float = SILENCE_SECONDS,
    recipe: Recipe | None = None,
) -> IsolatedWalk:
    """Walk `volume` in a child process. A crash or a hang of the child is a Problem; what it had sent is kept.

    `recipe` says how the child opens `image`; without it, from its first file.
    """
    result = IsolatedWalk()
    context = child_context()
    receiving, sending = context.Pipe(duplex=False)
    where = f"{image.layer}|{volume.layer}" if volume.layer else image.layer
    place = (volume.index, volume.layer, volume.offset, volume.size)
    child = context.Process(
        target=_child,
        args=(sending, recipe or Recipe(image.segments[0]), place),
        kwargs={"files": files},
        daemon=True,
    )
    child.start()
    sending.close()
    detail = ""
    try:
        ending = time.monotonic() + LONGEST_SECONDS
        while not result.is_sound:
            if not receiving.poll(silence_seconds) or time.monotonic() > ending:
                detail = f"the file system reader hung and was stopped after {len(result.entries)} entries"
                break
            kind, value = receiving.recv()
            if kind == "entries":
                result.entries += value
            elif kind == "opened":
                result.has_filesystem = value
            elif kind == "end":
                result.metadata, problems = value
                result.problems += problems
                result.is_sound = True
    except EOFError:
        child.join(10)
        detail = f"the file system reader crashed after {len(result.entries)} entries (exit status {child.exitcode})"
    finally:
        receiving.close()
        if not result.is_sound and child.is_alive():
            child.kill()
        child.join()
        child.close()
    if detail:
        result.problems.append(Problem(where, "damaged", detail, volume.offset, volume.size))
    return result
