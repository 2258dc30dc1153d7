"""clocksync: how far apart clocks are, with a bound you can trust.

>>> import clocksync
>>> result = clocksync.measure_sync(["ntp.example.org"])        # doctest: +SKIP
>>> result.hosts[0].offset_ns, result.hosts[0].error_bound_ns   # doctest: +SKIP
(412345, 98000)

Names are resolved on first use, so that importing :mod:`ordering` or :mod:`vsync`, which stand on
``clocksync.runtime``, never loads what measuring needs.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES: dict[str, str] = {}

__all__ = ["__version__", *sorted(_HOMES)]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'clocksync' has no attribute {name!r}")
