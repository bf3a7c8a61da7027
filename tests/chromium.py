"""Headless Chromium as a reader would use it: opens pages, presses keys, runs scripts, takes pictures.

```python
with Browser(profile=tmp_path / "profile", width=1280, height=800) as browser:
    browser.open(url)
    browser.wait("document.body.dataset.started")
    browser.press("j")
    assert browser.evaluate("document.title") == "…"
    browser.picture(tmp_path / "page.png")
```
Speaks the DevTools protocol over two pipes, so that no port is opened.
"""

from __future__ import annotations

import base64
import json
import os
import select
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars", "--force-color-profile=srgb",
)  # fmt: skip
_KEYS = {
    "Enter": ("Enter", 13, "\r"), "Escape": ("Escape", 27, ""), "ArrowDown": ("ArrowDown", 40, ""), "ArrowUp": ("ArrowUp", 38, ""),
    "End": ("End", 35, ""), "Home": ("Home", 36, ""), "PageDown": ("PageDown", 34, ""),
}  # fmt: skip


class Browser:
    """One page in one browser, with a profile of its own."""

    def __init__(
        self, *, profile: Path, width: int = 1280, height: int = 800, phone: bool = False, dark: bool = False
    ) -> None:
        self._profile, self._size, self._phone, self._dark = profile, (width, height), phone, dark
        self._number = 0
        self._buffer = b""
        self.requests: list[str] = []
        """Addresses that the page asked for."""
        self.errors: list[str] = []
        """Exceptions of scripts, and what the policy refused."""

    def __enter__(self) -> Self:
        read_commands, self._write = os.pipe()
        self._read, write_answers = os.pipe()

        def wire() -> None:
            os.dup2(read_commands, 3)
            os.dup2(write_answers, 4)

        # Chromium reads commands from descriptor 3 and answers on 4.
        keep = [read_commands, write_answers]
        held = []
        while min(keep) <= 4:  # the descriptors to hand over must not be 3 or 4 themselves
            keep = [os.dup(one) if one <= 4 else one for one in keep]
            held += keep
        read_commands, write_answers = keep
        command = ["chromium", *OPTIONS, "--remote-debugging-pipe", f"--user-data-dir={self._profile}", "about:blank"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=wire,  # noqa: PLW1509 - the tests start it from one thread
            pass_fds=(3, 4, read_commands, write_answers), start_new_session=True,
        )  # fmt: skip
        for one in {read_commands, write_answers, *held}:
            os.close(one)
        targets = self._send("Target.getTargets", session=None)["targetInfos"]
        page = next(one for one in targets if one["type"] == "page")
        self._session = self._send(
            "Target.attachToTarget", {"targetId": page["targetId"], "flatten": True}, session=None
        )["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self._send(f"{domain}.enable")
        width, height = self._size
        self._send(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 2 if self._phone else 1, "mobile": self._phone},
        )
        if self._dark:
            self._send("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]})
        return self

    def __exit__(self, *_: object) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(timeout=20)
        os.close(self._write)
        os.close(self._read)

    def _send(self, method: str, params: dict[str, Any] | None = None, *, session: str | None = "") -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params or {}}
        if session == "":
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + 60
        while True:
            got = self._next(deadline)
            if got.get("id") == self._number:
                if "error" in got:
                    raise RuntimeError(f"{method}: {got['error']}")
                return dict(got["result"])

    def _next(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError("no answer from Chromium")
            self._buffer += os.read(self._read, 1 << 20)
        raw, _, self._buffer = self._buffer.partition(b"\0")
        got: dict[str, Any] = json.loads(raw)
        params = got.get("params", {})
        if got.get("method") == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif got.get("method") == "Runtime.exceptionThrown":
            self.errors.append(
                str(
                    params["exceptionDetails"]
                    .get("exception", {})
                    .get("description", params["exceptionDetails"]["text"])
                )
            )
        elif got.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
        return got

    def open(self, url: str) -> None:
        """Go to an address."""
        self._send("Page.navigate", {"url": url})

    def evaluate(self, expression: str) -> Any:
        """Value of a script's expression; promises are awaited."""
        got = self._send("Runtime.evaluate", {"expression": expression, "returnByValue": True, "awaitPromise": True})
        if "exceptionDetails" in got:
            raise RuntimeError(str(got["exceptionDetails"].get("exception", {}).get("description")))
        return got["result"].get("value")

    def wait(self, expression: str, seconds: float = 30) -> None:
        """Wait until an expression is true."""
        deadline = time.monotonic() + seconds
        while not self.evaluate(f"!!({expression})"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{expression}: {self.errors}")
            time.sleep(0.05)

    def press(self, key: str) -> None:
        """Press and release a key."""
        name, code, text = _KEYS.get(key, (key, ord(key.upper()) if len(key) == 1 else 0, key))
        params = {"key": name, "windowsVirtualKeyCode": code, **({"text": text} if text else {})}
        self._send("Input.dispatchKeyEvent", {"type": "keyDown", **params})
        self._send("Input.dispatchKeyEvent", {"type": "keyUp", "key": name, "windowsVirtualKeyCode": code})

    def type(self, text: str) -> None:
        """Put text where the cursor is."""
        self._send("Input.insertText", {"text": text})

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Press the mouse at one point and release it at another."""
        for kind, (x, y) in (
            ("mousePressed", start),
            ("mouseMoved", ((start[0] + end[0]) / 2, end[1])),
            ("mouseMoved", end),
            ("mouseReleased", end),
        ):
            held = {"button": "left", "buttons": 1, "clickCount": 1}
            self._send("Input.dispatchMouseEvent", {"type": kind, "x": x, "y": y, **held})

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """What is seen, as PNG; `whole`: the page to its end."""
        got = self._send("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": whole})
        path.write_bytes(base64.b64decode(got["data"]))

    def print(self, path: Path) -> None:
        """The page as it is printed, as PDF."""
        got = self._send("Page.printToPDF", {"printBackground": True, "preferCSSPageSize": True})
        path.write_bytes(base64.b64decode(got["data"]))


def dump_dom(page: Path, fragment: str = "", *, profile: Path, options: tuple[str, ...] = ()) -> str:
    """The document of a file after its script has run, as HTML. `fragment` goes behind `#`."""
    command = [
        "chromium",
        *OPTIONS,
        "--virtual-time-budget=3000",
        f"--user-data-dir={profile}",
        *options,
        "--dump-dom",
        f"{page.as_uri()}#{fragment}",
    ]
    return subprocess.run(command, capture_output=True, check=True, timeout=100).stdout.decode("utf-8")
