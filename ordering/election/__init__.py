"""Elections: which of the living members leads. Bully and ring, as cores.

>>> from ordering.election import BullyElection
>>> [notified] = BullyElection(3, [1, 2, 3]).elect(now=0)[-1:]
>>> notified.event
Elected(leader=3)

An election alone makes nothing safe: with timeouts a slow member cannot be told from a dead one, so
two sides of a partition elect a leader each. What a leader may *do* needs a majority
(:mod:`ordering.mutex.epochs`); an election only decides who tries.
"""

from ordering.election.bully import BullyElection
from ordering.election.contract import Elected, ElectionCore
from ordering.election.frames import ElectionCodec
from ordering.election.ring import RingElection

__all__ = ["BullyElection", "Elected", "ElectionCodec", "ElectionCore", "RingElection"]
