"""Whose certificate it is (RFC 9525): names, wildcards, addresses, and nothing else."""

import pytest

from clocksync.nts.names import Names


@pytest.mark.parametrize(
    ("names", "host", "covered"),
    [
        (["ntp.test"], "ntp.test", True),
        (["ntp.test"], "NTP.Test.", True),
        (["NTP.test."], "ntp.test", True),
        (["ntp.test"], "antp.test", False),
        (["ntp.test"], "a.ntp.test", False),
        (["a.test", "b.test"], "b.test", True),
        (["*.ntp.test"], "a.ntp.test", True),
        (["*.ntp.test"], "A.NTP.TEST", True),
        (["*.ntp.test"], "ntp.test", False),
        (["*.ntp.test"], "a.b.ntp.test", False),
        (["*.ntp.test"], ".ntp.test", False),
        (["*.test"], "a.test", False),
        (["*"], "test", False),
        (["a*.ntp.test"], "ab.ntp.test", False),
        (["a.*.test"], "a.b.test", False),
        (["*.*.ntp.test"], "a.b.ntp.test", False),
        (["xn--mnchen-3ya.test"], "m\u00fcnchen.test", True),
        (["192.0.2.1"], "192.0.2.1", False),  # an address in a name's place
        (["*.0.2.1"], "192.0.2.1", False),
        ([], "ntp.test", False),
        ([""], "", False),
        (["ntp.test"], "ntp..test", False),
        (["ntp.test"], "ntp.test\0.evil", False),
        (["ntp.test\0.evil"], "ntp.test", False),
    ],
)
def test_a_name_is_covered_or_not(names: list[str], host: str, covered: bool) -> None:
    assert Names(names).cover(host) is covered


@pytest.mark.parametrize(
    ("addresses", "host", "covered"),
    [
        (["192.0.2.1"], "192.0.2.1", True),
        (["192.0.2.1"], "192.0.2.2", False),
        (["2001:db8::1"], "2001:db8:0:0::1", True),
        (["fe80::1"], "fe80::1%eth0", True),
        (["192.0.2.1"], "::ffff:192.0.2.1", False),
        (["192.0.2.1"], "ntp.test", False),
    ],
)
def test_an_address_is_compared_as_one(addresses: list[str], host: str, covered: bool) -> None:
    assert Names((), addresses).cover(host) is covered


def test_names_are_told_so_that_no_terminal_is_hurt() -> None:
    told = Names(["a.test", "\x1b[2J", "c.test", "d.test"]).told()
    assert told == "a.test, \\x1b[2J, c.test, ..."
    assert Names().told() == "nobody"
