"""Reading and following a remote clock over real sockets.  [I/O]

::

    async with CristianClock("ntp1", within_ns=200_000) as clock:
        print(clock.now())      # an Interval that contains what ntp1's clock shows
        print(clock.read())     # a clock that is steered to it and never goes back
"""

import asyncio
import ipaddress
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from clocksync.cristian.reader import CristianReader, Failed, Read
from clocksync.cristian.reading import Reading
from clocksync.cristian.settings import CristianSettings
from clocksync.cristian.sources import NtpSource, PeerSource, Source
from clocksync.measuring.measure import run_blocking
from clocksync.measuring.settings import NTP_PORT, HostSpec
from clocksync.ntp.codec import NtpCodec
from clocksync.peers.endpoint import DEFAULT_PORT, Endpoint, PeerSettings
from clocksync.peers.frames import Echo, Probe
from clocksync.peers.steady import SteadyClock
from clocksync.runtime.addresses import resolve
from clocksync.runtime.clocks import reading_precision
from clocksync.runtime.entropy import UnpredictableRandom
from clocksync.runtime.errors import BadConfig, NotSynchronised
from clocksync.runtime.interval import Interval
from clocksync.runtime.mmsg import Address
from clocksync.runtime.udp import StampClock, UdpDriver
from clocksync.runtime.units import MILLISECOND, SECOND

PUBLIC_INTERVAL_NS = 2 * SECOND
OWN_INTERVAL_NS = 100 * MILLISECOND


def polite_interval_ns(address: Address) -> int:
    """How often an address may be asked: 2 s apart where it is public (RFC 8633 section 3.3)."""
    is_own = ipaddress.ip_address(address[0].partition("%")[0]).is_private
    return OWN_INTERVAL_NS if is_own else PUBLIC_INTERVAL_NS


class CristianClock:
    """Follows the clock of `host`, from ``async with`` to its end.

    Args:
        host: ``HOST``, ``HOST:PORT`` or ``[IPV6]:PORT`` of an NTP server (port 123), or, with
            `peers`, of one of our own hosts that answers probes (``clocksync agent``).
        within_ns: the bound that is asked for.
        interval_ns: between attempts; None: 100 ms for private addresses, 2 s for public ones.
        clock: our own; by default one that begins as the system's and is never set.
        on_event: told every reading, failure and step.
        settings: more of :class:`CristianSettings`.
    """

    def __init__(
        self,
        host: str,
        within_ns: int,
        *,
        interval_ns: int | None = None,
        peers: PeerSettings | None = None,
        clock: StampClock | None = None,
        follows: bool = True,
        on_event: Callable[[object], None] | None = None,
        **settings: Any,
    ) -> None:
        self.clock = clock or SteadyClock()
        precision_ns = reading_precision(self.clock)
        self._settings = CristianSettings(
            within_ns=within_ns,
            interval_ns=OWN_INTERVAL_NS if interval_ns is None else interval_ns,
            precision_ns=precision_ns,
            **settings,
        )
        self._spec = spec = HostSpec.parse(host)
        if spec.nts:
            raise BadConfig(f"{spec.text}: NTS is for `clocksync measure`; this asks by plain NTP")
        if peers is not None and spec.port == NTP_PORT and not host.rstrip().endswith(":123"):
            self._spec = replace(spec, port=DEFAULT_PORT)
        self._is_polite = interval_ns is None
        self._peers, self._follows = peers, follows
        self._on_event = on_event or (lambda event: None)
        self._driver: UdpDriver | None = None
        self._endpoint: Endpoint | None = None
        self._core: CristianReader | None = None
        self._latest = 0
        self._first: asyncio.Future[Reading] | None = None
        self.address: Address | None = None

    @property
    def core(self) -> CristianReader:
        """What reads."""
        assert self._core is not None, "a clock is followed from `async with` on"
        return self._core

    async def reading(self) -> Reading:
        """The first reading; wait for it.

        Raises:
            NotSynchronised: it failed, and why.
        """
        assert self._first is not None, "a clock is read from `async with` on"
        return await asyncio.shield(self._first)

    def when_read(self, done: Callable[[], None]) -> None:
        """Call `done` once the first reading is there, or has failed."""
        assert self._first is not None, "a clock is read from `async with` on"
        self._first.add_done_callback(lambda first: done())

    def now(self) -> Interval:
        """What the remote clock shows, ns since the Unix epoch.

        Raises:
            NotSynchronised: it was not read yet.
        """
        remote = self.core.remote(self.clock.read())
        if remote is None:
            raise NotSynchronised(f"{self._spec.text} was not read yet")
        return remote

    def read(self) -> int:
        """The steered clock, ns since the Unix epoch. It never goes back."""
        self._latest = max(self._latest, self.core.read(self.clock.read()))
        return self._latest

    def error_bound(self) -> int | None:
        """How far the steered clock may be from the remote one, ns; None: it was not read yet."""
        return self.core.error_bound(self.clock.read())

    def _note(self, event: object) -> None:
        first = self._first
        if first is not None and not first.done():
            if isinstance(event, Read):
                first.set_result(event.reading)
            elif isinstance(event, Failed):
                first.set_exception(NotSynchronised(f"{self._spec.text}: {event.why}"))
                first.exception()  # whoever does not wait for it need not hear of it
        self._on_event(event)

    async def __aenter__(self) -> Self:
        self._first = asyncio.get_running_loop().create_future()
        self.address = address = await resolve((self._spec.name, self._spec.port))
        settings = self._settings
        if self._is_polite and self._peers is None:
            settings = replace(settings, interval_ns=polite_interval_ns(address))
        rng = UnpredictableRandom()
        source: Source
        if self._peers is None:
            source = NtpSource(address, rng, settings.interval_ns, settings.precision_ns)
            self._core = CristianReader(source, settings, rng, self._follows)
            driver = UdpDriver(self._core, NtpCodec(), on_event=self._note, clock=self.clock)
            self._driver = driver
            driver.start()
            return self
        peers = replace(self._peers, contacts=(address,))
        source = PeerSource(address, rng.getrandbits(63), settings.precision_ns)
        self._core = CristianReader(source, settings, rng, self._follows)
        self._endpoint = Endpoint(
            self._core, (Probe, Echo), peers, on_event=self._note, clock=self.clock
        )
        await self._endpoint.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._driver is not None:
            self._driver.close()
        if self._endpoint is not None:
            await self._endpoint.__aexit__(kind, error, traceback)


async def read_clock(host: str, within_ns: int, **settings: Any) -> Reading:
    """Read a remote clock to within `within_ns`, or as well as `attempts` allow.

    Args: as :class:`CristianClock`.

    Raises:
        NotSynchronised: there is no reading, and why.
        BadConfig: a setting is impossible, or the name does not resolve.
    """
    async with CristianClock(host, within_ns, follows=False, **settings) as clock:
        return await clock.reading()


def read_clock_sync(host: str, within_ns: int, **settings: Any) -> Reading:
    """:func:`read_clock` for programs without an event loop; works inside one too, on a thread."""
    return run_blocking(read_clock(host, within_ns, **settings))
