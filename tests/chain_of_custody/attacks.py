"""Attacks on a finished case, as functions that change its folder; each must be noticed by every verifier."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chain_of_custody import jcs, ledger
from chain_of_custody.session_key import OpenSslKey

if TYPE_CHECKING:
    from pathlib import Path


def lines_of(path: Path) -> list[bytes]:
    return (path / "ledger.jsonl").read_bytes().splitlines()


def put_lines(path: Path, lines: list[bytes]) -> None:
    (path / "ledger.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))


def rehead(path: Path, key: Ed25519PrivateKey | None = None, session: str | None = None) -> None:
    """A head that fits the changed ledger, as an attacker would write it, without (or with) a key of their own."""
    data = (path / "ledger.jsonl").read_bytes()
    last = data.splitlines()[-1]
    old = ledger.read_heads(path)[0]
    session = session or json.loads(last.split(b"\t")[0])["session"]
    signed = f"custody-head/1 {len(data):020d} {hashlib.sha256(last).hexdigest()} {session}".encode()
    signature = key.sign(signed) if key else old.signature
    (path / "head").write_bytes((signed + b" " + base64.b64encode(signature) + b"\n") * 2)


def edit(path: Path, number: int, change) -> None:
    lines = lines_of(path)
    lines[number - 1] = change(lines[number - 1])
    put_lines(path, lines)


def edited_line(path: Path) -> None:
    edit(path, 2, lambda line: line.replace(b"A-102", b"A-103"))


def edited_line_of(path: Path, text: bytes) -> None:
    """Every occurrence of a text of the ledger changed by one character."""
    data = (path / "ledger.jsonl").read_bytes()
    (path / "ledger.jsonl").write_bytes(data.replace(text, text[:-1] + b"3"))


def edited_and_rechained(path: Path) -> None:
    """Every later `prev` is corrected, and head too; only the keys are missing."""
    lines = lines_of(path)
    lines[1] = lines[1].replace(b"A-102", b"A-103")
    for number in range(2, len(lines)):
        payload, _, signature = lines[number].partition(b"\t")
        members = json.loads(payload)
        members["prev"] = hashlib.sha256(lines[number - 1]).hexdigest()
        lines[number] = jcs.dumps(members) + b"\t" + signature
    put_lines(path, lines)
    rehead(path)


def removed_line(path: Path) -> None:
    lines = lines_of(path)
    put_lines(path, lines[:3] + lines[4:])


def swapped_pair(path: Path) -> None:
    lines = lines_of(path)
    lines[1], lines[2] = lines[2], lines[1]
    put_lines(path, lines)


def inserted_line(path: Path) -> None:
    lines = lines_of(path)
    put_lines(path, [*lines[:4], lines[3], *lines[4:]])


def cut_tail(path: Path) -> None:
    put_lines(path, lines_of(path)[:-2])


def cut_tail_and_head(path: Path) -> None:
    put_lines(path, lines_of(path)[:-2])
    (path / "head").unlink()


def cut_tail_and_own_head(path: Path) -> None:
    put_lines(path, lines_of(path)[:-2])
    rehead(path, Ed25519PrivateKey.generate())


def stripped_signature(path: Path) -> None:
    edit(path, 5, lambda line: line.partition(b"\t")[0])
    rehead(path)


def empty_signature(path: Path) -> None:
    edit(path, 5, lambda line: line.partition(b"\t")[0] + b"\t")


def zero_signature(path: Path) -> None:
    edit(path, 5, lambda line: line.partition(b"\t")[0] + b"\t" + base64.b64encode(bytes(64)))


def foreign_session_key(path: Path) -> None:
    """The last line is signed again by a key that nobody authorised."""
    key = Ed25519PrivateKey.generate()
    payload = lines_of(path)[-1].partition(b"\t")[0]
    edit(path, len(lines_of(path)), lambda _line: payload + b"\t" + base64.b64encode(key.sign(payload)))
    rehead(path, key)


def foreign_person(path: Path) -> None:
    """A second session is authorised by an SSH key of somebody else, and everything after it signed anew."""
    resign_from(path, own_person=True)


def resign_from(path: Path, *, own_person: bool) -> None:
    from chain_of_custody import signing

    person = signing.FileKey(Ed25519PrivateKey.generate(), "none")
    key = Ed25519PrivateKey.generate()
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    lines = lines_of(path)
    start = next(n for n, line in enumerate(lines) if b'"type":"session.open"' in line)
    for number in range(start, len(lines)):
        members = json.loads(lines[number].partition(b"\t")[0])
        members["prev"] = hashlib.sha256(lines[number - 1]).hexdigest()
        if number == start:
            members["body"]["auth"]["key"] = base64.b64encode(raw).decode()
            if own_person:
                members["body"]["sig"] = person.sign(jcs.dumps(members["body"]["auth"]), signing.SESSION_NAMESPACE)
        payload = jcs.dumps(members)
        lines[number] = payload + b"\t" + base64.b64encode(key.sign(payload))
    put_lines(path, lines)
    rehead(path, key)


def foreign_session_in_old_authorisation(path: Path) -> None:
    resign_from(path, own_person=False)


def stolen_key(case):
    """The session key of an open case, as somebody has it who copied the memory before the session ended."""
    key = case._session.key
    if isinstance(key, OpenSslKey):
        return key._key
    return Ed25519PrivateKey.from_private_bytes(bytes(key._ffi.buffer(key._private, 32)))


def session_of_another_case(path: Path) -> None:
    """A session that the same person opened in another case is copied in, with all that follows."""
    from chain_of_custody import init_case, open_case

    other = path.parent / "other"
    init_case(other, actor="yamada@example.jp").close()
    with open_case(other) as case:
        case.append("note", {"text": "other"})
        key = stolen_key(case)
    lines = lines_of(path)
    for line in lines_of(other)[2:]:
        members = json.loads(line.partition(b"\t")[0])
        members["seq"], members["prev"] = len(lines) + 1, hashlib.sha256(lines[-1]).hexdigest()
        payload = jcs.dumps(members)
        lines.append(payload + b"\t" + base64.b64encode(key.sign(payload)))
    put_lines(path, lines)
    rehead(path, key)


def duplicate_key(path: Path) -> None:
    edit(path, 2, lambda line: line.replace(b'"src":"typed"', b'"src":"typed","src":"auto"'))


def non_canonical_line(path: Path) -> None:
    edit(path, 2, lambda line: line.replace(b'"src":"typed"', b'"src": "typed"'))


def extra_member(path: Path) -> None:
    edit(path, 2, lambda line: line.replace(b'"src":"typed"', b'"src":"typed","srd":1'))


def crlf(path: Path) -> None:
    (path / "ledger.jsonl").write_bytes((path / "ledger.jsonl").read_bytes().replace(b"\n", b"\r\n"))


def zero_byte(path: Path) -> None:
    edit(path, 2, lambda line: line.replace(b"A-102", b"A-1\x0002"))


def blank_line(path: Path) -> None:
    lines = lines_of(path)
    put_lines(path, [*lines[:3], b"", *lines[3:]])


def rewritten_signers(path: Path) -> None:
    (path / "allowed_signers").write_text(
        (path / "allowed_signers").read_text() + f"w@example.jp {new_public_line()}\n", encoding="utf-8"
    )


def new_public_line() -> str:
    key = Ed25519PrivateKey.generate().public_key()
    return key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()


def removed_signers(path: Path) -> None:
    (path / "allowed_signers").unlink()


def emptied_ledger(path: Path) -> None:
    (path / "ledger.jsonl").write_bytes(b"")


def stale_head_signature(path: Path) -> None:
    """The head of another ledger state with its true signature on other numbers."""
    rehead(path)


def every() -> dict[str, object]:
    return {
        function.__name__: function
        for function in (
            edited_line,
            edited_and_rechained,
            removed_line,
            swapped_pair,
            inserted_line,
            cut_tail,
            cut_tail_and_head,
            cut_tail_and_own_head,
            stripped_signature,
            empty_signature,
            zero_signature,
            foreign_session_key,
            foreign_person,
            foreign_session_in_old_authorisation,
            session_of_another_case,
            duplicate_key,
            non_canonical_line,
            extra_member,
            crlf,
            zero_byte,
            blank_line,
            rewritten_signers,
            removed_signers,
            emptied_ledger,
        )
    }


def run_script(
    path: Path, *arguments: str, shell: str = "sh", environment: dict[str, str] | None = None
) -> tuple[int, str]:
    """Exit code and output of the case's own verify.sh."""
    done = subprocess.run(
        [shell, str(path / "verify.sh"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        errors="replace",
    )
    return done.returncode, done.stdout + done.stderr
