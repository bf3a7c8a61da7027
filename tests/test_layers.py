"""The import arrows of the architecture, and who may print."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ALLOWED = {
    "chain_of_custody": set(),
    "preserve": {"chain_of_custody"},
    "triage": {"chain_of_custody", "preserve"},
    "timeline": {"chain_of_custody", "preserve"},
}
MODULES = sorted(path for package in ALLOWED for path in (ROOT / package).rglob("*.py"))


def imported_packages(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_follow_the_arrows(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    ours = imported_packages(ast.parse(path.read_text(encoding="utf-8"))) & set(ALLOWED)
    assert ours <= ALLOWED[package] | {package}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_command_line_prints(path: Path) -> None:
    if path.stem.endswith("cli") or path.stem == "console":
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    assert not [node.lineno for node in calls if node.func.id == "print"]


def test_no_folder_without_a_subject() -> None:
    vague = {"common", "utils", "util", "core", "helpers", "misc", "base"}
    assert not [path for path in MODULES if path.stem in vague or path.parent.name in vague]
