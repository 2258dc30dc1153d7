"""What ``clocksync discipline`` does while it runs: print, serve, steer, end.  [I/O]"""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import cast

import typer

from clocksync.cli.stopping import when_told
from clocksync.runtime.addresses import format_endpoint, parse_endpoint
from clocksync.runtime.clocks import reading_precision
from clocksync.runtime.units import SECOND
from clocksync.serve import Server
from clocksync.steering.disciplined import DisciplinedClock, DisciplineRun
from clocksync.steering.hostclock import host_base
from clocksync.steering.settings import DisciplineSettings
from clocksync.steering.states import Event, State, StateChanged
from clocksync.steering.status import (
    Status,
    event_document,
    event_line,
    reference_of,
    status_document,
    status_line,
    status_of,
    to_json,
)
from clocksync.steering.system import SystemSteerer
from clocksync.steering.systemclock import (
    DryClock,
    Machine,
    SystemLock,
    open_system_clock,
    refusal,
)

EVERY_S = 1.0
"""How often what is served, and the system's clock, are brought up to date."""


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What the command line asked for."""

    hosts: list[str]
    settings: DisciplineSettings
    family: int | None
    source: str | None
    interval_ns: int
    duration_ns: int | None
    serve: str | None
    system: bool
    step_ns: int | None
    dry_run: bool
    json: bool
    quiet: bool
    machine: Machine | None = None
    """Whose clock ``system`` means; None: this one's."""


def run(wishes: Wishes) -> int:
    """Run until the time is up or a signal comes; the exit code.

    Raises:
        BadConfig: something that was asked for cannot be.
    """
    return asyncio.run(_Running(wishes).run())


class _Running:
    """One run of the command."""

    def __init__(self, wishes: Wishes) -> None:
        self.wishes = wishes
        base = host_base()
        precision = reading_precision(base) + base.apart_ns
        self.discipline = DisciplineRun(
            wishes.hosts,
            replace(wishes.settings, precision_ns=precision),
            family=wishes.family,
            source=wishes.source,
            on_event=self._on_event,
            base=base,
        )
        self.clock: DisciplinedClock = self.discipline.clock
        self.steerer: SystemSteerer | None = None
        self.server: Server | None = None
        self._done = asyncio.Event()

    async def run(self) -> int:
        wishes = self.wishes
        async with AsyncExitStack() as stack:
            if wishes.system:
                stack.enter_context(self._steering())
            if wishes.serve is not None:
                self.server = self._make_server(wishes.serve)
                await stack.enter_async_context(self.server)
                at = format_endpoint(*self.server.address)
                self._say(f"serving on {at}, not synchronised yet")
            when_told(self._done.set)
            await stack.enter_async_context(self.discipline)
            await self._until_done()
        return self._exit_code()

    async def _until_done(self) -> None:
        began = time.monotonic_ns()
        next_status = began + self.wishes.interval_ns
        limit = self.wishes.duration_ns
        while not self._done.is_set():
            now = time.monotonic_ns()
            if limit is not None and now >= began + limit:
                break
            if now >= next_status:
                self._print_status()
                next_status += self.wishes.interval_ns * (
                    1 + (now - next_status) // self.wishes.interval_ns
                )
            self._keep_up()
            ends = [next_status, now + round(EVERY_S * SECOND)]
            ends += [began + limit] if limit is not None else []
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.001, (min(ends) - now) / SECOND)):
                    await self._done.wait()
        self._print_status()

    def _keep_up(self) -> None:
        """Bring what is served, and the system's clock, up to date."""
        clock = self.clock
        if self.server is not None:
            self.server.responder.refer(reference_of(clock.core, clock.base.now()))
        if self.steerer is not None:
            offset = None if clock.state is State.UNLOCKED else clock.offset_ns()
            self.steerer.follow(clock.state, offset, clock.frequency_ppm, clock.error_bound_ns())

    def _exit_code(self) -> int:
        if self.clock.state is State.LOCKED:
            return 0
        heard = any(source.association.answered for source in self.clock.core.sources.values())
        return 1 if heard else 2

    # Serving

    def _make_server(self, place: str) -> Server:
        host, port = parse_endpoint(place)
        server = Server(
            self.clock,
            bind=host,
            port=port,
            reference=reference_of(self.clock.core, self.clock.base.now()),
        )
        server.open()
        return server

    # Steering

    @contextmanager
    def _steering(self) -> Iterator[None]:
        lock: SystemLock | None = None
        if self.wishes.dry_run:
            why = refusal(self.wishes.machine or Machine())
            if why is not None:
                self._say(f"would refuse: {why}")
            self.steerer = SystemSteerer(DryClock(self._say), self.wishes.step_ns)
        else:
            kernel, lock = open_system_clock(self.wishes.machine)
            self.steerer = SystemSteerer(kernel, self.wishes.step_ns)
        try:
            yield
        finally:
            self.steerer.leave()
            if lock is not None:
                lock.close()

    # Printing

    def _on_event(self, event: object) -> None:
        told, now = cast(Event, event), self.clock.read()
        if self.wishes.json:
            document = event_document(told, self.wishes.hosts, now)
            self._print(None if document is None else to_json(document))
        else:
            self._print(event_line(told, self.wishes.hosts, now))
        if isinstance(told, StateChanged):
            self._keep_up()

    def _print_status(self) -> None:
        if self.wishes.quiet:
            return
        status = self.status()
        as_json = self.wishes.json
        self._print(to_json(status_document(status)) if as_json else status_line(status))

    def status(self) -> Status:
        """The clock as it stands."""
        clock = self.clock
        now = clock.base.now()
        system = clock.base.wall_at(now + clock.base.epoch_ns)
        return status_of(clock.core, self.wishes.hosts, now, system, self.discipline.failures)

    def _say(self, line: str) -> None:
        """Something that is no JSON goes to standard error where standard output is."""
        typer.echo(line, err=self.wishes.json)

    def _print(self, line: str | None) -> None:
        if line is None:
            return
        try:
            typer.echo(line)
        except BrokenPipeError:  # nobody reads any more: end as if told to
            self._done.set()
            raise
