"""What a running member tells of itself, without being held up.  [I/O]

:class:`Observer` gathers in the ring's thread, so that what it tells belongs together, and at most
ten times a second, however many ask. The ring does nothing for it in between: rates come from
samples that another thread takes of its counters.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from clocksync.runtime.addresses import format_endpoint
from clocksync.runtime.units import MILLISECOND, SECOND
from clocksync.security.plain import PlainSealer
from vsync.events import Configuration, Moved
from vsync.node.clocks import Clocks
from vsync.node.loop import CHANGES_KEPT, RingLoop
from vsync.reception import present_ring

SCHEMA = "vsync.status/1"
FRESH_NS = 100 * MILLISECOND
"""So long an answer serves everybody who asks."""
PATIENCE_S = 2.0
"""After which a ring's thread that says nothing is told to whoever asks."""
SAMPLE_EVERY_NS = 1 * SECOND
SMOOTHING_NS = 5 * SECOND
"""The time constant of the average rotation time."""


class Changes(deque[Moved]):
    """The last changes of a member's state, and when they came. Takes the place of
    ``RingLoop.changes``: a change is rare, so that its time costs nothing."""

    def __init__(self) -> None:
        super().__init__(maxlen=CHANGES_KEPT)
        self._at: deque[int] = deque(maxlen=CHANGES_KEPT)

    def append(self, change: Moved) -> None:
        """One more; the oldest goes."""
        super().append(change)
        self._at.append(time.monotonic_ns())

    def aged(self, now: int) -> list[dict[str, object]]:
        """All of them, the oldest first, with their ages, ns."""
        return [
            {"to": change.after.value, "cause": change.cause.value, "age_ns": max(0, now - at)}
            for change, at in zip(self, self._at, strict=True)
        ]


class Rotation:
    """The average time of a rotation, from samples of a counter.

    >>> rotation = Rotation(now=0, count=0)
    >>> rotation.sample(now=1_000_000_000, count=1000)
    >>> rotation.average_ns
    1000000
    >>> rotation.sample(now=2_000_000_000, count=1000)    # nothing came round
    >>> rotation.average_ns is None
    True
    """

    def __init__(self, now: int, count: int) -> None:
        self._before = now, count
        self.average_ns: int | None = None
        """ns; None while nothing comes round."""

    def sample(self, now: int, count: int) -> None:
        """The counter says `count` at `now`, ns."""
        elapsed, turns = now - self._before[0], count - self._before[1]
        if elapsed <= 0:
            return
        self._before = now, count
        if turns <= 0:
            self.average_ns = None
            return
        latest = elapsed // turns
        if self.average_ns is None:
            self.average_ns = latest
        else:
            weight = elapsed / (SMOOTHING_NS + elapsed)
            self.average_ns += round((latest - self.average_ns) * weight)


class NoAnswer(Exception):
    """The ring's thread did not answer in time, or has ended; the message says which."""


