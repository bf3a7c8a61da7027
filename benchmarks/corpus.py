"""Make disk images with planted My Numbers and hard negatives, and the truth about them, from a seed.

    python benchmarks/corpus.py FOLDER --seed 1 --fs ntfs,ext4,fat32
    python benchmarks/corpus.py FOLDER --seed 1 --fs ntfs --documents 10000 --fill-mib 1024

For each file system it writes

- `<fs>-<seed>.dd`: the disk (GPT for NTFS, MBR for the others) with more than 100 kinds of places (`corpus_places.py`)
  and more than 60 kinds of decoys (`corpus_decoys.py`),
- `<fs>-<seed>.truth.jsonl`: one planted number a line, with path, container, state, written form and the least
  confidence that a good judge gives it,
- `<fs>-<seed>.decoys.jsonl`: one decoy a line.

The numbers are synthetic and stand in clear in the last two. Truth and decoys depend on the seed alone; filler comes
from /usr/share and /usr/lib of the machine, and NTFS keeps some times of the run in its own metadata.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import corpus_disks as disks
import corpus_media as media
import corpus_unseen as unseen
import corpus_windows as windows
from corpus_decoys import DECOYS, plant_decoys
from corpus_disks import MIB, DiskFile, Extent, Kind
from corpus_places import Decoy, PlaceKind, Planter, RawPiece, Truth, kinds_for

if TYPE_CHECKING:
    from collections.abc import Sequence

GAP = MIB
"""Space before the first partition and behind the last one, in bytes."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """A finished image and the truth about it."""

    image: Path
    truths: Sequence[Truth]
    decoys: Sequence[Decoy]
    planter: Planter
    """The files as they were planted."""


def plan(seed: int, filesystem: Kind, *, documents: int, decoys: int) -> Planter:
    """Everything that goes on the disk but filler: each kind once, then again until there are `documents` files."""
    planter = Planter(seed, filesystem)
    kinds = [*all_kinds(filesystem), *MEDIA_KINDS]
    turn = 0
    while turn == 0 or len(planter.files) < documents:
        for kind in kinds:
            before = len(planter.files)
            if turn >= 4 and kind.name in FEW_KINDS:
                continue
            planter.kind = kind.name
            kind.make(planter)
            if len(planter.files) > before and len(planter.files) >= documents > 0 and turn > 0:
                break
        turn += 1
    plant_decoys(planter, decoys, (*DECOYS, *unseen.DECOYS))
    planter.rng.shuffle(planter.files)
    # A stream is written after the file it belongs to.
    planter.files.sort(key=lambda file: ":" in file.path)
    return planter


def all_kinds(filesystem: Kind) -> list[PlaceKind]:
    """Every kind that `filesystem` can hold but the media inside it."""
    more = [kind for kind in (*windows.KINDS, *unseen.KINDS) if not kind.only or filesystem in kind.only]
    return [*kinds_for(filesystem), *more]


MEDIA_KINDS = (
    PlaceKind("image in a file raw", media.image_in_file("raw")),
    PlaceKind("image in a file vhd", media.image_in_file("vhd")),
    PlaceKind("image in a file qcow2", media.image_in_file("qcow2")),
    PlaceKind("zip without a name", media.lost_zip),
)
RAW_KINDS = frozenset(
    (
        "unallocated cp932", "unallocated utf-16-le", "unallocated utf-8", "unallocated without label",
        "unallocated rows of a csv", "file slack", "between partitions", "$LogFile", "slack of an MFT record",
        "name in the change journal", "carved pdf", "carved sqlite", "carved gz", "carved xls", "carved eml",
    ),
)  # fmt: skip


FEW_KINDS = RAW_KINDS | {"MFT record used again"} | {kind.name for kind in MEDIA_KINDS}
"""Kinds that are planted four times at most: their places are few, or a later file might take them."""


def filler(seed: int, size: int) -> list[DiskFile]:
    """Files of `size` bytes in all: 45 % text and programs of this machine, 30 % random, 25 % zeros."""
    rng = random.Random(f"filler {seed}")
    sources: list[tuple[Path, int]] = []
    for top in ("/usr/share", "/usr/lib"):
        for folder, names, files in os.walk(top):
            names.sort()
            for name in sorted(files):
                path = Path(folder) / name
                if path.is_file() and not path.is_symlink() and 0 < path.stat().st_size < 8 * MIB:
                    sources.append((path, path.stat().st_size))
    rng.shuffle(sources)
    made: list[DiskFile] = []
    total, turn = 0, 0
    while total < size:
        dice = rng.random()
        name = f"/Program Files/App{turn % 97:02d}/f{turn:06d}"
        if dice < 0.9 and sources:
            source, length = sources[turn % len(sources)]
            made.append(DiskFile(name + source.suffix[:5].replace(":", ""), source.read_bytes))
        else:
            length = rng.choice((1, 2, 4)) * MIB
            if dice < 0.96:
                made.append(DiskFile(name + ".bin", partial(_random_bytes, turn, length)))
            else:
                made.append(DiskFile(name + ".vol", partial(bytes, length)))
        total += length
        turn += 1
    return made


def _random_bytes(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def build(
    folder: Path, seed: int, filesystem: Kind, *, documents: int = 0, decoys: int = 8000, fill_mib: int = 0
) -> Corpus:
    """Make one image with its truth in `folder`; `RuntimeError` says which tool is missing or failed."""
    missing = disks.missing_tools(filesystem)
    if missing:
        raise RuntimeError(f"not installed: {', '.join(missing)}")
    planter = plan(seed, filesystem, documents=documents, decoys=decoys)
    files = filler(seed, fill_mib * MIB) + planter.files
    content = sum(len(file.data) + 4096 for file in planter.files if isinstance(file.data, bytes))
    size = (int(content * 1.4) + fill_mib * MIB * 11 // 10) // MIB * MIB + (48 if filesystem == "fat32" else 24) * MIB
    name = f"{filesystem}-{seed}"
    image = folder / f"{name}.dd"
    with tempfile.TemporaryDirectory(prefix="corpus-", dir=folder) as work:
        part = Path(work) / "partition"
        serial = random.Random(f"serial {name}").getrandbits(63)
        if filesystem == "ntfs":
            disks.make_ntfs(part, size, files, serial=serial, label="OS", start_sector=GAP // disks.SECTOR)
        elif filesystem == "fat32":
            disks.make_fat32(part, size, files, serial=serial, label="USB")
        else:
            disks.make_ext4(part, size, files, serial=serial, label="data")
        truths = planter.truths + _write_pieces(planter, part, size)
        partition = disks.Partition(filesystem, part, GAP, size)
        disks.assemble(
            image, size + 2 * GAP, [partition], scheme="gpt" if filesystem == "ntfs" else "mbr", serial=serial
        )
        _write_gaps(planter, image, size)
    gaps = _gap_offsets(planter, size)
    truths += [replace(p.truth, offset=start + p.at) for p, start in gaps if p.truth is not None]
    _write_lines(folder / f"{name}.truth.jsonl", [truth.line() for truth in truths])
    _write_lines(folder / f"{name}.decoys.jsonl", [decoy.line() for decoy in planter.decoys])
    return Corpus(image, truths, planter.decoys, planter)


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _gap_offsets(planter: Planter, size: int) -> list[tuple[RawPiece, int]]:
    """Where each piece between the partitions goes on the disk: before the partition or behind it."""
    rng = random.Random(f"gaps {size}")
    places = [start + sector * 512 for start in (0, GAP + size) for sector in range(64, 1900, 16)]
    rng.shuffle(places)
    return list(zip((piece for piece in planter.raw if piece.place == "gap"), places, strict=False))


def _write_gaps(planter: Planter, image: Path, size: int) -> None:
    with image.open("r+b") as stream:
        for piece, start in _gap_offsets(planter, size):
            stream.seek(start)
            stream.write(piece.data)


def _write_pieces(planter: Planter, part: Path, size: int) -> list[Truth]:
    """Write the raw pieces that lie inside the partition; their truths with media offsets."""
    rng = random.Random(f"pieces {size}")
    free = [e for e in disks.free_extents(planter.filesystem, part) if e.size >= 16384]
    # Free space that was used before holds deleted files, which must stay: only clusters of zeros are taken.
    with part.open("rb") as stream:
        slots = []
        for extent in free:
            step = max(8192, extent.size // 200 // 4096 * 4096)
            for start in range(extent.offset, extent.offset + extent.size - 8191, step):
                stream.seek(start)
                if not any(stream.read(8192)):
                    slots.append(start)
    rng.shuffle(slots)
    records = disks.mft_slack(part) if planter.filesystem == "ntfs" else []
    rng.shuffle(records)
    log = disks.log_file_extent(part) if planter.filesystem == "ntfs" else Extent(0, 0)
    slack_files = [f.path for f in planter.files if f.how == "plain" and f.raw_name is None and ":" not in f.path]
    truths = []
    last = 0
    with part.open("r+b") as stream:
        for number, piece in enumerate(planter.raw):
            if piece.place == "gap":
                continue
            if piece.place == "unallocated":
                # A piece without data of its own shares the place of the piece before it.
                last = slots.pop() if piece.data else last
                start = last
            elif piece.place == "mft_slack":
                start = records.pop().offset
            elif piece.place == "log_file":
                start = log.offset + number * 4096 % (log.size - 4096) // 4096 * 4096 + 128
            else:
                start = _slack_place(part, slack_files, len(piece.data))
            stream.seek(start)
            stream.write(piece.data)
            if piece.truth is not None:
                truths.append(replace(piece.truth, offset=GAP + start + piece.at))
    return truths


def _slack_place(part: Path, paths: list[str], size: int) -> int:
    """A place for `size` bytes behind the end of one of the files, which is taken off the list."""
    while paths:
        slack = disks.slack_of(part, paths.pop())
        if slack is not None and slack.size >= size + 16:
            return slack.offset + 8
    raise RuntimeError("no file has slack enough")


def _print_summary(corpus: Corpus) -> None:
    kinds = Counter(truth.kind for truth in corpus.truths)
    states = Counter(truth.state for truth in corpus.truths)
    passing = sum(decoy.passing for decoy in corpus.decoys)
    line = {
        "image": str(corpus.image),
        "bytes": corpus.image.stat().st_size,
        "documents": len(corpus.planter.files),
        "numbers": len(corpus.truths),
        "kinds": len(kinds),
        "states": dict(states),
        "decoys": len(corpus.decoys),
        "decoys_passing": passing,
        "decoy_kinds": len({decoy.kind for decoy in corpus.decoys}),
    }
    print(json.dumps(line, ensure_ascii=False), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fs", default="ntfs,ext4,fat32", help="file systems, divided by commas")
    parser.add_argument(
        "--documents", type=int, default=0, help="at least so many planted files (default: each kind once)"
    )
    parser.add_argument("--decoys", type=int, default=8000, help="about so many hard negatives")
    parser.add_argument("--fill-mib", type=int, default=0, help="so much other content, in MiB")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    for filesystem in given.fs.split(","):
        if filesystem not in disks.TOOLS:
            parser.error(f"no such file system: {filesystem}")
        try:
            corpus = build(
                given.folder,
                given.seed,
                cast("Kind", filesystem),
                documents=given.documents,
                decoys=given.decoys,
                fill_mib=given.fill_mib,
            )
        except RuntimeError as error:
            print(f"{filesystem}: {error}", file=sys.stderr)
            return 1
        _print_summary(corpus)
    return 0


if __name__ == "__main__":
    sys.exit(main())
