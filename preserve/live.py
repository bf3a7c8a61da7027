"""Collects what a running machine loses when it is switched off, in the order of volatility (RFC 3227, section 2.1).

```python
target = Path("/media/usb/case/live/1")
check_target(target, suspects=())                      # never onto a disk of the machine itself
collected = collect(target, plan("linux"), Limits())
```
Each step is a command or a read of procfs. Its output lies in a file of its own, as it came; what was run, with which
program (path and SHA-256), when, how it ended and the hash of the output stand in `manifest.jsonl` and in the ledger.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

from chain_of_custody.errors import TargetError, UsageError
from chain_of_custody.masking import mask_path, mask_text
from preserve.live_linux import READERS
from preserve.live_linux import STEPS as LINUX_STEPS
from preserve.live_windows import STEPS as WINDOWS_STEPS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chain_of_custody.jcs import Json
    from preserve.live_step import Step

MANIFEST = "manifest.jsonl"
Outcome = Literal["done", "failed", "absent", "timeout", "cut"]
_SBIN = "/usr/sbin:/sbin"


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of each command: seconds, and bytes of output that are kept."""

    seconds: float = 20.0
    output_bytes: int = 32 << 20
    memory_seconds: float = 7200.0


@dataclass(frozen=True, slots=True)
class Taken:
    """One step as it went. Times are RFC 3339 in UTC by this machine's clock; `exit_code` None where nothing ran."""

    step: Step
    outcome: Outcome
    started: str
    ended: str
    exit_code: int | None = None
    program: str = ""
    program_sha256: str = ""
    file: str = ""
    sha256: str = ""
    size_bytes: int = 0
    stderr_file: str = ""
    stderr_sha256: str = ""
    detail: str = field(default="", repr=False)

    def to_json(self) -> dict[str, Json]:
        """As the manifest and the ledger hold it, My Numbers masked."""
        written: dict[str, Json] = {
            "step": self.step.name,
            "command": mask_text(" ".join(self.step.argv) or f"read {self.step.reader}"),
            "outcome": self.outcome,
            "started": self.started,
            "ended": self.ended,
        }
        if self.exit_code is not None:
            written["exit_code"] = str(self.exit_code)
        if self.program:
            written |= {"program": mask_text(self.program), "program_sha256": self.program_sha256}
        if self.file:
            written |= {"file": self.file, "sha256": self.sha256, "size": str(self.size_bytes)}
        if self.stderr_file:
            written |= {"stderr": self.stderr_file, "stderr_sha256": self.stderr_sha256}
        if self.detail:
            written["detail"] = mask_text(self.detail)[:400]
        return written


@dataclass(frozen=True, slots=True)
class Footprint:
    """What the collection itself did to the machine."""

    pid: int
    processes_started: int
    written_bytes: int
    files_written: int
    peak_memory_bytes: int | None
    target: str

    def to_json(self) -> dict[str, Json]:
        """For the ledger: numbers as text."""
        return {
            "pid": str(self.pid),
            "processes_started": str(self.processes_started),
            "written_bytes": str(self.written_bytes),
            "files_written": str(self.files_written),
            "peak_memory_bytes": "" if self.peak_memory_bytes is None else str(self.peak_memory_bytes),
            "target": self.target,
            "also": "loaded the interpreter and its libraries into memory; access times of programs and of /proc",
        }


def plan(system: str, *, keys: bool = False, memory: bool = True) -> tuple[Step, ...]:
    """The steps for `linux` or `win32`, in order. Steps that show keys only with `keys`. Raises UsageError."""
    tables = {"linux": LINUX_STEPS, "win32": WINDOWS_STEPS}
    if system not in tables:
        raise UsageError(
            f"稼働中の収集は Linux と Windows のみです: {system}",
            f"live collection knows Linux and Windows only: {system}",
        )
    return tuple(
        step for step in tables[system] if (keys or not step.needs_authority) and (memory or step.name != "memory")
    )


