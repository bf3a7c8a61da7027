"""Makes cases with timelines for tests: a folder of small logs, a build of it, the command line run in this process."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

import chain_of_custody
from timeline import cli
from timeline.build import BuildOptions, build, check_request

if TYPE_CHECKING:
    from pathlib import Path

NUMBER = "123456789018"  # passes the check digit; made for tests
BODY = (
    "0|/home/a/=cmd.txt|12|r/rrw-r--r--|0|0|5|1700000000|1700000001|1700000002|1700000003\n"
    f"0|/home/a/{NUMBER}.txt|13|r/rrw-r--r--|0|0|6|1700000010|1700000010|1700000010|0\n"
)


def logs(folder: Path) -> Path:
    """A folder with two bodyfiles that are the same, and a file that nothing reads."""
    for name in ("one", "two"):
        (folder / name).mkdir(parents=True)
        (folder / name / "body.txt").write_text(BODY, encoding="utf-8")
    (folder / "picture.bin").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20)
    return folder


def case_at(path: Path):
    """A new case, open."""
    return chain_of_custody.init_case(path, name="test", tool="timeline")


def built(case_path: Path, *sources: Path, **options):
    """Build in the case at `case_path`, which is made where it is not there; the outcome."""
    opened = case_at(case_path) if not case_path.exists() else chain_of_custody.open_case(case_path, tool="timeline")
    with opened as case:
        return build(check_request(list(sources), options.get("zone")), case, BuildOptions(**options))


@contextmanager
def own_configuration(folder: Path):
    """Keys lie in `folder` while a fixture of a whole module builds its case."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOZEN_CONFIG_HOME", str(folder))
        yield folder / "id_ed25519"


def run(*arguments: str | Path):
    """`timeline …`: exit code and output."""
    result = CliRunner().invoke(cli.app, [str(one) for one in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def asked(*arguments: str | Path):
    """`timeline … --json`: what it printed."""
    return json.loads(run(*arguments, "--json").stdout)
