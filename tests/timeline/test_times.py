"""Literals: FILETIME and SYSTEMTIME from [MS-DTYP], others computed with `date -u -d @…`."""

import pytest

from timeline import times

NOVEMBER = 1_700_000_000_000_000_000  # 2023-11-14T22:13:20Z


def test_binary_times():
    assert times.filetime(133_444_736_000_000_000) == NOVEMBER
    assert times.filetime(0) is None
    assert times.filetime(1 << 63) is None
    assert times.filetime(1) is None  # 1601: before 1677, which 64 bits of nanoseconds reach
    assert times.filetime(116_444_736_000_000_001) == 100
    assert times.unix(1_700_000_000, 5) == NOVEMBER + 5
    assert times.unix(4_294_967_295) == 4_294_967_295_000_000_000  # 2106
    assert times.unix_ms(1_700_000_000_123) == NOVEMBER + 123_000_000
    assert times.unix_us(1_700_000_000_000_001) == NOVEMBER + 1000
    assert times.webkit(13_344_473_600_000_000) == NOVEMBER
    assert times.cocoa(721_692_800) == NOVEMBER
    assert times.hfs(3_782_844_800) == NOVEMBER
    assert times.ole(45_244.925925925927) == NOVEMBER
    assert times.ole(-1.25) == times.civil(1899, 12, 29, 6)  # the fraction counts away from zero
    assert times.dos(0x576E, 0xB1AA) == times.civil(2023, 11, 14, 22, 13, 20)
    assert times.systemtime(bytes.fromhex("e7070b0002000e0016000d0014007b00")) == NOVEMBER + 123_000_000
    assert times.systemtime(b"\0" * 16) is None


def test_decimal_seconds_are_exact():
    assert times.decimal_seconds("1700000000.123456789") == (1_700_000_000, 123_456_789, 1)
    assert times.decimal_seconds("-0.5") == (-1, 500_000_000, 100_000_000)
    assert times.decimal_seconds("1e9") is None


def test_texts():
    assert times.iso("2023-11-14 22:13:20") == (NOVEMBER, times.NS, None)
    assert times.iso("2023/11/15 7:13:20.5 +0900") == (NOVEMBER + 500_000_000, 100_000_000, "+09:00")
    assert times.iso("2023-11-14T22:13:20Z") == (NOVEMBER, times.NS, "UTC")
    assert times.iso("2023-11-14")[1] == times.DAY
    assert times.iso("2023-02-29") is None
    assert times.iso("１４") is None
    assert times.wall("2023-11-14 22:13:20+09:00") is None
    assert times.civil(2016, 12, 31, 23, 59, 60) == times.civil(2017, 1, 1)


@pytest.mark.parametrize(
    ("zone", "hours"), [("UTC", 0), ("+09:00", 9), ("Asia/Tokyo", 9), ("-03:30", -3.5), ("America/New_York", -5)]
)
def test_wall_time_under_a_zone(zone, hours):
    assert times.localize(NOVEMBER, zone) == NOVEMBER - int(hours * 3600) * times.NS
    assert times.is_zone(zone)


def test_repeated_hour_has_two_readings():
    wall = times.civil(2023, 11, 5, 1, 30)
    first = times.localize(wall, "America/New_York")
    assert times.localize(wall, "America/New_York", fold=1) - first == 3600 * times.NS


def test_shown():
    assert times.shown(NOVEMBER + 5, "Asia/Tokyo") == "2023-11-15T07:13:20.000000005+09:00"
    assert times.shown(NOVEMBER, "UTC", digits=0) == "2023-11-14T22:13:20+00:00"
    assert times.shown(NOVEMBER, "Asia/Tokyo", known=False) == "2023-11-14T22:13:20.000000000-00:00"
    assert times.shown(None, "UTC") == ""
    assert times.text(-(1 << 63)) == "1677-09-21T00:12:43.145224192+00:00"
    assert not times.is_zone("Mars/Olympus")
