"""A mesh: all pairs of one's own hosts read each other's clocks, and one graph makes sense of it.

What one pair of hosts cannot know, whether its path is symmetric, a loop of three can see: the
offsets around it must sum to nothing. (Geng et al., "Exploiting a Natural Network Effect for
Scalable, Fine-grained Clock Synchronization", NSDI 2018: Huygens.)

- :mod:`~clocksync.meshing.agent`: on each host, probes whom it is told to, and answers everybody.
- :mod:`~clocksync.meshing.coordinator`: gives the orders, collects the samples.
- :mod:`~clocksync.meshing.plan`: who probes whom.
- :mod:`~clocksync.meshing.pairs`: from the samples of a pair to its offset, skew and hard bound.
- :mod:`~clocksync.meshing.bounds`: what all paths of the graph prove about a pair.
- :mod:`~clocksync.meshing.graph`: one offset for each host, asymmetric paths named.
- :mod:`~clocksync.meshing.solve`: all of that together.
"""
