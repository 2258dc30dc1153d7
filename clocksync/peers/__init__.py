"""Hosts of one's own that keep their clocks together: how they talk, and how they read each other.

:mod:`~clocksync.peers.sealed` keeps strangers out, :mod:`~clocksync.peers.twoway` reads another
clock by four stamps, :mod:`~clocksync.peers.endpoint` puts a protocol on a socket. The protocols
themselves (Cristian, Berkeley, reference broadcasts, mesh) are packages beside this one: cores that
name their peers by number, and know nothing of keys and addresses.
"""
