"""Hosts as people write them, and settings that contradict nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.measuring.settings import HostSpec, MeasureSettings, is_address
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import MILLISECOND, SECOND


@pytest.mark.parametrize(
    ("text", "name", "port"),
    [
        ("pool.ntp.org", "pool.ntp.org", 123),
        ("pool.ntp.org:1123", "pool.ntp.org", 1123),
        ("192.0.2.1", "192.0.2.1", 123),
        ("192.0.2.1:65535", "192.0.2.1", 65535),
        ("::1", "::1", 123),
        ("[::1]", "::1", 123),
        ("[::1]:1", "::1", 1),
        ("fe80::1%eth0", "fe80::1%eth0", 123),
        ("[fe80::1%eth0]:123", "fe80::1%eth0", 123),
        ("ntp.ex\u00e4mple", "ntp.ex\u00e4mple", 123),
    ],
)
def test_a_host_is_read_as_people_write_it(text: str, name: str, port: int) -> None:
    assert HostSpec.parse(text) == HostSpec(text, name, port)


def test_space_around_a_host_is_not_part_of_it() -> None:
    assert HostSpec.parse(" \x85ntp.example:5\x1d\n") == HostSpec("ntp.example:5", "ntp.example", 5)


@pytest.mark.parametrize(
    "text",
    ["", " ", ":", ":123", "a:", "a:0", "a:-1", "a:65536", "a:1e3", "a:１２３", "a:" + "1" * 6000,
     "a b", "a\tb", "a/b", "a@b", "a?b", "a#b", "a\0b", "a\x1b[0m", "a\u202eb", "a\udc80",
     "[", "[]", "[::1", "[::1]x", "[::1]:", "[::1]:x", "[a]:1", "1:2:3", "::1:::", "1.2.3.4:1:1"],
)  # fmt: skip
def test_what_is_no_host_is_refused_in_one_printable_line(text: str) -> None:
    with pytest.raises(BadConfig) as refusal:
        HostSpec.parse(text)
    assert str(refusal.value).isprintable()


@given(st.text(max_size=40))
def test_any_text_is_a_printable_host_or_refused(text: str) -> None:
    said: object
    try:
        said = spec = HostSpec.parse(text)
    except BadConfig as refusal:
        said = refusal
    else:
        assert spec.text.isprintable()
        assert spec.name
        assert 0 < spec.port < 65536
    assert str(said).isprintable()


def test_an_address_is_known_from_a_name() -> None:
    assert is_address("127.0.0.1")
    assert is_address("fe80::1%eth0")
    assert not is_address("localhost")
    assert not is_address("127.1")


@pytest.mark.parametrize(
    "bad",
    [
        {"samples": 0},
        {"samples": 10_001},
        {"interval_ns": -1},
        {"timeout_ns": 0},
        {"version": 0},
        {"version": 5},
        {"max_drift_ppm": 0.0},
        {"max_drift_ppm": -1.0},
        {"max_drift_ppm": float("nan")},
        {"max_drift_ppm": float("inf")},
        {"max_drift_ppm": 1e300},
    ],
    ids=str,
)
def test_a_setting_that_cannot_be_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(BadConfig):
        MeasureSettings(**bad)  # type: ignore[arg-type]


def test_the_time_limit_is_within_what_was_promised() -> None:
    settings = MeasureSettings(samples=3, interval_ns=SECOND, timeout_ns=200 * MILLISECOND)
    assert 3_600 * MILLISECOND < settings.limit_ns <= 5_600 * MILLISECOND
