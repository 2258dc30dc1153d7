"""A member's time from PTP masters, measured over and over in a thread of its own.  [I/O]"""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress

from clocksync.bounded import BoundedClock
from clocksync.measuring.measure import measure
from clocksync.measuring.result import Measurement
from clocksync.runtime.errors import NotSynchronised, ToolkitError
from clocksync.runtime.interval import Interval
from vsync.node.lookups import Note

END_S = 5.0
REST_S = 4.0
"""Between two measurements."""
SAMPLES = 4
"""Of a measurement: at a sample every 2 s the bound grows by 6 ms, by 500 ppm, until the next."""


async def measure_again(hosts: list[str]) -> Measurement:
    """One measurement, as often as it is polite to ask the NTP servers among them."""
    return await measure(hosts, samples=SAMPLES)


class Masters:
    """A clock that follows PTP masters, NTP servers beside them or not; the system's is left alone.

    Every measurement is that of ``clocksync measure``; from one to the next the monotonic clock
    leads on, and the bound grows.

    Args:
        hosts: as ``clocksync measure`` takes them.
        note: is told, a line each, when no majority of them agrees, and when one does again.
        ask: measures them.
    """

    def __init__(
        self,
        hosts: list[str],
        note: Note,
        ask: Callable[[list[str]], Awaitable[Measurement]] = measure_again,
    ) -> None:
        self.name = ",".join(hosts)
        self.state = "not measured yet"
        self._hosts, self._note, self._ask = hosts, note, ask
        self._clock: BoundedClock | None = None  # replaced whole
        self._loop: asyncio.AbstractEventLoop | None = None
        self._work: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._follow, name="vsync-ptp", daemon=True)

    def start(self) -> None:
        """Begin to measure."""
        self._loop = asyncio.new_event_loop()
        self._work = self._loop.create_task(self._measure())
        self._thread.start()

    def close(self) -> None:
        """Measure no more."""
        if self._loop is not None and self._work is not None:
            with suppress(RuntimeError):  # it has ended already
                self._loop.call_soon_threadsafe(self._work.cancel)
            self._thread.join(END_S)

    def now(self) -> Interval:
        """The interval that contains true time now.

        Raises:
            NotSynchronised: no majority was heard yet.
        """
        if self._clock is None:
            raise NotSynchronised("no majority of the masters was heard yet")
        return self._clock.now()

    def _follow(self) -> None:
        assert self._loop is not None, "started"
        assert self._work is not None, "started"
        try:
            with suppress(asyncio.CancelledError):
                self._loop.run_until_complete(self._work)
        finally:
            self._loop.close()

    async def _measure(self) -> None:
        while True:
            try:
                self._clock = BoundedClock.from_measurement(await self._ask(self._hosts))
            except (ToolkitError, OSError) as error:
                self._lost(str(error))
            else:
                if self.state not in ("measured", "not measured yet"):
                    self._note(f"time source {self.name}: measured")
                self.state = "measured"
            await asyncio.sleep(REST_S)

    def _lost(self, reason: str) -> None:
        if self.state != reason:
            self.state = reason
            self._note(f"time source {self.name}: {reason}; the bound grows until it is measured")
