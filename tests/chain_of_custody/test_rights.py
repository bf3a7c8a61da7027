"""The table of rights, row by row: what it says is what the tool does."""

from __future__ import annotations

import json

import pytest

from chain_of_custody import entries, init_case, open_case, roles
from chain_of_custody.errors import KeyAccessError, UsageError
from chain_of_custody.people import Person
from tests.chain_of_custody.test_cli import custody
from tests.chain_of_custody.test_people import public, write_key

S, O, W, C, R, L = entries.ROLES  # noqa: E741 - in the order of the table
WORKING, HANDLING, WITNESSING, RECEIVING = {S, O}, {S, O, C}, {S, O, C, W}, {S, O, C, R}
EVERYBODY = {S, O, W, C, R, L}
EXPECTED = {
    **dict.fromkeys(
        [
            "image",
            "extract",
            "scan",
            "reveal",
            "export",
            "about",
            "anonymise",
            "decrypt",
            "split",
            "join",
            "clone",
            "redact",
            "people",
            "collect",
            "live",
            "wipe",
            "search",
            "timeline",
            "breach",
            "merge",
        ],
        WORKING,
    ),
    **dict.fromkeys(["encrypt", "backup", "restore", "dispose", "record", "request", "transfer", "pack"], HANDLING),
    **dict.fromkeys(["witness", "grant", "revoke"], WITNESSING),
    **dict.fromkeys(["receive", "checkpoint"], RECEIVING),
    **dict.fromkeys(["report", "verify", "note", "selftest", "cosign", "rotate", "correct"], EVERYBODY),
}


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return {role: write_key(tmp_path_factory.mktemp("keys") / name) for role, name in entries.ROLES.items()}


@pytest.fixture
def case_dir(tmp_path, keys):
    with init_case(tmp_path / "case", actor="shihan", role=S, key=keys[S]) as case:
        for role, name in entries.ROLES.items():
            if role != S:
                case.add_person(Person(name, role, public(keys[role])))
    return tmp_path / "case"


@pytest.mark.parametrize("right", roles.RIGHTS, ids=lambda right: right.name)
def test_each_row(right):
    assert right.roles == EXPECTED[right.name]


@pytest.mark.parametrize("type_name", entries.TYPES)
def test_each_type_of_entry_has_a_row_and_its_roles(type_name):
    """So the table is the whole of it: nothing can be written to a ledger that no row speaks of."""
    row = roles.row_of(type_name)
    assert entries.TYPES[type_name].roles == row.roles, row.name
    if row.name == "record":
        assert type_name.startswith("record.")


@pytest.mark.parametrize("role", entries.ROLES)
def test_the_tool_does_what_the_table_says(case_dir, keys, role):
    with open_case(case_dir, key=keys[role]) as case:
        for right in roles.RIGHTS:
            if role in right.roles:
                case.permit(right.entry_type)
            else:
                with pytest.raises(UsageError, match="may not record"):
                    case.permit(right.entry_type)
        if role in roles.secret_roles():
            assert len(case.secret()) == 32
        else:
            with pytest.raises(KeyAccessError):
                case.secret()


def test_shown():
    shown = json.loads(custody("keys", "roles", "--json")[1])
    assert {one["name"]: set(one["roles"]) for one in shown["rights"]} == EXPECTED
    assert set(shown["secret"]) == WORKING
    assert "Only encryption prevents reading" in custody("keys", "roles")[1].replace("\n", " ")
