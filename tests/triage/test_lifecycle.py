"""Stage of a finding by folder, name and state; protection by layers and opened containers."""

from __future__ import annotations

import pytest

from triage.lifecycle import Stage, stage_of
from triage.merge import protection_of


@pytest.mark.parametrize(
    ("path", "container", "state", "expected"),
    [
        ("/$RECYCLE.BIN/S-1-5-21/$R0001.xlsx", "", "allocated", Stage("disposal", "$recycle.bin")),
        ("/home/a/.Trash-1000/files/x.csv", "", "allocated", Stage("disposal", ".trash")),
        ("/Users/a/Documents/memo.txt", "", "deleted", Stage("disposal", "deleted")),
        ("/Users/a/本人確認書類/IMG_0001.jpg", "", "allocated", Stage("collection", "本人確認")),
        ("/Users/a/令和7年扶養控除等申告書.pdf", "", "allocated", Stage("collection", "扶養控除等")),
        ("/share/給与2026/一覧.xlsx", "", "allocated", Stage("use", "給与")),
        ("/share/a.zip", "a.zip!/支払調書.csv", "allocated", Stage("use", "支払調書")),
        ("/share/社員名簿.xlsx", "", "allocated", Stage("storage", "名簿")),
        ("/dev/scandal/notes.txt", "", "allocated", None),
        ("/Users/a/notes.txt", "", "allocated", None),
        ("", "", "unallocated", None),
    ],
)
def test_stage(path: str, container: str, state: str, expected: Stage | None) -> None:
    assert stage_of(path, container, state) == expected


def test_protection() -> None:
    assert protection_of("raw:a|gpt:2|bitlocker|ntfs:/a.zip", "", ()) == ("volume",)
    assert protection_of("raw:a|ntfs:/luks.txt", "", ()) == ()
    assert protection_of("raw:a|ntfs:/a.zip", "a.zip!/b.csv", ("a.zip!/b.csv",)) == ("password",)
    assert protection_of("raw:a|ntfs:/a.zip", "a.zip!/bb.csv", ("a.zip!/b.csv",)) == ()
    assert protection_of("raw:a|ntfs:/a.xlsx", "", ("",)) == ("password",)
    assert protection_of("raw:a|luks|ext4:/a.7z", "a.7z!/c.txt", ("",)) == ("volume", "password")
