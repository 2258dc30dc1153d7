"""Access list and rate limit."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.ntp.access import AccessList, Admission, RateLimit, client_of
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import SECOND


def packed(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


@pytest.mark.parametrize(
    ("allow", "deny", "address", "permitted"),
    [
        ([], [], "192.0.2.1", True),
        (["192.0.2.0/24"], [], "192.0.2.1", True),
        (["192.0.2.0/24"], [], "192.0.3.1", False),
        (["192.0.2.0/24"], [], "2001:db8::1", False),
        ([], ["192.0.2.0/24"], "192.0.2.1", False),
        ([], ["192.0.2.0/24"], "192.0.3.1", True),
        ([], ["192.0.2.0/24"], "2001:db8::1", True),
        (["192.0.2.0/24"], ["192.0.2.7"], "192.0.2.7", False),
        (["192.0.2.7"], ["192.0.2.0/24"], "192.0.2.7", True),
        (["192.0.2.7"], ["192.0.2.7"], "192.0.2.7", False),
        (["2001:db8::/32"], ["2001:db8:1::/48"], "2001:db8:1::9", False),
        (["2001:db8::/32"], ["2001:db8:1::/48"], "2001:db8:2::9", True),
        (["0.0.0.0/0"], [], "198.51.100.1", True),
        (["192.0.2.9/24"], [], "192.0.2.1", True),
    ],
)
def test_the_most_specific_network_decides(allow, deny, address, permitted) -> None:
    assert AccessList(allow, deny).permits(packed(address)) is permitted


networks = st.lists(
    st.builds(
        lambda address, prefix: ipaddress.ip_network((address, prefix), strict=False),
        st.integers(0, 255).map(lambda last: 0xC0000200 | last),
        st.integers(24, 32),
    ),
    max_size=5,
)


@given(networks, networks, st.integers(0xC00001F0, 0xC0000310))
def test_the_list_agrees_with_a_search_through_all_networks(allow, deny, number) -> None:
    address = ipaddress.IPv4Address(number)
    holding = [(n.prefixlen, False) for n in deny if address in n]
    holding += [(n.prefixlen, True) for n in allow if address in n]
    expected = min(holding, key=lambda rule: (-rule[0], rule[1]))[1] if holding else not allow

    access = AccessList(map(str, allow), map(str, deny))
    assert access.permits(address.packed) is expected


def test_a_list_is_open_only_without_rules() -> None:
    assert AccessList().is_open
    assert not AccessList(deny=["::/0"]).is_open
    assert not AccessList(allow=["::/0"]).is_open


def test_a_name_that_is_no_network_is_refused_in_one_line() -> None:
    with pytest.raises(BadConfig, match=r"'192\.0\.2\.0/33' is no network: write for example"):
        AccessList(allow=["192.0.2.0/33"])


def test_a_node_without_an_address_is_always_permitted() -> None:
    assert AccessList(allow=["192.0.2.0/24"]).permits(7)


def test_addresses_of_one_ipv6_network_are_one_client() -> None:
    assert client_of(packed("2001:db8::1")) == client_of(packed("2001:db8::2"))
    assert client_of(packed("2001:db8::1")) != client_of(packed("2001:db8:0:1::1"))
    assert client_of(packed("192.0.2.1")) != client_of(packed("192.0.2.2"))


def test_a_burst_is_admitted_then_a_kiss_then_silence() -> None:
    limit = RateLimit(2 * SECOND, burst=3)
    seen = [limit.admit("a", now=0) for _ in range(5)]
    assert seen == [Admission.ADMITTED] * 3 + [Admission.KISS, Admission.SILENCE]


def test_one_request_per_interval_is_admitted_for_ever() -> None:
    limit = RateLimit(2 * SECOND, burst=1)
    assert {limit.admit("a", now=i * 2 * SECOND) for i in range(50)} == {Admission.ADMITTED}


def test_an_idle_client_gets_its_burst_back_and_no_more() -> None:
    limit = RateLimit(SECOND, burst=3)
    for _ in range(3):
        limit.admit("a", now=0)
    seen = [limit.admit("a", now=1000 * SECOND) for _ in range(4)]
    assert seen == [Admission.ADMITTED] * 3 + [Admission.KISS]


def test_kisses_come_at_most_once_per_interval() -> None:
    limit = RateLimit(SECOND, burst=1)
    seen = [limit.admit("a", now=tenth * SECOND // 10) for tenth in range(1, 101)]
    assert seen.count(Admission.ADMITTED) == 10
    assert seen.count(Admission.KISS) == 10


def test_clients_are_limited_apart() -> None:
    limit = RateLimit(SECOND, burst=1)
    assert limit.admit("a", now=0) is Admission.ADMITTED
    assert limit.admit("b", now=0) is Admission.ADMITTED
    assert limit.admit("a", now=0) is not Admission.ADMITTED


def test_the_table_is_bounded_and_forgets_the_longest_idle() -> None:
    limit = RateLimit(SECOND, burst=1, capacity=2)
    limit.admit("a", now=0)
    limit.admit("b", now=0)
    limit.admit("a", now=0)
    limit.admit("c", now=0)
    assert len(limit) == 2
    assert limit.admit("a", now=0) is Admission.SILENCE
    assert limit.admit("b", now=0) is Admission.ADMITTED


@given(st.lists(st.integers(0, 3 * SECOND), max_size=60), st.integers(1, 5))
def test_no_window_of_time_admits_more_than_rate_and_burst(gaps, burst) -> None:
    limit, now, admitted = RateLimit(SECOND, burst), 0, []
    for gap in gaps:
        now += gap
        if limit.admit("a", now) is Admission.ADMITTED:
            admitted.append(now)
    for i, first in enumerate(admitted):
        for j in range(i, len(admitted)):
            assert j - i + 1 <= burst + (admitted[j] - first) // SECOND


@pytest.mark.parametrize(
    ("interval", "poll"), [(1, 0), (SECOND, 0), (SECOND + 1, 1), (2 * SECOND, 1), (64 * SECOND, 6)]
)
def test_the_poll_a_kiss_tells_keeps_within_the_limit(interval, poll) -> None:
    assert RateLimit(interval).poll == poll


@pytest.mark.parametrize(("interval", "burst", "capacity"), [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_an_impossible_limit_is_refused(interval, burst, capacity) -> None:
    with pytest.raises(BadConfig, match="above 0"):
        RateLimit(interval, burst, capacity)