class Observer:
    """Looks at one member. Make it before the ring's thread starts.

    Args:
        group: the name of its group.
        configuration: the configuration in force, as the application was told.
        has_ended: whether the member has.
        names: what is known of members that were given by name.
        locks: who holds which lock, and who waits; None: no lock service is used.
    """

    def __init__(
        self,
        loop: RingLoop,
        group: str,
        configuration: Callable[[], Configuration | None],
        has_ended: Callable[[], bool],
        names: Callable[[], dict[str, dict[str, Any]]] = dict,
        locks: Callable[[], list[dict[str, object]] | None] = lambda: None,
    ) -> None:
        self.loop, self.group = loop, group
        self._clocks = Clocks(loop)
        self._configuration, self._has_ended = configuration, has_ended
        self._names, self._locks = names, locks
        self._changes = Changes()
        loop.changes = self._changes
        self._began = time.monotonic_ns()
        self._rotation = Rotation(self._began, loop.rotations)
        self._sample_at = self._began + SAMPLE_EVERY_NS
        self._version = _version()
        self._gate = threading.Lock()
        self._last: dict[str, Any] = {}
        self._last_at = 0

    def sample(self) -> None:
        """Look at the counter of rotations, once a second at most; call it from one thread."""
        now = time.monotonic_ns()
        if now >= self._sample_at:
            self._sample_at = now + SAMPLE_EVERY_NS
            self._rotation.sample(now, self.loop.rotations)

    def look(self) -> dict[str, Any]:
        """The present state, as ``vsync status --json`` prints it. From any thread but the ring's.

        Raises:
            NoAnswer: the member has ended, or its thread is stuck.
        """
        with self._gate:
            if not self._last or time.monotonic_ns() - self._last_at > FRESH_NS:
                told = self._ask()
                # Here, not in the ring's thread: it takes milliseconds.
                self._last = told | {"clocks": self._compared(), "locks": self._locks()}
                self._last_at = time.monotonic_ns()
            return self._last

    def _ask(self) -> dict[str, Any]:
        if self._has_ended():
            raise NoAnswer("the member has ended")
        told: list[dict[str, Any] | Exception] = []
        is_told = threading.Event()

        def gather() -> None:
            # An exception here would end the ring.
            try:
                told.append(self._gather())
            except Exception as error:
                told.append(error)
            is_told.set()

        self.loop.post(gather)
        if not is_told.wait(PATIENCE_S):
            raise NoAnswer(f"the ring's thread did not answer in {PATIENCE_S:g} s")
        if isinstance(told[0], Exception):
            raise NoAnswer(f"the state cannot be told: {told[0]!r}")
        return told[0]

    def _gather(self) -> dict[str, Any]:
        now = time.monotonic_ns()
        loop, engine = self.loop, self.loop.engine
        ring, limits = present_ring(engine), engine.config
        waiting, waiting_bytes = loop.waiting()
        sockets = loop.sockets
        return {
            "schema": SCHEMA,
            "group": self.group,
            "id": engine.me,
            "pid": os.getpid(),
            "version": self._version,
            "uptime_ns": now - self._began,
            "listen": format_endpoint(*sockets.address),
            "names": self._names(),
            "state": engine.state.value,
            "ring": {"id": str(ring.id), "members": list(ring.members)},
            "configuration": _described(self._configuration()),
            "rotation_ns": self._rotation.average_ns,
            "rotations": loop.rotations,
            "retransmissions": loop.resent,
            "accepted": {"messages": loop.accepted, "bytes": loop.accepted_bytes},
            "backlog_bytes": max(0, loop.backlog),
            "send_queue": {
                "messages": waiting,
                "messages_max": limits.queue_messages_max,
                "bytes": waiting_bytes,
                "bytes_max": limits.queue_bytes_max,
            },
            "datagrams": {name: sockets.counters[name] for name in ("sent", "received")},
            "dropped": self._dropped(),
            "transport": loop.transport,
            "encrypted": not isinstance(loop.sealer, PlainSealer),
            "offload": {"sends": sockets.sends_segments, "receives": sockets.takes_segments},
            "clock_error_ns": loop.clock.read(time.monotonic_ns()).error,
            "time_source": {"name": loop.clock.source, "state": loop.clock.state},
            "changes": self._changes.aged(now),
        }

    def _compared(self) -> dict[str, object]:
        """How far the others' clocks are from ours, and how that is known."""
        mine = self.loop.clock.tell(time.time_ns())
        return {
            "compared_by": "two-way probes, stamped by the "
            + ("kernel" if self.loop.sockets.stamps else "program"),
            "members": {
                str(peer): {"offset_ns": apart.offset_at(mine), "error_ns": apart.error_ns}
                for peer, apart in self._clocks.differences(mine).items()
            },
        }

    def _dropped(self) -> dict[str, int]:
        """Datagrams that were not let in, frames that were not used, and what did not leave."""
        loop = self.loop
        total = loop.dropped + loop.engine.dropped + loop.sockets.counters
        return {
            reason: count
            for reason, count in sorted(total.items())
            if reason not in ("sent", "received")
        }


def _described(configuration: Configuration | None) -> dict[str, object] | None:
    if configuration is None:
        return None
    return {
        "id": configuration.id,
        "kind": configuration.kind.value,
        "members": list(configuration.members),
        "joined": list(configuration.joined),
        "left": list(configuration.left),
        "reason": configuration.reason.value,
    }


def _version() -> str:
    try:
        return version("clocksync")
    except PackageNotFoundError:  # run from a checkout
        return "unknown"
