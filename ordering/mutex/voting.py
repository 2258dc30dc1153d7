"""Decentralised voting: n coordinators, and who has the votes of m > n/2 of them may enter.

A client asks m of the n, drawn anew at each attempt. With all m votes it enters; with fewer it
gives back what it got, waits a random while, and tries again. 2m messages an attempt and m to
leave: 2mk + m with k attempts (and what failed attempts give back), 2k message times before the
entry and the waits between.

A coordinator that crashes and comes back has *forgotten* its vote, and no epoch is needed. So
exclusion is a probability: it can be lost only if at least 2m - n of the m voters forget while
somebody is inside (:func:`violation_probability`).

Fencing tokens without asking twice: the ballot proposes a token, and a voter remembers the highest
one it has voted for. A proposal that is not above it gets the vote with :data:`BEHIND`, and the
client, which may not enter with such a vote, proposes a higher one to the same voters: one more
attempt, which nobody else can take away. Two grants share a voter, which has seen the first token;
where exclusion is lost because voters forgot, so is the order of the tokens.

What breaks: up to n - m dead coordinators, nothing but attempts. A dead holder keeps its votes
until ``lease_ns`` has passed; with 0, for ever. With a lease a holder is told :class:`Lost` at nine
tenths of it by its own clock.

Lin, Lian, Chen and Zhang, "A practical distributed mutual exclusion protocol in dynamic
peer-to-peer systems", IPTPS 2004; Tanenbaum and van Steen, "A decentralized algorithm".
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from enum import Enum
from random import Random

from clocksync.runtime.core import CancelTimer, Effects, Notify, SetTimer
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import MILLISECOND, NodeId
from clocksync.runtime.wire import Frame
from ordering.mutex.contract import (
    NUMBER_BITS,
    PLACE_BITS,
    Lost,
    MutexCore,
    State,
    checked_members,
    majority,
)
from ordering.mutex.frames import BEHIND, DENIED, GRANTED, Ballot, BallotAnswer, BallotReturn


class Timer(Enum):
    """What a client or coordinator waits for."""

    RETRY = "try again"
    TIMEOUT = "no answer"
    LEASE = "our lease ends"
    VOTE = "a vote's lease ends"


@dataclass(frozen=True, slots=True, kw_only=True)
class VotingConfig:
    """How a client votes and waits.

    Raises:
        BadConfig: two of these contradict.
    """

    votes: int = 0
    """m, how many votes let a client in; 0 for the smallest majority. (n/2 < m <= n)"""

    timeout_ns: int = 50 * MILLISECOND
    """A coordinator that has not answered for so long counts as a denial."""

    backoff_ns: int = 5 * MILLISECOND
    """A client that was denied waits a draw of up to this, doubled with each attempt."""

    backoff_doublings_max: int = 5
    """After so many attempts the wait grows no more."""

    lease_ns: int = 0
    """How long a coordinator's vote lasts, by its clock; 0: until it comes back."""

    def __post_init__(self) -> None:
        if self.timeout_ns <= 0 or self.backoff_ns <= 0:
            raise BadConfig(
                f"timeout_ns = {self.timeout_ns}, backoff_ns = {self.backoff_ns}: above 0"
            )
        if self.lease_ns and self.lease_ns <= self.timeout_ns:
            raise BadConfig(
                f"lease_ns = {self.lease_ns} must exceed timeout_ns = {self.timeout_ns}:"
                " votes would run out while they are collected"
            )


