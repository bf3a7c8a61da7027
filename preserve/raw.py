"""Raw images (dd) and devices, in one file or split (.001 .002 …, .aa .ab …, .000 .001 …)."""

from __future__ import annotations

import re
import threading
from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

from preserve import age_file
from preserve.image import FileImage, UnreadableRange, join_ranges
from preserve.segments import SegmentFiles

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_SECTOR = 512
_NUMBER = re.compile(r"\.(\d{2,5})$")
_LETTERS = re.compile(r"(a{2,4}|A{2,4})$")
_MOST_PIECES = 100_000


def _next_letters(letters: str) -> str:
    """`aa` -> `ab`, `az` -> `ba`; empty after the last."""
    first, last = ("a", "z") if letters.islower() else ("A", "Z")
    place = len(letters) - 1
    while place >= 0 and letters[place] == last:
        place -= 1
    if place < 0:
        return ""
    return letters[:place] + chr(ord(letters[place]) + 1) + first * (len(letters) - place - 1)


def pieces_of(path: Path) -> list[Path | None]:
    """The files of a split raw image, given its first piece; None stands for a piece that is missing in between.

    A name that is not the first of a series gives that file alone.
    """
    own = age_file.clear_name(path.name)
    is_sealed = own != path.name

    def beside(prefix: str) -> dict[str, Path]:
        """Files of the same folder, encrypted ones with encrypted ones only, by their names without `.age`."""
        clear = {entry: age_file.clear_name(entry.name) for entry in path.parent.iterdir()}
        return {
            name: entry
            for entry, name in clear.items()
            if name.startswith(prefix) and (name != entry.name) == is_sealed
        }

    number = _NUMBER.search(own)
    if number is not None and int(number[1]) in (0, 1):
        stem, digits = own[: number.start(1)], len(number[1])
        names = beside(stem)
        present = sorted(
            int(name[len(stem) :])
            for name in names
            if name.startswith(stem) and len(name) >= len(stem) + digits and name[len(stem) :].isdecimal()
        )
        first = int(number[1])
        last = max((one for one in present if one < first + _MOST_PIECES), default=first)
        return [names.get(f"{stem}{one:0{digits}d}") for one in range(first, last + 1)]
    letters = _LETTERS.search(own)
    if letters is not None and own != letters[1]:
        stem, suffix = own[: letters.start(1)], letters[1]
        found: list[Path | None] = [path]
        names = beside(stem)
        missing = 0
        while (suffix := _next_letters(suffix)) and len(found) < _MOST_PIECES and missing < 26 * 26:
            piece = names.get(stem + suffix)
            missing = 0 if piece is not None else missing + 1
            found.append(piece)
        while found[-1] is None:
            found.pop()
        return found
    return [path]


class RawImage(FileImage):
    """A raw image in one file or several; implements `preserve.image.Image`.

    A missing piece takes the size of the first piece (splitting tools make all but the last equal) and reads as zeros.
    """

    sector_size = _SECTOR

    def __init__(self, path: Path, pieces: Sequence[Path | None] | None = None, *, threads: int | None = None) -> None:
        self.threads = threads
        self._layer = f"raw:{path.name}"
        pieces = pieces if pieces is not None else [path]
        self._files = SegmentFiles([piece for piece in pieces if piece is not None])
        sizes: list[int] = []
        self._index: list[int] = []  # file index of each piece, -1 where it is missing
        self._missing: list[UnreadableRange] = []
        self._met: dict[int, UnreadableRange] = {}
        self._lock = threading.Lock()
        for place, piece in enumerate(pieces):
            if piece is not None:
                self._index.append(place - sum(one is None for one in pieces[:place]))
                sizes.append(self._files.sizes[self._index[-1]])
                continue
            self._index.append(-1)
            sizes.append(self._files.sizes[0])
            detail = f"piece {place + 1} of {len(pieces)} of {path.name} is missing"
            self._missing.append(UnreadableRange(sum(sizes[:-1]), sizes[-1], "missing_segment", detail))
        self._starts = [0, *accumulate(sizes)]

    @property
    def size(self) -> int:
        """Size of the medium in bytes."""
        return self._starts[-1]

    @property
    def layer(self) -> str:
        """`raw:NAME`."""
        return self._layer

    @property
    def stored_hashes(self) -> Mapping[str, str]:
        """Empty: raw images carry no hash."""
        return {}

    @property
    def segments(self) -> Sequence[Path]:
        """The files, in order."""
        return self._files.paths

    def _fill(self, offset: int, view: memoryview) -> None:
        done = 0
        while done < len(view):
            place = bisect_right(self._starts, offset + done) - 1
            part = view[done : done + min(len(view) - done, self._starts[place + 1] - offset - done)]
            if self._index[place] < 0:
                part[:] = bytes(len(part))
            else:
                self._read_piece(place, offset + done - self._starts[place], part)
            done += len(part)

    def _read_piece(self, place: int, position: int, view: memoryview) -> None:
        """Fill `view` from one piece; on an error halve down to sectors, so that only bad ones become zeros."""
        index = self._index[place]
        try:
            count = self._files.readinto(index, position, view)
        except OSError as error:
            if len(view) > _SECTOR:
                half = (position + len(view) // 2) // _SECTOR * _SECTOR - position
                half = half if 0 < half < len(view) else len(view) // 2
                self._read_piece(place, position, view[:half])
                self._read_piece(place, position + half, view[half:])
                return
            view[:] = bytes(len(view))
            self._note(place, position, len(view), "io_error", error.strerror or "read error")
            return
        if count < len(view):  # the file became shorter after it was opened
            view[count:] = bytes(len(view) - count)
            self._note(place, position + count, len(view) - count, "truncated", "the file became shorter")

    def _note(self, place: int, position: int, size: int, reason: str, what: str) -> None:
        name = self._files.paths[self._index[place]].name
        detail = f"{name} at byte {position}: {what}"
        offset = self._starts[place] + position
        with self._lock:
            self._met[offset] = UnreadableRange(offset, size, reason, detail)  # type: ignore[arg-type]

    def unreadable(self) -> Sequence[UnreadableRange]:
        """See `Image.unreadable`."""
        with self._lock:
            return join_ranges([*self._missing, *self._met.values()])

    def close(self) -> None:
        """Close the files."""
        self._files.close()
