"""What must be true of every run of a group, judged from outside.

A run is one log per member: what its application multicast and what it was told, in order. The
properties know no protocol; each yields its offences, one line each. Messages are told apart by
their bytes, so no two may be equal.

Chandra and Toueg, Hadzilacos ("A modular approach to fault-tolerant broadcasts", 1994) name them:
integrity, validity, agreement, FIFO, causal and total order.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise

from ordering.multicast.order import Order


class What(Enum):
    """What a line of a log says."""

    MULTICAST = "multicast"
    DELIVERED = "delivered"
    PREVIEWED = "previewed"


Line = tuple[What, int, bytes]
"""What happened, who the message is from, and the message."""


@dataclass(slots=True)
class Observed:
    """A run, as its members saw it."""

    logs: dict[int, list[Line]]
    crashed: set[int] = field(default_factory=set)
    left: set[int] = field(default_factory=set)
    is_flowing: bool = True
    """Whether every member that lives could send all that it was given: the group had begun, and
    no dead member's full window held anything back."""
    is_quiet: bool = False
    """Whether the run ended because nothing was under way any more, all faults healed."""

    def seen(self, member: int, what: What) -> list[tuple[int, bytes]]:
        """(origin, message) of each line of a kind."""
        return [(origin, text) for kind, origin, text in self.logs[member] if kind is what]

    @property
    def live(self) -> list[int]:
        return [member for member in sorted(self.logs) if member not in self.crashed]


Offences = Iterator[str]
Property = Callable[[Observed], Offences]


def nothing_is_created(run: Observed) -> Offences:
    """Who is said to have sent a message has multicast it."""
    sent = {(m, text) for m in run.logs for _, text in run.seen(m, What.MULTICAST)}
    for member in run.logs:
        for origin, text in run.seen(member, What.DELIVERED):
            if (origin, text) not in sent:
                yield f"{member} delivered {text!r}, which {origin} never multicast"


def nothing_is_duplicated(run: Observed) -> Offences:
    """No member delivers a message twice."""
    for member in run.logs:
        for (_, text), count in Counter(run.seen(member, What.DELIVERED)).items():
            if count > 1:
                yield f"{member} delivered {text!r} {count} times"


def senders_order_is_kept(run: Observed) -> Offences:
    """Of each sender, every member delivers a beginning of what it multicast, in its order."""
    for sender in run.logs:
        sent = [text for _, text in run.seen(sender, What.MULTICAST)]
        for member in run.logs:
            got = [text for o, text in run.seen(member, What.DELIVERED) if o == sender]
            if got != sent[: len(got)]:
                yield f"{member} delivered {got} of {sender}, which multicast {sent}"


def causes_come_first(run: Observed) -> Offences:
    """What a sender had delivered or multicast before it multicast m is delivered before m."""
    yield from _causes_come_first(run, What.DELIVERED)


def what_was_seen_comes_first(run: Observed) -> Offences:
    """What a sender was shown, as preview or delivery, before it multicast m comes before m."""
    yield from _causes_come_first(run, What.PREVIEWED)
    previewed = {
        m: [line[1:] for line in log if line[0] is What.PREVIEWED] for m, log in run.logs.items()
    }
    for member, shown in previewed.items():
        for place, line in enumerate(run.seen(member, What.DELIVERED)):
            if line not in shown:
                yield f"{member} delivered its {place}th message without a preview"


def _causes_come_first(run: Observed, seen: What) -> Offences:
    pasts = _pasts(run, seen)
    for member in run.logs:
        delivered: set[tuple[int, bytes]] = set()
        for line in run.seen(member, What.DELIVERED):
            missing = pasts.get(line, set()) - delivered
            if missing:
                yield f"{member} delivered {line} before its causes {sorted(missing)[:3]}"
            delivered.add(line)


def _pasts(run: Observed, seen: What) -> dict[tuple[int, bytes], set[tuple[int, bytes]]]:
    """The direct causes of each message. Causes of causes follow: they come before those."""
    pasts = {}
    for member, log in run.logs.items():
        past: set[tuple[int, bytes]] = set()
        for what, origin, text in log:
            if what is What.MULTICAST:
                pasts[origin, text] = set(past)
                past.add((member, text))
            elif what is seen:
                past.add((origin, text))
    return pasts


def all_deliver_one_sequence(run: Observed) -> Offences:
    """Of any two members, one has delivered a beginning of what the other has."""
    sequences = sorted((run.seen(m, What.DELIVERED) for m in run.logs), key=len)
    for shorter, longer in pairwise(sequences):
        if shorter != longer[: len(shorter)]:
            place = next(n for n, line in enumerate(shorter) if line != longer[n])
            yield f"at place {place} one delivered {shorter[place]}, another {longer[place]}"


def all_is_delivered(run: Observed) -> Offences:
    """In the end, who lives has delivered all that the living multicast, its own included."""
    if not run.is_quiet:
        yield "the run did not come to rest"
    yield from the_living_deliver(run)


def the_living_deliver(run: Observed) -> Offences:
    """Who lives and stays has delivered all that those who did not crash multicast."""
    for member in run.live:
        if member in run.left:
            continue
        delivered = set(run.seen(member, What.DELIVERED))
        for sender in run.live:
            lacking = [
                t for _, t in run.seen(sender, What.MULTICAST) if (sender, t) not in delivered
            ]
            if lacking:
                yield f"{member} never delivered {len(lacking)} of {sender}, such as {lacking[0]!r}"


ALWAYS: tuple[Property, ...] = (nothing_is_created, nothing_is_duplicated, senders_order_is_kept)

PROMISES: Mapping[Order, tuple[Property, ...]] = {
    Order.FIFO: ALWAYS,
    Order.CAUSAL: (*ALWAYS, causes_come_first),
    Order.TOTAL: (*ALWAYS, causes_come_first, all_deliver_one_sequence),
    Order.SEQUENCER: (*ALWAYS, causes_come_first, all_deliver_one_sequence),
    Order.TOTAL_CAUSAL: (
        *ALWAYS,
        causes_come_first,
        all_deliver_one_sequence,
        what_was_seen_comes_first,
    ),
}
"""What each order promises whatever happens. :func:`all_is_delivered` comes on top while nobody
crashes. After a crash FIFO order still delivers what the living say; causal order may wait for what
the dead said to some only, and total order stands still."""


def judge(run: Observed, order: Order) -> list[str]:
    """The offences of a run: ``property: what is wrong``."""
    promised = list(PROMISES[order])
    if not run.crashed:
        promised.append(all_is_delivered)
    elif order is Order.FIFO and run.is_flowing:
        promised.append(the_living_deliver)
    return [f"{one.__name__}: {offence}" for one in promised for offence in one(run)]
