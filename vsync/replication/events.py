"""What the cores of this package say: effects for their driver, events for the application.

Their inputs are the ring's own (:mod:`vsync.events`): ``Messages``, ``Configuration``, ``Moved``.
Effects are carried out in order. Times are readings of the monotonic clock, ns.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from vsync.events import Messages
from vsync.identity import RingId, Service

# Effects


@dataclass(frozen=True, slots=True)
class Multicast:
    """Submit these to the ring, in this order, as soon as it takes them: a driver whose send queue
    is full waits, and leaves none out."""

    payloads: tuple[bytes, ...]
    service: Service
    group: int


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Hand the timer back at the monotonic time `at_ns`; replaces a pending one of that name."""

    timer: Hashable
    at_ns: int


@dataclass(frozen=True, slots=True)
class CancelTimer:
    """Forget a timer; one that is not pending is no error."""

    timer: Hashable


# Of groups


@dataclass(frozen=True, slots=True)
class View:
    """Who is in a group, at a place of the order that is the same for all who go on together."""

    group: str
    id: str
    ring: RingId
    members: tuple[int, ...]
    joined: tuple[int, ...]
    left: tuple[int, ...]
    reason: str
    quorum: bool | None
    """Whether this side of the network may go on, by the policy; None where that is not known yet:
    in a transitional view."""
    timestamp: int
    step: int = 0
    """The number on its ring of the message that made it; 0 for one that opens the ring."""
    is_transitional: bool = False
    """The ring has ended: what is left of its messages follows, then the next view."""
    is_certain: bool = False
    """Whether all who live will come to this view; see :mod:`vsync.replication.quorum`."""
    offers: Mapping[int, object] = field(default_factory=dict)
    """What members told of their state: all of them where a ring is opened, otherwise who joins."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """Messages of a group this process is in."""

    group: str
    messages: Messages


@dataclass(frozen=True, slots=True)
class JoinRefused:
    """This process is not in the group after all."""

    group: str
    reason: str


@dataclass(frozen=True, slots=True)
class LeaveRefused:
    """The group has changed since this process asked to leave it, and may need its state: ask again
    if you still want to leave."""

    group: str


@dataclass(frozen=True, slots=True)
class RollCall:
    """A ring begins: answer with ``Groups.answer(offers)``, when all that came before this was
    dealt with."""

    ring: RingId


@dataclass(frozen=True, slots=True)
class QuorumChanged:
    """Whether this side of the network may go on; None: not known, since `since_ns`."""

    quorum: bool | None
    since_ns: int


# Of replicas


@dataclass(frozen=True, slots=True)
class Applied:
    """A command of ours was applied here: a local read sees it from now on."""

    group: str
    handle: int
    result: object
    is_certain: bool
    """It was delivered safe, in a regular configuration of the primary component: it will not be
    discarded while a majority keeps its memory."""


@dataclass(frozen=True, slots=True)
class Settled:
    """Commands of ours that were applied or absorbed, and not certain, are certain now."""

    group: str
    handles: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Absorbed:
    """A command of ours is in the state that was sent to us. Its result there is not known here,
    and may differ from what was told as not certain."""

    group: str
    handle: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """A command of ours was not applied, by anybody, and will not be."""

    group: str
    handle: int
    reason: str


@dataclass(frozen=True, slots=True)
class Discarded:
    """Commands that were in our state are not in the one that replaced it."""

    group: str
    count: int
    commands: tuple[bytes, ...]
    """The last ones, up to a limit."""
    handles: tuple[int, ...]
    """Those of them that were ours: applied here, or absorbed."""
    is_complete: bool
    """False: there may be more that were too long ago to be told."""


@dataclass(frozen=True, slots=True)
class Restored:
    """The state was replaced by that of `source`, which had applied `applied` commands."""

    group: str
    source: int
    applied: int


@dataclass(frozen=True, slots=True)
class PrimaryChanged:
    """Whether commands are applied here as those of the primary component."""

    group: str
    is_primary: bool


# Of locks: each names many, by the numbers of our requests for them


@dataclass(frozen=True, slots=True)
class Granted:
    """We hold these locks; the resource of each is to be told its fencing token."""

    group: str
    requests: tuple[int, ...]
    fencing_tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Released:
    """What we gave back is given back in the order: whoever waits has it."""

    group: str
    requests: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Suspended:
    """The ring, or the quorum, was lost: unless it comes back, these are lost at `until_ns`."""

    group: str
    requests: tuple[int, ...]
    until_ns: int | None
    """None: no lease is kept, and they are lost when the members change."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """These locks are still ours."""

    group: str
    requests: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Lost:
    """We hold these no more, though we did not release them: stop touching the resources."""

    group: str
    requests: tuple[int, ...]
    reason: str


Effect = (
    Multicast
    | SetTimer
    | CancelTimer
    | View
    | Delivered
    | JoinRefused
    | LeaveRefused
    | RollCall
    | QuorumChanged
    | Applied
    | Settled
    | Absorbed
    | Rejected
    | Discarded
    | Restored
    | PrimaryChanged
    | Granted
    | Released
    | Suspended
    | Resumed
    | Lost
)
Effects = list[Effect]
