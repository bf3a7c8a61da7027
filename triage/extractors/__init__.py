"""The formats that are read, and the walk through everything nested in a file.

```python
from triage.extractors import extract_all
from triage.extractors.model import BytesSource, Context

for item in extract_all(BytesSource(data, "給与.zip"), Context()):
    ...  # Text or Problem
```
"""

from __future__ import annotations

import posixpath
from functools import lru_cache
from typing import TYPE_CHECKING

from triage.extractors import (
    binary,
    browser_cache,
    cabinet,
    compound,
    compressed,
    lzh,
    mail,
    markup,
    memory_files,
    notepad_tabs,
    outlook_store,
    pdf,
    pictures,
    plain,
    rar,
    registry,
    rtf,
    seven_zip,
    sqlite_pages,
    tar,
    thumbnails,
    unread,
    zip_archive,
)
from triage.extractors.model import (
    HEAD_SIZE,
    Child,
    Context,
    Decision,
    ExtractionError,
    Extractor,
    OutOfOutputError,
    OutOfTimeError,
    Problem,
    Source,
)
from triage.extractors.unpacked import UnpackedSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from triage.text import Text

EXTRACTORS: tuple[Extractor, ...] = (
    memory_files,
    browser_cache,
    zip_archive,
    pdf,
    compound,
    compressed,
    seven_zip,
    rar,
    cabinet,
    lzh,
    sqlite_pages,
    tar,
    pictures,
    thumbnails,
    notepad_tabs,
    outlook_store,
    registry,
    unread,
    rtf,
    mail,
    markup,
    plain,
    binary,
)
"""All formats; the first that matches reads the file."""


@lru_cache(maxsize=4)
def extractor_of(head: bytes, name: str, size: int) -> Extractor | None:
    """The extractor that reads a file of `size` bytes which starts with `head` (up to `HEAD_SIZE` bytes)."""
    for extractor in EXTRACTORS:
        if extractor.matches(head, name, size):
            return extractor
    return None


def _open(source: Source, context: Context) -> Iterator[Text | Problem | Decision | Child]:
    """The items of one source."""
    head = source.read_at(0, HEAD_SIZE)
    if not head:
        return
    # The size of a large member is known only after it was unpacked: nobody has asked for it yet.
    size = len(head) if isinstance(source, UnpackedSource) else source.size
    extractor = extractor_of(head, posixpath.basename(source.name), size)
    if extractor is not None:
        yield from extractor.extract(source, context)


def extract_all(source: Source, context: Context) -> Iterator[Text | Problem | Decision]:
    """Every text in `source` and in everything nested in it, depth first, in a fixed order.

    Nothing is raised for what the bytes hold: a source that cannot be read on becomes a `Problem`, and its siblings
    are read all the same. Limits of `context` end the walk with a `Problem` of reason "limit".
    """
    context.start(source.size)
    stack = [(source, _open(source, context))]
    while stack:
        current, items = stack[-1]
        context.depth = len(stack) - 1
        try:
            item = next(items, None)
        except (OutOfTimeError, OutOfOutputError) as error:
            yield error.problem(current.container)
            return
        except ExtractionError as error:
            yield error.problem(current.container)
            stack.pop()
            continue
        except Exception as error:  # noqa: BLE001 - hostile input: whatever a parser trips over becomes a coverage line
            yield Problem(
                "damaged",
                f"読み取り中の誤り({type(error).__name__})",
                f"error while reading ({type(error).__name__})",
                current.container,
            )
            stack.pop()
            continue
        if item is None:
            stack.pop()
        elif not isinstance(item, Child):
            yield item
        elif len(stack) > context.limits.depth:
            yield Problem(
                "limit",
                f"入れ子の上限({context.limits.depth}段)に達しました",
                f"nesting limit of {context.limits.depth} levels reached",
                item.source.container,
            )
        else:
            stack.append((item.source, _open(item.source, context)))
