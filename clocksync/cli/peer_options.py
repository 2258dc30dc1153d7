"""What the commands for hosts of one's own have in common: who we are, where, under which key."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from clocksync.peers.endpoint import PeerSettings
    from clocksync.runtime.mmsg import Address

Id = Annotated[int, typer.Option("--id", metavar="N", help="This host's number, 1 to 65534.")]
Listen = Annotated[
    str, typer.Option("--listen", metavar="ADDRESS:PORT", help="Where this host is reached.")
]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--key",
        metavar="FILE",
        help="The fleet's key (clocksync key generate FILE), the same at every host.",
    ),
]
Insecure = Annotated[
    bool,
    typer.Option(
        "--insecure-plaintext",
        help="Go without a key: anybody who reaches the port can move clocks. On loopback alone "
        "no key is needed.",
    ),
]
Fleet = Annotated[
    str, typer.Option("--fleet", metavar="NAME", help="Hosts of other fleets take no notice.")
]
Offset = Annotated[
    str,
    typer.Option(
        metavar="S", help="Keep a software clock that starts ahead by this: 0.005, 5ms, -20us."
    ),
]
Rate = Annotated[
    float, typer.Option(metavar="PPM", help="Let it run faster by this, parts per million.")
]


@dataclass(frozen=True, slots=True)
class Host:
    """Who we are on the network, as it was written."""

    id: int
    listen: str
    key: Path | None
    insecure_plaintext: bool
    fleet: str

    async def settings(
        self,
        contacts: "tuple[Address, ...]" = (),
        multicast: tuple[str, str | None] | None = None,
    ) -> "PeerSettings":
        """The same, resolved.

        Args:
            multicast: a group, as it was written, and the interface to go by.

        Raises:
            BadConfig: an address is none, or there is no key where one is needed.
        """
        from clocksync.peers.endpoint import DEFAULT_PORT, PeerSettings
        from clocksync.runtime.addresses import numeric

        group, interface = multicast or (None, None)
        return PeerSettings(
            id=self.id,
            listen=await numeric(self.listen, DEFAULT_PORT),
            key_file=self.key,
            insecure_plaintext=self.insecure_plaintext,
            fleet=self.fleet,
            contacts=contacts,
            multicast=None if group is None else await numeric(group, DEFAULT_PORT + 1),
            interface=interface,
        )
