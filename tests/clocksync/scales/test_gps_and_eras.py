"""GPS weeks and their rollovers, NTP eras and their ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.ntp.timestamps import ERA_NS
from clocksync.runtime.units import SECOND
from clocksync.scales import BUILT_IN, GpsTime, Instant, LeapTable, NoSuchTime, NtpTime, UtcTime
from clocksync.scales.eras import EPOCH_NS, parse_timestamp
from clocksync.scales.gps import EPOCH, WEEK
from tests.clocksync.scales.test_leaps import WITH_INSTANT


@pytest.mark.parametrize(
    ("utc", "week", "seconds", "broadcast"),
    [
        ("1980-01-06T00:00:00Z", 0, 0, 0),
        ("1999-08-21T23:59:46Z", 1023, 604_799, 1023),
        ("1999-08-21T23:59:47Z", 1024, 0, 0),  # the first rollover, GPS 13 s ahead of UTC
        ("2016-12-31T23:59:60Z", 1930, 17, 906),
        ("2017-01-01T00:00:00Z", 1930, 18, 906),
        ("2019-04-06T23:59:41Z", 2047, 604_799, 1023),
        ("2019-04-06T23:59:42Z", 2048, 0, 0),  # the second, 18 s ahead
    ],
)
def test_gps_time_is(utc: str, week: int, seconds: int, broadcast: int) -> None:
    gps = GpsTime.at(BUILT_IN.from_utc(UtcTime.parse(utc)))
    assert (gps.week, gps.ns, gps.broadcast_week) == (week, seconds * SECOND, broadcast)
    assert gps.rollovers == week // 1024
    assert str(BUILT_IN.to_utc(gps.instant)) == utc[:-1] + ".000000000Z"


@given(WITH_INSTANT)
def test_gps_time_and_back_is_the_same_instant(case: tuple[LeapTable, Instant]) -> None:
    _, instant = case
    if instant >= EPOCH:
        assert GpsTime.at(instant).instant == instant
    else:
        with pytest.raises(NoSuchTime, match="begins on 1980-01-06"):
            GpsTime.at(instant)


@given(
    st.sampled_from([10, 13]),
    st.integers(0, 10_000),
    st.integers(0, WEEK - 1),
    st.floats(-0.499, 0.499),
)
def test_a_cut_week_is_told_apart_by_a_time_within_half_a_cycle(
    bits: int, week: int, ns: int, off: float
) -> None:
    meant = GpsTime(week, ns)
    near = meant.instant + round(off * (WEEK << bits))
    if near < EPOCH:
        near = EPOCH
    cut = GpsTime.broadcast(week % (1 << bits), ns, near, bits)
    assert cut == meant


def test_a_cut_week_is_never_before_gps_began() -> None:
    assert GpsTime.broadcast(1000, 0, near=EPOCH) == GpsTime(1000, 0)
    with pytest.raises(NoSuchTime, match="week 1024 has more than 10 bits"):
        GpsTime.broadcast(1024, 0, near=EPOCH)


@pytest.mark.parametrize(
    ("utc", "era", "timestamp"),
    [
        ("1900-01-01T00:00:00Z", 0, 0),
        ("1970-01-01T00:00:00Z", 0, 2_208_988_800 << 32),  # RFC 5905 figure 4
        ("1972-01-01T00:00:00Z", 0, 2_272_060_800 << 32),
        ("1999-12-31T00:00:00Z", 0, 3_155_587_200 << 32),
        ("2036-02-07T06:28:15Z", 0, (2**32 - 1) << 32),
        ("2036-02-07T06:28:16Z", 1, 0),
        ("1899-12-31T23:59:59Z", -1, (2**32 - 1) << 32),
    ],
)
def test_ntp_time_is(utc: str, era: int, timestamp: int) -> None:
    posix_ns = UtcTime.parse(utc).posix_ns
    assert NtpTime.of_posix(posix_ns) == NtpTime(era, timestamp)
    assert NtpTime(era, timestamp).posix_ns == posix_ns


# Around the ends of eras too, where carrying would show.
POSIX_NS = st.one_of(
    st.integers(-(10**20), 10**20),
    st.tuples(st.integers(-3, 3), st.integers(-3, 3)).map(
        lambda t: EPOCH_NS + t[0] * ERA_NS + t[1]
    ),
)


@given(POSIX_NS)
def test_nanoseconds_survive_ntps_date(posix_ns: int) -> None:
    assert NtpTime.of_posix(posix_ns).posix_ns == posix_ns


@given(POSIX_NS, st.integers(1 - ERA_NS // 2, ERA_NS // 2 - 1))
def test_a_timestamp_is_told_apart_by_a_time_within_half_an_era(posix_ns: int, off: int) -> None:
    meant = NtpTime.of_posix(posix_ns)
    assert NtpTime.near(meant.timestamp, posix_ns + off) == meant


def test_the_last_timestamp_of_an_era_stays_in_it() -> None:
    last = (1 << 64) - 1  # it rounds up to the next era's first nanosecond
    for era in (-1, 0, 1):
        assert NtpTime.near(last, NtpTime(era, last).posix_ns).era == era


@pytest.mark.parametrize(
    ("text", "timestamp"),
    [
        ("0xdc12c50080000000", 0xDC12C50080000000),
        ("DC12C500.80000000", 0xDC12C50080000000),
        ("3692217600.5", 0xDC12C50080000000),
        ("0", 0),
        ("4294967295.999999999", 0xFFFFFFFFFFFFFFFC),
    ],
)
def test_a_timestamp_is_read(text: str, timestamp: int) -> None:
    assert parse_timestamp(text) == timestamp


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("12345678.12345678", "hexadecimal or decimal"),
        ("0x12", "16 digits"),
        ("4294967296", "an era has 2\\^32 s"),
        ("-1", "an era has 2\\^32 s"),
        ("dc12c500.8000000", "no number of seconds"),
        ("", "no number of seconds"),
    ],
)
def test_what_is_no_timestamp_is_refused(text: str, says: str) -> None:
    with pytest.raises(NoSuchTime, match=says):
        parse_timestamp(text)
