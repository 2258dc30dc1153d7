"""NTP: packets, a measuring client, a responder, and a drop-in for ntplib.

>>> from clocksync import ntp
>>> stats = ntp.request("ntp.example.org")        # doctest: +SKIP
>>> stats.offset, stats.error_bound               # doctest: +SKIP
(0.000412, 0.000098)

The names of the drop-in are resolved on first use: packets and timestamps need none of it.
"""

from importlib import import_module
from typing import Any

__all__ = [
    "NTPClient",
    "NTPException",
    "NTPStats",
    "leap_to_text",
    "mode_to_text",
    "ntp_to_system_time",
    "ref_id_to_text",
    "request",
    "stratum_to_text",
    "system_to_ntp_time",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("clocksync.ntp.drop_in"), name)
    raise AttributeError(f"module 'clocksync.ntp' has no attribute {name!r}")