# --- where it may be written ------------------------------------------------------------------------------------------


def disks_below(numbers: str, sysfs: Path = Path("/sys")) -> set[str]:
    """Kernel names of the disks under the block device `major:minor`: through partitions, dm-crypt, LVM, RAID, loops.

    Empty where there is no block device (tmpfs, network, overlay).
    """
    found: set[str] = set()
    waiting = [(sysfs / "dev/block" / numbers).resolve()]
    seen: set[Path] = set()
    while waiting:
        place = waiting.pop()
        if place in seen or not place.exists():
            continue
        seen.add(place)
        below = list((place / "slaves").iterdir()) if (place / "slaves").is_dir() else []
        if below:
            waiting += [one.resolve() for one in below]
        elif (place / "partition").exists():
            waiting.append(place.parent)
        elif (place / "loop/backing_file").exists():
            backing = Path((place / "loop/backing_file").read_text(encoding="utf-8", errors="replace").strip())
            with contextlib.suppress(OSError):
                waiting.append((sysfs / "dev/block" / _numbers(backing)).resolve())
            found.add(place.name)
        else:
            found.add(place.name)
    return found


def _numbers(path: Path) -> str:
    device = path.stat().st_dev
    return f"{os.major(device)}:{os.minor(device)}"


def _standing(path: Path) -> Path:
    """The folder itself, or the nearest one above it that exists."""
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path


def _kind_of(place: Path) -> str:
    """Type of the file system that holds `place` (the longest mount point above it), from /proc/self/mountinfo."""
    best, kind = "", ""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            left, _, right = line.partition(" - ")
            point = left.split(" ")[4].encode().decode("unicode_escape", "replace")
            inside = str(place) == point or str(place).startswith(point.rstrip("/") + "/")
            if inside and len(point) >= len(best):
                best, kind = point, right.split(" ")[0]
    return kind


NETWORK_KINDS = ("nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p")


def check_target(target: Path, suspects: Sequence[str], accepted: str = "") -> str:
    """What lies under `target`, in words. Raises UsageError where writing there could destroy evidence.

    A disk named in `suspects` is never written to. The disk of the root file system, any disk that is built in, and
    memory (tmpfs) need a reason in `accepted`.
    """
    if not hasattr(os, "major"):
        # Windows: the letter of the system drive is what can be known without further tools.
        drive = Path(target).absolute().drive.upper()
        if drive == os.environ.get("SYSTEMDRIVE", "C:").upper() and not accepted:
            raise _footprint(target, f"the system drive {drive}", f"システムドライブ {drive}")
        return drive
    place = _standing(target).resolve()
    numbers, kind = _numbers(place), _kind_of(place)
    disks = disks_below(numbers)
    named = {Path(one).resolve().name for one in suspects}
    hit = named & (disks | _names_of(numbers))
    for name in sorted(named - hit):
        device = Path("/sys/class/block") / name / "dev"
        if not device.exists():
            raise UsageError(f"そのようなディスクはありません: {mask_text(name)}", f"no such disk: {mask_text(name)}")
        hit |= disks_below(device.read_text(encoding="ascii").strip()) & disks
    if hit:
        raise UsageError(
            f"出力先は対象のディスク({', '.join(sorted(hit))})の上にあります: {mask_path(target)}",
            f"the target lies on a suspect disk ({', '.join(sorted(hit))}): {mask_path(target)}",
            hint_ja="別に用意した媒体のフォルダーを --out と --case で指定してください",
            hint_en="name folders on a medium of your own with --out and --case",
        )
    if kind in NETWORK_KINDS:
        return f"{kind} (network)"
    root = Path("/").stat().st_dev == place.stat().st_dev or bool(disks & disks_below(_numbers(Path("/"))))
    inner = [name for name in sorted(disks) if not _removable(name)]
    words = f"{kind or '?'} on {', '.join(sorted(disks)) or 'no disk'}"
    if (root or inner or not disks) and not accepted:
        if root:
            raise _footprint(target, f"the root file system ({words})", f"ルートファイルシステム({words})")
        if inner:
            raise _footprint(target, f"a built-in disk ({words})", f"内蔵ディスク({words})")
        raise _footprint(target, f"memory or an unknown medium ({words})", f"メモリまたは不明な媒体({words})")
    return words


