"""``vsync join``: be a member of a group, for people or unattended.  [I/O]"""

import asyncio
import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from clocksync.runtime.errors import BadConfig, ToolkitError
from clocksync.runtime.units import parse_duration
from vsync.cli.join_view import live, told
from vsync.config import RingConfig
from vsync.events import Configuration, Messages
from vsync.identity import Service
from vsync.node.group import Group
from vsync.node.joining import Joining
from vsync.node.joining import join as join_group
from vsync.node.loop import SlowConsumer, StateNotSaved
from vsync.node.message import Event, NotAMember
from vsync.node.tally import Tally

SCHEMA = "vsync.join/1"
TICK_S = 0.01
BATCH_MOST = 1000


def join(
    group: Annotated[str, typer.Argument(help="The group's name.")],
    id: Annotated[int, typer.Option("--id", help="This member's number, its own in the group.")],
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where to receive.")],
    peer: Annotated[
        list[str] | None, typer.Option(metavar="ID=HOST:PORT", help="Another member; repeatable.")
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(help="The group's key (vsync key generate FILE).")
    ] = None,
    insecure_plaintext: Annotated[
        bool, typer.Option("--insecure-plaintext", help="Go without a key and unprotected.")
    ] = False,
    service: Annotated[Service, typer.Option(help="How what is sent here is ordered.")] = (
        Service.AGREED
    ),
    state: Annotated[
        Path | None, typer.Option(help="Directory for what must outlive a crash.")
    ] = None,
    history: Annotated[
        Path | None, typer.Option(help="Append what happens to this file (JSON Lines).")
    ] = None,
    rate: Annotated[
        float, typer.Option(help="Unattended: multicast so many messages a second.")
    ] = 0.0,
    size: Annotated[int, typer.Option(help="Bytes of each.")] = 64,
    multicast: Annotated[bool, typer.Option(help="IP multicast, where it works.")] = True,
    duration: Annotated[
        float | None, typer.Option(help="Leave after so many seconds; default: on Ctrl-C.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON at the end.")] = False,
    mtu: Annotated[int, typer.Option(help="Of the network, bytes.")] = 1500,
    token_timeout: Annotated[
        str, typer.Option(help="Silence after which a member is given up.")
    ] = "1s",
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
    config = _config(listen, mtu, token_timeout)
    if not 0 <= size <= config.message_bytes_max:
        raise BadConfig(f"--size {size} is not in 0 to {config.message_bytes_max}")
    joining = join_group(
        group,
        id=id,
        listen=listen,
        peers=dict(map(_peer, peer or ())),
        key=key_file,
        insecure_plaintext=insecure_plaintext,
        state=state,
        history=history,
        config=config,
        multicast=multicast,
    )
    run = Run(joining, service, rate, size, duration, as_json)
    try:
        asyncio.run(run.go())
    except* (SlowConsumer, StateNotSaved, NotAMember) as failed:
        typer.echo(f"vsync: {failed.exceptions[0]}", err=True)
        raise typer.Exit(1) from None


def _config(listen: str, mtu: int, token_timeout: str) -> RingConfig:
    headers = 48 if listen.startswith("[") else 28
    try:
        timeout = parse_duration(token_timeout)
    except ValueError as error:
        raise BadConfig(f"--token-timeout: {error}") from None
    return RingConfig.within(timeout, datagram_bytes=mtu - headers)


def _peer(text: str) -> tuple[int, str]:
    number, equals, endpoint = text.partition("=")
    if not equals or not (number.isascii() and number.isdigit()):
        raise BadConfig(f"--peer {text!r}: write it as ID=HOST:PORT, such as 2=10.0.0.2:5410")
    return int(number), endpoint


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
        self._over = asyncio.Event()

    async def go(self) -> None:
        """From joining to having left."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._over.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        is_live = not self.as_json and not self.rate and sys.stdin.isatty() and sys.stdout.isatty()
        async with self.joining as group, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._receive(group, is_live))
            speaking = tasks.create_task(self._speak(group, is_live))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), self.duration)
            speaking.cancel()
            self.transport = group.loop.transport
            await group.leave()
        self._finish()

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
        """What comes on standard input, line by line."""
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: protocol, sys.stdin)
        async for line in reader:
            await self.say(group, line.rstrip(b"\n").decode("utf-8", "replace"))
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
