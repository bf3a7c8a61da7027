"""A walk over a file system in a child process: libtsk is C code, and a hostile volume must not end the whole run."""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from preserve.filesystem import FileEntry, open_filesystem
from preserve.image import Problem, Range, open_image
from preserve.volumes import Volume

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from preserve.image import Image

_ONE_BY_ONE = 2000  # so many entries are sent singly: a crash then loses none of a small volume
_BATCH = 64  # entries sent at once after those
_BEAT_SECONDS = 2.0  # how often the child says that it still reads
SILENCE_SECONDS = 60.0
"""How long the child may work without reading or finding anything before it counts as hanging."""
LONGEST_SECONDS = 6 * 3600.0
"""How long a walk may take at all: a loop that reads for ever is no life either."""


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


def _child(pipe: Connection, path: str, place: tuple[int, str, int, int], *, files: bool) -> None:
    """Run in the child: open the image again, walk one volume, send what is found."""
    index, layer, offset, size = place
    problems: list[Problem] = []
    with open_image(Path(path), threads=1) as image:
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


def walk(image: Image, volume: Volume, *, files: bool = True, silence_seconds: float = SILENCE_SECONDS) -> IsolatedWalk:
    """Walk `volume` in a child process. A crash or a hang of the child is a Problem; what it had sent is kept."""
    result = IsolatedWalk()
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    where = f"{image.layer}|{volume.layer}" if volume.layer else image.layer
    place = (volume.index, volume.layer, volume.offset, volume.size)
    child = context.Process(
        target=_child,
        args=(sending, str(image.segments[0]), place),
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
