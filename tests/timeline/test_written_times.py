"""Times as logs write them."""

from __future__ import annotations

import pytest

from timeline.sources import Context
from timeline.written_times import FormatError, Reading, reader, settle

NOVEMBER_2026 = 1_795_478_400 * 10**9


@pytest.mark.parametrize(
    ("form", "text", "found"),
    [
        ("%y/%m/%d %H:%M:%S", "26/11/24 9:05:00", (NOVEMBER_2026 + 32_700 * 10**9, 10**9, None)),
        ("%y/%m/%d", "70/01/01", (0, 86_400 * 10**9, None)),
        ("%m/%d/%Y %I:%M:%S %p", "11/24/2026 12:00:05 AM", (NOVEMBER_2026 + 5 * 10**9, 10**9, None)),
        ("%Y年%m月%d日 %p%I時%M分", "2026年11月24日 午後1時02分", (NOVEMBER_2026 + 46_920 * 10**9, 60 * 10**9, None)),
        ("%d/%b/%Y:%H:%M:%S %z", "24/Nov/2026:09:00:00 +0900", (NOVEMBER_2026, 10**9, "+09:00")),
        ("%Y-%m-%d %H:%M:%S.%f", "2026-11-24 00:00:00.1234567", (NOVEMBER_2026 + 123_456_700, 100, None)),
        ("%Y-%m-%d %H:%M:%S", "2026-02-30 00:00:00", (None, 10**9, None)),
        ("%Y-%m-%d %H:%M:%S", "1601-01-01 00:00:00", (None, 10**9, None)),
        ("%Y-%m-%d %H:%M:%S", "2106-02-07 06:28:16", (4_294_967_296 * 10**9, 10**9, None)),
        ("iso", "2026/11/24 00:00:00", (NOVEMBER_2026, 10**9, None)),
        ("epoch_s", "1795478400.5", (NOVEMBER_2026 + 500_000_000, 10**8, "UTC")),
        ("epoch_ms", "-1", (-1_000_000, 1_000_000, "UTC")),
        ("epoch_s", "99999999999999999999", (None, 10**9, "UTC")),
        ("filetime", "134399520000000001", (NOVEMBER_2026 + 100, 100, "UTC")),
        ("rfc2822", "Tue, 24 Nov 2026 09:00:00 +0900 (JST)", (NOVEMBER_2026, 10**9, "+09:00")),
        ("rfc2822", "24 Nov 26 00:00 GMT", (NOVEMBER_2026, 60 * 10**9, "+00:00")),
        ("rfc2822", "Tue, 24 Nov 2026 00:00:00 -0000", (NOVEMBER_2026, 10**9, None)),
    ],
)
def test_readings(form: str, text: str, found: tuple[int | None, int, str | None]) -> None:
    assert tuple(reader(form)(text)) == found


@pytest.mark.parametrize("form", ["%H:%M", "%Y-%m", "%Y-%m-%d %Q", "%Y-%m-%d %d"])
def test_formats_that_are_none(form: str) -> None:
    with pytest.raises(FormatError):
        reader(form)


def test_whose_zone_it_is() -> None:
    bare = Reading(NOVEMBER_2026, 10**9, None)
    registry = Context(zone="Asia/Tokyo", zone_basis="registry")
    nine = NOVEMBER_2026 - 9 * 3600 * 10**9
    assert settle(bare, Context()) == (NOVEMBER_2026, None, "none")
    assert settle(bare, registry) == (nine, "Asia/Tokyo", "registry")
    assert settle(bare, registry, clock="server:x") == (NOVEMBER_2026, None, "none")
    assert settle(bare, Context(zone="+09:00", zone_basis="declared"), clock="server:x") == (nine, "+09:00", "declared")
    assert settle(bare, registry, zone="UTC", basis="format") == (NOVEMBER_2026, "UTC", "format")
    assert settle(Reading(5, 1, "+01:00"), registry) == (5, "+01:00", "format")
