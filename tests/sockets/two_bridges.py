"""Two switches, and a host with a card on each: neighbours of neighbours that cannot hear each
other."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests import namespaces
from tests.namespaces import Host


@contextmanager
def two_bridges(left: int, right: int) -> Iterator[tuple[list[Host], list[Host], Host]]:
    """So many hosts on the left switch, so many on the right one, and one on both, whose addresses
    are ``ipv4`` on the left and ``ipv4_right`` on the right."""
    namespaces._require()
    with ExitStack() as stack:

        def namespace() -> str:
            return stack.enter_context(namespaces._namespace())

        switches = [namespace() for _ in range(2)]
        for switch in switches:
            bridge = ["ip", "-n", switch, "link", "add", "br0", "type", "bridge"]
            namespaces._check([*bridge, "mcast_snooping", "0"])
            namespaces._check(["ip", "-n", switch, "link", "set", "br0", "up"])
        hosts = [Host(namespace(), n + 1) for n in range(left + right + 1)]
        for host in hosts[left + 1 :]:
            host.ipv4 = host.ipv4.replace("10.77.", "10.78.")
        for n, host in enumerate(hosts):
            host._cable = _plug(host, host.device, switches[n > left], n)
            host._set_up()
        shared = hosts[left]
        second = _plug(shared, "eth1", switches[1], 99)
        shared.ipv4_right = "10.78.0.99"
        shared._ip("address", "add", f"{shared.ipv4_right}/24", "dev", "eth1")
        shared._ip("link", "set", "eth1", "up")
        namespaces.wait_until_they_carry([*second, *(end for host in hosts for end in host._cable)])
        yield hosts[:left], hosts[left + 1 :], shared


def _plug(host: Host, card: str, switch: str, number: int) -> list[tuple[str, str]]:
    """The ends of the new cable."""
    port = f"port{number}"
    cable = ["ip", "link", "add", card, "netns", host.name, "type", "veth"]
    namespaces._check([*cable, "peer", "name", port, "netns", switch])
    namespaces._check(["ip", "-n", switch, "link", "set", port, "master", "br0", "up"])
    return [(host.name, card), (switch, port)]
