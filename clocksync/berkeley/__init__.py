"""The Berkeley algorithm: hosts of one's own that agree on a time, without a reference.

A daemon asks all members how far their clocks are from its own, averages what is not absurd, and
tells each by how much to adjust; all slew, the daemon too. If it dies, the member with the lowest
number goes on. Gusella and Zatti, "The Accuracy of the Clock Synchronization Achieved by TEMPO in
Berkeley UNIX 4.3BSD", IEEE Transactions on Software Engineering 15(7), 1989.

>>> from clocksync.berkeley import fault_tolerant_average
>>> three = {1: 180, 2: 205, 3: 170}  # 3:00, 3:25 and 2:50, in minutes
>>> average = fault_tolerant_average(three, gamma=60).average
>>> [average - minutes for minutes in three.values()]
[5, -20, 15]
"""

from clocksync.berkeley.average import Average, fault_tolerant_average
from clocksync.berkeley.events import (
    Elected,
    GaveUp,
    Joined,
    Left,
    NoMajority,
    Obeyed,
    Over,
    RoundDone,
    Row,
    Yielded,
)
from clocksync.berkeley.frames import FRAMES
from clocksync.berkeley.host import BerkeleyHost, Role, Status
from clocksync.berkeley.settings import BerkeleySettings

__all__ = [
    "FRAMES",
    "Average",
    "BerkeleyHost",
    "BerkeleySettings",
    "Elected",
    "GaveUp",
    "Joined",
    "Left",
    "NoMajority",
    "Obeyed",
    "Over",
    "Role",
    "RoundDone",
    "Row",
    "Status",
    "Yielded",
    "fault_tolerant_average",
]
