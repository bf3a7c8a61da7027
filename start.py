"""Set everything up and run the sample (`python3 start.py demo`) or the tests (`python3 start.py test`).

Needs nothing but Python 3.11, 3.12 or 3.13: makes `.venv` beside this file, installs the pinned packages of
`requirements.lock` into it (wheels, checked by hash) and goes on from there. Safe to run again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENV = HERE / ".venv"
LOCK = HERE / "requirements.lock"
LOCK_WITH_EXTRAS = HERE / "requirements-extras.lock"
STAMP = VENV / "hozen-setup.sha256"
SUPPORTED = ((3, 11), (3, 12), (3, 13))
USAGE = """usage: python3 start.py demo|test|setup|bundle [arguments for pytest]
  demo   set up, then find the My Numbers on examples/sample.E01 and open nothing: paths are printed
  test   set up, then run all tests
  setup  set up only; with --extras also what is optional: text in pictures (OCR), PKCS#11 tokens, RAR, scans over many
         machines
  bundle --out DIR   everything to install without a network: wheels for Linux and Windows, SHA256SUMS, INSTALL.txt"""


def say(message: str) -> None:
    """One line to the user, at once."""
    print(message, flush=True)


def fail(message: str) -> None:
    """End with a message; exit code 2, since nothing was started."""
    print(message, file=sys.stderr)
    sys.exit(2)


def find_python() -> str:
    """A Python that the packages have wheels for: this one, else another on PATH."""
    if sys.version_info[:2] in SUPPORTED:
        return sys.executable
    for _, minor in reversed(SUPPORTED):
        found = shutil.which(f"python3.{minor}")
        if found:
            return found
    fail(
        f"hozen runs on Python 3.11, 3.12 and 3.13; this is {sys.version.split()[0]} and no other was found on PATH.\n"
        "Install one of them and run this again, e.g. with: python3.13 start.py demo",
    )
    raise AssertionError


def venv_program(name: str) -> str:
    """Path of a program inside `.venv`."""
    folder, ending = ("Scripts", ".exe") if os.name == "nt" else ("bin", "")
    return str(VENV / folder / f"{name}{ending}")


def make_venv(python: str) -> None:
    """Make `.venv`; on a Debian without the package python3-venv, install it if we may, else say how."""
    command = [python, "-m", "venv", "--clear", str(VENV)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        say("this Python has no venv module: installing Debian's package python3-venv")
        subprocess.run(["apt-get", "update", "-qq"], check=False)
        subprocess.run(["apt-get", "install", "-y", "-qq", "python3-venv"], check=False)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
    fail(
        f"cannot make a virtual environment in {VENV}:\n{done.stdout}{done.stderr}\n"
        "On Debian or Ubuntu: sudo apt-get install python3-venv",
    )


def _stamp(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes() + (HERE / "pyproject.toml").read_bytes()).hexdigest()


def setup(*, extras: bool = False) -> None:
    """Make the environment of the lock file unless it, or the one with extras, stands already."""
    lock = LOCK_WITH_EXTRAS if extras else LOCK
    enough = {_stamp(LOCK_WITH_EXTRAS), _stamp(lock)}
    if STAMP.is_file() and STAMP.read_text(encoding="ascii").strip() in enough:
        return
    python = find_python()
    say("setting up: virtual environment .venv and pinned packages (about a minute)")
    make_venv(python)
    pip = [venv_program("python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    for arguments in (
        ["--only-binary", ":all:", "--require-hashes", "-r", str(lock)],
        ["--no-deps", "--editable", str(HERE)],
    ):
        done = subprocess.run(pip + arguments, check=False)
        if done.returncode != 0:
            fail(f"installing failed ({' '.join(arguments)}); is the package index reachable? Run this again then.")
    STAMP.write_text(_stamp(lock) + "\n", encoding="ascii")


def demo() -> int:
    """The main job on the sample image, in a new folder, so that every run starts afresh."""
    folder = Path(tempfile.mkdtemp(prefix="hozen-demo-"))
    case = folder / "sample.case"
    image = HERE / "examples" / "sample.E01"
    environment = dict(os.environ)
    # The demonstration makes its own throwaway key: it must not touch the keys of a person who tries it.
    environment["HOZEN_CONFIG_HOME"] = str(folder / "config")
    for command in (
        [venv_program("triage"), "scan", str(image), "--case", str(case)],
        [venv_program("custody"), "verify", str(case)],
    ):
        say("\n$ " + " ".join(["triage" if "triage" in command[0] else "custody", *command[1:]]))
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=False)
        # 3 = done, but something on the image could not be read (the sample holds an encrypted zip on purpose).
        if done.returncode not in (0, 3):
            return done.returncode
    reports = sorted(case.glob("scans/*/report.html"))
    say(f"\nreport: {reports[-1] if reports else 'missing'}\ncase:   {case}")
    return 0 if reports else 1


PLATFORMS = {"linux": "manylinux_2_28_x86_64", "windows": "win_amd64"}


def bundle(out: Path) -> int:
    """Wheels of the lock for this version of Python, with hashes; 3 if one platform lacks some."""
    if out.exists():
        fail(f"already there: {out}")
    setup()
    out.mkdir(parents=True)
    pip = [venv_program("python"), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    missing = []
    for name, platform in PLATFORMS.items():
        older = ["manylinux2014_x86_64", "manylinux_2_17_x86_64"] if name == "linux" else []
        tags = [word for tag in (platform, *older) for word in ("--platform", tag)]
        command = [*pip, "download", "--only-binary", ":all:", "--no-deps", "--require-hashes", "-r", str(LOCK)]
        command += [*tags, "--python-version", version, "--dest", str(out / name)]
        if subprocess.run(command, check=False).returncode != 0:
            missing.append(name)
    made = [*pip, "wheel", "--no-deps", "--wheel-dir", str(out), str(HERE)]
    if subprocess.run(made, check=False).returncode != 0:
        fail("the wheel of hozen could not be made")
    files = sorted(path for path in out.rglob("*") if path.is_file())
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(out).as_posix()}" for path in files]
    (out / "SHA256SUMS").write_text("\n".join(sums) + "\n", encoding="ascii")
    install = "python -m pip install --no-index --find-links . --find-links {} hozen\n"
    text = f"Python {version}. Check first: sha256sum -c SHA256SUMS\n" + "".join(
        f"{name}: {install.format(name)}" for name in PLATFORMS if name not in missing
    )
    (out / "INSTALL.txt").write_text(text, encoding="ascii")
    say(text)
    if missing:
        print(f"not complete for: {', '.join(missing)}", file=sys.stderr)
    return 3 if missing else 0


def main() -> int:
    """Run the command given on the command line."""
    if len(sys.argv) < 2 or sys.argv[1] not in ("demo", "test", "setup", "bundle"):
        fail(USAGE)
    if sys.argv[1] == "bundle":
        if len(sys.argv) != 4 or sys.argv[2] != "--out":
            fail(USAGE)
        return bundle(Path(sys.argv[3]))
    setup(extras="--extras" in sys.argv[2:] and sys.argv[1] == "setup")
    if sys.argv[1] == "demo":
        return demo()
    if sys.argv[1] == "test":
        command = [venv_program("python"), "-m", "pytest", "-n", "auto", *sys.argv[2:]]
        return subprocess.run(command, cwd=HERE, check=False).returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
