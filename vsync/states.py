"""The states of a member, why it goes from one to the next, and which timers run where: as data.

The engine has one door (``Engine.move``), which reads these tables; the diagram in ``docs/ring.md``
is drawn from them, and a test holds them complete. After Amir et al., "The Totem Single-Ring
Ordering and Membership Protocol", TOCS 13(4), 1995, figure 4.
"""

from collections.abc import Callable, Mapping
from enum import Enum, StrEnum
from types import MappingProxyType
from typing import Any


class State(StrEnum):
    """Where a member is."""

    IDLE = "idle"
    """Not started yet, or left."""
    OPERATIONAL = "operational"
    """On a ring, ordering messages."""
    GATHER = "gather"
    """Finding out with whom to form the next ring."""
    COMMIT = "commit"
    """Agreed; what everybody brings is being collected."""
    RECOVERY = "recovery"
    """On the new ring, exchanging what is missing of the old one."""


class Timer(StrEnum):
    """What a member waits for."""

    TOKEN_LOSS = "token loss"
    TOKEN_RETRANSMIT = "token retransmit"
    TOKEN_HOLD = "token hold"
    JOIN = "join"
    CONSENSUS = "consensus"
    SETTLE = "settle"
    MERGE = "merge"
    PAUSE = "pause"
    LEAVE = "leave"
    BOOT = "boot"


class Cause(StrEnum):
    """Why the state changes; the first one since the last ring is a configuration's reason."""

    BOOTED = "the process started"
    TOKEN_LOST = "the token did not come back in time"
    FOREIGN_MESSAGE = "a message of another ring was heard"
    MERGE_HEARD = "another ring announced itself"
    JOIN_HEARD = "a process asked for a new ring"
    LEAVE_HEARD = "a member left"
    MEMBER_DEAF = "a member did not receive messages for too long"
    SEQUENCE_LIMIT = "the ring ran out of sequence numbers"
    PEER_UNREACHABLE = "the network says that a member cannot be reached"
    CONSENSUS_MISSED = "not everybody agreed in time"
    CONSENSUS_REACHED = "everybody agreed on the members"
    ALONE_AGAIN = "nobody answered"
    COMMIT_HEARD = "the representative formed a ring"
    COMMIT_LOST = "the commit token did not come in time"
    COMMIT_CIRCULATED = "the commit token told what everybody brings"
    TIME_REFUSED = "a member's timestamps are absurdly ahead"
    RECOVERY_LOST = "the token was lost during recovery"
    RECOVERY_ENDLESS = "recovery did not end"
    RECOVERED = "everything of the old ring was recovered"
    LEAVING = "the application leaves"
    LEFT = "this member has left"


class Awaited(Enum):
    """What waits for storage."""

    BOOT = "the first configuration"
    COMMIT = "passing the commit token on"


class Leaving(Enum):
    """How far a member is that leaves."""

    NOT = "it does not"
    DRAINING = "what it submitted is being delivered"
    ALONE = "it has told the others, and goes on alone to deliver the rest"


_NEWS = (
    Cause.TOKEN_LOST,
    Cause.FOREIGN_MESSAGE,
    Cause.MERGE_HEARD,
    Cause.JOIN_HEARD,
    Cause.LEAVE_HEARD,
    Cause.MEMBER_DEAF,
    Cause.SEQUENCE_LIMIT,
)


def _to(state: State, *causes: Cause) -> dict[Cause, State]:
    return dict.fromkeys(causes, state)


NEXT: Mapping[State, Mapping[Cause, State]] = MappingProxyType(
    {
        State.IDLE: _to(State.OPERATIONAL, Cause.BOOTED),
        State.OPERATIONAL: _to(State.GATHER, *_NEWS, Cause.BOOTED, Cause.LEAVING)
        | _to(State.IDLE, Cause.LEFT),
        State.GATHER: _to(
            State.GATHER,
            Cause.FOREIGN_MESSAGE,
            Cause.MERGE_HEARD,
            Cause.JOIN_HEARD,
            Cause.LEAVE_HEARD,
            Cause.PEER_UNREACHABLE,
            Cause.CONSENSUS_MISSED,
            Cause.COMMIT_LOST,
            Cause.LEAVING,
        )
        | _to(State.COMMIT, Cause.CONSENSUS_REACHED, Cause.COMMIT_HEARD)
        | _to(State.OPERATIONAL, Cause.ALONE_AGAIN),
        State.COMMIT: _to(
            State.GATHER,
            Cause.COMMIT_LOST,
            Cause.JOIN_HEARD,
            Cause.LEAVE_HEARD,
            Cause.TIME_REFUSED,
            Cause.LEAVING,
        )
        | _to(State.RECOVERY, Cause.COMMIT_CIRCULATED),
        State.RECOVERY: _to(
            State.GATHER,
            Cause.RECOVERY_LOST,
            Cause.RECOVERY_ENDLESS,
            Cause.JOIN_HEARD,
            Cause.LEAVE_HEARD,
            Cause.MEMBER_DEAF,
            Cause.LEAVING,
        )
        | _to(State.OPERATIONAL, Cause.RECOVERED),
    }
)
"""From a state, for a cause, to which state. A pair that is not there is a bug."""

OnFrame = Mapping[Any, Callable[..., None]]
"""What a state does with each class of frame; Any, as each handler takes its own."""

OnTimer = Mapping[Timer, Callable[..., object]]
"""What a state does when a timer runs out."""

_TOKEN = {Timer.TOKEN_LOSS, Timer.TOKEN_RETRANSMIT}
_ALWAYS = {Timer.PAUSE, Timer.LEAVE}

RUNS_IN: Mapping[State, frozenset[Timer]] = MappingProxyType(
    {
        State.IDLE: frozenset({Timer.BOOT}),
        State.OPERATIONAL: frozenset({*_TOKEN, Timer.TOKEN_HOLD, Timer.MERGE, *_ALWAYS}),
        State.GATHER: frozenset(
            {Timer.JOIN, Timer.CONSENSUS, Timer.SETTLE, Timer.TOKEN_LOSS, *_ALWAYS}
        ),
        State.COMMIT: frozenset({*_TOKEN, *_ALWAYS}),
        State.RECOVERY: frozenset({*_TOKEN, *_ALWAYS}),
    }
)
"""Which timers may be pending in a state: entering it cancels all others."""
