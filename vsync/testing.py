"""Test a replicated program in simulation: the group that ``vsync simulate`` runs, as a library.

>>> from vsync.testing import Group
>>> group = Group(seed=7, count=3)
>>> group.world.run_for(200_000_000)
>>> group.submit(1, b"hello")
True
>>> group.world.run_for(50_000_000)
>>> [event["node"] for event in group.history if event["event"] == "deliver"]
[1, 3, 2]

:func:`draw` and :func:`play` make and run a scenario with faults; :func:`vsync.check.judge` judges
its history. :class:`Stage` is a group with replicas and locks on top. How worlds, links and
faults work: ``docs/simulation.md``.
"""

from vsync.replication.simulation import Stage
from vsync.simulation.group import FAULTS, Group, Load
from vsync.simulation.node import RingNode
from vsync.simulation.run import Played, Scenario, draw, play
from vsync.simulation.watch import Watch

__all__ = [
    "FAULTS",
    "Group",
    "Load",
    "Played",
    "RingNode",
    "Scenario",
    "Stage",
    "Watch",
    "draw",
    "play",
]
