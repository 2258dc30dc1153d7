"""A bad network between a client and a server: a seeded UDP relay in a thread.

::

    with Relay(("127.0.0.1", 1123), seed=1, forward_delay_ns=20_000_000, loss=0.2) as relay:
        result = measure_sync([f"{relay.address[0]}:{relay.address[1]}"])
        assert relay.count(Fate.LOST) > 0

Forward is towards the server, back is towards the client. Delays are at least what was asked for;
what the machine adds on top is real network time, so that a measurement through the relay stays
true: the error an asymmetry causes is at most half the round trip. Each direction draws from a
generator of its own in the order its datagrams arrive, so the same traffic with the same seed has
the same fate, however the two directions interleave.
"""

import heapq
import random
import selectors
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from enum import Enum
from typing import NamedTuple, Self

Address = tuple[str, int]

_REMEMBERED_MAX = 16  # datagrams of one direction that a replay chooses from
_CLIENTS_MAX = 1024


class Direction(Enum):
    """Which way a datagram goes."""

    FORWARD = "towards the server"
    BACK = "towards the client"


class Fate(Enum):
    """What became of a datagram. One datagram may have several."""

    ARRIVED = "came to the relay"
    SENT = "sent on"
    LOST = "lost"
    DUPLICATED = "sent twice"
    REORDERED = "held back behind its successor"
    CORRUPTED = "one bit flipped"
    REPLAYED = "an old one sent again after it"


Rewrite = Callable[[Direction, bytes], Iterable[bytes]]
"""What to send instead of a datagram: nothing, one, or several."""


class _Lane(NamedTuple):
    """One direction of one client: faults never mix two clients' datagrams."""

    way: Direction
    sock: socket.socket
    to: Address | None  # None: the socket is connected

    def send(self, payload: bytes) -> None:
        # Refused: the news that a datagram sent before met a closed port.
        with suppress(BlockingIOError, ConnectionRefusedError):
            if self.to is None:
                self.sock.send(payload)
            else:
                self.sock.sendto(payload, self.to)


