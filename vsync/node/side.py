"""What both forms of a group share: the time, handles, and the limits of queues.  [I/O]"""

import time
from collections.abc import Callable, Sequence

from clocksync.runtime.errors import MisusedCore, ToolkitError
from clocksync.runtime.interval import Interval
from clocksync.runtime.units import format_duration
from vsync.events import Configuration, Messages, ObservationRefused, Submit
from vsync.identity import WHOLE_RING, Service
from vsync.node.clocks import Clocks
from vsync.node.loop import RingLoop
from vsync.node.message import Event, Message, NotAMember
from vsync.ringtime import GroupTime, flag_names
from vsync.timestamps import Stamped, Timestamp


class AheadOfTime(ToolkitError):
    """A timestamp of elsewhere lies further ahead than any clock of ours allows: it is not
    followed."""

    def __init__(self, refused: ObservationRefused) -> None:
        ahead = format_duration(refused.ahead_ns)
        super().__init__(
            f"that timestamp is {ahead} ahead of the latest it can be now, and was not followed:"
            " the clock it comes from is wrong, or ours is"
        )
        self.ahead_ns = refused.ahead_ns


class Side:
    """The application's side of a member."""

    def __init__(self, loop: RingLoop) -> None:
        self.loop = loop
        self.id = loop.engine.me
        self._hand_in: Callable[[Submit], None] = loop.post
        self.error: BaseException | None = None
        self.configuration: Configuration | None = None
        """The one in force, as far as it was told."""
        self.has_ended = False
        self.keeps_events = True
        """Whether what is told to the whole ring waits for the application to take it."""
        self._next = 1
        self._submitted = 0
        self._submitted_bytes = 0
        self._clocks = Clocks(loop)
        self._handled: Message | None = None
        self._readings = 0

    # Time

    def now(self) -> Interval:
        """The time now: an interval that contains it, by our own clock and, where that knows
        nothing, by the majority of the members'. An estimate of this member's: :meth:`timestamp`
        is what all agree on."""
        return self._group_time().interval

    @property
    def time_flags(self) -> tuple[str, ...]:
        """What is to be said of :meth:`now`: ``suspect`` (our clock contradicts the majority),
        ``unverified`` (there is no majority of three clocks or more)."""
        return flag_names(self._group_time().flags)

    def _group_time(self) -> GroupTime:
        engine, now = self.loop.engine, time.monotonic_ns()
        mine = self.loop.clock.read(now)
        agreed = self._clocks.agreed(mine.middle)
        if agreed.interval is not None:
            reading = engine.stamper.read(mine, agreed.interval + mine.middle)
            return GroupTime(reading.base, reading.flags)
        return engine.stamper.now(mine, now, engine.ring.told)

    def clock(self) -> int:
        """The group's clock, ns since the Unix epoch: the mean of the members' clocks that the
        majority does not contradict. Members read the same within microseconds, however far their
        clocks are from one another (:mod:`vsync.node.pairing`); it is not forced to grow."""
        mine = self.loop.clock.tell(time.time_ns())
        return mine + self._clocks.agreed(mine).offset_ns

    def timestamp(self) -> Timestamp:
        """A reading of the group's time while a message is handled: the n-th reading of a message
        is the same at every member, and readings only grow.

        It is that of the message yielded last by ``async for``, ``for`` or ``receive``.

        Raises:
            MisusedCore: no message was taken yet.
        """
        message = self._handled
        if message is None:
            raise MisusedCore("timestamp() before the first message: it reads the message's time")
        self._readings += 1
        return Timestamp(
            message.timestamp, self._readings - 1, message.error, message.name.rpartition("/")[0]
        )

    def _handle(self, message: Message) -> Message:
        self._handled, self._readings = message, 0
        return message

    def _until_past_ns(self, message: Message) -> int:
        """How long until a message's timestamp is certainly past, ns."""
        return max(0, message.timestamp + 1 - self.now().earliest)

    # The send queue

    def _has_room(self, count: int, size: int) -> bool:
        loop, config = self.loop, self.loop.engine.config
        waiting, waiting_bytes = loop.waiting()
        waiting += self._submitted - loop.accepted
        waiting_bytes += self._submitted_bytes - loop.accepted_bytes
        return (
            waiting + count <= config.queue_messages_max
            and waiting_bytes + size <= config.queue_bytes_max
        )

    def _check(self, payloads: Sequence[bytes]) -> int:
        if self.has_ended:
            raise self._over()
        limits = self.loop.engine.config
        if len(payloads) > limits.queue_messages_max:
            raise ValueError(f"{len(payloads)} messages at once: {limits.queue_messages_max} fit")
        size = 0
        for payload in payloads:
            if not isinstance(payload, bytes):
                raise TypeError(f"a message is bytes, not {type(payload).__name__}")
            if len(payload) > limits.message_bytes_max:
                raise ValueError(
                    f"a message of {len(payload)} bytes: message_bytes_max is"
                    f" {limits.message_bytes_max}"
                )
            size += len(payload)
        if size > limits.queue_bytes_max:
            raise ValueError(f"{size} bytes at once: queue_bytes_max is {limits.queue_bytes_max}")
        return size

    def _post(
        self, payloads: Sequence[bytes], size: int, service: Service, number: int = WHOLE_RING
    ) -> int:
        handle = self._next
        self._next += len(payloads)
        self._submitted += len(payloads)
        self._submitted_bytes += size
        self._hand_in(Submit(handle, payloads, service, number))
        return handle

    def _over(self) -> BaseException:
        return self.error or NotAMember("this member has left the group")

    def _ask_for_room(self) -> None:
        self.loop.wants_room = True
        self.loop.post(_look)

    def _take(self, event: Event) -> None:
        if isinstance(event, Messages):
            self.loop.taken(sum(map(len, event.payloads)))

    def _check_events(self) -> None:
        if not self.keeps_events:
            raise MisusedCore("this member joined with events=False: it keeps none to be taken")


def timestamp_of(event: "int | Stamped") -> int:
    """The timestamp of what was seen elsewhere: a number, or whatever carries one."""
    return event if isinstance(event, int) else event.timestamp


def _look() -> None:
    """Nothing: the ring's thread looks round."""
