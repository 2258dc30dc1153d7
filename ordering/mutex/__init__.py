"""Mutual exclusion: the textbook algorithms behind one interface, with fencing tokens.

>>> from random import Random
>>> from ordering.mutex import ALGORITHMS, CentralMutex, FencedResource
>>> alone = CentralMutex(1, [1])
>>> [notified] = alone.acquire(now=0)
>>> notified.event
Granted(fencing_token=1)
>>> FencedResource().check(notified.event.fencing_token)

Each algorithm is a core that the caller drives, in simulation or over links;
:class:`~ordering.mutex.epochs.EpochMutex` makes any of them survive members that die, and
:class:`~ordering.mutex.facade.Mutex` is what a program awaits. Names are resolved on first use.
"""

from importlib import import_module

TYPE_CHECKING = False  # what typing's is, without the price of loading typing

if TYPE_CHECKING:
    from ordering.mutex.algorithms import ALGORITHMS as ALGORITHMS
    from ordering.mutex.central import CentralMutex as CentralMutex
    from ordering.mutex.changes import Blocked as Blocked
    from ordering.mutex.changes import EpochBegan as EpochBegan
    from ordering.mutex.changes import Left as Left
    from ordering.mutex.contract import Algorithm as Algorithm
    from ordering.mutex.contract import Granted as Granted
    from ordering.mutex.contract import Lost as Lost
    from ordering.mutex.contract import MutexCore as MutexCore
    from ordering.mutex.contract import State as State
    from ordering.mutex.contract import Waiting as Waiting
    from ordering.mutex.contract import fencing_token as fencing_token
    from ordering.mutex.epochs import EpochMutex as EpochMutex
    from ordering.mutex.facade import Grant as Grant
    from ordering.mutex.facade import GrantLost as GrantLost
    from ordering.mutex.facade import LocalGroup as LocalGroup
    from ordering.mutex.facade import Mutex as Mutex
    from ordering.mutex.fencing import FencedResource as FencedResource
    from ordering.mutex.fencing import StaleToken as StaleToken
    from ordering.mutex.frames import MutexCodec as MutexCodec
    from ordering.mutex.group import join as join
    from ordering.mutex.lamport_queue import LamportQueueMutex as LamportQueueMutex
    from ordering.mutex.leases import EpochConfig as EpochConfig
    from ordering.mutex.linked import LinkedMutex as LinkedMutex
    from ordering.mutex.majority import MajorityMutex as MajorityMutex
    from ordering.mutex.probability import violation_probability as violation_probability
    from ordering.mutex.ricart_agrawala import RicartAgrawalaMutex as RicartAgrawalaMutex
    from ordering.mutex.suzuki_kasami import SuzukiKasamiMutex as SuzukiKasamiMutex
    from ordering.mutex.token_ring import TokenRingMutex as TokenRingMutex
    from ordering.mutex.voting import VotingConfig as VotingConfig
    from ordering.mutex.voting import VotingMutex as VotingMutex

_HOMES = {
    "ALGORITHMS": "algorithms",
    "Algorithm": "contract",
    "Blocked": "changes",
    "CentralMutex": "central",
    "EpochBegan": "changes",
    "EpochConfig": "leases",
    "EpochMutex": "epochs",
    "FencedResource": "fencing",
    "Grant": "facade",
    "GrantLost": "facade",
    "Granted": "contract",
    "LamportQueueMutex": "lamport_queue",
    "Left": "changes",
    "LinkedMutex": "linked",
    "LocalGroup": "facade",
    "Lost": "contract",
    "MajorityMutex": "majority",
    "Mutex": "facade",
    "MutexCodec": "frames",
    "MutexCore": "contract",
    "RicartAgrawalaMutex": "ricart_agrawala",
    "StaleToken": "fencing",
    "State": "contract",
    "SuzukiKasamiMutex": "suzuki_kasami",
    "TokenRingMutex": "token_ring",
    "VotingConfig": "voting",
    "VotingMutex": "voting",
    "Waiting": "contract",
    "fencing_token": "contract",
    "join": "group",
    "violation_probability": "probability",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605  a list, made from the one table of names


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'ordering.mutex' has no attribute {name!r}")
    home = import_module(f"ordering.mutex.{_HOMES[name]}")
    value = globals()[name] = getattr(home, name)
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
