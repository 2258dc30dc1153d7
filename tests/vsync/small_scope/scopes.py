"""Small worlds that are searched in full: who is there, what is said, what may go wrong how often.

A *scope* bounds a search by budgets. What has no budget may happen whenever it is possible: the
delivery of any datagram in flight, the end of a write, a submission of the script.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from vsync.identity import Service
from vsync.states import Timer

AGREED, SAFE = Service.AGREED, Service.SAFE

BACK_OFF = "back-off"
"""The end of all pauses after which somebody given up is asked again: a timer as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The bounds of one search."""

    says: str
    """What it is for."""
    nodes: int = 2
    script: tuple[tuple[int, Service], ...] = ()
    """Who submits what; each member its own in this order, at any time."""
    is_formed: bool = True
    """Begin with all on one ring, whose token rests; otherwise with all processes just started."""
    is_submitted: bool = False
    """The script is submitted before the search begins."""
    is_chatty: bool = False
    """Everybody is taken for one whose next message follows at once."""
    is_disk_prompt: bool = True
    """A write is done at once; otherwise at any time, and a crash comes before or after it."""
    is_in_order: bool = False
    """Between two members datagrams overtake each other only as `overtakings` allows; otherwise
    all but tokens may always."""
    drops: int = 0
    duplicates: int = 0
    crashes: int = 0
    restarts: int = 0
    overtakings: int = 0
    """How often a token is read while data waits to be read: without a bound, a token could go
    round for ever, asking for what is about to arrive. With `is_in_order` also how often a datagram
    overtakes another of the same sender."""
    slow_visits: int | None = None
    """How often a token is read by a member whose write is not done; None: without a bound, where
    that ends by itself."""
    timers: Mapping[Timer | str, int] = field(default_factory=dict)
    """How often a timer of each kind may fire, at all members together. Those that fire once in a
    life (``SETTLE``, ``BOOT``) have no bound."""
    config: Mapping[str, int] = field(default_factory=dict)


_PAIR = ((1, AGREED), (2, SAFE))
_PAIR_SWAPPED = ((1, SAFE), (2, AGREED))
_ONE_LOSS = {Timer.TOKEN_LOSS: 1, Timer.TOKEN_RETRANSMIT: 1}
_LOSSES = {Timer.TOKEN_LOSS: 2, Timer.TOKEN_RETRANSMIT: 1}
_PARTING = {Timer.TOKEN_LOSS: 2, Timer.CONSENSUS: 2, Timer.JOIN: 1}
_MERGING = {Timer.TOKEN_LOSS: 2, Timer.CONSENSUS: 2, Timer.MERGE: 1, BACK_OFF: 1}
_BOOTING = {Timer.CONSENSUS: 2, Timer.MERGE: 1, Timer.JOIN: 1, BACK_OFF: 1}

SCOPES: Mapping[str, Scope] = {
    "pair-order": Scope(
        says="two members, no change of the ring: loss, repetition, overtaking",
        script=_PAIR,
        drops=1,
        duplicates=1,
        overtakings=2,
        timers={Timer.TOKEN_RETRANSMIT: 1},
    ),
    "pair-order-accelerated": Scope(
        says="the same, messages sent after the token",
        script=_PAIR,
        drops=1,
        duplicates=1,
        overtakings=3,
        timers={Timer.TOKEN_RETRANSMIT: 1},
        config={"accelerated": 2},
    ),
    "pair-lingering": Scope(
        says="two members, with either of whom the token may linger",
        script=((1, AGREED), (1, AGREED), (2, SAFE)),
        is_chatty=True,
        is_in_order=True,
        drops=1,
        overtakings=1,
        timers={Timer.TOKEN_HOLD: 2, Timer.TOKEN_RETRANSMIT: 1},
    ),
    "pair-lingering-loss": Scope(
        says="the same, the token lost once, wherever it is",
        script=((1, AGREED), (1, AGREED), (2, SAFE)),
        is_chatty=True,
        is_in_order=True,
        overtakings=1,
        timers={Timer.TOKEN_HOLD: 1, Timer.TOKEN_LOSS: 1},
    ),
    "pair-loss": Scope(
        says="two members, the token lost once, and the ring formed anew",
        script=_PAIR,
        overtakings=1,
        timers=_ONE_LOSS,
    ),
    "pair-loss-swapped": Scope(
        says="the same, with the representative's message safe",
        script=_PAIR_SWAPPED,
        overtakings=1,
        timers=_ONE_LOSS,
    ),
    "pair-losses": Scope(
        says="two members, the token lost twice (in recovery, too), and a datagram",
        script=_PAIR,
        is_in_order=True,
        drops=1,
        overtakings=1,
        timers=_LOSSES,
    ),
    "pair-parting": Scope(
        says="two members that part, each by itself",
        script=_PAIR,
        is_in_order=True,
        overtakings=1,
        timers=_PARTING,
    ),
    "pair-merging": Scope(
        says="two members that part and come together again",
        script=_PAIR,
        is_in_order=True,
        timers=_MERGING,
    ),
    "pair-crash": Scope(
        says="two members, of whom one crashes",
        script=_PAIR,
        is_disk_prompt=False,
        drops=1,
        overtakings=1,
        crashes=1,
        timers={Timer.TOKEN_LOSS: 1, Timer.CONSENSUS: 1},
    ),
    "pair-restart": Scope(
        says="two members, of whom one crashes and comes back with what its disk holds",
        script=_PAIR,
        is_in_order=True,
        is_disk_prompt=False,
        crashes=1,
        restarts=1,
        slow_visits=6,
        timers={Timer.TOKEN_LOSS: 1, Timer.CONSENSUS: 1},
    ),
    "pair-boot": Scope(
        says="two processes start, find each other, and talk",
        script=_PAIR,
        is_formed=False,
        is_in_order=True,
        is_disk_prompt=False,
        overtakings=1,
        timers={Timer.CONSENSUS: 2, Timer.MERGE: 1},
    ),
    "three-order": Scope(
        says="three members, one safe message, no change of the ring",
        nodes=3,
        script=((2, SAFE),),
        drops=1,
        duplicates=1,
        overtakings=2,
        timers={Timer.TOKEN_RETRANSMIT: 1},
    ),
    "three-loss": Scope(
        says="three members, one safe message, the token lost once",
        nodes=3,
        script=((2, SAFE),),
        overtakings=1,
        timers={Timer.TOKEN_LOSS: 1},
    ),
    "three-parting": Scope(
        says="three members, one safe message, one or more part",
        nodes=3,
        script=((2, SAFE),),
        is_submitted=True,
        is_in_order=True,
        timers={Timer.TOKEN_LOSS: 1, Timer.CONSENSUS: 1},
    ),
    "three-crash": Scope(
        says="three members, one safe message, of whom one crashes",
        nodes=3,
        script=((2, SAFE),),
        is_submitted=True,
        is_in_order=True,
        drops=1,
        crashes=1,
        timers={Timer.TOKEN_LOSS: 1, Timer.CONSENSUS: 1},
    ),
}
