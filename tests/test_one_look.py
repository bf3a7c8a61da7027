"""The four tools as one: each command asks and answers alike, and says what is wrong, where, and what to do next."""

from __future__ import annotations

import io
import json
import re
import sys
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
import typer

from chain_of_custody import console

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGES = {"custody": "chain_of_custody", "preserve": "preserve", "triage": "triage", "timeline": "timeline"}


def walk(tool: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command of a tool that does something itself: its words and its declaration."""

    def below(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
        children = getattr(command, "commands", {})
        if not children:
            yield path, command
        for name, child in children.items():
            yield from below(child, (*path, name))

    return below(typer.main.get_command(import_module(f"{PACKAGES[tool]}.cli").app), (tool,))


ALL = [(path, command) for tool in PACKAGES for path, command in walk(tool)]
IDS = [" ".join(path) for path, _ in ALL]


def run(*words: str) -> tuple[int, str, str]:
    """Exit code, standard output, standard error of a tool run in this process."""
    out, err = io.StringIO(), io.StringIO()
    kept, sys.argv = sys.argv, list(words)
    code: object = 0
    try:
        with redirect_stdout(out), redirect_stderr(err):
            import_module(f"{PACKAGES[words[0]]}.cli").main()
    except SystemExit as end:
        code = end.code
    finally:
        sys.argv = kept
    return code if isinstance(code, int) else int(code is not None), out.getvalue(), err.getvalue()


def options(command: Any) -> dict[str, Any]:
    return {opt: one for one in command.params if one.param_type_name == "option" for opt in one.opts}


def test_there_are_as_many_commands_as_the_tools_have():
    assert len(ALL) > 75


@pytest.mark.parametrize(("path", "command"), ALL, ids=IDS)
def test_a_wrong_option_is_told_with_the_way_on(path, command, monkeypatch):
    del command
    for language, word in (("en", "error: "), ("ja", "エラー: ")):
        monkeypatch.setattr(console, "_language", language)
        code, out, err = run(*path, "--no-such-option")
        assert code == console.EXIT_USAGE
        assert out == ""
        assert err.startswith(word), err
        assert "--no-such-option" in err
        assert f"→ {' '.join(path[1:])}".rstrip() in err.replace(f"{path[0]} ", "") or "--help" in err
        assert "Traceback" not in err


@pytest.mark.parametrize(
    "path", [path for path, command in ALL if any(one.required for one in command.params)], ids=" ".join
)
def test_what_is_missing_is_told(path):
    code, out, err = run(*path)
    assert code == console.EXIT_USAGE
    assert out == ""
    assert "Missing" in err
    assert "--help" in err


@pytest.mark.parametrize(("path", "command"), ALL, ids=IDS)
def test_language_and_json(path, command):
    given = options(command)
    assert "--lang" in given, "every command says in which language it answers"
    if path[1:] not in WITHOUT_JSON:
        assert "--json" in given


WITHOUT_JSON = {
    ("keys", "public"): "prints the key itself",
    ("receipt", "draft"): "writes a page for a person to sign",
    ("reveal",): "prints JSON lines anyway",
    ("view",): "serves a page until it is stopped",
}

# One name, one thing: what stands behind an option is the same in every command.
SAME = {
    "--case": {"DIR"},
    "--as": {"ID"},
    "--key": {"FILE"},
    "--passphrase-file": {"FILE"},
    "--passwords": {"FILE"},
    "--keys": {"FILE"},
    "--identity": {"FILE"},
    "--lang": {"ja|en"},
    "--item": {"ID"},
    "--reason": {"TEXT"},
    "--why": {"TEXT"},
    "--tz": {"ZONE"},
    "--findings": {"FILE"},
}


@pytest.mark.parametrize("name", SAME)
def test_one_name_means_one_thing(name):
    shown = {" ".join(path): str(found[name].metavar) for path, command in ALL if name in (found := options(command))}
    assert shown, "no command has it any more"
    assert {where: metavar for where, metavar in shown.items() if metavar not in SAME[name]} == {}


@pytest.mark.parametrize("name", ["--case", "--as", "--key", "--passphrase-file", "--json", "--lang"])
def test_the_same_words_explain_it(name):
    assert len({found[name].help for _, command in ALL if name in (found := options(command))}) == 1


SIGNS = {"--key", "--as", "--passphrase-file"}


@pytest.mark.parametrize(("path", "command"), ALL, ids=IDS)
def test_who_signs_can_be_said_in_full(path, command):
    given = SIGNS & set(options(command))
    if "--as" in given:
        assert given == SIGNS, path


# Commands that need a case, each with what else the parser wants of them.
IN_A_CASE = [
    ("custody", "log"), ("custody", "verify"), ("custody", "next"), ("custody", "checkpoint"), ("custody", "incident"),
    ("custody", "report", "--out", "r.html"), ("custody", "exhibits"), ("custody", "pack", "--out", "b.zip"),
    ("custody", "approve", "list"), ("custody", "transfer", "accept"), ("custody", "session", "start"),
    ("triage", "copies"), ("triage", "routes"), ("timeline", "show"), ("timeline", "stats"), ("timeline", "usb"),
    ("timeline", "sources"), ("timeline", "clock", "list"), ("timeline", "verdict", "--all"),
    ("timeline", "order", "S1:0", "S1:1"),
]  # fmt: skip


@pytest.mark.parametrize("words", IN_A_CASE, ids=" ".join)
@pytest.mark.parametrize("named", [False, True], ids=["nearest", "named"])
def test_no_case_is_told_alike(words, named, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*words, *(["--case", "none.case"] if named else []))
    assert code == console.EXIT_USAGE, err
    assert out == ""
    assert err.startswith("error: ")
    assert "\n  → " in err, "it says what to do next"
    if named:
        assert "none.case" in err


@pytest.mark.parametrize(
    "words", [("preserve", "info"), ("preserve", "list"), ("preserve", "verify"), ("triage", "scan")]
)
@pytest.mark.parametrize("language", ["en", "ja"])
def test_evidence_that_is_not_there_is_told_alike(words, language, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(console, "_language", language)
    code, out, err = run(*words, "absent.E01")
    assert code in (console.EXIT_USAGE, console.EXIT_EVIDENCE), err
    assert out == ""
    assert "absent.E01" in err
    assert re.search(r"^(error|エラー): ", err, re.MULTILINE)
    assert not list(tmp_path.iterdir()), "nothing was made"


def test_an_error_is_json_where_json_was_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for words in (
        ("custody", "log", "--case", "none"),
        ("custody", "log", "--nix"),
        ("timeline", "show", "--limit", "x"),
    ):
        code, out, err = run(*words, "--json")
        assert code == console.EXIT_USAGE
        assert set(json.loads(out)) == {"error", "message", "hint"}
        assert err.startswith("error: ")
