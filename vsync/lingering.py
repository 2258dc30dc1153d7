"""Keeping the token a moment longer, where one member alone sends and waits for each message.

Such a member would wait a whole rotation for each: it sends once its last one was delivered, and by
then the token has left. So where a message of ours was delivered in this visit, nobody else sent
anything since our last one or waits to, and our application has lately followed up at once, the
visit does not end yet. What is submitted within `follow_ns` is sent in the same visit, which ends
at the latest `linger_ns` after it began. To the protocol it is one visit: the token that leaves is
the one that a single, longer visit would have passed on.

Whoever wants to send meanwhile says so with a HoldCancel: the last message sent before we wait
bears the flag `LINGERS`. What a wrong guess costs is `follow_ns`, where nobody else had anything to
send a rotation ago; an application that mostly does not follow up at once is not waited for.

The idea is that of anticipatory scheduling (Iyer and Druschel, SOSP 2001), for disks.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vsync.events import SendTo
from vsync.frames import NOBODY, HoldCancel, Token
from vsync.states import Leaving, Timer

if TYPE_CHECKING:
    from vsync.engine import Engine

FOLLOWED_ENOUGH, FOLLOWED_MOST = 3, 6
"""From the first on we wait for the next message; none counts beyond the second."""
MISSED_COUNTS = 3
"""As much as so many that followed at once does one that did not: three in four must."""


@dataclass(slots=True)
class Lingering:
    """What a member remembers of this."""

    kept: Token | None = None
    """To pass on, once the visit that we have not ended yet is over."""
    since_ns: int = 0
    """When that visit began."""
    own_ns: int = 0
    """When a message of ours was delivered to us last."""
    followed: int = 0
    """How often something followed at once, lately."""


def foresee(engine: "Engine") -> None:
    """Learn from a submission, before it is in the send queue, whether waiting pays."""
    waits_for_all = not len(engine.outbox) and engine.last_own <= engine.ring.delivered
    memory = engine.lingering
    if waits_for_all and engine.now - memory.own_ns <= engine.config.follow_ns:
        memory.followed = min(memory.followed + 1, FOLLOWED_MOST)
    else:
        memory.followed = max(0, memory.followed - MISSED_COUNTS)


def is_worth_it(engine: "Engine", since_ns: int) -> bool:
    """Whether more is likely to follow at once, and a visit begun then may wait for it."""
    is_likely = engine.lingering.followed >= FOLLOWED_ENOUGH
    return is_likely and engine.now < since_ns + engine.config.linger_ns


def may_linger(engine: "Engine", token: Token) -> bool:
    """Whether the visit of this token, as it came, may be kept open."""
    ring = engine.ring
    return (
        is_worth_it(engine, engine.now)
        # Something of ours is to be delivered: an idle token is passed on as ever.
        and (len(engine.outbox) > 0 or engine.last_own > ring.delivered)
        and engine.leaving is Leaving.NOT
        and ring.is_sent_by_us_alone(token)
        and token.all_received_up_to == token.sequence
        and not token.missing
    )


def awaits_more(engine: "Engine") -> bool:
    """Whether all of ours is delivered, some of it just now."""
    return (
        engine.lingering.own_ns == engine.now
        and engine.last_own <= engine.ring.delivered
        and not len(engine.outbox)
    )


def linger(engine: "Engine", since_ns: int) -> None:
    """Keep the token that a visit begun then would pass on."""
    engine.lingering.since_ns = since_ns
    left = since_ns + engine.config.linger_ns - engine.now
    engine.arm(Timer.TOKEN_HOLD, max(0, min(engine.config.follow_ns, left)))


def cut_short(engine: "Engine") -> None:
    """We have something to send: tell whoever lingers, if somebody does."""
    ring = engine.ring
    if ring.lingerer != NOBODY:
        from_whom, ring.lingerer = ring.lingerer, NOBODY
        engine.emit(SendTo(from_whom, HoldCancel(*ring.id)))
