"""The ring over IPv6: by IP multicast where that works, as over IPv4."""

import select
import time

import pytest

from tests.namespaces import pair
from tests.sockets.ring_members import members
from vsync.node.multicasting import interface_of, multicast_address
from vsync.node.sockets import Sockets

pytestmark = [pytest.mark.namespaces, pytest.mark.slow, pytest.mark.timeout(240)]
IPV6_MULTICASTS = "ff00::/8"
PORT = 5410


def by_ipv6(me, host):
    return host.ipv6


def by_link_local_address(me, host):
    return host.link_local


def by_both(me, host):
    """The first host has an address of another scope than the others."""
    return host.ipv6 if host.ipv6.endswith(":1") else host.link_local


@pytest.mark.parametrize("place", [by_link_local_address, by_both])
def test_messages_leave_by_ipv6_multicast_where_all_hear_it(tmp_path, place):
    with members(tmp_path, place=place) as group:
        group.run(1.0)
        group.until_transports(*["IP multicast"] * 3)


def test_a_member_that_hears_no_ipv6_multicast_gets_everything_by_unicast(tmp_path):
    with members(tmp_path, place=by_ipv6) as group:
        group.hosts[2].lose(1.0, to=IPV6_MULTICASTS)
        heard, unheard = "IP multicast", "unicast (not everybody hears IP multicast)"
        group.until_transports(unheard, heard, unheard)
        group.hosts[2].lose(0.0)
        group.until_transports(*["IP multicast"] * 3)


def heard(sockets, count):
    """What its ear hears, as it comes from each read."""
    reads, seen = [], 0
    ends = time.monotonic() + 30
    while seen < count and time.monotonic() < ends:
        select.select([sockets.ear], [], [], 0.1)
        for datagrams in sockets.receive([sockets.ear.fileno()]):
            reads.append([bytes(data) for data in datagrams])
            seen += len(datagrams)
    return reads


@pytest.fixture(params=["ipv6", "link_local"])
def ends(request):
    """Two that multicast to each other, one a host."""
    with pair() as hosts:
        at = {n: (getattr(host, request.param), PORT) for n, host in enumerate(hosts, 1)}
        made = []
        for me, host in enumerate(hosts, 1):
            others = {n: address for n, address in at.items() if n != me}
            to_all, why = multicast_address(7, at[me], others)
            assert why == ""
            with host.inside():
                made.append(Sockets(at[me], others, multicast=to_all))
        yield made
        for sockets in made:
            sockets.close()


def test_ipv6_multicasts_arrive_many_in_a_call_and_not_at_their_sender(ends):
    one, other = ends
    assert one.why_unicast == other.why_unicast == ""
    sent = [bytes([n]) * 1400 for n in range(20)]
    one.multicast(sent)
    reads = heard(other, 20)
    assert [data for read in reads for data in read] == sent
    assert one.counters["not sent"] == 0
    if one.sends_segments and other.takes_segments:
        assert len(reads) == 1
    other.multicast([b"back"])
    assert heard(one, 1) == [[b"back"]]


def test_where_no_interface_has_the_address_messages_go_by_unicast():
    with pair() as (left, _), left.inside():
        assert interface_of(left.ipv6) == interface_of(left.link_local.partition("%")[0])
        with pytest.raises(OSError, match="no interface has the address fd77::99"):
            interface_of("fd77::99")
        # The address of all interfaces is that of none.
        sockets = Sockets(("::", PORT), {}, multicast=("ff12::8000:7", PORT))
        assert sockets.ear is None
        assert sockets.why_unicast == "ff12::8000:7 cannot be used: no interface has the address ::"
        sockets.close()
