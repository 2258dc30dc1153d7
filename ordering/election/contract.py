"""What both elections share: a verb, an event, and who the members are."""

from collections.abc import Sequence
from dataclasses import dataclass

from clocksync.runtime.core import Arrival, Effects, Notify, SilentCore
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import MILLISECOND, NodeId
from clocksync.runtime.wire import Frame
from ordering.election.frames import MEMBERS_MAX

ANSWER_NS = 100 * MILLISECOND
"""Default of how long silence means death: more than a round trip ever takes, where that is
bounded."""


@dataclass(frozen=True, slots=True)
class Elected:
    """The member that leads, as far as this one knows."""

    leader: int

    def __str__(self) -> str:
        return f"elected {self.leader}"


class ElectionCore(SilentCore):
    """A member that can hold an election.

    Args:
        answer_ns: silence of a member for so long means that it is dead.

    Raises:
        BadConfig: members are none, too many, named twice, or `me` is not among them.
    """

    def __init__(self, me: int, members: Sequence[int], *, answer_ns: int = ANSWER_NS) -> None:
        if me not in members or len(set(members)) != len(members) or len(members) > MEMBERS_MAX:
            raise BadConfig(
                f"members {', '.join(map(str, members))} must hold {me}, each once, at most"
                f" {MEMBERS_MAX}"
            )
        if answer_ns <= 0:
            raise BadConfig(f"answer_ns = {answer_ns}: above 0")
        self.me = NodeId(me)
        self.members = tuple(NodeId(member) for member in members)
        self.answer_ns = answer_ns
        self.leader: NodeId | None = None
        """Who leads, as far as we know."""

    def elect(self, now: int) -> Effects:
        """Hold an election; :class:`Elected` is told when it is over. Called when the leader is
        missed, or after a restart."""
        raise NotImplementedError

    def on_frame(self, arrival: Arrival, now: int) -> Effects:
        if arrival.sender == self.me or arrival.sender not in self.members:
            return []
        return self._hear(NodeId(arrival.sender), arrival.frame)

    def _hear(self, sender: NodeId, frame: Frame) -> Effects:
        raise NotImplementedError

    def _follow(self, leader: NodeId) -> Effects:
        self.leader = leader
        return [Notify(Elected(leader))]
