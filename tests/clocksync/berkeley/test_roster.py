"""The roster in a poll: what fits comes out as it went in, what is none is left out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.berkeley import roster
from clocksync.berkeley.frames import ROSTER_BYTES_MAX


def test_v4_v6_and_unknown_addresses_come_back() -> None:
    group = {1: ("10.0.0.1", 3190), 7: ("fe80::1%eth0", 65_535), 300: None}
    assert roster.decode(roster.encode(group)) == group


def test_of_too_many_the_lowest_are_told() -> None:
    group = dict.fromkeys(range(1, 500), ("192.168.100.100", 31900))
    text = roster.encode(group)
    assert len(text) <= ROSTER_BYTES_MAX
    assert list(roster.decode(text)) == list(range(1, len(roster.decode(text)) + 1))


@pytest.mark.parametrize(
    "text",
    [b"", b"=", b"1", b"0=", b"65535=", b"1=host", b"1=:5", b"1=1.2.3.4:0", b"1=1.2.3.4:65536",
     b"1=a b:1", b"x=1.2.3.4:5", b"1=/etc:1", b"1=\xff:3", b"111111="],
)  # fmt: skip
def test_what_is_no_entry_is_left_out(text: bytes) -> None:
    assert roster.decode(text + b" 9=10.0.0.9:1") in ({9: ("10.0.0.9", 1)}, {})
    assert 1 not in roster.decode(text)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_complaint(text: bytes) -> None:
    for number in roster.decode(text):
        assert 0 < number < 0xFFFF
