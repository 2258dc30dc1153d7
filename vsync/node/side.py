"""What both forms of a group share: handles, the send queue's limits, what was not taken yet."""

from collections.abc import Sequence

from vsync.events import Configuration, Messages, Submit
from vsync.identity import WHOLE_RING, Service
from vsync.node.loop import RingLoop
from vsync.node.message import Event, NotAMember


class Side:
    """The application's side of a member."""

    def __init__(self, loop: RingLoop) -> None:
        self.loop = loop
        self.id = loop.engine.me
        self.error: BaseException | None = None
        self.configuration: Configuration | None = None
        """The one in force, as far as it was told."""
        self.has_ended = False
        self._next = 1
        self._submitted = 0
        self._submitted_bytes = 0

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
        self.loop.post(Submit(handle, payloads, service, number))
        return handle

    def _over(self) -> BaseException:
        return self.error or NotAMember("this member has left the group")

    def _ask_for_room(self) -> None:
        self.loop.wants_room = True
        self.loop.post(_look)

    def _take(self, event: Event) -> None:
        if isinstance(event, Messages):
            self.loop.taken(sum(map(len, event.payloads)))


def _look() -> None:
    """Nothing: the ring's thread looks round."""
