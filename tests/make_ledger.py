"""Makes tests/data/ledger-0.1: a case as version 0.1 wrote it, with a crash and a changed clock in its history.

Run once for a release (`python -m tests.make_ledger`), then never again for that version: later versions must go on
reading it. The keys are thrown away, so nobody can write to it any more.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path
from unittest import mock

from chain_of_custody import FileHash, clock, entries, init_case, open_case, operator_key
from chain_of_custody.verify import verify_case

TARGET = Path(__file__).parent / "data" / "ledger-0.1"


def _half_an_hour_later() -> clock.Reading:
    now = _real_now()
    step = timedelta(minutes=30)
    ts = (entries.moment_of(now.ts) + step).isoformat(timespec="microseconds")
    return clock.Reading(ts, now.time_ns + step.seconds * 10**9, now.mono_ns, now.boot)


_real_now = clock.now


def main() -> None:
    """Write the case and print what the test expects of it."""
    with (
        tempfile.TemporaryDirectory() as keys,
        mock.patch.dict(os.environ, {"HOZEN_CONFIG_HOME": keys}),
        mock.patch.object(operator_key, "host_name", return_value="lab-pc"),
        mock.patch.object(operator_key, "user_name", return_value="yamada"),
    ):
        shutil.rmtree(TARGET, ignore_errors=True)
        with init_case(TARGET, name="2026-017 ノートPC", actor="yamada@lab-pc") as case:
            case.append(
                "note", {"text": "封印番号 A-102 を確認"}, src="typed", item="PC-1", details="立会人 鈴木 一郎".encode()
            )
            with case.action("verify", {"image": "disk.E01"}, item="PC-1") as action:
                action.set_result({"equal": "yes"}, inputs=[FileHash("5f" * 32, 5 * 2**40)])
        with (TARGET / "ledger.jsonl").open("ab") as ledger:
            ledger.write(b'{"actor":"yamada@lab-pc","bo')
        with mock.patch.object(clock, "now", _half_an_hour_later), open_case(TARGET) as case:
            case.append("note", {"text": "再開"}, src="typed")
        (TARGET / "ledger.lock").unlink()
        (TARGET / "secret.age").unlink()
        result = verify_case(TARGET)
    assert result.verdict == "ok", result.findings
    print(result.fingerprint, result.root)


if __name__ == "__main__":
    main()
