"""`--lang` works behind every command, and nothing else is taken from the command line with it."""

from __future__ import annotations

import pytest

from chain_of_custody.console import _language_of, _without_language


@pytest.mark.parametrize(
    ("arguments", "kept"),
    [
        (["scan", "x", "--lang", "ja", "--json"], ["scan", "x", "--json"]),
        (["--lang=en", "scan"], ["scan"]),
        (["scan", "--lang", "fr"], ["scan", "--lang", "fr"]),
        (["scan", "--lang"], ["scan", "--lang"]),
        (["scan", "--", "--lang", "ja"], ["scan", "--", "--lang", "ja"]),
    ],
)
def test_the_language_is_taken_out(arguments, kept):
    assert _without_language(arguments) == kept


@pytest.mark.parametrize(
    ("arguments", "environment", "language"),
    [
        (["x", "--lang", "ja"], {}, "ja"),
        (["x"], {"LANG": "ja_JP.UTF-8"}, "ja"),
        (["x"], {"LANG": "ja_JP.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        (["--", "--lang", "ja"], {"LANG": "C"}, "en"),
        ([], {}, "en"),
    ],
)
def test_the_language_of_a_run(arguments, environment, language):
    assert _language_of(arguments, environment) == language
