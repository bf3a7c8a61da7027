"""A walk over a file system in a child process: libtsk is C code, and a hostile volume must not end the whole run."""

from __future__ import annotations

import multiprocessing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from preserve.filesystem import FileEntry, open_filesystem
from preserve.image import Problem, Range, open_image
from preserve.volumes import Volume

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from preserve.image import Image

_BATCH = 2000  # entries sent at once
SILENCE_SECONDS = 600.0
"""How long the child may work without a word before it counts as hanging."""


@dataclass(slots=True)
class IsolatedWalk:
    """What a walk in a child process found; `is_sound` says that the child came to its end by itself."""

    entries: list[FileEntry] = field(default_factory=list)
    metadata: list[Range] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    has_filesystem: bool = False
    is_sound: bool = False


def _child(pipe: Connection, path: str, place: tuple[int, str, int, int], *, files: bool) -> None:
    """Run in the child: open the image again, walk one volume, send what is found."""
    index, layer, offset, size = place
    problems: list[Problem] = []
    with open_image(Path(path), threads=1) as image:
        volume = Volume(index, layer, offset, size, "", image)
        filesystem = open_filesystem(volume, problems)
        batch: list[FileEntry] = []
        metadata: list[Range] = []
        if filesystem is not None and files:
            for entry in filesystem.walk():
                batch.append(entry)
                if len(batch) >= _BATCH:
                    pipe.send(("entries", batch))
                    batch = []
            metadata = list(filesystem.metadata())
        pipe.send(("entries", batch))
        pipe.send(("end", (filesystem is not None, metadata, problems)))


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
        while receiving.poll(silence_seconds):
            kind, value = receiving.recv()
            if kind == "entries":
                result.entries += value
            else:
                result.has_filesystem, result.metadata, problems = value
                result.problems += problems
                result.is_sound = True
                break
        else:
            detail = f"the file system reader gave no sign for {silence_seconds:.0f} s and was stopped"
    except EOFError:
        child.join(10)
        detail = f"the file system reader crashed (exit status {child.exitcode})"
    finally:
        receiving.close()
        if not result.is_sound and child.is_alive():
            child.kill()
        child.join()
        child.close()
    if detail:
        result.problems.append(Problem(where, "damaged", detail, volume.offset, volume.size))
    return result
