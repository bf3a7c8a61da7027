"""Images in and out, volumes and file systems.

```python
from preserve import open_evidence, open_image

with open_image("disk.E01") as image:
    print(image.size, image.stored_hashes)
    evidence = open_evidence(image)              # volumes, file systems, every file, whose bytes are whose
    for entry in evidence.entries:
        print(entry.state, entry.path, entry.size)
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from preserve.image import Image, Problem, Range, UnreadableRange, open_image, stream

if TYPE_CHECKING:
    from preserve.evidence import Evidence, layers_of, open_evidence
    from preserve.filesystem import FileEntry, FileSystem, FileTime, Run
    from preserve.volumes import Volume, open_volumes

_LAZY = {
    "Evidence": "evidence",
    "FileEntry": "filesystem",
    "FileSystem": "filesystem",
    "FileTime": "filesystem",
    "Run": "filesystem",
    "Volume": "volumes",
    "layers_of": "evidence",
    "open_evidence": "evidence",
    "open_volumes": "volumes",
}


def __getattr__(name: str) -> object:
    """Load what needs numpy or pytsk3 at its first use: `preserve --help` stays fast."""
    if name not in _LAZY:
        raise AttributeError(f"module 'preserve' has no attribute {name!r}")
    import importlib  # noqa: PLC0415

    return getattr(importlib.import_module(f"preserve.{_LAZY[name]}"), name)


__all__ = [
    "Evidence",
    "FileEntry",
    "FileSystem",
    "FileTime",
    "Image",
    "Problem",
    "Range",
    "Run",
    "UnreadableRange",
    "Volume",
    "layers_of",
    "open_evidence",
    "open_image",
    "open_volumes",
    "stream",
]
