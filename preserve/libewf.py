"""Ex01, L01, Lx01 and SMART images, through libewf (`pyewf`)."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from chain_of_custody.errors import EvidenceFormatError
from chain_of_custody.masking import mask_text
from preserve.image import FileImage, UnreadableRange, join_ranges

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_SMALLEST = 512  # bytes; a failed read is halved down to here


class LibewfImage(FileImage):
    """An image that libewf reads; implements `preserve.image.Image`.

    libewf is not safe to call from several threads at once: a lock lets one in at a time.
    Raises EvidenceFormatError where libewf cannot open the file.
    """

    threads = 1

    def __init__(self, path: Path) -> None:
        import pyewf  # noqa: PLC0415 - loaded only for these formats

        name = mask_text(path.name)
        self._handle = pyewf.handle()
        try:
            self._paths = [str(one) for one in pyewf.glob(str(path))]
            self._handle.open(self._paths)
            self._size = int(self._handle.get_media_size())
            self._sector_size = int(self._handle.get_bytes_per_sector() or 512)
        except (OSError, ValueError, MemoryError) as error:
            raise EvidenceFormatError(
                f"{name} を libewf で開けません: {str(error).splitlines()[0][:200]}",
                f"libewf cannot open {name}: {str(error).splitlines()[0][:200]}",
                hint_ja="セグメントがそろっているか、複製が途中で切れていないか確かめてください",
                hint_en="check that all segments are there and that the copy is complete",
            ) from error
        self._layer = f"ewf:{path.name}"
        self._lock = threading.Lock()
        self._met: dict[int, UnreadableRange] = {}

    @property
    def size(self) -> int:
        """Size of the medium in bytes."""
        return self._size

    @property
    def sector_size(self) -> int:
        """Bytes in one sector."""
        return self._sector_size

    @property
    def layer(self) -> str:
        """`ewf:NAME`."""
        return self._layer

    @property
    def stored_hashes(self) -> Mapping[str, str]:
        """MD5 and SHA-1 that the image carries."""
        try:
            values = dict(self._handle.get_hash_values() or {})
        except OSError:
            return {}
        return {kind: values[name].lower() for kind, name in (("md5", "MD5"), ("sha1", "SHA1")) if values.get(name)}

    @property
    def notes(self) -> Mapping[str, str]:
        """Acquisition notes as libewf reads them."""
        try:
            return {str(key): str(value) for key, value in (self._handle.get_header_values() or {}).items() if value}
        except (OSError, UnicodeDecodeError):
            return {}

    @property
    def segments(self) -> Sequence[Path]:
        """The segment files."""
        from pathlib import Path  # noqa: PLC0415

        return [Path(one) for one in self._paths]

    def _fill(self, offset: int, view: memoryview) -> None:
        try:
            with self._lock:
                data = self._handle.read_buffer_at_offset(len(view), offset)
        except OSError as error:
            if len(view) > _SMALLEST:
                half = len(view) // 2 // _SMALLEST * _SMALLEST or _SMALLEST
                self._fill(offset, view[:half])
                self._fill(offset + half, view[half:])
                return
            view[:] = bytes(len(view))
            detail = f"{self._layer}: {str(error).splitlines()[0][:200]}"
            self._met[offset] = UnreadableRange(offset, len(view), "io_error", detail)
            return
        view[: len(data)] = data
        if len(data) < len(view):
            missing = len(view) - len(data)
            view[len(data) :] = bytes(missing)
            at = offset + len(data)
            self._met[at] = UnreadableRange(at, missing, "truncated", f"{self._layer}: libewf returned no data")

    def unreadable(self) -> Sequence[UnreadableRange]:
        """See `Image.unreadable`."""
        return join_ranges(list(self._met.values()))

    def close(self) -> None:
        """Close the files."""
        with self._lock:
            handle, self._handle = self._handle, None
            if handle is not None:
                handle.close()
