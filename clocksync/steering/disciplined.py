"""A clock kept to NTP servers over real sockets: a context, a clock to read, events.  [I/O]

::

    async with clocksync.discipline(["ntp1.example.org", "ntp2.example.org"]) as clock:
        await clock.locked()
        clock.now()         # Interval: true time lies in it
        clock.read()        # the likeliest time, ns; never goes back

The system's clock is read and never set. :class:`DisciplinedClock` can be read from any thread; it
has the face of :class:`clocksync.bounded.BoundedClock`, and that of a stamp clock, so that
:class:`clocksync.serve.Server` can serve it.
"""

import asyncio
import threading
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from types import TracebackType
from typing import Any

from clocksync.measuring.resolver import Answer, Resolver, family_of
from clocksync.measuring.settings import HostSpec
from clocksync.ntp.codec import NtpCodec
from clocksync.runtime.clocks import reading_precision
from clocksync.runtime.core import Arrival, Effects, SilentCore, Stamp
from clocksync.runtime.entropy import UnpredictableRandom
from clocksync.runtime.errors import BadConfig, NotSynchronised
from clocksync.runtime.interval import Interval
from clocksync.runtime.udp import UdpDriver
from clocksync.steering.base import BaseClock
from clocksync.steering.discipline import Discipline
from clocksync.steering.hostclock import SleepWatch, host_base
from clocksync.steering.settings import DisciplineSettings
from clocksync.steering.states import HostJudged, State, StateChanged

PORTS_MAX = 32
UNRESOLVED = "unresolved"
RESOLVE_AGAIN_S = 30.0
"""A name that does not resolve is tried again after this: the network may not be up yet."""


class DisciplinedClock:
    """A clock whose reading never goes back, and an interval that contains true time.

    Both can be asked for from any thread. It is made by :func:`discipline`.
    """

    def __init__(
        self, core: Discipline, base: BaseClock, sleep: SleepWatch, lock: "threading.RLock"
    ) -> None:
        self.core = core
        self.base = base
        self._sleep = sleep
        self._lock = lock
        self._changed = asyncio.Event()
        self._latest: int | None = None
        self.on_sleep: Callable[[int], None] = lambda slept: None

    @property
    def state(self) -> State:
        """How the clock stands to true time."""
        return self.core.state

    @property
    def frequency_ppm(self) -> float:
        """How much faster it runs than this machine's oscillator."""
        return self.core.steering.rate_ppm

    def read(self) -> int:
        """The likeliest time, Unix ns; never less than was read before."""
        with self._lock:
            return self._given(self.core.read(self._now()))

    def now(self) -> Interval:
        """The interval that contains true time now, Unix ns.

        Raises:
            NotSynchronised: nobody knows; it is unlocked.
        """
        with self._lock:
            bound = self.core.bound_at(self._now())
        if bound is None:
            raise NotSynchronised("the clock is unlocked: no majority of its hosts was heard yet")
        return bound

    def error_bound_ns(self) -> int | None:
        """How far :meth:`read` can be off true time; None while nobody knows."""
        with self._lock:
            return self.core.error_bound_ns(self._now())

    def after(self, time_ns: int) -> bool:
        """Whether that instant has certainly passed; not certain of anything while unlocked."""
        return self._is_known() and self.now().earliest > time_ns

    def before(self, time_ns: int) -> bool:
        """Whether that instant has certainly not come yet."""
        return self._is_known() and self.now().latest < time_ns

    def at(self, system_reading: int, /) -> int:
        """What this clock showed when the system's clock showed `system_reading`, a moment ago."""
        with self._lock:
            return self.core.steering.at(self.base.at(system_reading))

    def offset_ns(self) -> int:
        """This clock minus the system's, now: positive where the system's is behind."""
        with self._lock:
            now = self.base.read()
            return self.core.steering.at(now) - self.base.wall_at(now)

    async def locked(self) -> None:
        """Wait until the clock is locked."""
        while self.core.state is not State.LOCKED:
            self._changed.clear()
            await self._changed.wait()

    def changed(self) -> None:
        """The state changed: whoever waits looks again."""
        self._changed.set()

    def _is_known(self) -> bool:
        return self.core.state is not State.UNLOCKED

    def _now(self) -> int:
        slept = self._sleep.slept_ns()
        if slept:  # before anything is read: the base stood still
            self.on_sleep(slept)
        return self.base.now()

    def _given(self, reading: int) -> int:
        # A correction is planned from the reading that its step began with; another thread may have
        # read a microsecond later meanwhile.
        self._latest = reading if self._latest is None else max(reading, self._latest)
        return self._latest


