"""A member's time from NTP servers, measured in a thread of its own.  [I/O]"""

import asyncio
import threading
from contextlib import suppress

from clocksync.runtime.errors import NotSynchronised
from clocksync.runtime.interval import Interval
from clocksync.steering.disciplined import UNRESOLVED, DisciplineRun
from clocksync.steering.states import HostJudged, State, StateChanged
from vsync.node.lookups import Note

END_S = 5.0


class Servers:
    """A clock kept to NTP servers by :func:`clocksync.discipline`, in a thread of its own.

    Args:
        hosts: as ``clocksync discipline`` takes them.
        note: is told, a line each, of names that do not resolve, and when the servers are lost and
            found again.
    """

    def __init__(self, hosts: list[str], note: Note) -> None:
        self.name = ",".join(hosts)
        self._hosts, self._note = hosts, note
        self._run = DisciplineRun(hosts, on_event=self._on_event)
        self._was_lost = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over = asyncio.Event()
        self._thread = threading.Thread(target=self._follow, name="vsync-time", daemon=True)

    @property
    def state(self) -> str:
        """How the clock stands to true time."""
        return self._run.clock.state.value

    def start(self) -> None:
        """Begin to measure."""
        self._loop = asyncio.new_event_loop()
        self._thread.start()

    def close(self) -> None:
        """Measure no more."""
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended already
                self._loop.call_soon_threadsafe(self._over.set)
            self._thread.join(END_S)

    def now(self) -> Interval:
        """The interval that contains true time now, around what the clock shows.

        Raises:
            NotSynchronised: no majority of the servers was heard yet.
        """
        clock = self._run.clock
        reading, error = clock.read(), clock.error_bound_ns()
        if error is None:
            raise NotSynchronised("no majority of the servers was heard yet")
        return Interval.around(reading, error)

    def at(self, system_ns: int) -> int:
        """What the clock showed when the system's clock showed that, a moment ago."""
        return self._run.clock.at(system_ns)

    def _follow(self) -> None:
        assert self._loop is not None, "started"
        try:
            self._loop.run_until_complete(self._measure())
        except OSError as error:
            self._note(f"time source {self.name}: {error.strerror or error}")
        finally:
            self._loop.close()

    async def _measure(self) -> None:
        async with self._run:
            await self._over.wait()

    def _on_event(self, event: object) -> None:
        if isinstance(event, HostJudged) and event.standing == UNRESOLVED:
            self._note(f"time source {self._hosts[event.host]}: {event.reason}; tried again")
        elif isinstance(event, StateChanged):
            is_lost = event.after in (State.HOLDOVER, State.UNLOCKED)
            if is_lost or self._was_lost:
                self._note(f"time source {self.name}: {event}")
            self._was_lost = is_lost
