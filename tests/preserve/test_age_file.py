"""Files encrypted with age: read at any place, checked against Debian's age and pyrage, altered ones refused."""

from __future__ import annotations

import io
import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pyrage
import pytest

from chain_of_custody import init_case
from chain_of_custody.errors import EvidenceFormatError, KeyAccessError, TargetError, UsageError
from preserve import age_file, open_image, sealing
from tests.conftest import needs

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLE = Path(__file__).resolve().parents[2] / "examples" / "sample.E01"
CHUNK = 65_536


class Bytes:
    """Bytes in memory as a Reader."""

    def __init__(self, data: bytes) -> None:
        self.data, self.size = data, len(data)

    def read_at(self, offset: int, size: int) -> bytes:
        return self.data[offset : offset + size]


def pattern(size: int) -> bytes:
    return bytes(index * 31 % 251 for index in range(size))


@pytest.fixture
def identity(tmp_path: Path) -> tuple[Path, str]:
    key = pyrage.x25519.Identity.generate()
    path = tmp_path / "key.txt"
    path.write_text(f"# made for a test\n{key}\n")
    return path, str(key.to_public())


def ssh_key(path: Path) -> str:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True, timeout=30)
    return path.with_name(path.name + ".pub").read_text().rsplit(" ", 1)[0]


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 17])
def test_any_place_of_what_pyrage_wrote(identity: tuple[Path, str], size: int) -> None:
    clear = pattern(size)
    sealed = pyrage.encrypt(clear, [pyrage.x25519.Recipient.from_str(identity[1])])
    reader = age_file.AgeReader(Bytes(sealed), age_file.read_identities(identity[0]))
    assert reader.size == size
    assert reader.read_at(0, size + 10) == clear
    for offset in (0, 1, CHUNK - 3, CHUNK, 2 * CHUNK + 5, size, size + 5):
        assert reader.read_at(offset, 100) == clear[offset : offset + 100]
    assert reader.read_at(-1, 5) == b""


@needs("age", "age-keygen")
@pytest.mark.parametrize("size", [0, CHUNK, CHUNK + 1])
def test_what_debians_age_writes_is_read(tmp_path: Path, size: int) -> None:
    clear = tmp_path / "clear"
    clear.write_bytes(pattern(size))
    key = tmp_path / "age.txt"
    subprocess.run(["age-keygen", "-o", key], check=True, timeout=30, capture_output=True)
    public = subprocess.run(["age-keygen", "-y", key], check=True, timeout=30, capture_output=True, text=True).stdout
    ssh = ssh_key(tmp_path / "ssh")
    sealed = tmp_path / "sealed.age"
    command = ["age", "-r", public.strip(), "-r", ssh, "-o", sealed, clear]
    subprocess.run(command, check=True, timeout=30)
    for file in (key, tmp_path / "ssh"):
        reader = age_file.AgeReader(Bytes(sealed.read_bytes()), age_file.read_identities(file))
        assert reader.read_at(0, size + 1) == pattern(size)


@needs("age")
def test_debians_age_reads_what_is_written(tmp_path: Path, identity: tuple[Path, str]) -> None:
    source = tmp_path / "disk.E01"
    source.write_bytes(pattern(2 * CHUNK))
    ssh = ssh_key(tmp_path / "ssh")
    job = sealing.Job(source, tmp_path / "disk.E01.age", "disk.E01.age")
    sealing.encrypt(job, sealing.Lock((identity[1], ssh)), tmp_path / "m")
    for file in (identity[0], tmp_path / "ssh"):
        done = subprocess.run(["age", "-d", "-i", file, job.target], check=True, timeout=30, capture_output=True)
        assert done.stdout == source.read_bytes()