class _OnHost(SilentCore):
    """The core as the driver sees it: ``now`` is the base's, and one thread at a time."""

    def __init__(self, core: Discipline, base: BaseClock, lock: "threading.RLock") -> None:
        self._core, self._base, self._lock = core, base, lock
        self.due: list[Any] = []  # effects of verbs that came from other threads

    def call(self, verb: Callable[[int], Effects]) -> Effects:
        with self._lock:
            due, self.due = self.due, []
            return due + verb(self._base.now())

    def start(self, now: int) -> Effects:
        return self.call(self._core.start)

    def on_frame(self, arrival: Arrival, now: int) -> Effects:
        return self.call(lambda now: self._core.on_frame(arrival, now))

    def on_timer(self, timer: Hashable, now: int) -> Effects:
        return self.call(lambda now: self._core.on_timer(timer, now))

    def on_sent(self, tag: Hashable, stamp: Stamp, now: int) -> Effects:
        return self.call(lambda now: self._core.on_sent(tag, stamp, now))

    def on_refused(self, to: Hashable, tag: Hashable, reason: str, now: int) -> Effects:
        return self.call(lambda now: self._core.on_refused(to, tag, reason, now))


class DisciplineRun:
    """The context that :func:`discipline` returns: it measures while it is entered.

    ``clock`` can be had before; it is unlocked until the run is entered and hosts were heard.
    """

    def __init__(
        self,
        hosts: Sequence[str],
        settings: DisciplineSettings | None = None,
        *,
        family: int | None = None,
        source: str | None = None,
        on_event: Callable[[object], None] | None = None,
        base: BaseClock | None = None,
        sleep: SleepWatch | None = None,
    ) -> None:
        if not hosts:
            raise BadConfig("no host is named: say whom to follow")
        self.specs = [HostSpec.parse(name) for name in hosts]
        self._family, self._source = family_of(family, source), source
        self._on_event = on_event or (lambda event: None)
        base = base or host_base()
        if settings is None:
            settings = DisciplineSettings(precision_ns=reading_precision(base) + base.apart_ns)
        self._lock = threading.RLock()
        core = Discipline(
            settings,
            len(hosts),
            UnpredictableRandom(),
            epoch_ns=base.epoch_ns,
            now=base.now(),
        )
        self._core = _OnHost(core, base, self._lock)
        self.clock = DisciplinedClock(core, base, sleep or SleepWatch(), self._lock)
        self.clock.on_sleep = self._slept
        base.on_jump = lambda by: self._due(core.void)
        self.failures: dict[int, str] = {}
        """Why hosts are not asked, by their number."""
        self._driver: UdpDriver | None = None
        self._again: dict[int, asyncio.TimerHandle] = {}

    async def __aenter__(self) -> DisciplinedClock:
        self._driver = UdpDriver(
            self._core,
            NtpCodec(),
            on_event=self._told,
            clock=self.clock.base,
            source=self._source,
            ports=min(len(self.specs), PORTS_MAX),
        )
        self._driver.start()
        Resolver(self.specs, self._on_resolved, self._family).start()
        return self.clock

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._driver is not None:
            self._driver.close()
        for timer in self._again.values():
            timer.cancel()

    def _on_resolved(self, number: int, answer: Answer) -> None:
        if self._driver is None or self._driver.closed:
            return
        if isinstance(answer, str):
            if number not in self.failures:
                self._told(HostJudged(number, UNRESOLVED, answer))
            self.failures[number] = answer
            loop = asyncio.get_running_loop()
            self._again[number] = loop.call_later(RESOLVE_AGAIN_S, self._resolve_again, number)
            return
        self.failures.pop(number, None)
        verb = partial(self.clock.core.add, number, answer)
        self._driver.call(lambda now: self._core.call(verb))

    def _resolve_again(self, number: int) -> None:
        def answered(_: int, answer: Answer) -> None:
            self._on_resolved(number, answer)

        Resolver([self.specs[number]], answered, self._family).start()

    def _slept(self, slept_ns: int) -> None:
        self._due(lambda now: self.clock.core.slept(slept_ns, now))

    def _due(self, verb: Callable[[int], Effects]) -> None:
        """A verb of the core at once, on whatever thread this is; what comes of it is carried out
        by the driver's next step."""
        with self._lock:
            self._core.due += verb(self.clock.base.now())

    def _told(self, event: object) -> None:
        if isinstance(event, StateChanged):
            self.clock.changed()
        self._on_event(event)


def discipline(
    hosts: Sequence[str],
    settings: DisciplineSettings | None = None,
    *,
    family: int | None = None,
    source: str | None = None,
    on_event: Callable[[object], None] | None = None,
) -> DisciplineRun:
    """A clock that follows `hosts`, as an asynchronous context whose value it is.

    Needs no privileges and never touches the system's clock. What hosts do (silence, lies) shows in
    the clock's state and bound, never as an exception.

    Args:
        hosts: ``HOST``, ``HOST:PORT`` or ``[IPV6]:PORT``; port 123 by default.
        settings: how; see :class:`DisciplineSettings`.
        family: 4 or 6 to use one IP version only.
        source: local address to send from.
        on_event: told every :class:`~clocksync.steering.states.StateChanged`, ``ClockStepped``,
            ``HostJudged`` and ``Followed``, on the event loop's thread.

    Raises:
        BadConfig: a host or a setting is unusable.
    """
    return DisciplineRun(hosts, settings, family=family, source=source, on_event=on_event)
