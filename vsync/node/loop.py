"""Runs an engine on a machine, in a thread of its own.  [I/O]

Why a thread: the token must move on however slow the application's handlers are, and killing the
process must end its engine at once. What that costs and what a process of its own would:
``docs/decisions/0016-ring-thread.md``.

One turn: wait for a socket, a timer or the application; read all that came; hand it to the engine,
tokens after everything else that came with them; carry out the effects in order. Datagrams in a row
leave together. The application's side gets what was delivered once a turn.

Back-pressure runs both ways. What the application sends waits in the engine's queue, whose limits
the application sees. What it does not take in time piles up here: from ``backlog_bytes`` on the
token is held back, a quarter of the token timeout at most, which slows the whole ring down to the
slowest member; at ``backlog_limit`` times that the member gives up and leaves.
"""

import logging
import os
import select
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from clocksync.runtime.history import HistorySink
from clocksync.runtime.units import MILLISECOND, SECOND
from clocksync.runtime.wire import Frame
from vsync.engine import Engine
from vsync.events import (
    CancelTimer,
    Configuration,
    Effect,
    Input,
    Left,
    Messages,
    Moved,
    Multicast,
    ObservationRefused,
    Observed,
    Opened,
    Ordered,
    PeerHint,
    Persist,
    Persisted,
    Pressure,
    Refused,
    SendTo,
    SetTimer,
    Start,
    Submit,
    TimeRefused,
)
from vsync.frames import Data, Merge, Recovered, Token
from vsync.history import Chronicler
from vsync.node.carrier import Came, Carrier, Sealer
from vsync.node.clock import Clock
from vsync.node.probing import Probing
from vsync.node.reach import Reach
from vsync.node.sockets import Sockets
from vsync.node.timers import Timers
from vsync.node.told import Disk, Listener, Own, Room, SlowConsumer, StateNotSaved, Told
from vsync.reception import present_ring

BACKLOG_BYTES = 64 << 20
BACKLOG_LIMIT = 4
CHANGES_KEPT = 20
SWITCH_S = 0.0005

PATIENCE_NS = 200 * MILLISECOND
"""What the carrier and the probes of clocks have to do waits so long for a wake-up of another
cause: wake-ups are what an idle member costs."""

logger = logging.getLogger("vsync")


def _nothing() -> None:
    """Wakes the loop."""


