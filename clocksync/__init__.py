"""clocksync: how far apart clocks are, with a bound you can trust.

>>> import clocksync
>>> result = clocksync.measure_sync(["ntp.example.org"])        # doctest: +SKIP
>>> result.hosts[0].offset_ns, result.hosts[0].error_bound_ns   # doctest: +SKIP
(412345, 98000)

Names are resolved on first use, so that importing :mod:`ordering` or :mod:`vsync`, which stand on
``clocksync.runtime``, never loads what measuring needs.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clocksync.bounded import Anchor, BoundedClock
    from clocksync.measuring.measure import measure, measure_sync
    from clocksync.measuring.result import Combined, HostResult, Measurement, Verdict
    from clocksync.measuring.run import MeasureRun
    from clocksync.measuring.settings import MeasureSettings
    from clocksync.meshing.result import MeshResult
    from clocksync.meshing.run import mesh
    from clocksync.meshing.settings import MeshSettings
    from clocksync.runtime.errors import BadConfig, NotSynchronised, ToolkitError
    from clocksync.runtime.interval import Interval
    from clocksync.serve import Server
    from clocksync.steering.disciplined import DisciplinedClock, discipline
    from clocksync.steering.settings import DisciplineSettings

__version__ = "0.1.0"

_HOMES = {
    "Anchor": "clocksync.bounded",
    "BadConfig": "clocksync.runtime.errors",
    "BoundedClock": "clocksync.bounded",
    "Combined": "clocksync.measuring.result",
    "DisciplineSettings": "clocksync.steering.settings",
    "DisciplinedClock": "clocksync.steering.disciplined",
    "HostResult": "clocksync.measuring.result",
    "Interval": "clocksync.runtime.interval",
    "MeasureRun": "clocksync.measuring.run",
    "MeasureSettings": "clocksync.measuring.settings",
    "Measurement": "clocksync.measuring.result",
    "MeshResult": "clocksync.meshing.result",
    "MeshSettings": "clocksync.meshing.settings",
    "NotSynchronised": "clocksync.runtime.errors",
    "Server": "clocksync.serve",
    "ToolkitError": "clocksync.runtime.errors",
    "Verdict": "clocksync.measuring.result",
    "discipline": "clocksync.steering.disciplined",
    "measure": "clocksync.measuring.measure",
    "measure_sync": "clocksync.measuring.measure",
    "mesh": "clocksync.meshing.run",
}

__all__ = [
    "Anchor",
    "BadConfig",
    "BoundedClock",
    "Combined",
    "DisciplineSettings",
    "DisciplinedClock",
    "HostResult",
    "Interval",
    "MeasureRun",
    "MeasureSettings",
    "Measurement",
    "MeshResult",
    "MeshSettings",
    "NotSynchronised",
    "Server",
    "ToolkitError",
    "Verdict",
    "__version__",
    "discipline",
    "measure",
    "measure_sync",
    "mesh",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = globals()[name] = getattr(import_module(_HOMES[name]), name)
        return value
    raise AttributeError(f"module 'clocksync' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
