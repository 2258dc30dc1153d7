"""Whether a certificate is that of the host we asked for (RFC 9525).

OpenSSL below pyOpenSSL is not told the name, so it checks none: a certificate that anybody trusted
signed for anybody else would do. Here only the subject alternative names count, never the common
name; an address is compared as an address; a wildcard is a whole first label and stands for exactly
one, below at least two others.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Names:
    """The subject alternative names of a certificate."""

    dns: Sequence[str] = ()
    addresses: Sequence[str] = ()

    def cover(self, host: str) -> bool:
        """Whether the certificate is good for `host`, a name or a numeric address.

        >>> Names(["*.ntp.example"]).cover("a.ntp.example"), Names(["a.b"]).cover("c.a.b")
        (True, False)
        """
        wanted = address_of(host)
        if wanted is not None:
            return any(wanted == address_of(known) for known in self.addresses)
        name = to_ascii(host)
        return bool(name) and any(_matches(known, name) for known in self.dns)

    def told(self) -> str:
        """The names, for a message; few of them, and none that could hurt a terminal."""
        known = [*self.dns, *self.addresses]
        shown = ", ".join(ascii(name)[1:-1] for name in known[:3])
        return shown + (", ..." if len(known) > 3 else "") or "nobody"


def address_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The numeric address that `host` is, without its scope; None where it is a name."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


def to_ascii(host: str) -> str:
    """A host name as it is in certificates and on the wire: A-labels, lower case, no final dot;
    nothing where it can be no name."""
    try:
        return host.rstrip(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        return ""


def _matches(known: str, name: str) -> bool:
    known = known.rstrip(".").lower()
    if not known.startswith("*."):
        return known == name and "*" not in known
    rest = known[2:]
    first, dot, others = name.partition(".")
    return bool(first and dot) and others == rest and "." in rest and "*" not in rest