class RingLoop:
    """The thread of one member. :meth:`start` it once; :meth:`stop` ends it without leaving.

    Args:
        sink: takes the history, if one is kept; ``storage`` of its boot event.
    """

    def __init__(
        self,
        engine: Engine,
        sockets: Sockets,
        sealer: Sealer,
        disk: Disk,
        clock: Clock,
        *,
        sink: HistorySink | None = None,
        storage: str = "kept",
        backlog_bytes: int = BACKLOG_BYTES,
    ) -> None:
        self.engine, self.sockets, self.sealer, self.disk = engine, sockets, sealer, disk
        self.clock = clock
        self.listener: Listener | None = None
        """The application's side; set before the thread starts."""
        self.changes: deque[Moved] = deque(maxlen=CHANGES_KEPT)
        self.rotations = 0
        self._told_bytes = self._taken_bytes = 0
        self._taking = threading.Lock()
        self._backlog_bytes = backlog_bytes
        self._sink, self._storage = sink, storage
        self._chronicler = Chronicler() if sink is not None else None
        self._inputs: deque[Input | Callable[[], None]] = deque()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll = select.epoll()
        self._poll.register(self._wake, select.EPOLLIN)
        self._poll.register(sockets.sock.fileno(), select.EPOLLIN)
        if sockets.ear is not None:
            self._poll.register(sockets.ear.fileno(), select.EPOLLIN)
        self._waits = False
        self._due_ns = 0
        """Until when the thread waits, if nothing comes."""
        self._turning = threading.Lock()
        """Held by whoever works with the engine: the thread, or in its stead one that submits."""
        self._timers = Timers()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="vsync-disk")
        self.wants_room = False
        """Set by the application's side: tell :class:`Room` when there is some."""
        self.accepted = 0
        self.accepted_bytes = 0
        reach = Reach() if sockets.ear is not None else None
        self._carrier = Carrier(
            engine.me, sealer, sockets, engine.config.datagram_bytes, reach, logger.warning
        )
        self.probing = Probing(engine, sockets, sealer, clock)
        """Compares our clock with the others'."""
        self._carrier.on_pair = self.probing.on_frame
        self._tokens: list[Came] = []
        self._held_until = 0
        self._told: list[Told] = []
        self._sent_handles: deque[range] = deque()
        self._left = False
        self._stopped = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="vsync-ring", daemon=True)

    @property
    def dropped(self) -> Counter[str]:
        """Datagrams that were not let in, by reason."""
        return self._carrier.dropped

    @property
    def transport(self) -> str:
        """How messages of ours leave, in words."""
        reach = self._carrier.reach
        if reach is None:
            return f"unicast ({self.sockets.why_unicast})"
        return "IP multicast" if reach.is_used else "unicast (not everybody hears IP multicast)"

    @property
    def resent(self) -> int:
        """Messages sent again because somebody lacked them."""
        return self._carrier.resent

    # From other threads

    def start(self) -> None:
        """Begin. The interpreter's threads take turns more often from now on: an application that
        computes would else keep the ring's thread waiting for 5 ms at every system call."""
        sys.setswitchinterval(min(sys.getswitchinterval(), SWITCH_S))
        self._thread.start()

    def post(self, event: Input | Callable[[], None]) -> None:
        """Hand an input in, or something to be called in the ring's thread."""
        self._inputs.append(event)
        if self._waits:
            self._waits = False
            os.eventfd_write(self._wake, 1)

    def submit(self, event: Submit) -> None:
        """Hand messages in: at once, in the caller's thread, if the ring's has nothing to do.

        That saves waking it (``docs/decisions/0038-whoever-submits-may-run-the-ring.md``). What
        comes of it is told in the caller's thread, too: its listener must expect to be called from
        within.
        """
        if self._inputs or not self._turning.acquire(blocking=False):
            self.post(event)
            return
        try:
            if self._has_ended:
                return
            self._submit(event)
            self._go_out()
        except BaseException as error:
            # As in the thread itself: nobody knows how far the engine came.
            self._failure = error
            self.stop()
            if not isinstance(error, Exception):
                raise
        finally:
            self._turning.release()

    def stop(self) -> None:
        """End the thread, as a crash would: the others notice by the token."""
        self._stopped = True
        os.eventfd_write(self._wake, 1)

    def join(self, timeout: float | None = None) -> None:
        self._thread.join(timeout)

    def waiting(self) -> tuple[int, int]:
        """How many messages, and bytes, were accepted and have not left the send queue."""
        outbox = self.engine.outbox
        return len(outbox), outbox.bytes

    @property
    def backlog(self) -> int:
        """Bytes told and not taken yet."""
        return self._told_bytes - self._taken_bytes

    def taken(self, size: int) -> None:
        """The application took so many bytes of what it was told; fewer than none: it put them
        back, and will take them later. May be called from any thread."""
        with self._taking:
            self._taken_bytes += size
        if self._held_until and self.backlog < self._backlog_bytes:
            self.post(_nothing)

    # The thread

    def _run(self) -> None:
        try:
            if self._sink is not None:
                self._chronicle({"event": "boot", "storage": self._storage})
            with self._turning:
                self._step(Start())
                self._look_ahead()
            while not self._has_ended:
                self._turn()
        except BaseException as error:
            self._failure = error
        finally:
            self._end()

    @property
    def _has_ended(self) -> bool:
        return self._left or self._stopped or self._failure is not None

    def _end(self) -> None:
        self._writer.shutdown(wait=False, cancel_futures=True)
        with self._turning:
            self._poll.close()
            self.sockets.close()
            self._tell()
        if self.listener is not None:
            self.listener.ended(self._failure)

    def _turn(self) -> None:
        ready = self._wait()
        with self._turning:
            if ready or self.sockets.has_more:
                self._take_inputs()
                self._receive(ready)
            self._use_tokens()
            now = time.monotonic_ns()
            for expired in self._timers.expired(now):
                self._step(expired)
            if now >= self._carrier.due_ns():
                self._carrier.tick(now)
            self._go_out()
            if now >= self.probing.due_ns():
                self.probing.ask(now)
            for peer, datagram in self.sealer.take_outgoing():
                self.sockets.send([datagram], (peer,))
            if self.sockets.unreachable:
                self._heed_unreachable()
            self._look_ahead()

    def _go_out(self) -> None:
        """Send and tell what a turn brought."""
        if self.engine.lingering.kept is not None:
            self._tell()  # somebody is likely to go on at once: let it begin
        self._carrier.flush()
        self._tell()

    def _heed_unreachable(self) -> None:
        while self.sockets.unreachable:
            self._step(PeerHint(self.sockets.unreachable.pop(), False))
        self._go_out()

    def _look_ahead(self) -> None:
        chores = min(self._carrier.due_ns(), self.probing.due_ns()) + PATIENCE_NS
        due = min(self._timers.due_ns(chores), chores)
        self._due_ns, self._waits = min(due, self._held_until or due), True

    def _wait(self) -> list[tuple[int, int]]:
        if self._inputs or self.sockets.has_more:
            timeout = 0.0
        else:
            timeout = max(0.0, (self._due_ns - time.monotonic_ns()) / SECOND)
        ready = self._poll.poll(timeout)
        self._waits = False
        return ready or ([(self._wake, 0)] if self._inputs else [])

    def _take_inputs(self) -> None:
        inputs = self._inputs
        while inputs:
            event = inputs.popleft()
            if isinstance(event, Submit):
                self._submit(event)
            elif callable(event):
                event()
            else:
                self._step(event)

    def _submit(self, event: Submit) -> None:
        if self._chronicler is not None:
            for n, payload in enumerate(event.payloads):
                self._chronicler.submitting(event.handle + n, payload, event.service)
        self._step(event)
        # Accepted or refused: either way it waits for the engine no more.
        self.accepted += len(event.payloads)
        self.accepted_bytes += sum(map(len, event.payloads))

    def _receive(self, ready: Iterable[tuple[int, int]]) -> None:
        readable: list[int] = []
        for file, events in ready:
            if file == self._wake:
                if events:
                    with suppress(BlockingIOError):
                        os.eventfd_read(file)
                continue
            if events & select.EPOLLERR:
                self.probing.read_departures()
            if events & select.EPOLLIN:
                readable.append(file)
        if not readable and not self.sockets.has_more:
            return
        now = time.monotonic_ns()
        opened: list[Came] = []
        for datagrams in self.sockets.receive(readable):
            self._carrier.open(datagrams, opened, self._tokens, now)
            if self._tokens:
                break  # what came after it can wait until it is on its way
        if opened:
            self._step(Opened(opened))

    def _use_tokens(self) -> None:
        """Hand tokens in, unless the application is to catch up first."""
        if not self._tokens:
            return
        now = time.monotonic_ns()
        if self.backlog > self._backlog_bytes:
            if not self._held_until:
                self._held_until = now + self.engine.config.token_loss_ns // 4
            if now < self._held_until:
                return
            if self.backlog > BACKLOG_LIMIT * self._backlog_bytes:
                raise SlowConsumer(
                    f"{self.backlog >> 20} MiB were delivered and not taken: the application is too"
                    " slow for this group, and this member has left it"
                )
        self._held_until = 0
        tokens, self._tokens = self._tokens, []
        self.rotations += 1
        self._step(Opened(tokens))

    # Steps

    def _step(self, event: Input) -> None:
        if self._left:
            return
        now = time.monotonic_ns()
        for effect in self.engine.step(now, self.clock.read(now), event):
            carry_out = CARRY_OUT.get(type(effect))
            if carry_out is not None:
                carry_out(self, effect)
            if self._chronicler is not None:
                for keys in self._chronicler.describe(effect):
                    self._chronicle(keys)
        self._carrier.end_step()

    def _chronicle(self, keys: dict[str, object]) -> None:
        assert self._sink is not None, "only with a history"
        engine = self.engine
        self._sink.write(
            {
                "node": engine.me,
                "incarnation": f"{engine.incarnation:x}",
                "at": time.monotonic_ns(),
                **keys,
            }
        )

    def _on_send(self, effect: SendTo) -> None:
        if isinstance(effect.frame, Token):
            self._carrier.pass_token(effect.peer, effect.frame)
        else:
            self._carrier.send_to(effect.peer, effect.frame)

    def _on_multicast(self, effect: Multicast) -> None:
        self._carrier.multicast(effect.frame, self._audience(effect.frame))

    def _audience(self, frame: Frame) -> Sequence[int]:
        """Messages go to the members of their ring, what looks for other rings to whoever is not in
        ours, and everything else to whoever may be there."""
        me = self.engine.me
        if isinstance(frame, Data | Recovered):
            ring = present_ring(self.engine)
            return [member for member in ring.members if member != me]
        if isinstance(frame, Merge):
            return [peer for peer in self.sockets.peers if peer not in self.engine.ring.members]
        return [peer for peer in self.sockets.peers if peer != me]

    def _on_set_timer(self, effect: SetTimer) -> None:
        # After a pause, what lies in the queue has a time of its own to be read in.
        self._timers.set(effect, time.monotonic_ns(), exactly=self.engine.is_flushing)
        if effect.at_ns < self._due_ns and self._waits:
            self._waits = False
            os.eventfd_write(self._wake, 1)  # set in another thread's stead: wake up sooner

    def _on_cancel_timer(self, effect: CancelTimer) -> None:
        self._timers.cancel(effect.timer)

    def _on_persist(self, effect: Persist) -> None:
        ticket, state = effect.ticket, effect.state

        def save() -> None:
            try:
                self.disk.save(state)
            except OSError as error:
                self._failure = StateNotSaved(
                    f"the state cannot be saved: {error.strerror or error}; this member has stopped"
                )
                self.stop()
            else:
                self.post(Persisted(ticket))

        self._writer.submit(save)

    def _on_ordered(self, effect: Ordered) -> None:
        self._sent_handles.append(effect.handles)

    def _on_messages(self, effect: Messages) -> None:
        self._told_bytes += sum(map(len, effect.payloads))
        if effect.origin == self.engine.me:
            self._told.append(Own(effect, self._sent_handles.popleft()))
        else:
            self._told.append(effect)

    def _on_told(self, effect: Effect) -> None:
        self._told.append(effect)  # type: ignore[arg-type]

    def _on_moved(self, effect: Moved) -> None:
        self.changes.append(effect)
        self._told.append(effect)

    def _on_left(self, effect: Left) -> None:
        self._left = True
        self._carrier.flush()

    def _tell(self) -> None:
        if self.wants_room and not self.engine.has_pressure:
            self.wants_room = False
            self._told.append(Room())
        if self._told:
            told, self._told = self._told, []
            if self.listener is not None:
                self.listener.told(told)


CARRY_OUT: dict[type, Callable[[RingLoop, Any], None]] = {
    SendTo: RingLoop._on_send,
    Multicast: RingLoop._on_multicast,
    SetTimer: RingLoop._on_set_timer,
    CancelTimer: RingLoop._on_cancel_timer,
    Persist: RingLoop._on_persist,
    Ordered: RingLoop._on_ordered,
    Messages: RingLoop._on_messages,
    Configuration: RingLoop._on_told,
    Pressure: RingLoop._on_told,
    Refused: RingLoop._on_told,
    TimeRefused: RingLoop._on_told,
    Observed: RingLoop._on_told,
    ObservationRefused: RingLoop._on_told,
    Moved: RingLoop._on_moved,
    Left: RingLoop._on_left,
}
"""Accepted and Promised concern histories only; Dropped is counted by the engine."""
