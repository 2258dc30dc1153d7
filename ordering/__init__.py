"""ordering: a consistent order of events without trusting clocks.

>>> from ordering import LamportClock, VectorClock
>>> alice, bob = VectorClock("alice"), VectorClock("bob")
>>> sent = alice.send()
>>> received = bob.receive(sent)
>>> sent < received, bob.tick() < alice.tick()
(True, False)

Names are resolved on first use, so that ``import ordering`` costs next to nothing.
"""

from importlib import import_module

TYPE_CHECKING = False  # what typing's is, without the price of loading typing

if TYPE_CHECKING:
    from ordering.dotted import Dot as Dot
    from ordering.dotted import DottedVersionVector as DottedVersionVector
    from ordering.dotted import Versions as Versions
    from ordering.hybrid import HybridClock as HybridClock
    from ordering.hybrid import HybridStamp as HybridStamp
    from ordering.hybrid import StampFromTheFuture as StampFromTheFuture
    from ordering.interval_order import BoundsContradicted as BoundsContradicted
    from ordering.interval_order import PhysicalOrder as PhysicalOrder
    from ordering.interval_order import TimedEvent as TimedEvent
    from ordering.interval_order import compare_intervals as compare_intervals
    from ordering.interval_order import tightened as tightened
    from ordering.interval_tree import IntervalTreeClock as IntervalTreeClock
    from ordering.interval_tree import IntervalTreeStamp as IntervalTreeStamp
    from ordering.lamport import LamportClock as LamportClock
    from ordering.lamport import LamportStamp as LamportStamp
    from ordering.messages import Received as Received
    from ordering.process import Process as Process
    from ordering.relation import Order as Order
    from ordering.reservation import FileStore as FileStore
    from ordering.reservation import MemoryStore as MemoryStore
    from ordering.reservation import Store as Store
    from ordering.vector import VectorClock as VectorClock
    from ordering.vector import VectorStamp as VectorStamp

_HOMES = {
    "BoundsContradicted": "ordering.interval_order",
    "Dot": "ordering.dotted",
    "DottedVersionVector": "ordering.dotted",
    "FileStore": "ordering.reservation",
    "HybridClock": "ordering.hybrid",
    "HybridStamp": "ordering.hybrid",
    "IntervalTreeClock": "ordering.interval_tree",
    "IntervalTreeStamp": "ordering.interval_tree",
    "LamportClock": "ordering.lamport",
    "LamportStamp": "ordering.lamport",
    "MemoryStore": "ordering.reservation",
    "Order": "ordering.relation",
    "PhysicalOrder": "ordering.interval_order",
    "Process": "ordering.process",
    "Received": "ordering.messages",
    "StampFromTheFuture": "ordering.hybrid",
    "Store": "ordering.reservation",
    "TimedEvent": "ordering.interval_order",
    "VectorClock": "ordering.vector",
    "VectorStamp": "ordering.vector",
    "Versions": "ordering.dotted",
    "compare_intervals": "ordering.interval_order",
    "tightened": "ordering.interval_order",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605  a list, made from the one table of names


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'ordering' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
