"""Who is answered, and how often: an access list and a rate limit, both pure.

An :class:`AccessList` decides by the most specific network that holds the address, so the order in
which networks are named never matters. A :class:`RateLimit` lets each client ask once per interval
on average with a burst on top (the virtual scheduling algorithm of ITU-T I.371, "GCRA": one number
per client), and says when an over-eager client should be told so by a kiss-o'-death (RFC 5905
section 7.4, RFC 8633 section 3.5): at most once per interval, so that a forged flood of requests
does not become a flood of kisses.

Addresses are packed bytes, 4 or 16. A client's state is kept for its IPv4 address or its IPv6 /64,
which is what one host can usually choose from. All tables are bounded; the longest idle entry goes.
"""

import ipaddress
from collections import OrderedDict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from enum import Enum

from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import SECOND

IPV6_CLIENT_BYTES = 8


def client_of(address: Hashable) -> Hashable:
    """The client an address belongs to: the address itself, or the /64 of an IPv6 one.

    >>> client_of(bytes(16)) == bytes(8)
    True
    """
    if isinstance(address, bytes) and len(address) == 16:
        return address[:IPV6_CLIENT_BYTES]
    return address


class AccessList:
    """Networks that are answered and networks that are not; the most specific one decides.

    Without any network everybody is allowed. With `allow` networks the rest is denied; with only
    `deny` networks the rest is allowed. A network named in both is denied.

    Raises:
        BadConfig: a text is no address and no network.

    >>> access = AccessList(allow=["192.0.2.0/24"], deny=["192.0.2.7"])
    >>> access.permits(bytes([192, 0, 2, 1])), access.permits(bytes([192, 0, 2, 7]))
    (True, False)
    """

    def __init__(self, allow: Iterable[str] = (), deny: Iterable[str] = ()) -> None:
        allowed, denied = list(allow), list(deny)
        self._otherwise = not allowed
        # Per size of address in bytes, longest prefix first: (shift, {network: permitted}).
        self._rules: dict[int, list[tuple[int, dict[int, bool]]]] = {4: [], 16: []}
        for text, permitted in [*((t, True) for t in allowed), *((t, False) for t in denied)]:
            self._add(text, permitted)

    @property
    def is_open(self) -> bool:
        """Whether it permits everybody, whatever their address."""
        return self._otherwise and not any(self._rules.values())

    def permits(self, address: Hashable) -> bool:
        """Whether the host at `address` (packed) is answered. What has no address always is."""
        if not isinstance(address, bytes):
            return True
        number = int.from_bytes(address, "big")
        for shift, networks in self._rules[len(address)]:
            permitted = networks.get(number >> shift)
            if permitted is not None:
                return permitted
        return self._otherwise

    def _add(self, text: str, permitted: bool) -> None:
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise BadConfig(
                f"{text!r} is no network: write for example 192.0.2.0/24, 192.0.2.7 "
                "or 2001:db8::/32"
            ) from None
        shift = network.max_prefixlen - network.prefixlen
        rules = self._rules[network.max_prefixlen // 8]
        found = next((networks for known, networks in rules if known == shift), None)
        if found is None:
            found = {}
            rules.append((shift, found))
            rules.sort(key=lambda rule: rule[0])
        found[int(network.network_address) >> shift] = permitted


class Admission(Enum):
    """What a rate limit says about a request."""

    ADMITTED = "answer it"
    KISS = "tell the client to slow down"
    SILENCE = "the client was told"


@dataclass(slots=True)
class _Allowance:
    """One client's: when its next request would be exactly on time, and when a kiss is due."""

    due: int
    kiss_due: int


class RateLimit:
    """Each client may ask once per `interval_ns` on average, `burst` times at once.

    Raises:
        BadConfig: the interval, the burst or the capacity is not positive.
    """

    def __init__(self, interval_ns: int, burst: int = 8, capacity: int = 16_384) -> None:
        if interval_ns <= 0 or burst < 1 or capacity < 1:
            raise BadConfig(
                f"a rate limit needs an interval ({interval_ns} ns), a burst ({burst}) "
                f"and a capacity ({capacity}) above 0"
            )
        self.interval_ns = interval_ns
        self.burst = burst
        self._capacity = capacity
        self._tolerance = (burst - 1) * interval_ns
        self._clients: OrderedDict[Hashable, _Allowance] = OrderedDict()

    def __len__(self) -> int:
        return len(self._clients)

    @property
    def poll(self) -> int:
        """The smallest polling exponent that keeps within the limit: what a kiss tells."""
        exponent = 0
        while SECOND << exponent < self.interval_ns:
            exponent += 1
        return exponent

    def admit(self, client: Hashable, now: int) -> Admission:
        """Judge one request of `client` at `now` (monotonic ns) and remember it."""
        allowance = self._clients.get(client)
        if allowance is None:
            if len(self._clients) >= self._capacity:
                self._clients.popitem(last=False)
            self._clients[client] = _Allowance(now + self.interval_ns, now)
            return Admission.ADMITTED
        self._clients.move_to_end(client)
        if allowance.due - now <= self._tolerance:
            allowance.due = max(allowance.due, now) + self.interval_ns
            return Admission.ADMITTED
        if now >= allowance.kiss_due:
            allowance.kiss_due = now + self.interval_ns
            return Admission.KISS
        return Admission.SILENCE
