"""A mesh: all pairs of one's own hosts read each other's clocks, and one graph makes sense of it.

What one pair of hosts cannot know, whether its path is symmetric, a loop of three can see: the
offsets around it must sum to nothing. (Geng et al., "Exploiting a Natural Network Effect for
Scalable, Fine-grained Clock Synchronization", NSDI 2018: Huygens.)

- :mod:`~clocksync.mesh.agent`: on each host, probes whom it is told to, and answers everybody.
- :mod:`~clocksync.mesh.coordinator`: gives the orders, collects the samples.
- :mod:`~clocksync.mesh.plan`: who probes whom.
- :mod:`~clocksync.mesh.pairs`: from the samples of a pair to its offset, skew and hard bound.
- :mod:`~clocksync.mesh.bounds`: what all paths of the graph prove about a pair.
- :mod:`~clocksync.mesh.graph`: one offset for each host, asymmetric paths named.
- :mod:`~clocksync.mesh.solve`: all of that together.
"""
