"""pyarrow made ready for a program that moves large columns and never turns them into pandas' tables."""

from __future__ import annotations

import contextlib
import sys
from importlib.abc import MetaPathFinder
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType


class _Absent(MetaPathFinder):
    """Says of pandas that it is not installed."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        """See `MetaPathFinder.find_spec`."""
        del path, target
        if fullname == "pandas":
            raise ModuleNotFoundError("pandas is not looked for", name=fullname)
        return None


def load_alone() -> None:
    """Load pyarrow without pandas.

    pyarrow looks for pandas when its first array is made, and loads it where it is installed: half a second and 150 MiB
    for each process, for nothing. Here it looks once, while pandas seems absent; others can load pandas later on.
    """
    if "pandas" in sys.modules or "pyarrow" in sys.modules:
        _keep_memory()
        return
    absent = _Absent()
    sys.meta_path.insert(0, absent)
    try:
        import pyarrow as pa  # noqa: PLC0415 - loaded here, not when this module is

        pa.array([0])
    finally:
        sys.meta_path.remove(absent)
    _keep_memory()


def _keep_memory() -> None:
    """Use an allocator that keeps for a second what it may need again.

    pyarrow's own choice gives large columns back at once; getting clean pages for the next ones took a quarter of the
    time of a merge.
    """
    import pyarrow as pa  # noqa: PLC0415 - loaded already, or about to be

    with contextlib.suppress(NotImplementedError):  # not in every package of pyarrow
        pa.set_memory_pool(pa.jemalloc_memory_pool())
