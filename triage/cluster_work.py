"""What runs on the workers of a cluster (`triage.cluster`): the same units as on one machine, in children of their own.

A worker opens its own copy of the image and trusts no byte of it before the hash of its piece was found right. Parsers
run in children with the limits of `preserve.workers`, so that what crashes, hangs or eats memory costs one unit here,
too. All functions are called by name through Dask; what they are given and give back travels in a `Parcel`, which
shows nothing of its content in logs.
"""

from __future__ import annotations

import multiprocessing
import pickle
import sys
import threading
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chain_of_custody.errors import EvidenceError
from preserve.checked import CheckedImage, WrongCopyError
from preserve.image import open_image
from preserve.pieces import PIECE_SIZE, piece_count
from preserve.recipe import Recipe, follow
from preserve.workers import Pool
from triage.file_pass import FilePass, PassSettings, TaskResult

if TYPE_CHECKING:
    from preserve.workers import Failure
    from triage.file_pass import AnyTask

SAMPLED_PIECES = 64
"""Pieces spread over the medium that a worker checks before it gets its first unit."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """Something pickled: secrets, names and findings must not show in the logs of schedulers and workers."""

    content: bytes = field(repr=False)

    @classmethod
    def of(cls, value: object) -> Parcel:
        """Pack `value`."""
        return cls(pickle.dumps(value, pickle.HIGHEST_PROTOCOL))

    def open(self) -> Any:  # noqa: ANN401 - whatever was packed
        """What was packed."""
        return pickle.loads(self.content)  # noqa: S301 - from the other side of the same scan


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a worker needs for the units of one medium: `image` is the path on the worker, file or folder."""

    token: str
    image: str
    size: int
    digests: bytes = field(repr=False)
    settings: PassSettings = field(repr=False)
    memory_bytes: int

    @property
    def recipe(self) -> Recipe:
        """How the medium is opened here."""
        image = self.settings.image
        recipe = image if isinstance(image, Recipe) else Recipe(image)
        path = Path(self.image)
        return replace(recipe, path=path / recipe.path.name if path.is_dir() else path)


@dataclass(frozen=True, slots=True)
class WrongPiece:
    """Instead of a result: the worker's copy differs in this piece."""

    number: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a worker cannot do units: `ja`, `en`; nothing where it only has to begin again (`forgotten`)."""

    ja: str = ""
    en: str = ""
    forgotten: bool = False


class _CheckedPass:
    """The work of one child: a unit's result counts only if all that was read for it was the evidence."""

    def __init__(self, assignment: Assignment) -> None:
        recipe = assignment.recipe
        self._source = CheckedImage(open_image(recipe.path, threads=1), assignment.digests)
        self._files: FilePass | None = None
        try:
            self._files = FilePass(assignment.settings, follow(self._source, recipe.steps))
        except EvidenceError:
            if self._source.wrong is None:
                raise

    def __call__(self, task: AnyTask) -> TaskResult | WrongPiece:
        """Do one unit."""
        result: TaskResult | None = None
        if self._files is not None and self._source.wrong is None:
            try:
                result = self._files(task)
            except Exception:
                if self._source.wrong is None:
                    raise
        if self._source.wrong is not None or result is None:
            return WrongPiece(self._source.wrong or 0)
        return result


def start_checked(assignment: Assignment) -> _CheckedPass:
    """What each child of a worker calls once."""
    return _CheckedPass(assignment)


class _Assigned:
    """One assignment on this worker, with the pools that no thread uses just now."""

    def __init__(self, assignment: Assignment) -> None:
        self.assignment = assignment
        self.idle: list[Pool[AnyTask, TaskResult | WrongPiece, Assignment]] = []
        self.over = False


_ASSIGNED: dict[str, _Assigned] = {}
_LOCK = threading.Lock()


def versions() -> dict[str, str]:
    """Versions of Python, hozen and the packages it reads with, as far as they are installed here."""
    found = {"python": f"{sys.version_info.major}.{sys.version_info.minor}", "hozen": version("hozen")}
    for line in requires("hozen") or ():
        name = line.partition(";")[0].split("[")[0].split(">")[0].split("=")[0].split("<")[0].split("~")[0].strip()
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = ""
    return found


def begin(parcel: Parcel) -> Refusal | None:
    """Take an assignment: open the copy, compare its size and a sample of its pieces. None where all is well."""
    assignment: Assignment = parcel.open()
    path = assignment.recipe.path
    try:
        with open_image(path, threads=1) as image:
            if image.size != assignment.size:
                return Refusal(
                    f"複製の大きさが違います: {image.size}(証拠は {assignment.size} バイト)",
                    f"its copy has {image.size} bytes, the evidence {assignment.size}",
                )
            count = piece_count(image.size)
            step = max(1, -(-count // SAMPLED_PIECES))
            CheckedImage(image, assignment.digests).check(sorted({*range(0, count, step), count - 1} - {-1}))
    except WrongCopyError as error:
        return Refusal(error.ja, error.en)
    except (EvidenceError, OSError) as error:
        said = (error.ja, error.en) if isinstance(error, EvidenceError) else (str(error.strerror), str(error.strerror))
        return Refusal(f"複製を開けません: {said[0]}", f"its copy cannot be opened: {said[1]}")
    # Under its nanny a worker counts as a daemon, which multiprocessing lets have no children. Ours end with it anyhow.
    if multiprocessing.current_process().daemon:
        multiprocessing.current_process().daemon = False
    with _LOCK:
        _ASSIGNED[assignment.token] = _Assigned(assignment)
    return None


def work(token: str, parcel: Parcel) -> Parcel:
    """Do units: a list of (number, TaskResult or Failure), or a `Refusal`."""
    with _LOCK:
        assigned = _ASSIGNED.get(token)
        if assigned is None:
            return Parcel.of(Refusal(forgotten=True))
        pool = assigned.idle.pop() if assigned.idle else None
    if pool is None:
        pool = Pool(start_checked, assigned.assignment, 1, memory_bytes=assigned.assignment.memory_bytes)
    done: list[tuple[int, TaskResult | Failure]] = []
    is_sound = False
    try:
        for task, outcome in pool.run(parcel.open()):
            if isinstance(outcome, WrongPiece):
                at = outcome.number * PIECE_SIZE
                return Parcel.of(
                    Refusal(
                        f"複製が証拠と違います(媒体の {at} バイト目からの 1 MiB)",
                        f"its copy differs from the evidence in the MiB at byte {at} of the medium",
                    )
                )
            done.append((task.number, outcome))
        is_sound = True
    except RuntimeError:
        return Parcel.of(Refusal("子プロセスを起動できません", "its child processes cannot start"))
    finally:
        with _LOCK:
            keep = is_sound and not assigned.over
            if keep:
                assigned.idle.append(pool)
        if not keep:
            pool.__exit__(None, None, None)
    return Parcel.of(done)


def end(token: str) -> None:
    """Forget an assignment and end its children."""
    with _LOCK:
        assigned = _ASSIGNED.pop(token, None)
        if assigned is None:
            return
        assigned.over = True
        idle, assigned.idle = assigned.idle, []
    for pool in idle:
        pool.__exit__(None, None, None)
