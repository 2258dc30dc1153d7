"""Getting the keys of NTS hosts, before and while they are measured.  [I/O]

Establishing keys takes a TLS handshake; hosts do it side by side, a few dozen at a time, while
others are already measured.
"""

import asyncio
import random
import socket
from collections.abc import Callable, Sequence
from typing import NamedTuple

from clocksync.measuring.resolver import Answer, Resolver
from clocksync.measuring.settings import HostSpec
from clocksync.nts.client import NtsAuthenticator
from clocksync.nts.establish import NotEstablished, establish
from clocksync.nts.tls import Client
from clocksync.runtime.mmsg import Address

AT_ONCE = 32


class Keyed(NamedTuple):
    """A host, or one address of it, that has keys: whom to ask, and how."""

    addresses: Sequence[Address]
    authenticator: NtsAuthenticator


class KeyKeeper:
    """Establishes keys in tasks of `group`, trusting what `client` trusts."""

    def __init__(
        self,
        group: asyncio.TaskGroup,
        client: Client,
        rng: random.Random,
        family: int = socket.AF_UNSPEC,
        source: str | None = None,
    ) -> None:
        self._group, self._client, self._rng = group, client, rng
        self._family, self._source = family, source
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._origins: dict[NtsAuthenticator, tuple[str, Address]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def get(
        self,
        host: str,
        addresses: Sequence[Address],
        each: bool,
        on_end: Callable[[list[Keyed | NotEstablished]], None],
    ) -> None:
        """Keys from the first of `addresses` that gives any, or from `each` of them; `on_end` is
        told what came of it, one entry or as many as there are addresses."""

        async def work() -> None:
            if each:
                on_end([await self._try([one], host) for one in addresses])
            else:
                on_end([await self._try(addresses, host)])

        self._start(work)

    def renew(self, authenticator: NtsAuthenticator, on_end: Callable[[str], None]) -> None:
        """New keys from where the old ones are from; `on_end` is told why there are none, or
        nothing where the authenticator has them."""

        async def work() -> None:
            host, address = self._origins[authenticator]
            try:
                async with self._turn:
                    established = await establish(self._client, host, address, source=self._source)
            except NotEstablished as error:
                on_end(f"it had to be asked for new keys: {error}")
            else:
                authenticator.adopt(established)
                on_end("")

        self._start(work)

    def cancel(self) -> None:
        """Give up what is under way."""
        for task in self._tasks:
            task.cancel()

    def _start(self, work: Callable[[], "asyncio._CoroutineLike[None]"]) -> None:
        task = self._group.create_task(work())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _try(self, addresses: Sequence[Address], host: str) -> Keyed | NotEstablished:
        failures: list[NotEstablished] = []
        for address in addresses:
            try:
                async with self._turn:
                    got = await establish(self._client, host, address, source=self._source)
                authenticator = NtsAuthenticator(got, self._rng)
                self._origins[authenticator] = (host, address)
                where = await self._resolve(got.server or address[0], got.port)
                return Keyed(where, authenticator)
            except NotEstablished as error:
                failures.append(error)
        return max(failures, key=lambda failure: failure.reachable)

    async def _resolve(self, host: str, port: int) -> Sequence[Address]:
        """The addresses of the time server that key establishment named."""
        answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def keep(_: int, answer: Answer) -> None:
            if not answered.done():
                answered.set_result(answer)

        Resolver([HostSpec(host, host, port)], keep, self._family).start()
        found = await answered
        if isinstance(found, str):
            raise NotEstablished(f"NTS key establishment names the server {host}: {found}", True)
        return found
