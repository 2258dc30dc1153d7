"""What is wrong with the time of this machine: evidence collected, findings concluded from it.

:mod:`~clocksync.doctor.evidence` says what can be known, :mod:`~clocksync.doctor.collect` finds it
out, :mod:`~clocksync.doctor.machine` and :mod:`~clocksync.doctor.servers` conclude, purely, and
:mod:`~clocksync.doctor.report` tells it.
"""
