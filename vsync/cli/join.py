"""``vsync join``: be a member of a group, for people or unattended.  [I/O]"""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Annotated

import typer

from clocksync.exposition import library
from clocksync.runtime.errors import BadConfig, ToolkitError
from vsync.cli import standard_input
from vsync.cli.effective import Effective, effective, peers_of, said_on_the_command_line
from vsync.cli.join_view import live, told
from vsync.events import Configuration, Messages
from vsync.identity import Service
from vsync.node.clock import TimeSource
from vsync.node.declared import MTU_MAX, MTU_MIN
from vsync.node.group import Group
from vsync.node.joining import Endpoint, Joining
from vsync.node.joining import join as join_group
from vsync.node.message import Event, NotAMember
from vsync.node.metrics import Counted, serving
from vsync.node.tally import Tally
from vsync.node.timesource import opened
from vsync.node.told import SlowConsumer, StateNotSaved

SCHEMA = "vsync.join/1"
TICK_S = 0.01
BATCH_MOST = 1000


def join(
    group: Annotated[
        str | None, typer.Argument(metavar="GROUP", help="The group's name; or in --config.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Settings (TOML); options go over what is in it.")
    ] = None,
    id: Annotated[
        str | None,
        typer.Option(
            "--id",
            envvar="VSYNC_ID",
            help='This member\'s number, its own in the group; "hostname": that at the end of the'
            " host's name, and 1.",
        ),
    ] = None,
    listen: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Where to receive.")
    ] = None,
    peer: Annotated[
        list[str] | None, typer.Option(metavar="ID=HOST:PORT", help="Another member; repeatable.")
    ] = None,
    wait_for_peers: Annotated[
        str | None,
        typer.Option(
            metavar="S", help="How long to wait for their names; then start without those."
        ),
    ] = None,
    key_file: Annotated[
        str | None, typer.Option(help="The group's key (vsync key generate FILE).")
    ] = None,
    insecure_plaintext: Annotated[
        bool, typer.Option("--insecure-plaintext", help="Go without a key and unprotected.")
    ] = False,
    service: Annotated[
        Service | None, typer.Option(help="How what is sent here is ordered.  [default: agreed]")
    ] = None,
    state: Annotated[
        str | None, typer.Option(help="Directory for what must outlive a crash.")
    ] = None,
    history: Annotated[
        str | None, typer.Option(help="Append what happens to this file (JSON Lines).")
    ] = None,
    rate: Annotated[
        float, typer.Option(help="Unattended: multicast so many messages a second.")
    ] = 0.0,
    size: Annotated[int, typer.Option(help="Bytes of each.")] = 64,
    multicast: Annotated[
        bool | None,
        typer.Option("--multicast/--no-multicast", help="IP multicast, where it works."),
    ] = None,
    duration: Annotated[
        float | None, typer.Option(help="Leave after so many seconds; default: on Ctrl-C.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON at the end.")] = False,
    preset: Annotated[
        str | None, typer.Option(help="Of the network: loopback, lan, wan.  [default: lan]")
    ] = None,
    mtu: Annotated[int | None, typer.Option(help="Of the network, bytes.  [default: 1500]")] = None,
    token_timeout: Annotated[
        str | None, typer.Option(help="Silence after which a member is given up.  [default: 1s]")
    ] = None,
    status_socket: Annotated[
        str | None, typer.Option(metavar="PATH", help='Where `vsync status` asks; or "none".')
    ] = None,
    time_source: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            help="What tells the time: kernel, chronyd, none, NTP servers HOST[,HOST...], or a PTP"
            " master ptp://HOST%INTERFACE.  [default: kernel]",
        ),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(metavar="[HOST:]PORT", help="Serve Prometheus metrics; HOST: 127.0.0.1."),
    ] = None,
) -> None:
    """Join a group: see its members and messages, and type to multicast.

    With --rate, --duration or --json it works unattended. SIGTERM and Ctrl-C leave cleanly; SIGHUP
    reads the key file again.
    Exit 0: left; 1: the member had to stop; 2: usage.
    """
    if rate < 0 or rate > 10_000_000:
        raise BadConfig(f"--rate {rate:g} is not in 0 to 10,000,000")
    if duration is not None and not 0 < duration <= 10_000_000:
        raise BadConfig(f"--duration {duration:g} is not in 0 to 10,000,000")
    if mtu is not None and not MTU_MIN <= mtu <= MTU_MAX:
        raise BadConfig(f"--mtu {mtu} is not in {MTU_MIN} to {MTU_MAX:,}")
    said = said_on_the_command_line(
        group=group,
        id=id,
        listen=listen,
        peer=peer or (),
        wait_for_peers=wait_for_peers,
        key_file=key_file,
        insecure_plaintext=insecure_plaintext or None,
        service=service,
        state=state,
        history=history,
        multicast=multicast,
        preset=preset,
        mtu=mtu,
        token_timeout=token_timeout,
        status_socket=status_socket,
        metrics=metrics,
        time_source=time_source,
    )
    member = effective(said, config)
    if not 0 <= size <= member.config.message_bytes_max:
        raise BadConfig(f"--size {size} is not in 0 to {member.config.message_bytes_max}")
    if member.metrics is not None:
        library()  # is it there? Better asked before others see us
    with (
        opened(member.time_source, _note) as clock,
        peers_of(member, _note) as (peers, found),
    ):
        joining = _joining(member, peers, clock)
        joining.found, joining.note = found, _note
        run = Run(joining, member.service, rate, size, duration, as_json)
        run.metrics = member.metrics
        try:
            asyncio.run(run.go())
        except* (SlowConsumer, StateNotSaved, NotAMember) as failed:
            typer.echo(f"vsync: {failed.exceptions[0]}", err=True)
            raise typer.Exit(1) from None


