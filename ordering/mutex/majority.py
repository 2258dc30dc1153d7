"""Ricart and Agrawala's algorithm, satisfied with a majority: an OK is exclusive until it is back.

Any two majorities share a member, and that one has one OK to give. The textbook's sentence "as
long as you get more than half of the votes, you can access the resource" ends here in a deadlock:
of three members that ask at once each can vote for itself, and none gets a second vote. With
``resolves`` (the default) a voter that hears of an earlier request asks for its vote back
(:class:`Inquire`), and who has not entered yet gives it (:class:`Yield`). Votes then move towards
the earliest request only, so it gets in, and the next one after it: neither deadlock nor
starvation (Maekawa 1985, with Sanders' correction of 1987; without their message "failed", because
here whoever is asked yields at once).

3(n-1) messages an entry without contention (request, vote, release), at most 5(n-1) with it: each
vote can be asked back. 2 message times before the entry.

Fencing tokens: a voter remembers the latest request it has seen served and refuses earlier ones as
:class:`Stale`; their owner asks again with a later time.

What breaks: a minority of dead members, nothing. A dead holder keeps its votes and blocks, as does
a dead member that had votes while waiting.
"""

from collections.abc import Sequence

from clocksync.runtime.core import Effects
from clocksync.runtime.units import NodeId
from clocksync.runtime.wire import Frame
from ordering.mutex.contract import TIME_MAX, MutexCore, State, majority
from ordering.mutex.frames import Inquire, Release, Request, Stale, Vote, Withdraw, Yield


class MajorityMutex(MutexCore):
    """A member, which is also a voter.

    Args:
        resolves: False leaves the deadlock in, to be looked at.
    """

    def __init__(
        self,
        me: int,
        members: Sequence[int],
        *,
        generation: int = 0,
        resolves: bool = True,
    ) -> None:
        super().__init__(me, members, generation=generation)
        self.resolves = resolves
        self.time = 0
        self._asked_at = 0
        self.votes: set[NodeId] = set()
        # The voter's.
        self.voted: tuple[int, int] | None = None
        """The request that has our vote: its time, and the place of its owner."""
        self.queue: dict[int, int] = {}
        """The requests that wait for it: place of the owner to time."""
        self.served = (0, 0)
        self._inquired = False

    def _ask(self, now: int) -> Effects:
        self.time += 1
        self._asked_at = self.time
        self.votes.clear()
        return self._to_all(Request(self._asked_at), now)

    def _give_back(self, now: int) -> Effects:
        return self._to_all(Release(self._asked_at, 0), now)

    def _withdraw(self, now: int) -> Effects:
        return self._to_all(Withdraw(self._asked_at, 0), now)

    def _to_all(self, frame: Frame, now: int) -> Effects:
        # The others first: what we tell ourselves may already let us enter.
        return self._tell_others(frame) + self._hear(self.me, frame, now)

    def _hear(self, sender: NodeId, frame: Frame, now: int) -> Effects:
        match frame:
            case Request(asked) if asked <= TIME_MAX:
                return self._consider(sender, asked, now)
            case Release(number):
                self.served = max(self.served, (number, self._place[sender]))
                return self._forget(sender, number, now)
            case Withdraw(number):
                return self._forget(sender, number, now)
            case Yield(number) if self.voted == (number, self._place[sender]):
                self.queue[self._place[sender]] = number
                self.voted = None
                return self._vote(now)
        if self.state is not State.WANTED:
            return []
        match frame:
            case Vote(number) if number == self._asked_at:
                self.votes.add(sender)
                if len(self.votes) >= majority(len(self.members)):
                    return self._enter(self._stamp_number(self._asked_at))
            case Inquire(number) if number == self._asked_at and sender in self.votes:
                self.votes.discard(sender)
                return self._post(sender, Yield(number), now)
            case Stale(number, time) if number == self._asked_at and time <= TIME_MAX:
                self.time = max(self.time, time)
                return self._withdraw(now) + self._ask(now)
        return []

    # The voter.

    def _consider(self, sender: NodeId, asked: int, now: int) -> Effects:
        self.time = max(self.time, asked)
        place = self._place[sender]
        if (asked, place) <= self.served:
            return self._post(sender, Stale(asked, self.served[0]), now)
        self.queue[place] = asked
        if self.voted is None:
            return self._vote(now)
        if self.resolves and (asked, place) < self.voted and not self._inquired:
            self._inquired = True
            number, owner = self.voted
            return self._post(self.members[owner], Inquire(number), now)
        return []

    def _forget(self, sender: NodeId, number: int, now: int) -> Effects:
        place = self._place[sender]
        if self.queue.get(place) == number:
            del self.queue[place]
        if self.voted != (number, place):
            return []
        self.voted = None
        return self._vote(now)

    def _vote(self, now: int) -> Effects:
        """Give the vote to the earliest request that is not stale."""
        self._inquired = False
        effects: Effects = []
        for asked, place in sorted((asked, place) for place, asked in self.queue.items()):
            if self.queue.get(place) != asked or self.voted is not None:
                continue  # what we told ourselves has changed the queue
            del self.queue[place]
            if (asked, place) <= self.served:
                effects += self._post(self.members[place], Stale(asked, self.served[0]), now)
                continue
            self.voted = (asked, place)
            effects += self._post(self.members[place], Vote(asked), now)
        return effects
