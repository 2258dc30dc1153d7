"""Reference broadcasts: receivers of one broadcast compare when it came, and so their clocks.

:mod:`~clocksync.rbs.beacon` and :mod:`~clocksync.rbs.receiver` are the cores,
:mod:`~clocksync.rbs.run` puts a receiver on sockets. See ``docs/reference-broadcasts.md``.
"""