def test_passphrases_both_ways() -> None:
    size = CHUNK + 1
    target = io.BytesIO()
    age_file.passphrase_encrypt(io.BytesIO(pattern(size)), target, "合言葉".encode())
    assert pyrage.passphrase.decrypt(target.getvalue(), "合言葉") == pattern(size)
    other = pyrage.passphrase.encrypt(pattern(size), "合言葉")
    reader = age_file.AgeReader(Bytes(other), [age_file.Passphrase("合言葉".encode())])
    assert reader.read_at(0, size) == pattern(size)
    with pytest.raises(age_file.AgeKeyMissingError, match="scrypt"):
        age_file.AgeReader(Bytes(target.getvalue()), [age_file.Passphrase(b"wrong")])


def test_without_the_key_it_is_not_read(identity: tuple[Path, str], tmp_path: Path) -> None:
    sealed = pyrage.encrypt(b"x", [pyrage.x25519.Recipient.from_str(identity[1])])
    (tmp_path / "other.txt").write_text(str(pyrage.x25519.Identity.generate()))
    with pytest.raises(age_file.AgeKeyMissingError, match="X25519"):
        age_file.AgeReader(Bytes(sealed), age_file.read_identities(tmp_path / "other.txt"))
    ssh_key(tmp_path / "ssh")
    with pytest.raises(age_file.AgeKeyMissingError):
        age_file.AgeReader(Bytes(sealed), age_file.read_identities(tmp_path / "ssh"))


def _change(at: Callable[[bytes], int]) -> Callable[[bytes], bytes]:
    def changed(data: bytes) -> bytes:
        place = at(data)
        return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]

    return changed


