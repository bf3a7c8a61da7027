"""Writing raw (dd) images, in one file or in numbered ones; pieces of nothing but zeros become holes."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from chain_of_custody.errors import UsageError
from preserve.output import OutputFile, data_sync, forget_cached, pread_all, pwrite_all, target_error
from preserve.pieces import PIECE_SIZE

if TYPE_CHECKING:
    from pathlib import Path


def raw_segment_path(first: Path, number: int, *, is_split: bool) -> Path:
    """File of segment `number` (from 1): NAME alone, or NAME.001, NAME.002 … (NAME.001 may be given as such)."""
    if not is_split:
        return first
    stem = first.name.removesuffix(".001")
    return first.with_name(f"{stem}.{number:03d}")


class RawWriter:
    """Writes the medium piece by piece, in order, and fills in later what could not be read at first.

    `segment_size` is bytes (a multiple of a piece) or 0 for a single file. Errors of the files are TargetError.
    """

    def __init__(self, first: Path, size: int, *, segment_size: int = 0, resume_at: int | None = None) -> None:
        if segment_size % PIECE_SIZE:
            raise UsageError(
                "raw の分割サイズは 1 MiB の倍数にしてください",
                "the segment size of raw images must be a multiple of 1 MiB",
            )
        self.first = first
        self.size = size
        self._segment_size = segment_size or max(size, 1)
        self._is_split = segment_size > 0
        self._files: dict[int, int] = {}
        position = resume_at or 0
        # A run that stopped exactly at the end of a segment goes on in the next one only when there is more data.
        self.segment = max(-(-position // self._segment_size), 1)
        inside = position - (self.segment - 1) * self._segment_size
        if resume_at is not None:
            number = self.segment + 1
            while self._is_split and self.path(number).exists():
                self.path(number).unlink()  # written by this run after its last checkpoint
                number += 1
        self._out = OutputFile(self.path(self.segment), resume_at=None if resume_at is None else inside)

    def path(self, segment: int) -> Path:
        """File of a segment (from 1)."""
        return raw_segment_path(self.first, segment, is_split=self._is_split)

    @property
    def paths(self) -> list[Path]:
        """The files written so far."""
        return [self.path(number) for number in range(1, self.segment + 1)]

    def add(self, piece: memoryview, *, is_zero: bool) -> None:
        """Append the next piece; `is_zero` where it holds only zeros (or nothing yet)."""
        if self._out.position == self._segment_size:
            self._out.close()
            self.segment += 1
            self._out = OutputFile(self.path(self.segment))
        if is_zero:
            self._out.skip(len(piece))
        else:
            self._out.write_block(piece)

    def sync(self) -> None:
        """Bring everything written so far onto the medium."""
        self._out.sync()
        try:
            for fd in self._files.values():
                data_sync(fd)
        except OSError as error:
            raise target_error(self.first, error) from error

    def _file(self, segment: int) -> int:
        fd = self._files.get(segment)
        if fd is None:
            try:
                fd = os.open(self.path(segment), os.O_RDWR | getattr(os, "O_BINARY", 0))
            except OSError as error:
                raise target_error(self.path(segment), error) from error
            self._files[segment] = fd
        return fd

    def fill(self, offset: int, data: memoryview) -> None:
        """Put bytes of the medium at `offset`, which was passed before."""
        while len(data):
            segment, inside = divmod(offset, self._segment_size)
            part = min(len(data), self._segment_size - inside)
            if segment + 1 == self.segment:
                self._out.patch(inside, data[:part])
            else:
                try:
                    pwrite_all(self._file(segment + 1), data[:part], inside)
                except OSError as error:
                    raise target_error(self.path(segment + 1), error) from error
            data = data[part:]
            offset += part

    def read_back(self, offset: int, size: int) -> bytes:
        """What the target holds at `offset`, read from the medium (a piece never crosses a segment)."""
        self.sync()
        segment, inside = divmod(offset, self._segment_size)
        try:
            fd = self._file(segment + 1)
            forget_cached(fd)
            return pread_all(fd, size, inside)
        except OSError as error:
            raise target_error(self.path(segment + 1), error) from error

    def finish(self) -> None:
        """Set the length, sync, close."""
        self.close()

    def close(self) -> None:
        """Close the files as they are."""
        self._out.close()
        self._close_files()

    def abandon(self) -> None:
        """Close after an error of the target, without writing."""
        self._out.abandon()
        self._close_files()

    def _close_files(self) -> None:
        for fd in self._files.values():
            with contextlib.suppress(OSError):
                os.close(fd)
        self._files.clear()