class VotingMutex(MutexCore):
    """A member that votes, asks for votes, or both.

    Args:
        random: whom to ask and how long to wait are drawn from it.
        coordinators: who votes on this resource; by default every member.
    """

    def __init__(
        self,
        me: int,
        members: Sequence[int],
        *,
        random: Random,
        generation: int = 0,
        coordinators: Sequence[int] = (),
        config: VotingConfig | None = None,
    ) -> None:
        super().__init__(me, members, generation=generation)
        self.config = config or VotingConfig()
        self.coordinators = checked_members(coordinators or self.members)
        self.votes_needed = self.config.votes or majority(len(self.coordinators))
        if not len(self.coordinators) < 2 * self.votes_needed <= 2 * len(self.coordinators):
            raise BadConfig(
                f"votes = {self.votes_needed} of {len(self.coordinators)} coordinators:"
                " more than half are needed, and no more than there are"
            )
        strangers = [each for each in self.coordinators if each not in self._place]
        if strangers:
            raise BadConfig(f"coordinator {strangers[0]} is no member")
        self._random = random
        self.attempt = 0
        self.attempts = 0
        """Attempts of the request at hand."""
        self.proposal = 0
        self._time = 0
        self._asked: dict[NodeId, int | None] = {}
        """Whom this attempt asks, and their verdict so far."""
        # The coordinator's.
        self.voted: tuple[NodeId, int] | None = None
        self.highest = 0

    # The client.

    def _ask(self, now: int) -> Effects:
        self.attempts = 0
        return self._try(self._random.sample(self.coordinators, self.votes_needed), now)

    def _try(self, voters: Sequence[NodeId], now: int) -> Effects:
        self.attempt += 1
        self.attempts += 1
        self._time += 1
        self.proposal = self._stamp_number(self._time)
        self._asked = dict.fromkeys(sorted(voters))
        effects: Effects = [SetTimer(Timer.TIMEOUT, self.config.timeout_ns)]
        if self.config.lease_ns:
            effects.append(SetTimer(Timer.LEASE, self.config.lease_ns * 9 // 10))
        # Those elsewhere first: our own vote can be the last one that was missing.
        for voter in sorted(self._asked, key=lambda voter: voter == self.me):
            effects += self._post(voter, Ballot(self.attempt, self.proposal), now)
        return effects

    def _count(self, voter: NodeId, answer: BallotAnswer, now: int) -> Effects:
        if answer.attempt != self.attempt or self._asked.get(voter, DENIED) is not None:
            return []
        self._asked[voter] = answer.verdict
        self._time = max(self._time, answer.highest >> PLACE_BITS)
        verdicts = list(self._asked.values())
        if None in verdicts:
            return []
        if DENIED in verdicts:
            return self._fail(now)
        if BEHIND in verdicts:
            return self._try(list(self._asked), now)
        return [CancelTimer(Timer.TIMEOUT), *self._enter(self.proposal)]

    def _fail(self, now: int) -> Effects:
        effects = self._return_votes(now)
        doublings = min(self.attempts - 1, self.config.backoff_doublings_max)
        wait_ns = 1 + self._random.randrange(self.config.backoff_ns << doublings)
        return [*effects, SetTimer(Timer.RETRY, wait_ns)]

    def _return_votes(self, now: int) -> Effects:
        # Who has not answered may have voted; the links keep order, so this undoes it.
        asked, self._asked = self._asked, {}
        effects: Effects = [
            CancelTimer(Timer.TIMEOUT),
            CancelTimer(Timer.LEASE),
            CancelTimer(Timer.RETRY),
        ]
        for voter, verdict in asked.items():
            if verdict != DENIED:
                effects += self._post(voter, BallotReturn(self.attempt), now)
        return effects

    def _give_back(self, now: int) -> Effects:
        return self._return_votes(now)

    def _withdraw(self, now: int) -> Effects:
        return self._return_votes(now)

    def on_timer(self, timer: Hashable, now: int) -> Effects:
        match timer:
            case Timer.VOTE:
                self.voted = None
            case Timer.RETRY if self.state is State.WANTED:
                voters = self._random.sample(self.coordinators, self.votes_needed)
                return self._try(voters, now)
            case Timer.TIMEOUT if self.state is State.WANTED and self._asked:
                return self._fail(now)
            case Timer.LEASE if self.state is State.HELD:
                self.state = State.IDLE
                lost = Notify(Lost(self.token, "the votes' lease has run out"))
                return [lost, *self._return_votes(now)]
            case Timer.LEASE if self.state is State.WANTED and self._asked:
                return self._fail(now)
        return []

    # The coordinator.

    def _hear(self, sender: NodeId, frame: Frame, now: int) -> Effects:
        match frame:
            case BallotAnswer() if self.state is State.WANTED:
                return self._count(sender, frame, now)
            case Ballot(attempt, proposal) if self.me in self.coordinators:
                return self._vote(sender, attempt, proposal, now)
            case BallotReturn(attempt) if self.voted is not None:
                if self.voted[0] == sender and self.voted[1] <= attempt:
                    self.voted = None
                    return [CancelTimer(Timer.VOTE)] if self.config.lease_ns else []
        return []

    def _vote(self, sender: NodeId, attempt: int, proposal: int, now: int) -> Effects:
        if self.voted is not None and self.voted[0] != sender:
            return self._post(sender, BallotAnswer(attempt, DENIED, self.highest), now)
        self.voted = (sender, attempt)
        verdict = BEHIND
        if self.highest < proposal < 1 << NUMBER_BITS:
            self.highest, verdict = proposal, GRANTED
            self._time = max(self._time, proposal >> PLACE_BITS)  # our own next one is higher
        answer = self._post(sender, BallotAnswer(attempt, verdict, self.highest), now)
        return (
            [SetTimer(Timer.VOTE, self.config.lease_ns), *answer]
            if self.config.lease_ns
            else answer
        )
