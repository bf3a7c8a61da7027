"""What to image, where to and how: the request that `preserve.acquire` carries out."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Literal

from chain_of_custody.masking import mask_text

if TYPE_CHECKING:
    from pathlib import Path

    from preserve.ewf_writer import Compression

Format = Literal["e01", "raw"]
SIDECARS = (".json", ".map", ".pieces")


@dataclass(frozen=True, slots=True)
class Target:
    """One place to write to: the first (or only) file and its format."""

    path: Path
    format: Format

    @property
    def stem(self) -> Path:
        """Path without the ending that the format owns: `d/disk` for d/disk.E01, d/disk.dd and d/disk.001."""
        return self.path.with_name(self.path.name.removesuffix(self.path.suffix) or self.path.name)

    def sidecar(self, ending: str) -> Path:
        """`disk.json`, `disk.map`, `disk.pieces` or `disk.resume` beside it."""
        return self.stem.with_name(self.stem.name + ending)


@dataclass(frozen=True, slots=True)
class Typed:
    """What a person said, My Numbers masked; recorded as typed (手入力), never as read by the machine."""

    item: str = ""
    description: str = ""
    examiner: str = ""
    witness: str = ""
    blocker: str = ""
    case_number: str = ""
    notes: str = ""
    live_reason: str = ""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            object.__setattr__(self, name, mask_text(value))

    def to_json(self) -> dict[str, str]:
        """The fields that were given."""
        return {name: value for name, value in asdict(self).items() if value}


@dataclass(frozen=True, slots=True)
class Request:
    """What to image, where to and how. Sizes are bytes; `segment_size` None takes the default of the format."""

    source: Path
    targets: tuple[Target, ...]
    compression: Compression = "fast"
    algorithms: tuple[str, ...] = ("md5", "sha256")
    segment_size: int | None = None
    typed: Typed = field(default_factory=Typed)
    resume: bool = False
    retries: int = 1
    reread_source: bool = False
    verify: bool = True
    must_be_empty: bool = False
    direct: bool = True


def format_of(path: Path, default: Format = "e01") -> Format:
    """The format that a file name asks for by its ending; `default` where it asks for none."""
    ending = path.suffix.lower()
    if ending == ".e01":
        return "e01"
    return "raw" if ending in (".dd", ".raw", ".img", ".bin", ".001") else default
