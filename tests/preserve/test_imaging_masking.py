"""No command of imaging shows, logs or writes a clear My Number that stands in a name or in what a person typed."""

from __future__ import annotations

import pytest

from preserve.image import open_image
from preserve.request import Request, Target, Typed
from tests.preserve.media import loop, mixed_data, needs_loop
from tests.preserve.test_imaging_cli import preserve

NUMBER = "123456789018"
WRITTEN = (NUMBER, "1234-5678-9018", "１２３４５６７８９０１８")


@pytest.fixture
def folder(tmp_path):
    """A working folder with a number in its own name, and a source with one."""
    folder = tmp_path / f"給与 {NUMBER}"
    folder.mkdir()
    (folder / f"{NUMBER}.bin").write_bytes(mixed_data(1 << 20))
    return folder


def _clear(text):
    return [number for number in WRITTEN if number in text]


def _run(folder, *arguments, code):
    done = preserve(*arguments, "--case", "c", cwd=folder)
    assert done.returncode == code, done.stderr + done.stdout
    assert not _clear(done.stdout + done.stderr), done.stdout + done.stderr


def _check_files(folder, *, spared=()):
    """Everything written but the archive of a collection and its manifest, which are evidence."""
    for path in folder.rglob("*"):
        if path.is_file() and path.name not in spared and ".config" not in path.parts:
            data = path.read_bytes()
            for encoding in ("utf-8", "utf-16-le"):
                assert not [number for number in WRITTEN if number.encode(encoding) in data], path


def test_image_export_and_their_errors(folder):
    typed = ["--item", WRITTEN[0], "--description", f"番号 {WRITTEN[1]} の PC", "--examiner", WRITTEN[2]]
    typed += ["--witness", NUMBER, "--notes", NUMBER, "--case-number", NUMBER, "--blocker", f"T35u {NUMBER}"]
    source = f"{NUMBER}.bin"
    for machine in ([], ["--json"]):
        name = f"{NUMBER}{'j' * len(machine)}"
        _run(folder, "image", source, f"{name}.E01", "--also", f"また{name}.dd", *typed, *machine, code=0)
        _run(folder, "export", f"{name}.E01", f"形{name}.dd", *machine, code=0)
        _run(folder, "verify", f"{name}.E01", *machine, code=0)
        _run(folder, "wipe-check", source, *machine, code=1)
        _run(folder, "selftest", "--folder", str(folder), *machine, code=0)
    _run(folder, "image", source, f"{NUMBER}.E01", code=5)
    _run(folder, "image", f"{NUMBER}.none", "a.E01", code=4)
    _run(folder, "image", f"{NUMBER}/x/y", f"{NUMBER}/z.E01", code=4)
    _run(folder, "image", source, f"{NUMBER}/z.E01", code=5)
    _run(folder, "image", source, source, "--format", "raw", code=2)
    _run(folder, "image", source, f"{NUMBER}.dd", "--format", "e01", code=2)
    _run(folder, "image", source, f"{NUMBER}x.E01", "--resume", code=5)
    _run(folder, "image", source, "b.E01", "--segment-size", NUMBER[:3] + "x" + NUMBER, code=2)
    _run(folder, "image", source, "b.E01", "--hash", NUMBER, code=2)
    _run(folder, "image", source, "b.E01", "--compression", NUMBER, code=2)
    _run(folder, "image", source, "b.E01", "--format", NUMBER, code=2)
    _run(folder, "clone", f"{NUMBER}.E01", source, "--serial", NUMBER, code=2)
    _run(folder, "devices", source, code=2)
    _run(folder, "wipe-check", f"{NUMBER}.none", code=4)
    _check_files(folder)
    with open_image(folder / f"{NUMBER}.E01") as image:
        assert {"********9018", "＊＊＊＊＊＊＊＊９０１８"} <= set(image.notes.values())


def test_collect(folder):
    inside = folder / f"共有{NUMBER}"
    inside.mkdir()
    (inside / f"{WRITTEN[1]}.txt").write_bytes(b"x")
    (inside / "link").symlink_to(f"{NUMBER}.txt")
    for machine in ([], ["--json"]):
        target = f"集{NUMBER}{'j' * len(machine)}.zip"
        _run(folder, "collect", inside.name, target, "--reason", f"{NUMBER} の端末", *machine, code=0)
    _run(folder, "collect", inside.name, target, "--reason", "x", code=5)
    _run(folder, "collect", f"{NUMBER}.none", "a.zip", "--reason", "x", code=2)
    _run(folder, "collect", inside.name, f"{NUMBER}.rar", "--reason", "x", code=2)
    _run(folder, "collect", inside.name, f"{NUMBER}/a.zip", "--reason", "x", code=5)
    archives = {f"集{NUMBER}.zip", f"集{NUMBER}j.zip"}
    _check_files(folder, spared=archives | {f"{name}.manifest.jsonl" for name in archives})
    manifest = (folder / f"集{NUMBER}.zip.manifest.jsonl").read_text(encoding="utf-8")
    assert f"{WRITTEN[1]}.txt" in manifest  # the archive and its manifest are evidence: names stay as they are
    assert "********9018 の端末" in manifest.splitlines()[0]


@needs_loop
def test_a_loop_device_over_such_a_file(folder):
    with loop(folder / f"{NUMBER}.bin", direct=False) as device:
        for machine in ([], ["--json"]):
            done = preserve("devices", device, *machine, cwd=folder, check=0)
            assert not _clear(done.stdout + done.stderr)
            assert "********9018.bin" in done.stdout
        _run(folder, "image", device, "d.E01", code=0)
    _check_files(folder)


def test_what_is_typed_is_masked_as_soon_as_it_is_there(tmp_path):
    request = Request(tmp_path, (Target(tmp_path / "a.E01", "e01"),), typed=Typed(item=NUMBER, live_reason=WRITTEN[1]))
    assert not _clear(repr(request.typed))
    assert request.typed.to_json() == {"item": "********9018", "live_reason": "****-****-9018"}


def test_a_stopped_run_leaves_none_either(folder):
    from preserve.acquire import acquire
    from preserve.watcher import Watcher

    class Stops(Watcher):
        def phase(self, name, total_bytes):
            if name == "verify":
                raise KeyboardInterrupt

    target = Target(folder / f"{NUMBER}.E01", "e01")
    with pytest.raises(KeyboardInterrupt):
        acquire(Request(folder / f"{NUMBER}.bin", (target,), typed=Typed(item=NUMBER)), watcher=Stops())
    assert target.sidecar(".resume").exists()
    _check_files(folder)
    _run(folder, "image", f"{NUMBER}.bin", target.path.name, "--item", NUMBER, "--resume", code=0)
