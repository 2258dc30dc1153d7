"""All algorithms by name, made the same way: what the comparison, the epochs and the tests run."""

from collections.abc import Sequence
from random import Random

from clocksync.runtime.units import MILLISECOND
from ordering.mutex.central import CentralMutex
from ordering.mutex.contract import Algorithm, MutexCore
from ordering.mutex.lamport_queue import LamportQueueMutex
from ordering.mutex.majority import MajorityMutex
from ordering.mutex.ricart_agrawala import RicartAgrawalaMutex
from ordering.mutex.suzuki_kasami import SuzukiKasamiMutex
from ordering.mutex.token_ring import TokenRingMutex
from ordering.mutex.voting import VotingMutex

REST_NS = MILLISECOND
"""How long a member of the ring keeps a token that it does not want."""


def central(me: int, members: Sequence[int], *, generation: int = 0, random: Random) -> MutexCore:
    """A coordinator."""
    return CentralMutex(me, members, generation=generation)


def voting(me: int, members: Sequence[int], *, generation: int = 0, random: Random) -> MutexCore:
    """Votes of a majority of coordinators, here all members."""
    return VotingMutex(me, members, random=random, generation=generation)


def ricart_agrawala(
    me: int, members: Sequence[int], *, generation: int = 0, random: Random
) -> MutexCore:
    """Permission of everybody."""
    return RicartAgrawalaMutex(me, members, generation=generation)


def majority_of_members(
    me: int, members: Sequence[int], *, generation: int = 0, random: Random
) -> MutexCore:
    """Exclusive permission of a majority."""
    return MajorityMutex(me, members, generation=generation)


def lamport_queue(
    me: int, members: Sequence[int], *, generation: int = 0, random: Random
) -> MutexCore:
    """The same queue everywhere."""
    return LamportQueueMutex(me, members, generation=generation)


def token_ring(
    me: int, members: Sequence[int], *, generation: int = 0, random: Random
) -> MutexCore:
    """A token that goes round."""
    return TokenRingMutex(me, members, generation=generation, rest_ns=REST_NS)


def suzuki_kasami(
    me: int, members: Sequence[int], *, generation: int = 0, random: Random
) -> MutexCore:
    """A token that goes where it is asked for."""
    return SuzukiKasamiMutex(me, members, generation=generation)


ALGORITHMS: dict[str, Algorithm] = {
    "central": central,
    "voting": voting,
    "ricart-agrawala": ricart_agrawala,
    "majority": majority_of_members,
    "lamport-queue": lamport_queue,
    "token-ring": token_ring,
    "suzuki-kasami": suzuki_kasami,
}
"""By the names that ``ordering mutex`` uses."""