class Relay:
    """Relays UDP between any number of clients and one server. Chances are shares from 0 to 1.

    `jitter_ns` adds a uniform 0 to `jitter_ns` to the delay of each direction. A reordered datagram
    waits for its successor, and goes alone when none comes within `hold_ns`. `loss`,
    `duplication`, `reordering`, `corruption` and `replay` hold in both directions, or in `only`
    one. `rewrite`, in the relay's thread, sees each datagram before its fate is drawn. It listens
    on `bind`, by default the loopback address of the server's family.
    """

    def __init__(
        self,
        server: Address,
        *,
        seed: int,
        forward_delay_ns: int = 0,
        back_delay_ns: int = 0,
        jitter_ns: int = 0,
        loss: float = 0.0,
        duplication: float = 0.0,
        reordering: float = 0.0,
        corruption: float = 0.0,
        replay: float = 0.0,
        hold_ns: int = 50_000_000,
        only: Direction | None = None,
        rewrite: Rewrite | None = None,
        bind: str | None = None,
    ) -> None:
        self._server = server
        self._family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
        self._hold_ns = hold_ns
        self._bind = bind or ("::1" if ":" in server[0] else "127.0.0.1")
        self._delays_ns = {Direction.FORWARD: forward_delay_ns, Direction.BACK: back_delay_ns}
        self._jitter_ns = jitter_ns
        self._chances = {
            Fate.LOST: loss,
            Fate.CORRUPTED: corruption,
            Fate.DUPLICATED: duplication,
            Fate.REPLAYED: replay,
            Fate.REORDERED: reordering,
        }
        for fate, chance in self._chances.items():
            if not 0 <= chance <= 1:
                raise ValueError(f"the chance to be {fate.value} must lie in 0 to 1: {chance}")
        self._only = only
        self._rewrite = rewrite
        self._random = {way: random.Random(f"{seed} {way.name}") for way in Direction}
        self._past: dict[_Lane, deque[bytes]] = {}
        self._fates: Counter[tuple[Direction, Fate]] = Counter()
        # Due time, a number that keeps the order of equals, and what is to be sent where.
        self._due: list[tuple[int, int, _Lane, bytes]] = []
        self._number = 0
        self._held: dict[_Lane, tuple[int, bytes]] = {}
        self._upstream: dict[Address, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._moved = threading.Condition()
        self._stopping = False
        self._release_at: int | None = None
        self._crash: BaseException | None = None

    def __enter__(self) -> Self:
        self._front = socket.socket(self._family, socket.SOCK_DGRAM)
        self._front.bind((self._bind, 0))
        self._front.setblocking(False)
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._front, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        self._wake.send(b"\0")
        self._thread.join()
        for sock in (self._front, self._wake, self._woken, *self._upstream.values()):
            sock.close()
        self._selector.close()
        if self._crash is not None:
            raise self._crash

    @property
    def address(self) -> Address:
        """What the client is to be pointed at."""
        host, port = self._front.getsockname()[:2]
        return host, port

    def count(self, fate: Fate, way: Direction | None = None) -> int:
        """How many datagrams had that fate, in one direction or in both."""
        return sum(
            self._fates[direction, fate] for direction in Direction if way in (None, direction)
        )

    def settle(self, arrived: int, timeout_s: float = 10.0) -> None:
        """Wait until so many datagrams came, and all that is made of them has been sent.

        A datagram held back for its successor is released then.

        Raises:
            TimeoutError: that did not happen in `timeout_s`.
        """

        def is_settled() -> bool:
            idle = not self._due and not self._held
            return self._crash is not None or (idle and self.count(Fate.ARRIVED) >= arrived)

        self._release_at = arrived
        self._wake.send(b"\0")
        with self._moved:
            if not self._moved.wait_for(is_settled, timeout_s):
                came = self.count(Fate.ARRIVED)
                raise TimeoutError(f"{came} of {arrived} datagrams came to the relay")

    def _run(self) -> None:
        try:
            while not self._stopping:
                ready = self._selector.select(self._wait())
                with self._moved:
                    for key, _ in ready:
                        self._read(key.fileobj, key.data)  # type: ignore[arg-type]
                    self._send_due()
                    self._moved.notify_all()
        except BaseException as crash:  # handed to the thread that leaves the `with`
            with self._moved:
                self._crash = crash
                self._moved.notify_all()

    def _wait(self) -> float | None:
        """Until the next thing is due, in seconds, for the selector."""
        times = [self._due[0][0]] if self._due else []
        times += [held[0] for held in self._held.values()]
        if not times:
            return None
        wait_ns = max(0, min(times) - time.monotonic_ns())
        if wait_ns >= 1_000_000:
            return wait_ns // 1_000_000 / 1_000
        # The selector counts milliseconds and rounds up; the rest of one is slept here.
        time.sleep(wait_ns / 1e9)
        return 0

    def _read(self, sock: socket.socket, client: Address | None) -> None:
        """Take all that has come: from the server when `client` is known, else from clients."""
        if sock is self._woken:
            sock.recv(64)
            return
        with suppress(BlockingIOError, ConnectionRefusedError):
            while True:
                payload, sender = sock.recvfrom(65_535)
                arrived = time.monotonic_ns()
                if client is not None:
                    self._pass(_Lane(Direction.BACK, self._front, client), payload, arrived)
                    continue
                upstream = self._upstream_of(sender)
                if upstream is not None:
                    self._pass(_Lane(Direction.FORWARD, upstream, None), payload, arrived)

    def _upstream_of(self, client: Address) -> socket.socket | None:
        """The socket by which the server knows this client."""
        if client not in self._upstream:
            if len(self._upstream) >= _CLIENTS_MAX:
                return None
            sock = socket.socket(self._family, socket.SOCK_DGRAM)
            sock.connect(self._server)
            sock.setblocking(False)
            self._upstream[client] = sock
            self._selector.register(sock, selectors.EVENT_READ, client)
        return self._upstream[client]

    def _pass(self, lane: _Lane, payload: bytes, arrived: int) -> None:
        self._note(lane.way, Fate.ARRIVED)
        payloads = [payload] if self._rewrite is None else list(self._rewrite(lane.way, payload))
        for part in payloads:
            self._decide(lane, part, arrived)

    def _decide(self, lane: _Lane, payload: bytes, arrived: int) -> None:
        """Draw the fate of one datagram, and queue what is sent for it."""
        way, draw = lane.way, self._random[lane.way]
        # All are drawn each time, so that one chance changed leaves the other draws as they were.
        fates = {fate for fate, chance in self._chances.items() if draw.random() < chance}
        flipped, chosen = draw.random(), draw.random()
        dues = [
            arrived + self._delays_ns[way] + round(self._jitter_ns * draw.random())
            for _ in range(3)
        ]
        if self._only not in (None, way):
            fates.clear()
        if Fate.LOST in fates:
            self._note(way, Fate.LOST)
            return
        past = self._past.setdefault(lane, deque(maxlen=_REMEMBERED_MAX))
        replayed = past[int(chosen * len(past))] if past and Fate.REPLAYED in fates else None
        past.append(payload)
        if Fate.CORRUPTED in fates and payload:
            self._note(way, Fate.CORRUPTED)
            payload = _flip_one_bit(payload, flipped)
        held = self._held.pop(lane, None)
        if held is None and Fate.REORDERED in fates:
            self._note(way, Fate.REORDERED)
            self._held[lane] = dues[0] + self._hold_ns, payload
        else:
            self._queue(lane, payload, dues[0])
        if held is not None:
            self._queue(lane, held[1], dues[0])
        if Fate.DUPLICATED in fates:
            self._note(way, Fate.DUPLICATED)
            self._queue(lane, payload, dues[1])
        if replayed is not None:
            self._note(way, Fate.REPLAYED)
            self._queue(lane, replayed, dues[2])

    def _queue(self, lane: _Lane, payload: bytes, due: int) -> None:
        self._note(lane.way, Fate.SENT)
        self._number += 1
        heapq.heappush(self._due, (due, self._number, lane, payload))

    def _send_due(self) -> None:
        now = time.monotonic_ns()
        release = self._release_at is not None and self.count(Fate.ARRIVED) >= self._release_at
        for lane, (due, payload) in list(self._held.items()):
            if due <= now or release:
                del self._held[lane]
                self._queue(lane, payload, min(due, now))
        while self._due and self._due[0][0] <= now:
            _, _, lane, payload = heapq.heappop(self._due)
            lane.send(payload)

    def _note(self, way: Direction, fate: Fate) -> None:
        self._fates[way, fate] += 1


def _flip_one_bit(payload: bytes, where: float) -> bytes:
    """`payload` with the bit flipped that lies at the share `where` of it."""
    bit = int(where * len(payload) * 8)
    changed = bytearray(payload)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)
