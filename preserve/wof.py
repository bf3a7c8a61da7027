"""Files that Windows keeps compressed behind a reparse point (CompactOS, `compact /exe`): read as their content.

The data stream is a hole; the alternate stream `WofCompressedData` holds a table of where each chunk ends, then the
chunks, each compressed on its own (LZXPRESS with Huffman coding, or LZX) or stored where that is not shorter.

Formats: [MS-FSCC] 2.1.2 (reparse tag 0x80000017), `FILE_PROVIDER_EXTERNAL_INFO_V1` in the Windows driver
documentation, [MS-XCA] 2.1; libyal "Windows NT compression methods".
"""

from __future__ import annotations

import importlib
import importlib.util
import struct
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from chain_of_custody.errors import EvidenceError

if TYPE_CHECKING:
    from preserve.filesystem import FileReader

TAG = 0x80000017
STREAM = "WofCompressedData"
XPRESS4K, LZX, XPRESS8K, XPRESS16K = range(4)
CHUNK_BYTES = {XPRESS4K: 4096, LZX: 32768, XPRESS8K: 8192, XPRESS16K: 16384}
"""Bytes of content in each chunk but the last, by algorithm."""
_KEPT = 32  # chunks kept decompressed


def algorithm_of(reparse: bytes) -> int | None:
    """The algorithm that a reparse point (with its header of 8 bytes) names; None where the file lies in a WIM."""
    if len(reparse) < 24 or int.from_bytes(reparse[:4], "little") != TAG:
        return None
    version, provider, file_version, algorithm = struct.unpack_from("<4I", reparse, 8)
    return algorithm if (version, provider, file_version) == (1, 2, 1) and algorithm in CHUNK_BYTES else None


def is_readable() -> bool:
    """Whether the library that decompresses is there."""
    return importlib.util.find_spec("pyfwnt") is not None


class WofReader:
    """The content of such a file; `stored` reads its compressed stream, `size` is the size of the content in bytes."""

    def __init__(self, stored: FileReader, size: int, algorithm: int) -> None:
        pyfwnt: Any = importlib.import_module("pyfwnt")
        self.size = size
        self._stored = stored
        self._chunk = CHUNK_BYTES[algorithm]
        self._decompress: Any = pyfwnt.lzx_decompress if algorithm == LZX else pyfwnt.lzxpress_huffman_decompress
        # Ends of all chunks but the last, counted from the end of the table.
        self._width = 8 if size > 0xFFFFFFFF else 4
        self._count = -(-size // self._chunk)
        self._table = (self._count - 1) * self._width if self._count else 0
        self._kept: OrderedDict[int, bytes] = OrderedDict()

    def read_at(self, offset: int, size: int, /) -> bytes:
        """See `FileReader.read_at`."""
        end = min(offset + size, self.size)
        parts = []
        while offset < end:
            number, skip = divmod(offset, self._chunk)
            part = self._content(number)[skip : skip + end - offset]
            if not part:
                break
            parts.append(part)
            offset += len(part)
        return b"".join(parts)

    def _end(self, number: int) -> int:
        """Where chunk `number` ends, from the end of the table."""
        if number < 0:
            return 0
        if number >= self._count - 1:
            return self._stored.size - self._table
        raw = self._stored.read_at(number * self._width, self._width)
        return int.from_bytes(raw, "little")

    def _content(self, number: int) -> bytes:
        kept = self._kept.get(number)
        if kept is not None:
            return kept
        start, end = self._end(number - 1), self._end(number)
        length = min(self._chunk, self.size - number * self._chunk)
        if not 0 <= start < end or end - start > self._chunk or self._table + end > self._stored.size:
            raise _damaged(number)
        data = self._stored.read_at(self._table + start, end - start)
        if len(data) < length:
            try:
                data = bytes(self._decompress(data, length))
            except (OSError, ValueError) as error:
                raise _damaged(number) from error
        if len(data) != length:
            raise _damaged(number)
        self._kept[number] = data
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return data


def _damaged(number: int) -> EvidenceError:
    return EvidenceError(
        f"圧縮ファイル(CompactOS)のチャンク {number} が壊れています",
        f"chunk {number} of the compressed file (CompactOS) is damaged",
    )
