"""Result files that lie encrypted: `findings.jsonl.age` is read where `findings.jsonl` is not there (C14).

```sh
preserve encrypt c.case/scans/1-disk.E01/findings.jsonl --to sato --case c.case     # then dispose of the clear file
triage report c.case/scans/1-disk.E01 --identity sato --out findings.csv
```
Nothing clear is written: chunks of 64 KiB are decrypted in memory as they are read.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO, cast

from preserve import age_file
from preserve.derived import FileReader

if TYPE_CHECKING:
    from pathlib import Path

    from preserve.derived import Reader

SUFFIX = ".age"


class _Clear(io.RawIOBase):
    """An encrypted file as a stream of what is inside."""

    def __init__(self, sealed: FileReader, clear: Reader) -> None:
        self._sealed, self._clear, self._at = sealed, clear, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        data = self._clear.read_at(self._at, len(view))
        view[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._sealed.close()
        super().close()


def exists(path: Path) -> bool:
    """Whether the file is there, clear or encrypted."""
    return path.is_file() or path.with_name(path.name + SUFFIX).is_file()


def open_result(path: Path) -> BinaryIO:
    """The file, or what is inside its encrypted form. Raises FileNotFoundError, AgeKeyMissingError, OSError."""
    sealed = path.with_name(path.name + SUFFIX)
    if path.is_file() or not sealed.is_file():
        return path.open("rb")
    reader = FileReader(sealed)
    try:
        clear = age_file.clear_reader(reader, name=sealed.name)
    except BaseException:
        reader.close()
        raise
    return cast("BinaryIO", io.BufferedReader(_Clear(reader, clear), 1 << 18))
