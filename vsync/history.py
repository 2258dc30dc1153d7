"""An engine's effects as events of a history (``docs/history.md``).

The driver of an engine hands every effect to :meth:`Chronicler.describe`, in order, before it
carries the next one out: what a datagram speaks of is written before it leaves.
"""

import hashlib
from collections.abc import Iterator
from functools import lru_cache

from vsync.events import (
    Accepted,
    Configuration,
    Effect,
    Kind,
    Left,
    Messages,
    Observed,
    Ordered,
    Promised,
)
from vsync.identity import Service, message_name

Keys = dict[str, object]


@lru_cache(maxsize=4096)
def digest(payload: bytes) -> str:
    """How a payload is named in a history: the first 16 hex digits of its SHA-256.

    >>> digest(b"hello")
    '2cf24dba5fb0a30e'
    """
    return hashlib.sha256(payload).hexdigest()[:16]


class Chronicler:
    """Turns the effects of one incarnation into keys of events, without ``node`` and the like."""

    def __init__(self) -> None:
        self._submitted: dict[int, tuple[str, Service]] = {}

    def submitting(self, handle: int, payload: bytes, service: Service) -> None:
        """The application is about to submit this."""
        self._submitted[handle] = digest(payload), service

    def describe(self, effect: Effect, true_time: int | None = None) -> Iterator[Keys]:
        """The events that one effect is worth.

        Args:
            true_time: known in a simulation only, ns since the Unix epoch.
        """
        match effect:
            case Messages():
                yield from _deliveries(effect)
            case Ordered():
                yield from self._sendings(effect, true_time)
            case Accepted(handle, count):
                for each in range(handle, handle + count):
                    name, service = self._submitted[each]
                    yield {
                        "event": "submit",
                        "handle": str(each),
                        "service": service.value,
                        "digest": name,
                    }
            case Configuration():
                yield _change(effect)
            case Promised(ring, obligations):
                yield {"event": "recovered", "ring": str(ring), "obligations": list(obligations)}
            case Observed(_, timestamp):
                yield {"event": "observe", "timestamp": timestamp}
            case Left():
                yield {"event": "leave"}

    def _sendings(self, ordered: Ordered, true_time: int | None) -> Iterator[Keys]:
        for index, handle in enumerate(ordered.handles):
            name, service = self._submitted.pop(handle)
            keys: Keys = {
                "event": "send",
                "message": message_name(
                    ordered.ring, ordered.sequence, index if ordered.whole else None
                ),
                "handle": str(handle),
                "service": service.value,
                "digest": name,
            }
            yield keys if true_time is None else keys | {"true_time": true_time}


def _deliveries(messages: Messages) -> Iterator[Keys]:
    for index, payload in enumerate(messages.payloads):
        yield {
            "event": "deliver",
            "message": message_name(
                messages.ring, messages.sequence, index if messages.whole else None
            ),
            "origin": messages.origin,
            "service": messages.service.value,
            "digest": digest(payload),
            "timestamp": messages.timestamp + index,
            "error": messages.error,
            "flags": list(messages.flags),
            "configuration": messages.configuration,
        }


def _change(configuration: Configuration) -> Keys:
    keys: Keys = {
        "event": "configuration",
        "id": configuration.id,
        "kind": configuration.kind.value,
        "ring": str(configuration.ring),
    }
    if configuration.kind is Kind.REGULAR:
        keys["ring_seq"] = configuration.ring.sequence
    return keys | {
        "members": list(configuration.members),
        "timestamp": configuration.timestamp,
        "error": configuration.error,
        "reason": configuration.reason.value,
    }
