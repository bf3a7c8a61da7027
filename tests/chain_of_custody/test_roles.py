"""Every type of entry against every role: what a role may not do is refused, recorded, and changes nothing else."""

import pytest

from chain_of_custody import checkpoints, entries, init_case, open_case
from chain_of_custody.errors import UsageError
from chain_of_custody.people import Person
from chain_of_custody.reading import read_entries
from chain_of_custody.verify import verify_case
from tests.chain_of_custody.test_cli import custody
from tests.chain_of_custody.test_people import public, write_key

OPENED_BY_THE_PROGRAM = ("case.open", "session.open")
VALUES = {"text": "x", "integer": 1, "object": {}, "list": []}


@pytest.fixture
def keys(tmp_path):
    made = {role: write_key(tmp_path / name) for role, name in entries.ROLES.items()}
    for path in made.values():
        path.with_name(f"{path.name}.pub").write_text(public(path))
    return made


@pytest.fixture
def case_dir(tmp_path, keys):
    with init_case(tmp_path / "case", actor="shihan", role=entries.SUPERVISOR, key=keys[entries.SUPERVISOR]) as case:
        for role, name in entries.ROLES.items():
            if role != entries.SUPERVISOR:
                case.add_person(Person(name, role, public(keys[role])))
    return tmp_path / "case"


@pytest.mark.parametrize("role", entries.ROLES)
def test_each_type_that_a_role_may_not_write_is_refused_and_recorded(case_dir, keys, role):
    refused = [
        kind for kind, one in entries.TYPES.items() if role not in one.roles and kind not in OPENED_BY_THE_PROGRAM
    ]
    with open_case(case_dir, key=keys[role]) as case:
        for kind in refused:
            body = {name: VALUES[value] for name, value in entries.TYPES[kind].required.items()}
            with pytest.raises(UsageError, match="may not record"):
                case.append(kind, body)
            with pytest.raises(UsageError, match="may not record"):
                case.permit(kind, item="PC-1")
    written = [entry for entry in read_entries(case_dir) if entry.type == "refused"]
    assert [entry.body["what"] for entry in written] == [kind for kind in refused for _ in range(2)]
    assert {(entry.role, entry.body["why"]) for entry in written} <= {(role, f"role {entries.ROLES[role]}")}
    assert not {entry.type for entry in read_entries(case_dir)} & set(refused) - {"key.add"}
    assert verify_case(case_dir).verdict == "ok"
    assert bool(refused) == (role not in (entries.SUPERVISOR, entries.OPERATOR))


@pytest.mark.parametrize(
    "arguments",
    [
        ("checkpoint",),
        ("keys", "add", "x", "--role", "reader", "--public-key", "{key}"),
        ("keys", "revoke", "operator", "--reason", "x"),
        ("record", "power", "--field", "state=on", "--file", "{key}"),
        ("record", "return", "--field", "what=x", "--field", "to=y"),
        ("pack", "--out", "{out}"),
        ("redact", "2", "--out", "{out}", "--why", "x"),
        ("merge", "{case}"),
        ("transfer", "offer", "--to", "recipient", "--file", "{key}", "--reason", "x"),
        ("stamp", "--response", "{key}"),
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_a_reader_changes_nothing_by_any_command(case_dir, keys, tmp_path, arguments):
    known = {"key": keys[entries.READER].with_name("reader.pub"), "out": tmp_path / "out", "case": case_dir}
    with open_case(case_dir, key=keys[entries.SUPERVISOR]) as case:
        checkpoints.make(case)
    before = {path for path in case_dir.rglob("*") if path.is_file()}
    given = [word.format(**known) for word in arguments]
    code, _out, err = custody(*given, "--case", case_dir, "--key", keys[entries.READER])
    assert code == 2, err
    assert "may not record" in err
    assert {path for path in case_dir.rglob("*") if path.is_file()} == before
    assert not (tmp_path / "out").exists()
    assert [entry.type for entry in read_entries(case_dir)][-3:] == ["session.open", "refused", "session.close"]
    assert verify_case(case_dir).verdict in ("ok", "unknown")
