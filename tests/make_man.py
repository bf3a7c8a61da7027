"""Writes the man pages `docs/man/TOOL.1` (English) and `docs/man/ja/TOOL.1` (Japanese) from the commands themselves.

```sh
python -m tests.make_man           # write them
man -l docs/man/custody.1          # read one
```
`tests/test_help.py` makes them anew and compares, so that they are never behind the program.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOOLS = {"custody": "chain_of_custody", "preserve": "preserve", "triage": "triage", "timeline": "timeline"}
HEADS = {
    "en": ("NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "EXIT STATUS", "ENVIRONMENT", "SEE ALSO"),
    "ja": ("名前", "書式", "説明", "コマンド", "終了ステータス", "環境変数", "関連項目"),
}
EXITS = {
    "en": (
        ("0", "done"), ("1", "NG: altered, or no match"), ("2", "wrong use"),
        ("3", "a part could not be read or judged"),
        ("4", "evidence cannot be read"), ("5", "target or ledger cannot be written, or an approval is missing"),
        ("70", "a fault of the program"), ("130", "stopped"),
    ),
    "ja": (
        ("0", "完了"), ("1", "NG(改変または不一致)"), ("2", "使い方の誤り"),
        ("3", "一部を読めない、または判定できない"),
        ("4", "証拠を読めない"), ("5", "出力先・台帳に書けない、または承認がない"), ("70", "プログラムの誤り"),
        ("130", "中断"),
    ),
}  # fmt: skip
ENVIRONMENT = {
    "en": (
        ("HOZEN_CONFIG_HOME", "folder of the operator's key and settings"),
        ("HOZEN_AGE_IDENTITY", "key of images encrypted with age"),
        ("LC_ALL, LANG", "language of messages, where --lang is not given"),
    ),
    "ja": (
        ("HOZEN_CONFIG_HOME", "署名鍵と設定のフォルダー"),
        ("HOZEN_AGE_IDENTITY", "age で暗号化したイメージの鍵"),
        ("LC_ALL, LANG", "メッセージの言語(--lang がないとき)"),
    ),
}


def _escaped(text: str) -> str:
    r"""Text for roff: backslashes and hyphens as themselves, no line that starts a request."""
    lines = text.replace("\\", "\\e").replace("-", "\\-").splitlines()
    return "\n".join(f"\\&{line}" if line[:1] in (".", "'") else line for line in lines)


def _paragraph(text: str) -> str:
    return _escaped(" ".join(text.replace("\b", "").split()))


def _examples(epilog: str) -> list[str]:
    lines = [line.rstrip() for line in epilog.replace("\b", "").splitlines() if line.strip()]
    return [".nf", *(_escaped(line) for line in lines), ".fi"] if lines else []


def _option(parameter: object) -> list[str]:
    names = ", ".join([*parameter.opts, *getattr(parameter, "secondary_opts", [])])  # type: ignore[attr-defined]
    value = parameter.metavar or ""  # type: ignore[attr-defined]
    if parameter.param_type_name == "argument":  # type: ignore[attr-defined]
        names, value = value or parameter.name.upper(), ""  # type: ignore[attr-defined]
    elif not value:
        kind = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
        value = {int: "N", float: "N", str: "TEXT", Path: "FILE"}.get(kind, "")  # type: ignore[call-overload]
    head = f"\\fB{_escaped(names)}\\fR" + (f" \\fI{_escaped(value)}\\fR" if value else "")
    return [".TP", head, _paragraph(parameter.help or "")]  # type: ignore[attr-defined]


def _commands(command: object, path: list[str]) -> list[str]:
    lines: list[str] = []
    for name, child in command.commands.items():  # type: ignore[attr-defined]
        if child.hidden:
            continue
        here = [*path, name]
        if hasattr(child, "commands"):
            lines += [f'.SS "{_escaped(" ".join(here))}"', _paragraph(child.help or "")]
            lines += _commands(child, here)
            continue
        lines += [f'.SS "{_escaped(" ".join(here))}"', _paragraph(child.help or "")]
        for parameter in child.params:
            if parameter.help and "--help" not in parameter.opts:
                lines += _option(parameter)
        lines += [".PP", *_examples(child.epilog or "")]
    return lines


def page(tool: str, language: str) -> str:
    """One man page; the process must have been started in this language."""
    import typer

    app = importlib.import_module(f"{TOOLS[tool]}.cli").app
    command = typer.main.get_command(app)
    name, synopsis, description, commands, exits, environment, also = HEADS[language]
    lines = [
        f'.TH {tool.upper()} 1 "" "hozen" ""',
        f'.SH "{name}"',
        f"{tool} \\- {_paragraph(command.help or '').rstrip('。.')}",
        f'.SH "{synopsis}"',
        f"\\fB{tool}\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR] …",
        f'.SH "{description}"',
        _paragraph(command.help or ""),
        ".PP",
        *_examples(command.epilog or ""),
        f'.SH "{commands}"',
        *_commands(command, [tool]),
        f'.SH "{exits}"',
    ]
    for code, words in EXITS[language]:
        lines += [".TP", f"\\fB{code}\\fR", words]
    lines.append(f'.SH "{environment}"')
    for variable, words in ENVIRONMENT[language]:
        lines += [".TP", f"\\fB{variable}\\fR", words]
    others = ", ".join(f"\\fB{one}\\fR(1)" for one in TOOLS if one != tool)
    return "\n".join([*lines, f'.SH "{also}"', others, ""])


def pages() -> dict[str, str]:
    """All pages by their path below `docs/man`; each language in a process of its own."""
    found: dict[str, str] = {}
    for language, folder in (("en", ""), ("ja", "ja/")):
        done = subprocess.run(
            [sys.executable, __file__, "--lang", language],
            capture_output=True,
            check=True,
            timeout=120,
            env=os.environ | {"LC_ALL": "C.UTF-8", "PYTHONIOENCODING": "utf-8"},
        )
        made = json.loads(done.stdout.decode("utf-8"))
        found |= {f"{folder}{tool}.1": text for tool, text in made.items()}
    return found


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    if "--lang" in sys.argv:
        print(json.dumps({tool: page(tool, sys.argv[-1]) for tool in TOOLS}))
    else:
        for path, text in pages().items():
            target = ROOT / "docs" / "man" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