def _note(line: str) -> None:
    typer.echo(f"vsync: {line}", err=True)


def _joining(member: Effective, peers: Mapping[int, Endpoint], clock: TimeSource | None) -> Joining:
    said = member.settings
    where, is_said = member.status_socket()
    joining = join_group(
        member.group,
        id=member.id,
        listen=member.listen,
        peers=peers,
        key=said.key_file,
        insecure_plaintext=bool(said.insecure_plaintext),
        state=said.state,
        history=said.history,
        config=member.config,
        multicast=said.multicast is not False,
        clock=clock,
        status=where,
    )
    joining.status_must_be = is_said
    return joining


class Run:
    """One member from joining to leaving."""

    def __init__(
        self,
        joining: Joining,
        service: Service,
        rate: float,
        size: int,
        duration: float | None,
        as_json: bool,
    ) -> None:
        self.joining, self.service = joining, service
        self.rate, self.size, self.duration, self.as_json = rate, size, duration, as_json
        self.tally = Tally()
        self.submitted = 0
        self.transport = ""
        self.metrics: tuple[str, int] | None = None
        """Where to serve metrics."""
        self._over = asyncio.Event()

    async def go(self) -> None:
        """From joining to having left."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._over.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        is_quiet = self.as_json or self.rate or standard_input.is_nothing()
        is_live = not is_quiet and sys.stdin.isatty() and sys.stdout.isatty()
        async with self.joining as group:
            with self._measured():
                await self._take_part(group, is_live)
        self._finish()

    async def _take_part(self, group: Group, is_live: bool) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._receive(group, is_live))
            speaking = tasks.create_task(self._speak(group, is_live))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), self.duration)
            speaking.cancel()
            self.transport = group.loop.transport
            await group.leave()

    def _measured(self) -> AbstractContextManager[object]:
        """Metrics, if they are asked for, until the end."""
        if self.metrics is None:
            return nullcontext()
        assert self.joining.observer is not None, "entered"
        return serving(self.metrics, self.joining.observer, self._count)

    def _count(self) -> Counted:
        tally = self.tally
        return Counted(self.submitted, tally.delivered, len(tally.configurations))

    async def _speak(self, group: Group, is_live: bool) -> None:
        """Multicast, whatever there is."""
        if self.rate:
            await self._send(group)
        elif is_live:
            await live(group, self.tally, self._over, self.say)
        elif not self.as_json:
            await self._read_lines(group)

    def _reload(self) -> None:
        """Take a step of a key's rotation; a file that is wrong changes nothing."""
        try:
            self.joining.reload_key()
        except ToolkitError as error:
            typer.echo(f"vsync: the key stays as it was: {error}", err=True)

    async def say(self, group: Group, text: str) -> None:
        """Multicast what somebody typed."""
        await group.multicast(text.encode(), self.service)
        self.submitted += 1

    async def _receive(self, group: Group, is_live: bool) -> None:
        shows = not is_live and not self.as_json
        async for events in group.batches():
            for event in events:
                self.tally.take(event)
                if shows:
                    self._show(event)
        self._over.set()

    def _show(self, event: Event) -> None:
        if isinstance(event, Configuration) or (isinstance(event, Messages) and not self.rate):
            for line in told(event):
                typer.echo(line)

    async def _send(self, group: Group) -> None:
        """So many a second, whatever the pauses between."""
        began = time.monotonic()
        filler = os.urandom(max(0, self.size - 8))
        while True:
            due = int((time.monotonic() - began) * self.rate) - self.submitted
            count = min(due, BATCH_MOST)
            if count > 0:
                first = self.submitted
                payloads = [
                    ((first + n).to_bytes(8, "big") + filler)[: self.size] for n in range(count)
                ]
                await group.multicast_many(payloads, self.service)
                self.submitted += count
            if due <= BATCH_MOST:
                await asyncio.sleep(TICK_S)

    async def _read_lines(self, group: Group) -> None:
        """What comes on standard input, line by line; its end is ours, unless it never began."""
        if standard_input.is_nothing():
            return
        async for line in standard_input.lines():
            await self.say(group, line.decode("utf-8", "replace"))
        if self.duration is None:
            self._over.set()

    def _finish(self) -> None:
        if self.as_json:
            typer.echo(
                json.dumps(
                    {
                        "schema": SCHEMA,
                        "id": self.joining.id,
                        "submitted": self.submitted,
                        "delivered": self.tally.delivered,
                        "configurations": self.tally.configurations,
                        "digests": self.tally.digests(),
                        "transport": self.transport,
                    }
                )
            )
        else:
            typer.echo(f"left: {self.submitted} submitted, {self.tally.delivered} delivered")
