"""vsync.simulation: a group in virtual time; see :mod:`vsync.simulation.group`."""
