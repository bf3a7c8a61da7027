"""Run docs/walkthrough.md: make the evidence, then every command of the page, in a new folder.

    python examples/run_walkthrough.py FOLDER [--lang ja|en] [--samples]

Stops at the first command that ends otherwise than the page says. `--samples` then renews docs/samples: reports as they
are, and pictures of them where chromium and pdftoppm are installed.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PAGE = ROOT / "docs" / "walkthrough.md"
SAMPLES = ROOT / "docs" / "samples"
PACKAGES = {"triage": "triage", "preserve": "preserve", "custody": "chain_of_custody", "timeline": "timeline"}


def commands(page: Path = PAGE) -> list[str]:
    """The commands of a page, one a line, those that go on with a backslash joined."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.replace("\\\n", "").splitlines()]


def expected(command: str) -> int:
    """The exit code that the page tells behind a command."""
    told = re.search(r"# exit code (\d+)$", command)
    return int(told[1]) if told else 0


def programs(folder: Path) -> None:
    """Put the four commands into `folder`, as an installation does."""
    folder.mkdir(parents=True)
    for program, package in PACKAGES.items():
        script = folder / program
        code = f"from {package}.cli import main; main()"
        script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c {shlex.quote(code)} "$@"\n')
        script.chmod(0o755)


def run(folder: Path, language: str) -> dict[str, str]:
    """Run all; what each command printed, by its line. Raises SystemExit where one ends otherwise than expected."""
    subprocess.run([sys.executable, str(HERE / "make_walkthrough.py"), str(folder / "evidence")], check=True)
    shown = {}
    with tempfile.TemporaryDirectory(prefix="walk-") as name:
        tools = Path(name) / "bin"
        programs(tools)
        environment = {
            **os.environ,
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOZEN_CONFIG_HOME": str(Path(name) / "config"),
            "LC_ALL": "ja_JP.UTF-8" if language == "ja" else "C.UTF-8",
            "PYTHONUTF8": "1",
            "TZ": "Asia/Tokyo",
            "COLUMNS": "120",
        }
        for command in commands():
            print(f"$ {command}", flush=True)
            done = subprocess.run(
                ["sh", "-c", command], cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True,
                text=True, encoding="utf-8", check=False, timeout=300,
            )  # fmt: skip
            print(done.stdout + done.stderr, flush=True)
            if done.returncode != expected(command):
                sys.exit(f"exit code {done.returncode}, {expected(command)} expected: {command}")
            shown[command] = done.stdout + done.stderr
    return shown


# --- the samples ------------------------------------------------------------------------------------------------------

COPIED = {
    "checklist.pdf": "checklist.pdf",
    "report.pdf": "custody-report.pdf",
    "report.html": "custody-report.html",
    "timeline.html": "timeline-report.html",
    "camera.html": "clock-camera.html",
    "breach-draft.html": "breach-draft.html",
    "office.case/scans/1-laptop.E01/report.html": "scan-report.html",
}
PICTURES = {
    "custody-report.html": 1400,
    "timeline-report.html": 1000,
    "clock-camera.html": 1100,
    "breach-draft.html": 1400,
    "scan-report.html": 1100,
}
"""Height in pixels of the picture of each page."""
PRINTED = ("timeline verdict", "timeline order", "timeline clock solve", "custody incident", "sh verify.sh")


def samples(folder: Path, shown: dict[str, str]) -> None:
    """Renew docs/samples from a finished run."""
    SAMPLES.mkdir(exist_ok=True)
    for name, target in COPIED.items():
        shutil.copyfile(folder / name, SAMPLES / target)
    text = "".join(
        f"$ {command}\n{output}\n" for command, output in shown.items() if any(one in command for one in PRINTED)
    )
    (SAMPLES / "terminal.txt").write_text(text.replace(str(folder), "."), encoding="utf-8", newline="\n")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    for name, height in PICTURES.items() if chromium else ():
        picture = SAMPLES / Path(name).with_suffix(".png").name
        with tempfile.TemporaryDirectory(prefix="chromium-") as profile:
            subprocess.run(
                [
                    str(chromium), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}",
                    "--hide-scrollbars", f"--window-size=1280,{height}", "--virtual-time-budget=8000",
                    f"--screenshot={picture}", (SAMPLES / name).as_uri(),
                ],
                check=True, capture_output=True, timeout=120,
            )  # fmt: skip
    if shutil.which("pdftoppm"):
        for name in ("checklist", "custody-report"):
            subprocess.run(
                ["pdftoppm", "-png", "-r", "70", "-f", "1", "-l", "1", "-singlefile", f"{name}.pdf", f"{name}-page-1"],
                cwd=SAMPLES, check=True,
            )  # fmt: skip


def main() -> None:
    """Run the page in the folder named on the command line."""
    arguments = [one for one in sys.argv[1:] if not one.startswith("--")]
    language = "ja" if "--lang=ja" in sys.argv or (("--lang" in sys.argv) and "ja" in sys.argv) else "en"
    folder = Path(arguments[0]).resolve()
    folder.mkdir(parents=True)
    shown = run(folder, language)
    if "--samples" in sys.argv:
        samples(folder, shown)


if __name__ == "__main__":
    main()
