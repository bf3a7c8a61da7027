"""Opens a page in headless Chromium as a reader would, from `file://`, and gives back the document it became."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--virtual-time-budget=3000",
)  # fmt: skip


def dump_dom(page: Path, fragment: str = "", *, profile: Path, options: tuple[str, ...] = ()) -> str:
    """The document after its script has run, as HTML. `fragment` goes behind `#`."""
    command = [
        "chromium",
        *OPTIONS,
        f"--user-data-dir={profile}",
        *options,
        "--dump-dom",
        f"{page.as_uri()}#{fragment}",
    ]
    return subprocess.run(command, capture_output=True, check=True, timeout=100).stdout.decode("utf-8")
