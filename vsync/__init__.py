"""vsync: extended virtual synchrony over a Totem token ring.

>>> from vsync import BootState, Engine, RingConfig
>>> member = Engine(RingConfig(), me=1, boot=BootState(), seed="any")
>>> member.state.value
'idle'

The engine does no I/O: one input and the time go into :meth:`Engine.step`, effects come out. It
runs in :mod:`vsync.simulation`; ``docs/ring.md`` tells what it promises and how.
"""

from vsync.config import RingConfig
from vsync.engine import Engine
from vsync.events import BootState, Configuration, Kind, Messages
from vsync.identity import RingId, Service
from vsync.states import Cause, State

__all__ = [
    "BootState",
    "Cause",
    "Configuration",
    "Engine",
    "Kind",
    "Messages",
    "RingConfig",
    "RingId",
    "Service",
    "State",
]
