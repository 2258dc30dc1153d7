"""What tells a member the time, by its name on the command line or in a file.  [I/O]

======================  ==========================================================================
``kernel``              the system's clock, with the bound that its kernel keeps
``chronyd``             the system's clock, with the bound that the chronyd of this machine tracks
``HOST[,HOST...]``      a clock of our own, kept to these NTP servers; the system's is left alone
``ptp://HOST%IFACE``    a clock of our own that follows this PTP master, as ``clocksync measure``
                        measures it; several, or NTP servers beside it, as above
``none``                the system's clock, of which nothing is known
======================  ==========================================================================

A source is read at every step of the ring, so it only ever reads memory: what takes longer has a
thread of its own.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from clocksync.chronyd import Tracking, read_tracking
from clocksync.kernel_clock import UNSYNCHRONISED_NS
from clocksync.measuring.settings import HostSpec
from clocksync.ntp.sample import MAX_DRIFT_PPM
from clocksync.runtime.clocks import drift_allowance
from clocksync.runtime.errors import BadConfig, NotSynchronised
from clocksync.runtime.interval import Interval
from vsync.node.clock import SystemClock
from vsync.node.lookups import Note

if TYPE_CHECKING:
    from vsync.node.timeptp import Masters
    from vsync.node.timeservers import Servers

KERNEL, CHRONYD, NONE = WORDS = ("kernel", "chronyd", "none")
"""Sources that are one word."""
ASK_CHRONYD_S = 2.0
"""Between two questions the bound grows by 500 ppm: by a millisecond at the most."""
NOT_YET = "not synchronised"
"""What :mod:`clocksync.chronyd` says of a chronyd that runs and has no time yet."""


class Named(Protocol):
    """A time source that says what it is, and how it is, in a few words."""

    name: str

    @property
    def state(self) -> str: ...

    def now(self) -> Interval: ...


class Unknown:
    """The system's clock, of which nothing is known."""

    name = NONE
    state = "nothing is known"

    def now(self) -> Interval:
        """As wide as of a clock that nobody disciplines."""
        return Interval.around(time.time_ns(), UNSYNCHRONISED_NS)

    def at(self, system_ns: int) -> int:
        """It is the system's clock."""
        return system_ns


class Chronyd:
    """The system's clock, with the bound that the chronyd of this machine tracks.

    The bound lies around the clock itself, chronyd's correction under way included, so that what
    the clock shows stays the middle, smooth as chronyd steers it. While chronyd does not answer,
    the bound grows. A step of the clock by somebody else is seen with the next answer.

    Args:
        note: is told, a line each, when chronyd stops to answer, and when it answers again.
        read: asks it.

    Raises:
        BadConfig: there is no chronyd that answers.
    """

    name = CHRONYD

    def __init__(self, note: Note, read: Callable[[], Tracking] = read_tracking) -> None:
        self._note, self._read = note, read
        self._known: tuple[int, int] | None = None  # a bound, and when it held; replaced whole
        self.state = ""
        self._over = threading.Event()
        try:
            self._ask()
        except NotSynchronised as error:
            if NOT_YET not in error.reason:
                raise BadConfig(
                    f"time source chronyd: {error.reason}; start chronyd, or name another source"
                ) from None
            self._lost(error.reason)
        self._thread = threading.Thread(target=self._run, name="vsync-chronyd", daemon=True)

    def start(self) -> None:
        """Keep asking."""
        self._thread.start()

    def close(self) -> None:
        """Ask no more."""
        self._over.set()

    def now(self) -> Interval:
        """The interval that contains true time now."""
        known, wall = self._known, time.time_ns()
        if known is None:
            return Interval.around(wall, UNSYNCHRONISED_NS)
        error, at = known
        grown = drift_allowance(time.monotonic_ns() - at, MAX_DRIFT_PPM)
        return Interval.around(wall, min(error + grown, UNSYNCHRONISED_NS))

    def at(self, system_ns: int) -> int:
        """It is the system's clock."""
        return system_ns

    def renew(self) -> None:
        """Ask for the bound now."""
        try:
            self._ask()
        except NotSynchronised as error:
            if self._known is None or self.state == "synchronised":
                self._lost(error.reason)

    def _ask(self) -> None:
        asked = time.monotonic_ns()
        interval = self._read().interval
        # As of when it was asked: the bound has grown since, if anything.
        self._known = max(interval.latest, -interval.earliest), asked
        if self.state not in ("", "synchronised"):
            self._note("time source chronyd: synchronised")
        self.state = "synchronised"

    def _lost(self, reason: str) -> None:
        if self.state != reason:
            self.state = reason
            self._note(f"time source chronyd: {reason}; the bound grows until it is")

    def _run(self) -> None:
        while not self._over.wait(ASK_CHRONYD_S):
            self.renew()


def servers_of(said: str) -> list[str]:
    """The servers that a source names; none where it is one of the words.

    Raises:
        BadConfig: it is neither.

    >>> servers_of("chronyd"), servers_of("ntp1.example, 10.0.0.9:1123")
    ([], ['ntp1.example', '10.0.0.9:1123'])
    """
    if said in WORDS:
        return []
    hosts = [host.strip() for host in said.split(",")]
    for host in hosts:
        if host in WORDS:
            raise BadConfig(f"time source {said}: {host} stands alone")
        spec = HostSpec.parse(host)
        if spec.nts:
            raise BadConfig(f"time source {host}: servers are asked by plain NTP here, or by PTP")
    if len(set(hosts)) < len(hosts):
        raise BadConfig(f"time source {said}: a server is named twice")
    return hosts


@contextmanager
def opened(said: str, note: Note) -> Iterator[Named | None]:
    """The time source of that name, kept up to date until the end; None: the kernel's.

    Raises:
        BadConfig: there is no such source here; one line.
    """
    hosts = servers_of(said)
    if said in (KERNEL, NONE):
        yield None if said == KERNEL else Unknown()
        return
    source = _hosts(hosts, note) if hosts else Chronyd(note)
    source.start()
    try:
        yield source
    finally:
        source.close()


def _hosts(hosts: list[str], note: Note) -> "Servers | Masters":
    # What measures takes a while to load.
    if any(HostSpec.parse(host).ptp is not None for host in hosts):
        from vsync.node.timeptp import Masters

        return Masters(hosts, note)
    from vsync.node.timeservers import Servers

    return Servers(hosts, note)


def bound_now(said: str) -> int | None:
    """How far the clock can be off now, ns, as a source says that can be asked at once; None: it
    takes longer.

    Raises:
        BadConfig: it cannot be used.
    """
    if servers_of(said):
        return None
    if said == KERNEL:
        return SystemClock().error_ns
    return (Unknown() if said == NONE else Chronyd(lambda line: None)).now().error
