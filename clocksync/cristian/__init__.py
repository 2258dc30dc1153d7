"""Reading a remote clock to within a bound: Cristian's probabilistic clock synchronization.

A reading is never further off than half its round trip, less the least that a way takes; a short
round trip is a good reading, so one asks again until one is short enough. F. Cristian,
"Probabilistic clock synchronization", Distributed Computing 3, 1989.

>>> from clocksync.cristian import read_clock_sync
>>> reading = read_clock_sync("ntp.example.org", within_ns=200_000)   # doctest: +SKIP
>>> reading.offset_ns, reading.error_bound_ns                         # doctest: +SKIP
(412345, 98000)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from clocksync.cristian.reader import CristianReader
from clocksync.cristian.reading import Reading
from clocksync.cristian.settings import CristianSettings

if TYPE_CHECKING:
    from clocksync.cristian.clock import CristianClock, read_clock, read_clock_sync

_HOMES = {
    "CristianClock": "clocksync.cristian.clock",
    "read_clock": "clocksync.cristian.clock",
    "read_clock_sync": "clocksync.cristian.clock",
}

__all__ = [
    "CristianClock",
    "CristianReader",
    "CristianSettings",
    "Reading",
    "read_clock",
    "read_clock_sync",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = globals()[name] = getattr(import_module(_HOMES[name]), name)
        return value
    raise AttributeError(f"module 'clocksync.cristian' has no attribute {name!r}")
