"""A host of the Berkeley algorithm on a socket.  [I/O]

::

    settings = BerkeleySettings(id=2, contact=("10.0.0.1", 3190))
    async with BerkeleyNode(settings, PeerSettings(...)) as node:
        await node.finished()
        print(node.read(), node.status().bound)
"""

import asyncio
import os
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from clocksync.berkeley.events import GaveUp, Obeyed, Over, RoundDone, Row
from clocksync.berkeley.frames import FRAMES
from clocksync.berkeley.host import BerkeleyHost, Status
from clocksync.berkeley.report import to_document
from clocksync.berkeley.settings import BerkeleySettings
from clocksync.peers.endpoint import Endpoint, PeerSettings
from clocksync.peers.steady import SteadyClock
from clocksync.runtime.mmsg import Address
from clocksync.runtime.udp import StampClock

GOOD, BAD, NOBODY = 0, 1, 2


class BerkeleyNode:
    """One host, from ``async with`` to its end.

    Args:
        clock: the host's own clock; by default one that begins as the system's and is never set.
        on_event: told every event of the core.
    """

    def __init__(
        self,
        settings: BerkeleySettings,
        peers: PeerSettings,
        *,
        clock: StampClock | None = None,
        on_event: Callable[[object], None] | None = None,
    ) -> None:
        boot = int.from_bytes(os.urandom(4), "big") or 1
        self.core = BerkeleyHost(settings, boot)
        self.clock = clock or SteadyClock()
        self.rounds = 0
        self._on_event = on_event or (lambda event: None)
        self._latest = 0
        self._obeyed: Obeyed | None = None
        self._over: Over | None = None
        self._excluded = 0
        self._gave_up = False
        self._done = asyncio.Event()
        self._endpoint = Endpoint(self.core, FRAMES, peers, on_event=self._note, clock=self.clock)
        self.core.me.where = self._endpoint.sealed.address_of

    @property
    def address(self) -> Address:
        """Where it listens."""
        return self._endpoint.address

    def read(self) -> int:
        """The steered clock, ns since the Unix epoch. It never goes back."""
        self._latest = max(self._latest, self.core.read(self.clock.read()))
        return self._latest

    def status(self) -> Status:
        """How it stands, with the bound of what :meth:`read` returns."""
        return self.core.status(self.clock.read())

    def leave(self) -> None:
        """End the run: a daemon's for all, a member's for itself."""
        self._endpoint.call(self.core.leave)

    async def finished(self) -> None:
        """Wait for the end of the run."""
        await self._done.wait()

    @property
    def rows(self) -> tuple[Row, ...]:
        """The clocks as far as this host knows them: a member knows its own."""
        if self.core.rows:
            return self.core.rows
        clock, obeyed, over = self.core.me.clock, self._obeyed, self._over
        reading = self.clock.read()
        own = Row(
            id=self.core.settings.id,
            difference=None,
            adjustment=obeyed.adjustment if obeyed is not None else 0,
            residual=over.residual if over is not None else None,
            bound=over.bound if over is not None and over.residual is not None else None,
            pending=clock.steering.pending(reading),
            excluded=obeyed is not None and obeyed.excluded,
            missed=self.core.member.missed if over is None else 0,
            told=clock.total,
            excluded_rounds=self._excluded,
            drifted=clock.drifted(reading),
        )
        return (own,)

    def document(self) -> dict[str, Any]:
        """The run so far as plain data: ``clocksync.berkeley/1``."""
        return to_document(self.status(), self.core.settings.id, self.rows, self.rounds)

    @property
    def exit_code(self) -> int:
        """0: it worked; 1: no majority of the clocks agreed in the end; 2: there was nobody."""
        if self._gave_up or not self.rounds:
            return NOBODY
        last = self.core.last_round
        if last is not None and all(row.bound is None for row in last.rows):
            return NOBODY if len(last.rows) < 2 else BAD
        return GOOD

    def _note(self, event: object) -> None:
        match event:
            case Obeyed():
                self._obeyed = event
                self._excluded += event.excluded
                self.rounds += 1
            case RoundDone(is_last=False):
                self.rounds += 1
            case Over():
                self._over = event
                self._done.set()
            case GaveUp():
                self._gave_up = True
                self._done.set()
        self._on_event(event)

    async def __aenter__(self) -> Self:
        await self._endpoint.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._endpoint.__aexit__(kind, error, traceback)
