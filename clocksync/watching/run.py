"""Watching real hosts over sockets, until told to stop.  [I/O]

::

    run = WatchRun([Target.parse("ntp1")], on_report=print)
    await run.run(count=10)

The system clock is read, never touched.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial

from clocksync.measuring.resolver import Answer, Resolver, family_of
from clocksync.measuring.run import PORTS_MAX
from clocksync.measuring.settings import is_address
from clocksync.ntp.codec import NtpCodec
from clocksync.runtime.clocks import reading_precision
from clocksync.runtime.entropy import UnpredictableRandom
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.udp import StampClock, SystemStampClock, UdpDriver
from clocksync.runtime.units import SECOND
from clocksync.watching.core import Lost, Report, Watch
from clocksync.watching.rows import Target
from clocksync.watching.settings import WatchSettings
from clocksync.watching.ties import Tie

HOSTS_MAX = 10_000


class WatchRun:
    """One watch. Await :meth:`run` once; :meth:`stop` ends it.

    Args:
        targets: whom to watch; each name once.
        settings: how; by default every 2 s, without limits.
        on_report: called after each round.
        family: 4 or 6 to use one IP version only.
        source: local address to send from.
        clock: what to measure against, instead of the system's clock.
        kernel_stamps: False keeps to our own clock readings.

    Raises:
        BadConfig: a host is named twice, or there is none.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        settings: WatchSettings | None = None,
        *,
        on_report: Callable[[Report], None] | None = None,
        family: int | None = None,
        source: str | None = None,
        clock: StampClock | None = None,
        kernel_stamps: bool = True,
    ) -> None:
        if not targets:
            raise BadConfig("no host is named: say whom to watch")
        if len(targets) > HOSTS_MAX:
            raise BadConfig(f"at most {HOSTS_MAX:,} hosts can be watched, not {len(targets):,}")
        names = [target.name for target in targets]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise BadConfig(f"{twice} is named twice")
        clock = clock or SystemStampClock()
        if settings is None:
            settings = WatchSettings(precision_ns=reading_precision(clock))
        # The system's wall clock and its steady one are slewed together; another may drift.
        own = isinstance(clock, SystemStampClock)
        self.core = Watch(
            targets,
            settings,
            UnpredictableRandom(),
            partial(read_tie, clock),
            0.0 if own else settings.max_drift_ppm,
        )
        self._clock = clock
        self._family = family_of(family, source)
        self._source = source
        self._kernel_stamps = kernel_stamps
        self._on_report = on_report or (lambda report: None)
        self._count: int | None = None
        self._done = asyncio.Event()
        self._driver: UdpDriver | None = None
        self._failure: Exception | None = None

    def stop(self) -> None:
        """End it after what is being handled now."""
        self._done.set()

    async def run(self, duration_ns: int | None = None, count: int | None = None) -> None:
        """Watch for `duration_ns`, or `count` reports, or until :meth:`stop`.

        What `on_report` raises ends it and is raised here.
        """
        self._count = count
        self._driver = UdpDriver(
            self.core,
            NtpCodec(),
            on_event=self._on_event,
            clock=self._clock,
            source=self._source,
            ports=min(len(self.core.targets), PORTS_MAX),
            kernel_stamps=self._kernel_stamps,
        )
        try:
            # Numeric addresses are known at once; the first round asks them, names join later.
            Resolver([t.spec for t in self.core.targets], self._on_resolved, self._family).start()
            self._driver.start()
            try:
                limit_s = None if duration_ns is None else duration_ns / SECOND
                async with asyncio.timeout(limit_s):
                    await self._done.wait()
            except TimeoutError:
                pass
            self._driver.perform(self.core.close())
        finally:
            self._driver.close()
        if self._failure is not None:
            raise self._failure

    def _on_event(self, event: object) -> None:
        if isinstance(event, Report):
            try:
                self._on_report(event)
            except Exception as error:  # raised where the watch was started, not into the driver
                self._failure = self._failure or error
                self._done.set()
            if self._count is not None and event.number >= self._count:
                self._done.set()
        elif isinstance(event, Lost):
            spec = self.core.targets[event.host].spec
            if not is_address(spec.name):
                Resolver([spec], partial(self._on_again, event.host), self._family).start()

    def _on_again(self, host: int, _: int, answer: Answer) -> None:
        self._on_resolved(host, answer)

    def _on_resolved(self, host: int, answer: Answer) -> None:
        if self._driver is not None and not self._driver.closed and not self._done.is_set():
            self._driver.call(partial(self.core.resolved, host, answer))


def read_tie(clock: StampClock) -> Tie:
    """What `clock` shows between two readings of the machine's steadiest clock."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)  # goes on while the machine sleeps; Linux
    if boot is None:
        before, wall = time.monotonic_ns(), clock.read()
        return Tie(wall, before, time.monotonic_ns() - before)
    before, wall = time.clock_gettime_ns(boot), clock.read()
    after = time.clock_gettime_ns(boot)
    return Tie(wall, before, after - before, after - time.monotonic_ns())