@pytest.mark.parametrize(
    "attack",
    [
        pytest.param(lambda data: data[:-1], id="cut by one byte"),
        pytest.param(lambda data: data[: -(CHUNK // 2 + 16)], id="last chunk gone"),
        pytest.param(lambda data: data + bytes(20), id="lengthened"),
        pytest.param(_change(lambda data: data.index(b"--- ") + 6), id="MAC"),
        pytest.param(_change(lambda data: len(data) - 5), id="last chunk altered"),
        pytest.param(lambda data: data.replace(b"-> X25519", b"-> X25519 extra", 1), id="argument"),
        pytest.param(lambda data: data[:60], id="header cut"),
        pytest.param(lambda data: data.replace(b"\n---", b"\n-> grease\n\n---", 1), id="a recipient added"),
    ],
)
def test_what_was_altered_is_refused(identity: tuple[Path, str], attack: Callable[[bytes], bytes]) -> None:
    sealed = pyrage.encrypt(pattern(2 * CHUNK + CHUNK // 2), [pyrage.x25519.Recipient.from_str(identity[1])])
    age_file.AgeReader(Bytes(sealed), age_file.read_identities(identity[0]))
    with pytest.raises((EvidenceFormatError, age_file.AgeKeyMissingError)):
        age_file.AgeReader(Bytes(attack(sealed)), age_file.read_identities(identity[0]))


def test_altered_and_moved_chunks_do_not_read(identity: tuple[Path, str]) -> None:
    sealed = pyrage.encrypt(pattern(3 * CHUNK + 9), [pyrage.x25519.Recipient.from_str(identity[1])])
    start = sealed.index(b"--- ") + 4 + 43 + 1 + 16
    whole = CHUNK + 16
    moved = sealed[:start] + sealed[start + whole : start + 2 * whole] + sealed[start : start + whole]
    moved += sealed[start + 2 * whole :]
    reader = age_file.AgeReader(Bytes(moved), age_file.read_identities(identity[0]))
    with pytest.raises(age_file.AgeDamagedError, match="chunk 0"):
        reader.read_at(0, 1)
    assert reader.read_at(2 * CHUNK, 100) == pattern(3 * CHUNK)[2 * CHUNK :][:100]


def test_hostile_headers_end_soon() -> None:
    magic = b"age-encryption.org/v1\n"
    work = b"-> scrypt " + b"A" * 22 + b" 60\n" + b"A" * 43 + b"\n--- " + b"A" * 43 + b"\n" + bytes(64)
    with pytest.raises(age_file.AgeKeyMissingError):
        age_file.AgeReader(Bytes(magic + work), [age_file.Passphrase(b"x")])
    for data in (magic, magic + b"-> X25519\n" * 5000, magic + b"-> x y\n" + b"A" * 70 + b"\n", magic + b"\x00" * 9000):
        with pytest.raises(EvidenceFormatError):
            age_file.AgeReader(Bytes(data), [])


def test_identity_files(tmp_path: Path) -> None:
    path = tmp_path / "k"
    for content in ("", "# nothing\n", "AGE-SECRET-KEY-1QQQQ", "ssh-ed25519 AAAA", "個人番号"):
        path.write_text(content)
        with pytest.raises(KeyAccessError, match="not a file of age identities"):
            age_file.read_identities(path)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "pass", "-f", tmp_path / "locked"], check=True)
    with pytest.raises(KeyAccessError, match="passphrase"):
        age_file.read_identities(tmp_path / "locked")
    assert age_file.read_identities(tmp_path / "locked", lambda: b"pass")
    path.write_text("passphrase:123456789018\n")
    assert "123456789018" not in repr(age_file.read_identities(path))


def test_an_encrypted_image_reads_as_the_clear_one(tmp_path: Path, identity: tuple[Path, str]) -> None:
    sealed = tmp_path / "disk.E01.age"
    sealing.encrypt(sealing.Job(SAMPLE, sealed, sealed.name), sealing.Lock((identity[1],)), tmp_path / "m")
    with pytest.raises(age_file.AgeKeyMissingError), open_image(sealed):
        pass
    with age_file.offered([identity[0]]), open_image(sealed) as image, open_image(SAMPLE) as clear:
        assert image.layer == "e01:disk.E01.age"
        assert dict(image.stored_hashes) == dict(clear.stored_hashes)
        assert image.read_at(0, image.size) == clear.read_at(0, clear.size)
        assert not image.unreadable()
    assert age_file.IDENTITY_VARIABLE not in os.environ


def test_split_raw_images_and_a_damaged_chunk(tmp_path: Path, identity: tuple[Path, str]) -> None:
    whole = pattern(5 * CHUNK)
    lock = sealing.Lock((identity[1],))
    for number, start in enumerate(range(0, len(whole), 2 * CHUNK), 1):
        piece = tmp_path / f"d.{number:03d}"
        piece.write_bytes(whole[start : start + 2 * CHUNK])
        sealing.encrypt(sealing.Job(piece, tmp_path / f"d.{number:03d}.age", piece.name), lock, tmp_path / "m")
        piece.unlink()
    with age_file.offered([identity[0]]), open_image(tmp_path / "d.001.age") as image:
        assert image.read_at(0, image.size) == whole
    second = tmp_path / "d.002.age"
    data = bytearray(second.read_bytes())
    data[-2 * CHUNK + 500] ^= 1
    second.write_bytes(data)
    with age_file.offered([identity[0]]), open_image(tmp_path / "d.001.age") as image:
        got = image.read_at(0, image.size)
        assert got == whole[: 2 * CHUNK] + bytes(CHUNK) + whole[3 * CHUNK :]
        assert [(one.offset, one.size, one.reason) for one in image.unreadable()] == [(2 * CHUNK, CHUNK, "io_error")]


# --- commands ---------------------------------------------------------------------------------------------------------


def preserve(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    from preserve.cli import main

    monkeypatch.setattr("sys.argv", ["preserve", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


@pytest.fixture
def case(tmp_path: Path) -> Path:
    init_case(tmp_path / "case", actor="yamada@example.jp").close()
    return tmp_path / "case"


def types(case: Path) -> list[dict[str, object]]:
    return [json.loads(line.partition(b"\t")[0]) for line in (case / "ledger.jsonl").read_bytes().splitlines()]


def test_encrypt_resume_decrypt(
    tmp_path: Path, case: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("d.E01", "d.E02", "d.E03"):
        (folder / name).write_bytes(name.encode() * 9000)
    out = tmp_path / "sealed"
    real, count = sealing.encrypt, []

    def breaks_off(job: sealing.Job, *rest: object, **more: object) -> object:
        count.append(job.name)
        if len(count) == 3:
            raise KeyboardInterrupt
        return real(job, *rest, **more)  # type: ignore[arg-type]

    arguments = ("encrypt", folder, "--to", "yamada@example.jp", "--out", out, "--case", case, "--json")
    with monkeypatch.context() as patched:
        patched.setattr(sealing, "encrypt", breaks_off)
        assert preserve(patched, *arguments) == 130
    capsys.readouterr()
    (out / "images" / "d.E03.age.part").write_bytes(b"torn")
    assert preserve(monkeypatch, *arguments) == 0
    files = json.loads(capsys.readouterr().out)["files"]
    assert [(one["name"], one["skipped"]) for one in files] == [
        ("images/d.E01.age", True),
        ("images/d.E02.age", True),
        ("images/d.E03.age", False),
    ]
    key = Path(os.environ["HOZEN_CONFIG_HOME"]) / "key"
    key = key if key.exists() else next(Path(os.environ["HOZEN_CONFIG_HOME"]).rglob("*ed25519"))
    clear = tmp_path / "clear"
    assert preserve(monkeypatch, "decrypt", out / "images", "--identity", key, "--out", clear, "--case", case) == 0
    assert (clear / "d.E02").read_bytes() == (folder / "d.E02").read_bytes()
    entries = types(case)
    ends = [one["body"] for one in entries if one["type"] in ("encrypt.end", "decrypt.end")]
    assert [one["status"] for one in ends] == ["interrupted", "done", "done"]
    # Never over what is there.
    assert preserve(monkeypatch, "decrypt", out / "images", "--identity", key, "--out", clear, "--case", case) == 5
    # A source that changed afterwards, and an encrypted file that did.
    (folder / "d.E01").write_bytes(b"other")
    assert preserve(monkeypatch, *arguments) == 5


def test_decrypting_what_the_ledger_does_not_know(
    tmp_path: Path, case: Path, identity: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = tmp_path / "f.age"
    foreign.write_bytes(pyrage.encrypt(b"x", [pyrage.x25519.Recipient.from_str(identity[1])]))
    arguments = ("decrypt", foreign, "--identity", identity[0], "--case", case)
    assert preserve(monkeypatch, *arguments, "--out", tmp_path / "o") == 3
    data = bytearray(foreign.read_bytes())
    data[-1] ^= 1
    foreign.write_bytes(data)
    assert preserve(monkeypatch, *arguments, "--out", tmp_path / "o2") == 4
    assert not list(tmp_path.glob("o2/*"))


def test_passphrase_from_a_file(tmp_path: Path, case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    (tmp_path / "pass").write_text("正しい馬\n")
    secret = ("--with-passphrase-file", tmp_path / "pass", "--case", case)
    assert preserve(monkeypatch, "encrypt", tmp_path / "x", *secret) == 0
    assert pyrage.passphrase.decrypt((tmp_path / "x.age").read_bytes(), "正しい馬") == b"abc"
    assert preserve(monkeypatch, "decrypt", tmp_path / "x.age", *secret, "--out", tmp_path / "c") == 0
    assert "正しい馬" not in (case / "ledger.jsonl").read_text()
    assert preserve(monkeypatch, "encrypt", tmp_path / "x", *secret, "--to", "yamada@example.jp") == 2
    assert preserve(monkeypatch, "encrypt", tmp_path / "x", "--to", "nobody", "--case", case) == 2


def test_recipients() -> None:
    with pytest.raises(UsageError, match="not a recipient"):
        sealing.recipients_of(["ssh-dss AAAA"], lambda _name: None)
    with pytest.raises(UsageError, match="no recipient"):
        sealing.recipients_of(["file"], lambda _name: b"# empty\n")


def test_a_target_that_nobody_knows_stays(tmp_path: Path, identity: tuple[Path, str]) -> None:
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "a.age").write_bytes(b"old")
    with pytest.raises(TargetError, match="not what was recorded"):
        sealing.encrypt(
            sealing.Job(tmp_path / "a", tmp_path / "a.age", "a.age"), sealing.Lock((identity[1],)), tmp_path / "m"
        )
    assert (tmp_path / "a.age").read_bytes() == b"old"
