"""The ground under every protocol here: frames, effects, clocks, and the two drivers.

It knows nothing of its neighbours. A protocol is a *core* (:mod:`clocksync.runtime.core`): inputs
and ``now`` in, a list of effects out. The same core object runs over sockets
(:mod:`clocksync.runtime.udp`) and in the deterministic simulator
(:mod:`clocksync.runtime.simulation`).
"""
