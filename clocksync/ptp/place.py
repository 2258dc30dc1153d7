"""How a user names a PTP master: ``ptp://HOST%INTERFACE``, with a domain where it is not 0."""

import re
from typing import NamedTuple

from clocksync.runtime.errors import BadConfig

SCHEME = "ptp://"
EVENT_PORT, GENERAL_PORT = 319, 320
_SHAPE = "write ptp://HOST%INTERFACE, ptp://HOST%INTERFACE/DOMAIN or, for unicast, ...?hybrid"


class PtpPlace(NamedTuple):
    """Where to listen, and for what."""

    interface: str
    domain: int = 0
    hybrid: bool = False
    """Whether delay requests go to the master alone, not to the group."""


def parse_place(text: str) -> tuple[str, PtpPlace]:
    """The host and the place that a text with :data:`SCHEME` names.

    Raises:
        BadConfig: it names none; the message says what is wrong with it.

    >>> parse_place("ptp://10.0.0.1%eth0/24?hybrid")
    ('10.0.0.1', PtpPlace(interface='eth0', domain=24, hybrid=True))
    """
    rest, _, query = text.removeprefix(SCHEME).partition("?")
    rest, slash, path = rest.partition("/")
    host, percent, interface = rest.rpartition("%")
    host = host.removeprefix("[").removesuffix("]")
    if not percent or not host or not interface:
        raise BadConfig(f"{text!r} does not say by which interface to listen: {_SHAPE}")
    if any(c.isspace() or not c.isprintable() or c in "@#" for c in rest):
        raise BadConfig(f"{text!r} is no host and interface")
    domains, hybrid = ([path] if slash else []), False
    for part in query.split("&") if query else []:
        key, _, value = part.partition("=")
        if key == "domain":
            domains.append(value)
        elif part in ("hybrid", "hybrid=1"):
            hybrid = True
        else:
            raise BadConfig(f"{text!r}: {part!r} is no option of a PTP host: {_SHAPE}")
    if len(domains) > 1:
        raise BadConfig(f"{text!r} names two domains: name one")
    domain = domains[0] if domains else "0"
    if not (re.fullmatch("[0-9]{1,3}", domain) and int(domain) < 256):
        raise BadConfig(f"{text!r}: the domain must be between 0 and 255")
    return host, PtpPlace(interface, int(domain), hybrid)
