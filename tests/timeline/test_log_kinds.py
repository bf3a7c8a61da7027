"""Every kind that presets and rules of the log parsers give has its sentences."""

from __future__ import annotations

from timeline import unix_messages
from timeline.kinds import describe, sentences
from timeline.mapping import presets
from timeline.parsers import journal
from timeline.viewer import FAMILIES


def test_all_kinds_have_sentences_and_their_families_names() -> None:
    kinds = {rule[2] for rule in unix_messages._RULES} | set(journal._MESSAGE_IDS.values())
    for preset in presets():
        kinds |= {preset.kind_default, *preset.kind_values.values(), *(one.kind for one in preset.times if one.kind)}
    assert kinds <= set(sentences())
    assert {kind.partition(".")[0] for kind in sentences()} <= set(FAMILIES)


def test_a_copy_is_told_with_its_bytes() -> None:
    fields = {
        "operation": "FileCopy",
        "path": "E:\\a",
        "bytes_read": 5,
        "bytes_written": 0,
        "drive_kind": "リムーバブル",
    }
    said = describe("op.file_copy", fields, "ja")
    assert said == "端末操作ログ: 複写の記録「FileCopy」 E:\\a 読込 5、書込 0 バイト リムーバブル"


def test_classify() -> None:
    kind, fields = unix_messages.classify("sshd", "Failed password for invalid user x from 192.0.2.1 port 9 ssh2")
    assert (kind, fields["user"], fields["address"]) == ("auth.logon_failed", "x", "192.0.2.1")
    kind, fields = unix_messages.classify("chronyd", "System clock was stepped by -3.5 seconds")
    assert (kind, fields) == ("clock.stepped", {"seconds": "-3.5"})
    assert unix_messages.classify("app", "hello") == ("log.message", {})
    kind, fields = unix_messages.classify("sudo", "  u : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh")
    assert (kind, fields["user"], fields["as"]) == ("auth.sudo", "u", "root")


def test_hostile_messages_take_no_time() -> None:
    import time

    start = time.monotonic()
    unix_messages.classify("sudo", " u : TTY=a ; PWD=" + " ; USER=x" * 1_000_000)
    unix_messages.classify("sshd", "Accepted " * 1_000_000)
    assert time.monotonic() - start < 5
