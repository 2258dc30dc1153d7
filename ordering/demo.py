"""[I/O] ``ordering demo``: one member of a group on this machine, its peers on others.

With a terminal and without ``--count`` it is a live view in which one types; with ``--count`` it
multicasts by itself, compares digests with its peers and says whether they agree; with input from
a pipe it multicasts each line. A digest is the SHA-256 of the delivered sequence so far, so that
equal digests are equal sequences.

**How members part.** Each says in a note how many messages it has sent; who has delivered as many
as all of them together says its digest; who has everybody's digest leaves; and leaving waits until
everybody has confirmed what was said. So none is gone before all have compared.
"""

import asyncio
import json
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha256
from typing import Annotated, Any

import typer

from clocksync.runtime.errors import BadConfig, ToolkitError
from clocksync.runtime.history import FileHistory, entry
from clocksync.runtime.sockets import error_words
from ordering.multicast import Batch, Closed, Group, MemberSettings, NotReached, Order, Rule, join

SCHEMA = "ordering.demo/1"
NAG_EVERY_S = 5.0
TOGETHER = 64
"""Messages handed over in one call when there is no rate to keep."""
SHOWN = 500


class Choice(Enum):
    """The orders of the demo."""

    TOTAL = "total"
    CAUSAL = "causal"
    FIFO = "fifo"
    SEQUENCER = "sequencer"
    TOTAL_CAUSAL = "total-causal"
    NONE = "none"

    @property
    def order(self) -> Order:
        """What carries it. None promises nothing, and is carried by what promises least."""
        return Order.FIFO if self is Choice.NONE else Order(self.value)


@dataclass(slots=True)
class Tally:
    """What one member delivered, and what the others said."""

    me: int
    delivered: int = 0
    recent: deque[tuple[int, int, bytes]] = field(default_factory=lambda: deque(maxlen=SHOWN))
    sent_by: dict[int, int] = field(default_factory=dict)
    digest_of: dict[int, str] = field(default_factory=dict)
    history: FileHistory | None = None
    incarnation: str = ""
    service: str = ""
    _hash: Any = field(default_factory=sha256)  # hashlib's own type has no name

    @property
    def digest(self) -> str:
        """Of the sequence delivered so far."""
        return str(self._hash.hexdigest())

    def take(self, batch: Batch) -> None:
        """Count a batch in."""
        add = self._hash.update
        for number, message in enumerate(batch.messages, batch.first):
            add(b"%d %d %d " % (batch.origin, number, len(message)))
            add(message)
            self.recent.append((batch.origin, number, message))
            if self.history is not None:
                self.write("deliver", f"{batch.origin}.{number}", message, origin=batch.origin)
        self.delivered += len(batch.messages)

    def write(self, event: str, name: str, message: bytes, **more: object) -> None:
        """A line of the history, written before what it speaks of leaves."""
        assert self.history is not None
        digest = sha256(message).hexdigest()[:16]
        at = time.monotonic_ns()
        told = entry(
            self.me,
            self.incarnation,
            event,
            at,
            message=name,
            service=self.service,
            digest=digest,
            **more,
        )
        self.history.write(told)

    def hear(self, group: Group) -> None:
        """Take the notes of the peers."""
        while group.notes:
            noted = group.notes.popleft()
            with suppress(ValueError, KeyError, TypeError):
                said = json.loads(noted.note)
                if "sent" in said:
                    self.sent_by[noted.peer] = int(said["sent"])
                if "digest" in said:
                    self.digest_of[noted.peer] = str(said["digest"])


async def multicast(group: Group, tally: Tally, messages: list[bytes]) -> None:
    """Multicast, and write it into the history."""
    while not group.has_room:
        await group.progress()
    if tally.history is not None:
        for number, message in enumerate(messages, group.member.sent + 1):
            tally.write("send", f"{tally.me}.{number}", message)
    await group.multicast_many(messages)


async def unattended(
    group: Group, tally: Tally, count: int, rate: float, timeout_s: float
) -> bool | None:
    """Send `count` messages, and compare digests; whether they agree, None if a peer is lost."""
    peers = [member for member in group.member.members if member != tally.me]
    await group.reach(timeout_s)

    async def receive() -> None:
        async for batch in group.batches():
            tally.take(batch)

    def said(by: Mapping[int, object]) -> Callable[[], bool]:
        def holds() -> bool:
            tally.hear(group)
            return all(peer in by for peer in peers)

        return holds

    async with asyncio.TaskGroup() as tasks:
        receiving = tasks.create_task(receive())
        nagging = tasks.create_task(_nag(group))
        try:
            if not await _within(_send(group, tally, count, rate), group, tally, timeout_s):
                return None
            group.note(json.dumps({"sent": count}).encode())
            if not await _patiently(group, tally, said(tally.sent_by), timeout_s):
                return None
            total = count + sum(tally.sent_by.values())
            if not await _patiently(group, tally, lambda: tally.delivered >= total, timeout_s):
                return None
            group.note(json.dumps({"digest": tally.digest}).encode())
            if not await _patiently(group, tally, said(tally.digest_of), timeout_s):
                return None
        finally:
            receiving.cancel()
            nagging.cancel()
    return all(digest == tally.digest for digest in tally.digest_of.values())


