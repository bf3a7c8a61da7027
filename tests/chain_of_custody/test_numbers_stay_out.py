"""A My Number given to any option of `custody` that takes a text is in no byte of the case and of the output."""

import base64
import itertools
import zipfile

import click
import pytest
import typer.main

from chain_of_custody import cli, entries, open_case
from chain_of_custody.record_fields import FIELDS
from tests.chain_of_custody.test_cli import custody
from tests.chain_of_custody.test_people import public, write_key

NUMBER = "123456789018"
FORMS = (NUMBER, "1234-5678-9018", "１２３４５６７８９０１８")
TEXT = f"山田 {NUMBER} と 1234-5678-9018 と １２３４５６７８９０１８"


def places_with_a_number(folder):
    found = []
    for path in folder.rglob("*"):
        if any(form in str(path.relative_to(folder)) for form in FORMS):
            found.append(str(path))
        if not path.is_file():
            continue
        contents = [path.read_bytes()]
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                contents += [archive.read(name) for name in archive.namelist()]
                contents += [name.encode() for name in archive.namelist()]
        for form in FORMS:
            ways = (form.encode(), form.encode("utf-16-le"), base64.b64encode(form.encode())[:-2])
            found += [str(path) for data, way in itertools.product(contents, ways) if way in data]
    return found


def run(folder, *arguments, codes=(0,)):
    code, out, err = custody(*arguments)
    assert code in codes, (arguments, code, out, err)
    for form in FORMS:
        assert form not in out + err, (arguments, out, err)
    assert places_with_a_number(folder) == [], arguments
    return out


@pytest.fixture
def made(tmp_path):
    keys = tmp_path / "keys"
    keys.mkdir()
    folder = tmp_path / "work"
    folder.mkdir()
    case = folder / "case"
    run(folder, "init", case, "--name", TEXT, "--origin", f"example.jp/{NUMBER}", "--as", "yamada")
    return folder, case, keys


def test_init_refuses_an_id_with_a_number(tmp_path):
    run(tmp_path, "init", tmp_path / "case", "--as", f"a{NUMBER}b", codes=(2,))
    assert not (tmp_path / "case").exists()


def test_keys(made):
    folder, case, keys = made
    file = keys / "suzuki"
    write_key(file)
    (keys / "suzuki.pub").write_text(public(file), encoding="utf-8")
    texts = ("--name", TEXT, "--org", TEXT, "--identified-by", TEXT)
    given = ("--role", entries.WITNESS, "--public-key", keys / "suzuki.pub", "--case", case)
    run(folder, "keys", "add", f"a{NUMBER}", *given, *texts, codes=(2,))
    run(folder, "keys", "add", "suzuki", *given, *texts)
    run(folder, "keys", "list", "--case", case)
    run(folder, "keys", "revoke", "suzuki", "--reason", TEXT, "--case", case)


@pytest.mark.parametrize("kind", sorted({*entries.RECORDS, "note"}))
def test_every_field_of_every_record(made, kind):
    folder, case, _keys = made
    given = ["--case", case, "--item", TEXT]
    if kind == "note":
        run(folder, "record", "note", "--text", TEXT, *given)
        run(folder, "record", "note", "--text", TEXT, "--details", *given)
        return
    fields = [field.name for field in FIELDS.get(kind, ())]
    for name in fields:
        # A field with a form of its own (a time, a choice) may refuse the text; then nothing is written either.
        run(folder, "record", kind, "--field", f"{name}={TEXT}", *given, codes=(0, 1, 2))
    every = [word for name in fields for word in ("--field", f"{name}={TEXT}")]
    run(folder, "record", kind, *every, "--text", TEXT, *given, codes=(0, 1, 2))


