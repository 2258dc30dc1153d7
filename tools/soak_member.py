"""One member of a soak: multicasts as fast as it can, and checks what it is delivered.  [I/O]

It tells, a line of JSON each, its configurations, its memory now and then, and at its end what it
submitted and was delivered.
"""

import argparse
import asyncio
import json
import os
import resource
import signal
import struct
import sys
from contextlib import suppress
from pathlib import Path

import vsync
from clocksync.runtime.errors import ToolkitError
from vsync.node.joining import Joining
from vsync.node.tally import Tally

TOGETHER = 200
SAFE_EVERY = 10
LOOK_EVERY_S = 2.0
_NUMBERED = struct.Struct(">QQ")  # the sender's life, the message's number


class Member:
    """From joining to leaving."""

    def __init__(self, me: int, size: int, rate: float) -> None:
        self.tally = Tally()
        self.offences: list[str] = []
        self.submitted = self.own = 0
        self._me = me
        self._pause_s = TOGETHER / rate if rate else 0.0
        self._life = int.from_bytes(os.urandom(8), "big")
        self._filler = os.urandom(size - _NUMBERED.size)
        self._last: dict[tuple[int, int], tuple[int, int]] = {}
        self._changes = 0

    async def run(self, joining: Joining) -> None:
        """Be a member until SIGTERM."""
        over, loop = asyncio.Event(), asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, over.set)
        loop.add_signal_handler(signal.SIGHUP, joining.reload_key)
        async with joining as group, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._receive(group))
            sending = tasks.create_task(self._send(group))
            looking = tasks.create_task(_look())
            await over.wait()
            sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending
            await group.leave()
            looking.cancel()
        tell(
            submitted=self.submitted,
            own=self.own,
            delivered=self.tally.delivered,
            digests=self.tally.digests(),
            offences=self.offences[:10],
        )

    async def _send(self, group: vsync.Group) -> None:
        batches = 0
        while True:
            first = self.submitted + 1
            payloads = [
                _NUMBERED.pack(self._life, number) + self._filler
                for number in range(first, first + TOGETHER)
            ]
            batches += 1
            is_safe = batches % SAFE_EVERY == 0
            # What is cancelled while it waits for room was not submitted.
            await group.multicast_many(
                payloads, vsync.Service.SAFE if is_safe else vsync.Service.AGREED
            )
            self.submitted += TOGETHER
            await asyncio.sleep(self._pause_s)

    async def _receive(self, group: vsync.Group) -> None:
        async for events in group.batches():
            for event in events:
                self.tally.take(event)
                if isinstance(event, vsync.Messages):
                    self._check(event)
                else:
                    self._changes += 1
                    tell(configuration=event.id, kind=event.kind.value, members=list(event.members))

    def _check(self, messages: vsync.Messages) -> None:
        """The numbers of one sender go up by one, unless a change came between."""
        if messages.origin == self._me:
            self.own += len(messages.payloads)
        for payload in messages.payloads:
            life, number = _NUMBERED.unpack_from(payload)
            key = messages.origin, life
            last, changes = self._last.get(key, (0, -1))
            is_next = number == last + 1 or (changes != self._changes and number > last)
            if not is_next and len(self.offences) < 10:
                self.offences.append(f"after number {last} of {messages.origin} came {number}")
            self._last[key] = number, self._changes


async def _look() -> None:
    while True:
        tell(memory=_memory())
        await asyncio.sleep(LOOK_EVERY_S)


def _memory() -> int:
    """Bytes of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def tell(**what: object) -> None:
    """Say something, at once."""
    print(json.dumps(what), flush=True)


def main() -> int:
    """Run one member."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--id", type=int, required=True)
    parser.add_argument("--listen", required=True)
    parser.add_argument("--peer", action="append", default=[])
    parser.add_argument("--key-file", required=True)
    parser.add_argument("--state", required=True)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--rate", type=float, default=0.0, help="messages/s; 0: all it can")
    parser.add_argument("--token-timeout", type=float, default=0.3, help="seconds")
    given = parser.parse_args()
    peers = {int(number): where for number, _, where in (p.partition("=") for p in given.peer)}
    joining = vsync.join(
        "soak",
        id=given.id,
        listen=given.listen,
        peers=peers,
        key=given.key_file,
        state=given.state,
        config=vsync.RingConfig.within(round(given.token_timeout * 1e9)),
    )
    try:
        asyncio.run(Member(given.id, given.size, given.rate).run(joining))
    except ToolkitError as error:
        print(f"soak_member: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