async def _send(group: Group, tally: Tally, count: int, rate: float) -> None:
    begin, sent = time.monotonic(), 0
    while sent < count:
        due = count if not rate else min(count, int((time.monotonic() - begin) * rate) + 1)
        more = range(sent, min(due, sent + TOGETHER))
        await multicast(
            group, tally, [b"message %d of member %d" % (n + 1, tally.me) for n in more]
        )
        sent += len(more)
        pause = 0.0 if not rate or sent < due else begin + sent / rate - time.monotonic()
        await asyncio.sleep(max(0.0, pause))


async def _within(sending: Any, group: Group, tally: Tally, timeout_s: float) -> bool:
    """Run `sending` for as long as the group gets on; False when it stood still for `timeout_s`."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(sending)
        seen, since = (-1, -1), 0.0
        while not task.done():
            now = time.monotonic()
            if seen != (tally.delivered, group.member.sent):
                seen, since = (tally.delivered, group.member.sent), now
            is_stuck = not group.has_room or group.waiting() is not None
            if is_stuck and now - since > timeout_s:
                task.cancel()
                return False
            await asyncio.wait([task], timeout=0.2)
    return True


async def _patiently(
    group: Group, tally: Tally, holds: Callable[[], bool], timeout_s: float
) -> bool:
    """Wait until `holds`, as long as deliveries go on."""
    while True:
        before = tally.delivered
        if await group.wait_for(holds, timeout_s):
            return True
        if tally.delivered == before:
            return False


async def _nag(group: Group) -> None:
    """Say on standard error whom it waits for, while it does."""
    while True:
        await asyncio.sleep(NAG_EVERY_S)
        line = waiting_line(group)
        if line:
            typer.echo(f"ordering: {line}", err=True)


def waiting_line(group: Group) -> str:
    """Whom the next delivery waits for, in words; empty if nothing is late."""
    waiting = group.waiting()
    if waiting is None or waiting[1] < 1.0:
        return ""
    members, seconds = waiting
    named = []
    for member in members:
        link = group.member.links.of.get(member)
        known = (
            "this member itself" if link is None else "never heard" if not link.confirmed else ""
        )
        known = "which has left" if member in group.member.left else known
        named.append(f"member {member}" + (f" ({known})" if known else ""))
    return f"nothing is delivered for {seconds:.0f} s: waiting for {', '.join(named)}"


async def piped(group: Group, tally: Tally) -> None:
    """Multicast each line of standard input, print each delivery, until the input ends."""
    loop = asyncio.get_running_loop()
    await group.reach(3600.0)
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)

    async def receive() -> None:
        async for batch in group.batches():
            tally.take(batch)
            for number, message in enumerate(batch.messages, batch.first):
                typer.echo(f"{batch.origin}.{number} {message.decode('utf-8', 'replace')}")

    async with asyncio.TaskGroup() as tasks:
        receiving = tasks.create_task(receive())
        async for line in reader:
            await multicast(group, tally, [line.rstrip(b"\n")])
        await group.wait_for(lambda: not group.member.links.unflushed(), 5.0)
        await group.wait_for(lambda: group.member.order.head() is None, 5.0)
        receiving.cancel()


def result(tally: Tally, choice: Choice, sent: int, agreed: bool | None) -> dict[str, object]:
    """The object of schema ``ordering.demo/1``."""
    return {
        "schema": SCHEMA,
        "id": tally.me,
        "order": choice.value,
        "sent": sent,
        "delivered": tally.delivered,
        "digest": tally.digest,
        "agreed": agreed,
    }


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for on the command line."""

    me: int
    listen: str
    peers: Mapping[int, str]
    choice: Choice
    rule: Rule
    history: str
    rate: float
    count: int | None
    as_json: bool
    timeout_s: float