def test_the_other_texts(made):
    folder, case, keys = made
    witness = keys / "suzuki"
    write_key(witness)
    (keys / "suzuki.pub").write_text(public(witness), encoding="utf-8")
    at = ("--case", case)
    run(folder, "keys", "add", "suzuki", "--role", entries.CUSTODIAN, "--public-key", keys / "suzuki.pub", *at)
    thing = keys / f"給与 {NUMBER}.txt"
    thing.write_text("x", encoding="utf-8")
    run(folder, "record", "photo", "--field", "what=x", "--file", thing, *at, codes=(0, 1, 2))
    run(
        folder,
        "transfer",
        "offer",
        "--to",
        "suzuki",
        "--reason",
        TEXT,
        "--file",
        thing,
        *at,
        "--item",
        TEXT,
        "--place",
        TEXT,
        "--state",
        TEXT,
    )
    with open_case(case) as opened:
        offer = opened.append("note", {}).seq - 1
    del offer
    run(folder, "transfer", "refuse", "--why", TEXT, "3", "--key", witness, *at, codes=(0, 1, 2))
    run(folder, "approve", "request", "dispose", "--why", TEXT, *at, codes=(0, 1, 2))
    run(
        folder,
        "classify",
        "--place",
        TEXT,
        "--threat",
        TEXT,
        "--difficulty",
        TEXT,
        "--stage",
        TEXT,
        "--grounds",
        TEXT,
        "--note",
        TEXT,
        *at,
        codes=(0, 1, 2),
    )
    run(folder, "log", *at, "--item", TEXT)
    run(folder, "next", *at, "--item", TEXT)
    run(folder, "checkpoint", *at)
    run(folder, "redact", "2", "--out", keys / f"copy-{NUMBER}", "--why", TEXT, *at, codes=(0, 1, 2))
    run(folder, "pack", "--out", keys / f"pack-{NUMBER}.zip", *at)
    run(folder, "report", "--format", "html", "--out", keys / f"report-{NUMBER}.html", *at)
    run(folder, "exhibits", "--out", keys / f"exhibits-{NUMBER}.csv", *at, codes=(0, 1, 2))
    run(
        folder,
        "receipt",
        "draft",
        "--item",
        TEXT,
        "--what",
        TEXT,
        "--to",
        TEXT,
        "--state",
        TEXT,
        "--out",
        folder / "receipt.txt",
        *at,
    )
    run(folder, "backup", keys / f"backup-{NUMBER}", *at, codes=(0, 1, 2))


def test_no_command_with_a_text_is_forgotten():
    """A new option is either driven above or listed here with the reason why it takes no free text."""
    group = typer.main.get_command(cli.app)
    free = set()

    def walk(command, path):
        for name, one in getattr(command, "commands", {}).items():
            walk(one, (*path, name))
        if not getattr(command, "commands", {}):
            free.update(
                option for parameter in command.params for option in parameter.opts[:1] if option.startswith("--")
            )

    walk(group, ())
    assert isinstance(group, click.Group) or free
    driven = {
        "--name",
        "--origin",
        "--org",
        "--identified-by",
        "--reason",
        "--field",
        "--text",
        "--item",
        "--details",
        "--place",
        "--state",
        "--why",
        "--threat",
        "--difficulty",
        "--stage",
        "--grounds",
        "--note",
        "--what",
        "--to",
        "--out",
        "--file",
        "--as",
    }
    no_text = {
        "--role",
        "--policy",
        "--type",
        "--actor",
        "--since",
        "--until",
        "--last",
        "--against",
        "--images",
        "--report",
        "--tsa-root",
        "--fields",
        "--ntp",
        "--list",
        "--all",
        "--guide",
        "--checklist",
        "--attach",
        "--who",
        "--proof",
        "--from",
        "--tsa",
        "--query",
        "--response",
        "--accredited",
        "--revocation",
        "--no-fetch",
        "--no-details",
        "--no-files",
        "--pdf",
        "--format",
        "--sheet",
        "--sign",
        "--sign-passphrase-file",
        "--no-sign",
        "--countersign",
        "--number",
        "--number-file",
        "--by",
        "--csv",
        "--check",
        "--mend",
        "--public-key",
        "--age",
        "--new-key",
        "--new-passphrase-file",
        "--at",
        "--signature",
        "--owner-key",
        "--scan",
        "--hours",
        "--threshold",
        "--of",
        "--case-secret",
        "--words",
        "--dir",
        "--keep",
        "--case",
        "--key",
        "--json",
        "--lang",
        "--passphrase-file",
        "--quiet",
        "--help",
    }
    assert free <= driven | no_text, sorted(free - driven - no_text)
