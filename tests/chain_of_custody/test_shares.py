"""秘密分散: any k shares give the secret back, fewer and altered ones are told."""

from __future__ import annotations

import hashlib
import itertools
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain_of_custody import shares
from chain_of_custody.cli import main
from chain_of_custody.errors import TargetError, UsageError

if TYPE_CHECKING:
    from pathlib import Path


def split(tmp_path: Path, content: bytes, threshold: int, count: int) -> list[Path]:
    source = tmp_path / "secret.bin"
    source.write_bytes(content)
    targets = [tmp_path / f"share{number}" for number in range(count)]
    shares.split_file(source, targets, threshold)
    return targets


@pytest.mark.parametrize("size", [0, 1, 31, 4096, (1 << 20) + 5])
def test_every_pair_of_three_gives_the_file_back(tmp_path: Path, size: int) -> None:
    content = bytes(index * 7 & 0xFF for index in range(size))
    parts = split(tmp_path, content, 2, 3)
    for number, pair in enumerate(itertools.permutations(parts, 2)):
        shares.join_file(pair, tmp_path / f"joined{number}")
        assert (tmp_path / f"joined{number}").read_bytes() == content


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=300), st.integers(2, 6), st.integers(0, 4))
def test_any_threshold(tmp_path_factory: pytest.TempPathFactory, content: bytes, threshold: int, more: int) -> None:
    folder = tmp_path_factory.mktemp("any")
    parts = split(folder, content, threshold, threshold + more)
    shares.join_file(parts[more:], folder / "joined")
    assert (folder / "joined").read_bytes() == content


def test_multiplication_is_that_of_aes() -> None:
    # FIPS 197, 4.2: {57}·{83} = {c1}, {57}·{13} = {fe}.
    assert shares._product(0x57, 0x83) == 0xC1
    assert shares._product(0x57, 0x13) == 0xFE
    assert all(shares._product(value, shares._inverse(value)) == 1 for value in range(1, 256))


def test_a_share_alone_is_evenly_spread(tmp_path: Path) -> None:
    """A share of a file of zeros takes all values; with the coefficient left out it would be all zeros."""
    part = split(tmp_path, bytes(200_000), 2, 2)[0]
    body = part.read_bytes()[shares.read_header(part)[1] + 32 : -32]
    counts = [body.count(value) for value in range(256)]
    # 781 expected each; 6 standard deviations (168) is passed by chance once in a million runs.
    assert min(counts) > 600
    assert max(counts) < 960


def test_too_few_altered_and_foreign_shares_are_named(tmp_path: Path) -> None:
    parts = split(tmp_path, b"bundle" * 100, 3, 5)
    with pytest.raises(shares.ShareError, match=r"3 are needed, 2 are here \(not here: number 3, 4, 5\)"):
        shares.join_file(parts[:2], tmp_path / "joined")
    with pytest.raises(shares.ShareError, match="2 are here"):
        shares.join_file([parts[0], parts[0], parts[1]], tmp_path / "joined")
    altered = bytearray(parts[1].read_bytes())
    altered[200] ^= 1
    parts[1].write_bytes(altered)
    with pytest.raises(shares.ShareError, match="share1"):
        shares.join_file(parts[:3], tmp_path / "joined")
    other = tmp_path / "other"
    other.mkdir()
    foreign = split(other, b"else" * 100, 3, 5)
    with pytest.raises(shares.ShareError, match="belongs to another set"):
        shares.join_file([parts[0], parts[2], foreign[3]], tmp_path / "joined")
    assert not (tmp_path / "joined").exists()


def test_a_share_with_a_right_tail_and_wrong_content_is_told(tmp_path: Path) -> None:
    """Whoever alters a share can make its own checksum right, but not the joined content."""
    parts = split(tmp_path, b"bundle" * 100, 2, 3)
    data = bytearray(parts[0].read_bytes()[:-32])
    data[-1] ^= 1
    parts[0].write_bytes(bytes(data) + hashlib.sha256(data).digest())
    with pytest.raises(Exception, match="not what was split"):
        shares.join_file(parts[:2], tmp_path / "joined")
    assert not (tmp_path / "joined").exists()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    parts = split(tmp_path, b"x", 2, 2)
    with pytest.raises(TargetError):
        shares.split_file(tmp_path / "secret.bin", [tmp_path / "new", parts[0]], 2)
    assert not (tmp_path / "new").exists()
    with pytest.raises(TargetError):
        shares.join_file(parts, parts[0])


def test_keys_as_words() -> None:
    secret = bytes(range(32))
    lists = shares.split_key(secret, 2, 3)
    assert [len(words.split()) for words in lists] == [33, 33, 33]
    for pair in itertools.combinations(lists, 2):
        assert shares.join_key(pair) == secret
    with pytest.raises(shares.ShareError, match="wrong words in list 2"):
        shares.join_key([lists[0], lists[1].replace(lists[1].split()[7], "acid", 1)])
    with pytest.raises(shares.ShareError):
        shares.join_key(lists[:1])
    with pytest.raises(UsageError):
        shares.split_key(bytes(15), 2, 3)


def run(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("sys.argv", ["custody", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


def test_commands_are_in_the_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOZEN_CONFIG_HOME", str(tmp_path / "config"))
    case, bundle = tmp_path / "c", tmp_path / "bundle.zip"
    bundle.write_bytes(b"PK" * 500)
    assert run("init", str(case), monkeypatch=monkeypatch) == 0
    out = tmp_path / "shares"
    numbers = ("--threshold", "2", "--of", "3", "--out", str(out), "--case", str(case))
    assert run("share", "split", str(bundle), *numbers, monkeypatch=monkeypatch) == 0
    assert run("share", "split", "--case-secret", *numbers, monkeypatch=monkeypatch) == 0
    parts = [str(out / f"bundle.zip.{number}of3") for number in (1, 2, 3)]
    capsys.readouterr()
    assert run("share", "check", *parts, "--json", monkeypatch=monkeypatch) == 0
    assert json.loads(capsys.readouterr().out)["enough"] is True
    assert run("share", "check", parts[0], monkeypatch=monkeypatch) == 3
    joined = tmp_path / "joined.zip"
    assert (
        run("share", "join", parts[0], parts[2], "--out", str(joined), "--case", str(case), monkeypatch=monkeypatch)
        == 0
    )
    assert joined.read_bytes() == bundle.read_bytes()
    words = [str(out / f"case-secret.{number}of3.txt") for number in (2, 3)]
    secret = tmp_path / "secret.key"
    assert (
        run("share", "join", "--words", *words, "--out", str(secret), "--case", str(case), monkeypatch=monkeypatch) == 0
    )
    assert len(secret.read_bytes()) == 32
    ledger = (case / "ledger.jsonl").read_text(encoding="utf-8")
    assert [ledger.count(f'"type":"{kind}"') for kind in ("split.begin", "split.end", "join.begin", "join.end")] == [
        2
    ] * 4
    assert secret.read_bytes().hex() not in ledger
    altered = bytearray((out / "bundle.zip.1of3").read_bytes())
    altered[300] ^= 1
    (out / "bundle.zip.1of3").write_bytes(altered)
    assert run("share", "check", *parts, monkeypatch=monkeypatch) == 1
    assert (
        run("share", "join", *parts[:2], "--out", str(tmp_path / "x"), "--case", str(case), monkeypatch=monkeypatch)
        == 4
    )