def _footprint(target: Path, en: str, ja: str) -> UsageError:
    return UsageError(
        f"出力先 {mask_path(target)} は{ja}の上にあり、書き込むと対象機の証拠を上書きするおそれがあります",
        f"the target {mask_path(target)} lies on {en}: writing there can overwrite evidence of this machine",
        hint_ja="外付け媒体を指定するか、やむを得ないときは --accept-footprint 理由 を付けてください",
        hint_en="use a medium of your own, or, if there is no other way, --accept-footprint REASON",
    )


def _names_of(numbers: str) -> set[str]:
    place = Path("/sys/dev/block") / numbers
    return {place.resolve().name} if place.exists() else set()


def _removable(name: str) -> bool:
    place = Path("/sys/class/block") / name
    with contextlib.suppress(OSError):
        if (place / "removable").read_text(encoding="ascii").strip() == "1":
            return True
    return "/usb" in str(place.resolve())


# --- running ----------------------------------------------------------------------------------------------------------


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


@dataclass(slots=True)
class _Sink:
    """Copies a pipe into a file up to a limit, hashing; `full` when there was more."""

    limit: int
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    size: int = 0
    full: bool = False

    def copy(self, pipe: IO[bytes], target: IO[bytes], stop: Callable[[], None]) -> None:
        while piece := pipe.read1(1 << 16) if hasattr(pipe, "read1") else pipe.read(1 << 16):
            kept = piece[: self.limit - self.size]
            target.write(kept)
            self.digest.update(kept)
            self.size += len(kept)
            if len(kept) < len(piece):
                self.full = True
                stop()
                return


