"""A protocol between hosts of one's own, on a socket.  [I/O]

::

    settings = PeerSettings(id=2, listen=("10.0.0.2", 3190), key_file="fleet.key")
    async with Endpoint(core, FRAMES, settings, on_event=print) as endpoint:
        endpoint.call(core.begin)

Datagrams are sealed under the fleet's key, stamps are the kernel's, told in the clock that the
settings name. Nothing speaks without a key unless told to, but for hosts that are all on this
machine's loopback.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from clocksync.peers.datagram import Datagrams
from clocksync.peers.sealed import Sealed, Sealer
from clocksync.runtime.addresses import is_loopback
from clocksync.runtime.clocks import SoftwareClock
from clocksync.runtime.core import Core, Effects
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.mmsg import Address
from clocksync.runtime.udp import StampClock, SystemStampClock, UdpDriver
from clocksync.runtime.wire import Frame
from clocksync.security.datagram import ANYBODY
from clocksync.security.plain import PlainSealer

DEFAULT_PORT = 3190
NO_KEY = (
    "no key: make one with `clocksync key generate FILE`, give a copy to every host, and name it"
    " with --key; or say --insecure-plaintext"
)
BOTH = "a key and --insecure-plaintext contradict each other: leave out one"


def fleet_number(name: str) -> int:
    """What tells the datagrams of one fleet from another's, from its name; 1 to 2^32 - 1.

    >>> fleet_number("clocks")
    1872420538
    """
    digest = hashlib.sha256(b"clocksync fleet " + name.encode()).digest()
    return max(1, int.from_bytes(digest[:4], "big"))


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerSettings:
    """How a host takes part.

    Raises:
        BadConfig: two of them contradict each other, or there is no key where one is needed.
    """

    id: int
    """This host's number, 1 to 65,534, in no other of the fleet."""
    listen: Address
    """Numeric; port 0 takes any free one."""
    key_file: Path | None = None
    """The fleet's key (``clocksync key generate``), the same at all hosts."""
    insecure_plaintext: bool = False
    """Go without a key: anybody who reaches the port can move clocks."""
    fleet: str = "clocks"
    """The fleet's name: hosts of another take no notice."""
    addresses: Mapping[int, Address] = field(default_factory=dict)
    """Where others are, by number, as far as that is known; numeric."""
    contacts: tuple[Address, ...] = ()
    """Where others are whose number is not known; numeric."""
    multicast: Address | None = None
    """The multicast group the fleet hears."""
    interface: str | None = None
    """By which interface; None: that of `listen`."""

    def __post_init__(self) -> None:
        if not 0 < self.id < ANYBODY:
            raise BadConfig(f"--id {self.id}: hosts are numbered 1 to {ANYBODY - 1}")
        for number in self.addresses:
            if not 0 < number < ANYBODY:
                raise BadConfig(f"{number} is no host's number: these are 1 to {ANYBODY - 1}")
        if self.key_file is not None and self.insecure_plaintext:
            raise BadConfig(BOTH)
        everybody = [self.listen, *self.addresses.values(), *self.contacts]
        is_local = self.multicast is None and all(is_loopback(host) for host, _ in everybody)
        if self.key_file is None and not self.insecure_plaintext and not is_local:
            raise BadConfig(NO_KEY)

    def sealer(self) -> Sealer:
        """What keeps strangers out.

        Raises:
            BadConfig: the key file cannot be read, others can read it, or it is none.
        """
        cluster = fleet_number(self.fleet)
        if self.key_file is None:
            return PlainSealer(cluster, self.id)
        from clocksync.security import keys
        from clocksync.security.sealer import Sealer as AeadSealer

        try:
            ring = keys.read(self.key_file)
        except OSError as error:
            raise BadConfig(f"{self.key_file}: {error.strerror}") from None
        return AeadSealer(ring, cluster, self.id, os.urandom(16), os.urandom)


class Endpoint:
    """Runs `core` on a socket, from ``async with`` to its end.

    Args:
        frames: the frame classes of the protocol.
        on_event: called with the event of every ``Notify``.
        clock: what stamps are told in: the system's wall clock, or one over it that is wrong on
            purpose.
        kernel_stamps: False keeps to this program's own readings, for comparison.
    """

    def __init__(
        self,
        core: Core,
        frames: Iterable[type[Frame]],
        settings: PeerSettings,
        *,
        on_event: Callable[[object], None] | None = None,
        clock: StampClock | None = None,
        kernel_stamps: bool = True,
    ) -> None:
        self.core, self.settings = core, settings
        self.sealed = Sealed(
            core, settings.sealer(), frames, settings.addresses, settings.multicast
        )
        self._on_event, self._clock, self._kernel_stamps = on_event, clock, kernel_stamps
        self._driver: UdpDriver | None = None

    @property
    def driver(self) -> UdpDriver:
        """What runs it."""
        assert self._driver is not None, "an endpoint is open from `async with` on"
        return self._driver

    @property
    def address(self) -> Address:
        """Where it listens."""
        return self.driver.address

    def call(self, verb: Callable[[int], Effects]) -> None:
        """Call a verb of the protocol with ``now``, and carry out what it returns."""
        self.driver.call(lambda now: self.sealed.call(verb(now), now))

    async def __aenter__(self) -> Self:
        driver = UdpDriver(
            self.sealed,
            Datagrams(),
            on_event=self._on_event,
            clock=self._clock,
            listen=self.settings.listen,
            kernel_stamps=self._kernel_stamps,
        )
        try:
            if self.settings.multicast is not None:
                driver.join(self.settings.multicast, self.settings.interface)
            self._driver = driver
            driver.start()
        except BaseException:
            driver.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.driver.close()


def wrong_clock(offset_ns: int, rate_ppm: float) -> StampClock:
    """The system's clock, or one over it that is off by so much: for trying things out.

    Raises:
        BadConfig: no clock runs at that rate.
    """
    if not abs(rate_ppm) < 1_000_000:  # nor is it when it is not a number
        raise BadConfig(f"--rate {rate_ppm} is no clock: write less than 1000000 ppm")
    if not offset_ns and not rate_ppm:
        return SystemStampClock()
    return SoftwareClock(SystemStampClock(), offset_ns, rate_ppm)
