"""`--help` is complete: every command has words and an example, every option and argument has words, in both languages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest

from tests.make_man import pages

ROOT = Path(__file__).resolve().parents[1]
TOOLS = {"custody": "chain_of_custody", "preserve": "preserve", "triage": "triage", "timeline": "timeline"}
WALK = """
import json, sys
sys.path.insert(0, sys.argv[1])
sys.argv[:] = [sys.argv[2], "--lang", sys.argv[4]]
import importlib, typer
app = importlib.import_module(sys.argv[0] + ".cli").app
found = []
def walk(command, path):
    found.append({
        "path": path, "help": command.help or "", "epilog": command.epilog or "", "hidden": command.hidden,
        "group": hasattr(command, "commands"),
        "parameters": [
            [one.name, one.param_type_name, one.help or "", list(one.opts)] for one in command.params
            if not getattr(one, "hidden", False)
        ],
    })
    for name, child in getattr(command, "commands", {}).items():
        walk(child, [*path, name])
walk(typer.main.get_command(app), [])
print(json.dumps(found))
"""


@lru_cache
def commands(tool: str, language: str) -> list[dict]:
    """All commands of a tool as its own process declares them in this language."""
    done = subprocess.run(
        [sys.executable, "-c", WALK, str(ROOT), TOOLS[tool], tool, language],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env=os.environ | {"LC_ALL": "C.UTF-8"},
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("tool", TOOLS)
def test_completion_knows_the_commands(tool: str) -> None:
    """`TOOL --install-completion` puts a function into the shell's files that asks the tool itself, like this."""
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from {TOOLS[tool]}.cli import main; main()"
    variable = f"_{tool.upper()}_COMPLETE"
    asked = {variable: "complete_bash", "COMP_WORDS": f"{tool} ", "COMP_CWORD": "1"}
    # The name of the program is what the shell completes for.
    program = f"import sys; sys.argv[0] = {tool!r}; " + program
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, env=os.environ | asked, check=False
    )
    assert set(done.stdout.split()) >= {one["path"][0] for one in commands(tool, "en")[1:] if len(one["path"]) == 1}


@pytest.mark.parametrize("tool", TOOLS)
def test_every_command_has_words_and_an_example(tool: str) -> None:
    listed = list(zip(commands(tool, "ja"), commands(tool, "en"), strict=True))
    assert len(listed) > 5
    for ja, en in listed:
        where = (tool, *ja["path"])
        assert any("\u3040" <= character <= "\u9fff" for character in ja["help"]), where
        assert en["help"], where
        assert en["help"] != ja["help"], where
        if not ja["group"] or not ja["path"]:
            assert all(f"{tool} {' '.join(ja['path'])}".strip() in one["epilog"] for one in (ja, en)), where


@pytest.mark.parametrize("tool", TOOLS)
def test_every_option_has_words_in_both_languages(tool: str) -> None:
    for japanese, english in zip(commands(tool, "ja"), commands(tool, "en"), strict=True):
        for (name, _, ja, _), (_, _, en, opts) in zip(japanese["parameters"], english["parameters"], strict=True):
            where = (tool, *japanese["path"], name)
            assert ja, where
            assert en, where
            if not {"--help", "--install-completion", "--show-completion"} & set(opts):  # typer's own words
                assert ja != en or en.isascii(), where


def test_the_man_pages_are_those_of_the_program() -> None:
    """After a change of commands: python -m tests.make_man."""
    made = pages()
    assert len(made) == 8
    stale = [name for name, text in made.items() if (ROOT / "docs" / "man" / name).read_text(encoding="utf-8") != text]
    assert not stale, "run: python -m tests.make_man"


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff not installed")
def test_the_man_pages_have_no_fault() -> None:
    for page in sorted((ROOT / "docs" / "man").glob("*.1")):
        done = subprocess.run(
            ["groff", "-man", "-Tutf8", "-ww", "-z", "-K", "utf8", str(page)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        faults = [line for line in done.stderr.splitlines() if "break" not in line and "adjust" not in line]
        assert not faults, (page.name, faults[:5])


@pytest.mark.parametrize("tool", TOOLS)
def test_help_starts_quickly(tool: str) -> None:
    """0.3 s on an idle machine; here processor time is taken, which other work on the machine lengthens less."""
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from {TOOLS[tool]}.cli import main; main()"
    measured = (
        "import resource, subprocess, sys\n"
        "subprocess.run([sys.executable, '-c', sys.argv[1], '--help'], stdout=subprocess.DEVNULL, check=True)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(used.ru_utime + used.ru_stime)\n"
    )
    if sys.platform == "win32":
        pytest.skip("the resource module is POSIX's")
    seconds = min(
        float(
            subprocess.run(
                [sys.executable, "-c", measured, program], capture_output=True, timeout=60, check=True
            ).stdout
        )
        for _ in range(3)
    )
    assert seconds < 0.6, seconds
