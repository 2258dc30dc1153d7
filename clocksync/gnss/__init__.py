"""GNSS: what a receiver does, from pseudoranges to position and clock error, with bounds.

>>> from pathlib import Path
>>> from clocksync.gnss import Positioning
>>> run = Positioning.of([Path("site.18o"), Path("day.18n")])      # doctest: +SKIP
>>> for fix in run.fixes():                                        # doctest: +SKIP
...     print(fix.position, fix.clock_error_ns, fix.horizontal_bound_m)

Reading files is :class:`Positioning`'s; all else is arithmetic: :class:`Receiver` takes epochs from
anywhere, :func:`solve` measurements, :class:`Scene` simulates both.
"""

from clocksync.gnss.atmosphere import Klobuchar, troposphere_m
from clocksync.gnss.ephemerides import Ephemerides
from clocksync.gnss.ephemeris import Ephemeris, Message
from clocksync.gnss.fix import Cause, Excluded, Fix, Status, Used
from clocksync.gnss.geodesy import Geodetic, LocalFrame, to_ecef, to_geodetic
from clocksync.gnss.integrity import Verdict, judge
from clocksync.gnss.least_squares import Measurements, Solution, solve
from clocksync.gnss.receiver import Receiver
from clocksync.gnss.rinex_navigation import Navigation, read_navigation
from clocksync.gnss.rinex_observations import Epoch, Observed, read_observations
from clocksync.gnss.rinex_text import BadRinex, Lines
from clocksync.gnss.run import Positioning
from clocksync.gnss.settings import ReceiverSettings
from clocksync.gnss.simulation import Scene
from clocksync.gnss.summary import Summary

__all__ = [
    "BadRinex",
    "Cause",
    "Ephemerides",
    "Ephemeris",
    "Epoch",
    "Excluded",
    "Fix",
    "Geodetic",
    "Klobuchar",
    "Lines",
    "LocalFrame",
    "Measurements",
    "Message",
    "Navigation",
    "Observed",
    "Positioning",
    "Receiver",
    "ReceiverSettings",
    "Scene",
    "Solution",
    "Status",
    "Summary",
    "Used",
    "Verdict",
    "judge",
    "read_navigation",
    "read_observations",
    "solve",
    "to_ecef",
    "to_geodetic",
    "troposphere_m",
]