def parse_peers(texts: list[str]) -> dict[int, str]:
    """``2=host:port`` and so on.

    Raises:
        BadConfig: one is malformed, or two have one number.
    """
    peers: dict[int, str] = {}
    for text in texts:
        number, equals, where = text.partition("=")
        if not equals or not (number.isascii() and number.isdigit()):
            raise BadConfig(f"--peer {text}: write its number and address, such as 2=10.0.0.2:4000")
        if int(number) in peers:
            raise BadConfig(f"--peer {text}: member {number} is given twice")
        peers[int(number)] = where
    return peers


async def run(options: Options) -> int:
    """Be the member; the exit code.

    Raises:
        BadConfig, OSError: as :func:`ordering.multicast.join`, or the history cannot be written.
    """
    tally = Tally(options.me, service=options.choice.value)
    agreed: bool | None = None
    with ExitStack() as stack:
        if options.history:
            tally.history = stack.enter_context(FileHistory(options.history))
        async with join(
            options.me,
            listen=options.listen,
            peers=options.peers,
            order=options.choice.order,
            rule=options.rule,
            name=f"demo {options.choice.value}",
            settings=MemberSettings(),
            on_notice=lambda line: typer.echo(f"ordering: {line}", err=True),
        ) as group:
            if tally.history is not None:
                link = next(iter(group.member.links.of.values()))
                tally.incarnation = f"{link.ours:x}"
                boot = entry(
                    tally.me, tally.incarnation, "boot", time.monotonic_ns(), storage="kept"
                )
                tally.history.write(boot)
            try:
                if options.count is not None:
                    agreed = await unattended(
                        group, tally, options.count, options.rate, options.timeout_s
                    )
                    if agreed is None:
                        typer.echo(f"ordering: {_lost(group)}", err=True)
                elif sys.stdin.isatty() and sys.stdout.isatty():
                    from ordering.demo_view import live

                    await live(group, tally, options.choice)
                else:
                    await piped(group, tally)
            except NotReached as error:
                typer.echo(f"ordering: {error}", err=True)
            sent = group.member.sent
        if tally.history is not None:
            tally.history.write(entry(tally.me, tally.incarnation, "leave", time.monotonic_ns()))
    return _report(options, tally, sent, agreed)


def _lost(group: Group) -> str:
    silent = [peer for peer in group.member.links.unflushed() if peer not in group.member.left]
    named = ", ".join(f"member {peer}" for peer in silent) or "a member"
    return waiting_line(group) or f"{named} no longer answers"


def _report(options: Options, tally: Tally, sent: int, agreed: bool | None) -> int:
    told = result(tally, options.choice, sent, agreed)
    if options.as_json:
        typer.echo(json.dumps(told))
    elif options.count is not None:
        verdict = {True: "all members agree", False: "the members differ", None: "not compared"}
        typer.echo(f"sent {sent}, delivered {tally.delivered}, digest {tally.digest}")
        typer.echo(verdict[agreed])
    if options.count is None:
        return 0
    return {True: 0, False: 1, None: 2}[agreed]


def demo(
    me: Annotated[int, typer.Option("--id", help="This member's number.")],
    listen: Annotated[str, typer.Option(help="The address to listen on, HOST:PORT.")],
    peer: Annotated[list[str], typer.Option(help="Another member, ID=HOST:PORT; once for each.")],
    order: Annotated[Choice, typer.Option(help="What is promised.")] = Choice.TOTAL,
    rule: Annotated[Rule, typer.Option(help="When total order acknowledges.")] = Rule.SPARING,
    history: Annotated[str, typer.Option(help="Write what happens to this file.")] = "",
    rate: Annotated[float, typer.Option(min=0, help="Messages a second; 0: all it can.")] = 0,
    count: Annotated[
        int | None, typer.Option(min=0, help="Send so many by itself, then compare and leave.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="End with one JSON object.")] = False,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds without a sign of a peer before giving up.")
    ] = 30,
) -> None:
    """Be one member of a group that multicasts in order; its peers run on other machines.

    Exit 0 if all members delivered the same sequence, 1 if they differ, 2 if one was not reached.
    """
    try:
        peers = parse_peers(peer)
        options = Options(me, listen, peers, order, rule, history, rate, count, as_json, timeout)
        code = asyncio.run(run(options))
    except OSError as error:
        what = error.filename or f"cannot listen on {listen}"
        typer.echo(f"ordering: {what}: {error_words(error)}", err=True)
        raise typer.Exit(2) from None
    except Closed as error:
        typer.echo(f"ordering: {error}", err=True)
        raise typer.Exit(2) from None
    except ToolkitError as error:
        typer.echo(f"ordering: {error}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    raise typer.Exit(code)
