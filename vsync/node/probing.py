"""Comparing clocks with the other members: the probes' way through the ring's socket.  [I/O]"""

import os
import time
from typing import cast

from clocksync.peers.frames import Echo, Probe
from clocksync.runtime.core import Send, Stamp, StampSource
from vsync.engine import Engine
from vsync.node.carrier import Sealer
from vsync.node.clock import Clock
from vsync.node.pairing import Pairs
from vsync.node.sockets import Sockets


class Probing:
    """What one member's ring thread does for :class:`~vsync.node.pairing.Pairs`.

    Args:
        sealer: of the ring's datagrams.
        clock: this member's; what is compared.
    """

    def __init__(self, engine: Engine, sockets: Sockets, sealer: Sealer, clock: Clock) -> None:
        first_number = int.from_bytes(os.urandom(5), "big") << 16
        self.pairs = Pairs(clock.tell, first_number)
        self._engine, self._sockets, self._sealer = engine, sockets, sealer

    def due_ns(self) -> int:
        """When :meth:`ask` is to be called."""
        return self.pairs.due_ns()

    def ask(self, now: int) -> None:
        """Ask everybody on the ring for the time of their clocks."""
        me = self._engine.me
        others = [member for member in self._engine.ring.members if member != me]
        for probe in self.pairs.ask(now, others):
            self._send(probe)
        self.read_departures()

    def on_frame(self, sender: int, kind: int, body: bytes | memoryview) -> None:
        """A probe or an answer came, in what was read last.

        Raises:
            MalformedFrame: it is neither.
        """
        at = self._sockets.arrival
        stamp = Stamp(at, StampSource.KERNEL) if at else Stamp(time.time_ns())
        if kind == Probe.KIND:
            self._send(self.pairs.on_probe(sender, Probe.decode(body), stamp))
            self.read_departures()
        else:
            echo = Echo.decode(body)
            self.read_departures()
            self.pairs.on_echo(sender, echo, stamp)

    def read_departures(self) -> None:
        """Take what the error queue says of when datagrams left. That is known as soon as one was
        sent: to be told of it later would be one more wake-up."""
        self._sockets.read_errors()
        departed, self._sockets.departed = self._sockets.departed, []
        for tag, at in departed:
            self.pairs.on_sent(tag, Stamp(at, StampSource.KERNEL))

    def _send(self, send: Send) -> None:
        datagram = self._sealer.seal(send.frame.KIND, send.frame.encode())
        self.pairs.on_sent(send.tag, Stamp(time.time_ns()))
        self._sockets.send_stamped(datagram, cast(int, send.to), send.tag)
