"""docs/timeline-logs.md: its commands run, its mapping is one, and it names every format, preset and member."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from timeline import mapping, parsers

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/timeline-logs.md").read_text(encoding="utf-8")
TOML = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[0]
OWN = "bodyfile dhcpd_leases fsevents journal journal_export login_records mail mapped package_log plaso_json shell_history syslog table unified_log w3c_log weblog"


def _environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "HOZEN_CONFIG_HOME": str(folder / "config"), "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[str, subprocess.CompletedProcess[str]]]]:
    folder = tmp_path_factory.mktemp("docs")
    (folder / "logs").mkdir()
    (folder / "logs/op.csv").write_bytes(
        (
            "端末名,ユーザー名,発生日時,受信日時,種別,ファイル名,読込バイト数,書込バイト数,ドライブ種別\r\n"
            "PC-01,tanaka,2026/11/24 09:00:00,,FileCopy,E:\\a,10,0,リムーバブル\r\n"
        ).encode("cp932")
    )
    (folder / "door.csv").write_text("カード番号,日時,ゲート,区分\n77,03/04/2026 09:05,北,入室\n", encoding="utf-8")
    (folder / "door.toml").write_text(TOML, encoding="utf-8")
    block = re.search(r"```\n(timeline build.*?)```", PAGE, re.DOTALL)
    assert block is not None
    results = []
    for line in block[1].splitlines():
        words = shlex.split(line)
        if words[1] == "view":
            continue
        ran = subprocess.run(
            [sys.executable, "-m", "timeline.cli", *words[1:]],
            cwd=folder, env=_environment(folder), capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        results.append((line, ran))
    return folder, results


def test_every_command_runs(done: tuple[Path, list[tuple[str, subprocess.CompletedProcess[str]]]]) -> None:
    folder, results = done
    assert len(results) == 3
    for line, ran in results:
        assert ran.returncode == 0, (line, ran.stderr)
    assert (folder / "report.html").stat().st_size > 5000
    shown = subprocess.run(
        [sys.executable, "-m", "timeline.cli", "show", "--case", "2026-014.case", "--json"],
        cwd=folder, env=_environment(folder), capture_output=True, text=True, timeout=120, check=True,
    ).stdout  # fmt: skip
    assert '"mapping":"door"' in shown.replace(" ", "")
    assert '"mapping":"op2"' in shown.replace(" ", "")


def test_view_starts_and_says_where(done: tuple[Path, list[tuple[str, subprocess.CompletedProcess[str]]]]) -> None:
    folder, _ = done
    process = subprocess.Popen(
        [sys.executable, "-m", "timeline.cli", "view", "--case", "2026-014.case", "--no-browser"],
        cwd=folder, env=_environment(folder), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{43}/", url)
        with urllib.request.urlopen(url, timeout=20) as reply:
            assert "timeline" in reply.read().decode()
    finally:
        process.terminate()
        process.wait(timeout=30)
        process.stdout.close()
    assert process.returncode == 130


def test_the_page_names_every_parser_and_preset() -> None:
    for name in OWN.split():
        assert f"| `{name}` |" in PAGE
        assert any(name == parser.NAME for parser in parsers.PARSERS)
    for preset in mapping.presets():
        assert f"`{preset.name}`" in PAGE


def test_the_page_names_every_member_and_no_other() -> None:
    tables = PAGE[PAGE.index("| member | meaning |") :]
    first, second = tables.split("| member of `[[time]]` | meaning |")
    second = second[: second.index("\n\n")]

    def named(table: str) -> set[str]:
        rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
        return {name.strip("[]") for row in rows for name in re.findall(r"`([\[\]a-z_]+)`", row)}

    assert named(first) == mapping._TOP
    assert named(second) == mapping._TIME
    assert mapping.parse_mapping(TOML, "page").name == "door"
