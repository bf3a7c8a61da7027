"""Fixtures that all tests share: the keys of a throwaway operator, real artefacts, and peers that may be absent."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from chain_of_custody import console

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def needs(*programs: str) -> pytest.MarkDecorator:
    """Mark for tests that need other programs: skipped with the reason where they are not installed, never in CI."""
    missing = [
        program
        for program in programs
        if shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None
    ]
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"CI must have these programs: {', '.join(missing)}", pytrace=False)
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real artefacts beside the checkout; tests that use it are skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no folder of real artefacts at {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(autouse=True)
def _own_configuration(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys of tests lie in a folder of their own, and messages come in English unless a test says otherwise."""
    monkeypatch.setenv("HOZEN_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setattr(console, "_language", "en")
