"""Values on the command line that several commands read alike."""

from enum import Enum
from typing import Annotated

import typer

from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import parse_duration


def duration(text: str) -> int:
    """A duration option's text as ns; a usage error where it is none."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def family(ipv4: bool, ipv6: bool) -> int | None:
    """What ``-4`` and ``-6`` ask for together."""
    if ipv4 and ipv6:
        raise BadConfig("-4 and -6 exclude each other")
    return 4 if ipv4 else 6 if ipv6 else None


class Dialect(Enum):
    """Whose file of keys it is: a copy of :class:`clocksync.ntp.keys.Dialect`, which would load
    cryptography with the command line."""

    AUTO = "auto"
    CHRONY = "chrony"
    NTPSEC = "ntpsec"


KeysFormat = Annotated[
    Dialect,
    typer.Option(help="Who wrote the file of keys; needed where chrony and ntpsec differ on it."),
]
IPv4 = Annotated[bool, typer.Option("-4", "--ipv4", help="Use IPv4 only.")]
IPv6 = Annotated[bool, typer.Option("-6", "--ipv6", help="Use IPv6 only.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
