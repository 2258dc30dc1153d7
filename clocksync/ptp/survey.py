"""Several masters heard by the same sockets: every message goes to every listener.

Listeners are few, and one that a message does not concern still wants to know whom it heard.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import cast

from clocksync.ptp.listener import PtpListener
from clocksync.runtime.core import Arrival, Effects, SilentCore, Stamp


@dataclass(slots=True)
class PtpSurvey(SilentCore):
    """Listeners by name, as one core."""

    listeners: dict[Hashable, PtpListener] = field(default_factory=dict)

    def add(self, listener: PtpListener, now: int) -> Effects:
        """Begin to listen for another master."""
        self.listeners[listener.name] = listener
        return listener.start(now)

    def on_frame(self, arrival: Arrival, now: int) -> Effects:
        effects: Effects = []
        for listener in self.listeners.values():
            effects += listener.on_frame(arrival, now)
        return effects

    def on_timer(self, timer: Hashable, now: int) -> Effects:
        return self._of(timer).on_timer(timer, now)

    def on_sent(self, tag: Hashable, stamp: Stamp, now: int) -> Effects:
        return self._of(tag).on_sent(tag, stamp, now)

    def finish(self) -> Effects:
        """Stop listening."""
        return [effect for one in self.listeners.values() for effect in one.finish()]

    def _of(self, named: Hashable) -> PtpListener:
        return self.listeners[cast(tuple[Hashable, object], named)[0]]