def _stop(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def _hash_of(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _run(step: Step, argv: Sequence[str], target: Path, limits: Limits, tools: Path | None) -> Taken:
    started = _now()
    search = f"{os.environ.get('PATH', '')}{os.pathsep}{_SBIN}"
    program = shutil.which(argv[0], path=str(tools)) if tools else shutil.which(argv[0], path=search)
    if program is None:
        return Taken(step, "absent", started, _now(), detail=f"{argv[0]}: not found")
    seconds = limits.memory_seconds if step.name == "memory" else limits.seconds
    environment = {**os.environ, "LC_ALL": "C", "PATH": search}
    try:
        process = subprocess.Popen(
            [program, *argv[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        return Taken(step, "failed", started, _now(), program=program, detail=str(error.strerror))
    assert process.stdout is not None
    assert process.stderr is not None
    out, errors = _Sink(limits.output_bytes), _Sink(64 << 10)
    error_path = target.with_suffix(".stderr")
    with target.open("xb") as file, error_path.open("xb") as error_file:
        readers = [
            threading.Thread(target=out.copy, args=(process.stdout, file, lambda: _stop(process)), daemon=True),
            threading.Thread(target=errors.copy, args=(process.stderr, error_file, lambda: None), daemon=True),
        ]
        for one in readers:
            one.start()
        late = False
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            late = True
            _stop(process)
            code = process.wait()
        except BaseException:
            _stop(process)
            raise
        for one in readers:
            one.join(5)
    process.stdout.close()
    process.stderr.close()
    first = error_path.read_bytes()[:300].decode("utf-8", "replace").strip()
    if not errors.size:
        error_path.unlink()
    outcome: Outcome = "timeout" if late else "cut" if out.full else "done" if code in step.fine else "failed"
    taken = Taken(step, outcome, started, _now(), code, program, _hash_of(program), detail=first)
    if errors.size:
        taken = replace(taken, stderr_file=error_path.name, stderr_sha256=errors.digest.hexdigest())
    return replace(taken, file=target.name, sha256=out.digest.hexdigest(), size_bytes=out.size)


def _read(step: Step, target: Path, limits: Limits) -> Taken:
    started = _now()
    digest, size, cut = hashlib.sha256(), 0, False
    deadline = time.monotonic() + limits.seconds
    late = False
    try:
        with target.open("xb") as file:
            for piece in READERS[step.reader]():
                kept = piece[: limits.output_bytes - size]
                file.write(kept)
                digest.update(kept)
                size += len(kept)
                cut, late = len(kept) < len(piece), time.monotonic() > deadline
                if cut or late:
                    break
    except OSError as error:
        return Taken(step, "failed", started, _now(), detail=str(error.strerror))
    outcome: Outcome = "cut" if cut else "timeout" if late else "done" if size else "failed"
    return Taken(step, outcome, started, _now(), file=target.name, sha256=digest.hexdigest(), size_bytes=size)


def _memory(step: Step, target: Path, limits: Limits, tools: Path | None) -> Taken:
    """The memory, by the first tool that is there, where the target has room for it."""
    for tool, argv in step.choices:
        if shutil.which(tool, path=str(tools) if tools else f"{os.environ.get('PATH', '')}{os.pathsep}{_SBIN}"):
            need = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
            free = shutil.disk_usage(target.parent).free
            if free < need * 1.05:
                detail = f"no room: {need} bytes of memory, {free} bytes free"
                return Taken(step, "failed", _now(), _now(), detail=detail)
            image = target.with_suffix(".lime")
            taken = _run(step, [*argv, str(image)], target, limits, tools)
            if image.exists():
                size, digest = image.stat().st_size, _hash_of(str(image))
                return replace(taken, file=image.name, sha256=digest, size_bytes=size)
            return taken
    names = ", ".join(tool for tool, _ in step.choices)
    return Taken(step, "absent", _now(), _now(), detail=f"memory was not taken: no tool here ({names})")


def collect(
    out: Path,
    steps: Sequence[Step],
    limits: Limits,
    *,
    tools: Path | None = None,
    after: Callable[[Sequence[Taken]], None] = lambda _: None,
) -> tuple[Taken, ...]:
    """Take every step in order into the new folder `out`; `after` sees what is done so far. Raises TargetError."""
    try:
        out.mkdir(parents=True, mode=0o700)
    except FileExistsError as error:
        raise TargetError(f"すでにあります: {mask_path(out)}", f"already there: {mask_path(out)}") from error
    except OSError as error:
        raise TargetError(
            f"作れません: {mask_path(out)}: {error.strerror}", f"cannot make {mask_path(out)}: {error.strerror}"
        ) from error
    done: list[Taken] = []
    try:
        with (out / MANIFEST).open("x", encoding="utf-8") as manifest:
            for number, step in enumerate(steps, start=1):
                target = out / f"{number:02}-{step.name}.txt"
                if step.choices:
                    taken = _memory(step, target, limits, tools)
                elif step.reader:
                    taken = _read(step, target, limits)
                else:
                    taken = _run(step, step.argv, target, limits, tools)
                done.append(taken)
                manifest.write(json.dumps(taken.to_json(), ensure_ascii=False) + "\n")
                manifest.flush()
                os.fsync(manifest.fileno())
                after(done)
    except OSError as error:
        raise TargetError(
            f"書き込めません: {mask_path(out)}: {error.strerror}", f"cannot write {mask_path(out)}: {error.strerror}"
        ) from error
    return tuple(done)


def footprint(out: Path, done: Sequence[Taken], target: str) -> Footprint:
    """What the collection did to the machine so far."""
    files = [path for path in out.iterdir() if path.is_file()]
    peak = None
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 - not on Windows

        # Kibibytes on Linux, bytes on macOS (getrusage(2)).
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Footprint(
        os.getpid(),
        sum(bool(one.program) for one in done),
        sum(path.stat().st_size for path in files),
        len(files),
        peak,
        target,
    )
