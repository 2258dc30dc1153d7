"""Values on the command line that several commands read alike."""

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clocksync import __version__
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import parse_duration

if TYPE_CHECKING:
    from clocksync.inventory import Entry
    from clocksync.watching.rows import Target


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


def _version(context: typer.Context, wanted: bool) -> None:
    if wanted:
        typer.echo(f"{context.find_root().command.name} {__version__}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
]


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
Inventory = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="A TOML file of named hosts, such as deploy/hosts.toml."),
]
Group = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Only hosts of the inventory of this group; repeatable."),
]


Hosts = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[HOST[:PORT]]...", help="NTP servers; port 123 by default.", show_default=False
    ),
]
Rounds = Annotated[
    int,
    typer.Option(
        parser=duration,
        metavar="DURATION",
        help="Between rounds of requests; for servers of others 64s.",
    ),
]
Timeout = Annotated[
    int, typer.Option(parser=duration, metavar="DURATION", help="Wait this long for one answer.")
]
MaxDrift = Annotated[
    float, typer.Option(metavar="PPM", help="Largest rate difference that bounds allow for.")
]


def entries(inventory: Path | None, groups: list[str] | None) -> "tuple[Entry, ...]":
    """The hosts of the inventory file that are asked for; none where there is no file.

    Raises:
        BadConfig: it cannot be read, or is no inventory.
    """
    from clocksync.inventory import BYTES_MAX, parse_inventory, select

    if inventory is None:
        if groups:
            raise BadConfig("--group chooses from an inventory: name that with --inventory")
        return ()
    try:
        with inventory.open("rb") as file:
            data = file.read(BYTES_MAX + 1)
        text = data.decode("utf-8")
    except OSError as error:
        raise BadConfig(f"{inventory} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadConfig(f"{inventory}: no inventory: it is no UTF-8 text") from None
    if len(data) > BYTES_MAX:
        raise BadConfig(f"{inventory}: no inventory: it is larger than {BYTES_MAX >> 20} MB")
    return select(parse_inventory(text, str(inventory)), groups or (), str(inventory))


def targets(
    hosts: list[str] | None, inventory: Path | None, groups: list[str] | None, example: str
) -> "list[Target]":
    """What to watch: the hosts of the inventory file, and those that are named.

    Args:
        example: a command with a host, for who names none.

    Raises:
        BadConfig: there are none, or one cannot be read.
    """
    from clocksync.watching.rows import Target

    found = [entry.target for entry in entries(inventory, groups)]
    found += [Target.parse(host) for host in hosts or []]
    if not found:
        raise BadConfig(f"name at least one host, for example: {example}")
    return found
